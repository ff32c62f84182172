"""The accept and reject lists of `kubectl proxy`: a request passes if no reject list and every accept list match.

Patterns are regular expressions searched as Go's MatchString does (unanchored unless they say so). Paths are judged
as the API server reads them (percent-decoded) and as sent: a reject pattern that matches either form rejects.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from daas_gateway.errors import GatewayError, HostNotAccepted, MethodRejected, PathNotAccepted, PathRejected, shown

DEFAULT_ACCEPT_PATHS = ("^.*",)
DEFAULT_REJECT_PATHS = ("^/api/.*/pods/.*/exec", "^/api/.*/pods/.*/attach")
DEFAULT_ACCEPT_HOSTS = ("^localhost$", r"^127\.0\.0\.1$", r"^\[::1\]$")
DEFAULT_REJECT_METHODS = ("^$",)

VERDICTS_KEPT = 4096
"""Verdicts remembered per (method, path, host); cleared as a whole when full, so memory stays bounded."""

_HOST = re.compile(r"^(\[[0-9A-Fa-f:.]+\]|[^\[\]:]*)(?::[0-9]{1,5})?$")


class PatternInvalid(ValueError):
    """A pattern of an accept or reject list is not a regular expression."""


def compile_patterns(setting: str, patterns: Sequence[str]) -> tuple[re.Pattern[str], ...]:
    """The patterns of one list; raises PatternInvalid naming the setting and the pattern."""
    compiled = []
    for pattern in patterns:
        try:
            compiled.append(re.compile(pattern))
        except re.error as problem:
            raise PatternInvalid(f"{setting}: {pattern!r} is not a regular expression: {problem}") from None
    return tuple(compiled)


def host_without_port(header: str) -> str | None:
    """The host of a Host header, brackets kept; None when it is malformed."""
    match = _HOST.match(header)
    return match.group(1) if match else None


def _matching(patterns: tuple[re.Pattern[str], ...], *texts: str) -> str | None:
    for pattern in patterns:
        for text in texts:
            if pattern.search(text):
                return pattern.pattern
    return None


@dataclass(frozen=True, slots=True)
class FilterLists:
    """The four lists as text, as configured."""

    accept_paths: tuple[str, ...] = DEFAULT_ACCEPT_PATHS
    reject_paths: tuple[str, ...] = DEFAULT_REJECT_PATHS
    accept_hosts: tuple[str, ...] = DEFAULT_ACCEPT_HOSTS
    reject_methods: tuple[str, ...] = DEFAULT_REJECT_METHODS


class RequestFilter:
    """Judges requests by compiled lists; a verdict for a (method, path, host) seen before costs one dict look-up."""

    __slots__ = ("_accept_hosts", "_accept_paths", "_reject_methods", "_reject_paths", "_verdicts")

    def __init__(self, lists: FilterLists) -> None:
        self._accept_paths = compile_patterns("accept_paths", lists.accept_paths)
        self._reject_paths = compile_patterns("reject_paths", lists.reject_paths)
        self._accept_hosts = compile_patterns("accept_hosts", lists.accept_hosts)
        self._reject_methods = compile_patterns("reject_methods", lists.reject_methods)
        self._verdicts: dict[tuple[str, str, str], GatewayError | None] = {}

    def check(self, method: str, path: str, host: str) -> GatewayError | None:
        """None if the request may pass, else the refusal. `path` is the raw path without its query."""
        key = (method, path, host)
        try:
            return self._verdicts[key]
        except KeyError:
            pass
        if len(self._verdicts) >= VERDICTS_KEPT:
            self._verdicts.clear()
        verdict = self._verdicts[key] = self._judge(method, path, host)
        return verdict

    def _judge(self, method: str, path: str, host: str) -> GatewayError | None:
        decoded = unquote(path, errors="surrogateescape")
        name = host_without_port(host)
        if name is None or _matching(self._accept_hosts, name.lower()) is None:
            return HostNotAccepted(
                f"the Host header {shown(host)!r} matches nothing in accept_hosts; "
                "if this name is yours, add a pattern for it to 'accept_hosts' in the gateway's configuration"
            )
        if (pattern := _matching(self._reject_methods, method)) is not None:
            return MethodRejected(
                f"method {shown(method)} matches {pattern!r} of reject_methods; "
                "to allow it change 'reject_methods' in the gateway's configuration"
            )
        if (pattern := _matching(self._reject_paths, decoded, path)) is not None:
            return PathRejected(
                f"path {shown(path)} matches {pattern!r} of reject_paths; "
                "to allow it take that pattern out of 'reject_paths' in the gateway's configuration "
                "(for exec and attach daas.yaml has 'allow_exec')"
            )
        if _matching(self._accept_paths, decoded) is None:
            return PathNotAccepted(
                f"path {shown(path)} matches nothing in accept_paths; "
                "to allow it add a pattern to 'accept_paths' in the gateway's configuration"
            )
        return None

"""What a request asks for, read as the API server reads it (k8s.io/apiserver request.RequestInfoFactory).

Invariant: for every (method, target) this module accepts, group, version, namespace, resource, subresource, name and
verb are those the API server finds; whatever the two could read differently is refused by name. So a decision made
here about a request (by the gateway which way it goes, by the enclave whether it may) is one about what is executed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote_to_bytes

MAX_TARGET: Final = 16384
"""Bytes, as the request binding allows; kubectl's longest (exec with a long command line) stay below."""
MAX_QUERY_PARAMETERS: Final = 256
"""An exec command's argument is a parameter each."""
MAX_SEGMENT: Final = 512
"""Bytes of one decoded path segment; Kubernetes names end at 253."""

METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
CONNECT_SUBRESOURCES: Final = frozenset({"exec", "attach", "portforward"})
"""Of pods. A GET of them opens a stream into a container, so here they are always verb `create`."""
VERB_CREATE: Final = "create"

_VERBS: Final = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_NAMESPACE_SUBRESOURCES: Final = frozenset({"status", "finalize"})
_REPEATABLE: Final = frozenset({"command", "ports", "exclude"})
"""Lists by nature (exec, port-forward, health). Of anything else the API server takes the first, others the last."""
_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}
"""The API server takes every other value, the empty one too, for true."""
_TARGET: Final = re.compile(r"/[!$&'()*+,\-./0-9:=@A-Z_a-z~%]*(?:\?[!$&'()*+,\-./0-9:=@A-Z_a-z~%?\[\]|<>{}^]*)?")
_WORD: Final = re.compile(r"[a-z0-9](?:[a-z0-9.\-]*[a-z0-9])?")
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})?")
_PLAIN: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/\\%")
"""Bytes whose escape in a path is refused: no client escapes them, and `%2e`, `%2f`, `%25` disguise paths."""


class RequestRefused(ValueError):
    """A request this module does not read; `cause` is a CamelCase name, `code` the HTTP status to answer."""

    def __init__(self, cause: str, message: str, code: int = 400) -> None:
        super().__init__(message)
        self.cause = cause
        self.code = code


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """A request as Kubernetes names it; strings are empty where the path has no such part.

    `verb` is the API server's; `grant_verb` is what a grant must have (`create` for exec, attach and portforward).
    """

    method: str
    path: str
    is_resource: bool
    verb: str
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    parts: tuple[str, ...] = ()
    watch: bool = False
    follow: bool = False
    dry_run: bool = False
    query: dict[str, str] = field(default_factory=dict, compare=False)

    @property
    def is_connect(self) -> bool:
        return self.resource == "pods" and self.group == "" and self.subresource in CONNECT_SUBRESOURCES

    @property
    def grant_verb(self) -> str:
        return VERB_CREATE if self.is_connect else self.verb

    @property
    def streams(self) -> bool:
        """True where the answer has no end of its own: a watch, or a log that is followed."""
        return self.watch or self.follow


def parse(method: str, target: str) -> RequestInfo:
    """The RequestInfo of a request line; `target` is the origin form exactly as sent.

    Raises RequestRefused.
    """
    if method not in METHODS:
        raise RequestRefused("MethodNotAllowed", f"method {method[:16]!r} is not one of {sorted(METHODS)}", 405)
    path, query = _split(target)
    segments = _segments(path)
    parameters = _parameters(query)
    info = _read_path(method, path, segments)
    return _read_query(info, parameters)


def _split(target: str) -> tuple[str, str]:
    if len(target) > MAX_TARGET:
        raise RequestRefused("TargetTooLong", f"the target has {len(target)} bytes, the limit is {MAX_TARGET}", 414)
    if not target.startswith("/"):
        raise RequestRefused("TargetForm", "only targets in origin form (beginning with one slash) are served")
    if not _TARGET.fullmatch(target):
        raise RequestRefused("TargetCharacter", "the target has a character that must be escaped or may not be there")
    path, _, query = target.partition("?")
    return path, query


def _segments(path: str) -> list[str]:
    """Decoded segments of a path; never empty, `.`, `..`, nor holding a slash, a backslash or a control character."""
    if path == "/":
        return []
    segments = path[1:].split("/")
    for at, segment in enumerate(segments):
        if not segment:
            raise RequestRefused("PathEmptySegment", "the path has an empty segment (`//` or a slash at its end)")
        if segment in (".", ".."):
            raise RequestRefused("PathDotSegment", "the path has a `.` or `..` segment")
        if "%" in segment:
            segments[at] = _unescape_segment(segment)
        if len(segment) > MAX_SEGMENT:
            raise RequestRefused("PathSegmentTooLong", f"a path segment is longer than {MAX_SEGMENT} bytes", 414)
    return segments


def _unescape_segment(segment: str) -> str:
    for match in _ESCAPE.finditer(segment):
        if match[1] is None:
            raise RequestRefused("PathEscape", "the path has a broken percent escape")
        byte = int(match[1], 16)
        if byte in _PLAIN or byte < 0x20 or byte == 0x7F:
            raise RequestRefused("PathEscape", f"%{match[1]} may not be escaped in a path, or not be there at all")
    try:
        decoded = unquote_to_bytes(segment).decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestRefused("PathEscape", "the path's percent escapes are not UTF-8") from error
    # U+0080..U+009F are control characters too, and U+2215, U+FF0F look like slashes but are none to either side.
    if any("\x80" <= character <= "\x9f" for character in decoded):
        raise RequestRefused("PathEscape", "the path has a control character")
    return decoded


def _parameters(query: str) -> dict[str, str]:
    """Query parameters, each key once (the repeatable ones hold the last); Go's rules for `+`, escapes and `;`."""
    parameters: dict[str, str] = {}
    if not query:
        return parameters
    pairs = query.split("&")
    if len(pairs) > MAX_QUERY_PARAMETERS:
        raise RequestRefused("QueryTooManyParameters", f"more than {MAX_QUERY_PARAMETERS} query parameters", 414)
    for pair in pairs:
        if not pair:
            raise RequestRefused("QueryEmptyParameter", "the query has an empty parameter")
        raw_key, _, raw_value = pair.partition("=")
        key = _unescape_parameter(raw_key)
        if key in parameters and key not in _REPEATABLE:
            raise RequestRefused("QueryDuplicate", f"the query parameter {key[:64]!r} is there twice")
        parameters[key] = _unescape_parameter(raw_value)
    return parameters


def _unescape_parameter(text: str) -> str:
    if "%" not in text and "+" not in text:
        return text
    for match in _ESCAPE.finditer(text):
        if match[1] is None:
            raise RequestRefused("QueryEscape", "the query has a broken percent escape")
    try:
        decoded = unquote_to_bytes(text.replace("+", " ")).decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestRefused("QueryEscape", "the query's percent escapes are not UTF-8") from error
    if "\0" in decoded:
        raise RequestRefused("QueryEscape", "the query has a NUL")
    return decoded


def _read_path(method: str, path: str, segments: list[str]) -> RequestInfo:
    prefix = segments[0] if segments else ""
    # A group or version is asked for by its discovery path, which is no resource request.
    least = {"api": 3, "apis": 4}.get(prefix)
    if least is None or len(segments) < least:
        return RequestInfo(method=method, path=path, is_resource=False, verb=method.lower())
    group = segments[1] if prefix == "apis" else ""
    version, parts = segments[least - 2], segments[least - 1 :]
    if parts[0] in ("watch", "proxy"):
        raise RequestRefused("PathLegacyVerb", f"the legacy prefix `/{parts[0]}/` is refused; use ?watch=true", 403)
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 1:
        namespace = parts[1]
        if len(parts) > 2 and parts[2] not in _NAMESPACE_SUBRESOURCES:
            parts = parts[2:]
    resource = parts[0]
    name = parts[1] if len(parts) > 1 else ""
    subresource = parts[2] if len(parts) > 2 else ""
    for word in (version, resource, *filter(None, (group, namespace, subresource))):
        if not _WORD.fullmatch(word):
            raise RequestRefused("PathWord", f"{word[:64]!r} is no API group, version, namespace or resource name")
    verb = _VERBS[method]
    if not name:
        verb = {"get": "list", "delete": "deletecollection"}.get(verb, verb)
    return RequestInfo(
        method=method,
        path=path,
        is_resource=True,
        verb=verb,
        group=group,
        version=version,
        namespace=namespace,
        resource=resource,
        subresource=subresource,
        name=name,
        parts=tuple(parts),
    )


def _read_query(info: RequestInfo, parameters: dict[str, str]) -> RequestInfo:
    if not parameters:
        return info
    watch = follow = dry_run = False
    if "watch" in parameters and (watch := _boolean(parameters, "watch")) and info.verb != "list":
        raise RequestRefused("QueryWatch", "watch is for lists; select one object by fieldSelector=metadata.name=NAME")
    if "follow" in parameters and info.resource == "pods" and info.subresource == "log":
        follow = _boolean(parameters, "follow")
    if "dryRun" in parameters:
        if parameters["dryRun"] != "All":
            raise RequestRefused("QueryDryRun", "dryRun must be All")
        dry_run = True
    return RequestInfo(
        method=info.method,
        path=info.path,
        is_resource=info.is_resource,
        verb="watch" if watch and info.is_resource else info.verb,
        group=info.group,
        version=info.version,
        namespace=info.namespace,
        resource=info.resource,
        subresource=info.subresource,
        name=info.name,
        parts=info.parts,
        watch=watch and info.is_resource,
        follow=follow,
        dry_run=dry_run,
        query=parameters,
    )


def _boolean(parameters: dict[str, str], key: str) -> bool:
    try:
        return _BOOLEANS[parameters[key]]
    except KeyError:
        raise RequestRefused("QueryBoolean", f"{key} must be true, false, 1 or 0") from None

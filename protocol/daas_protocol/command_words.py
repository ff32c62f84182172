"""The five words by which the contract judges an L1 request, and which requests there are for it to judge.

Invariant: gateway and enclave find the same words from the same request line, and only such as the contract takes
(`command.move`): the enclave executes a plaintext only if its words are those that the contract checked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from daas_protocol.grant import ALL_VERBS, MAX_GROUP_CHARACTERS, WRITE_VERBS
from daas_protocol.request_info import RequestInfo, RequestRefused

_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_IS_LABEL: Final = re.compile(_LABEL, re.ASCII)
_IS_GROUP: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
_REVIEW_GROUPS: Final = frozenset({"authorization.k8s.io", "authentication.k8s.io"})


class NotACommand(RequestRefused):
    """A request that the contract has no words for."""


@dataclass(frozen=True, slots=True)
class CommandWords:
    """Empty `group`: the core group; empty `subresource`: the resource itself; empty `namespace`: in none."""

    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str


def is_write(info: RequestInfo) -> bool:
    """Whether the request changes something that stays: with a chain, such requests go through the contract only.

    Not: a dry run; a review, which is a question in the form of a POST; exec, attach and port-forward, whose streams
    no transaction carries.
    """
    return info.is_resource and info.verb in WRITE_VERBS and not (info.dry_run or info.is_connect or _is_review(info))


def _is_review(info: RequestInfo) -> bool:
    return info.verb == "create" and info.group in _REVIEW_GROUPS and info.resource.endswith("reviews")


def command_words(info: RequestInfo) -> CommandWords:
    """Of any request on resources that has one answer. Raises `NotACommand`."""
    if not info.is_resource:
        raise NotACommand("CommandResource", "only requests on resources go through the contract")
    if info.is_connect:
        raise NotACommand("CommandStream", f"{info.subresource} opens a stream, which no transaction carries")
    if info.streams:
        raise NotACommand("CommandStream", "a watch, or a log that is followed, has no end to settle")
    words = CommandWords(info.verb, info.group, info.resource, info.subresource, info.namespace)
    if words.verb not in ALL_VERBS:
        raise NotACommand("CommandVerb", f"the contract has no verb {words.verb[:16]!r}")
    if words.group and not (len(words.group) <= MAX_GROUP_CHARACTERS and _IS_GROUP.fullmatch(words.group)):
        raise NotACommand("CommandWord", f"the contract takes no group {words.group[:64]!r}")
    for name in ("resource", "subresource", "namespace"):
        word = getattr(words, name)
        if (word or name == "resource") and not _IS_LABEL.fullmatch(word):
            raise NotACommand("CommandWord", f"the contract takes no {name} {word[:64]!r}")
    return words

"""Who may ask for what: the authority every decision of the request path is made from.

Invariant: a decision is made from one immutable `Snapshot`. A source (the policy file here, contract state that the
enclave verified elsewhere) hands out a new snapshot object when anything in it changes and never alters one.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Protocol

import yaml

from daas_protocol.binding import policy_file_anchor
from daas_protocol.grant import Grant, parse_grant
from daas_protocol.sui import parse_address

POLICY_VERSION: Final = 1
MAX_POLICY_BYTES: Final = 1024 * 1024
MAX_TOKENS: Final = 4096
"""Each becomes RBAC objects in the API server."""
MAX_GRANTS: Final = 64
MAX_DEPTH: Final = 8
"""The format has four levels; YAML of any depth would recurse."""

_RFC3339: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?(?:Z|[+-]\d{2}:\d{2})")


class PolicyFileError(ValueError):
    """The policy file cannot be used; `where` is the dotted path of what has to be corrected."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"policy file, {where}: {problem}")
        self.where = where


@dataclass(frozen=True, slots=True)
class Token:
    """An access token. `token_id` and `owner` are 32 B; `expires_at_ms` is None for one that does not expire."""

    token_id: bytes
    owner: bytes
    grants: tuple[Grant, ...]
    expires_at_ms: int | None
    revoked: bool

    def live(self, now_ms: int) -> bool:
        return not self.revoked and (self.expires_at_ms is None or now_ms < self.expires_at_ms)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Tokens by id (32 B), session epochs by address (32 B; absent means 0), and the 32 B anchor it was read under."""

    tokens: Mapping[bytes, Token]
    session_epochs: Mapping[bytes, int]
    anchor: bytes

    def session_epoch(self, address: bytes) -> int:
        return self.session_epochs.get(address, 0)


class Authority(Protocol):
    """Where snapshots come from."""

    @property
    def anchor(self) -> bytes:
        """32 B for `light_client_anchor` of the attested binding: by which source this enclave decides."""
        ...

    def snapshot(self) -> Snapshot:
        """The state to decide by now; the same object as long as nothing has changed."""
        ...


class PolicyFile:
    """The authority without a chain: a YAML file, read once, whose hash the attestation document carries."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    @classmethod
    def load(cls, path: Path) -> PolicyFile:
        """Raises PolicyFileError, also when the file cannot be read."""
        try:
            with path.open("rb") as file:
                data = file.read(MAX_POLICY_BYTES + 1)
        except OSError as error:
            raise PolicyFileError("(whole file)", f"cannot read {path}: {error.strerror}") from error
        return cls.parse(data)

    @classmethod
    def parse(cls, data: bytes) -> PolicyFile:
        """Raises PolicyFileError."""
        if len(data) > MAX_POLICY_BYTES:
            raise PolicyFileError("(whole file)", f"larger than {MAX_POLICY_BYTES} bytes")
        return cls(_snapshot(_load_yaml(data), policy_file_anchor(data)))

    @property
    def anchor(self) -> bytes:
        return self._snapshot.anchor

    def snapshot(self) -> Snapshot:
        return self._snapshot


class _StrictLoader(yaml.SafeLoader):
    """YAML without anchors, merges, tags and duplicate keys; timestamps stay text."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise PolicyFileError("(whole file)", "YAML aliases are not read")
        # A tag makes a constructor read what its resolver never looked at: `!!int` of nothing is an IndexError.
        if getattr(self.peek_event(), "tag", None) is not None:  # type: ignore[no-untyped-call]
            raise PolicyFileError("(whole file)", "YAML tags are not read")
        depth = getattr(self, "depth", 0)
        if depth >= MAX_DEPTH:
            raise PolicyFileError("(whole file)", f"deeper than {MAX_DEPTH} levels")
        self.depth = depth + 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth = depth


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Hashable, Any]:
    found: dict[Hashable, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise PolicyFileError(f"line {key_node.start_mark.line + 1}", f"key {key!r} is not text; quote it")
        if key in found:
            raise PolicyFileError(f"line {key_node.start_mark.line + 1}", f"key {key!r} is there twice")
        found[key] = loader.construct_object(value_node, deep=True)
    return found


def _text(loader: _StrictLoader, node: yaml.ScalarNode) -> Any:
    return loader.construct_scalar(node)


_StrictLoader.add_constructor("tag:yaml.org,2002:map", _mapping)
_StrictLoader.add_constructor("tag:yaml.org,2002:timestamp", _text)


def _load_yaml(data: bytes) -> Any:
    try:
        return yaml.load(data.decode("utf-8"), Loader=_StrictLoader)  # noqa: S506 (a SafeLoader, made stricter)
    except PolicyFileError:
        raise
    except UnicodeDecodeError as error:
        raise PolicyFileError("(whole file)", "not UTF-8") from error
    except (yaml.YAMLError, ValueError, ArithmeticError, RecursionError) as error:
        raise PolicyFileError("(whole file)", f"not YAML: {error}") from error


def _fields(value: Any, where: str, known: frozenset[str], needed: frozenset[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise PolicyFileError(where, "a mapping is wanted")
    for key in value:
        if key not in known:
            raise PolicyFileError(f"{where}.{key}", f"unknown field; known are {', '.join(sorted(known))}")
    for key in sorted(needed):
        if key not in value:
            raise PolicyFileError(f"{where}.{key}", "is missing")
    return value


def _address(value: Any, where: str) -> bytes:
    if not isinstance(value, str):
        raise PolicyFileError(where, 'an address is text such as "0x..."; quote it, YAML reads hex as a number')
    try:
        return parse_address(value)
    except ValueError as error:
        raise PolicyFileError(where, str(error)) from error


def _instant(value: Any, where: str) -> int:
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise PolicyFileError(where, "an RFC 3339 time with zone is wanted, such as 2027-01-31T12:00:00Z")
    try:
        return int(datetime.fromisoformat(value).astimezone(UTC).timestamp() * 1000)
    except (ValueError, OverflowError) as error:  # a zone can push the first and the last day out of the calendar
        raise PolicyFileError(where, str(error)) from error


def _token(value: Any, where: str) -> Token:
    known = frozenset({"id", "owner", "grants", "expires_at", "revoked"})
    fields = _fields(value, where, known, frozenset({"id", "owner", "grants"}))
    texts = fields["grants"]
    if not isinstance(texts, list) or not 0 < len(texts) <= MAX_GRANTS:
        raise PolicyFileError(f"{where}.grants", f"a list of 1 to {MAX_GRANTS} grants is wanted")
    grants: list[Grant] = []
    for at, text in enumerate(texts):
        if not isinstance(text, str):
            raise PolicyFileError(f"{where}.grants[{at}]", 'a grant is text such as "pods:read@dev"; quote it')
        try:
            grants.append(parse_grant(text))
        except ValueError as error:
            raise PolicyFileError(f"{where}.grants[{at}]", str(error)) from error
    revoked = fields.get("revoked", False)
    if not isinstance(revoked, bool):
        raise PolicyFileError(f"{where}.revoked", "true or false is wanted")
    return Token(
        token_id=_address(fields["id"], f"{where}.id"),
        owner=_address(fields["owner"], f"{where}.owner"),
        grants=tuple(grants),
        expires_at_ms=_instant(fields["expires_at"], f"{where}.expires_at") if "expires_at" in fields else None,
        revoked=revoked,
    )


def _snapshot(value: Any, anchor: bytes) -> Snapshot:
    fields = _fields(
        value, "(top)", frozenset({"version", "tokens", "session_epochs"}), frozenset({"version", "tokens"})
    )
    if fields["version"] != POLICY_VERSION or isinstance(fields["version"], bool):
        raise PolicyFileError("version", f"this enclave reads version {POLICY_VERSION}, not {fields['version']!r}")
    listed = fields["tokens"]
    if not isinstance(listed, list) or len(listed) > MAX_TOKENS:
        raise PolicyFileError("tokens", f"a list of at most {MAX_TOKENS} tokens is wanted")
    tokens: dict[bytes, Token] = {}
    for at, item in enumerate(listed):
        token = _token(item, f"tokens[{at}]")
        if token.token_id in tokens:
            raise PolicyFileError(f"tokens[{at}].id", "another token has this id")
        tokens[token.token_id] = token
    epochs: dict[bytes, int] = {}
    given = fields.get("session_epochs", {})
    if not isinstance(given, dict) or len(given) > MAX_TOKENS:
        raise PolicyFileError("session_epochs", f"a mapping of at most {MAX_TOKENS} addresses is wanted")
    for text, epoch in given.items():
        where = f"session_epochs.{text}"
        if isinstance(epoch, bool) or not isinstance(epoch, int) or not 0 <= epoch < 2**64:
            raise PolicyFileError(where, "a number from 0 is wanted")
        address = _address(text, where)
        if address in epochs:
            raise PolicyFileError(where, "this address is there twice")
        epochs[address] = epoch
    return Snapshot(MappingProxyType(tokens), MappingProxyType(epochs), anchor)

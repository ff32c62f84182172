"""The text a user signs once a day, so that a short-lived key may sign requests.

Invariant: one session has one text. `parse` accepts exactly what `text()` writes: each line once, in order, with
canonical values, at most 24 hours from issue to expiry. Source: DESIGN.md section 2, docs/protocol.md.
"""

import re
from dataclasses import dataclass

from daas_protocol.bcs import U64_MAX
from daas_protocol.grant import Grant, GrantError, parse_grant

TITLE = "DaaS session v1"
MAX_SESSION_MS = 24 * 60 * 60 * 1000
MAX_SCOPE_GRANTS = 64
"""A session is a subset of one token, and a token with more grants than this is better split."""
MAX_TEXT_BYTES = 48 * 1024
"""64 grants of 512 characters, and the other lines."""
SCOPE_SEPARATOR = ", "

_ADDRESS = re.compile(r"0x([0-9a-f]{64})", re.ASCII)
_KEY = re.compile(r"([0-9a-f]{64})", re.ASCII)
_DECIMAL = re.compile(r"(0|[1-9][0-9]{0,19})", re.ASCII)
_LINES = (
    "package",
    "cluster",
    "session-key",
    "token",
    "scope",
    "issued-at-ms",
    "expires-at-ms",
    "session-epoch",
)


class SessionTextError(ValueError):
    """A text that is no session text."""


class SessionLineError(SessionTextError):
    """A line is missing, repeated, unknown, out of order, or its value is not in canonical form."""

    def __init__(self, line: str, expected: str, actual: str) -> None:
        self.line = line
        self.expected = expected
        self.actual = actual
        super().__init__(f"session text, line {line!r}: expected {expected}, got {actual[:120]!r}")


class SessionLifetimeError(SessionTextError):
    """The session does not end after it begins, or lives longer than `MAX_SESSION_MS`."""

    def __init__(self, actual_ms: int) -> None:
        self.expected_ms = MAX_SESSION_MS
        self.actual_ms = actual_ms
        super().__init__(f"a session lives 1..{MAX_SESSION_MS} ms, not {actual_ms}; ask for a shorter one")


class SessionScopeError(SessionTextError):
    """The scope is empty, too long, or names a grant twice."""


@dataclass(frozen=True, slots=True)
class SessionText:
    """`package`, `cluster`, `token`: ids of 32 bytes; `session_key`: Ed25519 public key, 32 bytes."""

    package: bytes
    cluster: bytes
    session_key: bytes
    token: bytes
    scope: tuple[Grant, ...]
    issued_at_ms: int
    expires_at_ms: int
    session_epoch: int

    def __post_init__(self) -> None:
        for name in ("package", "cluster", "session_key", "token"):
            if len(getattr(self, name)) != 32:
                raise SessionLineError(name, "32 bytes", f"{len(getattr(self, name))} bytes")
        for name in ("issued_at_ms", "expires_at_ms", "session_epoch"):
            if not 0 <= getattr(self, name) <= U64_MAX:
                raise SessionLineError(name, "an unsigned 64-bit integer", str(getattr(self, name)))
        if not 1 <= len(self.scope) <= MAX_SCOPE_GRANTS:
            raise SessionScopeError(f"a scope has 1..{MAX_SCOPE_GRANTS} grants, not {len(self.scope)}")
        if len(set(self.scope)) != len(self.scope):
            raise SessionScopeError("a scope names each grant once")
        if not 0 < self.expires_at_ms - self.issued_at_ms <= MAX_SESSION_MS:
            raise SessionLifetimeError(self.expires_at_ms - self.issued_at_ms)

    def text(self) -> str:
        """LF between the lines, none at the end. This, in UTF-8, is the Sui personal message."""
        return "\n".join(
            (
                TITLE,
                f"package: 0x{self.package.hex()}",
                f"cluster: 0x{self.cluster.hex()}",
                f"session-key: {self.session_key.hex()}",
                f"token: 0x{self.token.hex()}",
                f"scope: {SCOPE_SEPARATOR.join(map(str, self.scope))}",
                f"issued-at-ms: {self.issued_at_ms}",
                f"expires-at-ms: {self.expires_at_ms}",
                f"session-epoch: {self.session_epoch}",
            )
        )


def parse(text: str) -> SessionText:
    """Raises `SessionTextError` (one of its kinds) for anything that `SessionText.text` would not have written."""
    if len(text) > MAX_TEXT_BYTES:
        raise SessionTextError(f"a session text has at most {MAX_TEXT_BYTES} characters, not {len(text)}")
    title, *lines = text.split("\n")
    if title != TITLE:
        raise SessionLineError("title", repr(TITLE), title)
    if len(lines) != len(_LINES):
        raise SessionTextError(f"a session text has {1 + len(_LINES)} lines, not {1 + len(lines)}")
    values: dict[str, str] = {}
    for name, line in zip(_LINES, lines, strict=True):
        prefix = f"{name}: "
        if not line.startswith(prefix):
            raise SessionLineError(name, f"a line that starts with {prefix!r}", line)
        values[name] = line[len(prefix) :]
    return SessionText(
        package=_hex("package", _ADDRESS, values),
        cluster=_hex("cluster", _ADDRESS, values),
        session_key=_hex("session-key", _KEY, values),
        token=_hex("token", _ADDRESS, values),
        scope=_scope(values["scope"]),
        issued_at_ms=_decimal("issued-at-ms", values),
        expires_at_ms=_decimal("expires-at-ms", values),
        session_epoch=_decimal("session-epoch", values),
    )


def _hex(name: str, form: re.Pattern[str], values: dict[str, str]) -> bytes:
    match = form.fullmatch(values[name])
    if match is None:
        raise SessionLineError(name, "0x and 64 hex digits" if form is _ADDRESS else "64 hex digits", values[name])
    return bytes.fromhex(match[1])


def _decimal(name: str, values: dict[str, str]) -> int:
    match = _DECIMAL.fullmatch(values[name])
    if match is None:
        raise SessionLineError(name, "a decimal number without leading zeros", values[name])
    return int(match[1])


def _scope(value: str) -> tuple[Grant, ...]:
    parts = value.split(SCOPE_SEPARATOR, MAX_SCOPE_GRANTS)
    try:
        return tuple(parse_grant(part) for part in parts)
    except GrantError as error:
        raise SessionScopeError(str(error)) from error

"""Sessions: a Sui key's statement that another key may ask in its name, for a while and within a scope.

Invariant: a session is in the store only after its text was verified against the key that signed it, this package and
cluster, and a live token of that owner; and every use of it checks expiry, epoch and token again.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

from daas_enclave.authority import Snapshot, Token
from daas_enclave.refusal import Refused, session_unknown
from daas_protocol import jsonstrict, sui
from daas_protocol.ed25519 import VerifyKey
from daas_protocol.session import SessionText, parse

MAX_SESSIONS: Final = 4096
MAX_SESSIONS_PER_OWNER: Final = 64
"""One owner must not fill the store for the others; the owner's oldest makes room, and its gateway posts it again."""
MAX_SESSION_BODY: Final = 64 * 1024
"""Text (a scope of 64 grants is below 20 KiB) and signature."""
MAX_SKEW_MS: Final = 60_000
"""A user's clock may be that far ahead of the enclave's."""
SIGNATURE_SIZE: Final = 97


class Session:
    """A verified session; `key`, `owner`, `token_id` are 32 B, `identity` the impersonation header lines."""

    __slots__ = (
        "decided_by",
        "decisions",
        "epoch",
        "expires_at_ms",
        "identity",
        "key",
        "owner",
        "public_key",
        "said",
        "scope",
        "token_id",
    )

    def __init__(self, public_key: VerifyKey, owner: bytes, said: SessionText) -> None:
        self.public_key = public_key
        self.owner = owner
        self.said = said
        self.key = said.session_key
        self.token_id = said.token
        self.scope = said.scope
        self.expires_at_ms = said.expires_at_ms
        self.epoch = said.session_epoch
        self.identity = identity(owner, said.token)
        self.decisions: dict[tuple[str, ...], bool] = {}
        self.decided_by: Snapshot | None = None


def user_name(owner: bytes) -> str:
    """The Kubernetes user of a Sui address (32 B)."""
    return f"sui:{sui.format_address(owner)}"


def group_name(token_id: bytes) -> str:
    """The Kubernetes group of a token (32 B): what its Roles are bound to."""
    return f"daas:token:{token_id.hex()}"


def identity(owner: bytes, token_id: bytes) -> bytes:
    """The impersonation header lines of whoever asks by this token (32 B each)."""
    return f"Impersonate-User: {user_name(owner)}\r\nImpersonate-Group: {group_name(token_id)}\r\n".encode("ascii")


class SessionStore:
    """Sessions by key, at most MAX_SESSIONS; nobody's live session is pushed out by somebody else's."""

    def __init__(self, package_id: bytes, cluster_id: bytes, limit: int = MAX_SESSIONS) -> None:
        self._package_id = package_id
        self._cluster_id = cluster_id
        self._limit = limit
        self._sessions: dict[bytes, Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def get(self, key: bytes) -> Session | None:
        return self._sessions.get(key)

    def verify(self, body: bytes, session_key: bytes) -> tuple[bytes, SessionText]:
        """The owner (32 B) who signed a posted session, and what it says; nothing is stored.

        Raises Refused.
        """
        text, signature = _read_body(body)
        try:
            said = parse(text)
        except ValueError as error:
            raise Refused(400, "SessionMalformed", f"the session text cannot be read: {error}") from error
        try:
            owner = sui.verify_personal_message(text.encode("utf-8"), signature)
        except ValueError as error:
            raise Refused(401, "SessionSignature", f"the session is not signed by its user: {error}") from error
        _same("session key", session_key, said.session_key)
        return owner, said

    def admit(self, owner: bytes, said: SessionText, public_key: VerifyKey, snapshot: Snapshot, now_ms: int) -> Session:
        """Stores a verified session if it is for this cluster and in force. Raises Refused."""
        _same("package", self._package_id, said.package)
        _same("cluster", self._cluster_id, said.cluster)
        if said.issued_at_ms > now_ms + MAX_SKEW_MS:
            raise Refused(403, "SessionFromFuture", "the session was issued in the future: set this machine's clock")
        if now_ms >= said.expires_at_ms:
            raise Refused(403, "SessionExpired", "the session has expired: sign a new one")
        if said.session_epoch != snapshot.session_epoch(owner):
            raise Refused(403, "SessionEpoch", "this address has ended its sessions of that epoch: sign a new one")
        opened = Session(public_key, owner, said)
        live_token(opened, snapshot, now_ms)
        return self._keep(opened, now_ms)

    def _keep(self, opened: Session, now_ms: int) -> Session:
        present = self._sessions.get(opened.key)
        if present is not None:
            if present.owner != opened.owner:
                raise Refused(403, "SessionKeyTaken", "this session key belongs to another address' session")
            if present.said == opened.said:
                return present
            del self._sessions[opened.key]
        of_owner = [key for key, kept in self._sessions.items() if kept.owner == opened.owner]
        if len(of_owner) >= MAX_SESSIONS_PER_OWNER:
            del self._sessions[of_owner[0]]
        elif len(self._sessions) >= self._limit:
            self._drop_expired(now_ms)
            if len(self._sessions) >= self._limit:
                raise Refused(429, "SessionStoreFull", "too many open sessions: wait until one expires", retry_after=30)
        self._sessions[opened.key] = opened
        return opened

    def _drop_expired(self, now_ms: int) -> None:
        for key in [key for key, kept in self._sessions.items() if now_ms >= kept.expires_at_ms]:
            del self._sessions[key]


def check_live(used: Session, snapshot: Snapshot, now_ms: int) -> Token:
    """The token of a session that is neither expired nor ended. Raises Refused."""
    if now_ms >= used.expires_at_ms:
        raise session_unknown("the session has expired: post a new one")
    if used.epoch != snapshot.session_epoch(used.owner):
        raise session_unknown("this address has ended its sessions: post a new one")
    return live_token(used, snapshot, now_ms)


def live_token(used: Session, snapshot: Snapshot, now_ms: int) -> Token:
    """The token of a session, checked to be its owner's and in force. Raises Refused."""
    token = snapshot.tokens.get(used.token_id)
    # One answer for an unknown token and another's: who owns which token is nobody else's business.
    if token is None or token.owner != used.owner:
        raise Refused(403, "TokenUnknown", f"{user_name(used.owner)} has no token 0x{used.token_id.hex()}")
    if token.revoked:
        raise Refused(403, "TokenRevoked", f"token 0x{used.token_id.hex()} is revoked")
    if not token.live(now_ms):
        raise Refused(403, "TokenExpired", f"token 0x{used.token_id.hex()} has expired")
    return token


def _same(what: str, expected: bytes, actual: bytes) -> None:
    if expected != actual:
        message = f"the session names {what} 0x{actual.hex()}, here it is 0x{expected.hex()}"
        raise Refused(403, "SessionForeign", message)


def _read_body(body: bytes) -> tuple[str, bytes]:
    try:
        value: Any = jsonstrict.loads(body, MAX_SESSION_BODY)
    except ValueError as error:
        raise Refused(400, "SessionMalformed", f"the session is not strict JSON: {error}") from error
    if not isinstance(value, dict) or value.keys() != {"text", "signature"}:
        raise Refused(400, "SessionMalformed", "a session is an object with the fields text and signature, no others")
    text, signature = value["text"], value["signature"]
    if not isinstance(text, str) or not isinstance(signature, str):
        raise Refused(400, "SessionMalformed", "text and signature are strings")
    try:
        raw = base64.b64decode(signature, validate=True)
        text.encode("utf-8")
    except (binascii.Error, ValueError) as error:
        raise Refused(400, "SessionMalformed", f"the signature is base64 of {SIGNATURE_SIZE} bytes: {error}") from error
    return text, raw

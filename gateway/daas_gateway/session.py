"""Sessions: a key that lives in memory, and the text with which the user's Sui key lets it sign requests.

Invariant: the session key never leaves this process and is never older than the session's life; each boot of an
enclave gets the session before it gets a request signed with it.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daas_gateway.user_keys import UserKey
from daas_protocol.grant import Grant
from daas_protocol.session import SessionText

RENEW_PART: Final = 0.9
"""Part of a session's life after which the next one takes over, so that no request meets its end."""
MAX_POSTED: Final = 256
BACKDATED_MS: Final = 5_000
"""Issued a little in the past: an enclave whose clock is behind refuses sessions from the future."""


@dataclass(frozen=True, slots=True)
class SessionTerms:
    """What every session of this gateway says. Ids are 32 bytes."""

    package_id: bytes
    cluster_id: bytes
    token: bytes
    scope: tuple[Grant, ...]
    lifetime_ms: int
    session_epoch: int


class Session:
    """One session key, its public half (32 bytes), and the signed text as posted to enclaves."""

    __slots__ = ("expires_at_ms", "post_body", "public_key", "renew_at_ms", "sign")

    def __init__(self, user: UserKey, terms: SessionTerms, now_ms: int) -> None:
        private = Ed25519PrivateKey.generate()
        self.sign: Callable[[bytes], bytes] = private.sign
        self.public_key = private.public_key().public_bytes_raw()
        issued = now_ms - BACKDATED_MS
        self.expires_at_ms = issued + terms.lifetime_ms
        self.renew_at_ms = issued + int(terms.lifetime_ms * RENEW_PART)
        text = SessionText(
            package=terms.package_id,
            cluster=terms.cluster_id,
            session_key=self.public_key,
            token=terms.token,
            scope=terms.scope,
            issued_at_ms=issued,
            expires_at_ms=self.expires_at_ms,
            session_epoch=terms.session_epoch,
        ).text()
        signature = base64.b64encode(user.sign_personal_message(text.encode("utf-8"))).decode("ascii")
        self.post_body = json.dumps({"text": text, "signature": signature}).encode("ascii")

    def __repr__(self) -> str:
        return f"Session(expires_at_ms={self.expires_at_ms})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a session key is not serialised")


class Sessions:
    """The current session, and the boots that know it."""

    def __init__(self, user: UserKey, terms: SessionTerms, now_ms: Callable[[], int]) -> None:
        self._user = user
        self._terms = terms
        self._now_ms = now_ms
        self._current: Session | None = None
        self._posted: dict[tuple[bytes, bytes], None] = {}
        self._lock = asyncio.Lock()

    @property
    def address(self) -> bytes:
        """The user's address, 32 bytes."""
        return self._user.address

    @property
    def lock(self) -> asyncio.Lock:
        """Held while a session is posted, so that it is posted once."""
        return self._lock

    def ready(self, boot_id: bytes, now_ms: int) -> Session | None:
        """The session if this boot knows it and it is not to be renewed yet: the way without waiting."""
        session = self._current
        if session is None or now_ms >= session.renew_at_ms or (boot_id, session.public_key) not in self._posted:
            return None
        return session

    def current(self, now_ms: int) -> Session:
        """The session to post, a new one when there is none or its time is near."""
        session = self._current
        if session is None or now_ms >= session.renew_at_ms:
            session = self._current = Session(self._user, self._terms, now_ms)
        return session

    def posted(self, boot_id: bytes, session: Session) -> None:
        """Notes that a boot has accepted the session (by a verified receipt)."""
        while len(self._posted) >= MAX_POSTED:
            self._posted.pop(next(iter(self._posted)))
        self._posted[(boot_id, session.public_key)] = None

    def unknown(self, boot_id: bytes, session: Session) -> None:
        """Notes that a boot says it does not know the session."""
        self._posted.pop((boot_id, session.public_key), None)

"""Answers to L1 requests, for whoever asked: kept for a while, handed out to the requester with the same token only.

Invariant: at most MAX_BYTES are held, of one requester at most a share of them, each for at most MAX_AGE_MS; the
oldest make room. What is not here is no secret's loss: status and digest are on chain.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from daas_enclave.places import Places, PlacesFull
from daas_enclave.refusal import Refused
from daas_protocol.stored_answer import StoredAnswer

MAX_BYTES: Final = 64 * 1024 * 1024
OWNER_SHARE: Final = 4
"""A requester with many large answers pushes out its own before anybody else's."""
MAX_AGE_MS: Final = 3_600_000
"""A gateway that comes back asks within seconds; an hour is for its user."""
MAX_WAITING: Final = 512
_OVERHEAD: Final = 512
"""Of an entry, above its bytes."""

Key = tuple[bytes, bytes]
"""Requester (32 bytes) and request id (16)."""


@dataclass(frozen=True, slots=True)
class _Kept:
    token: bytes
    kept_ms: int
    size: int
    encoded: bytes = field(repr=False)


class Answers:
    """The store. Times are the enclave's, in milliseconds."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._kept: dict[Key, _Kept] = {}
        self._by_owner: Counter[bytes] = Counter()
        self._bytes = 0
        self._waiting: dict[Key, list[asyncio.Future[None]]] = {}
        self._places = Places(MAX_WAITING)

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def size(self) -> int:
        return self._bytes

    def put(self, requester: bytes, request_id: bytes, token: bytes, answer: StoredAnswer, now_ms: int) -> None:
        key, encoded = (requester, request_id), answer.to_bcs()
        self._drop(key)
        kept = _Kept(token, now_ms, len(encoded) + _OVERHEAD, encoded)
        self._kept[key] = kept
        self._bytes += kept.size
        self._by_owner[requester] += kept.size
        self._make_room(requester, now_ms)
        for waiting in self._waiting.pop(key, ()):
            if not waiting.done():
                waiting.set_result(None)

    def get(self, requester: bytes, request_id: bytes, token: bytes) -> bytes | None:
        """BCS of the StoredAnswer. None: not here, or not for this token."""
        kept = self._kept.get((requester, request_id))
        return kept.encoded if kept is not None and kept.token == token else None

    async def wait(self, requester: bytes, request_id: bytes, token: bytes, seconds: float) -> bytes | None:
        """As `get`, waiting for it. Raises Refused when too many wait."""
        found = self.get(requester, request_id, token)
        if found is not None or seconds <= 0:
            return found
        try:
            self._places.take(requester)
        except PlacesFull as full:
            raise Refused(429, "TooManyWaiting", f"too many requests {full} wait for answers", retry_after=1) from full
        key, future = (requester, request_id), asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(future)
        try:
            async with asyncio.timeout(seconds):
                await future
        except TimeoutError:
            pass
        finally:
            self._places.give(requester)
            if (others := self._waiting.get(key)) is not None:
                others.remove(future)
                if not others:
                    del self._waiting[key]
        return self.get(requester, request_id, token)

    def drop_old(self, now_ms: int) -> None:
        """Entries are in the order in which they came."""
        for key, kept in [*self._kept.items()]:
            if now_ms - kept.kept_ms < MAX_AGE_MS:
                return
            self._drop(key)

    def _make_room(self, owner: bytes, now_ms: int) -> None:
        self.drop_old(now_ms)
        share = self._max_bytes // OWNER_SHARE
        while self._by_owner[owner] > share:
            self._drop(next(key for key in self._kept if key[0] == owner))
        while self._bytes > self._max_bytes:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: Key) -> None:
        kept = self._kept.pop(key, None)
        if kept is None:
            return
        self._bytes -= kept.size
        self._by_owner[key[0]] -= kept.size
        if not self._by_owner[key[0]]:
            del self._by_owner[key[0]]

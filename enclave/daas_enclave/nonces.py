"""Nonces seen lately.

Invariant: a nonce that was taken is refused for at least `WINDOW_MS` afterwards, and memory has a bound; when that is
reached requests are refused by name instead of forgetting a nonce early.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

WINDOW_MS: Final = 120_000
"""A request is accepted while its `issued_at` is within 60 s of now either way, so it could come again for 120 s."""
SLOT_MS: Final = 30_000
MAX_NONCES: Final = 524_288
"""About 60 MB; reached at 3,500 requests a second sustained, more than two cores answer."""

OWNER_SHARE: Final = 2
"""One owner may use half of the store, 1,750 requests a second sustained, so that nobody fills it for the others."""


class NonceReplayed(Exception):
    """The nonce was used within the window."""


class NonceStoreFull(Exception):
    """Too many requests within the window; it is safe to try again later."""


class NonceStore:
    """Nonces by time slot, dropped whole when all in them are old enough; counted by owner."""

    __slots__ = ("_by_owner", "_count", "_limit", "_slots")

    def __init__(self, limit: int = MAX_NONCES) -> None:
        self._limit = limit
        self._slots: deque[tuple[int, dict[bytes, bytes]]] = deque()
        self._by_owner: Counter[bytes] = Counter()
        self._count = 0

    def take(self, nonce: bytes, owner: bytes, now_ms: int) -> None:
        """Records a nonce (16 B) of an owner (32 B). Raises NonceReplayed, NonceStoreFull."""
        slots = self._slots
        # A slot's youngest nonce is up to SLOT_MS younger than its start.
        while slots and now_ms - slots[0][0] >= WINDOW_MS + SLOT_MS:
            self._forget(slots.popleft()[1])
        for _, nonces in slots:
            if nonce in nonces:
                raise NonceReplayed("this nonce was used within the last two minutes")
        if self._count >= self._limit or self._by_owner[owner] >= max(1, self._limit // OWNER_SHARE):
            whose = "in all" if self._count >= self._limit else "by this address"
            raise NonceStoreFull(f"too many requests {whose} within the last two minutes")
        if not slots or now_ms - slots[-1][0] >= SLOT_MS:
            slots.append((now_ms, {}))
        slots[-1][1][nonce] = owner
        self._by_owner[owner] += 1
        self._count += 1

    def _forget(self, nonces: dict[bytes, bytes]) -> None:
        self._count -= len(nonces)
        self._by_owner.subtract(nonces.values())
        self._by_owner = +self._by_owner

    def __len__(self) -> int:
        return self._count

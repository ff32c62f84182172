"""Places that owners share: for connections, for requests at the API server.

Invariant: nobody ever holds more than half of them, so that no owner takes them all from the others.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

OWNER_SHARE: Final = 2


class PlacesFull(Exception):
    """No place is left, or none for this owner; there will be one when something of the owner's ends."""

    def __init__(self, whose: str) -> None:
        super().__init__(whose)


class Places:
    """At most `limit` places are taken; an owner (32 B) takes at most half of them."""

    __slots__ = ("_by_owner", "_limit", "_share", "taken")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._share = max(1, limit // OWNER_SHARE)
        self._by_owner: Counter[bytes] = Counter()
        self.taken = 0

    def take(self, owner: bytes) -> None:
        """Raises PlacesFull, and then nothing was taken."""
        if self.taken >= self._limit:
            raise PlacesFull("in all")
        if self._by_owner[owner] >= self._share:
            raise PlacesFull("by this address")
        self.restore(owner)

    def restore(self, owner: bytes) -> None:
        """Takes a place without asking: one that was given and is about to be given again."""
        self._by_owner[owner] += 1
        self.taken += 1

    def give(self, owner: bytes) -> None:
        self.taken -= 1
        self._by_owner[owner] -= 1
        if not self._by_owner[owner]:
            del self._by_owner[owner]

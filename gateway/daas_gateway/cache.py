"""Answers kept for a short, configured time: only whole, verified 200 answers to GET, never watches or logs.

Off unless `cache_ttl_ms` is set. A cached answer is as old as its receipt says; any request of this gateway that may
change state empties the cache, changes made by others show after the TTL.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

MAX_ENTRIES: Final = 1024
MAX_BYTES: Final = 32 * 1024 * 1024
MAX_ENTRY_BYTES: Final = 1024 * 1024
"""A unary answer is never longer."""

Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """A verified answer: what was sent to the client, its receipt header among it."""

    status: int
    headers: tuple[Header, ...]
    body: bytes
    expires_at: float


def cacheable(method: str, target: bytes) -> bool:
    """Whether answers to this request may be kept: plain reads only, by the names of the API's streaming parameters."""
    if method != "GET":
        return False
    path, _, query = target.partition(b"?")
    if path.endswith((b"/log", b"/exec", b"/attach", b"/portforward", b"/proxy")) or b"/watch/" in path:
        return False
    return b"watch" not in query.lower() and b"follow" not in query.lower() and b"%" not in query.partition(b"=")[0]


class AnswerCache:
    """Least recently used answers by (target, Accept); bounded in entries and bytes. Times are monotonic seconds."""

    __slots__ = ("_bytes", "_entries", "_ttl", "generation")

    def __init__(self, ttl_ms: int) -> None:
        self._ttl = ttl_ms / 1000
        self._entries: OrderedDict[tuple[bytes, bytes], CachedAnswer] = OrderedDict()
        self._bytes = 0
        self.generation = 0

    @property
    def enabled(self) -> bool:
        """Whether a TTL is set."""
        return self._ttl > 0

    def get(self, target: bytes, accept: bytes, now: float) -> CachedAnswer | None:
        """The answer, unless its time has passed."""
        key = (target, accept)
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.expires_at <= now:
            self._remove(key)
            return None
        self._entries.move_to_end(key)
        return entry

    def put(
        self, target: bytes, accept: bytes, status: int, headers: tuple[Header, ...], body: bytes, now: float
    ) -> None:
        """Keeps a verified answer."""
        size = len(body) + len(target) + len(accept)
        if size > MAX_ENTRY_BYTES:
            return
        key = (target, accept)
        self._remove(key)
        self._entries[key] = CachedAnswer(status, headers, body, now + self._ttl)
        self._bytes += size
        while len(self._entries) > MAX_ENTRIES or self._bytes > MAX_BYTES:
            self._remove(next(iter(self._entries)))

    def _remove(self, key: tuple[bytes, bytes]) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= len(entry.body) + len(key[0]) + len(key[1])

    def clear(self) -> None:
        """Forgets everything, and answers under way too: `generation` changes."""
        self._entries.clear()
        self._bytes = 0
        self.generation += 1

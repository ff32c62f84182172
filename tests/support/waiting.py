"""Waiting for what is asserted next, instead of for a time in which it should have happened.

The limits are for a machine that does three other things; a test that passes waits no longer than it must.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PATIENCE_S = 60.0


async def until(condition: Callable[[], object], limit_s: float = PATIENCE_S) -> None:
    async with asyncio.timeout(limit_s):
        while not condition():
            await asyncio.sleep(0.005)


async def settled(read: Callable[[], int], *, samples: int = 10, every_s: float = 0.05) -> int:
    """What `read` says once it has grown and stopped growing: the same, and not 0, so many times in a row."""
    async with asyncio.timeout(PATIENCE_S):
        last, same = read(), 0
        while same < samples:
            await asyncio.sleep(every_s)
            now = read()
            same = same + 1 if now and now == last else 0
            last = now
    return last

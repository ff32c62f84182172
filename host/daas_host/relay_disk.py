"""A database beside the event loop: one thread that alone touches it.

Invariant: calls are done in the order in which they were asked for, and each is whole before the next begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Disk:
    """Flushing takes milliseconds, which every connection of the byte pipes would wait for on the loop."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def run(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """A call that was begun is finished, whatever becomes of the one who waits for it."""
        work = self._thread.submit(call, *args, **kwargs)
        return await asyncio.wrap_future(work)

    def close(self) -> None:
        """Waits for what is asked for."""
        self._thread.shutdown(wait=True)

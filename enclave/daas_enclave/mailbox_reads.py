"""L1 requests that only read: each begins in its turn, and nobody waits for its end.

Invariant: at most READS are under way, of one requester at most half; none is begun twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, KeysView
from typing import Any, Final

from daas_chain.events_mailbox import K8sAPIRequest
from daas_enclave.places import Places, PlacesFull

READS: Final = 64
"""What finds no place waits for a later round: an answer may be as slow as a kubelet, whose owner may be anybody."""


class Reads:
    """`ended` is called with each task that has ended, when its request is no longer under way."""

    def __init__(self, ended: Callable[[asyncio.Task[None]], None]) -> None:
        self._ended = ended
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._places = Places(READS)

    @property
    def under_way(self) -> KeysView[int]:
        """Mailbox sequences."""
        return self._tasks.keys()

    def begin(self, request: K8sAPIRequest, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Nothing happens where there is no place."""
        try:
            self._places.take(request.requester)
        except PlacesFull:
            return
        task = asyncio.create_task(work())
        self._tasks[request.mailbox_seq] = task
        task.add_done_callback(lambda ended: self._done(request, ended))

    async def wait(self) -> None:
        """Until none is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks.values())

    async def cancel(self) -> None:
        tasks = [*self._tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _done(self, request: K8sAPIRequest, task: asyncio.Task[None]) -> None:
        del self._tasks[request.mailbox_seq]
        self._places.give(request.requester)
        self._ended(task)

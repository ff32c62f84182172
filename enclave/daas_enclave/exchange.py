"""Exchanges under way, and the one clock that ends those that may not go on.

Invariant: an exchange ends when its session or token does, when its time is over, and when its reader has not taken
a byte for five minutes. One sweep a second looks at all of them, instead of timers for each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from daas_enclave.authority import Authority
from daas_enclave.refusal import Refused
from daas_enclave.runtime import Clock
from daas_enclave.sessions import Session, check_live
from daas_enclave.signer import NOBODY, Subject
from daas_protocol.transport.http1 import ClientConnection, ServerConnection

SWEEP_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 65.0
"""The API server gives up on a request of its own after 60 s and says so; this is for when it cannot even say that."""
STALL_SECONDS: Final = 300.0
"""A reader that takes nothing for longer than a pause in a pager holds an API server connection for nothing."""


class End(Enum):
    """Why an exchange was ended from outside."""

    SESSION = "the session or its token ended"
    TIME = "the API server did not answer in time"
    STALL = "the reader took nothing for too long"
    DRAIN = "the enclave is draining"
    STALE = "what the enclave knows of the contract is too old to go on with"


@dataclass(slots=True, eq=False)
class Exchange:
    """One request under way. `deadline` (loop time) bounds the wait for an answer, None once it flows.

    `begun` says that part of an answer is on the wire, so that nothing but its end may follow.
    """

    connection: ServerConnection
    subject: Subject = NOBODY
    session: Session | None = None
    upstream: ClientConnection | None = None
    deadline: float | None = None
    blocked_since: float | None = None
    ended: End | None = None
    begun: bool = False
    on_end: Callable[[], None] | None = field(default=None, repr=False)

    def end(self, why: End) -> None:
        """Makes the exchange's own task find its upstream closed; it then closes its side as its kind demands."""
        if self.ended is not None:
            return
        self.ended = why
        if why is End.STALL:
            self.connection.abort()
        if self.upstream is not None:
            self.upstream.close()
        if self.on_end is not None:
            self.on_end()


class Exchanges:
    """All exchanges that have reached the API server."""

    def __init__(self, authority: Authority, clock: Clock) -> None:
        self._authority = authority
        self._clock = clock
        self._open: set[Exchange] = set()
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._open)

    def add(self, exchange: Exchange) -> None:
        self._open.add(exchange)

    def discard(self, exchange: Exchange) -> None:
        self._open.discard(exchange)

    def start(self) -> asyncio.Task[None]:
        """The task that sweeps: if it ends by itself nothing ends with its session any more."""
        self._task = asyncio.get_running_loop().create_task(self._run())
        return self._task

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self.sweep(asyncio.get_running_loop().time())

    def sweep(self, loop_time: float) -> None:
        snapshot, now_ms = self._authority.snapshot(), self._clock.now_ms()
        for exchange in list(self._open):
            if exchange.deadline is not None and loop_time >= exchange.deadline:
                exchange.end(End.TIME)
            elif exchange.blocked_since is not None and loop_time - exchange.blocked_since >= STALL_SECONDS:
                exchange.end(End.STALL)
            elif exchange.session is not None:
                try:
                    check_live(exchange.session, snapshot, now_ms)
                except Refused:
                    exchange.end(End.SESSION)

    def end_streams(self, why: End) -> None:
        """Those whose answer flows; what is short ends by itself."""
        for exchange in list(self._open):
            if exchange.deadline is None:
                exchange.end(why)

    def end_all(self, why: End) -> None:
        for exchange in list(self._open):
            exchange.end(why)

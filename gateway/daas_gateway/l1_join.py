"""Requests that different clients have pending at one time share a transaction; one transaction is on its way at once.

Invariant: a transaction of one token is built only after the end of the one before is known. The token is an object of
the user's own, and its version is in every transaction: two on one version could lock it for the rest of the epoch.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from daas_gateway import l1_errors
from daas_gateway.errors import GatewayError
from daas_gateway.l1_request import Prepared
from daas_protocol.request_envelope import MAX_ON_CHAIN_BYTES, ciphertext_length

MAX_JOINED: Final = 100
"""The contract takes 128; this leaves room below the transaction's 2,048 inputs and 1,024 commands."""
MAX_JOINED_BYTES: Final = MAX_ON_CHAIN_BYTES
REQUEST_BYTES: Final = 512
"""Of one request in a transaction, above its ciphertext: words, digests, numbers, commands."""
MAX_WAITING: Final = 2_000
"""Above that a client is told to come back: a chain does some hundred requests a second."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The contract has taken it: its place in the mailbox, and in which transaction (digest, 32 bytes)."""

    mailbox_seq: int
    transaction: bytes


@dataclass(eq=False, slots=True)
class Unit:
    """Requests that are accepted together or not at all; alone unless it is a batch of its own (`whole`)."""

    requests: tuple[Prepared, ...]
    whole: bool
    arrived: float
    results: tuple[asyncio.Future[Accepted], ...]
    bytes: int = field(init=False)

    def __post_init__(self) -> None:
        self.bytes = sum(size_in_transaction(one) for one in self.requests)

    def fail(self, problem: GatewayError) -> None:
        for result in self.results:
            if not result.done():
                result.set_exception(problem)


def size_in_transaction(one: Prepared) -> int:
    length = ciphertext_length(one.plaintext)
    return REQUEST_BYTES + (length if length <= MAX_ON_CHAIN_BYTES else 0)


Send = Callable[[Sequence[Unit]], Awaitable[None]]


class Joiner:
    """`send` submits units as one transaction and sets every result; it raises nothing that has a name."""

    def __init__(self, send: Send, join_seconds: float) -> None:
        self._send = send
        self._join = join_seconds
        self._waiting: deque[Unit] = deque()
        self._wake = asyncio.Event()

    async def submit(self, requests: Sequence[Prepared], *, whole: bool = False) -> list[Accepted]:
        """Raises the named error of the first that was not accepted."""
        if len(self._waiting) >= MAX_WAITING:
            raise l1_errors.MailboxFull(f"{MAX_WAITING} requests wait for the chain in this gateway")
        loop = asyncio.get_running_loop()
        unit = Unit(tuple(requests), whole, loop.time(), tuple(loop.create_future() for _ in requests))
        if len(unit.requests) > MAX_JOINED or (len(unit.requests) > 1 and unit.bytes > MAX_JOINED_BYTES):
            raise l1_errors.BatchTooLarge(
                f"{len(unit.requests)} requests with {unit.bytes} bytes; one transaction takes {MAX_JOINED} "
                f"with {MAX_JOINED_BYTES} bytes"
            )
        self._waiting.append(unit)
        self._wake.set()
        try:
            return list(await asyncio.gather(*unit.results))
        finally:
            for result in unit.results:
                if result.done() and not result.cancelled():
                    result.exception()

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            if not self._waiting:
                self._wake.clear()
                continue
            left = self._waiting[0].arrived + self._join - loop.time()
            if left > 0 and not self._waiting[0].whole:
                await asyncio.sleep(left)
            units = self._take()
            if units:
                await self._send(units)

    def _take(self) -> list[Unit]:
        """The next transaction's, in the order of arrival; clients that have gone away are left out."""
        taken: list[Unit] = []
        count = total = 0
        while self._waiting:
            unit = self._waiting[0]
            if all(result.cancelled() for result in unit.results):
                self._waiting.popleft()
                continue
            count, total = count + len(unit.requests), total + unit.bytes
            if taken and (unit.whole or count > MAX_JOINED or total > MAX_JOINED_BYTES):
                break
            taken.append(self._waiting.popleft())
            if unit.whole:
                break
        return taken

    def fail(self, problem: GatewayError) -> None:
        """Everybody who waits is told."""
        while self._waiting:
            self._waiting.popleft().fail(problem)

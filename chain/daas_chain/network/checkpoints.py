"""Checkpoints, one by one and as they come.

Invariant: `follow` gives every checkpoint from the first on, in order, each linked to the one before it, whatever
breaks in between; what it holds is bounded. A checkpoint's parts fit each other; its certificate is the light client's
to verify.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from daas_chain.sui import base58
from daas_chain.sui.digests import Hashed, digest

from . import wire
from .caller import Backoff, Caller, Deadline
from .errors import BehindError, ForkError, NotFoundError, RetryableError, SequenceError
from .records import Checkpoint
from .transport import Rpc
from .verify import checkpoint, summary_of

_PATHS = (
    "sequence_number",
    "digest",
    "summary.bcs",
    "signature",
    "contents.bcs",
    "transactions.effects.bcs",
    "transactions.events.bcs",
)
NOT_YET_SECONDS = 5.0
"""How long a checkpoint that was announced may be missing: nodes announce before every index has it."""


class _Buffer:
    """Checkpoints between one who reads a subscription and one who takes them, bounded in number and bytes."""

    def __init__(self, count: int, size: int) -> None:
        self._held: deque[Checkpoint] = deque()
        self._count, self._size = count, size
        self._bytes = 0
        self._end: Exception | None = None
        self._changed = asyncio.Event()

    async def put(self, one: Checkpoint) -> None:
        while len(self._held) >= self._count or (self._held and self._bytes + one.size > self._size):
            self._changed.clear()
            await self._changed.wait()
        self._held.append(one)
        self._bytes += one.size
        self._changed.set()

    def end(self, problem: Exception) -> None:
        self._end = problem
        self._changed.set()

    async def get(self) -> Checkpoint:
        """What is held comes first; then the error that it ended with is raised."""
        while not self._held:
            if self._end is not None:
                raise self._end
            self._changed.clear()
            await self._changed.wait()
        one = self._held.popleft()
        self._bytes -= one.size
        self._changed.set()
        return one


class Checkpoints(Caller):
    """`Checkpoint.parts`, `signature` and the rest are what `daas_chain.light` takes."""

    async def checkpoint(self, sequence: int | None = None, deadline: Deadline | None = None) -> Checkpoint:
        """By number, or the newest. Raises `NotFoundError`."""
        asked: dict[str, Any] = {} if sequence is None else {"sequence_number": sequence}
        answer = await self.ask(Rpc.CHECKPOINT, _PATHS, deadline=deadline, **asked)
        return checkpoint(wire.message_at(answer, "checkpoint"), sequence)

    async def checkpoint_by_digest(self, asked: bytes, deadline: Deadline | None = None) -> Checkpoint:
        """Nothing of it is the node's word."""
        answer = await self.ask(Rpc.CHECKPOINT, _PATHS, deadline=deadline, digest=base58.encode(asked))
        return checkpoint(wire.message_at(answer, "checkpoint"), asked=asked)

    async def latest(self, deadline: Deadline | None = None) -> tuple[int, bytes]:
        """Number and digest of the newest checkpoint."""
        answer = await self.ask(Rpc.CHECKPOINT, ("summary.bcs",), deadline=deadline)
        data, summary = summary_of(wire.message_at(answer, "checkpoint"))
        return summary.sequence_number, digest(Hashed.SUMMARY, data)

    async def subscribe(self) -> AsyncGenerator[Checkpoint, None]:
        """Checkpoints as they are made, until it ends in a `NetworkError`: it never just stops."""
        before: Checkpoint | None = None
        async with aclosing(self._transport.subscribe(_PATHS)) as received:
            async for message in received:
                found = checkpoint(wire.message_at(message, "checkpoint"))
                if before is not None and found.sequence_number <= before.sequence_number:
                    raise SequenceError(f"above {before.sequence_number}", str(found.sequence_number))
                before = found
                yield found

    async def follow(self, first: int) -> AsyncGenerator[Checkpoint, None]:
        """Every checkpoint from number `first` on, without a gap, over broken connections and restarts of the node.

        Ends in the last error after `patience_seconds` without progress, and at once where the node contradicts
        itself or has pruned what is needed.
        """
        backoff = Backoff(self.limits)
        last: Checkpoint | None = None
        next_one = first
        patience = self.deadline(self.limits.patience_seconds)
        while True:
            try:
                async with aclosing(self._attempt(next_one)) as received:
                    async for found in received:
                        _check_link(last, found)
                        last, next_one = found, found.sequence_number + 1
                        yield found
                        backoff.reset()
                        patience = self.deadline(self.limits.patience_seconds)
            except RetryableError:
                wait = backoff.wait()
                if wait >= patience.left:
                    raise
                await asyncio.sleep(wait)

    async def _attempt(self, next_one: int) -> AsyncGenerator[Checkpoint, None]:
        """From `next_one` on over one subscription: what it has missed, then what it brings."""
        queue = _Buffer(self.limits.buffered_checkpoints, self.limits.buffered_bytes)
        reader = asyncio.create_task(self._fill(queue))
        try:
            # The subscription may have nothing to say for a while; what exists already is fetched meanwhile.
            newest, _ = await self.latest()
            if newest + 1 < next_one:
                raise BehindError(f"{self.endpoint} has checkpoints up to {newest}, {next_one} is the next")
            async with aclosing(self._backfill(next_one, newest + 1)) as missing:
                async for found in missing:
                    yield found
                    next_one = found.sequence_number + 1
            while True:
                arrived = await queue.get()
                async with aclosing(self._backfill(next_one, arrived.sequence_number)) as missing:
                    async for found in missing:
                        yield found
                        next_one = found.sequence_number + 1
                if arrived.sequence_number == next_one:
                    yield arrived
                    next_one += 1
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    async def _fill(self, queue: _Buffer) -> None:
        try:
            async with aclosing(self.subscribe()) as received:
                async for found in received:
                    # A full queue stops the reading; the node then drops this subscriber, and `follow` begins anew.
                    await queue.put(found)
        except Exception as problem:
            # Whatever it is: who waits has to hear of it.
            queue.end(problem)

    async def _backfill(self, start: int, end: int) -> AsyncGenerator[Checkpoint, None]:
        """Numbers `start` to `end - 1`, several asked for at once, given in order."""
        asked: list[asyncio.Task[Checkpoint]] = []
        sequence = start
        try:
            while sequence < end or asked:
                while sequence < end and len(asked) < self.limits.backfill_at_once:
                    asked.append(asyncio.create_task(self._announced(sequence)))
                    sequence += 1
                yield await asked[0]
                asked.pop(0)
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

    async def _announced(self, sequence: int) -> Checkpoint:
        until = self.deadline(NOT_YET_SECONDS)
        backoff = Backoff(self.limits)
        while True:
            try:
                return await self.checkpoint(sequence)
            except NotFoundError:
                wait = backoff.wait()
                if wait >= until.left:
                    raise
                await asyncio.sleep(wait)


def _check_link(before: Checkpoint | None, found: Checkpoint) -> None:
    if before is not None and found.summary.previous_digest != before.digest:
        previous = found.summary.previous_digest
        raise ForkError(base58.encode(before.digest), "none" if previous is None else base58.encode(previous))

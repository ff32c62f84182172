"""Receipts and drains on their way to the contract.

Invariant: what `offer` has taken leaves in one of four ways, each counted: the chain has taken it, its requests had
their end already, it is too late, or the contract has refused it for good. What is down meanwhile (node, coins, this
process) only delays it. When there is no room `offer` waits, and with it the enclave.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import structlog

from daas_chain.calls import requests, slots
from daas_chain.calls.slots import Slot
from daas_chain.contract import Contract
from daas_chain.network.errors import GasError, NetworkError
from daas_chain.network.failure import TransactionFailedError
from daas_chain.network.records import Executed
from daas_chain.notices import ReceiptSkipped
from daas_chain.sui.builder import Builder, BuilderError
from daas_chain.type_tags import UnknownEventType, decode_event
from daas_host.relay_disk import Disk
from daas_host.relay_outbox import Kind, Outbox, Statement
from daas_host.relay_sender import Sender, reason
from daas_host.relay_stats import RelayStats, count
from daas_protocol.bcs import BcsError

FIRST_WAIT_S: Final = 0.5
LAST_WAIT_S: Final = 30.0
MAX_REFUSALS: Final = 8
"""Aborts in a row before a statement is given up, two minutes in all: a heartbeat or a lagging node may yet cure it.
Aborts are seen in a simulation and cost nothing."""
NETWORK_WAIT_S: Final = 5.0
"""At most, while the node cannot be reached: it is asked for longer than that each time."""
GAS_WAIT_S: Final = 2.0
ENDED: Final = frozenset({"settlement::EAlreadySettled", "settlement::EAlreadyExpired"})
LATE: Final = frozenset({"settlement::ETooLate"})
_SKIPPED_ENDED: Final = frozenset({5, 6})
"""`ALREADY_SETTLED` and `ALREADY_EXPIRED` of `settlement.move`."""

log = structlog.get_logger("daas_host.relay")


@dataclass(slots=True)
class _Waiting:
    number: int
    statement: Statement
    open: set[int]
    """Numbers of its requests of which no end is known."""
    not_before: float = 0.0
    refusals: int = 0
    failures: int = 0
    busy: bool = False


class Settler:
    """`now_ms`: the chain's time; None while it is not known."""

    def __init__(
        self,
        outbox: Outbox,
        disk: Disk,
        stats: RelayStats,
        now_ms: Callable[[], int | None],
        items: int,
        size: int,
        parallel: int,
    ) -> None:
        self._outbox, self._disk, self._stats, self._now_ms = outbox, disk, stats, now_ms
        self._items, self._size, self._parallel = items, size, parallel
        self._waiting: dict[int, _Waiting] = {}
        self._bytes = 0
        for kind in Kind:
            stats.queue[kind.name.lower()] = 0
        self._changed = asyncio.Event()
        self._room = asyncio.Condition()

    async def load(self) -> None:
        """What an earlier process has taken."""
        for number, statement in await self._disk.run(self._outbox.all):
            self._keep(number, statement)

    def requests(self) -> list[int]:
        """Numbers of all requests that wait for their end here."""
        return [seq for one in self._waiting.values() for seq in one.open]

    @property
    def full(self) -> bool:
        return len(self._waiting) >= self._items or self._bytes >= self._size

    async def offer(self, statement: Statement) -> bool:
        """On disk when it returns. False: it was here already."""
        async with self._room:
            await self._room.wait_for(lambda: not self.full)
        # Once begun it is finished: a statement on the disk of which nobody here knows would wait for a restart.
        return await asyncio.shield(asyncio.ensure_future(self._take(statement)))

    async def _take(self, statement: Statement) -> bool:
        number = await self._disk.run(self._outbox.add, statement)
        if number is None:
            return False
        self._keep(number, statement)
        return True

    def _keep(self, number: int, statement: Statement) -> None:
        self._waiting[number] = _Waiting(number, statement, set(statement.seqs))
        self._stats.queue[statement.kind.name.lower()] += 1
        self._bytes += statement.size
        self._tell()

    async def ended(self, seqs: Iterable[int]) -> None:
        """These requests have an end on the chain, by whomever."""
        gone = frozenset(seqs)
        for one in [*self._waiting.values()]:
            if one.open and not one.open.isdisjoint(gone):
                one.open -= gone
                # What is on its way comes back with an outcome of its own.
                if not one.open and not one.busy:
                    self._stats.done_elsewhere += 1
                    await self._remove(one)

    async def run(self, sender: Sender, contract: Contract, slot: Slot) -> None:
        """Submits, several side by side; never returns."""
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            try:
                while True:
                    self._changed.clear()
                    for one in self._ready(loop.time()):
                        one.busy = True
                        group.create_task(self._submit(one, sender, contract, slot))
                    await self._wait(loop.time())
            finally:
                for one in self._waiting.values():
                    one.busy = False

    def _ready(self, now: float) -> list[_Waiting]:
        free = self._parallel - sum(one.busy for one in self._waiting.values())
        ready: list[_Waiting] = []
        for one in self._waiting.values():
            if len(ready) >= free:
                break
            if one.busy or one.not_before > now:
                continue
            # A drain ends the boot whose receipts come before it.
            if one.statement.kind is Kind.DRAIN and any(
                other.number < one.number and other.statement.kind is Kind.SETTLE for other in self._waiting.values()
            ):
                continue
            ready.append(one)
        return ready

    async def _wait(self, now: float) -> None:
        times = [one.not_before for one in self._waiting.values() if not one.busy and one.not_before > now]
        try:
            async with asyncio.timeout(min(times) - now if times else None):
                await self._changed.wait()
        except TimeoutError:
            pass

    async def _submit(self, one: _Waiting, sender: Sender, contract: Contract, slot: Slot) -> None:
        statement = one.statement
        kind = statement.kind.name.lower()
        loop = asyncio.get_running_loop()
        try:
            now = self._now_ms()
            if now is not None and now >= statement.closes_ms:
                await self._drop(one, "too_late")
                return
            try:
                outcome = await sender.send(kind, lambda commands: _fill(contract, commands, slot, statement))
            except (TransactionFailedError, BuilderError, BcsError) as problem:
                await self._refused(one, problem)
                return
            except GasError as problem:
                self._stats.error = f"{kind}: {problem}"
                log.warning("relay_no_gas", kind=kind, problem=str(problem))
                one.not_before = loop.time() + GAS_WAIT_S
                return
            except NetworkError as problem:
                self._stats.error = f"{kind}: {problem}"
                log.warning("relay_not_submitted", kind=kind, problem=str(problem))
                one.failures += 1
                one.not_before = loop.time() + min(NETWORK_WAIT_S, _backoff(one.failures))
                return
            self._skipped(outcome, contract)
            await self._remove(one)
        finally:
            one.busy = False
            self._tell()

    async def _refused(self, one: _Waiting, problem: Exception) -> None:
        """By the contract, or because it makes no transaction."""
        name = reason(problem)
        if name in ENDED:
            self._stats.done_elsewhere += 1
            await self._remove(one)
        elif name in LATE:
            await self._drop(one, "too_late")
        else:
            one.refusals += 1
            self._stats.error = f"{one.statement.kind.name.lower()}: {problem}"
            log.warning("relay_statement_refused", name=name, refusals=one.refusals, problem=str(problem))
            if one.refusals >= MAX_REFUSALS:
                await self._drop(one, name)
            else:
                one.not_before = asyncio.get_running_loop().time() + _backoff(one.refusals)

    def _skipped(self, outcome: Executed, contract: Contract) -> None:
        """Counts what a batch could not settle."""
        for each in outcome.events:
            if each.type.address != contract.original or each.type.name != ReceiptSkipped.MOVE.partition("::")[2]:
                continue
            try:
                notice = decode_event(str(each.type), each.contents, {contract.original})
            except (UnknownEventType, BcsError):
                continue
            if isinstance(notice, ReceiptSkipped):
                if notice.reason in _SKIPPED_ENDED:
                    self._stats.done_elsewhere += 1
                else:
                    count(self._stats.dropped, f"skipped_{notice.reason}")

    async def _drop(self, one: _Waiting, why: str) -> None:
        count(self._stats.dropped, why)
        log.error("relay_statement_dropped", why=why, requests=list(one.statement.seqs)[:16])
        await self._remove(one)

    async def _remove(self, one: _Waiting) -> None:
        if self._waiting.pop(one.number, None) is None:
            return
        self._stats.queue[one.statement.kind.name.lower()] -= 1
        self._bytes -= one.statement.size
        await self._disk.run(self._outbox.remove, one.number)
        async with self._room:
            self._room.notify_all()
        self._tell()

    def _tell(self) -> None:
        self._stats.queue_bytes = self._bytes
        self._changed.set()


def _fill(contract: Contract, commands: Builder, slot: Slot, statement: Statement) -> None:
    signed = slots.Statement(statement.message, statement.signature)
    if statement.kind is Kind.DRAIN:
        slots.drain(contract, commands, slot, signed)
    else:
        requests.store(contract, commands, slot, statement.request_ids, statement.deliveries, signed)


def _backoff(times: int) -> float:
    return min(LAST_WAIT_S, FIRST_WAIT_S * float(2 ** min(times - 1, 10)))

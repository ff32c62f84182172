"""Every transaction of the relay: signed by the operator's key, sent once, its outcome found out.

Invariant: the signed bytes are on disk before they are sent and stay there until the network's answer is known, and
nothing else is built on their coins meanwhile, not even by the process after this one. `send` returns when the
transaction was executed, or raises when it certainly was not, or has failed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from daas_chain.network.caller import Backoff, Deadline
from daas_chain.network.client import Network
from daas_chain.network.errors import NetworkError, OutcomeUnknownError, RefusedTransactionError
from daas_chain.network.failure import AbortBook, TransactionFailedError
from daas_chain.network.gas import GasCoins
from daas_chain.network.records import Executed
from daas_chain.network.submit import Payment, Submitter
from daas_chain.sui.builder import Builder
from daas_chain.sui.digests import Hashed, digest
from daas_chain.sui.signing import Signer
from daas_host.relay_disk import Disk
from daas_host.relay_outbox import Flight, Outbox
from daas_host.relay_stats import RelayStats, count

SEND_SECONDS: Final = 30.0
"""For one attempt to send; what is in doubt then is asked for again until it is known."""

log = structlog.get_logger("daas_host.relay")


class Sender:
    """At most `parallel` transactions at once, each with its own coins."""

    def __init__(
        self,
        network: Network,
        signer: Signer,
        book: AbortBook,
        outbox: Outbox,
        disk: Disk,
        stats: RelayStats,
        parallel: int,
        ceiling: int,
    ) -> None:
        self.network, self.signer = network, signer
        self.coins = GasCoins(network, signer.address)
        self.payment = Payment(ceiling=ceiling)
        self._outbox, self._disk, self._stats = outbox, disk, stats
        # One for each transaction in flight: it remembers objects and the price of gas, and whose bytes it keeps.
        self._idle: asyncio.LifoQueue[Submitter] = asyncio.LifoQueue()
        for _ in range(parallel):
            self._idle.put_nowait(Submitter(network, signer, self.coins, book=book))

    async def recover(self) -> None:
        """What an earlier process may have sent: the same bytes again, until their outcome is known.

        Before anything else is sent, so that its coins are as the network has them.
        """
        for flight in await self._disk.run(self._outbox.flights):
            backoff = Backoff(self.network.limits)
            while True:
                try:
                    outcome = await self.network.execute(flight.data, flight.signatures)
                except RefusedTransactionError as refused:
                    log.info("relay_flight_refused", kind=flight.kind, problem=refused.what)
                    break
                except NetworkError as problem:
                    log.warning("relay_flight_unknown", kind=flight.kind, problem=str(problem))
                    await asyncio.sleep(backoff.wait())
                    continue
                self._account(flight.kind, outcome)
                log.info("relay_flight_recovered", kind=flight.kind, failed=outcome.failure is not None)
                break
            await self._disk.run(self._outbox.arrived, flight.digest)

    async def send(self, kind: str, fill: Callable[[Builder], None], seconds: float = SEND_SECONDS) -> Executed:
        """Raises `TransactionFailedError`, `RefusedTransactionError`, `GasError`, `BuilderError`, or another
        `NetworkError` where it was never sent."""
        submitter = await self._idle.get()
        flights: list[bytes] = []

        async def keep(data: bytes, signatures: tuple[bytes, ...]) -> None:
            flight = Flight(digest(Hashed.TRANSACTION, data), kind, data, signatures)
            await self._disk.run(self._outbox.depart, flight)
            flights.append(flight.digest)

        submitter.journal = keep
        try:
            outcome = await self._outcome(submitter, fill, kind, seconds)
        except TransactionFailedError as failure:
            if failure.executed is not None:
                self._account(kind, failure.executed)
            count(self._stats.failed, reason(failure))
            raise
        except Exception as problem:
            count(self._stats.failed, reason(problem))
            raise
        else:
            self._account(kind, outcome)
            return outcome
        finally:
            # Not when cancelled: then the outcome may be open, and the next session asks for it.
            if not _cancelled():
                for each in flights:
                    await self._disk.run(self._outbox.arrived, each)
            self._idle.put_nowait(submitter)

    async def _outcome(
        self, submitter: Submitter, fill: Callable[[Builder], None], kind: str, seconds: float
    ) -> Executed:
        commands = Builder()
        fill(commands)
        try:
            return await submitter.submit(commands, self.payment, Deadline.after(seconds))
        except OutcomeUnknownError as problem:
            unknown = problem
        backoff = Backoff(self.network.limits)
        while True:
            log.warning("relay_outcome_unknown", kind=kind, problem=str(unknown.cause))
            await asyncio.sleep(backoff.wait())
            try:
                return await submitter.again(unknown)
            except (TransactionFailedError, RefusedTransactionError):
                raise
            except NetworkError:
                continue

    def _account(self, kind: str, outcome: Executed) -> None:
        gas = outcome.effects.gas_used
        self._stats.gas_mist += gas.computation + gas.storage - gas.storage_rebate
        if outcome.failure is None:
            count(self._stats.submitted, kind)


def reason(problem: Exception) -> str:
    """The contract's name for it, or the kind of failure."""
    if isinstance(problem, TransactionFailedError):
        if problem.name is not None:
            return problem.name
        if problem.abort is not None:
            return f"{problem.abort.module}::{problem.abort.code}"
        return problem.kind.name.lower()
    return type(problem).__name__


def _cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0

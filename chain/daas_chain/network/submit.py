"""From commands to an executed transaction: objects looked up, gas found, budget measured, signed, sent.

Invariant: before the first byte leaves, the coins that pay are marked as in doubt, and only the transaction's own
effects, or a refusal that nothing puts in doubt, take the mark away. The budget never passes the caller's ceiling, and
what a simulation shows to fail is not sent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from daas_chain.sui import builder as build
from daas_chain.sui import transaction as tx
from daas_chain.sui.builder import Builder, Resolved
from daas_chain.sui.digests import Hashed, digest
from daas_chain.sui.signing import Signer, signed_by
from daas_chain.sui.status import FailureKind
from daas_chain.sui.types import SharedOwner

from .caller import Deadline
from .client import Network
from .errors import BudgetCeilingError, InsufficientGasError, OutcomeUnknownError, RefusedTransactionError
from .failure import AbortBook, failed
from .gas import GasCoins, Reservation
from .records import EpochInfo, Executed, Simulated

DEFAULT_CEILING = 1_000_000_000
"""One SUI: far above any transaction of ours but publishing, and not a loss that hurts."""
MARGIN_UNITS = 1_000
"""Computation may cost more by the time it is executed: as much again as the smallest transaction costs."""
MIN_BUDGET_UNITS = 1_000
PRICE_SECONDS = 10.0
"""How long an epoch and its gas price are believed. A price that is too low is refused, not lost."""
MAX_SHARED = 10_000
"""Shared objects that are remembered."""
EPOCHS_VALID = 1
"""A transaction that got lost can be executed in this epoch and so many more; then its coins are free again."""


Journal = Callable[[bytes, tuple[bytes, ...]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Payment:
    """`budget` None: measured by a simulation. `ceiling` bounds it in either case. `spent`: MIST that functions take
    from the gas coin, apart from what is split off it."""

    budget: int | None = None
    ceiling: int = DEFAULT_CEILING
    spent: int = 0


@dataclass(slots=True)
class Submitter:
    """Transactions of one sender; `sponsor` and `coins` belong together: coins are of whoever pays."""

    network: Network
    signer: Signer
    coins: GasCoins
    sponsor: Signer | None = None
    book: AbortBook = field(default_factory=AbortBook)
    journal: Journal | None = None
    """Awaited with the signed bytes before they are sent. Whoever keeps them can send them again after a crash, and so
    learns what became of them before building anything else on the same coins."""
    _epoch: EpochInfo | None = None
    _epoch_until: Deadline | None = None
    _shared: dict[bytes, Resolved] = field(default_factory=dict)

    @property
    def payer(self) -> bytes:
        return (self.sponsor or self.signer).address

    async def submit(
        self, commands: Builder, payment: Payment | None = None, deadline: Deadline | None = None
    ) -> Executed:
        """What a successful transaction did.

        Raises `TransactionFailedError` (with the effects where it was executed), `RefusedTransactionError`,
        `OutcomeUnknownError`, `GasError`, `BuilderError`, or another `NetworkError` where it was never sent.
        """
        payment = payment or Payment()
        if self.coins.owner != self.payer:
            raise ValueError(f"the coins are of 0x{self.coins.owner.hex()}, 0x{self.payer.hex()} pays")
        until = self.network.deadline() if deadline is None else deadline
        programmable = await self.resolve(commands, until)
        epoch = await self.epoch(until)
        least = MIN_BUDGET_UNITS * epoch.reference_gas_price
        if payment.budget is not None and payment.budget > payment.ceiling:
            raise BudgetCeilingError(payment.ceiling, payment.budget)
        if least > payment.ceiling:
            raise BudgetCeilingError(payment.ceiling, least)
        spent = payment.spent + commands.split_from_gas
        async with self.coins.reserve(
            spent + (least if payment.budget is None else payment.budget),
            spent + (payment.budget or payment.ceiling),
            commands.unresolved,
            until,
        ) as reservation:
            budget = payment.budget
            if budget is None:
                allowed = min(reservation.total - spent, payment.ceiling)
                budget = await self._measured(programmable, epoch, reservation, allowed, payment.ceiling, until)
            data = self._data(programmable, epoch, reservation, budget)
            return await self._send(data, epoch, reservation, _uses_gas_coin(programmable), until)

    async def simulate(
        self, commands: Builder, payment: Payment | None = None, deadline: Deadline | None = None
    ) -> Simulated:
        """What it would do now, return values included. Raises as `submit` does."""
        payment = payment or Payment()
        until = self.network.deadline() if deadline is None else deadline
        programmable = await self.resolve(commands, until)
        epoch = await self.epoch(until)
        least = MIN_BUDGET_UNITS * epoch.reference_gas_price
        spent = payment.spent + commands.split_from_gas
        async with self.coins.reserve(
            spent + least, spent + payment.ceiling, commands.unresolved, until
        ) as reservation:
            data = self._data(programmable, epoch, reservation, min(reservation.total - spent, payment.ceiling))
            found = await self.network.simulate(data, returned=True, deadline=until)
        if found.failure is not None:
            raise failed(digest(Hashed.TRANSACTION, data), found.failure, self.book)
        return found

    async def again(self, unknown: OutcomeUnknownError, deadline: Deadline | None = None) -> Executed:
        """The very same bytes once more, until their outcome is known; then its coins are read.

        Raises as `submit` does. After a refusal the coins come back by a new version, or when the transaction's last
        epoch is over.
        """
        until = self.network.deadline() if deadline is None else deadline
        outcome = await self.network.execute(unknown.data, unknown.signatures, until)
        await self.coins.refresh(until)
        if outcome.failure is not None:
            raise failed(outcome.digest, outcome.failure, self.book, outcome)
        return outcome

    async def resolve(self, commands: Builder, deadline: Deadline) -> tx.Programmable:
        """With every object as the network has it now."""
        unknown = [object_id for object_id in commands.unresolved if object_id not in self._shared]
        held = await self.network.objects(unknown, deadline) if unknown else {}
        resolved = {object_id: Resolved(one.reference, one.object.owner) for object_id, one in held.items()}
        if len(self._shared) > MAX_SHARED:
            self._shared.clear()
        # All that a transaction says of a shared object is the version at which it was shared, and that never changes.
        self._shared |= {object_id: one for object_id, one in resolved.items() if isinstance(one.owner, SharedOwner)}
        return commands.finish(self._shared | resolved, self.signer.address)

    async def epoch(self, deadline: Deadline) -> EpochInfo:
        """The present one, read again now and then."""
        if self._epoch is None or self._epoch_until is None or self._epoch_until.left <= 0:
            self._epoch = await self.network.epoch(deadline=deadline)
            self._epoch_until = Deadline.after(PRICE_SECONDS)
        return self._epoch

    def _data(self, programmable: tx.Programmable, epoch: EpochInfo, reservation: Reservation, budget: int) -> bytes:
        gas = tx.GasData(reservation.payment, self.payer, epoch.reference_gas_price, budget)
        expiration = tx.ExpiresAfterEpoch(epoch.epoch + EPOCHS_VALID)
        return build.encode(programmable, self.signer.address, gas, expiration)

    async def _measured(
        self,
        programmable: tx.Programmable,
        epoch: EpochInfo,
        reservation: Reservation,
        allowed: int,
        ceiling: int,
        until: Deadline,
    ) -> int:
        """Computation and storage of a simulation, and a margin; at most what is `allowed`."""
        data = self._data(programmable, epoch, reservation, allowed)
        found = await self.network.simulate(data, deadline=until)
        if found.failure is not None:
            if found.failure.kind is FailureKind.INSUFFICIENT_GAS:
                if allowed < ceiling:
                    raise InsufficientGasError(self.payer, reservation.total + ceiling - allowed, reservation.total)
                raise BudgetCeilingError(ceiling, ceiling + 1)
            raise failed(digest(Hashed.TRANSACTION, data), found.failure, self.book)
        gas = found.effects.gas_used
        margin = MARGIN_UNITS * epoch.reference_gas_price
        # Without the rebate: storage is paid before it is given back.
        return min(allowed, gas.computation + gas.storage + margin)

    async def _send(
        self, data: bytes, epoch: EpochInfo, reservation: Reservation, spent: bool, until: Deadline
    ) -> Executed:
        signatures = [await signed_by(self.signer, data)]
        if self.sponsor is not None and self.sponsor.address != self.signer.address:
            signatures.append(await signed_by(self.sponsor, data))
        if self.journal is not None:
            await self.journal(data, tuple(signatures))
        # First the mark, then the bytes: a task that is cancelled in between leaves the coins in doubt.
        reservation.unknown(epoch.epoch + EPOCHS_VALID)
        try:
            outcome = await self.network.execute(data, signatures, until)
        except RefusedTransactionError:
            reservation.refused()
            self._epoch = None
            self._shared.clear()
            raise
        except OutcomeUnknownError:
            raise
        except Exception:
            reservation.unsent()
            raise
        reservation.executed(outcome, spent)
        if outcome.failure is not None:
            raise failed(outcome.digest, outcome.failure, self.book, outcome)
        return outcome


def _uses_gas_coin(programmable: tx.Programmable) -> bool:
    for command in programmable.commands:
        match command:
            case tx.MoveCall(arguments=arguments):
                used = arguments
            case tx.TransferObjects(objects, address):
                used = (*objects, address)
            case tx.SplitCoins(coin, others) | tx.MergeCoins(coin, others):
                used = (coin, *others)
            case tx.MakeMoveVec(elements=elements):
                used = elements
            case _:
                used = ()
        if any(isinstance(argument, tx.GasCoin) for argument in used):
            return True
    return False

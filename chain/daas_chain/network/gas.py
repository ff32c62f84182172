"""The coins that one address pays gas with, shared by transactions that are in flight at once.

Invariant: one version of a coin is in at most one transaction. A coin comes back with the version that the
transaction's effects give it; where they are not known, it stays out until a reading shows another version, or until
the transaction can no longer be executed because its epoch is over. Two transactions on one version of a coin could
lock the coin, or leave in doubt which of them was executed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum

from daas_chain.sui.builder import MAX_GAS_COINS
from daas_chain.sui.effects import EffectsV2, ObjectWrite
from daas_chain.sui.types import AddressOwner, ObjectRef

from .caller import Deadline
from .errors import CoinsBusyError, InsufficientGasError, TimedOutError
from .reads import Reads
from .records import Coin, Executed

READING_SECONDS = 1.0
"""Between two readings while no coin is free: a coin in doubt comes back by a reading alone."""


class _State(Enum):
    FREE = "free"
    IN_USE = "in use"
    STALE = "has to be read"
    """A transaction was refused, or changed it in a way that its effects do not tell: any reading will do."""
    IN_DOUBT = "in doubt"


@dataclass(slots=True)
class _Held:
    coin: Coin
    state: _State = _State.FREE
    expires_after: int | None = None
    """The last epoch in which the transaction in doubt can be executed; None without such an end."""


@dataclass(slots=True)
class Reservation:
    """Coins that nobody else uses until the block of `reserve` ends. Without any of the calls below they come back as
    they were: nothing was sent."""

    coins: tuple[Coin, ...]
    outcome: Executed | None = None
    spent: bool = False
    stale: bool = False
    doubtful: bool = False
    expires_after: int | None = None

    @property
    def payment(self) -> tuple[ObjectRef, ...]:
        return tuple(coin.reference for coin in self.coins)

    @property
    def total(self) -> int:
        return sum(coin.balance for coin in self.coins)

    def executed(self, outcome: Executed, spent: bool) -> None:
        """The transaction was executed, with whatever end. `spent`: its commands use the gas coin."""
        self.outcome, self.spent, self.stale, self.doubtful = outcome, spent, False, False

    def unsent(self) -> None:
        """It never left this process after all."""
        self.doubtful = False

    def refused(self) -> None:
        """The node has refused it: what is known of the coins may be out of date."""
        self.stale, self.doubtful = True, False

    def unknown(self, expires_after: int | None) -> None:
        """It was sent, or is about to be. `expires_after`: the epoch after which it cannot be executed any more."""
        self.doubtful, self.expires_after = True, expires_after


class GasCoins:
    """For one address, in one process: two processes with one key need keys, or coins, of their own."""

    def __init__(self, network: Reads, owner: bytes) -> None:
        self.owner = owner
        self._network = network
        self._held: dict[bytes, _Held] = {}
        self._known = False
        self._doubts = 0
        """How often something has happened that only a reading can clear up."""
        self._waiting: set[asyncio.Future[None]] = set()
        self._reading = asyncio.Lock()

    async def refresh(self, deadline: Deadline | None = None) -> None:
        """Reads the address's coins. Those in use stay as they are; those in doubt return only with a new version."""
        self._doubt()
        await self._read(deadline)

    def _doubt(self) -> None:
        self._known, self._doubts = False, self._doubts + 1

    async def _read(self, deadline: Deadline | None) -> None:
        async with self._reading:
            # Whoever waited for another's reading needs none of its own.
            if self._known:
                return
            doubts = self._doubts
            epoch = (await self._network.service(deadline)).epoch
            seen = {coin.reference.object_id: coin async for coin in self._network.coins(self.owner, deadline)}
            for object_id, coin in seen.items():
                known = self._held.get(object_id)
                if known is None or self._may_return(known, coin, epoch):
                    self._held[object_id] = _Held(coin)
            for object_id in [*self._held]:
                if object_id not in seen and self._held[object_id].state in (_State.FREE, _State.STALE):
                    del self._held[object_id]
            self._known = doubts == self._doubts
        self._wake()

    def _wake(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    @staticmethod
    def _may_return(known: _Held, coin: Coin, epoch: int) -> bool:
        older = coin.reference.version < known.coin.reference.version
        match known.state:
            case _State.IN_USE:
                return False
            case _State.FREE | _State.STALE:
                # A node that lags behind shows a version which this process has already spent.
                return not older
            case _State.IN_DOUBT:
                if coin.reference.version > known.coin.reference.version:
                    return True
                return not older and known.expires_after is not None and epoch > known.expires_after

    def count(self) -> int:
        """Coins that could be reserved now."""
        return sum(one.state is _State.FREE for one in self._held.values())

    @asynccontextmanager
    async def reserve(
        self, minimum: int, wanted: int | None = None, exclude: Iterable[bytes] = (), deadline: Deadline | None = None
    ) -> AsyncIterator[Reservation]:
        """Coins of at least `minimum` MIST, `wanted` if they have that much; waits for those in use.

        Raises `InsufficientGasError`, `CoinsBusyError`.
        """
        until = self._network.deadline() if deadline is None else deadline
        reservation = Reservation(await self._take(minimum, wanted or minimum, frozenset(exclude), until))
        try:
            yield reservation
        finally:
            self._give_back(reservation)
            self._wake()

    async def _take(self, minimum: int, wanted: int, exclude: frozenset[bytes], until: Deadline) -> tuple[Coin, ...]:
        fresh = waited = False
        while True:
            if not self._known:
                try:
                    await self._read(until)
                except TimedOutError:
                    # The time went by in waiting for coins; that the last reading had none left is not the cause.
                    if waited:
                        raise self._busy() from None
                    raise
                fresh = True
            chosen = self._choose(minimum, wanted, exclude)
            if chosen:
                for coin in chosen:
                    self._held[coin.reference.object_id].state = _State.IN_USE
                return chosen
            unclear = self._sum(lambda one: one.state in (_State.IN_DOUBT, _State.STALE))
            coming = self._sum(lambda one: one.state in (_State.IN_USE, _State.FREE), exclude)
            if coming < minimum and not fresh:
                self._doubt()
                continue
            if coming < minimum and not unclear:
                raise InsufficientGasError(self.owner, minimum, coming)
            fresh, waited = False, True
            if not await self._woken(until):
                self._doubt()

    async def _woken(self, until: Deadline) -> bool:
        """Waits until a coin comes back, or long enough for a reading to show something new."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        try:
            async with asyncio.timeout(max(0.0, min(until.left, READING_SECONDS))):
                await waiter
        except TimeoutError:
            if until.left <= 0:
                raise self._busy() from None
            return False
        finally:
            self._waiting.discard(waiter)
        return True

    def _busy(self) -> CoinsBusyError:
        states = ", ".join(sorted({one.state.value for one in self._held.values()}))
        return CoinsBusyError(f"no coin of 0x{self.owner.hex()} is free ({states or 'none'})")

    def _sum(self, keep: Callable[[_Held], bool], exclude: frozenset[bytes] = frozenset()) -> int:
        return sum(one.coin.balance for object_id, one in self._held.items() if keep(one) and object_id not in exclude)

    def _choose(self, minimum: int, wanted: int, exclude: frozenset[bytes]) -> tuple[Coin, ...]:
        free = sorted(
            (
                one.coin
                for object_id, one in self._held.items()
                if one.state is _State.FREE and object_id not in exclude
            ),
            key=lambda coin: coin.balance,
        )
        for enough in (wanted, minimum):
            # The smallest that is enough leaves the large ones to those who need them.
            single = next((coin for coin in free if coin.balance >= enough), None)
            if single is not None:
                return (single,)
            together: list[Coin] = []
            total = 0
            for coin in reversed(free[-MAX_GAS_COINS:]):
                together.append(coin)
                total += coin.balance
                if total >= enough:
                    return tuple(together)
        return ()

    def _give_back(self, reservation: Reservation) -> None:
        outcome = reservation.outcome
        for coin in reservation.coins:
            held = self._held[coin.reference.object_id]
            if outcome is not None:
                self._settle(coin, outcome, reservation.spent)
            elif reservation.doubtful:
                held.state, held.expires_after = _State.IN_DOUBT, reservation.expires_after
                self._doubt()
            elif reservation.stale:
                held.state = _State.STALE
                self._doubt()
            else:
                held.state = _State.FREE
        if outcome is not None:
            self._charge(reservation, outcome)

    def _settle(self, coin: Coin, outcome: Executed, spent: bool) -> None:
        """The coin as the effects leave it; without a word about it in them, it has to be read."""
        object_id = coin.reference.object_id
        held = self._held[object_id]
        if not isinstance(outcome.effects, EffectsV2):
            held.state = _State.STALE
            self._doubt()
            return
        change = dict(outcome.effects.changed_objects).get(object_id)
        match None if change is None else change.after:
            case ObjectWrite(digest, AddressOwner(owner)) if owner == self.owner:
                reference = ObjectRef(object_id, outcome.effects.lamport_version, digest)
                # Effects do not say a balance: what commands took from the coin only a reading shows.
                self._held[object_id] = _Held(Coin(reference, coin.balance), _State.STALE if spent else _State.FREE)
                if spent:
                    self._doubt()
            case None:
                held.state = _State.STALE
                self._doubt()
            case _:
                del self._held[object_id]

    def _charge(self, reservation: Reservation, outcome: Executed) -> None:
        """The first coin has taken up the others and paid for gas."""
        first = reservation.coins[0].reference.object_id
        kept = self._held.get(first)
        if kept is not None and kept.state is _State.FREE:
            gas = outcome.effects.gas_used
            left = reservation.total - gas.computation - gas.storage + gas.storage_rebate
            self._held[first] = _Held(Coin(kept.coin.reference, max(0, left)))

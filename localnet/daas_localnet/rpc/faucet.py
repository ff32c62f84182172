"""The faucet: SUI for whoever asks, on a network where it is worth nothing.

Invariant: one transaction after another, each with the coin as the one before has left it, so none is refused for a
coin that another one has used. The key signs nothing but these.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daas_chain.sui import transaction as tx
from daas_chain.sui.effects import IdOperation, ObjectWrite
from daas_chain.sui.status import Success
from daas_chain.sui.types import AddressOwner, ObjectRef
from daas_localnet.ledger.objects import GAS_COIN
from daas_localnet.ledger.signatures import signing_digest
from daas_protocol.sui import address_of

from . import objects
from .limits import FAUCET_BURST, FAUCET_PER_SECOND
from .node import Node

AMOUNT_MIST = 200 * 10**9
COINS = 5
"""In one answer, each of the amount: as `sui start` gives them."""
_BUDGET_UNITS = 50_000


class FaucetError(Exception):
    """Nothing was given."""


class FaucetEmptyError(FaucetError):
    """No coin of the faucet is worth what was asked for."""


class FaucetBusyError(FaucetError):
    """More requests than the faucet answers."""


@dataclass(frozen=True, slots=True)
class Given:
    transaction: bytes
    coins: tuple[bytes, ...]
    amount: int
    """Of each."""


class Faucet:
    """`key`: of the address that has the coins."""

    def __init__(self, node: Node, key: Ed25519PrivateKey, clock: Callable[[], float] = time.monotonic) -> None:
        self._node = node
        self._key = key
        self._public_key = key.public_key().public_bytes_raw()
        self._address = address_of(self._public_key)
        self._clock = clock
        self._coin: bytes | None = None
        self._allowed = float(FAUCET_BURST)
        self._last = clock()

    def give(self, recipient: bytes, amount: int = AMOUNT_MIST, coins: int = COINS) -> Given:
        """Raises FaucetError."""
        self._admit()
        network = self._node.network
        price = network.ledger.epoch.reference_gas_price
        budget = _BUDGET_UNITS * price
        payment = self._payment(amount * coins + budget)
        amounts = tuple(tx.InputArgument(1 + index) for index in range(coins))
        kind = tx.Programmable(
            (tx.Pure(recipient), *(tx.Pure(amount.to_bytes(8, "little")) for _ in amounts)),
            (
                tx.SplitCoins(tx.GasCoin(), amounts),
                tx.TransferObjects(tuple(tx.NestedResult(0, index) for index in range(coins)), tx.InputArgument(0)),
            ),
        )
        data = tx.TransactionData(
            kind, self._address, tx.GasData((payment,), self._address, price, budget), tx.NeverExpires()
        )
        signature = b"\0" + self._key.sign(signing_digest(data)) + self._public_key
        done = network.execute(data, (signature,), self._node.now_ms())
        self._node.keep(done)
        if not isinstance(done.effects.status, Success):
            raise FaucetError(f"the faucet's transaction has failed: {done.reason}")
        made = tuple(
            object_id
            for object_id, change in done.effects.changed_objects
            if change.id_operation is IdOperation.CREATED and isinstance(change.after, ObjectWrite)
        )
        return Given(done.digest, made, amount)

    def _admit(self) -> None:
        now = self._clock()
        self._allowed = min(FAUCET_BURST, self._allowed + (now - self._last) * FAUCET_PER_SECOND)
        self._last = now
        if self._allowed < 1:
            raise FaucetBusyError(f"more than {FAUCET_PER_SECOND:.0f} requests a second")
        self._allowed -= 1

    def _payment(self, least: int) -> ObjectRef:
        """The coin that paid last, as long as it is worth enough."""
        store = self._node.network.store
        found = None if self._coin is None else store.get(self._coin)
        if found is None or found.move is None or objects.balance(found.move) < least:
            found = max(
                (one for one in store.owned(AddressOwner(self._address)) if one.type == GAS_COIN),
                key=lambda one: objects.balance(one.move) if one.move is not None else 0,
                default=None,
            )
        if found is None or found.move is None or objects.balance(found.move) < least:
            raise FaucetEmptyError(f"no coin of the faucet is worth {least} MIST")
        self._coin = found.object_id
        return found.reference

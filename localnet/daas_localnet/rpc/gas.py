"""Gas for transactions that come without: which coins pay, and how much the budget must be.

Invariant: a transaction that leaves here names coins of its gas owner that are no inputs and are worth its budget.
Source: `simulate` of crates/sui-rpc-api, MystenLabs/sui: all coins are taken, up to the limit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import islice

from daas_chain.sui import transaction as tx
from daas_chain.sui.types import AddressOwner, GasCost, ObjectRef
from daas_localnet.ledger.limits import BUDGET_MAX, GAS_COINS_MAX
from daas_localnet.ledger.objects import GAS_COIN
from daas_localnet.ledger.settle import Outcome
from daas_localnet.ledger.store import Store

from . import objects, texts
from .errors import refused

SAFE_UNITS = 1_000
"""Above the estimate, at the gas price: the state may have changed a little until the transaction runs."""

Simulate = Callable[[tx.TransactionData], Outcome]


def select(data: tx.TransactionData, budget_given: bool, store: Store, simulate: Simulate) -> tx.TransactionData:
    """Raises RpcError, and what `simulate` does."""
    coins, total = _coins(data, store)
    if not data.gas.payment:
        data = _with(data, payment=coins)
    else:
        total = _worth(data.gas.payment, store)
    if not budget_given:
        # Without any coin the simulation pays with one of its own, so that the client is told what it would need.
        trial = _with(data, budget=min(total, BUDGET_MAX) if data.gas.payment else BUDGET_MAX)
        estimate = _estimate(simulate(trial).effects.gas_used, data.gas.price)
        data = _with(data, budget=estimate)
    if total < data.gas.budget:
        raise refused(
            "Unable to perform gas selection due to insufficient SUI balance (in address balance or coins) for account "
            f"{texts.hexadecimal(data.gas.owner)} to satisfy required budget {data.gas.budget}."
        )
    return data


def _with(data: tx.TransactionData, **changed: object) -> tx.TransactionData:
    return replace(data, gas=replace(data.gas, **changed))  # type: ignore[arg-type]


def _estimate(used: GasCost, price: int) -> int:
    net = used.computation + used.storage - used.storage_rebate
    return min(max(used.computation, net) + SAFE_UNITS * price, BUDGET_MAX)


def _coins(data: tx.TransactionData, store: Store) -> tuple[tuple[ObjectRef, ...], int]:
    used = set()
    for one in data.kind.inputs if isinstance(data.kind, tx.Programmable) else ():
        if isinstance(one, tx.ObjectInput) and not isinstance(one.argument, tx.SharedInput):
            used.add(one.argument.reference.object_id)
    coins = (
        one
        for one in store.owned_from(AddressOwner(data.gas.owner), b"")
        if one.type == GAS_COIN and one.object_id not in used
    )
    found = list(islice(coins, GAS_COINS_MAX))
    return tuple(one.reference for one in found), sum(objects.balance(one.move) for one in found if one.move)


def _worth(payment: tuple[ObjectRef, ...], store: Store) -> int:
    found = (store.get(one.object_id) for one in payment)
    return sum(objects.balance(one.move) for one in found if one is not None and one.move is not None)

"""What a transaction costs.

Invariant: storage is exact (size, price, rebate as the protocol has them); computation is this network's own model: one
unit for each Move instruction and what natives take, and the constants below for commands, objects and packages,
rounded up to a thousand. It is deterministic and of the network's order of size, not its gas table.

Why not Sui's tables (crates/sui-types/src/gas_model/tables.rs of MystenLabs/sui): there an instruction costs itself,
each push, and the bytes it pushes, all three at a rate that rises with what the transaction has done so far, and a
thousand of that are one unit. Bytes of copies, calls and vectors are those of the values, so blocks could not be paid
for in advance; and the protocol's largest budget would buy hundreds of millions of instructions, minutes of this
host's time, where here it buys five million. So a transaction of usual size costs more here than there: a request of
the contract six thousand units, where its few thousand instructions are below the thousand that Sui takes at least.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from daas_chain.sui.types import GasCost

from .limits import UNITS_MAX, UNITS_MIN

REBATE_BPS, BPS = 9_900, 10_000
UNITS_STEP = 1_000
COMMAND_UNITS = 10
READ_BYTES_PER_UNIT = 16
PUBLISH_BYTES_PER_UNIT = 1
"""A byte of a package costs more host time than any other: it is verified."""


def units_for(budget: int, price: int) -> int:
    """How much work a budget pays for."""
    return min(UNITS_MAX, budget // price)


def computation(units: int, price: int, budget: int) -> int:
    """MIST for so many units, never more than the budget."""
    rounded = max(UNITS_MIN, -(-units // UNITS_STEP) * UNITS_STEP)
    return min(min(rounded, UNITS_MAX) * price, budget)


@dataclass(frozen=True, slots=True)
class Storage:
    """MIST that new versions cost, and that the old ones had cost."""

    cost: int
    returned: int

    @property
    def rebate(self) -> int:
        """The sender's part of what is returned, rounded half up."""
        return (self.returned * REBATE_BPS + BPS // 2) // BPS


def storage(costs: Iterable[int], returned: Iterable[int]) -> Storage:
    return Storage(sum(costs), sum(returned))


def cost(computation_cost: int, kept: Storage) -> GasCost:
    return GasCost(computation_cost, kept.cost, kept.rebate, kept.returned - kept.rebate)


def net(paid: GasCost) -> int:
    """What the gas coin loses; negative when it wins."""
    return paid.computation + paid.storage - paid.storage_rebate

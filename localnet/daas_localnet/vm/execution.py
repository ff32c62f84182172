"""What one execution has: work left, and what natives may reach.

Invariant: `left` only falls; when it is below zero the execution ends with OUT_OF_GAS before it does more work than one
basic block or one native call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import OutOfGasSignal
from .limits import BUDGET, BYTES_PER_UNIT, ENCODED_BYTES_PER_UNIT

if TYPE_CHECKING:
    from .runtime import ExtensionContext


class Execution:
    """The mutable state of one execution. Instructions are charged by block, everything else through `charge`."""

    __slots__ = ("context", "left", "spent")

    def __init__(self, context: ExtensionContext, budget: int = BUDGET) -> None:
        self.context = context
        self.left = budget
        self.spent: dict[str, int] = {}

    def charge(self, kind: str, amount: int) -> None:
        """Takes `amount` units for a native of this kind."""
        self.spent[kind] = self.spent.get(kind, 0) + amount
        self.left -= amount
        if self.left < 0:
            raise OutOfGasSignal

    def charge_encoding(self, kind: str, base: int, length: int) -> None:
        """A native that makes `length` bytes of BCS: item by item, where hashing takes them at once."""
        self.charge(kind, base + length // ENCODED_BYTES_PER_UNIT)

    def charge_bytes(self, kind: str, base: int, length: int) -> None:
        """A native that looks at `length` bytes."""
        self.charge(kind, base + length // BYTES_PER_UNIT)

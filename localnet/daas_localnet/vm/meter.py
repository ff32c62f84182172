"""What verifying a package may cost.

Invariant: what a package makes verification do more often than it has bytes is taken from one meter before it is done:
types that instructions name and put on the stack, blocks looked at once more, edges of borrow graphs. A package that
asks for more is refused by name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .errors import MeterError
from .types import Type

PACKAGE_WORK_MAX = 1_000_000
"""Steps, each some microseconds of the host's; the contract takes 62,000, the framework's largest package 73,000."""


@dataclass(slots=True)
class Meter:
    """What is left of a package's steps."""

    left: int = PACKAGE_WORK_MAX

    def take(self, amount: int, place: str) -> None:
        """Raises MeterError."""
        self.left -= amount
        if self.left < 0:
            raise MeterError(place, f"a package that is verified in {PACKAGE_WORK_MAX} steps", "more")

    def take_types(self, types: Iterable[Type], place: str) -> None:
        """For asking whether types make sense: of each node, abilities of all below it."""
        self.take(sum(one.nodes * one.depth for one in types), place)

"""BCS for natives.

Invariant: a value is encoded for what its type and its bytes take, the same each time: how a type is laid out is found
once for each place that names it, and code has as many places as it likes.
"""

from __future__ import annotations

from typing import Any

from daas_localnet.vm import codec
from daas_localnet.vm.execution import Execution
from daas_localnet.vm.types import Type

UNITS_PER_TYPE = 8


def encoded(run: Execution, kind: str, base: int, type_: Type, value: Any) -> bytes:
    """`kind` and `base`: of the native that pays."""
    run.charge(kind, base + UNITS_PER_TYPE * codec.types_in(type_))
    made = codec.encode(type_, value)
    run.charge_encoding(kind, 0, len(made))
    return made

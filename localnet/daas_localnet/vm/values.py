"""How the host holds Move values, and how it copies them.

Invariant: a value has exactly one owner. Integers, booleans and addresses (32 bytes) are immutable objects of the host;
`vector<u8>` is a bytearray; every other vector, struct (its fields in order) and enum (tag, then fields) is a list.
Copying makes every level anew, so that no two values share a part that can change.

References: one to a vector, struct or enum is that object itself; one to anything else is the pair (container, index).
"""

from __future__ import annotations

from typing import Any

from .errors import OutOfGasSignal
from .execution import Execution
from .limits import BYTES_PER_UNIT

CONTAINERS = (list, bytearray)


def copy(run: Execution, value: Any) -> Any:
    """A copy of a value of whatever type, paid for by its size."""
    kind = type(value)
    if kind is list:
        run.left -= len(value)
        if run.left < 0:
            raise OutOfGasSignal
        return [copy(run, item) if type(item) in CONTAINERS else item for item in value]
    if kind is bytearray:
        return copy_bytes(run, value)
    return value


def copy_bytes(run: Execution, value: bytearray) -> bytearray:
    """A copy of a `vector<u8>`."""
    run.left -= len(value) // BYTES_PER_UNIT
    if run.left < 0:
        raise OutOfGasSignal
    return value[:]


def copy_flat(run: Execution, value: list[Any]) -> list[Any]:
    """A copy of a list that holds no containers."""
    run.left -= len(value)
    if run.left < 0:
        raise OutOfGasSignal
    return value[:]


def read(run: Execution, reference: Any) -> Any:
    """A copy of what a reference to whatever type points to."""
    if type(reference) is tuple:
        return reference[0][reference[1]]
    return copy(run, reference)


def target(reference: Any) -> Any:
    """What a reference points to, not copied: for looking only."""
    return reference[0][reference[1]] if type(reference) is tuple else reference


def write(run: Execution, reference: Any, value: Any) -> None:
    """Puts a value of whatever type where a reference points."""
    if type(reference) is tuple:
        reference[0][reference[1]] = value
    else:
        write_items(run, reference, value)


def write_items(run: Execution, reference: Any, value: Any) -> None:
    """Puts a container where a reference points: its items go one by one, so they are paid for."""
    run.left -= len(value) // BYTES_PER_UNIT
    if run.left < 0:
        raise OutOfGasSignal
    reference[:] = value


def refer(container: Any, index: int) -> Any:
    """A reference to an element of whatever type."""
    item = container[index]
    return item if type(item) in CONTAINERS else (container, index)


def equal(run: Execution, left: Any, right: Any) -> bool:
    """Deep equality of two values of one type, paid for by size."""
    run.left -= _size(left)
    if run.left < 0:
        raise OutOfGasSignal
    return bool(left == right)


def _size(value: Any) -> int:
    if type(value) is bytearray:
        return len(value) // BYTES_PER_UNIT
    if type(value) is list:
        return len(value) + sum(_size(item) for item in value if type(item) in CONTAINERS)
    return 0

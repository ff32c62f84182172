"""Values that commands hand to each other, and who may use each how.

Invariant: a value that may not be copied is used once; within one command nothing is moved or changed that is borrowed;
the bytes of a pure argument become a value only of a type whose every value anyone may make.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from daas_chain.bytecode_types import Ability, Kind
from daas_chain.sui.status import ArgumentErrorKind
from daas_chain.sui.transaction import Argument, GasCoin, InputArgument, NestedResult, Result
from daas_localnet.vm import codec
from daas_localnet.vm.execution import Execution
from daas_localnet.vm.types import SCALARS, Type, abilities
from daas_localnet.vm.values import copy, refer
from daas_protocol.bcs import BcsError

from .errors import argument_failure
from .objects import Stored

_STD, _SUI = (1).to_bytes(32, "big"), (2).to_bytes(32, "big")
_UTF8, _ASCII, _ID, _OPTION = (
    (_STD, "string", "String"),
    (_STD, "ascii", "String"),
    (_SUI, "object", "ID"),
    (_STD, "option", "Option"),
)


@dataclass(slots=True, eq=False)
class Slot:
    """A typed value. `cell` is empty after the value has been moved out."""

    type: Type
    cell: list[Any]
    takeable: bool = True
    mutable: bool = True
    origin: Stored | None = None
    """The input object that it was."""
    is_gas: bool = False


@dataclass(slots=True, eq=False)
class PureSlot:
    """Bytes that have no type until they are used; changes through a reference stay with the type."""

    data: bytes
    made: dict[Type, Slot] = field(default_factory=dict)


class Slots:
    """All values of a transaction. Arguments are numbered within their command.

    `anything`: the bytes of a pure argument may be of any type, as only a simulation allows.
    """

    def __init__(self, run: Execution, gas: Slot, inputs: list[Slot | PureSlot], *, anything: bool = False) -> None:
        self._run = run
        self._anything = anything
        self.gas = gas
        self.inputs = inputs
        self.results: list[list[Slot]] = []
        self._borrowed: dict[int, bool] = {}

    def begin(self) -> None:
        """A new command: nothing is borrowed."""
        self._borrowed = {}

    def find(self, index: int, argument: Argument) -> Slot | PureSlot:
        """Raises CommandFailure."""
        match argument:
            case GasCoin():
                return self.gas
            case InputArgument(number):
                if number >= len(self.inputs):
                    raise argument_failure(index, ArgumentErrorKind.INDEX_OUT_OF_BOUNDS, number)
                return self.inputs[number]
            case Result(command):
                if command >= len(self.results):
                    raise argument_failure(index, ArgumentErrorKind.INDEX_OUT_OF_BOUNDS, command)
                if len(self.results[command]) != 1:
                    raise argument_failure(index, ArgumentErrorKind.INVALID_RESULT_ARITY, command)
                return self.results[command][0]
            case NestedResult(command, number):
                if command >= len(self.results):
                    raise argument_failure(index, ArgumentErrorKind.INDEX_OUT_OF_BOUNDS, command)
                if number >= len(self.results[command]):
                    raise argument_failure(index, ArgumentErrorKind.SECONDARY_INDEX_OUT_OF_BOUNDS, (command, number))
                return self.results[command][number]

    def take(self, index: int, argument: Argument, wanted: Type | None, *, gas: bool = False) -> tuple[Type, Any]:
        """A value, moved, or copied where its type allows that. `gas`: also the gas coin."""
        slot = self._typed(index, argument, wanted)
        if slot.is_gas and not gas:
            raise argument_failure(index, ArgumentErrorKind.INVALID_GAS_COIN_USAGE)
        if not slot.takeable:
            raise argument_failure(index, ArgumentErrorKind.INVALID_OBJECT_BY_VALUE)
        if Ability.COPY in abilities(slot.type):
            return slot.type, copy(self._run, slot.cell[0])
        if id(slot) in self._borrowed:
            raise argument_failure(index, ArgumentErrorKind.INVALID_VALUE_USAGE)
        return slot.type, slot.cell.pop()

    def borrow(self, index: int, argument: Argument, wanted: Type | None, *, mutable: bool) -> tuple[Type, Any]:
        """A reference."""
        slot = self._typed(index, argument, wanted)
        if mutable and not slot.mutable:
            raise argument_failure(index, ArgumentErrorKind.INVALID_OBJECT_BY_MUT_REF)
        before = self._borrowed.get(id(slot))
        if before is not None and (mutable or before):
            raise argument_failure(index, ArgumentErrorKind.INVALID_VALUE_USAGE)
        self._borrowed[id(slot)] = mutable
        return slot.type, refer(slot.cell, 0)

    def _typed(self, index: int, argument: Argument, wanted: Type | None) -> Slot:
        slot = self.find(index, argument)
        if isinstance(slot, PureSlot):
            if wanted is None:
                raise argument_failure(index, ArgumentErrorKind.TYPE_MISMATCH)
            slot = _pure(index, slot, wanted, self._anything)
        if not slot.cell:
            raise argument_failure(index, ArgumentErrorKind.INVALID_VALUE_USAGE)
        if wanted is not None and slot.type != wanted:
            raise argument_failure(index, ArgumentErrorKind.TYPE_MISMATCH)
        return slot


def _pure(index: int, slot: PureSlot, wanted: Type, anything: bool) -> Slot:
    if wanted not in slot.made:
        known = _anyone_makes(wanted)
        if not (known or anything):
            raise argument_failure(index, ArgumentErrorKind.INVALID_USAGE_OF_PURE_ARG)
        try:
            value = codec.decode(wanted, slot.data)
        except BcsError:
            raise argument_failure(index, ArgumentErrorKind.INVALID_BCS_BYTES) from None
        if known and not _well_formed(wanted, value):
            raise argument_failure(index, ArgumentErrorKind.INVALID_BCS_BYTES)
        slot.made[wanted] = Slot(wanted, [value])
    return slot.made[wanted]


def _anyone_makes(type_: Type) -> bool:
    if type_.kind in SCALARS:
        return type_.kind is not Kind.SIGNER
    if type_.kind is Kind.VECTOR:
        return _anyone_makes(type_.arguments[0])
    if type_.datatype is None:
        return False
    key = type_.datatype.key
    return key in (_UTF8, _ASCII, _ID) or (key == _OPTION and _anyone_makes(type_.arguments[0]))


def _well_formed(type_: Type, value: Any) -> bool:
    """Strings are strings, and an option has at most one value."""
    if type_.kind is Kind.VECTOR:
        element = type_.arguments[0]
        return element.kind in SCALARS or all(_well_formed(element, one) for one in value)
    if type_.datatype is None or type_.datatype.key == _ID:
        return True
    if type_.datatype.key == _OPTION:
        return len(value[0]) <= 1 and all(_well_formed(type_.arguments[0], one) for one in value[0])
    try:
        bytes(value[0]).decode("ascii" if type_.datatype.key == _ASCII else "utf-8")
    except UnicodeDecodeError:
        return False
    return True

"""Instructions on locals and through references.

Invariant: as in `instructions`. A copy is made wherever Move copies, and nowhere else; what a reference is for the host
follows from the type it refers to, and is asked of the value only where the type is a parameter.
"""

from __future__ import annotations

from typing import Any

from daas_chain.bytecode_code import Instruction
from daas_chain.bytecode_types import Ability, Kind

from .errors import LocalError
from .meter import Meter
from .opcodes import Op
from .operands import Entry, Operands
from .types import SCALARS, Type, field_types, reference
from .world import LinkedFunction, LinkedModule

NO_LOCALS: frozenset[str] = frozenset()


class References(Operands):
    """Of one function."""

    def __init__(
        self, function: LinkedFunction, locals_: tuple[Type, ...], boxed: frozenset[int], meter: Meter
    ) -> None:
        super().__init__(function.place, function.constraints, meter)
        self.function = function
        self.module: LinkedModule = function.owner
        self.locals = locals_
        self.boxed = boxed
        self.available = 0
        self.possible = 0
        self.calls: list[LinkedFunction] = []
        self.constants: list[Any] = []
        self.highest = 0

    def constant(self, value: object) -> str:
        """The name in the host's code of a value that the code uses."""
        self.constants.append(value)
        return f"K{len(self.constants) - 1}"

    # Locals

    def _local(self, one: Instruction) -> tuple[int, Type]:
        if not self.available >> one.operand & 1:
            raise LocalError(f"{self.place}:{self.offset}", f"a value in local {one.operand}", "none, or none always")
        return one.operand, self.locals[one.operand]

    def local_code(self, index: int) -> str:
        return f"C{index}[0]" if index in self.boxed else f"L{index}"

    def copy_loc(self, one: Instruction) -> None:
        index, type_ = self._local(one)
        self.require(type_, Ability.COPY)
        if type_.scalar or type_.reference:
            self._push_local(index, type_)
        else:
            self.compute(type_, self._copied(type_, self.local_code(index)))

    def _push_local(self, index: int, type_: Type) -> None:
        if index in self.boxed:
            self.compute(type_, self.local_code(index))
        else:
            self.push(type_, f"L{index}", frozenset((f"L{index}",)))

    def move_loc(self, one: Instruction) -> None:
        index, type_ = self._local(one)
        self._push_local(index, type_)
        self.available &= ~(1 << index)
        self.possible &= ~(1 << index)

    def st_loc(self, one: Instruction) -> None:
        index = one.operand
        type_ = self.locals[index]
        if self.possible >> index & 1:
            self.require(type_, Ability.DROP)
        entry = self.pop(type_)
        self.settle(f"L{index}")
        self.emit(f"{self.local_code(index)} = {entry.code}")
        self.available |= 1 << index
        self.possible |= 1 << index

    def borrow_loc(self, one: Instruction) -> None:
        index, type_ = self._local(one)
        made = reference(type_, mutable=one.opcode == Op.MUT_BORROW_LOC)
        if type_.reference:
            raise self.fail("a local that is no reference", type_)
        if type_.scalar:
            self.push_pair(made, f"C{index}", "0", NO_LOCALS)
        elif type_.container:
            self.push(made, f"L{index}", frozenset((f"L{index}",)))
        else:
            self.compute(made, f"refer(C{index}, 0)")

    def drop_locals(self) -> None:
        """At a return: what is left in the locals goes."""
        for index, type_ in enumerate(self.locals):
            if self.possible >> index & 1:
                self.require(type_, Ability.DROP)

    # References

    def _copied(self, type_: Type, code: str) -> str:
        if type_.kind is Kind.VECTOR and type_.arguments[0].kind is Kind.U8:
            return f"copy_bytes(run, {code})"
        return f"copy_flat(run, {code})" if _flat(type_) else f"copy(run, {code})"

    def read_ref(self, _: Instruction) -> None:
        entry = self.pop_reference()
        (type_,) = entry.type.arguments
        self.require(type_, Ability.COPY)
        if type_.scalar:
            self.compute(type_, self._scalar_at(entry))
        elif type_.container:
            self.compute(type_, self._copied(type_, entry.code))
        else:
            self.compute(type_, f"read(run, {entry.code})")

    def _scalar_at(self, entry: Entry) -> str:
        if entry.pair is not None:
            return f"{entry.pair[0]}[{entry.pair[1]}]"
        return f"{entry.code}[0][{entry.code}[1]]"

    def write_ref(self, _: Instruction) -> None:
        entry = self.pop_reference(mutable=True)
        (type_,) = entry.type.arguments
        self.require(type_, Ability.DROP)
        value = self.pop(type_)
        if type_.scalar:
            self.emit(f"{self._scalar_at(entry)} = {value.code}")
        elif type_.kind is Kind.VECTOR:
            self.emit(f"write_items(run, {entry.code}, {value.code})")
        elif type_.container:
            self.emit(f"{entry.code}[:] = {value.code}")
        else:
            self.emit(f"write(run, {entry.code}, {value.code})")

    def freeze_ref(self, _: Instruction) -> None:
        entry = self.pop_reference(mutable=True)
        self.stack.append(Entry(reference(entry.type.arguments[0]), entry.code, entry.locals, entry.pair))

    def _element(self, made: Type, holder: Entry, container: str, index: str, more: frozenset[str] = NO_LOCALS) -> None:
        """A reference to an element that is there."""
        (type_,) = made.arguments
        if type_.scalar:
            self.push_pair(made, container, index, holder.locals | more)
        elif type_.container:
            self.compute(made, f"{container}[{index}]")
        else:
            self.compute(made, f"refer({container}, {index})")


def _flat(type_: Type) -> bool:
    """No part of a value of the type is a container."""
    if type_.shallow is None:
        if type_.kind is Kind.VECTOR:
            parts = type_.arguments
        else:
            assert type_.datatype is not None or type_.kind is Kind.TYPE_PARAMETER
            if type_.datatype is None:
                return False
            parts = tuple(one for index in range(len(type_.datatype.fields())) for one in field_types(type_, index))
        type_.shallow = all(one.kind in SCALARS for one in parts)
    return type_.shallow

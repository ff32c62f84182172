"""Instructions on numbers, booleans and constants, and comparisons.

Invariant: as in `instructions`. No integer leaves the range of its type: what would is the failure that Move reports.
"""

from __future__ import annotations

from daas_chain.bytecode_code import Instruction
from daas_chain.bytecode_types import Ability, Kind
from daas_protocol.bcs import BcsError

from . import codec
from .errors import ConstantError
from .opcodes import Op
from .operands import Entry
from .references import References
from .types import BOOL, LEAVES, U8, WIDTHS

LOADS = {
    Op.LD_U8: Kind.U8,
    Op.LD_U16: Kind.U16,
    Op.LD_U32: Kind.U32,
    Op.LD_U64: Kind.U64,
    Op.LD_U128: Kind.U128,
    Op.LD_U256: Kind.U256,
}
CASTS = {
    Op.CAST_U8: Kind.U8,
    Op.CAST_U16: Kind.U16,
    Op.CAST_U32: Kind.U32,
    Op.CAST_U64: Kind.U64,
    Op.CAST_U128: Kind.U128,
    Op.CAST_U256: Kind.U256,
}
BITWISE = {Op.BIT_OR: "|", Op.BIT_AND: "&", Op.XOR: "^"}
LOGIC = {Op.OR: "or", Op.AND: "and"}
ORDER = {Op.LT: "<", Op.GT: ">", Op.LE: "<=", Op.GE: ">="}


class Numbers(References):
    """Of one function."""

    def load(self, one: Instruction) -> None:
        self.push(LEAVES[LOADS[Op(one.opcode)]], str(one.operand))

    def load_bool(self, one: Instruction) -> None:
        self.push(BOOL, "True" if one.opcode == Op.LD_TRUE else "False")

    def load_const(self, one: Instruction) -> None:
        if one.operand not in self.module.constants:
            constant = self.module.module.constants[one.operand]
            made = self.module.type(constant.type)
            try:
                self.module.constants[one.operand] = (made, codec.decode(made, constant.data))
            except BcsError as problem:
                raise ConstantError(f"{self.place}:{self.offset}", f"a {made}", str(problem)) from None
        type_, value = self.module.constants[one.operand]
        if type_.scalar:
            self.push(type_, str(value) if isinstance(value, int) else self.constant(value))
        else:
            self.compute(type_, self._copied(type_, self.constant(value)))

    def _number(self, entry: Entry) -> int:
        width = WIDTHS.get(entry.type.kind)
        if width is None:
            raise self.fail("an integer", entry.type)
        return width

    def _two(self) -> tuple[Entry, Entry, int]:
        right = self.pop()
        width = self._number(right)
        return self.pop(right.type), right, width

    def add(self, one: Instruction) -> None:
        left, right, width = self._two()
        sign = "+" if one.opcode == Op.ADD else "*"
        name = self.compute(left.type, f"{left.code} {sign} {right.code}")
        self.emit(f"if {name} > {(1 << width) - 1}: raise Arithmetic")

    def subtract(self, _: Instruction) -> None:
        left, right, _width = self._two()
        name = self.compute(left.type, f"{left.code} - {right.code}")
        self.emit(f"if {name} < 0: raise Arithmetic")

    def divide(self, one: Instruction) -> None:
        left, right, _ = self._two()
        self.compute(left.type, f"{left.code} {'//' if one.opcode == Op.DIV else '%'} {right.code}")

    def bitwise(self, one: Instruction) -> None:
        left, right, _ = self._two()
        self.compute(left.type, f"{left.code} {BITWISE[Op(one.opcode)]} {right.code}")

    def shift(self, one: Instruction) -> None:
        by = self.atom(self.pop(U8))
        value = self.pop()
        width = self._number(value)
        if width < 256:  # a u8 reaches every bit of the widest type and no further
            self.emit(f"if {by} >= {width}: raise Arithmetic")
        if one.opcode == Op.SHL:
            self.compute(value.type, f"{value.code} << {by} & {(1 << width) - 1}")
        else:
            self.compute(value.type, f"{value.code} >> {by}")

    def cast(self, one: Instruction) -> None:
        entry = self.pop()
        made = LEAVES[CASTS[Op(one.opcode)]]
        if WIDTHS[made.kind] < self._number(entry):
            code = self.atom(entry)
            self.emit(f"if {code} > {(1 << WIDTHS[made.kind]) - 1}: raise Arithmetic")
            self.push(made, code, entry.locals)
        else:
            self.push(made, entry.code, entry.locals)

    def logic(self, one: Instruction) -> None:
        right, left = self.pop(BOOL), self.pop(BOOL)
        self.compute(BOOL, f"{left.code} {LOGIC[Op(one.opcode)]} {right.code}")

    def negate(self, _: Instruction) -> None:
        entry = self.pop(BOOL)
        self._defer(f"(not {entry.code})", entry)

    def order(self, one: Instruction) -> None:
        left, right, _ = self._two()
        self._defer(f"({left.code} {ORDER[Op(one.opcode)]} {right.code})", left, right)

    def _defer(self, code: str, *operands: Entry) -> None:
        """A condition: written where it is used, unless it is made of conditions itself."""
        if any(one.code.startswith("(") for one in operands):
            self.compute(BOOL, code)
        else:
            self.push(BOOL, code, frozenset().union(*(one.locals for one in operands)))

    def equal(self, one: Instruction) -> None:
        right = self.pop()
        left = self.pop(right.type)
        type_ = right.type
        sign = "==" if one.opcode == Op.EQ else "!="
        if type_.scalar:
            self._defer(f"({left.code} {sign} {right.code})", left, right)
            return
        self.require(type_, Ability.DROP)
        flip = "" if one.opcode == Op.EQ else "not "
        if type_.reference and type_.arguments[0].scalar:
            self.compute(BOOL, f"{self._scalar_at(left)} {sign} {self._scalar_at(right)}")
        elif type_.reference and not type_.arguments[0].container:
            self.compute(BOOL, f"{flip}equal(run, target({left.code}), target({right.code}))")
        else:
            self.compute(BOOL, f"{flip}equal(run, {left.code}, {right.code})")

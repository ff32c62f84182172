"""A function of Move as a function of the host.

Invariant: the code made does what the instructions do, block by block, and pays for each block before it runs it;
each of its lines is known by the offset of its instruction, so that a failure has the place that the Move VM reports.
It calls nothing but the names in `_GLOBALS`, its own constants and the functions it is linked to.

Shape: `f(run, types, depth, L0, L1, ...)` with the arguments as first locals; blocks that are jumped to are found by
halving (`b < n`), the others follow the one block that leads to them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from daas_chain.bytecode_code import Instruction
from daas_chain.bytecode_types import Kind

from . import borrows, values
from .declarations import check_type
from .errors import (
    AbortSignal,
    ArithmeticSignal,
    CallDepthSignal,
    FlowError,
    OutOfGasSignal,
    StackSignal,
    VariantSignal,
    VectorSignal,
)
from .flow import Block, Flow, analyse
from .instructions import Instructions
from .limits import CALL_DEPTH_MAX, HEIGHT, STACK_MAX
from .meter import Meter
from .opcodes import Op
from .types import BOOL, U64
from .world import LinkedFunction

VECTOR_UNPACK, VECTOR_TOO_LONG = 3, 4
LOCALS_MAX = 256
"""Parameters and other locals: the index is one byte."""


class _VectorUnpackSignal(VectorSignal):
    def __init__(self) -> None:
        super().__init__(VECTOR_UNPACK)


class _VectorLimitSignal(VectorSignal):
    def __init__(self) -> None:
        super().__init__(VECTOR_TOO_LONG)


_GLOBALS: dict[str, Any] = {
    "__builtins__": {},
    "len": len,
    "list": list,
    "bytearray": bytearray,
    "IndexError": IndexError,
    "U8": Kind.U8,
    "copy": values.copy,
    "copy_bytes": values.copy_bytes,
    "copy_flat": values.copy_flat,
    "read": values.read,
    "write": values.write,
    "write_items": values.write_items,
    "refer": values.refer,
    "target": values.target,
    "equal": values.equal,
    "Abort": AbortSignal,
    "Arithmetic": ArithmeticSignal,
    "CallDepth": CallDepthSignal,
    "OutOfGas": OutOfGasSignal,
    "Stack": StackSignal,
    "Variant": VariantSignal,
    "VectorUnpack": _VectorUnpackSignal,
    "VectorLimit": _VectorLimitSignal,
}


@dataclass(frozen=True, slots=True)
class Translation:
    """`source` defines `f`; `offsets` has the instruction of each of its lines, the first line first."""

    source: str
    offsets: tuple[int, ...]
    constants: tuple[Any, ...]
    calls: tuple[LinkedFunction, ...]
    instructions: tuple[Instruction, ...]
    heights: tuple[int, ...]
    """Values that the function has on the stack after each instruction."""

    def compile(self, functions: Mapping[str, Callable[..., Any]]) -> tuple[Callable[..., Any], dict[str, Any]]:
        """The host's function, and its globals (where `F0`, `F1` ... may be replaced)."""
        names = dict(_GLOBALS)
        names.update((f"K{index}", one) for index, one in enumerate(self.constants))
        names.update(functions)
        # Made of numbers and fixed words only (see `instructions`), and without builtins.
        exec(compile(self.source, "<move>", "exec"), names)  # noqa: S102
        made: Callable[..., Any] = names["f"]
        return made, names


def translate(function: LinkedFunction, costs: Mapping[int, int], meter: Meter | None = None) -> Translation:
    """Checks and translates a function that is not native. Raises LinkError.

    `meter`: of a package that is verified, whose references are checked too; None: of one that was.
    """
    return _Translator(function, costs, meter or Meter()).run(references=meter is not None)


class _Translator:
    def __init__(self, function: LinkedFunction, costs: Mapping[int, int], meter: Meter) -> None:
        code = function.definition.code
        assert code is not None
        self.function = function
        self.meter = meter
        self.code = code
        self.costs = costs
        types = (*function.parameters, *function.owner.signature(code.locals))
        if len(types) > LOCALS_MAX:
            raise FlowError(function.place, f"at most {LOCALS_MAX} locals", str(len(types)))
        self.flow: Flow = analyse(code, function.place, len(function.parameters))
        borrowed = {
            one.operand for one in self.flow.instructions if one.opcode in (Op.MUT_BORROW_LOC, Op.IMM_BORROW_LOC)
        }
        self.boxed = frozenset(index for index in borrowed if not (types[index].container or types[index].reference))
        self.made = Instructions(function, types, self.boxed, meter)
        meter.take_types((*types, *function.returns), function.place)
        for one in (*types, *function.returns):
            check_type(one, function.constraints, function.place)
        self.entry = 0
        self.heights = [0] * len(self.flow.instructions)
        self.leaves = self._leaves()
        self.leaf_numbers = {start: number for number, start in enumerate(self.leaves)}

    def _leaves(self) -> list[int]:
        """The blocks that are jumped to: all but those that only follow the block before them."""
        blocks = self.flow.blocks
        found = []
        for start, block in blocks.items():
            before = [blocks[one] for one in block.predecessors if one in blocks]
            followed = (
                len(before) == 1 and before[0].end == start and before[0].falls and start not in before[0].targets
            )
            if start == 0 or not followed:
                found.append(start)
        return found

    def run(self, references: bool) -> Translation:
        bodies = [self._body(start) for start in self.leaves]
        if references:
            borrows.check(self.function, self.flow, self.made.locals, self.meter)
        lines: list[tuple[str, int]] = []
        arguments = "".join(f", L{index}" for index in range(len(self.function.parameters)))
        lines.append((f"def f(run, types, depth{arguments}):", 0))
        lines.append((f" if depth & {HEIGHT - 1} > {CALL_DEPTH_MAX}: raise CallDepth", 0))
        for index in sorted(self.boxed):
            given = f"L{index}" if index < len(self.function.parameters) else "None"
            lines.append((f" C{index} = [{given}]", 0))
        if len(bodies) == 1 and not self._loops():
            lines.extend((f" {line}", offset) for line, offset in bodies[0])
        else:
            lines.extend(((" b = 0", 0), (" while True:", 0)))
            self._tree(bodies, 0, len(bodies), 2, lines)
        return Translation(
            "\n".join(line for line, _ in lines) + "\n",
            tuple(offset for _, offset in lines),
            tuple(self.made.constants),
            tuple(self.made.calls),
            self.flow.instructions,
            tuple(self.heights),
        )

    def _loops(self) -> bool:
        return any(block.targets for block in self.flow.blocks.values())

    def _tree(
        self, bodies: list[list[tuple[str, int]]], low: int, high: int, indent: int, lines: list[tuple[str, int]]
    ) -> None:
        space = " " * indent
        if high - low == 1:
            lines.extend((space + line, offset) for line, offset in bodies[low])
            return
        middle = (low + high) // 2
        lines.append((f"{space}if b < {middle}:", 0))
        self._tree(bodies, low, middle, indent + 1, lines)
        lines.append((f"{space}else:", 0))
        self._tree(bodies, middle, high, indent + 1, lines)

    def _body(self, start: int) -> list[tuple[str, int]]:
        """A block that is jumped to, and those that follow it and nothing else."""
        self.made.lines = []
        at = start
        while True:
            block = self.flow.blocks[at]
            self._block(block)
            if not block.falls:
                return self.made.lines
            if block.end in self.leaf_numbers:
                self.made.emit(f"b = {self.leaf_numbers[block.end]}; continue")
                return self.made.lines
            at = block.end

    def _block(self, block: Block) -> None:
        made = self.made
        made.available, made.possible = block.available, block.possible
        instructions = self.flow.instructions[block.start : block.end]
        made.offset = block.start
        made.emit(f"run.left -= {sum(self.costs.get(one.opcode, 1) for one in instructions)}")
        made.emit("if run.left < 0: raise OutOfGas")
        checked = len(made.lines)
        made.highest = 0
        for offset, one in enumerate(instructions, block.start):
            made.offset = offset
            match one.opcode:
                case Op.RET:
                    self._return()
                case Op.ABORT:
                    made.emit(f"raise Abort({made.pop(U64).code})")
                    # What is still there goes with the transaction; the Move verifier asks for the same.
                case Op.BRANCH:
                    self._jump("", one.operand)
                case Op.BR_TRUE:
                    self._jump(f"if {made.pop(BOOL).code}: ", one.operand)
                case Op.BR_FALSE:
                    self._jump(f"if not {made.pop(BOOL).code}: ", one.operand)
                case Op.VARIANT_SWITCH:
                    self._switch(one.operand)
                case _:
                    made.step(one)
            self.heights[offset] = len(made.stack)
        made.end()
        if block.start == 0:
            self.entry = made.highest
        if block.start == 0 or made.highest > self.entry:
            limit = HEIGHT * (STACK_MAX - made.highest + 1)
            made.lines.insert(checked, (f"if depth >= {limit}: raise Stack(depth)", block.start))

    def _jump(self, condition: str, target: int) -> None:
        self.made.emit(f"{condition}b = {self.leaf_numbers[target]}; continue")

    def _return(self) -> None:
        found = self.made.pop_many(self.function.returns)
        self.made.drop_locals()
        listed = ", ".join(one.code for one in found)
        self.made.emit(f"return {listed}" if len(found) != 1 else f"return {found[0].code}")

    def _switch(self, index: int) -> None:
        made = self.made
        table = self.code.jump_tables[index]
        entry = made.pop_reference()
        owner = made._enum(table.enum)
        type_ = entry.type.arguments[0]
        if type_.datatype is not owner:
            raise made.fail(f"a reference to {owner}", entry.type)
        if len(table.offsets) != len(owner.variant_names):
            raise made.fail(f"{len(owner.variant_names)} branches", len(table.offsets))
        numbers = tuple(self.leaf_numbers[offset] for offset in table.offsets)
        made.emit(f"b = {made.constant(numbers)}[{entry.code}[0]]; continue")

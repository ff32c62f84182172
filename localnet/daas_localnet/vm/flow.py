"""The basic blocks of a function, and which locals have a value at the start of each.

Invariant: control never runs past the end of the code, and a local counts as available in a block only if it has a
value on every path that leads there, and as possibly available if it has one on some path. So no code that passes reads
a local that was never set or was moved out, or drops a value that may not be dropped.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from daas_chain.bytecode_code import Instruction, decode
from daas_chain.bytecode_cursor import Cursor
from daas_chain.bytecode_types import Code

from .errors import FlowError
from .limits import BASIC_BLOCKS_MAX
from .opcodes import Op

_ENDS = (Op.RET, Op.ABORT, Op.BRANCH, Op.VARIANT_SWITCH)
_JUMPS = (Op.BRANCH, Op.BR_TRUE, Op.BR_FALSE)


@dataclass(slots=True)
class Block:
    """Instructions `start` to before `end`. `falls`: control may go on with the next block."""

    start: int
    end: int
    targets: tuple[int, ...]
    falls: bool
    available: int = 0
    possible: int = 0
    reached: bool = False
    predecessors: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Flow:
    """Blocks by the offset of their first instruction, in order. Unreached ones are left out."""

    instructions: tuple[Instruction, ...]
    blocks: dict[int, Block]


def analyse(code: Code, place: str, parameters: int) -> Flow:
    """The flow of a function with so many parameters. Raises FlowError."""
    instructions = tuple(decode(Cursor(code.instructions, 0, len(code.instructions)), code.count))
    if not instructions or instructions[-1].opcode not in _ENDS:
        raise FlowError(place, "an end of the code", "control that runs past it")
    blocks = _blocks(instructions, code, place)
    _reach(blocks, instructions, (1 << parameters) - 1)
    return Flow(instructions, {start: block for start, block in blocks.items() if block.reached})


def _blocks(instructions: tuple[Instruction, ...], code: Code, place: str) -> dict[int, Block]:
    leaders = {0}
    for offset, one in enumerate(instructions):
        if one.opcode in _JUMPS:
            leaders.add(one.operand)
        elif one.opcode == Op.VARIANT_SWITCH:
            leaders.update(code.jump_tables[one.operand].offsets)
        if one.opcode in _ENDS or one.opcode in _JUMPS:
            leaders.add(offset + 1)
    leaders.discard(len(instructions))
    if len(leaders) > BASIC_BLOCKS_MAX:
        raise FlowError(place, f"at most {BASIC_BLOCKS_MAX} basic blocks", str(len(leaders)))
    starts = sorted(leaders)
    blocks = {}
    for start, end in zip(starts, [*starts[1:], len(instructions)], strict=True):
        last = instructions[end - 1]
        targets: tuple[int, ...] = ()
        if last.opcode in _JUMPS:
            targets = (last.operand,)
        elif last.opcode == Op.VARIANT_SWITCH:
            targets = code.jump_tables[last.operand].offsets
        blocks[start] = Block(start, end, targets, last.opcode not in _ENDS)
    return blocks


def _reach(blocks: dict[int, Block], instructions: tuple[Instruction, ...], given: int) -> None:
    first = blocks[0]
    first.reached, first.available, first.possible = True, given, given
    waiting = [0]
    while waiting:
        block = blocks[waiting.pop()]
        available, possible = block.available, block.possible
        for one in instructions[block.start : block.end]:
            if one.opcode == Op.MOVE_LOC:
                available &= ~(1 << one.operand)
                possible &= ~(1 << one.operand)
            elif one.opcode == Op.ST_LOC:
                available |= 1 << one.operand
                possible |= 1 << one.operand
        for target in (*block.targets, *((block.end,) if block.falls else ())):
            other = blocks[target]
            if block.start not in other.predecessors:
                other.predecessors.append(block.start)
            after = (available, possible)
            if other.reached:
                after = (other.available & available, other.possible | possible)
            if not other.reached or after != (other.available, other.possible):
                other.reached = True
                other.available, other.possible = after
                waiting.append(target)

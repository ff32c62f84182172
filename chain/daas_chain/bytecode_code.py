"""The instructions of a function body: which exist, how long each is, and what its operand points into.

Invariant: `decode` yields exactly the instructions that the bytes hold or raises a `BytecodeError`; it never executes
anything. The instructions of the old global storage are refused: no published Sui module has them.
Source: move-binary-format/src/file_format_common.rs and deserializer.rs in MystenLabs/sui.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from .bytecode_cursor import INDEX_MAX, Cursor
from .bytecode_errors import OpcodeError

LOCAL_MAX = 255
"""Of the index of a local."""
INSTRUCTIONS_MAX = 65_535
"""Of one function: offsets of branches are two bytes."""


class Operand(Enum):
    """What follows the opcode."""

    NONE = "none"
    OFFSET = "offset"
    LOCAL = "local"
    NUMBER = "number"
    """A number as the instruction's own bytes, little endian."""
    CONSTANT = "constants"
    FIELD = "field_handles"
    FIELD_INSTANCE = "field_instances"
    FUNCTION = "function_handles"
    FUNCTION_INSTANCE = "function_instances"
    STRUCT = "structs"
    STRUCT_INSTANCE = "struct_instances"
    SIGNATURE = "signatures"
    SIGNATURE_AND_COUNT = "signatures and a u64"
    VARIANT = "variant_handles"
    VARIANT_INSTANCE = "variant_instances"
    JUMP_TABLE = "jump_tables"


@dataclass(frozen=True, slots=True)
class Instruction:
    """`operand`: an index, an offset or a number, 0 where there is none; `count`: the elements a vector is made of."""

    opcode: int
    operand: int = 0
    count: int = 0


NUMBER_BYTES = {0x06: 8, 0x31: 1, 0x32: 16, 0x48: 2, 0x49: 4, 0x4A: 32}
"""The instructions that load a number: u64, u8, u128, u16, u32, u256."""


def _operands() -> dict[int, Operand]:
    bare = [0x01, 0x02, 0x08, 0x09, *range(0x14, 0x29), 0x2E, 0x2F, 0x30, 0x33, 0x34, 0x35, 0x4B, 0x4C, 0x4D]
    table = dict.fromkeys(bare, Operand.NONE)
    table |= dict.fromkeys((0x03, 0x04, 0x05), Operand.OFFSET)
    table |= dict.fromkeys(NUMBER_BYTES, Operand.NUMBER)
    table |= {0x07: Operand.CONSTANT, 0x11: Operand.FUNCTION, 0x38: Operand.FUNCTION_INSTANCE}
    table |= dict.fromkeys((0x0A, 0x0B, 0x0C, 0x0D, 0x0E), Operand.LOCAL)
    table |= dict.fromkeys((0x0F, 0x10), Operand.FIELD)
    table |= dict.fromkeys((0x36, 0x37), Operand.FIELD_INSTANCE)
    table |= dict.fromkeys((0x12, 0x13), Operand.STRUCT)
    table |= dict.fromkeys((0x39, 0x3A), Operand.STRUCT_INSTANCE)
    table |= dict.fromkeys((0x41, 0x42, 0x43, 0x44, 0x45, 0x47), Operand.SIGNATURE)
    table |= dict.fromkeys((0x40, 0x46), Operand.SIGNATURE_AND_COUNT)
    table |= dict.fromkeys((0x4E, 0x50, 0x51, 0x52), Operand.VARIANT)
    table |= dict.fromkeys((0x4F, 0x53, 0x54, 0x55), Operand.VARIANT_INSTANCE)
    table[0x56] = Operand.JUMP_TABLE
    return table


OPERANDS = _operands()
"""Every instruction that exists, with what follows it."""


def decode(cursor: Cursor, count: int) -> Iterator[Instruction]:
    """The next `count` instructions. Raises OpcodeError, TruncatedError, UlebError."""
    for _ in range(count):
        at = cursor.position
        opcode = cursor.byte()
        kind = OPERANDS.get(opcode)
        match kind:
            case None:
                raise OpcodeError("an instruction of version 7", f"0x{opcode:02x}", at)
            case Operand.NONE:
                yield Instruction(opcode)
            case Operand.NUMBER:
                yield Instruction(opcode, int.from_bytes(cursor.take(NUMBER_BYTES[opcode]), "little"))
            case Operand.LOCAL:
                yield Instruction(opcode, cursor.uleb(LOCAL_MAX))
            case Operand.SIGNATURE_AND_COUNT:
                index = cursor.uleb(INDEX_MAX)
                yield Instruction(opcode, index, int.from_bytes(cursor.take(8), "little"))
            case _:
                yield Instruction(opcode, cursor.uleb(INDEX_MAX))

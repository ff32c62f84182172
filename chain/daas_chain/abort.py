"""What an abort code means: the name, the message and the source line of an `#[error]` constant.

Invariant: decoding needs nothing but the code and the module that aborted; a code that no `#[error]` constant made is
shown as the plain number it is, and a code that points nowhere never raises.
Source: move-command-line-common/src/error_bitset.rs in MystenLabs/sui. From the top: 4 bits version (8 or 12), 4 bits
unused, 8 error code, 16 line, 16 index of the constant that holds the name, 16 index of the constant that is the
message; a field of all ones is absent. Both indices are into the module's constants, which are `vector<u8>` there.
"""

from dataclasses import dataclass

from daas_protocol.bcs import BcsError, Reader

from .bytecode_code import decode
from .bytecode_cursor import Cursor
from .bytecode_types import Kind, Module, Token

_VERSION_WITHOUT_CODE = 8
_VERSION_WITH_CODE = 12
_NO_U8 = 0xFF
_NO_U16 = 0xFFFF
_BYTES = Token(Kind.VECTOR, arguments=(Token(Kind.U8),))
MESSAGE_MAX = 65_535
"""Bytes of a constant."""
_LOAD_U64 = 0x06


@dataclass(frozen=True, slots=True)
class MoveAbort:
    """An abort in `module`. `name`, `message` and `line` are None where the code does not say them."""

    module: str
    code: int
    name: str | None = None
    message: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        where = f"{self.module}:{self.line}" if self.line is not None else self.module
        if self.name is None:
            return f"{where}: abort {self.code}"
        return f"{where}: {self.name}" + (f": {self.message}" if self.message else "")


@dataclass(frozen=True, slots=True)
class ErrorBits:
    """The fields of an abort code that an `#[error]` constant or an `assert!` without a code makes."""

    error_code: int | None
    line: int | None
    name_constant: int | None
    message_constant: int | None


def split(code: int) -> ErrorBits | None:
    """The fields of a u64 abort code, None when it is a plain number."""
    version = code >> 60
    if version not in (_VERSION_WITHOUT_CODE, _VERSION_WITH_CODE) or not 0 <= code < 1 << 64:
        return None
    error_code = code >> 48 & _NO_U8
    line, name, message = code >> 32 & _NO_U16, code >> 16 & _NO_U16, code & _NO_U16
    return ErrorBits(
        None if version == _VERSION_WITHOUT_CODE or error_code == _NO_U8 else error_code,
        None if line == _NO_U16 else line,
        None if name == _NO_U16 else name,
        None if message == _NO_U16 else message,
    )


def decode_abort(module: Module, code: int) -> MoveAbort:
    """What the u64 `code` means when a function of `module` has aborted with it. Never raises."""
    bits = split(code)
    if bits is None:
        return MoveAbort(module.name, code)
    name = _text(module, bits.name_constant)
    return MoveAbort(module.name, code, name, _text(module, bits.message_constant) if name else None, bits.line)


def errors_of(module: Module) -> tuple[MoveAbort, ...]:
    """The `#[error]` constants that the module's functions abort with, by name: each once, with its first line."""
    found: dict[str, MoveAbort] = {}
    for function in module.functions:
        if function.code is None:
            continue
        body = Cursor(function.code.instructions, 0, len(function.code.instructions))
        for instruction in decode(body, function.code.count):
            if instruction.opcode != _LOAD_U64:
                continue
            abort = decode_abort(module, instruction.operand)
            if abort.name is None or abort.line is None:
                continue
            known = found.get(abort.name)
            if known is None or known.line is None or abort.line < known.line:
                found[abort.name] = abort
    return tuple(found[name] for name in sorted(found))


def _text(module: Module, index: int | None) -> str | None:
    if index is None or index >= len(module.constants) or module.constants[index].type != _BYTES:
        return None
    reader = Reader(module.constants[index].data)
    try:
        value = reader.bytes(MESSAGE_MAX)
        reader.end()
    except BcsError:
        return None
    return value.decode("utf-8", errors="replace")

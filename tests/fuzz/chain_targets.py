"""Promises of what is read of the chain: compiled Move modules."""

from __future__ import annotations

from daas_chain.abort import errors_of
from daas_chain.bytecode import read_module
from daas_chain.bytecode_code import decode
from daas_chain.bytecode_cursor import Cursor
from daas_chain.bytecode_errors import BytecodeError
from daas_chain.interface import describe_module
from fuzz.target import Target, golden


def check_bytecode(data: bytes) -> None:
    try:
        module = read_module(data)
    except BytecodeError:
        return
    for function in module.functions:
        if function.code is not None:
            cursor = Cursor(function.code.instructions, 0, len(function.code.instructions))
            assert len(list(decode(cursor, function.code.count))) == function.code.count
            assert cursor.done, "bytes between the instructions and their end"
    strings = sum(map(len, module.identifiers)) + sum(len(constant.data) for constant in module.constants)
    assert strings <= len(data), "more out than in"
    described = describe_module(module, {})
    assert len(described["functions"]) == len(module.functions)
    assert set(described["errors"]) == {error.name for error in errors_of(module)}
    assert read_module(data) == module


def bytecode_seeds() -> dict[str, bytes]:
    return golden("move_modules")


TARGETS = {"bytecode": Target(check_bytecode, bytecode_seeds)}

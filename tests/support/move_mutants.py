"""Modules that no compiler made: compiled ones with instructions exchanged, and values to call them with."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

from daas_chain.bytecode_code import NUMBER_BYTES, OPERANDS, Instruction, Operand, decode
from daas_chain.bytecode_cursor import Cursor
from daas_chain.bytecode_types import Ability, FunctionDefinition, Kind, Module
from daas_localnet.vm.types import U64, Type, abilities, field_types, substitute
from daas_protocol.bcs import encode_uleb


def mutant(module: Module, some: random.Random) -> Module:
    """The module with one or two instructions of one function changed."""
    with_code = [index for index, one in enumerate(module.functions) if one.code is not None and one.code.count > 2]
    index = some.choice(with_code)
    definition = module.functions[index]
    code = definition.code
    assert code is not None
    body = list(decode(Cursor(code.instructions, 0, len(code.instructions)), code.count))
    for _ in range(some.randrange(1, 3)):
        at, other = some.randrange(len(body)), some.randrange(len(body))
        one = body[at]
        match some.randrange(4):
            case 0:
                alike = [opcode for opcode, kind in OPERANDS.items() if kind is OPERANDS[one.opcode]]
                body[at] = dataclasses.replace(one, opcode=some.choice(alike))
            case 1:
                body[at] = dataclasses.replace(one, operand=max(0, one.operand + some.choice((-1, 1))))
            case 2:
                body[at], body[other] = body[other], body[at]
            case 3:
                body[at] = body[other]
    changed: list[FunctionDefinition] = list(module.functions)
    made = dataclasses.replace(code, instructions=b"".join(map(_encode, body)))
    changed[index] = dataclasses.replace(definition, code=made)
    return dataclasses.replace(module, functions=tuple(changed))


def _encode(one: Instruction) -> bytes:
    opcode = bytes((one.opcode,))
    match OPERANDS[one.opcode]:
        case Operand.NONE:
            return opcode
        case Operand.NUMBER:
            length = NUMBER_BYTES[one.opcode]
            return opcode + (one.operand % (1 << 8 * length)).to_bytes(length, "little")
        case Operand.SIGNATURE_AND_COUNT:
            return opcode + encode_uleb(one.operand) + one.count.to_bytes(8, "little")
    return opcode + encode_uleb(one.operand)


def fitting(constraints: tuple[Ability, ...]) -> tuple[Type, ...] | None:
    """Types for a function's parameters, None when a number is none of them."""
    if any(one & ~abilities(U64) for one in constraints):
        return None
    return (U64,) * len(constraints)


def value(type_: Type, types: tuple[Type, ...], some: random.Random) -> Any:
    """A value, or a reference to one, of a parameter's type."""
    type_ = substitute(type_, types)
    if type_.reference:
        (target,) = type_.arguments
        made = value(target, types, some)
        return made if target.container else ([made], 0)
    match type_.kind:
        case Kind.BOOL:
            return some.random() < 0.5
        case Kind.ADDRESS | Kind.SIGNER:
            return some.randbytes(32)
        case Kind.VECTOR:
            if type_.arguments[0].kind is Kind.U8:
                return bytearray(some.randbytes(some.randrange(40)))
            return [value(type_.arguments[0], types, some) for _ in range(some.randrange(4))]
        case Kind.DATATYPE:
            assert type_.datatype is not None
            tag = some.randrange(len(type_.datatype.fields()))
            fields = [value(one, types, some) for one in field_types(type_, tag)]
            return [tag, *fields] if type_.datatype.is_enum else fields
    return some.choice((0, 1, 2, 255, some.randrange(256)))

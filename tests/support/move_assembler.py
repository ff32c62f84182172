"""A module written in instructions, for code that no compiler makes.

Struct 0 is `S { n: u64, v: vector<u64> }` with copy, drop, store; struct 1 is `Coin { value: u64 }` with store alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from daas_chain import bytecode_check
from daas_chain.bytecode_code import NUMBER_BYTES, OPERANDS, Operand
from daas_chain.bytecode_types import (
    Ability,
    Code,
    DatatypeHandle,
    Field,
    FunctionDefinition,
    FunctionHandle,
    Kind,
    MemberHandle,
    Module,
    ModuleHandle,
    StructDefinition,
    Token,
    Visibility,
)
from daas_localnet.vm.machine import Machine
from daas_localnet.vm.opcodes import Op
from daas_localnet.vm.world import Package, World
from daas_protocol.bcs import encode_uleb

HOME = (0xA55).to_bytes(32, "big")
U64, BOOL, U8 = Token(Kind.U64), Token(Kind.BOOL), Token(Kind.U8)
S, COIN = Token(Kind.DATATYPE, 0), Token(Kind.DATATYPE, 1)
NUMBERS = Token(Kind.VECTOR, arguments=(U64,))
Line = tuple[Op, int]


def mut(of: Token) -> Token:
    return Token(Kind.MUTABLE_REFERENCE, arguments=(of,))


def ref(of: Token) -> Token:
    return Token(Kind.REFERENCE, arguments=(of,))


@dataclass(frozen=True, slots=True)
class Assembled:
    """Function number 0 is called `f0`, and so on; CALL takes the number."""

    code: tuple[Line, ...]
    parameters: tuple[Token, ...] = ()
    returns: tuple[Token, ...] = ()
    locals: tuple[Token, ...] = ()


def assemble(*functions: Assembled, complete: bool = True) -> Module:
    """Signature 0 is `(u64)`: the element of vectors. Not `complete`: the caller adds what the code names."""
    signatures: list[tuple[Token, ...]] = [(U64,)]
    handles, definitions = [], []
    for number, one in enumerate(functions):
        base = len(signatures)
        signatures += [one.parameters, one.returns, one.locals]
        handles.append(FunctionHandle(0, 7 + number, base, base + 1, ()))
        body = b"".join(_line(line) for line in one.code)
        definitions.append(
            FunctionDefinition(number, Visibility.PUBLIC, False, Code(base + 2, len(one.code), body, ()))
        )
    everything = Ability.COPY | Ability.DROP | Ability.STORE
    module = Module(
        version=7,
        self_handle=0,
        module_handles=(ModuleHandle(0, 0),),
        datatype_handles=(DatatypeHandle(0, 1, everything, ()), DatatypeHandle(0, 2, Ability.STORE, ())),
        function_handles=tuple(handles),
        function_instances=(),
        signatures=tuple(signatures),
        constants=(),
        identifiers=(
            "hand",
            "S",
            "Coin",
            "n",
            "v",
            "value",
            "spare",
            *(f"f{number}" for number in range(len(functions))),
        ),
        addresses=(HOME,),
        structs=(StructDefinition(0, (Field(3, U64), Field(4, NUMBERS))), StructDefinition(1, (Field(5, U64),))),
        struct_instances=(),
        functions=tuple(definitions),
        field_handles=(MemberHandle(0, 0), MemberHandle(0, 1), MemberHandle(1, 0)),
        field_instances=(),
        friends=(),
        metadata=(),
        enums=(),
        enum_instances=(),
        variant_handles=(),
        variant_instances=(),
    )
    if complete:
        bytecode_check.check(module)
    return module


def _line(line: Line) -> bytes:
    opcode, operand = line
    match OPERANDS[opcode]:
        case Operand.NONE:
            return bytes((opcode,))
        case Operand.NUMBER:
            return bytes((opcode,)) + operand.to_bytes(NUMBER_BYTES[opcode], "little")
        case Operand.SIGNATURE_AND_COUNT:
            return bytes((opcode, 0)) + operand.to_bytes(8, "little")
    return bytes((opcode,)) + encode_uleb(operand)


def verified(*functions: Assembled) -> Machine:
    """The machine with this module, verified. Raises LinkError."""
    module = assemble(*functions)
    machine = Machine(World((Package(HOME, HOME, 1, {"hand": module}),)))
    machine.verify(machine.world.module(HOME, "hand"))
    return machine

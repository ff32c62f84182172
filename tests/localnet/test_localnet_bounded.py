"""Promises: what makes the host work is paid for, and no package takes long to be refused."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from daas_chain import bytecode_check
from daas_chain.bytecode_types import Ability, Constant, Instance, Kind, Module, Token
from daas_localnet.vm import codec
from daas_localnet.vm.errors import AbortSignal, MeterError, OutOfGasSignal, TypeSizeSignal
from daas_localnet.vm.execution import Execution
from daas_localnet.vm.limits import VECTOR_LENGTH_MAX
from daas_localnet.vm.machine import Machine
from daas_localnet.vm.meter import PACKAGE_WORK_MAX, Meter
from daas_localnet.vm.natives.crypto import load_nitro_attestation, sui_keccak256
from daas_localnet.vm.natives.std import index_of, to_bytes
from daas_localnet.vm.opcodes import Op
from daas_localnet.vm.runtime import ExtensionContext, MemoryRuntime, TransactionContext
from daas_localnet.vm.translate import translate
from daas_localnet.vm.types import U8, U64, Datatype, Type, struct, vector
from daas_localnet.vm.values import write
from daas_localnet.vm.world import Package, World
from support.move_assembler import HOME, NUMBERS, Assembled, Line, assemble, ref
from support.move_world import DAAS, built, framework, published

BUDGET = 5_000_000
SECONDS = 20
"""Several times what the slowest one takes; without the limits they take minutes to hours."""
FLAGS = Token(Kind.VECTOR, arguments=(Token(Kind.BOOL),))
RET: Line = (Op.RET, 0)


def execution() -> Execution:
    return Execution(ExtensionContext(MemoryRuntime(), TransactionContext(bytes(32), bytes(32))), BUDGET)


def machine_of(module: Module) -> Machine:
    bytecode_check.check(module)
    return Machine(World((*framework(), Package(HOME, HOME, 1, {"hand": module}))))


def call(module: Module, types: tuple[Type, ...] = (), arguments: tuple[Any, ...] = ()) -> int:
    """Units that f0 takes."""
    machine, run = machine_of(module), execution()
    linked = machine.world.module(HOME, "hand")
    machine.verify(linked)
    machine.call(run, linked.function("f0"), types, list(arguments))
    return BUDGET - run.left


def nested(depth: int, inside: Token) -> Token:
    for _ in range(depth):
        inside = Token(Kind.VECTOR, arguments=(inside,))
    return inside


def generic(code: tuple[Line, ...], types: tuple[Token, ...], parameters: int = 1) -> Module:
    """f0 has type parameters; CALL_GENERIC 0 is f1 with `types`, which does nothing."""
    module = assemble(Assembled(code), Assembled((RET,)), complete=False)
    first, second = module.function_handles
    return replace(
        module,
        function_handles=(
            replace(first, type_parameters=(Ability(0),) * parameters),
            replace(second, type_parameters=(Ability(0),) * len(types)),
        ),
        signatures=(*module.signatures, types),
        function_instances=(Instance(1, len(module.signatures)),),
    )


@pytest.mark.parametrize(("length", "part"), [(2_499, 1_250), (29_999, 99), (VECTOR_LENGTH_MAX, 5)])
def test_a_search_place_by_place_is_paid_for(length: int, part: int) -> None:
    run = execution()
    index_of(run, (), bytearray(b"a" * length), bytearray(b"a" * (part - 3) + b"baa"))
    assert BUDGET - run.left > length * part // 4_096


def test_the_slow_hash_is_paid_for_by_the_byte() -> None:
    run = execution()
    sui_keccak256(run, (), bytearray(13_600))
    assert BUDGET - run.left > 4 * 13_600


def test_a_document_that_is_none_is_paid_for_by_the_byte() -> None:
    run, length = execution(), VECTOR_LENGTH_MAX
    with pytest.raises(AbortSignal):
        load_nitro_attestation(run, (), bytearray(b"\x84\x9a" + length.to_bytes(4, "big") + bytes(length - 6)), 0)
    assert BUDGET - run.left > length


def test_putting_a_vector_where_another_was_is_paid_for_by_its_items() -> None:
    code: tuple[Line, ...] = (
        (Op.VEC_PACK, 0),
        (Op.ST_LOC, 1),
        (Op.MOVE_LOC, 0),
        (Op.MUT_BORROW_LOC, 1),
        (Op.WRITE_REF, 0),
        RET,
    )
    module = assemble(Assembled(code, parameters=(NUMBERS,), locals=(NUMBERS,)))
    short, long = call(module, arguments=([0],)), call(module, arguments=([0] * VECTOR_LENGTH_MAX,))
    assert long - short == VECTOR_LENGTH_MAX // 32


def test_whatever_the_type_is() -> None:
    run, before = execution(), [1]
    write(run, before, [0] * 3_200)
    assert (len(before), BUDGET - run.left) == (3_200, 100)
    run.left = 99
    with pytest.raises(OutOfGasSignal):
        write(run, before, [])
        write(run, before, [0] * 3_200)
    assert before == []


def test_types_that_a_call_makes_are_paid_for_by_their_nodes() -> None:
    code: tuple[Line, ...] = ((Op.CALL_GENERIC, 0), RET)
    usual = call(generic(code, (Token(Kind.TYPE_PARAMETER, 0),) * 4), (U64,))
    assert usual == 3
    many = call(generic(code, (nested(60, Token(Kind.TYPE_PARAMETER, 0)),) * 255), (U64,))
    assert many > 255 * 60


def _twice(levels: int) -> Type:
    """An empty value of it has two to the power of `levels` types."""
    all_ = Ability.COPY | Ability.DROP | Ability.STORE
    parameter = Type(Kind.TYPE_PARAMETER)

    def made(name: str, fields: tuple[Type, ...]) -> Datatype:
        one = Datatype(HOME, HOME, "hand", name, all_, (Ability(0),), (False,), False)
        one.fields = lambda: (fields,)
        return one

    left, right = made("A", (U8,)), made("B", (U8,))
    last = made("S0", (U8,))
    for level in range(1, levels + 1):
        inner = (vector(struct(last, (struct(one, (parameter,)),))) for one in (left, right))
        last = made(f"S{level}", tuple(inner))
    return struct(last, (U8,))


def test_a_type_of_too_many_types_has_no_bytes() -> None:
    assert codec.encode(_twice(5), [[], []]) == b"\0\0"
    began = time.monotonic()
    for _ in range(2):
        with pytest.raises(TypeSizeSignal):
            codec.encode(_twice(40), [[], []])
        with pytest.raises(TypeSizeSignal):
            codec.decode(_twice(40), b"\0\0")
    assert time.monotonic() - began < SECONDS


def test_how_a_type_is_laid_out_is_paid_for_each_time() -> None:
    run = execution()
    for _ in range(2):
        left = run.left
        to_bytes(run, (_twice(5),), [[], []])
        assert left - run.left > 8 * 2**5


def test_a_constant_is_made_once_however_often_code_names_it() -> None:
    code: tuple[Line, ...] = (*((Op.LD_CONST, 0), (Op.POP, 0)) * 15_000, RET)
    module = assemble(Assembled(code), Assembled(code), complete=False)
    module = replace(module, constants=(Constant(FLAGS, b"\xb2\xf1\x03" + bytes(63_666)),))
    linked = machine_of(module).world.module(HOME, "hand")
    made = [translate(linked.function(name), {}, Meter()).constants for name in ("f0", "f1")]
    assert len({id(one) for constants in made for one in constants}) == 1


def _many_types() -> Module:
    return generic((*((Op.CALL_GENERIC, 0),) * 20_000, RET), (nested(60, Token(Kind.U64)),) * 255)


def _many_locals() -> Module:
    module = assemble(*(Assembled((RET,)) for _ in range(3_000)))
    shared = replace(module, signatures=(*module.signatures[:3], (nested(60, Token(Kind.U64)),) * 200))
    functions = []
    for one in module.functions:
        assert one.code is not None
        functions.append(replace(one, code=replace(one.code, locals=3)))
    handles = tuple(replace(one, parameters=1, returns=1) for one in module.function_handles)
    return replace(shared, functions=tuple(functions), function_handles=handles)


def _many_edges() -> Module:
    """Each function gives many references to one that gives as many back, and has them all at once."""
    some = (ref(Token(Kind.U64)),) * 100
    body: tuple[Line, ...] = (
        *((Op.COPY_LOC, local) for local in range(100)),
        (Op.CALL, 0),
        *((Op.POP, 0),) * 100,
        RET,
    )
    back: tuple[Line, ...] = (*((Op.MOVE_LOC, local) for local in range(100)), RET)
    module = assemble(Assembled(back, some, some), *(Assembled(body, some) for _ in range(300)))
    handles = (
        module.function_handles[0],
        *(replace(one, parameters=1, returns=3) for one in module.function_handles[1:]),
    )
    return replace(module, function_handles=handles)


@pytest.mark.parametrize("make", [_many_types, _many_locals, _many_edges])
def test_a_package_that_takes_long_to_verify_is_refused_soon(make: Any) -> None:
    machine = machine_of(make())
    began = time.monotonic()
    with pytest.raises(MeterError):
        machine.verify(machine.world.module(HOME, "hand"))
    assert time.monotonic() - began < SECONDS


def test_what_the_compiler_makes_is_far_below_the_limit() -> None:
    package, meter = published([one.bytecode for one in built().package.modules], DAAS), Meter()
    machine = Machine(World((*framework(), package)))
    for name in package.modules:
        machine.verify(machine.world.module(DAAS, name), meter)
    assert meter.left > PACKAGE_WORK_MAX * 9 // 10

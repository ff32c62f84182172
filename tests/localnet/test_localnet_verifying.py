"""Promises: hand-made code that breaks a rule of Move is refused by the name of the rule, and its lawful twin runs."""

from __future__ import annotations

import pytest

from daas_chain.bytecode_types import Token
from daas_localnet.vm.errors import (
    AbilityError,
    BorrowError,
    ExecutionFailure,
    FailureKind,
    FlowError,
    LinkError,
    LocalError,
    OperandTypeError,
    StackError,
    Status,
)
from daas_localnet.vm.execution import Execution
from daas_localnet.vm.opcodes import Op
from daas_localnet.vm.runtime import ExtensionContext, MemoryRuntime, TransactionContext
from support.move_assembler import BOOL, COIN, HOME, NUMBERS, U64, Assembled, Line, S, mut, ref, verified


def code(text: str, **types: tuple[Token, ...]) -> Assembled:
    """Instructions by name, with an operand where they have one."""
    lines: list[Line] = []
    for one in text.split("; "):
        name, _, operand = one.partition(" ")
        lines.append((Op[name.upper()], int(operand or 0)))
    return Assembled(tuple(lines), **types)


ADD_TO = code(
    "copy_loc 0; read_ref; copy_loc 1; add; move_loc 0; write_ref; ret",
    parameters=(
        mut(U64),
        U64,
    ),
)
"""f1: adds a number to another in place."""
JOIN = code(
    "move_loc 1; unpack 1; copy_loc 0; imm_borrow_field 2; read_ref; add; move_loc 0; "
    "mut_borrow_field 2; write_ref; ret",
    parameters=(
        mut(COIN),
        COIN,
    ),
)
"""f1: puts a coin into another."""


def _execution() -> Execution:
    return Execution(ExtensionContext(MemoryRuntime(), TransactionContext(bytes(32), bytes(32))), 100_000)


def run(*functions: Assembled, arguments: tuple[object, ...] = ()) -> tuple[object, ...]:
    machine = verified(*functions)
    return machine.call(_execution(), machine.world.module(HOME, "hand").function("f0"), (), list(arguments))


BROKEN = {
    "moves a local that is borrowed": (
        code(
            "ld_u64 5; st_loc 0; mut_borrow_loc 0; st_loc 1; move_loc 0; pop; move_loc 1; read_ref; ret",
            returns=(U64,),
            locals=(
                U64,
                mut(U64),
            ),
        ),
        code(
            "ld_u64 5; st_loc 0; mut_borrow_loc 0; st_loc 1; move_loc 1; read_ref; move_loc 0; pop; ret",
            returns=(U64,),
            locals=(
                U64,
                mut(U64),
            ),
        ),
        (5,),
    ),
    "sets a local that is borrowed": (
        code(
            "ld_u64 5; st_loc 0; imm_borrow_loc 0; ld_u64 6; st_loc 0; read_ref; ret",
            returns=(U64,),
            locals=(U64,),
        ),
        code(
            "ld_u64 5; st_loc 0; imm_borrow_loc 0; read_ref; ld_u64 6; st_loc 0; ret",
            returns=(U64,),
            locals=(U64,),
        ),
        (5,),
    ),
    "copies a local that is borrowed mutably": (
        code(
            "ld_u64 5; st_loc 0; mut_borrow_loc 0; st_loc 1; copy_loc 0; ld_u64 1; move_loc 1; write_ref; ret",
            returns=(U64,),
            locals=(
                U64,
                mut(U64),
            ),
        ),
        code(
            "ld_u64 5; st_loc 0; imm_borrow_loc 0; st_loc 1; copy_loc 0; move_loc 1; read_ref; add; ret",
            returns=(U64,),
            locals=(
                U64,
                ref(U64),
            ),
        ),
        (10,),
    ),
    "writes through one of two mutable references": (
        code(
            "ld_u64 5; st_loc 0; mut_borrow_loc 0; st_loc 1; mut_borrow_loc 0; st_loc 2; ld_u64 1; "
            "move_loc 2; write_ref; move_loc 1; read_ref; ret",
            returns=(U64,),
            locals=(
                U64,
                mut(U64),
                mut(U64),
            ),
        ),
        code(
            "ld_u64 5; st_loc 0; mut_borrow_loc 0; st_loc 1; copy_loc 1; st_loc 2; ld_u64 1; move_loc 2; "
            "write_ref; move_loc 1; read_ref; ret",
            returns=(U64,),
            locals=(
                U64,
                mut(U64),
                mut(U64),
            ),
        ),
        None,
    ),
    "returns a reference to a local": (
        code(
            "ld_u64 5; st_loc 0; mut_borrow_loc 0; ret",
            returns=(mut(U64),),
            locals=(U64,),
        ),
        code(
            "move_loc 0; ret",
            parameters=(mut(U64),),
            returns=(mut(U64),),
        ),
        None,
    ),
    "changes a vector while an element is borrowed": (
        code(
            "vec_pack 0; st_loc 0; mut_borrow_loc 0; ld_u64 9; vec_push_back 0; mut_borrow_loc 0; ld_u64 0; "
            "vec_mut_borrow 0; st_loc 1; mut_borrow_loc 0; vec_pop_back 0; move_loc 1; read_ref; add; ret",
            returns=(U64,),
            locals=(
                NUMBERS,
                mut(U64),
            ),
        ),
        code(
            "vec_pack 0; st_loc 0; mut_borrow_loc 0; ld_u64 9; vec_push_back 0; mut_borrow_loc 0; ld_u64 0; "
            "vec_mut_borrow 0; st_loc 1; move_loc 1; read_ref; mut_borrow_loc 0; vec_pop_back 0; add; ret",
            returns=(U64,),
            locals=(
                NUMBERS,
                mut(U64),
            ),
        ),
        (18,),
    ),
    "gives away a mutable reference that is borrowed": (
        code(
            "ld_u64 5; st_loc 0; mut_borrow_loc 0; st_loc 1; copy_loc 1; st_loc 2; move_loc 1; ld_u64 3; "
            "call 1; move_loc 2; read_ref; ret",
            returns=(U64,),
            locals=(
                U64,
                mut(U64),
                mut(U64),
            ),
        ),
        code(
            "ld_u64 5; st_loc 0; mut_borrow_loc 0; st_loc 1; copy_loc 1; ld_u64 3; call 1; move_loc 1; read_ref; ret",
            returns=(U64,),
            locals=(
                U64,
                mut(U64),
                mut(U64),
            ),
        ),
        (8,),
    ),
    "writes a whole while a field is borrowed": (
        code(
            "ld_u64 5; vec_pack 1; st_loc 1; ld_u64 7; move_loc 1; pack 0; st_loc 0; mut_borrow_loc 0; "
            "st_loc 2; copy_loc 2; mut_borrow_field 0; st_loc 3; copy_loc 0; move_loc 2; write_ref; "
            "move_loc 3; read_ref; ret",
            returns=(U64,),
            locals=(
                S,
                NUMBERS,
                mut(S),
                mut(U64),
            ),
        ),
        code(
            "ld_u64 5; vec_pack 1; st_loc 1; ld_u64 7; move_loc 1; pack 0; st_loc 0; mut_borrow_loc 0; "
            "st_loc 2; copy_loc 2; mut_borrow_field 0; st_loc 3; move_loc 2; mut_borrow_field 1; ld_u64 4; "
            "vec_push_back 0; move_loc 3; read_ref; ret",
            returns=(U64,),
            locals=(
                S,
                NUMBERS,
                mut(S),
                mut(U64),
            ),
        ),
        (7,),
    ),
    "reads a whole while a field is borrowed mutably": (
        code(
            "ld_u64 5; vec_pack 1; st_loc 1; ld_u64 7; move_loc 1; pack 0; st_loc 0; mut_borrow_loc 0; "
            "st_loc 2; copy_loc 2; mut_borrow_field 0; st_loc 3; move_loc 2; read_ref; pop; move_loc 3; "
            "read_ref; ret",
            returns=(U64,),
            locals=(
                S,
                NUMBERS,
                mut(S),
                mut(U64),
            ),
        ),
        code(
            "ld_u64 5; vec_pack 1; st_loc 1; ld_u64 7; move_loc 1; pack 0; st_loc 0; mut_borrow_loc 0; "
            "freeze_ref; st_loc 2; copy_loc 2; imm_borrow_field 0; st_loc 3; move_loc 2; read_ref; pop; "
            "move_loc 3; read_ref; ret",
            returns=(U64,),
            locals=(
                S,
                NUMBERS,
                ref(S),
                ref(U64),
            ),
        ),
        (7,),
    ),
    "freezes what is borrowed mutably": (
        code(
            "ld_u64 5; st_loc 0; mut_borrow_loc 0; st_loc 1; copy_loc 1; st_loc 2; move_loc 1; freeze_ref; "
            "read_ref; ld_u64 1; move_loc 2; write_ref; ret",
            returns=(U64,),
            locals=(
                U64,
                mut(U64),
                mut(U64),
            ),
        ),
        code(
            "ld_u64 5; st_loc 0; mut_borrow_loc 0; st_loc 1; move_loc 1; freeze_ref; read_ref; ret",
            returns=(U64,),
            locals=(
                U64,
                mut(U64),
                mut(U64),
            ),
        ),
        (5,),
    ),
    "makes a reference in a loop that outlives a turn": (
        code(
            "ld_u64 5; st_loc 0; ld_u64 0; st_loc 2; mut_borrow_loc 2; st_loc 1; copy_loc 0; copy_loc 1; "
            "write_ref; mut_borrow_loc 0; st_loc 1; ld_true; br_true 6; ld_u64 1; ret",
            returns=(U64,),
            locals=(
                U64,
                mut(U64),
                U64,
            ),
        ),
        code(
            "ld_u64 5; st_loc 0; ld_u64 0; st_loc 2; mut_borrow_loc 2; st_loc 1; copy_loc 0; copy_loc 1; "
            "write_ref; mut_borrow_loc 2; st_loc 1; ld_false; br_true 6; move_loc 1; read_ref; ret",
            returns=(U64,),
            locals=(
                U64,
                mut(U64),
                U64,
            ),
        ),
        (5,),
    ),
}
"""What breaks a rule, its lawful twin, and what that returns (None: it is not run)."""


@pytest.mark.parametrize("name", BROKEN)
def test_a_rule_of_references_is_kept(name: str) -> None:
    broken, lawful, expected = BROKEN[name]
    with pytest.raises(BorrowError):
        verified(broken, ADD_TO)
    if expected is None:
        verified(lawful, ADD_TO)
    else:
        assert run(lawful, ADD_TO) == expected


def test_a_coin_cannot_be_put_into_itself() -> None:
    """What money could be made of: the coin that is taken apart is the one that is written to."""
    make = "ld_u64 5; pack 1; st_loc 0; mut_borrow_loc 0; "
    with pytest.raises(BorrowError):
        verified(code(make + "move_loc 0; call 1; ret", locals=(COIN,)), JOIN)
    lawful = make + "ld_u64 6; pack 1; call 1; move_loc 0; unpack 1; ret"
    assert run(code(lawful, returns=(U64,), locals=(COIN,)), JOIN) == (11,)


REFUSED: dict[str, tuple[type[LinkError], Assembled]] = {
    "copies a coin": (
        AbilityError,
        code(
            "copy_loc 0; move_loc 0; ret",
            parameters=(COIN,),
            returns=(
                COIN,
                COIN,
            ),
        ),
    ),
    "loses a coin": (
        AbilityError,
        code(
            "ret",
            parameters=(COIN,),
        ),
    ),
    "pops a coin": (
        AbilityError,
        code(
            "move_loc 0; pop; ret",
            parameters=(COIN,),
        ),
    ),
    "overwrites a coin": (
        AbilityError,
        code(
            "move_loc 1; st_loc 0; move_loc 0; ret",
            parameters=(
                COIN,
                COIN,
            ),
            returns=(COIN,),
        ),
    ),
    "overwrites a coin behind a reference": (
        AbilityError,
        code(
            "move_loc 1; move_loc 0; write_ref; ret",
            parameters=(
                mut(COIN),
                COIN,
            ),
        ),
    ),
    "reads a coin out of a reference": (
        AbilityError,
        code(
            "move_loc 0; read_ref; ret",
            parameters=(ref(COIN),),
            returns=(COIN,),
        ),
    ),
    "compares coins away": (
        AbilityError,
        code(
            "move_loc 0; move_loc 1; eq; ret",
            parameters=(
                COIN,
                COIN,
            ),
            returns=(BOOL,),
        ),
    ),
    "moves a coin twice": (
        LocalError,
        code(
            "move_loc 0; move_loc 0; ret",
            parameters=(COIN,),
            returns=(
                COIN,
                COIN,
            ),
        ),
    ),
    "reads a local that was never set": (
        LocalError,
        code(
            "copy_loc 0; ret",
            returns=(U64,),
            locals=(U64,),
        ),
    ),
    "reads a local that is set on one way": (
        LocalError,
        code(
            "copy_loc 0; br_false 4; ld_u64 1; st_loc 1; copy_loc 1; ret",
            parameters=(BOOL,),
            returns=(U64,),
            locals=(U64,),
        ),
    ),
    "adds a bool": (
        OperandTypeError,
        code(
            "ld_true; ld_false; add; ret",
            returns=(BOOL,),
        ),
    ),
    "adds two widths": (
        OperandTypeError,
        code(
            "ld_u64 1; ld_u8 1; add; ret",
            returns=(U64,),
        ),
    ),
    "takes a number for a reference": (
        OperandTypeError,
        code(
            "ld_u64 1; read_ref; ret",
            returns=(U64,),
        ),
    ),
    "takes a struct for another": (
        OperandTypeError,
        code(
            "move_loc 0; ret",
            parameters=(COIN,),
            returns=(S,),
        ),
    ),
    "writes through a frozen reference": (
        OperandTypeError,
        code(
            "ld_u64 1; move_loc 0; write_ref; ret",
            parameters=(ref(U64),),
        ),
    ),
    "returns another type": (
        OperandTypeError,
        code(
            "ld_true; ret",
            returns=(U64,),
        ),
    ),
    "takes more than there is": (
        StackError,
        code(
            "add; ret",
            returns=(U64,),
        ),
    ),
    "leaves something": (
        StackError,
        code(
            "ld_u64 1; ld_u64 1; ret",
            returns=(U64,),
        ),
    ),
    "hands something to the next block": (
        StackError,
        code(
            "ld_u64 1; branch 2; ret",
            returns=(U64,),
        ),
    ),
    "runs past its end": (
        FlowError,
        code(
            "ld_u64 1; pop",
        ),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_compiler_makes_is_refused(name: str) -> None:
    error, broken = REFUSED[name]
    with pytest.raises(error):
        verified(broken)


def test_functions_that_do_the_same_fail_each_in_its_own_place() -> None:
    failing = code("ld_u64 7; abort")
    machine = verified(failing, failing)
    for index in (0, 1, 0):
        with pytest.raises(ExecutionFailure) as raised:
            machine.call(_execution(), machine.world.module(HOME, "hand").function(f"f{index}"), (), [])
        assert raised.value.location is not None
        assert raised.value.location.function == index


def test_a_loop_ends_with_its_budget() -> None:
    with pytest.raises(ExecutionFailure) as raised:
        run(code("branch 0"))
    assert raised.value.kind is FailureKind.OUT_OF_GAS


def test_calls_end_where_the_virtual_machine_ends_them() -> None:
    with pytest.raises(ExecutionFailure) as raised:
        run(code("call 0; ret"))
    assert raised.value.status is Status.CALL_STACK_OVERFLOW
    assert raised.value.location is not None
    assert raised.value.location.offset == 0
    with pytest.raises(ExecutionFailure) as raised:
        run(code("ld_u64 1; call 0; add; ret", returns=(U64,)))
    assert raised.value.status is Status.EXECUTION_STACK_OVERFLOW


def test_a_vector_that_is_copied_for_ever_ends_with_its_budget_and_not_with_the_hosts_memory() -> None:
    copying = "ld_u64 1; vec_pack 1; st_loc 0; copy_loc 0; pop; mut_borrow_loc 0; ld_u64 2; vec_push_back 0; branch 3"
    with pytest.raises(ExecutionFailure) as raised:
        run(code(copying, locals=(NUMBERS,)))
    assert raised.value.kind is FailureKind.OUT_OF_GAS

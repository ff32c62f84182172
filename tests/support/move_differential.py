"""The same Move programs in two virtual machines: ours computes, the real one judges.

A case is a call of a function of the programs in tests/localnet/programs. Our machine runs the compiled function; what
came out of it (a value, or a failure with kind, code and module) is written into a Move test, which the real test VM
then runs. `WRONG` cases say something false on purpose and must be seen to fail there.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from daas_chain.abort import split
from daas_chain.bytecode import read_module
from daas_chain.bytecode_types import Kind
from daas_localnet.vm import codec
from daas_localnet.vm.errors import ExecutionFailure, FailureKind, Status
from daas_localnet.vm.execution import Execution
from daas_localnet.vm.machine import Machine
from daas_localnet.vm.runtime import ExtensionContext, MemoryRuntime, TransactionContext
from daas_localnet.vm.types import LEAVES, WIDTHS, Type, struct, substitute, vector
from daas_localnet.vm.world import LinkedFunction, Package
from support.move_world import address, context

PROGRAMS = Path(__file__).resolve().parents[1] / "localnet" / "programs"
MANIFEST = '[package]\nname = "diff"\nedition = "2024"\n\n[addresses]\ndiff = "0x0"\n'
DIFF = address(0)
"""Where the test VM has a package that is not published: names of types and ids of fields have it in them."""
DUMMY_DIGEST = bytes.fromhex("3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532")
"""Of the transaction that `tx_context::dummy` is in."""
NAMES = {address(1): "std", address(2): "sui", DIFF: "diff"}
UNNAMED = "unnamed"
"""An `assert!` without a code, or an `#[error]`: a test of Move cannot say which, only that it fails."""
TOGETHER = 16
"""Values compared in one test."""
INTEGERS = ("u8", "u16", "u32", "u64", "u128", "u256")
OPERATORS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "rem": "%", "or": "|", "and": "&", "xor": "^"}


@dataclass(frozen=True, slots=True)
class Case:
    """`function`: "module::name"; `types`: as Move writes them."""

    function: str
    arguments: tuple[Any, ...] = ()
    types: tuple[str, ...] = ()
    judged: str = ""
    """What the test calls instead, when its own frame makes a difference."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call ended in: the BCS of its value, or a failure as a test of Move names it."""

    value: bytes | None = None
    failure: str = ""
    module: str = ""


def sources() -> dict[str, str]:
    """The package of the programs, without tests."""
    files = {f"sources/{path.name}": path.read_text() for path in sorted(PROGRAMS.glob("*.move"))}
    return {"Move.toml": MANIFEST, "sources/numbers.move": numbers(), **files}


def numbers() -> str:
    """Each operation on each width."""
    lines = ["module diff::numbers;"]
    for one in INTEGERS:
        lines += [
            f"public fun {name}_{one}(a: {one}, b: {one}): {one} {{ a {sign} b }}" for name, sign in OPERATORS.items()
        ]
        lines += [f"public fun shl_{one}(a: {one}, b: u8): {one} {{ a << b }}"]
        lines += [f"public fun shr_{one}(a: {one}, b: u8): {one} {{ a >> b }}"]
        lines += [f"public fun {one}_to_{other}(a: {one}): {other} {{ a as {other} }}" for other in INTEGERS]
        comparisons = ", ".join(f"a {sign} b" for sign in ("<", ">", "<=", ">=", "==", "!="))
        lines += [f"public fun compare_{one}(a: {one}, b: {one}): vector<bool> {{ vector[{comparisons}] }}"]
    return "\n".join(lines) + "\n"


def number_cases() -> Iterator[Case]:
    """Edges of each width, and some numbers in between (the same in every run)."""
    some = random.Random(6)
    for name in INTEGERS:
        bits = int(name[1:])
        top = (1 << bits) - 1
        inner = [some.randrange(1 << some.randrange(1, bits + 1)) for _ in range(4)]
        pairs = [(0, 0), (top, 1), (1, top), (top, top), (top // 2 + 1, 2), (top, 0), (0, 1), (inner[0], inner[1])]
        pairs += [(inner[2], inner[3])]
        for operator in (*OPERATORS, "compare"):
            yield from (Case(f"numbers::{operator}_{name}", pair) for pair in pairs)
        for by in (0, 1, bits // 2, bits - 1, min(bits, 255), 255):
            yield Case(f"numbers::shl_{name}", (inner[0], by))
            yield Case(f"numbers::shr_{name}", (top, by))
        for other in INTEGERS:
            limit = (1 << int(other[1:])) - 1
            yield from (
                Case(f"numbers::{name}_to_{other}", (n,)) for n in {0, top, min(top, limit), min(top, limit + 1)}
            )


def run(machine: Machine, case: Case) -> Outcome:
    """The case in our machine."""
    function = _function(machine, case)
    types = _types(machine, case)
    given = iter(case.arguments)
    parameters = [substitute(one, types) for one in function.parameters]
    arguments = [context() if _is_context(one) else _value(one, next(given)) for one in parameters]
    execution = Execution(ExtensionContext(MemoryRuntime(), TransactionContext(bytes(32), DUMMY_DIGEST)))
    try:
        (found,) = machine.call(execution, function, types, arguments)
    except ExecutionFailure as failure:
        return Outcome(failure=_failure(failure), module=_module(failure))
    (returned,) = function.returns
    return Outcome(codec.encode(substitute(returned, types), found))


def _module(failure: ExecutionFailure) -> str:
    place = failure.location
    if place is None:
        raise failure
    return f"{NAMES[place.address]}::{place.module}"


def _failure(failure: ExecutionFailure) -> str:
    match failure.kind, failure.status:
        case FailureKind.MOVE_ABORT, _ if split(failure.code or 0) is not None:
            return UNNAMED
        case FailureKind.MOVE_ABORT, _:
            return f"abort_code = {failure.code}"
        case FailureKind.OUT_OF_GAS, _:
            return "out_of_gas"
        case _, Status.ARITHMETIC_ERROR:
            return "arithmetic_error"
        case _, Status.VECTOR_OPERATION_ERROR:
            return f"vector_error, minor_status = {failure.code}"
        case FailureKind.PRIMITIVE, status:
            return f"major_status = {status.value}"
    raise failure


def _function(machine: Machine, case: Case) -> LinkedFunction:
    module, name = case.function.split("::")
    return machine.world.module(DIFF, module).function(name)


def _types(machine: Machine, case: Case) -> tuple[Type, ...]:
    return tuple(_type(machine, one) for one in case.types)


def _type(machine: Machine, text: str) -> Type:
    if text.startswith("vector<"):
        return vector(_type(machine, text[len("vector<") : -1]))
    if "::" in text:
        package, module, name = text.split("::")
        home = next(one for one, known in NAMES.items() if known == package)
        return struct(machine.world.module(home, module).own_datatype(name))
    return next(one for one in LEAVES.values() if str(one) == text)


def _is_context(type_: Type) -> bool:
    return (
        type_.reference and type_.arguments[0].datatype is not None and type_.arguments[0].datatype.name == "TxContext"
    )


def _value(type_: Type, value: Any) -> Any:
    """As our machine holds it."""
    if type_.kind is Kind.VECTOR:
        if type_.arguments[0].kind is Kind.U8:
            return bytearray(value)
        return [_value(type_.arguments[0], one) for one in value]
    return value


def _literal(type_: Type, value: Any) -> str:
    """As Move writes it."""
    if type_.kind in WIDTHS:
        return f"{value}{type_}"
    match type_.kind:
        case Kind.BOOL:
            return "true" if value else "false"
        case Kind.ADDRESS:
            return f"@0x{value.hex()}"
        case Kind.VECTOR:
            if type_.arguments[0].kind is Kind.U8:
                return f'x"{bytes(value).hex()}"'
            return f"vector<{type_.arguments[0]}>[{', '.join(_literal(type_.arguments[0], one) for one in value)}]"
    raise AssertionError(f"no literal of {type_}")


def _call(machine: Machine, case: Case) -> tuple[str, bool]:
    """The call in Move, and whether it needs a transaction's context."""
    function = _function(machine, case)
    given = iter(case.arguments)
    needs = any(_is_context(one) for one in function.parameters)
    types_ = _types(machine, case)
    parameters = [substitute(one, types_) for one in function.parameters]
    listed = ", ".join("ctx" if _is_context(one) else _literal(one, next(given)) for one in parameters)
    types = f"<{', '.join(case.types)}>" if case.types else ""
    module, name = (case.judged or case.function).split("::")
    return f"diff::{module}::{name}{types}({listed})", needs


def tests(machine: Machine, outcomes: Mapping[Case, Outcome]) -> tuple[str, int, set[str]]:
    """A Move module of tests that says these outcomes, how many tests it has, and the names of those that must fail."""
    lines = ["#[test_only]", "module diff::judge;", "", "use std::bcs;", ""]
    plain: list[str] = []
    count = 0
    for case, outcome in outcomes.items():
        call, needs = _call(machine, case)
        if outcome.value is not None and not needs:
            plain.append(f'    assert!(bcs::to_bytes(&{call}) == x"{outcome.value.hex()}", {len(plain)});')
        else:
            count += 1
            lines += _alone(f"case_{count}", call, outcome)
    for start in range(0, len(plain), TOGETHER):
        count += 1
        lines += ["#[test]", f"fun values_{start}() {{", *plain[start : start + TOGETHER], "}", ""]
    wrong = list(_wrong(machine, outcomes))
    for number, (call, outcome) in enumerate(wrong):
        lines += _alone(f"wrong_{number}", call, outcome)
    return "\n".join(lines), count + len(wrong), {f"wrong_{number}" for number in range(len(wrong))}


def _alone(name: str, call: str, outcome: Outcome) -> list[str]:
    head = f"#[test, expected_failure({outcome.failure}, location = {outcome.module})]"
    if outcome.value is not None:
        head = "#[test]"
    elif outcome.failure == UNNAMED:
        head = "#[test, expected_failure]"
    body = (
        f'assert!(bcs::to_bytes(&{call}) == x"{outcome.value.hex()}", 0);' if outcome.value is not None else f"{call};"
    )
    made = [head, f"fun {name}() {{"]
    if "ctx" in call:
        made.append("    let ctx = &mut sui::tx_context::dummy();")
    return [*made, f"    {body}", "}", ""]


def _wrong(machine: Machine, outcomes: Mapping[Case, Outcome]) -> Iterator[tuple[str, Outcome]]:
    """Of each kind of outcome, what is not so."""

    def some(wanted: str) -> tuple[str, Outcome]:
        case, found = next(
            (case, one)
            for case, one in outcomes.items()
            if one.failure.startswith(wanted) and (one.value is None) == bool(wanted)
        )
        return _call(machine, case)[0], found

    call, right = some("")
    assert right.value is not None
    yield call, replace(right, value=right.value[:-1] + bytes((right.value[-1] ^ 1,)))
    yield call, Outcome(failure="arithmetic_error", module="diff::numbers")
    call, right = some("abort_code")
    yield call, replace(right, failure="abort_code = 123456")
    yield call, replace(right, module="diff::numbers")
    call, right = some("arithmetic_error")
    yield call, replace(right, module="diff::shapes")
    yield call, replace(right, failure="vector_error, minor_status = 1")
    call, right = some("vector_error, minor_status = 1")
    yield call, replace(right, failure="vector_error, minor_status = 2")


def outcomes(machine: Machine, cases: Iterable[Case]) -> dict[Case, Outcome]:
    return {case: run(machine, case) for case in cases}


def package(modules: Iterable[bytes]) -> Package:
    """The programs as they are, at address zero."""
    read = [read_module(one) for one in modules]
    return Package(DIFF, DIFF, 1, {one.name: one for one in read})

"""Abort codes are told apart, and what the Move VM itself aborts with decodes to the constant of the source."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daas_chain import artifacts
from daas_chain.abort import MoveAbort, decode_abort, errors_of, split
from daas_chain.bytecode_code import decode
from daas_chain.bytecode_cursor import Cursor
from daas_chain.bytecode_types import Constant, Kind, Module, Token
from daas_cli import move_tool
from daas_cli.move_compiler import Bundled
from daas_cli.move_sources import read
from daas_cli.output import Progress
from support.move_package import ONE, build_package, write_package

TESTS = """#[test_only]
module daas::one_tests;

#[test]
fun too_much() { daas::one::twice(101); }

#[test]
fun zero() { daas::one::twice(0); }
"""
RENDERED = re.compile(r"sources/one\.move:(\d+):.*?aborted with error constant '(\w+)'", re.DOTALL)
"""The test runner decodes codes too, and shows name and line."""


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Module:
    built = artifacts.load(build_package(tmp_path_factory.mktemp("move")))
    return next(one.module for one in built.package.modules if one.name == "one")


def line_of(text: str) -> int:
    return ONE[: ONE.index(text)].count("\n") + 1


def loaded_numbers(module: Module) -> set[int]:
    """Every u64 that the module's functions load."""
    bodies = [function.code for function in module.functions if function.code is not None]
    return {
        instruction.operand
        for code in bodies
        for instruction in decode(Cursor(code.instructions, 0, len(code.instructions)), code.count)
        if instruction.opcode == 0x06
    }


@pytest.mark.e2e
def test_codes_decode_to_the_name_message_and_line_that_the_move_vm_shows(one: Module, tmp_path: Path) -> None:
    aborts = [abort for abort in (decode_abort(one, code) for code in loaded_numbers(one)) if abort.line]
    assert {(abort.name, abort.message, abort.line) for abort in aborts} == {
        ("ETooMuch", "The amount is above the limit: give less", line_of("assert!(amount <= LIMIT")),
        ("EZero", "The amount is zero", line_of("assert!(amount > 0")),
        (None, None, line_of("assert!(number);")),
    }
    files = read(write_package(tmp_path, one_tests=TESTS, two_tests=""), tests=True).selected([])
    output = Bundled(move_tool.pinned()).test(files, Progress(quiet=True)).output
    shown = {(name, int(line)) for line, name in RENDERED.findall(output)}
    assert shown == {(abort.name, abort.line) for abort in aborts if abort.name}


def test_errors_are_listed_once_by_name(one: Module) -> None:
    assert [(error.name, error.message) for error in errors_of(one)] == [
        ("ETooMuch", "The amount is above the limit: give less"),
        ("EZero", "The amount is zero"),
    ]
    assert str(errors_of(one)[1]) == f"one:{line_of('assert!(amount > 0')}: EZero: The amount is zero"


def test_a_code_of_the_older_form_has_no_error_code() -> None:
    new, old = split(0xC007_0014_0002_0003), split(0x8007_0014_0002_0003)
    assert new is not None
    assert old is not None
    assert (new.error_code, new.line, new.name_constant, new.message_constant) == (7, 20, 2, 3)
    assert (old.error_code, old.line, old.name_constant, old.message_constant) == (None, 20, 2, 3)


def test_absent_fields_and_plain_numbers(one: Module) -> None:
    bits = split(0xC0FF_FFFF_FFFF_FFFF)
    assert bits is not None
    assert (bits.error_code, bits.line, bits.name_constant, bits.message_constant) == (None, None, None, None)
    assert split(0) is None
    assert split(0x4000_0014_0002_0003) is None
    assert split(1 << 64 | 0xC000_0014_0002_0003) is None
    assert str(decode_abort(one, 3)) == "one: abort 3"
    assert str(decode_abort(one, 0xC0FF_0014_FFFF_FFFF)) == f"one:20: abort {0xC0FF_0014_FFFF_FFFF}"


@given(code=st.integers(0, 2**64 - 1))
def test_no_code_raises(one: Module, code: int) -> None:
    assert decode_abort(one, code | 0xC << 60).module == "one"
    assert isinstance(decode_abort(one, code), MoveAbort)


@pytest.mark.parametrize("data", [b"", b"\2a", b"\1ab", b"\xff\xff\xff\xff\xff"])
def test_a_constant_that_is_no_byte_string_names_nothing(one: Module, data: bytes) -> None:
    text = Token(Kind.VECTOR, arguments=(Token(Kind.U8),))
    module = dataclasses.replace(one, constants=(Constant(text, data), Constant(Token(Kind.U64), bytes(8))))
    assert decode_abort(module, 0xC0FF_0014_0000_0000).name is None
    assert decode_abort(module, 0xC0FF_0014_0001_0001).name is None
    assert decode_abort(module, 0xC0FF_0014_0002_0002).name is None

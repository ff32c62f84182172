"""The bytecode reader agrees with the sources of every module it can be given here, and refuses everything else."""

from __future__ import annotations

import contextlib
import json
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daas_chain import artifacts, bytecode_errors
from daas_chain.bytecode import MODULE_BYTES_MAX, read_module
from daas_chain.bytecode_code import NUMBER_BYTES, OPERANDS, Operand, decode
from daas_chain.bytecode_cursor import Cursor
from daas_chain.bytecode_errors import BytecodeError
from daas_chain.bytecode_types import Ability, Module, Visibility
from daas_cli import move_tool
from support.move_package import build_package

SLOW_SECONDS = 2.0
"""A module of 8 KB is read in milliseconds; this leaves room for a loaded machine."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> artifacts.Artifacts:
    return artifacts.load(build_package(tmp_path_factory.mktemp("move")))


@pytest.fixture(scope="module")
def one() -> bytes:
    """Golden bytes, so that the attacks run where no compiler does."""
    vectors = json.loads((Path(__file__).resolve().parents[1] / "vectors/move_modules.json").read_text())["vectors"]
    return next(bytes.fromhex(vector["bytes"]) for vector in vectors if vector["name"] == "one")


def modules(built: artifacts.Artifacts) -> dict[tuple[str, str], Module]:
    found = {("std", one.name): one.module for one in built.framework("0x1").modules}
    return found | {("sui", one.name): one.module for one in built.framework("0x2").modules}


# An independent account of the sources: comments, string literals, macros and what only tests see taken out.
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
ITEM = re.compile(
    r"(?P<attributes>(?:#\[[^\]]*\]\s*)*)"
    r"(?P<public>public\s*(?P<scope>\([a-z]+\))?\s+)?(?P<entry>entry\s+)?(?P<native>native\s+)?(?P<macro>macro\s+)?"
    r"(?<!use )\b(?P<kind>fun|struct|enum)\s+(?P<name>\w+)(?P<rest>[^;{]*)"
)


def declared(text: str) -> dict[str, list[re.Match[str]]]:
    found: dict[str, list[re.Match[str]]] = {"fun": [], "struct": [], "enum": []}
    for match in ITEM.finditer(text):
        if not re.search(r"\btest", match["attributes"]) and not match["macro"] and "spec" not in match["attributes"]:
            found[match["kind"]].append(match)
    return found


def sources() -> dict[tuple[str, str], dict[str, list[re.Match[str]]]]:
    found = {}
    for path in sorted(move_tool.pinned().framework.rglob("*.move")):
        text = COMMENT.sub("", path.read_text())
        for tests, package, name in re.findall(r"^(#\[test_only\]\s*)?module (\w+)::(\w+)", text, re.MULTILINE):
            if not tests:
                found[package, name] = declared(text)
    return found


@pytest.mark.e2e
def test_every_function_of_the_frameworks_sources_is_read_with_its_visibility(built: artifacts.Artifacts) -> None:
    known, expected = modules(built), sources()
    assert set(known) == set(expected)
    checked = 0
    for name, module in known.items():
        read = {}
        for definition in module.functions:
            handle = module.function_handles[definition.handle]
            read[module.identifiers[handle.name]] = (definition.visibility, definition.entry, definition.code is None)
        wanted = {}
        for item in expected[name]["fun"]:
            scope = Visibility.FRIEND if item["scope"] else Visibility.PUBLIC if item["public"] else Visibility.PRIVATE
            wanted[item["name"]] = (scope, bool(item["entry"]), bool(item["native"]))
        assert read == wanted, name
        checked += len(wanted)
    assert checked > 900


@pytest.mark.e2e
def test_every_struct_and_enum_of_the_frameworks_sources_is_read_with_its_abilities(built: artifacts.Artifacts) -> None:
    known, expected = modules(built), sources()
    checked = 0
    for name, module in known.items():
        read = {
            module.identifiers[module.datatype_handles[one.handle].name]: (
                "struct" if one in module.structs else "enum",
                set(module.datatype_handles[one.handle].abilities.names()),
                len(module.datatype_handles[one.handle].parameters),
            )
            for one in module.datatypes
        }
        wanted = {}
        for kind in ("struct", "enum"):
            for item in expected[name][kind]:
                generics, _, after = re.sub(r"^\s*<([^>]*)>", r"\1\0", item["rest"]).rpartition("\0")
                has = re.search(r"\bhas\s+([\w, \n]+)", after)
                abilities = set(re.findall(r"copy|drop|store|key", has[1])) if has else set()
                wanted[item["name"]] = (kind, abilities, len([part for part in generics.split(",") if part.strip()]))
        assert read == wanted, name
        checked += len(wanted)
    assert checked > 130


def test_every_use_of_another_module_finds_what_it_names_there(built: artifacts.Artifacts) -> None:
    known = {(module.address, module.name): module for module in modules(built).values()}
    known |= {(one.module.address, one.name): one.module for one in built.package.modules}
    for module in known.values():
        for handle in module.function_handles:
            where = module.module_handles[handle.module]
            owner = known[module.addresses[where.address], module.identifiers[where.name]]
            own = next(
                one
                for one in owner.function_handles
                if one.module == owner.self_handle and owner.identifiers[one.name] == module.identifiers[handle.name]
            )
            assert own.type_parameters == handle.type_parameters
            assert len(owner.signatures[own.parameters]) == len(module.signatures[handle.parameters])


def test_fields_variants_constants_and_code_are_as_in_the_source(one: bytes) -> None:
    module = read_module(one)
    (purse,) = module.structs
    assert [module.identifiers[field.name] for field in purse.fields or ()] == ["id", "funds", "shapes", "more"]
    head = module.datatype_handles[purse.handle]
    assert [(parameter.abilities, parameter.phantom) for parameter in head.parameters] == [
        (Ability(0), True),
        (Ability.STORE, False),
    ]
    (shape,) = module.enums
    assert [(module.identifiers[variant.name], len(variant.fields)) for variant in shape.variants] == [
        ("Dot", 0),
        ("Circle", 1),
        ("Box", 2),
    ]
    functions = {
        module.identifiers[module.function_handles[function.handle].name]: function for function in module.functions
    }
    area = functions["area"].code
    assert area is not None
    assert len(area.jump_tables) == 1
    assert len(area.jump_tables[0].offsets) == 3
    body = list(decode(Cursor(area.instructions, 0, len(area.instructions)), area.count))
    assert sum(OPERANDS[instruction.opcode] is Operand.JUMP_TABLE for instruction in body) == 1
    assert b"\x28The amount is above the limit: give less" in [constant.data for constant in module.constants]


def test_every_truncation_is_refused_and_so_are_more_bytes(one: bytes) -> None:
    for length in range(len(one)):
        with pytest.raises(BytecodeError):
            read_module(one[:length])
    with pytest.raises(bytecode_errors.TrailingBytesError):
        read_module(one + b"\0")


def test_a_flipped_byte_is_read_or_refused_by_name_and_never_takes_long(one: bytes) -> None:
    began = time.monotonic()
    outcomes = set()
    for position in range(len(one)):
        for flip in (0x01, 0x80, 0xFF):
            changed = bytearray(one)
            changed[position] ^= flip
            try:
                read_module(bytes(changed))
            except BytecodeError as problem:
                outcomes.add(type(problem))
    assert time.monotonic() - began < SLOW_SECONDS * 20
    assert len(outcomes) >= 10, outcomes


@given(st.data())
def test_bytes_of_a_module_overwritten_anywhere_raise_nothing_else(one: bytes, data: st.DataObject) -> None:
    changed = bytearray(one)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(one) - 1))
        changed[at : at + 1] = data.draw(st.binary(max_size=3))
    with contextlib.suppress(BytecodeError):
        read_module(bytes(changed))


@given(st.binary(max_size=300))
def test_arbitrary_bytes_behind_a_header_raise_nothing_else(data: bytes) -> None:
    with pytest.raises(BytecodeError):
        read_module(bytes.fromhex("a11ceb0b07000005") + data)


def table(kind: int, offset: int, size: int) -> bytes:
    return bytes((kind, offset, size))


def module_of(*tables: tuple[int, bytes], self_handle: bytes = b"\0") -> bytes:
    """A module of these tables, one after another."""
    head, body = b"", b""
    for kind, content in tables:
        head += table(kind, len(body), len(content))
        body += content
    return bytes.fromhex("a11ceb0b07000005") + bytes((len(tables),)) + head + body + self_handle


SELF = (0x1, b"\0\0")
NAME = (0x7, b"\1m")
ADDRESS = (0x8, bytes(32))
NOTHING = (0x5, b"\0")
HANDLE = (0x3, b"\0\0\0\0\0")


def body(code: bytes, count: int, tail: bytes = b"\0") -> bytes:
    return module_of(SELF, HANDLE, NOTHING, NAME, ADDRESS, (0xC, b"\0\1\0\0\0" + bytes((count,)) + code + tail))


def test_the_smallest_modules_are_read() -> None:
    assert read_module(module_of(SELF, NAME, ADDRESS)).name == "m"
    assert read_module(body(b"\x02", 1)).functions[0].visibility is Visibility.PUBLIC


CASES = [
    ("ModuleSizeError", bytes(MODULE_BYTES_MAX + 1)),
    ("MagicError", b"\xa1\x1c\xeb\x0c\7\0\0\5"),
    ("VersionError", bytes.fromhex("a11ceb0b06000000")),
    ("VersionError", bytes.fromhex("a11ceb0b07000004")),
    ("TruncatedError", bytes.fromhex("a11ceb0b07000005")),
    ("TruncatedError", module_of(SELF, (0x7, b"\2m"), ADDRESS)),
    ("TruncatedError", module_of(SELF, NAME, (0x8, bytes(31)))),
    ("UlebError", module_of((0x1, b"\x80\0\0"), NAME, ADDRESS)),
    ("UlebError", module_of((0x1, b"\xff\xff\xff\xff\x7f\0"), NAME, ADDRESS)),
    ("UlebError", module_of((0x1, b"\xff\xff\xff\xff\xff\1\0"), NAME, ADDRESS)),
    ("UlebError", module_of(SELF, (0x7, b"\x81\1" + b"m" * 129), ADDRESS)),
    ("TableError", module_of((0x9, b"\0"), SELF, NAME, ADDRESS)),
    ("TableError", module_of((0x15, b"\0"), SELF, NAME, ADDRESS)),
    ("TableError", module_of(SELF, SELF, NAME, ADDRESS)),
    ("TableError", module_of((0x3, b""), SELF, NAME, ADDRESS)),
    ("TableError", bytes.fromhex("a11ceb0b07000005") + b"\1" + table(1, 1, 2) + bytes(4)),
    ("TableError", bytes.fromhex("a11ceb0b07000005") + b"\1" + table(1, 0, 9) + bytes(4)),
    ("TrailingBytesError", module_of(SELF, NAME, ADDRESS, self_handle=b"\0\0")),
    ("IdentifierError", module_of(SELF, (0x7, b"\1-"), ADDRESS)),
    ("IdentifierError", module_of(SELF, (0x7, b"\2\xc3\xa4"), ADDRESS)),
    ("IdentifierError", module_of(SELF, (0x7, b"\1_"), ADDRESS)),
    ("IdentifierError", module_of(SELF, (0x7, b"\2m\n"), ADDRESS)),
    ("IdentifierError", module_of(SELF, (0x7, b"\0"), ADDRESS)),
    ("TypeTokenError", module_of(SELF, (0x5, b"\1\x10"), NAME, ADDRESS)),
    ("TypeTokenError", module_of(SELF, (0x5, b"\1" + b"\x0a" * 64 + b"\2"), NAME, ADDRESS)),
    ("TypeTokenError", module_of(SELF, (0x5, b"\1\6\6\2"), NAME, ADDRESS)),
    ("TypeTokenError", module_of(SELF, (0x2, b"\0\0\0\0"), (0x5, b"\1\x0b\0\1\2"), NAME, ADDRESS)),
    ("TypeTokenError", module_of(SELF, (0x2, b"\0\0\0\0"), (0x5, b"\1\x0b\0\0"), NAME, ADDRESS)),
    ("TypeTokenError", module_of(SELF, (0x2, b"\0\0\0\1\0\0"), (0x5, b"\1\x08\0"), NAME, ADDRESS)),
    ("TypeTokenError", module_of(SELF, (0x2, b"\0\0\0\0"), NAME, ADDRESS, (0xA, b"\0\2\1\0\6\2"))),
    ("FlagError", module_of(SELF, (0x2, b"\0\0\x10\0"), NAME, ADDRESS)),
    ("FlagError", module_of(SELF, (0x2, b"\0\0\0\1\0\2"), NAME, ADDRESS)),
    ("FlagError", module_of(SELF, (0x2, b"\0\0\0\0"), NAME, ADDRESS, (0xA, b"\0\3\0"))),
    ("FlagError", module_of(SELF, (0x2, b"\0\0\0\0"), NAME, ADDRESS, (0x11, b"\0\1\0"))),
    ("FlagError", module_of(SELF, HANDLE, NOTHING, NAME, ADDRESS, (0xC, b"\0\2\0\0\0\1\2\0"))),
    ("FlagError", module_of(SELF, HANDLE, NOTHING, NAME, ADDRESS, (0xC, b"\0\1\1\0\0\1\2\0"))),
    ("FlagError", module_of(SELF, HANDLE, NOTHING, NAME, ADDRESS, (0xC, b"\0\1\0\1\0\0\1\2\0"))),
    ("DanglingIndexError", module_of(SELF, NAME, ADDRESS, self_handle=b"\1")),
    ("DanglingIndexError", module_of((0x1, b"\1\0"), NAME, ADDRESS)),
    ("DanglingIndexError", module_of((0x1, b"\0\1"), NAME, ADDRESS)),
    ("DanglingIndexError", module_of(SELF, (0x5, b"\1\x08\0"), NAME, ADDRESS)),
    ("DanglingIndexError", module_of(SELF, HANDLE, NAME, ADDRESS)),
    ("DanglingIndexError", module_of(SELF, (0x4, b"\0\0"), NOTHING, NAME, ADDRESS)),
    ("DanglingIndexError", module_of(SELF, NAME, ADDRESS, (0xD, b"\0\0"))),
    ("DanglingIndexError", module_of(SELF, NAME, ADDRESS, (0x13, b"\0\0"))),
    ("DanglingIndexError", module_of(SELF, NAME, ADDRESS, (0x14, b"\0\0"))),
    ("DanglingIndexError", body(b"\x05\1", 1)),
    ("DanglingIndexError", body(b"\x0a\0", 1)),
    ("DanglingIndexError", body(b"\x07\0", 1)),
    ("DanglingIndexError", body(b"\x11\1", 1)),
    ("DanglingIndexError", body(b"\x56\0", 1)),
    ("DanglingIndexError", body(b"\x02", 1, b"\1\0\0\1")),
    ("OpcodeError", body(b"\x00", 1)),
    ("OpcodeError", body(b"\x29\0", 1)),
    ("OpcodeError", body(b"\x57", 1)),
    ("TruncatedError", body(b"\x06\0\0\0\0\0\0", 1)),
    ("TruncatedError", body(b"\x02\x02", 9, b"")),
    ("DuplicateError", module_of(SELF, (0x7, b"\1m\1m"), ADDRESS)),
    ("DuplicateError", module_of((0x1, b"\0\0\0\0"), NAME, ADDRESS)),
    ("DuplicateError", module_of(SELF, NAME, (0x8, bytes(64)))),
    ("DuplicateError", module_of(SELF, (0x2, b"\0\0\0\0"), NAME, ADDRESS, (0xA, b"\0\2\0\0\2\0"))),
    ("DuplicateError", module_of(SELF, (0x2, b"\0\0\0\0"), NAME, ADDRESS, (0xA, b"\0\2\2\0\2\0\2"))),
    ("DuplicateError", module_of(SELF, (0x2, b"\0\0\0\0"), NAME, ADDRESS, (0x11, b"\0\2\2\0\0\0\0"))),
    ("OwnerError", module_of((0x1, b"\0\0\0\1"), (0x2, b"\1\0\0\0"), (0x7, b"\1m\1n"), ADDRESS, (0xA, b"\0\2\0"))),
]


@pytest.mark.parametrize(("name", "data"), CASES, ids=[f"{index}-{name}" for index, (name, _) in enumerate(CASES)])
def test_each_check_has_its_own_error(name: str, data: bytes) -> None:
    with pytest.raises(getattr(bytecode_errors, name)) as caught:
        read_module(data)
    assert type(caught.value).__name__ == name
    assert caught.value.expected != caught.value.actual


def test_every_error_class_is_shown_by_a_case() -> None:
    classes = {
        name
        for name, value in vars(bytecode_errors).items()
        if isinstance(value, type) and issubclass(value, BytecodeError) and value is not BytecodeError
    }
    assert classes == {name for name, _ in CASES}
    checks = [getattr(bytecode_errors, name).check for name in classes]
    assert len(set(checks)) == len(checks)


def test_the_longest_modules_take_a_bounded_time() -> None:
    many = b"\1\2" * 50_000
    branches = b"\x05\0" * 40_000
    count = bytes((0x80 | (40_000 & 0x7F), 0x80 | (40_000 >> 7 & 0x7F), 40_000 >> 14))
    for data in (long_module(0x5, many), long_module(0xC, b"\0\1\0\0\0" + count + branches + b"\0")):
        began = time.monotonic()
        with contextlib.suppress(BytecodeError):
            read_module(data)
        assert time.monotonic() - began < SLOW_SECONDS


def long_module(kind: int, content: bytes) -> bytes:
    def uleb(value: int) -> bytes:
        return bytes((value & 0x7F | 0x80, value >> 7 & 0x7F | 0x80, value >> 14))

    return bytes.fromhex("a11ceb0b07000005") + b"\1" + bytes((kind, 0)) + uleb(len(content)) + content + b"\0"


def test_every_instruction_has_one_operand_kind() -> None:
    assert set(range(0x01, 0x57)) - set(OPERANDS) == {*range(0x29, 0x2E), *range(0x3B, 0x40)}
    assert set(NUMBER_BYTES) == {opcode for opcode, operand in OPERANDS.items() if operand is Operand.NUMBER}

"""Promises: values and their bytes are one to one, pure arguments are only what may come from bytes, packages run
against the versions they are linked to."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daas_chain.bytecode_types import Kind
from daas_localnet.vm import codec, pure
from daas_localnet.vm.errors import LinkError, MismatchError, MissingError, Signal
from daas_localnet.vm.execution import Execution
from daas_localnet.vm.library import Library
from daas_localnet.vm.natives.keccak import keccak256
from daas_localnet.vm.publishing import with_address
from daas_localnet.vm.runtime import ExtensionContext, MemoryRuntime, TransactionContext
from daas_localnet.vm.tags import original_name, type_tag
from daas_localnet.vm.type_tags import parse_type, read_type
from daas_localnet.vm.types import LEAVES, U8, U64, WIDTHS, Type, struct, vector
from daas_localnet.vm.world import Package
from daas_protocol.bcs import BcsError
from support.move_assembler import HOME, Assembled, Op, assemble
from support.move_assembler import U64 as NUMBER
from support.move_mutants import value
from support.move_world import DAAS, address, built, machine


def datatypes() -> list[Type]:
    """Every datatype of the contract, generic ones with numbers."""
    found = []
    for name, module in machine().world.packages[DAAS].modules.items():
        linked = machine().world.module(DAAS, name)
        for one in module.datatypes:
            datatype = linked.own_datatype(module.identifiers[module.datatype_handles[one.handle].name])
            found.append(struct(datatype, (U64,) * len(datatype.constraints)))
    return found


def test_every_datatype_of_the_contract_has_values_and_bytes_one_to_one() -> None:
    some = random.Random(3)
    types = datatypes()
    assert len(types) > 60
    for type_ in types:
        for _ in range(3):
            made = value(type_, (), some)
            data = codec.encode(type_, made)
            assert codec.decode(type_, data) == made
            with pytest.raises(BcsError):
                codec.decode(type_, data + b"\x00")
            with pytest.raises(BcsError):
                codec.decode(type_, data[:-1])


@given(st.binary(max_size=60), st.integers(0, 200))
def test_any_bytes_decode_to_what_encodes_to_them_or_not_at_all(data: bytes, which: int) -> None:
    types = datatypes()
    type_ = types[which % len(types)]
    try:
        found = codec.decode(type_, data)
    except BcsError:
        return
    assert codec.encode(type_, found) == data


@pytest.mark.parametrize("kind", WIDTHS)
def test_integers_have_their_width(kind: Kind) -> None:
    bits = WIDTHS[kind]
    for number in (0, 1, (1 << bits) - 1):
        assert codec.encode(LEAVES[kind], number) == number.to_bytes(bits // 8, "little")
    with pytest.raises(BcsError):
        codec.decode(LEAVES[kind], bytes(bits // 8 + 1))


def test_a_long_vector_is_not_believed() -> None:
    for type_ in (vector(U64), vector(U8), vector(vector(U8))):
        with pytest.raises(BcsError):
            codec.decode(type_, b"\xff\xff\xff\xff\x0f")


def test_types_that_are_too_deep_are_not_made() -> None:
    type_ = U8
    with pytest.raises(Signal):
        for _ in range(100):
            type_ = vector(type_)


def option(of: Type) -> Type:
    return struct(machine().world.module(address(1), "option").own_datatype("Option"), (of,))


def text(module: str) -> Type:
    return struct(machine().world.module(address(1), module).own_datatype("String"))


def test_pure_arguments_are_what_bytes_may_make() -> None:
    id_ = struct(machine().world.module(address(2), "object").own_datatype("ID"))
    coin = struct(machine().world.module(address(2), "balance").own_datatype("Balance"), (U64,))
    assert pure.decode_pure(option(vector(text("string"))), b"\x01\x01\x02hi") == [[[[bytearray(b"hi")]]]]
    assert pure.decode_pure(id_, bytes(32)) == [bytes(32)]
    wrong: list[tuple[Type, bytes]] = [
        (coin, bytes(8)),
        (vector(coin), b"\x00"),
        (option(coin), b"\x00"),
        (LEAVES[Kind.SIGNER], bytes(32)),
        (text("string"), b"\x01\xff"),
        (text("ascii"), b"\x02\xc3\xa9"),
        (vector(text("ascii")), b"\x01\x01\x80"),
        (option(U8), b"\x02\x01\x01"),
        (vector(U8), b"\x80\x80\x01" + bytes(16_384)),
    ]
    for type_, data in wrong:
        with pytest.raises(BcsError):
            pure.decode_pure(type_, data)


def test_keccak_is_the_old_padding() -> None:
    known = {
        b"": "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470",
        b"abc": "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45",
    }
    for data, digest in known.items():
        assert keccak256(data).hex() == digest


def test_types_have_the_tags_and_names_of_the_chain() -> None:
    sui = struct(machine().world.module(address(2), "sui").own_datatype("SUI"))
    coin = struct(machine().world.module(address(2), "coin").own_datatype("Coin"), (sui,))
    assert type_tag(vector(coin)) == (
        b"\x06\x07" + address(2) + b"\x04coin\x04Coin\x01\x07" + address(2) + b"\x03sui\x03SUI\x00"
    )
    assert original_name(coin) == f"{2:064x}::coin::Coin<{2:064x}::sui::SUI>"


def test_types_are_read_back_from_tags_and_text_and_nothing_else_is() -> None:
    world = machine().world

    def original(stored: bytes) -> bytes:
        return stored

    texts = [
        "u8",
        "vector<vector<address>>",
        "0x2::coin::Coin<0x2::sui::SUI>",
        "0x2::table::Table<u64, vector<0x1::option::Option<bool>>>",
        f"0x{DAAS.hex()}::enclave::Enclave",
    ]
    for written in texts:
        type_ = parse_type(written, world, original)
        assert read_type(type_tag(type_), world, original) == type_
        assert parse_type(str(type_), world, original) == type_
        for end in range(len(type_tag(type_))):
            with pytest.raises(BcsError):
                read_type(type_tag(type_)[:end], world, original)
    wrong = [
        "",
        "u9",
        "vector",
        "vector<u8",
        "0x2::coin::Coin",
        "0x2::coin::Coin<u8,u8>",
        "0x2::coin::None",
        "0x77::a::B",
    ]
    wrong += [
        "0x2::coin::Coin<0x2::sui::SUI>>",
        "0x2::table::Table<0x2::sui::SUI, u8>",
        "&u8",
        "vector<" * 70 + "u8" + ">" * 70,
        "u8" * 3_000,
    ]
    for written in wrong:
        with pytest.raises(LinkError):
            parse_type(written, world, original)
    with pytest.raises(BcsError):
        read_type(b"\x06" * 70 + b"\x01", world, original)
    with pytest.raises(BcsError):
        read_type(b"\x0b", world, original)


def test_a_module_gets_its_packages_address_and_nothing_else_changes() -> None:
    for one in built().package.modules:
        moved, module = with_address(one.bytecode, DAAS)
        assert module.address == DAAS
        assert moved.replace(DAAS, bytes(32)) == one.bytecode
        with pytest.raises(MismatchError):
            with_address(moved, DAAS)


def giving(number: int) -> Assembled:
    return Assembled(((Op.LD_U64, number), (Op.RET, 0)), returns=(NUMBER,))


def answer(library: Library, storage_id: bytes) -> Any:
    found = library.machine(library.linkage(storage_id))
    function = found.world.module(HOME, "hand").function("f0")
    run = Execution(ExtensionContext(MemoryRuntime(), TransactionContext(bytes(32), bytes(32))))
    return found.call(run, function, (), [])


def test_a_package_runs_against_the_version_it_is_linked_to() -> None:
    upgraded = address(0xB0B)
    modules = [{"hand": assemble(giving(number))} for number in (1, 2)]
    origins = {("hand", "S"): HOME, ("hand", "Coin"): upgraded}
    library = Library()
    library.add(Package(HOME, HOME, 1, modules[0]))
    library.add(Package(upgraded, HOME, 2, modules[1], {}, origins))
    assert (answer(library, HOME), answer(library, upgraded)) == ((1,), (2,))
    old, new = (library.machine(library.linkage(one)).world.module(HOME, "hand") for one in (HOME, upgraded))
    assert struct(old.own_datatype("S")) == struct(new.own_datatype("S"))
    assert new.own_datatype("S").defining == HOME
    assert new.own_datatype("Coin").defining == upgraded
    assert library.machine(library.linkage(HOME)) is library.machine({HOME: HOME})
    with pytest.raises(MissingError):
        library.machine({HOME: address(5)})
    with pytest.raises(MismatchError):
        library.machine({address(9): HOME})
    with pytest.raises(MismatchError):
        library.add(Package(HOME, HOME, 1, modules[1]))


def test_a_missing_dependency_is_a_failure_and_no_crash() -> None:
    module = built().package.modules[0]
    package = Package(DAAS, DAAS, 1, {module.name: with_address(module.bytecode, DAAS)[1]})
    library = Library()
    library.add(package)
    found = library.machine(library.linkage(DAAS))
    linked = found.world.module(DAAS, module.name)
    with pytest.raises(MissingError):
        found.verify(linked)

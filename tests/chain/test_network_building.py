"""Transactions that the builder gives are within limits, name each object once, and say what was asked for."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daas_chain.sui import builder as build
from daas_chain.sui import transaction as tx
from daas_chain.sui.builder import CLOCK_ID, GAS, Builder, Resolved, Use
from daas_chain.sui.signatures import FunctionSignature, Passing, passing_of, signatures
from daas_chain.sui.types import (
    AddressOwner,
    ConsensusAddressOwner,
    ImmutableOwner,
    ObjectOwner,
    ObjectRef,
    Owner,
    SharedOwner,
)
from support.move_world import built

ALICE, BOB, PACKAGE = b"\xa1" * 32, b"\xb0" * 32, b"\x0f" * 32
ONE, TWO = b"\x01" * 32, b"\x02" * 32


def resolved(object_id: bytes, owner: Owner) -> dict[bytes, Resolved]:
    return {object_id: Resolved(ObjectRef(object_id, 7, bytes(32)), owner)}


def call(commands: Builder, *arguments: Any, signature: Sequence[Passing] | None = None) -> tx.Result:
    wanted = None if signature is None else FunctionSignature("m", "f", tuple(signature))
    return commands.call(PACKAGE, "m", "f", arguments, signature=wanted)


def finished(commands: Builder, owner: Owner = AddressOwner(ALICE)) -> tx.Programmable:
    found: dict[bytes, Resolved] = {}
    for object_id in commands.unresolved:
        found |= resolved(object_id, owner)
    return commands.finish(found, ALICE)


def test_equal_inputs_are_one_input() -> None:
    commands = Builder()
    call(commands, b"\x01", b"\x01", Use(ONE, Passing.READ), b"\x02", Use(ONE, Passing.READ))
    commands.transfer([commands.object(ONE, Passing.CONSUME)], ALICE)
    commands.transfer([GAS], ALICE)
    made = finished(commands)
    assert len(made.inputs) == 4
    assert made.commands[0] == tx.MoveCall(
        PACKAGE, "m", "f", (), tuple(tx.InputArgument(index) for index in (0, 0, 1, 2, 1))
    )


@pytest.mark.parametrize("passings", list(itertools.permutations([Passing.READ, Passing.MUTATE, Passing.CONSUME], 2)))
def test_the_widest_access_decides(passings: tuple[Passing, Passing]) -> None:
    commands = Builder()
    for passing in passings:
        call(commands, Use(ONE, passing))
    made = finished(commands, SharedOwner(3))
    assert made.inputs == (tx.ObjectInput(tx.SharedInput(ONE, 3, tx.Mutability.MUTABLE)),)


def test_a_shared_object_that_is_only_read_is_immutable() -> None:
    commands = Builder()
    call(commands, Use(ONE), commands.clock(), signature=[Passing.READ, Passing.READ])
    assert commands.unresolved == (ONE,)
    assert finished(commands, SharedOwner(3)).inputs == (
        tx.ObjectInput(tx.SharedInput(CLOCK_ID, 1, tx.Mutability.IMMUTABLE)),
        tx.ObjectInput(tx.SharedInput(ONE, 3, tx.Mutability.IMMUTABLE)),
    )


OWNERS: list[tuple[Owner, Passing, Any]] = [
    (AddressOwner(ALICE), Passing.CONSUME, tx.OwnedInput),
    (AddressOwner(ALICE), Passing.READ, tx.OwnedInput),
    (AddressOwner(BOB), Passing.READ, build.OwnerError),
    (AddressOwner(BOB), Passing.RECEIVING, tx.ReceivingInput),
    (ImmutableOwner(), Passing.READ, tx.OwnedInput),
    (ImmutableOwner(), Passing.MUTATE, build.OwnerError),
    (ImmutableOwner(), Passing.RECEIVING, build.OwnerError),
    (ObjectOwner(BOB), Passing.READ, build.OwnerError),
    (ConsensusAddressOwner(4, ALICE), Passing.MUTATE, tx.SharedInput),
    (ConsensusAddressOwner(4, BOB), Passing.MUTATE, build.OwnerError),
    (SharedOwner(4), Passing.CONSUME, tx.SharedInput),
]


@pytest.mark.parametrize(("owner", "passing", "expected"), OWNERS)
def test_who_owns_an_object_decides_how_it_is_named(owner: Owner, passing: Passing, expected: Any) -> None:
    commands = Builder()
    commands.object(ONE, passing)
    if issubclass(expected, build.BuilderError):
        with pytest.raises(expected, match=f"0x{ONE.hex()}"):
            finished(commands, owner)
        return
    item = finished(commands, owner).inputs[0]
    assert isinstance(item, tx.ObjectInput)
    assert isinstance(item.argument, expected)


def test_what_was_not_looked_up_is_refused() -> None:
    commands = Builder()
    commands.object(ONE, Passing.READ)
    for found in ({}, {ONE: Resolved(ObjectRef(TWO, 1, bytes(32)), AddressOwner(ALICE))}):
        with pytest.raises(build.UnresolvedError):
            commands.finish(found, ALICE)


def test_wrong_arguments_are_refused_before_anything_is_sent() -> None:
    with pytest.raises(build.ArityError):
        call(Builder(), b"", signature=[])
    with pytest.raises(build.PassingError):
        call(Builder(), b"", signature=[Passing.MUTATE])
    with pytest.raises(build.PassingError):
        call(Builder(), Use(ONE), signature=[Passing.PURE])
    with pytest.raises(build.PassingError):
        call(Builder(), Use(ONE))
    commands = Builder()
    commands.object(ONE, Passing.RECEIVING)
    with pytest.raises(build.PassingError):
        commands.object(ONE, Passing.READ)


def test_limits_are_the_protocols() -> None:
    Builder().pure(bytes(16_384))
    with pytest.raises(build.LimitError, match="16384"):
        Builder().pure(bytes(16_385))
    commands = Builder()
    for _ in range(1_024):
        call(commands)
    with pytest.raises(build.LimitError, match="1024"):
        call(commands)
    with pytest.raises(build.LimitError, match="512"):
        call(Builder(), *[b""] * 513)
    with pytest.raises(build.LimitError, match="16"):
        Builder().call(PACKAGE, "m", "f", [], types=[build.TypeTag] * 17)  # type: ignore[list-item]
    many = Builder()
    for number in range(2_049):
        many.pure(number.to_bytes(2, "little"))
    with pytest.raises(build.LimitError, match="2048"):
        finished(many)
    large = Builder()
    for number in range(9):
        large.pure(bytes([number]) * 16_000)
    with pytest.raises(build.LimitError, match="131072"):
        build.encode(finished(large), ALICE, tx.GasData((), ALICE, 1, 1))
    coins = tuple(ObjectRef(bytes([1, number // 256, number % 256]) + bytes(29), 1, bytes(32)) for number in range(257))
    with pytest.raises(build.LimitError, match="256"):
        build.encode(finished(Builder()), ALICE, tx.GasData(coins, ALICE, 1, 1))


@pytest.mark.parametrize("passing", [Passing.CONSUME, Passing.RECEIVING])
def test_a_coin_that_pays_is_no_input(passing: Passing) -> None:
    commands = Builder()
    commands.object(ONE, passing)
    gas = tx.GasData((ObjectRef(ONE, 7, bytes(32)),), ALICE, 1, 1)
    with pytest.raises(build.GasAsInputError):
        build.encode(finished(commands), ALICE, gas)


def test_every_command_is_read_back_as_written() -> None:
    commands = Builder()
    ticket = call(commands, b"\x01", b"\x02", b"digest")
    receipt = commands.upgrade([b"code"], [bytes(31) + b"\x01"], PACKAGE, ticket)
    call(commands, receipt)
    capability = commands.publish([b"a", b"b"], [])
    coins = commands.split(GAS, [5, 6])
    commands.merge(coins[0], [coins[1]])
    commands.transfer([commands.vector(None, [coins[0]]), capability], BOB)
    made = finished(commands)
    data = build.encode(made, ALICE, tx.GasData((), BOB, 2, 3), tx.ExpiresAfterEpoch(9))
    assert tx.TRANSACTION_DATA.decode(data) == tx.TransactionData(
        made, ALICE, tx.GasData((), BOB, 2, 3), tx.ExpiresAfterEpoch(9)
    )
    assert [type(one).__name__ for one in made.commands] == [
        "MoveCall", "Upgrade", "MoveCall", "Publish", "SplitCoins", "MergeCoins", "MakeMoveVec", "TransferObjects",
    ]  # fmt: skip
    assert coins == (tx.NestedResult(4, 0), tx.NestedResult(4, 1))
    assert commands.split_from_gas == 11


USES = st.tuples(st.integers(0, 3), st.sampled_from([Passing.READ, Passing.MUTATE, Passing.CONSUME]))


@given(st.lists(USES, max_size=12))
def test_arguments_lead_to_the_objects_that_were_meant(uses: list[tuple[int, Passing]]) -> None:
    commands = Builder()
    for number, passing in uses:
        call(commands, Use(bytes([number + 1]) * 32, passing), bytes([number]))
    made = finished(commands, SharedOwner(1))
    assert len(made.inputs) == 2 * len({number for number, _ in uses})
    for command, (number, passing) in zip(made.commands, uses, strict=True):
        assert isinstance(command, tx.MoveCall)
        first, second = command.arguments
        assert isinstance(first, tx.InputArgument)
        assert isinstance(second, tx.InputArgument)
        item = made.inputs[first.index]
        assert isinstance(item, tx.ObjectInput)
        assert isinstance(item.argument, tx.SharedInput)
        assert item.argument.object_id == bytes([number + 1]) * 32
        assert (item.argument.mutability is tx.Mutability.MUTABLE) >= (passing is not Passing.READ)
        assert made.inputs[second.index] == tx.Pure(bytes([number]))


PARAMETERS = {
    "u64": Passing.PURE,
    "&0x1::string::String": Passing.PURE,
    "&vector<u8>": Passing.PURE,
    "vector<vector<u8>>": Passing.PURE,
    "0x1::option::Option<address>": Passing.PURE,
    "0x2::object::ID": Passing.PURE,
    "&daas::cluster::Cluster": Passing.READ,
    "&mut daas::cluster::Cluster": Passing.MUTATE,
    "daas::cluster::Cluster": Passing.CONSUME,
    "vector<daas::command::Command>": Passing.CONSUME,
    "0x2::transfer::Receiving<0x2::coin::Coin<0x2::sui::SUI>>": Passing.RECEIVING,
    "&mut 0x2::coin::Coin<0x2::sui::SUI>": Passing.MUTATE,
    "u64x": Passing.CONSUME,
}


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_a_parameters_type_says_how_it_is_passed(parameter: str) -> None:
    assert passing_of(parameter) is PARAMETERS[parameter]


def test_signatures_leave_the_context_out() -> None:
    found = signatures(built().interface())
    assert found["stake", "deposit_requester"].parameters == (Passing.MUTATE, Passing.READ, Passing.CONSUME)
    assert found["access", "surrender"].parameters == (Passing.MUTATE, Passing.CONSUME)
    assert found["merkle", "verify_inclusion"].parameters == (Passing.PURE,) * 5

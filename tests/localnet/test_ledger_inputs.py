"""Attacks: what a transaction must not name is refused by name, before it runs, and nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from daas_chain.sui import transaction as tx
from daas_chain.sui.objects import SUI as SUI_TYPE
from daas_chain.sui.system_transaction import EndOfEpochTransaction
from daas_chain.sui.types import ObjectRef, Primitive, StructTag, VectorTag
from daas_localnet.ledger import errors
from daas_localnet.ledger.genesis import CLOCK
from support.ledger_world import ALICE, BOB, SUI, LedgerWorld, balance, u64
from support.move_world import address

GAS_COIN = StructTag(SUI, "coin", "Coin", (SUI_TYPE,))
Change = Callable[[LedgerWorld, tx.TransactionData], tx.TransactionData]


@pytest.fixture(scope="module")
def world() -> LedgerWorld:
    """Nothing that is refused changes it."""
    return LedgerWorld()


def base(world: LedgerWorld) -> tx.TransactionData:
    """Inputs: a coin of ALICE, the clock, a number."""
    block = world.block()
    block.object(world.coins(ALICE)[-1].object_id)
    block.clock()
    block.split(tx.GasCoin(), 5)
    block.transfer(BOB, tx.NestedResult(0, 0))
    return world.data(block, ALICE)


def with_input(index: int, one: tx.Input) -> Change:
    def change(_: LedgerWorld, data: tx.TransactionData) -> tx.TransactionData:
        assert isinstance(data.kind, tx.Programmable)
        inputs = (*data.kind.inputs[:index], one, *data.kind.inputs[index + 1 :])
        return replace(data, kind=replace(data.kind, inputs=inputs))

    return change


def with_owned(make: Callable[[LedgerWorld, ObjectRef], ObjectRef]) -> Change:
    def change(world: LedgerWorld, data: tx.TransactionData) -> tx.TransactionData:
        assert isinstance(data.kind, tx.Programmable)
        held = data.kind.inputs[0]
        assert isinstance(held, tx.ObjectInput)
        assert isinstance(held.argument, tx.OwnedInput)
        return with_input(0, tx.ObjectInput(tx.OwnedInput(make(world, held.argument.reference))))(world, data)

    return change


def with_commands(*commands: tx.Command) -> Change:
    def change(_: LedgerWorld, data: tx.TransactionData) -> tx.TransactionData:
        assert isinstance(data.kind, tx.Programmable)
        return replace(data, kind=replace(data.kind, commands=commands))

    return change


def with_gas(**values: Any) -> Change:
    return lambda _, data: replace(data, gas=replace(data.gas, **values))


def with_payment(make: Callable[[LedgerWorld, ObjectRef], tuple[ObjectRef, ...]]) -> Change:
    return lambda world, data: with_gas(payment=make(world, data.gas.payment[0]))(world, data)


def shared(object_id: bytes, version: int, how: tx.Mutability = tx.Mutability.IMMUTABLE) -> tx.ObjectInput:
    return tx.ObjectInput(tx.SharedInput(object_id, version, how))


def call(package: bytes, types: tuple[Any, ...] = (), arguments: int = 0) -> tx.MoveCall:
    return tx.MoveCall(package, "m", "f", types, (tx.GasCoin(),) * arguments)


def nested(depth: int) -> Any:
    return Primitive.U8 if depth == 1 else VectorTag(nested(depth - 1))


COIN_ID = b"\xc0" * 32


def _refusals() -> Iterator[tuple[str, type[errors.InputError], str, Change]]:
    yield "kind", errors.KindError, "kind", lambda _, data: replace(data, kind=EndOfEpochTransaction(()))
    yield "gone", errors.MissingObjectError, "input 0", with_owned(lambda _, ref: replace(ref, object_id=COIN_ID))
    yield (
        "old version",
        errors.VersionError,
        "input 0",
        with_owned(lambda _, ref: replace(ref, version=ref.version - 1)),
    )
    yield (
        "new version",
        errors.VersionError,
        "input 0",
        with_owned(lambda _, ref: replace(ref, version=ref.version + 1)),
    )
    yield "digest", errors.DigestError, "input 0", with_owned(lambda _, ref: replace(ref, digest=bytes(32)))
    yield "another's", errors.OwnerError, "input 0", with_owned(lambda world, _: world.coins(BOB)[0].reference)
    yield (
        "shared as owned",
        errors.OwnerKindError,
        "input 1",
        lambda world, data: with_input(1, tx.ObjectInput(tx.OwnedInput(world.get(CLOCK).reference)))(world, data),
    )
    yield "package as object", errors.PackageError, "input 0", with_owned(lambda world, _: world.get(SUI).reference)
    yield "initial version", errors.InitialVersionError, "input 1", with_input(1, shared(CLOCK, 2))
    yield "shared gone", errors.MissingObjectError, "input 1", with_input(1, shared(COIN_ID, 1))
    yield "clock to write", errors.MutabilityError, "input 1", with_input(1, shared(CLOCK, 1, tx.Mutability.MUTABLE))
    yield (
        "not exclusive",
        errors.UnsupportedError,
        "input 1",
        with_input(1, shared(CLOCK, 1, tx.Mutability.NON_EXCLUSIVE_WRITE)),
    )
    yield (
        "owned as shared",
        errors.OwnerKindError,
        "input 1",
        lambda world, data: with_input(1, shared(world.coins(ALICE)[-2].object_id, 2))(world, data),
    )
    yield (
        "shared as received",
        errors.OwnerKindError,
        "input 1",
        lambda world, data: with_input(1, tx.ObjectInput(tx.ReceivingInput(world.get(CLOCK).reference)))(world, data),
    )
    yield (
        "received version",
        errors.VersionError,
        "input 1",
        lambda world, data: with_input(
            1, tx.ObjectInput(tx.ReceivingInput(replace(world.coins(BOB)[0].reference, version=1)))
        )(world, data),
    )
    withdrawal = tx.FundsWithdrawal(tx.Reservation(1), tx.BalanceWithdrawal(SUI_TYPE), tx.FromSender())
    yield "withdrawal", errors.UnsupportedError, "input 1", with_input(1, withdrawal)
    yield "an object twice", errors.DuplicateError, "inputs and gas", with_input(2, shared(CLOCK, 1))
    yield "gas twice", errors.DuplicateError, "inputs and gas", with_payment(lambda _, one: (one, one))
    yield (
        "gas as input",
        errors.DuplicateError,
        "inputs and gas",
        lambda world, data: with_owned(lambda *_: data.gas.payment[0])(world, data),
    )
    yield "no gas", errors.GasCoinError, "gas payment", with_gas(payment=())
    yield (
        "gas gone",
        errors.MissingObjectError,
        "gas payment",
        with_payment(lambda _, one: (replace(one, object_id=COIN_ID),)),
    )
    yield "gas version", errors.VersionError, "gas payment", with_payment(lambda _, one: (replace(one, version=9),))
    yield (
        "gas of another",
        errors.OwnerError,
        "gas payment",
        with_payment(lambda world, _: (world.coins(BOB)[0].reference,)),
    )
    yield "gas owner", errors.OwnerError, "gas payment", with_gas(owner=BOB)
    yield (
        "gas is a package",
        errors.PackageError,
        "gas payment",
        with_payment(lambda world, _: (world.get(SUI).reference,)),
    )
    yield "cheap", errors.GasPriceError, "gas price", with_gas(price=999)
    yield "dear", errors.GasPriceError, "gas price", with_gas(price=50_000_000_001)
    yield "small budget", errors.GasBudgetError, "gas budget", with_gas(budget=999_999)
    yield "big budget", errors.GasBudgetError, "gas budget", with_gas(budget=50_000_000_000_001)
    yield "poor", errors.GasBalanceError, "gas payment", with_gas(budget=100 * 10**9 + 1)
    many = tuple(ObjectRef(address(n), 1, bytes(32)) for n in range(1_000, 1_257))
    yield "gas coins", errors.LimitError, "gas coins", with_gas(payment=many)
    yield "no commands", errors.LimitError, "commands", with_commands()
    yield "commands", errors.LimitError, "commands", with_commands(*[call(SUI)] * 1_025)
    yield "arguments", errors.LimitError, "arguments of command 0", with_commands(call(SUI, arguments=513))
    yield "types", errors.LimitError, "type arguments of command 0", with_commands(call(SUI, (Primitive.U8,) * 17))
    yield "deep", errors.LimitError, "depth of a type in command 0", with_commands(call(SUI, (nested(17),)))
    yield (
        "nothing to send",
        errors.LimitError,
        "arguments of command 0",
        with_commands(tx.TransferObjects((), tx.GasCoin())),
    )
    yield (
        "nothing to split",
        errors.LimitError,
        "arguments of command 0",
        with_commands(tx.SplitCoins(tx.GasCoin(), ())),
    )
    yield (
        "nothing to merge",
        errors.LimitError,
        "arguments of command 0",
        with_commands(tx.MergeCoins(tx.GasCoin(), ())),
    )
    yield "untyped vector", errors.LimitError, "arguments of command 0", with_commands(tx.MakeMoveVec(None, ()))
    yield "no modules", errors.LimitError, "arguments of command 0", with_commands(tx.Publish((), ()))
    yield "modules", errors.LimitError, "modules of command 0", with_commands(tx.Publish((b"",) * 65, ()))
    yield "dependencies", errors.LimitError, "dependencies of command 0", with_commands(tx.Publish((b"",), (SUI,) * 33))
    yield "long argument", errors.LimitError, "bytes of input 2", with_input(2, tx.Pure(bytes(16_385)))
    yield "long transaction", errors.LimitError, "transaction bytes", with_commands(tx.Publish((bytes(131_000),), ()))
    yield "no package", errors.MissingObjectError, "commands", with_commands(call(COIN_ID))
    yield "object as package", errors.PackageError, "commands", with_commands(call(CLOCK))
    yield (
        "no package of a type",
        errors.MissingObjectError,
        "commands",
        with_commands(tx.MakeMoveVec(StructTag(COIN_ID, "m", "T"), ())),
    )
    yield "no dependency", errors.MissingObjectError, "commands", with_commands(tx.Publish((b"",), (COIN_ID,)))
    limited = tx.ValidDuring(None, None, None, None, bytes(32), 1)
    yield "expiration", errors.UnsupportedError, "expiration", lambda _, data: replace(data, expiration=limited)
    other = tx.ValidDuring(0, 0, None, None, bytes([1] * 32), 1)
    yield "another chain", errors.ChainError, "expiration", lambda _, data: replace(data, expiration=other)


REFUSALS = tuple(_refusals())


@pytest.mark.parametrize(
    ("expected", "place", "change"), [one[1:] for one in REFUSALS], ids=[one[0] for one in REFUSALS]
)
def test_is_refused_by_name(world: LedgerWorld, expected: type[errors.InputError], place: str, change: Change) -> None:
    before = {one.object_id: one for one in world.store}
    with pytest.raises(errors.InputError) as raised:
        world.ledger.execute(change(world, base(world)))
    assert (type(raised.value), raised.value.place) == (expected, place)
    assert str(raised.value).startswith(expected.check)
    assert {one.object_id: one for one in world.store} == before


def test_what_they_are_made_from_is_accepted_and_every_class_is_seen(world: LedgerWorld) -> None:
    assert world.ledger.simulate(base(world)).succeeded
    classes = {
        one
        for one in vars(errors).values()
        if isinstance(one, type) and issubclass(one, errors.InputError) and one is not errors.InputError
    }
    assert classes - {one[1] for one in REFUSALS} == {errors.ExpiredError}
    assert len({one.check for one in classes}) == len(classes)


def test_a_transaction_expires_with_its_last_epoch() -> None:
    world = LedgerWorld()
    data = replace(base(world), expiration=tx.ExpiresAfterEpoch(3))
    world.ledger.epoch = replace(world.ledger.epoch, number=3)
    assert world.ledger.simulate(data).effects.executed_epoch == 3
    world.ledger.epoch = replace(world.ledger.epoch, number=4)
    with pytest.raises(errors.ExpiredError):
        world.ledger.execute(data)


def test_only_coins_of_sui_pay_for_gas() -> None:
    """A dynamic field or an object of another type is none, even of the same size."""
    world = LedgerWorld()
    block = world.block()
    made = block.call(SUI, "coin::into_balance", *block.split(tx.GasCoin(), 0), types=(SUI_TYPE,))
    block.call(SUI, "balance::destroy_zero", made, types=(SUI_TYPE,))
    bag = block.call(SUI, "bag::new")
    block.transfer(ALICE, bag)
    outcome = world.run(block)
    assert outcome.succeeded, outcome.reason
    other = world.get(world.created(outcome, "Bag"))
    data = world.data(world.block(), ALICE)
    data = replace(base(world), gas=replace(data.gas, payment=(other.reference,)))
    with pytest.raises(errors.GasCoinError) as raised:
        world.ledger.execute(data)
    assert raised.value.actual == other.type


def test_a_sponsor_pays_with_its_own_coins() -> None:
    world = LedgerWorld()
    block = world.block()
    mine = world.coins(ALICE)[-1]
    block.transfer(BOB, *block.split(block.object(mine.object_id), 5))
    coin = world.coins(BOB)[0]
    outcome = world.run(block, ALICE, owner=BOB, coins=[coin])
    assert outcome.succeeded, outcome.reason
    used = outcome.effects.gas_used
    assert balance(world.get(coin.object_id)) == balance(coin) - used.computation - used.storage + used.storage_rebate
    assert balance(world.get(mine.object_id)) == balance(mine) - 5


def test_an_old_transaction_cannot_be_executed_again() -> None:
    world = LedgerWorld()
    block = world.block()
    block.transfer(BOB, *block.split(tx.GasCoin(), 5))
    data = world.data(block, ALICE)
    assert world.ledger.execute(data).succeeded
    with pytest.raises(errors.VersionError):
        world.ledger.execute(data)


def test_simulating_changes_nothing_and_says_what_executing_will_do() -> None:
    world = LedgerWorld()
    block = world.block()
    block.transfer(BOB, *block.split(tx.GasCoin(), 5))
    data = world.data(block, ALICE)
    before = {one.object_id: one for one in world.store}
    simulated = world.ledger.simulate(data)
    assert {one.object_id: one for one in world.store} == before
    assert world.ledger.execute(data) == replace(simulated, outputs=())
    assert u64(5) in {one.move.contents[32:] for one in world.coins(BOB) if one.move}

"""Promises: wrapped, unwrapped, owned by an object, deleted: effects tell which, and versions follow."""

from __future__ import annotations

from typing import Any

import pytest

from daas_chain.sui import transaction as tx
from daas_chain.sui.digests import dynamic_field_id
from daas_chain.sui.effects import (
    EFFECTS,
    Existed,
    IdOperation,
    MutateStreamEnded,
    NotExist,
    ObjectChange,
    ObjectWrite,
    ReadStreamEnded,
)
from daas_chain.sui.objects import SUI as SUI_TYPE
from daas_chain.sui.status import Failure, FailureKind
from daas_chain.sui.types import AddressOwner, ObjectOwner, Primitive, SharedOwner, StructTag
from daas_localnet.ledger import changes, settle
from daas_localnet.ledger.errors import CommandFailure, InitialVersionError
from daas_localnet.ledger.store import Batch
from support.ledger_world import ALICE, BOB, SUI, Block, LedgerWorld, balance, u64

GAS_COIN = StructTag(SUI, "coin", "Coin", (SUI_TYPE,))
BAG_TYPES = (Primitive.U64, GAS_COIN)


class Bags(LedgerWorld):
    """ALICE has a bag (wraps what is in it) and an object bag (owns what is in it)."""

    def __init__(self) -> None:
        super().__init__()
        block = self.block()
        block.transfer(ALICE, block.call(SUI, "bag::new"), block.call(SUI, "object_bag::new"))
        outcome = self.run(block)
        assert outcome.succeeded, outcome.reason
        self.bag, self.object_bag = self.created(outcome, "Bag"), self.created(outcome, "ObjectBag")
        self.coin = self.coins(ALICE)[-1].object_id

    def put(self, name: str, bag: bytes, key: int = 1) -> Any:
        block = self.block()
        block.call(
            SUI, f"{name}::add", block.object(bag), block.pure(u64(key)), block.object(self.coin), types=BAG_TYPES
        )
        return self.run(block)

    def remove(self, name: str, bag: bytes, recipient: bytes, key: int = 1) -> Any:
        block = self.block()
        coin = block.call(SUI, f"{name}::remove", block.object(bag), block.pure(u64(key)), types=BAG_TYPES)
        block.transfer(recipient, coin)
        return self.run(block)


@pytest.fixture
def world() -> Bags:
    return Bags()


def test_a_wrapped_object_is_no_object_until_it_is_unwrapped(world: Bags) -> None:
    before = world.get(world.coin)
    outcome = world.put("bag", world.bag)
    assert outcome.succeeded, outcome.reason
    field = dynamic_field_id(world.bag, Primitive.U64, u64(1))
    changes = dict(outcome.effects.changed_objects)
    assert world.store.get(world.coin) is None
    assert changes[world.coin] == ObjectChange(
        Existed(before.version, before.digest, before.owner), NotExist(), IdOperation.NONE
    )
    assert changes[field] == ObjectChange(
        NotExist(), ObjectWrite(world.get(field).digest, ObjectOwner(world.bag)), IdOperation.CREATED
    )
    assert str(world.get(field).type).startswith("0x2::dynamic_field::Field<u64, 0x2::coin::Coin<")

    outcome = world.remove("bag", world.bag, BOB)
    assert outcome.succeeded, outcome.reason
    changes = dict(outcome.effects.changed_objects)
    after = world.get(world.coin)
    assert changes[world.coin] == ObjectChange(
        NotExist(), ObjectWrite(after.digest, AddressOwner(BOB)), IdOperation.NONE
    )
    assert after.version == outcome.effects.lamport_version > before.version
    assert balance(after) == balance(before)
    assert world.store.get(field) is None
    assert changes[field].id_operation is IdOperation.DELETED


def test_an_object_owned_by_an_object_keeps_its_id_and_cannot_be_an_input(world: Bags) -> None:
    outcome = world.put("object_bag", world.object_bag)
    assert outcome.succeeded, outcome.reason
    found = world.get(world.coin)
    wrapper = StructTag(SUI, "dynamic_object_field", "Wrapper", (Primitive.U64,))
    field = dynamic_field_id(world.object_bag, wrapper, u64(1))
    assert found.owner == ObjectOwner(field)
    assert world.get(field).owner == ObjectOwner(world.object_bag)
    assert found.version == outcome.effects.lamport_version

    # A lent child is written when it changes, and only then.
    block = world.block()
    block.call(
        SUI, "object_bag::contains_with_type", block.object(world.object_bag), block.pure(u64(1)), types=BAG_TYPES
    )
    outcome = world.run(block)
    assert outcome.succeeded, outcome.reason
    assert world.coin not in dict(outcome.effects.changed_objects)
    outcome = world.remove("object_bag", world.object_bag, ALICE)
    assert outcome.succeeded, outcome.reason
    change = dict(outcome.effects.changed_objects)[world.coin]
    assert change.before == Existed(found.version, found.digest, found.owner)
    assert world.get(world.coin).owner == AddressOwner(ALICE)


def test_a_field_that_is_put_back_is_changed_and_not_created(world: Bags) -> None:
    assert world.put("bag", world.bag).succeeded
    field = dynamic_field_id(world.bag, Primitive.U64, u64(1))
    before = world.get(field)
    block = world.block()
    bag = block.object(world.bag)
    coin = block.call(SUI, "bag::remove", bag, block.pure(u64(1)), types=BAG_TYPES)
    block.command(tx.SplitCoins(coin, (block.pure(u64(3)),)))
    block.call(SUI, "bag::add", bag, block.pure(u64(1)), coin, types=BAG_TYPES)
    block.transfer(BOB, tx.NestedResult(1, 0))
    outcome = world.run(block)
    assert outcome.succeeded, outcome.reason
    change = dict(outcome.effects.changed_objects)[field]
    assert change.before == Existed(before.version, before.digest, before.owner)
    assert change.id_operation is IdOperation.NONE
    assert world.coin not in dict(outcome.effects.changed_objects)


def test_aborts_of_the_framework_leave_all_as_it_was(world: Bags) -> None:
    assert world.put("bag", world.bag).succeeded
    before = {one.object_id: one.value.data for one in world.store if one.move is not None}
    for outcome in (world.remove("bag", world.bag, BOB, key=2), world.remove("object_bag", world.object_bag, BOB)):
        assert isinstance(outcome.effects.status, Failure)
        assert outcome.effects.status.kind is FailureKind.MOVE_ABORT
        assert outcome.effects.status.detail[0].module == "dynamic_field"
    block = world.block()
    block.call(SUI, "bag::destroy_empty", block.object(world.bag))
    assert not world.run(block).succeeded
    assert {one.object_id for one in world.store if one.move is not None} == set(before)


def test_an_emptied_bag_is_deleted_and_its_deposit_returned(world: Bags) -> None:
    block = world.block()
    block.call(SUI, "bag::destroy_empty", block.object(world.bag))
    rebate = world.get(world.bag).value.storage_rebate
    outcome = world.run(block)
    assert outcome.succeeded
    change = dict(outcome.effects.changed_objects)[world.bag]
    assert (change.after, change.id_operation) == (NotExist(), IdOperation.DELETED)
    assert outcome.effects.gas_used.storage_rebate > rebate * 99 // 100
    assert world.store.get(world.bag) is None


def shared_bag(world: Bags) -> tuple[bytes, int]:
    block = world.block()
    bag = StructTag(SUI, "bag", "Bag")
    block.call(SUI, "transfer::public_share_object", block.call(SUI, "bag::new"), types=(bag,))
    outcome = world.run(block)
    assert outcome.succeeded, outcome.reason
    found = next(one for one in outcome.batch.written if isinstance(one.owner, SharedOwner))
    return found.object_id, outcome.effects.lamport_version


def test_a_shared_object_stays_shared_or_is_deleted(world: Bags) -> None:
    bag, initial = shared_bag(world)
    assert world.get(bag).owner == SharedOwner(initial)

    def attempt(build: Any, *, mutable: bool = True) -> Any:
        block = world.block()
        build(block, block.object(bag, mutable=mutable))
        return world.run(block, BOB)

    def send(block: Block, one: tx.Argument) -> None:
        block.transfer(BOB, one)

    def freeze(block: Block, one: tx.Argument) -> None:
        block.call(SUI, "transfer::public_freeze_object", one, types=(StructTag(SUI, "bag", "Bag"),))

    def add(block: Block, one: tx.Argument) -> None:
        coin = block.split(tx.GasCoin(), 5)[0]
        block.call(SUI, "bag::add", one, block.pure(u64(1)), coin, types=BAG_TYPES)

    def share(block: Block, one: tx.Argument) -> None:
        block.call(SUI, "transfer::public_share_object", one, types=(StructTag(SUI, "bag", "Bag"),))

    def destroy(block: Block, one: tx.Argument) -> None:
        block.call(SUI, "bag::destroy_empty", one)

    for build in (send, freeze):
        outcome = attempt(build)
        assert isinstance(outcome.effects.status, Failure)
        assert outcome.effects.status.kind is FailureKind.SHARED_OBJECT_OPERATION_NOT_ALLOWED
        assert world.get(bag).owner == SharedOwner(initial)
    outcome = attempt(add, mutable=False)
    assert isinstance(outcome.effects.status, Failure)
    assert outcome.effects.status.kind is FailureKind.COMMAND_ARGUMENT_ERROR
    assert attempt(share).succeeded
    assert world.get(bag).owner == SharedOwner(initial)
    end = attempt(destroy)
    assert end.succeeded
    assert world.store.get(bag) is None

    # Who did not know yet pays for the attempt, and the effects say why. A coin that was named too moves on.
    coin = world.coins(BOB)[-1]
    for mutable, kind in ((True, MutateStreamEnded), (False, ReadStreamEnded)):
        block = world.block()
        how = tx.Mutability.MUTABLE if mutable else tx.Mutability.IMMUTABLE
        named = block.add(tx.ObjectInput(tx.SharedInput(bag, initial, how)))
        block.call(SUI, "bag::length", named)
        block.call(SUI, "coin::value", block.object(coin.object_id), types=(SUI_TYPE,))
        late = world.run(block, BOB)
        assert late.effects.status == Failure((FailureKind.INPUT_OBJECT_DELETED, None), None)
        assert late.effects.unchanged_consensus == ((bag, kind(end.effects.lamport_version)),)
        assert late.effects.lamport_version > end.effects.lamport_version
        assert end.effects.transaction_digest in late.effects.dependencies
        assert world.get(coin.object_id).version == late.effects.lamport_version
        assert world.get(coin.object_id).owner == AddressOwner(BOB)
    block = world.block()
    block.call(SUI, "bag::length", block.add(tx.ObjectInput(tx.SharedInput(bag, initial + 1, tx.Mutability.MUTABLE))))
    with pytest.raises(InitialVersionError):
        world.run(block, BOB)


def test_versions_follow_the_newest_input_also_one_that_is_only_read(world: Bags) -> None:
    bag, _ = shared_bag(world)
    for _ in range(3):
        block = world.block()
        block.call(
            SUI, "bag::add", block.object(bag), block.pure(u64(_)), block.split(tx.GasCoin(), 5)[0], types=BAG_TYPES
        )
        assert world.run(block, ALICE).succeeded
    newest = world.get(bag).version
    coin = world.coins(BOB)[-1]
    assert coin.version < newest
    block = world.block()
    block.call(SUI, "bag::length", block.object(bag, mutable=False))
    outcome = world.run(block, BOB, coins=[coin])
    assert outcome.effects.lamport_version == newest + 1 == world.get(coin.object_id).version
    assert world.get(bag).version == newest


def test_effects_that_are_too_large_are_dropped(world: Bags, monkeypatch: pytest.MonkeyPatch) -> None:
    block = world.block()
    block.transfer(BOB, *block.split(tx.GasCoin(), *range(1, 20)))
    size = len(EFFECTS.encode(world.ledger.simulate(world.data(block, ALICE)).effects))
    monkeypatch.setattr(settle, "CHANGES_UNCHECKED", 0)
    monkeypatch.setattr(settle, "EFFECTS_BYTES_MAX", size)
    assert world.ledger.simulate(world.data(block, ALICE)).succeeded
    monkeypatch.setattr(settle, "EFFECTS_BYTES_MAX", size - 1)
    outcome = world.run(block)
    assert outcome.effects.status == Failure((FailureKind.EFFECTS_TOO_LARGE, (size, size - 1)), None)
    assert len(outcome.batch.written) == 1


def test_no_object_comes_to_own_itself() -> None:
    ids = [bytes([number]) * 32 for number in range(4)]
    changes.no_circles({ids[0]: ids[1], ids[1]: ids[2], ids[3]: ids[1]})
    for parents in ({ids[0]: ids[0]}, {ids[3]: ids[0], ids[0]: ids[1], ids[1]: ids[2], ids[2]: ids[0]}):
        with pytest.raises(CommandFailure) as raised:
            changes.no_circles(parents)
        assert raised.value.kind is FailureKind.CIRCULAR_OBJECT_OWNERSHIP
        assert raised.value.detail == ids[0]


def test_a_store_takes_a_batch_whole_or_not_at_all(world: Bags) -> None:
    old, new = world.get(world.coin), world.get(world.bag)
    later = world.put("bag", world.bag)
    assert later.succeeded
    with pytest.raises(ValueError, match="is not after"):
        world.store.commit(Batch((old, new), (world.object_bag,)))
    assert world.store.get(world.coin) is None
    assert world.store.get(world.object_bag) is not None
    assert world.store.at(world.coin, old.version) == old

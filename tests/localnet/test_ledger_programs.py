"""Promises: what only a program can do (receive, owe, call private entry functions) follows the chain's rules."""

from __future__ import annotations

from typing import Any

import pytest

from daas_chain.sui import transaction as tx
from daas_chain.sui.effects import Existed
from daas_chain.sui.status import ArgumentErrorKind, Failure, FailureKind
from daas_chain.sui.types import AddressOwner
from support.ledger_post import post
from support.ledger_world import ALICE, BOB, LedgerWorld, balance, u64

pytestmark = pytest.mark.e2e


class Post(LedgerWorld):
    def __init__(self) -> None:
        super().__init__()
        self.package, self.publication = self.publish(list(post()))
        self.box = self.created(self.publication, "Box")


@pytest.fixture
def world() -> Post:
    return Post()


def failure(outcome: Any) -> Failure:
    assert isinstance(outcome.effects.status, Failure)
    return outcome.effects.status


def test_init_has_a_witness_and_its_events_are_of_the_new_package(world: Post) -> None:
    event = world.publication.events[0]
    assert (event.package_id, event.transaction_module, event.contents) == (world.package, "post", u64(1))
    block = world.block()
    block.call(world.package, "post::check", block.call(world.package, "post::witnessed", block.object(world.box)))
    assert world.run(block).succeeded


def test_what_was_sent_to_an_object_is_received_by_it(world: Post) -> None:
    coin = world.coins(ALICE)[-1]
    block = world.block()
    block.transfer(world.box, block.object(coin.object_id))
    assert world.run(block).succeeded
    sent = world.get(coin.object_id)
    assert sent.owner == AddressOwner(world.box)

    def receive(reference: Any, name: str = "post::take") -> Any:
        block = world.block()
        ticket = block.add(tx.ObjectInput(tx.ReceivingInput(reference)))
        got = block.call(world.package, name, block.object(world.box), ticket)
        block.transfer(BOB, got)
        return world.run(block, BOB)

    # Somebody else's coin is not received by the box.
    other = world.coins(ALICE)[-1]
    found = failure(receive(other.reference))
    assert found.kind is FailureKind.MOVE_ABORT
    assert world.get(other.object_id) == other

    outcome = receive(sent.reference)
    assert outcome.succeeded, outcome.reason
    after = world.get(coin.object_id)
    assert after.owner == AddressOwner(BOB)
    assert balance(after) == balance(coin)
    change = dict(outcome.effects.changed_objects)[coin.object_id]
    assert change.before == Existed(sent.version, sent.digest, sent.owner)
    assert sent.value.previous_transaction in outcome.effects.dependencies


def test_a_ticket_that_is_not_used_changes_nothing(world: Post) -> None:
    coin = world.coins(ALICE)[-1]
    block = world.block()
    block.transfer(world.box, block.object(coin.object_id))
    assert world.run(block).succeeded
    sent = world.get(coin.object_id)
    block = world.block()
    block.add(tx.ObjectInput(tx.ReceivingInput(sent.reference)))
    block.split(tx.GasCoin(), 1)
    block.transfer(BOB, tx.NestedResult(0, 0))
    outcome = world.run(block)
    assert outcome.succeeded, outcome.reason
    assert world.get(coin.object_id) == sent
    assert coin.object_id not in dict(outcome.effects.changed_objects)


def test_a_debt_must_be_repaid_and_bars_private_functions(world: Post) -> None:
    block = world.block()
    block.call(world.package, "post::borrow", block.pure(u64(5)))
    assert failure(world.run(block)) == Failure((FailureKind.UNUSED_VALUE_WITHOUT_DROP, (0, 0)), None)
    block = world.block()
    amount = block.call(world.package, "post::repay", block.call(world.package, "post::borrow", block.pure(u64(5))))
    block.call(world.package, "post::note", amount)
    outcome = world.run(block)
    assert outcome.succeeded, outcome.reason
    assert [one.contents for one in outcome.events] == [u64(5)]
    block = world.block()
    block.call(world.package, "post::borrow", block.pure(u64(5)))
    block.call(world.package, "post::note", block.call(world.package, "post::number"))
    assert failure(world.run(block)).detail == (
        0,
        (ArgumentErrorKind.INVALID_ARGUMENT_TO_PRIVATE_ENTRY_FUNCTION, None),
    )


def test_events_are_in_their_order_and_changes_through_references_stay(world: Post) -> None:
    block = world.block()
    number = block.call(world.package, "post::number")
    block.call(world.package, "post::add", number, block.pure(u64(3)))
    block.call(world.package, "post::note_twice", number)
    pure = block.pure(u64(100))
    block.call(world.package, "post::add", pure, block.pure(u64(1)))
    block.call(world.package, "post::note", pure)
    block.call(world.package, "post::push", block.pure(b"\1\5"), block.pure(b"\6"))
    outcome = world.run(block)
    assert outcome.succeeded, outcome.reason
    assert [one.contents for one in outcome.events] == [u64(10), u64(11), u64(101)]
    same = world.block()
    number = same.call(world.package, "post::number")
    same.call(world.package, "post::add", number, number)
    assert world.run(same).succeeded  # A number is copied; what cannot be copied is not lent twice.


def test_objects_that_are_too_large_and_loops_without_end_are_stopped(world: Post) -> None:
    block = world.block()
    block.transfer(ALICE, block.call(world.package, "post::big", block.pure(u64(255_000))))
    assert world.run(block, budget=20 * 10**9).succeeded
    block = world.block()
    block.transfer(ALICE, block.call(world.package, "post::big", block.pure(u64(260_000))))
    assert failure(world.run(block, budget=20 * 10**9)).kind is FailureKind.MOVE_OBJECT_TOO_BIG
    block = world.block()
    block.call(world.package, "post::forever")
    outcome = world.run(block, budget=2_000_000_000)
    assert failure(outcome).kind is FailureKind.INSUFFICIENT_GAS
    assert outcome.effects.gas_used.computation == 2_000_000_000


def test_a_program_sees_who_sends_and_who_pays(world: Post) -> None:
    for owner in (ALICE, BOB):
        block = world.block()
        block.call(world.package, "post::check", block.call(world.package, "post::sender_is", block.pure(ALICE)))
        sponsored = block.call(world.package, "post::sponsored")
        block.call(world.package, "post::check", sponsored)
        assert world.run(block, ALICE, owner=owner).succeeded is (owner == BOB)

"""Promises: coins are split, merged and sent, gas is paid exactly, and no SUI is made or lost."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_chain.sui import transaction as tx
from daas_chain.sui.digests import fresh_id
from daas_chain.sui.effects import Existed, IdOperation, NotExist
from daas_chain.sui.objects import SUI
from daas_chain.sui.status import ArgumentErrorKind, Failure, FailureKind
from daas_chain.sui.storage import metered_size, storage_cost
from daas_chain.sui.types import AddressOwner, GasCost, ImmutableOwner, Primitive, StructTag
from daas_localnet.ledger import gas
from daas_localnet.ledger import ptb as commands
from daas_localnet.ledger.genesis import FAUCET_COINS, FAUCET_MIST
from support.ledger_world import ALICE, BOB, BUDGET, LedgerWorld, balance, supply, u64
from support.ledger_world import SUI as FRAMEWORK

COIN_STORAGE = 988_000
"""Of a coin of SUI, on every network."""
GAS_COIN = StructTag(FRAMEWORK, "coin", "Coin", (SUI,))


@pytest.fixture
def world() -> LedgerWorld:
    return LedgerWorld()


def failure(outcome: Any) -> Failure:
    assert isinstance(outcome.effects.status, Failure)
    return outcome.effects.status


def argument(outcome: Any) -> tuple[int, ArgumentErrorKind]:
    found = failure(outcome)
    assert found.kind is FailureKind.COMMAND_ARGUMENT_ERROR
    index, (kind, _) = found.detail
    return index, kind


def test_a_split_coin_has_the_next_id_and_pays_for_itself(world: LedgerWorld) -> None:
    coin = world.coins(ALICE)[0]
    block = world.block()
    block.transfer(BOB, *block.split(tx.GasCoin(), 7, 8))
    outcome = world.run(block, coins=[coin])
    effects = outcome.effects
    ids = [fresh_id(effects.transaction_digest, number) for number in range(2)]
    assert [balance(world.get(one)) for one in ids] == [7, 8]
    assert all(world.get(one).owner == AddressOwner(BOB) for one in ids)
    assert effects.lamport_version == coin.version + 1
    assert all(world.get(one).value.storage_rebate == COIN_STORAGE for one in (*ids, coin.object_id))
    assert effects.gas_used == GasCost(1_000_000, 3 * COIN_STORAGE, COIN_STORAGE * 99 // 100, COIN_STORAGE // 100)
    paid = gas.net(effects.gas_used)
    assert balance(world.get(coin.object_id)) == balance(coin) - 15 - paid
    assert effects.changed_objects[effects.gas_object_index or 0][0] == coin.object_id
    assert effects.dependencies == (coin.value.previous_transaction,)


def test_storage_costs_its_bytes_and_the_rebate_is_rounded_half_up(world: LedgerWorld) -> None:
    for one in world.store:
        if one.move is not None and one.value.storage_rebate:
            assert metered_size(one.value) == len(one.move.contents) + 1 + 1 + 8 + 80
            assert one.value.storage_rebate == storage_cost(one.value) == metered_size(one.value) * 7_600
    for returned, rebate in ((0, 0), (1, 1), (49, 49), (50, 50), (51, 50), (100, 99), (988_000, 978_120)):
        kept = gas.storage((), [returned])
        assert kept.rebate == rebate
        assert gas.cost(0, kept).non_refundable == returned - rebate


def test_gas_coins_become_one_before_anything_runs(world: LedgerWorld) -> None:
    coins = world.coins(ALICE)[:3]
    block = world.block()
    block.transfer(BOB, *block.split(tx.GasCoin(), 250 * 10**9))
    outcome = world.run(block, coins=coins)
    assert outcome.succeeded, outcome.reason
    assert [world.store.get(one.object_id) is None for one in coins] == [False, True, True]
    changes = dict(outcome.effects.changed_objects)
    for one in coins[1:]:
        change = changes[one.object_id]
        assert isinstance(change.before, Existed)
        assert (change.after, change.id_operation) == (NotExist(), IdOperation.DELETED)
    assert world.coins(BOB)[0].move is not None
    assert balance(world.coins(BOB)[0]) == 250 * 10**9


def test_a_failed_transaction_pays_computation_and_joins_its_gas_coins(world: LedgerWorld) -> None:
    coins = world.coins(ALICE)[:2]
    total = sum(map(balance, coins))
    block = world.block()
    block.transfer(BOB, *block.split(tx.GasCoin(), 10**18))
    outcome = world.run(block, coins=coins)
    assert failure(outcome) == Failure((FailureKind.INSUFFICIENT_COIN_BALANCE, None), 0)
    assert balance(world.get(coins[0].object_id)) == total - gas.net(outcome.effects.gas_used)
    assert world.store.get(coins[1].object_id) is None
    assert outcome.effects.gas_used.computation == 1_000_000


def test_amounts_that_no_coin_could_have_are_an_overflow(world: LedgerWorld) -> None:
    block = world.block()
    block.transfer(BOB, *block.split(tx.GasCoin(), 2**64 - 1, 1))
    assert failure(world.run(block)) == Failure((FailureKind.COIN_BALANCE_OVERFLOW, None), 0)
    block = world.block()
    block.transfer(BOB, *block.split(tx.GasCoin(), 2**64 - 1))
    assert failure(world.run(block)) == Failure((FailureKind.INSUFFICIENT_COIN_BALANCE, None), 0)


def test_coins_are_merged_and_their_deposit_comes_back(world: LedgerWorld) -> None:
    first, second, third, *_ = world.coins(ALICE)
    block = world.block()
    block.command(tx.MergeCoins(block.object(first.object_id), (block.object(second.object_id), tx.GasCoin())))
    assert argument(world.run(block, coins=[third])) == (2, ArgumentErrorKind.INVALID_GAS_COIN_USAGE)
    block = world.block()
    block.command(tx.MergeCoins(block.object(first.object_id), (block.object(second.object_id),)))
    outcome = world.run(block, coins=[world.get(third.object_id)])
    assert outcome.succeeded
    assert balance(world.get(first.object_id)) == balance(first) + balance(second)
    assert world.store.get(second.object_id) is None
    assert outcome.effects.gas_used.storage == 2 * COIN_STORAGE
    assert outcome.effects.gas_used.storage_rebate == 3 * COIN_STORAGE * 99 // 100


def test_the_gas_coin_can_be_sent_and_pays_all_the_same(world: LedgerWorld) -> None:
    coin = world.coins(ALICE)[0]
    block = world.block()
    block.transfer(BOB, tx.GasCoin())
    outcome = world.run(block, coins=[coin])
    assert outcome.succeeded, outcome.reason
    found = world.get(coin.object_id)
    assert found.owner == AddressOwner(BOB)
    assert balance(found) == balance(coin) - gas.net(outcome.effects.gas_used)


def test_the_budget_is_not_for_spending(world: LedgerWorld) -> None:
    coin = world.coins(ALICE)[0]
    block = world.block()
    block.transfer(BOB, *block.split(tx.GasCoin(), balance(coin) - BUDGET + 1))
    assert failure(world.run(block, coins=[coin])).kind is FailureKind.INSUFFICIENT_COIN_BALANCE
    coin = world.get(coin.object_id)
    block = world.block()
    block.transfer(BOB, *block.split(tx.GasCoin(), balance(coin) - BUDGET))
    assert world.run(block, coins=[coin]).succeeded


def test_who_cannot_pay_for_storage_pays_for_computation(world: LedgerWorld) -> None:
    coin = world.coins(ALICE)[0]
    block = world.block()
    block.transfer(BOB, *block.split(tx.GasCoin(), *range(1, 4)))
    outcome = world.run(block, coins=[coin], budget=1_000_000 + 3 * COIN_STORAGE)
    assert failure(outcome).kind is FailureKind.INSUFFICIENT_GAS
    assert outcome.effects.gas_used == GasCost(1_000_000, COIN_STORAGE, 978_120, 9_880)
    assert len(outcome.batch.written) == 1
    # Not even for keeping what there was: the whole budget, and deposits stay.
    before = world.get(coin.object_id)
    outcome = world.run(block, coins=[before], budget=1_000_000)
    assert failure(outcome).kind is FailureKind.INSUFFICIENT_GAS
    assert outcome.effects.gas_used == GasCost(1_000_000, 0, 0, 0)
    assert balance(world.get(coin.object_id)) == balance(before) - 1_000_000


def test_values_are_used_once_and_as_their_types_allow(world: LedgerWorld) -> None:
    def one(build: Any) -> tuple[int, ArgumentErrorKind]:
        block = world.block()
        build(block)
        return argument(world.run(block))

    other = world.coins(ALICE)[-1].object_id

    def twice(block: Any) -> None:
        made = block.split(tx.GasCoin(), 1)[0]
        block.transfer(BOB, made)
        block.transfer(BOB, made)

    assert one(twice) == (0, ArgumentErrorKind.INVALID_VALUE_USAGE)

    def with_itself(block: Any) -> None:
        coin = block.object(other)
        block.command(tx.MergeCoins(coin, (coin,)))

    assert one(with_itself) == (1, ArgumentErrorKind.INVALID_VALUE_USAGE)
    assert one(lambda block: block.transfer(BOB, tx.Result(0))) == (0, ArgumentErrorKind.INDEX_OUT_OF_BOUNDS)
    assert one(lambda block: block.transfer(BOB, block.pure(BOB))) == (0, ArgumentErrorKind.TYPE_MISMATCH)

    def arity(block: Any) -> None:
        block.split(tx.GasCoin(), 1, 2)
        block.transfer(BOB, tx.Result(0))

    assert one(arity) == (0, ArgumentErrorKind.INVALID_RESULT_ARITY)

    def second(block: Any) -> None:
        block.split(tx.GasCoin(), 1)
        block.transfer(BOB, tx.NestedResult(0, 1))

    assert one(second) == (0, ArgumentErrorKind.SECONDARY_INDEX_OUT_OF_BOUNDS)

    def short(block: Any) -> None:
        block.command(tx.SplitCoins(tx.GasCoin(), (block.pure(b"\1"),)))

    assert one(short) == (1, ArgumentErrorKind.INVALID_BCS_BYTES)

    def forged(block: Any) -> None:
        block.call(FRAMEWORK, "coin::value", block.pure(bytes(32) + u64(10**9)), types=(SUI,))

    assert one(forged) == (0, ArgumentErrorKind.INVALID_USAGE_OF_PURE_ARG)

    def clock(block: Any) -> None:
        block.transfer(BOB, block.clock())

    assert one(clock) == (0, ArgumentErrorKind.INVALID_OBJECT_BY_VALUE)


def test_only_what_a_transaction_may_call_is_called(world: LedgerWorld) -> None:
    coin = world.coins(ALICE)[-1].object_id

    def kind(package: bytes, name: str, *types: Any, count: int = 0) -> FailureKind:
        block = world.block()
        block.call(package, name, *[block.object(coin)] * count, types=types)
        return failure(world.run(block)).kind

    assert kind(FRAMEWORK, "coin::nothing") is FailureKind.FUNCTION_NOT_FOUND
    assert kind(FRAMEWORK, "nothing::nothing") is FailureKind.FUNCTION_NOT_FOUND
    assert kind(FRAMEWORK, "clock::create") is FailureKind.NON_ENTRY_FUNCTION_INVOKED
    assert kind(FRAMEWORK, "event::emit", Primitive.U8) is FailureKind.NON_ENTRY_FUNCTION_INVOKED
    assert kind(FRAMEWORK, "transfer::transfer", GAS_COIN) is FailureKind.NON_ENTRY_FUNCTION_INVOKED
    assert kind(FRAMEWORK, "coin::value", count=1) is FailureKind.TYPE_ARITY_MISMATCH
    assert kind(FRAMEWORK, "coin::value", SUI) is FailureKind.ARITY_MISMATCH
    assert kind(FRAMEWORK, "coin::value", StructTag(FRAMEWORK, "sui", "X"), count=1) is FailureKind.TYPE_ARGUMENT_ERROR
    assert kind(FRAMEWORK, "transfer::public_transfer", SUI, count=2) is FailureKind.TYPE_ARGUMENT_ERROR
    assert kind(FRAMEWORK, "coin::balance", SUI, count=1) is FailureKind.INVALID_PUBLIC_FUNCTION_RETURN_TYPE


def test_objects_are_frozen_shared_only_when_new_and_changed_through_references(world: LedgerWorld) -> None:
    coin = world.coins(ALICE)[-1].object_id
    block = world.block()
    block.call(FRAMEWORK, "transfer::public_share_object", block.object(coin), types=(GAS_COIN,))
    assert failure(world.run(block)).kind is FailureKind.MOVE_ABORT
    block = world.block()
    block.call(FRAMEWORK, "pay::split", block.object(coin), block.pure(u64(5)), types=(SUI,))
    outcome = world.run(block)
    assert outcome.succeeded, outcome.reason
    assert 5 in map(balance, world.coins(ALICE))
    block = world.block()
    block.call(FRAMEWORK, "transfer::public_freeze_object", block.object(coin), types=(GAS_COIN,))
    outcome = world.run(block)
    assert outcome.succeeded
    assert world.get(coin).owner == ImmutableOwner()
    # Anyone may read it, nobody may change or take it.
    for name, expected in (
        ("coin::value", None),
        ("coin::into_balance", ArgumentErrorKind.INVALID_OBJECT_BY_VALUE),
        ("coin::balance_mut", ArgumentErrorKind.INVALID_OBJECT_BY_MUT_REF),
        ("coin::divide_into_n", ArgumentErrorKind.INVALID_OBJECT_BY_MUT_REF),
    ):
        block = world.block()
        more = (block.pure(u64(1)),) if name == "coin::divide_into_n" else ()
        block.call(FRAMEWORK, name, block.object(coin), *more, types=(SUI,))
        outcome = world.run(block, BOB)
        if expected is None:
            assert outcome.succeeded
        elif name == "coin::balance_mut":
            assert failure(outcome).kind is FailureKind.INVALID_PUBLIC_FUNCTION_RETURN_TYPE
        else:
            assert argument(outcome) == (0, expected)


def test_work_without_end_ends_with_its_budget(world: LedgerWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands.gas, "COMMAND_UNITS", 600)
    block = world.block()
    for _ in range(3):
        block.call(FRAMEWORK, "coin::value", block.object(world.coins(ALICE)[-1].object_id), types=(SUI,))
    coin = world.coins(ALICE)[0]
    outcome = world.run(block, coins=[coin], budget=1_100_000)
    assert failure(outcome).kind is FailureKind.INSUFFICIENT_GAS
    assert outcome.effects.gas_used.computation == 1_100_000


STEPS = st.lists(
    st.tuples(
        st.sampled_from([ALICE, BOB]),
        st.lists(
            st.tuples(
                st.sampled_from(["split", "merge", "send", "gas"]), st.integers(0, 9), st.integers(0, 2 * 10**10)
            ),
            min_size=1,
            max_size=6,
        ),
        st.integers(1, 3),
        st.sampled_from([1_000_000, 3_000_000, 10_000_000, BUDGET]),
    ),
    min_size=1,
    max_size=8,
)


@pytest.mark.e2e
@settings(max_examples=60)
@given(STEPS)
def test_no_sui_is_made_or_lost(steps: Any) -> None:
    world = LedgerWorld()
    total = FAUCET_COINS * FAUCET_MIST
    for sender, moves, gas_coins, budget in steps:
        coins = world.coins(sender)
        payment, rest = coins[:gas_coins], coins[gas_coins:]
        if sum(map(balance, payment)) < budget:
            continue
        block = world.block()
        for what, which, amount in moves:
            coin = block.object(rest[which % len(rest)].object_id) if rest else tx.GasCoin()
            match what:
                case "split":
                    block.transfer(BOB, *block.split(coin, amount))
                case "merge" if rest:
                    block.command(tx.MergeCoins(tx.GasCoin(), (coin,)))
                case "gas":
                    block.transfer(ALICE, tx.GasCoin())
                case _:
                    block.transfer(BOB, coin)
        world.run(block, sender, coins=payment, budget=budget)
        assert supply(world.store) + world.paid == total

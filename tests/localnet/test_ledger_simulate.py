"""Promises: a simulation changes nothing and says what each command returned; without checks it may do what no
transaction may."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from daas_chain.sui import transaction as tx
from daas_chain.sui.objects import SUI as SUI_TYPE
from daas_chain.sui.status import ArgumentErrorKind, Failure, FailureKind
from daas_chain.sui.types import AddressOwner, Primitive, StructTag, VectorTag
from daas_localnet.ledger import errors
from daas_localnet.ledger import ptb as commands
from daas_localnet.ledger.genesis import CLOCK
from daas_localnet.ledger.settle import Outcome
from daas_localnet.ledger.simulation import MOCK_COIN, MOCK_MIST
from support.ledger_world import ALICE, BOB, START_MS, SUI, Block, LedgerWorld, balance, u64

COIN = StructTag(SUI, "coin", "Coin", (SUI_TYPE,))
CHAIN = bytes(range(32))


@pytest.fixture
def world() -> LedgerWorld:
    return LedgerWorld()


def simulate(world: LedgerWorld, block: Block, sender: bytes = ALICE, *, checks: bool, **gas: Any) -> Outcome:
    before = {one.object_id: one for one in world.store}
    data = world.data(block, sender, **gas)
    if "coins" not in gas:
        data = replace(data, gas=replace(data.gas, payment=()))
    outcome = world.ledger.simulate(data, checks=checks)
    assert {one.object_id: one for one in world.store} == before
    return outcome


def failed(outcome: Outcome) -> Failure:
    assert isinstance(outcome.effects.status, Failure)
    assert outcome.outputs == ()
    return outcome.effects.status


@pytest.mark.parametrize("checks", [True, False])
def test_every_command_says_what_it_returned_and_what_it_changed(world: LedgerWorld, checks: bool) -> None:
    coin = world.coins(ALICE)[0]
    held = balance(coin)
    block = world.block()
    mine = block.object(coin.object_id)
    made = block.split(mine, 7, 8)
    block.command(tx.MergeCoins(made[0], (made[1],)))
    value = block.call(SUI, "coin::value", made[0], types=(SUI_TYPE,))
    taken = block.call(SUI, "coin::split", mine, block.pure(u64(3)), types=(SUI_TYPE,))
    block.command(tx.MakeMoveVec(Primitive.U64, (value,)))
    block.transfer(BOB, made[0], taken)
    outcome = simulate(world, block, checks=checks)
    assert outcome.succeeded, outcome.reason
    split, merge, read, called, vector, transfer = outcome.outputs
    assert [(tag, data[32:]) for tag, data in split.returned] == [(COIN, u64(7)), (COIN, u64(8))]
    assert split.mutated == ((mine, COIN, coin.object_id + u64(held - 15)),)
    assert [(argument, data[32:]) for argument, _, data in merge.mutated] == [(made[0], u64(15))]
    assert merge.returned == ()
    assert (read.returned, read.mutated) == (((Primitive.U64, u64(15)),), ())
    assert called.returned[0][1][32:] == u64(3)
    assert called.mutated == ((mine, COIN, coin.object_id + u64(held - 18)),)
    assert vector.returned == ((VectorTag(Primitive.U64), b"\1" + u64(15)),)
    assert (transfer.returned, transfer.mutated) == ((), ())


@pytest.mark.parametrize("checks", [True, False])
def test_who_names_no_gas_coin_pays_with_a_mock_one(world: LedgerWorld, checks: bool) -> None:
    block = world.block()
    block.transfer(BOB, *block.split(tx.GasCoin(), 5))
    outcome = simulate(world, block, checks=checks)
    assert outcome.succeeded, outcome.reason
    changed = [id_ for id_, _ in outcome.effects.changed_objects]
    assert changed[outcome.effects.gas_object_index or 0] == MOCK_COIN
    (left,) = [one for one in outcome.batch.written if one.object_id == MOCK_COIN]
    used = outcome.effects.gas_used
    assert left.owner == AddressOwner(ALICE)
    assert balance(left) == MOCK_MIST - 5 - used.computation - used.storage
    data = world.data(block, ALICE)
    with pytest.raises(errors.GasCoinError):
        world.ledger.execute(replace(data, gas=replace(data.gas, payment=())))
    # A named coin still has to be worth the budget.
    poor = world.coins(ALICE)[0]
    with pytest.raises(errors.GasBalanceError):
        simulate(world, block, checks=checks, coins=[poor], budget=balance(poor) + 1)


def test_only_without_checks_objects_may_be_anybodys_and_of_another_version(world: LedgerWorld) -> None:
    coin = world.coins(BOB)[0]
    block = world.block()
    block.call(SUI, "coin::value", block.object(coin.object_id), types=(SUI_TYPE,))
    with pytest.raises(errors.OwnerError):
        simulate(world, block, checks=True)
    assert simulate(world, block, checks=False).outputs[0].returned == ((Primitive.U64, u64(balance(coin))),)
    spend = world.block()
    spend.transfer(ALICE, *spend.split(tx.GasCoin(), 10**9))
    assert world.run(spend, BOB, coins=[coin]).succeeded
    with pytest.raises(errors.VersionError):
        simulate(world, block, BOB, checks=True)
    assert simulate(world, block, checks=False).outputs[0].returned == ((Primitive.U64, u64(balance(coin))),)
    unknown = world.block()
    reference = replace(coin.reference, version=coin.version + 99)
    unknown.call(SUI, "coin::value", unknown.add(tx.ObjectInput(tx.OwnedInput(reference))), types=(SUI_TYPE,))
    with pytest.raises(errors.VersionError):
        simulate(world, unknown, checks=False)


def test_only_without_checks_private_functions_run_and_references_come_back(world: LedgerWorld) -> None:
    private = world.block()
    private.call(SUI, "clock::create")
    assert failed(simulate(world, private, checks=True)).kind is FailureKind.NON_ENTRY_FUNCTION_INVOKED
    # Its own check of the sender is the contract's, and holds.
    assert failed(simulate(world, private, checks=False)).kind is FailureKind.MOVE_ABORT
    lent = world.block()
    lent.call(SUI, "coin::balance", lent.object(world.coins(ALICE)[0].object_id), types=(SUI_TYPE,))
    kind = failed(simulate(world, lent, checks=True)).kind
    assert kind is FailureKind.INVALID_PUBLIC_FUNCTION_RETURN_TYPE
    ((tag, data),) = simulate(world, lent, checks=False).outputs[0].returned
    assert (str(tag), data) == ("0x2::balance::Balance<0x2::sui::SUI>", u64(balance(world.coins(ALICE)[0])))
    # What only the type's own module may call stays closed.
    sent = world.block()
    sent.call(SUI, "transfer::transfer", *sent.split(tx.GasCoin(), 1), sent.pure(BOB), types=(COIN,))
    assert failed(simulate(world, sent, checks=False)).kind is FailureKind.NON_ENTRY_FUNCTION_INVOKED


def test_only_without_checks_a_pure_argument_is_of_any_type_and_nothing_must_be_used(world: LedgerWorld) -> None:
    block = world.block()
    block.split(tx.GasCoin(), 5)
    assert failed(simulate(world, block, checks=True)).kind is FailureKind.UNUSED_VALUE_WITHOUT_DROP
    assert simulate(world, block, checks=False).succeeded
    forged = world.block()
    clock = forged.pure(CLOCK + u64(START_MS + 5))
    forged.call(SUI, "clock::timestamp_ms", clock)
    index, (kind, _) = failed(simulate(world, forged, checks=True)).detail
    assert (index, kind) == (0, ArgumentErrorKind.INVALID_USAGE_OF_PURE_ARG)
    assert simulate(world, forged, checks=False).outputs[0].returned == ((Primitive.U64, u64(START_MS + 5)),)
    # Made once, it is used once.
    twice = world.block()
    coin = twice.pure(bytes(32) + u64(5))
    for _ in range(2):
        twice.transfer(
            BOB,
            twice.call(
                SUI,
                "coin::from_balance",
                twice.call(SUI, "coin::into_balance", coin, types=(SUI_TYPE,)),
                types=(SUI_TYPE,),
            ),
        )
    index, (kind, _) = failed(simulate(world, twice, checks=False)).detail
    assert (index, kind) == (0, ArgumentErrorKind.INVALID_VALUE_USAGE)
    # Coins out of nothing do not overflow the gas coin.
    rich = world.block()
    made = rich.call(SUI, "coin::from_balance", rich.pure(u64(2**64 - 1 - MOCK_MIST)), types=(SUI_TYPE,))
    rich.command(tx.MergeCoins(tx.GasCoin(), (made,)))
    assert simulate(world, rich, checks=False).succeeded


def test_outputs_of_one_simulation_are_bounded(world: LedgerWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    block = world.block()
    block.transfer(BOB, *block.split(tx.GasCoin(), 5))
    monkeypatch.setattr(commands, "OUTPUT_BYTES_MAX", 80)
    assert simulate(world, block, checks=True).succeeded
    monkeypatch.setattr(commands, "OUTPUT_BYTES_MAX", 79)
    with pytest.raises(errors.LimitError):
        simulate(world, block, checks=True)


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({}, None),
        ({"min_epoch": 2}, None),
        ({"min_epoch": 4, "max_epoch": 5}, errors.ExpiredError),
        ({"min_epoch": 1, "max_epoch": 2}, errors.ExpiredError),
        ({"min_epoch": 1}, errors.UnsupportedError),
        ({"max_epoch": None}, errors.UnsupportedError),
        ({"min_epoch": None}, errors.UnsupportedError),
        ({"min_timestamp": START_MS}, errors.UnsupportedError),
        ({"max_timestamp": START_MS}, errors.UnsupportedError),
        ({"chain": bytes(32)}, errors.ChainError),
    ],
)
def test_a_transaction_for_some_epochs_of_one_chain(
    world: LedgerWorld, changed: dict[str, Any], problem: type[errors.InputError] | None
) -> None:
    world.ledger.chain = CHAIN
    world.ledger.epoch = replace(world.ledger.epoch, number=3)
    block = world.block()
    block.transfer(BOB, *block.split(tx.GasCoin(), 5))
    valid = {"min_epoch": 3, "max_epoch": 3, "min_timestamp": None, "max_timestamp": None, "chain": CHAIN, "nonce": 1}
    for expiration in (tx.ValidDuring(**valid | changed), tx.Validity(**valid | changed, allowed_proposers=None)):
        if problem is None:
            assert world.run(block, expiration=expiration).succeeded
        else:
            with pytest.raises(problem):
                world.run(block, expiration=expiration)
        # Sui looks at it when it accepts a transaction, not when it simulates one.
        assert simulate(world, block, checks=True, expiration=expiration).succeeded
    proposers = tx.Validity(**valid, allowed_proposers=tx.AllowedProposers(3, (1,)))
    with pytest.raises(errors.UnsupportedError):
        world.run(block, expiration=proposers)

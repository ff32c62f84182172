"""Attacks: random programs over the contract's objects, most of them well typed, break no rule of the ledger."""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import replace

import pytest

from daas_chain.sui import transaction as tx
from daas_chain.sui.effects import EFFECTS
from daas_chain.sui.status import Failure, FailureKind
from daas_chain.sui.types import AddressOwner
from daas_localnet.ledger.errors import InputError
from daas_localnet.ledger.genesis import FAUCET_COINS, FAUCET_MIST
from support.ledger_contract import ContractWorld
from support.ledger_invariants import Ledgers
from support.ledger_post import post
from support.ledger_programs import COIN, Functions, Program, changed_bytes
from support.ledger_world import ALICE, BOB, FAUCET, SUI

BUDGET = 10**9
PEOPLE = (ALICE, BOB)


def gas_coin(world: ContractWorld, sender: bytes) -> bytes:
    coins = world.coins(sender)
    assert coins
    return coins[0].object_id


def run(seed: int, count: int, modules: tuple[bytes, ...] = ()) -> tuple[Counter[str], Counter[str]]:
    """What transactions came to, and which commands were in those that succeeded. `modules`: another package."""
    some = random.Random(seed)
    world = ContractWorld()
    for who in PEOPLE:
        rich = world.block()
        rich.transfer(who, *rich.split(tx.GasCoin(), *[10**14] * 3))
        assert world.run(rich, FAUCET).succeeded
    for function in ("transfer::public_freeze_object", "transfer::public_share_object"):
        block = world.block()
        for one in block.split(tx.GasCoin(), 10**9, 10**10):
            block.call(SUI, function, one, types=(COIN,))
        assert world.run(block, BOB).succeeded
    for number in range(1, 4):
        block = world.block()
        world.request(block, number)
        assert world.run(block, BOB).succeeded
    more = []
    if modules:
        package, outcome = world.publish(list(modules))
        more = [package]
        block = world.block()
        block.transfer(world.created(outcome, "Box"), *block.split(tx.GasCoin(), *range(1, 30)))
        assert world.run(block, BOB).succeeded
    ledger = Ledgers(world, frozenset((*PEOPLE, FAUCET)), FAUCET_COINS * FAUCET_MIST)
    functions = Functions(world, more)
    seen: Counter[str] = Counter()
    used: Counter[str] = Counter()
    for _ in range(count):
        sender = some.choice(PEOPLE)
        gas = gas_coin(world, sender)
        program = Program(world, functions, some, sender)
        # A program may have given the token back.
        if sender == BOB and world.store.get(world.token) is not None and some.random() < 0.2:
            world.request(program.block, some.randrange(1, 300), some.choice((1, 100, 2_000)))
        if some.random() < 0.05:
            first = some.randrange(1, 20)
            world.receipts(program.block, range(first, first + some.randint(1, 3)))
        program.inputs(tuple(world.store), (*PEOPLE, FAUCET), gas)
        for _ in range(some.randint(1, 8)):
            program.step()
        block = program.finish() if some.random() < 0.95 else program.block
        data = world.data(block, sender, coins=[world.get(gas)], budget=BUDGET)
        if some.random() < 0.05:
            data = changed_bytes(data, some)
        for checks in (True, False):
            if some.random() < 0.1:
                try:
                    inspected = world.ledger.simulate(data, checks=checks)
                except InputError:
                    continue
                finally:
                    ledger.refused()
                seen["inspected" if inspected.succeeded else "not inspected"] += not checks
        try:
            outcome = world.ledger.execute(data)
        except InputError as problem:
            seen[problem.check] += 1
            ledger.refused()
            continue
        ledger.step(data, outcome)
        status = outcome.effects.status
        seen[status.kind.name if isinstance(status, Failure) else "SUCCESS"] += 1
        if isinstance(status, Failure):
            # Natives that this network does not have are named.
            assert status.kind is not FailureKind.VM_INVARIANT_VIOLATION or "no native" in outcome.reason, (
                outcome.reason
            )
        for command in block.commands if outcome.succeeded else ():
            used[type(command).__name__] += 1
            if isinstance(command, tx.MoveCall) and command.package in (world.package, *more):
                used[f"{command.module}::{command.function}"] += 1
        assert world.store.owned(AddressOwner(sender)) == tuple(
            sorted(
                (one.stored for one in ledger.held.values() if one.stored.owner == AddressOwner(sender)),
                key=lambda one: one.object_id,
            )
        )
    return seen, used


def test_random_programs_break_no_rule() -> None:
    count = int(os.environ.get("PROGRAMS", "300"))
    seen, used = run(21, count)
    print(seen, used)
    assert seen["SUCCESS"] > count // 10, seen
    assert len(seen) >= 8, seen
    assert {"MoveCall", "SplitCoins", "MergeCoins", "TransferObjects", "MakeMoveVec"} <= set(used)


def inspect(seed: int, count: int) -> Counter[str]:
    """Simulations without checks, of programs with forged objects and unused values."""
    some = random.Random(seed)
    world = ContractWorld()
    functions = Functions(world, references=True)
    before = {one.object_id: one for one in world.store}
    seen: Counter[str] = Counter()
    for _ in range(count):
        program = Program(world, functions, some, some.choice(PEOPLE))
        program.anything = True
        program.inputs(tuple(before.values()), (*PEOPLE, FAUCET), bytes(32))
        for _ in range(some.randint(1, 8)):
            program.step()
        data = world.data(program.block, program.sender, budget=some.choice((0, *[BUDGET] * 9)))
        data = replace(data, gas=replace(data.gas, payment=()))
        try:
            outcome = world.ledger.simulate(data, checks=False)
        except InputError as problem:
            seen[problem.check] += 1
            continue
        assert EFFECTS.decode(EFFECTS.encode(outcome.effects)) == outcome.effects
        assert len(outcome.outputs) == (len(program.block.commands) if outcome.succeeded else 0)
        status = outcome.effects.status
        seen[status.kind.name if isinstance(status, Failure) else "SUCCESS"] += 1
    assert {one.object_id: one for one in world.store} == before
    return seen


def test_simulations_without_checks_end_and_change_nothing() -> None:
    seen = inspect(31, 150)
    assert seen["SUCCESS"] > 10, seen
    assert len(seen) >= 5, seen


@pytest.mark.e2e
def test_many_simulations_without_checks_end_and_change_nothing() -> None:
    seen = inspect(32, 3_000)
    assert seen["SUCCESS"] > 200, seen


@pytest.mark.e2e
@pytest.mark.parametrize("seed", range(5))
def test_many_random_programs_break_no_rule(seed: int) -> None:
    seen, used = run(seed, 1_200)
    assert seen["SUCCESS"] > 120, seen
    assert used["mailbox::execute_kubectl_command"] > 10, used
    assert len(used) > 60, used


@pytest.mark.e2e
def test_random_programs_that_receive_and_owe_break_no_rule() -> None:
    seen, used = run(7, 800, post())
    assert seen["SUCCESS"] > 100, seen
    assert {"post::take", "post::repay", "post::note"} <= set(used), used

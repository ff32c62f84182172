"""Attacks: random transactions, most of them nonsense, never break ownership, types or the amount of SUI there is."""

from __future__ import annotations

import os
import random
from collections import Counter
from typing import Any

from daas_chain.bytecode_types import Ability
from daas_chain.sui import transaction as tx
from daas_chain.sui.objects import SUI as SUI_TYPE
from daas_chain.sui.status import Failure, FailureKind
from daas_chain.sui.types import (
    AddressOwner,
    ImmutableOwner,
    ObjectOwner,
    Primitive,
    SharedOwner,
    StructTag,
    TypeTag,
    VectorTag,
)
from daas_localnet.ledger.errors import InputError
from daas_localnet.ledger.genesis import CLOCK, FAUCET_COINS, FAUCET_MIST
from daas_localnet.vm import codec
from daas_localnet.vm.types import ADDRESS, Type, abilities, field_types, substitute, vector
from daas_localnet.vm.world import LinkedFunction
from daas_protocol.bcs import BcsError
from support.ledger_world import ALICE, BOB, FAUCET, STD, SUI, LedgerWorld, balance, u64

TRANSACTIONS = int(os.environ.get("MUTANTS", "600"))
"""Of each test; conftest takes what begins with DAAS_ out of the environment."""
COIN = StructTag(SUI, "coin", "Coin", (SUI_TYPE,))
BAG, BALANCE = StructTag(SUI, "bag", "Bag"), StructTag(SUI, "balance", "Balance", (SUI_TYPE,))
OPTION = StructTag(STD, "option", "Option", (COIN,))
SMALL_BUDGET = 10**9
TYPES: tuple[TypeTag, ...] = (SUI_TYPE, COIN, BAG, BALANCE, OPTION, Primitive.U8, Primitive.U64, VectorTag(COIN))
FUNCTIONS = (
    *[(SUI, f"bag::{name}", count, types) for name, count, types in (
        ("new", 0, ()), ("add", 3, (Primitive.U64, COIN)), ("remove", 2, (Primitive.U64, COIN)),
        ("add", 3, (Primitive.U64, BALANCE)), ("remove", 2, (Primitive.U64, BALANCE)), ("destroy_empty", 1, ()),
        ("borrow_mut", 2, (Primitive.U64, COIN)), ("length", 1, ()),
    )],
    *[(SUI, f"object_bag::{name}", count, types) for name, count, types in (
        ("new", 0, ()), ("add", 3, (Primitive.U64, COIN)), ("remove", 2, (Primitive.U64, COIN)),
        ("add", 3, (Primitive.U64, BAG)), ("remove", 2, (Primitive.U64, BAG)), ("destroy_empty", 1, ()),
    )],
    *[(SUI, f"coin::{name}", count, (SUI_TYPE,)) for name, count in (
        ("into_balance", 1), ("from_balance", 1), ("split", 2), ("join", 2), ("zero", 0), ("destroy_zero", 1),
        ("value", 1), ("take", 2), ("put", 2), ("divide_into_n", 2),
    )],
    *[(SUI, f"balance::{name}", count, (SUI_TYPE,)) for name, count in (
        ("split", 2), ("join", 2), ("zero", 0), ("destroy_zero", 1), ("withdraw_all", 1), ("value", 1),
        ("increase_supply", 2), ("create_staking_rewards", 1), ("destroy_storage_rebates", 1),
    )],
    *[(SUI, f"transfer::{name}", count, (one,)) for one in (COIN, BAG) for name, count in (
        ("public_transfer", 2), ("public_share_object", 1), ("public_freeze_object", 1), ("transfer", 2),
        ("share_object", 1),
    )],
    (SUI, "pay::split", 2, (SUI_TYPE,)), (SUI, "pay::join", 2, (SUI_TYPE,)), (SUI, "pay::keep", 1, (SUI_TYPE,)),
    *[(STD, f"option::{name}", count, (COIN,)) for name, count in (
        ("some", 1), ("none", 0), ("fill", 2), ("extract", 1), ("destroy_none", 1), ("swap", 2),
    )],
    *[(STD, f"vector::{name}", count, (COIN,)) for name, count in (
        ("empty", 0), ("push_back", 2), ("pop_back", 1), ("destroy_empty", 1), ("swap", 3),
    )],
    (SUI, "object::delete", 1, ()), (SUI, "object::new", 0, ()), (SUI, "clock::timestamp_ms", 1, ()),
)  # fmt: skip


def everything(world: LedgerWorld) -> int:
    """MIST in whatever holds a balance, however deep, and in deposits; every object is of its type."""
    machine = world.ledger.packages.machine(world.ledger.packages.closure((), (STD, SUI)))

    def inside(type_: Type, value: Any) -> int:
        if type_.datatype is None:
            return sum(inside(type_.arguments[0], one) for one in value) if type_.kind.name == "VECTOR" else 0
        if str(type_) == "0x2::balance::Balance<0x2::sui::SUI>":
            return int(value[0])
        if type_.datatype.is_enum:
            return 0
        return sum(inside(one, part) for one, part in zip(field_types(type_), value, strict=True))

    total = 0
    for one in world.store:
        total += one.value.storage_rebate
        if one.move is not None and one.type is not None:
            type_ = world.ledger.packages.type(machine.world, one.type)
            value = codec.decode(type_, one.move.contents)
            assert codec.encode(type_, value) == one.move.contents
            total += inside(type_, value)
    return total


class Writer:
    """Writes a random transaction: most arguments fit, most values that must be used are."""

    def __init__(self, world: LedgerWorld, some: random.Random, mine: list[bytes]) -> None:
        self.some, self.block = some, world.block()
        self.packages = world.ledger.packages
        self.world = self.packages.machine(self.packages.closure((), (STD, SUI))).world
        self.values: list[tuple[tx.Argument, Type]] = [(tx.GasCoin(), self.type(COIN))]
        for object_id in some.sample(mine, min(len(mine), some.randint(1, 4))):
            found = world.get(object_id)
            assert found.type is not None
            argument = self.block.object(object_id, mutable=some.random() < 0.9)
            self.values.append((argument, self.type(found.type)))

    def type(self, tag: TypeTag) -> Type:
        return self.packages.type(self.world, tag)

    def pick(self, wanted: Type, *, taken: bool) -> tx.Argument:
        some = self.some
        if wanted.scalar and some.random() < 0.95:
            value = some.choice((ALICE, BOB)) if wanted == ADDRESS else u64(some.choice((0, 1, 2, 5, 10**9)))
            return self.block.pure(value)
        fitting = self.fitting(wanted, taken=taken) if some.random() < 0.97 else self.values
        if not fitting:
            return self.block.pure(b"\0")
        # The gas coin is always there.
        chosen = some.choice([one for one in fitting if one[0] != tx.GasCoin()] or fitting)
        if taken and some.random() < 0.95 and chosen[0] != tx.GasCoin():
            self.values.remove(chosen)
        return chosen[0]

    def fitting(self, wanted: Type, *, taken: bool) -> list[tuple[tx.Argument, Type]]:
        return [one for one in self.values if one[1] == wanted and not (taken and one[0] == tx.GasCoin())]

    def can(self, function: LinkedFunction, types: tuple[Type, ...]) -> bool:
        """Whether there is something for every parameter."""
        wanted = [substitute(one, types) for one in function.parameters if not str(one).endswith("TxContext")]
        return all(
            one.scalar or self.fitting(one.arguments[0] if one.reference else one, taken=not one.reference)
            for one in wanted
        )

    def step(self) -> None:
        some, number, coin = self.some, len(self.block.commands), self.type(COIN)
        match some.randrange(8):
            case 0:
                amounts = tuple(self.block.pure(u64(some.choice((0, 1, 7, 10**9)))) for _ in range(some.randint(1, 2)))
                self.block.command(tx.SplitCoins(self.pick(coin, taken=False), amounts))
                self.results(number, [coin] * len(amounts))
            case 1:
                target = self.pick(coin, taken=False)
                self.block.command(tx.MergeCoins(target, (self.pick(coin, taken=True),)))
            case 2:
                what = self.pick(some.choice(self.values)[1], taken=True)
                self.block.command(tx.TransferObjects((what,), self.to()))
            case 3:
                self.block.command(tx.MakeMoveVec(COIN, tuple(self.pick(coin, taken=True) for _ in range(2))))
                self.results(number, [vector(coin)])
            case _:
                for _ in range(20):
                    package, name, _, tags = some.choice(FUNCTIONS)
                    if some.random() < 0.02:
                        tags = tuple(some.choice(TYPES) for _ in tags)
                    module, name_ = name.split("::")
                    found = self.world.module(package, module).function(name_)
                    types = tuple(map(self.type, tags))
                    if self.can(found, types):
                        break
                arguments = []
                for one in found.parameters:
                    wanted = substitute(one.arguments[0] if one.reference else one, types)
                    if not str(wanted).endswith("TxContext"):
                        arguments.append(self.pick(wanted, taken=not one.reference))
                self.block.call(package, name, *arguments, types=tags)
                self.results(number, [substitute(one, types) for one in found.returns])

    def results(self, number: int, types: list[Type]) -> None:
        self.values.extend((tx.NestedResult(number, index), one) for index, one in enumerate(types))

    def to(self) -> tx.Argument:
        return self.block.pure(self.some.choice((ALICE, BOB)))

    def finish(self) -> Any:
        """Sends what is left."""
        for argument, type_ in list(self.values):
            if not isinstance(argument, tx.NestedResult):
                continue
            if str(type_) == "0x2::balance::Balance<0x2::sui::SUI>":
                argument = self.block.call(SUI, "coin::from_balance", argument, types=(SUI_TYPE,))
            elif type_ == vector(self.type(COIN)):
                self.block.call(SUI, "pay::join_vec", tx.GasCoin(), argument, types=(SUI_TYPE,))
                continue
            elif Ability.KEY not in abilities(type_):
                continue
            self.block.command(tx.TransferObjects((argument,), self.to()))
        return self.block


def random_block(world: LedgerWorld, some: random.Random, mine: list[bytes]) -> Any:
    writer = Writer(world, some, mine)
    for _ in range(some.randint(1, 7)):
        writer.step()
    return writer.finish() if some.random() < 0.95 else writer.block


def test_random_transactions_keep_what_belongs_to_others_and_all_sui() -> None:
    some = random.Random(11)
    world = LedgerWorld()
    total = FAUCET_COINS * FAUCET_MIST
    paid = world.paid
    seen: Counter[str] = Counter()
    used: Counter[str] = Counter()
    for _ in range(TRANSACTIONS):
        sender, other = some.sample((ALICE, BOB), 2)
        coins = [one for one in world.coins(sender) if balance(one) >= SMALL_BUDGET]
        if not coins:
            more = world.block()
            more.transfer(sender, *more.split(tx.GasCoin(), 10**11, 10**10))
            paid -= world.paid
            assert world.run(more, FAUCET).succeeded
            paid += world.paid
            coins = world.coins(sender)
        before = {one.object_id: one for one in world.store}
        mine = [
            id_
            for id_, one in before.items()
            if one.move is not None
            and (one.owner in (AddressOwner(sender), ImmutableOwner()) or isinstance(one.owner, SharedOwner))
            and id_ not in (CLOCK, coins[0].object_id)
        ]
        block = random_block(world, some, mine)
        try:
            outcome = world.ledger.execute(world.data(block, sender, coins=[coins[0]], budget=SMALL_BUDGET))
        except InputError as problem:
            seen[problem.check] += 1
            assert {one.object_id: one for one in world.store} == before
            continue
        world.consistent(outcome)
        paid += outcome.effects.gas_used.computation + outcome.effects.gas_used.non_refundable
        status = outcome.effects.status
        seen[status.kind.name if isinstance(status, Failure) else "SUCCESS"] += 1
        for command in block.commands if outcome.succeeded else ():
            used[type(command).__name__] += 1
        if isinstance(status, Failure):
            assert status.kind is not FailureKind.VM_INVARIANT_VIOLATION, outcome.reason
        for id_, one in before.items():
            if one.owner in (AddressOwner(other), ImmutableOwner()):
                assert world.store.get(id_) == one
        assert everything(world) + paid == total
        for owner in {one.owner for one in before.values() if isinstance(one.owner, AddressOwner | ObjectOwner)}:
            assert {one.object_id for one in world.store.owned(owner)} == {
                one.object_id for one in world.store if one.owner == owner
            }
    assert seen["SUCCESS"] > TRANSACTIONS // 20, seen
    assert len(seen) >= 8, seen
    assert set(used) == {"MoveCall", "SplitCoins", "MergeCoins", "TransferObjects", "MakeMoveVec"}


def test_changed_bytes_of_a_transaction_are_refused_or_run_to_effects() -> None:
    some = random.Random(12)
    world = LedgerWorld()
    block = world.block()
    coin = block.object(world.coins(ALICE)[-1].object_id)
    made = block.split(tx.GasCoin(), 5, 6)
    block.command(tx.MergeCoins(coin, (made[0],)))
    block.call(SUI, "transfer::public_transfer", made[1], block.pure(BOB), types=(COIN,))
    block.call(SUI, "clock::timestamp_ms", block.clock())
    block.command(tx.MakeMoveVec(Primitive.U8, (block.pure(b"\1"),)))
    encoded = tx.TRANSACTION_DATA.encode(world.data(block, ALICE))
    assert world.ledger.simulate(tx.TRANSACTION_DATA.decode(encoded)).succeeded
    seen: Counter[str] = Counter()
    for _ in range(TRANSACTIONS):
        changed = bytearray(encoded)
        for _ in range(some.randint(1, 3)):
            at = some.randrange(len(changed))
            match some.randrange(3):
                case 0:
                    changed[at] ^= 1 << some.randrange(8)
                case 1:
                    changed[at] = some.randrange(256)
                case _:
                    changed[at : at + some.randint(0, 2)] = some.randbytes(some.randint(0, 2))
        try:
            outcome = world.ledger.simulate(tx.TRANSACTION_DATA.decode(bytes(changed)))
        except (BcsError, InputError) as problem:
            seen[getattr(problem, "check", "bcs")] += 1
            continue
        seen["failed" if isinstance(outcome.effects.status, Failure) else "success"] += 1
    assert {"bcs", "success", "failed", "digest", "missing-object"} <= set(seen), seen

"""A ledger in memory, and transactions built as a client builds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

from daas_chain.sui import transaction as tx
from daas_chain.sui.effects import EFFECTS, EffectsV2, Existed, ObjectWrite
from daas_chain.sui.objects import MoveObject
from daas_chain.sui.types import ObjectRef, SharedOwner, TypeTag
from daas_localnet.ledger.execute import Epoch, Ledger
from daas_localnet.ledger.genesis import CLOCK, Genesis, genesis
from daas_localnet.ledger.objects import Stored
from daas_localnet.ledger.settle import Outcome
from daas_localnet.ledger.sqlite import SqliteStore
from daas_localnet.ledger.store import MemoryStore
from daas_protocol.bcs import encode_bytes, encode_uleb

from .move_world import address, built

FAUCET = address(0xFA)
ALICE, BOB = address(0xA11CE), address(0xB0B)
STD, SUI = address(1), address(2)
START_MS = 1_000_000_000_000
BUDGET = 10**10
PRICE = 1_000


@cache
def first_state() -> Genesis:
    return genesis(built(), FAUCET, START_MS)


def u64(value: int) -> bytes:
    return value.to_bytes(8, "little")


def strings(values: list[bytes]) -> bytes:
    """BCS of a vector of byte strings."""
    return encode_uleb(len(values)) + b"".join(map(encode_bytes, values))


def balance(one: Stored) -> int:
    assert isinstance(one.value.data, MoveObject)
    return int.from_bytes(one.value.data.contents[32:40], "little")


def supply(store: MemoryStore | SqliteStore) -> int:
    """MIST in coins, in balances inside of other objects that tests use, and in storage deposits."""
    total = 0
    for one in store:
        total += one.value.storage_rebate
        if one.type is not None and (one.type.module, one.type.name) == ("coin", "Coin"):
            total += balance(one)
    return total


@dataclass(slots=True)
class Block:
    """A programmable transaction in the making."""

    world: LedgerWorld
    inputs: list[tx.Input] = field(default_factory=list)
    commands: list[tx.Command] = field(default_factory=list)

    def add(self, one: tx.Input) -> tx.InputArgument:
        if one in self.inputs:
            return tx.InputArgument(self.inputs.index(one))
        self.inputs.append(one)
        return tx.InputArgument(len(self.inputs) - 1)

    def pure(self, value: bytes) -> tx.InputArgument:
        return self.add(tx.Pure(value))

    def object(self, object_id: bytes, *, mutable: bool = True) -> tx.InputArgument:
        found = self.world.get(object_id)
        if isinstance(found.owner, SharedOwner):
            how = tx.Mutability.MUTABLE if mutable else tx.Mutability.IMMUTABLE
            return self.add(tx.ObjectInput(tx.SharedInput(object_id, found.owner.initial_version, how)))
        return self.add(tx.ObjectInput(tx.OwnedInput(found.reference)))

    def clock(self) -> tx.InputArgument:
        return self.object(CLOCK, mutable=False)

    def command(self, one: tx.Command) -> tx.Result:
        self.commands.append(one)
        return tx.Result(len(self.commands) - 1)

    def call(self, package: bytes, name: str, *arguments: tx.Argument, types: tuple[TypeTag, ...] = ()) -> tx.Result:
        module, function = name.split("::")
        return self.command(tx.MoveCall(package, module, function, types, arguments))

    def split(self, coin: tx.Argument, *amounts: int) -> list[tx.NestedResult]:
        made = self.command(tx.SplitCoins(coin, tuple(self.pure(u64(one)) for one in amounts)))
        return [tx.NestedResult(made.command, index) for index in range(len(amounts))]

    def transfer(self, recipient: bytes, *objects: tx.Argument) -> None:
        self.command(tx.TransferObjects(objects, self.pure(recipient)))


class LedgerWorld:
    """The faucet has given ALICE and BOB coins."""

    def __init__(self, store: MemoryStore | SqliteStore | None = None) -> None:
        self.store = MemoryStore() if store is None else store
        self.store.commit(first_state().batch)
        self.ledger = Ledger(self.store, Epoch(timestamp_ms=START_MS))
        self.paid = 0
        block = self.block()
        for who in (ALICE, BOB):
            block.transfer(who, *block.split(tx.GasCoin(), *[100 * 10**9] * 5))
        assert self.run(block, FAUCET).succeeded

    def block(self) -> Block:
        return Block(self)

    def get(self, object_id: bytes) -> Stored:
        found = self.store.get(object_id)
        assert found is not None
        return found

    def coins(self, owner: bytes) -> list[Stored]:
        """Coins of SUI, richest first."""
        found = [
            one
            for one in self.store
            if getattr(one.owner, "address", None) == owner and str(one.type) == "0x2::coin::Coin<0x2::sui::SUI>"
        ]
        return sorted(found, key=lambda one: (-balance(one), one.object_id))

    def data(self, block: Block, sender: bytes, **gas: Any) -> tx.TransactionData:
        """`gas`: coins, owner, price, budget, expiration."""
        owner = gas.get("owner", sender)
        used = {
            one.argument.reference.object_id
            for one in block.inputs
            if isinstance(one, tx.ObjectInput) and isinstance(one.argument, tx.OwnedInput)
        }
        coins = gas.get("coins") or [one for one in self.coins(owner) if one.object_id not in used][:1]
        payment = tuple(one if isinstance(one, ObjectRef) else one.reference for one in coins)
        return tx.TransactionData(
            tx.Programmable(tuple(block.inputs), tuple(block.commands)),
            sender,
            tx.GasData(payment, owner, gas.get("price", PRICE), gas.get("budget", BUDGET)),
            gas.get("expiration", tx.NeverExpires()),
        )

    def run(self, block: Block, sender: bytes = ALICE, **gas: Any) -> Outcome:
        """Executes, and checks what must hold of every transaction."""
        before = supply(self.store)
        outcome = self.ledger.execute(self.data(block, sender, **gas))
        self.consistent(outcome)
        used = outcome.effects.gas_used
        self.paid += used.computation + used.non_refundable
        if not outcome.succeeded:
            assert supply(self.store) == before - used.computation - used.non_refundable
        return outcome

    def consistent(self, outcome: Outcome) -> None:
        """Effects are read by the chain's decoder, and say what is in the store."""
        encoded = EFFECTS.encode(outcome.effects)
        effects = EFFECTS.decode(encoded)
        assert effects == outcome.effects
        assert isinstance(effects, EffectsV2)
        ids = [object_id for object_id, _ in effects.changed_objects]
        assert ids == sorted(set(ids))
        for object_id, change in effects.changed_objects:
            found = self.store.get(object_id)
            if isinstance(change.after, ObjectWrite):
                assert found is not None
                assert (found.version, found.digest) == (effects.lamport_version, change.after.digest)
                assert found.value.previous_transaction == effects.transaction_digest
            elif found is not None:
                assert found.package is not None
            if isinstance(change.before, Existed):
                old = self.store.at(object_id, change.before.version)
                assert old is not None
                assert (old.digest, old.owner) == (change.before.digest, change.before.owner)

    def publish(self, modules: list[bytes], sender: bytes = ALICE, budget: int = BUDGET) -> tuple[bytes, Outcome]:
        """The package's id."""
        block = self.block()
        block.transfer(sender, block.command(tx.Publish(tuple(modules), (STD, SUI))))
        outcome = self.run(block, sender, budget=budget)
        assert outcome.succeeded, outcome.reason
        package = next(one.object_id for one in outcome.batch.written if one.package is not None)
        return package, outcome

    def created(self, outcome: Outcome, name: str) -> bytes:
        """The one object of a datatype that a transaction has created."""
        found = [
            one.object_id
            for one in outcome.batch.written
            if one.type is not None and one.type.name == name and self.store.at(one.object_id, one.version) == one
        ]
        assert len(found) == 1, found
        return found[0]

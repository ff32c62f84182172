"""Promises: whatever is executed, sealed and reopened in whatever order, a light client that knows the first committee
verifies all of it, and every acknowledged transaction is in it once.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_attestation.anchor import DevelopmentAnchor
from daas_chain.sui import transaction as tx
from daas_chain.sui.digests import Hashed, digest
from daas_chain.sui.effects import EffectsV2, IdOperation, NotExist
from daas_chain.sui.objects import MoveObject, MovePackage
from daas_chain.sui.status import Failure, Success
from daas_chain.sui.system_transaction import (
    ChangeEpoch,
    CommitPrologueV1,
    EndOfEpochTransaction,
    Genesis,
)
from daas_chain.sui.transaction import TRANSACTION_DATA
from daas_chain.sui.types import GasCost, SharedOwner
from daas_localnet.ledger.errors import ExpiredError, InputError
from daas_localnet.ledger.genesis import CLOCK
from daas_localnet.ledger.own import NOBODY, NOBODYS_SIGNATURE
from daas_localnet.ledger.signatures import SignatureError
from daas_localnet.ledger.store import Batch, MemoryStore
from daas_localnet.node import network as network_module
from daas_localnet.node.ahead import AheadStore
from daas_localnet.node.archive import Executed, Key
from daas_localnet.node.checkpoints import Certified
from daas_localnet.node.errors import ArchiveError, CommitFullError, SettingsError
from daas_localnet.node.network import Network
from support import localnet_world as world_module
from support.ledger_world import START_MS, SUI
from support.localnet_world import ALICE, FAUCET, SEED, Follower, NodeWorld, address, executed, sign
from support.move_world import built

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("transfer"), st.integers(1, 1000)),
        st.tuples(st.just("event"), st.just(0)),
        st.tuples(st.just("fail"), st.just(0)),
        st.tuples(st.just("refuse"), st.just(0)),
        st.tuples(st.just("again"), st.integers(0, 5)),
        st.tuples(st.just("simulate"), st.just(0)),
        st.tuples(st.just("seal"), st.just(0)),
        st.tuples(st.just("end"), st.just(0)),
        st.tuples(st.just("reopen"), st.just(0)),
        st.tuples(st.just("time"), st.integers(-500, 1_000)),
    ),
    max_size=14,
)


@pytest.fixture(scope="module", autouse=True)
def _warm() -> None:
    """The machine raises the interpreter's recursion limit once, which Hypothesis would complain about."""
    NodeWorld().send(NodeWorld().transfer(1))


class History:
    """A network in memory, and what it has acknowledged."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.now = START_MS
        self.acknowledged: list[Executed] = []
        self.heard: list[Certified] = []
        self.open()
        self.given: dict[bytes, tuple[tx.TransactionData, tuple[bytes, ...]]] = {}

    def open(self) -> None:
        self.world = NodeWorld(self.store, now_ms=self.now)
        self.network = self.world.network
        assert self.network.pending == 0
        self.network.listen(self.heard.append)

    def take(self, data: tx.TransactionData, signatures: tuple[bytes, ...]) -> Executed:
        before, waiting = self.network.time_ms, self.network.pending
        made = self.network.execute(data, signatures, self.now)
        # Time stands still within a commit, and whenever it would go back.
        assert self.network.time_ms == (before if waiting else max(before, self.now))
        assert self.network.pending == max(waiting, 1) + 1
        assert self.network.transaction(made.digest) == made
        assert made.checkpoint is None
        self.acknowledged.append(made)
        self.given[made.digest] = (data, signatures)
        return made

    def step(self, what: str, number: int) -> None:
        world, network = self.world, self.network
        match what:
            case "transfer":
                assert isinstance(self.take(*world.signed(world.transfer(number))).effects.status, Success)
            case "event":
                assert len(self.take(*world.signed(world.listing())).events) == 1
            case "fail":
                block = world.block()
                block.split(tx.GasCoin(), 2**64 - 1)
                made = self.take(*world.signed(block))
                assert isinstance(made.effects.status, Failure)
                assert made.reason
            case "refuse":
                waiting, time_ms = network.pending, network.time_ms
                data, signatures = world.signed(world.transfer(1), price=1)
                with pytest.raises(InputError):
                    network.execute(data, signatures, self.now + 10)
                with pytest.raises(SignatureError):
                    network.execute(data, (sign(data, ALICE),), self.now + 10)
                assert (network.pending, network.time_ms) == (waiting, time_ms)
            case "again" if self.acknowledged:
                self.again(self.acknowledged[-1 - number % len(self.acknowledged)])
            case "simulate":
                waiting, time_ms = network.pending, network.time_ms
                data, signatures = world.signed(world.transfer(3))
                tried = network.simulate(data, self.now)
                assert (network.pending, network.time_ms) == (waiting, time_ms)
                assert self.take(data, signatures).effects == tried.effects
            case "seal" | "end":
                network.seal(self.now, end_epoch=what == "end")
                assert self.heard[-1] == network.latest
                assert network.pending == 0
            case "reopen":
                self.open()
            case "time":
                self.now += number
            case _:
                pass

    def again(self, made: Executed) -> None:
        """The same transaction gives what it gave; signatures are looked at all the same."""
        data, signatures = self.given[made.digest]
        waiting = self.network.pending
        found = self.network.execute(data, signatures, self.now)
        assert replace(found, checkpoint=None, timestamp_ms=None) == made
        with pytest.raises(SignatureError):
            self.network.execute(data, (sign(data, ALICE),), self.now)
        assert self.network.pending == waiting


def total(paid: list[GasCost]) -> GasCost:
    return GasCost(
        sum(one.computation for one in paid),
        sum(one.storage for one in paid),
        sum(one.storage_rebate for one in paid),
        sum(one.non_refundable for one in paid),
    )


def check_whole(network: Network, acknowledged: list[bytes]) -> None:
    """Everything from genesis on, by a light client, and what light clients do not look at."""
    follower = Follower(network)
    found: list[bytes] = []
    gas: list[GasCost] = []
    epoch = 0
    while follower.next <= network.latest.number:
        one = network.checkpoint(follower.next)
        assert one is not None
        assert one.summary.epoch == epoch
        own = list(executed(network, one))
        kinds = [type(each.signed.data.kind) for each in own]
        ends = one.summary.end_of_epoch is not None
        first = [Genesis] if one.number == 0 else [CommitPrologueV1]
        last = [EndOfEpochTransaction] if ends else []
        users = kinds[1 : len(kinds) - ends]
        assert kinds == [*first, *[tx.Programmable] * len(users), *last]
        found += [each.digest for each in own if isinstance(each.signed.data.kind, tx.Programmable)]
        gas += [each.effects.gas_used for each in own]
        assert one.summary.epoch_gas == total(gas)
        prologue = own[0].signed.data.kind
        if isinstance(prologue, CommitPrologueV1):
            assert prologue == CommitPrologueV1(epoch, one.number, one.summary.timestamp_ms)
        if ends:
            check_end(network, one, own[-1], total(gas))
            epoch, gas = epoch + 1, []
        assert {each.signed.signatures for each in own if each.signed.data.sender == NOBODY} == {(NOBODYS_SIGNATURE,)}
        follower.follow(one)
    assert found == acknowledged
    info = network.epoch()
    assert info is not None
    assert (info.number, info.last_checkpoint, info.end_ms) == (epoch, None, None)
    assert network.ledger.epoch.number == epoch == follower.state.committee.epoch
    assert network.epoch(epoch + 1) is network.checkpoint(network.latest.number + 1) is None


def check_end(network: Network, one: Certified, last: Executed, paid: GasCost) -> None:
    number, time_ms = one.summary.epoch, one.summary.timestamp_ms
    before, after = network.epoch(number), network.epoch(number + 1)
    assert before is not None
    assert after is not None
    assert one.summary.end_of_epoch is not None
    assert one.summary.end_of_epoch.next_committee == after.committee.members != before.committee.members
    assert (before.last_checkpoint, before.end_ms) == (one.number, time_ms)
    assert (after.first_checkpoint, after.start_ms) == (one.number + 1, time_ms)
    kind = last.signed.data.kind
    assert isinstance(kind, EndOfEpochTransaction)
    change = kind.steps[0]
    assert isinstance(change, ChangeEpoch)
    assert (change.epoch, change.epoch_start_timestamp_ms) == (number + 1, time_ms)
    assert (
        GasCost(change.computation_charge, change.storage_charge, change.storage_rebate, change.non_refundable) == paid
    )
    assert last.effects.changed_objects == ()


@settings(max_examples=40)
@given(STEPS)
def test_any_history_is_verified_from_genesis_with_the_first_committee_alone(steps: list[tuple[str, int]]) -> None:
    history = History()
    for what, number in steps:
        history.step(what, number)
    history.network.seal(history.now)
    check_whole(history.network, [one.digest for one in history.acknowledged])
    numbers = [one.number for one in history.heard]
    assert numbers == sorted(set(numbers))


def test_genesis_is_a_transaction_that_created_everything_there_is() -> None:
    world = NodeWorld()
    network = world.network
    first = network.checkpoint(0)
    assert first == network.latest
    assert first is not None
    assert network.chain_id == first.digest == network.checkpoint_by_digest(first.digest).digest  # type: ignore[union-attr]
    assert first.contents.user_signatures == ((),)  # type: ignore[union-attr]
    assert (first.summary.previous_digest, first.summary.timestamp_ms) == (None, START_MS)
    made = network.transaction(first.contents.digests[0].transaction)
    assert made is not None
    assert isinstance(made.signed.data.kind, Genesis)
    assert digest(Hashed.TRANSACTION, TRANSACTION_DATA.encode(made.signed.data)) == made.digest
    changed = dict(made.effects.changed_objects)
    assert list(changed) == sorted({one.object_id for one in world.store})
    carried = {one.data.object_id: one for one in made.signed.data.kind.objects}
    for one in world.store:
        assert (one.version, one.value.previous_transaction, one.value.storage_rebate) == (1, made.digest, 0)
        change, given_object = changed[one.object_id], carried[one.object_id]
        assert (change.before, change.id_operation) == (NotExist(), IdOperation.CREATED)
        assert change.after.digest == one.digest  # type: ignore[union-attr]
        # Carried at version 0, and shared since version 0; packages as they are.
        if isinstance(given_object.data, MovePackage):
            assert given_object.data == one.value.data
        else:
            assert isinstance(one.value.data, MoveObject)
            assert replace(given_object.data, version=1) == one.value.data
            assert given_object.data.version == 0
    assert (carried[CLOCK].owner, world.get(CLOCK).owner) == (SharedOwner(0), SharedOwner(1))
    assert made.effects.lamport_version == 1


def test_the_same_settings_and_time_give_the_same_network_and_a_seed_another_one() -> None:
    one = Network.open(MemoryStore(), built(), world_module.settings(), START_MS)
    assert one.chain_id == NodeWorld().network.chain_id
    for other in (world_module.settings(seed=bytes(32)), world_module.settings(validators=5)):
        different = Network.open(MemoryStore(), built(), other, START_MS)
        # The genesis checkpoint itself says nothing about who certifies it.
        assert different.chain_id == one.chain_id
        assert different.epoch() != one.epoch()


def test_a_clock_that_jumped_back_stands_still_until_time_has_caught_up() -> None:
    world = NodeWorld()
    network = world.network
    assert network.seal(START_MS + 100).summary.timestamp_ms == START_MS + 100
    digests = set()
    for now_ms in (START_MS + 50, 0, -5):
        made = world.send(world.transfer(1), now_ms)
        assert network.seal(now_ms).summary.timestamp_ms == network.time_ms == START_MS + 100
        digests |= {made.digest, network.latest.digest, network.latest.contents.digests[0].transaction}
    assert len(digests) == 9
    assert network.seal(START_MS + 101).summary.timestamp_ms == START_MS + 101
    Follower(network).catch_up()


def test_a_transaction_sees_the_time_of_its_commit_also_when_it_is_only_tried() -> None:
    world = NodeWorld()
    block = world.block()
    block.call(SUI, "clock::timestamp_ms", block.clock())
    data, signatures = world.signed(block)
    tried = world.network.simulate(data, START_MS + 77)
    assert world.network.time_ms == START_MS
    made = world.network.execute(data, signatures, START_MS + 77)
    assert made.effects == tried.effects
    assert made.effects.unchanged_consensus[0][1].version == world.get(CLOCK).version == 2  # type: ignore[union-attr]
    assert world.network.object(CLOCK) == world.network.object(CLOCK, 2) != world.network.object(CLOCK, 1)
    stale = world.network.simulate(data, START_MS, checks=False)
    assert isinstance(stale.effects.status, Success)


def test_a_transaction_of_an_epoch_that_is_over_is_refused_and_one_executed_before_is_known() -> None:
    world = NodeWorld()
    given_data = world.signed(world.transfer(1), expiration=tx.ExpiresAfterEpoch(0))
    made = world.network.execute(*given_data, START_MS)
    world.network.seal(START_MS, end_epoch=True)
    late = world.signed(world.transfer(1), expiration=tx.ExpiresAfterEpoch(0))
    with pytest.raises(ExpiredError):
        world.network.execute(*late, START_MS)
    again = world.network.execute(*given_data, START_MS)
    assert (again.digest, again.checkpoint) == (made.digest, 1)
    in_time = world.send(world.transfer(1), expiration=tx.ExpiresAfterEpoch(1))
    assert in_time.effects.executed_epoch == 1


def test_whether_an_epoch_is_over_is_a_matter_of_its_length() -> None:
    world = NodeWorld(given=world_module.settings(epoch_ms=1_000))
    network = world.network
    assert not network.epoch_is_over(START_MS + 999)
    assert network.epoch_is_over(START_MS + 1_000)
    network.seal(START_MS + 1_500, end_epoch=True)
    # Neither a clock that was set back nor the time of the last epoch makes it shorter or longer.
    assert not network.epoch_is_over(START_MS + 2_499)
    assert network.epoch_is_over(START_MS + 2_500)
    network.seal(START_MS + 2_600)
    assert network.epoch_is_over(0)
    assert not NodeWorld().network.epoch_is_over(2**62)


def test_listeners_hear_every_checkpoint_once_it_is_there_and_do_not_disturb_each_other() -> None:
    network = NodeWorld().network
    heard: list[tuple[str, int]] = []

    def broken(one: Certified) -> None:
        assert network.checkpoint(one.number) == network.latest == one
        raise RuntimeError(f"listener {one.number}")

    def listener(one: Certified) -> None:
        heard.append(("first", one.number))

    undo = network.listen(listener)
    stop = network.listen(broken)
    network.listen(lambda one: heard.append(("last", one.number)))
    undo_twice = network.listen(listener)
    undo_twice()
    undo_twice()
    with pytest.raises(RuntimeError, match="listener 1"):
        network.seal(START_MS)
    stop()
    network.seal(START_MS)
    undo()
    network.seal(START_MS)
    assert heard == [("first", 1), ("last", 1), ("first", 2), ("last", 2), ("last", 3)]
    Follower(network).catch_up()


def test_no_more_wait_than_a_checkpoint_may_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_module, "TRANSACTIONS_MAX", 5)
    world = NodeWorld()
    for _ in range(3):
        world.send(world.transfer(1))
    with pytest.raises(CommitFullError):
        world.send(world.transfer(1))
    assert len(world.network.seal(START_MS, end_epoch=True).contents.digests) == 5
    world.send(world.transfer(1))


def test_a_network_is_opened_with_its_settings_or_not_at_all() -> None:
    world = NodeWorld()
    same = world_module.settings()
    for changed, name in (
        (replace(same, seed=bytes(32)), "committee seed"),
        (replace(same, validators=5), "validators"),
        (replace(same, faucet=bytes(32)), "faucet"),
        (replace(same, nitro_anchor=DevelopmentAnchor(b"root")), "nitro root"),
        (replace(same, reference_gas_price=999), "reference gas price"),
    ):
        with pytest.raises(SettingsError, match=name) as raised:
            Network.open(world.store, built(), changed, START_MS)
        assert SEED.hex() not in str(raised.value)
        assert repr(SEED) not in str(raised.value)
    chain = world.network.chain_id
    for allowed in (replace(same, seed=None), replace(same, epoch_ms=5)):
        assert Network.open(world.store, built(), allowed, START_MS).chain_id == chain
    with pytest.raises(SettingsError, match="for a new network"):
        Network.open(MemoryStore(), built(), replace(same, seed=None), START_MS)
    for bad in ({"seed": bytes(31)}, {"faucet": b""}, {"reference_gas_price": 0}, {"epoch_ms": 0}):
        with pytest.raises(SettingsError):
            replace(same, **bad)  # type: ignore[arg-type]
    for validators in (0, 101):
        with pytest.raises(SettingsError, match="validators"):
            Network.open(MemoryStore(), built(), replace(same, validators=validators), START_MS)


def test_records_that_contradict_each_other_are_refused() -> None:
    def damaged(key: bytes, value: bytes | None) -> MemoryStore:
        world = NodeWorld()
        world.send(world.transfer(1))
        world.network.seal(START_MS)
        world.send(world.transfer(1))
        records = world.store._records
        assert key in records
        if value is None:
            del records[key]
        else:
            records[key] = value
        return world.store

    other = NodeWorld(given=world_module.settings(seed=bytes(32))).store._records
    for key, value in (
        (Key.EPOCH.at(0), None),
        (Key.EPOCH.at(0), other[Key.EPOCH.at(0)]),
        (Key.EPOCH.at(0), b"\1"),
        (Key.CHECKPOINT.at(0), None),
        (Key.CONTENTS.at(1), None),
        (Key.ORDER.at(1), None),
        (Key.ORDER.at(3), other[Key.ORDER.at(0)]),
        (Key.SETTINGS.value, b"\2" + other[Key.SETTINGS.value]),
    ):
        store = damaged(key, value)
        with pytest.raises(ArchiveError):
            NodeWorld(store)


def test_what_is_only_tried_is_tried_on_everything_as_it_is_but_the_clock() -> None:
    world = NodeWorld()
    later = NodeWorld().network.ledger.tick(1, START_MS + 9).batch.written
    ahead = AheadStore(world.store, later)
    assert ahead.get(CLOCK) == ahead.at(CLOCK, 2) == later[0]
    assert ahead.at(CLOCK, 1) == world.store.get(CLOCK)
    coin = world.coins(address(FAUCET))[0]
    assert (ahead.get(coin.object_id), ahead.owned(coin.owner)) == (coin, world.store.owned(coin.owner))  # type: ignore[arg-type]
    assert ahead.record(Key.SETTINGS.value) == world.store.record(Key.SETTINGS.value)
    with pytest.raises(TypeError):
        ahead.commit(Batch(later))


def test_a_network_shows_no_secret() -> None:
    network = NodeWorld().network
    shown = repr(vars(network)) + repr(network)
    assert "KeySource" in shown
    for form in (SEED.hex(), repr(SEED)[2:-1]):
        assert form not in shown


def test_effects_of_the_network_itself_are_read_back_as_they_were() -> None:
    world = NodeWorld()
    world.network.seal(START_MS + 5, end_epoch=True)
    for one in executed(world.network, world.network.latest):
        assert isinstance(one.effects, EffectsV2)
        assert one.effects.gas_used == GasCost(0, 0, 0, 0)
        assert one.effects.gas_object_index is None
    assert world.network.transaction(bytes(32)) is None
    assert world.network.checkpoint_by_digest(bytes(32)) is None
    assert world.coins(address(FAUCET))

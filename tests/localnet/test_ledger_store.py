"""Promises: a ledger in a file is the same ledger; a batch is there whole or not at all, whenever the process dies."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from daas_chain.sui import transaction as tx
from daas_chain.sui.effects import EFFECTS
from daas_chain.sui.system_transaction import CommitPrologueV1
from daas_chain.sui.transaction import TRANSACTION_DATA
from daas_chain.sui.types import AddressOwner, ObjectOwner, StructTag
from daas_localnet.ledger import packages, sqlite
from daas_localnet.ledger.execute import Ledger
from daas_localnet.ledger.genesis import CLOCK
from daas_localnet.ledger.sqlite import SqliteStore
from daas_localnet.ledger.store import Batch, MemoryStore, StaleVersionError
from daas_localnet.ledger.system import ClockError, prologue_data, time_of
from daas_protocol.bcs import encode_bytes
from support.ledger_world import ALICE, BOB, START_MS, SUI, LedgerWorld, balance, first_state
from support.move_world import address, built

WRITER = """
import sys
from pathlib import Path
from daas_chain.sui.objects import GasCoinType, MoveObject, Object
from daas_chain.sui.types import AddressOwner
from daas_localnet.ledger.objects import stored
from daas_localnet.ledger.sqlite import SqliteStore
from daas_localnet.ledger.store import Batch

store = SqliteStore(Path(sys.argv[1]))
ids = [bytes([number]) * 32 for number in range(1, 5)]
first = store.get(ids[0])
number = 1 if first is None else first.version + 1
while True:
    written = [
        stored(Object(MoveObject(GasCoinType(), True, number, one + number.to_bytes(8, "little")), AddressOwner(one),
                      bytes(32), 0))
        for one in ids
    ]
    key = number.to_bytes(8, "big")
    store.commit(Batch(tuple(written), (), ((key, key),)))
    print(number, flush=True)
    number += 1
"""


def test_a_ledger_in_a_file_does_what_one_in_memory_does(tmp_path: Path) -> None:
    world = LedgerWorld()
    store = SqliteStore(tmp_path / "ledger")
    store.commit(first_state().batch)
    for one in world.store:
        if one.version > 1:
            store.commit(Batch((one,)))
    ledger = Ledger(store, world.ledger.epoch)
    for amount in range(1, 4):
        block = world.block()
        block.transfer(BOB, *block.split(tx.GasCoin(), amount))
        data = world.data(block, ALICE)
        assert ledger.execute(data) == world.ledger.execute(data)
    store.close()
    again = SqliteStore(tmp_path / "ledger")
    assert sorted(again, key=lambda one: one.object_id) == sorted(world.store, key=lambda one: one.object_id)
    owners = {one.owner for one in world.store if isinstance(one.owner, AddressOwner)}
    assert {AddressOwner(ALICE), AddressOwner(BOB)} <= owners
    for owner in owners:
        expected = sorted((one for one in world.store if one.owner == owner), key=lambda one: one.object_id)
        assert again.owned(owner) == world.store.owned(owner) == tuple(expected)
        for index in (0, len(expected) // 2, len(expected) - 1):
            start = expected[index].object_id
            for store in (again, world.store):
                assert tuple(store.owned_from(owner, start)) == tuple(expected[index:])
                assert tuple(store.owned_from(owner, start + b"\0")) == tuple(expected[index + 1 :])
    assert again.owned(ObjectOwner(CLOCK)) == world.store.owned(ObjectOwner(CLOCK)) == ()
    for one in world.store:
        assert again.get(one.object_id) == one
        assert again.at(one.object_id, one.version) == world.store.at(one.object_id, one.version)


def test_a_batch_is_taken_whole_or_not_at_all(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "ledger")
    state = first_state()
    store.commit(replace(state.batch, records=((b"key", b"value"),)))
    assert (store.record(b"key"), store.record(b"other")) == (b"value", None)
    coin = state.coins[0]
    with pytest.raises(StaleVersionError):
        store.commit(Batch((coin,), (CLOCK,)))
    assert store.get(CLOCK) == state.clock
    # What the database refuses undoes what it had taken.
    newer = replace(coin, value=replace(coin.value, data=replace(coin.value.data, version=9)))
    with pytest.raises(Exception, match="UNIQUE"):
        store.commit(Batch((newer,), (CLOCK,), ((b"key", b"again"),)))
    assert (store.get(CLOCK), store.get(coin.object_id)) == (state.clock, coin)
    assert store.record(b"key") == b"value"


def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    acknowledged = 0
    for turn in range(5):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(20 + turn):
                acknowledged = int(process.stdout.readline())
            process.send_signal(signal.SIGKILL)
            acknowledged = max([acknowledged, *(int(line) for line in process.stdout.read().split("\n") if line)])
        store = SqliteStore(path)
        found = [store.get(bytes([number]) * 32) for number in range(1, 5)]
        versions = {one.version for one in found if one is not None}
        assert len(versions) == 1
        assert versions.pop() >= acknowledged
        assert all(one is not None and balance(one) == one.version for one in found)
        for number in range(1, acknowledged + 1):
            assert store.record(number.to_bytes(8, "big")) is not None
        store.close()


def test_the_clock_goes_on_by_a_transaction_of_the_network(tmp_path: Path) -> None:
    world = LedgerWorld()
    before = world.get(CLOCK)
    outcome = world.ledger.tick(1, START_MS + 200)
    world.consistent(outcome)
    after = world.get(CLOCK)
    assert (time_of(before), time_of(after)) == (START_MS, START_MS + 200)
    assert (after.version, after.owner) == (before.version + 1, before.owner)
    assert EFFECTS.decode(EFFECTS.encode(outcome.effects)) == outcome.effects
    assert outcome.effects.gas_object_index is None
    data = prologue_data(0, 1, START_MS + 200)
    assert TRANSACTION_DATA.decode(TRANSACTION_DATA.encode(data)) == data
    assert isinstance(data.kind, CommitPrologueV1)
    with pytest.raises(ClockError):
        world.ledger.tick(2, START_MS + 199)
    assert world.get(CLOCK) == after
    # A transaction sees the new time, and its version is after the clock's.
    block = world.block()
    block.call(SUI, "clock::timestamp_ms", block.clock())
    outcome = world.run(block)
    assert outcome.succeeded
    assert outcome.effects.lamport_version > after.version
    assert world.store.get(address(7)) is None


def test_what_is_kept_in_memory_is_bounded_and_decides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def effects(store: SqliteStore | MemoryStore) -> list[bytes]:
        world = LedgerWorld(store)
        package, outcome = world.publish([one.bytecode for one in built().package.modules][:3])
        found = [EFFECTS.encode(outcome.effects)]
        for number in range(5):
            block = world.block()
            pcr = block.call(package, "pcr::new", block.pure(bytes([number])), block.pure(encode_bytes(bytes(48))))
            block.command(tx.MakeMoveVec(StructTag(package, "pcr", "Pcr"), (pcr,)))
            block.transfer(BOB, *block.split(tx.GasCoin(), *range(1, 5)))
            outcome = world.run(block)
            assert outcome.succeeded, outcome.reason
            found.append(EFFECTS.encode(outcome.effects))
        return found

    expected = effects(MemoryStore())
    for module, name, value in (
        (sqlite, "CACHED", 4),
        (sqlite, "CACHED_BYTES", 100),
        (packages, "PACKAGES_KEPT", 1),
        (packages, "TYPES_KEPT", 1),
        (packages, "WORLDS_KEPT", 1),
    ):
        monkeypatch.setattr(module, name, value)
    store = SqliteStore(tmp_path / "ledger")
    assert effects(store) == expected
    assert len(store._cache) <= 4
    assert store._cached_bytes == sum(len(one.move.contents) for one in store._cache.values() if one.move) <= 100
    store.close()

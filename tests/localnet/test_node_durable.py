"""Promises: what was acknowledged is there after the process is killed at any place, and in one checkpoint; what failed
to be written is not there at all, and does not stop what comes after it.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from daas_chain.sui import transaction as tx
from daas_chain.sui.digests import Hashed, digest
from daas_localnet.ledger.sqlite import SqliteStore
from daas_localnet.ledger.store import Batch, MemoryStore
from daas_localnet.node.archive import Archive
from daas_localnet.node.network import Network
from support.ledger_world import START_MS
from support.localnet_world import Follower, NodeWorld, founded, settings
from support.move_world import built

# One process for all cases: it forks at the beginning of each, so nothing is loaded twice. `place`: when everything of
# a commit is written but the last word, or when it is done and nobody was told. Nothing waits for the disk: what a
# killed process has written is the kernel's, and a loss of power is not what is tried here.
KILLED = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = sys.argv[2].split(os.pathsep)
from daas_localnet.ledger.sqlite import SqliteStore
from support.localnet_world import NodeWorld, founded
from support.ledger_world import START_MS

def die():
    os.kill(os.getpid(), signal.SIGKILL)

class Database:
    def __init__(self, real):
        self.real, self.armed = real, False
    def __getattr__(self, name):
        return getattr(self.real, name)
    def execute(self, text, *given):
        if self.armed and text == "COMMIT":
            die()
        return self.real.execute(text, *given)

class Store(SqliteStore):
    left, place = -1, ""
    def commit(self, batch):
        self.left -= 1
        self._database.armed = self.left == 0 and self.place == "inside"
        super().commit(batch)
        if self.left == 0:
            die()

def scenario(path, left, place):
    store = Store(path)
    store._database.execute("PRAGMA synchronous = OFF")
    store._database = Database(store._database)
    store.left, store.place = left, place
    log = os.open(str(path) + ".log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    def say(*words):
        os.write(log, (" ".join(words) + "\\n").encode())
    world = NodeWorld(store)
    network = world.network
    say("opened", network.chain_id.hex())
    for round_ in range(2):
        for _ in range(2 - round_):
            say("executed", world.send(world.transfer(1), START_MS + round_).digest.hex())
        say("sealed", network.seal(START_MS + 1, end_epoch=round_ == 0).digest.hex())
    say("sealed", network.seal(START_MS + 5).digest.hex())
    say("end")

founded()
folder = Path(sys.argv[1])
for left in range(1, 11):
    for place in ("inside", "after"):
        if os.fork() == 0:
            scenario(folder / f"{left}-{place}", left, place)
            os._exit(0)
    for _ in range(2):
        os.wait()
"""
# Runs until it is killed, and says what it has acknowledged.
LOADED = """
import os, sys
from pathlib import Path
sys.path[:0] = sys.argv[2].split(os.pathsep)
from daas_localnet.ledger.sqlite import SqliteStore
from support.localnet_world import NodeWorld
from support.ledger_world import START_MS

world = NodeWorld(SqliteStore(Path(sys.argv[1])))
print("opened", world.network.chain_id.hex(), flush=True)
number = 0
while True:
    number += 1
    print("executed", world.send(world.transfer(1), START_MS + number).digest.hex(), flush=True)
    if number % 3 == 0:
        print("sealed", world.network.seal(START_MS + number, end_epoch=number % 2 == 0).digest.hex(), flush=True)
"""


def check_reopened(path: Path, acknowledged: list[list[str]], kills: int = 1) -> None:
    """Everything acknowledged is there, in the order in which it was, once; and the network goes on."""
    store = SqliteStore(path)
    world = NodeWorld(store, now_ms=START_MS + 100)
    network = world.network
    assert network.pending == 0
    made = world.send(world.transfer(1), START_MS + 200)
    network.seal(START_MS + 200, end_epoch=True)
    follower = Follower(network)
    follower.catch_up()
    found = [one.digest.hex() for one in follower.transactions]
    assert len(found) == len(set(found)) == network.latest.summary.network_total_transactions
    assert found[-2] == made.digest.hex()
    executed = [words[1] for words in acknowledged if words[0] == "executed"]
    positions = [found.index(one) for one in executed]
    assert positions == sorted(positions)
    for words in acknowledged:
        if words[0] == "sealed":
            assert network.checkpoint_by_digest(bytes.fromhex(words[1])) is not None
        if words[0] == "opened":
            assert network.chain_id.hex() == words[1]
    # At most one for each kill that was not acknowledged was executed: the one that was under way.
    own = 1 + network.latest.number + network.ledger.epoch.number
    assert len(executed) <= len(found) - own - 1 <= len(executed) + kills
    store.close()


def lines(text: str) -> list[list[str]]:
    return [line.split() for line in text.split("\n") if line]


def test_a_process_killed_between_any_two_parts_loses_nothing_it_has_acknowledged(tmp_path: Path) -> None:
    founded()
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), os.pathsep.join(sys.path)], check=True, timeout=120)
    ends = 0
    said = set()
    for left in range(1, 11):
        for place in ("inside", "after"):
            path = tmp_path / f"{left}-{place}"
            log = path.with_name(path.name + ".log")
            acknowledged = lines(log.read_text())
            said.add(len(acknowledged))
            ends += acknowledged[-1:] == [["end"]]
            if not path.exists() or not acknowledged:
                assert left == 1
            check_reopened(path, [words for words in acknowledged if words != ["end"]])
    # Each of the scenario's nine commits was the last one of some process; there is no tenth to be killed at.
    assert said == {*range(7), 8}
    assert ends == 2


@pytest.mark.parametrize("kills", [1, pytest.param(20, marks=pytest.mark.e2e)])
def test_a_process_killed_under_load_at_any_moment_loses_nothing_it_has_acknowledged(
    tmp_path: Path, kills: int
) -> None:
    path = tmp_path / "ledger"
    acknowledged: list[list[str]] = []
    given = [sys.executable, "-c", LOADED, str(path), os.pathsep.join(sys.path)]
    for turn in range(kills):
        with subprocess.Popen(given, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            acknowledged += [process.stdout.readline().split() for _ in range(20 + 3 * turn)]
            process.send_signal(signal.SIGKILL)
            acknowledged += [line.split() for line in process.stdout.read().split("\n")[:-1]]
    check_reopened(path, acknowledged, kills)


def test_a_full_disk_leaves_nothing_half_written_and_the_network_goes_on_when_there_is_room(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "ledger")
    world = NodeWorld(store)
    network = world.network
    database = store._database
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    failed = {"execute": 0, "seal": 0}
    acknowledged = []
    for number in range(30):
        # So little room that each of the steps fails now and then, also between the prologue and its transaction.
        database.execute(f"PRAGMA max_page_count = {pages + number // 4}")
        data, signatures = world.signed(world.transfer(1))
        before = (network.latest, network.pending, network.time_ms, list(store))
        try:
            acknowledged.append(network.execute(data, signatures, START_MS + number).digest)
        except sqlite3.OperationalError:
            failed["execute"] += 1
            assert network.latest == before[0]
            assert network.pending in (before[1], 1)
            if network.pending == before[1]:
                assert (network.time_ms, list(store)) == before[2:]
            assert network.transaction(tx_digest(data)) is None
        if number % 3 == 2:
            before = (network.latest, network.pending, network.time_ms, list(store))
            try:
                network.seal(START_MS + number)
            except sqlite3.OperationalError:
                failed["seal"] += 1
                assert (network.latest, network.pending, network.time_ms, list(store)) == before
    assert min(failed.values()) > 0
    database.execute("PRAGMA max_page_count = 1000000")
    acknowledged.append(world.send(world.transfer(1)).digest)
    network.seal(START_MS + 100, end_epoch=True)
    follower = Follower(network)
    follower.catch_up()
    users = [one.digest for one in follower.transactions]
    assert [one for one in users if one in acknowledged] == acknowledged
    store.close()
    again = SqliteStore(tmp_path / "ledger")
    assert NodeWorld(again).network.latest == network.latest
    again.close()


def tx_digest(data: tx.TransactionData) -> bytes:
    return digest(Hashed.TRANSACTION, tx.TRANSACTION_DATA.encode(data))


class Failing(MemoryStore):
    """Refuses every commit that it is told to."""

    failing = False

    def commit(self, batch: Batch) -> None:
        if self.failing:
            raise OSError("no space left")
        super().commit(batch)


def test_a_network_that_could_not_be_founded_is_not_there() -> None:
    store = Failing()
    store.failing = True
    with pytest.raises(OSError, match="no space"):
        Network.open(store, built(), settings(), START_MS)
    assert not Network.stored_in(store)
    assert list(store) == []
    store.failing = False
    network = Network.open(store, built(), settings(), START_MS)
    store.failing = True
    heard: list[object] = []
    network.listen(heard.append)
    with pytest.raises(OSError, match="no space"):
        network.seal(START_MS + 1, end_epoch=True)
    assert (heard, network.latest.number, network.ledger.epoch.number) == ([], 0, 0)
    store.failing = False
    network.seal(START_MS + 1, end_epoch=True)
    assert Follower(network).catch_up() == 2


def test_nobody_else_may_read_the_file_with_the_seed(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    before = os.umask(0)
    try:
        store = SqliteStore(path)
        NodeWorld(store)
        modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert "ledger-wal" in modes
    assert set(modes.values()) == {0o600}
    assert Archive(store).settings().seed in path.with_name("ledger-wal").read_bytes()  # type: ignore[union-attr]
    store.close()
    path.chmod(0o644)
    SqliteStore(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

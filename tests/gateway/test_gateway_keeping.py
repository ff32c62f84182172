"""Receipts that were verified are kept, whole, and can be judged again by anyone from bytes alone."""

from __future__ import annotations

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_attestation.anchor import AwsAnchor, DevelopmentAnchor
from daas_attestation.measurements import load
from daas_gateway.bundle import Bundle, BundleInvalid, Outcome, export_bundle, parse_bundle, verify_bundle
from daas_gateway.receipts import ReceiptMissing, bundle_of, get_receipt, list_receipts, receipt_text
from daas_gateway.sequences import REMEMBERED, SequenceLedger
from daas_gateway.store import DAY_MS, KeptReceipt, ReceiptStore, Retention, StoreClosed, StoreUnusable, open_store
from support.enclave_double import Answer, World


def kept(sequence: int, *, leaf: bytes = b"l" * 32, at: int = 1_000, boot: bytes = b"b" * 16) -> KeptReceipt:
    blob = sequence.to_bytes(8, "big") * 40
    return KeptReceipt(
        at,
        boot,
        sequence,
        0,
        at,
        "GET",
        f"/api/{sequence}",
        200,
        b"d" * 32,
        b"e" * 32,
        2,
        None,
        leaf,
        blob,
        blob,
        b"k",
        None,
    )


# ---- the store


def test_what_is_put_is_on_disk_after_a_flush(tmp_path: Path) -> None:
    store = ReceiptStore(tmp_path / "r.db", Retention(), lambda: 1_000)
    for sequence in range(5000):
        store.put(kept(sequence))
    assert store.flush()
    assert len(list_receipts(tmp_path / "r.db", limit=10_000)) == 5000
    store.close()
    with pytest.raises(StoreClosed):
        store.put(kept(1))
    assert (tmp_path / "r.db").stat().st_mode & 0o077 == 0


def test_a_file_that_somebody_holds_delays_receipts_and_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daas_gateway.store.BUSY_SECONDS", 0.05)
    path = tmp_path / "r.db"
    store = ReceiptStore(path, Retention(), lambda: 1_000)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    for sequence in range(3000):
        store.put(kept(sequence))
    assert not store.flush(0.5), "nothing can be written while the file is held"
    holder.execute("ROLLBACK")
    holder.close()
    assert store.flush(60)
    assert [item.receipt.sequence for item in list_receipts(path, limit=10_000)] == list(range(2999, -1, -1))
    store.close()


def test_a_file_that_is_held_for_good_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daas_gateway.store.BUSY_SECONDS", 0.01)
    monkeypatch.setattr("daas_gateway.store.BUSY_TRIES", 2)
    failures: list[BaseException] = []
    path = tmp_path / "r.db"
    store = ReceiptStore(path, Retention(), lambda: 1_000, on_failure=failures.append)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    store.put(kept(1))
    assert not store.flush(60)
    assert [type(failure) for failure in failures] == [sqlite3.OperationalError]
    with pytest.raises(StoreClosed, match="locked"):
        store.put(kept(2))
    holder.close()


def test_rows_past_their_days_or_number_are_deleted_and_evidence_stays(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    store = ReceiptStore(path, Retention(days=0, max_rows=0), lambda: 1_000)
    for sequence in range(20):
        store.put(kept(sequence, at=1_000 if sequence < 10 else 2 * DAY_MS))
    store.put(kept(3, leaf=b"x" * 32))
    store.close()
    store = ReceiptStore(path, Retention(days=1, max_rows=7), lambda: 2 * DAY_MS + 1)
    store.put(kept(100, at=2 * DAY_MS))
    store.flush()
    store.close()
    sequences = [item.receipt.sequence for item in list_receipts(path)]
    assert sequences[0] == 100
    assert 1 < len(sequences) <= 7
    assert sequences[1:] == list(range(19, 20 - len(sequences), -1))
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT count(*) FROM evidence").fetchone() == (1,)


def test_a_second_content_under_one_sequence_is_evidence_and_the_same_content_is_not(tmp_path: Path) -> None:
    found: list[int] = []
    store = ReceiptStore(tmp_path / "r.db", Retention(), lambda: 1, lambda item: found.append(item.sequence))
    for item in (kept(1), kept(1), kept(2), kept(2, leaf=b"x" * 32), kept(2, boot=b"c" * 16)):
        store.put(item)
    store.close()
    assert found == [2]
    assert len(list_receipts(tmp_path / "r.db")) == 3


_WRITER = """
import sys
from pathlib import Path
sys.path[:0] = [{tests!r}]
from daas_gateway.store import ReceiptStore, Retention
from importlib import util
spec = util.spec_from_file_location("keeping", {here!r})
keeping = util.module_from_spec(spec)
spec.loader.exec_module(keeping)
store = ReceiptStore(Path({path!r}), Retention(), lambda: 1000)
sequence = 1
store.put(keeping.kept(0))
assert store.flush(60)
print("ready", flush=True)
while True:
    while store.crowded:
        pass
    store.put(keeping.kept(sequence))
    sequence += 1
"""


@pytest.mark.parametrize("after", [0.1, 0.37])
def test_a_kill_at_any_moment_leaves_whole_rows_only(tmp_path: Path, after: float) -> None:
    path = tmp_path / "r.db"
    script = _WRITER.format(tests=str(Path(__file__).parents[1]), here=__file__, path=str(path))
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(after)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    with open_store(path) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
    rows = list_receipts(path, limit=10_000)
    assert rows
    for item in rows:
        assert item.receipt == kept(item.receipt.sequence)
    newest = rows[0].receipt.sequence
    assert [item.receipt.sequence for item in reversed(rows)] == list(range(newest - len(rows) + 1, newest + 1))
    store = ReceiptStore(path, Retention(), lambda: 1)
    store.put(kept(10**9))
    assert store.flush()
    store.close()


def test_another_file_is_not_taken_for_a_store(tmp_path: Path) -> None:
    (tmp_path / "r.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreUnusable):
        open_store(tmp_path / "r.db")
    with pytest.raises(FileNotFoundError, match="first request"):
        list_receipts(tmp_path / "none.db")


async def test_a_store_that_fails_stops_answers(world: World, start) -> None:
    gateway, client = await start()
    assert (await client.get("/api")).status == 200
    gateway.store.close()
    reply = await client.get("/api")
    assert (reply.status, reply.reason) == (503, "StoreUnavailable")


def test_the_ledger_finds_repeats_within_its_memory() -> None:
    from daas_gateway.errors import EquivocationFound, SequenceReplayed

    ledger = SequenceLedger()
    for sequence in range(REMEMBERED):
        ledger.note(sequence, b"a")
    with pytest.raises(SequenceReplayed):
        ledger.note(REMEMBERED - 1, b"a")
    with pytest.raises(EquivocationFound):
        ledger.note(REMEMBERED // 2 + 1, b"b")


# ---- what is kept of real requests


async def test_kept_receipts_verify_from_their_bundle_alone(world: World, start, config) -> None:
    gateway, client = await start(keep_bodies=True)
    world.double.answers["/big"] = Answer(frames=[b"one", b"two", b""])
    await client.ask("POST", "/api/v1/pods?dryRun=All", b"{}", {"Content-Type": "application/json"})
    await client.get("/big")
    gateway.store.flush()
    anchor = DevelopmentAnchor.from_pem((world.ca_folder / "root.pem").read_bytes())
    policies = load(world.folder / "measurements.json")
    rows = list_receipts(config.receipts_db)
    assert [row.receipt.frame for row in rows] == [2, 1, 0, None, None]
    for row in rows:
        bundle = parse_bundle(export_bundle(bundle_of(config.receipts_db, row.id)))
        verified = verify_bundle(bundle, anchor=anchor, measurements=policies, public_key=world.double.public_key)
        assert verified.accepted, verified.checks
        assert verified.anchor == "simulated"
        assert not verify_bundle(bundle, anchor=AwsAnchor()).accepted
        assert not verify_bundle(bundle, anchor=anchor, measurements=()).accepted
        assert not verify_bundle(bundle).accepted, "without a key nothing is accepted"
        assert verify_bundle(bundle, public_key=world.double.public_key).accepted
        assert not verify_bundle(bundle, public_key=os.urandom(32)).accepted
        assert not verify_bundle(replace(bundle, body=b"other"), public_key=world.double.public_key).accepted
        digest = hashlib.sha256(bundle.body or b"").digest()
        assert verify_bundle(
            replace(bundle, body=None), public_key=world.double.public_key, body_sha256=digest
        ).accepted
        alone = parse_bundle(receipt_text(row.receipt.message).encode())
        assert verify_bundle(alone, public_key=world.double.public_key).accepted
    with pytest.raises(ReceiptMissing):
        get_receipt(config.receipts_db, 10**6)
    shown = list_receipts(config.receipts_db, method="post", target="dryRun", status=200)
    assert [item.receipt.target for item in shown] == ["/api/v1/pods?dryRun=All"]
    assert all(item.receipt.body is not None for item in rows)


async def test_bodies_are_kept_on_request_only(world: World, start, config) -> None:
    gateway, client = await start()
    await client.get("/api")
    gateway.store.flush()
    bundle = bundle_of(config.receipts_db, 1)
    assert bundle.body is None
    verified = verify_bundle(bundle, public_key=world.double.public_key)
    assert {check.name: check.outcome for check in verified.checks}["body"] is Outcome.NOT_CHECKED


async def test_any_flipped_bit_of_a_bundle_is_found(world: World, start, config) -> None:
    gateway, client = await start(keep_bodies=True)
    await client.get("/api")
    gateway.store.flush()
    bundle = bundle_of(config.receipts_db, 2)
    anchor = DevelopmentAnchor.from_pem((world.ca_folder / "root.pem").read_bytes())
    assert verify_bundle(bundle, anchor=anchor).accepted
    for name in ("message", "binding", "body", "document", "nonce"):
        data: bytes = getattr(bundle, name)
        for position in {0, len(data) // 3, len(data) // 2, len(data) - 1}:
            harmed = data[:position] + bytes((data[position] ^ 0x10,)) + data[position + 1 :]
            assert not verify_bundle(replace(bundle, **{name: harmed}), anchor=anchor).accepted, (name, position)


@given(st.binary(max_size=300))
@settings(max_examples=100)
def test_bytes_that_are_no_bundle_are_refused_by_name(data: bytes) -> None:
    try:
        bundle = parse_bundle(data)
    except BundleInvalid:
        return
    assert not verify_bundle(bundle, public_key=bytes(32)).accepted


@given(st.builds(Bundle, st.binary(max_size=400), st.none() | st.binary(max_size=400), st.none() | st.binary()))
@settings(max_examples=100)
def test_a_bundle_survives_export(bundle: Bundle) -> None:
    assert parse_bundle(export_bundle(bundle)) == bundle


async def test_equivocation_that_the_store_finds_ends_cached_answers_too(world: World, start) -> None:
    gateway, client = await start(cache_ttl_ms=3_600_000)
    await client.get("/api/v1/x")
    assert (await client.get("/api/v1/x")).headers["daas-cache"] == "hit"
    gateway.store.flush()
    kept = list_receipts(gateway._config.receipts_db, target="/api/v1/x")
    gateway._late_conflict(kept[0].receipt)
    reply = await client.get("/api/v1/x")
    assert (reply.status, reply.reason) == (502, "EquivocationFound")

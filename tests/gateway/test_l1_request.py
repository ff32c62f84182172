"""Promise: what goes through the contract is decided by the request line alone, priced as the contract prices it,
opens for the enclave as it was asked, and is read back from disk as it was written or refused."""

from __future__ import annotations

import json
import os
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_chain.fees import min_fee
from daas_chain.values import Parameters
from daas_gateway import l1_errors
from daas_gateway.ask import Place, ask
from daas_gateway.config import ConfigInvalid
from daas_gateway.l1_config import ChainConfig, parse_chain
from daas_gateway.l1_journal import Journal, Submitted, Transaction
from daas_gateway.l1_request import Who, Wishes, deadline_of, prepare, wishes_of
from daas_gateway.l1_routing import Route, words_for_chain
from daas_gateway.receipts import get_request, list_receipts, list_requests
from daas_gateway.store import SCHEMA_VERSION, ReceiptStore, Retention, StoreUnusable, open_store
from daas_gateway.store_requests import KeptRequest
from daas_protocol.command_words import CommandWords
from daas_protocol.delivery import ResponseKey
from daas_protocol.request_envelope import RequestKey, seal

PODS = "/api/v1/namespaces/default/pods"
PLACE = Place(b"p" * 32, b"c" * 32, b"e" * 32)
WHO = Who(b"a" * 32, b"t" * 32)
PARAMETERS = Parameters(
    30_000, 90_000, 3_600_000, 30_000, 300_000, 30_000, 86_400_000, 86_400_000, 14 * 86_400_000, 7 * 86_400_000,
    86_400_000, 256, 1_000_000, 100_000, 10, 10**10, 10**9, 10**9, 10**10, 5_000, 3_000, 3_000,
)  # fmt: skip


# ---- routing


@pytest.mark.parametrize(
    ("method", "target", "route", "words"),
    [
        ("POST", PODS, Route.WRITES, ("create", "", "pods", "", "default")),
        ("PATCH", f"{PODS}/a", Route.WRITES, ("patch", "", "pods", "", "default")),
        ("DELETE", PODS, Route.WRITES, ("deletecollection", "", "pods", "", "default")),
        ("PUT", "/apis/apps/v1/namespaces/x/deployments/d/scale", Route.WRITES,
         ("update", "apps", "deployments", "scale", "x")),
        ("GET", PODS, Route.WRITES, None),
        ("GET", PODS, Route.UNARY, ("list", "", "pods", "", "default")),
        ("GET", f"{PODS}/a/log", Route.UNARY, ("get", "", "pods", "log", "default")),
        ("GET", f"{PODS}/a/log?follow=true", Route.UNARY, None),
        ("GET", f"{PODS}?watch=true", Route.UNARY, None),
        ("GET", "/version", Route.UNARY, None),
        ("GET", "/openapi/v3", Route.UNARY, None),
        ("POST", f"{PODS}?dryRun=All", Route.UNARY, None),
        ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", Route.UNARY, None),
        ("POST", f"{PODS}/a/exec?command=ls", Route.WRITES, None),
        ("POST", f"{PODS}/a/portforward?ports=80", Route.UNARY, None),
        ("GET", f"{PODS}//a", Route.WRITES, None),
    ],
)  # fmt: skip
def test_the_way_of_a_request(method: str, target: str, route: Route, words: tuple[str, ...] | None) -> None:
    found = words_for_chain(ask(method, target), route)
    assert found == (None if words is None else CommandWords(*words))


TARGETS = st.one_of(
    st.text("/abcpids%.?=&1v", max_size=40).map("/".__add__),
    st.lists(st.sampled_from(["api", "v1", "apis", "apps", "namespaces", "x", "pods", "exec", "log", "a"]), max_size=8)
    .map("/".join).map("/".__add__)
    .flatmap(lambda path: st.sampled_from(["", "?dryRun=All", "?watch=true", "?watch=1&x=2"]).map(path.__add__)),
)  # fmt: skip


@given(st.sampled_from(["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT"]), TARGETS, st.sampled_from(Route))
def test_a_write_is_never_sent_beside_the_chain(method: str, target: str, route: Route) -> None:
    try:
        words = words_for_chain(ask(method, target), route)
    except l1_errors.NotOnChain:
        return
    if words is None and method != "OPTIONS":
        path, _, query = target.partition("?")
        assert "dryRun=All" in query or path.endswith(("/exec", "/log")) or "/exec/" in path


def test_an_upgraded_write_goes_nowhere() -> None:
    with pytest.raises(l1_errors.NotOnChain, match="upgraded"):
        words_for_chain(replace(ask("POST", PODS), upgrade="websocket"), Route.WRITES)


# ---- preparing


def made(deliver: bool = False, body: bytes = b"{}") -> Any:
    asked = ask("POST", PODS, "application/json", "application/json", body)
    words = words_for_chain(asked, Route.WRITES)
    assert words is not None
    return prepare(asked, words, WHO, PLACE, PARAMETERS, Wishes(5, deliver, False), None, 1_000, os.urandom)


def test_what_is_sealed_opens_for_this_request_alone_and_hashes_to_its_digest() -> None:
    key = RequestKey(os.urandom(32))
    one = made(deliver=True)
    info = one.info(3)
    opened = key.open(info, seal(info, one.plaintext, key.public_bytes))
    assert (opened.method, opened.path, opened.body) == ("POST", PODS, b"{}")
    assert opened.digest_of(PLACE.package_id, PLACE.cluster_id, PLACE.enclave_id) == one.request_digest
    assert opened.response_key == ResponseKey(one.response_seed).public_bytes
    again = made(deliver=True)
    assert (again.request_id, again.request_digest) != (one.request_id, one.request_digest)
    assert one.response_seed.hex() not in repr(one)


def test_the_deadline_is_within_the_clusters_bounds() -> None:
    assert deadline_of(PARAMETERS, 1_000, None) == 181_000
    assert deadline_of(PARAMETERS, 1_000, 10**6) == 1_000 + PARAMETERS.max_deadline_ms


def test_the_fee_is_the_contracts() -> None:
    from support.move_world import Contract

    contract = Contract()
    values = [getattr(PARAMETERS, name) for name in Parameters.__slots__]
    moved = contract.call("params::from_values", values)
    for priority in range(1, 11):
        for size in (0, 1, 1_023, 1_024, 1_025, 122_880):
            expected = contract.call("params::min_fee", moved, priority, size)
            assert min_fee(PARAMETERS, priority, size) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ((), Wishes(5, False, False)),
        (((b"daas-priority", b"10"),), Wishes(10, False, False)),
        (((b"daas-deliver", b"chain"), (b"daas-wait", b"settled")), Wishes(5, True, True)),
        (((b"daas-priority", b"0"),), None),
        (((b"daas-priority", b"011"),), None),
        (((b"daas-priority", b"+5"),), None),
        (((b"daas-priority", b"\xb2"),), None),
        (((b"daas-wait", b"settled"), (b"daas-wait", b"signed")), None),
        (((b"daas-deliver", b"Chain"),), None),
    ],
)
def test_wishes(headers: Any, expected: Wishes | None) -> None:
    if expected is None:
        with pytest.raises(l1_errors.WishInvalid):
            wishes_of(headers, Wishes(5, False, False))
    else:
        assert wishes_of(headers, Wishes(5, False, False)) == expected


# ---- the journal


def test_a_file_of_the_journal_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.open()
    one, other = made(deliver=True, body=b"secret body"), made()
    kept = Transaction.of(b"data", (b"s" * 97,), (Submitted(one, 2, 9), Submitted(other, 2, 10)))
    journal.write(kept)
    (found,), bad = journal.load()
    assert not bad
    assert (found.digest, found.data, found.signatures) == (kept.digest, kept.data, kept.signatures)
    for before, after in zip(kept.requests, found.requests, strict=True):
        assert replace(before.prepared, plaintext=after.prepared.plaintext) == after.prepared
        assert before.prepared.binding == after.prepared.binding
        assert (before.key_id, before.fee) == (after.key_id, after.fee)
    path = next((tmp_path / "journal").iterdir())
    assert b"secret body" not in path.read_bytes()
    journal.remove(kept.digest)
    assert journal.load() == ([], [])


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_file_is_reported_and_left_alone(data: st.DataObject) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        journal = Journal(Path(name))
        journal.open()
        journal.write(Transaction.of(b"data", (b"s" * 97,), (Submitted(made(True), 2, 9),)))
        path = next(Path(name).iterdir())
        whole = path.read_bytes()
        at = data.draw(st.integers(0, len(whole) - 1))
        path.write_bytes(whole[:at] + data.draw(st.sampled_from([b"", b"0", b'"', b"}", b"\xff"])) + whole[at + 1 :])
        found, bad = journal.load()
        assert len(found) + len(bad) == 1
        assert path.exists()


def test_what_a_killed_run_had_half_written_is_removed(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.open()
    journal.write(Transaction.of(b"data", (), (Submitted(made(), 1, 1),)))
    path = next(tmp_path.iterdir())
    (tmp_path / f".{path.name}.0123456789abcdef.tmp").write_bytes(b"half")
    (tmp_path / "other").write_bytes(b"not ours")
    journal.open()
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted([path.name, "other"])


def test_a_file_that_others_can_read_or_of_another_name_is_not_used(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.open()
    kept = Transaction.of(b"data", (), (Submitted(made(), 1, 1),))
    journal.write(kept)
    path = tmp_path / f"{kept.digest.hex()}.json"
    path.chmod(0o644)
    assert len(journal.load()[1]) == 1
    path.chmod(0o600)
    path.rename(tmp_path / f"{'0' * 64}.json")
    assert len(journal.load()[1]) == 1


# ---- the store


OLD = Path(__file__).parent / "receipts_schema_1.sql"


def row(number: int, state: str = "sent") -> KeptRequest:
    return KeptRequest(bytes([number]) * 16, number, "POST", PODS, b"d" * 32, b"b", b"x" * 32, 9, 5, 7, state)


def old_store(path: Path) -> None:
    database = sqlite3.connect(path)
    database.executescript(OLD.read_text())
    database.execute(
        "INSERT INTO receipts VALUES (1, 2, ?, 3, 0, 4, 'GET', '/x', 200, ?, ?, 5, NULL, ?, ?, ?, ?, NULL)",
        (b"i" * 16, b"d" * 32, b"b" * 32, b"l" * 32, b"m", b"n", b"k" * 32),
    )
    database.commit()
    database.close()
    path.chmod(0o600)


def test_a_store_of_before_is_read_as_it_is_and_migrated_when_it_is_opened_for_writing(tmp_path: Path) -> None:
    path = tmp_path / "receipts.sqlite"
    old_store(path)
    assert (list_requests(path), get_request(path, bytes(16))) == ([], None)
    assert len(list_receipts(path)) == 1
    assert sqlite3.connect(path).execute("PRAGMA user_version").fetchone()[0] == 1
    store = ReceiptStore(path, Retention(0, 0), lambda: 0)
    store.put(row(1))
    store.put(row(2))
    store.put(replace(row(1), state="settled", mailbox_seq=4, status=201))
    assert store.flush()
    store.close()
    assert sqlite3.connect(path).execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION == 2
    assert [one.receipt.target for one in list_receipts(path)] == ["/x"]
    assert [(one.request_id[0], one.state) for one in list_requests(path)] == [(2, "sent"), (1, "settled")]
    assert get_request(path, bytes([1]) * 16) == replace(row(1), state="settled", mailbox_seq=4, status=201)


def test_a_store_of_later_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "receipts.sqlite"
    open_store(path).close()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version=3")
    database.commit()
    database.close()
    for read_only in (False, True):
        with pytest.raises(StoreUnusable, match="schema 3"):
            open_store(path, read_only=read_only)


def test_requests_go_with_their_time(tmp_path: Path) -> None:
    path = tmp_path / "receipts.sqlite"
    day = 86_400_000
    store = ReceiptStore(path, Retention(1, 0), lambda: 3 * day)
    store.put(replace(row(1), created_at_ms=day))
    store.put(replace(row(2), created_at_ms=3 * day))
    store.flush()
    store._sweep()
    store.close()
    assert [one.request_id[0] for one in list_requests(path)] == [2]


# ---- the configuration


def test_the_chain_object_of_the_configuration_is_strict() -> None:
    base = {"deployment": "d.json", "journal": "j"}
    assert parse_chain(base, Path("/x")) == ChainConfig(Path("/x/d.json"), Path("/x/j"))
    for wrong in (
        {"deployment": "d"},
        {**base, "route": "reads"},
        {**base, "priority": 11},
        {**base, "wait": "never"},
        {**base, "join_ms": -1},
        {**base, "deadline_seconds": 0},
        {**base, "max_fee_mist": True},
        {**base, "extra": 1},
        json.loads("[]"),
    ):
        with pytest.raises(ConfigInvalid, match="chain"):
            parse_chain(wrong, Path())

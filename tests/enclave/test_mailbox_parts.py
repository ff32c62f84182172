"""Promises: answers, payloads and settlements are bounded whatever is asked or brought; marks and stored answers have
one form, which never changes; request keys outlive a boot sealed, rotate, and are gone when no request can need them.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from daas_enclave.mailbox_admission import envelope_info
from daas_enclave.mailbox_answers import MAX_AGE_MS, MAX_WAITING, Answers
from daas_enclave.mailbox_marks import (
    MAX_KEPT_BODY,
    BelowLowWater,
    Done,
    Mark,
    MarkChanged,
    Marks,
    MarkStructureError,
    State,
    WriterSuperseded,
)
from daas_enclave.mailbox_order import ROUND_SIZE
from daas_enclave.mailbox_payloads import MAX_WANTED, Payloads
from daas_enclave.mailbox_settle import BATCH_SIZE, MAX_AT_ONCE, MAX_DELIVERIES_BYTES, WINDOW_MS, Item, Settlements
from daas_enclave.refusal import Refused
from daas_enclave.request_keys import ROTATE_MS, RequestKeys, RequestKeyStore, request_keys_json
from daas_enclave.sealing import DevelopmentSealer, MalformedBlob, SealBroken, SealContext, SealedForAnother
from daas_enclave.signer import ReceiptSigner, Subject
from daas_protocol import receipt as wire
from daas_protocol.bcs import BcsError
from daas_protocol.chain_feed import MAX_STATEMENT_BYTES, Payload, Settle
from daas_protocol.feed_stream import encode_message
from daas_protocol.hpke import KeyErased, NotOpened
from daas_protocol.stored_answer import StoredAnswer, StoredAnswerError
from support.enclave_path import CLUSTER, ENCLAVE, START_MS
from support.mailbox_world import PACKAGE, SLOT, Chain, EtcdDouble, Port, receipts_of

VECTORS = Path(__file__).resolve().parents[1] / "vectors"
A, B, ID, TOKEN = b"\xaa" * 32, b"\xbb" * 32, b"\x01" * 16, b"\xcc" * 32


def stored(size: int = 0) -> StoredAnswer:
    return StoredAnswer(b"receipt", "application/json", (), bytes(size))


# --- answers ---


def test_an_answer_is_handed_out_to_its_requester_with_the_same_token_only() -> None:
    answers = Answers()
    answers.put(A, ID, TOKEN, stored(), START_MS)
    assert answers.get(A, ID, TOKEN) == stored().to_bcs()
    assert answers.get(B, ID, TOKEN) is None
    assert answers.get(A, ID, bytes(32)) is None
    assert answers.get(A, bytes(16), TOKEN) is None


@given(st.lists(st.tuples(st.sampled_from([A, B]), st.integers(0, 3000), st.integers(0, 20)), max_size=60))
def test_answers_stay_within_their_bytes_and_nobody_takes_the_others_room(puts: list[tuple[bytes, int, int]]) -> None:
    answers = Answers(max_bytes=16_384)
    answers.put(B, b"keep" * 4, TOKEN, stored(100), START_MS)
    for number, (owner, size, name) in enumerate(puts):
        answers.put(owner, bytes([name]) * 16, TOKEN, stored(size), START_MS + number)
        assert answers.size <= 16_384
        assert answers.size == sum(one.size for one in answers._kept.values())
    if all(owner == A for owner, _, _ in puts):
        assert answers.get(B, b"keep" * 4, TOKEN) is not None


def test_answers_grow_old() -> None:
    answers = Answers()
    answers.put(A, ID, TOKEN, stored(), START_MS)
    answers.put(B, ID, TOKEN, stored(), START_MS + 1)
    answers.drop_old(START_MS + MAX_AGE_MS)
    assert answers.get(A, ID, TOKEN) is None
    assert answers.get(B, ID, TOKEN) is not None
    answers.drop_old(START_MS + MAX_AGE_MS + 1)
    assert (len(answers), answers.size) == (0, 0)


async def test_who_waits_hears_of_it_at_once_and_not_for_ever() -> None:
    answers = Answers()
    waiting = [asyncio.create_task(answers.wait(A, ID, TOKEN, 30)) for _ in range(3)]
    stranger = asyncio.create_task(answers.wait(B, ID, TOKEN, 0.05))
    await asyncio.sleep(0.01)
    answers.put(A, ID, TOKEN, stored(), START_MS)
    assert await asyncio.gather(*waiting) == [stored().to_bcs()] * 3
    assert await stranger is None
    assert await answers.wait(A, bytes(16), TOKEN, 0) is None
    assert answers._waiting == {}


async def test_nobody_takes_all_places_to_wait() -> None:
    answers = Answers()
    waiting = [asyncio.create_task(answers.wait(A, ID, TOKEN, 30)) for _ in range(MAX_WAITING // 2)]
    await asyncio.sleep(0)
    with pytest.raises(Refused) as refused:
        await answers.wait(A, ID, TOKEN, 30)
    assert (refused.value.code, refused.value.cause) == (429, "TooManyWaiting")
    assert await answers.wait(B, ID, TOKEN, 0.01) is None
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert answers._places.taken == 0
    assert answers._waiting == {}


# --- payloads ---


def test_only_what_is_wanted_is_kept_and_no_more_than_there_is_room_for() -> None:
    chain = Chain(RequestKeys(os.urandom).public_bytes)
    requests = [chain.submit(body=b"%d" % n, off_chain=True) for n in range(MAX_WANTED + 3)]
    payloads = Payloads()
    digests = [one.payload.digest for one in requests]  # type: ignore[union-attr]
    assert [one.digest for one in payloads.wanted(requests, START_MS)] == digests[:MAX_WANTED]
    assert payloads.wanted(requests, START_MS + 1) == []
    assert not payloads.brought(Payload(digests[-1], chain.off_chain[digests[-1]])), "it was not asked for"
    assert payloads.brought(Payload(digests[0], chain.off_chain[digests[0]]))
    assert not payloads.brought(Payload(digests[0], chain.off_chain[digests[0]]))
    assert payloads.get(requests[0]) == chain.off_chain[digests[0]]
    payloads.ask_again()
    assert [one.digest for one in payloads.wanted(requests, START_MS + 2)] == digests[1 : MAX_WANTED + 1]
    payloads.wanted([], START_MS + 3)
    assert payloads.size == 0
    assert payloads.get(requests[0]) is None


def test_a_payload_is_waited_for_only_while_its_refusal_can_still_settle() -> None:
    chain = Chain(RequestKeys(os.urandom).public_bytes)
    soon = chain.submit(off_chain=True, deadline_ms=START_MS + 15_000)
    long = chain.submit(off_chain=True, deadline_ms=START_MS + 600_000)
    payloads = Payloads()
    assert not payloads.settled(soon, START_MS, 10_000, START_MS + 2_999)
    assert payloads.settled(soon, START_MS, 10_000, START_MS + 3_000)
    assert not payloads.settled(long, START_MS, 10_000, START_MS + 9_999)
    assert payloads.settled(long, START_MS, 10_000, START_MS + 10_000)


# --- settlements ---


class Ticks:
    ms = 0

    def __call__(self) -> int:
        return self.ms


def settlements(port: Port) -> tuple[Settlements, ReceiptSigner, Any, Ticks]:
    secret, ticks = Ed25519PrivateKey.generate(), Ticks()
    signer = ReceiptSigner(ENCLAVE, b"\x01" * 16, secret.sign, lambda: START_MS)
    return Settlements(signer, port, ticks), signer, secret.public_key(), ticks


def item(signer: ReceiptSigner, seq: int, delivery: bytes = b"") -> Item:
    digest = hashlib.sha256(delivery).digest() if delivery else None
    receipt = signer.receipt(Subject(bytes(32), A), 200, bytes(32), 0, wire.MailboxRef(seq, 1, 1, digest))
    return Item(seq, seq.to_bytes(16, "big"), receipt, delivery, START_MS + 1000)


@pytest.mark.parametrize("size", [0, 1, 8_704])
def test_messages_fit_the_contract_whatever_is_delivered(size: int) -> None:
    port = Port()
    settle, signer, public, _ = settlements(port)
    for seq in range(150):
        settle.add(item(signer, seq, bytes(size)))
    settle.flush(START_MS, at_once=True)
    first = sum(len(one.message) + sum(map(len, one.deliveries)) for one in port.settles)
    assert first <= MAX_AT_ONCE + MAX_STATEMENT_BYTES + MAX_DELIVERIES_BYTES
    settle.flush(START_MS)
    sent = [receipt for one in port.settles for receipt in receipts_of(one, public)]
    assert [one.mailbox.seq for one in sent if one.mailbox] == list(range(150))
    for one in port.settles:
        assert len(one.message) <= MAX_STATEMENT_BYTES
        assert sum(map(len, one.deliveries)) <= MAX_DELIVERIES_BYTES
        assert len(encode_message(one)) > 0
        assert len(one.request_ids) <= BATCH_SIZE
    assert BATCH_SIZE >= ROUND_SIZE
    assert signer.size == 150, "a batch has no leaf of its own"


def test_receipts_wait_for_a_window_and_one_alone_is_its_own_message() -> None:
    port = Port()
    settle, signer, public, ticks = settlements(port)
    one = item(signer, 1)
    settle.add(one)
    settle.flush(START_MS)
    assert port.settles == []
    ticks.ms += WINDOW_MS
    settle.flush(START_MS)
    (message,) = port.settles
    assert message.message + message.signature == one.receipt
    assert receipts_of(message, public)[0].sequence == 0


def test_what_can_no_longer_settle_is_given_up_and_what_nobody_took_is_not() -> None:
    port = Port(there=False)
    settle, signer, _, ticks = settlements(port)
    settle.add(item(signer, 1))
    settle.flush(START_MS, at_once=True)
    assert (port.settles, settle.waiting) == ([], 1)
    port.there = True
    settle.flush(START_MS)
    assert len(port.settles) == 1
    ticks.ms += 10**6
    settle.flush(START_MS + 1000)
    assert (len(port.settles), settle.waiting, settle.given_up) == (1, 0, 1)


# --- bytes ---

DONE = Done(201, b"\x05" * 32, 7, "application/json", ("299 - w",), b'{"a":1}', b"\x06" * 3)
MARKS = {
    "begun": Mark(State.BEGUN, b"\x02" * 32, b"\x03" * 16, 77),
    "done": Mark(State.DONE, b"\x02" * 32, b"\x03" * 16, 77, DONE),
    "ended": Mark(State.ENDED, bytes(32), b"\x03" * 16, 78),
}


def test_marks_have_golden_bytes() -> None:
    golden = json.loads((VECTORS / "mailbox_marks.json").read_text())
    assert {name: mark.to_bcs().hex() for name, mark in MARKS.items()} == golden
    assert {name: Mark.from_bcs(bytes.fromhex(text)) for name, text in golden.items()} == MARKS


def test_stored_answers_have_golden_bytes() -> None:
    golden = json.loads((VECTORS / "stored_answer.json").read_text())
    made = {
        "whole": StoredAnswer(b"\x09" * 80, "application/json", ("299 - w",), b"{}"),
        "gone": StoredAnswer(b"\x09" * 80, "", (), None),
    }
    assert {name: one.to_bcs().hex() for name, one in made.items()} == golden
    assert {name: StoredAnswer.from_bcs(bytes.fromhex(text)) for name, text in golden.items()} == made


@given(st.binary(max_size=200))
def test_other_bytes_are_no_mark_and_no_answer(data: bytes) -> None:
    for read, error in ((Mark.from_bcs, MarkStructureError), (StoredAnswer.from_bcs, StoredAnswerError)):
        try:
            value = read(data)  # type: ignore[operator]
        except error:
            continue
        assert value.to_bcs() == data


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_changed_byte_is_refused_or_read_as_what_it_then_is(at: int, value: int) -> None:
    data = bytearray(MARKS["done"].to_bcs())
    data[at % len(data)] = value
    try:
        read = Mark.from_bcs(bytes(data))
    except MarkStructureError:
        return
    assert read.to_bcs() == bytes(data)


def test_a_mark_says_done_exactly_with_an_answer() -> None:
    for mark in (Mark(State.DONE, bytes(32), bytes(16), 1), Mark(State.BEGUN, bytes(32), bytes(16), 1, DONE)):
        with pytest.raises(MarkStructureError):
            Mark.from_bcs(mark.to_bcs())
    with pytest.raises(BcsError):
        Mark(State.BEGUN, b"", bytes(16), 1).to_bcs()
    big = Mark(State.DONE, bytes(32), bytes(16), 1, Done(200, bytes(32), 1, body=bytes(MAX_KEPT_BODY + 1)))
    with pytest.raises(MarkStructureError):
        Mark.from_bcs(big.to_bcs())


# --- request keys ---


def store(folder: Path, *, cluster: bytes = CLUSTER, key: bytes = bytes(32)) -> RequestKeyStore:
    context = SealContext(PACKAGE, cluster, ENCLAVE, bytes(32))
    return RequestKeyStore(folder / "request-keys.bin", DevelopmentSealer(key, context, os.urandom))


def sealed_to(public: bytes) -> tuple[Any, bytes]:
    chain = Chain(public)
    request = chain.submit()
    return envelope_info(SLOT, request), request.payload.ciphertext  # type: ignore[union-attr]


def tick(keys: RequestKeys, now_ms: int, on_chain: list[bytes], longest_ms: int) -> None:
    """As the mailbox does."""
    if keys.turn(now_ms, on_chain, longest_ms):
        keys.save()


def test_keys_outlive_a_boot_sealed_for_the_slot_alone(tmp_path: Path) -> None:
    first = RequestKeys(os.urandom, store(tmp_path))
    info, ciphertext = sealed_to(first.public_bytes)
    later = RequestKeys(os.urandom, store(tmp_path))
    assert later.public_bytes == first.public_bytes
    assert later.open(info, ciphertext) == first.open(info, ciphertext)
    with pytest.raises(SealedForAnother):
        RequestKeys(os.urandom, store(tmp_path, cluster=b"\x01" * 32))
    with pytest.raises(SealBroken):
        RequestKeys(os.urandom, store(tmp_path, key=b"\x01" * 32))
    path = tmp_path / "request-keys.bin"
    assert path.stat().st_mode & 0o077 == 0
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises((SealBroken, MalformedBlob)):
        RequestKeys(os.urandom, store(tmp_path))


def test_no_seed_is_in_the_file_in_a_repr_or_pickled(tmp_path: Path) -> None:
    drawn: list[bytes] = []

    def entropy(size: int) -> bytes:
        data = os.urandom(size)
        drawn.append(bytes([*data]))
        return data

    keys = RequestKeys(entropy, store(tmp_path))
    (seed,) = [one for one in drawn if len(one) == 32]
    assert seed not in (tmp_path / "request-keys.bin").read_bytes()
    assert seed.hex() not in repr(keys) + repr(keys._held)
    with pytest.raises(TypeError):
        keys.__reduce__()


def test_keys_rotate_weekly_and_are_erased_after_the_longest_deadline(tmp_path: Path) -> None:
    keys, longest = RequestKeys(os.urandom, store(tmp_path)), 3_600_000
    first = keys.public_bytes
    info, ciphertext = sealed_to(first)
    now = START_MS
    tick(keys, now, [first], longest)
    now += ROTATE_MS - 1
    tick(keys, now, [first], longest)
    assert keys.public_bytes == first
    now += 1
    tick(keys, now, [first], longest)
    second = keys.public_bytes
    assert second != first
    assert keys.publics() == (second, first)
    # No third one before the contract has the second.
    tick(keys, now + 2 * ROTATE_MS, [first], longest)
    assert keys.public_bytes == second
    tick(keys, now, [first, second], longest)
    now += ROTATE_MS
    tick(keys, now, [first, second], longest)
    third = keys.public_bytes
    # The contract keeps two: with the third the first takes no more requests.
    keys = RequestKeys(os.urandom, store(tmp_path))
    assert keys.publics() == (third, second, first)
    tick(keys, now, [second, third], longest)
    assert keys.publics() == (third, second)
    assert keys.open(info, ciphertext).method == "POST"
    gone = keys._held[0].key
    tick(keys, now + longest - 1, [second, third], longest)
    assert keys.open(info, ciphertext).method == "POST"
    tick(keys, now + longest, [second, third], longest)
    with pytest.raises(NotOpened):
        keys.open(info, ciphertext)
    with pytest.raises(KeyErased):
        gone.open(info, ciphertext)
    assert len(RequestKeys(os.urandom, store(tmp_path))) == 2


def test_a_key_that_the_contract_takes_again_is_kept(tmp_path: Path) -> None:
    keys = RequestKeys(os.urandom)
    only = keys.public_bytes
    tick(keys, START_MS, [only], 1000)
    # Two boots of another image have registered their own in between.
    tick(keys, START_MS + 1, [], 1000)
    tick(keys, START_MS + 5000, [], 1000)
    assert keys.public_bytes == only
    tick(keys, START_MS + 6000, [only], 1000)
    assert keys.publics() == (only,)


def test_what_could_not_be_saved_is_saved_the_next_time(tmp_path: Path) -> None:
    keys = RequestKeys(os.urandom, store(tmp_path))
    path = tmp_path / "request-keys.bin"
    path.unlink()
    keys._store._path = tmp_path / "none" / "request-keys.bin"  # type: ignore[union-attr]
    with pytest.raises(OSError):
        tick(keys, START_MS, [keys.public_bytes], 1000)
    keys._store._path = path  # type: ignore[union-attr]
    tick(keys, START_MS + 1, [keys.public_bytes], 1000)
    assert RequestKeys(os.urandom, store(tmp_path)).public_bytes == keys.public_bytes


def test_the_list_of_keys_names_ids_only_where_the_contract_has_them() -> None:
    keys = RequestKeys(os.urandom)
    shown = json.loads(request_keys_json(keys.publics(), {}))
    assert shown == {"keys": [{"id": None, "public": base64.b64encode(keys.public_bytes).decode()}]}
    assert json.loads(request_keys_json(keys.publics(), {keys.public_bytes: 7}))["keys"][0]["id"] == 7


def test_a_settle_is_what_the_port_takes() -> None:
    assert Settle.MAX_BYTES > MAX_DELIVERIES_BYTES + MAX_STATEMENT_BYTES


# --- marks ---


async def test_a_mark_is_begun_once_and_done_only_over_what_was_begun() -> None:
    etcd: Any = EtcdDouble()
    marks = Marks(etcd, CLUSTER, ENCLAVE, b"\x01" * 16)
    assert await marks.open() == {}
    begun = Mark(State.BEGUN, b"\x02" * 32, b"\x01" * 16, 7)
    other = Mark(State.BEGUN, b"\x02" * 32, b"\x01" * 16, 8)
    assert await marks.begin(3, begun) is None
    found = await marks.begin(3, other)
    assert found is not None
    assert found.mark == begun
    done = Mark(State.DONE, b"\x02" * 32, b"\x01" * 16, 7, DONE)
    for wrong in (None, other):
        with pytest.raises(MarkChanged):
            await marks.finish(3, done, wrong)
    revision = await marks.finish(3, done, begun)
    assert revision == etcd.revision
    assert await marks.finish(3, done, begun) == revision
    with pytest.raises(MarkChanged):
        await marks.finish(3, Mark(State.DONE, b"\x02" * 32, b"\x01" * 16, 9, DONE), begun)
    again = await marks.begin(3, begun)
    assert again is not None
    assert (again.mark, again.revision) == (done, revision)


async def test_nothing_begins_below_the_low_water_mark() -> None:
    etcd: Any = EtcdDouble()
    marks = Marks(etcd, CLUSTER, ENCLAVE, b"\x01" * 16)
    await marks.open()
    begun = Mark(State.BEGUN, b"\x02" * 32, b"\x01" * 16, 7)
    for seq in (4, 5, 6):
        assert await marks.begin(seq, begun) is None
    await marks.raise_low(6)
    assert set(await Marks(etcd, CLUSTER, ENCLAVE, b"\x01" * 16).open()) == {6}
    for seq in (0, 4, 5):
        with pytest.raises(BelowLowWater):
            await marks.begin(seq, begun)
    assert await marks.begin(7, begun) is None
    await marks.raise_low(2)
    assert marks.low == 6


async def test_the_boot_that_opened_last_writes() -> None:
    etcd: Any = EtcdDouble()
    first, second = (Marks(etcd, CLUSTER, ENCLAVE, bytes([n]) * 16) for n in (1, 2))
    await first.open()
    begun = Mark(State.BEGUN, b"\x02" * 32, b"\x01" * 16, 7)
    await first.begin(1, begun)
    left = await second.open()
    assert left[1].mark == begun
    done = Mark(State.DONE, b"\x02" * 32, b"\x01" * 16, 7, DONE)
    for write in (
        lambda: first.begin(2, begun),
        lambda: first.finish(1, done, begun),
        lambda: first.raise_low(1),
        lambda: first.end({1: begun}),
    ):
        with pytest.raises(WriterSuperseded):
            await write()
    assert await second.finish(1, done, begun) > 0
    # Another slot of the same store has marks of its own.
    assert await Marks(etcd, CLUSTER, b"\x77" * 32, b"\x01" * 16).open() == {}

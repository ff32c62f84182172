"""Promises of the chain port's messages: one form, however cut; no message above its own kind's limit is waited for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_protocol import chain_feed as feed
from daas_protocol.bcs import BcsError
from daas_protocol.feed_stream import (
    ChainFeedError,
    FeedDecoder,
    FeedKindError,
    FeedLengthError,
    FeedMessageError,
    clipped,
    encode_message,
)

FOLDER = Path(__file__).parents[1] / "vectors"
SIDES: dict[str, Callable[[], FeedDecoder[Any]]] = {
    "chain_feed_to_enclave": feed.to_enclave,
    "chain_feed_to_host": feed.to_host,
}
STRINGS = {"type", "check", "detail", "text"}


def load(side: str, key: str = "vectors") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / f"{side}.json").read_text(encoding="utf-8"))[key]
    return found


def cases(key: str) -> list[Any]:
    return [pytest.param(side, vector, id=f"{side} {vector['name']}") for side in SIDES for vector in load(side, key)]


def value_of(name: str, value: Any) -> Any:
    match value:
        case list():
            return tuple(value_of(name, item) for item in value)
        case dict():
            kind = {"parts": feed.Part, "events": feed.ChainedEvent}[name]
            return kind(**{key: value_of(key, item) for key, item in value.items()})
        case str() if name not in STRINGS:
            return bytes.fromhex(value)
        case _:
            return value


def message_of(vector: dict[str, Any]) -> Any:
    return getattr(feed, vector["message"])(**{name: value_of(name, item) for name, item in vector["fields"].items()})


@pytest.mark.parametrize(("side", "vector"), cases("vectors"))
def test_golden_messages(side: str, vector: dict[str, Any]) -> None:
    message, framed = message_of(vector), bytes.fromhex(vector["framed"])
    assert encode_message(message) == framed
    decoder = SIDES[side]()
    assert decoder.feed(framed) == [message]
    assert decoder.pending == 0


@pytest.mark.parametrize(("side", "vector"), cases("refused"))
def test_refused_messages(side: str, vector: dict[str, Any]) -> None:
    decoder = SIDES[side]()
    with pytest.raises(ChainFeedError) as caught:
        decoder.feed(bytes.fromhex(vector["bytes"]))
    assert decoder.pending == 0
    with pytest.raises(type(caught.value)):
        decoder.feed(bytes.fromhex(load(side)[0]["framed"]))


def test_every_kind_has_a_golden_message() -> None:
    for side, kinds in (("chain_feed_to_enclave", feed.ToEnclave), ("chain_feed_to_host", feed.ToHost)):
        assert {vector["message"] for vector in load(side)} == {kind.__name__ for kind in kinds.__args__}


OCTETS = st.binary(max_size=40)
U64 = st.integers(0, 2**64 - 1)
TEXT = st.text(max_size=20)


def exactly(length: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=length, max_size=length)


PARTS = st.lists(st.builds(feed.Part, U64, OCTETS, st.none() | OCTETS), max_size=4, unique_by=lambda part: part.index)
PARTS_IN_ORDER = PARTS.map(lambda parts: tuple(sorted(parts, key=lambda part: part.index)))
RECEIPTS = st.integers(1, 4).flatmap(
    lambda count: st.builds(
        feed.Settle,
        st.tuples(*[exactly(16)] * count),
        st.tuples(*[OCTETS] * count),
        OCTETS,
        exactly(64),
    )
)
TO_ENCLAVE = st.one_of(
    st.builds(feed.Checkpoint, OCTETS, OCTETS, OCTETS, PARTS_IN_ORDER),
    st.builds(feed.History, st.lists(st.builds(feed.ChainedEvent, TEXT, OCTETS), max_size=4).map(tuple)),
    st.builds(feed.Payload, exactly(32), OCTETS),
)
TO_HOST = st.one_of(
    st.builds(feed.Position, exactly(16), U64, st.none() | U64, U64, U64),
    RECEIPTS,
    st.builds(feed.Want, exactly(32)),
    st.builds(feed.Attest, OCTETS, st.just(b"") | exactly(1216)),
    st.builds(feed.Drained, OCTETS, exactly(64)),
    st.builds(feed.Refused, st.none() | U64, TEXT.filter(lambda text: len(text.encode()) <= 64), TEXT),
    st.builds(feed.Notice, TEXT),
)
MESSAGES = {"chain_feed_to_enclave": TO_ENCLAVE, "chain_feed_to_host": TO_HOST}
every_side = pytest.mark.parametrize("side", SIDES)


def outcome(decoder: FeedDecoder[Any], pieces: list[bytes]) -> tuple[list[Any], str | None]:
    seen: list[Any] = []
    try:
        for piece in pieces:
            seen += decoder.feed(piece)
        decoder.feed(b"")
    except ChainFeedError as error:
        return seen, f"{type(error).__name__} {error}"
    return seen, None


def cut(data: st.DataObject, encoded: bytes) -> list[bytes]:
    places = sorted(data.draw(st.lists(st.integers(0, len(encoded)), max_size=12)))
    return [encoded[start:end] for start, end in zip([0, *places], [*places, len(encoded)], strict=True)]


@every_side
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_messages_are_the_same_however_the_bytes_were_cut(side: str, data: st.DataObject) -> None:
    sent = data.draw(st.lists(MESSAGES[side], max_size=4))
    encoded = b"".join(map(encode_message, sent))
    assert outcome(SIDES[side](), cut(data, encoded)) == (sent, None)


@every_side
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_every_bit_flip_is_an_error_another_message_or_waited_for(side: str, data: st.DataObject) -> None:
    sent = data.draw(MESSAGES[side])
    encoded = encode_message(sent)
    for bit in data.draw(st.lists(st.integers(0, 8 * len(encoded) - 1), min_size=1, max_size=30)):
        flipped = bytearray(encoded)
        flipped[bit // 8] ^= 1 << bit % 8
        seen, failed = outcome(SIDES[side](), [bytes(flipped)])
        assert sent not in seen
        assert failed is None or not seen
        assert bytes(flipped).startswith(b"".join(map(encode_message, seen)))


@every_side
@given(noise=st.binary(max_size=80), data=st.data())
@settings(max_examples=150, deadline=None)
def test_noise_ends_the_same_way_however_it_was_cut(side: str, noise: bytes, data: st.DataObject) -> None:
    assert outcome(SIDES[side](), cut(data, noise)) == outcome(SIDES[side](), [noise])


@every_side
def test_what_was_whole_before_an_error_is_still_handed_on(side: str) -> None:
    vector = load(side)[0]
    decoder = SIDES[side]()
    assert decoder.feed(bytes.fromhex(vector["framed"]) + bytes(4)) == [message_of(vector)]
    for _ in range(2):
        with pytest.raises(FeedLengthError):
            decoder.feed(b"")


# --- limits ---


@pytest.mark.parametrize(
    ("side", "kind"),
    [(side, kind) for side, kinds in (("chain_feed_to_enclave", feed.ToEnclave), ("chain_feed_to_host", feed.ToHost))
     for kind in kinds.__args__],
)  # fmt: skip
def test_a_length_above_a_kinds_own_limit_is_refused_with_the_kind(side: str, kind: Any) -> None:
    allowed, above = (
        length.to_bytes(4, "big") + bytes((kind.KIND,)) for length in (kind.MAX_BYTES, kind.MAX_BYTES + 1)
    )
    decoder = SIDES[side]()
    assert decoder.feed(allowed) == []
    assert decoder.pending == 5
    decoder = SIDES[side]()
    with pytest.raises(FeedLengthError) as caught:
        for byte in above:
            decoder.feed(bytes((byte,)))
    assert caught.value.actual == kind.MAX_BYTES + 1
    assert decoder.pending == 0


def test_the_largest_messages_of_each_kind_pass() -> None:
    many = feed.MAX_BATCH_RECEIPTS
    largest_parts = tuple(feed.Part(index, bytes(512 * 1024), bytes(1_572_864)) for index in range(8))
    to_enclave = [
        feed.Checkpoint(
            bytes(feed.MAX_SUMMARY_BYTES), bytes(feed.MAX_QUORUM_SIGNATURE_BYTES), bytes(1_000_000), largest_parts
        ),
        feed.History((feed.ChainedEvent("t" * feed.MAX_TYPE_BYTES, bytes(feed.MAX_EVENT_BYTES)),) * 31),
        feed.Payload(bytes(32), bytes(feed.MAX_CIPHERTEXT_BYTES)),
    ]
    to_host = [
        feed.Position(bytes(16), 2**64 - 1, 2**64 - 1, 2**64 - 1, 2**64 - 1),
        feed.Settle((bytes(16),) * many, (bytes(feed.MAX_DELIVERY_BYTES),) * many, bytes(16_384), bytes(64)),
        feed.Attest(bytes(feed.MAX_DOCUMENT_BYTES), bytes(1216)),
        feed.Drained(bytes(16_384), bytes(64)),
        feed.Refused(2**64 - 1, "c" * 64, "d" * 1024),
        feed.Notice("n" * 1024),
    ]
    assert feed.to_enclave().feed(b"".join(map(encode_message, to_enclave))) == to_enclave
    assert feed.to_host().feed(b"".join(map(encode_message, to_host))) == to_host


def too_much() -> list[Any]:
    digest, sign = bytes(32), bytes(64)
    part = feed.Part(0, bytes(feed.MAX_EFFECTS_BYTES), bytes(feed.MAX_EVENTS_BYTES))
    event = feed.ChainedEvent("t" * feed.MAX_TYPE_BYTES, bytes(feed.MAX_EVENT_BYTES))
    return [
        feed.Checkpoint(bytes(feed.MAX_SUMMARY_BYTES + 1), b"", b""),
        feed.Checkpoint(b"", bytes(feed.MAX_QUORUM_SIGNATURE_BYTES + 1), b""),
        feed.Checkpoint(b"", b"", bytes(feed.MAX_CONTENTS_BYTES + 1)),
        feed.Checkpoint(b"", b"", b"", tuple(feed.Part(index, b"", None) for index in range(feed.MAX_PARTS + 1))),
        feed.Checkpoint(b"", b"", b"", tuple(feed.Part(index, part.effects, part.events) for index in range(4))),
        feed.Checkpoint(b"", b"", b"", (feed.Part(0, part.effects + b"x", None),)),
        feed.Checkpoint(b"", b"", b"", (feed.Part(0, b"", bytes(feed.MAX_EVENTS_BYTES + 1)),)),
        feed.Checkpoint(b"", b"", b"", (feed.Part(1, b"", None), feed.Part(0, b"", None))),
        feed.History((event,) * 32),
        feed.History((feed.ChainedEvent("", b""),) * (feed.MAX_HISTORY_EVENTS + 1)),
        feed.History((feed.ChainedEvent(event.type + "t", b""),)),
        feed.History((feed.ChainedEvent("", event.contents + b"x"),)),
        feed.History((feed.ChainedEvent("\ud800", b""),)),
        feed.Payload(digest[:-1], b""),
        feed.Payload(digest, bytes(feed.MAX_CIPHERTEXT_BYTES + 1)),
        feed.Position(bytes(15), 0, None, 0, 0),
        feed.Position(bytes(16), 2**64, None, 0, 0),
        feed.Settle((), (), b"", sign),
        feed.Settle((bytes(16),), (), b"", sign),
        feed.Settle((bytes(16),) * 257, (b"",) * 257, b"", sign),
        feed.Settle((bytes(15),), (b"",), b"", sign),
        feed.Settle((bytes(16),), (bytes(feed.MAX_DELIVERY_BYTES + 1),), b"", sign),
        feed.Settle((bytes(16),), (b"",), bytes(16_385), sign),
        feed.Settle((bytes(16),), (b"",), b"", sign[:-1]),
        feed.Want(bytes(33)),
        feed.Attest(bytes(feed.MAX_DOCUMENT_BYTES + 1), b""),
        feed.Attest(b"", bytes(1217)),
        feed.Drained(b"", bytes(65)),
        feed.Refused(None, "c" * 65, ""),
        feed.Refused(None, "", "d" * 1025),
        feed.Notice("é" * 513),
    ]


def test_what_the_other_side_would_refuse_is_not_written() -> None:
    for message in too_much():
        with pytest.raises(BcsError):
            encode_message(message)


def test_what_a_part_may_have_is_known_before_it_is_sent() -> None:
    fits = feed.Part(0, bytes(feed.MAX_EFFECTS_BYTES), bytes(feed.MAX_EVENTS_BYTES))
    assert fits.fits
    assert fits.size == feed.MAX_EFFECTS_BYTES + feed.MAX_EVENTS_BYTES
    assert not feed.Part(0, fits.effects + b"x", None).fits
    assert not feed.Part(0, b"", (fits.events or b"") + b"x").fits
    event = feed.ChainedEvent("é::a::B", bytes(300))
    assert event.size >= len(encode_message(feed.History((event,)))) - 6


def test_a_decoder_holds_at_most_one_incomplete_message() -> None:
    payload = encode_message(feed.Payload(bytes(32), bytes(feed.MAX_CIPHERTEXT_BYTES)))
    decoder, piece, most, count = feed.to_enclave(), 60_000, 0, 0
    stream = payload * 3
    for start in range(0, len(stream), piece):
        count += len(decoder.feed(stream[start : start + piece]))
        most = max(most, decoder.pending)
    assert count == 3
    assert most < len(payload)


def test_errors_and_notices_are_clipped_to_what_fits() -> None:
    refused = feed.Refused.of(7, FeedMessageError("Checkpoint", "é" * 5_000))
    assert (refused.checkpoint, refused.check) == (7, "FeedMessageError")
    assert 1_000 < len(refused.detail.encode()) <= 1_024
    for message in (refused, feed.Notice.of("\ud800" + "😀" * 5_000), feed.Notice.of("")):
        assert feed.to_host().feed(encode_message(message)) == [message]
    assert clipped("é" * 3, 5) == "éé"


def test_kinds_are_numbered_in_their_order() -> None:
    for kinds in ((feed.History,), (feed.Checkpoint, feed.Payload), ()):
        with pytest.raises(ValueError):
            FeedDecoder(kinds)
    with pytest.raises(FeedKindError) as caught:
        feed.to_enclave().feed(b"\x00\x00\x00\x01\x09")
    assert (caught.value.expected, caught.value.actual) == (3, 9)


def test_limits_are_those_of_the_network_and_the_contract() -> None:
    from daas_attestation.document import MAX_DOCUMENT_BYTES
    from daas_chain.sui import checkpoint, effects
    from daas_chain.sui.builder import MAX_PURE_BYTES
    from daas_chain.type_tags import MAX_TAG_CHARACTERS

    assert feed.MAX_SUMMARY_BYTES == checkpoint.MAX_SUMMARY_BYTES
    assert feed.MAX_QUORUM_SIGNATURE_BYTES == checkpoint.MAX_QUORUM_SIGNATURE_BYTES
    assert feed.MAX_CONTENTS_BYTES == checkpoint.MAX_CONTENTS_BYTES
    assert feed.MAX_EFFECTS_BYTES == effects.MAX_EFFECTS_BYTES
    assert (feed.MAX_TYPE_BYTES, feed.MAX_DOCUMENT_BYTES) == (MAX_TAG_CHARACTERS, MAX_DOCUMENT_BYTES)
    assert feed.MAX_STATEMENT_BYTES == MAX_PURE_BYTES

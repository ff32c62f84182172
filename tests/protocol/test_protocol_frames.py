"""Promises of the decoders of frames, pipe frames and log messages: cutting does not matter, memory is bounded."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_protocol import frames, log_stream
from daas_protocol.bcs import BcsError
from daas_protocol.receipt import MAX_SIGNED_MESSAGE_BYTES, UpgradeClose

RECEIPT = st.binary(min_size=1, max_size=40)
FRAMES = st.lists(st.tuples(st.binary(max_size=60), RECEIPT), max_size=5)
PIPE_FRAMES = st.lists(st.tuples(st.just(frames.PipeType.DATA), st.binary(max_size=60)), max_size=5)
LEAF = st.binary(min_size=32, max_size=32)
BATCH = st.builds(
    log_stream.LeafBatch,
    st.binary(min_size=16, max_size=16),
    st.integers(0, 2**60),
    st.lists(LEAF, max_size=3).map(tuple),
)


def cut(data: st.DataObject, encoded: bytes) -> list[bytes]:
    places = sorted(data.draw(st.lists(st.integers(0, len(encoded)), max_size=12)))
    return [encoded[start:end] for start, end in zip([0, *places], [*places, len(encoded)], strict=True)]


def outcome(decoder: Any, pieces: list[bytes]) -> tuple[list[Any], str | None]:
    """What a reader of the stream sees: the frames, then the name of the error if there was one."""
    seen: list[Any] = []
    try:
        for piece in pieces:
            seen += decoder.feed(piece)
        if hasattr(decoder, "end"):
            decoder.end()
        else:
            decoder.feed(b"")
    except (frames.FrameError, log_stream.LogStreamError) as error:
        return seen, type(error).__name__
    return seen, None


@given(FRAMES, st.data())
@settings(max_examples=150, deadline=None)
def test_frames_are_the_same_however_the_bytes_were_cut(values: list[tuple[bytes, bytes]], data: st.DataObject) -> None:
    encoded = b"".join(frames.encode_frame(*value) for value in values)
    assert outcome(frames.FrameDecoder(), cut(data, encoded)) == (values, None)


@given(PIPE_FRAMES, st.booleans(), st.data())
@settings(max_examples=150, deadline=None)
def test_pipe_frames_are_the_same_however_the_bytes_were_cut(
    values: list[tuple[frames.PipeType, bytes]], closed: bool, data: st.DataObject
) -> None:
    values = [*values, (frames.PipeType.CLOSE, b"bye")] if closed else values
    encoded = b"".join(frames.encode_pipe(*value) for value in values)
    expected = None if closed else "TruncatedFrameError"
    assert outcome(frames.PipeDecoder(), cut(data, encoded)) == (values, expected)


@given(st.lists(BATCH, max_size=3), st.data())
@settings(max_examples=100, deadline=None)
def test_log_messages_are_the_same_however_the_bytes_were_cut(
    values: list[log_stream.LeafBatch], data: st.DataObject
) -> None:
    encoded = b"".join(map(log_stream.encode_message, values))
    assert outcome(log_stream.leaf_batches(), cut(data, encoded)) == (values, None)


DECODERS: list[Callable[[], Any]] = [
    frames.FrameDecoder,
    frames.PipeDecoder,
    log_stream.leaf_batches,
    log_stream.leaf_acks,
]
every_decoder = pytest.mark.parametrize("make", DECODERS, ids=["frames", "pipe", "batches", "acks"])


@every_decoder
@given(noise=st.binary(max_size=80), data=st.data())
@settings(max_examples=150, deadline=None)
def test_noise_ends_the_same_way_however_it_was_cut(make: Callable[[], Any], noise: bytes, data: st.DataObject) -> None:
    assert outcome(make(), cut(data, noise)) == outcome(make(), [noise])


@every_decoder
@given(noise=st.binary(min_size=1, max_size=80))
@settings(max_examples=80, deadline=None)
def test_after_an_error_a_decoder_gives_the_same_error_and_nothing_else(make: Callable[[], Any], noise: bytes) -> None:
    decoder = make()
    first = outcome(decoder, [noise])[1]
    if first in (None, "TruncatedFrameError"):
        return
    for _ in range(2):
        with pytest.raises((frames.FrameError, log_stream.LogStreamError)) as caught:
            decoder.feed(frames.encode_pipe(0, b""))
        assert type(caught.value).__name__ == first
    assert decoder.pending == 0


def test_what_was_whole_before_an_error_is_still_handed_on() -> None:
    decoder = frames.FrameDecoder()
    good = frames.encode_frame(b"data", b"receipt")
    assert decoder.feed(good + b"\xff\xff\xff\xff") == [(b"data", b"receipt")]
    with pytest.raises(frames.FrameDataLengthError):
        decoder.end()
    pipe = frames.PipeDecoder()
    assert pipe.feed(frames.encode_pipe(0, b"data") + b"\x02") == [(frames.PipeType.DATA, b"data")]
    with pytest.raises(frames.PipeTypeError):
        pipe.feed(b"")
    acks, ack = log_stream.leaf_acks(), log_stream.LeafAck(b"b" * 16, 1)
    assert acks.feed(log_stream.encode_message(ack) + bytes(4)) == [ack]
    with pytest.raises(log_stream.LogMessageLengthError):
        acks.feed(b"")


def test_a_body_that_ends_inside_a_frame_was_cut() -> None:
    encoded = frames.encode_frame(b"data", b"receipt")
    for end in range(1, len(encoded)):
        decoder = frames.FrameDecoder()
        assert decoder.feed(encoded[:end]) == []
        with pytest.raises(frames.TruncatedFrameError) as caught:
            decoder.end()
        assert caught.value.actual == end


def test_a_decoder_holds_at_most_one_incomplete_frame() -> None:
    largest = frames.encode_frame(b"x" * frames.MAX_FRAME_DATA, b"r" * MAX_SIGNED_MESSAGE_BYTES)
    decoder = frames.FrameDecoder()
    piece, most, count = 50_000, 0, 0
    stream = largest * 3
    for start in range(0, len(stream), piece):
        count += len(decoder.feed(stream[start : start + piece]))
        most = max(most, decoder.pending)
    assert count == 3
    assert most < len(largest)


def test_a_hostile_length_is_refused_before_a_byte_behind_it_is_stored() -> None:
    for make, head in (
        (frames.FrameDecoder, b"\x00\x10\x00\x01"),
        (frames.PipeDecoder, b"\x00\x00\x01\x00\x01"),
        (frames.PipeDecoder, b"\x02"),
        (log_stream.leaf_batches, (log_stream.MAX_BATCH_BYTES + 1).to_bytes(4, "big")),
        (log_stream.leaf_acks, (log_stream.ACK_BYTES + 1).to_bytes(4, "big")),
        (log_stream.leaf_acks, bytes(4)),
    ):
        decoder = make()
        with pytest.raises((frames.FrameError, log_stream.LogStreamError)):
            decoder.feed(head)
        assert decoder.pending == 0


def test_the_caps_are_those_of_the_protocol() -> None:
    assert (frames.MAX_FRAME_DATA, frames.MAX_PIPE_PAYLOAD) == (1_048_576, 65_536)
    assert (log_stream.MAX_BATCH_LEAVES, log_stream.MAX_UNACKNOWLEDGED_LEAVES) == (4096, 1_048_576)


def test_caps_hold_when_writing_too() -> None:
    largest = (b"x" * frames.MAX_FRAME_DATA, b"r" * MAX_SIGNED_MESSAGE_BYTES)
    assert frames.FrameDecoder().feed(frames.encode_frame(*largest)) == [largest]
    close = frames.encode_close(UpgradeClose(1, 2), largest[1])
    assert frames.split_close(frames.PipeDecoder().feed(close)[0][1]) == (UpgradeClose(1, 2), largest[1])
    payload = b"x" * frames.MAX_PIPE_PAYLOAD
    assert frames.PipeDecoder().feed(frames.encode_pipe(0, payload)) == [(frames.PipeType.DATA, payload)]
    for error, call in (
        (frames.FrameDataLengthError, lambda: frames.encode_frame(b"x" * (frames.MAX_FRAME_DATA + 1), b"r")),
        (frames.FrameReceiptLengthError, lambda: frames.encode_frame(b"", b"")),
        (frames.FrameReceiptLengthError, lambda: frames.encode_frame(b"", b"r" * (MAX_SIGNED_MESSAGE_BYTES + 1))),
        (frames.PipePayloadLengthError, lambda: frames.encode_pipe(0, b"x" * (frames.MAX_PIPE_PAYLOAD + 1))),
        (frames.PipeTypeError, lambda: frames.encode_pipe(2, b"")),
        (frames.FrameReceiptLengthError, lambda: frames.encode_close(UpgradeClose(0, 0), b"")),
    ):
        with pytest.raises(error):
            call()


@pytest.mark.parametrize("length", [0, 15, 16, 17 + MAX_SIGNED_MESSAGE_BYTES])
def test_a_close_without_counts_or_receipt_is_refused(length: int) -> None:
    with pytest.raises(frames.ClosePayloadError):
        frames.split_close(bytes(length))


def test_the_largest_batch_passes_and_one_leaf_more_does_not() -> None:
    leaves = (b"h" * 32,) * log_stream.MAX_BATCH_LEAVES
    batch = log_stream.LeafBatch(b"b" * 16, 0, leaves)
    assert len(batch.to_bcs()) == log_stream.MAX_BATCH_BYTES
    assert log_stream.leaf_batches().feed(log_stream.encode_message(batch)) == [batch]
    with pytest.raises(BcsError):
        log_stream.LeafBatch(b"b" * 16, 0, (*leaves, b"h" * 32))


def test_a_batch_never_counts_past_u64() -> None:
    for first, leaves in ((2**64 - 1, (b"h" * 32,)), (2**64, ()), (-1, ())):
        with pytest.raises(BcsError):
            log_stream.LeafBatch(b"b" * 16, first, leaves)
    for index in (2**64, -1):
        with pytest.raises(BcsError):
            log_stream.LeafAck(b"b" * 16, index).to_bcs()
    assert log_stream.LeafBatch(b"b" * 16, 2**64 - 2, (b"h" * 32,)).to_bcs()


def test_a_message_of_right_length_and_wrong_content_is_refused_by_name() -> None:
    ack = bytearray(log_stream.encode_message(log_stream.LeafAck(b"b" * 16, 1)))
    ack[4] = 15
    with pytest.raises(log_stream.LogMessageError):
        log_stream.leaf_acks().feed(bytes(ack))

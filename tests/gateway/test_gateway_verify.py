"""The verifying core under arbitrary bytes: it returns for the genuine answer and for nothing else."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_gateway.errors import CheckFailed
from daas_gateway.verify import FRESH_MS, Expected, StreamVerifier, check_closing, check_unary
from daas_protocol.frames import FrameDecoder, FrameError, encode_frame
from daas_protocol.receipt import Intent, MailboxRef, Receipt, StreamReceipt, UpgradeClose, sign
from daas_protocol.transport.endpoint import Endpoint
from support.enclave_double import Answer, World
from support.hostile_pipe import Direction, HostilePipe, Plan
from support.hostile_pipe import Kind as Harm

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NOW = 1_800_000_000_000
EXPECTED = Expected(b"e" * 32, b"b" * 16, KEY.public_key(), b"d" * 32, b"r" * 32)
BODY = b'{"kind":"Pod"}'


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


GENUINE = Receipt(b"e" * 32, b"b" * 16, 7, b"d" * 32, b"r" * 32, None, 200, sha(BODY), len(BODY), b"l" * 32)


def signed(receipt: Receipt | StreamReceipt, at: int = NOW, key: Ed25519PrivateKey = KEY) -> bytes:
    intent = Intent.STREAM_RECEIPT if isinstance(receipt, StreamReceipt) else Intent.RECEIPT
    return sign(intent, at, receipt.to_bcs(), key.sign).encode()


def check(raw: bytes, body: bytes = BODY, status: int = 200, now: int = NOW) -> Any:
    return check_unary(base64.b64encode(raw), EXPECTED, status, body, now)


def frames(pieces: list[bytes]) -> list[tuple[bytes, bytes]]:
    made, running, offset = [], hashlib.sha256(), 0
    for index, data in enumerate(pieces):
        running.update(data)
        common = replace(GENUINE, sequence=index, body_digest=sha(data), body_length=len(data))
        fields = [getattr(common, name) for name in Receipt.__dataclass_fields__]
        receipt = StreamReceipt(*fields, index, offset, running.digest(), index == len(pieces) - 1)
        made.append((data, signed(receipt)))
        offset += len(data)
    return made


def test_the_genuine_answer_passes() -> None:
    assert check(signed(GENUINE)).receipt == GENUINE


@given(st.binary(max_size=600))
def test_no_other_bytes_are_a_receipt(raw: bytes) -> None:
    with pytest.raises(CheckFailed):
        check(raw)


@given(st.binary(max_size=600))
def test_no_other_header_is_a_receipt(header: bytes) -> None:
    with pytest.raises(CheckFailed):
        check_unary(header, EXPECTED, 200, BODY, NOW)


@given(st.integers(0, len(signed(GENUINE)) * 8 - 1))
def test_no_bit_of_a_receipt_can_change(bit: int) -> None:
    raw = bytearray(signed(GENUINE))
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(CheckFailed):
        check(bytes(raw))


@given(st.binary(max_size=40).filter(lambda body: body != BODY))
def test_no_other_body_passes(body: bytes) -> None:
    with pytest.raises(CheckFailed):
        check(signed(GENUINE), body)


@given(st.integers(100, 599).filter(lambda status: status != 200))
def test_no_other_status_passes(status: int) -> None:
    with pytest.raises(CheckFailed):
        check(signed(GENUINE), status=status)


@given(st.integers(-10 * FRESH_MS, 10 * FRESH_MS))
def test_freshness_is_exactly_thirty_seconds_either_way(shift: int) -> None:
    if abs(shift) <= FRESH_MS:
        check(signed(GENUINE, NOW + shift))
    else:
        with pytest.raises(CheckFailed, match="timestamp"):
            check(signed(GENUINE, NOW + shift))


@pytest.mark.parametrize(
    "change",
    [
        {"enclave_id": bytes(32)},
        {"boot_id": bytes(16)},
        {"request_digest": bytes(32)},
        {"requester": bytes(32)},
        {"mailbox": MailboxRef(1, 2, 3, None)},
        {"body_digest": bytes(32)},
        {"body_length": 0},
        {"status": 500},
        {"sequence": 2**63},
    ],
)
def test_each_field_is_compared_even_when_the_signature_is_genuine(change: dict[str, Any]) -> None:
    with pytest.raises(CheckFailed):
        check(signed(replace(GENUINE, **change)))


def test_another_key_signs_in_vain() -> None:
    with pytest.raises(CheckFailed):
        check(signed(GENUINE, key=Ed25519PrivateKey.generate()))


def test_nobody_is_taken_with_401_and_for_session_posts_only() -> None:
    nobody = replace(GENUINE, requester=bytes(32))
    for status, posting, passes in ((401, False, True), (403, False, False), (403, True, True), (200, True, False)):
        expected = replace(EXPECTED, may_be_nobody=posting)
        header = base64.b64encode(signed(replace(nobody, status=status)))
        if passes:
            check_unary(header, expected, status, BODY, NOW)
        else:
            with pytest.raises(CheckFailed):
                check_unary(header, expected, status, BODY, NOW)


PIECES = st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=6)


@given(PIECES, st.data())
@settings(max_examples=60, deadline=None)
def test_a_stream_of_frames_in_any_other_order_stops_at_the_first_wrong_one(pieces: list[bytes], data: Any) -> None:
    genuine = frames(pieces)
    shown = data.draw(st.lists(st.sampled_from(range(len(genuine))), max_size=8))
    verifier = StreamVerifier(EXPECTED, 200)
    accepted: list[int] = []
    try:
        for index in shown:
            verifier.accept(*genuine[index], NOW, 0)
            accepted.append(index)
        verifier.end()
        ended = True
    except CheckFailed:
        ended = False
    assert accepted == list(range(len(accepted)))
    assert ended == (shown == list(range(len(genuine))))


@given(PIECES, st.integers(0, 10_000), st.integers(1, 255))
@settings(max_examples=100, deadline=None)
def test_one_changed_byte_of_the_wire_never_adds_or_alters_data(pieces: list[bytes], at: int, mask: int) -> None:
    wire = bytearray(b"".join(encode_frame(*frame) for frame in frames(pieces)))
    wire[at % len(wire)] ^= mask
    verifier, decoder, handed_on = StreamVerifier(EXPECTED, 200), FrameDecoder(), b""
    with pytest.raises((CheckFailed, FrameError)):
        for data, raw in decoder.feed(bytes(wire)):
            verifier.accept(data, raw, NOW, 0)
            handed_on += data
        decoder.end()
        verifier.end()
    assert b"".join(pieces).startswith(handed_on)
    assert handed_on != b"".join(pieces) or len(pieces[-1]) == 0


@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 1000))
def test_closing_counts_must_fit_what_was_carried(sent: int, received: int, to: int, back: int) -> None:
    body = UpgradeClose(sent, received).to_bcs()
    common = replace(GENUINE, status=101, body_digest=sha(body), body_length=16)
    fields = [getattr(common, name) for name in Receipt.__dataclass_fields__]
    payload = body + signed(StreamReceipt(*fields, 1, 0, sha(body), True))
    if sent == back and received <= to:
        check_closing(payload, EXPECTED, to, back, NOW, 0)
    else:
        with pytest.raises(CheckFailed):
            check_closing(payload, EXPECTED, to, back, NOW, 0)
    with pytest.raises(CheckFailed):
        check_closing(payload[16:], EXPECTED, to, back, NOW, 0)


@given(st.binary(max_size=500))
def test_no_other_bytes_close_an_upgrade(payload: bytes) -> None:
    with pytest.raises(CheckFailed):
        check_closing(payload, EXPECTED, 0, 0, NOW, 0)


@pytest.mark.parametrize("seed", range(5))
async def test_a_hostile_pipe_gets_nothing_but_failures(world: World, start, seed: int) -> None:
    """Whatever bytes the host changes: an answer is the enclave's or none, and a write is executed once at most."""
    world.double.answers["/big"] = Answer(frames=[bytes([n]) * 30_000 for n in range(8)])
    plan = Plan.seeded(seed, count=4, horizon=120_000, directions=[Direction.DOWN, Direction.UP], kinds=[*Harm])
    async with HostilePipe(f"tcp:127.0.0.1:{world.double.port}", plan=plan) as pipe:
        _, client = await start(host=Endpoint.parse(str(pipe.endpoint)))
        genuine = b"".join(bytes([n]) * 30_000 for n in range(8))
        for number in range(4):
            big, write = await asyncio.gather(client.get("/big"), client.ask("POST", f"/api/v1/x{number}", b"body"))
            if big.status == 200:
                assert genuine.startswith(big.body)
                assert big.cut or big.body == genuine
            else:
                assert big.reason
            assert write.status == 200 or write.reason
        targets = [seen.target for seen in world.double.seen if seen.method == "POST"]
        assert len(targets) == len(set(targets))

"""Promises of signed messages, and the layout checked against a signature that Nautilus made."""

import dataclasses

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_protocol import receipt
from daas_protocol.bcs import BcsError, Writer

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
RECEIPT = receipt.Receipt(
    enclave_id=b"e" * 32,
    boot_id=b"b" * 16,
    sequence=1,
    request_digest=b"q" * 32,
    requester=b"r" * 32,
    mailbox=None,
    status=200,
    body_digest=b"d" * 32,
    body_length=3,
    log_root=b"l" * 32,
)

# MystenLabs/nautilus, move/weather-example/sources/weather.move, test_weather_flow: an enclave's signature over
# IntentMessage{intent: 0, timestamp_ms: 1744683300000, payload: {location: "San Francisco", temperature: 13}}.
NAUTILUS_KEY = bytes.fromhex("e8e62201dbe293b703c759f653107acbc2c911fa1d2e66f2c747bec95971a2af")
NAUTILUS_SIGNED = bytes.fromhex("00a0743a37960100000d53616e204672616e636973636f0d00000000000000")
NAUTILUS_SIGNATURE = bytes.fromhex(
    "77b6d8be225440d00f3d6eb52e91076a8927cebfb520e58c19daf31ecf06b379"
    "8ec3d3ce9630a9eceee46d24f057794a60dd781657cb06d952269cfc5ae19500"
)


def signed(value: receipt.Receipt = RECEIPT) -> receipt.SignedMessage:
    return receipt.sign(receipt.Intent.RECEIPT, 1764000000000, value.to_bcs(), KEY.sign)


def test_a_signature_made_by_nautilus_verifies_over_our_layout() -> None:
    writer = Writer()
    writer.string("San Francisco")
    writer.u64(13)
    message = receipt.SignedMessage(receipt.Intent.RECEIPT, 1744683300000, writer.finish(), NAUTILUS_SIGNATURE)
    assert message.signing_bytes() == NAUTILUS_SIGNED
    public_key = Ed25519PublicKey.from_public_bytes(NAUTILUS_KEY)
    receipt.verify(message, public_key)
    receipt.verify(receipt.SignedMessage.decode(NAUTILUS_SIGNED + NAUTILUS_SIGNATURE), public_key)
    with pytest.raises(receipt.ReceiptSignatureError):
        receipt.verify(dataclasses.replace(message, timestamp_ms=1744683300001), public_key)


@given(bit=st.integers(0, 8 * len(signed().encode()) - 1))
@settings(max_examples=200, deadline=None)
def test_no_bit_of_a_signed_message_can_be_changed(bit: int) -> None:
    encoded = bytearray(signed().encode())
    encoded[bit // 8] ^= 1 << bit % 8
    with pytest.raises((BcsError, receipt.ReceiptSignatureError)):
        receipt.verify(receipt.SignedMessage.decode(bytes(encoded)), KEY.public_key())


def test_another_key_is_refused_and_named() -> None:
    other = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32).public_key()
    with pytest.raises(receipt.ReceiptSignatureError, match=other.public_bytes_raw().hex()):
        receipt.verify(signed(), other)


def test_a_signature_says_one_kind_of_statement() -> None:
    message = signed()
    with pytest.raises(receipt.IntentError) as caught:
        message.stream_receipt()
    assert (caught.value.expected, caught.value.actual) == (receipt.Intent.STREAM_RECEIPT, receipt.Intent.RECEIPT)
    other = dataclasses.replace(message, intent=receipt.Intent.STREAM_RECEIPT)
    with pytest.raises(receipt.ReceiptSignatureError):
        receipt.verify(other, KEY.public_key())


def test_the_leaf_leaves_out_intent_time_and_signature() -> None:
    first, second = signed(), receipt.sign(receipt.Intent.RECEIPT, 5, RECEIPT.to_bcs(), KEY.sign)
    assert first.leaf_hash() == second.leaf_hash() == receipt.leaf_hash(RECEIPT.to_bcs())
    assert first.encode() != second.encode()


def test_intents_keep_their_numbers() -> None:
    assert [(intent.name, intent.value) for intent in receipt.Intent] == [
        ("RECEIPT", 0),
        ("RECEIPT_BATCH", 1),
        ("STREAM_RECEIPT", 2),
        ("TREE_HEAD", 3),
        ("JOIN_TOKEN", 4),
        ("WORKER_STATUS", 5),
        ("SNAPSHOT", 6),
        ("HANDOFF", 7),
        ("DRAIN", 8),
        ("WORKER_STATEMENT", 9),
    ]


@pytest.mark.parametrize("name", ["enclave_id", "boot_id", "request_digest", "requester", "body_digest", "log_root"])
def test_byte_strings_of_a_wrong_length_are_never_padded_or_cut(name: str) -> None:
    value = getattr(RECEIPT, name)
    for wrong in (value[:-1], value + b"x", b""):
        with pytest.raises(BcsError, match=name):
            dataclasses.replace(RECEIPT, **{name: wrong}).to_bcs()


@pytest.mark.parametrize(
    ("name", "bits"), [("sequence", 64), ("status", 16), ("body_length", 64)], ids=["sequence", "status", "length"]
)
def test_integers_out_of_range_are_refused(name: str, bits: int) -> None:
    for wrong in (-1, 2**bits):
        with pytest.raises(BcsError):
            dataclasses.replace(RECEIPT, **{name: wrong}).to_bcs()


def test_numbers_of_a_mailbox_a_close_and_a_frame_are_u64() -> None:
    stream = receipt.StreamReceipt(
        *(getattr(RECEIPT, field.name) for field in dataclasses.fields(RECEIPT)), 0, 0, b"r" * 32, False
    )
    for wrong in (-1, 2**64):
        for value in (
            receipt.MailboxRef(wrong, 0, 0, None),
            receipt.MailboxRef(0, wrong, 0, None),
            receipt.MailboxRef(0, 0, wrong, None),
            receipt.UpgradeClose(wrong, 0),
            receipt.UpgradeClose(0, wrong),
            dataclasses.replace(stream, index=wrong),
            dataclasses.replace(stream, offset=wrong),
        ):
            with pytest.raises(BcsError):
                value.to_bcs()
        with pytest.raises(BcsError):
            receipt.signing_bytes(receipt.Intent.RECEIPT, wrong, b"")
    for value in (receipt.MailboxRef(0, 0, 0, b"x" * 31), dataclasses.replace(stream, running_digest=b"x" * 33)):
        with pytest.raises(BcsError):
            value.to_bcs()


def test_a_signed_message_is_never_longer_than_its_cap() -> None:
    room = receipt.MAX_SIGNED_MESSAGE_BYTES - 9 - 64
    fits = receipt.SignedMessage(receipt.Intent.SNAPSHOT, 0, b"x" * room, b"s" * 64)
    assert receipt.from_header(receipt.to_header(fits)) == fits
    with pytest.raises(BcsError):
        dataclasses.replace(fits, payload=b"x" * (room + 1)).encode()
    with pytest.raises(BcsError):
        receipt.SignedMessage.decode(b"\x00" * (receipt.MAX_SIGNED_MESSAGE_BYTES + 1))
    with pytest.raises(BcsError):
        receipt.from_header("A" * (receipt.MAX_HEADER_CHARACTERS + 4))


def test_a_header_has_one_text() -> None:
    header = receipt.to_header(signed())
    assert receipt.from_header(header) == signed()
    for wrong in (
        header + "\n",
        " " + header,
        header[:-1],
        header + "====",
        "é" + header,
        header[:40] + "\n" + header[40:],
    ):
        with pytest.raises(BcsError):
            receipt.from_header(wrong)
    with pytest.raises(BcsError):
        receipt.decode_base64("AB==", 4)  # spare bits set: "AA==" is the one text of a zero byte
    with pytest.raises(BcsError):
        receipt.decode_base64("-_-_", 4)


def test_a_signer_that_returns_something_else_is_refused() -> None:
    with pytest.raises(BcsError):
        receipt.sign(receipt.Intent.RECEIPT, 0, RECEIPT.to_bcs(), lambda _: b"short")

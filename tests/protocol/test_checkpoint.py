"""Checkpoints: one signature in two spellings, read strictly, and never a second thing that the receipt key signs."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_protocol.checkpoint import (
    MAX_NOTE_BYTES,
    MAX_SIGNATURE_LINES,
    ORIGIN_PREFIX,
    CheckpointError,
    from_note,
    key_id,
    origin,
    to_note,
    verifier_key,
)
from daas_protocol.ed25519 import FastVerifyKey
from daas_protocol.log import TreeHead
from daas_protocol.receipt import Intent, IntentError, ReceiptSignatureError, SignedMessage, verify

GOLDEN = json.loads((Path(__file__).parents[1] / "vectors" / "checkpoint.json").read_text(encoding="utf-8"))
PUBLIC = bytes.fromhex(GOLDEN["receipt_public_key"])
NOTE: str = GOLDEN["vectors"][1]["note"]
MESSAGE = SignedMessage.decode(bytes.fromhex(GOLDEN["vectors"][1]["message"]))
NAME, SIZE, ROOT, _, SIGNATURE, _ = NOTE.split("\n")
SIGNED = base64.b64decode(SIGNATURE.split(" ")[2])


def line(name: str, signature: bytes) -> str:
    return f"— {name} {base64.b64encode(signature).decode()}\n"


def test_what_comes_back_is_the_message_that_the_enclave_signed() -> None:
    message = from_note(NOTE, PUBLIC)
    assert message == MESSAGE
    verify(message, FastVerifyKey(PUBLIC))


def test_a_note_of_anything_but_a_tree_head_cannot_be_made() -> None:
    for intent in set(Intent) - {Intent.TREE_HEAD}:
        with pytest.raises(IntentError):
            to_note(SignedMessage(intent, 1, MESSAGE.payload, MESSAGE.signature), PUBLIC)


def test_the_text_of_a_note_is_never_what_the_key_signs() -> None:
    """Domains are apart: an IntentMessage begins with its intent, a note with the letter d of its origin."""
    assert NOTE.encode()[0] == ord(ORIGIN_PREFIX[0]) > max(Intent)
    assert MESSAGE.signing_bytes()[0] == Intent.TREE_HEAD
    with pytest.raises(InvalidSignature):
        FastVerifyKey(PUBLIC).verify(MESSAGE.signature, f"{NAME}\n{SIZE}\n{ROOT}\n".encode())


def test_a_key_id_tells_names_keys_and_signature_types_apart() -> None:
    plain_ed25519 = hashlib.sha256(NAME.encode() + b"\n\x01" + PUBLIC).digest()[:4]
    seen = {key_id(NAME, PUBLIC), key_id(NAME + "0", PUBLIC), key_id(NAME, bytes(32)), plain_ed25519}
    assert len(seen) == 4
    assert verifier_key(NAME, PUBLIC).split("+")[1] == key_id(NAME, PUBLIC).hex()


@pytest.mark.parametrize(
    "changed",
    [
        "",
        "\n",
        "\n\n",
        NOTE[:-1],
        NOTE + "\n",
        NOTE.replace("\n\n", "\n"),
        NOTE.replace("\n", "\r\n"),
        NOTE.replace("— ", "- "),
        NOTE.replace("— ", "—"),
        NOTE.replace("— ", ""),
        NOTE.replace("\n13\n", "\n013\n"),
        NOTE.replace("\n13\n", "\n+13\n"),
        NOTE.replace("\n13\n", "\n-13\n"),
        NOTE.replace("\n13\n", "\n１３\n"),
        NOTE.replace("\n13\n", f"\n{2**64}\n"),
        NOTE.replace("\n13\n", f"\n{'9' * 5000}\n"),
        NOTE.replace("\n13\n", "\n13\n\n"),
        NOTE.replace(f"\n{ROOT}\n", f"\n{ROOT}\nan extension line\n"),
        NOTE.replace(ROOT, ROOT[:-1]),
        NOTE.replace(ROOT, ROOT[:-4]),
        NOTE.replace("e0e1", "E0E1"),
        NOTE.replace("daas/v1/", "daas/v2/"),
        NOTE.replace("daas/v1/", "example.com/"),
        NOTE.replace("\n\n", "\n\n\x00"),
        f"{NAME}\n{SIZE}\n{ROOT}\n\n",
        f"{NAME}\n{SIZE}\n{ROOT}\n\n{line(NAME, SIGNED[:-1])}",
        f"{NAME}\n{SIZE}\n{ROOT}\n\n{line(NAME, SIGNED + bytes(1))}",
        f"{NAME}\n{SIZE}\n{ROOT}\n\n{line(NAME, SIGNED)}{line(NAME, SIGNED)}",
        f"{NAME}\n{SIZE}\n{ROOT}\n\n{line('other', SIGNED)}",
        f"{NAME}\n{SIZE}\n{ROOT}\n\n{line(NAME, SIGNED)}{line('wit+ness', SIGNED)}",
        f"{NAME}\n{SIZE}\n{ROOT}\n\n{line(NAME, SIGNED)}{line('w', bytes(4))}",
        NOTE + line("w\x00", bytes(68)),
        NOTE + line("w", bytes(68)) * MAX_SIGNATURE_LINES,
        NOTE + "x" * MAX_NOTE_BYTES,
        NOTE + "\ud800",
    ],
    ids=lambda text: ascii(text[:24]) + str(len(text)),
)
def test_another_spelling_is_refused(changed: str) -> None:
    with pytest.raises(CheckpointError):
        from_note(changed, PUBLIC)


def test_signatures_of_others_are_passed_over_up_to_a_limit() -> None:
    others = "".join(line(f"witness.example/{number}", bytes(76)) for number in range(MAX_SIGNATURE_LINES - 1))
    assert from_note(NOTE + others, PUBLIC) == MESSAGE
    body, own = NOTE.split("\n\n")
    assert from_note(f"{body}\n\n{others}{own}", PUBLIC) == MESSAGE
    colliding = line(NAME, b"\x00\x01\x02\x03" + SIGNED[4:])
    assert from_note(NOTE + colliding, PUBLIC) == MESSAGE


def test_a_note_says_nothing_under_another_key() -> None:
    with pytest.raises(CheckpointError):
        from_note(NOTE, bytes(32))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(NOTE.encode()) - 1), st.integers(0, 7))
def test_no_bit_of_a_checkpoint_can_change_unseen(place: int, bit: int) -> None:
    changed = bytearray(NOTE.encode())
    changed[place] ^= 1 << bit
    try:
        text = bytes(changed).decode()
        with pytest.raises((CheckpointError, ReceiptSignatureError)):
            verify(from_note(text, PUBLIC), FastVerifyKey(PUBLIC))
    except UnicodeDecodeError:
        pass


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300))
def test_arbitrary_text_is_no_checkpoint(text: str) -> None:
    with pytest.raises(CheckpointError):
        from_note(text, PUBLIC)


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(min_size=16, max_size=16), st.integers(0, 2**64 - 1))
def test_every_tree_head_has_a_note_that_leads_back(enclave: bytes, boot: bytes, size: int) -> None:
    payload = TreeHead(enclave, boot, size, enclave).to_bcs()
    message = SignedMessage(Intent.TREE_HEAD, size, payload, MESSAGE.signature)
    note = to_note(message, PUBLIC)
    assert note.startswith(origin(enclave, boot) + "\n")
    assert from_note(note, PUBLIC) == message

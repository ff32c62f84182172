"""Promises: the Move package and Python share their golden vectors, and what Python reads of them is strict."""

import dataclasses
import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from daas_protocol import intents, log, receipt
from daas_protocol.bcs import BcsError
from support.move_source import files
from support.move_vectors import STRUCTURES, examples, load, to_json

MESSAGES = load("move_messages")
PROOFS = load("move_proofs")
ENTRY = intents.WorkerStatusEntry("worker-1", 2, 5)


def messages() -> list[Any]:
    return [pytest.param(vector, id=vector["name"]) for vector in MESSAGES["vectors"]]


def structures() -> list[Any]:
    return [pytest.param(value, id=name) for name, value in examples()]


@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_the_committed_files_are_what_the_one_source_makes(path: Any) -> None:
    assert path.read_text(encoding="utf-8") == files()[path]


def test_every_intent_has_a_vector() -> None:
    assert {vector["intent"] for vector in MESSAGES["vectors"]} == set(receipt.Intent)


@pytest.mark.parametrize("vector", messages())
def test_messages_decode_to_their_fields_and_encode_to_their_bytes(vector: dict[str, Any]) -> None:
    intent, structure = STRUCTURES[vector["structure"]]
    payload = bytes.fromhex(vector["bytes"])
    value = structure.from_bcs(payload)
    assert to_json(value) == vector["fields"]
    assert value.to_bcs() == payload
    assert vector["intent"] == intent
    signed = receipt.signing_bytes(receipt.Intent(intent), vector["timestamp_ms"], payload)
    assert signed.hex() == vector["signing_bytes"]


@pytest.mark.parametrize("vector", messages())
def test_messages_are_signed_by_the_key_of_their_kind(vector: dict[str, Any]) -> None:
    seed = bytes.fromhex(MESSAGES[f"{vector['signer']}_private_key"])
    public_key = bytes.fromhex(MESSAGES[f"{vector['signer']}_public_key"])
    assert Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw() == public_key
    message = receipt.SignedMessage(
        receipt.Intent(vector["intent"]),
        vector["timestamp_ms"],
        bytes.fromhex(vector["bytes"]),
        bytes.fromhex(vector["signature"]),
    )
    key = Ed25519PublicKey.from_public_bytes(public_key)
    receipt.verify(message, key)
    for other in set(receipt.Intent) - {message.intent}:
        with pytest.raises(receipt.ReceiptSignatureError):
            receipt.verify(dataclasses.replace(message, intent=other), key)


@pytest.mark.parametrize("value", structures())
def test_a_structure_is_refused_when_a_byte_is_missing_or_left_over(value: Any) -> None:
    encoded = value.to_bcs()
    for end in range(len(encoded)):
        with pytest.raises(BcsError):
            type(value).from_bcs(encoded[:end])
    with pytest.raises(BcsError):
        type(value).from_bcs(encoded + b"\x00")


@pytest.mark.parametrize("value", structures())
def test_identifiers_of_a_wrong_length_are_never_padded_or_cut(value: Any) -> None:
    for name in value.__dataclass_fields__:
        content = getattr(value, name)
        if isinstance(content, bytes) and name != "ciphertext":
            for wrong in (content[:-1], content + b"x", b""):
                with pytest.raises(BcsError, match=name):
                    dataclasses.replace(value, **{name: wrong}).to_bcs()


BATCH = next(value for name, value in examples() if name == "batch of one")
TOKEN = next(value for name, value in examples() if name == "join token")
STATUS = next(value for name, value in examples() if name == "worker status")
STATEMENT = next(value for name, value in examples() if name == "worker statement")


@pytest.mark.parametrize(
    ("value", "field", "few", "many"),
    [
        (BATCH, "receipts", BATCH.receipts * 256, BATCH.receipts * 257),
        (TOKEN, "ciphertext", bytes(8192), bytes(8193)),
        (TOKEN, "node_id", "a" * 63, "a" * 64),
        (STATUS, "entries", (ENTRY,) * 256, (ENTRY,) * 257),
        (STATEMENT, "node_id", "ü" * 31, "ü" * 32),
    ],
    ids=["receipts", "ciphertext", "node_id", "entries", "node_id of a statement"],
)
def test_a_field_holds_what_the_contract_takes_and_no_more(value: Any, field: str, few: Any, many: Any) -> None:
    largest = dataclasses.replace(value, **{field: few})
    assert type(value).from_bcs(largest.to_bcs()) == largest
    with pytest.raises(intents.IntentRangeError) as caught:
        dataclasses.replace(value, **{field: many}).to_bcs()
    assert caught.value.actual == caught.value.expected[1] + 1
    if field != "node_id":
        with pytest.raises(intents.IntentRangeError):
            dataclasses.replace(value, **{field: many[:0]}).to_bcs()


def test_an_empty_batch_status_or_ciphertext_is_refused_in_bytes_too() -> None:
    head = STATUS.to_bcs()[: 32 + 17 + 32]
    token = dataclasses.replace(TOKEN, ciphertext=b"\xff").to_bcs()
    for structure, encoded in (
        (intents.ReceiptBatch, b"\x00"),
        (intents.WorkerStatus, head + b"\x00"),
        (intents.JoinToken, token[:-2] + b"\x00"),
    ):
        with pytest.raises(intents.IntentRangeError):
            structure.from_bcs(encoded)


def test_a_node_id_that_is_no_text_is_refused() -> None:
    with pytest.raises(BcsError, match="UTF-8"):
        dataclasses.replace(STATEMENT, node_id="\ud800").to_bcs()


def made(count: int) -> list[bytes]:
    return [hashlib.sha256(bytes((index,))).digest() for index in range(count)]


@pytest.mark.parametrize("item", PROOFS["inclusion"], ids=str)
def test_made_inclusion_proofs_hold_under_their_root_only(item: dict[str, Any]) -> None:
    given: dict[str, Any] = {
        "leaf_hash": hashlib.sha256(b"\xff").digest(),
        "index": item["index"],
        "size": item["size"],
    }
    log.verify_inclusion(**given, proof=made(item["hashes"]), root=bytes.fromhex(item["root"]))
    with pytest.raises(log.InclusionProofError):
        log.verify_inclusion(**given, proof=made(item["hashes"]), root=bytes(32))


@pytest.mark.parametrize("item", PROOFS["consistency"], ids=str)
def test_made_consistency_proofs_hold_under_their_roots_only(item: dict[str, Any]) -> None:
    given: dict[str, Any] = {"old_size": item["old_size"], "new_size": item["new_size"], "proof": made(item["hashes"])}
    old_root, new_root = bytes.fromhex(item["old_root"]), bytes.fromhex(item["new_root"])
    log.verify_consistency(**given, old_root=old_root, new_root=new_root)
    for wrong_old, wrong_new in ((bytes(32), new_root), (old_root, bytes(32))):
        with pytest.raises(log.ConsistencyProofError):
            log.verify_consistency(**given, old_root=wrong_old, new_root=wrong_new)

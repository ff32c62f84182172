"""Promise: the wire never changes. The literals in tests/vectors decode to their fields and encode to the same bytes.

The literals were written by another encoder than the one under test, from docs/protocol.md alone.
"""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from daas_protocol import binding, checkpoint, evidence, frames, log_proof, log_stream, receipt, session, sui
from daas_protocol.grant import Grant, GrantError, parse_grant
from daas_protocol.log import TreeHead
from daas_protocol.statement import Contradiction

VECTORS = Path(__file__).parents[1] / "vectors"
IDS_OF_TEXT = {"name", "method", "path", "accept", "content_type", "upgrade"}


def load(name: str) -> dict[str, Any]:
    return json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))


def cases(name: str, key: str = "vectors") -> list[Any]:
    return [pytest.param(vector, id=vector["name"]) for vector in load(name)[key]]


def value_of(name: str, value: Any) -> Any:
    match value:
        case dict():
            return receipt.MailboxRef(**{key: value_of(key, item) for key, item in value.items()})
        case list():
            return tuple(bytes.fromhex(item) for item in value)
        case str() if name not in IDS_OF_TEXT:
            return bytes.fromhex(value)
        case _:
            return value


def fields(vector: dict[str, Any]) -> dict[str, Any]:
    return {name: value_of(name, value) for name, value in vector["fields"].items()}


def check_both_ways(structure: Any, vector: dict[str, Any]) -> Any:
    value = structure(**fields(vector))
    encoded = bytes.fromhex(vector["bytes"])
    assert value.to_bcs() == encoded
    assert structure.from_bcs(encoded) == value
    return value


def check_signed(name: str, vector: dict[str, Any]) -> receipt.SignedMessage:
    file = load(name)
    private_key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(file["receipt_private_key"]))
    public_key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(file["receipt_public_key"]))
    signed, payload = vector["signed"], bytes.fromhex(vector["bytes"])
    message = receipt.sign(receipt.Intent(signed["intent"]), signed["timestamp_ms"], payload, private_key.sign)
    assert message.signing_bytes().hex() == signed["signing_bytes"]
    assert message.signature.hex() == signed["signature"]
    assert message.encode().hex() == signed["message"]
    assert message.leaf_hash().hex() == signed["leaf_hash"]
    assert receipt.to_header(message) == signed["header"]
    assert receipt.from_header(signed["header"]) == message
    assert receipt.SignedMessage.decode(bytes.fromhex(signed["message"])) == message
    receipt.verify(message, public_key)
    return message


@pytest.mark.parametrize("vector", cases("receipt"))
def test_receipts(vector: dict[str, Any]) -> None:
    value = check_both_ways(receipt.Receipt, vector)
    assert check_signed("receipt", vector).receipt() == value


@pytest.mark.parametrize("vector", cases("stream_receipt"))
def test_stream_receipts(vector: dict[str, Any]) -> None:
    value = check_both_ways(receipt.StreamReceipt, vector)
    assert check_signed("stream_receipt", vector).stream_receipt() == value


@pytest.mark.parametrize("vector", cases("tree_head"))
def test_tree_heads(vector: dict[str, Any]) -> None:
    check_both_ways(TreeHead, vector)
    assert check_signed("tree_head", vector).intent is receipt.Intent.TREE_HEAD


@pytest.mark.parametrize("vector", cases("request_binding"))
def test_request_bindings(vector: dict[str, Any]) -> None:
    value = check_both_ways(binding.RequestBinding, vector)
    assert value.digest().hex() == vector["request_digest"]
    signed = binding.session_signing_bytes(value.digest())
    assert signed.hex() == vector["session_signing_bytes"]
    file = load("request_binding")
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(file["session_private_key"]))
    assert key.sign(signed).hex() == vector["session_signature"]


def test_the_upgrade_string_of_the_golden_exec() -> None:
    golden = next(item for item in load("request_binding")["vectors"] if item["fields"]["upgrade"])
    offered = ["v5.channel.k8s.io", "v4.channel.k8s.io"]
    assert binding.upgrade_string("SPDY/3.1", offered) == golden["fields"]["upgrade"]


@pytest.mark.parametrize("vector", cases("enclave_binding"))
def test_enclave_bindings(vector: dict[str, Any]) -> None:
    value = check_both_ways(binding.EnclaveBinding, vector)
    assert len(value.to_bcs()) == 213


def test_the_anchor_of_a_policy_file() -> None:
    file = load("enclave_binding")
    anchor = binding.policy_file_anchor(file["policy_file"].encode())
    assert anchor.hex() == file["vectors"][1]["fields"]["light_client_anchor"]


@pytest.mark.parametrize("vector", cases("request_auth"))
def test_request_auth(vector: dict[str, Any]) -> None:
    value = check_both_ways(binding.RequestAuth, vector)
    assert value.to_header() == vector["header"]
    assert binding.RequestAuth.from_header(vector["header"]) == value


@pytest.mark.parametrize("vector", cases("session_text"))
def test_session_texts(vector: dict[str, Any]) -> None:
    given = dict(vector["fields"])
    scope = tuple(parse_grant(text) for text in given.pop("scope"))
    value = session.SessionText(**{name: value_of(name, item) for name, item in given.items()}, scope=scope)
    assert value.text() == vector["text"]
    assert value.text().encode().hex() == vector["bytes"]
    assert session.parse(vector["text"]) == value
    assert sui.personal_message_digest(value.text().encode()).hex() == vector["personal_message_digest"]

    file = load("session_text")
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(file["user_private_key"]))
    signature = sui.sign_personal_message(key, value.text().encode())
    assert base64.b64encode(signature).decode() == vector["signature"]
    assert sui.format_address(sui.verify_personal_message(value.text().encode(), signature)) == file["user_address"]


@pytest.mark.parametrize("vector", cases("frames"))
def test_frames(vector: dict[str, Any]) -> None:
    frame = fields(vector)
    encoded = bytes.fromhex(vector["bytes"])
    assert frames.encode_frame(frame["data"], frame["receipt"]) == encoded
    assert frames.FrameDecoder().feed(encoded) == [(frame["data"], frame["receipt"])]


@pytest.mark.parametrize("vector", cases("frames", "refused"))
def test_refused_frames(vector: dict[str, Any]) -> None:
    with pytest.raises(getattr(frames, vector["error"])):
        frames.FrameDecoder().feed(bytes.fromhex(vector["bytes"]))


@pytest.mark.parametrize("vector", cases("pipe_frames"))
def test_pipe_frames(vector: dict[str, Any]) -> None:
    kind, payload = vector["fields"]["type"], bytes.fromhex(vector["fields"]["payload"])
    encoded = bytes.fromhex(vector["bytes"])
    assert frames.encode_pipe(kind, payload) == encoded
    assert frames.PipeDecoder().feed(encoded) == [(frames.PipeType(kind), payload)]


@pytest.mark.parametrize("vector", cases("pipe_frames", "refused"))
def test_refused_pipe_frames(vector: dict[str, Any]) -> None:
    decoder = frames.PipeDecoder()
    with pytest.raises(getattr(frames, vector["error"])):
        decoder.feed(bytes.fromhex(vector["bytes"]))
        decoder.end()


def test_the_close_of_the_enclave_carries_what_its_receipt_signs() -> None:
    file = load("pipe_frames")
    golden = file["upgrade_close"]
    close = receipt.UpgradeClose(golden["sent"], golden["received"])
    assert close.to_bcs().hex() == golden["bytes"]
    frame = file["vectors"][-1]
    counts, encoded = frames.split_close(bytes.fromhex(frame["fields"]["payload"]))
    assert counts == close
    signed = receipt.SignedMessage.decode(encoded).stream_receipt()
    assert signed.last
    assert (signed.index, signed.offset, signed.status, signed.body_length) == (1, 0, 101, 16)
    assert signed.body_digest == signed.running_digest == hashlib.sha256(close.to_bcs()).digest()
    assert frames.encode_close(close, encoded).hex() == frame["bytes"]


@pytest.mark.parametrize("vector", cases("leaf_batch"))
def test_leaf_batches(vector: dict[str, Any]) -> None:
    value = check_both_ways(log_stream.LeafBatch, vector)
    assert log_stream.encode_message(value).hex() == vector["framed"]
    assert log_stream.leaf_batches().feed(bytes.fromhex(vector["framed"])) == [value]


@pytest.mark.parametrize("vector", cases("leaf_ack"))
def test_leaf_acks(vector: dict[str, Any]) -> None:
    value = check_both_ways(log_stream.LeafAck, vector)
    assert log_stream.encode_message(value).hex() == vector["framed"]
    assert log_stream.leaf_acks().feed(bytes.fromhex(vector["framed"])) == [value]


@pytest.mark.parametrize("vector", load("grants")["accepted"], ids=lambda vector: vector["text"])
def test_accepted_grants(vector: dict[str, Any]) -> None:
    parts = {name: value for name, value in vector.items() if name not in ("text", "verbs")}
    expected = Grant(**parts, verbs=frozenset(vector["verbs"]))
    assert parse_grant(vector["text"]) == expected
    assert str(expected) == vector["text"]


@pytest.mark.parametrize("text", load("grants")["refused"], ids=ascii)
def test_refused_grants(text: str) -> None:
    with pytest.raises(GrantError):
        parse_grant(text)


def test_what_grants_allow() -> None:
    for question in load("grants")["asked"]:
        given = {name: value for name, value in question.items() if name not in ("grant", "allowed")}
        assert parse_grant(question["grant"]).allows(**given) is question["allowed"], question


@pytest.mark.parametrize("name", ["inclusion_proof", "consistency_proof"])
def test_log_proofs(name: str) -> None:
    structure = {"inclusion_proof": log_proof.InclusionProof, "consistency_proof": log_proof.ConsistencyProof}[name]
    for vector in load(name)["vectors"]:
        value = structure(**fields(vector))
        encoded = bytes.fromhex(vector["bytes"])
        assert value.to_bcs() == encoded
        assert log_proof.proof_from_bcs(encoded) == value
        assert log_proof.proof_to_text(value) == vector["text"]
        assert log_proof.proof_from_text(vector["text"]) == value
        value.verify(bytes.fromhex(vector["root"]))


@pytest.mark.parametrize("vector", cases("checkpoint"))
def test_checkpoints(vector: dict[str, Any]) -> None:
    public_key = bytes.fromhex(load("checkpoint")["receipt_public_key"])
    message = receipt.SignedMessage.decode(bytes.fromhex(vector["message"]))
    head = TreeHead.from_bcs(message.payload)
    assert checkpoint.origin(head.enclave_id, head.boot_id) == vector["origin"]
    assert checkpoint.key_id(vector["origin"], public_key).hex() == vector["key_id"]
    assert checkpoint.verifier_key(vector["origin"], public_key) == vector["verifier_key"]
    assert checkpoint.to_note(message, public_key) == vector["note"]
    assert checkpoint.from_note(vector["note"], public_key) == message
    receipt.verify(message, Ed25519PublicKey.from_public_bytes(public_key))


@pytest.mark.parametrize("vector", cases("evidence"))
def test_evidence(vector: dict[str, Any]) -> None:
    public_key = bytes.fromhex(load("evidence")["receipt_public_key"])
    encoded = bytes.fromhex(vector["bytes"])
    value = evidence.Evidence(
        Contradiction(vector["kind"]),
        public_key,
        receipt.SignedMessage.decode(bytes.fromhex(vector["first"])),
        receipt.SignedMessage.decode(bytes.fromhex(vector["second"])),
        None if vector["proof"] is None else log_proof.proof_from_bcs(bytes.fromhex(vector["proof"])),
    )
    assert value.to_bcs() == encoded
    assert evidence.Evidence.from_bcs(encoded) == value
    assert value.to_text() == vector["text"]
    assert evidence.Evidence.from_text(vector["text"]) == value
    assert value.judge(public_key) is value.kind

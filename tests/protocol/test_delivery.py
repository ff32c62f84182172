"""Promises of a delivery on chain: it opens for the requester of that request only, and fits where it has to go."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from daas_protocol import hpke
from daas_protocol.bcs import BcsError
from daas_protocol.delivery import (
    MAX_CONTENT_TYPE_BYTES,
    MAX_DELIVERED_BODY_BYTES,
    MAX_DELIVERY_BYTES,
    Delivery,
    DeliveryLengthError,
    DeliveryStructureError,
    ResponseKey,
    delivery_length,
    open_delivery,
    seal_delivery,
)
from daas_protocol.request_envelope import EnvelopeInfo

FOLDER = Path(__file__).parents[1] / "vectors"
VECTORS = json.loads((FOLDER / "delivery.json").read_text(encoding="utf-8"))
REQUESTS = json.loads((FOLDER / "request_envelope.json").read_text(encoding="utf-8"))["vectors"]
SEED = bytes.fromhex(VECTORS["seed"])
every_vector = pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["name"])


def read(vector: dict[str, Any]) -> tuple[EnvelopeInfo, Delivery, bytes]:
    given = vector["fields"]
    (request,) = (request for request in REQUESTS if request["name"] == vector["request"])
    info = EnvelopeInfo.from_bcs(bytes.fromhex(request["info_bytes"]))
    answer = Delivery(given["status"], given["content_type"], bytes.fromhex(given["body"]))
    return info, answer, bytes.fromhex(vector["ciphertext"])


@every_vector
def test_golden_deliveries(vector: dict[str, Any]) -> None:
    info, answer, ciphertext = read(vector)
    assert answer.to_bcs().hex() == vector["bytes"]
    assert Delivery.from_bcs(answer.to_bcs()) == answer
    key = ResponseKey(SEED)
    assert key.public_bytes.hex() == VECTORS["public_key"]
    assert open_delivery(info, ciphertext, key) == answer
    assert len(ciphertext) == delivery_length(answer.content_type, len(answer.body))


@pytest.mark.parametrize("name", [field.name for field in fields(EnvelopeInfo)])
def test_it_answers_one_request_only(name: str) -> None:
    info, _, ciphertext = read(VECTORS["vectors"][0])
    value = getattr(info, name)
    other = value[:-1] + bytes((value[-1] ^ 1,)) if isinstance(value, bytes) else value + type(value)(1)
    with pytest.raises(hpke.NotOpened):
        open_delivery(replace(info, **{name: other}), ciphertext, ResponseKey(SEED))


def test_no_byte_can_be_another_none_missing_none_more_and_no_other_key_opens_it() -> None:
    info, _, ciphertext = read(VECTORS["vectors"][0])
    key = ResponseKey(SEED)
    for place in range(len(ciphertext)):
        changed = bytearray(ciphertext)
        changed[place] ^= 1 << place % 8
        # The highest bit of an X25519 key is no part of it (RFC 7748), but it is of what is authenticated.
        with pytest.raises(hpke.NotOpened):
            open_delivery(info, bytes(changed), key)
        with pytest.raises(hpke.CiphertextLengthError):
            open_delivery(info, ciphertext[:place], key)
    changed = bytearray(ciphertext)
    changed[31] ^= 0x80
    with pytest.raises(hpke.NotOpened):
        open_delivery(info, bytes(changed), key)
    with pytest.raises(hpke.CiphertextLengthError):
        open_delivery(info, ciphertext + b"\x00", key)
    with pytest.raises(hpke.NotOpened):
        open_delivery(info, ciphertext, ResponseKey(bytes(32)))


def test_the_longest_answer_fits_and_a_byte_more_is_refused() -> None:
    info, _, _ = read(VECTORS["vectors"][0])
    key = ResponseKey(SEED)
    longest = Delivery(65_535, "x" * MAX_CONTENT_TYPE_BYTES, bytes(MAX_DELIVERED_BODY_BYTES))
    ciphertext = seal_delivery(info, longest, key.public_bytes)
    assert len(ciphertext) == delivery_length("x" * MAX_CONTENT_TYPE_BYTES, MAX_DELIVERED_BODY_BYTES)
    assert len(ciphertext) <= MAX_DELIVERY_BYTES
    assert open_delivery(info, ciphertext, key) == longest
    for answer in (
        replace(longest, body=longest.body + b"x"),
        replace(longest, content_type=longest.content_type + "x"),
    ):
        with pytest.raises(DeliveryLengthError):
            seal_delivery(info, answer, key.public_bytes)
    with pytest.raises(BcsError):
        seal_delivery(info, replace(longest, status=65_536), key.public_bytes)
    with pytest.raises(hpke.CiphertextLengthError):
        open_delivery(info, bytes(MAX_DELIVERY_BYTES + 256), key)


def test_the_length_of_any_answer_is_known_beforehand() -> None:
    info, _, _ = read(VECTORS["vectors"][0])
    key = ResponseKey(SEED).public_bytes
    for size in (0, 1, 100, 127, 128, 230, 231, 232, 233, 234, 235, 236, 240, 260, 500, 8_000):
        made = len(seal_delivery(info, Delivery(200, "text/plain", bytes(size)), key))
        # One byte less in a length's shorter form may make it one block less.
        assert delivery_length("text/plain", size) - made in (0, 256)


@pytest.mark.parametrize("key", [b"", bytes(31), bytes(33), bytes(32), b"\x01" + bytes(31)], ids=bytes.hex)
def test_a_response_key_of_a_hostile_requester_is_refused_by_name(key: bytes) -> None:
    """Zero and one are points of small order: anybody could read the answer."""
    info, answer, _ = read(VECTORS["vectors"][0])
    with pytest.raises(hpke.PublicKeyError):
        seal_delivery(info, answer, key)


def test_content_that_is_no_answer_is_refused_by_name() -> None:
    info, answer, _ = read(VECTORS["vectors"][0])
    key = ResponseKey(SEED)
    content = answer.to_bcs()
    for wrong in (content[:-1], content + b"\x00", b"\xc8\x00\x01\xff\x00", b""):
        with pytest.raises(DeliveryStructureError):
            Delivery.from_bcs(wrong)
    key.erase()
    with pytest.raises(hpke.KeyErased):
        open_delivery(info, seal_delivery(info, answer, key.public_bytes), key)
    assert repr(key) == "<ResponseKey>"
    assert "Scale" not in repr(answer)

"""Promises of what goes by the chain: envelopes open only as they were sealed, feed messages have one form."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from daas_protocol import chain_feed, delivery, feed_stream, hpke, request_envelope
from fuzz.protocol_targets import canonical, refused
from fuzz.target import VECTORS, Choice, Target, vectors

# --- envelopes ---


@cache
def _keys() -> tuple[request_envelope.RequestKey, delivery.ResponseKey]:
    seeds = [
        json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))["seed"]
        for name in ("request_envelope", "delivery")
    ]
    return request_envelope.RequestKey(bytes.fromhex(seeds[0])), delivery.ResponseKey(bytes.fromhex(seeds[1]))


@cache
def _sealed() -> dict[bytes, tuple[request_envelope.EnvelopeInfo, str]]:
    """By ciphertext: for which request it opens, and to what."""
    return {
        bytes.fromhex(vector["ciphertext"]): (
            request_envelope.EnvelopeInfo.from_bcs(bytes.fromhex(vector["info_bytes"])),
            vector["plaintext_bytes"],
        )
        for vector in vectors("request_envelope")
    }


def _open_request(data: bytes) -> None:
    """Any bytes as ciphertext, for each request there is: only its own opens."""
    for ciphertext, (info, content) in _sealed().items():
        try:
            opened = _keys()[0].open(info, data)
        except (hpke.HpkeError, request_envelope.PlaintextError):
            assert data != ciphertext
            continue
        assert data == ciphertext, "opened what nobody sealed for this request"
        assert opened.to_bcs().hex() == content


def _open_delivery(data: bytes) -> None:
    info = next(iter(_sealed().values()))[0]
    refused(hpke.HpkeError, lambda: delivery.open_delivery(info, data, _keys()[1]))


def _unpad(data: bytes) -> None:
    try:
        content = hpke.unpad(data)
    except hpke.PaddingError:
        return
    assert bytes(hpke.pad(content)) == data, "content has two padded forms"


def _plaintext(data: bytes) -> None:
    """What is accepted stays within its line of an HTTP request's head."""
    canonical(request_envelope.L1Plaintext, request_envelope.PlaintextError)(data)
    try:
        sent = request_envelope.L1Plaintext.from_bcs(data)
    except request_envelope.PlaintextError:
        return
    head = f"{sent.method} {sent.path} HTTP/1.1\r\nAccept: {sent.accept}\r\nContent-Type: {sent.content_type}\r\n"
    lines = head.encode("ascii").split(b"\r\n")
    assert len(lines) == 4
    assert len(lines[0].split(b" ")) == 3
    assert not any(byte < 0x20 or byte > 0x7E for line in lines for byte in line)
    assert request_envelope.ciphertext_length(sent) <= request_envelope.MAX_CIPHERTEXT_BYTES


def _public_key(data: bytes) -> None:
    """Whatever is taken for a key, one can seal to."""
    try:
        hpke.hybrid_seal(data, b"", b"content")
    except hpke.PublicKeyError:
        return
    assert len(data) == hpke.HYBRID_KEY_BYTES


_ENVELOPE = Choice(
    (
        ("request", _open_request),
        ("delivered", _open_delivery),
        ("padding", _unpad),
        ("plaintext", _plaintext),
        ("info", canonical(request_envelope.EnvelopeInfo)),
        ("delivery", canonical(delivery.Delivery, delivery.DeliveryStructureError)),
        ("public key", _public_key),
    )
)


def envelope_seeds() -> dict[str, bytes]:
    seeds: dict[str, bytes] = {}
    for vector in vectors("request_envelope"):
        name, content = vector["name"], bytes.fromhex(vector["plaintext_bytes"])
        seeds[f"request {name}"] = _ENVELOPE.seed("request", bytes.fromhex(vector["ciphertext"]))
        seeds[f"plaintext {name}"] = _ENVELOPE.seed("plaintext", content)
        seeds[f"padded {name}"] = _ENVELOPE.seed("padding", bytes(hpke.pad(content)))
        seeds[f"info {name}"] = _ENVELOPE.seed("info", bytes.fromhex(vector["info_bytes"]))
    for vector in vectors("delivery"):
        seeds[f"delivery {vector['name']}"] = _ENVELOPE.seed("delivery", bytes.fromhex(vector["bytes"]))
        seeds[f"delivered {vector['name']}"] = _ENVELOPE.seed("delivered", bytes.fromhex(vector["ciphertext"]))
    return seeds | {"public key": _ENVELOPE.seed("public key", _keys()[0].public_bytes)}


# --- the chain port ---


def _collect(decoder: Any, pieces: list[bytes]) -> tuple[list[Any], type[Exception] | None]:
    found: list[Any] = []
    try:
        for piece in pieces:
            found += decoder.feed(piece)
            assert decoder.pending <= sum(map(len, pieces))
        decoder.feed(b"")
    except feed_stream.ChainFeedError as error:
        for _ in range(2):
            refused(type(error), lambda: decoder.feed(b"\x00"))
        assert decoder.pending == 0
        return found, type(error)
    return found, None


def _cut_anyhow(make: Any) -> Any:
    """The first byte is the size of the pieces. Whole and cut, a decoder gives the same, and it is what was sent."""

    def check(data: bytes) -> None:
        if not data:
            return
        size, rest = data[0] + 1, data[1:]
        whole = _collect(make(), [rest])
        pieces = [rest[start : start + size] for start in range(0, len(rest), size)]
        assert _collect(make(), pieces) == whole, "what a decoder gives depends on how the bytes were cut"
        assert rest.startswith(b"".join(map(feed_stream.encode_message, whole[0]))), "a message has two accepted forms"

    return check


_FEED = Choice((("to enclave", _cut_anyhow(chain_feed.to_enclave)), ("to host", _cut_anyhow(chain_feed.to_host))))


def feed_seeds() -> dict[str, bytes]:
    seeds: dict[str, bytes] = {}
    for side in ("to enclave", "to host"):
        file = f"chain_feed_{side.replace(' ', '_')}"
        framed = [bytes.fromhex(vector["framed"]) for vector in vectors(file)]
        bad = [bytes.fromhex(vector["bytes"]) for vector in vectors(file, "refused")]
        seeds |= {f"{side} {number}": _FEED.seed(side, b"\x06" + one) for number, one in enumerate(framed + bad)}
        seeds[f"{side} several"] = _FEED.seed(side, b"\x20" + b"".join(one for one in framed if len(one) < 600))
    return seeds


TARGETS = {
    "envelope": Target(_ENVELOPE.check, envelope_seeds),
    "chain_feed": Target(_FEED.check, feed_seeds),
}

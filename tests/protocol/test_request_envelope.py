"""Promises of the request envelope: it opens for the request on chain that it was made for and for nothing else, it has
one content, and what opens can be written into an HTTP request as it is."""

from __future__ import annotations

import copy
import hashlib
import json
import pickle
import secrets
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_protocol import hpke
from daas_protocol.bcs import BcsError
from daas_protocol.binding import MAX_HEADER_BYTES, MAX_PATH_BYTES, RequestBinding
from daas_protocol.request_envelope import (
    MAX_BODY_BYTES,
    MAX_CIPHERTEXT_BYTES,
    MAX_ON_CHAIN_BYTES,
    EnvelopeInfo,
    L1Plaintext,
    PlaintextError,
    PlaintextFieldError,
    PlaintextStructureError,
    PlaintextVersionError,
    RequestKey,
    ciphertext_length,
    seal,
)
from support.secret_search import copies_in_memory

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "request_envelope.json").read_text(encoding="utf-8"))
SEED = bytes.fromhex(VECTORS["seed"])
OCTETS = {"body", "nonce", "response_key", "package", "cluster", "enclave", "requester", "token"}
OCTETS |= {"request_id", "request_digest"}
every_vector = pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["name"])


def value_of(structure: Any, given: dict[str, Any]) -> Any:
    return structure(**{name: bytes.fromhex(v) if name in OCTETS and v is not None else v for name, v in given.items()})


def sample(number: int = 1) -> tuple[EnvelopeInfo, L1Plaintext, bytes]:
    vector = VECTORS["vectors"][number]
    info, plaintext = value_of(EnvelopeInfo, vector["info"]), value_of(L1Plaintext, vector["plaintext"])
    return info, plaintext, bytes.fromhex(vector["ciphertext"])


# --- golden bytes ---


@every_vector
def test_golden_envelopes(vector: dict[str, Any]) -> None:
    info, plaintext = value_of(EnvelopeInfo, vector["info"]), value_of(L1Plaintext, vector["plaintext"])
    assert info.to_bcs().hex() == vector["info_bytes"]
    assert EnvelopeInfo.from_bcs(info.to_bcs()) == info
    assert plaintext.to_bcs().hex() == vector["plaintext_bytes"]
    assert L1Plaintext.from_bcs(plaintext.to_bcs()) == plaintext
    assert plaintext.digest_of(info.package, info.cluster, info.enclave).hex() == vector["request_digest"]
    key = RequestKey(SEED)
    assert key.public_bytes.hex() == VECTORS["public_key"]
    assert key.open(info, bytes.fromhex(vector["ciphertext"])) == plaintext
    assert ciphertext_length(plaintext) == len(vector["ciphertext"]) // 2


@every_vector
def test_the_digest_is_the_one_of_the_request_as_l2_would_bind_it(vector: dict[str, Any]) -> None:
    info, sent = value_of(EnvelopeInfo, vector["info"]), value_of(L1Plaintext, vector["plaintext"])
    body = hashlib.sha256(sent.body).digest()
    where, head = (info.package, info.cluster, info.enclave), (sent.method, sent.path, sent.accept, sent.content_type)
    bound = RequestBinding(*where, *head, "", body, sent.nonce, sent.issued_at_ms)
    assert sent.digest_of(*where) == info.request_digest == bound.digest()


# --- for whom it opens ---


def other_value(value: Any) -> Any:
    match value:
        case bytes():
            return bytes((value[0] ^ 1,)) + value[1:]
        case int():
            return value + 1
        case _:
            return value + "x"


@pytest.mark.parametrize("name", [field.name for field in fields(EnvelopeInfo)])
@pytest.mark.parametrize("number", range(len(VECTORS["vectors"])))
def test_no_field_of_info_can_be_another(name: str, number: int) -> None:
    info, _, ciphertext = sample(number)
    with pytest.raises(hpke.NotOpened):
        RequestKey(SEED).open(replace(info, **{name: other_value(getattr(info, name))}), ciphertext)


def test_words_cannot_move_from_one_field_of_info_to_the_next() -> None:
    info, plaintext, _ = sample()
    info = replace(info, resource="pods", subresource="log", namespace="a", group="", verb="get")
    ciphertext = seal(info, plaintext, RequestKey(SEED).public_bytes)
    for moved in (
        replace(info, resource="podslog", subresource=""),
        replace(info, resource="pod", subresource="slog"),
        replace(info, subresource="loga", namespace=""),
        replace(info, group="pods", resource=""),
        replace(info, requester=info.token, token=info.requester),
        replace(info, cluster=info.enclave, enclave=info.cluster),
    ):
        with pytest.raises(hpke.NotOpened):
            RequestKey(SEED).open(moved, ciphertext)


def test_no_other_key_opens_it_not_even_one_that_shares_a_half() -> None:
    info, plaintext, ciphertext = sample()
    with pytest.raises(hpke.NotOpened):
        RequestKey(bytes(32)).open(info, ciphertext)
    ours, others = RequestKey(SEED).public_bytes, RequestKey(bytes(32)).public_bytes
    for mixed in (ours[:1184] + others[1184:], others[:1184] + ours[1184:]):
        for seed in (SEED, bytes(32)):
            with pytest.raises(hpke.NotOpened):
                RequestKey(seed).open(info, seal(info, plaintext, mixed))


def test_no_byte_of_a_ciphertext_can_be_another() -> None:
    info, _, ciphertext = sample()
    key = RequestKey(SEED)
    for place in range(len(ciphertext)):
        changed = bytearray(ciphertext)
        changed[place] ^= 1 << place % 8
        with pytest.raises(hpke.NotOpened):
            key.open(info, bytes(changed))


def test_of_a_ciphertext_nothing_can_be_missing_or_more() -> None:
    info, _, ciphertext = sample()
    key = RequestKey(SEED)
    for length in range(len(ciphertext)):
        with pytest.raises(hpke.CiphertextLengthError):
            key.open(info, ciphertext[:length])
    for more in range(1, 256):
        with pytest.raises(hpke.CiphertextLengthError):
            key.open(info, ciphertext + bytes(more))
    with pytest.raises(hpke.NotOpened):
        key.open(info, ciphertext + bytes(256))
    with pytest.raises(hpke.NotOpened):
        key.open(info, ciphertext[:1120] + ciphertext[1120 + 256 :] + bytes(256))


def test_a_ciphertext_longer_than_any_is_refused_before_it_is_tried() -> None:
    info, _, _ = sample()
    with pytest.raises(hpke.CiphertextLengthError) as caught:
        RequestKey(SEED).open(info, bytes(MAX_CIPHERTEXT_BYTES + 256))
    assert caught.value.actual == MAX_CIPHERTEXT_BYTES + 256


def test_the_same_request_is_never_the_same_ciphertext() -> None:
    info, plaintext, _ = sample()
    made = {seal(info, plaintext, RequestKey(SEED).public_bytes) for _ in range(8)}
    assert len(made) == len({one[:1120] for one in made}) == 8


@pytest.mark.parametrize(
    "public",
    [b"", bytes(1215), bytes(1217), b"\xff" * 1216, bytes(1216)],
    ids=lambda key: f"{len(key)} {key[:1].hex()}",
)
def test_nothing_is_sealed_to_what_is_no_key(public: bytes) -> None:
    """All zeros: its X25519 half is a point of small order, with which everybody shares the secret."""
    info, plaintext, _ = sample()
    with pytest.raises(hpke.PublicKeyError):
        seal(info, plaintext, public)


# --- one content ---


def sealed_as_it_is(info: EnvelopeInfo, padded: bytes) -> bytes:
    """What a hostile requester can encrypt: anything."""
    return hpke._HYBRID.encrypt(padded, hpke.hybrid_public_key(RequestKey(SEED).public_bytes), info.to_bcs())


def test_padding_has_one_form() -> None:
    info, plaintext, _ = sample()
    content = plaintext.to_bcs()
    honest = bytes(hpke.pad(content))
    assert len(honest) % 256 == 0
    assert RequestKey(SEED).open(info, sealed_as_it_is(info, honest)) == plaintext
    length, end = len(content).to_bytes(4, "little"), 4 + len(content)
    for forged in (
        honest[:-1] + b"\x01",
        honest[:end] + b"\x80" + honest[end + 1 :],
        honest + bytes(256),
        length + content[:-1] + b"\x00" * (256 - (3 + len(content)) % 256 + 255),
        b"\xff\xff\xff\xff" + honest[4:],
        (len(honest) - 3).to_bytes(4, "little") + honest[4:],
        bytes(512),
    ):
        with pytest.raises((hpke.PaddingError, hpke.CiphertextLengthError)):
            RequestKey(SEED).open(info, sealed_as_it_is(info, forged))


@given(st.binary(max_size=600))
@settings(max_examples=200, deadline=None)
def test_what_is_padded_is_found_again_and_nothing_else_pads_to_it(content: bytes) -> None:
    padded = bytes(hpke.pad(content))
    assert len(padded) == hpke.padded_length(len(content))
    assert 0 <= len(padded) - 4 - len(content) < 256
    assert hpke.unpad(padded) == content


@given(st.integers(1, 3).flatmap(lambda blocks: st.binary(min_size=256 * blocks, max_size=256 * blocks)))
@settings(max_examples=100, deadline=None)
def test_noise_is_no_padding(noise: bytes) -> None:
    try:
        content = hpke.unpad(noise)
    except hpke.PaddingError:
        return
    assert bytes(hpke.pad(content)) == noise


def test_content_that_is_no_request_is_refused_by_name() -> None:
    info, plaintext, _ = sample()
    content = plaintext.to_bcs()

    def opened(what: bytes) -> None:
        RequestKey(SEED).open(info, sealed_as_it_is(info, bytes(hpke.pad(what))))

    with pytest.raises(PlaintextVersionError):
        opened(b"\x02" + content[1:])
    with pytest.raises(PlaintextVersionError):
        opened(b"\x00")
    for wrong in (b"", content[:-1], content + b"\x00", b"\x01" + b"\xff" * 5):
        with pytest.raises(PlaintextStructureError):
            opened(wrong)


REQUEST = {
    "method": "POST",
    "path": "/api/v1/pods",
    "accept": "application/json",
    "content_type": "application/json",
    "nonce": bytes(16),
    "issued_at_ms": 1,
    "body": b"{}",
}
INJECTIONS = ("\r\nX-Remote-User: system:admin", "\n", "\r", "\0", "\x7f", "\x80", "é", "\ud800", "\t")


@pytest.mark.parametrize("name", ["method", "path", "accept", "content_type"])
@pytest.mark.parametrize("added", INJECTIONS, ids=ascii)
def test_nothing_can_be_smuggled_into_the_head_of_an_http_request(name: str, added: str) -> None:
    for value in (f"{REQUEST[name]}{added}", f"{added}{REQUEST[name]}", f"{REQUEST[name]}{added}x"):
        with pytest.raises(PlaintextFieldError) as caught:
            L1Plaintext(**{**REQUEST, name: value})
        assert caught.value.name == name
        if "\ud800" in value:
            continue
        encoded = L1Plaintext(**REQUEST).to_bcs()
        before, after = (bytes((len(text.encode()),)) + text.encode() for text in (REQUEST[name], value))
        with pytest.raises(PlaintextError):
            L1Plaintext.from_bcs(encoded.replace(before, after, 1))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("method", ""),
        ("method", "post"),
        ("method", "A" * 33),
        ("path", ""),
        ("path", "api"),
        ("path", "http://elsewhere/"),
        ("path", "/a b"),
        ("path", "/" + "a" * MAX_PATH_BYTES),
        ("accept", "a" * (MAX_HEADER_BYTES + 1)),
        ("accept", " a"),
        ("content_type", "a "),
        ("nonce", bytes(15)),
        ("issued_at_ms", -1),
        ("issued_at_ms", 2**64),
        ("response_key", bytes(31)),
        ("response_key", b""),
        ("body", bytes(MAX_BODY_BYTES + 1)),
    ],
)
def test_fields_have_limits(name: str, value: Any) -> None:
    with pytest.raises(PlaintextFieldError) as caught:
        L1Plaintext(**{**REQUEST, name: value})
    assert caught.value.name == name


# --- sizes ---


def test_the_largest_request_has_the_largest_ciphertext_and_opens() -> None:
    info, _, _ = sample()
    largest = L1Plaintext(
        "A" * 32,
        "/" + "a" * (MAX_PATH_BYTES - 1),
        "b" * 2048,
        "c" * 2048,
        bytes(16),
        1,
        bytes(MAX_BODY_BYTES),
        bytes(32),
    )
    key = RequestKey(SEED)
    ciphertext = seal(info, largest, key.public_bytes)
    assert len(ciphertext) == ciphertext_length(largest) <= MAX_CIPHERTEXT_BYTES < len(ciphertext) + 256
    assert key.open(info, ciphertext) == largest


def test_lengths_tell_blocks_only_and_most_of_a_transaction_can_be_used() -> None:
    lengths = {
        ciphertext_length(L1Plaintext(**{**REQUEST, "body": bytes(size)})) for size in range(118_000, 123_000, 16)
    }
    assert all((length - 1136) % 256 == 0 for length in lengths)
    fit = max(length for length in lengths if length <= MAX_ON_CHAIN_BYTES)
    assert fit > MAX_ON_CHAIN_BYTES - 256


def test_info_has_limits_too() -> None:
    info, _, _ = sample()
    for name, most in {"verb": 16, "group": 253, "resource": 63, "subresource": 63, "namespace": 63}.items():
        longest = replace(info, **{name: "a" * most})
        assert EnvelopeInfo.from_bcs(longest.to_bcs()) == longest
        for text in ("a" * (most + 1), "\ud800"):
            with pytest.raises(BcsError):
                replace(info, **{name: text}).to_bcs()
    for name in ("package", "cluster", "enclave", "requester", "token", "request_id", "request_digest"):
        for changed in (getattr(info, name)[:-1], getattr(info, name) + b"\x00", b""):
            with pytest.raises(BcsError):
                replace(info, **{name: changed}).to_bcs()
    with pytest.raises(BcsError):
        EnvelopeInfo.from_bcs(b"DAAS-L1-REQUEST-V2\x00" + info.to_bcs()[19:])


# --- keys and content are not shown ---


def test_an_erased_key_opens_nothing() -> None:
    info, _, ciphertext = sample()
    key = RequestKey(SEED)
    key.erase()
    with pytest.raises(hpke.KeyErased):
        key.open(info, ciphertext)
    assert key.public_bytes.hex() == VECTORS["public_key"]


def test_neither_keys_nor_content_are_shown_copied_or_serialised() -> None:
    key = RequestKey(SEED)
    assert repr(key) == str(key) == "<RequestKey>"
    for take in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            take(key)
    secret = "c2VjcmV0"
    shown = repr(L1Plaintext(**{**REQUEST, "body": secret.encode(), "path": f"/x?command={secret}"}))
    assert secret not in shown
    assert "POST" in shown


def errors_around(plaintext: L1Plaintext, info: EnvelopeInfo) -> list[Callable[[], object]]:
    content = plaintext.to_bcs()
    key = RequestKey(SEED)
    return [
        lambda: key.open(replace(info, key_id=9), seal(info, plaintext, key.public_bytes)),
        lambda: L1Plaintext.from_bcs(content[:-1]),
        lambda: L1Plaintext.from_bcs(content + b"\x00"),
        lambda: replace(plaintext, path=plaintext.path + "\n"),
        lambda: key.open(info, sealed_as_it_is(info, bytes(hpke.pad(content))[:-1] + b"\x01")),
        lambda: key.open(info, sealed_as_it_is(info, bytes(hpke.pad(b"\x01\x03" + content)))),
        lambda: RequestKey(SEED[:-1]),
    ]


def test_no_error_shows_what_was_inside() -> None:
    info, _, _ = sample()
    secret = "aGlkZGVu"
    plaintext = L1Plaintext(**{**REQUEST, "body": secret.encode() * 40, "path": f"/x?{secret}", "accept": secret})
    for call in errors_around(plaintext, info):
        with pytest.raises((hpke.HpkeError, PlaintextError, ValueError)) as caught:
            call()
        error: BaseException | None = caught.value
        while error is not None:
            shown = f"{error} {error!r} {error.args}"
            assert secret not in shown
            assert SEED[:8].hex() not in shown
            error = error.__context__ if not error.__suppress_context__ else error.__cause__


CHILD = """
import gc, sys
from daas_protocol.request_envelope import RequestKey
from daas_protocol.secret_memory import Secret
shares = [bytes.fromhex(sys.stdin.readline()) for _ in range(2)]
with Secret.made_by(lambda: bytes(a ^ b for a, b in zip(*shares))) as seed:
    key = RequestKey(seed.view)
print("made", flush=True)
sys.stdin.readline()
key.erase()
gc.collect()
print("gone", flush=True)
sys.stdin.readline()
"""


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="reads /proc/PID/mem")
def test_neither_seed_nor_halves_stay_in_memory_after_a_key_was_erased() -> None:
    """While it lives its halves stand where OpenSSL needs them, and the seed nowhere."""
    seed, share = secrets.token_bytes(32), secrets.token_bytes(32)
    other = bytes(a ^ b for a, b in zip(seed, share, strict=True))
    expanded = hashlib.shake_256(seed).digest(96)
    halves = (expanded[:64], expanded[64:])
    with subprocess.Popen(
        [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            child.stdin.write(f"{share.hex()}\n{other.hex()}\n")
            child.stdin.flush()
            assert child.stdout.readline() == "made\n"
            assert copies_in_memory(child.pid, share) >= 1
            assert copies_in_memory(child.pid, seed) == 0
            assert all(copies_in_memory(child.pid, half) <= 1 for half in halves)
            assert copies_in_memory(child.pid, halves[1]) == 1
            child.stdin.write("\n")
            child.stdin.flush()
            assert child.stdout.readline() == "gone\n"
            assert [copies_in_memory(child.pid, one) for one in (seed, *halves)] == [0, 0, 0]
        finally:
            child.kill()

"""Promise: our envelopes are HPKE as its drafts have it, so that another implementation can make and open them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from daas_protocol import hpke
from support import hpke_oracle as oracle

VECTORS = Path(__file__).parents[1] / "vectors"


def load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def cases(name: str) -> list[Any]:
    return [pytest.param(vector, id=vector["name"]) for vector in load(name)["vectors"]]


def octets(vector: dict[str, Any], *names: str) -> list[bytes]:
    return [bytes.fromhex(vector[name]) for name in names]


@pytest.mark.parametrize("vector", cases("hpke_mlkem768_x25519"))
def test_the_oracle_opens_what_was_published(vector: dict[str, Any]) -> None:
    seed, encapsulated, shared = octets(vector, "seed", "encapsulated", "shared_secret")
    assert oracle.hybrid_decapsulate(seed, encapsulated) == shared
    info, aad, ciphertext, plaintext = octets(vector, "info", "aad", "ciphertext", "plaintext")
    opened = oracle.open_base(oracle.MLKEM768_X25519, oracle.CHACHA20_POLY1305, shared, info, aad, ciphertext)
    assert opened == plaintext


@pytest.mark.parametrize("vector", cases("hpke_mlkem768_x25519"))
def test_a_seed_makes_the_published_public_key_ml_kem_first(vector: dict[str, Any]) -> None:
    seed, public = octets(vector, "seed", "public_key")
    assert hpke.HybridKey(seed).public_bytes == oracle.hybrid_public_key(seed) == public
    assert len(public) == hpke.HYBRID_KEY_BYTES == 1184 + 32


@pytest.mark.parametrize("vector", cases("request_envelope"))
def test_the_oracle_opens_our_requests(vector: dict[str, Any]) -> None:
    seed = bytes.fromhex(load("request_envelope")["seed"])
    info, ciphertext, content = octets(vector, "info_bytes", "ciphertext", "plaintext_bytes")
    shared = oracle.hybrid_decapsulate(seed, ciphertext[:1120])
    padded = oracle.open_base(oracle.MLKEM768_X25519, oracle.AES_256_GCM, shared, info, b"", ciphertext[1120:])
    assert padded == len(content).to_bytes(4, "little") + content + bytes(-(4 + len(content)) % 256)


@pytest.mark.parametrize("vector", cases("delivery"))
def test_the_oracle_opens_our_deliveries(vector: dict[str, Any]) -> None:
    key = bytes.fromhex(load("delivery")["seed"])
    info, ciphertext, content = octets(vector, "delivery_info", "ciphertext", "bytes")
    shared = oracle.x25519_decapsulate(key, ciphertext[:32])
    padded = oracle.open_base(oracle.DHKEM_X25519, oracle.AES_256_GCM, shared, info, b"", ciphertext[32:])
    assert padded == len(content).to_bytes(4, "little") + content + bytes(-(4 + len(content)) % 256)


def test_what_we_seal_today_the_oracle_opens() -> None:
    seed, content = bytes(range(32)), b"content" * 50
    sealed = hpke.hybrid_seal(hpke.HybridKey(seed).public_bytes, b"info", content)
    shared = oracle.hybrid_decapsulate(seed, sealed[:1120])
    opened = oracle.open_base(oracle.MLKEM768_X25519, oracle.AES_256_GCM, shared, b"info", b"", sealed[1120:])
    assert opened[4 : 4 + len(content)] == content

"""Keys of a boot: from the given entropy only, never shown, TLS 1.3 only, and bound by their hashes."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import os
import pickle
import random
import socket
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from daas_enclave.keys import BootKeys, EntropyError, ReceiptKey, Secret, make_binding, p256_key, private_pem

NOW_MS = 1_790_000_000_000


def seeded(seed: int):
    source = random.Random(seed)
    return source.randbytes


def test_the_same_entropy_gives_the_same_keys_and_other_entropy_other_keys() -> None:
    a, b, c = (BootKeys(seeded(seed), NOW_MS) for seed in (1, 1, 2))
    assert (a.boot_id, a.receipt.public, a.tls.spki_sha256) == (b.boot_id, b.receipt.public, b.tls.spki_sha256)
    assert a.boot_id != c.boot_id
    assert a.receipt.public != c.receipt.public
    assert a.tls.spki_sha256 != c.tls.spki_sha256
    assert len(a.boot_id) == 16


def test_a_short_answer_of_the_entropy_source_is_an_error_not_a_key() -> None:
    with pytest.raises(EntropyError):
        ReceiptKey(lambda n: bytes(n - 1))


def test_extreme_entropy_still_gives_a_valid_p256_key() -> None:
    for filler in (b"\x00", b"\xff"):
        key = p256_key(lambda n, filler=filler: filler * n)
        assert isinstance(key.curve, ec.SECP256R1)


def test_signatures_verify_under_the_public_key() -> None:
    key = ReceiptKey(seeded(3))
    signature = key.sign(b"message")
    assert len(signature) == 64
    Ed25519PublicKey.from_public_bytes(key.public).verify(signature, b"message")


def test_no_key_material_in_repr_str_or_pickle() -> None:
    keys = BootKeys(seeded(4), NOW_MS)
    secret = private_pem(p256_key(seeded(5)))
    for value in (keys, keys.receipt, secret):
        assert "PRIVATE" not in repr(value)
        assert repr(value) == f"<{type(value).__name__}>"
        with pytest.raises(TypeError):
            pickle.dumps(value)
    assert "context" not in repr(keys.tls)
    with pytest.raises(AttributeError):
        keys.boot_id = bytes(16)


def test_a_wiped_secret_is_gone() -> None:
    secret = Secret(b"PRIVATE KEY")
    secret.wipe()
    assert bytes(secret.view) == bytes(11)


def test_loading_the_tls_key_leaves_no_file_and_no_descriptor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    gc.collect()
    before = set(os.listdir("/proc/self/fd"))
    BootKeys(seeded(6), NOW_MS)
    # Fewer is no leak: what an earlier test left may be closed meanwhile.
    assert set(os.listdir("/proc/self/fd")) <= before
    assert list(tmp_path.iterdir()) == []


async def connect(server: ssl.SSLContext, client: ssl.SSLContext) -> ssl.SSLObject:
    a, b = socket.socketpair()
    loop = asyncio.get_running_loop()

    class Sink(asyncio.Protocol):
        pass

    accepted = asyncio.ensure_future(loop.connect_accepted_socket(Sink, a, ssl=server))
    try:
        transport, _ = await loop.create_connection(Sink, sock=b, ssl=client, server_hostname="")
        await accepted
    finally:
        await asyncio.gather(accepted, return_exceptions=True)
    found = transport.get_extra_info("ssl_object")
    transport.abort()
    assert isinstance(found, ssl.SSLObject)
    return found


def unchecked_client() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def test_the_endpoint_shows_the_bound_key_over_tls_1_3() -> None:
    keys = BootKeys(seeded(7), NOW_MS)
    found = await connect(keys.tls.context, unchecked_client())
    assert found.version() == "TLSv1.3"
    der = found.getpeercert(binary_form=True)
    assert der is not None
    public = x509.load_der_x509_certificate(der).public_key()
    spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert hashlib.sha256(spki).digest() == keys.tls.spki_sha256


async def test_a_client_that_offers_tls_1_2_only_is_refused() -> None:
    keys = BootKeys(seeded(8), NOW_MS)
    client = unchecked_client()
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await connect(keys.tls.context, client)


def test_the_binding_carries_every_identity_and_round_trips() -> None:
    keys = BootKeys(seeded(9), NOW_MS)
    binding = make_binding(
        keys,
        package_id=b"\x01" * 32,
        cluster_id=b"\x02" * 32,
        enclave_id=b"\x03" * 32,
        light_client_anchor=b"\x04" * 32,
    )
    assert binding.tls_spki_sha256 == keys.tls.spki_sha256
    assert binding.boot_id == keys.boot_id
    assert binding.request_key_sha256 == bytes(32)
    data = binding.to_bcs()
    assert len(data) < 300
    assert type(binding).from_bcs(data) == binding

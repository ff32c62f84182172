"""The keys of one boot: Ed25519 receipt key, P-256 TLS key, boot id. Made from NSM entropy, never written out in clear.

Where they go: the receipt key stays inside `ReceiptKey`; the TLS key goes into an `ssl.SSLContext`, which can only
read files, so it passes once through an anonymous memory file (memfd) that is overwritten and closed at once.
No object here shows key material in its repr, and none can be pickled. Seeds are overwritten as soon as the key object
exists (docs/decisions/0009-keys-in-memory.md says what cannot be).
"""

from __future__ import annotations

import datetime
import hashlib
import os
import ssl
from collections.abc import Callable
from typing import Any, Final, NoReturn

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from daas_enclave.runtime import ServerTls
from daas_protocol.binding import EnclaveBinding
from daas_protocol.secret_memory import Secret, scrub

BOOT_ID_BYTES: Final = 16
ED25519_SEED_BYTES: Final = 32
# FIPS 186-5 A.2.1: 64 bits more than the order has, so that the remainder is uniform to 2^-64.
P256_SEED_BYTES: Final = 40
P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
TLS_NAME: Final = "daas-enclave"
# Clients compare the key's hash and nothing else; the dates only have to satisfy TLS stacks that look at them.
TLS_VALIDITY: Final = datetime.timedelta(days=3650)
CLOCK_SLACK: Final = datetime.timedelta(hours=1)

Entropy = Callable[[int], bytes]


class EntropyError(Exception):
    """The entropy source gave something else than the bytes asked for."""

    def __init__(self, expected: int, actual: int) -> None:
        super().__init__(f"the entropy source gave {actual} bytes, {expected} were asked for")
        self.expected = expected
        self.actual = actual


def draw(entropy: Entropy, size: int) -> bytes:
    """Exactly `size` bytes; raises `EntropyError`."""
    data = entropy(size)
    if len(data) != size:
        raise EntropyError(size, len(data))
    return data


def p256_key(entropy: Entropy) -> ec.EllipticCurvePrivateKey:
    """A P-256 key from 40 bytes of entropy, reduced as FIPS 186-5 A.2.1 says."""
    seed = draw(entropy, P256_SEED_BYTES)
    try:
        return ec.derive_private_key(int.from_bytes(seed, "big") % (P256_ORDER - 1) + 1, ec.SECP256R1())
    finally:
        scrub(seed)  # int.from_bytes would copy anything but bytes, so there is no Secret here


def utc(ms: int) -> datetime.datetime:
    """The enclave's milliseconds as a whole-second UTC time, as certificates carry it."""
    return datetime.datetime.fromtimestamp(ms // 1000, tz=datetime.UTC)


class _NotPicklable:
    __slots__ = ()

    def __reduce__(self) -> NoReturn:
        raise TypeError("key material is not serialised")

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class ReceiptKey(_NotPicklable):
    """Ed25519 key of one boot: the attestation document's `public_key`, and what signs every receipt."""

    __slots__ = ("_key", "_public")

    def __init__(self, entropy: Entropy) -> None:
        with Secret.made_by(lambda: draw(entropy, ED25519_SEED_BYTES)) as seed:
            self._key = Ed25519PrivateKey.from_private_bytes(seed.view)
        self._public = self._key.public_key().public_bytes_raw()

    @property
    def public(self) -> bytes:
        """Raw public key, 32 B."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """Ed25519 signature (RFC 8032), 64 B."""
        return self._key.sign(message)


def private_pem(key: ec.EllipticCurvePrivateKey) -> Secret:
    """SEC1 PEM ("EC PRIVATE KEY"), the form K3s documents for its own CA keys."""
    return Secret.made_by(
        lambda: key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )


def load_identity(context: ssl.SSLContext, certificates_pem: bytes, key: ec.EllipticCurvePrivateKey) -> None:
    """Put certificate chain and key into `context` by way of a memfd, never a file system.

    `load_cert_chain` only takes paths; /proc/self/fd/N of an anonymous memory file is one that no disk ever sees and
    that is gone when the descriptor is closed.
    """
    fd = os.memfd_create("identity", os.MFD_CLOEXEC)
    with private_pem(key) as secret:
        try:
            os.writev(fd, [secret.view, certificates_pem])
            context.load_cert_chain(f"/proc/self/fd/{fd}")
        finally:
            os.pwrite(fd, bytes(len(secret)), 0)
            os.close(fd)


def spki_sha256(key: ec.EllipticCurvePublicKey) -> bytes:
    """SHA-256 (32 B) of the DER SubjectPublicKeyInfo."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).digest()


def _self_signed(key: ec.EllipticCurvePrivateKey, entropy: Entropy, now_ms: int) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, TLS_NAME)])
    now = utc(now_ms)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial_number(entropy))
        .not_valid_before(now - CLOCK_SLACK)
        .not_valid_after(now + TLS_VALIDITY)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(TLS_NAME)]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )


def serial_number(entropy: Entropy) -> int:
    """A positive certificate serial of at most 20 octets (RFC 5280 4.1.2.2)."""
    return int.from_bytes(draw(entropy, 20), "big") >> 1 | 1


def make_server_tls(entropy: Entropy, now_ms: int) -> ServerTls:
    """A fresh P-256 key, its self-signed certificate, and a TLS 1.3-only server context that holds them."""
    key = p256_key(entropy)
    certificate = _self_signed(key, entropy, now_ms)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["http/1.1"])
    # No resumption: a gateway challenges every connection with a fresh nonce, a ticket would only be one more secret.
    context.num_tickets = 0
    load_identity(context, certificate.public_bytes(serialization.Encoding.PEM), key)
    return ServerTls(context=context, spki_sha256=spki_sha256(key.public_key()))


class BootKeys(_NotPicklable):
    """Everything that is new at each boot: `boot_id` 16 B, the receipt key, the RA-TLS server side."""

    __slots__ = ("boot_id", "receipt", "tls")

    def __init__(self, entropy: Entropy, now_ms: int) -> None:
        self.boot_id = draw(entropy, BOOT_ID_BYTES)
        self.receipt = ReceiptKey(entropy)
        self.tls = make_server_tls(entropy, now_ms)

    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(self, name):
            raise AttributeError(f"{name} is set once per boot")
        object.__setattr__(self, name, value)


def make_binding(
    keys: BootKeys,
    *,
    package_id: bytes,
    cluster_id: bytes,
    enclave_id: bytes,
    light_client_anchor: bytes,
    request_key_sha256: bytes = bytes(32),
) -> EnclaveBinding:
    """The attested binding (DESIGN section 2): `request_key_sha256` is zero where there is no request key."""
    return EnclaveBinding(
        version=1,
        package_id=package_id,
        cluster_id=cluster_id,
        enclave_id=enclave_id,
        boot_id=keys.boot_id,
        light_client_anchor=light_client_anchor,
        request_key_sha256=request_key_sha256,
        tls_spki_sha256=keys.tls.spki_sha256,
    )

"""A chain and documents that are the same on every machine: keys from fixed scalars, signatures by RFC 6979.

Nothing here is secret, and nothing accepts it: its root is in nobody's pin.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from daas_attestation import cbor, cose
from daas_attestation.anchor import DevelopmentAnchor
from daas_attestation.verify import Expectation
from support.nitro_documents import BINDING, NONCE, NOW, NOW_MS, PCRS, RECEIPT_KEY, Fields

LEVELS = ("root", "regional", "zonal", "instance", "leaf")
PATH_LENGTHS = (None, 2, 1, 0, None)
ALGORITHM = ec.ECDSA(hashes.SHA384(), deterministic_signing=True)


@cache
def key(name: str) -> ec.EllipticCurvePrivateKey:
    """The P-384 key of a level."""
    return ec.derive_private_key(int.from_bytes(hashlib.sha256(f"fuzz {name}".encode()).digest()), ec.SECP384R1())


@cache
def receipt_key() -> Ed25519PrivateKey:
    """The Ed25519 key whose receipts the corpus holds."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"fuzz receipt").digest())


def _name(level: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "DaaS fuzzing (not AWS)"),
            x509.NameAttribute(NameOID.COMMON_NAME, level),
        ]
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    """Of this world alone: were it to change with the product, stored inputs would be truly signed by the same keys."""
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=not authority,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


@cache
def chain() -> tuple[bytes, ...]:
    """Root, three intermediates and leaf in DER, as on hardware; the leaf lives three hours."""
    ders = []
    for position, level in enumerate(LEVELS):
        above = LEVELS[max(position - 1, 0)]
        authority = level != "leaf"
        end = NOW + (timedelta(days=3650) if authority else timedelta(hours=3))
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(level))
            .issuer_name(_name(above))
            .public_key(key(level).public_key())
            .serial_number(1 + position)
            .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(authority, PATH_LENGTHS[position]), critical=True)
            .add_extension(_usage(authority=authority), critical=True)
        )
        ders.append(builder.sign(key(above), hashes.SHA384(), ecdsa_deterministic=True).public_bytes(Encoding.DER))
    return tuple(ders)


@cache
def anchor() -> DevelopmentAnchor:
    return DevelopmentAnchor(chain()[0])


@cache
def expectation() -> Expectation:
    """As loose as it gets: whatever is refused is refused by encoding, fields, chain or signature."""
    return Expectation(anchor(), None, None, None, 1 << 62, 1 << 62, allow_debug=True)


@cache
def strict() -> Expectation:
    """With the nonce of the fixture compared."""
    return replace(expectation(), nonce=NONCE)


def fields(**changes: cbor.CborValue) -> Fields:
    """The payload of a document of this world."""
    document: Fields = {
        "module_id": "i-fuzz-enc1",
        "digest": "SHA384",
        "timestamp": NOW_MS,
        "pcrs": {index: PCRS.get(index, bytes(48)) for index in range(16)},
        "certificate": chain()[-1],
        "cabundle": list(chain()[:-1]),
        "public_key": RECEIPT_KEY,
        "user_data": BINDING.to_bcs(),
        "nonce": NONCE,
    }
    return document | changes


def indefinite(pairs: Fields) -> bytes:
    """A map as current hardware emits it."""
    return b"\xbf" + cbor.encode_pairs(pairs) + b"\xff"


def sign(payload: bytes) -> bytes:
    """A COSE_Sign1 by the leaf's key; the same bytes every time."""
    der = key("leaf").sign(cose.signed_bytes(cose.PROTECTED_ES384, payload), ALGORITHM)
    signature = b"".join(number.to_bytes(48, "big") for number in decode_dss_signature(der))
    return cbor.encode([cose.PROTECTED_ES384, {}, payload, signature])


# --- certificates out of hostile parts ---


def tlv(der: bytes, position: int) -> tuple[int, int]:
    """Where the content of the item at `position` begins and ends. The item is one of `chain()`, not a stranger's."""
    first = der[position + 1]
    if first < 0x80:
        return position + 2, position + 2 + first
    start = position + 2 + (first & 0x7F)
    return start, start + int.from_bytes(der[position + 2 : start], "big")


def tbs(der: bytes) -> bytes:
    """The TBSCertificate of a certificate of `chain()`."""
    start, _ = tlv(der, 0)
    return der[start : tlv(der, start)[1]]


def wrap(tag: int, content: bytes) -> bytes:
    """One DER item."""
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    size = (length.bit_length() + 7) // 8
    return bytes((tag, 0x80 | size)) + length.to_bytes(size, "big") + content


ECDSA_SHA384 = bytes.fromhex("300a06082a8648ce3d040303")


def certify(to_be_signed: bytes, level: str) -> bytes:
    """A certificate over any bytes, truly signed by the key of `level`."""
    signature = key(level).sign(to_be_signed, ALGORITHM)
    return wrap(0x30, to_be_signed + ECDSA_SHA384 + wrap(0x03, b"\x00" + signature))

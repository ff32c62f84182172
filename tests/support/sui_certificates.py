"""Certificates made byte by byte and signed for real, so that each of their parts can be made wrong.

`cryptography` cannot be asked for a certificate that is broken; this can. The root is the same on every machine and in
every run: its key comes from a constant and its signature is deterministic, so that what is compiled with it is cached.
"""

import datetime
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from daas_attestation.anchor import DevelopmentAnchor
from support.nitro_documents import NOW_MS

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
NOW_S = NOW_MS // 1000
HOUR_S = 3600

SEQUENCE, SET, OID, INTEGER, BITS, OCTETS, BOOLEAN, UTF8, UTC, GENERALIZED = (
    0x30,
    0x31,
    0x06,
    0x02,
    0x03,
    0x04,
    0x01,
    0x0C,
    0x17,
    0x18,
)
NULL = b"\x05\x00"
COMMON_NAME = bytes.fromhex("550403")
BASIC_CONSTRAINTS, KEY_USAGE = bytes.fromhex("551d13"), bytes.fromhex("551d0f")
EC_KEY, RSA_KEY, ED25519 = bytes.fromhex("2a8648ce3d0201"), bytes.fromhex("2a864886f70d010101"), bytes.fromhex("2b6570")
P256, P384 = bytes.fromhex("2a8648ce3d030107"), bytes.fromhex("2b81040022")
ECDSA_SHA256, ECDSA_SHA384 = bytes.fromhex("2a8648ce3d040302"), bytes.fromhex("2a8648ce3d040303")
ECDSA_SHA512 = bytes.fromhex("2a8648ce3d040304")
RSA_SHA256, RSA_PSS = bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d01010a")
RSA_SHA1 = bytes.fromhex("2a864886f70d010105")
SHA256 = bytes.fromhex("608648016503040201")
DIGITAL_SIGNATURE, CERT_SIGN = b"\x07\x80", b"\x02\x04"


def tlv(tag: int, *content: bytes, length: bytes | None = None) -> bytes:
    """An element; `length` replaces its length bytes."""
    body = b"".join(content)
    size = len(body)
    if length is None:
        octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
        length = bytes((size,)) if size < 0x80 else bytes((0x80 | len(octets),)) + octets
    return bytes((tag,)) + length + body


def integer(value: int) -> bytes:
    return tlv(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def algorithm(oid: bytes, parameters: bytes = b"") -> bytes:
    return tlv(SEQUENCE, tlv(OID, oid), parameters)


def name(common_name: str) -> bytes:
    return tlv(SEQUENCE, tlv(SET, tlv(SEQUENCE, tlv(OID, COMMON_NAME), tlv(UTF8, common_name.encode()))))


def time(seconds: int, *, generalized: bool = False) -> bytes:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    if generalized:
        return tlv(GENERALIZED, moment.strftime("%Y%m%d%H%M%SZ").encode())
    return tlv(UTC, moment.strftime("%y%m%d%H%M%SZ").encode())


def validity(first: bytes, last: bytes) -> bytes:
    return tlv(SEQUENCE, first, last)


def spki(key: PrivateKey) -> bytes:
    """The SubjectPublicKeyInfo of `key`."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def ec_spki(point: bytes, curve: bytes = P384, oid: bytes = EC_KEY) -> bytes:
    return tlv(SEQUENCE, algorithm(oid, tlv(OID, curve)), tlv(BITS, b"\0", point))


def point(key: ec.EllipticCurvePrivateKey, *, compressed: bool = False) -> bytes:
    form = PublicFormat.CompressedPoint if compressed else PublicFormat.UncompressedPoint
    return key.public_key().public_bytes(Encoding.X962, form)


def extension(oid: bytes, value: bytes, critical: bytes = b"\x01\x01\xff") -> bytes:
    return tlv(SEQUENCE, tlv(OID, oid), critical, tlv(OCTETS, value))


def basic_constraints(ca: bool = True, path_length: int | None = None, critical: bytes = b"\x01\x01\xff") -> bytes:
    flag = b"\x01\x01\xff" if ca else b""
    return extension(
        BASIC_CONSTRAINTS, tlv(SEQUENCE, flag, b"" if path_length is None else integer(path_length)), critical
    )


def key_usage(bits: bytes, critical: bytes = b"\x01\x01\xff") -> bytes:
    return extension(KEY_USAGE, tlv(BITS, bits), critical)


CA_EXTENSIONS = (basic_constraints(), key_usage(CERT_SIGN))
LEAF_EXTENSIONS = (basic_constraints(ca=False), key_usage(DIGITAL_SIGNATURE))
VALID = validity(time(NOW_S - HOUR_S), time(NOW_S + HOUR_S))
VERSION_3 = tlv(0xA0, integer(2))


@dataclass(frozen=True)
class Spec:
    """The parts of a certificate, each of them the DER that will stand in it."""

    subject: bytes
    issuer: bytes
    public_key: bytes
    extensions: tuple[bytes, ...] | None
    version: bytes = VERSION_3
    serial: bytes = field(default_factory=lambda: integer(0x1234567890))
    inner_algorithm: bytes = field(default_factory=lambda: algorithm(ECDSA_SHA384))
    validity: bytes = VALID
    unique_ids: bytes = b""
    wrap: Callable[[bytes], bytes] = field(default=lambda body: tlv(SEQUENCE, body))

    def to_be_signed(self) -> bytes:
        extensions = b"" if self.extensions is None else tlv(0xA3, tlv(SEQUENCE, *self.extensions))
        return self.wrap(
            b"".join(
                (
                    self.version,
                    self.serial,
                    self.inner_algorithm,
                    self.issuer,
                    self.validity,
                    self.subject,
                    self.public_key,
                    self.unique_ids,
                    extensions,
                )
            )
        )


def signature(key: PrivateKey, message: bytes, oid: bytes) -> bytes:
    """As `oid` says; ECDSA is deterministic."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(message)
    if isinstance(key, rsa.RSAPrivateKey):
        if oid == RSA_PSS:
            return key.sign(message, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
        return key.sign(message, padding.PKCS1v15(), hashes.SHA1() if oid == RSA_SHA1 else hashes.SHA256())
    digests = {ECDSA_SHA256: hashes.SHA256(), ECDSA_SHA512: hashes.SHA512()}
    return key.sign(message, ec.ECDSA(digests.get(oid, hashes.SHA384()), deterministic_signing=True))


def certificate(tbs: bytes, key: PrivateKey, oid: bytes = ECDSA_SHA384, parameters: bytes = b"") -> bytes:
    """`tbs` signed by `key`."""
    return assemble(tbs, algorithm(oid, parameters), signature(key, tbs, oid))


def assemble(tbs: bytes, outer_algorithm: bytes, value: bytes, unused: bytes = b"\0") -> bytes:
    return tlv(SEQUENCE, tbs, outer_algorithm, tlv(BITS, unused, value))


@cache
def key_of(label: str) -> ec.EllipticCurvePrivateKey:
    """The P-384 key that belongs to a label: the same in every run."""
    return ec.derive_private_key(
        int.from_bytes(hashlib.sha384(b"daas differential " + label.encode()).digest(), "big") >> 1, ec.SECP384R1()
    )


@dataclass(frozen=True)
class Chain:
    """Certificates, root first, leaf last, and the key of each."""

    ders: tuple[bytes, ...]
    keys: tuple[PrivateKey, ...]
    specs: tuple[Spec, ...]


NAMES = ("root", "regional", "zonal", "instance", "leaf")
_ROOT_VALID = validity(time(NOW_S - 365 * 86_400), time(NOW_S + 365 * 86_400))


@cache
def good_chain() -> Chain:
    """Five certificates shaped like Nitro's that break no rule."""
    keys = tuple(map(key_of, NAMES))
    specs = tuple(
        Spec(
            subject=name(label),
            issuer=name(NAMES[max(at - 1, 0)]),
            public_key=spki(keys[at]),
            extensions=LEAF_EXTENSIONS if label == "leaf" else CA_EXTENSIONS,
            validity=_ROOT_VALID if label == "root" else VALID,
        )
        for at, label in enumerate(NAMES)
    )
    ders = tuple(certificate(spec.to_be_signed(), keys[max(at - 1, 0)]) for at, spec in enumerate(specs))
    return Chain(ders, keys, specs)


def root_pem() -> bytes:
    """The development root, to be compiled in where Sui has AWS's."""
    return x509.load_der_x509_certificate(good_chain().ders[0]).public_bytes(Encoding.PEM)


def root_anchor() -> DevelopmentAnchor:
    return DevelopmentAnchor(good_chain().ders[0])

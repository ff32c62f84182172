"""A development CA: the root above a simulated NSM, made once at setup on the developer's machine.

Invariant: it never passes for AWS's. Every subject says "development", its root is in nobody's pin, and
`DevelopmentAnchor.kind` is "simulated". The root's key stays in the folder, readable by its owner only: the CAs below
the root live for days or hours, as on hardware, and are made anew from it (`simulated_chain`).
"""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from daas_attestation.anchor import DevelopmentAnchor
from daas_protocol.state_files import write_atomic

LIFETIME = timedelta(days=3650)
BACKDATE = timedelta(hours=1)  # clocks of one developer's machines may differ; AWS's own CAs start an hour early, too
ROOT_FILE = "root.pem"
KEY_FILE = "root.key"
MAX_PEM_BYTES = 8192
_PUBLIC = 0o644
_PRIVATE = 0o600


class DevelopmentCaError(Exception):
    """A development CA that cannot be made or used; the text says which file and what to do."""


def name_of(level: str) -> x509.Name:
    """The subject of a certificate; "development" is in the organisation and in the common name."""
    return x509.Name(
        (
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "DaaS development (not AWS)"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "simulated NSM"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{level}.development.daas.invalid"),
        )
    )


def key_usage(*, authority: bool, upper: bool = False) -> x509.KeyUsage:
    """As in AWS's certificates: keyCertSign for a CA, with digitalSignature and cRLSign for all (`upper`) but the
    instance's; digitalSignature and contentCommitment for a leaf.
    """
    return x509.KeyUsage(
        digital_signature=upper or not authority,
        content_commitment=not authority,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=upper,
        encipher_only=False,
        decipher_only=False,
    )


def _root(key: ec.EllipticCurvePrivateKey, now: datetime) -> bytes:
    subject, public_key = name_of("root"), key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(key_usage(authority=True, upper=True), critical=True)
        .sign(key, hashes.SHA384())
        .public_bytes(Encoding.DER)
    )


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_PEM_BYTES + 1)
    except OSError as error:
        raise DevelopmentCaError(f"{path}: {error.strerror}; make the development CA again") from None
    if len(data) > MAX_PEM_BYTES:
        raise DevelopmentCaError(f"{path}: over {MAX_PEM_BYTES} bytes; make the development CA again")
    return data


@dataclass(frozen=True, slots=True)
class DevelopmentCa:
    """The root certificate in DER, and its key (P-384)."""

    root_der: bytes
    root_key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def anchor(self) -> DevelopmentAnchor:
        """The anchor that accepts the documents made under this root."""
        return DevelopmentAnchor(self.root_der)

    @classmethod
    def generate(cls, now_ms: int) -> "DevelopmentCa":
        """A new root, in memory only."""
        key = ec.generate_private_key(ec.SECP384R1())
        return cls(_root(key, datetime.fromtimestamp(now_ms // 1000, UTC)), key)

    @classmethod
    def create(cls, folder: Path, now_ms: int | None = None) -> "DevelopmentCa":
        """Make a new CA in `folder` (0700): `root.pem` for verifiers, the key 0600. `now_ms` None is the system clock.

        Raises `DevelopmentCaError` when there is one already: replacing it would cut off everybody who pinned its root.
        """
        if (folder / ROOT_FILE).exists():
            raise DevelopmentCaError(f"{folder}: there is a development CA already; load it, or remove the folder")
        ca = cls.generate(time.time_ns() // 1_000_000 if now_ms is None else now_ms)
        key = ca.root_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        pem = x509.load_der_x509_certificate(ca.root_der).public_bytes(Encoding.PEM)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomic(folder / KEY_FILE, key, _PRIVATE)
            # The root comes last: a folder in which it exists is complete.
            write_atomic(folder / ROOT_FILE, pem, _PUBLIC)
        except OSError as error:
            raise DevelopmentCaError(f"{folder}: {error.strerror}") from None
        return ca

    @classmethod
    def load(cls, folder: Path) -> "DevelopmentCa":
        """Load what `create` made. Raises `DevelopmentCaError`, also when others can read the key."""
        key_path = folder / KEY_FILE
        pem, key_pem = _read(folder / ROOT_FILE), _read(key_path)
        if key_path.stat().st_mode & 0o077:
            raise DevelopmentCaError(f"{key_path}: others can read it; run chmod 600, or make the development CA again")
        try:
            root = x509.load_pem_x509_certificate(pem)
            key = load_pem_private_key(key_pem, None)
        except ValueError:
            raise DevelopmentCaError(f"{folder}: a file is damaged; make the development CA again") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != root.public_key():
            raise DevelopmentCaError(f"{key_path}: not the key of {ROOT_FILE}; make the development CA again")
        return cls(root.public_bytes(Encoding.DER), key)

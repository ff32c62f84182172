"""A development CA: the chain above a simulated NSM, shaped like AWS's, made once at setup on the developer's machine.

Invariant: it never passes for AWS's. Every subject says "development", its root is in nobody's pin, and
`DevelopmentAnchor.kind` is "simulated". Only the key of the instance CA, which mints leaves, is kept; the keys of root,
regional and zonal CA are forgotten as soon as the chain is made.

Unlike AWS's (20 days, 6 days, 24 hours) the intermediates live as long as the root, so that a state folder keeps
working; the leaf lives three hours as on hardware.
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
BACKDATE = timedelta(minutes=5)  # clocks of one developer's machines may differ by a little
ROOT_FILE = "root.pem"
KEY_FILE = "instance.key"
MAX_PEM_BYTES = 8192
_LEVELS = ("root", "regional", "zonal", "instance")  # with path lengths none, 2, 1, 0, as on hardware
_PATH_LENGTHS = (None, 2, 1, 0)
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


def key_usage(*, authority: bool) -> x509.KeyUsage:
    """keyCertSign and cRLSign for a CA; digitalSignature for a leaf."""
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _authority(
    level: int, key: ec.EllipticCurvePrivateKey, issuer: int, issuer_key: ec.EllipticCurvePrivateKey, now: datetime
) -> x509.Certificate:
    return (
        x509.CertificateBuilder()
        .subject_name(name_of(_LEVELS[level]))
        .issuer_name(name_of(_LEVELS[issuer]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=_PATH_LENGTHS[level]), critical=True)
        .add_extension(key_usage(authority=True), critical=True)
        .sign(issuer_key, hashes.SHA384())
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
    """The chain in DER, root first, and the instance CA's key (P-384), which mints leaves."""

    cabundle: tuple[bytes, ...]
    instance_key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def anchor(self) -> DevelopmentAnchor:
        """The anchor that accepts this CA's documents."""
        return DevelopmentAnchor(self.cabundle[0])

    @property
    def instance_name(self) -> x509.Name:
        """The issuer of the leaves."""
        return name_of(_LEVELS[-1])

    @classmethod
    def generate(cls, now_ms: int) -> "DevelopmentCa":
        """A new chain, in memory only."""
        now = datetime.fromtimestamp(now_ms // 1000, UTC)
        keys = [ec.generate_private_key(ec.SECP384R1()) for _ in _LEVELS]
        certificates = [
            _authority(level, keys[level], max(level - 1, 0), keys[max(level - 1, 0)], now)
            for level in range(len(_LEVELS))
        ]
        return cls(tuple(certificate.public_bytes(Encoding.DER) for certificate in certificates), keys[-1])

    @classmethod
    def create(cls, folder: Path, now_ms: int | None = None) -> "DevelopmentCa":
        """Make a new CA in `folder` (0700): `root.pem` for verifiers, the rest 0600. `now_ms` None is the system clock.

        Raises `DevelopmentCaError` when there is one already: replacing it would cut off everybody who pinned its root.
        """
        if (folder / ROOT_FILE).exists():
            raise DevelopmentCaError(f"{folder}: there is a development CA already; load it, or remove the folder")
        ca = cls.generate(time.time_ns() // 1_000_000 if now_ms is None else now_ms)
        key = ca.instance_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomic(folder / KEY_FILE, key, _PRIVATE)
            # The root comes last: a folder in which it exists is complete.
            for level, der in reversed(list(zip(_LEVELS, ca.cabundle, strict=True))):
                pem = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
                write_atomic(folder / f"{level}.pem", pem, _PUBLIC if level == "root" else _PRIVATE)
        except OSError as error:
            raise DevelopmentCaError(f"{folder}: {error.strerror}") from None
        return ca

    @classmethod
    def load(cls, folder: Path) -> "DevelopmentCa":
        """Load what `create` made. Raises `DevelopmentCaError`, also when others can read the key."""
        key_path = folder / KEY_FILE
        pems = [_read(folder / f"{level}.pem") for level in _LEVELS]
        key_pem = _read(key_path)
        if key_path.stat().st_mode & 0o077:
            raise DevelopmentCaError(f"{key_path}: others can read it; run chmod 600, or make the development CA again")
        try:
            certificates = [x509.load_pem_x509_certificate(pem) for pem in pems]
            key = load_pem_private_key(key_pem, None)
        except ValueError:
            raise DevelopmentCaError(f"{folder}: a file is damaged; make the development CA again") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificates[-1].public_key():
            raise DevelopmentCaError(f"{key_path}: not the key of instance.pem; make the development CA again")
        return cls(tuple(certificate.public_bytes(Encoding.DER) for certificate in certificates), key)

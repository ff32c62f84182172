"""The gateway's own TLS: a CA that signs one server certificate for loopback names and nothing else.

Files in `tls_dir` (folder 0700): `ca.pem` (public, what the kubeconfig carries), `ca.key`, `server.pem`, `server.key`
(0600). The server certificate is renewed well before it ends; the CA, whose change makes every kubeconfig stale, lasts
ten years and is name-constrained to loopback, so that its key is worth nothing elsewhere.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from daas_protocol.private_files import read_private
from daas_protocol.state_files import write_atomic

CA_DAYS = 3650
SERVER_DAYS = 397
"""Apple's clients refuse server certificates that last longer than 398 days."""
RENEW_DAYS = 30
BACKDATED = dt.timedelta(hours=1)
"""Tolerance for a clock that was set back after the certificate was made."""
MAX_FILE_BYTES = 16384

SAN_NAMES = ("localhost",)
SAN_ADDRESSES = ("127.0.0.1", "::1")


class LocalTlsUnusable(ValueError):
    """A file in tls_dir is not what this gateway writes there."""


@dataclass(frozen=True, slots=True)
class LocalTls:
    """Paths to load into an SSL context, and the CA certificate (PEM) for the kubeconfig."""

    ca_pem: bytes
    server_certificate: Path
    server_key: Path
    server_not_after: dt.datetime

    def server_context(self) -> ssl.SSLContext:
        """A server context: TLS 1.2 and up, HTTP/1.1 only (receipts need one request per answer in order)."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.server_certificate, self.server_key)
        context.set_alpn_protocols(["http/1.1"])
        return context

    def must_renew(self, now: dt.datetime) -> bool:
        """Whether the server certificate ends within 30 days."""
        return now + dt.timedelta(days=RENEW_DAYS) > self.server_not_after


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _new_ca(now: dt.datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    permitted: list[x509.GeneralName] = [x509.DNSName(name) for name in SAN_NAMES]
    permitted += [x509.IPAddress(ipaddress.ip_network(address)) for address in SAN_ADDRESSES]
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_name("DaaS local gateway CA"))
        .issuer_name(_name("DaaS local gateway CA"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + dt.timedelta(days=CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign_certificates=True), critical=True)
        .add_extension(x509.NameConstraints(permitted_subtrees=permitted, excluded_subtrees=None), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate, key


def _new_server(
    ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey, now: dt.datetime
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in SAN_NAMES]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in SAN_ADDRESSES]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_name("DaaS local gateway"))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(min(now + dt.timedelta(days=SERVER_DAYS), ca.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    return certificate, key


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _load_pair(folder: Path, name: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None:
    """The certificate and key, or None when either file is missing (a start that was interrupted: both are remade)."""
    try:
        key_data = read_private(folder / f"{name}.key", MAX_FILE_BYTES)
        certificate_data = (folder / f"{name}.pem").read_bytes()[: MAX_FILE_BYTES + 1]
    except FileNotFoundError:
        return None
    try:
        certificate = x509.load_pem_x509_certificate(certificate_data)
        key = serialization.load_pem_private_key(key_data, password=None)
    except (ValueError, TypeError):
        raise LocalTlsUnusable(f"{folder / name}.pem or .key is damaged; delete both and start again") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise LocalTlsUnusable(f"{folder / name}.pem and .key do not belong together; delete both and start again")
    return certificate, key


def ensure_local_tls(folder: Path, now: dt.datetime | None = None) -> LocalTls:
    """Loads or makes CA and server certificate (P-256; SANs localhost, 127.0.0.1, ::1).

    Raises LocalTlsUnusable, PrivateFileExposed. `now` is timezone-aware UTC.
    """
    now = now or dt.datetime.now(dt.UTC)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    pair = _load_pair(folder, "ca")
    if pair is None or now + dt.timedelta(days=RENEW_DAYS) > pair[0].not_valid_after_utc:
        pair = _new_ca(now)
        write_atomic(folder / "ca.key", _key_pem(pair[1]), 0o600)
        write_atomic(folder / "ca.pem", _pem(pair[0]), 0o644)
    ca, ca_key = pair
    served = _load_pair(folder, "server")
    if (
        served is None
        or now + dt.timedelta(days=RENEW_DAYS) > served[0].not_valid_after_utc
        or now < served[0].not_valid_before_utc
        or not _issued_by(served[0], ca)
    ):
        served = _new_server(ca, ca_key, now)
        write_atomic(folder / "server.key", _key_pem(served[1]), 0o600)
        write_atomic(folder / "server.pem", _pem(served[0]), 0o644)
    return LocalTls(_pem(ca), folder / "server.pem", folder / "server.key", served[0].not_valid_after_utc)


def _issued_by(certificate: x509.Certificate, ca: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(ca)
    except Exception:
        return False
    return True

"""The cluster's certificate authorities and the certificates the enclave issues itself.

Invariant: the authorities are made once per cluster from NSM entropy and outlive a boot only through the sealing
provider; leaf keys are new at every boot. File names are those K3s documents for custom CA certificates
(docs.k3s.io/cli/certificate, "Using Custom CA Certificates"): what lies in `server/tls` when it starts, it uses.
K3s and etcd read keys from files only, so these lie in the data folder in clear, mode 0600: in an enclave that folder
is memory, in process mode it is a disk.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from daas_enclave.keys import (
    CLOCK_SLACK,
    Entropy,
    draw,
    load_identity,
    p256_key,
    private_pem,
    serial_number,
    utc,
)
from daas_enclave.sealing import SealingProvider
from daas_protocol.bcs import BcsError, Reader, Writer
from daas_protocol.state_files import write_atomic

SEAL_LABEL: Final = "cluster-pki"
STATE_VERSION: Final = 1
CA_VALIDITY: Final = datetime.timedelta(days=3650)
# New at every boot; long enough that no boot outlives it.
LEAF_VALIDITY: Final = datetime.timedelta(days=3 * 365)
TOKEN_BYTES: Final = 32
MAX_PEM_BYTES: Final = 8 * 1024
LOOPBACK: Final = ipaddress.IPv4Address("127.0.0.1")
# A name in the API server's certificate of K3s and of upstream Kubernetes alike.
API_SERVER_NAME: Final = "kubernetes"


class PkiError(Exception):
    """The cluster's authorities cannot be used."""


class Ca(Enum):
    """The authorities; values are K3s's file names below `server/tls`, without ending."""

    SERVER = "server-ca"
    CLIENT = "client-ca"
    REQUEST_HEADER = "request-header-ca"
    ETCD_SERVER = "etcd/server-ca"
    ETCD_PEER = "etcd/peer-ca"


@dataclass(frozen=True, slots=True)
class Authority:
    """One CA: its certificate and key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)


@dataclass(frozen=True, slots=True)
class ClusterPki:
    """What a cluster is known by: five authorities, the service-account key, the join token (hex of 32 B)."""

    authorities: Mapping[Ca, Authority] = field(repr=False)
    service_key: ec.EllipticCurvePrivateKey = field(repr=False)
    token: str = field(repr=False)

    @property
    def server_ca_pem(self) -> bytes:
        return self.authorities[Ca.SERVER].pem


@dataclass(frozen=True, slots=True)
class Leaf:
    """An issued certificate (PEM) and its key."""

    pem: bytes
    key: ec.EllipticCurvePrivateKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class EtcdFiles:
    """Paths of what etcd and its only client read."""

    server_ca: Path
    peer_ca: Path
    server_cert: Path
    server_key: Path
    peer_cert: Path
    peer_key: Path
    client_cert: Path
    client_key: Path


def _make_authority(ca: Ca, cluster_id: bytes, entropy: Entropy, now_ms: int) -> Authority:
    key = p256_key(entropy)
    common = f"daas-{ca.value.replace('/', '-')}@{cluster_id.hex()[:16]}"
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
    now = utc(now_ms)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial_number(entropy))
        .not_valid_before(now - CLOCK_SLACK)
        .not_valid_after(now + CA_VALIDITY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=False,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def make_cluster_pki(cluster_id: bytes, entropy: Entropy, now_ms: int) -> ClusterPki:
    """A new cluster's authorities, service-account key and token."""
    return ClusterPki(
        authorities={ca: _make_authority(ca, cluster_id, entropy, now_ms) for ca in Ca},
        service_key=p256_key(entropy),
        token=draw(entropy, TOKEN_BYTES).hex(),
    )


def issue(
    authority: Authority,
    *,
    common_name: str,
    organization: str | None = None,
    server: bool = False,
    client: bool = False,
    server_name: str = "localhost",
    entropy: Entropy,
    now_ms: int,
) -> Leaf:
    """A certificate by `authority` with a fresh key; a server's is for 127.0.0.1 and `server_name`."""
    key = p256_key(entropy)
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization is not None:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    usages = [ExtendedKeyUsageOID.SERVER_AUTH] * server + [ExtendedKeyUsageOID.CLIENT_AUTH] * client
    now = utc(now_ms)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(attributes))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(serial_number(entropy))
        .not_valid_before(now - CLOCK_SLACK)
        .not_valid_after(min(now + LEAF_VALIDITY, authority.certificate.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()),
            critical=False,
        )
    )
    if server:
        names = [x509.DNSName(server_name), x509.IPAddress(LOOPBACK)]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    certificate = builder.sign(authority.key, hashes.SHA256())
    return Leaf(certificate.public_bytes(serialization.Encoding.PEM), key)


# --- persistence ---


def encode_pki(pki: ClusterPki) -> bytes:
    """BCS: version u8, then per authority (in the order of `Ca`) name, certificate PEM, key PEM; key; token."""
    writer = Writer()
    writer.u8(STATE_VERSION)
    for ca in Ca:
        authority = pki.authorities[ca]
        writer.string(ca.value)
        writer.bytes(authority.pem)
        with private_pem(authority.key) as secret:
            writer.bytes(bytes(secret.view))
    with private_pem(pki.service_key) as secret:
        writer.bytes(bytes(secret.view))
    writer.string(pki.token)
    return writer.finish()


def _load_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise PkiError("every key of the cluster is a P-256 key")
    return key


def decode_pki(data: bytes) -> ClusterPki:
    """Inverse of `encode_pki`; raises `PkiError`."""
    try:
        reader = Reader(data)
        if (version := reader.u8()) != STATE_VERSION:
            raise PkiError(f"the sealed authorities have version {version}, this enclave reads {STATE_VERSION}")
        authorities: dict[Ca, Authority] = {}
        for ca in Ca:
            if (name := reader.string(64)) != ca.value:
                raise PkiError(f"authority {ca.value} expected, {name} found")
            certificate = x509.load_pem_x509_certificate(reader.bytes(MAX_PEM_BYTES))
            authorities[ca] = Authority(certificate, _load_key(reader.bytes(MAX_PEM_BYTES)))
        service_key = _load_key(reader.bytes(MAX_PEM_BYTES))
        token = reader.string(2 * TOKEN_BYTES)
        reader.end()
    except (BcsError, ValueError) as error:
        # The cause may quote key material: name the class only.
        raise PkiError(f"the sealed authorities cannot be read ({type(error).__name__})") from None
    return ClusterPki(authorities, service_key, token)


def load_or_create(path: Path, sealer: SealingProvider, cluster_id: bytes, entropy: Entropy, now_ms: int) -> ClusterPki:
    """The cluster's authorities from the sealed file, or new ones sealed into it (0600)."""
    try:
        blob = path.read_bytes()
    except FileNotFoundError:
        pki = make_cluster_pki(cluster_id, entropy, now_ms)
        write_atomic(path, sealer.seal(SEAL_LABEL, encode_pki(pki)))
        return pki
    return decode_pki(sealer.open(SEAL_LABEL, blob))


# --- files K3s and etcd read ---


def private_folder(path: Path) -> Path:
    """`path`, made with mode 0700 where it does not exist; an existing one is tightened."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.chmod(path, 0o700)
    return path


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    with private_pem(key) as secret:
        write_atomic(path, secret.view)


def write_authorities(pki: ClusterPki, tls_dir: Path) -> None:
    """Every CA as NAME.crt and NAME.key and the service-account key, below K3s's `server/tls`, all 0600."""
    private_folder(tls_dir)
    private_folder(tls_dir / "etcd")
    for ca, authority in pki.authorities.items():
        write_atomic(tls_dir / f"{ca.value}.crt", authority.pem)
        _write_key(tls_dir / f"{ca.value}.key", authority.key)
    _write_key(tls_dir / "service.key", pki.service_key)


def write_etcd_files(pki: ClusterPki, folder: Path, entropy: Entropy, now_ms: int) -> EtcdFiles:
    """Server, peer and client certificates for one loopback member; the client's is the API server's."""
    private_folder(folder)
    server_ca, peer_ca = pki.authorities[Ca.ETCD_SERVER], pki.authorities[Ca.ETCD_PEER]
    files = EtcdFiles(
        server_ca=folder / "server-ca.crt",
        peer_ca=folder / "peer-ca.crt",
        server_cert=folder / "server.crt",
        server_key=folder / "server.key",
        peer_cert=folder / "peer.crt",
        peer_key=folder / "peer.key",
        client_cert=folder / "client.crt",
        client_key=folder / "client.key",
    )
    # etcd's own gRPC gateway dials the server with the server's certificate, hence client use on it as well.
    server = issue(server_ca, common_name="etcd-server", server=True, client=True, entropy=entropy, now_ms=now_ms)
    peer = issue(peer_ca, common_name="etcd-peer", server=True, client=True, entropy=entropy, now_ms=now_ms)
    client = issue(server_ca, common_name="etcd-client", client=True, entropy=entropy, now_ms=now_ms)
    write_atomic(files.server_ca, server_ca.pem)
    write_atomic(files.peer_ca, peer_ca.pem)
    pairs: Sequence[tuple[Leaf, Path, Path]] = (
        (server, files.server_cert, files.server_key),
        (peer, files.peer_cert, files.peer_key),
        (client, files.client_cert, files.client_key),
    )
    for leaf, cert, key in pairs:
        write_atomic(cert, leaf.pem)
        _write_key(key, leaf.key)
    return files


# --- the enclave as a client ---


def _trusting(trusted: Authority) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=trusted.pem.decode("ascii"))
    return context


def client_context(trusted: Authority, leaf: Leaf) -> ssl.SSLContext:
    """TLS client side that trusts `trusted` alone and presents `leaf`, whose key goes through a memfd only."""
    context = _trusting(trusted)
    load_identity(context, leaf.pem, leaf.key)
    return context


def caller_context(pki: ClusterPki) -> ssl.SSLContext:
    """Trusts the API server's certificate and shows none: who asks is said by a bearer token."""
    return _trusting(pki.authorities[Ca.SERVER])


def admin_context(pki: ClusterPki, entropy: Entropy, now_ms: int) -> ssl.SSLContext:
    """The enclave's own API client: O=system:masters, CN=daas-enclave, key never on disk."""
    leaf = issue(
        pki.authorities[Ca.CLIENT],
        common_name="daas-enclave",
        organization="system:masters",
        client=True,
        entropy=entropy,
        now_ms=now_ms,
    )
    return client_context(pki.authorities[Ca.SERVER], leaf)


def etcd_context(pki: ClusterPki, entropy: Entropy, now_ms: int) -> ssl.SSLContext:
    """The enclave's own etcd client, for health probes; key never on disk."""
    leaf = issue(
        pki.authorities[Ca.ETCD_SERVER], common_name="daas-enclave", client=True, entropy=entropy, now_ms=now_ms
    )
    return client_context(pki.authorities[Ca.ETCD_SERVER], leaf)

"""The cluster's authorities: K3s's files, P-256, sealed over restarts; the enclave's own client never on disk."""

from __future__ import annotations

import os
import random
import re
import ssl
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store

from daas_enclave import pki
from daas_enclave.pki import Ca, ClusterPki, PkiError
from daas_enclave.sealing import DevelopmentSealer, SealContext, SealedForAnother

NOW_MS = 1_790_000_000_000
CLUSTER = b"\x02" * 32
# docs.k3s.io/cli/certificate, "Using Custom CA Certificates", for a cluster whose CAs are self-signed.
K3S_FILES = {
    "server-ca.crt",
    "server-ca.key",
    "client-ca.crt",
    "client-ca.key",
    "request-header-ca.crt",
    "request-header-ca.key",
    "etcd/server-ca.crt",
    "etcd/server-ca.key",
    "etcd/peer-ca.crt",
    "etcd/peer-ca.key",
    "service.key",
}


def entropy(seed: int = 1):
    return random.Random(seed).randbytes


def sealer(cluster: bytes = CLUSTER) -> DevelopmentSealer:
    context = SealContext(bytes(32), cluster, b"\x03" * 32, b"\x04" * 32)
    return DevelopmentSealer(b"k" * 32, context, os.urandom)


@pytest.fixture(scope="module")
def cluster() -> ClusterPki:
    return pki.make_cluster_pki(CLUSTER, entropy(), NOW_MS)


def test_the_files_are_those_k3s_documents_and_private(cluster: ClusterPki, tmp_path: Path) -> None:
    tls = tmp_path / "server" / "tls"
    pki.write_authorities(cluster, tls)
    found = {str(path.relative_to(tls)) for path in tls.rglob("*") if path.is_file()}
    assert found == K3S_FILES
    assert all((tls / name).stat().st_mode & 0o777 == 0o600 for name in K3S_FILES)
    assert all(folder.stat().st_mode & 0o777 == 0o700 for folder in (tls, tls / "etcd"))
    for name in K3S_FILES:
        data = (tls / name).read_bytes()
        if name.endswith(".key"):
            key = serialization.load_pem_private_key(data, None)
            assert isinstance(key, ec.EllipticCurvePrivateKey)
            assert data.startswith(b"-----BEGIN EC PRIVATE KEY-----")
        else:
            certificate = x509.load_pem_x509_certificate(data)
            constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
            assert constraints.value.ca
            assert constraints.critical
            usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
            assert usage.key_cert_sign
            key = serialization.load_pem_private_key((tls / name.replace(".crt", ".key")).read_bytes(), None)
            assert key.public_key() == certificate.public_key()


def test_five_authorities_and_the_service_key_are_six_different_keys(cluster: ClusterPki) -> None:
    keys = [a.key for a in cluster.authorities.values()] + [cluster.service_key]
    assert len({key.private_numbers().private_value for key in keys}) == 6


def test_a_restart_finds_the_same_authorities_in_the_sealed_file(tmp_path: Path) -> None:
    path = tmp_path / "pki.bin"
    first = pki.load_or_create(path, sealer(), CLUSTER, os.urandom, NOW_MS)
    second = pki.load_or_create(path, sealer(), CLUSTER, os.urandom, NOW_MS + 1)
    assert pki.encode_pki(first) == pki.encode_pki(second)
    assert path.stat().st_mode & 0o777 == 0o600
    assert b"PRIVATE" not in path.read_bytes()
    assert first.token.encode() not in path.read_bytes()


def test_another_clusters_file_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "pki.bin"
    pki.load_or_create(path, sealer(), CLUSTER, os.urandom, NOW_MS)
    before = path.read_bytes()
    with pytest.raises(SealedForAnother):
        pki.load_or_create(path, sealer(b"\x05" * 32), b"\x05" * 32, os.urandom, NOW_MS)
    assert path.read_bytes() == before


def test_damaged_contents_are_refused_without_quoting_them(cluster: ClusterPki) -> None:
    data = pki.encode_pki(cluster)
    for damaged in (
        data[:-1],
        data + b"\0",
        b"\x02" + data[1:],
        data.replace(b"BEGIN EC PRIVATE", b"BEGIN XX PRIVATE"),
    ):
        with pytest.raises(PkiError) as caught:
            pki.decode_pki(damaged)
        assert "BEGIN" not in str(caught.value)


def test_no_secret_in_any_repr(cluster: ClusterPki) -> None:
    shown = repr(cluster) + repr(cluster.authorities[Ca.SERVER])
    assert cluster.token not in shown
    assert "EllipticCurve" not in shown


def test_issued_certificates_verify_for_their_use_and_no_other(cluster: ClusterPki) -> None:
    authority = cluster.authorities[Ca.ETCD_SERVER]
    leaf = pki.issue(authority, common_name="x", server=True, entropy=entropy(2), now_ms=NOW_MS)
    certificate = x509.load_pem_x509_certificate(leaf.pem)
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.SERVER_AUTH]
    store = Store([authority.certificate])
    verifier = PolicyBuilder().store(store).time(pki.utc(NOW_MS)).build_server_verifier(x509.DNSName("localhost"))
    assert len(verifier.verify(certificate, [])) == 2
    other = Store([cluster.authorities[Ca.SERVER].certificate])
    with pytest.raises(x509.verification.VerificationError):
        PolicyBuilder().store(other).time(pki.utc(NOW_MS)).build_server_verifier(x509.DNSName("localhost")).verify(
            certificate, []
        )


def test_openssl_accepts_the_chain(cluster: ClusterPki, tmp_path: Path) -> None:
    authority = cluster.authorities[Ca.CLIENT]
    leaf = pki.issue(authority, common_name="x", organization="o", client=True, entropy=entropy(3), now_ms=NOW_MS)
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    (tmp_path / "leaf.pem").write_bytes(leaf.pem)
    command = ["openssl", "verify", "-x509_strict", "-attime", str(NOW_MS // 1000), "-purpose", "sslclient"]
    done = subprocess.run([*command, "-CAfile", "ca.pem", "leaf.pem"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_enclaves_own_client_is_an_administrator_and_never_a_file(
    cluster: ClusterPki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued: list[pki.Leaf] = []
    original = pki.issue

    def recording(*args, **kwargs):
        issued.append(original(*args, **kwargs))
        return issued[-1]

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(pki, "issue", recording)
    context = pki.admin_context(cluster, entropy(4), NOW_MS)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert list(tmp_path.iterdir()) == []
    subject = x509.load_pem_x509_certificate(issued[0].pem).subject
    assert [a.value for a in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == ["system:masters"]
    assert [a.value for a in subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["daas-enclave"]


def test_what_callers_ask_goes_over_connections_without_a_certificate_to_the_pinned_server_only(
    cluster: ClusterPki, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pki, "load_identity", None)
    context = pki.caller_context(cluster)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    (trusted,) = context.get_ca_certs(binary_form=True)
    assert ssl.DER_cert_to_PEM_cert(trusted).encode() == cluster.authorities[pki.Ca.SERVER].pem


def test_etcd_files_are_new_at_each_boot_and_private(cluster: ClusterPki, tmp_path: Path) -> None:
    first = pki.write_etcd_files(cluster, tmp_path / "e", os.urandom, NOW_MS).server_key.read_bytes()
    files = pki.write_etcd_files(cluster, tmp_path / "e", os.urandom, NOW_MS)
    assert files.server_key.read_bytes() != first
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (tmp_path / "e").iterdir())
    assert not any(re.search("ca.key", path.name) for path in (tmp_path / "e").iterdir())

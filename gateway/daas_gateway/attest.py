"""From a challenge to an identity: what a connection proved to be before anything is sent over it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from daas_attestation import measurements
from daas_attestation.anchor import AwsAnchor, DevelopmentAnchor, TrustAnchor
from daas_attestation.chain import ChainCache
from daas_attestation.errors import AttestationError
from daas_attestation.verify import (
    BindingExpectation,
    Expectation,
    ProductionExpectation,
    VerifiedDocument,
    verify_document,
)
from daas_gateway import errors
from daas_protocol.ed25519 import FastVerifyKey, VerifyKey

CHALLENGE_BYTES: Final = 32
MAX_AGE_MS: Final = 60_000
"""A challenged document is minutes old at most even when clocks disagree; the nonce says that it is new."""
MAX_SKEW_MS: Final = 60_000
MAX_ROOT_BYTES: Final = 65536


@dataclass(frozen=True, slots=True)
class EnclaveIdentity:
    """One boot of one enclave, as attested. Ids 32 bytes, `boot_id` 16, key 32; `timestamp_ms` is the document's."""

    enclave_id: bytes
    boot_id: bytes
    public_key: VerifyKey
    public_key_bytes: bytes
    tls_spki_sha256: bytes
    anchor: str
    module_id: str
    measurement: str
    pcrs: tuple[tuple[int, bytes], ...]
    timestamp_ms: int
    verified_at_ms: int
    document: bytes
    nonce: bytes
    request_key_sha256: bytes = bytes(32)

    @property
    def document_sha256(self) -> bytes:
        """SHA-256 of the document's bytes."""
        return hashlib.sha256(self.document).digest()


@dataclass(frozen=True, slots=True)
class Policy:
    """What the enclave must be. `policy_anchor` None leaves the light client anchor unread."""

    anchor: TrustAnchor
    measurements: Path
    package_id: bytes
    cluster_id: bytes
    enclave_id: bytes
    policy_anchor: bytes | None


def load_anchor(root: Path | None) -> TrustAnchor:
    """AWS's root (None) or a development root from a PEM file. Raises OSError, ValueError."""
    if root is None:
        return AwsAnchor()
    with root.open("rb") as file:
        return DevelopmentAnchor.from_pem(file.read(MAX_ROOT_BYTES))


def spki_sha256(certificate_der: bytes) -> bytes:
    """SHA-256 of the SubjectPublicKeyInfo of a certificate. Raises ValueError."""
    key = x509.load_der_x509_certificate(certificate_der).public_key()
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


class Attestor:
    """Verifies documents against the policy; the measurements file is read each time: a new one takes effect."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._cache = ChainCache()

    @property
    def policy(self) -> Policy:
        """What it verifies against."""
        return self._policy

    def stamp(self) -> tuple[int, int]:
        """Changes when the measurements file changes; (0, 0) while it is missing."""
        try:
            state = self._policy.measurements.stat()
        except OSError:
            return (0, 0)
        return (state.st_mtime_ns, state.st_size)

    def verify(self, document: bytes, nonce: bytes, tls_spki_sha256: bytes, now_ms: int) -> EnclaveIdentity:
        """The identity behind a document that answers `nonce` on a connection with this TLS key.

        Raises AttestationRejected, TlsKeyMismatch, AttestationUnavailable (measurements cannot be read).
        """
        policy = self._policy
        try:
            accepted = measurements.load(policy.measurements)
        except (OSError, ValueError) as problem:
            raise errors.AttestationUnavailable(
                f"the measurements {policy.measurements} cannot be used: {problem}"
            ) from None
        binding = BindingExpectation(
            policy.package_id, policy.cluster_id, policy.enclave_id, policy.policy_anchor, tls_spki_sha256=None
        )
        try:
            expectation = (
                ProductionExpectation(policy.anchor, accepted, nonce, binding, MAX_AGE_MS, MAX_SKEW_MS)
                if isinstance(policy.anchor, AwsAnchor)
                else Expectation(policy.anchor, accepted, nonce, binding, MAX_AGE_MS, MAX_SKEW_MS)
            )
            verified = verify_document(document, expectation, now_ms, self._cache)
        except AttestationError as problem:
            raise errors.AttestationRejected(
                f"the enclave's attestation fails the check '{problem.check}': expected "
                f"{errors.shown(problem.expected)}, got {errors.shown(problem.actual)}"
            ) from None
        except TypeError as problem:
            raise errors.AttestationRejected(f"the configuration accepts no enclave: {problem}") from None
        return _identity(verified, document, nonce, tls_spki_sha256, now_ms)


def _identity(
    verified: VerifiedDocument, document: bytes, nonce: bytes, tls_spki_sha256: bytes, now_ms: int
) -> EnclaveIdentity:
    binding, key = verified.binding, verified.public_key
    if binding is None or key is None or verified.measurement is None:
        raise errors.AttestationRejected("the document is bound to no enclave")
    if binding.tls_spki_sha256 != tls_spki_sha256:
        raise errors.TlsKeyMismatch(binding.tls_spki_sha256, tls_spki_sha256)
    try:
        public_key = FastVerifyKey(key)
    except ValueError:
        raise errors.AttestationRejected("the attested receipt key is no Ed25519 key") from None
    return EnclaveIdentity(
        enclave_id=binding.enclave_id,
        boot_id=binding.boot_id,
        public_key=public_key,
        public_key_bytes=key,
        tls_spki_sha256=tls_spki_sha256,
        anchor=verified.anchor_kind,
        module_id=verified.module_id,
        measurement=f"{verified.measurement.name} version {verified.measurement.version}",
        pcrs=tuple(sorted(verified.pcrs.items())),
        timestamp_ms=verified.timestamp_ms,
        verified_at_ms=now_ms,
        document=document,
        nonce=nonce,
        request_key_sha256=binding.request_key_sha256,
    )

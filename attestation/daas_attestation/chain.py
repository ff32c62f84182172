"""The certificate chain of an attestation document, from the anchor's pinned root down to the leaf.

Invariant: `verify_chain` returns only for a chain whose first certificate hashes to the anchor's pin, in which every
certificate was issued and signed by the one before it, may sign what it signed, and is valid at the `now` given. The
rules are RFC 5280's, cut down to what Nitro uses: P-384 keys, ECDSA with SHA-384, no names but issuer and subject, no
policies, no revocation (a leaf lives three hours). The root's own signature is not checked: its hash is pinned.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import SignatureAlgorithmOID

from daas_attestation.anchor import TrustAnchor
from daas_attestation.errors import (
    CertificateAlgorithmError,
    CertificateAuthorityError,
    CertificateEncodingError,
    CertificateKeyError,
    CertificateSignatureError,
    CriticalExtensionError,
    ExpiredError,
    IssuerError,
    KeyUsageError,
    NotYetValidError,
    PathLengthError,
    RepeatedCertificateError,
    RootError,
)

MAX_CACHED_CHAINS = 64  # an enclave rotates its leaf every three hours; a gateway talks to a handful of enclaves


@dataclass(frozen=True, slots=True)
class VerifiedChain:
    """A chain that passed: the leaf's key and the seconds since 1970 within which every certificate is valid."""

    leaf_key: ec.EllipticCurvePublicKey
    leaf_subject: str
    not_before_s: int
    not_after_s: int


class ChainCache:
    """Chains that passed before, so that only the document's own signature is left to check.

    Keyed by the anchor's pin and the hash of every certificate in order. An entry answers only inside the intersection
    of the validities of all its certificates; outside it the chain is verified afresh and fails with the right error.
    """

    def __init__(self, capacity: int = MAX_CACHED_CHAINS) -> None:
        self._capacity = capacity
        self._chains: OrderedDict[bytes, VerifiedChain] = OrderedDict()

    def __len__(self) -> int:
        return len(self._chains)

    def get(self, key: bytes, now_s: int) -> VerifiedChain | None:
        """The chain under `key` (32 B) if all of it is valid at `now_s`."""
        chain = self._chains.get(key)
        if chain is None or not chain.not_before_s <= now_s <= chain.not_after_s:
            return None
        self._chains.move_to_end(key)
        return chain

    def put(self, key: bytes, chain: VerifiedChain) -> None:
        """Keep `chain`, and drop the one unused for longest when there are too many."""
        self._chains[key] = chain
        self._chains.move_to_end(key)
        if len(self._chains) > self._capacity:
            self._chains.popitem(last=False)


@dataclass(frozen=True, slots=True)
class _Certificate:
    position: int
    decoded: x509.Certificate
    key: ec.EllipticCurvePublicKey
    issuer: bytes
    subject: bytes
    not_before_s: int
    not_after_s: int
    authority: x509.BasicConstraints | None
    authority_critical: bool
    usage: x509.KeyUsage | None

    @property
    def name(self) -> str:
        """For error messages: position in the chain, root 0, and subject."""
        return f"#{self.position} {_printable(lambda: self.decoded.subject)}"


def _names(tbs: bytes) -> tuple[bytes, bytes]:
    """The DER of issuer and subject as they stand in a TBSCertificate that has been decoded before.

    The library can only re-encode its parsed names, which costs more and compares less.
    """
    position = _content(tbs, 0)
    fields = []
    # version [0], serialNumber, signature, issuer, validity, subject (RFC 5280, 4.1; version is there in every v3)
    for _ in range(6):
        end = _content(tbs, position) + _length(tbs, position)
        fields.append(tbs[position:end])
        position = end
    return fields[3], fields[5]


def _length(der: bytes, position: int) -> int:
    first = der[position + 1]
    return first if first < 0x80 else int.from_bytes(der[position + 2 : position + 2 + (first & 0x7F)], "big")


def _content(der: bytes, position: int) -> int:
    first = der[position + 1]
    return position + 2 if first < 0x80 else position + 2 + (first & 0x7F)


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _printable(read: Callable[[], x509.Name]) -> str:
    # Names come from strangers and end up on terminals: no control characters, no more than a line. The library parses
    # them when they are read, and here a name that it cannot parse must not hide the error that is being reported: it
    # raises ValueError, and TypeError for a common name that is a BIT STRING.
    try:
        return ascii(read().rfc4514_string())[1:-1][:160]
    except Exception:
        return "(unreadable name)"


def _load(position: int, der: bytes) -> _Certificate:
    authority: x509.BasicConstraints | None = None
    authority_critical = False
    usage: x509.KeyUsage | None = None
    at = f"#{position}"
    # Hostile DER reaches the library here, and what it raises differs by version and by defect (ValueError,
    # InvalidVersion, DuplicateExtension, UnsupportedAlgorithm, ...). Each of them means the same to a verifier.
    try:
        certificate = x509.load_der_x509_certificate(der)
        if certificate.version is not x509.Version.v3:
            raise CertificateEncodingError("X.509 version 3", f"{at}: {certificate.version.name}")
        algorithm, key = certificate.signature_algorithm_oid, certificate.public_key()
        issuer, subject = _names(certificate.tbs_certificate_bytes)
        not_before, not_after = _seconds(certificate.not_valid_before_utc), _seconds(certificate.not_valid_after_utc)
        extensions = list(certificate.extensions)
    except CertificateEncodingError:
        raise
    except Exception as error:
        raise CertificateEncodingError("a DER certificate", f"{at}: {type(error).__name__}") from None
    if algorithm != SignatureAlgorithmOID.ECDSA_WITH_SHA384:
        raise CertificateAlgorithmError("ecdsa-with-SHA384", f"{at}: {algorithm.dotted_string}")
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        raise CertificateKeyError("a key on P-384", f"{at}: {type(key).__name__}")
    for extension in extensions:
        match extension.value:
            case x509.BasicConstraints() as authority:
                authority_critical = extension.critical
            case x509.KeyUsage() as usage:
                pass
            case _ if extension.critical:
                raise CriticalExtensionError("no other critical extension", f"{at}: {extension.oid.dotted_string}")
    return _Certificate(
        position, certificate, key, issuer, subject, not_before, not_after, authority, authority_critical, usage
    )


def _check_validity(certificate: _Certificate, now_s: int) -> None:
    if now_s < certificate.not_before_s:
        raise NotYetValidError(f"{certificate.name} valid from {certificate.not_before_s}", f"now {now_s}")
    if now_s > certificate.not_after_s:
        raise ExpiredError(f"{certificate.name} valid until {certificate.not_after_s}", f"now {now_s}")


def _check_authority(certificate: _Certificate, authorities_below: int) -> None:
    authority = certificate.authority
    if authority is None or not authority.ca or not certificate.authority_critical:
        raise CertificateAuthorityError("a CA with critical BasicConstraints", certificate.name)
    if authority.path_length is not None and authority.path_length < authorities_below:
        raise PathLengthError(f"at most {authority.path_length} CAs below {certificate.name}", str(authorities_below))
    if certificate.usage is None or not certificate.usage.key_cert_sign:
        raise KeyUsageError("keyCertSign", certificate.name)


def _check_leaf(certificate: _Certificate) -> None:
    if certificate.authority is not None and certificate.authority.ca:
        raise CertificateAuthorityError("a leaf that is no CA", certificate.name)
    if certificate.usage is None or not certificate.usage.digital_signature:
        raise KeyUsageError("digitalSignature", certificate.name)


def _check_issued(certificate: _Certificate, issuer: _Certificate) -> None:
    if certificate.issuer != issuer.subject:
        raise IssuerError(f"{certificate.name} issued by {issuer.name}", _printable(lambda: certificate.decoded.issuer))
    try:
        # Also compares the inner with the outer algorithm, which decoding alone does not.
        certificate.decoded.verify_directly_issued_by(issuer.decoded)
    except InvalidSignature:
        raise CertificateSignatureError(f"{certificate.name} signed by {issuer.name}", "another signature") from None
    except (ValueError, TypeError) as error:
        raise CertificateSignatureError(f"{certificate.name} signed by {issuer.name}", str(error)[:160]) from None


def _cache_key(anchor: TrustAnchor, ders: Sequence[bytes]) -> bytes:
    digests = (hashlib.sha256(der).digest() for der in ders)
    return hashlib.sha256(anchor.root_sha256 + b"".join(digests)).digest()


def verify_chain(
    leaf: bytes, cabundle: Sequence[bytes], anchor: TrustAnchor, now_ms: int, cache: ChainCache | None = None
) -> VerifiedChain:
    """Verify `cabundle` (root first, issuer of the leaf last) and `leaf`, all DER, at `now_ms`.

    Whole seconds are compared, both ends included (RFC 5280, 4.1.2.5). Raises subclasses of `CertificateError`.
    """
    now_s = now_ms // 1000
    ders = (*cabundle, leaf)
    key = _cache_key(anchor, ders)
    if cache is not None and (known := cache.get(key, now_s)) is not None:
        return known
    root_sha256 = hashlib.sha256(ders[0]).digest()
    if root_sha256 != anchor.root_sha256:
        raise RootError(f"the {anchor.kind} root {anchor.root_sha256.hex()}", root_sha256.hex())
    if len(set(ders)) != len(ders):
        raise RepeatedCertificateError("every certificate once", f"{len(set(ders))} different ones of {len(ders)}")
    # From cheap to dear: nothing is verified with a key before the shape of the whole chain is right.
    certificates = [_load(position, der) for position, der in enumerate(ders)]
    authorities = len(certificates) - 1
    for position, certificate in enumerate(certificates):
        _check_validity(certificate, now_s)
        if position < authorities:
            _check_authority(certificate, authorities - 1 - position)
        else:
            _check_leaf(certificate)
    for issuer, certificate in pairwise(certificates):
        _check_issued(certificate, issuer)
    chain = VerifiedChain(
        leaf_key=certificates[-1].key,
        leaf_subject=_printable(lambda: certificates[-1].decoded.subject),
        not_before_s=max(certificate.not_before_s for certificate in certificates),
        not_after_s=min(certificate.not_after_s for certificate in certificates),
    )
    if cache is not None:
        cache.put(key, chain)
    return chain

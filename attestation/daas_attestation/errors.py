"""One exception class for each check of an attestation document, carrying what was expected and what was found.

Invariant: whatever bytes a verifier is given, the only exceptions that leave it are subclasses of `AttestationError`.
`expected` and `actual` are short text for people (hex for digests), and hold no secrets: all of it was on the wire.
"""

from typing import ClassVar


class AttestationError(Exception):
    """A check of an attestation document that failed. `check` names the check, as in a verdict's lines."""

    check: ClassVar[str] = "attestation"

    def __init__(self, expected: str, actual: str) -> None:
        super().__init__(expected, actual)
        self.expected = expected
        self.actual = actual

    def __str__(self) -> str:
        return f"{self.check}: expected {self.expected}, got {self.actual}"


class EncodingError(AttestationError):
    """The bytes are not the one strict CBOR item they should be."""

    check = "encoding"


class CoseStructureError(AttestationError):
    """Not a COSE_Sign1 of four elements with an empty unprotected header."""

    check = "cose"


class AlgorithmError(AttestationError):
    """The protected header is not exactly {1: -35} (ES384)."""

    check = "algorithm"


class DocumentFieldError(AttestationError):
    """A field of the payload is missing, unknown, of the wrong type or out of its bounds."""

    check = "fields"


class CertificateError(AttestationError):
    """Anything wrong with the certificate chain; never raised itself."""

    check = "chain"


class CertificateEncodingError(CertificateError):
    """A certificate that cannot be decoded."""

    check = "certificate-encoding"


class RootError(CertificateError):
    """The chain does not begin at the anchor's pinned root."""

    check = "root"


class CertificateKeyError(CertificateError):
    """A certificate whose key is not on P-384."""

    check = "certificate-key"


class CertificateAlgorithmError(CertificateError):
    """A certificate that is not signed with ECDSA and SHA-384."""

    check = "certificate-algorithm"


class RepeatedCertificateError(CertificateError):
    """A certificate that stands in its chain twice, as a self-signed root could (RFC 5280, 6.1)."""

    check = "repeated-certificate"


class IssuerError(CertificateError):
    """A certificate whose issuer is not the subject above it, DER for DER."""

    check = "issuer"


class CertificateSignatureError(CertificateError):
    """A certificate that the key above it did not sign."""

    check = "certificate-signature"


class CertificateAuthorityError(CertificateError):
    """A certificate that signs without being a CA, or a leaf that is one."""

    check = "ca-flag"


class PathLengthError(CertificateError):
    """More CAs below a certificate than it allows."""

    check = "path-length"


class KeyUsageError(CertificateError):
    """A CA without keyCertSign or a leaf without digitalSignature."""

    check = "key-usage"


class CriticalExtensionError(CertificateError):
    """A critical extension that this verifier does not know (RFC 5280, 4.2: refuse)."""

    check = "critical-extension"


class NotYetValidError(CertificateError):
    """`now` lies before the validity of a certificate."""

    check = "not-before"


class ExpiredError(CertificateError):
    """`now` lies after the validity of a certificate."""

    check = "not-after"


class RevokedError(CertificateError):
    """A certificate that the local revocation list names by issuer and serial number."""

    check = "revoked"


class DocumentSignatureError(AttestationError):
    """The leaf's key did not sign this document."""

    check = "signature"


class DebugModeError(AttestationError):
    """PCR0, PCR1 and PCR2 are zero: the enclave runs in debug mode and its memory is open to its owner."""

    check = "debug"


class PcrMissingError(AttestationError):
    """A PCR that the policy names is not in the document. Absence never matches."""

    check = "pcr-present"


class PcrMismatchError(AttestationError):
    """No accepted measurement has these PCRs."""

    check = "pcr"


class MeasurementPeriodError(AttestationError):
    """The PCRs are those of a measurement that is not accepted now."""

    check = "measurement-period"


class NonceError(AttestationError):
    """The document does not answer this challenge."""

    check = "nonce"


class AgeError(AttestationError):
    """The document is too old."""

    check = "age"


class FutureTimestampError(AttestationError):
    """The document's timestamp lies further ahead than clocks may differ."""

    check = "future"


class PublicKeyError(AttestationError):
    """No Ed25519 key of 32 bytes where a bound enclave has one."""

    check = "public-key"


class UserDataError(AttestationError):
    """`user_data` is not an `EnclaveBinding`."""

    check = "user-data"


class BindingError(AttestationError):
    """A field of the binding differs; never raised itself."""

    check = "binding"


class PackageMismatchError(BindingError):
    """The enclave was launched for another Move package."""

    check = "package"


class ClusterMismatchError(BindingError):
    """The enclave was launched for another cluster."""

    check = "cluster"


class EnclaveMismatchError(BindingError):
    """The enclave runs in another slot."""

    check = "enclave"


class BootMismatchError(BindingError):
    """The document is of another boot of the enclave."""

    check = "boot"


class LightClientAnchorMismatchError(BindingError):
    """The enclave decides by another chain anchor or policy file."""

    check = "light-client-anchor"


class RequestKeyMismatchError(BindingError):
    """The key that requests are encrypted to is not the attested one."""

    check = "request-key"


class TlsKeyMismatchError(BindingError):
    """The TLS key of the connection is not the attested one: somebody stands between."""

    check = "tls-key"


STRICT_CHECKS: tuple[type[AttestationError], ...] = (
    EncodingError,
    CoseStructureError,
    AlgorithmError,
    DocumentFieldError,
    RootError,
    RepeatedCertificateError,
    CertificateEncodingError,
    CertificateAlgorithmError,
    CertificateKeyError,
    CriticalExtensionError,
    NotYetValidError,
    ExpiredError,
    CertificateAuthorityError,
    PathLengthError,
    KeyUsageError,
    IssuerError,
    CertificateSignatureError,
    RevokedError,
    DocumentSignatureError,
    PcrMissingError,
    DebugModeError,
    PcrMismatchError,
    MeasurementPeriodError,
    NonceError,
    AgeError,
    FutureTimestampError,
    PublicKeyError,
    UserDataError,
    PackageMismatchError,
    ClusterMismatchError,
    EnclaveMismatchError,
    BootMismatchError,
    LightClientAnchorMismatchError,
    RequestKeyMismatchError,
    TlsKeyMismatchError,
)
"""Every check of the strict profile, in the order of a verdict's lines: the first that failed is the one raised."""

"""One certificate, decoded for the chain's rules. Nothing here says whether it is any good.

Invariant: whatever DER it is given, `load` returns a `Certificate` or raises `CertificateEncodingError`.
"""

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from daas_attestation.errors import CertificateEncodingError
from daas_attestation.verdict import CertificateSummary

_MAX_NAME = 160
_TBS_FIELDS = 6
"""version [0], serialNumber, signature, issuer, validity, subject (RFC 5280, 4.1; version is there in every v3)."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the rules look at.

    `issuer`, `subject` and the algorithm identifiers, the one inside the signed part and the one outside, are DER;
    `unknown_critical` holds dotted object identifiers.
    """

    position: int
    decoded: x509.Certificate
    algorithm_inside: bytes
    algorithm_outside: bytes
    key: object
    issuer: bytes
    subject: bytes
    serial: int
    not_before_s: int
    not_after_s: int
    authority: x509.BasicConstraints | None
    authority_critical: bool
    usage: x509.KeyUsage | None
    unknown_critical: tuple[str, ...]

    @property
    def name(self) -> str:
        """For error messages: position in the chain, root 0, and subject."""
        return f"#{self.position} {self.subject_text}"

    @property
    def subject_text(self) -> str:
        """RFC 4514, fit for a terminal."""
        return _printable(self.decoded, "subject")

    @property
    def issuer_text(self) -> str:
        """RFC 4514, fit for a terminal."""
        return _printable(self.decoded, "issuer")


def load(position: int, der: bytes) -> Certificate:
    """Decode a certificate, the `position`th of its chain. Raises `CertificateEncodingError`."""
    authority: x509.BasicConstraints | None = None
    authority_critical = False
    usage: x509.KeyUsage | None = None
    unknown: list[str] = []
    # Hostile DER reaches the library here, and what it raises differs by version and by defect (ValueError,
    # InvalidVersion, DuplicateExtension, UnsupportedAlgorithm, ...). Each of them means the same to a verifier.
    try:
        certificate = x509.load_der_x509_certificate(der)
        if certificate.version is not x509.Version.v3:
            raise CertificateEncodingError("X.509 version 3", f"#{position}: {certificate.version.name}")
        key, signed = certificate.public_key(), certificate.tbs_certificate_bytes
        algorithm_outside = _item(der, _content(der, 0) + len(signed))
        serial, algorithm_inside, issuer, subject = _fields(signed)
        not_before, not_after = _seconds(certificate.not_valid_before_utc), _seconds(certificate.not_valid_after_utc)
        extensions = list(certificate.extensions)
    except CertificateEncodingError:
        raise
    except Exception as error:
        raise CertificateEncodingError("a DER certificate", f"#{position}: {type(error).__name__}") from None
    for extension in extensions:
        match extension.value:
            case x509.BasicConstraints() as authority:
                authority_critical = extension.critical
            case x509.KeyUsage() as usage:
                pass
            case _ if extension.critical:
                unknown.append(extension.oid.dotted_string)
    return Certificate(
        position=position,
        decoded=certificate,
        algorithm_inside=algorithm_inside,
        algorithm_outside=algorithm_outside,
        key=key,
        issuer=issuer,
        subject=subject,
        serial=serial,
        not_before_s=not_before,
        not_after_s=not_after,
        authority=authority,
        authority_critical=authority_critical,
        usage=usage,
        unknown_critical=tuple(unknown),
    )


def summaries(chain: tuple[Certificate, ...]) -> tuple[CertificateSummary, ...]:
    """The certificates of a chain as a verdict shows them."""
    # Making text of a name is dear, and most names are in the chain twice: once as subject, once as issuer below it.
    texts: dict[bytes, str] = {}
    for one in chain:
        texts[one.subject] = one.subject_text
        if one.issuer not in texts:
            texts[one.issuer] = one.issuer_text
    return tuple(
        CertificateSummary(
            texts[one.subject], texts[one.issuer], one.issuer, one.serial, one.not_before_s, one.not_after_s
        )
        for one in chain
    )


def _fields(tbs: bytes) -> tuple[int, bytes, bytes, bytes]:
    """Serial number, and DER of algorithm, issuer and subject, as they stand in a TBSCertificate decoded before.

    The library can only re-encode its parsed names, which costs more and compares less.
    """
    position = _content(tbs, 0)
    fields = []
    for _ in range(_TBS_FIELDS):
        fields.append(_item(tbs, position))
        position += len(fields[-1])
    _, serial, algorithm, issuer, _, subject = fields
    return int.from_bytes(serial[_content(serial, 0) :], "big", signed=True), algorithm, issuer, subject


def _item(der: bytes, position: int) -> bytes:
    return der[position : _content(der, position) + _length(der, position)]


def _length(der: bytes, position: int) -> int:
    first = der[position + 1]
    return first if first < 0x80 else int.from_bytes(der[position + 2 : position + 2 + (first & 0x7F)], "big")


def _content(der: bytes, position: int) -> int:
    first = der[position + 1]
    return position + 2 if first < 0x80 else position + 2 + (first & 0x7F)


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _printable(certificate: x509.Certificate, which: str) -> str:
    # Names come from strangers and end up on terminals: no control characters, no more than a line. The library parses
    # them when they are read, and here a name that it cannot parse must not hide the error that is being reported: it
    # raises ValueError, and TypeError for a common name that is a BIT STRING.
    try:
        name: x509.Name = getattr(certificate, which)
        return ascii(name.rfc4514_string())[1:-1][:_MAX_NAME]
    except Exception:
        return "(unreadable name)"

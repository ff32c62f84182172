"""The rules that a decoded chain is held against, root first, leaf last; none depends on time, anchor or revocation.

Each rule looks at the whole chain, and returns what was found or raises its own error for the first certificate at
fault. Source: RFC 5280, 4.2.1 and 6.1, cut down to what Nitro uses.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from daas_attestation.certificate import Certificate
from daas_attestation.errors import (
    CertificateAlgorithmError,
    CertificateAuthorityError,
    CertificateError,
    CertificateKeyError,
    CertificateSignatureError,
    CriticalExtensionError,
    IssuerError,
    KeyUsageError,
    PathLengthError,
)

Chain = tuple[Certificate, ...]
_ECDSA_WITH_SHA384 = bytes.fromhex("300a06082a8648ce3d040303")  # DER of the AlgorithmIdentifier, RFC 5758, 3.2
_SIGNATURE = ec.ECDSA(hashes.SHA384())


def _algorithm(chain: Chain) -> str:
    for one in chain:
        # Outside it is not signed, so that only the same inside says what was meant (RFC 5280, 4.1.1.2).
        for where, found in (("inside", one.algorithm_inside), ("outside", one.algorithm_outside)):
            if found != _ECDSA_WITH_SHA384:
                raise CertificateAlgorithmError("ecdsa-with-SHA384", f"#{one.position}: {found.hex()[:80]} {where}")
    return f"{len(chain)} certificates"


def _key(chain: Chain) -> str:
    for one in chain:
        if not isinstance(one.key, ec.EllipticCurvePublicKey) or not isinstance(one.key.curve, ec.SECP384R1):
            raise CertificateKeyError("a key on P-384", f"#{one.position}: {type(one.key).__name__}")
    return f"{len(chain)} certificates"


def _critical(chain: Chain) -> str:
    for one in chain:
        if one.unknown_critical:
            raise CriticalExtensionError("no other critical extension", f"#{one.position}: {one.unknown_critical[0]}")
    return "none"


def _authority(chain: Chain) -> str:
    *authorities, leaf = chain
    for one in authorities:
        if one.authority is None or not one.authority.ca or not one.authority_critical:
            raise CertificateAuthorityError("a CA with critical BasicConstraints", one.name)
    if leaf.authority is not None and leaf.authority.ca:
        raise CertificateAuthorityError("a leaf that is no CA", leaf.name)
    return f"{len(authorities)} CAs, 1 leaf"


def _path_length(chain: Chain) -> str:
    limits = []
    for below, one in zip(range(len(chain) - 2, -1, -1), chain, strict=False):
        limit = None if one.authority is None else one.authority.path_length
        if limit is not None and limit < below:
            raise PathLengthError(f"at most {limit} CAs below {one.name}", str(below))
        limits.append("any" if limit is None else str(limit))
    return f"limits {', '.join(limits)} from the root down"


def _key_usage(chain: Chain) -> str:
    *authorities, leaf = chain
    for one in authorities:
        if one.usage is None or not one.usage.key_cert_sign:
            raise KeyUsageError("keyCertSign", one.name)
    if leaf.usage is None or not leaf.usage.digital_signature:
        raise KeyUsageError("digitalSignature", leaf.name)
    return "as it should be"


def _issuer(chain: Chain) -> str:
    for above, one in pairwise(chain):
        if one.issuer != above.subject:
            raise IssuerError(f"{one.name} issued by {above.name}", one.issuer_text)
    return "name for name"


def _signature(chain: Chain) -> str:
    for above, one in pairwise(chain):
        try:
            if not isinstance(above.key, ec.EllipticCurvePublicKey):
                raise InvalidSignature
            # Not the library's verify_directly_issued_by: it parses the key once more, and makes names of DER.
            above.key.verify(one.decoded.signature, one.decoded.tbs_certificate_bytes, _SIGNATURE)
        except InvalidSignature:
            raise CertificateSignatureError(f"{one.name} signed by {above.name}", "another signature") from None
    return f"{len(chain) - 1} signatures"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: the error of whoever breaks it, what it demands, and how it is judged."""

    error: type[CertificateError]
    expected: str
    check: Callable[[Chain], str]


SHAPE = (
    Rule(CertificateAlgorithmError, "ecdsa-with-SHA384", _algorithm),
    Rule(CertificateKeyError, "keys on P-384", _key),
    Rule(CriticalExtensionError, "no critical extension but BasicConstraints and KeyUsage", _critical),
    Rule(CertificateAuthorityError, "CAs with critical BasicConstraints above a leaf that is none", _authority),
    Rule(PathLengthError, "no more CAs below a CA than it allows", _path_length),
    Rule(KeyUsageError, "keyCertSign in CAs, digitalSignature in the leaf", _key_usage),
    Rule(IssuerError, "each issued by the subject above it", _issuer),
)
SIGNED = Rule(CertificateSignatureError, "each signed by the key above it", _signature)
SIGNED_NEEDS = (CertificateAlgorithmError, CertificateKeyError, IssuerError)
"""What has to hold before a key of the chain is used: it is one, and belongs to the issuer named."""

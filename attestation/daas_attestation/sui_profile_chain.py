"""The verifying half of Sui's `load_nitro_attestation` (abort 2): document signature and certificate chain.

Invariant: `verify_sui` returns exactly where `verify_nitro_attestation` of crates.io `fastcrypto` 0.1.11 does. The
pinned root is a name and a key: its certificate may be missing from the cabundle, or differ in everything else.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from daas_attestation.anchor import AwsAnchor, DevelopmentAnchor, TrustAnchor
from daas_attestation.cose import signed_bytes
from daas_attestation.sui_profile_der import DerError
from daas_attestation.sui_profile_document import SuiDocument
from daas_attestation.sui_profile_errors import (
    SuiAuthorityError,
    SuiCertificateError,
    SuiIssuedError,
    SuiIssuerError,
    SuiKeyUsageError,
    SuiLeafKeyError,
    SuiPathLengthError,
    SuiRootError,
    SuiSignatureError,
    SuiValidityError,
    SuiVerifyError,
)
from daas_attestation.sui_profile_signature import P384_OID, issued, leaf_key, signed_document
from daas_attestation.sui_profile_time import moment_at
from daas_attestation.sui_profile_x509 import PublicKey, SuiCertificate, named_curve_key, parse

# Subject and key of the root whose hash is `AWS_ROOT_SHA256`; a test compares them with the certificate.
_AWS_ROOT_SUBJECT = bytes.fromhex(
    "3049310b3009060355040613025553310f300d060355040a0c06416d617a6f6e310c300a060355040b0c03415753311b301906035504030c1261"
    "77732e6e6974726f2d656e636c61766573"
)
_AWS_ROOT_POINT = bytes.fromhex(
    "04fc0254eba608c1f36870e29ada90be46383292736e894bfff672d989444b5051e534a4b1f6dbe3c0bc581a32b7b176070ede12d69a3fea211b"
    "66e752cf7dd1dd095f6f1370f4170843d9dc100121e4cf63012809664487c9796284304dc53ff4"
)


@dataclass(frozen=True, slots=True)
class PinnedRoot:
    """What Sui uses of the pinned root: its name and its key."""

    subject: bytes
    public_key: PublicKey


def pinned_root(anchor: TrustAnchor) -> PinnedRoot:
    """The root that stands where Sui has AWS's compiled in. Raises `SuiRootError` for an anchor that has none."""
    match anchor:
        case AwsAnchor():
            return PinnedRoot(_AWS_ROOT_SUBJECT, named_curve_key(P384_OID, _AWS_ROOT_POINT))
        case DevelopmentAnchor(root_der=der):
            try:
                root = parse(der)
            except DerError as error:
                raise SuiRootError("a root certificate", str(error)) from None
            return PinnedRoot(root.subject, root.public_key)
    raise SuiRootError("an anchor with a root certificate", type(anchor).__name__)


@dataclass(frozen=True, slots=True)
class SuiChain:
    """Decoded certificates, leaf first, and the name and key above the last of them."""

    certificates: tuple[SuiCertificate, ...]
    root: PinnedRoot

    def pairs(self) -> Iterator[tuple[str, SuiCertificate, SuiCertificate | PinnedRoot]]:
        """Each certificate with what it is called in messages and what stands above it."""
        above: tuple[SuiCertificate | PinnedRoot, ...] = (*self.certificates[1:], self.root)
        for height, (certificate, issuer) in enumerate(zip(self.certificates, above, strict=True)):
            yield _called(height), certificate, issuer


def verify_sui(document: SuiDocument, anchor: TrustAnchor, now_ms: int) -> None:
    """Verify as Sui does at clock `now_ms` (ms since 1970, 64 bits unsigned).

    Raises subclasses of `SuiVerifyError` and nothing else. Where several rules are broken, which of them is named need
    not be the one that Sui stops at; the abort code is 2 for all of them.
    """
    chain = decode_chain(document, anchor)
    for _, rule in RULES:
        rule(document, chain, now_ms)


def decode_chain(document: SuiDocument, anchor: TrustAnchor) -> SuiChain:
    """The chain of a document, not verified. Raises `SuiCertificateError`, `SuiRootError`."""
    ders = (document.certificate, *reversed(document.cabundle))
    return SuiChain(tuple(_decoded(height, der) for height, der in enumerate(ders)), pinned_root(anchor))


def _called(height: int) -> str:
    return f"CA {height}" if height else "leaf"


def _decoded(height: int, der: bytes) -> SuiCertificate:
    try:
        return parse(der)
    except DerError as error:
        raise SuiCertificateError(f"{_called(height)} as a certificate", str(error)) from None


def _check_leaf_key(document: SuiDocument, chain: SuiChain, now_ms: int) -> str:
    if leaf_key(chain.certificates[0].public_key) is None:
        raise SuiLeafKeyError("a point of P-384", f"{len(chain.certificates[0].public_key.key)} bytes")
    return "a point of P-384"


def _check_signature(document: SuiDocument, chain: SuiChain, now_ms: int) -> str:
    key = leaf_key(chain.certificates[0].public_key)
    message = signed_bytes(document.protected, document.payload)
    if key is None or not signed_document(key, document.signature, message):
        raise SuiSignatureError("an ES384 signature by the leaf's key", "another")
    return "an ES384 signature by the leaf's key"


def _check_usage(document: SuiDocument, chain: SuiChain, now_ms: int) -> str:
    for name, certificate, _ in chain.pairs():
        leaf = certificate is chain.certificates[0]
        wanted, right = (
            ("digitalSignature", certificate.signs_documents)
            if leaf
            else ("keyCertSign", certificate.signs_certificates)
        )
        if not right:
            raise SuiKeyUsageError(f"{name} with {wanted}", "no KeyUsage" if right is None else "a KeyUsage without it")
    return "digitalSignature on the leaf, keyCertSign on every CA"


def _check_authority(document: SuiDocument, chain: SuiChain, now_ms: int) -> str:
    leaf = chain.certificates[0].authority
    # Nothing is wrong with a leaf whose BasicConstraints cannot be read: to Sui it has none.
    if leaf is not None and (leaf.ca or leaf.path_length is not None):
        raise SuiAuthorityError("leaf that is no CA and has no path length", str(leaf))
    for height, certificate in enumerate(chain.certificates[1:], 1):
        authority = certificate.authority
        if authority is None or not authority.critical or not authority.ca:
            raise SuiAuthorityError(f"{_called(height)} with critical BasicConstraints, a CA", str(authority))
    return f"a leaf under {len(chain.certificates) - 1} CAs"


def _check_path_length(document: SuiDocument, chain: SuiChain, now_ms: int) -> str:
    for height, certificate in enumerate(chain.certificates[1:], 1):
        limit = None if certificate.authority is None else certificate.authority.path_length
        if limit is not None and limit < height - 1:
            raise SuiPathLengthError(f"at most {limit} CAs below {_called(height)}", str(height - 1))
    return "within the limits of every CA"


def _check_validity(document: SuiDocument, chain: SuiChain, now_ms: int) -> str:
    now = moment_at(_clock_s(now_ms))
    for name, certificate, _ in chain.pairs():
        if not certificate.not_before <= now <= certificate.not_after:
            period = f"{name} valid from {certificate.not_before.ms} to {certificate.not_after.ms} ms"
            raise SuiValidityError(period, f"clock {now_ms} ms")
    first = max(certificate.not_before.ms for certificate in chain.certificates)
    last = min(certificate.not_after.ms for certificate in chain.certificates)
    return f"all valid from {first} to {last} ms"


def _clock_s(now_ms: int) -> int:
    """Seconds as Sui's native has them: 64 bits, signed, cut towards zero, and within the years -9999 to 9999."""
    signed = (now_ms & _MAX_U64) - (now_ms >> 63 & 1) * (1 << 64)
    seconds = signed // 1000 if signed >= 0 else -(-signed // 1000)
    if not 0 <= now_ms <= _MAX_U64 or not _FIRST_S <= seconds <= _LAST_S:
        raise SuiValidityError("a clock within the years -9999 to 9999", f"{now_ms} ms")
    return seconds


def _check_issuer(document: SuiDocument, chain: SuiChain, now_ms: int) -> str:
    for name, certificate, above in chain.pairs():
        if certificate.issuer != above.subject:
            raise SuiIssuerError(f"{name} issued by {_above(above)}", "another issuer")
    return "each the name above it, the last the pinned root's"


def _check_issued(document: SuiDocument, chain: SuiChain, now_ms: int) -> str:
    for name, certificate, above in chain.pairs():
        if not issued(certificate, above.public_key):
            raise SuiIssuedError(f"{name} signed by {_above(above)}", "another signature")
    return "each by the key above it, the last by the pinned root's"


def _above(above: SuiCertificate | PinnedRoot) -> str:
    return "the pinned root" if isinstance(above, PinnedRoot) else "the certificate above it"


_MAX_U64 = (1 << 64) - 1
_FIRST_S, _LAST_S = -377_705_116_800, 253_402_300_799

# Every rule that a decoded chain is held against, with its error class; each returns what was found. Dear ones last.
Rule = Callable[[SuiDocument, SuiChain, int], str]
RULES: tuple[tuple[type[SuiVerifyError], Rule], ...] = (
    (SuiLeafKeyError, _check_leaf_key),
    (SuiKeyUsageError, _check_usage),
    (SuiAuthorityError, _check_authority),
    (SuiPathLengthError, _check_path_length),
    (SuiValidityError, _check_validity),
    (SuiIssuerError, _check_issuer),
    (SuiSignatureError, _check_signature),
    (SuiIssuedError, _check_issued),
)

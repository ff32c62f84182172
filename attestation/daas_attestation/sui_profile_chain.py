"""The verifying half of Sui's `load_nitro_attestation` (abort 2): document signature and certificate chain.

Invariant: `verify_sui` returns exactly where `verify_nitro_attestation` of crates.io `fastcrypto` 0.1.11 does. The
pinned root is a name and a key: its certificate may be missing from the cabundle, or differ in everything else.
"""

from collections.abc import Iterator
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
)
from daas_attestation.sui_profile_signature import P384_OID, issued, leaf_key, signed_document
from daas_attestation.sui_profile_x509 import PublicKey, SuiCertificate, moment_at, named_curve_key, parse

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


@dataclass(frozen=True, slots=True)
class PassedRule:
    """A rule of verification that held: the check's name, what it wants, and what was found."""

    check: str
    expected: str
    actual: str


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


def verify_sui(document: SuiDocument, anchor: TrustAnchor, now_ms: int) -> Iterator[PassedRule]:
    """Verify as Sui does at clock `now_ms` (ms since 1970, 64 bits unsigned), rule by rule, in Sui's order.

    Yields every rule that held. Raises subclasses of `SuiVerifyError` and nothing else.
    """
    leaf = _parsed("leaf", document.certificate)
    key = leaf_key(leaf.public_key)
    if key is None:
        raise SuiLeafKeyError("a point of P-384", f"{len(leaf.public_key.key)} bytes")
    if not signed_document(key, document.signature, signed_bytes(document.protected, document.payload)):
        raise SuiSignatureError("an ES384 signature by the leaf's key", "another")
    yield PassedRule(SuiSignatureError.check, "an ES384 signature by the leaf's key", "by the leaf's key")
    now = moment_at(_clock_s(now_ms))
    root = pinned_root(anchor)
    chain = [leaf, *(_parsed(f"CA {height}", der) for height, der in _upwards(document))]
    for height, certificate in enumerate(chain):
        name = f"CA {height}" if height else "leaf"
        above = chain[height + 1] if height + 1 < len(chain) else root
        _check_usage(name, height, certificate)
        _check_authority(name, height, certificate)
        if not certificate.not_before <= now <= certificate.not_after:
            period = f"{name} valid from {certificate.not_before.ms} to {certificate.not_after.ms} ms"
            raise SuiValidityError(period, f"clock {now_ms}")
        if certificate.issuer != above.subject:
            raise SuiIssuerError(f"{name} issued by what stands above it", "another issuer")
        if not issued(certificate, above.public_key):
            raise SuiIssuedError(f"{name} signed by what stands above it", "another signature")
        rules = "key usage, CA flag, path length, validity, issuer, signature"
        yield PassedRule(SuiCertificateError.check, f"{name} under {_above(height, chain)}: {rules}", "all as expected")


def _above(height: int, chain: list[SuiCertificate]) -> str:
    return f"CA {height + 1}" if height + 1 < len(chain) else "the pinned root"


def _upwards(document: SuiDocument) -> Iterator[tuple[int, bytes]]:
    return enumerate(reversed(document.cabundle), 1)


def _clock_s(now_ms: int) -> int:
    """Seconds as Sui's native has them: 64 bits, signed, cut towards zero, and within the years -9999 to 9999."""
    signed = (now_ms & 0xFFFFFFFFFFFFFFFF) - (now_ms >> 63 & 1) * (1 << 64)
    seconds = signed // 1000 if signed >= 0 else -(-signed // 1000)
    if not 0 <= now_ms < 1 << 64 or not _FIRST_S <= seconds <= _LAST_S:
        raise SuiValidityError("a clock within the years -9999 to 9999", str(now_ms))
    return seconds


_FIRST_S, _LAST_S = -377_705_116_800, 253_402_300_799


def _parsed(name: str, der: bytes) -> SuiCertificate:
    try:
        return parse(der)
    except DerError as error:
        raise SuiCertificateError(f"{name} as a certificate", str(error)) from None


def _check_usage(name: str, height: int, certificate: SuiCertificate) -> None:
    wanted, right = (
        ("keyCertSign", certificate.signs_certificates) if height else ("digitalSignature", certificate.signs_documents)
    )
    if not right:
        raise SuiKeyUsageError(f"{name} with {wanted}", "no KeyUsage" if right is None else "a KeyUsage without it")


def _check_authority(name: str, height: int, certificate: SuiCertificate) -> None:
    authority = certificate.authority
    if height == 0:
        if authority is not None and (authority.ca or authority.path_length is not None):
            raise SuiAuthorityError(f"{name} that is no CA and has no path length", str(authority))
        return
    if authority is None or not authority.critical or not authority.ca:
        raise SuiAuthorityError(f"{name} with critical BasicConstraints, a CA", str(authority))
    if authority.path_length is not None and authority.path_length < height - 1:
        raise SuiPathLengthError(f"at most {authority.path_length} CAs below {name}", str(height - 1))

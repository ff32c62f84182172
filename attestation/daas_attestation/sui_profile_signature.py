"""Signatures as Sui's native checks them: the document's with the `p384` crate, certificates' with `ring` 0.17.

Invariant: true exactly where those libraries say so. Certificates may be signed with more than Nitro uses: ECDSA on
P-256 or P-384 with SHA-256 or SHA-384, RSA (PKCS #1 with SHA-1, SHA-256, SHA-384, SHA-512; PSS), Ed25519.
"""

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from daas_attestation import sui_profile_der as der
from daas_attestation.sui_profile_der import DerError
from daas_attestation.sui_profile_x509 import (
    EC_PUBLIC_KEY,
    Algorithm,
    PublicKey,
    SuiCertificate,
    algorithm_at,
)

P384_OID = bytes.fromhex("2b81040022")  # 1.3.132.0.34
_CURVES: dict[bytes, tuple[ec.EllipticCurve, int]] = {
    bytes.fromhex("2a8648ce3d030107"): (
        ec.SECP256R1(),
        0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    ),
    P384_OID: (
        ec.SECP384R1(),
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    ),
}
_P384_PRIME = 2**384 - 2**128 - 2**96 + 2**32 - 1
_COORDINATE_BYTES = 48
_ECDSA: dict[bytes, hashes.HashAlgorithm] = {
    bytes.fromhex("2a8648ce3d040302"): hashes.SHA256(),
    bytes.fromhex("2a8648ce3d040303"): hashes.SHA384(),
}
_RSA: dict[bytes, tuple[hashes.HashAlgorithm, int]] = {
    # Old SHA-1 signatures are checked for compatibility only; they are Sui's rule, not ours.
    bytes.fromhex("2a864886f70d010105"): (hashes.SHA1(), 1024),  # noqa: S303
    bytes.fromhex("2b0e03021d"): (hashes.SHA1(), 1024),  # noqa: S303
    bytes.fromhex("2a864886f70d01010b"): (hashes.SHA256(), 2048),
    bytes.fromhex("2a864886f70d01010c"): (hashes.SHA384(), 2048),
    bytes.fromhex("2a864886f70d01010d"): (hashes.SHA512(), 2048),
}
_RSA_PSS = bytes.fromhex("2a864886f70d01010a")
_PSS_DIGESTS: dict[bytes, hashes.HashAlgorithm] = {
    bytes.fromhex("608648016503040201"): hashes.SHA256(),
    bytes.fromhex("608648016503040202"): hashes.SHA384(),
    bytes.fromhex("608648016503040203"): hashes.SHA512(),
}
_ED25519 = bytes.fromhex("2b6570")
_MAX_RSA_BITS = 8192
_MAX_RSA_EXPONENT = (1 << 33) - 1


def leaf_key(public_key: PublicKey) -> ec.EllipticCurvePublicKey | None:
    """The P-384 key that signs documents; None if it is not one. The curve's name is not looked at, the point is.

    Compressed points are taken, and compact ones (0x05), whose y is the smaller of the two.
    """
    if public_key.algorithm.oid != EC_PUBLIC_KEY:
        return None
    point = public_key.key
    try:
        if len(point) == 1 + _COORDINATE_BYTES and point[0] == 5:
            numbers = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), b"\x02" + point[1:]).public_numbers()
            y = min(numbers.y, _P384_PRIME - numbers.y)
            return ec.EllipticCurvePublicNumbers(numbers.x, y, ec.SECP384R1()).public_key()
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), point)
    except ValueError:
        return None


def signed_document(key: ec.EllipticCurvePublicKey, signature: bytes, message: bytes) -> bool:
    """Whether `key` made `signature` (raw r || s, 96 B) over `message` with SHA-384. High s is as good as low."""
    r, s = int.from_bytes(signature[:_COORDINATE_BYTES], "big"), int.from_bytes(signature[_COORDINATE_BYTES:], "big")
    return _ecdsa(key, r, s, message, hashes.SHA384())


def issued(certificate: SuiCertificate, issuer: PublicKey) -> bool:
    """Whether the key in `issuer` made the signature of `certificate`, by the outer algorithm."""
    algorithm, signature, message = certificate.algorithm, certificate.signature, certificate.signed
    try:
        if algorithm.oid in _ECDSA:
            return _issued_ecdsa(issuer, signature, message, _ECDSA[algorithm.oid])
        if algorithm.oid in _RSA:
            digest, least_bits = _RSA[algorithm.oid]
            return _issued_rsa(issuer, signature, message, padding.PKCS1v15(), digest, least_bits)
        if algorithm.oid == _RSA_PSS and (pss := _pss_digest(algorithm)) is not None:
            scheme = padding.PSS(padding.MGF1(pss), pss.digest_size)
            return _issued_rsa(issuer, signature, message, scheme, pss, 2048)
        if algorithm.oid == _ED25519:
            ed25519.Ed25519PublicKey.from_public_bytes(issuer.key).verify(signature, message)
            return True
    except (DerError, InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return False


def _ecdsa(key: ec.EllipticCurvePublicKey, r: int, s: int, message: bytes, digest: hashes.HashAlgorithm) -> bool:
    if r == 0 or s == 0:
        return False
    try:
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(digest))
    except (InvalidSignature, ValueError):
        return False
    return True


def _strict(data: bytes, position: int, tag: int) -> tuple[bytes, int]:
    """ring reads signatures and keys as real DER with lengths up to 65,535."""
    element = der.read(data, position)
    length = len(element.content)
    head = 2 if length < 0x80 else 3 if length < 0x100 else 4
    if data[position] != tag or element.end - position != head + length or length > 0xFFFF:
        raise DerError("not in the strict form that ring reads")
    return element.content, element.end


def _positive_pair(data: bytes) -> tuple[int, int]:
    content, end = _strict(data, 0, 0x30)
    first, middle = _strict(content, 0, der.INTEGER)
    second, last = _strict(content, middle, der.INTEGER)
    if end != len(data) or last != len(content):
        raise DerError("something after two integers")
    for octets in (first, second):
        if not octets or octets[0] & 0x80 or (len(octets) > 1 and octets[0] == 0 and octets[1] < 0x80):
            raise DerError("no integer in its shortest form, or a negative one")
    return int.from_bytes(first, "big"), int.from_bytes(second, "big")


def _issued_ecdsa(issuer: PublicKey, signature: bytes, message: bytes, digest: hashes.HashAlgorithm) -> bool:
    parameters = issuer.algorithm.parameters
    known = _CURVES.get(parameters.content) if parameters is not None else None
    # ring takes uncompressed points only, and does not ask whether the key's algorithm is one of elliptic curves.
    if known is None or issuer.key[:1] != b"\x04":
        return False
    curve, order = known
    key = ec.EllipticCurvePublicKey.from_encoded_point(curve, issuer.key)
    r, s = _positive_pair(signature)
    return r < order and s < order and _ecdsa(key, r, s, message, digest)


def _issued_rsa(
    issuer: PublicKey,
    signature: bytes,
    message: bytes,
    scheme: padding.AsymmetricPadding,
    digest: hashes.HashAlgorithm,
    least_bits: int,
) -> bool:
    modulus, exponent = _positive_pair(issuer.key)
    bits = modulus.bit_length()
    if (bits + 7) // 8 * 8 < least_bits or bits > _MAX_RSA_BITS or modulus % 2 == 0:
        return False
    if not 3 <= exponent <= _MAX_RSA_EXPONENT or exponent % 2 == 0 or len(signature) != (bits + 7) // 8:
        return False
    rsa.RSAPublicNumbers(exponent, modulus).public_key().verify(signature, message, scheme, digest)
    return True


def _pss_digest(algorithm: Algorithm) -> hashes.HashAlgorithm | None:
    parameters = algorithm.parameters
    if parameters is None or parameters.tag != der.SEQUENCE or not parameters.content:
        return None
    digest = der.read(parameters.content)
    if digest.tag != 0 or digest.tag_class != der.CONTEXT:
        return None
    _check_pss_rest(parameters.content, digest.end)
    return _PSS_DIGESTS.get(algorithm_at(digest.content, 0)[0].oid)


def _check_pss_rest(content: bytes, position: int) -> None:
    """What follows the digest only has to parse; ring ignores it and uses the digest for everything."""
    if position < len(content) and (generator := der.read(content, position)).tag == 1:
        if generator.tag_class != der.CONTEXT:
            raise DerError("a mask generator of another class")
        algorithm_at(generator.content, 0)
        position = generator.end
    for tag in (2, 3):
        if position < len(content) and (number := der.read(content, position)).tag == tag:
            if number.tag_class != der.CONTEXT:
                raise DerError("a number of another class")
            der.small_unsigned(number.content)
            position = number.end

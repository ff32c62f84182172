"""COSE_Sign1 (RFC 9052, 4.2) with ES384, the only envelope of attestation documents.

Signatures are raw r || s of 48 bytes each (RFC 9053, 2.1). High s is valid: about half of the real documents have it,
and (r, n - s) verifies wherever (r, s) does. A signature or document hash therefore never identifies a document.
"""

from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from daas_attestation import cbor
from daas_attestation.errors import AlgorithmError, CoseStructureError, DocumentSignatureError, EncodingError

TAG_SIGN1 = 18
ES384 = -35
PROTECTED_ES384 = bytes.fromhex("a1013822")  # {1: -35}
SIGNATURE_BYTES = 96
_COORDINATE_BYTES = 48
_ALGORITHM = ec.ECDSA(hashes.SHA384())


@dataclass(frozen=True, slots=True)
class Sign1:
    """A decoded, unverified COSE_Sign1: protected header and payload as the bytes that are signed, signature 96 B."""

    protected: bytes
    payload: bytes
    signature: bytes


def decode_sign1(data: bytes) -> Sign1:
    """Decode strictly; tag 18 may be there or not. Raises `EncodingError`, `CoseStructureError`, `AlgorithmError`."""
    try:
        value = cbor.decode(data)
    except cbor.CborError as error:
        raise EncodingError("one strict CBOR item", str(error)) from None
    if isinstance(value, cbor.Tagged):
        if value.tag != TAG_SIGN1:
            raise CoseStructureError(f"tag {TAG_SIGN1} or none", f"tag {value.tag}")
        value = value.value
    match value:
        case [bytes() as protected, dict() as unprotected, bytes() as payload, bytes() as signature]:
            pass
        case _:
            raise CoseStructureError("an array of bytes, map, bytes, bytes", type(value).__name__)
    # Nothing signs the unprotected header, so anything in it could only have been put there by somebody in between.
    if unprotected:
        raise CoseStructureError("an empty unprotected header", f"{len(unprotected)} entries")
    if len(signature) != SIGNATURE_BYTES:
        raise CoseStructureError(f"a signature of {SIGNATURE_BYTES} bytes", f"{len(signature)} bytes")
    try:
        header = cbor.decode(protected)
    except cbor.CborError as error:
        raise EncodingError("a strict CBOR map as protected header", str(error)) from None
    if header != {1: ES384}:
        raise AlgorithmError("protected header {1: -35}", repr(header)[:80])
    return Sign1(protected, payload, signature)


def signed_bytes(protected: bytes, payload: bytes) -> bytes:
    """The Sig_structure of RFC 9052, 4.4, with no external data."""
    return cbor.encode(["Signature1", protected, b"", payload])


def sign1(private_key: ec.EllipticCurvePrivateKey, payload: bytes) -> bytes:
    """An untagged COSE_Sign1 over `payload`, as the NSM emits it. The key is on P-384."""
    r, s = decode_dss_signature(private_key.sign(signed_bytes(PROTECTED_ES384, payload), _ALGORITHM))
    signature = r.to_bytes(_COORDINATE_BYTES, "big") + s.to_bytes(_COORDINATE_BYTES, "big")
    return cbor.encode([PROTECTED_ES384, {}, payload, signature])


def verify_sign1(message: Sign1, public_key: ec.EllipticCurvePublicKey) -> None:
    """Raises `DocumentSignatureError` unless `public_key` (P-384) signed `message`."""
    r = int.from_bytes(message.signature[:_COORDINATE_BYTES], "big")
    s = int.from_bytes(message.signature[_COORDINATE_BYTES:], "big")
    try:
        public_key.verify(encode_dss_signature(r, s), signed_bytes(message.protected, message.payload), _ALGORITHM)
    except InvalidSignature:
        raise DocumentSignatureError("an ES384 signature by the leaf certificate's key", "another") from None

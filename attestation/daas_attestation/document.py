"""The payload of an attestation document, decoded and bounded, not yet believed.

Source: "Verifying the root of trust", AWS Nitro Enclaves user guide, and real documents of 2022 to 2025. Stricter than
AWS's text in one point: unknown fields are refused. Optional fields may be null or absent; both mean None.
"""

from dataclasses import dataclass

from daas_attestation import cbor, cose
from daas_attestation.errors import DocumentFieldError, EncodingError

MAX_DOCUMENT_BYTES = 0x3000  # the response buffer of the NSM driver: no document can be longer
MAX_CERTIFICATE_BYTES = 1024  # AWS's specification, and what Sui accepts
MAX_CABUNDLE = 10  # what Sui accepts; hardware sends 4
MAX_PCRS = 32
PCR_BYTES = 48  # SHA-384
MAX_PUBLIC_KEY_BYTES = 1024
MAX_USER_DATA_BYTES = 512
MAX_NONCE_BYTES = 512
MAX_MODULE_ID_BYTES = 128  # hardware sends 39
_DIGEST = "SHA384"
_REQUIRED = ("module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle")
_OPTIONAL = {"public_key": MAX_PUBLIC_KEY_BYTES, "user_data": MAX_USER_DATA_BYTES, "nonce": MAX_NONCE_BYTES}


@dataclass(frozen=True, slots=True)
class UnverifiedDocument:
    """What a document claims. `pcrs` maps index (0..31) to 48 bytes and holds locked PCRs only: 16, 17 or more."""

    sign1: cose.Sign1
    module_id: str
    timestamp_ms: int
    pcrs: dict[int, bytes]
    certificate: bytes
    cabundle: tuple[bytes, ...]
    public_key: bytes | None
    user_data: bytes | None
    nonce: bytes | None


def _certificate(name: str, value: cbor.CborValue) -> bytes:
    if not isinstance(value, bytes) or not 1 <= len(value) <= MAX_CERTIFICATE_BYTES:
        raise DocumentFieldError(f"{name} of 1..{MAX_CERTIFICATE_BYTES} bytes", _shape(value))
    return value


def _shape(value: cbor.CborValue) -> str:
    return f"{len(value)} bytes" if isinstance(value, bytes) else type(value).__name__


def _plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _pcrs(value: cbor.CborValue) -> dict[int, bytes]:
    if not isinstance(value, dict) or not 1 <= len(value) <= MAX_PCRS:
        raise DocumentFieldError(f"a map of 1..{MAX_PCRS} PCRs", _shape(value))
    pcrs: dict[int, bytes] = {}
    for index, digest in value.items():
        if not isinstance(index, int) or not 0 <= index < MAX_PCRS:
            raise DocumentFieldError(f"a PCR index 0..{MAX_PCRS - 1}", repr(index)[:40])
        if not isinstance(digest, bytes) or len(digest) != PCR_BYTES:
            raise DocumentFieldError(f"PCR{index} of {PCR_BYTES} bytes", _shape(digest))
        pcrs[index] = digest
    return pcrs


def _optional(fields: dict[int | str, cbor.CborValue], name: str, limit: int) -> bytes | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, bytes) or len(value) > limit:
        raise DocumentFieldError(f"{name} of at most {limit} bytes, or null", _shape(value))
    return value


def parse_unverified(data: bytes) -> UnverifiedDocument:
    """Decode a COSE_Sign1 attestation document. Nothing is verified: what it says is only what it says.

    Raises `EncodingError`, `CoseStructureError`, `AlgorithmError`, `DocumentFieldError`.
    """
    return parse_payload(parse_envelope(data))


def parse_envelope(data: bytes) -> cose.Sign1:
    """The COSE_Sign1 of a document, its payload not looked at.

    Raises `EncodingError`, `CoseStructureError`, `AlgorithmError`.
    """
    if not 1 <= len(data) <= MAX_DOCUMENT_BYTES:
        raise EncodingError(f"1..{MAX_DOCUMENT_BYTES} bytes", f"{len(data)} bytes")
    return cose.decode_sign1(data)


def parse_payload(sign1: cose.Sign1) -> UnverifiedDocument:
    """The document in an envelope, not verified. Raises `EncodingError`, `DocumentFieldError`."""
    try:
        fields = cbor.decode(sign1.payload)
    except cbor.CborError as error:
        raise EncodingError("one strict CBOR item as payload", str(error)) from None
    if not isinstance(fields, dict):
        raise DocumentFieldError("a map", type(fields).__name__)
    missing = [name for name in _REQUIRED if name not in fields]
    unknown = [key for key in fields if key not in _REQUIRED and key not in _OPTIONAL]
    if missing or unknown:
        raise DocumentFieldError("the fields of an attestation document", f"missing {missing}, unknown {unknown}"[:200])
    module_id, timestamp, cabundle = fields["module_id"], fields["timestamp"], fields["cabundle"]
    if not isinstance(module_id, str) or not 1 <= len(module_id) <= MAX_MODULE_ID_BYTES or not _plain(module_id):
        raise DocumentFieldError(f"module_id of 1..{MAX_MODULE_ID_BYTES} printable ASCII characters", _shape(module_id))
    if fields["digest"] != _DIGEST:
        raise DocumentFieldError(f"digest {_DIGEST}", repr(fields["digest"])[:40])
    if isinstance(timestamp, bool) or not isinstance(timestamp, int) or timestamp < 1:
        raise DocumentFieldError("timestamp in ms since 1970", repr(timestamp)[:40])
    if not isinstance(cabundle, list) or not 1 <= len(cabundle) <= MAX_CABUNDLE:
        raise DocumentFieldError(f"cabundle of 1..{MAX_CABUNDLE} certificates", _shape(cabundle))
    return UnverifiedDocument(
        sign1=sign1,
        module_id=module_id,
        timestamp_ms=timestamp,
        pcrs=_pcrs(fields["pcrs"]),
        certificate=_certificate("certificate", fields["certificate"]),
        cabundle=tuple(_certificate("cabundle entry", entry) for entry in cabundle),
        public_key=_optional(fields, "public_key", MAX_PUBLIC_KEY_BYTES),
        user_data=_optional(fields, "user_data", MAX_USER_DATA_BYTES),
        nonce=_optional(fields, "nonce", MAX_NONCE_BYTES),
    )

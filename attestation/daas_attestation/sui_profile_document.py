"""The parsing half of Sui's `load_nitro_attestation` (abort 1): what it takes from a document, nothing verified.

Invariant: `parse_sui` returns exactly where `parse_nitro_attestation` of crates.io `fastcrypto` 0.1.11 does, with the
three flags of Sui's mainnet (upgraded parsing, all non-zero PCRs, required PCRs always), and returns the same values.
"""

from dataclasses import dataclass

from daas_attestation.cose import ES384, SIGNATURE_BYTES, TAG_SIGN1
from daas_attestation.document import (
    MAX_CABUNDLE,
    MAX_CERTIFICATE_BYTES,
    MAX_NONCE_BYTES,
    MAX_PCRS,
    MAX_PUBLIC_KEY_BYTES,
    MAX_USER_DATA_BYTES,
)
from daas_attestation.sui_profile_cbor import (
    CborMap,
    CborTag,
    LenientCborError,
    LenientValue,
    decode,
    identity,
    reread,
)
from daas_attestation.sui_profile_errors import (
    SuiCoseError,
    SuiEncodingError,
    SuiFieldError,
    SuiHeaderError,
    SuiPcrError,
)

MAX_PAYLOAD_BYTES = 16_383
REQUIRED_PCRS = (0, 1, 2, 3, 4, 8)  # kept also when they are zero; none of them needs to be there
_MAX_PCR_KEY = 255
_PCR_SIZES = (32, 48, 64)
_MAX_U64 = (1 << 64) - 1
_DIGEST = "SHA384"
SuiFields = dict[str, LenientValue]


@dataclass(frozen=True, slots=True)
class SuiDocument:
    """What Sui has after parsing. `pcrs` is its list of `PCREntry`: (index, value), in ascending order of index.

    Values of PCRs have 32, 48 or 64 bytes. `protected`, `payload` and `signature` (96 B) are those of the COSE_Sign1.
    """

    protected: bytes
    payload: bytes
    signature: bytes
    module_id: str
    timestamp_ms: int
    digest: str
    pcrs: tuple[tuple[int, bytes], ...]
    certificate: bytes
    cabundle: tuple[bytes, ...]
    public_key: bytes | None
    user_data: bytes | None
    nonce: bytes | None


@dataclass(frozen=True, slots=True)
class SuiEnvelope:
    """The bytes inside a COSE_Sign1: `protected` header, `payload` (1..16,383 B), `signature` (96 B)."""

    protected: bytes
    payload: bytes
    signature: bytes


def parse_sui(data: bytes) -> SuiDocument:
    """Parse as Sui does. Raises subclasses of `SuiParseError` and nothing else."""
    envelope = parse_envelope(data)
    return parse_fields(envelope, decode_fields(envelope.payload))


def parse_fields(envelope: SuiEnvelope, fields: SuiFields) -> SuiDocument:
    """The document whose payload holds `fields`. Raises `SuiFieldError`, `SuiPcrError`."""
    return SuiDocument(
        protected=envelope.protected,
        payload=envelope.payload,
        signature=envelope.signature,
        module_id=_module_id(fields),
        timestamp_ms=_timestamp(fields),
        digest=_digest(fields),
        pcrs=_pcrs(fields),
        certificate=_certificate("certificate", fields.get("certificate")),
        cabundle=_cabundle(fields),
        public_key=_optional(fields, "public_key", MAX_PUBLIC_KEY_BYTES),
        user_data=_optional(fields, "user_data", MAX_USER_DATA_BYTES),
        nonce=_optional(fields, "nonce", MAX_NONCE_BYTES),
    )


def _kind(value: LenientValue) -> str:
    return f"{len(value)} bytes" if isinstance(value, bytes) else type(value).__name__


def _decoded(data: bytes, what: str) -> LenientValue:
    try:
        return decode(data)
    except LenientCborError as error:
        raise SuiEncodingError(f"CBOR as {what}", str(error)) from None


def parse_envelope(data: bytes) -> SuiEnvelope:
    """The parts of a COSE_Sign1, tagged or not. Raises `SuiEncodingError`, `SuiCoseError`, `SuiHeaderError`."""
    value = _decoded(data, "document")
    if isinstance(value, CborTag):
        if value.tag != TAG_SIGN1:
            raise SuiCoseError(f"tag {TAG_SIGN1} or none", f"tag {value.tag}")
        value = value.value
    if not isinstance(value, list) or len(value) < 4:
        raise SuiCoseError("an array of four elements or more", _kind(value))
    try:
        # Sui's native writes the item out and reads it again; the fifth element and later ones it leaves unread.
        parts = [reread(part) for part in value[:4]]
    except LenientCborError as error:
        raise SuiEncodingError("CBOR that survives being written again", str(error)) from None
    while isinstance(parts[1], CborTag):
        parts[1] = parts[1].value
    match parts:
        case [bytes() as protected, CborMap() as unprotected, bytes() as payload, bytes() as signature]:
            pass
        case _:
            raise SuiCoseError("bytes, map, bytes, bytes", ", ".join(map(_kind, parts)))
    keys = {identity(key) for key, _ in unprotected.pairs}
    if len(keys) != len(unprotected.pairs):
        raise SuiCoseError("an unprotected header without a key twice", f"{len(unprotected.pairs)} pairs")
    header = _decoded(protected, "protected header")
    if not isinstance(header, CborMap) or [(_integer(key), _integer(of)) for key, of in header.pairs] != [(1, ES384)]:
        raise SuiHeaderError("{1: -35}", f"{len(protected)} bytes: {protected[:40].hex()}")
    if not 1 <= len(payload) <= MAX_PAYLOAD_BYTES:
        raise SuiCoseError(f"a payload of 1..{MAX_PAYLOAD_BYTES} bytes", f"{len(payload)} bytes")
    if len(signature) != SIGNATURE_BYTES:
        raise SuiCoseError(f"a signature of {SIGNATURE_BYTES} bytes", f"{len(signature)} bytes")
    return SuiEnvelope(protected, payload, signature)


def decode_fields(payload: bytes) -> SuiFields:
    """The fields of a payload by name, unknown ones included. Raises `SuiEncodingError`, `SuiFieldError`."""
    value = _decoded(payload, "payload")
    if not isinstance(value, CborMap):
        raise SuiFieldError("a map", _kind(value))
    fields: SuiFields = {}
    for key, inner in value.pairs:
        if not isinstance(key, str) or key in fields:
            raise SuiFieldError("text keys, each of them once", repr(key)[:40])
        fields[key] = inner
    return fields


def _module_id(fields: SuiFields) -> str:
    value = fields.get("module_id")
    if not isinstance(value, str) or not value:
        raise SuiFieldError("module_id as a text that is not empty", _kind(value))
    return value


def _digest(fields: SuiFields) -> str:
    value = fields.get("digest")
    if value != _DIGEST:
        raise SuiFieldError(f"digest {_DIGEST}", repr(value)[:40])
    return _DIGEST


def _integer(value: LenientValue) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _timestamp(fields: SuiFields) -> int:
    value = _integer(fields.get("timestamp"))
    if value is None or not 0 <= value <= _MAX_U64:
        raise SuiFieldError("timestamp as an integer of 64 bits", repr(fields.get("timestamp"))[:40])
    return value


def _certificate(name: str, value: LenientValue) -> bytes:
    if not isinstance(value, bytes) or not 1 <= len(value) <= MAX_CERTIFICATE_BYTES:
        raise SuiFieldError(f"{name} of 1..{MAX_CERTIFICATE_BYTES} bytes", _kind(value))
    return value


def _cabundle(fields: SuiFields) -> tuple[bytes, ...]:
    value = fields.get("cabundle")
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_CABUNDLE:
        count = len(value) if isinstance(value, list) else _kind(value)
        raise SuiFieldError(f"cabundle of 1..{MAX_CABUNDLE} certificates", str(count))
    return tuple(_certificate("cabundle entry", entry) for entry in value)


def _optional(fields: SuiFields, name: str, limit: int) -> bytes | None:
    """Anything but bytes counts as absent."""
    value = fields.get(name)
    if not isinstance(value, bytes):
        return None
    if len(value) > limit:
        raise SuiFieldError(f"{name} of at most {limit} bytes", f"{len(value)} bytes")
    return value


def _pcrs(fields: SuiFields) -> tuple[tuple[int, bytes], ...]:
    value = fields.get("pcrs")
    if not isinstance(value, CborMap) or len(value.pairs) > MAX_PCRS:
        count = len(value.pairs) if isinstance(value, CborMap) else _kind(value)
        raise SuiPcrError(f"a map of at most {MAX_PCRS} PCRs", str(count))
    kept: dict[int, bytes] = {}
    for key, digest in value.pairs:
        index = _integer(key)
        if index is None or not 0 <= index <= _MAX_PCR_KEY:
            raise SuiPcrError(f"an index 0..{_MAX_PCR_KEY}", repr(key)[:40])
        if not isinstance(digest, bytes) or len(digest) not in _PCR_SIZES:
            raise SuiPcrError(f"PCR{index} of 32, 48 or 64 bytes", _kind(digest))
        if index in kept:
            raise SuiPcrError(f"PCR{index} once", "twice")
        if index < MAX_PCRS and (index in REQUIRED_PCRS or any(digest)):
            kept[index] = digest
    return tuple(sorted(kept.items()))

"""Requests and responses of the NSM as CBOR (aws-nitro-enclaves-nsm-api, `src/api/mod.rs`), without any I/O.

A request is a text (an operation without arguments) or a map from its name to its arguments; a response likewise, or
`{"Error": "<code>"}`. Integers need not be in their shortest form: emulators of the module send fixed widths.
"""

from daas_attestation import cbor
from daas_attestation.document import MAX_DOCUMENT_BYTES, PCR_BYTES
from daas_attestation.nsm import (
    MAX_PCRS,
    NsmDescription,
    NsmError,
    NsmErrorCode,
    PcrState,
    check_attestation_sizes,
    check_extend_size,
)

REQUEST_MAX_BYTES = 0x1000  # NSM_REQUEST_MAX_SIZE, include/uapi/linux/nsm.h
RESPONSE_MAX_BYTES = 0x3000  # NSM_RESPONSE_MAX_SIZE, same file
GET_RANDOM = "GetRandom"
DESCRIBE_NSM = "DescribeNSM"
ATTESTATION = "Attestation"
DESCRIBE_PCR = "DescribePCR"
EXTEND_PCR = "ExtendPCR"
LOCK_PCR = "LockPCR"
LOCK_PCRS = "LockPCRs"
_MAX_U16 = 0xFFFF
_Fields = dict[int | str, cbor.CborValue]


def plain_request(operation: str) -> bytes:
    """A request without arguments: `GetRandom`, `DescribeNSM`."""
    return cbor.encode(operation)


def pcr_request(operation: str, index: int) -> bytes:
    """`DescribePCR` or `LockPCR`. Raises `NsmError` (`InvalidIndex`)."""
    return cbor.encode({operation: {"index": _u16(operation, index)}})


def lock_pcrs_request(count: int) -> bytes:
    """`LockPCRs` over 0..count-1. Raises `NsmError` (`InvalidIndex`)."""
    return cbor.encode({LOCK_PCRS: {"range": _u16(LOCK_PCRS, count)}})


def extend_request(index: int, data: bytes) -> bytes:
    """`ExtendPCR`. Raises `NsmError` (`InvalidIndex`, `InputTooLarge`)."""
    check_extend_size(data)
    return cbor.encode({EXTEND_PCR: {"index": _u16(EXTEND_PCR, index), "data": data}})


def attestation_request(nonce: bytes | None, user_data: bytes | None, public_key: bytes | None) -> bytes:
    """`Attestation`, arguments in the order of the API's structure. Raises `NsmError` (`InputTooLarge`)."""
    check_attestation_sizes(nonce, user_data, public_key)
    return cbor.encode({ATTESTATION: {"user_data": user_data, "nonce": nonce, "public_key": public_key}})


def _u16(operation: str, value: int) -> int:
    if not 0 <= value <= _MAX_U16:
        raise NsmError(operation, NsmErrorCode.INVALID_INDEX, str(value))
    return value


def _invalid(operation: str, detail: str) -> NsmError:
    return NsmError(operation, NsmErrorCode.INVALID_RESPONSE, detail)


def _decode(operation: str, data: bytes) -> cbor.CborValue:
    if len(data) > RESPONSE_MAX_BYTES:
        raise _invalid(operation, f"{len(data)} bytes")
    try:
        response = cbor.decode(data, minimal=False)
    except cbor.CborError as error:
        raise _invalid(operation, str(error)) from None
    if isinstance(response, dict) and response.keys() == {"Error"}:
        name = response["Error"]
        known = {code.value: code for code in NsmErrorCode}
        if isinstance(name, str) and name in known:
            raise NsmError(operation, known[name])
        raise NsmError(operation, NsmErrorCode.INTERNAL_ERROR, f"unknown error {name!r:.60}")
    return response


def _fields(operation: str, data: bytes) -> _Fields:
    response = _decode(operation, data)
    if isinstance(response, dict) and len(response) == 1:
        fields = response.get(operation)
        if isinstance(fields, dict):
            return fields
    raise _invalid(operation, "the answer is not to this request")


def _bytes(operation: str, fields: _Fields, name: str) -> bytes:
    value = fields.get(name)
    if not isinstance(value, bytes):
        raise _invalid(operation, f"{name} is missing or not bytes")
    return value


def _integer(value: cbor.CborValue, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_U16:
        raise _invalid(DESCRIBE_NSM, f"{name} is missing or not a number of 16 bits")
    return value


def _pcr(operation: str, fields: _Fields) -> bytes:
    value = _bytes(operation, fields, "data")
    if len(value) != PCR_BYTES:
        raise _invalid(operation, f"a PCR of {len(value)} bytes")
    return value


def decode_plain(operation: str, data: bytes) -> None:
    """The bare name, as `LockPCR` and `LockPCRs` answer. Raises `NsmError`."""
    if _decode(operation, data) != operation:
        raise _invalid(operation, "the answer is not to this request")


def decode_random(data: bytes) -> bytes:
    """Some entropy, at least one byte (hardware sends up to 256). Raises `NsmError`."""
    random = _bytes(GET_RANDOM, _fields(GET_RANDOM, data), "random")
    if not random:
        raise _invalid(GET_RANDOM, "no entropy")
    return random


def decode_attestation(data: bytes) -> bytes:
    """The document. Raises `NsmError`."""
    document = _bytes(ATTESTATION, _fields(ATTESTATION, data), "document")
    if not 1 <= len(document) <= MAX_DOCUMENT_BYTES:
        raise _invalid(ATTESTATION, f"a document of {len(document)} bytes")
    return document


def decode_pcr(data: bytes) -> PcrState:
    """Value and lock. Raises `NsmError`."""
    fields = _fields(DESCRIBE_PCR, data)
    locked = fields.get("lock")
    if not isinstance(locked, bool):
        raise _invalid(DESCRIBE_PCR, "lock is missing or not a boolean")
    return PcrState(_pcr(DESCRIBE_PCR, fields), locked)


def decode_extend(data: bytes) -> bytes:
    """The PCR's new value, 48 bytes. Raises `NsmError`."""
    return _pcr(EXTEND_PCR, _fields(EXTEND_PCR, data))


def decode_description(data: bytes) -> NsmDescription:
    """Fields a newer minor version may add are passed over, as the API asks of clients. Raises `NsmError`."""
    fields = _fields(DESCRIBE_NSM, data)
    module_id, digest, locked = fields.get("module_id"), fields.get("digest"), fields.get("locked_pcrs")
    if not isinstance(module_id, str) or not isinstance(digest, str):
        raise _invalid(DESCRIBE_NSM, "module_id or digest is missing or not text")
    if not isinstance(locked, list) or len(locked) > MAX_PCRS:
        raise _invalid(DESCRIBE_NSM, "locked_pcrs is missing or not a list of PCRs")
    version = [_integer(fields.get(name), name) for name in ("version_major", "version_minor", "version_patch")]
    return NsmDescription(
        module_id=module_id,
        version=(version[0], version[1], version[2]),
        max_pcrs=_integer(fields.get("max_pcrs"), "max_pcrs"),
        locked_pcrs=frozenset(_integer(index, "locked_pcrs") for index in locked),
        digest=digest,
    )

"""The Nitro Secure Module as a provider that carries its own trust anchor.

Whoever is handed an `Nsm` gets entropy, attestation documents, and the anchor those documents lead to; nobody asks
whether it is real. Sizes and errors are those of the NSM API (aws-nitro-enclaves-nsm-api, `src/api/mod.rs`).
"""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from daas_attestation.anchor import TrustAnchor
from daas_attestation.document import MAX_NONCE_BYTES, MAX_PUBLIC_KEY_BYTES, MAX_USER_DATA_BYTES

MAX_PCRS = 32
LOCKED_PCRS = 16  # 0..15 are read-only from boot on
MAX_RANDOM_BYTES = 4096  # keys and seeds need under a hundred; more is a mistake of the caller
MAX_EXTEND_BYTES = 4068  # what a request to the driver, 4096 bytes, holds beside the envelope of any index below 32


class NsmErrorCode(Enum):
    """The errors of the NSM API, by the names it sends."""

    INVALID_ARGUMENT = "InvalidArgument"
    INVALID_INDEX = "InvalidIndex"
    INVALID_RESPONSE = "InvalidResponse"
    READ_ONLY_INDEX = "ReadOnlyIndex"
    INVALID_OPERATION = "InvalidOperation"
    BUFFER_TOO_SMALL = "BufferTooSmall"
    INPUT_TOO_LARGE = "InputTooLarge"
    INTERNAL_ERROR = "InternalError"


class NsmError(Exception):
    """The NSM refused `operation` with `code`, or could not be asked."""

    def __init__(self, operation: str, code: NsmErrorCode, detail: str = "") -> None:
        super().__init__(operation, code, detail)
        self.operation = operation
        self.code = code
        self.detail = detail

    def __str__(self) -> str:
        return f"NSM {self.operation}: {self.code.value}" + (f" ({self.detail})" if self.detail else "")


@dataclass(frozen=True, slots=True)
class NsmDescription:
    """What the NSM says of itself."""

    module_id: str
    version: tuple[int, int, int]
    max_pcrs: int
    locked_pcrs: frozenset[int]
    digest: str


@dataclass(frozen=True, slots=True)
class PcrState:
    """A PCR: 48 bytes, and whether it is read-only."""

    value: bytes
    locked: bool


class Nsm(Protocol):
    """What everything in an enclave needs of its NSM. All raise `NsmError`."""

    @property
    def anchor(self) -> TrustAnchor:
        """The root that this NSM's documents lead to."""
        ...

    def random(self, n: int) -> bytes:
        """`n` bytes (0..4096) of the NSM's entropy."""
        ...

    def attestation(self, *, nonce: bytes | None, user_data: bytes | None, public_key: bytes | None) -> bytes:
        """A COSE_Sign1 document over at most 512, 512 and 1024 bytes."""
        ...

    def describe(self) -> NsmDescription:
        """Identity, version and locked PCRs."""
        ...


class PcrNsm(Nsm, Protocol):
    """An NSM whose PCRs 16..31 can be extended and locked."""

    def describe_pcr(self, index: int) -> PcrState:
        """The value and lock of PCR `index`."""
        ...

    def extend_pcr(self, index: int, data: bytes) -> bytes:
        """New value, 48 B: SHA-384(old value || data). `data` is at most 4068 bytes."""
        ...

    def lock_pcr(self, index: int) -> None:
        """Make PCR `index` read-only; one that already is, is an error (`ReadOnlyIndex`)."""
        ...

    def lock_pcrs(self, count: int) -> None:
        """Make PCRs 0..count-1 read-only."""
        ...


def check_random_size(n: int) -> None:
    """Raises `NsmError` unless 0 <= n <= 4096."""
    if not 0 <= n <= MAX_RANDOM_BYTES:
        raise NsmError("GetRandom", NsmErrorCode.INVALID_ARGUMENT, f"0..{MAX_RANDOM_BYTES} bytes, not {n}")


def check_attestation_sizes(nonce: bytes | None, user_data: bytes | None, public_key: bytes | None) -> None:
    """Raises `NsmError` (`InputTooLarge`) for a field the NSM would not put into a document."""
    for name, value, limit in (
        ("nonce", nonce, MAX_NONCE_BYTES),
        ("user_data", user_data, MAX_USER_DATA_BYTES),
        ("public_key", public_key, MAX_PUBLIC_KEY_BYTES),
    ):
        if value is not None and len(value) > limit:
            raise NsmError("Attestation", NsmErrorCode.INPUT_TOO_LARGE, f"{name}: {len(value)} bytes, {limit} at most")


def check_extend_size(data: bytes) -> None:
    """Raises `NsmError` (`InputTooLarge`) for more data than one request can carry."""
    if len(data) > MAX_EXTEND_BYTES:
        raise NsmError("ExtendPCR", NsmErrorCode.INPUT_TOO_LARGE, f"{len(data)} bytes, {MAX_EXTEND_BYTES} at most")

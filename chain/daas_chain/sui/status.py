"""How a transaction ended: success, or one of the failures that Sui names.

Invariant: every failure kind of the newest public source has its payload read exactly; a newer one is refused by
number. Source: crates/sui-types/src/execution_status.rs of MystenLabs/sui.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from .codec import U8, U16, U64, Codec, enumeration, octets, option, pair, struct, tagged, text, union, vector
from .types import ADDRESS, NAME

MAX_CONGESTED = 2048
"""Input objects of a transaction."""
MAX_TEXT_BYTES = 524_288
"""A coin's type as text, or an upgrade ticket's digest: whoever sent the transaction chose both, and what fits into
effects has to be readable."""


class FailureKind(IntEnum):
    INSUFFICIENT_GAS = 0
    INVALID_GAS_OBJECT = 1
    INVARIANT_VIOLATION = 2
    FEATURE_NOT_YET_SUPPORTED = 3
    MOVE_OBJECT_TOO_BIG = 4
    MOVE_PACKAGE_TOO_BIG = 5
    CIRCULAR_OBJECT_OWNERSHIP = 6
    INSUFFICIENT_COIN_BALANCE = 7
    COIN_BALANCE_OVERFLOW = 8
    PUBLISH_ERROR_NON_ZERO_ADDRESS = 9
    SUI_MOVE_VERIFICATION_ERROR = 10
    MOVE_PRIMITIVE_RUNTIME_ERROR = 11
    MOVE_ABORT = 12
    VM_VERIFICATION_OR_DESERIALIZATION_ERROR = 13
    VM_INVARIANT_VIOLATION = 14
    FUNCTION_NOT_FOUND = 15
    ARITY_MISMATCH = 16
    TYPE_ARITY_MISMATCH = 17
    NON_ENTRY_FUNCTION_INVOKED = 18
    COMMAND_ARGUMENT_ERROR = 19
    TYPE_ARGUMENT_ERROR = 20
    UNUSED_VALUE_WITHOUT_DROP = 21
    INVALID_PUBLIC_FUNCTION_RETURN_TYPE = 22
    INVALID_TRANSFER_OBJECT = 23
    EFFECTS_TOO_LARGE = 24
    PUBLISH_UPGRADE_MISSING_DEPENDENCY = 25
    PUBLISH_UPGRADE_DEPENDENCY_DOWNGRADE = 26
    PACKAGE_UPGRADE_ERROR = 27
    WRITTEN_OBJECTS_TOO_LARGE = 28
    CERTIFICATE_DENIED = 29
    SUI_MOVE_VERIFICATION_TIMEDOUT = 30
    SHARED_OBJECT_OPERATION_NOT_ALLOWED = 31
    INPUT_OBJECT_DELETED = 32
    CANCELLED_DUE_TO_SHARED_OBJECT_CONGESTION = 33
    ADDRESS_DENIED_FOR_COIN = 34
    COIN_TYPE_GLOBAL_PAUSE = 35
    CANCELLED_DUE_TO_RANDOMNESS_UNAVAILABLE = 36
    MOVE_VECTOR_ELEM_TOO_BIG = 37
    MOVE_RAW_VALUE_TOO_BIG = 38
    INVALID_LINKAGE = 39
    INSUFFICIENT_FUNDS_FOR_WITHDRAW = 40
    NON_EXCLUSIVE_WRITE_INPUT_OBJECT_MODIFIED = 41
    SYSTEM_OBJECT_NOT_AVAILABLE_LOCALLY = 42


class ArgumentErrorKind(IntEnum):
    TYPE_MISMATCH = 0
    INVALID_BCS_BYTES = 1
    INVALID_USAGE_OF_PURE_ARG = 2
    INVALID_ARGUMENT_TO_PRIVATE_ENTRY_FUNCTION = 3
    INDEX_OUT_OF_BOUNDS = 4
    SECONDARY_INDEX_OUT_OF_BOUNDS = 5
    INVALID_RESULT_ARITY = 6
    INVALID_GAS_COIN_USAGE = 7
    INVALID_VALUE_USAGE = 8
    INVALID_OBJECT_BY_VALUE = 9
    INVALID_OBJECT_BY_MUT_REF = 10
    SHARED_OBJECT_OPERATION_NOT_ALLOWED = 11
    INVALID_ARGUMENT_ARITY = 12
    INVALID_TRANSFER_OBJECT = 13
    INVALID_MAKE_MOVE_VEC_NON_OBJECT_ARGUMENT = 14
    ARGUMENT_WITHOUT_VALUE = 15
    CANNOT_MOVE_BORROWED_VALUE = 16
    CANNOT_WRITE_TO_EXTENDED_REFERENCE = 17
    INVALID_REFERENCE_ARGUMENT = 18
    INVALID_TX_CONTEXT = 19


class UpgradeErrorKind(IntEnum):
    UNABLE_TO_FETCH_PACKAGE = 0
    NOT_A_PACKAGE = 1
    INCOMPATIBLE_UPGRADE = 2
    DIGEST_DOES_NOT_MATCH = 3
    UNKNOWN_UPGRADE_POLICY = 4
    PACKAGE_ID_DOES_NOT_MATCH = 5


class TypeArgumentErrorKind(IntEnum):
    TYPE_NOT_FOUND = 0
    CONSTRAINT_NOT_SATISFIED = 1


@dataclass(frozen=True, slots=True)
class MoveLocation:
    """Where the Move VM stopped."""

    package: bytes
    module: str
    function: int
    instruction: int
    function_name: str | None


@dataclass(frozen=True, slots=True)
class Success:
    pass


@dataclass(frozen=True, slots=True)
class Failure:
    """`detail` is what the kind carries: (location, code) of an abort, (actual, limit) of a size; None for most."""

    error: tuple[FailureKind, Any]
    command: int | None

    @property
    def kind(self) -> FailureKind:
        return self.error[0]

    @property
    def detail(self) -> Any:
        return self.error[1]


ExecutionStatus = Success | Failure

_LOCATION = struct(
    MoveLocation, package=ADDRESS, module=NAME, function=U16, instruction=U16, function_name=option(NAME)
)
_SIZES = pair(U64, U64)
_ARGUMENT = tagged(
    ArgumentErrorKind,
    {
        ArgumentErrorKind.INDEX_OUT_OF_BOUNDS: U16,
        ArgumentErrorKind.SECONDARY_INDEX_OUT_OF_BOUNDS: pair(U16, U16),
        ArgumentErrorKind.INVALID_RESULT_ARITY: U16,
    },
)
_UPGRADE = tagged(
    UpgradeErrorKind,
    {
        UpgradeErrorKind.UNABLE_TO_FETCH_PACKAGE: ADDRESS,
        UpgradeErrorKind.NOT_A_PACKAGE: ADDRESS,
        UpgradeErrorKind.DIGEST_DOES_NOT_MATCH: octets(MAX_TEXT_BYTES),
        UpgradeErrorKind.UNKNOWN_UPGRADE_POLICY: U8,
        UpgradeErrorKind.PACKAGE_ID_DOES_NOT_MATCH: pair(ADDRESS, ADDRESS),
    },
)
_COIN_TYPE = text(MAX_TEXT_BYTES)
_ERROR = tagged(
    FailureKind,
    {
        FailureKind.MOVE_OBJECT_TOO_BIG: _SIZES,
        FailureKind.MOVE_PACKAGE_TOO_BIG: _SIZES,
        FailureKind.CIRCULAR_OBJECT_OWNERSHIP: ADDRESS,
        FailureKind.MOVE_PRIMITIVE_RUNTIME_ERROR: option(_LOCATION),
        FailureKind.MOVE_ABORT: pair(_LOCATION, U64),
        FailureKind.COMMAND_ARGUMENT_ERROR: pair(U16, _ARGUMENT),
        FailureKind.TYPE_ARGUMENT_ERROR: pair(U16, enumeration(TypeArgumentErrorKind)),
        FailureKind.UNUSED_VALUE_WITHOUT_DROP: pair(U16, U16),
        FailureKind.INVALID_PUBLIC_FUNCTION_RETURN_TYPE: U16,
        FailureKind.EFFECTS_TOO_LARGE: _SIZES,
        FailureKind.PACKAGE_UPGRADE_ERROR: _UPGRADE,
        FailureKind.WRITTEN_OBJECTS_TOO_LARGE: _SIZES,
        FailureKind.CANCELLED_DUE_TO_SHARED_OBJECT_CONGESTION: vector(ADDRESS, MAX_CONGESTED),
        FailureKind.ADDRESS_DENIED_FOR_COIN: pair(ADDRESS, _COIN_TYPE),
        FailureKind.COIN_TYPE_GLOBAL_PAUSE: _COIN_TYPE,
        FailureKind.MOVE_VECTOR_ELEM_TOO_BIG: _SIZES,
        FailureKind.MOVE_RAW_VALUE_TOO_BIG: _SIZES,
        FailureKind.NON_EXCLUSIVE_WRITE_INPUT_OBJECT_MODIFIED: ADDRESS,
    },
)
EXECUTION_STATUS: Codec[ExecutionStatus] = union(
    "ExecutionStatus",
    {Success: struct(Success), Failure: struct(Failure, error=_ERROR, command=option(U64))},
)

"""How a transaction failed, as a message.

Invariant: every failure kind of the chain has its name here, and what it carries; an abort of an `#[error]` constant
has the constant's name and message.
"""

from __future__ import annotations

from typing import Any

from daas_chain.abort import decode_abort, split
from daas_chain.sui.status import ArgumentErrorKind, Failure, FailureKind, MoveLocation, UpgradeErrorKind
from daas_chain.sui.transaction import MoveCall, Programmable, TransactionData
from daas_localnet.ledger.packages import Packages

from .proto import v2
from .texts import digest_text, hexadecimal

_KIND = v2.ExecutionErrorExecutionErrorKind
_SIZES = frozenset(
    (
        FailureKind.MOVE_OBJECT_TOO_BIG,
        FailureKind.MOVE_PACKAGE_TOO_BIG,
        FailureKind.EFFECTS_TOO_LARGE,
        FailureKind.WRITTEN_OBJECTS_TOO_LARGE,
        FailureKind.MOVE_VECTOR_ELEM_TOO_BIG,
        FailureKind.MOVE_RAW_VALUE_TOO_BIG,
    )
)
_OBJECTS = frozenset((FailureKind.CIRCULAR_OBJECT_OWNERSHIP, FailureKind.NON_EXCLUSIVE_WRITE_INPUT_OBJECT_MODIFIED))


def render(failure: Failure, data: TransactionData, reason: str, packages: Packages) -> v2.ExecutionError:
    """`reason`: for people, where the network knows one."""
    message = v2.ExecutionError(command=failure.command, kind=_kind(failure.kind))
    message.description = reason or failure.kind.name
    detail: Any = failure.detail
    match failure.kind:
        case FailureKind.MOVE_ABORT:
            place, code = detail
            message.abort = v2.MoveAbort(
                abort_code=code, location=_place(place), clever_error=_clever(failure, place, code, data, packages)
            )
        case FailureKind.MOVE_PRIMITIVE_RUNTIME_ERROR if detail is not None:
            message.abort = v2.MoveAbort(location=_place(detail))
        case FailureKind.COMMAND_ARGUMENT_ERROR:
            message.command_argument_error = _argument(*detail)
        case FailureKind.TYPE_ARGUMENT_ERROR:
            kinds = v2.TypeArgumentErrorTypeArgumentErrorKind
            message.type_argument_error = v2.TypeArgumentError(type_argument=detail[0], kind=kinds(detail[1] + 1))
        case FailureKind.UNUSED_VALUE_WITHOUT_DROP:
            _index(message, detail[0], detail[1])
        case FailureKind.INVALID_PUBLIC_FUNCTION_RETURN_TYPE:
            _index(message, detail)
        case FailureKind.PACKAGE_UPGRADE_ERROR:
            message.package_upgrade_error = _upgrade(*detail)
        case kind if kind in _SIZES:
            message.size_error = v2.SizeError(size=detail[0], max_size=detail[1])
        case kind if kind in _OBJECTS:
            message.object_id = hexadecimal(detail)
        case _:
            pass
    return message


def _index(message: Any, index: int, subresult: int | None = None) -> None:
    # The generated class says that the field is Python's own IndexError.
    message.index_error = v2.IndexError(index=index, subresult=subresult)


def _kind(kind: FailureKind) -> v2.ExecutionErrorExecutionErrorKind:
    # The message's numbers are the chain's and one more: zero is "unknown".
    known = kind < FailureKind.SYSTEM_OBJECT_NOT_AVAILABLE_LOCALLY
    return _KIND(kind + 1) if known else _KIND.EXECUTION_ERROR_KIND_UNKNOWN


def _place(place: MoveLocation) -> v2.MoveLocation:
    return v2.MoveLocation(
        package=hexadecimal(place.package),
        module=place.module,
        function=place.function,
        instruction=place.instruction,
        function_name=place.function_name,
    )


def _clever(
    failure: Failure, place: MoveLocation, code: int, data: TransactionData, packages: Packages
) -> v2.CleverError | None:
    bits = split(code)
    module = None if bits is None else _module(failure, place, data, packages)
    if bits is None or module is None:
        return None
    found = decode_abort(module, code)
    return v2.CleverError(
        error_code=bits.error_code, line_number=bits.line, constant_name=found.name, rendered=found.message
    )


def _module(failure: Failure, place: MoveLocation, data: TransactionData, packages: Packages) -> Any:
    """The module that aborted, in the version that the transaction called: the place names the first version."""
    ids = [place.package]
    if (
        isinstance(data.kind, Programmable)
        and failure.command is not None
        and failure.command < len(data.kind.commands)
    ):
        command = data.kind.commands[failure.command]
        if isinstance(command, MoveCall):
            ids.insert(0, command.package)
            called = packages.get(command.package)
            if called is not None:
                ids.insert(1, called.linkage.get(place.package, place.package))
    for one in ids:
        found = packages.get(one)
        if found is not None and found.original_id == place.package and place.module in found.modules:
            return found.modules[place.module]
    return None


def _argument(index: int, error: tuple[ArgumentErrorKind, Any]) -> v2.CommandArgumentError:
    kind, payload = error
    message = v2.CommandArgumentError(argument=index)
    message.kind = v2.CommandArgumentErrorCommandArgumentErrorKind(kind + 1)
    if isinstance(payload, tuple):
        _index(message, payload[0], payload[1])
    elif payload is not None:
        _index(message, payload)
    return message


def _upgrade(kind: UpgradeErrorKind, payload: Any) -> v2.PackageUpgradeError:
    message = v2.PackageUpgradeError(kind=v2.PackageUpgradeErrorPackageUpgradeErrorKind(kind + 1))
    match kind:
        case UpgradeErrorKind.UNABLE_TO_FETCH_PACKAGE | UpgradeErrorKind.NOT_A_PACKAGE:
            message.package_id = hexadecimal(payload)
        case UpgradeErrorKind.DIGEST_DOES_NOT_MATCH:
            message.digest = digest_text(payload)
        case UpgradeErrorKind.UNKNOWN_UPGRADE_POLICY:
            message.policy = payload
        case UpgradeErrorKind.PACKAGE_ID_DOES_NOT_MATCH:
            message.package_id, message.ticket_id = hexadecimal(payload[0]), hexadecimal(payload[1])
        case _:
            pass
    return message

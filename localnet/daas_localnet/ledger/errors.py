"""Why a transaction is refused before it runs, and how one fails that runs.

Invariant: every check of a transaction has its own class, with what was expected and what was there.
"""

from __future__ import annotations

from typing import Any, ClassVar

from daas_chain.sui.status import ArgumentErrorKind, FailureKind


class InputError(Exception):
    """A transaction that must not run; it has no effects and costs nothing."""

    check: ClassVar[str] = "input"

    def __init__(self, place: str, expected: object, actual: object) -> None:
        super().__init__(f"{self.check}: {place}: expected {expected}, got {actual}")
        self.place = place
        self.expected = expected
        self.actual = actual


class KindError(InputError):
    """Only the network itself makes other kinds of transactions."""

    check = "kind"


class LimitError(InputError):
    """More of something than the protocol allows."""

    check = "limit"


class UnsupportedError(InputError):
    """Something of the protocol that this network does not have."""

    check = "unsupported"


class ExpiredError(InputError):
    """The transaction's last epoch is over."""

    check = "expired"


class ChainError(InputError):
    """The transaction is for another chain."""

    check = "chain"


class DuplicateError(InputError):
    """An object is named twice."""

    check = "duplicate"


class MissingObjectError(InputError):
    """No such object, or not any more."""

    check = "missing-object"


class VersionError(InputError):
    """An owned object has another version by now."""

    check = "version"


class DigestError(InputError):
    """The version is the present one, its digest another."""

    check = "digest"


class OwnerError(InputError):
    """The object belongs to somebody else."""

    check = "owner"


class OwnerKindError(InputError):
    """A shared object is named as an owned one, an owned one as shared, or a dynamic field as either."""

    check = "owner-kind"


class InitialVersionError(InputError):
    """The object has been shared at another version."""

    check = "initial-version"


class MutabilityError(InputError):
    """An object that only the system writes."""

    check = "mutability"


class PackageError(InputError):
    """A package where an object is needed, or the other way round."""

    check = "package"


class GasCoinError(InputError):
    """Gas is paid with coins of SUI, at least one."""

    check = "gas-coin"


class GasPriceError(InputError):
    check = "gas-price"


class GasBudgetError(InputError):
    check = "gas-budget"


class GasBalanceError(InputError):
    """The coins are worth less than the budget."""

    check = "gas-balance"


class CommandFailure(Exception):
    """A command has failed: the transaction's changes are dropped, its gas is paid. `detail` as in status.Failure."""

    def __init__(self, kind: FailureKind, detail: Any = None, reason: str = "") -> None:
        super().__init__(f"{kind.name} {detail if detail is not None else ''} {reason}".strip())
        self.kind = kind
        self.detail = detail
        self.reason = reason


def argument_failure(index: int, kind: ArgumentErrorKind, payload: Any = None) -> CommandFailure:
    """The argument at `index` of a command is wrong."""
    return CommandFailure(FailureKind.COMMAND_ARGUMENT_ERROR, (index, (kind, payload)))

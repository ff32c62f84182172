"""What a failed transaction means for people: the contract's own error, where it arose, and which command it was.

Invariant: an abort is named after a constant of the very module that aborted, and only in packages that were given;
everything else keeps its number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from daas_chain.abort import MoveAbort, decode_abort
from daas_chain.artifacts import Artifacts
from daas_chain.bytecode_types import Module
from daas_chain.sui import base58
from daas_chain.sui.status import Failure, FailureKind, MoveLocation
from daas_chain.sui.types import short_address

from .errors import NetworkError
from .records import Executed

_FRAMEWORK = ("0x1", "0x2")


@dataclass(frozen=True, slots=True)
class AbortBook:
    """Modules by (package, name), to read abort codes with."""

    modules: Mapping[tuple[bytes, str], Module] = field(default_factory=dict)

    @classmethod
    def of(cls, artifacts: Artifacts, packages: Iterable[bytes]) -> AbortBook:
        """`packages`: every id under which our package is published, upgrades included."""
        modules = {(package, one.name): one.module for package in packages for one in artifacts.package.modules}
        for address in _FRAMEWORK:
            for one in artifacts.framework(address).modules:
                modules[one.module.address, one.name] = one.module
        return cls(modules)

    def read(self, location: MoveLocation, code: int) -> MoveAbort:
        module = self.modules.get((location.package, location.module))
        return MoveAbort(location.module, code) if module is None else decode_abort(module, code)

    def function(self, location: MoveLocation) -> str:
        """The function's name, from the location or else from the module; its number where neither knows it."""
        if location.function_name is not None:
            return location.function_name
        module = self.modules.get((location.package, location.module))
        if module is None or location.function >= len(module.functions):
            return f"function {location.function}"
        return module.identifiers[module.function_handles[module.functions[location.function].handle].name]


class TransactionFailedError(NetworkError):
    """The network has executed the transaction, or simulated it, and nothing but gas came of it.

    `abort` is None unless Move aborted. `executed` is None for a simulation, which costs nothing.
    """

    advice = "gas was charged and nothing else has changed; correct what it says and send it again"
    advice_unsent = "nothing was charged; correct what it says"

    def __init__(
        self,
        digest: bytes,
        failure: Failure,
        *,
        abort: MoveAbort | None = None,
        function: str | None = None,
        executed: Executed | None = None,
    ) -> None:
        self.digest, self.failure, self.abort = digest, failure, abort
        self.function, self.executed = function, executed
        self.kind, self.command = failure.kind, failure.command
        self.name = None if abort is None or abort.name is None else f"{abort.module}::{abort.name}"
        if executed is None:
            Exception.__init__(self, f"{self._text()}: {self.advice_unsent}")
        else:
            super().__init__(self._text())

    def _text(self) -> str:
        if self.abort is None:
            what = _plain(self.failure)
        else:
            name = self.name or f"{self.abort.module}: abort {self.abort.code}"
            what = f"{name}: {self.abort.message}" if self.abort.message else name
        where = f" in {self.function}" if self.function else ""
        command = f", command {self.command}" if self.command is not None else ""
        act = "failed" if self.executed is not None else "would fail, and was not sent"
        return f"{what}{where}{command}; transaction {base58.encode(self.digest)} {act}"


def _plain(failure: Failure) -> str:
    kind = failure.kind.name.lower().replace("_", " ")
    match failure.kind, failure.detail:
        case FailureKind.INSUFFICIENT_GAS, _:
            return "the gas budget is too low"
        case FailureKind.MOVE_PRIMITIVE_RUNTIME_ERROR, MoveLocation(package, module):
            return f"arithmetic or vector error at {short_address(package)}::{module}"
        case FailureKind.COMMAND_ARGUMENT_ERROR, (index, (error, _)):
            return f"argument {index}: {error.name.lower().replace('_', ' ')}"
        case _:
            return kind


def failed(
    digest: bytes, failure: Failure, book: AbortBook, executed: Executed | None = None
) -> TransactionFailedError:
    """The error for a status; `executed` where it really was."""
    match failure.detail:
        case (MoveLocation() as location, int() as code):
            return TransactionFailedError(
                digest, failure, abort=book.read(location, code), function=_where(book, location), executed=executed
            )
        case MoveLocation() as location:
            return TransactionFailedError(digest, failure, function=_where(book, location), executed=executed)
        case _:
            return TransactionFailedError(digest, failure, executed=executed)


def _where(book: AbortBook, location: MoveLocation) -> str:
    return f"{location.module}::{book.function(location)}"

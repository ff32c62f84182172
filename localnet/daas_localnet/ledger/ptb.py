"""The commands of a programmable transaction.

Invariant: a function runs only if a transaction may call it, with values of its parameters' types that the transaction
may use as it does; what may not be dropped has been used when the last command has ended.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from daas_chain.bytecode_types import Ability, Kind, Visibility
from daas_chain.sui.events import Event
from daas_chain.sui.objects import MovePackage
from daas_chain.sui.status import ArgumentErrorKind, FailureKind, TypeArgumentErrorKind
from daas_chain.sui.transaction import (
    Argument,
    Command,
    MakeMoveVec,
    MergeCoins,
    MoveCall,
    NestedResult,
    Publish,
    Result,
    SplitCoins,
    TransferObjects,
    Upgrade,
)
from daas_localnet.vm import codec
from daas_localnet.vm.errors import LinkError
from daas_localnet.vm.execution import Execution
from daas_localnet.vm.machine import Machine
from daas_localnet.vm.runtime import Owner, OwnerKind, object_id
from daas_localnet.vm.types import ADDRESS, U8, U64, Type, abilities, substitute, vector
from daas_localnet.vm.values import read, target
from daas_localnet.vm.world import LinkedFunction

from . import gas
from .errors import CommandFailure, LimitError, argument_failure
from .limits import VALUE_BYTES_MAX
from .objects import any_tag_of, tag_of
from .packages import Packages
from .runtime import LedgerRuntime
from .simulation import OUTPUT_BYTES_MAX, CommandOutput
from .slots import Slot, Slots
from .validity import Mode

_SUI = (2).to_bytes(32, "big")
_CONTEXT = (_SUI, "tx_context", "TxContext")
_COIN = (_SUI, "coin", "Coin")
_OWN_TYPES_ONLY = frozenset(
    ("transfer", name) for name in ("transfer", "share_object", "freeze_object", "receive", "party_transfer")
)
"""Only the module of the object's type may call these; a transaction is no module."""
_OBJECT = Ability.KEY | Ability.STORE
_U64_MAX = 2**64 - 1
Deployer = Callable[["Commands", Publish | Upgrade], Slot]


@dataclass(slots=True)
class Commands:
    """Runs them one after the other. `deploy` is what Publish and Upgrade do; `outputs` are kept in simulations."""

    machine: Machine
    packages: Packages
    run: Execution
    runtime: LedgerRuntime
    slots: Slots
    deploy: Deployer
    mode: Mode = Mode.EXECUTE
    events: list[Event] = field(default_factory=list)
    published: list[MovePackage] = field(default_factory=list)
    outputs: list[CommandOutput] = field(default_factory=list)
    _output_bytes: int = 0
    _lent: list[tuple[Argument, Type, Any]] = field(default_factory=list)
    """What the present command has borrowed mutably."""

    def command(self, command: Command) -> None:
        """Raises CommandFailure, ExecutionFailure, Signal."""
        self.run.charge("command", gas.COMMAND_UNITS)
        self.slots.begin()
        match command:
            case MoveCall():
                results = self._call(command)
            case TransferObjects():
                results = self._transfer(command)
            case SplitCoins():
                results = self._split(command)
            case MergeCoins():
                results = self._merge(command)
            case MakeMoveVec():
                results = self._vector(command)
            case Publish() | Upgrade():
                results = [self.deploy(self, command)]
        self.slots.results.append(results)
        if self.mode is not Mode.EXECUTE:
            self._output(results)

    def _output(self, results: list[Slot]) -> None:
        returned = tuple((any_tag_of(one.type), codec.encode(one.type, one.cell[0])) for one in results)
        mutated = tuple(
            (argument, any_tag_of(type_), codec.encode(type_, target(value))) for argument, type_, value in self._lent
        )
        self._lent = []
        self._output_bytes += sum(len(data) for _, data in returned) + sum(len(data) for _, _, data in mutated)
        if self._output_bytes > OUTPUT_BYTES_MAX:
            raise LimitError("results of commands", f"at most {OUTPUT_BYTES_MAX} bytes", self._output_bytes)
        self.outputs.append(CommandOutput(returned, mutated))

    def unused(self) -> None:
        """Raises CommandFailure if a result is left that must be used."""
        if self.mode is Mode.INSPECT:
            return
        for command, results in enumerate(self.slots.results):
            for index, slot in enumerate(results):
                if slot.cell and Ability.DROP not in abilities(slot.type):
                    raise CommandFailure(FailureKind.UNUSED_VALUE_WITHOUT_DROP, (command, index))

    def enter(self, machine: Machine, function: LinkedFunction, types: tuple[Type, ...], values: list[Any]) -> Any:
        """Calls a function on behalf of a command, and takes the events it emits."""
        before = len(self.runtime.events)
        package = machine.world.packages[function.owner.address].storage_id
        results = machine.call(self.run, function, types, values)
        for type_, value in self.runtime.events[before:]:
            sender = self.run.context.transaction.sender
            self.events.append(Event(package, function.owner.name, sender, tag_of(type_), codec.encode(type_, value)))
        return results

    def context(self) -> list[Any]:
        """A TxContext; natives answer from the transaction, not from it."""
        known = self.run.context.transaction
        return [
            known.sender,
            bytearray(known.digest),
            known.epoch,
            known.epoch_timestamp_ms,
            self.run.context.ids_created,
        ]

    def _call(self, command: MoveCall) -> list[Slot]:
        function = self._function(command)
        types = tuple(self._type_argument(index, one) for index, one in enumerate(command.type_arguments))
        if len(types) != len(function.constraints):
            raise CommandFailure(FailureKind.TYPE_ARITY_MISMATCH)
        for index, (one, wanted) in enumerate(zip(types, function.constraints, strict=True)):
            if wanted & ~abilities(one):
                raise CommandFailure(
                    FailureKind.TYPE_ARGUMENT_ERROR, (index, TypeArgumentErrorKind.CONSTRAINT_NOT_SATISFIED)
                )
        parameters = [substitute(one, types) for one in function.parameters]
        returns = [substitute(one, types) for one in function.returns]
        for index, one in enumerate(returns):
            if one.reference and self.mode is not Mode.INSPECT:
                raise CommandFailure(FailureKind.INVALID_PUBLIC_FUNCTION_RETURN_TYPE, index)
        with_context = bool(parameters) and is_context(parameters[-1])
        wanted_count = len(parameters) - with_context
        if wanted_count != len(command.arguments):
            raise CommandFailure(FailureKind.ARITY_MISMATCH, reason=f"{wanted_count} arguments")
        if function.definition.visibility is not Visibility.PUBLIC and self.mode is not Mode.INSPECT:
            self._no_hot_values(command.arguments)
        values = [
            self._argument(index, one, parameter)
            for index, (one, parameter) in enumerate(zip(command.arguments, parameters, strict=False))
        ]
        if with_context:
            values.append(self.context())
        found = self.enter(self.machine, function, types, values)
        return [self._result(one, value) for one, value in zip(returns, found, strict=True)]

    def _function(self, command: MoveCall) -> LinkedFunction:
        package = self.packages.get(command.package)
        try:
            if package is None:
                raise CommandFailure(FailureKind.FUNCTION_NOT_FOUND)
            function = self.machine.world.module(package.original_id, command.module).function(command.function)
        except LinkError as problem:
            raise CommandFailure(FailureKind.FUNCTION_NOT_FOUND, reason=str(problem)) from None
        definition = function.definition
        system = function.owner.address == _SUI
        if (
            not (definition.entry or definition.visibility is Visibility.PUBLIC or self.mode is Mode.INSPECT)
            or (system and (command.module, command.function) in _OWN_TYPES_ONLY)
            or (system and command.module == "event")
        ):
            raise CommandFailure(FailureKind.NON_ENTRY_FUNCTION_INVOKED, reason=function.place)
        return function

    def _type_argument(self, index: int, tag: Any) -> Type:
        try:
            return self.packages.type(self.machine.world, tag)
        except CommandFailure as problem:
            raise CommandFailure(
                FailureKind.TYPE_ARGUMENT_ERROR, (index, TypeArgumentErrorKind.TYPE_NOT_FOUND), problem.reason
            ) from None

    def _no_hot_values(self, arguments: tuple[Argument, ...]) -> None:
        """While there is a value that somebody must give back, a private function takes no result of a command."""
        hot = any(
            slot.cell and not abilities(slot.type) & (Ability.DROP | _OBJECT)
            for results in self.slots.results
            for slot in results
        )
        for index, one in enumerate(arguments):
            if hot and isinstance(one, Result | NestedResult):
                raise argument_failure(index, ArgumentErrorKind.INVALID_ARGUMENT_TO_PRIVATE_ENTRY_FUNCTION)

    def _argument(self, index: int, argument: Argument, parameter: Type) -> Any:
        if parameter.reference:
            return self._borrow(index, argument, parameter.arguments[0], parameter.kind is Kind.MUTABLE_REFERENCE)[1]
        return self.slots.take(index, argument, parameter)[1]

    def _borrow(self, index: int, argument: Argument, wanted: Type | None, mutable: bool) -> tuple[Type, Any]:
        type_, value = self.slots.borrow(index, argument, wanted, mutable=mutable)
        if mutable and self.mode is not Mode.EXECUTE:
            self._lent.append((argument, type_, value))
        return type_, value

    def _result(self, type_: Type, value: Any) -> Slot:
        if type_.reference:
            type_, value = type_.arguments[0], read(self.run, value)
        size = len(codec.encode(type_, value))
        self.run.charge_bytes("result", 1, size)
        if size > VALUE_BYTES_MAX:
            raise CommandFailure(FailureKind.MOVE_RAW_VALUE_TOO_BIG, (size, VALUE_BYTES_MAX))
        return Slot(type_, [value])

    def _transfer(self, command: TransferObjects) -> list[Slot]:
        moved = [self.slots.take(index, one, None, gas=True) for index, one in enumerate(command.objects)]
        _, recipient = self.slots.take(len(command.objects), command.address, ADDRESS)
        for index, (type_, value) in enumerate(moved):
            if _OBJECT & ~abilities(type_):
                raise argument_failure(index, ArgumentErrorKind.INVALID_TRANSFER_OBJECT)
            self.runtime.transfer(Owner(OwnerKind.ADDRESS, recipient), type_, value)
        return []

    def _coin(self, index: int, argument: Argument) -> tuple[Type, Any]:
        type_, value = self._borrow(index, argument, None, True)
        if not _is_coin(type_):
            raise argument_failure(index, ArgumentErrorKind.TYPE_MISMATCH)
        return type_, value

    def _split(self, command: SplitCoins) -> list[Slot]:
        amounts = [self.slots.take(1 + index, one, U64)[1] for index, one in enumerate(command.amounts)]
        type_, coin = self._coin(0, command.coin)
        total = sum(amounts)
        if total > _U64_MAX:
            raise CommandFailure(FailureKind.COIN_BALANCE_OVERFLOW)
        if coin[1][0] < total:
            raise CommandFailure(FailureKind.INSUFFICIENT_COIN_BALANCE)
        coin[1][0] -= total
        return [Slot(type_, [[[[self.run.context.fresh_id()]], [amount]]]) for amount in amounts]

    def _merge(self, command: MergeCoins) -> list[Slot]:
        type_, coin = self._coin(0, command.coin)
        others = [self.slots.take(1 + index, one, type_)[1] for index, one in enumerate(command.others)]
        for one in others:
            if coin[1][0] + one[1][0] > _U64_MAX:
                raise CommandFailure(FailureKind.COIN_BALANCE_OVERFLOW)
            coin[1][0] += one[1][0]
            self.runtime.delete_id(object_id(one))
        return []

    def _vector(self, command: MakeMoveVec) -> list[Slot]:
        wanted = None if command.type is None else self._type_argument(0, command.type)
        items = []
        for index, one in enumerate(command.elements):
            found, value = self.slots.take(index, one, wanted)
            if wanted is None and Ability.KEY not in abilities(found):
                raise argument_failure(index, ArgumentErrorKind.INVALID_MAKE_MOVE_VEC_NON_OBJECT_ARGUMENT)
            wanted = found
            items.append(value)
        assert wanted is not None
        return [self._result(vector(wanted), bytearray(items) if wanted == U8 else items)]


def is_context(type_: Type) -> bool:
    return type_.reference and type_.arguments[0].datatype is not None and type_.arguments[0].datatype.key == _CONTEXT


def _is_coin(type_: Type) -> bool:
    return type_.datatype is not None and type_.datatype.key == _COIN

"""One transaction on the ledger.

Invariant: `simulate` changes nothing; `execute` changes the store once, by the whole batch of the transaction. Whatever
a transaction's code does, it ends in effects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from daas_attestation.anchor import AwsAnchor, TrustAnchor
from daas_chain.sui.events import Event
from daas_chain.sui.status import Failure, FailureKind, MoveLocation, Success
from daas_chain.sui.transaction import Command, MakeMoveVec, MoveCall, TransactionData
from daas_chain.sui.types import AddressOwner, SharedOwner
from daas_localnet.vm import codec
from daas_localnet.vm import errors as vm_errors
from daas_localnet.vm import runtime as vm
from daas_localnet.vm.execution import Execution
from daas_localnet.vm.machine import Machine
from daas_localnet.vm.types import Type, struct

from . import gas
from .changes import Changes, collect, only_gas, smashed
from .errors import CommandFailure
from .inputs import Checked, CheckedInput, EndedInput, check
from .objects import FRAMEWORK, GAS_COIN, Stored
from .packages import Packages, packages_of
from .ptb import Commands
from .runtime import LedgerRuntime
from .settle import Outcome, settle
from .simulation import CommandOutput
from .slots import PureSlot, Slot, Slots
from .store import Store
from .system import prologue, prologue_data
from .upgrading import deploy
from .validity import Mode, Rules

STD = (1).to_bytes(32, "big")


@dataclass(frozen=True, slots=True)
class Epoch:
    """What is the same for every transaction of an epoch."""

    number: int = 0
    timestamp_ms: int = 0
    reference_gas_price: int = 1_000


@dataclass(slots=True)
class Ledger:
    """Transactions are executed one at a time, in the order of the calls."""

    store: Store
    epoch: Epoch = field(default_factory=Epoch)
    nitro_anchor: TrustAnchor = field(default_factory=AwsAnchor)
    chain: bytes = bytes(32)
    """Digest of the network's first checkpoint."""
    packages: Packages = field(init=False)

    def __post_init__(self) -> None:
        self.packages = Packages(self.store)

    def execute(self, data: TransactionData) -> Outcome:
        """Raises InputError; the effects say whether it has succeeded."""
        outcome = self.attempt(data)
        self.store.commit(outcome.batch)
        return outcome

    def attempt(self, data: TransactionData) -> Outcome:
        """As `execute`; to commit the outcome's batch, with records of its own, is left to the caller."""
        return self._run(data, Mode.EXECUTE)

    def check(self, data: TransactionData, mode: Mode = Mode.EXECUTE) -> Checked:
        """Raises InputError."""
        return check(data, self.store, Rules(self.epoch.number, self.epoch.reference_gas_price, self.chain, mode))

    def simulate(self, data: TransactionData, *, checks: bool = True) -> Outcome:
        """What `execute` would do, with what each command returns; nothing is changed. Raises InputError.

        Without a gas coin a mock one pays. Without `checks`: objects may be anybody's, and of an older version; private
        functions are called; a pure argument is of any type; references are returned (as values); nothing has to be
        used.
        """
        return self._run(data, Mode.SIMULATE if checks else Mode.INSPECT)

    def _run(self, data: TransactionData, mode: Mode) -> Outcome:
        return _Attempt(self, self.check(data, mode), mode).outcome()

    def warm(self, package: bytes) -> None:
        """Compiles a package now, so that no transaction waits for it. Raises CommandFailure when there is none."""
        machine = self.packages.machine(self.packages.closure((package,), (STD, FRAMEWORK)))
        found = self.packages.get(package)
        assert found is not None
        for name in found.modules:
            machine.compile(machine.world.module(found.original_id, name))

    def tick(self, round_: int, timestamp_ms: int) -> Outcome:
        """Sets the clock, by a transaction of the network's own. Raises ClockError."""
        outcome = prologue(
            self.store, self.epoch.number, prologue_data(self.epoch.number, round_, timestamp_ms), timestamp_ms
        )
        self.store.commit(outcome.batch)
        return outcome


class _Attempt:
    """One run of one transaction."""

    def __init__(self, ledger: Ledger, checked: Checked, mode: Mode) -> None:
        self._ledger = ledger
        self._checked = checked
        self._mode = mode
        self._packages = ledger.packages
        data = checked.data
        self._budget = gas.units_for(data.gas.budget, data.gas.price)
        self._run: Execution | None = None
        self._events: list[Event] = []
        self._outputs: list[CommandOutput] = []
        self._command: int | None = None

    def outcome(self) -> Outcome:
        reason = ""
        status: Success | Failure = Success()
        try:
            changes = self._changes()
        except (CommandFailure, vm_errors.ExecutionFailure, vm_errors.Signal, RecursionError) as problem:
            status, reason = _failure(problem, self._command), str(problem)
            changes, self._events, self._outputs = only_gas(self._checked), [], []
        used = self._budget - max(0, self._run.left) if self._run is not None else 0
        outcome = settle(self._checked, changes, status, used, self._events, self._ledger.epoch.number, reason)
        return replace(outcome, outputs=tuple(self._outputs)) if outcome.succeeded and self._outputs else outcome

    def _changes(self) -> Changes:
        checked, data = self._checked, self._checked.data
        if any(checked.ended):
            raise CommandFailure(FailureKind.INPUT_OBJECT_DELETED)
        self._command = 0
        machine, machines = self._machines()
        runtime = LedgerRuntime(self._ledger.store, lambda tag: self._packages.type(commands.machine.world, tag))
        epoch = self._ledger.epoch
        context = vm.TransactionContext(
            data.sender,
            checked.digest,
            epoch.number,
            epoch.timestamp_ms,
            epoch.reference_gas_price,
            data.gas.price,
            data.gas.budget,
            None if data.gas.owner == data.sender else data.gas.owner,
        )
        run = Execution(vm.ExtensionContext(runtime, context, self._ledger.nitro_anchor), self._budget)
        self._run = run
        coin = self._packages.type(machine.world, GAS_COIN)
        first = checked.gas[0]
        gas_value = [[[first.object_id]], [smashed(checked) - data.gas.budget]]
        gas_slot = Slot(coin, [gas_value], origin=first, is_gas=True)
        runtime.owners[first.object_id] = vm.Owner(vm.OwnerKind.ADDRESS, data.gas.owner)
        inputs = [
            self._object(one, machine, run, runtime) if isinstance(one, CheckedInput) else PureSlot(one)
            for one in checked.inputs
            if not isinstance(one, EndedInput)
        ]
        slots = Slots(run, gas_slot, inputs, anything=self._mode is Mode.INSPECT)
        commands = Commands(machine, self._packages, run, runtime, slots, deploy, self._mode)
        for index, command in enumerate(checked.kind.commands):
            self._command, commands.machine = index, machines[index]
            commands.command(command)
        self._command = None
        commands.unused()
        self._events, self._outputs = commands.events, commands.outputs
        objects = [one for one in inputs if isinstance(one, Slot)]
        changes = collect(checked, runtime, objects, gas_slot, commands.published)
        changes.add_to_gas(data.gas.budget)
        return changes

    def _machines(self) -> tuple[Machine, list[Machine]]:
        """For the inputs, and for each command: one for all, or one each when they call versions of one package."""
        commands = self._checked.kind.commands
        objects = [STD, FRAMEWORK]
        for one in self._checked.objects:
            if one.object.type is not None:
                objects.extend(packages_of(one.object.type))
        called = [one.package for one in commands if isinstance(one, MoveCall)]
        named = [one for command in commands for one in _named(command)]
        try:
            shared = self._linked(called, (*objects, *named))
        except CommandFailure as problem:
            if problem.kind is not FailureKind.INVALID_LINKAGE:
                raise
            return self._linked((), objects), [self._own(index, one) for index, one in enumerate(commands)]
        return shared, [shared] * len(commands)

    def _own(self, index: int, command: Command) -> Machine:
        self._command = index
        called = (command.package,) if isinstance(command, MoveCall) else ()
        return self._linked(called, (STD, FRAMEWORK, *_named(command)))

    def _linked(self, called: Iterable[bytes], named: Iterable[bytes]) -> Machine:
        return self._packages.machine(self._packages.closure(called, named))

    def _object(self, one: CheckedInput, machine: Machine, run: Execution, runtime: LedgerRuntime) -> Slot:
        held, tag = one.object.move, one.object.type
        assert held is not None
        assert tag is not None
        run.charge("read", len(held.contents) // gas.READ_BYTES_PER_UNIT)
        type_ = self._packages.type(machine.world, tag)
        value = codec.decode(type_, held.contents)
        if one.receiving:
            return _receiving(one.object, machine, runtime, type_, value)
        runtime.owners[one.object.object_id] = _owner(one.object)
        # Nobody may take an immutable object, or a shared one that is only read.
        return Slot(type_, [value], takeable=one.mutable, mutable=one.mutable, origin=one.object)


def _named(command: Command) -> Iterator[bytes]:
    """Packages of the types that a command names."""
    match command:
        case MoveCall():
            for one in command.type_arguments:
                yield from packages_of(one)
        case MakeMoveVec(type=element) if element is not None:
            yield from packages_of(element)


def _receiving(found: Stored, machine: Machine, runtime: LedgerRuntime, type_: Type, value: Any) -> Slot:
    assert isinstance(found.owner, AddressOwner)
    runtime.received[(found.owner.address, found.object_id)] = (found.version, type_, value)
    runtime.owners[found.object_id] = _owner(found)
    receiving = struct(machine.world.module(FRAMEWORK, "transfer").own_datatype("Receiving"), (type_,))
    return Slot(receiving, [[[found.object_id], found.version]])


def _owner(found: Stored) -> vm.Owner:
    match found.owner:
        case AddressOwner(address):
            return vm.Owner(vm.OwnerKind.ADDRESS, address)
        case SharedOwner():
            return vm.Owner(vm.OwnerKind.SHARED)
        case _:
            return vm.Owner(vm.OwnerKind.IMMUTABLE)


def _failure(problem: Exception, command: int | None) -> Failure:
    match problem:
        case CommandFailure():
            return Failure((problem.kind, problem.detail), command)
        case vm_errors.ExecutionFailure():
            return Failure(_vm_failure(problem), command)
        case vm_errors.OutOfGasSignal():
            return Failure((FailureKind.INSUFFICIENT_GAS, None), command)
        case vm_errors.MemorySignal():
            return Failure((FailureKind.MOVE_PRIMITIVE_RUNTIME_ERROR, None), command)
        case _:
            return Failure((FailureKind.VM_INVARIANT_VIOLATION, None), command)


def _vm_failure(problem: vm_errors.ExecutionFailure) -> tuple[FailureKind, Any]:
    place = problem.location
    location = None
    if place is not None:
        location = MoveLocation(place.address, place.module, place.function, place.offset, place.function_name)
    match problem.kind:
        case vm_errors.FailureKind.MOVE_ABORT if location is not None and problem.code is not None:
            return FailureKind.MOVE_ABORT, (location, problem.code)
        case vm_errors.FailureKind.PRIMITIVE:
            return FailureKind.MOVE_PRIMITIVE_RUNTIME_ERROR, location
        case vm_errors.FailureKind.OUT_OF_GAS:
            return FailureKind.INSUFFICIENT_GAS, None
        case vm_errors.FailureKind.VERIFICATION:
            return FailureKind.VM_VERIFICATION_OR_DESERIALIZATION_ERROR, None
        case _:
            return FailureKind.VM_INVARIANT_VIOLATION, None

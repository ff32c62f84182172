"""A play of transactions: each is executed by our ledger, and recorded with what came of it.

Invariant: what is recorded is what was executed: arguments as bytes, objects by id, and of the outcome the failure,
every event and every object of an address, shared or frozen that it wrote or removed (but the gas coin). The record is
all that `contract_play_test` needs to have the same transactions judged by the real test VM.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

from daas_attestation.development_ca import DevelopmentCa
from daas_chain.abort import decode_abort
from daas_chain.bytecode_types import Kind
from daas_chain.sui import transaction as tx
from daas_chain.sui.digests import package_digest
from daas_chain.sui.effects import IdOperation
from daas_chain.sui.events import Event
from daas_chain.sui.status import Failure, FailureKind, MoveLocation
from daas_chain.sui.types import ObjectOwner, Owner, StructTag
from daas_localnet.ledger.execute import Epoch, Ledger
from daas_localnet.ledger.genesis import CLOCK
from daas_localnet.ledger.objects import Stored
from daas_localnet.ledger.settle import Outcome
from daas_localnet.ledger.store import Batch, MemoryStore
from daas_localnet.vm.world import LinkedFunction
from daas_protocol.bcs import encode_bytes, encode_uleb

from .ledger_world import FAUCET, STD, SUI, Block, LedgerWorld, first_state
from .move_world import ADMIN, DAAS, OPERATOR, START_MS, USER, address, built, machine

STRANGER, WORKER = address(0x577A), address(0x3042)
PEOPLE = (ADMIN, OPERATOR, USER, STRANGER, WORKER)
COIN = StructTag(SUI, "coin", "Coin", (StructTag(SUI, "sui", "SUI"),))


@dataclass(frozen=True, slots=True)
class Value:
    """A pure argument: its BCS, and as Move writes it."""

    bcs: bytes
    literal: str


def number(value: int, bits: int = 64) -> Value:
    return Value(value.to_bytes(bits // 8, "little"), f"{value}u{bits}")


def flag(value: bool) -> Value:
    return Value(bytes([value]), "true" if value else "false")


def who(value: bytes) -> Value:
    return Value(value, f"@0x{value.hex()}")


def id_of(value: bytes) -> Value:
    return Value(value, f"object::id_from_address(@0x{value.hex()})")


def octets(value: bytes) -> Value:
    return Value(encode_bytes(value), f'x"{value.hex()}"')


def text(value: str) -> Value:
    return Value(encode_bytes(value.encode()), f'x"{value.encode().hex()}".to_string()')


def many(type_: str, values: Iterable[Value]) -> Value:
    """A vector; `type_` of its elements as Move writes it."""
    given = tuple(values)
    literal = f"vector<{type_}>[{', '.join(one.literal for one in given)}]"
    return Value(encode_uleb(len(given)) + b"".join(one.bcs for one in given), literal)


@dataclass(frozen=True, slots=True)
class Held:
    """An object as an argument."""

    object_id: bytes
    type: StructTag
    owner: Owner


@dataclass(frozen=True, slots=True)
class Result:
    command: int
    index: int


@dataclass(frozen=True, slots=True)
class Clock:
    pass


Argument = Value | Held | Result | Clock


@dataclass(frozen=True, slots=True)
class Call:
    """`function`: as the transaction names it; `judged`: what a test of Move calls, when that is another one."""

    package: bytes
    function: str
    arguments: tuple[Argument, ...]
    judged: str = ""


@dataclass(frozen=True, slots=True)
class Split:
    amount: int


@dataclass(frozen=True, slots=True)
class Give:
    what: Result
    to: bytes


@dataclass(frozen=True, slots=True)
class MakeVector:
    type: StructTag
    items: tuple[Result, ...]


@dataclass(frozen=True, slots=True)
class Attest:
    """`load_nitro_attestation`, which no test of Move can call: what it returned, as an expression of Move."""

    document: bytes
    expression: str


@dataclass(frozen=True, slots=True)
class Publish:
    package: bytes
    modules: tuple[str, ...]
    """Those with an `init`, in its order."""


@dataclass(frozen=True, slots=True)
class Upgrade:
    ticket: Result


Command = Call | Split | Give | MakeVector | Attest | Publish | Upgrade


@dataclass(frozen=True, slots=True)
class Seen:
    """An object that a transaction left behind."""

    object_id: bytes
    type: StructTag
    owner: Owner
    contents: bytes


@dataclass(frozen=True, slots=True)
class Step:
    """One transaction and what came of it. `failure`: module and code or name, empty when it succeeded."""

    sender: bytes
    digest: bytes
    epoch: int
    epoch_ms: int
    time_ms: int
    commands: tuple[Command, ...]
    failure: tuple[str, str] | None
    events: tuple[Event, ...]
    written: tuple[Seen, ...]
    deleted: tuple[Seen, ...]
    wrapped: tuple[Seen, ...]
    """Those that are now inside of another object."""

    @property
    def observations(self) -> int:
        """What is compared: the ending, the number of events, each event, each object."""
        gone = len(self.deleted) + len(self.wrapped)
        return 1 if self.failure else 2 + len(self.events) + len(self.written) + gone


@cache
def function_of(package: bytes, name: str) -> LinkedFunction:
    """`package`: the framework's, or any for ours."""
    module, function = name.split("::")
    return machine().world.module(package if package in (STD, SUI) else DAAS, module).function(function)


@dataclass(slots=True)
class Draft:
    """A transaction in the making."""

    play: Play
    sender: bytes
    commands: list[Command] = field(default_factory=list)

    def add(self, one: Command, results: int = 1) -> tuple[Result, ...]:
        self.commands.append(one)
        return tuple(Result(len(self.commands) - 1, index) for index in range(results))

    def call(self, function: str, *arguments: Argument, package: bytes | None = None, judged: str = "") -> Result:
        """The only result."""
        return self.calls(function, *arguments, package=package, judged=judged)[0]

    def calls(
        self, function: str, *arguments: Argument, package: bytes | None = None, judged: str = ""
    ) -> tuple[Result, ...]:
        where = package or self.play.code
        count = len(function_of(where, function).returns)
        return self.add(Call(where, function, arguments, judged), max(1, count))

    def coin(self, amount: int) -> Result:
        return self.add(Split(amount))[0]

    def give(self, to: bytes, *results: Result) -> None:
        for one in results:
            self.add(Give(one, to))

    def vector(self, type_: StructTag, items: Iterable[Result]) -> Result:
        return self.add(MakeVector(type_, tuple(items)))[0]

    def runs(self) -> Step:
        """Executes it. Raises AssertionError when it fails."""
        step = self.play.record(self)
        assert step.failure is None, step.failure
        return step

    def fails(self, name: str) -> Step:
        """Executes it. Raises AssertionError when it does not end in this error."""
        step = self.play.record(self)
        assert step.failure is not None, f"expected {name}, got success"
        assert step.failure[1] == name, f"expected {name}, got {step.failure}"
        return step


class Play(LedgerWorld):
    """A ledger with people who have coins, and the package, published by ADMIN.

    `package`: its first version, by which types are known; `code`: the version that is called.
    """

    def __init__(self, before: Play | None = None) -> None:
        self.store = MemoryStore()
        self.paid = 0
        self.clock_ms = START_MS
        self.round = 0
        self.steps: list[Step] = []
        if before is not None:
            self._go_on(before)
            return
        self.store.commit(first_state().batch)
        self.ca = DevelopmentCa.generate(START_MS)
        self.ledger = Ledger(self.store, Epoch(timestamp_ms=START_MS), self.ca.anchor)
        block = self.block()
        for one in PEOPLE:
            block.transfer(one, *block.split(tx.GasCoin(), *[1_000 * 10**9] * 3))
        assert self.run(block, FAUCET).succeeded
        modules = built().package.modules
        block = self.block()
        block.transfer(ADMIN, block.command(tx.Publish(tuple(one.bytecode for one in modules), (STD, SUI))))
        outcome = self.run(block, ADMIN)
        assert outcome.succeeded, outcome.reason
        self.package = next(one.object_id for one in outcome.batch.written if one.package is not None)
        self.code = self.package
        initialised = tuple(
            one.name for one in modules if "init" in machine().world.module(DAAS, one.name).function_names
        )
        self._note(ADMIN, (Publish(self.package, initialised), Give(Result(0, 0), ADMIN)), outcome, {})

    def _go_on(self, before: Play) -> None:
        """The steps before are another play's."""
        self.store.commit(Batch(tuple(before.store)))
        self.ca, self.package, self.code = before.ca, before.package, before.code
        self.clock_ms, self.round = before.clock_ms, before.round
        self.ledger = Ledger(self.store, before.ledger.epoch, before.ca.anchor)
        # What has been compiled is the same package: reading and compiling it again is most of a scenario's time.
        self.ledger.packages._read |= before.ledger.packages._read
        self.ledger.packages._machines |= before.ledger.packages._machines

    def tag(self, module: str, name: str) -> StructTag:
        return StructTag(self.package, module, name)

    def held(self, object_id: bytes) -> Held:
        found = self.get(object_id)
        assert found.type is not None
        return Held(object_id, found.type, found.owner)

    def only(self, name: str) -> bytes:
        """The only object of a datatype of the package that there is."""
        found = [one.object_id for one in self.store if one.type is not None and one.type.name == name]
        assert len(found) == 1, (name, found)
        return found[0]

    def wait(self, ms: int) -> None:
        self.clock_ms += ms
        self.round += 1
        self.ledger.tick(self.round, self.clock_ms)

    def next_epoch(self) -> None:
        epoch = self.ledger.epoch
        self.ledger.epoch = Epoch(epoch.number + 1, epoch.timestamp_ms + 1, epoch.reference_gas_price)

    def by(self, sender: bytes) -> Draft:
        return Draft(self, sender)

    def record(self, draft: Draft) -> Step:
        before = {
            one.object_id: self.get(one.object_id)
            for command in draft.commands
            if isinstance(command, Call)
            for one in command.arguments
            if isinstance(one, Held)
        }
        outcome = self.run(self._block(draft), draft.sender)
        return self._note(draft.sender, tuple(draft.commands), outcome, before)

    def _block(self, draft: Draft) -> Block:
        block = self.block()
        mutable = {
            one.object_id
            for command in draft.commands
            if isinstance(command, Call)
            for type_, one in zip(
                function_of(command.package, command.function).parameters, command.arguments, strict=False
            )
            if isinstance(one, Held) and type_.kind is not Kind.REFERENCE
        }

        def argument(one: Argument) -> tx.Argument:
            match one:
                case Value():
                    return block.pure(one.bcs)
                case Held():
                    return block.object(one.object_id, mutable=one.object_id in mutable)
                case Clock():
                    return block.object(CLOCK, mutable=False)
                case Result():
                    return tx.NestedResult(one.command, one.index)

        for command in draft.commands:
            match command:
                case Call():
                    block.call(command.package, command.function, *map(argument, command.arguments))
                case Split():
                    block.split(tx.GasCoin(), command.amount)
                case Give():
                    block.transfer(command.to, argument(command.what))
                case MakeVector():
                    block.command(tx.MakeMoveVec(command.type, tuple(map(argument, command.items))))
                case Attest():
                    block.call(
                        SUI,
                        "nitro_attestation::load_nitro_attestation",
                        block.pure(encode_bytes(command.document)),
                        block.clock(),
                    )
                case Upgrade():
                    modules, uses = upgrade_of()
                    block.command(tx.Upgrade(modules, uses, self.package, argument(command.ticket)))
                case Publish():
                    raise AssertionError("a play publishes once")
        return block

    def _note(
        self, sender: bytes, commands: tuple[Command, ...], outcome: Outcome, before: dict[bytes, Stored]
    ) -> Step:
        effects = outcome.effects
        assert effects.gas_object_index is not None
        gas = effects.changed_objects[effects.gas_object_index][0]
        operations = {id_: one.id_operation for id_, one in effects.changed_objects}
        removed = [(operations[one], _seen(before[one])) for one in outcome.batch.removed if one in before]
        written = [_seen(one) for one in outcome.batch.written if one.object_id != gas and one.move is not None]
        step = Step(
            sender,
            outcome.transaction,
            self.ledger.epoch.number,
            self.ledger.epoch.timestamp_ms,
            self.clock_ms,
            commands,
            None if outcome.succeeded else self._failure(outcome),
            outcome.events,
            tuple(one for one in written if not isinstance(one.owner, ObjectOwner)) if outcome.succeeded else (),
            tuple(one for how, one in removed if how is IdOperation.DELETED),
            tuple(one for how, one in removed if how is not IdOperation.DELETED),
        )
        self.steps.append(step)
        return step

    def _failure(self, outcome: Outcome) -> tuple[str, str]:
        status = outcome.effects.status
        assert isinstance(status, Failure)
        assert status.kind is FailureKind.MOVE_ABORT, outcome.reason
        location, code = status.detail
        assert isinstance(location, MoveLocation)
        package = location.package if location.package in (STD, SUI) else DAAS
        module = machine().world.module(package, location.module).module
        name = decode_abort(module, code).name
        where = {STD: "std", SUI: "sui"}.get(location.package, "daas")
        return f"{where}::{location.module}", name if name is not None else str(code)


def _seen(one: Stored) -> Seen:
    assert one.type is not None
    assert one.move is not None
    return Seen(one.object_id, one.type, one.owner, one.move.contents)


@cache
def upgrade_of() -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The package once more, as its own next version: modules and dependencies."""
    return tuple(one.bytecode for one in built().package.modules), (STD, SUI)


def upgrade_digest() -> bytes:
    return package_digest(*upgrade_of())

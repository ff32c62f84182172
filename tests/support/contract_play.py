"""A play of transactions: each is executed by our ledger, and recorded with what came of it.

Invariant: what is recorded is what was executed: arguments as bytes, objects by id, and of the outcome the failure,
every event and every object of an address, shared or frozen that it wrote or removed (but the gas coin). The record is
all that `contract_play_test` needs to have the same transactions judged by the real test VM.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

from daas_attestation.development_ca import DevelopmentCa
from daas_chain.abort import decode_abort
from daas_chain.bytecode_types import Kind
from daas_chain.sui import transaction as tx
from daas_chain.sui.digests import package_digest
from daas_chain.sui.effects import IdOperation
from daas_chain.sui.status import Failure, FailureKind, MoveLocation
from daas_chain.sui.types import ObjectOwner, Primitive, StructTag, TypeTag, VectorTag
from daas_localnet.ledger.execute import Epoch, Ledger
from daas_localnet.ledger.genesis import CLOCK
from daas_localnet.ledger.objects import Stored
from daas_localnet.ledger.settle import Outcome
from daas_localnet.ledger.store import Batch, MemoryStore
from daas_localnet.vm import codec
from daas_localnet.vm.types import LEAVES, Type, struct, vector
from daas_localnet.vm.world import LinkedFunction
from daas_protocol.bcs import encode_bytes

from .contract_steps import (
    Argument,
    Attest,
    Call,
    Clock,
    Command,
    Give,
    Held,
    MakeVector,
    Publish,
    Record,
    Result,
    Seen,
    Split,
    Step,
    Upgrade,
    Value,
)
from .ledger_world import FAUCET, STD, SUI, Block, LedgerWorld, first_state
from .move_world import ADMIN, DAAS, OPERATOR, START_MS, USER, address, built, machine

STRANGER = address(0x577A)
PEOPLE = (ADMIN, OPERATOR, USER, STRANGER)


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
        functions = {one.name: machine().world.module(DAAS, one.name).function_names for one in modules}
        initialised = tuple(name for name, names in functions.items() if "init" in names)
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
        before = {one.object_id: one for one in self.store}
        outcome = self.run(self._block(draft), draft.sender)
        return self._note(draft.sender, tuple(draft.commands), outcome, before)

    def _block(self, draft: Draft) -> Block:
        block = self.block()
        mutable: set[bytes] = set()
        for command in draft.commands:
            if isinstance(command, Call):
                # The last parameter may be the context, which nobody gives.
                parameters = function_of(command.package, command.function).parameters
                pairs = zip(parameters, command.arguments, strict=False)
                mutable |= {
                    one.object_id for type_, one in pairs if isinstance(one, Held) and type_.kind is not Kind.REFERENCE
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
        deleted = IdOperation.DELETED
        gas = effects.changed_objects[effects.gas_object_index][0]
        operations = {id_: one.id_operation for id_, one in effects.changed_objects}
        written = [one for one in outcome.batch.written if one.object_id != gas and one.move is not None]
        gone = [before[one] for one in outcome.batch.removed if one in before]
        step = Step(
            sender,
            outcome.transaction,
            self.ledger.epoch.number,
            self.ledger.epoch.timestamp_ms,
            self.clock_ms,
            commands,
            None if outcome.succeeded else self._failure(outcome),
            outcome.events,
            tuple(_seen(one) for one in written if not _is_child(one)) if outcome.succeeded else (),
            tuple(_seen(one) for one in gone if not _is_child(one) and operations[one.object_id] is deleted),
            tuple(_seen(one) for one in gone if not _is_child(one) and operations[one.object_id] is not deleted),
            tuple(_record(one) for one in written if _is_child(one)) if outcome.succeeded else (),
            tuple(_record(one) for one in gone if _is_child(one)),
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


def _is_child(one: Stored) -> bool:
    return isinstance(one.owner, ObjectOwner)


def _record(one: Stored) -> Record:
    """Of a dynamic field: its id, name and value."""
    assert one.type is not None
    assert one.move is not None
    assert (one.type.module, one.type.name) == ("dynamic_field", "Field")
    names, values = (_type(argument) for argument in one.type.arguments)
    field_type = struct(machine().world.module(SUI, "dynamic_field").own_datatype("Field"), (names, values))
    _, name, value = codec.decode(field_type, one.move.contents)
    kind = re.sub("0x[0-9a-f]+::", "", f"{names} {values}")
    return Record(kind, name, codec.encode(values, value))


def _type(tag: TypeTag) -> Type:
    match tag:
        case Primitive():
            return LEAVES[Kind[tag.name]]
        case VectorTag(element):
            return vector(_type(element))
        case StructTag():
            where = tag.address if tag.address in (STD, SUI) else DAAS
            datatype = machine().world.module(where, tag.module).own_datatype(tag.name)
            return struct(datatype, tuple(map(_type, tag.arguments)))


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

"""Plays of transactions as tests of Move, for the real test VM to judge.

Invariant: nothing is left to that VM but to agree: every transaction has the digest, sender, epoch and time that it had
in our ledger, so the ids that it makes, and heads of chains over them, are the same, and events and objects are compared
as whole BCS. What a transaction needs is taken by id from the inventory of `sui::test_scenario`; what it leaves behind
is looked for there. Children of objects (records in tables) are not compared: no test of Move can take them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from daas_chain.bytecode_types import Kind
from daas_chain.sui.types import AddressOwner, ImmutableOwner, Owner, Primitive, SharedOwner, TypeTag, VectorTag
from daas_localnet.vm.types import Type

from .contract_play import (
    Argument,
    Attest,
    Call,
    Clock,
    Command,
    Give,
    Held,
    MakeVector,
    Publish,
    Result,
    Seen,
    Split,
    Step,
    Upgrade,
    Value,
    function_of,
)
from .ledger_world import STD, SUI
from .move_unit_tests import FOLDER

PACKAGES = {STD: "std", SUI: "sui"}
_HEAD = """#[test_only, allow(unused_variable, unused_let_mut, unused_use, unused_mut_ref, unused_function)]
module daas::{name};

use std::bcs;
use sui::clock::{{Self, Clock}};
use sui::coin;
use sui::event;
use sui::package;
use sui::sui::SUI;
use sui::test_scenario::{{Self, Scenario}};
use sui::transfer;
{uses}
"""
ELSEWHERE = (("daas::version", "ENothingToMigrate"), ("daas::version", "EWrongVersion"))
_BEGIN = """
fun begin(): (Scenario, Clock) {
    let mut s = test_scenario::begin(@0x0);
    let clock = clock::create_for_testing(s.ctx());
    (s, clock)
}

fun finish(s: Scenario, clock: Clock) {
    clock.destroy_for_testing();
    s.end();
}
"""


@dataclass(frozen=True, slots=True)
class Told:
    """A play under a name: the steps of the play that it goes on from, and its own."""

    name: str
    before: tuple[Step, ...]
    steps: tuple[Step, ...]


def sources(package: bytes) -> dict[str, str]:
    """The package without its tests, at the id that our ledger has published it at: types are named by it."""
    files = {"Move.toml": (FOLDER / "Move.toml").read_text(encoding="utf-8").replace('"0x0"', f'"0x{package.hex()}"')}
    for path in sorted((FOLDER / "sources").glob("*.move")):
        files[f"sources/{path.name}"] = path.read_text(encoding="utf-8")
    return files


def module(name: str, package: bytes, plays: Sequence[Told], wrong: Sequence[Step] = ()) -> tuple[str, int, set[str]]:
    """Plays with the same steps before as a module of tests, how many tests it has, and those that must fail.

    `wrong`: steps with something false in them; each is told after the steps that were before the true one.
    """
    writer = _Writer(package)
    before = plays[0].before
    lines = [_HEAD.format(name=name, uses=""), _BEGIN]
    for index, step in enumerate(before):
        lines += writer.function(f"before_{index}", step)
    steady = [f"before_{index}" for index, step in enumerate(before) if step.failure is None]
    count = 0
    for play in plays:
        said = list(steady)
        for index, step in enumerate(play.steps):
            function = f"{play.name}_{index}"
            lines += writer.function(function, step)
            if step.failure is None:
                said.append(function)
            else:
                count += 1
                lines += _test(f"{function}_fails", [*said, function], step.failure)
        count += 1
        lines += _test(play.name, said, None)
    false = set()
    for number, lie in enumerate(wrong):
        play, index = next(
            (play, index) for play in plays for index, step in enumerate(play.steps) if step.digest == lie.digest
        )
        true = [f"{play.name}_{at}" for at, step in enumerate(play.steps[:index]) if step.failure is None]
        name_of_lie = f"lie_{number}"
        lines += writer.function(f"{name_of_lie}_step", lie)
        lines += _test(name_of_lie, [*steady, *true, f"{name_of_lie}_step"], lie.failure)
        false.add(name_of_lie)
    return "\n".join(lines) + "\n", count + len(false), false


def lies(step: Step) -> Iterator[Step]:
    """The step with one thing false, for each kind of thing that is compared."""
    if step.failure is not None:
        yield replace(step, failure=next(one for one in ELSEWHERE if one != step.failure))
        yield replace(step, failure=None)
        return
    yield replace(step, failure=ELSEWHERE[0])
    if step.events:
        last = step.events[-1]
        yield replace(step, events=(*step.events[:-1], replace(last, contents=_changed(last.contents))))
        yield replace(step, events=step.events[:-1])
    for index, one in enumerate(step.written):
        other = replace(one, contents=_changed(one.contents))
        yield replace(step, written=(*step.written[:index], other, *step.written[index + 1 :]))
        elsewhere = replace(one, owner=AddressOwner(bytes(31) + b"\x99"))
        yield replace(step, written=(*step.written[:index], elsewhere, *step.written[index + 1 :]))
    for one in step.written:
        if isinstance(one.owner, AddressOwner):
            yield replace(step, deleted=(*step.deleted, one))
            yield replace(step, wrapped=(*step.wrapped, one))
    if step.deleted:
        yield replace(step, deleted=(), wrapped=step.deleted)
    if step.wrapped:
        yield replace(step, deleted=step.wrapped, wrapped=())


def _changed(contents: bytes) -> bytes:
    return contents[:-1] + bytes([contents[-1] ^ 1])


def _test(name: str, functions: Iterable[str], failure: tuple[str, str] | None) -> list[str]:
    head = "#[test]"
    if failure is not None:
        where, code = failure
        expected = code if code.isdigit() else f"{where}::{code}"
        head = f"#[test, expected_failure(abort_code = {expected}, location = {where})]"
    body = [f"    {one}(&mut s, &mut clock);" for one in functions]
    return [head, f"fun {name}() {{", "    let (mut s, mut clock) = begin();", *body, "    finish(s, clock);", "}", ""]


class _Writer:
    """Of steps in one module."""

    def __init__(self, package: bytes) -> None:
        self._package = package
        self._checks = 0

    def _type(self, tag: TypeTag) -> str:
        match tag:
            case Primitive():
                return str(tag)
            case VectorTag(element):
                return f"vector<{self._type(element)}>"
        name = f"{PACKAGES.get(tag.address, 'daas')}::{tag.module}::{tag.name}"
        return f"{name}<{', '.join(map(self._type, tag.arguments))}>" if tag.arguments else name

    def function(self, name: str, step: Step) -> list[str]:
        lines = [
            f"fun {name}(s: &mut Scenario, clock: &mut Clock) {{",
            f"    clock.set_for_testing({step.time_ms});",
            f"    s.next_tx(@0x{step.sender.hex()});",
        ]
        publishes = bool(step.commands) and isinstance(step.commands[0], Publish)
        # The package's own id is the first one of the transaction that publishes it.
        lines.append(
            f"    let ctx = &mut sui::tx_context::new(@0x{step.sender.hex()}, "
            f'x"{step.digest.hex()}", {step.epoch}, {step.epoch_ms}, {int(publishes)});'
        )
        inputs = _inputs(step.commands)
        for number, one in enumerate(inputs):
            lines.append(f"    let mut o{number} = {self._take(one.object_id, one.owner, self._type(one.type))};")
        gone: set[int] = set()
        fakes: dict[bytes, bytes] = {}
        for number, command in enumerate(step.commands):
            lines += self._command(number, command, inputs, gone)
            if isinstance(command, Upgrade):
                fakes = self._upgraded(step)
        if step.failure is None:
            for number, one in enumerate(inputs):
                if number not in gone:
                    lines.append(f"    {_put_back(f'o{number}', one.owner)};")
            lines += self._events(step)
            lines += [f"    let effects = s.next_tx(@0x{step.sender.hex()});"]
            lines += [f"    {self._check(f'effects.num_user_events() == {len(step.events)}')}"]
            for seen in step.written:
                lines += self._seen(seen, fakes)
            for seen in (*step.deleted, *step.wrapped):
                lines.append(self._gone(seen, wrapped=seen in step.wrapped))
        else:
            # Never reached: the transaction aborts.
            lines.append("    abort 999_999")
        return [*lines, "}", ""]

    def _check(self, condition: str) -> str:
        self._checks += 1
        return f"assert!({condition}, {1_000_000 + self._checks});"

    def _take(self, object_id: bytes, owner: Owner, type_: str) -> str:
        id_ = f"object::id_from_address(@0x{object_id.hex()})"
        match owner:
            case SharedOwner():
                return f"s.take_shared_by_id<{type_}>({id_})"
            case ImmutableOwner():
                return f"s.take_immutable_by_id<{type_}>({id_})"
            case AddressOwner(address):
                return f"s.take_from_address_by_id<{type_}>(@0x{address.hex()}, {id_})"
        raise AssertionError(f"nobody can take what {owner} owns")

    def _command(self, number: int, command: Command, inputs: Sequence[Held], gone: set[int]) -> list[str]:
        match command:
            case Call():
                return [self._call(number, command, inputs, gone)]
            case Split(amount):
                return [f"    let mut r{number}_0 = coin::mint_for_testing<SUI>({amount}, ctx);"]
            case Give(what, to):
                return [f"    transfer::public_transfer({_name(what)}, @0x{to.hex()});"]
            case MakeVector(type_, items):
                listed = ", ".join(map(_name, items))
                return [f"    let mut r{number}_0 = vector<{self._type(type_)}>[{listed}];"]
            case Attest():
                return [f"    let r{number}_0 = {command.expression};"]
            case Publish(package, modules):
                made = [f"    daas::{one}::init_for_testing(ctx);" for one in modules]
                id_ = f"object::id_from_address(@0x{package.hex()})"
                return [*made, f"    let r{number}_0 = package::test_publish({id_}, ctx);"]
            case Upgrade(ticket):
                return [f"    let r{number}_0 = package::test_upgrade({_name(ticket)});"]

    def _call(self, number: int, command: Call, inputs: Sequence[Held], gone: set[int]) -> str:
        function = function_of(command.package, command.function)
        given = iter(command.arguments)
        arguments = []
        for one in function.parameters:
            if _is_context(one):
                arguments.append("ctx")
                continue
            argument = next(given)
            # What is judged instead takes the document by reference.
            lent = isinstance(argument, Result) and bool(command.judged) and one.datatype is not None
            lent = lent and one.datatype is not None and one.datatype.name == "NitroAttestationDocument"
            prefix = {Kind.REFERENCE: "&", Kind.MUTABLE_REFERENCE: "&mut "}.get(one.kind, "&" if lent else "")
            if isinstance(argument, Clock):
                prefix = ""
            if isinstance(argument, Held) and not prefix:
                gone.add(inputs.index(argument))
            arguments.append(prefix + _expression(argument, inputs))
        name = f"{PACKAGES.get(command.package, 'daas')}::{command.judged or command.function}"
        call = f"{name}({', '.join(arguments)});"
        match len(function.returns):
            case 0:
                return f"    {call}"
            case 1:
                return f"    let mut r{number}_0 = {call}"
            case count:
                names = ", ".join(f"mut r{number}_{index}" for index in range(count))
                return f"    let ({names}) = {call}"

    def _events(self, step: Step) -> list[str]:
        lines = [f"    {self._check(f'event::num_events() == {len(step.events)}')}"]
        by_type: dict[str, list[bytes]] = {}
        for one in step.events:
            by_type.setdefault(self._type(one.type), []).append(one.contents)
        for type_, contents in by_type.items():
            lines.append(f"    let found = event::events_by_type<{type_}>();")
            lines.append(f"    {self._check(f'found.length() == {len(contents)}')}")
            for index, one in enumerate(contents):
                lines.append(f"    {self._check(f'bcs::to_bytes(&found[{index}]) == {_bytes(one)}')}")
        return lines

    def _seen(self, one: Seen, fakes: dict[bytes, bytes]) -> list[str]:
        contents = one.contents
        for real, fake in fakes.items():
            contents = contents.replace(real, fake)
        return [
            f"    let left = {self._take(one.object_id, one.owner, self._type(one.type))};",
            f"    {self._check(f'bcs::to_bytes(&left) == {_bytes(contents)}')}",
            f"    {_put_back('left', one.owner)};",
        ]

    def _gone(self, one: Seen, *, wrapped: bool) -> str:
        """The test VM calls what is inside of another object deleted, but still in the hands of the test."""
        assert isinstance(one.owner, AddressOwner)
        id_, address = f"object::id_from_address(@0x{one.object_id.hex()})", f"@0x{one.owner.address.hex()}"
        deleted = f"effects.deleted().contains(&{id_})"
        taken = f"test_scenario::was_taken_from_address({address}, {id_})"
        return f"    {self._check(f'{deleted} && {taken}' if wrapped else f'{deleted} && !{taken}')}"

    def _upgraded(self, step: Step) -> dict[bytes, bytes]:
        """`package::test_upgrade` makes up the id of the new version: of the capability's and the old one's."""
        governance = next((one for one in step.written if one.type.name == "Governance"), None)
        if governance is None:
            return {}
        version = governance.contents[32:40]
        at = governance.contents.index(version, 32) + 8
        # id, version, then the capability in an option: id, package.
        assert governance.contents[at] == 1
        capability, new = governance.contents[at + 1 : at + 33], governance.contents[at + 33 : at + 65]
        return {new: hashlib.blake2b(capability + self._package, digest_size=32).digest()}


def _inputs(commands: Iterable[Command]) -> list[Held]:
    """In the order in which the commands name them."""
    found: dict[Held, None] = {}
    for command in commands:
        if isinstance(command, Call):
            found |= {one: None for one in command.arguments if isinstance(one, Held)}
    return list(found)


def _is_context(type_: Type) -> bool:
    return (
        type_.reference and type_.arguments[0].datatype is not None and type_.arguments[0].datatype.name == "TxContext"
    )


def _expression(argument: Argument, inputs: Sequence[Held]) -> str:
    match argument:
        case Value():
            return argument.literal
        case Held():
            return f"o{inputs.index(argument)}"
        case Result():
            return _name(argument)
        case Clock():
            return "clock"


def _name(one: Result) -> str:
    return f"r{one.command}_{one.index}"


def _bytes(value: bytes) -> str:
    return f'x"{value.hex()}"'


def _put_back(name: str, owner: Owner) -> str:
    match owner:
        case SharedOwner():
            return f"test_scenario::return_shared({name})"
        case ImmutableOwner():
            return f"test_scenario::return_immutable({name})"
        case AddressOwner(address):
            return f"test_scenario::return_to_address(@0x{address.hex()}, {name})"
    raise AssertionError(f"nothing goes back to {owner}")

"""Random programmable transactions that know the types: most arguments fit, some are wrong in one chosen way."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from daas_chain.bytecode_types import Ability, Kind, Visibility
from daas_chain.sui import transaction as tx
from daas_chain.sui.digests import package_digest
from daas_chain.sui.objects import SUI as SUI_TYPE
from daas_chain.sui.types import (
    AddressOwner,
    ImmutableOwner,
    ObjectRef,
    Primitive,
    SharedOwner,
    StructTag,
    TypeTag,
    VectorTag,
)
from daas_localnet.ledger.errors import CommandFailure
from daas_localnet.ledger.genesis import CLOCK
from daas_localnet.ledger.objects import Stored, any_tag_of
from daas_localnet.ledger.packages import packages_of
from daas_localnet.ledger.ptb import is_context
from daas_localnet.vm.errors import Signal
from daas_localnet.vm.types import WIDTHS, Type, abilities, field_types, substitute, vector
from daas_localnet.vm.world import LinkedFunction
from daas_protocol.bcs import encode_bytes, encode_uleb

from .ledger_contract import ContractWorld
from .ledger_world import START_MS, STD, SUI, Block, u64

COIN = StructTag(SUI, "coin", "Coin", (SUI_TYPE,))
BAG, BALANCE = StructTag(SUI, "bag", "Bag"), StructTag(SUI, "balance", "Balance", (SUI_TYPE,))
TAGS: tuple[TypeTag, ...] = (
    SUI_TYPE,
    COIN,
    BAG,
    BALANCE,
    StructTag(STD, "option", "Option", (COIN,)),
    StructTag(SUI, "object", "ID"),
    Primitive.U8,
    Primitive.U64,
    Primitive.ADDRESS,
    VectorTag(COIN),
    VectorTag(Primitive.U8),
)
MODULES = {
    STD: ("option", "vector", "string", "bcs"),
    SUI: ("bag", "balance", "borrow", "clock", "coin", "display", "kiosk", "linked_table", "object", "object_bag",
          "object_table", "package", "pay", "priority_queue", "referent", "table", "table_vec", "token", "transfer",
          "transfer_policy", "vec_map", "versioned"),
}  # fmt: skip
WRONG = 0.015
"""Of arguments; a program has about thirty."""
KEPT = 24
"""Values that a program chooses from."""


class Functions:
    """What may be called: all public functions of the contract and of some modules of the framework."""

    def __init__(self, world: ContractWorld, more: Sequence[bytes] = (), *, references: bool = False) -> None:
        """`references`: also those that return references, and private ones."""
        packages = world.ledger.packages
        self.references = references
        self.machine = packages.machine(packages.closure((world.package, *more), (STD, SUI)))
        self.framework: list[tuple[bytes, LinkedFunction]] = []
        self.contract: list[tuple[bytes, LinkedFunction]] = []
        for package, names in MODULES.items():
            for name in names:
                if name in packages.get(package).modules:  # type: ignore[union-attr]
                    self.framework += self._of(package, package, name)
        self.more: list[tuple[bytes, LinkedFunction]] = []
        for storage in (world.package, *more):
            found = packages.get(storage)
            assert found is not None
            into = self.contract if storage == world.package else self.more
            for name in found.modules:
                into += self._of(storage, found.original_id, name)
        self.all = [one for one in (self.framework, self.contract, self.more) if one]

    def _of(self, storage: bytes, original: bytes, name: str) -> list[tuple[bytes, LinkedFunction]]:
        module = self.machine.world.module(original, name)
        found = (module.function_at(index) for index in range(len(module.module.functions)))
        return [
            (storage, one)
            for one in found
            if self.references
            or (one.definition.visibility is Visibility.PUBLIC and not any(type_.reference for type_ in one.returns))
            or one.definition.entry
            or (one.name == "init" and name == "stake")
        ]


@dataclass(slots=True)
class Value:
    """`mutable`: may be changed and taken."""

    argument: tx.Argument
    type: Type
    mutable: bool = True


class Program:
    """One transaction."""

    def __init__(self, world: ContractWorld, functions: Functions, some: random.Random, sender: bytes) -> None:
        self.world, self.functions, self.some, self.sender = world, functions, some, sender
        self.packages, self.linked = world.ledger.packages, functions.machine.world
        self.block: Block = world.block()
        self.values: list[Value] = []
        self.used: list[Value] = []
        self.shared: set[tx.Argument] = set()
        self.people: tuple[bytes, ...] = ()
        self.ids: tuple[bytes, ...] = ()
        self.anything = False
        """Pure arguments of any type, for simulations without checks."""
        self.depth: list[Type] = []

    def type(self, tag: TypeTag) -> Type:
        return self.packages.type(self.linked, tag)

    def inputs(self, all_: Sequence[Stored], people: tuple[bytes, ...], gas: bytes) -> None:
        """Chooses objects: mostly those that the sender may use."""
        some = self.some
        self.people, self.ids = people, tuple(one.object_id for one in all_)
        usable = [
            one
            for one in all_
            if one.move is not None
            and one.object_id != gas
            and (one.owner in (AddressOwner(self.sender), ImmutableOwner()) or isinstance(one.owner, SharedOwner))
        ]
        named = {one.argument.object_id for one in self.block.inputs if isinstance(one, tx.ObjectInput)
                 and isinstance(one.argument, tx.SharedInput)}  # fmt: skip
        for one in some.sample(usable, min(len(usable), some.randint(2, 6))):
            if one.object_id not in named or some.random() < WRONG:
                self._input(one)
        if some.random() < 0.04:
            self._input(some.choice(all_))
        sent = [one for one in all_ if isinstance(one.owner, AddressOwner) and one.owner.address not in people]
        if sent and some.random() < 0.5:
            found = some.choice(sent)
            self._receiving(found)
            for one in all_:
                if found.owner == AddressOwner(one.object_id) and isinstance(one.owner, SharedOwner):
                    self._input(one)
        elif some.random() < 0.03:
            self._receiving(some.choice(all_))

    def _input(self, one: Stored) -> None:
        some = self.some
        if some.random() < 0.02:
            wrong = ObjectRef(one.object_id, one.version - some.randrange(2), some.randbytes(32))
            self.block.add(tx.ObjectInput(tx.OwnedInput(wrong)))
            return
        mutable = some.random() < (0.85 if one.object_id != CLOCK else 0.02)
        argument = self.block.object(one.object_id, mutable=mutable)
        if one.type is None or any(
            (found := self.packages.get(id_)) is None or found.original_id not in self.linked.packages
            for id_ in packages_of(one.type)
        ):
            return
        if isinstance(one.owner, SharedOwner) and some.random() < 0.7:
            self.shared.add(argument)
        mutable = mutable or isinstance(one.owner, AddressOwner)
        self.values.append(Value(argument, self.type(one.type), mutable and not isinstance(one.owner, ImmutableOwner)))

    def _receiving(self, one: Stored) -> None:
        argument = self.block.add(tx.ObjectInput(tx.ReceivingInput(one.reference)))
        if one.type is not None:
            try:
                receiving = self.type(StructTag(SUI, "transfer", "Receiving", (one.type,)))
            except CommandFailure:  # Of a package that this program is not linked to.
                return
            self.values.append(Value(argument, receiving))

    def pure(self, type_: Type) -> bytes | None:
        """Bytes of a value that anyone may make."""
        some = self.some
        if type_.kind in WIDTHS:
            limit = 1 << WIDTHS[type_.kind]
            number = some.choice((0, 1, 1, 2, 2, 5, 7, 48, 1_000, some.choice((10**9, START_MS + 1_000, limit - 1))))
            return (number % limit).to_bytes(WIDTHS[type_.kind] // 8, "little")
        match type_.kind:
            case Kind.BOOL:
                return bytes([some.randrange(2)])
            case Kind.ADDRESS:
                return some.choice((*self.people, some.choice(self.ids)))
            case Kind.VECTOR if type_.arguments[0].kind is Kind.U8:
                return encode_bytes(some.randbytes(some.choice((0, 1, 4, 16, 32, 48, 1_216))))
            case Kind.VECTOR:
                items = [self.pure(type_.arguments[0]) for _ in range(some.randrange(3))]
                return None if None in items else encode_uleb(len(items)) + b"".join(one or b"" for one in items)
        if type_.datatype is None:
            return None
        if self.anything:
            return self.forged(type_)
        match type_.datatype.key:
            case (_, "string" | "ascii", "String"):
                return encode_bytes(some.choice((b"", b"a", b"*:*", b"create", b"configmaps")))
            case (_, "object", "ID"):
                return some.choice(self.ids)
            case (_, "option", "Option"):
                inner = self.pure(type_.arguments[0])
                return None if inner is None else some.choice((b"\0", b"\1" + inner))
        return None

    def forged(self, type_: Type) -> bytes | None:
        """Bytes of a struct or an enum, with the ids of real objects inside."""
        assert type_.datatype is not None
        if type_.nodes > 20 or len(self.depth) > 6:
            return None
        self.depth.append(type_)
        variant = self.some.randrange(len(type_.datatype.fields()))
        parts = [self.pure(one) for one in field_types(type_, variant)]
        self.depth.pop()
        if None in parts:
            return None
        tag = encode_uleb(variant) if type_.datatype.is_enum else b""
        return tag + b"".join(one or b"" for one in parts)

    def pick(self, wanted: Type, *, taken: bool, mutable: bool = True) -> tx.Argument | None:
        """Something of this type; None when there is nothing."""
        some = self.some
        if some.random() < WRONG:
            return self.wrong()
        careless = some.random() < 2 * WRONG
        fitting = [one for one in self.values if one.type == wanted and (one.mutable or careless or not mutable)]
        if taken and not careless:
            fitting = [one for one in fitting if one.argument not in self.shared]
        made = None
        if not fitting or some.random() < 0.3:
            made = self.pure(wanted)
        if made is not None:
            return self.block.pure(made)
        if not fitting:
            if wanted == self.type(COIN) and not taken:
                return tx.GasCoin()
            return None
        chosen = some.choice(fitting)
        if taken and Ability.COPY not in abilities(wanted) and some.random() < 0.97:
            self.values.remove(chosen)
            self.used.append(chosen)
        return chosen.argument

    def wrong(self) -> tx.Argument:
        """A value of whatever type, one that is gone, or an index that is none."""
        some, last = self.some, max(0, len(self.block.commands) - 1)
        match some.randrange(6):
            case 0 if self.values:
                return some.choice(self.values).argument
            case 1 if self.used:
                return some.choice(self.used).argument
            case 2:
                return tx.GasCoin()
            case 3:
                return tx.Result(some.randrange(last + 2))
            case 4:
                return tx.NestedResult(some.randrange(last + 2), some.randrange(3))
            case _:
                return tx.InputArgument(some.randrange(len(self.block.inputs) + 2))

    def results(self, types: Sequence[Type]) -> None:
        number = len(self.block.commands) - 1
        for index, one in enumerate(types):
            single = len(types) == 1 and self.some.random() < 0.5
            argument: tx.Argument = tx.Result(number) if single else tx.NestedResult(number, index)
            self.values.append(Value(argument, one))
        del self.values[:-KEPT]

    def step(self) -> None:
        some, coin = self.some, self.type(COIN)
        match some.randrange(14):
            case 0 | 1:
                amounts = tuple(
                    self.pick(self.type(Primitive.U64), taken=True) or self.block.pure(u64(1))
                    for _ in range(some.randint(1, 2))
                )
                self.block.command(tx.SplitCoins(self.pick(coin, taken=False) or tx.GasCoin(), amounts))
                self.results([coin] * len(amounts))
            case 2:
                merged = self.pick(coin, taken=True)
                if merged is not None:
                    self.block.command(tx.MergeCoins(self.pick(coin, taken=False) or tx.GasCoin(), (merged,)))
            case 3 if self.values:
                one = some.choice(self.values)
                if self.may_send(one) or some.random() < 3 * WRONG:
                    self.send(one)
            case 4:
                self.vector()
            case 5 if some.random() < 0.15:
                self.publish()
            case _:
                self.call()

    def may_send(self, one: Value) -> bool:
        public = Ability.KEY | Ability.STORE
        return one.mutable and one.argument not in self.shared and not public & ~abilities(one.type)

    def send(self, one: Value) -> None:
        if one in self.values and self.some.random() < 0.98:
            self.values.remove(one)
            self.used.append(one)
        recipient = self.block.pure(self.some.choice((*self.people, *self.people, self.some.choice(self.ids))))
        self.block.command(tx.TransferObjects((one.argument,), recipient))

    def vector(self) -> None:
        if not self.values:
            return
        element = self.some.choice(self.values).type
        items = [self.pick(element, taken=True) for _ in range(self.some.randint(0, 3))]
        object_ = Ability.KEY in abilities(element) and bool(items)
        tag = None if object_ and self.some.random() < 0.5 else any_tag_of(element)
        self.block.command(tx.MakeMoveVec(tag, tuple(one for one in items if one is not None)))
        self.results([vector(element)])

    def publish(self) -> None:
        """Modules with a byte changed, or an upgrade with a ticket for something else."""
        some = self.some
        found = self.world.get(self.world.package).package
        assert found is not None
        zero = [code.replace(self.world.package, bytes(32)) for _, code in found.modules]
        codes = some.sample(zero, some.choice((1, 1, 2)))
        if some.random() < 0.8:
            changed = bytearray(codes[0])
            for _ in range(some.randint(1, 3)):
                changed[some.randrange(len(changed))] = some.randrange(256)
            codes[0] = bytes(changed)
        uses = (STD, SUI) if some.random() < 0.8 else tuple(some.sample((STD, SUI, self.world.package), 2))
        tickets = [one for one in self.values if one.type.datatype and one.type.datatype.name == "UpgradeTicket"]
        caps = [one for one in self.values if one.type.datatype and one.type.datatype.name == "UpgradeCap"]
        if caps and not tickets:
            digest = package_digest(tuple(codes), uses) if some.random() < 0.7 else some.randbytes(32)
            pure = (self.block.pure(b"\0"), self.block.pure(encode_bytes(digest)))
            ticket: tx.Argument = self.block.call(SUI, "package::authorize_upgrade", caps[0].argument, *pure)
        elif tickets:
            ticket = tickets[0].argument
        else:
            self.block.command(tx.Publish(tuple(codes), uses))
            self.results([self.type(StructTag(SUI, "package", "UpgradeCap"))])
            return
        package = self.world.package if some.random() < 0.9 else some.choice((SUI, some.choice(self.ids)))
        self.block.command(tx.Upgrade(tuple(codes), uses, package, ticket))
        self.results([self.type(StructTag(SUI, "package", "UpgradeReceipt"))])

    def call(self) -> None:
        some = self.some
        for _ in range(40):
            package, function = some.choice(some.choice(self.functions.all))
            tags = self.bind(function)
            if tags is None:
                continue
            if self.arguments(package, function, tags):
                return

    def bind(self, function: LinkedFunction) -> tuple[Type, ...] | None:
        """Type arguments that fit a value, where one does."""
        some = self.some
        bound: dict[int, Type] = {}
        for parameter in function.parameters:
            wanted = parameter.arguments[0] if parameter.reference else parameter
            if not wanted.closed:
                for one in some.sample(self.values, len(self.values)):
                    if (made := unify(wanted, one.type, bound)) is not None:
                        bound = made
                        break
        types = [bound.get(index) or self.type(some.choice(TAGS)) for index in range(len(function.constraints))]
        fits = all(not wanted & ~abilities(one) for one, wanted in zip(types, function.constraints, strict=True))
        return tuple(types) if fits or some.random() < 0.01 else None

    def arguments(self, package: bytes, function: LinkedFunction, types: tuple[Type, ...]) -> bool:
        values, used = list(self.values), list(self.used)
        found: list[tx.Argument] = []
        try:
            wanted = [substitute(one, types) for one in function.parameters]
            returns = [substitute(one, types) for one in function.returns]
        except Signal:
            return False
        for one in wanted[:-1] if wanted and is_context(wanted[-1]) else wanted:
            mutable = one.kind is not Kind.REFERENCE
            argument = self.pick(one.arguments[0] if one.reference else one, taken=not one.reference, mutable=mutable)
            if argument is None:
                self.values, self.used = values, used
                return False
            found.append(argument)
        self.block.call(
            package, f"{function.owner.name}::{function.name}", *found, types=tuple(any_tag_of(one) for one in types)
        )
        self.results([one for one in returns if not one.reference])
        return True

    def finish(self) -> Block:
        """Sends, joins and gives back what would otherwise be left."""
        for one in list(self.values):
            if isinstance(one.argument, tx.InputArgument | tx.GasCoin) or Ability.DROP in abilities(one.type):
                continue
            if one.type == self.type(BALANCE):
                coin = self.block.call(SUI, "coin::from_balance", one.argument, types=(SUI_TYPE,))
                self.send(Value(coin, self.type(COIN)))
            elif one.type == vector(self.type(COIN)):
                self.block.call(SUI, "pay::join_vec", tx.GasCoin(), one.argument, types=(SUI_TYPE,))
            elif self.may_send(one):
                self.send(one)
        return self.block


def unify(wanted: Type, type_: Type, bound: dict[int, Type]) -> dict[int, Type] | None:
    """What the parameters in `wanted` have to be for it to be `type_`."""
    if wanted.kind is Kind.TYPE_PARAMETER:
        if bound.get(wanted.index, type_) != type_:
            return None
        return {**bound, wanted.index: type_}
    if wanted.kind is not type_.kind or len(wanted.arguments) != len(type_.arguments):
        return None
    if wanted.datatype is not None and type_.datatype is not None and wanted.datatype.key != type_.datatype.key:
        return None
    found: dict[int, Type] | None = bound
    for one, other in zip(wanted.arguments, type_.arguments, strict=True):
        found = None if found is None else unify(one, other, found)
    return found


def changed_bytes(data: tx.TransactionData, some: random.Random) -> tx.TransactionData:
    """The same program with two of its commands exchanged."""
    assert isinstance(data.kind, tx.Programmable)
    commands = list(data.kind.commands)
    if len(commands) > 1:
        first, second = some.sample(range(len(commands)), 2)
        commands[first], commands[second] = commands[second], commands[first]
    return replace(data, kind=replace(data.kind, commands=tuple(commands)))

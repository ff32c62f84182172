"""Checks of a transaction before it runs.

Invariant: what comes out of `check` names only objects that exist, in their present version, that the sender may use as
the transaction says; the gas coins are the gas owner's and cover the budget. Every refusal is an `InputError`.
Signatures are the caller's to check: nothing here knows who sent the transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from daas_chain.sui.digests import Hashed, digest
from daas_chain.sui.transaction import (
    TRANSACTION_DATA,
    Command,
    Input,
    MakeMoveVec,
    MoveCall,
    Mutability,
    ObjectInput,
    OwnedInput,
    Programmable,
    Publish,
    Pure,
    ReceivingInput,
    SharedInput,
    TransactionData,
    Upgrade,
)
from daas_chain.sui.types import AddressOwner, ImmutableOwner, ObjectRef, SharedOwner

from . import errors, limits
from .ended import Ended, find_ended
from .objects import GAS_COIN, Stored
from .packages import packages_of
from .simulation import mock_coin
from .store import Store
from .validity import Mode, Rules, check_alone, most

SYSTEM_OBJECTS = frozenset(number.to_bytes(32, "big") for number in (5, 6, 7, 8, 0x403, 0xACC))
"""Shared objects that only the system changes."""


@dataclass(frozen=True, slots=True)
class CheckedInput:
    """An input object and what the transaction may do with it."""

    object: Stored
    mutable: bool
    receiving: bool = False


@dataclass(frozen=True, slots=True)
class EndedInput:
    """A shared object that has been deleted: the transaction cannot run, but it has effects."""

    object_id: bytes
    ended: Ended
    mutable: bool


@dataclass(frozen=True, slots=True)
class Checked:
    """A transaction that may run. `inputs`: a pure argument's bytes or an object, as in the transaction."""

    data: TransactionData
    kind: Programmable
    digest: bytes
    inputs: tuple[bytes | CheckedInput | EndedInput, ...]
    gas: tuple[Stored, ...]
    packages: tuple[Stored, ...]
    """Those that commands name: they are dependencies of the transaction."""

    @property
    def objects(self) -> Iterator[CheckedInput]:
        return (one for one in self.inputs if isinstance(one, CheckedInput))

    @property
    def ended(self) -> Iterator[EndedInput]:
        return (one for one in self.inputs if isinstance(one, EndedInput))

    @property
    def lamport(self) -> int:
        """The version of everything that the transaction writes."""
        ended = (one.ended.version for one in self.ended)
        return 1 + max((*(one.object.version for one in self.objects), *(one.version for one in self.gas), *ended))


def check(data: TransactionData, store: Store, rules: Rules) -> Checked:
    """Raises InputError."""
    kind = data.kind
    if not isinstance(kind, Programmable):
        raise errors.KindError("kind", "a programmable transaction", type(kind).__name__)
    check_alone(data, kind, rules)
    gas: tuple[Stored, ...] = ()
    if not data.gas.payment:
        gas = (mock_coin(data.gas.owner),)
        data = replace(data, gas=replace(data.gas, payment=(gas[0].reference,)))
    encoded = TRANSACTION_DATA.encode(data)
    most("transaction bytes", limits.TRANSACTION_BYTES_MAX, len(encoded))
    _no_duplicates(data, kind)
    find = _Finder(store, data.sender, rules.mode)
    inputs = tuple(find.input(one, index) for index, one in enumerate(kind.inputs))
    gas = gas or tuple(find.gas_coin(one, data.gas.owner) for one in data.gas.payment)
    balance = sum(int.from_bytes(one.contents[32:40], "little") for coin in gas if (one := coin.move) is not None)
    if balance < data.gas.budget:
        raise errors.GasBalanceError("gas payment", f"at least {data.gas.budget}", balance)
    packages = tuple(_package(one, store) for one in sorted({one for each in kind.commands for one in _named(each)}))
    return Checked(data, kind, digest(Hashed.TRANSACTION, encoded), inputs, gas, packages)


def _id_of(one: ObjectInput) -> bytes:
    match one.argument:
        case SharedInput(object_id):
            return object_id
        case OwnedInput(reference) | ReceivingInput(reference):
            return reference.object_id


def _no_duplicates(data: TransactionData, kind: Programmable) -> None:
    seen: set[bytes] = set()
    named = [_id_of(one) for one in kind.inputs if isinstance(one, ObjectInput)]
    for object_id in (*named, *(one.object_id for one in data.gas.payment)):
        if object_id in seen:
            raise errors.DuplicateError("inputs and gas", "every object once", f"0x{object_id.hex()} twice")
        seen.add(object_id)


@dataclass(frozen=True, slots=True)
class _Finder:
    """Looks up what a transaction names. Its methods raise InputError."""

    store: Store
    sender: bytes
    mode: Mode

    def input(self, one: Input, index: int) -> bytes | CheckedInput | EndedInput:
        place = f"input {index}"
        match one:
            case Pure(value):
                return value
            case ObjectInput(OwnedInput(reference)):
                return self._owned(self._exact(reference, place), place)
            case ObjectInput(SharedInput() as shared):
                found = self.store.get(shared.object_id)
                ended = find_ended(shared.object_id, self.store) if found is None else None
                if ended is not None:
                    return _ended(shared, ended, place)
                return self._shared(shared, _object(found, shared.object_id, place), place)
            case ObjectInput(ReceivingInput(reference)):
                sent = self._exact(reference, place)
                if not isinstance(sent.owner, AddressOwner):
                    raise errors.OwnerKindError(place, "an object that was sent to an address", sent.owner)
                return CheckedInput(sent, True, receiving=True)
            case _:
                raise errors.UnsupportedError(place, "a pure value or an object", type(one).__name__)

    def gas_coin(self, reference: ObjectRef, owner: bytes) -> Stored:
        found = self._exact(reference, "gas payment")
        if found.owner != AddressOwner(owner) and self.mode is not Mode.INSPECT:
            raise errors.OwnerError("gas payment", f"address 0x{owner.hex()}", found.owner)
        if found.type != GAS_COIN or not isinstance(found.owner, AddressOwner):
            raise errors.GasCoinError("gas payment", GAS_COIN, found.type)
        return found

    def _present(self, object_id: bytes, place: str) -> Stored:
        return _object(self.store.get(object_id), object_id, place)

    def _exact(self, reference: ObjectRef, place: str) -> Stored:
        if self.mode is Mode.INSPECT:
            past = self.store.at(reference.object_id, reference.version)
            if past is not None:
                return _object(past, reference.object_id, place)
        found = self._present(reference.object_id, place)
        if found.version != reference.version:
            raise errors.VersionError(place, found.version, reference.version)
        if found.digest != reference.digest:
            raise errors.DigestError(place, found.digest.hex(), reference.digest.hex())
        return found

    def _owned(self, found: Stored, place: str) -> CheckedInput:
        match found.owner:
            case AddressOwner(address):
                if address != self.sender and self.mode is not Mode.INSPECT:
                    raise errors.OwnerError(place, f"0x{self.sender.hex()}", f"0x{address.hex()}")
                return CheckedInput(found, True)
            case ImmutableOwner():
                return CheckedInput(found, False)
            case other:
                raise errors.OwnerKindError(place, "an object of an address, or an immutable one", other)

    def _shared(self, shared: SharedInput, found: Stored, place: str) -> CheckedInput:
        if not isinstance(found.owner, SharedOwner):
            raise errors.OwnerKindError(place, "a shared object", found.owner)
        if shared.mutability is Mutability.NON_EXCLUSIVE_WRITE:
            raise errors.UnsupportedError(place, "mutable or not", shared.mutability.name)
        mutable = shared.mutability is Mutability.MUTABLE
        if self.mode is Mode.INSPECT:
            return CheckedInput(found, mutable)
        if found.owner.initial_version != shared.initial_version:
            raise errors.InitialVersionError(place, found.owner.initial_version, shared.initial_version)
        if mutable and found.object_id in SYSTEM_OBJECTS:
            raise errors.MutabilityError(place, "a system object for reading", "for writing")
        return CheckedInput(found, mutable)


def _ended(shared: SharedInput, ended: Ended, place: str) -> EndedInput:
    if shared.mutability is Mutability.NON_EXCLUSIVE_WRITE:
        raise errors.UnsupportedError(place, "mutable or not", shared.mutability.name)
    if ended.initial_version != shared.initial_version:
        raise errors.InitialVersionError(place, ended.initial_version, shared.initial_version)
    return EndedInput(shared.object_id, ended, shared.mutability is Mutability.MUTABLE)


def _object(found: Stored | None, object_id: bytes, place: str) -> Stored:
    if found is None:
        raise errors.MissingObjectError(place, f"0x{object_id.hex()}", "no such object")
    if found.package is not None:
        raise errors.PackageError(place, "an object", f"package 0x{object_id.hex()}")
    return found


def _package(object_id: bytes, store: Store) -> Stored:
    found = store.get(object_id)
    if found is None:
        raise errors.MissingObjectError("commands", f"package 0x{object_id.hex()}", "no such object")
    if found.package is None:
        raise errors.PackageError("commands", "a package", f"object 0x{object_id.hex()}")
    return found


def _named(command: Command) -> Iterable[bytes]:
    """Ids of the packages that a command names."""
    match command:
        case MoveCall():
            yield command.package
            for one in command.type_arguments:
                yield from packages_of(one)
        case MakeMoveVec(type=element) if element is not None:
            yield from packages_of(element)
        case Publish() | Upgrade():
            yield from command.dependencies
            if isinstance(command, Upgrade):
                yield command.package

"""Checks of a transaction before it runs.

Invariant: what comes out of `check` names only objects that exist, in their present version, that the sender may use as
the transaction says; the gas coins are the gas owner's and cover the budget. Every refusal is an `InputError`.
Signatures are the caller's to check: nothing here knows who sent the transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from daas_chain.sui.digests import Hashed, digest
from daas_chain.sui.objects import SUI
from daas_chain.sui.transaction import (
    TRANSACTION_DATA,
    Command,
    ExpiresAfterEpoch,
    FundsWithdrawal,
    Input,
    MakeMoveVec,
    MergeCoins,
    MoveCall,
    Mutability,
    NeverExpires,
    ObjectInput,
    OwnedInput,
    Programmable,
    Publish,
    Pure,
    ReceivingInput,
    SharedInput,
    SplitCoins,
    TransactionData,
    TransferObjects,
    Upgrade,
)
from daas_chain.sui.types import (
    AddressOwner,
    ImmutableOwner,
    ObjectRef,
    SharedOwner,
    StructTag,
    TypeTag,
    VectorTag,
)

from . import errors, limits
from .objects import Stored
from .packages import packages_of
from .store import Store

FRAMEWORK = (2).to_bytes(32, "big")
GAS_COIN = StructTag(FRAMEWORK, "coin", "Coin", (SUI,))
SYSTEM_OBJECTS = frozenset(number.to_bytes(32, "big") for number in (5, 6, 7, 8, 0x403, 0xACC))
"""Shared objects that only the system changes."""


@dataclass(frozen=True, slots=True)
class CheckedInput:
    """An input object and what the transaction may do with it."""

    object: Stored
    mutable: bool
    receiving: bool = False


@dataclass(frozen=True, slots=True)
class Checked:
    """A transaction that may run. `inputs`: a pure argument's bytes or an object, as in the transaction."""

    data: TransactionData
    kind: Programmable
    digest: bytes
    inputs: tuple[bytes | CheckedInput, ...]
    gas: tuple[Stored, ...]
    packages: tuple[Stored, ...]
    """Those that commands name: they are dependencies of the transaction."""

    @property
    def objects(self) -> Iterator[CheckedInput]:
        return (one for one in self.inputs if isinstance(one, CheckedInput))

    @property
    def lamport(self) -> int:
        """The version of everything that the transaction writes."""
        return 1 + max((*(one.object.version for one in self.objects), *(one.version for one in self.gas)))


def check(data: TransactionData, store: Store, epoch: int, reference_price: int) -> Checked:
    """Raises InputError."""
    kind = data.kind
    if not isinstance(kind, Programmable):
        raise errors.KindError("kind", "a programmable transaction", type(kind).__name__)
    _expiration(data, epoch)
    _sizes(kind)
    _price(data, reference_price)
    encoded = TRANSACTION_DATA.encode(data)
    _most("transaction bytes", limits.TRANSACTION_BYTES_MAX, len(encoded))
    _no_duplicates(data, kind)
    inputs = tuple(_input(one, index, data.sender, store) for index, one in enumerate(kind.inputs))
    gas = tuple(_gas_coin(one, data.gas.owner, store) for one in data.gas.payment)
    balance = sum(int.from_bytes(one.contents[32:40], "little") for coin in gas if (one := coin.move) is not None)
    if balance < data.gas.budget:
        raise errors.GasBalanceError("gas payment", f"at least {data.gas.budget}", balance)
    packages = tuple(_package(one, store) for one in sorted({one for each in kind.commands for one in _named(each)}))
    return Checked(data, kind, digest(Hashed.TRANSACTION, encoded), inputs, gas, packages)


def _most(what: str, limit: int, actual: int) -> None:
    if actual > limit:
        raise errors.LimitError(what, f"at most {limit}", actual)


def _expiration(data: TransactionData, epoch: int) -> None:
    match data.expiration:
        case NeverExpires():
            pass
        case ExpiresAfterEpoch(last):
            if epoch > last:
                raise errors.ExpiredError("expiration", f"epoch {epoch} or later", last)
        case other:
            raise errors.UnsupportedError("expiration", "none or an epoch", type(other).__name__)


def _sizes(kind: Programmable) -> None:
    _most("commands", limits.COMMANDS_MAX, len(kind.commands))
    if not kind.commands:
        raise errors.LimitError("commands", "at least 1", 0)
    _most("input objects", limits.INPUT_OBJECTS_MAX, sum(isinstance(one, ObjectInput) for one in kind.inputs))
    for index, one in enumerate(kind.inputs):
        if isinstance(one, Pure):
            _most(f"bytes of input {index}", limits.PURE_BYTES_MAX, len(one.value))
        if isinstance(one, FundsWithdrawal):
            raise errors.UnsupportedError(f"input {index}", "a pure value or an object", "a withdrawal")
    for index, command in enumerate(kind.commands):
        _command(f"command {index}", command)


def _command(place: str, command: Command) -> None:
    count = 0
    match command:
        case MoveCall():
            _most(f"type arguments of {place}", limits.TYPE_ARGUMENTS_MAX, len(command.type_arguments))
            for one in command.type_arguments:
                _most(f"depth of a type in {place}", limits.TYPE_ARGUMENT_DEPTH_MAX, _depth(one))
            count = len(command.arguments)
        case TransferObjects():
            count = len(command.objects)
            _least(place, 1, count)
        case SplitCoins():
            count = len(command.amounts)
            _least(place, 1, count)
        case MergeCoins():
            count = len(command.others)
            _least(place, 1, count)
        case MakeMoveVec():
            count = len(command.elements)
            if command.type is None:
                _least(place, 1, count)
            else:
                _most(f"depth of a type in {place}", limits.TYPE_ARGUMENT_DEPTH_MAX, _depth(command.type))
        case Publish() | Upgrade():
            _least(place, 1, len(command.modules))
            _most(f"modules of {place}", limits.MODULES_MAX, len(command.modules))
            _most(f"dependencies of {place}", limits.DEPENDENCIES_MAX, len(command.dependencies))
    _most(f"arguments of {place}", limits.ARGUMENTS_MAX, count)


def _least(place: str, least: int, actual: int) -> None:
    if actual < least:
        raise errors.LimitError(f"arguments of {place}", f"at least {least}", actual)


def _depth(tag: TypeTag) -> int:
    match tag:
        case VectorTag(element):
            return 1 + _depth(element)
        case StructTag():
            return 1 + max((_depth(one) for one in tag.arguments), default=0)
        case _:
            return 1


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


def _price(data: TransactionData, reference_price: int) -> None:
    gas = data.gas
    if not gas.payment:
        raise errors.GasCoinError("gas payment", "at least one coin", "none")
    _most("gas coins", limits.GAS_COINS_MAX, len(gas.payment))
    if not reference_price <= gas.price <= limits.GAS_PRICE_MAX:
        raise errors.GasPriceError("gas price", f"{reference_price} to {limits.GAS_PRICE_MAX}", gas.price)
    least = limits.UNITS_MIN * gas.price
    if not least <= gas.budget <= limits.BUDGET_MAX:
        raise errors.GasBudgetError("gas budget", f"{least} to {limits.BUDGET_MAX}", gas.budget)


def _present(object_id: bytes, place: str, store: Store) -> Stored:
    found = store.get(object_id)
    if found is None:
        raise errors.MissingObjectError(place, f"0x{object_id.hex()}", "no such object")
    if found.package is not None:
        raise errors.PackageError(place, "an object", f"package 0x{object_id.hex()}")
    return found


def _exact(reference: ObjectRef, place: str, store: Store) -> Stored:
    found = _present(reference.object_id, place, store)
    if found.version != reference.version:
        raise errors.VersionError(place, found.version, reference.version)
    if found.digest != reference.digest:
        raise errors.DigestError(place, found.digest.hex(), reference.digest.hex())
    return found


def _input(one: Input, index: int, sender: bytes, store: Store) -> bytes | CheckedInput:
    place = f"input {index}"
    match one:
        case Pure(value):
            return value
        case ObjectInput(OwnedInput(reference)):
            return _owned(_exact(reference, place, store), place, sender)
        case ObjectInput(SharedInput() as shared):
            return _shared(shared, _present(shared.object_id, place, store), place)
        case ObjectInput(ReceivingInput(reference)):
            found = _exact(reference, place, store)
            if not isinstance(found.owner, AddressOwner):
                raise errors.OwnerKindError(place, "an object that was sent to an address", found.owner)
            return CheckedInput(found, True, receiving=True)
        case _:
            raise errors.UnsupportedError(place, "a pure value or an object", type(one).__name__)


def _owned(found: Stored, place: str, sender: bytes) -> CheckedInput:
    match found.owner:
        case AddressOwner(address):
            if address != sender:
                raise errors.OwnerError(place, f"0x{sender.hex()}", f"0x{address.hex()}")
            return CheckedInput(found, True)
        case ImmutableOwner():
            return CheckedInput(found, False)
        case other:
            raise errors.OwnerKindError(place, "an object of an address, or an immutable one", other)


def _shared(shared: SharedInput, found: Stored, place: str) -> CheckedInput:
    if not isinstance(found.owner, SharedOwner):
        raise errors.OwnerKindError(place, "a shared object", found.owner)
    if found.owner.initial_version != shared.initial_version:
        raise errors.InitialVersionError(place, found.owner.initial_version, shared.initial_version)
    if shared.mutability is Mutability.NON_EXCLUSIVE_WRITE:
        raise errors.UnsupportedError(place, "mutable or not", shared.mutability.name)
    mutable = shared.mutability is Mutability.MUTABLE
    if mutable and found.object_id in SYSTEM_OBJECTS:
        raise errors.MutabilityError(place, "a system object for reading", "for writing")
    return CheckedInput(found, mutable)


def _gas_coin(reference: ObjectRef, owner: bytes, store: Store) -> Stored:
    found = _exact(reference, "gas payment", store)
    if found.owner != AddressOwner(owner):
        raise errors.OwnerError("gas payment", f"address 0x{owner.hex()}", found.owner)
    if found.type != GAS_COIN:
        raise errors.GasCoinError("gas payment", GAS_COIN, found.type)
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

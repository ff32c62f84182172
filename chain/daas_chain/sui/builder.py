"""Programmable transactions put together over the strict codec: inputs once each, objects resolved when all is known.

Invariant: what `finish` gives is within the protocol's limits, names each object once with the widest access that any
command needs, and holds no object under a reference that the caller has not looked up. Nothing here reads a network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from . import transaction as tx
from .signatures import FunctionSignature, Passing
from .types import (
    AddressOwner,
    ConsensusAddressOwner,
    ImmutableOwner,
    ObjectOwner,
    ObjectRef,
    Owner,
    SharedOwner,
    TypeTag,
)

MAX_PURE_BYTES = 16_384
MAX_COMMAND_ARGUMENTS = 512
MAX_TYPE_ARGUMENTS = 16
MAX_GAS_COINS = 256
CLOCK_ID = bytes(31) + b"\x06"
CLOCK_VERSION = 1
"""The Clock is shared since genesis, and nobody but the system may write it."""
GAS = tx.GasCoin()
NEVER = tx.NeverExpires()


class BuilderError(ValueError):
    """A transaction that no network would take. Only subclasses are raised."""


class LimitError(BuilderError):
    def __init__(self, what: str, limit: int, actual: int) -> None:
        self.expected, self.actual = limit, actual
        super().__init__(f"{what}: at most {limit}, not {actual}; split the transaction")


class ArityError(BuilderError):
    def __init__(self, function: str, expected: int, actual: int) -> None:
        self.expected, self.actual = expected, actual
        super().__init__(f"{function} takes {expected} arguments, not {actual}")


class PassingError(BuilderError):
    """An object where the function wants a value, the reverse, or nothing that says how it is used."""

    def __init__(self, where: str, expected: str, actual: str) -> None:
        self.expected, self.actual = expected, actual
        super().__init__(f"{where}: expected {expected}, got {actual}")


class UnresolvedError(BuilderError):
    def __init__(self, object_id: bytes) -> None:
        self.object_id = object_id
        super().__init__(f"object 0x{object_id.hex()} was not looked up, or does not exist")


class OwnerError(BuilderError):
    """An object that the transaction may not use."""

    def __init__(self, object_id: bytes, expected: str, actual: str) -> None:
        self.object_id, self.expected, self.actual = object_id, expected, actual
        super().__init__(f"object 0x{object_id.hex()} has to be {expected}; it is {actual}")


class GasAsInputError(BuilderError):
    def __init__(self, object_id: bytes) -> None:
        self.object_id = object_id
        super().__init__(f"coin 0x{object_id.hex()} pays for gas and cannot be an input too; use the gas coin itself")


@dataclass(frozen=True, slots=True)
class Use:
    """An object as an argument; `passing` None takes it from the function's signature."""

    object_id: bytes
    passing: Passing | None = None


@dataclass(frozen=True, slots=True)
class Resolved:
    """An object as it stands on the network now."""

    reference: ObjectRef
    owner: Owner


CallArgument = tx.Argument | Use | bytes
"""The result of a command or an input, an object, or the BCS form of a pure value."""


@dataclass(slots=True)
class Builder:
    """Commands and inputs in the order in which they were asked for."""

    _inputs: list[tx.Pure | bytes] = field(default_factory=list)
    _pure: dict[bytes, int] = field(default_factory=dict)
    _objects: dict[bytes, tuple[int, Passing]] = field(default_factory=dict)
    _commands: list[tx.Command] = field(default_factory=list)
    split_from_gas: int = 0
    """MIST that commands split off the gas coin: it has to have them beside the budget."""

    def pure(self, value: bytes) -> tx.InputArgument:
        """`value`: in BCS."""
        if len(value) > MAX_PURE_BYTES:
            raise LimitError("bytes of a pure value", MAX_PURE_BYTES, len(value))
        index = self._pure.get(value)
        if index is None:
            index = self._pure[value] = len(self._inputs)
            self._inputs.append(tx.Pure(value))
        return tx.InputArgument(index)

    def object(self, object_id: bytes, passing: Passing) -> tx.InputArgument:
        """The same object twice is one input with the wider access."""
        index, known = self._objects.get(object_id, (len(self._inputs), passing))
        if (known is Passing.RECEIVING) != (passing is Passing.RECEIVING):
            raise PassingError(f"object 0x{object_id.hex()}", f"{known.name} as before", passing.name)
        if object_id not in self._objects:
            self._inputs.append(object_id)
        self._objects[object_id] = (index, max(known, passing))
        return tx.InputArgument(index)

    def clock(self) -> tx.InputArgument:
        return self.object(CLOCK_ID, Passing.READ)

    @property
    def unresolved(self) -> tuple[bytes, ...]:
        """Ids that `finish` has to be given."""
        return tuple(object_id for object_id in self._objects if object_id != CLOCK_ID)

    def call(
        self,
        package: bytes,
        module: str,
        function: str,
        arguments: Sequence[CallArgument] = (),
        types: Sequence[TypeTag] = (),
        signature: FunctionSignature | None = None,
    ) -> tx.Result:
        """`signature` says how objects are passed, and how many arguments there are."""
        where = f"{module}::{function}"
        if signature is not None and len(arguments) != len(signature.parameters):
            raise ArityError(where, len(signature.parameters), len(arguments))
        _limit("type arguments", MAX_TYPE_ARGUMENTS, len(types))
        passed = []
        for place, argument in enumerate(arguments):
            wanted = None if signature is None else signature.parameters[place]
            passed.append(self._argument(f"{where}, argument {place}", argument, wanted))
        return self._add(tx.MoveCall(package, module, function, tuple(types), self._checked(passed)))

    def _argument(self, where: str, argument: CallArgument, wanted: Passing | None) -> tx.Argument:
        match argument:
            case bytes():
                if wanted not in (None, Passing.PURE):
                    raise PassingError(where, "an object", "a pure value")
                return self.pure(argument)
            case Use(object_id, passing):
                if wanted is Passing.PURE:
                    raise PassingError(where, "a pure value", "an object")
                chosen = passing or wanted
                if chosen is None:
                    raise PassingError(where, "a signature, or how the object is passed", "neither")
                return self.object(object_id, chosen)
            case _:
                return argument

    def split(self, coin: tx.Argument, amounts: Sequence[int]) -> tuple[tx.NestedResult, ...]:
        """One coin for each amount, in MIST or what the coin counts."""
        if coin == GAS:
            self.split_from_gas += sum(amounts)
        values = [self.pure(amount.to_bytes(8, "little")) for amount in amounts]
        command = self._add(tx.SplitCoins(coin, self._checked(values))).command
        return tuple(tx.NestedResult(command, index) for index in range(len(amounts)))

    def merge(self, coin: tx.Argument, others: Sequence[tx.Argument]) -> None:
        self._add(tx.MergeCoins(coin, self._checked(others)))

    def transfer(self, objects: Sequence[tx.Argument], recipient: bytes) -> None:
        self._add(tx.TransferObjects(self._checked(objects), self.pure(recipient)))

    def vector(self, type_tag: TypeTag | None, elements: Sequence[tx.Argument]) -> tx.Result:
        """`type_tag` may be left out only where an element says it."""
        return self._add(tx.MakeMoveVec(type_tag, self._checked(elements)))

    def publish(self, modules: Sequence[bytes], dependencies: Sequence[bytes]) -> tx.Result:
        """Gives the UpgradeCap, which has to be transferred or used."""
        return self._add(tx.Publish(tuple(modules), tuple(dependencies)))

    def upgrade(
        self, modules: Sequence[bytes], dependencies: Sequence[bytes], package: bytes, ticket: tx.Argument
    ) -> tx.Result:
        return self._add(tx.Upgrade(tuple(modules), tuple(dependencies), package, ticket))

    def _checked(self, arguments: Sequence[tx.Argument]) -> tuple[tx.Argument, ...]:
        _limit("arguments of a command", MAX_COMMAND_ARGUMENTS, len(arguments))
        return tuple(arguments)

    def _add(self, command: tx.Command) -> tx.Result:
        _limit("commands", tx.MAX_COMMANDS, len(self._commands) + 1)
        self._commands.append(command)
        return tx.Result(len(self._commands) - 1)

    def finish(self, resolved: Mapping[bytes, Resolved], sender: bytes) -> tx.Programmable:
        """Raises `UnresolvedError`, `OwnerError`, `LimitError`."""
        _limit("inputs", tx.MAX_INPUTS, len(self._inputs))
        inputs: list[tx.Input] = []
        for item in self._inputs:
            if isinstance(item, tx.Pure):
                inputs.append(item)
                continue
            passing = self._objects[item][1]
            if item == CLOCK_ID:
                inputs.append(tx.ObjectInput(tx.SharedInput(CLOCK_ID, CLOCK_VERSION, tx.Mutability.IMMUTABLE)))
                continue
            found = resolved.get(item)
            if found is None or found.reference.object_id != item:
                raise UnresolvedError(item)
            inputs.append(tx.ObjectInput(_object_argument(found, passing, sender)))
        return tx.Programmable(tuple(inputs), tuple(self._commands))


def _object_argument(
    found: Resolved, passing: Passing, sender: bytes
) -> tx.OwnedInput | tx.SharedInput | tx.ReceivingInput:
    object_id = found.reference.object_id
    if passing is Passing.RECEIVING:
        if not isinstance(found.owner, AddressOwner):
            raise OwnerError(object_id, "sent to an object", type(found.owner).__name__)
        return tx.ReceivingInput(found.reference)
    mutability = tx.Mutability.IMMUTABLE if passing is Passing.READ else tx.Mutability.MUTABLE
    match found.owner:
        case SharedOwner(version):
            return tx.SharedInput(object_id, version, mutability)
        case ConsensusAddressOwner(version, address):
            _check_owner(object_id, address, sender)
            return tx.SharedInput(object_id, version, mutability)
        case AddressOwner(address):
            _check_owner(object_id, address, sender)
            return tx.OwnedInput(found.reference)
        case ImmutableOwner():
            if passing is not Passing.READ:
                raise OwnerError(object_id, "mutable", "frozen")
            return tx.OwnedInput(found.reference)
        case ObjectOwner(parent):
            raise OwnerError(object_id, "usable by a transaction", f"inside object 0x{parent.hex()}")


def _check_owner(object_id: bytes, owner: bytes, sender: bytes) -> None:
    if owner != sender:
        raise OwnerError(object_id, f"owned by the sender 0x{sender.hex()}", f"owned by 0x{owner.hex()}")


def _limit(what: str, limit: int, actual: int) -> None:
    if actual > limit:
        raise LimitError(what, limit, actual)


def encode(programmable: tx.Programmable, sender: bytes, gas: tx.GasData, expiration: tx.Expiration = NEVER) -> bytes:
    """bcs(TransactionData), the bytes that are signed and hashed. Raises `LimitError`, `GasAsInputError`."""
    _limit("gas coins", MAX_GAS_COINS, len(gas.payment))
    paying = {reference.object_id for reference in gas.payment}
    for item in programmable.inputs:
        match item:
            case tx.ObjectInput(tx.OwnedInput(reference) | tx.ReceivingInput(reference)):
                if reference.object_id in paying:
                    raise GasAsInputError(reference.object_id)
    data = tx.TRANSACTION_DATA.encode(tx.TransactionData(programmable, sender, gas, expiration))
    _limit("bytes of a transaction", tx.MAX_TRANSACTION_BYTES, len(data))
    return data

"""Unresolved transactions: what a client leaves out of a transaction is found in the state.

Invariant: what a client did say holds: another version or digest of an object than it named fails the call. Whether a
shared object is written follows from the functions that take it.
Source: `simulate/resolve` of crates/sui-rpc-api, MystenLabs/sui.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from daas_chain.bytecode_types import Kind, Module, Token
from daas_chain.sui import transaction as tx
from daas_chain.sui.types import (
    AddressOwner,
    ConsensusAddressOwner,
    ImmutableOwner,
    ObjectRef,
    SharedOwner,
)
from daas_localnet.ledger.limits import BUDGET_MAX
from daas_localnet.ledger.objects import Stored
from daas_localnet.ledger.packages import Packages
from daas_localnet.ledger.store import Store

from . import objects, reading, texts
from .errors import invalid, missing, not_found, refused
from .literals import encode_literal
from .proto import v2

_INPUT = v2.InputInputKind
_RECEIVING = ((2).to_bytes(32, "big"), "transfer", "Receiving")


@dataclass(frozen=True, slots=True)
class Resolved:
    """`budget_given`: the client named it, so it stays."""

    data: tx.TransactionData
    budget_given: bool


class Resolver:
    """For one transaction. `exact`: nothing may be missing, nothing is looked up: it is what somebody has signed."""

    def __init__(self, store: Store, packages: Packages, price: int, *, exact: bool = False) -> None:
        self._exact = exact
        self._store = store
        self._packages = packages
        self._price = price
        self._commands: tuple[tx.Command, ...] = ()

    def transaction(self, message: v2.Transaction) -> Resolved:
        """Raises RpcError."""
        if message.bcs is not None:
            return Resolved(reading.data_from_bcs(message.bcs), True)
        sender = texts.address(message.sender, "transaction.sender")
        block = None if message.kind is None else message.kind.programmable_transaction
        if block is None:
            raise missing("transaction.kind.programmable_transaction")
        self._commands = tuple(reading.command(one, index) for index, one in enumerate(block.commands))
        inputs = tuple(self._input(one, index) for index, one in enumerate(block.inputs))
        gas, given = self._gas(message.gas_payment, sender)
        kind = tx.Programmable(inputs, self._commands)
        data = tx.TransactionData(kind, sender, gas, reading.expiration(message.expiration))
        return Resolved(reading.complete(data), given)

    def _gas(self, message: v2.GasPayment | None, sender: bytes) -> tuple[tx.GasData, bool]:
        if self._exact:
            return _exact_gas(message), True
        if message is None:
            return tx.GasData((), sender, self._price, BUDGET_MAX), False
        coins = [self._coin(one) for one in message.objects]
        most = min(sum(value for _, value in coins), BUDGET_MAX) if coins else BUDGET_MAX
        owner = sender if message.owner is None else texts.address(message.owner, "transaction.gas_payment.owner")
        price = self._price if message.price is None else message.price
        budget = most if message.budget is None else message.budget
        return tx.GasData(tuple(one for one, _ in coins), owner, price, budget), message.budget is not None

    def _coin(self, message: v2.ObjectReference) -> tuple[ObjectRef, int]:
        found = self._object(message.object_id, "transaction.gas_payment.objects")
        if found.move is None or not objects.is_coin(found.type):
            raise invalid("payment", f"object {texts.hexadecimal(found.object_id)} is not a valid gas coin")
        return _reference(found, message.version, message.digest), objects.balance(found.move)

    def _object(self, text: str | None, field: str) -> Stored:
        object_id = texts.address(text, field)
        found = self._store.get(object_id)
        if found is None:
            raise not_found(f"Object {texts.hexadecimal(object_id)} not found")
        return found

    def _input(self, message: v2.Input, index: int) -> tx.Input:
        field = f"transaction.kind.programmable_transaction.inputs[{index}]"
        named = message.object_id is not None
        kind = message.kind or None
        if message.pure is not None and not named and kind in (None, _INPUT.PURE):
            return tx.Pure(message.pure)
        if message.literal is not None and not named and message.pure is None and kind is None and not self._exact:
            return tx.Pure(encode_literal(message.literal, self._parameters(index), self._packages, field))
        if not named or message.pure is not None or message.literal is not None:
            raise invalid(field, "invalid unresolved input argument")
        if self._exact:
            return tx.ObjectInput(_exact_input(message, field))
        found = self._object(message.object_id, f"{field}.object_id")
        match kind:
            case _INPUT.IMMUTABLE_OR_OWNED:
                return tx.ObjectInput(tx.OwnedInput(_reference(found, message.version, message.digest)))
            case _INPUT.RECEIVING:
                return tx.ObjectInput(tx.ReceivingInput(_reference(found, message.version, message.digest)))
            case _INPUT.SHARED:
                return tx.ObjectInput(self._shared(found, index))
            case None:
                return tx.ObjectInput(self._any(found, message, index))
        raise invalid(field, "invalid unresolved input argument")

    def _any(self, found: Stored, message: v2.Input, index: int) -> tx.OwnedInput | tx.SharedInput | tx.ReceivingInput:
        match found.owner:
            case SharedOwner() | ConsensusAddressOwner():
                return self._shared(found, index)
            case ImmutableOwner():
                return tx.OwnedInput(_reference(found, message.version, message.digest))
            case AddressOwner():
                reference = _reference(found, message.version, message.digest)
                if any(_is_receiving(module, token) for module, token in self._parameters(index)):
                    return tx.ReceivingInput(reference)
                return tx.OwnedInput(reference)
        raise refused(f"object {texts.hexadecimal(found.object_id)} is object owned and cannot be used as an input")

    def _shared(self, found: Stored, index: int) -> tx.SharedInput:
        if not isinstance(found.owner, SharedOwner):
            raise refused(f"object {texts.hexadecimal(found.object_id)} is not a shared or consensus object")
        how = tx.Mutability.MUTABLE if self._is_written(index) else tx.Mutability.IMMUTABLE
        return tx.SharedInput(found.object_id, found.owner.initial_version, how)

    def _is_written(self, index: int) -> bool:
        wanted = tx.InputArgument(index)
        for one in self._commands:
            match one:
                case tx.SplitCoins(coin) if coin == wanted:
                    return True
                case tx.MergeCoins(coin, others) if coin == wanted or wanted in others:
                    return True
                case tx.MakeMoveVec(_, elements) if wanted in elements:
                    return True
        by_value = (Kind.DATATYPE, Kind.DATATYPE_INSTANCE)
        return any(token.kind in (Kind.MUTABLE_REFERENCE, *by_value) for _, token in self._parameters(index))

    def _parameters(self, index: int) -> Iterator[tuple[Module, Token]]:
        """The types of the parameters that an input is given to, and the modules that they are spelt in."""
        wanted = tx.InputArgument(index)
        for one in self._commands:
            if isinstance(one, tx.MoveCall) and wanted in one.arguments:
                module, parameters = self._signature(one)
                for position, argument in enumerate(one.arguments):
                    if argument == wanted:
                        if position >= len(parameters):
                            raise refused("invalid input parameter")
                        yield module, parameters[position]

    def _signature(self, call: tx.MoveCall) -> tuple[Module, tuple[Token, ...]]:
        package = self._packages.get(call.package)
        if package is None:
            raise not_found(f"Object {texts.hexadecimal(call.package)} not found")
        module = package.modules.get(call.module)
        for definition in () if module is None else module.functions:
            assert module is not None
            handle = module.function_handles[definition.handle]
            if module.identifiers[handle.name] == call.function:
                return module, module.signatures[handle.parameters]
        name = f"{texts.hexadecimal(call.package)}::{call.module[:128]}::{call.function[:128]}"
        raise refused(f"unable to find function {name}")


def _exact_gas(message: v2.GasPayment | None) -> tx.GasData:
    field = "transaction.gas_payment"
    if message is None or message.price is None or message.budget is None:
        raise missing(field if message is None else f"{field}.price and {field}.budget")
    coins = tuple(_exact_reference(one, f"{field}.objects") for one in message.objects)
    return tx.GasData(coins, texts.address(message.owner, f"{field}.owner"), message.price, message.budget)


def _exact_input(message: v2.Input, field: str) -> tx.OwnedInput | tx.SharedInput | tx.ReceivingInput:
    match message.kind:
        case _INPUT.IMMUTABLE_OR_OWNED:
            return tx.OwnedInput(_exact_reference(message, field))
        case _INPUT.RECEIVING:
            return tx.ReceivingInput(_exact_reference(message, field))
        case _INPUT.SHARED if message.version is not None:
            written = message.mutability == v2.InputMutability.MUTABLE if message.mutability else bool(message.mutable)
            how = tx.Mutability.MUTABLE if written else tx.Mutability.IMMUTABLE
            return tx.SharedInput(texts.address(message.object_id, f"{field}.object_id"), message.version, how)
    raise invalid(field, "invalid input: an object with its kind, version and digest")


def _exact_reference(message: v2.Input | v2.ObjectReference, field: str) -> ObjectRef:
    if message.version is None:
        raise missing(f"{field}.version")
    object_id = texts.address(message.object_id, f"{field}.object_id")
    return ObjectRef(object_id, message.version, texts.digest(message.digest, f"{field}.digest"))


def _is_receiving(module: Module, token: Token) -> bool:
    if token.kind is not Kind.DATATYPE_INSTANCE:
        return False
    handle = module.datatype_handles[token.index]
    owner = module.module_handles[handle.module]
    return (
        module.addresses[owner.address],
        module.identifiers[owner.name],
        module.identifiers[handle.name],
    ) == _RECEIVING


def _reference(found: Stored, version: int | None, digest: str | None) -> ObjectRef:
    if not isinstance(found.owner, AddressOwner | ImmutableOwner):
        raise refused(f"object {texts.hexadecimal(found.object_id)} is not Immutable or AddressOwned")
    if version is not None and version != found.version:
        raise refused(f"provided version doesn't match, provided: {version} actual: {found.version}")
    if digest is not None and texts.digest(digest, "digest") != found.digest:
        raise refused(f"provided digest doesn't match, actual: {texts.digest_text(found.digest)}")
    return found.reference

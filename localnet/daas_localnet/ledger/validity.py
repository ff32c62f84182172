"""Checks of a transaction alone, before the ledger is looked at.

Invariant: what passes is within the protocol's limits and may run in this epoch on this chain, at a price that pays.
Source: `validity_check` in crates/sui-types/src/transaction.rs of MystenLabs/sui. Its nonce is not looked at: it makes
two transactions that are otherwise equal differ, and no transaction runs twice because its gas coin has changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from daas_chain.sui.transaction import (
    Command,
    ExpiresAfterEpoch,
    FundsWithdrawal,
    MakeMoveVec,
    MergeCoins,
    MoveCall,
    NeverExpires,
    ObjectInput,
    Programmable,
    Publish,
    Pure,
    SplitCoins,
    TransactionData,
    TransferObjects,
    Upgrade,
    ValidDuring,
    Validity,
)
from daas_chain.sui.types import StructTag, TypeTag, VectorTag

from . import errors, limits


class Mode(Enum):
    """Why a transaction is run."""

    EXECUTE = "execute"
    SIMULATE = "simulate"
    """As it would be executed; it may have expired, and needs no gas coin."""
    INSPECT = "inspect"
    """For what it returns: whoever owns the objects, and whatever a program may not do in earnest."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a transaction is checked against. `chain`: digest of the first checkpoint."""

    epoch: int
    reference_price: int
    chain: bytes
    mode: Mode = Mode.EXECUTE


def check_alone(data: TransactionData, kind: Programmable, rules: Rules) -> None:
    """Raises InputError."""
    if rules.mode is Mode.EXECUTE:
        _expiration(data, rules)
    _sizes(kind)
    _price(data, rules)


def most(what: str, limit: int, actual: int) -> None:
    """Raises LimitError."""
    if actual > limit:
        raise errors.LimitError(what, f"at most {limit}", actual)


def _expiration(data: TransactionData, rules: Rules) -> None:
    match data.expiration:
        case NeverExpires():
            pass
        case ExpiresAfterEpoch(last):
            if rules.epoch > last:
                raise errors.ExpiredError("expiration", f"epoch {rules.epoch} or later", last)
        case ValidDuring() | Validity() as valid:
            _valid(valid, rules)


def _valid(valid: ValidDuring | Validity, rules: Rules) -> None:
    first, last = valid.min_epoch, valid.max_epoch
    if valid.min_timestamp is not None or valid.max_timestamp is not None:
        raise errors.UnsupportedError("expiration", "epochs", "timestamps")
    if isinstance(valid, Validity) and valid.allowed_proposers is not None:
        raise errors.UnsupportedError("expiration", "any proposer", "some proposers")
    if first is None or last is None:
        raise errors.UnsupportedError("expiration", "a first and a last epoch", (first, last))
    if last not in (first, first + 1):
        raise errors.UnsupportedError("expiration", f"epoch {first} or the one after it as the last", last)
    if valid.chain != rules.chain:
        raise errors.ChainError("expiration", rules.chain.hex(), valid.chain.hex())
    if not first <= rules.epoch <= last:
        raise errors.ExpiredError("expiration", f"epoch {rules.epoch}", f"{first} to {last}")


def _sizes(kind: Programmable) -> None:
    most("commands", limits.COMMANDS_MAX, len(kind.commands))
    if not kind.commands:
        raise errors.LimitError("commands", "at least 1", 0)
    most("input objects", limits.INPUT_OBJECTS_MAX, sum(isinstance(one, ObjectInput) for one in kind.inputs))
    for index, one in enumerate(kind.inputs):
        if isinstance(one, Pure):
            most(f"bytes of input {index}", limits.PURE_BYTES_MAX, len(one.value))
        if isinstance(one, FundsWithdrawal):
            raise errors.UnsupportedError(f"input {index}", "a pure value or an object", "a withdrawal")
    for index, command in enumerate(kind.commands):
        _command(f"command {index}", command)


def _command(place: str, command: Command) -> None:
    count = 0
    match command:
        case MoveCall():
            most(f"type arguments of {place}", limits.TYPE_ARGUMENTS_MAX, len(command.type_arguments))
            for one in command.type_arguments:
                most(f"depth of a type in {place}", limits.TYPE_ARGUMENT_DEPTH_MAX, _depth(one))
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
                most(f"depth of a type in {place}", limits.TYPE_ARGUMENT_DEPTH_MAX, _depth(command.type))
        case Publish() | Upgrade():
            _least(place, 1, len(command.modules))
            most(f"modules of {place}", limits.MODULES_MAX, len(command.modules))
            most(f"dependencies of {place}", limits.DEPENDENCIES_MAX, len(command.dependencies))
    most(f"arguments of {place}", limits.ARGUMENTS_MAX, count)


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


def _price(data: TransactionData, rules: Rules) -> None:
    gas = data.gas
    if not gas.payment and rules.mode is Mode.EXECUTE:
        raise errors.GasCoinError("gas payment", "at least one coin", "none")
    most("gas coins", limits.GAS_COINS_MAX, len(gas.payment))
    if not rules.reference_price <= gas.price <= limits.GAS_PRICE_MAX:
        raise errors.GasPriceError("gas price", f"{rules.reference_price} to {limits.GAS_PRICE_MAX}", gas.price)
    least = 0 if rules.mode is Mode.INSPECT else limits.UNITS_MIN * gas.price
    if not least <= gas.budget <= limits.BUDGET_MAX:
        raise errors.GasBudgetError("gas budget", f"{least} to {limits.BUDGET_MAX}", gas.budget)

"""Transactions as users sign them: commands over inputs, gas, expiration.

Invariant: names in commands are plain text here, because a validator takes any text and lets execution fail on it.
Source: `transaction/mod.rs` of MystenLabs/sui-rust-sdk.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from .codec import U16, U32, U64, Codec, enumeration, fixed, octets, option, struct, text, union, vector
from .system_transaction import (
    SYSTEM_KINDS,
    AuthenticatorStateUpdate,
    ChangeEpoch,
    CommitPrologueV1,
    CommitPrologueV2,
    CommitPrologueV3,
    CommitPrologueV4,
    EndOfEpochTransaction,
    Genesis,
    RandomnessStateUpdate,
)
from .types import ADDRESS, DIGEST, OBJECT_REF, TYPE_TAG, ObjectRef, TypeTag

MAX_TRANSACTION_BYTES = 131_072
MAX_SYSTEM_TRANSACTION_BYTES = 33_554_432
"""The end of an epoch may publish the whole framework; a checkpoint with it stays below 31,457,280."""
MAX_INPUTS = 2_048
MAX_COMMANDS = 1_024
MAX_ARGUMENTS = 2_048
MAX_PURE_BYTES = MAX_TRANSACTION_BYTES
MAX_MODULE_BYTES = MAX_TRANSACTION_BYTES
MAX_MODULES = 256
MAX_DEPENDENCIES = 256
MAX_TYPE_ARGUMENTS = 64
MAX_NAME_BYTES = 1_024
MAX_GAS_COINS = 512
MAX_PROPOSERS = 1_000
MAX_SIGNATURES = 32
MAX_SIGNATURE_BYTES = 131_072
INTENT = bytes(3)
"""Scope transaction, version 0, application Sui."""


class Mutability(IntEnum):
    IMMUTABLE = 0
    MUTABLE = 1
    NON_EXCLUSIVE_WRITE = 2


@dataclass(frozen=True, slots=True)
class Pure:
    value: bytes


@dataclass(frozen=True, slots=True)
class OwnedInput:
    reference: ObjectRef


@dataclass(frozen=True, slots=True)
class SharedInput:
    object_id: bytes
    initial_version: int
    mutability: Mutability


@dataclass(frozen=True, slots=True)
class ReceivingInput:
    reference: ObjectRef


@dataclass(frozen=True, slots=True)
class ObjectInput:
    argument: OwnedInput | SharedInput | ReceivingInput


@dataclass(frozen=True, slots=True)
class Reservation:
    amount: int


@dataclass(frozen=True, slots=True)
class BalanceWithdrawal:
    coin: TypeTag


@dataclass(frozen=True, slots=True)
class FromSender:
    pass


@dataclass(frozen=True, slots=True)
class FromSponsor:
    pass


@dataclass(frozen=True, slots=True)
class FromAllowance:
    funder: bytes
    allowance: bytes


@dataclass(frozen=True, slots=True)
class FundsWithdrawal:
    reservation: Reservation
    type: BalanceWithdrawal
    source: FromSender | FromSponsor | FromAllowance


Input = Pure | ObjectInput | FundsWithdrawal


@dataclass(frozen=True, slots=True)
class GasCoin:
    pass


@dataclass(frozen=True, slots=True)
class InputArgument:
    index: int


@dataclass(frozen=True, slots=True)
class Result:
    command: int


@dataclass(frozen=True, slots=True)
class NestedResult:
    command: int
    index: int


Argument = GasCoin | InputArgument | Result | NestedResult


@dataclass(frozen=True, slots=True)
class MoveCall:
    package: bytes
    module: str
    function: str
    type_arguments: tuple[TypeTag, ...]
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class TransferObjects:
    objects: tuple[Argument, ...]
    address: Argument


@dataclass(frozen=True, slots=True)
class SplitCoins:
    coin: Argument
    amounts: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class MergeCoins:
    coin: Argument
    others: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Publish:
    modules: tuple[bytes, ...]
    dependencies: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class MakeMoveVec:
    type: TypeTag | None
    elements: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Upgrade:
    modules: tuple[bytes, ...]
    dependencies: tuple[bytes, ...]
    package: bytes
    ticket: Argument


Command = MoveCall | TransferObjects | SplitCoins | MergeCoins | Publish | MakeMoveVec | Upgrade


@dataclass(frozen=True, slots=True)
class Programmable:
    inputs: tuple[Input, ...]
    commands: tuple[Command, ...]


@dataclass(frozen=True, slots=True)
class ProgrammableSystem:
    """A programmable transaction that the validators themselves make: settlement of accumulators."""

    inputs: tuple[Input, ...]
    commands: tuple[Command, ...]


TransactionKind = (
    Programmable
    | ChangeEpoch
    | Genesis
    | CommitPrologueV1
    | AuthenticatorStateUpdate
    | EndOfEpochTransaction
    | RandomnessStateUpdate
    | CommitPrologueV2
    | CommitPrologueV3
    | CommitPrologueV4
    | ProgrammableSystem
)


@dataclass(frozen=True, slots=True)
class GasData:
    payment: tuple[ObjectRef, ...]
    owner: bytes
    price: int
    budget: int


@dataclass(frozen=True, slots=True)
class NeverExpires:
    pass


@dataclass(frozen=True, slots=True)
class ExpiresAfterEpoch:
    epoch: int


@dataclass(frozen=True, slots=True)
class ValidDuring:
    min_epoch: int | None
    max_epoch: int | None
    min_timestamp: int | None
    max_timestamp: int | None
    chain: bytes
    nonce: int


@dataclass(frozen=True, slots=True)
class AllowedProposers:
    epoch: int
    proposers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Validity:
    min_epoch: int | None
    max_epoch: int | None
    min_timestamp: int | None
    max_timestamp: int | None
    chain: bytes
    nonce: int
    allowed_proposers: AllowedProposers | None


Expiration = NeverExpires | ExpiresAfterEpoch | ValidDuring | Validity


@dataclass(frozen=True, slots=True)
class TransactionData:
    kind: TransactionKind
    sender: bytes
    gas: GasData
    expiration: Expiration


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """`intent` is three zero bytes in every transaction there is."""

    intent: bytes
    data: TransactionData
    signatures: tuple[bytes, ...]


_TEXT = text(MAX_NAME_BYTES)
ARGUMENT: Codec[Argument] = union(
    "Argument",
    {
        GasCoin: struct(GasCoin),
        InputArgument: struct(InputArgument, index=U16),
        Result: struct(Result, command=U16),
        NestedResult: struct(NestedResult, command=U16, index=U16),
    },
)
_ARGUMENTS = vector(ARGUMENT, MAX_ARGUMENTS)
_OBJECT_ARGUMENT: Codec[OwnedInput | SharedInput | ReceivingInput] = union(
    "ObjectArg",
    {
        OwnedInput: struct(OwnedInput, reference=OBJECT_REF),
        SharedInput: struct(SharedInput, object_id=ADDRESS, initial_version=U64, mutability=enumeration(Mutability)),
        ReceivingInput: struct(ReceivingInput, reference=OBJECT_REF),
    },
)
_WITHDRAWAL = struct(
    FundsWithdrawal,
    reservation=union("Reservation", {Reservation: struct(Reservation, amount=U64)}),
    type=union("WithdrawalType", {BalanceWithdrawal: struct(BalanceWithdrawal, coin=TYPE_TAG)}),
    source=union(
        "WithdrawFrom",
        {
            FromSender: struct(FromSender),
            FromSponsor: struct(FromSponsor),
            FromAllowance: struct(FromAllowance, funder=ADDRESS, allowance=ADDRESS),
        },
    ),
)
INPUT: Codec[Input] = union(
    "CallArg",
    {
        Pure: struct(Pure, value=octets(MAX_PURE_BYTES)),
        ObjectInput: struct(ObjectInput, argument=_OBJECT_ARGUMENT),
        FundsWithdrawal: _WITHDRAWAL,
    },
)
_MODULES = vector(octets(MAX_MODULE_BYTES), MAX_MODULES)
_DEPENDENCIES = vector(ADDRESS, MAX_DEPENDENCIES)
COMMAND: Codec[Command] = union(
    "Command",
    {
        MoveCall: struct(
            MoveCall,
            package=ADDRESS,
            module=_TEXT,
            function=_TEXT,
            type_arguments=vector(TYPE_TAG, MAX_TYPE_ARGUMENTS),
            arguments=_ARGUMENTS,
        ),
        TransferObjects: struct(TransferObjects, objects=_ARGUMENTS, address=ARGUMENT),
        SplitCoins: struct(SplitCoins, coin=ARGUMENT, amounts=_ARGUMENTS),
        MergeCoins: struct(MergeCoins, coin=ARGUMENT, others=_ARGUMENTS),
        Publish: struct(Publish, modules=_MODULES, dependencies=_DEPENDENCIES),
        MakeMoveVec: struct(MakeMoveVec, type=option(TYPE_TAG), elements=_ARGUMENTS),
        Upgrade: struct(Upgrade, modules=_MODULES, dependencies=_DEPENDENCIES, package=ADDRESS, ticket=ARGUMENT),
    },
)
_INPUTS = vector(INPUT, MAX_INPUTS)
_COMMANDS = vector(COMMAND, MAX_COMMANDS)
TRANSACTION_KIND: Codec[TransactionKind] = union(
    "TransactionKind",
    {
        Programmable: struct(Programmable, inputs=_INPUTS, commands=_COMMANDS),
        **SYSTEM_KINDS,
        ProgrammableSystem: struct(ProgrammableSystem, inputs=_INPUTS, commands=_COMMANDS),
    },
)
_OPTIONAL = option(U64)
EXPIRATION: Codec[Expiration] = union(
    "TransactionExpiration",
    {
        NeverExpires: struct(NeverExpires),
        ExpiresAfterEpoch: struct(ExpiresAfterEpoch, epoch=U64),
        ValidDuring: struct(
            ValidDuring,
            min_epoch=_OPTIONAL,
            max_epoch=_OPTIONAL,
            min_timestamp=_OPTIONAL,
            max_timestamp=_OPTIONAL,
            chain=DIGEST,
            nonce=U32,
        ),
        Validity: struct(
            Validity,
            min_epoch=_OPTIONAL,
            max_epoch=_OPTIONAL,
            min_timestamp=_OPTIONAL,
            max_timestamp=_OPTIONAL,
            chain=DIGEST,
            nonce=U32,
            allowed_proposers=option(struct(AllowedProposers, epoch=U64, proposers=vector(U32, MAX_PROPOSERS))),
        ),
    },
)
TRANSACTION_DATA: Codec[TransactionData] = union(
    "TransactionData",
    {
        TransactionData: struct(
            TransactionData,
            kind=TRANSACTION_KIND,
            sender=ADDRESS,
            gas=struct(GasData, payment=vector(OBJECT_REF, MAX_GAS_COINS), owner=ADDRESS, price=U64, budget=U64),
            expiration=EXPIRATION,
        )
    },
)
SENDER_SIGNED_DATA: Codec[tuple[SignedTransaction, ...]] = vector(
    struct(
        SignedTransaction,
        intent=fixed(len(INTENT)),
        data=TRANSACTION_DATA,
        signatures=vector(octets(MAX_SIGNATURE_BYTES), MAX_SIGNATURES),
    ),
    1,
)
"""A vector for reasons of history; it has exactly one item."""

"""What the client gives: our own types, each beside the bytes that it was decoded from.

Invariant: a value here has passed the check of its digest or says in its docstring that the node alone vouches for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from daas_chain.sui.checkpoint import CheckpointSummary, CommitteeRecord
from daas_chain.sui.effects import Effects
from daas_chain.sui.events import Event
from daas_chain.sui.objects import MoveObject, Object
from daas_chain.sui.status import Failure
from daas_chain.sui.transaction import TransactionData
from daas_chain.sui.types import ObjectRef, StructTag

COIN_BALANCE_OFFSET = 32
"""A coin's contents: its id, then the balance."""


@dataclass(frozen=True, slots=True)
class HeldObject:
    """One version of an object; `data` has the digest in `reference`. That it is the newest is the node's word."""

    object: Object
    reference: ObjectRef
    data: bytes

    @property
    def contents(self) -> bytes:
        """The Move value in BCS; empty for a package."""
        return self.object.data.contents if isinstance(self.object.data, MoveObject) else b""


@dataclass(frozen=True, slots=True)
class Coin:
    """`balance` is read from the object itself."""

    reference: ObjectRef
    balance: int


@dataclass(frozen=True, slots=True)
class ServiceInfo:
    """The node's word throughout. `chain`: the digest of the genesis checkpoint."""

    chain: bytes
    epoch: int
    checkpoint: int
    lowest_checkpoint: int


@dataclass(frozen=True, slots=True)
class EpochInfo:
    """The node's word throughout: a committee is trusted only through the certificate of the epoch before it."""

    epoch: int
    reference_gas_price: int
    committee: CommitteeRecord | None
    first_checkpoint: int | None
    last_checkpoint: int | None


@dataclass(frozen=True, slots=True)
class Balance:
    """The node's word. `in_coins` and `in_address` add up to `total`."""

    total: int
    in_coins: int
    in_address: int


@dataclass(frozen=True, slots=True)
class DynamicField:
    """`field` is the Field object, owned by the parent that was asked for. That none is missing is the node's word."""

    field: HeldObject
    type: StructTag


@dataclass(frozen=True, slots=True)
class Executed:
    """What a transaction did. Effects and events belong to each other and to `digest`; until a checkpoint that holds
    the transaction was verified, that the network has agreed to them is the node's word. `data` is None where it was
    not asked for; `checkpoint` while the node has not put it into one."""

    digest: bytes
    effects: Effects
    effects_data: bytes
    events: tuple[Event, ...]
    events_data: bytes | None
    checkpoint: int | None
    data: TransactionData | None = None

    @property
    def failure(self) -> Failure | None:
        status = self.effects.status
        return status if isinstance(status, Failure) else None


@dataclass(frozen=True, slots=True)
class ReturnValue:
    """A value that a command gives back in a simulation, under its type's text."""

    type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Simulated:
    """The node's word throughout: nothing was executed. `returned`: for each command its return values."""

    effects: Effects
    events: tuple[Event, ...]
    returned: tuple[tuple[ReturnValue, ...], ...]

    @property
    def failure(self) -> Failure | None:
        status = self.effects.status
        return status if isinstance(status, Failure) else None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """All that `daas_chain.light` takes. Contents fit the summary, effects the contents, events the effects; that a
    quorum has signed the summary is for the light client to verify, with a committee that it trusts."""

    summary: CheckpointSummary
    digest: bytes
    summary_data: bytes
    signature: bytes
    contents: bytes
    parts: tuple[tuple[bytes, bytes | None], ...]
    """(effects, events or None) of each transaction in the order of the contents: the input of `light.open_all`."""

    @property
    def sequence_number(self) -> int:
        return self.summary.sequence_number

    @property
    def size(self) -> int:
        """Bytes that it holds."""
        parts = sum(len(effects) + len(events or b"") for effects, events in self.parts)
        return len(self.summary_data) + len(self.signature) + len(self.contents) + parts

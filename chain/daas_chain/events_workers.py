"""Bodies of the events of `worker_registry`.

Invariant: field for field the structs of `worker_registry.move`;
`tests/chain/test_layouts.py` compares them with the package.
"""

from dataclasses import dataclass
from typing import ClassVar

from .layout import U8, U64, Address, Bytes, Hash, Id, MoveStruct, String


@dataclass(frozen=True, slots=True)
class WorkerRegisteredEvent(MoveStruct):
    MOVE: ClassVar[str] = "worker_registry::WorkerRegisteredEvent"
    KIND: ClassVar[int | None] = 30
    node_id: String
    owner: Address
    token_commitment: Hash
    worker_key: Hash
    status_key: Hash
    stake: U64


@dataclass(frozen=True, slots=True)
class JoinTokenPublished(MoveStruct):
    MOVE: ClassVar[str] = "worker_registry::JoinTokenPublished"
    KIND: ClassVar[int | None] = 31
    node_id: String
    enclave: Id
    ciphertext: Bytes


@dataclass(frozen=True, slots=True)
class WorkerStatusChangedEvent(MoveStruct):
    MOVE: ClassVar[str] = "worker_registry::WorkerStatusChangedEvent"
    KIND: ClassVar[int | None] = 32
    node_id: String
    old_status: U8
    new_status: U8


@dataclass(frozen=True, slots=True)
class WorkerDeregistered(MoveStruct):
    MOVE: ClassVar[str] = "worker_registry::WorkerDeregistered"
    KIND: ClassVar[int | None] = 33
    node_id: String
    owner: Address

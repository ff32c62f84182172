"""Bodies of the events of `enclave`: slots and boots.

Invariant: field for field the structs of `enclave.move`;
`tests/chain/test_layouts.py` compares them with the package.
"""

from dataclasses import dataclass
from typing import ClassVar

from .layout import U8, U64, Address, BootId, Bytes, Hash, Id, MoveStruct, RequestKeyBytes
from .values import Boot


@dataclass(frozen=True, slots=True)
class SlotCreated(MoveStruct):
    MOVE: ClassVar[str] = "enclave::SlotCreated"
    KIND: ClassVar[int | None] = 20
    enclave: Id
    operator: Address


@dataclass(frozen=True, slots=True)
class BootRegistered(MoveStruct):
    MOVE: ClassVar[str] = "enclave::BootRegistered"
    KIND: ClassVar[int | None] = 21
    enclave: Id
    boot: Boot
    request_key_id: U64
    request_key: RequestKeyBytes


@dataclass(frozen=True, slots=True)
class BootAttested(MoveStruct):
    """A heartbeat. `request_key` is empty when it has not changed."""

    MOVE: ClassVar[str] = "enclave::BootAttested"
    KIND: ClassVar[int | None] = 22
    enclave: Id
    boot_id: BootId
    policy_version: U64
    attested_at_ms: U64
    expires_at_ms: U64
    request_key_id: U64
    request_key: Bytes


@dataclass(frozen=True, slots=True)
class BootEnded(MoveStruct):
    MOVE: ClassVar[str] = "enclave::BootEnded"
    KIND: ClassVar[int | None] = 23
    enclave: Id
    boot_id: BootId
    reason: U8


@dataclass(frozen=True, slots=True)
class HandoffRecorded(MoveStruct):
    MOVE: ClassVar[str] = "enclave::HandoffRecorded"
    KIND: ClassVar[int | None] = 24
    enclave: Id
    boot_id: BootId
    to_enclave: Address
    to_boot_id: BootId
    revision: U64
    root: Hash

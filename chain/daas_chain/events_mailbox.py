"""Bodies of the events of a mailbox: requests and their ends.

Invariant: field for field the structs of `mailbox.move` and `settlement.move`;
`tests/chain/test_layouts.py` compares them with the package.
"""

from dataclasses import dataclass
from typing import ClassVar

from .layout import U8, U16, U64, Address, Bool, BootId, Bytes, Hash, Id, MoveStruct, RequestId, String
from .values import Payload


@dataclass(frozen=True, slots=True)
class K8sAPIRequest(MoveStruct):
    MOVE: ClassVar[str] = "mailbox::K8sAPIRequest"
    KIND: ClassVar[int | None] = 64
    mailbox_seq: U64
    requester: Address
    token: Id
    request_id: RequestId
    request_digest: Hash
    verb: String
    group: String
    resource: String
    subresource: String
    namespace: String
    deadline_ms: U64
    priority: U8
    deliver: Bool
    fee: U64
    request_key_id: U64
    placement: String | None
    payload: Payload


@dataclass(frozen=True, slots=True)
class RequestExpired(MoveStruct):
    MOVE: ClassVar[str] = "mailbox::RequestExpired"
    KIND: ClassVar[int | None] = 66
    mailbox_seq: U64
    requester: Address
    request_id: RequestId
    refunded: U64
    slashed: U64
    expired_at_ms: U64


@dataclass(frozen=True, slots=True)
class K8sResponseStored(MoveStruct):
    MOVE: ClassVar[str] = "settlement::K8sResponseStored"
    KIND: ClassVar[int | None] = 65
    mailbox_seq: U64
    requester: Address
    request_id: RequestId
    request_digest: Hash
    boot_id: BootId
    sequence: U64
    status: U16
    body_digest: Hash
    body_length: U64
    revision: U64
    fee: U64
    refunded: U64
    settled_at_ms: U64
    delivery: Bytes

"""Replay of a slot's mailbox chain: which requests are pending, in which order.

Invariant: the view after an event has exactly the head that the event shows, computed here from the body; sequences
have no gap, and a request leaves the view by its settlement or expiry and in no other way.
"""

from dataclasses import dataclass, field, replace
from typing import Self

from .events_mailbox import K8sAPIRequest, K8sResponseStored, RequestExpired
from .heads import ChainHead, Event, verify_link
from .layout import MoveStruct
from .persistent import PersistentMap
from .state_errors import ImpossibleTransition, MissingHead, UnexpectedBody, WrongCluster, WrongSlot, require
from .values import RequestKey


@dataclass(frozen=True, slots=True)
class MailboxView:
    """`requests`: the pending ones by sequence. `sequences`: theirs by requester and request id."""

    cluster: bytes
    enclave: bytes
    head: ChainHead
    next_seq: int = 0
    requests: PersistentMap[int, K8sAPIRequest] = field(default_factory=PersistentMap)
    sequences: PersistentMap[RequestKey, int] = field(default_factory=PersistentMap)

    @classmethod
    def genesis(cls, cluster: bytes, enclave: bytes) -> Self:
        """Before the first event; both ids have 32 bytes."""
        return cls(cluster, enclave, ChainHead.of_mailbox(enclave))

    def pending(self) -> tuple[K8sAPIRequest, ...]:
        """In the order of submission."""
        return tuple(self.requests[seq] for seq in sorted(self.requests))


def apply(view: MailboxView, event: Event[MoveStruct]) -> MailboxView:
    """The view after `event`.

    Raises `WrongCluster`, `WrongSlot`, `MissingHead`, `UnexpectedBody`, `SequenceGap`, `WrongHead`,
    `ImpossibleTransition`; `BcsError` for a body that has no BCS form.
    """
    heads, body = event.heads, event.body
    if heads.cluster != view.cluster:
        raise WrongCluster(view.cluster, heads.cluster)
    if heads.enclave != view.enclave:
        raise WrongSlot(view.enclave, heads.enclave)
    if heads.mailbox is None:
        raise MissingHead("mailbox")
    if not isinstance(body, K8sAPIRequest | K8sResponseStored | RequestExpired):
        raise UnexpectedBody("mailbox", body.MOVE)
    verify_link(view.head, body, heads.mailbox)
    after = _submitted(view, body) if isinstance(body, K8sAPIRequest) else _ended(view, body)
    return replace(after, head=heads.mailbox)


def _submitted(view: MailboxView, body: K8sAPIRequest) -> MailboxView:
    key = RequestKey(body.requester, body.request_id)
    require(body.mailbox_seq == view.next_seq, body, f"request {view.next_seq}", body.mailbox_seq)
    require(key not in view.sequences, body, "a request id that is not pending", body.request_id.hex())
    return replace(
        view,
        next_seq=body.mailbox_seq + 1,
        requests=view.requests.put(body.mailbox_seq, body),
        sequences=view.sequences.put(key, body.mailbox_seq),
    )


def _ended(view: MailboxView, body: K8sResponseStored | RequestExpired) -> MailboxView:
    key = RequestKey(body.requester, body.request_id)
    seq = view.sequences.get(key)
    if seq is None:
        raise ImpossibleTransition(type(body).__name__, "a pending request", body.request_id.hex())
    require(body.mailbox_seq == seq, body, f"request {seq}", body.mailbox_seq)
    request = view.requests[seq]
    if isinstance(body, RequestExpired):
        require(body.refunded == request.fee, body, f"a refund of {request.fee}", body.refunded)
    else:
        require(body.fee + body.refunded == request.fee, body, f"{request.fee} in all", (body.fee, body.refunded))
        require(body.request_digest == request.request_digest, body, "the digest submitted", body.request_digest.hex())
        require(request.deliver or not body.delivery, body, "no delivery", f"{len(body.delivery)} bytes")
    return replace(view, requests=view.requests.without(seq), sequences=view.sequences.without(key))

"""Requests that were sent, until the chain has their end: the rows of the store, and what clients wait for.

Invariant: every request that was on disk before it was sent has one `Tracked` until its end is known and its answer was
had or given up; only then is its file removed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from daas_chain.values import OutcomeExpired, OutcomeSettled
from daas_gateway.exchange import Asked
from daas_gateway.l1_answer import Had, Wanted
from daas_gateway.l1_join import Accepted
from daas_gateway.l1_journal import Submitted, Transaction
from daas_gateway.store_requests import ENDED, KeptRequest, RequestState

if TYPE_CHECKING:
    from daas_gateway.l1_follow import Followed

End = OutcomeSettled | OutcomeExpired | None
"""None: its record was removed before anybody here saw it."""


@dataclass(eq=False, slots=True)
class Tracked:
    """`ended`: resolves to its end on chain. `closes_ms`: from then on it can be expired."""

    submitted: Submitted
    transaction: bytes
    closes_ms: int
    state: RequestState = RequestState.SENT
    mailbox_seq: int | None = None
    answer: Had | None = None
    end: End = None
    note: str = ""
    accepted: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    following: asyncio.Task[Followed] | None = None

    @property
    def request_id(self) -> bytes:
        return self.submitted.prepared.request_id

    @property
    def wanted(self) -> Wanted:
        made = self.submitted.prepared
        asked = Asked(made.plaintext.method, made.plaintext.path, made.binding)
        return Wanted(
            made.request_id, made.request_digest, made.who.address, self.mailbox_seq, made.wishes.deliver, asked
        )

    def row(self) -> KeptRequest:
        made = self.submitted.prepared
        receipt = None if self.answer is None else self.answer.receipt
        status = None if receipt is None else receipt.status
        ended_at = refunded = None
        match self.end:
            case OutcomeSettled(settled):
                status, ended_at = settled.status, settled.settled_at_ms
            case OutcomeExpired(expired):
                ended_at, refunded = expired.expired_at_ms, self.submitted.fee
        return KeptRequest(
            request_id=made.request_id,
            created_at_ms=made.created_ms,
            method=made.plaintext.method,
            target=made.plaintext.path,
            request_digest=made.request_digest,
            binding=made.binding,
            transaction_digest=self.transaction,
            deadline_ms=made.deadline_ms,
            priority=made.wishes.priority,
            fee=self.submitted.fee,
            state=self.state.value,
            mailbox_seq=self.mailbox_seq,
            status=status,
            boot_id=None if receipt is None else receipt.boot_id,
            sequence=None if receipt is None else receipt.sequence,
            ended_at_ms=ended_at,
            refunded=refunded,
            note=self.note,
        )


class Tracker:
    """`put`: keeps a row; `finished`: every request of a transaction has ended."""

    def __init__(
        self,
        put: Callable[[KeptRequest], None],
        accepted: Callable[[Tracked], None],
        finished: Callable[[bytes], None],
    ) -> None:
        self._put, self._accepted, self._finished = put, accepted, finished
        self._open: dict[bytes, Tracked] = {}
        self._of: dict[bytes, set[bytes]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def get(self, request_id: bytes) -> Tracked | None:
        return self._open.get(request_id)

    def sent(self, transaction: Transaction, grace_ms: int) -> None:
        self._of[transaction.digest] = {one.prepared.request_id for one in transaction.requests}
        for one in transaction.requests:
            tracked = Tracked(one, transaction.digest, one.prepared.deadline_ms + grace_ms)
            self._open[tracked.request_id] = tracked
            self._put(tracked.row())

    def accept(self, request_id: bytes, accepted: Accepted) -> None:
        tracked = self._open.get(request_id)
        if tracked is None or tracked.state is not RequestState.SENT:
            return
        tracked.state, tracked.mailbox_seq = RequestState.ACCEPTED, accepted.mailbox_seq
        self._put(tracked.row())
        tracked.accepted.set()
        self._accepted(tracked)

    def nothing(self, transaction: bytes, why: str) -> None:
        """The transaction was refused or has failed."""
        for request_id in list(self._of.get(transaction, ())):
            tracked = self._open[request_id]
            tracked.note = why[:400]
            self.end(tracked, RequestState.REFUSED, None)

    def answered(self, tracked: Tracked, answer: Had) -> None:
        tracked.answer = answer
        if tracked.state not in ENDED:
            tracked.state = RequestState.ANSWERED
        self._put(tracked.row())

    def end(self, tracked: Tracked, state: RequestState, end: End) -> None:
        if tracked.state in ENDED:
            return
        tracked.state, tracked.end = state, end
        self._put(tracked.row())
        tracked.ended.set()
        tracked.accepted.set()
        if tracked.following is None or tracked.following.done():
            self._leave(tracked)

    def followed(self, tracked: Tracked) -> None:
        """Its answer was had, or given up."""
        if tracked.state in ENDED:
            self._leave(tracked)

    def _leave(self, tracked: Tracked) -> None:
        self._open.pop(tracked.request_id, None)
        left = self._of.get(tracked.transaction)
        if left is not None:
            left.discard(tracked.request_id)
            if not left:
                del self._of[tracked.transaction]
                self._finished(tracked.transaction)

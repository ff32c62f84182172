"""One L1 request from its event to its signed receipt, exactly once.

    1. what an earlier boot has left: done -> signed again as it was; begun -> its outcome is unknown, and is said so
    2. time, token, envelope, digest, command, doors, grants      (a refusal goes to 5)
    3. mark `begun`                                               (nothing was executed if this boot ends before)
    4. executed                                                   (unknown if this boot ends before 5)
    5. mark `done`                                                (signed by a later boot if this one ends before 6)
    6. signed, kept for the requester, handed to the relay

Invariant: nothing is executed without step 3, and nothing is signed without step 5.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog

from daas_chain.events_mailbox import K8sAPIRequest
from daas_enclave.authority import Snapshot
from daas_enclave.etcd_client import EtcdError
from daas_enclave.mailbox_admission import Admitted, Opener, Slot, admit, check_time, missing_payload
from daas_enclave.mailbox_answers import Answers
from daas_enclave.mailbox_execute import Answered, Connection, delivery_of, outcome_unknown
from daas_enclave.mailbox_marks import (
    MAX_KEPT_BODY,
    BelowLowWater,
    Done,
    Mark,
    MarkChanged,
    MarkForeignError,
    Marks,
    State,
    Written,
)
from daas_enclave.mailbox_order import Round
from daas_enclave.mailbox_settle import Item, Settlements
from daas_enclave.refusal import Refused
from daas_enclave.runtime import Clock
from daas_enclave.signer import ReceiptSigner, Subject
from daas_protocol.receipt import MailboxRef
from daas_protocol.stored_answer import StoredAnswer

FIRST_RETRY_SECONDS: Final = 0.1
LAST_RETRY_SECONDS: Final = 2.0
_log = structlog.get_logger(__name__)


class Later(Exception):
    """Nothing has begun, and nothing can now: the request stays for a later round."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Parameters of the cluster by the newest verified view, in milliseconds."""

    staleness_ms: int
    grace_ms: int


class Surroundings(Protocol):
    """What is true at the moment."""

    def may_begin(self) -> bool:
        """Whether the boot serves."""
        ...

    def snapshot(self) -> Snapshot: ...

    def limits(self) -> Limits: ...

    def ciphertext(self, request: K8sAPIRequest) -> bytes | None: ...


@dataclass(slots=True)
class Worker:
    """Works off requests of one slot; every request is given to it by one task at a time."""

    slot: Slot
    boot_id: bytes
    clock: Clock
    keys: Opener = field(repr=False)
    marks: Marks
    signer: ReceiptSigner
    answers: Answers
    settlements: Settlements
    surroundings: Surroundings
    connect: Callable[[bytes], Awaitable[Connection]]
    executed: Callable[[Admitted, Answered], Awaitable[None]]
    """Called after each execution, before the next request of its lane."""
    signed: Callable[[int], None]
    """Called with the sequence of each request that has its receipt."""
    left: dict[int, Written] = field(default_factory=dict, repr=False)
    """Marks that earlier boots have left."""
    answered: set[int] = field(default_factory=set)
    """Signed by this boot, or not to be answered at all."""
    counts: Counter[int] = field(default_factory=Counter)
    unknown: int = 0
    _started: set[int] = field(default_factory=set)

    async def work(self, request: K8sAPIRequest, round_: Round) -> None:
        """Raises Later, MarkError."""
        seq = request.mailbox_seq
        if seq in self.answered:
            return
        written = self.left.get(seq) or await self._answer(request, round_)
        if written is not None:
            await self._resume(request, written)

    def ended(self, seq: int) -> None:
        """It had its end on chain."""
        self.left.pop(seq, None)
        self.answered.discard(seq)
        self._started.discard(seq)

    async def _answer(self, request: K8sAPIRequest, round_: Round) -> Written | None:
        """A mark that stood in the way, or None when it is answered."""
        try:
            admitted = self._admit(request)
        except Refused as refused:
            await self._finish(request, round_.checkpoint, Answered.of_refusal(refused), b"", None)
            return None
        connection = await self._connected(request)
        try:
            begun = Mark(State.BEGUN, request.request_digest, self.boot_id, round_.checkpoint)
            try:
                found = await self.marks.begin(request.mailbox_seq, begun)
            except BelowLowWater:
                _log.warning("mailbox_request_has_ended", seq=request.mailbox_seq)
                self.answered.add(request.mailbox_seq)
                return None
            except EtcdError as error:
                raise Later(str(error)) from error
            if found is not None:
                if not self._is_mine_unstarted(request.mailbox_seq, found.mark):
                    return found
                begun = found.mark
            answered = await self._execute(request, admitted, connection)
        finally:
            connection.close()
        delivery = delivery_of(
            answered, admitted.envelope, admitted.plaintext.response_key if request.deliver else None
        )
        await self._finish(request, round_.checkpoint, answered, delivery, begun)
        await self.executed(admitted, answered)
        return None

    def _admit(self, request: K8sAPIRequest) -> Admitted:
        now_ms = self.clock.now_ms()
        check_time(request, now_ms, self.surroundings.limits().staleness_ms)
        if not self.surroundings.may_begin():
            raise Later("the enclave does not serve")
        ciphertext = self.surroundings.ciphertext(request)
        if ciphertext is None:
            raise missing_payload()
        return admit(request, ciphertext, self.slot, self.keys, self.surroundings.snapshot(), now_ms)

    async def _connected(self, request: K8sAPIRequest) -> Connection:
        try:
            return await self.connect(request.requester)
        except Refused as refused:
            raise Later(refused.message) from refused

    def _is_mine_unstarted(self, seq: int, mark: Mark) -> bool:
        """Whether this boot wrote it, never heard so, and never went on."""
        return mark.state is State.BEGUN and mark.boot_id == self.boot_id and seq not in self._started

    async def _execute(self, request: K8sAPIRequest, admitted: Admitted, connection: Connection) -> Answered:
        try:
            # Connection and mark may have taken their time.
            check_time(request, self.clock.now_ms(), self.surroundings.limits().staleness_ms)
        except Refused as refused:
            return Answered.of_refusal(refused)
        self._started.add(request.mailbox_seq)
        try:
            return await connection.ask(admitted, request.token)
        except Exception:
            _log.exception("mailbox_execution_failed", seq=request.mailbox_seq)
            return Answered.of_refusal(outcome_unknown("the enclave failed on this request"))

    async def _finish(
        self, request: K8sAPIRequest, checkpoint: int, answered: Answered, delivery: bytes, begun: Mark | None
    ) -> None:
        seq, done = request.mailbox_seq, answered.done(delivery, MAX_KEPT_BODY)
        mark = Mark(State.DONE, request.request_digest, self.boot_id, checkpoint, done)
        pause = FIRST_RETRY_SECONDS
        while True:
            try:
                revision = await self.marks.finish(seq, mark, begun)
                break
            except EtcdError as error:
                # It was executed, or is refused for good: there is nothing to do but to write that down.
                _log.warning("mailbox_mark_waits", seq=seq, problem=str(error))
                await asyncio.sleep(pause)
                pause = min(pause * 2, LAST_RETRY_SECONDS)
            except MarkChanged as changed:
                if begun is not None or not self._is_mine_unstarted(seq, changed.actual):
                    raise
                begun = changed.actual
        self._sign(request, checkpoint, done, revision, answered.body)

    async def _resume(self, request: K8sAPIRequest, written: Written) -> None:
        seq, mark = request.mailbox_seq, written.mark
        if mark.state is not State.ENDED and mark.request_digest != request.request_digest:
            raise MarkForeignError(seq, request.request_digest, mark.request_digest)
        match mark.state:
            case State.DONE if mark.done is not None:
                self._sign(request, mark.round_checkpoint, mark.done, written.revision, mark.done.body)
            case State.BEGUN:
                self.unknown += 1
                _log.warning("mailbox_outcome_unknown", seq=seq)
                answered = Answered.of_refusal(outcome_unknown("the enclave ended while it executed this request"))
                await self._finish(request, mark.round_checkpoint, answered, b"", mark)
            case _:
                # The view is older than what an earlier boot has seen; it will end here too.
                self.answered.add(seq)

    def _sign(self, request: K8sAPIRequest, checkpoint: int, done: Done, revision: int, body: bytes | None) -> None:
        digest = hashlib.sha256(done.delivery).digest() if done.delivery else None
        receipt = self.signer.receipt(
            Subject(request.request_digest, request.requester),
            done.status,
            done.body_digest,
            done.body_length,
            MailboxRef(request.mailbox_seq, checkpoint, revision, digest),
        )
        now_ms = self.clock.now_ms()
        stored = StoredAnswer(receipt, done.content_type, done.warnings, body)
        self.answers.put(request.requester, request.request_id, request.token, stored, now_ms)
        closes_ms = request.deadline_ms + self.surroundings.limits().grace_ms
        self.settlements.add(Item(request.mailbox_seq, request.request_id, receipt, done.delivery, closes_ms))
        self.answered.add(request.mailbox_seq)
        self.counts[done.status] += 1
        self.signed(request.mailbox_seq)

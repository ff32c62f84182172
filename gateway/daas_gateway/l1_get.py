"""A request by its id, also after a crash of this gateway: what is kept here, what the chain has, the enclave's answer.

Invariant: an answer that is shown was verified as any other; what comes from the chain alone is shown as such.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from daas_chain.records import Pending
from daas_chain.values import OutcomeExpired, OutcomeSettled
from daas_gateway import errors, l1_errors
from daas_gateway.exchange import Asked
from daas_gateway.l1_answer import Answers, Had, Wanted, compare
from daas_gateway.l1_chain import Chain, Record
from daas_gateway.l1_track import Tracker
from daas_gateway.receipts import get_request
from daas_gateway.store import StoreUnusable
from daas_gateway.store_requests import KeptRequest

WAIT_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class Found:
    """Whatever there is. `problem`: why there is no answer."""

    request_id: bytes
    row: KeptRequest | None
    record: Record | None
    answer: Had | None = field(repr=False)
    problem: errors.GatewayError | None

    @property
    def state(self) -> str:
        """The chain's word where it has one."""
        match self.record:
            case Pending():
                return "pending" if self.answer is None else "answered"
            case OutcomeSettled():
                return "settled"
            case OutcomeExpired():
                return "expired"
            case _:
                return "unknown" if self.row is None else self.row.state


class Getter:
    """`requester`: the user's address; only that user's requests are handed out."""

    def __init__(self, chain: Chain, answers: Answers, tracker: Tracker, database: Path, requester: bytes) -> None:
        self._chain, self._answers, self._tracker = chain, answers, tracker
        self._database, self._requester = database, requester

    async def get(self, request_id: bytes) -> Found:
        """Raises RequestUnknown where nobody knows it, ChainUnreachable when the chain has to be asked and cannot."""
        row = await self._row(request_id)
        record: Record | None = None
        problem: errors.GatewayError | None = None
        try:
            record = await self._chain.record(await self._chain.slot_view(), self._requester, request_id)
        except errors.GatewayError as failed:
            if row is None:
                raise
            problem = failed
        if row is None and record is None:
            raise l1_errors.RequestUnknown(
                f"neither this gateway nor the slot's mailbox has request {request_id.hex()} of your address"
            )
        if isinstance(record, OutcomeExpired):
            fee = None if row is None else row.fee
            return Found(request_id, row, record, None, l1_errors.DeadlinePassed(request_id, fee))
        wanted = _wanted(request_id, self._requester, row, record)
        if wanted is None:
            return Found(request_id, row, record, None, problem)
        try:
            answer = await self._answers.once(wanted, WAIT_SECONDS if isinstance(record, Pending) else 0)
            if answer is not None:
                if isinstance(record, OutcomeSettled):
                    compare(answer, record)
                tracked = self._tracker.get(request_id)
                if tracked is not None:
                    self._tracker.answered(tracked, replace(answer, body=None))
                return Found(request_id, row, record, answer, None)
        except errors.GatewayError as failed:
            return Found(request_id, row, record, None, failed)
        if isinstance(record, OutcomeSettled):
            settled = record.pos0
            problem = l1_errors.AnswerLost(request_id, settled.status, settled.body_digest)
        elif isinstance(record, Pending):
            problem = l1_errors.OutcomeOpen(request_id, "the request is pending")
        return Found(request_id, row, record, None, problem)

    async def _row(self, request_id: bytes) -> KeptRequest | None:
        tracked = self._tracker.get(request_id)
        if tracked is not None:
            return tracked.row()
        try:
            return await asyncio.to_thread(get_request, self._database, request_id)
        except (OSError, StoreUnusable):
            return None


def _wanted(request_id: bytes, requester: bytes, row: KeptRequest | None, record: Record | None) -> Wanted | None:
    match record:
        case Pending(seq=seq, request_digest=digest):
            pass
        case OutcomeSettled(one):
            seq, digest = one.seq, one.request_digest
        case _ if row is not None and row.mailbox_seq is not None:
            seq, digest = row.mailbox_seq, row.request_digest
        case _:
            return None
    asked = None if row is None else Asked(row.method, row.target, row.binding)
    return Wanted(request_id, digest, requester, seq, True, asked)

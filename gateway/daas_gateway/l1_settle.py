"""The ends of requests, as the chain has them: settled, expired, or gone.

Invariant: an end that is noted was read from the mailbox's own table under the request's key. It is the node's word
(l1_view): what it says of an answer is compared with the receipt, which is the enclave's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from daas_chain.layout import codec_of
from daas_chain.network.records import HeldObject
from daas_chain.records import Pending
from daas_chain.sui.digests import dynamic_field_id
from daas_chain.values import Outcome, OutcomeExpired, OutcomeSettled, RequestKey
from daas_gateway import errors, l1_errors
from daas_gateway.l1_answer import compare
from daas_gateway.l1_chain import Chain
from daas_gateway.l1_track import Tracked, Tracker
from daas_gateway.l1_view import SlotView
from daas_gateway.store_requests import RequestState
from daas_protocol.bcs import Reader

POLL_SECONDS: Final = 0.4
"""One question for up to 50 requests: settlements come with checkpoints, several a second."""
MAX_POLL_SECONDS: Final = 5.0
EXPIRE_MARGIN_MS: Final = 2_000
"""Between this machine's clock and the chain's, and for whoever else expires it."""
LOST_SECONDS: Final = 5.0
"""A record that is neither pending nor ended for so long is gone; a reading may be older than the acceptance."""
_UID_BYTES: Final = 32

log = structlog.get_logger("daas.gateway")


class Settlements:
    """Watches accepted requests until they have ended."""

    def __init__(
        self,
        chain: Chain,
        tracker: Tracker,
        view: Callable[[], Awaitable[SlotView]],
        expire: Callable[[bytes, bytes], Awaitable[None]] | None,
        now_ms: Callable[[], int],
    ) -> None:
        self._chain, self._tracker, self._view = chain, tracker, view
        self._expire, self._now_ms = expire, now_ms
        self._watched: dict[bytes, Tracked] = {}
        self._missing: dict[bytes, float] = {}
        self._wake = asyncio.Event()

    def watch(self, tracked: Tracked) -> None:
        self._watched[tracked.request_id] = tracked
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        wait = POLL_SECONDS
        while True:
            await self._wake.wait()
            if not self._watched:
                self._wake.clear()
                continue
            try:
                await self._look()
                wait = POLL_SECONDS
            except errors.GatewayError as problem:
                log.warning("settlements_not_read", error=problem.reason, message=str(problem))
                wait = min(MAX_POLL_SECONDS, 2 * wait)
            await asyncio.sleep(wait)

    async def _look(self) -> None:
        view = await self._view()
        tag = self._chain.contract.struct("queue::RequestKey")
        fields: dict[bytes, tuple[Tracked, bytes]] = {}
        for tracked in list(self._watched.values()):
            key = RequestKey(tracked.submitted.prepared.who.address, tracked.request_id).encode()
            fields[dynamic_field_id(view.enclave.mailbox.ended.id, tag, key)] = (tracked, key)
        async with self._chain.asked() as network:
            found = await network.objects(fields)
        for field_id, (tracked, key) in fields.items():
            held = found.get(field_id)
            if held is not None:
                self._ended(tracked, held, key)
            elif self._now_ms() >= tracked.closes_ms + EXPIRE_MARGIN_MS:
                await self._overdue(tracked, view)

    def _ended(self, tracked: Tracked, held: HeldObject, key: bytes) -> None:
        reader = Reader(held.contents[_UID_BYTES + len(key) :])
        outcome: OutcomeSettled | OutcomeExpired = codec_of(Outcome).read(reader)
        reader.end()
        self._note(tracked, outcome)

    def _note(self, tracked: Tracked, outcome: OutcomeSettled | OutcomeExpired) -> None:
        state = RequestState.SETTLED if isinstance(outcome, OutcomeSettled) else RequestState.EXPIRED
        self._forget(tracked)
        if tracked.answer is not None and isinstance(outcome, OutcomeSettled):
            try:
                compare(tracked.answer, outcome)
            except l1_errors.SettlementWrong as problem:
                tracked.note = str(problem)
                log.error("settlement_wrong", request_id=tracked.request_id.hex(), message=str(problem))
        self._tracker.end(tracked, state, outcome)
        log.info("request_ended", request_id=tracked.request_id.hex(), state=state.value)

    def _forget(self, tracked: Tracked) -> None:
        self._watched.pop(tracked.request_id, None)
        self._missing.pop(tracked.request_id, None)

    async def _overdue(self, tracked: Tracked, view: SlotView) -> None:
        requester = tracked.submitted.prepared.who.address
        record = await self._chain.record(view, requester, tracked.request_id)
        match record:
            case OutcomeSettled() | OutcomeExpired():
                self._note(tracked, record)
            case Pending() if self._expire is not None:
                try:
                    await self._expire(requester, tracked.request_id)
                except l1_errors.TransactionRefused as problem:
                    log.info("not_expired", request_id=tracked.request_id.hex(), message=str(problem))
            case None:
                now = asyncio.get_running_loop().time()
                if now - self._missing.setdefault(tracked.request_id, now) > LOST_SECONDS:
                    self._forget(tracked)
                    self._tracker.end(tracked, RequestState.GONE, None)

"""An accepted request, followed to its answer: the enclave's, or else what the chain says.

Invariant: `follow` ends in an answer that was verified, or in an error that says how the request stands; it asks again
while the enclave restarts, but no longer than the request can be answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from daas_chain.values import OutcomeExpired, OutcomeSettled, Settled
from daas_gateway import errors, l1_errors
from daas_gateway.l1_answer import Answers, Had, compare
from daas_gateway.l1_chain import Chain
from daas_gateway.l1_delivery import delivered
from daas_gateway.l1_track import Tracked, Tracker
from daas_gateway.store_requests import RequestState
from daas_protocol.transport.http1 import Header

WAIT_SECONDS: Final = 10
"""Of one question to the enclave; it answers as soon as it has signed."""
FIRST_PAUSE_SECONDS: Final = 0.1
MAX_PAUSE_SECONDS: Final = 2.0
AFTER_END_TRIES: Final = 3
"""Questions to the enclave once the chain has the end: then the body is lost, or was delivered on chain."""
AFTER_END_SECONDS: Final = 2.0
CLOSED_MARGIN_MS: Final = 20_000
"""After a request can be expired: time to expire it, and to see that."""
_FATAL: Final = (errors.CheckFailed, errors.AttestationRejected, errors.SessionRefused, errors.StoreUnavailable)

log = structlog.get_logger("daas.gateway")


@dataclass(frozen=True, slots=True)
class Followed:
    """`had` None: the body came by delivery on chain."""

    status: int
    headers: list[Header]
    body: bytes = field(repr=False)
    had: Had | None


class Following:
    """For every accepted request, whether or not its client still waits."""

    def __init__(self, chain: Chain, answers: Answers, tracker: Tracker, now_ms: Callable[[], int]) -> None:
        self._chain, self._answers, self._tracker, self._now_ms = chain, answers, tracker, now_ms

    async def follow(self, tracked: Tracked) -> Followed:
        """Raises GatewayError."""
        pause = FIRST_PAUSE_SECONDS
        tries = 0
        while True:
            if tracked.ended.is_set():
                tries += 1
            try:
                had = await self._asked(tracked, 0 if tries else WAIT_SECONDS)
            except _FATAL:
                raise
            except errors.GatewayError as problem:
                log.info("answer_not_had", request_id=tracked.request_id.hex(), error=problem.reason)
            else:
                if had is not None:
                    return await self._had(tracked, had)
            if tries >= AFTER_END_TRIES:
                return await self._ended(tracked)
            if self._now_ms() > tracked.closes_ms + CLOSED_MARGIN_MS:
                raise l1_errors.DeadlinePassed(tracked.request_id, None)
            try:
                async with asyncio.timeout(pause):
                    await tracked.ended.wait()
                if tries:
                    await asyncio.sleep(FIRST_PAUSE_SECONDS)
            except TimeoutError:
                pass
            pause = min(MAX_PAUSE_SECONDS, 2 * pause)

    async def _asked(self, tracked: Tracked, wait_seconds: int) -> Had | None:
        """Not longer than until the chain has its end: an enclave that is silent then has nothing to say any more."""
        asking = asyncio.ensure_future(self._answers.once(tracked.wanted, wait_seconds))
        ended = asyncio.ensure_future(tracked.ended.wait())
        try:
            await asyncio.wait({asking, ended}, return_when=asyncio.FIRST_COMPLETED)
            async with asyncio.timeout(None if ended.cancelled() or not ended.done() else AFTER_END_SECONDS):
                return await asking
        except TimeoutError:
            raise errors.AnswerTimeout("the enclave does not answer, and the chain has the request's end") from None
        finally:
            for task in (asking, ended):
                task.cancel()
            await asyncio.gather(asking, ended, return_exceptions=True)

    def compare(self, tracked: Tracked, followed: Followed) -> None:
        """Raises SettlementWrong."""
        if followed.had is not None and isinstance(tracked.end, OutcomeSettled):
            compare(followed.had, tracked.end)

    async def _had(self, tracked: Tracked, had: Had) -> Followed:
        """Raises AnswerLost where only the receipt is left, and nothing was delivered on chain."""
        self._tracker.answered(tracked, replace(had, body=None))
        if isinstance(tracked.end, OutcomeSettled):
            compare(had, tracked.end)
        if had.body is not None:
            return Followed(had.status, had.headers(), had.body, had)
        if isinstance(tracked.end, OutcomeSettled) and (found := await self._delivered(tracked, tracked.end.pos0)):
            return found
        raise l1_errors.AnswerLost(tracked.request_id, had.status, had.receipt.body_digest)

    async def _delivered(self, tracked: Tracked, settled: Settled) -> Followed | None:
        found = await delivered(self._chain, tracked.submitted, settled)
        if found is None:
            return None
        headers: list[Header] = [(b"daas-delivered", b"chain")]
        if found.content_type.isascii() and found.content_type.isprintable():
            headers.append((b"content-type", found.content_type.encode("ascii")))
        return Followed(found.status, headers, found.body, None)

    async def _ended(self, tracked: Tracked) -> Followed:
        """The enclave has no answer, the chain has the end."""
        match tracked.end:
            case OutcomeExpired():
                raise l1_errors.DeadlinePassed(tracked.request_id, tracked.submitted.fee)
            case OutcomeSettled(settled):
                if found := await self._delivered(tracked, settled):
                    return found
                raise l1_errors.AnswerLost(tracked.request_id, settled.status, settled.body_digest)
            case _ if tracked.state is RequestState.REFUSED:
                raise l1_errors.TransactionRefused(f"the request was not accepted: {tracked.note}")
            case _:
                raise l1_errors.OutcomeOpen(tracked.request_id, "its record on chain is gone")

"""After a restart: what became of transactions that were on disk, and perhaps sent.

Invariant: nothing new is submitted before the end of each is known; sending the same signed bytes again is what makes
it known, and never makes a second request of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from daas_chain.network.errors import NetworkError, RefusedTransactionError
from daas_chain.records import Pending
from daas_chain.values import OutcomeExpired, OutcomeSettled
from daas_gateway import errors
from daas_gateway.l1_chain import Chain
from daas_gateway.l1_join import Accepted
from daas_gateway.l1_journal import Transaction
from daas_gateway.l1_submit import mailbox_numbers
from daas_gateway.l1_view import SlotView

FIRST_WAIT_SECONDS: Final = 0.2
MAX_WAIT_SECONDS: Final = 10.0

log = structlog.get_logger("daas.gateway")


class Recovery:
    """`accepted` and `nothing` as in `Submission`."""

    def __init__(
        self,
        chain: Chain,
        accepted: Callable[[bytes, Accepted], None],
        nothing: Callable[[bytes, str], None],
    ) -> None:
        self._chain, self._accepted, self._nothing = chain, accepted, nothing

    async def run(self, transactions: Sequence[Transaction], clear: asyncio.Event) -> None:
        """Sets `clear` at the end."""
        for one in transactions:
            wait = FIRST_WAIT_SECONDS
            while not await self._known(one):
                await asyncio.sleep(wait)
                wait = min(MAX_WAIT_SECONDS, 2 * wait)
        clear.set()

    async def _known(self, one: Transaction) -> bool:
        try:
            network = await self._chain.network()
            outcome = await network.execute(one.data, one.signatures)
        except RefusedTransactionError as problem:
            return await self._refused(one, str(problem))
        except NetworkError as problem:
            log.warning("recovery_waits", error=type(problem).__name__, message=str(problem))
            return False
        if outcome.failure is not None:
            self._nothing(one.digest, "the transaction has failed")
            return True
        numbers = mailbox_numbers(outcome, self._chain.deployment.original, self._chain.slot.enclave)
        for request_id, number in numbers.items():
            self._accepted(request_id, Accepted(number, one.digest))
        log.info("recovered", transaction=one.digest.hex(), requests=len(numbers))
        return True

    async def _refused(self, one: Transaction, why: str) -> bool:
        """Too old to be executed now; whether it was executed before, the mailbox knows."""
        try:
            view = await self._chain.slot_view()
            records = [
                (each, await self._record(view, each.prepared.who.address, each.prepared.request_id))
                for each in one.requests
            ]
        except errors.GatewayError as problem:
            log.warning("recovery_waits", error=problem.reason, message=str(problem))
            return False
        if all(number is None for _, number in records):
            self._nothing(one.digest, why)
        for each, number in records:
            if number is not None:
                self._accepted(each.prepared.request_id, Accepted(number, one.digest))
        return True

    async def _record(self, view: SlotView, requester: bytes, request_id: bytes) -> int | None:
        match await self._chain.record(view, requester, request_id):
            case Pending(seq=number):
                return number
            case OutcomeSettled(one):
                return one.seq
            case OutcomeExpired(other):
                return other.seq
            case _:
                return None

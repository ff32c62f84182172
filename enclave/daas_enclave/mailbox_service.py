"""The mailbox in one boot: rounds cut at verified checkpoints and worked off in order, receipts sent to the contract.

Invariant: what is executed, and in which order, follows from verified views alone (see `mailbox_order`); a round ends
before the next one is cut. Requests begin only while the boot serves; a broken store or API server only delays them.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Final

import structlog

from daas_chain.events_mailbox import K8sAPIRequest
from daas_chain.follow.follower import Changes, Verified
from daas_chain.values import OffChain
from daas_enclave import mailbox_order as order
from daas_enclave.authority import Snapshot
from daas_enclave.etcd_client import EtcdError
from daas_enclave.kube_client import KubeError
from daas_enclave.mailbox_admission import Admitted
from daas_enclave.mailbox_answers import Answers
from daas_enclave.mailbox_execute import Answered, connect
from daas_enclave.mailbox_marks import Mark, Marks, State
from daas_enclave.mailbox_parts import Parts
from daas_enclave.mailbox_payloads import Payloads
from daas_enclave.mailbox_reads import Reads
from daas_enclave.mailbox_settle import WINDOW_MS, Settlements
from daas_enclave.mailbox_work import Later, Limits, Worker
from daas_protocol.chain_feed import Payload
from daas_protocol.grant import READ_VERBS

TICK_SECONDS: Final = 0.25
RETRY_SECONDS: Final = 1.0
"""After a store or an API server that did not answer."""
SIDE_BY_SIDE: Final = 16
"""Lanes at the API server at one time: a fraction of its places, for the rest of the world asks over L2."""
TIDY_MS: Final = 2_000
KEYS_MS: Final = 60_000
_log = structlog.get_logger(__name__)


class Mailbox:
    """`changed`, `brought` and `attached` are the chain's listeners; `run` until cancelled, or `stop` first."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.answers = Answers()
        self._settlements = Settlements(parts.signer, parts.port, parts.tick_ms)
        self._payloads = Payloads()
        self._marks = Marks(parts.etcd, parts.slot.cluster, parts.slot.enclave, parts.boot_id)
        self._worker = Worker(
            slot=parts.slot,
            boot_id=parts.boot_id,
            clock=parts.clock,
            keys=parts.keys,
            marks=self._marks,
            signer=parts.signer,
            answers=self.answers,
            settlements=self._settlements,
            surroundings=self,
            connect=lambda owner: connect(parts.upstream, owner),
            executed=self._executed,
            signed=self._signed,
        )
        self._verified: Verified | None = None
        self._gone: dict[int, Mark] = {}
        self._opened = False
        self._stopping = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._wake = asyncio.Event()
        self._side_by_side = asyncio.Semaphore(SIDE_BY_SIDE)
        self._reads = Reads(self._read_ended)
        self._broken: BaseException | None = None
        self._rounds = 0
        self._seen_ms: dict[int, int] = {}
        self._took_ms = 0
        self._tidied_ms = 0
        self._keys_ms = 0
        self._problem = ""
        self._logged = ""

    # --- what the chain says ---

    def changed(self, changes: Changes, verified: Verified) -> None:
        """A newer view, or the same one confirmed."""
        before, self._verified = self._verified, verified
        if before is None or changes.mailbox:
            known = {} if before is None else before.arrivals
            gone = [seq for seq in known if seq not in verified.arrivals]
            tick_ms = self._parts.tick_ms()
            self._seen_ms |= {seq: tick_ms for seq in verified.arrivals if seq not in known}
            for seq in gone:
                self._seen_ms.pop(seq, None)
                self._gone[seq] = _ended_mark(self._parts.boot_id, changes.checkpoint)
                self._worker.ended(seq)
            self._settlements.ended(gone)
        self._wake.set()

    def brought(self, payload: Payload) -> None:
        """A ciphertext that is not on chain."""
        if self._payloads.brought(payload):
            self._wake.set()

    def attached(self) -> None:
        """A host has connected."""
        self._settlements.attached()
        self._payloads.ask_again()
        self._wake.set()

    # --- what is true at the moment, for the worker ---

    def may_begin(self) -> bool:
        return self._parts.phase.serving and not self._stopping

    def snapshot(self) -> Snapshot:
        return self._parts.snapshot()

    def limits(self) -> Limits:
        params = None if self._verified is None else self._verified.state.params
        if params is None:
            raise Later("the cluster's parameters are not known")
        return Limits(params.staleness_ms, params.settlement_grace_ms)

    def ciphertext(self, request: K8sAPIRequest) -> bytes | None:
        return self._payloads.get(request)

    # --- work ---

    async def run(self) -> None:
        """Raises MarkError where the store says what this boot cannot go on from."""
        outbox = asyncio.create_task(self._send(), name="mailbox-outbox")
        outbox.add_done_callback(self._ended_badly)
        try:
            while not self._stopping:
                worked = await self._turn()
                if worked and not self._problem:
                    continue
                seconds = RETRY_SECONDS if self._problem else TICK_SECONDS
                try:
                    async with asyncio.timeout(seconds):
                        await self._wake.wait()
                except TimeoutError:
                    pass
                if self._problem:
                    # Woken by the chain, but what was broken needs a moment all the same.
                    await asyncio.sleep(TICK_SECONDS)
                self._wake.clear()
        finally:
            outbox.cancel()
            await asyncio.gather(outbox, return_exceptions=True)
            await self._reads.cancel()

    async def stop(self, seconds: float) -> None:
        """Begins nothing more; waits for what is under way; hands on what is signed."""
        self._stopping = True
        self._wake.set()
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
                await self._reads.wait()
        except TimeoutError:
            _log.warning("mailbox_stopped_under_way")
        self._settlements.flush(self._parts.clock.now_ms(), at_once=True)
        self._parts.etcd.close()

    async def _turn(self) -> bool:
        """Whether a round was worked off."""
        if self._broken is not None:
            raise self._broken
        self._problem = ""
        verified = self._verified
        if verified is None or self._stopping or not self._parts.is_current():
            return False
        self._idle.clear()
        try:
            if not self._opened:
                self._worker.left = await self._marks.open()
                self._opened = True
            now_ms = self._parts.clock.now_ms()
            await self._tidy(verified, now_ms)
            await self._turn_keys(verified, now_ms)
            round_ = self._cut(verified, now_ms)
            if not round_.steps:
                return False
            try:
                if not self.may_begin():
                    raise Later("the enclave does not serve")
                await self._parts.reconcile(self.snapshot(), False)
                await self._work(verified, round_)
            except (Later, KubeError) as error:
                self._waits(error)
                await self._without_api_server(verified)
                return False
            self._rounds += 1
            self._logged = ""
            return True
        except (Later, EtcdError) as error:
            self._waits(error)
            return False
        finally:
            self._idle.set()

    def _waits(self, error: Exception) -> None:
        self._problem = f"{type(error).__name__}: {error}"[:200]
        if self._problem != self._logged:
            _log.warning("mailbox_waits", problem=self._problem)
        self._logged = self._problem

    def _unanswered(self, verified: Verified) -> list[K8sAPIRequest]:
        """In mailbox order."""
        requests, under_way = verified.mailbox.requests, self._worker.answered | self._reads.under_way
        return [requests[seq] for seq in sorted(requests) if seq not in under_way]

    async def _without_api_server(self, verified: Verified) -> None:
        """What an earlier boot has left, and what is too late to begin: unanswered it would cost the operator stake."""
        staleness_ms, now_ms = self.limits().staleness_ms, self._parts.clock.now_ms()
        round_ = order.Round(verified.checkpoint, verified.timestamp_ms, ())
        for request in self._unanswered(verified)[: order.ROUND_SIZE * SIDE_BY_SIDE]:
            if request.mailbox_seq in self._worker.left or now_ms + staleness_ms >= request.deadline_ms:
                await self._worker.work(request, round_)

    def _cut(self, verified: Verified, now_ms: int) -> order.Round:
        unanswered = self._unanswered(verified)
        for want in self._payloads.wanted(unanswered, now_ms):
            self._parts.port.send(want)
        staleness_ms = self.limits().staleness_ms
        waiting = (
            order.Waiting.of(request, arrived.timestamp_ms)
            for request in unanswered
            if (arrived := verified.arrivals[request.mailbox_seq])
            and (
                request.mailbox_seq in self._worker.left
                or not isinstance(request.payload, OffChain)
                or self._payloads.settled(request, arrived.timestamp_ms, staleness_ms, now_ms)
            )
        )
        return order.cut(waiting, verified.checkpoint, verified.timestamp_ms)

    async def _work(self, verified: Verified, round_: order.Round) -> None:
        requests = verified.mailbox.requests
        for step in round_.steps:
            lanes = [self._lane([requests[seq] for seq in lane], round_) for lane in step]
            for outcome in await asyncio.gather(*lanes, return_exceptions=True):
                # All of a step end before anything is raised: nothing is left under way that nobody waits for.
                if isinstance(outcome, BaseException):
                    raise outcome

    async def _lane(self, lane: list[K8sAPIRequest], round_: order.Round) -> None:
        async with self._side_by_side:
            for request in lane:
                if not self._is_pending(request.mailbox_seq):
                    continue
                if request.verb in READ_VERBS:
                    self._reads.begin(request, partial(self._worker.work, request, round_))
                else:
                    await self._worker.work(request, round_)

    def _read_ended(self, task: asyncio.Task[None]) -> None:
        self._ended_badly(task)
        self._wake.set()

    def _ended_badly(self, task: asyncio.Task[None]) -> None:
        """A task that breaks ends the boot: without it something would be missing that nobody notices."""
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, Later):
            self._broken = error
            self._wake.set()

    def _signed(self, seq: int) -> None:
        self._took_ms += self._parts.tick_ms() - self._seen_ms.pop(seq, self._parts.tick_ms())

    def _is_pending(self, seq: int) -> bool:
        """By the newest view: it may have had its end since the round was cut."""
        return self._verified is not None and seq in self._verified.arrivals

    async def _executed(self, admitted: Admitted, answered: Answered) -> None:
        info = admitted.info
        if (info.resource, info.group, info.verb) == ("namespaces", "", "create") and answered.status < 300:
            try:
                # What comes next may be a request inside it, by a token whose role there is not made yet.
                await self._parts.reconcile(self.snapshot(), True)
            except KubeError as error:
                _log.warning("mailbox_rbac_failed", problem=str(error))

    async def _tidy(self, verified: Verified, now_ms: int) -> None:
        """Marks of what has ended: below the low-water mark they go, above it they shrink."""
        if now_ms - self._tidied_ms < TIDY_MS:
            return
        self._tidied_ms = now_ms
        pending = verified.mailbox.requests
        low = min(pending, default=verified.mailbox.next_seq)
        gone, self._gone = self._gone, {}
        await self._marks.end({seq: mark for seq, mark in gone.items() if seq >= low})
        await self._marks.raise_low(low)
        for seq in [seq for seq in self._worker.left if seq not in pending]:
            del self._worker.left[seq]
        self.answers.drop_old(now_ms)

    async def _turn_keys(self, verified: Verified, now_ms: int) -> None:
        slot, params = verified.state.slots.get(self._parts.slot.enclave), verified.state.params
        if slot is None or params is None or now_ms - self._keys_ms < KEYS_MS:
            return
        self._keys_ms = now_ms
        on_chain = frozenset(one.key for one in slot.request_keys)
        longest_ms = params.max_deadline_ms + params.settlement_grace_ms
        try:
            # Only the disk is waited for elsewhere: whoever opens an envelope goes through the same list.
            if self._parts.keys.turn(now_ms, on_chain, longest_ms):
                await asyncio.to_thread(self._parts.keys.save)
        except OSError as error:
            _log.warning("request_keys_not_saved", error=error.strerror)

    async def _send(self) -> None:
        while True:
            self._settlements.flush(self._parts.clock.now_ms())
            await asyncio.sleep(WINDOW_MS / 2000)

    # --- for the endpoints and the status ---

    def keys(self) -> tuple[bytes, ...]:
        """Public request keys, newest first."""
        return self._parts.keys.publics()

    def key_ids(self) -> dict[bytes, int]:
        """Ids of public keys by the newest verified view."""
        slot = None if self._verified is None else self._verified.state.slots.get(self._parts.slot.enclave)
        return {} if slot is None else {one.key: one.id for one in slot.request_keys}

    def stats(self) -> dict[str, Any]:
        """JSON-ready; nothing about any one request."""
        worker = self._worker
        return {
            "pending": 0 if self._verified is None else len(self._verified.arrivals),
            "answered_pending": len(worker.answered),
            "rounds": self._rounds,
            "answers": {str(status): count for status, count in sorted(worker.counts.items())},
            "outcome_unknown": worker.unknown,
            # From the view that showed a request to its receipt, of all in "answers" together.
            "took_ms": self._took_ms,
            "settling": self._settlements.waiting,
            "given_up": self._settlements.given_up,
            "kept": {"answers": len(self.answers), "bytes": self.answers.size},
            "payload_bytes": self._payloads.size,
            "low_water": self._marks.low,
            "request_keys": len(self._parts.keys),
            "problem": self._problem,
        }


def _ended_mark(boot_id: bytes, checkpoint: int) -> Mark:
    return Mark(State.ENDED, bytes(32), boot_id, checkpoint)

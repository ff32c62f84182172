"""The way through the contract (L1), put together: from a client's request to a verified answer.

Invariants: nothing is encrypted to a key, or submitted to a slot, that the attested enclave has not been compared with;
a request that was accepted is followed until its end, whether or not its client waits; its receipt is kept before the
answer is handed on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from daas_chain.artifacts import ArtifactsError
from daas_chain.deployment import Deployment
from daas_chain.network.errors import NetworkError
from daas_gateway import errors, l1_errors
from daas_gateway.ask import Ask, Place
from daas_gateway.channel import ChannelPool
from daas_gateway.config_fields import ConfigInvalid
from daas_gateway.exchange import Exchange
from daas_gateway.l1_answer import Answers, Fetch
from daas_gateway.l1_chain import Chain
from daas_gateway.l1_config import ChainConfig, WaitFor
from daas_gateway.l1_follow import Followed, Following
from daas_gateway.l1_get import Getter
from daas_gateway.l1_join import Joiner
from daas_gateway.l1_journal import Journal
from daas_gateway.l1_payloads import Payloads
from daas_gateway.l1_recover import Recovery
from daas_gateway.l1_request import Prepared, Who, Wishes, prepare, wishes_of
from daas_gateway.l1_routing import words_for_chain
from daas_gateway.l1_settle import Settlements
from daas_gateway.l1_submit import Submission
from daas_gateway.l1_track import Tracked, Tracker
from daas_gateway.l1_view import SlotView, checked_boot
from daas_gateway.store import ReceiptStore
from daas_gateway.store_requests import RequestState
from daas_gateway.user_keys import UserKey
from daas_protocol.command_words import CommandWords
from daas_protocol.transport.http1 import Header

VIEW_SECONDS: Final = 3.0
"""How long a reading of cluster and slot is used: a rotation or a new boot that it misses is refused by name."""
UNKNOWN_GRACE_MS: Final = 30_000
"""Until the cluster's parameters were read: the plan's default."""
MAX_TRACKED: Final = 10_000
SETTLE_MARGIN_SECONDS: Final = 15.0
NEVER_HANDED_ON: Final = frozenset({b"retry-after"})
"""A client that repeats a request by itself pays for it again."""

log = structlog.get_logger("daas.gateway")


@dataclass(frozen=True, slots=True)
class Reply:
    """What a client gets."""

    request_id: bytes
    status: int
    headers: list[Header]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class BatchResult:
    """Of one request of a batch: its reply, or why there is none (yet)."""

    request_id: bytes
    reply: Reply | None
    problem: errors.GatewayError | None


class ChainWay:
    """`start` and `stop` frame its life; everything else is for the loop's thread."""

    def __init__(
        self,
        config: ChainConfig,
        place: Place,
        token: bytes,
        user: UserKey,
        pool: ChannelPool,
        fetch: Fetch,
        exchange: Exchange,
        store: ReceiptStore,
        *,
        database: Path,
        key_file: Path,
        now_ms: Callable[[], int],
        random: Callable[[int], bytes],
    ) -> None:
        """Raises ConfigInvalid, DeploymentError, OSError."""
        self._config, self._place, self._pool = config, place, pool
        self._who = Who(user.address, token)
        self._now_ms, self._random = now_ms, random
        deployment = Deployment.load(config.deployment)
        check_place(deployment, place)
        try:
            self.chain = Chain(deployment, place.enclave_id, config.ca_file)
        except (ArtifactsError, NetworkError) as problem:
            raise ConfigInvalid(f"configuration.chain: {problem}") from None
        self._journal, self._store = Journal(config.journal), store
        self._cached: tuple[float, SlotView] | None = None
        self._reading = asyncio.Lock()
        self._awaited: dict[bytes, Tracked | None] = {}
        self._tracker = Tracker(store.put, self._on_accepted, self._on_finished)
        self._submission = Submission(
            self.chain,
            user,
            token,
            key_file,
            self._journal,
            self.view,
            Payloads(config.payloads).carry,
            max_fee=config.max_fee_mist,
            max_gas=config.max_gas_mist,
            on_sent=lambda one: self._tracker.sent(one, self._grace_ms),
            on_accepted=self._tracker.accept,
            on_nothing=self._tracker.nothing,
        )
        self._joiner = Joiner(self._submission.send, config.join_ms / 1_000)
        self._settlements = Settlements(
            self.chain, self._tracker, self._any_view, self._submission.expire if config.expire else None, now_ms
        )
        self.answers = Answers(fetch, exchange)
        self._following = Following(self.chain, self.answers, self._tracker, now_ms)
        self.getter = Getter(self.chain, self.answers, self._tracker, database, user.address)
        self._tasks: set[asyncio.Task[object]] = set()
        self._grace_ms = UNKNOWN_GRACE_MS

    # ---- life

    async def start(self) -> None:
        """Takes up what an earlier run left; the node need not be there yet. Raises OSError."""
        self._journal.open()
        transactions, bad = await asyncio.to_thread(self._journal.load)
        for path, problem in bad:
            log.error("journal_file_unreadable", path=str(path), error=type(problem).__name__, message=str(problem))
        for one in transactions:
            self._tracker.sent(one, self._grace_ms)
        recovery = Recovery(self.chain, self._tracker.accept, self._tracker.nothing)
        self._spawn(recovery.run(transactions, self._submission.clear))
        self._spawn(self._joiner.run())
        self._spawn(self._settlements.run())

    async def stop(self) -> None:
        """What is under way stays on disk, for the next run."""
        self._joiner.fail(errors.GatewayFailed("the gateway is stopping; nothing was submitted"))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.chain.close()

    def _spawn(self, work: Awaitable[object]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ---- the chain's view of the slot

    async def view(self, fresh: bool = False) -> SlotView:
        """Of the slot whose current boot is the one attested; read and attested again before it is refused.

        Raises the named errors of `checked_boot`, of the chain and of the way to the enclave.
        """
        now = asyncio.get_running_loop().time()
        if not fresh and self._cached is not None and now - self._cached[0] < VIEW_SECONDS:
            with suppress(l1_errors.ChainRefusal, l1_errors.ChainMismatch):
                return await self._compared(self._cached[1], attest=False)
        async with self._reading:
            # Whoever waited for another's reading needs none of its own.
            if self._cached is None or fresh or self._cached[0] < now:
                await self._read()
            assert self._cached is not None
            view = self._cached[1]
        try:
            return await self._compared(view, attest=False)
        except (l1_errors.EnclaveSuperseded, l1_errors.RequestKeyMismatch):
            # A boot or a key later than what this gateway has attested: it may be the same enclave's newest.
            return await self._compared(view, attest=True)

    async def _compared(self, view: SlotView, *, attest: bool) -> SlotView:
        identity = self._pool.current
        if identity is None or attest:
            self._pool.release(await self._pool.acquire(fresh=True))
            identity = self._pool.current
        if identity is None:
            raise errors.AttestationUnavailable("the enclave is not attested yet")
        checked_boot(view, identity, self._now_ms())
        return view

    async def _read(self) -> SlotView:
        view = await self.chain.slot_view()
        self._cached = (asyncio.get_running_loop().time(), view)
        self._grace_ms = view.cluster.params.settlement_grace_ms
        return view

    async def _any_view(self) -> SlotView:
        """For the tables' ids, which never change."""
        return self._cached[1] if self._cached is not None else await self._read()

    def status(self) -> dict[str, object]:
        """For `daas status`: what was read last, which no light client has verified (l1_view)."""
        seen = None if self._cached is None else self._cached[1]
        boot = None if seen is None else seen.enclave.current
        return {
            "network": self.chain.deployment.network,
            "cluster": f"0x{self.chain.slot.cluster.hex()}",
            "slot": f"0x{self.chain.slot.enclave.hex()}",
            "route": self._config.route.value,
            "under_way": len(self._tracker),
            "boot_on_chain": None if boot is None else boot.boot_id.hex(),
            "request_key_id": None if seen is None else seen.enclave.request_key_id,
            "chain_state": "as the node says",
        }

    # ---- requests

    def route(self, asked: Ask) -> CommandWords | None:
        """None: the request goes straight to the enclave. Raises NotOnChain."""
        return words_for_chain(asked, self._config.route)

    def _wishes(self) -> Wishes:
        config = self._config
        return Wishes(config.priority, config.deliver, config.wait is WaitFor.SETTLED)

    async def _prepared(self, asked: Ask, words: CommandWords) -> Prepared:
        wishes = wishes_of(asked.wishes, self._wishes())
        if len(self._tracker) >= MAX_TRACKED:
            raise l1_errors.MailboxFull(f"{MAX_TRACKED} requests of this gateway are under way")
        view = await self.view()
        return prepare(
            asked,
            words,
            self._who,
            self._place,
            view.cluster.params,
            wishes,
            self._config.deadline_seconds,
            self._now_ms(),
            self._random,
        )

    async def serve(self, asked: Ask, words: CommandWords) -> Reply:
        """One request, to its answer. Raises GatewayError."""
        prepared = await self._prepared(asked, words)
        with self._awaiting([prepared]):
            await self._joiner.submit([prepared])
            return await self._reply(prepared)

    async def apply_batch(self, asks: Sequence[Ask]) -> list[BatchResult]:
        """All accepted in one transaction, in this order, or none: then the named error of the first is raised."""
        prepared = []
        for asked in asks:
            words = self.route(asked)
            if words is None:
                raise l1_errors.NotOnChain(f"{asked.method} {errors.shown(asked.target)} goes through no contract")
            prepared.append(await self._prepared(asked, words))
        if not prepared:
            return []
        with self._awaiting(prepared):
            await self._joiner.submit(prepared, whole=True)
            return await asyncio.gather(*map(self._result, prepared))

    @contextmanager
    def _awaiting(self, prepared: Sequence[Prepared]) -> Iterator[None]:
        """Their clients wait: what is tracked of them stays at hand, even when it has ended before they look."""
        ids = [one.request_id for one in prepared]
        self._awaited.update(dict.fromkeys(ids))
        try:
            yield
        finally:
            for request_id in ids:
                self._awaited.pop(request_id, None)

    async def _result(self, prepared: Prepared) -> BatchResult:
        try:
            return BatchResult(prepared.request_id, await self._reply(prepared), None)
        except errors.GatewayError as problem:
            return BatchResult(prepared.request_id, None, problem)

    async def _reply(self, prepared: Prepared) -> Reply:
        tracked = self._awaited.get(prepared.request_id)
        if tracked is None or tracked.following is None:
            raise l1_errors.OutcomeOpen(prepared.request_id, "the request was accepted, but is not followed")
        followed = await asyncio.shield(tracked.following)
        if prepared.wishes.wait_settled:
            await self._settled(tracked, followed)
        return self._handed_on(tracked, followed)

    async def _settled(self, tracked: Tracked, followed: Followed) -> None:
        try:
            async with asyncio.timeout(max(0, tracked.closes_ms - self._now_ms()) / 1_000 + SETTLE_MARGIN_SECONDS):
                await tracked.ended.wait()
        except TimeoutError:
            raise l1_errors.OutcomeOpen(tracked.request_id, "the answer is signed, but not settled on chain") from None
        if tracked.state is RequestState.EXPIRED:
            raise l1_errors.DeadlinePassed(
                tracked.request_id,
                tracked.submitted.fee,
                "; an answer was signed, so it may have been done",
            )
        self._following.compare(tracked, followed)

    def _handed_on(self, tracked: Tracked, followed: Followed) -> Reply:
        headers: list[Header] = [
            *((name, value) for name, value in followed.headers if name not in NEVER_HANDED_ON),
            (b"daas-request-id", tracked.request_id.hex().encode("ascii")),
        ]
        return Reply(tracked.request_id, followed.status, headers, followed.body)

    # ---- what the parts report

    def _on_accepted(self, tracked: Tracked) -> None:
        if tracked.request_id in self._awaited:
            self._awaited[tracked.request_id] = tracked
        tracked.following = asyncio.create_task(self._following.follow(tracked))
        tracked.following.add_done_callback(partial(self._followed, tracked))
        self._tasks.add(tracked.following)
        self._settlements.watch(tracked)

    def _followed(self, tracked: Tracked, task: asyncio.Task[Followed]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        self._tracker.followed(tracked)
        if (problem := task.exception()) is not None:
            log.warning("request_without_answer", error=type(problem).__name__, message=str(problem))

    def _on_finished(self, transaction: bytes) -> None:
        def remove() -> None:
            # The ends first: a run that is killed in between reads them from the chain again.
            if self._store.flush():
                with suppress(OSError):
                    self._journal.remove(transaction)

        self._spawn(asyncio.to_thread(remove))


def check_place(deployment: Deployment, place: Place) -> None:
    """Raises ConfigInvalid where the gateway is configured for another package, cluster or slot than the record's."""
    for name, recorded, configured in (
        ("package_id", deployment.original, place.package_id),
        ("cluster_id", deployment.cluster, place.cluster_id),
        ("enclave_id", deployment.enclave or place.enclave_id, place.enclave_id),
    ):
        if recorded != configured:
            raise ConfigInvalid(
                f"configuration: {name} is 0x{configured.hex()}, the deployment record has 0x{recorded.hex()}"
            )

"""The relay: between one enclave and the chain that it answers to.

Invariant: nothing here stops the host. What cannot be opened or reached is told and tried again; what was taken from
the enclave or learned from the network is on disk, so that a relay that was killed goes on where it was. The enclave
believes none of it, and the contract no more than signatures.
"""

from __future__ import annotations

import asyncio
import socket
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final

import structlog

from daas_chain import artifacts
from daas_chain.calls.slots import Slot
from daas_chain.contract import Contract
from daas_chain.network.client import Network
from daas_chain.network.endpoint import Endpoint, Limits
from daas_chain.network.errors import NetworkError
from daas_chain.network.failure import AbortBook
from daas_chain.objects import Cluster
from daas_chain.sui import base58
from daas_chain.sui.signing import Signer
from daas_chain.values import Parameters
from daas_host.relay_attest import Attester, Document
from daas_host.relay_config import RelayConfig
from daas_host.relay_disk import Disk
from daas_host.relay_feed import Feed
from daas_host.relay_follow import fetch_end, first_checkpoint, follow
from daas_host.relay_journal import Identity, Journal
from daas_host.relay_key import load_operator
from daas_host.relay_outbox import Outbox
from daas_host.relay_payload_port import PayloadPort
from daas_host.relay_payloads import PayloadStore
from daas_host.relay_select import Selected, Watch
from daas_host.relay_sender import Sender
from daas_host.relay_settle import Settler
from daas_host.relay_statements import UNKNOWN_OPEN_MS, StatementError, drain, receipts, settlement
from daas_host.relay_stats import RelayStats, count
from daas_host.relay_tasks import Beacons, Coins, Expiry, Tools, forever, watch_tip
from daas_host.relay_view import ChainView
from daas_protocol.chain_feed import Attest, Drained, Settle

RETRY_MIN_S: Final = 0.5
RETRY_MAX_S: Final = 10.0
STABLE_S: Final = 60.0
"""A session that lasted so long begins again with the shortest wait."""
SWEEP_SECONDS: Final = 30.0
PAYLOADS: Final = "payloads"

log = structlog.get_logger("daas_host.relay")


class Relay:
    """`listener`: for ciphertexts beside the chain, None without. `clock`: monotonic seconds."""

    def __init__(
        self,
        config: RelayConfig,
        listener: socket.socket | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.config, self._listener, self._clock = config, listener, clock
        self.stats = RelayStats()
        self._open: _Open | None = None

    def figures(self) -> RelayStats:
        """The stats as they are now."""
        opened = self._open
        if opened is not None:
            newest = opened.view.newest_ms
            self.stats.lag_ms = None if newest is None else max(0, time.time_ns() // 1_000_000 - newest)
            self.stats.beacon_age_ms = opened.view.beacon_age_ms()
            self.stats.payloads, self.stats.payload_bytes = opened.payloads.figures
        return self.stats

    async def run(self) -> None:
        """Never returns and never raises but for being cancelled."""
        await self._again("relay_not_opened", self._opened)

    async def _opened(self) -> None:
        async with AsyncExitStack() as stack:
            opened = await _Open.make(self.config, self.stats, self._clock, stack)
            self._open = opened
            stack.callback(setattr, self, "_open", None)
            if self._listener is not None:
                port = PayloadPort(opened.put_payload)
                await port.start(self._listener.dup())
                stack.push_async_callback(port.close)
            async with asyncio.TaskGroup() as group:
                group.create_task(opened.feed.run())
                group.create_task(opened.sweep())
                group.create_task(self._again("relay_session_ended", opened.session))

    async def _again(self, event: str, once: Callable[[], Awaitable[None]]) -> None:
        wait = RETRY_MIN_S
        while True:
            began = self._clock()
            try:
                await once()
            except Exception as problem:
                # Whatever it is: the byte pipes of this host go on, and the operator hears of it.
                told = _innermost(problem)
                self.stats.state, self.stats.error = "failed", f"{type(told).__name__}: {told}"
                expected = isinstance(told, NetworkError | OSError | sqlite3.Error)
                log.error(event, name=type(told).__name__, problem=str(told), exc_info=None if expected else problem)
            if self._clock() - began > STABLE_S:
                wait = RETRY_MIN_S
            self.stats.reconnects += 1
            await asyncio.sleep(wait)
            wait = min(RETRY_MAX_S, wait * 2)


class _Open:
    """The relay with its files open: what the enclave is fed from, and where what it says goes."""

    def __init__(
        self,
        config: RelayConfig,
        stats: RelayStats,
        clock: Callable[[], float],
        signer: Signer,
        journal: Journal,
        journal_disk: Disk,
        outbox: Outbox,
        outbox_disk: Disk,
        payloads: PayloadStore,
    ) -> None:
        self.config, self.stats, self.signer = config, stats, signer
        self.journal, self.journal_disk = journal, journal_disk
        self.outbox, self.outbox_disk = outbox, outbox_disk
        self.payloads = payloads
        self.view = ChainView(clock)
        limits = config.limits
        self.settler = Settler(
            outbox,
            outbox_disk,
            stats,
            self.view.now_ms,
            limits.queue_items,
            limits.queue_bytes,
            limits.parallel,
        )
        self.attester = Attester(stats, config.anchor, config.register)
        self.feed = Feed(config.chain, journal, journal_disk, self, stats, self.fetch_end)
        self._network: Network | None = None
        self._params_changed = asyncio.Event()

    @classmethod
    async def make(
        cls, config: RelayConfig, stats: RelayStats, clock: Callable[[], float], stack: AsyncExitStack
    ) -> _Open:
        deployment = config.deployment
        signer = load_operator(config.operator_key)
        identity = Identity(
            base58.encode(deployment.chain_id),
            f"0x{deployment.cluster.hex()}",
            f"0x{deployment.enclave.hex()}",
            f"0x{deployment.original.hex()}",
        )
        disks = []
        for name in ("journal", "outbox"):
            disk = Disk(name)
            stack.callback(disk.close)
            disks.append(disk)
        journal = await disks[0].run(Journal.open, config.journal_dir, identity)
        stack.push_async_callback(disks[0].run, journal.close)
        outbox = await disks[1].run(Outbox.open, config.journal_dir)
        stack.push_async_callback(disks[1].run, outbox.close)
        limits = config.limits
        payloads = PayloadStore(
            config.journal_dir / PAYLOADS, limits.payload_bytes, limits.payload_seconds, journal.wants_payload
        )
        await disks[0].run(payloads.open)
        made = cls(config, stats, clock, signer, journal, disks[0], outbox, disks[1], payloads)
        stats.position = None if journal.next is None else journal.next - 1
        showing = await disks[0].run(journal.newest_showing)
        made.view.shown_ms = None if showing is None else showing.timestamp_ms
        await made.settler.load()
        await made.settler.ended(await made._gone(made.settler.requests()))
        return made

    # --- what the enclave hands over ---

    async def settle(self, settle: Settle) -> None:
        try:
            read = receipts(settle)
        except StatementError as problem:
            self._malformed(problem)
            return
        closes, now, params = 0, self.view.now_ms(), self.view.params
        for seq in read.seqs:
            asked = await self.journal_disk.run(self.journal.request, seq)
            if asked is not None and params is not None:
                closes = max(closes, asked.deadline_ms + params.settlement_grace_ms)
        if len(await self._gone(read.seqs)) == len(read.seqs):
            self.stats.done_elsewhere += 1
            return
        await self.settler.offer(settlement(settle, read, closes or (now or 1 << 62) + UNKNOWN_OPEN_MS))

    async def drained(self, drained: Drained) -> None:
        try:
            statement = drain(drained, self.view.now_ms() or 1 << 62)
        except StatementError as problem:
            self._malformed(problem)
            return
        await self.settler.offer(statement)

    def attest(self, attest: Attest, boot_id: bytes) -> None:
        self.attester.offer(Document(boot_id, attest.document, attest.request_key, asyncio.get_running_loop().time()))

    def has_payload(self, digest: bytes) -> bool:
        return self.payloads.has(digest)

    async def payload(self, digest: bytes) -> bytes | None:
        return await self.journal_disk.run(self.payloads.get, digest)

    def _malformed(self, problem: StatementError) -> None:
        count(self.stats.dropped, "malformed")
        log.error("relay_statement_malformed", problem=str(problem))

    async def _gone(self, seqs: list[int] | tuple[int, ...]) -> list[int]:
        """Those of which the journal has seen an end."""
        gone = []
        for seq in seqs:
            if seq < self.journal.requests_seen and await self.journal_disk.run(self.journal.request, seq) is None:
                gone.append(seq)
        return gone

    # --- ciphertexts ---

    async def put_payload(self, digest: bytes, data: bytes) -> bool:
        kept = await self.journal_disk.run(self.payloads.put, digest, data)
        self.feed.news()
        return kept

    async def sweep(self) -> None:
        while True:
            await self.journal_disk.run(self.payloads.sweep)
            await asyncio.sleep(SWEEP_SECONDS)

    # --- the network ---

    async def fetch_end(self, epoch: int) -> bool:
        if self._network is None:
            return False
        try:
            return await fetch_end(self._network, self.journal, self.journal_disk, epoch)
        except NetworkError as problem:
            log.warning("relay_epoch_not_fetched", epoch=epoch, problem=str(problem))
            return False

    async def session(self) -> None:
        """One connection to the node, until it ends in an error."""
        config, stats, deployment = self.config, self.stats, self.config.deployment
        stats.state = "connecting"
        limits = Limits(patience_seconds=float(config.limits.patience_seconds))
        endpoint = Endpoint.parse(deployment.network, config.ca_file, limits)
        async with await Network.open(endpoint, deployment.chain_id) as network:
            self._network = network
            try:
                compiled = await asyncio.to_thread(artifacts.load)
                contract = Contract.of(compiled, deployment.package, deployment.original)
                packages = frozenset((deployment.package, deployment.original))
                book = await asyncio.to_thread(AbortBook.of, compiled, packages)
                self.view.params = await self._parameters(network)
                first = await self._first(network)
                sender = Sender(
                    network,
                    self.signer,
                    book,
                    self.outbox,
                    self.outbox_disk,
                    stats,
                    config.limits.parallel,
                    config.limits.ceiling_mist,
                )
                await self._work(sender, contract, Watch(packages, deployment.cluster, deployment.enclave), first)
            finally:
                self._network = None

    async def _work(self, sender: Sender, contract: Contract, watch: Watch, first: int) -> None:
        deployment, limits = self.config.deployment, self.config.limits
        slot = Slot(deployment.enclave, deployment.cluster, deployment.stake_pool)
        tools = Tools(sender, contract, slot, self.journal, self.journal_disk, self.view, self.stats)
        self.stats.state = "following"
        log.info("relay_following", node=str(sender.network.endpoint), first=first)
        async with asyncio.TaskGroup() as group:
            group.create_task(
                follow(
                    sender.network,
                    self.journal,
                    self.journal_disk,
                    watch,
                    limits.kept_checkpoints,
                    first,
                    self._saw,
                )
            )
            group.create_task(self._parameters_again(sender.network))
            group.create_task(forever("tip", self.stats, lambda: watch_tip(tools)))
            group.create_task(self._submitting(group, tools))

    async def _submitting(self, group: asyncio.TaskGroup, tools: Tools) -> None:
        """What an earlier process has sent comes first: its coins are not used for anything else before."""
        sender, stats, limits = tools.sender, self.stats, self.config.limits
        await sender.recover()
        group.create_task(self.settler.run(sender, tools.contract, tools.slot))
        group.create_task(self.attester.run(sender, tools.contract, tools.slot))
        coins = Coins(tools, limits.parallel, limits.ceiling_mist)
        group.create_task(forever("coins", stats, coins.once))
        if self.config.beacon:
            group.create_task(forever("beacon", stats, Beacons(tools).once))
        if self.config.expire:
            group.create_task(forever("expire", stats, Expiry(tools, self.settler.requests).once))

    async def _first(self, network: Network) -> int:
        if self.journal.next is not None:
            return self.journal.next
        if self.config.first_checkpoint is not None:
            return self.config.first_checkpoint
        return await first_checkpoint(network, self.config.deployment.cluster)

    async def _saw(self, found: Selected) -> None:
        self.view.saw(found)
        self.stats.position, self.stats.seen_ms = found.sequence, found.timestamp_ms
        if found.changes_state:
            self._params_changed.set()
        if found.ended:
            await self.settler.ended(found.ended)
        if found.matters or found.chained:
            self.feed.news()

    async def _parameters(self, network: Network) -> Parameters:
        held = await network.object(self.config.deployment.cluster)
        return Cluster.decode(held.contents).params

    async def _parameters_again(self, network: Network) -> None:
        while True:
            await self._params_changed.wait()
            self._params_changed.clear()
            self.view.params = await self._parameters(network)


def _innermost(problem: BaseException) -> BaseException:
    """The first error of a group of tasks."""
    while isinstance(problem, BaseExceptionGroup) and problem.exceptions:
        problem = problem.exceptions[0]
    return problem

"""Promises: what the real contract accepts from a real network's checkpoints is executed once, and the real contract
takes the receipts: one alone, many under one signature, and those that a later boot signs again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from daas_attestation.simulated import SimulatedNsm
from daas_enclave.chain_service import ChainService, Identity
from daas_enclave.execute import Upstream
from daas_enclave.keys import ReceiptKey
from daas_enclave.mailbox_admission import envelope_info
from daas_enclave.mailbox_parts import Parts
from daas_enclave.mailbox_service import Mailbox
from daas_enclave.phases import Phase
from daas_enclave.request_keys import RequestKeys
from daas_enclave.signer import ReceiptSigner
from daas_protocol import chain_feed as feed
from daas_protocol.binding import EnclaveBinding
from daas_protocol.delivery import ResponseKey, open_delivery
from support.chain_host import ChainHost
from support.contract_stage import ANCHOR
from support.enclave_path import ApiServerDouble, listening
from support.follow_world import NetStage, founding
from support.mailbox_contract import Requests
from support.mailbox_world import EtcdDouble
from support.move_signing import boot_id
from support.waiting import until

PCRS = {index: bytes([1 + index]) * 48 for index in range(3)}


@dataclass
class World(Requests):
    """Whatever outlives a boot."""

    folder: Path = field(kw_only=True)
    api: ApiServerDouble = field(kw_only=True)
    api_server: Any = field(kw_only=True)
    keys: RequestKeys = field(kw_only=True)
    etcd: EtcdDouble = field(default_factory=EtcdDouble)

    def now_ms(self) -> int:
        return self.stage.clock_ms


class Booted:
    """One boot: chain service and mailbox."""

    def __init__(self, world: World, number: int) -> None:
        self.world, stage = world, world.stage
        receipt_key = ReceiptKey(os.urandom)
        binding = EnclaveBinding(
            *(stage.package, stage.cluster_id, stage.enclave_id, boot_id(number), ANCHOR, bytes(32), b"\7" * 32)
        )
        nsm = SimulatedNsm(stage.ca, PCRS, world.now_ms, os.urandom)
        clock = SimpleNamespace(now_ms=world.now_ms)
        self.service = ChainService(stage.follower(), Identity(binding, receipt_key.public, world.keys), nsm, clock)
        self.upstream = Upstream(world.api_server)

        async def reconcile(snapshot: Any, again: bool) -> None:
            pass

        self.mailbox = Mailbox(
            Parts(
                slot=world.slot,
                boot_id=binding.boot_id,
                clock=clock,
                phase=self,
                snapshot=self.service.authority.snapshot,
                keys=world.keys,
                etcd=world.etcd,  # type: ignore[arg-type]
                signer=ReceiptSigner(stage.enclave_id, binding.boot_id, receipt_key.sign, world.now_ms),
                upstream=self.upstream,
                port=self.service,
                is_current=lambda: self.serving,
                reconcile=reconcile,
            )
        )
        self.service.on_changes(self.mailbox.changed)
        self.service.on_payload(self.mailbox.brought)
        self.service.on_attached(self.mailbox.attached)
        self.path = world.folder / f"chain-{number}"
        self.tasks: list[asyncio.Task[None]] = []

    @property
    def serving(self) -> bool:
        return self.service.standing.phase is Phase.SERVING

    async def start(self, generation: int) -> ChainHost:
        """Registered, and attached to a host."""
        await self.service.serve(listening(self.path))
        self.tasks = [asyncio.create_task(self.service.run()), asyncio.create_task(self.mailbox.run())]
        host = await ChainHost.dial(self.world.stage, self.path)
        await host.relay()
        attest = await host.attest(generation)
        stage = self.world.stage
        stage.clock_ms += 1
        stage.attest("register", attest.document, attest.request_key)
        stage.beacon()
        await host.relay()
        if generation:
            stage.wait(30_001)
            stage.beacon()
            await host.relay()
        await until(lambda: self.serving)
        return host

    async def crash(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.service.stop()
        self.upstream.close()


@contextlib.asynccontextmanager
async def world_of(stage: NetStage, folder: Path) -> AsyncIterator[World]:
    api = ApiServerDouble()
    try:
        keys = RequestKeys(os.urandom)
        server = await api.start(folder)
        yield World(stage, keys.public_bytes, folder=folder, api=api, api_server=server, keys=keys)
    finally:
        await api.stop()


@pytest.fixture(scope="module")
def founded() -> NetStage:
    made = founding(registered=False)
    made.wait(1_000)
    made.beacon()
    return made


async def settles(host: ChainHost, count: int) -> list[feed.Settle]:
    """Messages that settle `count` requests."""
    got = [one for one in host.got if isinstance(one, feed.Settle)]
    while sum(len(one.request_ids) for one in got) < count:
        got.append(await host.next(feed.Settle))
    return got


def forget(host: ChainHost) -> None:
    host.got = [one for one in host.got if not isinstance(one, feed.Settle)]


def pending(boot: Booted) -> int:
    verified = boot.service.verified
    assert verified is not None
    return len(verified.mailbox.requests)


async def test_the_contract_takes_what_the_enclave_signs_and_a_later_boot_signs_again(
    founded: NetStage, tmp_path: Path
) -> None:
    async with world_of(founded.cast(), tmp_path) as world:
        first = Booted(world, 1)
        try:
            host = await first.start(0)
            key = ResponseKey(os.urandom(32))
            alone = world.ask(body=b"alone", response_key=key.public_bytes)
            world.submit(alone)
            await host.relay()
            (single,) = await settles(host, 1)
            assert single.request_ids == (alone.request_id,)
            assert open_delivery(alone.info, single.deliveries[0], key).status == 200
            assert envelope_info(world.slot, first.service.verified.mailbox.requests[0]) == alone.info  # type: ignore[union-attr]
            world.settle(single)
            await host.relay()
            assert pending(first) == 0
            # Twelve of one transaction: executed by priority, settled by one signature or two.
            forget(host)
            batch = [world.ask(body=b"%d" % n, priority=1 + n % 10) for n in range(12)]
            world.submit(*batch)
            await host.relay()
            messages = await settles(host, 12)
            assert len(messages) <= 2
            bodies = [seen.body for seen in world.api.seen][1:]
            assert bodies == sorted(bodies, key=lambda body: (-(1 + int(body) % 10), int(body)))
            for one in messages:
                world.settle(one)
            await host.relay()
            assert pending(first) == 0
            # Executed, signed, and not settled: this boot is gone before its relay has submitted.
            forget(host)
            left = [world.ask(body=b"left %d" % n) for n in range(3)]
            world.submit(*left)
            await host.relay()
            old = await settles(host, 3)
            await host.close()
        finally:
            await first.crash()
        later = Booted(world, 2)
        try:
            host = await later.start(1)
            messages = await settles(host, 3)
            with pytest.raises(AssertionError):
                world.settle(old[0])
            for one in messages:
                world.settle(one)
            await host.relay()
            assert pending(later) == 0
            seen = [one.body for one in world.api.seen]
            assert len(seen) == len(set(seen)) == 16
            assert later.mailbox.stats()["answers"] == {"200": 3}
        finally:
            await later.crash()


async def test_a_ciphertext_copied_into_somebody_elses_request_settles_as_a_refusal(
    founded: NetStage, tmp_path: Path
) -> None:
    async with world_of(founded.cast(), tmp_path) as world:
        boot = Booted(world, 1)
        try:
            host = await boot.start(0)
            real = world.ask(body=b"real")
            copy = world.ask(body=b"copy")
            copy.ciphertext = real.ciphertext
            late = world.ask(body=b"late")
            world.submit(real, copy)
            await host.relay()
            for one in await settles(host, 2):
                world.settle(one)
            await host.relay()
            assert pending(boot) == 0
            assert boot.mailbox.stats()["answers"] == {"200": 1, "400": 1}
            # The enclave hears of this one when its deadline is too near: its fee goes back.
            forget(host)
            world.submit(late)
            world.stage.clock_ms = late.info.deadline_ms - 20_000
            world.stage.beacon()
            await host.relay()
            (refused,) = await settles(host, 1)
            world.settle(refused)
            await host.relay()
            assert boot.mailbox.stats()["answers"] == {"200": 1, "400": 1, "504": 1}
            assert [seen.body for seen in world.api.seen] == [b"real"]
        finally:
            await boot.crash()

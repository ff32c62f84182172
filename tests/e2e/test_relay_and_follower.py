"""Promise: the real relay and the enclave's real chain side, over a served network: registration, requests, settlement,
restarts of either, and no beacon too late.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daas_attestation.simulated import SimulatedNsm
from daas_chain.events_mailbox import K8sAPIRequest
from daas_chain.follow.follower import Changes, Follower, Verified
from daas_chain.light.committee import Committee
from daas_enclave.chain_position import PositionStore
from daas_enclave.chain_service import ChainService, Identity
from daas_enclave.phases import Phase
from daas_enclave.sealing import SealContext
from daas_protocol.binding import EnclaveBinding
from daas_protocol.chain_feed import Settle
from daas_protocol.intents import Drain
from daas_protocol.receipt import Intent, MailboxRef, Receipt, sign
from daas_protocol.request_envelope import RequestKey
from support.enclave_path import listening
from support.relay_world import RelayWorld, relay_world
from support.served_contract import ANCHOR, MEASUREMENTS, sha, wall_ms
from support.waiting import until

pytestmark = pytest.mark.e2e


class Clock:
    @staticmethod
    def now_ms() -> int:
        return wall_ms()


@dataclass
class Boot:
    """The chain side of one boot; answers every request with 201."""

    world: RelayWorld
    anchor: Committee
    number: int
    settled: set[int] = field(default_factory=set)
    arrived: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        contract = self.world.contract
        self.boot_id = os.urandom(16)
        self.key = Ed25519PrivateKey.generate()
        self.sequence = count()
        binding = EnclaveBinding(
            contract.contract.original,
            contract.slot.cluster,
            contract.slot.enclave,
            self.boot_id,
            ANCHOR,
            bytes(32),
            bytes(32),
        )
        nsm = SimulatedNsm(contract.ca, MEASUREMENTS, wall_ms, os.urandom)
        context = SealContext(binding.package_id, binding.cluster_id, binding.enclave_id, self.anchor.anchor)
        store = PositionStore(self.world.folder / "position", bytes(32), context, os.urandom)
        follower = Follower(
            self.anchor,
            frozenset({contract.contract.original}),
            contract.slot.cluster,
            contract.slot.enclave,
            store.load(),
        )
        public = self.key.public_key().public_bytes_raw()
        self.service = ChainService(
            follower, Identity(binding, public, RequestKey(os.urandom(32))), nsm, Clock(), store
        )
        self.service.on_changes(self._changed)
        self.service.on_attached(self._again)
        self.unsettled: dict[int, Settle] = {}

    async def start(self) -> None:
        path = self.world.folder / "chain"
        path.unlink(missing_ok=True)
        await self.service.serve(listening(path))
        self.task = asyncio.create_task(self.service.run())

    async def stop(self, goodbye: bool = False) -> None:
        if goodbye:
            root = hashlib.sha256(b"").digest()
            drain = Drain(self.world.contract.slot.enclave, self.boot_id, 0, root, 0).to_bcs()
            await self.service.say_goodbye(lambda: sign(Intent.DRAIN, wall_ms(), drain, self.key.sign))
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.service.stop()

    async def serving(self) -> None:
        await until(lambda: self.service.look().phase is Phase.SERVING)

    def _changed(self, changes: Changes, verified: Verified) -> None:
        for seq in changes.ended:
            self.unsettled.pop(seq, None)
            self.settled.add(seq)
        if self.service.look().phase is not Phase.SERVING:
            return
        for seq, request in sorted(verified.mailbox.requests.items()):
            if seq not in self.unsettled:
                self.arrived.append(seq)
                self.unsettled[seq] = self._answer(request, verified)
                self.service.send(self.unsettled[seq])

    def _again(self) -> None:
        for settle in self.unsettled.values():
            self.service.send(settle)

    def _answer(self, request: K8sAPIRequest, verified: Verified) -> Settle:
        arrival = verified.arrivals[request.mailbox_seq]
        receipt = Receipt(
            enclave_id=self.world.contract.slot.enclave,
            boot_id=self.boot_id,
            sequence=next(self.sequence),
            request_digest=request.request_digest,
            requester=request.requester,
            mailbox=MailboxRef(request.mailbox_seq, arrival.checkpoint, request.mailbox_seq + 1, None),
            status=201,
            body_digest=sha(b"body"),
            body_length=4,
            log_root=sha(b"root"),
        )
        message = sign(Intent.RECEIPT, wall_ms(), receipt.to_bcs(), self.key.sign)
        return Settle((request.request_id,), (b"",), message.signing_bytes(), message.signature)


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[RelayWorld]:
    async with relay_world(tmp_path) as made:
        yield made


async def anchored(world: RelayWorld) -> Committee:
    found = (await world.network.epoch(0, committee=True)).committee
    assert found is not None
    return Committee.from_record(found)


async def ask(world: RelayWorld, *names: str) -> list[int]:
    """Requests under the newest request key, one after the other; their numbers."""
    made = []
    for name in names:
        command = world.contract.command(sha(name.encode())[:16], 64, 600.0)
        command = replace(command, request_key_id=(await world.enclave()).request_key_id)
        made.append((await world.ask([command]))[0][0])
    return made


async def test_requests_are_followed_answered_and_settled_over_restarts(world: RelayWorld) -> None:
    anchor = await anchored(world)
    boot = Boot(world, anchor, 1)
    await boot.start()
    stats = await world.start(register=True)
    await boot.serving()
    asked = await ask(world, "a", "b", "c")
    await until(lambda: boot.settled >= set(asked))
    assert boot.arrived == asked
    assert await world.pending() == 0
    # The relay restarts; what is asked meanwhile comes when it is there again.
    await world.stop()
    asked = await ask(world, "d", "e")
    await until(lambda: boot.service.look().phase is Phase.PAUSED)
    stats = await world.start(register=True)
    await until(lambda: boot.settled >= set(asked))
    assert boot.service.look().phase is Phase.SERVING
    assert stats.refused == {}
    # The enclave restarts with a goodbye: the next boot goes on in the same mailbox, above the position.
    await boot.stop(goodbye=True)
    asked = []
    again = Boot(world, anchor, 2)
    await again.start()
    await again.serving()
    asked = await ask(world, "f")
    await until(lambda: again.settled >= set(asked))
    # Killed without one: the next one waits, and then does the same.
    await again.stop()
    third = Boot(world, anchor, 3)
    await third.start()
    await third.serving()
    asked = await ask(world, "g")
    await until(lambda: third.settled >= set(asked))
    assert third.arrived == asked
    status = third.service.status()
    assert status["messages_refused"] == 0
    assert await world.pending() == 0
    await third.stop()
    assert stats.refused == {}


async def test_it_goes_on_serving_while_nothing_happens(world: RelayWorld) -> None:
    boot = Boot(world, await anchored(world), 1)
    await boot.start()
    await world.start(register=True)
    await boot.serving()
    phases: set[Phase] = set()
    boot.service.on_standing(lambda standing: phases.add(standing.phase))
    await asyncio.sleep(5)
    assert phases == set(), "beacons come in time"
    await boot.stop()


async def test_a_boot_that_is_anchored_in_an_epoch_long_past_is_led_to_the_present(tmp_path: Path) -> None:
    async with relay_world(tmp_path, epochs=3) as world:
        boot = Boot(world, await anchored(world), 1)
        await boot.start()
        stats = await world.start(register=True)
        await boot.serving()
        assert boot.service.position().epoch == 3
        for name in ("a", "b"):
            asked = await ask(world, name)
            # The request and the end of the epoch may be in one checkpoint.
            world.end_epoch()
            await until(lambda: boot.settled >= set(asked))  # noqa: B023
        await until(lambda: boot.service.position().epoch == 5)
        assert stats.refused == {}
        await boot.stop()

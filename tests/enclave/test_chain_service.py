"""Promises: over the chain port a host can bring the truth or nothing; registration, heartbeat and restart go through a
real network's checkpoints, and a position that was sealed is never gone below.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daas_attestation.document import parse_unverified
from daas_attestation.nsm import NsmError, NsmErrorCode
from daas_attestation.simulated import SimulatedNsm
from daas_chain.follow.errors import PositionOwnerError
from daas_chain.follow.follower import Arrival, Changes
from daas_enclave import chain_port, chain_position
from daas_enclave.chain_position import PositionStore
from daas_enclave.chain_service import ChainService, Identity
from daas_enclave.chain_watch import Standing
from daas_enclave.phases import Phase
from daas_enclave.sealing import SealBroken, SealContext, SealedForAnother, SealingError
from daas_protocol import chain_feed as feed
from daas_protocol.binding import EnclaveBinding
from daas_protocol.feed_stream import encode_message
from daas_protocol.request_envelope import RequestKey
from support import localnet_faults as faults
from support.chain_host import ChainHost, history, wire
from support.contract_stage import ANCHOR, sha
from support.contract_steps import number
from support.enclave_path import listening
from support.follow_world import NetStage, fed, founding, handed
from support.move_signing import boot_id
from support.waiting import until

PCRS = {index: bytes([1 + index]) * 48 for index in range(3)}
STALENESS = 30_000
SEAL_KEY = bytes(32)


@dataclass
class Keys:
    """A request key that can be exchanged."""

    key: RequestKey

    @property
    def public_bytes(self) -> bytes:
        return self.key.public_bytes


@dataclass
class Clock:
    stage: NetStage
    ahead_ms: int = 0

    def now_ms(self) -> int:
        return self.stage.clock_ms + self.ahead_ms


@dataclass
class Rig:
    """One boot's chain service on a socket."""

    stage: NetStage
    folder: Path
    boot: int = 1
    store: PositionStore | None = None
    standings: list[Standing] = field(default_factory=list)
    changes: list[Changes] = field(default_factory=list)
    payloads: list[feed.Payload] = field(default_factory=list)

    def __post_init__(self) -> None:
        stage = self.stage
        self.clock = Clock(stage)
        self.receipt = Ed25519PrivateKey.from_private_bytes(bytes([self.boot]) * 32)
        self.keys = Keys(RequestKey(bytes([self.boot]) * 32))
        self.nsm = SimulatedNsm(stage.ca, PCRS, self.clock.now_ms, os.urandom)
        self.binding = EnclaveBinding(
            stage.package,
            stage.cluster_id,
            stage.enclave_id,
            boot_id(self.boot),
            ANCHOR,
            bytes(32),
            b"\7" * 32,
        )
        identity = Identity(self.binding, self.receipt.public_key().public_bytes_raw(), self.keys)
        self.follower = stage.follower(floor=None if self.store is None else self.store.load())
        self.service = ChainService(self.follower, identity, self.nsm, self.clock, self.store)
        self.service.on_standing(self.standings.append)
        self.service.on_changes(lambda changes, _: self.changes.append(changes))
        self.service.on_payload(self.payloads.append)
        self.path = self.folder / f"chain-{self.boot}"
        self.task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self.service.serve(listening(self.path))
        self.task = asyncio.create_task(self.service.run())

    async def host(self) -> ChainHost:
        return await ChainHost.dial(self.stage, self.path)

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        await self.service.stop()
        self.path.unlink(missing_ok=True)

    async def registered(self, host: ChainHost, generation: int = 0) -> None:
        """The host has submitted what the enclave asked for."""
        await host.relay()
        attest = await host.attest(generation)
        self.stage.clock_ms += 1
        self.stage.attest("register", attest.document, attest.request_key)
        self.stage.beacon()
        await host.relay()


@contextlib.asynccontextmanager
async def running(stage: NetStage, folder: Path, **how: Any) -> AsyncIterator[Rig]:
    rig = Rig(stage, folder, **how)
    await rig.start()
    try:
        yield rig
    finally:
        await rig.stop()


@pytest.fixture(scope="module")
def founded() -> NetStage:
    made = founding(registered=False)
    made.wait(1_000)
    made.beacon()
    return made


@pytest.fixture
def stage(founded: NetStage) -> NetStage:
    return founded.cast()


def store(stage: NetStage, folder: Path, key: bytes = SEAL_KEY, **context: Any) -> PositionStore:
    of = SealContext(stage.package, stage.cluster_id, stage.enclave_id, bytes(32))
    return PositionStore(folder / "position", key, replace(of, **context), os.urandom)


async def test_a_boot_registers_by_its_own_document_and_serves_when_it_sees_itself(
    stage: NetStage, tmp_path: Path
) -> None:
    async with running(stage, tmp_path) as rig:
        host = await rig.host()
        assert rig.service.standing.phase is Phase.UNREGISTERED
        await host.relay()
        attest = await host.attest(0)
        document = parse_unverified(attest.document)
        assert document.nonce == bytes(32)
        assert document.public_key == rig.receipt.public_key().public_bytes_raw()
        assert attest.request_key == rig.keys.public_bytes
        stage.clock_ms += 1
        stage.attest("register", attest.document, attest.request_key)
        stage.beacon()
        await host.relay()
        assert rig.service.standing.phase is Phase.SERVING
        assert [one.phase for one in rig.standings] == [Phase.SERVING]
        verified = rig.service.verified
        assert verified is not None
        boot = verified.state.slots[stage.enclave_id].boot
        assert boot is not None
        assert boot.boot_id == boot_id(1)
        assert len(rig.service.authority.snapshot().tokens) == 1
        status = rig.service.status()
        assert status["standing"] == "Serving"
        assert status["checkpoint"] == stage.network.latest.number


async def test_requests_reach_the_mailbox_with_their_round(stage: NetStage, tmp_path: Path) -> None:
    async with running(stage, tmp_path) as rig:
        host = await rig.host()
        await rig.registered(host)
        stage.submit_batch(1, 2).runs()
        sealed = stage.seal()
        await host.relay()
        assert rig.changes[-1].requested == (0, 1)
        assert rig.service.verified is not None
        assert set(rig.service.verified.arrivals.values()) == {Arrival(sealed, stage.clock_ms)}


async def test_what_the_host_withholds_pauses_and_what_it_brings_resumes(stage: NetStage, tmp_path: Path) -> None:
    async with running(stage, tmp_path) as rig:
        host = await rig.host()
        await rig.registered(host)
        rig.clock.ahead_ms = STALENESS + 1
        await until(lambda: rig.service.standing.phase is Phase.PAUSED)
        stage.clock_ms += STALENESS
        rig.clock.ahead_ms = 0
        # The newest event of state is withheld: the beacon after it shows that there was one.
        stage.issue().runs()
        withheld = stage.seal()
        beacon = stage.beacon()
        await host.ask(wire(stage.message(beacon)))
        assert isinstance(host.got[-2], feed.Refused)
        assert (host.got[-2].check, host.got[-2].checkpoint) == ("EventsOmittedError", beacon)
        assert rig.service.standing.phase is Phase.PAUSED
        await host.ask(history(stage.old([withheld])))
        assert rig.service.standing.phase is Phase.PAUSED
        await host.ask(wire(stage.message(beacon)))
        assert rig.service.standing.phase is Phase.SERVING
        assert len(rig.service.authority.snapshot().tokens) == 2


async def test_refusals_are_told_by_name_and_change_nothing(stage: NetStage, tmp_path: Path) -> None:
    async with running(stage, tmp_path) as rig:
        host = await rig.host()
        await rig.registered(host)
        before = rig.service.verified
        stage.submit(1).runs()
        number = stage.seal()
        for message, check in (
            (handed(faults.Handed(faults.minority_fork(stage.network, number), ()), ()), "QuorumError"),
            (handed(faults.forged_event(stage.network, number, 0)), "EventsDigestError"),
            (handed(faults.forged_event(stage.network, number, 3)), "QuorumSignatureError"),
            (stage.message(number - 1), "SequenceError"),
        ):
            position = host.position
            assert await host.ask(wire(message)) == position
            assert isinstance(host.got[-2], feed.Refused)
            assert host.got[-2].check == check
        assert rig.service.verified is before
        await host.relay()
        assert rig.changes[-1].requested == (0,)
        assert rig.service.status()["messages_refused"] == 4


async def test_a_heartbeat_brings_a_new_request_key_on_chain(stage: NetStage, tmp_path: Path) -> None:
    async with running(stage, tmp_path) as rig:
        host = await rig.host()
        await rig.registered(host)
        stage.clock_ms += 1_000
        bytes_before = rig.keys.public_bytes
        rig.keys.key = RequestKey(bytes([9]) * 32)
        attest = await host.attest(1)
        assert attest.request_key == rig.keys.public_bytes
        # Clients compare with the contract, which does not have the new key yet.
        assert rig.service.binding.request_key_sha256 == sha(bytes_before)
        stage.attest("heartbeat", attest.document, attest.request_key)
        stage.seal()
        await host.relay()
        verified = rig.service.verified
        assert verified is not None
        assert [one.id for one in verified.state.slots[stage.enclave_id].request_keys] == [1, 2]
        assert rig.service.binding.request_key_sha256 == sha(rig.keys.public_bytes)
        # At half of its life the boot shows itself again, without a key.
        boot = verified.state.slots[stage.enclave_id].boot
        assert boot is not None
        stage.clock_ms += (boot.expires_at_ms - boot.attested_at_ms) // 2
        stage.beacon()
        await host.relay()
        attest = await host.attest(1)
        assert attest.request_key == b""
        stage.attest("heartbeat", attest.document, attest.request_key)
        stage.seal()
        await host.relay()
        assert rig.service.standing.phase is Phase.SERVING


async def test_a_restart_is_a_new_boot_that_waits_and_the_old_one_drains(stage: NetStage, tmp_path: Path) -> None:
    async with running(stage, tmp_path) as old, running(stage, tmp_path, boot=2) as new:
        first, second = await old.host(), await new.host()
        await old.registered(first)
        stage.submit(1).runs()
        stage.seal()
        await first.relay()
        stage.clock_ms += 1_000
        stage.beacon()
        await new.registered(second, 1)
        assert new.service.standing.phase is Phase.UNREGISTERED
        assert "may serve for" in new.service.standing.reason
        await first.relay()
        assert old.service.standing.phase is Phase.DRAINING
        assert new.service.verified is not None
        assert dict(new.service.verified.mailbox.requests).keys() == {0}, "the same mailbox"
        stage.clock_ms += STALENESS
        stage.beacon()
        await second.relay()
        assert new.service.standing.phase is Phase.SERVING


async def test_a_revoked_version_drains(stage: NetStage, tmp_path: Path) -> None:
    async with running(stage, tmp_path) as rig:
        host = await rig.host()
        await rig.registered(host)
        stage.on_cluster("revoke_policy_by_veto", number(1), cap=stage.veto_cap).runs()
        stage.seal()
        await host.relay()
        assert rig.service.standing == Standing(Phase.DRAINING, "image version 1 counts no longer")


# Positions.


async def test_a_later_boot_goes_on_above_the_position_of_the_one_before(stage: NetStage, tmp_path: Path) -> None:
    async with running(stage, tmp_path, store=store(stage, tmp_path)) as rig:
        host = await rig.host()
        await rig.registered(host)
        reached = host.position.checkpoint
    async with running(stage, tmp_path, boot=2, store=store(stage, tmp_path)) as rig:
        host = await rig.host()
        assert (host.position.checkpoint, host.position.state_seq) == (reached, 0)
        for number in stage.eventful():
            await host.ask(wire(stage.message(number)))
            assert isinstance(host.got[-2], feed.Refused)
        assert rig.service.verified is None
        stage.clock_ms += 1_000
        stage.beacon()
        await host.relay()
        assert rig.service.verified is not None


async def test_it_is_saved_while_it_runs(stage: NetStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain_position, "SAVE_SECONDS", 0.0)
    kept = store(stage, tmp_path)
    async with running(stage, tmp_path, store=kept) as rig:
        host = await rig.host()
        await host.relay()
        await until(lambda: (tmp_path / "position").exists())
        await until(lambda: not kept.due(rig.follower.export()))
        found = store(stage, tmp_path).load()
        assert found == rig.follower.export()


def test_a_position_is_sealed_for_its_slot(stage: NetStage, tmp_path: Path) -> None:
    follower = stage.follower()
    fed(follower, stage, stage.eventful())
    position = follower.export()
    assert position is not None
    assert store(stage, tmp_path).load() is None
    store(stage, tmp_path).save(position)
    assert store(stage, tmp_path).load() == position
    blob = (tmp_path / "position").read_bytes()
    assert (tmp_path / "position").stat().st_mode & 0o777 == 0o600
    with pytest.raises(SealedForAnother):
        store(stage, tmp_path, cluster_id=b"\1" * 32).load()
    with pytest.raises(SealBroken):
        store(stage, tmp_path, key=b"\1" * 32).load()
    for broken in (blob[:-1] + bytes([blob[-1] ^ 1]), blob[:50], b"", bytes(2 << 20)):
        (tmp_path / "position").write_bytes(broken)
        with pytest.raises(SealingError):
            store(stage, tmp_path).load()
    other = replace(position, enclave=b"\1" * 32)
    store(stage, tmp_path).save(other)
    with pytest.raises(PositionOwnerError):
        stage.follower(floor=store(stage, tmp_path).load())


# The port.


async def test_payloads_are_handed_on(stage: NetStage, tmp_path: Path) -> None:
    async with running(stage, tmp_path) as rig:
        host = await rig.host()
        large = feed.Payload(b"\1" * 32, bytes(200_000))
        await host.ask(large)
        assert rig.payloads == [large]


async def test_a_new_connection_takes_over_and_goes_on_where_the_other_was(stage: NetStage, tmp_path: Path) -> None:
    async with running(stage, tmp_path) as rig:
        first = await rig.host()
        await first.ask(wire(stage.message(stage.eventful()[0])))
        second = await rig.host()
        assert second.position.checkpoint == stage.eventful()[0]
        with pytest.raises((ConnectionError, OSError)):
            while True:
                await first.ask(wire(stage.message(1)))
        await second.relay()
        assert rig.service.verified is not None
        # What was due is said again to whoever has come.
        third = await rig.host()
        await third.attest(0)


@pytest.mark.parametrize("data", [b"\xff" * 8, b"\0\0\0\0", encode_message(feed.Want(bytes(32))), b"\0\0\0\5\x09abcd"])
async def test_bytes_that_are_no_messages_end_the_connection_and_nothing_else(
    stage: NetStage, tmp_path: Path, data: bytes
) -> None:
    async with running(stage, tmp_path) as rig:
        host = await rig.host()
        host.writer.write(data)
        with pytest.raises((ConnectionError, OSError)):
            await host.next(feed.Notice)
        again = await rig.host()
        await again.relay()
        assert rig.service.verified is not None


async def test_a_host_that_reads_nothing_loses_its_connection(
    stage: NetStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain_port, "MAX_UNSENT_BYTES", 65_536)
    async with running(stage, tmp_path) as rig:
        await rig.host()
        sent = 0
        while rig.service.send(feed.Notice.of("x" * 1_000)):
            sent += 1
            assert sent < 10_000
        await until(lambda: not rig.service.status()["host_attached"])
        await (await rig.host()).relay()


async def test_an_nsm_that_fails_is_asked_again(
    stage: NetStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(stage, tmp_path) as rig:
        asked: list[bytes] = []

        def fails(**_: Any) -> bytes:
            asked.append(b"")
            raise NsmError("Attestation", NsmErrorCode.INTERNAL_ERROR)

        host = await rig.host()
        with monkeypatch.context() as patch:
            patch.setattr(rig.nsm, "attestation", fails)
            await host.relay()
            await until(lambda: bool(asked))
        stage.clock_ms += 150_000
        stage.beacon()
        await host.relay()
        assert (await host.attest(0)).request_key == rig.keys.public_bytes

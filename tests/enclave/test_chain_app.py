"""Promises: a whole boot that follows a chain goes through its phases by verified state alone."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from daas_attestation.document import parse_unverified
from daas_attestation.simulated import SimulatedNsm
from daas_chain.light.committee import Committee
from daas_enclave.config import ConfigError, parse_config
from daas_enclave.phases import Phase
from daas_protocol import chain_feed as feed
from daas_protocol.binding import EnclaveBinding
from daas_protocol.receipt import SignedMessage
from support import localnet_faults as faults
from support.app_rig import NOW_MS, Rig, phases
from support.chain_host import ChainHost
from support.contract_stage import sha
from support.contract_steps import octets
from support.follow_world import NetStage, founding
from support.waiting import PATIENCE_S

PCRS = {index: bytes([1 + index]) * 48 for index in range(3)}
STALENESS = 30_000


@pytest.fixture(scope="module")
def founded() -> NetStage:
    """A network of now, whose cluster accepts its first committee as an anchor."""
    stage = founding(registered=False, clock_ms=NOW_MS)
    stage.wait(1)
    stage.propose("anchor", octets(stage.anchor.anchor)).runs()
    stage.wait(86_400_000)
    stage.activate(0).runs()
    stage.beacon()
    return stage


class ChainRig(Rig):
    """The enclave and a network, with a host between them."""

    def __init__(self, folder: Path, stage: NetStage) -> None:
        super().__init__(folder)
        self.stage = stage
        self.nsm = SimulatedNsm(stage.ca, PCRS, lambda: stage.clock_ms, os.urandom)

    def config(self, **changes: Any) -> dict[str, Any]:
        stage = self.stage
        value = super().config()
        del value["policy_file"]
        chain = {
            "package_ids": [f"0x{stage.package.hex()}"],
            "committee": base64.b64encode(stage.anchor.to_bytes()).decode(),
            "chain_listen": f"unix:{self.folder}/chain.sock",
        }
        ids = {
            "package_id": f"0x{stage.package.hex()}",
            "cluster_id": f"0x{stage.cluster_id.hex()}",
            "enclave_id": f"0x{stage.enclave_id.hex()}",
            "chain": chain,
        }
        return value | ids | changes

    async def host(self) -> ChainHost:
        return await ChainHost.dial(self.stage, self.folder / "chain.sock")

    async def register(self, host: ChainHost, generation: int = 0) -> EnclaveBinding:
        await host.relay()
        attest = await host.attest(generation)
        self.stage.clock_ms += 1
        self.stage.attest("register", attest.document, attest.request_key)
        self.stage.beacon()
        await host.relay()
        data = parse_unverified(attest.document).user_data
        assert data is not None
        assert EnclaveBinding.from_bcs(data).request_key_sha256 == sha(attest.request_key)
        return EnclaveBinding.from_bcs(data)

    async def serving(self) -> ChainHost:
        self.start()
        await self.until(Phase.UNREGISTERED)
        host = await self.host()
        await self.register(host)
        await self.until(Phase.SERVING)
        return host

    def pass_time(self, ms: int) -> None:
        self.stage.clock_ms += ms
        self.app.clock.sync()


@pytest.fixture
async def rig(tmp_path: Path, founded: NetStage) -> AsyncIterator[ChainRig]:
    it = ChainRig(tmp_path, founded.cast())
    yield it
    if it.task is not None and not it.task.done():
        await it.stop()


async def test_a_boot_is_unregistered_until_verified_state_names_it(rig: ChainRig) -> None:
    app = rig.start()
    await rig.until(Phase.UNREGISTERED)
    host = await rig.host()
    await host.relay()
    assert app.phases.current is Phase.UNREGISTERED
    binding = await rig.register(host)
    await rig.until(Phase.SERVING)
    runtime = rig.paths[0].runtime
    assert binding == runtime.binding
    assert binding.light_client_anchor == rig.stage.anchor.anchor == runtime.authority.anchor
    assert len(runtime.authority.snapshot().tokens) == 1
    assert rig.paths[0].calls[-1] == "refresh in Serving"
    status = app.board.read()
    assert json.loads(json.dumps(status)) == status
    assert status["chain"]["standing"] == "Serving"
    assert status["identity"]["light_client_anchor"] == rig.stage.anchor.anchor.hex()
    assert await rig.stop() == 0
    assert phases(app) == ["Booting", "Keys", "ControlPlane", "Unregistered", "Serving", "Draining", "Stopped"]
    assert not (rig.folder / "chain.sock").exists()


async def test_it_pauses_without_news_and_serves_again_with_them(rig: ChainRig) -> None:
    host = await rig.serving()
    rig.pass_time(STALENESS + 5_000)
    await rig.until(Phase.PAUSED)
    assert "newest verified beacon" in rig.app.phases.state.reason
    assert rig.paths[0].calls[-1] == "suspend in Paused"
    rig.stage.beacon()
    await host.relay()
    await rig.until(Phase.SERVING)


@pytest.mark.e2e
async def test_neither_the_chain_nor_the_control_plane_alone_makes_it_serve(rig: ChainRig) -> None:
    host = await rig.serving()
    (rig.folder / "server-unready").touch()
    await rig.until(Phase.PAUSED)
    rig.pass_time(STALENESS + 5_000)
    await rig.when(lambda: rig.app.board.read()["chain"]["standing"] == "Paused")
    (rig.folder / "server-unready").unlink()
    await rig.when(lambda: rig.app.board.read()["components"]["server"]["state"] == "ready")
    assert rig.app.phases.current is Phase.PAUSED
    rig.stage.beacon()
    await host.relay()
    await rig.until(Phase.SERVING)


async def test_a_superseded_boot_drains_and_stops(rig: ChainRig) -> None:
    host = await rig.serving()
    stage = rig.stage
    stage.wait(1_000)
    # Somebody else's enclave with the operator's key.
    slot = EnclaveBinding(
        stage.package,
        stage.cluster_id,
        stage.enclave_id,
        b"\7" * 16,
        stage.anchor.anchor,
        sha(b"\7" * 1_216),
        bytes(32),
    )
    document = SimulatedNsm(stage.ca, PCRS, lambda: stage.clock_ms).attestation(
        nonce=bytes(31) + b"\1", user_data=slot.to_bcs(), public_key=b"\7" * 32
    )
    stage.attest("register", document, b"\7" * 1_216)
    stage.seal()
    await host.relay()
    assert rig.task is not None
    assert await asyncio.wait_for(rig.task, PATIENCE_S) == 0
    assert phases(rig.app)[-3:] == ["Serving", "Draining", "Stopped"]
    assert rig.app.phases.state.reason == "a later boot has taken over the slot"
    assert rig.paths[0].calls[-1] == "drain in Draining"


@pytest.mark.e2e
async def test_a_restart_waits_its_turn_and_starts_above_where_it_was(rig: ChainRig) -> None:
    await rig.serving()
    await rig.stop()
    rig.stage.wait(1_000)
    rig.stage.beacon()
    app = rig.start()
    await rig.until(Phase.UNREGISTERED)
    host = await rig.host()
    assert host.position.checkpoint is not None
    assert host.position.checkpoint > 0
    await rig.register(host, 1)
    assert app.phases.current is Phase.UNREGISTERED
    rig.pass_time(STALENESS)
    rig.stage.beacon()
    await host.relay()
    await rig.until(Phase.SERVING)
    assert app.phases.state.reason == "registered as generation 2"


async def test_a_boot_that_is_stopped_says_goodbye_and_the_next_need_not_wait(rig: ChainRig) -> None:
    host = await rig.serving()
    stopping = asyncio.create_task(rig.stop())
    drained = await host.next(feed.Drained)
    await stopping
    message = SignedMessage.decode(drained.message + drained.signature)
    rig.stage.says("enclave::drain", message).runs()
    rig.stage.wait(1_000)
    rig.stage.beacon()
    app = rig.start()
    await rig.until(Phase.UNREGISTERED)
    await rig.register(await rig.host(), 1)
    await rig.until(Phase.SERVING)
    assert app.phases.state.reason == "registered as generation 2"


async def test_a_boot_that_the_contract_does_not_have_says_nothing(rig: ChainRig) -> None:
    rig.start()
    await rig.until(Phase.UNREGISTERED)
    host = await rig.host()
    await host.relay()
    await rig.stop()
    with pytest.raises((ConnectionError, OSError)):
        await host.next(feed.Drained)


async def test_a_launch_with_a_committee_that_is_none_fails_by_name(rig: ChainRig) -> None:
    chain = rig.config()["chain"] | {"committee": base64.b64encode(b"nothing").decode()}
    app = rig.start(chain=chain)
    assert rig.task is not None
    assert await asyncio.wait_for(rig.task, PATIENCE_S) == 1
    assert "committee structure" in app.phases.state.reason
    assert phases(app) == ["Booting", "Keys", "Failed"]


async def test_a_launch_for_another_slot_refuses_the_folder(rig: ChainRig) -> None:
    await rig.serving()
    await rig.stop()
    app = rig.start(enclave_id="0x77")
    assert rig.task is not None
    assert await asyncio.wait_for(rig.task, PATIENCE_S) == 1
    assert "sealed for slot" in app.phases.state.reason


async def test_a_launch_with_the_committee_of_another_network_refuses_the_folder(rig: ChainRig) -> None:
    await rig.serving()
    await rig.stop()
    stranger = Committee.from_record(faults.keys(rig.stage.network, 0, seed=bytes(32)).record)
    chain = rig.config()["chain"] | {"committee": base64.b64encode(stranger.to_bytes()).decode()}
    app = rig.start(chain=chain)
    assert rig.task is not None
    assert await asyncio.wait_for(rig.task, PATIENCE_S) == 1
    assert "committee of the sealed epoch" in app.phases.state.reason


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"policy_file": "/p"}, "policy_file"),
        ({"package_id": "0x0"}, "package_id"),
        ({"cluster_id": "0x0"}, "cluster_id"),
        ({"enclave_id": "0x0"}, "enclave_id"),
        ({"package_id": "0x77"}, "chain.package_ids"),
        ({"chain": {}}, "chain.package_ids"),
        ({"chain": []}, "chain"),
        ({"chain": {"package_ids": []}}, "chain.package_ids"),
        ({"chain": {"package_ids": ["0x1"] * 65}}, "chain.package_ids"),
        ({"chain": {"package_ids": ["0x1", "0x01"]}}, "chain.package_ids"),
        ({"chain": {"package_ids": [1]}}, "chain.package_ids"),
        ({"chain": {"package_ids": ["1"]}}, "chain.package_ids"),
        ({"chain": {"package_ids": ["0x1"], "committee": "!"}}, "chain.committee"),
        ({"chain": {"package_ids": ["0x1"], "committee": "AA=="}}, "chain.chain_listen"),
        ({"chain": {"package_ids": ["0x1"], "committee": "AA==", "chain_listen": "x"}}, "chain.chain_listen"),
        (
            {"chain": {"package_ids": ["0x1"], "committee": "AA==", "chain_listen": "unix:/x", "more": 1}},
            "chain.more",
        ),
    ],
)
def test_a_chain_that_cannot_be_used_is_refused_by_its_field(
    tmp_path: Path, founded: NetStage, change: dict[str, Any], field: str
) -> None:
    config = ChainRig(tmp_path, founded).config(**change)
    with pytest.raises(ConfigError) as raised:
        parse_config(json.dumps(config).encode())
    assert raised.value.field == field


def test_without_a_chain_a_policy_file_is_needed(tmp_path: Path, founded: NetStage) -> None:
    config = ChainRig(tmp_path, founded).config()
    parsed = parse_config(json.dumps(config).encode())
    assert parsed.policy_file is None
    assert parsed.chain is not None
    assert hashlib.sha256(parsed.chain.committee).digest() == founded.anchor.anchor
    del config["chain"]
    with pytest.raises(ConfigError) as raised:
        parse_config(json.dumps(config).encode())
    assert raised.value.field == "policy_file"

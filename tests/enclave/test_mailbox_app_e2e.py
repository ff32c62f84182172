"""Promises: with the real contract, the real API server and the real etcd a whole boot executes what the contract
accepted, in its requester's name and rights; and the next boot on its data folder goes on where it was.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from daas_attestation.simulated import SimulatedNsm
from daas_enclave.app import App
from daas_enclave.config import parse_config
from daas_enclave.phases import Phase
from daas_enclave.request_keys import RequestKeys
from daas_enclave.request_path import RequestPath
from daas_enclave.runtime import Runtime
from daas_protocol import chain_feed as feed
from daas_protocol.receipt import SignedMessage
from support.chain_host import ChainHost
from support.contract_steps import octets
from support.follow_world import founding
from support.mailbox_contract import Asked, Requests

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
CHECKOUT = Path(__file__).resolve().parents[2]
PCRS = {index: bytes([1 + index]) * 48 for index in range(3)}
DAY = 86_400_000


def binary() -> Path:
    if named := os.environ.get("DAAS_K3S"):
        return Path(named)
    done = subprocess.run(
        [str(CHECKOUT / "controlplane" / "build.sh")], stdout=subprocess.PIPE, timeout=1800, check=True, text=True
    )
    return Path(done.stdout.strip().splitlines()[-1])


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


class World:
    """A network whose clock is the machine's, and one data folder."""

    def __init__(self, folder: Path, program: Path) -> None:
        self.folder, self.program = folder, program
        self.stage = stage = founding(registered=False, clock_ms=wall_ms() - DAY - 60_000)
        stage.wait(1)
        stage.propose("anchor", octets(stage.anchor.anchor)).runs()
        stage.wait(DAY)
        stage.activate(0).runs()
        # The first token is about to expire.
        before = self.tokens()
        stage.issue(life_ms=2 * DAY).runs()
        stage.beacon()
        (token,) = self.tokens() - before
        self.requests = Requests(stage, b"", token)
        self.app: App
        self.path: RequestPath
        self.task: asyncio.Task[int]

    def tokens(self) -> set[bytes]:
        return {one.object_id for one in self.stage.store if one.type is not None and one.type.name == "AccessToken"}

    def config(self) -> bytes:
        stage, folder = self.stage, self.folder
        return json.dumps(
            {
                "version": 1,
                "mode": "process",
                "package_id": f"0x{stage.package.hex()}",
                "cluster_id": f"0x{stage.cluster_id.hex()}",
                "enclave_id": f"0x{stage.enclave_id.hex()}",
                "data_dir": str(folder / "data"),
                "listen": f"unix:{folder}/api.sock",
                "log_listen": f"unix:{folder}/log.sock",
                "control_plane": {
                    "kind": "daas-k3s",
                    "path": str(self.program),
                    "sha256": hashlib.sha256(self.program.read_bytes()).hexdigest(),
                },
                "nsm": {"kind": "simulated", "development_ca": "/none", "measured": ["/none"]},
                "kubelet_egress": "none",
                "chain": {
                    "package_ids": [f"0x{stage.package.hex()}"],
                    "committee": base64.b64encode(stage.anchor.to_bytes()).decode(),
                    "chain_listen": f"unix:{folder}/chain.sock",
                },
            }
        ).encode()

    def tick(self) -> None:
        self.stage.clock_ms = max(self.stage.clock_ms + 1, wall_ms())

    async def boot(self, generation: int) -> ChainHost:
        nsm = SimulatedNsm(self.stage.ca, PCRS, wall_ms, os.urandom)

        def factory(runtime: Runtime) -> RequestPath:
            self.path = RequestPath(runtime)
            return self.path

        self.app = App(parse_config(self.config()), nsm, factory)
        self.task = asyncio.create_task(self.app.run())
        await self.until(Phase.UNREGISTERED)
        host = await ChainHost.dial(self.stage, self.folder / "chain.sock")
        self.tick()
        self.stage.beacon()
        await host.relay()
        attest = await host.attest(generation)
        self.tick()
        self.stage.attest("register", attest.document, attest.request_key)
        self.stage.beacon()
        await host.relay()
        await self.until(Phase.SERVING)
        return host

    async def until(self, phase: Phase) -> None:
        async with asyncio.timeout(180):
            while self.app.phases.current is not phase:
                assert not self.task.done(), self.app.phases.history
                await asyncio.sleep(0.02)

    async def ask(self, host: ChainHost, *requests: Asked) -> float:
        """Seconds from the certified checkpoint to the last signed receipt; without settlement."""
        self.tick()
        self.requests.submit(*requests)
        started = time.perf_counter()
        await host.relay()
        mailbox = self.path._mailbox
        assert mailbox is not None
        for one in requests:
            found = await mailbox.answers.wait(one.info.requester, one.request_id, one.info.token, 60)
            assert found is not None, mailbox.stats()
        return time.perf_counter() - started

    async def settled(self, host: ChainHost, count: int) -> None:
        got = [one for one in host.got if isinstance(one, feed.Settle)]
        while sum(len(one.request_ids) for one in got) < count:
            got.append(await host.next(feed.Settle))
        host.got = [one for one in host.got if not isinstance(one, feed.Settle)]
        for one in got:
            self.tick()
            self.requests.settle(one)
        await host.relay()
        assert self.app.board.read()["chain"]["pending_requests"] == 0

    async def get(self, path: str) -> tuple[int, dict[str, Any]]:
        answer = await self.path._client.request("GET", path)
        return answer.status, answer.body


def config_map(name: str, data: str) -> bytes:
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": data}}
    return json.dumps(made).encode()


NAMESPACE = json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "dev"}}).encode()
BINDING = json.dumps(
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "daas-mine"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [],
    }
).encode()


async def test_a_boot_executes_settles_and_the_next_goes_on(tmp_path: Path, record_property: Any) -> None:
    world = World(tmp_path, binary())
    host = await world.boot(0)
    keys = world.path._runtime.chain.request_keys  # type: ignore[union-attr]
    assert isinstance(keys, RequestKeys)
    world.requests.public_key = keys.public_bytes
    ask = world.requests.ask
    # A namespace and what is in it, in one transaction; and one that the admission policies of the enclave refuse.
    batch = [
        ask("/api/v1/namespaces", NAMESPACE),
        ask(body=config_map("one", "1")),
        ask("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", BINDING),
    ]
    await world.ask(host, *batch)
    await world.settled(host, 3)
    stats = world.app.board.read()["requests"]["mailbox"]
    assert stats["answers"]["201"] == 2
    assert sum(stats["answers"].values()) == 3
    status, found = await world.get("/api/v1/namespaces/dev/configmaps/one")
    assert (status, found["data"]) == (200, {"a": "1"})
    assert (await world.get("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/daas-mine"))[0] == 404
    # The receipt's revision is not below that of what was written.
    times = [await world.ask(host, ask(body=config_map(f"t{n}", "x"))) for n in range(20)]
    await world.settled(host, 20)
    times.sort()
    print(f"relay, light client, execution, receipt: median {times[10] * 1000:.1f} ms, worst {times[-1] * 1000:.1f} ms")
    record_property("l1_enclave_ms", round(times[10] * 1000, 1))
    # Signed, not settled; then this boot ends, with a goodbye that the relay hands on.
    left = [ask(body=config_map("left", "2"))]
    await world.ask(host, *left)
    world.app.stop("test")
    drained = await host.next(feed.Drained)
    assert await world.task == 0
    world.tick()
    world.stage.says("enclave::drain", SignedMessage.decode(drained.message + drained.signature)).runs()
    world.stage.seal()
    host = await world.boot(1)
    assert world.path._runtime.chain.request_keys.public_bytes == keys.public_bytes  # type: ignore[union-attr]
    await world.settled(host, 1)
    stats = world.app.board.read()["requests"]["mailbox"]
    assert (stats["answers"], stats["outcome_unknown"]) == ({"201": 1}, 0)
    # Ciphertexts for the key that the first boot has registered open for this one too, and 409 shows it was done once.
    await world.ask(host, ask(body=config_map("left", "3")), ask(body=config_map("after", "4"), key_id=2))
    await world.settled(host, 2)
    assert world.app.board.read()["requests"]["mailbox"]["answers"] == {"201": 2, "409": 1}
    assert (await world.get("/api/v1/namespaces/dev/configmaps/left"))[1]["data"] == {"a": "2"}
    # The server and then etcd are killed while requests come: they wait, and are executed once.
    for component in ("server", "etcd"):
        os.kill(world.app.board.read()["components"][component]["pid"], 9)
        await world.until(Phase.PAUSED)
        waiting = asyncio.create_task(world.ask(host, ask(body=config_map(f"while-{component}", "5"))))
        async with asyncio.timeout(120):
            while not waiting.done():
                await asyncio.sleep(0.5)
                world.tick()
                world.stage.beacon()
                await host.relay()
        waiting.result()
        await world.settled(host, 1)
        assert (await world.get(f"/api/v1/namespaces/dev/configmaps/while-{component}"))[0] == 200
    world.app.stop("test")
    assert await world.task == 0

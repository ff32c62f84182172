"""Promise: a write becomes a transaction, a verified event, an execution in a real control plane, a signed receipt, and
a settlement; with the real enclave process, relay, network and contract.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from daas_attestation.development_ca import DevelopmentCa
from daas_attestation.process_measure import measure_process
from daas_chain.calls import clusters
from daas_chain.calls.clusters import Administered, NewCluster
from daas_chain.light.committee import Committee
from daas_chain.network.client import Network
from daas_chain.network.endpoint import Endpoint as Node
from daas_enclave.measured import measured_files
from daas_localnet.opening import Options, open_network
from daas_localnet.rpc.faucet import Faucet
from daas_localnet.rpc.server import Pace, serve
from daas_protocol.request_envelope import EnvelopeInfo, L1Plaintext, seal
from support import enclave_path
from support.enclave_process import EnclaveProcess, now_ms
from support.instance import k3s_binary
from support.move_world import built
from support.relay_world import LIMITS, RelayWorld, quick
from support.served_contract import Party, ServedContract, created, party, wall_ms
from support.waiting import until

pytestmark = pytest.mark.e2e
STALENESS_MS = 10_000


@dataclass(slots=True)
class RealContract(ServedContract):
    """With what the real enclave measures, and the network's own first committee as an anchor."""

    measurements: dict[int, bytes] | None = None
    anchor: bytes = b""

    async def make_cluster(self) -> None:
        params = replace(quick(), staleness_ms=STALENESS_MS, min_deadline_ms=60_000, settlement_grace_ms=STALENESS_MS)
        assert self.measurements is not None
        new = NewCluster("test", 1, self.measurements, [self.anchor], params, operators=[self.operator.address])
        outcome = await self.admin.do(
            lambda commands: clusters.create(self.contract, commands, new, self.admin.address)
        )
        self.ids |= await created(self.network, outcome)
        self.by = Administered(self.ids["Cluster"], self.ids["AdminCap"])

    async def register(self) -> Any:
        """The enclave does that itself."""


def config(folder: Path, contract: RealContract, committee: bytes, binary: str) -> dict[str, Any]:
    with open(binary, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "version": 1,
        "mode": "process",
        "package_id": f"0x{contract.contract.original.hex()}",
        "cluster_id": f"0x{contract.slot.cluster.hex()}",
        "enclave_id": f"0x{contract.slot.enclave.hex()}",
        "chain": {
            "package_ids": [f"0x{contract.contract.original.hex()}"],
            "committee": base64.b64encode(committee).decode(),
            "chain_listen": f"unix:{folder}/chain",
        },
        "data_dir": str(folder / "data"),
        "listen": f"unix:{folder}/a",
        "log_listen": f"unix:{folder}/l",
        "control_plane": {"path": binary, "sha256": digest, "kind": "daas-k3s"},
        "nsm": {"kind": "simulated", "development_ca": str(folder / "ca"), "measured": [binary]},
        "kubelet_egress": "direct",
    }


def launch(folder: Path) -> subprocess.Popen[bytes]:
    with open(folder / "enclave.log", "ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "daas_enclave", str(folder / "config.json")],
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )


@dataclass
class Loop:
    folder: Path
    world: RelayWorld
    contract: RealContract
    user: Party
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        return (self.folder / "enclave.log").read_text(errors="replace")

    async def serving(self, times: int = 1) -> None:
        def seen() -> bool:
            assert self.process.poll() is None, self.log[-3000:]
            lines = [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]
            return sum(one.get("event") == "phase_changed" and one.get("phase") == "Serving" for one in lines) >= times

        await until(seen, limit_s=120)

    async def ask(self, name: str, method: str = "POST") -> int:
        """A ConfigMap over L1; the number of the request."""
        contract = self.contract
        body = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": "v"}})
        plain = L1Plaintext(
            method,
            "/api/v1/namespaces/default/configmaps",
            "application/json",
            "application/json",
            os.urandom(16),
            wall_ms(),
            body.encode(),
        )
        enclave = await self.world.enclave()
        digest = plain.digest_of(contract.contract.original, contract.slot.cluster, contract.slot.enclave)
        asked = replace(
            contract.command(os.urandom(16), 1, 300.0),
            request_digest=digest,
            request_key_id=enclave.request_key_id,
        )
        info = EnvelopeInfo(
            package=contract.contract.original,
            cluster=contract.slot.cluster,
            enclave=contract.slot.enclave,
            key_id=asked.request_key_id,
            requester=self.user.address,
            token=self.user.token,
            request_id=asked.request_id,
            verb=asked.verb,
            group=asked.group,
            resource=asked.resource,
            subresource=asked.subresource,
            namespace=asked.namespace,
            request_digest=digest,
            deadline_ms=asked.deadline_ms,
        )
        keys = await self.client().keys()
        asked = replace(asked, payload=seal(info, plain, keys[asked.request_key_id]))
        return (await self.world.ask([asked]))[0][0]

    async def settled(self) -> None:
        async with asyncio.timeout(90):
            while await self.world.pending():
                await asyncio.sleep(0.05)

    async def read(self, name: str) -> dict[str, Any]:
        client = self.client()
        path = f"/api/v1/namespaces/default/configmaps/{name}"
        answer = await client.ask("GET", path, await client.opened())
        assert answer.status == 200, answer.body
        found: dict[str, Any] = json.loads(answer.body)
        return found

    def client(self) -> LoopClient:
        return LoopClient(self.folder / "a", Ed25519PublicKey.from_public_bytes(bytes(32)), now_ms)


class LoopClient(EnclaveProcess):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args, folder=Path(), process=None)  # type: ignore[arg-type]

    def check(self, signed: Any) -> None:
        """The receipt key is not looked up here."""

    async def keys(self) -> dict[int, bytes]:
        reader, writer = await self.connect()
        writer.write(b"GET /daas/v1/keys HTTP/1.1\r\nHost: e\r\n\r\n")
        body = json.loads(await self.read_unchecked(reader))
        writer.transport.abort()
        return {one["id"]: base64.b64decode(one["public"]) for one in body["keys"] if one["id"] is not None}


@asynccontextmanager
async def loop(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Loop]:
    folder = Path(tempfile.mkdtemp(prefix="daas-w-"))
    ca, binary = DevelopmentCa.create(folder / "ca"), k3s_binary()
    opened = open_network(Options(nitro_anchor=ca.anchor), built(), wall_ms())
    running = await serve(opened.network, pace=Pace(0.1, 0.5))
    network = await Network.open(Node.parse(f"http://127.0.0.1:{running.port}", limits=LIMITS))
    process: subprocess.Popen[bytes] | None = None
    world: RelayWorld | None = None
    try:
        keys = [Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate(), enclave_path.USER]
        admin, operator, user = (party(network, key) for key in keys)
        faucet = Faucet(running.node, opened.faucet)
        for one in (admin, operator, user):
            faucet.give(one.address)
        first = (await network.epoch(0, committee=True)).committee
        assert first is not None
        anchor = Committee.from_record(first)
        contract = RealContract(network, ca, admin, operator)
        contract.measurements = measure_process(measured_files([Path(binary)]))
        contract.anchor = anchor.anchor
        await contract.set_up()
        await contract.admit(user)
        (folder / "config.json").write_text(json.dumps(config(folder, contract, anchor.to_bytes(), binary)))
        monkeypatch.setattr(enclave_path, "PACKAGE", contract.contract.original)
        monkeypatch.setattr(enclave_path, "CLUSTER", contract.slot.cluster)
        monkeypatch.setattr(enclave_path, "ENCLAVE", contract.slot.enclave)
        monkeypatch.setattr(enclave_path, "ADMIN_TOKEN", user.token)
        process = launch(folder)
        double = type("Endpoint", (), {"endpoint": f"unix:{folder}/chain"})()
        world = RelayWorld(folder, running.port, network, contract, keys[1], user, double)  # type: ignore[arg-type]
        world._opened, world._running = opened, running
        await world.start(register=True)
        made = Loop(folder, world, contract, user, process)
        try:
            yield made
        except BaseException:
            print(made.log[-6000:])
            raise
        finally:
            process = made.process
    finally:
        if world is not None:
            await world.stop()
        if process is not None:
            process.terminate()
            await asyncio.to_thread(process.wait, 30)
        await network.close()
        await running.close()
        shutil.rmtree(folder, ignore_errors=True)


async def test_a_write_goes_through_the_contract_and_is_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async with loop(monkeypatch) as it:
        await it.serving()
        await it.ask("one")
        await it.settled()
        assert (await it.read("one"))["data"] == {"k": "v"}
        client = it.client()
        refused = await client.ask(
            "POST",
            "/api/v1/namespaces/default/configmaps",
            await client.opened(),
            body=b"{}",
            content_type="application/json",
        )
        assert refused.status == 403, "a write goes through the contract or not at all"


async def test_an_enclave_killed_with_requests_under_way_settles_all_of_them_in_its_next_boot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with loop(monkeypatch) as it:
        await it.serving()
        await it.ask("before")
        await it.settled()
        names = [f"cm-{number}" for number in range(4)]
        for name in names[:2]:
            await it.ask(name)
        it.process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(it.process.wait, 30)
        enclave = await it.world.enclave()
        assert enclave.current is not None
        it.process = launch(it.folder)
        await it.serving(2)
        for name in names[2:]:
            await it.ask(name)
        await it.settled()
        found = [(await it.read(name))["metadata"] for name in ("before", *names)]
        assert len({one["uid"] for one in found}) == 5
        again = await it.world.enclave()
        assert again.generation == enclave.generation + 1

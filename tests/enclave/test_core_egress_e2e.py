"""The real API server leaves through the proxy: to a registered kubelet's address, and nowhere else."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from daas_attestation.simulated import DevelopmentCa, SimulatedNsm
from daas_enclave.app import App
from daas_enclave.config import parse_config
from daas_enclave.kube_client import KubeClient
from daas_enclave.phases import Phase
from daas_enclave.runtime import Runtime

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
CHECKOUT = Path(__file__).resolve().parents[2]


def binary() -> Path:
    if named := os.environ.get("DAAS_K3S"):
        return Path(named)
    script = CHECKOUT / "controlplane" / "build.sh"
    done = subprocess.run([str(script)], stdout=subprocess.PIPE, timeout=1800, check=True, text=True)
    return Path(done.stdout.strip().splitlines()[-1])


WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


def webhook(url: str) -> dict[str, Any]:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["*"]}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "w"},
        "webhooks": [
            {
                "name": "w.daas.test",
                "clientConfig": {"url": url},
                "rules": [rule],
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
                "failurePolicy": "Fail",
                "timeoutSeconds": 5,
            }
        ],
    }


class Idle:
    """A request path that serves nobody: what is tested here is behind it."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    async def prepare(self) -> None:
        pass

    async def serve(self, sock_api: socket.socket, sock_log: socket.socket) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            sock_api.close()
            sock_log.close()

    async def drain(self, timeout: float) -> None:
        pass

    def stats(self) -> dict[str, Any]:
        return {}


class Kubelet:
    """A port on loopback that counts who comes, and hangs up."""

    def __init__(self) -> None:
        self.visits = 0

    async def start(self) -> int:
        self.server = await asyncio.start_server(self._visit, "127.0.0.1", 0)
        return int(self.server.sockets[0].getsockname()[1])

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visits += 1
        writer.close()


async def put_node(client: KubeClient, name: str, port: int) -> None:
    await client.expect("POST", "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
    node = (await client.expect("GET", f"/api/v1/nodes/{name}")).body
    node["status"]["addresses"] = [{"type": "InternalIP", "address": "127.0.0.1"}]
    node["status"]["daemonEndpoints"] = {"kubeletEndpoint": {"Port": port}}
    await client.expect("PUT", f"/api/v1/nodes/{name}/status", node)


async def test_logs_reach_a_registered_kubelet_and_proxies_reach_nothing(tmp_path: Path) -> None:
    program = binary()
    (tmp_path / "policy.yaml").write_text("version: 1\ntokens: []\n")
    config = {
        "version": 1,
        "mode": "process",
        "package_id": "0x0",
        "cluster_id": "0x1",
        "enclave_id": "0x2",
        "policy_file": str(tmp_path / "policy.yaml"),
        "data_dir": str(tmp_path / "data"),
        "listen": f"unix:{tmp_path}/api.sock",
        "log_listen": f"unix:{tmp_path}/log.sock",
        "control_plane": {
            "kind": "daas-k3s",
            "path": str(program),
            "sha256": hashlib.sha256(program.read_bytes()).hexdigest(),
        },
        "nsm": {"kind": "simulated", "development_ca": "/none", "measured": ["/none"]},
        "kubelet_egress": "direct",
    }
    paths: list[Idle] = []

    def factory(runtime: Runtime) -> Idle:
        paths.append(Idle(runtime))
        return paths[-1]

    def wall_ms() -> int:
        return time.time_ns() // 1_000_000

    nsm = SimulatedNsm(DevelopmentCa.generate(wall_ms()), {}, wall_ms)
    app = App(parse_config(json.dumps(config).encode()), nsm, factory)
    running = asyncio.create_task(app.run())
    try:
        async with asyncio.timeout(120):
            while app.phases.current is not Phase.SERVING:
                assert not running.done(), app.phases.history
                await asyncio.sleep(0.05)
        client = KubeClient(paths[0].runtime.api_server)
        kubelet = Kubelet()
        port = await kubelet.start()
        await put_node(client, "n1", port)
        async with asyncio.timeout(120):
            while (await client.request("GET", "/api/v1/namespaces/default/serviceaccounts/default")).status != 200:
                await asyncio.sleep(0.1)
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p"},
            "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]},
        }
        await client.expect("POST", "/api/v1/namespaces/default/pods", pod)

        # The kubelet's address is dialled, through us. TLS fails there, as this one hangs up.
        answer = await client.request("GET", "/api/v1/namespaces/default/pods/p/log")
        assert answer.status >= 500
        assert kubelet.visits >= 1
        assert app.board.read()["egress"]["opened"] >= 1
        assert app.board.read()["egress"]["refused"] == {}

        # A pod's own address, and a port on the node that is not the kubelet's, are nobody's business.
        visits = kubelet.visits
        status = (await client.expect("GET", "/api/v1/namespaces/default/pods/p")).body
        status["status"] |= {"phase": "Running", "podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}]}
        await client.expect("PUT", "/api/v1/namespaces/default/pods/p/status", status)
        other = Kubelet()
        other_port = await other.start()
        answer = await client.request("GET", f"/api/v1/namespaces/default/pods/p:{other_port}/proxy/")
        assert answer.status >= 400
        answer = await client.request("GET", f"/api/v1/nodes/https:n1:{other_port}/proxy/")
        assert answer.status >= 400
        # A webhook by URL would carry every object out; it goes the same way and is refused.
        await client.expect("POST", WEBHOOKS, webhook(f"https://127.0.0.1:{other_port}/"))
        refused = sum(app.board.read()["egress"]["refused"].values())
        configmap = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}
        async with asyncio.timeout(120):
            # Until the webhook is in force the API server accepts; a dry run leaves nothing behind.
            while (await client.request("POST", f"{CONFIGMAPS}?dryRun=All", configmap)).status < 400:
                await asyncio.sleep(0.1)
        assert app.board.read()["egress"]["refused"]["not_a_kubelet"] > refused
        assert (other.visits, kubelet.visits) == (0, visits)
        client.close()
    finally:
        app.stop("test")
        assert await asyncio.wait_for(running, 60) == 0

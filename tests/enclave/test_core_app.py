"""A boot from end to end with stand-in programs: phases in order, Paused while anything is down, a clean way down."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from daas_attestation.simulated import DevelopmentCa, SimulatedNsm
from daas_enclave.app import App
from daas_enclave.config import parse_config
from daas_enclave.phases import Phase
from daas_enclave.runtime import Runtime
from support.waiting import PATIENCE_S

NOW_MS = 1_790_000_000_000
# Plays `daas-k3s etcd` and `daas-k3s server` as far as the enclave looks: certificates, ports, health.
STAND_IN = """#!{python}
import http.server, os, ssl, sys, time
from pathlib import Path
words = sys.argv[1:]
role = words.pop(0) if words[0] in ("etcd", "server") else "etcd"
flags = dict(word[2:].partition("=")[::2] for word in words)
folder = Path({folder!r})
if (folder / f"{{role}}-exits").exists(): sys.exit(3)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
if role == "etcd":
    port = int(flags["listen-client-urls"].rpartition(":")[2])
    context.load_cert_chain(flags["cert-file"], flags["key-file"])
    context.load_verify_locations(flags["trusted-ca-file"])
    body = b'{{"health":"true"}}'
else:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from daas_enclave import keys, pki
    tls = Path(flags["data-dir"]) / "server" / "tls"
    ca = pki.Authority(
        x509.load_pem_x509_certificate((tls / "server-ca.crt").read_bytes()),
        load_pem_private_key((tls / "server-ca.key").read_bytes(), None),
    )
    leaf = pki.issue(
        ca, common_name="s", server=True, server_name="kubernetes", entropy=os.urandom, now_ms={now}
    )
    keys.load_identity(context, leaf.pem, leaf.key)
    context.load_verify_locations(str(tls / "client-ca.crt"))
    port = int(flags["https-listen-port"])
    body = b"ok"
context.verify_mode = ssl.CERT_REQUIRED

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        down = (folder / f"{{role}}-unready").exists()
        self.send_response(503 if down else 200)
        answer = b"[-]made-up failed" if down else body
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
    def log_message(self, *_): pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler, bind_and_activate=False)
server.allow_reuse_address = True
server.server_bind(); server.server_activate()
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


class FakePath:
    """A request path that records what it is told."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.calls: list[str] = []
        self.fail_prepare = 0
        self._drained = asyncio.Event()

    async def prepare(self) -> None:
        self.calls.append(f"prepare in {self.runtime.phase.current.value}")
        if self.fail_prepare:
            self.fail_prepare -= 1
            raise ConnectionError("not yet")

    async def serve(self, sock_api: socket.socket, sock_log: socket.socket) -> None:
        self.calls.append(f"serve in {self.runtime.phase.current.value}")
        try:
            await self._drained.wait()
        finally:
            sock_api.close()
            sock_log.close()

    async def drain(self, timeout: float) -> None:
        self.calls.append(f"drain in {self.runtime.phase.current.value}")
        self._drained.set()

    def stats(self) -> dict[str, Any]:
        return {"calls": len(self.calls)}


class Rig:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = folder / "daas-k3s"
        self.program.write_text(STAND_IN.format(python=sys.executable, folder=str(folder), now=NOW_MS))
        self.program.chmod(0o755)
        (folder / "policy.yaml").write_text("version: 1\ntokens: []\n")
        self.paths: list[FakePath] = []
        self.task: asyncio.Task[int] | None = None
        self.fail_prepare = 0

    def config(self, **changes: Any) -> dict[str, Any]:
        value: dict[str, Any] = {
            "version": 1,
            "mode": "process",
            "package_id": "0x0",
            "cluster_id": "0x1",
            "enclave_id": "0x2",
            "policy_file": str(self.folder / "policy.yaml"),
            "data_dir": str(self.folder / "data"),
            "listen": f"unix:{self.folder}/api.sock",
            "log_listen": f"unix:{self.folder}/log.sock",
            "control_plane": {
                "kind": "daas-k3s",
                "path": str(self.program),
                "sha256": hashlib.sha256(self.program.read_bytes()).hexdigest(),
            },
            "nsm": {"kind": "simulated", "development_ca": "/none", "measured": ["/none"]},
            "kubelet_egress": "none",
        }
        return value | changes

    def start(self, **changes: Any) -> App:
        offset = [0]
        nsm = SimulatedNsm(DevelopmentCa.generate(NOW_MS), {}, lambda: NOW_MS + offset[0])

        def factory(runtime: Runtime) -> FakePath:
            path = FakePath(runtime)
            path.fail_prepare = self.fail_prepare
            self.paths.append(path)
            return path

        self.app = App(parse_config(json.dumps(self.config(**changes)).encode()), nsm, factory)
        self.task = asyncio.create_task(self.app.run())
        return self.app

    async def until(self, phase: Phase) -> None:
        assert self.task is not None
        await self.when(lambda: self.app.phases.current is phase or self.task.done())
        assert self.app.phases.current is phase, self.app.phases.history

    async def when(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await asyncio.sleep(0.01)

    def kill(self, name: str, number: int = signal.SIGKILL) -> int:
        pid = self.app.board.read()["components"][name]["pid"]
        os.kill(pid, number)
        return int(pid)

    async def stop(self) -> int:
        assert self.task is not None
        self.app.stop("test")
        return await asyncio.wait_for(self.task, PATIENCE_S)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    it = Rig(tmp_path)
    yield it
    if it.task is not None and not it.task.done():
        await it.stop()


def phases(app: App) -> list[str]:
    return [state.phase.value for state in app.phases.history]


async def test_a_boot_goes_through_every_phase_in_order_and_down_again(rig: Rig) -> None:
    app = rig.start()
    await rig.until(Phase.SERVING)
    assert phases(app) == ["Booting", "Keys", "ControlPlane", "Unregistered", "Serving"]
    (path,) = rig.paths
    assert path.calls == ["serve in ControlPlane", "prepare in ControlPlane"]
    assert (rig.folder / "api.sock").is_socket()
    pids = [app.board.read()["components"][name]["pid"] for name in ("etcd", "server")]
    assert await rig.stop() == 0
    assert phases(app)[-2:] == ["Draining", "Stopped"]
    assert path.calls[-1] == "drain in Draining"
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert not (rig.folder / "api.sock").exists()
    assert not (rig.folder / "data" / "egress.sock").exists()


async def test_the_runtime_is_bound_to_the_configuration_and_the_policy(rig: Rig) -> None:
    app = rig.start()
    await rig.until(Phase.SERVING)
    runtime = rig.paths[0].runtime
    binding = runtime.binding
    assert (binding.package_id, binding.cluster_id, binding.enclave_id) == (
        bytes(32),
        bytes(31) + b"\1",
        bytes(31) + b"\2",
    )
    assert binding.light_client_anchor == runtime.authority.anchor
    assert binding.tls_spki_sha256 == runtime.tls.spki_sha256
    assert binding.boot_id == runtime.boot_id
    assert runtime.clock.now_ms() >= NOW_MS
    assert "PRIVATE" not in repr(runtime)
    status = app.board.read()
    assert json.loads(json.dumps(status)) == status
    assert status["identity"]["attestation"] == "simulated"
    assert status["state"]["protected_from_this_machine"] is False
    assert status["sealing"]["provider"] == "development"
    assert status["requests"] == {"calls": 2}


@pytest.mark.parametrize("name", ["etcd", "server"])
async def test_losing_a_process_pauses_at_once_and_serving_resumes(rig: Rig, name: str) -> None:
    app = rig.start()
    await rig.until(Phase.SERVING)
    pid = rig.kill(name)
    await rig.until(Phase.PAUSED)
    assert name in app.phases.state.reason
    assert not rig.paths[0].runtime.phase.serving
    await rig.until(Phase.SERVING)
    component = app.board.read()["components"][name]
    assert component["pid"] != pid
    assert component["restarts"] == 1
    assert component["last_exit"] == "killed by SIGKILL"


async def test_a_server_that_answers_not_ready_pauses_without_a_restart(rig: Rig) -> None:
    app = rig.start()
    await rig.until(Phase.SERVING)
    (rig.folder / "server-unready").touch()
    await rig.until(Phase.PAUSED)
    assert "made-up" in app.phases.state.reason
    (rig.folder / "server-unready").unlink()
    await rig.until(Phase.SERVING)
    assert app.board.read()["components"]["server"]["restarts"] == 0


async def test_it_never_serves_before_the_request_path_is_prepared(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daas_enclave.app.PREPARE_PAUSE_S", 0.01)
    rig.fail_prepare = 2
    app = rig.start()
    await rig.until(Phase.SERVING)
    assert rig.paths[0].calls.count("prepare in ControlPlane") == 3
    assert phases(app).count("Serving") == 1


async def test_a_request_path_that_cannot_be_prepared_fails_the_boot_and_stops_everything(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daas_enclave.app.PREPARE_PAUSE_S", 0.01)
    rig.fail_prepare = 1000
    app = rig.start()
    assert rig.task is not None
    assert await asyncio.wait_for(rig.task, PATIENCE_S) == 1
    assert app.phases.current is Phase.FAILED
    assert {c["state"] for c in app.board.read()["components"].values()} == {"stopped"}


async def test_a_program_of_another_hash_is_never_run(rig: Rig) -> None:
    config = rig.config()
    config["control_plane"]["sha256"] = "00" * 32
    app = rig.start(control_plane=config["control_plane"])
    assert rig.task is not None
    assert await asyncio.wait_for(rig.task, PATIENCE_S) == 1
    assert "is not run" in app.phases.state.reason
    assert phases(app) == ["Booting", "Keys", "ControlPlane", "Failed"]
    assert rig.paths == []


async def test_an_official_k3s_with_its_own_etcd_program_boots_by_the_same_class(rig: Rig) -> None:
    etcd = rig.folder / "etcd"
    etcd.write_bytes(rig.program.read_bytes() + b"#\n")
    etcd.chmod(0o755)
    plane = rig.config()["control_plane"] | {
        "kind": "k3s",
        "etcd": {"path": str(etcd), "sha256": hashlib.sha256(etcd.read_bytes()).hexdigest()},
    }
    app = rig.start(control_plane=plane)
    await rig.until(Phase.SERVING)
    assert app.board.read()["control_plane"]["kind"] == "k3s"


async def test_stopping_in_the_middle_of_a_boot_is_clean(rig: Rig) -> None:
    (rig.folder / "server-unready").touch()
    app = rig.start()
    await rig.until(Phase.CONTROL_PLANE)
    await rig.when(lambda: (app.board.read().get("components") or {}).get("server", {}).get("pid") is not None)
    assert await rig.stop() == 0
    assert phases(app)[-1] == "Stopped"
    assert "Draining" not in phases(app)


async def test_an_etcd_that_always_exits_is_shown_and_never_served_over(rig: Rig) -> None:
    (rig.folder / "etcd-exits").touch()
    app = rig.start()
    await rig.when(lambda: (app.board.read().get("components") or {}).get("etcd", {}).get("restarts", 0) >= 2)
    status = app.board.read()
    assert status["components"]["etcd"]["last_exit"] == "exit code 3"
    assert status["components"]["server"]["state"] == "waiting"
    assert app.phases.current is Phase.CONTROL_PLANE
    (rig.folder / "etcd-exits").unlink()
    await rig.until(Phase.SERVING)


async def test_a_restart_keeps_cluster_and_ports_and_changes_the_boot(rig: Rig) -> None:
    rig.start()
    await rig.until(Phase.SERVING)
    first = rig.paths[0].runtime
    authority = (rig.folder / "data" / "k3s" / "server" / "tls" / "server-ca.crt").read_bytes()
    await rig.stop()
    rig.start()
    await rig.until(Phase.SERVING)
    second = rig.paths[1].runtime
    assert (rig.folder / "data" / "k3s" / "server" / "tls" / "server-ca.crt").read_bytes() == authority
    assert first.api_server.port == second.api_server.port
    assert first.boot_id != second.boot_id
    assert first.receipt_key.public != second.receipt_key.public


async def test_another_clusters_data_folder_is_refused(rig: Rig) -> None:
    rig.start()
    await rig.until(Phase.SERVING)
    await rig.stop()
    app = rig.start(cluster_id="0x9")
    assert rig.task is not None
    assert await asyncio.wait_for(rig.task, PATIENCE_S) == 1
    assert "sealed for cluster" in app.phases.state.reason


async def test_two_enclaves_never_share_a_data_folder(rig: Rig) -> None:
    (rig.folder / "data").mkdir()
    with (rig.folder / "data" / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        app = rig.start()
        assert rig.task is not None
        assert await asyncio.wait_for(rig.task, PATIENCE_S) == 1
    assert "another enclave" in app.phases.state.reason


async def test_a_broken_policy_file_fails_before_any_key_is_made(rig: Rig) -> None:
    (rig.folder / "policy.yaml").write_text("version: 1\ntokens: 7\n")
    app = rig.start()
    assert rig.task is not None
    assert await asyncio.wait_for(rig.task, PATIENCE_S) == 1
    assert phases(app) == ["Booting", "Failed"]

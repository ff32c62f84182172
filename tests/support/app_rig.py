"""A boot of the enclave with stand-in programs and a request path that records what it is told."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from daas_attestation.nsm import Nsm
from daas_attestation.simulated import DevelopmentCa, SimulatedNsm
from daas_enclave.app import App
from daas_enclave.config import parse_config
from daas_enclave.phases import Phase
from daas_enclave.runtime import Runtime
from daas_protocol.intents import Drain
from daas_protocol.receipt import Intent, SignedMessage, sign
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

    def suspend(self) -> None:
        self.calls.append(f"suspend in {self.runtime.phase.current.value}")

    def last_word(self) -> SignedMessage:
        binding = self.runtime.binding
        drain = Drain(binding.enclave_id, binding.boot_id, 0, sha256(b"").digest(), 0)
        return sign(Intent.DRAIN, self.runtime.clock.now_ms(), drain.to_bcs(), self.runtime.receipt_key.sign)

    def refresh(self) -> None:
        self.calls.append(f"refresh in {self.runtime.phase.current.value}")

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
        self.nsm: Nsm | None = None

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
        nsm = self.nsm or SimulatedNsm(DevelopmentCa.generate(NOW_MS), {}, lambda: NOW_MS)

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


def phases(app: App) -> list[str]:
    return [state.phase.value for state in app.phases.history]

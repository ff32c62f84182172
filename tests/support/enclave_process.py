"""A real enclave in process mode in front of the real control plane, for tests of the request path alone."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from daas_attestation.simulated import DevelopmentCa
from support.enclave_path import CLUSTER, ENCLAVE, PACKAGE, Client
from support.instance import k3s_binary

START_SECONDS = 120.0


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class EnclaveProcess(Client):
    """`python -m daas_enclave` on a folder of its own; `stop` ends it and removes the folder."""

    folder: Path = field(kw_only=True)
    process: subprocess.Popen[bytes] = field(kw_only=True)

    @property
    def log(self) -> str:
        return (self.folder / "enclave.log").read_text(errors="replace")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


async def launch(policy: bytes) -> EnclaveProcess:
    """Returns once the enclave is Serving."""
    folder = Path(tempfile.mkdtemp(prefix="daas-p-"))
    ca, binary = folder / "ca", k3s_binary()
    DevelopmentCa.create(ca)
    (folder / "policy.yaml").write_bytes(policy)
    with open(binary, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    config = {
        "version": 1,
        "mode": "process",
        "package_id": "0x" + PACKAGE.hex(),
        "cluster_id": "0x" + CLUSTER.hex(),
        "enclave_id": "0x" + ENCLAVE.hex(),
        "policy_file": str(folder / "policy.yaml"),
        "data_dir": str(folder / "data"),
        "listen": f"unix:{folder / 'a'}",
        "log_listen": f"unix:{folder / 'l'}",
        "control_plane": {"path": binary, "sha256": digest, "kind": "daas-k3s"},
        "nsm": {"kind": "simulated", "development_ca": str(ca), "measured": [binary]},
        "kubelet_egress": "direct",
    }
    (folder / "config.json").write_text(json.dumps(config))
    with open(folder / "enclave.log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "daas_enclave", str(folder / "config.json")],
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    # Any key until the boot has told its own.
    started = EnclaveProcess(
        folder / "a", Ed25519PublicKey.from_public_bytes(bytes(32)), now_ms, folder=folder, process=process
    )
    try:
        await _wait_serving(started)
    except BaseException:
        print(started.log[-4000:])
        started.stop()
        raise
    return started


async def _wait_serving(started: EnclaveProcess) -> None:
    deadline = time.monotonic() + START_SECONDS
    session = started.new_session()
    while True:
        if started.process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the enclave is not Serving; exit code {started.process.returncode}")
        await asyncio.sleep(0.3)
        if not started.api_socket.exists():
            continue
        try:
            reader, writer = await started.connect()
        except (ConnectionError, OSError):
            continue
        try:
            body = session.post_body()
            writer.write(started.head("POST", "/daas/v1/sessions", session, body=body)[0] + body)
            await started.read_unchecked(reader)
            writer.write(started.head("GET", "/daas/v1/status", session)[0])
            status = json.loads(await started.read_unchecked(reader))
        finally:
            writer.transport.abort()
        if status["phase"]["serving"]:
            started.receipt_public = Ed25519PublicKey.from_public_bytes(
                bytes.fromhex(status["identity"]["receipt_public_key"])
            )
            return

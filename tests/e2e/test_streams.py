"""exec, attach, port-forward and logs by kubectl through gateway, host, enclave and egress to a real kubelet.

The kubelet is upstream's; the containers behind it are the fake CRI's.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from controlplane.conftest import build, free_port, unmount_below, until

from support.instance import Instance, k3s_binary

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

WEBSOCKET = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "true", "KUBECTL_PORT_FORWARD_WEBSOCKETS": "true"}
SPDY = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false", "KUBECTL_PORT_FORWARD_WEBSOCKETS": "false"}


@pytest.fixture(scope="module")
def pod(instance: Instance) -> Iterator[str]:
    """A node that joined by the node token, straight at the API server as a worker would through the host."""
    folder = Path(tempfile.mkdtemp(prefix="daas-node-"))
    api_port = json.loads((instance.home / "enclave/ports.json").read_text())["api"]
    token = next((instance.home / "enclave").rglob("node-token"))
    cri = subprocess.Popen([build("fakecri"), f"--socket={folder / 'cri.sock'}"])
    log = (folder / "agent.log").open("wb")
    agent = subprocess.Popen(
        [
            k3s_binary(),
            "agent",
            f"--server=https://127.0.0.1:{api_port}",
            f"--token-file={token}",
            f"--container-runtime-endpoint=unix://{folder / 'cri.sock'}",
            f"--data-dir={folder / 'agent'}",
            "--node-name=w1",
            "--kubelet-arg=cgroups-per-qos=false",
            "--kubelet-arg=enforce-node-allocatable=",
            f"--kubelet-arg=port={free_port()}",
        ],
        stdout=log,
        stderr=log,
    )
    try:
        until(
            "node Ready", 120, lambda: " Ready " in instance.kubectl("get", "nodes", "--no-headers", check=False).stdout
        )
        instance.kubectl("run", "talk", "--image=talk", "--restart=Never", "--command", "--", "tick")
        instance.kubectl("wait", "--for=condition=Ready", "pod/talk", "--timeout=180s")
        until("kubelet serves", 180, lambda: "tick" in instance.kubectl("logs", "talk", check=False).stdout)
        yield "talk"
    finally:
        agent.terminate()
        cri.terminate()
        agent.wait(60)
        cri.wait(60)
        log.close()
        unmount_below(folder)
        shutil.rmtree(folder)


def command(instance: Instance, protocol: dict[str, str], *argv: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [k3s_binary(), "kubectl", *argv], env=environment(instance, protocol), capture_output=True, timeout=180, **more
    )


def environment(instance: Instance, protocol: dict[str, str]) -> dict[str, str]:
    return {**os.environ, **protocol, "KUBECONFIG": str(instance.kubeconfig), "HOME": str(instance.home)}


@pytest.mark.parametrize("protocol", [WEBSOCKET, SPDY], ids=["websocket", "spdy"])
def test_exec_carries_bytes_errors_and_the_exit_code(instance: Instance, pod: str, protocol: dict[str, str]) -> None:
    done = command(instance, protocol, "exec", "-i", pod, "--", "cat", input="héllo\n", text=True)
    assert done.stdout == "héllo\n", done.stderr
    done = command(instance, protocol, "exec", pod, "--", "exit", "7", text=True)
    assert done.returncode == 7, done.stderr
    done = command(instance, protocol, "exec", pod, "--", "zeros", "3000000")
    assert len(done.stdout) == 3_000_000, done.stderr


@pytest.mark.parametrize("protocol", [WEBSOCKET, SPDY], ids=["websocket", "spdy"])
def test_attach(instance: Instance, pod: str, protocol: dict[str, str]) -> None:
    done = command(instance, protocol, "attach", "-i", pod, input="ping\n", text=True)
    assert "ping" in done.stdout, done.stderr


@pytest.mark.parametrize("protocol", [WEBSOCKET, SPDY], ids=["websocket", "spdy"])
def test_port_forward_echoes(instance: Instance, pod: str, protocol: dict[str, str]) -> None:
    port = free_port()
    forward = subprocess.Popen(
        [k3s_binary(), "kubectl", "port-forward", f"pod/{pod}", f"{port}:80"],
        env=environment(instance, protocol),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        connection = until("forwarded", 90, lambda: socket.create_connection(("127.0.0.1", port), 2))
        with connection:
            connection.settimeout(60)
            connection.sendall(b"x" * 100_000)
            got = b""
            while len(got) < 100_000:
                data = connection.recv(65536)
                assert data, "closed early"
                got += data
        assert got == b"x" * 100_000
    finally:
        forward.kill()
        forward.wait()


def test_logs_follow_as_signed_frames(instance: Instance, pod: str) -> None:
    follow = subprocess.Popen(
        [k3s_binary(), "kubectl", "logs", "-f", "--tail=1", pod],
        env=environment(instance, {}),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert follow.stdout is not None
    try:
        lines = [follow.stdout.readline() for _ in range(3)]
    finally:
        follow.kill()
        follow.wait()
    numbers = [int(line.removeprefix("tick ")) for line in lines[1:]]
    assert numbers[1] == numbers[0] + 1, lines


def test_every_stream_left_an_opening_and_a_closing_receipt(instance: Instance, pod: str) -> None:
    done = command(instance, WEBSOCKET, "exec", pod, "--", "echo", "receipt", text=True)
    assert done.stdout == "receipt\n", done.stderr

    def kept() -> list[Any]:
        listed = json.loads(instance.daas("receipt", "list", "--json").stdout)
        rows = listed["receipts"] if isinstance(listed, dict) else listed
        return [r for r in rows if r["path"].startswith(f"/api/v1/namespaces/default/pods/{pod}/exec")][:2]

    newest = until("both receipts kept", 60, lambda: rows if len(rows := kept()) == 2 else None)
    assert [r["status"] for r in newest] == [101, 101]
    shown = [instance.daas("receipt", "show", str(row["id"])).stdout for row in newest]
    assert "how many bytes went each way" in shown[0]
    assert "was opened for this request" in shown[1]

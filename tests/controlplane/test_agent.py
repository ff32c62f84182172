"""A real kubelet joins by the node token; exec, attach, port-forward and logs carry real bytes."""

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from controlplane.conftest import Server, agent_command, free_port, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def pod(worker: Server) -> Iterator[Server]:
    worker.kubectl("run", "talk", "--image=talk", "--restart=Never", "--command", "--", "tick")
    worker.kubectl("wait", "--for=condition=Ready", "pod/talk", "--timeout=180s")
    # The kubelet's serving certificate is asked for after it is Ready, and approved by the server.
    until("kubelet serves", 180, lambda: "talk" in worker.kubectl("logs", "talk"))
    return worker


def test_the_node_is_ready_with_its_labels(worker: Server) -> None:
    node = worker.json("get", "node", "w1")
    assert node["metadata"]["labels"]["tests/label"] == "yes"
    assert node["status"]["nodeInfo"]["kubeletVersion"].startswith("v1.36.")


def test_certificates_are_asked_for_and_approved(pod: Server) -> None:
    requests = pod.json("get", "csr")["items"]
    signers = {r["spec"]["signerName"] for r in requests if r["status"].get("certificate")}
    assert {"kubernetes.io/kube-apiserver-client-kubelet", "kubernetes.io/kubelet-serving"} <= signers


def test_a_deployment_and_a_job_run(worker: Server) -> None:
    worker.kubectl("create", "deployment", "web", "--image=web", "--replicas=2")
    worker.kubectl("rollout", "status", "deployment/web", "--timeout=180s")
    worker.kubectl("create", "job", "once", "--image=once", "--", "exit", "0")
    worker.kubectl("wait", "--for=condition=complete", "job/once", "--timeout=180s")


def test_exec_carries_stdin_stdout_stderr_and_the_exit_code(pod: Server) -> None:
    assert pod.kubectl("exec", "-i", "talk", "--", "cat", stdin="héllo\n") == "héllo\n"
    assert pod.kubectl("exec", "talk", "--", "echo", "a", "b") == "a b\n"
    done = subprocess.run(pod.kubectl_command("exec", "talk", "--", "stderr", "oops"), capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("", "oops\n")
    done = subprocess.run(pod.kubectl_command("exec", "talk", "--", "exit", "7"), capture_output=True, text=True)
    assert done.returncode == 7
    assert len(pod.kubectl("exec", "talk", "--", "zeros", "3000000")) == 3_000_000


def test_attach(pod: Server) -> None:
    done = subprocess.run(
        pod.kubectl_command("attach", "-i", "talk"), input="ping\n", capture_output=True, text=True, timeout=120
    )
    assert "ping" in done.stdout, done.stderr


def test_logs_follow(pod: Server) -> None:
    follow = subprocess.Popen(pod.kubectl_command("logs", "-f", "--tail=1", "talk"), stdout=subprocess.PIPE, text=True)
    assert follow.stdout is not None
    try:
        first, second, third = (follow.stdout.readline() for _ in range(3))
    finally:
        follow.kill()
        follow.wait()
        follow.stdout.close()
    numbers = [int(line.removeprefix("tick ")) for line in (second, third)]
    assert numbers[1] == numbers[0] + 1, (first, second, third)


def test_port_forward_echoes(pod: Server) -> None:
    port = free_port()
    forward = subprocess.Popen(
        pod.kubectl_command("port-forward", "pod/talk", f"{port}:80"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
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


def test_a_token_of_another_cluster_stops_the_agent_at_once(worker: Server, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(f"K10{'0' * 64}::server:canary-password\n")
    command = [c for c in agent_command(worker, tmp_path / "agent", tmp_path / "none.sock") if "--token-file" not in c]
    began = time.monotonic()
    done = subprocess.run([*command, f"--token-file={token}"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "nothing was sent" in done.stderr
    assert time.monotonic() - began < 60


def test_a_wrong_password_does_not_join(worker: Server, tmp_path: Path) -> None:
    token = tmp_path / "token"
    real = (worker.folder / "server" / "node-token").read_text()
    token.write_text(real.strip()[:-1] + ("0" if real.strip()[-1] != "0" else "1"))
    command = [c for c in agent_command(worker, tmp_path / "agent", tmp_path / "none.sock") if "--token-file" not in c]
    done = subprocess.run(
        [*command, f"--token-file={token}", "--node-name=w2"], capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 1
    assert "the server does not accept the token" in done.stderr
    assert real.strip() not in done.stderr

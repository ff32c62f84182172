"""`daas` with the real control plane: up, use, look, down, nothing left; two side by side; what breaks is said."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daas_cli import instance, lifecycle, processes
from daas_cli.home import Home

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

PROGRAM = Path(sys.executable).parent / "daas"


class Real:
    """One instance in a folder of its own."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="daas-cli-e2e-"))
        self.home = Home(self.root / "home")
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DAAS_") or name == "DAAS_K3S"}
        self.environment = {**kept, "DAAS_HOME": str(self.home.root)}

    def daas(self, *argv: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(PROGRAM), *argv],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert code is None or done.returncode == code, f"daas {argv}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *argv: str, code: int | None = 0) -> Any:
        return json.loads(self.daas(*argv, "--json", code=code).stdout)

    def processes(self) -> list[processes.ProcessId]:
        known = instance.load(self.home)
        if known is None:
            return []
        now = lifecycle.running(self.home)
        roots = [process.pid for process in (now.host, now.gateway) if process is not None]
        found = {*processes.of_instance(known.instance), *processes.descendants(roots)}
        return sorted(found, key=lambda process: process.pid)

    def remove(self) -> None:
        self.daas("down", "--purge", "--yes", code=None)
        shutil.rmtree(self.root, ignore_errors=True)


@pytest.fixture
def real() -> Iterator[Real]:
    real = Real()
    try:
        yield real
    finally:
        real.remove()


def until_serving(real: Real, seconds: float = 180, *, after_boot: str | None = None) -> Any:
    """The status once it says Serving, of another boot than `after_boot`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        seen = real.json("status", code=None)
        if seen["phase"] == "Serving" and seen["attestation"]["boot_id"] != after_boot:
            return seen
        time.sleep(0.3)
    raise AssertionError(f"not serving after {seconds} s: {seen}")


def test_up_use_look_down_and_nothing_is_left(real: Real) -> None:
    up = real.daas("up")
    assert f"export KUBECONFIG={real.home.kubeconfig}" in up.stdout
    assert "simulated" in up.stdout
    assert "PCR0" in up.stdout
    assert "down" in up.stdout
    assert real.home.kubeconfig.stat().st_mode & 0o777 == 0o600

    again = real.json("up")
    assert again["already_running"] is True

    names = real.daas("kubectl", "get", "namespaces", "-o", "name").stdout.split()
    assert "namespace/default" in names

    seen = real.json("status")
    assert seen["phase"] == "Serving"
    assert seen["attestation"]["anchor"] == "simulated"
    assert len(seen["log"]["root"]) == 64
    assert {"gateway", "host", "enclave", "etcd", "server"} <= seen["components"].keys()
    assert any("development" in note for note in seen["notes"])
    assert "simulated" in real.daas("status").stdout

    for name in ("gateway", "host", "enclave", "server"):
        assert real.daas("logs", name, "-n", "3").stdout.strip()

    assert real.json("attestation", "verify")["verdict"] == "accepted"
    assert real.json("attestation", "verify", "--root", "aws", code=1)["failure"]["check"] == "root"

    listed = real.json("receipt", "list", "--path", "/api/v1/namespaces")["receipts"]
    number = str(next(item["id"] for item in listed if item["status"] == 200))
    verified = real.json("receipt", "verify", number)
    assert (verified["verdict"], verified["anchor"]) == ("accepted", "simulated")
    bundle = real.root / "bundle.json"
    real.daas("receipt", "export", number, "-o", str(bundle))
    shown, head = str(real.root / "proof"), str(real.root / "head")
    proven = real.json("receipt", "proof", number, "--proof", shown, "--tree-head", head)
    assert proven["head"].startswith("tree head of size ")
    place = ("--proof", shown, "--tree-head", head)
    root = ("--root", str(real.home.development_ca / "root.pem"))
    checks = {
        item["name"]: item["outcome"] for item in real.json("receipt", "verify", str(bundle), *place, *root)["checks"]
    }
    assert checks["attestation"] == checks["tree head"] == checks["inclusion"] == "passed"
    note = real.json("receipt", "checkpoint")["note"]
    (real.root / "note").write_text(note)
    compared = real.json("receipt", "compare", str(bundle), str(real.root / "note"), *root)
    assert compared["verdict"] == "no contradiction"
    changed = real.root / "changed"
    changed.write_text("another answer")
    assert real.json("receipt", "verify", str(bundle), "--body", str(changed), code=1)["verdict"] == "refused"

    assert len(real.processes()) >= 5
    before = real.processes()
    real.daas("down")
    assert real.processes() == []
    assert [process for process in before if processes.alive(process)] == []
    assert [path for path in real.home.root.rglob("*") if path.is_socket()] == []
    assert not real.home.run.exists()
    down = real.json("status", code=3)
    assert down["phase"] == "unknown"
    assert down["components"]["gateway"]["state"] == "down"

    real.daas("down", "--purge", "--yes")
    assert not real.home.root.exists()


def test_objects_and_receipts_survive_down_and_up(real: Real) -> None:
    real.daas("up")
    real.daas("kubectl", "create", "configmap", "kept", "--from-literal=a=b")
    kept = real.json("receipt", "list")["kept"]
    real.daas("down")
    real.daas("up")
    assert real.daas("kubectl", "get", "configmap", "kept", "-o", "jsonpath={.data.a}").stdout == "b"
    assert real.json("receipt", "list")["kept"] > kept


def test_two_instances_side_by_side(real: Real) -> None:
    other = Real()
    try:
        real.daas("up")
        other.daas("up")
        one, two = real.json("status"), other.json("status")
        for field in ("gateway", "cluster_id", "enclave_id", "token_id"):
            assert one["instance"][field] != two["instance"][field]
        assert one["attestation"]["public_key"] != two["attestation"]["public_key"]
        real.daas("kubectl", "create", "configmap", "mine")
        assert real.daas("kubectl", "get", "configmap", "mine", "-o", "name").stdout
        assert "NotFound" in other.daas("kubectl", "get", "configmap", "mine", code=1).stderr
        # The credential of one opens nothing at the other.
        stolen = real.root / "stolen.yaml"
        text = real.home.kubeconfig.read_text()
        stolen.write_text(text.replace(one["instance"]["gateway"], two["instance"]["gateway"]))
        refused = real.daas(
            "kubectl", "--kubeconfig", str(stolen), "--insecure-skip-tls-verify", "get", "ns", code=None
        )
        assert refused.returncode != 0
        other.daas("down")
        assert real.json("status")["phase"] == "Serving"
    finally:
        other.remove()


def test_a_gateway_that_died_is_said_and_up_mends_it(real: Real) -> None:
    real.daas("up")
    gateway = real.json("status")["components"]["gateway"]["pid"]
    os.kill(gateway, signal.SIGKILL)
    for _ in range(1200):
        if lifecycle.running(real.home).gateway is None:
            break
        time.sleep(0.05)
    seen = real.json("status", code=3)
    assert seen["components"]["gateway"]["state"] == "down"
    assert seen["components"]["host"]["state"] == "running"
    assert "daas up" in seen["next"]
    real.daas("up")
    assert real.json("status")["phase"] == "Serving"


def test_an_enclave_that_died_is_restarted_by_the_host_and_attested_anew(real: Real) -> None:
    real.daas("up")
    before = until_serving(real)
    os.kill(before["components"]["enclave"]["pid"], signal.SIGKILL)
    after = until_serving(real, after_boot=before["attestation"]["boot_id"])
    assert after["components"]["enclave"]["restarts"] == 1
    assert real.daas("kubectl", "get", "ns", "-o", "name").returncode == 0


def test_a_killed_host_leaves_nothing_running(real: Real) -> None:
    real.daas("up")
    host = real.json("status")["components"]["host"]["pid"]
    below = processes.descendants([host])
    assert len(below) >= 3
    os.kill(host, signal.SIGKILL)
    assert processes.wait_gone(below, 90.0) == []
    real.daas("down")
    assert real.processes() == []


def test_a_taken_port_is_named_and_nothing_is_started(real: Real) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        real.environment["DAAS_GATEWAY_PORT"] = str(taken.getsockname()[1])
        refused = real.daas("up", code=1)
    assert real.environment["DAAS_GATEWAY_PORT"] in refused.stderr
    assert "next" in refused.stderr
    assert real.processes() == []


def test_bench_path_measures_both_sides_and_leaves_nothing(real: Real) -> None:
    measured = real.json("bench", "path", "--rounds", "1", "--seconds", "0.5")
    for case in ("small", "list", "small_one", "list_one"):
        for side in ("proxy", "signed"):
            assert measured[case][side]["requests_per_second"] > 0
            assert measured[case][side]["errors"] == 0
    assert measured["watch_signed"]["p50_ms"] > 0
    assert {"gateway", "host", "enclave", "server"} <= measured["small"]["signed"]["cpu_ms_per_request"].keys()
    assert not real.home.root.exists()


def test_a_start_that_is_told_to_end_undoes_itself(real: Real) -> None:
    start = subprocess.Popen(
        [str(PROGRAM), "up"], env=real.environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        for _ in range(2400):
            if lifecycle.running(real.home).all:
                break
            time.sleep(0.05)
        assert len(real.processes()) >= 2
        start.send_signal(signal.SIGTERM)
        start.communicate(timeout=180)
        assert start.returncode != 0
        assert real.processes() == []
    finally:
        start.kill()
        start.communicate()

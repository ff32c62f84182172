"""The enclave as a process of its own with the compiled control plane: boots, survives its processes' deaths, stops."""

from __future__ import annotations

import hashlib
import json
import os
import queue
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from daas_attestation.simulated import DevelopmentCa

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
CHECKOUT = Path(__file__).resolve().parents[2]
BUILD_S = 1800
Event = dict[str, Any]


@pytest.fixture(scope="session")
def control_plane_binary() -> Path:
    """The program named by DAAS_K3S, else the result of controlplane/build.sh (quick when nothing has changed)."""
    if named := os.environ.get("DAAS_K3S"):
        return Path(named)
    done = subprocess.run(
        [str(CHECKOUT / "controlplane" / "build.sh")], stdout=subprocess.PIPE, timeout=BUILD_S, check=True, text=True
    )
    return Path(done.stdout.strip().splitlines()[-1])


class Enclave:
    """`python -m daas_enclave` with a lifeline, and the events it prints."""

    def __init__(self, folder: Path, binary: Path) -> None:
        self.folder = folder
        self.binary = binary
        if not (folder / "ca").exists():
            DevelopmentCa.create(folder / "ca")
        (folder / "policy.yaml").write_text("version: 1\ntokens: []\n")
        config = {
            "version": 1,
            "mode": "process",
            "package_id": "0x0",
            "cluster_id": "0x1",
            "enclave_id": "0x2",
            "policy_file": str(folder / "policy.yaml"),
            "data_dir": str(folder / "data"),
            "listen": f"unix:{folder}/api.sock",
            "log_listen": f"unix:{folder}/log.sock",
            "control_plane": {
                "kind": "daas-k3s",
                "path": str(binary),
                "sha256": hashlib.sha256(binary.read_bytes()).hexdigest(),
            },
            "nsm": {"kind": "simulated", "development_ca": str(folder / "ca"), "measured": [str(binary)]},
            "kubelet_egress": "direct",
        }
        (folder / "config.json").write_text(json.dumps(config))
        lifeline, self._lifeline = os.pipe()
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "daas_enclave", str(folder / "config.json")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=(folder / "stderr").open("ab"),
            pass_fds=(lifeline,),
            env=os.environ | {"DAAS_LIFELINE_FD": str(lifeline)},
        )
        os.close(lifeline)
        self.events: list[Event] = []
        self._queue: queue.Queue[Event] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._queue.put(json.loads(line))

    def until(self, wanted: Callable[[Event], bool], limit_s: float = 180.0) -> Event:
        """The next event that fits, among those not yet seen."""
        deadline = time.monotonic() + limit_s
        while True:
            try:
                event = self._queue.get(timeout=max(deadline - time.monotonic(), 0.01))
            except queue.Empty:
                stderr = (self.folder / "stderr").read_text()
                raise AssertionError(f"not seen in {limit_s} s; last: {self.events[-5:]}; stderr: {stderr}") from None
            self.events.append(event)
            if wanted(event):
                return event

    def phase(self, name: str) -> Event:
        return self.until(lambda e: e["event"] == "phase_changed" and e["phase"] == name)

    def pid(self, component: str) -> int:
        """The pid of the component's last start."""
        pids = [e["pid"] for e in self.events if e.get("component") == component and e.get("pid")]
        return int(pids[-1])

    def close_lifeline(self) -> None:
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1

    def end(self) -> None:
        self.close_lifeline()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def start(tmp_path: Path, control_plane_binary: Path) -> Iterator[Callable[[], Enclave]]:
    running: list[Enclave] = []

    def make() -> Enclave:
        running.append(Enclave(tmp_path, control_plane_binary))
        return running[-1]

    yield make
    for enclave in running:
        enclave.end()


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


def children_of(pid: int) -> list[int]:
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_it_boots_pauses_when_a_process_dies_serves_again_and_stops(start, record_property) -> None:
    enclave = start()
    enclave.phase("Serving")
    boot_s = time.monotonic() - enclave.started
    record_property("boot_to_serving_s", round(boot_s, 2))
    print(f"boot to Serving: {boot_s:.2f} s")
    for event in enclave.events:
        what = event.get("phase") or f"{event.get('component', '')} {event.get('state', event['event'])}"
        print(f"  {event['t_ms'] - enclave.events[0]['t_ms']:6} ms {what}")
    assert [e["phase"] for e in enclave.events if e["event"] == "phase_changed"] == [
        "Keys", "ControlPlane", "Unregistered", "Serving",
    ]  # fmt: skip

    for component in ("etcd", "server"):
        before = enclave.pid(component)
        killed = time.monotonic()
        os.kill(before, signal.SIGKILL)
        paused = enclave.phase("Paused")
        print(f"{component} killed: Paused after {(time.monotonic() - killed) * 1000:.0f} ms")
        assert component in paused["reason"]
        enclave.phase("Serving")
        print(f"{component} killed: Serving again after {time.monotonic() - killed:.2f} s")
        assert enclave.pid(component) != before

    children = children_of(enclave.process.pid)
    stopping = time.monotonic()
    enclave.process.send_signal(signal.SIGTERM)
    enclave.phase("Stopped")
    assert enclave.process.wait(60) == 0
    print(f"SIGTERM to exit: {time.monotonic() - stopping:.2f} s")
    assert all(gone(pid) for pid in children)
    phases = [e["phase"] for e in enclave.events if e["event"] == "phase_changed"]
    assert phases[-2:] == ["Draining", "Stopped"]


def test_a_hung_server_is_found_and_replaced(start) -> None:
    enclave = start()
    enclave.phase("Serving")
    os.kill(enclave.pid("server"), signal.SIGSTOP)
    enclave.phase("Paused")
    event = enclave.until(lambda e: e.get("component") == "server" and e.get("state") == "backoff")
    assert "hung" in event["detail"]
    enclave.phase("Serving")


def test_the_end_of_the_lifeline_stops_it_and_a_restart_keeps_the_cluster(start, tmp_path: Path) -> None:
    enclave = start()
    enclave.phase("Serving")
    authority = (tmp_path / "data" / "k3s" / "server" / "tls" / "server-ca.crt").read_bytes()
    ports = (tmp_path / "data" / "ports.json").read_bytes()
    children = children_of(enclave.process.pid)
    enclave.close_lifeline()
    assert enclave.process.wait(60) == 0
    assert all(gone(pid) for pid in children)

    again = start()
    again.phase("Serving")
    assert (tmp_path / "data" / "k3s" / "server" / "tls" / "server-ca.crt").read_bytes() == authority
    assert (tmp_path / "data" / "ports.json").read_bytes() == ports


def test_kill_9_of_the_enclave_leaves_no_process_and_the_data_usable(start) -> None:
    enclave = start()
    enclave.phase("Serving")
    children = children_of(enclave.process.pid)
    assert len(children) == 2
    enclave.process.kill()
    enclave.process.wait()
    deadline = time.monotonic() + 60
    while not all(gone(pid) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert all(gone(pid) for pid in children)
    start().phase("Serving")


def test_nothing_private_is_readable_by_others_or_visible_in_arguments(start, tmp_path: Path) -> None:
    enclave = start()
    enclave.phase("Serving")
    data = tmp_path / "data"
    open_to_others = [
        path for path in data.rglob("*") if not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    # Below folders of mode 0700 nobody else gets in; that folder itself is what counts.
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert not [path for path in open_to_others if path.suffix in {".key", ".bin", ".kubeconfig"}]
    token = (data / "token").read_text()
    for pid in (enclave.process.pid, *children_of(enclave.process.pid)):
        assert token not in Path(f"/proc/{pid}/cmdline").read_text()
        assert token not in Path(f"/proc/{pid}/environ").read_text()
        assert re.search(r"^Max core file size +0 +0 ", Path(f"/proc/{pid}/limits").read_text(), re.MULTILINE)
    logs = "".join(path.read_text(errors="replace") for path in (data / "logs").iterdir())
    assert token not in logs
    assert token not in json.dumps(enclave.events)
    assert "PRIVATE KEY" not in logs

"""The host as a process: it starts the enclave, tells how it ended, starts it again, and leaves nobody behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daas_host.config import Limits
from daas_host.launcher import backoff_ms
from daas_host.process import LineSplitter, printable
from daas_host.rotating_log import RotatingLog
from daas_host.tiles import read_leaves
from support.waiting import PATIENCE_S

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="process mode's checks read /proc")
STUB = Path(__file__).with_name("stub_enclave.py")
LIMITS = {"restart_min_ms": 50, "restart_max_ms": 400, "stop_timeout_s": 1}


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != b"Z"


def receive(client: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count and (piece := client.recv(count - len(data))):
        data += piece
    return data


def ended(client: socket.socket) -> bool:
    """Waits for the end of a connection: in order, when the kernel closed a dead enclave's socket, or by a reset."""
    try:
        while client.recv(1000):
            pass
    except ConnectionResetError:
        pass
    return True


class RunningHost:
    """`python -m daas_host` over the stub, in a folder of its own."""

    def __init__(self, folder: Path, behaviour: str, **changes: Any) -> None:
        self.folder = folder
        self.pids_file = folder / "pids"
        self.api, self.log = folder / "api", folder / "log"
        config = {
            "version": 1,
            "listen": "tcp:127.0.0.1:0",
            "enclave": {
                "kind": "process",
                "argv": [sys.executable, str(STUB), str(self.api), str(self.log), behaviour, str(self.pids_file)],
                "api": f"unix:{self.api}",
                "log": f"unix:{self.log}",
            },
            "log_dir": str(folder / "logs"),
            "tiles_dir": str(folder / "tiles"),
            "state_dir": str(folder / "state"),
            "limits": LIMITS,
        } | changes
        (folder / "host.json").write_text(json.dumps(config))
        with (folder / "host.log").open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "daas_host", str(folder / "host.json")],
                stderr=errors,
                env=os.environ | {"SECRET_OF_THE_OPERATOR": "x", "HOME": str(folder)},
            )

    def state(self) -> dict[str, Any]:
        try:
            return dict(json.loads((self.folder / "state/host.json").read_bytes()))
        except FileNotFoundError:
            return {"enclave": {"state": None, "restarts": 0, "last_exit": None}}

    def pids(self) -> list[int]:
        return [int(line) for line in self.pids_file.read_text().split()] if self.pids_file.exists() else []

    def wait_for(self, condition: Callable[[], Any], timeout: float = PATIENCE_S) -> None:
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, (self.state(), self.output(), (self.folder / "host.log").read_text()[-2000:])
            time.sleep(0.01)

    def output(self) -> bytes:
        path = self.folder / "logs/enclave.log"
        return path.read_bytes() if path.exists() else b""

    def connect(self) -> socket.socket:
        self.wait_for(lambda: b"stub_ready" in self.output())
        return socket.create_connection(("127.0.0.1", int(self.state()["listen"].rpartition(":")[2])), timeout=30)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def nobody_left(self) -> bool:
        return not any(alive(pid) for pid in self.pids())


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., RunningHost]]:
    hosts: list[RunningHost] = []

    def begin(behaviour: str, **changes: Any) -> RunningHost:
        hosts.append(RunningHost(tmp_path, behaviour, **changes))
        return hosts[-1]

    yield begin
    for host in hosts:
        host.process.kill()
        host.process.wait()
        for pid in host.pids():
            if alive(pid):
                os.kill(pid, signal.SIGKILL)


def test_it_carries_bytes_and_stops_in_order_without_leaving_files_or_processes(
    start: Callable[..., RunningHost],
) -> None:
    host = start("serve")
    with host.connect() as client:
        client.sendall(b"through the host")
        assert receive(client, 16) == b"through the host"
        assert host.state()["enclave"]["state"] == "running"
        assert host.state()["enclave"]["pid"] == host.pids()[0]
        assert host.stop() == 0
        assert ended(client)
    assert b"stub_stopping" in host.output(), "its last lines are kept"
    assert host.nobody_left()
    assert not host.api.exists()
    assert not host.log.exists()
    assert host.state()["enclave"]["state"] == "stopped"
    assert host.state()["enclave"]["last_exit"]["code"] == 0
    for path in ("state/host.json", "logs/enclave.log"):
        assert (host.folder / path).stat().st_mode & 0o077 == 0


def test_an_enclave_that_does_not_stop_is_killed_with_its_children(start: Callable[..., RunningHost]) -> None:
    host = start("stubborn")
    host.wait_for(lambda: b"stubborn" in host.output())
    assert host.stop() == 0
    assert len(host.pids()) == 2
    assert host.nobody_left()
    assert host.state()["enclave"]["last_exit"]["signal"] == "SIGKILL"


def test_children_that_an_enclave_forgot_are_ended_with_it(start: Callable[..., RunningHost]) -> None:
    host = start("serve-with-children")
    host.connect().close()
    assert host.stop() == 0
    assert len(host.pids()) == 3
    assert host.nobody_left()


def test_a_crash_is_told_with_its_last_lines_and_tried_again_with_growing_pauses(
    start: Callable[..., RunningHost],
) -> None:
    host = start("crash")
    host.wait_for(lambda: host.state()["enclave"]["restarts"] >= 3)
    enclave = host.state()["enclave"]
    assert enclave["consecutive_crashes"] >= 3
    assert enclave["last_exit"]["code"] == 1
    assert enclave["last_exit"]["signal"] is None
    assert enclave["last_exit"]["lines"][-1] == "RuntimeError: the reason"
    assert "about to fail?[31m" in enclave["last_exit"]["lines"], "no escape sequence reaches a terminal"
    assert host.stop() == 0
    events = [json.loads(line) for line in (host.folder / "host.log").read_text().splitlines()]
    crashes = [event for event in events if event["event"] == "enclave_crashed"]
    assert [crash["restart_in_ms"] for crash in crashes[:3]] == [50, 100, 200]
    assert crashes[0]["last_lines"][-1] == "RuntimeError: the reason"
    assert host.nobody_left()


def test_a_killed_enclave_comes_back_and_its_clients_are_cut_at_once(start: Callable[..., RunningHost]) -> None:
    host = start("serve")
    with host.connect() as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        os.kill(host.pids()[0], signal.SIGKILL)
        # Within the client's time-out, and long before silence would end it.
        assert ended(client)
    host.wait_for(lambda: len(host.pids()) == 2 and host.state()["enclave"]["state"] == "running")
    assert host.state()["enclave"]["last_exit"]["signal"] == "SIGKILL"
    host.wait_for(lambda: host.output().count(b"stub_ready") == 2)
    with host.connect() as client:
        client.sendall(b"again")
        assert receive(client, 5) == b"again"
    assert host.stop() == 0


def test_orphans_of_a_crash_are_ended_before_the_next_start(start: Callable[..., RunningHost]) -> None:
    host = start("crash-leaving-children")
    host.wait_for(lambda: host.state()["enclave"]["restarts"] >= 1)
    first_run = host.pids()[:3]
    assert not any(alive(pid) for pid in first_run)
    assert host.state()["enclave"]["last_exit"]["signal"] == "SIGABRT"
    assert host.stop() == 0
    assert host.nobody_left()


def test_kill_9_of_the_host_stops_the_enclave_through_the_lifeline(start: Callable[..., RunningHost]) -> None:
    host = start("serve")
    host.connect().close()
    host.process.kill()
    host.process.wait()
    host.wait_for(host.nobody_left)
    # What the dead host left behind does not stop the next one.
    (host.folder / "logs/enclave.log").unlink()
    again = start("serve")
    again.connect().close()
    assert again.stop() == 0


def test_an_enclave_that_chose_to_stop_is_not_started_again(start: Callable[..., RunningHost]) -> None:
    host = start("done")
    host.wait_for(lambda: host.state()["enclave"]["state"] == "stopped")
    time.sleep(0.3)
    assert len(host.pids()) == 1
    assert host.process.poll() is None
    assert host.stop() == 0


def test_an_enclave_that_cannot_be_started_is_told_and_tried_again(start: Callable[..., RunningHost]) -> None:
    enclave = {"kind": "process", "argv": ["/nonexistent"], "api": "unix:/nonexistent/a", "log": "unix:/nonexistent/l"}
    host = start("unused", enclave=enclave)
    host.wait_for(lambda: host.state()["enclave"]["restarts"] >= 1)
    assert "No such file" in host.state()["enclave"]["last_exit"]["lines"][0]
    assert host.stop() == 0


def test_long_lines_are_cut_and_the_rest_is_kept(start: Callable[..., RunningHost]) -> None:
    host = start("long-lines")
    host.wait_for(lambda: b"at the end" in host.output())
    lines = host.output().split(b"\n")
    assert len(lines[0]) == Limits().enclave_line_bytes
    assert lines[0].endswith(b"...[cut]")
    assert lines[1:] == [b"b" * 10, b"no line feed at the end", b""]
    assert host.stop() == 0


def test_the_enclave_gets_no_environment_and_no_descriptor_but_its_lifeline(start: Callable[..., RunningHost]) -> None:
    host = start("environment")
    host.wait_for(lambda: host.output().count(b"\n") == 2)
    names, descriptors = host.output().decode().splitlines()
    # LC_CTYPE is set by the interpreter itself (PEP 538).
    assert set(names.split()) - {"LC_CTYPE"} == {"DAAS_LIFELINE_FD", "LANG", "PATH"}
    assert len(descriptors.split()) == 5, "0, 1, 2, the lifeline, and the one that lists them"
    assert host.stop() == 0


def test_two_hosts_cannot_share_a_state_folder(start: Callable[..., RunningHost]) -> None:
    first = start("serve")
    first.connect().close()
    second = start("serve")
    assert second.process.wait(PATIENCE_S) == 1
    assert "another host uses" in (second.folder / "host.log").read_text()
    with first.connect() as client:
        client.sendall(b"unharmed")
        assert receive(client, 8) == b"unharmed"
    assert first.stop() == 0


def test_a_wrong_configuration_is_exit_code_2_with_the_field(tmp_path: Path) -> None:
    file = tmp_path / "host.json"
    file.write_text('{"version": 1, "surprise": 2}')
    for arguments in ([str(file)], [str(tmp_path / "none")], []):
        run = subprocess.run([sys.executable, "-m", "daas_host", *arguments], stderr=subprocess.PIPE, text=True)
        assert run.returncode == 2
        assert "Traceback" not in run.stderr


def test_metrics_have_stable_names_and_nothing_else_is_served(start: Callable[..., RunningHost]) -> None:
    host = start("serve", metrics="tcp:127.0.0.1:0")
    with host.connect() as client:
        client.sendall(b"12345")
        assert receive(client, 5) == b"12345"
        text = scrape(host, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    for line in (
        "daas_host_connections 1.0",
        'daas_host_bytes_total{direction="to_enclave"} 5.0',
        'daas_host_bytes_total{direction="from_enclave"} 5.0',
        'daas_host_refused_total{reason="limit"} 0.0',
        'daas_host_refused_total{reason="enclave_unreachable"} 0.0',
        "daas_host_enclave_restarts_total 0.0",
        "daas_host_enclave_up 1.0",
        "daas_host_log_leaves_total 0.0",
    ):
        assert line in text.splitlines()
    assert scrape(host, b"GET /else HTTP/1.1\r\n\r\n").startswith("HTTP/1.1 404")
    assert scrape(host, b"x" * 10_000) == ""
    assert host.stop() == 0


def test_the_log_of_a_running_enclave_is_kept(start: Callable[..., RunningHost]) -> None:
    host = start("serve-log", metrics="tcp:127.0.0.1:0")
    host.wait_for(lambda: b"acknowledged 1000" in host.output())
    expected = [sha256(number.to_bytes(8, "big")).digest() for number in range(1000)]
    assert read_leaves(host.folder / "tiles", bytes(range(16))) == expected
    assert "daas_host_log_leaves_total 1000.0" in scrape(host, b"GET /metrics HTTP/1.1\r\n\r\n").splitlines()
    assert host.stop() == 0


def scrape(host: RunningHost, request: bytes) -> str:
    address = ("127.0.0.1", int(host.state()["metrics"].rpartition(":")[2]))
    with socket.create_connection(address, timeout=30) as client:
        client.sendall(request)
        answer = b""
        try:
            while data := client.recv(65_536):
                answer += data
        except ConnectionResetError:
            pass
    return answer.decode()


@given(crashes=st.integers(1, 10_000))
def test_pauses_never_shrink_and_are_bounded(crashes: int) -> None:
    limits = Limits()
    assert (
        limits.restart_min_ms <= backoff_ms(crashes, limits) <= backoff_ms(crashes + 1, limits) <= limits.restart_max_ms
    )


@given(st.lists(st.binary(max_size=60), max_size=8), st.integers(10, 30))
def test_lines_do_not_depend_on_the_reads_and_are_bounded(chunks: list[bytes], cap: int) -> None:
    def split(parts: list[bytes]) -> list[bytes]:
        lines: list[bytes] = []
        splitter = LineSplitter(cap, lines.append)
        for part in parts:
            splitter.feed(part)
        splitter.end()
        return lines

    whole = b"".join(chunks)
    lines = split(chunks)
    assert lines == split([whole])
    assert all(len(line) <= cap for line in lines)
    expected = [line for line in whole.split(b"\n") if line]
    assert len(lines) == len(expected)
    assert all(got == line for got, line in zip(lines, expected, strict=True) if len(line) <= cap)


@given(st.binary(max_size=200))
def test_no_control_character_reaches_the_log(line: bytes) -> None:
    assert all(byte >= 0x20 or byte == 0x09 for byte in printable(line) if byte != 0x7F)
    assert b"\x7f" not in printable(line)


def test_the_log_is_rotated_and_bounded(tmp_path: Path) -> None:
    log = RotatingLog(tmp_path / "enclave.log", max_bytes=100, files=2)
    for number in range(100):
        log.write(b"line %03d" % number)
    log.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["enclave.log", "enclave.log.1", "enclave.log.2"]
    kept = b"".join((tmp_path / name).read_bytes() for name in ("enclave.log.2", "enclave.log.1", "enclave.log"))
    assert kept.endswith(b"line 098\nline 099\n")
    assert len(kept) <= 300
    again = RotatingLog(tmp_path / "enclave.log", max_bytes=100, files=2)
    again.write(b"after a restart")
    assert (tmp_path / "enclave.log").read_bytes().endswith(b"line 099\nafter a restart\n")
    again.close()


def test_a_full_disk_loses_lines_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = RotatingLog(tmp_path / "enclave.log", max_bytes=1000, files=2)
    log.write(b"before")

    def full(fd: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        log.write(b"lost")
    log.write(b"after")
    log.close()
    assert log.lost == 1
    assert (tmp_path / "enclave.log").read_bytes() == b"before\nafter\n"

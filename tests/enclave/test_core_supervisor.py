"""Supervision against real processes that crash, hang, start slowly or never: shown truthfully, restarted, stopped."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from daas_enclave.child import Child, Command, VerifiedBinary
from daas_enclave.probe import Health, ProbeResult
from daas_enclave.restart import Limits, RestartPolicy, State
from daas_enclave.rotating_log import RotatingLog
from daas_enclave.supervisor import Clocks, Component, ComponentStatus, Supervised
from support.waiting import PATIENCE_S, until

# Asked often, and given time: how long a child takes on a busy machine must not look like a hang.
FAST = Limits(
    start_ms=60_000,
    probe_starting_ms=20,
    probe_ready_ms=30,
    answer_ms=30_000,
    silent_ms=60_000,
    unready_ms=60_000,
    stop_ms=300,
)
IMPATIENT = replace(FAST, answer_ms=300, silent_ms=600)
POLICY = RestartPolicy(base_ms=30, cap_ms=120, healthy_ms=60_000)
# A child that answers on a Unix socket: "ready" mode answers `ok`, and commands arrive as files in its folder.
SERVER = """#!/usr/bin/env python3
import os, signal, socket, sys, time
mode, folder = sys.argv[1], sys.argv[2]
print("started", mode, flush=True)
if mode == "crash": sys.exit(7)
if mode == "deaf": signal.signal(signal.SIGTERM, signal.SIG_IGN)
if mode == "slow": time.sleep(0.6)
if mode == "silent": time.sleep(60)
path = os.path.join(folder, "sock")
if os.path.exists(path): os.unlink(path)
s = socket.socket(socket.AF_UNIX); s.bind(path); s.listen()
while True:
    c, _ = s.accept()
    c.sendall(b"no" if os.path.exists(os.path.join(folder, "unready")) else b"ok")
    c.close()
"""


class Rig:
    """One supervised child and the record of its states."""

    def __init__(self, folder: Path, mode: str, depends_on: Supervised | None = None, limits: Limits = FAST) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.mode = mode
        program = folder / "program"
        program.write_text(SERVER.replace("/usr/bin/env python3", sys.executable))
        program.chmod(0o755)
        self.binary = VerifiedBinary(program, hashlib.sha256(program.read_bytes()).digest())
        self.states: list[State] = []
        self.details: list[str] = []
        self.log = RotatingLog(folder / "child.log")
        clocks = Clocks(lambda: 1, lambda: time.monotonic_ns() // 1_000_000)
        component = Component("it", self.command, self.probe, self.log, limits, POLICY)
        self.supervised = Supervised(component, clocks, depends_on)
        self.supervised.subscribe(self.heard)

    def command(self) -> Command:
        return Command(self.binary, ["program", self.mode, str(self.folder)], {}, self.folder)

    async def probe(self) -> ProbeResult:
        try:
            reader, writer = await asyncio.open_unix_connection(str(self.folder / "sock"))
        except OSError as error:
            return ProbeResult(Health.SILENT, type(error).__name__)
        try:
            data = await reader.read(10)
        finally:
            writer.close()
        return ProbeResult(Health.READY if data == b"ok" else Health.UNREADY, data.decode())

    def heard(self, before: ComponentStatus, after: ComponentStatus) -> None:
        assert before.state is not after.state
        self.states.append(after.state)
        self.details.append(after.detail)

    @property
    def status(self) -> ComponentStatus:
        return self.supervised.status

    def kill(self, number: int) -> None:
        assert self.status.pid is not None
        os.kill(self.status.pid, number)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Callable[..., Rig]]:
    made: list[Rig] = []

    def make(mode: str, name: str = "a", **options) -> Rig:
        made.append(Rig(tmp_path / name, mode, **options))
        made[-1].supervised.start()
        return made[-1]

    yield make
    for one in reversed(made):
        await one.supervised.stop()
        one.binary.close()


async def test_a_child_becomes_ready_and_says_so_once(rig) -> None:
    it = rig("ready")
    await until(lambda: it.supervised.ready)
    assert it.states == [State.STARTING, State.READY]
    assert it.status.ready_after_ms is not None
    assert it.status.restarts == 0


async def test_kill_9_shows_at_once_and_the_child_comes_back(rig) -> None:
    # No probe is due for a long time: it is the end of the process that shows.
    it = rig("ready", limits=replace(FAST, probe_ready_ms=3_600_000))
    await until(lambda: it.supervised.ready)
    first = it.status.pid
    it.kill(signal.SIGKILL)
    await until(lambda: it.status.restarts == 1 and it.supervised.ready)
    assert it.states[:3] == [State.STARTING, State.READY, State.BACKOFF]
    assert it.status.last_exit == "killed by SIGKILL"
    assert it.status.pid != first
    assert it.status.restarts == 1


async def test_a_hanging_child_is_unready_then_killed_and_replaced(rig) -> None:
    it = rig("ready", limits=IMPATIENT)
    await until(lambda: it.supervised.ready)
    first = it.status.pid
    it.kill(signal.SIGSTOP)
    await until(lambda: not it.supervised.ready)
    assert State.UNRESPONSIVE in it.states
    await until(lambda: it.status.pid != first and it.supervised.ready)
    assert "hung" in str(it.status.last_exit)
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)


async def test_a_slow_start_is_waited_for(rig) -> None:
    it = rig("slow")
    await until(lambda: it.supervised.ready)
    assert it.status.restarts == 0
    assert (it.status.ready_after_ms or 0) >= 500


async def test_a_start_that_never_gets_ready_is_given_up_and_tried_again(rig) -> None:
    limits = Limits(start_ms=300, probe_starting_ms=20, answer_ms=100)
    it = rig("silent", limits=limits)
    await until(lambda: it.status.restarts >= 1)
    assert "not ready 300 ms after its start" in str(it.status.last_exit)
    assert State.READY not in it.states


async def test_a_child_that_ends_at_once_backs_off_up_to_the_cap(rig) -> None:
    it = rig("crash")
    started = time.monotonic()
    await until(lambda: it.status.restarts >= 4)
    # 30 + 60 + 120 + 120 ms are the least the policy allows.
    assert time.monotonic() - started >= 0.33
    assert it.status.last_exit == "exit code 7"
    assert it.status.failures >= 4
    assert "restart in 120 ms" in it.status.detail or it.status.state is not State.BACKOFF
    assert State.READY not in it.states


async def test_an_answer_of_not_ready_is_shown_and_recovers_without_a_restart(rig) -> None:
    it = rig("ready")
    await until(lambda: it.supervised.ready)
    (it.folder / "unready").touch()
    await until(lambda: it.status.state is State.UNREADY)
    (it.folder / "unready").unlink()
    await until(lambda: it.supervised.ready)
    assert it.status.restarts == 0


async def test_a_server_waits_for_its_store_and_is_not_ready_without_it(rig) -> None:
    store = rig("slow", "store")
    server = rig("ready", "server", depends_on=store.supervised)
    await until(lambda: server.status.state is State.WAITING)
    assert server.status.pid is None
    await until(lambda: server.supervised.ready)
    store.kill(signal.SIGKILL)
    await until(lambda: not store.supervised.ready)
    assert not server.supervised.ready, "the store is gone, whatever the server's own probe says"
    await until(lambda: State.UNREADY in server.states)
    await until(lambda: server.supervised.ready)
    assert server.status.restarts == 0


async def test_a_program_exchanged_meanwhile_is_not_started_and_the_state_says_why(rig) -> None:
    it = rig("ready")
    await until(lambda: it.supervised.ready)
    program = it.folder / "program"
    good = program.read_bytes()
    program.unlink()
    program.write_bytes(good + b"# changed\n")
    program.chmod(0o755)
    it.kill(signal.SIGKILL)
    await until(lambda: "cannot start" in str(it.status.last_exit))
    assert it.status.pid is None
    program.write_bytes(good)
    await until(lambda: it.supervised.ready)


async def test_a_probe_that_breaks_is_silence_not_readiness(rig) -> None:
    it = rig("ready")
    await until(lambda: it.supervised.ready)

    async def broken() -> ProbeResult:
        raise RuntimeError("probe")

    object.__setattr__(it.supervised._component, "probe", broken)
    await until(lambda: State.UNRESPONSIVE in it.states)
    assert "RuntimeError" in it.details[it.states.index(State.UNRESPONSIVE)]


async def test_a_probe_that_never_returns_is_silence_not_readiness(rig) -> None:
    it = rig("ready", limits=replace(FAST, answer_ms=1_000))
    await until(lambda: it.supervised.ready)

    async def stuck() -> ProbeResult:
        await asyncio.Event().wait()
        raise AssertionError

    object.__setattr__(it.supervised._component, "probe", stuck)
    await until(lambda: State.UNRESPONSIVE in it.states)


async def test_stopping_a_child_deaf_to_sigterm_is_bounded_and_final(rig) -> None:
    it = rig("deaf")
    await until(lambda: it.supervised.ready)
    pid = it.status.pid
    started = time.monotonic()
    await it.supervised.stop(0.2)
    assert time.monotonic() - started < 20
    assert (it.status.state, it.status.pid) == (State.STOPPED, None)
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    await asyncio.sleep(0.2)
    assert it.status.state is State.STOPPED


@pytest.mark.parametrize("mode", ["crash", "silent", "ready"])
async def test_stopping_in_any_state_leaves_no_process(rig, mode: str) -> None:
    it = rig(mode)
    await asyncio.sleep(0.1)
    await it.supervised.stop(0.2)
    assert it.status.state is State.STOPPED
    assert not it.supervised.ready


async def test_output_is_kept_private_and_bounded(rig, tmp_path: Path) -> None:
    it = rig("crash")
    await until(lambda: it.status.restarts >= 1)
    log = it.folder / "child.log"
    assert b"started crash" in log.read_bytes()
    assert log.stat().st_mode & 0o777 == 0o600
    bounded = RotatingLog(tmp_path / "b.log", max_bytes=1000, keep=3)
    for _ in range(100):
        bounded.write(b"x" * 99 + b"\n")
    bounded.write(b"y" * 5000)
    bounded.close()
    files = sorted(tmp_path.glob("b.log*"))
    assert [f.name for f in files] == ["b.log", "b.log.1", "b.log.2"]
    assert all(f.stat().st_size <= 1000 for f in files)


async def test_a_log_that_cannot_be_written_does_not_stop_anything(tmp_path: Path) -> None:
    log = RotatingLog(tmp_path / "absent" / "x.log")
    log.write(b"lost")
    assert log.write_errors == 1
    assert log.tail() == "lost"


PARENT = """
import asyncio, hashlib, sys
from pathlib import Path
from daas_enclave.child import Child, Command, VerifiedBinary
from daas_enclave.rotating_log import RotatingLog

async def main():
    path = Path("/bin/sleep").resolve()
    binary = VerifiedBinary(path, hashlib.sha256(path.read_bytes()).digest())
    child = Child.start(Command(binary, ["sleep", "600"], {}, Path("/")), RotatingLog(Path(sys.argv[1])))
    print(child.pid, flush=True)
    await child.wait()

asyncio.run(main())
"""


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def test_no_child_outlives_an_enclave_killed_by_sigkill(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "log")], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert alive(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + PATIENCE_S
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive(pid)


async def run_once(tmp_path: Path, script: str) -> Child:
    program = tmp_path / "p"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    binary = VerifiedBinary(program, hashlib.sha256(program.read_bytes()).digest())
    return Child.start(Command(binary, ["p"], {"ONLY": "this"}, tmp_path), RotatingLog(tmp_path / "log"))


async def test_a_child_gets_the_given_environment_and_no_descriptors_of_ours(tmp_path: Path) -> None:
    child = await run_once(tmp_path, "env; ls -l /proc/self/fd")
    secret = os.open(tmp_path, os.O_RDONLY)
    assert str(await child.wait()) == "exit code 0"
    os.close(secret)
    text = (tmp_path / "log").read_text()
    assert "ONLY=this" in text
    assert "HOME=" not in text
    # 0, 1, 2, the program itself, and what the shell and ls hold.
    assert "socket:" not in text
    assert "anon_inode" not in text


async def test_waiting_can_be_cancelled_without_losing_the_exit(tmp_path: Path) -> None:
    child = await run_once(tmp_path, "while [ ! -e go ]; do sleep 0.05; done; exit 5")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(child.wait(), 0.05)
    (tmp_path / "go").touch()
    assert (await child.wait()).code == 5

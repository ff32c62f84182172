"""Processes: a reused pid is never signalled, a stubborn one is killed, an orphan is found."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from daas_cli import processes
from daas_cli.processes import ProcessId

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

SLEEPS = "import time; time.sleep(60)"
HANGS = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
PARENT = (
    "import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'],"
    " start_new_session=True); print(p.pid, flush=True); time.sleep(60)"
)


class Children:
    def __init__(self) -> None:
        self.started: list[subprocess.Popen[str]] = []

    def start(self, code: str, **environment: str) -> tuple[subprocess.Popen[str], ProcessId]:
        child = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
        )
        self.started.append(child)
        found = processes.identify(child.pid)
        assert found is not None
        return child, found


@pytest.fixture
def children() -> Iterator[Children]:
    children = Children()
    yield children
    for child in children.started:
        child.kill()
        child.wait()
        assert child.stdout is not None
        child.stdout.close()


def test_a_living_process_is_itself(children: Children) -> None:
    _, process = children.start(SLEEPS)
    assert processes.alive(process)


@pytest.mark.parametrize("field", ["started", "boot"])
def test_the_same_number_in_another_life_is_a_stranger(children: Children, field: str) -> None:
    child, process = children.start(SLEEPS)
    other = replace(process, started=process.started - 1) if field == "started" else replace(process, boot="other")
    assert not processes.alive(other)
    processes.send(other, signal.SIGKILL)
    assert processes.stop([other], 0.2) == []
    time.sleep(0.1)
    assert child.poll() is None


def test_a_zombie_does_not_live(children: Children) -> None:
    child, process = children.start("pass")
    for _ in range(3000):
        if not processes.alive(process):
            break
        time.sleep(0.02)
    assert not processes.alive(process)
    assert (processes.read_stat(child.pid) or pytest.fail("reaped")).state == "Z"


def test_a_process_that_stops_is_not_killed(children: Children) -> None:
    child, process = children.start(SLEEPS)
    assert processes.stop([process], 60.0) == []
    assert child.wait() == -signal.SIGTERM


def test_a_process_that_does_not_hear_is_killed_after_its_grace(children: Children) -> None:
    child, process = children.start(HANGS)
    assert child.stdout is not None
    assert child.stdout.readline() == "deaf\n"
    began = time.monotonic()
    assert processes.stop([process], 0.3) == [process]
    assert 0.3 <= time.monotonic() - began < 30
    assert child.wait() == -signal.SIGKILL


def test_descendants_are_found_across_sessions(children: Children) -> None:
    child, process = children.start(PARENT)
    assert child.stdout is not None
    below = int(child.stdout.readline())
    found = processes.descendants([process.pid])
    assert [item.pid for item in found] == [below]
    processes.stop(found, 1.0)


def test_orphans_are_found_by_their_mark(children: Children) -> None:
    child, _ = children.start(PARENT, **{processes.INSTANCE_VARIABLE: "unique-mark-of-this-test"})
    assert child.stdout is not None
    below = int(child.stdout.readline())
    child.kill()
    child.wait()
    found = processes.of_instance("unique-mark-of-this-test")
    assert [item.pid for item in found] == [below]
    assert processes.of_instance("unique-mark") == []
    processes.stop(found, 1.0)


def test_a_record_is_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "host.json"
    process = ProcessId(12, 345, "boot")
    processes.write_record(path, process)
    assert processes.read_record(path) == process
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "1", "[]", "{}", '{"pid": "x", "started": 1, "boot": ""}', '{"pid": null}'])
def test_a_damaged_record_names_no_process(tmp_path: Path, text: str) -> None:
    path = tmp_path / "host.json"
    path.write_text(text)
    assert processes.read_record(path) is None
    assert processes.read_record(tmp_path / "missing.json") is None


def test_a_command_with_spaces_and_parentheses_is_read(tmp_path: Path) -> None:
    program = tmp_path / "a) R (b"
    program.symlink_to(sys.executable)
    child = subprocess.Popen([str(program), "-c", SLEEPS], env={**os.environ, "PYTHONHOME": sys.base_prefix})
    try:
        time.sleep(0.2)
        stat = processes.read_stat(child.pid)
        assert stat is not None
        assert stat.command == "a) R (b"
        assert stat.parent == os.getpid()
    finally:
        child.kill()
        child.wait()

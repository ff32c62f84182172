"""Processes that outlive the command that started them, known by more than their number.

A pid alone may long belong to somebody else. A record therefore holds the start time of the process (field 22 of
/proc/PID/stat, in clock ticks since boot) and the kernel's boot id; a process is signalled only while all three agree.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from daas_protocol.state_files import write_atomic

PROC = Path("/proc")
POLL_SECONDS = 0.05
MAX_RECORD_BYTES = 64 * 1024
INSTANCE_VARIABLE = "DAAS_INSTANCE"
"""Carried in the environment of everything an instance starts, so that orphans can be told from strangers."""


@dataclass(frozen=True, slots=True)
class ProcessId:
    """One process, for as long as it lives: number, start time in clock ticks, and the boot in which they count."""

    pid: int
    started: int
    boot: str


@dataclass(frozen=True, slots=True)
class ProcessStat:
    """What /proc/PID/stat says; times in seconds, memory in bytes."""

    pid: int
    command: str
    state: str
    parent: int
    session: int
    cpu_seconds: float
    started: int
    resident: int


def kernel_boot() -> str:
    """The kernel's boot id, or an empty string where there is none."""
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def read_stat(pid: int) -> ProcessStat | None:
    """The process as the kernel describes it, None when there is none (any more)."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # The command stands in parentheses and may itself hold spaces and parentheses.
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    ticks = os.sysconf("SC_CLK_TCK")
    return ProcessStat(
        pid=pid,
        command=head.partition("(")[2],
        state=fields[0],
        parent=int(fields[1]),
        session=int(fields[3]),
        cpu_seconds=(int(fields[11]) + int(fields[12])) / ticks,
        started=int(fields[19]),
        resident=int(fields[21]) * os.sysconf("SC_PAGE_SIZE"),
    )


def identify(pid: int) -> ProcessId | None:
    """The identity of a living process; a zombie does not live."""
    stat = read_stat(pid)
    if stat is None or stat.state in ("Z", "X"):
        return None
    return ProcessId(pid, stat.started, kernel_boot())


def alive(process: ProcessId) -> bool:
    """Whether this very process, not another one with its number, still runs."""
    return identify(process.pid) == process


def write_record(path: Path, process: ProcessId) -> None:
    """Keeps the identity in `path` (JSON, mode 0600)."""
    write_atomic(path, json.dumps(asdict(process)).encode(), 0o600)


def read_record(path: Path) -> ProcessId | None:
    """The recorded process, None when the record is missing or damaged: what is not known is never signalled."""
    try:
        value = json.loads(path.read_bytes()[:MAX_RECORD_BYTES])
        return ProcessId(pid=int(value["pid"]), started=int(value["started"]), boot=str(value["boot"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def start_detached(argv: Sequence[str], log: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Starts `argv` in a session of its own with no terminal, its output appended to `log` (mode 0600)."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        return subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            env=dict(environment),
            start_new_session=True,
            close_fds=True,
            cwd="/",
        )
    finally:
        os.close(descriptor)


def _all_stats() -> list[ProcessStat]:
    found = []
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (stat := read_stat(int(entry.name))) is not None:
            found.append(stat)
    return found


def descendants(roots: Iterable[int]) -> list[ProcessId]:
    """Every living process below `roots`, without them."""
    children: dict[int, list[ProcessStat]] = {}
    for stat in _all_stats():
        children.setdefault(stat.parent, []).append(stat)
    boot = kernel_boot()
    found: list[ProcessId] = []
    waiting = list(roots)
    seen = set(waiting)
    while waiting:
        for stat in children.get(waiting.pop(), ()):
            if stat.pid not in seen:
                seen.add(stat.pid)
                waiting.append(stat.pid)
                if stat.state not in ("Z", "X"):
                    found.append(ProcessId(stat.pid, stat.started, boot))
    return found


def of_instance(instance: str) -> list[ProcessId]:
    """Every living process of this user that carries the instance's mark, the caller's own excepted."""
    mark = f"{INSTANCE_VARIABLE}={instance}".encode()
    found = []
    for entry in PROC.iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            marked = mark in (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if marked and (process := identify(int(entry.name))) is not None:
            found.append(process)
    return found


def send(process: ProcessId, number: signal.Signals) -> None:
    """Signals the process if it is still the one that was recorded.

    A pidfd is opened before the identity is compared, so that the number cannot be reused in between.
    """
    try:
        descriptor = os.pidfd_open(process.pid)
    except (OSError, AttributeError):
        if alive(process):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, number)
        return
    try:
        if alive(process):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, number)
    finally:
        os.close(descriptor)


def wait_gone(
    processes: Iterable[ProcessId],
    seconds: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[ProcessId]:
    """Waits until none of them lives, at most `seconds`; returns those that still do."""
    deadline = clock() + seconds
    left = [process for process in processes if alive(process)]
    while left and clock() < deadline:
        sleep(POLL_SECONDS)
        left = [process for process in left if alive(process)]
    return left


def stop(processes: Sequence[ProcessId], grace: float) -> list[ProcessId]:
    """SIGTERM, `grace` seconds, SIGKILL. Returns those that had to be killed.

    Zombies of the caller are reaped, so that a process started by this command counts as gone.
    """
    for process in processes:
        send(process, signal.SIGTERM)
    stubborn = wait_gone(processes, grace)
    for process in stubborn:
        send(process, signal.SIGKILL)
    wait_gone(stubborn, 5.0)
    return stubborn

"""Programs that hold keys, started as they are and stopped at the first file they open after hardening: a FIFO."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

NOBODY = 65534
DEADLINE_S = 60.0


@dataclass(frozen=True)
class Paused:
    """What the kernel says of the process while it waits."""

    core_limits: tuple[str, str]
    core_filter: int | None
    """What a core would hold, None where this user may not ask."""
    owner: int
    """Whose /proc/PID is: the user's own, or root's once the process may not be dumped."""
    user: int


@contextlib.contextmanager
def folder_for_anybody() -> Iterator[Path]:
    """A folder that the user of the process can read; pytest's own belong to whoever runs the tests."""
    with tempfile.TemporaryDirectory(prefix="daas-m-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def user_of_test() -> int:
    """Not root, who sees /proc/PID of everybody as his own: nobody stands in where the tests run as root."""
    return NOBODY if os.geteuid() == 0 else os.geteuid()


def _interpreter(user: int) -> tuple[str, dict[str, str], dict[str, int]]:
    """A Python that this user may run, its environment, and Popen's arguments that make the process his."""
    if user == os.geteuid():
        return sys.executable, {}, {}
    as_user = {"user": user, "group": user}
    path = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    # root's own interpreter may lie where nobody else may look; the system's of the same version does not.
    system = shutil.which(f"python{sys.version_info.major}.{sys.version_info.minor}", path="/usr/local/bin:/usr/bin")
    for python in filter(None, (sys.executable, system)):
        with contextlib.suppress(OSError):
            probe = [python, "-c", "import daas_enclave.app, daas_gateway.app"]
            if subprocess.run(probe, env=path, capture_output=True, **as_user).returncode == 0:  # type: ignore[call-overload]
                return python, path, as_user
    pytest.skip("the tests run as root, to whom every /proc/PID belongs, and nobody else may read this checkout")


def paused_at(fifo: Path, arguments: list[str]) -> Paused:
    """Starts `python ARGUMENTS`, waits until it waits for `fifo`, looks, and ends it."""
    user = user_of_test()
    python, environment, as_user = _interpreter(user)
    os.mkfifo(fifo, 0o600)
    os.chown(fifo, user, -1)
    process = subprocess.Popen(
        [python, *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        **as_user,  # type: ignore[call-overload]
    )
    writer = -1
    try:
        writer = _writer_of(fifo, process)  # held open: the process now reads, and nothing comes
        return _look(process.pid, user)
    finally:
        process.kill()
        process.communicate()
        if writer >= 0:
            os.close(writer)


def _writer_of(fifo: Path, process: subprocess.Popen[bytes]) -> int:
    """Opening a FIFO to write without waiting fails until somebody reads it."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        time.sleep(0.05)
    stderr = process.stderr.read() if process.poll() is not None and process.stderr else b""
    raise AssertionError(f"the process does not open {fifo}: exit {process.poll()}, {stderr[-2000:]!r}")


def _look(pid: int, user: int) -> Paused:
    limits = re.search(r"^Max core file size +(\S+) +(\S+) ", Path(f"/proc/{pid}/limits").read_text(), re.MULTILINE)
    assert limits is not None
    try:
        core_filter = int(Path(f"/proc/{pid}/coredump_filter").read_text(), 16)
    except PermissionError:
        core_filter = None
    return Paused((limits[1], limits[2]), core_filter, os.stat(f"/proc/{pid}/mem").st_uid, user)

"""Runs one component with its output in a log file that is rotated: `python -m daas_cli.component NAME CONFIG LOG`.

Standard output and error are the log file itself, so that even the last words of a crash arrive; to rotate, the file
is renamed and a new one put under the same descriptors. Nothing but the standard library is imported here: this is
part of every long-running process.
"""

from __future__ import annotations

import contextlib
import os
import runpy
import sys
import threading
from pathlib import Path

COMPONENTS = {"host": "daas_host", "gateway": "daas_gateway", "localnet": "daas_localnet"}
MAX_LOG_BYTES = 16 * 1024 * 1024
KEPT_FILES = 4
CHECK_SECONDS = 5.0


def open_log(path: Path) -> int:
    """A descriptor for appending, mode 0600."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def put_under_output(path: Path) -> None:
    """Makes standard output and error append to `path`."""
    descriptor = open_log(path)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def rotate(path: Path, kept: int = KEPT_FILES) -> None:
    """`path` becomes `path.1`, `path.1` becomes `path.2` and so on; the oldest of `kept` files goes."""
    for number in range(kept - 1, 0, -1):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(f"{path.name}.{number}").replace(path.with_name(f"{path.name}.{number + 1}"))
    with contextlib.suppress(FileNotFoundError):
        path.replace(path.with_name(f"{path.name}.1"))


def _watch_size(path: Path) -> None:
    pause = threading.Event()
    while not pause.wait(CHECK_SECONDS):
        with contextlib.suppress(OSError):
            if os.fstat(2).st_size > MAX_LOG_BYTES:
                rotate(path)
                put_under_output(path)


def main() -> None:
    """The process: log, then the component's own `__main__` with its configuration as the only argument."""
    name, config, log = sys.argv[1:]
    path = Path(log)
    put_under_output(path)
    threading.Thread(target=_watch_size, args=(path,), name="log-rotation", daemon=True).start()
    sys.argv = [COMPONENTS[name], config]
    runpy.run_module(COMPONENTS[name], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()

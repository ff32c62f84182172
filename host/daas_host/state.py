"""`state_dir/host.json`: what the host is doing, for `daas status` and `daas doctor`.

Invariant: the file is replaced as a whole, so a reader sees one state or the next; one host writes it, because it
holds the folder's lock.
"""

from __future__ import annotations

import errno
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, Literal

from daas_host.relay_stats import RelayStats
from daas_protocol.state_files import write_atomic

STATE_FILE: Final = "host.json"
LOCK_FILE: Final = "host.lock"

EnclaveState = Literal["starting", "running", "backing-off", "stopping", "stopped"]


class HostAlreadyRunning(RuntimeError):
    """Another host holds the lock of this state folder."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"another host uses {path.parent}: stop it, or give this one a state_dir of its own")


@dataclass(slots=True)
class LastExit:
    """How the enclave ended last: an exit code or a signal's name, and the last lines that it wrote."""

    code: int | None
    signal: str | None
    at_ms: int
    uptime_ms: int
    lines: list[str]


@dataclass(slots=True)
class EnclaveView:
    state: EnclaveState = "starting"
    pid: int | None = None
    started_at_ms: int | None = None
    restarts: int = 0
    consecutive_crashes: int = 0
    next_start_ms: int | None = None
    last_exit: LastExit | None = None


@dataclass(slots=True)
class HostState:
    pid: int
    started_at_ms: int
    listen: str
    metrics: str | None = None
    version: int = 1
    enclave: EnclaveView = field(default_factory=EnclaveView)
    payloads: str | None = None
    """Where ciphertexts beside the chain are left."""
    relay: RelayStats | None = None
    """None: there is no chain."""


class StateFile:
    """The file and the lock of its folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / STATE_FILE
        self._lock_path = folder / LOCK_FILE
        self._lock: int | None = None

    def acquire(self) -> None:
        """Takes the folder's lock for the life of this process.

        Raises:
            HostAlreadyRunning: another process has it.
        """
        # Not at import: proofs are read out of tiles also where a host cannot run.
        import fcntl

        fd = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise HostAlreadyRunning(self._lock_path) from None
            raise
        self._lock = fd

    def release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def write(self, state: HostState) -> None:
        """Replaces the file."""
        write_atomic(self._path, json.dumps(asdict(state), separators=(",", ":")).encode() + b"\n")

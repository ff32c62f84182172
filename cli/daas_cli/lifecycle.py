"""Starting and stopping the processes of one instance: records in run/, nothing of anybody else is ever touched."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import processes
from .errors import RefusedError
from .home import Home
from .instance import Instance, own_run_dir
from .processes import ProcessId

GATEWAY_GRACE = 8.0
LOCALNET_GRACE = 8.0
HOST_GRACE = 25.0
"""The host gives the enclave 15 s to stop in order before it kills it."""
LAST_LINES = 12
MAX_STATE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Running:
    """Which of the started components live now."""

    host: ProcessId | None
    gateway: ProcessId | None
    localnet: ProcessId | None = None
    with_localnet: bool = False
    """Whether the instance has a local network of its own."""

    @property
    def all(self) -> bool:
        network = self.localnet is not None or not self.with_localnet
        return self.host is not None and self.gateway is not None and network

    @property
    def none(self) -> bool:
        return self.host is None and self.gateway is None and self.localnet is None


def record_path(home: Home, name: str) -> Path:
    return home.run / f"{name}.json"


def log_path(home: Home, name: str) -> Path:
    return home.logs / f"{name}.log"


def log_size(home: Home, name: str) -> int:
    """Bytes in a component's log now."""
    try:
        return log_path(home, name).stat().st_size
    except FileNotFoundError:
        return 0


def running(home: Home) -> Running:
    """Judged by the records, each compared with the process that has its number now."""

    def living(name: str) -> ProcessId | None:
        process = processes.read_record(record_path(home, name))
        return process if process is not None and processes.alive(process) else None

    with_localnet = home.component_config("localnet").exists()
    return Running(living("host"), living("gateway"), living("localnet"), with_localnet)


def host_state(home: Home) -> Mapping[str, Any]:
    """What the host last wrote about itself and the enclave; empty when there is nothing."""
    try:
        value = json.loads((home.host / "host.json").read_bytes()[:MAX_STATE_BYTES])
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def forget_host_state(home: Home) -> None:
    """What an earlier host wrote must not be taken for the next one's."""
    (home.host / "host.json").unlink(missing_ok=True)


def environment(instance: Instance) -> dict[str, str]:
    """The components' environment: the caller's, without what only this command reads, with the instance's mark."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DAAS_")}
    return kept | {processes.INSTANCE_VARIABLE: instance.instance, "PYTHONUNBUFFERED": "1"}


class Starter:
    """Starts components and remembers them, so that a failed start can be undone as a whole."""

    def __init__(self, home: Home, instance: Instance) -> None:
        self._home = home
        self._instance = instance
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, argv: tuple[str, ...] | None = None) -> None:
        """Starts one component detached and records it. `argv` None is the component's own program."""
        config, log = self._home.component_config(name), log_path(self._home, name)
        command = argv or (sys.executable, "-P", "-m", "daas_cli.component", name, str(config), str(log))
        child = processes.start_detached(command, log, environment(self._instance))
        self._children[name] = child
        process = processes.identify(child.pid)
        if process is not None:
            processes.write_record(record_path(self._home, name), process)
        self.check()

    def check(self) -> None:
        """Raises RefusedError when a started component has ended."""
        for name, child in self._children.items():
            code = child.poll()
            if code is not None:
                how = f"exit {code}" if code >= 0 else f"signal {-code}"
                raise RefusedError(
                    f"the {name} ended right after its start ({how}); its log is {log_path(self._home, name)}"
                )


def stop(home: Home, instance: Instance | None) -> list[ProcessId]:
    """Stops everything of the instance, gateway first; returns what had to be killed.

    The processes below the host are collected before it is told to stop: should it be killed, or have died before,
    what it left behind is stopped as well, found by descent or by the instance's mark.
    """
    now = running(home)
    roots = [process for process in (now.gateway, now.host, now.localnet) if process is not None]
    below = processes.descendants([process.pid for process in roots])
    killed: list[ProcessId] = []
    if now.gateway is not None:
        killed += processes.stop([now.gateway], GATEWAY_GRACE)
    if now.host is not None:
        killed += processes.stop([now.host], HOST_GRACE)
    # Last, so that what the host still has to submit finds it.
    if now.localnet is not None:
        killed += processes.stop([now.localnet], LOCALNET_GRACE)
    marked = processes.of_instance(instance.instance) if instance is not None else []
    left = {process.pid: process for process in (*below, *marked) if processes.alive(process)}
    if left:
        # The enclave stops by itself when its lifeline is cut; what is still there after that is in its way.
        stubborn = processes.wait_gone(left.values(), 3.0)
        killed += processes.stop(stubborn, 3.0)
    _remove_run_files(home, instance)
    return killed


def _remove_run_files(home: Home, instance: Instance | None) -> None:
    folders = {home.run}
    # instance.json may have been copied or written by somebody else: no other folder is removed on its word.
    if instance is not None and own_run_dir(Path(instance.run_dir)):
        folders.add(Path(instance.run_dir))
    for folder in folders:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(folder)

"""`daas bench start`: how long a control plane takes to serve, and what it holds when nothing happens."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import status
from .bench_setting import temporary_instance
from .gateway_client import mapping
from .output import Progress

if TYPE_CHECKING:
    from .settings import Settings

GOAL_READYZ_SECONDS = 8.0
GOAL_RESIDENT = 450 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class StartResult:
    """Seconds and bytes of one fresh start; the supervisor measured the first two, from start to first good probe."""

    etcd_ready_seconds: float | None
    server_ready_seconds: float | None
    up_seconds: float
    resident: dict[str, int]

    @property
    def control_plane_resident(self) -> int:
        """Server and etcd together."""
        return self.resident.get("server", 0) + self.resident.get("etcd", 0)


def run(settings: Settings, idle_seconds: float, progress: Progress) -> StartResult:
    """Starts a fresh instance, leaves it alone for `idle_seconds`, looks, and removes it."""
    with temporary_instance(settings, progress) as (home, result):
        with progress.step(f"Idle for {idle_seconds:.0f} s"):
            time.sleep(idle_seconds)
        seen = status.read(home)
        said = mapping(seen.view.enclave.get("components"))

        def ready_after(name: str) -> float | None:
            value = mapping(said.get(name)).get("ready_after_ms")
            return value / 1000 if isinstance(value, int | float) else None

        resident = {part.name: part.resident for part in seen.components if part.resident is not None}
        return StartResult(ready_after("etcd"), ready_after("server"), result.seconds, resident)


def as_json(result: StartResult) -> dict[str, Any]:
    """The document of `daas bench start --json`."""
    return {
        "etcd_ready_seconds": result.etcd_ready_seconds,
        "server_readyz_seconds": result.server_ready_seconds,
        "up_seconds": result.up_seconds,
        "resident_bytes": result.resident,
        "control_plane_resident_bytes": result.control_plane_resident,
        "goals": {"server_readyz_seconds": GOAL_READYZ_SECONDS, "control_plane_resident_bytes": GOAL_RESIDENT},
    }

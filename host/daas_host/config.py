"""The host's configuration file.

Invariant: a `HostConfig` exists only if every field was known, of the right JSON type and in its range. The
operator writes this file, so a mistake is told by field, expected and actual; a field nobody knows is a mistake,
never ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from daas_host.config_values import ConfigError, endpoint_of, integer, loopback, object_of, path_of, string
from daas_host.relay_config import RelayConfig, relay_of
from daas_protocol import jsonstrict
from daas_protocol.transport.endpoint import Endpoint

__all__ = ["ConfigError", "EnclaveLaunch", "HostConfig", "Limits", "load", "parse"]

MAX_CONFIG_BYTES: Final = 64 * 1024
"""A real file has about 1 KiB."""
MAX_ARGV: Final = 64
"""Arguments of the enclave's command line; a real one has about 5."""
VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what strangers and a misbehaving enclave can make the host hold. Sizes in bytes, times in seconds."""

    max_connections: int = 1024
    """Memory is at most this times two directions times (`write_buffer_bytes` + one read of 256 KiB)."""
    idle_timeout_s: int = 3600
    """A watch is silent for as long as nothing changes, and kubectl gives up on its own long before an hour."""
    half_close_timeout_s: int = 120
    """After one side has ended, silence for this long ends the other."""
    connect_timeout_s: int = 10
    write_buffer_bytes: int = 256 * 1024
    """High-water mark of each direction: above it the faster side is no longer read."""
    enclave_log_bytes: int = 16 * 1024 * 1024
    """Size at which enclave.log is rotated."""
    enclave_log_files: int = 4
    """Rotated files kept beside enclave.log."""
    enclave_line_bytes: int = 16 * 1024
    """A longer line of the enclave's output is cut."""
    stop_timeout_s: int = 15
    """From the closed lifeline to the kill: what a control plane needs to stop in order."""
    restart_min_ms: int = 500
    restart_max_ms: int = 30_000
    stable_after_s: int = 60
    """An enclave that ran this long starts again with the shortest back-off."""


_LIMIT_RANGES: Final[Mapping[str, tuple[int, int]]] = {
    "max_connections": (1, 65_536),
    "idle_timeout_s": (1, 30 * 86_400),
    "half_close_timeout_s": (1, 86_400),
    "connect_timeout_s": (1, 600),
    "write_buffer_bytes": (4096, 64 * 1024 * 1024),
    "enclave_log_bytes": (4096, 1 << 40),
    "enclave_log_files": (1, 100),
    "enclave_line_bytes": (256, 1024 * 1024),
    "stop_timeout_s": (1, 600),
    "restart_min_ms": (10, 600_000),
    "restart_max_ms": (10, 3_600_000),
    "stable_after_s": (1, 86_400),
}


@dataclass(frozen=True, slots=True)
class EnclaveLaunch:
    """How the enclave is started (`argv`, no shell) and where it listens."""

    argv: tuple[str, ...]
    api: Endpoint
    log: Endpoint


@dataclass(frozen=True, slots=True)
class HostConfig:
    listen: Endpoint
    enclave: EnclaveLaunch
    log_dir: Path
    tiles_dir: Path
    state_dir: Path
    limits: Limits
    metrics: Endpoint | None
    relay: RelayConfig | None = None
    """None: there is no chain."""


def load(path: Path) -> HostConfig:
    """Reads and checks the file.

    Raises:
        OSError: the file cannot be read.
        ConfigError: it is not a valid configuration.
    """
    with path.open("rb") as file:
        return parse(file.read(MAX_CONFIG_BYTES + 1))


def parse(data: bytes) -> HostConfig:
    """Checks the bytes of a configuration file, at most 64 KiB of strict JSON.

    Raises:
        ConfigError: they are not a valid configuration.
    """
    try:
        root = jsonstrict.loads(data, MAX_CONFIG_BYTES)
    except ValueError as error:
        raise ConfigError("file", f"strict JSON of at most {MAX_CONFIG_BYTES} bytes", str(error)) from error
    top = object_of(
        root,
        "file",
        required=("version", "listen", "enclave", "log_dir", "tiles_dir", "state_dir"),
        optional=("limits", "metrics", "relay"),
    )
    if top["version"] != VERSION or isinstance(top["version"], bool):
        raise ConfigError("version", str(VERSION), top["version"])
    return HostConfig(
        listen=endpoint_of(top["listen"], "listen"),
        enclave=_enclave(top["enclave"]),
        log_dir=path_of(top["log_dir"], "log_dir"),
        tiles_dir=path_of(top["tiles_dir"], "tiles_dir"),
        state_dir=path_of(top["state_dir"], "state_dir"),
        limits=_limits(top.get("limits", {})),
        metrics=loopback(top["metrics"], "metrics") if "metrics" in top else None,
        relay=relay_of(top["relay"]) if "relay" in top else None,
    )


def _enclave(value: object) -> EnclaveLaunch:
    enclave = object_of(value, "enclave", required=("kind", "argv", "api", "log"))
    if enclave["kind"] != "process":
        raise ConfigError("enclave.kind", "process", enclave["kind"])
    argv = enclave["argv"]
    if not isinstance(argv, list) or not 1 <= len(argv) <= MAX_ARGV:
        raise ConfigError("enclave.argv", f"a list of 1 to {MAX_ARGV} strings", type(argv).__name__)
    return EnclaveLaunch(
        argv=tuple(string(item, f"enclave.argv[{index}]") for index, item in enumerate(argv)),
        api=endpoint_of(enclave["api"], "enclave.api"),
        log=endpoint_of(enclave["log"], "enclave.log"),
    )


def _limits(value: object) -> Limits:
    known = tuple(field.name for field in fields(Limits))
    given = object_of(value, "limits", optional=known)
    checked: dict[str, int] = {}
    for name, item in given.items():
        low, high = _LIMIT_RANGES[name]
        checked[name] = integer(item, f"limits.{name}", low, high)
    limits = Limits(**checked)
    if limits.restart_max_ms < limits.restart_min_ms:
        raise ConfigError(
            "limits.restart_max_ms", f"at least restart_min_ms ({limits.restart_min_ms})", limits.restart_max_ms
        )
    return limits

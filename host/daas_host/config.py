"""The host's configuration file.

Invariant: a `HostConfig` exists only if every field was known, of the right JSON type and in its range. The
operator writes this file, so a mistake is told by field, expected and actual; a field nobody knows is a mistake,
never ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from daas_protocol import jsonstrict
from daas_protocol.transport.endpoint import Endpoint, EndpointError, Kind

MAX_CONFIG_BYTES: Final = 64 * 1024
"""A real file has about 1 KiB."""
MAX_ARGV: Final = 64
"""Arguments of the enclave's command line; a real one has about 5."""
MAX_PATH_BYTES: Final = 4095
"""PATH_MAX of Linux without the final zero."""
VERSION: Final = 1


class ConfigError(ValueError):
    """A field of the configuration is not what it must be."""

    def __init__(self, field: str, expected: str, actual: object) -> None:
        super().__init__(f"{field}: expected {expected}, found {actual!r}; correct it in the host's configuration file")
        self.field = field
        self.expected = expected
        self.actual = actual


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
    top = _object(
        root,
        "file",
        required=("version", "listen", "enclave", "log_dir", "tiles_dir", "state_dir"),
        optional=("limits", "metrics"),
    )
    if top["version"] != VERSION or isinstance(top["version"], bool):
        raise ConfigError("version", str(VERSION), top["version"])
    return HostConfig(
        listen=_endpoint(top["listen"], "listen"),
        enclave=_enclave(top["enclave"]),
        log_dir=_path(top["log_dir"], "log_dir"),
        tiles_dir=_path(top["tiles_dir"], "tiles_dir"),
        state_dir=_path(top["state_dir"], "state_dir"),
        limits=_limits(top.get("limits", {})),
        metrics=_loopback(top["metrics"], "metrics") if "metrics" in top else None,
    )


def _object(
    value: object, field: str, *, required: tuple[str, ...] = (), optional: tuple[str, ...] = ()
) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ConfigError(field, "an object", type(value).__name__)
    for name in required:
        if name not in value:
            raise ConfigError(f"{field}.{name}", "a value", "nothing")
    for name in value:
        if name not in required and name not in optional:
            raise ConfigError(f"{field}.{name}", f"one of {', '.join((*required, *optional))}", name)
    return value


def _string(value: object, field: str) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ConfigError(field, "a non-empty string without NUL", value)
    if len(value.encode(errors="surrogatepass")) > MAX_PATH_BYTES:
        raise ConfigError(field, f"at most {MAX_PATH_BYTES} bytes", f"{len(value)} characters")
    return value


def _path(value: object, field: str) -> Path:
    return Path(_string(value, field))


def _endpoint(value: object, field: str) -> Endpoint:
    try:
        return Endpoint.parse(_string(value, field))
    except EndpointError as error:
        raise ConfigError(field, "an endpoint such as tcp:127.0.0.1:6443 or unix:PATH", str(error)) from error


def _loopback(value: object, field: str) -> Endpoint:
    # Figures about the traffic are for the operator of this machine, not for its network.
    endpoint = _endpoint(value, field)
    try:
        loopback = endpoint.kind is Kind.TCP and (endpoint.host == "localhost" or ip_address(endpoint.host).is_loopback)
    except ValueError:
        loopback = False
    if not loopback:
        raise ConfigError(field, "a loopback endpoint such as tcp:127.0.0.1:0", value)
    return endpoint


def _enclave(value: object) -> EnclaveLaunch:
    enclave = _object(value, "enclave", required=("kind", "argv", "api", "log"))
    if enclave["kind"] != "process":
        raise ConfigError("enclave.kind", "process", enclave["kind"])
    argv = enclave["argv"]
    if not isinstance(argv, list) or not 1 <= len(argv) <= MAX_ARGV:
        raise ConfigError("enclave.argv", f"a list of 1 to {MAX_ARGV} strings", type(argv).__name__)
    return EnclaveLaunch(
        argv=tuple(_string(item, f"enclave.argv[{index}]") for index, item in enumerate(argv)),
        api=_endpoint(enclave["api"], "enclave.api"),
        log=_endpoint(enclave["log"], "enclave.log"),
    )


def _limits(value: object) -> Limits:
    known = tuple(field.name for field in fields(Limits))
    given = _object(value, "limits", optional=known)
    checked: dict[str, int] = {}
    for name, item in given.items():
        low, high = _LIMIT_RANGES[name]
        if not isinstance(item, int) or isinstance(item, bool) or not low <= item <= high:
            raise ConfigError(f"limits.{name}", f"an integer from {low} to {high}", item)
        checked[name] = item
    limits = Limits(**checked)
    if limits.restart_max_ms < limits.restart_min_ms:
        raise ConfigError(
            "limits.restart_max_ms", f"at least restart_min_ms ({limits.restart_min_ms})", limits.restart_max_ms
        )
    return limits

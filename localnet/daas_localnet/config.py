"""The configuration file of a local network that somebody else starts.

Invariant: a `Service` comes out only if every field is known, of its type and in its range; a mistake is told by name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from daas_attestation.anchor import MAX_ROOT_PEM_BYTES, AnchorError, AwsAnchor, DevelopmentAnchor, TrustAnchor
from daas_protocol import jsonstrict

from .node.committee import VALIDATORS_MAX
from .opening import Options
from .rpc.server import Pace
from .service import Service

VERSION: Final = 1
MAX_BYTES: Final = 64 * 1024
_PORT_MAX: Final = 65_535
_FIELDS: Final = (
    "version",
    "data_dir",
    "host",
    "port",
    "faucet_port",
    "checkpoint_ms",
    "idle_ms",
    "epoch_ms",
    "validators",
    "nitro_root",
)
_RANGES: Final = {
    "port": (0, _PORT_MAX),
    "faucet_port": (0, _PORT_MAX),
    "checkpoint_ms": (10, 60_000),
    "idle_ms": (10, 3_600_000),
    "validators": (1, VALIDATORS_MAX),
}
_EPOCH: Final = (1_000, 2**53)


class ConfigError(ValueError):
    """A field that is not what it must be."""

    def __init__(self, field: str, expected: str, actual: object) -> None:
        super().__init__(f"{field}: expected {expected}, found {actual!r}; correct it in the configuration file")
        self.field, self.expected, self.actual = field, expected, actual


def load(path: Path) -> Service:
    """Raises ConfigError, OSError."""
    with path.open("rb") as file:
        return parse(file.read(MAX_BYTES + 1))


def parse(data: bytes) -> Service:
    """Raises ConfigError, also for a root that cannot be read."""
    try:
        found = jsonstrict.loads_object(data, MAX_BYTES)
    except ValueError as problem:
        raise ConfigError("file", "strict JSON", str(problem)) from None
    for name in found:
        if name not in _FIELDS:
            raise ConfigError(name[:80], f"one of {', '.join(_FIELDS)}", "an unknown field")
    for name in _FIELDS:
        if name not in found:
            raise ConfigError(name, "a value", "nothing")
    if type(found["version"]) is not int or found["version"] != VERSION:
        raise ConfigError("version", str(VERSION), found["version"])
    numbers = {name: _number(found[name], name, *bounds) for name, bounds in _RANGES.items()}
    epoch_ms = None if found["epoch_ms"] is None else _number(found["epoch_ms"], "epoch_ms", *_EPOCH)
    folder = None if found["data_dir"] is None else Path(_text(found["data_dir"], "data_dir"))
    return Service(
        Options(folder, numbers["validators"], _anchor(found["nitro_root"]), epoch_ms),
        _text(found["host"], "host"),
        numbers["port"],
        numbers["faucet_port"],
        Pace(numbers["checkpoint_ms"] / 1_000, numbers["idle_ms"] / 1_000),
    )


def _number(value: Any, name: str, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise ConfigError(name, f"{low} to {high}", value)
    return value


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ConfigError(name, "a text that is not empty", value)
    return value


def _anchor(value: Any) -> TrustAnchor:
    if value is None:
        return AwsAnchor()
    path = Path(_text(value, "nitro_root"))
    try:
        with path.open("rb") as file:
            return DevelopmentAnchor.from_pem(file.read(MAX_ROOT_PEM_BYTES + 1))
    except (OSError, AnchorError) as problem:
        raise ConfigError("nitro_root", "a PEM file with one certificate", str(problem)) from None

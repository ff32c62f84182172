"""The gateway's configuration: strict JSON into one frozen value; unknown, missing or ill-typed fields are refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from daas_gateway.filters import FilterLists, RequestFilter
from daas_gateway.store import Retention
from daas_protocol import jsonstrict, sui
from daas_protocol.grant import Grant, parse_grant
from daas_protocol.transport.endpoint import Endpoint

VERSION: Final = 1
MAX_CONFIG_BYTES: Final = 65536
MAX_CACHE_TTL_MS: Final = 3_600_000
MAX_LIST: Final = 256
MIN_SESSION_SECONDS: Final = 60
MAX_SESSION_SECONDS: Final = 86_400
"""A session lasts 24 hours at most (docs/protocol.md, session text)."""
DEFAULT_SESSION_SECONDS: Final = 43_200
MAX_REATTEST_SECONDS: Final = 3600
ANCHOR_BYTES: Final = 32

_HEX_32 = re.compile(r"^[0-9a-f]{64}$")


class ConfigInvalid(ValueError):
    """A field of the configuration is missing, unknown or wrong; the message names it."""


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """Everything a gateway is told. Addresses and ids are 32 bytes; `root` None means AWS's root."""

    listen: Endpoint
    host: Endpoint
    tls_dir: Path
    credential_file: Path
    key_file: Path
    token: bytes
    scope: tuple[Grant, ...]
    package_id: bytes
    cluster_id: bytes
    enclave_id: bytes
    policy_anchor: bytes | None
    measurements: Path
    root: Path | None
    receipts_db: Path
    retention: Retention = field(default_factory=Retention)
    keep_bodies: bool = False
    cache_ttl_ms: int = 0
    filters: FilterLists = field(default_factory=FilterLists)
    metrics: Endpoint | None = None
    session_seconds: int = DEFAULT_SESSION_SECONDS
    session_epoch: int = 0
    reattest_seconds: int = MAX_REATTEST_SECONDS


class _Fields:
    """Takes fields out of an object one by one; what is left over at the end is unknown."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, Mapping):
            raise ConfigInvalid(f"{where} must be an object")
        self._left: dict[str, Any] = dict(value)
        self._where = where

    def fail(self, name: str, problem: str) -> ConfigInvalid:
        return ConfigInvalid(f"{self._where}: {name} {problem}")

    def take(self, name: str, *kinds: type, default: Any = ...) -> Any:
        if name not in self._left:
            if default is ...:
                raise self.fail(name, "is missing")
            return default
        value = self._left.pop(name)
        if type(value) not in kinds:
            raise self.fail(name, f"must be {' or '.join(kind.__name__ for kind in kinds)}")
        return value

    def integer(self, name: str, low: int, high: int, default: int) -> int:
        value: int = self.take(name, int, default=default)
        if not low <= value <= high:
            raise self.fail(name, f"must be {low}..{high}, not {value}")
        return value

    def path(self, name: str, base: Path) -> Path:
        value: str = self.take(name, str)
        if not value or "\0" in value:
            raise self.fail(name, "must be a path")
        return base / value

    def address(self, name: str) -> bytes:
        try:
            return sui.parse_address(self.take(name, str))
        except ValueError as problem:
            if isinstance(problem, ConfigInvalid):
                raise
            raise self.fail(name, f"must be an address (0x and hex): {problem}") from None

    def endpoint(self, name: str) -> Endpoint:
        try:
            return Endpoint.parse(self.take(name, str))
        except ValueError as problem:
            if isinstance(problem, ConfigInvalid):
                raise
            raise self.fail(name, f"must be an endpoint such as tcp:127.0.0.1:8443: {problem}") from None

    def optional_endpoint(self, name: str) -> Endpoint | None:
        if self._left.get(name) is None:
            self._left.pop(name, None)
            return None
        return self.endpoint(name)

    def strings(self, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """A list of strings, or one string with commas as `kubectl proxy` takes it."""
        value = self.take(name, list, str, default=None)
        if value is None:
            return default
        items = value.split(",") if isinstance(value, str) else value
        if len(items) > MAX_LIST or not all(isinstance(item, str) for item in items):
            raise self.fail(name, f"must be at most {MAX_LIST} strings")
        return tuple(items)

    def end(self) -> None:
        if self._left:
            raise ConfigInvalid(f"{self._where}: unknown field {sorted(self._left)[0]!r}")


def _anchor(fields: _Fields) -> bytes | None:
    value = fields.take("policy_anchor", str, type(None))
    if value is None:
        return None
    text = value.removeprefix("0x")
    if not _HEX_32.match(text):
        raise fields.fail("policy_anchor", f"must be {ANCHOR_BYTES} bytes of lower-case hex, or null")
    return bytes.fromhex(text)


def _scope(fields: _Fields) -> tuple[Grant, ...]:
    texts = fields.strings("scope", ())
    if not texts:
        raise fields.fail("scope", "must name at least one grant, e.g. '*:*'")
    try:
        return tuple(parse_grant(text) for text in texts)
    except ValueError as problem:
        raise fields.fail("scope", f"is not a list of grants: {problem}") from None


def parse_config(data: bytes, base: Path = Path()) -> GatewayConfig:
    """Parses configuration bytes; relative paths are taken from `base`. Raises ConfigInvalid."""
    try:
        document = jsonstrict.loads(data, MAX_CONFIG_BYTES)
    except ValueError as problem:
        raise ConfigInvalid(f"configuration: not strict JSON: {problem}") from None
    fields = _Fields(document, "configuration")
    if fields.take("version", int) != VERSION:
        raise fields.fail("version", f"must be {VERSION}")
    root: str = fields.take("root", str)
    kept = _Fields(fields.take("retention", dict, default={}), "configuration.retention")
    retention = Retention(kept.integer("days", 0, 36500, 30), kept.integer("max_rows", 0, 10**12, 1_000_000))
    kept.end()
    lists = FilterLists()
    config = GatewayConfig(
        listen=fields.endpoint("listen"),
        host=fields.endpoint("host"),
        tls_dir=fields.path("tls_dir", base),
        credential_file=fields.path("credential_file", base),
        key_file=fields.path("key_file", base),
        token=fields.address("token"),
        scope=_scope(fields),
        package_id=fields.address("package_id"),
        cluster_id=fields.address("cluster_id"),
        enclave_id=fields.address("enclave_id"),
        policy_anchor=_anchor(fields),
        measurements=fields.path("measurements", base),
        root=None if root == "aws" else base / root,
        receipts_db=fields.path("receipts_db", base),
        retention=retention,
        keep_bodies=fields.take("keep_bodies", bool, default=False),
        cache_ttl_ms=fields.integer("cache_ttl_ms", 0, MAX_CACHE_TTL_MS, 0),
        filters=FilterLists(
            accept_paths=fields.strings("accept_paths", lists.accept_paths),
            reject_paths=fields.strings("reject_paths", lists.reject_paths),
            accept_hosts=fields.strings("accept_hosts", lists.accept_hosts),
            reject_methods=fields.strings("reject_methods", lists.reject_methods),
        ),
        metrics=fields.optional_endpoint("metrics"),
        session_seconds=fields.integer(
            "session_seconds", MIN_SESSION_SECONDS, MAX_SESSION_SECONDS, DEFAULT_SESSION_SECONDS
        ),
        session_epoch=fields.integer("session_epoch", 0, 2**63 - 1, 0),
        reattest_seconds=fields.integer("reattest_seconds", 1, MAX_REATTEST_SECONDS, MAX_REATTEST_SECONDS),
    )
    fields.end()
    try:
        RequestFilter(config.filters)
    except ValueError as problem:
        raise ConfigInvalid(f"configuration: {problem}") from None
    return config


def load_config(path: Path) -> GatewayConfig:
    """Reads a configuration file; relative paths in it are taken from its folder. Raises ConfigInvalid, OSError."""
    with path.open("rb") as file:
        return parse_config(file.read(MAX_CONFIG_BYTES + 1), path.parent)

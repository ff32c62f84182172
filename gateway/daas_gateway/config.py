"""The gateway's configuration: strict JSON into one frozen value; unknown, missing or ill-typed fields are refused."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from daas_gateway.config_fields import ConfigInvalid, Fields
from daas_gateway.filters import FilterLists, RequestFilter
from daas_gateway.l1_config import ChainConfig, parse_chain
from daas_gateway.store import Retention
from daas_protocol import jsonstrict
from daas_protocol.grant import Grant, parse_grant
from daas_protocol.transport.endpoint import Endpoint

VERSION: Final = 1
MAX_CONFIG_BYTES: Final = 65536
MAX_CACHE_TTL_MS: Final = 3_600_000
MIN_SESSION_SECONDS: Final = 60
MAX_SESSION_SECONDS: Final = 86_400
"""A session lasts 24 hours at most (docs/protocol.md, session text)."""
DEFAULT_SESSION_SECONDS: Final = 43_200
MAX_REATTEST_SECONDS: Final = 3600
ANCHOR_BYTES: Final = 32

_HEX_32 = re.compile(r"^[0-9a-f]{64}$")


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
    chain: ChainConfig | None = None
    """None: without a contract, everything goes straight to the enclave."""


def _anchor(fields: Fields) -> bytes | None:
    value = fields.take("policy_anchor", str, type(None))
    if value is None:
        return None
    text = value.removeprefix("0x")
    if not _HEX_32.match(text):
        raise fields.fail("policy_anchor", f"must be {ANCHOR_BYTES} bytes of lower-case hex, or null")
    return bytes.fromhex(text)


def _scope(fields: Fields) -> tuple[Grant, ...]:
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
    fields = Fields(document, "configuration")
    if fields.take("version", int) != VERSION:
        raise fields.fail("version", f"must be {VERSION}")
    root: str = fields.take("root", str)
    kept = Fields(fields.take("retention", dict, default={}), "configuration.retention")
    retention = Retention(kept.integer("days", 0, 36500, 30), kept.integer("max_rows", 0, 10**12, 1_000_000))
    kept.end()
    lists = FilterLists()
    chain: object = fields.take("chain", dict, type(None), default=None)
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
        chain=None if chain is None else parse_chain(chain, base),
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


__all__ = ["ConfigInvalid", "GatewayConfig", "load_config", "parse_config"]

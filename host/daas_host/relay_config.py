"""The part `relay` of the host's configuration: which network, cluster and slot, whose key pays, what is done unasked.

Invariant: as for the rest of the file: every field known, of the right type and in its range, or refused by name. It
has no secret: the operator's key is named by its file, which is read when the relay starts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final

from daas_chain import deployment
from daas_host.config_values import (
    ConfigError,
    boolean,
    endpoint_of,
    integer,
    object_of,
    path_of,
)
from daas_protocol.transport.endpoint import Endpoint


class Anchor(Enum):
    """What the enclave's attestation documents lead to."""

    NITRO = "aws-nitro"
    SIMULATED = "simulated"


@dataclass(frozen=True, slots=True)
class Deployment:
    """What the relay needs of a deployment record; ids and `chain_id` (the genesis digest) have 32 bytes."""

    network: str
    chain_id: bytes
    package: bytes
    original: bytes
    cluster: bytes
    stake_pool: bytes
    enclave: bytes


@dataclass(frozen=True, slots=True)
class RelayLimits:
    """Sizes in bytes, times in seconds, money in MIST."""

    parallel: int = 8
    """Transactions in flight at once, each with a coin of its own."""
    ceiling_mist: int = 200_000_000
    """The most that one transaction may cost."""
    queue_items: int = 10_000
    queue_bytes: int = 64 * 1024 * 1024
    """Receipts that wait for the chain. At either bound the enclave is no longer read until there is room."""
    payload_bytes: int = 1024 * 1024 * 1024
    """All ciphertexts beside the chain together."""
    payload_seconds: int = 900
    """How long a ciphertext is kept that no request on the chain names: the longest deadline and some more."""
    kept_checkpoints: int = 10_000
    """Checkpoints with events of ours; the events themselves and the ends of epochs stay for ever."""
    patience_seconds: int = 300
    """How long a node may have nothing new before the relay connects again."""


_RANGES: Final[Mapping[str, tuple[int, int]]] = {
    "parallel": (1, 64),
    "ceiling_mist": (1_000_000, 100 * 10**9),
    "queue_items": (1, 1_000_000),
    "queue_bytes": (64 * 1024, 1 << 36),
    "payload_bytes": (1024 * 1024, 1 << 44),
    "payload_seconds": (1, 86_400),
    "kept_checkpoints": (10, 10_000_000),
    "patience_seconds": (1, 86_400),
}


@dataclass(frozen=True, slots=True)
class RelayConfig:
    """`chain`: the enclave's chain port. `payloads`: where ciphertexts are left, by anybody who reaches it: only their
    names are checked, and their room. `first_checkpoint`: where to begin when the node cannot say which made the
    cluster."""

    deployment: Deployment
    operator_key: Path
    chain: Endpoint
    journal_dir: Path
    anchor: Anchor
    register: bool = False
    expire: bool = False
    beacon: bool = True
    payloads: Endpoint | None = None
    ca_file: Path | None = None
    first_checkpoint: int | None = None
    limits: RelayLimits = field(default_factory=RelayLimits)


def relay_of(value: object) -> RelayConfig:
    """Raises `ConfigError`."""
    given = object_of(
        value,
        "relay",
        required=("deployment", "operator_key", "chain", "journal_dir", "anchor"),
        optional=("register", "expire", "beacon", "payloads", "ca_file", "first_checkpoint", "limits"),
    )
    kinds = [one.value for one in Anchor]
    if given["anchor"] not in kinds:
        raise ConfigError("relay.anchor", " or ".join(kinds), given["anchor"])
    return RelayConfig(
        deployment=_deployment(given["deployment"]),
        operator_key=path_of(given["operator_key"], "relay.operator_key"),
        chain=endpoint_of(given["chain"], "relay.chain"),
        journal_dir=path_of(given["journal_dir"], "relay.journal_dir"),
        anchor=Anchor(given["anchor"]),
        register=boolean(given.get("register", False), "relay.register"),
        expire=boolean(given.get("expire", False), "relay.expire"),
        beacon=boolean(given.get("beacon", True), "relay.beacon"),
        payloads=endpoint_of(given["payloads"], "relay.payloads") if "payloads" in given else None,
        ca_file=path_of(given["ca_file"], "relay.ca_file") if "ca_file" in given else None,
        first_checkpoint=(
            integer(given["first_checkpoint"], "relay.first_checkpoint", 0, 2**63 - 1)
            if "first_checkpoint" in given
            else None
        ),
        limits=_limits(given.get("limits", {})),
    )


def _deployment(value: object) -> Deployment:
    name = "relay.deployment"
    try:
        record = deployment.Deployment.parse(json.dumps(value).encode())
    except deployment.DeploymentError as problem:
        raise ConfigError(".".join(filter(None, (name, problem.field))), problem.expected, problem.actual) from None
    if record.enclave is None:
        raise ConfigError(f"{name}.enclave", "the id of a slot", None)
    return Deployment(
        record.network,
        record.chain_id,
        record.package,
        record.original,
        record.cluster,
        record.stake_pool,
        record.enclave,
    )


def _limits(value: object) -> RelayLimits:
    given = object_of(value, "relay.limits", optional=tuple(_RANGES))
    checked = {name: integer(item, f"relay.limits.{name}", *_RANGES[name]) for name, item in given.items()}
    return RelayLimits(**checked)

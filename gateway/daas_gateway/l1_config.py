"""The object `chain` of the gateway's configuration: without it everything goes straight to the enclave (L2)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from daas_gateway.config_fields import Fields
from daas_gateway.l1_routing import Route
from daas_protocol.transport.endpoint import Endpoint

DEFAULT_PRIORITY: Final = 5
MAX_PRIORITY: Final = 10
DEFAULT_MAX_FEE: Final = 100_000_000
"""0.1 SUI for one request: above every fee of the contract's defaults, and no loss that hurts."""
DEFAULT_MAX_GAS: Final = 500_000_000
"""0.5 SUI for one transaction: storage of a hundred requests stays below it."""
MAX_AMOUNT: Final = 10**18
DEFAULT_JOIN_MS: Final = 20
MAX_JOIN_MS: Final = 1_000
MAX_DEADLINE_SECONDS: Final = 86_400


class WaitFor(Enum):
    """What a client's answer waits for."""

    SIGNED = "signed"
    SETTLED = "settled"


@dataclass(frozen=True, slots=True)
class ChainConfig:
    """`deadline_seconds` None: twice the cluster's minimum. `payloads`: the host's port for ciphertexts that are too
    large for a transaction. `journal`: a folder for requests under way."""

    deployment: Path
    journal: Path
    ca_file: Path | None = None
    route: Route = Route.WRITES
    wait: WaitFor = WaitFor.SIGNED
    priority: int = DEFAULT_PRIORITY
    deliver: bool = False
    deadline_seconds: int | None = None
    max_fee_mist: int = DEFAULT_MAX_FEE
    max_gas_mist: int = DEFAULT_MAX_GAS
    join_ms: int = DEFAULT_JOIN_MS
    payloads: Endpoint | None = None
    expire: bool = True
    """Whether the gateway itself expires a request of its user that nobody answered, which refunds the fee."""


def parse_chain(value: object, base: Path) -> ChainConfig:
    """Raises ConfigInvalid."""
    fields = Fields(value, "configuration.chain")
    ca_file: str | None = fields.take("ca_file", str, type(None), default=None)
    seconds: int | None = fields.take("deadline_seconds", int, type(None), default=None)
    if seconds is not None and not 1 <= seconds <= MAX_DEADLINE_SECONDS:
        raise fields.fail("deadline_seconds", f"must be 1..{MAX_DEADLINE_SECONDS}, not {seconds}")
    config = ChainConfig(
        deployment=fields.path("deployment", base),
        journal=fields.path("journal", base),
        ca_file=None if ca_file is None else base / ca_file,
        route=fields.choice("route", Route, Route.WRITES),
        wait=fields.choice("wait", WaitFor, WaitFor.SIGNED),
        priority=fields.integer("priority", 1, MAX_PRIORITY, DEFAULT_PRIORITY),
        deliver=fields.take("deliver", bool, default=False),
        deadline_seconds=seconds,
        max_fee_mist=fields.integer("max_fee_mist", 0, MAX_AMOUNT, DEFAULT_MAX_FEE),
        max_gas_mist=fields.integer("max_gas_mist", 1, MAX_AMOUNT, DEFAULT_MAX_GAS),
        join_ms=fields.integer("join_ms", 0, MAX_JOIN_MS, DEFAULT_JOIN_MS),
        payloads=fields.optional_endpoint("payloads"),
        expire=fields.take("expire", bool, default=True),
    )
    fields.end()
    return config

"""What /status says: the truth about this boot as JSON-ready values, secrets excluded by construction.

Every part is read when asked for, none is remembered: a status that is kept can be wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from daas_enclave.clock import NsmClock
from daas_enclave.config import EnclaveConfig, Mode
from daas_enclave.keys import BootKeys
from daas_enclave.phases import PhaseMachine, PhaseState
from daas_enclave.supervisor import Supervised

Part = Callable[[], Any]


def phase_json(machine: PhaseMachine) -> dict[str, Any]:
    """The phase, since when, why, and the last moves."""

    def one(state: PhaseState) -> dict[str, Any]:
        return {"phase": state.phase.value, "since_ms": state.since_ms, "reason": state.reason}

    return {**one(machine.state), "serving": machine.serving, "history": [one(state) for state in machine.history]}


def clock_json(clock: NsmClock) -> dict[str, Any]:
    """Where time comes from and how far it may be off."""
    reading = clock.reading
    return {
        "source": "nsm",
        "age_ms": None if reading is None else clock.age_ms(),
        "error_ms": None if reading is None else reading.error_ms,
        "last_step_ms": None if reading is None else reading.step_ms,
        "failures": clock.failures,
        "last_error": clock.last_error,
    }


def state_json(config: EnclaveConfig) -> dict[str, Any]:
    """Where the cluster's state is, in words nobody can misread."""
    if config.mode is Mode.PROCESS:
        return {"etcd": "data folder", "survives_restart": True, "protected_from_this_machine": False}
    return {"etcd": "memory", "survives_restart": False, "protected_from_this_machine": True}


def components_json(components: Mapping[str, Supervised]) -> dict[str, Any]:
    return {name: component.status.as_json() for name, component in components.items()}


class StatusBoard:
    """Parts by name, called in order at each `read()`. A part that fails says so instead of hiding the others."""

    def __init__(self) -> None:
        self._parts: dict[str, Part] = {}

    def add(self, name: str, part: Part) -> None:
        if name in self._parts:
            raise ValueError(f"the status has a part {name!r} already")
        self._parts[name] = part

    def read(self) -> dict[str, Any]:
        return {name: _call(part) for name, part in self._parts.items()}


def _call(part: Part) -> Any:
    try:
        return part()
    except Exception as error:
        return {"error": type(error).__name__}


def identity_json(
    config: EnclaveConfig, keys: BootKeys, anchor_kind: str, light_client_anchor: bytes
) -> dict[str, Any]:
    """Who this boot is; ids in hex with 0x as on chain."""
    return {
        "mode": config.mode.value,
        "attestation": anchor_kind,
        "package_id": "0x" + config.package_id.hex(),
        "cluster_id": "0x" + config.cluster_id.hex(),
        "enclave_id": "0x" + config.enclave_id.hex(),
        "boot_id": keys.boot_id.hex(),
        "receipt_public_key": keys.receipt.public.hex(),
        "tls_spki_sha256": keys.tls.spki_sha256.hex(),
        "light_client_anchor": light_client_anchor.hex(),
    }

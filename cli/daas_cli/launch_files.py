"""The configuration files that `daas up` writes for enclave, host and gateway: pure functions of their inputs."""

from __future__ import annotations

import base64
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from .home import Home
from .instance import Instance

if TYPE_CHECKING:
    from .settings import Settings

CONFIG_VERSION = 1
NO_PACKAGE = "0x" + "0" * 64
"""Without a chain there is no Move package; zero says so and is never accepted on chain."""
API_SOCKET = "enclave-api.sock"
CHAIN_SOCKET = "enclave-chn.sock"
LOG_SOCKET = "enclave-log.sock"


@dataclass(frozen=True, slots=True)
class Program:
    """An executable and the SHA-256 (hex) of its bytes."""

    path: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class ChainInputs:
    """`record`: the deployment record's own JSON; `committee`: bcs(epoch, committee); `operator_key`: a key file."""

    record: Mapping[str, Any]
    committee: bytes
    operator_key: Path


@dataclass(frozen=True, slots=True)
class LaunchInputs:
    """Everything the three files are made from."""

    home: Home
    instance: Instance
    settings: Settings
    server: Program
    etcd: Program | None
    measured: Sequence[Path]
    policy_anchor: bytes
    """Of the policy file, or of the committee where there is a chain."""
    chain: ChainInputs | None = None


def policy_text(token_id: str, owner: str) -> str:
    """The first policy: one token with every right for the instance's own key."""
    document = {"version": 1, "tokens": [{"id": token_id, "owner": owner, "grants": ["*:*"]}]}
    head = (
        "# Who may do what, as long as no chain says so. Grants: resource[.group][/sub]:verb[@namespace],\n"
        "# for example pods:read@dev, deployments.apps:write@prod, pods/exec:create, *:* (everything).\n"
        "# Ids and owners are 0x and 64 hex digits. A change counts from the next `daas down && daas up`.\n"
    )
    return head + yaml.safe_dump(document, sort_keys=False, default_flow_style=False)


def enclave_config(inputs: LaunchInputs) -> dict[str, Any]:
    control_plane: dict[str, Any] = {
        "kind": inputs.settings.control_plane.kind,
        "path": str(inputs.server.path),
        "sha256": inputs.server.sha256,
    }
    if inputs.etcd is not None:
        control_plane["etcd"] = {"path": str(inputs.etcd.path), "sha256": inputs.etcd.sha256}
    chain = inputs.chain
    decides: dict[str, Any] = {"policy_file": str(inputs.home.policy)}
    if chain is not None:
        packages = list(dict.fromkeys((chain.record["original"], chain.record["package"])))
        decides = {
            "chain": {
                "package_ids": packages,
                "committee": base64.b64encode(chain.committee).decode("ascii"),
                "chain_listen": f"unix:{inputs.instance.socket(CHAIN_SOCKET)}",
            }
        }
    return {
        "version": CONFIG_VERSION,
        "mode": "process",
        "package_id": _package(inputs),
        "cluster_id": inputs.instance.cluster_id,
        "enclave_id": inputs.instance.enclave_id,
        **decides,
        "data_dir": str(inputs.home.enclave),
        "listen": f"unix:{inputs.instance.socket(API_SOCKET)}",
        "log_listen": f"unix:{inputs.instance.socket(LOG_SOCKET)}",
        "control_plane": control_plane,
        "nsm": {
            "kind": "simulated",
            "development_ca": str(inputs.home.development_ca),
            "measured": [str(path) for path in inputs.measured],
        },
        "kubelet_egress": inputs.settings.enclave.kubelet_egress,
    }


def _package(inputs: LaunchInputs) -> str:
    return NO_PACKAGE if inputs.chain is None else str(inputs.chain.record["original"])


def _relay(inputs: LaunchInputs, chain: ChainInputs) -> dict[str, Any]:
    return {
        "deployment": dict(chain.record),
        "operator_key": str(chain.operator_key),
        "chain": f"unix:{inputs.instance.socket(CHAIN_SOCKET)}",
        "journal_dir": str(inputs.home.host / "relay"),
        "anchor": "simulated",
        "register": True,
        "expire": True,
    }


def host_config(inputs: LaunchInputs, python: str = sys.executable) -> dict[str, Any]:
    relay = {} if inputs.chain is None else {"relay": _relay(inputs, inputs.chain)}
    return {
        **relay,
        "version": CONFIG_VERSION,
        "listen": f"tcp:127.0.0.1:{inputs.instance.host_port}",
        "enclave": {
            "kind": "process",
            "argv": [python, "-m", "daas_enclave", str(inputs.home.component_config("enclave"))],
            "api": f"unix:{inputs.instance.socket(API_SOCKET)}",
            "log": f"unix:{inputs.instance.socket(LOG_SOCKET)}",
        },
        "log_dir": str(inputs.home.logs),
        "tiles_dir": str(inputs.home.host / "tiles"),
        "state_dir": str(inputs.home.host),
    }


def gateway_config(inputs: LaunchInputs) -> dict[str, Any]:
    chosen = inputs.settings.gateway
    config: dict[str, Any] = {
        "version": CONFIG_VERSION,
        "listen": f"tcp:127.0.0.1:{inputs.instance.gateway_port}",
        "host": f"tcp:127.0.0.1:{inputs.instance.host_port}",
        "tls_dir": str(inputs.home.tls),
        "credential_file": str(inputs.home.credential),
        "key_file": str(inputs.home.keys / f"{inputs.settings.key}.json"),
        "token": inputs.instance.token_id,
        "scope": list(inputs.settings.scope),
        "package_id": _package(inputs),
        "cluster_id": inputs.instance.cluster_id,
        "enclave_id": inputs.instance.enclave_id,
        "policy_anchor": inputs.policy_anchor.hex(),
        "measurements": str(inputs.home.measurements),
        "root": str(inputs.home.development_ca / "root.pem"),
        "receipts_db": str(inputs.home.receipts),
        "retention": {"days": chosen.retention.days, "max_rows": chosen.retention.max_rows},
        "keep_bodies": chosen.keep_bodies,
        "cache_ttl_ms": chosen.cache_ttl_ms,
    }
    if inputs.chain is not None:
        config["chain"] = {
            "deployment": str(inputs.home.deployment),
            "journal": str(inputs.home.gateway / "requests"),
        }
    config.update(filter_lists(inputs.settings))
    return config


def filter_lists(settings: Settings) -> Mapping[str, list[str]]:
    """The accept and reject lists that differ from the gateway's own defaults."""
    chosen = settings.gateway
    lists = {
        "accept_paths": chosen.accept_paths,
        "reject_paths": [] if chosen.allow_exec else chosen.reject_paths,
        "accept_hosts": chosen.accept_hosts,
        "reject_methods": chosen.reject_methods,
    }
    return {name: patterns for name, patterns in lists.items() if patterns is not None}

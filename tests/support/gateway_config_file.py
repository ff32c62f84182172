"""A gateway's configuration as the file that a process of its own reads."""

from __future__ import annotations

import json
from pathlib import Path

from daas_gateway.config import GatewayConfig


def write_config(path: Path, config: GatewayConfig) -> Path:
    chain = config.chain
    assert chain is not None
    document = {
        "version": 1,
        "listen": str(config.listen),
        "host": str(config.host),
        "tls_dir": str(config.tls_dir),
        "credential_file": str(config.credential_file),
        "key_file": str(config.key_file),
        "token": f"0x{config.token.hex()}",
        "scope": ["*:*"],
        "package_id": f"0x{config.package_id.hex()}",
        "cluster_id": f"0x{config.cluster_id.hex()}",
        "enclave_id": f"0x{config.enclave_id.hex()}",
        "policy_anchor": None if config.policy_anchor is None else config.policy_anchor.hex(),
        "measurements": str(config.measurements),
        "root": str(config.root),
        "receipts_db": str(config.receipts_db),
        "chain": {
            "deployment": str(chain.deployment),
            "journal": str(chain.journal),
            "route": chain.route.value,
            "wait": chain.wait.value,
            "priority": chain.priority,
            "deliver": chain.deliver,
            "deadline_seconds": chain.deadline_seconds,
            "join_ms": chain.join_ms,
        },
    }
    path.write_text(json.dumps(document))
    return path

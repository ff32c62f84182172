"""published.json: the package that was published from this home, before a cluster is made of it.

Invariant: as the deployment record: strict, one form, no secret. `daas cluster create` reads it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from daas_chain.deployment import Deployment, DeploymentError
from daas_protocol import jsonstrict
from daas_protocol.state_files import write_atomic

from .errors import UnreadableError

MAX_BYTES: Final = 16 * 1024
_IDS: Final = ("package", "original", "governance")
_UNUSED: Final = ("cluster", "stake_pool", "worker_registry")


@dataclass(frozen=True, slots=True)
class Published:
    """Ids and `chain_id` have 32 bytes."""

    network: str
    chain_id: bytes
    package: bytes
    original: bytes
    governance: bytes

    def deployment(self, cluster: bytes, stake_pool: bytes, worker_registry: bytes) -> Deployment:
        return Deployment(
            network=self.network,
            chain_id=self.chain_id,
            package=self.package,
            original=self.original,
            governance=self.governance,
            cluster=cluster,
            stake_pool=stake_pool,
            worker_registry=worker_registry,
        )

    def to_json(self) -> bytes:
        whole: dict[str, Any] = json.loads(self.deployment(*[self.package] * 3).to_json())
        kept = {name: value for name, value in whole.items() if name not in (*_UNUSED, "enclave")}
        return json.dumps(kept, indent=1).encode() + b"\n"

    def store(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(path, self.to_json())

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """None where nothing was published. Raises UnreadableError."""
        try:
            with path.open("rb") as file:
                document = jsonstrict.loads_object(file.read(MAX_BYTES + 1), MAX_BYTES)
            filled = {name: document.get("package") for name in _UNUSED} | {"enclave": None}
            if not filled.keys().isdisjoint(document):
                raise ValueError("this is a deployment record")
            found = Deployment.parse(json.dumps(document | filled).encode())
        except FileNotFoundError:
            return None
        except (DeploymentError, ValueError) as problem:
            raise UnreadableError(f"{path}: {problem}", "correct or remove the file") from None
        return cls(found.network, found.chain_id, found.package, found.original, found.governance)

"""Homes of people on a served local network: each with a key, coins, and `daas` as they would type it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from daas_attestation import measurements
from daas_attestation.development_ca import ROOT_FILE, DevelopmentCa
from daas_attestation.measurements import Measurement
from daas_protocol.sui import parse_address

from .daas_command import Daas, Done
from .localnet_process import localnet

QUICK = {
    "staleness_ms": 1_000,
    "min_deadline_ms": 3_000,
    "max_deadline_ms": 60_000,
    "settlement_grace_ms": 1_000,
    "registration_life_ms": 600_000,
    "timelock_ms": 1_000,
    "evidence_window_ms": 0,
    "unbonding_ms": 700_000,
}
"""The least that the contract allows, where a test waits for it."""
MEASURED = {number: bytes([number + 1]) * 48 for number in range(3)}


class Served(Protocol):
    """A network that is served somewhere."""

    known: dict[str, Any]

    def give(self, address: bytes) -> list[str]: ...


@dataclass(slots=True)
class Person:
    """`address`: of the key "default"."""

    daas: Daas
    network: Served
    address: str = ""

    @classmethod
    def on(cls, network: Served, root: Path, *, funded: bool = True) -> Person:
        one = cls(Daas(root), network)
        one.address = one.json("key", "new")["address"]
        if funded:
            network.give(parse_address(one.address))
        return one

    @property
    def home(self) -> Path:
        return self.daas.root

    def __call__(self, *argv: str, stdin: str = "") -> Done:
        return self.daas(*argv, stdin=stdin)

    def json(self, *argv: str) -> Any:
        """Of a command that must succeed."""
        done = self.daas(*argv, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def refused(self, *argv: str, code: int = 1) -> tuple[str, str]:
        """Message and next step of a command that must fail in this way, said to people and to programs alike."""
        done = self.daas(*argv, "--json")
        assert done.returncode == code, done.stdout + done.stderr
        error = json.loads(done.stdout)["error"]
        assert error["code"] == code
        return error["message"], error["next"]

    def take(self, other: Person) -> None:
        """The deployment record, as one person sends it to another."""
        (self.home / "deployment.json").write_bytes((other.home / "deployment.json").read_bytes())


@dataclass(slots=True)
class Stage:
    """A network whose attestation root is a development CA's, and an admin who has published and made a cluster."""

    folder: Path
    network: Served
    ca: DevelopmentCa | None
    """None: only hardware is attested."""
    admin: Person

    def policy(self, *versions: int) -> str:
        """A measurements.json with an image for each version; that of version 1 has `MEASURED`."""
        entries = []
        for version in versions:
            pcr0, pcr1, pcr2 = (bytes([number + version]) * 48 for number in range(3))
            entries.append(Measurement(f"image {version}", version, pcr0, pcr1, pcr2, None, 0, None))
        path = self.folder / f"measurements-{'-'.join(map(str, versions))}.json"
        measurements.dump(path, entries)
        return str(path)

    def parameters(self, **changes: int) -> str:
        path = self.folder / "parameters.json"
        path.write_text(json.dumps({"version": 1} | QUICK | changes))
        return str(path)

    def person(self, name: str, *, funded: bool = True) -> Person:
        """With the deployment record, if there is one already."""
        one = Person.on(self.network, self.folder / name, funded=funded)
        if (self.admin.home / "deployment.json").exists():
            one.take(self.admin)
        return one

    def publish(self) -> Any:
        return self.admin.json("move", "publish", "--network", self.network.known["rpc"], "--timelock", "1s")

    def create(self, *more: str) -> Any:
        return self.admin.json(
            "cluster", "create", "--name", "test", "--policy", self.policy(1), "--parameters", self.parameters(), *more
        )


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """The admin has coins, and nothing is published yet."""
    ca = DevelopmentCa.create(folder / "ca")
    root = str(folder / "ca" / ROOT_FILE)
    with localnet("--checkpoint-ms", "20", "--idle-ms", "200", "--nitro-root", root) as network:
        yield Stage(folder, network, ca, Person.on(network, folder / "admin"))

"""Where an instance keeps its files: one folder, mode 0700, named by $DAAS_HOME."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import RefusedError

DEFAULT_HOME = Path(".local/state/daas")
"""Relative to the user's home folder."""


@dataclass(frozen=True, slots=True)
class Home:
    """The layout of one instance's folder; nothing outside it belongs to the instance, but a run folder whose path
    would be too long for Unix sockets (recorded in instance.json)."""

    root: Path

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Home:
        """$DAAS_HOME, else ~/.local/state/daas; made absolute because components are started elsewhere."""
        named = environment.get("DAAS_HOME")
        return cls(Path(named).expanduser().absolute() if named else Path.home() / DEFAULT_HOME)

    @property
    def config(self) -> Path:
        return self.root / "daas.yaml"

    @property
    def instance(self) -> Path:
        return self.root / "instance.json"

    @property
    def lock(self) -> Path:
        return self.root / ".lock"

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    @property
    def policy(self) -> Path:
        return self.root / "policy.yaml"

    @property
    def development_ca(self) -> Path:
        return self.root / "development-ca"

    @property
    def measurements(self) -> Path:
        return self.root / "measurements.json"

    @property
    def enclave(self) -> Path:
        return self.root / "enclave"

    @property
    def host(self) -> Path:
        return self.root / "host"

    @property
    def gateway(self) -> Path:
        return self.root / "gateway"

    @property
    def credential(self) -> Path:
        return self.gateway / "credential"

    @property
    def tls(self) -> Path:
        return self.gateway / "tls"

    @property
    def receipts(self) -> Path:
        return self.gateway / "receipts.sqlite"

    @property
    def run(self) -> Path:
        """Process records and, unless its path is too long, sockets."""
        return self.root / "run"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def kubeconfig(self) -> Path:
        return self.root / "kubeconfig"

    @property
    def deployment(self) -> Path:
        """Which contract on which network: written by `daas cluster create`, read by host, gateway and commands."""
        return self.root / "deployment.json"

    @property
    def published(self) -> Path:
        """The package that was published from here, before there is a cluster."""
        return self.root / "published.json"

    @property
    def token_secrets(self) -> Path:
        """What issued tokens are committed to, one file each."""
        return self.root / "token-secrets"

    def component_config(self, name: str) -> Path:
        """The configuration file written for enclave, host or gateway."""
        return self.root / f"{name}.json"

    def folders(self) -> tuple[Path, ...]:
        """Every folder that must exist before a component starts."""
        return (self.root, self.keys, self.enclave, self.host, self.gateway, self.run, self.logs)

    def create(self) -> None:
        """Makes the folders with mode 0700; one that others may read is closed to them.

        Raises RefusedError for a folder of another user: its owner could exchange what is put there.
        """
        for folder in self.folders():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            state = folder.stat()
            if os.name == "posix" and state.st_uid != os.geteuid():
                raise RefusedError(
                    f"{folder} belongs to user {state.st_uid}, not to you ({os.geteuid()})",
                    "export DAAS_HOME=<a folder of yours>",
                )
            if state.st_mode & 0o077:
                folder.chmod(0o700)

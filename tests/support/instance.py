"""A running DaaS instance for tests: `daas up` in a home of its own, kubectl and plain HTTPS against its gateway."""

from __future__ import annotations

import base64
import functools
import http.client
import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

TOP = Path(__file__).resolve().parents[2]


@functools.cache
def k3s_binary() -> str:
    """Path of daas-k3s; compiled when the cache lacks it."""
    if given := os.environ.get("DAAS_K3S"):
        return given
    built = subprocess.run([str(TOP / "controlplane/build.sh")], check=True, stdout=subprocess.PIPE, text=True)
    return built.stdout.strip().splitlines()[-1]


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Https:
    """Plain HTTPS with the kubeconfig's credential; a new connection for each request."""

    def __init__(self, kubeconfig: Path, *, server: str | None = None) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.server = (server or cluster["server"]).removeprefix("https://")
        self.token = user["token"]
        self.tls = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())

    def __call__(
        self, method: str, path: str, body: Any = None, *, timeout: float = 30.0, headers: Mapping[str, str] = {}
    ) -> Answer:
        connection = http.client.HTTPSConnection(self.server, context=self.tls, timeout=timeout)
        try:
            data = json.dumps(body).encode() if body is not None else None
            sent = {"Authorization": f"Bearer {self.token}", "Accept": "application/json", **headers}
            if data is not None:
                sent.setdefault("Content-Type", "application/json")
            connection.request(method, path, data, sent)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()


class Instance:
    """`daas` with DAAS_HOME in a temporary folder; `up()` and `down()` are the command's own."""

    def __init__(self, **environment: str) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="daas-test-"))
        self.environment = {**os.environ, "DAAS_HOME": str(self.home), "DAAS_K3S": k3s_binary(), **environment}

    def daas(self, *argv: str, check: bool = True, timeout: float = 280.0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(Path(sys.executable).parent / "daas"), *argv],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )
        if check and done.returncode != 0:
            log = self.home / "logs" / "gateway.log"
            said = log.read_text(errors="replace").splitlines()[-20:] if log.is_file() else []
            told = "\n".join([done.stdout, done.stderr, "the gateway's log ends:", *said])
            raise AssertionError(f"daas {' '.join(argv)}: exit {done.returncode}\n{told}")
        return done

    def up(self, *argv: str) -> Instance:
        self.daas("up", *argv)
        return self

    def down(self) -> None:
        self.daas("down", "--purge", "--yes", check=False)
        shutil.rmtree(self.home, ignore_errors=True)

    @property
    def kubeconfig(self) -> Path:
        return self.home / "kubeconfig"

    def https(self) -> Https:
        return Https(self.kubeconfig)

    def status(self) -> Any:
        return json.loads(self.daas("status", "--json").stdout)

    def kubectl(
        self, *argv: str, check: bool = True, stdin: str | None = None, timeout: float = 200.0
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [k3s_binary(), "kubectl", *argv],
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig), "HOME": str(self.home)},
            capture_output=True,
            text=True,
            input=stdin,
            timeout=timeout,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(argv)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

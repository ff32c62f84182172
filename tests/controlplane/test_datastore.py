"""The enclave's arrangement: `daas-k3s etcd` apart, mutual TLS on loopback, `server` as its client."""

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from controlplane.conftest import Process, Server, free_port, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]


class Etcd:
    def __init__(self, binary: Path, folder: Path, certificates: Path) -> None:
        self.binary, self.folder, self.certificates = binary, folder, certificates
        self.client, self.peer = free_port(), free_port()
        self.process: Process | None = None

    def start(self) -> None:
        tls, client, peer = self.certificates, f"https://127.0.0.1:{self.client}", f"https://127.0.0.1:{self.peer}"
        self.folder.mkdir(exist_ok=True)
        self.process = Process(
            self.folder.with_suffix(".log"), self.binary, "etcd", "--name=daas", f"--data-dir={self.folder}",
            f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=daas={peer}",
            "--client-cert-auth", f"--trusted-ca-file={tls}/server-ca.crt",
            f"--cert-file={tls}/server-client.crt", f"--key-file={tls}/server-client.key",
            "--peer-client-cert-auth", f"--peer-trusted-ca-file={tls}/peer-ca.crt",
            f"--peer-cert-file={tls}/peer-server-client.crt", f"--peer-key-file={tls}/peer-server-client.key",
            "--tls-min-version=TLS1.3", "--log-level=warn",
        )  # fmt: skip
        until("etcd listens", 90, self._listens)

    def _listens(self) -> bool:
        with socket.create_connection(("127.0.0.1", self.client), 1):
            return True

    def flags(self) -> list[str]:
        tls = self.certificates
        return [
            f"--datastore-endpoint=https://127.0.0.1:{self.client}",
            f"--datastore-cafile={tls}/server-ca.crt",
            f"--datastore-certfile={tls}/client.crt",
            f"--datastore-keyfile={tls}/client.key",
        ]


@pytest.fixture
def etcd(daas_k3s: Path, server: Callable[..., Server], tmp_path: Path) -> Iterator[Etcd]:
    # A short-lived server with an etcd of its own makes a full set of etcd certificates.
    maker = server("maker")
    maker.start()
    maker.stop()
    one = Etcd(daas_k3s, tmp_path / "etcd", maker.tls / "etcd")
    one.start()
    yield one
    assert one.process is not None
    one.process.stop()


def test_a_server_keeps_nothing_that_etcd_does_not(server: Callable[..., Server], etcd: Etcd) -> None:
    one = server("one", *etcd.flags())
    print(f"readyz after {one.start():.1f} s")
    assert not (one.folder / "server" / "db").exists()
    one.kubectl("create", "configmap", "kept", "--from-literal=a=b")
    one.stop()
    one.start()
    assert one.json("get", "configmap", "kept")["data"] == {"a": "b"}


def test_a_server_outlives_a_killed_etcd(server: Callable[..., Server], etcd: Etcd) -> None:
    one = server("one", *etcd.flags())
    one.start()
    one.kubectl("create", "configmap", "kept", "--from-literal=a=b")
    assert etcd.process is not None
    etcd.process.stop(signal.SIGKILL)
    time.sleep(1)
    etcd.start()
    until("answers again", 180, lambda: one.json("get", "configmap", "kept")["data"] == {"a": "b"})


def test_etcd_refuses_a_client_without_certificate(etcd: Etcd) -> None:
    done = subprocess.run(
        ["curl", "-sk", "--max-time", "5", f"https://127.0.0.1:{etcd.client}/version"], capture_output=True, text=True
    )
    assert done.returncode != 0, done.stdout

"""The etcd inside a server answers the API server's certificate, and no other user of the machine."""

import os
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from controlplane.conftest import Server

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]


def listening_ports(pid: int) -> set[int]:
    links = {os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()}
    rows = [line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text().splitlines()]
    return {int(row[1].split(":")[1], 16) for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in links}


def speak(port: int, identity: Path | None, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> str:
    """What a request for /version is answered; nothing when the other side ends the connection first."""
    context = ssl._create_unverified_context()
    context.maximum_version = newest
    if identity is not None:
        context.load_cert_chain(f"{identity}.crt", f"{identity}.key")
    try:
        with (
            socket.create_connection(("127.0.0.1", port), 10) as raw,
            context.wrap_socket(raw, server_hostname="localhost") as tls,
        ):
            tls.sendall(b"GET /version HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return b"".join(iter(lambda: tls.recv(4096), b"")).decode()
    except (ssl.SSLError, ConnectionResetError, BrokenPipeError):
        return ""


def test_both_ports_of_the_embedded_etcd_want_their_own_certificate(server: Callable[..., Server]) -> None:
    one = server()
    one.start()
    assert one.process is not None
    ports = listening_ports(one.process.popen.pid) - {one.port}
    client, peer, admin = one.tls / "etcd/client", one.tls / "etcd/peer-server-client", one.tls / "client-admin"
    (clients,) = (port for port in ports if "etcdserver" in speak(port, client))
    (peers,) = ports - {clients}
    assert "etcdserver" in speak(peers, peer)
    for port, right, other in ((clients, client, peer), (peers, peer, client)):
        for wrong in (None, other, admin):
            assert speak(port, wrong) == "", (port, wrong)
        assert speak(port, right, ssl.TLSVersion.TLSv1_2) == ""

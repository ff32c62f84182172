"""The control plane's two processes: where their files lie, which ports they get, and the command lines they run by.

One class drives `daas-k3s` (this project's binary) and an official `k3s`: the flags of `server` are those K3s documents
(docs.k3s.io/cli/server); etcd is upstream's program, reached as `daas-k3s etcd` or as a binary of its own. An official
K3s has an embedded etcd as well, but that one listens on the node's address and fixed ports and is not used here.
No secret is ever in an argument or in the environment: the token and all keys are files.
"""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from daas_enclave.child import Command, VerifiedBinary
from daas_enclave.config import ControlPlaneConfig, ControlPlaneKind
from daas_enclave.pki import ClusterPki, EtcdFiles, private_folder, write_authorities
from daas_protocol.jsonstrict import loads
from daas_protocol.state_files import write_atomic

LOOPBACK: Final = "127.0.0.1"
# RFC 5737 TEST-NET-1. The API server insists on an address that is not loopback for the service `kubernetes`; nothing
# reaches it by address, so it gets one that is never routed rather than the machine's.
ADVERTISE_ADDRESS: Final = "192.0.2.1"
# Below Linux's range of ephemeral ports (32768..), so that no outgoing connection happens to sit on a chosen one.
PORT_RANGE: Final = range(20_000, 30_000)
PORT_TRIES: Final = 200
MAX_PORTS_BYTES: Final = 4096
# Packaged components of K3s that an API server without a network of its own has no use for.
DISABLED: Final = ("coredns", "servicelb", "traefik", "local-storage", "metrics-server")
# K3s looks for helpers on PATH before its own; nothing else of the enclave's environment is handed on.
CHILD_ENV: Final[Mapping[str, str]] = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


class NoFreePort(Exception):
    """No port of `PORT_RANGE` could be had."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Loopback ports. `api + 1` is kept free too: an official K3s puts the API server itself there."""

    etcd_client: int
    etcd_peer: int
    api: int

    def all(self) -> tuple[int, ...]:
        return (self.etcd_client, self.etcd_peer, self.api, self.api + 1)


@dataclass(frozen=True, slots=True)
class Layout:
    """The data folder. Everything below it is 0700 or 0600."""

    data_dir: Path

    @property
    def logs(self) -> Path:
        return self.data_dir / "logs"

    @property
    def k3s(self) -> Path:
        return self.data_dir / "k3s"

    @property
    def server_tls(self) -> Path:
        return self.k3s / "server" / "tls"

    @property
    def etcd(self) -> Path:
        return self.data_dir / "etcd"

    @property
    def etcd_tls(self) -> Path:
        return self.data_dir / "etcd-tls"

    @property
    def sealed(self) -> Path:
        return self.data_dir / "sealed"

    @property
    def token(self) -> Path:
        return self.data_dir / "token"

    @property
    def caller_tokens(self) -> Path:
        return self.data_dir / "caller-tokens.csv"

    @property
    def egress_config(self) -> Path:
        return self.data_dir / "egress-selector.json"

    @property
    def ports(self) -> Path:
        return self.data_dir / "ports.json"


def port_is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def choose_ports(draw: Callable[[], int], is_free: Callable[[int], bool] = port_is_free) -> Ports:
    """Four free ports; `draw` gives candidates. Raises `NoFreePort` after `PORT_TRIES`."""
    chosen: list[int] = []
    for _ in range(PORT_TRIES):
        port = draw()
        wanted = (port, port + 1) if len(chosen) == 2 else (port,)
        if not any(candidate in chosen for candidate in wanted) and all(map(is_free, wanted)):
            chosen.append(port)
        if len(chosen) == 3:
            return Ports(*chosen)
    raise NoFreePort(f"no free port found in {PORT_RANGE.start}..{PORT_RANGE.stop - 1} after {PORT_TRIES} tries")


def _draw_port() -> int:
    return random.SystemRandom().choice(PORT_RANGE)


def stored_ports(path: Path) -> Ports | None:
    """The ports of the last boot; None when there are none or the file is not one of ours."""
    try:
        with path.open("rb") as file:
            value = loads(file.read(MAX_PORTS_BYTES), MAX_PORTS_BYTES)
    except (OSError, ValueError):
        return None
    match value:
        case {"etcd_client": int(client), "etcd_peer": int(peer), "api": int(api)}:
            ports = Ports(client, peer, api)
            return ports if all(0 < port < 65536 for port in ports.all()) else None
    return None


def keep_or_choose_ports(
    layout: Layout, draw: Callable[[], int] = _draw_port, is_free: Callable[[int], bool] = port_is_free
) -> Ports:
    """The last boot's ports while they are free, else new ones.

    K3s writes the port into kubeconfigs that it only renews together with their certificates, so a change of port
    also removes those; the authorities stay.
    """
    ports = stored_ports(layout.ports)
    if ports is not None and all(map(is_free, ports.all())):
        return ports
    fresh = choose_ports(draw, is_free)
    for pattern in (
        "tls/client-*.crt",
        "tls/client-*.key",
        "tls/serving-*.crt",
        "tls/serving-*.key",
        "cred/*.kubeconfig",
    ):
        for path in (layout.k3s / "server").glob(pattern):
            if not path.name.startswith("client-ca."):
                path.unlink()
    write_atomic(layout.ports, json.dumps(asdict(fresh)).encode())
    return fresh


def egress_selector(socket_path: str) -> dict[str, Any]:
    """EgressSelectorConfiguration: every connection the API server makes, but those to etcd, asks our proxy.

    `cluster` is kubelets, services and service webhooks; `controlplane` is webhooks by URL and the like.
    """
    connection = {"proxyProtocol": "HTTPConnect", "transport": {"uds": {"udsName": socket_path}}}
    return {
        "apiVersion": "apiserver.k8s.io/v1beta1",
        "kind": "EgressSelectorConfiguration",
        "egressSelections": [{"name": name, "connection": connection} for name in ("cluster", "controlplane")],
    }


def etcd_arguments(layout: Layout, ports: Ports, files: EtcdFiles) -> list[str]:
    """One member on loopback, mutual TLS 1.3 for clients and peers (etcd.io/docs, "Configuration options")."""
    client, peer = (f"https://{LOOPBACK}:{port}" for port in (ports.etcd_client, ports.etcd_peer))
    return [
        "--name=daas",
        f"--data-dir={layout.etcd}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=daas={peer}",
        "--client-cert-auth",
        f"--trusted-ca-file={files.server_ca}",
        f"--cert-file={files.server_cert}",
        f"--key-file={files.server_key}",
        "--peer-client-cert-auth",
        f"--peer-trusted-ca-file={files.peer_ca}",
        f"--peer-cert-file={files.peer_cert}",
        f"--peer-key-file={files.peer_key}",
        "--tls-min-version=TLS1.3",
        "--logger=zap",
        "--log-outputs=stderr",
        "--log-level=warn",
    ]


def server_arguments(
    layout: Layout, ports: Ports, files: EtcdFiles, kind: ControlPlaneKind, *, nodes_join: bool
) -> list[str]:
    """`server` as K3s documents it: no agent, our etcd, loopback only, nothing packaged, egress through our proxy."""
    disabled = list(DISABLED)
    if kind is ControlPlaneKind.DAAS_K3S and not nodes_join:
        # This binary alone can switch the joining of nodes off; without a way to kubelets it is only a second door.
        disabled.append("node-join")
    api_server = {
        "anonymous-auth": "false",
        "profiling": "false",
        "token-auth-file": str(layout.caller_tokens),
        "egress-selector-config-file": str(layout.egress_config),
        "kubelet-preferred-address-types": "InternalIP",
    }
    return [
        "server",
        f"--data-dir={layout.k3s}",
        "--disable-agent",
        f"--token-file={layout.token}",
        f"--datastore-endpoint=https://{LOOPBACK}:{ports.etcd_client}",
        f"--datastore-cafile={files.server_ca}",
        f"--datastore-certfile={files.client_cert}",
        f"--datastore-keyfile={files.client_key}",
        f"--bind-address={LOOPBACK}",
        f"--https-listen-port={ports.api}",
        f"--advertise-address={ADVERTISE_ADDRESS}",
        f"--tls-san={LOOPBACK}",
        f"--write-kubeconfig={layout.k3s / 'admin.kubeconfig'}",
        "--write-kubeconfig-mode=0600",
        "--flannel-backend=none",
        "--egress-selector-mode=disabled",
        "--disable-cloud-controller",
        "--disable-helm-controller",
        "--disable-network-policy",
        "--disable-kube-proxy",
        *(f"--disable={component}" for component in disabled),
        *(f"--kube-apiserver-arg={key}={value}" for key, value in api_server.items()),
        # Their own ports would be fixed ones, and two instances on a machine would meet there.
        "--kube-controller-manager-arg=secure-port=0",
        "--kube-scheduler-arg=secure-port=0",
    ]


class ControlPlane:
    """Files and commands of one control plane. `prepare()` writes the files, the commands are built per start."""

    def __init__(self, config: ControlPlaneConfig, layout: Layout, ports: Ports, *, nodes_join: bool) -> None:
        self.config = config
        self.layout = layout
        self.ports = ports
        self._nodes_join = nodes_join
        self._server = VerifiedBinary(config.server.path, config.server.sha256)
        own_etcd = config.etcd
        self._etcd = self._server if own_etcd is None else VerifiedBinary(own_etcd.path, own_etcd.sha256)

    @property
    def server_program(self) -> str:
        """argv[0]: K3s decides by it which of its programs it is."""
        return self.config.kind.value

    def verify(self) -> None:
        """Hash both programs now, so that a wrong one is refused before anything starts. Raises `BinaryError`."""
        self._server.verify()
        self._etcd.verify()

    def prepare(self, pki: ClusterPki, egress_socket: str, caller_token: str) -> None:
        """Folders, authorities, tokens, egress selector. The etcd certificates are `pki.write_etcd_files`'s."""
        for folder in (self.layout.logs, self.layout.k3s, self.layout.k3s / "server", self.layout.etcd):
            private_folder(folder)
        write_authorities(pki, self.layout.server_tls)
        write_atomic(self.layout.token, pki.token.encode())
        write_atomic(self.layout.caller_tokens, f'{caller_token},daas-enclave,daas-enclave,"system:masters"\n'.encode())
        write_atomic(self.layout.egress_config, json.dumps(egress_selector(egress_socket)).encode())

    def etcd_command(self, files: EtcdFiles) -> Command:
        arguments = etcd_arguments(self.layout, self.ports, files)
        argv = ["etcd", *arguments] if self.config.etcd is not None else [self.server_program, "etcd", *arguments]
        return Command(self._etcd, argv, CHILD_ENV, self.layout.data_dir)

    def server_command(self, files: EtcdFiles) -> Command:
        arguments = server_arguments(self.layout, self.ports, files, self.config.kind, nodes_join=self._nodes_join)
        return Command(self._server, [self.server_program, *arguments], CHILD_ENV, self.layout.data_dir)

    def describe(self) -> dict[str, Any]:
        """For /status: what runs, by hash."""
        described: dict[str, Any] = {"kind": self.config.kind.value, "sha256": self.config.server.sha256.hex()}
        if self.config.etcd is not None:
            described["etcd_sha256"] = self.config.etcd.sha256.hex()
        return described

    def close(self) -> None:
        self._server.close()
        self._etcd.close()

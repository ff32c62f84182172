"""The command lines: flags K3s and etcd document, loopback only, no secret in an argument; ports that stay."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import socket
from pathlib import Path

import pytest

from daas_enclave.child import BinaryError, BinaryMismatch, VerifiedBinary
from daas_enclave.config import Binary, ControlPlaneConfig, ControlPlaneKind
from daas_enclave.controlplane import (
    CHILD_ENV,
    ControlPlane,
    Layout,
    NoFreePort,
    Ports,
    choose_ports,
    egress_selector,
    etcd_arguments,
    keep_or_choose_ports,
    port_is_free,
    server_arguments,
    stored_ports,
)
from daas_enclave.pki import EtcdFiles, make_cluster_pki

# docs.k3s.io/cli/server; `disable-agent` is the hidden flag named in the design.
K3S_SERVER_FLAGS = {
    "data-dir", "disable-agent", "token-file", "datastore-endpoint", "datastore-cafile", "datastore-certfile",
    "datastore-keyfile", "bind-address", "https-listen-port", "advertise-address", "tls-san", "write-kubeconfig",
    "write-kubeconfig-mode", "flannel-backend", "egress-selector-mode", "disable-cloud-controller",
    "disable-helm-controller", "disable-network-policy", "disable-kube-proxy", "disable", "kube-apiserver-arg",
    "kube-controller-manager-arg", "kube-scheduler-arg",
}  # fmt: skip
K3S_REPEATABLE = {"tls-san", "disable", "kube-apiserver-arg", "kube-controller-manager-arg", "kube-scheduler-arg"}
K3S_DISABLE_ITEMS = {"coredns", "servicelb", "traefik", "local-storage", "metrics-server", "runtimes"}
# kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver
API_SERVER_FLAGS = {
    "anonymous-auth",
    "profiling",
    "egress-selector-config-file",
    "kubelet-preferred-address-types",
    "token-auth-file",
}
# etcd.io/docs/v3.6/op-guide/configuration
ETCD_FLAGS = {
    "name", "data-dir", "listen-client-urls", "advertise-client-urls", "listen-peer-urls",
    "initial-advertise-peer-urls", "initial-cluster", "client-cert-auth", "trusted-ca-file", "cert-file", "key-file",
    "peer-client-cert-auth", "peer-trusted-ca-file", "peer-cert-file", "peer-key-file", "tls-min-version", "logger",
    "log-outputs", "log-level",
}  # fmt: skip

PORTS = Ports(21_001, 21_002, 21_003)


def layout(root: Path = Path("/data")) -> Layout:
    return Layout(root)


def etcd_files(root: Path = Path("/data/etcd-tls")) -> EtcdFiles:
    names = (
        "server-ca.crt",
        "peer-ca.crt",
        "server.crt",
        "server.key",
        "peer.crt",
        "peer.key",
        "client.crt",
        "client.key",
    )
    return EtcdFiles(*(root / name for name in names))


def flags_of(arguments: list[str]) -> list[tuple[str, str | None]]:
    pairs = []
    for argument in arguments:
        assert argument.startswith("--"), argument
        name, separator, value = argument[2:].partition("=")
        pairs.append((name, value if separator else None))
    return pairs


@pytest.mark.parametrize("kind", ControlPlaneKind)
def test_the_server_gets_documented_flags_only_and_each_once(kind: ControlPlaneKind) -> None:
    arguments = server_arguments(layout(), PORTS, etcd_files(), kind, nodes_join=True)
    assert arguments[0] == "server"
    flags = flags_of(arguments[1:])
    assert {name for name, _ in flags} <= K3S_SERVER_FLAGS
    for name in {name for name, _ in flags} - K3S_REPEATABLE:
        assert [n for n, _ in flags].count(name) == 1
    assert {value for name, value in flags if name == "disable"} <= K3S_DISABLE_ITEMS
    api = {str(value).partition("=")[0] for name, value in flags if name == "kube-apiserver-arg"}
    assert api <= API_SERVER_FLAGS


def test_both_kinds_are_driven_by_the_same_line() -> None:
    lines = [server_arguments(layout(), PORTS, etcd_files(), kind, nodes_join=True) for kind in ControlPlaneKind]
    assert lines[0] == lines[1]


def test_the_server_uses_our_etcd_over_mutual_tls_and_listens_on_loopback_only() -> None:
    flags = dict(flags_of(server_arguments(layout(), PORTS, etcd_files(), ControlPlaneKind.K3S, nodes_join=True)[1:]))
    assert flags["datastore-endpoint"] == "https://127.0.0.1:21001"
    assert flags["datastore-cafile"] == "/data/etcd-tls/server-ca.crt"
    assert flags["datastore-certfile"] == "/data/etcd-tls/client.crt"
    assert flags["datastore-keyfile"] == "/data/etcd-tls/client.key"
    assert flags["bind-address"] == "127.0.0.1"
    assert flags["https-listen-port"] == "21003"
    assert flags["disable-agent"] is None


def test_the_api_server_answers_nobody_without_credentials_and_leaves_through_our_proxy() -> None:
    arguments = server_arguments(layout(), PORTS, etcd_files(), ControlPlaneKind.DAAS_K3S, nodes_join=False)
    assert "--kube-apiserver-arg=anonymous-auth=false" in arguments
    assert "--kube-apiserver-arg=egress-selector-config-file=/data/egress-selector.json" in arguments
    assert "--egress-selector-mode=disabled" in arguments


def test_without_a_way_to_kubelets_no_node_joins() -> None:
    closed = server_arguments(layout(), PORTS, etcd_files(), ControlPlaneKind.DAAS_K3S, nodes_join=False)
    opened = server_arguments(layout(), PORTS, etcd_files(), ControlPlaneKind.DAAS_K3S, nodes_join=True)
    assert set(closed) - set(opened) == {"--disable=node-join"}


def test_the_egress_selector_covers_everything_but_etcd() -> None:
    selector = egress_selector("/run/e.sock")
    assert (selector["apiVersion"], selector["kind"]) == (
        "apiserver.k8s.io/v1beta1",
        "EgressSelectorConfiguration",
    )
    assert [s["name"] for s in selector["egressSelections"]] == ["cluster", "controlplane"]
    for selection in selector["egressSelections"]:
        connection = selection["connection"]
        assert connection["proxyProtocol"] == "HTTPConnect"
        assert connection["transport"] == {"uds": {"udsName": "/run/e.sock"}}


def test_etcd_gets_documented_flags_mutual_tls_and_loopback() -> None:
    flags = flags_of(etcd_arguments(layout(), PORTS, etcd_files()))
    assert {name for name, _ in flags} == ETCD_FLAGS
    assert len(flags) == len(ETCD_FLAGS)
    values = dict(flags)
    for name in ("listen-client-urls", "advertise-client-urls", "listen-peer-urls", "initial-advertise-peer-urls"):
        assert str(values[name]).startswith("https://127.0.0.1:")
    assert values["client-cert-auth"] is None
    assert values["peer-client-cert-auth"] is None
    assert values["tls-min-version"] == "TLS1.3"


def program(path: Path, content: bytes = b"#!/bin/sh\nexit 0\n") -> Binary:
    path.write_bytes(content)
    path.chmod(0o755)
    return Binary(path, hashlib.sha256(content).digest())


def plane(tmp_path: Path, kind: ControlPlaneKind, *, etcd: bool) -> ControlPlane:
    config = ControlPlaneConfig(
        kind, program(tmp_path / "k"), program(tmp_path / "e", b"#!/bin/sh\n#\n") if etcd else None
    )
    return ControlPlane(config, layout(tmp_path / "data"), PORTS, nodes_join=True)


def test_daas_k3s_carries_etcd_and_an_official_k3s_has_one_beside_it(tmp_path: Path) -> None:
    ours = plane(tmp_path, ControlPlaneKind.DAAS_K3S, etcd=False)
    assert list(ours.etcd_command(etcd_files()).argv)[:3] == ["daas-k3s", "etcd", "--name=daas"]
    assert list(ours.server_command(etcd_files()).argv)[:2] == ["daas-k3s", "server"]
    official = plane(tmp_path, ControlPlaneKind.K3S, etcd=True)
    command = official.etcd_command(etcd_files())
    assert list(command.argv)[:2] == ["etcd", "--name=daas"]
    assert command.binary.path == tmp_path / "e"
    assert list(official.server_command(etcd_files()).argv)[:2] == ["k3s", "server"]
    assert official.describe()["etcd_sha256"] == command.binary.sha256.hex()


def test_no_secret_in_arguments_or_environment_and_the_token_file_is_private(tmp_path: Path) -> None:
    cluster = make_cluster_pki(b"\x01" * 32, os.urandom, 1_790_000_000_000)
    it = plane(tmp_path, ControlPlaneKind.DAAS_K3S, etcd=False)
    it.prepare(cluster, "/run/e.sock", "bearer-of-callers")
    for command in (it.server_command(etcd_files()), it.etcd_command(etcd_files())):
        for secret in (cluster.token, "bearer-of-callers"):
            assert not any(secret in argument for argument in command.argv)
        assert command.env == CHILD_ENV
        assert set(command.env) == {"PATH"}
    assert it.layout.token.read_text() == cluster.token
    assert it.layout.caller_tokens.read_text() == 'bearer-of-callers,daas-enclave,daas-enclave,"system:masters"\n'
    for path in (tmp_path / "data").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_program_that_is_not_the_named_one_is_refused_before_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "p"
    named = program(path)
    binary = VerifiedBinary(path, named.sha256)
    first = binary.verify()
    assert binary.verify() == first
    path.write_bytes(b"#!/bin/sh\necho other\n")
    with pytest.raises(BinaryMismatch) as caught:
        binary.verify()
    assert caught.value.expected == named.sha256
    assert str(path) in str(caught.value)
    path.chmod(0o644)
    path.write_bytes(b"#!/bin/sh\nexit 0\n")
    with pytest.raises(BinaryError, match="not an executable"):
        binary.verify()
    path.unlink()
    with pytest.raises(BinaryError, match="cannot open"):
        binary.verify()
    with pytest.raises(BinaryError):
        VerifiedBinary(tmp_path, named.sha256).verify()
    binary.close()


def test_ports_are_free_different_and_leave_room_for_k3s() -> None:
    taken = {21_000, 21_003}
    draws = iter([21_000, 21_001, 21_001, 21_002, 21_000, 21_002, 21_005])
    ports = choose_ports(lambda: next(draws), lambda port: port not in taken)
    assert ports == Ports(21_001, 21_002, 21_005)
    assert len(set(ports.all())) == 4
    with pytest.raises(NoFreePort):
        choose_ports(itertools.cycle([21_000]).__next__, lambda port: port not in taken)


def test_a_port_somebody_listens_on_is_not_free() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        assert not port_is_free(server.getsockname()[1])


def test_ports_stay_over_restarts_and_when_taken_stale_leaf_files_go(tmp_path: Path) -> None:
    where = layout(tmp_path)
    counter = itertools.count(21_000, 10)
    first = keep_or_choose_ports(where, counter.__next__, lambda _: True)
    assert keep_or_choose_ports(where, counter.__next__, lambda _: True) == first
    tls, cred = where.server_tls, where.k3s / "server" / "cred"
    tls.mkdir(parents=True)
    cred.mkdir()
    for name in ("client-admin.crt", "client-ca.crt", "client-ca.key", "server-ca.crt", "serving-kube-apiserver.key"):
        (tls / name).touch()
    (cred / "admin.kubeconfig").touch()
    second = keep_or_choose_ports(where, counter.__next__, lambda port: port != first.api + 1)
    assert second != first
    assert {p.name for p in tls.iterdir()} == {"client-ca.crt", "client-ca.key", "server-ca.crt"}
    assert list(cred.iterdir()) == []


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"etcd_client":1,"etcd_peer":2,"api":65535}', '{"etcd_client":"1","etcd_peer":2,"api":3}']
)
def test_a_damaged_ports_file_counts_as_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ports.json"
    path.write_text(text)
    assert stored_ports(path) is None
    path.write_text(json.dumps({"etcd_client": 1, "etcd_peer": 2, "api": 3}))
    assert stored_ports(path) == Ports(1, 2, 3)

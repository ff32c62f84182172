"""`daas-k3s server` with an etcd of its own: starts fast, keeps its data, tells nobody anything."""

import hashlib
import json
import os
import signal
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from controlplane.conftest import Server, certificate, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]
MakeServer = Callable[..., Server]


def reconciled(one: Server, name: str) -> bool:
    pods = one.json("get", "pods", "-l", f"app={name}")["items"]
    return len(pods) == 2 and all(pod["status"]["phase"] in ("Pending", "Running") for pod in pods)


def resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def test_a_deployment_is_reconciled_and_survives_a_stop_and_a_kill(server: MakeServer) -> None:
    one = server()
    seconds = one.start()
    assert one.process is not None
    print(f"readyz after {seconds:.1f} s")
    one.kubectl("create", "deployment", "web", "--image=web", "--replicas=2")
    until("two pods", 90, lambda: reconciled(one, "web"))
    uids = {pod["metadata"]["uid"] for pod in one.json("get", "pods")["items"]}
    began = time.monotonic()
    assert one.stop() == 0
    print(f"stopped after {time.monotonic() - began:.1f} s")

    one.start()
    assert {pod["metadata"]["uid"] for pod in one.json("get", "pods")["items"]} == uids
    one.kubectl("create", "configmap", "written-last", "--from-literal=a=b")
    assert one.stop(signal.SIGKILL) == -signal.SIGKILL

    one.start()
    assert one.json("get", "configmap", "written-last")["data"] == {"a": "b"}
    one.kubectl("scale", "deployment", "web", "--replicas=0")
    until("no pods", 90, lambda: one.json("get", "pods")["items"] == [])
    pid = one.process.popen.pid
    # What the start took is given back ten seconds after it.
    until("less memory when idle", 180, lambda: resident_mib(pid) < 400)
    print(f"resident: {resident_mib(pid):.0f} MiB")


def test_files_are_those_of_k3s_and_private(server: MakeServer) -> None:
    one = server()
    one.start()
    for name in (
        "token",
        "node-token",
        "tls/server-ca.crt",
        "tls/client-ca.key",
        "tls/service.key",
        "cred/admin.kubeconfig",
    ):
        assert (one.folder / "server" / name).is_file(), name
    for path in (one.folder / "server").rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode & 0o077 == 0, f"{path}: {mode:o}"
    ca = (one.tls / "server-ca.crt").read_bytes()
    assert one.get("/cacerts") == (200, ca)
    token = (one.folder / "server" / "token").read_text().strip()
    assert token.startswith(f"K10{hashlib.sha256(ca).hexdigest()}::server:")
    names = {value for _, value in certificate(one.tls / "serving-kube-apiserver.crt")["subjectAltName"]}
    assert {"kubernetes.default.svc.cluster.local", "localhost", "127.0.0.1", "10.43.0.1"} <= names


def test_without_credentials_there_is_health_and_nothing_else(server: MakeServer) -> None:
    one = server()
    one.start()
    for path in ("/livez", "/readyz", "/healthz", "/version", "/cacerts"):
        assert one.get(path)[0] == 200, path
    for path in (
        "/",
        "/api",
        "/apis",
        "/metrics",
        "/openapi/v2",
        "/openid/v1/jwks",
        "/readyz/etcd",
        "/debug/pprof/",
        "/cacerts/x",
    ):
        assert one.get(path)[0] == 401, path
    assert one.get("/api", credentials="abcdef.0123456789abcdef")[0] == 401


def test_it_listens_on_loopback_only(server: MakeServer) -> None:
    one = server()
    one.start()
    assert one.process is not None
    inodes = {
        os.readlink(link)[8:-1]
        for link in Path(f"/proc/{one.process.popen.pid}/fd").iterdir()
        if os.readlink(link).startswith("socket:[")
    }
    for table, loopback in (("tcp", {"0100007F"}), ("tcp6", {"00000000000000000000000001000000"})):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                assert fields[1].split(":")[0] in loopback, line


def test_a_found_ca_is_used(server: MakeServer) -> None:
    first, second = server("first"), server("second")
    first.start()
    first.stop()
    second.tls.mkdir(parents=True)
    for name in ("server-ca", "client-ca", "request-header-ca"):
        for kind in ("crt", "key"):
            (second.tls / f"{name}.{kind}").write_bytes((first.tls / f"{name}.{kind}").read_bytes())
    second.start()
    assert second.get("/cacerts")[1] == (first.tls / "server-ca.crt").read_bytes()
    # The first cluster's administrator is the second's: both clusters trust one client CA.
    second.kubeconfig.write_text(first.kubeconfig.read_text().replace(first.url, second.url))
    assert "default" in second.kubectl("get", "namespaces")


def test_standard_controllers_run(server: MakeServer) -> None:
    one = server()
    one.start()
    one.kubectl("create", "namespace", "team")
    until("root CA", 90, lambda: one.json("get", "configmap", "-n", "team", "kube-root-ca.crt")["data"])
    until("service account", 90, lambda: one.json("get", "serviceaccount", "-n", "team", "default"))
    one.kubectl("create", "job", "once", "-n", "team", "--image=x")
    one.kubectl("create", "quota", "few", "-n", "team", "--hard=pods=5")
    until("job's pod", 90, lambda: one.json("get", "pods", "-n", "team", "-l", "job-name=once")["items"])
    until("quota counted", 90, lambda: one.json("get", "quota", "few", "-n", "team")["status"]["used"]["pods"] == "1")
    token = one.kubectl("create", "token", "default", "-n", "team").strip()
    assert one.get("/api", credentials=token)[0] == 200
    one.kubectl("delete", "namespace", "team", "--wait=true", "--timeout=110s")


def test_secrets_are_encrypted_when_asked(server: MakeServer) -> None:
    one = server("server", "--secrets-encryption")
    one.start()
    one.kubectl("create", "secret", "generic", "s", "--from-literal=canary=hidden-canary-value")
    assert one.json("get", "secret", "s")["data"]["canary"]
    one.stop()
    data = b"".join(p.read_bytes() for p in (one.folder / "server" / "db").rglob("*") if p.is_file())
    assert b"secretbox:v1:key1" in data
    assert b"hidden-canary-value" not in data


def test_without_node_join_there_is_no_way_in_by_token(server: MakeServer) -> None:
    one = server("server")
    one.start()
    until(
        "token secret",
        90,
        lambda: one.kubectl("get", "secrets", "-n", "kube-system", "-l", "daas-k3s-node-token", "-o", "name"),
    )
    one.stop()
    one.flags = ("--disable=node-join",)
    one.start()
    until(
        "no token secret",
        90,
        lambda: not one.kubectl("get", "secrets", "-n", "kube-system", "-l", "daas-k3s-node-token", "-o", "name"),
    )
    assert not (one.folder / "server" / "node-token").exists()
    bindings = one.kubectl("get", "clusterrolebindings", "-o", "name")
    assert "node-autoapprove" not in bindings
    assert "kubelet-bootstrap" in bindings


def test_version_names_all_parts(daas_k3s: Path) -> None:
    said = json.loads(subprocess.run([daas_k3s, "version", "--json"], capture_output=True, check=True).stdout)
    assert said["kubernetes"].startswith("v1.36.")
    assert said["etcd"].startswith("v3.6.")
    assert said["go"].startswith("go1.")

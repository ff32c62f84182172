"""What daas-k3s cannot do it says, by name, with the next step, before anything starts."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from controlplane.conftest import Server, free_port

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

TOKEN = f"K10{'0' * 64}::server:canary-password"


def refused(binary: Path, *arguments: str) -> str:
    done = subprocess.run([binary, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode not in (0, 2), f"{arguments}: {done.returncode} {done.stderr}"
    assert "goroutine" not in done.stderr
    assert "canary-password" not in done.stderr
    return done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "no command given"),
        (["serve"], 'unknown command "serve"; the commands are server, agent, etcd, kubectl and version'),
        (["server"], "add --disable-agent here and run 'daas-k3s agent' on the worker"),
        (["server", "--flannel-backend=vxlan"], "--flannel-backend=vxlan is not implemented; only none"),
        (["server", "--egress-selector-mode=agent"], "--egress-selector-mode=agent is not implemented; only disabled"),
        (["server", "--disable-kube-proxy=false"], "--disable-kube-proxy=false is not implemented; only true"),
        (["server", "--cluster-init"], "unknown flag: --cluster-init; 'daas-k3s server --help' lists the flags"),
        (["server", "--cluster-reset"], "--cluster-reset=true is not implemented"),
        (["server", "--disable-agent", "--datastore-endpoint=postgres://x"], "only etcd"),
        (["server", "--disable-agent", "--advertise-address=127.0.0.1"], "others cannot reach this machine"),
        (["version", "--yaml"], 'unknown flag "--yaml"; only --json'),
        (["agent"], "--container-runtime-endpoint is missing"),
        (["agent", "--pause-image=x"], "--pause-image=x is not implemented"),
        (
            ["agent", "--container-runtime-endpoint=/s", "--server=https://x", "--token=canary-password"],
            "does not begin with K10",
        ),
        (
            ["agent", "--container-runtime-endpoint=/s", "--server=https://x", f"--token={TOKEN}x", "--rootless"],
            "unknown flag: --rootless",
        ),
    ],
)
def test_refused_by_name(daas_k3s: Path, arguments: list[str], says: str) -> None:
    line = refused(daas_k3s, *arguments)
    assert line.startswith("daas-k3s: ")
    assert says in line


@pytest.mark.parametrize(
    ("flag", "says"),
    [
        ("--kube-apiserver-arg=no-such-flag=1", "kube-apiserver arguments: unknown flag: --no-such-flag"),
        ("--kube-apiserver-arg=authorization-mode=Nobody", "authorization-mode"),
        ("--etcd-arg=listen-client-urls=http://0.0.0.0:1", "is not implemented for the embedded etcd"),
        ("--etcd-arg=snapshot-count=many", "--etcd-arg=snapshot-count=many"),
    ],
)
def test_bad_component_arguments_end_the_start(daas_k3s: Path, tmp_path: Path, flag: str, says: str) -> None:
    assert says in refused(daas_k3s, "server", "--disable-agent", f"--data-dir={tmp_path}", flag)


def test_half_a_ca_is_refused_and_left_alone(daas_k3s: Path, tmp_path: Path) -> None:
    tls = tmp_path / "server" / "tls"
    tls.mkdir(parents=True)
    (tls / "server-ca.crt").write_text("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")
    said = refused(daas_k3s, "server", "--disable-agent", f"--data-dir={tmp_path}")
    assert "server-ca.crt without its private key" in said
    assert not (tls / "server-ca.key").exists()


def test_a_folder_has_one_server(daas_k3s: Path, server: Callable[..., Server]) -> None:
    one = server()
    one.start()
    said = refused(
        daas_k3s, "server", "--disable-agent", f"--data-dir={one.folder}", f"--https-listen-port={free_port()}"
    )
    assert "another server runs on" in said

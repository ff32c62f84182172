"""Real daas-k3s processes, each on its own folder and its own port."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

CONTROLPLANE = Path(__file__).resolve().parents[2] / "controlplane"
# Ten times what a start takes on an idle machine: other tests may be compiling beside this one.
READY_SECONDS = 60.0
STOP_SECONDS = 60.0
# Below the ports that systems give to outgoing connections and to whoever asks for any port, and apart from those that
# `daas up` takes: between the choice and the listening of a child nobody else comes upon it by chance.
PORTS = range(10_000, 20_000)


def build(target: str) -> Path:
    made = subprocess.run([CONTROLPLANE / "build.sh", target], stdout=subprocess.PIPE, text=True, check=True)
    return Path(made.stdout.splitlines()[-1])


@pytest.fixture(scope="session")
def daas_k3s() -> Path:
    return Path(given) if (given := os.environ.get("DAAS_K3S")) else build("daas-k3s")


@pytest.fixture(scope="session")
def fakecri() -> Path:
    return build("fakecri")


def free_port() -> int:
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            return port


def until(what: str, seconds: float, check: Callable[[], Any]) -> Any:
    """The first true answer of `check`; the last exception or answer is in the failure."""
    end, last = time.monotonic() + seconds, None
    while time.monotonic() < end:
        try:
            if last := check():
                return last
        except (OSError, subprocess.CalledProcessError, json.JSONDecodeError) as problem:
            last = problem
        time.sleep(0.1)
    raise AssertionError(f"{what}: not within {seconds} s, last: {last!r}")


class Process:
    """A child of which the end is always seen and the log kept beside it."""

    def __init__(self, log: Path, *command: object) -> None:
        self.log = log
        with log.open("ab") as out:
            self.popen = subprocess.Popen([str(c) for c in command], stdout=out, stderr=out, stdin=subprocess.DEVNULL)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        if self.popen.poll() is None:
            self.popen.send_signal(how)
        try:
            return self.popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            raise AssertionError(f"still running {STOP_SECONDS} s after {how.name}:\n{self.tail()}") from None

    def tail(self) -> str:
        return "".join(self.log.read_text(errors="replace").splitlines(keepends=True)[-20:])


class Server:
    """`daas-k3s server` and its administrator's kubectl."""

    def __init__(self, binary: Path, folder: Path, *flags: str) -> None:
        self.binary, self.folder, self.flags = binary, folder, flags
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.tls = folder / "server" / "tls"
        self.kubeconfig = folder / "server" / "cred" / "admin.kubeconfig"
        self.process: Process | None = None

    def start(self) -> float:
        """Seconds until /readyz said ok."""
        self.folder.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        self.process = Process(
            self.folder / "server.log",
            self.binary,
            "server",
            "--disable-agent",
            f"--data-dir={self.folder}",
            f"--https-listen-port={self.port}",
            *self.flags,
        )
        until("readyz", READY_SECONDS, self._ready)
        return time.monotonic() - began

    def _ready(self) -> bool:
        assert self.process is not None
        assert self.process.popen.poll() is None, f"ended by itself:\n{self.process.tail()}"
        return self.get("/readyz")[0] == 200

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        return self.process.stop(how)

    def get(self, path: str, credentials: str = "") -> tuple[int, bytes]:
        """A request as somebody without a certificate makes it."""
        context = ssl._create_unverified_context()
        headers = {"Authorization": f"Bearer {credentials}"} if credentials else {}
        try:
            with urllib.request.urlopen(
                urllib.request.Request(self.url + path, headers=headers), context=context, timeout=30
            ) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read()

    def kubectl_command(self, *arguments: str) -> list[str]:
        return [str(self.binary), "kubectl", f"--kubeconfig={self.kubeconfig}", *arguments]

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return subprocess.run(
            self.kubectl_command(*arguments), input=stdin, capture_output=True, text=True, check=True, timeout=120
        ).stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.kubectl(*arguments, "-o", "json"))


@pytest.fixture
def server(daas_k3s: Path, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Makes servers and ends all of them."""
    made: list[Server] = []

    def make(folder: str = "server", *flags: str) -> Server:
        made.append(Server(daas_k3s, tmp_path / folder, *flags))
        return made[-1]

    yield make
    for one in made:
        if one.process is not None:
            with contextlib.suppress(AssertionError):
                one.stop()


@pytest.fixture(scope="module")
def worker(daas_k3s: Path, fakecri: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with one node, `w1`, whose kubelet is real and whose containers are not."""
    folder = tmp_path_factory.mktemp("worker")
    one = Server(daas_k3s, folder / "server")
    # The path of a Unix socket may have 107 characters; pytest's folders leave too few.
    sockets = Path(subprocess.run(["mktemp", "-d"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip())
    cri = Process(folder / "cri.log", fakecri, f"--socket={sockets / 'cri.sock'}")
    agent: Process | None = None
    try:
        one.start()
        agent = Process(folder / "agent.log", *agent_command(one, folder / "agent", sockets / "cri.sock"))
        until("node Ready", READY_SECONDS, lambda: " Ready " in one.kubectl("get", "nodes", "--no-headers"))
        yield one
    finally:
        for process in (agent, cri):
            if process is not None:
                with contextlib.suppress(AssertionError):
                    process.stop()
        if one.process is not None:
            one.stop()
        unmount_below(folder)
        shutil.rmtree(sockets)


def unmount_below(folder: Path) -> None:
    """A kubelet leaves its pods' volumes mounted when it stops, as it must: pods outlive it."""
    mounted = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for path in sorted((m for m in mounted if m.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", path], check=True)


def agent_command(server: Server, folder: Path, cri: Path, *flags: str) -> list[str]:
    return [
        str(server.binary),
        "agent",
        f"--server={server.url}",
        f"--token-file={server.folder / 'server' / 'node-token'}",
        f"--container-runtime-endpoint=unix://{cri}",
        f"--data-dir={folder}",
        "--node-name=w1",
        "--node-label=tests/label=yes",
        # No cgroups of its own: what the tests run in may not let it make any.
        "--kubelet-arg=cgroups-per-qos=false",
        "--kubelet-arg=enforce-node-allocatable=",
        f"--kubelet-arg=port={free_port()}",
        *flags,
    ]


def certificate(pem: Path) -> dict[str, Any]:
    return ssl._ssl._test_decode_cert(str(pem))  # type: ignore[attr-defined]

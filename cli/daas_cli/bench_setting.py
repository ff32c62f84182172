"""What a benchmark measures on: an instance, `kubectl proxy` beside it on the same server, and the load generator."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import selectors
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import binaries, instance, lifecycle, processes, status, up
from .errors import RefusedError
from .home import Home
from .instance import Instance
from .output import Progress

if TYPE_CHECKING:
    from .settings import Settings

NAMESPACE = "daas-bench"
OBJECTS = 100
PROXY_SECONDS = 15.0
LOAD_SLACK = 60.0
_SERVING = re.compile(rb"Starting to serve on 127\.0\.0\.1:(\d+)")


@dataclass(frozen=True, slots=True)
class Setting:
    """One instance with a proxy beside it. `pids` by component name, the proxy's as `kubectl-proxy`."""

    home: Home
    known: Instance
    loadgen: Path
    proxy_port: int
    pids: Mapping[str, int]

    @property
    def proxy_url(self) -> str:
        return f"http://127.0.0.1:{self.proxy_port}"

    def signed_flags(self, prefix: str = "") -> list[str]:
        """The load generator's flags for the gateway's TLS and credential."""
        return [f"-{prefix}ca", str(self.home.tls / "ca.pem"), f"-{prefix}token-file", str(self.home.credential)]


@contextlib.contextmanager
def temporary_instance(settings: Settings, progress: Progress) -> Iterator[tuple[Home, up.UpResult]]:
    """An instance in a folder of its own, gone afterwards whatever happens."""
    root = Path(tempfile.mkdtemp(prefix="daas-bench-"))
    home = Home(root / "home")
    own = settings.model_copy(update={"gateway": settings.gateway.model_copy(update={"port": None})})
    try:
        yield home, up.up(home, own, progress)
    finally:
        up.stop(home)
        shutil.rmtree(root, ignore_errors=True)


@contextlib.contextmanager
def kubectl_proxy(server: Path, kubeconfig: Path) -> Iterator[tuple[int, int]]:
    """`kubectl proxy` as the cluster's administrator on a free port: yields port and pid.

    The kubeconfig lies in the enclave's data folder, which only process mode leaves readable.
    """
    if not kubeconfig.is_file():
        raise RefusedError(f"there is no admin kubeconfig {kubeconfig}", "the comparison works in process mode only")
    proxy = subprocess.Popen(
        [str(server), "kubectl", "proxy", "--port=0", f"--kubeconfig={kubeconfig}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield _proxy_port(proxy), proxy.pid
    finally:
        proxy.terminate()
        try:
            proxy.wait(5)
        except subprocess.TimeoutExpired:
            proxy.kill()
            proxy.wait()


def _proxy_port(proxy: subprocess.Popen[bytes]) -> int:
    assert proxy.stdout is not None
    seen = b""
    deadline = time.monotonic() + PROXY_SECONDS
    with selectors.DefaultSelector() as selector:
        selector.register(proxy.stdout, selectors.EVENT_READ)
        while time.monotonic() < deadline and selector.select(deadline - time.monotonic()):
            block = os.read(proxy.stdout.fileno(), 4096)
            seen += block
            if match := _SERVING.search(seen):
                return int(match.group(1))
            if not block:
                break
    raise RefusedError("kubectl proxy did not start to serve", "try `daas kubectl proxy` by hand")


@contextlib.contextmanager
def objects(port: int) -> Iterator[None]:
    """The namespace and its ConfigMaps, made through the proxy and removed at the end."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def send(method: str, path: str, body: Any, allowed: tuple[int, ...]) -> None:
        connection.request(
            method, path, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"}
        )
        response = connection.getresponse()
        text = response.read()
        if response.status not in allowed:
            raise RefusedError(f"{method} {path} through kubectl proxy: {response.status} {text[:200]!r}")

    send("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}}, (201, 409))
    try:
        for number in range(OBJECTS):
            item = {"metadata": {"name": f"item-{number:03}"}, "data": {"text": "x" * 256, "number": str(number)}}
            send("POST", f"/api/v1/namespaces/{NAMESPACE}/configmaps", item, (201, 409))
        yield
    finally:
        with contextlib.suppress(OSError, http.client.HTTPException, RefusedError):
            send("DELETE", f"/api/v1/namespaces/{NAMESPACE}", None, (200, 202, 404))
        connection.close()


def component_pids(home: Home) -> dict[str, int]:
    """The pids of gateway, host, enclave, etcd and server as status shows them."""
    seen = status.read(home)
    return {part.name: part.pid for part in seen.components if part.pid is not None}


@contextlib.contextmanager
def setting(home: Home, settings: Settings) -> Iterator[Setting]:
    """The comparison's two ends on a running instance."""
    known = instance.load(home)
    if known is None or not lifecycle.running(home).all:
        raise RefusedError(f"no instance runs in {home.root}", "start it with `daas up`, or leave --use-running out")
    server, _ = binaries.control_plane(settings.control_plane)
    loadgen = binaries.loadgen()
    with kubectl_proxy(server.path, home.enclave / "k3s" / "admin.kubeconfig") as (port, proxy), objects(port):
        yield Setting(home, known, loadgen, port, component_pids(home) | {"kubectl-proxy": proxy})


def run_loadgen(loadgen: Path, arguments: Sequence[str], seconds: float) -> dict[str, Any]:
    """One run; its JSON. Raises RefusedError with what it said."""
    try:
        done = subprocess.run(
            [str(loadgen), *arguments], capture_output=True, stdin=subprocess.DEVNULL, timeout=seconds + LOAD_SLACK
        )
    except subprocess.TimeoutExpired:
        raise RefusedError("the load generator did not end in time", "try again on a quieter machine") from None
    if done.returncode != 0:
        raise RefusedError(f"the load generator failed: {done.stderr.decode(errors='replace').strip()[:300]}")
    value = json.loads(done.stdout)
    assert isinstance(value, dict)
    return value


@dataclass(frozen=True, slots=True)
class MachineClock:
    """Seconds of CPU since boot: of the whole machine, idle or not, and of the load generators that have ended."""

    busy: float
    total: float
    children: float

    @classmethod
    def now(cls) -> MachineClock:
        """Reads /proc/stat (proc(5): user nice system idle iowait irq softirq steal, in clock ticks)."""
        first = Path("/proc/stat").read_text().split("\n", 1)[0]
        ticks = [int(field) for field in first.split()[1:9]]
        hertz = os.sysconf("SC_CLK_TCK")
        import resource  # not on Windows, where the other commands must work

        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        idle = ticks[3] + ticks[4]
        return cls((sum(ticks) - idle) / hertz, sum(ticks) / hertz, ended.ru_utime + ended.ru_stime)

    def foreign_share(self, later: MachineClock, used: float) -> float:
        """The share of the machine between here and `later` that was neither idle nor `used` nor load generators'."""
        total = later.total - self.total
        if total <= 0:
            return 0.0
        ours = used + later.children - self.children
        return min(1.0, max(0.0, (later.busy - self.busy - ours) / total))


def cpu_seconds(pids: Mapping[str, int]) -> dict[str, float]:
    """User and system time used so far, by component."""
    found = {}
    for name, pid in pids.items():
        stat = processes.read_stat(pid)
        if stat is not None:
            found[name] = stat.cpu_seconds
    return found

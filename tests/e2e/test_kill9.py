"""etcd and the server killed with -9 during writes: no acknowledged write is lost, no answer is ever wrong."""

from __future__ import annotations

import http.client
import os
import random
import signal
import threading
import time
from collections.abc import Iterator

import pytest
from controlplane.conftest import until

from support.instance import Https, Instance

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

KILLS = 20
PATH = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
def own() -> Iterator[Instance]:
    instance = Instance()
    try:
        yield instance.up()
    finally:
        instance.down()


class Writer(threading.Thread):
    """Writes one ConfigMap after another and reads each back; remembers what was acknowledged and what was wrong."""

    def __init__(self, name: str, https: Https, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.prefix, self.https, self.stop_event = name, https, stop
        self.acknowledged: dict[str, str] = {}
        self.errors: list[str] = []
        self.wrong: list[str] = []

    def run(self) -> None:
        n = 0
        while not self.stop_event.is_set():
            n += 1
            name, value = f"{self.prefix}-{n}", f"value-{random.random()}"
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"v": value}}
            try:
                answer = self.https("POST", PATH, body, timeout=20)
                if answer.status == 201:
                    self.acknowledged[name] = value
                    self._read(name, value)
                else:
                    self._error(answer.json())
            except (OSError, http.client.HTTPException) as error:
                self.errors.append(repr(error))
                time.sleep(0.05)

    def _read(self, name: str, value: str) -> None:
        answer = self.https("GET", f"{PATH}/{name}", timeout=20)
        if answer.status == 200:
            if answer.json()["data"]["v"] != value:
                self.wrong.append(f"{name}: {answer.body!r}")
        elif answer.status == 404:
            self.wrong.append(f"{name}: acknowledged, then 404")
        else:
            self._error(answer.json())

    def _error(self, status: dict[str, object]) -> None:
        if status.get("kind") != "Status" or not status.get("message"):
            self.wrong.append(f"not a Status: {status}")
        self.errors.append(str(status.get("reason")))
        time.sleep(0.05)


def wait_serving(https: Https, seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if https("GET", "/api/v1/namespaces/default", timeout=10).status == 200:
                return
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(0.1)
    raise AssertionError(f"not serving again after {seconds} s")


def running(instance: Instance, component: str) -> int:
    """The component's pid; there is none while it waits for its restart."""
    return int(until(f"{component} runs", 120, lambda: instance.status()["components"][component].get("pid")))


def test_no_acknowledged_write_is_lost(own: Instance) -> None:
    https = own.https()
    stop = threading.Event()
    writers = [Writer(f"w{n}", https, stop) for n in range(3)]
    for writer in writers:
        writer.start()
    rng = random.Random(1)
    for n in range(KILLS):
        time.sleep(rng.uniform(0.3, 1.5))
        component = ("etcd", "server")[n % 2]
        os.kill(running(own, component), signal.SIGKILL)
        wait_serving(https)
    stop.set()
    for writer in writers:
        writer.join(60)
    acknowledged = {k: v for w in writers for k, v in w.acknowledged.items()}
    assert [wrong for w in writers for wrong in w.wrong] == []
    assert len(acknowledged) > 50
    items = https("GET", PATH).json()["items"]
    stored = {i["metadata"]["name"]: i.get("data", {}).get("v") for i in items}
    assert {k: stored.get(k) for k in acknowledged} == acknowledged
    restarts = own.status()["components"]
    assert restarts["etcd"]["restarts"] >= KILLS // 2
    assert restarts["server"]["restarts"] >= KILLS // 2
    print(f"{len(acknowledged)} acknowledged, {sum(len(w.errors) for w in writers)} errors over {KILLS} kills")

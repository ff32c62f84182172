"""An attacker's host between a real gateway and a real enclave: answers are the API server's, or there are none."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from controlplane.conftest import free_port

from support.hostile_pipe import Direction, Fault, HostilePipe, Kind, Plan
from support.instance import Answer, Https, Instance
from support.secret_search import found_in, found_in_memory

pytestmark = pytest.mark.e2e

TARGET = "/api/v1/namespaces/kube-system"


@asynccontextmanager
async def gateway_through(instance: Instance, pipe: HostilePipe, folder: Path, **changed: Any) -> AsyncIterator[Https]:
    """A second gateway with its own files, whose host is the hostile pipe."""
    port = free_port()
    config = json.loads((instance.home / "gateway.json").read_text())
    config |= {"listen": f"tcp:127.0.0.1:{port}", "host": f"tcp:127.0.0.1:{pipe.port}", "metrics": None}
    config |= {"tls_dir": str(folder / "tls"), "receipts_db": str(folder / "receipts.sqlite"), **changed}
    path = folder / "gateway.json"
    path.write_text(json.dumps(config))
    with (folder / "gateway.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "daas_gateway", str(path)], stdout=log, stderr=log)
    try:
        ca = folder / "tls" / "ca.pem"
        for _ in range(1200):
            with socket.socket() as sock:
                if ca.exists() and sock.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, (folder / "gateway.log").read_text()
            await asyncio.sleep(0.05)
        else:
            raise AssertionError((folder / "gateway.log").read_text())
        https = instance.https()
        https.server = f"127.0.0.1:{port}"
        https.tls.load_verify_locations(cafile=str(ca))
        yield https
    finally:
        process.terminate()
        process.wait(60)


async def get(https: Https, path: str = TARGET) -> Answer | str:
    """The answer, or the name of the error that the client saw instead of one."""
    try:
        return await asyncio.to_thread(https, "GET", path, timeout=40)
    except OSError as error:
        return type(error).__name__


def truthful(answer: Answer | str, uid: str) -> bool:
    """An error, a Status that explains, or the very object."""
    if isinstance(answer, str):
        return True
    body = answer.json()
    if answer.status == 200:
        return bool(body["metadata"]["uid"] == uid)
    return body["kind"] == "Status" and len(body["message"]) > 20


def the_uid(instance: Instance) -> str:
    return str(instance.https()("GET", TARGET).json()["metadata"]["uid"])


def host_endpoint(instance: Instance) -> str:
    return str(json.loads((instance.home / "gateway.json").read_text())["host"])


async def test_an_honest_pipe_changes_nothing(instance: Instance, tmp_path: Path) -> None:
    async with HostilePipe(host_endpoint(instance)) as pipe, gateway_through(instance, pipe, tmp_path) as https:
        answer = await get(https)
        assert isinstance(answer, Answer)
        assert answer.status == 200


@pytest.mark.parametrize(
    "kind", [Kind.DROP, Kind.DUPLICATE, Kind.REORDER, Kind.FLIP, Kind.TRUNCATE, Kind.CUT, Kind.INJECT]
)
async def test_harm_to_the_bytes_ends_in_an_error_and_never_in_a_wrong_answer(
    instance: Instance, tmp_path: Path, kind: Kind
) -> None:
    uid = the_uid(instance)
    # Offsets beyond the handshake and the attestation (about 7 KB down, 2 KB up) strike requests and answers.
    faults = tuple(
        Fault(kind, offset, direction, length=3, mask=0x40, data=b"\x17\x03\x03\x00\x10" + b"A" * 16)
        for direction in Direction
        for offset in (40, 600, 1500, 7500, 9000)
    )
    refused = 0
    async with (
        HostilePipe(host_endpoint(instance), plan=Plan(faults)) as pipe,
        gateway_through(instance, pipe, tmp_path) as https,
    ):
        # Dropped bytes are waited for until a time-out names them; one request shows it.
        for _ in range(1 if kind is Kind.DROP else 3):
            answer = await get(https)
            assert truthful(answer, uid), answer
            refused += not (isinstance(answer, Answer) and answer.status == 200)
    assert refused > 0


async def test_late_harm_strikes_requests_in_flight_on_kept_connections(instance: Instance, tmp_path: Path) -> None:
    uid = the_uid(instance)
    wrong = good = 0
    for seed in range(6):
        plan = Plan.seeded(seed, kinds=[Kind.FLIP, Kind.DROP, Kind.DUPLICATE, Kind.REORDER], count=2, horizon=40_000)
        folder = tmp_path / str(seed)
        folder.mkdir()
        async with (
            HostilePipe(host_endpoint(instance), plan=plan) as pipe,
            gateway_through(instance, pipe, folder) as https,
        ):
            for _ in range(15):
                answer = await get(https)
                assert truthful(answer, uid), answer
                good += isinstance(answer, Answer) and answer.status == 200
                wrong += not (isinstance(answer, Answer) and answer.status == 200)
    assert good > 0
    assert wrong > 0


async def test_delay_is_waited_for_or_named(instance: Instance, tmp_path: Path) -> None:
    uid = the_uid(instance)
    plan = Plan((Fault(Kind.DELAY, 8000, Direction.DOWN, seconds=1.0),))
    async with (
        HostilePipe(host_endpoint(instance), plan=plan) as pipe,
        gateway_through(instance, pipe, tmp_path) as https,
    ):
        for _ in range(5):
            assert truthful(await get(https), uid)


async def test_recorded_bytes_cannot_be_replayed(instance: Instance, tmp_path: Path) -> None:
    async with HostilePipe(host_endpoint(instance)) as pipe, gateway_through(instance, pipe, tmp_path) as https:
        created = await asyncio.to_thread(
            https,
            "POST",
            "/api/v1/namespaces/default/configmaps",
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "replay-"}},
        )
        assert created.status == 201
        for number in range(len(pipe.recordings)):
            await pipe.replay(number)
        listed = await get(https, "/api/v1/namespaces/default/configmaps")
        assert isinstance(listed, Answer)
        names = [i["metadata"]["name"] for i in listed.json()["items"]]
        assert len([n for n in names if n.startswith("replay-")]) == 1


@pytest.mark.parametrize("expectation", ["enclave_id", "cluster_id", "policy_anchor", "measurements", "root"])
async def test_an_enclave_that_is_not_the_expected_one_is_refused_by_name(
    instance: Instance, tmp_path: Path, expectation: str
) -> None:
    changed: dict[str, Any] = {}
    match expectation:
        case "enclave_id" | "cluster_id":
            changed[expectation] = "0x" + secrets.token_hex(32)
        case "policy_anchor":
            changed[expectation] = secrets.token_hex(32)
        case "measurements":
            measured = json.loads((instance.home / "measurements.json").read_text())
            text = json.dumps(measured)
            for key, value in _strings(measured):
                if key.lower() == "pcr2":
                    text = text.replace(value, secrets.token_hex(48))
            other = tmp_path / "measurements.json"
            other.write_text(text)
            changed[expectation] = str(other)
        case "root":
            changed[expectation] = "aws"
    async with (
        HostilePipe(host_endpoint(instance)) as pipe,
        gateway_through(instance, pipe, tmp_path, **changed) as https,
    ):
        answer = await get(https)
    assert isinstance(answer, Answer)
    assert answer.status in (502, 503)
    status = answer.json()
    assert status["kind"] == "Status"
    assert "expected" in status["message"], status["message"]


def _strings(value: Any, key: str = "") -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [pair for k, v in value.items() for pair in _strings(v, k)]
    if isinstance(value, list):
        return [pair for v in value for pair in _strings(v, key)]
    return [(key, value)] if isinstance(value, str) else []


async def test_the_host_never_sees_plaintext(instance: Instance, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("reading another process's memory needs root here")
    canary = f"canary-{secrets.token_hex(12)}"
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": canary}, "stringData": {"k": canary}}
    pids = {name: part["pid"] for name, part in instance.status()["components"].items()}
    async with HostilePipe(host_endpoint(instance)) as pipe, gateway_through(instance, pipe, tmp_path) as https:
        created = await asyncio.to_thread(https, "POST", "/api/v1/namespaces/default/secrets", body)
        assert created.status == 201
        read = await get(https, f"/api/v1/namespaces/default/secrets/{canary}")
        assert isinstance(read, Answer)
        assert canary.encode() in read.body
        passed = pipe.everything()
    assert len(passed) > 5000
    assert not found_in(passed, [canary.encode()])
    assert not found_in_memory(pids["host"], [canary.encode()])
    # The search itself works: the enclave, which has to see it, shows it in its own memory or its API server's.
    assert any(found_in_memory(pid, [canary.encode()]) for name, pid in pids.items() if name != "host")
    for path in [*(instance.home / "host").rglob("*"), *(instance.home / "logs").rglob("*")]:
        if path.is_file():
            assert canary.encode() not in path.read_bytes(), path


async def test_a_watch_that_is_cut_never_ends_cleanly(instance: Instance, tmp_path: Path) -> None:
    watching = threading.Event()
    async with HostilePipe(host_endpoint(instance)) as pipe, gateway_through(instance, pipe, tmp_path) as https:

        def watch() -> str:
            import http.client

            connection = http.client.HTTPSConnection(https.server, context=https.tls, timeout=60)
            connection.request(
                "GET", "/api/v1/namespaces?watch=true", headers={"Authorization": f"Bearer {https.token}"}
            )
            response = connection.getresponse()
            assert response.status == 200
            watching.set()
            try:
                while response.read1(65536):
                    pass
            except (http.client.IncompleteRead, ConnectionError):
                return "broken"
            return "clean"

        started = asyncio.create_task(asyncio.to_thread(watch))
        assert await asyncio.to_thread(watching.wait, 60)
        began = time.monotonic()
        pipe.cut()
        assert await started == "broken"
        assert time.monotonic() - began < 30

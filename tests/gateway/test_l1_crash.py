"""Promise: a gateway that is killed at any moment of a write loses nothing and does nothing twice."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import signal
import socket
import stat
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from daas_chain.network.client import Network
from daas_chain.sui.builder import GAS
from daas_gateway.config import GatewayConfig, load_config
from daas_gateway.l1_journal import Journal
from daas_gateway.receipts import get_request, list_requests
from daas_protocol.transport.endpoint import Endpoint
from support.gateway_client import Client
from support.gateway_config_file import write_config
from support.l1_double import Lies, Scene
from support.l1_users import CREATE, JSON_HEADERS, Users, body_of, until
from support.served_contract import SUI

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.e2e]


@pytest.fixture(autouse=True)
def truthful(scene: Scene) -> None:
    scene.lies, scene.status = Lies(), 201


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.asynccontextmanager
async def process(path: Path, config: GatewayConfig) -> AsyncIterator[tuple[asyncio.subprocess.Process, Client]]:
    """A gateway in a process of its own, that listens."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "daas_gateway", str(path), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(30):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", config.listen.port)
                    writer.close()
                    break
                assert child.returncode is None
                await asyncio.sleep(0.05)
        token = config.credential_file.read_text().strip()
        yield child, Client(config.listen.port, (config.tls_dir / "ca.pem").read_text(), token)
    finally:
        if child.returncode is None:
            os.kill(child.pid, signal.SIGKILL)
            await child.wait()


async def configured(scene: Scene, users: Users, folder: Path) -> tuple[Path, GatewayConfig]:
    _, config = await users.configured(scene, deadline_seconds=120)
    config = replace(config, listen=Endpoint.parse(f"tcp:127.0.0.1:{free_port()}"))
    path = write_config(folder / "gateway.json", config)
    assert load_config(path) == config
    return path, config


async def test_killed_while_the_enclave_works_the_answer_is_had_by_request_id(
    scene: Scene, users: Users, tmp_path: Path
) -> None:
    path, config = await configured(scene, users, tmp_path)
    assert config.chain is not None
    scene.lies.silent = True
    async with process(path, config) as (child, client):
        waiting = asyncio.create_task(client.ask("POST", CREATE, body_of("killed"), JSON_HEADERS))
        await until(lambda: any(one.state == "accepted" for one in list_requests(config.receipts_db)))
        files = list(config.chain.journal.iterdir())
        assert [stat.S_IMODE(one.stat().st_mode) for one in files] == [0o600]
        assert b"killed" not in files[0].read_bytes()
        child.kill()
        await child.wait()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    transactions, bad = Journal(config.chain.journal).load()
    assert not bad
    request_id = transactions[0].requests[0].prepared.request_id
    scene.lies.silent = False
    scene._seen.clear()
    async with process(path, config) as (_, client):
        await until(lambda: (row := get_request(config.receipts_db, request_id)) and row.state == "settled")
        found = (await client.get(f"/daas/local/requests/{request_id.hex()}")).json()
        assert (found["state"], found["status"]) == ("settled", 201)
        assert json.loads(json.loads(base64.b64decode(found["body"]))["body"])["metadata"]["name"] == "killed"
        await until(lambda: not list(config.chain.journal.iterdir()))  # type: ignore[union-attr]
    assert sum(one.event.request_id == request_id for one in scene.executed) == 1


async def test_killed_between_keeping_and_sending_it_is_sent_once_by_the_next_run(
    scene: Scene, users: Users, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, config = await configured(scene, users, tmp_path)
    assert config.chain is not None
    party, _ = await users.configured(scene, admitted=False, amounts=())
    held = await users.start(party, replace(config, listen=Endpoint.parse("tcp:127.0.0.1:0")))
    real = Network.execute

    async def never(self: Network, *given: object) -> object:
        if held.gateway.chain is not None and self is held.gateway.chain.chain._network:
            await asyncio.sleep(3_600)
        return await real(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(Network, "execute", never)
    waiting = asyncio.create_task(held.create("unsent"))
    await until(lambda: held.journal)
    waiting.cancel()
    await held.gateway.stop()
    assert not any(b"unsent" in one.plaintext.body for one in scene.executed)
    transactions, _ = Journal(config.chain.journal).load()
    request_id = transactions[0].requests[0].prepared.request_id
    async with process(path, config) as (_, client):
        await until(lambda: (row := get_request(config.receipts_db, request_id)) and row.state == "settled")
        found = (await client.get(f"/daas/local/requests/{request_id.hex()}")).json()
        assert found["status"] == 201
        reply = await client.ask("POST", CREATE, body_of("next"), JSON_HEADERS)
        assert reply.status == 201
    assert sum(b"unsent" in one.plaintext.body for one in scene.executed) == 1


async def test_what_was_never_sent_and_cannot_be_sent_any_more_is_told_as_refused(
    scene: Scene, users: Users, monkeypatch: pytest.MonkeyPatch
) -> None:
    party, config = await users.configured(scene)
    held = await users.start(party, config)

    async def never(self: Network, *given: object) -> object:
        if held.gateway.chain is not None and self is held.gateway.chain.chain._network:
            await asyncio.sleep(3_600)
        return await real(self, *given)  # type: ignore[arg-type]

    real = Network.execute
    monkeypatch.setattr(Network, "execute", never)
    waiting = asyncio.create_task(held.create("unsent for ever"))
    await until(lambda: held.journal)
    waiting.cancel()
    await held.gateway.stop()
    for _ in range(3):
        # Its coins are used up by others.
        await party.submitter.coins.refresh()
        await party.do(lambda commands: commands.transfer(commands.split(GAS, [4 * SUI // 3]), bytes([9]) * 32))
    again = await users.start(party, config)
    await until(lambda: (rows := list_requests(config.receipts_db)) and rows[0].state == "refused")
    await until(lambda: not again.journal)
    assert list_requests(config.receipts_db)[0].note
    assert not any(b"unsent for ever" in one.plaintext.body for one in scene.executed)
    assert (await again.create("next")).status == 201


async def test_killed_at_random_moments_every_request_on_chain_is_answered_and_none_is_executed_twice(
    scene: Scene, users: Users, tmp_path: Path
) -> None:
    path, config = await configured(scene, users, tmp_path)
    assert config.chain is not None
    for round_ in range(4):
        async with process(path, config) as (child, client):
            asks = [
                asyncio.create_task(client.ask("POST", CREATE, body_of(f"r{round_}-{number}"), JSON_HEADERS))
                for number in range(4)
            ]
            await until(lambda: list(config.chain.journal.iterdir()))  # type: ignore[union-attr]
            await asyncio.sleep(0.04 * round_)
            child.kill()
            await child.wait()
            for one in asks:
                one.cancel()
            await asyncio.gather(*asks, return_exceptions=True)
    async with process(path, config):
        await until(lambda: not list(config.chain.journal.iterdir()))  # type: ignore[union-attr]
        await asyncio.sleep(0.2)
    rows = list_requests(config.receipts_db, limit=100)
    assert rows
    assert {row.state for row in rows} <= {"settled", "refused"}
    mine = [one for one in scene.executed if one.event.token == config.token]
    executed = [one.event.request_id for one in mine]
    assert len(executed) == len(set(executed))
    assert set(executed) == {row.request_id for row in rows if row.state == "settled"}
    assert all(row.boot_id == scene.double.boot_id for row in rows if row.state == "settled")

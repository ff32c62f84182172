"""Promise: a write goes through the contract once, and what comes back is the enclave's own signed answer to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from daas_attestation.simulated import DevelopmentCa
from daas_chain.network.failure import AbortBook
from daas_chain.network.gas import GasCoins
from daas_chain.network.submit import Submitter
from daas_gateway import user_keys
from daas_gateway.app import Gateway
from daas_gateway.config import GatewayConfig
from daas_gateway.l1_config import ChainConfig
from daas_gateway.receipts import get_request, receipt_at
from daas_protocol.grant import parse_grant
from daas_protocol.transport.endpoint import Endpoint
from support.enclave_double import ANCHOR
from support.gateway_client import Client
from support.l1_double import Ground, Lies, Scene, ground
from support.served_contract import SUI, Party
from support.waiting import PATIENCE_S

pytestmark = pytest.mark.asyncio(loop_scope="module")

CREATE = "/api/v1/namespaces/default/configmaps"
BODY = json.dumps({"kind": "ConfigMap", "metadata": {"name": "one"}}).encode()
JSON_HEADERS: dict[str, str | None] = {"Content-Type": "application/json", "Accept": "application/json"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def land(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    folder = tmp_path_factory.mktemp("ca") / "ca"
    DevelopmentCa.create(folder)
    async with ground(folder) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(land: Ground, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with land.scene(tmp_path_factory.mktemp("scene")) as made:
        yield made


@dataclass
class User:
    """Somebody with a key, a token, and a gateway of their own."""

    party: Party
    gateway: Gateway
    client: Client
    config: GatewayConfig

    async def create(self, name: str = "one", **headers: str) -> Any:
        body = json.dumps({"kind": "ConfigMap", "metadata": {"name": name}}).encode()
        return await self.client.ask("POST", CREATE, body, {**JSON_HEADERS, **headers})


Make = Callable[..., Awaitable[User]]


@pytest_asyncio.fixture(loop_scope="module")
async def make(land: Ground, lasting: Path, tmp_path: Path) -> AsyncIterator[Make]:
    running: list[Gateway] = []

    async def begin(
        where: Scene,
        *,
        amounts: tuple[int, ...] = (5 * SUI, 5 * SUI),
        grants: list[str] | None = None,
        seconds: float = 3_600,
        stake: int = SUI,
        admitted: bool = True,
        changes: dict[str, Any] | None = None,
        **chain: Any,
    ) -> User:
        folder = tmp_path / f"user{len(running)}"
        user_keys.new_key(folder / "keys", "me")
        key = user_keys.load_key(folder / "keys" / "me.json")
        one = Party(Submitter(land.network, key, GasCoins(land.network, key.address), None, AbortBook()))
        if amounts:
            await land.fund(one, *amounts)
        if admitted:
            await where.admit(one, grants, seconds, stake)
        config = GatewayConfig(
            listen=Endpoint.parse("tcp:127.0.0.1:0"),
            host=Endpoint.parse(f"tcp:127.0.0.1:{where.double.port}"),
            tls_dir=lasting / "tls",
            credential_file=folder / "credential",
            key_file=folder / "keys" / "me.json",
            token=one.token or bytes([7]) * 32,
            scope=(parse_grant("*:*"),),
            package_id=where.contract.original,
            cluster_id=where.slot.cluster,
            enclave_id=where.slot.enclave,
            policy_anchor=ANCHOR,
            measurements=where.folder / "measurements.json",
            root=land.root,
            receipts_db=folder / "receipts.db",
            chain=ChainConfig(where.folder / "deployment.json", folder / "journal", **chain),
        )
        config = replace(config, **(changes or {}))
        gateway = Gateway(config)
        running.append(gateway)
        await gateway.start()
        token = config.credential_file.read_text().strip()
        client = Client(gateway.port, (config.tls_dir / "ca.pem").read_text(), token)
        return User(one, gateway, client, config)

    yield begin
    for gateway in running:
        await gateway.stop()


@pytest.fixture(autouse=True)
def truthful(scene: Scene) -> None:
    scene.lies, scene.status = Lies(), 201


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_write_goes_through_the_contract_and_comes_back_signed_kept_and_settled(
    scene: Scene, make: Make
) -> None:
    user = await make(scene)
    reply = await user.create("first")
    assert reply.status == 201, reply.body
    assert json.loads(reply.json()["body"])["metadata"]["name"] == "first"
    assert "retry-after" not in reply.headers
    request_id = bytes.fromhex(reply.headers["daas-request-id"])
    seen = [one for one in scene.executed if one.event.request_id == request_id]
    assert [(one.event.verb, one.event.resource, one.event.namespace) for one in seen] == [
        ("create", "configmaps", "default")
    ]
    assert b"first" not in seen[0].event.encode()
    database = user.config.receipts_db
    await until(lambda: (row := get_request(database, request_id)) is not None and row.state == "settled")
    row = get_request(database, request_id)
    assert row is not None
    assert (row.mailbox_seq, row.status, row.fee) == (seen[0].seq, 201, seen[0].event.fee)
    assert row.boot_id is not None
    assert row.sequence is not None
    kept = receipt_at(database, row.boot_id, row.sequence)
    assert kept is not None
    assert kept.receipt.request_digest == row.request_digest == seen[0].event.request_digest
    assert kept.receipt.binding == row.binding
    await until(lambda: not list(user.config.chain.journal.glob("*.json")))  # type: ignore[union-attr]

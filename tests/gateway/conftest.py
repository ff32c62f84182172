"""A gateway before an enclave double, and a client that trusts the gateway's own CA only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from daas_attestation.simulated import DevelopmentCa
from daas_gateway import user_keys
from daas_gateway.app import Gateway
from daas_gateway.config import GatewayConfig
from daas_gateway.local_tls import ensure_local_tls
from daas_protocol.grant import parse_grant
from daas_protocol.transport.endpoint import Endpoint
from support.enclave_double import ANCHOR, CLUSTER, ENCLAVE, PACKAGE, World
from support.gateway_client import Client

if TYPE_CHECKING:
    from support.l1_double import Ground, Scene
    from support.l1_users import Users

TOKEN = bytes.fromhex("70" * 32)


@pytest.fixture(scope="session")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What every gateway here shares, made once: development CA, user key, local TLS. Each file costs two fsyncs."""
    folder = tmp_path_factory.mktemp("lasting")
    DevelopmentCa.create(folder / "ca")
    user_keys.new_key(folder / "keys", "me")
    ensure_local_tls(folder / "tls")
    return folder


@pytest.fixture
async def world(tmp_path: Path, lasting: Path) -> AsyncIterator[World]:
    folder = tmp_path / "world"
    folder.mkdir()
    made = World(folder, lasting / "ca")
    await made.double.start()
    yield made
    await made.double.stop()


@pytest.fixture
def config(tmp_path: Path, world: World, lasting: Path) -> GatewayConfig:
    return GatewayConfig(
        listen=Endpoint.parse("tcp:127.0.0.1:0"),
        host=Endpoint.parse(f"tcp:127.0.0.1:{world.double.port}"),
        tls_dir=lasting / "tls",
        credential_file=tmp_path / "credential",
        key_file=lasting / "keys" / "me.json",
        token=TOKEN,
        scope=(parse_grant("*:*"),),
        package_id=PACKAGE,
        cluster_id=CLUSTER,
        enclave_id=ENCLAVE,
        policy_anchor=ANCHOR,
        measurements=world.folder / "measurements.json",
        root=lasting / "ca" / "root.pem",
        receipts_db=tmp_path / "receipts.db",
    )


StartGateway = Callable[..., Awaitable[tuple[Gateway, Client]]]


@pytest.fixture
async def start(config: GatewayConfig) -> AsyncIterator[StartGateway]:
    running: list[Gateway] = []

    async def begin(**changes: Any) -> tuple[Gateway, Client]:
        changed = replace(config, **changes)
        gateway = Gateway(changed)
        running.append(gateway)
        await gateway.start()
        token = changed.credential_file.read_text().strip()
        return gateway, Client(gateway.port, (changed.tls_dir / "ca.pem").read_text(), token)

    yield begin
    for gateway in running:
        await gateway.stop()


@pytest.fixture
async def client(start: StartGateway) -> Client:
    _, made = await start()
    return made


# ---- through the contract; the network's modules are imported by those tests alone


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def land(lasting: Path) -> AsyncIterator[Ground]:
    """A served network with the contract published."""
    from support.l1_double import ground

    async with ground(lasting / "ca") as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(land: Ground, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """A cluster with a slot and the enclave double that is registered in it."""
    async with land.scene(tmp_path_factory.mktemp("scene")) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def users(land: Ground, lasting: Path, tmp_path: Path) -> AsyncIterator[Users]:
    from support.l1_users import Users

    made = Users(land, lasting, tmp_path)
    yield made
    await made.close()

"""Users of a scene: each with a key, coins, a token and a gateway of their own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from daas_chain.network.failure import AbortBook
from daas_chain.network.gas import GasCoins
from daas_chain.network.submit import Submitter
from daas_gateway import user_keys
from daas_gateway.app import Gateway
from daas_gateway.config import GatewayConfig
from daas_gateway.l1_config import ChainConfig
from daas_protocol.grant import parse_grant
from daas_protocol.transport.endpoint import Endpoint
from support.enclave_double import ANCHOR
from support.gateway_client import Client, Reply
from support.l1_double import Ground, Scene
from support.served_contract import SUI, Party
from support.waiting import PATIENCE_S

CREATE = "/api/v1/namespaces/default/configmaps"
JSON_HEADERS: dict[str, str | None] = {"Content-Type": "application/json", "Accept": "application/json"}


@dataclass
class User:
    """Somebody with a key, a token, and a gateway of their own."""

    party: Party
    gateway: Gateway
    client: Client
    config: GatewayConfig

    async def create(self, name: str = "one", filler: int = 0, **headers: str) -> Reply:
        """A write, as kubectl sends it."""
        return await self.client.ask("POST", CREATE, body_of(name, filler), {**JSON_HEADERS, **headers})

    @property
    def journal(self) -> list[Path]:
        assert self.config.chain is not None
        return list(self.config.chain.journal.glob("*.json"))


def body_of(name: str, filler: int = 0) -> bytes:
    return json.dumps({"kind": "ConfigMap", "metadata": {"name": name}, "data": {"x": "y" * filler}}).encode()


async def until(condition: Callable[[], object], seconds: float = PATIENCE_S) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


@dataclass
class Users:
    """Makes users; `close` stops their gateways."""

    land: Ground
    lasting: Path
    folder: Path
    running: list[Gateway] = field(default_factory=list)
    count: int = 0

    async def configured(
        self,
        where: Scene,
        *,
        amounts: tuple[int, ...] = (5 * SUI, 5 * SUI),
        grants: list[str] | None = None,
        seconds: float = 3_600,
        stake: int = SUI,
        admitted: bool = True,
        changes: dict[str, Any] | None = None,
        **chain: Any,
    ) -> tuple[Party, GatewayConfig]:
        """Without a gateway."""
        self.count += 1
        folder = self.folder / f"user{self.count}"
        user_keys.new_key(folder / "keys", "me")
        key = user_keys.load_key(folder / "keys" / "me.json")
        network = self.land.network
        one = Party(Submitter(network, key, GasCoins(network, key.address), None, AbortBook()))
        if amounts:
            await self.land.fund(one, *amounts)
        if admitted:
            await where.admit(one, grants, seconds, stake)
        config = GatewayConfig(
            listen=Endpoint.parse("tcp:127.0.0.1:0"),
            host=Endpoint.parse(f"tcp:127.0.0.1:{where.double.port}"),
            tls_dir=self.lasting / "tls",
            credential_file=folder / "credential",
            key_file=folder / "keys" / "me.json",
            token=one.token or bytes([7]) * 32,
            scope=(parse_grant("*:*"),),
            package_id=where.contract.original,
            cluster_id=where.slot.cluster,
            enclave_id=where.slot.enclave,
            policy_anchor=ANCHOR,
            measurements=where.folder / "measurements.json",
            root=self.land.root,
            receipts_db=folder / "receipts.db",
            chain=ChainConfig(where.folder / "deployment.json", folder / "journal", **chain),
        )
        return one, replace(config, **(changes or {}))

    async def start(self, party: Party, config: GatewayConfig) -> User:
        gateway = Gateway(config)
        self.running.append(gateway)
        await gateway.start()
        token = config.credential_file.read_text().strip()
        return User(party, gateway, Client(gateway.port, (config.tls_dir / "ca.pem").read_text(), token), config)

    async def __call__(self, where: Scene, **settings: Any) -> User:
        return await self.start(*await self.configured(where, **settings))

    async def close(self) -> None:
        for gateway in self.running:
            await gateway.stop()

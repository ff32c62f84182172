"""Our client on the served network of localnet: accounts, the published contract, a cluster made by transactions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from daas_chain.network.client import Network
from daas_chain.network.endpoint import Endpoint, Limits
from daas_chain.network.failure import AbortBook
from daas_chain.network.gas import GasCoins
from daas_chain.network.records import Executed
from daas_chain.network.submit import Payment, Submitter
from daas_chain.sui import transaction as tx
from daas_chain.sui.builder import GAS, Builder
from daas_chain.sui.effects import EffectsV2, PackageWrite
from daas_chain.sui.signatures import FunctionSignature, signatures
from daas_chain.sui.signing import Ed25519Signer
from daas_chain.sui.types import StructTag
from daas_localnet.rpc.server import Pace, Running, serve
from daas_protocol.bcs import encode_bytes
from support.ledger_world import START_MS, strings, u64
from support.localnet_world import FAUCET, Account, NodeWorld
from support.move_world import built
from support.served_contract import created

PUBLISHING = Payment(ceiling=10_000_000_000)
ANCHOR = bytes(range(32))


def sender_for(network: Network, account: Account, sponsor: Account | None = None) -> Submitter:
    payer = Ed25519Signer(account if sponsor is None else sponsor)
    return Submitter(
        network,
        Ed25519Signer(account),
        GasCoins(network, payer.address),
        sponsor=None if sponsor is None else payer,
    )


@dataclass(slots=True)
class NetworkWorld:
    running: Running
    network: Network

    def sender(self, account: Account, sponsor: Account | None = None) -> Submitter:
        return sender_for(self.network, account, sponsor)

    async def fund(self, account: Account, *amounts: int) -> None:
        commands = Builder()
        commands.transfer(commands.split(GAS, amounts), Ed25519Signer(account).address)
        await self.sender(FAUCET).submit(commands)


@asynccontextmanager
async def serving(pace: Pace | None = None, limits: Limits | None = None) -> AsyncIterator[NetworkWorld]:
    node = NodeWorld()
    running = await serve(node.network, pace=pace or Pace(interval_s=0.02, idle_s=0.05), now_ms=lambda: START_MS)
    try:
        endpoint = Endpoint.parse(f"http://127.0.0.1:{running.port}", limits=limits)
        async with await Network.open(endpoint) as network:
            yield NetworkWorld(running, network)
    finally:
        await running.close()


def package_of(outcome: Executed) -> bytes:
    assert isinstance(outcome.effects, EffectsV2)
    return next(
        object_id for object_id, change in outcome.effects.changed_objects if isinstance(change.after, PackageWrite)
    )


@dataclass(slots=True)
class Contract:
    """Published, with a cluster; `ids` by type name."""

    package: bytes
    functions: dict[tuple[str, str], FunctionSignature]
    ids: dict[str, bytes]

    def call(self, commands: Builder, module: str, name: str, *arguments: object) -> tx.Result:
        return commands.call(
            self.package,
            module,
            name,
            arguments,
            signature=self.functions.get((module, name)),  # type: ignore[arg-type]
        )


async def publish(sender: Submitter) -> Contract:
    artifacts = built()
    commands = Builder()
    capability = commands.publish([one.bytecode for one in artifacts.package.modules], artifacts.package.dependencies)
    commands.transfer([capability], sender.signer.address)
    outcome = await sender.submit(commands, PUBLISHING)
    package = package_of(outcome)
    sender.book = AbortBook.of(artifacts, [package])
    return Contract(package, signatures(artifacts.interface()), await created(sender.network, outcome))


async def create_cluster(contract: Contract, sender: Submitter) -> None:
    commands = Builder()
    pcrs = [
        contract.call(commands, "pcr", "new", bytes([number]), encode_bytes(bytes([number + 1] * 48)))
        for number in range(3)
    ]
    made = contract.call(
        commands,
        "cluster",
        "create",
        encode_bytes(b"test"),
        contract.call(commands, "params", "default"),
        u64(1),
        commands.vector(StructTag(contract.package, "pcr", "Pcr"), pcrs),
        strings([ANCHOR]),
        commands.clock(),
    )
    cluster, admin, veto = (tx.NestedResult(made.command, index) for index in range(3))
    pool = contract.call(commands, "stake", "create_pool", cluster, admin)
    contract.call(commands, "cluster", "share", cluster)
    contract.call(commands, "stake", "share_pool", pool)
    commands.transfer([admin, veto], sender.signer.address)
    contract.ids |= await created(sender.network, await sender.submit(commands))

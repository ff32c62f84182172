"""A relay between a served network with the contract and a double of the enclave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import astuple, dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_der_x509_certificate

from daas_attestation.development_ca import DevelopmentCa
from daas_chain.calls import clusters
from daas_chain.calls.clusters import Administered, NewCluster
from daas_chain.calls.requests import Command
from daas_chain.events_mailbox import K8sAPIRequest
from daas_chain.heads import Event
from daas_chain.light.committee import Committee
from daas_chain.network.client import Network
from daas_chain.network.endpoint import Endpoint as Node
from daas_chain.network.endpoint import Limits
from daas_chain.network.records import Executed
from daas_chain.objects import Cluster, Enclave
from daas_chain.sui import base58
from daas_chain.type_tags import decode_event
from daas_chain.values import Parameters
from daas_host.relay import Relay
from daas_host.relay_config import relay_of
from daas_host.relay_stats import RelayStats
from daas_localnet.opening import Opened, Options, open_network
from daas_localnet.rpc.faucet import Faucet
from daas_localnet.rpc.server import Pace, Running, serve
from daas_protocol.chain_feed import Settle
from daas_protocol.intents import ReceiptBatch
from daas_protocol.receipt import Intent, MailboxRef, Receipt, sign
from daas_protocol.sui import encode_suiprivkey, format_address
from daas_protocol.transport.endpoint import Endpoint

from .chain_port_double import EnclaveDouble
from .localnet_process import localnet
from .move_world import built
from .served_contract import (
    ANCHOR,
    BOOT,
    MEASUREMENTS,
    RECEIPT_KEY,
    Party,
    ServedContract,
    created,
    party,
    sha,
    wall_ms,
)
from .waiting import until

QUICK = {"staleness_ms": 1_000, "min_deadline_ms": 3_000, "max_deadline_ms": 3_600_000, "settlement_grace_ms": 1_000}
LIMITS = Limits(first_backoff=0.02, last_backoff=0.2)


def quick() -> Parameters:
    """The shortest times that the contract allows, the plan's defaults else."""
    second, sui = 1_000, 10**9
    values = [30, 90, 3_600, 30, 300, 30, 86_400, 86_400, 14 * 86_400, 7 * 86_400, 86_400]
    rest = [256, 1_000_000, 100_000, 10, 10 * sui, sui, sui, 10 * sui, 5_000, 3_000, 3_000]
    given = dict(zip(Parameters.__slots__, [one * second for one in values] + rest, strict=True)) | QUICK
    assert len(astuple(Parameters(**given))) == len(given)
    return Parameters(**given)


@dataclass(slots=True)
class QuickContract(ServedContract):
    async def make_cluster(self) -> None:
        new = NewCluster("test", 1, MEASUREMENTS, [ANCHOR], quick(), operators=[self.operator.address])
        outcome = await self.admin.do(
            lambda commands: clusters.create(self.contract, commands, new, self.admin.address)
        )
        self.ids |= await created(self.network, outcome)
        self.by = Administered(self.ids["Cluster"], self.ids["AdminCap"])


@dataclass(slots=True)
class RelayWorld:
    folder: Path
    port: int
    network: Network
    contract: QuickContract
    relay_key: Ed25519PrivateKey
    user: Party
    double: EnclaveDouble
    sequence: count[int] = field(default_factory=count)
    kill_node: Callable[[float], Awaitable[None]] | None = None
    _opened: Opened | None = None
    _running: Running | None = None
    _relay: Relay | None = None
    _task: asyncio.Task[None] | None = None

    def config(self, **changes: Any) -> dict[str, Any]:
        made = self.contract
        ids = {
            "package": made.contract.package,
            "original": made.contract.original,
            "governance": made.ids["Governance"],
            "cluster": made.slot.cluster,
            "stake_pool": made.slot.pool,
            "worker_registry": made.ids["WorkerRegistry"],
            "enclave": made.slot.enclave,
        }
        record = {
            "version": 1,
            "network": f"http://127.0.0.1:{self.port}",
            "chain_id": base58.encode(self.network.chain_id),
            **{name: f"0x{one.hex()}" for name, one in ids.items()},
        }
        return {
            "deployment": record,
            "operator_key": str(self.key_file()),
            "chain": str(self.double.endpoint),
            "journal_dir": str(self.folder / "relay"),
            "anchor": "simulated",
            **changes,
        }

    def key_file(self) -> Path:
        path = self.folder / "operator.json"
        if not path.exists():
            address = party(self.network, self.relay_key).address
            text = encode_suiprivkey(self.relay_key.private_bytes_raw())
            document = {"version": 1, "scheme": "ed25519", "address": format_address(address), "private_key": text}
            path.touch(mode=0o600)
            path.write_text(json.dumps(document))
        return path

    async def start(self, **changes: Any) -> RelayStats:
        self._relay = Relay(relay_of(self.config(**changes)))
        self._task = asyncio.create_task(self._relay.run())
        return self._relay.stats

    @property
    def relay(self) -> Relay:
        assert self._relay is not None
        return self._relay

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def restart_node(self, pause_s: float = 0.2) -> None:
        """The same network again at the same port."""
        await self.stop_node()
        await asyncio.sleep(pause_s)
        await self.start_node()

    async def stop_node(self) -> None:
        assert self._running is not None
        await self._running.close()

    async def start_node(self) -> None:
        assert self._opened is not None
        self._running = await serve(self._opened.network, port=self.port, pace=Pace(0.02, 0.05))

    async def ask(self, asked: Sequence[Command]) -> list[tuple[int, Command]]:
        """Requests in one transaction, with their numbers in the mailbox."""
        outcome = await self.user.submitter.submit(self.contract.asking(self.user, asked))
        if len(asked) == 1:
            return [(self.contract.number_of(outcome), asked[0])]
        numbers = sorted(one.mailbox_seq for one in self.requests_of(outcome))
        return list(zip(numbers, asked, strict=True))

    def end_epoch(self) -> None:
        """At once, with what waits for a checkpoint in the last one."""
        assert self._opened is not None
        self._opened.network.seal(wall_ms(), end_epoch=True)
        # It remembers an epoch for longer than these last.
        self.user.submitter._epoch = None

    def requests_of(self, outcome: Executed) -> list[K8sAPIRequest]:
        found = [decode_event(str(one.type), one.contents, {self.contract.contract.original}) for one in outcome.events]
        return [one.body for one in found if isinstance(one, Event) and isinstance(one.body, K8sAPIRequest)]

    def settle(self, asked: Sequence[tuple[int, Command]], **changes: Any) -> Settle:
        """What the enclave would hand over for these requests."""
        given: dict[str, Any] = {"boot_id": BOOT, "enclave_id": self.contract.slot.enclave} | changes
        batch = tuple(
            Receipt(
                sequence=next(self.sequence),
                request_digest=command.request_digest,
                requester=self.user.address,
                mailbox=MailboxRef(seq=number, round_checkpoint=1, revision=number + 1, delivery_digest=None),
                status=201,
                body_digest=sha(b"body"),
                body_length=4,
                log_root=sha(b"root"),
                **given,
            )
            for number, command in asked
        )
        if len(batch) == 1:
            message = sign(Intent.RECEIPT, wall_ms(), batch[0].to_bcs(), RECEIPT_KEY.sign)
        else:
            message = sign(Intent.RECEIPT_BATCH, wall_ms(), ReceiptBatch(batch).to_bcs(), RECEIPT_KEY.sign)
        return Settle(
            tuple(command.request_id for _, command in asked),
            (b"",) * len(batch),
            message.signing_bytes(),
            message.signature,
        )

    async def pending(self) -> int:
        held = await self.network.object(self.contract.slot.enclave)
        return Enclave.decode(held.contents).mailbox.pending.size

    async def enclave(self) -> Enclave:
        return Enclave.decode((await self.network.object(self.contract.slot.enclave)).contents)

    async def cluster(self) -> Cluster:
        return Cluster.decode((await self.network.object(self.contract.slot.cluster)).contents)

    async def caught_up(self) -> None:
        """The enclave has every event that the chain has now."""
        state, mailbox = (await self.cluster()).state, (await self.enclave()).mailbox.head
        await until(lambda: self.double.state.seq >= state.seq and self.double.mailbox.seq >= mailbox.seq)
        assert self.double.state.heads[state.seq] == state
        assert self.double.mailbox.heads[mailbox.seq] == mailbox

    def nothing_twice(self) -> None:
        assert (self.double.state.twice, self.double.mailbox.twice) == (0, 0)


async def eventually(condition: Callable[[], Any], limit_s: float = 60.0) -> None:
    """As `until`, for a condition that has to be awaited."""
    async with asyncio.timeout(limit_s):
        while not await condition():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def relay_world(folder: Path, epochs: int = 0) -> AsyncIterator[RelayWorld]:
    """`epochs`: so many have ended before the contract is published; the enclave is anchored in the first."""
    ca = DevelopmentCa.generate(wall_ms())
    opened = open_network(Options(nitro_anchor=ca.anchor), built(), wall_ms())
    running = await serve(opened.network, pace=Pace(0.02, 0.05))
    world: RelayWorld | None = None
    try:
        for _ in range(epochs):
            opened.network.seal(wall_ms(), end_epoch=True)
        async with _made(folder, ca, running.port, Faucet(running.node, opened.faucet).give) as world:
            world._opened, world._running = opened, running
            yield world
    finally:
        await (running if world is None or world._running is None else world._running).close()


@asynccontextmanager
async def process_world(folder: Path) -> AsyncIterator[RelayWorld]:
    """Over `daas localnet run` with its data in `folder`, to be killed by `kill_node`."""
    ca = DevelopmentCa.generate(wall_ms())
    root = folder / "root.pem"
    root.write_bytes(load_der_x509_certificate(ca.anchor.root_der).public_bytes(Encoding.PEM))
    arguments = ("--data", f"{folder}/net", "--nitro-root", str(root), "--checkpoint-ms", "50", "--idle-ms", "200")
    with ExitStack() as processes:
        process = processes.enter_context(localnet(*arguments))
        port = int(process.known["rpc"].rpartition(":")[2])
        async with _made(folder, ca, port, process.give) as world:

            async def kill(pause_s: float) -> None:
                nonlocal process
                process.process.kill()
                process.process.wait()
                await asyncio.sleep(pause_s)
                process = processes.enter_context(localnet(*arguments, "--port", str(port)))

            world.kill_node = kill
            yield world


@asynccontextmanager
async def _made(
    folder: Path, ca: DevelopmentCa, port: int, give: Callable[[bytes], object]
) -> AsyncIterator[RelayWorld]:
    async with await Network.open(Node.parse(f"http://127.0.0.1:{port}", limits=LIMITS)) as network:
        keys = [Ed25519PrivateKey.generate() for _ in range(3)]
        admin, operator, user = (party(network, key) for key in keys)
        for one in (admin, operator, user):
            give(one.address)
        contract = QuickContract(network, ca, admin, operator)
        await contract.set_up()
        await contract.admit(user)
        first = (await network.epoch(0, committee=True)).committee
        assert first is not None
        double = EnclaveDouble(
            Endpoint.parse(f"unix:{folder}/chain"),
            contract.contract.original,
            contract.slot.cluster,
            contract.slot.enclave,
            Committee.from_record(first),
            BOOT,
        )
        # The relay has the operator's key: what the operator does in a test has to be over before.
        world = RelayWorld(folder, port, network, contract, keys[1], user, double)
        try:
            yield world
        finally:
            await world.stop()
            await world.double.close()

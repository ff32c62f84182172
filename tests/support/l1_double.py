"""An enclave double for requests through the contract, on a served network: registered, it opens envelopes with a real
request key, signs real receipts with a place in the mailbox, and settles.

It reads the mailbox from the node and verifies nothing: it is what a gateway talks to in tests, and no enclave.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daas_attestation.simulated import DevelopmentCa
from daas_chain.calls import clusters, requests, slots, stakes
from daas_chain.calls.clusters import Administered, NewCluster
from daas_chain.calls.slots import Slot, Statement
from daas_chain.contract import Contract
from daas_chain.deployment import Deployment
from daas_chain.events_mailbox import K8sAPIRequest
from daas_chain.heads import Event
from daas_chain.network.client import Network
from daas_chain.network.endpoint import Endpoint
from daas_chain.network.failure import TransactionFailedError
from daas_chain.objects import Cluster, Enclave
from daas_chain.sui.builder import Builder
from daas_chain.type_tags import UnknownEventType, decode_event
from daas_chain.values import OnChain, Parameters
from daas_localnet.opening import Options, open_network
from daas_localnet.rpc.faucet import Faucet
from daas_localnet.rpc.server import Pace, serve
from daas_protocol.bcs import BcsError
from daas_protocol.delivery import Delivery, seal_delivery
from daas_protocol.hpke import HpkeError
from daas_protocol.receipt import Intent, MailboxRef, Receipt, leaf_hash, sign
from daas_protocol.request_envelope import EnvelopeInfo, L1Plaintext, RequestKey
from daas_protocol.stored_answer import StoredAnswer
from daas_protocol.transport.http1 import ServerConnection

from .enclave_double import ANCHOR, PCRS, Answer, EnclaveDouble, write_measurements
from .move_world import built
from .served_contract import SUI, Party, ServedContract, created, party, sha, wall_ms

QUICK = Parameters(
    staleness_ms=1_000,
    min_deadline_ms=3_000,
    max_deadline_ms=3_600_000,
    settlement_grace_ms=1_000,
    attestation_age_ms=300_000,
    clock_skew_ms=30_000,
    registration_life_ms=86_400_000,
    timelock_ms=1_000,
    unbonding_ms=14 * 86_400_000,
    evidence_window_ms=7 * 86_400_000,
    retention_ms=86_400_000,
    max_pending=256,
    fee_base=1_000_000,
    fee_per_kib=100_000,
    slash_fee_factor=10,
    slash_epoch_cap=10 * SUI,
    min_stake_requester=SUI,
    min_stake_worker=SUI,
    min_stake_operator=10 * SUI,
    slash_bps=5_000,
    reporter_bps=3_000,
    treasury_bps=3_000,
)
"""The plan's defaults with deadlines that a test can wait for."""


@dataclass(slots=True)
class Answered:
    status: int
    body: bytes
    message: bytes
    receipt: Receipt
    requester: bytes


@dataclass
class Lies:
    """What is changed on the way. `silent`: nothing is answered or settled."""

    receipt: Callable[[Receipt], Receipt] = lambda receipt: receipt
    body: Callable[[bytes], bytes] = lambda body: body
    silent: bool = False
    unsettled: bool = False
    lose: bool = False
    """Settled, and the body is gone."""
    forget: bool = False
    """Only the receipt is left."""
    stored: Callable[[bytes], bytes] = lambda stored: stored
    settle_as: Callable[[Receipt], Receipt] = lambda receipt: receipt


@dataclass(slots=True)
class Executed:
    """A request that was opened, as the enclave would execute it."""

    seq: int
    event: K8sAPIRequest
    plaintext: L1Plaintext
    transaction: bytes


@dataclass
class Scene:
    """A cluster with one slot whose boot is `double`; `deployment` is the record of it."""

    network: Network
    package: ServedContract
    double: EnclaveDouble
    operator: Party
    by: Administered
    slot: Slot
    deployment: Deployment
    folder: Path
    key: RequestKey
    veto: bytes
    answers: dict[bytes, Answered] = field(default_factory=dict)
    executed: list[Executed] = field(default_factory=list)
    lies: Lies = field(default_factory=Lies)
    status: int = 201
    asked: int = 0
    _seen: set[bytes] = field(default_factory=set)
    _task: asyncio.Task[None] | None = None
    _held: dict[bytes, asyncio.Event] = field(default_factory=dict)

    @property
    def contract(self) -> Contract:
        return self.package.contract

    async def enclave(self) -> Enclave:
        return Enclave.decode((await self.network.object(self.slot.enclave)).contents)

    async def cluster(self) -> Cluster:
        return Cluster.decode((await self.network.object(self.slot.cluster)).contents)

    # ---- registration

    async def register(self) -> None:
        generation = (await self.enclave()).generation
        nonce = bytes(24) + generation.to_bytes(8, "big")
        document = self.double.nsm.attestation(
            nonce=nonce, user_data=self.double.binding.to_bcs(), public_key=self.double.public_key
        )
        await self.operator.do(
            lambda commands: slots.register(self.contract, commands, self.slot, document, self.key.public_bytes)
        )

    async def admit(self, one: Party, grants: list[str] | None = None, seconds: float = 3_600, mist: int = SUI) -> None:
        """A stake of `mist` (none for 0) and a token."""
        self.package.adopt(one)
        if mist:
            await one.do(
                lambda commands: stakes.deposit_requester(
                    self.contract, commands, self.slot.pool, self.slot.cluster, mist
                )
            )
        outcome = await self.package.admin.do(
            lambda commands: clusters.issue_token(
                self.contract,
                commands,
                self.by,
                one.address,
                grants or ["*:*"],
                sha(b"commitment"),
                wall_ms() + int(seconds * 1_000),
            )
        )
        one.token = (await created(self.network, outcome))["AccessToken"]

    # ---- the mailbox

    def run(self) -> None:
        self._task = asyncio.create_task(self._loop())
        self.double.special = self._special

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self.double.stop()

    async def _loop(self) -> None:
        pending = (await self.enclave()).mailbox.pending.id
        while True:
            fresh = []
            transactions: set[bytes] = set()
            async for one in self.network.fields(pending):
                if one.field.reference.object_id not in self._seen:
                    self._seen.add(one.field.reference.object_id)
                    transactions.add(one.field.object.previous_transaction)
            for digest in transactions:
                outcome = await self.network.transaction(digest)
                for raw in outcome.events:
                    try:
                        event = decode_event(str(raw.type), raw.contents, {self.contract.original})
                    except UnknownEventType:
                        continue
                    if isinstance(event, Event) and isinstance(event.body, K8sAPIRequest):
                        fresh.append((event.body, digest))
            for body, digest in sorted(fresh, key=lambda each: each[0].mailbox_seq):
                await self._one(body, digest)
            await asyncio.sleep(0.03)

    async def _one(self, event: K8sAPIRequest, transaction: bytes) -> None:
        info = EnvelopeInfo(
            package=self.contract.original,
            cluster=self.slot.cluster,
            enclave=self.slot.enclave,
            key_id=event.request_key_id,
            requester=event.requester,
            token=event.token,
            request_id=event.request_id,
            verb=event.verb,
            group=event.group,
            resource=event.resource,
            subresource=event.subresource,
            namespace=event.namespace,
            request_digest=event.request_digest,
            deadline_ms=event.deadline_ms,
        )
        if not isinstance(event.payload, OnChain) or self.lies.silent:
            return
        status, delivery = self.status, b""
        try:
            plaintext = self.key.open(info, event.payload.ciphertext)
            assert plaintext.digest_of(info.package, info.cluster, info.enclave) == event.request_digest
        except HpkeError as problem:
            status, body = 400, json.dumps({"refused": type(problem).__name__}).encode()
        else:
            self.executed.append(Executed(event.mailbox_seq, event, plaintext, transaction))
            body = json.dumps({"path": plaintext.path, "body": plaintext.body.decode("latin-1")}).encode()
            if event.deliver and plaintext.response_key is not None:
                answer = Delivery(status, "application/json", body)
                delivery = seal_delivery(info, answer, plaintext.response_key)
        self.sign(event, status, body, delivery)
        if not self.lies.unsettled:
            await self.settle(event.request_id, delivery)

    def sign(self, event: K8sAPIRequest, status: int, body: bytes, delivery: bytes = b"") -> None:
        mailbox = MailboxRef(
            event.mailbox_seq, 1, event.mailbox_seq + 1, hashlib.sha256(delivery).digest() if delivery else None
        )
        receipt = replace(self.double.receipt(event.request_digest, event.requester, status, body), mailbox=mailbox)
        told = self.lies.receipt(receipt)
        self.double._edge.append(leaf_hash(told.to_bcs()))
        message = sign(Intent.RECEIPT, wall_ms(), told.to_bcs(), self.double.receipt_key.sign).encode()
        self.answers[event.request_id] = Answered(status, self.lies.body(body), message, receipt, event.requester)
        self._held.setdefault(event.request_id, asyncio.Event()).set()

    async def settle(self, request_id: bytes, delivery: bytes = b"") -> None:
        receipt = self.lies.settle_as(self.answers[request_id].receipt)
        message = sign(Intent.RECEIPT, wall_ms(), receipt.to_bcs(), self.double.receipt_key.sign)
        commands = Builder()
        requests.store(
            self.contract,
            commands,
            self.slot,
            [request_id],
            [delivery],
            Statement(message.signing_bytes(), message.signature),
        )
        try:
            await self.operator.submitter.submit(commands)
        except TransactionFailedError as problem:
            print("not settled:", problem)

    async def _special(self, target: str, requester: bytes, connection: ServerConnection) -> bool:
        """`/daas/v1/answers/<id>?wait=SECONDS`; what is not there yet is answered as any L2 request."""
        if not target.startswith("/daas/v1/answers/"):
            return False
        self.asked += 1
        path, _, wait = target.removeprefix("/daas/v1/answers/").partition("?wait=")
        request_id = bytes.fromhex(path)
        held = self._held.setdefault(request_id, asyncio.Event())
        with suppress(TimeoutError):
            async with asyncio.timeout(float(wait)):
                await held.wait()
                if self.lies.lose:
                    await asyncio.sleep(0.1)
        found = None if self.lies.lose else self.answers.get(request_id)
        if found is None or found.requester != requester:
            self.double.answers[path_of(target)] = not_there()
            return False
        body = None if self.lies.forget else found.body
        stored = StoredAnswer(found.message, "application/json", ('299 - "mind this"',), body)
        self.double.answers[path_of(target)] = Answer(self.lies.stored(stored.to_bcs()), 200)
        return False


def path_of(target: str) -> str:
    return target.partition("?")[0]


def not_there() -> Answer:
    return Answer(b"{}", 404)


@dataclass
class Ground:
    """A served network with the package published, for several scenes."""

    network: Network
    served: ServedContract
    ca: DevelopmentCa
    root: Path
    url: str

    async def fund(self, one: Party, *amounts: int) -> None:
        await self.served.fund([one], *amounts)

    @asynccontextmanager
    async def scene(self, folder: Path, parameters: Parameters = QUICK, register: bool = True) -> AsyncIterator[Scene]:
        made = await self.make(folder, parameters, register)
        try:
            yield made
        finally:
            await made.close()

    async def make(self, folder: Path, parameters: Parameters = QUICK, register: bool = True) -> Scene:
        admin, operator, contract = self.served.admin, self.served.operator, self.served.contract
        new = NewCluster("test", 1, PCRS, [ANCHOR], parameters=parameters, operators=[operator.address])
        outcome = await admin.do(lambda commands: clusters.create(contract, commands, new, admin.address))
        ids = await created(self.network, outcome)
        by = Administered(ids["Cluster"], ids["AdminCap"])
        outcome = await operator.do(lambda commands: slots.create(contract, commands, by.cluster))
        slot = Slot((await created(self.network, outcome))["Enclave"], by.cluster, ids["StakePool"])
        await operator.do(
            lambda commands: stakes.deposit_operator(
                contract, commands, slot.pool, slot.cluster, slot.enclave, 20 * SUI
            )
        )
        folder.mkdir(parents=True, exist_ok=True)
        double = EnclaveDouble(folder, self.ca)
        key = RequestKey(os.urandom(32))
        double.package_id, double.cluster_id, double.enclave_id = contract.original, slot.cluster, slot.enclave
        double.binding = replace(
            double.binding,
            package_id=contract.original,
            cluster_id=slot.cluster,
            enclave_id=slot.enclave,
            request_key_sha256=hashlib.sha256(key.public_bytes).digest(),
        )
        write_measurements(folder / "measurements.json")
        deployment = Deployment(
            network=self.url,
            chain_id=self.network.chain_id,
            package=contract.package,
            original=contract.original,
            governance=self.served.ids["Governance"],
            cluster=slot.cluster,
            stake_pool=slot.pool,
            worker_registry=ids["WorkerRegistry"],
            enclave=slot.enclave,
        )
        (folder / "deployment.json").write_bytes(deployment.to_json())
        scene = Scene(self.network, self.served, double, operator, by, slot, deployment, folder, key, ids["VetoCap"])
        await double.start()
        if register:
            await scene.register()
        scene.run()
        return scene


@asynccontextmanager
async def ground(folder: Path) -> AsyncIterator[Ground]:
    """`folder`: of a development CA."""
    ca = DevelopmentCa.load(folder)
    opened = open_network(Options(nitro_anchor=ca.anchor), built(), wall_ms())
    running = await serve(opened.network, pace=Pace(0.02, 0.05))
    url = f"http://127.0.0.1:{running.port}"
    try:
        async with await Network.open(Endpoint.parse(url)) as network:
            admin, operator = (party(network, Ed25519PrivateKey.generate()) for _ in range(2))
            faucet = Faucet(running.node, opened.faucet)
            for one in (admin, operator):
                faucet.give(one.address)
            served = ServedContract(network, ca, admin, operator)
            await served.publish()
            yield Ground(network, served, ca, folder / "root.pem", url)
    finally:
        await running.close()


__all__ = ["QUICK", "Answered", "BcsError", "Ground", "Lies", "Scene", "ground"]

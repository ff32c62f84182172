"""The contract on a served network, set up and used through our own client: cluster, slot with a boot, requesters."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daas_attestation.development_ca import DevelopmentCa
from daas_attestation.simulated import SimulatedNsm
from daas_chain.calls import clusters, requests, slots, stakes
from daas_chain.calls.clusters import Administered, NewCluster
from daas_chain.calls.requests import Command
from daas_chain.calls.slots import Slot, Statement
from daas_chain.contract import Contract
from daas_chain.events_mailbox import K8sAPIRequest
from daas_chain.heads import Event
from daas_chain.network.client import Network
from daas_chain.network.failure import AbortBook
from daas_chain.network.gas import GasCoins
from daas_chain.network.records import Executed
from daas_chain.network.submit import Payment, Submitter
from daas_chain.sui.builder import GAS, Builder
from daas_chain.sui.effects import EffectsV2, IdOperation, PackageWrite
from daas_chain.sui.objects import MoveObject, type_of
from daas_chain.sui.signing import Ed25519Signer
from daas_chain.type_tags import decode_event
from daas_chain.values import Parameters
from daas_protocol.binding import EnclaveBinding
from daas_protocol.intents import ReceiptBatch
from daas_protocol.receipt import Intent, MailboxRef, Receipt, sign

from .move_world import FEE, built

PUBLISHING = Payment(ceiling=10 * 10**9)
ONCE = Payment(budget=200_000_000)
"""For what is measured: no simulation before it."""
ANCHOR = bytes(range(32))
REQUEST_KEY = bytes([9]) * 1_216
BOOT = bytes([1]) * 16
MEASUREMENTS = {number: bytes([number + 1]) * 48 for number in range(3)}
RECEIPT_KEY = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)
SUI = 10**9


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class Party:
    """Somebody with a key and coins."""

    submitter: Submitter
    token: bytes = b""

    @property
    def address(self) -> bytes:
        return self.submitter.signer.address

    async def do(self, fill: Callable[[Builder], object], payment: Payment | None = None) -> Executed:
        commands = Builder()
        fill(commands)
        return await self.submitter.submit(commands, payment)


def party(network: Network, key: Ed25519PrivateKey, sponsor: Ed25519PrivateKey | None = None) -> Party:
    signer = Ed25519Signer(key)
    payer = signer if sponsor is None else Ed25519Signer(sponsor)
    book = AbortBook()
    return Party(
        Submitter(network, signer, GasCoins(network, payer.address), payer if sponsor is not None else None, book)
    )


async def created(network: Network, outcome: Executed) -> dict[str, bytes]:
    """Ids of created objects by the names of their types."""
    assert isinstance(outcome.effects, EffectsV2)
    ids = [
        object_id
        for object_id, change in outcome.effects.changed_objects
        if change.id_operation is IdOperation.CREATED and not isinstance(change.after, PackageWrite)
    ]
    found = await network.objects(ids)
    return {
        type_of(held.object.data.type).name: object_id
        for object_id, held in found.items()
        if isinstance(held.object.data, MoveObject)
    }


@dataclass(slots=True)
class ServedContract:
    """`admin` has published and administers, `operator` owns the slot."""

    network: Network
    ca: DevelopmentCa
    admin: Party
    operator: Party
    contract: Contract = field(init=False)
    by: Administered = field(init=False)
    slot: Slot = field(init=False)
    ids: dict[str, bytes] = field(default_factory=dict)
    parameters: Parameters | None = None
    _sequence: count[int] = field(default_factory=count)

    async def set_up(self) -> None:
        await self.publish()
        await self.make_cluster()
        await self.make_slot()
        await self.register()

    async def publish(self) -> None:
        artifacts = built()

        def fill(commands: Builder) -> None:
            modules = [one.bytecode for one in artifacts.package.modules]
            commands.transfer([commands.publish(modules, artifacts.package.dependencies)], self.admin.address)

        outcome = await self.admin.do(fill, PUBLISHING)
        assert isinstance(outcome.effects, EffectsV2)
        package = next(id_ for id_, one in outcome.effects.changed_objects if isinstance(one.after, PackageWrite))
        self.contract = Contract.of(artifacts, package)
        self.ids = await created(self.network, outcome)
        for one in (self.admin, self.operator):
            self.adopt(one)

    def adopt(self, one: Party) -> None:
        """Failures are told to it by the contract's names."""
        one.submitter.book = AbortBook.of(built(), [self.contract.package])

    async def make_cluster(self) -> None:
        new = NewCluster(
            "test", 1, MEASUREMENTS, [ANCHOR], parameters=self.parameters, operators=[self.operator.address]
        )
        outcome = await self.admin.do(
            lambda commands: clusters.create(self.contract, commands, new, self.admin.address)
        )
        self.ids |= await created(self.network, outcome)
        self.by = Administered(self.ids["Cluster"], self.ids["AdminCap"])

    async def make_slot(self) -> None:
        outcome = await self.operator.do(lambda commands: slots.create(self.contract, commands, self.by.cluster))
        self.ids |= await created(self.network, outcome)
        self.slot = Slot(self.ids["Enclave"], self.by.cluster, self.ids["StakePool"])
        await self.operator.do(
            lambda commands: stakes.deposit_operator(
                self.contract, commands, self.slot.pool, self.slot.cluster, self.slot.enclave, 50 * SUI
            )
        )

    def document(self, boot: bytes = BOOT, generation: int = 0, now_ms: int | None = None) -> bytes:
        at = wall_ms() if now_ms is None else now_ms
        nsm = SimulatedNsm(self.ca, MEASUREMENTS, lambda: at, os.urandom)
        binding = EnclaveBinding(
            self.contract.original,
            self.slot.cluster,
            self.slot.enclave,
            boot,
            ANCHOR,
            sha(REQUEST_KEY),
            sha(b"certificate"),
        )
        return nsm.attestation(
            nonce=bytes(24) + generation.to_bytes(8, "big"),
            user_data=binding.to_bcs(),
            public_key=RECEIPT_KEY.public_key().public_bytes_raw(),
        )

    async def register(self) -> Executed:
        return await self.operator.do(
            lambda commands: slots.register(self.contract, commands, self.slot, self.document(), REQUEST_KEY)
        )

    async def admit(self, one: Party, grants: Sequence[str] = ("*:*",), seconds: float = 86_400) -> None:
        """Gives it a stake and a token, for everything unless `grants` say otherwise."""
        self.adopt(one)
        await one.do(
            lambda commands: stakes.deposit_requester(
                self.contract, commands, self.slot.pool, self.slot.cluster, 10 * SUI
            )
        )
        outcome = await self.admin.do(
            lambda commands: clusters.issue_token(
                self.contract,
                commands,
                self.by,
                one.address,
                grants,
                sha(b"commitment"),
                wall_ms() + int(seconds * 1_000),
            )
        )
        one.token = (await created(self.network, outcome))["AccessToken"]

    async def fund(self, parties: Sequence[Party], *amounts: int) -> None:
        """From the admin's coins."""

        def fill(commands: Builder) -> None:
            for one in parties:
                commands.transfer(commands.split(GAS, amounts), one.address)

        await self.admin.do(fill)

    def command(self, request_id: bytes, size: int = 2_560, seconds: float = 180.0) -> Command:
        """A request with so many bytes of ciphertext on chain."""
        return Command(
            verb="create",
            group="",
            resource="configmaps",
            subresource="",
            namespace="default",
            request_id=request_id,
            request_digest=sha(request_id),
            deadline_ms=wall_ms() + int(seconds * 1_000),
            request_key_id=1,
            payload=bytes([7]) * size,
            fee=FEE,
        )

    def asking(self, one: Party, asked: Sequence[Command]) -> Builder:
        commands = Builder()
        requests.execute(self.contract, commands, self.slot, one.token, asked)
        return commands

    def number_of(self, outcome: Executed) -> int:
        """In the mailbox, of the one request of a transaction."""
        package = {self.contract.original}
        for one in outcome.events:
            event = decode_event(str(one.type), one.contents, package)
            if isinstance(event, Event) and isinstance(event.body, K8sAPIRequest):
                return event.body.mailbox_seq
        raise LookupError("the transaction has made no request")

    def settling(self, one: Party, asked: Sequence[tuple[int, Command]]) -> Builder:
        """Receipts for requests by their numbers in the mailbox, in one message."""
        batch = tuple(
            Receipt(
                enclave_id=self.slot.enclave,
                boot_id=BOOT,
                sequence=next(self._sequence),
                request_digest=command.request_digest,
                requester=one.address,
                mailbox=MailboxRef(seq=number, round_checkpoint=1, revision=number + 1, delivery_digest=None),
                status=201,
                body_digest=sha(b"body"),
                body_length=4,
                log_root=sha(b"root"),
            )
            for number, command in asked
        )
        if len(batch) == 1:
            message = sign(Intent.RECEIPT, wall_ms(), batch[0].to_bcs(), RECEIPT_KEY.sign)
        else:
            message = sign(Intent.RECEIPT_BATCH, wall_ms(), ReceiptBatch(batch).to_bcs(), RECEIPT_KEY.sign)
        commands = Builder()
        requests.store(
            self.contract,
            commands,
            self.slot,
            [command.request_id for _, command in asked],
            [b""] * len(batch),
            Statement(message.signing_bytes(), message.signature),
        )
        return commands

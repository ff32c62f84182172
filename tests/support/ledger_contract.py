"""The contract on a ledger, as its users set it up: a cluster, a slot with a boot, stakes, tokens for requesters."""

from __future__ import annotations

import hashlib
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daas_attestation.development_ca import DevelopmentCa
from daas_attestation.simulated import SimulatedNsm
from daas_chain.sui import transaction as tx
from daas_chain.sui.types import StructTag
from daas_localnet.ledger.settle import Outcome
from daas_localnet.ledger.sqlite import SqliteStore
from daas_localnet.ledger.store import MemoryStore
from daas_protocol.bcs import encode_bytes
from daas_protocol.binding import EnclaveBinding
from daas_protocol.intents import ReceiptBatch
from daas_protocol.receipt import Intent, MailboxRef, Receipt, sign

from .ledger_world import ALICE, BOB, START_MS, SUI, Block, LedgerWorld, strings, u64
from .move_world import FEE, built

ANCHOR = bytes(range(32))
REQUEST_KEY = bytes([9]) * 1_216
BOOT = bytes([1]) * 16
SIGNER = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)
WORDS = (b"create", b"", b"configmaps", b"", b"default")
BUDGET = 10**9


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


class ContractWorld(LedgerWorld):
    """ALICE administers, BOB operates the slot and asks."""

    def __init__(self, store: MemoryStore | SqliteStore | None = None) -> None:
        super().__init__(store)
        self.package, _ = self.publish([one.bytecode for one in built().package.modules])
        self._cluster()
        self._slot()
        self._register()

    def _done(self, block: Block, sender: bytes) -> Outcome:
        outcome = self.run(block, sender)
        assert outcome.succeeded, outcome.reason
        return outcome

    def _cluster(self) -> None:
        block, package = self.block(), self.package
        pcrs = [
            block.call(package, "pcr::new", block.pure(bytes([n])), block.pure(encode_bytes(bytes([n + 1] * 48))))
            for n in range(3)
        ]
        made = block.call(
            package,
            "cluster::create",
            block.pure(encode_bytes(b"test")),
            block.call(package, "params::default"),
            block.pure(u64(1)),
            block.command(tx.MakeMoveVec(StructTag(package, "pcr", "Pcr"), tuple(pcrs))),
            block.pure(strings([ANCHOR])),
            block.clock(),
        )
        cluster, admin, veto = (tx.NestedResult(made.command, index) for index in range(3))
        pool = block.call(package, "stake::create_pool", cluster, admin)
        registry = block.call(package, "worker_registry::create_registry", cluster, admin)
        block.call(package, "cluster::admit_operator", cluster, admin, block.pure(BOB), block.pure(b"\1"))
        block.call(package, "cluster::share", cluster)
        block.call(package, "stake::share_pool", pool)
        block.call(package, "worker_registry::share_registry", registry)
        block.transfer(ALICE, admin, veto)
        outcome = self._done(block, ALICE)
        self.cluster, self.pool = self.created(outcome, "Cluster"), self.created(outcome, "StakePool")
        self.admin, self.registry = self.created(outcome, "AdminCap"), self.created(outcome, "WorkerRegistry")

    def _slot(self) -> None:
        block = self.block()
        block.call(
            self.package,
            "enclave::share_slot",
            block.call(self.package, "enclave::create_slot", self.in_cluster(block)),
        )
        self.enclave = self.created(self._done(block, BOB), "Enclave")
        block = self.block()
        pool, cluster = block.object(self.pool), self.in_cluster(block, mutable=False)
        stakes = block.split(tx.GasCoin(), 50 * 10**9, 10 * 10**9)
        block.call(self.package, "stake::deposit_operator", pool, cluster, block.pure(self.enclave), stakes[0])
        block.call(self.package, "stake::deposit_requester", pool, cluster, stakes[1])
        self._done(block, BOB)
        self.token = self.issue(BOB)

    def in_cluster(self, block: Block, *, mutable: bool = True) -> tx.InputArgument:
        return block.object(self.cluster, mutable=mutable)

    def issue(self, owner: bytes) -> bytes:
        block = self.block()
        block.call(
            self.package,
            "access::issue",
            self.in_cluster(block),
            block.object(self.admin),
            block.pure(owner),
            block.pure(strings([b"*:*"])),
            block.pure(encode_bytes(sha(b"commitment"))),
            block.pure(u64(START_MS + 86_400_000)),
            block.clock(),
        )
        return self.created(self._done(block, ALICE), "AccessToken")

    def _register(self) -> None:
        ca = DevelopmentCa.generate(START_MS)
        self.ledger.nitro_anchor = ca.anchor
        nsm = SimulatedNsm(ca, {n: bytes([n + 1] * 48) for n in range(3)}, lambda: START_MS, lambda n: bytes(n))
        binding = EnclaveBinding(
            self.package, self.cluster, self.enclave, BOOT, ANCHOR, sha(REQUEST_KEY), sha(b"certificate")
        )
        document = nsm.attestation(
            nonce=bytes(32), user_data=binding.to_bcs(), public_key=SIGNER.public_key().public_bytes_raw()
        )
        block = self.block()
        loaded = block.call(
            SUI, "nitro_attestation::load_nitro_attestation", block.pure(encode_bytes(document)), block.clock()
        )
        block.call(
            self.package,
            "enclave::register",
            block.object(self.enclave),
            self.in_cluster(block),
            block.object(self.pool, mutable=False),
            loaded,
            block.pure(encode_bytes(REQUEST_KEY)),
            block.clock(),
        )
        self._done(block, BOB)

    def request(self, block: Block, number: int, size: int = 1_500, fee: int = FEE, token: bytes | None = None) -> None:
        """Request `number` from 1, with `size` bytes on chain, paid with the gas coin."""
        identifier = number.to_bytes(16, "big")
        payload = block.call(self.package, "command::on_chain", block.pure(encode_bytes(bytes([7]) * size)))
        command = block.call(
            self.package,
            "command::new",
            *(block.pure(encode_bytes(word)) for word in WORDS),
            block.pure(encode_bytes(identifier)),
            block.pure(encode_bytes(sha(identifier))),
            block.pure(u64(START_MS + 180_000)),
            block.pure(b"\5"),
            block.pure(b"\0"),
            block.pure(u64(1)),
            payload,
            block.pure(u64(fee)),
        )
        block.call(
            self.package,
            "mailbox::execute_kubectl_command",
            block.object(self.enclave),
            self.in_cluster(block, mutable=False),
            block.object(self.pool, mutable=False),
            block.object(self.token if token is None else token),
            command,
            tx.GasCoin(),
            block.clock(),
        )

    def receipts(self, block: Block, numbers: range, requester: bytes = BOB) -> None:
        """Receipts of the requests with these numbers, in one message."""
        batch = tuple(
            Receipt(
                enclave_id=self.enclave,
                boot_id=BOOT,
                sequence=number,
                request_digest=sha(number.to_bytes(16, "big")),
                requester=requester,
                mailbox=MailboxRef(seq=number - 1, round_checkpoint=100, revision=number, delivery_digest=None),
                status=201,
                body_digest=sha(b"body"),
                body_length=4,
                log_root=sha(b"root"),
            )
            for number in numbers
        )
        single = len(batch) == 1
        intent = Intent.RECEIPT if single else Intent.RECEIPT_BATCH
        body: Any = batch[0] if single else ReceiptBatch(batch)
        message = sign(intent, START_MS, body.to_bcs(), SIGNER.sign)
        block.call(
            self.package,
            "mailbox::store_k8s_response",
            block.object(self.enclave),
            self.in_cluster(block, mutable=False),
            block.pure(strings([number.to_bytes(16, "big") for number in numbers])),
            block.pure(strings([b""] * len(batch))),
            block.pure(encode_bytes(message.signing_bytes())),
            block.pure(encode_bytes(message.signature)),
            block.clock(),
        )

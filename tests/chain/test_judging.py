"""Promise: reports and anchors are calls that the published contract takes, and it takes the stake."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daas_attestation.development_ca import DevelopmentCa
from daas_chain.calls import judging, packages, pure, slots
from daas_chain.calls.judging import Claim
from daas_chain.network.client import Network
from daas_chain.network.endpoint import Endpoint
from daas_chain.network.failure import AbortBook, TransactionFailedError
from daas_chain.notices import BootSlashedEvent, WorkerSlashedEvent
from daas_chain.objects import Enclave
from daas_chain.sui.builder import GAS, Builder, UnresolvedError, Use
from daas_chain.sui.effects import EffectsV2, PackageWrite
from daas_chain.type_tags import decode_event
from daas_localnet.opening import Options, open_network
from daas_localnet.rpc.faucet import Faucet
from daas_localnet.rpc.server import Pace, serve
from daas_protocol.intents import ReceiptBatch, WorkerStatement
from daas_protocol.log import MerkleTree, TreeHead
from daas_protocol.receipt import Intent, Receipt, SignedMessage, leaf_hash, sign
from support.move_world import built
from support.served_contract import (
    BOOT,
    PUBLISHING,
    RECEIPT_KEY,
    REQUEST_KEY,
    SUI,
    ServedContract,
    created,
    party,
    sha,
    wall_ms,
)

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]
WORKER_KEY = Ed25519PrivateKey.from_private_bytes(bytes([6]) * 32)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[ServedContract]:
    ca = DevelopmentCa.generate(wall_ms())
    opened = open_network(Options(nitro_anchor=ca.anchor), built(), wall_ms())
    running = await serve(opened.network, pace=Pace(0.02, 0.05))
    try:
        async with await Network.open(Endpoint.parse(f"http://127.0.0.1:{running.port}")) as network:
            admin, operator = (party(network, Ed25519PrivateKey.generate()) for _ in range(2))
            faucet = Faucet(running.node, opened.faucet)
            for one in (admin, operator):
                faucet.give(one.address)
            made = ServedContract(network, ca, admin, operator)
            await made.set_up()
            yield made
    finally:
        await running.close()


def receipt(world: ServedContract, boot: bytes, sequence: int, root: bytes, status: int = 200) -> Receipt:
    return Receipt(
        world.slot.enclave, boot, sequence, sha(bytes([sequence])), bytes([5]) * 32, None, status, sha(b""), 0, root
    )


def log(world: ServedContract, boot: bytes) -> tuple[MerkleTree, list[Receipt]]:
    tree, found = MerkleTree(), []
    for sequence in range(7):
        found.append(receipt(world, boot, sequence, tree.root()))
        tree.append(leaf_hash(found[-1].to_bcs()))
    return tree, found


def statement(message: SignedMessage) -> slots.Statement:
    return slots.Statement(message.signing_bytes(), message.signature)


def said(one: Receipt | TreeHead, index: int = 0) -> Claim:
    intent = Intent.RECEIPT if isinstance(one, Receipt) else Intent.TREE_HEAD
    return Claim(statement(sign(intent, wall_ms(), one.to_bcs(), RECEIPT_KEY.sign)), index)


async def next_boot(world: ServedContract, number: int) -> bytes:
    """A new one in the slot, with a stake that is left."""
    held = Enclave.decode((await world.network.object(world.slot.enclave)).contents)
    boot = bytes([number]) * 16
    document = world.document(boot, held.generation)
    await world.operator.do(
        lambda commands: slots.register(world.contract, commands, world.slot, document, REQUEST_KEY)
    )
    return boot


async def test_a_receipt_that_contradicts_one_in_a_batch(world: ServedContract) -> None:
    _, honest = log(world, BOOT)
    batch = ReceiptBatch((honest[0], honest[1], honest[2]))
    message = sign(Intent.RECEIPT_BATCH, wall_ms(), batch.to_bcs(), RECEIPT_KEY.sign)
    lie = said(replace(honest[2], status=500))
    outcome = await world.admin.do(
        lambda commands: judging.report_equivocation(
            world.contract, commands, world.slot, BOOT, Claim(statement(message), 2), lie
        )
    )
    (event,) = [
        found
        for one in outcome.events
        if isinstance(found := decode_event(str(one.type), one.contents, {world.contract.original}), BootSlashedEvent)
    ]
    assert (event.kind, event.slashed, event.reporter) == (0, 25 * SUI, world.admin.address)
    with pytest.raises(TransactionFailedError, match="slashing::EOtherSequence"):
        await world.admin.do(
            lambda commands: judging.report_equivocation(
                world.contract, commands, world.slot, BOOT, Claim(statement(message), 1), lie
            )
        )


async def test_another_leaf_and_another_root_than_the_anchored(world: ServedContract) -> None:
    boot = await next_boot(world, 2)
    tree, honest = log(world, boot)
    head = TreeHead(world.slot.enclave, boot, 5, tree.root(5))
    await world.admin.do(
        lambda commands: judging.anchor_tree_head(world.contract, commands, world.slot, said(head).statement)
    )
    larger = TreeHead(world.slot.enclave, boot, 7, tree.root(7))
    with pytest.raises(TransactionFailedError, match="audit::EInconsistent"):
        await world.admin.do(
            lambda commands: judging.anchor_tree_head(world.contract, commands, world.slot, said(larger).statement)
        )
    await world.admin.do(
        lambda commands: judging.anchor_tree_head(
            world.contract, commands, world.slot, said(larger).statement, tree.consistency_proof(5, 7)
        )
    )
    lie = said(TreeHead(world.slot.enclave, boot, 3, sha(b"no root")))
    with pytest.raises(TransactionFailedError, match="slashing::EProof"):
        await world.admin.do(
            lambda commands: judging.report_other_root(
                world.contract, commands, world.slot, boot, lie, sha(b"x"), tree.consistency_proof(3, 7)
            )
        )
    await world.admin.do(
        lambda commands: judging.report_other_root(
            world.contract, commands, world.slot, boot, lie, tree.root(3), tree.consistency_proof(3, 7)
        )
    )
    other = said(replace(honest[2], status=500))
    with pytest.raises(TransactionFailedError, match="slashing::EAlreadySlashed"):
        await world.admin.do(
            lambda commands: judging.report_other_leaf(
                world.contract,
                commands,
                world.slot,
                boot,
                other,
                leaf_hash(honest[2].to_bcs()),
                tree.inclusion_proof(2, 7),
            )
        )


async def test_a_worker_that_says_two_things(world: ServedContract) -> None:
    contract, registry = world.contract, world.ids["WorkerRegistry"]

    def register(commands: Builder) -> None:
        contract.call(
            commands,
            "worker_registry::stake_and_register_worker",
            Use(registry),
            Use(world.slot.cluster),
            Use(world.slot.pool),
            commands.split(GAS, (SUI,))[0],
            pure.text("node-1"),
            pure.octets(sha(b"commitment")),
            pure.octets(bytes([8]) * 32),
            pure.octets(WORKER_KEY.public_key().public_bytes_raw()),
            commands.clock(),
        )

    await world.operator.do(register)

    def says(digest: bytes) -> slots.Statement:
        one = WorkerStatement(world.slot.cluster, "node-1", 3, digest)
        return statement(sign(Intent.WORKER_STATEMENT, wall_ms(), one.to_bcs(), WORKER_KEY.sign))

    def report(commands: Builder, one: slots.Statement, other: slots.Statement) -> None:
        judging.report_worker_fault(
            contract, commands, registry, world.slot, world.operator.address, "node-1", one, other
        )

    with pytest.raises(TransactionFailedError, match="slashing::ESameContent"):
        await world.admin.do(lambda commands: report(commands, says(sha(b"a")), says(sha(b"a"))))
    outcome = await world.admin.do(lambda commands: report(commands, says(sha(b"a")), says(sha(b"b"))))
    assert any(
        isinstance(decode_event(str(one.type), one.contents, {contract.original}), WorkerSlashedEvent)
        for one in outcome.events
        if one.type.name == "WorkerSlashedEvent"
    )


async def test_whoever_publishes_gives_the_upgrade_cap_away_once(world: ServedContract) -> None:
    artifacts = built()
    outcome = await world.admin.do(
        lambda commands: packages.publish(artifacts, commands, world.admin.address), PUBLISHING
    )
    ids = await created(world.network, outcome)
    effects = outcome.effects
    assert isinstance(effects, EffectsV2)
    package = next(id_ for id_, one in effects.changed_objects if isinstance(one.after, PackageWrite))
    other = type(world.contract).of(artifacts, package)
    world.admin.submitter.book = AbortBook.of(artifacts, [package, world.contract.package])

    def hand(commands: Builder) -> None:
        packages.hand_over(other, commands, ids["Governance"], ids["GovernanceCap"], ids["UpgradeCap"], 1_000)

    await world.admin.do(hand)
    with pytest.raises(UnresolvedError):
        await world.admin.do(hand)

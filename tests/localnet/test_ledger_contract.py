"""Promises: the compiled contract is published, set up and used in programmable transactions, as on a real network."""

from __future__ import annotations

import pytest

from daas_chain.abort import decode_abort
from daas_chain.bytecode import read_module
from daas_chain.sui import transaction as tx
from daas_chain.sui.digests import Hashed, digest, fresh_id
from daas_chain.sui.effects import Existed, IdOperation, NotExist, ObjectWrite, PackageWrite, ReadOnlyRoot
from daas_chain.sui.events import EVENTS
from daas_chain.sui.status import Failure, FailureKind
from daas_chain.sui.storage import storage_cost
from daas_chain.sui.types import AddressOwner, ImmutableOwner, ObjectOwner, SharedOwner, StructTag
from daas_localnet.ledger.genesis import CLOCK
from daas_localnet.ledger.settle import Outcome
from daas_protocol.bcs import encode_bytes
from support.ledger_world import ALICE, BOB, START_MS, Block, LedgerWorld, strings, u64
from support.move_world import built

SOME_HASH = bytes(range(32))


class Published(LedgerWorld):
    """ALICE has published the package and set up a cluster."""

    def __init__(self) -> None:
        super().__init__()
        self.package, self.publication = self.publish([one.bytecode for one in built().package.modules])

    def create(self, block: Block) -> tx.Result:
        pcrs = [
            block.call(self.package, "pcr::new", block.pure(bytes([n])), block.pure(encode_bytes(bytes([n + 1] * 48))))
            for n in range(3)
        ]
        return block.call(
            self.package,
            "cluster::create",
            block.pure(encode_bytes(b"test")),
            block.call(self.package, "params::default"),
            block.pure(u64(1)),
            block.command(tx.MakeMoveVec(StructTag(self.package, "pcr", "Pcr"), tuple(pcrs))),
            block.pure(strings([SOME_HASH])),
            block.clock(),
        )

    def setup(self) -> Outcome:
        block = self.block()
        made = self.create(block)
        cluster, admin, veto = (tx.NestedResult(made.command, index) for index in range(3))
        pool = block.call(self.package, "stake::create_pool", cluster, admin)
        registry = block.call(self.package, "worker_registry::create_registry", cluster, admin)
        block.call(self.package, "cluster::admit_operator", cluster, admin, block.pure(BOB), block.pure(b"\1"))
        block.call(self.package, "cluster::share", cluster)
        block.call(self.package, "stake::share_pool", pool)
        block.call(self.package, "worker_registry::share_registry", registry)
        block.transfer(ALICE, admin, veto)
        outcome = self.run(block)
        assert outcome.succeeded, outcome.reason
        self.cluster, self.pool = self.created(outcome, "Cluster"), self.created(outcome, "StakePool")
        self.admin, self.registry = self.created(outcome, "AdminCap"), self.created(outcome, "WorkerRegistry")
        return outcome


@pytest.fixture
def world() -> Published:
    return Published()


def test_a_published_package_has_its_id_and_inits_and_costs_what_its_bytes_cost(world: Published) -> None:
    effects = world.publication.effects
    assert world.package == fresh_id(effects.transaction_digest, 0)
    found = world.get(world.package)
    package = found.package
    assert package is not None
    assert (found.owner, found.version) == (ImmutableOwner(), 1)
    assert {name for name, _ in package.modules} == {one.name for one in built().package.modules}
    assert all(read_module(code).address == world.package for _, code in package.modules)
    assert storage_cost(found.value) == built().package.stored_size * 7_600 == found.value.storage_rebate
    changes = dict(effects.changed_objects)
    assert changes[world.package].after == PackageWrite(1, found.digest)
    capability = world.get(world.created(world.publication, "UpgradeCap"))
    assert capability.owner == AddressOwner(ALICE)
    assert capability.move is not None
    assert capability.move.contents[32:] == world.package + u64(1) + b"\0"
    # `init` of access, stake and governance: displays, publishers, the governance and its capabilities.
    assert isinstance(world.get(world.created(world.publication, "Governance")).owner, SharedOwner)
    assert world.get(world.created(world.publication, "GovernanceCap")).owner == AddressOwner(ALICE)


def test_a_cluster_is_made_and_shared_in_one_transaction(world: Published) -> None:
    outcome = world.setup()
    effects = outcome.effects
    for object_id in (world.cluster, world.pool, world.registry):
        found = world.get(object_id)
        assert found.owner == SharedOwner(effects.lamport_version)
        assert found.version == effects.lamport_version
    assert world.get(world.admin).owner == AddressOwner(ALICE)
    assert effects.unchanged_consensus == ((CLOCK, ReadOnlyRoot(world.get(CLOCK).version, world.get(CLOCK).digest)),)
    # Ids of tables are made and are no objects of their own.
    wrapped = [
        change
        for _, change in effects.changed_objects
        if (change.before, change.after, change.id_operation) == (NotExist(), NotExist(), IdOperation.CREATED)
    ]
    assert len(wrapped) >= 5
    created = {id_ for id_, change in effects.changed_objects if change.id_operation is IdOperation.CREATED}
    assert created == {fresh_id(effects.transaction_digest, number) for number in range(len(created))}
    assert effects.events_digest == digest(Hashed.EVENTS, EVENTS.encode(outcome.events))
    assert outcome.events
    for event in outcome.events:
        assert (event.package_id, event.sender) == (world.package, ALICE)
        assert event.type.address == world.package
    assert effects.dependencies == tuple(sorted(effects.dependencies))
    assert world.publication.effects.transaction_digest in effects.dependencies


def test_slots_stakes_and_tokens_are_objects_of_their_owners(world: Published) -> None:
    world.setup()
    block = world.block()
    slot = block.call(world.package, "enclave::create_slot", block.object(world.cluster))
    block.call(world.package, "enclave::share_slot", slot)
    outcome = world.run(block, BOB)
    assert outcome.succeeded, outcome.reason
    enclave = world.created(outcome, "Enclave")
    children = [one for one in outcome.batch.written if isinstance(one.owner, ObjectOwner)]
    assert all(one.owner != ObjectOwner(bytes(32)) for one in children)

    block = world.block()
    block.call(
        world.package,
        "stake::deposit_requester",
        block.object(world.pool),
        block.object(world.cluster, mutable=False),
        *block.split(tx.GasCoin(), 10 * 10**9),
    )
    outcome = world.run(block, BOB)
    assert outcome.succeeded, outcome.reason
    assert world.get(world.created(outcome, "StakeProof")).owner == AddressOwner(BOB)
    stakes = [one for one in outcome.batch.written if one.type is not None and one.type.name == "Field"]
    assert len(stakes) == 1
    assert isinstance(stakes[0].owner, ObjectOwner)
    assert (world.cluster, ReadOnlyRoot(world.get(world.cluster).version, world.get(world.cluster).digest)) in (
        outcome.effects.unchanged_consensus
    )

    block = world.block()
    block.call(
        world.package,
        "access::issue",
        block.object(world.cluster),
        block.object(world.admin),
        block.pure(BOB),
        block.pure(strings([b"*:*"])),
        block.pure(encode_bytes(SOME_HASH)),
        block.pure(u64(START_MS + 86_400_000)),
        block.clock(),
    )
    outcome = world.run(block)
    assert outcome.succeeded, outcome.reason
    token = world.get(world.created(outcome, "AccessToken"))
    assert token.owner == AddressOwner(BOB)
    assert token.move is not None
    assert not token.move.has_public_transfer
    assert world.get(enclave).owner == SharedOwner(world.get(enclave).version)

    # The field is read in another transaction, and written: it keeps its id and has the new version.
    block = world.block()
    block.call(
        world.package,
        "access::revoke",
        block.object(world.cluster),
        block.object(world.admin),
        block.pure(token.object_id),
    )
    outcome = world.run(block)
    assert outcome.succeeded, outcome.reason
    record = next(one for one in outcome.batch.written if one.owner == ObjectOwner(world.cluster))
    change = dict(outcome.effects.changed_objects)[record.object_id]
    assert isinstance(change.before, Existed)
    assert change.after == ObjectWrite(record.digest, ObjectOwner(world.cluster))
    assert change.id_operation is IdOperation.NONE

    # A token without `store` is not for TransferObjects.
    block = world.block()
    block.transfer(ALICE, block.object(token.object_id))
    assert isinstance(failed := world.run(block, BOB).effects.status, Failure)
    assert failed.kind is FailureKind.COMMAND_ARGUMENT_ERROR


def test_an_abort_has_the_contracts_name_and_charges_gas_only(world: Published) -> None:
    world.setup()
    before = {one.object_id: one for one in world.store}
    block = world.block()
    made = block.split(tx.GasCoin(), 5)
    block.transfer(BOB, *made)
    block.call(world.package, "enclave::create_slot", block.object(world.cluster))
    outcome = world.run(block, ALICE)
    status = outcome.effects.status
    assert isinstance(status, Failure)
    assert (status.kind, status.command) == (FailureKind.MOVE_ABORT, 2)
    location, code = status.detail
    assert (location.package, location.module) == (world.package, "enclave")
    module = next(one.module for one in built().package.modules if one.name == "enclave")
    assert decode_abort(module, code).name == "ENotAdmitted"
    assert outcome.events == ()
    assert outcome.effects.events_digest is None
    gas_id = outcome.effects.changed_objects[outcome.effects.gas_object_index or 0][0]
    assert {one.object_id for one in outcome.batch.written} == {world.cluster, gas_id}
    assert outcome.batch.removed == ()
    cluster = world.get(world.cluster)
    assert cluster.version == outcome.effects.lamport_version
    assert cluster.value.data.contents == before[world.cluster].value.data.contents  # type: ignore[union-attr]
    assert {id_: one for id_, one in before.items() if id_ not in (world.cluster, gas_id)} == {
        one.object_id: one for one in world.store if one.object_id not in (world.cluster, gas_id)
    }


def test_a_value_that_must_be_used_and_is_not_undoes_everything(world: Published) -> None:
    block = world.block()
    made = world.create(block)
    block.transfer(ALICE, tx.NestedResult(made.command, 1), tx.NestedResult(made.command, 2))
    status = world.run(block).effects.status
    assert status == Failure((FailureKind.UNUSED_VALUE_WITHOUT_DROP, (made.command, 0)), None)

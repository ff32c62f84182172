"""Objects of `world::serving` as their contents must stand in BCS, for both sides of the golden test.

Invariant: ids follow from the transactions of `world.move`, as in `support.move_signing`.
"""

from daas_chain.events_access import TokenIssued
from daas_chain.events_cluster import ClusterCreated
from daas_chain.heads import ChainHead
from daas_chain.layout import MoveStruct, Table
from daas_chain.objects import AccessToken, Cluster, Enclave, Mailbox, Policy, StakePool, StakeProof, WorkerRegistry
from daas_chain.values import Boot, StakeKey
from support.move_signing import CLUSTER, CLUSTER_HINT, ENCLAVE, SLOT_HINT, START_MS, USER, object_id

POOL, REGISTRY = object_id(CLUSTER_HINT, 3), object_id(CLUSTER_HINT, 5)
TOKEN = object_id(SLOT_HINT, 8)
"""The slot, its three tables, two payments and two stake proofs were made before it in the same transaction."""
MIST = 1_000_000_000
Objects = dict[str, MoveStruct]


def objects(state: ChainHead, created: ClusterCreated, boot: Boot, issued: TokenIssued, operator: bytes) -> Objects:
    """By the name of the function of `world` that gives a reference to it; `state` is the head after the last event."""
    cluster = Cluster(
        id=CLUSTER,
        version=1,
        name=created.name,
        state=state,
        params=created.params,
        policies=((1, Policy(created.pcrs, START_MS, False)),),
        newest_version=1,
        min_version=1,
        frozen=False,
        anchors=created.anchors,
        proposals=(),
        next_proposal=0,
        operators=(operator,),
        stake_pool=POOL,
        worker_registry=REGISTRY,
    )
    tables = [Table(object_id(SLOT_HINT, counter), 0) for counter in (1, 2, 3)]
    enclave = Enclave(
        id=ENCLAVE,
        version=1,
        cluster=CLUSTER,
        operator=operator,
        generation=1,
        last_attested_ms=START_MS,
        current=boot,
        ended=tables[0],
        request_key_id=1,
        mailbox=Mailbox(ChainHead.of_mailbox(ENCLAVE), 0, tables[1], tables[2]),
        revision=0,
        journal=None,
        earnings=0,
        slash_epoch=0,
        slashed_in_epoch=0,
    )
    stakes = Table(object_id(CLUSTER_HINT, 4), 2)
    registry_tables = [Table(object_id(CLUSTER_HINT, counter), 0) for counter in (6, 7, 8, 9)]
    return {
        "cluster": cluster,
        "enclave": enclave,
        "pool": StakePool(POOL, 1, CLUSTER, stakes, 0),
        "registry": WorkerRegistry(REGISTRY, 1, CLUSTER, *registry_tables),
        "token": AccessToken(TOKEN, CLUSTER, USER, issued.grants, issued.commitment, issued.expires_at_ms),
        "user_stake": StakeProof(object_id(SLOT_HINT, 7), POOL, StakeKey(USER, 0, b""), 10 * MIST),
        "operator_stake": StakeProof(object_id(SLOT_HINT, 5), POOL, StakeKey(operator, 1, ENCLAVE), 100 * MIST),
    }

/// Requests that are placed on one of the requester's own workers.
///
/// Invariant: the choice is a function of the registry alone (the first of the best in order of registration); every
/// placement raises its worker's workload by one, and releasing it, once, lowers it again.
module daas::k8s_scheduler;

use daas::access::AccessToken;
use daas::cluster::Cluster;
use daas::command::Command;
use daas::enclave::Enclave;
use daas::mailbox;
use daas::queue;
use daas::stake::StakePool;
use daas::worker_registry::WorkerRegistry;
use std::string::String;
use sui::clock::Clock;
use sui::coin::Coin;
use sui::event;
use sui::sui::SUI;

#[error]
const ENoAvailableWorkers: vector<u8> = b"None of the requester's workers is active";
#[error]
const EStillPending: vector<u8> = b"The placed request is still pending";

const IDLE_FACTOR: u64 = 10;
const HIGH_PRIORITY: u8 = 8;
const HIGH_PRIORITY_FACTOR: u64 = 2;

/// In no chain: `K8sAPIRequest` carries the placement for the enclave.
public struct K8sAPIRequestScheduledEvent has copy, drop {
    enclave: ID,
    mailbox_seq: u64,
    requester: address,
    node_id: String,
    score: u64,
}

/// The token's owner: as `mailbox::execute_kubectl_command`, and the pods that the request creates run on the chosen
/// worker. Returns the sequence in the mailbox. Aborts: as that function, `ENoAvailableWorkers`, `EWrongRegistry`.
public fun submit_k8s_request(
    registry: &mut WorkerRegistry,
    enclave: &mut Enclave,
    cluster: &Cluster,
    pool: &StakePool,
    token: &AccessToken,
    command: Command,
    payment: &mut Coin<SUI>,
    clock: &Clock,
    ctx: &TxContext,
): u64 {
    registry.check(cluster);
    let requester = ctx.sender();
    let (node_id, score) = best(registry, requester, command.priority(), clock);
    let request_id = command.request_id();
    let mailbox_seq =
        mailbox::execute_placed(enclave, cluster, pool, token, command, node_id, payment, clock, ctx);
    registry.place(enclave.id(), mailbox_seq, node_id, requester, request_id);
    event::emit(K8sAPIRequestScheduledEvent { enclave: enclave.id(), mailbox_seq, requester, node_id, score });
    mailbox_seq
}

/// Anyone, when the placed request has settled or expired or its record is gone. Aborts: `EStillPending`,
/// `EUnknownPlacement`, `EWrongRegistry`, `EWrongCluster`, `EWrongVersion`.
public fun release(registry: &mut WorkerRegistry, enclave: &Enclave, cluster: &Cluster, mailbox_seq: u64) {
    registry.check(cluster);
    enclave.check(cluster);
    let placement = registry.placement(enclave.id(), mailbox_seq);
    let key = queue::key(placement.placement_requester(), placement.placement_request_id());
    let mailbox = enclave.mailbox();
    // The requester may have closed the record and used its id again: then it is another request.
    let pending = mailbox.is_pending(key) && mailbox.borrow_pending(key).seq() == mailbox_seq;
    assert!(!pending, EStillPending);
    let mut status = option::none();
    mailbox.outcome(key).do!(|outcome| {
        if (outcome.outcome_seq() == mailbox_seq) status = outcome.settlement().map!(|settled| settled.status());
    });
    registry.release(enclave.id(), mailbox_seq, status);
}

/// The owner's active worker with the highest score: reputation * 10 when nothing is placed on it, else reputation /
/// (workload + 1), doubled for priorities from 8 on. Among equals the first registered. Aborts: `ENoAvailableWorkers`.
public fun select_owner_worker(registry: &WorkerRegistry, owner: address, priority: u8, clock: &Clock): String {
    let (node_id, _) = best(registry, owner, priority, clock);
    node_id
}

fun best(registry: &WorkerRegistry, owner: address, priority: u8, clock: &Clock): (String, u64) {
    let mut chosen = option::none<String>();
    let mut highest = 0;
    registry.get_owner_workers(owner).do!(|node_id| {
        if (registry.is_worker_active(node_id, clock)) {
            let score = score(registry, node_id, priority);
            if (chosen.is_none() || score > highest) {
                chosen = option::some(node_id);
                highest = score;
            }
        }
    });
    assert!(chosen.is_some(), ENoAvailableWorkers);
    (chosen.destroy_some(), highest)
}

fun score(registry: &WorkerRegistry, node_id: String, priority: u8): u64 {
    let reputation = registry.worker(node_id).reputation();
    let workload = registry.get_worker_workload(node_id);
    let score = if (workload == 0) reputation * IDLE_FACTOR else reputation / (workload + 1);
    if (priority >= HIGH_PRIORITY) score * HIGH_PRIORITY_FACTOR else score
}

/// Workers: who owns them, what they have staked, and what state the enclave has seen them in.
///
/// Invariants: a node id is registered once and belongs to one owner; a status changes only along `is_legal`; a worker
/// becomes active only on an enclave's signed word; what a worker owes (stake, running pods) is gone before it leaves.
module daas::worker_registry;

use daas::cluster::{AdminCap, Cluster};
use daas::enclave::Enclave;
use daas::grant;
use daas::stake::{Self, StakeKey, StakePool};
use daas::statements;
use daas::version;
use daas::wire;
use std::hash::sha2_256;
use std::string::String;
use sui::clock::Clock;
use sui::coin::Coin;
use sui::event;
use sui::sui::SUI;
use sui::table::{Self, Table};

#[error]
const EWrongRegistry: vector<u8> = b"The worker registry belongs to another cluster";
#[error]
const ENodeId: vector<u8> = b"A node id is an RFC 1123 label: a-z, 0-9 and '-', at most 63 bytes";
#[error]
const EWorkerAlreadyExists: vector<u8> = b"A worker of this node id is registered";
#[error]
const EKeyLength: vector<u8> = b"Token commitment, X25519 key and status key have 32 bytes each";
#[error]
const ETooManyWorkers: vector<u8> = b"An owner has at most 64 workers";
#[error]
const EUnknownWorker: vector<u8> = b"No worker of this node id is registered";
#[error]
const ENotOwner: vector<u8> = b"Only the worker's owner may do this";
#[error]
const EIllegalTransition: vector<u8> = b"A worker cannot go from its status to this one";
#[error]
const EWorkload: vector<u8> = b"Requests are placed on this worker: wait until they have ended";
#[error]
const EHeartbeatFresh: vector<u8> = b"The worker was reported within the last five minutes";
#[error]
const EWrongEnclave: vector<u8> = b"The signed statement is of another slot";
#[error]
const EWrongCluster: vector<u8> = b"The signed statement is about another cluster";
#[error]
const EWorkerKey: vector<u8> = b"The join token is encrypted to another key than the worker's";
#[error]
const EReportReplayed: vector<u8> = b"The worker was reported at this time or later already, or registered since";
#[error]
const EReportFromFuture: vector<u8> = b"The signed statement is from the future: the clocks disagree";
#[error]
const EUnknownPlacement: vector<u8> = b"No open placement of this slot and sequence: it was never made, or is released already";
#[error]
const EJoinTokenKnown: vector<u8> = b"This join token, or one signed later, is published already";
#[error]
const ENotJoining: vector<u8> = b"Only a pending or offline worker needs a join token";

const KEY_BYTES: u64 = 32;
/// `select_owner_worker` looks at all of an owner's workers.
const MAX_WORKERS: u64 = 64;
const OFFLINE_AFTER_MS: u64 = 300_000;
const FIRST_REPUTATION: u64 = 100;
const MAX_REPUTATION: u64 = 1_000;
const REPUTATION_GAIN: u64 = 1;
const REPUTATION_LOSS: u64 = 10;
const CLIENT_ERROR: u16 = 400;
const SERVER_ERROR: u16 = 500;
/// The request came too late to the enclave, which is no fault of the worker's.
const GATEWAY_TIMEOUT: u16 = 504;
/// Stands for a request without an answer; like a client's error it says nothing about the worker.
const NO_ANSWER: u16 = 400;

const PENDING: u8 = 0;
const ACTIVE: u8 = 1;
const BUSY: u8 = 2;
const OFFLINE: u8 = 3;
const SLASHED: u8 = 4;

const FITS: u8 = 0;
const UNKNOWN_WORKER: u8 = 1;
const REPORT_REPLAYED: u8 = 2;
const ILLEGAL_TRANSITION: u8 = 3;

const WORKER_REGISTERED: u8 = 30;
const JOIN_TOKEN_PUBLISHED: u8 = 31;
const WORKER_STATUS_CHANGED: u8 = 32;
const WORKER_DEREGISTERED: u8 = 33;

public struct WorkerRegistry has key {
    id: UID,
    version: u64,
    cluster: ID,
    workers: Table<String, Worker>,
    owners: Table<address, vector<String>>,
    placements: Table<PlacementKey, Placement>,
    /// Workers that have left: while their stakes unbond they can still be slashed for what they signed before.
    departed: Table<DepartedKey, Worker>,
}

public struct DepartedKey has copy, drop, store { owner: address, node_id: String }

public struct PlacementKey has copy, drop, store { enclave: ID, mailbox_seq: u64 }

public struct Placement has copy, drop, store {
    node_id: String,
    requester: address,
    request_id: vector<u8>,
}

public struct Worker has drop, store {
    node_id: String,
    owner: address,
    /// SHA-256 of a secret of the worker's; the original design stored the token itself.
    token_commitment: vector<u8>,
    worker_key: vector<u8>,
    status_key: vector<u8>,
    status: u8,
    registered_at_ms: u64,
    last_heartbeat_ms: u64,
    total_pods_served: u64,
    reputation: u64,
    workload: u64,
    /// SHA-256 of the newest join token's ciphertext; empty before the first.
    join_token_digest: vector<u8>,
    /// When the enclave signed it; 0 before the first.
    join_token_signed_at_ms: u64,
}

public struct WorkerRegisteredEvent has copy, drop {
    kind: u8,
    node_id: String,
    owner: address,
    token_commitment: vector<u8>,
    worker_key: vector<u8>,
    status_key: vector<u8>,
    stake: u64,
}

public struct JoinTokenPublished has copy, drop {
    kind: u8,
    node_id: String,
    enclave: ID,
    ciphertext: vector<u8>,
}

public struct WorkerStatusChangedEvent has copy, drop {
    kind: u8,
    node_id: String,
    old_status: u8,
    new_status: u8,
}

public struct WorkerDeregistered has copy, drop {
    kind: u8,
    node_id: String,
    owner: address,
}

/// In no chain: an entry of a report that changed nothing. `reason`: 1 unknown worker, 2 replayed, 3 illegal transition.
public struct WorkerReportSkipped has copy, drop {
    enclave: ID,
    node_id: String,
    reason: u8,
}

/// The admin, once per cluster; `share_registry` follows in the same transaction. Aborts: `EWrongCap`,
/// `ESecondCompanion`.
public fun create_registry(cluster: &mut Cluster, cap: &AdminCap, ctx: &mut TxContext): WorkerRegistry {
    cluster.check_admin(cap);
    let registry = WorkerRegistry {
        id: object::new(ctx),
        version: version::current(),
        cluster: cluster.id(),
        workers: table::new(ctx),
        owners: table::new(ctx),
        placements: table::new(ctx),
        departed: table::new(ctx),
    };
    cluster.set_worker_registry(registry.id.to_inner());
    registry
}

/// Whoever has made the registry.
public fun share_registry(self: WorkerRegistry) { transfer::share_object(self) }

/// Anyone: stakes `payment` and registers a worker of its own. The sender gets the StakeProof. `worker_key`: X25519, for
/// the join token; `status_key`: Ed25519, for what the worker itself states. Aborts: `EWrongRegistry`, `ENodeId`,
/// `EKeyLength`, `EWorkerAlreadyExists`, `ETooManyWorkers`, `EInsufficientStake`, `EAlreadyStaked`, `EWrongPool`.
public fun stake_and_register_worker(
    self: &mut WorkerRegistry,
    cluster: &mut Cluster,
    pool: &mut StakePool,
    payment: Coin<SUI>,
    node_id: String,
    token_commitment: vector<u8>,
    worker_key: vector<u8>,
    status_key: vector<u8>,
    clock: &Clock,
    ctx: &mut TxContext,
) {
    self.check(cluster);
    assert!(grant::is_label(node_id.as_bytes()), ENodeId);
    let keys_fit =
        token_commitment.length() == KEY_BYTES && worker_key.length() == KEY_BYTES && status_key.length() == KEY_BYTES;
    assert!(keys_fit, EKeyLength);
    assert!(!self.workers.contains(node_id), EWorkerAlreadyExists);
    let owner = ctx.sender();
    if (!self.owners.contains(owner)) self.owners.add(owner, vector[]);
    let owned = &mut self.owners[owner];
    assert!(owned.length() < MAX_WORKERS, ETooManyWorkers);
    owned.push_back(node_id);
    let amount = payment.value();
    pool.deposit_worker(cluster, *node_id.as_bytes(), payment, ctx);
    let now = clock.timestamp_ms();
    self.workers.add(
        node_id,
        Worker {
            node_id,
            owner,
            token_commitment,
            worker_key,
            status_key,
            status: PENDING,
            registered_at_ms: now,
            last_heartbeat_ms: 0,
            total_pods_served: 0,
            reputation: FIRST_REPUTATION,
            workload: 0,
            join_token_digest: vector[],
            join_token_signed_at_ms: 0,
        },
    );
    cluster.record(WorkerRegisteredEvent {
        kind: WORKER_REGISTERED,
        node_id,
        owner,
        token_commitment,
        worker_key,
        status_key,
        stake: amount,
    });
}

/// Anyone with the enclave's signed JoinToken. The ciphertext goes into the event, only its digest is stored. Aborts:
/// `EWrongRegistry`, `EUnknownWorker`, `EWrongEnclave`, `EWrongCluster`, `EWorkerKey`, `ENotJoining`, `EReportFromFuture`, `EJoinTokenKnown`,
/// those of `daas::enclave::verify_current` and `daas::statements`.
public fun publish_join_token(
    self: &mut WorkerRegistry,
    cluster: &mut Cluster,
    enclave: &Enclave,
    message: vector<u8>,
    signature: vector<u8>,
    clock: &Clock,
) {
    self.check(cluster);
    let parsed = wire::parse_message(&message);
    let signed_at_ms = parsed.timestamp_ms();
    let token = statements::parse_join_token(&parsed);
    check_about(token.enclave_id(), token.cluster(), enclave, cluster);
    enclave.verify_current(cluster, token.boot_id(), &message, &signature, clock);
    let node_id = *token.node_id();
    let ciphertext = *token.ciphertext();
    let worker = self.worker_mut(node_id);
    assert!(token.worker_key() == &worker.worker_key, EWorkerKey);
    assert!(worker.status == PENDING || worker.status == OFFLINE, ENotJoining);
    // A token from the far future would be this worker's last.
    assert!(signed_at_ms <= clock.timestamp_ms() + cluster.params().clock_skew_ms(), EReportFromFuture);
    // Else anybody could publish two tokens in turn for ever, into the chain that every enclave replays, and hide the
    // newest one behind one that has run out.
    assert!(signed_at_ms > worker.join_token_signed_at_ms, EJoinTokenKnown);
    worker.join_token_digest = sha2_256(ciphertext);
    worker.join_token_signed_at_ms = signed_at_ms;
    cluster.record(JoinTokenPublished { kind: JOIN_TOKEN_PUBLISHED, node_id, enclave: enclave.id(), ciphertext });
}

/// Anyone with the enclave's signed WorkerStatus: status and heartbeat of each worker in it. A report about one worker
/// that does not fit aborts by name; among several it is skipped with an event. Aborts: `EWrongRegistry`, `EUnknownWorker`, `EWrongEnclave`, `EWrongCluster`, `EReportReplayed`,
/// `EReportFromFuture`, `EIllegalTransition`, those of `daas::enclave::verify_current` and `daas::statements`.
public fun report_status(
    self: &mut WorkerRegistry,
    cluster: &mut Cluster,
    enclave: &Enclave,
    message: vector<u8>,
    signature: vector<u8>,
    clock: &Clock,
) {
    self.check(cluster);
    let parsed = wire::parse_message(&message);
    let report = statements::parse_worker_status(&parsed);
    check_about(report.enclave_id(), report.cluster(), enclave, cluster);
    enclave.verify_current(cluster, report.boot_id(), &message, &signature, clock);
    let reported_at_ms = parsed.timestamp_ms();
    assert!(reported_at_ms <= clock.timestamp_ms() + cluster.params().clock_skew_ms(), EReportFromFuture);
    let entries = report.entries();
    entries.do_ref!(|entry| {
        let node_id = *entry.node_id();
        let reason = self.judge(node_id, entry.status(), reported_at_ms);
        if (entries.length() == 1) abort_unless_fits(reason);
        if (reason == FITS) {
            let worker = self.worker_mut(node_id);
            worker.last_heartbeat_ms = reported_at_ms;
            worker.total_pods_served = worker.total_pods_served.max(entry.pods_served());
            self.set_status(cluster, node_id, entry.status());
        } else {
            event::emit(WorkerReportSkipped { enclave: enclave.id(), node_id, reason });
        };
    });
}

/// Anyone: a worker that no enclave has reported for five minutes. It costs nothing but its place. Aborts:
/// `EWrongRegistry`, `EUnknownWorker`, `EHeartbeatFresh`, `EIllegalTransition`.
public fun mark_offline(self: &mut WorkerRegistry, cluster: &mut Cluster, node_id: String, clock: &Clock) {
    self.check(cluster);
    let worker = self.worker_mut(node_id);
    assert!(!is_fresh(worker, clock), EHeartbeatFresh);
    assert!(worker.status != OFFLINE, EIllegalTransition);
    self.set_status(cluster, node_id, OFFLINE);
}

/// The owner: the worker leaves, its stake unbonds and is then withdrawn with its StakeProof. Aborts: `EWrongRegistry`,
/// `EUnknownWorker`, `ENotOwner`, `EWorkload`.
public fun deregister(
    self: &mut WorkerRegistry,
    cluster: &mut Cluster,
    pool: &mut StakePool,
    node_id: String,
    clock: &Clock,
    ctx: &TxContext,
) {
    self.check(cluster);
    let worker = self.worker_mut(node_id);
    let owner = ctx.sender();
    assert!(worker.owner == owner, ENotOwner);
    assert!(worker.workload == 0, EWorkload);
    let key = stake_key(worker);
    pool.unbond(cluster, key, clock);
    let worker = self.workers.remove(node_id);
    let departed = DepartedKey { owner, node_id };
    // Its owner may have had and given up a worker of this name before, and its stake is withdrawn: else he could not
    // have staked for this one.
    if (self.departed.contains(departed)) { self.departed.remove(departed); };
    self.departed.add(departed, worker);
    let owned = &mut self.owners[owner];
    let (_, position) = owned.index_of(&node_id);
    owned.remove(position);
    cluster.record(WorkerDeregistered { kind: WORKER_DEREGISTERED, node_id, owner });
}

/// The admin, after an upgrade of the package. Aborts: `EWrongCap`, `ENothingToMigrate`.
public fun migrate(self: &mut WorkerRegistry, cap: &AdminCap) {
    daas::cluster::check_cap_of(cap, self.cluster);
    self.version = version::migrated(self.version);
}

public fun is_worker_owner(self: &WorkerRegistry, owner: address, node_id: String): bool {
    self.workers.contains(node_id) && self.workers[node_id].owner == owner
}

/// In the order of registration.
public fun get_owner_workers(self: &WorkerRegistry, owner: address): vector<String> {
    if (self.owners.contains(owner)) self.owners[owner] else vector[]
}

/// Whether an enclave has reported the worker active or busy within the last five minutes.
public fun is_worker_active(self: &WorkerRegistry, node_id: String, clock: &Clock): bool {
    if (!self.workers.contains(node_id)) return false;
    let worker = &self.workers[node_id];
    (worker.status == ACTIVE || worker.status == BUSY) && is_fresh(worker, clock)
}

/// Requests that are placed on the worker and have not ended. Aborts: `EUnknownWorker`.
public fun get_worker_workload(self: &WorkerRegistry, node_id: String): u64 { self.worker(node_id).workload }

/// Aborts: `EUnknownWorker`.
public fun worker(self: &WorkerRegistry, node_id: String): &Worker {
    assert!(self.workers.contains(node_id), EUnknownWorker);
    &self.workers[node_id]
}

public fun status(self: &Worker): u8 { self.status }

public fun owner(self: &Worker): address { self.owner }

public fun status_key(self: &Worker): &vector<u8> { &self.status_key }

public fun token_commitment(self: &Worker): &vector<u8> { &self.token_commitment }

public fun registered_at_ms(self: &Worker): u64 { self.registered_at_ms }

public fun last_heartbeat_ms(self: &Worker): u64 { self.last_heartbeat_ms }

public fun total_pods_served(self: &Worker): u64 { self.total_pods_served }

public fun reputation(self: &Worker): u64 { self.reputation }

public fun join_token_digest(self: &Worker): &vector<u8> { &self.join_token_digest }

/// The only moves between statuses: pending 0, active 1, busy 2, offline 3, slashed 4. Staying is no move.
public fun is_legal(from: u8, to: u8): bool {
    let moves = vector[
        vector[ACTIVE, OFFLINE, SLASHED],
        vector[BUSY, OFFLINE, SLASHED],
        vector[ACTIVE, OFFLINE, SLASHED],
        vector[ACTIVE, SLASHED],
        vector[],
    ];
    (from as u64) < moves.length() && moves[from as u64].contains(&to)
}

/// Aborts: `EWrongRegistry`, `EWrongVersion`.
public(package) fun check(self: &WorkerRegistry, cluster: &Cluster) {
    version::check(self.version);
    cluster.check_version();
    assert!(cluster.is_worker_registry(self.id.to_inner()), EWrongRegistry);
}

public(package) fun stake_key(self: &Worker): StakeKey { stake::worker_key(self.owner, *self.node_id.as_bytes()) }

public(package) fun cluster_id(self: &WorkerRegistry): ID { self.cluster }

/// A request of mailbox `enclave` is placed on the worker.
public(package) fun place(
    self: &mut WorkerRegistry,
    enclave: ID,
    mailbox_seq: u64,
    node_id: String,
    requester: address,
    request_id: vector<u8>,
) {
    let worker = self.worker_mut(node_id);
    worker.workload = worker.workload + 1;
    self.placements.add(PlacementKey { enclave, mailbox_seq }, Placement { node_id, requester, request_id });
}

/// Aborts: `EUnknownPlacement`.
public(package) fun placement(self: &WorkerRegistry, enclave: ID, mailbox_seq: u64): Placement {
    let key = PlacementKey { enclave, mailbox_seq };
    assert!(self.placements.contains(key), EUnknownPlacement);
    self.placements[key]
}

public(package) fun placement_requester(self: &Placement): address { self.requester }

public(package) fun placement_request_id(self: &Placement): vector<u8> { self.request_id }

/// The placed request has ended, with HTTP status `status` when it was answered and its record is still there. What the
/// server itself could not do (5xx) costs reputation, what worked earns some, everything else says nothing about the
/// worker. Aborts: `EUnknownPlacement`.
public(package) fun release(self: &mut WorkerRegistry, enclave: ID, mailbox_seq: u64, status: Option<u16>) {
    let Placement { node_id, .. } = self.placement(enclave, mailbox_seq);
    self.placements.remove(PlacementKey { enclave, mailbox_seq });
    let worker = self.worker_mut(node_id);
    worker.workload = worker.workload - 1;
    let answered = status.destroy_with_default(NO_ANSWER);
    if (answered < CLIENT_ERROR) {
        worker.reputation = MAX_REPUTATION.min(worker.reputation + REPUTATION_GAIN);
    } else if (answered >= SERVER_ERROR && answered != GATEWAY_TIMEOUT) {
        worker.reputation = worker.reputation - REPUTATION_LOSS.min(worker.reputation);
    }
}

/// The owner's worker of this name, registered or departed. Aborts: `EUnknownWorker`.
public(package) fun accountable(self: &WorkerRegistry, owner: address, node_id: String): &Worker {
    if (self.is_worker_owner(owner, node_id)) return &self.workers[node_id];
    let departed = DepartedKey { owner, node_id };
    assert!(self.departed.contains(departed), EUnknownWorker);
    &self.departed[departed]
}

/// A fault is proved. Aborts: `EUnknownWorker`, `EIllegalTransition` for one that is slashed already.
public(package) fun set_slashed(self: &mut WorkerRegistry, cluster: &mut Cluster, owner: address, node_id: String) {
    assert!(self.accountable(owner, node_id).status != SLASHED, EIllegalTransition);
    if (self.is_worker_owner(owner, node_id)) {
        self.workers[node_id].reputation = 0;
        self.set_status(cluster, node_id, SLASHED);
    } else {
        // No enclave knows it any more, so its chain of events has nothing to say of it.
        self.departed[DepartedKey { owner, node_id }].status = SLASHED;
    }
}

fun set_status(self: &mut WorkerRegistry, cluster: &mut Cluster, node_id: String, new_status: u8) {
    let worker = self.worker_mut(node_id);
    let old_status = worker.status;
    if (old_status == new_status) return;
    assert!(is_legal(old_status, new_status), EIllegalTransition);
    worker.status = new_status;
    cluster.record(WorkerStatusChangedEvent { kind: WORKER_STATUS_CHANGED, node_id, old_status, new_status });
}

fun judge(self: &WorkerRegistry, node_id: String, new_status: u8, reported_at_ms: u64): u8 {
    if (!self.workers.contains(node_id)) return UNKNOWN_WORKER;
    let worker = &self.workers[node_id];
    // Before its registration the node id may have been another worker's.
    if (reported_at_ms <= worker.last_heartbeat_ms.max(worker.registered_at_ms)) return REPORT_REPLAYED;
    // Slashed is for proofs alone, and nobody becomes pending again.
    let reportable = new_status == ACTIVE || new_status == BUSY || new_status == OFFLINE;
    let stays = new_status == worker.status;
    if (!reportable || !(stays || is_legal(worker.status, new_status))) return ILLEGAL_TRANSITION;
    FITS
}

fun abort_unless_fits(reason: u8) {
    assert!(reason != UNKNOWN_WORKER, EUnknownWorker);
    assert!(reason != REPORT_REPLAYED, EReportReplayed);
    assert!(reason != ILLEGAL_TRANSITION, EIllegalTransition);
}

fun worker_mut(self: &mut WorkerRegistry, node_id: String): &mut Worker {
    assert!(self.workers.contains(node_id), EUnknownWorker);
    &mut self.workers[node_id]
}

fun is_fresh(worker: &Worker, clock: &Clock): bool {
    clock.timestamp_ms() < worker.last_heartbeat_ms.max(worker.registered_at_ms) + OFFLINE_AFTER_MS
}

fun check_about(enclave_id: address, cluster_id: address, enclave: &Enclave, cluster: &Cluster) {
    assert!(enclave_id == enclave.id().to_address(), EWrongEnclave);
    assert!(cluster_id == cluster.id().to_address(), EWrongCluster);
}

#[test_only]
public fun set_version(self: &mut WorkerRegistry, version: u64) { self.version = version }

/// As if the worker had come to `status` without a report, whatever its status was.
#[test_only]
public fun force_status(self: &mut WorkerRegistry, node_id: String, status: u8) {
    let worker = self.worker_mut(node_id);
    worker.status = status;
    worker.last_heartbeat_ms = 0;
}

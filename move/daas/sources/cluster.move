/// A cluster: its parameters, which enclave images it trusts, and the head of its state chain.
///
/// Invariants: what widens trust (a PCR policy, an anchor, parameters) is proposed in public and takes effect only after
/// the timelock, unless the holder of `VetoCap` stops it; what narrows trust (revocation, `min_version`, freeze) takes
/// effect at once. Every change advances the state chain.
module daas::cluster;

use daas::heads::{Self, ChainHead};
use daas::params::Parameters;
use daas::pcr::{Self, Pcr};
use daas::version;
use std::string::String;
use sui::clock::Clock;
use sui::vec_map::{Self, VecMap};

#[error]
const EWrongCap: vector<u8> = b"The capability belongs to another cluster";
#[error]
const ENameLength: vector<u8> = b"The name of a cluster has 1 to 63 bytes";
#[error]
const EAnchorLength: vector<u8> = b"A light-client anchor is a SHA-256 hash of 32 bytes";
#[error]
const EAnchorCount: vector<u8> = b"A cluster accepts 1 to 16 anchors: retire an old one first";
#[error]
const EAnchorKnown: vector<u8> = b"The anchor is accepted already";
#[error]
const EAnchorUnknown: vector<u8> = b"The cluster does not accept this anchor";
#[error]
const EPolicyVersion: vector<u8> = b"A new policy's version must be above every version and every proposal before it";
#[error]
const EPolicyCount: vector<u8> = b"A cluster keeps 16 policies: raise min_version so that old ones are dropped";
#[error]
const EPolicyUnknown: vector<u8> = b"The cluster has no policy of this version";
#[error]
const EPolicyFrozen: vector<u8> = b"The policy of this cluster is frozen for ever";
#[error]
const EAlreadyRevoked: vector<u8> = b"The policy is revoked already";
#[error]
const EMinVersionOrder: vector<u8> = b"min_version only goes up, and not above the newest active policy";
#[error]
const EProposalCount: vector<u8> = b"A cluster has at most 16 open proposals: activate or veto one first";
#[error]
const EProposalUnknown: vector<u8> = b"There is no open proposal of this number";
#[error]
const ETimelockRunning: vector<u8> = b"The timelock of the proposal is still running";
#[error]
const EProposalExpired: vector<u8> = b"The proposal was not activated in time: propose it again";
#[error]
const EOperatorAdmission: vector<u8> = b"The operator is admitted (or not admitted) already";
#[error]
const EOperatorCount: vector<u8> = b"A cluster admits at most 64 operators: withdraw one first";
#[error]
const ESecondCompanion: vector<u8> = b"The cluster already has its stake pool (or worker registry)";

const MAX_NAME_BYTES: u64 = 63;
const HASH_BYTES: u64 = 32;
/// Anchors, policies, proposals and operators stand in the object that every request reads: few, or requests become dear.
const MAX_ANCHORS: u64 = 16;
const MAX_POLICIES: u64 = 16;
const MAX_PROPOSALS: u64 = 16;
const MAX_OPERATORS: u64 = 64;
/// A proposal that everybody has forgotten must not come into force years later.
const PROPOSAL_LIFE_MS: u64 = 2_592_000_000;

const CLUSTER_CREATED: u8 = 1;
const CHANGE_PROPOSED: u8 = 2;
const CHANGE_VETOED: u8 = 3;
const CHANGE_ACTIVATED: u8 = 4;
const POLICY_REVOKED: u8 = 5;
const MIN_VERSION_RAISED: u8 = 6;
const POLICY_FROZEN: u8 = 7;
const OPERATOR_ADMITTED: u8 = 8;
const ANCHOR_RETIRED: u8 = 9;

public struct Cluster has key {
    id: UID,
    version: u64,
    name: String,
    state: ChainHead,
    params: Parameters,
    policies: VecMap<u64, Policy>,
    /// The highest version ever proposed, so that a vetoed number is not used again for something else.
    newest_version: u64,
    min_version: u64,
    frozen: bool,
    anchors: vector<vector<u8>>,
    proposals: VecMap<u64, Proposal>,
    next_proposal: u64,
    operators: vector<address>,
    stake_pool: Option<ID>,
    worker_registry: Option<ID>,
}

public struct AdminCap has key, store {
    id: UID,
    cluster: ID,
}

/// For somebody else than the admin: stops a proposal, revokes a policy, and can do nothing more.
public struct VetoCap has key, store {
    id: UID,
    cluster: ID,
}

public struct Policy has copy, drop, store {
    pcrs: vector<Pcr>,
    activated_at_ms: u64,
    revoked: bool,
}

public enum Change has copy, drop, store {
    Policy { version: u64, pcrs: vector<Pcr> },
    Anchor { anchor: vector<u8> },
    Parameters { params: Parameters },
}

public struct Proposal has copy, drop, store {
    change: Change,
    activates_at_ms: u64,
}

public struct ClusterCreated has copy, drop {
    kind: u8,
    cluster: ID,
    name: String,
    params: Parameters,
    policy_version: u64,
    pcrs: vector<Pcr>,
    anchors: vector<vector<u8>>,
}

public struct ChangeProposed has copy, drop {
    kind: u8,
    proposal: u64,
    change: Change,
    activates_at_ms: u64,
}

public struct ChangeVetoed has copy, drop {
    kind: u8,
    proposal: u64,
}

public struct ChangeActivated has copy, drop {
    kind: u8,
    proposal: u64,
    change: Change,
}

public struct PolicyRevoked has copy, drop {
    kind: u8,
    policy_version: u64,
}

public struct MinVersionRaised has copy, drop {
    kind: u8,
    min_version: u64,
}

public struct PolicyFrozen has copy, drop {
    kind: u8,
}

public struct OperatorAdmitted has copy, drop {
    kind: u8,
    operator: address,
    admitted: bool,
}

public struct AnchorRetired has copy, drop {
    kind: u8,
    anchor: vector<u8>,
}

/// Anyone. The given policy is active at once. The caller makes stake pool and worker registry, then `share`s.
/// Aborts: `ENameLength`, `EAnchorCount`, `EAnchorLength`, `EAnchorKnown`, those of `daas::pcr` for the policy.
public fun create(
    name: String,
    params: Parameters,
    policy_version: u64,
    pcrs: vector<Pcr>,
    anchors: vector<vector<u8>>,
    clock: &Clock,
    ctx: &mut TxContext,
): (Cluster, AdminCap, VetoCap) {
    assert!(name.length() > 0 && name.length() <= MAX_NAME_BYTES, ENameLength);
    assert!(!anchors.is_empty() && anchors.length() <= MAX_ANCHORS, EAnchorCount);
    anchors.length().do!(|i| {
        assert!(anchors[i].length() == HASH_BYTES, EAnchorLength);
        let (_, first) = anchors.index_of(&anchors[i]);
        assert!(first == i, EAnchorKnown);
    });
    pcr::check_policy(&pcrs);
    let id = object::new(ctx);
    let cluster = id.to_inner();
    let mut policies = vec_map::empty();
    policies.insert(policy_version, Policy { pcrs, activated_at_ms: clock.timestamp_ms(), revoked: false });
    let mut self = Cluster {
        id,
        version: version::current(),
        name,
        state: heads::new_state(cluster),
        params,
        policies,
        newest_version: policy_version,
        min_version: policy_version,
        frozen: false,
        anchors,
        proposals: vec_map::empty(),
        next_proposal: 0,
        operators: vector[ctx.sender()],
        stake_pool: option::none(),
        worker_registry: option::none(),
    };
    self.record(ClusterCreated { kind: CLUSTER_CREATED, cluster, name, params, policy_version, pcrs, anchors });
    (self, AdminCap { id: object::new(ctx), cluster }, VetoCap { id: object::new(ctx), cluster })
}

/// Whoever holds the new cluster.
public fun share(self: Cluster) {
    transfer::share_object(self);
}

public fun policy_change(version: u64, pcrs: vector<Pcr>): Change { Change::Policy { version, pcrs } }

public fun anchor_change(anchor: vector<u8>): Change { Change::Anchor { anchor } }

public fun params_change(params: Parameters): Change { Change::Parameters { params } }

/// The admin. Returns the number of the proposal. Aborts: `EWrongCap`, `EProposalCount`, for a policy `EPolicyFrozen`,
/// `EPolicyVersion` and those of `daas::pcr`, for an anchor `EAnchorLength`, `EAnchorKnown`.
public fun propose(self: &mut Cluster, cap: &AdminCap, change: Change, clock: &Clock): u64 {
    self.check_admin(cap);
    assert!(self.proposals.length() < MAX_PROPOSALS, EProposalCount);
    match (&change) {
        Change::Policy { version, pcrs } => {
            assert!(!self.frozen, EPolicyFrozen);
            assert!(*version > self.newest_version, EPolicyVersion);
            pcr::check_policy(pcrs);
            self.newest_version = *version;
        },
        Change::Anchor { anchor } => {
            assert!(anchor.length() == HASH_BYTES, EAnchorLength);
            assert!(!self.anchors.contains(anchor), EAnchorKnown);
        },
        Change::Parameters { params: _ } => (),
    };
    let activates_at_ms = clock.timestamp_ms() + self.params.timelock_ms();
    let proposal = self.next_proposal;
    self.next_proposal = proposal + 1;
    self.proposals.insert(proposal, Proposal { change, activates_at_ms });
    self.record(ChangeProposed { kind: CHANGE_PROPOSED, proposal, change, activates_at_ms });
    proposal
}

/// Anyone, after the timelock. Aborts: `EProposalUnknown`, `ETimelockRunning`, `EProposalExpired`, `EPolicyFrozen`,
/// `EPolicyCount`, `EAnchorKnown`, `EAnchorCount`.
public fun activate(self: &mut Cluster, proposal: u64, clock: &Clock) {
    version::check(self.version);
    assert!(self.proposals.contains(&proposal), EProposalUnknown);
    let now = clock.timestamp_ms();
    let (_, Proposal { change, activates_at_ms }) = self.proposals.remove(&proposal);
    assert!(now >= activates_at_ms, ETimelockRunning);
    assert!(now - activates_at_ms <= PROPOSAL_LIFE_MS, EProposalExpired);
    match (change) {
        Change::Policy { version, pcrs } => {
            assert!(!self.frozen, EPolicyFrozen);
            assert!(self.policies.length() < MAX_POLICIES, EPolicyCount);
            self.policies.insert(version, Policy { pcrs, activated_at_ms: now, revoked: false });
        },
        Change::Anchor { anchor } => {
            assert!(!self.anchors.contains(&anchor), EAnchorKnown);
            assert!(self.anchors.length() < MAX_ANCHORS, EAnchorCount);
            self.anchors.push_back(anchor);
        },
        Change::Parameters { params } => self.params = params,
    };
    self.record(ChangeActivated { kind: CHANGE_ACTIVATED, proposal, change });
}

/// The holder of the veto. Aborts: `EWrongCap`, `EProposalUnknown`.
public fun veto(self: &mut Cluster, cap: &VetoCap, proposal: u64) {
    self.check_veto(cap);
    assert!(self.proposals.contains(&proposal), EProposalUnknown);
    self.proposals.remove(&proposal);
    self.record(ChangeVetoed { kind: CHANGE_VETOED, proposal });
}

/// The admin, at once: no boot of this version counts from now on. Aborts: `EWrongCap`, `EPolicyUnknown`,
/// `EAlreadyRevoked`.
public fun revoke_policy(self: &mut Cluster, cap: &AdminCap, policy_version: u64) {
    self.check_admin(cap);
    self.revoke(policy_version);
}

/// The holder of the veto, at once. Aborts: `EWrongCap`, `EPolicyUnknown`, `EAlreadyRevoked`.
public fun revoke_policy_by_veto(self: &mut Cluster, cap: &VetoCap, policy_version: u64) {
    self.check_veto(cap);
    self.revoke(policy_version);
}

/// The admin, at once: older policies are dropped. Aborts: `EWrongCap`, `EMinVersionOrder`.
public fun raise_min_version(self: &mut Cluster, cap: &AdminCap, min_version: u64) {
    self.check_admin(cap);
    let versions = self.policies.keys();
    assert!(min_version > self.min_version && versions.any!(|known| *known >= min_version), EMinVersionOrder);
    self.min_version = min_version;
    versions.do!(|known| if (known < min_version) { self.policies.remove(&known); });
    self.record(MinVersionRaised { kind: MIN_VERSION_RAISED, min_version });
}

/// The admin, at once and for ever: no new policy. Revocation stays possible. Aborts: `EWrongCap`, `EPolicyFrozen`.
public fun freeze_policy(self: &mut Cluster, cap: &AdminCap) {
    self.check_admin(cap);
    assert!(!self.frozen, EPolicyFrozen);
    self.frozen = true;
    self.record(PolicyFrozen { kind: POLICY_FROZEN });
}

/// The admin, at once. The last anchor stays. Aborts: `EWrongCap`, `EAnchorUnknown`, `EAnchorCount`.
public fun retire_anchor(self: &mut Cluster, cap: &AdminCap, anchor: vector<u8>) {
    self.check_admin(cap);
    let (known, position) = self.anchors.index_of(&anchor);
    assert!(known, EAnchorUnknown);
    assert!(self.anchors.length() > 1, EAnchorCount);
    self.anchors.remove(position);
    self.record(AnchorRetired { kind: ANCHOR_RETIRED, anchor });
}

/// The admin: who may make slots in this cluster. The creator may from the start. Slots that exist are not touched.
/// Aborts: `EWrongCap`, `EOperatorAdmission`, `EOperatorCount`.
public fun admit_operator(self: &mut Cluster, cap: &AdminCap, operator: address, admitted: bool) {
    self.check_admin(cap);
    let (known, position) = self.operators.index_of(&operator);
    assert!(known != admitted, EOperatorAdmission);
    if (admitted) {
        assert!(self.operators.length() < MAX_OPERATORS, EOperatorCount);
        self.operators.push_back(operator);
    } else {
        self.operators.remove(position);
    };
    self.record(OperatorAdmitted { kind: OPERATOR_ADMITTED, operator, admitted });
}

/// The admin, after an upgrade of the package. Aborts: `EWrongCap`, `ENothingToMigrate`.
public fun migrate(self: &mut Cluster, cap: &AdminCap) {
    assert!(cap.cluster == self.id.to_inner(), EWrongCap);
    self.version = version::migrated(self.version);
}

/// Aborts: `EWrongCap`, `EWrongVersion`.
public(package) fun check_admin(self: &Cluster, cap: &AdminCap) {
    version::check(self.version);
    assert!(cap.cluster == self.id.to_inner(), EWrongCap);
}

/// For objects that belong to a cluster and are migrated by its admin. Aborts: `EWrongCap`.
public(package) fun check_cap_of(cap: &AdminCap, cluster: ID) {
    assert!(cap.cluster == cluster, EWrongCap);
}

public(package) fun check_version(self: &Cluster) { version::check(self.version) }

/// Advances the state chain and emits the event. Every state event of the package goes through here or through
/// `record_with_mailbox`.
public(package) fun record<Body: copy + drop>(self: &mut Cluster, body: Body) {
    self.state.advance(&body);
    heads::emit_state(body, self.id.to_inner(), self.state);
}

/// As `record`, for events of a slot: they show its mailbox head too.
public(package) fun record_with_mailbox<Body: copy + drop>(
    self: &mut Cluster,
    body: Body,
    enclave: ID,
    mailbox: ChainHead,
) {
    self.state.advance(&body);
    heads::emit(body, self.id.to_inner(), self.state, enclave, mailbox);
}

public(package) fun uid(self: &Cluster): &UID { &self.id }

public(package) fun uid_mut(self: &mut Cluster): &mut UID { &mut self.id }

/// Aborts: `ESecondCompanion`.
public(package) fun set_stake_pool(self: &mut Cluster, pool: ID) {
    assert!(self.stake_pool.is_none(), ESecondCompanion);
    self.stake_pool.fill(pool);
}

/// Aborts: `ESecondCompanion`.
public(package) fun set_worker_registry(self: &mut Cluster, registry: ID) {
    assert!(self.worker_registry.is_none(), ESecondCompanion);
    self.worker_registry.fill(registry);
}

public fun id(self: &Cluster): ID { self.id.to_inner() }

public fun state(self: &Cluster): ChainHead { self.state }

public fun state_seq(self: &Cluster): u64 { self.state.seq() }

public fun state_head(self: &Cluster): vector<u8> { *self.state.head() }

public fun params(self: &Cluster): &Parameters { &self.params }

public fun min_version(self: &Cluster): u64 { self.min_version }

public fun is_frozen(self: &Cluster): bool { self.frozen }

public fun accepts_anchor(self: &Cluster, anchor: &vector<u8>): bool { self.anchors.contains(anchor) }

public fun is_admitted(self: &Cluster, operator: address): bool { self.operators.contains(&operator) }

public fun is_stake_pool(self: &Cluster, pool: ID): bool { self.stake_pool == option::some(pool) }

public fun is_worker_registry(self: &Cluster, registry: ID): bool { self.worker_registry == option::some(registry) }

/// Whether boots of this version count: active, not below `min_version`, not revoked.
public fun is_policy_valid(self: &Cluster, policy_version: u64): bool {
    policy_version >= self.min_version && self.policies.contains(&policy_version) &&
    !self.policies[&policy_version].revoked
}

/// The newest valid version whose registers all show in `pcrs`.
public(package) fun match_policy(self: &Cluster, pcrs: &vector<Pcr>): Option<u64> {
    let mut newest = option::none<u64>();
    self.policies.length().do!(|i| {
        let (version, policy) = self.policies.get_entry_by_idx(i);
        let newer = newest.is_none() || *version > *newest.borrow();
        if (newer && self.is_policy_valid(*version) && pcr::matches(&policy.pcrs, pcrs)) {
            newest = option::some(*version);
        }
    });
    newest
}

fun check_veto(self: &Cluster, cap: &VetoCap) {
    version::check(self.version);
    assert!(cap.cluster == self.id.to_inner(), EWrongCap);
}

fun revoke(self: &mut Cluster, policy_version: u64) {
    assert!(self.policies.contains(&policy_version), EPolicyUnknown);
    let policy = &mut self.policies[&policy_version];
    assert!(!policy.revoked, EAlreadyRevoked);
    policy.revoked = true;
    self.record(PolicyRevoked { kind: POLICY_REVOKED, policy_version });
}

#[test_only]
public fun set_version(self: &mut Cluster, version: u64) { self.version = version }

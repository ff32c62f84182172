/// Promises of `daas::cluster`: what changes, when, and what is recorded of it. What it refuses is in
/// `daas::cluster_refusal_tests`, whom in `daas::cluster_guard_tests`.
#[test_only]
module daas::cluster_tests;

use daas::chain_check::{Self, joined};
use daas::cluster::{
    Self,
    AdminCap,
    AnchorRetired,
    Change,
    ChangeActivated,
    ChangeProposed,
    ChangeVetoed,
    Cluster,
    ClusterCreated,
    MinVersionRaised,
    OperatorAdmitted,
    PolicyFrozen,
    PolicyRevoked,
    VetoCap
};
use daas::heads;
use daas::params::{Self, Parameters};
use daas::world::{Self, World};
use std::hash::sha2_256;
use std::unit_test::{Self, assert_eq};
use sui::bcs;
use sui::test_scenario;

const DAY: u64 = 86_400_000;
const PROPOSAL_LIFE_MS: u64 = 2_592_000_000;

fun propose(world: &mut World, change: Change): u64 {
    let (cluster, admin, _, _, _, _, _, clock) = world.parts();
    cluster.propose(admin, change, clock)
}

fun activate(world: &mut World, proposal: u64) {
    let (cluster, _, _, _, _, _, _, clock) = world.parts();
    cluster.activate(proposal, clock);
}

/// Proposes and activates as soon as it may be.
fun enact(world: &mut World, change: Change) {
    let proposal = world.propose(change);
    let timelock = world.cluster().params().timelock_ms();
    world.wait(timelock);
    world.activate(proposal);
}

fun veto(world: &mut World, proposal: u64) {
    let (cluster, _, veto, _, _, _, _, _) = world.parts();
    cluster.veto(veto, proposal);
}

fun revoke(world: &mut World, policy_version: u64) {
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    cluster.revoke_policy(admin, policy_version);
}

fun raise_min_version(world: &mut World, min_version: u64) {
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    cluster.raise_min_version(admin, min_version);
}

fun freeze_policy(world: &mut World) {
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    cluster.freeze_policy(admin);
}

fun retire_anchor(world: &mut World, anchor: vector<u8>) {
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    cluster.retire_anchor(admin, anchor);
}

fun admit(world: &mut World, operator: address, admitted: bool) {
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    cluster.admit_operator(admin, operator, admitted);
}

/// The policy of version `version` in these tests.
fun policy(version: u64): Change { cluster::policy_change(version, world::policy_pcrs(version as u8)) }

fun policy_bytes(version: u64): vector<u8> {
    joined(vector[x"00", bcs::to_bytes(&version), bcs::to_bytes(&world::policy_pcrs(version as u8))])
}

fun other_anchor(number: u8): vector<u8> { sha2_256(vector[number]) }

fun short_timelock(): Parameters {
    params::from_values(vector[
        1_000, 3_000, 60_000, 1_000, 10_000, 0, 60_000, 2_000, 2_592_000_000, 0, 0, 6, 7, 8, 9, 10, 11, 12, 13, 5_000,
        3_000, 3_000,
    ])
}

fun matched(world: &World, fill: u8): Option<u64> { world.cluster().match_policy(&world::policy_pcrs(fill)) }

// Creation.

#[test]
fun a_new_cluster_is_the_first_event_of_its_own_chain() {
    let mut world = world::new();
    let ctx = &mut world.as_sender(@0xC0);
    let (name, anchors) = (b"prod".to_string(), vector[other_anchor(1), other_anchor(2)]);
    let before = sui::event::num_events();
    let (cluster, admin, veto) =
        cluster::create(name, params::default(), 7, world::policy_pcrs(7), anchors, world.clock(), ctx);
    let body = joined(vector[
        x"01",
        bcs::to_bytes(&cluster.id()),
        bcs::to_bytes(&name),
        bcs::to_bytes(&params::default()),
        bcs::to_bytes(&7u64),
        bcs::to_bytes(&world::policy_pcrs(7)),
        bcs::to_bytes(&anchors),
    ]);
    assert_eq!(sui::event::num_events(), before + 1);
    let events = sui::event::events_by_type<heads::Event<ClusterCreated>>();
    let event = &events[events.length() - 1];
    assert_eq!(bcs::to_bytes(event.body()), body);
    assert_eq!(*event.state_of(), option::some(cluster.state()));
    let first = sha2_256(joined(vector[b"DAAS-STATE-V1\x00", bcs::to_bytes(&cluster.id())]));
    assert_eq!(cluster.state_seq(), 1);
    assert_eq!(cluster.state_head(), chain_check::next(first, body));
    assert_eq!(*cluster.params(), params::default());
    assert_eq!(cluster.min_version(), 7);
    assert!(cluster.is_policy_valid(7) && !cluster.is_policy_valid(6) && !cluster.is_policy_valid(8));
    assert!(!cluster.is_frozen());
    assert!(anchors.all!(|anchor| cluster.accepts_anchor(anchor)) && !cluster.accepts_anchor(&other_anchor(3)));
    assert!(cluster.is_admitted(@0xC0) && !cluster.is_admitted(@0xC1));
    unit_test::destroy(cluster);
    unit_test::destroy(admin);
    unit_test::destroy(veto);
    world.destroy();
}

#[test]
fun a_cluster_is_shared_and_its_caps_are_held_apart() {
    let mut scenario = test_scenario::begin(@0xC0);
    let clock = sui::clock::create_for_testing(scenario.ctx());
    let (cluster, admin, veto) = cluster::create(
        b"c".to_string(), params::default(), 1, world::policy_pcrs(1), vector[other_anchor(1)], &clock, scenario.ctx(),
    );
    let id = cluster.id();
    cluster.share();
    transfer::public_transfer(admin, @0xA1);
    transfer::public_transfer(veto, @0xA2);
    scenario.next_tx(@0xA2);
    let mut cluster = scenario.take_shared<Cluster>();
    let (admin, veto) = (scenario.take_from_address<AdminCap>(@0xA1), scenario.take_from_sender<VetoCap>());
    assert_eq!(cluster.id(), id);
    cluster.admit_operator(&admin, @0xB1, true);
    cluster.revoke_policy_by_veto(&veto, 1);
    assert!(cluster.is_admitted(@0xB1) && !cluster.is_policy_valid(1));
    unit_test::destroy(cluster);
    unit_test::destroy(admin);
    unit_test::destroy(veto);
    unit_test::destroy(clock);
    scenario.end();
}

// Proposals and the timelock.

#[test]
fun a_proposed_policy_counts_from_its_activation() {
    let mut world = world::new();
    let mark = chain_check::mark(world.cluster());
    let proposal = world.propose(policy(2));
    let activates_at_ms = world.now() + DAY;
    assert_eq!(proposal, 0);
    mark.recorded<ChangeProposed>(world.cluster(), joined(vector[
        x"02", bcs::to_bytes(&proposal), policy_bytes(2), bcs::to_bytes(&activates_at_ms),
    ]));
    assert!(!world.cluster().is_policy_valid(2) && world.matched(2).is_none());
    world.wait(DAY);
    let mark = chain_check::mark(world.cluster());
    world.activate(proposal);
    mark.recorded<ChangeActivated>(world.cluster(), joined(vector[x"04", bcs::to_bytes(&proposal), policy_bytes(2)]));
    assert!(world.cluster().is_policy_valid(1) && world.cluster().is_policy_valid(2));
    assert_eq!(world.matched(2), option::some(2));
    world.destroy();
}

#[test, expected_failure(abort_code = cluster::ETimelockRunning)]
fun a_proposal_waits_for_the_last_millisecond() {
    let mut world = world::new();
    let proposal = world.propose(policy(2));
    world.wait(DAY - 1);
    world.activate(proposal);
    abort
}

#[test]
fun a_proposal_can_be_activated_to_the_end_of_its_life() {
    let mut world = world::new();
    let proposal = world.propose(policy(2));
    world.wait(DAY + PROPOSAL_LIFE_MS);
    world.activate(proposal);
    assert!(world.cluster().is_policy_valid(2));
    world.destroy();
}

#[test, expected_failure(abort_code = cluster::EProposalExpired)]
fun a_forgotten_proposal_never_comes_into_force() {
    let mut world = world::new();
    let proposal = world.propose(policy(2));
    world.wait(DAY + PROPOSAL_LIFE_MS + 1);
    world.activate(proposal);
    abort
}

#[test, expected_failure(abort_code = cluster::EProposalUnknown)]
fun a_proposal_is_activated_once() {
    let mut world = world::new();
    world.enact(policy(2));
    world.activate(0);
    abort
}

#[test]
fun proposals_are_numbered_and_activated_in_any_order() {
    let mut world = world::new();
    assert_eq!(vector[world.propose(policy(2)), world.propose(policy(3))], vector[0, 1]);
    world.wait(DAY);
    world.activate(1);
    assert!(world.cluster().is_policy_valid(3) && !world.cluster().is_policy_valid(2));
    world.activate(0);
    assert!(world.cluster().is_policy_valid(2));
    assert_eq!(world.propose(policy(4)), 2);
    world.destroy();
}

#[test]
fun new_parameters_hold_from_their_activation() {
    let mut world = world::new();
    let change = joined(vector[x"02", bcs::to_bytes(&short_timelock())]);
    let mark = chain_check::mark(world.cluster());
    let proposal = world.propose(cluster::params_change(short_timelock()));
    let activates_at_ms = world.now() + DAY;
    mark.recorded<ChangeProposed>(world.cluster(), joined(vector[
        x"02", bcs::to_bytes(&proposal), change, bcs::to_bytes(&activates_at_ms),
    ]));
    assert_eq!(*world.cluster().params(), params::default());
    world.wait(DAY);
    let mark = chain_check::mark(world.cluster());
    world.activate(proposal);
    mark.recorded<ChangeActivated>(world.cluster(), joined(vector[x"04", bcs::to_bytes(&proposal), change]));
    assert_eq!(*world.cluster().params(), short_timelock());
    world.destroy();
}

#[test, expected_failure(abort_code = cluster::ETimelockRunning)]
fun a_shorter_timelock_does_not_hasten_what_was_proposed_before() {
    let mut world = world::new();
    let shorten = world.propose(cluster::params_change(short_timelock()));
    world.wait(DAY - 1);
    let proposal = world.propose(policy(2));
    world.wait(1);
    world.activate(shorten);
    world.wait(2_000);
    world.activate(proposal);
    abort
}

#[test]
fun a_shorter_timelock_holds_for_the_next_proposal() {
    let mut world = world::new();
    world.enact(cluster::params_change(short_timelock()));
    let proposal = world.propose(policy(2));
    world.wait(2_000);
    world.activate(proposal);
    assert!(world.cluster().is_policy_valid(2));
    world.destroy();
}

#[test]
fun a_veto_ends_a_proposal_and_makes_room() {
    let mut world = world::new();
    16u64.do!(|i| { world.propose(policy(2 + i)); });
    let mark = chain_check::mark(world.cluster());
    world.veto(5);
    mark.recorded<ChangeVetoed>(world.cluster(), joined(vector[x"03", bcs::to_bytes(&5u64)]));
    assert_eq!(world.propose(policy(18)), 16);
    world.destroy();
}

#[test, expected_failure(abort_code = cluster::EProposalUnknown)]
fun a_vetoed_proposal_is_never_activated() {
    let mut world = world::new();
    let proposal = world.propose(policy(2));
    world.veto(proposal);
    world.wait(DAY);
    world.activate(proposal);
    abort
}

#[test]
fun every_change_can_be_vetoed_even_after_its_timelock() {
    let mut world = world::new();
    let changes = vector[policy(2), cluster::anchor_change(other_anchor(1)), cluster::params_change(short_timelock())];
    changes.do!(|change| {
        let proposal = world.propose(change);
        world.wait(2 * DAY);
        world.veto(proposal);
    });
    assert!(!world.cluster().is_policy_valid(2) && !world.cluster().accepts_anchor(&other_anchor(1)));
    assert_eq!(*world.cluster().params(), params::default());
    world.destroy();
}

// Policies: revocation, min_version, freeze.

#[test]
fun the_admin_revokes_at_once() {
    let mut world = world::new();
    let mark = chain_check::mark(world.cluster());
    world.revoke(1);
    mark.recorded<PolicyRevoked>(world.cluster(), joined(vector[x"05", bcs::to_bytes(&1u64)]));
    assert!(!world.cluster().is_policy_valid(1) && world.matched(1).is_none());
    world.destroy();
}

#[test]
fun the_veto_revokes_at_once() {
    let mut world = world::new();
    let mark = chain_check::mark(world.cluster());
    let (cluster, _, veto, _, _, _, _, _) = world.parts();
    cluster.revoke_policy_by_veto(veto, 1);
    mark.recorded<PolicyRevoked>(world.cluster(), joined(vector[x"05", bcs::to_bytes(&1u64)]));
    assert!(!world.cluster().is_policy_valid(1) && world.matched(1).is_none());
    world.destroy();
}

#[test]
fun a_higher_min_version_drops_the_policies_below_it() {
    let mut world = world::new();
    world.enact(policy(2));
    world.enact(policy(4));
    let mark = chain_check::mark(world.cluster());
    // No policy has this version: it is a bound, not a name.
    world.raise_min_version(3);
    mark.recorded<MinVersionRaised>(world.cluster(), joined(vector[x"06", bcs::to_bytes(&3u64)]));
    assert_eq!(world.cluster().min_version(), 3);
    assert!(vector[1u64, 2, 3].all!(|version| !world.cluster().is_policy_valid(*version)));
    assert!(world.matched(1).is_none() && world.matched(2).is_none());
    assert_eq!(world.matched(4), option::some(4));
    world.raise_min_version(4);
    assert_eq!(world.cluster().min_version(), 4);
    world.destroy();
}

#[test]
fun a_policy_activated_below_min_version_counts_for_nothing() {
    let mut world = world::new();
    let low = world.propose(policy(2));
    world.enact(policy(3));
    world.raise_min_version(3);
    world.activate(low);
    assert!(!world.cluster().is_policy_valid(2) && world.matched(2).is_none());
    world.destroy();
}

#[test]
fun dropping_old_policies_makes_room_for_the_seventeenth() {
    let mut world = world::new();
    15u64.do!(|i| { world.propose(policy(2 + i)); });
    world.wait(DAY);
    15u64.do!(|i| world.activate(i));
    world.raise_min_version(2);
    world.enact(policy(17));
    assert!(world.cluster().is_policy_valid(17) && world.cluster().is_policy_valid(2));
    world.destroy();
}

#[test]
fun a_frozen_policy_keeps_what_it_has_and_can_still_be_revoked() {
    let mut world = world::new();
    let mark = chain_check::mark(world.cluster());
    world.freeze_policy();
    mark.recorded<PolicyFrozen>(world.cluster(), x"07");
    assert!(world.cluster().is_frozen() && world.cluster().is_policy_valid(1));
    world.revoke(1);
    assert!(!world.cluster().is_policy_valid(1));
    world.destroy();
}

#[test]
fun a_frozen_policy_leaves_anchors_and_parameters_free() {
    let mut world = world::new();
    world.freeze_policy();
    world.enact(cluster::anchor_change(other_anchor(1)));
    world.enact(cluster::params_change(short_timelock()));
    assert!(world.cluster().accepts_anchor(&other_anchor(1)));
    assert_eq!(*world.cluster().params(), short_timelock());
    world.destroy();
}

/// Policies 1 to 6 with the same registers, `revoked` as a bit mask over them.
#[random_test]
fun a_document_matches_the_newest_policy_that_counts(revoked: u8, min_version: u8) {
    let mut world = world::new();
    5u64.do!(|i| { world.propose(cluster::policy_change(2 + i, world::policy_pcrs(1))); });
    world.wait(DAY);
    5u64.do!(|i| world.activate(i));
    let mut newest = option::none();
    let min_version = 1 + (min_version as u64) % 6;
    6u8.do!(|i| {
        let version = 1 + (i as u64);
        if ((revoked >> i) & 1 == 1) world.revoke(version)
        else if (version >= min_version) newest = option::some(version);
    });
    if (min_version > 1) world.raise_min_version(min_version);
    assert_eq!(world.matched(1), newest);
    assert!(world.matched(2).is_none());
    world.destroy();
}

// Anchors and operators.

#[test]
fun an_anchor_is_added_under_the_timelock_and_retired_at_once() {
    let mut world = world::new();
    let anchor = other_anchor(1);
    let change = joined(vector[x"01", bcs::to_bytes(&anchor)]);
    let proposal = world.propose(cluster::anchor_change(anchor));
    assert!(!world.cluster().accepts_anchor(&anchor));
    world.wait(DAY);
    let mark = chain_check::mark(world.cluster());
    world.activate(proposal);
    mark.recorded<ChangeActivated>(world.cluster(), joined(vector[x"04", bcs::to_bytes(&proposal), change]));
    assert!(world.cluster().accepts_anchor(&anchor));
    let mark = chain_check::mark(world.cluster());
    world.retire_anchor(world::anchor());
    mark.recorded<AnchorRetired>(world.cluster(), joined(vector[x"09", bcs::to_bytes(&world::anchor())]));
    assert!(!world.cluster().accepts_anchor(&world::anchor()) && world.cluster().accepts_anchor(&anchor));
    // Retired is not forbidden: it can be proposed again.
    world.enact(cluster::anchor_change(world::anchor()));
    assert!(world.cluster().accepts_anchor(&world::anchor()));
    world.destroy();
}

#[test]
fun operators_are_admitted_and_withdrawn() {
    let mut world = world::new();
    assert!(world.cluster().is_admitted(world::admin()) && world.cluster().is_admitted(world::operator()));
    let mark = chain_check::mark(world.cluster());
    world.admit(@0xB2, true);
    mark.recorded<OperatorAdmitted>(world.cluster(), joined(vector[x"08", bcs::to_bytes(&@0xB2), x"01"]));
    assert!(world.cluster().is_admitted(@0xB2));
    let mark = chain_check::mark(world.cluster());
    world.admit(world::operator(), false);
    mark.recorded<OperatorAdmitted>(world.cluster(), joined(vector[x"08", bcs::to_bytes(&world::operator()), x"00"]));
    assert!(!world.cluster().is_admitted(world::operator()) && world.cluster().is_admitted(@0xB2));
    world.destroy();
}

#[test]
fun the_cluster_knows_its_companions() {
    let world = world::new();
    let (pool, registry) = (object::id(world.pool()), object::id(world.registry()));
    assert!(world.cluster().is_stake_pool(pool) && !world.cluster().is_stake_pool(registry));
    assert!(world.cluster().is_worker_registry(registry) && !world.cluster().is_worker_registry(pool));
    world.destroy();
}

#[test]
fun migration_records_nothing_and_opens_the_cluster_again() {
    let mut world = world::new();
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    cluster.set_version(0);
    let mark = chain_check::mark(cluster);
    cluster.migrate(admin);
    mark.nothing_recorded(cluster);
    cluster.check_version();
    cluster.freeze_policy(admin);
    assert!(cluster.is_frozen());
    world.destroy();
}

use fun propose as World.propose;
use fun activate as World.activate;
use fun enact as World.enact;
use fun veto as World.veto;
use fun revoke as World.revoke;
use fun raise_min_version as World.raise_min_version;
use fun freeze_policy as World.freeze_policy;
use fun retire_anchor as World.retire_anchor;
use fun admit as World.admit;
use fun matched as World.matched;

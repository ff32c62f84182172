/// Promises of `daas::cluster`: what it refuses. Whom it refuses is in `daas::cluster_guard_tests`.
#[test_only]
module daas::cluster_refusal_tests;

use daas::cluster::{Self, Change, Cluster};
use daas::params;
use daas::pcr::{Self, Pcr};
use daas::stake;
use daas::worker_registry;
use daas::world::{Self, World};
use std::hash::sha2_256;
use std::unit_test;
use sui::clock;

const DAY: u64 = 86_400_000;

/// A cluster of its own, not the world's.
fun created(name: vector<u8>, pcrs: vector<Pcr>, anchors: vector<vector<u8>>): Cluster {
    let ctx = &mut tx_context::dummy();
    let clock = clock::create_for_testing(ctx);
    let (cluster, admin, veto) =
        cluster::create(name.to_string(), params::default(), 1, pcrs, anchors, &clock, ctx);
    clock.destroy_for_testing();
    unit_test::destroy(admin);
    unit_test::destroy(veto);
    cluster
}

fun creates(name: vector<u8>, pcrs: vector<Pcr>, anchors: vector<vector<u8>>) {
    unit_test::destroy(created(name, pcrs, anchors));
}

fun anchors(count: u64): vector<vector<u8>> { vector::tabulate!(count, |i| sha2_256(vector[i as u8])) }

fun letters(count: u64): vector<u8> { vector::tabulate!(count, |_| 97) }

fun policy(version: u64): Change { cluster::policy_change(version, world::policy_pcrs(version as u8)) }

fun propose(world: &mut World, change: Change): u64 {
    let (cluster, admin, _, _, _, _, _, clock) = world.parts();
    cluster.propose(admin, change, clock)
}

fun activate(world: &mut World, proposal: u64) {
    let (cluster, _, _, _, _, _, _, clock) = world.parts();
    cluster.activate(proposal, clock);
}

fun veto(world: &mut World, proposal: u64) {
    let (cluster, _, veto, _, _, _, _, _) = world.parts();
    cluster.veto(veto, proposal);
}

// Creation.

#[test]
fun one_letter_and_one_anchor_are_enough() {
    let cluster = created(letters(1), world::policy_pcrs(1), anchors(1));
    assert!(cluster.accepts_anchor(&sha2_256(vector[0])));
    unit_test::destroy(cluster);
}

#[test]
fun a_name_has_63_bytes_and_a_cluster_16_anchors_at_most() {
    let cluster = created(letters(63), world::policy_pcrs(1), anchors(16));
    assert!(anchors(16).all!(|anchor| cluster.accepts_anchor(anchor)));
    unit_test::destroy(cluster);
}

#[test, expected_failure(abort_code = cluster::ENameLength)]
fun no_cluster_without_a_name() { creates(b"", world::policy_pcrs(1), anchors(1)) }

#[test, expected_failure(abort_code = cluster::ENameLength)]
fun no_cluster_with_a_name_of_64_bytes() { creates(letters(64), world::policy_pcrs(1), anchors(1)) }

#[test, expected_failure(abort_code = cluster::EAnchorCount)]
fun no_cluster_without_an_anchor() { creates(b"c", world::policy_pcrs(1), vector[]) }

#[test, expected_failure(abort_code = cluster::EAnchorCount)]
fun no_cluster_with_17_anchors() { creates(b"c", world::policy_pcrs(1), anchors(17)) }

#[test, expected_failure(abort_code = cluster::EAnchorLength)]
fun no_cluster_with_an_anchor_of_31_bytes() { creates(b"c", world::policy_pcrs(1), vector[letters(31)]) }

#[test, expected_failure(abort_code = cluster::EAnchorLength)]
fun no_cluster_with_an_anchor_of_33_bytes_among_good_ones() {
    let mut anchors = anchors(2);
    anchors.push_back(letters(33));
    creates(b"c", world::policy_pcrs(1), anchors);
}

#[test, expected_failure(abort_code = cluster::EAnchorKnown)]
fun no_cluster_with_one_anchor_twice() {
    let mut anchors = anchors(2);
    let first = anchors[0];
    anchors.push_back(first);
    creates(b"c", world::policy_pcrs(1), anchors);
}

#[test, expected_failure(abort_code = pcr::EPcrMissing)]
fun no_cluster_without_a_policy() { creates(b"c", vector[], anchors(1)) }

// Proposals.

#[test, expected_failure(abort_code = cluster::EPolicyVersion)]
fun no_version_that_is_active_is_proposed() {
    let mut world = world::new();
    world.propose(policy(1));
    abort
}

#[test, expected_failure(abort_code = cluster::EPolicyVersion)]
fun no_version_below_the_active_one_is_proposed() {
    let mut world = world::new();
    world.propose(cluster::policy_change(0, world::policy_pcrs(1)));
    abort
}

#[test, expected_failure(abort_code = cluster::EPolicyVersion)]
fun no_version_that_is_under_proposal_is_proposed() {
    let mut world = world::new();
    world.propose(policy(2));
    world.propose(policy(2));
    abort
}

#[test, expected_failure(abort_code = cluster::EPolicyVersion)]
fun no_version_below_an_open_proposal_is_proposed() {
    let mut world = world::new();
    world.propose(policy(3));
    world.propose(policy(2));
    abort
}

#[test, expected_failure(abort_code = cluster::EPolicyVersion)]
fun no_version_that_was_vetoed_is_used_again() {
    let mut world = world::new();
    let proposal = world.propose(policy(2));
    world.veto(proposal);
    world.propose(policy(2));
    abort
}

#[test, expected_failure(abort_code = pcr::EPcrZero)]
fun no_policy_of_zeros_is_proposed() {
    let mut world = world::new();
    let zeros = vector::tabulate!(3, |i| pcr::new(i as u8, vector::tabulate!(48, |_| 0)));
    world.propose(cluster::policy_change(2, zeros));
    abort
}

#[test, expected_failure(abort_code = cluster::EPolicyFrozen)]
fun no_policy_is_proposed_once_it_is_frozen() {
    let mut world = world::new();
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    cluster.freeze_policy(admin);
    world.propose(policy(2));
    abort
}

#[test, expected_failure(abort_code = cluster::EPolicyFrozen)]
fun no_policy_proposed_before_the_freeze_is_activated_after_it() {
    let mut world = world::new();
    let proposal = world.propose(policy(2));
    world.wait(DAY);
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    cluster.freeze_policy(admin);
    world.activate(proposal);
    abort
}

#[test, expected_failure(abort_code = cluster::EPolicyFrozen)]
fun no_policy_is_frozen_twice() {
    let mut world = world::new();
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    cluster.freeze_policy(admin);
    cluster.freeze_policy(admin);
    abort
}

#[test, expected_failure(abort_code = cluster::EAnchorLength)]
fun no_anchor_of_31_bytes_is_proposed() {
    let mut world = world::new();
    world.propose(cluster::anchor_change(letters(31)));
    abort
}

#[test, expected_failure(abort_code = cluster::EAnchorLength)]
fun no_anchor_of_33_bytes_is_proposed() {
    let mut world = world::new();
    world.propose(cluster::anchor_change(letters(33)));
    abort
}

#[test, expected_failure(abort_code = cluster::EAnchorKnown)]
fun no_accepted_anchor_is_proposed() {
    let mut world = world::new();
    world.propose(cluster::anchor_change(world::anchor()));
    abort
}

#[test, expected_failure(abort_code = cluster::EAnchorKnown)]
fun no_anchor_proposed_twice_is_activated_twice() {
    let mut world = world::new();
    let change = cluster::anchor_change(sha2_256(b"new"));
    let (first, second) = (world.propose(change), world.propose(change));
    world.wait(DAY);
    world.activate(first);
    world.activate(second);
    abort
}

#[test, expected_failure(abort_code = cluster::EAnchorCount)]
fun no_seventeenth_anchor_is_activated() {
    let mut world = world::new();
    16u8.do!(|i| { world.propose(cluster::anchor_change(sha2_256(vector[i]))); });
    world.wait(DAY);
    16u64.do!(|i| world.activate(i));
    abort
}

#[test, expected_failure(abort_code = cluster::EProposalCount)]
fun no_seventeenth_proposal_stays_open() {
    let mut world = world::new();
    17u64.do!(|i| { world.propose(policy(2 + i)); });
    abort
}

#[test, expected_failure(abort_code = cluster::EPolicyCount)]
fun no_seventeenth_policy_is_activated() {
    let mut world = world::new();
    16u64.do!(|i| { world.propose(policy(2 + i)); });
    world.wait(DAY);
    16u64.do!(|i| world.activate(i));
    abort
}

#[test, expected_failure(abort_code = cluster::EProposalUnknown)]
fun no_proposal_that_was_never_made_is_activated() {
    let mut world = world::new();
    world.activate(0);
    abort
}

#[test, expected_failure(abort_code = cluster::EProposalUnknown)]
fun no_proposal_that_was_never_made_is_vetoed() {
    let mut world = world::new();
    world.veto(0);
    abort
}

#[test, expected_failure(abort_code = cluster::EProposalUnknown)]
fun no_activated_proposal_is_vetoed() {
    let mut world = world::new();
    let proposal = world.propose(policy(2));
    world.wait(DAY);
    world.activate(proposal);
    world.veto(proposal);
    abort
}

// Narrowing.

#[test, expected_failure(abort_code = cluster::EPolicyUnknown)]
fun the_admin_revokes_no_unknown_policy() {
    let mut world = world::new();
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    cluster.revoke_policy(admin, 2);
    abort
}

#[test, expected_failure(abort_code = cluster::EPolicyUnknown)]
fun the_veto_revokes_no_policy_that_is_only_proposed() {
    let mut world = world::new();
    world.propose(policy(2));
    let (cluster, _, veto, _, _, _, _, _) = world.parts();
    cluster.revoke_policy_by_veto(veto, 2);
    abort
}

#[test, expected_failure(abort_code = cluster::EAlreadyRevoked)]
fun the_admin_revokes_no_policy_after_the_veto() {
    let mut world = world::new();
    let (cluster, admin, veto, _, _, _, _, _) = world.parts();
    cluster.revoke_policy_by_veto(veto, 1);
    cluster.revoke_policy(admin, 1);
    abort
}

#[test, expected_failure(abort_code = cluster::EAlreadyRevoked)]
fun the_veto_revokes_no_policy_twice() {
    let mut world = world::new();
    let (cluster, _, veto, _, _, _, _, _) = world.parts();
    cluster.revoke_policy_by_veto(veto, 1);
    cluster.revoke_policy_by_veto(veto, 1);
    abort
}

#[test, expected_failure(abort_code = cluster::EMinVersionOrder)]
fun min_version_does_not_stay() {
    let mut world = world::new();
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    cluster.raise_min_version(admin, 1);
    abort
}

#[test, expected_failure(abort_code = cluster::EMinVersionOrder)]
fun min_version_does_not_go_down() {
    let mut world = world::new();
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    cluster.raise_min_version(admin, 0);
    abort
}

#[test, expected_failure(abort_code = cluster::EMinVersionOrder)]
fun min_version_does_not_pass_the_newest_active_policy() {
    let mut world = world::new();
    world.propose(policy(2));
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    cluster.raise_min_version(admin, 2);
    abort
}

#[test, expected_failure(abort_code = cluster::EAnchorUnknown)]
fun no_unknown_anchor_is_retired() {
    let mut world = world::new();
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    cluster.retire_anchor(admin, sha2_256(b"unknown"));
    abort
}

#[test, expected_failure(abort_code = cluster::EAnchorCount)]
fun the_last_anchor_stays() {
    let mut world = world::new();
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    cluster.retire_anchor(admin, world::anchor());
    abort
}

#[test, expected_failure(abort_code = cluster::EPolicyVersion)]
fun no_version_leaves_more_than_a_thousand_numbers_out() {
    let mut world = world::new();
    let (cluster, admin, _, _, _, _, _, clock) = world.parts();
    cluster.propose(admin, cluster::policy_change(1_002, world::policy_pcrs(2)), clock);
    abort
}

#[test, expected_failure(abort_code = cluster::EPolicyVersion)]
fun the_highest_version_of_all_is_refused() {
    let mut world = world::new();
    let (cluster, admin, _, _, _, _, _, clock) = world.parts();
    cluster.propose(admin, cluster::policy_change(18_446_744_073_709_551_615, world::policy_pcrs(2)), clock);
    abort
}

#[test, expected_failure(abort_code = cluster::EProposalLive)]
fun no_proposal_is_dropped_while_it_lives() {
    let mut world = world::new();
    let (cluster, admin, _, _, _, _, _, clock) = world.parts();
    let proposal = cluster.propose(admin, cluster::policy_change(2, world::policy_pcrs(2)), clock);
    cluster.drop_expired(proposal, clock);
    abort
}

#[test, expected_failure(abort_code = cluster::EProposalUnknown)]
fun no_unknown_proposal_is_dropped() {
    let mut world = world::new();
    let (cluster, _, _, _, _, _, _, clock) = world.parts();
    cluster.drop_expired(0, clock);
    abort
}

#[test, expected_failure(abort_code = cluster::EOperatorAdmission)]
fun no_operator_is_admitted_twice() {
    let mut world = world::new();
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    cluster.admit_operator(admin, world::operator(), true);
    abort
}

#[test, expected_failure(abort_code = cluster::EOperatorAdmission)]
fun no_stranger_is_withdrawn() {
    let mut world = world::new();
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    cluster.admit_operator(admin, @0xB2, false);
    abort
}

#[test, expected_failure(abort_code = cluster::EOperatorCount)]
fun no_sixty_fifth_operator_is_admitted() {
    let mut world = world::new();
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    // The world's operator is one of them.
    64u8.do!(|i| cluster.admit_operator(admin, sui::address::from_bytes(sha2_256(vector[i])), true));
    abort
}

#[test, expected_failure(abort_code = cluster::ESecondCompanion)]
fun no_second_stake_pool() {
    let mut world = world::new();
    let ctx = &mut world.as_sender(world::admin());
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    let _pool = stake::create_pool(cluster, admin, ctx);
    abort
}

#[test, expected_failure(abort_code = cluster::ESecondCompanion)]
fun no_second_worker_registry() {
    let mut world = world::new();
    let ctx = &mut world.as_sender(world::admin());
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    let _registry = worker_registry::create_registry(cluster, admin, ctx);
    abort
}

use fun propose as World.propose;
use fun activate as World.activate;
use fun veto as World.veto;

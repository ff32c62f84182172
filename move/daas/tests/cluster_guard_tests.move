/// Promises of `daas::cluster`: caps of another cluster open nothing, and code of another version touches nothing.
#[test_only]
module daas::cluster_guard_tests;

use daas::access;
use daas::cluster::{Self, AdminCap, VetoCap};
use daas::enclave;
use daas::params;
use daas::stake;
use daas::version;
use daas::worker_registry;
use daas::world::{Self, World};
use std::hash::sha2_256;
use std::unit_test;

/// The caps of another cluster.
fun foreign_caps(world: &mut World): (AdminCap, VetoCap) {
    let ctx = &mut world.as_sender(@0xC0);
    let (cluster, admin, veto) = cluster::create(
        b"other".to_string(), params::default(), 1, world::policy_pcrs(1), vector[world::anchor()], world.clock(), ctx,
    );
    unit_test::destroy(cluster);
    (admin, veto)
}

/// A world whose cluster follows `version`.
fun at_version(version: u64): World {
    let mut world = world::new();
    let (cluster, _, _, _, _, _, _, _) = world.parts();
    cluster.set_version(version);
    world
}

// Caps of another cluster.

#[test, expected_failure(abort_code = cluster::EWrongCap)]
fun a_foreign_admin_proposes_nothing() {
    let mut world = world::new();
    let (foreign, _veto) = world.foreign_caps();
    let (cluster, _, _, _, _, _, _, clock) = world.parts();
    cluster.propose(&foreign, cluster::anchor_change(sha2_256(b"new")), clock);
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongCap)]
fun a_foreign_admin_revokes_no_policy() {
    let mut world = world::new();
    let (foreign, _veto) = world.foreign_caps();
    let (cluster, _, _, _, _, _, _, _) = world.parts();
    cluster.revoke_policy(&foreign, 1);
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongCap)]
fun a_foreign_admin_raises_no_min_version() {
    let mut world = world::new();
    let (foreign, _veto) = world.foreign_caps();
    let (cluster, _, _, _, _, _, _, _) = world.parts();
    cluster.raise_min_version(&foreign, 2);
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongCap)]
fun a_foreign_admin_freezes_nothing() {
    let mut world = world::new();
    let (foreign, _veto) = world.foreign_caps();
    let (cluster, _, _, _, _, _, _, _) = world.parts();
    cluster.freeze_policy(&foreign);
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongCap)]
fun a_foreign_admin_retires_no_anchor() {
    let mut world = world::new();
    let (foreign, _veto) = world.foreign_caps();
    let (cluster, _, _, _, _, _, _, _) = world.parts();
    cluster.retire_anchor(&foreign, world::anchor());
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongCap)]
fun a_foreign_admin_admits_no_operator() {
    let mut world = world::new();
    let (foreign, _veto) = world.foreign_caps();
    let (cluster, _, _, _, _, _, _, _) = world.parts();
    cluster.admit_operator(&foreign, @0xB2, true);
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongCap)]
fun a_foreign_admin_revokes_no_token() {
    let mut world = world::new();
    let (foreign, _veto) = world.foreign_caps();
    let (cluster, _, _, _, _, _, token, _) = world.parts();
    access::revoke(cluster, &foreign, token.token_id());
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongCap)]
fun a_foreign_admin_issues_no_token() {
    let mut world = world::new();
    let (foreign, _veto) = world.foreign_caps();
    let ctx = &mut world.as_sender(world::admin());
    let (cluster, _, _, _, _, _, _, clock) = world.parts();
    access::issue(
        cluster, &foreign, @0xA1, vector[b"*:*".to_string()], sha2_256(b"c"), world::start_ms() + 1, clock, ctx,
    );
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongCap)]
fun a_foreign_admin_makes_no_stake_pool() {
    let mut world = world::new();
    let (foreign, _veto) = world.foreign_caps();
    let ctx = &mut world.as_sender(world::admin());
    let (cluster, _, _, _, _, _, _, _) = world.parts();
    let _pool = stake::create_pool(cluster, &foreign, ctx);
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongCap)]
fun a_foreign_admin_makes_no_worker_registry() {
    let mut world = world::new();
    let (foreign, _veto) = world.foreign_caps();
    let ctx = &mut world.as_sender(world::admin());
    let (cluster, _, _, _, _, _, _, _) = world.parts();
    let _registry = worker_registry::create_registry(cluster, &foreign, ctx);
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongCap)]
fun a_foreign_admin_migrates_no_cluster() {
    let mut world = world::new();
    let (foreign, _veto) = world.foreign_caps();
    let (cluster, _, _, _, _, _, _, _) = world.parts();
    cluster.migrate(&foreign);
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongCap)]
fun a_foreign_admin_migrates_no_stake_pool() {
    let mut world = world::new();
    let (foreign, _veto) = world.foreign_caps();
    let (_, _, _, pool, _, _, _, _) = world.parts();
    pool.migrate(&foreign);
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongCap)]
fun a_foreign_admin_migrates_no_worker_registry() {
    let mut world = world::new();
    let (foreign, _veto) = world.foreign_caps();
    let (_, _, _, _, registry, _, _, _) = world.parts();
    registry.migrate(&foreign);
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongCap)]
fun a_foreign_admin_migrates_no_slot() {
    let mut world = world::new();
    let (foreign, _veto) = world.foreign_caps();
    let (_, _, _, _, _, enclave, _, _) = world.parts();
    enclave.migrate(&foreign);
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongCap)]
fun a_foreign_veto_stops_no_proposal() {
    let mut world = world::new();
    let (_admin, foreign) = world.foreign_caps();
    let (cluster, admin, _, _, _, _, _, clock) = world.parts();
    cluster.propose(admin, cluster::anchor_change(sha2_256(b"new")), clock);
    cluster.veto(&foreign, 0);
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongCap)]
fun a_foreign_veto_revokes_no_policy() {
    let mut world = world::new();
    let (_admin, foreign) = world.foreign_caps();
    let (cluster, _, _, _, _, _, _, _) = world.parts();
    cluster.revoke_policy_by_veto(&foreign, 1);
    abort
}

// Another version of the package.

#[test, expected_failure(abort_code = version::EWrongVersion)]
fun an_old_cluster_takes_no_proposal() {
    let mut world = at_version(0);
    let (cluster, admin, _, _, _, _, _, clock) = world.parts();
    cluster.propose(admin, cluster::anchor_change(sha2_256(b"new")), clock);
    abort
}

#[test, expected_failure(abort_code = version::EWrongVersion)]
fun an_old_cluster_revokes_no_policy() {
    let mut world = at_version(0);
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    cluster.revoke_policy(admin, 1);
    abort
}

#[test, expected_failure(abort_code = version::EWrongVersion)]
fun an_old_cluster_raises_no_min_version() {
    let mut world = at_version(0);
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    cluster.raise_min_version(admin, 2);
    abort
}

#[test, expected_failure(abort_code = version::EWrongVersion)]
fun an_old_cluster_freezes_nothing() {
    let mut world = at_version(0);
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    cluster.freeze_policy(admin);
    abort
}

#[test, expected_failure(abort_code = version::EWrongVersion)]
fun an_old_cluster_retires_no_anchor() {
    let mut world = at_version(0);
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    cluster.retire_anchor(admin, world::anchor());
    abort
}

#[test, expected_failure(abort_code = version::EWrongVersion)]
fun an_old_cluster_admits_no_operator() {
    let mut world = at_version(0);
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    cluster.admit_operator(admin, @0xB2, true);
    abort
}

#[test, expected_failure(abort_code = version::EWrongVersion)]
fun an_old_cluster_revokes_no_token() {
    let mut world = at_version(0);
    let (cluster, admin, _, _, _, _, token, _) = world.parts();
    access::revoke(cluster, admin, token.token_id());
    abort
}

#[test, expected_failure(abort_code = version::EWrongVersion)]
fun an_old_cluster_activates_nothing() {
    let mut world = at_version(0);
    let (cluster, _, _, _, _, _, _, clock) = world.parts();
    cluster.activate(0, clock);
    abort
}

#[test, expected_failure(abort_code = version::EWrongVersion)]
fun an_old_cluster_vetoes_nothing() {
    let mut world = at_version(0);
    let (cluster, _, veto, _, _, _, _, _) = world.parts();
    cluster.veto(veto, 0);
    abort
}

#[test, expected_failure(abort_code = version::EWrongVersion)]
fun an_old_cluster_revokes_no_policy_by_veto() {
    let mut world = at_version(0);
    let (cluster, _, veto, _, _, _, _, _) = world.parts();
    cluster.revoke_policy_by_veto(veto, 1);
    abort
}

#[test, expected_failure(abort_code = version::EWrongVersion)]
fun an_old_cluster_issues_no_token() {
    let mut world = at_version(0);
    let ctx = &mut world.as_sender(world::admin());
    let (cluster, admin, _, _, _, _, _, clock) = world.parts();
    access::issue(
        cluster, admin, @0xA1, vector[b"*:*".to_string()], sha2_256(b"c"), world::start_ms() + 1, clock, ctx,
    );
    abort
}

#[test, expected_failure(abort_code = version::EWrongVersion)]
fun an_old_cluster_ends_no_sessions() {
    let mut world = at_version(0);
    let ctx = &world.as_sender(world::user());
    let (cluster, _, _, _, _, _, token, _) = world.parts();
    access::end_sessions(cluster, token, ctx);
    abort
}

#[test, expected_failure(abort_code = version::EWrongVersion)]
fun an_old_cluster_gets_no_stake_pool() {
    let mut world = at_version(0);
    let ctx = &mut world.as_sender(world::admin());
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    let _pool = stake::create_pool(cluster, admin, ctx);
    abort
}

#[test, expected_failure(abort_code = version::EWrongVersion)]
fun an_old_cluster_gets_no_worker_registry() {
    let mut world = at_version(0);
    let ctx = &mut world.as_sender(world::admin());
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    let _registry = worker_registry::create_registry(cluster, admin, ctx);
    abort
}

#[test, expected_failure(abort_code = version::EWrongVersion)]
fun an_old_cluster_gets_no_slot() {
    let mut world = at_version(0);
    let ctx = &mut world.as_sender(world::operator());
    let (cluster, _, _, _, _, _, _, _) = world.parts();
    let _slot = enclave::create_slot(cluster, ctx);
    abort
}

#[test, expected_failure(abort_code = version::EWrongVersion)]
fun old_code_touches_no_migrated_cluster() {
    let mut world = at_version(version::current() + 1);
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    cluster.freeze_policy(admin);
    abort
}

#[test, expected_failure(abort_code = version::EWrongVersion)]
fun an_old_cluster_takes_no_token_back() {
    let mut world = world::new();
    let ctx = &mut world.as_sender(world::user());
    let (cluster, admin, _, _, _, _, _, clock) = world.parts();
    let token = access::issue_for_testing(
        cluster,
        admin,
        world::user(),
        vector[b"*:*".to_string()],
        sha2_256(b"c"),
        world::start_ms() + 1,
        clock,
        ctx,
    );
    cluster.set_version(0);
    access::surrender(cluster, token, ctx);
    abort
}

#[test, expected_failure(abort_code = version::ENothingToMigrate)]
fun a_cluster_of_this_version_is_not_migrated() {
    let mut world = world::new();
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    cluster.migrate(admin);
    abort
}

#[test, expected_failure(abort_code = version::ENothingToMigrate)]
fun a_cluster_of_a_newer_version_is_not_led_back() {
    let mut world = at_version(version::current() + 1);
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    cluster.migrate(admin);
    abort
}

use fun foreign_caps as World.foreign_caps;

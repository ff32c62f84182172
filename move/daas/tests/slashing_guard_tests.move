/// Promises of `daas::slashing`: what a slash says of itself, and that it takes from the cluster's own pool only.
#[test_only]
module daas::slashing_guard_tests;

use daas::cluster::Cluster;
use daas::enclave;
use daas::signed_slashing as signed;
use daas::slashes::{anchored, equivocate, other_leaf, other_root, reporter, with_worker, worker_fault, worker_owner};
use daas::slashing::{Self, BootSlashedEvent, WorkerSlashedEvent};
use daas::stake::{Self, StakePool};
use daas::worker_registry;
use daas::workers;
use daas::world::{Self, World};
use std::unit_test::{Self, assert_eq};
use sui::bcs;
use sui::event;

const EQUIVOCATION: u8 = 0;
const CONTRADICTION: u8 = 1;

/// Another cluster and its pool.
fun elsewhere(world: &mut World): (Cluster, StakePool) {
    let (mut cluster, admin) = workers::other_cluster(world);
    let ctx = &mut world.as_sender(world::admin());
    let pool = stake::create_pool(&mut cluster, &admin, ctx);
    unit_test::destroy(admin);
    (cluster, pool)
}

fun assert_boot_slashed(world: &World, kind: u8) {
    let mut expected = bcs::to_bytes(&world.enclave().id());
    expected.append(bcs::to_bytes(&world::boot_id(1)));
    expected.push_back(kind);
    expected.append(bcs::to_bytes(&reporter()));
    expected.append(bcs::to_bytes(&world::sui(50)));
    let events = event::events_by_type<BootSlashedEvent>();
    assert_eq!(events.length(), 1);
    assert_eq!(bcs::to_bytes(&events[0]), expected);
}

#[test]
fun an_equivocation_names_slot_boot_kind_reporter_and_amount() {
    let mut world = world::serving();
    equivocate!(&mut world, 1, 0, 0, signed::receipt_2(), signed::receipt_2_lie());
    assert_boot_slashed(&world, EQUIVOCATION);
    world.destroy();
}

#[test]
fun another_leaf_names_slot_boot_kind_reporter_and_amount() {
    let mut world = anchored();
    other_leaf!(&mut world, signed::receipt_2_lie(), signed::leaves()[2], signed::inclusion_2());
    assert_boot_slashed(&world, CONTRADICTION);
    world.destroy();
}

#[test]
fun another_root_names_slot_boot_kind_reporter_and_amount() {
    let mut world = anchored();
    other_root!(&mut world, signed::receipt_2_root_lie(), signed::roots()[2], signed::from_2_to_5());
    assert_boot_slashed(&world, CONTRADICTION);
    world.destroy();
}

#[test]
fun a_workers_fault_names_worker_reporter_and_amount() {
    let mut world = with_worker();
    worker_fault!(&mut world, b"worker-1", signed::worker_says_1(), signed::worker_says_2());
    let mut expected = bcs::to_bytes(&b"worker-1");
    expected.append(bcs::to_bytes(&reporter()));
    expected.append(bcs::to_bytes(&world::sui(1)));
    let events = event::events_by_type<WorkerSlashedEvent>();
    assert_eq!(events.length(), 1);
    assert_eq!(bcs::to_bytes(&events[0]), expected);
    world.destroy();
}

#[test, expected_failure(abort_code = stake::EWrongPool)]
fun an_equivocation_takes_nothing_from_another_clusters_pool() {
    let mut world = world::serving();
    let (_other, mut far) = elsewhere(&mut world);
    let (message, signature) = signed::receipt_2();
    let (other_message, other_signature) = signed::receipt_2_lie();
    let ctx = &mut world.as_sender(reporter());
    let (cluster, _, _, _, _, enclave, _, _) = world.parts();
    slashing::report_equivocation(
        enclave,
        cluster,
        &mut far,
        world::boot_id(1),
        message,
        signature,
        0,
        other_message,
        other_signature,
        0,
        ctx,
    );
    abort
}

#[test, expected_failure(abort_code = stake::EWrongPool)]
fun another_leaf_takes_nothing_from_another_clusters_pool() {
    let mut world = anchored();
    let (_other, mut far) = elsewhere(&mut world);
    let (message, signature) = signed::receipt_2_lie();
    let ctx = &mut world.as_sender(reporter());
    let (cluster, _, _, _, _, enclave, _, _) = world.parts();
    slashing::report_other_leaf(
        enclave,
        cluster,
        &mut far,
        world::boot_id(1),
        message,
        signature,
        0,
        signed::leaves()[2],
        signed::inclusion_2(),
        ctx,
    );
    abort
}

#[test, expected_failure(abort_code = stake::EWrongPool)]
fun another_root_takes_nothing_from_another_clusters_pool() {
    let mut world = anchored();
    let (_other, mut far) = elsewhere(&mut world);
    let (message, signature) = signed::receipt_2_root_lie();
    let ctx = &mut world.as_sender(reporter());
    let (cluster, _, _, _, _, enclave, _, _) = world.parts();
    slashing::report_other_root(
        enclave,
        cluster,
        &mut far,
        world::boot_id(1),
        message,
        signature,
        0,
        signed::roots()[2],
        signed::from_2_to_5(),
        ctx,
    );
    abort
}

#[test, expected_failure(abort_code = stake::EWrongPool)]
fun a_workers_fault_takes_nothing_from_another_clusters_pool() {
    let mut world = with_worker();
    let (_other, mut far) = elsewhere(&mut world);
    let (message, signature) = signed::worker_says_1();
    let (other_message, other_signature) = signed::worker_says_2();
    let ctx = &mut world.as_sender(reporter());
    let (cluster, _, _, _, registry, _, _, _) = world.parts();
    slashing::report_worker_fault(
        registry,
        cluster,
        &mut far,
        worker_owner(),
        b"worker-1".to_string(),
        message,
        signature,
        other_message,
        other_signature,
        ctx,
    );
    abort
}

#[test, expected_failure(abort_code = enclave::EWrongCluster)]
fun an_equivocation_is_judged_in_its_own_cluster() {
    let mut world = world::serving();
    let (mut other, mut far) = elsewhere(&mut world);
    let (message, signature) = signed::receipt_2();
    let (other_message, other_signature) = signed::receipt_2_lie();
    let ctx = &mut world.as_sender(reporter());
    let (_, _, _, _, _, enclave, _, _) = world.parts();
    slashing::report_equivocation(
        enclave,
        &mut other,
        &mut far,
        world::boot_id(1),
        message,
        signature,
        0,
        other_message,
        other_signature,
        0,
        ctx,
    );
    abort
}

#[test, expected_failure(abort_code = enclave::EWrongCluster)]
fun another_leaf_is_judged_in_its_own_cluster() {
    let mut world = anchored();
    let (mut other, mut far) = elsewhere(&mut world);
    let (message, signature) = signed::receipt_2_lie();
    let ctx = &mut world.as_sender(reporter());
    let (_, _, _, _, _, enclave, _, _) = world.parts();
    slashing::report_other_leaf(
        enclave,
        &mut other,
        &mut far,
        world::boot_id(1),
        message,
        signature,
        0,
        signed::leaves()[2],
        signed::inclusion_2(),
        ctx,
    );
    abort
}

#[test, expected_failure(abort_code = enclave::EWrongCluster)]
fun another_root_is_judged_in_its_own_cluster() {
    let mut world = anchored();
    let (mut other, mut far) = elsewhere(&mut world);
    let (message, signature) = signed::receipt_2_root_lie();
    let ctx = &mut world.as_sender(reporter());
    let (_, _, _, _, _, enclave, _, _) = world.parts();
    slashing::report_other_root(
        enclave,
        &mut other,
        &mut far,
        world::boot_id(1),
        message,
        signature,
        0,
        signed::roots()[2],
        signed::from_2_to_5(),
        ctx,
    );
    abort
}

#[test, expected_failure(abort_code = worker_registry::EWrongRegistry)]
fun a_workers_fault_is_judged_in_its_own_cluster() {
    let mut world = with_worker();
    let (mut other, mut far) = elsewhere(&mut world);
    let (message, signature) = signed::worker_says_1();
    let (other_message, other_signature) = signed::worker_says_2();
    let ctx = &mut world.as_sender(reporter());
    let (_, _, _, _, registry, _, _, _) = world.parts();
    slashing::report_worker_fault(
        registry,
        &mut other,
        &mut far,
        worker_owner(),
        b"worker-1".to_string(),
        message,
        signature,
        other_message,
        other_signature,
        ctx,
    );
    abort
}

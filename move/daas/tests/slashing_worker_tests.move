/// Promises of `daas::slashing`: two statements of a worker that contradict each other.
#[test_only]
module daas::slashing_worker_tests;

use daas::signed_slashing as signed;
use daas::slashes::{Self, with_worker, worker_fault, worker_owner};
use daas::slashing::{Self, WorkerSlashedEvent};
use daas::stake;
use daas::worker_registry;
use daas::world::{Self, World};
use std::hash::sha2_256;
use std::unit_test::assert_eq;
use sui::event;

const SLASHED_STATUS: u8 = 4;

use fun slashes::leave as World.leave;
use fun slashes::add_worker as World.add_worker;

#[test]
fun two_statements_of_a_worker_cost_half_its_stake_once_and_its_reputation() {
    let mut world = with_worker();
    let state = world.cluster().state().seq();
    worker_fault!(&mut world, b"worker-1", signed::worker_says_1(), signed::worker_says_2());
    let worker = world.registry().worker(b"worker-1".to_string());
    assert_eq!(worker.status(), SLASHED_STATUS);
    assert_eq!(worker.reputation(), 0);
    assert_eq!(world.pool().slashable(stake::worker_key(worker_owner(), b"worker-1")), world::sui(1));
    assert_eq!(world.pool().treasury(), world::sui(3) / 10);
    assert_eq!(world.cluster().state().seq(), state + 1);
    assert_eq!(event::events_by_type<WorkerSlashedEvent>().length(), 1);
    world.destroy();
}

#[test]
fun a_worker_that_has_left_is_slashed_while_its_stake_unbonds() {
    let mut world = with_worker();
    world.leave();
    let state = world.cluster().state().seq();
    worker_fault!(&mut world, b"worker-1", signed::worker_says_1(), signed::worker_says_2());
    assert_eq!(world.pool().slashable(stake::worker_key(worker_owner(), b"worker-1")), world::sui(1));
    // Enclaves have forgotten it with its deregistration.
    assert_eq!(world.cluster().state().seq(), state);
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EIllegalTransition)]
fun a_worker_that_has_left_is_slashed_once() {
    let mut world = with_worker();
    world.leave();
    worker_fault!(&mut world, b"worker-1", signed::worker_says_1(), signed::worker_says_2());
    worker_fault!(&mut world, b"worker-1", signed::worker_says_1(), signed::worker_says_2());
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EIllegalTransition)]
fun a_worker_is_not_slashed_again_after_it_has_left() {
    let mut world = with_worker();
    worker_fault!(&mut world, b"worker-1", signed::worker_says_1(), signed::worker_says_2());
    world.leave();
    worker_fault!(&mut world, b"worker-1", signed::worker_says_1(), signed::worker_says_2());
    world.destroy();
}

#[test]
fun who_registers_a_name_after_another_does_not_answer_for_it() {
    let mut world = with_worker();
    world.leave();
    let ctx = &mut world.as_sender(@0xB0B);
    let (cluster, _, _, pool, registry, _, _, clock) = world.parts();
    registry.stake_and_register_worker(
        cluster,
        pool,
        world::mint(world::sui(1), ctx),
        b"worker-1".to_string(),
        sha2_256(b"join"),
        sha2_256(b"worker"),
        sha2_256(b"status"),
        clock,
        ctx,
    );
    worker_fault!(&mut world, b"worker-1", signed::worker_says_1(), signed::worker_says_2());
    assert_eq!(world.pool().slashable(stake::worker_key(@0xB0B, b"worker-1")), world::sui(1));
    assert_eq!(world.pool().slashable(stake::worker_key(worker_owner(), b"worker-1")), world::sui(1));
    assert_eq!(world.registry().worker(b"worker-1".to_string()).status(), 0);
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EIllegalTransition)]
fun a_worker_is_slashed_once() {
    let mut world = with_worker();
    worker_fault!(&mut world, b"worker-1", signed::worker_says_1(), signed::worker_says_2());
    worker_fault!(&mut world, b"worker-1", signed::worker_says_1(), signed::worker_says_2());
    world.destroy();
}

#[test, expected_failure(abort_code = slashing::ESameContent)]
fun a_worker_that_says_the_same_again_contradicts_nothing() {
    let mut world = with_worker();
    worker_fault!(&mut world, b"worker-1", signed::worker_says_1(), signed::worker_says_1_later());
    world.destroy();
}

#[test, expected_failure(abort_code = slashing::EOtherSequence)]
fun a_workers_next_statement_contradicts_nothing() {
    let mut world = with_worker();
    worker_fault!(&mut world, b"worker-1", signed::worker_says_1(), signed::worker_says_2_at_8());
    world.destroy();
}

#[test, expected_failure(abort_code = slashing::EOtherWorker)]
fun what_is_said_of_another_worker_is_no_evidence() {
    let mut world = with_worker();
    worker_fault!(&mut world, b"worker-1", signed::worker_says_1(), signed::other_worker_says_2());
    world.destroy();
}

#[test, expected_failure(abort_code = slashing::EOtherWorker)]
fun two_workers_with_one_key_do_not_answer_for_each_other() {
    let mut world = with_worker();
    world.add_worker(b"worker-2");
    worker_fault!(&mut world, b"worker-2", signed::worker_says_1(), signed::other_worker_says_2());
    world.destroy();
}

#[test, expected_failure(abort_code = slashing::EOtherWorker)]
fun what_a_worker_says_in_another_cluster_is_no_evidence() {
    let mut world = with_worker();
    worker_fault!(&mut world, b"worker-1", signed::worker_says_1(), signed::worker_says_2_elsewhere());
    world.destroy();
}

#[test, expected_failure(abort_code = slashing::EWorkerSignature)]
fun what_another_key_signs_is_no_evidence_against_a_worker() {
    let mut world = with_worker();
    worker_fault!(&mut world, b"worker-1", signed::worker_says_1(), signed::worker_says_2_other_key());
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EUnknownWorker)]
fun an_unknown_worker_cannot_be_slashed() {
    let mut world = world::serving();
    worker_fault!(&mut world, b"worker-1", signed::worker_says_1(), signed::worker_says_2());
    world.destroy();
}

#[test, expected_failure(abort_code = slashing::EWorkerSignature)]
fun an_enclaves_receipts_are_no_workers_statements() {
    let mut world = with_worker();
    worker_fault!(&mut world, b"worker-1", signed::receipt_2(), signed::receipt_2_lie());
    world.destroy();
}

/// Promises of `daas::worker_registry`: join tokens, and how a worker leaves.
#[test_only]
module daas::worker_join_tests;

use daas::enclave;
use daas::heads;
use daas::signed_workers as signed;
use daas::stake::{Self, StakeProof};
use daas::worker_registry::{Self, JoinTokenPublished, WorkerDeregistered};
use daas::workers::{Self, active, in_status, pending, publish};
use daas::world::{Self, World};
use std::hash::sha2_256;
use std::unit_test::assert_eq;
use sui::bcs;
use sui::event;
use sui::test_scenario;

const OWNER: address = @0x30;
const STRANGER: address = @0x31;
const PENDING: u8 = 0;
const BUSY: u8 = 2;
const OFFLINE: u8 = 3;
const SLASHED: u8 = 4;

use fun workers::register as World.register_worker;
use fun workers::deregister as World.deregister;
use fun workers::status as World.status;
use fun workers::state_seq as World.state_seq;

#[test]
fun a_join_token_is_shown_once_and_only_its_digest_is_kept() {
    let mut world = pending();
    let state = world.state_seq();
    publish!(&mut world, signed::token());
    let worker = world.registry().worker(b"worker-1".to_string());
    assert_eq!(*worker.join_token_digest(), sha2_256(b"ciphertext"));
    assert_eq!(worker.status(), PENDING);
    assert_eq!(world.state_seq(), state + 1);
    let events = event::events_by_type<heads::Event<JoinTokenPublished>>();
    let mut expected = vector[31];
    expected.append(bcs::to_bytes(&b"worker-1"));
    expected.append(bcs::to_bytes(&world.enclave().id()));
    expected.append(bcs::to_bytes(&b"ciphertext"));
    assert_eq!(bcs::to_bytes(events[0].body()), expected);
    assert_eq!(events.length(), 1);
    world.destroy();
}

#[test]
fun an_offline_worker_gets_a_join_token() {
    let mut world = in_status(OFFLINE);
    publish!(&mut world, signed::token());
    assert_eq!(*world.registry().worker(b"worker-1".to_string()).join_token_digest(), sha2_256(b"ciphertext"));
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EJoinTokenKnown)]
fun a_join_token_is_published_once() {
    let mut world = in_status(OFFLINE);
    publish!(&mut world, signed::token());
    publish!(&mut world, signed::token());
    world.destroy();
}

#[test]
fun a_later_join_token_replaces_the_one_before() {
    let mut world = pending();
    publish!(&mut world, signed::token());
    publish!(&mut world, signed::token_again());
    assert_eq!(*world.registry().worker(b"worker-1".to_string()).join_token_digest(), sha2_256(b"a newer one"));
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EJoinTokenKnown)]
fun two_join_tokens_are_not_published_in_turn_for_ever() {
    let mut world = pending();
    publish!(&mut world, signed::token());
    publish!(&mut world, signed::token_again());
    publish!(&mut world, signed::token());
    world.destroy();
}

#[test]
fun a_join_token_may_be_ahead_by_the_skew() {
    let mut world = pending();
    publish!(&mut world, signed::token_at_skew());
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EReportFromFuture)]
fun a_join_token_from_the_future_does_not_shut_out_later_ones() {
    let mut world = pending();
    publish!(&mut world, signed::token_beyond_skew());
    world.destroy();
}

#[test]
fun a_worker_can_come_and_go_twice() {
    let mut scenario = test_scenario::begin(OWNER);
    let mut world = pending();
    2u64.do!(|_| {
        scenario.next_tx(OWNER);
        let proof = scenario.take_from_sender<StakeProof>();
        world.deregister(OWNER, b"worker-1");
        let unbonding_ms = world.cluster().params().unbonding_ms();
        world.wait(unbonding_ms);
        let ctx = &mut world.as_sender(OWNER);
        let (_, _, _, pool, _, _, _, clock) = world.parts();
        pool.withdraw(proof, clock, ctx).burn_for_testing();
        world.register_worker(OWNER, b"worker-1");
    });
    assert_eq!(world.status(), PENDING);
    world.destroy();
    scenario.end();
}

#[test, expected_failure(abort_code = worker_registry::ENotJoining)]
fun an_active_worker_gets_no_join_token() {
    let mut world = active();
    publish!(&mut world, signed::token());
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::ENotJoining)]
fun a_busy_worker_gets_no_join_token() {
    let mut world = in_status(BUSY);
    publish!(&mut world, signed::token());
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::ENotJoining)]
fun a_slashed_worker_gets_no_join_token() {
    let mut world = in_status(SLASHED);
    publish!(&mut world, signed::token());
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EWorkerKey)]
fun a_join_token_is_for_the_workers_own_key() {
    let mut world = pending();
    publish!(&mut world, signed::token_other_worker_key());
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EUnknownWorker)]
fun a_join_token_is_for_a_registered_worker() {
    let mut world = pending();
    publish!(&mut world, signed::token_unknown_worker());
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EWrongCluster)]
fun a_join_token_for_another_cluster_is_refused() {
    let mut world = pending();
    publish!(&mut world, signed::token_other_cluster());
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EWrongEnclave)]
fun a_join_token_of_another_slot_is_refused() {
    let mut world = pending();
    publish!(&mut world, signed::token_other_slot());
    world.destroy();
}

#[test, expected_failure(abort_code = enclave::EBadSignature)]
fun a_join_token_under_another_key_is_refused() {
    let mut world = pending();
    publish!(&mut world, signed::token_other_key());
    world.destroy();
}

#[test, expected_failure(abort_code = enclave::EWrongBoot)]
fun a_join_token_of_another_boot_is_refused() {
    let mut world = pending();
    publish!(&mut world, signed::token_boot_2());
    world.destroy();
}

#[test]
fun a_worker_leaves_and_its_node_id_is_free() {
    let mut world = active();
    let state = world.state_seq();
    world.deregister(OWNER, b"worker-1");
    assert!(!world.registry().is_worker_owner(OWNER, b"worker-1".to_string()));
    assert_eq!(world.registry().get_owner_workers(OWNER), vector[]);
    assert_eq!(world.pool().slashable(stake::worker_key(OWNER, b"worker-1")), world::sui(2));
    assert_eq!(world.state_seq(), state + 1);
    assert_eq!(event::events_by_type<heads::Event<WorkerDeregistered>>().length(), 1);
    world.register_worker(STRANGER, b"worker-1");
    assert!(world.registry().is_worker_owner(STRANGER, b"worker-1".to_string()));
    assert_eq!(world.status(), PENDING);
    world.destroy();
}

#[test, expected_failure(abort_code = stake::EAlreadyStaked)]
fun an_owner_withdraws_before_it_uses_the_node_id_again() {
    let mut world = pending();
    world.deregister(OWNER, b"worker-1");
    world.register_worker(OWNER, b"worker-1");
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::ENotOwner)]
fun only_the_owner_deregisters() {
    let mut world = pending();
    world.deregister(world::admin(), b"worker-1");
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EWorkload)]
fun a_worker_with_requests_does_not_leave() {
    let mut world = pending();
    let enclave = world.enclave().id();
    let (_, _, _, _, registry, _, _, _) = world.parts();
    registry.place(enclave, 0, b"worker-1".to_string(), world::user(), world::request_id(1));
    world.deregister(OWNER, b"worker-1");
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EUnknownWorker)]
fun an_unknown_worker_does_not_leave() {
    let mut world = world::serving();
    world.deregister(OWNER, b"worker-1");
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EUnknownWorker)]
fun an_unknown_worker_has_no_workload() {
    let world = world::serving();
    world.registry().get_worker_workload(b"worker-1".to_string());
    world.destroy();
}

#[test]
fun a_slashed_worker_may_leave_with_what_is_left() {
    let mut world = in_status(SLASHED);
    world.deregister(OWNER, b"worker-1");
    assert_eq!(world.registry().get_owner_workers(OWNER), vector[]);
    assert_eq!(world.pool().stake_of(stake::worker_key(OWNER, b"worker-1")), 0);
    world.destroy();
}

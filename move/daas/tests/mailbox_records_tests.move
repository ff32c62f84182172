/// Promises of `daas::mailbox` about the records of requests that have ended.
#[test_only]
module daas::mailbox_records_tests;

use daas::mailbox;
use daas::queue;
use daas::requests;
use daas::signed_settlement as signed;
use daas::version;
use daas::world::{Self, World};

const RETENTION_MS: u64 = 86_400_000;

#[test]
fun the_requester_closes_its_records() {
    let mut world = world::serving();
    world.submit(1);
    settle_1(&mut world);
    requests::close_as(&mut world, world::user(), 1);
    assert!(mailbox::get_k8s_response(world.enclave(), world::user(), world::request_id(1)).is_none());
    assert!(!world.enclave().mailbox().contains(queue::key(world::user(), world::request_id(1))));
    world.destroy();
}

#[test, expected_failure(abort_code = queue::EUnknownRequest)]
fun nobody_else_closes_a_record() {
    let mut world = world::serving();
    world.submit(1);
    settle_1(&mut world);
    requests::close_as(&mut world, world::operator(), 1);
    abort
}

#[test, expected_failure(abort_code = queue::EStillPending)]
fun a_pending_request_is_not_closed() {
    let mut world = world::serving();
    world.submit(1);
    requests::close_as(&mut world, world::user(), 1);
    abort
}

#[test]
fun anyone_prunes_a_settled_record_after_the_retention_time() {
    let mut world = world::serving();
    world.submit(1);
    world.wait(1_234);
    settle_1(&mut world);
    world.wait(RETENTION_MS);
    requests::prune(&mut world, 1);
    assert!(!world.enclave().mailbox().contains(queue::key(world::user(), world::request_id(1))));
    world.destroy();
}

#[test, expected_failure(abort_code = mailbox::ERetained)]
fun nobody_prunes_a_settled_record_one_ms_earlier() {
    let mut world = world::serving();
    world.submit(1);
    world.wait(1_234);
    settle_1(&mut world);
    world.wait(RETENTION_MS - 1);
    requests::prune(&mut world, 1);
    abort
}

#[test]
fun anyone_prunes_an_expired_record_after_the_retention_time() {
    let mut world = world::serving();
    world.submit(1);
    world.wait(requests::life_ms() + 1_000);
    requests::expire(&mut world, 1);
    world.wait(RETENTION_MS);
    requests::prune(&mut world, 1);
    assert!(!world.enclave().mailbox().contains(queue::key(world::user(), world::request_id(1))));
    world.destroy();
}

#[test, expected_failure(abort_code = mailbox::ERetained)]
fun the_retention_of_an_expired_record_begins_when_it_expires() {
    let mut world = world::serving();
    world.submit(1);
    world.wait(requests::life_ms() + 1_000);
    requests::expire(&mut world, 1);
    world.wait(RETENTION_MS - 1);
    requests::prune(&mut world, 1);
    abort
}

#[test, expected_failure(abort_code = queue::EStillPending)]
fun a_pending_request_is_never_pruned() {
    let mut world = world::serving();
    world.submit(1);
    world.wait(1_000 * RETENTION_MS);
    requests::prune(&mut world, 1);
    abort
}

#[test, expected_failure(abort_code = queue::EUnknownRequest)]
fun what_is_not_there_is_not_pruned() {
    let mut world = world::serving();
    requests::prune(&mut world, 1);
    abort
}

#[test, expected_failure(abort_code = version::EWrongVersion)]
fun in_a_slot_of_another_version_nothing_expires() {
    let mut world = ended_in_version_2();
    requests::expire(&mut world, 1);
    abort
}

#[test, expected_failure(abort_code = version::EWrongVersion)]
fun in_a_slot_of_another_version_nothing_is_closed() {
    let mut world = ended_in_version_2();
    requests::close_as(&mut world, world::user(), 1);
    abort
}

#[test, expected_failure(abort_code = version::EWrongVersion)]
fun in_a_slot_of_another_version_nothing_is_pruned() {
    let mut world = ended_in_version_2();
    requests::prune(&mut world, 1);
    abort
}

fun settle_1(world: &mut World) {
    let (message, signature) = signed::receipt_1();
    requests::settle(world, vector[1], message, signature);
}

/// Request 1 has settled and is old; then the slot follows version 2.
fun ended_in_version_2(): World {
    let mut world = world::serving();
    world.submit(1);
    settle_1(&mut world);
    world.wait(2 * RETENTION_MS);
    let (_, _, _, _, _, enclave, _, _) = world.parts();
    enclave.set_version(2);
    world
}

/// Promises of `daas::k8s_scheduler`.
#[test_only]
module daas::k8s_scheduler_tests;

use daas::heads;
use daas::k8s_scheduler::{Self, K8sAPIRequestScheduledEvent};
use daas::mailbox::{Self, K8sAPIRequest};
use daas::params;
use daas::signed_workers as signed;
use daas::version;
use daas::worker_registry;
use daas::world::{Self, World};
use std::unit_test::{Self, assert_eq};
use sui::bcs;
use sui::event;

const STRANGER: address = @0x31;
const ACTIVE: u8 = 1;
const OFFLINE: u8 = 3;
const SLASHED: u8 = 4;
const NORMAL: u8 = 5;
const CLOSES_AFTER_MS: u64 = 210_000;

fun register_worker(world: &mut World, owner: address, node_id: vector<u8>) {
    let ctx = &mut world.as_sender(owner);
    let payment = world::mint(world::sui(2), ctx);
    let (cluster, _, _, pool, registry, _, _, clock) = world.parts();
    let key = vector::tabulate!(32, |_| 1);
    registry.stake_and_register_worker(cluster, pool, payment, node_id.to_string(), key, key, key, clock, ctx);
}

/// USER's worker-1 and worker-2 and a stranger's worker-3, all active.
fun ready(): World {
    let mut world = world::serving();
    world.register_worker(world::user(), b"worker-1");
    world.register_worker(world::user(), b"worker-2");
    world.register_worker(STRANGER, b"worker-3");
    let (message, signature) = signed::three_active();
    let (cluster, _, _, _, registry, enclave, _, clock) = world.parts();
    registry.report_status(cluster, enclave, message, signature, clock);
    world
}

fun submit_placed(world: &mut World, number: u8): u64 {
    let command = world.command(number);
    world.submit_placed_by(world::user(), command)
}

fun submit_placed_by(world: &mut World, sender: address, command: daas::command::Command): u64 {
    let ctx = &mut world.as_sender(sender);
    let mut payment = world::mint(command.fee(), ctx);
    let (cluster, _, _, pool, registry, enclave, token, clock) = world.parts();
    let seq = k8s_scheduler::submit_k8s_request(
        registry,
        enclave,
        cluster,
        pool,
        token,
        command,
        &mut payment,
        clock,
        ctx,
    );
    payment.destroy_zero();
    seq
}

fun release(world: &mut World, seq: u64) {
    let (cluster, _, _, _, registry, enclave, _, _) = world.parts();
    k8s_scheduler::release(registry, enclave, cluster, seq);
}

fun expire(world: &mut World, number: u8) {
    let ctx = &mut world.as_sender(STRANGER);
    let (cluster, _, _, pool, _, enclave, _, clock) = world.parts();
    mailbox::expire(enclave, cluster, pool, world::user(), world::request_id(number), clock, ctx);
}

fun close(world: &mut World, number: u8) {
    let ctx = &world.as_sender(world::user());
    let (cluster, _, _, _, _, enclave, _, _) = world.parts();
    mailbox::close(enclave, cluster, world::request_id(number), ctx);
}

fun force(world: &mut World, node_id: vector<u8>, status: u8) {
    let (_, _, _, _, registry, _, _, _) = world.parts();
    registry.force_status(node_id.to_string(), status);
}

fun workload(world: &World, node_id: vector<u8>): u64 { world.registry().get_worker_workload(node_id.to_string()) }

fun reputation(world: &World, node_id: vector<u8>): u64 { world.registry().worker(node_id.to_string()).reputation() }

fun choice(world: &World, priority: u8): vector<u8> {
    *k8s_scheduler::select_owner_worker(world.registry(), world::user(), priority, world.clock()).as_bytes()
}

use fun register_worker as World.register_worker;
use fun submit_placed as World.submit_placed;
use fun submit_placed_by as World.submit_placed_by;
use fun release as World.release;
use fun expire as World.expire;
use fun close as World.close;
use fun force as World.force;
use fun workload as World.workload;
use fun reputation as World.reputation;
use fun choice as World.choice;

/// Request 1 is settled with the receipt.
macro fun settle($world: &mut World, $receipt: _) {
    let world = $world;
    let (message, signature) = $receipt;
    let ctx = &mut world.as_sender(STRANGER);
    let (cluster, _, _, _, _, enclave, _, clock) = world.parts();
    mailbox::store_k8s_response(
        enclave, cluster, vector[world::request_id(1)], vector[vector[]], message, signature, clock, ctx,
    );
}

/// worker-1's reputation after request 1, placed on it, was answered with the receipt.
macro fun reputation_after($receipt: _): u64 {
    let mut world = ready();
    let seq = world.submit_placed(1);
    settle!(&mut world, $receipt);
    world.release(seq);
    let reputation = world.reputation(b"worker-1");
    world.destroy();
    reputation
}

/// The last scheduled event says so.
fun assert_scheduled(world: &World, seq: u64, node_id: vector<u8>, score: u64) {
    let mut expected = bcs::to_bytes(&world.enclave().id());
    expected.append(bcs::to_bytes(&seq));
    expected.append(bcs::to_bytes(&world::user()));
    expected.append(bcs::to_bytes(&node_id));
    expected.append(bcs::to_bytes(&score));
    let events = event::events_by_type<K8sAPIRequestScheduledEvent>();
    assert_eq!(bcs::to_bytes(&events[events.length() - 1]), expected);
}

#[test]
fun a_request_is_placed_and_its_event_says_where() {
    let mut world = ready();
    let head = world.enclave().mailbox_head().seq();
    let seq = world.submit_placed(1);
    assert_eq!(seq, 0);
    assert_eq!(world.workload(b"worker-1"), 1);
    assert_eq!(world.workload(b"worker-2"), 0);
    assert_eq!(world.enclave().mailbox().pending(), 1);
    assert_eq!(world.enclave().mailbox_head().seq(), head + 1);
    world.assert_scheduled(0, b"worker-1", 1_000);
    let events = event::events_by_type<heads::Event<K8sAPIRequest>>();
    assert_eq!(events.length(), 1);
    // An option that is some, and the name.
    assert!(contains(&bcs::to_bytes(events[0].body()), &b"\x01\x08worker-1"));
    world.destroy();
}

use fun assert_scheduled as World.assert_scheduled;

fun contains(bytes: &vector<u8>, part: &vector<u8>): bool {
    let mut at = 0;
    while (at + part.length() <= bytes.length()) {
        if (vector::tabulate!(part.length(), |i| bytes[at + i]) == part) return true;
        at = at + 1;
    };
    false
}

#[test]
fun a_request_without_the_scheduler_has_no_placement() {
    let mut world = ready();
    world.submit(1);
    let events = event::events_by_type<heads::Event<K8sAPIRequest>>();
    assert!(!contains(&bcs::to_bytes(events[0].body()), &b"worker-"));
    assert_eq!(world.workload(b"worker-1"), 0);
    world.destroy();
}

#[test]
fun the_first_registered_of_equals_is_chosen() {
    let world = ready();
    assert_eq!(world.choice(NORMAL), b"worker-1");
    assert_eq!(world.choice(NORMAL), b"worker-1");
    world.destroy();
}

#[test]
fun an_idle_worker_scores_its_reputation_times_ten_and_a_loaded_one_divides_it() {
    let mut world = ready();
    world.submit_placed(1);
    world.assert_scheduled(0, b"worker-1", 1_000);
    world.submit_placed(2);
    world.assert_scheduled(1, b"worker-2", 1_000);
    world.submit_placed(3);
    world.assert_scheduled(2, b"worker-1", 50);
    world.submit_placed(4);
    world.assert_scheduled(3, b"worker-2", 50);
    world.submit_placed(5);
    world.assert_scheduled(4, b"worker-1", 33);
    assert_eq!(world.workload(b"worker-1"), 3);
    assert_eq!(world.workload(b"worker-2"), 2);
    world.destroy();
}

#[test]
fun a_high_priority_doubles_the_score_and_changes_no_choice() {
    let mut world = ready();
    let priorities = vector[7, 8, 10];
    let nodes = vector[b"worker-1", b"worker-2", b"worker-1"];
    let scores = vector[1_000, 2_000, 100];
    3u8.do!(|i| {
        let priority = priorities[i as u64];
        assert_eq!(world.choice(1), nodes[i as u64]);
        assert_eq!(world.choice(priority), nodes[i as u64]);
        let command = world.command_with(i + 1, priority, false, world::on_chain(100));
        let seq = world.submit_placed_by(world::user(), command);
        world.assert_scheduled(seq, nodes[i as u64], scores[i as u64]);
    });
    world.destroy();
}

#[test]
fun a_better_reputation_is_chosen_before_an_earlier_registration() {
    let mut world = ready();
    let seq = world.submit_placed(1);
    settle!(&mut world, signed::answer_500());
    world.release(seq);
    assert_eq!(world.reputation(b"worker-1"), 90);
    assert_eq!(world.choice(NORMAL), b"worker-2");
    world.destroy();
}

#[test]
fun only_active_workers_are_chosen() {
    let mut world = ready();
    world.force(b"worker-1", OFFLINE);
    assert_eq!(world.choice(NORMAL), b"worker-2");
    world.destroy();
}

#[test, expected_failure(abort_code = k8s_scheduler::ENoAvailableWorkers)]
fun another_owners_worker_is_not_available() {
    let mut world = ready();
    world.force(b"worker-1", OFFLINE);
    world.force(b"worker-2", SLASHED);
    world.submit_placed(1);
    world.destroy();
}

#[test, expected_failure(abort_code = k8s_scheduler::ENoAvailableWorkers)]
fun a_worker_without_a_report_for_five_minutes_is_not_available() {
    let mut world = ready();
    world.wait(300_001);
    world.choice(NORMAL);
    world.destroy();
}

#[test, expected_failure(abort_code = k8s_scheduler::ENoAvailableWorkers)]
fun who_has_no_workers_has_none_available() {
    let world = world::serving();
    world.choice(NORMAL);
    world.destroy();
}

#[test, expected_failure(abort_code = mailbox::EInvalidSealToken)]
fun workers_do_not_stand_in_for_a_token() {
    let mut world = ready();
    let command = world.command(1);
    world.submit_placed_by(STRANGER, command);
    world.destroy();
}

#[test, expected_failure(abort_code = mailbox::EDuplicateRequest)]
fun a_request_is_placed_once() {
    let mut world = ready();
    world.submit_placed(1);
    world.submit_placed(1);
    world.destroy();
}

#[test, expected_failure(abort_code = k8s_scheduler::EStillPending)]
fun a_pending_request_keeps_its_place() {
    let mut world = ready();
    let seq = world.submit_placed(1);
    world.release(seq);
    world.destroy();
}

#[test, expected_failure(abort_code = k8s_scheduler::EStillPending)]
fun an_overdue_request_keeps_its_place_until_it_has_expired() {
    let mut world = ready();
    let seq = world.submit_placed(1);
    world.wait(CLOSES_AFTER_MS);
    world.release(seq);
    world.destroy();
}

#[test]
fun a_settled_request_gives_its_place_back() {
    let mut world = ready();
    let seq = world.submit_placed(1);
    settle!(&mut world, signed::answer_200());
    assert_eq!(world.workload(b"worker-1"), 1);
    world.release(seq);
    assert_eq!(world.workload(b"worker-1"), 0);
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EUnknownPlacement)]
fun a_place_is_given_back_once() {
    let mut world = ready();
    let seq = world.submit_placed(1);
    world.submit_placed(2);
    settle!(&mut world, signed::answer_200());
    world.release(seq);
    world.release(seq);
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EUnknownPlacement)]
fun a_request_that_was_not_placed_has_no_place() {
    let mut world = ready();
    let seq = world.submit(1);
    settle!(&mut world, signed::answer_200());
    world.release(seq);
    world.destroy();
}

#[test]
fun an_expired_request_gives_its_place_back_and_says_nothing_of_the_worker() {
    let mut world = ready();
    let seq = world.submit_placed(1);
    world.wait(CLOSES_AFTER_MS);
    world.expire(1);
    world.release(seq);
    assert_eq!(world.workload(b"worker-1"), 0);
    assert_eq!(world.reputation(b"worker-1"), 100);
    world.destroy();
}

#[test]
fun a_closed_request_gives_its_place_back() {
    let mut world = ready();
    let seq = world.submit_placed(1);
    settle!(&mut world, signed::answer_500());
    world.close(1);
    world.release(seq);
    assert_eq!(world.workload(b"worker-1"), 0);
    assert_eq!(world.reputation(b"worker-1"), 100);
    world.destroy();
}

#[test]
fun a_request_id_that_is_used_again_does_not_hold_the_first_place() {
    let mut world = ready();
    let first = world.submit_placed(1);
    settle!(&mut world, signed::answer_200());
    world.close(1);
    let second = world.submit_placed(1);
    assert_eq!(world.workload(b"worker-2"), 1);
    world.release(first);
    assert_eq!(world.workload(b"worker-1"), 0);
    assert_eq!(world.reputation(b"worker-1"), 100);
    settle!(&mut world, signed::second_answer_500());
    world.release(second);
    assert_eq!(world.workload(b"worker-2"), 0);
    assert_eq!(world.reputation(b"worker-2"), 90);
    world.destroy();
}

#[test]
fun the_answer_to_a_later_request_of_the_same_id_says_nothing_of_the_first_worker() {
    let mut world = ready();
    let first = world.submit_placed(1);
    settle!(&mut world, signed::answer_200());
    world.close(1);
    world.submit_placed(1);
    settle!(&mut world, signed::second_answer_500());
    world.release(first);
    assert_eq!(world.reputation(b"worker-1"), 100);
    world.destroy();
}

#[test, expected_failure(abort_code = k8s_scheduler::EStillPending)]
fun a_request_id_that_is_used_again_keeps_its_own_place() {
    let mut world = ready();
    world.submit_placed(1);
    settle!(&mut world, signed::answer_200());
    world.close(1);
    let second = world.submit_placed(1);
    world.release(second);
    world.destroy();
}

#[test]
fun what_worked_earns_reputation() {
    assert_eq!(reputation_after!(signed::answer_200()), 101);
}

#[test]
fun a_redirect_is_no_error() {
    assert_eq!(reputation_after!(signed::answer_399()), 101);
}

#[test]
fun a_clients_error_says_nothing_of_the_worker() {
    assert_eq!(reputation_after!(signed::answer_400()), 100);
}

#[test]
fun the_last_of_the_clients_errors_says_nothing_of_the_worker() {
    assert_eq!(reputation_after!(signed::answer_499()), 100);
}

#[test]
fun a_servers_error_costs_reputation() {
    assert_eq!(reputation_after!(signed::answer_500()), 90);
}

#[test]
fun an_answer_that_it_came_too_late_says_nothing_of_the_worker() {
    assert_eq!(reputation_after!(signed::answer_504()), 100);
}

#[test]
fun reputation_stays_between_0_and_1_000() {
    let mut world = ready();
    let enclave = world.enclave().id();
    let (_, _, _, _, registry, _, _, _) = world.parts();
    let node_id = b"worker-1".to_string();
    11u64.do!(|seq| {
        registry.place(enclave, seq, node_id, world::user(), vector[]);
        registry.release(enclave, seq, option::some(503));
    });
    assert_eq!(registry.worker(node_id).reputation(), 0);
    1_001u64.do!(|seq| {
        registry.place(enclave, seq, node_id, world::user(), vector[]);
        registry.release(enclave, seq, option::some(200));
    });
    assert_eq!(registry.worker(node_id).reputation(), 1_000);
    world.destroy();
}

#[test]
fun a_worker_without_reputation_is_still_chosen_when_there_is_no_other() {
    let mut world = ready();
    world.force(b"worker-2", OFFLINE);
    let enclave = world.enclave().id();
    let (_, _, _, _, registry, _, _, _) = world.parts();
    let node_id = b"worker-1".to_string();
    10u64.do!(|seq| {
        registry.place(enclave, seq, node_id, world::user(), vector[]);
        registry.release(enclave, seq, option::some(500));
    });
    assert_eq!(world.reputation(b"worker-1"), 0);
    assert_eq!(world.choice(NORMAL), b"worker-1");
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EWorkload)]
fun a_worker_does_not_leave_while_a_request_is_placed_on_it() {
    let mut world = ready();
    world.submit_placed(1);
    let ctx = &world.as_sender(world::user());
    let (cluster, _, _, pool, registry, _, _, clock) = world.parts();
    registry.deregister(cluster, pool, b"worker-1".to_string(), clock, ctx);
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EWrongRegistry)]
fun a_registry_gives_no_place_back_in_another_cluster() {
    let mut world = ready();
    let ctx = &mut world.as_sender(world::admin());
    let pcrs = world::policy_pcrs(1);
    let anchors = vector[world::anchor()];
    let (other, admin, veto) =
        daas::cluster::create(b"other".to_string(), params::default(), 1, pcrs, anchors, world.clock(), ctx);
    unit_test::destroy(admin);
    unit_test::destroy(veto);
    let (_, _, _, _, registry, enclave, _, _) = world.parts();
    k8s_scheduler::release(registry, enclave, &other, 0);
    abort
}

#[test, expected_failure(abort_code = version::EWrongVersion)]
fun a_registry_of_another_version_places_nothing() {
    let mut world = ready();
    let (_, _, _, _, registry, _, _, _) = world.parts();
    registry.set_version(0);
    world.submit_placed(1);
    world.destroy();
}

#[test, expected_failure(abort_code = version::EWrongVersion)]
fun a_slot_of_another_version_gives_no_place_back() {
    let mut world = ready();
    let seq = world.submit_placed(1);
    settle!(&mut world, signed::answer_200());
    let (_, _, _, _, _, enclave, _, _) = world.parts();
    enclave.set_version(0);
    world.release(seq);
    world.destroy();
}

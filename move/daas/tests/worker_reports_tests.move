/// Promises of `daas::worker_registry`: what reports and silence do to a worker's status.
#[test_only]
module daas::worker_reports_tests;

use daas::enclave;
use daas::heads;
use daas::signed_workers as signed;
use daas::worker_registry::{Self, WorkerReportSkipped, WorkerStatusChangedEvent};
use daas::workers::{Self, active, in_status, pending, report};
use daas::world::{Self, World};
use std::unit_test::assert_eq;
use sui::bcs;
use sui::event;

const OWNER: address = @0x30;
const STRANGER: address = @0x31;
const PENDING: u8 = 0;
const ACTIVE: u8 = 1;
const BUSY: u8 = 2;
const OFFLINE: u8 = 3;
const SLASHED: u8 = 4;
const FIVE_MINUTES: u64 = 300_000;

use fun workers::register as World.register_worker;
use fun workers::deregister as World.deregister;
use fun workers::mark_offline as World.mark_offline;
use fun workers::is_active as World.is_active;
use fun workers::status as World.status;
use fun workers::state_seq as World.state_seq;

#[test]
fun legal_moves_are_exactly_these_ten() {
    let legal = vector[
        vector[false, true, false, true, true],
        vector[false, false, true, true, true],
        vector[false, true, false, true, true],
        vector[false, true, false, false, true],
        vector[false, false, false, false, false],
    ];
    5u8.do!(|from| 5u8.do!(|to| {
        assert_eq!(worker_registry::is_legal(from, to), legal[from as u64][to as u64]);
    }));
    assert!(!worker_registry::is_legal(5, ACTIVE));
    assert!(!worker_registry::is_legal(ACTIVE, 5));
}

#[test]
fun a_report_moves_a_worker_only_along_the_table() {
    // Row: from. Column: reported. Value: status afterwards.
    let after = vector[
        vector[PENDING, ACTIVE, PENDING, OFFLINE, PENDING, PENDING],
        vector[ACTIVE, ACTIVE, BUSY, OFFLINE, ACTIVE, ACTIVE],
        vector[BUSY, ACTIVE, BUSY, OFFLINE, BUSY, BUSY],
        vector[OFFLINE, ACTIVE, OFFLINE, OFFLINE, OFFLINE, OFFLINE],
        vector[SLASHED, SLASHED, SLASHED, SLASHED, SLASHED, SLASHED],
    ];
    let mut world = pending();
    5u8.do!(|from| 6u8.do!(|to| {
        let (_, _, _, _, registry, _, _, _) = world.parts();
        registry.force_status(b"worker-1".to_string(), from);
        let (message, signature) = if (to == 0) signed::try_0()
        else if (to == 1) signed::try_1()
        else if (to == 2) signed::try_2()
        else if (to == 3) signed::try_3()
        else if (to == 4) signed::try_4()
        else signed::try_5();
        report!(&mut world, (message, signature));
        assert_eq!(world.status(), after[from as u64][to as u64]);
    }));
    world.destroy();
}

#[test]
fun a_report_sets_status_and_heartbeat_and_advances_the_chain_once() {
    let mut world = pending();
    let state = world.state_seq();
    report!(&mut world, signed::active_1());
    assert_eq!(world.status(), ACTIVE);
    assert!(world.is_active());
    assert_eq!(world.registry().worker(b"worker-1".to_string()).last_heartbeat_ms(), world::start_ms() + 1);
    assert_eq!(world.state_seq(), state + 1);
    let events = event::events_by_type<heads::Event<WorkerStatusChangedEvent>>();
    let mut expected = vector[32];
    expected.append(bcs::to_bytes(&b"worker-1"));
    expected.append(vector[PENDING, ACTIVE]);
    assert_eq!(bcs::to_bytes(events[0].body()), expected);
    assert_eq!(events.length(), 1);
    world.destroy();
}

#[test]
fun a_report_of_the_same_status_is_a_heartbeat_and_no_event() {
    let mut world = active();
    let state = world.state_seq();
    report!(&mut world, signed::active_10());
    assert_eq!(world.registry().worker(b"worker-1".to_string()).last_heartbeat_ms(), world::start_ms() + 10);
    assert_eq!(world.state_seq(), state);
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EIllegalTransition)]
fun nobody_becomes_pending_again() {
    let mut world = active();
    report!(&mut world, signed::pending_10());
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EIllegalTransition)]
fun a_pending_worker_is_not_busy() {
    let mut world = pending();
    report!(&mut world, signed::busy_10());
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EIllegalTransition)]
fun no_report_slashes() {
    let mut world = active();
    report!(&mut world, signed::slashed_10());
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EIllegalTransition)]
fun an_unknown_status_is_refused() {
    let mut world = active();
    report!(&mut world, signed::unknown_10());
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EIllegalTransition)]
fun a_slashed_worker_is_not_reported_back() {
    let mut world = in_status(SLASHED);
    report!(&mut world, signed::offline_10());
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EReportReplayed)]
fun the_same_report_is_refused_again() {
    let mut world = active();
    report!(&mut world, signed::active_1());
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EReportReplayed)]
fun an_older_report_is_refused() {
    let mut world = in_status(OFFLINE);
    report!(&mut world, signed::active_1());
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EReportReplayed)]
fun a_report_about_the_node_ids_former_worker_activates_nobody() {
    let mut world = active();
    world.deregister(OWNER, b"worker-1");
    world.wait(1);
    world.register_worker(STRANGER, b"worker-1");
    report!(&mut world, signed::active_1());
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EReportReplayed)]
fun a_report_of_the_moment_of_registration_is_refused() {
    let mut world = pending();
    report!(&mut world, signed::active_before());
    world.destroy();
}

#[test]
fun a_report_may_be_ahead_by_the_clock_skew() {
    let mut world = pending();
    assert_eq!(world.cluster().params().clock_skew_ms(), 30_000);
    report!(&mut world, signed::active_at_skew());
    assert_eq!(world.status(), ACTIVE);
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EReportFromFuture)]
fun a_report_beyond_the_clock_skew_is_refused() {
    let mut world = pending();
    report!(&mut world, signed::active_beyond_skew());
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EUnknownWorker)]
fun a_report_about_an_unknown_worker_is_refused() {
    let mut world = pending();
    report!(&mut world, signed::ghost_active());
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EWrongCluster)]
fun a_report_about_another_cluster_is_refused() {
    let mut world = pending();
    report!(&mut world, signed::active_other_cluster());
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EWrongEnclave)]
fun a_report_of_another_slot_is_refused() {
    let mut world = pending();
    report!(&mut world, signed::active_other_slot());
    world.destroy();
}

#[test, expected_failure(abort_code = enclave::EBadSignature)]
fun a_report_under_another_key_is_refused() {
    let mut world = pending();
    report!(&mut world, signed::active_other_key());
    world.destroy();
}

#[test, expected_failure(abort_code = enclave::EWrongBoot)]
fun a_report_of_another_boot_is_refused() {
    let mut world = pending();
    report!(&mut world, signed::active_boot_2());
    world.destroy();
}

#[test]
fun what_does_not_fit_in_a_report_of_several_is_skipped_by_name() {
    let mut world = pending();
    world.register_worker(OWNER, b"worker-2");
    world.register_worker(OWNER, b"worker-3");
    report!(&mut world, signed::several());
    assert_eq!(world.status(), ACTIVE);
    assert_eq!(world.registry().worker(b"worker-2".to_string()).status(), PENDING);
    assert_eq!(world.registry().worker(b"worker-2".to_string()).last_heartbeat_ms(), 0);
    assert_eq!(world.registry().worker(b"worker-3".to_string()).status(), ACTIVE);
    assert_skipped(&world, 0, b"ghost", 1);
    assert_skipped(&world, 1, b"worker-2", 3);
    report!(&mut world, signed::several());
    assert_skipped(&world, 2, b"worker-1", 2);
    assert_eq!(event::events_by_type<WorkerReportSkipped>().length(), 6);
    world.destroy();
}

fun assert_skipped(world: &World, index: u64, node_id: vector<u8>, reason: u8) {
    let mut expected = bcs::to_bytes(&world.enclave().id());
    expected.append(bcs::to_bytes(&node_id));
    expected.push_back(reason);
    assert_eq!(bcs::to_bytes(&event::events_by_type<WorkerReportSkipped>()[index]), expected);
}

#[test]
fun a_report_says_one_thing_about_a_worker() {
    let mut world = pending();
    report!(&mut world, signed::twice_the_same());
    assert_eq!(world.status(), ACTIVE);
    assert_skipped(&world, 0, b"worker-1", 2);
    world.destroy();
}

#[test]
fun pods_served_only_go_up() {
    let mut world = pending();
    report!(&mut world, signed::pods_7());
    report!(&mut world, signed::pods_3());
    let worker = world.registry().worker(b"worker-1".to_string());
    assert_eq!(worker.total_pods_served(), 7);
    assert_eq!(worker.last_heartbeat_ms(), world::start_ms() + 2);
    world.destroy();
}

#[test]
fun a_worker_counts_as_active_for_five_minutes_after_its_report() {
    let mut world = active();
    world.wait(FIVE_MINUTES);
    assert!(world.is_active());
    world.wait(1);
    assert!(!world.is_active());
    assert_eq!(world.status(), ACTIVE);
    assert!(!world.registry().is_worker_active(b"ghost".to_string(), world.clock()));
    world.destroy();
}

#[test]
fun a_busy_worker_is_active_and_others_are_not() {
    let mut world = pending();
    5u8.do!(|status| {
        let (_, _, _, _, registry, _, _, _) = world.parts();
        registry.force_status(b"worker-1".to_string(), status);
        assert_eq!(world.is_active(), status == ACTIVE || status == BUSY);
    });
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EHeartbeatFresh)]
fun a_worker_is_not_marked_offline_within_five_minutes_of_its_report() {
    let mut world = active();
    world.wait(FIVE_MINUTES);
    world.mark_offline();
    world.destroy();
}

#[test]
fun anyone_marks_a_worker_offline_after_five_minutes_of_silence() {
    let mut world = active();
    world.wait(FIVE_MINUTES + 1);
    let state = world.state_seq();
    world.mark_offline();
    assert_eq!(world.status(), OFFLINE);
    assert_eq!(world.state_seq(), state + 1);
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EHeartbeatFresh)]
fun a_new_worker_has_five_minutes_for_its_first_report() {
    let mut world = pending();
    world.wait(FIVE_MINUTES - 1);
    world.mark_offline();
    world.destroy();
}

#[test]
fun a_new_worker_is_marked_offline_at_five_minutes() {
    let mut world = pending();
    world.wait(FIVE_MINUTES);
    world.mark_offline();
    assert_eq!(world.status(), OFFLINE);
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EIllegalTransition)]
fun an_offline_worker_is_not_marked_again() {
    let mut world = pending();
    world.wait(FIVE_MINUTES);
    world.mark_offline();
    world.mark_offline();
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EIllegalTransition)]
fun a_slashed_worker_is_not_marked_offline() {
    let mut world = in_status(SLASHED);
    world.wait(FIVE_MINUTES);
    world.mark_offline();
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EUnknownWorker)]
fun an_unknown_worker_is_not_marked_offline() {
    let mut world = world::serving();
    world.mark_offline();
    world.destroy();
}

/// Promises of `daas::worker_registry`.
#[test_only]
module daas::worker_registry_tests;

use daas::cluster::{Self, AdminCap, Cluster};
use daas::enclave;
use daas::heads;
use daas::params;
use daas::signed_workers as signed;
use daas::stake::{Self, StakeProof};
use daas::version;
use daas::worker_registry::{
    Self,
    JoinTokenPublished,
    WorkerDeregistered,
    WorkerRegisteredEvent,
    WorkerReportSkipped,
    WorkerStatusChangedEvent
};
use daas::world::{Self, World};
use std::hash::sha2_256;
use std::unit_test::{Self, assert_eq};
use sui::bcs;
use sui::event;
use sui::test_scenario;

const OWNER: address = @0x30;
const STRANGER: address = @0x31;
const PENDING: u8 = 0;
const ACTIVE: u8 = 1;
const BUSY: u8 = 2;
const OFFLINE: u8 = 3;
const SLASHED: u8 = 4;
const FIVE_MINUTES: u64 = 300_000;

fun key(fill: u8): vector<u8> { vector::tabulate!(32, |_| fill) }

fun register(world: &mut World, owner: address, node_id: vector<u8>) {
    let stake = world::sui(2);
    world.register_with(owner, node_id, stake, key(1), key(0x77), key(3))
}

fun register_with(
    world: &mut World,
    owner: address,
    node_id: vector<u8>,
    stake: u64,
    commitment: vector<u8>,
    worker_key: vector<u8>,
    status_key: vector<u8>,
) {
    let ctx = &mut world.as_sender(owner);
    let payment = world::mint(stake, ctx);
    let (cluster, _, _, pool, registry, _, _, clock) = world.parts();
    registry.stake_and_register_worker(
        cluster,
        pool,
        payment,
        node_id.to_string(),
        commitment,
        worker_key,
        status_key,
        clock,
        ctx,
    );
}

fun deregister(world: &mut World, sender: address, node_id: vector<u8>) {
    let ctx = &world.as_sender(sender);
    let (cluster, _, _, pool, registry, _, _, clock) = world.parts();
    registry.deregister(cluster, pool, node_id.to_string(), clock, ctx);
}

fun mark_offline(world: &mut World) {
    let (cluster, _, _, _, registry, _, _, clock) = world.parts();
    registry.mark_offline(cluster, b"worker-1".to_string(), clock);
}

fun slash(world: &mut World) {
    let (cluster, _, _, _, registry, _, _, _) = world.parts();
    registry.set_slashed(cluster, OWNER, b"worker-1".to_string());
}

fun is_active(world: &World): bool { world.registry().is_worker_active(b"worker-1".to_string(), world.clock()) }

fun status(world: &World): u8 { world.registry().worker(b"worker-1".to_string()).status() }

fun state_seq(world: &World): u64 { world.cluster().state().seq() }

use fun register as World.register_worker;
use fun register_with as World.register_with;
use fun deregister as World.deregister;
use fun mark_offline as World.mark_offline;
use fun slash as World.slash;
use fun is_active as World.is_active;
use fun status as World.status;
use fun state_seq as World.state_seq;

macro fun report($world: &mut World, $report: _) {
    let world = $world;
    let (message, signature) = $report;
    let (cluster, _, _, _, registry, enclave, _, clock) = world.parts();
    registry.report_status(cluster, enclave, message, signature, clock);
}

macro fun publish($world: &mut World, $token: _) {
    let world = $world;
    let (message, signature) = $token;
    let (cluster, _, _, _, registry, enclave, _, clock) = world.parts();
    registry.publish_join_token(cluster, enclave, message, signature, clock);
}

fun pending(): World {
    let mut world = world::serving();
    world.register_worker(OWNER, b"worker-1");
    world
}

fun active(): World {
    let mut world = pending();
    report!(&mut world, signed::active_1());
    world
}

fun in_status(status: u8): World {
    let mut world = pending();
    if (status == ACTIVE || status == BUSY) report!(&mut world, signed::active_1());
    if (status == BUSY) report!(&mut world, signed::busy_2());
    if (status == OFFLINE) report!(&mut world, signed::offline_3());
    if (status == SLASHED) world.slash();
    assert_eq!(world.status(), status);
    world
}

fun other_cluster(world: &mut World): (Cluster, AdminCap) {
    let ctx = &mut world.as_sender(world::admin());
    let pcrs = world::policy_pcrs(1);
    let (cluster, admin, veto) =
        cluster::create(b"other".to_string(), params::default(), 1, pcrs, vector[world::anchor()], world.clock(), ctx);
    unit_test::destroy(veto);
    (cluster, admin)
}

#[test]
fun the_ids_are_those_that_python_signs_for() {
    let world = world::new();
    assert_eq!(world.cluster().id().to_address(), signed::cluster_id());
    assert_eq!(world.enclave().id().to_address(), signed::enclave_id());
    world.destroy();
}

#[test]
fun a_worker_begins_pending_with_what_it_was_registered_with() {
    let mut world = world::serving();
    let state = world.state_seq();
    world.register_worker(OWNER, b"worker-1");
    let node_id = b"worker-1".to_string();
    let worker = world.registry().worker(node_id);
    assert_eq!(worker.status(), PENDING);
    assert_eq!(worker.owner(), OWNER);
    assert_eq!(*worker.token_commitment(), key(1));
    assert_eq!(*worker.status_key(), key(3));
    assert_eq!(worker.registered_at_ms(), world::start_ms());
    assert_eq!(worker.last_heartbeat_ms(), 0);
    assert_eq!(worker.total_pods_served(), 0);
    assert_eq!(worker.reputation(), 100);
    assert_eq!(*worker.join_token_digest(), vector[]);
    assert_eq!(world.registry().get_worker_workload(node_id), 0);
    assert!(world.registry().is_worker_owner(OWNER, node_id));
    assert!(!world.registry().is_worker_owner(STRANGER, node_id));
    assert!(!world.registry().is_worker_owner(OWNER, b"ghost".to_string()));
    assert!(!world.is_active());
    assert_eq!(world.pool().stake_of(stake::worker_key(OWNER, b"worker-1")), world::sui(2));
    assert_eq!(world.state_seq(), state + 1);
    let events = event::events_by_type<heads::Event<WorkerRegisteredEvent>>();
    assert_eq!(events.length(), 1);
    let mut expected = vector[30];
    expected.append(bcs::to_bytes(&b"worker-1"));
    expected.append(bcs::to_bytes(&OWNER));
    expected.append(bcs::to_bytes(&key(1)));
    expected.append(bcs::to_bytes(&key(0x77)));
    expected.append(bcs::to_bytes(&key(3)));
    expected.append(bcs::to_bytes(&world::sui(2)));
    assert_eq!(bcs::to_bytes(events[0].body()), expected);
    assert_eq!(events[0].state_of().borrow().seq(), state + 1);
    world.destroy();
}

#[test]
fun the_stake_proof_goes_to_the_sender_and_gives_the_stake_back_after_unbonding() {
    let mut scenario = test_scenario::begin(OWNER);
    let mut world = pending();
    scenario.next_tx(OWNER);
    let proof = scenario.take_from_sender<StakeProof>();
    assert_eq!(proof.proof_deposited(), world::sui(2));
    assert_eq!(proof.proof_key(), stake::worker_key(OWNER, b"worker-1"));
    world.deregister(OWNER, b"worker-1");
    assert_eq!(world.pool().stake_of(proof.proof_key()), 0);
    let unbonding_ms = world.cluster().params().unbonding_ms();
    world.wait(unbonding_ms);
    let ctx = &mut world.as_sender(OWNER);
    let (_, _, _, pool, _, _, _, clock) = world.parts();
    let coin = pool.withdraw(proof, clock, ctx);
    assert_eq!(coin.burn_for_testing(), world::sui(2));
    world.register_worker(OWNER, b"worker-1");
    world.destroy();
    scenario.end();
}

#[test, expected_failure(abort_code = stake::EUnbondingRunning)]
fun the_stake_does_not_leave_before_unbonding_has_ended() {
    let mut scenario = test_scenario::begin(OWNER);
    let mut world = pending();
    scenario.next_tx(OWNER);
    let proof = scenario.take_from_sender<StakeProof>();
    world.deregister(OWNER, b"worker-1");
    let unbonding_ms = world.cluster().params().unbonding_ms();
    world.wait(unbonding_ms - 1);
    let ctx = &mut world.as_sender(OWNER);
    let (_, _, _, pool, _, _, _, clock) = world.parts();
    pool.withdraw(proof, clock, ctx).burn_for_testing();
    abort
}

#[test, expected_failure(abort_code = stake::ENotUnbonding)]
fun the_stake_does_not_leave_while_the_worker_is_registered() {
    let mut scenario = test_scenario::begin(OWNER);
    let mut world = pending();
    scenario.next_tx(OWNER);
    let proof = scenario.take_from_sender<StakeProof>();
    let ctx = &mut world.as_sender(OWNER);
    let (_, _, _, pool, _, _, _, clock) = world.parts();
    pool.withdraw(proof, clock, ctx).burn_for_testing();
    abort
}

#[test, expected_failure(abort_code = worker_registry::ENodeId)]
fun an_empty_node_id_is_refused() {
    let mut world = world::serving();
    world.register_worker(OWNER, b"");
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::ENodeId)]
fun a_node_id_that_is_no_label_is_refused() {
    let mut world = world::serving();
    world.register_worker(OWNER, b"Worker");
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::ENodeId)]
fun a_node_id_of_64_bytes_is_refused() {
    let mut world = world::serving();
    world.register_worker(OWNER, vector::tabulate!(64, |_| 0x61));
    world.destroy();
}

#[test]
fun a_node_id_has_up_to_63_bytes() {
    let mut world = world::serving();
    let node_id = vector::tabulate!(63, |_| 0x61);
    world.register_worker(OWNER, node_id);
    assert!(world.registry().is_worker_owner(OWNER, node_id.to_string()));
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EKeyLength)]
fun a_token_commitment_has_32_bytes() {
    let mut world = world::serving();
    world.register_with(OWNER, b"worker-1", world::sui(2), vector[], key(2), key(3));
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EKeyLength)]
fun a_worker_key_has_32_bytes() {
    let mut world = world::serving();
    world.register_with(OWNER, b"worker-1", world::sui(2), key(1), vector::tabulate!(33, |_| 2), key(3));
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EKeyLength)]
fun a_status_key_has_32_bytes() {
    let mut world = world::serving();
    world.register_with(OWNER, b"worker-1", world::sui(2), key(1), key(2), vector::tabulate!(31, |_| 3));
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EWorkerAlreadyExists)]
fun a_node_id_is_registered_once() {
    let mut world = pending();
    world.register_worker(OWNER, b"worker-1");
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::EWorkerAlreadyExists)]
fun a_node_id_belongs_to_one_owner() {
    let mut world = pending();
    world.register_worker(STRANGER, b"worker-1");
    world.destroy();
}

#[test, expected_failure(abort_code = stake::EInsufficientStake)]
fun a_stake_below_the_minimum_is_refused() {
    let mut world = world::serving();
    let minimum = world.cluster().params().min_stake_worker();
    world.register_with(OWNER, b"worker-1", minimum - 1, key(1), key(2), key(3));
    world.destroy();
}

#[test]
fun the_minimum_is_enough() {
    let mut world = world::serving();
    let minimum = world.cluster().params().min_stake_worker();
    world.register_with(OWNER, b"worker-1", minimum, key(1), key(2), key(3));
    assert_eq!(world.status(), PENDING);
    world.destroy();
}

fun with_64_workers(): World {
    let mut world = world::serving();
    64u8.do!(|i| world.register_worker(OWNER, vector[0x77, 0x30 + i / 10, 0x30 + i % 10]));
    world
}

#[test]
fun an_owner_has_64_workers_and_others_have_theirs() {
    let mut world = with_64_workers();
    assert_eq!(world.registry().get_owner_workers(OWNER).length(), 64);
    world.register_worker(STRANGER, b"other");
    world.deregister(OWNER, b"w00");
    world.register_worker(OWNER, b"w64");
    let workers = world.registry().get_owner_workers(OWNER);
    assert_eq!(workers.length(), 64);
    assert_eq!(workers[0], b"w01".to_string());
    assert_eq!(workers[63], b"w64".to_string());
    world.destroy();
}

#[test, expected_failure(abort_code = worker_registry::ETooManyWorkers)]
fun the_65th_worker_of_an_owner_is_refused() {
    let mut world = with_64_workers();
    world.register_worker(OWNER, b"w64");
    world.destroy();
}

#[test]
fun an_owners_workers_stay_in_the_order_of_registration() {
    let mut world = world::serving();
    assert_eq!(world.registry().get_owner_workers(OWNER), vector[]);
    vector[b"c", b"a", b"b"].do!(|node_id| world.register_worker(OWNER, node_id));
    world.deregister(OWNER, b"a");
    world.register_worker(OWNER, b"d");
    let expected = vector[b"c", b"b", b"d"].map!(|node_id| node_id.to_string());
    assert_eq!(world.registry().get_owner_workers(OWNER), expected);
    world.destroy();
}

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

#[test, expected_failure(abort_code = worker_registry::EWrongRegistry)]
fun a_registry_takes_no_worker_of_another_cluster() {
    let mut world = world::serving();
    let (mut other, _admin) = other_cluster(&mut world);
    let ctx = &mut world.as_sender(OWNER);
    let payment = world::mint(world::sui(2), ctx);
    let (_, _, _, pool, registry, _, _, clock) = world.parts();
    let node_id = b"worker-1".to_string();
    registry.stake_and_register_worker(&mut other, pool, payment, node_id, key(1), key(2), key(3), clock, ctx);
    abort
}

#[test, expected_failure(abort_code = worker_registry::EWrongRegistry)]
fun a_registry_takes_no_report_to_another_cluster() {
    let mut world = pending();
    let (mut other, _admin) = other_cluster(&mut world);
    let (_, _, _, _, registry, enclave, _, clock) = world.parts();
    let (message, signature) = signed::active_1();
    registry.report_status(&mut other, enclave, message, signature, clock);
    abort
}

#[test, expected_failure(abort_code = worker_registry::EWrongRegistry)]
fun a_registry_takes_no_join_token_to_another_cluster() {
    let mut world = pending();
    let (mut other, _admin) = other_cluster(&mut world);
    let (_, _, _, _, registry, enclave, _, clock) = world.parts();
    let (message, signature) = signed::token();
    registry.publish_join_token(&mut other, enclave, message, signature, clock);
    abort
}

#[test, expected_failure(abort_code = worker_registry::EWrongRegistry)]
fun a_registry_marks_nobody_offline_in_another_cluster() {
    let mut world = pending();
    let (mut other, _admin) = other_cluster(&mut world);
    world.wait(FIVE_MINUTES);
    let (_, _, _, _, registry, _, _, clock) = world.parts();
    registry.mark_offline(&mut other, b"worker-1".to_string(), clock);
    abort
}

#[test, expected_failure(abort_code = worker_registry::EWrongRegistry)]
fun a_registry_deregisters_nobody_in_another_cluster() {
    let mut world = pending();
    let (mut other, _admin) = other_cluster(&mut world);
    let ctx = &world.as_sender(OWNER);
    let (_, _, _, pool, registry, _, _, clock) = world.parts();
    registry.deregister(&mut other, pool, b"worker-1".to_string(), clock, ctx);
    abort
}

#[test, expected_failure(abort_code = cluster::ESecondCompanion)]
fun a_cluster_has_one_registry() {
    let mut world = world::new();
    let ctx = &mut world.as_sender(world::admin());
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    worker_registry::create_registry(cluster, admin, ctx).share_registry();
    abort
}

#[test, expected_failure(abort_code = cluster::EWrongCap)]
fun a_registry_is_made_by_the_clusters_own_admin() {
    let mut world = world::new();
    let (mut other, _other_admin) = other_cluster(&mut world);
    let ctx = &mut world.as_sender(world::admin());
    let (_, admin, _, _, _, _, _, _) = world.parts();
    worker_registry::create_registry(&mut other, admin, ctx).share_registry();
    abort
}

#[test]
fun a_new_registry_is_shared() {
    let mut scenario = test_scenario::begin(world::admin());
    let mut world = world::new();
    let (mut other, other_admin) = other_cluster(&mut world);
    let ctx = &mut world.as_sender(world::admin());
    worker_registry::create_registry(&mut other, &other_admin, ctx).share_registry();
    scenario.next_tx(world::admin());
    let registry = scenario.take_shared<worker_registry::WorkerRegistry>();
    registry.check(&other);
    assert_eq!(registry.cluster_id(), other.id());
    test_scenario::return_shared(registry);
    unit_test::destroy(other);
    unit_test::destroy(other_admin);
    world.destroy();
    scenario.end();
}

#[test, expected_failure(abort_code = version::EWrongVersion)]
fun a_registry_of_another_version_is_not_touched() {
    let mut world = world::serving();
    let (_, _, _, _, registry, _, _, _) = world.parts();
    registry.set_version(0);
    world.register_worker(OWNER, b"worker-1");
    world.destroy();
}

#[test]
fun the_admin_migrates_a_registry() {
    let mut world = world::serving();
    let (_, admin, _, _, registry, _, _, _) = world.parts();
    registry.set_version(0);
    registry.migrate(admin);
    world.register_worker(OWNER, b"worker-1");
    assert_eq!(world.status(), PENDING);
    world.destroy();
}

#[test, expected_failure(abort_code = version::ENothingToMigrate)]
fun a_registry_is_migrated_once() {
    let mut world = world::serving();
    let (_, admin, _, _, registry, _, _, _) = world.parts();
    registry.migrate(admin);
    world.destroy();
}

#[test, expected_failure(abort_code = cluster::EWrongCap)]
fun another_clusters_admin_migrates_nothing() {
    let mut world = world::serving();
    let (_other, other_admin) = other_cluster(&mut world);
    let (_, _, _, _, registry, _, _, _) = world.parts();
    registry.set_version(0);
    registry.migrate(&other_admin);
    abort
}

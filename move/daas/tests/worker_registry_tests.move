/// Promises of `daas::worker_registry`: who becomes a worker, and whose registry it is.
#[test_only]
module daas::worker_registry_tests;

use daas::cluster;
use daas::heads;
use daas::signed_workers as signed;
use daas::stake::{Self, StakeProof};
use daas::version;
use daas::worker_registry::{Self, WorkerRegisteredEvent};
use daas::workers::{Self, key, other_cluster, pending};
use daas::world::{Self, World};
use std::unit_test::{Self, assert_eq};
use sui::bcs;
use sui::event;
use sui::test_scenario;

const OWNER: address = @0x30;
const STRANGER: address = @0x31;
const PENDING: u8 = 0;
const FIVE_MINUTES: u64 = 300_000;

use fun workers::register as World.register_worker;
use fun workers::register_with as World.register_with;
use fun workers::deregister as World.deregister;
use fun workers::mark_offline as World.mark_offline;
use fun workers::is_active as World.is_active;
use fun workers::status as World.status;
use fun workers::state_seq as World.state_seq;

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

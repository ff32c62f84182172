/// Promises of `daas::slashing`.
#[test_only]
module daas::slashing_tests;

use daas::audit;
use daas::enclave;
use daas::mailbox;
use daas::merkle;
use daas::receipt;
use daas::settlement;
use daas::signed_slashing as signed;
use daas::slashing::{Self, BootSlashedEvent, WorkerSlashedEvent};
use daas::stake;
use daas::worker_registry;
use daas::world::{Self, World};
use std::hash::sha2_256;
use std::unit_test::assert_eq;
use sui::coin::Coin;
use sui::event;
use sui::sui::SUI;
use sui::test_scenario;

const REPORTER: address = @0x4E;
const WORKER_OWNER: address = @0x30;
const SLASHED_STATUS: u8 = 4;

macro fun equivocate($world: &mut World, $boot: u8, $index: u64, $other_index: u64, $one: _, $other: _) {
    let world = $world;
    let (message, signature) = $one;
    let (other_message, other_signature) = $other;
    let ctx = &mut world.as_sender(REPORTER);
    let (cluster, _, _, pool, _, enclave, _, _) = world.parts();
    slashing::report_equivocation(
        enclave,
        cluster,
        pool,
        world::boot_id($boot),
        message,
        signature,
        $index,
        other_message,
        other_signature,
        $other_index,
        ctx,
    );
}

macro fun other_leaf($world: &mut World, $statement: _, $leaf: vector<u8>, $proof: vector<vector<u8>>) {
    let world = $world;
    let (message, signature) = $statement;
    let ctx = &mut world.as_sender(REPORTER);
    let (cluster, _, _, pool, _, enclave, _, _) = world.parts();
    slashing::report_other_leaf(
        enclave, cluster, pool, world::boot_id(1), message, signature, 0, $leaf, $proof, ctx,
    );
}

macro fun other_root($world: &mut World, $statement: _, $root: vector<u8>, $proof: vector<vector<u8>>) {
    let world = $world;
    let (message, signature) = $statement;
    let ctx = &mut world.as_sender(REPORTER);
    let (cluster, _, _, pool, _, enclave, _, _) = world.parts();
    slashing::report_other_root(
        enclave, cluster, pool, world::boot_id(1), message, signature, 0, $root, $proof, ctx,
    );
}

macro fun worker_fault($world: &mut World, $node_id: vector<u8>, $one: _, $other: _) {
    let world = $world;
    let node_id = $node_id;
    let (message, signature) = $one;
    let (other_message, other_signature) = $other;
    let ctx = &mut world.as_sender(REPORTER);
    let (cluster, _, _, pool, registry, _, _, _) = world.parts();
    slashing::report_worker_fault(
        registry,
        cluster,
        pool,
        WORKER_OWNER,
        node_id.to_string(),
        message,
        signature,
        other_message,
        other_signature,
        ctx,
    );
}

fun leave(world: &mut World) {
    let ctx = &world.as_sender(WORKER_OWNER);
    let (cluster, _, _, pool, registry, _, _, clock) = world.parts();
    registry.deregister(cluster, pool, b"worker-1".to_string(), clock, ctx);
}

use fun leave as World.leave;

macro fun anchor($world: &mut World, $head: _) {
    let world = $world;
    let (message, signature) = $head;
    let (cluster, _, _, _, _, enclave, _, _) = world.parts();
    audit::anchor_tree_head(enclave, cluster, message, signature, vector[]);
}

fun anchored(): World {
    let mut world = world::serving();
    anchor!(&mut world, signed::head_5());
    world
}

fun with_worker(): World {
    let mut world = world::serving();
    world.add_worker(b"worker-1");
    world
}

/// The public key of Ed25519 seed 9 (32 times) as its status key.
fun add_worker(world: &mut World, node_id: vector<u8>) {
    let ctx = &mut world.as_sender(WORKER_OWNER);
    let payment = world::mint(world::sui(2), ctx);
    let (cluster, _, _, pool, registry, _, _, clock) = world.parts();
    registry.stake_and_register_worker(
        cluster,
        pool,
        payment,
        node_id.to_string(),
        vector::tabulate!(32, |_| 1),
        vector::tabulate!(32, |_| 0x77),
        x"fd1724385aa0c75b64fb78cd602fa1d991fdebf76b13c58ed702eac835e9f618",
        clock,
        ctx,
    );
}

use fun add_worker as World.add_worker;

fun operator_stake(world: &World): u64 {
    world.pool().slashable(stake::operator_key(world::operator(), world.enclave().id()))
}

fun assert_slashed_once(world: &World) {
    assert_eq!(world.operator_stake(), world::sui(50));
    assert_eq!(event::events_by_type<BootSlashedEvent>().length(), 1);
}

use fun operator_stake as World.operator_stake;
use fun assert_slashed_once as World.assert_slashed_once;

#[test]
fun two_receipts_of_one_sequence_cost_half_the_stake_and_end_the_boot() {
    let mut world = world::serving();
    let state = world.cluster().state().seq();
    equivocate!(&mut world, 1, 0, 0, signed::receipt_2(), signed::receipt_2_lie());
    world.assert_slashed_once();
    assert!(world.enclave().current().is_none());
    assert!(world.enclave().has_boot(&world::boot_id(1)));
    assert_eq!(world.enclave().boot(&world::boot_id(1)).end_reason(), 4);
    assert_eq!(world.cluster().state().seq(), state + 1);
    world.destroy();
}

#[test]
fun a_slash_is_split_among_reporter_treasury_and_burn() {
    let mut scenario = test_scenario::begin(REPORTER);
    let mut world = world::serving();
    equivocate!(&mut world, 1, 0, 0, signed::receipt_2(), signed::receipt_2_lie());
    scenario.next_tx(REPORTER);
    let reward = scenario.take_from_sender<Coin<SUI>>();
    assert_eq!(reward.value(), world::sui(15));
    assert_eq!(world.pool().treasury(), world::sui(15));
    let burned = scenario.take_from_address<Coin<SUI>>(@0x0);
    assert_eq!(burned.value(), world::sui(20));
    reward.burn_for_testing();
    burned.burn_for_testing();
    world.destroy();
    scenario.end();
}

#[test]
fun a_receipt_and_a_frame_of_one_sequence_contradict() {
    let mut world = world::serving();
    equivocate!(&mut world, 1, 0, 0, signed::receipt_2(), signed::frame_2());
    world.assert_slashed_once();
    world.destroy();
}

#[test]
fun an_entry_of_a_batch_and_a_receipt_of_one_sequence_contradict() {
    let mut world = world::serving();
    equivocate!(&mut world, 1, 1, 0, signed::batch_1_2_3(), signed::receipt_2_lie());
    world.assert_slashed_once();
    world.destroy();
}

#[test]
fun two_entries_of_one_batch_contradict() {
    let mut world = world::serving();
    equivocate!(&mut world, 1, 0, 1, signed::batch_2_lie_2(), signed::batch_2_lie_2());
    world.assert_slashed_once();
    world.destroy();
}

#[test]
fun the_first_sequence_counts_like_any_other() {
    let mut world = world::serving();
    equivocate!(&mut world, 1, 0, 0, signed::receipt_0(), signed::receipt_0_lie());
    world.assert_slashed_once();
    world.destroy();
}

#[test]
fun a_boot_that_has_ended_is_slashed_and_the_current_one_goes_on() {
    let mut world = world::serving();
    world.wait(1);
    world.register(2);
    equivocate!(&mut world, 1, 0, 0, signed::receipt_2(), signed::receipt_2_lie());
    world.assert_slashed_once();
    assert_eq!(*world.enclave().current().borrow().boot_id(), world::boot_id(2));
    world.destroy();
}

#[test]
fun each_boot_is_slashed_for_itself() {
    let mut world = world::serving();
    world.wait(1);
    world.register(2);
    equivocate!(&mut world, 1, 0, 0, signed::receipt_2(), signed::receipt_2_lie());
    equivocate!(&mut world, 2, 0, 0, signed::receipt_2_boot_2(), signed::receipt_2_boot_2_lie());
    assert_eq!(world.operator_stake(), world::sui(25));
    assert!(world.enclave().current().is_none());
    world.destroy();
}

#[test]
fun a_stake_that_is_unbonding_is_slashed() {
    let mut world = world::serving();
    let key = stake::operator_key(world::operator(), world.enclave().id());
    let (cluster, _, _, pool, _, _, _, clock) = world.parts();
    pool.unbond(cluster, key, clock);
    equivocate!(&mut world, 1, 0, 0, signed::receipt_2(), signed::receipt_2_lie());
    world.assert_slashed_once();
    world.destroy();
}

#[test, expected_failure(abort_code = slashing::EAlreadySlashed)]
fun a_boot_is_slashed_once_for_equivocation() {
    let mut world = world::serving();
    equivocate!(&mut world, 1, 0, 0, signed::receipt_2(), signed::receipt_2_lie());
    equivocate!(&mut world, 1, 0, 0, signed::receipt_0(), signed::receipt_0_lie());
    world.destroy();
}

#[test]
fun equivocation_and_contradiction_are_two_kinds() {
    let mut world = anchored();
    equivocate!(&mut world, 1, 0, 0, signed::receipt_2(), signed::receipt_2_lie());
    other_leaf!(&mut world, signed::receipt_2_lie(), signed::leaves()[2], signed::inclusion_2());
    assert_eq!(world.operator_stake(), world::sui(25));
    world.destroy();
}

#[test, expected_failure(abort_code = slashing::EAlreadySlashed)]
fun leaf_and_root_are_one_kind() {
    let mut world = anchored();
    other_leaf!(&mut world, signed::receipt_2_lie(), signed::leaves()[2], signed::inclusion_2());
    other_root!(&mut world, signed::receipt_2_root_lie(), signed::roots()[2], signed::from_2_to_5());
    world.destroy();
}

#[test, expected_failure(abort_code = slashing::ESameContent)]
fun a_receipt_that_is_sent_twice_contradicts_nothing() {
    let mut world = world::serving();
    equivocate!(&mut world, 1, 0, 0, signed::receipt_2(), signed::receipt_2());
    world.destroy();
}

#[test, expected_failure(abort_code = slashing::ESameContent)]
fun a_receipt_that_is_signed_again_later_contradicts_nothing() {
    let mut world = world::serving();
    equivocate!(&mut world, 1, 0, 0, signed::receipt_2(), signed::receipt_2_later());
    world.destroy();
}

#[test, expected_failure(abort_code = slashing::ESameContent)]
fun a_receipt_in_a_batch_and_alone_contradicts_nothing() {
    let mut world = world::serving();
    equivocate!(&mut world, 1, 0, 1, signed::receipt_2(), signed::batch_1_2_3());
    world.destroy();
}

#[test, expected_failure(abort_code = slashing::ESameContent)]
fun a_receipt_at_different_places_of_two_batches_contradicts_nothing() {
    let mut world = world::serving();
    equivocate!(&mut world, 1, 1, 0, signed::batch_1_2_3(), signed::batch_2_lie_2());
    world.destroy();
}

#[test, expected_failure(abort_code = slashing::EOtherSequence)]
fun receipts_of_different_sequences_contradict_nothing() {
    let mut world = world::serving();
    equivocate!(&mut world, 1, 0, 0, signed::receipt_1(), signed::receipt_2());
    world.destroy();
}

#[test, expected_failure(abort_code = slashing::EOtherSequence)]
fun the_entries_of_an_honest_batch_contradict_nothing() {
    let mut world = world::serving();
    equivocate!(&mut world, 1, 0, 1, signed::batch_1_2_3(), signed::batch_1_2_3());
    world.destroy();
}

#[test, expected_failure(abort_code = slashing::EOtherSequence)]
fun the_frames_of_a_stream_contradict_nothing() {
    let mut world = world::serving();
    equivocate!(&mut world, 1, 0, 0, signed::frame_2(), signed::frame_3());
    world.destroy();
}

#[test, expected_failure(abort_code = enclave::EBadSignature)]
fun the_same_request_under_two_boots_contradicts_nothing() {
    let mut world = world::serving();
    world.wait(1);
    world.register(2);
    equivocate!(&mut world, 1, 0, 0, signed::receipt_2(), signed::receipt_2_boot_2());
    world.destroy();
}

#[test, expected_failure(abort_code = slashing::EOtherLog)]
fun a_receipt_that_names_another_boot_is_no_evidence_against_this_one() {
    let mut world = world::serving();
    world.wait(1);
    world.register(2);
    equivocate!(&mut world, 1, 0, 0, signed::receipt_2(), signed::receipt_2_boot_2_signed_by_1());
    world.destroy();
}

#[test, expected_failure(abort_code = slashing::EOtherLog)]
fun a_receipt_of_another_slot_is_no_evidence_against_this_one() {
    let mut world = world::serving();
    equivocate!(&mut world, 1, 0, 0, signed::receipt_2(), signed::receipt_2_other_slot());
    world.destroy();
}

#[test, expected_failure(abort_code = enclave::EBadSignature)]
fun a_receipt_under_another_boots_key_is_no_evidence() {
    let mut world = world::serving();
    world.wait(1);
    world.register(2);
    equivocate!(&mut world, 1, 0, 0, signed::receipt_2(), signed::receipt_2_lie_other_key());
    world.destroy();
}

#[test, expected_failure(abort_code = enclave::EBadSignature)]
fun an_unsigned_receipt_is_no_evidence() {
    let mut world = world::serving();
    let (message, _) = signed::receipt_2_lie();
    equivocate!(&mut world, 1, 0, 0, signed::receipt_2(), (message, vector::tabulate!(64, |_| 0)));
    world.destroy();
}

#[test, expected_failure(abort_code = enclave::EBadSignature)]
fun the_first_of_two_statements_is_verified_too() {
    let mut world = world::serving();
    let (message, _) = signed::receipt_2_lie();
    equivocate!(&mut world, 1, 0, 0, (message, vector[]), signed::receipt_2());
    world.destroy();
}

#[test, expected_failure(abort_code = enclave::EUnknownBoot)]
fun a_boot_that_was_never_registered_cannot_be_slashed() {
    let mut world = world::serving();
    equivocate!(&mut world, 2, 0, 0, signed::receipt_2_boot_2(), signed::receipt_2_boot_2_lie());
    world.destroy();
}

#[test, expected_failure(abort_code = receipt::ENoSuchEntry)]
fun an_index_outside_the_batch_is_refused() {
    let mut world = world::serving();
    equivocate!(&mut world, 1, 3, 0, signed::batch_1_2_3(), signed::receipt_2_lie());
    world.destroy();
}

#[test, expected_failure(abort_code = receipt::ENotInLog)]
fun a_tree_head_is_no_receipt() {
    let mut world = world::serving();
    equivocate!(&mut world, 1, 0, 0, signed::receipt_2(), signed::head_5());
    world.destroy();
}

#[test, expected_failure(abort_code = settlement::EAlreadyExpired)]
fun an_answer_that_comes_after_expiry_is_refused_and_proves_nothing() {
    let mut world = world::serving();
    world.submit(1);
    world.wait(180_000 + 30_000);
    let ctx = &mut world.as_sender(REPORTER);
    let (cluster, _, _, pool, _, enclave, _, clock) = world.parts();
    mailbox::expire(enclave, cluster, pool, world::user(), world::request_id(1), clock, ctx);
    let (message, signature) = signed::receipt_0();
    mailbox::store_k8s_response(
        enclave, cluster, vector[world::request_id(1)], vector[vector[]], message, signature, clock, ctx,
    );
    world.destroy();
}

#[test]
fun a_receipt_that_the_anchored_log_denies_is_slashed() {
    let mut world = anchored();
    other_leaf!(&mut world, signed::receipt_2_lie(), signed::leaves()[2], signed::inclusion_2());
    world.assert_slashed_once();
    assert!(world.enclave().current().is_none());
    world.destroy();
}

#[test]
fun a_first_receipt_that_the_anchored_log_denies_is_slashed() {
    let mut world = anchored();
    other_leaf!(&mut world, signed::receipt_0_lie(), signed::leaves()[0], signed::inclusion_0());
    world.assert_slashed_once();
    world.destroy();
}

#[test, expected_failure(abort_code = slashing::ESameContent)]
fun a_receipt_that_stands_in_the_anchored_log_is_honest() {
    let mut world = anchored();
    other_leaf!(&mut world, signed::receipt_2(), signed::leaves()[2], signed::inclusion_2());
    world.destroy();
}

#[test, expected_failure(abort_code = slashing::EProof)]
fun a_leaf_that_the_log_does_not_have_convicts_nobody() {
    let mut world = anchored();
    other_leaf!(&mut world, signed::receipt_2(), signed::lie_leaves()[2], signed::inclusion_2());
    world.destroy();
}

#[test, expected_failure(abort_code = slashing::EProof)]
fun a_leaf_of_another_place_convicts_nobody() {
    let mut world = anchored();
    other_leaf!(&mut world, signed::receipt_2(), signed::leaves()[3], signed::inclusion_3());
    world.destroy();
}

#[test, expected_failure(abort_code = slashing::EProof)]
fun an_inner_node_is_no_leaf() {
    let mut world = anchored();
    let node = merkle::node_hash(&signed::leaves()[2], &signed::leaves()[3]);
    let mut proof = signed::inclusion_2();
    proof.remove(0);
    other_leaf!(&mut world, signed::receipt_2(), node, proof);
    world.destroy();
}

#[test, expected_failure(abort_code = slashing::EProof)]
fun a_forged_inclusion_proof_convicts_nobody() {
    let mut world = anchored();
    other_leaf!(&mut world, signed::receipt_2_lie(), signed::leaves()[2], signed::inclusion_0());
    world.destroy();
}

#[test, expected_failure(abort_code = slashing::ENotAnchored)]
fun a_receipt_after_the_anchored_head_is_not_denied_by_it() {
    let mut world = anchored();
    other_leaf!(&mut world, signed::receipt_5_lie(), signed::leaves()[4], signed::inclusion_2());
    world.destroy();
}

#[test, expected_failure(abort_code = slashing::ENotAnchored)]
fun without_an_anchored_head_no_leaf_is_denied() {
    let mut world = world::serving();
    other_leaf!(&mut world, signed::receipt_0_lie(), signed::leaves()[0], vector[]);
    world.destroy();
}

#[test, expected_failure(abort_code = enclave::EBadSignature)]
fun an_unsigned_receipt_is_not_denied_by_the_log() {
    let mut world = anchored();
    let (message, _) = signed::receipt_2_lie();
    other_leaf!(&mut world, (message, vector[]), signed::leaves()[2], signed::inclusion_2());
    world.destroy();
}

#[test, expected_failure(abort_code = slashing::EOtherLog)]
fun the_log_of_one_slot_denies_no_receipt_of_another() {
    let mut world = anchored();
    other_leaf!(&mut world, signed::receipt_2_other_slot(), signed::leaves()[2], signed::inclusion_2());
    world.destroy();
}

#[test]
fun a_root_that_the_anchored_log_never_had_is_slashed() {
    let mut world = anchored();
    other_root!(&mut world, signed::receipt_2_root_lie(), signed::roots()[2], signed::from_2_to_5());
    world.assert_slashed_once();
    world.destroy();
}

#[test]
fun a_receipt_right_after_the_anchored_head_must_repeat_its_root() {
    let mut world = anchored();
    other_root!(&mut world, signed::receipt_5_root_lie(), signed::roots()[5], vector[]);
    world.assert_slashed_once();
    world.destroy();
}

#[test]
fun the_first_receipt_must_name_the_empty_root() {
    let mut world = anchored();
    other_root!(&mut world, signed::receipt_0_root_lie(), merkle::empty_root(), vector[]);
    world.assert_slashed_once();
    world.destroy();
}

#[test, expected_failure(abort_code = slashing::ESameContent)]
fun the_first_honest_receipt_names_the_empty_root() {
    let mut world = anchored();
    other_root!(&mut world, signed::receipt_0(), merkle::empty_root(), vector[]);
    world.destroy();
}

#[test, expected_failure(abort_code = slashing::EProof)]
fun the_empty_log_has_no_root_but_its_own() {
    let mut world = anchored();
    other_root!(&mut world, signed::receipt_0(), signed::roots()[1], vector[]);
    world.destroy();
}

#[test, expected_failure(abort_code = slashing::ESameContent)]
fun a_root_that_the_anchored_log_had_is_honest() {
    let mut world = anchored();
    other_root!(&mut world, signed::receipt_2(), signed::roots()[2], signed::from_2_to_5());
    world.destroy();
}

#[test, expected_failure(abort_code = slashing::EProof)]
fun a_root_of_another_size_convicts_nobody() {
    let mut world = anchored();
    other_root!(&mut world, signed::receipt_2(), signed::roots()[3], signed::from_2_to_5());
    world.destroy();
}

#[test, expected_failure(abort_code = slashing::EProof)]
fun the_honest_receipt_after_the_head_is_not_denied_by_another_root() {
    let mut world = anchored();
    other_root!(&mut world, signed::receipt_5(), signed::roots()[4], vector[]);
    world.destroy();
}

#[test, expected_failure(abort_code = slashing::EProof)]
fun a_forged_consistency_proof_convicts_nobody() {
    let mut world = anchored();
    let mut proof = signed::from_2_to_5();
    proof.swap(0, 1);
    other_root!(&mut world, signed::receipt_2_root_lie(), signed::roots()[2], proof);
    world.destroy();
}

#[test, expected_failure(abort_code = slashing::ENotAnchored)]
fun a_root_after_the_anchored_head_is_not_denied_by_it() {
    let mut world = anchored();
    other_root!(&mut world, signed::receipt_6_root_lie(), signed::roots()[5], vector[]);
    world.destroy();
}

#[test]
fun two_statements_of_a_worker_cost_half_its_stake_once_and_its_reputation() {
    let mut world = with_worker();
    let state = world.cluster().state().seq();
    worker_fault!(&mut world, b"worker-1", signed::worker_says_1(), signed::worker_says_2());
    let worker = world.registry().worker(b"worker-1".to_string());
    assert_eq!(worker.status(), SLASHED_STATUS);
    assert_eq!(worker.reputation(), 0);
    assert_eq!(world.pool().slashable(stake::worker_key(WORKER_OWNER, b"worker-1")), world::sui(1));
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
    assert_eq!(world.pool().slashable(stake::worker_key(WORKER_OWNER, b"worker-1")), world::sui(1));
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
    assert_eq!(world.pool().slashable(stake::worker_key(WORKER_OWNER, b"worker-1")), world::sui(1));
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

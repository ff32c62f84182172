/// Promises of `daas::slashing`: two receipts of one boot that contradict each other.
#[test_only]
module daas::slashing_equivocation_tests;

use daas::enclave;
use daas::mailbox;
use daas::receipt;
use daas::settlement;
use daas::signed_slashing as signed;
use daas::slashes::{Self, anchored, equivocate, other_leaf, other_root, reporter};
use daas::slashing;
use daas::stake;
use daas::world::{Self, World};
use std::unit_test::assert_eq;
use sui::coin::Coin;
use sui::sui::SUI;
use sui::test_scenario;

use fun slashes::operator_stake as World.operator_stake;
use fun slashes::assert_slashed_once as World.assert_slashed_once;

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
    let mut scenario = test_scenario::begin(reporter());
    let mut world = world::serving();
    equivocate!(&mut world, 1, 0, 0, signed::receipt_2(), signed::receipt_2_lie());
    scenario.next_tx(reporter());
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
    let ctx = &mut world.as_sender(reporter());
    let (cluster, _, _, pool, _, enclave, _, clock) = world.parts();
    mailbox::expire(enclave, cluster, pool, world::user(), world::request_id(1), clock, ctx);
    let (message, signature) = signed::receipt_0();
    mailbox::store_k8s_response(
        enclave, cluster, vector[world::request_id(1)], vector[vector[]], message, signature, clock, ctx,
    );
    world.destroy();
}

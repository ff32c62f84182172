/// Promises of `daas::slashing`: receipts that the anchored log denies.
#[test_only]
module daas::slashing_contradiction_tests;

use daas::enclave;
use daas::merkle;
use daas::signed_slashing as signed;
use daas::slashes::{Self, anchored, other_leaf, other_root};
use daas::slashing;
use daas::world::{Self, World};

use fun slashes::assert_slashed_once as World.assert_slashed_once;

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

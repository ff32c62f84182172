/// Attacks on slots, mailboxes, stakes and workers that must not pay.
#[test_only]
module daas::attacks_tests;

use daas::audit;
use daas::enclave;
use daas::signed_slashing;
use daas::slashing;
use daas::stake;
use daas::world::{Self, World};
use std::unit_test::assert_eq;

use fun equivocate as World.equivocate;

const REPORTER: address = @0x4E;

fun equivocate(world: &mut World) {
    let (message, signature) = signed_slashing::receipt_2();
    let (other_message, other_signature) = signed_slashing::receipt_2_lie();
    let ctx = &mut world.as_sender(REPORTER);
    let (cluster, _, _, pool, _, enclave, _, _) = world.parts();
    slashing::report_equivocation(
        enclave, cluster, pool, world::boot_id(1), message, signature, 0, other_message, other_signature, 0, ctx,
    );
}

#[test]
fun evidence_that_cost_nothing_counts_against_the_next_stake() {
    let mut world = world::serving().operator_withdraws();
    let key = stake::operator_key(world::operator(), world.enclave().id());
    assert_eq!(world.pool().slashable(key), 0);
    world.equivocate();
    let ctx = &mut world.as_sender(world::operator());
    let payment = world::mint(world::sui(100), ctx);
    let (cluster, _, _, pool, _, enclave, _, _) = world.parts();
    pool.deposit_operator(cluster, enclave.id(), payment, ctx);
    world.equivocate();
    assert_eq!(world.pool().slashable(key), world::sui(50));
    world.destroy();
}

#[test, expected_failure(abort_code = slashing::EAlreadySlashed)]
fun evidence_that_has_cost_something_does_not_count_again() {
    let mut world = world::serving();
    world.equivocate();
    world = world.operator_withdraws();
    world.equivocate();
    world.destroy();
}

#[test]
fun without_a_stake_the_liar_stops_serving_all_the_same() {
    let mut world = world::serving().operator_withdraws();
    world.equivocate();
    assert!(world.enclave().current().is_none());
    world.destroy();
}

macro fun anchored_against($head: _, $root: vector<u8>, $proof: vector<vector<u8>>): World {
    let mut world = world::serving();
    let (message, signature) = signed_slashing::head_5();
    let (cluster, _, _, _, _, enclave, _, _) = world.parts();
    audit::anchor_tree_head(enclave, cluster, message, signature, vector[]);
    let (message, signature) = $head;
    let ctx = &mut world.as_sender(REPORTER);
    let (cluster, _, _, pool, _, enclave, _, _) = world.parts();
    slashing::report_other_root(
        enclave, cluster, pool, world::boot_id(1), message, signature, 0, $root, $proof, ctx,
    );
    world
}

fun assert_caught(world: World) {
    let key = stake::operator_key(world::operator(), world.enclave().id());
    assert_eq!(world.pool().slashable(key), world::sui(50));
    assert!(world.enclave().current().is_none());
    world.destroy();
}

#[test]
fun two_tree_heads_of_one_size_are_a_contradiction() {
    let roots = signed_slashing::roots();
    assert_caught(anchored_against!(signed_slashing::head_5_lie(), roots[5], vector[]));
}

#[test]
fun a_tree_head_that_the_anchored_log_never_had_is_a_contradiction() {
    let roots = signed_slashing::roots();
    assert_caught(anchored_against!(signed_slashing::head_2_lie(), roots[2], signed_slashing::from_2_to_5()));
}

#[test, expected_failure(abort_code = slashing::ESameContent)]
fun an_honest_earlier_tree_head_is_none() {
    let roots = signed_slashing::roots();
    anchored_against!(signed_slashing::head_2(), roots[2], signed_slashing::from_2_to_5()).destroy();
}

#[test, expected_failure(abort_code = slashing::EProof)]
fun an_honest_earlier_tree_head_is_none_against_a_made_up_root() {
    let roots = signed_slashing::roots();
    anchored_against!(signed_slashing::head_2(), roots[3], signed_slashing::from_2_to_5()).destroy();
}

#[test, expected_failure(abort_code = slashing::ENotAnchored)]
fun a_tree_head_beyond_the_anchored_one_is_none() {
    let roots = signed_slashing::roots();
    anchored_against!(signed_slashing::head_6_lie(), roots[5], vector[]).destroy();
}

#[test, expected_failure(abort_code = slashing::EOtherLog)]
fun a_tree_head_of_another_slot_is_none() {
    let roots = signed_slashing::roots();
    let proof = signed_slashing::from_2_to_5();
    anchored_against!(signed_slashing::head_2_lie_other_slot(), roots[2], proof).destroy();
}

#[test, expected_failure(abort_code = slashing::EOtherLog)]
fun a_tree_head_of_another_boot_is_none() {
    let roots = signed_slashing::roots();
    anchored_against!(signed_slashing::head_2_lie_boot_2(), roots[2], signed_slashing::from_2_to_5()).destroy();
}

#[test, expected_failure(abort_code = enclave::EBadSignature)]
fun a_tree_head_under_another_key_is_none() {
    let roots = signed_slashing::roots();
    let proof = signed_slashing::from_2_to_5();
    anchored_against!(signed_slashing::head_2_lie_other_key(), roots[2], proof).destroy();
}

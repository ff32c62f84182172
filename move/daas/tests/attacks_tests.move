/// Attacks on slots, mailboxes, stakes and workers that must not pay.
#[test_only]
module daas::attacks_tests;

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

/// Promises of `daas::audit`.
#[test_only]
module daas::audit_tests;

use daas::audit::{Self, JournalAnchored, TreeHeadAnchored};
use daas::enclave;
use daas::signed_audit as signed;
use daas::version;
use daas::wire;
use daas::world::{Self, World};
use std::unit_test::assert_eq;
use sui::bcs;
use sui::event;

fun anchor(world: &mut World, message: vector<u8>, signature: vector<u8>, proof: vector<vector<u8>>) {
    let (cluster, _, _, _, _, enclave, _, _) = world.parts();
    audit::anchor_tree_head(enclave, cluster, message, signature, proof)
}

fun journal(world: &mut World, message: vector<u8>, signature: vector<u8>) {
    let (cluster, _, _, _, _, enclave, _, clock) = world.parts();
    audit::anchor_journal(enclave, cluster, message, signature, clock)
}

fun anchored_3(): World {
    let mut world = world::serving();
    let (message, signature) = signed::head_3();
    world.anchor(message, signature, vector[]);
    world
}

use fun anchor as World.anchor;
use fun journal as World.journal;
use fun assert_log as World.assert_log;

fun assert_log(world: &World, number: u8, size: u64, root: vector<u8>) {
    let boot = world.enclave().boot(&world::boot_id(number));
    assert_eq!(boot.log_size(), size);
    assert_eq!(*boot.log_root(), root);
}

#[test]
fun the_ids_are_those_that_python_signs_for() {
    let world = world::new();
    assert_eq!(world.cluster().id().to_address(), signed::cluster_id());
    assert_eq!(world.enclave().id().to_address(), signed::enclave_id());
    world.destroy();
}

#[test]
fun the_first_head_needs_no_proof_and_every_later_one_continues_it() {
    let mut world = anchored_3();
    world.assert_log(1, 3, signed::roots()[3]);
    let (message, signature) = signed::head_5();
    world.anchor(message, signature, signed::from_3_to_5());
    world.assert_log(1, 5, signed::roots()[5]);
    let (message, signature) = signed::head_8();
    world.anchor(message, signature, signed::from_5_to_8());
    world.assert_log(1, 8, signed::roots()[8]);
    assert_eq!(event::events_by_type<TreeHeadAnchored>().length(), 3);
    world.destroy();
}

#[test, expected_failure(abort_code = audit::EInconsistent)]
fun the_first_head_takes_no_proof_of_anything() {
    let mut world = world::serving();
    let (message, signature) = signed::head_5();
    world.anchor(message, signature, signed::from_3_to_5());
    world.destroy();
}

#[test, expected_failure(abort_code = audit::ENotForward)]
fun an_empty_head_is_no_step_forward() {
    let mut world = world::serving();
    let (message, signature) = signed::head_0();
    world.anchor(message, signature, vector[]);
    world.destroy();
}

#[test, expected_failure(abort_code = audit::ENotForward)]
fun the_same_size_is_refused() {
    let mut world = anchored_3();
    let (message, signature) = signed::head_3();
    world.anchor(message, signature, vector[]);
    world.destroy();
}

#[test, expected_failure(abort_code = audit::ENotForward)]
fun a_smaller_size_is_refused() {
    let mut world = world::serving();
    let (message, signature) = signed::head_5();
    world.anchor(message, signature, vector[]);
    let (message, signature) = signed::head_3();
    world.anchor(message, signature, vector[]);
    world.destroy();
}

#[test, expected_failure(abort_code = audit::EInconsistent)]
fun a_log_with_another_beginning_is_refused() {
    let mut world = anchored_3();
    let (message, signature) = signed::head_5_fork();
    world.anchor(message, signature, signed::fork_from_3_to_5());
    world.destroy();
}

#[test, expected_failure(abort_code = audit::EInconsistent)]
fun a_forged_proof_is_refused() {
    let mut world = anchored_3();
    let (message, signature) = signed::head_5();
    let mut proof = signed::from_3_to_5();
    proof.swap(0, 1);
    world.anchor(message, signature, proof);
    world.destroy();
}

#[test, expected_failure(abort_code = audit::EInconsistent)]
fun a_missing_proof_is_refused() {
    let mut world = anchored_3();
    let (message, signature) = signed::head_5();
    world.anchor(message, signature, vector[]);
    world.destroy();
}

#[test, expected_failure(abort_code = audit::EInconsistent)]
fun a_proof_with_a_hash_too_many_is_refused() {
    let mut world = anchored_3();
    let (message, signature) = signed::head_5();
    let mut proof = signed::from_3_to_5();
    proof.push_back(signed::roots()[1]);
    world.anchor(message, signature, proof);
    world.destroy();
}

#[test, expected_failure(abort_code = audit::EWrongEnclave)]
fun a_head_of_another_slot_is_refused() {
    let mut world = world::serving();
    let (message, signature) = signed::head_5_other_slot();
    world.anchor(message, signature, vector[]);
    world.destroy();
}

#[test, expected_failure(abort_code = enclave::EBadSignature)]
fun a_head_under_another_boots_key_is_refused() {
    let mut world = world::serving();
    world.wait(1);
    world.register(2);
    let (message, signature) = signed::head_5_other_key();
    world.anchor(message, signature, vector[]);
    world.destroy();
}

#[test, expected_failure(abort_code = enclave::EUnknownBoot)]
fun a_head_of_a_boot_that_was_never_registered_is_refused() {
    let mut world = world::serving();
    let (message, signature) = signed::head_5_boot_2();
    world.anchor(message, signature, vector[]);
    world.destroy();
}

#[test, expected_failure(abort_code = wire::EWrongIntent)]
fun a_snapshot_is_no_tree_head() {
    let mut world = world::serving();
    let (message, signature) = signed::snapshot_5();
    world.anchor(message, signature, vector[]);
    world.destroy();
}

#[test, expected_failure(abort_code = version::EWrongVersion)]
fun a_slot_of_another_version_anchors_no_head() {
    let mut world = world::serving();
    let (message, signature) = signed::head_5();
    let (_, _, _, _, _, enclave, _, _) = world.parts();
    enclave.set_version(0);
    world.anchor(message, signature, vector[]);
    world.destroy();
}

#[test]
fun a_boot_that_has_ended_may_still_anchor_and_each_boot_has_its_own_log() {
    let mut world = anchored_3();
    world.wait(1);
    world.register(2);
    let (message, signature) = signed::head_5_boot_2();
    world.anchor(message, signature, vector[]);
    let (message, signature) = signed::head_5();
    world.anchor(message, signature, signed::from_3_to_5());
    world.assert_log(1, 5, signed::roots()[5]);
    world.assert_log(2, 5, signed::fork_roots()[5]);
    world.destroy();
}

#[test]
fun a_snapshot_is_anchored_and_raises_the_revision() {
    let mut world = world::serving();
    let (message, signature) = signed::snapshot_5();
    world.journal(message, signature);
    assert_eq!(world.enclave().revision(), 5);
    let (message, signature) = signed::snapshot_6();
    world.journal(message, signature);
    assert_eq!(world.enclave().revision(), 6);
    let anchor = world.enclave().journal().borrow();
    assert_eq!(anchor.journal_revision(), 6);
    assert_eq!(*anchor.journal_root(), vector::tabulate!(32, |_| 6));
    assert_eq!(event::events_by_type<JournalAnchored>().length(), 2);
    world.destroy();
}

#[test]
fun a_snapshot_never_lowers_the_revision_that_receipts_have_raised() {
    let mut world = world::serving();
    let (_, _, _, _, _, enclave, _, _) = world.parts();
    enclave.raise_revision(1_000);
    let (message, signature) = signed::snapshot_5();
    world.journal(message, signature);
    assert_eq!(world.enclave().revision(), 1_000);
    world.destroy();
}

#[test, expected_failure(abort_code = audit::ENotForward)]
fun the_same_snapshot_is_refused_again() {
    let mut world = world::serving();
    let (message, signature) = signed::snapshot_5();
    world.journal(message, signature);
    world.journal(message, signature);
    world.destroy();
}

#[test, expected_failure(abort_code = audit::ENotForward)]
fun an_older_snapshot_is_refused() {
    let mut world = world::serving();
    let (message, signature) = signed::snapshot_6();
    world.journal(message, signature);
    let (message, signature) = signed::snapshot_5();
    world.journal(message, signature);
    world.destroy();
}

#[test]
fun the_next_boot_continues_the_slots_journal() {
    let mut world = world::serving();
    let (message, signature) = signed::snapshot_6();
    world.journal(message, signature);
    world.wait(1);
    world.register(2);
    let (message, signature) = signed::snapshot_7_boot_2();
    world.journal(message, signature);
    assert_eq!(world.enclave().journal().borrow().journal_revision(), 7);
    world.destroy();
}

#[test, expected_failure(abort_code = enclave::EWrongBoot)]
fun a_boot_that_has_ended_anchors_no_snapshot() {
    let mut world = world::serving();
    world.wait(1);
    world.register(2);
    let (message, signature) = signed::snapshot_5();
    world.journal(message, signature);
    world.destroy();
}

#[test, expected_failure(abort_code = audit::EWrongEnclave)]
fun a_snapshot_of_another_slot_is_refused() {
    let mut world = world::serving();
    let (message, signature) = signed::snapshot_5_other_slot();
    world.journal(message, signature);
    world.destroy();
}

#[test, expected_failure(abort_code = enclave::EBadSignature)]
fun a_snapshot_under_another_key_is_refused() {
    let mut world = world::serving();
    let (message, signature) = signed::snapshot_5_other_key();
    world.journal(message, signature);
    world.destroy();
}

#[test, expected_failure(abort_code = wire::EWrongIntent)]
fun a_tree_head_is_no_snapshot() {
    let mut world = world::serving();
    let (message, signature) = signed::head_5();
    world.journal(message, signature);
    world.destroy();
}

#[test]
fun an_anchored_head_names_slot_boot_size_and_root() {
    let world = anchored_3();
    let mut expected = bcs::to_bytes(&world.enclave().id());
    expected.append(bcs::to_bytes(&world::boot_id(1)));
    expected.append(bcs::to_bytes(&3u64));
    expected.append(bcs::to_bytes(&signed::roots()[3]));
    let events = event::events_by_type<TreeHeadAnchored>();
    assert_eq!(events.length(), 1);
    assert_eq!(bcs::to_bytes(&events[0]), expected);
    world.destroy();
}

#[test]
fun an_anchored_journal_names_slot_revision_and_root() {
    let mut world = world::serving();
    let (message, signature) = signed::snapshot_5();
    world.journal(message, signature);
    let mut expected = bcs::to_bytes(&world.enclave().id());
    expected.append(bcs::to_bytes(&5u64));
    expected.append(bcs::to_bytes(&vector::tabulate!(32, |_| 5u8)));
    let events = event::events_by_type<JournalAnchored>();
    assert_eq!(events.length(), 1);
    assert_eq!(bcs::to_bytes(&events[0]), expected);
    world.destroy();
}

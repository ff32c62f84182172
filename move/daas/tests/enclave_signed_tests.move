/// Promises of `daas::enclave` about what its boots sign: drains, handoffs, and the two checks of a signature.
#[test_only]
module daas::enclave_signed_tests;

use daas::enclave::{BootEnded, HandoffRecorded};
use daas::enclave_tests::{check_newest, destroy_cluster, ended, revoke};
use daas::heads::Event;
use daas::signed_enclave as signed;
use daas::variants;
use daas::wire;
use daas::world::{Self, World};
use std::hash::sha2_256;
use std::unit_test::assert_eq;
use sui::bcs;
use sui::event;

const DAY_MS: u64 = 86_400_000;
/// Default registration life.
const LIFE_MS: u64 = 86_400_000;
/// What the signed drains and handoffs name.
const DRAIN_REVISION: u64 = 2_000;
const HANDOFF_REVISION: u64 = 3_000;

#[test]
fun ids_of_the_world_are_those_that_python_signs_for() {
    let world = world::new();
    assert_eq!(world.cluster().id().to_address(), signed::cluster_id());
    assert_eq!(world.enclave().id().to_address(), signed::enclave_id());
    world.destroy();
}

#[test]
fun a_drained_boot_has_ended_and_is_told() {
    let mut world = world::serving();
    let before = world.cluster().state();
    drain_1(&mut world);
    assert!(world.enclave().current().is_none());
    assert!(!world.enclave().is_serving(world.cluster(), world.clock()));
    assert_eq!(world.enclave().boot(&world::boot_id(1)).end_reason(), 2);
    assert_eq!(world.enclave().revision(), DRAIN_REVISION);
    let after = check_newest<BootEnded>(&world, before, ended(&world, 1, 2));
    assert_eq!(after, world.cluster().state());
    world.destroy();
}

#[test]
fun the_next_boot_after_a_drain_supersedes_nobody() {
    let mut world = world::serving();
    drain_1(&mut world);
    world.wait(1);
    world.register(2);
    assert_eq!(world.enclave().boot(&world::boot_id(1)).end_reason(), 2);
    assert_eq!(event::events_by_type<Event<BootEnded>>().length(), 1);
    world.destroy();
}

#[test]
fun a_drain_does_not_lower_the_revision() {
    let mut world = world::serving();
    let (_, _, _, _, _, slot, _, _) = world.parts();
    slot.set_journal(DRAIN_REVISION + 1, sha2_256(b"journal"));
    drain_1(&mut world);
    assert_eq!(world.enclave().revision(), DRAIN_REVISION + 1);
    assert_eq!(world.enclave().journal().borrow().journal_revision(), DRAIN_REVISION + 1);
    assert_eq!(*world.enclave().journal().borrow().journal_root(), sha2_256(b"journal"));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::ENoCurrentBoot)]
fun a_drain_is_not_taken_twice() {
    let mut world = world::serving();
    drain_1(&mut world);
    drain_1(&mut world);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::EWrongBoot)]
fun a_drain_of_the_boot_before_does_not_end_the_next() {
    let mut world = world::serving();
    world.wait(1);
    world.register(2);
    drain_1(&mut world);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::EBadSignature)]
fun a_drain_signed_by_another_boot_is_refused() {
    let mut world = world::serving();
    let (message, signature) = signed::drain_1_signed_by_2();
    drain(&mut world, message, signature);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::EBadSignature)]
fun a_drain_with_one_bit_of_its_signature_changed_is_refused() {
    let mut world = world::serving();
    let (message, mut signature) = signed::drain_1();
    let byte = &mut signature[63];
    *byte = *byte ^ 1;
    drain(&mut world, message, signature);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::EBadSignature)]
fun a_drain_at_another_time_than_signed_is_refused() {
    let mut world = world::serving();
    let (mut message, signature) = signed::drain_1();
    let byte = &mut message[1];
    *byte = *byte ^ 1;
    drain(&mut world, message, signature);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::EBadSignature)]
fun an_empty_signature_is_refused() {
    let mut world = world::serving();
    let (message, _) = signed::drain_1();
    drain(&mut world, message, vector[]);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::EBadSignature)]
fun another_message_s_signature_is_refused() {
    let mut world = world::serving();
    let (message, _) = signed::drain_1();
    let (_, signature) = signed::handoff_to_same_slot();
    drain(&mut world, message, signature);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::EWrongEnclave)]
fun a_drain_of_another_slot_is_refused() {
    let mut world = world::serving();
    let (message, signature) = signed::drain_of_other_slot();
    drain(&mut world, message, signature);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::wire::ETrailingBytes)]
fun a_drain_with_a_byte_more_is_refused() {
    let mut world = world::serving();
    let (message, signature) = signed::drain_with_a_byte_more();
    drain(&mut world, message, signature);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::wire::EWrongIntent)]
fun the_bytes_of_a_drain_under_another_intent_are_refused() {
    let mut world = world::serving();
    let (message, signature) = signed::drain_signed_as_tree_head();
    drain(&mut world, message, signature);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::wire::EWrongIntent)]
fun a_handoff_is_no_drain() {
    let mut world = world::serving();
    let (message, signature) = signed::handoff_to_same_slot();
    drain(&mut world, message, signature);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::wire::EWrongIntent)]
fun a_drain_is_no_handoff() {
    let mut world = world::serving();
    let (message, signature) = signed::drain_1();
    handoff(&mut world, message, signature);
    world.destroy();
}

#[test]
fun a_handoff_within_the_slot_ends_the_boot_and_both_are_told() {
    let mut world = world::serving();
    let before = world.cluster().state();
    let (message, signature) = signed::handoff_to_same_slot();
    handoff(&mut world, message, signature);
    assert!(world.enclave().current().is_none());
    assert_eq!(world.enclave().boot(&world::boot_id(1)).end_reason(), 3);
    assert_eq!(world.enclave().revision(), HANDOFF_REVISION);
    let to = world.enclave().id().to_address();
    let between = check_newest<HandoffRecorded>(&world, before, handed_off(&world, to));
    let after = check_newest<BootEnded>(&world, between, ended(&world, 1, 3));
    assert_eq!(after, world.cluster().state());
    world.destroy();
}

#[test]
fun a_handoff_to_another_slot_is_told_and_the_boot_goes_on() {
    let mut world = world::serving();
    let before = world.cluster().state();
    let (message, signature) = signed::handoff_to_other_slot();
    handoff(&mut world, message, signature);
    assert!(world.enclave().is_serving(world.cluster(), world.clock()));
    assert_eq!(world.enclave().current().borrow().end_reason(), 0);
    assert_eq!(world.enclave().revision(), HANDOFF_REVISION);
    let other = @0x7777777777777777777777777777777777777777777777777777777777777777;
    let after = check_newest<HandoffRecorded>(&world, before, handed_off(&world, other));
    assert_eq!(after, world.cluster().state());
    assert!(event::events_by_type<Event<BootEnded>>().is_empty());
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::EWrongEnclave)]
fun a_handoff_of_another_slot_is_refused() {
    let mut world = world::serving();
    let (message, signature) = signed::handoff_of_other_slot();
    handoff(&mut world, message, signature);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::EBadSignature)]
fun a_handoff_signed_by_another_boot_is_refused() {
    let mut world = world::serving();
    let (message, signature) = signed::handoff_signed_by_2();
    handoff(&mut world, message, signature);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::EWrongBoot)]
fun a_handoff_of_a_boot_that_is_not_current_is_refused() {
    let mut world = world::serving();
    let (message, signature) = signed::handoff_of_2();
    handoff(&mut world, message, signature);
    world.destroy();
}

#[test]
fun a_result_of_the_current_boot_verifies_to_its_last_millisecond() {
    let mut world = world::serving();
    world.wait(LIFE_MS - 1);
    verify_current(&world);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::EBootExpired)]
fun a_result_is_refused_from_the_millisecond_of_expiry() {
    let mut world = world::serving();
    world.wait(LIFE_MS);
    verify_current(&world);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::ENoCurrentBoot)]
fun a_slot_without_a_boot_verifies_no_result() {
    let world = world::new();
    verify_current(&world);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::EWrongBoot)]
fun a_result_of_the_boot_before_is_refused() {
    let mut world = world::serving();
    world.wait(1);
    world.register(2);
    verify_current(&world);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::EVersionInvalid)]
fun a_result_of_a_revoked_version_is_refused() {
    let mut world = world::serving();
    revoke(&mut world, 1);
    assert!(!world.enclave().is_serving(world.cluster(), world.clock()));
    verify_current(&world);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::EVersionInvalid)]
fun a_result_of_a_version_below_the_minimum_is_refused() {
    let mut world = world::new();
    let (cluster, admin, _, _, _, _, _, clock) = world.parts();
    let proposal = cluster.propose(admin, daas::cluster::policy_change(2, world::policy_pcrs(9)), clock);
    world.wait(DAY_MS);
    world.register(1);
    let (cluster, admin, _, _, _, _, _, clock) = world.parts();
    cluster.activate(proposal, clock);
    cluster.raise_min_version(admin, 2);
    verify_current(&world);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::EWrongCluster)]
fun a_result_is_not_judged_by_another_cluster() {
    let mut world = world::serving();
    let (other, admin, veto) = variants::other_cluster(&mut world);
    let (message, signature) = signed::drain_1();
    world.enclave().verify_current(&other, &world::boot_id(1), &message, &signature, world.clock());
    destroy_cluster(other, admin, veto);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::version::EWrongVersion)]
fun a_slot_of_another_version_verifies_no_result() {
    let mut world = world::serving();
    let (_, _, _, _, _, slot, _, _) = world.parts();
    slot.set_version(2);
    verify_current(&world);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::EBadSignature)]
fun a_result_under_another_key_is_refused() {
    let world = world::serving();
    let (message, signature) = signed::drain_1_signed_by_2();
    world.enclave().verify_current(world.cluster(), &world::boot_id(1), &message, &signature, world.clock());
    world.destroy();
}

#[test]
fun evidence_of_every_boot_that_ever_was_verifies() {
    let mut world = world::serving();
    verify_recorded(&world, 1);
    // Superseded, then the second drained: superseding, draining, revoking and expiring forget nothing.
    world.wait(1);
    world.register(2);
    verify_recorded(&world, 1);
    verify_recorded(&world, 2);
    let (message, signature) = signed::drain_2();
    drain(&mut world, message, signature);
    revoke(&mut world, 1);
    world.wait(LIFE_MS);
    verify_recorded(&world, 1);
    verify_recorded(&world, 2);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::EUnknownBoot)]
fun evidence_of_a_boot_that_never_was_is_refused() {
    let world = world::serving();
    let (message, signature) = signed::drain_3_signed_by_1();
    world.enclave().verify_recorded(&world::boot_id(3), &message, &signature);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::EBadSignature)]
fun evidence_under_the_key_of_another_boot_is_refused() {
    let mut world = world::serving();
    world.wait(1);
    world.register(2);
    let (message, signature) = signed::drain_1();
    world.enclave().verify_recorded(&world::boot_id(2), &message, &signature);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::EUnknownBoot)]
fun a_boot_that_never_was_has_no_record() {
    let world = world::serving();
    assert!(!world.enclave().has_boot(&world::boot_id(2)));
    world.enclave().boot(&world::boot_id(2));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::EUnknownBoot)]
fun a_boot_that_never_was_has_no_log() {
    let mut world = world::serving();
    let (_, _, _, _, _, slot, _, _) = world.parts();
    slot.set_log(&world::boot_id(2), 1, sha2_256(b"root"));
    world.destroy();
}

#[test]
fun a_boot_is_marked_once_for_each_kind_whether_it_has_ended_or_not() {
    let mut world = world::serving();
    let (_, _, _, _, _, slot, _, _) = world.parts();
    8u8.do!(|kind| {
        assert!(!slot.was_slashed(&world::boot_id(1), kind));
        slot.mark_slashed(&world::boot_id(1), kind);
        assert!(slot.was_slashed(&world::boot_id(1), kind));
    });
    world.wait(1);
    world.register(2);
    let (_, _, _, _, _, slot, _, _) = world.parts();
    assert!(slot.was_slashed(&world::boot_id(1), 0));
    assert!(!slot.was_slashed(&world::boot_id(2), 0));
    world.destroy();
}

#[test]
fun a_slashed_boot_that_is_current_ends() {
    let mut world = world::serving();
    let before = world.cluster().state();
    let (cluster, _, _, _, _, slot, _, _) = world.parts();
    slot.end_slashed(cluster, &world::boot_id(1));
    assert!(world.enclave().current().is_none());
    let after = check_newest<BootEnded>(&world, before, ended(&world, 1, 4));
    assert_eq!(after, world.cluster().state());
    world.destroy();
}

#[test]
fun a_slashed_boot_that_has_ended_takes_no_other_with_it() {
    let mut world = world::serving();
    world.wait(1);
    world.register(2);
    let before = world.cluster().state();
    let (cluster, _, _, _, _, slot, _, _) = world.parts();
    slot.end_slashed(cluster, &world::boot_id(1));
    assert_eq!(slot.boot(&world::boot_id(1)).end_reason(), 1);
    assert!(slot.is_serving(cluster, world.clock()));
    assert_eq!(world.cluster().state(), before);
    world.destroy();
}

#[test]
fun missed_deadlines_cost_at_most_the_cap_in_an_epoch() {
    let mut world = world::new();
    assert_eq!(allowance(&mut world, 7, 60, 100), 60);
    assert_eq!(allowance(&mut world, 7, 60, 100), 40);
    assert_eq!(allowance(&mut world, 7, 1, 100), 0);
    // A lowered cap takes nothing back and allows nothing more.
    assert_eq!(allowance(&mut world, 7, 1, 50), 0);
    // A raised one allows the difference.
    assert_eq!(allowance(&mut world, 7, 60, 130), 30);
    assert_eq!(allowance(&mut world, 8, 60, 50), 50);
    assert_eq!(allowance(&mut world, 8, 60, 50), 0);
    assert_eq!(allowance(&mut world, 9, 0xFFFF_FFFF_FFFF_FFFF, 0), 0);
    world.destroy();
}

fun allowance(world: &mut World, epoch: u64, amount: u64, cap: u64): u64 {
    let ctx = &world.in_epoch(world::user(), epoch);
    let (_, _, _, _, _, slot, _, _) = world.parts();
    slot.take_slash_allowance(amount, cap, ctx)
}

fun drain(world: &mut World, message: vector<u8>, signature: vector<u8>) {
    let (cluster, _, _, _, _, slot, _, clock) = world.parts();
    slot.drain(cluster, message, signature, clock);
}

fun drain_1(world: &mut World) {
    let (message, signature) = signed::drain_1();
    drain(world, message, signature);
}

fun handoff(world: &mut World, message: vector<u8>, signature: vector<u8>) {
    let (cluster, _, _, _, _, slot, _, clock) = world.parts();
    slot.handoff(cluster, message, signature, clock);
}

/// Of a message that boot 1 has signed.
fun verify_current(world: &World) {
    let (message, signature) = signed::drain_1();
    let slot = world.enclave();
    let parsed = slot.verify_current(world.cluster(), &world::boot_id(1), &message, &signature, world.clock());
    assert_eq!(parsed.intent(), wire::intent_drain());
    assert_eq!(parsed.timestamp_ms(), world::start_ms());
    assert_eq!(*parsed.signing_bytes(), message);
}

fun verify_recorded(world: &World, boot: u8) {
    let (message, signature) = if (boot == 1) signed::drain_1() else signed::drain_2();
    let parsed = world.enclave().verify_recorded(&world::boot_id(boot), &message, &signature);
    assert_eq!(parsed.intent(), wire::intent_drain());
    assert_eq!(*parsed.signing_bytes(), message);
}

/// bcs of the HandoffRecorded of boot 1 to boot 2 of slot `to`.
fun handed_off(world: &World, to: address): vector<u8> {
    let mut body = vector[24];
    body.append(world.enclave().id().to_bytes());
    body.append(bcs::to_bytes(&world::boot_id(1)));
    body.append(to.to_bytes());
    body.append(bcs::to_bytes(&world::boot_id(2)));
    body.append(bcs::to_bytes(&HANDOFF_REVISION));
    body.append(bcs::to_bytes(&sha2_256(b"root")));
    body
}

/// Promises of `daas::settlement` about what it refuses: a single receipt by name, a whole message before any receipt.
#[test_only]
module daas::settlement_refusal_tests;

use daas::enclave;
use daas::mailbox;
use daas::requests;
use daas::settlement;
use daas::signed_settlement as signed;
use daas::version;
use daas::wire;
use daas::world;

const ANSWER: vector<u8> = b"answer";

// The request

#[test, expected_failure(abort_code = settlement::EUnknownRequest)]
fun a_request_that_was_never_made_does_not_settle() {
    let mut world = world::serving();
    let (message, signature) = signed::receipt_1();
    requests::settle(&mut world, vector[1], message, signature);
    abort
}

#[test, expected_failure(abort_code = settlement::EUnknownRequest)]
fun the_request_of_another_requester_does_not_settle() {
    let (message, signature) = signed::receipt_1_of_other_requester();
    settle_submitted(message, signature)
}

#[test, expected_failure(abort_code = settlement::EWrongSequence)]
fun a_receipt_is_not_taken_for_another_id_of_the_requester() {
    let mut world = world::serving();
    world.submit(1);
    world.submit(2);
    let (message, signature) = signed::receipt_1();
    requests::settle(&mut world, vector[2], message, signature);
    abort
}

#[test, expected_failure(abort_code = settlement::EAlreadySettled)]
fun a_request_settles_once() {
    let mut world = world::serving();
    world.submit(1);
    let (message, signature) = signed::receipt_1();
    requests::settle(&mut world, vector[1], message, signature);
    requests::settle(&mut world, vector[1], message, signature);
    abort
}

#[test, expected_failure(abort_code = settlement::EAlreadyExpired)]
fun a_result_after_the_refund_is_refused() {
    let mut world = world::serving();
    world.submit(1);
    world.wait(requests::life_ms());
    requests::expire(&mut world, 1);
    let (message, signature) = signed::receipt_1();
    requests::settle(&mut world, vector[1], message, signature);
    abort
}

#[test, expected_failure(abort_code = settlement::ETooLate)]
fun a_result_at_the_end_of_the_grace_is_refused() {
    let mut world = world::serving();
    world.submit(1);
    world.wait(requests::life_ms());
    let (message, signature) = signed::receipt_1();
    requests::settle(&mut world, vector[1], message, signature);
    abort
}

#[test, expected_failure(abort_code = settlement::EWrongSequence)]
fun an_old_receipt_does_not_settle_a_new_request_of_the_same_id() {
    let mut world = world::serving();
    world.submit(1);
    let (message, signature) = signed::receipt_1();
    requests::settle(&mut world, vector[1], message, signature);
    requests::close_as(&mut world, world::user(), 1);
    world.submit(1);
    requests::settle(&mut world, vector[1], message, signature);
    abort
}

#[test, expected_failure(abort_code = settlement::EUnknownRequest)]
fun a_request_whose_record_is_closed_does_not_settle_again() {
    let mut world = world::serving();
    world.submit(1);
    let (message, signature) = signed::receipt_1();
    requests::settle(&mut world, vector[1], message, signature);
    requests::close_as(&mut world, world::user(), 1);
    requests::settle(&mut world, vector[1], message, signature);
    abort
}

// The receipt

#[test, expected_failure(abort_code = settlement::EWrongEnclave)]
fun a_receipt_of_another_slot_is_refused() {
    let (message, signature) = signed::receipt_1_of_other_slot();
    settle_submitted(message, signature)
}

#[test, expected_failure(abort_code = settlement::ENoMailbox)]
fun a_receipt_of_a_direct_request_is_refused() {
    let (message, signature) = signed::receipt_1_without_mailbox();
    settle_submitted(message, signature)
}

#[test, expected_failure(abort_code = settlement::EWrongSequence)]
fun a_receipt_of_another_sequence_is_refused() {
    let (message, signature) = signed::receipt_1_of_other_sequence();
    settle_submitted(message, signature)
}

#[test, expected_failure(abort_code = settlement::EWrongDigest)]
fun a_receipt_of_another_digest_is_refused() {
    let (message, signature) = signed::receipt_1_of_other_digest();
    settle_submitted(message, signature)
}

// Delivery

#[test, expected_failure(abort_code = settlement::EDelivery)]
fun a_delivery_that_the_receipt_promises_must_be_there() {
    let (message, signature) = signed::receipt_1_delivering();
    deliver(true, vector[], message, signature)
}

#[test, expected_failure(abort_code = settlement::EDelivery)]
fun other_bytes_than_those_of_the_digest_are_refused() {
    let (message, signature) = signed::receipt_1_delivering();
    deliver(true, b"Answer", message, signature)
}

#[test, expected_failure(abort_code = settlement::EDelivery)]
fun a_delivery_that_nobody_asked_for_is_refused() {
    let (message, signature) = signed::receipt_1_delivering();
    deliver(false, ANSWER, message, signature)
}

#[test, expected_failure(abort_code = settlement::EDelivery)]
fun bytes_without_a_digest_are_refused() {
    let (message, signature) = signed::receipt_1();
    deliver(true, ANSWER, message, signature)
}

#[test, expected_failure(abort_code = settlement::EDelivery)]
fun a_delivery_one_byte_too_long_is_refused() {
    let (message, signature) = signed::receipt_1_delivering_too_long();
    deliver(true, vector::tabulate!(8_705, |_| 7), message, signature)
}

#[test, expected_failure(abort_code = settlement::EDelivery)]
fun an_empty_delivery_is_none() {
    let (message, signature) = signed::receipt_1_delivering_nothing();
    deliver(true, vector[], message, signature)
}

// The message

#[test, expected_failure(abort_code = settlement::EWrongIntent)]
fun a_frame_of_a_stream_settles_nothing() {
    let (message, signature) = signed::receipt_1_as_frame();
    settle_submitted(message, signature)
}

#[test, expected_failure(abort_code = settlement::EWrongIntent)]
fun the_bytes_of_a_receipt_under_another_intent_settle_nothing() {
    let (message, signature) = signed::receipt_1_as_drain();
    settle_submitted(message, signature)
}

#[test, expected_failure(abort_code = wire::ETrailingBytes)]
fun a_receipt_has_no_trailing_bytes() {
    let (message, signature) = signed::receipt_1_with_a_byte_more();
    settle_submitted(message, signature)
}

#[test, expected_failure(abort_code = wire::ELength)]
fun a_batch_has_at_least_one_receipt() {
    let mut world = world::serving();
    let (message, signature) = signed::batch_of_none();
    requests::settle(&mut world, vector[], message, signature);
    abort
}

#[test, expected_failure(abort_code = settlement::ECount)]
fun a_receipt_needs_its_request_id() {
    let mut world = world::serving();
    world.submit(1);
    let (message, signature) = signed::receipt_1();
    requests::settle(&mut world, vector[], message, signature);
    abort
}

#[test, expected_failure(abort_code = settlement::ECount)]
fun a_batch_needs_one_request_id_for_each_receipt() {
    let mut world = world::serving();
    world.submit(1);
    let (message, signature) = signed::batch_1_2_3();
    requests::settle(&mut world, vector[1, 2, 3, 4], message, signature);
    abort
}

#[test, expected_failure(abort_code = settlement::ECount)]
fun a_batch_needs_one_delivery_for_each_receipt() {
    let mut world = world::serving();
    world.submit(1);
    let (message, signature) = signed::batch_1_2_3();
    requests::settle_delivering(&mut world, vector[1, 2, 3], vector[vector[], vector[]], message, signature);
    abort
}

#[test, expected_failure(abort_code = enclave::EBadSignature)]
fun a_receipt_that_the_boot_has_not_signed_is_refused() {
    let (message, signature) = signed::receipt_1_forged();
    settle_submitted(message, signature)
}

#[test, expected_failure(abort_code = enclave::EBadSignature)]
fun a_batch_that_the_boot_has_not_signed_is_refused_whole() {
    let mut world = world::serving();
    world.submit(1);
    let (message, signature) = signed::batch_1_2_forged();
    requests::settle(&mut world, vector[1, 2], message, signature);
    abort
}

#[test, expected_failure(abort_code = enclave::EBadSignature)]
fun a_signature_of_another_receipt_is_refused() {
    let (message, _) = signed::receipt_1();
    let (_, signature) = signed::receipt_2();
    settle_submitted(message, signature)
}

// The boot

#[test, expected_failure(abort_code = enclave::ENoCurrentBoot)]
fun nothing_settles_without_a_current_boot() {
    let mut world = world::new();
    let (message, signature) = signed::receipt_1();
    requests::settle(&mut world, vector[1], message, signature);
    abort
}

#[test, expected_failure(abort_code = enclave::EWrongBoot)]
fun a_receipt_of_a_superseded_boot_is_refused() {
    let mut world = world::serving();
    world.submit(1);
    requests::reboot(&mut world, 2);
    let (message, signature) = signed::receipt_1();
    requests::settle(&mut world, vector[1], message, signature);
    abort
}

#[test, expected_failure(abort_code = enclave::EWrongBoot)]
fun a_receipt_of_a_boot_that_is_not_registered_is_refused() {
    let (message, signature) = signed::receipt_1_of_boot_2();
    settle_submitted(message, signature)
}

#[test, expected_failure(abort_code = enclave::EBootExpired)]
fun nothing_settles_by_a_boot_without_heartbeat() {
    let mut world = world::serving();
    let life = world.cluster().params().registration_life_ms();
    world.wait(life - 1);
    world.submit(1);
    world.wait(1);
    let (message, signature) = signed::receipt_1();
    requests::settle(&mut world, vector[1], message, signature);
    abort
}

#[test, expected_failure(abort_code = enclave::EVersionInvalid)]
fun nothing_settles_by_a_boot_of_a_revoked_version() {
    let mut world = world::serving();
    world.submit(1);
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    cluster.revoke_policy(admin, 1);
    let (message, signature) = signed::receipt_1();
    requests::settle(&mut world, vector[1], message, signature);
    abort
}

// Objects that do not belong together

#[test, expected_failure(abort_code = enclave::EWrongCluster)]
fun a_slot_settles_only_with_its_own_cluster() {
    let mut world = world::serving();
    world.submit(1);
    let (far, admin, veto, pool) = requests::far_cluster(&mut world);
    let (message, signature) = signed::receipt_1();
    let ctx = &mut world.as_sender(world::user());
    let (_, _, _, _, _, enclave, _, clock) = world.parts();
    let ids = vector[world::request_id(1)];
    mailbox::store_k8s_response(enclave, &far, ids, vector[vector[]], message, signature, clock, ctx);
    requests::destroy_far(far, admin, veto, pool);
    abort
}

#[test, expected_failure(abort_code = version::EWrongVersion)]
fun a_slot_of_another_version_settles_nothing() {
    let mut world = world::serving();
    world.submit(1);
    let (_, _, _, _, _, enclave, _, _) = world.parts();
    enclave.set_version(2);
    let (message, signature) = signed::receipt_1();
    requests::settle(&mut world, vector[1], message, signature);
    abort
}

fun settle_submitted(message: vector<u8>, signature: vector<u8>) {
    let mut world = world::serving();
    world.submit(1);
    requests::settle(&mut world, vector[1], message, signature);
    abort
}

fun deliver(asked: bool, delivery: vector<u8>, message: vector<u8>, signature: vector<u8>) {
    let mut world = world::serving();
    let command = if (asked) requests::delivered(&world, 1) else world.command(1);
    world.submit_command(command);
    requests::settle_delivering(&mut world, vector[1], vector[delivery], message, signature);
    abort
}

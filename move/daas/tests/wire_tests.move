/// Promises of decoding: one value has one byte string, and every other byte string is refused by name.
#[test_only]
module daas::wire_tests;

use daas::wire::{Self, cursor};
use std::bcs;

const MAX_MESSAGE_BYTES: u64 = 65_536;

fun zeros(count: u64): vector<u8> {
    vector::tabulate!(count, |_| 0)
}

#[test]
fun a_message_is_read_as_it_was_written() {
    let message = wire::message_for_testing(7, 0x0102030405060708, b"payload");
    assert!(message.intent() == 7);
    assert!(message.timestamp_ms() == 0x0102030405060708);
    assert!(message.payload() == b"payload");
    assert!(*message.signing_bytes() == x"0708070605040302017061796c6f6164");
}

#[test]
fun a_message_may_have_no_payload_or_the_largest() {
    assert!(wire::parse_message(&zeros(9)).payload().is_empty());
    assert!(wire::parse_message(&zeros(MAX_MESSAGE_BYTES)).payload().length() == MAX_MESSAGE_BYTES - 9);
}

#[test, expected_failure(abort_code = wire::EMessageTooLong)]
fun a_message_of_one_byte_more_aborts() {
    wire::parse_message(&zeros(MAX_MESSAGE_BYTES + 1));
}

#[test, expected_failure(abort_code = wire::ETruncated)]
fun an_empty_message_aborts() {
    wire::parse_message(&vector[]);
}

#[test, expected_failure(abort_code = wire::ETruncated)]
fun a_message_without_its_whole_time_aborts() {
    wire::parse_message(&zeros(8));
}

#[test, expected_failure(abort_code = wire::EUnknownIntent)]
fun intent_10_is_unknown() {
    wire::message_for_testing(10, 0, vector[]);
}

#[test, expected_failure(abort_code = wire::EUnknownIntent)]
fun intent_255_is_unknown() {
    wire::message_for_testing(255, 0, vector[]);
}

#[test]
fun intents_keep_their_numbers() {
    let intents = vector[
        wire::intent_receipt(),
        wire::intent_receipt_batch(),
        wire::intent_stream_receipt(),
        wire::intent_tree_head(),
        wire::intent_join_token(),
        wire::intent_worker_status(),
        wire::intent_snapshot(),
        wire::intent_handoff(),
        wire::intent_drain(),
        wire::intent_worker_statement(),
    ];
    assert!(intents == vector[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    intents.do!(|intent| wire::message_for_testing(intent, 0, vector[]).require_intent(intent));
}

#[test, expected_failure(abort_code = wire::EWrongIntent)]
fun a_message_of_another_intent_aborts() {
    wire::message_for_testing(6, 0, vector[]).require_intent(7);
}

#[test, expected_failure(abort_code = wire::EWrongIntent)]
fun the_payload_of_another_intent_is_not_read() {
    wire::message_for_testing(6, 0, vector[]).payload_cursor(8).finish();
}

#[random_test]
fun numbers_and_addresses_come_back_as_bcs_wrote_them(a: u8, b: u16, c: u64, d: bool, e: address) {
    let mut bytes = bcs::to_bytes(&a);
    bytes.append(bcs::to_bytes(&b));
    bytes.append(bcs::to_bytes(&c));
    bytes.append(bcs::to_bytes(&d));
    bytes.append(bcs::to_bytes(&e));
    let mut cursor = cursor(bytes);
    assert!(cursor.take_u8() == a);
    assert!(cursor.take_u16() == b);
    assert!(cursor.take_u64() == c);
    assert!(cursor.take_bool() == d);
    assert!(cursor.take_address() == e);
    cursor.finish();
}

#[random_test]
fun byte_strings_come_back_as_bcs_wrote_them(bytes: vector<u8>) {
    let mut cursor = cursor(bcs::to_bytes(&bytes));
    assert!(cursor.take_bytes(0, bytes.length()) == bytes);
    cursor.finish();
}

#[random_test]
fun digests_and_boot_ids_come_back_as_bcs_wrote_them(digest: address, boot: u128) {
    let (digest, boot) = (digest.to_bytes(), bcs::to_bytes(&boot));
    let mut bytes = bcs::to_bytes(&digest);
    bytes.append(bcs::to_bytes(&boot));
    let mut cursor = cursor(bytes);
    assert!(cursor.take_digest() == digest);
    assert!(cursor.take_boot_id() == boot);
    cursor.finish();
}

#[test]
fun lengths_of_one_to_five_bytes_are_read() {
    assert!(cursor(x"00").take_count(0, 0) == 0);
    assert!(cursor(x"7f").take_count(0, 127) == 127);
    assert!(cursor(x"8001").take_count(0, 128) == 128);
    assert!(cursor(x"ff7f").take_count(0, 16_383) == 16_383);
    assert!(cursor(x"80808001").take_count(0, 2_097_152) == 2_097_152);
    assert!(cursor(x"ffffffff0f").take_count(0, 0xFFFF_FFFF) == 0xFFFF_FFFF);
}

#[test, expected_failure(abort_code = wire::EUlebNotCanonical)]
fun a_length_of_zero_in_two_bytes_aborts() {
    cursor(x"8000").take_count(0, 0);
}

#[test, expected_failure(abort_code = wire::EUlebNotCanonical)]
fun a_length_with_a_last_byte_of_zero_aborts() {
    cursor(x"ff8000").take_count(0, 1000);
}

#[test, expected_failure(abort_code = wire::EUlebNotCanonical)]
fun a_length_above_32_bits_aborts() {
    cursor(x"ffffffff10").take_count(0, 0xFFFF_FFFF_FFFF_FFFF);
}

#[test, expected_failure(abort_code = wire::EUlebNotCanonical)]
fun a_length_of_six_bytes_aborts() {
    cursor(x"808080808001").take_count(0, 0xFFFF_FFFF_FFFF_FFFF);
}

#[test, expected_failure(abort_code = wire::ETruncated)]
fun a_length_that_does_not_end_aborts() {
    cursor(x"8080").take_count(0, 1000);
}

#[test, expected_failure(abort_code = wire::ELength)]
fun a_count_above_its_cap_aborts() {
    cursor(x"03").take_count(0, 2);
}

#[test, expected_failure(abort_code = wire::ELength)]
fun a_count_below_its_least_aborts() {
    cursor(x"00").take_count(1, 2);
}

#[test, expected_failure(abort_code = wire::ELength)]
fun a_length_is_compared_with_its_cap_before_the_bytes_are_looked_for() {
    cursor(x"ffffffff0f").take_bytes(0, 10);
}

#[test, expected_failure(abort_code = wire::ELength)]
fun a_digest_of_31_bytes_aborts() {
    cursor(bcs::to_bytes(&zeros(31))).take_digest();
}

#[test, expected_failure(abort_code = wire::ELength)]
fun a_boot_id_of_17_bytes_aborts() {
    cursor(bcs::to_bytes(&zeros(17))).take_boot_id();
}

#[test, expected_failure(abort_code = wire::ETruncated)]
fun a_byte_string_that_is_cut_aborts() {
    cursor(x"020a").take_bytes(0, 10);
}

#[test, expected_failure(abort_code = wire::ETruncated)]
fun a_digest_that_is_cut_aborts() {
    let mut bytes = bcs::to_bytes(&zeros(32));
    bytes.pop_back();
    cursor(bytes).take_digest();
}

#[test, expected_failure(abort_code = wire::ETruncated)]
fun an_address_that_is_cut_aborts() {
    cursor(zeros(31)).take_address();
}

#[test, expected_failure(abort_code = wire::ETruncated)]
fun a_u16_that_is_cut_aborts() {
    cursor(zeros(1)).take_u16();
}

#[test, expected_failure(abort_code = wire::ETruncated)]
fun a_u64_that_is_cut_aborts() {
    cursor(zeros(7)).take_u64();
}

#[test, expected_failure(abort_code = wire::ETruncated)]
fun nothing_is_read_from_no_bytes() {
    cursor(vector[]).take_u8();
}

#[test, expected_failure(abort_code = wire::EBool)]
fun a_boolean_of_2_aborts() {
    cursor(x"02").take_bool();
}

#[test, expected_failure(abort_code = wire::EUtf8)]
fun a_string_that_is_no_utf8_aborts() {
    cursor(x"02c328").take_string(63);
}

#[test, expected_failure(abort_code = wire::ELength)]
fun a_string_above_its_cap_aborts() {
    cursor(bcs::to_bytes(&zeros(64))).take_string(63);
}

#[test]
fun a_string_may_be_empty_or_of_many_alphabets() {
    assert!(cursor(x"00").take_string(63) == b"".to_string());
    assert!(cursor(x"02c3bc").take_string(2) == x"c3bc".to_string());
}

#[test, expected_failure(abort_code = wire::ETrailingBytes)]
fun a_byte_left_over_aborts() {
    let mut cursor = cursor(x"0100");
    cursor.take_bool();
    cursor.finish();
}

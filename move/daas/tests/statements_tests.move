/// Promises of statements: each comes back field by field, out of a message of its own intent only, within its caps.
#[test_only]
module daas::statements_tests;

use daas::statements;
use daas::wire::{Self, Message};
use std::string::String;

const ENCLAVE: address = @0xe0;
const CLUSTER: address = @0xc0;

fun repeat(byte: u8, count: u64): vector<u8> {
    vector::tabulate!(count, |_| byte)
}

fun boot(): vector<u8> { repeat(0xB0, 16) }

fun root(): vector<u8> { repeat(0x10, 32) }

fun node(): String { b"worker-1".to_string() }

fun message<T: drop>(intent: u8, statement: &T): Message {
    wire::message_for_testing(intent, 1, statements::bytes_for_testing(statement))
}

/// The same statement, with a byte behind it.
fun with_one_more<T: drop>(intent: u8, statement: &T): Message {
    let mut bytes = statements::bytes_for_testing(statement);
    bytes.push_back(0);
    wire::message_for_testing(intent, 1, bytes)
}

fun tree_head(): statements::TreeHead {
    statements::new_tree_head_for_testing(ENCLAVE, boot(), 13, root())
}

fun join_token(node_id: String, length: u64): statements::JoinToken {
    statements::new_join_token_for_testing(ENCLAVE, boot(), CLUSTER, node_id, repeat(7, 32), repeat(8, length))
}

fun worker_status(count: u64): statements::WorkerStatus {
    let entries = vector::tabulate!(count, |i| statements::new_status_entry_for_testing(node(), 2, i));
    statements::new_worker_status_for_testing(ENCLAVE, boot(), CLUSTER, entries)
}

fun snapshot(): statements::Snapshot {
    statements::new_snapshot_for_testing(ENCLAVE, boot(), 44, root())
}

fun handoff(): statements::Handoff {
    statements::new_handoff_for_testing(ENCLAVE, boot(), @0xe1, repeat(0xB1, 16), 44, root())
}

fun drain(): statements::Drain {
    statements::new_drain_for_testing(ENCLAVE, boot(), 13, root(), 44)
}

fun worker_statement(): statements::WorkerStatement {
    statements::new_worker_statement_for_testing(CLUSTER, node(), 3, root())
}

#[test]
fun a_tree_head_comes_back_field_by_field() {
    let read = statements::parse_tree_head(&message(3, &tree_head()));
    assert!(read.enclave_id() == ENCLAVE);
    assert!(read.boot_id() == boot());
    assert!(read.size() == 13);
    assert!(read.root() == root());
}

#[test]
fun a_join_token_comes_back_field_by_field() {
    let read = statements::parse_join_token(&message(4, &join_token(node(), 300)));
    assert!(read.enclave_id() == ENCLAVE);
    assert!(read.boot_id() == boot());
    assert!(read.cluster() == CLUSTER);
    assert!(read.node_id() == node());
    assert!(read.worker_key() == repeat(7, 32));
    assert!(read.ciphertext() == repeat(8, 300));
}

#[test]
fun a_worker_status_comes_back_field_by_field() {
    let read = statements::parse_worker_status(&message(5, &worker_status(2)));
    assert!(read.enclave_id() == ENCLAVE);
    assert!(read.boot_id() == boot());
    assert!(read.cluster() == CLUSTER);
    assert!(read.entries().length() == 2);
    let entry = &read.entries()[1];
    assert!(entry.node_id() == node());
    assert!(entry.status() == 2);
    assert!(entry.pods_served() == 1);
}

#[test]
fun a_snapshot_comes_back_field_by_field() {
    let read = statements::parse_snapshot(&message(6, &snapshot()));
    assert!(read.enclave_id() == ENCLAVE);
    assert!(read.boot_id() == boot());
    assert!(read.revision() == 44);
    assert!(read.root() == root());
}

#[test]
fun a_handoff_comes_back_field_by_field() {
    let read = statements::parse_handoff(&message(7, &handoff()));
    assert!(read.enclave_id() == ENCLAVE);
    assert!(read.boot_id() == boot());
    assert!(read.to_enclave_id() == @0xe1);
    assert!(read.to_boot_id() == repeat(0xB1, 16));
    assert!(read.revision() == 44);
    assert!(read.root() == root());
}

#[test]
fun a_drain_comes_back_field_by_field() {
    let read = statements::parse_drain(&message(8, &drain()));
    assert!(read.enclave_id() == ENCLAVE);
    assert!(read.boot_id() == boot());
    assert!(read.size() == 13);
    assert!(read.root() == root());
    assert!(read.revision() == 44);
}

#[test]
fun a_worker_statement_comes_back_field_by_field() {
    let read = statements::parse_worker_statement(&message(9, &worker_statement()));
    assert!(read.cluster() == CLUSTER);
    assert!(read.node_id() == node());
    assert!(read.sequence() == 3);
    assert!(read.digest() == root());
}

#[test, expected_failure(abort_code = wire::EWrongIntent)]
fun a_snapshot_is_no_tree_head_though_its_bytes_would_fit() {
    statements::parse_tree_head(&message(6, &snapshot()));
}

#[test, expected_failure(abort_code = wire::EWrongIntent)]
fun a_tree_head_is_no_snapshot_though_its_bytes_would_fit() {
    statements::parse_snapshot(&message(3, &tree_head()));
}

#[test, expected_failure(abort_code = wire::EWrongIntent)]
fun a_join_token_of_another_intent_aborts() {
    statements::parse_join_token(&message(5, &join_token(node(), 1)));
}

#[test, expected_failure(abort_code = wire::EWrongIntent)]
fun a_worker_status_of_another_intent_aborts() {
    statements::parse_worker_status(&message(4, &worker_status(1)));
}

#[test, expected_failure(abort_code = wire::EWrongIntent)]
fun a_handoff_of_another_intent_aborts() {
    statements::parse_handoff(&message(8, &handoff()));
}

#[test, expected_failure(abort_code = wire::EWrongIntent)]
fun a_drain_of_another_intent_aborts() {
    statements::parse_drain(&message(7, &drain()));
}

#[test, expected_failure(abort_code = wire::EWrongIntent)]
fun a_worker_statement_of_another_intent_aborts() {
    statements::parse_worker_statement(&message(5, &worker_statement()));
}

#[test, expected_failure(abort_code = wire::ETrailingBytes)]
fun a_tree_head_with_a_byte_behind_it_aborts() {
    statements::parse_tree_head(&with_one_more(3, &tree_head()));
}

#[test, expected_failure(abort_code = wire::ETrailingBytes)]
fun a_join_token_with_a_byte_behind_it_aborts() {
    statements::parse_join_token(&with_one_more(4, &join_token(node(), 1)));
}

#[test, expected_failure(abort_code = wire::ETrailingBytes)]
fun a_worker_status_with_a_byte_behind_it_aborts() {
    statements::parse_worker_status(&with_one_more(5, &worker_status(1)));
}

#[test, expected_failure(abort_code = wire::ETrailingBytes)]
fun a_snapshot_with_a_byte_behind_it_aborts() {
    statements::parse_snapshot(&with_one_more(6, &snapshot()));
}

#[test, expected_failure(abort_code = wire::ETrailingBytes)]
fun a_handoff_with_a_byte_behind_it_aborts() {
    statements::parse_handoff(&with_one_more(7, &handoff()));
}

#[test, expected_failure(abort_code = wire::ETrailingBytes)]
fun a_drain_with_a_byte_behind_it_aborts() {
    statements::parse_drain(&with_one_more(8, &drain()));
}

#[test, expected_failure(abort_code = wire::ETrailingBytes)]
fun a_worker_statement_with_a_byte_behind_it_aborts() {
    statements::parse_worker_statement(&with_one_more(9, &worker_statement()));
}

#[test]
fun the_largest_join_token_and_worker_status_are_taken() {
    let largest = join_token(repeat(0x61, 63).to_string(), 8_192);
    assert!(statements::parse_join_token(&message(4, &largest)) == largest);
    let largest = worker_status(256);
    assert!(statements::parse_worker_status(&message(5, &largest)) == largest);
}

#[test, expected_failure(abort_code = wire::ELength)]
fun a_ciphertext_of_8193_bytes_aborts() {
    statements::parse_join_token(&message(4, &join_token(node(), 8_193)));
}

#[test, expected_failure(abort_code = wire::ELength)]
fun an_empty_ciphertext_aborts() {
    statements::parse_join_token(&message(4, &join_token(node(), 0)));
}

#[test, expected_failure(abort_code = wire::ELength)]
fun a_node_id_of_64_bytes_aborts() {
    statements::parse_join_token(&message(4, &join_token(repeat(0x61, 64).to_string(), 1)));
}

#[test, expected_failure(abort_code = wire::ELength)]
fun a_worker_status_of_257_entries_aborts() {
    statements::parse_worker_status(&message(5, &worker_status(257)));
}

#[test, expected_failure(abort_code = wire::ELength)]
fun a_worker_status_without_entries_aborts() {
    statements::parse_worker_status(&message(5, &worker_status(0)));
}

#[test, expected_failure(abort_code = wire::EUtf8)]
fun a_node_id_that_is_no_text_aborts() {
    let mut bytes = statements::bytes_for_testing(&worker_statement());
    *&mut bytes[33] = 0xFF;
    statements::parse_worker_statement(&wire::message_for_testing(9, 1, bytes));
}

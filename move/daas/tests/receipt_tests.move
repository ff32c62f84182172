/// Promises of receipts: each has one byte form, and its leaf is the same alone and in a batch.
#[test_only]
module daas::receipt_tests;

use daas::merkle;
use daas::receipt::{Self, MailboxRef, Receipt};
use daas::wire::{Self, Message};

const ENCLAVE: address = @0xe0;
const REQUESTER: address = @0x50;

fun digest(byte: u8): vector<u8> {
    vector::tabulate!(32, |_| byte)
}

fun boot(): vector<u8> {
    vector::tabulate!(16, |_| 0xB0)
}

fun made(sequence: u64, mailbox: Option<MailboxRef>): Receipt {
    receipt::new_for_testing(ENCLAVE, boot(), sequence, digest(1), REQUESTER, mailbox, 201, digest(2), 15, digest(3))
}

fun delivered(): Option<MailboxRef> {
    option::some(receipt::new_mailbox_for_testing(4, 1000, 44, option::some(digest(4))))
}

fun message(intent: u8, payload: vector<u8>): Message {
    wire::message_for_testing(intent, 1, payload)
}

fun alone(receipt: &Receipt): Message {
    message(0, receipt.receipt_bytes())
}

fun batch(receipts: vector<Receipt>): Message {
    message(1, receipt::batch_bytes_for_testing(&receipts))
}

fun framed(): receipt::StreamReceipt {
    receipt::new_stream_for_testing(made(9, option::none()), 5, 600, digest(5), true)
}

/// The bytes of `receipt`, one of them other.
fun changed(receipt: &Receipt, at: u64, byte: u8): Message {
    let mut bytes = receipt.receipt_bytes();
    *&mut bytes[at] = byte;
    message(0, bytes)
}

#[test]
fun a_receipt_comes_back_field_by_field() {
    let receipt = receipt::parse_receipt(&alone(&made(7, delivered())));
    assert!(receipt.enclave_id() == ENCLAVE);
    assert!(receipt.boot_id() == boot());
    assert!(receipt.sequence() == 7);
    assert!(receipt.request_digest() == digest(1));
    assert!(receipt.requester() == REQUESTER);
    assert!(receipt.status() == 201);
    assert!(receipt.body_digest() == digest(2));
    assert!(receipt.body_length() == 15);
    assert!(receipt.log_root() == digest(3));
    let mailbox = receipt.mailbox().borrow();
    assert!(mailbox.seq() == 4);
    assert!(mailbox.round_checkpoint() == 1000);
    assert!(mailbox.revision() == 44);
    assert!(mailbox.delivery_digest() == option::some(digest(4)));
}

#[test]
fun a_receipt_without_a_mailbox_has_199_bytes() {
    let receipt = made(7, option::none());
    assert!(receipt.receipt_bytes().length() == 199);
    assert!(receipt::parse_receipt(&alone(&receipt)) == receipt);
    assert!(receipt.mailbox().is_none());
}

#[test]
fun a_stream_receipt_comes_back_field_by_field() {
    let framed = framed();
    let read = receipt::parse_stream_receipt(&message(2, receipt::stream_receipt_bytes(&framed)));
    assert!(read.receipt() == made(9, option::none()));
    assert!(read.index() == 5);
    assert!(read.offset() == 600);
    assert!(read.running_digest() == digest(5));
    assert!(read.last());
}

#[random_test]
fun any_receipt_comes_back_alone_and_in_a_batch(
    sequence: u64,
    status: u16,
    length: u64,
    revision: u64,
    enclave: address,
    requester: address,
) {
    let mailbox = receipt::new_mailbox_for_testing(sequence, length, revision, option::none());
    let mailbox = if (revision % 2 == 0) option::none() else option::some(mailbox);
    let receipt = receipt::new_for_testing(
        enclave,
        boot(),
        sequence,
        requester.to_bytes(),
        requester,
        mailbox,
        status,
        enclave.to_bytes(),
        length,
        digest(3),
    );
    assert!(receipt::parse_receipt(&alone(&receipt)) == receipt);
    let others = vector[made(1, option::none()), receipt];
    assert!(receipt::parse_batch(&batch(others)) == others);
}

#[test]
fun a_batch_has_up_to_256_receipts() {
    let receipts = vector::tabulate!(256, |i| made(i, option::none()));
    let read = receipt::parse_batch(&batch(receipts));
    assert!(read == receipts);
    assert!(read[255].sequence() == 255);
}

#[test, expected_failure(abort_code = wire::ELength)]
fun a_batch_of_257_receipts_aborts() {
    receipt::parse_batch(&batch(vector::tabulate!(257, |i| made(i, option::none()))));
}

#[test, expected_failure(abort_code = wire::ELength)]
fun an_empty_batch_aborts() {
    receipt::parse_batch(&batch(vector[]));
}

#[test]
fun one_receipt_or_a_batch_is_read_as_receipts() {
    let (one, two) = (made(1, option::none()), made(2, delivered()));
    assert!(receipt::parse_receipts(&alone(&one)) == vector[one]);
    assert!(receipt::parse_receipts(&batch(vector[one, two])) == vector[one, two]);
}

#[test, expected_failure(abort_code = wire::EWrongIntent)]
fun a_stream_receipt_is_not_read_as_receipts() {
    receipt::parse_receipts(&message(2, receipt::stream_receipt_bytes(&framed())));
}

#[test, expected_failure(abort_code = wire::EWrongIntent)]
fun a_receipt_signed_as_a_tree_head_is_no_receipt() {
    receipt::parse_receipt(&message(3, made(7, option::none()).receipt_bytes()));
}

#[test, expected_failure(abort_code = wire::EWrongIntent)]
fun a_batch_signed_as_a_receipt_is_no_batch() {
    receipt::parse_batch(&message(0, receipt::batch_bytes_for_testing(&vector[made(7, option::none())])));
}

#[test, expected_failure(abort_code = wire::EWrongIntent)]
fun a_stream_receipt_signed_as_a_receipt_is_no_stream_receipt() {
    receipt::parse_stream_receipt(&message(0, receipt::stream_receipt_bytes(&framed())));
}

#[test, expected_failure(abort_code = wire::ETrailingBytes)]
fun a_receipt_with_a_byte_behind_it_aborts() {
    let mut bytes = made(7, option::none()).receipt_bytes();
    bytes.push_back(0);
    receipt::parse_receipt(&message(0, bytes));
}

#[test, expected_failure(abort_code = wire::ETrailingBytes)]
fun a_batch_with_a_byte_behind_it_aborts() {
    let mut bytes = receipt::batch_bytes_for_testing(&vector[made(7, option::none())]);
    bytes.push_back(0);
    receipt::parse_batch(&message(1, bytes));
}

#[test, expected_failure(abort_code = wire::ETrailingBytes)]
fun a_stream_receipt_with_a_byte_behind_it_aborts() {
    let mut bytes = receipt::stream_receipt_bytes(&framed());
    bytes.push_back(0);
    receipt::parse_stream_receipt(&message(2, bytes));
}

#[test, expected_failure(abort_code = wire::ETruncated)]
fun a_receipt_without_its_last_byte_aborts() {
    let mut bytes = made(7, option::none()).receipt_bytes();
    bytes.pop_back();
    receipt::parse_receipt(&message(0, bytes));
}

#[test, expected_failure(abort_code = wire::ELength)]
fun a_boot_id_of_15_bytes_aborts() {
    receipt::parse_receipt(&changed(&made(7, option::none()), 32, 15));
}

#[test, expected_failure(abort_code = wire::EBool)]
fun a_mailbox_tag_of_2_aborts() {
    // enclave 32, boot 17, sequence 8, request digest 33, requester 32
    receipt::parse_receipt(&changed(&made(7, option::none()), 122, 2));
}

#[test, expected_failure(abort_code = wire::EBool)]
fun a_delivery_tag_of_2_aborts() {
    receipt::parse_receipt(&changed(&made(7, delivered()), 123 + 24, 2));
}

#[test]
fun an_entry_of_a_batch_counts_as_if_signed_alone() {
    let receipts = vector[made(1, option::none()), made(2, delivered())];
    let batch = batch(receipts);
    2u64.do!(|index| {
        let receipt = receipts[index];
        let entry = receipt::log_entry(&batch, index);
        assert!(entry == receipt::log_entry(&alone(&receipt), 0));
        assert!(entry.leaf_hash() == merkle::leaf_hash(&receipt.receipt_bytes()));
        assert!(entry.enclave_id() == ENCLAVE);
        assert!(entry.boot_id() == boot());
        assert!(entry.sequence() == index + 1);
        assert!(entry.log_root() == digest(3));
    });
}

#[test]
fun a_stream_receipt_is_a_leaf_of_its_own() {
    let framed = framed();
    let entry = receipt::log_entry(&message(2, receipt::stream_receipt_bytes(&framed)), 0);
    assert!(entry.sequence() == 9);
    assert!(entry.leaf_hash() == merkle::leaf_hash(&receipt::stream_receipt_bytes(&framed)));
    assert!(entry.leaf_hash() != receipt::log_entry(&alone(framed.receipt()), 0).leaf_hash());
}

#[test]
fun a_leaf_does_not_depend_on_the_time_of_signing() {
    let bytes = made(1, option::none()).receipt_bytes();
    let (early, late) = (wire::message_for_testing(0, 1, bytes), wire::message_for_testing(0, 2, bytes));
    assert!(early != late);
    assert!(receipt::log_entry(&early, 0) == receipt::log_entry(&late, 0));
}

#[test, expected_failure(abort_code = receipt::ENoSuchEntry)]
fun a_receipt_has_no_second_entry() {
    receipt::log_entry(&alone(&made(1, option::none())), 1);
}

#[test, expected_failure(abort_code = receipt::ENoSuchEntry)]
fun a_stream_receipt_has_no_second_entry() {
    receipt::log_entry(&message(2, receipt::stream_receipt_bytes(&framed())), 1);
}

#[test, expected_failure(abort_code = receipt::ENoSuchEntry)]
fun a_batch_of_two_has_no_third_entry() {
    receipt::log_entry(&batch(vector[made(1, option::none()), made(2, option::none())]), 2);
}

#[test, expected_failure(abort_code = receipt::ENotInLog)]
fun a_tree_head_is_no_entry_of_the_log() {
    receipt::log_entry(&message(3, vector[]), 0);
}

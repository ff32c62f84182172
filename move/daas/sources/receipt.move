/// Receipts: what the enclave signs for every answer that it gives.
///
/// Invariant: a receipt has one byte form, and its log leaf is made of that form alone, without intent, time or
/// signature; an entry of a batch counts as if it were signed alone. Source: `protocol/daas_protocol/receipt.py`.
module daas::receipt;

use daas::merkle;
use daas::wire::{Cursor, Message, intent_receipt, intent_receipt_batch, intent_stream_receipt};
use std::bcs;

/// A batch is one pure argument of 16,384 B: 82 receipts of 199 B. The rest is for larger arguments.
const MAX_BATCH_RECEIPTS: u64 = 256;

#[error]
const ENoSuchEntry: vector<u8> = b"The message has no receipt at this index: pass 0 for a single receipt, less than its length for a batch";
#[error]
const ENotInLog: vector<u8> = b"Only a Receipt, a ReceiptBatch or a StreamReceipt stands in the log of a boot";

/// Where on chain the request was. `delivery_digest`: 32 bytes, or none where nothing is delivered on chain.
public struct MailboxRef has copy, drop, store {
    seq: u64,
    round_checkpoint: u64,
    revision: u64,
    delivery_digest: Option<vector<u8>>,
}

/// Fields in the order of the wire. `sequence` is the leaf index in the log of this boot, `log_root` the root of the
/// log before that leaf.
public struct Receipt has copy, drop, store {
    enclave_id: address,
    boot_id: vector<u8>,
    sequence: u64,
    request_digest: vector<u8>,
    requester: address,
    mailbox: Option<MailboxRef>,
    status: u16,
    body_digest: vector<u8>,
    body_length: u64,
    log_root: vector<u8>,
}

/// One frame of a longer answer: in `receipt`, `body_digest` and `body_length` are this frame's.
public struct StreamReceipt has copy, drop {
    receipt: Receipt,
    index: u64,
    offset: u64,
    running_digest: vector<u8>,
    last: bool,
}

/// What any signed receipt says about the log of its boot.
public struct LogEntry has copy, drop {
    enclave_id: address,
    boot_id: vector<u8>,
    sequence: u64,
    log_root: vector<u8>,
    leaf_hash: vector<u8>,
}

/// The receipt of a message of intent 0. Anyone may call.
/// Aborts: `wire::EWrongIntent` and the aborts of decoding (`wire`).
public fun parse_receipt(message: &Message): Receipt {
    let mut cursor = message.payload_cursor(intent_receipt());
    let receipt = take_receipt(&mut cursor);
    cursor.finish();
    receipt
}

/// The 1 to 256 receipts of a message of intent 1. Anyone may call.
/// Aborts: `wire::EWrongIntent` and the aborts of decoding (`wire`).
public fun parse_batch(message: &Message): vector<Receipt> {
    let mut cursor = message.payload_cursor(intent_receipt_batch());
    let count = cursor.take_count(1, MAX_BATCH_RECEIPTS);
    let receipts = vector::tabulate!(count, |_| take_receipt(&mut cursor));
    cursor.finish();
    receipts
}

/// The receipts of a message of intent 0 or 1. Anyone may call.
/// Aborts: `wire::EWrongIntent` for any other intent, and the aborts of decoding (`wire`).
public fun parse_receipts(message: &Message): vector<Receipt> {
    if (message.intent() == intent_receipt_batch()) parse_batch(message) else vector[parse_receipt(message)]
}

/// The frame's receipt of a message of intent 2. Anyone may call.
/// Aborts: `wire::EWrongIntent` and the aborts of decoding (`wire`).
public fun parse_stream_receipt(message: &Message): StreamReceipt {
    let mut cursor = message.payload_cursor(intent_stream_receipt());
    let receipt = take_receipt(&mut cursor);
    let stream_receipt = StreamReceipt {
        receipt,
        index: cursor.take_u64(),
        offset: cursor.take_u64(),
        running_digest: cursor.take_digest(),
        last: cursor.take_bool(),
    };
    cursor.finish();
    stream_receipt
}

/// What the receipt at `index` of a message of intent 0, 1 or 2 says about the log. Anyone may call.
/// Aborts: `ENotInLog`, `ENoSuchEntry`, and the aborts of decoding (`wire`).
public fun log_entry(message: &Message, index: u64): LogEntry {
    let intent = message.intent();
    if (intent == intent_stream_receipt()) {
        assert!(index == 0, ENoSuchEntry);
        let stream_receipt = parse_stream_receipt(message);
        return entry(&stream_receipt.receipt, &stream_receipt_bytes(&stream_receipt))
    };
    assert!(intent == intent_receipt() || intent == intent_receipt_batch(), ENotInLog);
    let receipts = parse_receipts(message);
    assert!(index < receipts.length(), ENoSuchEntry);
    entry(&receipts[index], &receipt_bytes(&receipts[index]))
}

/// The content of a receipt: its bcs, 199 bytes without a mailbox. Anyone may call; never aborts.
public fun receipt_bytes(receipt: &Receipt): vector<u8> { bcs::to_bytes(receipt) }

/// The content of a stream receipt: its bcs. Anyone may call; never aborts.
public fun stream_receipt_bytes(stream_receipt: &StreamReceipt): vector<u8> { bcs::to_bytes(stream_receipt) }

/// Accessors: anyone may call them; none aborts.
public fun enclave_id(receipt: &Receipt): address { receipt.enclave_id }

public fun boot_id(receipt: &Receipt): &vector<u8> { &receipt.boot_id }

public fun sequence(receipt: &Receipt): u64 { receipt.sequence }

public fun request_digest(receipt: &Receipt): &vector<u8> { &receipt.request_digest }

public fun requester(receipt: &Receipt): address { receipt.requester }

public fun mailbox(receipt: &Receipt): &Option<MailboxRef> { &receipt.mailbox }

public fun status(receipt: &Receipt): u16 { receipt.status }

public fun body_digest(receipt: &Receipt): &vector<u8> { &receipt.body_digest }

public fun body_length(receipt: &Receipt): u64 { receipt.body_length }

public fun log_root(receipt: &Receipt): &vector<u8> { &receipt.log_root }

public use fun mailbox_seq as MailboxRef.seq;
public fun mailbox_seq(mailbox: &MailboxRef): u64 { mailbox.seq }

public use fun mailbox_round_checkpoint as MailboxRef.round_checkpoint;
public fun mailbox_round_checkpoint(mailbox: &MailboxRef): u64 { mailbox.round_checkpoint }

public use fun mailbox_revision as MailboxRef.revision;
public fun mailbox_revision(mailbox: &MailboxRef): u64 { mailbox.revision }

public use fun mailbox_delivery_digest as MailboxRef.delivery_digest;
public fun mailbox_delivery_digest(mailbox: &MailboxRef): &Option<vector<u8>> { &mailbox.delivery_digest }

public use fun stream_receipt as StreamReceipt.receipt;
public fun stream_receipt(stream_receipt: &StreamReceipt): &Receipt { &stream_receipt.receipt }

public use fun stream_index as StreamReceipt.index;
public fun stream_index(stream_receipt: &StreamReceipt): u64 { stream_receipt.index }

public use fun stream_offset as StreamReceipt.offset;
public fun stream_offset(stream_receipt: &StreamReceipt): u64 { stream_receipt.offset }

public use fun stream_running_digest as StreamReceipt.running_digest;
public fun stream_running_digest(stream_receipt: &StreamReceipt): &vector<u8> { &stream_receipt.running_digest }

public use fun stream_last as StreamReceipt.last;
public fun stream_last(stream_receipt: &StreamReceipt): bool { stream_receipt.last }

public use fun entry_enclave_id as LogEntry.enclave_id;
public fun entry_enclave_id(entry: &LogEntry): address { entry.enclave_id }

public use fun entry_boot_id as LogEntry.boot_id;
public fun entry_boot_id(entry: &LogEntry): &vector<u8> { &entry.boot_id }

public use fun entry_sequence as LogEntry.sequence;
public fun entry_sequence(entry: &LogEntry): u64 { entry.sequence }

public use fun entry_log_root as LogEntry.log_root;
public fun entry_log_root(entry: &LogEntry): &vector<u8> { &entry.log_root }

public use fun entry_leaf_hash as LogEntry.leaf_hash;
public fun entry_leaf_hash(entry: &LogEntry): &vector<u8> { &entry.leaf_hash }

fun take_receipt(cursor: &mut Cursor): Receipt {
    Receipt {
        enclave_id: cursor.take_address(),
        boot_id: cursor.take_boot_id(),
        sequence: cursor.take_u64(),
        request_digest: cursor.take_digest(),
        requester: cursor.take_address(),
        mailbox: if (cursor.take_bool()) option::some(take_mailbox(cursor)) else option::none(),
        status: cursor.take_u16(),
        body_digest: cursor.take_digest(),
        body_length: cursor.take_u64(),
        log_root: cursor.take_digest(),
    }
}

fun take_mailbox(cursor: &mut Cursor): MailboxRef {
    MailboxRef {
        seq: cursor.take_u64(),
        round_checkpoint: cursor.take_u64(),
        revision: cursor.take_u64(),
        delivery_digest: if (cursor.take_bool()) option::some(cursor.take_digest()) else option::none(),
    }
}

fun entry(receipt: &Receipt, content: &vector<u8>): LogEntry {
    LogEntry {
        enclave_id: receipt.enclave_id,
        boot_id: receipt.boot_id,
        sequence: receipt.sequence,
        log_root: receipt.log_root,
        leaf_hash: merkle::leaf_hash(content),
    }
}

#[test_only]
public fun new_mailbox_for_testing(
    seq: u64,
    round_checkpoint: u64,
    revision: u64,
    delivery_digest: Option<vector<u8>>,
): MailboxRef {
    MailboxRef { seq, round_checkpoint, revision, delivery_digest }
}

#[test_only]
public fun new_for_testing(
    enclave_id: address,
    boot_id: vector<u8>,
    sequence: u64,
    request_digest: vector<u8>,
    requester: address,
    mailbox: Option<MailboxRef>,
    status: u16,
    body_digest: vector<u8>,
    body_length: u64,
    log_root: vector<u8>,
): Receipt {
    Receipt {
        enclave_id,
        boot_id,
        sequence,
        request_digest,
        requester,
        mailbox,
        status,
        body_digest,
        body_length,
        log_root,
    }
}

#[test_only]
public fun new_stream_for_testing(
    receipt: Receipt,
    index: u64,
    offset: u64,
    running_digest: vector<u8>,
    last: bool,
): StreamReceipt {
    StreamReceipt { receipt, index, offset, running_digest, last }
}

/// bcs of a ReceiptBatch.
#[test_only]
public fun batch_bytes_for_testing(receipts: &vector<Receipt>): vector<u8> { bcs::to_bytes(receipts) }

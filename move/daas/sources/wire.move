/// What the enclave signs, and how bytes become values.
///
/// Invariant: a `Cursor` takes exactly the canonical BCS form (shortest ULEB128, exact lengths, 0 or 1 for booleans
/// and options, UTF-8, nothing left over), so one value has one byte string, and no length is believed before it was
/// compared with its cap. A `Message` is the signed bytes of one known intent: a signature over one kind of
/// statement can never be shown as another. Source: `protocol/daas_protocol/bcs.py` and `receipt.py`; the signed
/// layout is that of Nautilus, `IntentMessage{intent, timestamp_ms, payload}`.
module daas::wire;

use std::string::{Self, String};
use sui::address;

/// Four times the 16,384 B of a pure argument, the largest piece that a transaction carries.
const MAX_MESSAGE_BYTES: u64 = 65_536;
/// Intent and timestamp.
const PREFIX_BYTES: u64 = 9;
const INTENT_LIMIT: u8 = 10;
const U32_MAX: u64 = 0xFFFF_FFFF;

#[error]
const ETruncated: vector<u8> = b"The bytes end inside the structure: pass them whole";
#[error]
const ETrailingBytes: vector<u8> = b"There are bytes after the end of the structure: pass the structure alone";
#[error]
const EUlebNotCanonical: vector<u8> = b"A length must be a ULEB128 of at most 32 bits in its shortest form";
#[error]
const ELength: vector<u8> = b"A byte string or vector has another length than its field allows";
#[error]
const EBool: vector<u8> = b"A boolean or the tag of an option must be 0 or 1";
#[error]
const EUtf8: vector<u8> = b"A string must be UTF-8";
#[error]
const EMessageTooLong: vector<u8> = b"A signed message has at most 65,536 bytes";
#[error]
const EUnknownIntent: vector<u8> = b"The first byte of a signed message must be a known intent, 0 to 9";
#[error]
const EWrongIntent: vector<u8> = b"The message says something else than what is asked for here: pass a message of that intent";

/// `bytes` are what the signature covers. The payload stays inside them: cutting it out costs about ten
/// instructions a byte, and most callers only read it.
public struct Message has copy, drop {
    intent: u8,
    timestamp_ms: u64,
    bytes: vector<u8>,
}

/// A position in bytes. Every method aborts by name where the bytes are not canonical.
public struct Cursor has drop {
    bytes: vector<u8>,
    at: u64,
}

/// One whole answer.
public fun intent_receipt(): u8 { 0 }

/// Many receipts under one signature.
public fun intent_receipt_batch(): u8 { 1 }

/// One frame of a longer answer.
public fun intent_stream_receipt(): u8 { 2 }

/// The log of one boot at one size.
public fun intent_tree_head(): u8 { 3 }

/// A join token, encrypted to a worker.
public fun intent_join_token(): u8 { 4 }

/// What the enclave saw of its workers.
public fun intent_worker_status(): u8 { 5 }

/// Root of a journal at one revision.
public fun intent_snapshot(): u8 { 6 }

/// State given from one boot to another.
public fun intent_handoff(): u8 { 7 }

/// The last word of a boot.
public fun intent_drain(): u8 { 8 }

/// What a worker says; signed by its own status key, never by an enclave.
public fun intent_worker_statement(): u8 { 9 }

/// The message that `bytes` (bcs of `IntentMessage`, without the signature) are; its payload is read by the module
/// of its structure. Anyone may call. Aborts: `EMessageTooLong`, `ETruncated`, `EUnknownIntent`.
public fun parse_message(bytes: &vector<u8>): Message {
    assert!(bytes.length() <= MAX_MESSAGE_BYTES, EMessageTooLong);
    let mut cursor = cursor(*bytes);
    let intent = cursor.take_u8();
    assert!(intent < INTENT_LIMIT, EUnknownIntent);
    let timestamp_ms = cursor.take_u64();
    let Cursor { bytes, .. } = cursor;
    Message { intent, timestamp_ms, bytes }
}

/// What the signature says. Anyone may call; never aborts.
public fun intent(message: &Message): u8 { message.intent }

/// When the signer made it, by its own clock. Anyone may call; never aborts.
public fun timestamp_ms(message: &Message): u64 { message.timestamp_ms }

/// What the signature covers. Anyone may call; never aborts.
public fun signing_bytes(message: &Message): &vector<u8> { &message.bytes }

/// The bcs of the structure that the intent names. Anyone may call; never aborts.
public fun payload(message: &Message): vector<u8> {
    let bytes = &message.bytes;
    let mut payload = vector[];
    let mut at = PREFIX_BYTES;
    while (at < bytes.length()) {
        payload.push_back(bytes[at]);
        at = at + 1;
    };
    payload
}

/// Aborts: `EWrongIntent` unless the message is of `intent`. Anyone may call.
public fun require_intent(message: &Message, intent: u8) {
    assert!(message.intent == intent, EWrongIntent);
}

/// A cursor on the payload of a message of `intent`. Aborts: `EWrongIntent`.
public(package) fun payload_cursor(message: &Message, intent: u8): Cursor {
    require_intent(message, intent);
    Cursor { bytes: message.bytes, at: PREFIX_BYTES }
}

public(package) fun cursor(bytes: vector<u8>): Cursor {
    Cursor { bytes, at: 0 }
}

public(package) fun take_u8(cursor: &mut Cursor): u8 {
    let at = cursor.advance(1);
    cursor.bytes[at]
}

public(package) fun take_u16(cursor: &mut Cursor): u16 {
    let at = cursor.advance(2);
    let bytes = &cursor.bytes;
    (bytes[at] as u16) | (bytes[at + 1] as u16) << 8
}

public(package) fun take_u64(cursor: &mut Cursor): u64 {
    let at = cursor.advance(8);
    let bytes = &cursor.bytes;
    // Unrolled, as below: instructions are what a batch pays for.
    (bytes[at] as u64)
        | (bytes[at + 1] as u64) << 8
        | (bytes[at + 2] as u64) << 16
        | (bytes[at + 3] as u64) << 24
        | (bytes[at + 4] as u64) << 32
        | (bytes[at + 5] as u64) << 40
        | (bytes[at + 6] as u64) << 48
        | (bytes[at + 7] as u64) << 56
}

/// Aborts: `ETruncated`, `EBool`.
public(package) fun take_bool(cursor: &mut Cursor): bool {
    let byte = cursor.take_u8();
    assert!(byte <= 1, EBool);
    byte == 1
}

public(package) fun take_address(cursor: &mut Cursor): address {
    address::from_bytes(cursor.take_32_raw())
}

/// `vector<u8>` of exactly 32 bytes. Aborts: `ETruncated`, `EUlebNotCanonical`, `ELength`.
public(package) fun take_digest(cursor: &mut Cursor): vector<u8> {
    assert!(cursor.take_uleb() == 32, ELength);
    cursor.take_32_raw()
}

/// `vector<u8>` of exactly 16 bytes, the id of a boot. Aborts: `ETruncated`, `EUlebNotCanonical`, `ELength`.
public(package) fun take_boot_id(cursor: &mut Cursor): vector<u8> {
    cursor.take_bytes(16, 16)
}

/// `vector<u8>` of `least` to `most` bytes. Aborts: `ETruncated`, `EUlebNotCanonical`, `ELength`.
public(package) fun take_bytes(cursor: &mut Cursor, least: u64, most: u64): vector<u8> {
    let length = cursor.take_count(least, most);
    let mut at = cursor.advance(length);
    let end = cursor.at;
    let bytes = &cursor.bytes;
    let mut taken = vector[];
    while (at < end) {
        taken.push_back(bytes[at]);
        at = at + 1;
    };
    taken
}

/// UTF-8 of at most `most` bytes. Aborts: `ETruncated`, `EUlebNotCanonical`, `ELength`, `EUtf8`.
public(package) fun take_string(cursor: &mut Cursor, most: u64): String {
    let text = string::try_utf8(cursor.take_bytes(0, most));
    assert!(text.is_some(), EUtf8);
    text.destroy_some()
}

/// The length of a vector, `least` to `most`. Aborts: `ETruncated`, `EUlebNotCanonical`, `ELength`.
public(package) fun take_count(cursor: &mut Cursor, least: u64, most: u64): u64 {
    let count = cursor.take_uleb();
    assert!(least <= count && count <= most, ELength);
    count
}

/// Refuses bytes behind the structure. Aborts: `ETrailingBytes`.
public(package) fun finish(cursor: Cursor) {
    assert!(cursor.at == cursor.bytes.length(), ETrailingBytes);
}

/// The position before `count` bytes, which are there. Aborts: `ETruncated`.
fun advance(cursor: &mut Cursor, count: u64): u64 {
    let at = cursor.at;
    assert!(count <= cursor.bytes.length() - at, ETruncated);
    cursor.at = at + count;
    at
}

fun take_uleb(cursor: &mut Cursor): u64 {
    let mut byte = cursor.take_u8();
    let mut value = (byte & 0x7F) as u64;
    let mut shift = 7;
    while (byte >= 0x80) {
        assert!(shift < 35, EUlebNotCanonical);
        byte = cursor.take_u8();
        assert!(byte != 0, EUlebNotCanonical);
        value = value | ((byte & 0x7F) as u64) << shift;
        shift = shift + 7;
    };
    assert!(value <= U32_MAX, EUlebNotCanonical);
    value
}

/// Two instructions a byte to pack and four to read; a loop has fifteen, and a receipt has 160 such bytes.
fun take_32_raw(cursor: &mut Cursor): vector<u8> {
    let i = cursor.advance(32);
    let b = &cursor.bytes;
    vector[
        b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5], b[i + 6], b[i + 7],
        b[i + 8], b[i + 9], b[i + 10], b[i + 11], b[i + 12], b[i + 13], b[i + 14], b[i + 15],
        b[i + 16], b[i + 17], b[i + 18], b[i + 19], b[i + 20], b[i + 21], b[i + 22], b[i + 23],
        b[i + 24], b[i + 25], b[i + 26], b[i + 27], b[i + 28], b[i + 29], b[i + 30], b[i + 31],
    ]
}

/// The message that somebody would sign: for tests that need one without bytes of their own.
#[test_only]
public fun message_for_testing(intent: u8, timestamp_ms: u64, payload: vector<u8>): Message {
    let mut bytes = vector[intent];
    bytes.append(std::bcs::to_bytes(&timestamp_ms));
    bytes.append(payload);
    parse_message(&bytes)
}

/// Settling requests by the enclave's receipts.
///
/// Invariant: a request settles once, by a receipt that the slot's current boot has signed for exactly this request
/// (slot, requester, mailbox sequence, digest), before deadline + grace; its fee goes to the operator's earnings, or back
/// when the answer is that the request came too late (504): else an operator could hold requests back and be paid.
module daas::settlement;

use daas::cluster::Cluster;
use daas::enclave::Enclave;
use daas::heads;
use daas::queue::{Self, RequestKey};
use daas::receipt::{Self, Receipt};
use daas::wire;
use std::hash::sha2_256;
use sui::clock::Clock;
use sui::event;

#[error]
const EWrongIntent: vector<u8> = b"The signed message is neither a Receipt nor a ReceiptBatch";
#[error]
const ECount: vector<u8> = b"There must be one request id and one delivery (or an empty one) for each receipt";
#[error]
const EWrongEnclave: vector<u8> = b"The receipt is of another slot";
#[error]
const ENoMailbox: vector<u8> = b"The receipt is of a request that did not come through the mailbox";
#[error]
const EUnknownRequest: vector<u8> = b"The mailbox has no request of this requester and id";
#[error]
const EAlreadySettled: vector<u8> = b"The request is settled already";
#[error]
const EAlreadyExpired: vector<u8> = b"The request has expired and was refunded";
#[error]
const ETooLate: vector<u8> = b"The settlement grace after the deadline is over: the request can only be expired";
#[error]
const EWrongSequence: vector<u8> = b"The receipt names another sequence of the mailbox";
#[error]
const EWrongDigest: vector<u8> = b"The receipt is of a request with another digest";
#[error]
const EDelivery: vector<u8> = b"The delivered bytes are not those of the receipt's delivery digest, or none were asked for";

/// 8 KiB of answer, and what padding and encryption add.
const MAX_DELIVERY_BYTES: u64 = 8_704;

const K8S_RESPONSE_STORED: u8 = 65;
/// The enclave's answer to a request whose deadline it can no longer keep.
const GATEWAY_TIMEOUT: u16 = 504;

const FITS: u8 = 0;
const WRONG_ENCLAVE: u8 = 1;
const WRONG_BOOT: u8 = 2;
const NO_MAILBOX: u8 = 3;
const UNKNOWN_REQUEST: u8 = 4;
const ALREADY_SETTLED: u8 = 5;
const ALREADY_EXPIRED: u8 = 6;
const TOO_LATE: u8 = 7;
const WRONG_SEQUENCE: u8 = 8;
const WRONG_DIGEST: u8 = 9;
const DELIVERY: u8 = 10;

public struct K8sResponseStored has copy, drop {
    kind: u8,
    mailbox_seq: u64,
    requester: address,
    request_id: vector<u8>,
    request_digest: vector<u8>,
    boot_id: vector<u8>,
    sequence: u64,
    status: u16,
    body_digest: vector<u8>,
    body_length: u64,
    revision: u64,
    /// To the operator, MIST: 0 for a 504.
    fee: u64,
    /// Back to the requester, MIST: 0 but for a 504.
    refunded: u64,
    settled_at_ms: u64,
    /// The encrypted answer when the request asked for it and it is short enough, else empty.
    delivery: vector<u8>,
}

/// In no chain: a receipt of a batch that settled nothing. `reason`: the constants of this module, `FITS` excepted.
public struct ReceiptSkipped has copy, drop {
    enclave: ID,
    requester: address,
    request_id: vector<u8>,
    sequence: u64,
    reason: u8,
}

/// See `daas::mailbox::store_k8s_response`. Aborts: `EWrongIntent`, `ECount`, those of
/// `daas::enclave::verify_current`, `daas::wire` and `daas::receipt`; for a single receipt also `EWrongEnclave`,
/// `ENoMailbox`, `EUnknownRequest`, `EAlreadySettled`, `EAlreadyExpired`, `ETooLate`, `EWrongSequence`, `EWrongDigest`,
/// `EDelivery`.
public(package) fun settle(
    enclave: &mut Enclave,
    cluster: &Cluster,
    request_ids: vector<vector<u8>>,
    deliveries: vector<vector<u8>>,
    message: vector<u8>,
    signature: vector<u8>,
    clock: &Clock,
    ctx: &mut TxContext,
) {
    let parsed = wire::parse_message(&message);
    let single = parsed.intent() == wire::intent_receipt();
    assert!(single || parsed.intent() == wire::intent_receipt_batch(), EWrongIntent);
    let receipts = if (single) vector[receipt::parse_receipt(&parsed)] else receipt::parse_batch(&parsed);
    assert!(receipts.length() == request_ids.length() && receipts.length() == deliveries.length(), ECount);
    let boot_id = *receipts[0].boot_id();
    enclave.verify_current(cluster, &boot_id, &message, &signature, clock);
    receipts.length().do!(|i| {
        let receipt = &receipts[i];
        let request_id = request_ids[i];
        let reason = judge(enclave, receipt, &boot_id, request_id, &deliveries[i], clock);
        if (single) abort_unless_fits(reason);
        if (reason == FITS) {
            store(enclave, cluster, receipt, request_id, deliveries[i], clock, ctx)
        } else {
            event::emit(ReceiptSkipped {
                enclave: enclave.id(),
                requester: receipt.requester(),
                request_id,
                sequence: receipt.sequence(),
                reason,
            })
        }
    });
}

fun judge(
    enclave: &Enclave,
    receipt: &Receipt,
    boot_id: &vector<u8>,
    request_id: vector<u8>,
    delivery: &vector<u8>,
    clock: &Clock,
): u8 {
    if (receipt.enclave_id() != enclave.id().to_address()) return WRONG_ENCLAVE;
    // Only in a batch: the boot of the first receipt is the one whose key was checked.
    if (receipt.boot_id() != boot_id) return WRONG_BOOT;
    if (receipt.mailbox().is_none()) return NO_MAILBOX;
    let key = queue::key(receipt.requester(), request_id);
    let outcome = enclave.mailbox().outcome(key);
    if (outcome.is_some()) return if (outcome.borrow().is_expired()) ALREADY_EXPIRED else ALREADY_SETTLED;
    if (!enclave.mailbox().is_pending(key)) return UNKNOWN_REQUEST;
    let pending = enclave.mailbox().borrow_pending(key);
    if (clock.timestamp_ms() >= pending.closes_at_ms()) return TOO_LATE;
    let reference = receipt.mailbox().borrow();
    if (reference.seq() != pending.seq()) return WRONG_SEQUENCE;
    if (receipt.request_digest() != pending.request_digest()) return WRONG_DIGEST;
    let digest = reference.delivery_digest();
    let delivered = if (digest.is_none()) delivery.is_empty() else {
        pending.deliver() && !delivery.is_empty() && delivery.length() <= MAX_DELIVERY_BYTES &&
        &sha2_256(*delivery) == digest.borrow()
    };
    if (!delivered) return DELIVERY;
    FITS
}

fun store(
    enclave: &mut Enclave,
    cluster: &Cluster,
    receipt: &Receipt,
    request_id: vector<u8>,
    delivery: vector<u8>,
    clock: &Clock,
    ctx: &mut TxContext,
) {
    let key: RequestKey = queue::key(receipt.requester(), request_id);
    let reference = receipt.mailbox().borrow();
    let settled_at_ms = clock.timestamp_ms();
    let outcome = queue::settled(
        reference.seq(),
        *receipt.request_digest(),
        receipt.status(),
        *receipt.body_digest(),
        receipt.body_length(),
        reference.revision(),
        *receipt.boot_id(),
        receipt.sequence(),
        settled_at_ms,
    );
    let fee = enclave.mailbox_mut().settle(key, outcome);
    let amount = fee.value();
    let refund = receipt.status() == GATEWAY_TIMEOUT;
    let body = K8sResponseStored {
        kind: K8S_RESPONSE_STORED,
        mailbox_seq: reference.seq(),
        requester: receipt.requester(),
        request_id,
        request_digest: *receipt.request_digest(),
        boot_id: *receipt.boot_id(),
        sequence: receipt.sequence(),
        status: receipt.status(),
        body_digest: *receipt.body_digest(),
        body_length: receipt.body_length(),
        revision: reference.revision(),
        fee: if (refund) 0 else amount,
        refunded: if (refund) amount else 0,
        settled_at_ms,
        delivery,
    };
    enclave.raise_revision(reference.revision());
    if (refund && amount > 0) transfer::public_transfer(fee.into_coin(ctx), receipt.requester()) else enclave.earn(fee);
    enclave.mailbox_mut().advance(&body);
    heads::emit(body, cluster.id(), cluster.state(), enclave.id(), enclave.mailbox_head());
}

fun abort_unless_fits(reason: u8) {
    assert!(reason != WRONG_ENCLAVE, EWrongEnclave);
    assert!(reason != NO_MAILBOX, ENoMailbox);
    assert!(reason != UNKNOWN_REQUEST, EUnknownRequest);
    assert!(reason != ALREADY_SETTLED, EAlreadySettled);
    assert!(reason != ALREADY_EXPIRED, EAlreadyExpired);
    assert!(reason != TOO_LATE, ETooLate);
    assert!(reason != WRONG_SEQUENCE, EWrongSequence);
    assert!(reason != WRONG_DIGEST, EWrongDigest);
    assert!(reason != DELIVERY, EDelivery);
}

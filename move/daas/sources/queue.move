/// A slot's mailbox as data: its requests by requester and request id, and the head of its event chain.
///
/// Invariants: sequences are given without a gap; a record is pending, then settled or expired, and never changes again
/// until it is removed; the escrow of a request is in its pending record and nowhere else.
module daas::queue;

use daas::heads::{Self, ChainHead};
use sui::balance::Balance;
use sui::sui::SUI;
use sui::table::{Self, Table};

#[error]
const EUnknownRequest: vector<u8> = b"The mailbox has no such request: it never had it, or its record was closed or pruned";
#[error]
const EStillPending: vector<u8> = b"The request is still pending";
#[error]
const ENotPending: vector<u8> = b"The request is settled or expired already";

/// `request_id` has 16 bytes, chosen by the requester.
public struct RequestKey has copy, drop, store {
    requester: address,
    request_id: vector<u8>,
}

public struct Mailbox has store {
    head: ChainHead,
    next_seq: u64,
    pending: Table<RequestKey, Pending>,
    ended: Table<RequestKey, Outcome>,
}

public struct Pending has store {
    seq: u64,
    request_digest: vector<u8>,
    /// Deadline + settlement grace as it was at submission: changing the parameters moves nobody's deadline.
    closes_at_ms: u64,
    deliver: bool,
    off_chain: bool,
    /// Of the boot that was current at submission: revoking it later excuses the operator.
    policy_version: u64,
    fee: Balance<SUI>,
}

/// The outcome of a request, without its body: `body_digest` says what the answer was.
public struct Settled has copy, drop, store {
    seq: u64,
    request_digest: vector<u8>,
    status: u16,
    body_digest: vector<u8>,
    body_length: u64,
    revision: u64,
    boot_id: vector<u8>,
    /// Leaf index of the receipt in the log of that boot.
    sequence: u64,
    settled_at_ms: u64,
}

public struct Expired has copy, drop, store {
    seq: u64,
    request_digest: vector<u8>,
    expired_at_ms: u64,
}

public enum Outcome has copy, drop, store {
    Settled(Settled),
    Expired(Expired),
}

public(package) fun new(enclave: ID, ctx: &mut TxContext): Mailbox {
    Mailbox { head: heads::new_mailbox(enclave), next_seq: 0, pending: table::new(ctx), ended: table::new(ctx) }
}

public(package) fun key(requester: address, request_id: vector<u8>): RequestKey { RequestKey { requester, request_id } }

public(package) fun add(
    self: &mut Mailbox,
    key: RequestKey,
    request_digest: vector<u8>,
    closes_at_ms: u64,
    deliver: bool,
    off_chain: bool,
    policy_version: u64,
    fee: Balance<SUI>,
): u64 {
    let seq = self.next_seq;
    self.next_seq = seq + 1;
    self.pending.add(
        key,
        Pending { seq, request_digest, closes_at_ms, deliver, off_chain, policy_version, fee },
    );
    seq
}

/// Replaces the pending record. Returns the escrow. Aborts: `EUnknownRequest`, `ENotPending`.
public(package) fun settle(self: &mut Mailbox, key: RequestKey, outcome: Settled): Balance<SUI> {
    let (_, _, fee) = self.take(key);
    self.ended.add(key, Outcome::Settled(outcome));
    fee
}

/// Replaces the pending record. Returns the escrow. Aborts: `EUnknownRequest`, `ENotPending`.
public(package) fun expire(self: &mut Mailbox, key: RequestKey, expired_at_ms: u64): Balance<SUI> {
    let (seq, request_digest, fee) = self.take(key);
    self.ended.add(key, Outcome::Expired(Expired { seq, request_digest, expired_at_ms }));
    fee
}

/// Removes a record that has ended; returns when it did. Aborts: `EUnknownRequest`, `EStillPending`.
public(package) fun remove(self: &mut Mailbox, key: RequestKey): u64 {
    assert!(!self.is_pending(key), EStillPending);
    assert!(self.ended.contains(key), EUnknownRequest);
    match (self.ended.remove(key)) {
        Outcome::Settled(outcome) => outcome.settled_at_ms,
        Outcome::Expired(outcome) => outcome.expired_at_ms,
    }
}

public(package) fun advance<Body: copy + drop>(self: &mut Mailbox, body: &Body) { self.head.advance(body) }

public(package) fun settled(
    seq: u64,
    request_digest: vector<u8>,
    status: u16,
    body_digest: vector<u8>,
    body_length: u64,
    revision: u64,
    boot_id: vector<u8>,
    sequence: u64,
    settled_at_ms: u64,
): Settled {
    Settled { seq, request_digest, status, body_digest, body_length, revision, boot_id, sequence, settled_at_ms }
}

public fun head(self: &Mailbox): ChainHead { self.head }

public fun next_seq(self: &Mailbox): u64 { self.next_seq }

public fun pending(self: &Mailbox): u64 { self.pending.length() }

/// Whether there is a record, in whatever state.
public fun contains(self: &Mailbox, key: RequestKey): bool { self.is_pending(key) || self.ended.contains(key) }

public fun is_pending(self: &Mailbox, key: RequestKey): bool { self.pending.contains(key) }

/// None unless the record is there and ended.
public fun outcome(self: &Mailbox, key: RequestKey): Option<Outcome> {
    if (self.ended.contains(key)) option::some(self.ended[key]) else option::none()
}

public fun outcome_seq(self: &Outcome): u64 {
    match (self) {
        Outcome::Settled(settled) => settled.seq,
        Outcome::Expired(expired) => expired.seq,
    }
}

public fun is_expired(self: &Outcome): bool {
    match (self) {
        Outcome::Expired(_) => true,
        Outcome::Settled(_) => false,
    }
}

/// None for an expired request.
public fun settlement(self: &Outcome): Option<Settled> {
    match (self) {
        Outcome::Settled(settled) => option::some(*settled),
        Outcome::Expired(_) => option::none(),
    }
}

/// Aborts: `EUnknownRequest`, `ENotPending`.
public(package) fun borrow_pending(self: &Mailbox, key: RequestKey): &Pending {
    self.check_pending(key);
    &self.pending[key]
}

public(package) fun seq(self: &Pending): u64 { self.seq }

public(package) fun request_digest(self: &Pending): &vector<u8> { &self.request_digest }

/// A result is taken until then, and the request expires from then on.
public(package) fun closes_at_ms(self: &Pending): u64 { self.closes_at_ms }

public(package) fun deliver(self: &Pending): bool { self.deliver }

public(package) fun off_chain(self: &Pending): bool { self.off_chain }

public(package) fun policy_version(self: &Pending): u64 { self.policy_version }

public(package) fun fee(self: &Pending): u64 { self.fee.value() }

public fun settled_seq(self: &Settled): u64 { self.seq }

public fun settled_request_digest(self: &Settled): &vector<u8> { &self.request_digest }

public fun status(self: &Settled): u16 { self.status }

public fun body_digest(self: &Settled): &vector<u8> { &self.body_digest }

public fun body_length(self: &Settled): u64 { self.body_length }

public fun revision(self: &Settled): u64 { self.revision }

public fun boot_id(self: &Settled): &vector<u8> { &self.boot_id }

public fun sequence(self: &Settled): u64 { self.sequence }

public fun settled_at_ms(self: &Settled): u64 { self.settled_at_ms }

fun take(self: &mut Mailbox, key: RequestKey): (u64, vector<u8>, Balance<SUI>) {
    self.check_pending(key);
    let Pending { seq, request_digest, fee, .. } = self.pending.remove(key);
    (seq, request_digest, fee)
}

fun check_pending(self: &Mailbox, key: RequestKey) {
    assert!(!self.ended.contains(key), ENotPending);
    assert!(self.pending.contains(key), EUnknownRequest);
}

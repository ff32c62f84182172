/// Promises of `daas::queue`.
#[test_only]
module daas::queue_tests;

use daas::queue::{Self, Mailbox, RequestKey, Settled};
use daas::world;
use std::hash::sha2_256;
use std::unit_test::{assert_eq, destroy};
use sui::balance;
use sui::bcs;
use sui::sui::SUI;

const SLOT: address = @0x51;
const ALICE: address = @0xA11CE;
const BOB: address = @0xB0B;
const CLOSES_MS: u64 = 500;
const SETTLED_MS: u64 = 400;
const EXPIRED_MS: u64 = 600;

#[test]
fun a_mailbox_begins_empty_with_the_head_of_its_slot() {
    let mailbox = new();
    let mut domain = b"DAAS-MAILBOX-V1\x00";
    domain.append(SLOT.to_bytes());
    assert_eq!(*mailbox.head().head(), sha2_256(domain));
    assert_eq!(mailbox.head().seq(), 0);
    assert_eq!(mailbox.next_seq(), 0);
    assert_eq!(mailbox.pending(), 0);
    destroy(mailbox);
}

#[test]
fun an_event_moves_the_head_by_itself_alone() {
    let mut mailbox = new();
    let mut chained = *mailbox.head().head();
    chained.append(sha2_256(bcs::to_bytes(&77u64)));
    mailbox.advance(&77u64);
    assert_eq!(*mailbox.head().head(), sha2_256(chained));
    assert_eq!(mailbox.head().seq(), 1);
    assert_eq!(mailbox.next_seq(), 0);
    destroy(mailbox);
}

#[test]
fun a_pending_record_says_what_was_submitted() {
    let mut mailbox = new();
    let fee = balance::create_for_testing<SUI>(9);
    let seq = mailbox.add(key(ALICE, 1), world::request_digest(1), CLOSES_MS, true, false, 4, fee);
    assert_eq!(seq, 0);
    let pending = mailbox.borrow_pending(key(ALICE, 1));
    assert_eq!(pending.seq(), 0);
    assert_eq!(*pending.request_digest(), world::request_digest(1));
    assert_eq!(pending.closes_at_ms(), CLOSES_MS);
    assert!(pending.deliver());
    assert!(!pending.off_chain());
    assert_eq!(pending.policy_version(), 4);
    assert_eq!(pending.fee(), 9);
    assert!(mailbox.contains(key(ALICE, 1)));
    assert!(mailbox.is_pending(key(ALICE, 1)));
    assert!(mailbox.outcome(key(ALICE, 1)).is_none());
    let fee = balance::create_for_testing<SUI>(0);
    mailbox.add(key(ALICE, 2), world::request_digest(2), CLOSES_MS, false, true, 4, fee);
    assert!(!mailbox.borrow_pending(key(ALICE, 2)).deliver());
    assert!(mailbox.borrow_pending(key(ALICE, 2)).off_chain());
    destroy(mailbox);
}

#[test]
fun sequences_have_no_gap_whatever_becomes_of_the_requests() {
    let mut mailbox = new();
    assert_eq!(add(&mut mailbox, ALICE, 1, 1), 0);
    assert_eq!(add(&mut mailbox, ALICE, 2, 1), 1);
    settle(&mut mailbox, ALICE, 1);
    assert_eq!(add(&mut mailbox, BOB, 1, 1), 2);
    expire(&mut mailbox, ALICE, 2);
    mailbox.remove(key(ALICE, 2));
    assert_eq!(add(&mut mailbox, BOB, 2, 1), 3);
    assert_eq!(mailbox.next_seq(), 4);
    assert_eq!(mailbox.pending(), 2);
    destroy(mailbox);
}

#[test]
fun requests_of_two_requesters_under_one_id_are_apart() {
    let mut mailbox = new();
    add(&mut mailbox, ALICE, 1, 10);
    add(&mut mailbox, BOB, 1, 20);
    assert_eq!(settle(&mut mailbox, BOB, 1), 20);
    assert!(mailbox.is_pending(key(ALICE, 1)));
    assert!(!mailbox.is_pending(key(BOB, 1)));
    assert_eq!(mailbox.borrow_pending(key(ALICE, 1)).fee(), 10);
    destroy(mailbox);
}

#[test]
fun a_settled_request_gives_its_escrow_and_keeps_its_outcome() {
    let mut mailbox = new();
    add(&mut mailbox, ALICE, 1, 10);
    assert_eq!(settle(&mut mailbox, ALICE, 1), 10);
    assert_eq!(mailbox.pending(), 0);
    assert!(mailbox.contains(key(ALICE, 1)));
    let outcome = mailbox.outcome(key(ALICE, 1)).destroy_some();
    assert!(!outcome.is_expired());
    assert_eq!(outcome.outcome_seq(), 0);
    let settled = outcome.settlement().destroy_some();
    assert_eq!(settled, outcome_of(0, 1));
    assert_eq!(settled.settled_seq(), 0);
    assert_eq!(*settled.settled_request_digest(), world::request_digest(1));
    assert_eq!(settled.status(), 201);
    assert_eq!(*settled.body_digest(), sha2_256(b"body"));
    assert_eq!(settled.body_length(), 4);
    assert_eq!(settled.revision(), 1_001);
    assert_eq!(*settled.boot_id(), world::boot_id(1));
    assert_eq!(settled.sequence(), 12);
    assert_eq!(settled.settled_at_ms(), SETTLED_MS);
    destroy(mailbox);
}

#[test]
fun an_expired_request_gives_its_escrow_and_has_no_settlement() {
    let mut mailbox = new();
    add(&mut mailbox, BOB, 1, 1);
    add(&mut mailbox, ALICE, 1, 10);
    assert_eq!(expire(&mut mailbox, ALICE, 1), 10);
    let outcome = mailbox.outcome(key(ALICE, 1)).destroy_some();
    assert!(outcome.is_expired());
    assert_eq!(outcome.outcome_seq(), 1);
    assert!(outcome.settlement().is_none());
    // seq, digest, time.
    let mut bytes = vector[1];
    bytes.append(bcs::to_bytes(&1u64));
    bytes.append(bcs::to_bytes(&world::request_digest(1)));
    bytes.append(bcs::to_bytes(&EXPIRED_MS));
    assert_eq!(bcs::to_bytes(&outcome), bytes);
    destroy(mailbox);
}

#[test]
#[expected_failure(abort_code = daas::queue::ENotPending)]
fun a_settled_request_is_not_settled_again() {
    let mut mailbox = new();
    add(&mut mailbox, ALICE, 1, 10);
    settle(&mut mailbox, ALICE, 1);
    settle(&mut mailbox, ALICE, 1);
    destroy(mailbox);
}

#[test]
#[expected_failure(abort_code = daas::queue::ENotPending)]
fun a_settled_request_does_not_expire() {
    let mut mailbox = new();
    add(&mut mailbox, ALICE, 1, 10);
    settle(&mut mailbox, ALICE, 1);
    expire(&mut mailbox, ALICE, 1);
    destroy(mailbox);
}

#[test]
#[expected_failure(abort_code = daas::queue::ENotPending)]
fun an_expired_request_is_not_settled() {
    let mut mailbox = new();
    add(&mut mailbox, ALICE, 1, 10);
    expire(&mut mailbox, ALICE, 1);
    settle(&mut mailbox, ALICE, 1);
    destroy(mailbox);
}

#[test]
#[expected_failure(abort_code = daas::queue::ENotPending)]
fun an_expired_request_does_not_expire_again() {
    let mut mailbox = new();
    add(&mut mailbox, ALICE, 1, 10);
    expire(&mut mailbox, ALICE, 1);
    expire(&mut mailbox, ALICE, 1);
    destroy(mailbox);
}

#[test]
#[expected_failure(abort_code = daas::queue::ENotPending)]
fun an_ended_request_has_no_pending_record() {
    let mut mailbox = new();
    add(&mut mailbox, ALICE, 1, 10);
    settle(&mut mailbox, ALICE, 1);
    mailbox.borrow_pending(key(ALICE, 1));
    destroy(mailbox);
}

#[test]
#[expected_failure(abort_code = daas::queue::EUnknownRequest)]
fun an_unknown_request_is_not_settled() {
    let mut mailbox = new();
    add(&mut mailbox, ALICE, 1, 10);
    settle(&mut mailbox, BOB, 1);
    destroy(mailbox);
}

#[test]
#[expected_failure(abort_code = daas::queue::EUnknownRequest)]
fun an_unknown_request_does_not_expire() {
    let mut mailbox = new();
    add(&mut mailbox, ALICE, 1, 10);
    expire(&mut mailbox, ALICE, 2);
    destroy(mailbox);
}

#[test]
#[expected_failure(abort_code = daas::queue::EUnknownRequest)]
fun an_unknown_request_has_no_pending_record() {
    let mailbox = new();
    assert!(!mailbox.contains(key(ALICE, 1)));
    assert!(mailbox.outcome(key(ALICE, 1)).is_none());
    mailbox.borrow_pending(key(ALICE, 1));
    destroy(mailbox);
}

#[test]
fun a_removed_record_leaves_its_id_for_a_new_request() {
    let mut mailbox = new();
    add(&mut mailbox, ALICE, 1, 10);
    add(&mut mailbox, ALICE, 2, 10);
    settle(&mut mailbox, ALICE, 1);
    expire(&mut mailbox, ALICE, 2);
    assert_eq!(mailbox.remove(key(ALICE, 1)), SETTLED_MS);
    assert_eq!(mailbox.remove(key(ALICE, 2)), EXPIRED_MS);
    assert!(!mailbox.contains(key(ALICE, 1)));
    assert!(!mailbox.contains(key(ALICE, 2)));
    // Its sequence tells it from the old one, for which there may be a receipt.
    assert_eq!(add(&mut mailbox, ALICE, 1, 10), 2);
    assert!(mailbox.is_pending(key(ALICE, 1)));
    destroy(mailbox);
}

#[test]
#[expected_failure(abort_code = daas::queue::EStillPending)]
fun a_pending_record_is_not_removed() {
    let mut mailbox = new();
    add(&mut mailbox, ALICE, 1, 10);
    mailbox.remove(key(ALICE, 1));
    destroy(mailbox);
}

#[test]
#[expected_failure(abort_code = daas::queue::EUnknownRequest)]
fun an_unknown_record_is_not_removed() {
    let mut mailbox = new();
    mailbox.remove(key(ALICE, 1));
    destroy(mailbox);
}

#[test]
#[expected_failure(abort_code = daas::queue::EUnknownRequest)]
fun a_record_is_not_removed_twice() {
    let mut mailbox = new();
    add(&mut mailbox, ALICE, 1, 10);
    settle(&mut mailbox, ALICE, 1);
    mailbox.remove(key(ALICE, 1));
    mailbox.remove(key(ALICE, 1));
    destroy(mailbox);
}

/// 32 steps, one for each byte of the seed, over eight requests.
#[random_test]
fun escrows_are_in_pending_records_and_nowhere_else(seed: u256) {
    let mut mailbox = new();
    let (mut paid_in, mut paid_out, mut added) = (0, 0, 0);
    bcs::to_bytes(&seed).do!(|byte| {
        let number = byte % 8;
        let request = key(ALICE, number);
        let settles = byte / 8 % 2 == 0;
        if (!mailbox.contains(request)) {
            assert_eq!(add(&mut mailbox, ALICE, number, byte as u64), added);
            paid_in = paid_in + (byte as u64);
            added = added + 1;
        } else if (mailbox.is_pending(request)) {
            let fee = if (settles) settle(&mut mailbox, ALICE, number) else expire(&mut mailbox, ALICE, number);
            paid_out = paid_out + fee;
            assert_eq!(mailbox.outcome(request).borrow().is_expired(), !settles);
        } else {
            mailbox.remove(request);
        };
        let (mut held, mut pending) = (0, 0);
        8u8.do!(|i| if (mailbox.is_pending(key(ALICE, i))) {
            held = held + mailbox.borrow_pending(key(ALICE, i)).fee();
            pending = pending + 1;
        });
        assert_eq!(held + paid_out, paid_in);
        assert_eq!(mailbox.pending(), pending);
        assert_eq!(mailbox.next_seq(), added);
    });
    destroy(mailbox);
}

fun new(): Mailbox { queue::new(object::id_from_address(SLOT), &mut tx_context::dummy()) }

fun key(requester: address, number: u8): RequestKey { queue::key(requester, world::request_id(number)) }

fun add(mailbox: &mut Mailbox, requester: address, number: u8, fee: u64): u64 {
    let fee = balance::create_for_testing<SUI>(fee);
    mailbox.add(key(requester, number), world::request_digest(number), CLOSES_MS, false, false, 1, fee)
}

/// As 201 at SETTLED_MS. Returns the escrow.
fun settle(mailbox: &mut Mailbox, requester: address, number: u8): u64 {
    mailbox.settle(key(requester, number), outcome_of(0, number)).destroy_for_testing()
}

fun expire(mailbox: &mut Mailbox, requester: address, number: u8): u64 {
    mailbox.expire(key(requester, number), EXPIRED_MS).destroy_for_testing()
}

fun outcome_of(seq: u64, number: u8): Settled {
    queue::settled(
        seq,
        world::request_digest(number),
        201,
        sha2_256(b"body"),
        4,
        1_001,
        world::boot_id(1),
        12,
        SETTLED_MS,
    )
}

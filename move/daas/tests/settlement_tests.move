/// Promises of `daas::settlement` about what settles. What one receipt alone is refused for is in
/// `daas::settlement_refusal_tests`.
#[test_only]
module daas::settlement_tests;

use daas::heads::{Self, Event};
use daas::mailbox;
use daas::requests;
use daas::settlement::{K8sResponseStored, ReceiptSkipped};
use daas::signed_settlement as signed;
use daas::world::{Self, World};
use std::hash::sha2_256;
use std::unit_test::assert_eq;
use sui::bcs;
use sui::event;

const ANSWER: vector<u8> = b"answer";
/// Reasons in `ReceiptSkipped`.
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

#[test]
fun ids_of_the_world_are_those_that_python_signs_for() {
    let world = world::new();
    assert_eq!(world.cluster().id().to_address(), signed::cluster_id());
    assert_eq!(world.enclave().id().to_address(), signed::enclave_id());
    world.destroy();
}

#[test]
fun a_receipt_settles_its_request_and_pays_the_operator() {
    let mut world = world::serving();
    world.submit(1);
    world.submit(2);
    assert!(mailbox::get_k8s_response(world.enclave(), world::user(), world::request_id(1)).is_none());
    let (message, signature) = signed::receipt_1();
    requests::settle(&mut world, vector[1], message, signature);
    assert_eq!(world.enclave().earnings(), world::fee());
    assert_eq!(world.enclave().revision(), 1_001);
    assert_eq!(world.enclave().mailbox().pending(), 1);
    assert!(requests::is_pending(&world, 2));
    world.destroy();
}

#[test]
fun what_was_answered_can_be_read() {
    let mut world = world::serving();
    world.submit(1);
    world.wait(5);
    let (message, signature) = signed::receipt_1();
    requests::settle(&mut world, vector[1], message, signature);
    let response = mailbox::get_k8s_response(world.enclave(), world::user(), world::request_id(1)).destroy_some();
    assert_eq!(response.settled_seq(), 0);
    assert_eq!(*response.settled_request_digest(), world::request_digest(1));
    assert_eq!(response.status(), 201);
    assert_eq!(*response.body_digest(), sha2_256(b"body"));
    assert_eq!(response.body_length(), 4);
    assert_eq!(response.revision(), 1_001);
    assert_eq!(*response.boot_id(), world::boot_id(1));
    assert_eq!(response.sequence(), 1);
    assert_eq!(response.settled_at_ms(), world::start_ms() + 5);
    assert!(mailbox::get_k8s_response(world.enclave(), requests::stranger(), world::request_id(1)).is_none());
    world.destroy();
}

#[test]
fun a_settlement_is_one_event_in_the_mailbox_chain() {
    let mut world = world::serving();
    world.submit(1);
    world.wait(5);
    let before = world.enclave().mailbox_head();
    let state = world.cluster().state();
    let (message, signature) = signed::receipt_1();
    requests::settle(&mut world, vector[1], message, signature);
    let body = settled_body(1, world::start_ms() + 5, vector[]);
    let mut head = *before.head();
    head.append(sha2_256(body));
    let events = event::events_by_type<Event<K8sResponseStored>>();
    assert_eq!(events.length(), 1);
    assert_eq!(bcs::to_bytes(heads::body(&events[0])), body);
    assert_eq!(*world.enclave().mailbox_head().head(), sha2_256(head));
    assert_eq!(world.enclave().mailbox_head().seq(), before.seq() + 1);
    assert_eq!(*heads::mailbox_of(&events[0]), option::some(world.enclave().mailbox_head()));
    assert_eq!(*heads::state_of(&events[0]), option::some(state));
    assert_eq!(world.cluster().state(), state);
    world.destroy();
}

#[test]
fun a_batch_settles_every_request_under_one_signature() {
    let mut world = world::serving();
    world.submit(1);
    world.submit(2);
    world.submit(3);
    let before = world.enclave().mailbox_head().seq();
    let (message, signature) = signed::batch_1_2_3();
    requests::settle(&mut world, vector[1, 2, 3], message, signature);
    assert_eq!(world.enclave().earnings(), 3 * world::fee());
    assert_eq!(world.enclave().revision(), 1_003);
    assert_eq!(world.enclave().mailbox().pending(), 0);
    assert_eq!(world.enclave().mailbox_head().seq(), before + 3);
    assert_eq!(event::events_by_type<Event<K8sResponseStored>>().length(), 3);
    assert_eq!(event::events_by_type<ReceiptSkipped>().length(), 0);
    world.destroy();
}

#[test]
fun sixty_receipts_fit_one_argument() {
    let mut world = world::serving();
    let commands = vector::tabulate!(60, |i| world.command(1 + (i as u8)));
    requests::submit_batch(&mut world, commands, 60 * world::fee());
    let (message, signature) = signed::batch_of_60();
    assert!(message.length() < 16_384);
    requests::settle(&mut world, vector::tabulate!(60, |i| 1 + (i as u8)), message, signature);
    assert_eq!(world.enclave().earnings(), 60 * world::fee());
    world.destroy();
}

#[test]
fun receipts_that_do_not_fit_are_skipped_by_name_and_the_others_settle() {
    let mut world = world::serving();
    let numbers = vector[1u8, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
    let short = world.now() + requests::min_deadline_ms();
    numbers.do!(|number| {
        let command = if (number == 6 || number == 7) requests::at(&world, number, short) else world.command(number);
        world.submit_command(command);
    });
    world.wait(requests::min_deadline_ms() + 30_000);
    requests::expire(&mut world, 6);
    let before = world.enclave().mailbox_head().seq();
    let (message, signature) = signed::batch_with_every_fault();
    let mut ids = vector[1u8, 2, 3, 4, 99, 1, 6, 7, 8, 9, 10, 11];
    let deliveries = vector::tabulate!(12, |i| if (i == 10) ANSWER else vector[]);
    requests::settle_delivering(&mut world, ids, deliveries, message, signature);

    let reasons = vector[
        WRONG_ENCLAVE,
        WRONG_BOOT,
        NO_MAILBOX,
        UNKNOWN_REQUEST,
        ALREADY_SETTLED,
        ALREADY_EXPIRED,
        TOO_LATE,
        WRONG_SEQUENCE,
        WRONG_DIGEST,
        DELIVERY,
    ];
    let sequences = vector[2u64, 3, 4, 5, 1, 6, 7, 8, 9, 10];
    let skipped = event::events_by_type<ReceiptSkipped>();
    assert_eq!(skipped.length(), reasons.length());
    // The first and the last settle.
    ids.remove(0);
    reasons.length().do!(|i| {
        let expected = requests::concat(vector[
            world.enclave().id().to_bytes(),
            bcs::to_bytes(&world::user()),
            bcs::to_bytes(&world::request_id(ids[i])),
            bcs::to_bytes(&sequences[i]),
            vector[reasons[i]],
        ]);
        assert_eq!(bcs::to_bytes(&skipped[i]), expected);
    });
    assert_eq!(world.enclave().earnings(), 2 * world::fee());
    assert_eq!(world.enclave().mailbox_head().seq(), before + 2);
    assert!(!requests::is_pending(&world, 1) && !requests::is_pending(&world, 11));
    vector[2u8, 3, 4, 5, 7, 8, 9, 10].do!(|number| assert!(requests::is_pending(&world, number)));
    // What was skipped raises nothing.
    assert_eq!(world.enclave().revision(), 1_011);
    world.destroy();
}

#[test]
fun a_batch_whose_receipts_all_fail_changes_nothing() {
    let mut world = world::serving();
    let before = world.enclave().mailbox_head();
    let (message, signature) = signed::batch_1_2_3();
    requests::settle(&mut world, vector[1, 2, 3], message, signature);
    assert_eq!(world.enclave().mailbox_head(), before);
    assert_eq!(world.enclave().earnings(), 0);
    assert_eq!(world.enclave().revision(), 0);
    assert_eq!(event::events_by_type<ReceiptSkipped>().length(), 3);
    world.destroy();
}

#[test]
fun a_batch_sent_again_pays_nobody_twice() {
    let mut world = world::serving();
    world.submit(1);
    world.submit(2);
    let (message, signature) = signed::receipt_1();
    requests::settle(&mut world, vector[1], message, signature);
    let (message, signature) = signed::batch_1_2_3();
    requests::settle(&mut world, vector[1, 2, 3], message, signature);
    requests::settle(&mut world, vector[1, 2, 3], message, signature);
    assert_eq!(world.enclave().earnings(), 2 * world::fee());
    assert_eq!(event::events_by_type<Event<K8sResponseStored>>().length(), 2);
    world.destroy();
}

#[test]
fun a_later_boot_settles_what_was_asked_of_the_one_before() {
    let mut world = world::serving();
    world.submit(1);
    world.submit(2);
    requests::reboot(&mut world, 2);
    let (message, signature) = signed::receipt_1_of_boot_2();
    requests::settle(&mut world, vector[1], message, signature);
    let (message, signature) = signed::batch_1_2_of_boot_2();
    requests::settle(&mut world, vector[1, 2], message, signature);
    assert_eq!(world.enclave().earnings(), 2 * world::fee());
    world.destroy();
}

#[test]
fun a_lower_revision_does_not_lower_the_slots() {
    let mut world = world::serving();
    world.submit(1);
    world.submit(2);
    let (message, signature) = signed::receipt_2();
    requests::settle(&mut world, vector[2], message, signature);
    let (message, signature) = signed::receipt_1();
    requests::settle(&mut world, vector[1], message, signature);
    assert_eq!(world.enclave().revision(), 1_002);
    world.destroy();
}

#[test]
fun a_result_is_taken_until_the_last_ms_of_the_grace() {
    let mut world = world::serving();
    world.submit(1);
    world.wait(requests::life_ms() - 1);
    let (message, signature) = signed::receipt_1();
    requests::settle(&mut world, vector[1], message, signature);
    assert_eq!(world.enclave().earnings(), world::fee());
    world.destroy();
}

// Delivery

#[test]
fun a_delivered_answer_stands_in_the_event() {
    let mut world = world::serving();
    let command = requests::delivered(&world, 1);
    world.submit_command(command);
    let (message, signature) = signed::receipt_1_delivering();
    requests::settle_delivering(&mut world, vector[1], vector[ANSWER], message, signature);
    assert_delivered(&world, ANSWER);
    world.destroy();
}

#[test]
fun the_longest_answer_is_delivered() {
    let mut world = world::serving();
    let command = requests::delivered(&world, 1);
    world.submit_command(command);
    let answer = vector::tabulate!(8_704, |_| 7);
    let (message, signature) = signed::receipt_1_delivering_longest();
    requests::settle_delivering(&mut world, vector[1], vector[answer], message, signature);
    assert_delivered(&world, answer);
    world.destroy();
}

#[test]
fun an_answer_that_was_asked_for_may_be_too_long_to_deliver() {
    let mut world = world::serving();
    let command = requests::delivered(&world, 1);
    world.submit_command(command);
    let (message, signature) = signed::receipt_1();
    requests::settle(&mut world, vector[1], message, signature);
    assert_delivered(&world, vector[]);
    world.destroy();
}

#[test]
fun in_a_batch_each_receipt_has_its_own_delivery() {
    let mut world = world::serving();
    let command = requests::delivered(&world, 1);
    world.submit_command(command);
    world.submit(2);
    let (message, signature) = signed::batch_1_delivering_2();
    requests::settle_delivering(&mut world, vector[1, 2], vector[vector[], ANSWER], message, signature);
    assert_eq!(event::events_by_type<ReceiptSkipped>().length(), 2);
    assert_eq!(world.enclave().earnings(), 0);
    requests::settle_delivering(&mut world, vector[1, 2], vector[ANSWER, vector[]], message, signature);
    assert_delivered(&world, ANSWER);
    assert_eq!(world.enclave().earnings(), 2 * world::fee());
    world.destroy();
}

fun assert_delivered(world: &World, delivery: vector<u8>) {
    let events = event::events_by_type<Event<K8sResponseStored>>();
    assert_eq!(bcs::to_bytes(heads::body(&events[0])), settled_body(1, world.now(), delivery));
}

#[test]
fun an_answer_that_it_came_too_late_gives_the_fee_back() {
    let mut world = world::serving();
    world.submit(1);
    let (message, signature) = signed::receipt_1_too_late();
    requests::settle(&mut world, vector[1], message, signature);
    assert_eq!(world.enclave().earnings(), 0);
    let outcome = mailbox::get_k8s_response(world.enclave(), world::user(), world::request_id(1));
    assert_eq!(outcome.borrow().status(), 504);
    let events = event::events_by_type<Event<K8sResponseStored>>();
    let body = bcs::to_bytes(heads::body(&events[0]));
    // Fee, refund and time stand before the empty delivery.
    let mut tail = bcs::to_bytes(&0u64);
    tail.append(bcs::to_bytes(&world::fee()));
    tail.append(bcs::to_bytes(&world.now()));
    tail.push_back(0);
    assert_eq!(vector::tabulate!(25, |i| body[body.length() - 25 + i]), tail);
    world.destroy();
}

/// bcs of the event's body for request `number` of boot 1, field by field.
fun settled_body(number: u8, settled_at_ms: u64, delivery: vector<u8>): vector<u8> {
    let number_64 = number as u64;
    requests::concat(vector[
        // Kind.
        vector[65],
        bcs::to_bytes(&(number_64 - 1)),
        bcs::to_bytes(&world::user()),
        bcs::to_bytes(&world::request_id(number)),
        bcs::to_bytes(&world::request_digest(number)),
        bcs::to_bytes(&world::boot_id(1)),
        bcs::to_bytes(&number_64),
        bcs::to_bytes(&201u16),
        bcs::to_bytes(&sha2_256(b"body")),
        bcs::to_bytes(&4u64),
        bcs::to_bytes(&(1_000 + number_64)),
        bcs::to_bytes(&world::fee()),
        bcs::to_bytes(&0u64),
        bcs::to_bytes(&settled_at_ms),
        bcs::to_bytes(&delivery),
    ])
}

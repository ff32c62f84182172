/// Promises of `daas::heads`.
#[test_only]
module daas::heads_tests;

use daas::heads::{Self, Beacon, Event};
use std::hash::sha2_256;
use std::unit_test::assert_eq;
use sui::bcs;
use sui::event;

const CLUSTER: address = @0xC1;
const ENCLAVE: address = @0xE1;

public struct Note has copy, drop {
    kind: u8,
    text: vector<u8>,
}

#[test]
fun a_state_chain_begins_with_its_domain_and_the_cluster() {
    let chain = heads::new_state(CLUSTER.to_id());
    assert_eq!(chain.seq(), 0);
    assert_eq!(*chain.head(), x"df5543dfb7bd103e637cdad831c7f4a7b208e64515cda4957d789d4d78c63fb6");
}

#[test]
fun a_mailbox_chain_begins_with_its_domain_and_the_slot() {
    let chain = heads::new_mailbox(ENCLAVE.to_id());
    assert_eq!(chain.seq(), 0);
    assert_eq!(*chain.head(), x"ea66747286c3b881f542e2b326bd1e64e9ec219d93b690c666bcc925001915c4");
}

#[test]
fun no_state_chain_can_be_shown_as_a_mailbox_chain() {
    assert!(heads::new_state(CLUSTER.to_id()).head() != heads::new_mailbox(CLUSTER.to_id()).head());
}

#[test]
fun one_event_advances_the_chain_by_one_over_its_bytes() {
    let mut chain = heads::new_state(CLUSTER.to_id());
    let mut hashed = *chain.head();
    chain.advance(&Note { kind: 200, text: b"one" });
    hashed.append(sha2_256(x"c8036f6e65"));
    assert_eq!(chain.seq(), 1);
    assert_eq!(*chain.head(), sha2_256(hashed));
    assert_eq!(*chain.head(), x"166d9f2fa730aa200884aa5cf6a2199f6668e011b190b9ea63022457f3d92c54");
}

#[test]
fun the_order_of_events_makes_the_head() {
    let (one, two) = (Note { kind: 200, text: b"one" }, Note { kind: 200, text: b"two" });
    let mut forward = heads::new_state(CLUSTER.to_id());
    let mut backward = forward;
    forward.advance(&one);
    forward.advance(&two);
    backward.advance(&two);
    backward.advance(&one);
    assert_eq!(forward.seq(), backward.seq());
    assert!(forward.head() != backward.head());
}

#[test]
fun an_event_left_out_shows_in_the_head() {
    let note = Note { kind: 200, text: b"" };
    let mut whole = heads::new_state(CLUSTER.to_id());
    let mut short = whole;
    whole.advance(&note);
    whole.advance(&note);
    short.advance(&note);
    assert!(whole.head() != short.head());
}

#[test]
fun a_state_event_shows_the_state_head_and_no_mailbox() {
    let chain = heads::new_state(CLUSTER.to_id());
    let note = Note { kind: 200, text: b"state" };
    heads::emit_state(note, CLUSTER.to_id(), chain);
    let events = event::events_by_type<Event<Note>>();
    assert_eq!(events.length(), 1);
    assert_eq!(*events[0].body(), note);
    assert_eq!(*events[0].state_of(), option::some(chain));
    assert!(events[0].mailbox_of().is_none());
    // Body, cluster, state chain, no slot, no mailbox chain: what the client's decoder is written for.
    let mut bytes = x"c8057374617465";
    bytes.append(bcs::to_bytes(&CLUSTER));
    bytes.append(x"01");
    bytes.append(bcs::to_bytes(&chain));
    bytes.append(x"0000");
    assert_eq!(bcs::to_bytes(&events[0]), bytes);
}

#[test]
fun a_slot_event_shows_both_heads() {
    let state = heads::new_state(CLUSTER.to_id());
    let mailbox = heads::new_mailbox(ENCLAVE.to_id());
    heads::emit(Note { kind: 200, text: b"slot" }, CLUSTER.to_id(), state, ENCLAVE.to_id(), mailbox);
    let events = event::events_by_type<Event<Note>>();
    assert_eq!(events.length(), 1);
    assert_eq!(*events[0].state_of(), option::some(state));
    assert_eq!(*events[0].mailbox_of(), option::some(mailbox));
    let mut bytes = x"c804736c6f74";
    bytes.append(bcs::to_bytes(&CLUSTER));
    bytes.append(x"01");
    bytes.append(bcs::to_bytes(&state));
    bytes.append(x"01");
    bytes.append(bcs::to_bytes(&ENCLAVE));
    bytes.append(x"01");
    bytes.append(bcs::to_bytes(&mailbox));
    assert_eq!(bcs::to_bytes(&events[0]), bytes);
}

#[test]
fun a_beacon_shows_both_heads_and_advances_none() {
    let state = heads::new_state(CLUSTER.to_id());
    let mailbox = heads::new_mailbox(ENCLAVE.to_id());
    heads::emit_beacon(258, CLUSTER.to_id(), state, ENCLAVE.to_id(), mailbox);
    let events = event::events_by_type<Event<Beacon>>();
    assert_eq!(events.length(), 1);
    assert_eq!(bcs::to_bytes(events[0].body()), x"000201000000000000");
    assert_eq!(*events[0].state_of(), option::some(state));
    assert_eq!(*events[0].mailbox_of(), option::some(mailbox));
}

#[random_test]
fun the_head_covers_every_event_in_order(texts: vector<vector<u8>>) {
    let mut chain = heads::new_mailbox(ENCLAVE.to_id());
    let mut expected = *chain.head();
    texts.do_ref!(|text| {
        let note = Note { kind: 201, text: *text };
        chain.advance(&note);
        expected.append(sha2_256(bcs::to_bytes(&note)));
        expected = sha2_256(expected);
    });
    assert_eq!(chain.seq(), texts.length());
    assert_eq!(*chain.head(), expected);
}

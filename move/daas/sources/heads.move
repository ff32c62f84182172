/// Hash chains over events: who has verified one head knows every event before it, in order and without a gap.
///
/// head' = SHA-256(head || SHA-256(bcs(body))). Every body begins with a `kind: u8` that no other body of the package
/// has, because the hash does not cover the type: without it a host could show the bytes of one body as another.
/// The heads in an event are those after it, and stand outside the body, so that 32 bytes can stand in for an old one.
module daas::heads;

use std::hash::sha2_256;
use sui::bcs;
use sui::event;

const STATE_DOMAIN: vector<u8> = b"DAAS-STATE-V1\x00";
const MAILBOX_DOMAIN: vector<u8> = b"DAAS-MAILBOX-V1\x00";
const BEACON: u8 = 0;

/// `head` has 32 bytes; `seq` counts the events before it.
public struct ChainHead has copy, drop, store {
    seq: u64,
    head: vector<u8>,
}

/// The chains that the event touches or reads. `enclave` names the slot of `mailbox`.
public struct Heads has copy, drop {
    cluster: ID,
    state: Option<ChainHead>,
    enclave: Option<ID>,
    mailbox: Option<ChainHead>,
}

public struct Event<Body: copy + drop> has copy, drop {
    body: Body,
    heads: Heads,
}

/// In no chain: it only shows both heads.
public struct Beacon has copy, drop {
    kind: u8,
    timestamp_ms: u64,
}

public(package) fun new_state(cluster: ID): ChainHead {
    first(STATE_DOMAIN, cluster)
}

public(package) fun new_mailbox(enclave: ID): ChainHead {
    first(MAILBOX_DOMAIN, enclave)
}

public fun seq(self: &ChainHead): u64 {
    self.seq
}

public fun head(self: &ChainHead): &vector<u8> {
    &self.head
}

public(package) fun advance<Body: copy + drop>(self: &mut ChainHead, body: &Body) {
    self.head.append(sha2_256(bcs::to_bytes(body)));
    self.head = sha2_256(self.head);
    self.seq = self.seq + 1;
}

public(package) fun emit_state<Body: copy + drop>(body: Body, cluster: ID, state: ChainHead) {
    event::emit(Event {
        body,
        heads: Heads { cluster, state: option::some(state), enclave: option::none(), mailbox: option::none() },
    });
}

public(package) fun emit<Body: copy + drop>(
    body: Body,
    cluster: ID,
    state: ChainHead,
    enclave: ID,
    mailbox: ChainHead,
) {
    event::emit(Event {
        body,
        heads: Heads { cluster, state: option::some(state), enclave: option::some(enclave), mailbox: option::some(mailbox) },
    });
}

public(package) fun emit_beacon(timestamp_ms: u64, cluster: ID, state: ChainHead, enclave: ID, mailbox: ChainHead) {
    emit(Beacon { kind: BEACON, timestamp_ms }, cluster, state, enclave, mailbox);
}

fun first(domain: vector<u8>, id: ID): ChainHead {
    let mut bytes = domain;
    bytes.append(id.to_bytes());
    ChainHead { seq: 0, head: sha2_256(bytes) }
}

#[test_only]
public fun body<Body: copy + drop>(event: &Event<Body>): &Body {
    &event.body
}

#[test_only]
public fun state_of<Body: copy + drop>(event: &Event<Body>): &Option<ChainHead> {
    &event.heads.state
}

#[test_only]
public fun mailbox_of<Body: copy + drop>(event: &Event<Body>): &Option<ChainHead> {
    &event.heads.mailbox
}

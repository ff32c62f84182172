/// What a call must do to the state chain of the test world: one event, with these bytes, over the head before it.
#[test_only]
module daas::chain_check;

use daas::cluster::Cluster;
use daas::heads::{ChainHead, Event};
use std::hash::sha2_256;
use std::unit_test::assert_eq;
use sui::bcs;
use sui::event;

/// The state chain before a call, and how many events there were.
public struct Mark has copy, drop {
    state: ChainHead,
    events: u32,
}

public fun mark(cluster: &Cluster): Mark {
    Mark { state: cluster.state(), events: event::num_events() }
}

/// Since the mark the cluster has recorded one event of type `Body`, whose BCS is `body`, and nothing else happened.
public fun recorded<Body: copy + drop>(self: Mark, cluster: &Cluster, body: vector<u8>) {
    assert_eq!(event::num_events(), self.events + 1);
    let events = event::events_by_type<Event<Body>>();
    let event = &events[events.length() - 1];
    assert_eq!(bcs::to_bytes(event.body()), body);
    assert_eq!(cluster.state_seq(), self.state.seq() + 1);
    assert_eq!(cluster.state_head(), next(*self.state.head(), body));
    assert_eq!(*event.state_of(), option::some(cluster.state()));
    assert!(event.mailbox_of().is_none());
}

/// Since the mark nothing was recorded.
public fun nothing_recorded(self: Mark, cluster: &Cluster) {
    assert_eq!(event::num_events(), self.events);
    assert_eq!(cluster.state(), self.state);
}

/// The head after a body with these bytes.
public fun next(mut head: vector<u8>, body: vector<u8>): vector<u8> {
    head.append(sha2_256(body));
    sha2_256(head)
}

/// The parts one after the other, as BCS writes the fields of a struct.
public fun joined(parts: vector<vector<u8>>): vector<u8> { parts.flatten() }

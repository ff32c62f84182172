/// What is signed besides receipts: tree heads, join tokens, worker statuses, snapshots, handoffs, drains, and what a
/// worker says under its own key.
///
/// Invariant: each structure has one byte form and is read only out of a message of its own intent. What its fields
/// must be is judged where it is used. Source: `protocol/daas_protocol/intents.py` and `log.py`.
module daas::statements;

use daas::wire::{Self, Message};
use std::string::String;

/// A node is named by a DNS label.
const MAX_NODE_ID_BYTES: u64 = 63;
/// A join token with its HPKE parts has about 300 bytes; half of a pure argument leaves room for a kubeconfig.
const MAX_CIPHERTEXT_BYTES: u64 = 8_192;
/// Four times the workers that one owner may have.
const MAX_STATUS_ENTRIES: u64 = 256;

/// The log of one boot at one size: intent 3.
public struct TreeHead has copy, drop {
    enclave_id: address,
    boot_id: vector<u8>,
    size: u64,
    root: vector<u8>,
}

/// A join token for one worker: intent 4. `worker_key` is the X25519 key (32 bytes) that the ciphertext is for.
public struct JoinToken has copy, drop {
    enclave_id: address,
    boot_id: vector<u8>,
    cluster: address,
    node_id: String,
    worker_key: vector<u8>,
    ciphertext: vector<u8>,
}

/// What the enclave saw of 1 to 256 workers: intent 5.
public struct WorkerStatus has copy, drop {
    enclave_id: address,
    boot_id: vector<u8>,
    cluster: address,
    entries: vector<WorkerStatusEntry>,
}

/// `status` is a number of the worker registry's table, `pods_served` counts since the worker joined.
public struct WorkerStatusEntry has copy, drop {
    node_id: String,
    status: u8,
    pods_served: u64,
}

/// Root of a journal at one revision: intent 6.
public struct Snapshot has copy, drop {
    enclave_id: address,
    boot_id: vector<u8>,
    revision: u64,
    root: vector<u8>,
}

/// State given from one boot to another, with the journal's revision and root: intent 7.
public struct Handoff has copy, drop {
    enclave_id: address,
    boot_id: vector<u8>,
    to_enclave_id: address,
    to_boot_id: vector<u8>,
    revision: u64,
    root: vector<u8>,
}

/// The last word of a boot, with its log's size and root and its journal's revision: intent 8.
public struct Drain has copy, drop {
    enclave_id: address,
    boot_id: vector<u8>,
    size: u64,
    root: vector<u8>,
    revision: u64,
}

/// What a worker says under its own status key, once per `sequence`: intent 9. `digest`: 32 bytes.
public struct WorkerStatement has copy, drop {
    cluster: address,
    node_id: String,
    sequence: u64,
    digest: vector<u8>,
}

/// The tree head that a message of intent 3 carries. Anyone may call.
/// Aborts: `wire::EWrongIntent` and the aborts of decoding (`wire`).
public fun parse_tree_head(message: &Message): TreeHead {
    let mut cursor = message.payload_cursor(wire::intent_tree_head());
    let tree_head = TreeHead {
        enclave_id: cursor.take_address(),
        boot_id: cursor.take_boot_id(),
        size: cursor.take_u64(),
        root: cursor.take_digest(),
    };
    cursor.finish();
    tree_head
}

/// The join token that a message of intent 4 carries. Anyone may call.
/// Aborts: `wire::EWrongIntent` and the aborts of decoding (`wire`).
public fun parse_join_token(message: &Message): JoinToken {
    let mut cursor = message.payload_cursor(wire::intent_join_token());
    let join_token = JoinToken {
        enclave_id: cursor.take_address(),
        boot_id: cursor.take_boot_id(),
        cluster: cursor.take_address(),
        node_id: cursor.take_string(MAX_NODE_ID_BYTES),
        worker_key: cursor.take_digest(),
        ciphertext: cursor.take_bytes(1, MAX_CIPHERTEXT_BYTES),
    };
    cursor.finish();
    join_token
}

/// The worker status that a message of intent 5 carries. Anyone may call.
/// Aborts: `wire::EWrongIntent` and the aborts of decoding (`wire`).
public fun parse_worker_status(message: &Message): WorkerStatus {
    let mut cursor = message.payload_cursor(wire::intent_worker_status());
    let (enclave_id, boot_id, cluster) = (cursor.take_address(), cursor.take_boot_id(), cursor.take_address());
    let count = cursor.take_count(1, MAX_STATUS_ENTRIES);
    let entries = vector::tabulate!(count, |_| WorkerStatusEntry {
        node_id: cursor.take_string(MAX_NODE_ID_BYTES),
        status: cursor.take_u8(),
        pods_served: cursor.take_u64(),
    });
    cursor.finish();
    WorkerStatus { enclave_id, boot_id, cluster, entries }
}

/// The snapshot that a message of intent 6 carries. Anyone may call.
/// Aborts: `wire::EWrongIntent` and the aborts of decoding (`wire`).
public fun parse_snapshot(message: &Message): Snapshot {
    let mut cursor = message.payload_cursor(wire::intent_snapshot());
    let snapshot = Snapshot {
        enclave_id: cursor.take_address(),
        boot_id: cursor.take_boot_id(),
        revision: cursor.take_u64(),
        root: cursor.take_digest(),
    };
    cursor.finish();
    snapshot
}

/// The handoff that a message of intent 7 carries. Anyone may call.
/// Aborts: `wire::EWrongIntent` and the aborts of decoding (`wire`).
public fun parse_handoff(message: &Message): Handoff {
    let mut cursor = message.payload_cursor(wire::intent_handoff());
    let handoff = Handoff {
        enclave_id: cursor.take_address(),
        boot_id: cursor.take_boot_id(),
        to_enclave_id: cursor.take_address(),
        to_boot_id: cursor.take_boot_id(),
        revision: cursor.take_u64(),
        root: cursor.take_digest(),
    };
    cursor.finish();
    handoff
}

/// The drain that a message of intent 8 carries. Anyone may call.
/// Aborts: `wire::EWrongIntent` and the aborts of decoding (`wire`).
public fun parse_drain(message: &Message): Drain {
    let mut cursor = message.payload_cursor(wire::intent_drain());
    let drain = Drain {
        enclave_id: cursor.take_address(),
        boot_id: cursor.take_boot_id(),
        size: cursor.take_u64(),
        root: cursor.take_digest(),
        revision: cursor.take_u64(),
    };
    cursor.finish();
    drain
}

/// The worker's statement that a message of intent 9 carries. Anyone may call.
/// Aborts: `wire::EWrongIntent` and the aborts of decoding (`wire`).
public fun parse_worker_statement(message: &Message): WorkerStatement {
    let mut cursor = message.payload_cursor(wire::intent_worker_statement());
    let worker_statement = WorkerStatement {
        cluster: cursor.take_address(),
        node_id: cursor.take_string(MAX_NODE_ID_BYTES),
        sequence: cursor.take_u64(),
        digest: cursor.take_digest(),
    };
    cursor.finish();
    worker_statement
}

/// Accessors, under the names of the fields as methods of their structure: anyone may call them; none aborts.
public use fun tree_head_enclave_id as TreeHead.enclave_id;
public fun tree_head_enclave_id(tree_head: &TreeHead): address { tree_head.enclave_id }

public use fun tree_head_boot_id as TreeHead.boot_id;
public fun tree_head_boot_id(tree_head: &TreeHead): &vector<u8> { &tree_head.boot_id }

public use fun tree_head_size as TreeHead.size;
public fun tree_head_size(tree_head: &TreeHead): u64 { tree_head.size }

public use fun tree_head_root as TreeHead.root;
public fun tree_head_root(tree_head: &TreeHead): &vector<u8> { &tree_head.root }

public use fun join_token_enclave_id as JoinToken.enclave_id;
public fun join_token_enclave_id(join_token: &JoinToken): address { join_token.enclave_id }

public use fun join_token_boot_id as JoinToken.boot_id;
public fun join_token_boot_id(join_token: &JoinToken): &vector<u8> { &join_token.boot_id }

public use fun join_token_cluster as JoinToken.cluster;
public fun join_token_cluster(join_token: &JoinToken): address { join_token.cluster }

public use fun join_token_node_id as JoinToken.node_id;
public fun join_token_node_id(join_token: &JoinToken): &String { &join_token.node_id }

public use fun join_token_worker_key as JoinToken.worker_key;
public fun join_token_worker_key(join_token: &JoinToken): &vector<u8> { &join_token.worker_key }

public use fun join_token_ciphertext as JoinToken.ciphertext;
public fun join_token_ciphertext(join_token: &JoinToken): &vector<u8> { &join_token.ciphertext }

public use fun worker_status_enclave_id as WorkerStatus.enclave_id;
public fun worker_status_enclave_id(worker_status: &WorkerStatus): address { worker_status.enclave_id }

public use fun worker_status_boot_id as WorkerStatus.boot_id;
public fun worker_status_boot_id(worker_status: &WorkerStatus): &vector<u8> { &worker_status.boot_id }

public use fun worker_status_cluster as WorkerStatus.cluster;
public fun worker_status_cluster(worker_status: &WorkerStatus): address { worker_status.cluster }

public use fun worker_status_entries as WorkerStatus.entries;
public fun worker_status_entries(worker_status: &WorkerStatus): &vector<WorkerStatusEntry> { &worker_status.entries }

public use fun snapshot_enclave_id as Snapshot.enclave_id;
public fun snapshot_enclave_id(snapshot: &Snapshot): address { snapshot.enclave_id }

public use fun snapshot_boot_id as Snapshot.boot_id;
public fun snapshot_boot_id(snapshot: &Snapshot): &vector<u8> { &snapshot.boot_id }

public use fun snapshot_revision as Snapshot.revision;
public fun snapshot_revision(snapshot: &Snapshot): u64 { snapshot.revision }

public use fun snapshot_root as Snapshot.root;
public fun snapshot_root(snapshot: &Snapshot): &vector<u8> { &snapshot.root }

public use fun handoff_enclave_id as Handoff.enclave_id;
public fun handoff_enclave_id(handoff: &Handoff): address { handoff.enclave_id }

public use fun handoff_boot_id as Handoff.boot_id;
public fun handoff_boot_id(handoff: &Handoff): &vector<u8> { &handoff.boot_id }

public use fun handoff_to_enclave_id as Handoff.to_enclave_id;
public fun handoff_to_enclave_id(handoff: &Handoff): address { handoff.to_enclave_id }

public use fun handoff_to_boot_id as Handoff.to_boot_id;
public fun handoff_to_boot_id(handoff: &Handoff): &vector<u8> { &handoff.to_boot_id }

public use fun handoff_revision as Handoff.revision;
public fun handoff_revision(handoff: &Handoff): u64 { handoff.revision }

public use fun handoff_root as Handoff.root;
public fun handoff_root(handoff: &Handoff): &vector<u8> { &handoff.root }

public use fun drain_enclave_id as Drain.enclave_id;
public fun drain_enclave_id(drain: &Drain): address { drain.enclave_id }

public use fun drain_boot_id as Drain.boot_id;
public fun drain_boot_id(drain: &Drain): &vector<u8> { &drain.boot_id }

public use fun drain_size as Drain.size;
public fun drain_size(drain: &Drain): u64 { drain.size }

public use fun drain_root as Drain.root;
public fun drain_root(drain: &Drain): &vector<u8> { &drain.root }

public use fun drain_revision as Drain.revision;
public fun drain_revision(drain: &Drain): u64 { drain.revision }

public use fun worker_statement_cluster as WorkerStatement.cluster;
public fun worker_statement_cluster(worker_statement: &WorkerStatement): address { worker_statement.cluster }

public use fun worker_statement_node_id as WorkerStatement.node_id;
public fun worker_statement_node_id(worker_statement: &WorkerStatement): &String { &worker_statement.node_id }

public use fun worker_statement_sequence as WorkerStatement.sequence;
public fun worker_statement_sequence(worker_statement: &WorkerStatement): u64 { worker_statement.sequence }

public use fun worker_statement_digest as WorkerStatement.digest;
public fun worker_statement_digest(worker_statement: &WorkerStatement): &vector<u8> { &worker_statement.digest }

public use fun status_entry_node_id as WorkerStatusEntry.node_id;
public fun status_entry_node_id(status_entry: &WorkerStatusEntry): &String { &status_entry.node_id }

public use fun status_entry_status as WorkerStatusEntry.status;
public fun status_entry_status(status_entry: &WorkerStatusEntry): u8 { status_entry.status }

public use fun status_entry_pods_served as WorkerStatusEntry.pods_served;
public fun status_entry_pods_served(status_entry: &WorkerStatusEntry): u64 { status_entry.pods_served }

#[test_only]
public fun new_tree_head_for_testing(
    enclave_id: address,
    boot_id: vector<u8>,
    size: u64,
    root: vector<u8>,
): TreeHead {
    TreeHead { enclave_id, boot_id, size, root }
}

#[test_only]
public fun new_join_token_for_testing(
    enclave_id: address,
    boot_id: vector<u8>,
    cluster: address,
    node_id: String,
    worker_key: vector<u8>,
    ciphertext: vector<u8>,
): JoinToken {
    JoinToken { enclave_id, boot_id, cluster, node_id, worker_key, ciphertext }
}

#[test_only]
public fun new_worker_status_for_testing(
    enclave_id: address,
    boot_id: vector<u8>,
    cluster: address,
    entries: vector<WorkerStatusEntry>,
): WorkerStatus {
    WorkerStatus { enclave_id, boot_id, cluster, entries }
}

#[test_only]
public fun new_snapshot_for_testing(
    enclave_id: address,
    boot_id: vector<u8>,
    revision: u64,
    root: vector<u8>,
): Snapshot {
    Snapshot { enclave_id, boot_id, revision, root }
}

#[test_only]
public fun new_handoff_for_testing(
    enclave_id: address,
    boot_id: vector<u8>,
    to_enclave_id: address,
    to_boot_id: vector<u8>,
    revision: u64,
    root: vector<u8>,
): Handoff {
    Handoff { enclave_id, boot_id, to_enclave_id, to_boot_id, revision, root }
}

#[test_only]
public fun new_drain_for_testing(
    enclave_id: address,
    boot_id: vector<u8>,
    size: u64,
    root: vector<u8>,
    revision: u64,
): Drain {
    Drain { enclave_id, boot_id, size, root, revision }
}

#[test_only]
public fun new_worker_statement_for_testing(
    cluster: address,
    node_id: String,
    sequence: u64,
    digest: vector<u8>,
): WorkerStatement {
    WorkerStatement { cluster, node_id, sequence, digest }
}

#[test_only]
public fun new_status_entry_for_testing(node_id: String, status: u8, pods_served: u64): WorkerStatusEntry {
    WorkerStatusEntry { node_id, status, pods_served }
}

/// bcs of any structure of this module.
#[test_only]
public fun bytes_for_testing<T: drop>(statement: &T): vector<u8> { std::bcs::to_bytes(statement) }

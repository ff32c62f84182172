/// The log of receipts as a Merkle tree (RFC 6962; the same hashes in RFC 9162).
///
/// Invariant: leaves and inner nodes are hashed under different first bytes, so no node passes for a leaf, and a
/// proof is taken only with the number of hashes that index and sizes fix. The answers are those of
/// `protocol/daas_protocol/log.py` for every u64 size. Sizes, roots and proofs are the caller's: a false answer
/// means "not shown".
module daas::merkle;

use std::bcs;
use std::hash::sha2_256;
use sui::address;

/// SHA-256.
const HASH_BYTES: u64 = 32;

#[error]
const EHashLength: vector<u8> = b"A hash of the tree must have 32 bytes: pass SHA-256 values only";

/// What an inner node is hashed over. An address is 32 raw bytes in BCS, so one native call joins the parts, where
/// a loop in Move would cost about a thousand instructions for every hash of a proof.
public struct NodePreimage has drop {
    prefix: u8,
    left: address,
    right: address,
}

/// SHA-256(0x00 || payload), 32 bytes. Anyone may call; never aborts.
public fun leaf_hash(payload: &vector<u8>): vector<u8> {
    let mut bytes = vector[0];
    bytes.append(*payload);
    sha2_256(bytes)
}

/// SHA-256(0x01 || left || right), 32 bytes, of two hashes of 32 bytes. Anyone may call. Aborts: `EHashLength`.
public fun node_hash(left: &vector<u8>, right: &vector<u8>): vector<u8> {
    assert!(is_hash(left) && is_hash(right), EHashLength);
    let node = NodePreimage { prefix: 1, left: address::from_bytes(*left), right: address::from_bytes(*right) };
    sha2_256(bcs::to_bytes(&node))
}

/// SHA-256 of nothing: the root of a log without leaves. Anyone may call; never aborts.
public fun empty_root(): vector<u8> {
    x"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
}

/// Whether `leaf_hash` is leaf `index` of the first `size` leaves, whose root is `root` (RFC 9162 section
/// 2.1.3.2). Anyone may call; never aborts.
public fun verify_inclusion(
    leaf_hash: &vector<u8>,
    index: u64,
    size: u64,
    proof: &vector<vector<u8>>,
    root: &vector<u8>,
): bool {
    if (index >= size || !is_hash(leaf_hash) || !are_hashes(proof)) return false;
    let mut position = index;
    let mut last = size - 1;
    let mut node = *leaf_hash;
    let mut i = 0;
    while (i < proof.length()) {
        if (last == 0) return false;
        if (position & 1 == 1 || position == last) {
            node = node_hash(&proof[i], &node);
            (position, last) = skip_whole_levels(position, last);
        } else {
            node = node_hash(&node, &proof[i]);
        };
        position = position >> 1;
        last = last >> 1;
        i = i + 1;
    };
    last == 0 && &node == root
}

/// Whether the tree of the first `old_size` leaves (`old_root`) is the beginning of that of the first `new_size`
/// (`new_root`) (RFC 9162 section 2.1.4.2; with an empty older tree everything is consistent). Anyone may call;
/// never aborts.
public fun verify_consistency(
    old_size: u64,
    old_root: &vector<u8>,
    new_size: u64,
    new_root: &vector<u8>,
    proof: &vector<vector<u8>>,
): bool {
    if (old_size > new_size || !is_hash(old_root) || !is_hash(new_root) || !are_hashes(proof)) return false;
    if (old_size == 0 && old_root != empty_root()) return false;
    if (old_size == new_size) return proof.is_empty() && old_root == new_root;
    if (old_size == 0) return proof.is_empty();
    if (proof.is_empty()) return false;
    let (mut position, mut last) = (old_size - 1, new_size - 1);
    while (position & 1 == 1) {
        position = position >> 1;
        last = last >> 1;
    };
    // An older tree that is one complete subtree needs no first hash: its root is where the path begins.
    let known = position == 0;
    let mut old = if (known) *old_root else proof[0];
    let mut new = old;
    let mut i = if (known) 0 else 1;
    while (i < proof.length()) {
        if (last == 0) return false;
        if (position & 1 == 1 || position == last) {
            old = node_hash(&proof[i], &old);
            new = node_hash(&proof[i], &new);
            (position, last) = skip_whole_levels(position, last);
        } else {
            new = node_hash(&new, &proof[i]);
        };
        position = position >> 1;
        last = last >> 1;
        i = i + 1;
    };
    last == 0 && &old == old_root && &new == new_root
}

/// Levels on which the node has no sibling, at the right edge of the tree, have no hash in a proof.
fun skip_whole_levels(position: u64, last: u64): (u64, u64) {
    let (mut position, mut last) = (position, last);
    while (position & 1 == 0 && position != 0) {
        position = position >> 1;
        last = last >> 1;
    };
    (position, last)
}

fun is_hash(bytes: &vector<u8>): bool {
    bytes.length() == HASH_BYTES
}

fun are_hashes(proof: &vector<vector<u8>>): bool {
    proof.all!(|hash| is_hash(hash))
}

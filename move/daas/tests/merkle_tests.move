/// Promises of the log's proofs: what holds in a tree made naively is shown, and nothing else is.
#[test_only]
module daas::merkle_tests;

use daas::merkle;

/// Bounds the hashes of one random case.
const MAX_LEAVES: u64 = 40;
const U64_MAX: u64 = 0xFFFF_FFFF_FFFF_FFFF;

fun leaves(count: u64, seed: u8): vector<vector<u8>> {
    vector::tabulate!(count, |i| merkle::leaf_hash(&vector[seed, i as u8]))
}

/// The largest power of two smaller than `count` (> 1).
fun split_of(count: u64): u64 {
    let mut k = 1;
    while (k * 2 < count) k = k * 2;
    k
}

/// RFC 6962 section 2.1, word for word.
fun root_of(leaves: &vector<vector<u8>>, start: u64, end: u64): vector<u8> {
    if (start == end) return merkle::empty_root();
    if (end - start == 1) return leaves[start];
    let middle = start + split_of(end - start);
    merkle::node_hash(&root_of(leaves, start, middle), &root_of(leaves, middle, end))
}

/// RFC 6962 section 2.1.1.
fun path_of(leaves: &vector<vector<u8>>, index: u64, start: u64, end: u64): vector<vector<u8>> {
    if (end - start == 1) return vector[];
    let middle = start + split_of(end - start);
    if (index < middle) {
        let mut path = path_of(leaves, index, start, middle);
        path.push_back(root_of(leaves, middle, end));
        path
    } else {
        let mut path = path_of(leaves, index, middle, end);
        path.push_back(root_of(leaves, start, middle));
        path
    }
}

/// RFC 6962 section 2.1.2: `whole` while the verifier knows the root of the range.
fun proof_of(leaves: &vector<vector<u8>>, old: u64, start: u64, end: u64, whole: bool): vector<vector<u8>> {
    if (old == end) return if (whole) vector[] else vector[root_of(leaves, start, end)];
    let middle = start + split_of(end - start);
    if (old <= middle) {
        let mut proof = proof_of(leaves, old, start, middle, whole);
        proof.push_back(root_of(leaves, middle, end));
        proof
    } else {
        let mut proof = proof_of(leaves, old, middle, end, false);
        proof.push_back(root_of(leaves, start, middle));
        proof
    }
}

fun changed(hash: &vector<u8>): vector<u8> {
    let mut hash = *hash;
    *&mut hash[0] = hash[0] ^ 1;
    hash
}

fun without_last(mut proof: vector<vector<u8>>): vector<vector<u8>> {
    proof.pop_back();
    proof
}

fun with_one_more(mut proof: vector<vector<u8>>): vector<vector<u8>> {
    proof.push_back(merkle::empty_root());
    proof
}

#[random_test]
fun a_leaf_is_shown_at_its_place_and_nowhere_else(size: u64, index: u64, other: u64, seed: u8) {
    let size = size % MAX_LEAVES + 1;
    let index = index % size;
    let leaves = leaves(size, seed);
    let root = root_of(&leaves, 0, size);
    let path = path_of(&leaves, index, 0, size);
    let leaf = leaves[index];
    assert!(merkle::verify_inclusion(&leaf, index, size, &path, &root));
    let other = other % (size + 2);
    if (other != index) assert!(!merkle::verify_inclusion(&leaf, other, size, &path, &root));
    assert!(!merkle::verify_inclusion(&changed(&leaf), index, size, &path, &root));
    assert!(!merkle::verify_inclusion(&leaf, index, size, &path, &changed(&root)));
    assert!(!merkle::verify_inclusion(&leaf, index, size, &with_one_more(path), &root));
    if (size > 1) assert!(!merkle::verify_inclusion(&leaf, index, size, &without_last(path), &root));
}

#[random_test]
fun an_older_tree_is_shown_as_the_beginning_and_no_other_is(old: u64, new: u64, seed: u8) {
    let new = new % MAX_LEAVES + 1;
    let old = old % new + 1;
    let leaves = leaves(new, seed);
    let (old_root, new_root) = (root_of(&leaves, 0, old), root_of(&leaves, 0, new));
    let proof = proof_of(&leaves, old, 0, new, true);
    assert!(merkle::verify_consistency(old, &old_root, new, &new_root, &proof));
    assert!(!merkle::verify_consistency(old, &changed(&old_root), new, &new_root, &proof));
    assert!(!merkle::verify_consistency(old, &old_root, new, &changed(&new_root), &proof));
    assert!(!merkle::verify_consistency(old, &old_root, new, &new_root, &with_one_more(proof)));
    if (old < new) {
        assert!(!merkle::verify_consistency(old, &old_root, new, &new_root, &without_last(proof)));
        assert!(!merkle::verify_consistency(new, &new_root, old, &old_root, &proof));
    };
}

#[test]
fun every_leaf_and_every_older_size_of_a_small_tree_is_shown() {
    let leaves = leaves(9, 0);
    let mut size = 1;
    while (size <= 9) {
        let root = root_of(&leaves, 0, size);
        size.do!(|index| {
            assert!(merkle::verify_inclusion(&leaves[index], index, size, &path_of(&leaves, index, 0, size), &root));
            let old = index + 1;
            let proof = proof_of(&leaves, old, 0, size, true);
            assert!(merkle::verify_consistency(old, &root_of(&leaves, 0, old), size, &root, &proof));
        });
        size = size + 1;
    };
}

#[test]
fun nothing_is_in_an_empty_tree() {
    let root = merkle::empty_root();
    assert!(!merkle::verify_inclusion(&root, 0, 0, &vector[], &root));
    assert!(!merkle::verify_inclusion(&root, U64_MAX, 0, &vector[], &root));
}

#[test]
fun everything_begins_with_the_empty_tree_and_its_one_root() {
    let (empty, root) = (merkle::empty_root(), merkle::leaf_hash(&b"leaf"));
    assert!(merkle::verify_consistency(0, &empty, 0, &empty, &vector[]));
    assert!(merkle::verify_consistency(0, &empty, U64_MAX, &root, &vector[]));
    assert!(!merkle::verify_consistency(0, &root, U64_MAX, &root, &vector[]));
    assert!(!merkle::verify_consistency(0, &root, 0, &root, &vector[]));
    assert!(!merkle::verify_consistency(0, &empty, 0, &root, &vector[]));
    assert!(!merkle::verify_consistency(0, &empty, 5, &root, &vector[copy empty]));
}

#[test]
fun one_size_has_one_root() {
    let (one, other) = (merkle::leaf_hash(&b"one"), merkle::leaf_hash(&b"other"));
    assert!(merkle::verify_consistency(U64_MAX, &one, U64_MAX, &one, &vector[]));
    assert!(!merkle::verify_consistency(U64_MAX, &one, U64_MAX, &other, &vector[]));
    assert!(!merkle::verify_consistency(U64_MAX, &one, U64_MAX, &one, &vector[copy one]));
}

#[test]
fun a_proof_of_too_few_or_too_many_hashes_shows_nothing_at_the_largest_size() {
    let hash = merkle::leaf_hash(&b"leaf");
    vector[0, 1, 62, 63, 64, 65, 66].do!(|count| {
        let proof = vector::tabulate!(count, |_| hash);
        assert!(!merkle::verify_inclusion(&hash, U64_MAX - 1, U64_MAX, &proof, &hash));
        assert!(!merkle::verify_consistency(U64_MAX - 1, &hash, U64_MAX, &hash, &proof));
        assert!(!merkle::verify_consistency(1, &hash, U64_MAX, &hash, &proof));
    });
}

#[test]
fun a_hash_too_many_shows_nothing_even_under_the_root_to_which_it_leads() {
    let leaves = leaves(5, 0);
    let (extra, root) = (merkle::leaf_hash(&b"extra"), root_of(&leaves, 0, 5));
    let beyond = merkle::node_hash(&extra, &root);
    let path = path_of(&leaves, 1, 0, 5);
    let mut longer = path;
    longer.push_back(extra);
    assert!(merkle::verify_inclusion(&leaves[1], 1, 5, &path, &root));
    assert!(!merkle::verify_inclusion(&leaves[1], 1, 5, &longer, &beyond));
    let old_beyond = merkle::node_hash(&extra, &root_of(&leaves, 0, 3));
    let mut longer = proof_of(&leaves, 3, 0, 5, true);
    longer.push_back(extra);
    assert!(!merkle::verify_consistency(3, &old_beyond, 5, &beyond, &longer));
}

#[test]
fun a_hash_of_another_length_shows_nothing() {
    let leaves = leaves(2, 0);
    let root = root_of(&leaves, 0, 2);
    let mut long = leaves[1];
    long.push_back(0);
    vector[vector[], b"short", long].do!(|wrong| {
        assert!(!merkle::verify_inclusion(&wrong, 0, 1, &vector[], &wrong));
        assert!(!merkle::verify_inclusion(&leaves[0], 0, 2, &vector[wrong], &root));
        assert!(!merkle::verify_inclusion(&leaves[0], 0, 2, &vector[leaves[1]], &wrong));
        assert!(!merkle::verify_consistency(1, &leaves[0], 2, &root, &vector[wrong]));
        assert!(!merkle::verify_consistency(1, &wrong, 2, &root, &vector[leaves[1]]));
        assert!(!merkle::verify_consistency(1, &leaves[0], 2, &wrong, &vector[leaves[1]]));
        assert!(!merkle::verify_consistency(1, &wrong, 1, &wrong, &vector[]));
    });
}

#[test]
fun a_leaf_is_no_node() {
    let (left, right) = (merkle::leaf_hash(&b"left"), merkle::leaf_hash(&b"right"));
    let mut joined = left;
    joined.append(right);
    assert!(merkle::leaf_hash(&joined) != merkle::node_hash(&left, &right));
    assert!(merkle::leaf_hash(&b"") == x"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
}

#[test, expected_failure(abort_code = merkle::EHashLength)]
fun a_left_hash_of_another_length_aborts() {
    merkle::node_hash(&x"00", &merkle::empty_root());
}

#[test, expected_failure(abort_code = merkle::EHashLength)]
fun a_right_hash_of_another_length_aborts() {
    merkle::node_hash(&merkle::empty_root(), &vector[]);
}

/// Promises of `daas::claims`.
#[test_only]
module daas::claims_tests;

use daas::binding;
use daas::claims::{Self, Attested, Document};
use daas::cluster;
use daas::world::{Self, World};
use std::hash::sha2_256;
use std::unit_test::assert_eq;

const DAY_MS: u64 = 86_400_000;
/// Default bounds of a document's age and of its lead.
const AGE_MS: u64 = 300_000;
const SKEW_MS: u64 = 30_000;
const MAX_U64: u64 = 0xFFFF_FFFF_FFFF_FFFF;
const KEY: vector<u8> = x"8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";

#[test]
fun a_fresh_document_of_this_slot_is_believed() {
    let world = world::new();
    let attested = check(&world, &world.document(1));
    assert_eq!(attested.binding().bytes_for_testing(), world.binding_bytes(1));
    assert_eq!(attested.public_key(), KEY);
    assert_eq!(attested.timestamp_ms(), world::start_ms());
    assert_eq!(attested.policy_version(), 1);
    world.destroy();
}

#[test]
fun a_document_of_the_greatest_age_is_believed() {
    let world = world::new();
    let attested = check(&world, &world.document_at(1, world::start_ms() - AGE_MS));
    assert_eq!(attested.timestamp_ms(), world::start_ms() - AGE_MS);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::EDocumentTooOld)]
fun a_document_a_millisecond_older_is_refused() {
    let world = world::new();
    check(&world, &world.document_at(1, world::start_ms() - AGE_MS - 1));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::EDocumentTooOld)]
fun a_document_of_time_zero_is_refused() {
    let world = world::new();
    check(&world, &world.document_at(1, 0));
    world.destroy();
}

#[test]
fun a_document_of_the_greatest_skew_is_believed() {
    let world = world::new();
    let attested = check(&world, &world.document_at(1, world::start_ms() + SKEW_MS));
    assert_eq!(attested.timestamp_ms(), world::start_ms() + SKEW_MS);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::EDocumentInFuture)]
fun a_document_a_millisecond_further_ahead_is_refused() {
    let world = world::new();
    check(&world, &world.document_at(1, world::start_ms() + SKEW_MS + 1));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::EDocumentInFuture)]
fun a_document_of_the_end_of_time_is_refused_by_name() {
    let world = world::new();
    check(&world, &world.document_at(1, MAX_U64));
    world.destroy();
}

#[test]
fun a_document_a_millisecond_after_the_last_is_believed() {
    let world = world::new();
    let attested = check_after(&world, &world.document(1), 0, world::start_ms() - 1);
    assert_eq!(attested.timestamp_ms(), world::start_ms());
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::EDocumentReplayed)]
fun a_document_of_the_time_of_the_last_is_refused() {
    let world = world::new();
    check_after(&world, &world.document(1), 0, world::start_ms());
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::EDocumentReplayed)]
fun a_document_older_than_the_last_is_refused() {
    let world = world::new();
    check_after(&world, &world.document_at(1, world::start_ms() - 1), 0, world::start_ms());
    world.destroy();
}

#[test]
fun the_nonce_is_the_generation_big_endian_behind_24_zeros() {
    assert_eq!(
        claims::expected_nonce(0),
        x"0000000000000000000000000000000000000000000000000000000000000000",
    );
    assert_eq!(
        claims::expected_nonce(0x0102030405060708),
        x"0000000000000000000000000000000000000000000000000102030405060708",
    );
    assert_eq!(
        claims::expected_nonce(MAX_U64),
        x"000000000000000000000000000000000000000000000000ffffffffffffffff",
    );
}

#[test]
fun a_document_of_the_present_generation_is_believed() {
    let world = world::new();
    let document = with_nonce(&world, option::some(claims::expected_nonce(258)));
    assert_eq!(check_after(&world, &document, 258, 0).policy_version(), 1);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::ENonce)]
fun a_nonce_of_the_generation_before_is_refused() {
    let world = world::new();
    check_after(&world, &world.document(1), 1, 0);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::ENonce)]
fun a_nonce_of_the_next_generation_is_refused() {
    let world = world::new();
    check(&world, &with_nonce(&world, option::some(claims::expected_nonce(1))));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::ENonce)]
fun a_nonce_of_31_zeros_is_refused() {
    let world = world::new();
    check(&world, &with_nonce(&world, option::some(zeros(31))));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::ENonce)]
fun a_nonce_of_33_zeros_is_refused() {
    let world = world::new();
    check(&world, &with_nonce(&world, option::some(zeros(33))));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::ENonce)]
fun a_document_without_nonce_is_refused() {
    let world = world::new();
    check(&world, &with_nonce(&world, option::none()));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::EPublicKeyLength)]
fun a_document_without_public_key_is_refused() {
    let world = world::new();
    check(&world, &with_key(&world, option::none()));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::EPublicKeyLength)]
fun a_public_key_of_31_bytes_is_refused() {
    let world = world::new();
    check(&world, &with_key(&world, option::some(zeros(31))));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::EPublicKeyLength)]
fun a_public_key_of_33_bytes_is_refused() {
    let world = world::new();
    check(&world, &with_key(&world, option::some(zeros(33))));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::EUserDataMissing)]
fun a_document_without_user_data_is_refused() {
    let world = world::new();
    check(&world, &with_data(&world, option::none()));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::wire::ETruncated)]
fun empty_user_data_is_refused() {
    let world = world::new();
    check(&world, &with_data(&world, option::some(vector[])));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::wire::ETruncated)]
fun user_data_that_ends_early_is_refused() {
    let world = world::new();
    let mut data = world.binding_bytes(1);
    data.pop_back();
    check(&world, &with_data(&world, option::some(data)));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::wire::ETrailingBytes)]
fun user_data_with_a_byte_more_is_refused() {
    let world = world::new();
    let mut data = world.binding_bytes(1);
    data.push_back(0);
    check(&world, &with_data(&world, option::some(data)));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::binding::EBindingVersion)]
fun user_data_of_another_version_is_refused() {
    let world = world::new();
    let mut data = world.binding_bytes(1);
    *&mut data[0] = 2;
    check(&world, &with_data(&world, option::some(data)));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::EWrongPackage)]
fun an_enclave_launched_for_another_package_is_refused() {
    let world = world::new();
    let (_, cluster, slot) = launched_for(&world);
    check(&world, &bound_to(&world, @0x2, cluster, slot, world::anchor()));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::EWrongCluster)]
fun an_enclave_launched_for_another_cluster_is_refused() {
    let world = world::new();
    let (package, _, slot) = launched_for(&world);
    check(&world, &bound_to(&world, package, @0x0, slot, world::anchor()));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::EWrongSlot)]
fun an_enclave_launched_for_no_slot_is_refused() {
    let world = world::new();
    let (package, cluster, _) = launched_for(&world);
    check(&world, &bound_to(&world, package, cluster, @0x0, world::anchor()));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::EWrongSlot)]
fun an_enclave_launched_for_another_slot_is_refused() {
    let world = world::new();
    let other = object::id_from_address(@0x77);
    claims::check(&world.document(1), world.cluster(), other, 0, 0, world.clock());
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::EAnchorNotAccepted)]
fun an_anchor_that_the_cluster_does_not_accept_is_refused() {
    let world = world::new();
    let (package, cluster, slot) = launched_for(&world);
    check(&world, &bound_to(&world, package, cluster, slot, sha2_256(b"newer anchor")));
    world.destroy();
}

#[test]
fun an_anchor_that_the_cluster_has_added_is_believed() {
    let mut world = world::new();
    add_newer_anchor(&mut world);
    let (package, cluster, slot) = launched_for(&world);
    let attested = check(&world, &bound_to(&world, package, cluster, slot, sha2_256(b"newer anchor")));
    assert_eq!(*attested.binding().light_client_anchor(), sha2_256(b"newer anchor"));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::EAnchorNotAccepted)]
fun a_retired_anchor_is_refused() {
    let mut world = world::new();
    add_newer_anchor(&mut world);
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    cluster.retire_anchor(admin, world::anchor());
    check(&world, &world.document(1));
    world.destroy();
}

#[test]
fun the_request_key_whose_hash_is_in_the_document_is_taken() {
    let world = world::new();
    let attested = check(&world, &world.document(1));
    attested.check_request_key(&world::request_key(1));
    assert_eq!(*attested.binding().request_key_sha256(), sha2_256(world::request_key(1)));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::ERequestKeyHash)]
fun another_request_key_is_refused() { check_key(world::request_key(2)); }

#[test]
#[expected_failure(abort_code = daas::claims::ERequestKeyLength)]
fun a_request_key_of_1215_bytes_is_refused() { check_key(zeros(1_215)); }

#[test]
#[expected_failure(abort_code = daas::claims::ERequestKeyLength)]
fun a_request_key_of_1217_bytes_is_refused() { check_key(zeros(1_217)); }

#[test]
#[expected_failure(abort_code = daas::claims::ERequestKeyLength)]
fun no_request_key_is_refused() { check_key(vector[]); }

/// As the slot of the world does before its first registration.
public(package) fun check(world: &World, document: &Document): Attested { check_after(world, document, 0, 0) }

fun check_after(world: &World, document: &Document, generation: u64, last_attested_ms: u64): Attested {
    let slot = world.enclave().id();
    claims::check(document, world.cluster(), slot, generation, last_attested_ms, world.clock())
}

fun check_key(request_key: vector<u8>) {
    let world = world::new();
    check(&world, &world.document(1)).check_request_key(&request_key);
    world.destroy();
}

fun with_key(world: &World, key: Option<vector<u8>>): Document {
    let nonce = option::some(claims::expected_nonce(0));
    claims::document_for_testing(world.now(), world::policy_pcrs(1), key, option::some(world.binding_bytes(1)), nonce)
}

fun with_data(world: &World, user_data: Option<vector<u8>>): Document {
    let nonce = option::some(claims::expected_nonce(0));
    claims::document_for_testing(world.now(), world::policy_pcrs(1), option::some(KEY), user_data, nonce)
}

fun with_nonce(world: &World, nonce: Option<vector<u8>>): Document {
    let user_data = option::some(world.binding_bytes(1));
    claims::document_for_testing(world.now(), world::policy_pcrs(1), option::some(KEY), user_data, nonce)
}

/// Package, cluster and slot that a document of the world must name.
fun launched_for(world: &World): (address, address, address) {
    (@daas, world.cluster().id().to_address(), world.enclave().id().to_address())
}

fun bound_to(world: &World, package: address, cluster: address, slot: address, anchor: vector<u8>): Document {
    let binding = binding::new_for_testing(
        package,
        cluster,
        slot,
        world::boot_id(1),
        anchor,
        sha2_256(world::request_key(1)),
        sha2_256(vector[1]),
    );
    with_data(world, option::some(binding.bytes_for_testing()))
}

fun add_newer_anchor(world: &mut World) { activate(world, cluster::anchor_change(sha2_256(b"newer anchor"))) }

public(package) fun activate(world: &mut World, change: cluster::Change) {
    let (cluster, admin, _, _, _, _, _, clock) = world.parts();
    let proposal = cluster.propose(admin, change, clock);
    world.wait(DAY_MS);
    let (cluster, _, _, _, _, _, _, clock) = world.parts();
    cluster.activate(proposal, clock);
}

public(package) fun zeros(count: u64): vector<u8> { vector::tabulate!(count, |_| 0) }

/// Promises of `daas::enclave` about heartbeats.
#[test_only]
module daas::enclave_heartbeat_tests;

use daas::binding;
use daas::claims::{Self, Document};
use daas::cluster;
use daas::enclave::BootAttested;
use daas::enclave_tests::{check_newest, destroy_cluster, register, revoke, unbond_operator};
use daas::variants;
use daas::world::{Self, World};
use std::hash::sha2_256;
use std::unit_test::assert_eq;
use sui::bcs;

const DAY_MS: u64 = 86_400_000;
/// Default registration life.
const LIFE_MS: u64 = 86_400_000;

#[test]
fun a_heartbeat_extends_the_current_boot_and_is_told() {
    let mut world = world::serving();
    let before = world.cluster().state();
    world.wait(LIFE_MS - 1);
    let document = world.document(1);
    heartbeat(&mut world, &document, vector[], world::operator());
    let slot = world.enclave();
    let boot = slot.current().borrow();
    assert_eq!(boot.attested_at_ms(), world.now());
    assert_eq!(boot.expires_at_ms(), world.now() + LIFE_MS);
    assert_eq!(boot.boot_generation(), 1);
    assert_eq!(slot.generation(), 1);
    assert_eq!(slot.request_key_id(), 1);
    let after = check_newest<BootAttested>(&world, before, attested(&world, 1, vector[]));
    assert_eq!(after, world.cluster().state());
    world.wait(LIFE_MS - 1);
    assert!(world.enclave().is_serving(world.cluster(), world.clock()));
    world.wait(1);
    assert!(!world.enclave().is_serving(world.cluster(), world.clock()));
    world.destroy();
}

#[test]
fun a_boot_that_has_expired_serves_again_after_a_heartbeat() {
    let mut world = world::serving();
    world.wait(2 * LIFE_MS);
    assert!(!world.enclave().is_serving(world.cluster(), world.clock()));
    let document = world.document(1);
    heartbeat(&mut world, &document, vector[], world::operator());
    assert!(world.enclave().is_serving(world.cluster(), world.clock()));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::EWrongCluster)]
fun a_heartbeat_is_not_judged_by_the_policy_of_another_cluster() {
    let mut world = world::serving();
    let (mut other, admin, veto) = variants::other_cluster(&mut world);
    let document = world.document(1);
    let ctx = &world.as_sender(world::operator());
    let (_, _, _, pool, _, slot, _, clock) = world.parts();
    slot.heartbeat_document(&mut other, pool, &document, vector[], clock, ctx);
    destroy_cluster(other, admin, veto);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::ENoCurrentBoot)]
fun a_slashed_boot_has_no_heartbeat() {
    let mut world = world::serving();
    let (cluster, _, _, _, _, slot, _, _) = world.parts();
    slot.end_slashed(cluster, &world::boot_id(1));
    world.wait(1);
    let document = world.document(1);
    heartbeat(&mut world, &document, vector[], world::operator());
    world.destroy();
}

#[test]
fun a_heartbeat_brings_a_new_request_key() {
    let mut world = world::serving();
    let before = world.cluster().state();
    world.wait(1);
    let document = document_of(&world, 1, 1, 1, 9);
    heartbeat(&mut world, &document, world::request_key(9), world::operator());
    assert_eq!(world.enclave().request_key_id(), 2);
    assert_eq!(*world.enclave().request_key(), world::request_key(9));
    check_newest<BootAttested>(&world, before, attested(&world, 2, world::request_key(9)));
    // From now on the new key is the one that does not change.
    world.wait(1);
    let document = document_of(&world, 1, 1, 1, 9);
    heartbeat(&mut world, &document, vector[], world::operator());
    assert_eq!(world.enclave().request_key_id(), 2);
    world.destroy();
}

#[test]
fun a_heartbeat_may_repeat_the_request_key() {
    let mut world = world::serving();
    let before = world.cluster().state();
    world.wait(1);
    let document = world.document(1);
    heartbeat(&mut world, &document, world::request_key(1), world::operator());
    assert_eq!(world.enclave().request_key_id(), 1);
    check_newest<BootAttested>(&world, before, attested(&world, 1, vector[]));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::ERequestKeyHash)]
fun a_heartbeat_with_another_key_than_the_document_s_is_refused() {
    let mut world = world::serving();
    world.wait(1);
    let document = world.document(1);
    heartbeat(&mut world, &document, world::request_key(9), world::operator());
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::ERequestKeyLength)]
fun a_heartbeat_cannot_change_the_request_key_without_showing_it() {
    let mut world = world::serving();
    world.wait(1);
    let document = document_of(&world, 1, 1, 1, 9);
    heartbeat(&mut world, &document, vector[], world::operator());
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::EKeyChanged)]
fun a_heartbeat_of_another_boot_id_is_refused() {
    let mut world = world::serving();
    world.wait(1);
    let document = document_of(&world, 2, 1, 1, 1);
    heartbeat(&mut world, &document, vector[], world::operator());
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::EKeyChanged)]
fun a_heartbeat_of_another_receipt_key_is_refused() {
    let mut world = world::serving();
    world.wait(1);
    let document = document_of(&world, 1, 2, 1, 1);
    heartbeat(&mut world, &document, vector[], world::operator());
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::EKeyChanged)]
fun a_heartbeat_of_another_tls_key_is_refused() {
    let mut world = world::serving();
    world.wait(1);
    let document = document_of(&world, 1, 1, 2, 1);
    heartbeat(&mut world, &document, vector[], world::operator());
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::ENoCurrentBoot)]
fun a_slot_without_a_boot_takes_no_heartbeat() {
    let mut world = world::new();
    let document = world.document(1);
    heartbeat(&mut world, &document, vector[], world::operator());
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::EKeyChanged)]
fun a_superseded_boot_does_not_come_back_by_a_heartbeat() {
    let mut world = world::serving();
    world.wait(1);
    world.register(2);
    world.wait(1);
    let document = world.document(1);
    heartbeat(&mut world, &document, vector[], world::operator());
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::ENotOperator)]
fun only_the_operator_sends_heartbeats() {
    let mut world = world::serving();
    world.wait(1);
    let document = world.document(1);
    heartbeat(&mut world, &document, vector[], world::admin());
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::EInsufficientStake)]
fun an_operator_whose_stake_unbonds_cannot_go_on_with_heartbeats() {
    let mut world = world::serving();
    unbond_operator(&mut world);
    world.wait(1);
    let document = world.document(1);
    heartbeat(&mut world, &document, vector[], world::operator());
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::EDocumentReplayed)]
fun the_document_of_the_registration_is_no_heartbeat() {
    let mut world = world::new();
    // Registration has raised the generation, so the nonce would refuse it as well: time is judged first.
    let document = world.document(1);
    register(&mut world, &document, 1, world::operator());
    world.wait(1);
    heartbeat(&mut world, &document, vector[], world::operator());
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::EDocumentReplayed)]
fun the_same_heartbeat_is_not_taken_twice() {
    let mut world = world::serving();
    world.wait(1);
    let document = world.document(1);
    heartbeat(&mut world, &document, vector[], world::operator());
    world.wait(1);
    heartbeat(&mut world, &document, vector[], world::operator());
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::ENoMatchingPolicy)]
fun a_boot_of_a_revoked_version_has_no_heartbeat() {
    let mut world = world::serving();
    revoke(&mut world, 1);
    world.wait(1);
    let document = world.document(1);
    heartbeat(&mut world, &document, vector[], world::operator());
    world.destroy();
}

#[test]
fun a_heartbeat_moves_a_boot_to_the_newest_version_that_it_matches() {
    let mut world = world::serving();
    let (cluster, admin, _, _, _, _, _, clock) = world.parts();
    let proposal = cluster.propose(admin, cluster::policy_change(2, world::policy_pcrs(1)), clock);
    world.wait(DAY_MS);
    let (cluster, _, _, _, _, _, _, clock) = world.parts();
    cluster.activate(proposal, clock);
    revoke(&mut world, 1);
    let document = world.document(1);
    heartbeat(&mut world, &document, vector[], world::operator());
    assert_eq!(world.enclave().current().borrow().policy_version(), 2);
    assert!(world.enclave().is_serving(world.cluster(), world.clock()));
    world.destroy();
}

#[test]
fun a_heartbeat_forgets_nothing_that_is_held_against_the_boot() {
    let mut world = world::serving();
    let (_, _, _, _, _, slot, _, _) = world.parts();
    slot.set_log(&world::boot_id(1), 5, sha2_256(b"five"));
    assert!(!slot.was_slashed(&world::boot_id(1), 0));
    slot.mark_slashed(&world::boot_id(1), 0);
    world.wait(1);
    let document = world.document(1);
    heartbeat(&mut world, &document, vector[], world::operator());
    let (_, _, _, _, _, slot, _, _) = world.parts();
    let boot = slot.boot(&world::boot_id(1));
    assert_eq!(boot.log_size(), 5);
    assert_eq!(*boot.log_root(), sha2_256(b"five"));
    assert!(slot.was_slashed(&world::boot_id(1), 0));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::version::EWrongVersion)]
fun a_slot_of_another_version_takes_no_heartbeat() {
    let mut world = world::serving();
    let (_, _, _, _, _, slot, _, _) = world.parts();
    slot.set_version(2);
    let document = world.document(1);
    heartbeat(&mut world, &document, vector[], world::operator());
    world.destroy();
}

fun heartbeat(world: &mut World, document: &Document, request_key: vector<u8>, sender: address) {
    let ctx = &world.as_sender(sender);
    let (cluster, _, _, pool, _, slot, _, clock) = world.parts();
    slot.heartbeat_document(cluster, pool, document, request_key, clock, ctx);
}

/// A fresh document whose parts are those of the boots of these numbers.
fun document_of(world: &World, boot: u8, receipt_key: u8, tls: u8, request_key: u8): Document {
    let binding = binding::new_for_testing(
        @daas,
        world.cluster().id().to_address(),
        world.enclave().id().to_address(),
        world::boot_id(boot),
        world::anchor(),
        sha2_256(world::request_key(request_key)),
        sha2_256(vector[tls]),
    );
    claims::document_for_testing(
        world.now(),
        world::policy_pcrs(1),
        option::some(world::receipt_public_key(receipt_key)),
        option::some(binding.bytes_for_testing()),
        option::some(claims::expected_nonce(world.enclave().generation())),
    )
}

/// bcs of the BootAttested of boot 1 now.
fun attested(world: &World, request_key_id: u64, request_key: vector<u8>): vector<u8> {
    let mut body = vector[22];
    body.append(world.enclave().id().to_bytes());
    body.append(bcs::to_bytes(&world::boot_id(1)));
    body.append(bcs::to_bytes(&1u64));
    body.append(bcs::to_bytes(&world.now()));
    body.append(bcs::to_bytes(&(world.now() + LIFE_MS)));
    body.append(bcs::to_bytes(&request_key_id));
    body.append(bcs::to_bytes(&request_key));
    body
}

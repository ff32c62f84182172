/// Promises of `daas::enclave` about slots, registrations, beacons, earnings and versions.
#[test_only]
module daas::enclave_tests;

use daas::claims::Document;
use daas::cluster;
use daas::enclave::{Self, BootEnded, BootRegistered, Enclave, SlotCreated};
use daas::heads::{Beacon, ChainHead, Event};
use daas::variants;
use daas::world::{Self, World};
use std::hash::sha2_256;
use std::unit_test::{assert_eq, destroy};
use sui::balance;
use sui::bcs;
use sui::event;
use sui::sui::SUI;
use sui::test_scenario;

/// Default registration life.
const LIFE_MS: u64 = 86_400_000;

#[test]
fun a_slot_begins_empty_and_is_told() {
    let world = world::new();
    let slot = world.enclave();
    assert_eq!(slot.operator(), world::operator());
    assert_eq!(slot.cluster_id(), world.cluster().id());
    assert_eq!(slot.generation(), 0);
    assert_eq!(slot.revision(), 0);
    assert_eq!(slot.request_key_id(), 0);
    assert_eq!(slot.earnings(), 0);
    assert!(slot.current().is_none());
    assert!(slot.journal().is_none());
    assert!(!slot.is_serving(world.cluster(), world.clock()));
    let events = event::events_by_type<Event<SlotCreated>>();
    assert_eq!(events.length(), 1);
    let mut body = vector[20];
    body.append(slot.id().to_bytes());
    body.append(world::operator().to_bytes());
    assert_eq!(bcs::to_bytes(events[0].body()), body);
    assert_eq!(*events[0].mailbox_of(), option::some(slot.mailbox_head()));
    world.destroy();
}

#[test]
fun a_new_slot_moves_the_state_chain_by_one_and_no_other_slot_s_mailbox() {
    let mut world = world::new();
    let before = world.cluster().state();
    let mailbox = world.enclave().mailbox_head();
    let ctx = &mut world.as_sender(world::operator());
    let (cluster, _, _, _, _, _, _, _) = world.parts();
    let second = enclave::create_slot(cluster, ctx);
    let mut body = vector[20];
    body.append(second.id().to_bytes());
    body.append(world::operator().to_bytes());
    let mut chained = *before.head();
    chained.append(sha2_256(body));
    assert_eq!(cluster.state_head(), sha2_256(chained));
    assert_eq!(cluster.state_seq(), before.seq() + 1);
    assert_eq!(world.enclave().mailbox_head(), mailbox);
    assert!(second.mailbox_head() != mailbox);
    destroy(second);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::ENotAdmitted)]
fun a_slot_is_made_by_an_admitted_operator_only() {
    let mut world = world::new();
    let ctx = &mut world.as_sender(@0xBAD);
    let (cluster, _, _, _, _, _, _, _) = world.parts();
    destroy(enclave::create_slot(cluster, ctx));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::version::EWrongVersion)]
fun no_slot_is_made_in_a_cluster_of_another_version() {
    let mut world = world::new();
    let ctx = &mut world.as_sender(world::operator());
    let (cluster, _, _, _, _, _, _, _) = world.parts();
    cluster.set_version(2);
    destroy(enclave::create_slot(cluster, ctx));
    world.destroy();
}

#[test]
fun a_slot_is_shared() {
    let mut scenario = test_scenario::begin(world::operator());
    let mut world = world::new();
    scenario.next_tx(world::operator());
    let (cluster, _, _, _, _, _, _, _) = world.parts();
    let slot = enclave::create_slot(cluster, scenario.ctx());
    let id = slot.id();
    slot.share_slot();
    scenario.next_tx(@0x1);
    let slot = scenario.take_shared<Enclave>();
    assert_eq!(slot.id(), id);
    test_scenario::return_shared(slot);
    scenario.end();
    world.destroy();
}

#[test]
fun an_operator_no_longer_admitted_keeps_the_slot_that_he_has() {
    let mut world = world::new();
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    cluster.admit_operator(admin, world::operator(), false);
    world.register(1);
    assert!(world.enclave().is_serving(world.cluster(), world.clock()));
    world.destroy();
}

#[test]
fun a_registered_boot_is_current_and_told() {
    let mut world = world::new();
    let before = world.cluster().state();
    world.register(1);
    let slot = world.enclave();
    assert_eq!(slot.generation(), 1);
    assert_eq!(slot.request_key_id(), 1);
    assert_eq!(*slot.request_key(), world::request_key(1));
    let boot = slot.current().borrow();
    assert_eq!(*boot.boot_id(), world::boot_id(1));
    assert_eq!(*boot.public_key(), world::receipt_public_key(1));
    assert_eq!(*boot.tls_spki_sha256(), sha2_256(vector[1]));
    assert_eq!(boot.boot_generation(), 1);
    assert_eq!(boot.policy_version(), 1);
    assert_eq!(boot.attested_at_ms(), world::start_ms());
    assert_eq!(boot.expires_at_ms(), world::start_ms() + LIFE_MS);
    assert_eq!(boot.end_reason(), 0);
    assert_eq!(boot.log_size(), 0);
    assert_eq!(*boot.log_root(), sha2_256(b""));
    assert!(slot.has_boot(&world::boot_id(1)));
    let mut body = vector[21];
    body.append(slot.id().to_bytes());
    body.append(bcs::to_bytes(boot));
    body.append(bcs::to_bytes(&1u64));
    body.append(bcs::to_bytes(&world::request_key(1)));
    let after = check_newest<BootRegistered>(&world, before, body);
    assert_eq!(after, world.cluster().state());
    assert!(event::events_by_type<Event<BootEnded>>().is_empty());
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::ENoCurrentBoot)]
fun a_slot_has_no_request_key_before_its_first_boot() {
    let world = world::new();
    world.enclave().request_key();
    world.destroy();
}

#[test]
fun a_second_boot_supersedes_the_first() {
    let mut world = world::serving();
    let mailbox = world.enclave().mailbox_head();
    let before = world.cluster().state();
    world.wait(1);
    world.register(2);
    let slot = world.enclave();
    assert_eq!(slot.generation(), 2);
    assert_eq!(slot.request_key_id(), 2);
    assert_eq!(*slot.request_key(), world::request_key(2));
    assert_eq!(*slot.current().borrow().boot_id(), world::boot_id(2));
    assert_eq!(slot.current().borrow().boot_generation(), 2);
    assert_eq!(slot.boot(&world::boot_id(1)).end_reason(), 1);
    let between = check_newest<BootEnded>(&world, before, ended(&world, 1, 1));
    let mut body = vector[21];
    body.append(slot.id().to_bytes());
    body.append(bcs::to_bytes(slot.current().borrow()));
    body.append(bcs::to_bytes(&2u64));
    body.append(bcs::to_bytes(&world::request_key(2)));
    let after = check_newest<BootRegistered>(&world, between, body);
    assert_eq!(after, world.cluster().state());
    // Boots are on the state chain only.
    assert_eq!(slot.mailbox_head(), mailbox);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::EDocumentReplayed)]
fun the_same_document_does_not_register_twice() {
    let mut world = world::new();
    let document = world.document(1);
    register(&mut world, &document, 1, world::operator());
    register(&mut world, &document, 1, world::operator());
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::ENonce)]
fun a_document_of_the_generation_before_does_not_register() {
    let mut world = world::new();
    let held_back = world.document(2);
    let older = world.document_at(1, world::start_ms() - 1);
    register(&mut world, &older, 1, world::operator());
    register(&mut world, &held_back, 2, world::operator());
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::EBootIdUsed)]
fun the_current_boot_s_id_is_not_registered_again() {
    let mut world = world::serving();
    world.wait(1);
    world.register(1);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::EBootIdUsed)]
fun an_ended_boot_s_id_is_not_registered_again() {
    let mut world = world::serving();
    world.wait(1);
    world.register(2);
    world.wait(1);
    world.register(1);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::ENotOperator)]
fun only_the_operator_registers() {
    let mut world = world::new();
    let document = world.document(1);
    register(&mut world, &document, 1, world::admin());
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::EInsufficientStake)]
fun an_operator_whose_stake_unbonds_does_not_register() {
    let mut world = world::new();
    unbond_operator(&mut world);
    world.register(1);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::EInsufficientStake)]
fun an_operator_slashed_below_the_minimum_does_not_register() {
    let mut world = world::new();
    slash_operator(&mut world, world::sui(90) + 1);
    world.register(1);
    world.destroy();
}

#[test]
fun an_operator_with_the_minimum_registers() {
    let mut world = world::new();
    slash_operator(&mut world, world::sui(90));
    world.register(1);
    assert!(world.enclave().is_staked(world.cluster(), world.pool()));
    slash_operator(&mut world, 1);
    assert!(!world.enclave().is_staked(world.cluster(), world.pool()));
    world.destroy();
}

#[test]
fun a_stake_that_somebody_else_has_put_on_the_slot_does_not_count() {
    let mut world = world::new();
    slash_operator(&mut world, world::sui(91));
    let ctx = &mut world.as_sender(@0xBAD);
    let payment = world::mint(world::sui(100), ctx);
    let (cluster, _, _, pool, _, slot, _, _) = world.parts();
    pool.deposit_operator(cluster, slot.id(), payment, ctx);
    assert!(!slot.is_staked(cluster, pool));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::stake::EWrongPool)]
fun a_stake_in_another_cluster_s_pool_does_not_count() {
    let mut world = world::new();
    let (mut other, admin, veto) = variants::other_cluster(&mut world);
    let ctx = &mut world.as_sender(world::admin());
    let pool = daas::stake::create_pool(&mut other, &admin, ctx);
    world.enclave().is_staked(world.cluster(), &pool);
    destroy(pool);
    destroy_cluster(other, admin, veto);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::EWrongCluster)]
fun a_slot_is_not_registered_by_the_policy_of_another_cluster() {
    let mut world = world::new();
    let (mut other, admin, veto) = variants::other_cluster(&mut world);
    let document = world.document(1);
    let ctx = &world.as_sender(world::operator());
    let (_, _, _, pool, _, slot, _, clock) = world.parts();
    slot.register_document(&mut other, pool, &document, world::request_key(1), clock, ctx);
    destroy_cluster(other, admin, veto);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::ERequestKeyHash)]
fun a_request_key_that_is_not_in_the_document_is_refused() {
    let mut world = world::new();
    let document = world.document(1);
    register(&mut world, &document, 2, world::operator());
    world.destroy();
}

#[test]
fun a_beacon_shows_both_heads_and_moves_neither() {
    let mut world = world::serving();
    world.submit(1);
    let (state, mailbox) = (world.cluster().state(), world.enclave().mailbox_head());
    world.enclave().beacon(world.cluster(), world.clock());
    let events = event::events_by_type<Event<Beacon>>();
    assert_eq!(events.length(), 1);
    let mut body = vector[0];
    body.append(bcs::to_bytes(&world.now()));
    assert_eq!(bcs::to_bytes(events[0].body()), body);
    assert_eq!(*events[0].state_of(), option::some(state));
    assert_eq!(*events[0].mailbox_of(), option::some(mailbox));
    assert_eq!(world.cluster().state(), state);
    assert_eq!(world.enclave().mailbox_head(), mailbox);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::EWrongCluster)]
fun a_beacon_does_not_join_a_slot_to_another_cluster() {
    let mut world = world::new();
    let (other, admin, veto) = variants::other_cluster(&mut world);
    world.enclave().beacon(&other, world.clock());
    destroy_cluster(other, admin, veto);
    world.destroy();
}

#[test]
fun the_operator_withdraws_what_was_earned() {
    let mut world = world::new();
    let ctx = &mut world.as_sender(world::operator());
    let (_, _, _, _, _, slot, _, _) = world.parts();
    slot.earn(balance::create_for_testing<SUI>(70));
    slot.earn(balance::create_for_testing<SUI>(7));
    assert_eq!(slot.earnings(), 77);
    let coin = slot.withdraw_earnings(ctx);
    assert_eq!(coin.value(), 77);
    assert_eq!(slot.earnings(), 0);
    destroy(coin);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::enclave::ENotOperator)]
fun nobody_else_withdraws_earnings() {
    let mut world = world::new();
    let ctx = &mut world.as_sender(world::admin());
    let (_, _, _, _, _, slot, _, _) = world.parts();
    destroy(slot.withdraw_earnings(ctx));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::version::EWrongVersion)]
fun a_slot_of_another_version_pays_no_earnings() {
    let mut world = of_version(0);
    let ctx = &mut world.as_sender(world::operator());
    let (_, _, _, _, _, slot, _, _) = world.parts();
    destroy(slot.withdraw_earnings(ctx));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::version::EWrongVersion)]
fun a_slot_of_another_version_registers_no_boot() {
    let mut world = of_version(2);
    world.register(1);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::version::EWrongVersion)]
fun a_cluster_of_another_version_registers_no_boot() {
    let mut world = world::new();
    let (cluster, _, _, _, _, _, _, _) = world.parts();
    cluster.set_version(2);
    world.register(1);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::version::EWrongVersion)]
fun a_slot_of_another_version_has_no_beacon() {
    let world = of_version(2);
    world.enclave().beacon(world.cluster(), world.clock());
    world.destroy();
}

#[test]
fun a_migrated_slot_works_again() {
    let mut world = of_version(0);
    let (_, admin, _, _, _, slot, _, _) = world.parts();
    slot.migrate(admin);
    world.register(1);
    assert_eq!(world.enclave().generation(), 1);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::version::ENothingToMigrate)]
fun a_slot_of_this_version_is_not_migrated() {
    let mut world = world::new();
    let (_, admin, _, _, _, slot, _, _) = world.parts();
    slot.migrate(admin);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::cluster::EWrongCap)]
fun a_slot_is_migrated_by_its_cluster_s_admin_only() {
    let mut world = of_version(0);
    let (other, admin, veto) = variants::other_cluster(&mut world);
    let (_, _, _, _, _, slot, _, _) = world.parts();
    slot.migrate(&admin);
    destroy_cluster(other, admin, veto);
    world.destroy();
}

public(package) fun register(world: &mut World, document: &Document, request_key: u8, sender: address) {
    let ctx = &world.as_sender(sender);
    let (cluster, _, _, pool, _, slot, _, clock) = world.parts();
    slot.register_document(cluster, pool, document, world::request_key(request_key), clock, ctx);
}

public(package) fun unbond_operator(world: &mut World) {
    let (cluster, _, _, pool, _, slot, _, clock) = world.parts();
    pool.unbond(cluster, slot.stake_key(), clock);
}

fun slash_operator(world: &mut World, amount: u64) {
    let ctx = &mut world.as_sender(world::admin());
    let (cluster, _, _, pool, _, slot, _, _) = world.parts();
    assert_eq!(pool.slash(cluster.params(), slot.stake_key(), amount, world::admin(), ctx), amount);
}

public(package) fun revoke(world: &mut World, version: u64) {
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    cluster.revoke_policy(admin, version);
}

fun of_version(version: u64): World {
    let mut world = world::new();
    let (_, _, _, _, _, slot, _, _) = world.parts();
    slot.set_version(version);
    world
}

public(package) fun destroy_cluster(cluster: cluster::Cluster, admin: cluster::AdminCap, veto: cluster::VetoCap) {
    destroy(cluster);
    destroy(admin);
    destroy(veto);
}

/// bcs of the BootEnded of boot `number`.
public(package) fun ended(world: &World, number: u8, reason: u8): vector<u8> {
    let mut body = vector[23];
    body.append(world.enclave().id().to_bytes());
    body.append(bcs::to_bytes(&world::boot_id(number)));
    body.push_back(reason);
    body
}

/// The newest event with such a body has these bytes and moved the state chain on from `before` by itself alone.
/// Returns the head after it.
public(package) fun check_newest<Body: copy + drop>(world: &World, before: ChainHead, body: vector<u8>): ChainHead {
    let events = event::events_by_type<Event<Body>>();
    let newest = &events[events.length() - 1];
    assert_eq!(bcs::to_bytes(newest.body()), body);
    let after = *newest.state_of().borrow();
    let mut chained = *before.head();
    chained.append(sha2_256(body));
    assert_eq!(*after.head(), sha2_256(chained));
    assert_eq!(after.seq(), before.seq() + 1);
    assert_eq!(*newest.mailbox_of(), option::some(world.enclave().mailbox_head()));
    after
}

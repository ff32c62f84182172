/// Promises of `daas::stake`.
#[test_only]
module daas::stake_tests;

use daas::stake::{
    Self,
    StakeDepositedEvent,
    StakeKey,
    StakeProof,
    StakeUnbondingEvent,
    StakeWithdrawnEvent
};
use daas::variants;
use daas::world::{Self, World};
use std::unit_test::{assert_eq, destroy};
use sui::bcs;
use sui::coin::Coin;
use sui::event;
use sui::sui::SUI;
use sui::test_scenario;

const ALICE: address = @0xA11CE;
const REPORTER: address = @0x4E;
const NODE: vector<u8> = b"node-1";
const SUI_MIST: u64 = 1_000_000_000;
const UNBONDING_MS: u64 = 1_209_600_000;

/// Positions in the list of parameters.
const MIN_REQUESTER: u64 = 16;
const MIN_WORKER: u64 = 17;
const MIN_OPERATOR: u64 = 18;

#[test]
fun the_minimum_of_each_role_is_enough() {
    let mut world = world::with_params(
        variants::params_with_each(vector[MIN_REQUESTER, MIN_WORKER, MIN_OPERATOR], vector[11, 22, 33]),
    );
    deposit_requester(&mut world, 11);
    deposit_worker(&mut world, 22);
    deposit_operator(&mut world, 33);
    assert_eq!(world.pool().stake_of(requester()), 11);
    assert_eq!(world.pool().stake_of(worker()), 22);
    assert_eq!(world.pool().stake_of(stake::operator_key(ALICE, world.enclave().id())), 33);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::stake::EInsufficientStake)]
fun a_requester_below_the_minimum_is_refused() {
    let mut world = world::new();
    deposit_requester(&mut world, SUI_MIST - 1);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::stake::EInsufficientStake)]
fun a_worker_below_the_minimum_is_refused() {
    let mut world = world::new();
    deposit_worker(&mut world, SUI_MIST - 1);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::stake::EInsufficientStake)]
fun an_operator_below_the_minimum_is_refused() {
    let mut world = world::new();
    deposit_operator(&mut world, 10 * SUI_MIST - 1);
    world.destroy();
}

#[test]
fun the_depositor_gets_the_proof_of_his_stake() {
    let mut scenario = test_scenario::begin(ALICE);
    let mut world = world::new();
    scenario.next_tx(ALICE);
    let payment = world::mint(3 * SUI_MIST, scenario.ctx());
    let (cluster, _, _, pool, _, _, _, _) = world.parts();
    pool.deposit_requester(cluster, payment, scenario.ctx());
    scenario.next_tx(ALICE);
    let proof = scenario.take_from_sender<StakeProof>();
    assert_eq!(proof.proof_key(), requester());
    assert_eq!(proof.proof_deposited(), 3 * SUI_MIST);
    scenario.return_to_sender(proof);
    scenario.end();
    world.destroy();
}

#[test]
fun a_deposit_is_told_with_amount_and_total() {
    let mut world = world::new();
    let before = event::events_by_type<StakeDepositedEvent>().length();
    let mut proof = deposit(&mut world, requester(), 5);
    top_up(&mut world, &mut proof, 7);
    let events = event::events_by_type<StakeDepositedEvent>();
    assert_eq!(events.length() - before, 2);
    assert_eq!(bcs::to_bytes(&events[before]), of_pool(&world, requester(), vector[5, 5]));
    assert_eq!(bcs::to_bytes(&events[before + 1]), of_pool(&world, requester(), vector[7, 12]));
    destroy(proof);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::stake::EAlreadyStaked)]
fun a_second_stake_in_the_same_role_is_refused() {
    let mut world = world::new();
    deposit_requester(&mut world, SUI_MIST);
    deposit_requester(&mut world, SUI_MIST);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::stake::EAlreadyStaked)]
fun a_second_stake_beside_one_that_is_unbonding_is_refused() {
    let mut world = world::new();
    let proof = deposit(&mut world, requester(), SUI_MIST);
    begin_unbonding(&mut world, &proof);
    deposit_requester(&mut world, SUI_MIST);
    destroy(proof);
    world.destroy();
}

#[test]
fun stakes_of_other_roles_slots_nodes_and_owners_are_apart() {
    let mut world = world::new();
    let keys = vector[
        requester(),
        stake::requester_key(@0xB0B),
        stake::operator_key(ALICE, object::id_from_address(@0x1)),
        stake::operator_key(ALICE, object::id_from_address(@0x2)),
        stake::worker_key(ALICE, NODE),
        stake::worker_key(ALICE, b"node-2"),
        // A node whose name is a slot's id, and one without a name: the role keeps them apart.
        stake::worker_key(ALICE, @0x1.to_bytes()),
        stake::worker_key(ALICE, b""),
    ];
    keys.length().do!(|i| {
        let proof = deposit(&mut world, keys[i], i + 1);
        destroy(proof);
    });
    keys.length().do!(|i| assert_eq!(world.pool().stake_of(keys[i]), i + 1));
    slash(&mut world, keys[3], 4);
    keys.length().do!(|i| assert_eq!(world.pool().stake_of(keys[i]), if (i == 3) 0 else i + 1));
    world.destroy();
}

#[test]
fun an_address_without_a_stake_has_none() {
    let world = world::new();
    assert_eq!(world.pool().stake_of(requester()), 0);
    assert_eq!(world.pool().slashable(requester()), 0);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::stake::EWrongPool)]
fun a_deposit_for_another_cluster_is_refused() {
    let mut world = world::new();
    let (other, admin, veto) = variants::other_cluster(&mut world);
    let ctx = &mut world.as_sender(ALICE);
    let payment = world::mint(SUI_MIST, ctx);
    let (_, _, _, pool, _, _, _, _) = world.parts();
    pool.deposit_requester(&other, payment, ctx);
    destroy(other);
    destroy(admin);
    destroy(veto);
    world.destroy();
}

#[test]
fun a_top_up_adds_to_stake_and_proof() {
    let mut world = world::new();
    let mut proof = deposit(&mut world, requester(), 5);
    slash(&mut world, requester(), 3);
    top_up(&mut world, &mut proof, 7);
    assert_eq!(world.pool().stake_of(requester()), 9);
    assert_eq!(proof.proof_deposited(), 12);
    destroy(proof);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::stake::ENothingDeposited)]
fun an_empty_top_up_is_refused() {
    let mut world = world::new();
    let mut proof = deposit(&mut world, requester(), 5);
    top_up(&mut world, &mut proof, 0);
    destroy(proof);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::stake::EUnbonding)]
fun a_top_up_while_unbonding_is_refused() {
    let mut world = world::new();
    let mut proof = deposit(&mut world, requester(), 5);
    begin_unbonding(&mut world, &proof);
    top_up(&mut world, &mut proof, 7);
    destroy(proof);
    world.destroy();
}

#[test]
fun an_unbonding_stake_does_not_count_and_can_be_slashed() {
    let mut world = world::new();
    let proof = deposit(&mut world, requester(), 50);
    begin_unbonding(&mut world, &proof);
    assert_eq!(world.pool().stake_of(requester()), 0);
    assert_eq!(world.pool().slashable(requester()), 50);
    let events = event::events_by_type<StakeUnbondingEvent>();
    let mut expected = of_pool(&world, requester(), vector[]);
    expected.append(bcs::to_bytes(&option::some(world.now() + UNBONDING_MS)));
    assert_eq!(events.map!(|told| bcs::to_bytes(&told)), vector[expected]);
    destroy(proof);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::stake::EUnbonding)]
fun unbonding_twice_is_refused() {
    let mut world = world::new();
    let proof = deposit(&mut world, requester(), 50);
    begin_unbonding(&mut world, &proof);
    begin_unbonding(&mut world, &proof);
    destroy(proof);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::stake::EWorkerRegistered)]
fun a_worker_cannot_unbond_around_its_registry() {
    let mut world = world::new();
    let proof = deposit(&mut world, worker(), 50);
    begin_unbonding(&mut world, &proof);
    destroy(proof);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::stake::EWorkerRegistered)]
fun a_worker_cannot_rebond_around_its_registry() {
    let mut world = world::new();
    let proof = deposit(&mut world, worker(), 50);
    unbond_worker(&mut world);
    rebond(&mut world, &proof, ALICE);
    destroy(proof);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::stake::EWrongPool)]
fun unbonding_by_the_rules_of_another_cluster_is_refused() {
    let mut world = world::new();
    let proof = deposit(&mut world, requester(), 50);
    let (other, admin, veto) = variants::other_cluster(&mut world);
    let ctx = &world.as_sender(ALICE);
    let (_, _, _, pool, _, _, _, clock) = world.parts();
    pool.begin_unbonding(&other, &proof, clock, ctx);
    destroy(other);
    destroy(admin);
    destroy(veto);
    destroy(proof);
    world.destroy();
}

#[test]
fun a_rebonded_stake_counts_again() {
    let mut world = world::new();
    let mut proof = deposit(&mut world, requester(), 50);
    begin_unbonding(&mut world, &proof);
    slash(&mut world, requester(), 20);
    rebond(&mut world, &proof, ALICE);
    assert_eq!(world.pool().stake_of(requester()), 30);
    let events = event::events_by_type<StakeUnbondingEvent>();
    let mut expected = of_pool(&world, requester(), vector[]);
    expected.push_back(0);
    assert_eq!(events.length(), 2);
    assert_eq!(bcs::to_bytes(&events[1]), expected);
    top_up(&mut world, &mut proof, 1);
    assert_eq!(world.pool().stake_of(requester()), 31);
    destroy(proof);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::stake::ENotUnbonding)]
fun rebonding_a_stake_that_is_not_unbonding_is_refused() {
    let mut world = world::new();
    let proof = deposit(&mut world, requester(), 50);
    rebond(&mut world, &proof, ALICE);
    destroy(proof);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::stake::EUnbondingRunning)]
fun unbonding_begins_anew_after_a_rebond() {
    let mut world = world::new();
    let proof = deposit(&mut world, requester(), 50);
    begin_unbonding(&mut world, &proof);
    world.wait(UNBONDING_MS);
    rebond(&mut world, &proof, ALICE);
    begin_unbonding(&mut world, &proof);
    world.wait(UNBONDING_MS - 1);
    destroy(withdraw(&mut world, proof, ALICE));
    world.destroy();
}

#[test]
fun a_stake_is_withdrawn_at_the_end_of_unbonding() {
    let mut world = world::new();
    let proof = deposit(&mut world, requester(), 50);
    begin_unbonding(&mut world, &proof);
    world.wait(UNBONDING_MS);
    let coin = withdraw(&mut world, proof, ALICE);
    assert_eq!(coin.value(), 50);
    assert_eq!(world.pool().slashable(requester()), 0);
    let events = event::events_by_type<StakeWithdrawnEvent>();
    assert_eq!(events.map!(|told| bcs::to_bytes(&told)), vector[of_pool(&world, requester(), vector[50])]);
    destroy(coin);
    world.destroy();
}

#[test]
fun a_withdrawal_deletes_the_proof() {
    let mut scenario = test_scenario::begin(ALICE);
    let mut world = world::new();
    deposit_requester(&mut world, SUI_MIST);
    scenario.next_tx(ALICE);
    let proof = scenario.take_from_sender<StakeProof>();
    begin_unbonding(&mut world, &proof);
    world.wait(UNBONDING_MS);
    destroy(withdraw(&mut world, proof, ALICE));
    scenario.next_tx(ALICE);
    assert!(test_scenario::ids_for_address<StakeProof>(ALICE).is_empty());
    scenario.end();
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::stake::EUnbondingRunning)]
fun a_stake_is_not_withdrawn_a_millisecond_earlier() {
    let mut world = world::new();
    let proof = deposit(&mut world, requester(), 50);
    begin_unbonding(&mut world, &proof);
    world.wait(UNBONDING_MS - 1);
    destroy(withdraw(&mut world, proof, ALICE));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::stake::ENotUnbonding)]
fun a_stake_is_not_withdrawn_without_unbonding() {
    let mut world = world::new();
    let proof = deposit(&mut world, requester(), 50);
    world.wait(10 * UNBONDING_MS);
    destroy(withdraw(&mut world, proof, ALICE));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::stake::EUnbondingRunning)]
fun a_shorter_unbonding_time_does_not_free_a_stake_that_is_unbonding() {
    let mut world = world::new();
    let proof = deposit(&mut world, requester(), 50);
    begin_unbonding(&mut world, &proof);
    let shorter = UNBONDING_MS - 86_400_000;
    let (cluster, admin, _, _, _, _, _, clock) = world.parts();
    let change = daas::cluster::params_change(variants::params_with(8, shorter));
    let proposal = cluster.propose(admin, change, clock);
    world.wait(shorter);
    let (cluster, _, _, _, _, _, _, clock) = world.parts();
    cluster.activate(proposal, clock);
    destroy(withdraw(&mut world, proof, ALICE));
    world.destroy();
}

#[test]
fun a_worker_that_the_registry_has_unbonded_withdraws() {
    let mut world = world::new();
    let proof = deposit(&mut world, worker(), 50);
    unbond_worker(&mut world);
    world.wait(UNBONDING_MS);
    let coin = withdraw(&mut world, proof, ALICE);
    assert_eq!(coin.value(), 50);
    destroy(coin);
    world.destroy();
}

public(package) fun requester(): StakeKey { stake::requester_key(ALICE) }

fun worker(): StakeKey { stake::worker_key(ALICE, NODE) }

public(package) fun deposit(world: &mut World, key: StakeKey, amount: u64): StakeProof {
    let ctx = &mut world.as_sender(ALICE);
    let payment = world::mint(amount, ctx);
    let (cluster, _, _, pool, _, _, _, _) = world.parts();
    pool.deposit_for_testing(cluster, key, payment, ctx)
}

public(package) fun deposit_requester(world: &mut World, amount: u64) {
    let ctx = &mut world.as_sender(ALICE);
    let payment = world::mint(amount, ctx);
    let (cluster, _, _, pool, _, _, _, _) = world.parts();
    pool.deposit_requester(cluster, payment, ctx);
}

fun deposit_worker(world: &mut World, amount: u64) {
    let ctx = &mut world.as_sender(ALICE);
    let payment = world::mint(amount, ctx);
    let (cluster, _, _, pool, _, _, _, _) = world.parts();
    pool.deposit_worker(cluster, NODE, payment, ctx);
}

fun deposit_operator(world: &mut World, amount: u64) {
    let ctx = &mut world.as_sender(ALICE);
    let payment = world::mint(amount, ctx);
    let (cluster, _, _, pool, _, enclave, _, _) = world.parts();
    pool.deposit_operator(cluster, enclave.id(), payment, ctx);
}

public(package) fun top_up(world: &mut World, proof: &mut StakeProof, amount: u64) {
    let ctx = &mut world.as_sender(owner_of(proof));
    let payment = world::mint(amount, ctx);
    let (_, _, _, pool, _, _, _, _) = world.parts();
    pool.top_up(proof, payment, ctx);
}

public(package) fun begin_unbonding(world: &mut World, proof: &StakeProof) {
    let ctx = &world.as_sender(owner_of(proof));
    let (cluster, _, _, pool, _, _, _, clock) = world.parts();
    pool.begin_unbonding(cluster, proof, clock, ctx);
}

fun unbond_worker(world: &mut World) {
    let (cluster, _, _, pool, _, _, _, clock) = world.parts();
    pool.unbond(cluster, worker(), clock);
}

public(package) fun rebond(world: &mut World, proof: &StakeProof, sender: address) {
    let ctx = &world.as_sender(sender);
    let (_, _, _, pool, _, _, _, _) = world.parts();
    pool.rebond(proof, ctx);
}

public(package) fun withdraw(world: &mut World, proof: StakeProof, sender: address): Coin<SUI> {
    let ctx = &mut world.as_sender(sender);
    let (_, _, _, pool, _, _, _, clock) = world.parts();
    pool.withdraw(proof, clock, ctx)
}

public(package) fun slash(world: &mut World, key: StakeKey, amount: u64): u64 {
    let ctx = &mut world.as_sender(REPORTER);
    let (cluster, _, _, pool, _, _, _, _) = world.parts();
    pool.slash(cluster.params(), key, amount, REPORTER, ctx)
}

public(package) fun set_version(world: &mut World, version: u64) {
    let (_, _, _, pool, _, _, _, _) = world.parts();
    pool.set_version(version);
}

public(package) fun of_old_version(): World {
    let mut world = world::new();
    set_version(&mut world, 0);
    world
}

/// The first field of a StakeKey.
fun owner_of(proof: &StakeProof): address { bcs::new(bcs::to_bytes(&proof.proof_key())).peel_address() }

/// bcs of an event that begins with pool and key and goes on with `amounts`.
fun of_pool(world: &World, key: StakeKey, amounts: vector<u64>): vector<u8> {
    let mut bytes = object::id(world.pool()).to_bytes();
    bytes.append(bcs::to_bytes(&key));
    amounts.do!(|amount| bytes.append(bcs::to_bytes(&amount)));
    bytes
}

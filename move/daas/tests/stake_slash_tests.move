/// Promises of `daas::stake` about slashing: shares to the last MIST, and no MIST made or lost.
#[test_only]
module daas::stake_slash_tests;

use daas::stake::{Self, StakeKey, StakeProof, StakeSlashedEvent};
use daas::stake_tests::{
    begin_unbonding,
    deposit,
    of_old_version,
    requester,
    slash,
    top_up,
    withdraw
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
const UNBONDING_MS: u64 = 1_209_600_000;

/// Positions in the list of parameters.
const REPORTER_BPS: u64 = 20;
const TREASURY_BPS: u64 = 21;

#[test]
fun a_stake_can_be_slashed_until_it_has_left_and_what_is_left_is_withdrawn() {
    let mut world = world::new();
    let proof = deposit(&mut world, requester(), 100);
    begin_unbonding(&mut world, &proof);
    world.wait(UNBONDING_MS - 1);
    assert_eq!(slash(&mut world, requester(), 30), 30);
    world.wait(1);
    assert_eq!(slash(&mut world, requester(), 7), 7);
    let coin = withdraw(&mut world, proof, ALICE);
    assert_eq!(coin.value(), 63);
    assert_eq!(slash(&mut world, requester(), 1), 0);
    destroy(coin);
    world.destroy();
}

#[test]
fun a_stake_slashed_to_nothing_withdraws_nothing_and_makes_room() {
    let mut world = world::new();
    let proof = deposit(&mut world, requester(), 100);
    assert_eq!(slash(&mut world, requester(), 101), 100);
    begin_unbonding(&mut world, &proof);
    world.wait(UNBONDING_MS);
    let coin = withdraw(&mut world, proof, ALICE);
    assert_eq!(coin.value(), 0);
    let again = deposit(&mut world, requester(), 5);
    assert_eq!(world.pool().stake_of(requester()), 5);
    destroy(again);
    destroy(coin);
    world.destroy();
}

#[test]
fun a_slash_of_nothing_is_not_told() {
    let mut world = world::new();
    let proof = deposit(&mut world, requester(), 100);
    assert_eq!(slash(&mut world, requester(), 0), 0);
    assert_eq!(slash(&mut world, stake::requester_key(@0xB0B), 100), 0);
    assert!(event::events_by_type<StakeSlashedEvent>().is_empty());
    assert_eq!(world.pool().stake_of(requester()), 100);
    destroy(proof);
    world.destroy();
}

#[test]
fun reporter_treasury_and_burn_get_their_shares_as_coins() {
    let mut scenario = test_scenario::begin(ALICE);
    let mut world = world::new();
    let proof = deposit(&mut world, requester(), 1_000);
    // 3,000 basis points each of 99, rounded down; the rest is burned.
    assert_eq!(slash(&mut world, requester(), 99), 99);
    assert_eq!(world.pool().treasury(), 29);
    scenario.next_tx(ALICE);
    let to_reporter = scenario.take_from_address<Coin<SUI>>(REPORTER);
    let burned = scenario.take_from_address<Coin<SUI>>(@0x0);
    assert_eq!(to_reporter.value(), 29);
    assert_eq!(burned.value(), 41);
    destroy(to_reporter);
    destroy(burned);
    destroy(proof);
    scenario.end();
    world.destroy();
}

#[test]
fun shares_of_nothing_send_no_coins() {
    let mut scenario = test_scenario::begin(ALICE);
    let mut world = world::with_params(variants::params_with_each(
        vector[REPORTER_BPS, TREASURY_BPS],
        vector[0, 10_000],
    ));
    let proof = deposit(&mut world, requester(), 1_000);
    assert_eq!(slash(&mut world, requester(), 99), 99);
    assert_eq!(world.pool().treasury(), 99);
    scenario.next_tx(ALICE);
    assert!(test_scenario::ids_for_address<Coin<SUI>>(REPORTER).is_empty());
    assert!(test_scenario::ids_for_address<Coin<SUI>>(@0x0).is_empty());
    destroy(proof);
    scenario.end();
    world.destroy();
}

#[test]
fun a_single_mist_is_burned_whatever_the_shares() {
    let mut world = world::new();
    let proof = deposit(&mut world, requester(), 1);
    assert_eq!(slash(&mut world, requester(), 1), 1);
    let (to_reporter, to_treasury, burned) = newest_split();
    assert_eq!(vector[to_reporter, to_treasury, burned], vector[0, 0, 1]);
    destroy(proof);
    world.destroy();
}

#[random_test]
fun shares_add_up_to_the_last_mist(amount: u64, reporter_bps: u64, treasury_bps: u64) {
    let reporter_bps = reporter_bps % 5_000;
    let treasury_bps = treasury_bps % (10_001 - reporter_bps);
    let amount = amount.max(1);
    let params = variants::params_with_each(vector[REPORTER_BPS, TREASURY_BPS], vector[reporter_bps, treasury_bps]);
    let mut world = world::with_params(params);
    let proof = deposit(&mut world, requester(), amount);
    let ctx = &mut world.as_sender(REPORTER);
    let (cluster, _, _, pool, _, _, _, _) = world.parts();
    assert_eq!(pool.slash(cluster.params(), requester(), amount, REPORTER, ctx), amount);
    let (to_reporter, to_treasury, burned) = newest_split();
    // As u128, so that a wrong sum cannot wrap around.
    assert_eq!((to_reporter as u128) + (to_treasury as u128) + (burned as u128), amount as u128);
    assert_eq!(to_reporter as u128, (amount as u128) * (reporter_bps as u128) / 10_000);
    assert_eq!(to_treasury as u128, (amount as u128) * (treasury_bps as u128) / 10_000);
    assert_eq!(world.pool().treasury(), to_treasury);
    // Whoever reports himself loses more than he gets.
    assert!(amount == 1 || to_reporter < amount - to_reporter);
    destroy(proof);
    world.destroy();
}

/// 32 steps, one for each byte of the seed, over three owners.
#[random_test]
fun no_mist_is_made_or_lost_over_any_sequence(seed: u256) {
    let mut world = world::new();
    let owners = vector[@0x1A, @0x2A, @0x3A];
    let mut proofs: vector<Option<StakeProof>> = vector::tabulate!(3, |_| option::none());
    let (mut paid_in, mut paid_out) = (0, 0);
    let held_before = world.pool().slashable(operator(&world)) + world.pool().slashable(user());
    bcs::to_bytes(&seed).do!(|byte| {
        let who = (byte % 3) as u64;
        let key = stake::requester_key(owners[who]);
        let amount = 1 + (byte as u64) * 7;
        let slot = &mut proofs[who];
        let step = (byte / 3) % 6;
        if (slot.is_none()) {
            slot.fill(deposit(&mut world, key, amount));
            paid_in = paid_in + amount;
        } else if (step <= 1) {
            let told = event::events_by_type<StakeSlashedEvent>().length();
            let taken = slash(&mut world, key, amount);
            if (taken > 0) {
                assert_eq!(event::events_by_type<StakeSlashedEvent>().length(), told + 1);
                let (to_reporter, _, burned) = newest_split();
                paid_out = paid_out + to_reporter + burned;
            }
        } else if (step == 2 && world.pool().stake_of(key) > 0) {
            top_up(&mut world, slot.borrow_mut(), amount);
            paid_in = paid_in + amount;
        } else if (step == 3 && world.pool().stake_of(key) > 0) {
            begin_unbonding(&mut world, slot.borrow());
        } else if (step == 4 && world.pool().stake_of(key) == 0 && world.pool().slashable(key) > 0) {
            world.wait(UNBONDING_MS);
            let coin = withdraw(&mut world, slot.extract(), owners[who]);
            paid_out = paid_out + coin.value();
            destroy(coin);
        } else {
            let ctx = &mut world.as_sender(world::admin());
            let (_, admin, _, pool, _, _, _, _) = world.parts();
            let coin = pool.withdraw_treasury(admin, ctx);
            paid_out = paid_out + coin.value();
            destroy(coin);
        };
        let mut held = world.pool().treasury();
        owners.do_ref!(|owner| held = held + world.pool().slashable(stake::requester_key(*owner)));
        assert_eq!(held + paid_out, paid_in);
    });
    let held_after = world.pool().slashable(operator(&world)) + world.pool().slashable(user());
    assert_eq!(held_after, held_before);
    destroy(proofs);
    world.destroy();
}

#[test]
fun the_admin_empties_the_treasury() {
    let mut world = world::new();
    let proof = deposit(&mut world, requester(), 1_000);
    slash(&mut world, requester(), 1_000);
    let coin = withdraw_treasury(&mut world);
    assert_eq!(coin.value(), 300);
    assert_eq!(world.pool().treasury(), 0);
    destroy(coin);
    destroy(proof);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::cluster::EWrongCap)]
fun the_admin_of_another_cluster_cannot_empty_the_treasury() {
    let mut world = world::new();
    let (other, admin, veto) = variants::other_cluster(&mut world);
    let ctx = &mut world.as_sender(world::admin());
    let (_, _, _, pool, _, _, _, _) = world.parts();
    destroy(pool.withdraw_treasury(&admin, ctx));
    destroy(other);
    destroy(admin);
    destroy(veto);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::version::EWrongVersion)]
fun a_pool_of_another_version_keeps_its_treasury() {
    let mut world = of_old_version();
    destroy(withdraw_treasury(&mut world));
    world.destroy();
}

fun user(): StakeKey { stake::requester_key(world::user()) }

fun operator(world: &World): StakeKey { stake::operator_key(world::operator(), world.enclave().id()) }

fun withdraw_treasury(world: &mut World): Coin<SUI> {
    let ctx = &mut world.as_sender(world::admin());
    let (_, admin, _, pool, _, _, _, _) = world.parts();
    pool.withdraw_treasury(admin, ctx)
}

/// Shares of reporter, treasury and burn in the newest StakeSlashedEvent.
fun newest_split(): (u64, u64, u64) {
    let events = event::events_by_type<StakeSlashedEvent>();
    let mut bytes = bcs::new(bcs::to_bytes(&events[events.length() - 1]));
    bytes.peel_address();
    bytes.peel_address();
    bytes.peel_u8();
    bytes.peel_vec_u8();
    assert_eq!(bytes.peel_address(), REPORTER);
    (bytes.peel_u64(), bytes.peel_u64(), bytes.peel_u64())
}

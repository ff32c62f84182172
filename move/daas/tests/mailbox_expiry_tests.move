/// Promises of `daas::mailbox` about requests that nobody answered.
#[test_only]
module daas::mailbox_expiry_tests;

use daas::cluster;
use daas::command;
use daas::enclave;
use daas::heads::{Self, Event};
use daas::mailbox::{Self, RequestExpired};
use daas::params;
use daas::queue;
use daas::requests;
use daas::signed_settlement as signed;
use daas::stake::{Self, StakeSlashedEvent};
use daas::world::{Self, World};
use std::hash::sha2_256;
use std::unit_test::assert_eq;
use sui::bcs;
use sui::coin::Coin;
use sui::event;
use sui::sui::SUI;
use sui::test_scenario;

/// `slash_fee_factor` by default.
const FACTOR: u64 = 10;
/// `slash_epoch_cap` by default, in SUI.
const CAP: u64 = 10;
/// Positions of `daas::params::from_values`.
const GRACE_AT: u64 = 3;
const TIMELOCK_AT: u64 = 7;
const FEE_BASE_AT: u64 = 12;
const FACTOR_AT: u64 = 14;

// When

#[test, expected_failure(abort_code = mailbox::ENotOverdue)]
fun nothing_expires_one_ms_before_the_end_of_the_grace() {
    let mut world = world::serving();
    world.submit(1);
    world.wait(requests::life_ms() - 1);
    requests::expire(&mut world, 1);
    abort
}

#[test]
fun a_longer_grace_does_not_move_the_end_of_a_pending_request() {
    let mut world = world::with_params(requests::params_with(TIMELOCK_AT, 1_000));
    world.register(1);
    world.submit(1);
    let (cluster, admin, _, _, _, _, _, clock) = world.parts();
    let change = cluster::params_change(requests::params_with(GRACE_AT, 3_600_000));
    let proposal = cluster.propose(admin, change, clock);
    world.wait(requests::life_ms());
    let (cluster, _, _, _, _, _, _, clock) = world.parts();
    cluster.activate(proposal, clock);
    requests::expire(&mut world, 1);
    assert_eq!(world.enclave().mailbox().pending(), 0);
    world.destroy();
}

#[test, expected_failure(abort_code = queue::EUnknownRequest)]
fun what_was_never_asked_does_not_expire() {
    let mut world = world::serving();
    requests::expire(&mut world, 1);
    abort
}

#[test, expected_failure(abort_code = queue::ENotPending)]
fun a_request_expires_once() {
    let mut world = world::serving();
    world.submit(1);
    world.wait(requests::life_ms());
    requests::expire(&mut world, 1);
    requests::expire(&mut world, 1);
    abort
}

#[test, expected_failure(abort_code = queue::ENotPending)]
fun a_settled_request_does_not_expire() {
    let mut world = world::serving();
    world.submit(1);
    settle_1(&mut world);
    world.wait(requests::life_ms());
    requests::expire(&mut world, 1);
    abort
}

// What it costs and to whom it goes

#[test]
fun the_fee_goes_back_and_the_stake_pays_for_the_silence() {
    let mut scenario = test_scenario::begin(@0x0);
    let mut world = world::serving();
    world.submit(1);
    world.submit(2);
    world.wait(requests::life_ms());
    requests::expire(&mut world, 1);
    let slashed = FACTOR * world::fee();
    scenario.next_tx(@0x0);
    assert_eq!(received(&scenario, world::user()), world::fee());
    assert_eq!(received(&scenario, requests::stranger()), slashed * 3 / 10);
    assert_eq!(world.pool().treasury(), slashed * 3 / 10);
    assert_eq!(received(&scenario, @0x0), slashed * 4 / 10);
    assert_eq!(requests::operator_stake(&world), world::sui(100) - slashed);
    assert_eq!(world.enclave().earnings(), 0);
    assert_eq!(requests::escrow(&world, 2), world::fee());
    assert!(mailbox::get_k8s_response(world.enclave(), world::user(), world::request_id(1)).is_none());
    world.destroy();
    scenario.end();
}

#[test]
fun an_expiry_is_one_event_in_the_mailbox_chain() {
    let mut world = world::serving();
    world.submit(1);
    world.submit(2);
    world.wait(requests::life_ms() + 5);
    let before = world.enclave().mailbox_head();
    let state = world.cluster().state();
    requests::expire(&mut world, 2);
    let body = requests::concat(vector[
        // Kind.
        vector[66],
        bcs::to_bytes(&1u64),
        bcs::to_bytes(&world::user()),
        bcs::to_bytes(&world::request_id(2)),
        bcs::to_bytes(&world::fee()),
        bcs::to_bytes(&(FACTOR * world::fee())),
        bcs::to_bytes(&world.now()),
    ]);
    let mut head = *before.head();
    head.append(sha2_256(body));
    let events = event::events_by_type<Event<RequestExpired>>();
    assert_eq!(events.length(), 1);
    assert_eq!(bcs::to_bytes(heads::body(&events[0])), body);
    assert_eq!(*world.enclave().mailbox_head().head(), sha2_256(head));
    assert_eq!(world.enclave().mailbox_head().seq(), before.seq() + 1);
    assert_eq!(*heads::mailbox_of(&events[0]), option::some(world.enclave().mailbox_head()));
    assert_eq!(*heads::state_of(&events[0]), option::some(state));
    assert_eq!(world.cluster().state(), state);
    world.destroy();
}

#[test]
fun one_epoch_costs_at_most_the_cap_and_the_next_counts_anew() {
    let mut world = world::serving();
    // 10 times 0.6 SUI: the second reaches the cap of 10 SUI.
    vector[1u8, 2, 3, 4].do!(|number| {
        let command = requests::paying(&world, number, 5, world::on_chain(100), 600_000_000);
        world.submit_command(command);
    });
    world.wait(requests::life_ms());
    requests::expire_in(&mut world, 1, 7);
    assert_eq!(requests::operator_stake(&world), world::sui(100 - 6));
    requests::expire_in(&mut world, 2, 7);
    assert_eq!(requests::operator_stake(&world), world::sui(100 - CAP));
    requests::expire_in(&mut world, 3, 7);
    assert_eq!(requests::operator_stake(&world), world::sui(100 - CAP));
    requests::expire_in(&mut world, 4, 8);
    assert_eq!(requests::operator_stake(&world), world::sui(100 - CAP - 6));
    world.destroy();
}

#[test]
fun a_fee_as_large_as_the_supply_overflows_nothing() {
    let mut world = world::serving();
    let fee = 10_000_000_000_000_000_000;
    let command = requests::paying(&world, 1, 5, world::on_chain(100), fee);
    world.submit_command(command);
    world.wait(requests::life_ms());
    requests::expire(&mut world, 1);
    assert_eq!(requests::operator_stake(&world), world::sui(100 - CAP));
    world.destroy();
}

#[test]
fun a_stake_that_is_too_small_gives_what_it_has_and_blocks_no_refund() {
    let mut scenario = test_scenario::begin(@0x0);
    let mut world = world::serving();
    world.submit(1);
    world.submit(2);
    leave_operator(&mut world, 7);
    world.wait(requests::life_ms());
    requests::expire(&mut world, 1);
    assert_eq!(requests::operator_stake(&world), 0);
    requests::expire(&mut world, 2);
    scenario.next_tx(@0x0);
    assert_eq!(received(&scenario, world::user()), 2 * world::fee());
    world.destroy();
    scenario.end();
}

#[test]
fun an_unbonding_stake_pays_too() {
    let mut world = world::serving();
    world.submit(1);
    let (cluster, _, _, pool, _, enclave, _, clock) = world.parts();
    pool.unbond(cluster, enclave.stake_key(), clock);
    world.wait(requests::life_ms());
    requests::expire(&mut world, 1);
    assert_eq!(requests::operator_stake(&world), world::sui(100) - FACTOR * world::fee());
    world.destroy();
}

#[test]
fun a_reboot_excuses_nothing() {
    let mut world = world::serving();
    world.submit(1);
    requests::reboot(&mut world, 2);
    world.wait(requests::life_ms());
    requests::expire(&mut world, 1);
    assert_eq!(requests::operator_stake(&world), world::sui(100) - FACTOR * world::fee());
    world.destroy();
}

#[test]
fun an_operator_who_reports_itself_loses_most_of_it() {
    let mut scenario = test_scenario::begin(@0x0);
    let mut world = world::serving();
    world.submit(1);
    world.wait(requests::life_ms());
    let ctx = &mut world.as_sender(world::operator());
    let (cluster, _, _, pool, _, enclave, _, clock) = world.parts();
    mailbox::expire(enclave, cluster, pool, world::user(), world::request_id(1), clock, ctx);
    scenario.next_tx(@0x0);
    assert!(received(&scenario, world::operator()) * 2 < FACTOR * world::fee());
    world.destroy();
    scenario.end();
}

#[test]
fun a_result_after_the_refund_pays_nobody() {
    let mut scenario = test_scenario::begin(@0x0);
    let mut world = world::serving();
    world.submit(1);
    world.wait(requests::life_ms());
    // Late, but before anyone has expired it.
    let (message, signature) = signed::alone_1();
    requests::settle(&mut world, vector[1], message, signature);
    requests::expire(&mut world, 1);
    requests::settle(&mut world, vector[1], message, signature);
    scenario.next_tx(@0x0);
    assert_eq!(world.enclave().earnings(), 0);
    assert_eq!(world.enclave().revision(), 0);
    assert_eq!(received(&scenario, world::user()), world::fee());
    world.destroy();
    scenario.end();
}

// Who is excused

#[test]
fun a_payload_off_chain_costs_the_operator_nothing() {
    let mut world = world::serving();
    let payload = command::off_chain(sha2_256(b"large"), 5_000_000);
    let command = world.command_with(1, 5, false, payload);
    world.submit_command(command);
    world.wait(requests::life_ms());
    assert_excused(world)
}

#[test]
fun a_version_that_was_revoked_after_submission_costs_the_operator_nothing() {
    let mut world = world::serving();
    world.submit(1);
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    cluster.revoke_policy(admin, 1);
    world.wait(requests::life_ms());
    assert_excused(world)
}

#[test]
fun a_version_below_a_minimum_raised_after_submission_costs_the_operator_nothing() {
    let mut world = world::with_params(requests::params_with(TIMELOCK_AT, 1_000));
    world.register(1);
    let (cluster, admin, _, _, _, _, _, clock) = world.parts();
    let proposal = cluster.propose(admin, cluster::policy_change(2, world::policy_pcrs(9)), clock);
    world.wait(1_000);
    let (cluster, _, _, _, _, _, _, clock) = world.parts();
    cluster.activate(proposal, clock);
    world.submit(1);
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    cluster.raise_min_version(admin, 2);
    world.wait(requests::life_ms());
    assert_excused(world)
}

#[test]
fun a_cluster_that_slashes_no_silence_still_refunds() {
    let mut world = world::with_params(requests::params_with(FACTOR_AT, 0));
    world.register(1);
    world.submit(1);
    world.wait(requests::life_ms());
    assert_excused(world)
}

#[test]
fun a_request_without_a_fee_expires_without_a_coin() {
    let mut scenario = test_scenario::begin(@0x0);
    let mut world = world::with_params(requests::params_with(FEE_BASE_AT, 0));
    world.register(1);
    let command = requests::paying(&world, 1, 5, command::off_chain(sha2_256(b"x"), 1), 0);
    world.submit_command(command);
    world.wait(requests::life_ms());
    requests::expire(&mut world, 1);
    scenario.next_tx(@0x0);
    assert_eq!(received(&scenario, world::user()), 0);
    assert_eq!(world.enclave().mailbox().pending(), 0);
    world.destroy();
    scenario.end();
}

// Objects that do not belong together

#[test, expected_failure(abort_code = stake::EWrongPool)]
fun another_pool_pays_for_nothing() {
    let mut world = world::serving();
    world.submit(1);
    world.wait(requests::life_ms());
    let (far, admin, veto, mut pool) = requests::far_cluster(&mut world);
    let ctx = &mut world.as_sender(requests::stranger());
    let (cluster, _, _, _, _, enclave, _, clock) = world.parts();
    mailbox::expire(enclave, cluster, &mut pool, world::user(), world::request_id(1), clock, ctx);
    requests::destroy_far(far, admin, veto, pool);
    abort
}

#[test, expected_failure(abort_code = enclave::EWrongCluster)]
fun another_cluster_expires_nothing() {
    let mut world = world::serving();
    world.submit(1);
    world.wait(requests::life_ms());
    let (far, admin, veto, mut pool) = requests::far_cluster(&mut world);
    let ctx = &mut world.as_sender(requests::stranger());
    let (_, _, _, _, _, enclave, _, clock) = world.parts();
    mailbox::expire(enclave, &far, &mut pool, world::user(), world::request_id(1), clock, ctx);
    requests::destroy_far(far, admin, veto, pool);
    abort
}

fun settle_1(world: &mut World) {
    let (message, signature) = signed::receipt_1();
    requests::settle(world, vector[1], message, signature);
}

/// Slashes the operator's stake down to `left` MIST.
fun leave_operator(world: &mut World, left: u64) {
    let ctx = &mut world.as_sender(requests::stranger());
    let (_, _, _, pool, _, enclave, _, _) = world.parts();
    let key = enclave.stake_key();
    let amount = pool.slashable(key) - left;
    pool.slash(&params::default(), key, amount, ctx.sender(), ctx);
}

fun assert_excused(mut world: World) {
    requests::expire(&mut world, 1);
    assert_eq!(event::events_by_type<StakeSlashedEvent>().length(), 0);
    assert_eq!(requests::operator_stake(&world), world::sui(100));
    let events = event::events_by_type<Event<RequestExpired>>();
    let body = requests::concat(vector[
        vector[66],
        bcs::to_bytes(&0u64),
        bcs::to_bytes(&world::user()),
        bcs::to_bytes(&world::request_id(1)),
        bcs::to_bytes(&world::fee()),
        bcs::to_bytes(&0u64),
        bcs::to_bytes(&world.now()),
    ]);
    assert_eq!(bcs::to_bytes(heads::body(&events[0])), body);
    world.destroy();
}

/// Sum of the coins that `owner` has got in earlier transactions of the scenario.
fun received(scenario: &test_scenario::Scenario, owner: address): u64 {
    let mut sum = 0;
    test_scenario::ids_for_address<Coin<SUI>>(owner).do!(|id| {
        let coin = scenario.take_from_address_by_id<Coin<SUI>>(owner, id);
        sum = sum + coin.value();
        test_scenario::return_to_address(owner, coin);
    });
    sum
}

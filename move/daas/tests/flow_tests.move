/// One request from an empty chain to the operator's purse, with owned and shared objects as on chain: every transaction
/// takes what it needs from its sender's or from the shared objects, and calls public functions. Only registration takes
/// a document that no native has made.
#[test_only]
module daas::flow_tests;

use daas::access::{Self, AccessToken};
use daas::binding;
use daas::claims;
use daas::cluster::{Self, AdminCap, Cluster, VetoCap};
use daas::command;
use daas::enclave::{Self, Enclave};
use daas::mailbox;
use daas::params;
use daas::signed_settlement as signed;
use daas::stake::{Self, StakePool, StakeProof};
use daas::worker_registry::{Self, WorkerRegistry};
use daas::world;
use std::hash::sha2_256;
use std::unit_test::assert_eq;
use sui::clock::{Self, Clock};
use sui::coin::Coin;
use sui::sui::SUI;
use sui::test_scenario::{Self, Scenario};

const WATCHER: address = @0xEE;
const RELAY: address = @0x4E;

#[test]
fun a_request_is_answered_and_everyone_gets_their_due() {
    let mut scenario = serving();
    submit(&mut scenario);

    scenario.next_tx(RELAY);
    let cluster: Cluster = scenario.take_shared();
    let mut enclave: Enclave = scenario.take_shared();
    let clock: Clock = scenario.take_shared();
    let (message, signature) = signed::receipt_1();
    let ids = vector[world::request_id(1)];
    let ctx = scenario.ctx();
    mailbox::store_k8s_response(&mut enclave, &cluster, ids, vector[vector[]], message, signature, &clock, ctx);
    test_scenario::return_shared(cluster);
    test_scenario::return_shared(enclave);
    test_scenario::return_shared(clock);

    scenario.next_tx(world::operator());
    let mut enclave: Enclave = scenario.take_shared();
    let coin = enclave.withdraw_earnings(scenario.ctx());
    assert_eq!(coin.value(), world::fee());
    assert_eq!(enclave.earnings(), 0);
    transfer::public_transfer(coin, world::operator());
    test_scenario::return_shared(enclave);

    scenario.next_tx(world::user());
    with_slot!(&scenario, |cluster, enclave, _| {
        let response = mailbox::get_k8s_response(enclave, world::user(), world::request_id(1));
        assert_eq!(response.borrow().status(), 201);
        mailbox::close(enclave, cluster, world::request_id(1), scenario.ctx());
        assert!(mailbox::get_k8s_response(enclave, world::user(), world::request_id(1)).is_none());
    });

    // Token and proofs are still their owners', and the stakes come back whole.
    assert!(test_scenario::has_most_recent_for_address<AccessToken>(world::user()));
    assert_eq!(unstake(&mut scenario, world::user()), world::sui(1));
    assert_eq!(unstake(&mut scenario, world::operator()), world::sui(10));
    scenario.end();
}

#[test]
fun a_request_that_nobody_answers_is_refunded_by_anyone() {
    let mut scenario = serving();
    submit(&mut scenario);

    scenario.next_tx(WATCHER);
    let mut clock: Clock = scenario.take_shared();
    clock.increment_for_testing(210_000);
    test_scenario::return_shared(clock);
    scenario.next_tx(WATCHER);
    let mut pool: StakePool = scenario.take_shared();
    with_slot!(&scenario, |cluster, enclave, clock| {
        mailbox::expire(
            enclave,
            cluster,
            &mut pool,
            world::user(),
            world::request_id(1),
            clock,
            scenario.ctx(),
        );
    });
    test_scenario::return_shared(pool);

    scenario.next_tx(world::user());
    let refund: Coin<SUI> = scenario.take_from_sender();
    assert_eq!(refund.value(), world::fee());
    scenario.return_to_sender(refund);
    let slashed = 10 * world::fee();
    assert_eq!(unstake(&mut scenario, world::operator()), world::sui(10) - slashed);

    scenario.next_tx(WATCHER);
    let reward: Coin<SUI> = scenario.take_from_sender();
    assert_eq!(reward.value(), slashed * 3 / 10);
    scenario.return_to_sender(reward);

    scenario.next_tx(world::admin());
    let cap: AdminCap = scenario.take_from_sender();
    let mut pool: StakePool = scenario.take_shared();
    let treasury = pool.withdraw_treasury(&cap, scenario.ctx());
    assert_eq!(treasury.value(), slashed * 3 / 10);
    transfer::public_transfer(treasury, world::admin());
    test_scenario::return_shared(pool);
    scenario.return_to_sender(cap);
    scenario.end();
}

/// Cluster with its companions shared, operator admitted, slot staked and registered, USER with token and stake.
fun serving(): Scenario {
    let mut scenario = test_scenario::begin(world::admin());
    let mut clock = clock::create_for_testing(scenario.ctx());
    clock.set_for_testing(world::start_ms());
    let anchors = vector[world::anchor()];
    let (mut cluster, admin, veto) = cluster::create(
        b"flow".to_string(),
        params::default(),
        1,
        world::policy_pcrs(1),
        anchors,
        &clock,
        scenario.ctx(),
    );
    stake::create_pool(&mut cluster, &admin, scenario.ctx()).share_pool();
    worker_registry::create_registry(&mut cluster, &admin, scenario.ctx()).share_registry();
    cluster.share();
    clock.share_for_testing();
    transfer::public_transfer(admin, world::admin());
    transfer::public_transfer(veto, WATCHER);

    scenario.next_tx(world::admin());
    assert!(test_scenario::has_most_recent_for_address<VetoCap>(WATCHER));
    assert!(test_scenario::has_most_recent_shared<WorkerRegistry>());
    let cap: AdminCap = scenario.take_from_sender();
    let mut cluster: Cluster = scenario.take_shared();
    let clock: Clock = scenario.take_shared();
    cluster.admit_operator(&cap, world::operator(), true);
    access::issue(
        &mut cluster,
        &cap,
        world::user(),
        vector[b"configmaps:write@default".to_string()],
        sha2_256(b"commitment"),
        world::start_ms() + 86_400_000,
        &clock,
        scenario.ctx(),
    );
    test_scenario::return_shared(cluster);
    test_scenario::return_shared(clock);
    scenario.return_to_sender(cap);

    // The transaction whose number makes the slot's id the one that Python signs for.
    scenario.next_tx(world::operator());
    let mut cluster: Cluster = scenario.take_shared();
    let enclave = enclave::create_slot(&mut cluster, scenario.ctx());
    let slot = enclave.id();
    assert_eq!(slot.to_address(), signed::enclave_id());
    enclave.share_slot();
    test_scenario::return_shared(cluster);

    scenario.next_tx(world::operator());
    let cluster: Cluster = scenario.take_shared();
    let mut pool: StakePool = scenario.take_shared();
    let payment = world::mint(world::sui(10), scenario.ctx());
    pool.deposit_operator(&cluster, slot, payment, scenario.ctx());
    test_scenario::return_shared(cluster);
    test_scenario::return_shared(pool);
    register(&mut scenario);

    scenario.next_tx(world::user());
    let cluster: Cluster = scenario.take_shared();
    let mut pool: StakePool = scenario.take_shared();
    let payment = world::mint(world::sui(1), scenario.ctx());
    pool.deposit_requester(&cluster, payment, scenario.ctx());
    test_scenario::return_shared(cluster);
    test_scenario::return_shared(pool);
    scenario
}

/// Boot 1.
fun register(scenario: &mut Scenario) {
    scenario.next_tx(world::operator());
    let mut cluster: Cluster = scenario.take_shared();
    let pool: StakePool = scenario.take_shared();
    let mut enclave: Enclave = scenario.take_shared();
    let clock: Clock = scenario.take_shared();
    let binding = binding::new_for_testing(
        @daas,
        cluster.id().to_address(),
        enclave.id().to_address(),
        world::boot_id(1),
        world::anchor(),
        sha2_256(world::request_key(1)),
        sha2_256(b"tls"),
    );
    let document = claims::document_for_testing(
        clock.timestamp_ms(),
        world::policy_pcrs(1),
        option::some(world::receipt_public_key(1)),
        option::some(binding.bytes_for_testing()),
        option::some(claims::expected_nonce(enclave.generation())),
    );
    enclave.register_document(&mut cluster, &pool, &document, world::request_key(1), &clock, scenario.ctx());
    test_scenario::return_shared(cluster);
    test_scenario::return_shared(pool);
    test_scenario::return_shared(enclave);
    test_scenario::return_shared(clock);
}

/// Request 1 of USER, as `world::command` makes it.
fun submit(scenario: &mut Scenario) {
    scenario.next_tx(world::user());
    let token: AccessToken = scenario.take_from_sender();
    let pool: StakePool = scenario.take_shared();
    let mut payment = world::mint(world::fee(), scenario.ctx());
    with_slot!(scenario, |cluster, enclave, clock| {
        let command = command::new(
            b"create".to_string(),
            b"".to_string(),
            b"configmaps".to_string(),
            b"".to_string(),
            b"default".to_string(),
            world::request_id(1),
            world::request_digest(1),
            clock.timestamp_ms() + 180_000,
            5,
            false,
            enclave.request_key_id(),
            world::on_chain(100),
            world::fee(),
        );
        let seq = mailbox::execute_kubectl_command(
            enclave,
            cluster,
            &pool,
            &token,
            command,
            &mut payment,
            clock,
            scenario.ctx(),
        );
        assert_eq!(seq, 0);
    });
    payment.destroy_zero();
    test_scenario::return_shared(pool);
    scenario.return_to_sender(token);
}

/// Unbonds and, when that is over, withdraws the sender's only stake. Returns what came back.
fun unstake(scenario: &mut Scenario, owner: address): u64 {
    scenario.next_tx(owner);
    let proof: StakeProof = scenario.take_from_sender();
    let cluster: Cluster = scenario.take_shared();
    let mut pool: StakePool = scenario.take_shared();
    let mut clock: Clock = scenario.take_shared();
    pool.begin_unbonding(&cluster, &proof, &clock, scenario.ctx());
    scenario.return_to_sender(proof);
    scenario.next_tx(owner);
    clock.increment_for_testing(cluster.params().unbonding_ms());
    let proof: StakeProof = scenario.take_from_sender();
    let coin = pool.withdraw(proof, &clock, scenario.ctx());
    let amount = coin.value();
    transfer::public_transfer(coin, owner);
    test_scenario::return_shared(cluster);
    test_scenario::return_shared(pool);
    test_scenario::return_shared(clock);
    amount
}

/// The shared objects that most calls take.
macro fun with_slot($scenario: &Scenario, $call: |&Cluster, &mut Enclave, &Clock|) {
    let scenario = $scenario;
    let cluster: Cluster = scenario.take_shared();
    let mut enclave: Enclave = scenario.take_shared();
    let clock: Clock = scenario.take_shared();
    $call(&cluster, &mut enclave, &clock);
    test_scenario::return_shared(cluster);
    test_scenario::return_shared(enclave);
    test_scenario::return_shared(clock);
}

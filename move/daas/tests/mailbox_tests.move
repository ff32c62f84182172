/// Promises of `daas::mailbox` about what it accepts. Refusals are in `daas::mailbox_refusal_tests`, what ends a request
/// in `daas::mailbox_expiry_tests` and `daas::settlement_tests`.
#[test_only]
module daas::mailbox_tests;

use daas::command::{Self, Command};
use daas::heads::{Self, Event};
use daas::mailbox::{Self, K8sAPIRequest, K8sValidationResult};
use daas::requests;
use daas::signed_settlement as signed;
use daas::world::{Self, World};
use std::hash::sha2_256;
use std::unit_test::{Self, assert_eq};
use sui::bcs;
use sui::event;

const STRANGER: address = @0xB0B;
/// The defaults of `daas::params`.
const MIN_DEADLINE: u64 = 90_000;
const MAX_DEADLINE: u64 = 3_600_000;
const FEE_BASE: u64 = 1_000_000;
const FEE_PER_KIB: u64 = 100_000;
const FEE_BASE_AT: u64 = 12;
const MAX_PENDING_AT: u64 = 11;

#[test]
fun sequences_have_no_gap_and_escrow_is_exact() {
    let mut world = world::serving();
    let fees = vector[2_100_000u64, 9_000_000, 1_000_000_000];
    fees.length().do!(|i| {
        let command = requests::paying(&world, 1 + (i as u8), 5, world::on_chain(100), fees[i]);
        let ctx = &mut world.as_sender(world::user());
        let mut payment = world::mint(fees[i] + 7, ctx);
        let (cluster, _, _, pool, _, enclave, token, clock) = world.parts();
        let seq = mailbox::execute_kubectl_command(enclave, cluster, pool, token, command, &mut payment, clock, ctx);
        assert_eq!(seq, i);
        assert_eq!(payment.value(), 7);
        assert_eq!(requests::escrow(&world, 1 + (i as u8)), fees[i]);
        unit_test::destroy(payment);
    });
    assert_eq!(world.enclave().mailbox().next_seq(), 3);
    assert_eq!(world.enclave().mailbox().pending(), 3);
    assert_eq!(world.enclave().earnings(), 0);
    world.destroy();
}

#[test]
fun the_mailbox_head_is_that_of_the_requests_in_their_order() {
    let mut world = world::serving();
    let mut domain = b"DAAS-MAILBOX-V1\x00";
    domain.append(world.enclave().id().to_bytes());
    let mut head = sha2_256(domain);
    assert_eq!(*world.enclave().mailbox_head().head(), head);
    let state = world.cluster().state();
    vector[1u8, 2, 3].do!(|number| {
        let command = world.command(number);
        let body = request_body(&world, &command, (number as u64) - 1);
        world.submit_command(command);
        head.append(sha2_256(body));
        head = sha2_256(head);
        let events = event::events_by_type<Event<K8sAPIRequest>>();
        assert_eq!(events.length(), number as u64);
        let last = &events[events.length() - 1];
        assert_eq!(bcs::to_bytes(heads::body(last)), body);
        assert_eq!(*world.enclave().mailbox_head().head(), head);
        assert_eq!(world.enclave().mailbox_head().seq(), number as u64);
        assert_eq!(*heads::mailbox_of(last), option::some(world.enclave().mailbox_head()));
        assert_eq!(*heads::state_of(last), option::some(state));
    });
    assert_eq!(world.cluster().state(), state);
    world.destroy();
}

#[test]
fun an_accepted_request_is_said_to_be_approved() {
    let mut world = world::serving();
    world.submit(1);
    world.submit(2);
    let events = event::events_by_type<K8sValidationResult>();
    assert_eq!(events.length(), 2);
    let mut expected = world.enclave().id().to_bytes();
    expected.append(bcs::to_bytes(&1u64));
    expected.append(bcs::to_bytes(&world::user()));
    expected.append(bcs::to_bytes(&world::request_id(2)));
    expected.append(bcs::to_bytes(&true));
    assert_eq!(bcs::to_bytes(&events[1]), expected);
    world.destroy();
}

#[test]
fun a_payload_in_several_arguments_arrives_whole() {
    let mut world = world::serving();
    let mut payload = command::on_chain(vector::tabulate!(16_000, |_| 1));
    payload.append(vector::tabulate!(16_000, |_| 2));
    payload.append(vector[3]);
    let command = world.command_with(1, 5, false, payload);
    let body = request_body(&world, &command, 0);
    world.submit_command(command);
    let events = event::events_by_type<Event<K8sAPIRequest>>();
    assert_eq!(bcs::to_bytes(heads::body(&events[0])), body);
    // Tag of OnChain, ULEB128 length 32,001, then the parts in order, to the end of the body.
    let tail = bcs::to_bytes(&command.payload());
    assert_eq!(tail.length(), 1 + 3 + 32_001);
    assert_eq!(vector[tail[4], tail[16_003], tail[16_004], tail[32_003], tail[32_004]], vector[1, 1, 2, 2, 3]);
    let start = body.length() - tail.length();
    assert_eq!(vector::tabulate!(tail.length(), |i| body[start + i]), tail);
    world.destroy();
}

#[test]
fun a_payload_off_chain_is_named_by_its_digest() {
    let mut world = world::serving();
    let payload = command::off_chain(sha2_256(b"large"), 5_000_000);
    let command = world.command_with(1, 5, true, payload);
    let body = request_body(&world, &command, 0);
    world.submit_command(command);
    let events = event::events_by_type<Event<K8sAPIRequest>>();
    assert_eq!(bcs::to_bytes(heads::body(&events[0])), body);
    let mut expected = vector[1u8];
    expected.append(bcs::to_bytes(&sha2_256(b"large")));
    expected.append(bcs::to_bytes(&5_000_000u64));
    assert_eq!(vector::tabulate!(42, |i| body[body.length() - 42 + i]), expected);
    world.destroy();
}

#[test]
fun nothing_is_said_against_what_is_accepted() {
    let mut world = world::serving();
    let now = world.now();
    let mut commands = vector[world.command(1)];
    commands.push_back(requests::at(&world, 2, now + MIN_DEADLINE));
    commands.push_back(requests::at(&world, 3, now + MAX_DEADLINE));
    commands.push_back(world.command_with(4, 10, true, command::off_chain(sha2_256(b"x"), 1)));
    let mut seq = 0;
    commands.do!(|command| {
        assert_eq!(requests::answer(&world, &command), b"".to_string());
        assert_eq!(world.submit_command(command), seq);
        seq = seq + 1;
    });
    world.destroy();
}

#[test]
fun the_least_fee_follows_priority_and_started_kibibytes() {
    let mut world = world::serving();
    let priorities = vector[1u8, 3, 4, 7, 8, 10];
    let factors = vector[1, 1, 2, 2, 4, 4];
    let sizes = vector[1, 1_024, 1_025, 2_048, 2_049, 0];
    let kibibytes = vector[1, 1, 2, 2, 3, 0];
    priorities.length().do!(|i| {
        let payload =
            if (sizes[i] == 0) command::off_chain(sha2_256(b"x"), 1_000_000) else world::on_chain(sizes[i]);
        let least = factors[i] * FEE_BASE + kibibytes[i] * FEE_PER_KIB;
        let number = 1 + (i as u8);
        let cheap = requests::paying(&world, number, priorities[i], payload, least - 1);
        assert_eq!(requests::answer(&world, &cheap), b"EFeeTooLow".to_string());
        let enough = requests::paying(&world, number, priorities[i], payload, least);
        world.submit_command(enough);
        assert_eq!(requests::escrow(&world, number), least);
    });
    world.destroy();
}

#[test]
fun a_cluster_without_fees_takes_requests_for_nothing() {
    let mut world = world::with_params(requests::params_with(FEE_BASE_AT, 0));
    world.register(1);
    let free = requests::paying(&world, 1, 10, command::off_chain(sha2_256(b"x"), 1), 0);
    world.submit_command(free);
    assert_eq!(requests::escrow(&world, 1), 0);
    world.destroy();
}

#[test]
fun an_id_is_free_again_when_its_record_is_closed() {
    let mut world = world::serving();
    world.submit(1);
    let (message, signature) = signed::receipt_1();
    requests::settle(&mut world, vector[1], message, signature);
    requests::close_as(&mut world, world::user(), 1);
    assert_eq!(world.submit(1), 1);
    world.wait(requests::life_ms());
    requests::expire(&mut world, 1);
    requests::close_as(&mut world, world::user(), 1);
    assert_eq!(world.submit(1), 2);
    world.destroy();
}

#[test]
fun requesters_do_not_share_request_ids() {
    let mut world = world::serving();
    world.submit(1);
    let token = requests::token_for(&mut world, STRANGER, b"*:*");
    let command = requests::with_verb(&world, 1, b"get");
    requests::submit_with(&mut world, &token, STRANGER, command);
    assert_eq!(world.enclave().mailbox().pending(), 2);
    unit_test::destroy(token);
    world.destroy();
}

#[test]
fun a_request_that_ends_makes_room() {
    let mut world = world::with_params(requests::params_with(MAX_PENDING_AT, 2));
    world.register(1);
    world.submit(1);
    world.submit(2);
    let (message, signature) = signed::receipt_1();
    requests::settle(&mut world, vector[1], message, signature);
    assert_eq!(world.submit(3), 2);
    assert_eq!(world.enclave().mailbox().pending(), 2);
    world.destroy();
}

#[test]
fun reading_needs_no_stake() {
    let mut world = world::serving();
    let token = requests::token_for(&mut world, STRANGER, b"*:*");
    let mut seq = 0;
    vector[b"get", b"list", b"watch"].do!(|verb| {
        let command = requests::with_verb(&world, 1 + (seq as u8), verb);
        assert_eq!(requests::submit_with(&mut world, &token, STRANGER, command), seq);
        seq = seq + 1;
    });
    unit_test::destroy(token);
    world.destroy();
}

#[test]
fun a_stake_of_exactly_the_minimum_is_enough_to_write() {
    let mut world = world::serving();
    let token = requests::token_for(&mut world, STRANGER, b"*:*");
    let ctx = &mut world.as_sender(STRANGER);
    let (cluster, _, _, pool, _, _, _, _) = world.parts();
    pool.deposit_requester(cluster, world::mint(world::sui(1), ctx), ctx);
    let command = world.command(1);
    assert_eq!(requests::submit_with(&mut world, &token, STRANGER, command), 0);
    unit_test::destroy(token);
    world.destroy();
}

#[test]
fun every_writing_verb_needs_a_stake() {
    let mut world = world::serving();
    let token = requests::token_for(&mut world, STRANGER, b"*:*");
    vector[b"create", b"update", b"patch", b"delete", b"deletecollection"].do!(|verb| {
        let command = requests::with_verb(&world, 1, verb);
        let (cluster, _, _, pool, _, enclave, _, clock) = world.parts();
        let said = mailbox::check_request(enclave, cluster, pool, &token, &command, STRANGER, clock);
        assert_eq!(said, b"EInsufficientStake".to_string());
    });
    unit_test::destroy(token);
    world.destroy();
}

#[test]
fun the_newest_request_key_and_the_one_before_it_are_taken() {
    let mut world = world::serving();
    requests::reboot(&mut world, 2);
    requests::reboot(&mut world, 3);
    let newest = requests::with_key(&world, 1, 3);
    let previous = requests::with_key(&world, 2, 2);
    assert_eq!(world.submit_command(newest), 0);
    assert_eq!(world.submit_command(previous), 1);
    world.destroy();
}

#[test]
fun a_batch_of_128_is_accepted_in_its_order() {
    let mut world = world::serving();
    world.submit(200);
    let commands = vector::tabulate!(128, |i| world.command(1 + (i as u8)));
    assert_eq!(requests::submit_batch(&mut world, commands, 128 * world::fee()), 1);
    assert_eq!(world.enclave().mailbox().next_seq(), 129);
    assert_eq!(requests::seq_of(&world, 1), 1);
    assert_eq!(requests::seq_of(&world, 128), 128);
    assert_eq!(world.enclave().mailbox_head().seq(), 129);
    world.destroy();
}

/// bcs of the event's body, field by field, so that a change of its layout shows here.
fun request_body(world: &World, command: &Command, seq: u64): vector<u8> {
    requests::concat(vector[
        // Kind.
        vector[64],
        bcs::to_bytes(&seq),
        bcs::to_bytes(&world::user()),
        bcs::to_bytes(&world.token().token_id()),
        bcs::to_bytes(&command.request_id()),
        bcs::to_bytes(&command.request_digest()),
        bcs::to_bytes(&b"create"),
        bcs::to_bytes(&b""),
        bcs::to_bytes(&b"configmaps"),
        bcs::to_bytes(&b""),
        bcs::to_bytes(&b"default"),
        bcs::to_bytes(&command.deadline_ms()),
        bcs::to_bytes(&command.priority()),
        bcs::to_bytes(&command.deliver()),
        bcs::to_bytes(&command.fee()),
        bcs::to_bytes(&command.request_key_id()),
        // No placement.
        vector[0],
        bcs::to_bytes(&command.payload()),
    ])
}

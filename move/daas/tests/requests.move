/// Commands, tokens and calls for the tests of `daas::mailbox` and `daas::settlement`.
#[test_only]
module daas::requests;

use daas::access::{Self, AccessToken};
use daas::cluster::{Self, AdminCap, Cluster, VetoCap};
use daas::command::{Self, Command, Payload};
use daas::mailbox;
use daas::params::{Self, Parameters};
use daas::queue;
use daas::stake::{Self, StakePool};
use daas::world::{Self, World};
use std::hash::sha2_256;
use std::string::String;
use std::unit_test::{Self, assert_eq};
use sui::bcs;

const STRANGER: address = @0xB0B;
/// Of `world::command`: deadline 180 s and the grace of 30 s.
const LIFE_MS: u64 = 210_000;
/// The least that a deadline lies ahead by default.
const MIN_DEADLINE_MS: u64 = 90_000;

/// Without stake and token.
public fun stranger(): address { STRANGER }

public fun life_ms(): u64 { LIFE_MS }

public fun min_deadline_ms(): u64 { MIN_DEADLINE_MS }

/// A create with the least deadline; `key` and `fee` as given.
public fun with_key(world: &World, number: u8, key: u64): Command {
    make(number, b"create", world.now() + MIN_DEADLINE_MS, 5, false, key, world::on_chain(100), world::fee())
}

public fun at(world: &World, number: u8, deadline_ms: u64): Command {
    let key = world.enclave().request_key_id();
    make(number, b"create", deadline_ms, 5, false, key, world::on_chain(100), world::fee())
}

public fun with_verb(world: &World, number: u8, verb: vector<u8>): Command {
    let deadline_ms = world.now() + MIN_DEADLINE_MS;
    make(number, verb, deadline_ms, 5, false, world.enclave().request_key_id(), world::on_chain(100), world::fee())
}

public fun paying(world: &World, number: u8, priority: u8, payload: Payload, fee: u64): Command {
    let deadline_ms = world.now() + MIN_DEADLINE_MS;
    make(number, b"create", deadline_ms, priority, false, world.enclave().request_key_id(), payload, fee)
}

/// The answer is wanted in the settlement event.
public fun delivered(world: &World, number: u8): Command {
    world.command_with(number, 5, true, world::on_chain(100))
}

/// What `check_request` says about a command of USER.
public fun answer(world: &World, command: &Command): String {
    mailbox::check_request(
        world.enclave(),
        world.cluster(),
        world.pool(),
        world.token(),
        command,
        world::user(),
        world.clock(),
    )
}

/// Asserts that `check_request` says `name`; then submits as USER, which must abort.
public fun refuse(mut world: World, command: Command, name: vector<u8>) {
    assert_eq!(answer(&world, &command), name.to_string());
    world.submit_command(command);
    abort
}

/// As `refuse`, with another token and sender.
public fun refuse_with(mut world: World, token: AccessToken, sender: address, command: Command, name: vector<u8>) {
    let (cluster, _, _, pool, _, enclave, _, clock) = world.parts();
    let said = mailbox::check_request(enclave, cluster, pool, &token, &command, sender, clock);
    assert_eq!(said, name.to_string());
    submit_with(&mut world, &token, sender, command);
    abort
}

public fun submit_with(world: &mut World, token: &AccessToken, sender: address, command: Command): u64 {
    let ctx = &mut world.as_sender(sender);
    let mut payment = world::mint(command.fee(), ctx);
    let (cluster, _, _, pool, _, enclave, _, clock) = world.parts();
    let seq = mailbox::execute_kubectl_command(enclave, cluster, pool, token, command, &mut payment, clock, ctx);
    payment.destroy_zero();
    seq
}

/// USER pays `paid`, which must be the sum of the fees.
public fun submit_batch(world: &mut World, commands: vector<Command>, paid: u64): u64 {
    let ctx = &mut world.as_sender(world::user());
    let mut payment = world::mint(paid, ctx);
    let (cluster, _, _, pool, _, enclave, token, clock) = world.parts();
    let seq = mailbox::execute_kubectl_batch(enclave, cluster, pool, token, commands, &mut payment, clock, ctx);
    payment.destroy_zero();
    seq
}

/// Anyone settles with one signed message for the USER's requests `numbers`, nothing delivered.
public fun settle(world: &mut World, numbers: vector<u8>, message: vector<u8>, signature: vector<u8>) {
    let deliveries = numbers.map_ref!(|_| vector[]);
    settle_delivering(world, numbers, deliveries, message, signature)
}

public fun settle_delivering(
    world: &mut World,
    numbers: vector<u8>,
    deliveries: vector<vector<u8>>,
    message: vector<u8>,
    signature: vector<u8>,
) {
    let ids = numbers.map!(|number| world::request_id(number));
    let ctx = &mut world.as_sender(STRANGER);
    let (cluster, _, _, _, _, enclave, _, clock) = world.parts();
    mailbox::store_k8s_response(enclave, cluster, ids, deliveries, message, signature, clock, ctx);
}

/// STRANGER reports that the USER's request was not answered in time.
public fun expire(world: &mut World, number: u8) { expire_in(world, number, 0) }

public fun expire_in(world: &mut World, number: u8, epoch: u64) {
    let ctx = &mut world.in_epoch(STRANGER, epoch);
    let (cluster, _, _, pool, _, enclave, _, clock) = world.parts();
    mailbox::expire(enclave, cluster, pool, world::user(), world::request_id(number), clock, ctx);
}

public fun close_as(world: &mut World, sender: address, number: u8) {
    let ctx = &world.as_sender(sender);
    let (cluster, _, _, _, _, enclave, _, _) = world.parts();
    mailbox::close(enclave, cluster, world::request_id(number), ctx);
}

public fun prune(world: &mut World, number: u8) {
    let ctx = &mut world.as_sender(STRANGER);
    let (cluster, _, _, _, _, enclave, _, clock) = world.parts();
    mailbox::prune(enclave, cluster, world::user(), world::request_id(number), clock);
}

/// A day from now.
public fun token_for(world: &mut World, owner: address, grant: vector<u8>): AccessToken {
    let ctx = &mut world.as_sender(world::admin());
    let (cluster, admin, _, _, _, _, _, clock) = world.parts();
    let end = clock.timestamp_ms() + 86_400_000;
    access::issue_for_testing(cluster, admin, owner, vector[grant.to_string()], sha2_256(b"c"), end, clock, ctx)
}

/// Another cluster with its pool.
public fun far_cluster(world: &mut World): (Cluster, AdminCap, VetoCap, StakePool) {
    let ctx = &mut world.as_sender(world::admin());
    let anchors = vector[world::anchor()];
    let (mut far, admin, veto) =
        cluster::create(b"far".to_string(), params::default(), 1, world::policy_pcrs(1), anchors, world.clock(), ctx);
    let pool = stake::create_pool(&mut far, &admin, ctx);
    (far, admin, veto, pool)
}

public fun destroy_far(far: Cluster, admin: AdminCap, veto: VetoCap, pool: StakePool) {
    unit_test::destroy(far);
    unit_test::destroy(admin);
    unit_test::destroy(veto);
    unit_test::destroy(pool);
}

/// The defaults with another value at `position` of `daas::params::from_values`.
public fun params_with(position: u64, value: u64): Parameters {
    let mut reader = bcs::new(bcs::to_bytes(&params::default()));
    let values = vector::tabulate!(22, |i| {
        let before = reader.peel_u64();
        if (i == position) value else before
    });
    params::from_values(values)
}

/// What the USER's pending request holds.
public fun escrow(world: &World, number: u8): u64 {
    let key = queue::key(world::user(), world::request_id(number));
    world.enclave().mailbox().borrow_pending(key).fee()
}

public fun is_pending(world: &World, number: u8): bool {
    world.enclave().mailbox().is_pending(queue::key(world::user(), world::request_id(number)))
}

public fun seq_of(world: &World, number: u8): u64 {
    let key = queue::key(world::user(), world::request_id(number));
    world.enclave().mailbox().borrow_pending(key).seq()
}

/// Of the slot's operator: what slashing can still take.
public fun operator_stake(world: &World): u64 { world.pool().slashable(world.enclave().stake_key()) }

/// A later boot than the one before.
public fun reboot(world: &mut World, number: u8) {
    world.wait(1);
    world.register(number);
}

/// bcs of the fields, one after another: what the bytes of an event must be.
public fun concat(fields: vector<vector<u8>>): vector<u8> {
    let mut bytes = vector[];
    fields.do!(|field| bytes.append(field));
    bytes
}

fun make(
    number: u8,
    verb: vector<u8>,
    deadline_ms: u64,
    priority: u8,
    deliver: bool,
    key: u64,
    payload: Payload,
    fee: u64,
): Command {
    command::new(
        verb.to_string(),
        b"".to_string(),
        b"configmaps".to_string(),
        b"".to_string(),
        b"default".to_string(),
        world::request_id(number),
        world::request_digest(number),
        deadline_ms,
        priority,
        deliver,
        key,
        payload,
        fee,
    )
}

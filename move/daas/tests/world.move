/// A whole cluster in one value, made the same way every time.
///
/// Ids follow from the transaction that makes an object (its hint and how many ids it took before), so the objects here
/// have the same ids in every test, and messages that Python has signed for them verify. Every call of `as_sender`
/// begins a new transaction.
#[test_only]
module daas::world;

use daas::access::{Self, AccessToken};
use daas::binding;
use daas::claims::{Self, Document};
use daas::cluster::{Self, AdminCap, Cluster, VetoCap};
use daas::command::{Self, Command, Payload};
use daas::enclave::{Self, Enclave};
use daas::params::{Self, Parameters};
use daas::pcr::{Self, Pcr};
use daas::stake::{Self, StakePool, StakeProof};
use daas::worker_registry::{Self, WorkerRegistry};
use std::hash::sha2_256;
use std::unit_test;
use sui::clock::{Self, Clock};
use sui::coin::{Self, Coin};
use sui::sui::SUI;

/// Hints of the transactions whose ids tests/support/move_signing.py derives: change both or none.
const CLUSTER_HINT: u64 = 1;
const SLOT_HINT: u64 = 2;
const CLOCK_HINT: u64 = 3;
const FIRST_FREE_HINT: u64 = 1_000;

const ADMIN: address = @0xAD;
const OPERATOR: address = @0x0B;
const USER: address = @0x5E;
/// Time of the chain when the world begins.
const START_MS: u64 = 1_000_000_000_000;
const SUI_MIST: u64 = 1_000_000_000;

public struct World {
    cluster: Cluster,
    admin: AdminCap,
    veto: VetoCap,
    pool: StakePool,
    registry: WorkerRegistry,
    enclave: Enclave,
    /// USER's, `*:*`.
    token: AccessToken,
    user_stake: StakeProof,
    operator_stake: StakeProof,
    clock: Clock,
    next_hint: u64,
}

public fun admin(): address { ADMIN }

public fun operator(): address { OPERATOR }

public fun user(): address { USER }

public fun start_ms(): u64 { START_MS }

/// Cluster, pool, registry, slot with its stake, USER with stake and token; no boot yet.
public fun new(): World { with_params(params::default()) }

public fun with_params(params: Parameters): World {
    let mut clock = clock::create_for_testing(&mut tx(ADMIN, CLOCK_HINT, 0));
    clock.set_for_testing(START_MS);
    let ctx = &mut tx(ADMIN, CLUSTER_HINT, 0);
    let (mut cluster, admin, veto) =
        cluster::create(b"test".to_string(), params, 1, policy_pcrs(1), vector[anchor()], &clock, ctx);
    let mut pool = stake::create_pool(&mut cluster, &admin, ctx);
    let registry = worker_registry::create_registry(&mut cluster, &admin, ctx);
    cluster.admit_operator(&admin, OPERATOR, true);
    let ctx = &mut tx(OPERATOR, SLOT_HINT, 0);
    let enclave = enclave::create_slot(&mut cluster, ctx);
    let payment = coin::mint_for_testing(100 * SUI_MIST, ctx);
    let operator_stake =
        stake::deposit_for_testing(&mut pool, &cluster, stake::operator_key(OPERATOR, enclave.id()), payment, ctx);
    let payment = coin::mint_for_testing(10 * SUI_MIST, ctx);
    let user_stake = stake::deposit_for_testing(&mut pool, &cluster, stake::requester_key(USER), payment, ctx);
    let token = access::issue_for_testing(
        &mut cluster,
        &admin,
        USER,
        vector[b"*:*".to_string()],
        sha2_256(b"commitment"),
        START_MS + 86_400_000,
        &clock,
        ctx,
    );
    World {
        cluster,
        admin,
        veto,
        pool,
        registry,
        enclave,
        token,
        user_stake,
        operator_stake,
        clock,
        next_hint: FIRST_FREE_HINT,
    }
}

/// `new`, and boot 1 registered.
public fun serving(): World {
    let mut world = new();
    world.register(1);
    world
}

public fun destroy(self: World) { unit_test::destroy(self) }

/// The operator unbonds, waits and withdraws: nothing is left to slash. `operator_stake` is then of nobody.
public fun operator_withdraws(self: World): World {
    let World {
        cluster,
        admin,
        veto,
        mut pool,
        registry,
        enclave,
        token,
        user_stake,
        operator_stake,
        mut clock,
        mut next_hint,
    } = self;
    next_hint = next_hint + 1;
    let ctx = &mut tx(OPERATOR, next_hint, 0);
    pool.begin_unbonding(&cluster, &operator_stake, &clock, ctx);
    clock.increment_for_testing(cluster.params().unbonding_ms());
    unit_test::destroy(pool.withdraw(operator_stake, &clock, ctx));
    let nobody = stake::operator_key(@0x0, enclave.id());
    let operator_stake = stake::deposit_for_testing(&mut pool, &cluster, nobody, coin::zero(ctx), ctx);
    World {
        cluster,
        admin,
        veto,
        pool,
        registry,
        enclave,
        token,
        user_stake,
        operator_stake,
        clock,
        next_hint,
    }
}

/// A new transaction of `sender`.
public fun as_sender(self: &mut World, sender: address): TxContext { self.in_epoch(sender, 0) }

public fun in_epoch(self: &mut World, sender: address, epoch: u64): TxContext {
    self.next_hint = self.next_hint + 1;
    tx(sender, self.next_hint, epoch)
}

public fun wait(self: &mut World, ms: u64) { self.clock.increment_for_testing(ms) }

/// The operator registers boot `number` (1..255) with a fresh document.
public fun register(self: &mut World, number: u8) {
    let document = self.document(number);
    let ctx = self.as_sender(OPERATOR);
    let World { enclave, cluster, pool, clock, .. } = self;
    enclave.register_document(cluster, pool, &document, request_key(number), clock, &ctx);
}

/// What the native would return for boot `number` now.
public fun document(self: &World, number: u8): Document {
    self.document_at(number, self.clock.timestamp_ms())
}

public fun document_at(self: &World, number: u8, timestamp_ms: u64): Document {
    claims::document_for_testing(
        timestamp_ms,
        policy_pcrs(1),
        option::some(receipt_public_key(number)),
        option::some(self.binding_bytes(number)),
        option::some(claims::expected_nonce(self.enclave.generation())),
    )
}

/// bcs(EnclaveBinding) of boot `number`.
public fun binding_bytes(self: &World, number: u8): vector<u8> {
    let binding = binding::new_for_testing(
        @daas,
        self.cluster.id().to_address(),
        self.enclave.id().to_address(),
        boot_id(number),
        anchor(),
        sha2_256(request_key(number)),
        sha2_256(vector[number]),
    );
    binding.bytes_for_testing()
}

public fun boot_id(number: u8): vector<u8> { vector::tabulate!(16, |_| number) }

/// 1,216 bytes.
public fun request_key(number: u8): vector<u8> { vector::tabulate!(1_216, |_| number) }

public fun anchor(): vector<u8> { sha2_256(b"anchor") }

public fun policy_pcrs(fill: u8): vector<Pcr> {
    vector::tabulate!(3, |index| pcr::new(index as u8, vector::tabulate!(48, |_| fill + (index as u8))))
}

/// Of the Ed25519 seed that is `number` 32 times; tests/support/move_signing.py signs with it. Boots 1 and 2 have one.
public fun receipt_public_key(number: u8): vector<u8> {
    if (number == 1) x"8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"
    else if (number == 2) x"8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394"
    else sha2_256(vector[number])
}

/// A create of a configmap in namespace "default", accepted as it stands. `number` makes id and digest.
public fun command(self: &World, number: u8): Command { self.command_with(number, 5, false, on_chain(100)) }

public fun command_with(self: &World, number: u8, priority: u8, deliver: bool, payload: Payload): Command {
    command::new(
        b"create".to_string(),
        b"".to_string(),
        b"configmaps".to_string(),
        b"".to_string(),
        b"default".to_string(),
        request_id(number),
        request_digest(number),
        self.clock.timestamp_ms() + 180_000,
        priority,
        deliver,
        self.enclave.request_key_id(),
        payload,
        fee(),
    )
}

public fun on_chain(bytes: u64): Payload { command::on_chain(vector::tabulate!(bytes, |_| 7)) }

public fun fee(): u64 { 10_000_000 }

public fun request_id(number: u8): vector<u8> { vector::tabulate!(16, |_| number) }

/// SHA-256 of the one byte `number`.
public fun request_digest(number: u8): vector<u8> { sha2_256(vector[number]) }

/// USER submits `command(number)` and pays exactly. Returns its sequence in the mailbox.
public fun submit(self: &mut World, number: u8): u64 {
    let command = self.command(number);
    self.submit_command(command)
}

public fun submit_command(self: &mut World, command: Command): u64 {
    let ctx = &mut self.as_sender(USER);
    let mut payment = mint(command.fee(), ctx);
    let World { enclave, cluster, pool, token, clock, .. } = self;
    let seq = daas::mailbox::execute_kubectl_command(
        enclave,
        cluster,
        pool,
        token,
        command,
        &mut payment,
        clock,
        ctx,
    );
    payment.destroy_zero();
    seq
}

public fun mint(amount: u64, ctx: &mut TxContext): Coin<SUI> { coin::mint_for_testing(amount, ctx) }

public fun sui(amount: u64): u64 { amount * SUI_MIST }

public fun cluster(self: &World): &Cluster { &self.cluster }

public fun enclave(self: &World): &Enclave { &self.enclave }

public fun pool(self: &World): &StakePool { &self.pool }

public fun registry(self: &World): &WorkerRegistry { &self.registry }

public fun token(self: &World): &AccessToken { &self.token }

public fun clock(self: &World): &Clock { &self.clock }

public fun now(self: &World): u64 { self.clock.timestamp_ms() }

/// Every part at once, for calls that need several of them mutably.
public fun parts(
    self: &mut World,
): (
    &mut Cluster,
    &AdminCap,
    &VetoCap,
    &mut StakePool,
    &mut WorkerRegistry,
    &mut Enclave,
    &AccessToken,
    &Clock,
) {
    let World { cluster, admin, veto, pool, registry, enclave, token, clock, .. } = self;
    (cluster, admin, veto, pool, registry, enclave, token, clock)
}

public fun user_stake(self: &World): &StakeProof { &self.user_stake }

public fun operator_stake(self: &World): &StakeProof { &self.operator_stake }

fun tx(sender: address, hint: u64, epoch: u64): TxContext {
    sui::tx_context::new_from_hint(sender, hint, epoch, 0, 0)
}

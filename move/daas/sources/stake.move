/// Stakes of requesters, workers and operators, and what slashing takes from them.
///
/// Invariants: the pool holds exactly the sum of its stakes and the treasury; a stake leaves only after unbonding, which
/// is longer than anything can still be proved against its owner, and can be slashed until it has left; a slash is split
/// among reporter, treasury and burn to the last MIST.
module daas::stake;

use daas::cluster::{Self, AdminCap, Cluster};
use daas::params::Parameters;
use daas::version;
use sui::balance::{Self, Balance};
use sui::clock::Clock;
use sui::coin::Coin;
use sui::display;
use sui::event;
use sui::package;
use sui::sui::SUI;
use sui::table::{Self, Table};

#[error]
const EWrongPool: vector<u8> = b"The stake pool belongs to another cluster";
#[error]
const EInsufficientStake: vector<u8> = b"The stake is below the cluster's minimum for this role: deposit more";
#[error]
const EAlreadyStaked: vector<u8> = b"There is a stake for this role already: use top_up with its StakeProof";
#[error]
const EWrongProof: vector<u8> = b"The StakeProof belongs to another pool or owner";
#[error]
const EWorkerRegistered: vector<u8> = b"A worker's stake is unbonded by deregistering the worker";
#[error]
const EUnbonding: vector<u8> = b"The stake is unbonding already: rebond it first";
#[error]
const ENotUnbonding: vector<u8> = b"The stake is not unbonding: call begin_unbonding first";
#[error]
const EUnbondingRunning: vector<u8> = b"The unbonding period is not over";
#[error]
const ENothingDeposited: vector<u8> = b"The payment is empty";

const REQUESTER: u8 = 0;
const OPERATOR: u8 = 1;
const WORKER: u8 = 2;
/// SUI has no burn of its own for users; nobody has the key of this address.
const BURN_ADDRESS: address = @0x0;

public struct STAKE has drop {}

public struct StakePool has key {
    id: UID,
    version: u64,
    cluster: ID,
    stakes: Table<StakeKey, Stake>,
    treasury: Balance<SUI>,
}

/// `subject`: empty for a requester, the slot's id (32 bytes) for an operator, the node id for a worker.
public struct StakeKey has copy, drop, store {
    owner: address,
    role: u8,
    subject: vector<u8>,
}

public struct Stake has store {
    balance: Balance<SUI>,
    unbonded_at_ms: Option<u64>,
}

/// Shows that its owner has staked. It has no `store`, so that only this module could move it, and none does.
public struct StakeProof has key {
    id: UID,
    pool: ID,
    key: StakeKey,
    /// Sum of the payments, MIST; what slashing took is not subtracted (`stake_of` knows).
    deposited: u64,
}

public struct StakeDepositedEvent has copy, drop {
    pool: ID,
    key: StakeKey,
    amount: u64,
    total: u64,
}

public struct StakeUnbondingEvent has copy, drop {
    pool: ID,
    key: StakeKey,
    /// None: the owner has taken it back.
    unbonded_at_ms: Option<u64>,
}

public struct StakeWithdrawnEvent has copy, drop {
    pool: ID,
    key: StakeKey,
    amount: u64,
}

public struct StakeSlashedEvent has copy, drop {
    pool: ID,
    key: StakeKey,
    reporter: address,
    to_reporter: u64,
    to_treasury: u64,
    burned: u64,
}

fun init(otw: STAKE, ctx: &mut TxContext) {
    let publisher = package::claim(otw, ctx);
    let mut display = display::new_with_fields<StakeProof>(
        &publisher,
        vector[b"name".to_string(), b"description".to_string()],
        vector[b"DaaS stake".to_string(), b"{deposited} MIST deposited in pool {pool}; not transferable".to_string()],
        ctx,
    );
    display.update_version();
    transfer::public_transfer(display, ctx.sender());
    transfer::public_transfer(publisher, ctx.sender());
}

/// The admin, once per cluster; `share_pool` follows in the same transaction. Aborts: `EWrongCap`, `ESecondCompanion`.
public fun create_pool(cluster: &mut Cluster, cap: &AdminCap, ctx: &mut TxContext): StakePool {
    cluster.check_admin(cap);
    let pool = StakePool {
        id: object::new(ctx),
        version: version::current(),
        cluster: cluster.id(),
        stakes: table::new(ctx),
        treasury: balance::zero(),
    };
    cluster.set_stake_pool(pool.id.to_inner());
    pool
}

/// Whoever has made the pool.
public fun share_pool(self: StakePool) { transfer::share_object(self) }

/// Anyone who wants to write. The sender gets the StakeProof. Aborts: `EWrongPool`, `EInsufficientStake`,
/// `EAlreadyStaked`.
public fun deposit_requester(self: &mut StakePool, cluster: &Cluster, payment: Coin<SUI>, ctx: &mut TxContext) {
    let minimum = cluster.params().min_stake_requester();
    let proof = self.deposit(cluster, requester_key(ctx.sender()), minimum, payment, ctx);
    transfer::transfer(proof, ctx.sender());
}

/// The operator of slot `enclave`. Aborts: as `deposit_requester`.
public fun deposit_operator(
    self: &mut StakePool,
    cluster: &Cluster,
    enclave: ID,
    payment: Coin<SUI>,
    ctx: &mut TxContext,
) {
    let minimum = cluster.params().min_stake_operator();
    let proof = self.deposit(cluster, operator_key(ctx.sender(), enclave), minimum, payment, ctx);
    transfer::transfer(proof, ctx.sender());
}

public(package) fun deposit_worker(
    self: &mut StakePool,
    cluster: &Cluster,
    node_id: vector<u8>,
    payment: Coin<SUI>,
    ctx: &mut TxContext,
) {
    let minimum = cluster.params().min_stake_worker();
    let proof = self.deposit(cluster, worker_key(ctx.sender(), node_id), minimum, payment, ctx);
    transfer::transfer(proof, ctx.sender());
}

/// The owner of the proof. Aborts: `EWrongProof`, `EUnbonding`, `ENothingDeposited`.
public fun top_up(self: &mut StakePool, proof: &mut StakeProof, payment: Coin<SUI>, ctx: &TxContext) {
    self.check_proof(proof, ctx);
    let amount = payment.value();
    assert!(amount > 0, ENothingDeposited);
    let stake = &mut self.stakes[proof.key];
    assert!(stake.unbonded_at_ms.is_none(), EUnbonding);
    stake.balance.join(payment.into_balance());
    proof.deposited = proof.deposited + amount;
    let total = stake.balance.value();
    event::emit(StakeDepositedEvent { pool: self.id.to_inner(), key: proof.key, amount, total });
}

/// The owner of a requester's or operator's stake: from now on it does not count, and can still be slashed.
/// Aborts: `EWrongPool`, `EWrongProof`, `EWorkerRegistered`, `EUnbonding`.
public fun begin_unbonding(
    self: &mut StakePool,
    cluster: &Cluster,
    proof: &StakeProof,
    clock: &Clock,
    ctx: &TxContext,
) {
    self.check_proof(proof, ctx);
    assert!(proof.key.role != WORKER, EWorkerRegistered);
    self.unbond(cluster, proof.key, clock);
}

/// The owner, for a requester's or operator's stake: it counts again. Aborts: `EWrongProof`, `EWorkerRegistered`,
/// `ENotUnbonding`.
public fun rebond(self: &mut StakePool, proof: &StakeProof, ctx: &TxContext) {
    self.check_proof(proof, ctx);
    assert!(proof.key.role != WORKER, EWorkerRegistered);
    let stake = &mut self.stakes[proof.key];
    assert!(stake.unbonded_at_ms.is_some(), ENotUnbonding);
    stake.unbonded_at_ms = option::none();
    event::emit(StakeUnbondingEvent { pool: self.id.to_inner(), key: proof.key, unbonded_at_ms: option::none() });
}

/// The owner, after unbonding: what slashing has left. Aborts: `EWrongProof`, `ENotUnbonding`, `EUnbondingRunning`.
public fun withdraw(self: &mut StakePool, proof: StakeProof, clock: &Clock, ctx: &mut TxContext): Coin<SUI> {
    self.check_proof(&proof, ctx);
    let StakeProof { id, pool, key, deposited: _ } = proof;
    id.delete();
    let Stake { balance, unbonded_at_ms } = self.stakes.remove(key);
    assert!(unbonded_at_ms.is_some(), ENotUnbonding);
    assert!(clock.timestamp_ms() >= unbonded_at_ms.destroy_some(), EUnbondingRunning);
    event::emit(StakeWithdrawnEvent { pool, key, amount: balance.value() });
    balance.into_coin(ctx)
}

/// The admin: everything in the treasury. Aborts: `EWrongCap`, `EWrongVersion`.
public fun withdraw_treasury(self: &mut StakePool, cap: &AdminCap, ctx: &mut TxContext): Coin<SUI> {
    version::check(self.version);
    cluster::check_cap_of(cap, self.cluster);
    self.treasury.withdraw_all().into_coin(ctx)
}

/// The admin, after an upgrade of the package. Aborts: `EWrongCap`, `ENothingToMigrate`.
public fun migrate(self: &mut StakePool, cap: &AdminCap) {
    cluster::check_cap_of(cap, self.cluster);
    self.version = version::migrated(self.version);
}

/// The stake that counts, MIST: 0 without one and while it is unbonding.
public fun stake_of(self: &StakePool, key: StakeKey): u64 {
    if (!self.stakes.contains(key)) return 0;
    let stake = &self.stakes[key];
    if (stake.unbonded_at_ms.is_some()) 0 else stake.balance.value()
}

/// What slashing can still take, MIST: the stake, unbonding or not.
public fun slashable(self: &StakePool, key: StakeKey): u64 {
    if (self.stakes.contains(key)) self.stakes[key].balance.value() else 0
}

public fun requester_key(owner: address): StakeKey { StakeKey { owner, role: REQUESTER, subject: vector[] } }

public fun operator_key(owner: address, enclave: ID): StakeKey {
    StakeKey { owner, role: OPERATOR, subject: enclave.to_bytes() }
}

public fun worker_key(owner: address, node_id: vector<u8>): StakeKey {
    StakeKey { owner, role: WORKER, subject: node_id }
}

public fun treasury(self: &StakePool): u64 { self.treasury.value() }

public fun proof_key(self: &StakeProof): StakeKey { self.key }

public fun proof_deposited(self: &StakeProof): u64 { self.deposited }

/// Aborts: `EWrongPool`, `EWrongVersion`.
public(package) fun check(self: &StakePool, cluster: &Cluster) {
    version::check(self.version);
    assert!(cluster.is_stake_pool(self.id.to_inner()), EWrongPool);
}

/// Aborts: `EWrongPool`, `EUnbonding`.
public(package) fun unbond(self: &mut StakePool, cluster: &Cluster, key: StakeKey, clock: &Clock) {
    self.check(cluster);
    let stake = &mut self.stakes[key];
    assert!(stake.unbonded_at_ms.is_none(), EUnbonding);
    let unbonded_at_ms = option::some(clock.timestamp_ms() + cluster.params().unbonding_ms());
    stake.unbonded_at_ms = unbonded_at_ms;
    event::emit(StakeUnbondingEvent { pool: self.id.to_inner(), key, unbonded_at_ms });
}

/// Takes at most `amount` of the stake and splits it: reporter's and treasury's shares are rounded down, the rest is
/// burned. Returns what was taken. Nothing aborts, so that a small stake never blocks a refund.
public(package) fun slash(
    self: &mut StakePool,
    params: &Parameters,
    key: StakeKey,
    amount: u64,
    reporter: address,
    ctx: &mut TxContext,
): u64 {
    let taken = amount.min(self.slashable(key));
    if (taken == 0) return 0;
    let mut cut = self.stakes[key].balance.split(taken);
    let to_reporter = params.reporter_share(taken);
    let to_treasury = params.treasury_share(taken);
    if (to_reporter > 0) transfer::public_transfer(cut.split(to_reporter).into_coin(ctx), reporter);
    self.treasury.join(cut.split(to_treasury));
    let burned = cut.value();
    if (burned > 0) transfer::public_transfer(cut.into_coin(ctx), BURN_ADDRESS) else cut.destroy_zero();
    event::emit(StakeSlashedEvent { pool: self.id.to_inner(), key, reporter, to_reporter, to_treasury, burned });
    taken
}

fun deposit(
    self: &mut StakePool,
    cluster: &Cluster,
    key: StakeKey,
    minimum: u64,
    payment: Coin<SUI>,
    ctx: &mut TxContext,
): StakeProof {
    self.check(cluster);
    let amount = payment.value();
    assert!(amount >= minimum, EInsufficientStake);
    assert!(!self.stakes.contains(key), EAlreadyStaked);
    self.stakes.add(key, Stake { balance: payment.into_balance(), unbonded_at_ms: option::none() });
    let pool = self.id.to_inner();
    event::emit(StakeDepositedEvent { pool, key, amount, total: amount });
    StakeProof { id: object::new(ctx), pool, key, deposited: amount }
}

fun check_proof(self: &StakePool, proof: &StakeProof, ctx: &TxContext) {
    version::check(self.version);
    assert!(proof.pool == self.id.to_inner() && proof.key.owner == ctx.sender(), EWrongProof);
}

/// A deposit whose StakeProof the test gets at once; `key` says in which role.
#[test_only]
public fun deposit_for_testing(
    self: &mut StakePool,
    cluster: &Cluster,
    key: StakeKey,
    payment: Coin<SUI>,
    ctx: &mut TxContext,
): StakeProof {
    self.deposit(cluster, key, 0, payment, ctx)
}

#[test_only]
public fun init_for_testing(ctx: &mut TxContext) { init(STAKE {}, ctx) }

#[test_only]
public fun set_version(self: &mut StakePool, version: u64) { self.version = version }

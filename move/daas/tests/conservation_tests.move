/// SUI is conserved: whatever happens in whatever order, what came in is in escrow, earnings, stakes and treasury, or was
/// paid out (burned coins are at 0x0). After every step, fees have gone where the outcome of their request says.
#[test_only]
module daas::conservation_tests;

use daas::mailbox;
use daas::params::{Self, Parameters};
use daas::requests;
use daas::signed_settlement as signed;
use daas::stake::{Self, StakeProof};
use daas::world::{Self, World};
use std::hash::sha2_256;
use std::unit_test::assert_eq;
use sui::bcs;
use sui::coin::{Self, Coin};
use sui::sui::SUI;
use sui::test_scenario::{Self, Scenario};

/// Of a random run; the run whose coverage is asserted is longer.
const STEPS: u64 = 60;
const MANY_STEPS: u64 = 300;
const REQUESTS: u8 = 8;
const STAKER: address = @0x57A;
const REPORTER: address = @0xB0B;
const BURNED: address = @0x0;
const GRACE_MS: u64 = 30_000;
/// By `params`.
const UNBONDING_MS: u64 = 3_900_000;

/// Where a request stands.
const FREE: u8 = 0;
const PENDING: u8 = 1;
const SETTLED: u8 = 2;
const EXPIRED: u8 = 3;

/// What has happened at least once.
const DID_SETTLE: u64 = 0;
const DID_SKIP: u64 = 1;
const DID_EXPIRE: u64 = 2;
const DID_SLASH: u64 = 3;
const DID_TOP_UP: u64 = 4;
const DID_WITHDRAW: u64 = 5;
const DID_CLOSE: u64 = 6;
const DID_REUSE: u64 = 7;
const DID_PAY_OUT: u64 = 8;
const KINDS: u64 = 9;

public struct Request has copy, drop {
    state: u8,
    seq: u64,
    fee: u64,
    closes_at_ms: u64,
}

public struct Run {
    world: World,
    scenario: Scenario,
    /// STAKER's, whose stake comes and goes.
    proof: Option<StakeProof>,
    unbonded_at_ms: u64,
    requests: vector<Request>,
    submitted: u64,
    minted: u64,
    /// Fees of settled requests.
    earned: u64,
    /// Fees of expired requests, and change that the USER got back.
    returned: u64,
    /// In the order of `receivers`.
    paid_out: vector<u64>,
    did: vector<u64>,
}

#[random_test]
fun no_order_of_steps_makes_or_loses_sui(seed: u64) {
    run(seed, STEPS).finish();
}

#[test]
fun the_steps_reach_everything_that_moves_sui() {
    run(1, MANY_STEPS).finish().do!(|count| assert!(count > 0));
}

fun run(seed: u64, steps: u64): Run {
    let scenario = test_scenario::begin(@0x0);
    let mut world = world::with_params(params());
    world.register(1);
    let mut run = Run {
        world,
        scenario,
        proof: option::none(),
        unbonded_at_ms: 0,
        requests: vector::tabulate!(REQUESTS as u64, |_| Request { state: FREE, seq: 0, fee: 0, closes_at_ms: 0 }),
        submitted: 0,
        // Stakes of the world.
        minted: world::sui(110),
        earned: 0,
        returned: 0,
        paid_out: receivers().map!(|_| 0),
        did: vector::tabulate!(KINDS, |_| 0),
    };
    steps.do!(|i| {
        run.step(random(seed, i));
        run.check();
    });
    run
}

/// 32 bytes.
fun random(seed: u64, step: u64): vector<u8> {
    let mut bytes = bcs::to_bytes(&seed);
    bytes.append(bcs::to_bytes(&step));
    sha2_256(bytes)
}

fun step(self: &mut Run, random: vector<u8>) {
    let action = random[0] % 16;
    let number = 1 + random[1] % REQUESTS;
    let amount = bcs::new(random).peel_u64() % world::sui(1);
    let choice = random[9];
    if (action < 4) self.submit(amount)
    else if (action < 7) self.settle(vector[number])
    else if (action < 8) self.settle(vector[1, 2, 3])
    else if (action < 10) self.expire((choice % 3) as u64)
    else if (action < 11) self.slash(amount, choice)
    else if (action < 13) self.stake(amount, choice)
    else if (action < 14) self.close(number)
    else if (action < 15) self.pay_out(choice)
    else self.wait(1 + amount % 400_000);
}

/// Every coin that was made is held or was paid out, and each part is what the history says.
fun check(self: &mut Run) {
    self.scenario.next_tx(@0x0);
    receivers().length().do!(|i| {
        let owner = receivers()[i];
        test_scenario::ids_for_address<Coin<SUI>>(owner).do!(|id| {
            let coin = self.scenario.take_from_address_by_id<Coin<SUI>>(owner, id);
            *&mut self.paid_out[i] = self.paid_out[i] + coin::burn_for_testing(coin);
        });
    });
    let mut escrow = 0;
    let mut expected_escrow = 0;
    REQUESTS.do!(|i| {
        let request = self.requests[i as u64];
        let pending = requests::is_pending(&self.world, i + 1);
        assert_eq!(pending, request.state == PENDING);
        if (pending) {
            escrow = escrow + requests::escrow(&self.world, i + 1);
            expected_escrow = expected_escrow + request.fee;
        }
    });
    assert_eq!(escrow, expected_escrow);
    let earnings = self.world.enclave().earnings();
    let pool = self.world.pool();
    let mut stakes = 0;
    self.stake_keys().do!(|key| stakes = stakes + pool.slashable(key));
    let mut out = 0;
    self.paid_out.do_ref!(|amount| out = out + *amount);
    assert_eq!(escrow + earnings + stakes + pool.treasury() + out, self.minted);
    // USER and OPERATOR are paid by nothing else.
    assert_eq!(self.paid_out[0], self.returned);
    assert_eq!(self.paid_out[1] + earnings, self.earned);
}

/// Everything ends; then only the stakes that nobody has withdrawn are left. Returns what has happened.
fun finish(mut self: Run): vector<u64> {
    self.wait(10 * GRACE_MS);
    REQUESTS.do!(|i| {
        self.expire(i as u64);
        self.check();
    });
    self.pay_out(0);
    self.pay_out(1);
    // Unbond (a stake that is unbonding is rebonded by the same call), then withdraw.
    if (self.proof.is_some()) {
        if (self.unbonded_at_ms == 0) self.stake(0, 1);
        self.wait(UNBONDING_MS);
        self.stake(0, 2);
    };
    self.check();
    assert_eq!(self.world.enclave().mailbox().pending(), 0);
    assert_eq!(self.world.enclave().earnings(), 0);
    assert_eq!(self.world.pool().treasury(), 0);
    assert_eq!(self.world.pool().slashable(stake::requester_key(STAKER)), 0);
    let Run { world, scenario, proof, did, .. } = self;
    proof.destroy_none();
    world.destroy();
    scenario.end();
    did
}

/// The next of the requests that have receipts, in their order; then those whose id is free again.
fun submit(self: &mut Run, amount: u64) {
    let number = if (self.submitted < REQUESTS as u64) (self.submitted as u8) + 1 else {
        let free = self.requests.find_index!(|request| request.state == FREE);
        if (free.is_none()) return;
        (free.destroy_some() as u8) + 1
    };
    let fee = 2_100_000 + amount;
    let command = requests::paying(&self.world, number, 5, world::on_chain(100), fee);
    if (!requests::answer(&self.world, &command).is_empty()) return;
    if (self.submitted >= REQUESTS as u64) self.count(DID_REUSE);
    let change = amount / 3;
    let ctx = &mut self.world.as_sender(world::user());
    let mut payment = world::mint(fee + change, ctx);
    self.minted = self.minted + fee + change;
    self.returned = self.returned + change;
    let (cluster, _, _, pool, _, enclave, token, clock) = self.world.parts();
    let closes_at_ms = command.deadline_ms() + GRACE_MS;
    let seq = mailbox::execute_kubectl_command(enclave, cluster, pool, token, command, &mut payment, clock, ctx);
    transfer::public_transfer(payment, world::user());
    assert_eq!(seq, self.submitted);
    self.submitted = self.submitted + 1;
    *&mut self.requests[(number - 1) as u64] = Request { state: PENDING, seq, fee, closes_at_ms };
}

/// By a batch, which skips what a single receipt would abort for.
fun settle(self: &mut Run, numbers: vector<u8>) {
    if (!self.world.enclave().is_serving(self.world.cluster(), self.world.clock())) return;
    let (message, signature) = if (numbers.length() == 1) alone(numbers[0]) else signed::batch_1_2_3();
    requests::settle(&mut self.world, numbers, message, signature);
    let now = self.world.now();
    numbers.do!(|number| {
        let request = &mut self.requests[(number - 1) as u64];
        let fits = request.state == PENDING && now < request.closes_at_ms && request.seq == (number as u64) - 1;
        if (fits) {
            request.state = SETTLED;
            self.earned = self.earned + request.fee;
            self.count(DID_SETTLE)
        } else self.count(DID_SKIP)
    });
}

/// The first that is overdue.
fun expire(self: &mut Run, epoch: u64) {
    let now = self.world.now();
    let overdue = self.requests.find_index!(|request| request.state == PENDING && now >= request.closes_at_ms);
    if (overdue.is_none()) return;
    let i = overdue.destroy_some();
    requests::expire_in(&mut self.world, (i as u8) + 1, epoch);
    let request = &mut self.requests[i];
    request.state = EXPIRED;
    self.returned = self.returned + request.fee;
    self.count(DID_EXPIRE);
}

fun slash(self: &mut Run, amount: u64, choice: u8) {
    let keys = self.stake_keys();
    let key = keys[(choice as u64) % keys.length()];
    let params = *self.world.cluster().params();
    let ctx = &mut self.world.as_sender(REPORTER);
    let (_, _, _, pool, _, _, _, _) = self.world.parts();
    let before = pool.slashable(key);
    let taken = pool.slash(&params, key, amount, REPORTER, ctx);
    assert_eq!(pool.slashable(key) + taken, before);
    if (taken > 0) self.count(DID_SLASH);
}

/// STAKER deposits, tops up (0), unbonds or rebonds (1), withdraws (2).
fun stake(self: &mut Run, amount: u64, choice: u8) {
    let ctx = &mut self.world.as_sender(STAKER);
    let Run { world, proof, .. } = self;
    let (cluster, _, _, pool, _, _, _, clock) = world.parts();
    if (proof.is_none()) {
        let payment = world::mint(world::sui(1) + amount, ctx);
        self.minted = self.minted + payment.value();
        proof.fill(stake::deposit_for_testing(pool, cluster, stake::requester_key(STAKER), payment, ctx));
    } else if (choice % 3 == 0) {
        if (self.unbonded_at_ms > 0) return;
        self.minted = self.minted + amount + 1;
        pool.top_up(proof.borrow_mut(), world::mint(amount + 1, ctx), ctx);
        self.count(DID_TOP_UP);
    } else if (choice % 3 == 1) {
        if (self.unbonded_at_ms > 0) {
            pool.rebond(proof.borrow(), ctx);
            self.unbonded_at_ms = 0;
        } else {
            pool.begin_unbonding(cluster, proof.borrow(), clock, ctx);
            self.unbonded_at_ms = clock.timestamp_ms() + UNBONDING_MS;
        }
    } else {
        if (self.unbonded_at_ms == 0 || clock.timestamp_ms() < self.unbonded_at_ms) return;
        let coin = pool.withdraw(proof.extract(), clock, ctx);
        self.unbonded_at_ms = 0;
        transfer::public_transfer(coin, STAKER);
        self.count(DID_WITHDRAW);
    }
}

fun close(self: &mut Run, number: u8) {
    let request = &mut self.requests[(number - 1) as u64];
    if (request.state == FREE || request.state == PENDING) return;
    request.state = FREE;
    requests::close_as(&mut self.world, world::user(), number);
    self.count(DID_CLOSE);
}

/// The operator's earnings (0) or the treasury (1).
fun pay_out(self: &mut Run, choice: u8) {
    let amount = if (choice % 2 == 0) {
        let ctx = &mut self.world.as_sender(world::operator());
        let (_, _, _, _, _, enclave, _, _) = self.world.parts();
        let coin = enclave.withdraw_earnings(ctx);
        let amount = coin.value();
        transfer::public_transfer(coin, world::operator());
        amount
    } else {
        let ctx = &mut self.world.as_sender(world::admin());
        let (_, admin, _, pool, _, _, _, _) = self.world.parts();
        let coin = pool.withdraw_treasury(admin, ctx);
        let amount = coin.value();
        transfer::public_transfer(coin, world::admin());
        amount
    };
    if (amount > 0) self.count(DID_PAY_OUT);
}

/// Boot 1 sends heartbeats as long as its operator's stake allows it.
fun wait(self: &mut Run, ms: u64) {
    self.world.wait(ms);
    if (!self.world.enclave().is_staked(self.world.cluster(), self.world.pool())) return;
    let document = self.world.document(1);
    let ctx = &self.world.as_sender(world::operator());
    let (cluster, _, _, pool, _, enclave, _, clock) = self.world.parts();
    enclave.heartbeat_document(cluster, pool, &document, vector[], clock, ctx);
}

fun count(self: &mut Run, kind: u64) { *&mut self.did[kind] = self.did[kind] + 1; }

fun stake_keys(self: &Run): vector<stake::StakeKey> {
    vector[self.world.enclave().stake_key(), stake::requester_key(world::user()), stake::requester_key(STAKER)]
}

/// USER first, then the operator: they get fees and nothing else.
fun receivers(): vector<address> {
    vector[world::user(), world::operator(), world::admin(), STAKER, REPORTER, BURNED]
}

fun alone(number: u8): (vector<u8>, vector<u8>) {
    match (number) {
        1 => signed::alone_1(),
        2 => signed::alone_2(),
        3 => signed::alone_3(),
        4 => signed::alone_4(),
        5 => signed::alone_5(),
        6 => signed::alone_6(),
        7 => signed::alone_7(),
        _ => signed::alone_8(),
    }
}

/// The defaults, but an unbonding that can end within a run: for that, maximum deadline, registration life and evidence
/// window are short too.
fun params(): Parameters {
    let positions = vector[2, 6, 8, 9];
    let values = vector[200_000, 3_600_000, UNBONDING_MS, 0];
    let mut reader = bcs::new(bcs::to_bytes(&params::default()));
    params::from_values(vector::tabulate!(22, |position| {
        let default = reader.peel_u64();
        let (changed, i) = positions.index_of(&position);
        if (changed) values[i] else default
    }))
}

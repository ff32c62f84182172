/// Parameters of a cluster: every value within its bounds, and all of them fitting together.
///
/// Invariant: a `Parameters` value cannot exist outside the bounds, so that no other module checks them again.
/// Times are in milliseconds, amounts in MIST, shares in basis points (1/10,000).
module daas::params;

#[error]
const EParameterCount: vector<u8> = b"Parameters are a list of 22 values in the order of the fields of daas::params::Parameters";
#[error]
const EParameterOutOfRange: vector<u8> = b"A parameter is outside its bounds: daas::params::first_out_of_range names its position";
#[error]
const EDeadlineBelowStaleness: vector<u8> = b"The minimum deadline must be at least 3 times the staleness bound";
#[error]
const EGraceBelowStaleness: vector<u8> = b"The settlement grace must be at least the staleness bound";
#[error]
const EDeadlineOrder: vector<u8> = b"The maximum deadline must not be below the minimum";
#[error]
const EUnbondingTooShort: vector<u8> =
    b"Unbonding must be longer than maximum deadline + grace + registration life + evidence window";
#[error]
const ESharesTooLarge: vector<u8> = b"The shares of reporter and treasury must not exceed the whole";

const COUNT: u64 = 22;
const SECOND: u64 = 1_000;
const MINUTE: u64 = 60_000;
const HOUR: u64 = 3_600_000;
const DAY: u64 = 86_400_000;
const MIST_PER_SUI: u64 = 1_000_000_000;
/// Far above the supply, and low enough that sums of several amounts stay within u64.
const MAX_AMOUNT: u64 = 1_000_000_000_000_000_000;

public struct Parameters has copy, drop, store {
    /// Age of the newest verified beacon past which the enclave pauses.
    staleness_ms: u64,
    min_deadline_ms: u64,
    max_deadline_ms: u64,
    /// After the deadline a result is still taken for this long; then anyone may expire the request.
    settlement_grace_ms: u64,
    /// Oldest attestation document taken at registration and heartbeat.
    attestation_age_ms: u64,
    /// How far the document's time may lie ahead of the chain's clock.
    clock_skew_ms: u64,
    /// How long a boot counts as current without a heartbeat.
    registration_life_ms: u64,
    timelock_ms: u64,
    unbonding_ms: u64,
    /// How long after a boot's life evidence against it can be expected to be found.
    evidence_window_ms: u64,
    /// How long a settled record stays unless its requester closes it.
    retention_ms: u64,
    max_pending: u64,
    /// Least fee at low priority; normal pays twice, high four times as much.
    fee_base: u64,
    /// Per started KiB of payload on chain.
    fee_per_kib: u64,
    /// A missed deadline costs at most this many times the fee.
    slash_fee_factor: u64,
    /// What missed deadlines of one slot cost at most in one epoch of the network.
    slash_epoch_cap: u64,
    min_stake_requester: u64,
    min_stake_worker: u64,
    min_stake_operator: u64,
    /// Share of the stake that proved misbehaviour costs.
    slash_bps: u64,
    reporter_bps: u64,
    treasury_bps: u64,
}

/// Lower and upper bound of each field, in order.
const BOUNDS: vector<vector<u64>> = vector[
    vector[SECOND, 10 * MINUTE],
    vector[3 * SECOND, DAY],
    vector[3 * SECOND, DAY],
    vector[SECOND, DAY],
    vector[10 * SECOND, HOUR],
    vector[0, 5 * MINUTE],
    vector[MINUTE, 7 * DAY],
    vector[SECOND, 30 * DAY],
    vector[MINUTE, 90 * DAY],
    vector[0, 30 * DAY],
    vector[0, 30 * DAY],
    vector[1, 10_000],
    vector[0, MIST_PER_SUI],
    vector[0, MIST_PER_SUI],
    vector[0, 1_000],
    vector[0, MAX_AMOUNT],
    vector[0, MAX_AMOUNT],
    vector[0, MAX_AMOUNT],
    vector[0, MAX_AMOUNT],
    vector[1, 10_000],
    // Below one half: whoever reports himself always loses.
    vector[0, 4_999],
    vector[0, 10_000],
];

/// The plan's defaults. Nothing aborts.
public fun default(): Parameters {
    from_values(vector[
        30 * SECOND,
        90 * SECOND,
        HOUR,
        30 * SECOND,
        5 * MINUTE,
        30 * SECOND,
        DAY,
        DAY,
        14 * DAY,
        7 * DAY,
        DAY,
        256,
        1_000_000,
        100_000,
        10,
        10 * MIST_PER_SUI,
        MIST_PER_SUI,
        MIST_PER_SUI,
        10 * MIST_PER_SUI,
        5_000,
        3_000,
        3_000,
    ])
}

/// Anyone. Aborts: `EParameterCount`, `EParameterOutOfRange`, `EDeadlineBelowStaleness`, `EGraceBelowStaleness`,
/// `EDeadlineOrder`, `EUnbondingTooShort`, `ESharesTooLarge`.
public fun from_values(values: vector<u64>): Parameters {
    assert!(values.length() == COUNT, EParameterCount);
    assert!(first_out_of_range(&values) == COUNT, EParameterOutOfRange);
    let p = Parameters {
        staleness_ms: values[0],
        min_deadline_ms: values[1],
        max_deadline_ms: values[2],
        settlement_grace_ms: values[3],
        attestation_age_ms: values[4],
        clock_skew_ms: values[5],
        registration_life_ms: values[6],
        timelock_ms: values[7],
        unbonding_ms: values[8],
        evidence_window_ms: values[9],
        retention_ms: values[10],
        max_pending: values[11],
        fee_base: values[12],
        fee_per_kib: values[13],
        slash_fee_factor: values[14],
        slash_epoch_cap: values[15],
        min_stake_requester: values[16],
        min_stake_worker: values[17],
        min_stake_operator: values[18],
        slash_bps: values[19],
        reporter_bps: values[20],
        treasury_bps: values[21],
    };
    assert!(p.min_deadline_ms >= 3 * p.staleness_ms, EDeadlineBelowStaleness);
    assert!(p.settlement_grace_ms >= p.staleness_ms, EGraceBelowStaleness);
    assert!(p.max_deadline_ms >= p.min_deadline_ms, EDeadlineOrder);
    let accountable = p.max_deadline_ms + p.settlement_grace_ms + p.registration_life_ms + p.evidence_window_ms;
    assert!(p.unbonding_ms > accountable, EUnbondingTooShort);
    assert!(p.reporter_bps + p.treasury_bps <= 10_000, ESharesTooLarge);
    p
}

/// Position of the first value outside its bounds, or the number of values when all are within.
public fun first_out_of_range(values: &vector<u64>): u64 {
    let bounds = BOUNDS;
    let mut i = 0;
    while (i < values.length() && i < COUNT) {
        if (values[i] < bounds[i][0] || values[i] > bounds[i][1]) return i;
        i = i + 1;
    };
    values.length()
}

public fun staleness_ms(self: &Parameters): u64 { self.staleness_ms }

public fun min_deadline_ms(self: &Parameters): u64 { self.min_deadline_ms }

public fun max_deadline_ms(self: &Parameters): u64 { self.max_deadline_ms }

public fun settlement_grace_ms(self: &Parameters): u64 { self.settlement_grace_ms }

public fun attestation_age_ms(self: &Parameters): u64 { self.attestation_age_ms }

public fun clock_skew_ms(self: &Parameters): u64 { self.clock_skew_ms }

public fun registration_life_ms(self: &Parameters): u64 { self.registration_life_ms }

public fun timelock_ms(self: &Parameters): u64 { self.timelock_ms }

public fun unbonding_ms(self: &Parameters): u64 { self.unbonding_ms }

public fun evidence_window_ms(self: &Parameters): u64 { self.evidence_window_ms }

public fun retention_ms(self: &Parameters): u64 { self.retention_ms }

public fun max_pending(self: &Parameters): u64 { self.max_pending }

public fun slash_fee_factor(self: &Parameters): u64 { self.slash_fee_factor }

public fun slash_epoch_cap(self: &Parameters): u64 { self.slash_epoch_cap }

public fun min_stake_requester(self: &Parameters): u64 { self.min_stake_requester }

public fun min_stake_worker(self: &Parameters): u64 { self.min_stake_worker }

public fun min_stake_operator(self: &Parameters): u64 { self.min_stake_operator }

/// Share of `amount` that proved misbehaviour costs, rounded down.
public fun slash_share(self: &Parameters, amount: u64): u64 { share(amount, self.slash_bps) }

public fun reporter_share(self: &Parameters, amount: u64): u64 { share(amount, self.reporter_bps) }

public fun treasury_share(self: &Parameters, amount: u64): u64 { share(amount, self.treasury_bps) }

/// Least fee of a request of `priority` (1..10) with `payload_bytes` on chain.
public fun min_fee(self: &Parameters, priority: u8, payload_bytes: u64): u64 {
    let factor = if (priority <= 3) 1 else if (priority <= 7) 2 else 4;
    self.fee_base * factor + self.fee_per_kib * payload_bytes.divide_and_round_up(1_024)
}

fun share(amount: u64, bps: u64): u64 {
    ((amount as u128) * (bps as u128) / 10_000) as u64
}

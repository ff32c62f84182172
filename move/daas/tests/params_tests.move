/// Promises of `daas::params`.
#[test_only]
module daas::params_tests;

use daas::params;
use std::unit_test::assert_eq;
use sui::bcs;

const COUNT: u64 = 22;
const DAY: u64 = 86_400_000;

const STALENESS: u64 = 0;
const MIN_DEADLINE: u64 = 1;
const MAX_DEADLINE: u64 = 2;
const GRACE: u64 = 3;
const LIFE: u64 = 6;
const UNBONDING: u64 = 8;
const EVIDENCE: u64 = 9;
const FEE_BASE: u64 = 12;
const FEE_PER_KIB: u64 = 13;
const SLASH_BPS: u64 = 19;
const REPORTER_BPS: u64 = 20;
const TREASURY_BPS: u64 = 21;

/// Lower and upper bound of each parameter, written out: the test must not read them from where it checks them.
const EDGES: vector<vector<u64>> = vector[
    vector[1_000, 600_000],
    vector[3_000, 86_400_000],
    vector[3_000, 86_400_000],
    vector[1_000, 86_400_000],
    vector[10_000, 3_600_000],
    vector[0, 300_000],
    vector[60_000, 604_800_000],
    vector[1_000, 2_592_000_000],
    vector[60_000, 7_776_000_000],
    vector[0, 2_592_000_000],
    vector[0, 2_592_000_000],
    vector[1, 10_000],
    vector[0, 1_000_000_000],
    vector[0, 1_000_000_000],
    vector[0, 1_000],
    vector[0, 1_000_000_000_000_000_000],
    vector[0, 1_000_000_000_000_000_000],
    vector[0, 1_000_000_000_000_000_000],
    vector[0, 1_000_000_000_000_000_000],
    vector[1, 10_000],
    vector[0, 4_999],
    vector[0, 10_000],
];

/// Each value within its bounds, all relations with room on both sides, no value twice but the shares.
fun roomy(): vector<u64> {
    vector[
        1_000, 3_500, 60_000, 1_500, 10_001, 2, 70_000, 1_001, 7_776_000_000, 4, 5, 6, 7_000, 800, 9, 10_003, 11, 12,
        13, 5_000, 0, 0,
    ]
}

fun with(position: u64, value: u64): vector<u64> {
    let mut values = roomy();
    set(&mut values, position, value);
    values
}

fun set(values: &mut vector<u64>, position: u64, value: u64) {
    *(&mut values[position]) = value;
}

/// `with`, and the parameters that the value is bound to moved so that the relations hold.
fun fitting(position: u64, value: u64): vector<u64> {
    let mut values = with(position, value);
    if (position == STALENESS) {
        set(&mut values, MIN_DEADLINE, 3 * value);
        set(&mut values, MAX_DEADLINE, 3 * value);
        set(&mut values, GRACE, value);
    } else if (position == MIN_DEADLINE) set(&mut values, MAX_DEADLINE, value)
    else if (position == MAX_DEADLINE) set(&mut values, MIN_DEADLINE, 3_000);
    values
}

#[test]
fun every_parameter_may_have_both_its_bounds() {
    let edges = EDGES;
    COUNT.do!(|position| edges[position].do!(|value| {
        // Registration alone lives a minute: nothing lets unbonding be as short as its own bound.
        if (position == UNBONDING && value == 60_000) return;
        let values = fitting(position, value);
        assert_eq!(params::first_out_of_range(&values), COUNT);
        assert_eq!(bcs::to_bytes(&params::from_values(values)), concatenated(&values));
    }));
}

#[test]
fun every_parameter_is_out_of_range_one_past_its_bounds() {
    let edges = EDGES;
    COUNT.do!(|position| {
        assert_eq!(params::first_out_of_range(&with(position, edges[position][1] + 1)), position);
        assert_eq!(params::first_out_of_range(&with(position, std::u64::max_value!())), position);
        if (edges[position][0] > 0) {
            assert_eq!(params::first_out_of_range(&with(position, edges[position][0] - 1)), position);
        };
    });
}

#[random_test, expected_failure(abort_code = params::EParameterOutOfRange)]
fun a_value_above_its_bound_makes_no_parameters(position: u8, excess: u64) {
    let edges = EDGES;
    let position = position as u64 % COUNT;
    let excess = 1 + excess % 1_000_000;
    params::from_values(with(position, edges[position][1] + excess));
}

#[random_test, expected_failure(abort_code = params::EParameterOutOfRange)]
fun a_value_below_its_bound_makes_no_parameters(choice: u8, lack: u64) {
    let edges = EDGES;
    // Those whose lower bound is not 0.
    let bounded = vector[0u64, 1, 2, 3, 4, 6, 7, 8, 11, 19];
    let position = bounded[choice as u64 % bounded.length()];
    params::from_values(with(position, lack % edges[position][0]));
}

#[test]
fun the_first_of_several_bad_values_is_named() {
    let mut values = with(5, 300_001);
    set(&mut values, 20, 5_000);
    assert_eq!(params::first_out_of_range(&values), 5);
    set(&mut values, 5, 300_000);
    assert_eq!(params::first_out_of_range(&values), 20);
}

#[test]
fun a_list_of_another_length_has_no_value_out_of_range_past_its_end() {
    assert_eq!(params::first_out_of_range(&vector[]), 0);
    assert_eq!(params::first_out_of_range(&vector[1_000, 3_000]), 2);
    let mut long = roomy();
    long.push_back(std::u64::max_value!());
    assert_eq!(params::first_out_of_range(&long), 23);
}

#[test, expected_failure(abort_code = params::EParameterCount)]
fun one_value_too_few_makes_no_parameters() {
    let mut values = roomy();
    values.pop_back();
    params::from_values(values);
}

#[test, expected_failure(abort_code = params::EParameterCount)]
fun one_value_too_many_makes_no_parameters() {
    let mut values = roomy();
    values.push_back(0);
    params::from_values(values);
}

#[test]
fun every_relation_holds_with_nothing_to_spare() {
    let mut values = roomy();
    set(&mut values, MIN_DEADLINE, 3_000);
    set(&mut values, MAX_DEADLINE, 3_000);
    set(&mut values, GRACE, 1_000);
    set(&mut values, LIFE, 60_000);
    set(&mut values, EVIDENCE, 0);
    set(&mut values, UNBONDING, 3_000 + 1_000 + 60_000 + 1);
    set(&mut values, REPORTER_BPS, 4_999);
    set(&mut values, TREASURY_BPS, 5_001);
    assert_eq!(bcs::to_bytes(&params::from_values(values)), concatenated(&values));
}

#[test, expected_failure(abort_code = params::EDeadlineBelowStaleness)]
fun the_minimum_deadline_is_no_shorter_than_three_times_the_staleness() {
    let mut values = roomy();
    set(&mut values, STALENESS, 1_167);
    params::from_values(values);
}

#[test, expected_failure(abort_code = params::EGraceBelowStaleness)]
fun the_grace_is_no_shorter_than_the_staleness() {
    let mut values = roomy();
    set(&mut values, STALENESS, 1_100);
    set(&mut values, GRACE, 1_099);
    params::from_values(values);
}

#[test, expected_failure(abort_code = params::EDeadlineOrder)]
fun the_maximum_deadline_is_not_below_the_minimum() {
    params::from_values(with(MAX_DEADLINE, 3_499));
}

#[test, expected_failure(abort_code = params::EUnbondingTooShort)]
fun unbonding_is_longer_than_everything_a_stake_answers_for() {
    // Maximum deadline + grace + life + evidence window of `roomy`.
    params::from_values(with(UNBONDING, 60_000 + 1_500 + 70_000 + 4));
}

#[random_test, expected_failure(abort_code = params::EUnbondingTooShort)]
fun whatever_lengthens_accountability_lengthens_unbonding(choice: u8) {
    let mut values = with(UNBONDING, 60_000 + 1_500 + 70_000 + 4 + 1);
    let part = vector[MAX_DEADLINE, GRACE, LIFE, EVIDENCE][choice as u64 % 4];
    let longer = values[part] + 1;
    set(&mut values, part, longer);
    params::from_values(values);
}

#[test, expected_failure(abort_code = params::ESharesTooLarge)]
fun reporter_and_treasury_get_no_more_than_the_whole() {
    let mut values = roomy();
    set(&mut values, REPORTER_BPS, 1);
    set(&mut values, TREASURY_BPS, 10_000);
    params::from_values(values);
}

#[test]
fun the_defaults_are_those_of_the_plan() {
    let p = params::default();
    assert_eq!(p.staleness_ms(), 30_000);
    assert_eq!(p.min_deadline_ms(), 90_000);
    assert_eq!(p.max_deadline_ms(), 3_600_000);
    assert_eq!(p.settlement_grace_ms(), 30_000);
    assert_eq!(p.attestation_age_ms(), 300_000);
    assert_eq!(p.clock_skew_ms(), 30_000);
    assert_eq!(p.registration_life_ms(), DAY);
    assert_eq!(p.timelock_ms(), DAY);
    assert_eq!(p.unbonding_ms(), 14 * DAY);
    assert_eq!(p.evidence_window_ms(), 7 * DAY);
    assert_eq!(p.retention_ms(), DAY);
    assert_eq!(p.max_pending(), 256);
    assert_eq!(p.slash_fee_factor(), 10);
    assert_eq!(p.slash_epoch_cap(), 10_000_000_000);
    assert_eq!(p.min_stake_requester(), 1_000_000_000);
    assert_eq!(p.min_stake_worker(), 1_000_000_000);
    assert_eq!(p.min_stake_operator(), 10_000_000_000);
    assert_eq!(p.slash_share(10_000), 5_000);
    assert_eq!(p.reporter_share(10_000), 3_000);
    assert_eq!(p.treasury_share(10_000), 3_000);
    assert_eq!(p.min_fee(1, 0), 1_000_000);
    assert_eq!(p.min_fee(1, 1), 1_100_000);
}

#[test]
fun what_a_development_cluster_uses_is_within_the_bounds() {
    let mut values = roomy();
    set(&mut values, STALENESS, 10_000);
    set(&mut values, MIN_DEADLINE, 60_000);
    set(&mut values, GRACE, 10_000);
    assert_eq!(params::from_values(values).staleness_ms(), 10_000);
}

#[test]
fun every_value_is_read_back_from_its_place() {
    let v = roomy();
    let p = params::from_values(v);
    let read = vector[
        p.staleness_ms(), p.min_deadline_ms(), p.max_deadline_ms(), p.settlement_grace_ms(), p.attestation_age_ms(),
        p.clock_skew_ms(), p.registration_life_ms(), p.timelock_ms(), p.unbonding_ms(), p.evidence_window_ms(),
        p.retention_ms(), p.max_pending(), v[FEE_BASE], v[FEE_PER_KIB], p.slash_fee_factor(), p.slash_epoch_cap(),
        p.min_stake_requester(), p.min_stake_worker(), p.min_stake_operator(), p.slash_share(10_000),
        p.reporter_share(10_000), p.treasury_share(10_000),
    ];
    assert_eq!(read, v);
}

#[test]
fun a_higher_priority_pays_more() {
    let p = params::from_values(roomy());
    let fees = vector::tabulate!(10, |i| p.min_fee(i as u8 + 1, 0));
    assert_eq!(
        fees,
        vector[7_000, 7_000, 7_000, 14_000, 14_000, 14_000, 14_000, 28_000, 28_000, 28_000],
    );
}

#[test]
fun every_started_kib_is_paid() {
    let p = params::from_values(roomy());
    assert_eq!(p.min_fee(1, 0), 7_000);
    assert_eq!(p.min_fee(1, 1), 7_800);
    assert_eq!(p.min_fee(1, 1_024), 7_800);
    assert_eq!(p.min_fee(1, 1_025), 8_600);
    assert_eq!(p.min_fee(10, 16 * 1_024), 28_000 + 16 * 800);
}

#[test]
fun shares_are_rounded_down_and_hold_the_largest_amount() {
    let mut values = roomy();
    set(&mut values, SLASH_BPS, 10_000);
    set(&mut values, REPORTER_BPS, 3_333);
    set(&mut values, TREASURY_BPS, 1);
    let p = params::from_values(values);
    assert_eq!(p.slash_share(std::u64::max_value!()), std::u64::max_value!());
    assert_eq!(p.reporter_share(10), 3);
    assert_eq!(p.treasury_share(9_999), 0);
    assert_eq!(p.treasury_share(10_000), 1);
}

#[random_test]
fun the_shares_of_a_slash_never_exceed_it(amount: u64, reporter: u16, treasury: u16) {
    let mut values = roomy();
    let reporter = reporter as u64 % 5_000;
    set(&mut values, REPORTER_BPS, reporter);
    set(&mut values, TREASURY_BPS, treasury as u64 % (10_001 - reporter));
    let p = params::from_values(values);
    assert!(p.slash_share(amount) <= amount);
    assert!(p.reporter_share(amount) <= amount - p.treasury_share(amount));
    // Whoever reports himself loses.
    assert!(amount == 0 || p.reporter_share(amount) * 2 < amount);
}

fun concatenated(values: &vector<u64>): vector<u8> {
    let mut bytes = vector[];
    values.do_ref!(|value| bytes.append(bcs::to_bytes(value)));
    bytes
}

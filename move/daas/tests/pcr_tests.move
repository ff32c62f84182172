/// Promises of `daas::pcr`.
#[test_only]
module daas::pcr_tests;

use daas::pcr::{Self, Pcr};
use std::unit_test::assert_eq;

fun value(fill: u8): vector<u8> { vector::tabulate!(48, |_| fill) }

fun register(index: u8, fill: u8): Pcr { pcr::new(index, value(fill)) }

/// Registers 0 to 2, each with its own value.
fun three(): vector<Pcr> { vector[register(0, 1), register(1, 2), register(2, 3)] }

/// What a document shows in its usual order: 0 to 15, the unused ones zero.
fun sixteen(): vector<Pcr> {
    vector::tabulate!(16, |index| register(index as u8, if (index < 3) index as u8 + 1 else 0))
}

#[test]
fun a_register_keeps_what_it_was_made_of() {
    let pcr = register(7, 9);
    assert_eq!(pcr.index(), 7);
    assert_eq!(*pcr.value(), value(9));
}

#[test]
fun a_policy_names_image_kernel_and_application() {
    let policy = three();
    pcr::check_policy(&policy);
    assert!(pcr::matches(&policy, &policy));
}

#[test]
fun a_policy_may_name_registers_up_to_31() {
    let mut policy = three();
    policy.push_back(register(8, 4));
    policy.push_back(register(31, 5));
    pcr::check_policy(&policy);
    assert!(pcr::matches(&policy, &policy));
}

#[test, expected_failure(abort_code = pcr::EPcrOrder)]
fun a_policy_cannot_name_register_32() {
    let mut policy = three();
    policy.push_back(register(32, 4));
    pcr::check_policy(&policy);
}

#[test, expected_failure(abort_code = pcr::EPcrOrder)]
fun a_policy_lists_its_registers_by_ascending_index() {
    pcr::check_policy(&vector[register(0, 1), register(2, 3), register(1, 2)]);
}

#[test, expected_failure(abort_code = pcr::EPcrOrder)]
fun a_policy_names_no_register_twice() {
    pcr::check_policy(&vector[register(0, 1), register(1, 2), register(1, 2), register(2, 3)]);
}

#[test, expected_failure(abort_code = pcr::EPcrOrder)]
fun a_policy_names_no_register_with_two_values() {
    pcr::check_policy(&vector[register(0, 1), register(1, 2), register(2, 3), register(2, 4)]);
}

#[test, expected_failure(abort_code = pcr::EPcrLength)]
fun a_value_has_no_47_bytes() {
    pcr::check_policy(&vector[register(0, 1), register(1, 2), pcr::new(2, vector::tabulate!(47, |_| 3))]);
}

#[test, expected_failure(abort_code = pcr::EPcrLength)]
fun a_value_has_no_49_bytes() {
    pcr::check_policy(&vector[register(0, 1), register(1, 2), pcr::new(2, vector::tabulate!(49, |_| 3))]);
}

#[test, expected_failure(abort_code = pcr::EPcrLength)]
fun a_value_is_not_empty() {
    pcr::check_policy(&vector[pcr::new(0, vector[]), register(1, 2), register(2, 3)]);
}

#[test, expected_failure(abort_code = pcr::EPcrZero)]
fun a_policy_cannot_trust_a_debug_mode_image() {
    pcr::check_policy(&vector[register(0, 0), register(1, 2), register(2, 3)]);
}

#[test, expected_failure(abort_code = pcr::EPcrZero)]
fun a_policy_cannot_ask_for_zeros_in_an_optional_register() {
    let mut policy = three();
    policy.push_back(register(8, 0));
    pcr::check_policy(&policy);
}

#[test]
fun one_bit_is_enough_for_a_value_to_be_no_zero() {
    let mut last = value(0);
    *(&mut last[47]) = 1;
    let policy = vector[register(0, 1), register(1, 2), pcr::new(2, last)];
    pcr::check_policy(&policy);
    assert!(!pcr::is_debug(&policy));
}

#[test, expected_failure(abort_code = pcr::EPcrMissing)]
fun a_policy_is_not_empty() {
    pcr::check_policy(&vector[]);
}

#[test, expected_failure(abort_code = pcr::EPcrMissing)]
fun a_policy_cannot_leave_out_register_0() {
    pcr::check_policy(&vector[register(1, 2), register(2, 3), register(3, 4)]);
}

#[test, expected_failure(abort_code = pcr::EPcrMissing)]
fun a_policy_cannot_leave_out_register_1() {
    pcr::check_policy(&vector[register(0, 1), register(2, 3), register(3, 4)]);
}

#[test, expected_failure(abort_code = pcr::EPcrMissing)]
fun a_policy_cannot_leave_out_register_2() {
    pcr::check_policy(&vector[register(0, 1), register(1, 2), register(3, 4)]);
}

#[test]
fun registers_are_found_among_any_number() {
    assert!(pcr::matches(&three(), &sixteen()));
    let mut many = sixteen();
    16u8.do!(|i| many.push_back(register(16 + i, 0)));
    assert!(pcr::matches(&three(), &many));
}

#[test]
fun registers_are_found_in_any_order() {
    let mut backward = sixteen();
    backward.reverse();
    assert!(pcr::matches(&three(), &backward));
}

#[test]
fun a_document_without_one_register_matches_nothing() {
    3u64.do!(|missing| {
        let mut shown = sixteen();
        shown.remove(missing);
        assert!(!pcr::matches(&three(), &shown));
    });
    assert!(!pcr::matches(&three(), &vector[]));
}

#[test]
fun a_value_under_another_index_matches_nothing() {
    assert!(!pcr::matches(&three(), &vector[register(1, 1), register(0, 2), register(2, 3)]));
}

#[test]
fun one_different_byte_matches_nothing() {
    48u64.do!(|at| {
        let mut other = value(3);
        *(&mut other[at]) = 4;
        assert!(!pcr::matches(&three(), &vector[register(0, 1), register(1, 2), pcr::new(2, other)]));
    });
}

#[test]
fun a_longer_or_shorter_value_matches_nothing() {
    let mut long = value(3);
    long.push_back(3);
    assert!(!pcr::matches(&three(), &vector[register(0, 1), register(1, 2), pcr::new(2, long)]));
    let mut short = value(3);
    short.pop_back();
    assert!(!pcr::matches(&three(), &vector[register(0, 1), register(1, 2), pcr::new(2, short)]));
}

#[test]
fun a_register_listed_twice_matches_nothing() {
    let mut other_value = sixteen();
    other_value.push_back(register(1, 9));
    assert!(!pcr::matches(&three(), &other_value));
    let mut same_value = sixteen();
    same_value.push_back(register(1, 2));
    assert!(!pcr::matches(&three(), &same_value));
}

#[test]
fun a_register_that_the_policy_does_not_name_is_free() {
    let mut shown = sixteen();
    shown.push_back(register(20, 1));
    shown.push_back(register(20, 2));
    assert!(pcr::matches(&three(), &shown));
}

#[test]
fun zeros_or_nothing_in_a_required_register_are_debug_mode() {
    assert!(!pcr::is_debug(&sixteen()));
    3u64.do!(|at| {
        let mut zero = three();
        *(&mut zero[at]) = register(at as u8, 0);
        assert!(pcr::is_debug(&zero));
        let mut missing = three();
        missing.remove(at);
        assert!(pcr::is_debug(&missing));
    });
    assert!(pcr::is_debug(&vector[]));
}

/// `order` shuffles: at each step it says which of the remaining registers comes next.
#[random_test]
fun the_order_of_a_document_never_matters(order: vector<u8>, hurt: u8) {
    let policy = three();
    let mut rest = sixteen();
    // Half of the runs show something else than the policy asks for.
    let honest = hurt % 2 == 0;
    if (!honest) {
        let at = (hurt as u64 / 2) % 3;
        *(&mut rest[at]) = register(at as u8, 9);
    };
    let mut shown = vector[];
    order.do!(|step| if (!rest.is_empty()) {
        let next = step as u64 % rest.length();
        shown.push_back(rest.remove(next));
    });
    shown.append(rest);
    assert_eq!(pcr::matches(&policy, &shown), honest);
}

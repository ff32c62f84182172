/// Promises of `daas::claims` about the registers of a document.
#[test_only]
module daas::claims_pcr_tests;

use daas::claims::{Self, Document};
use daas::claims_tests::{activate, check, zeros};
use daas::cluster;
use daas::pcr::{Self, Pcr};
use daas::world::{Self, World};
use std::unit_test::assert_eq;
use sui::bcs;

#[test]
#[expected_failure(abort_code = daas::claims::EDebugMode)]
fun a_register_0_of_zeros_is_debug_mode() { check_zeroed(0); }

#[test]
#[expected_failure(abort_code = daas::claims::EDebugMode)]
fun a_register_1_of_zeros_is_debug_mode() { check_zeroed(1); }

#[test]
#[expected_failure(abort_code = daas::claims::EDebugMode)]
fun a_register_2_of_zeros_is_debug_mode() { check_zeroed(2); }

#[test]
#[expected_failure(abort_code = daas::claims::EDebugMode)]
fun a_document_of_zeros_alone_is_debug_mode() {
    let world = world::new();
    check(&world, &with_pcrs(&world, vector::tabulate!(16, |i| pcr::new(i as u8, zeros(48)))));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::EDebugMode)]
fun a_register_that_is_not_shown_is_debug_mode() {
    let world = world::new();
    let mut pcrs = world::policy_pcrs(1);
    pcrs.pop_back();
    check(&world, &with_pcrs(&world, pcrs));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::EDebugMode)]
fun a_document_without_registers_is_debug_mode() {
    let world = world::new();
    check(&world, &with_pcrs(&world, vector[]));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::ENoMatchingPolicy)]
fun another_image_is_refused() {
    let world = world::new();
    check(&world, &with_pcrs(&world, world::policy_pcrs(2)));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::ENoMatchingPolicy)]
fun one_bit_of_one_register_is_another_image() {
    let world = world::new();
    let mut pcrs = world::policy_pcrs(1);
    let mut value = *pcrs[2].value();
    *&mut value[47] = value[47] ^ 1;
    *&mut pcrs[2] = pcr::new(2, value);
    check(&world, &with_pcrs(&world, pcrs));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::ENoMatchingPolicy)]
fun the_right_values_under_the_wrong_index_are_refused() {
    let world = world::new();
    let right = world::policy_pcrs(1);
    let swapped = vector[pcr::new(0, *right[1].value()), pcr::new(1, *right[0].value()), right[2]];
    check(&world, &with_pcrs(&world, swapped));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::ENoMatchingPolicy)]
fun a_shortened_register_is_refused() {
    let world = world::new();
    let mut pcrs = world::policy_pcrs(1);
    *&mut pcrs[0] = pcr::new(0, vector::tabulate!(47, |_| 1));
    check(&world, &with_pcrs(&world, pcrs));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::ENoMatchingPolicy)]
fun a_register_shown_twice_is_refused() {
    let world = world::new();
    let mut pcrs = world::policy_pcrs(1);
    pcrs.push_back(pcr::new(0, vector::tabulate!(48, |_| 9)));
    check(&world, &with_pcrs(&world, pcrs));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::claims::ENoMatchingPolicy)]
fun a_revoked_policy_is_matched_by_nothing() {
    let mut world = world::new();
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    cluster.revoke_policy(admin, 1);
    check(&world, &world.document(1));
    world.destroy();
}

#[test]
fun the_newest_policy_that_matches_counts() {
    let mut world = world::new();
    activate_policy(&mut world, 7, world::policy_pcrs(1));
    activate_policy(&mut world, 8, world::policy_pcrs(2));
    assert_eq!(check(&world, &world.document(1)).policy_version(), 7);
    assert_eq!(check(&world, &with_pcrs(&world, world::policy_pcrs(2))).policy_version(), 8);
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    cluster.revoke_policy(admin, 7);
    assert_eq!(check(&world, &world.document(1)).policy_version(), 1);
    world.destroy();
}

#[test]
fun the_newest_policy_is_that_of_the_highest_version_not_the_last_activated() {
    let mut world = world::new();
    let (cluster, admin, _, _, _, _, _, clock) = world.parts();
    let lower = cluster.propose(admin, cluster::policy_change(7, world::policy_pcrs(1)), clock);
    activate_policy(&mut world, 8, world::policy_pcrs(1));
    let (cluster, _, _, _, _, _, _, clock) = world.parts();
    cluster.activate(lower, clock);
    assert_eq!(check(&world, &world.document(1)).policy_version(), 8);
    world.destroy();
}

#[test]
fun a_policy_of_more_registers_wants_them_all() {
    let mut world = world::new();
    let mut pcrs = world::policy_pcrs(1);
    pcrs.push_back(pcr::new(8, vector::tabulate!(48, |_| 8)));
    activate_policy(&mut world, 2, pcrs);
    assert_eq!(check(&world, &world.document(1)).policy_version(), 1);
    assert_eq!(check(&world, &with_pcrs(&world, pcrs)).policy_version(), 2);
    world.destroy();
}

/// Sui lists which registers it likes, in whatever order: 3 to 32 of them, shuffled by the seed, the others of zeros or
/// of anything.
#[random_test]
fun registers_are_found_by_index_in_any_order_and_number(count: u8, seed: u256) {
    let world = world::new();
    let bytes = bcs::to_bytes(&seed);
    let mut pcrs = world::policy_pcrs(1);
    let others = (count % 30) as u64;
    others.do!(|i| {
        let fill = if (bytes[i] % 2 == 0) 0 else bytes[i];
        pcrs.push_back(pcr::new(3 + (i as u8), vector::tabulate!(48, |_| fill)));
    });
    pcrs.length().do!(|i| pcrs.swap(i, (bytes[i % 32] as u64) % (i + 1)));
    assert_eq!(check(&world, &with_pcrs(&world, pcrs)).policy_version(), 1);
    world.destroy();
}

fun check_zeroed(index: u8) {
    let world = world::new();
    let mut pcrs = world::policy_pcrs(1);
    *&mut pcrs[index as u64] = pcr::new(index, zeros(48));
    check(&world, &with_pcrs(&world, pcrs));
    world.destroy();
}

fun with_pcrs(world: &World, pcrs: vector<Pcr>): Document {
    claims::document_for_testing(
        world.now(),
        pcrs,
        option::some(world::receipt_public_key(1)),
        option::some(world.binding_bytes(1)),
        option::some(claims::expected_nonce(0)),
    )
}

fun activate_policy(world: &mut World, version: u64, pcrs: vector<Pcr>) {
    activate(world, cluster::policy_change(version, pcrs));
}

/// Promises of `daas::mailbox` about what it refuses: each by its name, which `check_request` gives too.
#[test_only]
module daas::mailbox_refusal_tests;

use daas::access;
use daas::enclave;
use daas::mailbox;
use daas::requests;
use daas::signed_settlement as signed;
use daas::stake;
use daas::version;
use daas::world;
use std::hash::sha2_256;
use std::unit_test;

const STRANGER: address = @0xB0B;
/// The defaults of `daas::params`.
const MIN_DEADLINE: u64 = 90_000;
const MAX_DEADLINE: u64 = 3_600_000;
const FEE_BASE: u64 = 1_000_000;
const FEE_PER_KIB: u64 = 100_000;
const MAX_PENDING_AT: u64 = 11;

#[test, expected_failure(abort_code = mailbox::EDeadlineTooSoon)]
fun a_deadline_one_ms_too_soon_is_refused() {
    let world = world::serving();
    let command = requests::at(&world, 1, world.now() + MIN_DEADLINE - 1);
    requests::refuse(world, command, b"EDeadlineTooSoon")
}

#[test, expected_failure(abort_code = mailbox::EDeadlineTooSoon)]
fun a_deadline_in_the_past_is_refused() {
    let world = world::serving();
    let command = requests::at(&world, 1, 0);
    requests::refuse(world, command, b"EDeadlineTooSoon")
}

#[test, expected_failure(abort_code = mailbox::EDeadlineTooLate)]
fun a_deadline_one_ms_too_late_is_refused() {
    let world = world::serving();
    let command = requests::at(&world, 1, world.now() + MAX_DEADLINE + 1);
    requests::refuse(world, command, b"EDeadlineTooLate")
}

#[test, expected_failure(abort_code = mailbox::EDeadlineTooLate)]
fun the_latest_time_there_is_overflows_nothing() {
    let world = world::serving();
    let command = requests::at(&world, 1, 0xFFFF_FFFF_FFFF_FFFF);
    requests::refuse(world, command, b"EDeadlineTooLate")
}

#[test, expected_failure(abort_code = mailbox::EFeeTooLow)]
fun a_fee_below_the_least_is_refused() {
    let world = world::serving();
    let command = requests::paying(&world, 1, 8, world::on_chain(1_025), 4 * FEE_BASE + 2 * FEE_PER_KIB - 1);
    requests::refuse(world, command, b"EFeeTooLow")
}

#[test, expected_failure(abort_code = mailbox::EPaymentTooSmall)]
fun a_coin_with_one_mist_less_than_the_fee_is_refused() {
    let mut world = world::serving();
    let command = world.command(1);
    let ctx = &mut world.as_sender(world::user());
    let mut payment = world::mint(world::fee() - 1, ctx);
    let (cluster, _, _, pool, _, enclave, token, clock) = world.parts();
    mailbox::execute_kubectl_command(enclave, cluster, pool, token, command, &mut payment, clock, ctx);
    abort
}

#[test, expected_failure(abort_code = mailbox::EDuplicateRequest)]
fun the_id_of_a_pending_request_is_taken() {
    let mut world = world::serving();
    world.submit(1);
    let command = world.command(1);
    requests::refuse(world, command, b"EDuplicateRequest")
}

#[test, expected_failure(abort_code = mailbox::EDuplicateRequest)]
fun the_id_of_an_expired_request_is_taken() {
    let mut world = world::serving();
    world.submit(1);
    world.wait(requests::life_ms());
    requests::expire(&mut world, 1);
    let command = world.command(1);
    requests::refuse(world, command, b"EDuplicateRequest")
}

#[test, expected_failure(abort_code = mailbox::EDuplicateRequest)]
fun the_id_of_a_settled_request_is_taken() {
    let mut world = world::serving();
    world.submit(1);
    let (message, signature) = signed::receipt_1();
    requests::settle(&mut world, vector[1], message, signature);
    let command = world.command(1);
    requests::refuse(world, command, b"EDuplicateRequest")
}

#[test, expected_failure(abort_code = mailbox::EMailboxFull)]
fun a_full_mailbox_takes_nothing() {
    let mut world = world::with_params(requests::params_with(MAX_PENDING_AT, 2));
    world.register(1);
    world.submit(1);
    world.submit(2);
    let command = world.command(3);
    requests::refuse(world, command, b"EMailboxFull")
}

#[test, expected_failure(abort_code = mailbox::EInvalidSealToken)]
fun a_token_counts_no_longer_at_its_expiry() {
    let mut world = world::serving();
    let expires_at_ms = world.token().expires_at_ms();
    let now = world.now();
    world.wait(expires_at_ms - now - 1);
    world.register(2);
    world.submit(1);
    world.wait(1);
    let command = world.command(2);
    requests::refuse(world, command, b"EInvalidSealToken")
}

#[test, expected_failure(abort_code = mailbox::EInvalidSealToken)]
fun a_revoked_token_is_refused() {
    let mut world = world::serving();
    let token = world.token().token_id();
    let _ctx = world.as_sender(world::admin());
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    access::revoke(cluster, admin, token);
    let command = world.command(1);
    requests::refuse(world, command, b"EInvalidSealToken")
}

#[test, expected_failure(abort_code = mailbox::EInvalidSealToken)]
fun a_token_of_somebody_else_is_refused() {
    let mut world = world::serving();
    let token = requests::token_for(&mut world, STRANGER, b"*:*");
    let command = world.command(1);
    requests::refuse_with(world, token, world::user(), command, b"EInvalidSealToken")
}

#[test, expected_failure(abort_code = mailbox::EInvalidSealToken)]
fun a_token_of_another_cluster_is_refused() {
    let mut world = world::serving();
    let (mut far, admin, veto, pool) = requests::far_cluster(&mut world);
    let ctx = &mut world.as_sender(world::admin());
    let grants = vector[b"*:*".to_string()];
    let end = world.now() + 1_000;
    let token =
        access::issue_for_testing(&mut far, &admin, world::user(), grants, sha2_256(b"c"), end, world.clock(), ctx);
    requests::destroy_far(far, admin, veto, pool);
    let command = world.command(1);
    requests::refuse_with(world, token, world::user(), command, b"EInvalidSealToken")
}

#[test, expected_failure(abort_code = mailbox::EUnauthorizedRequest)]
fun a_request_that_no_grant_covers_is_refused() {
    let mut world = world::serving();
    let token = requests::token_for(&mut world, world::user(), b"configmaps:read");
    let command = world.command(1);
    requests::refuse_with(world, token, world::user(), command, b"EUnauthorizedRequest")
}

#[test, expected_failure(abort_code = mailbox::EUnauthorizedRequest)]
fun a_grant_for_another_namespace_is_not_enough() {
    let mut world = world::serving();
    let token = requests::token_for(&mut world, world::user(), b"configmaps:write@prod");
    let command = world.command(1);
    requests::refuse_with(world, token, world::user(), command, b"EUnauthorizedRequest")
}

#[test, expected_failure(abort_code = mailbox::EInsufficientStake)]
fun writing_without_a_stake_is_refused() {
    let mut world = world::serving();
    let token = requests::token_for(&mut world, STRANGER, b"*:*");
    let command = world.command(1);
    requests::refuse_with(world, token, STRANGER, command, b"EInsufficientStake")
}

#[test, expected_failure(abort_code = mailbox::EInsufficientStake)]
fun writing_with_one_mist_less_than_the_minimum_is_refused() {
    let mut world = world::serving();
    let token = requests::token_for(&mut world, STRANGER, b"*:*");
    let ctx = &mut world.as_sender(STRANGER);
    let (cluster, _, _, pool, _, _, _, _) = world.parts();
    let payment = world::mint(world::sui(1) - 1, ctx);
    let proof = stake::deposit_for_testing(pool, cluster, stake::requester_key(STRANGER), payment, ctx);
    unit_test::destroy(proof);
    let command = world.command(1);
    requests::refuse_with(world, token, STRANGER, command, b"EInsufficientStake")
}

#[test, expected_failure(abort_code = mailbox::EInsufficientStake)]
fun an_unbonding_stake_does_not_count() {
    let mut world = world::serving();
    let (cluster, _, _, pool, _, _, _, clock) = world.parts();
    pool.unbond(cluster, stake::requester_key(world::user()), clock);
    let command = world.command(1);
    requests::refuse(world, command, b"EInsufficientStake")
}

#[test, expected_failure(abort_code = mailbox::EOperatorStake)]
fun a_slot_whose_operator_unbonds_takes_no_requests() {
    let mut world = world::serving();
    let (cluster, _, _, pool, _, enclave, _, clock) = world.parts();
    pool.unbond(cluster, enclave.stake_key(), clock);
    let command = world.command(1);
    requests::refuse(world, command, b"EOperatorStake")
}

#[test, expected_failure(abort_code = mailbox::ENoCurrentBoot)]
fun a_slot_before_its_first_boot_takes_no_requests() {
    let world = world::new();
    let command = requests::at(&world, 1, world.now() + MIN_DEADLINE);
    requests::refuse(world, command, b"ENoCurrentBoot")
}

#[test, expected_failure(abort_code = mailbox::ENoCurrentBoot)]
fun a_boot_takes_no_requests_from_its_expiry_on() {
    let mut world = world::serving();
    let token = {
        let ctx = &mut world.as_sender(world::admin());
        let (cluster, admin, _, _, _, _, _, clock) = world.parts();
        let grants = vector[b"*:*".to_string()];
        let end = clock.timestamp_ms() + 200_000_000;
        access::issue_for_testing(cluster, admin, world::user(), grants, sha2_256(b"c"), end, clock, ctx)
    };
    let life = world.cluster().params().registration_life_ms();
    world.wait(life - 1);
    let command = world.command(1);
    requests::submit_with(&mut world, &token, world::user(), command);
    world.wait(1);
    let command = world.command(2);
    requests::refuse_with(world, token, world::user(), command, b"ENoCurrentBoot")
}

#[test, expected_failure(abort_code = mailbox::ENoCurrentBoot)]
fun a_boot_of_a_revoked_version_takes_no_requests() {
    let mut world = world::serving();
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    cluster.revoke_policy(admin, 1);
    let command = world.command(1);
    requests::refuse(world, command, b"ENoCurrentBoot")
}

#[test, expected_failure(abort_code = mailbox::EUnknownRequestKey)]
fun a_request_key_two_rotations_old_is_refused() {
    let mut world = world::serving();
    requests::reboot(&mut world, 2);
    requests::reboot(&mut world, 3);
    let command = requests::with_key(&world, 1, 1);
    requests::refuse(world, command, b"EUnknownRequestKey")
}

#[test, expected_failure(abort_code = mailbox::EUnknownRequestKey)]
fun a_request_key_that_is_not_yet_there_is_refused() {
    let world = world::serving();
    let command = requests::with_key(&world, 1, 2);
    requests::refuse(world, command, b"EUnknownRequestKey")
}

#[test, expected_failure(abort_code = mailbox::EUnknownRequestKey)]
fun request_key_0_has_never_been() {
    let world = world::serving();
    let command = requests::with_key(&world, 1, 0);
    requests::refuse(world, command, b"EUnknownRequestKey")
}

#[test, expected_failure(abort_code = mailbox::EBatchSize)]
fun an_empty_batch_is_refused() {
    let mut world = world::serving();
    requests::submit_batch(&mut world, vector[], 0);
    abort
}

#[test, expected_failure(abort_code = mailbox::EBatchSize)]
fun a_batch_of_129_is_refused() {
    let mut world = world::serving();
    let commands = vector::tabulate!(129, |i| world.command(1 + (i as u8)));
    requests::submit_batch(&mut world, commands, 129 * world::fee());
    abort
}

#[test, expected_failure(abort_code = mailbox::EDeadlineTooSoon)]
fun one_bad_request_refuses_the_batch() {
    let mut world = world::serving();
    let commands = vector[world.command(1), requests::at(&world, 2, 0), world.command(3)];
    requests::submit_batch(&mut world, commands, 3 * world::fee());
    abort
}

#[test, expected_failure(abort_code = mailbox::EDuplicateRequest)]
fun one_id_twice_refuses_the_batch() {
    let mut world = world::serving();
    let commands = vector[world.command(1), world.command(1)];
    requests::submit_batch(&mut world, commands, 2 * world::fee());
    abort
}

#[test, expected_failure(abort_code = mailbox::EMailboxFull)]
fun a_batch_does_not_pass_the_pending_cap() {
    let mut world = world::with_params(requests::params_with(MAX_PENDING_AT, 2));
    world.register(1);
    let commands = vector[world.command(1), world.command(2), world.command(3)];
    requests::submit_batch(&mut world, commands, 3 * world::fee());
    abort
}

#[test, expected_failure(abort_code = mailbox::EPaymentTooSmall)]
fun a_batch_must_be_paid_whole() {
    let mut world = world::serving();
    let commands = vector[world.command(1), world.command(2)];
    requests::submit_batch(&mut world, commands, 2 * world::fee() - 1);
    abort
}

#[test, expected_failure(abort_code = enclave::EWrongCluster)]
fun a_slot_of_another_cluster_is_refused() {
    let mut world = world::serving();
    let (far, admin, veto, pool) = requests::far_cluster(&mut world);
    let command = world.command(1);
    mailbox::check_request(
        world.enclave(),
        &far,
        &pool,
        world.token(),
        &command,
        world::user(),
        world.clock(),
    );
    requests::destroy_far(far, admin, veto, pool);
    abort
}

#[test, expected_failure(abort_code = stake::EWrongPool)]
fun a_pool_of_another_cluster_is_refused() {
    let mut world = world::serving();
    let (far, admin, veto, pool) = requests::far_cluster(&mut world);
    let command = world.command(1);
    mailbox::check_request(
        world.enclave(),
        world.cluster(),
        &pool,
        world.token(),
        &command,
        world::user(),
        world.clock(),
    );
    requests::destroy_far(far, admin, veto, pool);
    abort
}

#[test, expected_failure(abort_code = version::EWrongVersion)]
fun a_slot_of_another_version_takes_no_requests() {
    let mut world = world::serving();
    let (_, _, _, _, _, enclave, _, _) = world.parts();
    enclave.set_version(2);
    world.submit(1);
    abort
}

#[test, expected_failure(abort_code = version::EWrongVersion)]
fun a_cluster_of_another_version_takes_no_requests() {
    let mut world = world::serving();
    let (cluster, _, _, _, _, _, _, _) = world.parts();
    cluster.set_version(2);
    world.submit(1);
    abort
}

#[test, expected_failure(abort_code = version::EWrongVersion)]
fun with_a_pool_of_another_version_no_requests_are_taken() {
    let mut world = world::serving();
    let (_, _, _, pool, _, _, _, _) = world.parts();
    pool.set_version(2);
    world.submit(1);
    abort
}

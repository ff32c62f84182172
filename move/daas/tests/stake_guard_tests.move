/// Promises of `daas::stake` about who may do what, with which proof, under which version.
#[test_only]
module daas::stake_guard_tests;

use daas::stake::{Self, StakePool, StakeProof};
use daas::stake_tests::{
    begin_unbonding,
    deposit,
    deposit_requester,
    of_old_version,
    rebond,
    requester,
    set_version,
    top_up,
    withdraw
};
use daas::variants;
use daas::world;
use std::unit_test::{assert_eq, destroy};
use sui::bcs;
use sui::display::Display;
use sui::test_scenario;

const ALICE: address = @0xA11CE;
const SUI_MIST: u64 = 1_000_000_000;
const UNBONDING_MS: u64 = 1_209_600_000;

#[test]
fun a_pool_is_shared_and_is_the_cluster_s_own() {
    let mut scenario = test_scenario::begin(world::admin());
    let mut world = world::new();
    let (mut other, admin, veto) = variants::other_cluster(&mut world);
    scenario.next_tx(world::admin());
    let pool = stake::create_pool(&mut other, &admin, scenario.ctx());
    let id = object::id(&pool);
    assert!(other.is_stake_pool(id));
    assert!(!world.cluster().is_stake_pool(id));
    pool.share_pool();
    scenario.next_tx(world::admin());
    let pool = scenario.take_shared<StakePool>();
    assert_eq!(object::id(&pool), id);
    test_scenario::return_shared(pool);
    scenario.end();
    destroy(other);
    destroy(admin);
    destroy(veto);
    world.destroy();
}

#[test]
fun keys_have_one_byte_form_for_each_role() {
    let mut of_requester = ALICE.to_bytes();
    of_requester.append(x"0000");
    assert_eq!(bcs::to_bytes(&requester()), of_requester);
    let mut of_operator = ALICE.to_bytes();
    of_operator.append(x"0120");
    of_operator.append(@0x51.to_bytes());
    assert_eq!(bcs::to_bytes(&stake::operator_key(ALICE, object::id_from_address(@0x51))), of_operator);
    let mut of_worker = ALICE.to_bytes();
    of_worker.append(x"0206");
    of_worker.append(b"node-1");
    assert_eq!(bcs::to_bytes(&stake::worker_key(ALICE, b"node-1")), of_worker);
}

#[test]
#[expected_failure(abort_code = daas::cluster::ESecondCompanion)]
fun a_cluster_has_one_pool() {
    let mut world = world::new();
    let ctx = &mut world.as_sender(world::admin());
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    destroy(stake::create_pool(cluster, admin, ctx));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::cluster::EWrongCap)]
fun a_pool_is_made_by_the_admin_only() {
    let mut world = world::new();
    let (mut other, admin, veto) = variants::other_cluster(&mut world);
    let ctx = &mut world.as_sender(world::admin());
    let (_, wrong, _, _, _, _, _, _) = world.parts();
    destroy(stake::create_pool(&mut other, wrong, ctx));
    destroy(other);
    destroy(admin);
    destroy(veto);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::stake::EWrongProof)]
fun another_s_proof_does_not_top_up() {
    let mut world = world::new();
    let mut proof = deposit(&mut world, requester(), 5);
    let ctx = &mut world.as_sender(@0xB0B);
    let payment = world::mint(7, ctx);
    let (_, _, _, pool, _, _, _, _) = world.parts();
    pool.top_up(&mut proof, payment, ctx);
    destroy(proof);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::stake::EWrongProof)]
fun another_s_proof_does_not_unbond() {
    let mut world = world::new();
    let proof = deposit(&mut world, requester(), 5);
    let ctx = &world.as_sender(@0xB0B);
    let (cluster, _, _, pool, _, _, _, clock) = world.parts();
    pool.begin_unbonding(cluster, &proof, clock, ctx);
    destroy(proof);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::stake::EWrongProof)]
fun another_s_proof_does_not_rebond() {
    let mut world = world::new();
    let proof = deposit(&mut world, requester(), 5);
    begin_unbonding(&mut world, &proof);
    rebond(&mut world, &proof, @0xB0B);
    destroy(proof);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::stake::EWrongProof)]
fun another_s_proof_does_not_withdraw() {
    let mut world = world::new();
    let proof = deposit(&mut world, requester(), 5);
    begin_unbonding(&mut world, &proof);
    world.wait(UNBONDING_MS);
    destroy(withdraw(&mut world, proof, @0xB0B));
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::stake::EWrongProof)]
fun a_proof_of_a_pool_of_one_s_own_making_withdraws_nothing_here() {
    let mut world = world::new();
    let here = deposit(&mut world, requester(), 5);
    begin_unbonding(&mut world, &here);
    world.wait(UNBONDING_MS);
    let (mut other, admin, veto) = variants::other_cluster(&mut world);
    let ctx = &mut world.as_sender(ALICE);
    let mut forged_pool = stake::create_pool(&mut other, &admin, ctx);
    let payment = world::mint(5, ctx);
    let forged = forged_pool.deposit_for_testing(&other, requester(), payment, ctx);
    destroy(withdraw(&mut world, forged, ALICE));
    destroy(here);
    destroy(forged_pool);
    destroy(other);
    destroy(admin);
    destroy(veto);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::version::EWrongVersion)]
fun a_pool_of_another_version_takes_no_deposit() {
    let mut world = of_old_version();
    deposit_requester(&mut world, SUI_MIST);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::version::EWrongVersion)]
fun a_pool_of_another_version_takes_no_top_up() {
    let mut world = world::new();
    let mut proof = deposit(&mut world, requester(), 5);
    set_version(&mut world, 2);
    top_up(&mut world, &mut proof, 1);
    destroy(proof);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::version::EWrongVersion)]
fun a_pool_of_another_version_unbonds_nothing() {
    let mut world = world::new();
    let proof = deposit(&mut world, requester(), 5);
    set_version(&mut world, 2);
    begin_unbonding(&mut world, &proof);
    destroy(proof);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::version::EWrongVersion)]
fun a_pool_of_another_version_rebonds_nothing() {
    let mut world = world::new();
    let proof = deposit(&mut world, requester(), 5);
    begin_unbonding(&mut world, &proof);
    set_version(&mut world, 2);
    rebond(&mut world, &proof, ALICE);
    destroy(proof);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::version::EWrongVersion)]
fun a_pool_of_another_version_pays_nothing_out() {
    let mut world = world::new();
    let proof = deposit(&mut world, requester(), 5);
    begin_unbonding(&mut world, &proof);
    world.wait(UNBONDING_MS);
    set_version(&mut world, 2);
    destroy(withdraw(&mut world, proof, ALICE));
    world.destroy();
}

#[test]
fun a_migrated_pool_works_again() {
    let mut world = of_old_version();
    let (_, admin, _, pool, _, _, _, _) = world.parts();
    pool.migrate(admin);
    deposit_requester(&mut world, SUI_MIST);
    assert_eq!(world.pool().stake_of(requester()), SUI_MIST);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::version::ENothingToMigrate)]
fun a_pool_of_this_version_is_not_migrated() {
    let mut world = world::new();
    let (_, admin, _, pool, _, _, _, _) = world.parts();
    pool.migrate(admin);
    world.destroy();
}

#[test]
#[expected_failure(abort_code = daas::cluster::EWrongCap)]
fun a_pool_is_migrated_by_its_admin_only() {
    let mut world = of_old_version();
    let (other, admin, veto) = variants::other_cluster(&mut world);
    let (_, _, _, pool, _, _, _, _) = world.parts();
    pool.migrate(&admin);
    destroy(other);
    destroy(admin);
    destroy(veto);
    world.destroy();
}

#[test]
fun wallets_can_show_a_proof() {
    let mut scenario = test_scenario::begin(ALICE);
    stake::init_for_testing(scenario.ctx());
    scenario.next_tx(ALICE);
    let display = scenario.take_from_sender<Display<StakeProof>>();
    assert_eq!(display.version(), 1);
    assert_eq!(*display.fields().get(&b"name".to_string()), b"DaaS stake".to_string());
    assert_eq!(
        *display.fields().get(&b"description".to_string()),
        b"{deposited} MIST deposited in pool {pool}; not transferable".to_string(),
    );
    scenario.return_to_sender(display);
    let publisher = scenario.take_from_sender<sui::package::Publisher>();
    assert!(publisher.from_module<StakeProof>());
    scenario.return_to_sender(publisher);
    scenario.end();
}

/// Workers in every status, and what their owners and the enclave do with them, for the tests of the registry.
#[test_only]
module daas::workers;

use daas::cluster::{Self, AdminCap, Cluster};
use daas::params;
use daas::signed_workers as signed;
use daas::world::{Self, World};
use std::unit_test::{Self, assert_eq};

const OWNER: address = @0x30;
const ACTIVE: u8 = 1;
const BUSY: u8 = 2;
const OFFLINE: u8 = 3;
const SLASHED: u8 = 4;

public fun key(fill: u8): vector<u8> { vector::tabulate!(32, |_| fill) }

public fun register(world: &mut World, owner: address, node_id: vector<u8>) {
    let stake = world::sui(2);
    world.register_with(owner, node_id, stake, key(1), key(0x77), key(3))
}

public fun register_with(
    world: &mut World,
    owner: address,
    node_id: vector<u8>,
    stake: u64,
    commitment: vector<u8>,
    worker_key: vector<u8>,
    status_key: vector<u8>,
) {
    let ctx = &mut world.as_sender(owner);
    let payment = world::mint(stake, ctx);
    let (cluster, _, _, pool, registry, _, _, clock) = world.parts();
    registry.stake_and_register_worker(
        cluster,
        pool,
        payment,
        node_id.to_string(),
        commitment,
        worker_key,
        status_key,
        clock,
        ctx,
    );
}

public fun deregister(world: &mut World, sender: address, node_id: vector<u8>) {
    let ctx = &world.as_sender(sender);
    let (cluster, _, _, pool, registry, _, _, clock) = world.parts();
    registry.deregister(cluster, pool, node_id.to_string(), clock, ctx);
}

public fun mark_offline(world: &mut World) {
    let (cluster, _, _, _, registry, _, _, clock) = world.parts();
    registry.mark_offline(cluster, b"worker-1".to_string(), clock);
}

public fun slash(world: &mut World) {
    let (cluster, _, _, _, registry, _, _, _) = world.parts();
    registry.set_slashed(cluster, OWNER, b"worker-1".to_string());
}

public fun is_active(world: &World): bool { world.registry().is_worker_active(b"worker-1".to_string(), world.clock()) }

public fun status(world: &World): u8 { world.registry().worker(b"worker-1".to_string()).status() }

public fun state_seq(world: &World): u64 { world.cluster().state().seq() }

use fun register as World.register_worker;
use fun register_with as World.register_with;
use fun deregister as World.deregister;
use fun mark_offline as World.mark_offline;
use fun slash as World.slash;
use fun status as World.status;

public macro fun report($world: &mut World, $report: _) {
    let world = $world;
    let (message, signature) = $report;
    let (cluster, _, _, _, registry, enclave, _, clock) = world.parts();
    registry.report_status(cluster, enclave, message, signature, clock);
}

public macro fun publish($world: &mut World, $token: _) {
    let world = $world;
    let (message, signature) = $token;
    let (cluster, _, _, _, registry, enclave, _, clock) = world.parts();
    registry.publish_join_token(cluster, enclave, message, signature, clock);
}

public fun pending(): World {
    let mut world = world::serving();
    world.register_worker(OWNER, b"worker-1");
    world
}

public fun active(): World {
    let mut world = pending();
    report!(&mut world, signed::active_1());
    world
}

public fun in_status(status: u8): World {
    let mut world = pending();
    if (status == ACTIVE || status == BUSY) report!(&mut world, signed::active_1());
    if (status == BUSY) report!(&mut world, signed::busy_2());
    if (status == OFFLINE) report!(&mut world, signed::offline_3());
    if (status == SLASHED) world.slash();
    assert_eq!(world.status(), status);
    world
}

public fun other_cluster(world: &mut World): (Cluster, AdminCap) {
    let ctx = &mut world.as_sender(world::admin());
    let pcrs = world::policy_pcrs(1);
    let (cluster, admin, veto) =
        cluster::create(b"other".to_string(), params::default(), 1, pcrs, vector[world::anchor()], world.clock(), ctx);
    unit_test::destroy(veto);
    (cluster, admin)
}

/// Evidence that is reported, and what it is reported against, for the tests of slashing.
#[test_only]
module daas::slashes;

use daas::audit;
use daas::signed_slashing as signed;
use daas::slashing::{Self, BootSlashedEvent};
use daas::stake;
use daas::world::{Self, World};
use std::unit_test::assert_eq;
use sui::event;

const WORKER_OWNER: address = @0x30;
const REPORTER: address = @0x4E;

public fun reporter(): address { REPORTER }

public fun worker_owner(): address { WORKER_OWNER }

use fun add_worker as World.add_worker;
use fun operator_stake as World.operator_stake;

public macro fun equivocate($world: &mut World, $boot: u8, $index: u64, $other_index: u64, $one: _, $other: _) {
    let world = $world;
    let (message, signature) = $one;
    let (other_message, other_signature) = $other;
    let ctx = &mut world.as_sender(reporter());
    let (cluster, _, _, pool, _, enclave, _, _) = world.parts();
    slashing::report_equivocation(
        enclave,
        cluster,
        pool,
        world::boot_id($boot),
        message,
        signature,
        $index,
        other_message,
        other_signature,
        $other_index,
        ctx,
    );
}

public macro fun other_leaf($world: &mut World, $statement: _, $leaf: vector<u8>, $proof: vector<vector<u8>>) {
    let world = $world;
    let (message, signature) = $statement;
    let ctx = &mut world.as_sender(reporter());
    let (cluster, _, _, pool, _, enclave, _, _) = world.parts();
    slashing::report_other_leaf(
        enclave, cluster, pool, world::boot_id(1), message, signature, 0, $leaf, $proof, ctx,
    );
}

public macro fun other_root($world: &mut World, $statement: _, $root: vector<u8>, $proof: vector<vector<u8>>) {
    let world = $world;
    let (message, signature) = $statement;
    let ctx = &mut world.as_sender(reporter());
    let (cluster, _, _, pool, _, enclave, _, _) = world.parts();
    slashing::report_other_root(
        enclave, cluster, pool, world::boot_id(1), message, signature, 0, $root, $proof, ctx,
    );
}

public macro fun worker_fault($world: &mut World, $node_id: vector<u8>, $one: _, $other: _) {
    let world = $world;
    let node_id = $node_id;
    let (message, signature) = $one;
    let (other_message, other_signature) = $other;
    let ctx = &mut world.as_sender(reporter());
    let (cluster, _, _, pool, registry, _, _, _) = world.parts();
    slashing::report_worker_fault(
        registry,
        cluster,
        pool,
        worker_owner(),
        node_id.to_string(),
        message,
        signature,
        other_message,
        other_signature,
        ctx,
    );
}

public fun leave(world: &mut World) {
    let ctx = &world.as_sender(WORKER_OWNER);
    let (cluster, _, _, pool, registry, _, _, clock) = world.parts();
    registry.deregister(cluster, pool, b"worker-1".to_string(), clock, ctx);
}

public macro fun anchor($world: &mut World, $head: _) {
    let world = $world;
    let (message, signature) = $head;
    let (cluster, _, _, _, _, enclave, _, _) = world.parts();
    audit::anchor_tree_head(enclave, cluster, message, signature, vector[]);
}

public fun anchored(): World {
    let mut world = world::serving();
    anchor!(&mut world, signed::head_5());
    world
}

public fun with_worker(): World {
    let mut world = world::serving();
    world.add_worker(b"worker-1");
    world
}

/// The public key of Ed25519 seed 9 (32 times) as its status key.
public fun add_worker(world: &mut World, node_id: vector<u8>) {
    let ctx = &mut world.as_sender(WORKER_OWNER);
    let payment = world::mint(world::sui(2), ctx);
    let (cluster, _, _, pool, registry, _, _, clock) = world.parts();
    registry.stake_and_register_worker(
        cluster,
        pool,
        payment,
        node_id.to_string(),
        vector::tabulate!(32, |_| 1),
        vector::tabulate!(32, |_| 0x77),
        x"fd1724385aa0c75b64fb78cd602fa1d991fdebf76b13c58ed702eac835e9f618",
        clock,
        ctx,
    );
}

public fun operator_stake(world: &World): u64 {
    world.pool().slashable(stake::operator_key(world::operator(), world.enclave().id()))
}

public fun assert_slashed_once(world: &World) {
    assert_eq!(world.operator_stake(), world::sui(50));
    assert_eq!(event::events_by_type<BootSlashedEvent>().length(), 1);
}

/// What differs from the test world in one thing.
#[test_only]
module daas::variants;

use daas::cluster::{Self, AdminCap, Cluster, VetoCap};
use daas::params::{Self, Parameters};
use daas::world::{Self, World};
use sui::bcs;

/// The default parameters with the one at `position` (order of the fields, from 0) replaced.
public fun params_with(position: u64, value: u64): Parameters { params_with_each(vector[position], vector[value]) }

public fun params_with_each(positions: vector<u64>, values: vector<u64>): Parameters {
    let mut all = bcs::new(bcs::to_bytes(&params::default()));
    let mut list = vector::tabulate!(22, |_| all.peel_u64());
    positions.zip_do!(values, |position, value| *&mut list[position] = value);
    params::from_values(list)
}

/// A second cluster with the same policy and anchor, made in a transaction of its own.
public fun other_cluster(world: &mut World): (Cluster, AdminCap, VetoCap) {
    let ctx = &mut world.as_sender(world::admin());
    cluster::create(
        b"other".to_string(),
        params::default(),
        1,
        world::policy_pcrs(1),
        vector[world::anchor()],
        world.clock(),
        ctx,
    )
}

/// Promises of the world that the other tests begin with.
#[test_only]
module daas::world_tests;

use daas::world;

#[test]
fun a_world_can_be_made_and_serves() {
    let world = world::serving();
    assert!(world.enclave().is_serving(world.cluster(), world.clock()));
    world.destroy();
}

#[test]
fun a_user_can_submit() {
    let mut world = world::serving();
    assert!(world.submit(1) == 0);
    assert!(world.submit(2) == 1);
    assert!(world.enclave().mailbox().pending() == 2);
    world.destroy();
}

/// Promises of `daas::settlement`.
#[test_only]
module daas::settlement_tests;

use daas::mailbox;
use daas::signed_settlement as signed;
use daas::world;

#[test]
fun ids_of_the_world_are_those_that_python_signs_for() {
    let world = world::new();
    assert!(world.cluster().id().to_address() == signed::cluster_id());
    assert!(world.enclave().id().to_address() == signed::enclave_id());
    world.destroy();
}

#[test]
fun a_receipt_settles_its_request_and_pays_the_operator() {
    let mut world = world::serving();
    world.submit(1);
    let (message, signature) = signed::receipt_1();
    let (cluster, _, _, _, _, enclave, _, clock) = world.parts();
    mailbox::store_k8s_response(enclave, cluster, vector[world::request_id(1)], vector[vector[]], message, signature, clock);
    assert!(enclave.earnings() == world::fee());
    assert!(mailbox::get_k8s_response(enclave, world::user(), world::request_id(1)).is_some());
    world.destroy();
}

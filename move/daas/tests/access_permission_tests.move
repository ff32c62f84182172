/// Promises of `daas::access::has_permission`, by example. Which texts are grants is in `daas::grant_tests`.
#[test_only]
module daas::access_permission_tests;

use daas::access::{Self, AccessToken};
use daas::world;
use std::hash::sha2_256;
use std::string::String;
use std::unit_test;

fun texts(list: vector<vector<u8>>): vector<String> { list.map!(|text| text.to_string()) }

/// A token with `grants` permits every request of `yes` and none of `no`. A request is verb, group, resource,
/// subresource, namespace.
fun check(grants: vector<vector<u8>>, yes: vector<vector<vector<u8>>>, no: vector<vector<vector<u8>>>) {
    let mut world = world::new();
    let ctx = &mut world.as_sender(world::admin());
    let (cluster, admin, _, _, _, _, _, clock) = world.parts();
    let expires_at_ms = clock.timestamp_ms() + 1_000;
    let token = access::issue_for_testing(
        cluster, admin, world::user(), texts(grants), sha2_256(b"secret"), expires_at_ms, clock, ctx,
    );
    yes.do!(|request| assert!(permits(&token, request)));
    no.do!(|request| assert!(!permits(&token, request)));
    unit_test::destroy(token);
    world.destroy();
}

fun permits(token: &AccessToken, request: vector<vector<u8>>): bool {
    let r = texts(request);
    access::has_permission(token, &r[0], &r[1], &r[2], &r[3], &r[4])
}

#[test]
fun read_is_get_list_watch_and_the_log_of_pods_only() {
    check(
        vector[b"pods:read@prod"],
        vector[
            vector[b"get", b"", b"pods", b"", b"prod"],
            vector[b"list", b"", b"pods", b"", b"prod"],
            vector[b"watch", b"", b"pods", b"", b"prod"],
            vector[b"get", b"", b"pods", b"log", b"prod"],
        ],
        vector[
            vector[b"create", b"", b"pods", b"", b"prod"],
            vector[b"delete", b"", b"pods", b"", b"prod"],
            vector[b"watch", b"", b"pods", b"log", b"prod"],
            vector[b"get", b"", b"pods", b"exec", b"prod"],
            vector[b"create", b"", b"pods", b"exec", b"prod"],
            vector[b"get", b"", b"pods", b"attach", b"prod"],
            vector[b"get", b"", b"pods", b"portforward", b"prod"],
            vector[b"get", b"", b"pods", b"proxy", b"prod"],
            vector[b"get", b"", b"pods", b"status", b"prod"],
            vector[b"get", b"", b"secrets", b"", b"prod"],
            vector[b"read", b"", b"pods", b"", b"prod"],
            vector[b"", b"", b"pods", b"", b"prod"],
        ],
    );
}

#[test]
fun write_is_the_five_changing_verbs_and_reads_nothing() {
    check(
        vector[b"deployments.apps:write@prod"],
        vector[
            vector[b"create", b"apps", b"deployments", b"", b"prod"],
            vector[b"update", b"apps", b"deployments", b"", b"prod"],
            vector[b"patch", b"apps", b"deployments", b"", b"prod"],
            vector[b"delete", b"apps", b"deployments", b"", b"prod"],
            vector[b"deletecollection", b"apps", b"deployments", b"", b"prod"],
        ],
        vector[
            vector[b"get", b"apps", b"deployments", b"", b"prod"],
            vector[b"list", b"apps", b"deployments", b"", b"prod"],
            vector[b"watch", b"apps", b"deployments", b"", b"prod"],
            vector[b"write", b"apps", b"deployments", b"", b"prod"],
            vector[b"update", b"apps", b"deployments", b"scale", b"prod"],
            vector[b"create", b"", b"deployments", b"", b"prod"],
            vector[b"create", b"extensions", b"deployments", b"", b"prod"],
            vector[b"create", b"apps", b"statefulsets", b"", b"prod"],
        ],
    );
}

#[test]
fun a_namespace_confines_and_its_absence_does_not() {
    check(
        vector[b"pods:get@prod", b"configmaps:get", b"*:list@dev"],
        vector[
            vector[b"get", b"", b"pods", b"", b"prod"],
            vector[b"get", b"", b"configmaps", b"", b"prod"],
            vector[b"get", b"", b"configmaps", b"", b"dev"],
            vector[b"get", b"", b"configmaps", b"", b""],
            vector[b"list", b"batch", b"jobs", b"", b"dev"],
        ],
        vector[
            vector[b"get", b"", b"pods", b"", b"dev"],
            vector[b"get", b"", b"pods", b"", b"production"],
            vector[b"get", b"", b"pods", b"", b""],
            vector[b"list", b"batch", b"jobs", b"", b""],
            vector[b"list", b"", b"nodes", b"", b""],
            // A namespace is no object inside itself.
            vector[b"list", b"", b"namespaces", b"", b"dev"],
        ],
    );
}

#[test]
fun a_subresource_is_named_or_not_covered() {
    check(
        vector[b"pods/exec:create@dev", b"deployments.apps/*:update"],
        vector[
            vector[b"create", b"", b"pods", b"exec", b"dev"],
            vector[b"update", b"apps", b"deployments", b"scale", b"prod"],
            vector[b"update", b"apps", b"deployments", b"status", b"prod"],
        ],
        vector[
            vector[b"create", b"", b"pods", b"", b"dev"],
            vector[b"create", b"", b"pods", b"attach", b"dev"],
            vector[b"create", b"", b"pods", b"exec", b"prod"],
            vector[b"get", b"", b"pods", b"exec", b"dev"],
            vector[b"update", b"apps", b"deployments", b"", b"prod"],
            vector[b"patch", b"apps", b"deployments", b"scale", b"prod"],
        ],
    );
}

#[test]
fun all_is_every_resource_subresource_and_namespace() {
    check(
        vector[b"*:*"],
        vector[
            vector[b"get", b"", b"nodes", b"", b""],
            vector[b"delete", b"apps", b"deployments", b"", b"prod"],
            vector[b"update", b"apps", b"deployments", b"scale", b"prod"],
            vector[b"create", b"", b"pods", b"exec", b"prod"],
            vector[b"deletecollection", b"", b"namespaces", b"", b""],
        ],
        vector[
            vector[b"impersonate", b"", b"users", b"", b""],
            vector[b"*", b"", b"pods", b"", b"prod"],
            // Whatever opens it, exec does things.
            vector[b"get", b"", b"pods", b"exec", b"prod"],
        ],
    );
}

#[test]
fun every_verb_of_one_resource_is_not_its_subresources() {
    check(
        vector[b"pods:*", b"*.apps:get"],
        vector[
            vector[b"deletecollection", b"", b"pods", b"", b"dev"],
            vector[b"get", b"", b"pods", b"log", b"dev"],
            vector[b"get", b"apps", b"replicasets", b"", b"dev"],
        ],
        vector[
            vector[b"create", b"", b"pods", b"exec", b"dev"],
            vector[b"create", b"", b"pods", b"eviction", b"dev"],
            vector[b"get", b"", b"services", b"", b"dev"],
            vector[b"get", b"apps", b"replicasets", b"status", b"dev"],
        ],
    );
}

#[test]
fun what_one_grant_allows_no_other_takes_away() {
    check(
        vector[b"pods:get@prod", b"pods:list@dev", b"pods:get@dev"],
        vector[
            vector[b"get", b"", b"pods", b"", b"prod"],
            vector[b"get", b"", b"pods", b"", b"dev"],
            vector[b"list", b"", b"pods", b"", b"dev"],
        ],
        // No grant lends another its verb or namespace.
        vector[vector[b"list", b"", b"pods", b"", b"prod"]],
    );
}

/// Promises of `daas::command`.
#[test_only]
module daas::command_tests;

use daas::command::{Self, Command, Payload};
use daas::world;
use std::string::String;
use std::unit_test::assert_eq;

const MAX_PAYLOAD_BYTES: u64 = 122_880;
/// What one argument of a transaction carries at most.
const MAX_ARGUMENT_BYTES: u64 = 16_384;

#[test]
fun a_command_says_what_it_was_made_of() {
    let command = command::new(
        b"patch".to_string(),
        b"apps".to_string(),
        b"deployments".to_string(),
        b"scale".to_string(),
        b"prod".to_string(),
        world::request_id(1),
        world::request_digest(1),
        77,
        10,
        true,
        3,
        world::on_chain(5),
        9,
    );
    assert_eq!(*command.verb(), b"patch".to_string());
    assert_eq!(*command.group(), b"apps".to_string());
    assert_eq!(*command.resource(), b"deployments".to_string());
    assert_eq!(*command.subresource(), b"scale".to_string());
    assert_eq!(*command.namespace(), b"prod".to_string());
    assert_eq!(command.request_id(), world::request_id(1));
    assert_eq!(command.request_digest(), world::request_digest(1));
    assert_eq!(command.deadline_ms(), 77);
    assert_eq!(command.priority(), 10);
    assert!(command.deliver());
    assert_eq!(command.request_key_id(), 3);
    assert_eq!(command.payload(), world::on_chain(5));
    assert_eq!(command.fee(), 9);
    assert!(!command.is_off_chain());
    assert_eq!(command.bytes_on_chain(), 5);
}

#[test]
fun the_eight_verbs_are_taken() {
    vector[b"get", b"list", b"watch", b"create", b"update", b"patch", b"delete", b"deletecollection"].do!(|verb| {
        assert_eq!(*of(verb, b"", b"pods", b"", b"").verb(), verb.to_string());
    });
}

#[test]
#[expected_failure(abort_code = daas::command::EVerb)]
fun no_verb_is_refused() { of(b"", b"", b"pods", b"", b""); }

#[test]
#[expected_failure(abort_code = daas::command::EVerb)]
fun a_verb_in_capitals_is_refused() { of(b"GET", b"", b"pods", b"", b""); }

#[test]
#[expected_failure(abort_code = daas::command::EVerb)]
fun the_verb_class_of_a_grant_is_no_verb() { of(b"write", b"", b"pods", b"", b""); }

#[test]
#[expected_failure(abort_code = daas::command::EVerb)]
fun the_verb_wildcard_is_no_verb() { of(b"*", b"", b"pods", b"", b""); }

#[test]
#[expected_failure(abort_code = daas::command::EVerb)]
fun a_verb_that_no_grant_knows_is_refused() { of(b"impersonate", b"", b"users", b"", b""); }

#[test]
#[expected_failure(abort_code = daas::command::EVerb)]
fun a_verb_with_a_space_is_refused() { of(b"get ", b"", b"pods", b"", b""); }

#[test]
fun groups_of_names_are_taken() {
    let groups = vector[
        b"",
        b"apps",
        b"a",
        b"7",
        b"rbac.authorization.k8s.io",
        b"a-b.c-d",
        name_of(253),
    ];
    groups.do!(|group| assert_eq!(*of(b"get", group, b"things", b"", b"").group(), group.to_string()));
}

#[test]
#[expected_failure(abort_code = daas::command::EGroup)]
fun a_group_of_254_bytes_is_refused() {
    let mut group = b"a";
    group.append(name_of(253));
    of(b"get", group, b"things", b"", b"");
}

#[test]
#[expected_failure(abort_code = daas::command::EGroup)]
fun a_group_with_a_label_of_64_bytes_is_refused() {
    let mut group = letters(64);
    group.append(b".io");
    of(b"get", group, b"things", b"", b"");
}

#[test]
#[expected_failure(abort_code = daas::command::EGroup)]
fun a_group_that_begins_with_a_dot_is_refused() { of(b"get", b".apps", b"things", b"", b""); }

#[test]
#[expected_failure(abort_code = daas::command::EGroup)]
fun a_group_that_ends_with_a_dot_is_refused() { of(b"get", b"apps.", b"things", b"", b""); }

#[test]
#[expected_failure(abort_code = daas::command::EGroup)]
fun a_group_with_two_dots_together_is_refused() { of(b"get", b"a..b", b"things", b"", b""); }

#[test]
#[expected_failure(abort_code = daas::command::EGroup)]
fun a_dot_alone_is_no_group() { of(b"get", b".", b"things", b"", b""); }

#[test]
#[expected_failure(abort_code = daas::command::EGroup)]
fun a_group_in_capitals_is_refused() { of(b"get", b"Apps", b"things", b"", b""); }

#[test]
#[expected_failure(abort_code = daas::command::EGroup)]
fun a_group_with_a_slash_is_refused() { of(b"get", b"apps/v1", b"things", b"", b""); }

#[test]
#[expected_failure(abort_code = daas::command::EGroup)]
fun the_wildcard_is_no_group() { of(b"get", b"*", b"things", b"", b""); }

#[test]
fun names_of_resources_and_namespaces_are_labels() {
    let labels = vector[b"pods", b"x", b"0", b"a-b", b"a--b", letters(63)];
    labels.do!(|label| {
        let command = of(b"get", b"", label, label, label);
        assert_eq!(*command.resource(), label.to_string());
        assert_eq!(*command.subresource(), label.to_string());
        assert_eq!(*command.namespace(), label.to_string());
    });
}

#[test]
#[expected_failure(abort_code = daas::command::EResource)]
fun no_resource_is_refused() { of(b"get", b"", b"", b"", b""); }

#[test]
#[expected_failure(abort_code = daas::command::EResource)]
fun a_resource_of_64_bytes_is_refused() { of(b"get", b"", letters(64), b"", b""); }

#[test]
#[expected_failure(abort_code = daas::command::EResource)]
fun the_wildcard_is_no_resource() { of(b"get", b"", b"*", b"", b""); }

#[test]
#[expected_failure(abort_code = daas::command::EResource)]
fun a_resource_with_its_subresource_in_it_is_refused() { of(b"get", b"", b"pods/exec", b"", b""); }

#[test]
#[expected_failure(abort_code = daas::command::EResource)]
fun a_resource_with_its_group_in_it_is_refused() { of(b"get", b"", b"deployments.apps", b"", b""); }

#[test]
#[expected_failure(abort_code = daas::command::EResource)]
fun a_resource_in_capitals_is_refused() { of(b"get", b"", b"Pods", b"", b""); }

#[test]
#[expected_failure(abort_code = daas::command::EResource)]
fun the_wildcard_is_no_subresource() { of(b"get", b"", b"pods", b"*", b""); }

#[test]
#[expected_failure(abort_code = daas::command::EResource)]
fun a_subresource_with_a_slash_is_refused() { of(b"get", b"", b"pods", b"proxy/x", b""); }

#[test]
#[expected_failure(abort_code = daas::command::EResource)]
fun a_subresource_of_64_bytes_is_refused() { of(b"get", b"", b"pods", letters(64), b""); }

#[test]
#[expected_failure(abort_code = daas::command::ENamespace)]
fun the_wildcard_is_no_namespace() { of(b"get", b"", b"pods", b"", b"*"); }

#[test]
#[expected_failure(abort_code = daas::command::ENamespace)]
fun a_namespace_with_a_dot_is_refused() { of(b"get", b"", b"pods", b"", b"a.b"); }

#[test]
#[expected_failure(abort_code = daas::command::ENamespace)]
fun a_namespace_that_ends_with_a_hyphen_is_refused() { of(b"get", b"", b"pods", b"", b"prod-"); }

#[test]
#[expected_failure(abort_code = daas::command::ENamespace)]
fun a_namespace_that_begins_with_a_hyphen_is_refused() { of(b"get", b"", b"pods", b"", b"-prod"); }

#[test]
#[expected_failure(abort_code = daas::command::ENamespace)]
fun a_namespace_of_64_bytes_is_refused() { of(b"get", b"", b"pods", b"", letters(64)); }

#[test]
#[expected_failure(abort_code = daas::command::ERequestIdLength)]
fun a_request_id_of_15_bytes_is_refused() { with(zeros(15), zeros(32), 5, world::on_chain(1)); }

#[test]
#[expected_failure(abort_code = daas::command::ERequestIdLength)]
fun a_request_id_of_17_bytes_is_refused() { with(zeros(17), zeros(32), 5, world::on_chain(1)); }

#[test]
#[expected_failure(abort_code = daas::command::EDigestLength)]
fun a_request_digest_of_31_bytes_is_refused() { with(zeros(16), zeros(31), 5, world::on_chain(1)); }

#[test]
#[expected_failure(abort_code = daas::command::EDigestLength)]
fun a_request_digest_of_33_bytes_is_refused() { with(zeros(16), zeros(33), 5, world::on_chain(1)); }

#[test]
fun priorities_1_to_10_are_taken() {
    10u8.do!(|i| {
        let command = with(zeros(16), zeros(32), i + 1, world::on_chain(1));
        assert_eq!(command.priority(), i + 1);
    });
}

#[test]
#[expected_failure(abort_code = daas::command::EPriority)]
fun priority_0_is_refused() { with(zeros(16), zeros(32), 0, world::on_chain(1)); }

#[test]
#[expected_failure(abort_code = daas::command::EPriority)]
fun priority_11_is_refused() { with(zeros(16), zeros(32), 11, world::on_chain(1)); }

#[test]
#[expected_failure(abort_code = daas::command::EPayloadLength)]
fun an_empty_payload_on_chain_is_refused() { with(zeros(16), zeros(32), 5, world::on_chain(0)); }

#[test]
fun the_largest_payload_is_appended_together_from_arguments() {
    let mut payload = command::on_chain(vector[]);
    7u64.do!(|i| payload.append(vector::tabulate!(MAX_ARGUMENT_BYTES, |_| i as u8)));
    payload.append(zeros(MAX_PAYLOAD_BYTES - 7 * MAX_ARGUMENT_BYTES));
    let command = with(zeros(16), zeros(32), 5, payload);
    assert_eq!(command.bytes_on_chain(), MAX_PAYLOAD_BYTES);
}

#[test]
#[expected_failure(abort_code = daas::command::EPayloadLength)]
fun a_payload_a_byte_larger_is_refused() {
    let mut payload = world::on_chain(MAX_ARGUMENT_BYTES);
    6u64.do!(|_| payload.append(zeros(MAX_ARGUMENT_BYTES)));
    payload.append(zeros(MAX_PAYLOAD_BYTES - 7 * MAX_ARGUMENT_BYTES + 1));
    with(zeros(16), zeros(32), 5, payload);
}

#[test]
fun appended_bytes_follow_those_before() {
    let mut payload = command::on_chain(b"first ");
    payload.append(b"");
    payload.append(b"second");
    assert_eq!(payload, command::on_chain(b"first second"));
}

#[test]
fun a_payload_off_chain_puts_no_bytes_on_chain_whatever_its_length() {
    vector[0, 1, 0xFFFF_FFFF_FFFF_FFFF].do!(|length| {
        let payload = command::off_chain(zeros(32), length);
        let command = with(zeros(16), zeros(32), 5, payload);
        assert!(command.is_off_chain());
        assert_eq!(command.bytes_on_chain(), 0);
        assert_eq!(command.payload(), payload);
    });
}

#[test]
#[expected_failure(abort_code = daas::command::EDigestLength)]
fun a_payload_off_chain_by_31_bytes_is_refused() { command::off_chain(zeros(31), 1); }

#[test]
#[expected_failure(abort_code = daas::command::EDigestLength)]
fun a_payload_off_chain_by_33_bytes_is_refused() { command::off_chain(zeros(33), 1); }

#[test]
#[expected_failure(abort_code = daas::command::EPayloadLength)]
fun nothing_is_appended_to_a_payload_off_chain() {
    let mut payload = command::off_chain(zeros(32), 1);
    payload.append(b"more");
}

fun of(
    verb: vector<u8>,
    group: vector<u8>,
    resource: vector<u8>,
    subresource: vector<u8>,
    namespace: vector<u8>,
): Command {
    command::new(
        verb.to_string(),
        group.to_string(),
        resource.to_string(),
        subresource.to_string(),
        namespace.to_string(),
        world::request_id(1),
        world::request_digest(1),
        0,
        5,
        false,
        1,
        world::on_chain(1),
        0,
    )
}

fun with(request_id: vector<u8>, request_digest: vector<u8>, priority: u8, payload: Payload): Command {
    let none: String = b"".to_string();
    command::new(
        b"get".to_string(),
        none,
        b"pods".to_string(),
        none,
        none,
        request_id,
        request_digest,
        0,
        priority,
        false,
        1,
        payload,
        0,
    )
}

fun letters(count: u64): vector<u8> { vector::tabulate!(count, |_| 97) }

/// A name of `count` bytes (not a multiple of 2) out of labels of one letter.
fun name_of(count: u64): vector<u8> { vector::tabulate!(count, |i| if (i % 2 == 0) 97 else 46) }

fun zeros(count: u64): vector<u8> { vector::tabulate!(count, |_| 0) }

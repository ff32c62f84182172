/// Promises of grants beyond the shared table: every refusal by name, one text each, limits exact.
#[test_only]
module daas::grant_tests;

use daas::grant;
use std::string::String;

const VERBS: vector<vector<u8>> = vector[
    b"get",
    b"list",
    b"watch",
    b"create",
    b"update",
    b"patch",
    b"delete",
    b"deletecollection",
];

fun parse(text: vector<u8>): grant::Grant {
    grant::parse(&text.to_string())
}

fun is_valid(text: vector<u8>): bool {
    grant::is_valid(&text.to_string())
}

fun repeat(byte: u8, count: u64): vector<u8> {
    vector::tabulate!(count, |_| byte)
}

/// `length` bytes of labels, all of 63 but the last.
fun group_of(length: u64): vector<u8> {
    vector::tabulate!(length, |i| if (i % 64 == 63) 0x2E else 0x61)
}

fun joined(mut parts: vector<vector<u8>>): vector<u8> {
    let mut text = vector[];
    parts.reverse();
    while (!parts.is_empty()) text.append(parts.pop_back());
    text
}

#[test]
fun the_longest_parts_are_taken_together() {
    let (label, group) = (repeat(0x61, 63), group_of(253));
    let text = joined(vector[label, b".", group, b"/", label, b":deletecollection@", label]);
    assert!(text.length() == 462);
    assert!(parse(text).to_string() == text.to_string());
}

#[test]
fun a_part_one_character_longer_is_refused() {
    let (label, longer) = (repeat(0x61, 63), repeat(0x61, 64));
    assert!(is_valid(joined(vector[label, b":get"])));
    assert!(!is_valid(joined(vector[longer, b":get"])));
    assert!(is_valid(joined(vector[b"pods/", label, b":get"])));
    assert!(!is_valid(joined(vector[b"pods/", longer, b":get"])));
    assert!(is_valid(joined(vector[b"pods:get@", label])));
    assert!(!is_valid(joined(vector[b"pods:get@", longer])));
    assert!(is_valid(joined(vector[b"pods.", group_of(253), b":get"])));
    assert!(!is_valid(joined(vector[b"pods.", group_of(254), b":get"])));
}

#[test]
fun a_text_of_more_than_512_bytes_is_refused_whatever_it_says() {
    assert!(!is_valid(repeat(0x61, 513)));
}

#[test, expected_failure(abort_code = grant::EGrantTooLong)]
fun a_text_of_513_bytes_aborts() {
    parse(repeat(0x61, 513));
}

#[test, expected_failure(abort_code = grant::EGrantForm)]
fun a_text_of_512_bytes_is_read() {
    parse(repeat(0x61, 512));
}

#[test, expected_failure(abort_code = grant::EGrantForm)]
fun a_text_without_a_colon_aborts() {
    parse(b"pods");
}

#[test, expected_failure(abort_code = grant::EGrantResource)]
fun a_resource_in_upper_case_aborts() {
    parse(b"Pods:read");
}

#[test, expected_failure(abort_code = grant::EGrantResource)]
fun an_empty_resource_aborts() {
    parse(b":read");
}

#[test, expected_failure(abort_code = grant::EGrantGroup)]
fun an_empty_group_aborts() {
    parse(b"pods.:read");
}

#[test, expected_failure(abort_code = grant::EGrantGroup)]
fun an_empty_label_of_a_group_aborts() {
    parse(b"pods.apps..x:read");
}

#[test, expected_failure(abort_code = grant::EGrantSubresource)]
fun an_empty_subresource_aborts() {
    parse(b"pods/:read");
}

#[test, expected_failure(abort_code = grant::EGrantSubresource)]
fun two_subresources_abort() {
    parse(b"pods/log/x:get");
}

#[test, expected_failure(abort_code = grant::EGrantVerb)]
fun an_unknown_verb_aborts() {
    parse(b"pods:impersonate");
}

#[test, expected_failure(abort_code = grant::EGrantVerb)]
fun two_verbs_abort() {
    parse(b"pods:get:list");
}

#[test, expected_failure(abort_code = grant::EGrantNamespace)]
fun an_empty_namespace_aborts() {
    parse(b"pods:read@");
}

#[test, expected_failure(abort_code = grant::EGrantNamespace)]
fun a_wildcard_namespace_aborts() {
    parse(b"pods:read@*");
}

#[test]
fun read_and_write_share_no_verb_and_leave_none_out() {
    let (none, pods) = (b"".to_string(), b"pods".to_string());
    let (read, write, all) = (parse(b"pods:read"), parse(b"pods:write"), parse(b"pods:*"));
    VERBS.do!(|verb| {
        let verb = verb.to_string();
        let reads = read.allows(&none, &pods, &none, &verb, &none);
        assert!(write.allows(&none, &pods, &none, &verb, &none) == !reads);
        assert!(all.allows(&none, &pods, &none, &verb, &none));
        assert!(grant::is_write_verb(&verb) == !reads);
        assert!(grant::is_read(&none, &pods, &none, &verb) == reads);
    });
}

#[test]
fun what_is_no_verb_of_a_request_is_neither_read_nor_write_nor_allowed() {
    let (none, pods) = (b"".to_string(), b"pods".to_string());
    let everything = parse(b"*:*");
    vector[b"", b"*", b"read", b"write", b"impersonate", b"GET", b"get "].do!(|verb| {
        let verb = verb.to_string();
        assert!(!grant::is_write_verb(&verb));
        assert!(!grant::is_read(&none, &pods, &none, &verb));
        assert!(!everything.allows(&none, &pods, &none, &verb, &none));
    });
}

#[test]
fun a_request_is_read_exactly_when_read_of_everything_covers_it() {
    let reader = parse(b"*:read");
    let mut verbs = VERBS;
    verbs.push_back(b"bind");
    let none = b"".to_string();
    vector[b"", b"apps"].do!(|group| {
        let group: String = group.to_string();
        vector[b"pods", b"deployments"].do!(|resource| {
            let resource = resource.to_string();
            vector[b"", b"log", b"exec", b"status"].do!(|subresource| {
                let subresource = subresource.to_string();
                verbs.do_ref!(|verb| {
                    let verb = (*verb).to_string();
                    let covered = reader.allows(&group, &resource, &subresource, &verb, &none);
                    assert!(grant::is_read(&group, &resource, &subresource, &verb) == covered);
                })
            })
        })
    });
}

#[test]
fun a_label_has_1_to_63_of_its_characters_and_no_hyphen_at_an_end() {
    vector[b"a", b"0", b"a-b", b"0--9", repeat(0x7A, 63)].do!(|label| assert!(grant::is_label(&label)));
    vector[b"", b"-", b"-a", b"a-", b"A", b"a.b", b"a_b", b"a/", b"a:", b"`", b"{", repeat(0x7A, 64)].do!(
        |text| assert!(!grant::is_label(&text)),
    );
}

#[random_test]
fun a_text_is_refused_or_comes_back_as_it_was(choices: vector<u8>) {
    let alphabet = b"pods.apps/*:readwgt@-A";
    let text = choices.map!(|choice| alphabet[(choice as u64) % alphabet.length()]).to_string();
    let with_verb = joined(vector[text.into_bytes(), b":get"]).to_string();
    if (grant::is_valid(&with_verb)) assert!(grant::parse(&with_verb).to_string() == with_verb);
}

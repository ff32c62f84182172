"""Promises of grants beyond the golden table: one text each, and no grant covers more than a wider one."""

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daas_protocol.grant import ALL_VERBS, READ_VERBS, WRITE_VERBS, Grant, GrantError, parse_grant

LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
GROUP = st.lists(LABEL, min_size=1, max_size=3).map(".".join)
VERBS = st.sampled_from([ALL_VERBS, READ_VERBS, WRITE_VERBS, *(frozenset({verb}) for verb in sorted(ALL_VERBS))])
SUB = st.none() | LABEL | st.just("*")
GRANT = st.builds(Grant, st.just("") | GROUP, LABEL, SUB, VERBS, st.none() | LABEL) | st.builds(
    Grant, st.none() | GROUP, st.just("*"), SUB, VERBS, st.none() | LABEL
)
SMALL_GRANTS = [
    Grant(group, resource, *rest)
    for (group, resource), *rest in itertools.product(
        [(None, "*"), ("apps", "*"), *itertools.product(["", "apps"], ["pods", "deployments", "namespaces"])],
        [None, "*", "log", "exec"],
        [ALL_VERBS, READ_VERBS, WRITE_VERBS, frozenset({"get"}), frozenset({"create"})],
        [None, "dev"],
    )
]
REQUESTS = list(
    itertools.product(
        ["", "apps", "batch"],
        ["pods", "deployments", "namespaces", "nodes"],
        [None, "", "log", "exec", "status"],
        ["get", "list", "create", "delete", "impersonate", "*", "read", ""],
        [None, "", "dev", "prod"],
    )
)


@given(GRANT)
def test_parse_and_str_are_inverse(grant: Grant) -> None:
    assert parse_grant(str(grant)) == grant


@given(st.text(alphabet="pods.apps/*:readwgt@-A \n", max_size=20))
def test_a_text_is_refused_or_canonical(text: str) -> None:
    try:
        grant = parse_grant(text)
    except GrantError:
        return
    assert str(grant) == text


def allowed() -> Iterator[tuple[Grant, tuple[str, str, str | None, str, str | None]]]:
    """Every pair of a small grant and a request that it covers."""
    for grant in SMALL_GRANTS:
        yield from ((grant, request_info) for request_info in REQUESTS if grant.allows(*request_info))


def test_what_any_grant_allows_a_wider_one_allows() -> None:
    everything = parse_grant("*:*")
    for grant, request_info in allowed():
        assert everything.allows(*request_info)
        assert replace(grant, group=None, resource="*").allows(*request_info)
        assert replace(grant, verbs=ALL_VERBS).allows(*request_info)
        assert replace(grant, namespace=None).allows(*request_info)


def test_a_grant_of_a_namespace_covers_that_namespace_only() -> None:
    for grant, (group, resource, _, _, namespace) in allowed():
        if grant.namespace is not None:
            assert namespace == grant.namespace
            assert (group, resource) != ("", "namespaces")


def test_streams_into_containers_need_create_and_no_other_verb_exists() -> None:
    for _, (_, _, subresource, verb, _) in allowed():
        assert verb in ALL_VERBS
        assert subresource != "exec" or verb == "create"


@pytest.mark.parametrize(
    "parts",
    [
        ("", "pods", None, frozenset({"get", "list"}), None),
        ("", "pods", None, frozenset(), None),
        ("", "pods", None, frozenset({"impersonate"}), None),
        ("", "pods.apps", None, READ_VERBS, None),
        ("", "pods/log", None, READ_VERBS, None),
        (None, "pods", None, READ_VERBS, None),
        ("", "*", None, READ_VERBS, None),
        ("", "pods", "", READ_VERBS, None),
        ("", "pods", None, READ_VERBS, ""),
        ("", "pods", None, READ_VERBS, "*"),
        ("apps/x", "pods", None, READ_VERBS, None),
        ("", "Pods", None, READ_VERBS, None),
    ],
)
def test_a_grant_without_text_cannot_be_made(parts: tuple[str, ...]) -> None:
    with pytest.raises(GrantError):
        Grant(*parts)


def test_a_group_has_at_most_253_characters() -> None:
    longest = ".".join(["a" * 63] * 3 + ["a" * 61])
    assert len(longest) == 253
    assert parse_grant(f"pods.{longest}:read").group == longest
    with pytest.raises(GrantError):
        parse_grant(f"pods.{longest}a:read")


def test_a_long_text_is_refused_without_being_shown_whole() -> None:
    with pytest.raises(GrantError) as caught:
        parse_grant("a" * 100_000)
    assert len(str(caught.value)) < 400

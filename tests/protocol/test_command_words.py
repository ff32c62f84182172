"""Promises of the contract's words for a request: the same for gateway and enclave, only such as the contract takes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_enclave import request_info as of_the_enclave
from daas_protocol import request_info
from daas_protocol.command_words import CommandWords, NotACommand, command_words, is_write
from daas_protocol.request_info import RequestRefused, parse

DEPLOYMENTS = "/apis/apps/v1/namespaces/prod/deployments"

WORDS = [
    ("POST", "/api/v1/namespaces", ("create", "", "namespaces", "", ""), True),
    ("DELETE", "/api/v1/namespaces/prod", ("delete", "", "namespaces", "", "prod"), True),
    ("PUT", "/api/v1/namespaces/prod/finalize", ("update", "", "namespaces", "finalize", "prod"), True),
    ("POST", DEPLOYMENTS, ("create", "apps", "deployments", "", "prod"), True),
    ("PUT", f"{DEPLOYMENTS}/web/status", ("update", "apps", "deployments", "status", "prod"), True),
    ("PATCH", f"{DEPLOYMENTS}/web/scale", ("patch", "apps", "deployments", "scale", "prod"), True),
    ("DELETE", f"{DEPLOYMENTS}?labelSelector=a", ("deletecollection", "apps", "deployments", "", "prod"), True),
    ("POST", "/api/v1/namespaces/a/pods/p/eviction", ("create", "", "pods", "eviction", "a"), True),
    ("GET", "/api/v1/pods", ("list", "", "pods", "", ""), False),
    ("GET", "/api/v1/namespaces/a/pods/p/log", ("get", "", "pods", "log", "a"), False),
    ("PATCH", f"{DEPLOYMENTS}/web?dryRun=All", ("patch", "apps", "deployments", "", "prod"), False),
    (
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        ("create", "authorization.k8s.io", "selfsubjectaccessreviews", "", ""),
        False,
    ),
    (
        "POST",
        "/apis/authentication.k8s.io/v1/tokenreviews",
        ("create", "authentication.k8s.io", "tokenreviews", "", ""),
        False,
    ),
    # Somebody's custom resource of such a name is a thing, and writing it a write.
    ("POST", "/apis/example.org/v1/codereviews", ("create", "example.org", "codereviews", "", ""), True),
]


@pytest.mark.parametrize(("method", "target", "words", "writes"), WORDS, ids=lambda value: str(value)[:60])
def test_words_of_requests(method: str, target: str, words: tuple[str, ...], writes: bool) -> None:
    info = parse(method, target)
    assert command_words(info) == CommandWords(*words)
    assert is_write(info) is writes


@pytest.mark.parametrize(
    ("method", "target", "cause"),
    [
        ("GET", "/version", "CommandResource"),
        ("GET", "/apis/apps/v1", "CommandResource"),
        ("POST", "/api/v1/namespaces/a/pods/p/exec?command=sh", "CommandStream"),
        ("GET", "/api/v1/namespaces/a/pods/p/exec?command=sh", "CommandStream"),
        ("POST", "/api/v1/namespaces/a/pods/p/portforward", "CommandStream"),
        ("GET", "/api/v1/pods?watch=true", "CommandStream"),
        ("GET", "/api/v1/namespaces/a/pods/p/log?follow=true", "CommandStream"),
        ("POST", "/apis/example.org/v1/a.b", "CommandWord"),
        ("POST", f"/apis/{'a' * 64}/v1/things", "CommandWord"),
        ("POST", f"/apis/{'.'.join(['a' * 63] * 4)}/v1/things", "CommandWord"),
        ("POST", f"/api/v1/namespaces/{'a' * 64}/pods", "CommandWord"),
        ("POST", "/api/v1/namespaces/a.b/pods", "CommandWord"),
        ("POST", "/api/v1/namespaces/a/pods/p/a.b", "CommandWord"),
    ],
)
def test_what_the_contract_has_no_words_for(method: str, target: str, cause: str) -> None:
    info = parse(method, target)
    with pytest.raises(NotACommand) as caught:
        command_words(info)
    assert caught.value.cause == cause
    assert isinstance(caught.value, RequestRefused)
    if cause != "CommandWord":
        assert not is_write(info)


def is_label(text: str) -> bool:
    """`grant::is_label` of the contract, from its text."""
    allowed = all(character in "abcdefghijklmnopqrstuvwxyz0123456789-" for character in text)
    return 1 <= len(text) <= 63 and allowed and text[0] != "-" and text[-1] != "-"


SEGMENT = st.sampled_from(
    [
        "api",
        "apis",
        "v1",
        "apps",
        "namespaces",
        "prod",
        "pods",
        "p",
        "log",
        "exec",
        "a.b",
        "a" * 64,
        "status",
        "x-1",
        "%C3%A9",
    ]
)
PATHS = st.lists(SEGMENT, min_size=1, max_size=8).map(lambda parts: "/" + "/".join(parts))
TARGETS = st.tuples(PATHS, st.sampled_from(["", "?watch=1", "?dryRun=All", "?follow=true", "?fieldManager=x"])).map(
    "".join
)


@given(st.sampled_from(sorted(request_info.METHODS)), TARGETS)
@settings(max_examples=400, deadline=None)
def test_words_are_such_as_the_contract_takes_and_both_sides_find_them(method: str, target: str) -> None:
    try:
        info = parse(method, target)
        words = command_words(info)
    except RequestRefused:
        return
    assert command_words(of_the_enclave.parse(method, target)) == words
    assert words.verb in ("create", "update", "patch", "delete", "deletecollection", "get", "list")
    assert not words.group or (len(words.group) <= 253 and all(map(is_label, words.group.split("."))))
    assert is_label(words.resource)
    assert all(not word or is_label(word) for word in (words.subresource, words.namespace))
    assert is_write(info) is (words.verb not in ("get", "list") and not info.dry_run and "review" not in words.resource)

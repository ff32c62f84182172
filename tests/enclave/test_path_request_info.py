"""Reading a request as the API server does: agreement with a second implementation, and the doors of the path."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs, quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_enclave import doors
from daas_enclave.doors import Door, DoorClosed
from daas_enclave.request_info import METHODS, RequestInfo, RequestRefused, parse


@dataclass
class Reference:
    """What k8s.io/apiserver's RequestInfoFactory finds, rewritten from its source without looking at ours."""

    resource_request: bool = False
    verb: str = ""
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""


def reference(method: str, target: str) -> Reference:
    path, _, query = target.partition("?")
    found = Reference(verb=method.lower())
    parts = [unquote(part) for part in path.strip("/").split("/")] if path.strip("/") else []
    if len(parts) < 3 or parts[0] not in ("api", "apis"):
        return found
    prefix, parts = parts[0], parts[1:]
    if prefix != "api":
        if len(parts) < 3:
            return found
        found.group, parts = parts[0], parts[1:]
    found.resource_request = True
    found.version, parts = parts[0], parts[1:]
    if parts[0] in ("proxy", "watch"):
        found.verb, parts = parts[0], parts[1:]
    else:
        verbs = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
        found.verb = verbs.get(method, "")
    if parts and parts[0] == "namespaces" and len(parts) > 1:
        found.namespace = parts[1]
        if len(parts) > 2 and parts[2] not in ("status", "finalize"):
            parts = parts[2:]
    if len(parts) >= 3 and found.verb != "proxy":
        found.subresource = parts[2]
    if len(parts) >= 2:
        found.name = parts[1]
    if parts:
        found.resource = parts[0]
    if not found.name and found.verb == "get":
        values = parse_qs(query, keep_blank_values=True).get("watch")
        watching = values is not None and values[0].lower() not in ("false", "0")
        found.verb = "watch" if watching else "list"
    if not found.name and found.verb == "delete":
        found.verb = "deletecollection"
    return found


def agree(method: str, target: str) -> RequestInfo | None:
    try:
        ours = parse(method, target)
    except RequestRefused:
        return None
    theirs = reference(method, target)
    assert (ours.is_resource, ours.verb, ours.group, ours.version, ours.namespace, ours.resource) == (
        theirs.resource_request,
        theirs.verb,
        theirs.group,
        theirs.version,
        theirs.namespace,
        theirs.resource,
    )
    assert (ours.subresource, ours.name) == (theirs.subresource, theirs.name)
    return ours


WORDS = st.sampled_from(
    [
        "api",
        "apis",
        "v1",
        "apps",
        "namespaces",
        "dev",
        "pods",
        "status",
        "finalize",
        "proxy",
        "watch",
        "exec",
        "log",
        "deployments",
        "scale",
        "nodes",
        "kube-system",
        "",
        ".",
        "..",
        "%2e",
        "%2F",
        "x:y",
        "a%20b",
        "*",
        "%",
        "%00",
    ]
)
QUERIES = st.sampled_from(
    [
        "",
        "?",
        "?watch=true",
        "?watch=1",
        "?watch=0",
        "?watch=",
        "?watch",
        "?watch=yes",
        "?watch=true&watch=false",
        "?w%61tch=true",
        "?Watch=true",
        "?follow=true",
        "?dryRun=All",
        "?limit=5&watch=true",
        "?a=b;watch=true",
        "?fieldSelector=metadata.name%3Da&watch=true",
        "?watch=true&",
        "?+watch=true",
        "?watch=%74rue",
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(METHODS)), st.lists(WORDS, max_size=9), QUERIES)
def test_what_is_accepted_is_read_as_the_api_server_reads_it(method: str, words: list[str], query: str) -> None:
    agree(method, "/" + "/".join(words) + query)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(METHODS)), st.text(max_size=60))
def test_any_text_is_read_alike_or_refused(method: str, text: str) -> None:
    agree(method, text)
    agree(method, "/api/v1/" + text)
    agree(method, "/api/v1/namespaces/a/pods/" + quote(text))


@pytest.mark.parametrize(
    ("method", "target", "verb", "namespace", "resource", "subresource", "name"),
    [
        ("GET", "/api/v1/pods", "list", "", "pods", "", ""),
        ("GET", "/api/v1/pods?watch=true", "watch", "", "pods", "", ""),
        ("GET", "/api/v1/namespaces", "list", "", "namespaces", "", ""),
        ("GET", "/api/v1/namespaces/dev", "get", "dev", "namespaces", "", "dev"),
        ("PUT", "/api/v1/namespaces/dev/finalize", "update", "dev", "namespaces", "finalize", "dev"),
        ("PUT", "/api/v1/namespaces/dev/status", "update", "dev", "namespaces", "status", "dev"),
        ("DELETE", "/apis/apps/v1/namespaces/dev/deployments", "deletecollection", "dev", "deployments", "", ""),
        ("PATCH", "/apis/apps/v1/namespaces/dev/deployments/a/scale", "patch", "dev", "deployments", "scale", "a"),
        ("GET", "/api/v1/namespaces/dev/pods/a/exec?command=ls&command=-l", "get", "dev", "pods", "exec", "a"),
    ],
)
def test_requests_kubectl_makes(
    method: str, target: str, verb: str, namespace: str, resource: str, subresource: str, name: str
) -> None:
    info = agree(method, target)
    assert info is not None
    assert (info.verb, info.namespace, info.resource) == (verb, namespace, resource)
    assert (info.subresource, info.name) == (subresource, name)


def test_a_get_of_exec_needs_create() -> None:
    for subresource in ("exec", "attach", "portforward"):
        info = parse("GET", f"/api/v1/namespaces/dev/pods/a/{subresource}")
        assert (info.verb, info.grant_verb) == ("get", "create")
    assert parse("GET", "/api/v1/namespaces/dev/pods/a/log").grant_verb == "get"


def test_only_followed_logs_and_watches_stream() -> None:
    assert parse("GET", "/api/v1/namespaces/dev/pods/a/log?follow=true").streams
    assert parse("GET", "/api/v1/pods?watch=true").streams
    assert not parse("GET", "/api/v1/namespaces/dev/pods/a/log").streams
    assert not parse("GET", "/api/v1/pods?follow=true").streams


def door(method: str, target: str, *, upgrade: bool = False) -> Door | None:
    try:
        doors.check(parse(method, target), upgrade=upgrade)
    except DoorClosed as closed:
        return closed.door
    return None


CERTIFICATES = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
RBAC = "/apis/rbac.authorization.k8s.io/v1"


@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [
        ("POST", "/api/v1/namespaces/a/serviceaccounts/b/token", Door.SERVICE_ACCOUNT),
        ("GET", "/api/v1/namespaces/a/serviceaccounts/b/token", Door.SERVICE_ACCOUNT),
        ("POST", CERTIFICATES, Door.CERTIFICATE),
        ("PUT", CERTIFICATES + "/a", Door.CERTIFICATE),
        ("PATCH", CERTIFICATES + "/a/approval", Door.CERTIFICATE),
        ("DELETE", CERTIFICATES + "/a/approval", Door.CERTIFICATE),
        ("PUT", CERTIFICATES + "/a/status", Door.CERTIFICATE),
        ("POST", "/apis/certificates.k8s.io/v1beta1/namespaces/a/podcertificaterequests", Door.CERTIFICATE),
        ("DELETE", CERTIFICATES + "/a", None),
        ("GET", CERTIFICATES, None),
        ("GET", "/api/v1/nodes/n/proxy", Door.PROXY),
        ("GET", "/api/v1/nodes/n:10250/proxy/run/a/b/c", Door.PROXY),
        ("POST", "/api/v1/namespaces/a/pods/p/proxy/x", Door.PROXY),
        ("GET", "/api/v1/namespaces/a/services/s/proxy", Door.PROXY),
        ("GET", "/apis/x.io/v1/things/a/proxy", Door.PROXY),
        ("POST", ADMISSION + "/validatingwebhookconfigurations", Door.ADMISSION),
        ("DELETE", ADMISSION + "/mutatingwebhookconfigurations", Door.ADMISSION),
        ("PATCH", ADMISSION + "/mutatingadmissionpolicybindings/a", Door.ADMISSION),
        ("POST", ADMISSION.replace("v1", "v1beta1") + "/mutatingadmissionpolicies", Door.ADMISSION),
        ("GET", ADMISSION + "/validatingwebhookconfigurations", None),
        ("POST", ADMISSION + "/validatingadmissionpolicies", Door.ADMISSION),
        ("PUT", ADMISSION + "/validatingadmissionpolicies/mine", Door.ADMISSION),
        ("PATCH", ADMISSION + "/validatingadmissionpolicies/mine/status", Door.ADMISSION),
        ("POST", ADMISSION.replace("v1", "v1beta1") + "/validatingadmissionpolicybindings", Door.ADMISSION),
        ("DELETE", ADMISSION + "/validatingadmissionpolicies/mine", None),
        ("PUT", ADMISSION + "/validatingadmissionpolicies/daas-token-secrets", Door.OUR_POLICY),
        ("DELETE", ADMISSION + "/validatingadmissionpolicybindings", Door.OUR_POLICY),
        ("POST", "/apis/apiregistration.k8s.io/v1/apiservices", Door.API_SERVICE),
        ("PATCH", "/apis/apiregistration.k8s.io/v1/apiservices/v1.apps/status", Door.API_SERVICE),
        ("DELETE", RBAC + "/clusterroles", Door.OUR_RBAC),
        ("DELETE", RBAC + "/namespaces/a/rolebindings?labelSelector=x", Door.OUR_RBAC),
        ("PUT", RBAC + "/clusterroles/daas:token:00", Door.OUR_RBAC),
        ("DELETE", RBAC + "/namespaces/a/rolebindings/daas:token:00", Door.OUR_RBAC),
        ("PUT", RBAC + "/clusterroles/daas%3Atoken:00", Door.OUR_RBAC),
        ("DELETE", RBAC + "/clusterroles/mine", None),
        ("GET", "/metrics", Door.NON_RESOURCE),
        ("GET", "/debug/pprof/heap", Door.NON_RESOURCE),
        ("GET", "/logs/x", Door.NON_RESOURCE),
        ("GET", "/configz", Door.NON_RESOURCE),
        ("GET", "/.well-known/openid-configuration", Door.NON_RESOURCE),
        ("POST", "/version", Door.NON_RESOURCE),
        ("GET", "/healthzx", Door.NON_RESOURCE),
        ("GET", "/livez/etcd", None),
        ("GET", "/openapi/v3/apis/apps/v1?hash=AB", None),
        ("GET", "/apis/apps/v1", None),
        ("GET", "/apis/apps", None),
        ("GET", "/api", None),
        ("GET", "/", None),
        ("POST", "/api/v1/namespaces/a/pods", None),
        ("POST", "/api/v1/namespaces/a/secrets", None),
    ],
)
def test_doors_of_the_path(method: str, target: str, expected: Door | None) -> None:
    assert door(method, target) is expected


def test_every_door_has_a_name_of_its_own() -> None:
    causes = {DoorClosed(door).cause for door in Door}
    assert len(causes) == len(Door)
    assert all(cause.startswith("Door") and cause.isalpha() for cause in causes)


@given(st.sampled_from(["GET", "POST", "DELETE"]), st.lists(WORDS, max_size=7))
def test_what_needs_no_grant_is_discovery_or_about_oneself(method: str, words: list[str]) -> None:
    try:
        info = parse(method, "/" + "/".join(words))
        passage = doors.check(info, upgrade=False)
    except (RequestRefused, DoorClosed):
        return
    assert passage.free is (not info.is_resource)

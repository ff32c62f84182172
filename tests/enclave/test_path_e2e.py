"""Every second door of section 6, tried on the real control plane by a user who holds every grant there is.

Each is tried in every encoding that clients send: JSON, YAML, server-side apply, patches, protobuf.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.enclave_path import ADMIN_TOKEN, NARROW_TOKEN, OWNER, REVOKED_TOKEN, Reply, SessionKeys, policy
from support.enclave_process import EnclaveProcess, launch

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

RBAC = "/apis/rbac.authorization.k8s.io/v1"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
SECRETS = "/api/v1/namespaces/default/secrets"
JSON, YAML = "application/json", "application/yaml"
APPLY, MERGE, PATCH = "application/apply-patch+yaml", "application/merge-patch+json", "application/json-patch+json"
PROTOBUF = "application/vnd.kubernetes.protobuf"


class User:
    """A session of USER with scope and token `*:*`."""

    def __init__(self, enclave: EnclaveProcess, session: SessionKeys) -> None:
        self.enclave = enclave
        self.session = session

    async def __call__(self, method: str, target: str, body: Any = b"", content_type: str = "") -> Reply:
        if not isinstance(body, bytes):
            is_yaml = content_type in (YAML, APPLY)
            body = (yaml.safe_dump(body) if is_yaml else json.dumps(body)).encode()
            content_type = content_type or JSON
        return await self.enclave.ask(
            method, target, self.session, body=body, content_type=content_type, accept="application/json"
        )


@pytest.fixture(scope="module")
def enclave() -> Any:
    with asyncio.Runner() as runner:
        started = runner.run(launch(policy()))
    yield started
    started.stop()


@pytest.fixture
async def user(enclave: EnclaveProcess) -> AsyncIterator[User]:
    return User(enclave, await enclave.opened(expires_at_ms=enclave.now_ms() + 3_600_000))


def thing(api_version: str, kind: str, name: str, **fields: Any) -> dict[str, Any]:
    metadata = {"name": name, **fields.pop("metadata", {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def field(number: int, value: bytes | str) -> bytes:
    """A length-delimited protobuf field below 16 KiB."""
    data = value.encode() if isinstance(value, str) else value
    size = bytes([len(data)]) if len(data) < 128 else bytes([len(data) & 0x7F | 0x80, len(data) >> 7])
    return bytes([number << 3 | 2]) + size + data


def protobuf(api_version: str, kind: str, raw: bytes) -> bytes:
    """The envelope of `application/vnd.kubernetes.protobuf` (runtime.Unknown)."""
    return b"k8s\x00" + field(1, field(1, api_version) + field(2, kind)) + field(2, raw)


def role(name: str, verbs: list[str], **metadata: Any) -> dict[str, Any]:
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": verbs}
    return thing("rbac.authorization.k8s.io/v1", "ClusterRole", name, metadata=metadata, rules=[rule])


def binding(name: str, kind: str, subject: str, to: str = "e2e-reader") -> dict[str, Any]:
    group = "rbac.authorization.k8s.io"
    return thing(
        f"{group}/v1",
        "ClusterRoleBinding",
        name,
        roleRef={"apiGroup": group, "kind": "ClusterRole", "name": to},
        subjects=[{"apiGroup": group, "kind": kind, "name": subject}],
    )


def crd(conversion: dict[str, Any] | None) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "group": "e2e.example",
        "scope": "Namespaced",
        "names": {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"},
        "versions": [
            {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
        ],
    }
    if conversion:
        spec["conversion"] = conversion
    return thing("apiextensions.k8s.io/v1", "CustomResourceDefinition", "things.e2e.example", spec=spec)


WEBHOOK = {
    "strategy": "Webhook",
    "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": {"url": "https://e2e.invalid/convert"}},
}


def denied_by_policy(answer: Reply, name: str) -> None:
    status = json.loads(answer.body)
    assert answer.status == 403, status
    assert status["kind"] == "Status"
    assert status["reason"] == "Forbidden"
    assert f"ValidatingAdmissionPolicy '{name}'" in status["message"]


def encodings(collection: str, value: dict[str, Any], protobuf_body: bytes | None = None) -> list[Any]:
    """One creation in every encoding: (method, target, body, content type)."""
    name = value["metadata"]["name"]
    made: list[Any] = [
        ("POST", collection, value, JSON),
        ("POST", collection, value, YAML),
        ("PATCH", f"{collection}/{name}?fieldManager=e2e&force=true", value, APPLY),
    ]
    if protobuf_body is not None:
        made.append(("POST", collection, protobuf_body, PROTOBUF))
    return made


async def all_denied(user: User, requests: list[Any], name: str) -> None:
    for method, target, body, content_type in requests:
        denied_by_policy(await user(method, target, body, content_type), name)


@pytest.mark.parametrize("role_name", ["edit", "admin", "cluster-admin"])
async def test_roles_that_impersonate_are_bound_by_nobody_also_while_they_are_empty(user: User, role_name: str) -> None:
    # First in this file on purpose: for seconds after the first boot `edit` and `admin` have no rules yet, and RBAC
    # lets everybody bind what gives nothing.
    for scope in (f"{RBAC}/clusterrolebindings", f"{RBAC}/namespaces/default/rolebindings"):
        wanted = binding("e2e-early", "User", "somebody", to=role_name)
        wanted["kind"] = "RoleBinding" if "namespaces" in scope else "ClusterRoleBinding"
        wanted["subjects"] = [{"kind": "ServiceAccount", "namespace": "default", "name": "e2e"}]
        answer = await user("POST", f"{scope}?dryRun=All", wanted)
        message = json.loads(answer.body)["message"] if answer.status != 201 else "bound"
        assert answer.status == 403, message
        assert "daas-aggregated-roles" in message or "not currently held" in message


def workloads() -> list[Any]:
    """Everything of Kubernetes' own that makes pods, in kube-system with a controller's account."""
    spec = {"serviceAccountName": "clusterrole-aggregation-controller", "containers": [{"name": "c", "image": "x"}]}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": spec}
    selector = {"matchLabels": {"a": "b"}}
    once = {"metadata": template["metadata"], "spec": {**spec, "restartPolicy": "Never"}}
    sets = {"selector": selector, "template": template}
    core, apps, batch = ("/api/v1", "v1"), ("/apis/apps/v1", "apps/v1"), ("/apis/batch/v1", "batch/v1")
    made = [
        (core, "podtemplates", "PodTemplate", {"template": template}),
        (core, "replicationcontrollers", "ReplicationController", {"spec": {"template": template}}),
        (apps, "deployments", "Deployment", {"spec": sets}),
        (apps, "daemonsets", "DaemonSet", {"spec": sets}),
        (apps, "replicasets", "ReplicaSet", {"spec": sets}),
        (apps, "statefulsets", "StatefulSet", {"spec": {**sets, "serviceName": "s"}}),
        (batch, "jobs", "Job", {"spec": {"template": once}}),
        (
            batch,
            "cronjobs",
            "CronJob",
            {"spec": {"schedule": "0 0 * * *", "jobTemplate": {"spec": {"template": once}}}},
        ),
    ]
    return [(api, resource, thing(version, kind, "e2e-w", **more)) for (api, version), resource, kind, more in made]


async def test_nobody_runs_anything_with_the_controllers_accounts(user: User) -> None:
    for api, resource, value in workloads():
        target = f"{api}/namespaces/kube-system/{resource}"
        denied_by_policy(await user("POST", f"{target}?dryRun=All", value), "daas-controller-accounts")
        denied_by_policy(
            await user("PATCH", f"{target}/e2e-w?fieldManager=x&dryRun=All", value, APPLY), "daas-controller-accounts"
        )
        elsewhere = await user("POST", f"{api}/namespaces/default/{resource}?dryRun=All", value)
        assert elsewhere.status == 201, elsewhere.body
    pod = thing("v1", "Pod", "e2e-w", spec={"containers": [{"name": "c", "image": "x"}]})
    answer = await user("POST", "/api/v1/namespaces/kube-system/pods?dryRun=All", pod)
    # Early in a cluster's life its service account is missed first.
    assert answer.status == 403
    assert "daas-controller-accounts" in json.loads(answer.body)["message"] or b"serviceaccount" in answer.body


@pytest.mark.parametrize("kind", ["kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"])
async def test_token_secrets_cannot_be_made(user: User, kind: str) -> None:
    secret = thing(
        "v1",
        "Secret",
        "e2e-token",
        type=kind,
        metadata={"annotations": {"kubernetes.io/service-account.name": "default"}},
    )
    annotation = field(12, field(1, "kubernetes.io/service-account.name") + field(2, "default"))
    raw = field(1, field(1, "e2e-token") + annotation) + field(3, kind)
    await all_denied(user, encodings(SECRETS, secret, protobuf("v1", "Secret", raw)), "daas-token-secrets")


async def test_ordinary_secrets_can_be_made_also_as_protobuf(user: User) -> None:
    raw = field(1, field(1, "e2e-plain")) + field(2, field(1, "k") + field(2, "v")) + field(3, "Opaque")
    answer = await user("POST", SECRETS, protobuf("v1", "Secret", raw), PROTOBUF)
    assert answer.status == 201, answer.body


async def test_conversion_webhooks_cannot_be_made_or_added(user: User) -> None:
    await all_denied(user, encodings(CRDS, crd(WEBHOOK)), "daas-conversion-webhooks")
    assert (await user("POST", CRDS, crd(None))).status == 201
    name = "daas-conversion-webhooks"
    target = f"{CRDS}/things.e2e.example"
    change = {"spec": {"conversion": WEBHOOK}}
    denied_by_policy(await user("PATCH", target, change, MERGE), name)
    operation = [{"op": "replace", "path": "/spec/conversion", "value": WEBHOOK}]
    denied_by_policy(await user("PATCH", target, operation, PATCH), name)
    denied_by_policy(await user("PATCH", f"{target}?fieldManager=x&force=true", crd(WEBHOOK), APPLY), name)
    present = json.loads((await user("GET", target)).body)
    present["spec"]["conversion"] = WEBHOOK
    denied_by_policy(await user("PUT", target, present), name)


@pytest.mark.parametrize(
    ("kind", "subject"),
    [("Group", "system:masters"), ("Group", "daas:token:00"), ("User", "system:admin"), ("User", "daas:x")],
)
async def test_nobody_is_bound_to_reserved_names(user: User, kind: str, subject: str) -> None:
    await user("POST", f"{RBAC}/clusterroles", role("e2e-reader", ["get"]))
    group = "rbac.authorization.k8s.io"
    raw = (
        field(1, field(1, "e2e-bind"))
        + field(2, field(1, kind) + field(2, group) + field(3, subject))
        + field(3, field(1, group) + field(2, "ClusterRole") + field(3, "e2e-reader"))
    )
    body = protobuf(f"{group}/v1", "ClusterRoleBinding", raw)
    requests = encodings(f"{RBAC}/clusterrolebindings", binding("e2e-bind", kind, subject), body)
    await all_denied(user, requests, "daas-binding-subjects")
    good = binding("e2e-good", "User", "somebody")
    await user("POST", f"{RBAC}/clusterrolebindings", good)
    change = {"subjects": binding("e2e-good", kind, subject)["subjects"]}
    target = f"{RBAC}/clusterrolebindings/e2e-good"
    denied_by_policy(await user("PATCH", target, change, MERGE), "daas-binding-subjects")
    denied_by_policy(
        await user("PATCH", target, change, "application/strategic-merge-patch+json"), "daas-binding-subjects"
    )


@pytest.mark.parametrize("verb", ["impersonate", "escalate", "bind", "*"])
async def test_roles_cannot_have_verbs_over_identities(user: User, verb: str) -> None:
    rules = field(2, field(1, verb) + field(2, "") + field(3, "configmaps"))
    raw = field(1, field(1, "e2e-verbs")) + rules
    body = protobuf("rbac.authorization.k8s.io/v1", "ClusterRole", raw)
    for method, target, value, content_type in encodings(f"{RBAC}/clusterroles", role("e2e-verbs", [verb]), body):
        answer = await user(method, target, value, content_type)
        message = json.loads(answer.body)["message"]
        assert answer.status == 403, message
        # RBAC's own escalation check comes first; where it has no objection the policy has.
        assert "attempting to grant RBAC permissions not currently held" in message or "daas-role-verbs" in message


async def test_an_aggregated_role_cannot_be_made(user: User) -> None:
    value = role("e2e-aggregate", [])
    value["rules"] = []
    value["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}
    assert (await user("POST", f"{RBAC}/clusterroles", value)).status == 403


@pytest.mark.parametrize("name", ["daas:token:11", "daas.x", "daas-x"])
async def test_reserved_role_names_cannot_be_taken(user: User, name: str) -> None:
    denied_by_policy(await user("POST", f"{RBAC}/clusterroles", role(name, ["get"])), "daas-own-objects")
    generated = role("", ["get"])
    generated["metadata"] = {"generateName": name}
    denied_by_policy(await user("POST", f"{RBAC}/clusterroles", generated), "daas-own-objects")


async def test_our_label_cannot_be_put_on(user: User) -> None:
    labelled = role("e2e-labelled", ["get"], labels={"daas.dev/managed": "token"})
    await all_denied(user, encodings(f"{RBAC}/clusterroles", labelled), "daas-own-objects")
    await user("POST", f"{RBAC}/clusterroles", role("e2e-unlabelled", ["get"]))
    change = {"metadata": {"labels": {"daas.dev/managed": "token"}}}
    answer = await user("PATCH", f"{RBAC}/clusterroles/e2e-unlabelled", change, MERGE)
    denied_by_policy(answer, "daas-own-objects")


async def test_our_roles_cannot_be_written(user: User) -> None:
    name = f"daas:token:{ADMIN_TOKEN.hex()}"
    for resource in ("clusterroles", "clusterrolebindings"):
        target = f"{RBAC}/{resource}/{name}"
        assert (await user("GET", target)).status == 200
        for method in ("PUT", "PATCH", "DELETE"):
            content_type = MERGE if method == "PATCH" else ""
            assert (await user(method, target, {}, content_type)).cause == "DoorOurRbac"
        assert (await user("DELETE", f"{RBAC}/{resource}")).cause == "DoorOurRbac"
        assert (await user("DELETE", f"{RBAC}/{resource}?labelSelector=a%3Db")).cause == "DoorOurRbac"


async def test_our_admission_policies_cannot_be_written(user: User) -> None:
    api = "/apis/admissionregistration.k8s.io/v1"
    for resource in ("validatingadmissionpolicies", "validatingadmissionpolicybindings"):
        target = f"{api}/{resource}/daas-token-secrets"
        assert (await user("GET", target)).status == 200
        for method in ("PUT", "PATCH", "DELETE"):
            assert (await user(method, target, {}, MERGE if method == "PATCH" else "")).cause == "DoorOurPolicy"
        assert (await user("DELETE", f"{api}/{resource}")).cause == "DoorOurPolicy"


@pytest.mark.parametrize(
    ("method", "target", "cause"),
    [
        ("POST", "/api/v1/namespaces/default/serviceaccounts/default/token", "DoorServiceAccount"),
        ("POST", "/apis/certificates.k8s.io/v1/certificatesigningrequests", "DoorCertificate"),
        ("PATCH", "/apis/certificates.k8s.io/v1/certificatesigningrequests/x", "DoorCertificate"),
        ("PUT", "/apis/certificates.k8s.io/v1/certificatesigningrequests/x/approval", "DoorCertificate"),
        ("GET", "/api/v1/nodes/n/proxy/metrics", "DoorProxy"),
        ("GET", "/api/v1/namespaces/default/pods/p/proxy", "DoorProxy"),
        ("POST", "/api/v1/namespaces/default/services/https:s:443/proxy/x", "DoorProxy"),
        ("GET", "/api/v1/proxy/nodes/n", "PathLegacyVerb"),
        ("GET", "/api/v1/watch/pods", "PathLegacyVerb"),
        ("POST", "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations", "DoorAdmission"),
        ("PATCH", "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/x", "DoorAdmission"),
        ("POST", "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies", "DoorAdmission"),
        ("POST", "/apis/apiregistration.k8s.io/v1/apiservices", "DoorApiService"),
        ("PUT", "/apis/apiregistration.k8s.io/v1/apiservices/v1.apps", "DoorApiService"),
        ("GET", "/metrics", "DoorNonResource"),
        ("GET", "/debug/pprof/", "PathEmptySegment"),
    ],
)
async def test_doors_of_the_path_are_shut(user: User, method: str, target: str, cause: str) -> None:
    answer = await user(method, target)
    assert answer.cause == cause
    assert answer.status in (400, 403)


async def test_impersonation_headers_are_refused(user: User) -> None:
    for header in ("Impersonate-User: system:admin", "impersonate-group: system:masters", "X-Remote-User: a"):
        head, _ = user.enclave.head("GET", "/api/v1/nodes", user.session, extra=header + "\r\n")
        answer = await user.enclave.raw(head)
        assert (answer.status, answer.cause) == (403, "DoorImpersonation")


async def test_tokens_are_roles_with_verbs_named_one_by_one(user: User) -> None:
    listed = json.loads((await user("GET", f"{RBAC}/clusterroles?labelSelector=daas.dev%2Fmanaged%3Dtoken")).body)
    names = {item["metadata"]["name"] for item in listed["items"]}
    assert f"daas:token:{ADMIN_TOKEN.hex()}" in names
    assert f"daas:token:{REVOKED_TOKEN.hex()}" not in names
    assert all(verb != "*" for item in listed["items"] for rule in item["rules"] for verb in rule["verbs"])


async def test_a_namespaced_token_works_once_its_namespace_exists(enclave: EnclaveProcess, user: User) -> None:
    session = await enclave.opened(token=NARROW_TOKEN)
    target = "/api/v1/namespaces/dev/pods"
    refused = await enclave.ask("GET", target, session)
    assert refused.status == 403
    assert "RBAC" in json.loads(refused.body)["message"] or b"cannot list" in refused.body
    assert (await user("POST", "/api/v1/namespaces", thing("v1", "Namespace", "dev"))).status == 201
    for _ in range(600):
        answer = await enclave.ask("GET", target, session)
        if answer.status == 200:
            break
        await asyncio.sleep(0.1)
    assert answer.status == 200, answer.body
    elsewhere = await enclave.ask("GET", "/api/v1/namespaces/default/pods", session)
    assert elsewhere.cause == "GrantDenied"


async def test_the_api_server_sees_the_user_and_the_tokens_group(user: User) -> None:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = await user("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
    info = json.loads(answer.body)["status"]["userInfo"]
    assert info["username"] == f"sui:0x{OWNER.hex()}"
    assert sorted(info["groups"]) == [f"daas:token:{ADMIN_TOKEN.hex()}", "system:authenticated"]


async def test_a_watch_brings_events_as_frames(enclave: EnclaveProcess, user: User) -> None:
    target = "/api/v1/namespaces/default/configmaps"
    head, digest = enclave.head("GET", f"{target}?watch=true", user.session, accept="application/json")
    reader, writer = await enclave.connect()
    writer.write(head)
    status, headers = await enclave.read_head(reader)
    assert (status, headers["daas-frames"]) == (200, "1")
    await user("POST", target, thing("v1", "ConfigMap", "e2e-watched", data={"a": "b"}))
    body = b""
    async for data, receipt in enclave.frames(reader):
        assert receipt.request_digest == digest
        body += data
        if b"e2e-watched" in body:
            break
    writer.transport.abort()


def memory(enclave: EnclaveProcess, field_name: str) -> float:
    """MiB of the enclave process: `VmRSS` now, `VmHWM` the most there ever was."""
    lines = Path(f"/proc/{enclave.process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field_name)).split()[1]) / 1024


async def test_200_idle_watches_take_little_memory(enclave: EnclaveProcess, user: User) -> None:
    before = memory(enclave, "VmRSS")
    writers = []
    for _ in range(200):
        reader, writer = await enclave.connect()
        writer.write(enclave.head("GET", "/api/v1/configmaps?watch=true", user.session)[0])
        status, headers = await enclave.read_head(reader)
        assert (status, headers["daas-frames"]) == (200, "1")
        writers.append(writer)
    grown = memory(enclave, "VmRSS") - before
    for writer in writers:
        writer.transport.abort()
    # Two ends of TLS each; 22 MiB were measured.
    assert grown < 64


async def test_an_answer_of_100_mb_takes_a_few_frames_of_memory(enclave: EnclaveProcess, user: User) -> None:
    target = "/api/v1/namespaces/default/configmaps"

    async def make(number: int) -> None:
        value = thing("v1", "ConfigMap", f"e2e-big-{number}", data={"a": "x" * 950_000})
        assert (await user("POST", target, value)).status == 201

    for start in range(0, 112, 4):
        await asyncio.gather(*(make(number) for number in range(start, start + 4)))
    before = memory(enclave, "VmHWM")
    reader, writer = await enclave.connect()
    writer.write(enclave.head("GET", target, user.session, accept="application/json")[0])
    await enclave.read_head(reader)
    total, last = 0, False
    async for data, receipt in enclave.frames(reader):
        total, last = total + len(data), receipt.last
    writer.transport.abort()
    assert last
    assert total > 100 * 1024 * 1024
    # Less than a third of the answer, whatever the allocator keeps.
    assert memory(enclave, "VmHWM") - before < 32


@contextlib.asynccontextmanager
async def signing_forwarder(user: User) -> AsyncIterator[str]:
    """A plain local endpoint for kubectl that signs and forwards; stands in for the gateway, which verifies more."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                first, *lines = head.split("\r\n")[:-2]
                method, target, _ = first.split(" ")
                headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                answer = await user.enclave.ask(
                    method,
                    target,
                    user.session,
                    body=body,
                    accept=headers.get("accept", ""),
                    content_type=headers.get("content-type", ""),
                )
                kind = answer.headers["content-type"]
                told = (
                    f"HTTP/1.1 {answer.status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(answer.body)}\r\n\r\n"
                )
                writer.write(told.encode() + answer.body)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl on this machine")
async def test_kubectl_prints_refusals_as_kubernetes_own(user: User, tmp_path: Path) -> None:
    async with signing_forwarder(user) as server:

        async def kubectl(*arguments: str, stdin: bytes = b"") -> tuple[int, str]:
            process = await asyncio.create_subprocess_exec(
                "kubectl",
                f"--server={server}",
                f"--cache-dir={tmp_path}",
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "KUBECONFIG": "/dev/null"},
            )
            output, _ = await asyncio.wait_for(process.communicate(stdin), 60)
            assert process.returncode is not None
            return process.returncode, output.decode()

        code, output = await kubectl("get", "namespaces", "-o", "name")
        assert (code, "namespace/default" in output) == (0, True), output
        code, output = await kubectl("create", "token", "default")
        assert code == 1, output
        assert "service-account tokens are not issued to users" in output, output
        code, output = await kubectl("get", "--raw", "/metrics")
        assert code == 1, output
        assert "Error from server (Forbidden)" in output
        secret = yaml.safe_dump(thing("v1", "Secret", "e2e-kubectl", type="bootstrap.kubernetes.io/token")).encode()
        for arguments in (["create"], ["apply"], ["apply", "--server-side"]):
            code, output = await kubectl(*arguments, "-f", "-", stdin=secret)
            assert code == 1, output
            assert "Forbidden" in output or "forbidden" in output, output
            assert "daas-token-secrets" in output, output
        code, output = await kubectl("auth", "can-i", "impersonate", "users")
        assert (code, output.strip().splitlines()[-1]) == (1, "no")


async def test_an_exec_of_a_pod_that_runs_nowhere_is_refused_and_signed(enclave: EnclaveProcess, user: User) -> None:
    pod = thing("v1", "Pod", "e2e-pod", spec={"containers": [{"name": "c", "image": "x"}]})
    await user("POST", "/api/v1/namespaces/default/serviceaccounts", thing("v1", "ServiceAccount", "default"))
    await user("POST", "/api/v1/namespaces/default/pods", pod)
    extra = (
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n"
    )
    target = "/api/v1/namespaces/default/pods/e2e-pod/exec?command=ls&stdout=true"
    head, digest = enclave.head("GET", target, user.session, upgrade="websocket;v5.channel.k8s.io", extra=extra)
    answer = await enclave.raw(head)
    assert answer.status >= 400
    assert json.loads(answer.body)["kind"] == "Status"
    assert answer.receipt.request_digest == digest

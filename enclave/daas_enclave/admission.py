"""Second doors that only the body shows, shut in the API server by ValidatingAdmissionPolicies of the enclave.

The API server evaluates them on the decoded object, so the encoding (JSON, YAML, protobuf, CBOR, a patch of any kind)
makes no difference. They match only callers named `sui:...`, who are all users and nobody else, and fail closed.
The API server exempts the admission configuration itself from policies; `doors` shuts that by path.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from daas_enclave.kube_client import KubeClient, KubeError

USER_PREFIX: Final = "sui:"
LABEL: Final = "daas.dev/managed"
PROBE_USER: Final = "sui:0x" + "0" * 64
"""No key has this address; as `system:masters` only admission stops it."""
BITE_TIMEOUT: Final = 60.0
"""Policies act about a second after they are written; a machine under emulation takes many times that."""
PROBE_INTERVAL: Final = 0.1

_API: Final = "/apis/admissionregistration.k8s.io/v1"
_RBAC: Final = "rbac.authorization.k8s.io"
_RESERVED: Final = "name.startsWith('daas:') || name.startsWith('daas.') || name.startsWith('daas-')"


@dataclass(frozen=True, slots=True)
class Rule:
    group: str
    resources: tuple[str, ...]
    operations: tuple[str, ...] = ("CREATE", "UPDATE")


@dataclass(frozen=True, slots=True)
class Probe:
    """A dry-run request that the policy must deny."""

    collection: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Policy:
    """`expressions` are CEL and must all hold; `message` says why a request is refused."""

    name: str
    rules: tuple[Rule, ...]
    expressions: tuple[str, ...]
    message: str
    probe: Probe

    def manifest(self) -> dict[str, Any]:
        return {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": self.name, "labels": {LABEL: "admission"}},
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": {
                    "matchPolicy": "Equivalent",
                    "resourceRules": [
                        {
                            "apiGroups": [rule.group],
                            "apiVersions": ["*"],
                            "operations": list(rule.operations),
                            "resources": list(rule.resources),
                            "scope": "*",
                        }
                        for rule in self.rules
                    ],
                },
                "matchConditions": [
                    {"name": "users", "expression": f"request.userInfo.username.startsWith('{USER_PREFIX}')"}
                ],
                "validations": [
                    {"expression": expression, "message": self.message, "reason": "Forbidden"}
                    for expression in self.expressions
                ],
            },
        }

    def binding(self) -> dict[str, Any]:
        return {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": self.name, "labels": {LABEL: "admission"}},
            "spec": {"policyName": self.name, "validationActions": ["Deny"]},
        }


def _not_ours(side: str) -> tuple[str, str, str]:
    """That neither name nor label of an object (`object` or `oldObject`, null where there is none) is the enclave's."""
    reserved = _RESERVED.replace("name.", f"{side}.metadata.name.")
    generated = _RESERVED.replace("name.", f"{side}.metadata.generateName.")
    return (
        f"{side} == null || !has({side}.metadata.name) || !({reserved})",
        f"{side} == null || !has({side}.metadata.generateName) || !({generated})",
        f"{side} == null || !has({side}.metadata.labels) || "
        f"!{side}.metadata.labels.exists(key, key.startsWith('daas.dev/'))",
    )


def _object(api_version: str, kind: str, name: str, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **fields}


POLICIES: Final = (
    Policy(
        name="daas-token-secrets",
        rules=(Rule("", ("secrets",)),),
        expressions=(
            "!has(object.type) || !(object.type in "
            "['kubernetes.io/service-account-token', 'bootstrap.kubernetes.io/token'])",
        ),
        message="secrets that hold or become a token of the API server are not for users",
        probe=Probe(
            "/api/v1/namespaces/kube-system/secrets",
            _object("v1", "Secret", "probe", type="bootstrap.kubernetes.io/token"),
        ),
    ),
    Policy(
        name="daas-conversion-webhooks",
        rules=(Rule("apiextensions.k8s.io", ("customresourcedefinitions", "customresourcedefinitions/*")),),
        expressions=(
            "!has(object.spec.conversion) || !has(object.spec.conversion.strategy) || "
            "object.spec.conversion.strategy != 'Webhook'",
            "!has(object.spec.conversion) || !has(object.spec.conversion.webhook)",
        ),
        message="conversion webhooks would have another machine read and alter objects",
        probe=Probe(
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            _object(
                "apiextensions.k8s.io/v1",
                "CustomResourceDefinition",
                "probes.daas.dev",
                spec={
                    "group": "daas.dev",
                    "scope": "Namespaced",
                    "names": {"plural": "probes", "singular": "probe", "kind": "Probe", "listKind": "ProbeList"},
                    "versions": [
                        {
                            "name": "v1",
                            "served": True,
                            "storage": True,
                            "schema": {"openAPIV3Schema": {"type": "object"}},
                        }
                    ],
                    "conversion": {
                        "strategy": "Webhook",
                        "webhook": {
                            "conversionReviewVersions": ["v1"],
                            "clientConfig": {"url": "https://probe.invalid/convert"},
                        },
                    },
                },
            ),
        ),
    ),
    Policy(
        name="daas-binding-subjects",
        rules=(Rule(_RBAC, ("rolebindings", "clusterrolebindings")),),
        expressions=(
            "!has(object.subjects) || object.subjects.all(subject, subject.kind == 'ServiceAccount' || "
            "!(subject.name.startsWith('daas:') || subject.name.startsWith('system:')))",
            "!object.roleRef.name.startsWith('daas:')",
        ),
        message="only the enclave binds roles to, and roles of, groups and users named daas: or system:",
        probe=Probe(
            f"/apis/{_RBAC}/v1/clusterrolebindings",
            _object(
                f"{_RBAC}/v1",
                "ClusterRoleBinding",
                "probe",
                roleRef={"apiGroup": _RBAC, "kind": "ClusterRole", "name": "view"},
                subjects=[{"apiGroup": _RBAC, "kind": "Group", "name": "system:authenticated"}],
            ),
        ),
    ),
    Policy(
        name="daas-role-verbs",
        rules=(Rule(_RBAC, ("roles", "clusterroles")),),
        expressions=(
            "!has(object.rules) || object.rules.all(rule, rule.verbs.all(verb, !verb.startsWith('impersonate') && "
            "!(verb in ['*', 'escalate', 'bind', 'approve', 'sign', 'attest'])))",
            "!has(object.aggregationRule)",
        ),
        message="roles of users name their verbs one by one and never have those that give or take identities",
        probe=Probe(
            f"/apis/{_RBAC}/v1/clusterroles",
            _object(
                f"{_RBAC}/v1",
                "ClusterRole",
                "probe",
                rules=[{"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"]}],
            ),
        ),
    ),
    Policy(
        name="daas-own-objects",
        rules=(
            Rule(
                _RBAC, ("roles", "rolebindings", "clusterroles", "clusterrolebindings"), ("CREATE", "UPDATE", "DELETE")
            ),
        ),
        expressions=_not_ours("object") + _not_ours("oldObject"),
        message="this role or binding, or its name or label, is the enclave's",
        probe=Probe(
            f"/apis/{_RBAC}/v1/clusterroles",
            _object(f"{_RBAC}/v1", "ClusterRole", "daas:probe", rules=[]),
        ),
    ),
    Policy(
        name="daas-closed-doors",
        rules=(
            Rule(
                "certificates.k8s.io",
                (
                    "certificatesigningrequests",
                    "certificatesigningrequests/approval",
                    "certificatesigningrequests/status",
                    "podcertificaterequests",
                ),
            ),
            Rule("", ("serviceaccounts/token",), ("CREATE",)),
            Rule("", ("nodes/proxy", "pods/proxy", "services/proxy"), ("CONNECT",)),
            Rule("apiregistration.k8s.io", ("apiservices",)),
        ),
        expressions=("false",),
        message="closed for every user: it would pass by grants and receipts",
        probe=Probe(
            "/apis/apiregistration.k8s.io/v1/apiservices",
            _object(
                "apiregistration.k8s.io/v1",
                "APIService",
                "v1.probe.daas.dev",
                spec={
                    "group": "probe.daas.dev",
                    "version": "v1",
                    "groupPriorityMinimum": 1,
                    "versionPriority": 1,
                    "insecureSkipTLSVerify": True,
                    "service": {"namespace": "default", "name": "probe"},
                },
            ),
        ),
    ),
)


class AdmissionToothless(Exception):
    """A policy is installed and does not deny what it must; the enclave may not serve."""

    def __init__(self, name: str, status: int, message: str) -> None:
        super().__init__(f"admission policy {name} does not deny its probe: {status} {message[:300]}")
        self.name = name


async def install(client: KubeClient) -> None:
    """Makes every policy and binding exactly what this module says. Raises KubeError."""
    for policy in POLICIES:
        await client.put(f"{_API}/validatingadmissionpolicies", policy.manifest())
        await client.put(f"{_API}/validatingadmissionpolicybindings", policy.binding())


async def wait_until_biting(client: KubeClient, timeout_seconds: float = BITE_TIMEOUT) -> None:
    """Returns once every policy denied its probe. Raises AdmissionToothless."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_seconds
    for policy in POLICIES:
        while True:
            status, message = await _probe(client, policy)
            if status == 403 and f"'{policy.name}'" in message:
                break
            if loop.time() >= deadline:
                raise AdmissionToothless(policy.name, status, message)
            await asyncio.sleep(PROBE_INTERVAL)


async def _probe(client: KubeClient, policy: Policy) -> tuple[int, str]:
    try:
        answer = await client.request(
            "POST",
            f"{policy.probe.collection}?dryRun=All",
            policy.probe.body,
            headers={"Impersonate-User": PROBE_USER, "Impersonate-Group": "system:masters"},
        )
    except KubeError as error:
        return error.status, str(error)
    return answer.status, answer.message

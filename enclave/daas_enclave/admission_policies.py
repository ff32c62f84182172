"""Second doors that only the body shows, shut in the API server by ValidatingAdmissionPolicies of the enclave.

The API server evaluates them on the decoded object, so the encoding (JSON, YAML, protobuf, CBOR, a patch of any kind)
makes no difference. They match only callers named `sui:...`, who are all users and nobody else, and fail closed.
The API server exempts the admission configuration itself from policies; `doors` shuts that by path.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER_PREFIX: Final = "sui:"
LABEL: Final = "daas.dev/managed"

_RBAC: Final = "rbac.authorization.k8s.io"
_USERS: Final = (
    f"request.userInfo.username.startsWith('{USER_PREFIX}') || "
    "(request.userInfo.username.startsWith('system:serviceaccount:') && "
    "!request.userInfo.username.startsWith('system:serviceaccount:kube-system:'))"
)
"""Users, and the service accounts of their workloads; the controllers' own accounts live in kube-system."""
_RESERVED: Final = (
    "name.startsWith('daas:') || name.startsWith('daas.') || name.startsWith('daas-') || name.startsWith('system:')"
)


@dataclass(frozen=True, slots=True)
class Rule:
    group: str
    resources: tuple[str, ...]
    operations: tuple[str, ...] = ("CREATE", "UPDATE")


@dataclass(frozen=True, slots=True)
class Probe:
    """A request that the policy must deny; dry-run where there is such a thing, and harmless where there is not."""

    path: str
    body: Mapping[str, Any] | None
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Policy:
    """`expressions` are CEL and must all hold; `message` says why a request is refused."""

    name: str
    rules: tuple[Rule, ...]
    expressions: tuple[str, ...]
    message: str
    probes: tuple[Probe, ...]

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
                "matchConditions": [{"name": "users", "expression": _USERS}],
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


def _csr() -> str:
    """A well-formed signing request (base64 of PEM) whose key nobody keeps."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "probe")])
    key = ec.generate_private_key(ec.SECP256R1())
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode("ascii")


POLICIES: Final = (
    Policy(
        name="daas-token-secrets",
        rules=(Rule("", ("secrets",)),),
        expressions=(
            "!has(object.type) || !(object.type in "
            "['kubernetes.io/service-account-token', 'bootstrap.kubernetes.io/token'])",
        ),
        message="secrets that hold or become a token of the API server are not for users",
        probes=(
            Probe(
                "/api/v1/namespaces/kube-system/secrets?dryRun=All",
                _object("v1", "Secret", "probe", type="bootstrap.kubernetes.io/token"),
            ),
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
        probes=(
            Probe(
                "/apis/apiextensions.k8s.io/v1/customresourcedefinitions?dryRun=All",
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
        probes=(
            Probe(
                f"/apis/{_RBAC}/v1/clusterrolebindings?dryRun=All",
                _object(
                    f"{_RBAC}/v1",
                    "ClusterRoleBinding",
                    "probe",
                    roleRef={"apiGroup": _RBAC, "kind": "ClusterRole", "name": "view"},
                    subjects=[{"apiGroup": _RBAC, "kind": "Group", "name": "system:authenticated"}],
                ),
            ),
        ),
    ),
    Policy(
        # They hold impersonation of service accounts. RBAC would let nobody bind them who does not hold that, but a new
        # cluster serves for seconds before its controllers have aggregated their rules, and binds them as empty.
        name="daas-aggregated-roles",
        rules=(Rule(_RBAC, ("rolebindings", "clusterrolebindings")),),
        expressions=(
            "object.roleRef.kind != 'ClusterRole' || !(object.roleRef.name in ['cluster-admin', 'admin', 'edit'])",
        ),
        message="cluster-admin, admin and edit include acting as every service account: bind a role of your own",
        probes=(
            Probe(
                f"/apis/{_RBAC}/v1/clusterrolebindings?dryRun=All",
                _object(
                    f"{_RBAC}/v1",
                    "ClusterRoleBinding",
                    "probe",
                    roleRef={"apiGroup": _RBAC, "kind": "ClusterRole", "name": "edit"},
                    subjects=[{"kind": "ServiceAccount", "namespace": "default", "name": "probe"}],
                ),
            ),
        ),
    ),
    Policy(
        # The controllers' accounts live there, and these policies exempt them: a pod gets a token of any it names.
        name="daas-controller-accounts",
        rules=(
            Rule("", ("pods", "podtemplates", "replicationcontrollers")),
            Rule("apps", ("daemonsets", "deployments", "replicasets", "statefulsets")),
            Rule("batch", ("cronjobs", "jobs")),
        ),
        expressions=("request.namespace != 'kube-system'",),
        message="a workload in kube-system could act as the cluster's controllers: use another namespace",
        probes=(
            # Not a pod: its service account is looked up before, and exists only once the controllers run.
            Probe(
                "/api/v1/namespaces/kube-system/podtemplates?dryRun=All",
                _object(
                    "v1",
                    "PodTemplate",
                    "probe",
                    template={
                        "metadata": {"labels": {"app": "probe"}},
                        "spec": {"containers": [{"name": "probe", "image": "probe"}]},
                    },
                ),
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
        probes=(
            Probe(
                f"/apis/{_RBAC}/v1/clusterroles?dryRun=All",
                _object(
                    f"{_RBAC}/v1",
                    "ClusterRole",
                    "probe",
                    rules=[{"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"]}],
                ),
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
        probes=(
            Probe(
                f"/apis/{_RBAC}/v1/clusterroles?dryRun=All",
                _object(f"{_RBAC}/v1", "ClusterRole", "daas:probe", rules=[]),
            ),
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
        probes=(
            Probe(
                "/apis/certificates.k8s.io/v1/certificatesigningrequests?dryRun=All",
                _object(
                    "certificates.k8s.io/v1",
                    "CertificateSigningRequest",
                    "probe",
                    spec={"request": _csr(), "signerName": "daas.dev/probe", "usages": ["client auth"]},
                ),
            ),
            # serviceaccounts/token looks the account up before admission, and which exist by now is not known.
            Probe("/api/v1/nodes/daas-probe/proxy", None, "GET"),
            Probe("/api/v1/namespaces/kube-system/pods/daas-probe/proxy", None, "GET"),
            Probe("/api/v1/namespaces/kube-system/services/daas-probe/proxy", None, "GET"),
            Probe(
                "/apis/apiregistration.k8s.io/v1/apiservices?dryRun=All",
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
    ),
)

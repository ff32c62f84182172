"""Live tokens as Roles and Bindings of the API server.

Invariant: for every live token the group `daas:token:<id>` has the rights its grants name and no others, and a token
that is no longer live has none. RBAC cannot say everything a grant can, so where the two differ RBAC is the wider one
and `authorize`, which comes before it, the narrower.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from daas_enclave.admission_policies import LABEL
from daas_enclave.authority import Snapshot, Token
from daas_enclave.kube_client import KubeClient, KubeError
from daas_enclave.sessions import group_name
from daas_protocol.grant import ANY, CONNECT_SUBRESOURCES, Grant

MANAGED: Final = "token"
"""Value of the label on everything written here."""
KNOWN_SUBRESOURCES: Final = (
    "approval",
    "attach",
    "binding",
    "ephemeralcontainers",
    "eviction",
    "exec",
    "finalize",
    "log",
    "portforward",
    "resize",
    "scale",
    "status",
)
"""RBAC has no pattern for every subresource of one resource, so a grant of `pods/*` becomes these."""

_GROUP: Final = "rbac.authorization.k8s.io"
_API: Final = f"/apis/{_GROUP}/v1"
_VERB_ORDER: Final = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")


@dataclass(frozen=True, slots=True)
class Desired:
    """One object to keep: where it lives and all it says."""

    collection: str
    manifest: Mapping[str, Any]

    @property
    def path(self) -> str:
        return f"{self.collection}/{self.manifest['metadata']['name']}"


def rules(grants: Iterable[Grant]) -> list[dict[str, Any]]:
    """RBAC rules of grants that share a scope. Verbs are always named one by one, never `*`."""
    made: list[dict[str, Any]] = []
    for grant in grants:
        groups = [ANY if grant.group is None else grant.group]
        verbs = [verb for verb in _VERB_ORDER if verb in grant.verbs]
        made.append({"apiGroups": groups, "resources": _resources(grant), "verbs": verbs})
        if grant.allows("", "pods", "log", "get", grant.namespace):
            made.append({"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]})
        streams = [s for s in sorted(CONNECT_SUBRESOURCES) if grant.allows("", "pods", s, "create", grant.namespace)]
        if streams:
            # A WebSocket is opened by GET, which RBAC calls get; the API server asks for create besides.
            resources = [f"pods/{subresource}" for subresource in streams]
            made.append({"apiGroups": [""], "resources": resources, "verbs": ["get", "create"]})
    return made


def _resources(grant: Grant) -> list[str]:
    match grant.resource, grant.subresource:
        case resource, None:
            return [resource]
        case "*", "*":
            return [ANY]
        case resource, "*":
            return [f"{resource}/{subresource}" for subresource in KNOWN_SUBRESOURCES]
        case resource, subresource:
            return [f"{resource}/{subresource}"]


def desired(token: Token) -> list[Desired]:
    """Every object of one live token."""
    wanted: list[Desired] = []
    for namespace in sorted({grant.namespace for grant in token.grants}, key=lambda name: name or ""):
        grants = [grant for grant in token.grants if grant.namespace == namespace]
        scope = f"{_API}/namespaces/{namespace}/" if namespace else f"{_API}/"
        prefix, kind = ("", "") if namespace else ("cluster", "Cluster")
        name = group_name(token.token_id)
        metadata: dict[str, Any] = {"name": name, "labels": {LABEL: MANAGED}}
        if namespace:
            metadata["namespace"] = namespace
        role = {"apiVersion": f"{_GROUP}/v1", "kind": f"{kind}Role", "metadata": metadata, "rules": rules(grants)}
        binding = {
            "apiVersion": f"{_GROUP}/v1",
            "kind": f"{kind}RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": _GROUP, "kind": f"{kind}Role", "name": name},
            "subjects": [{"apiGroup": _GROUP, "kind": "Group", "name": name}],
        }
        wanted.append(Desired(f"{scope}{prefix}roles", role))
        wanted.append(Desired(f"{scope}{prefix}rolebindings", binding))
    return wanted


_NAMESPACE_REFUSES: Final = frozenset({403, 409, 422})
"""A namespace that is being terminated or whose quota counts roles: whoever may write there can bring that about."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What one pass did; `waiting` are objects whose namespace does not exist yet, `refused` those it does not take."""

    written: int = 0
    removed: int = 0
    waiting: int = 0
    refused: int = 0


class Reconciler:
    """Brings the API server's objects to what a snapshot says."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def run(self, snapshot: Snapshot, now_ms: int) -> Reconciled:
        """One pass; stale objects go first. Raises KubeError.

        What one namespace does not take (a right that is missing there, never one too many) stops nobody else's.
        """
        wanted = {
            item.path: item for token in snapshot.tokens.values() if token.live(now_ms) for item in desired(token)
        }
        present = await self._present()
        removed = written = waiting = refused = 0
        for path in sorted(present.keys() - wanted.keys(), key=lambda path: "bindings/" not in path):
            await self._client.expect("DELETE", path, statuses=(200, 202, 404))
            removed += 1
        for path, item in wanted.items():
            found = present.get(path)
            if found is not None and _same(found, item.manifest):
                continue
            try:
                if found is not None and found.get("roleRef") != item.manifest.get("roleRef"):
                    # roleRef cannot be changed.
                    await self._client.expect("DELETE", path, statuses=(200, 202, 404))
                await self._client.put(item.collection, item.manifest)
                written += 1
            except KubeError as error:
                if "/namespaces/" not in path:
                    raise
                if error.status == 404:
                    waiting += 1
                elif error.status in _NAMESPACE_REFUSES:
                    refused += 1
                else:
                    raise
        return Reconciled(written, removed, waiting, refused)

    async def _present(self) -> dict[str, dict[str, Any]]:
        """Everything labelled as ours, by path."""
        found: dict[str, dict[str, Any]] = {}
        for resource in ("clusterroles", "clusterrolebindings", "roles", "rolebindings"):
            listed = await self._client.expect("GET", f"{_API}/{resource}?labelSelector={LABEL}%3D{MANAGED}")
            for item in listed.body.get("items") or ():
                metadata = item["metadata"]
                namespace = metadata.get("namespace")
                scope = f"{_API}/namespaces/{namespace}/" if namespace else f"{_API}/"
                found[f"{scope}{resource}/{metadata['name']}"] = item
        return found


def _same(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether all that decides is equal; a rule list of None and [] are."""
    if found["metadata"].get("labels") != wanted["metadata"]["labels"]:
        return False
    return all((found.get(key) or None) == (wanted.get(key) or None) for key in ("rules", "roleRef", "subjects")) and (
        "aggregationRule" not in found
    )

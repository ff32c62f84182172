"""Second doors that the path alone shows: refused for every user, whatever the grant.

A second door is a request after which somebody could act on the cluster, or see into it, past grants, sessions and
receipts: by a credential of their own, as somebody else, through a tunnel of the API server's, or by having the API
server ask a machine outside. Those that only the body shows are shut by `admission`; several are shut by both.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from daas_enclave.request_info import RequestInfo

OURS: Final = ("daas:", "daas.", "daas-")
"""Names of objects the enclave keeps in the API server begin so; nobody else writes objects that do."""

_WRITES: Final = frozenset({"create", "update", "patch", "delete", "deletecollection"})
_REMOVALS: Final = frozenset({"delete", "deletecollection"})
_RBAC: Final = frozenset({"roles", "rolebindings", "clusterroles", "clusterrolebindings"})
_POLICIES: Final = frozenset({"validatingadmissionpolicies", "validatingadmissionpolicybindings"})
_REFUSED_HEADERS: Final = (b"impersonate-", b"x-remote-")
"""Prefixes (lower case) of headers that tell the API server who is asking."""

_INSECURE: Final = "insecureSkipTLSVerifyBackend"
_FREE_READS: Final = frozenset({"/", "/api", "/apis", "/version"})
_FREE_TREES: Final = ("/openapi/", "/healthz", "/livez", "/readyz")
_SELF_REVIEWS: Final = frozenset(
    {
        ("authorization.k8s.io", "selfsubjectaccessreviews"),
        ("authorization.k8s.io", "selfsubjectrulesreviews"),
        ("authentication.k8s.io", "selfsubjectreviews"),
    }
)


class Door(Enum):
    """Every second door the path shows; the value is the message of the refusal."""

    PROXY = "the API server's proxy to nodes, pods and services is closed: nothing it carries could be signed for"
    SERVICE_ACCOUNT = "service-account tokens are not issued to users: they would pass by grants and receipts"
    CERTIFICATE = "certificates are requested and approved by the enclave only: they would pass by grants and receipts"
    ADMISSION = (
        "webhooks and admission policies are the enclave's: others could see, alter or forbid what the enclave writes"
    )
    OUR_POLICY = "this admission policy, or a collection that may hold it, belongs to the enclave"
    API_SERVICE = (
        "API services are written by the API server only: another machine's answers would be signed as its own"
    )
    OUR_RBAC = "this role or binding, or a collection that may hold it, belongs to the enclave"
    IMPERSONATION = "Impersonate-* and X-Remote-* headers are the enclave's alone"
    NON_RESOURCE = "this path is neither a resource nor discovery, OpenAPI, version or health"
    UNVERIFIED_KUBELET = "a kubelet whose certificate nobody checked is not asked: its answer would be signed"
    UPGRADE = "only exec, attach and portforward of pods can be upgraded"


class DoorClosed(Exception):
    """A second door was tried."""

    def __init__(self, door: Door) -> None:
        super().__init__(door.value)
        self.door = door

    @property
    def cause(self) -> str:
        """CamelCase name for the Status' cause, such as `DoorApiService`."""
        return "Door" + "".join(word.capitalize() for word in self.door.name.split("_"))


@dataclass(frozen=True, slots=True)
class Passage:
    """A request that no door stops; `free` ones need a session but no grant."""

    free: bool


FREE: Final = Passage(free=True)
BY_GRANT: Final = Passage(free=False)


def check_headers(names: Iterable[bytes]) -> None:
    """Raises DoorClosed for a header (lower-case names) that says who is asking."""
    for name in names:
        if name.startswith(_REFUSED_HEADERS):
            raise DoorClosed(Door.IMPERSONATION)


def check(info: RequestInfo, *, upgrade: bool) -> Passage:
    """What a request needs besides a session. Raises DoorClosed."""
    if not info.is_resource:
        if upgrade:
            raise DoorClosed(Door.UPGRADE)
        return _non_resource(info)
    if "proxy" in info.parts[2:]:
        raise DoorClosed(Door.PROXY)
    if info.query.get(_INSECURE, "false") not in ("false", "0"):
        raise DoorClosed(Door.UNVERIFIED_KUBELET)
    if upgrade and not info.is_connect:
        raise DoorClosed(Door.UPGRADE)
    if info.verb in _WRITES or info.subresource:
        door = _write(info)
        if door is not None:
            raise DoorClosed(door)
    if info.verb == "create" and not info.name and (info.group, info.resource) in _SELF_REVIEWS:
        return FREE
    return BY_GRANT


def _non_resource(info: RequestInfo) -> Passage:
    path = info.path
    if info.method != "GET":
        raise DoorClosed(Door.NON_RESOURCE)
    discovery = path.startswith(("/api/", "/apis/")) and path.count("/") <= 3
    health = any(path == tree or path.startswith(tree + "/") for tree in _FREE_TREES if not tree.endswith("/"))
    if path in _FREE_READS or discovery or health or path.startswith("/openapi/"):
        return FREE
    raise DoorClosed(Door.NON_RESOURCE)


def _write(info: RequestInfo) -> Door | None:
    """The door a write (or a connect, which any method can be) goes through, if it is one."""
    verb, name = info.verb, info.name
    match info.group, info.resource:
        case "", "serviceaccounts" if info.subresource == "token":
            return Door.SERVICE_ACCOUNT
        case "certificates.k8s.io", _ if verb in _WRITES and (verb not in _REMOVALS or info.subresource):
            return Door.CERTIFICATE
        case "admissionregistration.k8s.io", resource if verb in _WRITES:
            if resource in _POLICIES and (verb == "deletecollection" or name.startswith(OURS)):
                return Door.OUR_POLICY
            # A user's policy could forbid the enclave's own writes or answer its probes: no boot would serve again.
            if resource not in _POLICIES or verb != "delete":
                return Door.ADMISSION
        case "apiregistration.k8s.io", _ if verb in _WRITES:
            return Door.API_SERVICE
        case "rbac.authorization.k8s.io", resource if verb in _WRITES and resource in _RBAC:
            if verb == "deletecollection" or name.startswith(OURS):
                return Door.OUR_RBAC
        case _:
            pass
    return None

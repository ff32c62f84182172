"""The policy file, nonces, the leaf buffer, and tokens as RBAC."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daas_enclave.admission_policies import LABEL, POLICIES, USER_PREFIX
from daas_enclave.authority import MAX_POLICY_BYTES, PolicyFile, PolicyFileError, Token
from daas_enclave.kube_client import KubeAnswer, KubeError
from daas_enclave.leaf_buffer import CHUNK_LEAVES, LeafBuffer
from daas_enclave.nonces import MAX_NONCES, SLOT_MS, WINDOW_MS, NonceReplayed, NonceStore, NonceStoreFull
from daas_enclave.rbac import Reconciler, desired, rules
from daas_protocol.grant import ALL_VERBS, parse_grant
from support.enclave_path import ADMIN_TOKEN, NARROW_TOKEN, REVOKED_TOKEN, START_MS, policy

ID = "0x" + "11" * 32
OWNER = b"\x11" * 32
GOOD = f'version: 1\ntokens: [{{id: "{ID}", owner: "0x2", grants: ["pods:read@dev"]}}]\n'


def test_a_policy_file_is_read_and_anchored() -> None:
    loaded = PolicyFile.parse(GOOD.encode())
    token = loaded.snapshot().tokens[bytes.fromhex("11" * 32)]
    assert token.owner == bytes(31) + b"\x02"
    assert token.live(2**62)
    assert loaded.anchor == hashlib.sha256(b"DAAS-POLICY-FILE-V1\x00" + GOOD.encode()).digest()
    assert loaded.snapshot() is loaded.snapshot()
    with pytest.raises(TypeError):
        loaded.snapshot().tokens[b""] = token  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "(top)"),
        ("[]", "(top)"),
        ("version: 2\ntokens: []", "version"),
        ("version: true\ntokens: []", "version"),
        ("tokens: []", "(top).version"),
        ("version: 1", "(top).tokens"),
        ("version: 1\ntokens: []\nextra: 1", "(top).extra"),
        ("version: 1\nversion: 1\ntokens: []", "line 2"),
        ("version: 1\ntokens: {}", "tokens"),
        ("version: 1\ntokens: [1]", "tokens[0]"),
        (GOOD.replace("owner", "ownr"), "tokens[0].ownr"),
        (GOOD.replace(f'"{ID}"', ID), "tokens[0].id"),
        (GOOD.replace("pods:read@dev", "pods"), "tokens[0].grants[0]"),
        (GOOD.replace('["pods:read@dev"]', "[]"), "tokens[0].grants"),
        (GOOD.replace("}]", ", revoked: 1}]"), "tokens[0].revoked"),
        (GOOD.replace("}]", ", expires_at: 2027-01-01}]"), "tokens[0].expires_at"),
        (GOOD.replace("}]", ", expires_at: 2027-01-01T00:00:00}]"), "tokens[0].expires_at"),
        (GOOD.replace("}]", ", expires_at: 2027-13-01T00:00:00Z}]"), "tokens[0].expires_at"),
        (GOOD.replace("}]", ", expires_at: 0001-01-01T00:00:00+23:00}]"), "tokens[0].expires_at"),
        ("version: !!int\ntokens: []", "(whole file)"),
        ("version: 1\ntokens: !!bool maybe", "(whole file)"),
        ("version: 1" + ":0" * 200 + ".5\ntokens: []", "(whole file)"),
        (GOOD + 'session_epochs: {"0x2": -1}', "session_epochs.0x2"),
        (GOOD + 'session_epochs: {"0x2": 1, "0x02": 2}', "session_epochs.0x02"),
        (GOOD + "session_epochs: {2: 1}", "line 3"),
        ("version: 1\ntokens: &a []\nsession_epochs: *a", "(whole file)"),
        ("version: 1\ntokens: [[[[[[[[[[]]]]]]]]]]", "(whole file)"),
        ("version: !!python/object/apply:os.system [x]\ntokens: []", "(whole file)"),
        ("version: 1\ntokens: [", "(whole file)"),
        ("a" * (MAX_POLICY_BYTES + 1), "(whole file)"),
    ],
)
def test_a_policy_file_with_a_fault_is_refused_by_place(text: str, where: str) -> None:
    with pytest.raises(PolicyFileError) as refused:
        PolicyFile.parse(text.encode())
    assert refused.value.where == where


def test_two_tokens_cannot_share_an_id() -> None:
    line = f'{{id: "{ID}", owner: "0x2", grants: ["pods:read"]}}'
    with pytest.raises(PolicyFileError):
        PolicyFile.parse(f"version: 1\ntokens: [{line}, {line}]".encode())


def test_expiry_is_an_instant() -> None:
    text = GOOD.replace("}]", ", expires_at: 2027-01-15T08:00:00+01:00}]")
    token = PolicyFile.parse(text.encode()).snapshot().tokens[bytes.fromhex("11" * 32)]
    assert token.expires_at_ms == 1_799_996_400_000
    assert token.live(1_799_996_399_999)
    assert not token.live(1_799_996_400_000)


@given(st.lists(st.tuples(st.integers(0, 40_000), st.integers(0, 5)), max_size=60))
def test_a_nonce_is_refused_for_two_minutes_whenever_it_comes(steps: list[tuple[int, int]]) -> None:
    store, now, taken = NonceStore(), 0, {}
    for step, number in steps:
        now += step
        nonce = bytes([number]) * 16
        try:
            store.take(nonce, OWNER, now)
            assert nonce not in taken or now - taken[nonce] >= WINDOW_MS
            taken[nonce] = now
        except NonceReplayed:
            assert now - taken[nonce] < WINDOW_MS + SLOT_MS


def test_one_owner_cannot_fill_the_nonce_store_for_the_others() -> None:
    store = NonceStore(limit=4)
    for number in range(2):
        store.take(bytes([number]) * 16, OWNER, 0)
    with pytest.raises(NonceStoreFull, match="by this address"):
        store.take(b"x" * 16, OWNER, 1)
    store.take(b"y" * 16, b"\x22" * 32, 1)
    store.take(b"x" * 16, OWNER, WINDOW_MS + SLOT_MS)
    assert len(store) == 1


def test_the_nonce_store_is_bounded_and_recovers() -> None:
    store = NonceStore(limit=3)
    for number in range(3):
        store.take(bytes([number]) * 16, bytes([number]) * 32, 0)
    with pytest.raises(NonceStoreFull):
        store.take(b"x" * 16, OWNER, WINDOW_MS)
    with pytest.raises(NonceReplayed):
        store.take(bytes(16), OWNER, WINDOW_MS - 1)
    store.take(b"x" * 16, OWNER, WINDOW_MS + SLOT_MS)
    assert len(store) == 1
    assert MAX_NONCES * 100 < 64 * 1024 * 1024


def test_the_leaf_buffer_keeps_what_is_not_acknowledged() -> None:
    buffer = LeafBuffer()
    hashes = [number.to_bytes(32, "big") for number in range(CHUNK_LEAVES * 2 + 5)]
    for leaf in hashes:
        buffer.append(leaf)
    got: list[bytes] = []
    while len(got) < len(hashes):
        first, leaves = buffer.read(len(got))
        assert first == len(got)
        assert len(leaves) <= CHUNK_LEAVES
        got += leaves
    assert got == hashes
    buffer.acknowledge(CHUNK_LEAVES + 7)
    assert buffer.read(0) == (CHUNK_LEAVES + 7, hashes[CHUNK_LEAVES + 7 : 2 * CHUNK_LEAVES])
    buffer.acknowledge(3)
    assert buffer.first == CHUNK_LEAVES + 7
    with pytest.raises(ValueError, match="only"):
        buffer.acknowledge(len(hashes) + 1)
    buffer.acknowledge(len(hashes))
    assert buffer.read(0) == (len(hashes), [])
    buffer.append(b"z" * 32)
    assert buffer.read(0) == (len(hashes), [b"z" * 32])


def test_a_host_too_far_behind_loses_leaves_and_it_is_counted() -> None:
    buffer = LeafBuffer(limit=2 * CHUNK_LEAVES)
    for _ in range(3 * CHUNK_LEAVES):
        buffer.append(bytes(32))
    assert buffer.lost == CHUNK_LEAVES
    assert buffer.read(0)[0] == CHUNK_LEAVES


def test_rbac_names_verbs_one_by_one() -> None:
    made = rules([parse_grant("*:*")])
    assert made[0]["apiGroups"] == ["*"]
    assert made[0]["resources"] == ["*"]
    assert set(made[0]["verbs"]) == ALL_VERBS
    assert not {"*", "impersonate", "escalate", "bind"} & {verb for rule in made for verb in rule["verbs"]}


@pytest.mark.parametrize(
    ("grant", "expected"),
    [
        ("pods:get", [([""], ["pods"], ["get"])]),
        (
            "pods:read",
            [([""], ["pods"], ["get", "list", "watch"]), ([""], ["pods/log"], ["get"])],
        ),
        ("deployments.apps/scale:update", [(["apps"], ["deployments/scale"], ["update"])]),
        (
            "pods/exec:create",
            [([""], ["pods/exec"], ["create"]), ([""], ["pods/exec"], ["get", "create"])],
        ),
        ("*.apps:delete", [(["apps"], ["*"], ["delete"])]),
    ],
)
def test_a_grant_as_rules(grant: str, expected: list[tuple[list[str], list[str], list[str]]]) -> None:
    made = rules([parse_grant(grant)])
    assert [(rule["apiGroups"], rule["resources"], rule["verbs"]) for rule in made] == expected


def test_namespaced_grants_are_roles_of_their_namespace() -> None:
    grants = (parse_grant("pods:read@dev"), parse_grant("nodes:read"))
    made = desired(Token(b"\x11" * 32, bytes(32), grants, None, False))
    kinds = {(item.manifest["kind"], item.manifest["metadata"].get("namespace")) for item in made}
    assert kinds == {("ClusterRole", None), ("ClusterRoleBinding", None), ("Role", "dev"), ("RoleBinding", "dev")}
    for item in made:
        assert item.manifest["metadata"]["labels"] == {LABEL: "token"}
        for subject in item.manifest.get("subjects", ()):
            assert (subject["kind"], subject["name"]) == ("Group", "daas:token:" + "11" * 32)


class ClusterDouble:
    """Our own stand-in for the API server's RBAC storage: objects by path, optimistic locking, missing namespaces."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.namespaces: set[str] = set()
        self.refusing: dict[str | None, int] = {}
        self.writes = 0

    async def expect(
        self, method: str, path: str, body: Any = None, *, statuses: tuple[int, ...] = (200, 201)
    ) -> KubeAnswer:
        if method == "GET":
            resource = path.partition("?")[0].rpartition("/")[2]
            items = [value for key, value in self.objects.items() if key.split("/")[-2] == resource]
            return KubeAnswer(200, {"items": items})
        assert method == "DELETE"
        self.objects.pop(path, None)
        self.writes += 1
        return KubeAnswer(200, {})

    async def put(self, collection: str, manifest: dict[str, Any]) -> None:
        namespace = manifest["metadata"].get("namespace")
        if namespace and namespace not in self.namespaces:
            raise KubeError("POST", collection, 404, "no such namespace")
        if namespace in self.refusing:
            raise KubeError("POST", collection, self.refusing[namespace], "being terminated, or over its quota")
        self.objects[f"{collection}/{manifest['metadata']['name']}"] = manifest
        self.writes += 1


async def test_reconciling_adds_mends_and_removes() -> None:
    cluster = ClusterDouble()
    reconciler = Reconciler(cluster)  # type: ignore[arg-type]
    snapshot = PolicyFile.parse(policy()).snapshot()
    first = await reconciler.run(snapshot, START_MS)
    assert first.waiting == 2
    assert not any(REVOKED_TOKEN.hex() in path for path in cluster.objects)
    cluster.namespaces.add("dev")
    second = await reconciler.run(snapshot, START_MS)
    assert (second.written, second.waiting) == (2, 0)
    writes = cluster.writes
    assert (await reconciler.run(snapshot, START_MS)).written == 0
    assert cluster.writes == writes
    admin = next(path for path in cluster.objects if f"clusterroles/daas:token:{ADMIN_TOKEN.hex()}" in path)
    cluster.objects[admin] = {**cluster.objects[admin], "rules": []}
    assert (await reconciler.run(snapshot, START_MS)).written == 1
    revoked = PolicyFile.parse(policy().replace(NARROW_TOKEN.hex().encode(), b"77" * 32)).snapshot()
    after = await reconciler.run(revoked, START_MS)
    assert after.removed == 4
    assert not any(NARROW_TOKEN.hex() in path for path in cluster.objects)
    late = await reconciler.run(snapshot, 2**62)
    assert late.removed > 0


@pytest.mark.parametrize("status", [403, 409, 422])
async def test_a_namespace_that_takes_no_roles_stops_nobody_else(status: int) -> None:
    # Its tenant alone can bring that about: a finalizer and a deletion, or a quota on roles. It must not end the boot.
    cluster = ClusterDouble()
    cluster.namespaces.add("dev")
    cluster.refusing["dev"] = status
    reconciled = await Reconciler(cluster).run(PolicyFile.parse(policy()).snapshot(), START_MS)  # type: ignore[arg-type]
    assert (reconciled.refused, reconciled.waiting) == (2, 0)
    assert reconciled.written == len(cluster.objects) > 0


@pytest.mark.parametrize(("where", "status"), [("dev", 500), ("dev", 0), (None, 403)])
async def test_what_no_tenant_can_bring_about_is_told(where: str | None, status: int) -> None:
    cluster = ClusterDouble()
    cluster.namespaces.add("dev")
    cluster.refusing[where] = status
    with pytest.raises(KubeError):
        await Reconciler(cluster).run(PolicyFile.parse(policy()).snapshot(), START_MS)  # type: ignore[arg-type]


def test_admission_policies_fail_closed_and_match_every_user() -> None:
    for item in POLICIES:
        spec = item.manifest()["spec"]
        assert spec["failurePolicy"] == "Fail"
        users, workloads = spec["matchConditions"][0]["expression"].split(" || ", 1)
        assert users == f"request.userInfo.username.startsWith('{USER_PREFIX}')"
        assert "startsWith('system:serviceaccount:')" in workloads
        assert "!request.userInfo.username.startsWith('system:serviceaccount:kube-system:')" in workloads
        assert len(spec["matchConditions"]) == 1
        assert item.binding()["spec"] == {"policyName": item.name, "validationActions": ["Deny"]}
        assert item.name.startswith("daas-")

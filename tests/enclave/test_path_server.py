"""Promises of the endpoint: who may ask, in what order it is checked, and that everything it says is signed."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daas_enclave import request_path
from daas_enclave.server import MAX_DOCUMENTS_UNDER_WAY
from daas_enclave.sessions import MAX_SESSIONS_PER_OWNER
from daas_protocol import receipt as wire
from daas_protocol.binding import EnclaveBinding
from daas_protocol.log import EMPTY_ROOT, MerkleTree, TreeHead
from daas_protocol.log_stream import LeafAck, encode_message
from support.enclave_path import (
    ADMIN_TOKEN,
    AUTHORIZATION,
    BOOT,
    ENCLAVE,
    EXPIRES_MS,
    EXPIRING_TOKEN,
    NARROW_TOKEN,
    OTHER_USER,
    OTHERS_TOKEN,
    OWNER,
    REVOKED_TOKEN,
    Harness,
    StubNsm,
    reply,
    start,
)
from support.waiting import PATIENCE_S, until

PODS = "/api/v1/namespaces/dev/pods"


@pytest.fixture
async def path(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Harness]:
    harness = await start(tmp_path_factory.mktemp("p"))
    yield harness
    await harness.stop()


async def test_a_request_is_executed_as_the_caller_and_only_with_what_the_digest_binds(path: Harness) -> None:
    session = await path.opened()
    answer = await path.ask(
        "GET",
        PODS,
        session,
        accept="application/json",
        extra="X-Forwarded-For: 1.2.3.4\r\nAuthorization: Bearer x\r\nAccept-Encoding: gzip\r\nCookie: a=b\r\n",
    )
    assert answer.status == 200
    assert json.loads(answer.body)["target"] == PODS
    seen = path.api.seen[-1]
    assert sorted(name for name, _ in seen.headers) == [
        "accept",
        "authorization",
        "host",
        "impersonate-group",
        "impersonate-user",
        "user-agent",
    ]
    assert b"Authorization: " + seen.header("authorization")[0].encode() + b"\r\n" == AUTHORIZATION
    assert seen.header("impersonate-user") == [f"sui:0x{OWNER.hex()}"]
    assert seen.header("impersonate-group") == [f"daas:token:{ADMIN_TOKEN.hex()}"]


async def test_receipts_name_enclave_boot_request_and_requester(path: Harness) -> None:
    session = await path.opened()
    receipt = (await path.ask("GET", PODS, session)).receipt
    assert (receipt.enclave_id, receipt.boot_id, receipt.requester) == (ENCLAVE, BOOT, OWNER)
    assert receipt.mailbox is None


async def test_the_log_can_be_recomputed_from_the_leaves_the_host_gets(path: Harness) -> None:
    session = await path.opened()
    for _ in range(20):
        await path.ask("GET", PODS, session)
    await path.ask("GET", "/api//v1", session)
    await path.raw(b"garbage\r\n\r\n")
    tree = MerkleTree()
    for message, leaf in zip(path.signed, await path.leaves(len(path.signed)), strict=True):
        receipt = message.receipt()
        assert receipt.sequence == tree.size
        assert receipt.log_root == (tree.root() if tree.size else EMPTY_ROOT)
        assert message.leaf_hash() == leaf
        tree.append(leaf)
    head = await path.ask("GET", "/daas/v1/log/head", session)
    signed = wire.SignedMessage.decode(head.body)
    wire.verify(signed, path.receipt_public)
    assert TreeHead.from_bcs(signed.payload) == TreeHead(ENCLAVE, BOOT, tree.size, tree.root())


async def test_a_reconnected_host_gets_what_it_has_not_acknowledged(path: Harness) -> None:
    session = await path.opened()
    first = await path.leaves(1)
    await path.ask("GET", PODS, session)
    await until(lambda: path.path.stats()["log"]["unacknowledged"] == 1)
    assert len(first) == 1


async def test_an_unknown_session_is_told_so(path: Harness) -> None:
    answer = await path.ask("GET", PODS, path.new_session())
    assert (answer.status, answer.cause) == (401, "SessionUnknown")
    assert answer.receipt.requester == bytes(32)
    assert answer.receipt.request_digest != bytes(32)
    assert not path.api.seen


async def test_without_daas_request_nothing_is_bound(path: Harness) -> None:
    answer = await path.raw(b"GET /api HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (answer.status, answer.cause) == (401, "RequestAuthMissing")
    assert answer.receipt.request_digest == bytes(32)


async def test_a_signature_by_another_key_is_refused(path: Harness) -> None:
    session = await path.opened()
    answer = await path.ask("GET", PODS, session, sign_with=Ed25519PrivateKey.generate())
    assert (answer.status, answer.cause) == (401, "RequestSignature")
    assert answer.receipt.requester == bytes(32)


@pytest.mark.parametrize("change", ["method", "target", "body", "accept", "content_type"])
async def test_a_request_altered_on_the_way_is_refused(path: Harness, change: str) -> None:
    session = await path.opened()
    how = {"accept": "application/json", "content_type": "application/json"}
    head, _ = path.head("POST", "/api/v1/namespaces/dev/configmaps", session, body=b"{}", **how)
    body = b"{}"
    match change:
        case "method":
            head = head.replace(b"POST ", b"PUT ", 1)
        case "target":
            head = head.replace(b"/dev/", b"/sys/")
        case "body":
            body = b"[]"
        case "accept":
            head = head.replace(b"Accept: application/json", b"Accept: application/yaml")
        case _:
            head = head.replace(b"Content-Type: application/json", b"Content-Type: application/yaml")
    answer = await path.raw(head + body)
    assert (answer.status, answer.cause) == (401, "RequestSignature")
    assert not path.api.seen


async def test_a_nonce_is_taken_once(path: Harness) -> None:
    session = await path.opened()
    head, _ = path.head("GET", PODS, session, nonce=b"n" * 16)
    assert (await path.raw(head)).status == 200
    again = await path.raw(head)
    assert (again.status, again.cause) == (400, "NonceReplayed")
    path.clock.ms += 60_000
    late = await path.raw(head)
    assert (late.status, late.cause) == (400, "NonceReplayed")
    path.clock.ms += 1
    stale = await path.raw(head)
    assert (stale.status, stale.cause) == (400, "RequestStale")
    assert len(path.api.seen) == 1


@pytest.mark.parametrize("skew", [-60_001, 60_001])
async def test_a_request_from_another_time_is_refused(path: Harness, skew: int) -> None:
    session = await path.opened()
    answer = await path.ask("GET", PODS, session, issued_at_ms=path.clock.ms + skew)
    assert (answer.status, answer.cause) == (400, "RequestStale")


@pytest.mark.parametrize(
    ("changes", "code", "cause"),
    [
        ({"package": b"\x01" * 32}, 403, "SessionForeign"),
        ({"cluster": b"\x01" * 32}, 403, "SessionForeign"),
        ({"session_key": b"\x01" * 32}, 403, "SessionForeign"),
        ({"token": b"\x77" * 32}, 403, "TokenUnknown"),
        ({"token": OTHERS_TOKEN}, 403, "TokenUnknown"),
        ({"token": REVOKED_TOKEN}, 403, "TokenRevoked"),
        ({"session_epoch": 1}, 403, "SessionEpoch"),
        ({"owner": OTHER_USER}, 403, "TokenUnknown"),
        ({"issued_at_ms": 1_800_000_060_001}, 403, "SessionFromFuture"),
        ({"issued_at_ms": 1_799_999_990_000, "expires_at_ms": 1_800_000_000_000}, 403, "SessionExpired"),
    ],
)
async def test_a_session_that_is_not_for_here_is_not_opened(
    path: Harness, changes: dict[str, object], code: int, cause: str
) -> None:
    session = path.new_session(**changes)
    head, _ = path.head("POST", "/daas/v1/sessions", session, body=session.post_body(), content_type="application/json")
    answer = await path.raw(head + session.post_body())
    assert (answer.status, answer.cause) == (code, cause)
    assert (await path.ask("GET", PODS, session)).cause == "SessionUnknown"


async def test_a_session_needs_its_owners_signature_and_its_own(path: Harness) -> None:
    session = path.new_session()
    forged = json.loads(session.post_body())
    forged["text"] = forged["text"].replace("scope: *:*", "scope: pods:read")
    assert (await path.post(session, json.dumps(forged).encode())).cause == "SessionSignature"
    body = session.post_body()
    head, _ = path.head("POST", "/daas/v1/sessions", session, body=body, sign_with=Ed25519PrivateKey.generate())
    assert (await path.raw(head + body)).cause == "RequestSignature"


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"text":"a","signature":"b","c":1}', b'{"text":1,"signature":""}']
)
async def test_a_malformed_session_is_refused(path: Harness, body: bytes) -> None:
    session = path.new_session()
    head, _ = path.head("POST", "/daas/v1/sessions", session, body=body)
    answer = await path.raw(head + body)
    assert (answer.status, answer.cause) == (400, "SessionMalformed")


async def test_a_session_ends_with_its_time(path: Harness) -> None:
    session = await path.opened(expires_at_ms=path.clock.ms + 1000)
    path.clock.ms += 1000
    answer = await path.ask("GET", PODS, session)
    assert (answer.status, answer.cause) == (401, "SessionUnknown")


async def test_a_token_ends_with_its_time(path: Harness) -> None:
    session = await path.opened(token=EXPIRING_TOKEN)
    assert (await path.ask("GET", PODS, session)).status == 200
    path.clock.ms = EXPIRES_MS
    answer = await path.ask("GET", PODS, session)
    assert (answer.status, answer.cause) == (403, "TokenExpired")


@pytest.mark.parametrize(
    ("token", "scope", "method", "target", "cause"),
    [
        (NARROW_TOKEN, ["*:*"], "GET", "/api/v1/namespaces/dev/pods", None),
        (NARROW_TOKEN, ["*:*"], "GET", "/api/v1/namespaces/dev/pods/a/log", None),
        (NARROW_TOKEN, ["*:*"], "GET", "/api/v1/namespaces/prod/pods", "GrantDenied"),
        (NARROW_TOKEN, ["*:*"], "GET", "/api/v1/pods", "GrantDenied"),
        (NARROW_TOKEN, ["*:*"], "GET", "/api/v1/namespaces/dev/secrets", "GrantDenied"),
        (NARROW_TOKEN, ["*:*"], "DELETE", "/api/v1/namespaces/dev/pods/a", "GrantDenied"),
        (NARROW_TOKEN, ["*:*"], "POST", "/api/v1/namespaces/dev/pods/a/exec", "GrantDenied"),
        (NARROW_TOKEN, ["*:*"], "DELETE", "/api/v1/namespaces/dev", "GrantDenied"),
        (ADMIN_TOKEN, ["pods:get@dev"], "GET", "/api/v1/namespaces/dev/pods/a", None),
        (ADMIN_TOKEN, ["pods:get@dev"], "GET", "/api/v1/namespaces/dev/pods", "ScopeDenied"),
        (ADMIN_TOKEN, ["pods:get@dev"], "GET", "/api/v1/namespaces/dev/pods/a/log", "ScopeDenied"),
        (ADMIN_TOKEN, ["configmaps:update"], "PUT", "/api/v1/namespaces/dev/configmaps/a", "ScopeDenied"),
        (ADMIN_TOKEN, ["configmaps:write"], "PUT", "/api/v1/namespaces/dev/configmaps/a", None),
        (ADMIN_TOKEN, ["pods:get@dev"], "GET", "/version", None),
        (ADMIN_TOKEN, ["pods:get@dev"], "GET", "/apis/apps/v1", None),
        (ADMIN_TOKEN, ["pods:get@dev"], "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", None),
        (ADMIN_TOKEN, ["pods:get@dev"], "POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", "ScopeDenied"),
    ],
)
async def test_scope_and_token_must_both_allow(
    path: Harness, token: bytes, scope: list[str], method: str, target: str, cause: str | None
) -> None:
    session = await path.opened(token=token, scope=scope)
    answer = await path.ask(method, target, session)
    if cause is None:
        assert answer.status == 200
        return
    assert (answer.status, answer.cause) == (403, cause)
    assert not path.api.seen


async def test_an_apply_may_create_only_what_the_scope_may_create(path: Harness) -> None:
    session = await path.opened(scope=["configmaps:patch"])
    target = "/api/v1/namespaces/dev/configmaps/a"
    merge = await path.ask("PATCH", target, session, body=b"{}", content_type="application/merge-patch+json")
    apply = await path.ask("PATCH", target, session, body=b"{}", content_type="application/apply-patch+yaml")
    assert (merge.status, apply.status, apply.cause) == (200, 403, "ScopeDenied")
    assert "cannot create" in json.loads(apply.body)["message"]


async def test_kubernetes_answers_only_while_serving(path: Harness) -> None:
    session = await path.opened()
    path.phase.serving = False
    path.phase.current.value = "Paused"
    answer = await path.ask("GET", PODS, session)
    assert (answer.status, answer.cause) == (503, "NotServing")
    assert (await path.ask("GET", "/daas/v1/status", session)).status == 200


async def test_the_attestation_is_over_the_askers_nonce_and_limited(path: Harness) -> None:
    reader, writer = await path.connect()
    nonce = b"\x5a" * 32
    statuses = []
    for _ in range(17):
        writer.write(f"GET /daas/v1/attestation?nonce={nonce.hex()} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        answer = await path.read(reader)
        statuses.append(answer.status)
        if answer.status == 200:
            assert answer.headers["content-type"] == 'application/cose; cose-type="cose-sign1"'
            assert answer.body.startswith(nonce + b"|")
            EnclaveBinding.from_bcs(answer.body[33 : 33 + 213])
    assert statuses == [200] * 16 + [429]
    writer.transport.abort()


async def test_who_asks_for_a_document_and_leaves_frees_no_place_at_the_nsm(
    path: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Else a stranger could have any number of documents made at once, one before the other is done.
    gate = threading.Event()
    begun: list[bytes] = []

    def slow(self: StubNsm, *, nonce: bytes, user_data: bytes, public_key: bytes) -> bytes:
        begun.append(nonce)
        gate.wait(PATIENCE_S)
        return nonce

    monkeypatch.setattr(StubNsm, "attestation", slow)
    ask = f"GET /daas/v1/attestation?nonce={'0' * 64} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    try:
        endpoint = path.path._endpoint
        for place in range(MAX_DOCUMENTS_UNDER_WAY):
            _, writer = await path.connect()
            writer.write(ask)
            await until(lambda place=place: endpoint._documents == place + 1)
            writer.transport.abort()
        await until(lambda: path.path.stats()["connections"] == 0)
        await until(lambda: begun)
        assert len(begun) == 1
        assert (await path.raw(ask)).cause == "AttestationLimit"
    finally:
        gate.set()
    await until(lambda: endpoint._documents == 0)
    assert (await path.raw(ask)).status == 200


@pytest.mark.parametrize(
    "query", ["", "?nonce=", "?nonce=zz", "?nonce=" + "A" * 64, "?nonce=" + "a" * 64 + "&x=1", "/x"]
)
async def test_an_attestation_needs_a_nonce(path: Harness, query: str) -> None:
    answer = await path.raw(f"GET /daas/v1/attestation{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert (answer.status, answer.cause) == (400, "AttestationRequest")


async def test_an_unknown_endpoint_of_ours_is_not_found(path: Harness) -> None:
    session = await path.opened()
    assert (await path.ask("GET", "/daas/v1/nothing", session)).cause == "NoSuchEndpoint"


async def test_what_the_api_server_refuses_is_signed_too(path: Harness) -> None:
    async def script(seen: object, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        await reply(writer, 404, b'{"kind":"Status","code":404}')
        return True

    path.api.script = script
    session = await path.opened()
    answer = await path.ask("GET", PODS + "/none", session)
    assert answer.status == 404
    assert answer.receipt.status == 404


async def test_a_dead_api_server_is_said_in_a_signed_status(path: Harness, tmp_path: Path) -> None:
    session = await path.opened()
    await path.ask("GET", PODS, session)
    await path.api.stop()
    await asyncio.sleep(0.05)
    answer = await path.ask("GET", PODS, session)
    assert (answer.status, answer.cause) == (503, "ControlPlaneDown")
    assert answer.signed is not None


async def test_a_write_whose_outcome_is_unknown_is_not_repeated(path: Harness) -> None:
    session = await path.opened()

    async def drop(seen: object, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        return False

    path.api.script = drop
    answer = await path.ask("POST", "/api/v1/namespaces/dev/configmaps", session, body=b"{}")
    assert (answer.status, answer.cause) == (503, "OutcomeUnknown")
    assert len(path.api.seen) == 1


async def test_a_read_on_a_stale_connection_is_asked_once_more(path: Harness) -> None:
    session = await path.opened()
    echo = path.api.script
    await path.ask("GET", PODS, session)

    async def drop_first(seen: object, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        path.api.script = echo
        return False

    path.api.script = drop_first
    assert (await path.ask("GET", PODS, session)).status == 200
    assert len(path.api.seen) == 3


async def test_an_owner_with_too_many_sessions_loses_only_the_oldest_of_its_own(path: Harness) -> None:
    others = await path.opened(owner=OTHER_USER, token=OTHERS_TOKEN)
    sessions = [await path.opened() for _ in range(MAX_SESSIONS_PER_OWNER + 1)]
    assert (await path.ask("GET", PODS, sessions[0])).cause == "SessionUnknown"
    for kept in (others, sessions[1], sessions[-1]):
        assert (await path.ask("GET", PODS, kept)).status == 200


async def test_a_session_may_be_posted_again_but_not_taken_over(path: Harness) -> None:
    session = await path.opened()
    assert (await path.post(session)).status == 200
    fields = {"session_key": session.public, "token": OTHERS_TOKEN, "owner": OTHER_USER}
    stolen = path.new_session(**fields)
    stolen.key = session.key
    assert (await path.post(stolen)).cause == "SessionKeyTaken"
    assert (await path.ask("GET", PODS, session)).status == 200


async def test_a_log_of_a_kubelet_nobody_checked_is_not_signed(path: Harness) -> None:
    session = await path.opened()
    target = PODS + "/a/log?insecureSkipTLSVerifyBackend="
    assert (await path.ask("GET", target + "true", session)).cause == "DoorUnverifiedKubelet"
    assert (await path.ask("GET", target + "false", session)).status == 200


@pytest.mark.parametrize(
    "data",
    [
        encode_message(LeafAck(b"\x00" * 16, 0)),
        encode_message(LeafAck(BOOT, 2**63)),
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x19" + b"\x00" * 25,
    ],
)
async def test_a_host_that_sends_nonsense_is_hung_up_on_and_harms_nothing(path: Harness, data: bytes) -> None:
    session = await path.opened()
    reader, writer = await asyncio.open_unix_connection(str(path.log_socket))
    writer.write(data)
    while await asyncio.wait_for(reader.read(65536), PATIENCE_S):
        pass
    writer.close()
    assert (await path.ask("GET", PODS, session)).status == 200
    assert len(await path.leaves(2)) == 2


async def test_a_second_log_connection_takes_over_from_the_first(path: Harness) -> None:
    await path.opened()
    reader, writer = await asyncio.open_unix_connection(str(path.log_socket))
    await asyncio.wait_for(reader.readexactly(4), PATIENCE_S)
    assert len(await path.leaves(1)) == 1
    while await asyncio.wait_for(reader.read(65536), PATIENCE_S):
        pass
    writer.close()


async def test_refusals_are_counted_by_name(path: Harness) -> None:
    session = await path.opened()
    await path.ask("GET", "/metrics", session)
    stats = path.path.stats()
    assert stats["refusals"] == {"DoorNonResource": 1}
    json.dumps(stats)


async def test_what_fails_inside_says_nothing_about_itself(path: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    session = await path.opened()

    def fail(*args: object) -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr("daas_enclave.server.authorize", fail)
    answer = await path.ask("GET", PODS, session)
    assert (answer.status, answer.cause) == (500, "EnclaveError")
    assert b"secret" not in answer.body


async def test_strangers_make_room_and_never_keep_a_known_connection_out(
    path: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_path, "MAX_CONNECTIONS", 4)
    session = await path.opened()
    head, _ = path.head("GET", PODS, session)
    known_reader, known = await path.connect()
    known.write(head)
    assert (await path.read(known_reader)).status == 200
    strangers = [await path.connect() for _ in range(6)]
    await until(lambda: path.path.stats()["connections"] == 4)
    again, _ = path.head("GET", PODS, session)
    known.write(again)
    assert (await path.read(known_reader)).status == 200
    assert path.path.stats()["connections"] == 4
    for _, writer in [*strangers, (None, known)]:
        writer.transport.abort()

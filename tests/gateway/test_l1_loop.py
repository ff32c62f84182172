"""Promise: a write goes through the contract once, and what comes back is the enclave's own signed answer to it."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import replace

import pytest

from daas_gateway.receipts import get_request, list_evidence, receipt_at
from support.enclave_double import Tamper
from support.l1_double import Lies, Scene
from support.l1_users import CREATE, User, Users, body_of, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(autouse=True)
def truthful(scene: Scene) -> None:
    scene.lies, scene.status, scene.double.tamper = Lies(), 201, Tamper()


def state(user: User, request_id: bytes) -> str:
    row = get_request(user.config.receipts_db, request_id)
    return "" if row is None else row.state


async def test_a_write_comes_back_signed_and_is_kept_and_settled(scene: Scene, users: Users) -> None:
    user = await users(scene)
    reply = await user.create("first")
    assert reply.status == 201, reply.body
    assert json.loads(reply.json()["body"])["metadata"]["name"] == "first"
    assert reply.headers["warning"] == '299 - "mind this"'
    request_id = bytes.fromhex(reply.headers["daas-request-id"])
    seen = [one for one in scene.executed if one.event.request_id == request_id]
    assert [(one.event.verb, one.event.resource, one.event.namespace) for one in seen] == [
        ("create", "configmaps", "default")
    ]
    assert b"first" not in seen[0].event.encode()
    database = user.config.receipts_db
    await until(lambda: state(user, request_id) == "settled")
    row = get_request(database, request_id)
    assert row is not None
    assert (row.mailbox_seq, row.status, row.fee) == (seen[0].seq, 201, seen[0].event.fee)
    assert row.boot_id is not None
    assert row.sequence is not None
    kept = receipt_at(database, row.boot_id, row.sequence)
    assert kept is not None
    assert kept.receipt.request_digest == row.request_digest == seen[0].event.request_digest
    assert kept.receipt.binding == row.binding
    await until(lambda: not user.journal)
    shown = (await user.client.get("/daas/local/status")).json()["contract"]
    assert (shown["under_way"], shown["boot_on_chain"]) == (0, scene.double.boot_id.hex())
    assert shown["chain_state"] == "as the node says"


async def test_reads_go_straight_to_the_enclave(scene: Scene, users: Users) -> None:
    user = await users(scene)
    executed = len(scene.executed)
    reply = await user.client.get(CREATE)
    assert reply.status == 200
    assert scene.double.seen[-1].target == CREATE
    dry = await user.client.ask("POST", f"{CREATE}?dryRun=All", body_of("dry"), {"Content-Type": "application/json"})
    assert dry.status == 200
    assert len(scene.executed) == executed


@pytest.mark.e2e
async def test_what_several_clients_have_pending_is_one_transaction(scene: Scene, users: Users) -> None:
    user = await users(scene, join_ms=150)
    await user.create("before")
    replies = await asyncio.gather(*(user.create(f"joined-{number}") for number in range(6)))
    assert {reply.status for reply in replies} == {201}
    ids = {bytes.fromhex(reply.headers["daas-request-id"]) for reply in replies}
    assert len(ids) == 6
    transactions = {one.transaction for one in scene.executed if one.event.request_id in ids}
    assert len(transactions) == 1


async def test_one_bad_request_does_not_sink_those_that_share_its_transaction(scene: Scene, users: Users) -> None:
    user = await users(scene, grants=["configmaps:*@default"], join_ms=150)
    await user.create("before")
    denied = "/api/v1/namespaces/default/secrets"
    replies = await asyncio.gather(
        user.create("a"),
        user.client.ask("POST", denied, body_of("b"), {"Content-Type": "application/json"}),
        user.create("c"),
    )
    assert [reply.status for reply in replies] == [201, 403, 201]
    assert replies[1].reason == "PermissionMissing"
    ids = {bytes.fromhex(replies[place].headers["daas-request-id"]) for place in (0, 2)}
    assert len({one.transaction for one in scene.executed if one.event.request_id in ids}) == 1


@pytest.mark.e2e
async def test_a_folder_is_accepted_whole_or_not_at_all(scene: Scene, users: Users) -> None:
    user = await users(scene, grants=["configmaps:*"])

    def batch(*paths: str) -> bytes:
        asks = [
            {
                "method": "POST",
                "path": path,
                "accept": "application/json",
                "content_type": "application/json",
                "body": base64.b64encode(body_of(f"f{number}")).decode(),
            }
            for number, path in enumerate(paths)
        ]
        return json.dumps({"version": 1, "requests": asks, "priority": 8, "deliver": None, "wait": "settled"}).encode()

    reply = await user.client.ask("POST", "/daas/local/batch", batch(CREATE, CREATE, CREATE))
    assert reply.status == 200, reply.body
    results = reply.json()["results"]
    assert [one["status"] for one in results] == [201] * 3
    ids = [bytes.fromhex(one["request_id"]) for one in results]
    seen = [one for one in scene.executed if one.event.request_id in ids]
    assert [one.event.request_id for one in seen] == ids
    assert {one.event.priority for one in seen} == {8}
    assert len({one.transaction for one in seen}) == 1
    executed = len(scene.executed)
    refused = await user.client.ask(
        "POST", "/daas/local/batch", batch(CREATE, "/api/v1/namespaces/default/secrets", CREATE)
    )
    assert refused.reason == "PermissionMissing"
    assert "request 2 of the batch" in refused.json()["message"]
    assert len(scene.executed) == executed


@pytest.mark.e2e
async def test_a_client_may_wait_for_the_settlement_and_choose_priority(scene: Scene, users: Users) -> None:
    user = await users(scene)
    reply = await user.create("slow", **{"Daas-Wait": "settled", "Daas-Priority": "9"})
    assert reply.status == 201
    request_id = bytes.fromhex(reply.headers["daas-request-id"])
    await until(lambda: state(user, request_id) == "settled", 0.5)
    assert next(one for one in scene.executed if one.event.request_id == request_id).event.priority == 9
    assert (await user.create("x", **{"Daas-Priority": "11"})).reason == "WishInvalid"
    assert (await user.create("x", **{"Daas-Wait": "never"})).reason == "WishInvalid"


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("seq", "ReceiptMailboxWrong"),
        ("requester", "ReceiptRequesterWrong"),
        ("enclave", "ReceiptEnclaveWrong"),
        ("boot", "ReceiptBootWrong"),
        ("delivery", "DeliveryDigestWrong"),
        ("none", "ReceiptMailboxMissing"),
        ("body", "BodyDigestWrong"),
    ],
)
async def test_an_answer_that_is_not_the_enclaves_answer_to_this_request_is_withheld(
    scene: Scene, users: Users, name: str, reason: str
) -> None:
    user = await users(scene)
    changes = {
        "requester": {"requester": bytes(32)},
        "enclave": {"enclave_id": bytes([5]) * 32},
        "boot": {"boot_id": bytes(16)},
        "none": {"mailbox": None},
        "body": {},
    }
    match name:
        case "seq":
            scene.lies.receipt = lambda one: replace(one, mailbox=replace(one.mailbox, seq=one.mailbox.seq + 1))  # type: ignore[type-var, union-attr]
        case "delivery":
            scene.lies.receipt = lambda one: replace(one, mailbox=replace(one.mailbox, delivery_digest=bytes(32)))  # type: ignore[type-var]
        case "body":
            scene.lies.body = lambda body: body.replace(b"path", b"htap")
        case _:
            scene.lies.receipt = lambda one: replace(one, **changes[name])
    reply = await user.create("false")
    assert reply.reason == reason
    assert b"false" not in reply.body


@pytest.mark.e2e
async def test_a_stored_answer_of_another_form_is_withheld(scene: Scene, users: Users) -> None:
    user = await users(scene)
    scene.lies.stored = lambda stored: stored + b"x"
    assert (await user.create("long")).reason == "StoredAnswerMalformed"


@pytest.mark.e2e
async def test_where_only_the_receipt_is_left_the_outcome_is_told(scene: Scene, users: Users) -> None:
    user = await users(scene)
    scene.lies.forget = True
    reply = await user.create("forgotten")
    assert reply.reason == "AnswerLost"
    assert "status 201" in reply.json()["message"]


@pytest.mark.e2e
async def test_two_contents_under_one_sequence_are_found_and_kept(scene: Scene, users: Users) -> None:
    user = await users(scene)
    assert (await user.create("good")).status == 201
    used = scene.answers[scene.executed[-1].event.request_id].receipt.sequence
    scene.lies.receipt = lambda one: replace(one, sequence=used)
    assert (await user.create("twice")).reason == "EquivocationFound"
    await until(lambda: list_evidence(user.config.receipts_db))


@pytest.mark.e2e
async def test_a_settlement_that_says_something_else_than_the_receipt_is_told(scene: Scene, users: Users) -> None:
    user = await users(scene)
    scene.lies.settle_as = lambda one: replace(one, status=409)
    reply = await user.create("two-faced", **{"Daas-Wait": "settled"})
    assert reply.reason == "SettlementWrong"
    assert "409" in reply.json()["message"]


@pytest.mark.e2e
async def test_an_answer_that_was_lost_comes_from_the_chain_where_delivery_was_asked_for(
    scene: Scene, users: Users
) -> None:
    user = await users(scene)
    scene.lies.lose = True
    lost = await user.create("lost")
    assert lost.reason == "AnswerLost"
    assert "status 201" in lost.json()["message"]
    delivered = await user.create("kept", **{"Daas-Deliver": "chain"})
    assert delivered.status == 201, delivered.body
    assert delivered.headers["daas-delivered"] == "chain"
    assert json.loads(delivered.json()["body"])["metadata"]["name"] == "kept"


@pytest.mark.e2e
async def test_a_request_is_had_by_its_id(scene: Scene, users: Users) -> None:
    user, other = await users(scene), await users(scene)
    reply = await user.create("again", **{"Daas-Wait": "settled"})
    request_id = reply.headers["daas-request-id"]
    found = (await user.client.get(f"/daas/local/requests/{request_id}")).json()
    assert (found["state"], found["status"], found["chain"]["record"]) == ("settled", 201, "settled")
    assert base64.b64decode(found["body"]) == reply.body
    assert found["receipt"] == reply.headers["daas-receipt"]
    assert (await other.client.get(f"/daas/local/requests/{request_id}")).reason == "RequestUnknown"
    assert (await user.client.get(f"/daas/local/requests/{'0' * 32}")).reason == "RequestUnknown"
    assert (await user.client.get("/daas/local/requests/zz")).reason == "RequestMalformed"

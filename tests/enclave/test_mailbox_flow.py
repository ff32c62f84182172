"""Promises: of the mailbox nothing is executed twice and nothing is lost, whatever breaks in between; what is executed
is what the contract checked; and every answer is a receipt that settles.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from daas_chain.values import OnChain
from daas_enclave.kube_client import dial_api_server
from daas_enclave.mailbox_admission import envelope_info
from daas_enclave.mailbox_marks import MarkForeignError, WriterSuperseded
from daas_enclave.mailbox_settle import RESEND_MS
from daas_enclave.mailbox_work import Later, Worker
from daas_enclave.request_keys import RequestKeys
from daas_protocol.chain_feed import Payload, Want
from daas_protocol.delivery import ResponseKey, open_delivery
from daas_protocol.request_envelope import RequestKey
from support.enclave_path import (
    ADMIN_TOKEN,
    EXPIRES_MS,
    NARROW_TOKEN,
    OTHERS_TOKEN,
    OWNER,
    ApiServerDouble,
    reply,
)
from support.mailbox_world import DEADLINE_MS, SLOT, STALENESS_MS, Boot, Chain, EtcdDouble, receipts_of
from support.waiting import until


class World:
    """Whatever outlives a boot: the chain, the store, the API server, the request keys."""

    def __init__(self, api: ApiServerDouble, api_server: Any) -> None:
        self.api = api
        self.api_server = api_server
        self.etcd = EtcdDouble()
        self.keys = RequestKeys(os.urandom)
        self.chain = Chain(self.keys.public_bytes)
        self.boots: list[Boot] = []

    def boot(self, etcd: Any = None) -> Boot:
        number = len(self.boots) + 1
        made = Boot(self.chain, etcd or self.etcd, self.api_server, self.keys, bytes([number]) * 16)
        self.boots.append(made)
        return made

    def executed(self, body: bytes) -> int:
        return sum(seen.body == body for seen in self.api.seen)


def running(test: Callable[[World], Awaitable[None]]) -> Callable[[Path], None]:
    """The test in a loop of its own, with a world."""

    def run(tmp_path: Path) -> None:
        async def inside() -> None:
            api = ApiServerDouble()
            made = World(api, await api.start(tmp_path))
            try:
                await test(made)
            finally:
                for boot in made.boots:
                    await boot.crash()
                await api.stop()

        asyncio.run(inside())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


def cause(body: bytes | None) -> str:
    assert body is not None
    status = json.loads(body)
    assert status["kind"] == "Status"
    assert status["status"] == "Failure"
    return str(status["details"]["causes"][0]["reason"])


@running
async def test_a_write_is_executed_as_its_requester_and_settles(world: World) -> None:
    boot = world.boot().start()
    request = world.chain.submit(body=b'{"a":1}')
    boot.show()
    receipt, stored = await boot.answer(request)
    assert receipt.status == 200
    assert stored.content_type == "application/json"
    assert json.loads(stored.body or b"")["target"] == "/api/v1/namespaces/dev/configmaps"
    (seen,) = world.api.seen
    assert (seen.method, seen.target, seen.body) == ("POST", "/api/v1/namespaces/dev/configmaps", b'{"a":1}')
    assert seen.header("impersonate-user") == [f"sui:0x{OWNER.hex()}"]
    assert seen.header("impersonate-group") == [f"daas:token:{ADMIN_TOKEN.hex()}"]
    assert receipt.mailbox is not None
    assert receipt.mailbox.round_checkpoint == world.chain.checkpoint
    assert receipt.mailbox.revision == world.etcd.revision
    await until(lambda: len(boot.port.settles) == 1)
    (settle,) = boot.port.settles
    assert settle.request_ids == (request.request_id,)
    assert receipts_of(settle, boot.public) == [receipt]


@running
async def test_retry_after_and_other_headers_stay_behind_and_warnings_do_not(world: World) -> None:
    async def script(seen: Any, reader: Any, writer: asyncio.StreamWriter) -> bool:
        writer.write(
            b'HTTP/1.1 429 X\r\nRetry-After: 1\r\nWarning: 299 - "old"\r\nContent-Type: application/json\r\n'
            b"Content-Length: 2\r\n\r\n{}"
        )
        return True

    world.api.script = script
    boot = world.boot().start()
    request = world.chain.submit()
    boot.show()
    receipt, stored = await boot.answer(request)
    assert receipt.status == 429
    assert stored.warnings == ('299 - "old"',)
    assert not hasattr(stored, "headers")


@running
async def test_receipts_of_one_round_share_a_signature_and_are_sent_until_they_have_settled(world: World) -> None:
    boot = world.boot()
    requests = [world.chain.submit(body=b"%d" % n) for n in range(10)]
    boot.start()
    receipts = [(await boot.answer(request))[0] for request in requests]
    await until(lambda: sum(len(one.request_ids) for one in boot.port.settles) >= 10)
    sent = [one for settle in boot.port.settles for one in receipts_of(settle, boot.public)]
    assert sorted(one.sequence for one in sent) == [one.sequence for one in receipts]
    assert {one.sequence: one for one in sent} == {one.sequence: one for one in receipts}
    assert len(boot.port.settles) <= 3
    before = [*boot.port.settles]
    # A host that connects gets the same bytes again; so does one that is slow to settle; one that has settled does not.
    boot.mailbox.attached()
    await until(lambda: len(boot.port.settles) == 2 * len(before), 10)
    assert boot.port.settles[len(before) :] == before
    world.chain.clock.ms += RESEND_MS
    await until(lambda: len(boot.port.settles) == 3 * len(before))
    world.chain.end(*range(10))
    boot.show()
    count = len(boot.port.messages)
    boot.mailbox.attached()
    world.chain.clock.ms += RESEND_MS
    await asyncio.sleep(0.2)
    assert len(boot.port.messages) == count
    assert boot.mailbox.stats()["settling"] == 0


@running
async def test_the_etcd_revision_of_later_receipts_is_never_lower(world: World) -> None:
    boot = world.boot()
    requests = [world.chain.submit(path=f"/api/v1/namespaces/n{n % 3}/configmaps") for n in range(12)]
    boot.start()
    receipts = sorted([(await boot.answer(request))[0] for request in requests], key=lambda one: one.sequence)
    revisions = [one.mailbox.revision for one in receipts if one.mailbox]
    assert len(set(revisions)) == 12
    assert max(revisions) == world.etcd.revision


@running
async def test_higher_priority_goes_first_within_a_namespace_and_the_order_holds(world: World) -> None:
    boot = world.boot()
    for n in range(6):
        world.chain.submit(body=b"%d" % n, priority=1 + n)
    world.chain.submit("POST", "/api/v1/namespaces", body=b"ns", priority=10)
    world.chain.submit(body=b"late", priority=1, deadline_ms=world.chain.clock.ms + STALENESS_MS + 500)
    boot.mailbox.changed(*world.chain.view())
    world.chain.clock.ms += 400
    boot.start()
    for request in [*world.chain.pending.values()]:
        await boot.answer(request)
    bodies = [seen.body for seen in world.api.seen]
    assert bodies == [b"ns", b"5", b"4", b"3", b"2", b"1", b"0", b"late"] or bodies[0] == b"late"
    # A new namespace gets its roles before what follows it.
    assert True in boot.reconciled


@running
async def test_what_is_past_half_of_its_time_at_the_checkpoint_goes_first(world: World) -> None:
    boot = world.boot()
    world.chain.submit(body=b"old", priority=1)
    boot.phase.serving = False
    boot.start()
    world.chain.clock.ms += DEADLINE_MS // 2
    world.chain.submit(body=b"new", priority=10)
    boot.show()
    boot.phase.serving = True
    for request in [*world.chain.pending.values()]:
        await boot.answer(request)
    assert [seen.body for seen in world.api.seen] == [b"old", b"new"]


@running
async def test_other_namespaces_do_not_wait_for_a_slow_one_and_a_namespace_waits_for_all(world: World) -> None:
    let_go = asyncio.Event()

    async def script(seen: Any, reader: Any, writer: asyncio.StreamWriter) -> bool:
        if seen.body == b"slow":
            await let_go.wait()
        await reply(writer, 201, b"{}")
        return True

    world.api.script = script
    boot = world.boot()
    slow = world.chain.submit(body=b"slow", path="/api/v1/namespaces/a/configmaps")
    behind = world.chain.submit(body=b"behind", path="/api/v1/namespaces/a/configmaps")
    beside = world.chain.submit(body=b"beside", path="/api/v1/namespaces/b/configmaps")
    alone = world.chain.submit("POST", "/api/v1/namespaces", body=b"alone")
    boot.start()
    await boot.answer(beside)
    assert {seen.body for seen in world.api.seen} == {b"slow", b"beside"}
    world.chain.clock.ms += 5_000
    let_go.set()
    for request in (slow, behind, alone):
        await boot.answer(request)
    # Three of the four were there for more than five seconds.
    assert 15_000 <= boot.mailbox.stats()["took_ms"] < 20_000
    assert boot.mailbox._seen_ms == {}
    assert [seen.body for seen in world.api.seen][-2:] == [b"behind", b"alone"]


# --- what is not executed ---


def other_seal(world: World) -> OnChain:
    """A ciphertext of another request."""
    payload = world.chain.submit(body=b"copied").payload
    world.chain.pending.popitem()
    assert isinstance(payload, OnChain)
    return payload


REFUSED: dict[str, tuple[int, str, Callable[[World], Any]]] = {
    "a copied ciphertext": (400, "EnvelopeNotOpened", lambda w: w.chain.submit(payload=other_seal(w))),
    "a ciphertext of another requester": (
        400,
        "EnvelopeNotOpened",
        lambda w: w.chain.submit(requester=OWNER, token=ADMIN_TOKEN, request_id=bytes(16)),
    ),
    "a lost key": (400, "EnvelopeNotOpened", lambda w: Chain.submit(replace_key(w))),
    "another digest": (400, "EnvelopeNotOpened", lambda w: w.chain.submit(request_digest=bytes(32))),
    "another verb": (400, "EnvelopeNotOpened", lambda w: w.chain.submit(verb="delete")),
    "what is no request": (400, "EnvelopeMalformed", lambda w: w.chain.submit(content=b"\x01nothing")),
    "what hashes to another digest": (
        400,
        "RequestDigestMismatch",
        lambda w: w.chain.submit(said={"request_digest": bytes(32)}),
    ),
    "a command that the contract did not check": (
        403,
        "CommandMismatch",
        lambda w: w.chain.submit(path=PODS, said={"resource": "configmaps"}),
    ),
    "a namespace that the contract did not check": (
        403,
        "CommandMismatch",
        lambda w: w.chain.submit(said={"namespace": "prod"}),
    ),
    "another's token": (403, "TokenUnknown", lambda w: w.chain.submit(token=OTHERS_TOKEN)),
    "no such token": (403, "TokenUnknown", lambda w: w.chain.submit(token=bytes(32))),
    "a grant that is not there": (403, "GrantDenied", lambda w: w.chain.submit(token=NARROW_TOKEN, path=PODS)),
    "a second door": (403, "DoorServiceAccount", lambda w: w.chain.submit(path=SERVICE_ACCOUNT_TOKEN)),
    "a placement": (400, "PlacementNotServed", lambda w: w.chain.submit(placement="worker-1")),
    "no time left": (504, "DeadlineTooNear", lambda w: w.chain.submit(deadline_ms=w.chain.clock.ms + STALENESS_MS)),
}
PODS = "/api/v1/namespaces/dev/pods"
SERVICE_ACCOUNT_TOKEN = "/api/v1/namespaces/dev/serviceaccounts/default/token"


def replace_key(world: World) -> Chain:
    world.chain.public_key = RequestKey(os.urandom(32)).public_bytes
    return world.chain


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_settles_and_is_not_executed(what: str, tmp_path: Path) -> None:
    status, expected, submit = REFUSED[what]

    async def test(world: World) -> None:
        boot = world.boot()
        request = submit(world)
        boot.start()
        receipt, stored = await boot.answer(request)
        assert (receipt.status, cause(stored.body)) == (status, expected)
        assert world.api.seen == []
        await until(lambda: len(boot.port.settles) == 1)
        assert receipts_of(boot.port.settles[0], boot.public) == [receipt]
        # A later boot says the same, though the reason may be gone by then.
        world.chain.tokens |= {OTHERS_TOKEN: replace(world.chain.tokens[OTHERS_TOKEN], owner=OWNER)}
        world.chain.changed_tokens()
        await boot.crash()
        again = world.boot().start()
        second, _ = await again.answer(request)
        assert (second.status, second.body_digest) == (receipt.status, receipt.body_digest)
        assert world.api.seen == []

    running(test)(tmp_path)


@pytest.mark.parametrize(("change", "expected"), [("revoked", "TokenRevoked"), ("expires_at_ms", "TokenExpired")])
def test_a_token_that_ends_between_submission_and_execution(change: str, expected: str, tmp_path: Path) -> None:
    async def test(world: World) -> None:
        boot = world.boot()
        boot.phase.serving = False
        request = world.chain.submit(deadline_ms=EXPIRES_MS)
        boot.start()
        value = True if change == "revoked" else world.chain.clock.ms
        world.chain.tokens[ADMIN_TOKEN] = replace(world.chain.tokens[ADMIN_TOKEN], **{change: value})
        world.chain.changed_tokens()
        boot.show()
        boot.phase.serving = True
        receipt, stored = await boot.answer(request)
        assert (receipt.status, cause(stored.body)) == (403, expected)
        assert world.api.seen == []

    running(test)(tmp_path)


@running
async def test_nothing_begins_while_the_boot_does_not_serve(world: World) -> None:
    boot = world.boot()
    boot.phase.serving = boot.current = False
    request = world.chain.submit()
    boot.start()
    await asyncio.sleep(0.4)
    assert world.api.seen == []
    assert world.etcd.transactions == 0
    world.chain.end(request.mailbox_seq)
    boot.show()
    boot.phase.serving = boot.current = True
    boot.show()
    await asyncio.sleep(0.4)
    assert world.api.seen == []
    assert boot.signer.size == 0


# --- off-chain payloads and delivery ---


@running
async def test_a_payload_off_chain_is_asked_for_and_only_the_right_bytes_are_taken(world: World) -> None:
    boot = world.boot()
    request = world.chain.submit(body=b"big", off_chain=True)
    other = world.chain.submit(body=b"beside")
    boot.start()
    await boot.answer(other)
    digest, ciphertext = next(iter(world.chain.off_chain.items()))
    await until(lambda: Want(digest) in boot.port.messages)
    boot.mailbox.brought(Payload(digest, ciphertext[:-1]))
    boot.mailbox.brought(Payload(digest, bytes(len(ciphertext))))
    boot.mailbox.brought(Payload(hashlib.sha256(b"x").digest(), b"x"))
    assert boot.mailbox.stats()["payload_bytes"] == 0
    boot.mailbox.brought(Payload(digest, ciphertext))
    receipt, _ = await boot.answer(request)
    assert receipt.status == 200
    assert world.executed(b"big") == 1
    boot.show()
    await until(lambda: boot.mailbox.stats()["payload_bytes"] == 0)


@running
async def test_a_payload_that_never_comes_is_answered_by_a_refusal(world: World) -> None:
    boot = world.boot()
    request = world.chain.submit(off_chain=True)
    boot.start()
    await asyncio.sleep(0.3)
    assert boot.signer.size == 0
    world.chain.clock.ms += 10_000
    receipt, stored = await boot.answer(request)
    assert (receipt.status, cause(stored.body)) == (400, "PayloadMissing")


@running
async def test_deliver_encrypts_the_answer_for_the_requester_alone(world: World) -> None:
    key = ResponseKey(os.urandom(32))
    boot = world.boot()
    request = world.chain.submit(response_key=key.public_bytes)
    bad = world.chain.submit(response_key=bytes(32))
    boot.start()
    receipt, stored = await boot.answer(request)
    refused, _ = await boot.answer(bad)
    await until(lambda: sum(len(one.request_ids) for one in boot.port.settles) == 2)
    deliveries = {
        seq: one
        for settle in boot.port.settles
        for seq, one in zip((r.mailbox.seq for r in receipts_of(settle, boot.public)), settle.deliveries, strict=True)
    }
    opened = open_delivery(envelope_info(SLOT, request), deliveries[0], key)
    assert (opened.status, opened.body, opened.content_type) == (200, stored.body, "application/json")
    assert refused.status == 200
    assert deliveries[1] == b""
    # A later boot delivers the same bytes: the digest is in the receipt.
    await boot.crash()
    again = world.boot().start()
    second, _ = await again.answer(request)
    assert second.mailbox is not None
    assert receipt.mailbox is not None
    assert second.mailbox.delivery_digest == receipt.mailbox.delivery_digest is not None


@running
async def test_of_an_answer_that_is_too_long_digest_and_length_settle(world: World) -> None:
    body = os.urandom(3 * 1024 * 1024)

    async def script(seen: Any, reader: Any, writer: asyncio.StreamWriter) -> bool:
        await reply(writer, 200, body, "application/octet-stream")
        return True

    world.api.script = script
    boot = world.boot()
    request = world.chain.submit("GET", "/api/v1/namespaces/dev/pods", body=b"")
    boot.start()
    receipt, stored = await boot.answer(request)
    assert (receipt.body_length, receipt.body_digest) == (len(body), hashlib.sha256(body).digest())
    assert stored.body is None


# --- what breaks ---


@running
async def test_an_answer_that_does_not_come_is_an_unknown_outcome_and_is_not_asked_for_again(world: World) -> None:
    async def script(seen: Any, reader: Any, writer: asyncio.StreamWriter) -> bool:
        writer.transport.abort()
        return False

    world.api.script = script
    boot = world.boot()
    request = world.chain.submit(body=b"once")
    boot.start()
    receipt, stored = await boot.answer(request)
    assert (receipt.status, cause(stored.body)) == (520, "OutcomeUnknown")
    await asyncio.sleep(0.3)
    assert world.executed(b"once") == 1


@running
async def test_a_504_of_the_api_server_is_not_the_enclaves(world: World) -> None:
    async def script(seen: Any, reader: Any, writer: asyncio.StreamWriter) -> bool:
        await reply(writer, 504, b'{"message":"request did not complete within 60s"}')
        return True

    world.api.script = script
    boot = world.boot()
    request = world.chain.submit()
    boot.start()
    receipt, stored = await boot.answer(request)
    assert receipt.status == 520
    assert b"within 60s" in (stored.body or b"")


@running
async def test_while_the_api_server_is_down_nothing_begins_and_then_it_goes_on(world: World) -> None:
    boot = world.boot()
    request = world.chain.submit(body=b"patient")
    real = boot.api_server
    boot.upstream._dial = boot.upstream._pool._connect = refuse
    boot.start()
    await until(lambda: boot.mailbox.stats()["problem"] != "")
    assert not any(b"/r/" in key for key in world.etcd.data)
    boot.upstream._pool._connect = partial(dial_api_server, real, real.caller_tls)
    receipt, _ = await boot.answer(request)
    assert receipt.status == 200
    assert world.executed(b"patient") == 1


async def refuse() -> Any:
    raise ConnectionRefusedError


@pytest.mark.parametrize("at", ["before", "begin lost", "done lost", "down after execution"])
def test_a_store_that_fails_delays_and_nothing_is_executed_twice(at: str, tmp_path: Path) -> None:
    async def test(world: World) -> None:
        async def script(seen: Any, reader: Any, writer: asyncio.StreamWriter) -> bool:
            if at == "done lost":
                world.etcd.lost = 1
            if at == "down after execution":
                world.etcd.broken = True
            await reply(writer, 201, b"{}")
            return True

        world.api.script = script
        boot = world.boot().start()
        await until(lambda: world.etcd.transactions > 0)
        request = world.chain.submit(body=b"once")
        if at == "before":
            world.etcd.broken = True
        if at == "begin lost":
            world.etcd.lost = 1
        boot.show()
        await asyncio.sleep(0.4)
        if at in ("before", "down after execution"):
            assert boot.signer.size == 0
        world.etcd.broken = False
        receipt, _ = await boot.answer(request)
        assert receipt.status == 201
        assert world.executed(b"once") == 1
        assert boot.signer.size == 1

    running(test)(tmp_path)


@running
async def test_a_boot_that_ends_while_it_executes_leaves_an_unknown_outcome(world: World) -> None:
    async def script(seen: Any, reader: Any, writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(60)
        return True

    world.api.script = script
    boot = world.boot()
    request = world.chain.submit(body=b"once")
    boot.start()
    await until(lambda: world.executed(b"once") == 1)
    checkpoint = world.chain.checkpoint
    await boot.crash()
    world.api.script = world.api.echo
    later = world.boot().start()
    receipt, stored = await later.answer(request)
    assert (receipt.status, cause(stored.body)) == (520, "OutcomeUnknown")
    assert receipt.mailbox is not None
    assert receipt.mailbox.round_checkpoint == checkpoint
    assert world.executed(b"once") == 1
    # And the next one says the same as the one before.
    await later.crash()
    third = await world.boot().start().answer(request)
    assert (third[0].status, third[0].body_digest, third[0].mailbox) == (520, receipt.body_digest, receipt.mailbox)


@running
async def test_what_was_done_is_signed_again_as_it_was(world: World) -> None:
    boot = world.boot()
    requests = [world.chain.submit(body=b"%d" % n) for n in range(40)]
    boot.start()
    first = [await boot.answer(request) for request in requests]
    await boot.crash()
    later = world.boot().start()
    for request, (receipt, stored) in zip(requests, first, strict=True):
        again, kept = await later.answer(request)
        assert replace(again, boot_id=b"", sequence=0, log_root=b"") == replace(
            receipt, boot_id=b"", sequence=0, log_root=b""
        )
        assert (kept.body, kept.content_type) == (stored.body, stored.content_type)
    assert len(world.api.seen) == 40


@running
async def test_marks_go_with_what_has_ended_and_a_view_from_before_brings_nothing_back(world: World) -> None:
    boot = world.boot()
    requests = [world.chain.submit(body=b"%d" % n) for n in range(6)]
    boot.start()
    for request in requests:
        await boot.answer(request)
    pending = dict(world.chain.pending)
    world.chain.end(0, 1, 3)
    world.chain.clock.ms += 3_000
    boot.show()
    await until(lambda: boot.mailbox.stats()["low_water"] == 2)
    marks = {key: value for key, (value, _) in world.etcd.data.items() if b"/r/" in key}
    assert len(marks) == 4
    # Of request 3 the fact alone is left.
    assert min(map(len, marks.values())) < 80
    await boot.crash()
    # The host shows the next boot the mailbox as it was before.
    world.chain.pending = pending
    later = world.boot().start()
    for seq in (2, 4, 5):
        await later.answer(requests[seq])
    await asyncio.sleep(0.3)
    assert len(world.api.seen) == 6
    assert later.signer.size == 3


@running
async def test_two_boots_on_one_store_the_older_one_writes_no_more(world: World) -> None:
    first = world.boot().start()
    request = world.chain.submit(body=b"1")
    first.show()
    await first.answer(request)
    second = world.boot()
    second.start()
    await second.answer(request)
    other = world.chain.submit(body=b"2")
    first.show()
    assert first.task is not None
    with pytest.raises(WriterSuperseded):
        await asyncio.wait_for(first.task, 20)
    assert world.executed(b"2") == 0
    second.show()
    await second.answer(other)
    assert world.executed(b"2") == 1


@running
async def test_a_mark_of_another_request_stops_the_boot(world: World) -> None:
    boot = world.boot()
    request = world.chain.submit(body=b"1")
    boot.start()
    await boot.answer(request)
    await boot.crash()
    world.chain.next_seq = 0
    world.chain.submit(body=b"another history")
    later = world.boot().start()
    assert later.task is not None
    with pytest.raises(MarkForeignError):
        await asyncio.wait_for(later.task, 20)
    assert world.executed(b"another history") == 0


@running
async def test_stop_finishes_what_is_under_way_and_hands_it_on(world: World) -> None:
    let_go = asyncio.Event()

    async def script(seen: Any, reader: Any, writer: asyncio.StreamWriter) -> bool:
        await let_go.wait()
        await reply(writer, 201, b"{}")
        return True

    world.api.script = script
    boot = world.boot()
    request = world.chain.submit(body=b"under way")
    behind = world.chain.submit(body=b"behind")
    boot.start()
    await until(lambda: world.executed(b"under way") == 1)
    stopping = asyncio.create_task(boot.mailbox.stop(10))
    await asyncio.sleep(0.05)
    let_go.set()
    await stopping
    assert boot.mailbox.answers.get(request.requester, request.request_id, request.token) is not None
    assert boot.mailbox.answers.get(behind.requester, behind.request_id, behind.token) is None
    assert [one.request_ids for one in boot.port.settles] == [(request.request_id,)]
    assert world.executed(b"behind") == 0


@running
async def test_a_slow_read_holds_nobody_up_and_begins_in_its_turn(world: World) -> None:
    let_go = asyncio.Event()

    async def script(seen: Any, reader: Any, writer: asyncio.StreamWriter) -> bool:
        if seen.method == "GET":
            await let_go.wait()
        await reply(writer, 200, b"{}")
        return True

    world.api.script = script
    boot = world.boot()
    first = world.chain.submit(body=b"first")
    slow = [world.chain.submit("GET", f"/api/v1/namespaces/dev/pods/p{n}/log", body=b"") for n in range(40)]
    alone = world.chain.submit("POST", "/api/v1/namespaces", body=b"alone")
    boot.start()
    await boot.answer(alone)
    await boot.answer(first)
    # One requester has half of the places; the rest wait for a later round.
    assert world.api.seen[0].body == b"first"
    assert sum(seen.method == "GET" for seen in world.api.seen) == 32
    other = world.chain.submit(body=b"other")
    boot.show()
    await boot.answer(other)
    let_go.set()
    for request in slow:
        await boot.answer(request)
    assert len(world.api.seen) == 43
    assert boot.signer.size == 43


@running
async def test_a_read_that_finds_a_foreign_mark_stops_the_boot_too(world: World) -> None:
    boot = world.boot()
    request = world.chain.submit("GET", "/api/v1/namespaces/dev/pods", body=b"")
    boot.start()
    await boot.answer(request)
    await boot.crash()
    world.chain.next_seq = 0
    world.chain.submit("GET", "/api/v1/namespaces/dev/secrets", body=b"")
    later = world.boot().start()
    assert later.task is not None
    with pytest.raises(MarkForeignError):
        await asyncio.wait_for(later.task, 20)
    assert len(world.api.seen) == 1


@pytest.mark.parametrize("down", ["not serving", "no reconciliation", "no connection"])
def test_without_an_api_server_what_is_too_late_and_what_was_done_is_answered(down: str, tmp_path: Path) -> None:
    async def test(world: World) -> None:
        done = world.chain.submit(body=b"done", deadline_ms=EXPIRES_MS)
        first = world.boot().start()
        await first.answer(done)
        await first.crash()
        boot = world.boot()
        late = world.chain.submit(body=b"late")
        kept = world.chain.submit(body=b"kept", deadline_ms=EXPIRES_MS, priority=10)
        boot.phase.serving = down != "not serving"
        boot.api_broken = down == "no reconciliation"
        connect = boot.upstream._pool._connect
        if down == "no connection":
            boot.upstream._pool._connect = refuse
        boot.start()
        receipt, _ = await boot.answer(done)
        assert receipt.status == 200
        world.chain.clock.ms += DEADLINE_MS - STALENESS_MS
        receipt, stored = await boot.answer(late)
        assert (receipt.status, cause(stored.body)) == (504, "DeadlineTooNear")
        assert boot.signer.size == 2
        boot.phase.serving, boot.api_broken = True, False
        boot.upstream._pool._connect = connect
        receipt, _ = await boot.answer(kept)
        assert receipt.status == 200
        assert [seen.body for seen in world.api.seen] == [b"done", b"kept"]

    running(test)(tmp_path)


@running
async def test_a_boot_that_is_not_current_signs_nothing(world: World) -> None:
    boot = world.boot()
    boot.current = False
    world.chain.submit(deadline_ms=world.chain.clock.ms)
    boot.start()
    await asyncio.sleep(0.4)
    assert boot.signer.size == 0
    assert world.etcd.transactions == 0


@running
async def test_what_another_boot_has_begun_is_found_out_by_the_store_itself(world: World) -> None:
    async def script(seen: Any, reader: Any, writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(60)
        return True

    world.api.script = script
    boot = world.boot()
    request = world.chain.submit(body=b"once")
    boot.start()
    await until(lambda: world.executed(b"once") == 1)
    await boot.crash()
    world.api.script = world.api.echo
    later = world.boot()
    # Were its own memory of the marks gone, it would still execute nothing twice.
    await later.mailbox._marks.open()
    later.mailbox._opened = True
    later.start()
    receipt, _ = await later.answer(request)
    assert receipt.status == 520
    assert world.executed(b"once") == 1


def test_what_this_boot_has_sent_it_never_sends_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finish, failures = Worker._finish, [Later("a step that nobody thought of")]

    async def failing(self: Worker, *given: Any) -> None:
        if failures:
            raise failures.pop()
        await finish(self, *given)

    monkeypatch.setattr(Worker, "_finish", failing)

    async def test(world: World) -> None:
        boot = world.boot()
        request = world.chain.submit(body=b"once")
        boot.start()
        receipt, _ = await boot.answer(request)
        assert receipt.status == 520
        assert world.executed(b"once") == 1

    running(test)(tmp_path)


@running
async def test_a_mailbox_that_can_send_nothing_more_ends_the_boot(world: World) -> None:
    def broken(message: Any) -> bool:
        raise ValueError("no message")

    boot = world.boot()
    boot.port.send = broken  # type: ignore[method-assign]
    world.chain.submit()
    boot.start()
    assert boot.task is not None
    with pytest.raises(ValueError, match="no message"):
        await asyncio.wait_for(boot.task, 20)


@running
async def test_what_has_ended_since_the_round_was_cut_is_not_executed(world: World) -> None:
    boot = world.boot()
    first, expired = world.chain.submit(body=b"first"), world.chain.submit(body=b"expired")

    async def script(seen: Any, reader: Any, writer: asyncio.StreamWriter) -> bool:
        if seen.body == b"first":
            world.chain.end(expired.mailbox_seq)
            boot.show()
        await reply(writer, 200, b"{}")
        return True

    world.api.script = script
    boot.start()
    await boot.answer(first)
    last = world.chain.submit(body=b"last")
    boot.show()
    await boot.answer(last)
    assert [seen.body for seen in world.api.seen] == [b"first", b"last"]

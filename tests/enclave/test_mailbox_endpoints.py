"""Promises: over RA-TLS an L1 answer goes to its requester by the same token and to nobody else; request keys to
everybody; with a chain no write passes over L2, and without one everything is as before.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from daas_chain.follow.follower import Verified
from daas_enclave import request_path
from daas_enclave.mailbox_admission import Slot
from daas_enclave.phases import Phase
from daas_enclave.request_keys import RequestKeys
from daas_protocol import receipt as wire
from daas_protocol.stored_answer import StoredAnswer
from support import enclave_path
from support.enclave_path import (
    CLUSTER,
    ENCLAVE,
    NARROW_TOKEN,
    OTHER_USER,
    OTHERS_TOKEN,
    PACKAGE,
    Harness,
)
from support.mailbox_world import Chain, EtcdDouble, Port
from support.waiting import until

CONFIGMAPS = "/api/v1/namespaces/dev/configmaps"


@dataclass
class Service:
    """What the request path needs of a ChainService."""

    request_keys: RequestKeys
    port: Port = field(default_factory=Port)
    changes: list[Callable[..., None]] = field(default_factory=list)
    verified: Verified | None = None
    binding: Any = None
    standing: Any = field(default_factory=lambda: SimpleNamespace(phase=Phase.SERVING))

    def on_changes(self, listener: Callable[..., None]) -> None:
        self.changes.append(listener)

    def on_payload(self, listener: Callable[..., None]) -> None:
        pass

    def on_attached(self, listener: Callable[..., None]) -> None:
        pass

    def send(self, message: Any) -> bool:
        return self.port.send(message)


@dataclass
class World:
    harness: Harness
    chain: Chain
    service: Service

    def show(self) -> None:
        for listener in self.service.changes:
            listener(*self.chain.view())


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    etcd, keys = EtcdDouble(), RequestKeys(os.urandom)
    monkeypatch.setattr(request_path, "Etcd", lambda target: etcd)
    service = Service(keys)
    harness = await enclave_path.start(tmp_path, chain=service, etcd=object())

    async def no_pass(snapshot: Any, now_ms: int) -> request_path.Reconciled:
        return request_path.Reconciled()

    monkeypatch.setattr(harness.path._reconciler, "run", no_pass)
    made = World(harness, Chain(keys.public_bytes, harness.clock, slot=Slot(PACKAGE, CLUSTER, ENCLAVE)), service)
    made.show()
    yield made
    await harness.stop()


async def test_an_answer_goes_to_its_requester_by_the_same_token(world: World) -> None:
    ask = world.harness.ask
    own = await world.harness.opened()
    narrow = await world.harness.opened(token=NARROW_TOKEN, scope=("configmaps:write",))
    strange = await world.harness.opened(owner=OTHER_USER, token=OTHERS_TOKEN)
    request = world.chain.submit(body=b"{}")
    target = f"/daas/v1/answers/{request.request_id.hex()}"
    early = await ask("GET", target, own)
    assert (early.status, early.cause) == (404, "AnswerUnknown")
    waiting = asyncio.create_task(ask("GET", target + "?wait=30", own))
    await asyncio.sleep(0.05)
    world.show()
    answer = await waiting
    assert answer.status == 200
    stored = StoredAnswer.from_bcs(answer.body)
    signed = wire.SignedMessage.decode(stored.receipt)
    world.harness.check(signed)
    assert signed.receipt().request_digest == request.request_digest
    assert signed.receipt().mailbox is not None
    assert json.loads(stored.body or b"")["target"] == CONFIGMAPS
    for session in (narrow, strange):
        refused = await ask("GET", target + "?wait=0", session)
        assert (refused.status, refused.cause) == (404, "AnswerUnknown")
    assert (await ask("GET", target, own)).body == answer.body


@pytest.mark.parametrize(
    "tail",
    ["", "zz", "00" * 15, "00" * 17, "AA" * 16, "00" * 16 + "?wait=-1", "00" * 16 + "?wait=100", "00" * 16 + "?"],
)
async def test_other_forms_are_refused(world: World, tail: str) -> None:
    refused = await world.harness.ask("GET", "/daas/v1/answers/" + tail, await world.harness.opened())
    assert (refused.status, refused.cause) == (400, "AnswerRequest")


async def test_a_large_answer_is_handed_out_whole(world: World) -> None:
    body = os.urandom(1_000_000)

    async def script(seen: Any, reader: Any, writer: asyncio.StreamWriter) -> bool:
        await enclave_path.reply(writer, 200, body)
        return True

    world.harness.api.script = script
    own = await world.harness.opened()
    request = world.chain.submit()
    world.show()
    answer = await world.harness.ask("GET", f"/daas/v1/answers/{request.request_id.hex()}?wait=30", own)
    assert StoredAnswer.from_bcs(answer.body).body == body


async def test_nobody_without_a_session_gets_an_answer_and_everybody_gets_the_keys(world: World) -> None:
    request = world.chain.submit()
    world.show()
    await until(lambda: len(world.service.port.settles) == 1)
    refused = await world.harness.raw(
        f"GET /daas/v1/answers/{request.request_id.hex()} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    )
    assert (refused.status, refused.cause) == (401, "RequestAuthMissing")
    keys = await world.harness.raw(b"GET /daas/v1/keys HTTP/1.1\r\nHost: x\r\n\r\n")
    assert keys.status == 200
    (shown,) = json.loads(keys.body)["keys"]
    assert shown == {"id": 1, "public": base64.b64encode(world.service.request_keys.public_bytes).decode()}


@pytest.mark.parametrize(
    ("method", "target", "passes"),
    [
        ("POST", CONFIGMAPS, False),
        ("PUT", CONFIGMAPS + "/x", False),
        ("PATCH", CONFIGMAPS + "/x", False),
        ("DELETE", CONFIGMAPS + "/x", False),
        ("DELETE", CONFIGMAPS, False),
        ("POST", "/api/v1/namespaces/dev/pods/x/eviction", False),
        ("PUT", "/apis/apps/v1/namespaces/dev/deployments/x/scale", False),
        ("GET", CONFIGMAPS, True),
        ("POST", CONFIGMAPS + "?dryRun=All", True),
        ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", True),
    ],
)
async def test_with_a_chain_no_write_passes_over_l2(world: World, method: str, target: str, passes: bool) -> None:
    own = await world.harness.opened()
    answer = await world.harness.ask(method, target, own, body=b"{}" if method == "POST" else b"")
    if passes:
        assert answer.status == 200
        assert world.harness.api.seen[-1].target == target
    else:
        assert (answer.status, answer.cause) == (403, "WriteThroughContract")
        assert world.harness.api.seen == []


async def test_without_a_chain_writes_pass_and_there_is_no_mailbox(tmp_path: Path) -> None:
    harness = await enclave_path.start(tmp_path)
    try:
        own = await harness.opened()
        assert (await harness.ask("POST", CONFIGMAPS, own, body=b"{}")).status == 200
        assert (await harness.ask("GET", "/daas/v1/answers/" + "00" * 16, own)).cause == "NoSuchEndpoint"
        assert (await harness.raw(b"GET /daas/v1/keys HTTP/1.1\r\nHost: x\r\n\r\n")).status == 401
        assert "mailbox" not in harness.path.stats()
    finally:
        await harness.stop()


async def test_the_status_counts_the_mailbox_and_drain_hands_on_what_is_signed(world: World) -> None:
    request = world.chain.submit()
    world.show()
    own = await world.harness.opened()
    await world.harness.ask("GET", f"/daas/v1/answers/{request.request_id.hex()}?wait=30", own)
    stats = world.harness.path.stats()["mailbox"]
    assert (stats["pending"], stats["answers"], stats["kept"]["answers"]) == (1, {"200": 1}, 1)
    await world.harness.path.drain(1.0)
    assert [one.request_ids for one in world.service.port.settles] == [(request.request_id,)]


async def test_a_mailbox_that_cannot_go_on_ends_the_boot(world: World) -> None:
    request = world.chain.submit()
    world.show()
    await until(lambda: len(world.service.port.settles) == 1)
    mailbox: Any = world.harness.path._mailbox
    mailbox._marks._boot_id = b"\x77" * 16
    mailbox._marks._mine = replace(mailbox._marks._mine, value=b"\x77" * 16)
    world.chain.end(request.mailbox_seq)
    world.chain.submit()
    world.show()
    with pytest.raises(Exception, match="another boot writes the marks"):
        await asyncio.wait_for(asyncio.shield(world.harness.serving), 20)

"""The way of a request: what is bound, what is handed on, what a client may rely on."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from daas_gateway.filters import FilterLists
from daas_gateway.store import StoreUnusable
from support.enclave_double import JSON, Answer, EnclaveDouble, Tamper, World
from support.gateway_client import Client, read_reply
from support.waiting import PATIENCE_S, until


async def test_an_answer_is_handed_on_whole_with_its_receipt(world: World, client: Client) -> None:
    reply = await client.get("/api/v1/namespaces?limit=5", Accept="application/json;as=Table")
    assert reply.status == 200
    assert reply.json()["target"] == "/api/v1/namespaces?limit=5"
    assert reply.headers["content-type"] == "application/json"
    assert "daas-receipt" in reply.headers


async def test_many_requests_share_one_session_and_one_attestation(world: World, client: Client) -> None:
    reader, writer = await client.open()
    for _ in range(5):
        writer.write(client.head("GET", "/api"))
        assert (await read_reply(reader)).status == 200
    writer.close()
    assert world.double.posts == 1
    assert len(world.double.challenges) == 1


async def test_each_connection_is_challenged_with_a_nonce_of_its_own(world: World, client: Client) -> None:
    together = asyncio.Event()
    world.double.answers["/slow"] = Answer(held=together)
    asking = asyncio.gather(*(client.get("/slow") for _ in range(4)))
    await until(lambda: len(world.double.seen) == 4)
    together.set()
    assert [reply.status for reply in await asking] == [200] * 4
    assert len(world.double.challenges) == len(set(world.double.challenges)) == 4
    assert world.double.posts == 1


async def test_only_what_the_digest_binds_is_sent(world: World, client: Client) -> None:
    await client.get("/api", X_Custom="1", Cookie="a=b", Accept="application/json", If_None_Match="x")
    names = {name for name, _ in world.double.seen[0].headers}
    assert names == {b"host", b"daas-request", b"accept", b"content-length"}


@pytest.mark.parametrize("name", ["Impersonate-User", "Impersonate-Group", "X-HTTP-Method-Override", "If-Match"])
async def test_headers_that_change_what_a_request_does_are_refused(world: World, client: Client, name: str) -> None:
    reply = await client.ask("GET", "/api", headers={name: "x"})
    assert (reply.status, reply.reason) == (400, "HeaderRefused")
    assert world.double.seen == []


@pytest.mark.parametrize("name", ["If-Match", "If-Unmodified-Since", "X-HTTP-Method-Override"])
async def test_only_the_encoding_may_be_called_identity(world: World, client: Client, name: str) -> None:
    assert (await client.ask("GET", "/api", headers={"Content-Encoding": "identity"})).status == 200
    assert (await client.ask("GET", "/api", headers={name: "identity"})).reason == "HeaderRefused"
    assert len(world.double.seen) == 1


async def test_a_chunked_body_arrives_whole(world: World, client: Client) -> None:
    reader, writer = await client.open()
    writer.write(client.head("POST", "/api/v1/x", {"Content-Length": None, "Transfer-Encoding": "chunked"}))
    writer.write(b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")
    assert (await read_reply(reader)).json()["body"] == "hello world"
    writer.close()


async def test_a_body_that_waits_for_continue_is_asked_for(world: World, client: Client) -> None:
    reader, writer = await client.open()
    writer.write(client.head("POST", "/api/v1/x", {"Expect": "100-continue"}, 5))
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
    writer.write(b"hello")
    assert (await read_reply(reader)).json()["body"] == "hello"
    writer.close()


async def test_three_mebibytes_pass_and_one_byte_more_does_not(world: World, client: Client) -> None:
    world.double.answers["/api/v1/x"] = Answer()
    assert (await client.ask("POST", "/api/v1/x", bytes(3 * 1024 * 1024))).status == 200
    refused = await client.ask(
        "POST", "/api/v1/x", b"", {"Content-Length": str(3 * 1024 * 1024 + 1), "Expect": "100-continue"}
    )
    assert (refused.status, refused.reason) == (413, "RequestEntityTooLarge")
    assert len(world.double.seen) == 1


async def test_a_target_that_cannot_be_bound_is_refused(world: World, client: Client) -> None:
    reply = await client.get("/" + "a" * 17000)
    assert (reply.status, reply.reason) == (400, "RequestMalformed")


async def test_a_long_answer_is_the_data_of_its_frames(world: World, client: Client) -> None:
    pieces = [os.urandom(size) for size in (70_000, 1, 1024 * 1024, 33)]
    world.double.answers["/big"] = Answer(frames=[*pieces, b""])
    reply = await client.get("/big")
    assert (reply.status, reply.cut) == (200, False)
    assert reply.body == b"".join(pieces)
    assert "daas-frames" not in reply.headers


async def test_a_quiet_watch_shows_its_status_at_once_and_events_as_they_come(world: World, client: Client) -> None:
    live: asyncio.Queue[bytes | None] = asyncio.Queue()
    world.double.answers["/api/v1/pods"] = Answer(live=live)
    reader, writer = await client.open()
    writer.write(client.head("GET", "/api/v1/pods?watch=1"))
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
    assert head.startswith(b"HTTP/1.1 200 ")
    for event in (b'{"type":"ADDED"}\n', b'{"type":"DELETED"}\n'):
        live.put_nowait(event)
        size = int(await asyncio.wait_for(reader.readuntil(b"\r\n"), PATIENCE_S), 16)
        assert (await reader.readexactly(size + 2))[:-2] == event
    live.put_nowait(None)
    assert await asyncio.wait_for(reader.readuntil(b"\r\n"), PATIENCE_S) == b"0\r\n"
    writer.close()


async def test_a_client_that_leaves_a_watch_frees_its_connection(world: World, start) -> None:
    gateway, client = await start()
    world.double.answers["/api/v1/pods"] = Answer(live=asyncio.Queue())
    reader, writer = await client.open()
    writer.write(client.head("GET", "/api/v1/pods?watch=1"))
    await reader.readuntil(b"\r\n\r\n")
    assert gateway.pool.counts[0] == 1
    writer.close()
    await until(lambda: not gateway.pool.counts[0])


UPGRADES = [
    ("SPDY/3.1", {"X-Stream-Protocol-Version": "v4.channel.k8s.io"}, "POST"),
    (
        "websocket",
        {
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Protocol": "v5.channel.k8s.io, v4.channel.k8s.io",
        },
        "GET",
    ),
]
EXEC = "/api/v1/namespaces/a/pods/b/exec?command=sh"
ALLOW_EXEC = FilterLists(reject_paths=("^$",))


@pytest.mark.parametrize(("protocol", "headers", "method"), UPGRADES)
async def test_an_upgrade_carries_bytes_both_ways_and_ends_with_a_kept_receipt(
    world: World, start, config, protocol: str, headers: dict[str, str], method: str
) -> None:
    gateway, client = await start(filters=ALLOW_EXEC)
    reader, writer = await client.open()
    writer.write(client.head(method, EXEC, {"Connection": "Upgrade", "Upgrade": protocol, **headers}))
    reply = await read_reply(reader)
    assert reply.status == 101
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"HELLO"
    large = os.urandom(300_000)
    writer.write(large)
    assert await reader.readexactly(len(large)) == large.upper()
    writer.write(b"bye")
    assert await asyncio.wait_for(reader.read(), PATIENCE_S) == b"BYE"
    writer.close()
    gateway.store.flush()
    from daas_gateway.receipts import list_receipts

    kept = [(item.receipt.status, item.receipt.frame) for item in list_receipts(config.receipts_db)]
    assert kept[:2] == [(101, 1), (101, None)]


async def test_a_client_that_closes_an_upgrade_still_gets_its_closing_receipt_kept(world: World, start, config) -> None:
    gateway, client = await start(filters=ALLOW_EXEC)
    protocol, headers, method = UPGRADES[0]
    reader, writer = await client.open()
    writer.write(client.head(method, EXEC, {"Connection": "Upgrade", "Upgrade": protocol, **headers}) + b"early")
    assert (await read_reply(reader)).status == 101
    assert await reader.readexactly(5) == b"EARLY"
    writer.close()
    await until(lambda: not gateway.pool.counts[0])
    gateway.store.flush()
    from daas_gateway.receipts import list_receipts

    assert list_receipts(config.receipts_db)[0].receipt.frame == 1


async def test_an_unknown_session_is_posted_again_and_nobody_notices(world: World, client: Client) -> None:
    assert (await client.get("/api")).status == 200
    world.double.sessions.clear()
    reply = await client.ask("POST", "/api/v1/x", b"once")
    assert (reply.status, reply.json()["body"]) == (200, "once")
    assert world.double.posts == 2
    assert [seen.body for seen in world.double.seen] == [b"", b"once"]


async def test_a_refused_session_says_why(world: World, client: Client) -> None:
    from daas_protocol.kube_status import status_body

    body = status_body(403, "Forbidden", "token 0x70 is not in the policy")
    world.double.answers["/daas/v1/sessions"] = Answer(body, status=403)
    reply = await client.get("/api")
    assert (reply.status, reply.reason) == (401, "SessionRefused")
    assert "token 0x70 is not in the policy" in reply.json()["message"]


async def test_a_new_boot_is_attested_gets_the_session_and_the_old_one_never_comes_back(world: World, start) -> None:
    gateway, client = await start()
    assert (await client.get("/api")).status == 200
    old, port = world.double, world.double.port
    await old.stop()
    new = EnclaveDouble(world.folder, world.ca)
    await new.start(port)
    try:
        assert (await client.get("/api")).status == 200
        assert new.posts == 1
        assert gateway.pool.current.boot_id == new.boot_id
    finally:
        await new.stop()
    await old.start(port)
    reply = await client.get("/api")
    assert (reply.status, reply.reason) == (502, "AttestationRejected")
    assert "superseded" in reply.json()["message"]


async def test_an_enclave_that_is_busy_attesting_others_is_asked_again(world: World, start, monkeypatch) -> None:
    from daas_gateway import channel

    monkeypatch.setattr(channel, "BUSY_BACKOFF", (0.01, 0.02))
    _, client = await start()
    world.double.busy = 2
    assert (await client.get("/api")).status == 200
    world.double.busy = 100
    for connection in list(world.double.connections):
        connection.abort()
    reply = await client.get("/api")
    assert (reply.status, reply.reason) == (503, "EnclaveBusy")


async def test_a_host_that_is_down_is_named(world: World, client: Client) -> None:
    await world.double.stop()
    reply = await client.get("/api")
    assert (reply.status, reply.reason) == (503, "HostUnreachable")


async def test_a_read_is_sent_again_when_its_connection_breaks(world: World, client: Client) -> None:
    tries = 0

    class Once(Tamper):
        @property
        def hang_up(self) -> bool:  # type: ignore[override]
            nonlocal tries
            tries += 1
            return tries == 1

        @hang_up.setter
        def hang_up(self, value: bool) -> None: ...

    world.double.tamper = Once()
    assert (await client.get("/api")).status == 200
    assert len(world.double.seen) == 2


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_write_is_never_sent_twice_and_its_outcome_is_said_to_be_unknown(
    world: World, client: Client, method: str
) -> None:
    world.double.tamper = Tamper(hang_up=True)
    reply = await client.ask(method, "/api/v1/x", b"{}")
    assert (reply.status, reply.reason) == (504, "OutcomeUnknown")
    assert "outcome is unknown" in reply.json()["message"]
    assert len(world.double.seen) == 1


async def test_refusals_of_kubernetes_pass_as_they_are(world: World, client: Client) -> None:
    world.double.answers["/api/v1/secrets"] = Answer(b'{"kind":"Status","code":403}', status=403)
    reply = await client.get("/api/v1/secrets")
    assert (reply.status, reply.body) == (403, b'{"kind":"Status","code":403}')


async def test_an_answer_under_way_is_given_before_the_gateway_stops(world: World, start) -> None:
    gateway, client = await start()
    world.double.answers["/api/v1/x"] = Answer(b"done", delay=0.5)
    asked = asyncio.create_task(client.ask("POST", "/api/v1/x", b"{}"))
    await until(lambda: world.double.seen)
    await gateway.stop()
    assert (await asked).body == b"done"


async def test_more_requests_than_channels_wait_and_are_then_refused_by_name(world: World, start, monkeypatch) -> None:
    from daas_gateway import channel

    gateway, client = await start()
    gateway.pool._max_total = 2
    world.double.answers["/slow"] = Answer(delay=0.1)
    assert {reply.status for reply in await asyncio.gather(*(client.get("/slow") for _ in range(5)))} == {200}
    answering = asyncio.Event()
    world.double.answers["/slow"] = Answer(held=answering)
    world.double.seen.clear()
    served = [asyncio.create_task(client.get("/slow")) for _ in range(2)]
    await until(lambda: len(world.double.seen) == 2)
    monkeypatch.setattr(channel, "ACQUIRE_SECONDS", 0.3)
    replies = await asyncio.gather(*(client.get("/slow") for _ in range(2)))
    answering.set()
    replies += await asyncio.gather(*served)
    assert [reply.status for reply in replies] == [503, 503, 200, 200]
    assert {reply.reason for reply in replies if reply.status == 503} == {"ChannelsExhausted"}


async def test_headers_outside_the_known_ones_are_not_handed_on(world: World, client: Client) -> None:
    world.double.tamper = Tamper(headers=lambda headers: [*headers, (b"set-cookie", b"a=b"), (b"warning", b"299 - x")])
    reply = await client.get("/api")
    assert "set-cookie" not in reply.headers
    assert reply.headers["warning"] == "299 - x"
    assert JSON[0].decode() in reply.headers


async def test_the_cache_is_off_by_default_and_never_serves_watches_or_survives_writes(world: World, start) -> None:
    _, plain = await start()
    await plain.get("/api/v1/pods")
    await plain.get("/api/v1/pods")
    assert len(world.double.seen) == 2


async def test_a_cached_answer_is_the_verified_one_until_a_write(world: World, start) -> None:
    _, client = await start(cache_ttl_ms=60_000)
    first = await client.get("/api/v1/pods")
    second = await client.get("/api/v1/pods")
    assert (second.body, second.headers["daas-receipt"]) == (first.body, first.headers["daas-receipt"])
    assert second.headers["daas-cache"] == "hit"
    assert (await client.get("/api/v1/pods", Accept="application/yaml")).headers.get("daas-cache") is None
    for _ in range(2):
        assert "daas-cache" not in (await client.get("/api/v1/pods?watch=1")).headers
    await client.ask("POST", "/api/v1/pods", b"{}")
    assert "daas-cache" not in (await client.get("/api/v1/pods")).headers


async def test_attestation_is_renewed_within_its_interval(world: World, start) -> None:
    _, client = await start(reattest_seconds=1)
    await client.get("/api")
    await until(lambda: len(world.double.challenges) >= 2, 30)
    assert (await client.get("/api")).status == 200


async def test_measurements_that_change_under_a_running_watch_end_it(world: World, start) -> None:
    from support.enclave_double import write_measurements

    _, client = await start(reattest_seconds=20)
    world.double.answers["/api/v1/pods"] = Answer(live=asyncio.Queue())
    reader, writer = await client.open()
    writer.write(client.head("GET", "/api/v1/pods?watch=1"))
    await reader.readuntil(b"\r\n\r\n")
    write_measurements(world.folder / "measurements.json", {0: b"\x09" * 48, 1: b"\x09" * 48, 2: b"\x09" * 48})
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await asyncio.wait_for(reader.readuntil(b"0\r\n"), PATIENCE_S)
    assert (await client.get("/api")).reason == "AttestationRejected"
    writer.close()


async def test_receipts_that_cannot_be_counted_hide_nothing_else(
    world: World, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(path: Path) -> int:
        raise StoreUnusable(f"{path} cannot be read: database is locked")

    monkeypatch.setattr("daas_gateway.app.count_receipts", locked)
    status = (await client.get("/daas/local/status")).json()
    assert status["receipts"]["kept"] is None
    assert status["attestation"]["anchor"] == "simulated"


async def test_local_status_shows_the_verdict_and_names_its_anchor(world: World, client: Client) -> None:
    status = (await client.get("/daas/local/status")).json()
    assert status["attestation"]["anchor"] == "simulated"
    assert status["attestation"]["public_key"] == world.double.public_key.hex()
    assert status["problem"] is None
    for phase, ready in (("Paused", False), ("Serving", True)):
        world.double.answers["/daas/v1/status"] = Answer(json.dumps({"phase": {"phase": phase}}).encode())
        said = await client.get("/daas/local/ready")
        assert said.status == (200 if ready else 503)
        assert said.json() == {"ready": True} if ready else phase in said.json()["message"]
    assert (await client.get("/daas/v1/status")).status == 404
    await world.double.stop()
    down = (await client.get("/daas/local/status")).json()
    assert down["problem"]["reason"] == "HostUnreachable"
    assert (await client.get("/daas/local/ready")).status == 503


async def test_the_tree_head_is_handed_on_as_the_enclave_signed_it(world: World, client: Client) -> None:
    world.double.answers["/daas/v1/log/head"] = Answer(body=b"\x03signed\x00head")
    reply = await client.get("/daas/local/log/head")
    assert (reply.status, reply.json()) == (200, {"version": 1, "tree_head": "A3NpZ25lZABoZWFk"})
    world.double.answers["/daas/v1/log/head"] = Answer(status=403, body=b'{"message": "no"}')
    assert (await client.get("/daas/local/log/head")).status == 403
    await world.double.stop()
    assert (await client.get("/daas/local/log/head")).status in (502, 503)

"""Whatever the host or the enclave's side does to an answer, the client sees a named Status or a broken connection."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from daas_attestation.simulated import DevelopmentCa
from daas_gateway.receipts import list_evidence, list_receipts
from daas_protocol.binding import EnclaveBinding
from daas_protocol.receipt import Intent
from support.enclave_double import PCRS, Answer, EnclaveDouble, Tamper, World, write_measurements
from support.gateway_client import Client
from support.waiting import PATIENCE_S

SECRET = b'{"secret":"never to be seen"}'
OTHER = os.urandom(32)


def flip(data: bytes, at: int = 0) -> bytes:
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]


UNARY: dict[str, tuple[Tamper, str]] = {
    "one bit flipped in the body": (Tamper(body=lambda body: flip(body, 5)), "BodyDigestWrong"),
    "a body cut by a byte": (Tamper(body=lambda body: body[:-1]), "BodyLengthWrong"),
    "a longer body": (Tamper(body=lambda body: body + b" "), "BodyLengthWrong"),
    "no receipt": (Tamper(signed=lambda message: None), "ReceiptMissing"),
    "an empty receipt": (Tamper(signed=lambda message: b""), "ReceiptMalformed"),
    "a cut receipt": (Tamper(signed=lambda message: message[:-1]), "ReceiptMalformed|ReceiptSignatureInvalid"),
    "a bit flipped in the receipt": (Tamper(signed=lambda message: flip(message, 30)), "ReceiptSignatureInvalid"),
    "a bit flipped in the signature": (Tamper(signed=lambda message: flip(message, -1)), "ReceiptSignatureInvalid"),
    "another intent": (Tamper(intent=lambda intent: Intent.TREE_HEAD), "ReceiptIntentWrong"),
    "an unknown intent": (Tamper(signed=lambda message: b"\xff" + message[1:]), "ReceiptMalformed"),
    "another request": (Tamper(receipt=lambda r: replace(r, request_digest=OTHER)), "ReceiptOfAnotherRequest"),
    "no request": (Tamper(receipt=lambda r: replace(r, request_digest=bytes(32))), "ReceiptUnbound"),
    "zero binding": (
        Tamper(receipt=lambda r: replace(r, request_digest=bytes(32), requester=bytes(32))),
        "ReceiptUnbound",
    ),
    "another requester": (Tamper(receipt=lambda r: replace(r, requester=OTHER)), "ReceiptRequesterWrong"),
    "no requester": (Tamper(receipt=lambda r: replace(r, requester=bytes(32))), "ReceiptRequesterWrong"),
    "another enclave": (Tamper(receipt=lambda r: replace(r, enclave_id=OTHER)), "ReceiptEnclaveWrong"),
    "another boot": (Tamper(receipt=lambda r: replace(r, boot_id=OTHER[:16])), "ReceiptBootWrong"),
    "another status in the receipt": (Tamper(receipt=lambda r: replace(r, status=201)), "ReceiptStatusWrong"),
    "another HTTP status": (Tamper(status=lambda status: 404), "ReceiptStatusWrong"),
    "a stale receipt": (Tamper(timestamp=lambda ms: ms - 31_000), "ReceiptStale"),
    "a receipt from the future": (Tamper(timestamp=lambda ms: ms + 31_000), "ReceiptStale"),
    "a wrong body digest": (Tamper(receipt=lambda r: replace(r, body_digest=OTHER)), "BodyDigestWrong"),
    "a wrong length": (Tamper(receipt=lambda r: replace(r, body_length=1)), "BodyLengthWrong"),
    "a sequence no boot reaches": (Tamper(receipt=lambda r: replace(r, sequence=2**63)), "SequenceOutOfRange"),
    "another Content-Digest": (
        Tamper(headers=lambda h: [(k, b"sha-256=:x:" if k == b"content-digest" else v) for k, v in h]),
        "ContentDigestWrong",
    ),
    "two receipts": (
        Tamper(headers=lambda h: [*h, (b"daas-receipt", b"AAAA")]),
        "EnclaveProtocolError",
    ),
}


@pytest.mark.parametrize("name", UNARY)
async def test_an_answer_with(world: World, client: Client, name: str) -> None:
    method = "GET" if len(name) % 2 else "POST"
    tamper, reasons = UNARY[name]
    assert (await client.get("/api")).status == 200
    world.double.answers["/api/v1/secrets"] = Answer(SECRET)
    world.double.tamper = tamper
    reply = await client.ask(method, "/api/v1/secrets")
    assert reply.reason in reasons.split("|")
    assert reply.status in (502, 503, 504)
    assert b"never" not in reply.body
    assert len(world.double.seen) == 2, "a failed check is never tried again"
    world.double.tamper = Tamper()
    assert (await client.get("/api")).status == 200, "the next genuine answer passes"


async def test_expected_and_actual_and_advice_are_in_the_message(world: World, client: Client) -> None:
    world.double.tamper = Tamper(receipt=lambda r: replace(r, requester=OTHER))
    message = (await client.get("/api")).json()["message"]
    assert OTHER.hex() in message
    assert "expected" in message
    assert "do not trust this host" in message


async def test_an_old_receipt_for_the_same_request_is_another_request(world: World, client: Client) -> None:
    """The nonce makes two equal requests differ, so yesterday's answer cannot be shown again."""
    assert (await client.get("/api")).status == 200
    old = world.double.sent_receipts[-1]
    world.double.tamper = Tamper(signed=lambda message: old)
    assert (await client.get("/api")).reason == "ReceiptOfAnotherRequest"


# ---- attestation


async def test_another_root_is_refused(world: World, start, tmp_path) -> None:
    _, client = await start(root=DevelopmentCa.create(tmp_path / "other") and tmp_path / "other" / "root.pem")
    reply = await client.get("/api")
    assert (reply.status, reply.reason) == (502, "AttestationRejected")
    assert world.double.seen == []
    assert world.double.posts == 0, "not even the session is sent to an enclave that is not proven"


async def test_a_simulated_enclave_never_passes_for_a_real_one(world: World, start) -> None:
    _, client = await start(root=None)
    reply = await client.get("/api")
    assert (reply.status, reply.reason) == (502, "AttestationRejected")
    assert world.double.posts == 0


async def test_other_pcrs_are_refused(world: World, client: Client) -> None:
    write_measurements(world.folder / "measurements.json", {**PCRS, 1: b"\x07" * 48})
    reply = await client.get("/api")
    assert reply.reason == "AttestationRejected"
    assert "pcr" in reply.json()["message"]


async def test_a_missing_measurements_file_fails_closed(world: World, client: Client) -> None:
    (world.folder / "measurements.json").unlink()
    assert (await client.get("/api")).reason == "AttestationUnavailable"
    assert world.double.posts == 0


BINDINGS: dict[str, Callable[[EnclaveBinding], EnclaveBinding]] = {
    "another package": lambda b: replace(b, package_id=OTHER),
    "another cluster": lambda b: replace(b, cluster_id=OTHER),
    "another enclave": lambda b: replace(b, enclave_id=OTHER),
    "another policy": lambda b: replace(b, light_client_anchor=OTHER),
}


@pytest.mark.parametrize("name", BINDINGS)
async def test_an_enclave_launched_for(world: World, client: Client, name: str) -> None:
    world.double.binding = BINDINGS[name](world.double.binding)
    assert (await client.get("/api")).reason == "AttestationRejected"
    assert world.double.posts == 0


async def test_a_document_for_another_tls_key_is_refused(world: World, client: Client) -> None:
    """A host that ends TLS itself and passes on a genuine document is a man in the middle."""
    world.double.binding = replace(world.double.binding, tls_spki_sha256=OTHER)
    reply = await client.get("/api")
    assert (reply.status, reply.reason) == (502, "TlsKeyMismatch")
    assert world.double.posts == 0


async def test_a_document_over_an_old_nonce_is_refused(world: World, client: Client) -> None:
    old = os.urandom(32)
    world.double.tamper = Tamper(nonce=lambda nonce: old)
    reply = await client.get("/api")
    assert reply.reason == "AttestationRejected"
    assert "nonce" in reply.json()["message"]


async def test_a_replayed_document_is_refused(world: World, client: Client) -> None:
    assert (await client.get("/api")).status == 200
    document = world.double.documents[0]
    world.double.tamper = Tamper(document=lambda fresh: document)
    for connection in list(world.double.connections):
        connection.abort()
    assert (await client.get("/api")).reason == "AttestationRejected"


@pytest.mark.parametrize("document", [b"", b"\x00", b"\xd2\x84", os.urandom(4000), os.urandom(20_000)])
async def test_bytes_that_are_no_document_are_refused(world: World, client: Client, document: bytes) -> None:
    world.double.tamper = Tamper(document=lambda genuine: document)
    assert (await client.get("/api")).reason in ("AttestationRejected", "AttestationUnavailable")
    assert world.double.posts == 0


async def test_the_same_boot_with_another_receipt_key_is_refused(world: World, client: Client) -> None:
    assert (await client.get("/api")).status == 200
    twin = EnclaveDouble(world.folder, world.ca)
    port = world.double.port
    await world.double.stop()
    twin.binding = replace(twin.binding, boot_id=world.double.boot_id)
    await twin.start(port)
    try:
        reply = await client.get("/api")
        assert reply.reason == "AttestationRejected"
        assert "receipt key" in reply.json()["message"]
        assert twin.posts == 0
    finally:
        await twin.stop()


# ---- frames

PIECES = [b"aaaa" * 100, b"bbbb" * 100, b"cccc" * 100, b"dddd" * 100]


def without(n: int) -> Callable[[list[bytes]], list[bytes]]:
    return lambda frames: frames[:n] + frames[n + 1 :]


def swapped(frames: list[bytes]) -> list[bytes]:
    return [frames[0], frames[2], frames[1], *frames[3:]]


FRAMES: dict[str, tuple[Tamper, int]] = {
    "a missing last frame": (Tamper(frames=lambda f: f[:-1]), 3),
    "a missing middle frame": (Tamper(frames=without(1)), 1),
    "a missing first frame": (Tamper(frames=without(0)), 0),
    "frames in another order": (Tamper(frames=swapped), 1),
    "a frame twice": (Tamper(frames=lambda f: [f[0], f[1], f[1], *f[2:]]), 2),
    "a frame after the last": (Tamper(frames=lambda f: [*f, f[-1]]), 4),
    "a truncated last frame": (Tamper(frames=lambda f: [*f[:-1], f[-1][:-3]]), 3),
    "a truncated middle frame": (Tamper(frames=lambda f: [f[0], f[1][:-3], *f[2:]]), 1),
    "a bit flipped in the third": (Tamper(frames=lambda f: [f[0], f[1], flip(f[2], 10), f[3]]), 2),
    "an early last": (Tamper(frame=lambda r: replace(r, last=r.index == 1)), 2),
    "no last at all": (Tamper(frame=lambda r: replace(r, last=False)), 4),
    "a wrong index": (Tamper(frame=lambda r: replace(r, index=r.index + (r.index == 2))), 2),
    "a wrong offset": (Tamper(frame=lambda r: replace(r, offset=r.offset + (r.index == 2))), 2),
    "a wrong running digest": (Tamper(frame=lambda r: replace(r, running_digest=OTHER) if r.index == 2 else r), 2),
    "a wrong status": (Tamper(frame=lambda r: replace(r, status=201) if r.index == 2 else r), 2),
    "another request": (Tamper(frame=lambda r: replace(r, request_digest=OTHER) if r.index == 2 else r), 2),
    "another requester": (Tamper(frame=lambda r: replace(r, requester=OTHER) if r.index == 2 else r), 2),
    "another boot": (Tamper(frame=lambda r: replace(r, boot_id=OTHER[:16]) if r.index == 2 else r), 2),
    "a receipt instead of a stream receipt": (Tamper(intent=lambda intent: Intent.RECEIPT), 0),
    "a length of 4 GiB": (Tamper(frames=lambda f: [f[0], b"\xff\xff\xff\xff", *f[1:]]), 1),
    "a stale first frame": (Tamper(timestamp=lambda ms: ms - 31_000), 0),
}


@pytest.mark.parametrize("name", FRAMES)
async def test_a_stream_with(world: World, client: Client, name: str) -> None:
    """What was verified before is handed on; then the connection breaks, never ends. Nothing at all is a Status."""
    tamper, genuine = FRAMES[name]
    world.double.answers["/big"] = Answer(frames=PIECES)
    world.double.tamper = tamper
    reply = await client.get("/big")
    if reply.status == 200:
        assert reply.cut
        assert b"".join(PIECES[:genuine]).startswith(reply.body)
    else:
        assert genuine == 0
        assert reply.status == 502
        assert reply.reason


async def test_an_empty_frame_in_the_middle_is_refused(world: World, client: Client) -> None:
    world.double.answers["/big"] = Answer(frames=[b"a", b"", b"b", b""])
    reply = await client.get("/big")
    assert reply.cut
    assert reply.body in (b"", b"a")


async def test_a_slow_client_does_not_make_genuine_frames_stale(world: World, client: Client) -> None:
    pieces = [os.urandom(500_000) for _ in range(12)]
    world.double.answers["/big"] = Answer(frames=[*pieces, b""])
    reader, writer = await client.open()
    writer.write(client.head("GET", "/big"))
    await asyncio.sleep(1.0)
    from support.gateway_client import read_reply

    reply = await read_reply(reader)
    assert not reply.cut
    assert reply.body == b"".join(pieces)
    writer.close()


# ---- sequences


async def test_equivocation_is_kept_as_evidence_and_ends_the_boot(world: World, start, config) -> None:
    gateway, client = await start()
    assert (await client.get("/api")).status == 200
    world.double.next_sequence = list_first(gateway, config)
    reply = await client.get("/api/v1/pods")
    assert (reply.status, reply.reason) == (502, "EquivocationFound")
    again = await client.get("/api/v1/pods")
    assert again.reason == "EquivocationFound", "an enclave that equivocated is not asked again"
    gateway.store.flush()
    [evidence] = list_evidence(config.receipts_db)
    assert evidence.kind == "equivocation"
    assert evidence.boot_id == world.double.boot_id
    assert evidence.first != evidence.second
    assert {evidence.first, evidence.second} <= set(world.double.sent_receipts)


def list_first(gateway: Any, config: Any) -> int:
    gateway.store.flush()
    return list_receipts(config.receipts_db)[0].receipt.sequence


async def test_equivocation_too_old_for_memory_is_found_by_the_store(world: World, start, config, monkeypatch) -> None:
    from daas_gateway import exchange as exchange_module
    from daas_gateway.sequences import SequenceLedger

    class Forgetful(SequenceLedger):
        def note(self, sequence: int, leaf: bytes) -> None:
            return

    monkeypatch.setattr(exchange_module, "SequenceLedger", Forgetful)
    gateway, client = await start()
    assert (await client.get("/api")).status == 200
    world.double.next_sequence = list_first(gateway, config)
    for connection in list(world.double.connections):
        connection.abort()
    await client.get("/api/v1/pods")
    gateway.store.flush()
    assert len(list_evidence(config.receipts_db)) == 1
    # The store's thread tells the gateway after it has told the disk.
    async with asyncio.timeout(PATIENCE_S):
        while (reply := await client.get("/api")).status == 200:
            pass
    assert reply.reason == "EquivocationFound"


async def test_a_sequence_that_goes_back_on_one_connection_is_refused(world: World, client: Client) -> None:
    world.double.next_sequence = 100
    assert (await client.get("/daas/local/ready")).status in (200, 502)
    world.double.next_sequence = 50
    reply = await client.get("/api")
    assert reply.reason in ("SequenceBackwards", "EquivocationFound")


# ---- upgrades

EXEC = "/api/v1/namespaces/a/pods/b/exec"
SPDY: dict[str, str | None] = {
    "Connection": "Upgrade",
    "Upgrade": "SPDY/3.1",
    "X-Stream-Protocol-Version": "v4.channel.k8s.io",
}


@pytest.mark.parametrize(
    ("tamper", "reason"),
    [
        (Tamper(signed=lambda message: None), "ReceiptMissing"),
        (Tamper(receipt=lambda r: replace(r, request_digest=OTHER)), "ReceiptOfAnotherRequest"),
        (Tamper(receipt=lambda r: replace(r, status=200)), "ReceiptStatusWrong"),
        (Tamper(timestamp=lambda ms: ms - 31_000), "ReceiptStale"),
    ],
)
async def test_an_upgrade_without_a_genuine_opening_receipt_is_refused(
    world: World, start, tamper: Tamper, reason: str
) -> None:
    from daas_gateway.filters import FilterLists

    _, client = await start(filters=FilterLists(reject_paths=("^$",)))
    world.double.tamper = tamper
    reply = await client.ask("POST", EXEC, headers=SPDY)
    assert (reply.status, reply.reason) == (502, reason)


@pytest.mark.parametrize(
    "closing",
    [
        lambda payload: b"",
        lambda payload: payload[16:],
        lambda payload: flip(payload, 0),
        lambda payload: flip(payload, -1),
        lambda payload: payload[:-5],
    ],
)
async def test_an_upgrade_that_ends_without_a_genuine_closing_receipt_is_cut_and_not_kept(
    world: World, start, config, closing: Callable[[bytes], bytes]
) -> None:
    from daas_gateway.filters import FilterLists

    gateway, client = await start(filters=FilterLists(reject_paths=("^$",)))
    world.double.tamper = Tamper(closing=closing)
    reader, writer = await client.open()
    writer.write(client.head("POST", EXEC, SPDY))
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"bye")
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(reader.readexactly(100), PATIENCE_S)
    gateway.store.flush()
    assert [item.receipt.frame for item in list_receipts(config.receipts_db)][:1] == [None]
    writer.close()

"""The way of a request: what is bound, what is handed on, what a client may rely on."""

from __future__ import annotations

from support.enclave_double import World
from support.gateway_client import read_reply


async def test_an_answer_is_handed_on_whole_with_its_receipt(world: World, client) -> None:
    reply = await client.get("/api/v1/namespaces?limit=5", Accept="application/json;as=Table")
    assert reply.status == 200
    assert reply.json()["target"] == "/api/v1/namespaces?limit=5"
    assert reply.headers["content-type"] == "application/json"
    assert "daas-receipt" in reply.headers


async def test_many_requests_share_one_session_and_one_attestation(world: World, client) -> None:
    reader, writer = await client.open()

    for _ in range(5):
        writer.write(client.head("GET", "/api"))
        assert (await read_reply(reader)).status == 200
    writer.close()
    assert world.double.posts == 1
    assert len(world.double.challenges) == 1

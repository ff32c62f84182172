"""Promises: the faucet gives coins in sui-faucet's format, to many at once, to no malformed request; health tells."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daas_chain.sui import base58
from daas_localnet.rpc.faucet import AMOUNT_MIST, COINS, Faucet
from daas_localnet.rpc.http import RequestError, recipient_of, serve_http
from daas_localnet.rpc.limits import FAUCET_BURST, HTTP_CONNECTIONS_MAX
from support.ledger_world import balance
from support.localnet_world import FAUCET
from support.rpc_world import Served, served

SOMEBODY = bytes(range(32))


class Pages:
    def __init__(self, world: Served, port: int, session: aiohttp.ClientSession, clock: list[float]) -> None:
        self.world = world
        self.url = f"http://127.0.0.1:{port}"
        self.session = session
        self.clock = clock

    async def ask(self, body: bytes) -> tuple[int, Any]:
        async with self.session.post(f"{self.url}/v2/gas", data=body) as answer:
            kind = answer.content_type
            return answer.status, await answer.json() if kind == "application/json" else await answer.text()

    async def give(self, recipient: bytes) -> tuple[int, Any]:
        return await self.ask(f'{{"FixedAmountRequest":{{"recipient":"0x{recipient.hex()}"}}}}'.encode())

    async def get(self, path: str) -> tuple[int, str]:
        async with self.session.get(self.url + path) as answer:
            return answer.status, await answer.text()


@asynccontextmanager
async def pages() -> AsyncIterator[Pages]:
    clock = [0.0]
    async with served() as world:
        faucet = Faucet(world.running.node, FAUCET, lambda: clock[0])
        http = await serve_http(world.running, faucet)
        async with aiohttp.ClientSession() as session:
            yield Pages(world, http.port, session, clock)
        await http.close()


async def test_coins_come_in_sui_faucet_s_format_and_are_there() -> None:
    async with pages() as page:
        status, answer = await page.give(SOMEBODY)
        assert (status, answer["status"]) == (200, "Success")
        coins = page.world.world.coins(SOMEBODY)
        assert {one["id"] for one in answer["coins_sent"]} == {f"0x{one.object_id.hex()}" for one in coins}
        assert [balance(one) for one in coins] == [AMOUNT_MIST] * COINS
        assert {one["amount"] for one in answer["coins_sent"]} == {AMOUNT_MIST}
        (digest,) = {one["transferTxDigest"] for one in answer["coins_sent"]}
        found = page.world.world.network.transaction(base58.decode(digest))
        assert found is not None


async def test_many_ask_at_once_and_nobody_is_refused_for_another_one_s_coin() -> None:
    async with pages() as page:
        people = [bytes([n]) * 32 for n in range(1, 41)]
        answers = await asyncio.gather(*(page.give(one) for one in people))
        assert [status for status, _ in answers] == [200] * 40
        for one in people:
            assert sum(balance(coin) for coin in page.world.world.coins(one)) == AMOUNT_MIST * COINS
        assert len({answer["coins_sent"][0]["transferTxDigest"] for _, answer in answers}) == 40


async def test_the_faucet_gives_no_more_than_its_rate() -> None:
    async with pages() as page:
        answers = [await page.give(SOMEBODY) for _ in range(FAUCET_BURST + 5)]
        assert [status for status, _ in answers] == [200] * FAUCET_BURST + [429] * 5
        assert "Failure" in answers[-1][1]["status"]
        page.clock[0] += 0.051
        assert [(await page.give(SOMEBODY))[0] for _ in range(2)] == [200, 429]


BAD = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'{"FixedAmountRequest":{}}',
    b'{"FixedAmountRequest":{"recipient":7}}',
    b'{"FixedAmountRequest":{"recipient":"0x"}}',
    b'{"FixedAmountRequest":{"recipient":"0xzz"}}',
    b'{"FixedAmountRequest":{"recipient":"' + b"1" * 64 + b'"}}',
    b'{"FixedAmountRequest":{"recipient":"0x' + b"1" * 65 + b'"}}',
    b'{"FixedAmountRequest":{"recipient":"0x1","amount":5}}',
    b'{"FixedAmountRequest":{"recipient":"0x1"},"more":1}',
    b'{"fixedAmountRequest":{"recipient":"0x1"}}',
    b"[" * 2_000,
    b"\xff\xfe",
]


async def test_malformed_requests_are_refused_and_cost_nothing() -> None:
    async with pages() as page:
        for body in BAD:
            status, answer = await page.ask(body)
            assert (status, "Failure" in answer["status"]) == (400, True), body
        assert (await page.ask(b'{"a":"' + b"x" * 10_000 + b'"}'))[0] == 413
        assert page.world.world.network.pending == 0
        assert (await page.give(SOMEBODY))[0] == 200


@given(st.binary(max_size=120))
def test_bytes_are_an_address_or_an_error(body: bytes) -> None:
    try:
        found = recipient_of(body)
    except RequestError:
        return
    assert len(found) == 32


async def test_health_and_metrics_say_how_it_is() -> None:
    async with pages() as page:
        assert await page.get("/health") == (200, "OK")
        assert await page.get("/") == (200, "OK")
        page.world.world.network.seal(page.world.clock())
        await page.world.raw.fails("LedgerService/GetEpoch", _epoch(9))
        status, text = await page.get("/metrics")
        assert status == 200
        assert "localnet_checkpoint 1\n" in text
        assert 'localnet_calls_total{call="LedgerService/GetEpoch",status="NOT_FOUND"} 1\n' in text
        assert (await page.get("/nothing"))[0] == 404


async def test_health_is_bad_when_no_checkpoints_are_made() -> None:
    from daas_localnet.rpc.server import Pace

    async with served(Pace(0.01, 0.01)) as world:
        http = await serve_http(world.running, None)

        def broken(*_: object, **__: object) -> None:
            raise OSError("disk full")

        world.world.network.seal = broken  # type: ignore[assignment, method-assign]
        async with aiohttp.ClientSession() as session:
            for _ in range(100):
                async with session.get(f"http://127.0.0.1:{http.port}/health") as answer:
                    if answer.status == 503:
                        break
                await asyncio.sleep(0.01)
            assert answer.status == 503
            async with session.post(f"http://127.0.0.1:{http.port}/v2/gas", data=b"{}") as answer:
                assert answer.status == 404
        with pytest.raises(OSError, match="disk full"):
            await world.running.wait()
        await http.close()


async def test_connections_are_bounded() -> None:
    async with pages() as page:
        port = int(page.url.rpartition(":")[2])
        opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(HTTP_CONNECTIONS_MAX + 20)]
        await asyncio.sleep(0.1)
        closed = sum(reader.at_eof() or reader.exception() is not None for reader, _ in opened)
        assert closed >= 20
        for _, writer in opened:
            writer.transport.abort()
        await asyncio.sleep(0.1)
        assert (await page.get("/health"))[0] == 200


def _epoch(number: int) -> Any:
    from pysui.sui.sui_grpc.suimsgs.sui.rpc import v2

    return v2.GetEpochRequest(epoch=number)

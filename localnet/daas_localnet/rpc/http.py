"""Health, metrics and the faucet over HTTP.

Invariant: the faucet speaks the format of `sui-faucet` (POST /v2/gas); bodies and connections are bounded, and a
connection does not last.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, cast

from aiohttp import web

from daas_protocol.sui import SuiAddressError, parse_address

from .faucet import Faucet, FaucetBusyError, FaucetError
from .limits import HTTP_BODY_BYTES_MAX, HTTP_CONNECTION_SECONDS, HTTP_CONNECTIONS_MAX
from .server import Running
from .texts import digest_text, hexadecimal

_REQUEST = "FixedAmountRequest"
_RECIPIENT = "recipient"


class RequestError(ValueError):
    """A body that is no request for coins."""


class HttpRunning:
    """Made by `serve_http`."""

    def __init__(self, runner: web.AppRunner, server: Any, port: int) -> None:
        self.port = port
        self._runner = runner
        self._server = server

    async def close(self) -> None:
        self._server.close()
        await self._runner.cleanup()


def recipient_of(body: bytes) -> bytes:
    """Raises RequestError."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise RequestError("the body is no JSON") from None
    inner = found.get(_REQUEST) if isinstance(found, dict) and set(found) == {_REQUEST} else None
    text = inner.get(_RECIPIENT) if isinstance(inner, dict) and set(inner) == {_RECIPIENT} else None
    if not isinstance(text, str):
        raise RequestError(f'expected {{"{_REQUEST}": {{"{_RECIPIENT}": "0x.."}}}}')
    try:
        return parse_address(text)
    except SuiAddressError as problem:
        raise RequestError(str(problem)) from None


class _Pages:
    def __init__(self, running: Running, faucet: Faucet | None) -> None:
        self._running = running
        self._faucet = faucet

    async def health(self, _: web.Request) -> web.Response:
        if self._running.failed:
            return web.Response(status=503, text="no checkpoints are made")
        return web.Response(text="OK")

    async def metrics(self, _: web.Request) -> web.Response:
        return web.Response(text=metrics(self._running), content_type="text/plain")

    async def gas(self, request: web.Request) -> web.Response:
        if self._faucet is None:
            return _failure(404, "no faucet on this network")
        try:
            given = self._faucet.give(recipient_of(await request.read()))
        except web.HTTPRequestEntityTooLarge:
            return _failure(413, f"a body has at most {HTTP_BODY_BYTES_MAX} bytes")
        except RequestError as problem:
            return _failure(400, str(problem))
        except FaucetBusyError as problem:
            return _failure(429, str(problem))
        except FaucetError as problem:
            return _failure(500, str(problem))
        digest = digest_text(given.transaction)
        sent = [{"amount": given.amount, "id": hexadecimal(one), "transferTxDigest": digest} for one in given.coins]
        return web.json_response({"status": "Success", "coins_sent": sent})


def _failure(status: int, text: str) -> web.Response:
    return web.json_response({"status": {"Failure": {"Internal": text}}, "coins_sent": None}, status=status)


def metrics(running: Running) -> str:
    """In Prometheus's text format."""
    network = running.network
    lines = [
        "# TYPE localnet_checkpoint gauge",
        f"localnet_checkpoint {network.latest.number}",
        "# TYPE localnet_epoch gauge",
        f"localnet_epoch {network.ledger.epoch.number}",
        "# TYPE localnet_transactions_total counter",
        f"localnet_transactions_total {network.latest.summary.network_total_transactions}",
        "# TYPE localnet_pending gauge",
        f"localnet_pending {network.pending}",
        "# TYPE localnet_connections gauge",
        f"localnet_connections {running.connections}",
        "# TYPE localnet_subscribers gauge",
        f"localnet_subscribers {running.services.subscriptions.subscribers}",
        "# TYPE localnet_calls_total counter",
    ]
    lines += [
        f'localnet_calls_total{{call="{name}",status="{status}"}} {count}'
        for (name, status), count in sorted(running.counters.calls.items())
    ]
    lines.append("# TYPE localnet_call_seconds_total counter")
    lines += [
        f'localnet_call_seconds_total{{call="{name}"}} {seconds:.6f}'
        for name, seconds in sorted(running.counters.seconds.items())
    ]
    return "\n".join(lines) + "\n"


class _Refused(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        cast(asyncio.Transport, transport).abort()


async def serve_http(running: Running, faucet: Faucet | None, host: str = "127.0.0.1", port: int = 0) -> HttpRunning:
    pages = _Pages(running, faucet)
    application = web.Application(client_max_size=HTTP_BODY_BYTES_MAX)
    application.router.add_get("/", pages.health)
    application.router.add_get("/health", pages.health)
    application.router.add_get("/metrics", pages.metrics)
    application.router.add_post("/v2/gas", pages.gas)
    runner = web.AppRunner(application, access_log=None, handle_signals=False)
    await runner.setup()
    loop = asyncio.get_running_loop()
    server: Any = await loop.create_server(_bounded(runner, loop), host, port)
    return HttpRunning(runner, server, server.sockets[0].getsockname()[1])


def _bounded(runner: web.AppRunner, loop: asyncio.AbstractEventLoop) -> Callable[[], asyncio.Protocol]:
    """Makes a protocol for each connection: aiohttp's, for so many at a time and so long."""

    def make() -> asyncio.Protocol:
        server = runner.server
        assert server is not None
        if len(server.connections) >= HTTP_CONNECTIONS_MAX:
            return _Refused()
        made = server()

        def end() -> None:
            transport = made.transport
            if transport is not None:
                transport.abort()

        loop.call_later(HTTP_CONNECTION_SECONDS, end)
        return made

    return make

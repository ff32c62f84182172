"""The local endpoint: who may ask, what may be asked, and how failures look to kubectl."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog

from daas_gateway import errors
from daas_gateway.ask import ask_of
from daas_gateway.credential import CredentialCheck
from daas_gateway.filters import RequestFilter
from daas_gateway.forward import Forwarder
from daas_gateway.metrics import Metrics
from daas_gateway.relay import Cut
from daas_protocol.kube_status import CONTENT_TYPE, status_body
from daas_protocol.transport.http1 import (
    Answer,
    Header,
    HttpRefused,
    Limits,
    RepeatedHeader,
    Request,
    ServerConnection,
)

if TYPE_CHECKING:
    from daas_gateway.l1_local import ContractEndpoints

LIMITS: Final = Limits(allow_chunked=True, continue_bodies=True)
MAX_CONNECTIONS: Final = 1024
"""Twice the channels to the enclave: more clients than that can only wait."""
LOCAL_PREFIX: Final = b"/daas/"
JSON_HEADERS: Final[list[Header]] = [(b"content-type", CONTENT_TYPE.encode("ascii"))]
TEXT_HEADERS: Final[list[Header]] = [(b"content-type", b"text/plain; charset=utf-8")]
DISCOVERY: Final = b"apidiscovery.k8s.io"
"""In the Accept of clients that ask for discovery, which kubectl does first of all and without reading a Status: of an
error it shows the body if that is text, else "unknown"."""
KNOWN: Final = "known"
"""In a connection's state: it has carried this gateway's credential."""

LocalEndpoint = Callable[[], Awaitable[tuple[int, bytes]]]

log = structlog.get_logger("daas.gateway")


class CredentialRefused(HttpRefused):
    """No credential of this gateway: refused with the head, so that no stranger's body is ever held."""

    status = 401
    reason = "Unauthorized"

    def __init__(self, problem: errors.CredentialMissing) -> None:
        super().__init__(str(problem))
        self.problem = problem


def refuse(refused: HttpRefused) -> Answer:
    """A refusal of the HTTP itself, or of who asks, as a Status."""
    if isinstance(refused, CredentialRefused):
        return refused.status, [*JSON_HEADERS, (b"www-authenticate", b"Bearer")], refused.problem.status()
    message = f"daas gateway: {refused}"
    body = status_body(refused.status, refused.reason, message, ((type(refused).__name__, message),))
    return refused.status, JSON_HEADERS, body


class LocalServer:
    """Handles each client request: credential, filters, local endpoints, then the way to the enclave."""

    def __init__(
        self,
        forwarder: Forwarder,
        credential: CredentialCheck,
        request_filter: RequestFilter,
        local: Mapping[bytes, LocalEndpoint],
        metrics: Metrics,
    ) -> None:
        self.contract: ContractEndpoints | None = None
        """Set before anything is served, where a contract is configured."""
        self._forwarder = forwarder
        self._credential = credential
        self._filter = request_filter
        self._local = local
        self._metrics = metrics
        self._connections: dict[ServerConnection, None] = {}
        self._under_way = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    def connection(self) -> ServerConnection:
        """A protocol for one accepted connection."""
        return ServerConnection(
            self.handle,
            refuse,
            LIMITS,
            on_open=self._open,
            on_close=lambda closed: self._connections.pop(closed, None),
            on_head=self._admit,
        )

    def _open(self, connection: ServerConnection) -> bool:
        if len(self._connections) >= MAX_CONNECTIONS:
            # Anybody on this machine can connect: those without the credential make room, the oldest first.
            stranger = next((one for one in self._connections if KNOWN not in one.state), None)
            if stranger is None:
                return False
            del self._connections[stranger]
            stranger.abort()
        self._connections[connection] = None
        return True

    def _admit(self, connection: ServerConnection, headers: list[Header]) -> None:
        given = [value for name, value in headers if name == b"authorization"]
        if len(given) > 1:
            raise RepeatedHeader("Authorization appears more than once")
        refusal = self._credential.check(given[0] if given else None)
        if refusal is not None:
            self._metrics.refused.inc()
            raise CredentialRefused(refusal)
        connection.state[KNOWN] = True

    async def handle(self, request: Request, client: ServerConnection) -> None:
        """Answers one request. Never hands on anything that was not verified."""
        self._under_way += 1
        self._quiet.clear()
        try:
            await self._handle(request, client)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._quiet.set()

    async def _handle(self, request: Request, client: ServerConnection) -> None:
        try:
            host = next((value for name, value in request.headers if name == b"host"), b"")
            refusal = self._filter.check(
                request.method,
                request.target.partition(b"?")[0].decode("latin-1"),
                host.decode("latin-1"),
            )
            if refusal is not None:
                self._metrics.refused.inc()
                self._say(client, request, refusal)
                return
            if request.target.startswith(LOCAL_PREFIX):
                await self._serve_local(request, client)
                return
            await self._forwarder.serve(ask_of(request), client)
        except Cut as problem:
            self._count(problem.named)
            log.warning("answer_cut", target=_shown(request), error=problem.named.reason, message=str(problem))
            client.abort()
        except errors.GatewayError as problem:
            self._count(problem)
            log.warning("request_failed", target=_shown(request), error=problem.reason, message=str(problem))
            self._say(client, request, problem)

        except (HttpRefused, ConnectionError):
            raise
        except Exception:
            log.exception("gateway_failed", target=_shown(request))
            failed = errors.GatewayFailed("the gateway failed on this request; the answer, if any, was withheld")
            self._count(failed)
            if client.started:
                client.abort()
            else:
                self._say(client, request, failed)

    def _count(self, problem: errors.GatewayError) -> None:
        self._metrics.failed.inc()
        self._metrics.errors.labels(type(problem).__name__).inc()

    def _say(self, client: ServerConnection, request: Request, problem: errors.GatewayError) -> None:
        if any(name == b"accept" and DISCOVERY in value for name, value in request.headers):
            client.send(problem.code, TEXT_HEADERS, problem.text().encode())
            return
        headers = JSON_HEADERS
        if problem.code == 401:
            headers = [*headers, (b"www-authenticate", b"Bearer")]
        client.send(problem.code, headers, problem.status())

    async def _serve_local(self, request: Request, client: ServerConnection) -> None:
        if self.contract is not None and (answer := await self.contract.serve(request)) is not None:
            client.send(answer[0], JSON_HEADERS, answer[1])
            return
        endpoint = self._local.get(request.target)
        if endpoint is None or request.method != "GET":
            # /daas/v1 is the enclave's own: its attestation and sessions are asked for by the gateway, not through it.
            known = ", ".join(path.decode("ascii") for path in self._local)
            raise errors.LocalPathUnknown(f"{request.method} {_shown(request)} is not served here; GET one of {known}")
        status, body = await endpoint()
        client.send(status, JSON_HEADERS, body)

    async def close(self, drain_seconds: float) -> None:
        """Waits for answers under way (a write that is cut has an unknown outcome), then cuts what is connected."""
        with suppress(TimeoutError):
            async with asyncio.timeout(drain_seconds):
                await self._quiet.wait()
        for connection in list(self._connections):
            connection.abort()
        await asyncio.sleep(0)


def _shown(request: Request) -> str:
    return errors.shown(request.target.decode("latin-1"))

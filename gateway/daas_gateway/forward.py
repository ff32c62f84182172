"""One client request from filter to verified answer: channel, session, retries, and what is handed on.

Invariants: no byte of an answer reaches the client before its receipt passed; a request that may change state is sent
at most once; every failure is a named Status, and after part of an answer went out a broken connection.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import structlog

from daas_gateway import errors
from daas_gateway.ask import Ask, ask
from daas_gateway.cache import AnswerCache, cacheable
from daas_gateway.channel import Channel, ChannelPool
from daas_gateway.exchange import SESSION_POST, Answer, Broken, Exchange, Sent, SessionUnknown, one_header, status_text
from daas_gateway.metrics import Metrics
from daas_gateway.relay import Cut, Upgraded, relay_frames
from daas_gateway.session import Session, Sessions
from daas_gateway.store import ReceiptStore
from daas_protocol.transport.http1 import Header, Response, ServerConnection

ATTEMPTS: Final = 3
RETRY_SECONDS: Final = (0.0, 0.2)
"""The first retry is at once: an idle connection that had just been closed is the usual cause."""
SWITCHING: Final = 101

HANDED_ON: Final = frozenset(
    {
        b"content-type",
        b"cache-control",
        b"etag",
        b"last-modified",
        b"location",
        b"retry-after",
        b"vary",
        b"warning",
        b"audit-id",
        b"x-kubernetes-pf-flowschema-uid",
        b"x-kubernetes-pf-prioritylevel-uid",
    }
)
"""Headers stand outside the receipt (the attested TLS channel covers them): only those that Kubernetes clients read."""

if TYPE_CHECKING:
    from daas_gateway.l1_way import ChainWay
    from daas_protocol.command_words import CommandWords

log = structlog.get_logger("daas.gateway")
Take = Callable[[Sent], Awaitable[Answer]]


def handed_on(response: Response) -> list[Header]:
    """The headers of the enclave's answer that the client gets."""
    return [header for header in response.headers if header[0] in HANDED_ON]


class Forwarder:
    """Serves bound requests over the pool's channels."""

    def __init__(
        self,
        pool: ChannelPool,
        sessions: Sessions,
        exchange: Exchange,
        store: ReceiptStore,
        cache: AnswerCache,
        metrics: Metrics,
    ) -> None:
        self.chain: ChainWay | None = None
        """Set before anything is served, where a contract is configured."""
        self._pool = pool
        self._sessions = sessions
        self._exchange = exchange
        self._store = store
        self._cache = cache
        self._metrics = metrics
        self._piping: set[asyncio.Task[Answer | None]] = set()

    # ---- the client's requests

    async def serve(self, asked: Ask, client: ServerConnection) -> None:
        """Answers the client. Raises GatewayError for everything that becomes a Status."""
        if self.chain is not None and (words := self.chain.route(asked)) is not None:
            await self._serve_through_contract(self.chain, asked, words, client)
            return
        use_cache = self._cache.enabled and not asked.upgrade and cacheable(asked.method, asked.target.encode("ascii"))
        if use_cache and self._from_cache(asked, client):
            return
        if self._cache.enabled and not asked.idempotent:
            self._cache.clear()
        generation = self._cache.generation
        if self._store.crowded:
            await self._store.room()
        begun = time.perf_counter()
        answer = await (self._serve_upgrade(asked, client) if asked.upgrade else self._retrying(asked, client))
        if answer is None:
            return
        headers = handed_on(answer.response)
        headers.append((b"daas-receipt", answer.receipt_header))
        client.send(answer.status, headers, answer.body)
        self._metrics.answered.inc()
        self._metrics.seconds.observe(time.perf_counter() - begun)
        if self._cache.enabled and not asked.idempotent:
            self._cache.clear()
        elif use_cache and answer.status == 200 and self._cache.generation == generation:
            now = asyncio.get_running_loop().time()
            key = asked.target.encode("ascii"), asked.accept.encode("ascii")
            self._cache.put(*key, answer.status, tuple(headers), answer.body, now)

    async def _serve_through_contract(
        self, chain: ChainWay, asked: Ask, words: CommandWords, client: ServerConnection
    ) -> None:
        """No cache: a read through the contract was wanted as a receipt, and a write clears what was read."""
        begun = time.perf_counter()
        self._cache.clear()
        if self._store.crowded:
            await self._store.room()
        reply = await chain.serve(asked, words)
        client.send(reply.status, reply.headers, reply.body)
        self._cache.clear()
        self._metrics.answered.inc()
        self._metrics.through_contract.inc()
        self._metrics.contract_seconds.observe(time.perf_counter() - begun)

    def _from_cache(self, asked: Ask, client: ServerConnection) -> bool:
        now = asyncio.get_running_loop().time()
        cached = self._cache.get(asked.target.encode("ascii"), asked.accept.encode("ascii"), now)
        if cached is None:
            return False
        client.send(cached.status, (*cached.headers, (b"daas-cache", b"hit")), cached.body)
        self._metrics.cached.inc()
        return True

    async def _retrying(self, asked: Ask, client: ServerConnection | None, take: Take | None = None) -> Answer | None:
        """Attempts until an answer; None when it was streamed or upgraded to the client already."""
        sessions_left = 1
        attempt = 0
        while True:
            channel = await self._channel(fresh=attempt > 0)
            try:
                return await self._attempt(asked, channel, client, take)
            except SessionUnknown as problem:
                if not sessions_left:
                    raise errors.SessionRefused(
                        f"the enclave does not know the session it accepted just now: {errors.shown(problem)}"
                    ) from None
                sessions_left -= 1
                continue
            except Broken as problem:
                if not asked.idempotent:
                    raise errors.OutcomeUnknown(f"{asked.method} {asked.target}: {problem.named}") from None
                attempt += 1
                if attempt >= ATTEMPTS:
                    raise problem.named from None
            except errors.AnswerTimeout as problem:
                if not asked.idempotent:
                    raise errors.OutcomeUnknown(f"{asked.method} {asked.target}: {problem}") from None
                raise
            finally:
                self._pool.release(channel)
            await asyncio.sleep(RETRY_SECONDS[attempt - 1])

    async def _channel(self, *, fresh: bool) -> Channel:
        channel = None if fresh else self._pool.take()
        return channel if channel is not None else await self._pool.acquire(fresh=fresh)

    async def _attempt(
        self, asked: Ask, channel: Channel, client: ServerConnection | None, take: Take | None
    ) -> Answer | None:
        session = self._sessions.ready(channel.identity.boot_id, self._exchange.now_ms())
        try:
            if session is None:
                session = await self._establish(channel)
            sent = await self._exchange.send(asked, channel, session)
            if take is not None:
                return await take(sent)
            if sent.response.status == SWITCHING and asked.upgrade and client is not None:
                await self._upgrade(sent, client)
                return None
            if one_header(sent.response, b"daas-frames") is not None:
                if client is None:
                    raise errors.EnclaveProtocolError("a framed answer to a request of the gateway's own")
                await relay_frames(self._exchange, self._store, sent, client, handed_on(sent.response))
                self._metrics.streamed.inc()
                return None
            return await self._exchange.whole(sent)
        except SessionUnknown:
            if session is not None:
                self._sessions.unknown(channel.identity.boot_id, session)
            raise
        except BaseException:
            # Whatever went wrong, what may still arrive on this connection answers nothing that is asked later.
            channel.connection.close()
            raise

    async def _establish(self, channel: Channel) -> Session:
        """The current session, posted to this channel's boot. Raises SessionRefused and the errors of an exchange."""
        boot_id = channel.identity.boot_id
        async with self._sessions.lock:
            now_ms = self._exchange.now_ms()
            session = self._sessions.ready(boot_id, now_ms)
            if session is not None:
                return session
            session = self._sessions.current(now_ms)
            posted = ask("POST", SESSION_POST, "application/json", "application/json", session.post_body)
            try:
                answer = await self._exchange.whole(await self._exchange.send(posted, channel, session))
            except SessionUnknown as problem:
                raise errors.SessionRefused(f"the enclave refuses the session: {errors.shown(problem)}") from None
            except Broken as problem:
                # The client's own request has not left yet: this is unreachability, whatever its method.
                raise problem.named from None
            if answer.status != 200:
                message, _ = status_text(answer.body)
                raise errors.SessionRefused(
                    f"the enclave refuses the session with status {answer.status}: {errors.shown(message)}"
                )
            self._sessions.posted(boot_id, session)
            self._metrics.sessions.inc()
            log.info("session_posted", boot_id=boot_id.hex(), expires_at_ms=session.expires_at_ms)
            return session

    # ---- upgrades

    async def _serve_upgrade(self, asked: Ask, client: ServerConnection) -> Answer | None:
        """As a task of its own: when the client closes, the enclave still owes the closing receipt."""
        task = asyncio.create_task(self._retrying(asked, client))
        self._piping.add(task)
        task.add_done_callback(self._piped)
        return await asyncio.shield(task)

    async def _upgrade(self, sent: Sent, client: ServerConnection) -> None:
        upgraded = Upgraded(self._exchange, sent)
        raw = upgraded.open(client)
        self._metrics.upgraded.inc()
        await upgraded.run(raw)
        raw.close()

    def _piped(self, task: asyncio.Task[Answer | None]) -> None:
        self._piping.discard(task)
        if not task.cancelled() and isinstance(problem := task.exception(), Cut):
            log.warning("upgrade_ended_badly", error=problem.named.reason, message=str(problem))

    # ---- the gateway's own requests

    async def fetch(self, asked: Ask, take: Take | None = None) -> Answer:
        """A verified answer to a request of the gateway's own; `take` judges it where it is no answer as usual.

        Raises GatewayError.
        """
        answer = await self._retrying(asked, None, take)
        assert answer is not None
        return answer

    def close(self) -> None:
        """Ends upgraded connections that outlived their clients."""
        for task in self._piping:
            task.cancel()

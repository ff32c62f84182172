"""Connections to the enclave through the host: none is used before it was challenged and attested.

Invariants: every channel carries the identity its own challenge proved; once a newer boot has been seen no channel of
an older one is handed out, and a retired boot never comes back; no channel is used past the re-attestation interval
without a new challenge.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from daas_gateway import errors
from daas_gateway.attest import CHALLENGE_BYTES, Attestor, EnclaveIdentity, spki_sha256
from daas_protocol.transport.endpoint import Endpoint, dial
from daas_protocol.transport.http1 import ClientConnection, ConnectionClosed, ResponseMalformed, peer_certificate
from daas_protocol.transport.streams import connect

MAX_IDLE: Final = 32
MAX_TOTAL: Final = 512
"""Watches hold a channel each; a busy controller manager holds about 150."""
IDLE_SECONDS: Final = 60.0
"""Half of what the enclave allows, so that a request never meets a connection the other side is closing."""
DIAL_SECONDS: Final = 5.0
CHALLENGE_SECONDS: Final = 15.0
ACQUIRE_SECONDS: Final = 30.0
DIAL_BACKOFF: Final = (0.1, 0.4)
"""Waits between attempts to connect: a host that restarts is back within a second; one that is down is named soon."""
BUSY_BACKOFF: Final = (0.2, 0.5, 1.0, 1.0)
"""Waits when the enclave makes no document now because it makes too many for others."""
BUSY_STATUS: Final = 429
HANDSHAKES_AT_ONCE: Final = 4
"""Half of the documents an enclave makes at once for all its gateways; they are made one after another anyway."""
MAX_DOCUMENT_BYTES: Final = 0x3000
MAX_RETIRED: Final = 1024
MAINTAIN_SECONDS: Final = 5.0
REATTEST_EARLY: Final = 0.8
"""Part of the interval after which a new challenge is made, so that one that fails can be repeated in time."""

log = structlog.get_logger("daas.gateway")


class Channel:
    """One attested connection. `last_sequence` is the highest sequence answered on it, -1 before the first."""

    __slots__ = ("attested_at", "connection", "identity", "last_sequence")

    def __init__(self, connection: ClientConnection, identity: EnclaveIdentity, attested_at: float) -> None:
        self.connection = connection
        self.identity = identity
        self.attested_at = attested_at
        self.last_sequence = -1


def client_tls() -> ssl.SSLContext:
    """TLS 1.3 without certificate verification: the attested hash of the server's key decides, not a CA."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def challenge(
    connection: ClientConnection, attestor: Attestor, random: Callable[[int], bytes], now_ms: Callable[[], int]
) -> EnclaveIdentity:
    """Asks for a document over a fresh nonce and verifies it against this connection's TLS key.

    Raises EnclaveUnreachable, AttestationUnavailable, AttestationRejected, TlsKeyMismatch.
    """
    certificate = peer_certificate(connection.transport)
    if certificate is None:
        raise errors.AttestationRejected("the connection has no TLS certificate")
    nonce = random(CHALLENGE_BYTES)
    head = b"GET /daas/v1/attestation?nonce=%b HTTP/1.1\r\nHost: enclave\r\n\r\n" % nonce.hex().encode("ascii")
    try:
        async with asyncio.timeout(CHALLENGE_SECONDS):
            response = await connection.request(head)
            document, complete = await response.read_up_to(MAX_DOCUMENT_BYTES)
    except TimeoutError:
        raise errors.AttestationUnavailable(f"no attestation document within {CHALLENGE_SECONDS:.0f} s") from None
    except (ConnectionClosed, ResponseMalformed) as problem:
        raise errors.EnclaveUnreachable(f"the attestation challenge was not answered: {problem}") from None
    if response.status == BUSY_STATUS:
        raise errors.EnclaveBusy("the enclave makes too many attestation documents at once")
    if response.status != 200 or not complete:
        raise errors.AttestationUnavailable(
            f"the challenge was answered with HTTP {response.status} and {len(document)} bytes instead of a document"
        )
    try:
        spki = spki_sha256(certificate)
    except ValueError as problem:
        raise errors.AttestationRejected(f"the connection's certificate cannot be read: {problem}") from None
    return attestor.verify(document, nonce, spki, now_ms())


async def dial_enclave(host: Endpoint, tls: ssl.SSLContext) -> ClientConnection:
    """Connects to the host's byte pipe and shakes hands with whoever is behind it; nothing is proven yet.

    Raises HostUnreachable, EnclaveUnreachable.
    """
    try:
        sock = await dial(host, DIAL_SECONDS)
    except OSError as problem:
        raise errors.HostUnreachable(f"no connection to the host at {problem}") from None
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        # A watch may be silent for hours: only this tells a vanished machine from a quiet one.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    try:
        return await connect(ClientConnection, sock, tls=tls)
    except (OSError, TimeoutError) as problem:
        raise errors.EnclaveUnreachable(
            f"the host at {host} answers, but no TLS 1.3 handshake with the enclave was possible: "
            f"{errors.shown(problem) or type(problem).__name__}"
        ) from None


class ChannelPool:
    """Hands out attested channels, at most `max_total` at once; keeps `max_idle` of them open between requests."""

    def __init__(
        self,
        attestor: Attestor,
        connector: Callable[[], Awaitable[ClientConnection]],
        *,
        reattest_seconds: float,
        now_ms: Callable[[], int],
        random: Callable[[int], bytes] = os.urandom,
        on_identity: Callable[[EnclaveIdentity], None] = lambda identity: None,
        max_idle: int = MAX_IDLE,
        max_total: int = MAX_TOTAL,
    ) -> None:
        self._attestor = attestor
        self._connector = connector
        self._reattest = reattest_seconds
        self._now_ms = now_ms
        self._random = random
        self._on_identity = on_identity
        self._max_idle = max_idle
        self._max_total = max_total
        self._idle: deque[Channel] = deque()
        self._busy: set[Channel] = set()
        self._connecting = 0
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._handshakes = asyncio.Semaphore(HANDSHAKES_AT_ONCE)
        self._retired: dict[bytes, errors.GatewayError] = {}
        self._boot_attested_at = 0.0
        self._closed = False
        self.current: EnclaveIdentity | None = None

    @property
    def counts(self) -> tuple[int, int]:
        """Channels in use and idle."""
        return len(self._busy), len(self._idle)

    # ---- handing out

    def take(self) -> Channel | None:
        """An idle channel that may be used at once, else None: the way without waiting."""
        if len(self._busy) + self._connecting >= self._max_total:
            return None
        now = asyncio.get_running_loop().time()
        while self._idle:
            channel = self._idle.pop()
            connection = channel.connection
            if (
                connection.reusable
                and not connection.closed
                and now - connection.idle_since < IDLE_SECONDS
                and now - channel.attested_at < self._reattest
            ):
                self._busy.add(channel)
                return channel
            connection.close()
        return None

    async def acquire(self, *, fresh: bool = False) -> Channel:
        """A channel, newly connected and attested when `fresh` or when none is idle.

        Raises the named errors of the way to the enclave.
        """
        if not fresh and (channel := self.take()) is not None:
            return channel
        await self._wait_for_slot()
        self._connecting += 1
        try:
            channel = await self._connect_with_backoff(fresh=fresh)
        finally:
            self._connecting -= 1
            self._wake()
        self._busy.add(channel)
        return channel

    async def _wait_for_slot(self) -> None:
        try:
            async with asyncio.timeout(ACQUIRE_SECONDS):
                while len(self._busy) + self._connecting >= self._max_total:
                    waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                    self._waiters.append(waiter)
                    await waiter
        except TimeoutError:
            raise errors.ChannelsExhausted(f"all {self._max_total} connections to the enclave are in use") from None

    def _wake(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def release(self, channel: Channel) -> None:
        """Gives a channel back; it is kept only if its answer was complete and its boot is not retired."""
        if channel not in self._busy:
            return
        self._busy.remove(channel)
        connection = channel.connection
        if (
            connection.reusable
            and not connection.closed
            and not connection.busy
            and len(self._idle) < self._max_idle
            and channel.identity.boot_id not in self._retired
            and not self._closed
        ):
            self._idle.append(channel)
        else:
            connection.close()
        self._wake()

    def discard(self, channel: Channel) -> None:
        """Gives a channel back that must not be used again."""
        channel.connection.close()
        self.release(channel)

    # ---- connecting

    async def _connect_with_backoff(self, *, fresh: bool) -> Channel:
        unreachable, busy = iter(DIAL_BACKOFF), iter(BUSY_BACKOFF)
        while True:
            try:
                async with self._handshakes:
                    # While this one waited for its turn, another may have given a channel back.
                    idle = None if fresh else self.take()
                    return idle if idle is not None else await self._connect()
            except (errors.HostUnreachable, errors.EnclaveUnreachable):
                wait = next(unreachable, None)
                if wait is None or self._closed:
                    raise
            except errors.EnclaveBusy:
                wait = next(busy, None)
                if wait is None or self._closed:
                    raise
            await asyncio.sleep(wait)

    async def _connect(self) -> Channel:
        connection = await self._connector()
        try:
            identity = await challenge(connection, self._attestor, self._random, self._now_ms)
            self._adopt(identity)
        except BaseException:
            connection.close()
            raise
        return Channel(connection, identity, self._boot_attested_at)

    def _adopt(self, identity: EnclaveIdentity) -> None:
        """Makes an identity the current one, or refuses it."""
        if (reason := self._retired.get(identity.boot_id)) is not None:
            raise reason
        current = self.current
        if current is not None and current.boot_id == identity.boot_id:
            if current.public_key_bytes != identity.public_key_bytes:
                raise errors.AttestationRejected(
                    f"boot {identity.boot_id.hex()} was attested with receipt key "
                    f"{current.public_key_bytes.hex()} before, and now with {identity.public_key_bytes.hex()}"
                )
        elif current is not None:
            if identity.timestamp_ms < current.timestamp_ms:
                raise errors.AttestationRejected(
                    f"boot {identity.boot_id.hex()} was attested at {identity.timestamp_ms}, "
                    f"before the current boot {current.boot_id.hex()} at {current.timestamp_ms}"
                )
            self.retire(
                current.boot_id,
                errors.AttestationRejected(
                    f"boot {current.boot_id.hex()} is superseded: this gateway has seen boot {identity.boot_id.hex()}"
                ),
            )
        if current is None or current.boot_id != identity.boot_id:
            log.info("enclave_attested", boot_id=identity.boot_id.hex(), anchor=identity.anchor)
        self.current = identity
        self._boot_attested_at = asyncio.get_running_loop().time()
        self._on_identity(identity)

    def retire(self, boot_id: bytes, reason: errors.GatewayError) -> None:
        """From now on nothing is sent to this boot, and what is under way breaks."""
        if len(self._retired) >= MAX_RETIRED:
            self._retired.pop(next(iter(self._retired)))
        self._retired[boot_id] = reason
        log.warning("boot_retired", boot_id=boot_id.hex(), reason=str(reason))
        if self.current is not None and self.current.boot_id == boot_id:
            self.current = None
        self._close_where(lambda channel: channel.identity.boot_id == boot_id)

    def _close_where(self, condition: Callable[[Channel], bool]) -> None:
        for channel in [*self._idle, *self._busy]:
            if condition(channel):
                channel.connection.close()
        self._idle = deque(channel for channel in self._idle if not channel.connection.closed)

    # ---- keeping the attestation fresh

    async def maintain(self) -> None:
        """Runs until cancelled: attests again before the interval ends and whenever the measurements change.

        Channels of a boot that could not be attested again in time are closed, streams under way among them.
        """
        stamp = self._attestor.stamp()
        while True:
            await asyncio.sleep(min(MAINTAIN_SECONDS, self._reattest / 10))
            newest = self._attestor.stamp()
            changed, stamp = newest != stamp, newest
            current = self.current
            if current is None:
                continue
            age = asyncio.get_running_loop().time() - self._boot_attested_at
            if changed or age > self._reattest * REATTEST_EARLY:
                await self._reattest_once(current, drop=changed)

    async def _reattest_once(self, current: EnclaveIdentity, *, drop: bool) -> None:
        try:
            self.release(await self.acquire(fresh=True))
            return
        except errors.GatewayError as problem:
            log.warning("reattestation_failed", error=problem.reason, message=str(problem))
            refused = isinstance(problem, errors.AttestationRejected)
        age = asyncio.get_running_loop().time() - self._boot_attested_at
        if (refused and drop) or age > self._reattest:
            self._close_where(lambda channel: channel.identity.boot_id == current.boot_id)

    def close(self) -> None:
        """Closes everything."""
        self._closed = True
        self._close_where(lambda channel: True)
        while self._waiters:
            self._wake()

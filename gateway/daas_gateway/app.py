"""Puts a gateway together from its configuration and runs it until it is told to stop."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog
from prometheus_client import start_http_server

from daas_gateway import errors
from daas_gateway.ask import Place, ask
from daas_gateway.attest import Attestor, EnclaveIdentity, Policy, load_anchor
from daas_gateway.cache import AnswerCache
from daas_gateway.channel import ChannelPool, client_tls, dial_enclave
from daas_gateway.config import ConfigInvalid, GatewayConfig
from daas_gateway.credential import CredentialCheck, ensure_credential
from daas_gateway.exchange import MAX_UNARY_BYTES, Answer, Exchange, json_body
from daas_gateway.filters import RequestFilter
from daas_gateway.forward import Forwarder
from daas_gateway.local_tls import ensure_local_tls
from daas_gateway.metrics import Metrics
from daas_gateway.receipts import count_receipts
from daas_gateway.server import LocalServer
from daas_gateway.session import Sessions, SessionTerms
from daas_gateway.store import KeptAttestation, KeptReceipt, ReceiptStore, StoreUnusable
from daas_gateway.user_keys import load_key
from daas_protocol.jsonstrict import loads
from daas_protocol.sui import format_address
from daas_protocol.transport.endpoint import Kind, listen
from daas_protocol.transport.http1 import ClientConnection
from daas_protocol.transport.streams import serve

if TYPE_CHECKING:
    from daas_gateway.l1_config import ChainConfig
    from daas_gateway.l1_local import ContractEndpoints
    from daas_gateway.l1_way import ChainWay

LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
GAUGES_SECONDS: Final = 2.0
DRAIN_SECONDS: Final = 2.0
"""For answers under way when the gateway is stopped; watches do not end by themselves and are cut after it."""
RENEW_CHECK_SECONDS: Final = 3600.0
STATUS_SECONDS: Final = 8.0
"""`daas status` waits 10 s: what hangs must be named by then."""

log = structlog.get_logger("daas.gateway")


def wall_ms() -> int:
    """This machine's clock, in ms since 1970."""
    return time.time_ns() // 1_000_000


class Gateway:
    """One running gateway. `start` raises ConfigInvalid, UserKeyError, PrivateFileExposed, OSError by name."""

    def __init__(
        self,
        config: GatewayConfig,
        *,
        now_ms: Callable[[], int] = wall_ms,
        random: Callable[[int], bytes] = os.urandom,
        connector: Callable[[], Awaitable[ClientConnection]] | None = None,
    ) -> None:
        for endpoint in (config.listen, config.metrics):
            if endpoint is not None and (endpoint.kind is not Kind.TCP or endpoint.host not in LOOPBACK):
                raise ConfigInvalid(
                    f"configuration: {endpoint} is not on loopback: the gateway serves its own user only"
                )
        self._config = config
        self._now_ms = now_ms
        self.metrics = Metrics()
        self._user = load_key(config.key_file)
        self._tls = ensure_local_tls(config.tls_dir)
        self._tls_context = self._tls.server_context()
        credential = CredentialCheck(ensure_credential(config.credential_file))
        place = Place(config.package_id, config.cluster_id, config.enclave_id)
        attestor = Attestor(
            Policy(
                load_anchor(config.root),
                config.measurements,
                config.package_id,
                config.cluster_id,
                config.enclave_id,
                config.policy_anchor,
            )
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self.store = ReceiptStore(config.receipts_db, config.retention, now_ms, self._late_conflict, self._store_failed)
        enclave_tls = client_tls()

        async def dial() -> ClientConnection:
            return await dial_enclave(config.host, enclave_tls)

        self.pool = ChannelPool(
            attestor,
            connector or dial,
            reattest_seconds=config.reattest_seconds,
            now_ms=now_ms,
            random=random,
            on_identity=self._keep_identity,
        )
        terms = SessionTerms(
            config.package_id,
            config.cluster_id,
            config.token,
            config.scope,
            config.session_seconds * 1000,
            config.session_epoch,
        )
        sessions = Sessions(self._user, terms, now_ms)
        self._exchange = Exchange(
            place,
            sessions.address,
            self.store,
            self.metrics,
            keep_bodies=config.keep_bodies,
            now_ms=now_ms,
            random=random,
            on_equivocation=self._equivocated,
        )
        self.cache = AnswerCache(config.cache_ttl_ms)
        self.forwarder = Forwarder(self.pool, sessions, self._exchange, self.store, self.cache, self.metrics)
        self.chain: ChainWay | None = None
        if config.chain is not None:
            self.chain = self.forwarder.chain = self._chain_way(config.chain, place, random)
        local = {
            b"/daas/local/status": self._status,
            b"/daas/local/ready": self._ready,
            b"/daas/local/log/head": self._log_head,
        }
        request_filter = RequestFilter(config.filters)
        self.server = LocalServer(self.forwarder, credential, request_filter, local, self.metrics)
        if self.chain is not None:
            self.server.contract = self._contract_endpoints(self.chain, request_filter)
        self._listener: asyncio.AbstractServer | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.port = config.listen.port

    def _chain_way(self, chain: ChainConfig, place: Place, random: Callable[[int], bytes]) -> ChainWay:
        # The network's client takes a second to import, which a gateway without a contract does not pay.
        from daas_gateway.l1_way import ChainWay

        return ChainWay(
            chain,
            place,
            self._config.token,
            self._user,
            self.pool,
            self.forwarder.fetch,
            self._exchange,
            self.store,
            database=self._config.receipts_db,
            key_file=self._config.key_file,
            now_ms=self._now_ms,
            random=random,
        )

    def _contract_endpoints(self, chain: ChainWay, request_filter: RequestFilter) -> ContractEndpoints:
        from daas_gateway.l1_local import ContractEndpoints

        return ContractEndpoints(chain, request_filter)

    # ---- life

    async def start(self) -> None:
        """Listens; the enclave need not be there yet."""
        self._loop = asyncio.get_running_loop()
        if self.chain is not None:
            await self.chain.start()
        sock = listen(self._config.listen)
        self.port = sock.getsockname()[1]
        self._listener = await serve(self.server.connection, sock, tls=self._tls_context)
        self._tasks = [asyncio.create_task(self.pool.maintain()), asyncio.create_task(self._housekeeping())]
        if self._config.metrics is not None:
            start_http_server(self._config.metrics.port, addr=self._config.metrics.host, registry=self.metrics.registry)
        log.info("gateway_listening", port=self.port, address=format_address(self._user.address))

    async def stop(self) -> None:
        """Stops listening, cuts what is open, writes every receipt to disk."""
        if self._listener is not None:
            self._listener.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.server.close(DRAIN_SECONDS)
        if self.chain is not None:
            await self.chain.stop()
        self.forwarder.close()
        self.pool.close()
        await asyncio.to_thread(self.store.close)
        log.info("gateway_stopped")

    async def _housekeeping(self) -> None:
        loop = asyncio.get_running_loop()
        renew_at = loop.time() + RENEW_CHECK_SECONDS
        while True:
            busy, idle = self.pool.counts
            self.metrics.channels_busy.set(busy)
            self.metrics.channels_idle.set(idle)
            self.metrics.store_waiting.set(self.store.waiting)
            if loop.time() >= renew_at:
                renew_at = loop.time() + RENEW_CHECK_SECONDS
                self._renew_certificate()
            await asyncio.sleep(GAUGES_SECONDS)

    def _renew_certificate(self) -> None:
        tls = ensure_local_tls(self._config.tls_dir)
        if tls.server_not_after != self._tls.server_not_after and tls.ca_pem == self._tls.ca_pem:
            # A loaded context takes a new chain for the handshakes that follow.
            self._tls_context.load_cert_chain(tls.server_certificate, tls.server_key)
            self._tls = tls
            log.info("certificate_renewed", not_after=tls.server_not_after.isoformat())

    # ---- what the parts report

    def _keep_identity(self, identity: EnclaveIdentity) -> None:
        self.metrics.attestations.inc()
        self.store.put(
            KeptAttestation(
                identity.boot_id,
                identity.public_key_bytes,
                identity.document_sha256,
                identity.document,
                identity.nonce,
                identity.anchor,
                identity.verified_at_ms,
            )
        )

    def _equivocated(self, boot_id: bytes, problem: errors.GatewayError) -> None:
        self.metrics.equivocations.inc()
        self._disown(boot_id, problem)

    def _late_conflict(self, receipt: KeptReceipt) -> None:
        """From the writer's thread: a repeat too old for memory. What memory found itself is retired already."""
        problem = errors.EquivocationFound(f"one content at sequence {receipt.sequence}", receipt.leaf)
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._disown, receipt.boot_id, problem)

    def _disown(self, boot_id: bytes, problem: errors.GatewayError) -> None:
        self.cache.clear()
        self.pool.retire(boot_id, problem)

    def _store_failed(self, problem: BaseException) -> None:
        log.error("receipt_store_failed", error=type(problem).__name__, message=str(problem))

    # ---- local endpoints

    async def _fetch_status(self) -> Answer:
        try:
            async with asyncio.timeout(STATUS_SECONDS):
                return await self.forwarder.fetch(ask("GET", "/daas/v1/status", "application/json"))
        except TimeoutError:
            raise errors.AnswerTimeout(
                f"no status of the enclave within {STATUS_SECONDS:g} s: host or enclave hangs"
            ) from None

    async def _ready(self) -> tuple[int, bytes]:
        """Ready means that a request would be executed now, as the enclave itself says."""
        try:
            answer = await self._fetch_status()
            phase = _phase(answer.body)
            if phase != "Serving":
                raise errors.EnclaveUnreachable(f"the enclave is {phase}, not Serving: wait, or see `daas status`")
        except errors.GatewayError as problem:
            return problem.code, problem.status()
        return 200, json_body({"ready": True})

    async def _log_head(self) -> tuple[int, bytes]:
        """The enclave's signed tree head as it came: who asked judges its signature."""
        try:
            answer = await self.forwarder.fetch(ask("GET", "/daas/v1/log/head"))
        except errors.GatewayError as problem:
            return problem.code, problem.status()
        if answer.status != 200:
            return answer.status, answer.body
        return 200, json_body({"version": 1, "tree_head": base64.b64encode(answer.body).decode("ascii")})

    async def _kept(self) -> int | None:
        """None while the store cannot be read: that must not hide how everything else is."""
        try:
            return await asyncio.to_thread(count_receipts, self._config.receipts_db)
        except (OSError, StoreUnusable) as problem:
            log.warning("receipts_not_counted", error=type(problem).__name__, message=str(problem))
            return None

    async def _status(self) -> tuple[int, bytes]:
        enclave: object = None
        problem: errors.GatewayError | None = None
        try:
            answer = await self._fetch_status()
            enclave = {"status": answer.status, "body": answer.body.decode("utf-8", "replace")}
        except errors.GatewayError as error:
            problem = error
        identity = self.pool.current
        busy, idle = self.pool.counts
        return 200, json_body(
            {
                "version": 1,
                "address": format_address(self._user.address),
                "attestation": None if identity is None else verdict(identity),
                "enclave": enclave,
                "problem": None if problem is None else {"reason": problem.reason, "message": str(problem)},
                "receipts": {
                    "verified": self._exchange.verified,
                    "kept": await self._kept(),
                    "waiting": self.store.waiting,
                    "database": str(self._config.receipts_db),
                },
                "channels": {"busy": busy, "idle": idle},
                "cache_ttl_ms": self._config.cache_ttl_ms,
                "contract": None if self.chain is None else self.chain.status(),
            }
        )


def verdict(identity: EnclaveIdentity) -> dict[str, object]:
    """An attestation verdict as JSON values; bytes are hex."""
    return {
        "anchor": identity.anchor,
        "simulated": identity.anchor != "aws-nitro",
        "module_id": identity.module_id,
        "measurement": identity.measurement,
        "pcrs": {str(index): value.hex() for index, value in identity.pcrs},
        "public_key": identity.public_key_bytes.hex(),
        "enclave_id": identity.enclave_id.hex(),
        "boot_id": identity.boot_id.hex(),
        "tls_spki_sha256": identity.tls_spki_sha256.hex(),
        "document_sha256": identity.document_sha256.hex(),
        "verified_at": identity.verified_at_ms,
    }


def _phase(status: bytes) -> str:
    """The phase by name in the enclave's status; "unknown" where it names none."""
    try:
        said = loads(status, MAX_UNARY_BYTES)
    except ValueError:
        return "unknown"
    part = said.get("phase") if isinstance(said, dict) else None
    name = part.get("phase") if isinstance(part, dict) else None
    return name if isinstance(name, str) else "unknown"

"""The request path as one thing: prepared against the control plane, served on two sockets, drained at the end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Final

import structlog

from daas_enclave import admission
from daas_enclave.authority import Snapshot
from daas_enclave.etcd_client import Etcd
from daas_enclave.exchange import End, Exchanges
from daas_enclave.execute import Upstream
from daas_enclave.kube_client import KubeClient, KubeError
from daas_enclave.log_port import LogPort
from daas_enclave.mailbox_admission import Slot
from daas_enclave.mailbox_parts import Parts
from daas_enclave.mailbox_service import Mailbox
from daas_enclave.phases import Phase
from daas_enclave.rbac import Reconciled, Reconciler
from daas_enclave.request_keys import RequestKeys
from daas_enclave.runtime import Runtime
from daas_enclave.server import KNOWN, MAX_CONNECTIONS, Endpoint
from daas_enclave.signer import ReceiptSigner
from daas_protocol.receipt import SignedMessage
from daas_protocol.transport import streams
from daas_protocol.transport.http1 import BodyBudget, Limits, ServerConnection

BODY_BUDGET: Final = 64 * 1024 * 1024
"""Bytes of request bodies on all connections: 21 of the largest at once, a fraction of an enclave's memory."""
RECONCILE_SECONDS: Final = 60.0
RECONCILE_PAUSE: Final = 1.0
"""Between two passes: each lists every role of ours, and whoever may create namespaces can ask for one at any time."""
LIMITS: Final = Limits(head_bytes=32 * 1024, headers=64, body_bytes=3 * 1024 * 1024)
POLL_SECONDS: Final = 0.02

_log = structlog.get_logger(__name__)


class RequestPath:
    """`prepare` once the API server is ready, then `serve`, at the end `drain`."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._signer = ReceiptSigner(
            runtime.config.enclave_id, runtime.boot_id, runtime.receipt_key.sign, runtime.clock.now_ms
        )
        self._upstream = Upstream(runtime.api_server)
        self._exchanges = Exchanges(runtime.authority, runtime.clock)
        self._mailbox_upstream: Upstream | None = None
        self._mailbox = self._make_mailbox(runtime)
        self._endpoint = Endpoint(runtime, self._signer, self._upstream, self._exchanges, self._mailbox)
        self._log_port = LogPort(runtime.boot_id, self._signer.leaves)
        self._client = KubeClient(runtime.api_server)
        self._reconciler = Reconciler(self._client)
        self._reconciling = asyncio.Lock()
        self._reconciled_for: Snapshot | None = None
        self._reconciled = Reconciled()
        self._reconcile_error = ""
        self._reconcile_task: asyncio.Task[None] | None = None
        self._mailbox_task: asyncio.Task[None] | None = None
        self._server: asyncio.AbstractServer | None = None
        self._connections: dict[ServerConnection, None] = {}
        self._bodies = BodyBudget(BODY_BUDGET)
        self._turned_away = 0
        self._drained = asyncio.Event()
        self._broken: BaseException | None = None

    def _make_mailbox(self, runtime: Runtime) -> Mailbox | None:
        """None without a chain."""
        chain, etcd, config = runtime.chain, runtime.etcd, runtime.config
        if chain is None or etcd is None or not isinstance(chain.request_keys, RequestKeys):
            return None
        # Of its own, so that nobody who asks over L2 takes the places that the contract's requests need.
        self._mailbox_upstream = Upstream(runtime.api_server)
        mailbox = Mailbox(
            Parts(
                slot=Slot(config.package_id, config.cluster_id, config.enclave_id),
                boot_id=runtime.boot_id,
                clock=runtime.clock,
                phase=runtime.phase,
                snapshot=runtime.authority.snapshot,
                is_current=lambda: chain.standing.phase is Phase.SERVING,
                keys=chain.request_keys,
                etcd=Etcd(etcd),
                signer=self._signer,
                upstream=self._mailbox_upstream,
                port=chain,
                reconcile=self.reconcile,
            )
        )
        chain.on_changes(mailbox.changed)
        chain.on_payload(mailbox.brought)
        chain.on_attached(mailbox.attached)
        return mailbox

    async def reconcile(self, snapshot: Snapshot, again: bool) -> None:
        """Brings the API server's RBAC to `snapshot`, unless it was before and not `again`. Raises KubeError."""
        async with self._reconciling:
            if again or self._reconciled_for is not snapshot:
                self._reconciled = await self._reconciler.run(snapshot, self._runtime.clock.now_ms())
                self._reconciled_for = snapshot

    async def prepare(self) -> None:
        """Installs admission policies and RBAC and waits until the policies bite.

        May be called again after the control plane was restarted. Raises KubeError, AdmissionToothless.
        """
        await admission.install(self._client)
        await self.reconcile(self._runtime.authority.snapshot(), True)
        await admission.wait_until_biting(self._client)

    async def serve(self, sock_api: socket.socket, sock_log: socket.socket) -> None:
        """Accepts until `drain`. Attestation, sessions and status answer in every phase, Kubernetes only in Serving.

        Raises what broke a task of its own: without the sweeper, say, a stream would outlive its token unseen.
        """
        self._reconcile_task = asyncio.get_running_loop().create_task(self._reconcile_forever())
        tasks = [self._exchanges.start(), self._reconcile_task, await self._log_port.serve(sock_log)]
        if self._mailbox is not None:
            self._mailbox_task = asyncio.get_running_loop().create_task(self._mailbox.run(), name="mailbox")
            tasks.append(self._mailbox_task)
        for task in tasks:
            task.add_done_callback(self._task_ended)
        self._server = await streams.serve(self._connection, sock_api, tls=self._runtime.tls.context)
        await self._drained.wait()
        if self._broken is not None:
            raise self._broken

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._broken = error
            self._drained.set()

    def _connection(self) -> ServerConnection:
        return ServerConnection(
            self._endpoint.handle,
            self._endpoint.refuse_http,
            LIMITS,
            on_open=self._opened,
            on_close=self._closed,
            budget=self._bodies,
        )

    def _opened(self, connection: ServerConnection) -> bool:
        if len(self._connections) >= MAX_CONNECTIONS:
            self._turned_away += 1
            # Strangers make room, the oldest first, so that they cannot keep gateways with a session out.
            stranger = next((one for one in self._connections if KNOWN not in one.state), None)
            if stranger is None:
                return False
            del self._connections[stranger]
            stranger.abort()
        self._connections[connection] = None
        return True

    def _closed(self, connection: ServerConnection) -> None:
        self._connections.pop(connection, None)
        self._endpoint.closed(connection)

    async def _reconcile_forever(self) -> None:
        created = self._endpoint.namespace_created
        while True:
            try:
                async with asyncio.timeout(RECONCILE_SECONDS):
                    await created.wait()
            except TimeoutError:
                pass
            created.clear()
            phase = self._runtime.phase
            # Already before it serves: verified state brings the tokens while the boot still waits for its turn.
            if not phase.serving and phase.current is not Phase.UNREGISTERED:
                continue
            try:
                # Also where nothing has changed: a token's time ends, and a namespace is new.
                await self.reconcile(self._runtime.authority.snapshot(), True)
                self._reconcile_error = ""
            except KubeError as error:
                self._reconcile_error = str(error)
                _log.warning("rbac_reconcile_failed", problem=str(error))
            await asyncio.sleep(RECONCILE_PAUSE)

    def refresh(self) -> None:
        """Roles and bindings are made to fit the authority as it is now, as soon as a pass may begin."""
        self._endpoint.namespace_created.set()

    async def drain(self, timeout: float) -> None:
        """Within `timeout` seconds: accepts no more, lets short requests finish, ends the rest, hands on the log."""
        loop = asyncio.get_running_loop()
        if self._server is not None:
            self._server.close()
        if self._reconcile_task is not None:
            self._reconcile_task.cancel()
        start = loop.time()
        if self._mailbox is not None:
            await self._mailbox.stop(timeout * 0.5)
        if self._mailbox_task is not None:
            self._mailbox_task.cancel()
            await asyncio.gather(self._mailbox_task, return_exceptions=True)
        await _settle(lambda: self._upstream.short == 0, start + timeout * 0.6)
        self._exchanges.end_all(End.DRAIN)
        await _settle(lambda: len(self._exchanges) == 0, start + timeout * 0.8)
        await self._exchanges.stop()
        for connection in list(self._connections):
            connection.transport.close()
        await self._log_port.stop(start + timeout)
        self._upstream.close()
        if self._mailbox_upstream is not None:
            self._mailbox_upstream.close()
        self._client.close()
        self._drained.set()

    def suspend(self) -> None:
        """Ends streams: nobody here would see that their tokens and sessions have ended."""
        self._exchanges.end_streams(End.STALE)

    def last_word(self) -> SignedMessage:
        """The signed Drain, for when everything has ended."""
        return self._signer.drain(revision=0)

    def stats(self) -> dict[str, Any]:
        """Counts for the status; JSON-ready, nothing about any one request."""
        leaves = self._signer.leaves
        mailbox = {} if self._mailbox is None else {"mailbox": self._mailbox.stats()}
        return mailbox | {
            "connections": len(self._connections),
            "connections_turned_away": self._turned_away,
            "sessions": len(self._endpoint.sessions),
            "nonces": len(self._endpoint.nonces),
            "requests_answered": self._endpoint.answered,
            "refusals": dict(self._endpoint.refusals),
            "under_way": {"short": self._upstream.short, "long": self._upstream.long},
            "log": {
                "size": self._signer.size,
                "unacknowledged": leaves.next - leaves.first,
                "lost": leaves.lost,
                "host_attached": self._log_port.attached,
            },
            "rbac": {
                "written": self._reconciled.written,
                "removed": self._reconciled.removed,
                "waiting_for_namespace": self._reconciled.waiting,
                "refused_by_namespace": self._reconciled.refused,
                "error": self._reconcile_error,
            },
        }


async def _settle(done: Callable[[], bool], deadline: float) -> None:
    """Waits until `done()` or `deadline` (loop time)."""
    loop = asyncio.get_running_loop()
    while not done() and loop.time() < deadline:  # noqa: ASYNC110 (two counters of others, once at the end of a boot)
        await asyncio.sleep(POLL_SECONDS)

"""One boot, wired: Booting -> Keys -> ControlPlane -> Unregistered -> Serving, and back down in order.

Invariant: the phase says Serving only while etcd and the server are both ready and the request path has installed and
tested its admission policies; the moment one of them is not, it says Paused. A boot that breaks ends in Failed with
everything it had started stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

import structlog

from daas_attestation.nsm import Nsm
from daas_chain.follow.follower import Changes, Verified
from daas_enclave import logs
from daas_enclave.authority import Authority, PolicyFile
from daas_enclave.chain_boot import RequestKeysFactory, bound, open_chain
from daas_enclave.chain_service import ChainService
from daas_enclave.chain_watch import Standing
from daas_enclave.clock import ClockError, NsmClock, Reading
from daas_enclave.components import make_components
from daas_enclave.config import ChainConfig, EnclaveConfig, KubeletEgress
from daas_enclave.controlplane import LOOPBACK, ControlPlane, Layout, keep_or_choose_ports
from daas_enclave.egress import EgressProxy, KubeletDirectory
from daas_enclave.etcd_client import EtcdTarget
from daas_enclave.keys import BootKeys, draw
from daas_enclave.kube_client import KubeClient
from daas_enclave.phases import Phase, PhaseError, PhaseMachine, PhaseState
from daas_enclave.pki import (
    API_SERVER_NAME,
    ClusterPki,
    admin_context,
    caller_context,
    etcd_context,
)
from daas_enclave.request_keys import RequestKeys
from daas_enclave.runtime import ApiServer, Runtime
from daas_enclave.state_folder import cluster_pki, lock_data_dir
from daas_enclave.status import StatusBoard, clock_json, components_json, identity_json, phase_json, state_json
from daas_enclave.supervisor import ComponentStatus, Supervised
from daas_protocol.receipt import SignedMessage
from daas_protocol.transport.endpoint import Endpoint, Kind, listen

# Stopping takes at most their sum and a second for the goodbye: requests and the log, then the server, then etcd.
DRAIN_S: Final = 4.0
DRAIN_SLACK_S: Final = 0.5
SERVER_STOP_S: Final = 4.0
ETCD_STOP_S: Final = 1.5
# Installing the admission policies is tried again when the API server falls over meanwhile; more is not bad luck.
PREPARE_TRIES: Final = 5
PREPARE_PAUSE_S: Final = 1.0
MAX_SOCKET_PATH: Final = 100
CALLER_TOKEN_BYTES: Final = 32


class RequestPathLike(Protocol):
    """What the app needs of the request path."""

    async def prepare(self) -> None: ...

    async def serve(self, sock_api: socket.socket, sock_log: socket.socket) -> None: ...

    async def drain(self, timeout: float) -> None: ...

    def suspend(self) -> None:
        """Nothing is known of the contract any more: what goes on without end has to end."""
        ...

    def last_word(self) -> SignedMessage:
        """The signed Drain, after `drain`."""
        ...

    def refresh(self) -> None:
        """The authority has changed, or the boot serves from now on: the API server is to know it soon."""
        ...

    def stats(self) -> dict[str, Any]: ...


RequestPathFactory = Callable[[Runtime], RequestPathLike]


class App:
    """One boot of one enclave. `run()` returns the exit code: 0 stopped, 1 failed."""

    def __init__(
        self,
        config: EnclaveConfig,
        nsm: Nsm,
        request_path: RequestPathFactory,
        request_keys: RequestKeysFactory = RequestKeys.of,
    ) -> None:
        self.config = config
        self.nsm = nsm
        self.clock = NsmClock(nsm)
        self.board = StatusBoard()
        self._request_path = request_path
        self._request_keys = request_keys
        self._chain: ChainService | None = None
        self._log = structlog.get_logger()
        self._stop = asyncio.Event()
        self._stop_reason = ""
        self._cleanup: contextlib.AsyncExitStack = contextlib.AsyncExitStack()
        self._components: dict[str, Supervised] = {}
        self._path: RequestPathLike | None = None
        self._serving: asyncio.Task[None] | None = None
        self.clock.sync()
        self.phases = PhaseMachine(self.clock.now_ms)
        self.phases.subscribe(self._on_phase)
        self.board.add("phase", lambda: phase_json(self.phases))

    def stop(self, reason: str) -> None:
        """Begin to stop; the first reason counts."""
        if not self._stop.is_set():
            self._stop_reason = reason
            self._log.info(logs.STOP_REQUESTED, reason=reason)
            self._stop.set()

    async def run(self) -> int:
        asyncio.get_running_loop().set_exception_handler(logs.loop_error)
        async with self._cleanup:
            boot = asyncio.create_task(self._boot(), name="boot")
            stopped = asyncio.create_task(self._stop.wait(), name="stop")
            try:
                await asyncio.wait({boot, stopped}, return_when=asyncio.FIRST_COMPLETED)
                if boot.done():
                    boot.result()
                    await stopped
                await self._down(boot)
            except Exception as error:
                self._fail(error)
                boot.cancel()
                await self._stop_processes()
            finally:
                stopped.cancel()
        return 1 if self.phases.current is Phase.FAILED else 0

    # --- up ---

    async def _boot(self) -> None:
        config = self.config
        # 1. Booting: the folder is ours alone, time is known (the constructor has asked the NSM).
        lock = lock_data_dir(config.data_dir)
        self._cleanup.callback(os.close, lock)
        policy = None if config.policy_file is None else PolicyFile.load(config.policy_file)
        layout = Layout(config.data_dir)
        # 2. Keys: this boot's own, the binding that the attestation document will carry, the cluster's authorities.
        self.phases.move(Phase.KEYS, "time known, policy read")
        keys = BootKeys(self.nsm.random, self.clock.now_ms())
        authority: Authority
        if policy is None:
            self._chain = open_chain(config, layout, keys, self.nsm, self.clock, self._request_keys)
            authority, binding = self._chain.authority, self._chain.binding
        else:
            authority, binding = policy, bound(config, keys, policy.anchor)
        pki, sealing = cluster_pki(config, layout, authority.anchor, self.nsm.random, self.clock.now_ms())
        self._log.info(logs.KEYS_MADE, boot_id=keys.boot_id.hex(), attestation=self.nsm.anchor.kind)
        # 3. ControlPlane: etcd, then the server; the request path's own policies before anybody is let in.
        self.phases.move(Phase.CONTROL_PLANE, "keys made")
        nodes_join = config.kubelet_egress is KubeletEgress.DIRECT
        plane = ControlPlane(config.control_plane, layout, keep_or_choose_ports(layout), nodes_join=nodes_join)
        self._cleanup.callback(plane.close)
        await asyncio.to_thread(plane.verify)
        caller_token = draw(self.nsm.random, CALLER_TOKEN_BYTES).hex()
        api_server = ApiServer(
            host=LOOPBACK,
            port=plane.ports.api,
            tls=admin_context(pki, self.nsm.random, self.clock.now_ms()),
            server_name=API_SERVER_NAME,
            caller_tls=caller_context(pki),
            authorization=f"Authorization: Bearer {caller_token}\r\n".encode("ascii"),
        )
        runtime = Runtime(
            config=config,
            nsm=self.nsm,
            clock=self.clock,
            receipt_key=keys.receipt,
            tls=keys.tls,
            binding=binding,
            boot_id=keys.boot_id,
            authority=authority,
            phase=self.phases,
            api_server=api_server,
            status=self.board.read,
            chain=self._chain,
            etcd=None if self._chain is None else self._etcd(plane, pki),
        )
        egress = await self._start_egress(plane, api_server)
        self._path = self._request_path(runtime)
        self.board.add("identity", lambda: identity_json(config, keys, self.nsm.anchor.kind, authority.anchor))
        self.board.add("sealing", lambda: sealing)
        self.board.add("state", lambda: state_json(config))
        self.board.add("clock", lambda: clock_json(self.clock))
        self.board.add("control_plane", plane.describe)
        self.board.add("components", lambda: components_json(self._components))
        self.board.add("egress", egress.status)
        self.board.add("requests", self._path.stats)
        self._listen(self._path)
        if self._chain is not None and config.chain is not None:
            await self._start_chain(self._chain, config.chain)
        self._start_clock()
        plane.prepare(pki, self._egress_socket, caller_token)
        self._start_processes(plane, pki, api_server)
        await self._prepare(self._path)
        # 4. Unregistered: until verified state says otherwise; with a policy file there is nothing to register with.
        self.phases.move(Phase.UNREGISTERED, "control plane ready, admission policies in force")
        if self._chain is None:
            self.phases.move(Phase.SERVING, "policy file: no registration")
            self._on_health()
        else:
            self._on_standing(self._chain.look())

    def _etcd(self, plane: ControlPlane, pki: ClusterPki) -> EtcdTarget:
        tls = etcd_context(pki, self.nsm.random, self.clock.now_ms())
        return EtcdTarget(plane.ports.etcd_client, tls, "localhost")

    async def _start_egress(self, plane: ControlPlane, api_server: ApiServer) -> EgressProxy:
        client = KubeClient(api_server)
        self._cleanup.callback(client.close)

        async def read(path: str) -> dict[str, Any]:
            return (await client.expect("GET", path, statuses=(200,))).body

        directory = KubeletDirectory(read, time.monotonic)
        proxy = EgressProxy(self.config.kubelet_egress, directory, frozenset(plane.ports.all()))
        path = self.config.data_dir / "egress.sock"
        if len(os.fsencode(path)) > MAX_SOCKET_PATH:
            path = Path(self._cleanup.enter_context(tempfile.TemporaryDirectory(prefix="daas-"))) / "egress.sock"
        self._egress_socket = str(path)
        await proxy.start(listen(Endpoint(Kind.UNIX, path=str(path))))
        self._cleanup.callback(path.unlink, missing_ok=True)
        self._cleanup.push_async_callback(proxy.stop)
        return proxy

    def _listen(self, path: RequestPathLike) -> None:
        """Accept already now: attestation and status are for everybody to see while the control plane starts."""
        sockets = []
        for text in (self.config.listen, self.config.log_listen):
            endpoint = Endpoint.parse(text)
            sockets.append(listen(endpoint))
            if endpoint.kind is Kind.UNIX:
                self._cleanup.callback(Path(endpoint.path).unlink, missing_ok=True)
        self._serving = asyncio.create_task(path.serve(*sockets), name="request-path")
        self._serving.add_done_callback(self._on_serving_ended)

    async def _start_chain(self, chain: ChainService, config: ChainConfig) -> None:
        """Follow already now: what the contract says takes a while to arrive."""
        endpoint = Endpoint.parse(config.chain_listen)
        await chain.serve(listen(endpoint))
        if endpoint.kind is Kind.UNIX:
            self._cleanup.callback(Path(endpoint.path).unlink, missing_ok=True)
        self._cleanup.push_async_callback(chain.stop)
        self.board.add("chain", chain.status)
        chain.on_standing(self._on_standing)
        chain.on_changes(self._on_changes)
        task = asyncio.create_task(chain.run(), name="chain")
        self._cleanup.callback(task.cancel)
        task.add_done_callback(self._on_serving_ended)

    def _start_clock(self) -> None:
        def heard(result: Reading | ClockError) -> None:
            if isinstance(result, ClockError):
                self._log.warning(logs.CLOCK_FAILED, error=type(result).__name__, failures=self.clock.failures)
            else:
                self._log.debug(logs.CLOCK_SYNCED, step_ms=result.step_ms, error_ms=result.error_ms)

        task = asyncio.create_task(self.clock.run(heard), name="clock")
        self._cleanup.callback(task.cancel)

    def _start_processes(self, plane: ControlPlane, pki: ClusterPki, api_server: ApiServer) -> None:
        self._components = make_components(plane, pki, api_server, self.nsm.random, self.clock.now_ms)
        for component in self._components.values():
            component.subscribe(self._on_component)
            component.start()

    async def _prepare(self, path: RequestPathLike) -> None:
        server = self._components["server"]
        for attempt in range(1, PREPARE_TRIES + 1):
            while not server.ready:
                await server.changed()
            try:
                await path.prepare()
            except Exception as error:
                self._log.warning(logs.PREPARE_FAILED, attempt=attempt, error=type(error).__name__, detail=str(error))
                if attempt == PREPARE_TRIES:
                    raise
                await asyncio.sleep(PREPARE_PAUSE_S)
            else:
                return

    # --- while running ---

    def _on_phase(self, before: PhaseState, after: PhaseState) -> None:
        level = self._log.error if after.phase is Phase.FAILED else self._log.info
        level(logs.PHASE_CHANGED, origin=before.phase.value, phase=after.phase.value, reason=after.reason)

    def _on_component(self, before: ComponentStatus, after: ComponentStatus) -> None:
        self._log.info(
            logs.COMPONENT_CHANGED,
            component=after.name,
            origin=before.state.value,
            state=after.state.value,
            pid=after.pid,
            restarts=after.restarts,
            detail=after.detail,
        )
        self._on_health()

    def _on_health(self) -> None:
        """Serving <-> Paused by what the components and verified state say now."""
        state = self.phases.state
        against = [
            f"{status.name} {status.state.value}: {status.detail}"
            for status in (component.status for component in self._components.values())
            if not status.ready
        ]
        standing = None if self._chain is None else self._chain.standing
        if standing is not None and standing.phase is not Phase.SERVING:
            against.append(standing.reason)
        try:
            if state.phase is Phase.SERVING and against:
                self.phases.compare_and_swap(state, Phase.PAUSED, "; ".join(against))
            elif state.phase is Phase.PAUSED and not against:
                self.phases.compare_and_swap(state, Phase.SERVING, "control plane ready")
            elif state.phase is Phase.UNREGISTERED and standing is not None and not against:
                self.phases.compare_and_swap(state, Phase.SERVING, standing.reason)
        except PhaseError as error:
            self._fail(error)
        if standing is not None and self._path is not None and self.phases.serving and state.phase is not Phase.SERVING:
            self._path.refresh()

    def _on_standing(self, standing: Standing) -> None:
        """Verified state asks for another phase."""
        if standing.phase is Phase.DRAINING:
            self.stop(standing.reason)
            return
        self._on_health()
        if standing.phase is Phase.PAUSED and self._path is not None:
            self._path.suspend()

    def _on_changes(self, changes: Changes, verified: Verified) -> None:
        if changes.state and self._path is not None:
            self._path.refresh()

    def _on_serving_ended(self, task: asyncio.Task[None]) -> None:
        """The endpoint must not go quietly: without it nobody can see that it is gone."""
        if task.cancelled() or self._stop.is_set():
            return
        if (error := task.exception()) is not None:
            self._fail(error)
            self.stop("request path ended")

    def _fail(self, error: BaseException) -> None:
        # An unexpected error's message may quote what somebody sent: those are named by type and place.
        known = isinstance(error, OSError) or type(error).__module__.startswith("daas_")
        reason = f"{type(error).__name__}: {error}" if known else f"{type(error).__name__} at {logs.frames_of(error)}"
        self._log.error(logs.BOOT_FAILED, reason=reason, at=logs.frames_of(error))
        self.phases.fail(reason)

    # --- down ---

    async def _down(self, boot: asyncio.Task[None]) -> None:
        if not boot.done():
            boot.cancel()
            await asyncio.gather(boot, return_exceptions=True)
        if self.phases.current in (Phase.SERVING, Phase.PAUSED):
            self.phases.move(Phase.DRAINING, self._stop_reason)
        await self._stop_processes()
        if self.phases.current not in (Phase.FAILED, Phase.STOPPED):
            self.phases.move(Phase.STOPPED, self._stop_reason)

    async def _stop_processes(self) -> None:
        """Requests first, then the server, then its store; each within its own time."""
        if self._path is not None:
            with contextlib.suppress(TimeoutError, Exception):
                async with asyncio.timeout(DRAIN_S + DRAIN_SLACK_S):
                    await self._path.drain(DRAIN_S)
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)
        if self._chain is not None and self._path is not None and self.phases.current is not Phase.FAILED:
            await self._chain.say_goodbye(self._path.last_word)
        for name, grace in (("server", SERVER_STOP_S), ("etcd", ETCD_STOP_S)):
            if name in self._components:
                await self._components[name].stop(grace)

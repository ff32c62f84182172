"""The host as a whole: what is started in which order, and stopped in the other.

Invariant: when `serve` has returned, however it returned, no process of the enclave, no socket file and no lock is
left.
"""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from daas_host.config import HostConfig
from daas_host.launcher import Launcher
from daas_host.log_client import LogClient
from daas_host.metrics import Figures, MetricsServer
from daas_host.pipe import PipeServer
from daas_host.rotating_log import RotatingLog
from daas_host.state import EnclaveView, HostState, StateFile
from daas_protocol.transport.endpoint import Endpoint, Kind, listen

if TYPE_CHECKING:
    from daas_host.relay import Relay

ENCLAVE_LOG: Final = "enclave.log"
RELAY_STATE_SECONDS: Final = 2.0
"""How old the relay's figures in `host.json` may be."""

log = structlog.get_logger("daas_host")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class Host:
    """Holds the parts together; `serve` runs them until `stop` is set."""

    def __init__(self, config: HostConfig, *, adopting: bool = False, now_ms: Callable[[], int] = _now_ms) -> None:
        self._config = config
        self._adopting = adopting
        self._now_ms = now_ms

    async def serve(self, stop: asyncio.Event, ready: Callable[[HostState], None] | None = None) -> None:
        """Runs until `stop` is set. `ready` is called when clients can connect.

        Raises:
            HostAlreadyRunning: another host uses the same state folder.
            OSError: a folder cannot be made or an endpoint not listened on.
        """
        config = self._config
        for folder in (config.state_dir, config.log_dir, config.tiles_dir):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        state_file = StateFile(config.state_dir)
        state_file.acquire()
        try:
            listener = listen(config.listen)
            try:
                await self._serve(stop, ready, state_file, listener)
            finally:
                listener.close()
                _remove_socket(config.listen)
        finally:
            state_file.release()

    async def _serve(
        self,
        stop: asyncio.Event,
        ready: Callable[[HostState], None] | None,
        state_file: StateFile,
        listener: socket.socket,
    ) -> None:
        config = self._config
        state = HostState(os.getpid(), self._now_ms(), str(bound(config.listen, listener)))
        enclave_log = RotatingLog(
            config.log_dir / ENCLAVE_LOG, config.limits.enclave_log_bytes, config.limits.enclave_log_files
        )
        pipes = PipeServer(listener, config.enclave.api, config.limits)
        log_client = LogClient(config.enclave.log, config.tiles_dir)
        relay, payloads_socket = _relay(config)
        if relay is not None and config.relay is not None:
            state.relay = relay.stats
            if config.relay.payloads is not None and payloads_socket is not None:
                state.payloads = str(bound(config.relay.payloads, payloads_socket))

        def save() -> None:
            if relay is not None:
                relay.figures()
            # A full disk must not stop an enclave that runs.
            try:
                state_file.write(state)
            except OSError as error:
                log.warning("state_not_written", error=str(error))

        async def on_down() -> None:
            await pipes.cut("enclave_stopped")
            chain = () if config.relay is None else (config.relay.chain,)
            for endpoint in (config.enclave.api, config.enclave.log, *chain):
                _remove_socket(endpoint)

        launcher = Launcher(
            launch=config.enclave,
            limits=config.limits,
            sink=enclave_log.write,
            now_ms=self._now_ms,
            on_change=save,
            on_down=on_down,
            view=state.enclave,
            adopting=self._adopting,
        )
        metrics = MetricsServer(lambda: _figures(pipes, log_client, state.enclave, enclave_log, relay))
        tasks: list[asyncio.Task[None]] = []
        try:
            if config.metrics is not None:
                metrics_socket = listen(config.metrics)
                await metrics.start(metrics_socket)
                state.metrics = str(bound(config.metrics, metrics_socket))
            pipes.start()
            launching = asyncio.create_task(launcher.run())
            tasks = [launching, asyncio.create_task(log_client.run())]
            if relay is not None:
                tasks += [asyncio.create_task(relay.run()), asyncio.create_task(_saving(save))]
            save()
            log.info("host_ready", listen=state.listen, metrics=state.metrics, pid=state.pid)
            if ready is not None:
                ready(state)
            await _until(stop, tasks)
        finally:
            log.info("host_stopping")
            await pipes.stop_accepting()
            # The pipes and the log go on meanwhile: the enclave finishes what it has begun and hands
            # over its last leaves.
            await launcher.stop()
            if tasks:
                await asyncio.wait(tasks[:1])
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await pipes.close()
            await metrics.close()
            if payloads_socket is not None:
                payloads_socket.close()
            await on_down()
            enclave_log.close()
            state.enclave.state = "stopped"
            save()
            log.info("host_stopped")


def _relay(config: HostConfig) -> tuple[Relay | None, socket.socket | None]:
    """Raises `OSError` when its endpoint for ciphertexts cannot be listened on."""
    if config.relay is None:
        return None, None
    # Not at import: a host without a chain needs neither the network's client nor its memory.
    from daas_host.relay import Relay

    listener = None if config.relay.payloads is None else listen(config.relay.payloads)
    return Relay(config.relay, listener), listener


async def _saving(save: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(RELAY_STATE_SECONDS)
        save()


async def _until(stop: asyncio.Event, tasks: list[asyncio.Task[None]]) -> None:
    """Waits for `stop`. A part that fails ends the host with its error; the launcher may return, the host stays."""
    stopping = asyncio.ensure_future(_set(stop))
    watched: set[asyncio.Future[None]] = {stopping, *tasks}
    try:
        while not stopping.done():
            done, watched = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
    finally:
        stopping.cancel()


async def _set(stop: asyncio.Event) -> None:
    await stop.wait()


def bound(endpoint: Endpoint, sock: socket.socket) -> Endpoint:
    """The endpoint with the port that the system chose for port 0."""
    if endpoint.kind is Kind.TCP and endpoint.port == 0:
        return replace(endpoint, port=sock.getsockname()[1])
    return endpoint


def _remove_socket(endpoint: Endpoint) -> None:
    if endpoint.kind is Kind.UNIX:
        path = Path(endpoint.path)
        with suppress(FileNotFoundError):
            if stat.S_ISSOCK(path.lstat().st_mode):
                path.unlink()


def _figures(
    pipes: PipeServer, log_client: LogClient, enclave: EnclaveView, enclave_log: RotatingLog, relay: Relay | None
) -> Figures:
    to_enclave, from_enclave = pipes.bytes_total()
    return Figures(
        connections=pipes.connections,
        accepted=pipes.stats.accepted,
        bytes_to_enclave=to_enclave,
        bytes_from_enclave=from_enclave,
        refused=pipes.stats.refused,
        closed=pipes.stats.closed,
        enclave_up=enclave.pid is not None,
        enclave_restarts=enclave.restarts,
        enclave_log_lines_lost=enclave_log.lost,
        log_leaves=log_client.stats.leaves,
        log_leaves_lost=log_client.stats.lost,
        log_size=log_client.stats.size,
        log_connections=log_client.stats.connections,
        log_refused=log_client.stats.refused,
        relay=None if relay is None else relay.figures(),
    )

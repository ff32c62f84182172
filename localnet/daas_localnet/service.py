"""A network as a service: gRPC and the HTTP of health and faucet, until it is told to stop.

Invariant: `ready` is called once both ports are open; whatever ends the service, executed transactions are certified
and the ledger is closed.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from daas_chain.artifacts import Artifacts

from .node.checkpoints import Certified
from .opening import Opened, Options, open_network, unwritable
from .rpc.faucet import Faucet
from .rpc.http import serve_http
from .rpc.server import Pace, Running, serve, wall_clock_ms

RPC_PORT: Final = 9000
FAUCET_PORT: Final = 9123
"""Both as `sui start` has them."""
log = structlog.get_logger()


def configure_logs() -> None:
    """JSON lines on standard error, what the libraries have to say among them."""
    common: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*common, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processor=structlog.processors.JSONRenderer(), foreign_pre_chain=common)
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


@dataclass(frozen=True, slots=True)
class Service:
    """`faucet_port`: None: no faucet, no health and no metrics over HTTP. Port 0 is a free one."""

    options: Options = field(default_factory=Options)
    host: str = "127.0.0.1"
    port: int = RPC_PORT
    faucet_port: int | None = FAUCET_PORT
    pace: Pace = field(default_factory=Pace)


@dataclass(frozen=True, slots=True)
class Ready:
    """What somebody who waited for the service wants to know."""

    opened: Opened
    port: int
    faucet_port: int | None


async def run(
    service: Service, artifacts: Artifacts, ready: Callable[[Ready], None], stop: asyncio.Event | None = None
) -> None:
    """Until `stop` is set, or SIGTERM or SIGINT arrives.

    Raises FolderError, SettingsError, ArchiveError, OSError while it starts; later what makes checkpoints impossible:
    FolderError when it is the disk.
    """
    stopped = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    try:
        opened = open_network(service.options, artifacts, wall_clock_ms())
        try:
            await _serve(service, opened, ready, stopped)
        finally:
            opened.close()
    except sqlite3.Error as problem:
        folder = service.options.folder
        assert folder is not None  # nothing else uses it
        raise unwritable(folder, problem) from problem
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def _serve(service: Service, opened: Opened, ready: Callable[[Ready], None], stopped: asyncio.Event) -> None:
    undo = opened.network.listen(_note_epochs)
    running = await serve(opened.network, service.host, service.port, pace=service.pace)
    try:
        http = None
        if service.faucet_port is not None:
            faucet = Faucet(running.node, opened.faucet)
            http = await serve_http(running, faucet, service.host, service.faucet_port)
        log.info("serving", host=service.host, port=running.port, faucet_port=http and http.port)
        try:
            ready(Ready(opened, running.port, None if http is None else http.port))
            await _until(stopped, running)
        finally:
            if http is not None:
                await http.close()
    finally:
        undo()
        await running.close()
        log.info("stopped", checkpoint=opened.network.latest.number)


async def _until(stopped: asyncio.Event, running: Running) -> None:
    """Raises what the network failed by."""
    waits = {asyncio.create_task(stopped.wait()), asyncio.create_task(running.wait())}
    done, left = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for one in left:
        one.cancel()
    for one in done:
        one.result()


def _note_epochs(made: Certified) -> None:
    if made.summary.end_of_epoch is not None:
        log.info("epoch ended", epoch=made.summary.epoch, checkpoint=made.number)

"""A process around `Host`: event loop, signals, structured log lines on standard error."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable
from typing import Final

import structlog

from daas_host.app import Host
from daas_host.config import HostConfig
from daas_host.process import become_subreaper
from daas_protocol.transport.tuning import allow_descriptors

SPARE_DESCRIPTORS: Final = 128
"""Listeners, log, tiles, the enclave's output, scrapers."""

log = structlog.get_logger("daas_host")


def configure_logging() -> None:
    """JSON lines on standard error, from INFO upwards."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """uvloop's loop where there is one: half the CPU per carried byte."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def run(config: HostConfig) -> None:
    """Until SIGTERM, SIGINT or SIGHUP; a second signal while stopping changes nothing, the stop is bounded in time."""
    configure_logging()
    os.umask(0o077)
    # Each carried connection has two.
    needed = 2 * config.limits.max_connections + SPARE_DESCRIPTORS
    if (allowed := allow_descriptors(needed)) < needed:
        log.warning("few_descriptors", needed=needed, allowed=allowed)
    adopting = become_subreaper()
    # What was imported stays for ever: the collector need not look at it again and again.
    gc.freeze()

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, stop.set)
        await Host(config, adopting=adopting).serve(stop)

    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(main())

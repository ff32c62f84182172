"""`python -m daas_gateway CONFIG.json`: runs a gateway until SIGTERM or SIGINT.

Exit codes: 0 stopped, 1 the configuration or a key is refused, 2 a file cannot be read or the arguments are wrong.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from daas_gateway.app import Gateway
from daas_gateway.channel import MAX_TOTAL
from daas_gateway.config import GatewayConfig, load_config
from daas_gateway.server import MAX_CONNECTIONS
from daas_protocol.secret_memory import forbid_core_dumps, forbid_inspection
from daas_protocol.transport.tuning import allow_descriptors, settle_garbage_collector

SPARE_DESCRIPTORS: Final = 128
"""Listeners, receipts, log, scrapers, handshakes under way."""
SWITCH_SECONDS: Final = 0.0005


def configure_logs() -> None:
    """JSON lines on standard error."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


async def run(config: GatewayConfig) -> None:
    """Runs until a signal."""
    gateway = Gateway(config)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in ("SIGTERM", "SIGINT"):
        # Windows' loops have no signal handlers; there Ctrl-C raises KeyboardInterrupt instead.
        with suppress(NotImplementedError):
            loop.add_signal_handler(getattr(signal, name), stopping.set)
    try:
        await gateway.start()
        await stopping.wait()
    finally:
        await gateway.stop()


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    if len(arguments) != 1:
        print("usage: python -m daas_gateway CONFIG.json", file=sys.stderr)
        return 2
    configure_logs()
    # The writer of receipts shares the interpreter with the event loop: it must not hold it for the usual 5 ms.
    sys.setswitchinterval(SWITCH_SECONDS)
    log = structlog.get_logger("daas.gateway")
    try:
        forbid_core_dumps()
        config = load_config(Path(arguments[0]))
        # Beside simulated hardware people debug, and `daas down` finds what is left over by its environment; the key
        # of a user whose cluster is real is worth more than that.
        if config.root is None:
            forbid_inspection()
        try:
            import uvloop
        except ImportError:
            runner = asyncio.Runner()
        else:
            runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        needed = MAX_CONNECTIONS + MAX_TOTAL + SPARE_DESCRIPTORS
        if (allowed := allow_descriptors(needed)) < needed:
            log.warning("few_descriptors", needed=needed, allowed=allowed)
        settle_garbage_collector()
        with runner, suppress(KeyboardInterrupt):
            runner.run(run(config))
    except OSError as problem:
        log.error("gateway_failed", error=type(problem).__name__, message=str(problem))
        return 2
    except ValueError as problem:
        log.error("gateway_refused", error=type(problem).__name__, message=str(problem))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

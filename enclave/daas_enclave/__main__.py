"""`python -m daas_enclave CONFIG.json`: run one enclave until it is told to stop.

Exit codes: 0 stopped, 1 failed, 2 the configuration cannot be used.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog

from daas_attestation.nsm import Nsm
from daas_attestation.nsm_device import NsmDevice
from daas_attestation.process_measure import measure_process
from daas_attestation.simulated import DevelopmentCa, SimulatedNsm
from daas_enclave import logs
from daas_enclave.app import App, RequestPathFactory
from daas_enclave.config import (
    ConfigError,
    DeviceNsmConfig,
    EnclaveConfig,
    Mode,
    NsmConfig,
    SimulatedNsmConfig,
    load_config,
)
from daas_enclave.lifeline import LifelineError, lifeline_fd, watch
from daas_enclave.measured import measured_files
from daas_protocol.secret_memory import forbid_core_dumps, forbid_inspection
from daas_protocol.transport.tuning import allow_descriptors, settle_garbage_collector

SPARE_DESCRIPTORS: Final = 256
"""Listeners, logs, processes, control requests, handshakes under way."""


def harden(mode: Mode) -> None:
    """No core dump of this process or its children, private files by default; in production not even ptrace."""
    forbid_core_dumps()
    os.umask(0o077)
    if mode is Mode.PRODUCTION:
        forbid_inspection()


def make_nsm(config: NsmConfig) -> Nsm:
    """The NSM provider that was configured; it brings its own trust anchor."""
    match config:
        case DeviceNsmConfig():
            return NsmDevice()
        case SimulatedNsmConfig(development_ca, measured):
            pcrs = measure_process(measured_files(measured))
            # The machine's clock stands in for the Nitro side's, here and nowhere else.
            return SimulatedNsm(DevelopmentCa.load(development_ca), pcrs, lambda: time.time_ns() // 1_000_000)


def request_path_factory() -> RequestPathFactory:
    # Imported late: a configuration error must not cost the import of the whole request path.
    from daas_enclave.request_path import RequestPath

    return RequestPath


def allow_files() -> None:
    """As many open files as the limits of connections say: the usual 1024 would end half-way to them."""
    from daas_enclave.egress import MAX_TUNNELS
    from daas_enclave.execute import MAX_LONG, MAX_SHORT
    from daas_enclave.server import MAX_CONNECTIONS

    needed = MAX_CONNECTIONS + MAX_SHORT + MAX_LONG + 2 * MAX_TUNNELS + SPARE_DESCRIPTORS
    if (allowed := allow_descriptors(needed)) < needed:
        structlog.get_logger().warning(logs.FEW_DESCRIPTORS, needed=needed, allowed=allowed)


async def serve(config: EnclaveConfig, nsm: Nsm, lifeline: int | None) -> int:
    """One boot from clock to exit code."""
    app = App(config, nsm, request_path_factory())
    pump = logs.configure(app.clock.now_ms)
    allow_files()
    undo = watch(lifeline, app.stop)
    structlog.get_logger().info(logs.BOOT_STARTED, mode=config.mode.value, attestation=nsm.anchor.kind, pid=os.getpid())
    try:
        return await app.run()
    finally:
        undo()
        pump.close()


def run(config: EnclaveConfig, lifeline: int | None) -> int:
    harden(config.mode)
    nsm = make_nsm(config.nsm)
    try:
        import uvloop
    except ImportError:
        return asyncio.run(serve(config, nsm, lifeline))
    settle_garbage_collector()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(serve(config, nsm, lifeline))


def main(argv: Sequence[str]) -> int:
    if len(argv) != 2:
        logs.panic("usage: python -m daas_enclave CONFIG.json")
        return 2
    try:
        config = load_config(Path(argv[1]))
        lifeline = lifeline_fd(os.environ)
    except (ConfigError, LifelineError) as error:
        logs.panic(str(error))
        return 2
    try:
        return run(config, lifeline)
    except KeyboardInterrupt:
        return 0
    except Exception as error:
        logs.panic(f"{type(error).__name__}: {error} (at {logs.frames_of(error)})")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv))

"""What a hostile host can do at the log port: dial, read nothing, acknowledge nothing."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import pytest

from daas_enclave.leaf_buffer import CHUNK_LEAVES, LEAF_SIZE, LeafBuffer
from daas_enclave.log_port import LogConnection, LogPort
from support.enclave_path import BOOT, listening
from support.waiting import until

DIALS = 12


async def test_a_host_that_dials_again_and_reads_nothing_holds_one_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Closed politely, each would keep its descriptor and a batch in its buffer until the host takes it: for ever.
    made: list[LogConnection] = []
    lost: list[LogConnection] = []
    connected, connection_lost = LogPort.connected, LogConnection.connection_lost
    monkeypatch.setattr(LogPort, "connected", lambda port, one: (made.append(one), connected(port, one)))
    monkeypatch.setattr(
        LogConnection, "connection_lost", lambda one, why: (lost.append(one), connection_lost(one, why))
    )
    leaves = LeafBuffer()
    for _ in range(16 * CHUNK_LEAVES):
        leaves.append(bytes(LEAF_SIZE))
    port = LogPort(BOOT, leaves)
    await port.serve(listening(tmp_path / "l"))
    with contextlib.ExitStack() as dialled:
        for _ in range(DIALS):
            client = dialled.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            client.connect(str(tmp_path / "l"))
        await until(lambda: len(made) == DIALS)
        await until(lambda: len(lost) == DIALS - 1, limit_s=5.0)
        assert made[-1] not in lost
        await port.stop(0)

"""The request path's own tasks: none may be driven by a user, and none may die unseen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from daas_enclave import exchange, log_port, request_path
from daas_enclave.rbac import Reconciled, Reconciler
from support.enclave_path import Harness, start
from support.waiting import PATIENCE_S, until

NAMESPACES = "/api/v1/namespaces"


@pytest.fixture
async def path(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Harness]:
    harness = await start(tmp_path_factory.mktemp("p"))
    yield harness
    await harness.stop()


async def test_who_creates_namespaces_in_a_row_does_not_drive_the_reconciler(
    path: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = []

    async def run(*_: object) -> Reconciled:
        passes.append(1)
        return Reconciled()

    monkeypatch.setattr(Reconciler, "run", run)
    monkeypatch.setattr(request_path, "RECONCILE_PAUSE", 3600.0)
    session = await path.opened()
    for _ in range(4):
        assert (await path.ask("POST", f"{NAMESPACES}?dryRun=All", session, body=b"{}")).status == 200
        await until(lambda: passes)
    assert len(passes) == 1


@pytest.mark.parametrize("module", [exchange, log_port])
async def test_a_task_that_dies_ends_the_request_path(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, module: object
) -> None:
    # Without the sweeper a watch would go on after its token was revoked, and /status would still say Serving.
    def fail(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(exchange, "SWEEP_SECONDS", 0.01)
    monkeypatch.setattr(exchange.Exchanges, "sweep", fail if module is exchange else lambda *_: None)
    harness = await start(tmp_path_factory.mktemp("p"))
    if module is log_port:
        monkeypatch.setattr(log_port.LogConnection, "send", fail)
        harness.path._log_port._current = log_port.LogConnection(harness.path._log_port)
        await harness.opened()
    with pytest.raises(RuntimeError, match="broken"):
        await asyncio.wait_for(asyncio.shield(harness.serving), PATIENCE_S)
    monkeypatch.undo()
    harness.path._log_port._current = None
    await harness.stop()

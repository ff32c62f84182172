"""A boot from end to end with stand-in programs: phases in order, Paused while anything is down, a clean way down."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from daas_enclave.phases import Phase
from support.app_rig import NOW_MS, Rig, phases
from support.waiting import PATIENCE_S


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    it = Rig(tmp_path)
    yield it
    if it.task is not None and not it.task.done():
        await it.stop()


async def test_a_boot_goes_through_every_phase_in_order_and_down_again(rig: Rig) -> None:
    app = rig.start()
    await rig.until(Phase.SERVING)
    assert phases(app) == ["Booting", "Keys", "ControlPlane", "Unregistered", "Serving"]
    (path,) = rig.paths
    assert path.calls == ["serve in ControlPlane", "prepare in ControlPlane"]
    assert (rig.folder / "api.sock").is_socket()
    pids = [app.board.read()["components"][name]["pid"] for name in ("etcd", "server")]
    assert await rig.stop() == 0
    assert phases(app)[-2:] == ["Draining", "Stopped"]
    assert path.calls[-1] == "drain in Draining"
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert not (rig.folder / "api.sock").exists()
    assert not (rig.folder / "data" / "egress.sock").exists()


async def test_the_runtime_is_bound_to_the_configuration_and_the_policy(rig: Rig) -> None:
    app = rig.start()
    await rig.until(Phase.SERVING)
    runtime = rig.paths[0].runtime
    binding = runtime.binding
    assert (binding.package_id, binding.cluster_id, binding.enclave_id) == (
        bytes(32),
        bytes(31) + b"\1",
        bytes(31) + b"\2",
    )
    assert binding.light_client_anchor == runtime.authority.anchor
    assert binding.tls_spki_sha256 == runtime.tls.spki_sha256
    assert binding.boot_id == runtime.boot_id
    assert runtime.clock.now_ms() >= NOW_MS
    assert "PRIVATE" not in repr(runtime)
    status = app.board.read()
    assert json.loads(json.dumps(status)) == status
    assert status["identity"]["attestation"] == "simulated"
    assert status["state"]["protected_from_this_machine"] is False
    assert status["sealing"]["provider"] == "development"
    assert status["requests"] == {"calls": 2}


@pytest.mark.parametrize("name", ["etcd", "server"])
async def test_losing_a_process_pauses_at_once_and_serving_resumes(rig: Rig, name: str) -> None:
    app = rig.start()
    await rig.until(Phase.SERVING)
    pid = rig.kill(name)
    await rig.until(Phase.PAUSED)
    assert name in app.phases.state.reason
    assert not rig.paths[0].runtime.phase.serving
    await rig.until(Phase.SERVING)
    component = app.board.read()["components"][name]
    assert component["pid"] != pid
    assert component["restarts"] == 1
    assert component["last_exit"] == "killed by SIGKILL"


async def test_a_server_that_answers_not_ready_pauses_without_a_restart(rig: Rig) -> None:
    app = rig.start()
    await rig.until(Phase.SERVING)
    (rig.folder / "server-unready").touch()
    await rig.until(Phase.PAUSED)
    assert "made-up" in app.phases.state.reason
    (rig.folder / "server-unready").unlink()
    await rig.until(Phase.SERVING)
    assert app.board.read()["components"]["server"]["restarts"] == 0


async def test_it_never_serves_before_the_request_path_is_prepared(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daas_enclave.app.PREPARE_PAUSE_S", 0.01)
    rig.fail_prepare = 2
    app = rig.start()
    await rig.until(Phase.SERVING)
    assert rig.paths[0].calls.count("prepare in ControlPlane") == 3
    assert phases(app).count("Serving") == 1


async def test_a_request_path_that_cannot_be_prepared_fails_the_boot_and_stops_everything(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daas_enclave.app.PREPARE_PAUSE_S", 0.01)
    rig.fail_prepare = 1000
    app = rig.start()
    assert rig.task is not None
    assert await asyncio.wait_for(rig.task, PATIENCE_S) == 1
    assert app.phases.current is Phase.FAILED
    assert {c["state"] for c in app.board.read()["components"].values()} == {"stopped"}


async def test_a_program_of_another_hash_is_never_run(rig: Rig) -> None:
    config = rig.config()
    config["control_plane"]["sha256"] = "00" * 32
    app = rig.start(control_plane=config["control_plane"])
    assert rig.task is not None
    assert await asyncio.wait_for(rig.task, PATIENCE_S) == 1
    assert "is not run" in app.phases.state.reason
    assert phases(app) == ["Booting", "Keys", "ControlPlane", "Failed"]
    assert rig.paths == []


async def test_an_official_k3s_with_its_own_etcd_program_boots_by_the_same_class(rig: Rig) -> None:
    etcd = rig.folder / "etcd"
    etcd.write_bytes(rig.program.read_bytes() + b"#\n")
    etcd.chmod(0o755)
    plane = rig.config()["control_plane"] | {
        "kind": "k3s",
        "etcd": {"path": str(etcd), "sha256": hashlib.sha256(etcd.read_bytes()).hexdigest()},
    }
    app = rig.start(control_plane=plane)
    await rig.until(Phase.SERVING)
    assert app.board.read()["control_plane"]["kind"] == "k3s"


async def test_stopping_in_the_middle_of_a_boot_is_clean(rig: Rig) -> None:
    (rig.folder / "server-unready").touch()
    app = rig.start()
    await rig.until(Phase.CONTROL_PLANE)
    await rig.when(lambda: (app.board.read().get("components") or {}).get("server", {}).get("pid") is not None)
    assert await rig.stop() == 0
    assert phases(app)[-1] == "Stopped"
    assert "Draining" not in phases(app)


async def test_an_etcd_that_always_exits_is_shown_and_never_served_over(rig: Rig) -> None:
    (rig.folder / "etcd-exits").touch()
    app = rig.start()
    await rig.when(lambda: (app.board.read().get("components") or {}).get("etcd", {}).get("restarts", 0) >= 2)
    status = app.board.read()
    assert status["components"]["etcd"]["last_exit"] == "exit code 3"
    assert status["components"]["server"]["state"] == "waiting"
    assert app.phases.current is Phase.CONTROL_PLANE
    (rig.folder / "etcd-exits").unlink()
    await rig.until(Phase.SERVING)


async def test_a_restart_keeps_cluster_and_ports_and_changes_the_boot(rig: Rig) -> None:
    rig.start()
    await rig.until(Phase.SERVING)
    first = rig.paths[0].runtime
    authority = (rig.folder / "data" / "k3s" / "server" / "tls" / "server-ca.crt").read_bytes()
    await rig.stop()
    rig.start()
    await rig.until(Phase.SERVING)
    second = rig.paths[1].runtime
    assert (rig.folder / "data" / "k3s" / "server" / "tls" / "server-ca.crt").read_bytes() == authority
    assert first.api_server.port == second.api_server.port
    assert first.boot_id != second.boot_id
    assert first.receipt_key.public != second.receipt_key.public


async def test_another_clusters_data_folder_is_refused(rig: Rig) -> None:
    rig.start()
    await rig.until(Phase.SERVING)
    await rig.stop()
    app = rig.start(cluster_id="0x9")
    assert rig.task is not None
    assert await asyncio.wait_for(rig.task, PATIENCE_S) == 1
    assert "sealed for cluster" in app.phases.state.reason


async def test_two_enclaves_never_share_a_data_folder(rig: Rig) -> None:
    (rig.folder / "data").mkdir()
    with (rig.folder / "data" / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        app = rig.start()
        assert rig.task is not None
        assert await asyncio.wait_for(rig.task, PATIENCE_S) == 1
    assert "another enclave" in app.phases.state.reason


async def test_a_broken_policy_file_fails_before_any_key_is_made(rig: Rig) -> None:
    (rig.folder / "policy.yaml").write_text("version: 1\ntokens: 7\n")
    app = rig.start()
    assert rig.task is not None
    assert await asyncio.wait_for(rig.task, PATIENCE_S) == 1
    assert phases(app) == ["Booting", "Failed"]

"""Starting and stopping with stand-ins for the components: what fails is undone, what hangs is ended."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from daas_cli import instance, launch_files, lifecycle, measuring, processes, settings, status, up
from daas_cli.errors import RefusedError
from daas_cli.gateway_client import GatewayView, parse_view
from daas_cli.home import Home
from daas_cli.instance import Instance
from daas_cli.launch_files import LaunchInputs, Program
from daas_cli.output import Progress
from daas_cli.settings import Settings
from daas_enclave.config import parse_config as parse_enclave
from daas_gateway.config import parse_config as parse_gateway
from daas_host.config import parse as parse_host
from daas_protocol.binding import policy_file_anchor

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

SLEEPS = (sys.executable, "-c", "import time; time.sleep(60)")
HANGS = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)",
)
LEAVES_AN_ORPHAN = (
    sys.executable,
    "-c",
    "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'],"
    " start_new_session=True); print(p.pid, flush=True)",
)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home")
    home.create()
    instance.save(home, instance.create(home, 0))
    yield home
    known = instance.load(home)
    if known is not None:
        processes.stop(processes.of_instance(known.instance), 0.1)


@pytest.fixture
def known(home: Home) -> Instance:
    found = instance.load(home)
    assert found is not None
    return found


def gone(known: Instance) -> bool:
    return processes.of_instance(known.instance) == []


def test_started_components_outlive_their_starter_and_are_stopped_by_their_records(home: Home, known: Instance) -> None:
    starter = lifecycle.Starter(home, known)
    starter.start("host", SLEEPS)
    starter.start("gateway", SLEEPS)
    now = lifecycle.running(home)
    assert now.all
    assert now.host is not None
    assert os.getsid(now.host.pid) == now.host.pid
    assert lifecycle.stop(home, known) == []
    assert lifecycle.running(home).none
    assert gone(known)
    assert not home.run.exists()


def test_a_component_that_hangs_is_killed_after_its_grace(
    home: Home, known: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "HOST_GRACE", 0.3)
    lifecycle.Starter(home, known).start("host", HANGS)
    while "deaf" not in lifecycle.log_path(home, "host").read_text():
        time.sleep(0.02)
    assert len(lifecycle.stop(home, known)) == 1
    assert gone(known)


def test_what_a_dead_host_left_behind_is_found_and_stopped(home: Home, known: Instance) -> None:
    starter = lifecycle.Starter(home, known)
    starter.start("host", LEAVES_AN_ORPHAN)
    for _ in range(3000):
        if lifecycle.running(home).none and processes.of_instance(known.instance):
            break
        time.sleep(0.02)
    assert not gone(known)
    was_running, _ = up.stop(home)
    assert was_running
    assert gone(known)


def test_a_component_that_ends_at_once_is_named_with_its_log(home: Home, known: Instance) -> None:
    starter = lifecycle.Starter(home, known)
    starter.start("gateway", SLEEPS)
    with pytest.raises(RefusedError, match=r"the host ended .* \(exit 7\)"):
        starter.start("host", (sys.executable, "-c", "raise SystemExit(7)"))
        for _ in range(3000):
            starter.check()
            time.sleep(0.02)


def test_a_record_of_a_reused_pid_stops_nobody(home: Home, known: Instance) -> None:
    stranger = subprocess.Popen(SLEEPS)
    try:
        real = processes.identify(stranger.pid)
        assert real is not None
        other = processes.ProcessId(real.pid, real.started - 1, real.boot)
        processes.write_record(lifecycle.record_path(home, "host"), other)
        assert lifecycle.running(home).none
        up.stop(home)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_the_environment_carries_the_mark_and_no_settings(known: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAAS_GATEWAY_PORT", "1")
    environment = lifecycle.environment(known)
    assert environment["DAAS_INSTANCE"] == known.instance
    assert "DAAS_GATEWAY_PORT" not in environment


@pytest.fixture
def fake_components(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[str, ...]]:
    """`daas up` with programs of the test in place of host and gateway."""
    programs: dict[str, tuple[str, ...]] = {"host": SLEEPS, "gateway": SLEEPS}
    real = lifecycle.Starter.start

    def start(self: lifecycle.Starter, name: str, argv: tuple[str, ...] | None = None) -> None:
        real(self, name, programs[name])

    monkeypatch.setattr(lifecycle.Starter, "start", start)
    return programs


@pytest.fixture
def chosen(tmp_path: Path) -> Settings:
    program = tmp_path / "daas-k3s"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return settings.parse(b"version: 1", {"DAAS_K3S": str(program)})


def test_a_gateway_that_never_listens_ends_the_start_and_everything_with_it(
    home: Home, known: Instance, chosen: Settings, fake_components: dict[str, tuple[str, ...]]
) -> None:
    with pytest.raises(RefusedError, match="not ready after"):
        up.up(home, chosen, Progress(quiet=True), ready_seconds=0.6)
    assert gone(known)
    assert lifecycle.running(home).none


def test_a_crash_during_the_start_shows_its_last_words_and_undoes_the_start(
    home: Home, known: Instance, chosen: Settings, fake_components: dict[str, tuple[str, ...]]
) -> None:
    home.logs.joinpath("gateway.log").write_text("words of another day\n")
    fake_components["gateway"] = (sys.executable, "-c", "print('no more disk'); raise SystemExit(1)")
    with pytest.raises(RefusedError) as caught:
        up.up(home, chosen, Progress(quiet=True), ready_seconds=120)
    assert caught.value.details == ("gateway: no more disk",)
    assert caught.value.next_step
    assert gone(known)


def test_an_enclave_that_keeps_crashing_ends_the_start_early(
    home: Home, known: Instance, chosen: Settings, fake_components: dict[str, tuple[str, ...]]
) -> None:
    home.host.joinpath("host.json").write_text(
        '{"enclave": {"consecutive_crashes": 3, "last_exit": {"code": 1, "signal": null, "lines": ["out of luck"]}}}'
    )
    began = time.monotonic()
    with pytest.raises(RefusedError, match="3 times in a row") as caught:
        up.up(home, chosen, Progress(quiet=True), ready_seconds=240)
    assert caught.value.details == ("out of luck",)
    assert time.monotonic() - began < 120
    assert gone(known)


def test_what_up_makes_is_made_once_and_kept(home: Home, known: Instance, chosen: Settings) -> None:
    server, _ = up.binaries.control_plane(chosen.control_plane)
    first = up.prepare(home, chosen, known, server, None)
    kept = {
        path: path.read_bytes()
        for path in (home.policy, home.credential, home.keys / "default.json", home.measurements)
    }
    home.policy.write_bytes(home.policy.read_bytes() + b"# mine\n")
    second = up.prepare(home, chosen, instance.load(home), server, None)
    assert home.policy.read_bytes().endswith(b"# mine\n")
    for path in (home.credential, home.keys / "default.json", home.measurements):
        assert path.read_bytes() == kept[path]
    assert second.policy_anchor == policy_file_anchor(home.policy.read_bytes()) != first.policy_anchor
    assert second.instance == first.instance


def test_the_files_up_writes_are_what_the_components_read(home: Home, known: Instance, chosen: Settings) -> None:
    server, _ = up.binaries.control_plane(chosen.control_plane)
    inputs = up.prepare(home, chosen, known, server, None)
    enclave = parse_enclave(home.component_config("enclave").read_bytes())
    host = parse_host(home.component_config("host").read_bytes())
    gateway = parse_gateway(home.component_config("gateway").read_bytes())
    assert enclave.enclave_id == gateway.enclave_id
    assert enclave.cluster_id == gateway.cluster_id
    assert enclave.listen == str(host.enclave.api)
    assert enclave.log_listen == str(host.enclave.log)
    assert str(gateway.host) == str(host.listen)
    assert gateway.policy_anchor == inputs.policy_anchor
    for name in ("enclave", "host", "gateway"):
        assert home.component_config(name).stat().st_mode & 0o777 == 0o600


def test_allow_exec_reaches_the_gateway(home: Home, known: Instance) -> None:
    program = Program(Path("/x"), "00" * 32)
    inputs = LaunchInputs(
        home, known, settings.parse(b"version: 1", {"DAAS_ALLOW_EXEC": "1"}), program, None, [Path("/x")], bytes(32)
    )
    assert launch_files.gateway_config(inputs)["reject_paths"] == []


def test_the_measurement_covers_every_file_of_the_trusted_base(chosen: Settings) -> None:
    server, _ = up.binaries.control_plane(chosen.control_plane)
    names = {path.name for path in measuring.measured_paths(server, None)}
    assert {"bcs.py", "verify.py", "authorize.py", "supervisor.py", "follower.py", "daas-k3s"} <= names


def test_new_code_ends_the_old_measurement_and_becomes_the_accepted_one() -> None:
    def pcrs(n: int) -> dict[int, bytes]:
        return {index: bytes([n]) * 48 for index in (0, 1, 2)}

    first = measuring.succeed([], pcrs(1), 1000)
    assert measuring.succeed(first, pcrs(1), 2000) == first
    second = measuring.succeed(first, pcrs(2), 2000)
    assert [(item.valid_from, item.valid_to) for item in second] == [(0, 2000), (2000, None)]
    back = measuring.succeed(second, pcrs(1), 1500)
    assert [item for item in back if item.valid_to is None] == [back[-1]]
    assert back[-1].pcr0 == pcrs(1)[0]
    for n in range(3 * measuring.KEPT):
        back = measuring.succeed(back, pcrs(n % 7), 10_000 + n)
    assert len(back) <= measuring.KEPT + 1


def test_a_view_without_an_enclave_is_not_serving_and_says_why() -> None:
    view = parse_view({"attestation": None, "enclave": None, "problem": {"message": "no connection"}})
    assert not view.serving
    assert view.problem == "no connection"
    assert up.waiting_for(view) == "no connection"
    assert parse_view({"attestation": {"anchor": "simulated"}, "enclave": {"status": 200, "body": "{"}}).problem
    assert not parse_view(
        {"attestation": {}, "enclave": {"status": 200, "body": '{"phase": {"serving": true}}'}}
    ).serving


def test_a_refusal_of_the_enclave_is_no_status() -> None:
    view = parse_view({"attestation": {"a": 1}, "enclave": {"status": 403, "body": '{"message": "not you"}'}})
    assert view.enclave == {}
    assert view.problem == "not you"


def test_status_of_parts_that_are_down_names_them(home: Home, known: Instance) -> None:
    seen = status.read(home)
    assert not seen.reachable
    assert seen.view == GatewayView()
    assert {part.name: part.state for part in seen.components} == {"gateway": "down", "host": "down", "enclave": "down"}
    assert seen.problem
    assert seen.advice

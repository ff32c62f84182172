"""instance.json: ids and ports that last, sockets whose paths fit, and one command at a time."""

from __future__ import annotations

import json
import os
import socket
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daas_cli import instance, lifecycle
from daas_cli.errors import RefusedError, UnreadableError
from daas_cli.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    return home


def test_what_is_saved_is_loaded_and_private(home: Home) -> None:
    made = instance.create(home, 5)
    instance.save(home, made)
    assert instance.load(home) == made
    assert stat.S_IMODE(home.instance.stat().st_mode) == 0o600


def test_ids_are_never_alike(home: Home) -> None:
    one, two = instance.create(home, 0), instance.create(home, 0)
    ids = {one.cluster_id, one.enclave_id, one.token_id, two.cluster_id, two.enclave_id, two.token_id}
    assert len(ids) == 6


@pytest.mark.parametrize("damage", ["", "[]", "{}", "{", '{"version": 1}'])
def test_a_damaged_file_is_named_and_never_replaced(home: Home, damage: str) -> None:
    home.instance.write_text(damage)
    with pytest.raises(UnreadableError, match=r"instance\.json"):
        instance.load(home)
    assert home.instance.read_text() == damage


def test_another_version_or_type_is_refused(home: Home) -> None:
    instance.save(home, instance.create(home, 0))
    value = json.loads(home.instance.read_text())
    for change in ({"version": 2}, {"gateway_port": "80"}, {"more": 1}):
        home.instance.write_text(json.dumps(value | change))
        with pytest.raises(UnreadableError):
            instance.load(home)


def test_folders_are_closed_to_others(tmp_path: Path) -> None:
    home = Home(tmp_path / "open")
    home.root.mkdir(mode=0o755)
    home.create()
    for folder in home.folders():
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@given(st.sets(st.sampled_from(instance.PORTS), max_size=50), st.none() | st.integers(1, 65535))
def test_chosen_ports_are_free_and_differ(taken: set[int], wanted: int | None) -> None:
    known = instance.create(Home(Path("/nowhere")), 0)

    def is_free(port: int) -> bool:
        return port not in taken

    try:
        chosen = instance.with_ports(known, wanted, is_free=is_free)
    except RefusedError:
        assert wanted in taken
        return
    assert chosen.gateway_port != chosen.host_port
    assert not {chosen.gateway_port, chosen.host_port} & taken
    assert wanted is None or chosen.gateway_port == wanted
    again = instance.with_ports(chosen, wanted, is_free=is_free)
    assert (again.gateway_port, again.host_port) == (chosen.gateway_port, chosen.host_port)


def test_a_stored_port_that_somebody_took_is_chosen_anew(home: Home) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        known = replace(instance.create(home, 0), gateway_port=port, host_port=port)
        chosen = instance.with_ports(known, None)
        assert port not in (chosen.gateway_port, chosen.host_port)
        with pytest.raises(RefusedError, match=str(port)):
            instance.with_ports(known, port)


def test_no_free_port_is_said_instead_of_searched_for_ever(home: Home) -> None:
    with pytest.raises(RefusedError, match="no free port"):
        instance.with_ports(instance.create(home, 0), None, is_free=lambda port: False)


def test_socket_paths_fit_whatever_the_home_is_called(tmp_path: Path) -> None:
    home = Home(tmp_path / ("long" * 30))
    home.create()
    placed = instance.with_run_dir(instance.create(home, 0), home)
    try:
        path = placed.socket(instance.LONGEST_SOCKET_NAME)
        assert len(str(path)) <= instance.MAX_SOCKET_PATH
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert instance.with_run_dir(placed, home) == placed
    finally:
        Path(placed.run_dir).rmdir()


def test_a_run_folder_that_others_may_enter_is_not_used(tmp_path: Path) -> None:
    home = Home(tmp_path / ("long" * 30))
    home.create()
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    placed = instance.with_run_dir(replace(instance.create(home, 0), run_dir=str(shared)), home)
    assert placed.run_dir != str(shared)
    Path(placed.run_dir).rmdir()


def test_stopping_removes_no_folder_on_the_word_of_instance_json(home: Home, tmp_path: Path) -> None:
    precious = tmp_path / "documents"
    precious.mkdir(mode=0o700)
    made = tmp_path / f"{instance.RUN_DIR_PREFIX}x"
    made.mkdir(mode=0o700)
    for folder in (precious, made):
        lifecycle.stop(home, replace(instance.create(home, 0), run_dir=str(folder)))
    assert precious.is_dir()
    assert not made.exists()


def test_a_home_of_another_user_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: home.root.stat().st_uid + 1)
    with pytest.raises(RefusedError, match="belongs to user"):
        home.create()


def test_a_short_home_keeps_its_sockets_inside() -> None:
    home = Home(Path("/h"))
    assert instance.with_run_dir(instance.create(home, 0), home).run_dir == "/h/run"


def test_one_command_at_a_time(home: Home) -> None:
    with instance.locked(home), pytest.raises(RefusedError, match="another daas command"), instance.locked(home):
        pass
    with instance.locked(home):
        pass

"""What outlives a boot, by mode, and what /status says of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from daas_enclave.config import (
    Binary,
    ControlPlaneConfig,
    ControlPlaneKind,
    DeviceNsmConfig,
    EnclaveConfig,
    KubeletEgress,
    Mode,
)
from daas_enclave.controlplane import Layout
from daas_enclave.pki import encode_pki
from daas_enclave.state_folder import FolderInUse, cluster_pki, lock_data_dir
from daas_enclave.status import StatusBoard, state_json

NOW_MS = 1_790_000_000_000


def config(folder: Path, mode: Mode) -> EnclaveConfig:
    plane = ControlPlaneConfig(ControlPlaneKind.DAAS_K3S, Binary(Path("/k"), bytes(32)), None)
    return EnclaveConfig(
        mode=mode,
        package_id=bytes(32),
        cluster_id=b"\1" * 32,
        enclave_id=b"\2" * 32,
        policy_file=folder / "p",
        data_dir=folder,
        listen="unix:/a",
        log_listen="unix:/b",
        control_plane=plane,
        nsm=DeviceNsmConfig(),
        kubelet_egress=KubeletEgress.NONE,
    )


def test_process_mode_keeps_the_cluster_and_calls_its_sealing_development(tmp_path: Path) -> None:
    it = config(tmp_path, Mode.PROCESS)
    first, said = cluster_pki(it, Layout(tmp_path), bytes(32), os.urandom, NOW_MS)
    second, _ = cluster_pki(it, Layout(tmp_path), bytes(32), os.urandom, NOW_MS)
    assert encode_pki(first) == encode_pki(second)
    assert said["provider"] == "development"
    assert "whoever reads the folder reads the secrets" in said["description"]
    assert state_json(it)["protected_from_this_machine"] is False


def test_production_writes_nothing_and_says_that_the_cluster_ends_with_the_boot(tmp_path: Path) -> None:
    it = config(tmp_path, Mode.PRODUCTION)
    first, said = cluster_pki(it, Layout(tmp_path), bytes(32), os.urandom, NOW_MS)
    second, _ = cluster_pki(it, Layout(tmp_path), bytes(32), os.urandom, NOW_MS)
    assert encode_pki(first) != encode_pki(second)
    assert list(tmp_path.iterdir()) == []
    assert said["provider"] == "none"
    assert state_json(it)["survives_restart"] is False


def test_a_data_folder_has_one_holder_and_is_closed_to_others(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    folder.mkdir(mode=0o755)
    held = lock_data_dir(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    with pytest.raises(FolderInUse):
        lock_data_dir(folder)
    os.close(held)
    os.close(lock_data_dir(folder))


def test_a_part_of_the_status_that_fails_says_so_and_hides_no_other() -> None:
    board = StatusBoard()
    board.add("bad", lambda: 1 // 0)
    board.add("good", lambda: 1)
    assert board.read() == {"bad": {"error": "ZeroDivisionError"}, "good": 1}
    with pytest.raises(ValueError, match="already"):
        board.add("good", lambda: 2)

"""Tiles on the disk are those of Go's sumdb, byte for byte and name for name, as far as they claim the format."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from daas_host.tiles import BootTiles
from support import tlog_oracle

BOOT = bytes(16)


@pytest.mark.parametrize("size", [1, 255, 256, 257, 1300, 65_536 + 300])
def test_tiles_are_those_of_tlog(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    leaves = [hashlib.sha256(number.to_bytes(8, "big")).digest() for number in range(size)]
    BootTiles.open(tmp_path, BOOT).append(leaves)
    folder = tmp_path / BOOT.hex()
    stored = {str(path.relative_to(folder)): path.read_bytes().hex() for path in folder.rglob("*") if path.is_file()}
    expected = tlog_oracle.ask("tiles", leaves=[leaf.hex() for leaf in leaves])
    # Unfinished tiles of the upper levels can be computed from those below and are not kept.
    kept = {name: data for name, data in expected.items() if ".p/" not in name or name.startswith("tile/0/")}
    assert stored == kept
    assert len(stored) == size // 256 + (size % 256 > 0) + size // 65_536

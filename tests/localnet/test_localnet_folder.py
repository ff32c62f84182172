"""Promise: a network's keys are made once, are nobody else's to read, and are never replaced unseen."""

from __future__ import annotations

from pathlib import Path

import pytest

from daas_localnet.folder import LEDGER, SEEDS, FolderError, Seeds, open_folder


def test_the_same_folder_has_the_same_seeds_and_two_folders_have_not(tmp_path: Path) -> None:
    first, ledger = open_folder(tmp_path / "a" / "b")
    assert ledger == tmp_path / "a" / "b" / LEDGER
    assert open_folder(tmp_path / "a" / "b")[0] == first
    assert first.committee != first.faucet
    assert open_folder(tmp_path / "c")[0] != first


def test_only_the_owner_reads_them_and_nothing_shows_them(tmp_path: Path) -> None:
    seeds, _ = open_folder(tmp_path / "net")
    assert (tmp_path / "net").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "net" / SEEDS).stat().st_mode & 0o777 == 0o600
    assert seeds.committee.hex() not in repr(seeds)
    assert repr(seeds) == "Seeds()"


@pytest.mark.parametrize("damage", ["loose", "short", "long", "link", "gone"])
def test_a_folder_that_was_tampered_with_is_refused_with_what_to_do(tmp_path: Path, damage: str) -> None:
    _, ledger = open_folder(tmp_path)
    ledger.write_bytes(b"")
    path = tmp_path / SEEDS
    match damage:
        case "loose":
            path.chmod(0o644)
        case "short":
            path.write_bytes(bytes(63))
        case "long":
            path.write_bytes(bytes(65))
        case "link":
            path.rename(tmp_path / "elsewhere")
            path.symlink_to(tmp_path / "elsewhere")
        case _:
            path.unlink()
    with pytest.raises(FolderError, match=r"expected .*found .*;"):
        open_folder(tmp_path)


def test_seeds_that_cannot_be_made_leave_nothing(tmp_path: Path) -> None:
    def failing(_: int) -> bytes:
        raise OSError("no entropy")

    with pytest.raises(OSError, match="no entropy"):
        open_folder(tmp_path, failing)
    assert list(tmp_path.iterdir()) == []


def test_fresh_seeds_come_from_the_given_entropy() -> None:
    parts = iter([b"c" * 32, b"f" * 32])
    assert Seeds.fresh(lambda _: next(parts)) == Seeds(b"c" * 32, b"f" * 32)

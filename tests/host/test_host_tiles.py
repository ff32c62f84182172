"""Tiles: what was acknowledged is there, whole and in order, whatever happened in between."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from daas_host import tiles
from daas_host.proofs import BootProofs, ProofRange
from daas_host.tile_layout import TILE_BYTES, combine, split_hashes, tile_path
from daas_host.tiles import BadBootId, BootTiles, TileCorrupt, boots, read_leaves, stored_size
from daas_protocol.log import InclusionProofError, MerkleTree, RightEdge, verify_consistency, verify_inclusion

BOOT = bytes(range(16))
HASHES: list[bytes] = []


def leaves(count: int, start: int = 0) -> list[bytes]:
    if start + count > len(HASHES):
        HASHES.extend(hashlib.sha256(i.to_bytes(8, "big")).digest() for i in range(len(HASHES), start + count))
    return HASHES[start : start + count]


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """These tests kill processes, not machines: flushing the disk adds nothing to them but time."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    return


@pytest.mark.parametrize(
    ("number", "path"),
    [(0, "000"), (7, "007"), (999, "999"), (1000, "x001/000"), (1_234_067, "x001/x234/067")],
)
def test_tiles_lie_where_c2sp_says(number: int, path: str) -> None:
    assert tile_path(0, number) == f"tile/0/{path}"
    assert tile_path(2, number) == f"tile/2/{path}"


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 600), max_size=5))
@example([256]).via("a whole tile")
@example([255, 1, 256, 1]).via("edges of tiles")
def test_what_is_appended_is_read_back_and_gives_the_root_of_the_right_edge(sizes: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = BootTiles.open(Path(folder), BOOT)
        expected: list[bytes] = []
        for size in sizes:
            batch = leaves(size, len(expected))
            store.append(batch)
            expected += batch
            assert store.size == len(expected)
        edge = RightEdge()
        for leaf in expected:
            edge.append(leaf)
        assert read_leaves(Path(folder), BOOT) == expected
        assert BootProofs(Path(folder), BOOT).root(len(expected)) == edge.root()
        again = BootTiles.open(Path(folder), BOOT)
        assert again.size == len(expected)
        again.append(leaves(300, len(expected)))
        assert read_leaves(Path(folder), BOOT) == leaves(len(expected) + 300)


def test_only_whole_tiles_and_one_partial_are_on_the_disk(tmp_path: Path) -> None:
    store = BootTiles.open(tmp_path, BOOT)
    for count in (10, 300, 1, 300):
        store.append(leaves(count, store.size))
    files = {
        str(path.relative_to(tmp_path / BOOT.hex())): path.stat() for path in tmp_path.rglob("*") if path.is_file()
    }
    assert set(files) == {"tile/0/000", "tile/0/001", "tile/0/002.p/99"}
    assert all(stat.st_mode & 0o077 == 0 for stat in files.values())
    assert files["tile/0/000"].st_size == TILE_BYTES


def test_a_level_above_is_written_when_complete_and_holds_the_roots_below(tmp_path: Path) -> None:
    store = BootTiles.open(tmp_path, BOOT)
    every = leaves(65_536 + 300)
    store.append(every)
    above = split_hashes((tmp_path / BOOT.hex() / "tile/1/000").read_bytes())
    assert above == [combine(every[i : i + 256]) for i in range(0, 65_536, 256)]
    tree = MerkleTree(every)
    proofs = BootProofs(tmp_path, BOOT)
    for size in (1, 255, 256, 257, 65_535, 65_536, 65_537, len(every)):
        assert proofs.root(size) == tree.root(size)
        for index in {0, size // 3, size - 1}:
            proof = proofs.inclusion(index, size)
            verify_inclusion(leaf_hash=every[index], index=index, size=size, proof=proof, root=tree.root(size))
    # A crash between a tile and the one above it.
    (tmp_path / BOOT.hex() / "tile/1/000").unlink()
    assert BootTiles.open(tmp_path, BOOT).size == len(every)
    assert split_hashes((tmp_path / BOOT.hex() / "tile/1/000").read_bytes()) == above


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[BootProofs, MerkleTree]:
    folder = tmp_path_factory.mktemp("proofs")
    BootTiles.open(folder, BOOT).append(leaves(1500))
    return BootProofs(folder, BOOT), MerkleTree(leaves(1500))


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_proofs_are_those_of_rfc_6962(stored: tuple[BootProofs, MerkleTree], data: st.DataObject) -> None:
    proofs, tree = stored
    new = data.draw(st.integers(1, 1500))
    old = data.draw(st.integers(1, new))
    index = data.draw(st.integers(0, new - 1))
    assert list(proofs.inclusion(index, new)) == tree.inclusion_proof(index, new)
    assert list(proofs.consistency(old, new)) == tree.consistency_proof(old, new)
    verify_consistency(
        old_size=old,
        new_size=new,
        old_root=tree.root(old),
        new_root=tree.root(new),
        proof=proofs.consistency(old, new),
    )


def test_proofs_beyond_what_is_stored_are_refused(stored: tuple[BootProofs, MerkleTree]) -> None:
    proofs, _ = stored
    assert proofs.root(0) == hashlib.sha256(b"").digest()
    for index, size in ((5, 5), (-1, 5), (0, 1501), (0, 0)):
        with pytest.raises(ProofRange):
            proofs.inclusion(index, size)
    for old, new in ((0, 5), (6, 5), (1, 1501)):
        with pytest.raises(ProofRange):
            proofs.consistency(old, new)
    with pytest.raises(ProofRange):
        proofs.root(1501)


@settings(max_examples=25, deadline=None)
@given(count=st.integers(1, 600), keep=st.integers(0, 8191))
def test_a_torn_last_tile_is_cut_to_whole_hashes_and_goes_on(count: int, keep: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        BootTiles.open(folder, BOOT).append(leaves(count))
        last = max(path for path in folder.rglob("*") if path.is_file())
        size = last.stat().st_size
        os.truncate(last, min(keep, size))
        store = BootTiles.open(folder, BOOT)
        lost = (size + 31) // 32 - min(keep, size) // 32
        assert store.size == count - lost
        assert read_leaves(folder, BOOT) == leaves(count - lost)
        store.append(leaves(lost + 10, store.size))
        assert read_leaves(folder, BOOT) == leaves(count + 10)


def test_leftovers_of_a_kill_are_removed(tmp_path: Path) -> None:
    BootTiles.open(tmp_path, BOOT).append(leaves(300))
    base = tmp_path / BOOT.hex() / "tile/0"
    (base / "001.p/20").write_bytes(b"".join(leaves(20, 256)))  # an older version
    (base / "001.p/.45.00.tmp").write_bytes(b"half")
    (base / ".002.00.tmp").write_bytes(b"half")
    (base / "000.p").mkdir()
    (base / "000.p/255").write_bytes(b"x")
    assert BootTiles.open(tmp_path, BOOT).size == 300
    assert {str(path.relative_to(base)) for path in base.rglob("*")} == {"000", "001.p", "001.p/44"}


def test_a_damaged_tile_is_named_by_the_reader(tmp_path: Path) -> None:
    BootTiles.open(tmp_path, BOOT).append(leaves(600))
    os.truncate(tmp_path / BOOT.hex() / "tile/0/000", 100)
    with pytest.raises(TileCorrupt):
        read_leaves(tmp_path, BOOT, 0, 10)


@pytest.mark.parametrize("tiles_count", [0, 1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 31])
def test_a_reader_finds_the_end_among_any_number_of_whole_tiles(tiles_count: int, tmp_path: Path) -> None:
    store = BootTiles.open(tmp_path, BOOT)
    store.append(leaves(tiles_count * 256))
    assert stored_size(tmp_path / BOOT.hex()) == tiles_count * 256
    store.append(leaves(3, tiles_count * 256))
    assert stored_size(tmp_path / BOOT.hex()) == tiles_count * 256 + 3


def test_a_tile_that_is_gone_from_the_middle_is_an_error_to_whoever_needs_it(tmp_path: Path) -> None:
    BootTiles.open(tmp_path, BOOT).append(leaves(9 * 256))
    (tmp_path / BOOT.hex() / "tile/0/005").unlink()
    proofs = BootProofs(tmp_path, BOOT)
    with pytest.raises((IndexError, ProofRange)):
        proofs.inclusion(5 * 256 + 7, 9 * 256)
    with pytest.raises((IndexError, ProofRange)):
        proofs.root(9 * 256)
    assert BootTiles.open(tmp_path, BOOT).size == 5 * 256, "the writer keeps a prefix only"


@pytest.mark.parametrize("name", ["tile/0/001", "tile/1/000"])
@pytest.mark.parametrize("keep", [0, 31, 100, 8191])
def test_a_truncated_tile_never_gives_a_proof(name: str, keep: int, tmp_path: Path) -> None:
    every = leaves(65_536 + 10)
    BootTiles.open(tmp_path, BOOT).append(every)
    os.truncate(tmp_path / BOOT.hex() / name, keep)
    proofs = BootProofs(tmp_path, BOOT)
    with pytest.raises((TileCorrupt, IndexError, ProofRange)):
        proofs.inclusion(300, len(every))


def test_a_tile_of_a_fork_gives_a_proof_that_nobody_accepts(tmp_path: Path) -> None:
    every = leaves(1000)
    BootTiles.open(tmp_path, BOOT).append(every)
    path = tmp_path / BOOT.hex() / "tile/0/001"
    forged = path.read_bytes()
    path.write_bytes(bytes(32) + forged[32:])
    signed_root, proofs = MerkleTree(every).root(), BootProofs(tmp_path, BOOT)
    assert proofs.root(1000) != signed_root
    for index in (0, 300, 999):
        with pytest.raises(InclusionProofError):
            verify_inclusion(
                leaf_hash=every[index], index=index, size=1000, proof=proofs.inclusion(index, 1000), root=signed_root
            )


def test_reading_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    BootTiles.open(tmp_path, BOOT).append(leaves(300))
    assert read_leaves(tmp_path, BOOT, 250, 260) == leaves(10, 250)
    assert read_leaves(tmp_path, BOOT, 300, 300) == []
    for start, end in ((290, 301), (-1, 5), (5, 4), (0, 1 << 40)):
        with pytest.raises(IndexError):
            read_leaves(tmp_path, BOOT, start, end)


def test_boots_are_apart_and_foreign_folders_ignored(tmp_path: Path) -> None:
    other = bytes(16)
    BootTiles.open(tmp_path, BOOT).append(leaves(3))
    BootTiles.open(tmp_path, other).append(leaves(5))
    (tmp_path / "notes").mkdir()
    (tmp_path / ("zz" * 16)).mkdir()
    assert sorted(boots(tmp_path)) == sorted([BOOT, other])
    assert stored_size(tmp_path / other.hex()) == 5
    with pytest.raises(BadBootId):
        BootTiles.open(tmp_path, b"../../etc")


def test_a_write_that_fails_leaves_a_prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = BootTiles.open(tmp_path, BOOT)
    store.append(leaves(100))
    real = tiles.write_atomic
    calls = []

    def failing(path: Path, data: bytes) -> None:
        calls.append(path)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        real(path, data)

    monkeypatch.setattr(tiles, "write_atomic", failing)
    with pytest.raises(OSError, match="No space"):
        store.append(leaves(1000, 100))
    monkeypatch.setattr(tiles, "write_atomic", real)
    again = BootTiles.open(tmp_path, BOOT)
    assert again.size == 512
    again.append(leaves(588, 512))
    assert read_leaves(tmp_path, BOOT) == leaves(1100)


WRITER = """
import hashlib, sys
from pathlib import Path
from daas_host.tiles import BootTiles
store = BootTiles.open(Path(sys.argv[1]), bytes(range(16)))
while True:
    batch = [hashlib.sha256(i.to_bytes(8, "big")).digest() for i in range(store.size, store.size + 37)]
    store.append(batch)
    print(store.size, flush=True)
"""


def test_kill_9_while_writing_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    for _ in range(4):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        acknowledged = 0
        for line in writer.stdout:
            acknowledged = int(line)
            if acknowledged % 23 == 0:
                break
        writer.send_signal(signal.SIGKILL)
        acknowledged = max([acknowledged, *(int(line) for line in writer.stdout if line.endswith(b"\n"))])
        writer.wait()
        writer.stdout.close()
        size = stored_size(tmp_path / BOOT.hex())
        assert size >= acknowledged
        assert BootTiles.open(tmp_path, BOOT).size >= acknowledged
        assert read_leaves(tmp_path, BOOT, 0, acknowledged) == leaves(acknowledged)

"""The log of one boot on disk: what the enclave forgets, because it keeps the right edge only.

Invariants: what `append` has returned from is on the disk; the leaves on the disk are a prefix of the log at every
moment, because tiles are written in order and each replaces its file as a whole; after a kill or a loss of power
`BootTiles.open` finds the longest whole prefix and removes what is torn.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from daas_host.tile_layout import (
    HASH_BYTES,
    TILE_BYTES,
    TILE_WIDTH,
    combine,
    partial_folder,
    split_hashes,
    tile_path,
)
from daas_protocol.state_files import write_atomic

BOOT_ID_BYTES: Final = 16
GAP_FILE: Final = "gap.json"
MAX_LEVEL: Final = 7
"""256**7 leaves are 2**56: at a million a second, two thousand years."""
READ_RETRIES: Final = 16
"""A reader that meets a writer: each new version of a partial tile removes the one before it."""


class TileCorrupt(ValueError):
    """A tile that must be whole is not."""

    def __init__(self, path: Path, expected: int, actual: int) -> None:
        super().__init__(f"{path} has {actual} bytes, expected {expected}: restart the host, which repairs its tiles")
        self.expected = expected
        self.actual = actual


class BadBootId(ValueError):
    """A boot id that has not 16 bytes."""

    def __init__(self, boot_id: bytes) -> None:
        super().__init__(f"a boot id has {BOOT_ID_BYTES} bytes, not {len(boot_id)}")


class BootTiles:
    """The writer of one boot's tiles; one at a time. After an `OSError` it must be opened again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tail: list[bytes] = []
        self._tiles = [0] * (MAX_LEVEL + 1)
        self._pending: list[list[bytes]] = [[] for _ in range(MAX_LEVEL + 1)]

    @classmethod
    def open(cls, tiles_dir: Path, boot_id: bytes) -> BootTiles:
        """Opens or creates `tiles_dir/<boot id in hex>` and repairs what a crash has left.

        Raises:
            BadBootId: the boot id has not 16 bytes.
            OSError: the disk.
        """
        tiles = cls(boot_folder(tiles_dir, boot_id))
        _make_folder(tiles._folder)
        tiles._recover()
        return tiles

    @property
    def size(self) -> int:
        """Leaves on the disk."""
        return self._tiles[0] * TILE_WIDTH + len(self._tail)

    @property
    def gap(self) -> bool:
        """Whether leaves of this boot are lost for good, so that nothing after them can be stored."""
        return (self._folder / GAP_FILE).exists()

    def mark_gap(self, found: int) -> None:
        """Records that the enclave went on at leaf `found`, past the end of what is stored."""
        write_atomic(
            self._folder / GAP_FILE, json.dumps({"version": 1, "expected": self.size, "found": found}).encode()
        )

    def append(self, leaves: Sequence[bytes]) -> None:
        """Stores leaf hashes (32 bytes each); on return they are on the disk.

        Raises:
            OSError: the disk; some of them may be stored.
        """
        done = 0
        while done < len(leaves):
            take = min(TILE_WIDTH - len(self._tail), len(leaves) - done)
            self._tail += leaves[done : done + take]
            done += take
            if len(self._tail) == TILE_WIDTH:
                number = self._tiles[0]
                self._write(tile_path(0, number), self._tail)
                shutil.rmtree(self._folder / partial_folder(0, number), ignore_errors=True)
                self._complete(0, self._tail)
                self._tail = []
        if self._tail:
            self._write_partial()

    def read(self, start: int, end: int) -> list[bytes]:
        """Leaf hashes `start` up to `end`, which must be stored."""
        return read_hashes(self._folder, 0, start, end)

    def _complete(self, level: int, hashes: Sequence[bytes]) -> None:
        self._tiles[level] += 1
        above = self._pending[level + 1]
        above.append(combine(hashes))
        if len(above) == TILE_WIDTH:
            self._write(tile_path(level + 1, self._tiles[level + 1]), above)
            self._pending[level + 1] = []
            self._complete(level + 1, above)

    def _write(self, name: str, hashes: Sequence[bytes]) -> None:
        path = self._folder / name
        _make_folder(path.parent)
        write_atomic(path, b"".join(hashes))

    def _write_partial(self) -> None:
        width = len(self._tail)
        folder = self._folder / partial_folder(0, self._tiles[0])
        self._write(f"{partial_folder(0, self._tiles[0])}/{width}", self._tail)
        for name in os.listdir(folder):
            if name != str(width):
                with suppress(FileNotFoundError):
                    os.unlink(folder / name)

    def _recover(self) -> None:
        self._tiles[0] = whole_tiles(self._folder, 0)
        number = self._tiles[0]
        torn = self._folder / tile_path(0, number)
        partial = self._folder / partial_folder(0, number)
        best: list[bytes] = []
        for path, width in [*_versions(partial), (torn, TILE_WIDTH - 1)]:
            with suppress(FileNotFoundError):
                best = max(best, split_hashes(path.read_bytes())[:width], key=len)
        if number:
            shutil.rmtree(self._folder / partial_folder(0, number - 1), ignore_errors=True)
        self._tail = best
        if best:
            self._write_partial()
        else:
            shutil.rmtree(partial, ignore_errors=True)
        torn.unlink(missing_ok=True)
        for level in range(1, MAX_LEVEL + 1):
            self._recover_level(level)
        for level in range(MAX_LEVEL + 1):
            self._remove_unfinished((self._folder / tile_path(level, self._tiles[level])).parent)

    @staticmethod
    def _remove_unfinished(folder: Path) -> None:
        """Removes what `write_atomic` had not renamed yet when the host was killed."""
        for path in folder.glob(".*.tmp"):
            path.unlink(missing_ok=True)

    def _recover_level(self, level: int) -> None:
        """Makes a level's tiles again, where a crash came between a tile and the one above it."""
        below = self._tiles[level - 1]
        expected, rest = divmod(below, TILE_WIDTH)
        for number in range(min(whole_tiles(self._folder, level), expected), expected):
            self._write(tile_path(level, number), self._roots(level - 1, number * TILE_WIDTH, TILE_WIDTH))
        self._tiles[level] = expected
        self._pending[level] = self._roots(level - 1, below - rest, rest)

    def _roots(self, level: int, first: int, count: int) -> list[bytes]:
        return [combine(read_tile(self._folder, level, number)) for number in range(first, first + count)]


def boot_folder(tiles_dir: Path, boot_id: bytes) -> Path:
    if len(boot_id) != BOOT_ID_BYTES:
        raise BadBootId(boot_id)
    return tiles_dir / boot_id.hex()


def boots(tiles_dir: Path) -> list[bytes]:
    """Boot ids with tiles here, in no particular order."""
    found = []
    with suppress(FileNotFoundError):
        for name in os.listdir(tiles_dir):
            if len(name) == 2 * BOOT_ID_BYTES and name == name.lower():
                with suppress(ValueError):
                    found.append(bytes.fromhex(name))
    return found


def read_leaves(tiles_dir: Path, boot_id: bytes, start: int = 0, end: int | None = None) -> list[bytes]:
    """Leaf hashes (32 bytes each) from `start` up to `end` (default: all that are stored); also while a host writes.

    Raises:
        IndexError: not all of them are stored.
        TileCorrupt: a tile is not whole.
    """
    folder = boot_folder(tiles_dir, boot_id)
    return read_hashes(folder, 0, start, stored_size(folder) if end is None else end)


def stored_size(folder: Path) -> int:
    """Leaves in a boot's folder."""
    for _ in range(READ_RETRIES):
        whole = _end_of_whole_tiles(folder)
        versions = _versions(folder / partial_folder(0, whole))
        # The tile may have been finished between the two looks.
        if versions or not (folder / tile_path(0, whole)).exists():
            return whole * TILE_WIDTH + max((width for _, width in versions), default=0)
    return whole * TILE_WIDTH


def read_hashes(folder: Path, level: int, start: int, end: int) -> list[bytes]:
    """Hashes `start` up to `end` of a level, from its stored tiles.

    Raises:
        IndexError: not all of them are stored.
        TileCorrupt: a tile is not whole.
    """
    if not 0 <= start <= end:
        raise IndexError(f"hashes {start} to {end}")
    found: list[bytes] = []
    for number in range(start // TILE_WIDTH, -(-end // TILE_WIDTH)):
        base = number * TILE_WIDTH
        tile = read_tile(folder, level, number, min(end - base, TILE_WIDTH))
        found += tile[max(start - base, 0) : end - base]
    return found


def read_tile(folder: Path, level: int, number: int, width: int = TILE_WIDTH) -> list[bytes]:
    """At least the first `width` hashes of a tile, whole or partial."""
    for _ in range(READ_RETRIES):
        path = folder / tile_path(level, number)
        with suppress(FileNotFoundError):
            data = path.read_bytes()
            if len(data) != TILE_BYTES:
                raise TileCorrupt(path, TILE_BYTES, len(data))
            return split_hashes(data)
        versions = _versions(folder / partial_folder(level, number))
        path, widest = max(versions, key=lambda version: version[1], default=(path, 0))
        if widest >= width:
            with suppress(FileNotFoundError):
                data = path.read_bytes()
                if len(data) != widest * HASH_BYTES:
                    raise TileCorrupt(path, widest * HASH_BYTES, len(data))
                return split_hashes(data)
    raise IndexError(f"{folder / tile_path(level, number)}: fewer than {width} hashes are stored")


def whole_tiles(folder: Path, level: int) -> int:
    """How many whole tiles a level has, counted from its beginning, each looked at: for the writer, which repairs."""
    number = 0
    while _is_whole(folder, level, number):
        number += 1
    return number


def _end_of_whole_tiles(folder: Path) -> int:
    """The same for readers of level 0, by halving: tiles are written in order, and a hole shows when it is read."""
    if not _is_whole(folder, 0, 0):
        return 0
    end = 1
    while _is_whole(folder, 0, end):
        end *= 2
    last = end // 2
    while end - last > 1:
        middle = (last + end) // 2
        if _is_whole(folder, 0, middle):
            last = middle
        else:
            end = middle
    return end


def _is_whole(folder: Path, level: int, number: int) -> bool:
    try:
        return os.stat(folder / tile_path(level, number)).st_size == TILE_BYTES
    except FileNotFoundError:
        return False


def _versions(folder: Path) -> list[tuple[Path, int]]:
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    widths = {str(width): width for width in range(1, TILE_WIDTH)}
    return [(folder / name, widths[name]) for name in names if name in widths]


def _make_folder(path: Path) -> None:
    """Creates a folder and its parents, each on the disk before the next: a tile whose folder is lost is lost."""
    if path.is_dir():
        return
    if path.parent != path:
        _make_folder(path.parent)
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)

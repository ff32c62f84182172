"""The signers of a certificate: a Roaring bitmap, decoded strictly.

Invariant: whatever is accepted is a strictly ascending tuple of distinct indices below `MAX_INDEX`, every byte
accounted for, so that nobody is counted twice. Two forms exist of a set this small: an array of indices, and runs of
them. Source: RoaringFormatSpec (github.com/RoaringBitmap/RoaringFormatSpec).
"""

from __future__ import annotations

from itertools import pairwise

from .errors import BitmapError

MAX_INDEX = 65_536
"""One container holds indices that share their upper 16 bits; no committee needs a second."""
_ARRAY_COOKIE = 12_346
_RUN_COOKIE = 12_347
_MAX_ARRAY = 4_096
"""From here on a container is a bit set of 8,192 bytes, for more signers than any committee has."""


class _Cursor:
    __slots__ = ("_data", "position")

    def __init__(self, data: bytes) -> None:
        self._data, self.position = data, 0

    def take(self, length: int) -> int:
        end = self.position + length
        if end > len(self._data):
            raise BitmapError(f"{length} bytes at {self.position}", f"{len(self._data) - self.position}")
        value = int.from_bytes(self._data[self.position : end], "little")
        self.position = end
        return value

    def end(self) -> None:
        left = len(self._data) - self.position
        if left:
            raise BitmapError("the end of the bitmap", f"{left} bytes more")


def decode(data: bytes) -> tuple[int, ...]:
    """Indices in ascending order; none of an empty bitmap. Raises `BitmapError`."""
    cursor = _Cursor(data)
    cookie = cursor.take(2)
    second = cursor.take(2)
    match cookie:
        case 12_346 if second == 0:
            containers = cursor.take(4)
            runs = False
        case 12_347:
            containers = second + 1
            runs = cursor.take((containers + 7) // 8 if containers == 1 else 0) == 1
        case _:
            raise BitmapError(f"cookie {_ARRAY_COOKIE} or {_RUN_COOKIE}", str(cookie | second << 16))
    if containers == 0:
        cursor.end()
        return ()
    if containers != 1:
        raise BitmapError("at most one container", str(containers))
    key, cardinality = cursor.take(2), cursor.take(2) + 1
    if key:
        raise BitmapError(f"indices below {MAX_INDEX}", f"{key << 16} or above")
    # Offsets are left out of the run form when there are fewer than four containers.
    if cookie == _ARRAY_COOKIE:
        offset = cursor.take(4)
        if offset != cursor.position:
            raise BitmapError(f"the container at {cursor.position}", str(offset))
    found = _runs(cursor, cardinality) if runs else _array(cursor, cardinality)
    cursor.end()
    return found


def _array(cursor: _Cursor, cardinality: int) -> tuple[int, ...]:
    if cardinality > _MAX_ARRAY:
        raise BitmapError(f"at most {_MAX_ARRAY} indices", str(cardinality))
    found: list[int] = []
    for _ in range(cardinality):
        index = cursor.take(2)
        if found and index <= found[-1]:
            raise BitmapError(f"an index above {found[-1]}", str(index))
        found.append(index)
    return tuple(found)


def _runs(cursor: _Cursor, cardinality: int) -> tuple[int, ...]:
    found: list[int] = []
    for _ in range(cursor.take(2)):
        start, length = cursor.take(2), cursor.take(2) + 1
        if found and start <= found[-1] + 1:
            raise BitmapError(f"a run that begins above {found[-1] + 1}", str(start))
        if start + length > MAX_INDEX:
            raise BitmapError(f"indices below {MAX_INDEX}", str(start + length - 1))
        found.extend(range(start, start + length))
    if len(found) != cardinality:
        raise BitmapError(f"{cardinality} indices", str(len(found)))
    return tuple(found)


def encode(indices: tuple[int, ...]) -> bytes:
    """The array form, as validators write it. Raises `ValueError` unless strictly ascending and below `MAX_INDEX`."""
    if any(later <= earlier for earlier, later in pairwise(indices)):
        raise ValueError("indices must ascend")
    if not indices:
        return _ARRAY_COOKIE.to_bytes(4, "little") + bytes(4)
    if not 0 <= indices[0] <= indices[-1] < MAX_INDEX or len(indices) > _MAX_ARRAY:
        raise ValueError(f"at most {_MAX_ARRAY} indices below {MAX_INDEX}")
    words = (_ARRAY_COOKIE, 0, 1, 0, 0, len(indices) - 1, 16, 0, *indices)
    return b"".join(word.to_bytes(2, "little") for word in words)

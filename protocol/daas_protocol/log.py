"""The log of receipts: a Merkle tree as in RFC 6962 (same hashes in RFC 9162).

Invariant: leaves and inner nodes are hashed under different first bytes, so no node passes for a leaf. The enclave
keeps a `RightEdge` (at most 64 hashes, whatever the size); hosts and gateways, which hold all leaves, make proofs
with a `MerkleTree` and check them with `verify_inclusion` and `verify_consistency`.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from daas_protocol.bcs import U64_MAX, Reader, Writer, encode_bytes, require_length

HASH_BYTES = 32
BOOT_ID_BYTES = 16
EMPTY_ROOT = hashlib.sha256(b"").digest()
MAX_PROOF_HASHES = 65
"""A tree of 2**64 leaves is 64 levels high; a consistency proof may have one hash more."""


class InclusionProofError(ValueError):
    """A leaf is not shown to be in the tree of the given root."""

    def __init__(self, reason: str, expected: bytes | int, actual: bytes | int) -> None:
        self.expected = expected
        self.actual = actual
        super().__init__(f"inclusion proof: {reason}: expected {_show(expected)}, got {_show(actual)}")


class ConsistencyProofError(ValueError):
    """The older tree is not shown to be the beginning of the newer one."""

    def __init__(self, reason: str, expected: bytes | int, actual: bytes | int) -> None:
        self.expected = expected
        self.actual = actual
        super().__init__(f"consistency proof: {reason}: expected {_show(expected)}, got {_show(actual)}")


class TreeSizeError(ValueError):
    """An index or size outside the tree."""


def _show(value: bytes | int) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right), 32 bytes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class RightEdge:
    """The complete subtrees along the right edge: enough to append and to know the root, and no more."""

    __slots__ = ("_peaks", "size")

    def __init__(self) -> None:
        self._peaks: list[bytes] = []
        self.size = 0

    def append(self, leaf_hash: bytes) -> None:
        """`leaf_hash`: 32 bytes, SHA-256(0x00 || leaf)."""
        require_length("leaf_hash", leaf_hash, HASH_BYTES)
        peaks, size = self._peaks, self.size
        while size & 1:
            leaf_hash = hashlib.sha256(b"\x01" + peaks.pop() + leaf_hash).digest()
            size >>= 1
        peaks.append(leaf_hash)
        self.size += 1

    def root(self) -> bytes:
        """32 bytes; SHA-256 of nothing for the empty log."""
        if not self._peaks:
            return EMPTY_ROOT
        peaks = self._peaks
        root = peaks[-1]
        sha256 = hashlib.sha256
        for peak in peaks[-2::-1]:
            root = sha256(b"\x01" + peak + root).digest()
        return root

    def copy(self) -> "RightEdge":
        edge = RightEdge()
        edge._peaks = list(self._peaks)
        edge.size = self.size
        return edge


class MerkleTree:
    """All complete subtrees in memory, level by level: roots and proofs for every size up to its own."""

    __slots__ = ("_levels",)

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self._levels: list[list[bytes]] = [[]]
        for leaf in leaves:
            self.append(leaf)

    @property
    def size(self) -> int:
        return len(self._levels[0])

    def leaf(self, index: int) -> bytes:
        if not 0 <= index < self.size:
            raise TreeSizeError(f"leaf index {index} is outside 0..{self.size - 1}")
        return self._levels[0][index]

    def append(self, leaf_hash: bytes) -> None:
        require_length("leaf_hash", leaf_hash, HASH_BYTES)
        levels = self._levels
        levels[0].append(leaf_hash)
        height = 0
        while len(levels[height]) % 2 == 0:
            if height + 1 == len(levels):
                levels.append([])
            levels[height + 1].append(node_hash(levels[height][-2], levels[height][-1]))
            height += 1

    def root(self, size: int | None = None) -> bytes:
        """Root of the first `size` leaves (all of them by default). Raises `TreeSizeError`."""
        size = self.size if size is None else size
        self._require_size(size)
        return self._range(0, size) if size else EMPTY_ROOT

    def inclusion_proof(self, index: int, size: int | None = None) -> list[bytes]:
        """RFC 6962 section 2.1.1, from the leaf's sibling up. Raises `TreeSizeError`."""
        size = self.size if size is None else size
        self._require_size(size)
        if not 0 <= index < size:
            raise TreeSizeError(f"leaf index {index} is outside a tree of {size} leaves")
        return [self._range(start, end) for start, end in inclusion_ranges(index, size)]

    def consistency_proof(self, old_size: int, new_size: int | None = None) -> list[bytes]:
        """RFC 6962 section 2.1.2; empty for equal sizes and for an empty older tree. Raises `TreeSizeError`."""
        new_size = self.size if new_size is None else new_size
        self._require_size(new_size)
        if not 0 <= old_size <= new_size:
            raise TreeSizeError(f"older size {old_size} is outside 0..{new_size}")
        return [self._range(start, end) for start, end in consistency_ranges(old_size, new_size)]

    def _require_size(self, size: int) -> None:
        if not 0 <= size <= self.size:
            raise TreeSizeError(f"size {size} is outside 0..{self.size}")

    def _range(self, start: int, end: int) -> bytes:
        """Hash over leaves start..end, where start is a multiple of the largest power of two below end - start."""
        count = end - start
        if count & (count - 1) == 0:
            height = count.bit_length() - 1
            return self._levels[height][start >> height]
        middle = start + split(count)
        return node_hash(self._range(start, middle), self._range(middle, end))


def split(count: int) -> int:
    """RFC 6962's k: the largest power of two smaller than `count` (> 1)."""
    return 1 << ((count - 1).bit_length() - 1)


def inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    """The leaves start..end under each hash of an inclusion proof, in its order; 0 <= index < size."""
    ranges: list[tuple[int, int]] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + split(end - start)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    return ranges[::-1]


def consistency_ranges(old_size: int, new_size: int) -> list[tuple[int, int]]:
    """The leaves start..end under each hash of a consistency proof, in its order; 0 <= old_size <= new_size."""
    if old_size in (0, new_size):
        return []
    ranges: list[tuple[int, int]] = []
    start, end = 0, new_size
    whole = True  # the range still begins at 0 and the verifier knows the older root
    while old_size != end:
        middle = start + split(end - start)
        if old_size <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
            whole = False
    if not whole:
        ranges.append((start, end))
    return ranges[::-1]


def inclusion_length(index: int, size: int) -> int:
    """How many hashes an inclusion proof has: fixed by index and size. Raises `InclusionProofError`."""
    if not 0 <= size <= U64_MAX:
        raise InclusionProofError("size beyond 64 bits", U64_MAX, size)
    if not 0 <= index < size:
        raise InclusionProofError("index outside the tree", size, index)
    inner = (index ^ (size - 1)).bit_length()
    return inner + (index >> inner).bit_count()


def consistency_length(old_size: int, new_size: int) -> int:
    """How many hashes a consistency proof has: fixed by the two sizes. Raises `ConsistencyProofError`."""
    if not 0 <= new_size <= U64_MAX:
        raise ConsistencyProofError("newer size beyond 64 bits", U64_MAX, new_size)
    if not 0 <= old_size <= new_size:
        raise ConsistencyProofError("older size", new_size, old_size)
    if old_size in (0, new_size):
        return 0
    shift = (old_size & -old_size).bit_length() - 1
    start, last = (old_size - 1) >> shift, (new_size - 1) >> shift
    inner = (start ^ last).bit_length()
    # An older tree that is one complete subtree needs no first hash: its root is known.
    return inner + (start >> inner).bit_count() + (0 if start == 0 else 1)


def verify_inclusion(*, leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """RFC 9162 section 2.1.3.2. Raises `InclusionProofError`; the length of the proof is fixed by index and size."""
    wanted = inclusion_length(index, size)
    if len(proof) != wanted:
        raise InclusionProofError("number of hashes", wanted, len(proof))
    inner = (index ^ (size - 1)).bit_length()
    _require_hashes(InclusionProofError, (leaf_hash, root, *proof))
    node = leaf_hash
    for height, sibling in enumerate(proof):
        right = height < inner and not index >> height & 1
        node = node_hash(node, sibling) if right else node_hash(sibling, node)
    if node != root:
        raise InclusionProofError("root", root, node)


def verify_consistency(
    *, old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """RFC 9162 section 2.1.4.2, and an empty older tree, with which everything is consistent.

    Raises `ConsistencyProofError`.
    """
    wanted = consistency_length(old_size, new_size)
    if len(proof) != wanted:
        raise ConsistencyProofError("number of hashes", wanted, len(proof))
    _require_hashes(ConsistencyProofError, (old_root, new_root, *proof))
    if old_size == 0 and old_root != EMPTY_ROOT:
        raise ConsistencyProofError("root of the empty tree", EMPTY_ROOT, old_root)
    if old_size in (0, new_size):
        if old_size == new_size and old_root != new_root:
            raise ConsistencyProofError("root of the same size", old_root, new_root)
        return
    # The proof leads from the last complete subtree of the older tree up; `shift` levels below it are whole.
    shift = (old_size & -old_size).bit_length() - 1
    start = (old_size - 1) >> shift
    last = (new_size - 1) >> shift
    inner = (start ^ last).bit_length()
    known = start == 0  # the older tree is one complete subtree, so its root is where the path begins
    old = new = old_root if known else proof[0]
    for height, sibling in enumerate(proof[0 if known else 1 :]):
        if height < inner and not start >> height & 1:
            new = node_hash(new, sibling)
        else:
            old = node_hash(sibling, old)
            new = node_hash(sibling, new)
    if old != old_root:
        raise ConsistencyProofError("older root", old_root, old)
    if new != new_root:
        raise ConsistencyProofError("newer root", new_root, new)


def _require_hashes(error: type[InclusionProofError] | type[ConsistencyProofError], hashes: Sequence[bytes]) -> None:
    for value in hashes:
        if len(value) != HASH_BYTES:
            raise error("bytes of a hash", HASH_BYTES, len(value))


@dataclass(frozen=True, slots=True)
class TreeHead:
    """Intent 3: the log of one boot at one size. `enclave_id`, `root`: 32 bytes; `boot_id`: 16."""

    enclave_id: bytes
    boot_id: bytes
    size: int
    root: bytes

    def to_bcs(self) -> bytes:
        require_length("enclave_id", self.enclave_id, 32)
        require_length("boot_id", self.boot_id, BOOT_ID_BYTES)
        require_length("root", self.root, HASH_BYTES)
        writer = Writer()
        writer.fixed(self.enclave_id + encode_bytes(self.boot_id))
        writer.u64(self.size)
        writer.bytes(self.root)
        return writer.finish()

    @classmethod
    def from_bcs(cls, data: bytes) -> "TreeHead":
        reader = Reader(data)
        value = cls(reader.fixed(32), reader.bytes(exact=BOOT_ID_BYTES), reader.u64(), reader.bytes(exact=HASH_BYTES))
        reader.end()
        return value

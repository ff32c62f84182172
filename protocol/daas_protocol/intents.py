"""What is signed besides receipts and tree heads, for the contract to judge.

Invariant: each structure has one byte form, the one that the contract's decoder takes (`move/daas/sources/receipt.move`
and `statements.move`), so what `from_bcs` accepts here is accepted there and the other way round.
Source: DESIGN.md sections 4 and 7, docs/protocol.md.
"""

from dataclasses import dataclass

from daas_protocol.bcs import BcsError, Reader, Writer, require_length
from daas_protocol.receipt import ADDRESS_BYTES, BOOT_ID_BYTES, DIGEST_BYTES, Receipt

WORKER_KEY_BYTES = 32
MAX_BATCH_RECEIPTS = 256
"""A batch is one pure argument of 16,384 B: 82 receipts of 199 B. The rest is for larger arguments."""
MAX_NODE_ID_BYTES = 63
"""A node is named by a DNS label."""
MAX_CIPHERTEXT_BYTES = 8192
"""A join token with its HPKE parts has about 300 bytes; half of a pure argument leaves room for a kubeconfig."""
MAX_STATUS_ENTRIES = 256
"""Four times the workers that one owner may have."""


class IntentRangeError(BcsError):
    """A structure has more or fewer items or bytes in one field than the contract takes."""

    def __init__(self, field: str, least: int, most: int, actual: int) -> None:
        self.expected = (least, most)
        self.actual = actual
        super().__init__(f"{field} must have {least}..{most} items or bytes, not {actual}")


def _require_range(field: str, least: int, most: int, actual: int) -> None:
    if not least <= actual <= most:
        raise IntentRangeError(field, least, most, actual)


def _writer(enclave_id: bytes, boot_id: bytes) -> Writer:
    writer = Writer()
    _address(writer, "enclave_id", enclave_id)
    _fixed(writer, "boot_id", boot_id, BOOT_ID_BYTES)
    return writer


def _address(writer: Writer, field: str, value: bytes) -> None:
    require_length(field, value, ADDRESS_BYTES)
    writer.fixed(value)


def _fixed(writer: Writer, field: str, value: bytes, length: int) -> None:
    require_length(field, value, length)
    writer.bytes(value)


def _node_id(writer: Writer, value: str) -> None:
    _require_range("node_id", 0, MAX_NODE_ID_BYTES, len(value.encode("utf-8", "surrogatepass")))
    writer.string(value)


@dataclass(frozen=True, slots=True)
class ReceiptBatch:
    """Intent 1: 1 to 256 receipts under one signature; each counts as if it were signed alone."""

    receipts: tuple[Receipt, ...]

    def to_bcs(self) -> bytes:
        """Raises `IntentRangeError`, `BcsError`."""
        _require_range("receipts", 1, MAX_BATCH_RECEIPTS, len(self.receipts))
        writer = Writer()
        writer.vector(self.receipts, lambda receipt: writer.fixed(receipt.to_bcs()))
        return writer.finish()

    @classmethod
    def from_bcs(cls, data: bytes) -> "ReceiptBatch":
        """Raises `IntentRangeError`, `BcsError`."""
        reader = Reader(data)
        receipts = reader.vector(lambda: Receipt.read(reader), MAX_BATCH_RECEIPTS)
        reader.end()
        _require_range("receipts", 1, MAX_BATCH_RECEIPTS, len(receipts))
        return cls(tuple(receipts))


@dataclass(frozen=True, slots=True)
class JoinToken:
    """Intent 4: a join token for one worker, encrypted to its X25519 `worker_key` (32 bytes).

    `enclave_id`, `cluster`: 32 bytes; `boot_id`: 16; `node_id`: at most 63; `ciphertext`: 1 to 8,192.
    """

    enclave_id: bytes
    boot_id: bytes
    cluster: bytes
    node_id: str
    worker_key: bytes
    ciphertext: bytes

    def to_bcs(self) -> bytes:
        """Raises `IntentRangeError`, `BcsError`."""
        _require_range("ciphertext", 1, MAX_CIPHERTEXT_BYTES, len(self.ciphertext))
        writer = _writer(self.enclave_id, self.boot_id)
        _address(writer, "cluster", self.cluster)
        _node_id(writer, self.node_id)
        _fixed(writer, "worker_key", self.worker_key, WORKER_KEY_BYTES)
        writer.bytes(self.ciphertext)
        return writer.finish()

    @classmethod
    def from_bcs(cls, data: bytes) -> "JoinToken":
        """Raises `IntentRangeError`, `BcsError`."""
        reader = Reader(data)
        value = cls(
            enclave_id=reader.fixed(ADDRESS_BYTES),
            boot_id=reader.bytes(exact=BOOT_ID_BYTES),
            cluster=reader.fixed(ADDRESS_BYTES),
            node_id=reader.string(MAX_NODE_ID_BYTES),
            worker_key=reader.bytes(exact=WORKER_KEY_BYTES),
            ciphertext=reader.bytes(MAX_CIPHERTEXT_BYTES),
        )
        reader.end()
        _require_range("ciphertext", 1, MAX_CIPHERTEXT_BYTES, len(value.ciphertext))
        return value


@dataclass(frozen=True, slots=True)
class WorkerStatusEntry:
    """One worker: `status` is a number (u8) of the worker registry's table, `pods_served` counts since it joined."""

    node_id: str
    status: int
    pods_served: int

    def write(self, writer: Writer) -> None:
        _node_id(writer, self.node_id)
        writer.u8(self.status)
        writer.u64(self.pods_served)

    @classmethod
    def read(cls, reader: Reader) -> "WorkerStatusEntry":
        return cls(reader.string(MAX_NODE_ID_BYTES), reader.u8(), reader.u64())


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """Intent 5: what the enclave saw of 1 to 256 workers. `enclave_id`, `cluster`: 32 bytes; `boot_id`: 16."""

    enclave_id: bytes
    boot_id: bytes
    cluster: bytes
    entries: tuple[WorkerStatusEntry, ...]

    def to_bcs(self) -> bytes:
        """Raises `IntentRangeError`, `BcsError`."""
        _require_range("entries", 1, MAX_STATUS_ENTRIES, len(self.entries))
        writer = _writer(self.enclave_id, self.boot_id)
        _address(writer, "cluster", self.cluster)
        writer.vector(self.entries, lambda entry: entry.write(writer))
        return writer.finish()

    @classmethod
    def from_bcs(cls, data: bytes) -> "WorkerStatus":
        """Raises `IntentRangeError`, `BcsError`."""
        reader = Reader(data)
        enclave_id, boot_id = reader.fixed(ADDRESS_BYTES), reader.bytes(exact=BOOT_ID_BYTES)
        cluster = reader.fixed(ADDRESS_BYTES)
        entries = reader.vector(lambda: WorkerStatusEntry.read(reader), MAX_STATUS_ENTRIES)
        reader.end()
        _require_range("entries", 1, MAX_STATUS_ENTRIES, len(entries))
        return cls(enclave_id, boot_id, cluster, tuple(entries))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Intent 6: root of a journal at one revision. `enclave_id`, `root`: 32 bytes; `boot_id`: 16."""

    enclave_id: bytes
    boot_id: bytes
    revision: int
    root: bytes

    def to_bcs(self) -> bytes:
        writer = _writer(self.enclave_id, self.boot_id)
        writer.u64(self.revision)
        _fixed(writer, "root", self.root, DIGEST_BYTES)
        return writer.finish()

    @classmethod
    def from_bcs(cls, data: bytes) -> "Snapshot":
        reader = Reader(data)
        value = cls(
            enclave_id=reader.fixed(ADDRESS_BYTES),
            boot_id=reader.bytes(exact=BOOT_ID_BYTES),
            revision=reader.u64(),
            root=reader.bytes(exact=DIGEST_BYTES),
        )
        reader.end()
        return value


@dataclass(frozen=True, slots=True)
class Handoff:
    """Intent 7: state given from one boot to another, with the journal's `revision` and `root` (32 bytes).

    `enclave_id`, `to_enclave_id`: 32 bytes; `boot_id`, `to_boot_id`: 16.
    """

    enclave_id: bytes
    boot_id: bytes
    to_enclave_id: bytes
    to_boot_id: bytes
    revision: int
    root: bytes

    def to_bcs(self) -> bytes:
        writer = _writer(self.enclave_id, self.boot_id)
        _address(writer, "to_enclave_id", self.to_enclave_id)
        _fixed(writer, "to_boot_id", self.to_boot_id, BOOT_ID_BYTES)
        writer.u64(self.revision)
        _fixed(writer, "root", self.root, DIGEST_BYTES)
        return writer.finish()

    @classmethod
    def from_bcs(cls, data: bytes) -> "Handoff":
        reader = Reader(data)
        value = cls(
            enclave_id=reader.fixed(ADDRESS_BYTES),
            boot_id=reader.bytes(exact=BOOT_ID_BYTES),
            to_enclave_id=reader.fixed(ADDRESS_BYTES),
            to_boot_id=reader.bytes(exact=BOOT_ID_BYTES),
            revision=reader.u64(),
            root=reader.bytes(exact=DIGEST_BYTES),
        )
        reader.end()
        return value


@dataclass(frozen=True, slots=True)
class Drain:
    """Intent 8: the last word of a boot, with its log's `size` and `root` (32 bytes) and its journal's `revision`."""

    enclave_id: bytes
    boot_id: bytes
    size: int
    root: bytes
    revision: int

    def to_bcs(self) -> bytes:
        writer = _writer(self.enclave_id, self.boot_id)
        writer.u64(self.size)
        _fixed(writer, "root", self.root, DIGEST_BYTES)
        writer.u64(self.revision)
        return writer.finish()

    @classmethod
    def from_bcs(cls, data: bytes) -> "Drain":
        reader = Reader(data)
        value = cls(
            enclave_id=reader.fixed(ADDRESS_BYTES),
            boot_id=reader.bytes(exact=BOOT_ID_BYTES),
            size=reader.u64(),
            root=reader.bytes(exact=DIGEST_BYTES),
            revision=reader.u64(),
        )
        reader.end()
        return value


@dataclass(frozen=True, slots=True)
class WorkerStatement:
    """Intent 9: what a worker says under its own status key, once per `sequence`. `cluster`, `digest`: 32 bytes."""

    cluster: bytes
    node_id: str
    sequence: int
    digest: bytes

    def to_bcs(self) -> bytes:
        """Raises `IntentRangeError`, `BcsError`."""
        writer = Writer()
        _address(writer, "cluster", self.cluster)
        _node_id(writer, self.node_id)
        writer.u64(self.sequence)
        _fixed(writer, "digest", self.digest, DIGEST_BYTES)
        return writer.finish()

    @classmethod
    def from_bcs(cls, data: bytes) -> "WorkerStatement":
        reader = Reader(data)
        value = cls(
            cluster=reader.fixed(ADDRESS_BYTES),
            node_id=reader.string(MAX_NODE_ID_BYTES),
            sequence=reader.u64(),
            digest=reader.bytes(exact=DIGEST_BYTES),
        )
        reader.end()
        return value

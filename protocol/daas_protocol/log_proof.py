"""Proofs about a log as bytes and as files: an inclusion proof or a consistency proof of one boot's log.

Invariants: one proof has one byte form, and one text; the number of hashes is compared with what index and sizes fix
before any of them is read. A proof is believed only after `verify` against a root that the enclave has signed.

File format: standard base64 (RFC 4648 section 4, with padding, canonical) of the BCS below, and one LF.

    version u8 (1) || kind u8 (0 inclusion, 1 consistency) || enclave_id address || boot_id vector<u8> 16 ||
    inclusion:   index u64 || size u64 || leaf_hash vector<u8> 32 || hashes vector<vector<u8> 32>
    consistency: old_size u64 || old_root vector<u8> 32 || new_size u64 || hashes vector<vector<u8> 32>
"""

import base64
from dataclasses import dataclass
from enum import IntEnum

from daas_protocol.bcs import BcsError, Reader, Writer, require_length
from daas_protocol.log import (
    BOOT_ID_BYTES,
    HASH_BYTES,
    MAX_PROOF_HASHES,
    ConsistencyProofError,
    InclusionProofError,
    consistency_length,
    inclusion_length,
    verify_consistency,
    verify_inclusion,
)
from daas_protocol.receipt import ADDRESS_BYTES, decode_base64

PROOF_VERSION = 1
MAX_PROOF_BYTES = 2 + ADDRESS_BYTES + 1 + BOOT_ID_BYTES + 16 + 33 + 1 + 33 * MAX_PROOF_HASHES
"""Kind and version, ids, two sizes, one hash, and the most hashes that a proof can have."""
MAX_PROOF_CHARACTERS = 4 * ((MAX_PROOF_BYTES + 2) // 3)


class ProofKind(IntEnum):
    """What a proof shows. Numbers are never reused."""

    INCLUSION = 0
    CONSISTENCY = 1


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """`leaf_hash` (32 B) is leaf `index` of the first `size` leaves. `enclave_id`: 32 B, `boot_id`: 16 B."""

    enclave_id: bytes
    boot_id: bytes
    index: int
    size: int
    leaf_hash: bytes
    hashes: tuple[bytes, ...]

    def verify(self, root: bytes) -> None:
        """`root`: of the first `size` leaves, 32 B. Raises `InclusionProofError`."""
        verify_inclusion(leaf_hash=self.leaf_hash, index=self.index, size=self.size, proof=self.hashes, root=root)

    def to_bcs(self) -> bytes:
        """At most `MAX_PROOF_BYTES`. Raises `BcsError`, `InclusionProofError`."""
        require_length("leaf_hash", self.leaf_hash, HASH_BYTES)
        wanted = inclusion_length(self.index, self.size)
        if len(self.hashes) != wanted:
            raise InclusionProofError("number of hashes", wanted, len(self.hashes))
        writer = _head(ProofKind.INCLUSION, self.enclave_id, self.boot_id)
        writer.u64(self.index)
        writer.u64(self.size)
        writer.bytes(self.leaf_hash)
        return _finish(writer, self.hashes)


@dataclass(frozen=True, slots=True)
class ConsistencyProof:
    """The first `old_size` of `new_size` leaves have `old_root` (32 B). `enclave_id`: 32 B, `boot_id`: 16 B."""

    enclave_id: bytes
    boot_id: bytes
    old_size: int
    old_root: bytes
    new_size: int
    hashes: tuple[bytes, ...]

    def verify(self, root: bytes) -> None:
        """`root`: of the first `new_size` leaves, 32 B. Raises `ConsistencyProofError`."""
        verify_consistency(
            old_size=self.old_size,
            old_root=self.old_root,
            new_size=self.new_size,
            new_root=root,
            proof=self.hashes,
        )

    def to_bcs(self) -> bytes:
        """At most `MAX_PROOF_BYTES`. Raises `BcsError`, `ConsistencyProofError`."""
        require_length("old_root", self.old_root, HASH_BYTES)
        wanted = consistency_length(self.old_size, self.new_size)
        if len(self.hashes) != wanted:
            raise ConsistencyProofError("number of hashes", wanted, len(self.hashes))
        writer = _head(ProofKind.CONSISTENCY, self.enclave_id, self.boot_id)
        writer.u64(self.old_size)
        writer.bytes(self.old_root)
        writer.u64(self.new_size)
        return _finish(writer, self.hashes)


LogProof = InclusionProof | ConsistencyProof


def proof_from_bcs(data: bytes) -> LogProof:
    """Raises `BcsError` for bytes that are no proof, `InclusionProofError` or `ConsistencyProofError` where index and
    sizes do not fit each other or the number of hashes.
    """
    reader = Reader(data)
    version = reader.u8()
    if version != PROOF_VERSION:
        raise BcsError(f"only proofs of version {PROOF_VERSION} are known, not {version}")
    kind = reader.u8()
    enclave_id, boot_id = reader.fixed(ADDRESS_BYTES), reader.bytes(exact=BOOT_ID_BYTES)
    proof: LogProof
    match kind:
        case ProofKind.INCLUSION:
            index, size, leaf_hash = reader.u64(), reader.u64(), reader.bytes(exact=HASH_BYTES)
            wanted = inclusion_length(index, size)
            hashes = _hashes(reader, wanted, InclusionProofError)
            proof = InclusionProof(enclave_id, boot_id, index, size, leaf_hash, hashes)
        case ProofKind.CONSISTENCY:
            old_size, old_root, new_size = reader.u64(), reader.bytes(exact=HASH_BYTES), reader.u64()
            wanted = consistency_length(old_size, new_size)
            hashes = _hashes(reader, wanted, ConsistencyProofError)
            proof = ConsistencyProof(enclave_id, boot_id, old_size, old_root, new_size, hashes)
        case _:
            raise BcsError(f"unknown kind of proof {kind}")
    reader.end()
    return proof


def proof_to_text(proof: LogProof) -> str:
    """The file format."""
    return base64.b64encode(proof.to_bcs()).decode("ascii") + "\n"


def proof_from_text(text: str) -> LogProof:
    """Strict inverse of `proof_to_text`, but that the last LF may be missing. Raises as `proof_from_bcs`."""
    return proof_from_bcs(decode_base64(text.removesuffix("\n"), MAX_PROOF_CHARACTERS))


def _head(kind: ProofKind, enclave_id: bytes, boot_id: bytes) -> Writer:
    require_length("enclave_id", enclave_id, ADDRESS_BYTES)
    require_length("boot_id", boot_id, BOOT_ID_BYTES)
    writer = Writer()
    writer.u8(PROOF_VERSION)
    writer.u8(kind)
    writer.fixed(enclave_id)
    writer.bytes(boot_id)
    return writer


def _finish(writer: Writer, hashes: tuple[bytes, ...]) -> bytes:
    for value in hashes:
        require_length("a hash of the proof", value, HASH_BYTES)
    writer.vector(hashes, writer.bytes)
    return writer.finish()


def _hashes(
    reader: Reader, wanted: int, error: type[InclusionProofError] | type[ConsistencyProofError]
) -> tuple[bytes, ...]:
    count = reader.uleb()
    if count != wanted:
        raise error("number of hashes", wanted, count)
    return tuple(reader.bytes(exact=HASH_BYTES) for _ in range(count))

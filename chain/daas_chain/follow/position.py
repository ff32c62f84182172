"""Where a follower has been, for a later boot of the same slot: below it nothing is believed again.

Invariant: a position names whose it is and everything that a follower needs to go on from there; it is only as good as
the sealing around it. Format: docs/light-client.md, "Position".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from daas_chain.heads import ChainHead
from daas_chain.light.committee import Committee
from daas_chain.light.ratchet import Position, TrustedState
from daas_chain.sui.checkpoint import MAX_COMMITTEE_BYTES
from daas_protocol.bcs import BcsError, Reader, Writer, require_length

from .errors import PositionCommitteeError, PositionOwnerError, PositionStructureError

MAGIC = b"DAAS-POSITION-V1"
ID_BYTES = HASH_BYTES = 32
MAX_POSITION_BYTES = MAX_COMMITTEE_BYTES + 1_024


@dataclass(frozen=True, slots=True)
class SealedPosition:
    """`committee`: bcs(epoch, members) of the one that certifies what comes next. `base_epoch`: the epoch from which
    the gap is counted. `state` and `mailbox`: proven heads."""

    cluster: bytes
    enclave: bytes
    committee: bytes
    base_epoch: int
    newest: Position
    state: ChainHead
    mailbox: ChainHead

    def to_bcs(self) -> bytes:
        writer = Writer()
        for value in (MAGIC, self.cluster, self.enclave):
            writer.fixed(value)
        writer.bytes(self.committee)
        writer.u64(self.base_epoch)
        writer.u64(self.newest.sequence_number)
        writer.fixed(self.newest.digest)
        writer.u64(self.newest.timestamp_ms)
        writer.u64(self.newest.total_transactions)
        for head in (self.state, self.mailbox):
            writer.u64(head.seq)
            writer.fixed(head.head)
        return writer.finish()

    def __post_init__(self) -> None:
        for name, value in (("cluster", self.cluster), ("enclave", self.enclave), ("digest", self.newest.digest)):
            require_length(name, value, ID_BYTES)

    @classmethod
    def from_bcs(cls, data: bytes) -> Self:
        """Raises `PositionStructureError`."""
        if len(data) > MAX_POSITION_BYTES:
            raise PositionStructureError(f"at most {MAX_POSITION_BYTES} bytes", str(len(data)))
        reader = Reader(data)
        try:
            if reader.fixed(len(MAGIC)) != MAGIC:
                raise PositionStructureError(MAGIC.decode(), "something else")
            position = cls(
                reader.fixed(ID_BYTES),
                reader.fixed(ID_BYTES),
                reader.bytes(MAX_COMMITTEE_BYTES),
                reader.u64(),
                Position(reader.u64(), reader.fixed(HASH_BYTES), reader.u64(), reader.u64()),
                ChainHead(reader.u64(), reader.fixed(HASH_BYTES)),
                ChainHead(reader.u64(), reader.fixed(HASH_BYTES)),
            )
            reader.end()
        except BcsError as error:
            raise PositionStructureError("a position", str(error)) from None
        return position

    def check_owner(self, cluster: bytes, enclave: bytes) -> None:
        """Raises `PositionOwnerError`."""
        for name, expected, actual in (("cluster", cluster, self.cluster), ("slot", enclave, self.enclave)):
            if expected != actual:
                raise PositionOwnerError(f"{name} 0x{expected.hex()}", f"0x{actual.hex()}")

    def start(self, anchor: Committee) -> tuple[TrustedState, int]:
        """Where to go on, and the epoch from which the gap is counted: here, or at an anchor that is newer.

        Raises `PositionCommitteeError` when the anchor is another committee of the same epoch, and the errors of a
        committee.
        """
        committee = Committee.from_bytes(self.committee)
        if anchor.epoch > committee.epoch:
            return TrustedState(anchor), anchor.epoch
        if anchor.epoch == committee.epoch and anchor.anchor != committee.anchor:
            raise PositionCommitteeError(committee.anchor.hex(), anchor.anchor.hex())
        return TrustedState(committee, self.newest), self.base_epoch

"""The validators of one epoch: who may certify its checkpoints, and with what weight.

Invariant: a `Committee` has distinct members in ascending order of their keys (the order that bitmap indices mean),
powers that add up to exactly 10,000, and keys that are usable points. Source: crates/sui-types/src/committee.rs of
MystenLabs/sui.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Self

from daas_chain.sui.checkpoint import COMMITTEE, MAX_COMMITTEE_BYTES, CommitteeMember, CommitteeRecord
from daas_protocol.bcs import BcsError

from . import bls
from .errors import (
    CommitteeDuplicateError,
    CommitteeKeyError,
    CommitteeOrderError,
    CommitteePowerError,
    CommitteeSizeError,
    CommitteeStructureError,
    LightClientError,
)

TOTAL_POWER = 10_000
QUORUM_POWER = 6_667
"""More than two thirds: Sui's own threshold for a committee of 10,000."""


def read_committee(data: bytes) -> CommitteeRecord:
    """The unchecked record in bcs(epoch, vector<(key, power)>). Raises `CommitteeStructureError`."""
    if len(data) > MAX_COMMITTEE_BYTES:
        raise CommitteeStructureError(f"at most {MAX_COMMITTEE_BYTES} bytes", str(len(data)))
    try:
        return COMMITTEE.decode(data)
    except BcsError as error:
        raise CommitteeStructureError("bcs(u64 epoch, vector<(key, u64 power)>)", str(error)) from None


def check_size(record: CommitteeRecord) -> None:
    if not record.members:
        raise CommitteeSizeError("at least one member", "none")


def check_duplicates(record: CommitteeRecord) -> None:
    seen: set[bytes] = set()
    for member in record.members:
        if member.public_key in seen:
            raise CommitteeDuplicateError("every key once", f"{member.public_key.hex()[:16]}.. twice")
        seen.add(member.public_key)


def check_order(record: CommitteeRecord) -> None:
    keys = [member.public_key for member in record.members]
    for index, (earlier, later) in enumerate(pairwise(keys), 1):
        if later < earlier:
            raise CommitteeOrderError("ascending keys", f"member {index} below member {index - 1}")


def check_power(record: CommitteeRecord) -> None:
    for index, member in enumerate(record.members):
        if member.power < 1:
            raise CommitteePowerError("at least 1 for each member", f"{member.power} for member {index}")
    total = sum(member.power for member in record.members)
    if total != TOTAL_POWER:
        raise CommitteePowerError(f"{TOTAL_POWER} in all", str(total))


def load_keys(record: CommitteeRecord) -> tuple[bls.PublicKey, ...]:
    """Raises `CommitteeKeyError` for the first key that is no usable point."""
    points = []
    for index, member in enumerate(record.members):
        try:
            points.append(bls.load_key(member.public_key))
        except bls.BlsPointError as error:
            raise CommitteeKeyError("usable points", f"member {index}: {error}") from None
    return tuple(points)


COMMITTEE_CHECKS = (check_size, check_duplicates, check_order, check_power)
"""In this order; the keys, which cost most, come last."""
COMMITTEE_ERRORS: tuple[type[LightClientError], ...] = (
    CommitteeSizeError,
    CommitteeDuplicateError,
    CommitteeOrderError,
    CommitteePowerError,
)


@dataclass(frozen=True, slots=True)
class Committee:
    """Made by `from_record` only. Its points are kept, so a second certificate costs a tenth of the first."""

    epoch: int
    members: tuple[CommitteeMember, ...]
    points: tuple[bls.PublicKey, ...] = field(repr=False, compare=False)

    @classmethod
    def from_record(cls, record: CommitteeRecord) -> Self:
        """Raises the error of the first check that fails."""
        for check in COMMITTEE_CHECKS:
            check(record)
        return cls(record.epoch, record.members, load_keys(record))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        return cls.from_record(read_committee(data))

    def to_bytes(self) -> bytes:
        return COMMITTEE.encode(CommitteeRecord(self.epoch, self.members))

    @property
    def anchor(self) -> bytes:
        """`light_client_anchor`: SHA-256 of bcs(epoch, committee). What an enclave is bound to at launch."""
        return hashlib.sha256(self.to_bytes()).digest()

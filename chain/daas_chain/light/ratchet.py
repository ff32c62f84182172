"""Trust carried forward: from one checkpoint to the next, and from one epoch's committee to the next.

Invariant: a `TrustedState` only ever moves forward, and every step is certified by the committee that the step before
it installed. `follow` leaves no checkpoint out; `skip` may, and is for reaching the present, not for reading events.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from daas_chain.sui.checkpoint import CommitteeRecord

from .certificate import VerifiedSummary, verify_summary
from .committee import Committee
from .errors import (
    EndOfEpochError,
    EpochGapError,
    PreviousDigestError,
    SequenceError,
    TimestampError,
    TransactionTotalError,
)

MAX_EPOCH_GAP = 128
"""Validators who have left an old committee may sell or lose their keys. About four months of mainnet."""


@dataclass(frozen=True, slots=True)
class Position:
    """The newest verified checkpoint."""

    sequence_number: int
    digest: bytes
    timestamp_ms: int
    total_transactions: int


@dataclass(frozen=True, slots=True)
class TrustedState:
    """`position` is None until the first checkpoint under an anchor was verified."""

    committee: Committee
    position: Position | None = None


def hand_over(verified: VerifiedSummary) -> Committee:
    """The committee of the next epoch, from the last checkpoint of this one."""
    end = verified.summary.end_of_epoch
    if end is None:
        raise EndOfEpochError("the last checkpoint of an epoch", f"checkpoint {verified.summary.sequence_number}")
    return Committee.from_record(CommitteeRecord(verified.summary.epoch + 1, end.next_committee))


def check_gap(committee: Committee, target_epoch: int, bound: int = MAX_EPOCH_GAP) -> None:
    """Raises `EpochGapError` unless `target_epoch` is at most `bound` epochs ahead, and not behind."""
    gap = target_epoch - committee.epoch
    if not 0 <= gap <= bound:
        raise EpochGapError(f"epoch {committee.epoch} to {committee.epoch + bound}", str(target_epoch))


def follow(state: TrustedState, summary: bytes, signature: bytes) -> tuple[TrustedState, VerifiedSummary]:
    """The next checkpoint, without a gap. The first one under an anchor may be any of its epoch."""
    verified = verify_summary(state.committee, summary, signature)
    found, position = verified.summary, state.position
    if position is not None:
        if found.sequence_number != position.sequence_number + 1:
            raise SequenceError(str(position.sequence_number + 1), str(found.sequence_number))
        if found.previous_digest != position.digest:
            raise PreviousDigestError(position.digest.hex(), _hex(found.previous_digest))
    return _moved(state, verified), verified


def skip(state: TrustedState, summary: bytes, signature: bytes) -> tuple[TrustedState, VerifiedSummary]:
    """A later checkpoint of the same epoch; those between stay unread."""
    verified = verify_summary(state.committee, summary, signature)
    found, position = verified.summary, state.position
    if position is not None and found.sequence_number <= position.sequence_number:
        raise SequenceError(f"above {position.sequence_number}", str(found.sequence_number))
    return _moved(state, verified), verified


def ratchet(
    state: TrustedState, ends: Iterable[tuple[bytes, bytes]], target_epoch: int, bound: int = MAX_EPOCH_GAP
) -> TrustedState:
    """`ends`: (summary, signature) of the last checkpoint of each epoch from the state's to the one before target."""
    check_gap(state.committee, target_epoch, bound)
    for summary, signature in ends:
        if state.committee.epoch == target_epoch:
            raise EndOfEpochError(f"nothing beyond epoch {target_epoch}", "another checkpoint")
        state, verified = skip(state, summary, signature)
        if verified.summary.end_of_epoch is None:
            raise EndOfEpochError("the last checkpoint of an epoch", f"checkpoint {verified.summary.sequence_number}")
    if state.committee.epoch != target_epoch:
        raise EndOfEpochError(f"checkpoints up to epoch {target_epoch}", f"up to epoch {state.committee.epoch}")
    return state


def _moved(state: TrustedState, verified: VerifiedSummary) -> TrustedState:
    found, position = verified.summary, state.position
    if position is not None:
        if found.timestamp_ms < position.timestamp_ms:
            raise TimestampError(f"at least {position.timestamp_ms}", str(found.timestamp_ms))
        if found.network_total_transactions < position.total_transactions:
            raise TransactionTotalError(
                f"at least {position.total_transactions}", str(found.network_total_transactions)
            )
    committee = state.committee if found.end_of_epoch is None else hand_over(verified)
    reached = Position(found.sequence_number, verified.digest, found.timestamp_ms, found.network_total_transactions)
    return TrustedState(committee, reached)


def _hex(value: bytes | None) -> str:
    return "none" if value is None else value.hex()

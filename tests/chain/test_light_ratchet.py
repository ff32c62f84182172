"""Trust moves forward only: no checkpoint left out, no committee that the one before it did not name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from daas_chain.light import errors, ratchet
from daas_chain.light.committee import Committee
from daas_chain.light.ratchet import TrustedState, follow, skip
from daas_chain.sui.checkpoint import SUMMARY, CommitteeMember
from daas_chain.sui.digests import Hashed, digest
from support import light_world as world
from support.light_world import EPOCH, SEQUENCE, TIME_MS, TOTAL

ANCHOR = TrustedState(Committee.from_bytes(world.committee()))
FIRST = world.checkpoint()
STARTED, _ = follow(ANCHOR, FIRST.summary, FIRST.signature)


def after(before: world.Checkpoint = FIRST, **changes: object) -> world.Checkpoint:
    found = SUMMARY.decode(before.summary)
    fields: dict[str, object] = {
        "sequence_number": found.sequence_number + 1,
        "previous_digest": digest(Hashed.SUMMARY, before.summary),
        "timestamp_ms": found.timestamp_ms + 200,
        "network_total_transactions": found.network_total_transactions + 3,
    }
    return world.checkpoint(**fields | changes)  # type: ignore[arg-type]


def ending(epoch: int, sequence: int, next_members: tuple[CommitteeMember, ...] | None = None) -> tuple[bytes, bytes]:
    """The last checkpoint of `epoch`, signed by its committee."""
    named = world.members(epoch + 1) if next_members is None else next_members
    made = world.checkpoint(epoch=epoch, sequence_number=sequence, next_members=named)
    return made.summary, made.signature


def test_the_next_checkpoint_is_followed_and_becomes_the_position() -> None:
    second = after()
    state, verified = follow(STARTED, second.summary, second.signature)
    assert state.committee is STARTED.committee
    assert state.position is not None
    assert (state.position.sequence_number, state.position.digest) == (SEQUENCE + 1, verified.digest)
    assert verified.digest == digest(Hashed.SUMMARY, second.summary)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"sequence_number": SEQUENCE}, errors.SequenceError),
        ({"sequence_number": SEQUENCE + 2}, errors.SequenceError),
        ({"sequence_number": SEQUENCE - 1}, errors.SequenceError),
        ({"previous_digest": bytes(32)}, errors.PreviousDigestError),
        ({"previous_digest": None}, errors.PreviousDigestError),
        ({"timestamp_ms": TIME_MS - 1}, errors.TimestampError),
        ({"network_total_transactions": TOTAL + 2}, errors.TransactionTotalError),
        ({"signers": (0, 1)}, errors.QuorumError),
    ],
)
def test_a_certified_checkpoint_that_does_not_continue_the_last_is_refused(
    changes: dict[str, object], error: type[errors.LightClientError]
) -> None:
    wrong = after(**changes)
    with pytest.raises(error):
        follow(STARTED, wrong.summary, wrong.signature)


def test_the_same_instant_is_no_step_back() -> None:
    same = after(timestamp_ms=TIME_MS, network_total_transactions=TOTAL + 3)
    state, _ = follow(STARTED, same.summary, same.signature)
    assert state.position is not None
    assert state.position.timestamp_ms == TIME_MS


def test_the_last_checkpoint_of_an_epoch_hands_over_to_the_committee_that_it_names() -> None:
    last = after(next_members=world.members(EPOCH + 1))
    state, _ = follow(STARTED, last.summary, last.signature)
    assert state.committee.epoch == EPOCH + 1
    assert state.committee.to_bytes() == world.committee(EPOCH + 1)
    new = after(last, epoch=EPOCH + 1)
    # `checkpoint` has the committee of the summary's own epoch sign it.
    moved, _ = follow(state, new.summary, new.signature)
    assert moved.position is not None
    assert moved.position.sequence_number == SEQUENCE + 2


def test_the_old_committee_certifies_nothing_after_its_hand_over() -> None:
    last = after(next_members=world.members(EPOCH + 1))
    state, _ = follow(STARTED, last.summary, last.signature)
    late = after(last)
    with pytest.raises(errors.SummaryEpochError):
        follow(state, late.summary, late.signature)
    claimed = after(last, epoch=EPOCH + 1).summary
    with pytest.raises(errors.QuorumSignatureError):
        follow(state, claimed, world.certify(claimed, EPOCH, says=EPOCH + 1))


def test_a_committee_that_is_no_committee_is_not_installed() -> None:
    good = world.members(EPOCH + 1)
    broken: dict[type[errors.LightClientError], tuple[CommitteeMember, ...]] = {
        errors.CommitteeSizeError: (),
        errors.CommitteeOrderError: good[::-1],
        errors.CommitteeDuplicateError: (good[0], good[0], *good[2:]),
        errors.CommitteePowerError: (replace(good[0], power=1), *good[1:]),
        errors.CommitteeKeyError: (*good[:3], replace(good[3], public_key=b"\xff" * 96)),
    }
    for error, members in broken.items():
        last = after(next_members=members)
        with pytest.raises(error):
            follow(STARTED, last.summary, last.signature)


def test_only_the_last_checkpoint_of_an_epoch_hands_over() -> None:
    _, verified = follow(ANCHOR, FIRST.summary, FIRST.signature)
    with pytest.raises(errors.EndOfEpochError):
        ratchet.hand_over(verified)


def test_skipping_goes_forward_only() -> None:
    later = after(sequence_number=SEQUENCE + 500, previous_digest=None)
    state, _ = skip(STARTED, later.summary, later.signature)
    assert state.position is not None
    assert state.position.sequence_number == SEQUENCE + 500
    for back in (FIRST, after(), later):
        with pytest.raises(errors.SequenceError):
            skip(state, back.summary, back.signature)


def test_a_ratchet_over_several_epochs_ends_in_the_target_and_nowhere_else() -> None:
    ends = [ending(EPOCH + step, SEQUENCE + 100 * (step + 1)) for step in range(3)]
    state = ratchet.ratchet(STARTED, ends, EPOCH + 3)
    assert state.committee.to_bytes() == world.committee(EPOCH + 3)
    assert ratchet.ratchet(STARTED, [], EPOCH) == STARTED
    for wrong in (ends[:2], ends[1:], [ends[0], ends[2]], [*ends, ending(EPOCH + 3, SEQUENCE + 900)], ends[::-1]):
        with pytest.raises((errors.EndOfEpochError, errors.SummaryEpochError, errors.SequenceError)):
            ratchet.ratchet(STARTED, wrong, EPOCH + 3)


def test_a_checkpoint_in_the_middle_of_an_epoch_is_no_step_of_a_ratchet() -> None:
    middle = after()
    step = (middle.summary, middle.signature)
    for steps in ([step], [step, ending(EPOCH, SEQUENCE + 100)]):
        with pytest.raises(errors.EndOfEpochError, match="the last checkpoint of an epoch"):
            ratchet.ratchet(STARTED, steps, EPOCH + 1)


def test_nothing_is_read_beyond_the_target() -> None:
    ends = iter([ending(EPOCH, SEQUENCE + 100), ending(EPOCH + 1, SEQUENCE + 200), (b"never", b"read")])
    with pytest.raises(errors.EndOfEpochError, match=f"nothing beyond epoch {EPOCH + 1}"):
        ratchet.ratchet(STARTED, ends, EPOCH + 1)
    assert next(ends) == (b"never", b"read")


def test_a_gap_beyond_the_bound_and_a_target_behind_are_refused_before_anything_is_read() -> None:
    for target in (EPOCH + ratchet.MAX_EPOCH_GAP + 1, EPOCH - 1):
        with pytest.raises(errors.EpochGapError):
            ratchet.ratchet(STARTED, iter([(b"never", b"read")]), target)
    ratchet.check_gap(STARTED.committee, EPOCH + ratchet.MAX_EPOCH_GAP)
    with pytest.raises(errors.EpochGapError):
        ratchet.check_gap(STARTED.committee, EPOCH + 3, bound=2)


def test_a_fork_of_a_minority_never_becomes_the_position() -> None:
    fork = after(signers=(2,), content_digest=bytes(32))
    with pytest.raises(errors.QuorumError):
        follow(STARTED, fork.summary, fork.signature)
    assert STARTED.position is not None
    assert STARTED.position.sequence_number == SEQUENCE

"""Attacks: what a relay or a part of a committee makes of a network's checkpoints is refused, each by its own check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from daas_chain.light import errors, inclusion, ratchet, verdict
from daas_chain.sui.checkpoint import COMMITTEE
from daas_localnet.node.checkpoints import Certified
from daas_localnet.node.network import Network
from support import localnet_faults as faults
from support.ledger_world import START_MS
from support.localnet_world import Follower, NodeWorld

EVENTFUL, LAST_OF_EPOCH, NEXT = 1, 2, 3


@pytest.fixture(scope="module")
def network() -> Network:
    """Checkpoint 1 has an event, 2 ends the epoch, 3 and 4 are of the next one."""
    world = NodeWorld()
    world.send(world.listing(), START_MS + 1)
    world.send(world.transfer(5), START_MS + 2)
    world.network.seal(START_MS + 3)
    world.network.seal(START_MS + 4, end_epoch=True)
    world.send(world.transfer(6), START_MS + 5)
    world.network.seal(START_MS + 6)
    world.network.seal(START_MS + 7)
    return world.network


def before(network: Network, number: int) -> Follower:
    """A light client that has verified everything before checkpoint `number`."""
    follower = Follower(network)
    while follower.next < number:
        follower.follow(faults.original(network, follower.next))
    return follower


def take(network: Network, number: int, one: Certified) -> None:
    state = before(network, number).state
    ratchet.follow(state, one.summary_bytes, one.signature_bytes)


def open_handed(network: Network, number: int, handed: faults.Handed) -> None:
    follower = before(network, number)
    given = handed.certified
    _, verified = ratchet.follow(follower.state, given.summary_bytes, given.signature_bytes)
    inclusion.open_all(inclusion.open_contents(verified, given.contents_bytes), handed.parts)


def judged(network: Network, epoch: int, one: Certified) -> verdict.Verdict:
    info = network.epoch(epoch)
    assert info is not None
    return verdict.judge(COMMITTEE.encode(info.committee), one.summary_bytes, one.signature_bytes, one.contents_bytes)


def test_the_originals_are_accepted_by_every_way_of_looking(network: Network) -> None:
    assert before(network, 5).next == 5
    for number in range(5):
        one = faults.original(network, number)
        assert judged(network, one.summary.epoch, one).accepted
        open_handed(network, number, faults.honest(network, number))


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (faults.minority_fork, errors.QuorumError),
        (lambda network, number: faults.minority_fork(network, number, (number % 4,)), errors.QuorumError),
        (faults.boastful_fork, errors.QuorumSignatureError),
        (lambda network, number: faults.wrong_quorum(network, number, seed=bytes(32)), errors.QuorumSignatureError),
        (lambda network, number: faults.wrong_quorum(network, number, epoch=7), errors.QuorumSignatureError),
        (lambda network, number: faults.with_summary(network, number, timestamp_ms=5), errors.QuorumSignatureError),
        (lambda network, number: faults.with_summary(network, number, epoch=9), errors.SummaryEpochError),
    ],
)
def test_what_too_few_or_the_wrong_ones_certify_is_refused(
    network: Network,
    number: int,
    make: Callable[[Network, int], Certified],
    expected: type[errors.LightClientError],
) -> None:
    forged = make(network, number)
    assert forged != faults.original(network, number)
    with pytest.raises(expected) as raised:
        take(network, number, forged)
    assert type(raised.value) is expected
    epoch = faults.original(network, number).summary.epoch
    assert not judged(network, epoch, forged).accepted


def test_a_signature_of_another_epoch_is_refused_by_name(network: Network) -> None:
    one = faults.original(network, NEXT)
    with pytest.raises(errors.SignatureEpochError):
        take(network, NEXT, replace(one, signature=replace(one.signature, epoch=0)))
    # Those who were the committee cannot certify what comes after them.
    with pytest.raises(errors.QuorumSignatureError):
        take(network, NEXT, faults.wrong_quorum(network, NEXT, epoch=0))


def test_the_next_committee_cannot_be_exchanged(network: Network) -> None:
    end = faults.original(network, LAST_OF_EPOCH).summary.end_of_epoch
    assert end is not None
    strangers = faults.keys(network, 1, seed=bytes(32)).record.members
    for changed in (replace(end, next_committee=strangers), None):
        with pytest.raises(errors.QuorumSignatureError):
            take(network, LAST_OF_EPOCH, faults.with_summary(network, LAST_OF_EPOCH, end_of_epoch=changed))


@pytest.mark.parametrize(
    ("withheld", "expected"),
    [(1, errors.SequenceError), (LAST_OF_EPOCH, errors.SummaryEpochError), (NEXT, errors.SequenceError)],
)
def test_a_withheld_checkpoint_is_missed(
    network: Network, withheld: int, expected: type[errors.LightClientError]
) -> None:
    follower = Follower(network)
    with pytest.raises(expected):
        for one in faults.withholding(network, withheld):
            follower.follow(one)
    assert follower.next == withheld


def test_a_dishonest_quorum_is_found_out_by_the_chain_of_digests(network: Network) -> None:
    with pytest.raises(errors.PreviousDigestError):
        take(network, NEXT, faults.closed_gap(network, NEXT))
    # What it certifies instead of a checkpoint is accepted alone, and does not go with the checkpoint after it.
    fork = faults.majority_fork(network, NEXT)
    state, _ = ratchet.follow(before(network, NEXT).state, fork.summary_bytes, fork.signature_bytes)
    after = faults.original(network, NEXT + 1)
    with pytest.raises(errors.PreviousDigestError):
        ratchet.follow(state, after.summary_bytes, after.signature_bytes)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda network: faults.forged_event(network, EVENTFUL, 0), errors.EventsDigestError),
        (lambda network: faults.forged_event(network, EVENTFUL, 1), errors.EffectsDigestError),
        (lambda network: faults.forged_event(network, EVENTFUL, 2), errors.ContentsDigestError),
        (lambda network: faults.forged_event(network, EVENTFUL, 3), errors.QuorumSignatureError),
        (lambda network: faults.withheld_events(network, EVENTFUL), errors.EventsWithheldError),
        (lambda network: faults.withheld_transaction(network, EVENTFUL), errors.EffectsWithheldError),
        (lambda network: faults.added_events(network, EVENTFUL), errors.EventsUnexpectedError),
        (lambda network: faults.swapped(network, EVENTFUL), errors.EffectsDigestError),
    ],
)
def test_what_was_changed_after_certification_is_noticed_where_it_was_changed(
    network: Network, make: Callable[[Network], faults.Handed], expected: type[errors.LightClientError]
) -> None:
    with pytest.raises(expected) as raised:
        open_handed(network, EVENTFUL, make(network))
    assert type(raised.value) is expected

"""Promises: whatever a relay hands over, withholds, repeats or makes up, a follower shows the contract as it was at a
certified head or nothing, names what it refuses, and goes on as soon as it is given what is missing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_chain import mailbox_state, state
from daas_chain.catalog import MAILBOX_BODIES, STATE_BODIES
from daas_chain.events_access import TokenRevoked
from daas_chain.events_mailbox import K8sAPIRequest
from daas_chain.follow import chain as chain_module
from daas_chain.follow import errors, events, held
from daas_chain.follow.follower import Arrival, Follower
from daas_chain.follow.position import SealedPosition
from daas_chain.heads import ChainHead, Event, Heads
from daas_chain.layout import MoveStruct
from daas_chain.light import errors as light
from daas_chain.light.committee import Committee
from daas_chain.light.errors import LightClientError
from daas_chain.light.ratchet import Position
from daas_chain.mailbox_state import MailboxView
from daas_chain.state_view import StateView
from daas_chain.sui import transaction as tx
from daas_chain.sui.events import Event as SuiEvent
from daas_chain.sui.types import StructTag
from daas_chain.type_tags import decode_event
from daas_chain.values import OnChain
from daas_protocol.bcs import BcsError
from support import localnet_faults as faults
from support import move_golden_events as golden
from support.contract_steps import flag, who
from support.follow_world import USER, Message, NetStage, Part, Told, certified_by_quorum, fed, founding, handed
from support.ledger_world import STD, SUI, address
from support.wrapper_module import wrapper

CHECKPOINT_MS = 3.0
"""The issue's goal, from bytes to views, on one core."""
OTHER = b"\x99" * 32
VECTORS = Path(__file__).parents[1] / "vectors"


@dataclass
class Truth:
    """A network with a long story, and every view that the contract has had, by the number of its head."""

    stage: NetStage
    states: dict[int, StateView] = field(repr=False)
    mailboxes: dict[int, MailboxView] = field(repr=False)

    def follower(self, **how: Any) -> Follower:
        return self.stage.follower(**how)

    def told(self) -> list[Told]:
        return self.stage.old(self.stage.numbers())


def read(stage: NetStage, told: Told) -> Event[MoveStruct]:
    event = decode_event(told.type, told.contents, {stage.package})
    assert isinstance(event, Event)
    return event


@pytest.fixture(scope="module")
def truth() -> Truth:
    stage = founding()
    stage.submit_batch(1, 2, 3).runs()
    stage.beacon()
    stage.settle(stage.single(2), 2).runs()
    stage.issue(address(0x77)).runs()
    stage.seal()
    stage.on_cluster("admit_operator", who(address(0x55)), flag(True), cap=stage.admin).runs()
    stage.seal()
    stage.next_epoch()
    stage.slot().runs()
    stage.submit(4).runs()
    stage.seal()
    stage.wait(1_000)
    stage.attested(1, 1, function="heartbeat").runs()
    stage.beacon()
    stage.next_epoch()
    stage.next_epoch()
    stage.wait(1_000)
    stage.attested(2, 1).runs()
    stage.seal()
    stage.create(name="another").runs()
    stage.submit(5).fails("") if False else None
    stage.seal()
    stage.beacon()
    views, boxes = StateView.genesis(stage.cluster_id), MailboxView.genesis(stage.cluster_id, stage.enclave_id)
    states, mailboxes = {0: views}, {0: boxes}
    for one in stage.old(stage.numbers()):
        event = read(stage, one)
        if type(event.body) in STATE_BODIES:
            views = state.apply(views, event)
            states[views.head.seq] = views
        elif event.heads.enclave == stage.enclave_id:
            assert type(event.body) in MAILBOX_BODIES
            boxes = mailbox_state.apply(boxes, event)
            mailboxes[boxes.head.seq] = boxes
    return Truth(stage, states, mailboxes)


def relay(follower: Follower, stage: NetStage) -> None:
    """What an honest relay does from whatever position the follower tells it."""
    for _ in range(3):
        epoch = stage.network.epoch(follower.epoch)
        assert epoch is not None
        begin = max(epoch.first_checkpoint, follower.newest.sequence_number + 1 if follower.newest is not None else 0)
        rest = [one for one in stage.eventful() if one >= begin]
        missing = []
        for one in stage.old(range(rest[0]) if rest else ()):
            event = read(stage, one)
            head, have = (
                (event.heads.state, follower.state_seq)
                if type(event.body) in STATE_BODIES
                else (event.heads.mailbox, follower.mailbox_seq)
            )
            assert head is not None
            if head.seq > have:
                missing.append(one)
        try:
            follower.history(missing)
            fed(follower, stage, rest)
        except (errors.HeadMismatchError, errors.EventRepeatedError):
            continue
        return
    raise AssertionError("the follower did not take the truth")


def same(follower: Follower, truth: Truth) -> None:
    """What it shows is what the contract had."""
    if follower.verified is None:
        return
    assert follower.verified.state == truth.states[follower.verified.state.head.seq]
    assert follower.verified.mailbox == truth.mailboxes[follower.verified.mailbox.head.seq]
    assert set(follower.verified.arrivals) == set(follower.verified.mailbox.requests)


def done(follower: Follower, truth: Truth) -> None:
    same(follower, truth)
    assert follower.verified is not None
    assert follower.verified.state.head.seq == max(truth.states)
    assert follower.verified.mailbox.head.seq == max(truth.mailboxes)
    assert follower.verified.beacon_ms == truth.stage.network.latest.summary.timestamp_ms


def test_every_checkpoint_that_matters_gives_the_contracts_views(truth: Truth) -> None:
    follower, stage = truth.follower(), truth.stage
    assert follower.verified is None
    for one in stage.eventful():
        changes = follower.checkpoint(stage.message(one), stage.clock_ms)
        assert changes.events == len(stage.events(one))
        same(follower, truth)
    done(follower, truth)
    assert follower.epoch == 3


def test_all_checkpoints_give_the_same_as_those_that_matter(truth: Truth) -> None:
    few, all_ = truth.follower(), truth.follower()
    fed(few, truth.stage, truth.stage.eventful())
    fed(all_, truth.stage, truth.stage.numbers())
    assert few.verified == all_.verified


def test_a_request_arrives_with_the_checkpoint_that_brought_the_request(truth: Truth) -> None:
    follower = truth.follower()
    changes = fed(follower, truth.stage, truth.stage.eventful())
    requested = {seq: one.checkpoint for one in changes for seq in one.requested}
    assert sorted(requested) == [0, 1, 2, 3]
    assert [seq for one in changes for seq in one.ended] == [1]
    assert follower.verified is not None
    times = {one.checkpoint: one.timestamp_ms for one in changes}
    assert dict(follower.verified.arrivals) == {
        seq: Arrival(requested[seq], times[requested[seq]]) for seq in (0, 2, 3)
    }


def test_history_counts_when_a_verified_event_shows_where_it_leads(truth: Truth) -> None:
    follower, stage = truth.follower(anchor=truth.stage.committee(3)), truth.stage
    follower.history(stage.old(stage.eventful()[:-1]))
    assert follower.verified is None
    assert follower.unproven > 0
    assert (follower.state_seq, follower.mailbox_seq) == (max(truth.states), max(truth.mailboxes))
    last = stage.eventful()[-1]
    changes = follower.checkpoint(stage.message(last), stage.clock_ms)
    assert changes.requested == (0, 2, 3)
    done(follower, truth)
    assert follower.unproven == 0
    assert {one.checkpoint for one in follower.verified.arrivals.values()} == {last}


def test_history_may_reach_into_the_checkpoints_that_follow(truth: Truth) -> None:
    follower, stage = truth.follower(), truth.stage
    follower.history(truth.told())
    fed(follower, stage, stage.eventful())
    done(follower, truth)


def test_a_beacon_counts_where_what_it_shows_is_proven_and_of_this_slot(truth: Truth) -> None:
    """A view of before under a time of now would be worse than none."""
    stage = truth.stage.cast()
    follower = stage.follower()
    # Told beyond what the next checkpoints show: nothing on the way is proven yet.
    follower.history(stage.old(stage.numbers()))
    top_state, top_mailbox = max(truth.states), max(truth.mailboxes)
    for one in stage.eventful():
        changes = follower.checkpoint(stage.message(one), stage.clock_ms)
        shown = [decode_event(str(event.type), event.contents, {stage.package}) for _, event in stage.events(one)]
        both = [event.heads for event in shown if isinstance(event, Event) and event.heads.enclave == stage.enclave_id]
        reached = any(
            (heads.state, heads.mailbox) == (truth.states[top_state].head, truth.mailboxes[top_mailbox].head)
            for heads in both
        )
        assert changes.beacon == reached
        if follower.verified is not None:
            assert follower.verified.state.head.seq == top_state
            assert follower.verified.mailbox.head.seq == top_mailbox
    stage.wait(1_000)
    stage.slot().runs()
    other = stage.seal()
    before = follower.verified
    assert before is not None
    changes = follower.checkpoint(stage.message(other), stage.clock_ms)
    assert (changes.events, changes.beacon, changes.state) == (1, False, True)
    assert follower.verified is not None
    assert follower.verified.beacon_ms == before.beacon_ms
    assert follower.verified.timestamp_ms == stage.clock_ms


def test_heads_of_one_chain_alone_prove_nothing_of_the_other() -> None:
    stage = founding()
    follower = stage.follower()
    fed(follower, stage, stage.eventful())
    stage.wait(1_000)
    numbers = []
    for request in (1, 2):
        stage.submit(request).runs()
        numbers.append(stage.seal())
        stage.wait(1_000)
        numbers.append(stage.beacon())
    first, beacon, second, last = numbers
    follower.history(stage.old([first, second]))
    before = follower.verified
    # What the mailbox is shown to be lies on the way to what was told; there is no view of it.
    assert not follower.checkpoint(stage.message(beacon), stage.clock_ms).beacon
    assert follower.verified is before
    assert follower.checkpoint(stage.message(last), stage.clock_ms).requested == (0, 1)


def refused(follower: Follower, message: Message, check: type[LightClientError], now_ms: int) -> LightClientError:
    """It is refused by this check, and nothing that was proven has changed."""
    before = (follower.verified, follower.newest, follower.epoch, follower.export())
    with pytest.raises(check) as raised:
        follower.checkpoint(message, now_ms)
    assert type(raised.value) is check
    assert raised.value.check == check.check
    assert (follower.verified, follower.newest, follower.epoch, follower.export()) == before
    return raised.value


@pytest.mark.parametrize("left_out", range(8))
def test_what_is_left_out_shows_at_the_next_event_and_can_be_given_later(truth: Truth, left_out: int) -> None:
    follower, stage = truth.follower(), truth.stage
    eventful = [one for one in stage.eventful() if stage.events(one)]
    missing = eventful[left_out % (len(eventful) - 1)]
    for one in stage.eventful():
        if one == missing:
            # The end of an epoch is needed for itself; its events may still be missing.
            bare = replace(stage.message(one), parts=(), contents=b"")
            if faults.original(stage.network, one).summary.end_of_epoch is not None:
                follower.checkpoint(bare, stage.clock_ms)
            continue
        try:
            follower.checkpoint(stage.message(one), stage.clock_ms)
        except errors.EventsOmittedError:
            refused(follower, stage.message(one), errors.EventsOmittedError, stage.clock_ms)
            follower.history(stage.old([missing]))
            follower.checkpoint(stage.message(one), stage.clock_ms)
        same(follower, truth)
    done(follower, truth)


def two(truth: Truth) -> tuple[Follower, int]:
    """A follower before checkpoint 3, which has three requests and a beacon."""
    follower = truth.follower()
    fed(follower, truth.stage, [1, 2])
    return follower, 3


Attack = Callable[[Truth, int], Message]


def _only(message: Message, *indices: int) -> Message:
    return replace(message, parts=tuple(message.parts[index] for index in indices))


ATTACKS: dict[str, tuple[Attack, type[LightClientError]]] = {
    "signed by a minority": (
        lambda t, n: handed(faults.Handed(faults.minority_fork(t.stage.network, n), ()), ()),
        light.QuorumError,
    ),
    "signed by a minority that says it is all": (
        lambda t, n: handed(faults.Handed(faults.boastful_fork(t.stage.network, n), ()), ()),
        light.QuorumSignatureError,
    ),
    "signed by another committee": (
        lambda t, n: handed(faults.Handed(faults.wrong_quorum(t.stage.network, n, epoch=7), ()), ()),
        light.QuorumSignatureError,
    ),
    "a forged event": (lambda t, n: handed(faults.forged_event(t.stage.network, n, 0)), light.EventsDigestError),
    "a forged event and effects": (
        lambda t, n: handed(faults.forged_event(t.stage.network, n, 1)),
        light.EffectsDigestError,
    ),
    "a forged event, effects and contents": (
        lambda t, n: handed(faults.forged_event(t.stage.network, n, 2)),
        light.ContentsDigestError,
    ),
    "a forged event up to the summary": (
        lambda t, n: handed(faults.forged_event(t.stage.network, n, 3)),
        light.QuorumSignatureError,
    ),
    "events withheld from a part": (
        lambda t, n: handed(faults.withheld_events(t.stage.network, n)),
        light.EventsWithheldError,
    ),
    "events under another transaction": (
        lambda t, n: handed(faults.swapped(t.stage.network, n)),
        light.EffectsDigestError,
    ),
    "a transaction left out": (
        lambda t, n: _only(t.stage.message(n), 1),
        errors.EventsOmittedError,
    ),
    "parts in another order": (lambda t, n: _only(t.stage.message(n), 1, 0), errors.PartOrderError),
    "a part twice": (lambda t, n: _only(t.stage.message(n), 0, 0, 1), errors.PartOrderError),
    "a part of no transaction": (
        lambda t, n: replace(t.stage.message(n), parts=(Part(99, b"", None),)),
        errors.PartIndexError,
    ),
    "parts without contents": (lambda t, n: replace(t.stage.message(n), contents=b""), light.ContentsStructureError),
    "other contents": (
        lambda t, n: replace(t.stage.message(n), contents=t.stage.message(1).contents),
        light.ContentsDigestError,
    ),
    "other contents without parts": (
        lambda t, n: replace(t.stage.message(n), contents=t.stage.message(1).contents, parts=()),
        light.ContentsDigestError,
    ),
    "a checkpoint that was had": (lambda t, n: t.stage.message(2), light.SequenceError),
    "a checkpoint of before": (lambda t, n: t.stage.message(1), light.SequenceError),
    "a later epoch without the end of this": (
        lambda t, n: t.stage.message(t.stage.eventful()[-1]),
        light.SummaryEpochError,
    ),
    "a broken summary": (lambda t, n: replace(t.stage.message(n), summary=b"x"), light.SummaryStructureError),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_refused_by_its_own_check_and_changes_nothing(truth: Truth, attack: str) -> None:
    make, check = ATTACKS[attack]
    follower, number_ = two(truth)
    refused(follower, make(truth, number_), check, truth.stage.clock_ms)
    relay(follower, truth.stage)
    done(follower, truth)


def _first(truth: Truth, number_: int) -> SuiEvent:
    return truth.stage.events(number_)[0][1]


def _with(event: SuiEvent, stage: NetStage, change: Callable[[Event[MoveStruct]], Event[MoveStruct]]) -> SuiEvent:
    found = decode_event(str(event.type), event.contents, {stage.package})
    assert isinstance(found, Event)
    return replace(event, contents=change(found).encode())


def _heads(**changes: Any) -> Callable[[Event[MoveStruct]], Event[MoveStruct]]:
    def change(event: Event[MoveStruct]) -> Event[MoveStruct]:
        given = {name: one(getattr(event.heads, name)) for name, one in changes.items()}
        return replace(event, heads=replace(event.heads, **given))

    return change


def _later(head: Any) -> Any:
    return replace(head, seq=head.seq + 1)


def _earlier(head: Any) -> Any:
    return replace(head, seq=head.seq - 1)


def _else(head: Any) -> Any:
    return replace(head, head=bytes(32))


LIES: dict[str, tuple[Callable[[Event[MoveStruct]], Event[MoveStruct]], type[LightClientError]]] = {
    "a request under another mailbox head": (_heads(mailbox=_else), errors.HeadMismatchError),
    "a request with another state head": (_heads(state=_else), errors.HeadMismatchError),
    "a request after a withheld event of state": (_heads(state=_later), errors.EventsOmittedError),
    "a request over an old state": (_heads(state=_earlier), errors.EventRepeatedError),
    "a request after a withheld one": (_heads(mailbox=_later), errors.EventsOmittedError),
    "a request that was there": (_heads(mailbox=_earlier), errors.EventRepeatedError),
    "a request of another content": (
        lambda event: replace(event, body=replace(event.body, fee=1)),  # type: ignore[call-arg]
        errors.HeadMismatchError,
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_what_the_contract_never_emits_is_refused_even_when_certified(truth: Truth, lie: str) -> None:
    """As if a whole committee lied, or our reading of the contract were wrong: it stops by name."""
    change, check = LIES[lie]
    follower, number_ = two(truth)
    event = _with(_first(truth, number_), truth.stage, change)
    refused(follower, certified_by_quorum(truth.stage, number_, (event,)), check, truth.stage.clock_ms)


def test_a_beacon_with_other_heads_is_refused(truth: Truth) -> None:
    follower, number_ = two(truth)
    beacon = truth.stage.events(number_)[-1][1]
    assert "Beacon" in str(beacon.type)
    honest = certified_by_quorum(truth.stage, number_, (_first(truth, number_),))
    for change, check in (
        (_heads(state=_else, mailbox=lambda head: head), errors.HeadMismatchError),
        (_heads(mailbox=_else), errors.EventsOmittedError),
        (_heads(state=_later), errors.EventsOmittedError),
    ):
        message = certified_by_quorum(truth.stage, number_, (_with(beacon, truth.stage, change),))
        refused(follower, message, check, truth.stage.clock_ms)
    assert follower.checkpoint(honest, truth.stage.clock_ms).mailbox


def test_an_unknown_event_of_the_cluster_stops_and_one_of_another_cluster_does_not(truth: Truth) -> None:
    follower, number_ = two(truth)
    event = _first(truth, number_)
    body = replace(event.type.arguments[0], name="FromTomorrow")  # type: ignore[type-var]
    newer = replace(event, type=replace(event.type, arguments=(body,)))
    error = refused(
        follower,
        certified_by_quorum(truth.stage, number_, (newer,)),
        errors.UnknownChainEventError,
        truth.stage.clock_ms,
    )
    assert "FromTomorrow" in str(error)
    stranger = replace(newer, contents=newer.contents.replace(truth.stage.cluster_id, OTHER))
    assert follower.checkpoint(certified_by_quorum(truth.stage, number_, (stranger,)), 0).events == 0


def test_a_strangers_call_is_ours_and_a_strangers_type_is_not(truth: Truth) -> None:
    event = _first(truth, 3)
    wrapped = replace(event, package_id=OTHER, transaction_module="wrapper", sender=OTHER)
    forged = replace(event, type=replace(event.type, address=OTHER))
    dressed = replace(event, type=StructTag(OTHER, "heads", "Event", event.type.arguments))
    follower, _ = two(truth)
    assert follower.checkpoint(certified_by_quorum(truth.stage, 3, (forged, dressed)), 0).events == 0
    follower, _ = two(truth)
    assert follower.checkpoint(certified_by_quorum(truth.stage, 3, (wrapped,)), 0).requested == (0,)


def test_our_function_called_through_a_strangers_package_shows_the_heads(truth: Truth) -> None:
    stage = truth.stage.cast()
    block = stage.block()
    block.transfer(USER, block.command(tx.Publish((wrapper(stage.package),), (STD, SUI, stage.package))))
    outcome = stage.run(block, USER)
    assert outcome.succeeded, outcome.reason
    package = next(one.object_id for one in outcome.batch.written if one.package is not None)
    block = stage.block()
    enclave, cluster = (block.object(one, mutable=False) for one in (stage.enclave_id, stage.cluster_id))
    block.call(package, "wrapper::poke", enclave, cluster, block.clock())
    assert stage.run(block, USER).succeeded
    number_ = stage.seal()
    (event,) = (event for _, event in stage.events(number_))
    assert (event.package_id, event.transaction_module) == (package, "wrapper")
    follower = stage.follower()
    fed(follower, stage, stage.eventful())
    assert follower.verified is not None
    assert (follower.verified.checkpoint, follower.verified.beacon_ms) == (number_, stage.clock_ms)


def test_an_event_that_cannot_be_read_stops(truth: Truth) -> None:
    follower, number_ = two(truth)
    event = _first(truth, number_)
    broken = replace(event, contents=b"\xff" + event.contents)
    refused(follower, certified_by_quorum(truth.stage, number_, (broken,)), errors.EventStructureError, 0)


TELLING: dict[str, tuple[Callable[[Truth], list[Told]], type[LightClientError]]] = {
    "left out": (lambda t: t.told()[1:], errors.EventsOmittedError),
    "reordered": (lambda t: [t.told()[1], t.told()[0]], errors.EventsOmittedError),
    "twice": (lambda t: [t.told()[0], t.told()[0]], errors.EventRepeatedError),
    "of another type": (lambda t: [replace(t.told()[0], type=t.told()[-1].type)], errors.EventStructureError),
    "of a stranger's type": (
        lambda t: [replace(t.told()[0], type=t.told()[0].type.replace(t.told()[0].type[:20], "0x99" + "9" * 16))],
        errors.HistoryTypeError,
    ),
    "of no type": (lambda t: [Told("nothing", b"")], errors.HistoryTypeError),
    "a beacon": (
        lambda t: [Told(str(t.stage.events(3)[-1][1].type), t.stage.events(3)[-1][1].contents)],
        errors.HistoryTypeError,
    ),
    "a notice": (
        lambda t: [Told(f"0x{t.stage.package.hex()}::governance::PackageFrozen", bytes(32))],
        errors.HistoryTypeError,
    ),
    "of another cluster": (
        lambda t: [replace(one, contents=one.contents.replace(t.stage.cluster_id, OTHER)) for one in t.told()[:1]],
        errors.HistoryForeignError,
    ),
    "of another slot": (
        lambda t: [
            replace(one, contents=one.contents.replace(t.stage.enclave_id, OTHER))
            for one in t.told()
            if "K8sAPIRequest" in one.type
        ][:1],
        errors.HistoryForeignError,
    ),
    "with another body": (
        lambda t: [replace(t.told()[0], contents=t.told()[0].contents.replace(b"test", b"best"))],
        errors.HeadMismatchError,
    ),
    "longer than it may be": (lambda t: t.told(), errors.HistorySizeError),
}


@pytest.mark.parametrize("how", TELLING)
def test_a_history_is_taken_whole_or_not(truth: Truth, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, check = TELLING[how]
    if check is errors.HistorySizeError:
        monkeypatch.setattr(chain_module, "MAX_UNPROVEN_BYTES", 2_000)
    follower = truth.follower()
    with pytest.raises(check):
        follower.history(make(truth))
    assert (follower.state_seq, follower.mailbox_seq, follower.unproven) == (0, 0, 0)


def told_lie(truth: Truth) -> list[Told]:
    """A story that hangs together: the first token was revoked at once."""
    stage = truth.stage
    told = stage.old([1, 2])
    last = read(stage, told[-1])
    assert last.heads.state is not None
    issued = next(read(stage, one) for one in told if "TokenIssued" in one.type)
    body = TokenRevoked(issued.body.token)  # type: ignore[attr-defined]
    head = last.heads.state.advance(body)
    lie = Event(body, replace(last.heads, state=head, enclave=None, mailbox=None))
    package = f"0x{stage.package.hex()}"
    return [*told, Told(f"{package}::heads::Event<{package}::access::TokenRevoked>", lie.encode())]


def test_a_made_up_history_is_never_shown_and_forgotten_when_it_comes_out(truth: Truth) -> None:
    follower, stage = truth.follower(), truth.stage
    follower.history(told_lie(truth))
    assert follower.state_seq == 6
    with pytest.raises(errors.HeadMismatchError):
        # Checkpoint 1 to 3 show heads on the way; the next event of state is not what was made up.
        fed(follower, stage, stage.eventful())
    assert follower.unproven == 0
    same(follower, truth)
    relay(follower, stage)
    done(follower, truth)


def long_history(truth: Truth, count: int, pending: int) -> list[Told]:
    """So many requests, one after the other; at most `pending` of them wait at once."""
    stage, box = truth.stage, MailboxView.genesis(truth.stage.cluster_id, truth.stage.enclave_id)
    package, told, waiting = f"0x{stage.package.hex()}", list[Told](), list[K8sAPIRequest]()
    for number_ in range(count):
        bodies: list[MoveStruct] = []
        if len(waiting) == pending:
            ended = waiting.pop(0)
            fields = {name: getattr(ended, name) for name in ("mailbox_seq", "requester", "request_id")}
            bodies.append(replace(golden.expired(1, 0), refunded=ended.fee, **fields))
        identifier = number_.to_bytes(16, "big")
        request = replace(golden.request(1, OnChain(bytes(100))), mailbox_seq=number_, request_id=identifier)
        waiting.append(request)
        for body in [*bodies, request]:
            event = Event(body, Heads(stage.cluster_id, None, stage.enclave_id, box.head.advance(body)))
            box = mailbox_state.apply(box, event)
            told.append(Told(f"{package}::heads::Event<{package}::{body.MOVE}>", event.encode()))
    return told


def test_a_long_history_of_what_has_ended_is_no_large_one(truth: Truth, monkeypatch: pytest.MonkeyPatch) -> None:
    most = 4 * (held.ENTRY_BYTES + 100)
    monkeypatch.setattr(chain_module, "MAX_UNPROVEN_BYTES", most)
    follower = truth.follower()
    for one in long_history(truth, 300, pending=4):
        follower.history([one])
        assert 0 < follower.unproven <= most
    with pytest.raises(errors.HistorySizeError):
        truth.follower().history(long_history(truth, 6, pending=5))


def test_it_is_decided_of_every_event_what_it_costs(truth: Truth) -> None:
    free = {
        "ChangeVetoed", "ChangeActivated", "PolicyRevoked", "MinVersionRaised", "PolicyFrozen", "AnchorRetired",
        "TokenRevoked", "BootAttested", "JoinTokenPublished", "WorkerStatusChangedEvent", "WorkerDeregistered",
    }  # fmt: skip
    assert {one.__name__ for one in STATE_BODIES} == free | {one.__name__ for one in held._GROWING}


def test_heads_of_a_long_history_are_forgotten_and_the_relay_begins_again(
    truth: Truth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain_module, "MAX_HEADS", 2)
    follower, stage = truth.follower(), truth.stage
    follower.history(truth.told())
    refused(follower, stage.message(stage.eventful()[0]), errors.EventRepeatedError, stage.clock_ms)
    assert (follower.state_seq, follower.mailbox_seq) == (0, 0)
    relay(follower, stage)
    done(follower, truth)


PLANS = st.lists(
    st.tuples(
        st.sampled_from(["checkpoint", "history", "bare", "lie", "honest"]), st.integers(0, 30), st.integers(0, 6)
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(PLANS)
def test_whatever_is_handed_over_in_whatever_order_only_the_truth_is_shown(
    truth: Truth, plan: list[tuple[str, int, int]]
) -> None:
    follower, stage, told = truth.follower(), truth.stage, truth.told()
    for what, first, length in plan:
        before = (follower.verified, follower.newest, follower.export())
        try:
            match what:
                case "checkpoint":
                    follower.checkpoint(stage.message(first % len(stage.numbers())), stage.clock_ms)
                case "bare":
                    message = stage.message(first % len(stage.numbers()))
                    follower.checkpoint(replace(message, parts=(), contents=b""), stage.clock_ms)
                case "history":
                    follower.history(told[first : first + length])
                case "lie":
                    follower.history(told_lie(truth)[follower.state_seq :])
                case _:
                    fed(follower, stage, [one for one in stage.eventful() if one >= first][:length])
        except LightClientError:
            if what != "honest":
                assert (follower.verified, follower.newest, follower.export()) == before
        same(follower, truth)
    if follower.newest is None or follower.newest.sequence_number < stage.eventful()[-1]:
        # Ends of epochs may have been passed over only by going through them: there is always a way on.
        relay(follower, stage)
        done(follower, truth)


# Positions.


def test_a_later_boot_starts_where_the_one_before_was_and_not_below(truth: Truth) -> None:
    stage, first = truth.stage, truth.follower()
    eventful = stage.eventful()
    half = eventful[len(eventful) // 2]
    fed(first, stage, [one for one in eventful if one <= half])
    position = first.export()
    assert position is not None
    position = SealedPosition.from_bcs(position.to_bcs())
    second = truth.follower(floor=position)
    assert second.newest == position.newest
    assert second.export() == position
    for one in eventful:
        if one <= half:
            refused(second, stage.message(one), _below(truth, one, position), stage.clock_ms)
    relay(second, stage)
    done(second, truth)


def _below(truth: Truth, one: int, position: SealedPosition) -> type[LightClientError]:
    summary = faults.original(truth.stage.network, one).summary
    return (
        light.SequenceError
        if summary.epoch == Committee.from_bytes(position.committee).epoch
        else (light.SummaryEpochError)
    )


def test_a_newer_anchor_goes_before_the_position_but_not_below_its_checkpoint(truth: Truth) -> None:
    stage, first = truth.stage, truth.follower()
    fed(first, stage, [one for one in stage.eventful() if one <= 4])
    position = first.export()
    assert position is not None
    second = truth.follower(floor=position, anchor=stage.committee(3))
    assert second.epoch == 3
    assert second.export() == position
    relay(second, stage)
    done(second, truth)
    high = replace(position, newest=replace(position.newest, sequence_number=10**6))
    third = truth.follower(floor=high, anchor=stage.committee(3))
    refused(third, stage.message(stage.eventful()[-1]), errors.RollbackError, stage.clock_ms)


def test_nothing_is_shown_below_the_heads_of_the_position(truth: Truth) -> None:
    """A fork of the whole network: what a later boot is given leads elsewhere than where the one before has been."""
    stage, first = truth.stage, truth.follower()
    fed(first, stage, [1, 2])
    position = first.export()
    assert position is not None
    ahead = replace(position, state=replace(position.state, seq=position.state.seq + 50))
    waiting = truth.follower(floor=ahead)
    waiting.history(stage.old([1, 2]))
    assert waiting.checkpoint(stage.message(3), stage.clock_ms).beacon
    assert waiting.verified is None
    exported = waiting.export()
    assert exported is not None
    assert exported.state == ahead.state
    fork = truth.follower(floor=replace(position, state=replace(position.state, head=bytes(32))))
    with pytest.raises(errors.PositionForkError):
        fork.history(stage.old([1, 2]))


def test_a_position_of_somebody_else_is_refused(truth: Truth) -> None:
    follower, stage = truth.follower(), truth.stage
    fed(follower, stage, [1])
    position = follower.export()
    assert position is not None
    for changes in ({"cluster": OTHER}, {"enclave": OTHER}):
        with pytest.raises(errors.PositionOwnerError):
            truth.follower(floor=replace(position, **changes))  # type: ignore[arg-type]
    other = Committee.from_record(faults.keys(stage.network, 0, seed=bytes(32)).record)
    with pytest.raises(errors.PositionCommitteeError):
        truth.follower(floor=position, anchor=other)


@given(st.binary(max_size=400) | st.integers(0, 2_000), st.integers(0, 255))
def test_a_position_is_read_back_or_refused(truth: Truth, data: bytes | int, value: int) -> None:
    follower = truth.follower()
    fed(follower, truth.stage, [1])
    position = follower.export()
    assert position is not None
    encoded = position.to_bcs()
    if isinstance(data, int):
        at = data % len(encoded)
        data = encoded[:at] + bytes([value]) + encoded[at + 1 :]
    try:
        found = SealedPosition.from_bcs(data)
    except errors.PositionStructureError:
        return
    except BcsError:
        raise AssertionError("the error of a check has its name") from None
    assert found.to_bcs() == data


def test_a_position_has_these_bytes() -> None:
    """What an enclave of today has sealed, one of tomorrow must read."""
    vector = json.loads((VECTORS / "chain_position.json").read_text())
    newest = Position(7, bytes([3]) * 32, 1_760_000_000_000, 99)
    state_head, mailbox_head = ChainHead(5, bytes([4]) * 32), ChainHead(6, bytes([5]) * 32)
    made = SealedPosition(bytes([1]) * 32, bytes([2]) * 32, b"committee", 8, newest, state_head, mailbox_head)
    assert made.to_bcs().hex() == vector["bytes"]
    assert SealedPosition.from_bcs(bytes.fromhex(vector["bytes"])) == made


def test_more_epochs_than_keys_are_kept_for_are_refused(truth: Truth, monkeypatch: pytest.MonkeyPatch) -> None:
    from daas_chain.follow import follower as module

    monkeypatch.setattr(module, "MAX_EPOCH_GAP", 2)
    stage = truth.stage
    ends = [one for one in stage.numbers() if faults.original(stage.network, one).summary.end_of_epoch is not None]
    assert len(ends) == 3
    late = stage.clock_ms + module.LIVE_MS + 10_000
    follower = truth.follower()
    for one in ends[:2]:
        follower.checkpoint(stage.message(one), late) if not stage.events(one) else follower.checkpoint(
            replace(stage.message(one), parts=(), contents=b""), late
        )
    refused(follower, replace(stage.message(ends[2]), parts=(), contents=b""), light.EpochGapError, late)
    # The same checkpoints as they happen: each is signed by keys in use.
    live = truth.follower()
    fed(live, stage, stage.eventful())
    done(live, truth)


def test_time_that_goes_back_is_refused(truth: Truth) -> None:
    stage = truth.stage
    follower = truth.follower()
    fed(follower, stage, [one for one in stage.eventful() if one <= 3])
    one = faults.original(stage.network, 4)
    from daas_localnet.node.checkpoints import certified

    keys = faults.keys(stage.network, one.summary.epoch)
    early = certified(replace(one.summary, timestamp_ms=1), one.contents, keys, keys.quorum(4))
    refused(follower, handed(faults.Handed(early, ()), ()), light.TimestampError, stage.clock_ms)


def test_heads_are_found_at_the_end_of_an_event_and_nowhere_else(truth: Truth) -> None:
    for one in truth.told():
        assert events.names_cluster(one.contents, truth.stage.cluster_id)
        assert not events.names_cluster(one.contents, OTHER)
        assert not events.names_cluster(one.contents + b"\0", truth.stage.cluster_id)
    assert not events.names_cluster(b"", bytes(32))
    assert not events.names_cluster(truth.stage.cluster_id, truth.stage.cluster_id)


def test_a_checkpoint_takes_less_than_its_share(truth: Truth) -> None:
    """Each at its best of five: other processes share the core."""
    best: dict[int, float] = {}
    for _ in range(5):
        follower = truth.follower()
        for one in truth.stage.eventful():
            message = truth.stage.message(one)
            began = time.process_time()
            follower.checkpoint(message, truth.stage.clock_ms)
            best[one] = min(best.get(one, 1_000.0), (time.process_time() - began) * 1_000)
    assert median(best.values()) < CHECKPOINT_MS

"""Promises: a replay accepts what the package can emit, refuses the rest by name, and changes nothing it was given."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_chain import mailbox_state, state
from daas_chain.catalog import STATE_BODIES
from daas_chain.events_access import SessionsEnded, TokenIssued, TokenRevoked
from daas_chain.events_cluster import (
    AnchorRetired,
    ChangeActivated,
    ChangeProposed,
    ChangeVetoed,
    ClusterCreated,
    MinVersionRaised,
    OperatorAdmitted,
    PolicyFrozen,
    PolicyRevoked,
)
from daas_chain.events_enclave import BootAttested, BootEnded, BootRegistered, HandoffRecorded, SlotCreated
from daas_chain.events_workers import (
    JoinTokenPublished,
    WorkerDeregistered,
    WorkerRegisteredEvent,
    WorkerStatusChangedEvent,
)
from daas_chain.heads import Beacon, Event, Heads
from daas_chain.layout import MoveStruct
from daas_chain.mailbox_state import MailboxView
from daas_chain.state_errors import ImpossibleTransition, MissingHead, UnexpectedBody, WrongCluster, WrongSlot
from daas_chain.state_view import Slot, StateView
from daas_chain.values import AnchorChange, MoveGrant, OnChain, ParametersChange, PolicyChange
from support import move_golden_events as golden
from support import move_signing
from support.move_golden_objects import TOKEN

CLUSTER, SLOT, OPERATOR, USER = move_signing.CLUSTER, move_signing.ENCLAVE, golden.OPERATOR, move_signing.USER
OTHER = bytes([9]) * 32
BOOT, NEXT_BOOT = golden.boot(1, 5), golden.boot(2, 6)
KEY, NEXT_KEY = b"\x01" * 1_216, b"\x02" * 1_216
CREATED = ClusterCreated(CLUSTER, "test", golden.PARAMS, 1, golden.pcrs(1), (golden.ANCHOR,))
PARAMS = ParametersChange(golden.PARAMS)
ISSUED = TokenIssued(TOKEN, USER, (MoveGrant(b"pods", b"", b"", 7, b""),), bytes(32), 9)
REGISTERED = BootRegistered(SLOT, BOOT, 1, KEY)
ATTESTED = BootAttested(SLOT, BOOT.boot_id, 1, 7, 8, 1, b"")
WORKER = WorkerRegisteredEvent("w", USER, bytes(32), bytes(32), bytes(32), 1)
ADMITTED, CREATED_SLOT = OperatorAdmitted(OPERATOR, True), SlotCreated(SLOT, OPERATOR)
SERVING = (CREATED, ADMITTED, CREATED_SLOT, REGISTERED)
ENDED = BootEnded(SLOT, BOOT.boot_id, 1)
POLICY = PolicyChange(2, golden.pcrs(2))


def event(view: StateView, body: MoveStruct) -> Event[MoveStruct]:
    enclave = body.enclave if isinstance(body, state.OF_SLOTS) else None
    return Event(body, Heads(view.cluster, view.head.advance(body), enclave, None))


def replay(bodies: Sequence[MoveStruct]) -> StateView:
    view = StateView.genesis(CLUSTER)
    for body in bodies:
        view = state.apply(view, event(view, body))
    return view


IMPOSSIBLE: dict[str, tuple[tuple[MoveStruct, ...], MoveStruct]] = {
    "nothing comes before the creation": ((), PolicyFrozen()),
    "a cluster is created once": ((CREATED,), CREATED),
    "a cluster is created under its id": ((), replace(CREATED, cluster=OTHER)),
    "proposals are numbered without a gap": ((CREATED,), ChangeProposed(1, PARAMS, 9)),
    "a proposed version is the highest": ((CREATED,), ChangeProposed(0, PolicyChange(1, ()), 9)),
    "frozen policies have no proposals": ((CREATED, PolicyFrozen()), ChangeProposed(0, POLICY, 9)),
    "a proposed anchor is new": ((CREATED,), ChangeProposed(0, AnchorChange(golden.ANCHOR), 9)),
    "only an open proposal activates": ((CREATED,), ChangeActivated(0, PARAMS)),
    "a proposal activates as it was": ((CREATED, ChangeProposed(0, PARAMS, 9)), ChangeActivated(0, POLICY)),
    "frozen policies do not activate": (
        (CREATED, ChangeProposed(0, POLICY, 9), PolicyFrozen()),
        ChangeActivated(0, POLICY),
    ),
    "an anchor is accepted once": (
        (
            CREATED,
            ChangeProposed(0, AnchorChange(OTHER), 9),
            ChangeProposed(1, AnchorChange(OTHER), 9),
            ChangeActivated(0, AnchorChange(OTHER)),
        ),
        ChangeActivated(1, AnchorChange(OTHER)),
    ),
    "a proposal is over once": ((CREATED, ChangeProposed(0, PARAMS, 9), ChangeVetoed(0)), ChangeVetoed(0)),
    "only a known policy is revoked": ((CREATED,), PolicyRevoked(2)),
    "a policy is revoked once": ((CREATED, PolicyRevoked(1)), PolicyRevoked(1)),
    "the least version only rises": ((CREATED,), MinVersionRaised(1)),
    "a policy stays": ((CREATED,), MinVersionRaised(2)),
    "policies freeze once": ((CREATED, PolicyFrozen()), PolicyFrozen()),
    "only an accepted anchor retires": ((CREATED,), AnchorRetired(OTHER)),
    "the last anchor stays": ((CREATED,), AnchorRetired(golden.ANCHOR)),
    "an operator is admitted once": ((CREATED, ADMITTED), ADMITTED),
    "only an operator is dismissed": ((CREATED,), OperatorAdmitted(OPERATOR, False)),
    "a token is issued once": ((CREATED, ISSUED), ISSUED),
    "a token has grants": ((CREATED,), replace(ISSUED, grants=())),
    "a grant has a text": ((CREATED,), replace(ISSUED, grants=(MoveGrant(b"pods", b"", b"", 0, b""),))),
    "only a known token is revoked": ((CREATED,), TokenRevoked(TOKEN)),
    "a token is revoked once": ((CREATED, ISSUED, TokenRevoked(TOKEN)), TokenRevoked(TOKEN)),
    "epochs rise by one": ((CREATED,), SessionsEnded(USER, 2)),
    "only an operator makes slots": ((CREATED,), CREATED_SLOT),
    "a slot is made once": ((CREATED, ADMITTED, CREATED_SLOT), CREATED_SLOT),
    "a boot needs its slot": ((CREATED,), REGISTERED),
    "a slot has one boot": (SERVING, BootRegistered(SLOT, NEXT_BOOT, 2, NEXT_KEY)),
    "a boot id is used once": ((*SERVING, ENDED), BootRegistered(SLOT, replace(BOOT, generation=2), 2, KEY)),
    "generations rise by one": (SERVING[:3], BootRegistered(SLOT, NEXT_BOOT, 1, NEXT_KEY)),
    "a boot registers alive": (SERVING[:3], BootRegistered(SLOT, replace(BOOT, end_reason=1), 1, KEY)),
    "a boot has a valid policy": ((*SERVING[:3], PolicyRevoked(1)), REGISTERED),
    "key numbers rise by one": (SERVING[:3], BootRegistered(SLOT, BOOT, 2, KEY)),
    "a request key is the attested one": (SERVING[:3], BootRegistered(SLOT, BOOT, 1, NEXT_KEY)),
    "only the current boot has heartbeats": ((*SERVING, ENDED), ATTESTED),
    "a heartbeat has a valid policy": ((*SERVING, PolicyRevoked(1)), ATTESTED),
    "without a new key the number stays": (SERVING, replace(ATTESTED, request_key_id=2)),
    "with a new key the number rises": (SERVING, replace(ATTESTED, request_key=NEXT_KEY)),
    "only the current boot ends": (SERVING, replace(ENDED, boot_id=NEXT_BOOT.boot_id)),
    "a boot ends for a reason": (SERVING, replace(ENDED, reason=0)),
    "only the current boot hands over": (
        (*SERVING, ENDED),
        HandoffRecorded(SLOT, BOOT.boot_id, OTHER, BOOT.boot_id, 1, bytes(32)),
    ),
    "a worker registers once": ((CREATED, WORKER), WORKER),
    "a join token is for a worker": (SERVING, JoinTokenPublished("w", SLOT, b"x")),
    "a join token is from a slot": ((CREATED, WORKER), JoinTokenPublished("w", SLOT, b"x")),
    "a join token is for who joins": (
        (*SERVING, WORKER, WorkerStatusChangedEvent("w", 0, 1)),
        JoinTokenPublished("w", SLOT, b"x"),
    ),
    "a status changes from what it is": ((CREATED, WORKER), WorkerStatusChangedEvent("w", 1, 2)),
    "a status changes by a legal move": ((CREATED, WORKER), WorkerStatusChangedEvent("w", 0, 2)),
    "a slashed worker stays so": (
        (CREATED, WORKER, WorkerStatusChangedEvent("w", 0, 4)),
        WorkerStatusChangedEvent("w", 4, 1),
    ),
    "only the owner's worker leaves": ((CREATED, WORKER), WorkerDeregistered("w", OTHER)),
    "only a worker leaves": ((CREATED,), WorkerDeregistered("w", USER)),
}


@pytest.mark.parametrize("promise", IMPOSSIBLE)
def test_impossible(promise: str) -> None:
    before, body = IMPOSSIBLE[promise]
    view = replay(before)
    with pytest.raises(ImpossibleTransition) as caught:
        state.apply(view, event(view, body))
    assert caught.value.event == type(body).__name__
    assert view == replay(before)


def test_a_heartbeat_may_bring_a_new_request_key_and_the_two_newest_are_kept() -> None:
    keys = [bytes([number]) * 1_216 for number in (1, 2, 3)]
    beats = [replace(ATTESTED, request_key_id=number, request_key=keys[number - 1]) for number in (2, 3)]
    slot: Slot = replay((*SERVING, *beats)).slots[SLOT]
    assert [(key.id, key.key) for key in slot.request_keys] == [(2, keys[1]), (3, keys[2])]
    assert slot.boot is not None
    assert slot.boot.request_key_sha256 == hashlib.sha256(keys[2]).digest()
    assert (slot.boot.attested_at_ms, slot.boot.expires_at_ms) == (7, 8)


@pytest.mark.parametrize(
    ("error", "changes"),
    [
        (WrongCluster, {"cluster": OTHER}),
        (MissingHead, {"state": None}),
        (WrongSlot, {"enclave": OTHER}),
        (WrongSlot, {"enclave": None}),
    ],
)
def test_an_event_of_something_else_is_refused(error: type[Exception], changes: dict[str, Any]) -> None:
    view = replay(SERVING)
    ended = event(view, ENDED)
    with pytest.raises(error):
        state.apply(view, replace(ended, heads=replace(ended.heads, **changes)))


@pytest.mark.parametrize("body", [Beacon(1), golden.stored()])
def test_a_body_of_no_or_another_chain_is_refused(body: MoveStruct) -> None:
    view = replay(SERVING)
    with pytest.raises(UnexpectedBody):
        state.apply(view, event(view, body))


CANDIDATES: tuple[MoveStruct, ...] = (
    *(body for bodies, last in IMPOSSIBLE.values() for body in (*bodies, last)),
    *(ChangeProposed(number, change, 9) for number in range(4) for change in (PARAMS, AnchorChange(OTHER))),
    *(SessionsEnded(USER, number) for number in range(1, 6)),
    *(WorkerStatusChangedEvent("w", old, new) for old in range(5) for new in range(5)),
    BootRegistered(SLOT, NEXT_BOOT, 2, NEXT_KEY),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(CANDIDATES), max_size=60))
def test_a_replay_has_the_head_of_the_fold_whatever_is_accepted(bodies: list[MoveStruct]) -> None:
    view, head = replay((CREATED,)), StateView.genesis(CLUSTER).head.advance(CREATED)
    accepted: list[MoveStruct] = [CREATED]
    for body in bodies:
        assert type(body) in STATE_BODIES
        try:
            view = state.apply(view, event(view, body))
        except ImpossibleTransition:
            continue
        head = head.advance(body)
        accepted.append(body)
    assert view.head == head
    assert view == replay(accepted)


def submit(mailbox: MailboxView, number: int, **changes: Any) -> tuple[MailboxView, MoveStruct]:
    body = replace(golden.request(number, OnChain(b"x")), mailbox_seq=mailbox.next_seq, **changes)
    return mailbox_apply(mailbox, body), body


def mailbox_event(mailbox: MailboxView, body: MoveStruct) -> Event[MoveStruct]:
    return Event(body, Heads(mailbox.cluster, None, mailbox.enclave, mailbox.head.advance(body)))


def mailbox_apply(mailbox: MailboxView, body: MoveStruct) -> MailboxView:
    return mailbox_state.apply(mailbox, mailbox_event(mailbox, body))


EMPTY = MailboxView.genesis(CLUSTER, SLOT)
ONE, REQUEST = submit(EMPTY, 1)
REFUSED: dict[str, tuple[MailboxView, MoveStruct]] = {
    "sequences have no gap": (EMPTY, replace(golden.request(1, OnChain(b"x")), mailbox_seq=1)),
    "a pending request id is not used again": (ONE, replace(golden.request(1, OnChain(b"x")), mailbox_seq=1)),
    "only a pending request settles": (EMPTY, golden.stored()),
    "only a pending request expires": (EMPTY, golden.expired(1, 0)),
    "a settlement names the sequence": (ONE, replace(golden.stored(), mailbox_seq=1)),
    "a settlement names the digest": (ONE, replace(golden.stored(), request_digest=bytes(32))),
    "the whole fee is settled": (ONE, replace(golden.stored(), fee=golden.FEE - 1)),
    "the whole fee is given back": (ONE, replace(golden.expired(1, 0), refunded=golden.FEE + 1)),
    "nothing is delivered unasked": (ONE, replace(golden.stored(), delivery=b"x")),
}


@pytest.mark.parametrize("promise", REFUSED)
def test_refused_by_the_mailbox(promise: str) -> None:
    view, body = REFUSED[promise]
    with pytest.raises(ImpossibleTransition) as caught:
        mailbox_apply(view, body)
    assert caught.value.event == type(body).__name__


@pytest.mark.parametrize(
    ("error", "changes"),
    [(WrongCluster, {"cluster": OTHER}), (WrongSlot, {"enclave": OTHER}), (MissingHead, {"mailbox": None})],
)
def test_a_mailbox_takes_only_its_own_events(error: type[Exception], changes: dict[str, Any]) -> None:
    settled = mailbox_event(ONE, golden.stored())
    with pytest.raises(error):
        mailbox_state.apply(ONE, replace(settled, heads=replace(settled.heads, **changes)))


def test_a_mailbox_takes_no_state_event() -> None:
    with pytest.raises(UnexpectedBody):
        mailbox_apply(ONE, PolicyFrozen())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 40), st.sampled_from(["submit", "settle", "refund", "expire"])), max_size=80))
def test_the_mailbox_is_the_list_of_what_has_not_ended(steps: list[tuple[int, str]]) -> None:
    mailbox, pending, head = EMPTY, dict[int, Any](), EMPTY.head
    for number, step in steps:
        if (step == "submit") == (number in pending):
            continue
        if step == "submit":
            mailbox, body = submit(mailbox, number)
            pending[number] = body
        else:
            request = pending.pop(number)
            settled = replace(golden.stored(), request_id=request.request_id, request_digest=request.request_digest)
            body = {
                "settle": settled,
                "refund": replace(settled, fee=0, refunded=golden.FEE),
                "expire": golden.expired(number, 0),
            }[step]
            body = replace(body, mailbox_seq=request.mailbox_seq)  # type: ignore[type-var]
            mailbox = mailbox_apply(mailbox, body)
        head = head.advance(body)
    assert mailbox.pending() == tuple(pending.values())
    assert mailbox.head == head

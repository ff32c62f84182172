"""Promise: of a checkpoint exactly what is the cluster's or the slot's is taken, whoever's transactions surround it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_chain.events_access import SessionsEnded
from daas_chain.events_mailbox import RequestExpired
from daas_chain.heads import Beacon, ChainHead, Event, Heads
from daas_chain.layout import MoveStruct
from daas_chain.network.records import Checkpoint
from daas_chain.sui.checkpoint import CheckpointSummary, EndOfEpoch
from daas_chain.sui.events import EVENTS
from daas_chain.sui.events import Event as SuiEvent
from daas_chain.sui.types import GasCost, StructTag
from daas_host import relay_select
from daas_host.relay_select import Chain, Selected, Watch, select

PACKAGE, OTHER_PACKAGE, CLUSTER, OTHER_CLUSTER, SLOT, OTHER_SLOT = (bytes([number]) * 32 for number in range(1, 7))
WATCH = Watch(frozenset([PACKAGE]), CLUSTER, SLOT)


@dataclass(frozen=True)
class Made:
    """One event, and what is expected of it."""

    event: SuiEvent
    matters: bool
    chain: Chain | None = None
    seq: int = 0
    both: bool = False


def wrapped(package: bytes, body: MoveStruct, heads: Heads, name: str | None = None) -> SuiEvent:
    module, _, struct = (name or body.MOVE).partition("::")
    tag = StructTag(package, "heads", "Event", (StructTag(package, module, struct),))
    # The caller is a stranger's wrapper package: it does not count.
    return SuiEvent(OTHER_PACKAGE, "wrapper", bytes(32), tag, Event(body, heads).encode())


def made(kind: str, seq: int) -> Made:
    head = ChainHead(seq, bytes(32))
    sessions = SessionsEnded(bytes(32), 1)
    expired = RequestExpired(seq, bytes(32), bytes(16), 0, 0, 0)
    match kind:
        case "state":
            return Made(wrapped(PACKAGE, sessions, Heads(CLUSTER, head, None, None)), True, Chain.STATE, seq)
        case "mailbox":
            heads = Heads(CLUSTER, head, SLOT, head)
            return Made(wrapped(PACKAGE, expired, heads), True, Chain.MAILBOX, seq, True)
        case "beacon":
            return Made(wrapped(PACKAGE, Beacon(1), Heads(CLUSTER, head, SLOT, head)), True, both=True)
        case "other slot":
            return Made(wrapped(PACKAGE, expired, Heads(CLUSTER, head, OTHER_SLOT, head)), False)
        case "other slot's beacon":
            return Made(wrapped(PACKAGE, Beacon(1), Heads(CLUSTER, head, OTHER_SLOT, head)), False)
        case "other cluster":
            return Made(wrapped(PACKAGE, expired, Heads(OTHER_CLUSTER, head, SLOT, head)), False)
        case "stranger":
            return Made(wrapped(OTHER_PACKAGE, expired, Heads(CLUSTER, head, SLOT, head)), False)
        case "newer":
            return Made(wrapped(PACKAGE, sessions, Heads(CLUSTER, head, None, None), "access::Newer"), True)
        case _:
            tag = StructTag(PACKAGE, "heads", "Event", (StructTag(PACKAGE, "access", "SessionsEnded"),))
            return Made(SuiEvent(PACKAGE, "m", bytes(32), tag, b"\xff"), True)


KINDS = ("state", "mailbox", "beacon", "other slot", "other slot's beacon", "other cluster", "stranger", "newer", "bad")


def checkpoint(transactions: list[list[Made]], end: bool = False) -> Checkpoint:
    ending = EndOfEpoch((), 1, ()) if end else None
    summary = CheckpointSummary(0, 7, 9, bytes(32), None, GasCost(0, 0, 0, 0), 1_000, (), ending, b"")
    parts = tuple(
        (b"effects", EVENTS.encode(tuple(one.event for one in events)) if events else None) for events in transactions
    )
    return Checkpoint(summary, bytes(32), b"summary", b"signature", b"contents", parts)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from(KINDS), max_size=4), max_size=5), st.booleans())
def test_exactly_ours_is_taken(kinds: list[list[str]], end: bool) -> None:
    number = 0
    transactions = []
    for transaction in kinds:
        transactions.append([made(kind, number + place) for place, kind in enumerate(transaction)])
        number += len(transaction)
    found = select(checkpoint(transactions, end), WATCH)
    expected = [index for index, events in enumerate(transactions) if any(one.matters for one in events)]
    assert [one.index for one in found.parts] == expected
    chained = [one for events in transactions for one in events if one.chain is not None]
    assert [(one.chain, one.seq) for one in found.chained] == [(one.chain, one.seq) for one in chained]
    assert found.shows_both == any(one.both for events in transactions for one in events)
    assert (found.end_of_epoch, found.matters) == (end, end or bool(expected))
    assert found.before == 0
    assert len(found.ended) == sum(one.chain is Chain.MAILBOX for one in chained)


def test_what_the_chain_port_does_not_take_goes_as_history(monkeypatch: pytest.MonkeyPatch) -> None:
    transactions = [[made("mailbox", 1)], [made("state", 1)] * 3, [made("mailbox", 2)], [made("beacon", 2)]]
    whole = select(checkpoint(transactions), WATCH)
    assert (len(whole.parts), whole.before) == (4, 0)
    monkeypatch.setattr(relay_select, "MAX_EVENTS_BYTES", len(whole.parts[1].events) - 1)
    cut = select(checkpoint(transactions), WATCH)
    assert ([one.index for one in cut.parts], cut.before, len(cut.chained)) == ([2, 3], 4, 5)
    monkeypatch.undo()
    monkeypatch.setattr(relay_select, "MAX_PARTS", 1)
    assert [one.index for one in select(checkpoint(transactions), WATCH).parts] == [3]
    monkeypatch.setattr(relay_select, "MAX_PARTS_BYTES", 1)
    nothing: Selected = select(checkpoint(transactions), WATCH)
    assert (nothing.parts, nothing.before, len(nothing.chained)) == ((), 5, 5)
    assert (nothing.shows_both, nothing.matters) == (False, False)

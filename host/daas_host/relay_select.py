"""What of a checkpoint matters to one slot of one cluster.

Invariant: each event that advances the cluster's state chain or the slot's mailbox chain, and each beacon of the slot,
is found by its Move type, whoever's transaction emitted it. What cannot be read but comes from our packages is passed
on too: whether it matters is for the enclave to say. Nothing here is believed by anybody; no certificate is checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from daas_chain.catalog import MAILBOX_BODIES, STATE_BODIES
from daas_chain.events_mailbox import K8sAPIRequest, K8sResponseStored, RequestExpired
from daas_chain.heads import Beacon, Event
from daas_chain.layout import MoveStruct
from daas_chain.network.records import Checkpoint
from daas_chain.sui.events import EVENTS
from daas_chain.type_tags import WRAPPER, UnknownEventType, decode_event
from daas_chain.values import OffChain
from daas_protocol.bcs import BcsError
from daas_protocol.chain_feed import MAX_EFFECTS_BYTES, MAX_EVENTS_BYTES, MAX_PARTS, MAX_PARTS_BYTES

_STATE: Final = frozenset(STATE_BODIES)
_MAILBOX: Final = frozenset(MAILBOX_BODIES)


class Chain(IntEnum):
    """The numbers stand in the journal."""

    STATE = 0
    MAILBOX = 1


@dataclass(frozen=True, slots=True)
class Watch:
    """Whose events matter. `packages`: every id that types of ours have."""

    packages: frozenset[bytes]
    cluster: bytes
    enclave: bytes


@dataclass(frozen=True, slots=True)
class Part:
    """One transaction, by its place in the contents."""

    index: int
    effects: bytes
    events: bytes


@dataclass(frozen=True, slots=True)
class Chained:
    """An event of one of the two chains; `seq` counts the events up to and with it."""

    chain: Chain
    seq: int
    type: str
    contents: bytes
    part: int
    """The index of its transaction."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request in the slot's mailbox."""

    mailbox_seq: int
    requester: bytes
    request_id: bytes
    deadline_ms: int
    payload: bytes | None
    """SHA-256 of a ciphertext beside the chain."""


@dataclass(frozen=True, slots=True)
class Selected:
    """`parts`: as many of the last ones as the chain port takes; `chained`: all events, also of parts that it does not
    take. `before`: how many of `chained` come before the first of `parts`. `shows_both`: an event in `parts` shows the
    heads of both chains. `ended`: numbers of requests that have an end."""

    sequence: int
    epoch: int
    timestamp_ms: int
    end_of_epoch: bool
    parts: tuple[Part, ...] = ()
    chained: tuple[Chained, ...] = ()
    asked: tuple[Asked, ...] = ()
    ended: tuple[int, ...] = ()
    before: int = 0
    shows_both: bool = False

    @property
    def changes_state(self) -> bool:
        return any(one.chain is Chain.STATE for one in self.chained)

    @property
    def matters(self) -> bool:
        return self.end_of_epoch or bool(self.parts)


@dataclass(slots=True)
class _Found:
    chained: list[Chained]
    asked: list[Asked]
    ended: list[int]
    showing: set[int]
    """Indices of transactions with an event that shows both heads."""


def select(checkpoint: Checkpoint, watch: Watch) -> Selected:
    """Never raises for what a checkpoint holds: the network client has checked that its parts fit each other."""
    found = _Found([], [], [], set())
    parts = []
    for index, (effects, events) in enumerate(checkpoint.parts):
        # Of thousands of strangers' transactions none has our package's id in its events.
        if events is None or not any(package in events for package in watch.packages):
            continue
        if _read(index, events, watch, found):
            parts.append(Part(index, effects, events))
    summary, taken = checkpoint.summary, _fitting(parts)
    first = taken[0].index if taken else len(checkpoint.parts)
    return Selected(
        sequence=summary.sequence_number,
        epoch=summary.epoch,
        timestamp_ms=summary.timestamp_ms,
        end_of_epoch=summary.end_of_epoch is not None,
        parts=taken,
        chained=tuple(found.chained),
        asked=tuple(found.asked),
        ended=tuple(found.ended),
        before=sum(one.part < first for one in found.chained),
        shows_both=any(one.index in found.showing for one in taken),
    )


def _fitting(parts: list[Part]) -> tuple[Part, ...]:
    """The last ones that the chain port takes together: what comes before them goes to the enclave as history."""
    left, size = MAX_PARTS, 0
    for place in range(len(parts) - 1, -1, -1):
        one = parts[place]
        size += len(one.effects) + len(one.events)
        left -= 1
        fits = len(one.effects) <= MAX_EFFECTS_BYTES and len(one.events) <= MAX_EVENTS_BYTES
        if not fits or size > MAX_PARTS_BYTES or left < 0:
            return tuple(parts[place + 1 :])
    return tuple(parts)


def _read(index: int, data: bytes, watch: Watch, found: _Found) -> bool:
    """Whether the transaction matters."""
    try:
        events = EVENTS.decode(data)
    except BcsError:
        return True
    matters = False
    for one in events:
        if one.type.address not in watch.packages:
            continue
        tag = str(one.type)
        try:
            event = decode_event(tag, one.contents, watch.packages)
        except (UnknownEventType, BcsError):
            # Of a newer package than this code: the enclave has to see that there is something it does not know.
            matters = matters or f"{one.type.module}::{one.type.name}" == WRAPPER
            continue
        if isinstance(event, Event):
            matters = _take(index, tag, one.contents, event, watch, found) or matters
    return matters


def _take(index: int, tag: str, contents: bytes, event: Event[MoveStruct], watch: Watch, found: _Found) -> bool:
    heads, body = event.heads, event.body
    if heads.cluster != watch.cluster:
        return False
    ours = heads.enclave == watch.enclave
    if ours and heads.state is not None and heads.mailbox is not None:
        found.showing.add(index)
    if type(body) in _STATE and heads.state is not None:
        found.chained.append(Chained(Chain.STATE, heads.state.seq, tag, contents, index))
        return True
    if not ours:
        return False
    if type(body) in _MAILBOX and heads.mailbox is not None:
        found.chained.append(Chained(Chain.MAILBOX, heads.mailbox.seq, tag, contents, index))
        _account(body, found)
    return type(body) in _MAILBOX or isinstance(body, Beacon)


def _account(body: MoveStruct, found: _Found) -> None:
    match body:
        case K8sAPIRequest():
            payload = body.payload.digest if isinstance(body.payload, OffChain) else None
            found.asked.append(Asked(body.mailbox_seq, body.requester, body.request_id, body.deadline_ms, payload))
        case K8sResponseStored() | RequestExpired():
            found.ended.append(body.mailbox_seq)
        case _:
            pass

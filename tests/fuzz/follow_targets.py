"""Promises of the follower: what a host tells it is taken or refused by name, shown to nobody, and has one form."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from daas_chain.events_cluster import ClusterCreated
from daas_chain.follow import errors
from daas_chain.follow.events import names_cluster
from daas_chain.follow.follower import Follower
from daas_chain.follow.position import SealedPosition
from daas_chain.heads import ChainHead, Event, Heads
from daas_chain.layout import MoveStruct
from daas_chain.light.committee import Committee
from daas_chain.light.errors import LightClientError
from daas_chain.light.ratchet import Position
from daas_chain.type_tags import type_tag
from daas_chain.values import OnChain
from daas_protocol.bcs import BcsError
from fuzz.target import Choice, Target
from support import light_world as world
from support import move_golden_events as golden
from support import move_signing

PACKAGE = bytes(31) + b"\xda"
CLUSTER, SLOT = move_signing.CLUSTER, move_signing.ENCLAVE


@dataclass(frozen=True, slots=True)
class Told:
    type: str
    contents: bytes


@cache
def _anchor() -> Committee:
    return Committee.from_bytes(world.committee())


def _follower() -> Follower:
    return Follower(_anchor(), frozenset({PACKAGE}), CLUSTER, SLOT)


@cache
def _events() -> dict[str, Event[MoveStruct]]:
    created = ClusterCreated(CLUSTER, "test", golden.PARAMS, 1, golden.pcrs(1), (golden.ANCHOR,))
    request = golden.request(1, OnChain(b"x"))
    state = ChainHead.of_state(CLUSTER).advance(created)
    mailbox = ChainHead.of_mailbox(SLOT).advance(request)
    return {
        "state": Event(created, Heads(CLUSTER, state, None, None)),
        "mailbox": Event(request, Heads(CLUSTER, state, SLOT, mailbox)),
    }


def check_position(data: bytes) -> None:
    try:
        found = SealedPosition.from_bcs(data)
    except errors.PositionStructureError:
        return
    assert found.to_bcs() == data, "another form of one position"


def _told(told: Told) -> None:
    follower = _follower()
    try:
        follower.history([told])
    except LightClientError:
        assert (follower.state_seq, follower.mailbox_seq, follower.unproven) == (0, 0, 0)
        return
    assert follower.state_seq + follower.mailbox_seq == 1
    assert follower.verified is None, "what was only told is shown"
    assert names_cluster(told.contents, CLUSTER), "of the cluster, and its heads are not found"


def check_state(data: bytes) -> None:
    _told(Told(type_tag(ClusterCreated, PACKAGE), data))


def check_mailbox(data: bytes) -> None:
    _told(Told(type_tag(type(_events()["mailbox"].body), PACKAGE), data))


def check_type(data: bytes) -> None:
    _told(Told(data.decode("latin-1"), _events()["state"].encode()))


def check_tail(data: bytes) -> None:
    """Whatever can be read as an event of the cluster is found by its end alone."""
    for event in _events().values():
        try:
            found = Event.decode(type(event.body), data)
        except BcsError:
            continue
        heads = found.heads
        if heads.state is not None and (heads.enclave is None) == (heads.mailbox is None):
            assert names_cluster(data, heads.cluster)


CHOICE = Choice(
    (
        ("position", check_position),
        ("state", check_state),
        ("mailbox", check_mailbox),
        ("type", check_type),
        ("tail", check_tail),
    )
)


def seeds() -> dict[str, bytes]:
    position = SealedPosition(
        CLUSTER,
        SLOT,
        world.committee(),
        world.EPOCH,
        Position(world.SEQUENCE, bytes(32), world.TIME_MS, world.TOTAL),
        ChainHead.of_state(CLUSTER),
        ChainHead.of_mailbox(SLOT),
    )
    made = {"position": CHOICE.seed("position", position.to_bcs())}
    for name, event in _events().items():
        made[name] = CHOICE.seed(name, event.encode())
        made[f"tail {name}"] = CHOICE.seed("tail", event.encode())
    made["type"] = CHOICE.seed("type", type_tag(ClusterCreated, PACKAGE).encode())
    return made


TARGETS = {"follow": Target(CHOICE.check, seeds)}

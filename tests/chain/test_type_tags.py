"""Promises: every event is found by its type, and nothing of another package or of another form is taken for one."""

import pytest

from daas_chain.catalog import BODIES, NOTICES, OBJECTS
from daas_chain.events_cluster import PolicyFrozen
from daas_chain.heads import ChainHead, Event, Heads
from daas_chain.layout import MoveStruct
from daas_chain.notices import StakeWithdrawnEvent, UpgradeVetoed
from daas_chain.type_tags import MAX_TAG_CHARACTERS, UnknownEventType, decode_event, type_tag
from daas_protocol.bcs import BcsError

PACKAGE, UPGRADED, STRANGER = (bytes(31) + bytes([number]) for number in (10, 11, 12))
OURS = frozenset({PACKAGE, UPGRADED})
EVENT = Event(PolicyFrozen(), Heads(bytes(32), ChainHead.of_state(bytes(32)), None, None))
VETOED = UpgradeVetoed(bytes(32))


@pytest.mark.parametrize("cls", [*BODIES, *NOTICES], ids=lambda cls: str(cls.MOVE))
def test_every_event_is_decoded_by_its_own_class(cls: type[MoveStruct]) -> None:
    with pytest.raises(BcsError):
        decode_event(type_tag(cls, PACKAGE), b"", OURS)


def test_a_chained_event_comes_with_its_heads_and_a_notice_alone() -> None:
    assert decode_event(type_tag(PolicyFrozen, PACKAGE), EVENT.encode(), OURS) == EVENT
    assert decode_event(type_tag(UpgradeVetoed, PACKAGE), VETOED.encode(), OURS) == VETOED


def test_short_addresses_and_later_versions_of_the_package_are_the_same_types() -> None:
    for tag in ("0xa::heads::Event<0xa::cluster::PolicyFrozen>", "0xa::heads::Event<0xb::cluster::PolicyFrozen>"):
        assert decode_event(tag, EVENT.encode(), OURS) == EVENT


@pytest.mark.parametrize(
    "tag",
    [
        type_tag(PolicyFrozen, STRANGER),
        "0xa::heads::Event<0xc::cluster::PolicyFrozen>",
        "0xc::heads::Event<0xa::cluster::PolicyFrozen>",
        "0xc::governance::UpgradeVetoed",
        "0xa::cluster::PolicyFrozen",
        "0xa::heads::Event<0xa::governance::UpgradeVetoed>",
        "0xa::governance::UpgradeVetoed<0xa::cluster::PolicyFrozen>",
        "0xa::heads::Event",
        "0xa::heads::Other<0xa::cluster::PolicyFrozen>",
        "0xa::heads::Event<0xa::cluster::Cluster>",
        "0xa::cluster::Cluster",
        "0xa::heads::Event<0xa::cluster::Unknown>",
        "0xA::governance::UpgradeVetoed",
        "0xa::governance::UpgradeVetoed\n",
        " 0xa::governance::UpgradeVetoed",
        f"0x{'0' * 64}a::governance::UpgradeVetoed",
        "",
        "0xa::" + "x" * MAX_TAG_CHARACTERS + "::y",
    ],
)
def test_anything_else_is_refused(tag: str) -> None:
    with pytest.raises(UnknownEventType) as caught:
        decode_event(tag, EVENT.encode(), OURS)
    assert len(caught.value.actual) <= MAX_TAG_CHARACTERS


@pytest.mark.parametrize("cls", OBJECTS, ids=lambda cls: str(cls.MOVE))
def test_an_object_has_no_tag_of_an_event(cls: type[MoveStruct]) -> None:
    with pytest.raises(UnknownEventType):
        type_tag(cls, PACKAGE)


def test_the_bytes_must_be_those_of_the_type() -> None:
    with pytest.raises(BcsError):
        decode_event(type_tag(StakeWithdrawnEvent, PACKAGE), VETOED.encode(), OURS)

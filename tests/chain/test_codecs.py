"""Every struct: one value, one byte string, and nothing else is accepted."""

import hashlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daas_chain.catalog import ALL, BODIES, BODY_BY_KIND, MAILBOX_BODIES, UnknownKind, decode_body
from daas_chain.events_cluster import PolicyFrozen
from daas_chain.heads import BodyHash, ChainHead, Event, Heads, SequenceGap, WrongHead, verify_link
from daas_chain.layout import MAX_STRUCT_BYTES, KindError, MoveStruct
from daas_chain.values import VERB_BITS, MoveGrant
from daas_protocol.bcs import BcsError
from daas_protocol.grant import GrantError, parse_grant
from support.move_values import struct

QUICK = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
FIRST = ChainHead.of_state(bytes(32))


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: str(cls.MOVE))
@QUICK
@given(data=st.data())
def test_encoding_and_decoding_is_the_identity_and_no_byte_may_be_missing_or_left(
    cls: type[MoveStruct], data: st.DataObject
) -> None:
    value = data.draw(struct(cls))
    encoded = value.encode()
    assert cls.decode(encoded) == value
    with pytest.raises(BcsError):
        cls.decode(encoded + b"\x00")
    with pytest.raises(BcsError):
        cls.decode(encoded[: data.draw(st.integers(0, len(encoded) - 1))])


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: str(cls.MOVE))
@QUICK
@given(data=st.binary(max_size=400))
def test_what_decodes_encodes_to_the_same_bytes(cls: type[MoveStruct], data: bytes) -> None:
    try:
        value = cls.decode(data)
    except BcsError:
        return
    assert value.encode() == data


@pytest.mark.parametrize("cls", BODIES, ids=lambda cls: str(cls.MOVE))
@QUICK
@given(data=st.data())
def test_a_body_is_found_by_its_kind_and_a_flipped_byte_breaks_the_head(
    cls: type[MoveStruct], data: st.DataObject
) -> None:
    body = data.draw(struct(cls))
    encoded = body.encode()
    assert decode_body(encoded) == body
    after = FIRST.advance(body)
    verify_link(FIRST, body, after)
    position = data.draw(st.integers(0, len(encoded) - 1))
    flipped = bytearray(encoded)
    flipped[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(WrongHead):
        verify_link(FIRST, BodyHash(hashlib.sha256(flipped).digest()), after)


@QUICK
@given(data=st.data())
def test_an_event_is_its_body_and_the_heads(data: st.DataObject) -> None:
    bodies: tuple[type[MoveStruct], ...] = (PolicyFrozen, *MAILBOX_BODIES)
    for cls in bodies:
        event = Event(data.draw(struct(cls)), data.draw(struct(Heads)))
        assert Event.decode(cls, event.encode()) == event
        with pytest.raises(BcsError, match="after the end"):
            Event.decode(cls, event.encode() + b"\x00")


def test_the_hash_of_an_old_body_stands_for_it() -> None:
    body = PolicyFrozen()
    hashed = BodyHash(hashlib.sha256(body.encode()).digest())
    assert FIRST.advance(hashed) == FIRST.advance(body)
    with pytest.raises(BcsError):
        BodyHash(bytes(31))


def test_the_heads_are_computed_as_in_move() -> None:
    assert ChainHead(0, hashlib.sha256(b"DAAS-STATE-V1\x00" + bytes(32)).digest()) == FIRST
    assert ChainHead.of_mailbox(bytes(32)).head == hashlib.sha256(b"DAAS-MAILBOX-V1\x00" + bytes(32)).digest()
    expected = hashlib.sha256(FIRST.head + hashlib.sha256(b"\x07").digest()).digest()
    assert FIRST.advance(PolicyFrozen()) == ChainHead(1, expected)


@pytest.mark.parametrize("seq", [0, 2])
def test_a_link_skips_nothing(seq: int) -> None:
    with pytest.raises(SequenceGap) as caught:
        verify_link(FIRST, PolicyFrozen(), ChainHead(seq, FIRST.advance(PolicyFrozen()).head))
    assert (caught.value.expected, caught.value.actual) == (1, seq)


def test_a_body_of_another_kind_is_refused() -> None:
    with pytest.raises(KindError) as caught:
        PolicyFrozen.decode(b"\x08")
    assert (caught.value.expected, caught.value.actual) == (7, 8)


def test_an_unknown_kind_is_refused() -> None:
    unknown = next(kind for kind in range(256) if kind not in BODY_BY_KIND)
    for data in (bytes([unknown]), b""):
        with pytest.raises(UnknownKind):
            decode_body(data)


@pytest.mark.parametrize("body", [PolicyFrozen])
def test_a_struct_larger_than_any_object_is_refused(body: type[MoveStruct]) -> None:
    data = bytes(MAX_STRUCT_BYTES + 1)
    with pytest.raises(BcsError, match="at most"):
        body.decode(data)
    with pytest.raises(BcsError, match="at most"):
        Event.decode(body, data)


@pytest.mark.parametrize(
    "text",
    [
        "*:*",
        "pods:read",
        "*/scale:update",
        "pods/log:get@default",
        "widgets.example.com:write",
        "*.apps:list@a",
        "x:get",
    ],
)
def test_a_grant_of_move_is_the_grant_of_the_protocol(text: str) -> None:
    assert MoveGrant.of(parse_grant(text)).grant() == parse_grant(text)


def test_the_bits_of_the_verbs_are_those_of_move() -> None:
    assert MoveGrant.of(parse_grant("*:read")).verbs == 7
    assert MoveGrant.of(parse_grant("*:write")).verbs == 248
    assert [1 << bit for bit, verb in enumerate(VERB_BITS) if verb == "patch"] == [32]


def test_a_grant_that_move_cannot_have_made_is_refused() -> None:
    for grant in (MoveGrant(b"pods", b"", b"", 0, b""), MoveGrant(b"Pods", b"", b"", 1, b"")):
        with pytest.raises(GrantError):
            grant.grant()

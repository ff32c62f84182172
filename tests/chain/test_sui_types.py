"""Every structure reads exactly what it writes; what a newer network might add is refused by name, never guessed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daas_chain.sui import base58, status, transaction
from daas_chain.sui.checkpoint import (
    COMMITMENT,
    CONTENTS,
    QUORUM_SIGNATURE,
    SUMMARY,
    ArtifactsDigest,
    ContentsV1,
    ExecutionDigests,
    LiveObjectSet,
)  # fmt: skip
from daas_chain.sui.codec import (
    U8,
    U64,
    Codec,
    UnknownVariantError,
    fixed,
    mapping,
    octets,
    sized,
    struct,
    text,
    vector,
)  # fmt: skip
from daas_chain.sui.digests import dynamic_field_id, package_digest
from daas_chain.sui.effects import (
    EFFECTS,
    AccumulatorEvents,
    AccumulatorInteger,
    AccumulatorIntegers,
    AccumulatorOperation,
    AccumulatorWrite,
    Cancelled,
    EffectsHead,
    EffectsV1,
    EffectsV2,
    Existed,
    IdOperation,
    MutateStreamEnded,
    NotExist,
    ObjectChange,
    ObjectWrite,
    PackageWrite,
    PerEpochConfig,
    PerEpochConfigAt,
    ReadOnlyRoot,
    ReadStreamEnded,
    read_head,
)
from daas_chain.sui.events import EVENTS
from daas_chain.sui.objects import (
    OBJECT,
    OBJECT_TYPE,
    SUI,
    BalanceFieldType,
    CoinType,
    GasCoinType,
    MoveObject,
    Object,
    OtherType,
    StakedSuiType,
    SuiBalanceFieldType,
    short_form,
    type_of,
)
from daas_chain.sui.status import EXECUTION_STATUS, Failure, FailureKind, MoveLocation, Success
from daas_chain.sui.storage import storage_cost
from daas_chain.sui.types import (
    DIGEST,
    MAX_TYPE_NESTING,
    OWNER,
    STRUCT_TAG,
    TYPE_TAG,
    ConsensusAddressOwner,
    Primitive,
    StructTag,
    VectorTag,
)
from daas_protocol.bcs import BcsError
from support import light_world as world
from support.sui_samples import GAS, KINDS, MOVE, OWNERS, PACKAGE, REF, A, B

DIGESTS = struct(ExecutionDigests, transaction=DIGEST, effects=DIGEST)
PLACE = MoveLocation(A, "mailbox", 3, 44, "request")
NOWHERE = MoveLocation(A, "mailbox", 3, 44, None)
PAYLOADS: dict[FailureKind, list[Any]] = {
    FailureKind.MOVE_OBJECT_TOO_BIG: [(5, 4)],
    FailureKind.MOVE_PACKAGE_TOO_BIG: [(5, 4)],
    FailureKind.CIRCULAR_OBJECT_OWNERSHIP: [A],
    FailureKind.MOVE_PRIMITIVE_RUNTIME_ERROR: [None, PLACE, NOWHERE],
    FailureKind.MOVE_ABORT: [(PLACE, 2**64 - 1), (NOWHERE, 0)],
    FailureKind.COMMAND_ARGUMENT_ERROR: [
        (1, (kind, {4: 7, 5: (7, 8), 6: 9}.get(kind))) for kind in status.ArgumentErrorKind
    ],
    FailureKind.TYPE_ARGUMENT_ERROR: [(2, kind) for kind in status.TypeArgumentErrorKind],
    FailureKind.UNUSED_VALUE_WITHOUT_DROP: [(1, 2)],
    FailureKind.INVALID_PUBLIC_FUNCTION_RETURN_TYPE: [1],
    FailureKind.EFFECTS_TOO_LARGE: [(5, 4)],
    FailureKind.PACKAGE_UPGRADE_ERROR: [
        (kind, {0: A, 1: B, 3: b"digest", 4: 9, 5: (A, B)}.get(kind)) for kind in status.UpgradeErrorKind
    ],
    FailureKind.WRITTEN_OBJECTS_TOO_LARGE: [(5, 4)],
    FailureKind.CANCELLED_DUE_TO_SHARED_OBJECT_CONGESTION: [(), (A, B)],
    FailureKind.ADDRESS_DENIED_FOR_COIN: [(A, "0x2::sui::SUI")],
    FailureKind.COIN_TYPE_GLOBAL_PAUSE: ["0x2::sui::SUI"],
    FailureKind.MOVE_VECTOR_ELEM_TOO_BIG: [(5, 4)],
    FailureKind.MOVE_RAW_VALUE_TOO_BIG: [(5, 4)],
    FailureKind.NON_EXCLUSIVE_WRITE_INPUT_OBJECT_MODIFIED: [A],
}


def both_ways(codec: Codec[Any], value: Any) -> bytes:
    data = codec.encode(value)
    assert codec.decode(data) == value
    for end in range(len(data)):
        with pytest.raises(BcsError):
            codec.decode(data[:end])
    with pytest.raises(BcsError):
        codec.decode(data + b"\0")
    return data


@pytest.mark.parametrize("kind", FailureKind)
def test_every_failure_keeps_what_it_carries(kind: FailureKind) -> None:
    for number, detail in enumerate(PAYLOADS.get(kind, [None])):
        data = both_ways(EXECUTION_STATUS, Failure((kind, detail), number or None))
        assert data[:2] == bytes((1, kind))
    if kind not in PAYLOADS:
        with pytest.raises(BcsError):
            EXECUTION_STATUS.encode(Failure((kind, 5), None))


def test_an_abort_says_where_and_with_what_code() -> None:
    found = EXECUTION_STATUS.decode(EXECUTION_STATUS.encode(Failure((FailureKind.MOVE_ABORT, (PLACE, 42)), 0)))
    assert isinstance(found, Failure)
    assert (found.kind, found.detail, found.command) == (FailureKind.MOVE_ABORT, (PLACE, 42), 0)


@pytest.mark.parametrize(
    ("codec", "name", "known"),
    [
        (EXECUTION_STATUS, "ExecutionStatus", 2),
        (EFFECTS, "TransactionEffects", 2),
        (CONTENTS, "CheckpointContents", 2),
        (COMMITMENT, "CheckpointCommitment", 2),
        (OWNER, "Owner", 5),
        (OBJECT_TYPE, "MoveObjectType", 6),
        (OBJECT, "ObjectData", 2),
        (transaction.TRANSACTION_DATA, "TransactionData", 1),
        (transaction.TRANSACTION_KIND, "TransactionKind", 11),
        (transaction.COMMAND, "Command", 7),
        (transaction.INPUT, "CallArg", 3),
        (transaction.EXPIRATION, "TransactionExpiration", 4),
        (transaction.ARGUMENT, "Argument", 4),
    ],
)
def test_a_variant_that_is_not_known_is_refused_by_name(codec: Codec[Any], name: str, known: int) -> None:
    for tag in (known, 127):
        with pytest.raises(UnknownVariantError) as raised:
            codec.decode(bytes([tag]) + bytes(200))
        assert (raised.value.name, raised.value.actual, raised.value.expected) == (name, tag, f"0..{known - 1}")
    with pytest.raises(UnknownVariantError):
        EXECUTION_STATUS.decode(bytes((1, len(FailureKind), 0)))


CHANGES = tuple(
    ObjectChange(before, after, operation)
    for before in (NotExist(), *(Existed(3, A, owner) for owner in OWNERS))
    for after, operation in (
        (NotExist(), IdOperation.DELETED),
        (ObjectWrite(A, ConsensusAddressOwner(7, A)), IdOperation.CREATED),
        (PackageWrite(2, B), IdOperation.NONE),
        (AccumulatorWrite(A, SUI, AccumulatorOperation.MERGE, AccumulatorInteger(5)), IdOperation.NONE),
        (AccumulatorWrite(A, SUI, AccumulatorOperation.SPLIT, AccumulatorIntegers(5, 6)), IdOperation.NONE),
        (
            AccumulatorWrite(A, VectorTag(SUI), AccumulatorOperation.MERGE, AccumulatorEvents(((0, A), (1, B)))),
            IdOperation.NONE,
        ),
    )
)
UNCHANGED = (
    ReadOnlyRoot(1, A), MutateStreamEnded(2), ReadStreamEnded(3), Cancelled(4), PerEpochConfig(), PerEpochConfigAt(5),
)  # fmt: skip


def test_effects_of_both_versions_with_every_variant() -> None:
    second = EffectsV2(
        status=Success(), executed_epoch=1, gas_used=GAS, transaction_digest=A, gas_object_index=3, events_digest=B,
        dependencies=(A, B), lamport_version=9, changed_objects=tuple((A, change) for change in CHANGES),
        unchanged_consensus=tuple((B, kind) for kind in UNCHANGED), aux_data_digest=A,
    )  # fmt: skip
    owned = ((REF, OWNERS[4]), (REF, OWNERS[2]))
    first = EffectsV1(
        status=Success(), executed_epoch=1, gas_used=GAS, modified_at_versions=((A, 1),), shared_objects=(REF,),
        transaction_digest=A, created=owned, mutated=owned, unwrapped=owned, deleted=(REF,),
        unwrapped_then_deleted=(REF,), wrapped=(REF,), gas_object=(REF, OWNERS[0]), events_digest=None,
        dependencies=(B,),
    )  # fmt: skip
    for number, whole in ((1, second), (0, first)):
        data = both_ways(EFFECTS, whole)
        assert data[0] == number
        head = EffectsHead(whole.status, whole.executed_epoch, whole.transaction_digest, whole.events_digest)
        assert read_head(data) == head


def test_commitments_owners_and_signatures() -> None:
    both_ways(COMMITMENT, LiveObjectSet(A))
    both_ways(COMMITMENT, ArtifactsDigest(B))
    for number, owner in enumerate(OWNERS):
        assert both_ways(OWNER, owner)[0] == number
    both_ways(QUORUM_SIGNATURE, QUORUM_SIGNATURE.decode(world.checkpoint().signature))
    both_ways(SUMMARY, SUMMARY.decode(world.checkpoint(next_members=world.members(8)).summary))


def test_contents_speak_of_the_signatures_of_every_transaction_and_no_other() -> None:
    found = CONTENTS.decode(world.checkpoint().contents)
    assert isinstance(found, ContentsV1)
    for signatures in (found.user_signatures[:2], (*found.user_signatures, ())):
        wrong = ContentsV1(found.digests, signatures)
        with pytest.raises(BcsError, match="3 transactions"):
            CONTENTS.encode(wrong)
    without_one = b"\0" + vector(DIGESTS, 9).encode(found.digests) + b"\0"
    with pytest.raises(BcsError, match="3 transactions"):
        CONTENTS.decode(without_one)


@pytest.mark.parametrize("number", range(11))
def test_every_kind_of_transaction(number: int) -> None:
    assert both_ways(transaction.TRANSACTION_KIND, KINDS[number])[0] == number


def test_a_transaction_with_every_expiration() -> None:
    data = transaction.GasData((REF,), B, 1000, 5_000_000)
    window = (None, 5, 6, None, A, 7)
    for expiration in (
        transaction.NeverExpires(),
        transaction.ExpiresAfterEpoch(5),
        transaction.ValidDuring(*window),
        transaction.Validity(*window, transaction.AllowedProposers(5, (1, 2))),
    ):
        both_ways(transaction.TRANSACTION_DATA, transaction.TransactionData(KINDS[3], A, data, expiration))


def test_objects_and_their_types() -> None:
    for held in (MOVE, PACKAGE):
        both_ways(OBJECT, Object(held, OWNERS[2], B, 988_000))
    coin = StructTag(A, "usd", "USD")
    types = (
        OtherType(coin), GasCoinType(), StakedSuiType(), CoinType(coin), SuiBalanceFieldType(), BalanceFieldType(coin),
    )  # fmt: skip
    for number, held_type in enumerate(types):
        assert both_ways(OBJECT_TYPE, held_type)[0] == number
        if number < 4:
            assert short_form(type_of(held_type)) == held_type
    assert str(type_of(GasCoinType())) == "0x2::coin::Coin<0x2::sui::SUI>"
    for longer in (OtherType(type_of(GasCoinType())), CoinType(SUI), OtherType(type_of(StakedSuiType()))):
        with pytest.raises(BcsError):
            OBJECT_TYPE.encode(longer)
    with pytest.raises(BcsError):
        OBJECT_TYPE.decode(b"\3" + TYPE_TAG.encode(SUI))
    with pytest.raises(BcsError):
        OBJECT.decode(OBJECT.encode(Object(MOVE, OWNERS[3], B, 0)).replace(b"\x28" + A, b"\x1f" + A))


def test_an_object_is_at_least_its_id_and_a_balance_field_of_sui_is_short() -> None:
    bare = Object(MoveObject(GasCoinType(), True, 4, A), OWNERS[3], B, 0)
    data = both_ways(OBJECT, bare)
    assert OBJECT.decode(data).object_id == A
    with pytest.raises(BcsError, match="begins with its id"):
        OBJECT.encode(Object(MoveObject(GasCoinType(), True, 4, A[:31]), OWNERS[3], B, 0))
    with pytest.raises(BcsError, match="begins with its id"):
        OBJECT.decode(data.replace(b"\x20" + A, b"\x1f" + A[:31], 1))
    with pytest.raises(BcsError, match="shorter form"):
        OBJECT_TYPE.encode(BalanceFieldType(SUI))


def test_storage_of_a_gas_coin_costs_what_mainnet_takes() -> None:
    assert storage_cost(Object(MOVE, OWNERS[0], B, 0)) == 988_000


def test_modules_of_a_package_are_in_one_order_only() -> None:
    table = mapping(text(8), octets(8), 4)
    both_ways(table, (("b", b"1"), ("aa", b"2")))  # by encoded bytes: the length counts first
    for wrong in ((("aa", b"2"), ("b", b"1")), (("b", b"1"), ("b", b"1"))):
        with pytest.raises(BcsError):
            table.encode(wrong)


def test_the_digest_of_a_package_does_not_depend_on_order() -> None:
    assert package_digest((b"1", b"2"), (A, B)) == package_digest((b"2", b"1"), (B, A))
    assert package_digest((b"1", b"2"), (A,)) != package_digest((b"1",), (A,))


def test_the_id_of_the_system_states_inner_object() -> None:
    """Of every Sui network: field 1 or 2 (u64) of 0x5. The value for 2 is the one that mainnet has."""
    parent = bytes(31) + b"\5"
    ids = [dynamic_field_id(parent, Primitive.U64, U64.encode(version)).hex() for version in (1, 2)]
    assert any(found.startswith("6af2a2b7ca60") for found in ids)


def nested(depth: int) -> bytes:
    return b"\6" * depth + b"\1"


def in_structs(depth: int) -> bytes:
    return (b"\7" + A + b"\1m\1T\1") * depth + b"\1"


@pytest.mark.parametrize("make", [nested, in_structs])
def test_a_type_is_as_deep_as_a_network_can_write_it_and_no_deeper(make: Callable[[int], bytes]) -> None:
    deepest = make(MAX_TYPE_NESTING)
    tag = TYPE_TAG.decode(deepest)
    assert TYPE_TAG.encode(tag) == deepest
    assert str(tag).count("<") == str(tag).count(">") == MAX_TYPE_NESTING
    assert tag != SUI
    for depth in (MAX_TYPE_NESTING + 1, 100_000):
        with pytest.raises(BcsError, match="nested"):
            TYPE_TAG.decode(make(depth))
    for outer in (VectorTag(tag), StructTag(A, "m", "T", (Primitive.U8, tag, SUI))):
        with pytest.raises(BcsError, match="nested"):
            TYPE_TAG.encode(outer)
    # A name that is no type of its own (that of an event) may hold the deepest type, and is read back.
    event = StructTag(A, "m", "T", (Primitive.BOOL, tag, VectorTag(SUI)))
    data = STRUCT_TAG.encode(event)
    assert STRUCT_TAG.encode(STRUCT_TAG.decode(data)) == data
    with pytest.raises(BcsError, match="nested"):
        STRUCT_TAG.encode(StructTag(A, "m", "T", (VectorTag(tag),)))


def test_a_type_reads_as_in_move() -> None:
    inner = StructTag(A[:31] + b"\1", "m", "T", (Primitive.U64, VectorTag(Primitive.ADDRESS)))
    tag = StructTag(bytes(31) + b"\2", "pair", "Pair", (SUI, inner))
    text = f"0x2::pair::Pair<0x2::sui::SUI, 0x{'a1' * 31}01::m::T<u64, vector<address>>>"
    assert str(tag) == text
    assert both_ways(TYPE_TAG, tag) == b"\7" + both_ways(STRUCT_TAG, tag)
    for number, primitive in ((0, "bool"), (1, "u8"), (2, "u64"), (3, "u128"), (4, "address"), (5, "signer"),
                              (8, "u16"), (9, "u32"), (10, "u256")):  # fmt: skip
        assert str(TYPE_TAG.decode(bytes((number,)))) == primitive
    with pytest.raises(BcsError, match=r"0\.\.10"):
        TYPE_TAG.decode(b"\x0b")


@pytest.mark.parametrize("name", ["", "1a", "a-b", "a b", "ä", "a\n", "::", "_", "<SELF>", "a" * 65_536])
def test_a_name_that_is_no_identifier_is_in_no_type(name: str) -> None:
    with pytest.raises(BcsError):
        STRUCT_TAG.encode(StructTag(A, name, "T"))
    with pytest.raises(BcsError):
        STRUCT_TAG.decode(A + text(70_000).encode(name) + text(8).encode("T") + b"\0")


CODECS = {
    "summary": SUMMARY, "contents": CONTENTS, "effects": EFFECTS, "events": EVENTS, "object": OBJECT,
    "transaction": transaction.TRANSACTION_DATA, "signed": transaction.SENDER_SIGNED_DATA, "type": TYPE_TAG,
    "status": EXECUTION_STATUS, "quorum": QUORUM_SIGNATURE,
}  # fmt: skip


@pytest.mark.parametrize("name", CODECS)
@given(data=st.binary(max_size=120))
def test_whatever_is_accepted_has_this_one_form(name: str, data: bytes) -> None:
    codec: Codec[Any] = CODECS[name]
    for prefix in (b"", b"\0", b"\1", b"\1\x0c"):
        try:
            value = codec.decode(prefix + data)
        except BcsError:
            continue
        assert codec.encode(value) == prefix + data


@pytest.mark.parametrize(
    ("codec", "most", "more"),
    [
        (fixed(3), b"abc", b"abcd"),
        (fixed(3), b"abc", b"ab"),
        (sized(3), b"abc", b"abcd"),
        (sized(3), b"abc", b"ab"),
        (octets(3), b"abc", b"abcd"),
        (text(3), "a\u00e9", "\u00e9\u00e9"),
        (vector(U8, 2), (1, 2), (1, 2, 3)),
        (mapping(U8, U8, 1), ((1, 2),), ((1, 2), (3, 4))),
        (TYPE_TAG, StructTag(A, "m", "T", (SUI,) * 255), StructTag(A, "m", "T", (SUI,) * 256)),
        (STRUCT_TAG, StructTag(A, "m" * 65_535, "T"), StructTag(A, "m" * 65_536, "T")),
        (OWNER, OWNERS[0], "no owner"),
    ],
)
def test_what_would_not_be_read_is_not_written(codec: Codec[Any], most: Any, more: Any) -> None:
    assert codec.decode(codec.encode(most)) == most
    with pytest.raises(BcsError):
        codec.encode(more)


def test_what_would_not_be_written_is_not_read() -> None:
    for codec, data in (
        (sized(3), b"\4abcd"), (sized(3), b"\2ab"), (octets(3), b"\4abcd"), (text(3), b"\4abcd"),
        (vector(U8, 2), b"\3\1\2\3"), (mapping(U8, U8, 2), b"\2\3\4\1\2"), (mapping(U8, U8, 1), b"\2\1\2\3\4"),
        (TYPE_TAG, b"\7" + A + b"\1m\1T\x80\2" + b"\1" * 256),
    ):  # fmt: skip
        with pytest.raises(BcsError):
            codec.decode(data)


def test_a_description_must_name_the_fields_in_their_order() -> None:
    @dataclass(frozen=True)
    class Two:
        first: int
        second: int

    for wrong in ({"second": U64, "first": U64}, {"first": U64}):
        with pytest.raises(TypeError):
            struct(Two, **wrong)


@given(st.binary(max_size=40))
def test_base58_has_one_form(data: bytes) -> None:
    assert base58.decode(base58.encode(data)) == data


@given(st.text(alphabet="123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", max_size=60))
def test_base58_text_has_one_value(value: str) -> None:
    assert base58.encode(base58.decode(value)) == value


def test_base58_of_the_longest_text() -> None:
    assert base58.decode("1" * base58.MAX_CHARACTERS) == bytes(base58.MAX_CHARACTERS)


@pytest.mark.parametrize("value", ["0", "O", "I", "l", " 1", "1" * 129, "é"])
def test_what_is_not_base58_is_refused(value: str) -> None:
    with pytest.raises(ValueError):
        base58.decode(value)

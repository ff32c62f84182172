"""Promises: values as JSON in the form of nodes of Sui, epochs with their committees, failures with what they carry."""

from __future__ import annotations

from typing import Any

import pytest
from pysui.sui.sui_grpc.suimsgs.google import protobuf as pb
from pysui.sui.sui_grpc.suimsgs.sui.rpc import v2

from daas_chain.sui import transaction as tx
from daas_chain.sui.objects import SUI as SUI_TYPE
from daas_chain.sui.status import (
    ArgumentErrorKind,
    Failure,
    FailureKind,
    MoveLocation,
    TypeArgumentErrorKind,
    UpgradeErrorKind,
)
from daas_chain.sui.types import Primitive, StructTag, TypeTag, VectorTag
from daas_localnet.rpc import statuses
from daas_localnet.rpc.limits import JSON_VALUES_MAX
from daas_localnet.rpc.move_json import to_json
from daas_protocol.bcs import encode_bytes, encode_uleb
from support.ledger_world import ALICE, STD, SUI, LedgerWorld, u64
from support.move_world import built
from support.rpc_world import mask, served

U8, U64 = Primitive.U8, Primitive.U64
STRING = StructTag(STD, "string", "String")
SOME = bytes(range(32))


def option(inner: TypeTag) -> StructTag:
    return StructTag(STD, "option", "Option", (inner,))


def plain(value: pb.Value | None) -> Any:
    """As Python's json would give it."""
    assert value is not None
    if value.struct_value is not None:
        return {name: plain(one) for name, one in value.struct_value.fields.items()}
    if value.list_value is not None:
        return [plain(one) for one in value.list_value.values]
    if value.null_value is not None:
        return None
    for one in (value.bool_value, value.number_value, value.string_value):
        if one is not None:
            return one
    raise AssertionError("an empty value")


@pytest.fixture(scope="module")
def world() -> LedgerWorld:
    return LedgerWorld()


VALUES: list[tuple[TypeTag, bytes, Any]] = [
    (Primitive.BOOL, b"\1", True),
    (U8, b"\xff", 255),
    (Primitive.U32, b"\xff" * 4, 2**32 - 1),
    (U64, u64(2**64 - 1), "18446744073709551615"),
    (Primitive.U256, b"\xff" * 32, str(2**256 - 1)),
    (Primitive.ADDRESS, SOME, f"0x{SOME.hex()}"),
    (VectorTag(U8), encode_bytes(b"abc"), "YWJj"),
    (VectorTag(VectorTag(U8)), b"\2" + encode_bytes(b"") + encode_bytes(b"abc"), ["", "YWJj"]),
    (VectorTag(U64), b"\2" + u64(1) + u64(2), ["1", "2"]),
    (STRING, encode_bytes("grüß".encode()), "grüß"),
    (StructTag(STD, "ascii", "String"), encode_bytes(b"x"), "x"),
    (option(U64), b"\0", None),
    (option(U64), b"\1" + u64(7), "7"),
    (option(option(U8)), b"\1\0", None),
    (StructTag(SUI, "object", "UID"), SOME, f"0x{SOME.hex()}"),
    (StructTag(SUI, "object", "ID"), SOME, f"0x{SOME.hex()}"),
    (StructTag(SUI, "url", "Url"), encode_bytes(b"https://x"), "https://x"),
    (StructTag(SUI, "balance", "Balance", (SUI_TYPE,)), u64(9), {"value": "9"}),
    (
        StructTag(SUI, "coin", "Coin", (SUI_TYPE,)),
        SOME + u64(9),
        {"id": f"0x{SOME.hex()}", "balance": {"value": "9"}},
    ),
]


@pytest.mark.parametrize(("tag", "data", "expected"), VALUES, ids=lambda one: str(one)[:30])
def test_a_value_is_json_as_nodes_of_sui_give_it(world: LedgerWorld, tag: TypeTag, data: bytes, expected: Any) -> None:
    assert plain(to_json(world.ledger.packages, tag, data)) == expected


def test_what_has_no_json_has_none(world: LedgerWorld) -> None:
    packages = world.ledger.packages
    assert to_json(packages, U64, b"short") is None
    assert to_json(packages, StructTag(SOME, "a", "B"), b"") is None
    assert to_json(packages, StructTag(SUI, "coin", "Nothing"), b"") is None
    assert to_json(packages, StructTag(SUI, "coin", "Coin"), SOME + u64(1)) is None
    many = JSON_VALUES_MAX + 1
    assert to_json(packages, VectorTag(U64), encode_uleb(many) + u64(1) * many) is None
    deep: TypeTag = U64
    data = u64(1)
    for _ in range(40):
        deep, data = VectorTag(deep), b"\1" + data
    assert to_json(packages, deep, data) is None


LOCATION = MoveLocation(SUI, "kiosk", 3, 4, "delist")
NO_DATA = tx.TransactionData(tx.Programmable((), ()), SOME, tx.GasData((), SOME, 1, 1), tx.NeverExpires())


def test_every_failure_has_its_name_and_what_it_carries(world: LedgerWorld) -> None:
    packages = world.ledger.packages

    def shown(kind: FailureKind, detail: Any = None) -> v2.ExecutionError:
        found = statuses.render(Failure((kind, detail), 2), NO_DATA, "", packages)
        assert v2.ExecutionError.parse(bytes(found)) == found
        assert found.command == 2
        return found

    plain_kinds = [one for one in FailureKind if one not in (FailureKind.SYSTEM_OBJECT_NOT_AVAILABLE_LOCALLY,)]
    names = v2.ExecutionErrorExecutionErrorKind
    renamed = {"MOVE_OBJECT_TOO_BIG": "OBJECT_TOO_BIG", "MOVE_PACKAGE_TOO_BIG": "PACKAGE_TOO_BIG"}
    details: dict[FailureKind, Any] = {
        FailureKind.MOVE_ABORT: (LOCATION, 11),
        FailureKind.MOVE_PRIMITIVE_RUNTIME_ERROR: LOCATION,
        FailureKind.COMMAND_ARGUMENT_ERROR: (1, (ArgumentErrorKind.TYPE_MISMATCH, None)),
        FailureKind.TYPE_ARGUMENT_ERROR: (1, TypeArgumentErrorKind.CONSTRAINT_NOT_SATISFIED),
        FailureKind.UNUSED_VALUE_WITHOUT_DROP: (1, 2),
        FailureKind.INVALID_PUBLIC_FUNCTION_RETURN_TYPE: 1,
        FailureKind.PACKAGE_UPGRADE_ERROR: (UpgradeErrorKind.NOT_A_PACKAGE, SOME),
        FailureKind.CIRCULAR_OBJECT_OWNERSHIP: SOME,
        FailureKind.NON_EXCLUSIVE_WRITE_INPUT_OBJECT_MODIFIED: SOME,
        **dict.fromkeys(statuses._SIZES, (5, 4)),
    }
    for kind in plain_kinds:
        found = shown(kind, details.get(kind))
        name = renamed.get(kind.name, kind.name)
        for old, new in (("SHARED_OBJECT_OPERATION", "CONSENSUS_OBJECT_OPERATION"), ("SHARED", "CONSENSUS")):
            name = name.replace(old, new) if names(kind + 1).name != name else name
        name = name.replace("CANCELLED_DUE", "EXECUTION_CANCELED_DUE")
        assert found.kind == names.from_string(name), kind
    abort = shown(FailureKind.MOVE_ABORT, (LOCATION, 11)).abort
    assert abort is not None
    assert abort.location is not None
    assert (abort.abort_code, abort.location.function_name, abort.clever_error) == (11, "delist", None)
    sizes = shown(FailureKind.EFFECTS_TOO_LARGE, (5, 4)).size_error
    assert sizes is not None
    assert (sizes.size, sizes.max_size) == (5, 4)
    argument = shown(
        FailureKind.COMMAND_ARGUMENT_ERROR, (3, (ArgumentErrorKind.SECONDARY_INDEX_OUT_OF_BOUNDS, (7, 8)))
    ).command_argument_error
    assert argument is not None
    index: Any = argument.index_error
    assert (argument.argument, index.index, index.subresult) == (3, 7, 8)
    digest = shown(FailureKind.PACKAGE_UPGRADE_ERROR, (UpgradeErrorKind.DIGEST_DOES_NOT_MATCH, SOME))
    assert digest.package_upgrade_error is not None


@pytest.mark.e2e
def test_an_error_constant_of_the_contract_is_named(world: LedgerWorld) -> None:
    package, _ = world.publish([one.bytecode for one in built().package.modules])
    block = world.block()
    block.call(package, "command::off_chain", block.pure(encode_bytes(b"short")), block.pure(u64(5)))
    data = world.data(block, ALICE)
    outcome = world.ledger.execute(data)
    failed = outcome.effects.status
    assert isinstance(failed, Failure)
    found = statuses.render(failed, data, "", world.ledger.packages)
    assert found.abort is not None
    clever = found.abort.clever_error
    assert clever is not None
    assert clever.constant_name == "EDigestLength"
    assert clever.rendered
    assert clever.line_number


async def test_an_epoch_ends_and_says_who_signs_next() -> None:
    async with served() as world:
        network = world.world.network
        network.seal(world.clock())
        last = network.seal(world.clock(), end_epoch=True)
        network.seal(world.clock())

        async def epoch(number: int | None, *paths: str) -> Any:
            wanted = v2.GetEpochRequest(epoch=number, read_mask=mask(*paths) if paths else None)
            return (await world.raw.call("LedgerService/GetEpoch", wanted)).epoch

        first, second = await epoch(0, "*"), await epoch(None, "*")
        assert (first.epoch, first.first_checkpoint, first.last_checkpoint) == (0, 0, last.number)
        assert first.end is not None
        assert (second.epoch, second.first_checkpoint, second.last_checkpoint) == (1, last.number + 1, None)
        assert second.end is None
        assert first.committee.members != second.committee.members
        wanted = v2.GetCheckpointRequest(sequence_number=last.number, read_mask=mask("summary", "transactions"))
        found = (await world.raw.call("LedgerService/GetCheckpoint", wanted)).checkpoint
        assert found.summary.end_of_epoch_data.next_epoch_committee == second.committee.members
        kind = found.transactions[-1].transaction.kind
        assert kind.kind == v2.TransactionKindKind.END_OF_EPOCH
        assert kind.end_of_epoch.transactions[0].change_epoch.epoch == 1
        by_default = await epoch(None)
        assert by_default.committee is None
        assert by_default.protocol_config.protocol_version == network.epoch().protocol_version
        info = await world.raw.call("LedgerService/GetServiceInfo", v2.GetServiceInfoRequest())
        assert (info.epoch, info.checkpoint_height) == (1, last.number + 1)

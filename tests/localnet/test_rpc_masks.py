"""Promises: a response has what its mask asks for, exactly; a mask that a message has no field for is refused."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from grpclib.const import Status
from hypothesis import given
from hypothesis import strategies as st
from pysui.sui.sui_grpc.suimsgs.google import protobuf as pb
from pysui.sui.sui_grpc.suimsgs.sui.rpc import v2

from daas_chain.sui import base58
from daas_localnet.rpc.errors import RpcError
from daas_localnet.rpc.ledger_service import LedgerService
from daas_localnet.rpc.mask import ALL, Mask, parse
from daas_localnet.rpc.node import Node
from daas_localnet.rpc.schema import Field, schema
from support.ledger_world import START_MS
from support.localnet_world import NodeWorld

MESSAGES = (v2.Object, v2.ExecutedTransaction, v2.Checkpoint, v2.Epoch, v2.DynamicField)


def paths_of(message: type[Any], depth: int = 4) -> list[str]:
    """Every path of a message, as deep as that."""
    found = []
    for one in schema(message).by_name.values():
        found.append(one.name)
        if depth > 1 and not one.opaque and one.message is not None:
            found += [f"{one.name}.{inner}" for inner in paths_of(one.message, depth - 1)]
    return found


def kept(message: Any, mask: Mask) -> Any:
    """What a mask leaves of a whole message, as plain values: the meaning of a mask, without the renderer."""
    if isinstance(message, list):
        return [kept(one, mask) for one in message]
    fields: dict[str, Field] = dict(schema(type(message)).by_name)
    found = {}
    for name, field in fields.items():
        value = getattr(message, name)
        inner = mask.get(name)
        if inner is None or value is None or value in ([], {}):
            continue
        found[name] = value if field.opaque or field.message is None else kept(value, inner)
    return found


class World:
    def __init__(self) -> None:
        made = NodeWorld()
        sale = made.send(made.listing())
        made.network.seal(START_MS)
        self.node = Node(made.network, lambda: START_MS)
        self.service = LedgerService(self.node)
        self.digest = base58.encode(sale.digest)
        kiosk = next(one for one in made.store if one.type is not None and one.type.name == "Kiosk")
        self.object = f"0x{kiosk.object_id.hex()}"

    def read(self, message: type[Any], paths: list[str]) -> Any:
        wanted = pb.FieldMask(paths=paths)
        return asyncio.run(self._read(message, wanted))

    async def _read(self, message: type[Any], wanted: pb.FieldMask) -> Any:
        service = self.service
        if message is v2.Object:
            return (await service.get_object(v2.GetObjectRequest(object_id=self.object, read_mask=wanted))).object
        if message is v2.ExecutedTransaction:
            request = v2.GetTransactionRequest(digest=self.digest, read_mask=wanted)
            return (await service.get_transaction(request)).transaction
        if message is v2.Checkpoint:
            request = v2.GetCheckpointRequest(sequence_number=1, read_mask=wanted)
            return (await service.get_checkpoint(request)).checkpoint
        return (await service.get_epoch(v2.GetEpochRequest(read_mask=wanted))).epoch


@pytest.fixture(scope="module")
def world() -> World:
    return World()


RENDERED = (v2.Object, v2.ExecutedTransaction, v2.Checkpoint, v2.Epoch)
WHOLE = (
    "balance_changes",
    "commitments",
    "committee",
    "end_of_epoch_data",
    "epoch_rolling_gas_cost_summary",
    "error",
    "expiration",
    "gas_payment",
    "gas_used",
    "kind",
    "owner",
    "package",
    "simple",
)
"""Small parts that nodes of Sui make whole, too, when they are wanted at all."""


@pytest.mark.parametrize("message", RENDERED, ids=lambda one: one.__name__)
def test_a_masked_response_is_the_whole_one_without_the_rest(world: World, message: type[Any]) -> None:
    chosen = random.Random(7)
    paths = [one for one in paths_of(message) if not any(f"{each}." in one for each in WHOLE)]
    whole = world.read(message, ["*"])
    for _ in range(40):
        wanted = chosen.sample(paths, chosen.randint(1, min(4, len(paths))))
        assert kept(world.read(message, wanted), ALL) == kept(whole, parse(message, wanted)), wanted


@pytest.mark.parametrize("message", RENDERED, ids=lambda one: one.__name__)
def test_every_path_of_a_message_is_taken_and_gives_nothing_else(world: World, message: type[Any]) -> None:
    for path in schema(message).by_name:
        found = world.read(message, [path])
        assert set(kept(found, ALL)) <= {path}


def test_what_is_not_asked_for_is_not_computed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> Any:
        raise AssertionError("JSON was made")

    monkeypatch.setattr("daas_localnet.rpc.objects.to_json", never)
    monkeypatch.setattr("daas_localnet.rpc.events.to_json", never)
    world.read(v2.ExecutedTransaction, ["effects.bcs", "events.bcs", "transaction.bcs", "objects.objects.bcs"])
    monkeypatch.setattr(type(world.node.network), "object", never)
    monkeypatch.setattr(type(world.node.network.store), "at", never)
    monkeypatch.setattr(type(world.node.network.store), "get", never)
    world.read(v2.Checkpoint, ["summary.bcs", "signature", "contents.bcs", "transactions.effects.bcs"])


@given(st.sampled_from(MESSAGES), st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz_.*"), max_size=40))
def test_an_unknown_path_is_refused(message: type[Any], path: str) -> None:
    known = path in paths_of(message) or path == "*"
    if known or path.count(".") >= 4:
        return
    with pytest.raises(RpcError) as caught:
        parse(message, [path])
    assert (caught.value.status, caught.value.field) == (Status.INVALID_ARGUMENT, "read_mask")


@given(st.lists(st.sampled_from(paths_of(v2.Checkpoint)), max_size=12))
def test_a_path_stands_for_everything_below_it(paths: list[str]) -> None:
    made = parse(v2.Checkpoint, paths)
    for path in paths_of(v2.Checkpoint, 3):
        inner: Mask | None = made
        for name in path.split("."):
            inner = None if inner is None else inner.get(name)
        covered = any(f"{path}.".startswith(f"{one}.") for one in paths)
        leads = any(f"{one}.".startswith(f"{path}.") for one in paths)
        assert (inner is not None) == (covered or leads)
        assert (inner is not None and inner.fields is None) == covered


def test_hostile_masks_are_refused() -> None:
    for paths in (["x" * 10_000], ["digest"] * 300, [""], ["."], ["digest."], [".digest"], ["digest.*"], ["*.digest"]):
        with pytest.raises(RpcError) as caught:
            parse(v2.Object, paths)
        assert caught.value.status is Status.INVALID_ARGUMENT
        assert len(caught.value.message) < 400

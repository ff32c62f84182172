"""What the client believes of a node: nothing that it can compute itself, and nothing it did not ask for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pysui.sui.sui_grpc.suimsgs.sui.rpc.v2 as v2
import pytest
from grpclib.const import Status

from daas_chain.light import certificate, inclusion
from daas_chain.light.committee import Committee
from daas_chain.network import errors
from daas_chain.network.client import Network
from daas_chain.network.endpoint import Endpoint, Limits
from daas_chain.network.reads import COIN
from daas_chain.network.verify import CheckpointError
from daas_chain.sui.codec import U64
from daas_chain.sui.digests import Hashed, digest, dynamic_field_id
from daas_chain.sui.objects import MoveObject, OtherType
from daas_chain.sui.types import AddressOwner, ObjectOwner, ObjectRef, Primitive, StructTag
from support import light_world, sui_stub
from support.sui_stub import StubNode, failing, giving, object_message, reference_of

LIMITS = Limits(call_seconds=1.0, attempt_seconds=0.5, first_backoff=0.01, last_backoff=0.05, idle_seconds=0.5)
ALICE, BOB = b"\xa1" * 32, b"\xb0" * 32


@pytest.fixture
async def node() -> AsyncIterator[StubNode]:
    stub = StubNode()
    yield stub
    await stub.stop()


@pytest.fixture
async def network(node: StubNode) -> AsyncIterator[Network]:
    port = await node.start()
    async with await Network.open(Endpoint.parse(f"http://127.0.0.1:{port}", limits=LIMITS)) as opened:
        yield opened


async def test_the_chain_is_told_and_compared(node: StubNode, network: Network) -> None:
    assert network.chain_id == sui_stub.GENESIS
    with pytest.raises(errors.ChainError):
        await Network.open(network.endpoint, chain=bytes(32))


async def test_an_object_has_the_digest_of_its_bytes(node: StubNode, network: Network) -> None:
    held = node.add_coin("one", ALICE, 17)
    found = await network.object(held.object_id)
    assert (found.object, found.reference) == (held, reference_of(held))
    assert (await network.object_at(reference_of(held))).object == held
    assert (await network.object(held.object_id, 5)).object == held
    with pytest.raises(errors.NotFoundError, match="not found"):
        await network.object(held.object_id, 4)
    with pytest.raises(errors.DigestError):
        await network.object_at(ObjectRef(held.object_id, 5, bytes(32)))


async def test_another_version_than_asked_for_is_refused(node: StubNode, network: Network) -> None:
    held = node.add_coin("one", ALICE, 17)
    node.faults["GetObject"].append(giving(v2.GetObjectResponse(object=object_message(held))))
    with pytest.raises(errors.IdentityError, match="version 4"):
        await network.object(held.object_id, 4)


def _object(change: Callable[[v2.Object], Any]) -> Callable[[StubNode], Any]:
    def make(node: StubNode) -> Any:
        message = object_message(node.add_coin("asked", ALICE, 1))
        change(message)
        return v2.GetObjectResponse(object=message)

    return make


def _set(**values: Any) -> Callable[[Any], None]:
    def change(message: Any) -> None:
        for name, value in values.items():
            setattr(message, name, value)

    return change


WRONG_OBJECTS: dict[str, tuple[Callable[[StubNode], Any], type[errors.NetworkError]]] = {
    "another object": (
        lambda node: v2.GetObjectResponse(object=object_message(node.add_coin("other", ALICE, 1))),
        errors.IdentityError,
    ),
    "no object": (lambda node: v2.GetObjectResponse(), errors.MissingFieldError),
    "no bytes": (_object(_set(bcs=None)), errors.MissingFieldError),
    "another digest": (_object(_set(digest="11111111111111111111111111111111")), errors.DigestError),
    "cut bytes": (
        _object(lambda one: setattr(one.bcs, "value", one.bcs.value[:-1])),
        errors.StructureError,
    ),
    "more bytes": (_object(lambda one: setattr(one.bcs, "value", one.bcs.value + b"\0")), errors.StructureError),
    "no BCS": (_object(lambda one: setattr(one.bcs, "value", b"\xff" * 40)), errors.StructureError),
}


@pytest.mark.parametrize("name", WRONG_OBJECTS)
async def test_a_wrong_object_is_refused_by_name(node: StubNode, network: Network, name: str) -> None:
    make, expected = WRONG_OBJECTS[name]
    asked = node.add_coin("asked", ALICE, 1).object_id
    node.faults["GetObject"].append(giving(make(node)))
    with pytest.raises(expected) as raised:
        await network.object(asked)
    assert isinstance(raised.value, errors.InconsistentError)
    assert raised.value.expected
    assert node.calls["GetObject"] == 1, "a lie is not asked for again"
    assert (await network.object(asked)).reference.object_id == asked, "and the connection is of use still"


async def test_many_objects_come_in_batches_and_the_missing_are_missing(node: StubNode, network: Network) -> None:
    made = [node.add_coin(f"coin {number}", ALICE, number).object_id for number in range(120)]
    found = await network.objects([*made, BOB, made[0]])
    assert set(found) == set(made)
    assert node.calls["BatchGetObjects"] == 3
    swapped = [object_message(node.objects[one]) for one in (made[1], made[0])]
    node.faults["BatchGetObjects"].append(
        giving(v2.BatchGetObjectsResponse(objects=[v2.GetObjectResult(object=one) for one in swapped]))
    )
    with pytest.raises(errors.IdentityError):
        await network.objects(made[:2])
    node.faults["BatchGetObjects"].append(giving(v2.BatchGetObjectsResponse()))
    with pytest.raises(errors.MalformedAnswerError, match="2 objects"):
        await network.objects(made[:2])


async def test_pages_end_and_hold_what_was_asked_for(node: StubNode, network: Network) -> None:
    made = {node.add_coin(f"coin {number}", ALICE, 10 + number).object_id for number in range(5)}
    node.add_coin("of somebody else", BOB, 1)
    assert {coin.reference.object_id async for coin in network.coins(ALICE)} == made
    assert sorted([coin.balance async for coin in network.coins(ALICE)]) == [10, 11, 12, 13, 14]
    assert node.calls["ListOwnedObjects"] == 6
    theirs = object_message(sui_stub.coin_object(b"\x07" * 32, AddressOwner(BOB), 1))
    node.faults["ListOwnedObjects"].append(giving(v2.ListOwnedObjectsResponse(objects=[theirs])))
    with pytest.raises(errors.IdentityError, match=f"0x{ALICE.hex()}"):
        [one async for one in network.owned(ALICE)]
    coin = sui_stub.coin_object(b"\x07" * 32, AddressOwner(ALICE), 1)
    assert isinstance(coin.data, MoveObject)
    other = replace(coin, data=replace(coin.data, type=OtherType(StructTag(BOB, "fake", "Coin"))))
    node.faults["ListOwnedObjects"].append(giving(v2.ListOwnedObjectsResponse(objects=[object_message(other)])))
    with pytest.raises(errors.IdentityError, match="fake"):
        [one async for one in network.owned(ALICE, COIN)]
    again = v2.ListOwnedObjectsResponse(objects=[], next_page_token=b"x")
    node.faults["ListOwnedObjects"] += [giving(again), giving(again)]
    with pytest.raises(errors.MalformedAnswerError, match="same page"):
        [one async for one in network.owned(ALICE)]


async def test_a_field_is_found_under_an_id_computed_here(node: StubNode, network: Network) -> None:
    parent, key = b"\x0f" * 32, U64.encode(7)
    object_id = dynamic_field_id(parent, Primitive.U64, key)
    held = sui_stub.coin_object(object_id, ObjectOwner(parent), 3)
    node.objects[object_id] = held
    assert (await network.field(parent, Primitive.U64, key)).field.object == held
    node.objects[object_id] = replace(held, owner=ObjectOwner(BOB))
    with pytest.raises(errors.IdentityError):
        await network.field(parent, Primitive.U64, key)
    answer = v2.ListDynamicFieldsResponse(dynamic_fields=[v2.DynamicField(field_object=object_message(held))])
    node.faults["ListDynamicFields"].append(giving(answer))
    assert [one.field.object async for one in network.fields(parent)] == [held]
    node.faults["ListDynamicFields"].append(giving(answer))
    with pytest.raises(errors.IdentityError):
        [one async for one in network.fields(BOB)]


async def test_epoch_price_balance_and_committee(node: StubNode, network: Network) -> None:
    found = await network.epoch(committee=True)
    assert found.committee is not None
    assert Committee.from_record(found.committee).epoch == node.epoch
    assert await network.gas_price() == 1_000
    balance = await network.balance(ALICE)
    assert (balance.total, balance.in_coins, balance.in_address) == (7, 5, 2)
    with pytest.raises(errors.IdentityError):
        await network.epoch(node.epoch + 1)


async def test_a_checkpoint_is_exactly_what_the_light_client_takes(node: StubNode, network: Network) -> None:
    made = [node.add_checkpoint() for _ in range(3)]
    found = await network.checkpoint(1)
    committee = Committee.from_record((await network.epoch(committee=True)).committee)  # type: ignore[arg-type]
    verified = certificate.verify_summary(committee, found.summary_data, found.signature)
    opened = inclusion.open_all(inclusion.open_contents(verified, found.contents), found.parts)
    assert [one.digest for one in opened] == [one[0] for one in made[1].parts]
    assert (found.signature, found.contents, list(found.parts)) == (
        made[1].signature,
        made[1].contents,
        made[1].bundle,
    )
    assert await network.latest() == (2, digest(Hashed.SUMMARY, made[2].summary))
    assert (await network.checkpoint()).sequence_number == 2
    assert (await network.checkpoint_by_digest(found.digest)) == found


def _without_events(message: v2.Checkpoint) -> None:
    message.transactions[0].events = None


def _forged_events(message: v2.Checkpoint) -> None:
    assert message.transactions[0].events is not None
    message.transactions[0].events.bcs.value = b"\0"  # type: ignore[union-attr]


def _other_contents(message: v2.Checkpoint) -> None:
    message.contents = sui_stub.checkpoint_message(light_world.checkpoint(), 0).contents


WRONG_CHECKPOINTS: dict[str, tuple[Callable[[v2.Checkpoint], Any], type[errors.NetworkError]]] = {
    "events withheld": (_without_events, CheckpointError),
    "events forged": (_forged_events, CheckpointError),
    "a transaction withheld": (lambda one: one.transactions.pop(), CheckpointError),
    "contents of another": (_other_contents, CheckpointError),
    "no signature": (_set(signature=None), errors.MissingFieldError),
    "signature of another epoch": (lambda one: setattr(one.signature, "epoch", 1), errors.IdentityError),
    "short signature": (lambda one: setattr(one.signature, "signature", b"\x01"), errors.StructureError),
    "no summary": (_set(summary=None), errors.MissingFieldError),
}


@pytest.mark.parametrize("name", WRONG_CHECKPOINTS)
async def test_a_wrong_checkpoint_is_refused_by_name(node: StubNode, network: Network, name: str) -> None:
    change, expected = WRONG_CHECKPOINTS[name]
    node.add_checkpoint()
    message = sui_stub.checkpoint_message(node.checkpoints[0], 0)
    change(message)
    node.faults["GetCheckpoint"].append(giving(v2.GetCheckpointResponse(checkpoint=message)))
    with pytest.raises(expected):
        await network.checkpoint(0)


async def test_another_checkpoint_than_asked_for_is_refused(node: StubNode, network: Network) -> None:
    node.add_checkpoint()
    answer = v2.GetCheckpointResponse(checkpoint=sui_stub.checkpoint_message(node.checkpoints[0], 0))
    node.faults["GetCheckpoint"] += [giving(answer), giving(answer)]
    with pytest.raises(errors.SequenceError):
        await network.checkpoint(1)
    with pytest.raises(errors.DigestError):
        await network.checkpoint_by_digest(bytes(32))


STATUSES = {
    Status.NOT_FOUND: errors.NotFoundError,
    Status.INVALID_ARGUMENT: errors.InvalidRequestError,
    Status.UNIMPLEMENTED: errors.UnimplementedError,
    Status.PERMISSION_DENIED: errors.DeniedError,
    Status.INTERNAL: errors.ServerFaultError,
    Status.DATA_LOSS: errors.ServerFaultError,
}


@pytest.mark.parametrize("status", STATUSES)
async def test_a_status_that_no_repetition_cures_is_named_at_once(
    node: StubNode, network: Network, status: Status
) -> None:
    node.faults["GetEpoch"].append(failing(status, "terminal \x1b[2J escapes\n and " + "x" * 5_000))
    with pytest.raises(STATUSES[status]) as raised:
        await network.gas_price()
    assert node.calls["GetEpoch"] == 1
    text = str(raised.value)
    assert text.isprintable()
    assert len(text) < 700
    assert text.endswith(raised.value.advice)


async def test_a_call_that_the_node_does_not_know_is_unimplemented() -> None:
    bare = sui_stub.Server([])
    await bare.start("127.0.0.1", 0)
    port = bare._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    with pytest.raises(errors.UnimplementedError):
        await Network.open(Endpoint.parse(f"http://127.0.0.1:{port}", limits=LIMITS))
    bare.close()
    await bare.wait_closed()

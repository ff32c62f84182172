"""Answers with bits flipped, bytes cut, doubled and swapped: a `NetworkError`, or exactly what was asked for."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pysui.sui.sui_grpc.suimsgs.sui.rpc.v2 as v2
import pytest

from daas_chain.network import guard, verify, wire
from daas_chain.network.errors import InconsistentError
from daas_chain.sui.digests import Hashed, digest
from daas_chain.sui.types import AddressOwner
from support import light_world, sui_stub

ALICE = b"\xa1" * 32
ROUNDS = 1_500


def _object() -> tuple[Any, Callable[[Any], Any]]:
    held = sui_stub.coin_object(b"\x07" * 32, AddressOwner(ALICE), 5)
    message = v2.GetObjectResponse(object=sui_stub.object_message(held))
    return message, lambda answer: verify.asked_object(wire.message_at(answer, "object"), b"\x07" * 32).reference


def _checkpoint() -> tuple[Any, Callable[[Any], Any]]:
    made = light_world.checkpoint(sequence_number=4)
    asked = digest(Hashed.SUMMARY, made.summary)
    message = v2.GetCheckpointResponse(checkpoint=sui_stub.checkpoint_message(made, 4))

    def read(answer: Any) -> Any:
        found = verify.checkpoint(wire.message_at(answer, "checkpoint"), 4, asked)
        # The certificate is the light client's to verify.
        return found.summary_data, found.contents, found.parts

    return message, read


def _transaction() -> tuple[Any, Callable[[Any], Any]]:
    made, effects, events = light_world.transaction("one", [light_world.event(1)])
    message = v2.ExecuteTransactionResponse(
        transaction=v2.ExecutedTransaction(
            effects=v2.TransactionEffects(bcs=v2.Bcs(name="x", value=effects)),
            events=v2.TransactionEvents(bcs=v2.Bcs(name="x", value=events)),
        )
    )
    return message, lambda answer: verify.executed(wire.message_at(answer, "transaction"), made).events


def _epoch() -> tuple[Any, Callable[[Any], Any]]:
    message = sui_stub.StubNode()._epoch(None)
    return message, lambda answer: verify.epoch_info(wire.message_at(answer, "epoch"), None).epoch


def mutated(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 5))):
        place = chance.randrange(len(changed))
        match chance.randrange(5):
            case 0:
                changed[place] ^= 1 << chance.randrange(8)
            case 1:
                changed[place] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 2:
                del changed[place : place + chance.randrange(1, 40)]
            case 3:
                changed[place:place] = changed[place : place + chance.randrange(1, 40)]
            case _:
                other = chance.randrange(len(changed))
                changed[place], changed[other] = changed[other], changed[place]
        if not changed:
            break
    return bytes(changed)


@pytest.mark.parametrize("make", [_object, _checkpoint, _transaction, _epoch])
def test_no_mutation_passes_for_something_else(make: Callable[[], tuple[Any, Callable[[Any], Any]]]) -> None:
    message, read = make()
    data, chance = bytes(message), random.Random(7)
    expected = read(message)
    kind = type(message)
    refused = 0
    for _ in range(ROUNDS):
        given = mutated(data, chance)
        try:
            guard.check(given, kind, 500)
        except InconsistentError:
            refused += 1
            continue
        try:
            answer = kind.FromString(given)
        except (ValueError, OverflowError, EOFError):
            # No UTF-8, or a time out of range; the transport gives these a name.
            refused += 1
            continue
        try:
            found = read(answer)
        except InconsistentError:
            refused += 1
            continue
        # Of an epoch everything is the node's word.
        assert make is _epoch or found == expected
    assert refused > ROUNDS // (4 if make is _epoch else 2)

"""Promise: bytes of a checkpoint mean the same for ever. The vectors were put together by another encoder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from daas_chain.light.certificate import verify_summary
from daas_chain.light.committee import Committee
from daas_chain.light.inclusion import open_all, open_contents
from daas_chain.light.ratchet import hand_over
from daas_chain.light.verdict import judge
from daas_chain.sui.checkpoint import CONTENTS
from daas_chain.sui.digests import Hashed, digest
from support import light_world as world

VECTORS = Path(__file__).parents[1] / "vectors" / "light_checkpoints.json"
CASES = json.loads(VECTORS.read_text(encoding="utf-8"))["vectors"]
vectors = pytest.mark.parametrize("vector", CASES, ids=[case["name"] for case in CASES])


def data(vector: dict[str, Any], name: str) -> bytes:
    return bytes.fromhex(vector[name])


@vectors
def test_a_vector_is_accepted_and_has_its_digests(vector: dict[str, Any]) -> None:
    committee = Committee.from_bytes(data(vector, "committee"))
    assert committee.anchor.hex() == vector["anchor"]
    summary, signature, contents = (data(vector, name) for name in ("summary", "signature", "contents"))
    verdict = judge(data(vector, "committee"), summary, signature, contents)
    assert verdict.accepted
    verified = verify_summary(committee, summary, signature)
    assert verified.digest.hex() == vector["digest"]
    assert digest(Hashed.CONTENTS, contents).hex() == vector["content_digest"]
    assert CONTENTS.encode(CONTENTS.decode(contents)) == contents
    parts = [
        (bytes.fromhex(part["effects"]), None if part["events"] is None else bytes.fromhex(part["events"]))
        for part in vector["transactions"]
    ]
    opened = open_all(open_contents(verified, contents), parts)
    for transaction, part in zip(opened, vector["transactions"], strict=True):
        assert transaction.digest.hex() == part["digest"]
        assert digest(Hashed.EFFECTS, bytes.fromhex(part["effects"])).hex() == part["effects_digest"]
        named = transaction.effects.head.events_digest
        assert (None if named is None else named.hex()) == part["events_digest"]
    assert [len(transaction.events) for transaction in opened] == [3, 0, 1]
    assert opened[0].events[2] == world.event(3)


@vectors
def test_the_world_of_the_tests_writes_the_same_bytes(vector: dict[str, Any]) -> None:
    next_members = world.members(8) if vector["next_committee"] else None
    contents = data(vector, "contents") if vector["name"] == "contents version 2" else None
    made = world.checkpoint(contents=contents, next_members=next_members)
    assert world.committee() == data(vector, "committee")
    for name in ("summary", "signature", "contents"):
        assert getattr(made, name) == data(vector, name), name
    for (_, effects, events), part in zip(made.parts, vector["transactions"], strict=True):
        assert effects.hex() == part["effects"]
        assert (None if events is None else events.hex()) == part["events"]


def test_the_end_of_an_epoch_names_the_next_committee() -> None:
    vector = next(case for case in CASES if case["next_committee"])
    committee = Committee.from_bytes(data(vector, "committee"))
    verified = verify_summary(committee, data(vector, "summary"), data(vector, "signature"))
    assert hand_over(verified).to_bytes() == data(vector, "next_committee")

"""Promises of the light client: one form of every structure, and nothing accepted that no quorum has signed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any

from daas_chain.light import bitmap, errors
from daas_chain.light.certificate import verify_summary
from daas_chain.light.committee import Committee
from daas_chain.light.inclusion import open_all, open_contents
from daas_chain.light.verdict import CERTIFICATE_NAMES, COMMITTEE_NAMES, CONTENTS_NAMES, Outcome, judge
from daas_chain.sui import base58, transaction
from daas_chain.sui.checkpoint import COMMITTEE, CONTENTS, QUORUM_SIGNATURE, SUMMARY
from daas_chain.sui.checkpoint_data import read_whole
from daas_chain.sui.codec import Codec
from daas_chain.sui.effects import EFFECTS, read_head
from daas_chain.sui.events import EVENTS
from daas_chain.sui.objects import OBJECT, Object
from daas_chain.sui.status import EXECUTION_STATUS, Failure, FailureKind, MoveLocation
from daas_protocol.bcs import BcsError
from fuzz.target import Choice, Target, vectors
from support import light_world as world
from support import sui_samples as samples

# --- structures ---


def one_form(codec: Codec[Any]) -> Callable[[bytes], None]:
    def check(data: bytes) -> None:
        try:
            value = codec.decode(data)
        except BcsError:
            return
        assert codec.encode(value) == data, "another form of one value"

    return check


def check_bitmap(data: bytes) -> None:
    try:
        found = bitmap.decode(data)
    except errors.BitmapError:
        return
    assert all(earlier < later for earlier, later in pairwise(found)), "somebody counts twice"
    assert all(0 <= index < bitmap.MAX_INDEX for index in found)
    if len(found) <= 4_096:
        assert bitmap.decode(bitmap.encode(found)) == found


def check_base58(data: bytes) -> None:
    assert base58.decode(base58.encode(data[:64])) == data[:64]
    text = data.decode("latin-1")
    try:
        value = base58.decode(text)
    except ValueError:
        return
    assert base58.encode(value) == text


def check_whole(data: bytes) -> None:
    try:
        found = read_whole(data)
    except BcsError:
        return
    parts = [found.summary, found.contents, *(entry.effects for entry in found.transactions)]
    assert sum(map(len, parts)) <= len(data), "more out than in"


def check_head(data: bytes) -> None:
    """Where effects can be read whole, their head says the same."""
    head = whole = None
    with contextlib.suppress(BcsError):
        whole = EFFECTS.decode(data)
    with contextlib.suppress(BcsError):
        head = read_head(data)
    if whole is not None:
        assert head is not None, "whole, but without a head"
        assert (head.status, head.executed_epoch) == (whole.status, whole.executed_epoch)
        assert (head.transaction_digest, head.events_digest) == (whole.transaction_digest, whole.events_digest)


STRUCTURES: dict[str, Codec[Any]] = {
    "summary": SUMMARY,
    "signature": QUORUM_SIGNATURE,
    "committee": COMMITTEE,
    "contents": CONTENTS,
    "effects": EFFECTS,
    "events": EVENTS,
    "transaction": transaction.TRANSACTION_DATA,
    "object": OBJECT,
    "status": EXECUTION_STATUS,
}
CHOICE = Choice(
    (
        *((name, one_form(codec)) for name, codec in STRUCTURES.items()),
        ("bitmap", check_bitmap),
        ("base58", check_base58),
        ("whole", check_whole),
        ("head", check_head),
    )
)


def structure_seeds() -> dict[str, bytes]:
    seeds: dict[str, bytes] = {}

    def add(name: str, title: str, data: bytes) -> None:
        seeds[f"{name} {title}"] = CHOICE.seed(name, data)

    for vector in vectors("light_checkpoints"):
        for name in ("summary", "signature", "committee", "contents"):
            add(name, vector["name"], bytes.fromhex(vector[name]))
        for number, part in enumerate(vector["transactions"]):
            add("effects", f"{vector['name']} {number}", bytes.fromhex(part["effects"]))
            add("head", f"{vector['name']} {number}", bytes.fromhex(part["effects"]))
            if part["events"] is not None:
                add("events", f"{vector['name']} {number}", bytes.fromhex(part["events"]))
    gas = transaction.GasData((samples.REF,), samples.B, 1000, 5_000_000)
    for kind in samples.KINDS:
        data = transaction.TransactionData(kind, samples.A, gas, transaction.ExpiresAfterEpoch(5))
        add("transaction", type(kind).__name__, transaction.TRANSACTION_DATA.encode(data))
    for held in (samples.MOVE, samples.PACKAGE):
        add("object", type(held).__name__, OBJECT.encode(Object(held, samples.OWNERS[4], samples.B, 1)))
    place = MoveLocation(samples.A, "mailbox", 3, 44, "request")
    add("status", "abort", EXECUTION_STATUS.encode(Failure((FailureKind.MOVE_ABORT, (place, 1)), 0)))
    add("bitmap", "array", bitmap.encode((0, 1, 3)))
    add("bitmap", "runs", bytes.fromhex("3b300000010000030002000000010005000100"))
    add("base58", "digest", base58.encode(samples.A).encode())
    good = world.checkpoint()
    add("whole", "without transactions", good.summary + good.signature + good.contents + b"\0")
    return seeds


# --- verdicts ---

PARTS = ("committee", "summary", "signature", "contents", "effects", "events")


@cache
def good() -> tuple[world.Checkpoint, dict[str, bytes], Committee]:
    made = world.checkpoint()
    events = made.parts[0][2]
    assert events is not None
    files = {
        "committee": world.committee(),
        "summary": made.summary,
        "signature": made.signature,
        "contents": made.contents,
        "effects": made.parts[0][1],
        "events": events,
    }
    return made, files, Committee.from_bytes(world.committee())


def check_light(data: bytes) -> None:
    """The first byte says which part the rest stands in for; all others are those that a quorum signed."""
    if not data:
        return
    part = PARTS[data[0] % len(PARTS)]
    made, files, trusted = good()
    given = {**files, part: data[1:]}
    if part in ("effects", "events"):
        contents = open_contents(verify_summary(trusted, made.summary, made.signature), made.contents)
        try:
            open_all(contents, [(given["effects"], given["events"]), *made.bundle[1:]])
        except errors.LightClientError:
            return
        assert given[part] == files[part], f"{part} accepted that nobody has signed"
        return
    verdict = judge(given["committee"], given["summary"], given["signature"], given["contents"])
    assert tuple(check.name for check in verdict.checks) == COMMITTEE_NAMES + CERTIFICATE_NAMES + CONTENTS_NAMES
    failed = [check for check in verdict.checks if check.outcome is Outcome.FAILED]
    assert verdict.accepted == (not failed)
    assert len(failed) <= 1
    assert all(check.expected and check.actual for check in failed)
    if verdict.accepted and part in ("summary", "contents"):
        assert given[part] == files[part], f"{part} accepted that nobody has signed"
    if verdict.accepted and part == "signature":
        quorum = QUORUM_SIGNATURE.decode(given["signature"])
        assert bitmap.decode(quorum.signers) == (0, 1, 3)
        assert quorum.signature == QUORUM_SIGNATURE.decode(files["signature"]).signature
    if verdict.accepted and part == "committee":
        known, named = COMMITTEE.decode(files["committee"]), COMMITTEE.decode(given["committee"])
        assert all(named.members[index].public_key == known.members[index].public_key for index in (0, 1, 3))


def light_seeds() -> dict[str, bytes]:
    return {name: bytes((number,)) + good()[1][name] for number, name in enumerate(PARTS)}


TARGETS = {
    "sui": Target(CHOICE.check, structure_seeds),
    "light": Target(check_light, light_seeds),
}

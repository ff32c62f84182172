"""From a certified summary to events: nothing can be changed, swapped, forged or withheld without a named refusal."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from daas_chain.light import errors, inclusion
from daas_chain.light.certificate import VerifiedSummary, verify_summary
from daas_chain.light.committee import Committee
from daas_chain.light.errors import LightClientError
from daas_chain.light.inclusion import VerifiedContents, VerifiedTransaction, open_all, open_contents, open_event
from daas_chain.light.transactions import open_transaction
from daas_chain.sui.checkpoint import CONTENTS, ContentsV2, TransactionEntry
from daas_chain.sui.digests import Hashed, digest
from daas_chain.sui.effects import EFFECTS, MAX_SYSTEM_EFFECTS_BYTES, EffectsV2
from daas_chain.sui.events import EVENTS, MAX_EVENTS_BYTES
from daas_chain.sui.status import Failure, FailureKind
from daas_chain.sui.transaction import (
    MAX_SYSTEM_TRANSACTION_BYTES,
    TRANSACTION_DATA,
    GasData,
    NeverExpires,
    TransactionData,
)
from support import light_world as world
from support import sui_samples as samples

TRUSTED = Committee.from_bytes(world.committee())
GOOD = world.checkpoint()
Parts = list[tuple[bytes, bytes, bytes | None]]


def verified(checkpoint: world.Checkpoint) -> VerifiedSummary:
    return verify_summary(TRUSTED, checkpoint.summary, checkpoint.signature)


def opened(checkpoint: world.Checkpoint = GOOD) -> VerifiedContents:
    return open_contents(verified(checkpoint), checkpoint.contents)


def read(checkpoint: world.Checkpoint) -> tuple[VerifiedTransaction, ...]:
    return open_all(opened(checkpoint), checkpoint.bundle)


def refused(parts: Parts, checkpoint: world.Checkpoint = GOOD) -> str:
    with pytest.raises(LightClientError) as raised:
        open_all(opened(checkpoint), [(effects, events) for _, effects, events in parts])
    return raised.value.check


def test_all_events_of_a_checkpoint_in_order_and_ours_told_from_theirs_by_type_alone() -> None:
    found = read(GOOD)
    assert [len(transaction.events) for transaction in found] == [3, 0, 1]
    ours = [event for transaction in found for event in inclusion.of_type(transaction.events, world.OURS)]
    assert [event.contents[0] for event in ours] == [1, 3, 4]
    # Same call, same module name, same struct name: only the package that defines the type differs.
    assert world.event(2, world.THEIRS).package_id == world.event(2).package_id


def test_an_event_is_taken_by_index_and_type() -> None:
    events = read(GOOD)[0].events
    assert open_event(events, 2, world.OURS) == world.event(3)
    for index, error in ((1, errors.EventTypeError), (3, errors.EventIndexError), (-1, errors.EventIndexError)):
        with pytest.raises(error):
            open_event(events, index, world.OURS)
    with pytest.raises(errors.EventIndexError):
        open_event((), 0, world.OURS)


def changed(index: int, effects: bytes | None = None, events: bytes | None | type = type) -> Parts:
    parts = list(GOOD.parts)
    made, old_effects, old_events = parts[index]
    parts[index] = (made, old_effects if effects is None else effects, old_events if events is type else events)  # type: ignore[assignment]
    return parts


def forged(**changes: object) -> bytes:
    found = EFFECTS.decode(GOOD.parts[0][1])
    return EFFECTS.encode(replace(found, **changes))  # type: ignore[arg-type]


ATTACKS: dict[str, tuple[str, Callable[[], Parts]]] = {
    "an event changed": (
        "events digest",
        lambda: changed(0, events=EVENTS.encode((world.event(1), world.event(2, world.THEIRS), world.event(9)))),
    ),
    "an event added": (
        "events digest",
        lambda: changed(2, events=EVENTS.encode((world.event(4), world.event(5)))),
    ),
    "an event left out": ("events digest", lambda: changed(0, events=EVENTS.encode((world.event(1),)))),
    "events in another order": (
        "events digest",
        lambda: changed(0, events=EVENTS.encode((world.event(3), world.event(2, world.THEIRS), world.event(1)))),
    ),
    "a byte behind the events": ("events digest", lambda: changed(0, events=(GOOD.parts[0][2] or b"") + b"\0")),
    "all events of a transaction withheld": ("events present", lambda: changed(0, events=None)),
    "no events instead": ("events digest", lambda: changed(0, events=b"\0")),
    "events where there are none": ("events expected", lambda: changed(1, events=EVENTS.encode((world.event(6),)))),
    "an empty list where there are none": ("events expected", lambda: changed(1, events=b"\0")),
    "effects with other events": (
        "effects digest",
        lambda: changed(0, effects=forged(events_digest=None), events=None),
    ),
    "effects with another status": (
        "effects digest",
        lambda: changed(0, effects=forged(status=Failure((FailureKind.INSUFFICIENT_GAS, None), None))),
    ),
    "effects of two transactions swapped": (
        "effects digest",
        lambda: [GOOD.parts[2], GOOD.parts[1], GOOD.parts[0]],
    ),
    "the last transaction withheld": ("effects complete", lambda: list(GOOD.parts[:2])),
    "a transaction in the middle withheld": ("effects complete", lambda: [GOOD.parts[0], GOOD.parts[2]]),
    "a transaction too many": ("effects complete", lambda: [*GOOD.parts, GOOD.parts[0]]),
}


@pytest.mark.parametrize(("check", "make"), ATTACKS.values(), ids=ATTACKS)
def test_an_attack_by_whoever_hands_over_the_parts_is_named(check: str, make: Callable[[], Parts]) -> None:
    assert refused(make()) == check


def certified(parts: Parts) -> world.Checkpoint:
    """As if a quorum had signed it: what the checks behind the digests are for."""
    return world.checkpoint(parts)


def test_what_even_a_quorum_cannot_say() -> None:
    made, effects, events = GOOD.parts[0]
    found = EFFECTS.decode(effects)
    assert isinstance(found, EffectsV2)
    cases = {
        "effects transaction": replace(found, transaction_digest=bytes(32)),
        "effects epoch": replace(found, executed_epoch=world.EPOCH + 1),
        "events of a success": replace(found, status=Failure((FailureKind.INSUFFICIENT_GAS, None), 0)),
    }
    for check, wrong in cases.items():
        parts: Parts = [(made, EFFECTS.encode(wrong), events)]
        assert refused(parts, certified(parts)) == check
    for check, junk in (
        ("effects structure", (made, b"\x05" + effects[1:], events)),
        ("effects structure", (made, effects[:60], events)),
        ("events structure", (made, EFFECTS.encode(replace(found, events_digest=digest(Hashed.EVENTS, b"\1"))), b"\1")),
    ):
        assert refused([junk], certified([junk])) == check


def test_a_change_of_objects_newer_than_this_version_does_not_stop_whoever_reads_events() -> None:
    made, effects, events = GOOD.parts[0]
    found = EFFECTS.decode(effects)
    assert isinstance(found, EffectsV2)
    # The one changed object is the last thing in these effects but two empty fields; its id operation becomes 9.
    newer = effects[:-3] + b"\x09" + effects[-2:]
    parts: Parts = [(made, newer, events)]
    opened_all = open_all(opened(certified(parts)), [(newer, events)])
    assert len(opened_all[0].events) == 3
    with pytest.raises(errors.EffectsStructureError, match="IdOperation has no variant 9"):
        opened_all[0].effects.whole()
    with pytest.raises(errors.EffectsStructureError):
        replace(opened_all[0].effects, data=effects + b"\0").whole()
    assert read(GOOD)[0].effects.whole() == found


def test_effects_of_a_transaction_that_is_not_in_the_checkpoint_are_refused() -> None:
    with pytest.raises(errors.TransactionMissingError):
        inclusion.open_effects(opened(), hashlib.sha256(b"elsewhere").digest(), GOOD.parts[0][1])


def test_a_transaction_itself_is_told_by_its_digest() -> None:
    gas = GasData((samples.REF,), samples.B, 1000, 5_000_000)
    value = TransactionData(samples.KINDS[0], samples.A, gas, NeverExpires())
    data = TRANSACTION_DATA.encode(value)
    made = digest(Hashed.TRANSACTION, data)
    junk = b"\1"
    unread = digest(Hashed.TRANSACTION, junk)
    contents = opened(world.checkpoint([(made, b"any", None), (unread, b"any", None)]))
    assert open_transaction(contents, data) == (made, value)
    with pytest.raises(errors.TransactionMissingError):
        open_transaction(contents, data + b"\0")
    with pytest.raises(errors.TransactionStructureError, match="TransactionData has no variant 1"):
        open_transaction(contents, junk)
    with pytest.raises(errors.TransactionStructureError, match="at most"):
        open_transaction(contents, bytes(MAX_SYSTEM_TRANSACTION_BYTES + 1))


def test_effects_and_events_that_are_too_long_are_refused_unread() -> None:
    made, effects, _ = GOOD.parts[0]
    contents = opened()
    with pytest.raises(errors.EffectsStructureError, match=f"at most {MAX_SYSTEM_EFFECTS_BYTES} bytes"):
        inclusion.open_effects(contents, made, bytes(MAX_SYSTEM_EFFECTS_BYTES + 1))
    with pytest.raises(errors.EffectsDigestError):
        inclusion.open_effects(contents, made, bytes(MAX_SYSTEM_EFFECTS_BYTES))
    verified_effects = inclusion.open_effects(contents, made, effects)
    with pytest.raises(errors.EventsStructureError, match=f"at most {MAX_EVENTS_BYTES} bytes"):
        inclusion.open_events(verified_effects, bytes(MAX_EVENTS_BYTES + 1))
    with pytest.raises(errors.EventsDigestError):
        inclusion.open_events(verified_effects, bytes(MAX_EVENTS_BYTES))


def test_a_verified_total_before_counts_the_transactions() -> None:
    summary = verified(GOOD)
    assert open_contents(summary, GOOD.contents, world.TOTAL).effects.keys() == {made for made, _, _ in GOOD.parts}
    for before in (world.TOTAL - 1, world.TOTAL + 1):
        with pytest.raises(errors.TransactionTotalError):
            open_contents(summary, GOOD.contents, before)


def test_version_2_of_contents_leads_to_the_same_events() -> None:
    entries = tuple(
        TransactionEntry(made, digest(Hashed.EFFECTS, effects), ((b"\0" * 97, None), (b"\1" * 97, 5)))
        for made, effects, _ in GOOD.parts
    )
    second = world.checkpoint(contents=CONTENTS.encode(ContentsV2(entries)))
    assert [found.events for found in read(second)] == [found.events for found in read(GOOD)]


@pytest.mark.parametrize("part", [0, 1])
def test_no_flipped_bit_of_effects_or_events_is_accepted(part: int) -> None:
    contents = opened()
    data = (GOOD.parts[0][1], GOOD.parts[0][2])[part]
    assert data is not None
    for position in range(len(data)):
        broken = bytearray(data)
        broken[position] ^= 1 << position % 8
        parts = changed(0, effects=bytes(broken)) if part == 0 else changed(0, events=bytes(broken))
        with pytest.raises((errors.EffectsDigestError, errors.EventsDigestError)):
            open_all(contents, [(effects, events) for _, effects, events in parts])

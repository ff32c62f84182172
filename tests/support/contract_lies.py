"""What is not so about a transaction of a play.

Invariant: a lie differs from the truth in one thing, and there is one for every thing that is compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from daas_chain.sui.types import AddressOwner

from .contract_steps import Step

ELSEWHERE = (("daas::version", "ENothingToMigrate"), ("daas::version", "EWrongVersion"))


def lies(step: Step) -> Iterator[Step]:
    """The step with one thing false, for each kind of thing that is compared."""
    if step.failure is not None:
        yield replace(step, failure=next(one for one in ELSEWHERE if one != step.failure))
        yield replace(step, failure=None)
        return
    yield replace(step, failure=ELSEWHERE[0])
    if step.events:
        last = step.events[-1]
        yield replace(step, events=(*step.events[:-1], replace(last, contents=_changed(last.contents))))
        yield replace(step, events=step.events[:-1])
    for index, one in enumerate(step.written):
        other = replace(one, contents=_changed(one.contents))
        yield replace(step, written=(*step.written[:index], other, *step.written[index + 1 :]))
        elsewhere = replace(one, owner=AddressOwner(bytes(31) + b"\x99"))
        yield replace(step, written=(*step.written[:index], elsewhere, *step.written[index + 1 :]))
    for one in step.written:
        if isinstance(one.owner, AddressOwner):
            yield replace(step, deleted=(*step.deleted, one))
            yield replace(step, wrapped=(*step.wrapped, one))
    for index, record in enumerate(step.records):
        other_record = replace(record, value=_changed(record.value))
        yield replace(step, records=(*step.records[:index], other_record, *step.records[index + 1 :]))
    if step.deleted:
        yield replace(step, deleted=(), wrapped=step.deleted)
    if step.wrapped:
        yield replace(step, deleted=step.wrapped, wrapped=())


def _changed(contents: bytes) -> bytes:
    return contents[:-1] + bytes([contents[-1] ^ 1])

"""Events as messages.

Invariant: `contents` and `event_type` are those that the effects' digest binds; JSON is made only where it is wanted.
"""

from __future__ import annotations

from collections.abc import Sequence

from daas_chain.sui.digests import Hashed, digest
from daas_chain.sui.events import EVENTS, Event
from daas_localnet.ledger.packages import Packages

from . import parts
from .mask import Mask
from .move_json import to_json
from .proto import v2
from .texts import digest_text, hexadecimal, type_text


def render(events: Sequence[Event], encoded: bytes | None, mask: Mask, packages: Packages) -> v2.TransactionEvents:
    message = v2.TransactionEvents()
    if mask.any("bcs", "digest"):
        encoded = EVENTS.encode(tuple(events)) if encoded is None else encoded
        if (submask := mask.get("bcs")) is not None:
            message.bcs = parts.bcs("TransactionEvents", encoded, submask)
        if "digest" in mask:
            message.digest = digest_text(digest(Hashed.EVENTS, encoded))
    if (submask := mask.get("events")) is not None:
        message.events = [event(one, submask, packages) for one in events]
    return message


def event(one: Event, mask: Mask, packages: Packages) -> v2.Event:
    message = v2.Event()
    if "package_id" in mask:
        message.package_id = hexadecimal(one.package_id)
    if "module" in mask:
        message.module = one.transaction_module
    if "sender" in mask:
        message.sender = hexadecimal(one.sender)
    if mask.any("event_type", "contents"):
        name = type_text(one.type)
        if "event_type" in mask:
            message.event_type = name
        if (submask := mask.get("contents")) is not None:
            message.contents = parts.bcs(name, one.contents, submask)
    if "json" in mask:
        message.json = to_json(packages, one.type, one.contents)
    return message

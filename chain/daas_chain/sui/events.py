"""Events as a transaction's effects commit to them.

Invariant: `type` is the only field that says which code emitted an event, because the bytecode verifier lets only the
defining module emit it. `package_id` and `transaction_module` are those of the transaction's own top-level call.
"""

from __future__ import annotations

from dataclasses import dataclass

from .codec import Codec, octets, struct, vector
from .types import ADDRESS, NAME, STRUCT_TAG, StructTag

MAX_EVENTS = 16_384
"""1,024 in a transaction of a user, sixteen times as many in one of the system."""
MAX_EVENT_BYTES = 4_096_000
"""256,000 for a user, sixteen times as much for the system."""
MAX_EVENTS_BYTES = 67_108_864
"""65,536,000 in a transaction, and what surrounds each event."""


@dataclass(frozen=True, slots=True)
class Event:
    package_id: bytes
    transaction_module: str
    sender: bytes
    type: StructTag
    contents: bytes


EVENT: Codec[Event] = struct(
    Event,
    package_id=ADDRESS,
    transaction_module=NAME,
    sender=ADDRESS,
    type=STRUCT_TAG,
    contents=octets(MAX_EVENT_BYTES),
)
EVENTS: Codec[tuple[Event, ...]] = vector(EVENT, MAX_EVENTS)
"""`TransactionEvents`: in the order in which they were emitted."""

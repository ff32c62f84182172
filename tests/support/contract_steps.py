"""What plays of transactions are made of: arguments, commands, and what was seen of each transaction.

Invariant: these say what was executed and observed, and nothing of how: both machines are told by them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from daas_chain.sui.events import Event
from daas_chain.sui.types import Owner, StructTag
from daas_protocol.bcs import encode_bytes, encode_uleb

UNSEEN = "worker_registry::PlacementKey worker_registry::Placement"
"""Records of this kind can be seen, but not that one is gone: only the error of who asks for it shows that."""


@dataclass(frozen=True, slots=True)
class Value:
    """A pure argument: its BCS, and as Move writes it."""

    bcs: bytes
    literal: str


def number(value: int, bits: int = 64) -> Value:
    return Value(value.to_bytes(bits // 8, "little"), f"{value}u{bits}")


def flag(value: bool) -> Value:
    return Value(bytes([value]), "true" if value else "false")


def who(value: bytes) -> Value:
    return Value(value, f"@0x{value.hex()}")


def id_of(value: bytes) -> Value:
    return Value(value, f"object::id_from_address(@0x{value.hex()})")


def octets(value: bytes) -> Value:
    return Value(encode_bytes(value), f'x"{value.hex()}"')


def text(value: str) -> Value:
    return Value(encode_bytes(value.encode()), f'x"{value.encode().hex()}".to_string()')


def many(type_: str, values: Iterable[Value]) -> Value:
    """A vector; `type_` of its elements as Move writes it."""
    given = tuple(values)
    literal = f"vector<{type_}>[{', '.join(one.literal for one in given)}]"
    return Value(encode_uleb(len(given)) + b"".join(one.bcs for one in given), literal)


@dataclass(frozen=True, slots=True)
class Held:
    """An object as an argument."""

    object_id: bytes
    type: StructTag
    owner: Owner


@dataclass(frozen=True, slots=True)
class Result:
    command: int
    index: int


@dataclass(frozen=True, slots=True)
class Clock:
    pass


Argument = Value | Held | Result | Clock


@dataclass(frozen=True, slots=True)
class Call:
    """`function`: as the transaction names it; `judged`: what a test of Move calls, when that is another one."""

    package: bytes
    function: str
    arguments: tuple[Argument, ...]
    judged: str = ""


@dataclass(frozen=True, slots=True)
class Split:
    amount: int


@dataclass(frozen=True, slots=True)
class Give:
    what: Result
    to: bytes


@dataclass(frozen=True, slots=True)
class MakeVector:
    type: StructTag
    items: tuple[Result, ...]


@dataclass(frozen=True, slots=True)
class Attest:
    """`load_nitro_attestation`, which no test of Move can call: what it returned, as an expression of Move."""

    document: bytes
    expression: str


@dataclass(frozen=True, slots=True)
class Publish:
    package: bytes
    modules: tuple[str, ...]
    """Those with an `init`, in its order."""


@dataclass(frozen=True, slots=True)
class Upgrade:
    ticket: Result


Command = Call | Split | Give | MakeVector | Attest | Publish | Upgrade


@dataclass(frozen=True, slots=True)
class Seen:
    """An object that a transaction left behind."""

    object_id: bytes
    type: StructTag
    owner: Owner
    contents: bytes


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a table, or a dynamic field. `kind`: the types of name and value, "address vector<u8>" say."""

    kind: str
    name: Any
    """Decoded, as our machine holds it."""
    value: bytes


@dataclass(frozen=True, slots=True)
class Step:
    """One transaction and what came of it. `failure`: module and code or name, empty when it succeeded."""

    sender: bytes
    digest: bytes
    epoch: int
    epoch_ms: int
    time_ms: int
    commands: tuple[Command, ...]
    failure: tuple[str, str] | None
    events: tuple[Event, ...]
    written: tuple[Seen, ...]
    deleted: tuple[Seen, ...]
    wrapped: tuple[Seen, ...]
    """Those that are now inside of another object."""
    records: tuple[Record, ...]
    dropped: tuple[Record, ...]

    @property
    def observations(self) -> int:
        """What is compared: the ending, the number of events, each event, object and record."""
        dropped = [one for one in self.dropped if one.kind != UNSEEN]
        things = (self.events, self.written, self.deleted, self.wrapped, self.records, dropped)
        return 1 if self.failure else 2 + sum(map(len, things))

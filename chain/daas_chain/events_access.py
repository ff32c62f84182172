"""Bodies of the events of `access`: tokens and sessions.

Invariant: field for field the structs of `access.move`;
`tests/chain/test_layouts.py` compares them with the package.
"""

from dataclasses import dataclass
from typing import ClassVar

from .layout import U64, Address, Hash, Id, MoveStruct
from .values import MoveGrant


@dataclass(frozen=True, slots=True)
class TokenIssued(MoveStruct):
    MOVE: ClassVar[str] = "access::TokenIssued"
    KIND: ClassVar[int | None] = 10
    token: Id
    owner: Address
    grants: tuple[MoveGrant, ...]
    commitment: Hash
    expires_at_ms: U64


@dataclass(frozen=True, slots=True)
class TokenRevoked(MoveStruct):
    MOVE: ClassVar[str] = "access::TokenRevoked"
    KIND: ClassVar[int | None] = 11
    token: Id


@dataclass(frozen=True, slots=True)
class SessionsEnded(MoveStruct):
    """Sessions of `owner` with an epoch below `session_epoch` count no longer."""

    MOVE: ClassVar[str] = "access::SessionsEnded"
    KIND: ClassVar[int | None] = 12
    owner: Address
    session_epoch: U64

"""What only a simulation has: a gas coin that is nobody's, and what each command has returned.

Invariant: nothing of it is ever in a store.
Source: `simulate_transaction` in crates/sui-core/src/authority.rs of MystenLabs/sui.
"""

from __future__ import annotations

from dataclasses import dataclass

from daas_chain.sui.objects import Object
from daas_chain.sui.transaction import Argument
from daas_chain.sui.types import AddressOwner, TypeTag

from .objects import GAS_COIN, Stored, stored, typed

MOCK_COIN = b"\xff" * 32
"""The id of the gas coin of a simulation whose transaction names none."""
MOCK_MIST = 10**18
_VERSION = 1
_NO_TRANSACTION = bytes(32)
OUTPUT_BYTES_MAX = 16 * 1_024 * 1_024
"""Of all commands together: a thousand commands that each borrow the largest object would return a hundred times as
much, and a client takes no message of that size."""


@dataclass(frozen=True, slots=True)
class CommandOutput:
    """BCS of a command's results, and of what it borrowed mutably as it was after the command."""

    returned: tuple[tuple[TypeTag, bytes], ...]
    mutated: tuple[tuple[Argument, TypeTag, bytes], ...]


def mock_coin(owner: bytes) -> Stored:
    contents = MOCK_COIN + MOCK_MIST.to_bytes(8, "little")
    return stored(Object(typed(GAS_COIN, True, _VERSION, contents), AddressOwner(owner), _NO_TRANSACTION, 0))

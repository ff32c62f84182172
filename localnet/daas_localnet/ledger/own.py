"""What the transactions that the network itself makes have in common.

Invariant: nobody signs or pays for them: their sender is address zero, their gas coin does not exist, and their one
signature is 97 zero bytes, which no key has made and no check accepts from outside. So Sui's own look too (real
checkpoint 1137 of the vectors).
"""

from __future__ import annotations

from daas_chain.sui.effects import EffectsV2, ObjectChange
from daas_chain.sui.status import Success
from daas_chain.sui.transaction import GasData, NeverExpires, TransactionData, TransactionKind
from daas_chain.sui.types import GasCost, ObjectRef
from daas_protocol.sui import SIGNATURE_BYTES

NOBODY = bytes(32)
"""Sender, gas owner and gas coin."""
NOBODYS_SIGNATURE = bytes(SIGNATURE_BYTES)
NO_GAS = GasCost(0, 0, 0, 0)


def own_data(kind: TransactionKind) -> TransactionData:
    return TransactionData(kind, NOBODY, GasData((ObjectRef(NOBODY, 0, NOBODY),), NOBODY, 1, 0), NeverExpires())


def own_effects(
    transaction: bytes,
    epoch: int,
    version: int,
    changed: tuple[tuple[bytes, ObjectChange], ...] = (),
    dependencies: tuple[bytes, ...] = (),
) -> EffectsV2:
    """Of a success. `version`: of what it has written."""
    return EffectsV2(Success(), epoch, NO_GAS, transaction, None, None, dependencies, version, changed, (), None)

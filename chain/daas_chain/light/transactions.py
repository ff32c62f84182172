"""Transactions of a checkpoint themselves. Apart from `inclusion`, because events need none of it.

Invariant: a transaction is told by the digest of its bytes, which the verified contents name.
"""

from __future__ import annotations

from daas_chain.sui.digests import Hashed, digest
from daas_chain.sui.transaction import MAX_SYSTEM_TRANSACTION_BYTES, TRANSACTION_DATA, TransactionData
from daas_protocol.bcs import BcsError

from .errors import TransactionMissingError, TransactionStructureError
from .inclusion import VerifiedContents


def open_transaction(contents: VerifiedContents, data: bytes) -> tuple[bytes, TransactionData]:
    """Digest and content of a transaction of the checkpoint, from bcs(TransactionData) without signatures."""
    if len(data) > MAX_SYSTEM_TRANSACTION_BYTES:
        raise TransactionStructureError(f"at most {MAX_SYSTEM_TRANSACTION_BYTES} bytes", str(len(data)))
    found = digest(Hashed.TRANSACTION, data)
    if found not in contents.effects:
        raise TransactionMissingError("one of the checkpoint's transactions", found.hex())
    try:
        return found, TRANSACTION_DATA.decode(data)
    except BcsError as error:
        raise TransactionStructureError("bcs(TransactionData)", str(error)) from None

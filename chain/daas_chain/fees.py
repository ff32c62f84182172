"""What a request costs at least, as `params::min_fee` computes it.

Invariant: the same number as the contract's for the same parameters; `tests/gateway/test_l1_request.py` compares them.
"""

from __future__ import annotations

from typing import Final

from .values import Parameters

LOW_PRIORITY: Final = 3
NORMAL_PRIORITY: Final = 7
MAX_PRIORITY: Final = 10
_KIB: Final = 1_024


def min_fee(parameters: Parameters, priority: int, payload_bytes: int) -> int:
    """In MIST. `priority`: 1 to 10; `payload_bytes`: those inside the transaction, 0 for a payload off chain."""
    factor = 1 if priority <= LOW_PRIORITY else 2 if priority <= NORMAL_PRIORITY else 4
    return parameters.fee_base * factor + parameters.fee_per_kib * -(-payload_bytes // _KIB)

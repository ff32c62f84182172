"""Why the network or the contract did not take a request, in the gateway's names.

Invariant: an error from here is about a request that was not accepted; what may have been sent is never named here.
"""

from __future__ import annotations

import time

from daas_chain.network.errors import (
    BudgetCeilingError,
    CoinsBusyError,
    GasError,
    InsufficientGasError,
    NetworkError,
)
from daas_chain.network.failure import TransactionFailedError
from daas_chain.sui.builder import BuilderError, OwnerError, UnresolvedError
from daas_gateway import errors, l1_errors
from daas_gateway.l1_chain import Chain, unreachable
from daas_gateway.l1_request import Who
from daas_gateway.l1_view import token_refusal

INVALID_TOKEN = "mailbox::EInvalidSealToken"  # noqa: S105
CHARGED = "; gas was charged for the attempt"


async def refused_by_name(
    problem: TransactionFailedError, chain: Chain, who: Who, name: str | None = None, about: str = ""
) -> errors.GatewayError:
    """`name`: the contract's, where it is known better than from the failure. `about`: which request."""
    name = name or problem.name
    charged = CHARGED if problem.executed is not None else ""
    if name == INVALID_TOKEN:
        try:
            view = await chain.token_view(who.token)
        except errors.GatewayError as failed:
            return failed
        return token_refusal(view, who.address, chain.slot.cluster, who.token, time.time_ns() // 1_000_000)
    known = l1_errors.REFUSALS.get(name or "")
    if known is not None:
        kind, text = known
        return kind(f"{about}{text} ({name}){charged}")
    return l1_errors.TransactionRefused(f"{about}the contract does not take the request: {problem}")


def refused_by_network(problem: NetworkError | BuilderError, token: bytes, requester: bytes) -> errors.GatewayError:
    """Before anything was sent."""
    match problem:
        case UnresolvedError(object_id=object_id) | OwnerError(object_id=object_id) if object_id != token:
            return l1_errors.ChainInconsistent(f"{problem}; compare the deployment record")
        case UnresolvedError():
            return l1_errors.TokenMissing(f"there is no token 0x{token.hex()} on this chain")
        case OwnerError():
            return l1_errors.TokenNotYours(f"{problem}; your key is of 0x{requester.hex()}")
        case InsufficientGasError():
            return l1_errors.NotEnoughGas(problem.what)
        case BudgetCeilingError():
            return l1_errors.GasAboveCeiling(problem.what)
        case CoinsBusyError():
            return l1_errors.MailboxFull(problem.what)
        case GasError():
            return l1_errors.NotEnoughGas(problem.what)
        case BuilderError():
            return l1_errors.BatchTooLarge(str(problem))
        case _:
            return unreachable(problem)

"""Transactions sent, simulated, found again, and waited for.

Invariant: a transaction whose bytes have left this process ends in its effects, in a refusal that no earlier attempt
puts in doubt, or in `OutcomeUnknownError`; never in an error that sounds as if nothing had happened. Sending the same
signed bytes again is safe, so that is what attempts do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from daas_chain.sui import base58
from daas_chain.sui.digests import Hashed, digest

from . import wire
from .caller import Backoff, Caller, Deadline
from .errors import (
    InvalidRequestError,
    NetworkError,
    NotFoundError,
    OutcomeUnknownError,
    RefusedTransactionError,
    RetryableError,
    TimedOutError,
)
from .records import Executed, Simulated
from .transport import Rpc, signature, transaction
from .verify import executed, simulated

_EFFECTS = ("effects.bcs", "events.bcs", "checkpoint")
_SIMULATED = ("transaction.effects.bcs", "transaction.events.bcs")


class Execution(Caller):
    """`data` is bcs(TransactionData) throughout, and is what was signed."""

    async def execute(self, data: bytes, signatures: Sequence[bytes], deadline: Deadline | None = None) -> Executed:
        """What the transaction did, success or failure.

        Raises `RefusedTransactionError`: it was not executed. `OutcomeUnknownError`: it may be, sooner or later.
        Any other error: it was never sent.
        """
        sent = digest(Hashed.TRANSACTION, data)
        doubts: list[RetryableError] = []

        def unknown(problem: NetworkError) -> OutcomeUnknownError:
            return OutcomeUnknownError(sent, base58.encode(sent), problem, data, tuple(signatures))

        try:
            answer = await self.ask(
                Rpc.EXECUTE,
                _EFFECTS,
                deadline=deadline,
                noted=lambda problem: doubts.append(problem) if problem.sent else None,
                transaction=transaction(data),
                signatures=[signature(one) for one in signatures],
            )
            return executed(wire.message_at(answer, "transaction"), sent)
        except (InvalidRequestError, NotFoundError) as problem:
            if doubts:
                raise unknown(problem) from None
            raise RefusedTransactionError(
                f"transaction {base58.encode(sent)} is refused ({problem.what})", sent
            ) from None
        except RetryableError as problem:
            if not doubts:
                raise
            raise unknown(problem) from None
        except NetworkError as problem:
            if not doubts and not problem.after_sending:
                raise
            raise unknown(problem) from None

    async def simulate(self, data: bytes, *, returned: bool = False, deadline: Deadline | None = None) -> Simulated:
        """With every check that an execution has, and no effect. `returned`: with the commands' return values."""
        paths = (*_SIMULATED, "command_outputs") if returned else _SIMULATED
        try:
            answer = await self.ask(Rpc.SIMULATE, paths, deadline=deadline, transaction=transaction(data))
        except (InvalidRequestError, NotFoundError) as problem:
            raise RefusedTransactionError(f"the simulated transaction is refused ({problem.what})") from None
        return simulated(answer, digest(Hashed.TRANSACTION, data))

    async def transaction(self, asked: bytes, *, data: bool = False, deadline: Deadline | None = None) -> Executed:
        """By digest. Raises `NotFoundError`."""
        paths = (*_EFFECTS, "transaction.bcs") if data else _EFFECTS
        answer = await self.ask(Rpc.TRANSACTION, paths, deadline=deadline, digest=base58.encode(asked))
        return executed(wire.message_at(answer, "transaction"), asked)

    async def settled(self, asked: bytes, deadline: Deadline | None = None) -> Executed:
        """Once a checkpoint has the transaction: `checkpoint` of the result is its number.

        Raises `TimedOutError` when the deadline comes first; the transaction may still be executed then.
        """
        until = self.deadline() if deadline is None else deadline
        backoff = Backoff(self.limits)
        while True:
            try:
                found = await self.transaction(asked, deadline=until)
                if found.checkpoint is not None:
                    return found
            except (NotFoundError, TimedOutError):
                pass
            wait = backoff.wait()
            if wait >= until.left:
                raise TimedOutError(
                    f"{self.endpoint}: transaction {base58.encode(asked)} is in no checkpoint after {until.seconds:g} s"
                )
            await asyncio.sleep(wait)

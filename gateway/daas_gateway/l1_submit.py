"""From prepared requests to requests that the contract has accepted, or a named refusal of each.

Invariants: what is sent is on disk before (l1_journal); a refusal that a simulation shows costs nothing; one bad
request does not sink those that share its transaction; a transaction whose end is not known is sent again as the same
bytes, and nothing else is built before its end is known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Final

import structlog

from daas_chain.calls import requests as calls
from daas_chain.events_mailbox import K8sAPIRequest
from daas_chain.heads import Event
from daas_chain.network.errors import NetworkError, OutcomeUnknownError, RefusedTransactionError
from daas_chain.network.failure import TransactionFailedError
from daas_chain.network.records import Executed
from daas_chain.network.submit import Payment, Submitter
from daas_chain.sui.builder import Builder, BuilderError
from daas_chain.sui.signing import Signer
from daas_chain.type_tags import UnknownEventType, decode_event
from daas_gateway import errors, l1_errors
from daas_gateway.l1_chain import Chain, unreachable
from daas_gateway.l1_join import Accepted, Unit
from daas_gateway.l1_journal import Journal, Submitted, Transaction
from daas_gateway.l1_key_lock import key_lock
from daas_gateway.l1_refusals import refused_by_name, refused_by_network
from daas_gateway.l1_request import Prepared, Sealed, Who, seal_request
from daas_gateway.l1_view import SlotView
from daas_protocol.bcs import BcsError, Reader

AGAIN_SECONDS: Final = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Waits before the same bytes are sent again to a node that does not say what became of them."""
SUBMIT_SECONDS: Final = 20.0
"""For reading objects and coins, measuring and executing; an answer that is missing then is asked for again."""
CLEAR_SECONDS: Final = 15.0
MAX_NAME_BYTES: Final = 64
STALE: Final = frozenset({"mailbox::EUnknownRequestKey", "mailbox::EFeeTooLow"})
"""What a reading of the slot that is out of date leads to: it is read again once."""

log = structlog.get_logger("daas.gateway")

Upload = Callable[[bytes], Awaitable[None]]
View = Callable[[bool], Awaitable[SlotView]]
_UNDER_WAY: ContextVar[tuple[Submitted, ...]] = ContextVar("requests of the transaction under way")


class Submission:
    """`view(fresh)` gives the slot, compared with the attested boot; `upload` carries a ciphertext beside the chain."""

    def __init__(
        self,
        chain: Chain,
        signer: Signer,
        token: bytes,
        key_file: Path,
        journal: Journal,
        view: View,
        upload: Upload,
        *,
        max_fee: int,
        max_gas: int,
        on_sent: Callable[[Transaction], None],
        on_accepted: Callable[[bytes, Accepted], None],
        on_nothing: Callable[[bytes, str], None],
    ) -> None:
        self._chain, self._signer, self._token = chain, signer, token
        self._key_file = key_file
        self._journal, self._view, self._upload = journal, view, upload
        self._max_fee, self._max_gas = max_fee, max_gas
        self._on_sent, self._on_accepted, self._on_nothing = on_sent, on_accepted, on_nothing
        self.clear = asyncio.Event()
        """Set once the end of every transaction of an earlier run is known."""
        self._submitter: Submitter | None = None
        self._doubt: OutcomeUnknownError | None = None

    # ---- what the joiner calls

    async def send(self, units: Sequence[Unit]) -> None:
        """Sets every result of every unit."""
        try:
            async with key_lock(self._key_file):
                await self._send(units, retry=True)
        except errors.GatewayError as problem:
            for unit in units:
                unit.fail(problem)
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("submission_failed")
            for unit in units:
                unit.fail(errors.GatewayFailed("the gateway failed while it submitted; see 'daas logs gateway'"))

    async def _send(self, units: Sequence[Unit], *, retry: bool, fresh: bool = False) -> None:
        submitter = await self._ready()
        view = await self._view(fresh)
        sealed, units = await self._sealed(units, view)
        if not sealed:
            return
        try:
            outcome = await self._submit(submitter, sealed)
        except TransactionFailedError as problem:
            if problem.name in STALE and retry:
                await self._send(units, retry=False, fresh=True)
            else:
                await self._part(submitter, units, sealed, problem, retry=retry)
            return
        except RefusedTransactionError as problem:
            # Versions were out of date: a command of the same home has used the coins, for one.
            if not retry:
                raise l1_errors.TransactionRefused(str(problem)) from None
            await self._refresh(submitter)
            await self._send(units, retry=False)
            return
        except OutcomeUnknownError as problem:
            outcome = await self._again(problem, units)
        except (NetworkError, BuilderError) as problem:
            raise refused_by_network(problem, self._token, self._signer.address) from None
        self._accepted(units, outcome)

    async def _sealed(self, units: Sequence[Unit], view: SlotView) -> tuple[list[Sealed], list[Unit]]:
        """Those that can be priced, sealed and carried; the others are told."""
        made: list[Sealed] = []
        kept: list[Unit] = []
        for unit in units:
            try:
                own = [seal_request(one, view, self._max_fee) for one in unit.requests]
                for one in own:
                    if one.beside is not None:
                        await self._upload(one.beside)
            except errors.GatewayError as problem:
                unit.fail(problem)
                continue
            made += own
            kept.append(unit)
        return made, kept

    async def _submit(self, submitter: Submitter, sealed: Sequence[Sealed]) -> Executed:
        commands = Builder()
        calls.execute(self._chain.contract, commands, self._chain.slot, self._token, [one.command for one in sealed])
        carried = tuple(Submitted(one.prepared, one.command.request_key_id, one.command.fee) for one in sealed)
        kept = _UNDER_WAY.set(carried)
        try:
            return await submitter.submit(
                commands,
                Payment(ceiling=self._max_gas, spent=sum(one.command.fee for one in sealed)),
                submitter.network.deadline(SUBMIT_SECONDS),
            )
        except RefusedTransactionError as problem:
            if problem.digest is not None:
                self._on_nothing(problem.digest, str(problem))
            raise
        except TransactionFailedError as problem:
            if problem.executed is not None:
                self._on_nothing(problem.digest, str(problem))
            raise
        finally:
            _UNDER_WAY.reset(kept)

    async def _part(
        self,
        submitter: Submitter,
        units: Sequence[Unit],
        sealed: Sequence[Sealed],
        problem: TransactionFailedError,
        *,
        retry: bool,
    ) -> None:
        """The transaction fails: who is to blame is told why, the others go without him, at last each alone."""
        if len(sealed) == 1:
            units[0].fail(await refused_by_name(problem, self._chain, units[0].requests[0].who))
            return
        blamed = await self._blamed(submitter, units, sealed, problem)
        good = [unit for unit in units if unit not in blamed]
        if blamed and good:
            await self._send(good, retry=retry)
        elif not blamed and len(units) > 1:
            for unit in units:
                try:
                    await self._send([unit], retry=retry)
                except errors.GatewayError as refused:
                    unit.fail(refused)
        elif not blamed:
            units[0].fail(await refused_by_name(problem, self._chain, units[0].requests[0].who))

    async def _blamed(
        self, submitter: Submitter, units: Sequence[Unit], sealed: Sequence[Sealed], problem: TransactionFailedError
    ) -> list[Unit]:
        """Units with a request that the contract refuses by itself; each of them is told."""
        names = await self.check(submitter, sealed)
        blamed = []
        at = 0
        for unit in units:
            own = names[at : at + len(unit.requests)]
            at += len(unit.requests)
            found = next((place for place, name in enumerate(own) if name), None)
            if found is None:
                continue
            text = unit.requests[found].plaintext
            about = f"request {found + 1} of the batch, {text.method} {errors.shown(text.path)}: " if unit.whole else ""
            who = unit.requests[0].who
            unit.fail(await refused_by_name(problem, self._chain, who, f"mailbox::{own[found]}", about))
            blamed.append(unit)
        return blamed

    async def check(self, submitter: Submitter, sealed: Sequence[Sealed]) -> list[str]:
        """By `check_request` in one simulation: for each the contract's name of what is wrong, or an empty text."""
        commands = Builder()
        places = []
        for one in sealed:
            made = calls.check(
                self._chain.contract,
                commands,
                self._chain.slot,
                self._token,
                one.command,
                self._signer.address,
            )
            places.append(made.command)
        try:
            found = await submitter.simulate(commands, Payment(ceiling=self._max_gas))
            return [_name(found.returned[place][0].data) for place in places]
        except (NetworkError, BuilderError, BcsError, IndexError):
            return [""] * len(sealed)

    # ---- transactions

    async def _ready(self) -> Submitter:
        """After whatever was in doubt is known. Raises ChainUnreachable, OutcomeOpen."""
        try:
            async with asyncio.timeout(CLEAR_SECONDS):
                await self.clear.wait()
        except TimeoutError:
            raise l1_errors.ChainUnreachable("what became of transactions of an earlier run is not known yet") from None
        if self._submitter is None:
            async with self._chain.asked() as network:
                self._submitter = self._chain.submitter(network, self._signer, self._keep)
        if (doubt := self._doubt) is not None:
            try:
                self._accepted((), await self._submitter.again(doubt))
            except (TransactionFailedError, RefusedTransactionError) as problem:
                self._on_nothing(doubt.digest, str(problem))
            except NetworkError as problem:
                raise unreachable(problem) from None
            self._doubt = None
        return self._submitter

    async def _refresh(self, submitter: Submitter) -> None:
        try:
            await submitter.coins.refresh()
        except NetworkError as problem:
            raise unreachable(problem) from None

    async def _again(self, unknown: OutcomeUnknownError, units: Sequence[Unit]) -> Executed:
        """Raises OutcomeOpen for each request, as its own, when the node stays silent."""
        assert self._submitter is not None
        for wait in AGAIN_SECONDS:
            await asyncio.sleep(wait)
            try:
                return await self._submitter.again(unknown)
            except TransactionFailedError as problem:
                self._on_nothing(unknown.digest, str(problem))
                raise await refused_by_name(problem, self._chain, units[0].requests[0].who) from None
            except RefusedTransactionError as problem:
                self._on_nothing(unknown.digest, str(problem))
                raise l1_errors.TransactionRefused(str(problem)) from None
            except NetworkError as problem:
                log.warning("outcome_unknown", error=type(problem).__name__, message=str(problem))
        self._doubt = unknown
        for unit in units:
            for one, result in zip(unit.requests, unit.results, strict=True):
                if not result.done():
                    result.set_exception(
                        l1_errors.OutcomeOpen(one.request_id, "the node does not say what became of the transaction")
                    )
        raise l1_errors.ChainUnreachable("the node does not say what became of the transaction")

    async def _keep(self, data: bytes, signatures: tuple[bytes, ...]) -> None:
        carried = _UNDER_WAY.get(())
        if not carried:
            return
        one = Transaction.of(data, signatures, carried)
        try:
            await asyncio.to_thread(self._journal.write, one)
        except OSError as problem:
            raise l1_errors.JournalUnusable(f"the request could not be kept: {problem}") from None
        self._on_sent(one)

    async def expire(self, requester: bytes, request_id: bytes) -> None:
        """Raises ChainUnreachable, TransactionRefused: whoever else expires it does the same."""
        submitter = await self._ready()
        commands = Builder()
        calls.expire(self._chain.contract, commands, self._chain.slot, requester, request_id)
        try:
            async with key_lock(self._key_file):
                await self._refresh(submitter)
                await submitter.submit(commands, Payment(ceiling=self._max_gas))
        except (TransactionFailedError, BuilderError, RefusedTransactionError) as problem:
            raise l1_errors.TransactionRefused(str(problem)) from None
        except NetworkError as problem:
            raise unreachable(problem) from None

    def _accepted(self, units: Sequence[Unit], outcome: Executed) -> None:
        numbers = mailbox_numbers(outcome, self._chain.deployment.original, self._chain.slot.enclave)
        for request_id, given in numbers.items():
            self._on_accepted(request_id, Accepted(given, outcome.digest))
        for unit in units:
            for one, result in zip(unit.requests, unit.results, strict=True):
                number = numbers.get(one.request_id)
                if result.done():
                    continue
                if number is None:
                    result.set_exception(l1_errors.OutcomeOpen(one.request_id, "the transaction shows no such request"))
                else:
                    result.set_result(Accepted(number, outcome.digest))


def mailbox_numbers(outcome: Executed, original: bytes, enclave: bytes) -> dict[bytes, int]:
    """Request id -> number in the slot's mailbox, from a transaction's events."""
    found = {}
    for one in outcome.events:
        try:
            event = decode_event(str(one.type), one.contents, {original})
        except (UnknownEventType, BcsError):
            continue
        if isinstance(event, Event) and isinstance(event.body, K8sAPIRequest) and event.heads.enclave == enclave:
            found[event.body.request_id] = event.body.mailbox_seq
    return found


def _name(data: bytes) -> str:
    reader = Reader(data)
    name = reader.string(MAX_NAME_BYTES)
    reader.end()
    return name


__all__ = ["Prepared", "Submission", "Who", "mailbox_numbers"]

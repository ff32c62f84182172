"""The enclave's answer to a request through the contract: asked for by request id, verified, kept.

Invariant: what `once` returns has a receipt of the attested boot over this very request, with its place in the mailbox;
status and body are believed because that receipt says them, whatever the answer that carried it says of itself.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from daas_chain.values import OutcomeSettled
from daas_gateway import errors, l1_errors
from daas_gateway.ask import Ask, ask
from daas_gateway.exchange import MAX_UNARY_BYTES, Answer, Asked, Exchange, Sent
from daas_gateway.verify import Expected, check_on_chain
from daas_protocol.receipt import Receipt
from daas_protocol.stored_answer import StoredAnswer, StoredAnswerError
from daas_protocol.transport.http1 import Header

FOUND: Final = 200
REFUSED: Final = frozenset({401, 403})

Fetch = Callable[[Ask, Callable[[Sent], Awaitable[Answer]]], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose answer: ids and digest; `mailbox_seq` None while it is not known; `asked` None: it is not kept here."""

    request_id: bytes
    request_digest: bytes
    requester: bytes
    mailbox_seq: int | None
    deliver: bool
    asked: Asked | None


@dataclass(frozen=True, slots=True)
class Had:
    """A verified answer. `body` None: the enclave no longer has it; the receipt still says what it was."""

    receipt: Receipt
    message: bytes
    content_type: str
    warnings: tuple[str, ...]
    body: bytes | None = field(repr=False)

    @property
    def status(self) -> int:
        return self.receipt.status

    @property
    def receipt_header(self) -> bytes:
        return base64.b64encode(self.message)

    def headers(self) -> list[Header]:
        """For the client. Content type and warnings stand outside the receipt, as on L2."""
        made: list[Header] = [(b"daas-receipt", self.receipt_header)]
        if _is_header(self.content_type):
            made.append((b"content-type", self.content_type.encode("ascii")))
        made += [(b"warning", one.encode("ascii")) for one in self.warnings if _is_header(one)]
        return made


def _is_header(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable()


class Answers:
    """`fetch` is `Forwarder.fetch`."""

    def __init__(self, fetch: Fetch, exchange: Exchange) -> None:
        self._fetch, self._exchange = fetch, exchange

    async def once(self, wanted: Wanted, wait_seconds: int) -> Had | None:
        """None: the enclave does not have it (yet). Raises GatewayError, SessionRefused where it will not give it."""
        had: Had | None = None

        async def take(sent: Sent) -> Answer:
            nonlocal had
            answer = self._exchange.judge(sent, await self._exchange.read(sent, MAX_UNARY_BYTES))
            if answer.status == FOUND:
                had = self._checked(sent, answer.body, wanted)
            return answer

        answer = await self._fetch(ask("GET", f"/daas/v1/answers/{wanted.request_id.hex()}?wait={wait_seconds}"), take)
        if answer.status in REFUSED:
            raise errors.SessionRefused(f"the enclave does not hand the answer out (status {answer.status})")
        return had

    def _checked(self, sent: Sent, data: bytes, wanted: Wanted) -> Had:
        try:
            stored = StoredAnswer.from_bcs(data)
        except StoredAnswerError as problem:
            raise l1_errors.StoredAnswerMalformed("a StoredAnswer", problem) from None
        identity = sent.channel.identity
        expected = Expected(
            identity.enclave_id, identity.boot_id, identity.public_key, wanted.request_digest, wanted.requester
        )
        checked = check_on_chain(stored.receipt, expected, stored.body, wanted.mailbox_seq, wanted.deliver)
        if wanted.asked is not None:
            self._exchange.keep_stored(sent, checked, wanted.asked, stored.body)
        return Had(checked.receipt, checked.raw, stored.content_type, stored.warnings, stored.body)


def compare(had: Had, settled: OutcomeSettled) -> None:
    """Of what this gateway was told with what the contract has accepted. Another boot may have signed it anew, so
    neither boot nor sequence is compared. Raises SettlementWrong."""
    record, receipt = settled.pos0, had.receipt
    mailbox = receipt.mailbox
    pairs = (
        ("request digest", receipt.request_digest, record.request_digest),
        ("mailbox sequence", None if mailbox is None else mailbox.seq, record.seq),
        ("revision", None if mailbox is None else mailbox.revision, record.revision),
        ("status", receipt.status, record.status),
        ("body digest", receipt.body_digest, record.body_digest),
        ("body length", receipt.body_length, record.body_length),
    )
    for name, signed, stored in pairs:
        if signed != stored:
            raise l1_errors.SettlementWrong(f"{name} {errors.shown(signed)}", errors.shown(stored))

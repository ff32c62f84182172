"""The enclave's answer to a request through the contract: asked for by request id, verified, kept.

Invariant: what `once` returns as an answer has a receipt of the attested boot over this very request, with its place in
the mailbox; anything else that the enclave says about it is about the asking, and verified as any live answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from daas_chain.values import OutcomeSettled
from daas_gateway import errors, l1_errors
from daas_gateway.ask import Ask, ask
from daas_gateway.exchange import Answer, Asked, Exchange, Sent, check_content_digest, one_header
from daas_gateway.verify import Expected, check_on_chain, digest_of_receipt

MAX_ANSWER_BYTES: Final = 16 * 1024 * 1024
"""Above the longest list that an enclave keeps for later."""
UNKNOWN: Final = 404
PENDING: Final = 202

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


class Answers:
    """`fetch` is `Forwarder.fetch`."""

    def __init__(self, fetch: Fetch, exchange: Exchange) -> None:
        self._fetch, self._exchange = fetch, exchange

    async def once(self, wanted: Wanted, wait_seconds: int) -> Answer:
        """Its answer, or (without a mailbox in its receipt) what the enclave says instead: 404 unknown, 202 pending.

        Raises GatewayError.
        """
        target = f"/daas/v1/answers/{wanted.request_id.hex()}?wait={wait_seconds}"

        async def take(sent: Sent) -> Answer:
            header = one_header(sent.response, b"daas-receipt")
            body = await self._exchange.read(sent, MAX_ANSWER_BYTES)
            if digest_of_receipt(header) != wanted.request_digest:
                return self._exchange.judge(sent, body)
            identity = sent.channel.identity
            expected = Expected(
                identity.enclave_id, identity.boot_id, identity.public_key, wanted.request_digest, wanted.requester
            )
            checked = check_on_chain(header, expected, sent.response.status, body, wanted.mailbox_seq, wanted.deliver)
            check_content_digest(sent.response, checked.receipt)
            if wanted.asked is not None:
                self._exchange.keep_stored(sent, checked, wanted.asked, body)
            assert header is not None
            return Answer(
                sent.response.status, body, checked.receipt, header, checked.message.timestamp_ms, sent.response
            )

        return await self._fetch(ask("GET", target, "*/*"), take)


def is_answer(answer: Answer) -> bool:
    return answer.receipt.mailbox is not None


def compare(answer: Answer, settled: OutcomeSettled) -> None:
    """Of what this gateway was told with what the contract has accepted. Another boot may have signed it anew, so
    neither boot nor sequence is compared. Raises SettlementWrong."""
    record, receipt = settled.pos0, answer.receipt
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

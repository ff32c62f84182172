"""One request over one channel: send it bound and signed, take the answer's head, verify a whole answer, keep receipts.

Invariant: `keep` is called for every receipt that passed its checks, before what it covers is handed on.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from daas_gateway import errors
from daas_gateway.ask import Ask, Place, bind
from daas_gateway.channel import Channel
from daas_gateway.metrics import Metrics
from daas_gateway.sequences import SequenceLedger
from daas_gateway.session import Session
from daas_gateway.store import KeptReceipt, ReceiptStore, StoreClosed
from daas_gateway.verify import ZERO_32, Checked, Expected, check_unary
from daas_protocol.frames import MAX_FRAME_DATA
from daas_protocol.jsonstrict import loads
from daas_protocol.receipt import Receipt, StreamReceipt
from daas_protocol.transport.http1 import ConnectionClosed, HttpRefused, Response, ResponseMalformed

NONCE_BYTES: Final = 16
ANSWER_SECONDS: Final = 90.0
"""To the head of an answer; the API server itself gives up on a request after 60 s."""
BODY_SECONDS: Final = 60.0
MAX_UNARY_BYTES: Final = MAX_FRAME_DATA
LEDGERS_KEPT: Final = 8
SESSION_POST: Final = "/daas/v1/sessions"


class Broken(Exception):
    """The channel failed; nothing of an answer was handed on. `named` is the error that tells it."""

    def __init__(self, named: errors.GatewayError) -> None:
        super().__init__(str(named))
        self.named = named


class SessionUnknown(Exception):
    """The enclave says by a verified receipt that it does not know the session; nothing was executed."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A request that left, and the head of its answer."""

    ask: Ask
    channel: Channel
    session: Session
    response: Response
    expected: Expected
    binding: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole, verified answer."""

    status: int
    body: bytes
    receipt: Receipt
    receipt_header: bytes
    timestamp_ms: int
    response: Response


@dataclass(frozen=True, slots=True)
class Asked:
    """What a receipt is kept under: the request as its client knows it, and the BCS of its binding."""

    method: str
    target: str
    binding: bytes


def check_content_digest(response: Response, receipt: Receipt) -> None:
    """Raises ContentDigestWrong, EnclaveProtocolError."""
    digest_header = one_header(response, b"content-digest")
    told = b"sha-256=:%b:" % base64.b64encode(receipt.body_digest)
    if digest_header is not None and digest_header != told:
        raise errors.ContentDigestWrong(told.decode("ascii"), digest_header.decode("latin-1"))


def one_header(response: Response, name: bytes) -> bytes | None:
    """A header of the enclave's answer. Raises EnclaveProtocolError when it is there twice."""
    try:
        return response.one(name)
    except HttpRefused as problem:
        raise errors.EnclaveProtocolError(f"the enclave's answer is malformed: {problem}") from None


class Exchange:
    """What all requests share: who asks, the clock, the ledgers and the store."""

    def __init__(
        self,
        place: Place,
        address: bytes,
        store: ReceiptStore,
        metrics: Metrics,
        *,
        keep_bodies: bool,
        now_ms: Callable[[], int],
        random: Callable[[int], bytes],
        on_equivocation: Callable[[bytes, errors.GatewayError], None],
    ) -> None:
        self._place = place
        self._address = address
        self._store = store
        self._metrics = metrics
        self._keep_bodies = keep_bodies
        self.now_ms = now_ms
        self._random = random
        self._on_equivocation = on_equivocation
        self._ledgers: dict[bytes, SequenceLedger] = {}
        self.verified = 0

    async def send(self, asked: Ask, channel: Channel, session: Session) -> Sent:
        """Sends and returns with the answer's head. Raises Broken, AnswerTimeout, RequestMalformed."""
        binding, digest, head = bind(asked, self._place, session, self._random(NONCE_BYTES), self.now_ms())
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                response = await channel.connection.request(head, asked.body)
        except TimeoutError:
            raise errors.AnswerTimeout(f"the enclave gave no answer within {ANSWER_SECONDS:.0f} s") from None
        except ConnectionClosed as problem:
            raise Broken(errors.EnclaveUnreachable(f"the connection to the enclave broke: {problem}")) from None
        except ResponseMalformed as problem:
            raise Broken(errors.EnclaveProtocolError(f"the enclave's answer is malformed: {problem}")) from None
        identity = channel.identity
        posting = asked.target == SESSION_POST and asked.method == "POST"
        expected = Expected(
            identity.enclave_id, identity.boot_id, identity.public_key, digest, self._address, may_be_nobody=posting
        )
        return Sent(asked, channel, session, response, expected, binding)

    async def whole(self, sent: Sent) -> Answer:
        """The whole answer, verified and kept.

        Raises SessionUnknown, SessionRefused, Broken, AnswerTimeout, EnclaveProtocolError, subclasses of CheckFailed.
        """
        return self.judge(sent, await self.read(sent, MAX_UNARY_BYTES))

    def judge(self, sent: Sent, body: bytes) -> Answer:
        """As `whole`, of a body that was read."""
        response = sent.response
        header = one_header(response, b"daas-receipt")
        checked = check_unary(header, sent.expected, response.status, body, self.now_ms())
        check_content_digest(response, checked.receipt)
        self.keep(sent, checked, None, body)
        if response.status == 401:
            self._unauthorized(sent, checked.receipt, body)
        assert header is not None
        return Answer(response.status, body, checked.receipt, header, checked.message.timestamp_ms, response)

    async def read(self, sent: Sent, limit: int) -> bytes:
        """The whole body, nothing of it verified. Raises Broken, AnswerTimeout, EnclaveProtocolError."""
        response = sent.response
        if response.complete:
            body, complete = await response.read_up_to(limit)
        else:
            try:
                async with asyncio.timeout(BODY_SECONDS):
                    body, complete = await response.read_up_to(limit)
            except TimeoutError:
                raise errors.AnswerTimeout(f"the answer was not whole after {BODY_SECONDS:.0f} s") from None
            except (ConnectionClosed, ResponseMalformed) as problem:
                raise Broken(errors.EnclaveUnreachable(f"the answer was cut: {problem}")) from None
        if not complete or len(body) > limit:
            raise errors.EnclaveProtocolError(f"an answer without frames has more than {limit} bytes")
        return body

    def _unauthorized(self, sent: Sent, receipt: Receipt, body: bytes) -> None:
        message, causes = status_text(body)
        if "SessionUnknown" in causes:
            raise SessionUnknown(message)
        if receipt.requester == ZERO_32:
            raise errors.SessionRefused(f"the enclave refuses to know who asks: {errors.shown(message)}")

    def keep(self, sent: Sent, checked: Checked[Any], frame: int | None, body: bytes) -> None:
        """Notes the sequence and stores the receipt.

        Raises EquivocationFound (after the evidence was stored and the boot retired), SequenceReplayed,
        FrameSequenceBackwards, StoreUnavailable.
        """
        receipt: Receipt | StreamReceipt = checked.receipt
        kept = self._kept(sent, checked, Asked(sent.ask.method, sent.ask.target, sent.binding), frame, body)
        self._note(kept)
        channel = sent.channel
        if receipt.sequence <= channel.last_sequence:
            raise errors.SequenceBackwards(f"above {channel.last_sequence} on this connection", receipt.sequence)
        channel.last_sequence = receipt.sequence
        self._put(kept)

    def keep_stored(self, sent: Sent, checked: Checked[Receipt], asked: Asked, body: bytes | None) -> None:
        """As `keep`, for an answer that was signed before it was asked for, and may be handed out again.

        Raises EquivocationFound, StoreUnavailable.
        """
        kept = self._kept(sent, checked, asked, None, body)
        try:
            self._note(kept)
        except errors.SequenceReplayed:
            return
        self._put(kept)

    def _kept(
        self, sent: Sent, checked: Checked[Any], asked: Asked, frame: int | None, body: bytes | None
    ) -> KeptReceipt:
        receipt: Receipt | StreamReceipt = checked.receipt
        return KeptReceipt(
            self.now_ms(),
            receipt.boot_id,
            receipt.sequence,
            int(checked.message.intent),
            checked.message.timestamp_ms,
            asked.method,
            asked.target,
            receipt.status,
            receipt.request_digest,
            receipt.body_digest,
            receipt.body_length,
            frame,
            checked.message.leaf_hash(),
            checked.raw,
            asked.binding,
            sent.channel.identity.public_key_bytes,
            body if self._keep_bodies else None,
        )

    def _note(self, kept: KeptReceipt) -> None:
        self.verified += 1
        self._metrics.receipts.inc()
        try:
            self._ledger(kept.boot_id).note(kept.sequence, kept.leaf)
        except errors.EquivocationFound as found:
            self._store.put(kept)
            self._on_equivocation(kept.boot_id, found)
            raise

    def _put(self, kept: KeptReceipt) -> None:
        try:
            self._store.put(kept)
        except StoreClosed as problem:
            raise errors.StoreUnavailable(f"the answer was withheld: {problem}") from None

    def _ledger(self, boot_id: bytes) -> SequenceLedger:
        ledger = self._ledgers.get(boot_id)
        if ledger is None:
            while len(self._ledgers) >= LEDGERS_KEPT:
                self._ledgers.pop(next(iter(self._ledgers)))
            ledger = self._ledgers[boot_id] = SequenceLedger()
        return ledger


def status_text(body: bytes) -> tuple[str, tuple[str, ...]]:
    """Message and cause reasons of a Kubernetes Status; empty for anything else."""
    try:
        status = loads(body, MAX_UNARY_BYTES)
    except ValueError:
        return "", ()
    if not isinstance(status, dict):
        return "", ()
    details = status.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    reasons = (
        tuple(str(cause.get("reason")) for cause in causes if isinstance(cause, dict))
        if isinstance(causes, list)
        else ()
    )
    return str(status.get("message", "")), reasons


def json_body(value: object) -> bytes:
    """JSON with a final LF, for people and scripts."""
    return json.dumps(value, indent=1, sort_keys=True).encode("utf-8") + b"\n"


__all__ = ["Answer", "Broken", "Exchange", "Sent", "SessionUnknown", "json_body", "one_header", "status_text"]

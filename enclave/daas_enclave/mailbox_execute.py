"""One admitted L1 request at the API server, in its requester's name, by the same code as on L2.

Invariant: nothing is sent before the caller says so (`Connection.ask`), and it is sent once. What then does not come
back as a whole answer has an unknown outcome, and says so by a status of its own: never 504, which means "not begun".
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from daas_enclave.execute import Upstream, kept_headers
from daas_enclave.mailbox_admission import TOO_LATE, Admitted
from daas_enclave.mailbox_marks import Done
from daas_enclave.refusal import OUTCOME_UNKNOWN, Refused
from daas_enclave.sessions import identity
from daas_protocol.bcs import BcsError
from daas_protocol.delivery import MAX_DELIVERED_BODY_BYTES, Delivery, DeliveryError, seal_delivery
from daas_protocol.hpke import HpkeError
from daas_protocol.request_envelope import EnvelopeInfo
from daas_protocol.stored_answer import (
    MAX_ANSWER_BODY_BYTES,
    MAX_CONTENT_TYPE_BYTES,
    MAX_WARNING_BYTES,
    MAX_WARNINGS,
)
from daas_protocol.transport.http1 import ClientConnection, Header, Response

EXECUTE_SECONDS: Final = 30.0
"""Half of what the API server gives itself: whoever waits behind this one has a deadline too."""
JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer before it is marked. `body` has at most MAX_ANSWER_BODY_BYTES, or is None; `response_key` as asked."""

    status: int
    content_type: str
    warnings: tuple[str, ...]
    body_digest: bytes
    body_length: int
    body: bytes | None = field(repr=False)

    @classmethod
    def of_refusal(cls, refused: Refused) -> Answered:
        body = refused.body()
        return cls(refused.code, JSON, (), hashlib.sha256(body).digest(), len(body), body)

    def done(self, delivery: bytes, kept: int) -> Done:
        """For the mark; a body above `kept` bytes is left out."""
        body = self.body if self.body is not None and len(self.body) <= kept else None
        return Done(self.status, self.body_digest, self.body_length, self.content_type, self.warnings, body, delivery)


def outcome_unknown(why: str) -> Refused:
    return Refused(OUTCOME_UNKNOWN, "OutcomeUnknown", f"{why}: look whether the change was made; it is not tried again")


class Connection:
    """A place at the API server, held for one request; `close` gives it back."""

    def __init__(self, upstream: Upstream, owner: bytes, connection: ClientConnection) -> None:
        self._upstream = upstream
        self._owner = owner
        self._connection = connection

    def close(self) -> None:
        self._upstream.release(self._owner, self._connection, long=False)

    async def ask(self, admitted: Admitted, token_id: bytes, seconds: float = EXECUTE_SECONDS) -> Answered:
        """Executes, once. Never raises for what happens at the API server."""
        incoming = admitted.incoming
        head = self._upstream.head(incoming, identity(self._owner, token_id))
        try:
            async with asyncio.timeout(seconds):
                response = await self._connection.request(head, incoming.body)
                return _checked(await _read(response))
        except TimeoutError:
            self._connection.close()
            return Answered.of_refusal(outcome_unknown(f"the API server did not answer within {seconds:.0f} s"))
        except OSError:
            self._connection.close()
            return Answered.of_refusal(outcome_unknown("the connection to the API server broke before it answered"))
        except Refused as refused:
            # Its answer cannot be handed on; what it did is done.
            self._connection.close()
            return Answered.of_refusal(outcome_unknown(refused.message))
        except BaseException:
            self._connection.close()
            raise


async def connect(upstream: Upstream, owner: bytes) -> Connection:
    """Raises Refused when there is no place or no API server: nothing has begun then."""
    return Connection(upstream, owner, await upstream.acquire(owner, long=False))


async def _read(response: Response) -> Answered:
    """Of a body of any length its digest; the body itself as far as one answer carries it."""
    headers = kept_headers(response)
    digest, length = hashlib.sha256(), 0
    kept: list[bytes] | None = []
    while data := await response.read():
        digest.update(data)
        length += len(data)
        if kept is not None:
            kept.append(data)
            if length > MAX_ANSWER_BODY_BYTES:
                kept = None
    body = None if kept is None else b"".join(kept)
    content_type = _one(headers, b"content-type")[:MAX_CONTENT_TYPE_BYTES]
    return Answered(response.status, content_type, _warnings(headers), digest.digest(), length, body)


def _checked(answered: Answered) -> Answered:
    if answered.status == TOO_LATE:
        return Answered.of_refusal(outcome_unknown(f"the API server ran out of time{_message(answered)}"))
    return answered


def _message(answered: Answered) -> str:
    try:
        said = json.loads(answered.body or b"")["message"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return f" ({said[:200]})" if isinstance(said, str) else ""


def _one(headers: Iterable[Header], name: bytes) -> str:
    return (
        next((value.decode("latin-1") for key, value in headers if key == name), "").encode("ascii", "replace").decode()
    )


def _warnings(headers: Iterable[Header]) -> tuple[str, ...]:
    """Retry-After is not among what is kept: on L1 a client that tries again pays again."""
    said = [value.decode("utf-8", "replace") for key, value in headers if key == b"warning"]
    return tuple(text for text in said if len(text.encode()) <= MAX_WARNING_BYTES)[:MAX_WARNINGS]


def delivery_of(answered: Answered, envelope: EnvelopeInfo, response_key: bytes | None) -> bytes:
    """The answer encrypted for the chain; empty where none was asked for, it is too long, or the key is none."""
    if response_key is None or answered.body is None or len(answered.body) > MAX_DELIVERED_BODY_BYTES:
        return b""
    try:
        return seal_delivery(envelope, Delivery(answered.status, answered.content_type, answered.body), response_key)
    except (DeliveryError, HpkeError, BcsError):
        return b""

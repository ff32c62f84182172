"""Receipts on their way to the contract: signed once, sent as stored bytes until their requests have had their end.

Invariant: a message is made of receipts that this boot has signed, and never changes. It is sent again when a host has
connected and after a while, until the verified view shows the end of each of its requests, or none can settle any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

from daas_enclave.mailbox_order import ROUND_SIZE
from daas_enclave.signer import ReceiptSigner
from daas_protocol import receipt as wire
from daas_protocol.chain_feed import MAX_STATEMENT_BYTES, Settle

WINDOW_MS: Final = 100
"""Receipts that come within it share a signature: a batch costs a fifth of the gas. Nobody waits for settlement."""
RESEND_MS: Final = 20_000
"""A relay that has it on its disk needs none of this; one that has lost it does."""
BATCH_SIZE: Final = ROUND_SIZE
"""Receipts of 257 B with a delivery, 224 B without: below MAX_STATEMENT_BYTES, which 63 or 73 of them reach."""
MAX_AT_ONCE: Final = 1024 * 1024
"""Bytes of one `flush`: a host that has just connected must not be taken for one that does not read."""
MAX_DELIVERIES_BYTES: Final = 65_536
"""Of one message: with signature and ids it stays half of a transaction's 128 KiB."""


class ChainPort(Protocol):
    """Where messages for the host go."""

    def send(self, message: Settle) -> bool:
        """Whether a host is there to take it."""
        ...


@dataclass(frozen=True, slots=True)
class Item:
    """A signed receipt (encoded SignedMessage). `closes_ms`: from then on the request can only expire."""

    seq: int
    request_id: bytes
    receipt: bytes = field(repr=False)
    delivery: bytes = field(repr=False)
    closes_ms: int


@dataclass(slots=True, eq=False)
class _Message:
    settle: Settle
    open: set[int]
    closes_ms: int
    sent_ms: int | None = None


class Settlements:
    """`add`, and `flush` again and again. `tick_ms` is monotonic: the enclave's own time may stand still."""

    def __init__(self, signer: ReceiptSigner, port: ChainPort, tick_ms: Callable[[], int]) -> None:
        self._signer = signer
        self._port = port
        self._tick_ms = tick_ms
        self._new: list[Item] = []
        self._since_ms = 0
        self._messages: list[_Message] = []
        self.given_up = 0

    @property
    def waiting(self) -> int:
        """Requests whose end is not seen yet."""
        return len(self._new) + sum(len(one.open) for one in self._messages)

    @property
    def collecting(self) -> bool:
        """Whether a `flush` is due within WINDOW_MS."""
        return bool(self._new)

    def add(self, item: Item) -> None:
        if not self._new:
            self._since_ms = self._tick_ms()
        self._new.append(item)

    def ended(self, seqs: Iterable[int]) -> None:
        """The verified view shows their end."""
        gone = frozenset(seqs)
        self._new = [item for item in self._new if item.seq not in gone]
        for message in self._messages:
            message.open -= gone
        self._messages = [message for message in self._messages if message.open]

    def attached(self) -> None:
        """A host has connected: what was sent before may have reached nobody."""
        for message in self._messages:
            message.sent_ms = None

    def flush(self, now_ms: int, *, at_once: bool = False) -> None:
        """Signs what has waited long enough, and sends what is due. `now_ms`: the enclave's time."""
        tick_ms = self._tick_ms()
        while self._new and (at_once or len(self._new) >= BATCH_SIZE or tick_ms - self._since_ms >= WINDOW_MS):
            self._messages.append(self._signed(self._taken()))
        late = [one for one in self._messages if now_ms >= one.closes_ms]
        if late:
            self.given_up += sum(len(one.open) for one in late)
            self._messages = [one for one in self._messages if now_ms < one.closes_ms]
        room = MAX_AT_ONCE
        for message in self._messages:
            if message.sent_ms is None or tick_ms - message.sent_ms >= RESEND_MS:
                if room < 0 or not self._port.send(message.settle):
                    return
                message.sent_ms = tick_ms
                room -= len(message.settle.message) + sum(map(len, message.settle.deliveries))

    def _taken(self) -> list[Item]:
        """The first that fit into one message."""
        size, count = 0, 0
        for item in self._new[:BATCH_SIZE]:
            size += len(item.delivery)
            if count and size > MAX_DELIVERIES_BYTES:
                break
            count += 1
        taken, self._new = self._new[:count], self._new[count:]
        return taken

    def _signed(self, items: list[Item]) -> _Message:
        signed = [wire.SignedMessage.decode(item.receipt) for item in items]
        # Alone it is its own message: then the contract says by name why it does not take it.
        message = signed[0] if len(signed) == 1 else self._signer.batch([one.receipt() for one in signed])
        settle = Settle(
            request_ids=tuple(item.request_id for item in items),
            deliveries=tuple(item.delivery for item in items),
            message=message.signing_bytes(),
            signature=message.signature,
        )
        assert len(settle.message) <= MAX_STATEMENT_BYTES
        # The first to close would make the contract skip it, not the others.
        return _Message(settle, {item.seq for item in items}, max(item.closes_ms for item in items))

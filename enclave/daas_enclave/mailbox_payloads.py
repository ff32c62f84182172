"""Ciphertexts that are not on chain: asked for, brought by the host, kept until their requests are answered.

Invariant: only what a pending request names by its digest is kept, and of that at most MAX_BYTES. A host that does not
bring one delays its request alone, for WAIT_MS or as long as its deadline allows; then it is answered without.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

from daas_chain.events_mailbox import K8sAPIRequest
from daas_chain.values import OffChain
from daas_protocol.chain_feed import Payload, Want

MAX_BYTES: Final = 32 * 1024 * 1024
"""Ten of the largest."""
MAX_WANTED: Final = 8
"""Asked for at one time, in mailbox order."""
WAIT_MS: Final = 10_000
"""The host had it before it was on chain, or waits for nobody: it comes within a second or not at all."""
ASK_MS: Final = 2_000
MARGIN_MS: Final = 2_000
"""Before the deadline can no longer be kept: a refusal that says why is worth more than "too late"."""


class Payloads:
    """Of one mailbox. Times are the enclave's, in milliseconds."""

    def __init__(self) -> None:
        self._kept: dict[bytes, bytes] = {}
        self._bytes = 0
        self._wanted: dict[bytes, int] = {}
        self._asked_ms: dict[bytes, int] = {}

    @property
    def size(self) -> int:
        return self._bytes

    def get(self, request: K8sAPIRequest) -> bytes | None:
        payload = request.payload
        return self._kept.get(payload.digest) if isinstance(payload, OffChain) else payload.ciphertext

    def settled(self, request: K8sAPIRequest, arrived_ms: int, staleness_ms: int, now_ms: int) -> bool:
        """Whether it can be answered: its ciphertext is here, or was waited for long enough."""
        if self.get(request) is not None:
            return True
        last = min(arrived_ms + WAIT_MS, request.deadline_ms - staleness_ms - MARGIN_MS)
        return now_ms >= last

    def wanted(self, open_requests: Iterable[K8sAPIRequest], now_ms: int) -> list[Want]:
        """What to ask for now; `open_requests` are all that are not answered, in mailbox order. Drops the rest."""
        named = {one.payload.digest: one.payload.length for one in open_requests if isinstance(one.payload, OffChain)}
        for digest in [digest for digest in self._kept if digest not in named]:
            self._bytes -= len(self._kept.pop(digest))
        missing = [digest for digest in named if digest not in self._kept][:MAX_WANTED]
        self._wanted = {digest: named[digest] for digest in missing}
        self._asked_ms = {digest: at for digest, at in self._asked_ms.items() if digest in self._wanted}
        due = [digest for digest in missing if now_ms - self._asked_ms.get(digest, now_ms - ASK_MS) >= ASK_MS]
        self._asked_ms |= dict.fromkeys(due, now_ms)
        return [Want(digest) for digest in due]

    def ask_again(self) -> None:
        """Another host has connected."""
        self._asked_ms.clear()

    def brought(self, payload: Payload) -> bool:
        """Whether it is one that is missing; a host can bring anything."""
        if len(payload.data) != self._wanted.get(payload.digest) or self._bytes + len(payload.data) > MAX_BYTES:
            return False
        if hashlib.sha256(payload.data).digest() != payload.digest:
            return False
        del self._wanted[payload.digest]
        self._kept[payload.digest] = payload.data
        self._bytes += len(payload.data)
        return True

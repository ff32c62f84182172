"""Ciphertexts that are too large for a transaction: left with the host before the request is submitted.

Invariant: nothing is submitted that names a ciphertext which the host has not said to hold. The host is not trusted:
what it keeps is named by its SHA-256, and a request whose ciphertext it loses ends in a signed refusal.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from typing import Final

from daas_gateway import errors, l1_errors
from daas_protocol.transport.endpoint import Endpoint, dial

DIAL_SECONDS: Final = 5.0
CARRY_SECONDS: Final = 30.0
MAX_ANSWER_BYTES: Final = 4_096
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([0-9]{3}) ")


class Payloads:
    """`PUT /daas/v1/payloads/<sha256>` at the host's port for them; `endpoint` None: there is none."""

    def __init__(self, endpoint: Endpoint | None) -> None:
        self._endpoint = endpoint

    async def carry(self, ciphertext: bytes) -> None:
        """Raises PayloadNotCarried, PayloadNotTaken."""
        if self._endpoint is None:
            raise l1_errors.PayloadNotCarried(
                f"the request has {len(ciphertext)} bytes when encrypted, too many for a transaction"
            )
        digest = hashlib.sha256(ciphertext).hexdigest()
        head = (
            f"PUT /daas/v1/payloads/{digest} HTTP/1.1\r\nHost: host\r\nContent-Length: {len(ciphertext)}\r\n"
            "Connection: close\r\n\r\n"
        )
        try:
            async with asyncio.timeout(CARRY_SECONDS):
                answer = await self._put(self._endpoint, head.encode("ascii") + ciphertext)
        except (OSError, TimeoutError) as problem:
            reason = errors.shown(problem) or type(problem).__name__
            raise l1_errors.PayloadNotTaken(f"the host's port {self._endpoint} for payloads: {reason}") from None
        found = _STATUS.match(answer)
        status = 0 if found is None else int(found[1])
        if status not in (200, 201):
            said = errors.shown(answer.partition(b"\r\n\r\n")[2].decode("latin-1").strip())
            raise l1_errors.PayloadNotTaken(f"the host answered {status}: {said}")

    async def _put(self, endpoint: Endpoint, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(sock=await dial(endpoint, DIAL_SECONDS), limit=MAX_ANSWER_BYTES)
        try:
            writer.write(request)
            await writer.drain()
            answer = b""
            while len(answer) < MAX_ANSWER_BYTES and (more := await reader.read(MAX_ANSWER_BYTES)):
                answer += more
            return answer
        finally:
            writer.close()

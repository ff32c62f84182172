"""An L1 answer as the enclave hands it out: `GET /daas/v1/answers/<request id>`.

Invariant: the receipt is the one that settles the request; status and body are believed because it says them, and
nothing else here is. Source: docs/protocol.md, docs/decisions/0015-exactly-once.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from daas_protocol.bcs import BcsError, Reader, Writer
from daas_protocol.receipt import MAX_SIGNED_MESSAGE_BYTES

ANSWER_VERSION: Final = 1
MAX_CONTENT_TYPE_BYTES: Final = 256
MAX_WARNINGS: Final = 16
MAX_WARNING_BYTES: Final = 512
MAX_ANSWER_BODY_BYTES: Final = 1024 * 1024 - 16 * 1024
"""With receipt and headers it is one unary answer; of a longer body only its digest and length are kept."""
MAX_WAIT_SECONDS: Final = 60


class StoredAnswerError(ValueError):
    """Not the canonical BCS of a `StoredAnswer`."""


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """`receipt`: the encoded signed Receipt. `body` is None where it was too long, or is no longer kept."""

    receipt: bytes
    content_type: str
    warnings: tuple[str, ...]
    body: bytes | None = field(repr=False)

    def to_bcs(self) -> bytes:
        """version u8, receipt, content_type string, warnings vector<string>, body Option<bytes>."""
        writer = Writer()
        writer.u8(ANSWER_VERSION)
        writer.bytes(self.receipt)
        writer.string(self.content_type)
        writer.vector(self.warnings, writer.string)
        writer.option(self.body, writer.bytes)
        return writer.finish()

    @classmethod
    def from_bcs(cls, data: bytes) -> StoredAnswer:
        """Raises `StoredAnswerError`. Whether the receipt verifies is the caller's to find out."""
        try:
            reader = Reader(data)
            if (version := reader.u8()) != ANSWER_VERSION:
                raise BcsError(f"StoredAnswer has version {version}, expected {ANSWER_VERSION}")
            value = cls(
                receipt=reader.bytes(MAX_SIGNED_MESSAGE_BYTES),
                content_type=reader.string(MAX_CONTENT_TYPE_BYTES),
                warnings=tuple(reader.vector(lambda: reader.string(MAX_WARNING_BYTES), MAX_WARNINGS)),
                body=reader.option(lambda: reader.bytes(MAX_ANSWER_BODY_BYTES)),
            )
            reader.end()
        except BcsError as error:
            raise StoredAnswerError(str(error)) from None
        return value

"""Errors as a node gives them: a gRPC status, a text, and which field of the request it is about.

Invariant: a text is bounded, and says nothing of the server's inside.
"""

from __future__ import annotations

from grpclib.const import Status
from grpclib.encoding.base import StatusDetailsCodecBase
from grpclib.exceptions import GRPCError

from .limits import TEXT_MAX
from .proto import google_rpc, pb, v2

_BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"


class RpcError(Exception):
    """A call, or one item of a batch, that fails. `field`: which field of the request is wrong."""

    def __init__(
        self,
        status: Status,
        message: str,
        field: str | None = None,
        reason: v2.ErrorReason = v2.ErrorReason.FIELD_INVALID,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message if len(message) <= TEXT_MAX else f"{message[:TEXT_MAX]}..."
        self.field = field
        self.reason = reason

    def proto(self) -> google_rpc.Status:
        details = []
        if self.field is not None:
            violation = _text(1, self.field) + _text(2, self.message) + _text(3, self.reason.name or "")
            details.append(pb.Any(type_url=_BAD_REQUEST, value=_bytes(1, violation)))
        return google_rpc.Status(code=self.status.value, message=self.message, details=details)

    def raised(self) -> GRPCError:
        """As grpclib sends it."""
        return GRPCError(self.status, self.message, self.proto())


class StatusDetails(StatusDetailsCodecBase):
    """google.rpc.Status in the trailers."""

    def encode(self, status: Status, message: str | None, details: google_rpc.Status) -> bytes:
        return bytes(details)

    def decode(self, status: Status, message: str | None, data: bytes) -> google_rpc.Status:
        return google_rpc.Status.parse(data)


def invalid(field: str, text: str) -> RpcError:
    return RpcError(Status.INVALID_ARGUMENT, text, field)


def missing(field: str) -> RpcError:
    return RpcError(Status.INVALID_ARGUMENT, f"missing {field}", field, v2.ErrorReason.FIELD_MISSING)


def not_found(text: str) -> RpcError:
    return RpcError(Status.NOT_FOUND, text)


def refused(text: str) -> RpcError:
    """An argument that is wrong as a whole."""
    return RpcError(Status.INVALID_ARGUMENT, text)


# google.rpc.BadRequest is not among the generated messages: {1: [{1: field, 2: description, 3: reason}]}.
def _bytes(number: int, value: bytes) -> bytes:
    length, size = len(value), b""
    while length > 127:
        size += bytes((length & 127 | 128,))
        length >>= 7
    return bytes((number << 3 | 2,)) + size + bytes((length,)) + value


def _text(number: int, value: str) -> bytes:
    return _bytes(number, value.encode(errors="replace"))

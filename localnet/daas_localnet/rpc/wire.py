"""One call: a request off the wire, an answer or an error onto it.

Invariant: a request is read when its announced length is allowed, and not before; it is checked by `schema` before the
generated classes see it. A call ends in an answer or in a gRPC status, whatever the client does; what went wrong inside
stays inside.

grpclib by itself believes a length of four gigabytes and keeps what comes; here that is refused at the five bytes in
front.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

from grpclib.const import Cardinality, Handler, Status
from grpclib.encoding.base import CodecBase
from grpclib.exceptions import GRPCError, StreamTerminatedError
from grpclib.server import Stream

from .calls import Call
from .errors import RpcError
from .limits import CALL_SECONDS, STALL_SECONDS
from .schema import WireError, check

_PREFIX = struct.Struct(">BI")
_WINDOW_WANTED = 32_768
"""Half of what HTTP/2 gives a stream by default: a client whose window stays below that does not read."""
LARGE_SECONDS = 0.02
log = logging.getLogger(__name__)


class Codec(CodecBase):
    """Messages, or bytes that are one already."""

    __content_subtype__ = "proto"

    def encode(self, message: Any, message_type: Any) -> bytes:
        return message if isinstance(message, bytes) else bytes(message)

    def decode(self, data: bytes, message_type: Any) -> Any:
        return data


class Handlers:
    """The mapping that grpclib's server takes."""

    def __init__(self, calls: dict[str, Call], count: Callable[[str, Status, float], None]) -> None:
        self._calls = calls
        self._count = count

    def __mapping__(self) -> dict[str, Handler]:
        return {route: self._handler(call) for route, call in self._calls.items()}

    def _handler(self, call: Call) -> Handler:
        streaming = call.response.__name__.startswith(("Subscribe", "List")) and call.answer is None
        cardinality = Cardinality.UNARY_STREAM if streaming else Cardinality.UNARY_UNARY
        return Handler(self._guarded(call), cardinality, call.request, call.response)

    def _guarded(self, call: Call) -> Callable[[Stream[Any, Any]], Awaitable[None]]:
        async def run(stream: Stream[Any, Any]) -> None:
            loop = asyncio.get_running_loop()
            began, status = loop.time(), Status.OK
            try:
                await _run(call, stream)
            except RpcError as problem:
                status = problem.status
                raise problem.raised() from None
            except TimeoutError:
                status = Status.DEADLINE_EXCEEDED
                raise GRPCError(status, f"not done within {CALL_SECONDS:.0f} s") from None
            except (StreamTerminatedError, asyncio.CancelledError):
                status = Status.CANCELLED
                raise
            except Exception:
                status = Status.INTERNAL
                log.exception("%s failed", call.name)
                raise GRPCError(status, "internal error") from None
            finally:
                self._count(call.name, status, loop.time() - began)

        return run


async def _run(call: Call, stream: Stream[Any, Any]) -> None:
    if call.stream is not None:
        async with asyncio.timeout(CALL_SECONDS):
            request = await receive(call, stream)
        async with aclosing(call.stream(request)) as messages:
            async for one in messages:
                await _send_within(stream, one)
        return
    async with asyncio.timeout(CALL_SECONDS):
        request = await receive(call, stream)
        if call.answer is None:
            raise RpcError(Status.UNIMPLEMENTED, call.name.replace("/", "."))
        loop = asyncio.get_running_loop()
        began = loop.time()
        message = await call.answer(request)
        if loop.time() - began > LARGE_SECONDS:
            # What took long to make takes as long to encode; in a thread, others have their turn meanwhile.
            message = await asyncio.to_thread(bytes, message)
        await stream.send_message(message)


async def receive(call: Call, stream: Stream[Any, Any]) -> Any:
    """The request. Raises RpcError."""
    raw = stream._stream
    try:
        prefix = await raw.recv_data(_PREFIX.size)
        if len(prefix) != _PREFIX.size:
            raise RpcError(Status.INTERNAL, "missing request message")
        compressed, length = _PREFIX.unpack(prefix)
        if compressed:
            raise RpcError(Status.UNIMPLEMENTED, "compressed messages")
        most = call.request_bytes_max
        if length > most:
            text = f"decoded message length too large: found {length} bytes, the limit is: {most} bytes"
            raise RpcError(Status.OUT_OF_RANGE, text)
        data = await raw.recv_data(length)
    except AssertionError:
        # That is how grpclib says that a client has ended the stream too early.
        raise RpcError(Status.INTERNAL, "unexpected end of the request") from None
    if len(data) != length:
        raise RpcError(Status.INTERNAL, "unexpected end of the request")
    try:
        check(call.request, data)
        return call.request.parse(data)
    except (WireError, ValueError, OverflowError, TypeError) as problem:
        raise RpcError(Status.INTERNAL, f"failed to decode Protobuf message: {problem}") from None


async def _send_within(stream: Stream[Any, Any], message: bytes) -> None:
    """Sends a message of a subscription to a client that reads. Raises RpcError."""
    raw = stream._stream
    assert raw.id is not None
    try:
        async with asyncio.timeout(STALL_SECONDS):
            # As long as no part of the message is sent, the error that ends a stalled stream arrives whole.
            while raw._h2_connection.local_flow_control_window(raw.id) < min(len(message) + 5, _WINDOW_WANTED):
                raw.window_updated.clear()
                await raw.window_updated.wait()
            await stream.send_message(message)
    except TimeoutError:
        raise RpcError(Status.ABORTED, f"subscriber has read nothing for {STALL_SECONDS:.0f} s") from None

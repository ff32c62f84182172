"""The one module that knows gRPC and pysui: generated messages of `sui.rpc.v2` over a grpclib channel.

Invariant: no call outlasts its time, no message larger than its bound is read (the length is looked at before the
bytes are), what arrives was looked over by `guard` before it is decoded, and every exception that leaves is a
`NetworkError`. Answers are the generated messages, nothing of them verified: see `wire`.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from enum import Enum
from typing import Any

import pysui.sui.sui_grpc.suimsgs.google.protobuf as well_known
import pysui.sui.sui_grpc.suimsgs.sui.rpc.v2 as messages
from grpclib.client import Channel, Handler, Stream
from grpclib.const import Cardinality, Status
from grpclib.encoding.base import CodecBase
from grpclib.exceptions import GRPCError, StreamTerminatedError
from grpclib.metadata import Deadline
from grpclib.protocol import EventsProcessor, H2Protocol
from multidict import MultiDict

from . import guard
from .endpoint import Endpoint
from .errors import (
    AnswerTooLargeError,
    ClosedError,
    DeniedError,
    ExhaustedError,
    InvalidRequestError,
    MalformedAnswerError,
    NetworkError,
    NotFoundError,
    ServerFaultError,
    StreamEndedError,
    StreamIdleError,
    TimedOutError,
    TlsError,
    UnimplementedError,
    UnreachableError,
    printable,
)

SILENCE_SECONDS = 5.0
"""A connection on which nothing has arrived for that long while a call ran out of time is given up: a peer that has
vanished without a word would otherwise be waited for again and again."""
_PREFIX_BYTES = 5


class Rpc(Enum):
    """(service, call)."""

    SERVICE_INFO = ("LedgerService", "GetServiceInfo")
    OBJECT = ("LedgerService", "GetObject")
    OBJECTS = ("LedgerService", "BatchGetObjects")
    TRANSACTION = ("LedgerService", "GetTransaction")
    CHECKPOINT = ("LedgerService", "GetCheckpoint")
    EPOCH = ("LedgerService", "GetEpoch")
    OWNED_OBJECTS = ("StateService", "ListOwnedObjects")
    DYNAMIC_FIELDS = ("StateService", "ListDynamicFields")
    BALANCE = ("StateService", "GetBalance")
    EXECUTE = ("TransactionExecutionService", "ExecuteTransaction")
    SIMULATE = ("TransactionExecutionService", "SimulateTransaction")
    SUBSCRIBE = ("SubscriptionService", "SubscribeCheckpoints")

    @property
    def route(self) -> str:
        service, call = self.value
        return f"/sui.rpc.v2.{service}/{call}"

    @property
    def large(self) -> bool:
        """Whether its answers hold whole checkpoints."""
        return self in (Rpc.CHECKPOINT, Rpc.SUBSCRIBE)


class _Codec(CodecBase):
    __content_subtype__ = "proto"

    def encode(self, message: Any, message_type: Any) -> bytes:
        return bytes(message)

    def decode(self, data: bytes, message_type: Any) -> Any:
        return message_type.FromString(data)


class _BoundedStream(Stream[Any, Any]):
    """Looks at a message's length before it waits for the message."""

    max_bytes = 0
    max_messages = 0

    def _raise_for_content_type(self, headers_map: dict[str, str]) -> None:
        # grpclib's own servers leave the type out when all they have to say is a status.
        if "grpc-status" not in headers_map:
            super()._raise_for_content_type(headers_map)

    async def recv_message(self) -> Any:
        if not self._recv_initial_metadata_done:
            await self.recv_initial_metadata()
        with self._wrapper:
            prefix = await self._stream.recv_data(_PREFIX_BYTES)
            if not prefix:
                return None
            if prefix[0]:
                raise MalformedAnswerError("an uncompressed message", f"flag {prefix[0]}")
            length = int.from_bytes(prefix[1:], "big")
            if length > self.max_bytes:
                raise AnswerTooLargeError(f"at most {self.max_bytes} bytes", str(length))
            data = await self._stream.recv_data(length)
        if len(data) != length:
            raise StreamTerminatedError("the message was cut off")
        guard.check(data, self._recv_type, self.max_messages)
        try:
            return self._codec.decode(data, self._recv_type)
        except Exception as problem:
            # betterproto raises whatever Python does with a wrong text, a time out of range, or too deep a message.
            raise MalformedAnswerError(self._recv_type.__name__, f"{type(problem).__name__}: {problem}") from None


class _Events(EventsProcessor):
    """Passes over what HTTP/2 tells its readers to pass over: unknown frames, interim answers. grpclib gives up the
    connection on them."""

    def process(self, event: Any) -> None:
        if event.__class__ in getattr(self, "processors", ()):
            super().process(event)


class _Protocol(H2Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.processor = _Events(self.handler, self.connection)


class _Channel(Channel):
    """grpclib's channel with bounded streams."""

    def __init__(self, endpoint: Endpoint, context: ssl.SSLContext | None) -> None:
        super().__init__(endpoint.host, endpoint.port, ssl=context, codec=_Codec())
        self._limits = endpoint.limits
        self._connected_at = 0.0

    def _protocol_factory(self) -> H2Protocol:
        return _Protocol(Handler(), self._config, self._h2_config)

    async def _create_connection(self) -> H2Protocol:
        protocol = await super()._create_connection()
        self._connected_at = time.monotonic()
        return protocol

    def open(self, rpc: Rpc, request: Any, timeout: float | None) -> _BoundedStream:
        no_metadata: Any = MultiDict()
        stream = _BoundedStream(
            self,
            rpc.route,
            no_metadata,
            Cardinality.UNARY_STREAM if rpc is Rpc.SUBSCRIBE else Cardinality.UNARY_UNARY,
            type(request),
            getattr(messages, f"{rpc.value[1]}Response"),
            codec=self._codec,
            status_details_codec=None,
            dispatch=self.__dispatch__,
            deadline=None if timeout is None else Deadline.from_timeout(timeout),
        )
        stream.max_bytes = self._limits.checkpoint_bytes if rpc.large else self._limits.answer_bytes
        stream.max_messages = self._limits.checkpoint_messages if rpc.large else self._limits.answer_messages
        return stream

    def drop_if_silent(self) -> None:
        if self._protocol is None:
            return
        last = self._protocol.connection.last_data_received or self._connected_at
        if time.monotonic() - last > SILENCE_SECONDS:
            self.close()


@contextmanager
def _broken_is_no_cancellation() -> Iterator[None]:
    """grpclib wakes whoever waits too long, or on a broken connection, by a cancellation that it then takes back; the
    task stays marked as cancelled unless somebody takes that mark off."""
    task = asyncio.current_task()
    before = 0 if task is None else task.cancelling()
    try:
        yield
    except (StreamTerminatedError, TimeoutError):
        while task is not None and task.cancelling() > before:
            task.uncancel()
        raise


def _fields(rpc: Rpc, paths: Sequence[str], fields: dict[str, Any]) -> Any:
    if paths:
        fields["read_mask"] = well_known.FieldMask(paths=list(paths))
    return getattr(messages, f"{rpc.value[1]}Request")(**fields)


def transaction(data: bytes) -> Any:
    """bcs(TransactionData) as the messages carry it."""
    return messages.Transaction(bcs=messages.Bcs(name="TransactionData", value=data))


def signature(data: bytes) -> Any:
    """flag || signature || public key as the messages carry it."""
    return messages.UserSignature(bcs=messages.Bcs(name="UserSignature", value=data))


def object_request(object_id: str) -> Any:
    """One item of `Rpc.OBJECTS`."""
    return messages.GetObjectRequest(object_id=object_id)


class Transport:
    """One connection for calls, made when it is needed and again when it has broken; one more for each subscription."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._context = endpoint.tls_context()
        self._channel: _Channel | None = None
        self._subscriptions: set[_Channel] = set()
        self._closed = False

    def _open_channel(self) -> _Channel:
        return _Channel(self.endpoint, self._context)

    async def call(self, rpc: Rpc, timeout: float, paths: Sequence[str] = (), **fields: Any) -> Any:
        """The answer to one attempt. Raises `NetworkError`."""
        if self._closed:
            raise ClosedError(f"the connection to {self.endpoint} is closed")
        if self._channel is None:
            self._channel = self._open_channel()
        channel = self._channel
        request = _fields(rpc, paths, fields)
        stream = channel.open(rpc, request, timeout)
        try:
            async with asyncio.timeout(timeout):
                return await _ask(stream, request)
        except BaseException as problem:
            if isinstance(problem, TimeoutError):
                channel.drop_if_silent()
            raise self._named(problem, rpc, _was_sent(stream), timeout) from None
        finally:
            if self._closed:
                # Its connection may have been made after `close` had looked for one.
                channel.close()

    async def subscribe(self, paths: Sequence[str]) -> AsyncGenerator[Any, None]:
        """Messages until it ends in a `NetworkError`; it never ends without one."""
        if self._closed:
            raise ClosedError(f"the connection to {self.endpoint} is closed")
        # A connection of its own: what nobody takes from a subscription fills the window that its calls share.
        channel = self._open_channel()
        self._subscriptions.add(channel)
        limits = self.endpoint.limits
        request = _fields(Rpc.SUBSCRIBE, paths, {})
        stream = channel.open(Rpc.SUBSCRIBE, request, None)
        try:
            async with aclosing(_listen(stream, request, limits.attempt_seconds, limits.idle_seconds)) as received:
                async for message in received:
                    yield message
        except GeneratorExit:
            raise
        except BaseException as problem:
            if self._closed:
                raise ClosedError(f"the connection to {self.endpoint} is closed") from None
            raise self._named(problem, Rpc.SUBSCRIBE, _was_sent(stream), limits.attempt_seconds) from None
        finally:
            self._subscriptions.discard(channel)
            channel.close()
        raise StreamEndedError(f"{self.endpoint} has ended the subscription")

    async def close(self) -> None:
        """Calls in flight end in `UnreachableError` or `ClosedError`. May be called twice."""
        self._closed = True
        for channel in (self._channel, *self._subscriptions):
            if channel is not None:
                channel.close()
        self._channel = None
        # The transports say goodbye in the next turn of the loop.
        await asyncio.sleep(0)

    def _named(self, problem: BaseException, rpc: Rpc, sent: bool, seconds: float) -> BaseException:
        """The `NetworkError` for what a library has raised; whatever ends the task stays as it is."""
        where = f"{self.endpoint}, {rpc.value[1]}"
        match problem:
            case NetworkError():
                return problem
            case TimeoutError():
                return TimedOutError(f"{where}: no answer within {seconds:g} s", sent)
            case GRPCError(status=status, message=text):
                return _by_status(status, f"{where}: {printable(text or status.name)}", sent)
            case ssl.SSLCertVerificationError():
                return TlsError(f"{where}: the certificate is refused ({printable(problem.verify_message)})")
            case ssl.SSLError():
                return TlsError(f"{where}: no TLS ({printable(problem.reason or problem)})")
            case OSError():
                return UnreachableError(f"{where}: no connection ({printable(problem.strerror or problem)})", sent)
            case StreamTerminatedError() | AssertionError():
                if self._closed and not sent:
                    return ClosedError(f"the connection to {self.endpoint} is closed")
                return UnreachableError(f"{where}: the connection broke ({printable(problem)})", sent)
            case Exception():
                # h2 and grpclib raise whatever they like while a connection goes down, or for bytes that are no HTTP/2.
                return UnreachableError(f"{where}: the connection broke ({type(problem).__name__})", sent)
            case _:
                return problem


def _was_sent(stream: _BoundedStream) -> bool:
    return bool(stream._send_request_done)


async def _ask(stream: _BoundedStream, request: Any) -> Any:
    with _broken_is_no_cancellation():
        async with stream:
            await stream.send_message(request, end=True)
            answer = await stream.recv_message()
    if answer is None:
        raise MalformedAnswerError("one message", "none")
    return answer


async def _listen(stream: _BoundedStream, request: Any, open_seconds: float, idle: float) -> AsyncGenerator[Any, None]:
    async with stream:
        with _broken_is_no_cancellation():
            async with asyncio.timeout(open_seconds):
                await stream.send_message(request, end=True)
        while True:
            try:
                with _broken_is_no_cancellation():
                    async with asyncio.timeout(idle):
                        message = await stream.recv_message()
            except TimeoutError:
                raise StreamIdleError(f"no checkpoint within {idle:g} s") from None
            if message is None:
                return
            yield message


def _by_status(status: Status, text: str, sent: bool) -> NetworkError:
    match status:
        case Status.NOT_FOUND:
            return NotFoundError(text)
        case Status.INVALID_ARGUMENT | Status.OUT_OF_RANGE | Status.FAILED_PRECONDITION | Status.ABORTED:
            return InvalidRequestError(text)
        case Status.UNIMPLEMENTED:
            return UnimplementedError(text)
        case Status.RESOURCE_EXHAUSTED:
            return ExhaustedError(text, sent)
        case Status.UNAVAILABLE:
            return UnreachableError(text, sent)
        case Status.DEADLINE_EXCEEDED | Status.CANCELLED:
            return TimedOutError(text, sent)
        case Status.UNAUTHENTICATED | Status.PERMISSION_DENIED:
            return DeniedError(text)
        case _:
            return ServerFaultError(text)

"""Connections of the gRPC server.

Invariant: there are never more than `CONNECTIONS_MAX`: for a new one, the one that was idle longest goes. Each holds a
bounded number of bytes that the server has not read or the client has not taken, and one that does nothing, takes
nothing or plays with the protocol is closed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, cast

from grpclib.config import Configuration
from grpclib.metadata import decode_metadata
from grpclib.protocol import H2Protocol, Stream
from grpclib.server import Handler, Server
from h2.errors import ErrorCodes
from h2.events import Event, RequestReceived, StreamReset

from .errors import StatusDetails
from .limits import (
    CONNECTIONS_MAX,
    FIRST_BYTES_SECONDS,
    RESETS_MAX,
    STALL_SECONDS,
    UNSENT_BYTES_MAX,
    WINDOW_BYTES,
)
from .wire import Codec, Handlers

log = logging.getLogger(__name__)


class _Corked:
    """A transport that sends what is written in one turn of the loop at once.

    grpclib writes the headers, the message and the trailers of an answer by themselves: three system calls, and three
    times that the client wakes up.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._held: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._held:
            self._loop.call_soon(self.flush)
        self._held.append(data)

    def flush(self) -> None:
        if self._held:
            held, self._held = self._held, []
            if not self._transport.is_closing():
                self._transport.write(held[0] if len(held) == 1 else b"".join(held))

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    @property
    def unsent(self) -> int:
        return self._transport.get_write_buffer_size() + sum(map(len, self._held))


class _Handler(Handler):
    """Begins calls; headers that grpclib would stumble over end theirs at once, where it would leave it open."""

    def accept(self, stream: Stream, headers: Any, release_stream: Callable[[], Any]) -> None:
        try:
            names = dict(headers)
            decode_metadata(headers)
            whole = ":method" in names and ":path" in names
        except Exception:
            whole = False
        if whole:
            super().accept(stream, headers, release_stream)
        else:
            stream.reset_nowait(ErrorCodes.PROTOCOL_ERROR)
            release_stream()


class _Protocol(H2Protocol):
    """One connection."""

    def __init__(self, server: GrpcServer, handler: Handler, config: Configuration, h2_config: Any) -> None:
        super().__init__(handler, config, h2_config)
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._corked: _Corked | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._resets = 0
        self._asked = False
        self.last_used = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        transport = cast(asyncio.Transport, transport)
        self._transport, self._corked = transport, _Corked(transport)
        super().connection_made(self._corked)  # type: ignore[arg-type]
        if not self._server.has_room():
            transport.abort()
            return
        self.last_used = asyncio.get_running_loop().time()
        self._server.connections.add(self)
        self._later(FIRST_BYTES_SECONDS)

    def data_received(self, data: bytes) -> None:
        transport, corked = self._transport, self._corked
        assert transport is not None
        assert corked is not None
        self.last_used = asyncio.get_running_loop().time()
        try:
            events = self.connection.feed(data)
        except Exception:
            # h2 raises its own errors for what breaks the protocol, and others for what breaks h2.
            self.processor.close("protocol error")
            return
        self.connection.flush()
        for event in events:
            if not self._take(event):
                transport.abort()
                return
        self.connection.flush()
        if corked.unsent > UNSENT_BYTES_MAX:
            transport.abort()

    def _take(self, event: Event) -> bool:
        if isinstance(event, RequestReceived) and not self._asked:
            self._asked = True
            self._stop()
        if isinstance(event, StreamReset):
            self._resets += 1
            if self._resets > RESETS_MAX:
                return False
        processors = getattr(self.processor, "processors", {})
        if type(event) in processors:
            try:
                self.processor.process(event)
            except Exception:
                log.debug("a connection is closed", exc_info=True)
                return False
        return True

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._asked:
            self._later(STALL_SECONDS)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._asked:
            self._stop()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop()
        self._server.connections.discard(self)
        super().connection_lost(exc)

    @property
    def busy(self) -> bool:
        """A call runs, or its answer is still here."""
        streams = getattr(self.processor, "streams", {}) if hasattr(self, "processor") else {}
        return bool(streams) or (self._corked is not None and self._corked.unsent > 0)

    def end(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _later(self, seconds: float) -> None:
        self._stop()
        self._timer = asyncio.get_running_loop().call_later(seconds, self.end)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class GrpcServer(Server):
    """grpclib's server with these connections."""

    def __init__(self, handlers: Handlers, connections_max: int = CONNECTIONS_MAX) -> None:
        config = Configuration(
            http2_connection_window_size=WINDOW_BYTES,
            http2_stream_window_size=WINDOW_BYTES,
        )
        super().__init__([handlers], codec=Codec(), status_details_codec=StatusDetails(), config=config)
        self.connections: set[_Protocol] = set()
        self.connections_max = connections_max

    def has_room(self) -> bool:
        """For one more; if need be, the connection goes that has been idle for longest."""
        if len(self.connections) < self.connections_max:
            return True
        idle = [one for one in self.connections if not one.busy] if self.connections_max else []
        if not idle:
            return False
        victim = min(idle, key=lambda one: one.last_used)
        self.connections.discard(victim)
        victim.end()
        return True

    def refuse_connections(self) -> None:
        """Those that there are stay."""
        self.connections_max = 0
        if self._server is not None:
            self._server.close()

    @property
    def busy(self) -> bool:
        return any(one.busy for one in self.connections)

    def _protocol_factory(self) -> H2Protocol:
        self.__gc_step__()
        handler = _Handler(self._mapping, self._codec, self._status_details_codec, self.__dispatch__)
        self._handlers.add(handler)
        return _Protocol(self, handler, self._config, self._h2_config)

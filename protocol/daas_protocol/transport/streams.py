"""Sockets to asyncio streams: one place that knows which event-loop call fits which socket family."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Final, TypeVar

P = TypeVar("P", bound=asyncio.Protocol)

HANDSHAKE_TIMEOUT: Final = 10.0
BACKLOG: Final = 512


def _is_unix(sock: socket.socket) -> bool:
    family = getattr(socket, "AF_UNIX", None)
    return family is not None and sock.family == family


async def connect(
    factory: Callable[[], P], sock: socket.socket, *, tls: ssl.SSLContext | None = None, server_name: str | None = None
) -> P:
    """Wraps a connected, non-blocking socket, with a TLS handshake (at most 10 s) when `tls` is given."""
    loop = asyncio.get_running_loop()
    timeout = HANDSHAKE_TIMEOUT if tls is not None else None
    name = (server_name or "") if tls is not None else None
    try:
        if _is_unix(sock):
            _, protocol = await loop.create_unix_connection(
                factory, sock=sock, ssl=tls, server_hostname=name, ssl_handshake_timeout=timeout
            )
        else:
            _, protocol = await loop.create_connection(
                factory, sock=sock, ssl=tls, server_hostname=name, ssl_handshake_timeout=timeout
            )
    except BaseException:
        sock.close()
        raise
    return protocol


async def serve(
    factory: Callable[[], asyncio.Protocol], sock: socket.socket, *, tls: ssl.SSLContext | None = None
) -> asyncio.AbstractServer:
    """Accepts on a bound socket; with TLS a handshake has at most 10 s."""
    loop = asyncio.get_running_loop()
    timeout = HANDSHAKE_TIMEOUT if tls is not None else None
    if _is_unix(sock):
        return await loop.create_unix_server(
            factory, sock=sock, ssl=tls, backlog=BACKLOG, ssl_handshake_timeout=timeout
        )
    return await loop.create_server(factory, sock=sock, ssl=tls, backlog=BACKLOG, ssl_handshake_timeout=timeout)

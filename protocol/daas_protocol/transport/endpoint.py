"""Where a peer is, and how to reach it: Unix socket, hybrid vsock, vsock, TCP.

    endpoint = "unix:" PATH | "hybrid:" PATH ":" PORT | "vsock:" CID ":" PORT | "tcp:" HOST ":" PORT

Hybrid vsock is how Firecracker, Cloud Hypervisor and vhost-device-vsock show a guest's vsock on a Unix socket: the
client sends `CONNECT <port>\\n`, the other side answers `OK <n>\\n`, and what follows is the guest's stream.
Invariant: `dial` takes exactly the handshake's bytes from the socket and not one more; a listener never takes over a
socket on which somebody answers. Imports on systems without AF_UNIX or AF_VSOCK; using those there is a named error.
"""

import asyncio
import errno
import os
import re
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum

MAX_UNIX_PATH_BYTES = 103
"""sun_path holds 104 bytes on macOS and 108 on Linux, with the final zero."""
MAX_HANDSHAKE_BYTES = 32
"""`OK 4294967295\\n` has 14."""
FIRST_RETRY_SECONDS = 0.001
LAST_RETRY_SECONDS = 0.05
"""Pauses while a Unix listener's queue is full: a busy peer accepts within milliseconds, a stuck one costs little."""
VMADDR_CID_ANY = 0xFFFFFFFF
LISTEN_BACKLOG = 256
SOCKET_MODE = 0o600

SocketFactory = Callable[[int, int], socket.socket]
_HANDSHAKE = re.compile(rb"OK [0-9]{1,10}\n")
_PORT = re.compile(r"0|[1-9][0-9]{0,9}", re.ASCII)
_HOST = re.compile(r"\[[0-9A-Fa-f:.]+(%[0-9A-Za-z]+)?\]|[0-9A-Za-z.-]+", re.ASCII)


class EndpointError(ValueError):
    """A text that names no endpoint."""

    def __init__(self, actual: str, reason: str) -> None:
        self.actual = actual
        super().__init__(
            f"not an endpoint: {actual!r}: {reason}; use unix:PATH, hybrid:PATH:PORT, vsock:CID:PORT or tcp:HOST:PORT"
        )


class TransportError(OSError):
    """An endpoint cannot be used. `endpoint` says which."""

    def __init__(self, endpoint: "Endpoint", reason: str) -> None:
        self.endpoint = endpoint
        super().__init__(f"{endpoint}: {reason}")


class DialError(TransportError):
    """Nobody can be reached there."""


class DialTimeout(DialError):
    """The peer did not answer in time."""


class HybridHandshakeError(DialError):
    """The answer to CONNECT is no `OK <n>` line."""


class TransportUnsupported(TransportError):
    """This system has no such sockets."""


class ListenError(TransportError):
    """The endpoint cannot be listened on."""


class EndpointInUse(ListenError):
    """Somebody answers there already."""


class Kind(Enum):
    UNIX = "unix"
    HYBRID = "hybrid"
    VSOCK = "vsock"
    TCP = "tcp"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`path` for unix and hybrid, `host` for tcp, `cid` (u32) for vsock; `port` is u32, for tcp u16."""

    kind: Kind
    path: str = ""
    host: str = ""
    cid: int = 0
    port: int = 0

    @classmethod
    def parse(cls, text: str) -> "Endpoint":
        """Raises `EndpointError`."""
        scheme, _, rest = text.partition(":")
        match scheme:
            case "unix":
                return cls(Kind.UNIX, path=_path(text, rest))
            case "hybrid":
                path, _, port = rest.rpartition(":")
                return cls(Kind.HYBRID, path=_path(text, path), port=_number(text, port, 2**32 - 1))
            case "vsock":
                cid, _, port = rest.partition(":")
                return cls(Kind.VSOCK, cid=_number(text, cid, 2**32 - 1), port=_number(text, port, 2**32 - 1))
            case "tcp":
                host, _, port = rest.rpartition(":")
                if not _HOST.fullmatch(host):
                    raise EndpointError(text, "no host name or address (IPv6 goes in brackets)")
                return cls(Kind.TCP, host=host.strip("[]"), port=_number(text, port, 2**16 - 1))
            case _:
                raise EndpointError(text, "unknown kind")

    def __str__(self) -> str:
        match self.kind:
            case Kind.UNIX:
                return f"unix:{self.path}"
            case Kind.HYBRID:
                return f"hybrid:{self.path}:{self.port}"
            case Kind.VSOCK:
                return f"vsock:{self.cid}:{self.port}"
            case Kind.TCP:
                return f"tcp:{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def _path(text: str, path: str) -> str:
    if not path or "\x00" in path:
        raise EndpointError(text, "no path")
    length = len(os.fsencode(path))
    if length > MAX_UNIX_PATH_BYTES:
        raise EndpointError(text, f"the path of a socket has at most {MAX_UNIX_PATH_BYTES} bytes, not {length}")
    return path


def _number(text: str, digits: str, maximum: int) -> int:
    if not _PORT.fullmatch(digits) or int(digits) > maximum:
        raise EndpointError(text, f"no number 0..{maximum}")
    return int(digits)


async def dial(endpoint: Endpoint, timeout: float, *, socket_factory: SocketFactory = socket.socket) -> socket.socket:
    """A connected, non-blocking stream socket; for hybrid after its handshake. The caller owns and closes it.

    `timeout` in seconds covers everything. Raises `DialTimeout`, `HybridHandshakeError`, `TransportUnsupported` or
    `DialError`; then no socket is left open.
    """
    sock: socket.socket | None = None
    try:
        async with asyncio.timeout(timeout):
            if endpoint.kind is Kind.TCP:
                return await _dial_tcp(endpoint, socket_factory)
            sock = socket_factory(_family(endpoint), socket.SOCK_STREAM)
            sock.setblocking(False)
            if endpoint.kind is Kind.VSOCK:
                await _connect_vsock(sock, (endpoint.cid, endpoint.port))
            else:
                await _connect_unix(sock, endpoint.path)
            if endpoint.kind is Kind.HYBRID:
                await _handshake(sock, endpoint)
            connected, sock = sock, None
            return connected
    except TimeoutError as error:
        raise DialTimeout(endpoint, f"no answer within {timeout} s") from error
    except TransportError:
        raise
    except OSError as error:
        raise DialError(endpoint, f"cannot connect: {error.strerror or error}") from error
    finally:
        if sock is not None:
            sock.close()


async def _dial_tcp(endpoint: Endpoint, socket_factory: SocketFactory) -> socket.socket:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    failure: OSError = DialError(endpoint, "the name has no address")
    for family, _, _, _, address in found:
        sock = socket_factory(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(sock, address)
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failure


async def _connect_unix(sock: socket.socket, path: str) -> None:
    # A full queue answers EAGAIN, which the event loops' sock_connect takes for "in progress" and then for success,
    # though nothing is connected. The queue empties as the peer accepts.
    pause = FIRST_RETRY_SECONDS
    while True:
        try:
            sock.connect(path)
            return
        except BlockingIOError:
            await asyncio.sleep(pause)
            pause = min(2 * pause, LAST_RETRY_SECONDS)


async def _connect_vsock(sock: socket.socket, address: tuple[int, int]) -> None:
    # Not by the loop's sock_connect: uvloop's resolves every address that is not a Unix path as a host name.
    try:
        sock.connect(address)
        return
    except BlockingIOError:
        pass
    loop = asyncio.get_running_loop()
    writable = asyncio.Event()
    loop.add_writer(sock.fileno(), writable.set)
    try:
        await writable.wait()
    finally:
        loop.remove_writer(sock.fileno())
    error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error:
        raise OSError(error, os.strerror(error))


async def _handshake(sock: socket.socket, endpoint: Endpoint) -> None:
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, b"CONNECT %d\n" % endpoint.port)
    answer = bytearray()
    # One byte at a time: whatever stands behind the line belongs to the stream and must stay in the socket.
    while not answer.endswith(b"\n"):
        if len(answer) >= MAX_HANDSHAKE_BYTES:
            raise HybridHandshakeError(endpoint, f"the answer to CONNECT has more than {MAX_HANDSHAKE_BYTES} bytes")
        byte = await loop.sock_recv(sock, 1)
        if not byte:
            raise HybridHandshakeError(endpoint, "the peer hung up: nobody listens on that port in the guest")
        answer += byte
    if not _HANDSHAKE.fullmatch(answer):
        raise HybridHandshakeError(endpoint, f"expected an OK line, got {bytes(answer)!r}")


def listen(endpoint: Endpoint, *, socket_factory: SocketFactory = socket.socket) -> socket.socket:
    """A listening, non-blocking socket. The caller owns it, and for unix and hybrid also removes its file.

    Unix sockets have mode 0600; a stale one is removed first, but only if nobody answers on it. Hybrid listens where
    the guest's connections to that port come out, on `PATH_PORT`. Raises `EndpointInUse`, `TransportUnsupported` or
    `ListenError`.
    """
    try:
        family = _listen_family(endpoint)
        sock = socket_factory(family, socket.SOCK_STREAM)
        try:
            match endpoint.kind:
                case Kind.UNIX:
                    _bind_unix(sock, endpoint, endpoint.path)
                case Kind.HYBRID:
                    _bind_unix(sock, endpoint, f"{endpoint.path}_{endpoint.port}")
                case Kind.VSOCK:
                    sock.bind((endpoint.cid, endpoint.port))
                case Kind.TCP:
                    if os.name == "posix":  # elsewhere the option lets a second listener steal the port
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    sock.bind((endpoint.host, endpoint.port))
            sock.listen(LISTEN_BACKLOG)
            sock.setblocking(False)
        except BaseException:
            sock.close()
            raise
        return sock
    except TransportError:
        raise
    except OSError as error:
        kind = EndpointInUse if error.errno == errno.EADDRINUSE else ListenError
        raise kind(endpoint, f"cannot listen: {error.strerror or error}") from error


def _bind_unix(sock: socket.socket, endpoint: Endpoint, path: str) -> None:
    if len(os.fsencode(path)) > MAX_UNIX_PATH_BYTES:
        raise ListenError(endpoint, f"the path of a socket has at most {MAX_UNIX_PATH_BYTES} bytes; use a shorter one")
    _remove_stale(endpoint, path)
    if hasattr(os, "fchmod"):
        with suppress(OSError):  # on Linux the file gets this mode as it appears; elsewhere chmod below does it
            os.fchmod(sock.fileno(), SOCKET_MODE)
    sock.bind(path)
    os.chmod(path, SOCKET_MODE)


def _remove_stale(endpoint: Endpoint, path: str) -> None:
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ListenError(endpoint, f"{path} exists and is no socket; move it away")
    probe = socket.socket(_family(endpoint), socket.SOCK_STREAM)
    try:
        probe.setblocking(False)
        probe.connect(path)
    except ConnectionRefusedError:
        os.unlink(path)
        return
    except FileNotFoundError:
        return
    except OSError:
        pass  # a full queue (EAGAIN) or missing permission: somebody's all the same
    finally:
        probe.close()
    raise EndpointInUse(endpoint, "somebody answers on this socket; stop that process or choose another path")


def _family(endpoint: Endpoint) -> int:
    name = "AF_VSOCK" if endpoint.kind is Kind.VSOCK else "AF_UNIX"
    family = getattr(socket, name, None)
    if family is None:
        raise TransportUnsupported(endpoint, f"this system has no {name} sockets; use tcp:HOST:PORT")
    return int(family)


def _listen_family(endpoint: Endpoint) -> int:
    if endpoint.kind is not Kind.TCP:
        return _family(endpoint)
    return int(socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET)

"""What an instance is from its first start on: its ids, its ports, and where its sockets are (instance.json)."""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from daas_protocol import jsonstrict
from daas_protocol.state_files import write_atomic
from daas_protocol.sui import format_address

from .errors import RefusedError, UnreadableError
from .home import Home

VERSION = 1
MAX_BYTES = 16 * 1024
ID_BYTES = 32
MAX_SOCKET_PATH = 100
"""Unix socket paths end at 108 bytes on Linux and 104 elsewhere; some room is left for names."""
LONGEST_SOCKET_NAME = "enclave-log.sock"
RUN_DIR_PREFIX = "daas-run-"
"""Of the temporary folder that holds the sockets of a home whose own path is too long."""
PORTS = range(20000, 32000)
"""Below the range from which the kernel takes ports for outgoing connections, so that no connection of the API server
sits on a stored port when an instance starts again."""
PORT_ATTEMPTS = 200


@dataclass(frozen=True, slots=True)
class Instance:
    """Ids are 0x and 64 hex digits; `run_dir` holds the sockets."""

    version: int
    instance: str
    cluster_id: str
    enclave_id: str
    token_id: str
    gateway_port: int
    host_port: int
    run_dir: str
    created_at_ms: int

    @property
    def gateway_url(self) -> str:
        return f"https://127.0.0.1:{self.gateway_port}"

    def socket(self, name: str) -> Path:
        return Path(self.run_dir) / name


_FIELDS: dict[str, str] = dict(Instance.__annotations__)


def load(home: Home) -> Instance | None:
    """The stored instance, None when there is none. Raises UnreadableError for a damaged file."""
    try:
        data = home.instance.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise UnreadableError(f"cannot read {home.instance}: {problem.strerror}", "correct its permissions") from None
    advice = "restore the file, or start anew with `daas down --purge`"
    try:
        value = jsonstrict.loads(data, MAX_BYTES)
    except ValueError as problem:
        raise UnreadableError(f"{home.instance} is damaged: {problem}", advice) from None
    if not isinstance(value, dict) or value.keys() != _FIELDS.keys():
        raise UnreadableError(f"{home.instance} must have exactly the fields {', '.join(_FIELDS)}", advice)
    for field, kind in _FIELDS.items():
        wanted = int if kind == "int" else str
        if type(value[field]) is not wanted:
            raise UnreadableError(f"{home.instance}: {field} must be {wanted.__name__}", advice)
    if value["version"] != VERSION:
        raise UnreadableError(f"{home.instance} has version {value['version']}, not {VERSION}", advice)
    return Instance(**value)


def save(home: Home, instance: Instance) -> None:
    """Writes it whole or not at all, mode 0600."""
    write_atomic(home.instance, json.dumps(asdict(instance), indent=1).encode() + b"\n", 0o600)


def create(home: Home, now_ms: int, entropy: Callable[[int], bytes] = os.urandom) -> Instance:
    """A new instance with random ids; ports are chosen later."""
    return Instance(
        version=VERSION,
        instance=entropy(16).hex(),
        cluster_id=format_address(entropy(ID_BYTES)),
        enclave_id=format_address(entropy(ID_BYTES)),
        token_id=format_address(entropy(ID_BYTES)),
        gateway_port=0,
        host_port=0,
        run_dir=str(home.run),
        created_at_ms=now_ms,
    )


def port_free(port: int) -> bool:
    """Whether a server could listen there on loopback now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: without it a port with connections in TIME_WAIT would look taken.
        if os.name == "posix":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port(taken: frozenset[int], *, is_free: Callable[[int], bool] = port_free) -> int:
    """A free port outside `taken`. Raises RefusedError when none is found."""
    chooser = random.SystemRandom()
    for _ in range(PORT_ATTEMPTS):
        port = chooser.choice(PORTS)
        if port not in taken and is_free(port):
            return port
    raise RefusedError(
        f"no free port between {PORTS.start} and {PORTS.stop}", "stop what listens there, or set gateway.port"
    )


def with_ports(instance: Instance, wanted: int | None, *, is_free: Callable[[int], bool] = port_free) -> Instance:
    """The instance with ports that are free now: those stored if they still are, a configured one or none."""
    host = instance.host_port
    if not host or not is_free(host):
        host = free_port(frozenset({instance.gateway_port, wanted or 0}), is_free=is_free)
    if wanted is not None:
        if not is_free(wanted):
            raise RefusedError(
                f"port {wanted} (gateway.port) is taken by another program",
                "choose another one in daas.yaml or DAAS_GATEWAY_PORT, or leave it out",
            )
        gateway = wanted
    else:
        gateway = instance.gateway_port
        if not gateway or not is_free(gateway):
            gateway = free_port(frozenset({host}), is_free=is_free)
    return replace(instance, host_port=host, gateway_port=gateway)


def with_run_dir(instance: Instance, home: Home) -> Instance:
    """The instance with a folder (mode 0700) in which socket paths are short enough; made if it is missing."""
    folder = Path(instance.run_dir)
    if len(os.fsencode(folder / LONGEST_SOCKET_NAME)) > MAX_SOCKET_PATH or not _private(folder):
        folder = home.run
    if len(os.fsencode(folder / LONGEST_SOCKET_NAME)) > MAX_SOCKET_PATH:
        folder = Path(tempfile.mkdtemp(prefix=RUN_DIR_PREFIX))
    return replace(instance, run_dir=str(folder))


def own_run_dir(folder: Path) -> bool:
    """Whether it is a folder that `with_run_dir` made outside the home."""
    return folder.name.startswith(RUN_DIR_PREFIX) and _private(folder)


def _private(folder: Path) -> bool:
    """Whether it is a folder of this user that nobody else may enter (a temporary one may have been replaced)."""
    try:
        state = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(state.st_mode) and state.st_uid == os.geteuid() and not state.st_mode & 0o077


@contextlib.contextmanager
def locked(home: Home) -> Iterator[None]:
    """Holds the instance against a second `daas up` or `daas down`. Raises RefusedError when one is at work."""
    import fcntl  # not on Windows, where nothing is started

    home.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(home.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RefusedError(
                f"another daas command is starting or stopping the instance in {home.root}", "wait for it to end"
            ) from None
        yield
    finally:
        os.close(descriptor)

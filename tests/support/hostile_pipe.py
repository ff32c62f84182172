"""An attacker's host: a byte pipe that records what passes and harms it by a plan.

Faults are fixed to byte offsets of a connection's direction, not to reads, so that a plan does the same whatever
the chunks were.

    plan = Plan.seeded(7, kinds=[Kind.FLIP, Kind.DROP], count=3, horizon=4096)
    async with HostilePipe("tcp:127.0.0.1:6443", plan=plan) as pipe:
        ...  # connect to pipe.endpoint
    assert secret not in pipe.everything()
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import TracebackType

from daas_protocol.transport.endpoint import Endpoint, dial, listen
from daas_protocol.transport.endpoint import Kind as EndpointKind

READ_BYTES = 64 * 1024
DIAL_TIMEOUT_S = 10.0


class Direction(Enum):
    """`UP` is from whoever connects to the target, `DOWN` back."""

    UP = "up"
    DOWN = "down"


class Kind(Enum):
    DROP = "drop"
    """`length` bytes vanish."""
    DUPLICATE = "duplicate"
    """`length` bytes pass twice."""
    REORDER = "reorder"
    """`length` bytes pass behind the `length` bytes that follow them."""
    FLIP = "flip"
    """`length` bytes are XORed with `mask`."""
    DELAY = "delay"
    """Nothing passes for `seconds`."""
    TRUNCATE = "truncate"
    """The direction ends here in order (EOF), as if nothing more had been sent."""
    CUT = "cut"
    """Both directions end here at once."""
    INJECT = "inject"
    """`data` is put in."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Harm at byte `offset` of `direction`, of the connection with number `connection` (None: of every one)."""

    kind: Kind
    offset: int
    direction: Direction = Direction.UP
    length: int = 1
    mask: int = 0x01
    seconds: float = 0.0
    data: bytes = b""
    connection: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Faults in any order; without any the pipe is honest."""

    faults: tuple[Fault, ...] = ()

    @classmethod
    def seeded(
        cls,
        seed: int,
        *,
        kinds: Sequence[Kind] = tuple(Kind),
        count: int = 1,
        horizon: int = 65_536,
        directions: Sequence[Direction] = tuple(Direction),
        max_length: int = 64,
    ) -> Plan:
        """`count` faults of the given kinds below byte `horizon`: the same for the same arguments."""
        rng = random.Random(seed)
        return cls(
            tuple(
                Fault(
                    kind=rng.choice(kinds),
                    offset=rng.randrange(horizon),
                    direction=rng.choice(directions),
                    length=rng.randint(1, max_length),
                    mask=rng.randint(1, 255),
                    seconds=rng.random() / 20,
                    data=rng.randbytes(rng.randint(1, max_length)),
                )
                for _ in range(count)
            )
        )

    def of(self, connection: int, direction: Direction) -> list[Fault]:
        """This direction's faults by offset."""
        mine = [f for f in self.faults if f.direction is direction and f.connection in (None, connection)]
        return sorted(mine, key=lambda fault: fault.offset)


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


class End(Enum):
    TRUNCATE = "truncate"
    CUT = "cut"


Step = bytes | Pause | End


class CutByPlan(Exception):
    """The plan ends this connection."""


class Harm:
    """Applies a direction's faults to its bytes. Pure. A fault that falls within an earlier one comes right
    after it.
    """

    def __init__(self, faults: Iterable[Fault]) -> None:
        self._faults = list(faults)
        self._offset = 0
        self._held = b""
        self._active: Fault | None = None
        self._left = 0
        self.struck = 0

    def feed(self, data: bytes) -> list[Step]:
        """What to do instead of passing on `data`, in this order."""
        out: list[Step] = []
        while data or self._due():
            if self._active is None:
                if self._due():
                    self._begin(out)
                    continue
                until = self._faults[0].offset - self._offset if self._faults else len(data)
                piece, data = data[:until], data[until:]
                out.append(piece)
            else:
                piece, data = data[: self._left], data[self._left :]
                self._left -= len(piece)
                self._strike(self._active, piece, out)
            self._offset += len(piece)
        return out

    def flush(self) -> bytes:
        """What is still held back when the stream ends."""
        held, self._held = self._held, b""
        return held

    def _due(self) -> bool:
        return self._active is None and bool(self._faults) and self._faults[0].offset <= self._offset

    def _begin(self, out: list[Step]) -> None:
        fault = self._faults.pop(0)
        self.struck += 1
        match fault.kind:
            case Kind.DELAY:
                out.append(Pause(fault.seconds))
            case Kind.INJECT:
                out.append(fault.data)
            case Kind.TRUNCATE | Kind.CUT:
                out.append(End(fault.kind.value))
            case Kind.REORDER:
                self._active, self._left = fault, 2 * fault.length
            case _:
                self._active, self._left = fault, fault.length

    def _strike(self, fault: Fault, piece: bytes, out: list[Step]) -> None:
        if fault.kind is Kind.FLIP:
            out.append(bytes(byte ^ fault.mask for byte in piece))
        elif fault.kind is not Kind.DROP:
            self._held += piece
        if self._left:
            return
        held = self.flush()
        if fault.kind is Kind.DUPLICATE:
            out.append(held + held)
        elif fault.kind is Kind.REORDER:
            out.append(held[fault.length :] + held[: fault.length])
        self._active = None


@dataclass(slots=True)
class Recording:
    """What one connection sent, before any harm."""

    up: bytearray = field(default_factory=bytearray)
    down: bytearray = field(default_factory=bytearray)
    struck: int = 0

    def of(self, direction: Direction) -> bytearray:
        return self.up if direction is Direction.UP else self.down


class HostilePipe:
    """Listens on `listen_on` (default: a free loopback port; or `unix:PATH`) and carries to `target`.

    With `record=False` nothing is kept, for load tests.
    """

    def __init__(
        self,
        target: str | Endpoint,
        *,
        plan: Plan | None = None,
        listen_on: str | Endpoint = "tcp:127.0.0.1:0",
        record: bool = True,
    ) -> None:
        self.target = _endpoint(target)
        self.plan = plan or Plan()
        self.recordings: list[Recording] = []
        self.errors: list[str] = []
        self._listen_on = _endpoint(listen_on)
        self._record = record
        self._server: asyncio.AbstractServer | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.endpoint: Endpoint

    async def __aenter__(self) -> HostilePipe:
        sock = listen(self._listen_on)
        self.endpoint = self._listen_on
        if self.endpoint.kind is EndpointKind.TCP:
            self.endpoint = Endpoint.parse(f"tcp:{self._listen_on.host}:{sock.getsockname()[1]}")
            self._server = await asyncio.start_server(self._accepted, sock=sock)
        else:
            self._server = await asyncio.start_unix_server(self._accepted, sock=sock)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.endpoint.kind is EndpointKind.UNIX:
            Path(self.endpoint.path).unlink(missing_ok=True)

    @property
    def port(self) -> int:
        return self.endpoint.port

    def everything(self) -> bytes:
        """All recorded bytes, with a zero byte between directions, so that nothing is found across them."""
        return b"\0".join(bytes(part) for recording in self.recordings for part in (recording.up, recording.down))

    def cut(self) -> None:
        """Ends every connection at once."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def replay(self, connection: int = 0, wait_s: float = 1.0, enough: int = 1 << 30) -> bytes:
        """Sends a recorded connection's bytes to the target on a new connection; what comes back within `wait_s`,
        or as soon as it is `enough` bytes.
        """
        reader, writer = await asyncio.open_connection(sock=await dial(self.target, DIAL_TIMEOUT_S))
        answer = bytearray()
        try:
            writer.write(bytes(self.recordings[connection].up))
            async with asyncio.timeout(wait_s):
                while len(answer) < enough and (data := await reader.read(READ_BYTES)):
                    answer += data
        except (TimeoutError, ConnectionError):
            pass
        finally:
            writer.transport.abort()
        return bytes(answer)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(self.recordings)
        recording = Recording()
        self.recordings.append(recording)
        self._writers.add(writer)
        far_writer: asyncio.StreamWriter | None = None
        try:
            far_reader, far_writer = await asyncio.open_connection(sock=await dial(self.target, DIAL_TIMEOUT_S))
            self._writers.add(far_writer)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._move(number, Direction.UP, reader, far_writer, recording))
                group.create_task(self._move(number, Direction.DOWN, far_reader, writer, recording))
        except* (OSError, CutByPlan) as errors:
            self.errors += [repr(error) for error in errors.exceptions]
            for end in (writer, far_writer):
                if end is not None:
                    end.transport.abort()
        finally:
            for end in (writer, far_writer):
                if end is not None:
                    self._writers.discard(end)
                    end.close()

    async def _move(
        self,
        number: int,
        direction: Direction,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        recording: Recording,
    ) -> None:
        harm = Harm(self.plan.of(number, direction))
        passing = True
        while data := await reader.read(READ_BYTES):
            if self._record:
                recording.of(direction).extend(data)
            struck = harm.struck
            for item in harm.feed(data) if passing else []:
                match item:
                    case bytes():
                        writer.write(item)
                    case Pause(seconds):
                        await asyncio.sleep(seconds)
                    case End.TRUNCATE:
                        passing = False
                        writer.write_eof()
                        break
                    case End.CUT:
                        recording.struck += harm.struck - struck
                        raise CutByPlan
            recording.struck += harm.struck - struck
            await writer.drain()
        if passing:
            writer.write(harm.flush())
            if writer.can_write_eof():
                writer.write_eof()


def _endpoint(value: str | Endpoint) -> Endpoint:
    return Endpoint.parse(value) if isinstance(value, str) else value

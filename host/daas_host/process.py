"""One run of the enclave process: lifeline, process group, captured output, and an end that leaves nobody behind.

Invariants: the child holds the read end of a pipe whose only write end is here, so that it learns of this process's
death however that came (SIGKILL included); it gets no environment but what is listed; it leads its own session and
process group; after `stop` or an exit none of its descendants is alive.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

LIFELINE_ENV: Final = "DAAS_LIFELINE_FD"
READ_BYTES: Final = 64 * 1024
LAST_LINES: Final = 20
"""Shown with a crash: a Python traceback's end."""
LAST_LINE_BYTES: Final = 1024
OUTPUT_GRACE_S: Final = 2.0
"""After the exit, output that is still in the pipe; a grandchild that holds the pipe open must not hold the host."""
ORPHAN_ROUNDS: Final = 40
"""With the pause two seconds in all: a process that cannot be killed must not hold the host."""
ORPHAN_PAUSE_S: Final = 0.05
_PR_SET_CHILD_SUBREAPER: Final = 36
_CUT_MARK: Final = b" ...[cut]"


def environment() -> dict[str, str]:
    """What the child gets: enough to find an interpreter's libraries and write UTF-8; no HOME, no user, no
    credentials.
    """
    return {"PATH": os.defpath, "LANG": "C.UTF-8"}


@dataclass(frozen=True, slots=True)
class Exit:
    """How a run ended: exactly one of `code` and `signal` is set."""

    code: int | None
    signal: str | None
    lines: tuple[str, ...]

    @property
    def orderly(self) -> bool:
        return self.code == 0


class LineSplitter:
    """Bytes to lines of at most `cap` bytes: what is longer is cut and the rest of that line dropped."""

    __slots__ = ("_buffer", "_cap", "_emit", "_skipping")

    def __init__(self, cap: int, emit: Callable[[bytes], None]) -> None:
        self._buffer = bytearray()
        self._cap = cap
        self._emit = emit
        self._skipping = False

    def feed(self, data: bytes) -> None:
        *whole, rest = data.split(b"\n")
        for part in whole:
            self._add(part)
            self.end()
        self._add(rest)

    def _add(self, part: bytes) -> None:
        if self._skipping:
            return
        room = self._cap - len(self._buffer)
        self._buffer += part[:room]
        if len(part) > room:
            self._buffer[-len(_CUT_MARK) :] = _CUT_MARK
            self._skipping = True

    def end(self) -> None:
        """Ends the line that is under way."""
        if self._buffer:
            self._emit(bytes(self._buffer))
        self._buffer.clear()
        self._skipping = False


class EnclaveProcess:
    """Started by `start`; then `wait` for its end or `stop` it. Not used twice."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        lifeline: int,
        line_bytes: int,
        sink: Callable[[bytes], None],
        adopting: bool,
    ) -> None:
        self._adopting = adopting
        self._process = process
        self._lifeline: int | None = lifeline
        self._last: deque[bytes] = deque(maxlen=LAST_LINES)
        self._sink = sink
        self._pumps = [
            asyncio.ensure_future(self._pump(stream, line_bytes))
            for stream in (process.stdout, process.stderr)
            if stream
        ]
        # One task, however many wait: the end is cleaned up once.
        self._finished = asyncio.ensure_future(self._finish())

    @classmethod
    def start(
        cls, argv: tuple[str, ...], line_bytes: int, sink: Callable[[bytes], None], *, adopting: bool = False
    ) -> EnclaveProcess:
        """Starts `argv` (no shell). `sink` gets every line of its output, without the line feed.

        With `adopting` this process has called `become_subreaper`, and what the enclave leaves behind is ended with it.

        Raises:
            OSError: it cannot be started.
        """
        read_end, write_end = os.pipe()
        try:
            # Not asyncio's: under uvloop the child would inherit descriptors that are not meant for it.
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(read_end,),
                start_new_session=True,
                env=environment() | {LIFELINE_ENV: str(read_end)},
                bufsize=0,
            )
        except BaseException:
            os.close(write_end)
            raise
        finally:
            os.close(read_end)
        return cls(process, write_end, line_bytes, sink, adopting)

    @property
    def pid(self) -> int:
        return self._process.pid

    def last_lines(self) -> tuple[str, ...]:
        return tuple(line[:LAST_LINE_BYTES].decode(errors="replace") for line in self._last)

    async def wait(self) -> Exit:
        """Waits for the end, removes what it left behind, and says how it ended."""
        return await asyncio.shield(self._finished)

    async def _finish(self) -> Exit:
        # The group is ended while the leader is a zombie: once it is reaped, its number may belong to somebody else.
        await asyncio.to_thread(_await_exit, self._process)
        self._close_lifeline()
        kill_group(self.pid)
        status = self._process.wait()
        if self._adopting:
            await end_orphans()
        await asyncio.wait(self._pumps, timeout=OUTPUT_GRACE_S)
        for pump in self._pumps:
            pump.cancel()
        code = status if status >= 0 else None
        name = None if status >= 0 else _signal_name(-status)
        return Exit(code, name, self.last_lines())

    async def stop(self, timeout_s: float) -> Exit:
        """Closes the lifeline, gives `timeout_s` to stop in order, then kills the whole group."""
        self._close_lifeline()
        try:
            async with asyncio.timeout(timeout_s):
                return await self.wait()
        except TimeoutError:
            self.kill()
            return await self.wait()

    def kill(self) -> None:
        """SIGKILL to the process group and to every descendant that has left it."""
        left = descendants(self.pid)
        kill_group(self.pid)
        _kill(left)

    def _close_lifeline(self) -> None:
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None

    async def _pump(self, pipe: IO[bytes], line_bytes: int) -> None:
        loop = asyncio.get_running_loop()
        stream = asyncio.StreamReader(limit=READ_BYTES)
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), pipe)
        splitter = LineSplitter(line_bytes, self._line)
        try:
            while data := await stream.read(READ_BYTES):
                splitter.feed(data)
            splitter.end()
        finally:
            transport.close()

    def _line(self, line: bytes) -> None:
        # Control characters could drive the terminal of whoever reads the log.
        clean = printable(line)
        self._last.append(clean)
        self._sink(clean)


_CONTROL: Final = bytes(c for c in range(256) if (c < 0x20 and c != 0x09) or c == 0x7F)
_REPLACED: Final = bytes.maketrans(_CONTROL, b"?" * len(_CONTROL))


def printable(line: bytes) -> bytes:
    """The line with control characters, TAB excepted, replaced by `?`."""
    return line.rstrip(b"\r").translate(_REPLACED)


def become_subreaper() -> bool:
    """Makes orphans of the enclave children of this process (Linux), so that they can be found and ended after it died.

    For a process that starts nothing but the enclave: `EnclaveProcess` then takes every other child for such an orphan.
    """
    if sys.platform != "linux":
        return False
    try:
        return bool(ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False


async def end_orphans() -> None:
    """Kills and reaps every child of this process; each round adopts the children of those that the last one ended."""
    for _ in range(ORPHAN_ROUNDS):
        children = descendants(os.getpid())
        if not children:
            return
        _kill(children)
        await asyncio.sleep(ORPHAN_PAUSE_S)
        _reap(children)


def descendants(root: int) -> list[int]:
    """Pids of all processes below `root` (Linux: /proc; elsewhere none), zombies too."""
    below: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            # The name, in parentheses, may hold anything; the parent's pid is the second field after the last one.
            parent = int(entry.read_bytes().rpartition(b")")[2].split()[1])
            below.setdefault(parent, []).append(int(entry.parent.name))
    found: list[int] = []
    queue = [root]
    while queue:
        children = below.get(queue.pop(), [])
        found += children
        queue += children
    return found


def _await_exit(process: subprocess.Popen[bytes]) -> None:
    """Waits without reaping, where the system can (not macOS)."""
    if hasattr(os, "waitid"):
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    else:
        process.wait()


def kill_group(pgid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pgid, signal.SIGKILL)


def _kill(pids: Iterable[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def _reap(pids: Iterable[int]) -> None:
    for pid in pids:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"

"""One child process: started from a verified descriptor, watched by pidfd, never outliving the enclave.

Invariant: what is executed is the file whose bytes were hashed (executed through the descriptor that was hashed, so
that exchanging the path in between changes nothing), and a signal reaches this child or nobody (pidfd, no pid reuse).
What the hash does not cover: somebody with write access overwriting the same file between hash and execution; in the
enclave that file is part of the measured image.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import hashlib
import os
import signal
import stat
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from daas_enclave.rotating_log import RotatingLog

PR_SET_PDEATHSIG: Final = 1
READ_BYTES: Final = 64 * 1024
HASH_CHUNK: Final = 1024 * 1024

# Looked up before any fork: the child may only make the call, not load a library.
_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_PRCTL: Final = _LIBC.prctl


class BinaryError(Exception):
    """The program cannot be run."""


class BinaryMismatch(BinaryError):
    """The file is not the one that was named."""

    def __init__(self, path: Path, expected: bytes, actual: bytes) -> None:
        super().__init__(
            f"{path} has SHA-256 {actual.hex()}, the configuration names {expected.hex()}: "
            "it is not run; put the named file there or name this one"
        )
        self.expected = expected
        self.actual = actual


class VerifiedBinary:
    """An executable held open. `verify()` hashes it again whenever the file's identity or times have changed."""

    def __init__(self, path: Path, sha256: bytes) -> None:
        self.path = path
        self.sha256 = sha256
        self._fd = -1
        self._seen: tuple[int, ...] | None = None

    def verify(self) -> int:
        """A descriptor whose bytes hash to `sha256`. Raises `BinaryError`, `BinaryMismatch`."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise BinaryError(f"cannot open {self.path}: {error.strerror}") from error
        status = os.fstat(fd)
        identity = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        if identity == self._seen:
            os.close(fd)
            return self._fd
        try:
            if not stat.S_ISREG(status.st_mode) or not status.st_mode & 0o100:
                raise BinaryError(f"{self.path} is not an executable file")
            actual = _digest(fd)
            if actual != self.sha256:
                raise BinaryMismatch(self.path, self.sha256, actual)
        except BaseException:
            os.close(fd)
            raise
        self.close()
        self._fd, self._seen = fd, identity
        return fd

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._seen = -1, None


def _digest(fd: int) -> bytes:
    digest = hashlib.sha256()
    offset = 0
    while chunk := os.pread(fd, HASH_CHUNK, offset):
        digest.update(chunk)
        offset += len(chunk)
    return digest.digest()


@dataclass(frozen=True, slots=True)
class Command:
    """What to execute: a verified binary, argv with argv[0], the whole environment, the working folder."""

    binary: VerifiedBinary
    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path


@dataclass(frozen=True, slots=True)
class Exit:
    """How a child ended: its exit code, or the signal that killed it."""

    code: int | None
    signal: int | None

    def __str__(self) -> str:
        if self.signal is None:
            return f"exit code {self.code}"
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(self.signal).name}"
        return f"killed by signal {self.signal}"


class Child:
    """A running child. `start` must be called on the thread that lives as long as the process: PDEATHSIG is bound
    to the thread that forked."""

    def __init__(self, process: subprocess.Popen[bytes], pidfd: int, out: int, log: RotatingLog) -> None:
        self.pid = process.pid
        self._process = process
        self._pidfd = pidfd
        self._out = out
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._exit: asyncio.Future[Exit] = self._loop.create_future()
        self._loop.add_reader(pidfd, self._on_exit)
        self._loop.add_reader(out, self._on_output)

    @classmethod
    def start(cls, command: Command, log: RotatingLog) -> Child:
        """Verify, then execute. Raises `BinaryError`."""
        fd = command.binary.verify()
        parent = os.getpid()

        def before_exec() -> None:
            _PRCTL(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(127)

        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        try:
            process = subprocess.Popen(
                list(command.argv),
                executable=f"/proc/self/fd/{fd}",
                pass_fds=(fd,),
                env=dict(command.env),
                cwd=command.cwd,
                stdin=subprocess.DEVNULL,
                stdout=write_end,
                stderr=write_end,
                start_new_session=True,
                preexec_fn=before_exec,
            )
        except (OSError, subprocess.SubprocessError) as error:
            os.close(read_end)
            raise BinaryError(f"cannot execute {command.binary.path}: {error}") from error
        finally:
            os.close(write_end)
        os.set_blocking(read_end, False)
        return cls(process, os.pidfd_open(process.pid), read_end, log)

    @property
    def exited(self) -> bool:
        return self._exit.done()

    async def wait(self) -> Exit:
        """How it ended; may be awaited by several and cancelled freely."""
        return await asyncio.shield(self._exit)

    def terminate(self) -> None:
        """SIGTERM, so that it can finish its writes."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to the child and to whatever it started in its own session."""
        if not self.exited:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        self._send(signal.SIGKILL)

    async def stop(self, grace_s: float) -> Exit:
        """SIGTERM, and SIGKILL after `grace_s`; returns once it has ended."""
        self.terminate()
        try:
            return await asyncio.wait_for(self.wait(), grace_s)
        except TimeoutError:
            self.kill()
            return await self.wait()

    def _send(self, number: signal.Signals) -> None:
        if not self.exited:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def _on_output(self) -> None:
        try:
            data = os.read(self._out, READ_BYTES)
        except BlockingIOError:
            return
        if data:
            self._log.write(data)
        else:
            self._close_output()

    def _close_output(self) -> None:
        if self._out >= 0:
            self._loop.remove_reader(self._out)
            os.close(self._out)
            self._out = -1

    def _on_exit(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        code = self._process.wait()
        # Its last words are in the pipe; a grandchild that keeps the pipe open must not hold this up.
        while self._out >= 0:
            before = self._out
            try:
                data = os.read(before, READ_BYTES)
            except BlockingIOError:
                break
            if not data:
                break
            self._log.write(data)
        self._close_output()
        if not self._exit.done():
            self._exit.set_result(Exit(code, None) if code >= 0 else Exit(None, -code))

"""Ciphertexts beside the chain: kept until the enclave has asked for them, or their time is over.

Invariant: a file's name is the SHA-256 of its content, so whoever puts something here can only add what a request on
the chain names, or waste room; room is bounded, and what an open request names is never removed for what none names.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from daas_protocol.chain_feed import DIGEST_BYTES
from daas_protocol.request_envelope import MAX_CIPHERTEXT_BYTES
from daas_protocol.state_files import write_atomic

MAX_FILES: Final = 65_536
"""Small ciphertexts must not use up the file system's entries."""
MAX_BYTES: Final = MAX_CIPHERTEXT_BYTES
_NAME: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


class PayloadRefused(ValueError):
    """A ciphertext is not taken. Only subclasses are raised."""


class PayloadTooLarge(PayloadRefused):
    def __init__(self, actual: int) -> None:
        self.expected, self.actual = MAX_BYTES, actual
        super().__init__(f"a ciphertext has 1..{MAX_BYTES} bytes, not {actual}")


class PayloadDigestWrong(PayloadRefused):
    def __init__(self, expected: bytes, actual: bytes) -> None:
        self.expected, self.actual = expected, actual
        super().__init__(f"expected bytes with SHA-256 {expected.hex()}, found {actual.hex()}")


class PayloadsFull(PayloadRefused):
    def __init__(self, expected: int, actual: int) -> None:
        self.expected, self.actual = expected, actual
        super().__init__(f"there is room for {expected} bytes, {actual} would be needed; try again later")


class PayloadStore:
    """A folder; one thread. `named`: whether an open request names a digest. `now`: seconds, as files have them."""

    def __init__(
        self,
        folder: Path,
        limit: int,
        seconds: int,
        named: Callable[[bytes], bool],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._folder, self._limit, self._seconds, self._named, self._now = folder, limit, seconds, named, now
        self._held: dict[bytes, tuple[int, float]] = {}
        """Size and time of each, oldest first."""
        self._bytes = 0

    def open(self) -> None:
        """Takes over what is there; anything that is no payload is left alone. Raises `OSError`."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = []
        for entry in os.scandir(self._folder):
            if _NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                state = entry.stat(follow_symlinks=False)
                found.append((state.st_mtime, bytes.fromhex(entry.name), state.st_size))
        for at, digest, size in sorted(found):
            self._held[digest] = (size, at)
            self._bytes += size

    @property
    def figures(self) -> tuple[int, int]:
        """Files and bytes."""
        return len(self._held), self._bytes

    def has(self, digest: bytes) -> bool:
        """For any thread."""
        return digest in self._held

    def put(self, digest: bytes, data: bytes) -> bool:
        """False: it was here already. Raises `PayloadRefused`, `OSError`."""
        if not 1 <= len(data) <= MAX_BYTES:
            raise PayloadTooLarge(len(data))
        actual = hashlib.sha256(data).digest()
        if actual != digest:
            raise PayloadDigestWrong(digest, actual)
        if digest in self._held:
            return False
        self._make_room(len(data))
        write_atomic(self._path(digest), data)
        self._held[digest] = (len(data), self._now())
        self._bytes += len(data)
        return True

    def get(self, digest: bytes) -> bytes | None:
        """Raises `OSError`."""
        if digest not in self._held or len(digest) != DIGEST_BYTES:
            return None
        try:
            data = self._path(digest).read_bytes()
        except FileNotFoundError:
            data = b""
        if hashlib.sha256(data).digest() != digest:
            self._forget(digest)
            return None
        return data

    def sweep(self) -> int:
        """Removes what is too old and named by no open request; how many."""
        until = self._now() - self._seconds
        old = [digest for digest, (_, at) in self._held.items() if at < until and not self._named(digest)]
        for digest in old:
            self._forget(digest)
        return len(old)

    def _make_room(self, size: int) -> None:
        if self._fits(size):
            return
        for digest in [*self._held]:
            if not self._named(digest):
                self._forget(digest)
                if self._fits(size):
                    return
        raise PayloadsFull(self._limit - self._bytes, size)

    def _fits(self, size: int) -> bool:
        return self._bytes + size <= self._limit and len(self._held) < MAX_FILES

    def _forget(self, digest: bytes) -> None:
        size, _ = self._held.pop(digest)
        self._bytes -= size
        self._path(digest).unlink(missing_ok=True)

    def _path(self, digest: bytes) -> Path:
        return self._folder / digest.hex()

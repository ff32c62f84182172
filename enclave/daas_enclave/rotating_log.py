"""A child's output on disk, bounded whatever the child prints: N files of at most M bytes, mode 0600."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

# Five files of 4 MiB: about a day of a busy API server at the default verbosity, and never more than 20 MiB.
MAX_FILE_BYTES: Final = 4 * 1024 * 1024
KEEP_FILES: Final = 5
# What `tail()` gives for /status after a crash: the last lines, not a stack dump.
TAIL_BYTES: Final = 2048


class RotatingLog:
    """Appends bytes; `log`, `log.1`, ... `log.4`, the oldest dropped. Write errors are counted, never raised:
    a full disk must not stop the child whose output this is."""

    def __init__(self, path: Path, max_bytes: int = MAX_FILE_BYTES, keep: int = KEEP_FILES) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._keep = keep
        self._fd = -1
        self._size = 0
        self._tail = b""
        self.write_errors = 0

    def write(self, data: bytes) -> None:
        """Append; a write that would pass the limit starts a new file first."""
        self._tail = (self._tail + data)[-TAIL_BYTES:]
        try:
            if self._fd < 0:
                self._open()
            if self._size and self._size + len(data) > self._max_bytes:
                self._rotate()
            # One piece larger than a whole file keeps its end: the last words are the ones that explain.
            self._size += os.write(self._fd, data[-self._max_bytes :])
        except OSError:
            self.write_errors += 1

    def tail(self) -> str:
        """The last `TAIL_BYTES` written since this object exists."""
        return self._tail.decode("utf-8", "replace")

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._fd = os.open(self._path, flags, 0o600)
        os.fchmod(self._fd, 0o600)
        self._size = os.fstat(self._fd).st_size

    def _rotate(self) -> None:
        self.close()
        for index in range(self._keep - 1, 0, -1):
            older = self._numbered(index)
            newer = self._numbered(index - 1)
            if newer.exists():
                newer.replace(older)
        self._open()

    def _numbered(self, index: int) -> Path:
        return self._path if index == 0 else self._path.with_name(f"{self._path.name}.{index}")

"""The enclave's output on disk.

Invariant: at most `(files + 1) * max_bytes` bytes and a line, readable by the owner alone; a full disk loses lines,
counted, and never stops the enclave whose output it is.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


class RotatingLog:
    """Appends lines to `path`; at `max_bytes` it becomes `path.1`, that `path.2`, and so on up to `path.<files>`."""

    def __init__(self, path: Path, max_bytes: int, files: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._files = files
        self._fd: int | None = None
        self._size = 0
        self.lost = 0

    def write(self, line: bytes) -> None:
        """Appends `line` and a line feed; a line that cannot be written is counted in `lost`."""
        data = line + b"\n"
        try:
            if self._fd is not None and self._size + len(data) > self._max_bytes:
                self._rotate()
            if self._fd is None:
                self._open()
            assert self._fd is not None
            self._size += os.write(self._fd, data)
        except OSError:
            self.lost += 1

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _open(self) -> None:
        fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(fd).st_size
        self._fd = fd

    def _rotate(self) -> None:
        self.close()
        for number in range(self._files, 0, -1):
            older = self._numbered(number)
            with suppress(FileNotFoundError):
                os.replace(self._numbered(number - 1) if number > 1 else self._path, older)

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

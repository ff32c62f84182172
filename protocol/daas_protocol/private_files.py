"""Reading files that only their owner may read: symlinks and loose modes are refused before a byte is used."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class PrivateFileExposed(PermissionError):
    """A secret file can be read or written by others, or is no regular file."""


class PrivateFileTooLarge(ValueError):
    """A secret file is larger than anything this program writes there."""


def read_private(path: Path, max_bytes: int) -> bytes:
    """The file's bytes (at most `max_bytes`).

    Raises FileNotFoundError, PrivateFileExposed (group or others have any right, owner differs, not a regular file),
    PrivateFileTooLarge. Modes are only checked where the system has them (not on Windows).
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError as problem:
        if path.is_symlink():
            raise PrivateFileExposed(f"{path} is a symbolic link; put the file itself there") from None
        raise problem
    with os.fdopen(descriptor, "rb") as file:
        state = os.fstat(file.fileno())
        if not stat.S_ISREG(state.st_mode):
            raise PrivateFileExposed(f"{path} is no regular file")
        if os.name == "posix":
            if state.st_mode & 0o077:
                mode = stat.S_IMODE(state.st_mode)
                raise PrivateFileExposed(f"{path} has mode {mode:04o}, others may use it; run: chmod 600 {path}")
            if state.st_uid != os.geteuid():
                raise PrivateFileExposed(f"{path} belongs to user {state.st_uid}, not to this one ({os.geteuid()})")
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise PrivateFileTooLarge(f"{path} is larger than {max_bytes} bytes")
    return data

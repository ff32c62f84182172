"""One sender at a time for each key of a home.

Invariant: two commands never sign transactions over the same coin at once. On Sui two such transactions can lock the
coin until the epoch ends; a command that waits for the other costs seconds instead. It holds among the commands of one
home: a key that is used elsewhere too needs coins, or better a key, of its own there.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from .errors import RefusedError

WAIT_SECONDS: Final = 120.0
"""Longer than any command takes between its first signature and its end, publishing on a slow network included."""
POLL_SECONDS: Final = 0.05


class KeyLock:
    """Free again when it is closed, or when its process ends in whatever way."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def close(self) -> None:
        os.close(self._descriptor)


async def take(key_file: Path, waiting: Callable[[], None], seconds: float = WAIT_SECONDS) -> KeyLock:
    """`waiting` is called while another command has it. Raises RefusedError after `seconds`."""
    import fcntl  # not on Windows, where nothing is started

    path = key_file.with_suffix(".lock")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        until = asyncio.get_running_loop().time() + seconds
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return KeyLock(descriptor)
            except BlockingIOError:
                if asyncio.get_running_loop().time() >= until:
                    raise RefusedError(
                        f"another command sends transactions with {key_file.stem} for {seconds:g} s already",
                        "wait for it to end, or sign with another key: --key NAME",
                    ) from None
            waiting()
            await asyncio.sleep(POLL_SECONDS)
    except BaseException:
        os.close(descriptor)
        raise

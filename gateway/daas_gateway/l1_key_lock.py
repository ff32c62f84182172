"""One sender at a time for a key file, among the gateway and the commands of one home.

Invariant: while this process builds, signs or sends a transaction with the key, no command of the same home does; two
transactions over one coin or token could lock it until the epoch ends. The lock file is `daas`'s own: beside the key,
with the suffix `.lock`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from daas_gateway import l1_errors

WAIT_SECONDS: Final = 20.0
"""A command holds it for seconds; publishing a package may take longer, and is not done beside kubectl."""
POLL_SECONDS: Final = 0.02


@asynccontextmanager
async def key_lock(key_file: Path, wait_seconds: float = WAIT_SECONDS) -> AsyncIterator[None]:
    """Free again at the end of the block, or of the process. Raises KeyBusy."""
    try:
        import fcntl
    except ImportError:  # Windows: no command runs beside the gateway there
        yield
        return
    path = key_file.with_suffix(".lock")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as problem:
        raise l1_errors.KeyBusy(f"the lock {path} of your key cannot be used: {problem.strerror}") from None
    try:
        until = asyncio.get_running_loop().time() + wait_seconds
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if asyncio.get_running_loop().time() >= until:
                    raise l1_errors.KeyBusy(
                        f"a command of this home has been sending transactions with {key_file.stem} for "
                        f"{wait_seconds:g} s"
                    ) from None
            await asyncio.sleep(POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)

"""When to stop: SIGTERM, SIGINT, or the end of the lifeline pipe that whoever started this process holds open.

Invariant: an enclave in process mode never outlives the host that started it, even one killed by SIGKILL: the kernel
closes the other end of the pipe and reading gives EOF.
"""

from __future__ import annotations

import asyncio
import os
import signal
import stat
from collections.abc import Callable, Mapping
from typing import Final

LIFELINE_VARIABLE: Final = "DAAS_LIFELINE_FD"
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class LifelineError(ValueError):
    """`DAAS_LIFELINE_FD` does not name an open pipe or socket."""


def lifeline_fd(environment: Mapping[str, str]) -> int | None:
    """The descriptor named by the environment, checked; None when none is named. Raises `LifelineError`."""
    text = environment.get(LIFELINE_VARIABLE)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 6 or int(text) < 3:
        raise LifelineError(f"{LIFELINE_VARIABLE}={text[:20]!r} is not a descriptor number from 3 on")
    fd = int(text)
    try:
        mode = os.fstat(fd).st_mode
    except OSError as error:
        raise LifelineError(f"{LIFELINE_VARIABLE}={fd} is not open") from error
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        raise LifelineError(f"{LIFELINE_VARIABLE}={fd} is neither a pipe nor a socket")
    return fd


def watch(fd: int | None, stop: Callable[[str], None]) -> Callable[[], None]:
    """Call `stop(reason)` at the first signal or at the lifeline's end; returns what undoes the watching."""
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, stop, signal.Signals(number).name)
    if fd is not None:
        # The control plane's processes must not hold it, and reading must never wait.
        os.set_inheritable(fd, False)
        os.set_blocking(fd, False)
        loop.add_reader(fd, _on_readable, fd, stop)

    def undo() -> None:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
        if fd is not None:
            loop.remove_reader(fd)

    return undo


def _on_readable(fd: int, stop: Callable[[str], None]) -> None:
    try:
        # What is written there has no meaning; only its end does.
        if os.read(fd, 4096):
            return
    except BlockingIOError:
        return
    except OSError:
        pass
    asyncio.get_running_loop().remove_reader(fd)
    stop("lifeline closed")

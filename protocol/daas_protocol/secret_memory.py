"""Key material in memory: overwritten once it was used, and in no core dump (docs/decisions/0009-keys-in-memory.md).

What CPython allows: a `bytearray` can be overwritten, and so can a `bytes` object that nobody else holds. Integers,
text and what is inside another library's objects cannot; OpenSSL overwrites its own keys when they are freed.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from typing import Final, NoReturn

PR_SET_DUMPABLE: Final = 4  # linux/prctl.h
COREDUMP_FILTER: Final = "/proc/self/coredump_filter"
# References that a caller's only variable makes while it is looked at: the variable, the parameter, the argument of
# getrefcount (less where the interpreter borrows them, which errs on the side of overwriting nothing too much).
_SOLE_OWNER: Final = 3
_BYTES_HEADER: Final = bytes.__basicsize__ - 1


def wipe(data: bytearray) -> None:
    """Overwrite with zeros, in place."""
    if data:
        ctypes.memset((ctypes.c_char * len(data)).from_buffer(data), 0, len(data))


def scrub(data: bytes) -> bool:
    """Overwrite an immutable object that the caller alone holds, in one variable, and does not use again.

    False, and nothing is touched, where somebody else holds it too (constants, cached singletons, buffers).
    """
    if sys.implementation.name != "cpython" or type(data) is not bytes or sys.getrefcount(data) > _SOLE_OWNER:
        return False
    if len(data) > 1:  # objects of one byte and none are the interpreter's
        ctypes.memset(id(data) + _BYTES_HEADER, 0, len(data))
    return True


class Secret:
    """Bytes that are wiped at the end of a `with` block, or by `wipe()`; never shown, copied or serialised."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = bytearray(data)

    @classmethod
    def made_by(cls, make: Callable[[], bytes]) -> Secret:
        """What `make` returns, without leaving its copy behind where it is ours alone."""
        made = make()
        secret = cls(made)
        scrub(made)
        return secret

    @property
    def view(self) -> memoryview:
        return memoryview(self._data)

    def wipe(self) -> None:
        wipe(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __enter__(self) -> Secret:
        return self

    def __exit__(self, *_: object) -> None:
        self.wipe()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("key material is not serialised")


def forbid_core_dumps() -> None:
    """No core file of this process or of what it starts, and no memory in one that a handler is piped (core(5)).

    RLIMIT_CORE does not hold for piped handlers; an empty filter does. Raises OSError where the limit cannot be set;
    on systems without such limits there is nothing to do.
    """
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        descriptor = os.open(COREDUMP_FILTER, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return  # not Linux, or a kernel without core dumps
    try:
        os.write(descriptor, b"0x0")
    finally:
        os.close(descriptor)


def forbid_inspection() -> None:
    """No ptrace, no /proc/PID/mem and no core for anybody but root (Linux). Raises OSError where the kernel refuses."""
    if sys.platform == "linux" and ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OSError("the kernel refused PR_SET_DUMPABLE=0: keys could be dumped")

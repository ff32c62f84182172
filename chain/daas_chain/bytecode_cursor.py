"""Reading numbers and bytes out of a compiled module.

Invariant: a cursor never reads past `end`, takes a number only in its shortest form and only up to the caller's cap,
and raises nothing but `BytecodeError`.
"""

from .bytecode_errors import TruncatedError, UlebError

INDEX_MAX = 65_535
"""Of every index and of most lengths: two bytes in the virtual machine."""


class Cursor:
    """A position between `start` and `end` of the module's bytes."""

    __slots__ = ("_data", "_end", "_position")

    def __init__(self, data: bytes, start: int, end: int) -> None:
        self._data = data
        self._position = start
        self._end = end

    @property
    def position(self) -> int:
        """Offset in the module's bytes."""
        return self._position

    @property
    def done(self) -> bool:
        """Nothing is left."""
        return self._position >= self._end

    def take(self, length: int) -> bytes:
        """Exactly `length` bytes. Raises TruncatedError."""
        after = self._position + length
        if after > self._end:
            raise TruncatedError(f"{length} bytes", f"{self._end - self._position}", self._position)
        taken = self._data[self._position : after]
        self._position = after
        return taken

    def since(self, start: int) -> bytes:
        """The bytes read since `start`, an earlier position of this cursor."""
        return self._data[start : self._position]

    def byte(self) -> int:
        """One byte. Raises TruncatedError."""
        if self._position >= self._end:
            raise TruncatedError("1 byte", "0", self._position)
        value = self._data[self._position]
        self._position += 1
        return value

    def uleb(self, largest: int = INDEX_MAX) -> int:
        """A ULEB128 number of at most `largest`. Raises TruncatedError, UlebError."""
        start = self._position
        value = self.byte()
        if value & 0x80:
            value &= 0x7F
            shift = 7
            while True:
                byte = self.byte()
                value |= (byte & 0x7F) << shift
                if byte < 0x80:
                    break
                shift += 7
                if shift > 28:
                    raise UlebError("at most 5 bytes", "more", start)
            if byte == 0:
                raise UlebError("the shortest form", "a last byte of zero", start)
        if value > largest:
            raise UlebError(f"at most {largest}", str(value), start)
        return value

    def blob(self, largest: int) -> bytes:
        """A length of at most `largest`, then so many bytes. Raises TruncatedError, UlebError."""
        return self.take(self.uleb(largest))

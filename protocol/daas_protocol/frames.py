"""Frames of a longer answer, and pipe frames of an upgraded stream.

    frame      = u32 BE length (0..1 MiB) || data || u16 BE length || signed StreamReceipt
    pipe frame = type u8 (0 data, 1 close) || u32 BE length (0..64 KiB) || payload
    payload of the enclave's close = bcs(UpgradeClose) (16 B) || signed StreamReceipt; of the gateway's: nothing

Invariant: a decoder gives the same frames however the bytes were cut, holds at most one incomplete frame between
calls, and after an error gives nothing more. Source: docs/protocol.md, "HTTP between gateway and enclave".
"""

import struct
from enum import IntEnum

from daas_protocol.receipt import MAX_SIGNED_MESSAGE_BYTES, UPGRADE_CLOSE_BYTES, UpgradeClose

MAX_FRAME_DATA = 1024 * 1024
"""Where a unary answer ends and frames begin; a verifier must hold one frame before it may hand it on."""
MAX_PIPE_PAYLOAD = 64 * 1024

_DATA_LENGTH = struct.Struct(">I")
_RECEIPT_LENGTH = struct.Struct(">H")
_PIPE_HEAD = struct.Struct(">BI")


class FrameError(ValueError):
    """Bytes that are no sequence of frames."""


class FrameDataLengthError(FrameError):
    def __init__(self, actual: int) -> None:
        self.expected = MAX_FRAME_DATA
        self.actual = actual
        super().__init__(f"frame data has at most {MAX_FRAME_DATA} bytes, not {actual}")


class FrameReceiptLengthError(FrameError):
    def __init__(self, actual: int) -> None:
        self.expected = MAX_SIGNED_MESSAGE_BYTES
        self.actual = actual
        super().__init__(f"the receipt of a frame has 1..{MAX_SIGNED_MESSAGE_BYTES} bytes, not {actual}")


class PipeTypeError(FrameError):
    def __init__(self, actual: int) -> None:
        self.expected = tuple(int(kind) for kind in PipeType)
        self.actual = actual
        super().__init__(f"type of a pipe frame is one of {self.expected}, not {actual}")


class PipePayloadLengthError(FrameError):
    def __init__(self, actual: int) -> None:
        self.expected = MAX_PIPE_PAYLOAD
        self.actual = actual
        super().__init__(f"the payload of a pipe frame has at most {MAX_PIPE_PAYLOAD} bytes, not {actual}")


class PipeAfterCloseError(FrameError):
    def __init__(self, actual: int) -> None:
        self.expected = 0
        self.actual = actual
        super().__init__(f"{actual} bytes behind the closing pipe frame")


class ClosePayloadError(FrameError):
    def __init__(self, actual: int) -> None:
        self.expected = UPGRADE_CLOSE_BYTES + MAX_SIGNED_MESSAGE_BYTES
        self.actual = actual
        super().__init__(f"an enclave's close carries counts and a receipt, at most {self.expected} B, not {actual}")


class TruncatedFrameError(FrameError):
    """The bytes ended inside a frame."""

    def __init__(self, actual: int) -> None:
        self.actual = actual
        super().__init__(f"the stream ended inside a frame, after {actual} bytes of it")


class PipeType(IntEnum):
    DATA = 0
    CLOSE = 1


def encode_frame(data: bytes, receipt: bytes) -> bytes:
    """`data`: 0..1 MiB; `receipt`: an encoded signed message. Raises `FrameError`."""
    if len(data) > MAX_FRAME_DATA:
        raise FrameDataLengthError(len(data))
    if not 1 <= len(receipt) <= MAX_SIGNED_MESSAGE_BYTES:
        raise FrameReceiptLengthError(len(receipt))
    return b"".join((_DATA_LENGTH.pack(len(data)), data, _RECEIPT_LENGTH.pack(len(receipt)), receipt))


def encode_pipe(type: int, payload: bytes) -> bytes:
    """`payload`: 0..64 KiB. Raises `FrameError`."""
    if type not in (PipeType.DATA, PipeType.CLOSE):
        raise PipeTypeError(type)
    if len(payload) > MAX_PIPE_PAYLOAD:
        raise PipePayloadLengthError(len(payload))
    return _PIPE_HEAD.pack(type, len(payload)) + payload


def encode_close(close: UpgradeClose, receipt: bytes) -> bytes:
    """The enclave's closing pipe frame. `receipt`: the encoded signed StreamReceipt over bcs(close)."""
    if not 1 <= len(receipt) <= MAX_SIGNED_MESSAGE_BYTES:
        raise FrameReceiptLengthError(len(receipt))
    return encode_pipe(PipeType.CLOSE, close.to_bcs() + receipt)


def split_close(payload: bytes) -> tuple[UpgradeClose, bytes]:
    """Counts and encoded receipt from the payload of an enclave's close. Verifies nothing but the lengths."""
    if not UPGRADE_CLOSE_BYTES < len(payload) <= UPGRADE_CLOSE_BYTES + MAX_SIGNED_MESSAGE_BYTES:
        raise ClosePayloadError(len(payload))
    return UpgradeClose.from_bcs(payload[:UPGRADE_CLOSE_BYTES]), payload[UPGRADE_CLOSE_BYTES:]


def _cut(buffer: bytearray, start: int, end: int) -> bytes:
    with memoryview(buffer) as view:  # a slice of the bytearray itself would copy twice
        return view[start:end].tobytes()


class FrameDecoder:
    """Cuts the decoded body of a framed answer into (data, encoded receipt). Verifies nothing."""

    __slots__ = ("_buffer", "_failure")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._failure: FrameError | None = None

    @property
    def pending(self) -> int:
        """Bytes of an incomplete frame that are held."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """Frames completed by `data`. Raises `FrameError`, and the same again on each later call."""
        if self._failure is not None:
            raise self._failure
        buffer = self._buffer
        buffer += data
        frames: list[tuple[bytes, bytes]] = []
        position = 0
        try:
            while (end := self._frame_end(position)) is not None:
                (length,) = _DATA_LENGTH.unpack_from(buffer, position)
                middle = position + 4 + length
                frames.append((_cut(buffer, position + 4, middle), _cut(buffer, middle + 2, end)))
                position = end
        except FrameError as error:
            self._failure = error
            buffer.clear()
            if frames:
                return frames  # the error comes with the next call: what was whole before it is still handed on
            raise
        del buffer[:position]
        return frames

    def end(self) -> None:
        """The stream ended. Raises `TruncatedFrameError` inside a frame, or the error that was met before."""
        if self._failure is not None:
            raise self._failure
        if self._buffer:
            raise TruncatedFrameError(len(self._buffer))

    def _frame_end(self, position: int) -> int | None:
        buffer = self._buffer
        available = len(buffer) - position
        if available < 4:
            return None
        (length,) = _DATA_LENGTH.unpack_from(buffer, position)
        if length > MAX_FRAME_DATA:
            raise FrameDataLengthError(length)
        if available < 4 + length + 2:
            return None
        (receipt,) = _RECEIPT_LENGTH.unpack_from(buffer, position + 4 + length)
        if not 1 <= receipt <= MAX_SIGNED_MESSAGE_BYTES:
            raise FrameReceiptLengthError(receipt)
        end: int = position + 4 + length + 2 + receipt
        return end if end <= len(buffer) else None


class PipeDecoder:
    """Cuts one direction of an upgraded stream into (type, payload). Nothing may follow a close."""

    __slots__ = ("_buffer", "_failure", "closed")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._failure: FrameError | None = None
        self.closed = False

    @property
    def pending(self) -> int:
        """Bytes of an incomplete frame that are held."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[tuple[PipeType, bytes]]:
        """Frames completed by `data`. Raises `FrameError`, and the same again on each later call."""
        if self._failure is not None:
            raise self._failure
        buffer = self._buffer
        buffer += data
        frames: list[tuple[PipeType, bytes]] = []
        position = 0
        try:
            while len(buffer) - position > 0:
                if self.closed:
                    raise PipeAfterCloseError(len(buffer) - position)
                kind = buffer[position]
                if kind > PipeType.CLOSE:
                    raise PipeTypeError(kind)
                if len(buffer) - position < _PIPE_HEAD.size:
                    break
                (length,) = _DATA_LENGTH.unpack_from(buffer, position + 1)
                if length > MAX_PIPE_PAYLOAD:
                    raise PipePayloadLengthError(length)
                end: int = position + _PIPE_HEAD.size + length
                if end > len(buffer):
                    break
                frames.append((PipeType(kind), _cut(buffer, position + _PIPE_HEAD.size, end)))
                self.closed = kind == PipeType.CLOSE
                position = end
        except FrameError as error:
            self._failure = error
            buffer.clear()
            if frames:
                return frames
            raise
        del buffer[:position]
        return frames

    def end(self) -> None:
        """The stream ended. Raises `TruncatedFrameError` without a whole closing frame, or the earlier error."""
        if self._failure is not None:
            raise self._failure
        if not self.closed:
            raise TruncatedFrameError(len(self._buffer))

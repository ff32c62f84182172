"""The real NSM: raw CBOR messages over ioctl on `/dev/nsm` (Linux, include/uapi/linux/nsm.h, drivers/misc/nsm.c).

It has not run on the real device yet: there is none on a development machine. What is tested is every byte on either
side of the ioctl, against the recorded and documented forms, with a double in place of the kernel.

The device is opened once. A request blocks for as long as the driver waits for the module (up to two minutes), so an
event loop calls it from a thread; calls are serialised here because request and response share their buffers.
"""

import ctypes
import errno
import os
import struct
import threading
from collections.abc import Callable

from daas_attestation import nsm_wire
from daas_attestation.anchor import AwsAnchor
from daas_attestation.nsm import NsmDescription, NsmError, NsmErrorCode, PcrState, check_random_size
from daas_protocol.secret_memory import scrub, wipe

DEVICE_PATH = "/dev/nsm"
_MESSAGE = struct.Struct("=QQQQ")  # struct nsm_raw: address and length of the request, then of the response
_MAGIC = 0x0A
_READ_WRITE = 3
IOCTL_RAW = _READ_WRITE << 30 | _MESSAGE.size << 16 | _MAGIC << 8  # _IOWR(0x0A, 0, struct nsm_raw)

Ioctl = Callable[[int, int, bytearray], int]


def _kernel_ioctl() -> Ioctl:
    # Imported here so that this module loads, for its tests, where there is no fcntl.
    from fcntl import ioctl

    return ioctl


class NsmDevice:
    """The `Nsm` (and `PcrNsm`) of a Nitro enclave; its anchor is AWS's root. All methods raise `NsmError`.

    `ioctl` stands in for the kernel's in tests.
    """

    def __init__(self, path: str = DEVICE_PATH, *, ioctl: Ioctl | None = None) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
        except OSError as error:
            detail = f"{path}: {error.strerror}; it exists only inside a Nitro enclave with the nsm driver"
            raise NsmError("open", NsmErrorCode.INTERNAL_ERROR, detail) from None
        self._ioctl = ioctl or _kernel_ioctl()
        self._request = ctypes.create_string_buffer(nsm_wire.REQUEST_MAX_BYTES)
        self._response = ctypes.create_string_buffer(nsm_wire.RESPONSE_MAX_BYTES)
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the device. No method may be called afterwards."""
        with self._lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    @property
    def anchor(self) -> AwsAnchor:
        """The root of AWS Nitro Enclaves."""
        return AwsAnchor()

    def random(self, n: int) -> bytes:
        """`n` bytes (0..4096), in as many requests as it takes."""
        check_random_size(n)
        entropy, filled = bytearray(n), 0
        request = nsm_wire.plain_request(nsm_wire.GET_RANDOM)
        # Ends: an answer has at least one byte, or it is an error.
        while filled < n:
            answer = self._call(nsm_wire.GET_RANDOM, request)
            piece = nsm_wire.decode_random(answer)
            taken = min(len(piece), n - filled)
            # From view to view: a slice of the bytearray would be filled by way of one more copy.
            memoryview(entropy)[filled : filled + taken] = memoryview(piece)[:taken]
            filled += taken
            # Keys are made of this: only the bytes that are returned may stay.
            scrub(answer)
            scrub(piece)
        drawn = bytes(entropy)
        wipe(entropy)
        return drawn

    def describe(self) -> NsmDescription:
        """Identity, version and locked PCRs."""
        request = nsm_wire.plain_request(nsm_wire.DESCRIBE_NSM)
        return nsm_wire.decode_description(self._call(nsm_wire.DESCRIBE_NSM, request))

    def attestation(self, *, nonce: bytes | None, user_data: bytes | None, public_key: bytes | None) -> bytes:
        """A COSE_Sign1 document, about 4.5 KB, over at most 512, 512 and 1024 bytes."""
        request = nsm_wire.attestation_request(nonce, user_data, public_key)
        return nsm_wire.decode_attestation(self._call(nsm_wire.ATTESTATION, request))

    def describe_pcr(self, index: int) -> PcrState:
        """Value (48 B) and lock of PCR `index`."""
        request = nsm_wire.pcr_request(nsm_wire.DESCRIBE_PCR, index)
        return nsm_wire.decode_pcr(self._call(nsm_wire.DESCRIBE_PCR, request))

    def extend_pcr(self, index: int, data: bytes) -> bytes:
        """The new value, 48 B: SHA-384(old value || data)."""
        request = nsm_wire.extend_request(index, data)
        return nsm_wire.decode_extend(self._call(nsm_wire.EXTEND_PCR, request))

    def lock_pcr(self, index: int) -> None:
        """Make PCR `index` read-only."""
        request = nsm_wire.pcr_request(nsm_wire.LOCK_PCR, index)
        nsm_wire.decode_plain(nsm_wire.LOCK_PCR, self._call(nsm_wire.LOCK_PCR, request))

    def lock_pcrs(self, count: int) -> None:
        """Make PCRs 0..count-1 read-only."""
        request = nsm_wire.lock_pcrs_request(count)
        nsm_wire.decode_plain(nsm_wire.LOCK_PCRS, self._call(nsm_wire.LOCK_PCRS, request))

    def _call(self, operation: str, request: bytes) -> bytes:
        if len(request) > nsm_wire.REQUEST_MAX_BYTES:
            raise NsmError(operation, NsmErrorCode.INPUT_TOO_LARGE, f"{len(request)} bytes")
        with self._lock:
            if self._descriptor < 0:
                raise NsmError(operation, NsmErrorCode.INTERNAL_ERROR, "the device is closed")
            ctypes.memmove(self._request, request, len(request))
            message = bytearray(
                _MESSAGE.pack(
                    ctypes.addressof(self._request),
                    len(request),
                    ctypes.addressof(self._response),
                    nsm_wire.RESPONSE_MAX_BYTES,
                )
            )
            try:
                self._ioctl(self._descriptor, IOCTL_RAW, message)
                length = _MESSAGE.unpack(message)[3]
                if length > nsm_wire.RESPONSE_MAX_BYTES:
                    raise NsmError(operation, NsmErrorCode.INVALID_RESPONSE, f"{length} bytes")
                return ctypes.string_at(self._response, length)
            except OSError as error:
                too_large = error.errno == errno.EMSGSIZE
                code = NsmErrorCode.INPUT_TOO_LARGE if too_large else NsmErrorCode.INTERNAL_ERROR
                raise NsmError(operation, code, os.strerror(error.errno or 0)) from None
            finally:
                # Entropy and user data must not stay behind in a buffer that lives as long as the process.
                ctypes.memset(self._response, 0, nsm_wire.RESPONSE_MAX_BYTES)
                ctypes.memset(self._request, 0, nsm_wire.REQUEST_MAX_BYTES)

"""The enclave's time: the timestamp of its own attestation documents, carried on by the kernel's monotonic clock.

Invariant: the wall clock of the machine is never read here, and `now_ms` never goes backwards. In process mode the
simulated NSM stands where the Nitro side stands, so there (and only there) the timestamp is the machine's own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from daas_attestation.document import parse_unverified
from daas_attestation.nsm import Nsm

# A gateway refuses receipts more than 30 s off its own clock; a minute of crystal drift is far below that.
SYNC_INTERVAL_S: Final = 60.0
# Half of this is the largest error one reading may have; a slower answer is refused and asked for again.
MAX_ROUND_TRIP_MS: Final = 4_000
# Time may be re-anchored this far back before the boot is called broken: drift, not a replayed document.
MAX_STEP_BACK_MS: Final = 10_000
NONCE_BYTES: Final = 32
NS_PER_MS: Final = 1_000_000


class ClockError(Exception):
    """The NSM gave no usable time."""


class NonceMismatch(ClockError):
    """The document is not the answer to this question."""

    def __init__(self, expected: bytes, actual: bytes | None) -> None:
        super().__init__(f"attestation document carries nonce {(actual or b'').hex()}, asked with {expected.hex()}")
        self.expected = expected
        self.actual = actual


class SlowDocument(ClockError):
    """The document took so long that its timestamp says too little."""

    def __init__(self, actual_ms: int) -> None:
        super().__init__(f"the NSM answered after {actual_ms} ms, usable up to {MAX_ROUND_TRIP_MS} ms")
        self.expected = MAX_ROUND_TRIP_MS
        self.actual = actual_ms


class TimeWentBack(ClockError):
    """The document is older than time already known to have passed."""

    def __init__(self, expected_ms: int, actual_ms: int) -> None:
        super().__init__(f"the NSM says {actual_ms} ms, but {expected_ms} ms has already passed")
        self.expected = expected_ms
        self.actual = actual_ms


@dataclass(frozen=True, slots=True)
class Reading:
    """One anchoring: at `monotonic_ns` it was `timestamp_ms`, to within `error_ms`; `step_ms` is the correction."""

    timestamp_ms: int
    monotonic_ns: int
    error_ms: int
    step_ms: int


class NsmClock:
    """`now_ms()` from the last reading. `sync()` blocks for one NSM call; `run()` repeats it off the event loop."""

    def __init__(self, nsm: Nsm, monotonic_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._nsm = nsm
        self._monotonic_ns = monotonic_ns
        self._reading: Reading | None = None
        self._last_ms = 0
        self._failures = 0
        self.last_error: str | None = None

    @property
    def reading(self) -> Reading | None:
        return self._reading

    @property
    def failures(self) -> int:
        """Syncs in a row that failed; 0 after a good one."""
        return self._failures

    def age_ms(self) -> int:
        """How long ago the last good reading was taken."""
        if self._reading is None:
            raise ClockError("the clock has not been set yet")
        return (self._monotonic_ns() - self._reading.monotonic_ns) // NS_PER_MS

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch; raises `ClockError` before the first `sync`."""
        reading = self._reading
        if reading is None:
            raise ClockError("the clock has not been set yet")
        now = reading.timestamp_ms + (self._monotonic_ns() - reading.monotonic_ns) // NS_PER_MS
        # A correction backwards must not un-happen time that receipts already carry: stand still instead.
        if now < self._last_ms:
            return self._last_ms
        self._last_ms = now
        return now

    def sync(self) -> Reading:
        """Ask the NSM once. Raises a `ClockError`; the old reading stays then."""
        try:
            reading = self._read()
        except Exception as error:
            self._failures += 1
            self.last_error = f"{type(error).__name__}: {error}"[:200]
            if isinstance(error, ClockError):
                raise
            raise ClockError(f"the NSM gave no time: {type(error).__name__}") from error
        self._reading = reading
        self._failures = 0
        self.last_error = None
        return reading

    def _read(self) -> Reading:
        nonce = self._nsm.random(NONCE_BYTES)
        before = self._monotonic_ns()
        data = self._nsm.attestation(nonce=nonce, user_data=None, public_key=None)
        after = self._monotonic_ns()
        # The document is not verified: it comes from this TEE's own device, and a chain's validity cannot be checked
        # without the very time that is being asked for.
        document = parse_unverified(data)
        if document.nonce != nonce:
            raise NonceMismatch(nonce, document.nonce)
        round_trip_ms = (after - before) // NS_PER_MS
        if round_trip_ms > MAX_ROUND_TRIP_MS:
            raise SlowDocument(round_trip_ms)
        middle = before + (after - before) // 2
        step = 0
        if self._reading is not None:
            carried = self._reading.timestamp_ms + (middle - self._reading.monotonic_ns) // NS_PER_MS
            step = document.timestamp_ms - carried
            if step < -MAX_STEP_BACK_MS:
                raise TimeWentBack(carried, document.timestamp_ms)
        return Reading(document.timestamp_ms, middle, round_trip_ms // 2 + 1, step)

    async def run(self, on_result: Callable[[Reading | ClockError], None]) -> None:
        """Sync every `SYNC_INTERVAL_S` until cancelled; `on_result` hears of each outcome."""
        while True:
            await asyncio.sleep(SYNC_INTERVAL_S)
            try:
                on_result(await asyncio.to_thread(self.sync))
            except ClockError as error:
                on_result(error)

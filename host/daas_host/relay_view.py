"""What time it is on the chain, how fresh the enclave's view can be, and the cluster's parameters.

Invariant: nothing here depends on the host's wall clock: time is that of the newest checkpoint and what a monotonic
clock has measured since, so a host whose clock is wrong sends beacons and drops receipts all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from daas_chain.values import Parameters
from daas_host.relay_select import Selected


@dataclass(slots=True)
class ChainView:
    """`clock`: monotonic seconds."""

    clock: Callable[[], float]
    params: Parameters | None = None
    shown_ms: int | None = None
    """Time of the newest checkpoint in which an event shows both heads."""
    _newest_ms: int | None = None
    _seen: float = 0.0

    def saw(self, one: Selected) -> None:
        self._newest_ms, self._seen = one.timestamp_ms, self.clock()
        if one.shows_both:
            self.shown_ms = one.timestamp_ms

    @property
    def newest_ms(self) -> int | None:
        return self._newest_ms

    def now_ms(self) -> int | None:
        """None before the first checkpoint."""
        if self._newest_ms is None:
            return None
        return self._newest_ms + int((self.clock() - self._seen) * 1000)

    def beacon_age_ms(self) -> int | None:
        """How old the newest sight of both heads is; None before the first checkpoint."""
        now = self.now_ms()
        if now is None:
            return None
        return now if self.shown_ms is None else max(0, now - self.shown_ms)

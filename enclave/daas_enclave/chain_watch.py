"""What this boot may do by verified state, and when it has to show itself on chain.

Invariant: it serves only while its own boot is current, valid and unexpired in a view whose beacon is not older than
the staleness bound, and never within that bound after another boot that has not said goodbye. Time is an argument.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from daas_chain.follow.follower import Verified
from daas_chain.state_view import Slot, StateView
from daas_chain.values import Boot, Parameters
from daas_enclave.phases import Phase

SUPERSEDED, DRAINED, HANDED_OFF, SLASHED = range(1, 5)
"""`end_reason` of a boot (`enclave.move`)."""
END_REASONS: Final = {
    SUPERSEDED: "a later boot has taken over the slot",
    DRAINED: "this boot has been drained",
    HANDED_OFF: "this boot has handed its state over",
    SLASHED: "this boot has been slashed",
}
NONCE_ZEROS: Final = bytes(24)
LEAST_RETRY_MS: Final = 5_000
"""Between two documents for the same purpose: whoever submits them needs a checkpoint or two to show it."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The phase that verified state asks for: Unregistered, Serving, Paused or Draining."""

    phase: Phase
    reason: str


class Purpose(Enum):
    REGISTRATION = "registration"
    HEARTBEAT = "heartbeat"


@dataclass(frozen=True, slots=True)
class Due:
    """A document to make: for the slot's `generation`, with the request key when it is `with_key`."""

    purpose: Purpose
    generation: int
    with_key: bool

    @property
    def nonce(self) -> bytes:
        return NONCE_ZEROS + self.generation.to_bytes(8, "big")


class ChainWatch:
    """For one boot (16 bytes) of one slot (32 bytes)."""

    def __init__(self, enclave_id: bytes, boot_id: bytes) -> None:
        self._enclave = enclave_id
        self._boot = boot_id
        self._serves_from_ms: int | None = None
        self._served = False
        self._asked: tuple[Due, bytes] | None = None
        self._asked_ms = 0

    def look(self, verified: Verified | None, now_ms: int, blocked: str = "") -> Standing:
        """The standing at `now_ms`, the enclave's own time. `blocked`: what of the contract this image cannot read."""
        waiting = Phase.PAUSED if self._served else Phase.UNREGISTERED
        if blocked:
            return Standing(waiting, blocked)
        if verified is None:
            return Standing(waiting, "no verified beacon yet")
        slot = verified.state.slots.get(self._enclave)
        params = verified.state.params
        if slot is None or params is None:
            return Standing(waiting, "the slot is not in verified state")
        if (ended := slot.ended.get(self._boot)) is not None:
            return Standing(Phase.DRAINING, END_REASONS.get(ended.end_reason, f"end reason {ended.end_reason}"))
        if (age := verified.age_ms(now_ms)) > params.staleness_ms:
            return Standing(waiting, f"the newest verified beacon is {age} ms old, {params.staleness_ms} ms at most")
        if (behind := verified.beacon_ms - now_ms) > params.clock_skew_ms:
            # With a clock that is late no beacon would ever look old.
            return Standing(waiting, f"this enclave's clock is {behind} ms behind the chain's")
        boot = slot.boot
        if boot is None or boot.boot_id != self._boot:
            return Standing(waiting, "this boot is not registered")
        if not verified.state.is_policy_valid(boot.policy_version):
            return Standing(Phase.DRAINING, f"image version {boot.policy_version} counts no longer")
        if now_ms >= boot.expires_at_ms:
            return Standing(Phase.DRAINING, "the registration has expired")
        if self._serves_from_ms is None:
            self._serves_from_ms = now_ms + (params.staleness_ms if must_wait(slot, boot) else 0)
        if now_ms < self._serves_from_ms:
            # The boot before may still serve from what it saw last.
            return Standing(waiting, f"the boot before may serve for {self._serves_from_ms - now_ms} ms more")
        self._served = True
        return Standing(Phase.SERVING, f"registered as generation {boot.generation}")

    def due(self, verified: Verified | None, now_ms: int, request_key_sha256: bytes) -> Due | None:
        """The document that is due now, or None. Once said it is not said again until it is overdue."""
        found = None if verified is None else self._needed(verified, now_ms, request_key_sha256)
        if found is None or verified is None or verified.state.params is None:
            return None
        asked = (found, request_key_sha256)
        if asked == self._asked and now_ms - self._asked_ms < _retry_ms(verified.state.params):
            return None
        self._asked, self._asked_ms = asked, now_ms
        return found

    def ask_again(self) -> None:
        """What was due last has reached nobody."""
        self._asked = None

    def _needed(self, verified: Verified, now_ms: int, request_key_sha256: bytes) -> Due | None:
        state: StateView = verified.state
        slot = state.slots.get(self._enclave)
        if slot is None or state.params is None or self._boot in slot.ended:
            return None
        if verified.age_ms(now_ms) > state.params.staleness_ms:
            return None
        boot = slot.boot
        if boot is None or boot.boot_id != self._boot:
            return Due(Purpose.REGISTRATION, slot.generation, with_key=True)
        with_key = boot.request_key_sha256 != request_key_sha256
        half = boot.attested_at_ms + (boot.expires_at_ms - boot.attested_at_ms) // 2
        if with_key or now_ms >= half:
            return Due(Purpose.HEARTBEAT, slot.generation, with_key)
        return None


def must_wait(slot: Slot, boot: Boot) -> bool:
    """Whether the boot before this one may still believe that it is current."""
    before = [one for one in slot.ended.values() if one.generation == boot.generation - 1]
    return bool(before) and before[0].end_reason not in (DRAINED, HANDED_OFF)


def _retry_ms(params: Parameters) -> int:
    # A document older than `attestation_age_ms` is refused, so half of that is early enough for another.
    return max(LEAST_RETRY_MS, params.attestation_age_ms // 2)

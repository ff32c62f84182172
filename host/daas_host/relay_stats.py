"""What the relay counts and knows of itself, for Prometheus and `host.json`."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class RelayStats:
    """Plain figures; sums of money in MIST."""

    state: str = "starting"
    """starting, connecting, following, or failed."""
    error: str = ""
    """Why the relay is not following, or what it last failed at."""
    position: int | None = None
    """The newest checkpoint that the journal has behind it."""
    tip: int | None = None
    """The network's newest checkpoint, as the node says."""
    seen_ms: int | None = None
    """Time of the newest checkpoint that was followed."""
    lag_ms: int | None = None
    beacon_age_ms: int | None = None
    connected: bool = False
    """To the enclave's chain port."""
    enclave_checkpoint: int | None = None
    enclave_epoch: int | None = None
    queue: dict[str, int] = field(default_factory=lambda: {"settle": 0, "drain": 0, "attest": 0})
    """What waits, by kind."""
    queue_bytes: int = 0
    payloads: int = 0
    payload_bytes: int = 0
    submitted: dict[str, int] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    """Transactions that did not do what they should, by reason."""
    dropped: dict[str, int] = field(default_factory=dict)
    """Statements that were given up, by reason."""
    done_elsewhere: int = 0
    """Statements whose requests had an end already."""
    gas_mist: int = 0
    sent: dict[str, int] = field(default_factory=dict)
    """Messages to the enclave, by kind."""
    received: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    """What the enclave has refused, by check."""
    connections: int = 0
    reconnects: int = 0
    """To the node."""

    @property
    def lag_checkpoints(self) -> int | None:
        if self.tip is None or self.position is None:
            return None
        return max(0, self.tip - self.position)


MAX_LABELS = 200
"""Reasons come from the contract and from the enclave: a stranger's enclave must not fill the host's memory."""


def count(where: dict[str, int], name: str, by: int = 1) -> None:
    """Adds to one figure; beyond `MAX_LABELS` names they are all `other`."""
    if name not in where and len(where) >= MAX_LABELS:
        name = "other"
    where[name] = where.get(name, 0) + by

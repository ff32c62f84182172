"""All fuzz targets by name."""

from __future__ import annotations

from fuzz import (
    attestation_targets,
    chain_targets,
    envelope_targets,
    file_targets,
    follow_targets,
    light_targets,
    log_targets,
    mailbox_targets,
    protocol_targets,
)
from fuzz.target import Target

TARGETS: dict[str, Target] = {
    **attestation_targets.TARGETS,
    **protocol_targets.TARGETS,
    **log_targets.TARGETS,
    **file_targets.TARGETS,
    **chain_targets.TARGETS,
    **light_targets.TARGETS,
    **follow_targets.TARGETS,
    **envelope_targets.TARGETS,
    **mailbox_targets.TARGETS,
}

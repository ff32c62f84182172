"""What verdicts are made with: the root a user trusts, the measurements they accept, the file they were given."""

from __future__ import annotations

import sys
from pathlib import Path

from daas_attestation import measurements
from daas_attestation.anchor import TrustAnchor
from daas_attestation.measurements import Measurement, MeasurementError
from daas_gateway import attest

from .errors import UnreadableError
from .home import Home

MAX_FILE = 8 * 1024 * 1024
AWS = "aws"
SIMULATED = "simulated"


def anchor_text(kind: str) -> str:
    """The trust anchor, with what it is worth; nothing simulated is shown as real."""
    if kind == SIMULATED:
        return "simulated: a development root made on this machine; proves nothing about hardware"
    return kind


def read_file(path: Path) -> bytes:
    """A file, or standard input for '-', of at most 8 MiB. Raises UnreadableError."""
    try:
        if str(path) == "-":
            data = sys.stdin.buffer.read(MAX_FILE + 1)
        else:
            with path.open("rb") as file:
                data = file.read(MAX_FILE + 1)
    except OSError as problem:
        raise UnreadableError(f"cannot read {path}: {problem.strerror}", "name a file that exists") from None
    if len(data) > MAX_FILE:
        raise UnreadableError(f"{path} is larger than {MAX_FILE} bytes", "is it the right file?")
    return data


def load_anchor(home: Home, root: str | None) -> TrustAnchor | None:
    """The trust anchor to judge by; None when none is named and the instance has none. Raises UnreadableError."""
    path = home.development_ca / "root.pem"
    if root is None:
        if not path.is_file():
            return None
    elif root != AWS:
        path = Path(root)
    try:
        return attest.load_anchor(None if root == AWS else path)
    except (OSError, ValueError) as problem:
        raise UnreadableError(f"the root {path} cannot be used: {problem}", "give --root aws or a PEM file") from None


def load_measurements(home: Home, path: Path | None, *, own: bool = True) -> tuple[Measurement, ...] | None:
    """The accepted measurements; None when none are named and the instance has none, or, without `own`, whatever it
    has. Raises UnreadableError.
    """
    chosen = path or home.measurements
    if path is None and not (own and chosen.is_file()):
        return None
    try:
        return measurements.load(chosen)
    except (OSError, MeasurementError) as problem:
        raise UnreadableError(f"{chosen}: {problem}", "give --policy a measurements.json") from None

"""Files that describe a cluster: the images that it trusts, and its parameters."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Final

from daas_attestation import measurements
from daas_attestation.measurements import Measurement, MeasurementError
from daas_protocol import jsonstrict

from .errors import UnreadableError

MAX_PARAMETERS_BYTES: Final = 16 * 1024


def load_policy(path: Path) -> tuple[Measurement, ...]:
    """At least one measurement. Raises UnreadableError."""
    try:
        found = measurements.load(path)
    except (OSError, MeasurementError) as problem:
        raise UnreadableError(f"{path}: {problem}", "name a measurements.json with --policy") from None
    if not found:
        raise UnreadableError(f"{path} has no measurement", "measure an image first")
    return tuple(found)


def load_parameters(path: Path) -> dict[str, int]:
    """Fields of `Parameters` by name. Raises UnreadableError."""
    try:
        with path.open("rb") as file:
            document = jsonstrict.loads_object(file.read(MAX_PARAMETERS_BYTES + 1), MAX_PARAMETERS_BYTES)
    except (OSError, ValueError) as problem:
        raise UnreadableError(f"{path}: {problem}", "give a JSON file of parameters") from None
    if document.pop("version", None) != 1:
        raise UnreadableError(f'{path} has to begin with "version": 1', "correct the file")
    from daas_chain.values import Parameters  # its structures cost a start of every command

    known = {one.name for one in fields(Parameters)}
    for name, value in document.items():
        if name not in known:
            raise UnreadableError(f"{path}: {name[:80]} is no parameter", f"known are {', '.join(sorted(known))}")
        if type(value) is not int or not 0 <= value < 1 << 64:
            raise UnreadableError(f"{path}: {name} has to be a whole number of 64 bits", "times in ms, money in MIST")
    return {name: value for name, value in document.items() if isinstance(value, int)}

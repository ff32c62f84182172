"""Names of the files that process mode measures, so that the PCRs do not depend on where a checkout lies.

Whoever writes measurements (the command line) and whoever runs under them (the enclave) use this one rule.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

PACKAGES: Final = frozenset({"daas_protocol", "daas_attestation", "daas_chain", "daas_enclave"})


class AmbiguousName(ValueError):
    """Two measured files would have one name."""


def measured_files(paths: Iterable[Path]) -> dict[str, Path]:
    """Name -> path: from the package folder on for a file of ours (`daas_enclave/app.py`), else the file's own name.

    Raises `AmbiguousName`. The result is what `daas_attestation.process_measure.measure_process` takes.
    """
    named: dict[str, Path] = {}
    for path in paths:
        name = _name(path)
        if named.setdefault(name, path) != path:
            raise AmbiguousName(f"{path} and {named[name]} are both measured as {name!r}: leave one out")
    return named


def _name(path: Path) -> str:
    parts = path.parts
    for index in range(len(parts) - 2, 0, -1):
        if parts[index] in PACKAGES:
            return "/".join(parts[index:])
    return path.name

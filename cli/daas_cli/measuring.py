"""Which files are the enclave of process mode, and what they measure to.

The trusted computing base of this mode is what can be read off the tree: the packages protocol, attestation and
enclave, and the control-plane program. The interpreter and third-party packages are not in it, unlike in an image.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path

from daas_attestation import measurements
from daas_attestation.measurements import Measurement
from daas_attestation.process_measure import measure_process
from daas_enclave.measured import PACKAGES, measured_files

from .launch_files import Program

NAME = "process-mode"


def measured_paths(server: Program, etcd: Program | None) -> list[Path]:
    """Every source file of the measured packages and the programs, as absolute paths in a fixed order."""
    found: list[Path] = []
    for package in sorted(PACKAGES):
        (folder,) = importlib.import_module(package).__path__
        found += sorted(path for path in Path(folder).rglob("*.py") if path.is_file())
    found.append(server.path)
    if etcd is not None:
        found.append(etcd.path)
    return found


def write(path: Path, measured: Sequence[Path]) -> Measurement:
    """Measures the files and makes them the only accepted measurement. Raises OSError, ValueError."""
    pcrs = measure_process(measured_files(measured))
    measurement = Measurement(
        name=NAME, version=1, pcr0=pcrs[0], pcr1=pcrs[1], pcr2=pcrs[2], pcr8=None, valid_from=0, valid_to=None
    )
    measurements.dump(path, [measurement])
    return measurement

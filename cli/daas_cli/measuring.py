"""Which files are the enclave of process mode, and what they measure to.

The trusted computing base of this mode is what can be read off the tree: the packages protocol, attestation,
chain and enclave, and the control-plane program. The interpreter and third-party packages are not in it, unlike in an
image.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from daas_attestation import measurements
from daas_attestation.measurements import Measurement
from daas_attestation.process_measure import measure_process
from daas_enclave.measured import PACKAGES, measured_files

from .launch_files import Program

NAME = "process-mode"
KEPT = 200
"""Older measurements of this instance that stay in the file; far below what the format allows."""


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


def succeed(known: Sequence[Measurement], pcrs: dict[int, bytes], now_ms: int) -> list[Measurement]:
    """The measurements after a start with `pcrs` at `now_ms`: the others end now, so that old receipts can still be
    judged at their own time while only the new measurement is accepted from now on."""
    kept = list(known)[-KEPT:]
    last = kept[-1] if kept else None
    if last is not None and last.valid_to is None and last.pcrs == pcrs:
        return kept
    # An end must lie after the beginning, also when the clock was set back.
    ended = [
        replace(item, valid_to=max(now_ms, item.valid_from + 1)) if item.valid_to is None else item for item in kept
    ]
    version = 1 if last is None else last.version + 1
    begin = 0 if last is None else max(now_ms, last.valid_from + 1)
    return [
        *ended,
        Measurement(
            name=NAME,
            version=version,
            pcr0=pcrs[0],
            pcr1=pcrs[1],
            pcr2=pcrs[2],
            pcr8=None,
            valid_from=begin,
            valid_to=None,
        ),
    ]


def write(path: Path, measured: Sequence[Path], now_ms: int) -> Measurement:
    """Measures the files and makes them the only measurement accepted from now on. Raises OSError, ValueError."""
    known = measurements.load(path) if path.exists() else ()
    after = succeed(known, measure_process(measured_files(measured)), now_ms)
    if tuple(after) != tuple(known):
        measurements.dump(path, after)
    return after[-1]

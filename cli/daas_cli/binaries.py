"""Where the compiled programs are: control plane and load generator, built from this checkout into the cache."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import RefusedError, UnreadableError
from .launch_files import Program

if TYPE_CHECKING:
    from .settings import ControlPlaneSettings

CHECKOUT = Path(__file__).resolve().parents[2]
"""The top of the checkout when this package is installed from one, else a folder without the scripts below."""
CONTROL_PLANE_SCRIPT = Path("controlplane/build.sh")
LOADGEN_SCRIPT = Path("tools/loadgen/build.sh")
BUILD_SECONDS = 3600


def build(script: Path, what: str, hint: str) -> Path:
    """Runs a build script of the checkout, which prints the path of its result last; quick when nothing changed."""
    command = CHECKOUT / script
    if not command.is_file():
        raise RefusedError(f"no {what}: this installation of daas has no checkout to build it from", hint)
    try:
        done = subprocess.run(
            [str(command)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=BUILD_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise RefusedError(f"building the {what} failed: {problem}", "see what `daas doctor` says") from None
    lines = done.stdout.decode(errors="replace").split("\n")
    path = Path(next((line for line in reversed(lines) if line.strip()), ""))
    if done.returncode != 0 or not path.is_file():
        raise RefusedError(
            f"building the {what} failed with exit {done.returncode}",
            f"see above, and what `daas doctor` says; by hand: {command}",
        )
    return path


def digest(path: Path) -> str:
    """SHA-256 of a file in hex. Raises UnreadableError."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as problem:
        raise UnreadableError(f"cannot read {path}: {problem.strerror}", "correct the path in daas.yaml") from None


def _program(path: Path, field: str) -> Program:
    path = path.expanduser().absolute()
    if not (path.is_file() and os.access(path, os.X_OK)):
        raise UnreadableError(f"{path} is no program", f"correct {field} in daas.yaml (or its variable)")
    return Program(path, digest(path))


def control_plane(settings: ControlPlaneSettings) -> tuple[Program, Program | None]:
    """The server program that was configured, else the one built here; and an etcd program where one is configured."""
    path = settings.path or build(
        CONTROL_PLANE_SCRIPT,
        "control-plane binary daas-k3s",
        "name one as control_plane.path in daas.yaml or in DAAS_K3S",
    )
    etcd = None if settings.etcd is None else _program(settings.etcd, "control_plane.etcd")
    return _program(path, "control_plane.path"), etcd


def loadgen() -> Path:
    """The load generator of `daas bench`."""
    return build(LOADGEN_SCRIPT, "load generator", "run `daas bench` from a checkout, where Go can compile it")

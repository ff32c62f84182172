"""What this machine lacks: the same list as tools/doctor.sh, and what only a running `daas` can say."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from . import binaries, instance
from .errors import CliError
from .home import Home

SCRIPT = Path("tools/doctor.sh")
SCRIPT_SECONDS = 30


class Level(Enum):
    OK = "ok"
    WARN = "warn"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check; `fix` is one line, empty when nothing needs fixing."""

    level: Level
    name: str
    detail: str
    fix: str = ""


def parse_porcelain(text: str) -> list[Finding]:
    """The lines of `tools/doctor.sh --porcelain`."""
    found = []
    for line in text.splitlines():
        parts = line.split("\t")
        if len(parts) == 4:
            found.append(Finding(Level(parts[0]), *parts[1:]))
    return found


def build_tools() -> list[Finding]:
    """What building from the checkout needs; empty where there is no checkout (nothing is built there)."""
    script = binaries.CHECKOUT / SCRIPT
    if not script.is_file():
        return []
    done = subprocess.run(
        [str(script), "--porcelain"], capture_output=True, text=True, timeout=SCRIPT_SECONDS, stdin=subprocess.DEVNULL
    )
    return parse_porcelain(done.stdout)


def state(home: Home, environment: Mapping[str, str]) -> list[Finding]:
    """The instance's folder, configuration and variables."""
    from . import settings  # late: pydantic takes half the time of a start

    found = []
    above = next(folder for folder in (home.root, *home.root.parents) if folder.exists())
    if os.access(above, os.W_OK | os.X_OK):
        found.append(Finding(Level.OK, "state", str(home.root)))
    else:
        fix = "export DAAS_HOME=<a folder of yours>"
        found.append(Finding(Level.MISSING, "state", f"{above} is not writable, {home.root} cannot be used", fix))
    if home.root.is_dir() and home.root.stat().st_mode & 0o077:
        found.append(
            Finding(Level.WARN, "state-mode", "others may read the instance's folder", f"chmod 700 {home.root}")
        )
    try:
        chosen = settings.load(home.config, environment)
        found.append(Finding(Level.OK, "settings", str(home.config) if home.config.exists() else "defaults"))
        if chosen.control_plane.path is not None:
            binaries.control_plane(chosen.control_plane)
            found.append(Finding(Level.OK, "control-plane", str(chosen.control_plane.path)))
        elif not (binaries.CHECKOUT / binaries.CONTROL_PLANE_SCRIPT).is_file():
            fix = "export DAAS_K3S=<path of daas-k3s>"
            found.append(Finding(Level.MISSING, "control-plane", "no checkout to build daas-k3s from", fix))
        known = instance.load(home)
        if known is not None:
            found.append(Finding(Level.OK, "instance", f"gateway on {known.gateway_url}"))
    except CliError as problem:
        found.append(Finding(Level.MISSING, "settings", problem.message, problem.next_step))
    found += [
        Finding(Level.WARN, "variable", f"{name} is read by nothing", f"unset {name}, or correct its spelling")
        for name in settings.unknown_variables(environment)
    ]
    return found


def examine(home: Home, environment: Mapping[str, str]) -> list[Finding]:
    """Every check."""
    return [*build_tools(), *state(home, environment)]


def own_kubectl() -> str | None:
    """The user's kubectl, None when there is none on PATH."""
    return shutil.which("kubectl")

"""The environment of a process that runs a module of the tests: only pytest itself has their folder on its path."""

from __future__ import annotations

import os
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


def child_environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(TESTS)}

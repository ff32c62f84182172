"""What a fuzz target is: a promise about any bytes, checked by `check`, and the bytes to begin with."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

VECTORS = Path(__file__).parents[1] / "vectors"
DEFAULT_MAX_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Target:
    """`check` returns for every input that keeps the promises and raises for the first that does not.

    `mutate` (input, randomness, libFuzzer's own mutation) makes every second change where bytes alone get nowhere.
    """

    check: Callable[[bytes], object]
    seeds: Callable[[], Mapping[str, bytes]]
    max_bytes: int = DEFAULT_MAX_BYTES
    mutate: Callable[[bytes, Random, Callable[[bytes], bytes]], bytes] | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """Several small parsers behind one target: the first byte, modulo their number, says which reads the rest.

    New ones are appended, so that a stored input keeps its meaning.
    """

    checks: tuple[tuple[str, Callable[[bytes], object]], ...]

    def check(self, data: bytes) -> None:
        if data:
            self.checks[data[0] % len(self.checks)][1](data[1:])

    def seed(self, name: str, data: bytes) -> bytes:
        """`data` as an input for the check of that name."""
        return bytes(([known for known, _ in self.checks].index(name),)) + data


def vectors(name: str, key: str = "vectors") -> list[Any]:
    """Golden vectors of tests/vectors."""
    found: list[Any] = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))[key]
    return found


def golden(name: str, field: str = "bytes") -> dict[str, bytes]:
    """The golden bytes of a structure by vector name."""
    return {f"{name} {vector['name']}": bytes.fromhex(vector[field]) for vector in vectors(name)}

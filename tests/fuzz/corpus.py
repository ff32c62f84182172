"""The corpus: seeds made from golden vectors and simulated documents, and `corpus/TARGET.txt`, what fuzzing found.

A line of such a file is one input in hex. It is there because it reaches code that nothing before it reaches
(`tools/fuzz.sh --keep` writes it), or because it once broke a promise (then a `#` line above it says which).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from fuzz.targets import TARGETS

FOLDER = Path(__file__).parent / "corpus"
MAX_FILE_BYTES = 32 * 1024
"""Of each target, smallest inputs first: a corpus is a start, not an archive."""


def kept(name: str) -> list[bytes]:
    """The stored inputs of a target."""
    path = FOLDER / f"{name}.txt"
    if not path.exists():
        return []
    lines = path.read_text(encoding="ascii").splitlines()
    return [bytes.fromhex(line) for line in lines if line and not line.startswith("#")]


def inputs(name: str) -> list[bytes]:
    """Everything to begin with, seeds first."""
    return [*TARGETS[name].seeds().values(), *kept(name)]


def unpack(name: str, folder: Path) -> None:
    """One file for each input, named by its hash, as libFuzzer wants them."""
    folder.mkdir(parents=True, exist_ok=True)
    for data in inputs(name):
        (folder / hashlib.sha1(data, usedforsecurity=False).hexdigest()).write_bytes(data)


def keep(name: str, folder: Path) -> int:
    """Add the files of `folder` that are no seeds and not stored yet to the target's file; says how many."""
    path = FOLDER / f"{name}.txt"
    text = path.read_text(encoding="ascii") if path.exists() else ""
    known = set(inputs(name))
    found = sorted({file.read_bytes() for file in folder.iterdir()} - known, key=lambda data: (len(data), data))
    lines = []
    for line in (data.hex() + "\n" for data in found if data):
        if len(text) + len(line) > MAX_FILE_BYTES:
            break
        lines.append(line)
        text += line
    FOLDER.mkdir(exist_ok=True)
    path.write_text(text, encoding="ascii")
    return len(lines)

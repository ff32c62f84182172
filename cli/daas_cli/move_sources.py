"""The Move package's files as they are handed to a compiler.

Invariant: what is compiled is exactly `Move.toml`, `sources/**/*.move` and, for tests, `tests/**/*.move`; everything
that says whether something must be done again is a hash over those and nothing else.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import UnreadableError

MANIFEST = "Move.toml"
FILES_MAX = 1000
BYTES_MAX = 16 * 1024 * 1024
"""Of all files together: more is not a package but a wrong folder."""
_MODULE = re.compile(r"^\s*module\s+(?:\w+::)?(\w+)\s*[;{]", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Sources:
    """Text by path in the package, `/` between folders. `tests` is empty when only a build was asked for."""

    folder: Path
    build: Mapping[str, str]
    tests: Mapping[str, str]

    @property
    def digest(self) -> str:
        """SHA-256 in hex over paths and contents of what a build needs."""
        return _digest(self.build)

    def test_modules(self) -> dict[str, str]:
        """Name of each module (without the package) in a file with tests, and that file."""
        with_tests = {path: text for path, text in self.tests.items() if has_tests(text)}
        return {name: path for path, text in with_tests.items() for name in _MODULE.findall(code_only(text))}

    def selected(self, names: Sequence[str]) -> dict[str, str]:
        """All files, or those of a build and of the test modules `names`, which may leave out `_tests` and `daas::`.

        A file of tests that no test is in (helpers) is always handed over. Raises UnreadableError for unknown names.
        """
        if not names:
            return {**self.build, **self.tests}
        known = self.test_modules()
        chosen, unknown = set(), []
        for name in names:
            short = name.rpartition("::")[2]
            found = next((known[one] for one in (short, f"{short}_tests") if one in known), None)
            if found is None:
                unknown.append(name)
            else:
                chosen.add(found)
        if unknown:
            raise UnreadableError(
                f"no test module {', '.join(unknown)}", f"there are: {', '.join(sorted(known)) or 'none'}"
            )
        helpers = {path for path, text in self.tests.items() if not has_tests(text)}
        return {**self.build, **{path: text for path, text in self.tests.items() if path in chosen | helpers}}


def has_tests(text: str) -> bool:
    """Whether a Move source has a function marked as a test."""
    return any(
        re.search(r"\b(?:test|random_test)\b(?!_)", attributes)
        for attributes in re.findall(r"#\[([^\]]*)\]", code_only(text))
    )


def read(folder: Path, *, tests: bool) -> Sources:
    """The package in `folder`. Raises UnreadableError: no Move.toml, no sources, or files that are no text."""
    if not (folder / MANIFEST).is_file():
        raise UnreadableError(f"{folder} is no Move package: it has no {MANIFEST}", "give its folder with --package")
    build = {MANIFEST: _text(folder / MANIFEST), **_moves(folder, "sources")}
    if len(build) == 1:
        raise UnreadableError(f"{folder} has no Move sources", f"put modules into {folder / 'sources'}")
    sources = Sources(folder, build, _moves(folder, "tests") if tests else {})
    total = sum(len(text) for files in (sources.build, sources.tests) for text in files.values())
    if total > BYTES_MAX:
        raise UnreadableError(f"{folder} has {total} characters of sources, more than {BYTES_MAX}", "give a package")
    return sources


def _moves(folder: Path, inner: str) -> dict[str, str]:
    paths = sorted(path for path in (folder / inner).rglob("*.move") if path.is_file())
    if len(paths) > FILES_MAX:
        raise UnreadableError(f"{folder / inner} has {len(paths)} files, more than {FILES_MAX}", "give a package")
    return {path.relative_to(folder).as_posix(): _text(path) for path in paths}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise UnreadableError(f"cannot read {path}: {problem}", "correct the file") from None


_NOISE = re.compile(r'//[^\n]*|/\*|[bx]?"(?:\\.|[^"\\])*"', re.DOTALL)
_BLOCK = re.compile(r"/\*|\*/")


def code_only(text: str) -> str:
    """Move source without comments (block comments nest) and with every string literal emptied."""
    kept, depth, position = [], 0, 0
    while match := (_BLOCK if depth else _NOISE).search(text, position):
        if depth == 0:
            kept.append(text[position : match.start()])
            kept.append('""' if match[0].endswith('"') and match[0][0] != "/" else " ")
        if match[0] in ("/*", "*/"):
            depth += 1 if match[0] == "/*" else -1
        position = match.end()
    return "".join(kept) + (text[position:] if depth == 0 else "")


def _digest(files: Mapping[str, str]) -> str:
    total = hashlib.sha256()
    for path, text in sorted(files.items()):
        total.update(len(path.encode()).to_bytes(4, "big") + path.encode() + hashlib.sha256(text.encode()).digest())
    return total.hexdigest()

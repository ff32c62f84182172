"""Which `#[error]` constants no test expects.

Invariant: only code counts. Comments and string literals are taken out first, an `expected_failure` counts only on a
function that is a test, and a name counts only for the module that it is qualified with.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .move_sources import Sources, code_only

_MODULE = re.compile(r"\bmodule\s+(?:\w+::)?(\w+)\s*[;{]")
_ERROR = re.compile(r"((?:#\[[^\]]*\]\s*)+)const\s+(\w+)\s*:")
_FUNCTION = re.compile(r"((?:#\[[^\]]*\]\s*)+)(?:public(?:\(\w+\))?\s+)?(?:entry\s+)?fun\s+(\w+)")
_IS_ERROR = re.compile(r"[\[,]\s*error\b")
_IS_TEST = re.compile(r"[\[,]\s*(?:test|random_test)\s*[,\]\(]")
_EXPECTED = re.compile(r"\bexpected_failure\s*\([^)]*?\babort_code\s*=\s*([\w:]+)")
_USE = re.compile(r"\buse\s+([^;]+);")
_ALIAS = re.compile(r"(\w+)\s+as\s+(\w+)")


@dataclass(frozen=True, slots=True, order=True)
class ErrorConstant:
    """An `#[error]` constant by module and name."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}::{self.name}"


def declared(sources: Sources) -> set[ErrorConstant]:
    """Every `#[error]` constant of the package's sources."""
    return {
        ErrorConstant(module, name)
        for text in sources.build.values()
        for module, body in _modules(text)
        for attributes, name in _ERROR.findall(body)
        if _IS_ERROR.search(attributes)
    }


def expected(sources: Sources) -> set[ErrorConstant]:
    """Every constant that a test names in `expected_failure(abort_code = ...)`."""
    found = set()
    for text in (*sources.build.values(), *sources.tests.values()):
        for module, body in _modules(text):
            names = {alias: real for use in _USE.findall(body) for real, alias in _ALIAS.findall(use)}
            for attributes, _ in _FUNCTION.findall(body):
                if not _IS_TEST.search(attributes):
                    continue
                for path in _EXPECTED.findall(attributes):
                    owner, _, name = path.rpartition("::")
                    owner = owner.rpartition("::")[2] or module
                    found.add(ErrorConstant(names.get(owner, owner), name))
    return found


def untested(sources: Sources) -> list[ErrorConstant]:
    """The constants that no test expects, in order."""
    return sorted(declared(sources) - expected(sources))


def _modules(text: str) -> Iterator[tuple[str, str]]:
    """Each module of a file and what follows its name, up to the next."""
    code = code_only(text)
    starts = list(_MODULE.finditer(code))
    ends = [*(start.start() for start in starts[1:]), len(code)]
    for start, end in zip(starts, ends, strict=False):
        yield start[1], code[start.end() : end]

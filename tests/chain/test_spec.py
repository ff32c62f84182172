"""move/daas/SPEC.md names what the sources have: every public function in the section of its module, every error."""

import re
from pathlib import Path

import pytest

from support.move_sources import public_functions

MOVE = Path(__file__).parents[2] / "move" / "daas"
SPEC = (MOVE / "SPEC.md").read_text()
SOURCES = {path.stem: path.read_text() for path in sorted((MOVE / "sources").glob("*.move"))}
PURE = {"wire", "receipt", "statements", "binding", "merkle"}
"""Their functions are readers all of them, which the specification says once."""

_ERROR = re.compile(r"^const (E\w+): vector<u8>", re.MULTILINE)


def _sections() -> dict[str, str]:
    """Text of the section whose heading names the module."""
    found: dict[str, str] = {}
    for section in re.split(r"^## ", SPEC, flags=re.MULTILINE)[1:]:
        heading, _, body = section.partition("\n")
        for module in re.findall(r"`(\w+)`", heading):
            found[module] = found.get(module, "") + body
    return found


SECTIONS = _sections()


def test_there_are_sources() -> None:
    assert len(SOURCES) >= 20


@pytest.mark.parametrize("module", sorted(SOURCES))
def test_every_public_function_stands_in_the_section_of_its_module(module: str) -> None:
    functions = public_functions(SOURCES[module])
    if module in PURE:
        assert functions
        assert module in SECTIONS
        return
    named = set(re.findall(r"\w+", SECTIONS[module]))
    assert functions - named == set()


@pytest.mark.parametrize("module", sorted(SOURCES))
def test_every_error_is_named(module: str) -> None:
    assert set(_ERROR.findall(SOURCES[module])) - set(re.findall(r"\bE[A-Z]\w+", SPEC)) == set()


def test_no_error_is_named_that_does_not_exist() -> None:
    errors = {name for source in SOURCES.values() for name in _ERROR.findall(source)}
    named = set(re.findall(r"\bE[A-Z][a-z]\w+", SPEC))
    assert {name for name in named if name not in errors} == set()


def test_qualified_errors_are_those_of_their_module() -> None:
    for module, name in re.findall(r"`(\w+)::(E[A-Z]\w+)`", SPEC):
        assert name in _ERROR.findall(SOURCES[module]), f"{module}::{name}"


def test_every_kind_stands_in_the_table_with_its_body() -> None:
    kinds = {
        (int(value), module)
        for module, source in SOURCES.items()
        for name, value in re.findall(r"^const (\w+): u8 = (\d+);", source, re.MULTILINE)
        if re.search(rf"kind: {name}\b", source)
    }
    table = {(int(kind), module) for kind, module in re.findall(r"\| (\d+) \| (\w+)::\w+", SPEC)}
    assert kinds == table
    assert len({kind for kind, _ in kinds}) == len(kinds) == 25

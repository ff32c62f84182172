"""The messages that Python signs for Move's tests are those in the Move tree."""

from pathlib import Path

import pytest

from support import move_signing

MODULES = move_signing.modules()


def test_there_are_groups() -> None:
    assert {path.stem for path in MODULES} >= {"signed_settlement"}


@pytest.mark.parametrize("path", sorted(MODULES), ids=lambda path: path.stem)
def test_the_committed_module_is_what_the_cases_make(path: Path) -> None:
    assert path.read_text() == MODULES[path], "run `python -m support.move_signing` in tests/"


def test_every_generated_module_has_its_cases() -> None:
    assert set(move_signing.MOVE_TESTS.glob("signed_*.move")) == set(MODULES)

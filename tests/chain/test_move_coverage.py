"""Every public function of the contract is called by a Move test."""

import re
from pathlib import Path

import pytest

from support.move_sources import public_functions

MOVE = Path(__file__).parents[2] / "move" / "daas"
TESTS = "\n".join(path.read_text() for path in sorted((MOVE / "tests").glob("*.move")))
CALLED = set(re.findall(r"(?:\.|::)(\w+)\(", TESTS))
NEEDS_THE_NATIVE = {("enclave", "register"), ("enclave", "heartbeat")}
"""They take what Sui's native returns, which no test can make, and hand it on to `register_document` and
`heartbeat_document`, which tests call."""

_RENAMED = re.compile(r"public use fun (\w+) as \w+\.(\w+);")


@pytest.mark.parametrize("path", sorted((MOVE / "sources").glob("*.move")), ids=lambda path: path.stem)
def test_every_public_function_is_called(path: Path) -> None:
    source = path.read_text()
    methods = dict(_RENAMED.findall(source))
    uncalled = {
        name
        for name in public_functions(source)
        if (path.stem, name) not in NEEDS_THE_NATIVE and not {name, methods.get(name)} & CALLED
    }
    assert uncalled == set()

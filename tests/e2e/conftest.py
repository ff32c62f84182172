"""One instance for the tests that only use it; tests that break things start their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.instance import Https, Instance


@pytest.fixture(scope="session")
def instance() -> Iterator[Instance]:
    instance = Instance(DAAS_ALLOW_EXEC="1", DAAS_KUBELET_EGRESS="direct")
    try:
        yield instance.up()
    finally:
        instance.down()


@pytest.fixture
def https(instance: Instance) -> Https:
    return instance.https()

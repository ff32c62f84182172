"""A development CA, a simulated NSM under it at a fixed moment, and a chain built by hand."""

import pytest

from daas_attestation.development_ca import DevelopmentCa
from daas_attestation.simulated import SimulatedNsm
from daas_attestation.verify import Expectation
from support.nitro_documents import (
    EXPECTED_BINDING,
    INSTANCE,
    LEAF,
    MEASUREMENT,
    NONCE,
    NOW_MS,
    PCRS,
    REGIONAL,
    ROOT,
    Chain,
    Clock,
    World,
    build_chain,
)


@pytest.fixture(scope="session")
def development_ca() -> DevelopmentCa:
    return DevelopmentCa.generate(NOW_MS)


@pytest.fixture
def world(development_ca: DevelopmentCa) -> World:
    clock = Clock()
    nsm = SimulatedNsm(development_ca, PCRS, clock)
    expectation = Expectation(nsm.anchor, [MEASUREMENT], NONCE, EXPECTED_BINDING, 60_000, 5_000)
    return World(development_ca, nsm, clock, expectation)


@pytest.fixture(scope="session")
def good_chain() -> Chain:
    return build_chain(ROOT, REGIONAL, INSTANCE, LEAF)

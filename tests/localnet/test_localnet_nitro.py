"""Promises: `load_nitro_attestation` accepts what the chain's native does, under the root that the network is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daas_attestation.anchor import AwsAnchor, TrustAnchor
from daas_attestation.development_ca import DevelopmentCa
from daas_attestation.simulated import SimulatedNsm
from daas_localnet.vm.errors import ExecutionFailure
from daas_localnet.vm.execution import Execution
from daas_localnet.vm.runtime import ExtensionContext, MemoryRuntime, TransactionContext
from support.move_world import USER, address, machine
from support.nitro_documents import NOW_MS, PCRS, Clock

VECTORS = Path(__file__).resolve().parents[2].parent / "shared" / "vectors" / "nitro"
vectors = pytest.mark.skipif(
    not VECTORS.is_dir(), reason="the real documents lie beside the repository, in ../shared/vectors"
)
NAUTILUS, FROM_S, UNTIL_S = "04-nautilus-weather-2025-ed25519.cose", 1744683467, 1744694270


def load(data: bytes, now_ms: int, anchor: TrustAnchor) -> list[Any]:
    """The document that the entry function returns."""
    function = machine().world.module(address(2), "nitro_attestation").function("load_nitro_attestation")
    run = Execution(ExtensionContext(MemoryRuntime(), TransactionContext(USER, bytes(32)), anchor))
    clock = [[[address(6)]], now_ms]
    (found,) = machine().call(run, function, (), [bytearray(data), clock])
    document: list[Any] = found
    return document


def code(data: bytes, now_ms: int, anchor: TrustAnchor) -> int | None:
    """The abort code of a refusal."""
    with pytest.raises(ExecutionFailure) as raised:
        load(data, now_ms, anchor)
    return raised.value.code


@vectors
def test_a_real_document_is_accepted_in_its_window_and_refused_outside() -> None:
    data = (VECTORS / NAUTILUS).read_bytes()
    for now_ms in (FROM_S * 1_000, UNTIL_S * 1_000 + 999):
        document = load(data, now_ms, AwsAnchor())
        assert document[1] == 1744683923696
        assert document[2] == bytearray(b"SHA384")
        assert [entry[0] for entry in document[3]] == [0, 1, 2, 3, 4, 8]
        assert [len(one[0]) for one in document[4:]] == [1, 0, 0]
    for now_ms in (FROM_S * 1_000 - 1, (UNTIL_S + 1) * 1_000):
        assert code(data, now_ms, AwsAnchor()) == 2


def test_a_development_document_is_accepted_only_where_its_root_is_configured() -> None:
    nsm = SimulatedNsm(DevelopmentCa.generate(NOW_MS), PCRS, Clock())
    data = nsm.attestation(nonce=b"n" * 32, user_data=b"u", public_key=b"k" * 32)
    document = load(data, NOW_MS, nsm.anchor)
    assert document[4:] == [[[bytearray(b"k" * 32)]], [[bytearray(b"u")]], [[bytearray(b"n" * 32)]]]
    assert code(data, NOW_MS, AwsAnchor()) == 2
    assert code(data, NOW_MS, DevelopmentCa.generate(NOW_MS).anchor) == 2
    assert code(data[:-100], NOW_MS, nsm.anchor) == 1

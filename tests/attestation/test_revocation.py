"""A certificate on the local list is refused wherever it stands, cached or not; the list is read strictly."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_attestation.chain import ChainCache, verify_chain
from daas_attestation.errors import RevokedError
from daas_attestation.revocation import MAX_ENTRIES, MAX_FILE_BYTES, RevocationListError, decode, load
from daas_attestation.verdict import Outcome, serial_hex
from daas_attestation.verify import judge
from support.nitro_documents import INSTANCE, LEAF, NOW_MS, REGIONAL, ROOT, Chain, World, build_chain

ISSUER = "3000"


def listed(*entries: object, version: object = 1) -> bytes:
    return json.dumps({"version": version, "revoked": list(entries)}).encode()


@pytest.mark.parametrize("cached", [False, True], ids=["cold", "cached"])
@pytest.mark.parametrize("position", range(5))
def test_any_certificate_of_a_chain_can_be_revoked(world: World, position: int, cached: bool) -> None:
    document = world.document()
    cache = ChainCache() if cached else None
    verdict = judge(document, world.expectation, NOW_MS, cache)
    assert verdict.accepted
    shown = verdict.certificates[position].to_json()
    revoked = decode(listed({"issuer": shown["issuer_der"], "serial": shown["serial"], "reason": "a test"}))
    refused = judge(document, world.expect(revoked=revoked), NOW_MS, cache)
    assert isinstance(refused.failure, RevokedError)
    assert refused.failure.actual == f"#{position} serial {shown['serial']}"
    assert [check.name for check in refused.checks if check.outcome is Outcome.FAILED] == ["revoked"]
    assert judge(document, world.expect(revoked=frozenset()), NOW_MS, cache).accepted
    assert judge(document, world.expectation, NOW_MS, cache).accepted


def test_a_serial_number_counts_under_its_issuer_only(good_chain: Chain) -> None:
    leaf, bundle = good_chain.ders[-1], good_chain.ders[:-1]
    chain = verify_chain(leaf, bundle, good_chain.anchor, NOW_MS)
    root, last = chain.certificates[0], chain.certificates[-1]
    strange = frozenset({(root.issuer_der, last.serial), (last.issuer_der, last.serial + 1), (b"", last.serial)})
    verify_chain(leaf, bundle, good_chain.anchor, NOW_MS, revoked=strange)
    with pytest.raises(RevokedError):
        verify_chain(leaf, bundle, good_chain.anchor, NOW_MS, revoked=strange | {(last.issuer_der, last.serial)})


def test_a_revoked_chain_is_still_known_to_the_cache_and_refused_from_it() -> None:
    chain, cache = build_chain(ROOT, REGIONAL, INSTANCE, LEAF), ChainCache()
    leaf, bundle = chain.ders[-1], chain.ders[:-1]
    last = verify_chain(leaf, bundle, chain.anchor, NOW_MS).certificates[-1]
    revoked = frozenset({(last.issuer_der, last.serial)})
    for _ in range(2):
        with pytest.raises(RevokedError):
            verify_chain(leaf, bundle, chain.anchor, NOW_MS, cache, revoked)
    verify_chain(leaf, bundle, chain.anchor, NOW_MS, cache)


def test_a_list_is_read_as_it_is_meant(tmp_path: Path) -> None:
    path = tmp_path / "revoked.json"
    path.write_bytes(listed({"issuer": ISSUER, "serial": "00ff"}, {"issuer": ISSUER, "serial": "7f", "reason": "lost"}))
    assert load(path) == {(b"\x30\x00", 255), (b"\x30\x00", 127)}
    assert decode(listed()) == frozenset()
    # The limits themselves are inside.
    widest = {"issuer": "aa" * 1024, "serial": "ff" * 20, "reason": "r" * 256}
    assert len(decode(listed(*[widest, widest]))) == 1
    assert len(decode(listed(*({"issuer": ISSUER, "serial": f"{n:06x}"} for n in range(MAX_ENTRIES))))) == MAX_ENTRIES


@given(st.integers(0, 2**160 - 1))
@settings(deadline=None)
def test_serial_numbers_are_read_as_verdicts_show_them(serial: int) -> None:
    assert decode(listed({"issuer": ISSUER, "serial": serial_hex(serial)})) == {(b"\x30\x00", serial)}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{",
        b'{"version":1}',
        b'{"version":1,"revoked":{}}',
        b'{"version":1,"revoked":[],"more":1}',
        b'{"version":1,"version":1,"revoked":[]}',
        listed(version=2),
        listed(version=True),
        listed(version="1"),
        listed("entry"),
        listed({"issuer": ISSUER}),
        listed({"serial": "01"}),
        listed({"issuer": ISSUER, "serial": "01", "more": 1}),
        listed({"issuer": ISSUER, "serial": 1}),
        listed({"issuer": ISSUER, "serial": ""}),
        listed({"issuer": ISSUER, "serial": "1"}),
        listed({"issuer": ISSUER, "serial": "FF"}),
        listed({"issuer": ISSUER, "serial": "-01"}),
        listed({"issuer": ISSUER, "serial": "0x01"}),
        listed({"issuer": ISSUER, "serial": "01" * 21}),
        listed({"issuer": "", "serial": "01"}),
        listed({"issuer": "30 00", "serial": "01"}),
        listed({"issuer": "aa" * 1025, "serial": "01"}),
        listed({"issuer": ISSUER, "serial": "01", "reason": 1}),
        listed({"issuer": ISSUER, "serial": "01", "reason": "r" * 257}),
        listed(*[{"issuer": ISSUER, "serial": "01"}] * (MAX_ENTRIES + 1)),
        listed() + b" " * MAX_FILE_BYTES,
    ],
    ids=lambda data: repr(data[:60]),
)
def test_anything_else_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(RevocationListError):
        decode(data)


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_any_bytes_are_refused_by_name(data: bytes) -> None:
    with pytest.raises(RevocationListError):
        decode(data)

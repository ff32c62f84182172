"""The cache of chains: it spares work, keeps what was used last, and decides nothing on its own.

Each of these promises was untested until mutation testing showed it.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography import x509

from daas_attestation import chain as module
from daas_attestation.chain import ChainCache, VerifiedChain, judge_chain, verify_chain
from daas_attestation.errors import STRICT_CHECKS, AttestationError, RevokedError
from daas_attestation.verdict import Record
from support.nitro_documents import NOW, NOW_MS, Chain

NOW_S = NOW_MS // 1000


def judged(chain: Chain, cache: ChainCache, now_ms: int = NOW_MS) -> VerifiedChain:
    return verify_chain(chain.ders[-1], chain.ders[:-1], chain.anchor, now_ms, cache)


def test_a_known_chain_is_not_read_again(good_chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = ChainCache()
    first = judged(good_chain, cache)

    def read_again(*_: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(module, "load", read_again)
    assert judged(good_chain, cache) is first


def test_an_entry_answers_at_both_ends_of_its_window_and_not_beside_them(good_chain: Chain) -> None:
    cache = ChainCache()
    entry = judged(good_chain, cache)
    cache.put(b"key", entry)
    for moment, answers in (
        (entry.not_before_s - 1, False),
        (entry.not_before_s, True),
        (entry.not_after_s, True),
        (entry.not_after_s + 1, False),
    ):
        assert (cache.get(b"key", moment) is entry) is answers
    assert cache.get(b"other", NOW_S) is None


def test_what_was_unused_for_longest_makes_room(good_chain: Chain) -> None:
    entry = judged(good_chain, ChainCache())
    cache = ChainCache(capacity=2)
    cache.put(b"1", entry)
    cache.put(b"2", entry)
    assert cache.get(b"1", NOW_S) is entry
    cache.put(b"3", entry)
    assert [key for key in (b"1", b"2", b"3") if cache.get(key, NOW_S) is entry] == [b"1", b"3"]


def test_putting_an_entry_again_makes_it_the_newest(good_chain: Chain) -> None:
    entry = judged(good_chain, ChainCache())
    cache = ChainCache(capacity=2)
    for key in (b"1", b"2", b"1", b"3"):
        cache.put(key, entry)
    assert cache.get(b"1", NOW_S) is entry
    assert cache.get(b"2", NOW_S) is None


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
def test_a_revoked_chain_is_never_called_verified(good_chain: Chain, warm: bool) -> None:
    """Neither by an exception nor in what `judge_chain` returns, with or without the chain in the cache."""
    cache = ChainCache()
    if warm:
        judged(good_chain, cache)
    leaf = x509.load_der_x509_certificate(good_chain.ders[-1])
    revoked = frozenset({(leaf.issuer.public_bytes(), leaf.serial_number)})
    record = Record(STRICT_CHECKS)
    found = judge_chain(record, good_chain.ders[-1], good_chain.ders[:-1], good_chain.anchor, NOW_MS, cache, revoked)
    assert isinstance(record.failure, RevokedError)
    assert found.verified is None
    with pytest.raises(RevokedError):
        verify_chain(good_chain.ders[-1], good_chain.ders[:-1], good_chain.anchor, NOW_MS, cache, revoked)


def test_every_class_that_the_rules_raise_has_a_line_in_the_verdict() -> None:
    """What stands in no table could fail without a line, and a verdict is what its lines say."""

    def leaves(error: type[AttestationError]) -> set[type[AttestationError]]:
        below = error.__subclasses__()
        return {error} if not below else {leaf for one in below for leaf in leaves(one)}

    ours = {error for error in leaves(AttestationError) if error.__module__ == "daas_attestation.errors"}
    assert ours == set(STRICT_CHECKS)
    assert len({error.check for error in STRICT_CHECKS}) == len(STRICT_CHECKS)


def test_the_window_is_that_of_the_shortest_lived(good_chain: Chain) -> None:
    entry = judged(good_chain, ChainCache())
    assert entry.not_before_s == max(one.not_before_s for one in entry.certificates)
    assert entry.not_after_s == min(one.not_after_s for one in entry.certificates)
    assert replace(entry) == entry
    assert entry.not_before_s <= NOW.timestamp() <= entry.not_after_s

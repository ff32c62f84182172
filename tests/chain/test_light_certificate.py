"""A certificate is accepted exactly when a quorum of distinct, usable keys of the right epoch signed these very bytes.

Every test changes one thing of an accepted certificate, and one named check says so: the one that is meant.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import pyblst
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daas_chain.light import bitmap, bls, errors
from daas_chain.light.certificate import read_signature, read_summary, signed_message, verify_summary
from daas_chain.light.committee import QUORUM_POWER, Committee, read_committee
from daas_chain.light.errors import LightClientError
from daas_chain.light.inclusion import open_contents, read_contents
from daas_chain.light.verdict import CERTIFICATE_NAMES, COMMITTEE_NAMES, CONTENTS_NAMES, Outcome, judge
from daas_chain.sui.checkpoint import (
    COMMITTEE,
    CONTENTS,
    MAX_COMMITTEE_BYTES,
    MAX_COMMITTEE_MEMBERS,
    MAX_CONTENTS_BYTES,
    MAX_QUORUM_SIGNATURE_BYTES,
    MAX_SUMMARY_BYTES,
    QUORUM_SIGNATURE,
    CommitteeMember,
    CommitteeRecord,
    ContentsV1,
)
from support import light_world as world

GOOD = world.checkpoint()
TRUSTED = Committee.from_bytes(world.committee())


def failed(committee: bytes, summary: bytes, signature: bytes, contents: bytes | None) -> str | None:
    """The name of the one failed check; what the verdict says and what the functions raise must agree."""
    verdict = judge(committee, summary, signature, contents)
    raised = None
    try:
        verified = verify_summary(Committee.from_bytes(committee), summary, signature)
        if contents is not None:
            open_contents(verified, contents)
    except LightClientError as error:
        raised = error
    if raised is not None:
        assert (bool(raised.expected), bool(raised.actual)) == (True, True)
    found = [check.name for check in verdict.checks if check.outcome is Outcome.FAILED]
    assert len(found) <= 1
    assert verdict.accepted == (not found)
    assert (raised.check if raised else None) == (found[0] if found else None)
    assert (verdict.summary is None) == bool(found)
    names = COMMITTEE_NAMES + CERTIFICATE_NAMES + (CONTENTS_NAMES if contents is not None else ())
    assert tuple(check.name for check in verdict.checks) == names
    return found[0] if found else None


def judged(
    committee: bytes | None = None,
    summary: bytes | None = None,
    signature: bytes | None = None,
    contents: bytes | None = None,
) -> str | None:
    return failed(
        world.committee() if committee is None else committee,
        GOOD.summary if summary is None else summary,
        GOOD.signature if signature is None else signature,
        GOOD.contents if contents is None else contents,
    )


def record(*members: CommitteeMember) -> bytes:
    return COMMITTEE.encode(CommitteeRecord(world.EPOCH, members))


def with_signature(**changes: object) -> bytes:
    return QUORUM_SIGNATURE.encode(replace(QUORUM_SIGNATURE.decode(GOOD.signature), **changes))  # type: ignore[arg-type]


def off_subgroup_key() -> bytes:
    """A point of the curve over Fp2 outside the subgroup: the first x for which y^2 = x^3 + 4(1+i) has a root."""
    x = 1
    while True:
        for sign in (0x80, 0xA0):
            data = bytearray(96)
            data[-2:] = x.to_bytes(2, "big")
            data[0] |= sign
            try:
                pyblst.BlstP2Element.uncompress(bytes(data))
            except ValueError as error:
                if "NOT_IN_GROUP" in str(error):
                    return bytes(data)
        x += 1


def off_subgroup_signature() -> bytes:
    x = 1
    while True:
        data = bytes([0x80]) + x.to_bytes(47, "big")
        try:
            pyblst.BlstP1Element.uncompress(data)
        except ValueError as error:
            if "NOT_IN_GROUP" in str(error):
                return data
        x += 1


FIRST, SECOND, THIRD, FOURTH = world.members()
INFINITE_KEY = b"\xc0" + bytes(95)
COMMITTEES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "cut": ("committee structure", lambda: world.committee()[:-1]),
    "longer": ("committee structure", lambda: world.committee() + b"\0"),
    "empty file": ("committee structure", lambda: b""),
    "nobody": ("committee size", lambda: record()),
    "one key twice": ("committee duplicates", lambda: record(FIRST, SECOND, SECOND, FOURTH)),
    "one key twice, apart": ("committee duplicates", lambda: record(FIRST, SECOND, THIRD, FIRST)),
    "another order": ("committee order", lambda: record(SECOND, FIRST, THIRD, FOURTH)),
    "a member without power": (
        "committee power",
        lambda: record(replace(FIRST, power=0), replace(SECOND, power=5_000), THIRD, FOURTH),
    ),
    "too much power": ("committee power", lambda: world.committee(powers=(2_500, 2_500, 2_500, 2_501))),
    "too little power": ("committee power", lambda: world.committee(powers=(2_500, 2_500, 2_500, 2_499))),
    "power that overflows": (
        "committee power",
        lambda: world.committee(powers=(2**64 - 2_500, 2_500, 2_500, 7_500)),
    ),
    "a key at infinity": (
        "committee keys",
        lambda: record(FIRST, SECOND, THIRD, replace(FOURTH, public_key=INFINITE_KEY)),
    ),
    "a key that is no point": (
        "committee keys",
        lambda: record(FIRST, SECOND, THIRD, replace(FOURTH, public_key=b"\xff" * 96)),
    ),
    "a key outside the subgroup": (
        "committee keys",
        lambda: record(
            *sorted(
                (SECOND, THIRD, FOURTH, replace(FIRST, public_key=off_subgroup_key())),
                key=lambda member: member.public_key,
            )
        ),
    ),
    "another committee": (
        "quorum signature",
        lambda: COMMITTEE.encode(CommitteeRecord(world.EPOCH, world.members(world.EPOCH + 1))),
    ),
    "the committee before": ("summary epoch", lambda: world.committee(world.EPOCH - 1)),
}


@pytest.mark.parametrize(("check", "make"), COMMITTEES.values(), ids=COMMITTEES)
def test_a_committee_that_breaks_one_rule_fails_that_check(check: str, make: Callable[[], bytes]) -> None:
    assert judged(committee=make()) == check


def test_the_good_one_is_accepted_with_and_without_contents() -> None:
    assert judged() is None
    assert failed(world.committee(), GOOD.summary, GOOD.signature, None) is None


def two_containers() -> bytes:
    return b"\x3a\x30\0\0\x02\0\0\0" + b"\0\0\0\0" + b"\x01\0\0\0" + bytes(8)


SIGNATURES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "cut": ("signature structure", lambda: GOOD.signature[:-1]),
    "longer": ("signature structure", lambda: GOOD.signature + b"\0"),
    "of the epoch before": ("signature epoch", lambda: with_signature(epoch=world.EPOCH - 1)),
    "of the epoch after, truly signed": (
        "signature epoch",
        lambda: world.certify(GOOD.summary, world.EPOCH, says=world.EPOCH + 1),
    ),
    "no bitmap": ("signers bitmap", lambda: with_signature(signers=b"")),
    "a bitmap of another kind": ("signers bitmap", lambda: with_signature(signers=b"\x3c\x30" + bytes(10))),
    "a bitmap with bytes behind it": (
        "signers bitmap",
        lambda: with_signature(signers=bitmap.encode((0, 1, 3)) + b"\0"),
    ),
    "a bitmap with a signer twice": (
        "signers bitmap",
        lambda: with_signature(signers=bitmap.encode((0, 1, 3)).replace(b"\x01\0\x03\0", b"\x01\0\x01\0")),
    ),
    "a bitmap in another order": (
        "signers bitmap",
        lambda: with_signature(signers=bitmap.encode((0, 1, 3))[:-4] + b"\x03\0\x01\0"),
    ),
    "two containers": ("signers bitmap", lambda: with_signature(signers=two_containers())),
    "nobody": ("signers present", lambda: with_signature(signers=bitmap.encode(()))),
    "a stranger's index": ("signers in committee", lambda: with_signature(signers=bitmap.encode((0, 1, 4)))),
    "the largest index": ("signers in committee", lambda: with_signature(signers=bitmap.encode((0, 1, 65_535)))),
    "a minority, truly signed": ("quorum", lambda: world.certify(GOOD.summary, signers=(0, 1))),
    "infinity": ("signature point", lambda: with_signature(signature=b"\xc0" + bytes(47))),
    "infinity in disguise": ("signature point", lambda: with_signature(signature=b"\xc0" + bytes(46) + b"\x01")),
    "no point": ("signature point", lambda: with_signature(signature=b"\xff" * 48)),
    "uncompressed": ("signature point", lambda: with_signature(signature=bytes(48))),
    "outside the subgroup": ("signature point", lambda: with_signature(signature=off_subgroup_signature())),
    "of fewer than it says": (
        "quorum signature",
        lambda: with_signature(
            signature=QUORUM_SIGNATURE.decode(world.certify(GOOD.summary, signers=(0, 1))).signature
        ),
    ),
    "of others than it says": ("quorum signature", lambda: with_signature(signers=bitmap.encode((0, 1, 2)))),
    "of more than it says": (
        "quorum signature",
        lambda: with_signature(
            signature=QUORUM_SIGNATURE.decode(world.certify(GOOD.summary, signers=(0, 1, 2, 3))).signature
        ),
    ),
    "of another checkpoint": (
        "quorum signature",
        lambda: world.checkpoint(sequence_number=world.SEQUENCE + 1).signature,
    ),
    "over the summary without its epoch": (
        "quorum signature",
        lambda: with_signature(
            signature=world.sign(b"\x02\0\0" + GOOD.summary, [world.secrets()[i] for i in (0, 1, 3)])
        ),
    ),
    "with a transaction's intent": (
        "quorum signature",
        lambda: with_signature(
            signature=world.sign(
                bytes(3) + signed_message(GOOD.summary, world.EPOCH)[3:], [world.secrets()[i] for i in (0, 1, 3)]
            )
        ),
    ),
}


@pytest.mark.parametrize(("check", "make"), SIGNATURES.values(), ids=SIGNATURES)
def test_a_signature_that_breaks_one_rule_fails_that_check(check: str, make: Callable[[], bytes]) -> None:
    assert judged(signature=make()) == check


SUMMARIES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "cut": ("summary structure", lambda: GOOD.summary[:-1]),
    "longer": ("summary structure", lambda: GOOD.summary + b"\0"),
    "of another epoch": ("summary epoch", lambda: world.checkpoint(epoch=world.EPOCH + 1).summary),
    "another sequence number": (
        "quorum signature",
        lambda: world.checkpoint(sequence_number=world.SEQUENCE + 1).summary,
    ),
    "another time": ("quorum signature", lambda: world.checkpoint(timestamp_ms=world.TIME_MS + 1).summary),
}


@pytest.mark.parametrize(("check", "make"), SUMMARIES.values(), ids=SUMMARIES)
def test_a_summary_that_differs_fails_that_check(check: str, make: Callable[[], bytes]) -> None:
    assert judged(summary=make()) == check


def test_contents_are_those_of_the_summary_without_repetition_and_within_its_total() -> None:
    assert judged(contents=GOOD.contents[:-1]) == "contents structure"
    assert judged(contents=GOOD.contents + b"\0") == "contents structure"
    assert judged(contents=world.checkpoint(world.checkpoint().parts[:2]).contents) == "contents digest"
    found = CONTENTS.decode(GOOD.contents)
    assert isinstance(found, ContentsV1)
    swapped = CONTENTS.encode(replace(found, digests=found.digests[::-1]))
    assert judged(contents=swapped) == "contents digest"
    twice = CONTENTS.encode(ContentsV1(found.digests + found.digests[:1], (*found.user_signatures, ())))
    repeated = world.checkpoint(contents=twice)
    assert failed(world.committee(), repeated.summary, repeated.signature, twice) == "contents duplicates"
    first = world.checkpoint(network_total_transactions=3)
    assert failed(world.committee(), first.summary, first.signature, first.contents) is None
    short = world.checkpoint(network_total_transactions=2)
    assert failed(world.committee(), short.summary, short.signature, short.contents) == "transaction total"


def test_each_check_of_a_verdict_is_seen_to_fail() -> None:
    seen = {check for table in (COMMITTEES, SIGNATURES, SUMMARIES) for check, _ in table.values()} | set(CONTENTS_NAMES)
    assert seen == set(COMMITTEE_NAMES + CERTIFICATE_NAMES + CONTENTS_NAMES)


@pytest.mark.parametrize("part", ["committee", "summary", "signature", "contents"])
def test_no_flipped_bit_is_accepted(part: str) -> None:
    original = {"committee": world.committee()} | {
        name: getattr(GOOD, name) for name in ("summary", "signature", "contents")
    }
    data = original[part]
    for position in range(0, len(data), 7):
        changed = bytearray(data)
        changed[position] ^= 1 << position % 8
        name = judged(**{part: bytes(changed)})
        # Unsigned parts of the committee, for example who has how much power, still have rules to keep.
        assert name is not None, f"byte {position} of the {part}"


@pytest.mark.parametrize(
    ("powers", "signers", "accepted"),
    [
        ((6_667, 1_111, 1_111, 1_111), (0,), True),
        ((6_666, 1_112, 1_111, 1_111), (0,), False),
        ((6_666, 1, 1_666, 1_667), (0, 1), True),
        ((3_333, 1, 3_333, 3_333), (0, 2), False),
        ((3_333, 1, 3_333, 3_333), (0, 1, 2), True),
    ],
)
def test_the_quorum_is_of_power_not_of_heads(powers: tuple[int, ...], signers: tuple[int, ...], accepted: bool) -> None:
    trusted = world.committee(powers=powers)
    signature = world.certify(GOOD.summary, signers=signers)
    assert failed(trusted, GOOD.summary, signature, None) == (None if accepted else "quorum")
    assert (sum(powers[index] for index in signers) >= QUORUM_POWER) is accepted


@pytest.mark.parametrize(
    ("read", "error", "limit"),
    [
        (read_committee, errors.CommitteeStructureError, MAX_COMMITTEE_BYTES),
        (read_summary, errors.SummaryStructureError, MAX_SUMMARY_BYTES),
        (read_signature, errors.SignatureStructureError, MAX_QUORUM_SIGNATURE_BYTES),
        (read_contents, errors.ContentsStructureError, MAX_CONTENTS_BYTES),
    ],
)
def test_a_part_that_is_too_long_is_refused_unread(
    read: Callable[[bytes], object], error: type[LightClientError], limit: int
) -> None:
    with pytest.raises(error) as raised:
        read(b"\xff" * (limit + 1))
    assert (raised.value.expected, raised.value.actual) == (f"at most {limit} bytes", str(limit + 1))
    with pytest.raises(error) as raised:
        read(b"\xff" * limit)
    assert raised.value.expected.startswith("bcs(")


def test_the_largest_committee_and_signature_fit_their_limits() -> None:
    members = tuple(CommitteeMember(index.to_bytes(96, "big"), 10) for index in range(MAX_COMMITTEE_MEMBERS))
    assert len(read_committee(COMMITTEE.encode(CommitteeRecord(2**64 - 1, members))).members) == MAX_COMMITTEE_MEMBERS
    everybody = bitmap.encode(tuple(range(MAX_COMMITTEE_MEMBERS)))
    assert read_signature(with_signature(signers=everybody)).signers == everybody


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "0 bytes instead of"),
        (bytes(95), "95 bytes instead of"),
        (INFINITE_KEY, "the point at infinity"),
        (bytes(96), "no encoding of a point"),
        (b"\x80" + bytes(95), "not on the curve"),
        (off_subgroup_key(), "outside the subgroup"),
    ],
)
def test_a_key_that_cannot_be_used_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(bls.BlsPointError, match=reason):
        bls.load_key(data)


def test_opposite_keys_cannot_cancel_into_a_signature_over_anything() -> None:
    """Two keys that add up to infinity would verify the signature at infinity over every message."""
    opposite = bytes((-pyblst.BlstP2Element.uncompress(FIRST.public_key)).compress())
    pair = sorted((FIRST.public_key, opposite))
    trusted = record(*(CommitteeMember(key, 5_000) for key in pair))
    for signature in (b"\xc0" + bytes(47), world.sign(b"anything", [1])):
        forged = with_signature(signature=signature, signers=bitmap.encode((0, 1)))
        assert judged(committee=trusted, signature=forged) in ("signature point", "quorum signature")


def test_the_anchor_is_the_hash_of_the_committee_file() -> None:
    assert TRUSTED.anchor == hashlib.sha256(world.committee()).digest()
    assert TRUSTED.to_bytes() == world.committee()
    assert Committee.from_bytes(world.committee(world.EPOCH + 1)).anchor != TRUSTED.anchor


@given(st.binary(max_size=300), st.binary(max_size=200), st.binary(max_size=120), st.none() | st.binary(max_size=200))
def test_no_bytes_make_a_verdict_raise(
    committee: bytes, summary: bytes, signature: bytes, contents: bytes | None
) -> None:
    assert failed(committee, summary, signature, contents) is not None


@given(st.sets(st.integers(0, 999), max_size=200))
def test_a_bitmap_gives_back_its_indices(indices: set[int]) -> None:
    ordered = tuple(sorted(indices))
    assert bitmap.decode(bitmap.encode(ordered)) == ordered


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=20))
def test_the_run_form_says_the_same_as_the_array(steps: list[tuple[int, int]]) -> None:
    runs, position = [], 0
    for gap, length in steps:
        runs.append((position + gap, length))
        position += gap + length
    indices = tuple(index for start, length in runs for index in range(start, start + length))
    words = [len(indices) - 1, len(runs), *(word for start, length in runs for word in (start, length - 1))]
    body = b"".join(word.to_bytes(2, "little") for word in words)
    assert bitmap.decode(b"\x3b\x30\0\0\x01" + b"\0\0" + body) == indices
    with pytest.raises(errors.BitmapError):
        bitmap.decode(b"\x3b\x30\0\0\x01" + b"\0\0" + body + b"\0")


def test_runs_that_touch_overlap_or_lie_about_their_number_are_refused() -> None:
    head = b"\x3b\x30\0\0\x01\0\0"
    for words in ((3, 2, 0, 1, 2, 1), (3, 2, 0, 1, 1, 1), (4, 1, 0, 3), (1, 1, 65_535, 1), (0, 0)):
        with pytest.raises(errors.BitmapError):
            bitmap.decode(head + b"".join(word.to_bytes(2, "little") for word in words))


def test_a_run_may_end_at_the_very_last_index() -> None:
    data = b"\x3b\x30\0\0\x01\0\0" + b"".join(word.to_bytes(2, "little") for word in (1, 1, 65_534, 1))
    assert bitmap.decode(data) == (65_534, 65_535)


def array_form(key: int, indices: list[int]) -> bytes:
    words = (12_346, 0, 1, 0, key, len(indices) - 1, 16, 0, *indices)
    return b"".join(word.to_bytes(2, "little") for word in words)


def test_an_array_holds_4096_indices_of_the_first_container_and_is_never_cut() -> None:
    most = list(range(4_096))
    assert bitmap.decode(array_form(0, most)) == bitmap.decode(bitmap.encode(tuple(most))) == tuple(most)
    with pytest.raises(errors.BitmapError, match="at most 4096"):
        bitmap.decode(array_form(0, list(range(4_097))))
    with pytest.raises(ValueError):
        bitmap.encode(tuple(range(4_097)))
    with pytest.raises(errors.BitmapError, match="65536 or above"):
        bitmap.decode(array_form(1, [0, 1]))
    whole = array_form(0, [0, 1, 3])
    for end in range(len(whole)):
        with pytest.raises(errors.BitmapError, match="bytes at"):
            bitmap.decode(whole[:end])


def test_a_bitmap_is_not_encoded_from_anything_but_ascending_small_indices() -> None:
    for wrong in ((1, 1), (2, 1), (-1, 0), (0, 65_536)):
        with pytest.raises(ValueError):
            bitmap.encode(wrong)
    assert bitmap.decode(bitmap.encode((0, 65_535))) == (0, 65_535)


@given(st.binary(max_size=64))
def test_no_bytes_make_a_bitmap_anything_but_ascending_indices(data: bytes) -> None:
    for prefix in (b"", b"\x3a\x30\0\0\x01\0\0\0", b"\x3b\x30\0\0\x01"):
        try:
            found = bitmap.decode(prefix + data)
        except errors.BitmapError:
            continue
        assert list(found) == sorted(set(found))


def test_two_independent_libraries_agree() -> None:
    arkworks = pytest.importorskip("py_arkworks_bls12381", reason="the second BLS library is a development dependency")
    quorum = QUORUM_SIGNATURE.decode(GOOD.signature)
    keys = [arkworks.G2Point.from_compressed_bytes(FIRST.public_key)]
    keys += [arkworks.G2Point.from_compressed_bytes(member.public_key) for member in (SECOND, FOURTH)]
    signature = arkworks.G1Point.from_compressed_bytes(quorum.signature)
    for message, expected in ((GOOD.summary, True), (GOOD.summary + b"\0", False)):
        hashed = arkworks.G1Point.hash_to_curve(signed_message(message, world.EPOCH), bls.DOMAIN)
        total = keys[0] + keys[1] + keys[2]
        left = arkworks.GT.pairing(signature, arkworks.G2Point())
        assert (left == arkworks.GT.pairing(hashed, total)) is expected
        ours = bls.verify(
            signed_message(message, world.EPOCH),
            bls.load_signature(quorum.signature),
            [TRUSTED.points[index] for index in (0, 1, 3)],
        )
        assert ours is expected

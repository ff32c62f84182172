"""One well-formed item, one meaning, or a refusal that says where."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_attestation.cbor import MAX_DEPTH, MAX_ITEMS, CborError, CborValue, Tagged, decode, encode

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(1 << 64), (1 << 64) - 1), st.binary(max_size=300), st.text(max_size=80)
)
VALUES: st.SearchStrategy[CborValue] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(max_size=8) | st.integers(-40, 1 << 33), inner, max_size=5)
        | st.builds(Tagged, st.integers(0, 1 << 40), inner)
    ),
    max_leaves=12,
)

# A machine that is busy with other tests must not fail these.
unhurried = settings(deadline=None)


def _depth(value: CborValue) -> int:
    match value:
        case list():
            return 1 + max(map(_depth, value), default=0)
        case dict():
            return 1 + max(map(_depth, value.values()), default=1)
        case Tagged():
            return 1 + _depth(value.value)
    return 1


@unhurried
@given(VALUES.filter(lambda value: _depth(value) <= MAX_DEPTH))
def test_what_is_encoded_is_decoded(value: CborValue) -> None:
    decoded = decode(encode(value))
    assert decoded == value
    assert encode(decoded) == encode(value)


@unhurried
@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused_by_name(data: bytes) -> None:
    try:
        decode(data)
    except CborError:
        return


@unhurried
@given(VALUES.filter(lambda value: _depth(value) <= MAX_DEPTH), st.data())
def test_no_prefix_of_an_item_is_an_item(value: CborValue, data: st.DataObject) -> None:
    encoded = encode(value)
    cut = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(CborError):
        decode(encoded[:cut])


@unhurried
@given(VALUES.filter(lambda value: _depth(value) <= MAX_DEPTH), st.binary(min_size=1, max_size=4))
def test_trailing_bytes_are_refused(value: CborValue, more: bytes) -> None:
    with pytest.raises(CborError, match="trailing"):
        decode(encode(value) + more)


# Appendix A of RFC 8949, the items that this subset has.
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("00", 0),
        ("17", 23),
        ("1818", 24),
        ("1903e8", 1000),
        ("1bffffffffffffffff", (1 << 64) - 1),
        ("3bffffffffffffffff", -(1 << 64)),
        ("3903e7", -1000),
        ("f4", False),
        ("f5", True),
        ("f6", None),
        ("4401020304", b"\x01\x02\x03\x04"),
        ("62c3bc", "ü"),
        ("83010203", [1, 2, 3]),
        ("a201020304", {1: 2, 3: 4}),
        ("c11a514b67b0", Tagged(1, 1363896240)),
        ("5f42010243030405ff", b"\x01\x02\x03\x04\x05"),
        ("7f657374726561646d696e67ff", "streaming"),
        ("9f018202039f0405ffff", [1, [2, 3], [4, 5]]),
        ("bf61610161629f0203ffff", {"a": 1, "b": [2, 3]}),
        ("9fff", []),
        ("bfff", {}),
    ],
)
def test_the_examples_of_the_rfc(text: str, value: CborValue) -> None:
    assert decode(bytes.fromhex(text)) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "cut off"),
        ("18", "cut off"),
        ("4401", "cut off"),
        ("5bffffffffffffffff", "cut off"),
        ("9bffffffffffffffff", "array of"),
        ("bbffffffffffffffff", "map of"),
        ("a2010201 03".replace(" ", ""), "duplicate"),
        ("bf610101610102ff", "duplicate"),
        ("a1f502", "neither"),
        ("a1f602", "neither"),
        ("a1410102", "neither"),
        ("a18002", "neither"),
        ("1817", "shortest"),
        ("190017", "shortest"),
        ("1b00000000ffffffff", "shortest"),
        ("5800", "shortest"),
        ("1c", "reserved"),
        ("1f", "reserved"),
        ("3f", "reserved"),
        ("df00", "reserved"),
        ("ff", "unexpected"),
        ("81ff", "unexpected"),
        ("bf01ff", "unexpected"),
        ("f7", "unexpected"),
        ("e0", "unexpected"),
        ("f820", "float"),
        ("f90000", "float"),
        ("fb3ff0000000000000", "float"),
        ("61ff", "UTF-8"),
        ("7f61c361bcff", "UTF-8"),
        ("5f6161ff", "chunk"),
        ("5f5f4101ffff", "chunk"),
        ("5f4101", "cut off"),
        ("9f01", "cut off"),
        ("bf0102", "cut off"),
    ],
)
def test_malformed_items_are_refused_for_the_right_reason(text: str, reason: str) -> None:
    with pytest.raises(CborError, match=reason):
        decode(bytes.fromhex(text))


def test_nesting_is_bounded_before_the_stack_is() -> None:
    assert decode(b"\x81" * (MAX_DEPTH - 1) + b"\x00") is not None
    for opening in (b"\x81", b"\x9f", b"\xc1", b"\xa1\x00"):
        with pytest.raises(CborError, match="deeper"):
            decode(opening * 5000 + b"\x00")


def test_the_number_of_items_is_bounded_in_definite_and_indefinite_form() -> None:
    assert len(decode(b"\x9f" + b"\x00" * (MAX_ITEMS - 1) + b"\xff")) == MAX_ITEMS - 1  # type: ignore[arg-type]
    for flood in (b"\x9f" + b"\x00" * MAX_ITEMS + b"\xff", b"\x5f" + b"\x40" * MAX_ITEMS + b"\xff"):
        with pytest.raises(CborError, match="more than"):
            decode(flood)


def test_longer_forms_of_integers_are_accepted_only_where_asked() -> None:
    assert decode(bytes.fromhex("1b0000000000000017"), minimal=False) == 23
    with pytest.raises(CborError, match="float"):
        decode(bytes.fromhex("f818"), minimal=False)

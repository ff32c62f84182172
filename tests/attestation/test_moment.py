"""Instants are read as RFC 3339 writes them and nothing looser, and shown so that they can be read again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daas_attestation.moment import MomentError, parse_utc_ms, utc_seconds_text, utc_text


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.001Z", 1),
        ("1970-01-01T00:00:00.0019Z", 1),
        ("1970-01-01T00:00:00.5Z", 500),
        ("1970-01-01T00:00:00.05Z", 50),
        ("1970-01-01T00:00:00.123456789Z", 123),
        ("1970-01-01t00:00:01z", 1000),
        ("1970-01-01 00:00:01Z", 1000),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T19:00:00-05:00", 0),
        ("1969-12-31T23:59:59.999Z", -1),
        ("2025-12-25T13:15:37.578Z", 1766668537578),
    ],
)
def test_an_instant_is_read(text: str, ms: int) -> None:
    assert parse_utc_ms(text) == ms


@pytest.mark.parametrize(
    "text",
    [
        "", "now", "1970-01-01", "1970-01-01T00:00:00", "1970-01-01T00:00Z", "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00,5Z", "1970-01-01T00:00:00.1234567890Z", "1970-01-01T24:00:00Z", "1970-01-01T00:00:60Z",
        "1970-02-30T00:00:00Z", "1970-13-01T00:00:00Z", "1970-01-01T00:00:00+0100", "1970-01-01T00:00:00+25:00",
        "1970-01-01T00:00:00Z ", "1970-01-01T00:00:00Z\n", "0000-01-01T00:00:00Z", "1970-W01-4T00:00:00Z",
        "١970-01-01T00:00:00Z", "1766668537578",
    ],
)  # fmt: skip
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(MomentError):
        parse_utc_ms(text)


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_what_is_shown_is_read_again(ms: int) -> None:
    assert parse_utc_ms(utc_text(ms)) == ms
    assert parse_utc_ms(utc_seconds_text(ms // 1000)) == ms // 1000 * 1000


@given(st.integers())
def test_every_number_has_a_text(number: int) -> None:
    assert utc_text(number)
    assert utc_seconds_text(number)

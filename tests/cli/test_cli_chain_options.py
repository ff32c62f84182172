"""Promise: amounts, durations and ids are read strictly: what is accepted has one meaning, to the last MIST."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_cli.chain_options import MAX_MIST, duration_ms, duration_text, hex_bytes, object_id, sui_amount, sui_text
from daas_cli.errors import UnreadableError


@settings(max_examples=40)
@given(st.integers(min_value=0, max_value=MAX_MIST))
def test_an_amount_that_is_shown_can_be_typed(mist: int) -> None:
    assert sui_amount(sui_text(mist).removesuffix(" SUI").replace(",", "")) == mist
    assert sui_amount(f"{mist}mist") == mist


@settings(max_examples=40)
@given(st.text(max_size=30))
def test_any_text_is_an_amount_or_refused(text: str) -> None:
    try:
        mist = sui_amount(text)
    except UnreadableError:
        return
    assert 0 <= mist <= MAX_MIST
    assert text.isascii()
    assert text.removesuffix("mist").replace(".", "").isdigit()


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", "1e9", "1.", ".5", "1.0000000001", "0x10", "1.5mist", "ten", "9" * 30, "１", " 1", "1_0"]
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(UnreadableError):
        sui_amount(text)


def test_amounts_are_exact() -> None:
    assert sui_amount("0.000000001") == 1
    assert sui_amount("9007199254.740993") == 9_007_199_254_740_993_000
    assert sui_text(1_234_500_000_000) == "1,234.5 SUI"
    assert sui_text(0) == "0 SUI"
    assert sui_text(-1) == "-0.000000001 SUI"


@pytest.mark.parametrize(
    ("text", "ms"), [("30d", 2_592_000_000), ("1h30m", 5_400_000), ("500ms", 500), ("2w", 1_209_600_000), ("0s", 0)]
)
def test_durations_are_what_they_say(text: str, ms: int) -> None:
    assert duration_ms(text, "it") == ms


@pytest.mark.parametrize("text", ["", "5", "d", "1 d", "-1d", "1.5h", "1y", "1D", "١d", "1d" * 50])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(UnreadableError):
        duration_ms(text, "it")


@settings(max_examples=40)
@given(st.integers(min_value=0, max_value=10**13))
def test_a_duration_for_people_never_says_more_than_there_is(ms: int) -> None:
    shown = duration_text(ms)
    if shown != "less than a second":
        assert ms - 86_400_000 < duration_ms(shown.replace(" ", ""), "it") <= ms


def test_ids_are_whole_and_not_zero() -> None:
    assert object_id("0x2", "it") == bytes(31) + b"\2"
    for text in ("", "0x", "2", "0x0", "0x" + "0" * 64, "0x" + "1" * 65, "0xg"):
        with pytest.raises(UnreadableError):
            object_id(text, "it")
    assert hex_bytes("0x" + "ab" * 16, 16, "it") == b"\xab" * 16
    for text in ("", "ab" * 15, "ab" * 17, "zz" * 16, "ab " * 16 + "ab", "ａｂ" * 16):
        with pytest.raises(UnreadableError):
            hex_bytes(text, 16, "it")

"""Promises of the BCS codec, checked against the examples of the BCS specification (diem/bcs, README.md)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daas_protocol.bcs import BcsError, Reader, Writer, encode_uleb


def written(method: str, *args: object) -> str:
    writer = Writer()
    getattr(writer, method)(*args)
    return writer.finish().hex()


@pytest.mark.parametrize(
    ("method", "value", "expected"),
    [
        ("bool", True, "01"),
        ("bool", False, "00"),
        ("u8", 1, "01"),
        ("u16", 4660, "3412"),
        ("u32", 305419896, "78563412"),
        ("u64", 1311768467750121216, "00efcdab78563412"),
        ("string", "çå∞≠¢õß∂ƒ∫", "18c3a7c3a5e2889ee289a0c2a2c3b5c39fe28882c692e288ab"),
        ("bytes", b"\xc0\xde", "02c0de"),
    ],
)
def test_examples_of_the_specification(method: str, value: object, expected: str) -> None:
    assert written(method, value) == expected
    reader = Reader(bytes.fromhex(expected))
    read = reader.string(24) if method == "string" else getattr(reader, method)()
    reader.end()
    assert read == value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, "01"),
        (2**7, "8001"),
        (2**14, "808001"),
        (2**21, "80808001"),
        (2**28, "8080808001"),
        (9487, "8f4a"),
        (0, "00"),
        (2**32 - 1, "ffffffff0f"),
    ],
)
def test_uleb128_of_the_specification(value: int, expected: str) -> None:
    assert encode_uleb(value).hex() == expected
    assert Reader(bytes.fromhex(expected)).uleb() == value


@pytest.mark.parametrize("text", ["808080808001", "8080808010", "8000", "808000", "ffffffff1f", "80", "ffffffffff", ""])
def test_uleb128_that_is_too_large_not_minimal_or_cut_is_refused(text: str) -> None:
    with pytest.raises(BcsError):
        Reader(bytes.fromhex(text)).uleb()


def test_sequences_options_and_structures_of_the_specification() -> None:
    writer = Writer()
    writer.vector([1, 2], writer.u16)
    assert writer.finish().hex() == "0201000200"
    assert Reader(bytes.fromhex("0201000200")).vector(lambda: 0, 2) == [0, 0]
    writer = Writer()
    writer.option(8, writer.u8)
    writer.option(None, writer.u8)
    assert writer.finish().hex() == "010800"
    reader = Reader(bytes.fromhex("010800"))
    assert (reader.option(reader.u8), reader.option(reader.u8)) == (8, None)
    writer = Writer()  # Wrapper { inner: MyStruct { true, [0xC0, 0xDE], "a" }, name: "b" }
    writer.bool(True)
    writer.bytes(b"\xc0\xde")
    writer.string("a")
    writer.string("b")
    assert writer.finish().hex() == "0102c0de01610162"


@pytest.mark.parametrize("byte", range(2, 256))
def test_a_bool_and_an_option_begin_with_zero_or_one_only(byte: int) -> None:
    with pytest.raises(BcsError):
        Reader(bytes((byte, 0))).bool()
    reader = Reader(bytes((byte, 0)))
    with pytest.raises(BcsError):
        reader.option(reader.u8)


@pytest.mark.parametrize("text", ["01ff", "02c080", "03eda080", "04f4908080", "02c3", "01c3"])
def test_invalid_utf8_is_refused(text: str) -> None:
    with pytest.raises(BcsError):
        Reader(bytes.fromhex(text)).string(10)


def test_a_text_without_utf8_form_is_refused() -> None:
    with pytest.raises(BcsError):
        Writer().string("\ud800")


@pytest.mark.parametrize("method", ["u8", "u16", "u32", "u64"])
def test_integers_out_of_range_are_refused(method: str) -> None:
    for value in (-1, 2 ** int(method[1:])):
        with pytest.raises(BcsError):
            getattr(Writer(), method)(value)


def test_caps_are_compared_before_anything_is_read() -> None:
    claims_two_gigabytes = bytes.fromhex("ffffffff07")
    for read in (
        lambda reader: reader.bytes(16),
        lambda reader: reader.bytes(exact=16),
        lambda reader: reader.string(16),
        lambda reader: reader.vector(reader.u8, 16),
        lambda reader: reader.bytes(),
    ):
        with pytest.raises(BcsError):
            read(Reader(claims_two_gigabytes))
    with pytest.raises(BcsError):
        Reader(b"\x02ab").bytes(1)
    with pytest.raises(BcsError):
        Reader(b"\x02ab").bytes(exact=1)
    assert Reader(b"\x02ab").bytes(2) == b"ab"


def test_bytes_behind_the_structure_are_refused() -> None:
    reader = Reader(b"\x01\x02")
    reader.u8()
    with pytest.raises(BcsError):
        reader.end()


@given(st.integers(0, 2**32 - 1))
def test_every_uleb128_has_one_form(value: int) -> None:
    encoded = encode_uleb(value)
    reader = Reader(encoded)
    assert reader.uleb() == value
    reader.end()
    padded = encoded[:-1] + bytes((encoded[-1] | 0x80, 0))
    with pytest.raises(BcsError):
        Reader(padded).uleb()


@given(st.binary(max_size=12))
def test_whatever_is_read_as_uleb128_is_written_again_as_read(data: bytes) -> None:
    reader = Reader(data)
    try:
        value = reader.uleb()
    except BcsError:
        return
    assert data.startswith(encode_uleb(value))
    assert reader.remaining == len(data) - len(encode_uleb(value))

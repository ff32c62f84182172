"""measurements.json is read strictly, written as it is read, and never written unreadable."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_attestation.measurements import (
    MAX_FILE_BYTES,
    Measurement,
    MeasurementError,
    decode,
    dump,
    encode,
    load,
)

GOOD = Measurement(
    name="image",
    version=3,
    pcr0=b"\x10" * 48,
    pcr1=b"\x11" * 48,
    pcr2=b"\x12" * 48,
    pcr8=None,
    valid_from=1,
    valid_to=None,
    inputs={"kernel": "aa" * 32},
    versions={"k3s": "v1.34.1"},
    commit="0123abcd",
)
PCR = st.binary(min_size=48, max_size=48)
TEXT = st.text(max_size=20)
U64 = st.integers(0, (1 << 64) - 2)
MEASUREMENTS = st.builds(
    Measurement,
    TEXT,
    U64,
    PCR,
    PCR,
    PCR,
    st.none() | PCR,
    st.integers(0, 1 << 50),
    st.none() | st.integers((1 << 50) + 1, 1 << 60),
    st.dictionaries(TEXT, TEXT, max_size=3),
    st.dictionaries(TEXT, TEXT, max_size=3),
    TEXT,
)

# A machine that is busy with other tests must not fail these.
unhurried = settings(deadline=None)


@unhurried
@given(st.lists(MEASUREMENTS, max_size=3))
def test_what_is_written_is_read(measurements: list[Measurement]) -> None:
    assert list(decode(encode(measurements))) == measurements


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "measurements.json"
    dump(path, [GOOD])
    dump(path, [GOOD, replace(GOOD, name="next", pcr8=b"\x18" * 48, valid_to=9)])
    assert [measurement.name for measurement in load(path)] == ["image", "next"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["measurements.json"]
    with pytest.raises(MeasurementError):
        dump(path, [replace(GOOD, version=-1)])
    assert len(load(path)) == 2


def test_the_pcrs_of_a_measurement_are_those_it_compares() -> None:
    assert GOOD.pcrs == {0: GOOD.pcr0, 1: GOOD.pcr1, 2: GOOD.pcr2}
    assert replace(GOOD, pcr8=b"\x18" * 48).pcrs == GOOD.pcrs | {8: b"\x18" * 48}
    assert not GOOD.debug
    assert replace(GOOD, pcr0=bytes(48), pcr1=bytes(48), pcr2=bytes(48)).debug


@pytest.mark.parametrize("length", [0, 32, 47, 49, 64])
def test_a_pcr_has_48_bytes(length: int) -> None:
    with pytest.raises(MeasurementError):
        replace(GOOD, pcr2=bytes(length))


@pytest.mark.parametrize(
    "change",
    [
        {"name": 1},
        {"name": "n" * 257},
        {"version": -1},
        {"version": 1 << 64},
        {"version": True},
        {"version": 1.0},
        {"version": "1"},
        {"pcr0": None},
        {"pcr0": "10" * 47},
        {"pcr0": "AB" * 48},
        {"pcr0": "zz" * 48},
        {"pcr0": " " + "10" * 47 + "1"},
        {"pcr8": ""},
        {"valid_from": None},
        {"valid_from": 5, "valid_to": 5},
        {"valid_from": 5, "valid_to": 4},
        {"inputs": []},
        {"inputs": {"kernel": 1}},
        {"inputs": {str(index): "" for index in range(257)}},
        {"versions": None},
        {"commit": None},
        {"more": 1},
    ],
    ids=repr,
)
def test_a_wrong_field_is_refused(change: dict[str, object]) -> None:
    document = json.loads(encode([GOOD]))
    document["measurements"][0] |= change
    with pytest.raises(MeasurementError):
        decode(json.dumps(document).encode())


OPTIONAL = {"pcr8": None, "valid_to": None, "inputs": {}, "versions": {}, "commit": ""}


def without(*names: str) -> bytes:
    full = replace(GOOD, pcr8=b"\x18" * 48, valid_to=9)
    document = json.loads(encode([full]))
    for name in names:
        del document["measurements"][0][name]
    return json.dumps(document).encode()


def test_what_an_image_is_accepted_by_is_required() -> None:
    for name in json.loads(encode([GOOD]))["measurements"][0].keys() - OPTIONAL:
        with pytest.raises(MeasurementError, match=name):
            decode(without(name))


@pytest.mark.parametrize("name", OPTIONAL)
def test_what_tells_where_an_image_comes_from_may_be_left_out(name: str) -> None:
    full = decode(without())[0]
    assert decode(without(name)) == (replace(full, **{name: OPTIONAL[name]}),)  # type: ignore[arg-type]


def test_what_was_left_out_is_written_in_full() -> None:
    sparse = decode(without(*OPTIONAL))
    assert OPTIONAL.keys() <= json.loads(encode(sparse))["measurements"][0].keys()
    assert decode(encode(sparse)) == sparse


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b'{"version":1}',
        b'{"version":2,"measurements":[]}',
        b'{"version":true,"measurements":[]}',
        b'{"version":1,"version":1,"measurements":[]}',
        b'{"version":1,"measurements":{}}',
        b'{"version":1,"measurements":[null]}',
        b'{"version":1,"measurements":[],"more":1}',
        b'{"version":1,"measurements":[]} x',
        b'{"version":1,"measurements":' + b"[" * 5000,
        b'{"version":1,"measurements":[' + b"1," * 2000 + b"1]}",
        b" " * (MAX_FILE_BYTES + 1),
    ],
)
def test_a_file_of_another_shape_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "measurements.json"
    path.write_bytes(data)
    with pytest.raises(MeasurementError):
        load(path)


@unhurried
@given(st.binary(max_size=200))
def test_any_bytes_are_refused_by_name(data: bytes) -> None:
    with pytest.raises(MeasurementError):
        decode(data)

"""Process mode's PCRs: the same files give the same digests, anything else gives others, and none is ever zero."""

import hashlib
from pathlib import Path

import pytest

from daas_attestation.process_measure import MAX_NAME_BYTES, measure_process


def files(folder: Path, **contents: bytes) -> dict[str, Path]:
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {name: folder / name for name in contents}


def test_names_and_contents_count_and_folders_and_order_do_not(tmp_path: Path) -> None:
    one = measure_process(files(tmp_path / "one", a=b"1", b=b"2"))
    assert measure_process(dict(reversed(files(tmp_path / "two", a=b"1", b=b"2").items()))) == one
    others = [
        files(tmp_path / "three", a=b"2", b=b"1"),
        files(tmp_path / "four", a=b"1"),
        files(tmp_path / "five", a=b"1", c=b"2"),
        files(tmp_path / "six", a=b"1", b=b"2", c=b""),
        files(tmp_path / "seven", ab=b"12"),
    ]
    assert len({measure_process(other)[0] for other in others} | {one[0]}) == len(others) + 1


def test_the_three_pcrs_differ_have_48_bytes_and_are_not_zero(tmp_path: Path) -> None:
    pcrs = measure_process(files(tmp_path, empty=b""))
    assert sorted(pcrs) == [0, 1, 2]
    assert len(set(pcrs.values()) - {bytes(48)}) == 3
    assert all(len(pcr) == 48 for pcr in pcrs.values())


def test_the_digest_is_the_documented_one(tmp_path: Path) -> None:
    manifest = b"\0\0\0\1a" + hashlib.sha256(b"1").digest() + b"\0\0\0\2bb" + hashlib.sha256(b"").digest()
    pcrs = measure_process(files(tmp_path, bb=b"", a=b"1"))
    for index in (0, 1, 2):
        assert pcrs[index] == hashlib.sha384(b"DAAS-PROCESS-MEASURE-V1\0" + bytes((index,)) + manifest).digest()


def test_nothing_to_measure_is_an_error_and_so_is_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="0"):
        measure_process({})
    for name in ("", "x" * (MAX_NAME_BYTES + 1)):
        with pytest.raises(ValueError, match="bytes"):
            measure_process({name: files(tmp_path, a=b"")["a"]})
    with pytest.raises(FileNotFoundError):
        measure_process({"none": tmp_path / "none"})

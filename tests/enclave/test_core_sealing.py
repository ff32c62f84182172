"""Sealed blobs open for whom they were sealed, unaltered, and for nobody else."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daas_enclave.sealing import (
    MAX_BLOB_BYTES,
    DevelopmentSealer,
    MalformedBlob,
    SealBroken,
    SealContext,
    SealedForAnother,
    SealingError,
    SealingKeyUnsafe,
    load_or_create_key,
    split_blob,
)

CONTEXT = SealContext(b"\x01" * 32, b"\x02" * 32, b"\x03" * 32, b"\x04" * 32, 7)


def sealer(context: SealContext = CONTEXT, key: bytes = b"k" * 32) -> DevelopmentSealer:
    return DevelopmentSealer(key, context, random.Random(1).randbytes)


def test_what_was_sealed_opens_again_and_names_whose_it_is() -> None:
    blob = sealer().seal("pki", b"secret")
    assert sealer().open("pki", blob) == b"secret"
    assert b"secret" not in blob
    header, _, _ = split_blob(blob)
    assert (header.provider, header.label, header.context) == ("development", "pki", CONTEXT)


@pytest.mark.parametrize(
    ("field", "context"),
    [
        ("package", replace(CONTEXT, package_id=bytes(32))),
        ("cluster", replace(CONTEXT, cluster_id=bytes(32))),
        ("slot", replace(CONTEXT, enclave_id=bytes(32))),
    ],
)
def test_a_boot_for_another_package_cluster_or_slot_refuses_it_by_name(field: str, context: SealContext) -> None:
    blob = sealer().seal("pki", b"secret")
    with pytest.raises(SealedForAnother) as caught:
        sealer(context).open("pki", blob)
    assert caught.value.field == field


def test_a_newer_policy_or_checkpoint_of_the_same_slot_opens_it() -> None:
    blob = sealer().seal("pki", b"secret")
    assert sealer(replace(CONTEXT, light_client_anchor=bytes(32), checkpoint=9)).open("pki", blob) == b"secret"


def test_a_blob_of_another_label_is_not_taken_for_this_one() -> None:
    with pytest.raises(SealedForAnother, match="label"):
        sealer().open("other", sealer().seal("pki", b"secret"))


@given(st.integers(0), st.integers(1, 255))
def test_no_altered_byte_opens(position: int, change: int) -> None:
    blob = bytearray(sealer().seal("pki", b"some secret"))
    blob[position % len(blob)] ^= change
    with pytest.raises(SealingError):
        sealer().open("pki", bytes(blob))


@given(st.integers(0, 400))
def test_no_shortened_blob_opens(length: int) -> None:
    blob = sealer().seal("pki", b"some secret")
    if length < len(blob):
        with pytest.raises(SealingError):
            sealer().open("pki", blob[:length])


@given(st.binary(max_size=400))
def test_foreign_bytes_are_malformed_and_nothing_else(data: bytes) -> None:
    with pytest.raises(MalformedBlob):
        sealer().open("pki", data)


def test_limits_and_another_key() -> None:
    with pytest.raises(MalformedBlob):
        sealer().open("pki", bytes(MAX_BLOB_BYTES + 1))
    with pytest.raises(SealBroken):
        sealer(key=b"j" * 32).open("pki", sealer().seal("pki", b"x"))
    assert "k" * 8 not in repr(sealer())


def test_the_key_file_is_private_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "key"
    key = load_or_create_key(path, os.urandom)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_or_create_key(path, os.urandom) == key


def test_a_key_file_that_others_read_or_a_link_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    load_or_create_key(path, os.urandom)
    path.chmod(0o640)
    with pytest.raises(SealingKeyUnsafe):
        load_or_create_key(path, os.urandom)
    link = tmp_path / "link"
    path.chmod(0o600)
    link.symlink_to(path)
    with pytest.raises(SealingKeyUnsafe):
        load_or_create_key(link, os.urandom)

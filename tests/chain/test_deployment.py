"""Promise: a deployment record has one form; whatever is not whole and of that form is refused by its field's name."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_chain.deployment import MAX_BYTES, Deployment, DeploymentError

IDS = ("package", "original", "governance", "cluster", "stake_pool", "worker_registry")
GOLDEN = (
    b'{\n "version": 1,\n "network": "http://127.0.0.1:9000",\n'
    b' "chain_id": "4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi",\n'
    + b"".join(
        b' "%s": "0x%s",\n' % (name.encode(), bytes([index + 1] * 32).hex().encode()) for index, name in enumerate(IDS)
    )
    + b' "enclave": null\n}\n'
)


def golden() -> Deployment:
    ids = {name: bytes([index + 1] * 32) for index, name in enumerate(IDS)}
    return Deployment(network="http://127.0.0.1:9000", chain_id=bytes([1]) * 32, **ids)


def test_the_bytes_of_version_1_are_fixed() -> None:
    assert Deployment.parse(GOLDEN) == golden()
    assert golden().to_json() == GOLDEN


identifiers = st.binary(min_size=32, max_size=32).filter(any)


@settings(max_examples=50)
@given(st.lists(identifiers, min_size=7, max_size=7), st.binary(min_size=32, max_size=32), st.none() | identifiers)
def test_a_record_survives_writing_and_reading(ids: list[bytes], chain: bytes, enclave: bytes | None) -> None:
    named = dict(zip(IDS, ids, strict=False))
    record = Deployment(network="https://node.example", chain_id=chain, enclave=enclave, **named)
    assert Deployment.parse(record.to_json()) == record
    assert Deployment.parse(record.to_json()).to_json() == record.to_json()
    assert record.with_enclave(ids[6]).enclave == ids[6]


BAD: list[tuple[str, Any]] = [
    ("version", 2),
    ("version", True),
    ("version", "1"),
    ("network", "http://node"),
    ("network", "ftp://node:1"),
    ("network", "http://me:secret@node:1"),
    ("network", "http://node:1/path"),
    ("network", "https://node:99999"),
    ("network", "https://" + "a" * 3_000),
    ("network", None),
    ("chain_id", "0OIl"),
    ("chain_id", "1" * 31),
    ("chain_id", 5),
    ("package", "0x2"),
    ("cluster", "0x" + "0" * 64),
    ("cluster", None),
    ("governance", "0x" + "A" * 64),
    ("stake_pool", "ab" * 32),
    ("enclave", ""),
    ("enclave", "0x" + "g" * 64),
]


@pytest.mark.parametrize(("field", "value"), BAD)
def test_a_bad_value_is_refused_by_its_name(field: str, value: Any) -> None:
    document = json.loads(GOLDEN)
    document[field] = value
    with pytest.raises(DeploymentError) as refused:
        Deployment.parse(json.dumps(document).encode())
    assert refused.value.field == field
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("field", ["version", "network", "enclave", "cluster"])
def test_a_missing_field_and_an_unknown_one_are_refused_by_name(field: str) -> None:
    document = json.loads(GOLDEN)
    del document[field]
    with pytest.raises(DeploymentError) as refused:
        Deployment.parse(json.dumps(document).encode())
    assert refused.value.field == field
    with pytest.raises(DeploymentError) as refused:
        Deployment.parse(json.dumps(json.loads(GOLDEN) | {"extra": 1}).encode())
    assert refused.value.field == "extra"


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"null", b"{", GOLDEN.replace(b'"version": 1,', b'"version": 1, "version": 1,'), b" " * 20_000]
)
def test_what_is_no_strict_json_is_refused(data: bytes) -> None:
    with pytest.raises(DeploymentError):
        Deployment.parse(data)


def test_a_value_that_could_not_be_read_is_not_written() -> None:
    with pytest.raises(DeploymentError):
        golden().with_enclave(bytes(32)).to_json()


def test_the_file_is_private_and_bounded(tmp_path: Path) -> None:
    path = tmp_path / "deployment.json"
    golden().store(path)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert Deployment.load(path) == golden()
    path.write_bytes(GOLDEN + b" " * MAX_BYTES)
    with pytest.raises(DeploymentError):
        Deployment.load(path)
    with pytest.raises(FileNotFoundError):
        Deployment.load(tmp_path / "none")

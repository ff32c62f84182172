"""The host's configuration is taken whole or refused by field."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_host.config import MAX_CONFIG_BYTES, ConfigError, Limits, load, parse

VALID: dict[str, Any] = {
    "version": 1,
    "listen": "tcp:127.0.0.1:7000",
    "enclave": {"kind": "process", "argv": ["python", "-m", "x"], "api": "unix:/r/api", "log": "unix:/r/log"},
    "log_dir": "/l",
    "tiles_dir": "/t",
    "state_dir": "/s",
}


def changed(path: str, value: object) -> bytes:
    config = copy.deepcopy(VALID)
    *parents, last = path.split(".")
    inner = config
    for name in parents:
        inner = inner.setdefault(name, {})
    inner[last] = value
    return json.dumps(config).encode()


def test_a_minimal_file_has_the_default_limits_and_no_metrics() -> None:
    config = parse(json.dumps(VALID).encode())
    assert config.limits == Limits()
    assert config.metrics is None
    assert config.enclave.argv == ("python", "-m", "x")
    assert str(config.listen) == "tcp:127.0.0.1:7000"


def test_limits_and_metrics_are_read(tmp_path: Path) -> None:
    file = tmp_path / "host.json"
    file.write_bytes(
        json.dumps(VALID | {"limits": {"max_connections": 3}, "metrics": "tcp:127.0.0.1:0"}).encode(),
    )
    config = load(file)
    assert config.limits == Limits(max_connections=3)
    assert str(config.metrics) == "tcp:127.0.0.1:0"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("version", 2),
        ("version", True),
        ("version", "1"),
        ("surprise", 1),
        ("enclave.surprise", 1),
        ("enclave.kind", "vm"),
        ("enclave.argv", []),
        ("enclave.argv", "python -m x"),
        ("enclave.argv", ["a"] * 65),
        ("enclave.argv", ["a\0b"]),
        ("enclave.argv", [1]),
        ("enclave.api", "pigeon:1"),
        ("listen", 7000),
        ("listen", "tcp:127.0.0.1:70000"),
        ("log_dir", ""),
        ("log_dir", "x" * 5000),
        ("limits", []),
        ("limits.surprise", 1),
        ("limits.max_connections", 0),
        ("limits.max_connections", True),
        ("limits.max_connections", 1.5),
        ("limits.restart_max_ms", 100),
        ("metrics", "tcp:0.0.0.0:9000"),
        ("metrics", "tcp:192.0.2.1:9000"),
        ("metrics", "unix:/m"),
        ("metrics", None),
    ],
)
def test_what_is_not_understood_is_refused_by_field(path: str, value: object) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(changed(path, value))
    assert path.split(".")[-1] in refused.value.field


@pytest.mark.parametrize("name", sorted(VALID))
def test_no_field_can_be_missing(name: str) -> None:
    with pytest.raises(ConfigError):
        parse(json.dumps({key: value for key, value in VALID.items() if key != name}).encode())


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{", b'{"version":1,"version":1}', b" " * (MAX_CONFIG_BYTES + 1), b"\xff"]
)
def test_only_strict_bounded_json_is_read(data: bytes) -> None:
    with pytest.raises(ConfigError):
        parse(data)


@settings(max_examples=50, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.sampled_from([*VALID, "limits"]), x),
    )
)
def test_no_json_raises_anything_but_a_refusal(value: object) -> None:
    try:
        parse(json.dumps(value).encode())
    except ConfigError:
        pass

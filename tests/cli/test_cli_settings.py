"""daas.yaml: what is not known is refused by name, and the environment has the last word."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daas_cli import settings
from daas_cli.errors import ExitCode, UnreadableError
from daas_cli.launch_files import filter_lists


def refused(text: str, **environment: str) -> UnreadableError:
    with pytest.raises(UnreadableError) as caught:
        settings.parse(text.encode(), environment)
    assert caught.value.code is ExitCode.UNREADABLE
    assert caught.value.next_step
    return caught.value


def test_without_a_file_everything_has_a_default(tmp_path: Path) -> None:
    found = settings.load(tmp_path / "daas.yaml", {})
    assert found.gateway.port is None
    assert found.gateway.cache_ttl_ms == 0
    assert not found.gateway.allow_exec
    assert found.control_plane.kind == "daas-k3s"


def test_the_example_in_the_documentation_is_the_defaults() -> None:
    assert settings.__doc__ is not None
    example = "".join(line[4:] + "\n" for line in settings.__doc__.splitlines() if line.startswith("    "))
    assert settings.parse(example.encode(), {}) == settings.parse(b"version: 1", {})


def test_the_example_in_the_readme_is_the_defaults() -> None:
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text()
    example = readme.split("```yaml\n")[1].split("```")[0]
    assert settings.parse(example.encode(), {}) == settings.parse(b"version: 1", {})
    for name in settings.OVERRIDES:
        assert name in readme


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("version: 2", "version"),
        ("key: a", "version"),
        ("version: 1\ngateway: {prot: 80}", "gateway.prot"),
        ("version: 1\nsurprise: 1", "surprise"),
        ("version: 1\ngateway: {port: 0}", "gateway.port"),
        ("version: 1\ngateway: {port: 65536}", "gateway.port"),
        ("version: 1\ngateway: {cache_ttl_ms: -1}", "gateway.cache_ttl_ms"),
        ("version: 1\ngateway: {reject_paths: ['(']}", "gateway.reject_paths"),
        ("version: 1\ngateway: {allow_exec: true, reject_paths: ['^/x']}", "gateway"),
        ("version: 1\ncontrol_plane: {kind: k3s}", "control_plane"),
        ("version: 1\nkey: ../../etc/passwd", "key"),
        ("version: 1\nscope: []", "scope"),
        ("version: 1\nscope: [everything]", "scope"),
        ("version: 1\nkey: a\nkey: b", "stands twice"),
        ("- 1", "mapping"),
        ("version: [", "not YAML"),
        ("version: 1\nkey: 2024-13-45", "not YAML"),
        ("version: 1\n? [a]\n: b", "not YAML"),
        ("version: " + "9" * 5000, "not YAML"),
        ("version: !!python/object/apply:os.system ['true']", "not YAML"),
    ],
)
def test_a_mistake_is_named(text: str, named: str) -> None:
    assert named in refused(text).message


def test_a_file_that_is_too_large_is_not_parsed() -> None:
    assert "larger than" in refused("version: 1\n#" + "x" * settings.MAX_BYTES).message


def test_the_environment_overrides_the_file() -> None:
    found = settings.parse(
        b"version: 1\ngateway: {port: 80, allow_exec: false}",
        {"DAAS_GATEWAY_PORT": "8443", "DAAS_ALLOW_EXEC": "1", "DAAS_CACHE_TTL_MS": "500", "DAAS_RETENTION_DAYS": "7"},
    )
    assert (found.gateway.port, found.gateway.allow_exec, found.gateway.cache_ttl_ms) == (8443, True, 500)
    assert found.gateway.retention.days == 7
    assert found.gateway.retention.max_rows == 1_000_000


def test_a_wrong_variable_is_named() -> None:
    problem = refused("version: 1", DAAS_GATEWAY_PORT="many")
    assert "DAAS_GATEWAY_PORT" in problem.message
    assert "gateway.port" in problem.message


def test_an_empty_variable_is_none() -> None:
    assert settings.parse(b"version: 1", {"DAAS_GATEWAY_PORT": ""}).gateway.port is None


def test_every_override_leads_to_a_field() -> None:
    for name in settings.OVERRIDES:
        problem = refused("version: 1", **{name: "\0"}) if name not in ("DAAS_K3S",) else None
        assert problem is None or name in problem.message


def test_a_misspelt_variable_is_found() -> None:
    assert settings.unknown_variables({"DAAS_HOME": "x", "DAAS_GATWAY_PORT": "1", "PATH": ""}) == ["DAAS_GATWAY_PORT"]


def test_allow_exec_empties_the_reject_list_and_nothing_else() -> None:
    assert filter_lists(settings.parse(b"version: 1", {"DAAS_ALLOW_EXEC": "true"})) == {"reject_paths": []}
    assert filter_lists(settings.parse(b"version: 1", {})) == {}


@given(st.binary(max_size=200))
def test_any_bytes_are_settings_or_a_named_refusal(data: bytes) -> None:
    with contextlib.suppress(UnreadableError):
        settings.parse(data, {})

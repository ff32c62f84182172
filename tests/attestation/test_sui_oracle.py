"""Where Sui's own code cannot be built, the tests that need it say why; they neither fail nor pass."""

from pathlib import Path

import pytest

from support.sui_oracle import OracleUnavailable, build, oracle


def test_without_cargo_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OracleUnavailable, match="no cargo"):
        build()
    with pytest.raises(pytest.skip.Exception, match="no cargo"):
        oracle()


def test_without_a_registry_it_says_what_cargo_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cargo = tmp_path / "cargo"
    cargo.write_text("#!/bin/sh\necho 'failed to get `fastcrypto`' >&2\nexit 101\n")
    cargo.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    for root in (None, b"-----BEGIN CERTIFICATE-----"):
        with pytest.raises(OracleUnavailable, match="failed to get `fastcrypto`"):
            build(root)


def test_the_checkout_stays_clean_and_names_no_registry() -> None:
    folder = Path(__file__).parent / "differential"
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == ["Cargo.toml", "main.rs"]

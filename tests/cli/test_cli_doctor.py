"""The doctor names what is missing, each with one line that installs it, before anything is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from daas_cli import doctor
from daas_cli.doctor import Level
from daas_cli.home import Home

TOP = Path(__file__).resolve().parents[2]
SCRIPT = TOP / "tools/doctor.sh"
BASICS = ("sh", "uname", "id", "sort", "head", "sed", "df", "awk", "dirname", "printf", "tr", "apt-get")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A PATH with a shell's basics and nothing that DaaS needs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in BASICS:
        if found := shutil.which(name):
            (folder / name).symlink_to(found)
    if not (folder / "apt-get").exists():
        (folder / "apt-get").write_text("#!/bin/sh\n")
        (folder / "apt-get").chmod(0o755)
    return folder


def run(path: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(SCRIPT), *argv],
        env={"PATH": str(path), "HOME": str(path)},
        capture_output=True,
        text=True,
    )


def fake(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def test_a_bare_machine_lacks_python_go_make_and_git_each_with_a_line(bare: Path) -> None:
    done = run(bare, "--porcelain")
    assert done.returncode == 1
    found = {item.name: item for item in doctor.parse_porcelain(done.stdout) if item.level is Level.MISSING}
    assert found.keys() == {"python", "go", "make", "git"}
    for item in found.values():
        assert item.fix
        assert "\n" not in item.fix
    assert "apt-get install -y make" in found["make"].fix


def test_quiet_says_only_what_is_missing(bare: Path) -> None:
    done = run(bare, "--quiet")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("missing: ") == done.stderr.count("install: ") == 4


@pytest.mark.parametrize(
    ("version", "good"), [("go1.26", True), ("go1.27.1", True), ("go1.3", False), ("go1.25.9", False)]
)
def test_go_is_compared_as_numbers(bare: Path, version: str, good: bool) -> None:
    fake(bare, "go", f"echo {version}")
    levels = {item.name: item.level for item in doctor.parse_porcelain(run(bare, "--porcelain").stdout)}
    assert levels["go"] is (Level.OK if good else Level.MISSING)


def test_what_only_the_move_package_needs_is_a_warning_with_a_line(bare: Path) -> None:
    """`make run` goes on without; `daas move` names it."""
    found = {item.name: item for item in doctor.parse_porcelain(run(bare, "--porcelain").stdout)}
    for name in ("node", "npm", "cargo"):
        assert found[name].level is Level.WARN
        assert "curl" in found[name].fix


@pytest.mark.parametrize(
    ("name", "answer", "good"),
    [
        ("node", "v20.6.1", True),
        ("node", "v18.19.1", False),
        ("npm", "10.8.2", True),
        ("cargo", "cargo 1.85.0 (d73d2caf9 2024-12-31)", True),
        ("cargo", "cargo 1.75.0", False),
    ],
)
def test_versions_of_the_move_tools_are_compared_as_numbers(bare: Path, name: str, answer: str, good: bool) -> None:
    fake(bare, name, f"echo '{answer}'")
    levels = {item.name: item.level for item in doctor.parse_porcelain(run(bare, "--porcelain").stdout)}
    assert levels[name] is (Level.OK if good else Level.WARN)


def test_an_old_python_is_not_enough(bare: Path) -> None:
    fake(bare, "python3", 'case "$*" in *version_info*) exit 1 ;; *) echo 3.10.1 ;; esac')
    found = {item.name: item for item in doctor.parse_porcelain(run(bare, "--porcelain").stdout)}
    assert found["python"].level is Level.MISSING
    assert "3.10.1" in found["python"].detail


def test_a_python_without_venv_is_named(bare: Path) -> None:
    fake(bare, "python3", 'case "$*" in *ensurepip*) exit 1 ;; esac')
    found = {item.name: item for item in doctor.parse_porcelain(run(bare, "--porcelain").stdout)}
    assert found["python-venv"].level is Level.MISSING
    assert "python3-venv" in found["python-venv"].fix


def test_make_fails_early_with_the_doctors_words(bare: Path) -> None:
    done = subprocess.run(
        ["/bin/sh", str(TOP / "tools/setup.sh")],
        env={"PATH": str(bare), "HOME": str(bare)},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "missing: go" in done.stderr


def test_the_command_says_the_same_as_the_script(tmp_path: Path) -> None:
    names = {item.name for item in doctor.examine(Home(tmp_path / "home"), {})}
    said = {
        item.name
        for item in doctor.parse_porcelain(
            subprocess.run([str(SCRIPT), "--porcelain"], capture_output=True, text=True).stdout
        )
    }
    assert said < names


def test_a_misspelt_variable_and_wrong_settings_are_findings(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.config.write_text("version: 9\n")
    found = doctor.state(home, {"DAAS_CACHE": "1"})
    assert any(item.name == "variable" and "DAAS_CACHE" in item.detail for item in found)
    assert any(item.name == "settings" and item.level is Level.MISSING and item.fix for item in found)


def test_a_home_that_cannot_be_written_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    found = doctor.state(Home(tmp_path / "a" / "b"), {})
    assert any(item.name == "state" and item.level is Level.MISSING for item in found)

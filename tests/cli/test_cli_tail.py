"""Logs: the end is read from the end, nothing is lost across a rotation, lines are shown readably."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daas_cli import component, tail

LINES = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")))


@given(LINES, st.integers(0, 20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_the_last_lines_are_those_of_the_whole_file(tmp_path: Path, lines: list[str], count: int) -> None:
    path = tmp_path / "log"
    path.write_bytes("".join(line + "\n" for line in lines).encode())
    assert tail.last_lines(path, count) == (lines[-count:] if count else [])


def test_a_long_file_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"".join(b"%07d\n" % number for number in range(200_000)))
    monkeypatch.setattr(tail, "BLOCK", 64)
    assert tail.last_lines(path, 3) == ["0199997", "0199998", "0199999"]


def test_a_missing_log_has_no_lines(tmp_path: Path) -> None:
    assert tail.last_lines(tmp_path / "none", 10) == []


def scripted(*actions: Callable[[], None]) -> tuple[Callable[[], bool], Callable[[float], None]]:
    """`stopped` and `sleep` for `follow`: each pause does the next thing, after the last one it stops."""
    left = list(actions)
    state = {"done": False}

    def sleep(_: float) -> None:
        if left:
            left.pop(0)()
        else:
            state["done"] = True

    return (lambda: state["done"]), sleep


def append(path: Path, text: str) -> Callable[[], None]:
    def act() -> None:
        with path.open("a") as file:
            file.write(text)

    return act


def test_following_shows_what_is_new_and_only_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("old\n")
    stopped, sleep = scripted(append(path, "one\ntw"), append(path, "o\n"))
    assert list(tail.follow(path, stopped=stopped, sleep=sleep)) == ["one", "two"]


def test_following_goes_over_to_the_new_file(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("old\n")
    stopped, sleep = scripted(
        append(path, "last of the old\n"),
        lambda: component.rotate(path),
        append(path, "first of the new\n"),
        lambda: None,
    )
    assert list(tail.follow(path, stopped=stopped, sleep=sleep)) == ["last of the old", "first of the new"]


def test_following_waits_for_a_log_that_is_not_there_yet(tmp_path: Path) -> None:
    path = tmp_path / "log"
    stopped, sleep = scripted(lambda: None, append(path, "born\n"))
    assert list(tail.follow(path, stopped=stopped, sleep=sleep)) == ["born"]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (
            '{"event":"started","level":"info","timestamp":"2026-01-01T00:00:00Z","pid":7}',
            "2026-01-01T00:00:00Z info started pid=7",
        ),
        ('{"event":"x","t_ms":0,"why":"because"}', "1970-01-01T00:00:00.000Z x why=because"),
        ("Traceback (most recent call last):", "Traceback (most recent call last):"),
        ("[1, 2]", "[1, 2]"),
        ('{"t_ms": 99999999999999999999}', "99999999999999999999"),
    ],
)
def test_lines_are_shown_readably(line: str, shown: str) -> None:
    assert tail.readable(line) == shown


def test_rotation_keeps_a_bounded_number_of_files(tmp_path: Path) -> None:
    path = tmp_path / "log"
    for number in range(10):
        path.write_text(str(number))
        component.rotate(path, kept=3)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["log.1", "log.2", "log.3"]
    assert [(tmp_path / f"log.{number}").read_text() for number in (1, 2, 3)] == ["9", "8", "7"]


def test_a_component_writes_into_its_log_and_rotates_it_without_loss(tmp_path: Path) -> None:
    (tmp_path / "fake_component.py").write_text(
        textwrap.dedent("""
        import sys, time
        for number in range(400):
            print("line", number, "x" * 100, flush=True)
            time.sleep(0.001)
        print(sys.argv[1], file=sys.stderr)
        raise RuntimeError("the last words")
        """)
    )
    start = (
        "import sys; from daas_cli import component; component.COMPONENTS['fake'] = 'fake_component';"
        "component.MAX_LOG_BYTES = 10_000; component.CHECK_SECONDS = 0.02; component.KEPT_FILES = 50;"
        "component.rotate.__defaults__ = (50,); sys.argv = ['x', 'fake', 'CONFIG', sys.argv[1]]; component.main()"
    )
    log = tmp_path / "fake.log"
    done = subprocess.run(
        [sys.executable, "-c", start, str(log)], env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True
    )
    assert done.returncode == 1
    assert done.stdout == done.stderr == b""
    files = [*sorted(tmp_path.glob("fake.log.*"), key=lambda item: -int(item.suffix[1:])), log]
    assert len(files) > 1
    assert all(item.stat().st_mode & 0o777 == 0o600 for item in files)
    text = "".join(item.read_text() for item in files)
    assert [int(line.split()[1]) for line in text.splitlines() if line.startswith("line ")] == list(range(400))
    assert "CONFIG" in text
    assert text.rstrip().endswith("RuntimeError: the last words")

"""How results reach people (standard output), programs (`--json`) and watchers of a long step (standard error)."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.status import Status

from .errors import CliError

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document for programs instead of text.")]
PIPE_COLUMNS = 160
QUIET_SECONDS = 10.0
"""Without a terminal a step that takes longer says so this often."""


def stdout() -> Console:
    """Made at each use: tests and pipes exchange sys.stdout. Into a pipe or file tables keep their full width."""
    return Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else PIPE_COLUMNS)


def stderr() -> Console:
    return Console(stderr=True, soft_wrap=True, highlight=False)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def print_error(error: CliError, *, as_json: bool) -> None:
    """The message, what is shown with it, and the next step."""
    if as_json:
        body = {"code": int(error.code), "message": error.message, "next": error.next_step}
        print_json({"error": body | ({"details": list(error.details)} if error.details else {})})
        return
    console = stderr()
    console.print(f"[bold red]error:[/] {escape(error.message)}")
    for line in error.details:
        console.print(f"  [dim]{escape(line)}[/]")
    if error.next_step:
        console.print(f"[bold]next:[/] {escape(error.next_step)}")


def program() -> str:
    """How the user can type this command: `daas` when that is what PATH finds, else the path that was used."""
    used = Path(sys.argv[0])
    if used.name != "daas":
        return "daas"
    found = shutil.which("daas")
    if found is not None and Path(found).resolve() == used.resolve():
        return "daas"
    try:
        return os.path.relpath(used)
    except ValueError:
        return str(used)


class Progress:
    """The steps of a long command on standard error: a spinner on a terminal, plain lines elsewhere."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = stderr()
        self._quiet = quiet
        self._spinner: Status | None = None
        self._name = ""
        self._began = 0.0
        self._spoken = 0.0

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Shows `name` while the body runs, and how long it took."""
        self._name = name
        self._began = self._spoken = time.monotonic()
        if self._console.is_terminal and not self._quiet:
            with self._console.status(escape(name)) as self._spinner:
                yield
            self._spinner = None
        else:
            yield
        self._say(f"[green]✓[/] {escape(name)} [dim]({time.monotonic() - self._began:.1f} s)[/]")

    def detail(self, text: str) -> None:
        """What the running step waits for now."""
        if self._quiet:
            return
        if self._spinner is not None:
            self._spinner.update(f"{escape(self._name)} [dim]{escape(text)}[/]")
        elif time.monotonic() - self._spoken >= QUIET_SECONDS:
            self._spoken = time.monotonic()
            self._say(f"  {escape(self._name)}: {escape(text)} ({time.monotonic() - self._began:.0f} s)")

    def _say(self, text: str) -> None:
        if not self._quiet:
            self._console.print(text)

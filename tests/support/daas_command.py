"""The `daas` command in this process, with a home of its own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from daas_cli.main import main


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


class Daas:
    """The command with a home of its own, in this process: a new Python for each would take most of the time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DAAS_")}
        self.environment = {**kept, "DAAS_HOME": str(root), "COLUMNS": "120"}

    def __call__(self, *argv: str, stdin: str = "") -> Done:
        out, err = io.StringIO(), io.StringIO()
        given = io.TextIOWrapper(io.BytesIO(stdin.encode()))
        with (
            mock.patch.dict(os.environ, self.environment, clear=True),
            mock.patch.object(sys, "argv", ["daas", *argv]),
            mock.patch.object(sys, "stdin", given),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                main()
                code = 0
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 0
        return Done(code, out.getvalue(), err.getvalue())

    def json(self, *argv: str, stdin: str = "") -> Any:
        return json.loads(self(*argv, "--json", stdin=stdin).stdout)

"""Two compilers behind one face: the pinned one under node, and a `sui` binary when the user has one.

Invariant: a compiler gets files and gives bytes or a report; it never sees the checkout itself, so nothing it writes
(lock files, build folders) ends up there.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from .binaries import CHECKOUT
from .errors import RefusedError
from .move_tool import SOURCE, Tool
from .output import Progress

JOB_SECONDS = 1800
"""A job that takes longer hangs: the whole package with its tests takes seconds to minutes."""
TICK_SECONDS = 1.0
_REPORT = re.compile(r"Test result: (\w+)\. Total tests: (\d+); passed: (\d+); failed: (\d+)")


class Choice(Enum):
    """Which compiler: `auto` takes `sui` when PATH has it."""

    AUTO = "auto"
    SUI = "sui"
    BUNDLED = "bundled"


@dataclass(frozen=True, slots=True)
class Bytecode:
    """Modules in publishing order, ids of dependencies (32 bytes each), the compiler's warnings as text."""

    modules: tuple[bytes, ...]
    dependencies: tuple[bytes, ...]
    warnings: str


@dataclass(frozen=True, slots=True)
class TestReport:
    """The runner's own report; `total` is 0 when it has no line that counts."""

    output: str
    total: int
    passed: int
    failed: int
    ok: bool

    __test__ = False


class Compiler(Protocol):
    """What `daas move` needs of a compiler."""

    @property
    def name(self) -> str:
        """Kind and version, for people and for the stamp of a build."""

    def build(self, files: Mapping[str, str], progress: Progress) -> Bytecode:
        """Compiles a package. Raises RefusedError with the compiler's message."""

    def test(self, files: Mapping[str, str], progress: Progress) -> TestReport:
        """Runs a package's tests. Raises RefusedError when they do not compile."""


class Bundled:
    """The pinned compiler of move/tool."""

    def __init__(self, tool: Tool) -> None:
        self._tool = tool

    @property
    def name(self) -> str:
        ((package, version),) = json.loads((CHECKOUT / SOURCE / "package.json").read_text())["dependencies"].items()
        return f"{package} {version}"

    def build(self, files: Mapping[str, str], progress: Progress) -> Bytecode:
        return _bytecode(self._run({"mode": "build", "files": dict(files)}, progress))

    def test(self, files: Mapping[str, str], progress: Progress) -> TestReport:
        result = self._run({"mode": "test", "files": dict(files)}, progress)
        return report(str(result["output"]), ok=result["passed"] is True)

    def framework(self, progress: Progress) -> dict[str, Bytecode]:
        """The standard library at 0x1 and Sui's framework at 0x2, compiled from source."""
        result = self._run({"mode": "framework"}, progress)
        return {address: _bytecode(part) for address, part in result["packages"].items()}

    def _run(self, job: dict[str, Any], progress: Progress) -> dict[str, Any]:
        given = json.dumps({"framework": str(self._tool.framework), **job})
        environment = {name: value for name, value in os.environ.items() if name != "NODE_OPTIONS"}
        code, out, err = run(["node", str(self._tool.script)], progress, stdin=given, environment=environment)
        try:
            result = json.loads(out)
        except ValueError:
            raise RefusedError(
                f"the Move compiler ended with exit {code} and no result",
                "if this happens again, remove " + str(self._tool.folder),
                details=tuple(err.strip().splitlines()[-12:]),
            ) from None
        if result.get("ok") is not True:
            raise _compile_error(str(result.get("error")))
        return dict(result)


class SuiBinary:
    """The user's own `sui`. Not tried with the real one where this was written: there was none."""

    def __init__(self, path: str) -> None:
        self._path = path

    @property
    def name(self) -> str:
        code, out, _ = run([self._path, "--version"], Progress(quiet=True))
        if code != 0 or not out.strip():
            raise RefusedError(f"{self._path} --version ended with exit {code}", "give --compiler bundled")
        return out.strip()

    def build(self, files: Mapping[str, str], progress: Progress) -> Bytecode:
        code, out, err = self._move("build", files, progress, "--dump-bytecode-as-base64")
        if code != 0:
            raise _compile_error(err or out)
        # Older ones write what they include and build to standard output, before the result.
        lines = [line for line in out.splitlines() if line.startswith("{")]
        try:
            return _bytecode({**json.loads(lines[-1]), "warnings": ""})
        except (IndexError, ValueError, KeyError, TypeError):
            raise RefusedError(
                f"{self._path} gave no bytecode", "give --compiler bundled", details=tuple(out.splitlines()[-5:])
            ) from None

    def test(self, files: Mapping[str, str], progress: Progress) -> TestReport:
        code, out, err = self._move("test", files, progress)
        if not _REPORT.search(out):
            raise _compile_error(err or out)
        return report(out, ok=code == 0)

    def _move(self, command: str, files: Mapping[str, str], progress: Progress, *options: str) -> tuple[int, str, str]:
        with tempfile.TemporaryDirectory(prefix="daas-move-") as folder:
            for name, text in files.items():
                path = Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            return run([self._path, "move", command, "--path", folder, *options], progress)


def sui_on_path() -> str | None:
    """The user's `sui` binary."""
    return shutil.which("sui")


def report(output: str, *, ok: bool) -> TestReport:
    """A runner's report, counted by its own last line. Green only if runner and line say so and something ran."""
    lines = _REPORT.findall(output)
    if not lines:
        return TestReport(output, 0, 0, 0, ok=False)
    result, total, passed, failed = lines[-1][0], *map(int, lines[-1][1:])
    return TestReport(
        output, total, passed, failed, ok=ok and result == "OK" and failed == 0 and total == passed and total > 0
    )


def run(
    command: list[str],
    progress: Progress,
    *,
    stdin: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> tuple[int, str, str]:
    """Exit code and both outputs of a program; says how long it has been running. Raises RefusedError."""
    began = time.monotonic()
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=environment,
        )
    except OSError as problem:
        raise RefusedError(f"cannot run {command[0]}: {problem.strerror}", "see what `daas doctor` says") from None
    try:
        while True:
            try:
                out, err = process.communicate(stdin, timeout=TICK_SECONDS)
            except subprocess.TimeoutExpired:
                stdin = None
                if time.monotonic() - began > JOB_SECONDS:
                    raise RefusedError(f"{command[0]} has not ended after {JOB_SECONDS} s", "try again") from None
                progress.detail("running")
            else:
                return process.returncode, out, err
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _bytecode(result: Mapping[str, Any]) -> Bytecode:
    try:
        modules = tuple(base64.b64decode(module, validate=True) for module in result["modules"])
        dependencies = tuple(bytes.fromhex(one.removeprefix("0x").zfill(64)) for one in result["dependencies"])
    except binascii.Error as problem:
        raise ValueError(str(problem)) from None
    return Bytecode(modules, dependencies, str(result["warnings"]).strip())


def _compile_error(text: str) -> RefusedError:
    return RefusedError(
        "the Move package does not compile",
        "correct what the compiler names",
        details=tuple(text.strip().splitlines()[:200]),
    )

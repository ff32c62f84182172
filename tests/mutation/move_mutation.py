"""Every check of the Move package, left out once: a test must fail.

    .venv/bin/python tests/mutation/move_mutation.py [--jobs N] [MODULE...]

A mutant is the package without one `assert!`, or with one comparison of a condition turned around. Mutants that do not
compile (the check's names became unused are only warnings) count as killed by the compiler and are listed as such.
Results go to build/move-mutation.json as they come, so that a run that was ended is taken up again. Not part of
`make test`: some minutes for a module.
"""

import argparse
import hashlib
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from daas_cli import move_sources, move_tool
from daas_cli.errors import RefusedError
from daas_cli.move_compiler import Bundled
from daas_cli.output import Progress

TOP = Path(__file__).parents[2]
RESULTS = TOP / "build" / "move-mutation.json"
_TURNED = {" >= ": " > ", " <= ": " < ", " > ": " >= ", " < ": " <= ", " == ": " != ", " && ": " || ", " || ": " && "}
_RETURN_IF = re.compile(r"^ *if \(.*\) return [^;]*;$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Mutant:
    """`path` with `text` instead of what it was; `what` says in one line what has changed."""

    path: str
    line: int
    what: str
    text: str


def asserts(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each `assert!(...);` outside test-only functions."""
    code = text.split("#[test_only]")[0]
    for match in re.finditer(r"assert!\(", code):
        depth, position = 1, match.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(code[position], 0)
            position += 1
        yield match.start(), position + (code[position : position + 1] == ";")


def mutants(path: str, text: str) -> Iterator[Mutant]:
    """Each assert left out, each early return left out, each comparison in them turned around."""
    production = len(text.split("#[test_only]")[0])
    spans = [*asserts(text), *(match.span() for match in _RETURN_IF.finditer(text) if match.end() < production)]
    for start, end in sorted(spans):
        statement = text[start:end]
        line = text.count("\n", 0, start) + 1
        shown = " ".join(statement.split())
        yield Mutant(path, line, f"without {shown}", text[:start] + left_out(statement) + text[end:])
        for operator, other in _TURNED.items():
            for match in re.finditer(re.escape(operator), statement):
                changed = statement[: match.start()] + other + statement[match.end() :]
                what = f"{shown} with{other}for{operator}at {match.start()}"
                yield Mutant(path, line, what, text[:start] + changed + text[end:])


def left_out(statement: str) -> str:
    """The last expression of a block has a value even where that is nothing."""
    return "" if statement.endswith(";") else "()"


def judge(compiler: Bundled, sources: move_sources.Sources, mutant: Mutant) -> str:
    """`killed`, `survived`, or `not compiled`. The module's own tests are tried first: all of them take long."""
    # Tests of a long module are in several files, which share its first word alone: `worker_join_tests`.
    subject = Path(mutant.path).stem.split("_")[0]
    own = {
        path: text
        for path, text in sources.tests.items()
        if Path(path).stem.startswith(f"{subject}_") or not move_sources.has_tests(text)
    }
    for tests in (own, sources.tests):
        if not any(move_sources.has_tests(text) for text in tests.values()):
            continue
        try:
            report = compiler.test({**sources.build, **tests, mutant.path: mutant.text}, Progress(quiet=True))
        except RefusedError:
            return "not compiled"
        if not report.ok or report.failed:
            return "killed"
    return "survived"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("modules", nargs="*")
    arguments = parser.parse_args()
    sources = move_sources.read(TOP / "move" / "daas", tests=True)
    files = {**sources.build, **sources.tests}
    state = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results: dict[str, str] = known.get(state, {})
    tool = move_tool.pinned()
    move_tool.install(tool, Progress(quiet=True))
    compiler = Bundled(tool)
    wanted = [
        mutant
        for path, text in sources.build.items()
        if path.endswith(".move") and (not arguments.modules or Path(path).stem in arguments.modules)
        for mutant in mutants(path, text)
    ]
    print(f"{len(wanted)} mutants")
    with ThreadPoolExecutor(arguments.jobs) as pool:
        todo = [mutant for mutant in wanted if f"{mutant.path}:{mutant.line} {mutant.what}" not in results]
        for mutant, verdict in zip(todo, pool.map(lambda one: judge(compiler, sources, one), todo), strict=True):
            name = f"{mutant.path}:{mutant.line} {mutant.what}"
            results[name] = verdict
            if verdict != "killed":
                print(f"{verdict}: {name}", flush=True)
            RESULTS.write_text(json.dumps({state: results}, indent=1))
    verdicts = list(results.values())
    print({verdict: verdicts.count(verdict) for verdict in sorted(set(verdicts))})


if __name__ == "__main__":
    main()

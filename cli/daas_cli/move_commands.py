"""`daas move`: the contract's package compiled and tested."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from daas_chain import artifacts

from . import binaries, move_aborts, move_build, move_sources, move_tool
from .errors import ExitCode, RefusedError
from .move_compiler import Bundled, Choice
from .output import JsonFlag, Progress, print_json, program, stderr, stdout

PACKAGE = Path("move/daas")

app = typer.Typer(
    help="The Move package: compile it and run its tests.\n\n"
    "Uses the Move compiler and test VM that move/tool pins (Node 20 runs them; npm and cargo fetch them once, later "
    "runs need no network), or a `sui` binary when PATH has one.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

PackageOption = Annotated[
    Path | None,
    typer.Option("--package", metavar="DIR", help="Folder with Move.toml. Default: move/daas of the checkout."),
]
CompilerOption = Annotated[
    Choice,
    typer.Option(
        "--compiler",
        help="auto: `sui` when PATH has it, else the pinned one. The `sui` path was written against its documented "
        "options and has been tried with a stand-in only.",
    ),
]


@app.command("build")
def build_package(
    package: PackageOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Build folder. Default: build/move of the checkout.")
    ] = None,
    compiler: CompilerOption = Choice.AUTO,
    deny_warnings: Annotated[
        bool, typer.Option("--deny-warnings", help="Exit 1 when the compiler or its linter warns of anything.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Compile the package into bytecode, digest and interface. Does nothing when nothing has changed.

    The build folder holds modules/NAME.mv, framework/0x1 and framework/0x2, package.json (digest, module order, size
    against the protocol's limit, compiler) and interface.json (functions, structs, enums, errors). Everything that
    needs the package reads it from there, or from the installed wheel.
    """
    sources = move_sources.read(_package(package), tests=False)
    built = move_build.build(sources, out or artifacts.BUILT, compiler, Progress(quiet=as_json))
    size, limit = built.description["size"], built.description["size_limit"]
    warnings = str(built.description["warnings"])
    if as_json:
        print_json({"folder": str(built.folder), "fresh": built.fresh, **_without_framework(built.description)})
    else:
        if warnings:
            stderr().print(escape(warnings))
        console = stdout()
        made = "" if built.fresh else " [dim](unchanged)[/]"
        console.print(f"{escape(str(built.folder))}{made}")
        console.print(f"{len(built.description['modules'])} modules, {size:,} of {limit:,} B")
        console.print(f"digest {built.description['digest']}")
    if size > limit:
        raise RefusedError(f"the package has {size:,} B, no network takes more than {limit:,}", "make it smaller")
    if deny_warnings and warnings:
        raise RefusedError("the compiler warns", "correct what it names above")


@app.command("test")
def run_tests(
    modules: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODULE", help="Test modules, with or without `daas::` and `_tests`. Default: all of them."
        ),
    ] = None,
    package: PackageOption = None,
    compiler: CompilerOption = Choice.AUTO,
    aborts: Annotated[
        bool,
        typer.Option(
            "--aborts", help="Run nothing; list the #\\[error] constants that no test expects, exit 1 if any."
        ),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Run the package's tests in the Move test VM and print the runner's own report.

    Exit 1 when a test fails, when nothing compiles, or when no test ran.
    """
    sources = move_sources.read(_package(package), tests=True)
    if aborts:
        _list_aborts(sources, as_json=as_json)
        return
    files = sources.selected(modules or [])
    progress = Progress(quiet=as_json)
    tool = move_tool.pinned()
    chosen = move_build.chosen(compiler, tool)
    if isinstance(chosen, Bundled):
        with move_tool.locked():
            move_tool.install(tool, progress)
    began = time.monotonic()
    with progress.step(f"Move tests with {chosen.name}"):
        done = chosen.test(files, progress)
    seconds = time.monotonic() - began
    if as_json:
        print_json(
            {
                "ok": done.ok,
                "total": done.total,
                "passed": done.passed,
                "failed": done.failed,
                "seconds": round(seconds, 1),
                "compiler": chosen.name,
                "report": done.output,
            }
        )
    else:
        stdout().print(escape(done.output.rstrip("\n")))
    if done.ok:
        return
    if as_json:
        raise typer.Exit(int(ExitCode.REFUSED))
    if done.total == 0:
        raise RefusedError("no test ran", "put functions marked #[test] into tests/")
    raise RefusedError(
        f"{done.failed} of {done.total} Move tests failed", f"one module alone: {program()} move test NAME"
    )


def _list_aborts(sources: move_sources.Sources, *, as_json: bool) -> None:
    constants, missing = move_aborts.declared(sources), move_aborts.untested(sources)
    if as_json:
        print_json({"errors": len(constants), "untested": [str(one) for one in missing]})
        if missing:
            raise typer.Exit(int(ExitCode.REFUSED))
        return
    stdout().print(f"{len(constants)} #\\[error] constants, {len(missing)} without a test")
    if missing:
        raise RefusedError(
            "errors that no test expects",
            "give each a test with #[expected_failure(abort_code = daas::module::ENAME)]",
            details=tuple(map(str, missing)),
        )


def _package(given: Path | None) -> Path:
    if given is not None:
        return given
    folder = binaries.CHECKOUT / PACKAGE
    if not folder.is_dir():
        raise RefusedError("no Move package: this installation of daas has no checkout", "name one with --package")
    return folder


def _without_framework(description: Any) -> dict[str, Any]:
    return {name: value for name, value in description.items() if name != artifacts.FRAMEWORK}

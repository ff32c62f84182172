"""`daas move build`: compiles, reads back what came out, and puts it where the other parts look for it.

Invariant: the build folder is whole or absent: it is filled beside its place and renamed. It says which sources and
which compiler it came from, and is left alone when neither has changed.
"""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daas_chain import artifacts
from daas_chain.bytecode_errors import BytecodeError
from daas_chain.compiled import PACKAGE_BYTES_MAX, CompiledPackage, read_package
from daas_chain.interface import describe

from . import move_tool
from .errors import RefusedError, UnreadableError
from .move_compiler import Bundled, Bytecode, Choice, Compiler, SuiBinary, sui_on_path
from .move_sources import MANIFEST, Sources
from .output import Progress


@dataclass(frozen=True, slots=True)
class Built:
    """What is in the build folder. `fresh`: it was made by this call."""

    folder: Path
    description: Mapping[str, Any]
    fresh: bool


def chosen(choice: Choice, tool: move_tool.Tool) -> Compiler:
    """The compiler for the package itself. Raises RefusedError when `sui` was asked for and is not there."""
    path = None if choice is Choice.BUNDLED else sui_on_path()
    if path is not None:
        return SuiBinary(path)
    if choice is Choice.SUI:
        raise RefusedError("no `sui` on PATH", "install it, or give --compiler bundled")
    return Bundled(tool)


def build(sources: Sources, out: Path, choice: Choice, progress: Progress) -> Built:
    """Compiles `sources` into `out` unless it is there already. Raises CliError."""
    tool = move_tool.pinned()
    compiler = chosen(choice, tool)
    stamp = {
        "source_sha256": sources.digest,
        "tool_sha256": tool.key,
        "compiler": compiler.name,
    }
    unchanged = _unchanged(out, stamp)
    if unchanged is not None:
        return unchanged
    with move_tool.locked():
        # Another process may have made it while this one waited.
        unchanged = _unchanged(out, stamp)
        if unchanged is not None:
            return unchanged
        if _present(out) is None and out.exists() and any(out.iterdir()):
            raise UnreadableError(f"{out} is there and holds no build of a Move package", "name another with --out")
        move_tool.install(tool, progress)
        framework = _framework(tool, progress)
        with progress.step(f"Move package with {compiler.name}"):
            compiled = compiler.build(sources.build, progress)
        package = _checked(compiled)
        description = {
            "format": artifacts.FORMAT,
            "name": _name(sources),
            **artifacts.described(package),
            "size": package.size,
            "size_limit": PACKAGE_BYTES_MAX,
            "stored_size": package.stored_size,
            "warnings": compiled.warnings,
            **stamp,
            artifacts.FRAMEWORK: json.loads((framework / artifacts.DESCRIPTION).read_text()),
        }
        out.parent.mkdir(parents=True, exist_ok=True)
        with move_tool.made(out) as folder:
            shutil.copytree(framework, folder / artifacts.FRAMEWORK)
            (folder / artifacts.FRAMEWORK / artifacts.DESCRIPTION).unlink()
            _write_modules(package, folder / artifacts.MODULES)
            interface = describe((one.module for one in package.modules), _name(sources))
            _write_json(folder / artifacts.INTERFACE, interface)
            _write_json(folder / artifacts.DESCRIPTION, description)
    return Built(out, description, fresh=True)


def _framework(tool: move_tool.Tool, progress: Progress) -> Path:
    """The compiled framework in the cache, made on first use. The caller holds the lock."""
    final = move_tool.cache() / f"framework-{tool.key[:32]}"
    if not final.is_dir():
        with progress.step("Move framework from its sources"), move_tool.made(final) as folder:
            described = {}
            for address, compiled in Bundled(tool).framework(progress).items():
                package = _checked(compiled)
                _write_modules(package, folder / address)
                described[address] = artifacts.described(package)
            _write_json(folder / artifacts.DESCRIPTION, described)
    return final


def _unchanged(out: Path, stamp: Mapping[str, str]) -> Built | None:
    present = _present(out)
    if present is not None and all(present.get(name) == value for name, value in stamp.items()):
        return Built(out, present, fresh=False)
    return None


def _present(out: Path) -> dict[str, Any] | None:
    """The description in a build folder that is whole, None for anything else."""
    try:
        return dict(artifacts.load(out).description)
    except artifacts.ArtifactsMissingError:
        return None
    except artifacts.ArtifactsError:
        # Ours, and damaged: to be made again.
        return {}


def _checked(compiled: Bytecode) -> CompiledPackage:
    try:
        return read_package(compiled.modules, compiled.dependencies)
    except BytecodeError as problem:
        raise RefusedError(
            f"the compiler's bytecode is not what `daas` can read: {problem}", "give --compiler bundled"
        ) from None


def _name(sources: Sources) -> str:
    try:
        return str(tomllib.loads(sources.build[MANIFEST])["package"]["name"])
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as problem:
        raise UnreadableError(f"{sources.folder / MANIFEST}: {problem!r}", "give [package] a name") from None


def _write_modules(package: CompiledPackage, folder: Path) -> None:
    folder.mkdir(parents=True)
    for one in package.modules:
        (folder / f"{one.name}{artifacts.SUFFIX}").write_bytes(one.bytecode)


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")

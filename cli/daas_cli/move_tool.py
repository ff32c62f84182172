"""The Move compiler and the framework's sources, installed once into the cache under the hash of what pins them.

Invariant: a folder under `~/.cache/daas/move/` that bears a hash is complete: it was filled under another name, checked
and renamed. npm checks its package against package-lock.json, the framework's sources are compared with
framework.lock.json here, so a registry can withhold but not change what is used. With the folder there, nothing is
asked of any network.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import binaries, doctor
from .errors import RefusedError
from .output import Progress

SOURCE = Path("move/tool")
FILES = ("Cargo.toml", "compile.mjs", "framework.lock.json", "package-lock.json", "package.json")
"""What decides which compiler and framework are used."""
INSTALL_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Tool:
    """An installed compiler. `key`: SHA-256 in hex of what pins it."""

    folder: Path
    key: str

    @property
    def script(self) -> Path:
        """Runs one job under node."""
        return self.folder / "compile.mjs"

    @property
    def framework(self) -> Path:
        """Holds `move-stdlib` and `sui-framework`, sources."""
        return self.folder / "framework"


def cache() -> Path:
    """Where compilers and compiled frameworks are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "daas" / "move"


def key(folder: Path) -> str:
    """SHA-256 in hex over the names and contents of FILES in `folder`."""
    total = hashlib.sha256()
    for name in FILES:
        total.update(name.encode() + b"\0" + hashlib.sha256((folder / name).read_bytes()).digest())
    return total.hexdigest()


def pinned() -> Tool:
    """The compiler that this checkout pins, installed or not. Raises RefusedError when there is no checkout."""
    source = binaries.CHECKOUT / SOURCE
    if not (source / FILES[0]).is_file():
        raise RefusedError(
            "no Move compiler: this installation of daas has no checkout to install it from",
            "run this in a checkout; the compiled package itself is part of the installation",
        )
    digest = key(source)
    return Tool(cache() / digest[:32], digest)


def install(tool: Tool, progress: Progress) -> None:
    """Makes `tool` usable. Hold the lock. Raises RefusedError, naming what is missing and what installs it."""
    if tool.folder.is_dir():
        if shutil.which("node") is None:
            require("node")
        return
    for name in ("node", "npm", "cargo"):
        require(name)
    with progress.step("Move compiler and framework sources into the cache"), made(tool.folder) as folder:
        _install(binaries.CHECKOUT / SOURCE, folder)


def require(name: str) -> None:
    """Raises RefusedError with the line that installs `name` unless the doctor finds it, in a version that will do."""
    for finding in doctor.build_tools():
        if finding.name == name and finding.level is not doctor.Level.OK:
            raise RefusedError(f"{name}: {finding.detail}", finding.fix)


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """One process of this user at a time makes anything of Move."""
    import fcntl  # not on Windows, where nothing is compiled

    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def made(final: Path) -> Iterator[Path]:
    """A new folder beside `final` that takes its place when the body has ended well, else is removed. Hold the lock."""
    prefix = f".making-{final.name}-"
    for left in final.parent.glob(f"{prefix}*"):
        shutil.rmtree(left, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(prefix=prefix, dir=final.parent))
    try:
        new = temporary / "new"
        new.mkdir()
        yield new
        if final.exists():
            final.rename(temporary / "old")
        new.rename(final)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def sources_digest(folder: Path) -> str:
    """SHA-256 in hex over the paths and contents of every file below `folder`."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = path.relative_to(folder).as_posix().encode()
            total.update(len(name).to_bytes(4, "big") + name + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def _install(source: Path, folder: Path) -> None:
    for name in FILES:
        shutil.copyfile(source / name, folder / name)
    _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"], folder)
    _framework(json.loads((folder / "framework.lock.json").read_text()), folder)


def _framework(pinned: dict[str, Any], folder: Path) -> None:
    name, version = pinned["crate"], pinned["version"]
    work = folder / "crate"
    work.mkdir()
    shutil.copyfile(folder / "Cargo.toml", work / "Cargo.toml")
    (work / "lib.rs").touch()
    _run(["cargo", "fetch", "--quiet"], work)
    packages = tomllib.loads((work / "Cargo.lock").read_text())["package"]
    checksums = [one.get("checksum") for one in packages if (one["name"], one["version"]) == (name, version)]
    if checksums != [pinned["crate_sha256"]]:
        raise RefusedError(
            f"crate {name} {version} has SHA-256 {checksums}, expected {pinned['crate_sha256']}",
            "see which registry cargo is configured to use",
        )
    described = json.loads(_run(["cargo", "metadata", "--format-version", "1", "--locked", "--offline"], work))
    manifest = next(one["manifest_path"] for one in described["packages"] if one["name"] == name)
    for inner in pinned["folders"]:
        for path in sorted((Path(manifest).parent / "move" / inner).rglob("*")):
            if path.suffix in (".move", ".toml"):
                copy = folder / "framework" / inner / path.relative_to(Path(manifest).parent / "move" / inner)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
    found = sources_digest(folder / "framework")
    if found != pinned["sources_sha256"]:
        raise RefusedError(
            f"the framework's sources have digest {found}, expected {pinned['sources_sha256']}",
            f"somebody changed files below {Path(manifest).parent}: remove that folder and try again",
        )
    shutil.rmtree(work)


def _run(command: list[str], folder: Path) -> str:
    try:
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=INSTALL_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise RefusedError(f"{' '.join(command[:2])} failed: {problem}", "see what `daas doctor` says") from None
    if done.returncode != 0:
        raise RefusedError(
            f"{' '.join(command[:2])} failed with exit {done.returncode}",
            "see its own message above: the package registry must be reachable the first time",
            details=tuple((done.stderr or done.stdout).strip().splitlines()[-12:]),
        )
    return done.stdout

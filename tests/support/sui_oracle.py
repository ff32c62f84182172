"""Sui's own code as an oracle: the Rust program in tests/attestation/differential, built once for each root.

The program is compiled against crates.io `fastcrypto`, as it is or with the one root certificate it has compiled in
replaced. Sources and binaries lie in the user's cache, keyed by what goes into them; the checkout stays clean.
"""

import fcntl
import hashlib
import json
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[1] / "attestation" / "differential"
CRATE = "fastcrypto"
ROOT_FILE = Path("src") / "nitro_root_certificate.pem"
BUILD_S = 1500  # a cold build took 100 s on two idle cores; tests run in parallel beside it
_HEAD = struct.Struct(">IQ")


@dataclass(frozen=True)
class Case:
    """A document and the clock (ms since 1970) at which it is judged; `family` says what kind of change it is."""

    family: str
    data: bytes
    now_ms: int


@dataclass(frozen=True)
class Opinion:
    """Where a judge stopped ("parse", "verify" or "accept"), the parsed value as text, and why."""

    stage: str
    value: str
    reason: str


class OracleUnavailable(Exception):
    """The oracle cannot be built here; the text says why."""


def cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "daas" / "differential"


def build(root_pem: bytes | None = None) -> Path:
    """The program, with `root_pem` in place of AWS's root if given. Raises `OracleUnavailable`."""
    if shutil.which("cargo") is None:
        raise OracleUnavailable("there is no cargo")
    sources = sorted(path for path in PROGRAM.rglob("*") if path.suffix in (".rs", ".toml"))
    key = hashlib.sha256(b"\0".join([*(path.read_bytes() for path in sources), root_pem or b""])).hexdigest()[:24]
    cache = cache_folder()
    binary = cache / "bin" / f"oracle-{key}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists():
            _compile(cache, key, root_pem, binary)
    return binary


def _compile(cache: Path, key: str, root_pem: bytes | None, binary: Path) -> None:
    folder = cache / f"source-{key}"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(PROGRAM, folder)
    if root_pem is not None:
        crate = folder / CRATE
        shutil.copytree(_crate_source(folder), crate)
        (crate / ROOT_FILE).write_bytes(root_pem)
        with (folder / "Cargo.toml").open("a") as manifest:
            manifest.write(f'\n[patch.crates-io]\n{CRATE} = {{ path = "{CRATE}" }}\n')
    _cargo(folder, "build", "--release")
    binary.parent.mkdir(exist_ok=True)
    part = binary.with_suffix(".part")
    shutil.copy2(cache / "target" / "release" / "daas-differential", part)
    part.replace(binary)
    shutil.rmtree(folder)


def _crate_source(folder: Path) -> Path:
    metadata = json.loads(_cargo(folder, "metadata", "--format-version=1"))
    manifest = next(package["manifest_path"] for package in metadata["packages"] if package["name"] == CRATE)
    return Path(manifest).parent


def _cargo(folder: Path, *arguments: str) -> bytes:
    # One target folder for both builds: all but the crate itself is compiled once.
    environment = os.environ | {"CARGO_TARGET_DIR": str(folder.parent / "target"), "CARGO_TERM_COLOR": "never"}
    command = ["cargo", *arguments]
    try:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=BUILD_S, check=False)
    except subprocess.TimeoutExpired:
        raise OracleUnavailable(f"cargo {arguments[0]} took over {BUILD_S} s") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise OracleUnavailable(f"cargo {arguments[0]} failed (no network?): {said[-800:]}")
    return done.stdout


def oracle(root_pem: bytes | None = None) -> Path:
    """For tests: `build`, or skip with the reason."""
    try:
        return build(root_pem)
    except OracleUnavailable as error:
        pytest.skip(f"Sui's own code cannot be built here: {error}")


def ask(binary: Path, cases: Sequence[Case]) -> Iterator[Opinion]:
    """What Sui's code makes of each case, in order."""
    questions = b"".join(_HEAD.pack(len(case.data), case.now_ms) + case.data for case in cases)
    done = subprocess.run([binary], input=questions, capture_output=True, timeout=BUILD_S, check=True)
    lines = done.stdout.decode().splitlines()
    if len(lines) != len(cases):
        raise AssertionError(f"{len(lines)} answers to {len(cases)} questions: {done.stderr[-400:]!r}")
    for line in lines:
        stage, value, reason = line.split("\t", 2)
        yield Opinion(stage, value, reason)

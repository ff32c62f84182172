"""The compiled Move package as this installation has it: in the wheel, or in `build/move` of a checkout.

Invariant: what `load` gives was read back from its bytes: digests are computed, not believed, and every module has
passed the strict reader. A folder is complete or refused.

Layout of such a folder: `package.json` (what is there, in which order, with digests), `interface.json`,
`modules/NAME.mv`, `framework/0x1/NAME.mv`, `framework/0x2/NAME.mv`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .bytecode_errors import BytecodeError
from .compiled import CompiledPackage, read_package
from .interface import address_text, describe

FORMAT = 1
DESCRIPTION = "package.json"
INTERFACE = "interface.json"
MODULES = "modules"
FRAMEWORK = "framework"
SUFFIX = ".mv"
INSTALLED = Path(__file__).resolve().parent / "package"
"""Package data of the wheel that `make dist` makes."""
BUILT = Path(__file__).resolve().parents[2] / "build" / "move"
"""Where `daas move build` puts it in a checkout."""


class ArtifactsError(Exception):
    """The compiled package cannot be used; the message says what to do."""


class ArtifactsMissingError(ArtifactsError):
    """There is no compiled package."""

    def __init__(self, folders: tuple[Path, ...]) -> None:
        super().__init__(f"no compiled Move package in {' or '.join(map(str, folders))}: run `daas move build`")
        self.folders = folders


class ArtifactsDamagedError(ArtifactsError):
    """A folder of a compiled package whose content is not what it says."""

    def __init__(self, folder: Path, expected: str, actual: str) -> None:
        super().__init__(f"{folder}: expected {expected}, got {actual}: remove it and run `daas move build`")
        self.folder = folder
        self.expected = expected
        self.actual = actual


@dataclass(frozen=True, slots=True)
class Artifacts:
    """A compiled package that has been read and compared with its description."""

    folder: Path
    name: str
    package: CompiledPackage
    description: Mapping[str, Any]

    def interface(self) -> dict[str, Any]:
        """Functions, structs, enums and errors by module, from the bytecode."""
        return describe((one.module for one in self.package.modules), self.name)

    def framework(self, address: str) -> CompiledPackage:
        """The framework's package at "0x1" or "0x2". Raises ArtifactsError."""
        found = _read(self.folder, f"{FRAMEWORK}/{address}", self.description[FRAMEWORK][address])
        for one in found.modules:
            if address_text(one.module.address) != address:
                raise ArtifactsDamagedError(self.folder, f"{one.name} at {address}", address_text(one.module.address))
        return found


def find() -> Path:
    """The folder of the compiled package. Raises ArtifactsMissingError."""
    for folder in (INSTALLED, BUILT):
        if (folder / DESCRIPTION).is_file():
            return folder
    raise ArtifactsMissingError((INSTALLED, BUILT))


def load(folder: Path | None = None) -> Artifacts:
    """The compiled package in `folder`, or where this installation has it. Raises ArtifactsError."""
    folder = find() if folder is None else folder
    try:
        description = json.loads((folder / DESCRIPTION).read_bytes())
    except FileNotFoundError:
        raise ArtifactsMissingError((folder,)) from None
    except (OSError, ValueError) as problem:
        raise ArtifactsDamagedError(folder, f"a readable {DESCRIPTION}", str(problem)) from None
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise ArtifactsDamagedError(folder, f"{DESCRIPTION} of format {FORMAT}", "another one")
    package = _read(folder, MODULES, description)
    return Artifacts(folder, str(description.get("name")), package, description)


def described(package: CompiledPackage) -> dict[str, Any]:
    """What `package.json` says of a package's modules."""
    return {
        "digest": package.digest.hex(),
        "dependencies": [f"0x{one.hex()}" for one in package.dependencies],
        "modules": [{"name": one.name, "bytes": len(one.bytecode)} for one in package.modules],
    }


def _read(folder: Path, inner: str, description: Mapping[str, Any]) -> CompiledPackage:
    try:
        names = [str(one["name"]) for one in description["modules"]]
        dependencies = [bytes.fromhex(str(one).removeprefix("0x")) for one in description["dependencies"]]
        digest = str(description["digest"])
        package = read_package(((folder / inner / f"{name}{SUFFIX}").read_bytes() for name in names), dependencies)
    except OSError as problem:
        raise ArtifactsDamagedError(folder, f"{inner} complete", str(problem)) from None
    except (KeyError, TypeError, ValueError) as problem:
        raise ArtifactsDamagedError(folder, f"{DESCRIPTION} to describe {inner}", repr(problem)) from None
    except BytecodeError as problem:
        raise ArtifactsDamagedError(folder, f"modules in {inner}", str(problem)) from None
    if package.digest.hex() != digest:
        raise ArtifactsDamagedError(folder, f"digest {digest} of {inner}", package.digest.hex())
    return package

"""Digest and size of a package are computed as the chain does; a build folder is whole and true, or refused by name."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from daas_chain import artifacts
from daas_chain.artifacts import ArtifactsDamagedError, ArtifactsMissingError
from daas_cli import move_sources, move_tool
from daas_cli.move_compiler import Bundled
from daas_cli.output import Progress
from support.move_package import build_package

pytestmark = pytest.mark.e2e

CHAIN = Path(__file__).resolve().parents[2] / "chain"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_package(tmp_path_factory.mktemp("move"))


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def test_the_digest_is_the_compilers(folder: Path) -> None:
    sources = move_sources.read(folder.parent / "package", tests=False)
    job = {"mode": "build", "files": dict(sources.build)}
    said = Bundled(move_tool.pinned())._run(job, Progress(quiet=True))["digest"]
    assert artifacts.load(folder).package.digest.hex() == said


def test_the_compiler_gives_the_golden_modules(folder: Path) -> None:
    golden = json.loads((CHAIN.parent / "tests/vectors/move_modules.json").read_text())
    package = artifacts.load(folder).package
    made = [{"name": one.name, "bytes": one.bytecode.hex()} for one in package.modules]
    assert (made, package.digest.hex()) == (golden["vectors"], golden["digest"])


def test_the_size_is_modules_names_origins_and_linkage(folder: Path) -> None:
    package = artifacts.load(folder).package
    lengths = {one.name: len(one.bytecode) for one in package.modules}
    assert len(package.dependencies) == 2
    names = len("one") + len("two")
    origins = len("one") + len("Purse") + 32 + len("one") + len("Shape") + 32
    assert package.size == 8 + sum(lengths.values()) + names + origins + 2 * (32 + 40)
    assert package.stored_size == package.size + 80


def test_the_interface_is_that_of_the_source(folder: Path) -> None:
    module = artifacts.load(folder).interface()["one"]
    assert json.loads((folder / "interface.json").read_text())["one"] == module
    assert module["functions"]["spend"] == {
        "visibility": "public",
        "entry": False,
        "native": False,
        "type_parameters": [
            {"name": "T0", "abilities": []},
            {"name": "T1", "abilities": ["store"]},
            {"name": "T2", "abilities": ["copy", "drop"]},
        ],
        "parameters": ["&mut daas::one::Purse<T0, T1>", "0x1::option::Option<daas::one::Shape>", "&T2"],
        "returns": ["u64", "bool"],
    }
    assert module["functions"]["area"]["visibility"] == "public(package)"
    assert (module["functions"]["make"]["visibility"], module["functions"]["make"]["entry"]) == ("private", True)
    assert module["functions"]["make"]["parameters"] == ["&mut 0x2::tx_context::TxContext"]
    assert module["structs"]["Purse"] == {
        "abilities": ["store", "key"],
        "type_parameters": [
            {"name": "T0", "abilities": [], "phantom": True},
            {"name": "T1", "abilities": ["store"], "phantom": False},
        ],
        "native": False,
        "fields": [
            {"name": "id", "type": "0x2::object::UID"},
            {"name": "funds", "type": "0x2::balance::Balance<0x2::sui::SUI>"},
            {"name": "shapes", "type": "vector<daas::one::Shape>"},
            {"name": "more", "type": "T1"},
        ],
    }
    assert [variant["name"] for variant in module["enums"]["Shape"]["variants"]] == ["Dot", "Circle", "Box"]
    assert module["enums"]["Shape"]["variants"][2]["fields"] == [
        {"name": "pos0", "type": "u64"},
        {"name": "pos1", "type": "u64"},
    ]
    assert module["errors"]["EZero"]["message"] == "The amount is zero"
    assert artifacts.load(folder).interface()["two"]["friends"] == ["daas::one"]


def test_a_missing_build_says_how_to_make_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ArtifactsMissingError, match="daas move build"):
        artifacts.load(tmp_path)
    monkeypatch.setattr(artifacts, "INSTALLED", tmp_path / "a")
    monkeypatch.setattr(artifacts, "BUILT", tmp_path / "b")
    with pytest.raises(ArtifactsMissingError, match="daas move build"):
        artifacts.load()


def test_the_installed_package_goes_before_the_checkouts(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "BUILT", folder)
    monkeypatch.setattr(artifacts, "INSTALLED", tmp_path / "none")
    assert artifacts.load().folder == folder
    shutil.copytree(folder, tmp_path / "wheel")
    monkeypatch.setattr(artifacts, "INSTALLED", tmp_path / "wheel")
    assert artifacts.load().folder == tmp_path / "wheel"


def test_a_module_that_is_missing_changed_or_no_module_is_refused(copy: Path) -> None:
    path = copy / "modules/two.mv"
    original = path.read_bytes()
    for content in (None, b"", original[:-1], (copy / "modules/one.mv").read_bytes()):
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ArtifactsDamagedError, match="daas move build"):
            artifacts.load(copy)
        path.write_bytes(original)
    artifacts.load(copy)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 1}', '{"format": 1, "modules": [1]}'])
def test_a_description_that_is_another_thing_is_refused(copy: Path, text: str) -> None:
    (copy / "package.json").write_text(text)
    with pytest.raises(ArtifactsDamagedError):
        artifacts.load(copy)


def test_framework_modules_at_another_address_are_refused(copy: Path) -> None:
    description = json.loads((copy / "package.json").read_text())
    description["framework"]["0x2"] = description["framework"]["0x1"]
    (copy / "package.json").write_text(json.dumps(description))
    shutil.rmtree(copy / "framework/0x2")
    shutil.copytree(copy / "framework/0x1", copy / "framework/0x2")
    with pytest.raises(ArtifactsDamagedError, match="at 0x2"):
        artifacts.load(copy).framework("0x2")


def test_a_wheel_with_the_build_in_it_loads_it_without_a_checkout(folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "chain"
    shutil.copytree(CHAIN, source, ignore=shutil.ignore_patterns("__pycache__", "package"))
    shutil.copytree(folder, source / "daas_chain/package")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    build = "import sys, uv_build; print(uv_build.build_wheel(sys.argv[1]))"
    subprocess.run(
        [sys.executable, "-c", build, str(tmp_path)], cwd=source, env=environment, check=True, capture_output=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    program = (
        "from daas_chain import artifacts\n"
        "found = artifacts.load()\n"
        "print(found.folder, found.package.digest.hex(), len(found.framework('0x2').modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        check=True,
        capture_output=True,
        text=True,
    )
    digest = artifacts.load(folder).package.digest.hex()
    assert done.stdout.split() == [str(tmp_path / "site/daas_chain/package"), digest, "62"]

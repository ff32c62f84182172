"""`daas move build` and `daas move test`: with the real compiler, and with a stand-in for a `sui` binary."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from daas_chain import artifacts
from daas_cli import move_compiler, move_sources, move_tool
from daas_cli.errors import RefusedError
from support.daas_command import Daas
from support.move_package import ONE, ONE_TESTS, need_compiler, write_package

pytestmark = pytest.mark.e2e


@pytest.fixture
def daas(tmp_path: Path) -> Daas:
    return Daas(tmp_path / "home")


def test_build_writes_modules_framework_description_and_interface_once(daas: Daas, tmp_path: Path) -> None:
    need_compiler()
    package, out = str(write_package(tmp_path / "package")), tmp_path / "out"
    options = ("move", "build", "--package", package, "--out", str(out), "--compiler", "bundled")
    first = daas.json(*options)
    assert first["fresh"]
    assert sorted(path.name for path in out.iterdir()) == ["framework", "interface.json", "modules", "package.json"]
    assert [one["name"] for one in first["modules"]] == ["two", "one"], "each module after those it uses"
    assert first["size_limit"] == 102_400
    loaded = artifacts.load(out)
    assert loaded.package.digest.hex() == first["digest"]
    assert first["size"] == loaded.package.size
    assert json.loads((out / "interface.json").read_text()) == loaded.interface()
    assert len(loaded.framework("0x1").modules) == 22
    assert len(loaded.framework("0x2").modules) == 62

    path = daas.environment.pop("PATH")
    again = daas.json(*options)
    assert not again["fresh"], "without node, npm, cargo: nothing is run when nothing has changed"
    daas.environment["PATH"] = path
    assert again["digest"] == first["digest"]
    (out / "modules/one.mv").write_bytes(b"damaged")
    assert daas.json(*options)["fresh"], "a damaged build is made again"
    write_package(tmp_path / "package", one=ONE.replace("LIMIT: u64 = 100", "LIMIT: u64 = 101"))
    changed = daas.json(*options)
    assert changed["fresh"]
    assert changed["digest"] != first["digest"]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_package_that_does_not_compile_is_refused_with_the_compilers_words_and_leaves_no_build(
    daas: Daas, tmp_path: Path
) -> None:
    need_compiler()
    package = write_package(tmp_path / "package", one=ONE.replace("two::add", "two::subtract"))
    done = daas("move", "build", "--package", str(package), "--out", str(tmp_path / "out"), "--compiler", "bundled")
    assert done.returncode == 1
    assert "subtract" in done.stderr
    assert not (tmp_path / "out").exists()


def test_warnings_are_shown_each_time_and_can_be_denied(daas: Daas, tmp_path: Path) -> None:
    need_compiler()
    package = write_package(tmp_path / "package", one=ONE.replace("const LIMIT", "const UNUSED: u64 = 1;\nconst LIMIT"))
    options = ("move", "build", "--package", str(package), "--out", str(tmp_path / "out"), "--compiler", "bundled")
    for _ in range(2):
        done = daas(*options)
        assert done.returncode == 0
        assert "UNUSED" in done.stderr
    assert daas(*options, "--deny-warnings").returncode == 1


def test_the_runners_report_is_printed_and_counted(daas: Daas, tmp_path: Path) -> None:
    need_compiler()
    package = write_package(tmp_path / "package")
    done = daas("move", "test", "--package", str(package), "--compiler", "bundled")
    assert done.returncode == 0
    assert "daas::one_tests::refuses_too_much" in done.stdout
    assert "Test result: OK. Total tests: 4; passed: 4; failed: 0" in done.stdout
    chosen = daas.json("move", "test", "two", "--package", str(package), "--compiler", "bundled")
    assert (chosen["total"], chosen["failed"], chosen["ok"]) == (1, 0, True)


def test_a_failing_test_is_exit_1_with_the_report(daas: Daas, tmp_path: Path) -> None:
    need_compiler()
    package = write_package(tmp_path / "package", one_tests=ONE_TESTS.replace("== 8", "== 9"))
    done = daas("move", "test", "one", "--package", str(package), "--compiler", "bundled")
    assert done.returncode == 1
    assert "[ FAIL    ] daas::one_tests::doubles" in done.stdout
    assert "1 of 3 Move tests failed" in done.stderr


def test_no_test_at_all_is_a_failure(daas: Daas, tmp_path: Path) -> None:
    need_compiler()
    package = write_package(tmp_path / "package", one_tests="", two_tests="")
    done = daas("move", "test", "--package", str(package), "--compiler", "bundled")
    assert done.returncode == 1
    assert "no test ran" in done.stderr


def test_unknown_test_modules_are_named_with_those_that_exist(daas: Daas, tmp_path: Path) -> None:
    done = daas("move", "test", "three", "one", "--package", str(write_package(tmp_path / "package")))
    assert done.returncode == 2
    assert "three" in done.stderr
    assert "one_tests, two_tests" in done.stderr


def test_helpers_without_tests_are_handed_over_with_any_choice(tmp_path: Path) -> None:
    helper = (
        "#[test_only]\nmodule daas::support_tests;\n// #[test] in a comment\n#[test_only]\npublic fun x(): u64 { 1 }\n"
    )
    sources = move_sources.read(write_package(tmp_path, support_tests=helper), tests=True)
    assert set(sources.test_modules()) == {"one_tests", "two_tests"}
    assert set(sources.selected(["daas::two_tests"])) - set(sources.build) == {
        "tests/support_tests.move",
        "tests/two_tests.move",
    }


def test_a_folder_that_is_no_build_is_not_replaced(daas: Daas, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "letter").write_text("mine")
    done = daas("move", "build", "--package", str(write_package(tmp_path / "package")), "--out", str(out))
    assert done.returncode == 2
    assert (out / "letter").read_text() == "mine"


@pytest.mark.parametrize("missing", ["Move.toml", "sources"])
def test_a_folder_that_is_no_package_is_exit_2(daas: Daas, tmp_path: Path, missing: str) -> None:
    package = write_package(tmp_path / "package", one="", two="")
    if missing == "Move.toml":
        (package / "Move.toml").unlink()
    done = daas("move", "build", "--package", str(package))
    assert done.returncode == 2
    assert missing in done.stderr


ABORTS = """#[test_only]
module daas::one_tests;

use daas::two as other;

// #[test, expected_failure(abort_code = daas::one::EInLine)]
// fun line() { abort 0 }
/* /* nested */ #[test, expected_failure(abort_code = daas::one::EInBlock)] fun block() { abort 0 } */
#[test, expected_failure(abort_code = daas::one::ETested, location = daas::one)]
fun tested() { let _ = b"// no comment \\" /*"; abort 0 }
#[test]
#[expected_failure(
    abort_code = other::EByAlias,
)]
fun by_alias() { abort 0 }
#[random_test, expected_failure(abort_code = daas::two::ESameName)]
fun random(_n: u64) { abort 0 }
#[expected_failure(abort_code = daas::one::ENoTest)]
fun helper() { abort 0 }
#[test]
fun string() { let _ = b"#[test, expected_failure(abort_code = daas::one::EInString)] fun f() {}"; }
"""


def test_errors_without_a_test_are_listed_and_comments_strings_and_helpers_do_not_count(
    daas: Daas, tmp_path: Path
) -> None:
    names = ("ETested", "EInLine", "EInBlock", "EInString", "ENoTest", "ESameName")
    one = "module daas::one;\n" + "".join(f'#[error]\nconst {name}: vector<u8> = b"x";\n' for name in names)
    one += '#[error(code = 3)]\n#[allow(unused_const)]\nconst ECoded: vector<u8> = b"x";\nconst EPlain: u64 = 1;\n'
    one += '// #[error]\n// const EGone: vector<u8> = b"x";\n'
    two = "module daas::two;\n" + "".join(
        f'#[error]\nconst {name}: vector<u8> = b"x";\n' for name in ("EByAlias", "ESameName", "EInside")
    )
    two += "#[test, expected_failure(abort_code = EInside)]\nfun inside() { abort 0 }\n"
    package = str(write_package(tmp_path / "package", one=one, two=two, one_tests=ABORTS, two_tests=""))
    done = daas("move", "test", "--aborts", "--package", package)
    assert done.returncode == 1
    assert "10 #[error] constants, 6 without a test" in done.stdout
    listed = daas.json("move", "test", "--aborts", "--package", package)["untested"]
    wanted = ["ECoded", "EInBlock", "EInLine", "EInString", "ENoTest", "ESameName"]
    assert listed == [f"one::{name}" for name in wanted]
    assert all(name in done.stderr for name in listed)


def test_a_package_whose_errors_are_all_tested_is_exit_0(daas: Daas, tmp_path: Path) -> None:
    done = daas("move", "test", "--aborts", "--package", str(write_package(tmp_path / "package")))
    assert done.returncode == 0
    assert "2 #[error] constants, 0 without a test" in done.stdout


@pytest.mark.parametrize(
    ("output", "ok", "good"),
    [
        ("Test result: OK. Total tests: 3; passed: 3; failed: 0", True, True),
        ("Test result: OK. Total tests: 3; passed: 3; failed: 0", False, False),
        ("Test result: OK. Total tests: 0; passed: 0; failed: 0", True, False),
        ("Test result: FAILED. Total tests: 3; passed: 2; failed: 1", True, False),
        ("Test result: OK. Total tests: 3; passed: 2; failed: 0", True, False),
        ("", True, False),
    ],
)
def test_a_report_is_green_only_if_runner_and_count_agree(output: str, ok: bool, good: bool) -> None:
    assert move_compiler.report(output, ok=ok).ok is good


def fake(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_a_sui_binary_on_path_is_used_on_a_copy_of_the_package(daas: Daas, tmp_path: Path) -> None:
    need_compiler()
    package = write_package(tmp_path / "package")
    real = daas.json("move", "build", "--package", str(package), "--out", str(tmp_path / "o"), "--compiler", "bundled")
    modules = ", ".join(
        f'"{data}"' for data in (_base64(tmp_path / "o/modules" / f"{one['name']}.mv") for one in real["modules"])
    )
    answer = f'{{"modules": [{modules}], "dependencies": ["0x1", "0x2"], "digest": [1]}}'
    seen = tmp_path / "seen"
    fake(
        tmp_path / "bin",
        "sui",
        f"""case "$*" in
--version) echo 'sui 1.99.0-test' ;;
"move build "*) echo "$@" >>{seen}; touch "$4/Move.lock"; echo BUILDING daas; echo '{answer}' ;;
"move test "*) ls "$4"/tests >>{seen}; echo 'Test result: OK. Total tests: 2; passed: 2; failed: 0' ;;
*) exit 9 ;;
esac""",
    )
    daas.environment["PATH"] = f"{tmp_path / 'bin'}{os.pathsep}{daas.environment['PATH']}"
    built = daas.json("move", "build", "--package", str(package), "--out", str(tmp_path / "out"))
    assert (built["digest"], built["compiler"]) == (real["digest"], "sui 1.99.0-test")
    assert not (package / "Move.lock").exists()
    tested = daas.json("move", "test", "one", "--package", str(package))
    assert (tested["ok"], tested["total"]) == (True, 2)
    assert seen.read_text().endswith("--dump-bytecode-as-base64\none_tests.move\n")


def test_a_sui_binary_that_fails_is_exit_1_with_its_words(daas: Daas, tmp_path: Path) -> None:
    fake(tmp_path / "bin", "sui", 'case "$*" in --version) echo sui 1 ;; *) echo "unbound module" >&2; exit 1 ;; esac')
    daas.environment["PATH"] = f"{tmp_path / 'bin'}{os.pathsep}{daas.environment['PATH']}"
    done = daas("move", "test", "--package", str(write_package(tmp_path / "package")))
    assert done.returncode == 1
    assert "unbound module" in done.stderr
    daas.environment["PATH"] = str(tmp_path / "nothing")
    missing = daas("move", "test", "--package", str(tmp_path / "package"), "--compiler", "sui")
    assert missing.returncode == 1
    assert "no `sui` on PATH" in missing.stderr


def test_what_is_missing_is_named_with_the_line_that_installs_it(daas: Daas, tmp_path: Path) -> None:
    bare = tmp_path / "bin"
    bare.mkdir()
    for name in ("sh", "bash", "uname", "id", "sort", "head", "sed", "df", "awk", "dirname", "tr", "python3"):
        found = next(
            (Path(one) / name for one in os.environ["PATH"].split(os.pathsep) if (Path(one) / name).exists()), None
        )
        if found is not None:
            (bare / name).symlink_to(found)
    daas.environment |= {"PATH": str(bare), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = daas("move", "test", "--package", str(write_package(tmp_path / "package")))
    assert done.returncode == 1
    assert "node: not found" in done.stderr
    assert "curl" in done.stderr
    left = [path.name for path in (tmp_path / "cache/daas/move").iterdir()]
    assert left == [".lock"], "nothing half-made is left"


def test_sources_other_than_the_pinned_ones_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(
        tmp_path / "bin",
        "cargo",
        """case "$1" in
fetch) printf '[[package]]\\nname = "moverox-sui"\\nversion = "0.4.0"\\nchecksum = "00"\\n' >Cargo.lock ;;
esac""",
    )
    fake(tmp_path / "bin", "npm", "mkdir node_modules")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(RefusedError, match="SHA-256"):
        move_tool._install(move_tool.binaries.CHECKOUT / move_tool.SOURCE, _folder(tmp_path / "tool"))


def test_framework_sources_that_somebody_changed_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crate = tmp_path / "registry/moverox-sui-0.4.0"
    for inner in ("move-stdlib", "sui-framework"):
        (crate / "move" / inner).mkdir(parents=True)
        (crate / "move" / inner / "Move.toml").write_text("changed")
    pinned = json.loads((move_tool.binaries.CHECKOUT / move_tool.SOURCE / "framework.lock.json").read_text())
    lock = f'[[package]]\\nname = "moverox-sui"\\nversion = "0.4.0"\\nchecksum = "{pinned["crate_sha256"]}"\\n'
    described = json.dumps({"packages": [{"name": "moverox-sui", "manifest_path": str(crate / "Cargo.toml")}]})
    script = f"case \"$1\" in fetch) printf '{lock}' >Cargo.lock ;; metadata) echo '{described}' ;; esac"
    fake(tmp_path / "bin", "cargo", script)
    fake(tmp_path / "bin", "npm", "mkdir node_modules")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(RefusedError, match="framework's sources have digest"):
        move_tool._install(move_tool.binaries.CHECKOUT / move_tool.SOURCE, _folder(tmp_path / "tool"))


def test_a_tool_that_fails_to_install_leaves_nothing(tmp_path: Path) -> None:
    final = tmp_path / "final"
    killed = tmp_path / ".making-final-killed"
    killed.mkdir()
    with pytest.raises(RuntimeError), move_tool.made(final) as folder:
        assert not killed.exists(), "what a killed process left is removed"
        (folder / "half").write_text("")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with move_tool.made(final) as folder:
        (folder / "whole").write_text("")
    assert [path.name for path in tmp_path.rglob("*")] == ["final", "whole"]
    assert stat.S_IMODE(final.stat().st_mode) & 0o500 == 0o500


def test_processes_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    program = """
import sys, time
from pathlib import Path
from daas_cli import move_tool
log = Path(sys.argv[1])
with move_tool.locked():
    for word in ("in", "out"):
        with log.open("a") as file:
            file.write(word + " ")
        time.sleep(0.2)
"""
    log = tmp_path / "log"
    running = [subprocess.Popen([sys.executable, "-c", program, str(log)]) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert log.read_text() == "in out " * 3


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()

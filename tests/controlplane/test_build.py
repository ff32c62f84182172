"""The binary is the same bytes wherever it is built."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from controlplane.conftest import CONTROLPLANE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600)]


def build(folder: Path, cache: Path, **environment: str) -> str:
    done = subprocess.run(
        [folder / "build.sh"],
        env={**os.environ, "XDG_CACHE_HOME": str(cache), **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return hashlib.sha256(Path(done.stdout.splitlines()[-1]).read_bytes()).hexdigest()


def test_another_path_and_other_go_settings_give_the_same_bytes(tmp_path: Path) -> None:
    # Go's own object cache stays, so that this links twice and compiles once.
    objects = subprocess.run(["go", "env", "GOCACHE"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    shutil.copytree(CONTROLPLANE, tmp_path / "elsewhere" / "copy")
    here = build(CONTROLPLANE, tmp_path / "a", GOCACHE=objects)
    there = build(
        tmp_path / "elsewhere" / "copy",
        tmp_path / "b",
        GOCACHE=objects,
        GOFLAGS="-buildvcs=false -tags=x",
        GOAMD64="v3",
        GO111MODULE="off",
    )
    assert here == there


def test_builds_at_the_same_time_leave_one_whole_program_and_nothing_else(tmp_path: Path) -> None:
    objects = subprocess.run(["go", "env", "GOCACHE"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "GOCACHE": objects}
    command = [CONTROLPLANE / "build.sh", "fakecri"]
    builds = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = {build.communicate()[0].splitlines()[-1] for build in builds}
    assert [build.returncode for build in builds] == [0, 0]
    (program,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert said == {str(program)}
    assert "socket" in subprocess.run([program, "--help"], capture_output=True, text=True, timeout=30).stderr


def test_an_unknown_target_is_refused() -> None:
    done = subprocess.run([CONTROLPLANE / "build.sh", "k3s"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "give daas-k3s or fakecri" in done.stderr


def test_a_second_build_comes_from_the_cache(tmp_path: Path, daas_k3s: Path) -> None:
    if "DAAS_K3S" in os.environ:
        pytest.skip("the binary was given")
    done = subprocess.run([CONTROLPLANE / "build.sh"], capture_output=True, text=True, check=True)
    assert (Path(done.stdout.strip()), done.stderr) == (daas_k3s, "")

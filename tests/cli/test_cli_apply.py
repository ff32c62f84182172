"""Promise: `daas apply` sends nothing before every document was read, and says what is wrong with which file."""

from __future__ import annotations

from pathlib import Path

import pytest

from daas_cli.apply_command import MAX_DOCUMENTS, MAX_FILE_BYTES, _documents, _rank
from daas_cli.errors import UnreadableError
from support.daas_command import Daas

GOOD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"


def test_documents_of_folders_files_and_lists_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(f"{GOOD}---\n---\n{GOOD.replace('name: a', 'name: b')}")
    (tmp_path / "a.json").write_text(
        '{"kind": "List", "apiVersion": "v1", "items": ['
        '{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}}]}'
    )
    (tmp_path / "notes.txt").write_text("not: [yaml")
    found = list(_documents([tmp_path]))
    assert [(one.kind, one.name) for one in found] == [("Namespace", "n"), ("ConfigMap", "a"), ("ConfigMap", "b")]
    assert min(found[::-1], key=_rank).kind == "Namespace"


@pytest.mark.parametrize(
    "text",
    [
        "kind: [",
        "- a",
        "word",
        "apiVersion: v1",
        GOOD.replace("name: a", "generateName: a"),
        "!!python/object:x {}",
        GOOD.replace("{name: a}", "[]"),
        GOOD.replace("v1", "1"),
        '{"kind": "List", "items": 3}',
        "a" * (MAX_FILE_BYTES + 1),
        "\n---\n".join([GOOD] * (MAX_DOCUMENTS + 1)),
    ],
)
def test_what_is_no_object_is_refused_with_the_next_step(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(UnreadableError) as caught:
        list(_documents([tmp_path]))
    assert caught.value.next_step


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    daas = Daas(tmp_path / "home")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "absent.yaml", tmp_path / "bytes.yaml"):
        done = daas("apply", "-f", str(path))
        assert done.returncode == 2
        assert path.name in done.stderr
    (tmp_path / "empty").mkdir()
    assert "there is no object" in daas("apply", "-f", str(tmp_path / "empty")).stderr
    assert "signed or settled" in daas("apply", "-f", "-", "--wait", "long").stderr


def test_without_an_instance_the_command_says_how_to_start_one(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    done = Daas(tmp_path / "home")("apply", "-f", str(tmp_path / "a.yaml"))
    assert done.returncode == 3
    assert "daas up" in done.stderr

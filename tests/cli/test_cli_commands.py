"""Commands as a user types them: exit codes, next steps, JSON, and secrets that stay in their files."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from daas_cli import instance, up
from daas_cli.home import Home
from daas_cli.receipt_commands import _shown
from support.daas_command import Daas

SEED = "11" * 32


@pytest.fixture
def daas(tmp_path: Path) -> Daas:
    return Daas(tmp_path / "home")


def test_help_names_every_command_and_the_exit_codes(daas: Daas) -> None:
    text = daas("--help").stdout
    for name in ("up", "down", "status", "logs", "kubeconfig", "doctor", "bench", "key", "receipt", "attestation"):
        assert f"│ {name} " in text
    assert "unreachable" in text


def test_the_installed_command_ends_with_the_code_of_its_error(daas: Daas) -> None:
    program = Path(sys.executable).parent / "daas"
    done = subprocess.run([str(program), "status"], env=daas.environment, capture_output=True, text=True)
    assert done.returncode == 3
    assert "daas up" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (("status",), 3),
        (("logs", "host"), 3),
        (("kubeconfig",), 3),
        (("kubectl", "get", "ns"), 3),
        (("receipt", "list"), 3),
        (("receipt", "verify", "1"), 3),
        (("receipt", "verify", "missing.json"), 2),
        (("attestation", "verify"), 3),
        (("attestation", "verify", "missing.cose"), 2),
        (("gateway", "run"), 2),
        (("logs", "nobody"), 2),
        (("no-such-command",), 2),
        (("down", "--purge", "--json"), 1),
        (("down",), 0),
    ],
)
def test_without_an_instance_each_command_says_so_and_what_to_do(daas: Daas, argv: tuple[str, ...], code: int) -> None:
    done = daas(*argv)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    said = done.stdout + done.stderr
    if code in (1, 3):
        assert "next" in said
    assert not (daas.root / "instance.json").exists()


def test_an_error_is_one_json_document_for_programs(daas: Daas) -> None:
    error = daas.json("kubeconfig")["error"]
    assert error["code"] == 3
    assert "daas up" in error["next"]


def test_wrong_settings_stop_everything_before_anything_starts(daas: Daas) -> None:
    daas.root.mkdir()
    (daas.root / "daas.yaml").write_text("version: 1\ngateway: {prot: 1}\n")
    done = daas("up")
    assert done.returncode == 2
    assert "gateway.prot" in done.stderr
    assert not (daas.root / "run").exists()


def test_a_key_is_made_once_listed_and_never_shown(daas: Daas) -> None:
    made = daas("key", "new")
    assert made.returncode == 0
    path = daas.root / "keys" / "default.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    secret = json.loads(path.read_text())["private_key"]
    listed = daas("key", "list")
    again = daas("key", "new")
    assert again.returncode == 1
    assert "exists" in again.stderr
    for done in (made, listed, again):
        assert secret not in done.stdout + done.stderr
    assert daas.json("key", "list")["keys"][0]["address"] in made.stdout


def test_a_key_is_imported_from_standard_input_or_a_file_and_never_from_arguments(daas: Daas, tmp_path: Path) -> None:
    first = daas.json("key", "import", "one", stdin=SEED + "\n")
    source = tmp_path / "key.txt"
    source.write_text(SEED)
    second = daas.json("key", "import", "two", "--file", str(source))
    assert first["address"] == second["address"]
    assert daas("key", "import", "three", SEED).returncode == 2


@pytest.mark.parametrize("text", ["", "nonsense", "00" * 31, "suiprivkey1qqqq"])
def test_a_key_that_is_none_is_refused_without_being_repeated(daas: Daas, text: str) -> None:
    done = daas("key", "import", "x", stdin=text)
    assert done.returncode == 2
    assert not text or text not in done.stderr
    assert daas.json("key", "list") == {"keys": []}


def test_the_kubeconfig_is_private_and_reaches_the_stored_port(daas: Daas) -> None:
    home = Home(daas.root)
    home.create()
    instance.save(home, instance.with_ports(instance.create(home, 0), 12345, is_free=lambda port: True))
    done = daas("kubeconfig")
    assert done.stdout == f"export KUBECONFIG={home.kubeconfig}\n"
    assert stat.S_IMODE(home.kubeconfig.stat().st_mode) == 0o600
    assert "https://127.0.0.1:12345" in home.kubeconfig.read_text()
    assert daas("kubeconfig", "--path").stdout.strip() == str(home.kubeconfig)
    assert home.credential.read_text().strip() not in done.stdout + done.stderr


def test_a_kubeconfig_that_others_could_read_is_closed_to_them(daas: Daas) -> None:
    home = Home(daas.root)
    home.create()
    instance.save(home, instance.create(home, 0))
    home.kubeconfig.write_text("")
    home.kubeconfig.chmod(0o644)
    assert daas("kubeconfig").returncode == 0
    assert stat.S_IMODE(home.kubeconfig.stat().st_mode) == 0o600


def test_a_credential_that_others_can_read_is_refused(daas: Daas) -> None:
    home = Home(daas.root)
    home.create()
    instance.save(home, instance.create(home, 0))
    daas("kubeconfig")
    home.credential.chmod(0o644)
    done = daas("kubeconfig")
    assert done.returncode == 2
    assert "chmod 600" in done.stderr


def test_a_receipt_is_shown_in_words() -> None:
    shown = [_shown(name, value) for name, value in (("frame", None), ("body_kept", False), ("status", 200))]
    assert shown == ["-", "no", "200"]
    assert _shown("time_ms", 0) == "0 (1970-01-01 00:00:00 UTC)"


def test_purge_asks_and_without_an_answer_removes_nothing(daas: Daas) -> None:
    daas("key", "new")
    assert daas("down", "--purge", stdin="n\n").returncode == 1
    assert daas("down", "--purge", stdin="").returncode == 1
    assert (daas.root / "keys" / "default.json").exists()


def test_purge_removes_what_is_ours_and_nothing_else(daas: Daas) -> None:
    daas("key", "new")
    (daas.root / "thesis.txt").write_text("years of work")
    done = daas("down", "--purge", "--yes")
    assert done.returncode == 0
    assert "thesis.txt" in done.stdout
    assert [item.name for item in daas.root.iterdir()] == ["thesis.txt"]
    (daas.root / "thesis.txt").unlink()
    daas("key", "new")
    daas("down", "--purge", "--yes")
    assert not daas.root.exists()


def test_purge_of_a_wrong_home_removes_nobodys_folders(daas: Daas) -> None:
    for name in ("keys", "logs", "host", "enclave"):
        (daas.root / name).mkdir(parents=True)
        (daas.root / name / "work.json").write_text("years of work")
    (daas.root / "gateway.json").write_text("{}")
    done = daas("down", "--purge", "--yes")
    assert done.returncode == 0
    assert "gateway.json" in done.stdout
    assert [(daas.root / name / "work.json").exists() for name in ("keys", "logs", "host", "enclave")] == [True] * 4


def test_a_damaged_instance_can_be_purged_as_its_error_says(daas: Daas) -> None:
    daas.root.mkdir()
    (daas.root / "instance.json").write_text("{")
    refused = daas("down")
    assert refused.returncode == 2
    assert "--purge" in refused.stderr
    assert daas("down", "--purge", "--yes").returncode == 0
    assert not daas.root.exists()


def test_purge_follows_no_link_out_of_the_home(daas: Daas, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("kept")
    daas.root.mkdir()
    (daas.root / "instance.json").write_text("{}")
    (daas.root / "logs").symlink_to(outside)
    up.purge(Home(daas.root))
    assert (outside / "file").read_text() == "kept"
    assert not daas.root.exists()


def test_a_damaged_receipt_file_is_refused_not_crashed_on(daas: Daas, tmp_path: Path) -> None:
    for number, data in enumerate((b"", b"{}", b"{", b"AAAA", b"\xff\xfe", b'{"version": 2}')):
        path = tmp_path / f"receipt-{number}"
        path.write_bytes(data)
        done = daas("receipt", "verify", str(path))
        assert done.returncode == 1, done.stderr
        assert "Traceback" not in done.stderr


def test_a_damaged_attestation_document_is_refused_by_the_name_of_the_check(daas: Daas, tmp_path: Path) -> None:
    path = tmp_path / "document"
    path.write_bytes(b"\x84\x00")
    done = daas("attestation", "verify", str(path), "--root", "aws")
    assert done.returncode == 1
    assert "refused" in done.stderr


def test_a_root_that_is_no_certificate_is_an_unreadable_file(daas: Daas, tmp_path: Path) -> None:
    path = tmp_path / "root.pem"
    path.write_text("nothing")
    assert daas("attestation", "verify", str(path), "--root", str(path)).returncode == 2


def test_a_home_that_cannot_be_made_is_named_without_a_traceback(daas: Daas, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    daas.environment["DAAS_HOME"] = str(blocked / "home")
    done = daas("key", "new", "mine")
    assert done.returncode == 2
    assert str(blocked) in done.stderr
    assert "next:" in done.stderr

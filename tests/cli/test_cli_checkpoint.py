"""`daas checkpoint verify`: each exit code means one thing, and every check is shown by its name."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from daas_chain.light.committee import Committee
from daas_chain.light.verdict import CERTIFICATE_NAMES, COMMITTEE_NAMES, CONTENTS_NAMES
from daas_chain.sui import base58
from daas_chain.sui.checkpoint import MAX_CONTENTS_BYTES, QUORUM_SIGNATURE
from daas_chain.sui.digests import Hashed, digest
from daas_cli.checkpoint_commands import MAX_FILE_BYTES
from support import light_world as world
from support.daas_command import Daas, Done

GOOD = world.checkpoint()
NAMES = [*COMMITTEE_NAMES, *CERTIFICATE_NAMES, *CONTENTS_NAMES]
REAL = Path(__file__).resolve().parents[2].parent / "shared" / "vectors" / "sui" / "mainnet-genesis"


@dataclass
class Case:
    daas: Daas
    folder: Path

    def run(self, *more: str, code: int = 0, **files: bytes | None) -> Done:
        """The good files, unless told otherwise; None leaves an option out."""
        parts: dict[str, bytes | None] = {
            "committee": world.committee(),
            "summary": GOOD.summary,
            "signature": GOOD.signature,
            "contents": GOOD.contents,
        }
        argv = ["checkpoint", "verify", *more]
        for name, data in (parts | files).items():
            if data is not None:
                path = self.folder / name
                path.write_bytes(data)
                argv += [f"--{name}", str(path)]
        done = self.daas(*argv)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        return done

    def json(self, code: int = 0, **files: bytes | None) -> Any:
        return json.loads(self.run("--json", code=code, **files).stdout)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(Daas(tmp_path / "home"), tmp_path)


def test_an_accepted_checkpoint_shows_every_check_its_digest_and_the_anchor(case: Case) -> None:
    said = case.run().stdout
    lines = said.splitlines()
    assert [line[:20].strip() for line in lines[1 : len(NAMES) + 1]] == NAMES
    assert base58.encode(digest(Hashed.SUMMARY, GOOD.summary)) in said
    assert Committee.from_bytes(world.committee()).anchor.hex() in said
    assert "not compared" not in said
    assert lines[-1] == "accepted"


def test_the_json_form_has_the_same(case: Case) -> None:
    shown = case.json()
    assert shown["accepted"] is True
    assert [check["name"] for check in shown["checks"]] == NAMES
    assert {check["outcome"] for check in shown["checks"]} == {"passed"}
    assert shown["checkpoint"] == {
        "epoch": world.EPOCH,
        "sequence_number": world.SEQUENCE,
        "digest": base58.encode(digest(Hashed.SUMMARY, GOOD.summary)),
        "timestamp_ms": world.TIME_MS,
        "network_total_transactions": world.TOTAL + 3,
        "content_digest": base58.encode(digest(Hashed.CONTENTS, GOOD.contents)),
        "ends_epoch": False,
        "transactions": 3,
    }


def test_without_contents_only_the_summary_is_judged_and_it_says_so(case: Case) -> None:
    assert "contents (give --contents)" in case.run(contents=None).stdout
    shown = case.json(contents=None)
    assert [check["name"] for check in shown["checks"]] == [*COMMITTEE_NAMES, *CERTIFICATE_NAMES]
    assert shown["checkpoint"]["transactions"] is None


@pytest.mark.parametrize(
    ("files", "check"),
    [
        ({"committee": b"no committee"}, "committee structure"),
        ({"summary": b""}, "summary structure"),
        ({"signature": GOOD.signature.hex().encode()}, "signature structure"),
        ({"signature": world.certify(GOOD.summary, signers=(0, 1))}, "quorum"),
        ({"committee": world.committee(world.EPOCH + 1)}, "summary epoch"),
        ({"contents": world.checkpoint(GOOD.parts[:1]).contents}, "contents digest"),
    ],
)
def test_a_refusal_ends_with_1_names_the_check_and_says_what_to_do(
    case: Case, files: dict[str, bytes], check: str
) -> None:
    done = case.run(code=1, **files)
    assert f"refused: {check}: expected " in done.stderr
    assert "next:" in done.stderr
    assert done.stdout.rstrip().endswith("refused")
    shown = case.json(code=1, **files)
    assert shown["accepted"] is False
    assert shown["checkpoint"] is None
    failed = [found for found in shown["checks"] if found["outcome"] == "failed"]
    assert [found["name"] for found in failed] == [check]
    position = NAMES.index(check)
    assert {found["outcome"] for found in shown["checks"][position + 1 :]} <= {"not reached"}


def test_a_file_that_cannot_be_read_and_a_missing_option_end_with_2(case: Case, tmp_path: Path) -> None:
    case.run()
    files = [f"--{name}={tmp_path / name}" for name in ("committee", "summary", "signature")]
    for argv in (
        [f"--committee={tmp_path}/nothing", *files[1:]],
        [f"--committee={tmp_path}", *files[1:]],
        files[:2],
        [*files, "--unknown"],
    ):
        assert case.daas("checkpoint", "verify", *argv).returncode == 2


def test_the_largest_contents_of_a_network_can_be_given_and_nothing_longer(case: Case) -> None:
    assert MAX_FILE_BYTES == MAX_CONTENTS_BYTES
    done = case.run(code=2, contents=bytes(MAX_FILE_BYTES + 1))
    assert f"is larger than {MAX_FILE_BYTES} bytes" in done.stderr


def test_nothing_that_a_file_says_reaches_the_terminal_as_a_control_character(case: Case) -> None:
    hostile = QUORUM_SIGNATURE.encode(replace(QUORUM_SIGNATURE.decode(GOOD.signature), signers=b"\x1b[2J" + bytes(8)))
    done = case.run(code=1, signature=hostile)
    assert "\x1b[2J" not in done.stdout + done.stderr


def test_the_help_says_what_a_verdict_means(case: Case) -> None:
    said = " ".join(case.daas("checkpoint", "verify", "--help").stdout.split())
    assert "Exit 0: accepted." in said
    assert "compare the anchor" in said


@pytest.mark.skipif(not REAL.is_dir(), reason="the real checkpoints lie beside the repository, in ../shared/vectors")
def test_mainnets_first_checkpoint_is_accepted_and_names_its_chain(case: Case) -> None:
    files = {name: (REAL / f"{name}.bcs").read_bytes() for name in ("committee", "summary", "signature", "contents")}
    said = case.run(**files).stdout
    assert "4btiuiMPvEENsttpZC7CZ53DruC3MAgfznDbASZ7DR6S" in said
    assert "35834a8a" in said
    assert "99 signers" in said

"""`daas attestation verify FILE`: each option changes the verdict it should, and each exit code means one thing."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from rich.console import Console

from daas_attestation import measurements
from daas_attestation.anchor import DevelopmentAnchor
from daas_attestation.errors import STRICT_CHECKS
from daas_attestation.moment import utc_text
from daas_attestation.verdict import schema_text
from daas_attestation.verify import Expectation, judge
from daas_cli.attestation_commands import MAX_SKEW_MS
from daas_cli.home import Home
from daas_cli.verdict_text import print_verdict
from support.daas_command import Daas, Done
from support.nitro_documents import (
    BINDING,
    INSTANCE,
    LEAF,
    MEASUREMENT,
    NONCE,
    NOW_MS,
    PCRS,
    REGIONAL,
    ROOT,
    build_chain,
    payload_fields,
    signed,
)

CHAIN = build_chain(ROOT, REGIONAL, INSTANCE, LEAF)
DOCUMENT = signed(CHAIN, payload_fields(CHAIN))
DEBUG = signed(CHAIN, payload_fields(CHAIN, pcrs=dict.fromkeys(range(16), bytes(48))))
UNBOUND = signed(CHAIN, payload_fields(CHAIN, user_data=None))
NAMES = [error.check for error in STRICT_CHECKS]
AT = utc_text(NOW_MS)


@dataclass
class Case:
    daas: Daas
    folder: Path

    def file(self, data: bytes, name: str = "document") -> str:
        path = self.folder / name
        path.write_bytes(data)
        return str(path)

    @property
    def root(self) -> str:
        return self.file(x509.load_der_x509_certificate(CHAIN.ders[0]).public_bytes(Encoding.PEM), "root.pem")

    def run(self, *argv: str, data: bytes = DOCUMENT, at: str | None = AT, code: int = 0) -> Done:
        """Judged under the right root at the right time, unless told otherwise."""
        time = () if at is None else ("--at", at)
        done = self.daas("attestation", "verify", self.file(data), "--root", self.root, *time, *argv)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        return done

    def json(self, *argv: str, data: bytes = DOCUMENT, at: str | None = AT, code: int = 0) -> Any:
        shown = json.loads(self.run("--json", *argv, data=data, at=at, code=code).stdout)
        jsonschema.validate(shown, json.loads(schema_text()))
        return shown

    def outcomes(self, *argv: str, data: bytes = DOCUMENT, at: str | None = AT, code: int = 0) -> dict[str, str]:
        return {check["name"]: check["outcome"] for check in self.json(*argv, data=data, at=at, code=code)["checks"]}

    def failed(self, *argv: str, data: bytes = DOCUMENT, at: str | None = AT) -> list[str]:
        found = self.outcomes(*argv, data=data, at=at, code=1)
        return [name for name, outcome in found.items() if outcome == "failed"]


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(Daas(tmp_path / "home"), tmp_path)


# What a verdict looks like.


def test_a_table_of_every_check_ends_with_the_verdict_its_anchor_and_what_was_not_compared(case: Case) -> None:
    said = case.run().stdout
    shown = [line.split()[0] for line in said.splitlines() if line]
    assert [word for word in shown if word in NAMES] == NAMES
    judged, not_compared, last = said.rstrip().splitlines()[-3:]
    assert AT in judged
    assert {"pcr,", "nonce,", "age,", "revoked,"} <= set(not_compared.split())
    assert last.startswith("accepted; trust anchor: simulated")


def test_a_refusal_says_what_was_expected_what_was_found_and_what_to_do(case: Case) -> None:
    done = case.run("--nonce", "34" * 32, code=1)
    assert "34" * 32 in done.stderr
    assert NONCE.hex() in done.stderr
    assert "next:" in done.stderr
    assert "refused; trust anchor" in done.stdout


@pytest.mark.parametrize("width", [40, 60, 79, 110, 200])
def test_the_table_fits_the_terminal(width: int) -> None:
    expectation = Expectation(DevelopmentAnchor(CHAIN.ders[0]), [MEASUREMENT], NONCE, None, None, MAX_SKEW_MS)
    for now_ms in (NOW_MS, NOW_MS + 10**9):
        out = io.StringIO()
        print_verdict(judge(DOCUMENT, expectation, now_ms), Console(file=out, width=width, highlight=False))
        said = out.getvalue()
        assert max(len(line.rstrip()) for line in said.splitlines()) <= width
        assert all(f"{name} " in said for name in NAMES)


def test_the_json_form_is_one_document_and_has_every_check(case: Case) -> None:
    accepted, refused = case.json(), case.json("--nonce", "00", code=1)
    assert (accepted["verdict"], refused["verdict"]) == ("accepted", "refused")
    for shown in (accepted, refused):
        assert [check["name"] for check in shown["checks"]] == NAMES
    assert refused["failure"] == {
        "check": "nonce", "error": "NonceError", "expected": "00", "actual": NONCE.hex(),
    }  # fmt: skip
    assert case.json("--bound")["document"]["binding"]["boot_id"] == BINDING.boot_id.hex()
    assert accepted["judged_at_ms"] == NOW_MS


# What is read.


@pytest.mark.parametrize(
    "text",
    [
        DOCUMENT,
        DOCUMENT.hex().encode(),
        DOCUMENT.hex().upper().encode() + b"\n",
        base64.b64encode(DOCUMENT),
        base64.encodebytes(DOCUMENT),
        b" \t" + base64.b64encode(DOCUMENT) + b"\r\n\r\n",
    ],
    ids=["raw", "hex", "upper hex", "base64", "wrapped base64", "white space"],
)
def test_a_document_is_read_raw_in_hex_and_in_base64(case: Case, text: bytes) -> None:
    assert case.json(data=text)["verdict"] == "accepted"


def test_a_document_is_read_from_standard_input(case: Case) -> None:
    done = case.daas(
        "attestation", "verify", "-", "--root", case.root, "--at", AT, stdin=base64.b64encode(DOCUMENT).decode()
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "data", [b"", b"84", b"\x84", b"\x00\x01", DOCUMENT[:-1], DOCUMENT + b"\0", b"\xff\xfe", b"AAAA", bytes(13_000)]
)
def test_a_malformed_document_is_refused_with_a_whole_verdict(case: Case, data: bytes) -> None:
    shown = case.json(data=data, code=1)
    assert shown["verdict"] == "refused"
    assert [check["name"] for check in shown["checks"]] == NAMES


@pytest.mark.parametrize("data", [b"hello, world", b"84 0", b"8g", b"-----BEGIN", b"{}", b"A", b"AAA=A"])
def test_text_that_is_neither_hex_nor_base64_is_no_document(case: Case, data: bytes) -> None:
    case.run(data=data, code=2)


def test_a_file_that_is_not_there_is_no_document(case: Case) -> None:
    assert case.daas("attestation", "verify", str(case.folder / "nowhere")).returncode == 2
    assert case.daas("attestation", "verify", str(case.folder)).returncode == 2


# Whose root.


def test_a_file_is_judged_under_awss_root_unless_told(case: Case) -> None:
    for argv in ((), ("--root", "aws")):
        done = case.daas("attestation", "verify", case.file(DOCUMENT), "--at", AT, *argv, "--json")
        shown = json.loads(done.stdout)
        assert (done.returncode, shown["anchor"], shown["failure"]["check"]) == (1, "aws-nitro", "root")


def test_who_judges_the_own_instances_document_under_awss_root_is_told_the_other(case: Case) -> None:
    home = Home(case.daas.root)
    home.create()
    home.development_ca.mkdir(parents=True, exist_ok=True)
    (home.development_ca / "root.pem").write_bytes(Path(case.root).read_bytes())
    done = case.daas("attestation", "verify", case.file(DOCUMENT), "--at", AT)
    assert done.returncode == 1
    assert f"--root {home.development_ca / 'root.pem'}" in " ".join(done.stderr.split())
    stranger = build_chain(ROOT, REGIONAL, INSTANCE, LEAF)
    other = case.daas("attestation", "verify", case.file(signed(stranger, payload_fields(stranger))), "--at", AT)
    assert other.returncode == 1
    assert "root.pem" not in other.stderr
    malformed = case.daas("attestation", "verify", case.file(b"\x84"), "--at", AT)
    assert (malformed.returncode, "root.pem" in malformed.stderr) == (1, False)


@pytest.mark.parametrize("data", [b"", b"nothing"])
def test_a_root_that_is_none_is_an_unreadable_file(case: Case, data: bytes) -> None:
    case.run("--root", case.file(data, "other.pem"), code=2)
    case.run("--root", str(case.folder / "nowhere.pem"), code=2)


# When.


def test_without_an_instant_it_is_judged_now(case: Case) -> None:
    assert "not-before" in case.failed(at=None), "the document is of 2030"


@pytest.mark.parametrize(("hours", "name"), [(-2, "not-before"), (2, "not-after")])
def test_an_instant_outside_the_certificates_is_refused(case: Case, hours: int, name: str) -> None:
    assert case.failed(at=utc_text(NOW_MS + hours * 3_600_000))[0] == name


@pytest.mark.parametrize("at", ["", "yesterday", "2030-03-17", "2030-03-17T17:46:40", "1900000000"])
def test_an_instant_that_is_none_is_a_wrong_option(case: Case, at: str) -> None:
    case.run(at=at, code=2)


def test_no_age_is_compared_at_an_instant_unless_asked(case: Case) -> None:
    later = utc_text(NOW_MS + 1_800_000)
    assert case.outcomes(at=later)["age"] == "not compared"
    assert case.outcomes("--max-age", "1800", at=later)["age"] == "passed"
    assert case.failed("--max-age", "1799", at=later) == ["age"]
    assert case.failed("--max-age", "0", at=utc_text(NOW_MS + 1)) == ["age"]
    assert case.outcomes("--max-age", "0")["age"] == "passed"


def test_now_a_document_may_be_five_minutes_old(case: Case) -> None:
    checks = {check["name"]: check for check in case.json(at=None, code=1)["checks"]}
    assert checks["age"]["expected"] == "at most 300000 ms old"
    checks = {check["name"]: check for check in case.json("--max-age", "7", at=None, code=1)["checks"]}
    assert checks["age"]["expected"] == "at most 7000 ms old"
    case.run("--max-age", "-1", code=2)
    case.run("--max-age", "soon", code=2)


# What it must be.


def test_a_nonce_is_compared_when_given(case: Case) -> None:
    assert case.outcomes()["nonce"] == "not compared"
    assert case.outcomes("--nonce", NONCE.hex().upper())["nonce"] == "passed"
    assert case.failed("--nonce", "") == ["nonce"]
    assert case.failed("--nonce", NONCE.hex()[2:]) == ["nonce"]
    for wrong in ("3", "zz", "33 33", "00" * 513):
        case.run("--nonce", wrong, code=2)


def test_pcrs_are_compared_by_index(case: Case) -> None:
    right = [word for index in (0, 2) for word in ("--pcr", f"{index}={PCRS[index].hex()}")]
    assert case.outcomes()["pcr"] == "not compared"
    assert case.outcomes(*right)["pcr"] == "passed"
    assert case.failed(*right, "--pcr", f"1={'00' * 48}") == ["pcr"]
    assert case.failed("--pcr", f"31={'00' * 48}") == ["pcr-present"]
    for wrong in ("0", "=", f"32={'00' * 48}", f"-1={'00' * 48}", f"0={'00' * 47}", f"0={'0g' * 48}", f"a={'00' * 48}"):
        case.run("--pcr", wrong, code=2)
    case.run("--pcr", f"0={'00' * 48}", "--pcr", f"00={'00' * 48}", code=2)


@pytest.mark.parametrize("option", ["--policy", "--measurements"])
def test_a_policy_is_compared_when_given(case: Case, option: str) -> None:
    good = case.file(measurements.encode([MEASUREMENT]), "good.json")
    none = case.file(measurements.encode([]), "none.json")
    shown = case.json(option, good)
    assert shown["document"]["measurement"] == {"name": "image", "version": 7}
    assert case.failed(option, none) == ["pcr"]
    case.run(option, case.file(b"{}", "bad.json"), code=2)
    case.run(option, str(case.folder / "nowhere.json"), code=2)


def test_debug_mode_is_accepted_only_by_name(case: Case) -> None:
    assert case.failed(data=DEBUG) == ["debug"]
    assert "DEBUG MODE" in case.run("--allow-debug", data=DEBUG).stdout


def test_a_revoked_certificate_is_refused(case: Case) -> None:
    leaf = case.json()["certificates"][-1]
    entry = {"issuer": leaf["issuer_der"], "serial": leaf["serial"]}
    revoked = case.file(json.dumps({"version": 1, "revoked": [entry]}).encode(), "revoked.json")
    nothing = case.file(b'{"version":1,"revoked":[]}', "nothing.json")
    assert case.failed("--revoked", revoked) == ["revoked"]
    assert case.outcomes("--revoked", nothing)["revoked"] == "passed"
    case.run("--revoked", case.file(b"[]", "bad.json"), code=2)
    case.run("--revoked", str(case.folder / "nowhere.json"), code=2)


def test_a_binding_is_demanded_when_asked_for(case: Case) -> None:
    assert case.outcomes(data=UNBOUND)["user-data"] == "not compared"
    assert case.failed("--bound", data=UNBOUND) == ["user-data"]
    found = case.outcomes("--bound")
    assert (found["public-key"], found["user-data"], found["cluster"]) == ("passed", "passed", "not compared")


# Sui's rules.


def test_profile_sui_applies_other_rules_and_says_so(case: Case) -> None:
    shown = case.json("--profile", "sui", data=DEBUG)
    assert (shown["profile"], shown["verdict"]) == ("sui", "accepted")
    assert all(check["name"].startswith("sui-") for check in shown["checks"])
    assert "profile sui" in case.run("--profile", "sui").stdout
    assert case.json("--profile", "sui", data=DOCUMENT + b"\0")["verdict"] == "accepted", "Sui ignores trailing bytes"
    assert case.json("--profile", "sui", data=b"\x84", code=1)["verdict"] == "refused"


@pytest.mark.parametrize(
    "argv",
    [
        ("--nonce", "00"),
        ("--nonce", ""),
        ("--pcr", f"0={'00' * 48}"),
        ("--policy", "policy.json"),
        ("--max-age", "0"),
        ("--allow-debug",),
        ("--revoked", "revoked.json"),
        ("--bound",),
    ],
)
def test_what_sui_does_not_compare_is_not_taken_for_it(case: Case, argv: tuple[str, ...]) -> None:
    assert argv[0] in case.run("--profile", "sui", *argv, code=2).stderr


@pytest.mark.parametrize("argv", [("--profile", "loose"), ("--as-of-document",), ("--unknown",), ("two", "files")])
def test_options_that_are_none_are_wrong(case: Case, argv: tuple[str, ...]) -> None:
    case.run(*argv, code=2)

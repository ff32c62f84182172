"""`daas attestation verify`: one document judged, every check of the verdict shown with what was expected and found."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from daas_attestation import revocation
from daas_attestation.anchor import DevelopmentAnchor, TrustAnchor
from daas_attestation.document import MAX_NONCE_BYTES, MAX_PCRS, PCR_BYTES, parse_unverified
from daas_attestation.errors import AttestationError
from daas_attestation.moment import MomentError, parse_utc_ms
from daas_attestation.sui_profile import judge_sui
from daas_attestation.verdict import Profile, Verdict
from daas_attestation.verify import BindingExpectation, Expectation, judge
from daas_gateway import receipts
from daas_gateway.store import StoreUnusable
from daas_protocol.sui import parse_address

from . import context
from .errors import ExitCode, RefusedError, UnreachableError, UnreadableError
from .home import Home
from .launch_files import NO_PACKAGE
from .output import JsonFlag, print_json, program
from .receipt_inputs import PolicyOption, RootOption, load_document
from .trust import AWS, load_anchor, load_measurements
from .verdict_text import print_verdict

MAX_AGE_MS = 300_000
"""Of a document in a file: as long as somebody needs to fetch one and type the command."""
KEPT_MAX_AGE_MS = 3 * 3600 * 1000
"""Of the instance's own document, which was fresh when the gateway challenged it: the life of its leaf certificate."""
MAX_SKEW_MS = 60_000

app = typer.Typer(help="Attestation documents of enclaves.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """A group even with one command: more will follow."""


@dataclass(frozen=True, slots=True)
class _Subject:
    """What is judged. From a file: nothing is known of it. The instance's own: nonce and ids are."""

    data: bytes
    nonce: bytes | None = None
    binding: BindingExpectation | None = None
    kept: bool = False


@app.command("verify")
def verify(
    document: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE|-]",
            help="Document (raw, hex or base64), - for standard input. Default: the running enclave's, as challenged.",
        ),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            "--at", metavar="RFC3339", help="Judge as of this instant instead of now: says nothing about now."
        ),
    ] = None,
    root: RootOption = None,
    profile: Annotated[
        Profile, typer.Option("--profile", help="Whose rules: DaaS's strict ones, or those of Sui's native function.")
    ] = Profile.STRICT,
    pcr: Annotated[
        list[str] | None,
        typer.Option("--pcr", metavar="I=HEX", help="A PCR that the document must have; any number of times."),
    ] = None,
    policy: PolicyOption = None,
    nonce: Annotated[str | None, typer.Option(metavar="HEX", help="The nonce that was asked with.")] = None,
    max_age: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="Greatest age. Default: 300 for a file, 10800 for the running enclave's, not compared with --at.",
        ),
    ] = None,
    allow_debug: Annotated[
        bool, typer.Option("--allow-debug", help="Accept debug mode, in which the enclave's memory is readable.")
    ] = False,
    revoked: Annotated[
        Path | None, typer.Option("--revoked", metavar="FILE", help="List of revoked certificates (issuer and serial).")
    ] = None,
    bound: Annotated[
        bool, typer.Option("--bound", help="Demand a receipt key and a DaaS binding; the running enclave's always has.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Judge an attestation document, check by check: structure, chain, signature, PCRs, nonce, age, binding.

    Exit 0: accepted. 1: refused, malformed documents included. 2: the file cannot be read or decoded, or an option is
    wrong. Without a file the document is judged under which this instance's gateway accepts the running enclave.
    """
    if profile is Profile.SUI:
        _refuse_strict_options(
            {
                "--pcr": pcr,
                "--policy": policy,
                "--nonce": nonce is not None,
                "--max-age": max_age is not None,
                "--allow-debug": allow_debug,
                "--revoked": revoked,
                "--bound": bound,
            }
        )
    home = context.home()
    asked_nonce, pcrs, now_ms = _nonce(nonce), _pcrs(pcr or []), _instant(at)
    listed = None if revoked is None else _revoked(revoked)
    subject = _of_instance(home) if document is None else _Subject(load_document(document))
    anchor = load_anchor(home, AWS if root is None and not subject.kept else root)
    if anchor is None:
        raise UnreadableError("no root to trust: this instance has none", "give --root aws or a PEM file")
    if profile is Profile.SUI:
        verdict = judge_sui(subject.data, anchor, now_ms)
    else:
        default_age = None if at is not None else KEPT_MAX_AGE_MS if subject.kept else MAX_AGE_MS
        expectation = Expectation(
            anchor=anchor,
            policies=load_measurements(home, policy, own=subject.kept),
            nonce=subject.nonce if asked_nonce is None else asked_nonce,
            binding=BindingExpectation() if bound and subject.binding is None else subject.binding,
            max_age_ms=default_age if max_age is None else max_age * 1000,
            max_skew_ms=MAX_SKEW_MS,
            allow_debug=allow_debug,
            pcrs=pcrs,
            revoked=listed,
        )
        verdict = judge(subject.data, expectation, now_ms)
    _report(home, subject, anchor, verdict, as_json=as_json)


def _refuse_strict_options(given: dict[str, object]) -> None:
    wrong = [name for name, value in given.items() if value]
    if wrong:
        raise UnreadableError(
            f"--profile sui does not know {', '.join(wrong)}: Sui's native function compares no such thing",
            "leave it out, or take the strict profile",
        )


def _nonce(text: str | None) -> bytes | None:
    if text is None:
        return None
    value = _hex(text)
    if value is None or len(value) > MAX_NONCE_BYTES:
        raise UnreadableError(f"--nonce is not hex of at most {MAX_NONCE_BYTES} bytes", "give pairs of hex digits")
    return value


def _pcrs(texts: list[str]) -> dict[int, bytes]:
    pcrs: dict[int, bytes] = {}
    for text in texts:
        name, _, digits = text.partition("=")
        value = _hex(digits)
        known = name.isascii() and name.isdecimal() and len(name) <= 2 and int(name) < MAX_PCRS
        if not known or value is None or len(value) != PCR_BYTES:
            raise UnreadableError(
                f"--pcr {text[:40]} is not INDEX=HEX", f"give 0..{MAX_PCRS - 1}, = and {2 * PCR_BYTES} hex digits"
            )
        if int(name) in pcrs:
            raise UnreadableError(f"--pcr {int(name)} is given twice", "give each PCR once")
        pcrs[int(name)] = value
    return pcrs


def _hex(text: str) -> bytes | None:
    # bytes.fromhex would also take spaces, which are more likely a slip of the shell than meant.
    if not text.isascii() or not text.isalnum():
        return None if text else b""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return None


def _instant(at: str | None) -> int:
    if at is None:
        return time.time_ns() // 1_000_000
    try:
        return parse_utc_ms(at)
    except MomentError as problem:
        raise UnreadableError(f"--at: {problem}", "give an instant with its offset, as 2025-12-25T13:15:37Z") from None


def _revoked(path: Path) -> revocation.Revoked:
    try:
        return revocation.load(path)
    except (OSError, revocation.RevocationListError) as problem:
        raise UnreadableError(f"{path}: {problem}", "see docs/attestation.md for the revocation list") from None


def _of_instance(home: Home) -> _Subject:
    verdict = context.client(home).view().attestation
    if not verdict:
        raise UnreachableError("the gateway has attested no enclave", f"see `{program()} status`")
    try:
        kept = receipts.get_attestation(
            home.receipts, bytes.fromhex(str(verdict["boot_id"])), bytes.fromhex(str(verdict["public_key"]))
        )
    except (StoreUnusable, OSError, KeyError, ValueError) as problem:
        raise UnreadableError(
            f"the kept document cannot be read: {problem}", f"see `{program()} logs gateway`"
        ) from None
    if kept is None:
        raise UnreachableError("the gateway has not kept the document yet", "try again in a second")
    known = context.existing(home)
    binding = BindingExpectation(
        parse_address(NO_PACKAGE), parse_address(known.cluster_id), parse_address(known.enclave_id)
    )
    return _Subject(kept.document, kept.nonce, binding, kept=True)


def _report(home: Home, subject: _Subject, anchor: TrustAnchor, verdict: Verdict, *, as_json: bool) -> None:
    if as_json:
        print_json(verdict.to_json())
    else:
        print_verdict(verdict)
    if verdict.accepted:
        return
    if as_json:
        raise typer.Exit(int(ExitCode.REFUSED))
    raise RefusedError(f"refused: {verdict.failure}", _next_step(home, subject, anchor))


def _next_step(home: Home, subject: _Subject, anchor: TrustAnchor) -> str:
    """The one mistake that can be recognised: this instance's own document, judged under another root."""
    development = load_anchor(home, None)
    if development is not None and development.root_sha256 != anchor.root_sha256 and _begins_at(subject, development):
        return f"it is of this instance's development root: give --root {home.development_ca / 'root.pem'}"
    return "compare --root, --policy, --pcr, --nonce and --at with what you expect"


def _begins_at(subject: _Subject, anchor: TrustAnchor) -> bool:
    try:
        root = parse_unverified(subject.data).cabundle[0]
    except AttestationError:
        return False
    return DevelopmentAnchor(root).root_sha256 == anchor.root_sha256

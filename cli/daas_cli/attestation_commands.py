"""`daas attestation verify`: one document judged by the strict verifier, its checks shown one by one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from daas_attestation.document import parse_unverified
from daas_attestation.errors import AttestationError
from daas_attestation.verify import BindingExpectation, Expectation, VerifiedDocument, verify_document
from daas_gateway import receipts
from daas_gateway.store import StoreUnusable
from daas_protocol.sui import parse_address

from . import context
from .errors import ExitCode, RefusedError, UnreachableError, UnreadableError
from .home import Home
from .launch_files import NO_PACKAGE
from .output import JsonFlag, print_json, program, stdout
from .trust import MeasurementsOption, RootOption, anchor_text, load_anchor, load_measurements, read_file

MAX_AGE_MS = 3 * 3600 * 1000
"""Without a nonce a document is no fresher than its leaf certificate, which lives three hours."""
MAX_SKEW_MS = 60_000

app = typer.Typer(help="Attestation documents of enclaves.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """A group even with one command: more will follow."""


@app.command("verify")
def verify(
    document: Annotated[
        Path | None,
        typer.Argument(
            help="COSE_Sign1 document, or - for standard input. Default: the running enclave's, as challenged."
        ),
    ] = None,
    root: RootOption = None,
    measured: MeasurementsOption = None,
    nonce: Annotated[str | None, typer.Option(help="The nonce that was asked with, in hex.")] = None,
    as_of_document: Annotated[
        bool, typer.Option("--as-of-document", help="Judge an old document at its own time: says nothing about now.")
    ] = False,
    bound: Annotated[
        bool, typer.Option("--bound/--unbound", help="Demand a DaaS binding (cluster, enclave, TLS key) in it.")
    ] = True,
    as_json: JsonFlag = False,
) -> None:
    """Judge an attestation document: signature, chain, validity, PCRs, nonce, age and binding.

    Without a document the one is judged under which this instance's gateway accepts the running enclave, with the
    nonce that the gateway asked with.
    """
    home = context.home()
    binding = BindingExpectation() if bound else None
    if document is None:
        data, asked = _of_instance(home)
        known = context.existing(home)
        binding = BindingExpectation(
            parse_address(NO_PACKAGE), parse_address(known.cluster_id), parse_address(known.enclave_id)
        )
    else:
        data, asked = read_file(document), None
    try:
        expected_nonce = asked if nonce is None else bytes.fromhex(nonce)
    except ValueError:
        raise UnreadableError("--nonce is not hex", "give pairs of hex digits") from None
    anchor = load_anchor(home, root)
    if anchor is None:
        raise UnreadableError("no root to trust: this instance has none", "give --root aws or a PEM file")
    accepted = load_measurements(home, measured)
    expectation = Expectation(anchor, accepted, expected_nonce, binding, MAX_AGE_MS, MAX_SKEW_MS)
    try:
        now = parse_unverified(data).timestamp_ms if as_of_document else time.time_ns() // 1_000_000
        result = verify_document(data, expectation, now)
    except AttestationError as problem:
        if as_json:
            print_json(
                {"verdict": "refused", "check": problem.check, "expected": problem.expected, "actual": problem.actual}
            )
            raise typer.Exit(int(ExitCode.REFUSED)) from None
        raise RefusedError(
            f"refused: {problem}", "compare --root, --measurements and --nonce with what you expect"
        ) from None
    unchecked = [name for name, value in (("pcr", accepted), ("nonce", expected_nonce)) if value is None]
    _report(result, unchecked, as_json=as_json)


def _of_instance(home: Home) -> tuple[bytes, bytes]:
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
    return kept.document, kept.nonce


def _report(result: VerifiedDocument, unchecked: list[str], *, as_json: bool) -> None:
    pcrs = {str(index): value.hex() for index, value in sorted(result.pcrs.items())}
    if as_json:
        print_json(
            {
                "verdict": "accepted",
                "anchor": result.anchor_kind,
                "module_id": result.module_id,
                "time_ms": result.timestamp_ms,
                "measurement": None if result.measurement is None else result.measurement.name,
                "public_key": None if result.public_key is None else result.public_key.hex(),
                "pcrs": pcrs,
                "checks": [{"name": check.name, "detail": check.detail} for check in result.checks],
                "not_checked": unchecked,
            }
        )
        return
    for check in result.checks:
        stdout().print(f"[green]passed[/]       {check.name:<12} {escape(check.detail)}")
    for name in unchecked:
        stdout().print(f"[yellow]not checked[/]  {name:<12} nothing to compare with was given")
    for index, value in pcrs.items():
        if set(value) != {"0"}:
            stdout().print(f"PCR{index:<9} {value}")
    stdout().print(f"[bold]accepted[/]; trust anchor: {anchor_text(result.anchor_kind)}")

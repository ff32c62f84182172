"""`daas receipt compare`: whether two signed statements contradict each other, and the evidence if they do. Offline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from daas_attestation.errors import AttestationError
from daas_gateway import receipts
from daas_protocol.evidence import Evidence, make_evidence
from daas_protocol.log_proof import LogProof
from daas_protocol.statement import Contradiction, Relation, Statement, read_statement
from daas_protocol.sui import format_address

from . import context
from .errors import ExitCode, RefusedError, UnreadableError
from .home import Home
from .output import JsonFlag, print_json, program, stdout
from .receipt_inputs import (
    AttestationOption,
    KeyOption,
    PolicyOption,
    RootOption,
    Subject,
    is_checkpoint,
    key_of,
    load_document,
    load_key,
    load_proof,
    load_subject,
    read_text,
    write_evidence,
)
from .trust import anchor_text, load_measurements


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("compare")(compare)


@dataclass(frozen=True, slots=True)
class _Judge:
    """Where the key of a comparison may come from, and whom to trust for it."""

    home: Home
    key: bytes | None
    document: bytes | None
    root: str | None
    policy: Path | None

    def key_for(self, subject: Subject, statement: Statement) -> tuple[bytes, str | None] | None:
        """The key that one statement is attested under, and the kind of anchor. Raises RefusedError."""
        document = subject.bundle.document
        anchor = None if document is None else subject.anchor(self.home, self.root, self.key)
        if document is None or anchor is None:
            return None
        try:
            found = receipts.verify_at_its_time(
                document, anchor, load_measurements(self.home, self.policy, own=subject.kept), subject.bundle.nonce
            )
        except AttestationError as problem:
            raise RefusedError(f"the attestation is refused: {problem}", "compare --root and --policy") from None
        binding = found.binding
        assert binding is not None
        assert found.public_key is not None
        if (binding.enclave_id, binding.boot_id) != (statement.enclave_id, statement.boot_id):
            raise RefusedError(
                f"the attestation is of boot {binding.boot_id.hex()}, not {statement.boot_id.hex()}",
                "give the document of the same boot",
            )
        return found.public_key, found.anchor_kind

    def agreed(self, sides: tuple[tuple[Subject, Statement], ...]) -> tuple[bytes, str | None]:
        """The one key of both. Raises RefusedError, UnreadableError."""
        attested = [found for subject, statement in sides if (found := self.key_for(subject, statement)) is not None]
        keys = {found for found, _ in attested} | ({self.key} if self.key is not None else set())
        if not keys:
            raise UnreadableError("no key: nothing says who signed these", "give --attestation or --key")
        if len(keys) > 1:
            raise RefusedError("not one key: " + ", ".join(sorted(key.hex() for key in keys)), "nothing is proven")
        return keys.pop(), attested[0][1] if attested else None


def compare(
    first: Annotated[
        str,
        typer.Argument(
            metavar="A", help="Kept receipt (ID), bundle, RECEIPT, tree head or checkpoint; alone: an evidence file."
        ),
    ],
    second: Annotated[str | None, typer.Argument(metavar="B", help="The other.")] = None,
    proof: Annotated[
        Path | None, typer.Option(help="Inclusion or consistency proof about the smaller under the root of the larger.")
    ] = None,
    attestation: AttestationOption = None,
    key: KeyOption = None,
    root: RootOption = None,
    policy: PolicyOption = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where evidence is written. Default: a new file in this folder."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Say whether two signed statements of one boot contradict each other, and write the evidence if they do.

    Exit 0: no contradiction. 1: one is proven, or a file is malformed, or a signature or proof does not hold. The same
    content signed twice is no contradiction; statements of different boots never are one.
    """
    home = context.home()
    document = None if attestation is None else load_document(attestation)
    judge = _Judge(home, load_key(key), document, root, policy)
    if second is None:
        _judge_evidence(judge, first, as_json=as_json)
        return
    sides = _sides(judge, first, second)
    (_, one), (_, other) = sides
    shown = None if proof is None else load_proof(proof)
    if (one.enclave_id, one.boot_id) == (other.enclave_id, other.boot_id):
        public_key, anchor = judge.agreed(sides)
        found = _compared(one, other, public_key, shown)
    else:
        public_key, anchor, found = b"", None, Relation.OTHER_LOG
    written = None
    if isinstance(found, Evidence):
        written = write_evidence(found, output)
    _report_comparison(found, (one, other), public_key, anchor, written, as_json=as_json)
    if isinstance(found, Evidence):
        raise typer.Exit(int(ExitCode.REFUSED))


def _sides(judge: _Judge, first: str, second: str) -> tuple[tuple[Subject, Statement], tuple[Subject, Statement]]:
    if not is_checkpoint(first):
        one = _side(judge, first, judge.key)
        return one, _side(judge, second, judge.key or key_of(one[0].bundle.document))
    # Which of its signatures is meant, the other side may say.
    other = _side(judge, second, judge.key)
    return _side(judge, first, judge.key or key_of(other[0].bundle.document)), other


def _side(judge: _Judge, name: str, key: bytes | None) -> tuple[Subject, Statement]:
    subject = load_subject(judge.home, name, judge.document, key)
    try:
        return subject, read_statement(subject.message(name))
    except ValueError as problem:
        raise RefusedError(f"{name}: {problem}", "give a receipt or a signed tree head") from None


def _compared(one: Statement, other: Statement, key: bytes, proof: LogProof | None) -> Evidence | Relation:
    try:
        return make_evidence(one, other, key, proof)
    except ValueError as problem:
        raise RefusedError(f"nothing is proven: {problem}", "give the files of one boot, and its key") from None


def _judge_evidence(judge: _Judge, name: str, *, as_json: bool) -> None:
    """An evidence file by itself: the contradiction stands (exit 1, as for a new one), or the file is refused."""
    text = read_text(Path(name))
    try:
        evidence = Evidence.from_text(text)
        one, other = read_statement(evidence.first), read_statement(evidence.second)
    except ValueError as problem:
        raise RefusedError(f"{name} is no evidence: {problem}", "to compare two receipts name both") from None
    subject = Subject(receipts.Bundle(evidence.first.encode(), document=judge.document), kept=False, asked=True)
    public_key, anchor = judge.agreed(((subject, one),))
    try:
        evidence.judge(public_key)
    except ValueError as problem:
        raise RefusedError(f"nothing is proven: {problem}", "give the key of that boot") from None
    _report_comparison(evidence, (one, other), public_key, anchor, None, as_json=as_json)
    raise typer.Exit(int(ExitCode.REFUSED))


_EXPLAINED = {
    Contradiction.EQUIVOCATION: "two receipts with one sequence and different content",
    Contradiction.LEAF: "a receipt, and a signed root under which another leaf stands at its sequence",
    Contradiction.ROOT: "two roots for one size of one log",
}


def _report_comparison(
    found: Evidence | Relation,
    statements: tuple[Statement, Statement],
    public_key: bytes,
    anchor: str | None,
    written: Path | None,
    *,
    as_json: bool,
) -> None:
    proven = isinstance(found, Evidence)
    kind = found.kind.name if isinstance(found, Evidence) else found.name
    detail = _EXPLAINED[found.kind] if isinstance(found, Evidence) else found.value
    if as_json:
        print_json(
            {
                "verdict": "contradiction" if proven else "no contradiction",
                "kind": kind,
                "detail": detail,
                "anchor": anchor,
                "receipt_key": public_key.hex() or None,
                "statements": [_statement(item) for item in statements],
                "evidence": None if written is None else str(written),
            }
        )
        return
    for item in statements:
        values = _statement(item)
        stdout().print(f"{values['name']:<24} boot {values['boot_id']}, root {values['root']}, leaf {values['leaf']}")
    if public_key:
        said = anchor_text(anchor) if anchor else "none: the key was taken at its word"
        stdout().print(f"both signed by {public_key.hex()}; trust anchor: {said}")
    colour = "red" if proven else "green"
    stdout().print(f"[bold {colour}]{'contradiction' if proven else 'no contradiction'}[/]: {kind}: {escape(detail)}")
    if written is not None:
        stdout().print(
            f"evidence: {escape(str(written))}; to judge it: {program()} receipt compare {escape(str(written))}"
        )


def _statement(item: Statement) -> dict[str, Any]:
    return {
        "name": item.name,
        "enclave_id": format_address(item.enclave_id),
        "boot_id": item.boot_id.hex(),
        "size": item.size,
        "root": item.root.hex(),
        "leaf": None if item.leaf is None else item.leaf.hex(),
        "time_ms": item.message.timestamp_ms,
    }

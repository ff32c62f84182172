"""`daas slash`: evidence given to the contract, which takes the stake of who contradicted himself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daas_protocol.evidence import Evidence
from daas_protocol.statement import read_statement

from .chain_options import DEFAULT_GAS, Asked, CaOption, GasOption, KeyOption, NetworkOption, id_text, sui_text
from .errors import RefusedError
from .output import JsonFlag, print_json, program, stdout
from .receipt_inputs import load_proof, read_text

if TYPE_CHECKING:
    from daas_chain.accusation import Plan

    from .chain_access import Deployed, Sent

app = typer.Typer(
    help="What proved misbehaviour costs: an enclave's operator loses stake, who reports it gets a share.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


@app.callback()
def _group() -> None:
    """A group even with one command."""


@app.command("submit")
def submit(
    evidence: Annotated[
        Path, typer.Argument(metavar="EVIDENCE", help="File that `daas receipt compare` or `receipt evidence` wrote.")
    ],
    proof: Annotated[
        list[Path] | None,
        typer.Option(
            "--proof",
            metavar="FILE",
            help="More about the log, where the evidence does not reach the anchored tree head; may be repeated.",
        ),
    ] = None,
    network: NetworkOption = None,
    ca: CaOption = None,
    key: KeyOption = None,
    gas: GasOption = DEFAULT_GAS,
    as_json: JsonFlag = False,
) -> None:
    """Report a contradiction of one boot to the contract.

    The evidence is judged here first, under the receipt key that the chain has recorded for that boot, and nothing is
    sent unless it holds. A tree head that the contract has not yet is anchored in the same transaction.
    """
    text = read_text(evidence)
    try:
        found = Evidence.from_text(text)
        side = read_statement(found.first)
    except ValueError as problem:
        raise RefusedError(
            f"{evidence} is no evidence: {problem}", f"`{program()} receipt compare A B` writes such files"
        ) from None
    proofs = [load_proof(one) for one in proof or ()]
    asked = Asked.of(network, ca, key, gas, as_json)
    from daas_chain.accusation import AccusationError, ProofMissingError, plan
    from daas_chain.notices import BootSlashedEvent
    from daas_chain.type_tags import UnknownEventType, decode_event

    from . import chain_access, chain_reads

    async def body(chain: Deployed) -> tuple[Sent, Plan, int]:
        slot = await chain_reads.enclave(chain, side.enclave_id)
        record = await chain_reads.boot(chain, slot, side.boot_id)
        try:
            chosen = plan(found, record, proofs)
        except ProofMissingError as problem:
            raise RefusedError(
                f"the contract cannot see the contradiction yet: {problem}",
                f"get the proof from the host: `{program()} receipt proof`, and give it with --proof",
            ) from None
        except AccusationError as problem:
            raise RefusedError(f"the contract would refuse this: {problem}", "") from None
        except ValueError as problem:
            raise RefusedError(
                f"nothing is proven under the boot's key on chain: {problem}",
                f"judge it again: `{program()} receipt compare {evidence} --key {record.public_key.hex()}`",
            ) from None
        sent = await chain.send(
            f"report {found.kind.name.lower()}",
            lambda commands: chosen.fill(chain.contract, commands, chain.slot(side.enclave_id)),
        )
        slashed = 0
        for one in sent.executed.events:
            try:
                event = decode_event(str(one.type), one.contents, {chain.record.original})
            except UnknownEventType:
                continue
            if isinstance(event, BootSlashedEvent):
                slashed = event.slashed
        return sent, chosen, slashed

    sent, chosen, slashed = chain_access.run_deployed(asked, body)
    if as_json:
        print_json(
            {
                "kind": found.kind.name,
                "enclave": id_text(side.enclave_id),
                "boot_id": side.boot_id.hex(),
                "report": type(chosen.report).__name__,
                "anchored": chosen.anchoring is not None,
                "slashed_mist": slashed,
            }
            | sent.to_json()
        )
        return
    stdout().print(f"{found.kind.name} of boot {side.boot_id.hex()}: the operator lost {sui_text(slashed)}")
    if not slashed:
        stdout().print("[yellow]there was no stake left to take[/]; the evidence is not used up")
    chain_access.print_sent((sent,))

"""`daas request`: what was asked through the chain, how it ended, and whether that is what this machine was told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from daas_attestation.moment import utc_text

from . import context, request_text
from .chain_options import (
    DEFAULT_GAS,
    REQUEST_ID_BYTES,
    Asked,
    CaOption,
    GasOption,
    KeyOption,
    NetworkOption,
    duration_text,
    hex_bytes,
    id_text,
    object_id,
    sui_text,
)
from .errors import ExitCode, RefusedError
from .output import JsonFlag, print_json, program, stdout

if TYPE_CHECKING:
    from .chain_access import Deployed, Sent
    from .chain_reads import Request
    from .home import Home
    from .request_compare import Comparison

app = typer.Typer(
    help="Requests that went through the contract: pending, settled or expired. A settled one shows status and digest "
    "of the answer; `daas receipt` has the signed answer itself.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
IdArgument = Annotated[str, typer.Argument(metavar="REQUEST", help="Request id: 32 hex digits.")]
RequesterOption = Annotated[
    str | None, typer.Option("--requester", metavar="ADDRESS", help="Whose request. Default: the address of your key.")
]
EnclaveOption = Annotated[
    str | None, typer.Option("--enclave", metavar="ID", help="The slot it was sent to. Default: the deployment's.")
]


@app.command("list")
def list_(
    all_: Annotated[bool, typer.Option("--all", help="Everybody's, not only yours.")] = False,
    requester: RequesterOption = None,
    enclave: EnclaveOption = None,
    network: NetworkOption = None,
    ca: CaOption = None,
    key: KeyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """List the records in a slot's mailbox, in the order of submission. Ended ones are there until they are pruned."""
    of = None if requester is None else object_id(requester, "--requester")
    slot_id = None if enclave is None else object_id(enclave, "--enclave")
    from . import chain_access, chain_reads

    async def body(chain: Deployed) -> tuple[list[Request], int]:
        slot = await chain_reads.enclave(chain, chain.slot(slot_id).enclave)
        wanted = None if all_ else of or chain.address
        return await chain_reads.requests(chain, slot, wanted), await chain.now_ms()

    found, now_ms = chain_access.run_deployed(Asked.of(network, ca, key, quiet=as_json), body)
    if as_json:
        print_json({"requests": [request_text.row(one, now_ms) for one in found], "chain_time_ms": now_ms})
        return
    out = stdout()
    for one in found:
        row = request_text.row(one, now_ms)
        whose = f" of {row['requester']}" if all_ else ""
        out.print(f"{row['seq']:>6} {row['request_id']} {request_text.state_text(row, now_ms)}{whose}")
    if not found:
        out.print("no requests" if all_ else "no requests of yours; --all shows everybody's")


@app.command("get")
def get(
    request: IdArgument,
    requester: RequesterOption = None,
    enclave: EnclaveOption = None,
    network: NetworkOption = None,
    ca: CaOption = None,
    key: KeyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Show one request: what was asked, its fee, how it ended, and the receipt that is kept of it here.

    Exit 1 when the chain says something else than the kept receipt.
    """
    request_id = hex_bytes(request, REQUEST_ID_BYTES, "REQUEST")
    of = None if requester is None else object_id(requester, "--requester")
    slot_id = None if enclave is None else object_id(enclave, "--enclave")
    from daas_chain.values import RequestKey

    from . import chain_access, chain_reads

    async def body(chain: Deployed) -> tuple[Request, int, dict[str, Any]]:
        slot = await chain_reads.enclave(chain, chain.slot(slot_id).enclave)
        found = await chain_reads.request(chain, slot, RequestKey(of or chain.address, request_id))
        return found, await chain.now_ms(), await request_text.told(chain, found)

    found, now_ms, told = chain_access.run_deployed(Asked.of(network, ca, key, quiet=as_json), body)
    row = request_text.row(found, now_ms) | told
    kept = _kept(context.home(), found)
    different = [one for one in kept if one.differences]
    if as_json:
        print_json(row | {"chain_time_ms": now_ms, "receipts": [request_text.comparison_json(one) for one in kept]})
    else:
        request_text.print_request(row, now_ms)
        for one in kept:
            request_text.print_comparison(one)
    if not different:
        return
    if as_json:
        raise typer.Exit(int(ExitCode.REFUSED))
    raise RefusedError(
        f"receipt {different[0].receipt} and the chain say different things of this request",
        f"keep it: `{program()} receipt export {different[0].receipt}`; two receipts of one boot and sequence are "
        f"evidence (`{program()} receipt compare`)",
    )


@app.command("expire")
def expire(
    request: IdArgument,
    requester: RequesterOption = None,
    enclave: EnclaveOption = None,
    network: NetworkOption = None,
    ca: CaOption = None,
    key: KeyOption = None,
    gas: GasOption = DEFAULT_GAS,
    as_json: JsonFlag = False,
) -> None:
    """End a request that nobody has answered in time: its fee goes back, and the operator pays for it.

    Anyone may, from deadline and grace on; who does gets the reporter's share of what the operator loses.
    """
    request_id = hex_bytes(request, REQUEST_ID_BYTES, "REQUEST")
    of = None if requester is None else object_id(requester, "--requester")
    slot_id = None if enclave is None else object_id(enclave, "--enclave")
    asked = Asked.of(network, ca, key, gas, as_json)
    from daas_chain.calls import requests
    from daas_chain.events_mailbox import RequestExpired
    from daas_chain.records import Pending
    from daas_chain.values import RequestKey

    from . import chain_access, chain_reads

    async def body(chain: Deployed) -> tuple[Sent, RequestExpired]:
        slot = chain.slot(slot_id)
        who = of or chain.address
        held = await chain_reads.enclave(chain, slot.enclave)
        found = await chain_reads.request(chain, held, RequestKey(who, request_id))
        if not isinstance(found.state, Pending):
            raise RefusedError("the request has ended already", f"see `{program()} request get {request_id.hex()}`")
        left = found.state.closes_at_ms - await chain.now_ms()
        if left > 0:
            raise RefusedError(
                f"the request can still be answered until {utc_text(found.state.closes_at_ms)}",
                f"come back in {duration_text(left)}",
            )
        sent = await chain.send(
            "expire the request",
            lambda commands: requests.expire(chain.contract, commands, slot, who, request_id),
        )
        events = request_text.events(sent.executed.events, chain.record.original)
        return sent, next(one for one in events if isinstance(one, RequestExpired))

    sent, event = chain_access.run_deployed(asked, body)
    if as_json:
        print_json(
            {
                "request_id": request_id.hex(),
                "requester": id_text(event.requester),
                "seq": event.mailbox_seq,
                "refunded_mist": event.refunded,
                "slashed_mist": event.slashed,
            }
            | sent.to_json()
        )
        return
    stdout().print(
        f"request {request_id.hex()} has expired: {sui_text(event.refunded)} went back to {id_text(event.requester)}, "
        f"the operator lost {sui_text(event.slashed)}"
    )
    chain_access.print_sent((sent,))


def _kept(home: Home, found: Request) -> list[Comparison]:
    from daas_chain.values import OutcomeSettled
    from daas_gateway import receipts

    from .receipt_inputs import store_errors
    from .request_compare import compare

    if not isinstance(found.state, OutcomeSettled) or not home.receipts.is_file():
        return []
    settled = found.state.pos0
    with store_errors(home):
        stored = receipts.of_request(home.receipts, settled.request_digest)
    made = [compare(one.id, one.receipt, settled) for one in stored]
    return [one for one in made if one is not None]

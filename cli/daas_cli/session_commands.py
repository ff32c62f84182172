"""`daas session`: every session of an address ended at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from .chain_options import DEFAULT_GAS, Asked, CaOption, GasOption, KeyOption, NetworkOption, id_text
from .output import JsonFlag, print_json, stdout

if TYPE_CHECKING:
    from .chain_access import Deployed, Sent

app = typer.Typer(
    help="Sessions: what the gateway signs with, for a day at most, in the name of your key.", no_args_is_help=True
)


@app.callback()
def _group() -> None:
    """A group even with one command."""


@app.command("end")
def end(
    network: NetworkOption = None,
    ca: CaOption = None,
    key: KeyOption = None,
    gas: GasOption = DEFAULT_GAS,
    as_json: JsonFlag = False,
) -> None:
    """End every session of your address, for example when a session key may be in other hands.

    The gateway signs a new one at its next start. Tokens stay as they are: `daas token revoke` takes one back.
    """
    asked = Asked.of(network, ca, key, gas, as_json)
    from daas_chain.calls import clusters
    from daas_chain.events_access import SessionsEnded
    from daas_chain.heads import Event
    from daas_chain.type_tags import UnknownEventType, decode_event

    from . import chain_access, chain_reads

    async def body(chain: Deployed) -> tuple[Sent, bytes, int | None]:
        token = await chain_reads.own_token(chain)
        sent = await chain.send(
            "end all sessions",
            lambda commands: clusters.end_sessions(chain.contract, commands, chain.record.cluster, token),
        )
        epoch = None
        for one in sent.executed.events:
            try:
                event = decode_event(str(one.type), one.contents, {chain.record.original})
            except UnknownEventType:
                continue
            if isinstance(event, Event) and isinstance(event.body, SessionsEnded):
                epoch = event.body.session_epoch
        return sent, chain.address, epoch

    sent, address, epoch = chain_access.run_deployed(asked, body)
    if as_json:
        print_json({"owner": id_text(address), "session_epoch": epoch} | sent.to_json())
        return
    stdout().print(f"all sessions of {id_text(address)} have ended; those from epoch {epoch} on count")
    chain_access.print_sent((sent,))

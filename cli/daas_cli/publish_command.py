"""`daas move publish`: the compiled package put on a network, its UpgradeCap under Governance's timelock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from . import context
from .chain_options import Asked, CaOption, KeyOption, duration_ms, id_text, sui_amount
from .errors import UnreadableError
from .output import JsonFlag, print_json, program, stdout

if TYPE_CHECKING:
    from .chain_access import Chain
    from .chain_setup import Publishing


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("publish")(publish)


def publish(
    network: Annotated[
        str | None, typer.Option("--network", metavar="URL", help="A Sui node: http://HOST:PORT or https://HOST.")
    ] = None,
    timelock: Annotated[
        str | None,
        typer.Option(
            "--timelock",
            metavar="DURATION",
            help="Before upgrades of the package, 1s to 90d; it can only become longer. Default: a day.",
        ),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Publish another package though one is known here.")] = False,
    ca: CaOption = None,
    key: KeyOption = None,
    gas: Annotated[
        str, typer.Option("--max-gas", metavar="SUI", help="Send nothing whose gas budget would be above this.")
    ] = "10",
    as_json: JsonFlag = False,
) -> None:
    """Publish the compiled package with your key, and give its UpgradeCap to the package's Governance.

    Two transactions. If the second fails, run the command again: it goes on where it ended. GovernanceCap and
    UpgradeVetoCap stay with the key. The ids are kept in $DAAS_HOME/published.json for `daas cluster create`.
    """
    if network is None:
        raise UnreadableError("on which network?", "name a node with --network URL")
    wait_ms = None if timelock is None else duration_ms(timelock, "--timelock")
    asked = Asked.of(network, ca, key, quiet=as_json)
    ceiling = sui_amount(gas, "--max-gas")
    from daas_chain.sui import base58

    from . import chain_access, chain_setup

    async def body(chain: Chain) -> Publishing:
        return await chain_setup.publish(chain, ceiling, wait_ms, again)

    done = chain_access.run(asked, network, None, body)
    made = done.published
    path = context.home().published
    if as_json:
        print_json(
            {
                "package": id_text(made.package),
                "original": id_text(made.original),
                "governance": id_text(made.governance),
                "network": made.network,
                "chain_id": base58.encode(made.chain_id),
                "record": str(path),
                "transactions": [one.to_json() for one in done.sent],
            }
        )
        return
    out = stdout()
    out.print(f"package    {id_text(made.package)}")
    out.print(f"governance {id_text(made.governance)} [dim](holds the UpgradeCap)[/]")
    out.print(f"network    {escape(made.network)}, chain {base58.encode(made.chain_id)}")
    out.print(f"[dim]record: {escape(str(path))}; next: {program()} cluster create[/]")
    chain_access.print_sent(done.sent)

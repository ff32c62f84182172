"""`daas cluster operator | anchor | parameters`: what of a cluster changes beside its policy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .chain_options import (
    DEFAULT_GAS,
    Asked,
    CaOption,
    GasOption,
    KeyOption,
    NetworkOption,
    hex_bytes,
    id_text,
    object_id,
)
from .cluster_files import load_parameters
from .output import JsonFlag, print_json, stdout
from .policy_text import narrow, newest_proposal, report_proposed

if TYPE_CHECKING:
    from .chain_access import Deployed, Sent

operator = typer.Typer(help="Addresses that may make enclave slots.", no_args_is_help=True)
anchor = typer.Typer(
    help="Committees that light clients may begin with: SHA-256 of bcs(epoch, committee).", no_args_is_help=True
)
parameters = typer.Typer(help="Deadlines, fees, stakes and shares of the cluster.", no_args_is_help=True)
AddressArgument = Annotated[str, typer.Argument(metavar="ADDRESS", help="0x and 64 hex digits.")]
AnchorArgument = Annotated[
    str | None, typer.Argument(metavar="ANCHOR", help="64 hex digits. Default: the network's committee now.")
]


@operator.command("admit")
def admit(
    address: AddressArgument,
    network: NetworkOption = None,
    ca: CaOption = None,
    key: KeyOption = None,
    gas: GasOption = DEFAULT_GAS,
    as_json: JsonFlag = False,
) -> None:
    """Let an address make slots and register enclaves in them."""
    _admission(address, True, Asked.of(network, ca, key, gas, as_json))


@operator.command("withdraw")
def withdraw(
    address: AddressArgument,
    network: NetworkOption = None,
    ca: CaOption = None,
    key: KeyOption = None,
    gas: GasOption = DEFAULT_GAS,
    as_json: JsonFlag = False,
) -> None:
    """Let an address make no more slots; those that it has stay."""
    _admission(address, False, Asked.of(network, ca, key, gas, as_json))


def _admission(address: str, admitted: bool, asked: Asked) -> None:
    who = object_id(address, "ADDRESS")
    from daas_chain.calls import clusters

    from . import chain_access

    async def body(chain: Deployed) -> Sent:
        by = await chain.admin()
        step = f"{'admit' if admitted else 'withdraw'} operator"
        return await chain.send(
            step, lambda commands: clusters.admit_operator(chain.contract, commands, by, who, admitted)
        )

    sent = chain_access.run_deployed(asked, body)
    if asked.quiet:
        print_json({"operator": id_text(who), "admitted": admitted} | sent.to_json())
        return
    stdout().print(f"{id_text(who)} {'may make slots' if admitted else 'makes no more slots'}")
    chain_access.print_sent((sent,))


@anchor.command("propose")
def anchor_propose(
    anchor: AnchorArgument = None,
    network: NetworkOption = None,
    ca: CaOption = None,
    key: KeyOption = None,
    gas: GasOption = DEFAULT_GAS,
    as_json: JsonFlag = False,
) -> None:
    """Propose a committee that light clients may begin with; `daas cluster policy activate` ends the timelock."""
    given = None if anchor is None else hex_bytes(anchor, 32, "ANCHOR")
    asked = Asked.of(network, ca, key, gas, as_json)
    from daas_chain.calls import clusters

    from . import chain_access, chain_setup

    async def body(chain: Deployed) -> tuple[Sent, int, int]:
        by = await chain.admin()
        wanted = given or await chain_setup.committee_anchor(chain.network)
        sent = await chain.send(
            "propose an anchor", lambda commands: clusters.propose_anchor(chain.contract, commands, by, wanted)
        )
        return (sent, *await newest_proposal(chain))

    report_proposed(*chain_access.run_deployed(asked, body), as_json=as_json)


@anchor.command("retire")
def anchor_retire(
    anchor: Annotated[str, typer.Argument(metavar="ANCHOR", help="64 hex digits.")],
    network: NetworkOption = None,
    ca: CaOption = None,
    key: KeyOption = None,
    gas: GasOption = DEFAULT_GAS,
    as_json: JsonFlag = False,
) -> None:
    """Accept an anchor no longer, at once; the last one stays."""
    given = hex_bytes(anchor, 32, "ANCHOR")
    from daas_chain.calls import clusters

    narrow(
        Asked.of(network, ca, key, gas, as_json),
        "retire an anchor",
        lambda contract, commands, by: clusters.retire_anchor(contract, commands, by, given),
        {"anchor": given.hex()},
    )


@parameters.command("propose")
def parameters_propose(
    file: Annotated[Path, typer.Argument(metavar="FILE", help='JSON {"version": 1, FIELD: NUMBER, ...}.')],
    network: NetworkOption = None,
    ca: CaOption = None,
    key: KeyOption = None,
    gas: GasOption = DEFAULT_GAS,
    as_json: JsonFlag = False,
) -> None:
    """Propose other parameters; fields that the file does not name stay as they are."""
    changes = load_parameters(file)
    asked = Asked.of(network, ca, key, gas, as_json)
    from daas_chain.calls import clusters

    from . import chain_access, chain_reads

    async def body(chain: Deployed) -> tuple[Sent, int, int]:
        by = await chain.admin()
        wanted = replace((await chain_reads.cluster(chain)).params, **changes)
        sent = await chain.send(
            "propose parameters", lambda commands: clusters.propose_parameters(chain.contract, commands, by, wanted)
        )
        return (sent, *await newest_proposal(chain))

    report_proposed(*chain_access.run_deployed(asked, body), as_json=as_json)

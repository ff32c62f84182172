"""`daas cluster`: a cluster made on a network or taken up from it, shown, and opened to operators."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.markup import escape

from daas_attestation import measurements
from daas_attestation.measurements import Measurement, MeasurementError
from daas_attestation.moment import utc_text
from daas_chain.values import Parameters
from daas_protocol import jsonstrict

from . import context, policy_commands
from .chain_options import (
    DEFAULT_GAS,
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
from .errors import RefusedError, UnreadableError
from .home import Home
from .output import JsonFlag, print_json, program, stdout

if TYPE_CHECKING:
    from daas_chain.deployment import Deployment
    from daas_chain.objects import Cluster

    from .chain_access import Chain, Deployed, Sent

MAX_PARAMETERS_BYTES: Final = 16 * 1024
_DURATIONS: Final = frozenset(one.name for one in fields(Parameters) if one.name.endswith("_ms"))
_AMOUNTS: Final = frozenset(
    {"fee_base", "fee_per_kib", "slash_epoch_cap", "min_stake_requester", "min_stake_worker", "min_stake_operator"}
)

app = typer.Typer(
    help="A cluster on chain: which enclave images it trusts, who operates slots, what its parameters are.\n\n"
    "What widens trust (a policy, an anchor, parameters) is proposed in public and holds after the timelock; what "
    "narrows it (revoke, min-version, freeze) holds at once. Its ids are in $DAAS_HOME/deployment.json.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
operator = typer.Typer(help="Addresses that may make enclave slots.", no_args_is_help=True)
anchor = typer.Typer(
    help="Committees that light clients may begin with: SHA-256 of bcs(epoch, committee).", no_args_is_help=True
)
parameters = typer.Typer(help="Deadlines, fees, stakes and shares of the cluster.", no_args_is_help=True)
app.add_typer(policy_commands.app, name="policy")
app.add_typer(operator, name="operator")
app.add_typer(anchor, name="anchor")
app.add_typer(parameters, name="parameters")
ReplaceOption = Annotated[
    bool, typer.Option("--replace", help="Overwrite the deployment record of another cluster in this home.")
]
AddressArgument = Annotated[str, typer.Argument(metavar="ADDRESS", help="0x and 64 hex digits.")]
AnchorArgument = Annotated[
    str | None, typer.Argument(metavar="ANCHOR", help="64 hex digits. Default: the network's committee now.")
]


@app.command("create")
def create(
    name: Annotated[str, typer.Option("--name", help="1 to 63 bytes, for people.")] = "daas",
    policy: Annotated[
        list[Path] | None,
        typer.Option(
            "--policy",
            metavar="FILE",
            help="measurements.json; may be repeated. The lowest version is active at once, the others are proposed. "
            "Default: this instance's.",
        ),
    ] = None,
    anchor: Annotated[
        list[str] | None,
        typer.Option(
            "--anchor",
            metavar="HEX",
            help="Committee that light clients may begin with; may be repeated. Default: the network's now, as the "
            "node says it.",
        ),
    ] = None,
    parameters: Annotated[
        Path | None,
        typer.Option(
            "--parameters", metavar="FILE", help='JSON {"version": 1, FIELD: NUMBER, ...}; other fields as by default.'
        ),
    ] = None,
    fast: Annotated[
        bool,
        typer.Option(
            "--fast",
            help="For development, as `daas up`: staleness 10 s, least deadline 30 s, grace and timelock 10 s.",
        ),
    ] = False,
    operator: Annotated[
        list[str] | None,
        typer.Option("--operator", metavar="ADDRESS", help="May make slots; may be repeated. Default: the key's own."),
    ] = None,
    package: Annotated[
        str | None,
        typer.Option(
            "--package", metavar="ID", help="A package that others have published. Default: published.json's."
        ),
    ] = None,
    replace: ReplaceOption = False,
    network: NetworkOption = None,
    ca: CaOption = None,
    key: KeyOption = None,
    gas: GasOption = DEFAULT_GAS,
    as_json: JsonFlag = False,
) -> None:
    """Make a cluster with its stake pool and worker registry, and write the deployment record.

    The key gets AdminCap and VetoCap. Give the VetoCap to somebody else for it to mean anything.
    """
    home = context.home()
    _may_write(home, replace)
    policies = policy or [home.measurements]
    loaded = [(str(path), load_policy(path)) for path in policies]
    changes = load_parameters(parameters) if parameters is not None else {}
    anchors = tuple(hex_bytes(one, 32, "--anchor") for one in anchor or ())
    operators = tuple(object_id(one, "--operator") for one in operator or ())
    asked = Asked.of(network, ca, key, gas, as_json)
    from . import chain_access, chain_setup
    from .published import Published

    known = Published.load(home.published)
    url, chain_id = network, None
    if package is None:
        if known is None:
            raise UnreadableError(
                "which package? none was published from here",
                f"`{program()} move publish --network URL`, or name one with --package and --network",
            )
        url, chain_id = network or known.network, known.chain_id
    if url is None:
        raise UnreadableError("on which network?", "name a node with --network URL")

    async def body(chain: Chain) -> tuple[Chain, chain_setup.Made]:
        of = known if package is None else await chain_setup.known_package(chain, object_id(package, "--package"))
        assert of is not None
        making = chain_setup.Making(
            name,
            chain_setup.policies_of(loaded),
            anchors,
            operators or (chain.address,),
            (chain_setup.FAST if fast else {}) | changes,
        )
        return chain, await chain_setup.make_cluster(chain, of, making)

    _, made = chain_access.run(asked, url, chain_id, body)
    _report(home, made.record, made.cluster, made.sent, as_json=as_json)


@app.command("use")
def use(
    cluster: Annotated[str, typer.Argument(metavar="CLUSTER", help="Its id, from whoever administers it.")],
    enclave: Annotated[str | None, typer.Option("--enclave", metavar="ID", help="Slot to send requests to.")] = None,
    package: Annotated[
        str | None, typer.Option("--package", metavar="ID", help="Version to call. Default: the first one.")
    ] = None,
    replace: ReplaceOption = False,
    network: NetworkOption = None,
    ca: CaOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Write the deployment record of a cluster that exists: nothing is sent.

    Refused unless the package on chain has the very bytecode of this installation.
    """
    home = context.home()
    _may_write(home, replace)
    wanted = object_id(cluster, "CLUSTER")
    slot = None if enclave is None else object_id(enclave, "--enclave")
    version = None if package is None else object_id(package, "--package")
    asked = Asked.of(network, ca, quiet=as_json)
    if network is None:
        raise UnreadableError("on which network?", "name a node with --network URL")
    from . import chain_access, chain_reads, chain_setup

    async def body(chain: Chain) -> tuple[Deployment, Cluster]:
        record, found = await chain_setup.find_cluster(chain, wanted, version)
        if slot is not None:
            deployed = chain_access.Deployed(chain.home, asked, chain.url, chain.network, chain.progress, record=record)
            await chain_reads.enclave(deployed, slot)
        return record.with_enclave(slot), found

    record, found = chain_access.run(asked, network, None, body)
    home.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    record.store(home.deployment)
    _report(home, record, found, (), as_json=as_json)


@app.command("show")
def show(network: NetworkOption = None, ca: CaOption = None, as_json: JsonFlag = False) -> None:
    """Show the cluster as the chain has it now: policies, proposals, anchors, operators, parameters."""
    from . import chain_access, chain_reads

    async def body(chain: Deployed) -> tuple[Deployment, Cluster, int]:
        return chain.record, await chain_reads.cluster(chain), await chain.now_ms()

    record, found, now_ms = chain_access.run_deployed(Asked.of(network, ca, quiet=as_json), body)
    if as_json:
        print_json(_document(record, found) | {"chain_time_ms": now_ms})
        return
    _print_record(record, found)
    policy_commands.print_policies(found, now_ms)
    out = stdout()
    for one in found.operators:
        out.print(f"operator  {id_text(one)}")
    for one in found.anchors:
        out.print(f"anchor    {one.hex()}")
    for field in fields(Parameters):
        out.print(f"[dim]{field.name:<22}[/] {_parameter_text(field.name, getattr(found.params, field.name))}")


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
        return (sent, *await policy_commands.newest_proposal(chain))

    policy_commands.report_proposed(*chain_access.run_deployed(asked, body), as_json=as_json)


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

    policy_commands.narrow(
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
    from dataclasses import replace

    from daas_chain.calls import clusters

    from . import chain_access, chain_reads

    async def body(chain: Deployed) -> tuple[Sent, int, int]:
        by = await chain.admin()
        wanted = replace((await chain_reads.cluster(chain)).params, **changes)
        sent = await chain.send(
            "propose parameters", lambda commands: clusters.propose_parameters(chain.contract, commands, by, wanted)
        )
        return (sent, *await policy_commands.newest_proposal(chain))

    policy_commands.report_proposed(*chain_access.run_deployed(asked, body), as_json=as_json)


def load_policy(path: Path) -> tuple[Measurement, ...]:
    """At least one measurement. Raises UnreadableError."""
    try:
        found = measurements.load(path)
    except (OSError, MeasurementError) as problem:
        raise UnreadableError(f"{path}: {problem}", "name a measurements.json with --policy") from None
    if not found:
        raise UnreadableError(f"{path} has no measurement", "measure an image first")
    return tuple(found)


def load_parameters(path: Path) -> dict[str, int]:
    """Fields of `Parameters` by name. Raises UnreadableError."""
    try:
        with path.open("rb") as file:
            document = jsonstrict.loads_object(file.read(MAX_PARAMETERS_BYTES + 1), MAX_PARAMETERS_BYTES)
    except (OSError, ValueError) as problem:
        raise UnreadableError(f"{path}: {problem}", "give a JSON file of parameters") from None
    if document.pop("version", None) != 1:
        raise UnreadableError(f'{path} has to begin with "version": 1', "correct the file")
    known = {one.name for one in fields(Parameters)}
    for name, value in document.items():
        if name not in known:
            raise UnreadableError(f"{path}: {name[:80]} is no parameter", f"known are {', '.join(sorted(known))}")
        if type(value) is not int or not 0 <= value < 1 << 64:
            raise UnreadableError(f"{path}: {name} has to be a whole number of 64 bits", "times in ms, money in MIST")
    return {name: value for name, value in document.items() if isinstance(value, int)}


def _may_write(home: Home, replace: bool) -> None:
    if home.deployment.exists() and not replace:
        raise RefusedError(
            f"{home.deployment} is the record of a cluster already",
            "use another DAAS_HOME, or give --replace if this home may forget it",
        )


def _parameter_text(name: str, value: int) -> str:
    if name in _DURATIONS:
        return f"{duration_text(value)} [dim]({value} ms)[/]"
    return sui_text(value) if name in _AMOUNTS else f"{value}"


def _document(record: Deployment, found: Cluster) -> dict[str, Any]:
    from daas_chain.sui import base58

    return {
        "cluster": id_text(record.cluster),
        "name": found.name,
        "network": record.network,
        "chain_id": base58.encode(record.chain_id),
        "package": id_text(record.package),
        "original": id_text(record.original),
        "governance": id_text(record.governance),
        "stake_pool": id_text(record.stake_pool),
        "worker_registry": id_text(record.worker_registry),
        "enclave": None if record.enclave is None else id_text(record.enclave),
        "operators": [id_text(one) for one in found.operators],
        "anchors": [one.hex() for one in found.anchors],
        "parameters": {one.name: getattr(found.params, one.name) for one in fields(Parameters)},
        "state": {"seq": found.state.seq, "head": found.state.head.hex()},
        **policy_commands.policies_json(found),
    }


def _print_record(record: Deployment, found: Cluster) -> None:
    out = stdout()
    out.print(f"cluster   {id_text(record.cluster)} [dim]({escape(found.name)})[/]")
    out.print(f"network   {escape(record.network)}")
    out.print(f"package   {id_text(record.package)}")
    out.print(f"pool      {id_text(record.stake_pool)}")
    out.print(f"enclave   {'none yet' if record.enclave is None else id_text(record.enclave)}")


def _report(home: Home, record: Deployment, found: Cluster, sent: tuple[Sent, ...], *, as_json: bool) -> None:
    from . import chain_access

    if as_json:
        transactions = [one.to_json() for one in sent]
        print_json(_document(record, found) | {"record": str(home.deployment), "transactions": transactions})
        return
    _print_record(record, found)
    out = stdout()
    for one in found.anchors:
        out.print(f"anchor    {one.hex()} [dim](compare it with one that you have from elsewhere)[/]")
    for number, proposal in found.proposals:
        out.print(
            f"proposal  {number}: active from {utc_text(proposal.activates_at_ms)} on, by `cluster policy activate`"
        )
    out.print(f"[dim]record: {escape(str(home.deployment))}[/]")
    chain_access.print_sent(sent)

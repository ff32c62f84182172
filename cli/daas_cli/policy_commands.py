"""`daas cluster policy`: which enclave images count, now and after which timelock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from daas_attestation.moment import utc_text
from daas_chain.values import AnchorChange, PolicyChange

from .chain_options import DEFAULT_GAS, Asked, CaOption, GasOption, KeyOption, NetworkOption, duration_text
from .errors import RefusedError, UnreadableError
from .output import JsonFlag, print_json, program, stdout

if TYPE_CHECKING:
    from daas_chain.calls.clusters import Administered
    from daas_chain.contract import Contract
    from daas_chain.objects import Cluster, Proposal
    from daas_chain.sui.builder import Builder

    from .chain_access import Deployed, Sent

MAX_WAIT_MS: Final = 3_600_000
"""Whoever has to wait longer comes back."""
POLL_SECONDS: Final = 1.0

app = typer.Typer(
    help="PCR policies: which enclave images the cluster trusts. Each has a version; an enclave counts while "
    "its image's version is active, not revoked, and not below min-version.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
VersionArgument = Annotated[
    int, typer.Argument(metavar="VERSION", min=0, help="As `daas cluster policy list` shows it.")
]


@app.command("list")
def list_(network: NetworkOption = None, ca: CaOption = None, as_json: JsonFlag = False) -> None:
    """Show active and revoked policies, and what is proposed, with the times of the timelock."""
    from . import chain_access, chain_reads

    async def body(chain: Deployed) -> tuple[Cluster, int]:
        return await chain_reads.cluster(chain), await chain.now_ms()

    found, now_ms = chain_access.run_deployed(Asked.of(network, ca, quiet=as_json), body)
    if as_json:
        print_json(policies_json(found) | {"chain_time_ms": now_ms})
        return
    print_policies(found, now_ms)


@app.command("propose")
def propose(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="measurements.json, as `daas image measure` writes it.")],
    network: NetworkOption = None,
    ca: CaOption = None,
    key: KeyOption = None,
    gas: GasOption = DEFAULT_GAS,
    as_json: JsonFlag = False,
) -> None:
    """Propose every measurement of a file that is newer than all policies so far, in one transaction."""
    from .cluster_commands import load_policy

    given = load_policy(file)
    asked = Asked.of(network, ca, key, gas, as_json)
    from daas_chain.calls import clusters

    from . import chain_access, chain_reads, chain_setup

    async def body(chain: Deployed) -> tuple[Sent, list[tuple[int, Proposal]]]:
        by = await chain.admin()
        before = await chain_reads.cluster(chain)
        newer = [one for one in chain_setup.policies_of([(str(file), given)]) if one.version > before.newest_version]
        if not newer:
            raise RefusedError(
                f"{file}: no measurement has a version above {before.newest_version}, the newest of the cluster",
                "give a new image a higher version; a version is never used again, not even after a veto",
            )

        def fill(commands: Builder) -> None:
            for one in newer:
                clusters.propose_policy(chain.contract, commands, by, one.version, one.pcrs)

        sent = await chain.send(f"propose {len(newer)} policies", fill)
        after = await chain_reads.cluster(chain)
        return sent, [(number, one) for number, one in after.proposals if number >= before.next_proposal]

    sent, proposed = chain_access.run_deployed(asked, body)
    if as_json:
        print_json({"proposals": [_proposal_json(*one) for one in proposed]} | sent.to_json())
        return
    for number, one in proposed:
        stdout().print(f"proposal {number}: {_what(one)}, can be activated from {utc_text(one.activates_at_ms)} on")
    stdout().print(f"[dim]then: {program()} cluster policy activate[/]")
    chain_access.print_sent((sent,))


@app.command("activate")
def activate(
    number: Annotated[
        int | None, typer.Argument(metavar="PROPOSAL", min=0, help="Default: all whose timelock is over.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the timelock, for an hour at most.")] = False,
    network: NetworkOption = None,
    ca: CaOption = None,
    key: KeyOption = None,
    gas: GasOption = DEFAULT_GAS,
    as_json: JsonFlag = False,
) -> None:
    """Put proposals into force whose timelock is over: policies, anchors, parameters. Anyone may do that."""
    asked = Asked.of(network, ca, key, gas, as_json)
    from daas_chain.calls import clusters

    from . import chain_access, chain_reads

    async def body(chain: Deployed) -> tuple[Sent, list[int]]:
        found = await chain_reads.cluster(chain)
        open_ = dict(found.proposals)
        wanted = {number: open_[number]} if number in open_ else {} if number is not None else open_
        if not wanted:
            what = "no open proposal" if number is None else f"no open proposal {number}"
            raise RefusedError(f"the cluster has {what}", f"see `{program()} cluster policy list`")
        if wait:
            await _until(chain, max(one.activates_at_ms for one in wanted.values()))
        now_ms = await chain.now_ms()
        due = sorted(one for one, proposal in wanted.items() if proposal.activates_at_ms <= now_ms)
        if not due:
            first = min(one.activates_at_ms for one in wanted.values())
            raise RefusedError(
                f"the timelock runs until {utc_text(first)}, {duration_text(first - now_ms)} from now",
                "come back then, or give --wait",
            )

        def fill(commands: Builder) -> None:
            for one in due:
                clusters.activate(chain.contract, commands, chain.record.cluster, one)

        return await chain.send(f"activate {len(due)} proposals", fill), due

    sent, due = chain_access.run_deployed(asked, body)
    if as_json:
        print_json({"activated": due} | sent.to_json())
        return
    stdout().print(f"in force now: proposal {', '.join(map(str, due))}")
    chain_access.print_sent((sent,))


async def _until(chain: Deployed, moment_ms: int) -> None:
    """Waits until the chain's clock is there. Raises RefusedError when that takes too long."""
    left = moment_ms - await chain.now_ms()
    if left > MAX_WAIT_MS:
        raise RefusedError(f"the timelock runs until {utc_text(moment_ms)}", "come back then")
    with chain.progress.step("wait for the timelock"):
        while left > 0:
            chain.progress.detail(f"{duration_text(left)} left")
            await asyncio.sleep(min(POLL_SECONDS, left / 1_000 + 0.05))
            left = moment_ms - await chain.now_ms()


@app.command("veto")
def veto(
    number: Annotated[int, typer.Argument(metavar="PROPOSAL", min=0)],
    network: NetworkOption = None,
    ca: CaOption = None,
    key: KeyOption = None,
    gas: GasOption = DEFAULT_GAS,
    as_json: JsonFlag = False,
) -> None:
    """Stop a proposal, as the holder of the VetoCap."""
    from daas_chain.calls import clusters

    from . import chain_access

    async def body(chain: Deployed) -> Sent:
        cap = await chain.cap("VetoCap", "holder of the veto")
        return await chain.send(
            f"veto proposal {number}",
            lambda commands: clusters.veto(chain.contract, commands, chain.record.cluster, cap, number),
        )

    asked = Asked.of(network, ca, key, gas, as_json)
    _report(chain_access.run_deployed(asked, body), {"vetoed": number}, f"proposal {number} is gone", asked)


@app.command("revoke")
def revoke(
    version: VersionArgument,
    by_veto: Annotated[
        bool, typer.Option("--by-veto", help="As the holder of the VetoCap, not of the AdminCap.")
    ] = False,
    network: NetworkOption = None,
    ca: CaOption = None,
    key: KeyOption = None,
    gas: GasOption = DEFAULT_GAS,
    as_json: JsonFlag = False,
) -> None:
    """Trust an image no longer, at once: its enclaves settle nothing more and take no more requests.

    Requests that are pending then expire with a refund, and their operator is not slashed for them.
    """
    from daas_chain.calls import clusters

    from . import chain_access

    async def body(chain: Deployed) -> Sent:
        if by_veto:
            cap, cluster = await chain.cap("VetoCap", "holder of the veto"), chain.record.cluster
            return await chain.send(
                f"revoke policy {version}",
                lambda commands: clusters.revoke_policy_by_veto(chain.contract, commands, cluster, cap, version),
            )
        by = await chain.admin()
        return await chain.send(
            f"revoke policy {version}",
            lambda commands: clusters.revoke_policy(chain.contract, commands, by, version),
        )

    asked = Asked.of(network, ca, key, gas, as_json)
    _report(chain_access.run_deployed(asked, body), {"revoked": version}, f"policy {version} is revoked", asked)


@app.command("min-version")
def min_version(
    version: VersionArgument,
    network: NetworkOption = None,
    ca: CaOption = None,
    key: KeyOption = None,
    gas: GasOption = DEFAULT_GAS,
    as_json: JsonFlag = False,
) -> None:
    """Drop every policy below a version, at once. It only goes up, and not above the newest active policy."""
    from daas_chain.calls import clusters

    narrow(
        Asked.of(network, ca, key, gas, as_json),
        f"raise min-version to {version}",
        lambda contract, commands, by: clusters.raise_min_version(contract, commands, by, version),
        {"min_version": version},
    )


@app.command("freeze")
def freeze(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: this can never be undone.")] = False,
    network: NetworkOption = None,
    ca: CaOption = None,
    key: KeyOption = None,
    gas: GasOption = DEFAULT_GAS,
    as_json: JsonFlag = False,
) -> None:
    """Take no new policy, for ever. What is active stays; it can still be revoked."""
    if not yes:
        if as_json:
            raise UnreadableError("freezing can never be undone", "give --yes with --json")
        if not typer.confirm("No policy can ever be added to this cluster again. Freeze it?"):
            raise RefusedError("nothing was sent", "")
    from daas_chain.calls import clusters

    narrow(Asked.of(network, ca, key, gas, as_json), "freeze the policy", clusters.freeze_policy, {"frozen": True})


def narrow(
    asked: Asked, step: str, fill: Callable[[Contract, Builder, Administered], object], said: dict[str, Any]
) -> None:
    """Something that the admin does and that holds at once."""
    from . import chain_access

    async def body(chain: Deployed) -> Sent:
        by = await chain.admin()
        return await chain.send(step, lambda commands: fill(chain.contract, commands, by))

    text = ", ".join(f"{name.replace('_', '-')} {value}" for name, value in said.items())
    _report(chain_access.run_deployed(asked, body), said, f"done: {text}", asked)


async def newest_proposal(chain: Deployed) -> tuple[int, int]:
    """Its number, and from when on it can be activated."""
    from . import chain_reads

    found = await chain_reads.cluster(chain)
    number, proposal = found.proposals[-1]
    return number, proposal.activates_at_ms


def report_proposed(sent: Sent, number: int, activates_at_ms: int, *, as_json: bool) -> None:
    from . import chain_access

    if as_json:
        print_json({"proposal": number, "activates_at_ms": activates_at_ms} | sent.to_json())
        return
    stdout().print(f"proposal {number} can be activated from {utc_text(activates_at_ms)} on")
    stdout().print(f"[dim]then: {program()} cluster policy activate {number}[/]")
    chain_access.print_sent((sent,))


def _report(sent: Sent, said: dict[str, Any], text: str, asked: Asked) -> None:
    from . import chain_access

    if asked.quiet:
        print_json(said | sent.to_json())
        return
    stdout().print(text)
    chain_access.print_sent((sent,))


def policies_json(found: Cluster) -> dict[str, Any]:
    return {
        "min_version": found.min_version,
        "frozen": found.frozen,
        "policies": [
            {
                "version": version,
                "pcrs": {str(pcr.index): pcr.value.hex() for pcr in policy.pcrs},
                "activated_at_ms": policy.activated_at_ms,
                "revoked": policy.revoked,
                "valid": not policy.revoked and version >= found.min_version,
            }
            for version, policy in found.policies
        ],
        "proposals": [_proposal_json(number, proposal) for number, proposal in found.proposals],
    }


def _proposal_json(number: int, proposal: Proposal) -> dict[str, Any]:
    return {"proposal": number, "change": _what(proposal), "activates_at_ms": proposal.activates_at_ms}


def _what(proposal: Proposal) -> str:
    match proposal.change:
        case PolicyChange(version, pcrs):
            return f"policy {version}, PCR0 {pcrs[0].value.hex()[:16]}..." if pcrs else f"policy {version}"
        case AnchorChange(anchor):
            return f"anchor {anchor.hex()}"
        case _:
            return "other parameters"


def print_policies(found: Cluster, now_ms: int) -> None:
    out = stdout()
    for version, policy in found.policies:
        valid = not policy.revoked and version >= found.min_version
        state = "[green]active[/]" if valid else "[red]revoked[/]" if policy.revoked else "[red]below min-version[/]"
        out.print(f"policy {version:<3}{state} since {utc_text(policy.activated_at_ms)}")
        for pcr in policy.pcrs:
            out.print(f"  [dim]PCR{pcr.index} {pcr.value.hex()}[/]")
    for number, proposal in found.proposals:
        left = proposal.activates_at_ms - now_ms
        when = "can be activated now" if left <= 0 else f"timelock runs for {duration_text(left)} more"
        out.print(f"proposal {number}: {_what(proposal)}; {when} ({utc_text(proposal.activates_at_ms)})")
    out.print(f"min-version {found.min_version}{', frozen for ever' if found.frozen else ''}")

"""What `daas cluster` and its groups say of policies and proposals, and the changes that hold at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from daas_attestation.moment import utc_text

from .chain_options import Asked, duration_text
from .output import print_json, program, stdout

if TYPE_CHECKING:
    from daas_chain.calls.clusters import Administered
    from daas_chain.contract import Contract
    from daas_chain.objects import Cluster, Proposal
    from daas_chain.sui.builder import Builder

    from .chain_access import Deployed, Sent


PROPOSAL_LIFE_MS: Final = 2_592_000_000
"""The contract's: 30 days after the timelock a proposal can be activated no longer."""


def narrow(
    asked: Asked, step: str, fill: Callable[[Contract, Builder, Administered], object], said: dict[str, Any]
) -> None:
    """Something that the admin does and that holds at once."""
    from . import chain_access

    async def body(chain: Deployed) -> Sent:
        by = await chain.admin()
        return await chain.send(step, lambda commands: fill(chain.contract, commands, by))

    text = ", ".join(f"{name.replace('_', '-')} {value}" for name, value in said.items())
    report_change(chain_access.run_deployed(asked, body), said, f"done: {text}", asked)


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


def report_change(sent: Sent, said: dict[str, Any], text: str, asked: Asked) -> None:
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
        "proposals": [proposal_json(number, proposal) for number, proposal in found.proposals],
    }


def proposal_json(number: int, proposal: Proposal) -> dict[str, Any]:
    return {"proposal": number, "change": proposal_text(proposal), "activates_at_ms": proposal.activates_at_ms}


def proposal_text(proposal: Proposal) -> str:
    from daas_chain.values import AnchorChange, PolicyChange

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
        if left > 0:
            when = f"timelock runs for {duration_text(left)} more"
        else:
            when = "can be activated now" if left + PROPOSAL_LIFE_MS > 0 else "expired: nobody has activated it in time"
        out.print(f"proposal {number}: {proposal_text(proposal)}; {when} ({utc_text(proposal.activates_at_ms)})")
    out.print(f"min-version {found.min_version}{', frozen for ever' if found.frozen else ''}")

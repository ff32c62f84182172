"""`daas stake`: deposits that requesters and operators lose if they misbehave, and their way back."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daas_attestation.moment import utc_text

from .chain_options import (
    DEFAULT_GAS,
    Asked,
    CaOption,
    GasOption,
    KeyOption,
    NetworkOption,
    duration_text,
    id_text,
    object_id,
    sui_amount,
    sui_text,
)
from .errors import RefusedError
from .output import JsonFlag, print_json, program, stdout

if TYPE_CHECKING:
    from daas_chain.sui.builder import Builder

    from .chain_access import Deployed, Sent
    from .chain_reads import Staked

app = typer.Typer(
    help="Stakes: a requester's for writing, an operator's for each slot. A stake comes back after the unbonding time, "
    "during which it can still be slashed. Workers stake with `daas worker register`.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


class Role(Enum):
    REQUESTER = "requester"
    OPERATOR = "operator"


_NUMBERS = {Role.REQUESTER: 0, Role.OPERATOR: 1}
RoleOption = Annotated[Role, typer.Option("--role", help="requester: to write; operator: for an enclave slot.")]
EnclaveOption = Annotated[
    str | None, typer.Option("--enclave", metavar="ID", help="The operator's slot. Default: the deployment's.")
]


@app.command("deposit")
def deposit(
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="SUI with up to 9 decimals, or 1500mist.")],
    role: RoleOption = Role.REQUESTER,
    enclave: EnclaveOption = None,
    network: NetworkOption = None,
    ca: CaOption = None,
    key: KeyOption = None,
    gas: GasOption = DEFAULT_GAS,
    as_json: JsonFlag = False,
) -> None:
    """Deposit a stake, or add to the one that is there. `daas cluster show` names the least."""
    mist = sui_amount(amount)
    slot = None if enclave is None else object_id(enclave, "--enclave")
    asked = Asked.of(network, ca, key, gas, as_json)
    from daas_chain.calls import stakes

    from . import chain_access, chain_reads

    async def body(chain: Deployed) -> tuple[Sent, Staked]:
        pool, cluster = chain.record.stake_pool, chain.record.cluster
        subject = _subject(chain, role, slot)
        known = await chain_reads.stake_for(chain, _NUMBERS[role], subject)

        def fill(commands: Builder) -> None:
            if known is not None:
                stakes.top_up(chain.contract, commands, pool, known.proof_id, mist)
            elif role is Role.OPERATOR:
                stakes.deposit_operator(chain.contract, commands, pool, cluster, subject, mist)
            else:
                stakes.deposit_requester(chain.contract, commands, pool, cluster, mist)

        sent = await chain.send(f"deposit {sui_text(mist)}", fill)
        after = await chain_reads.stake_for(chain, _NUMBERS[role], subject)
        assert after is not None
        return sent, after

    sent, after = chain_access.run_deployed(asked, body)
    _report(sent, _row(after), asked)


@app.command("unbond")
def unbond(
    role: RoleOption = Role.REQUESTER,
    enclave: EnclaveOption = None,
    network: NetworkOption = None,
    ca: CaOption = None,
    key: KeyOption = None,
    gas: GasOption = DEFAULT_GAS,
    as_json: JsonFlag = False,
) -> None:
    """Begin to take a stake back: it counts no longer, and is paid out after the unbonding time."""
    from daas_chain.calls import stakes

    _change(
        Asked.of(network, ca, key, gas, as_json),
        role,
        enclave,
        "begin unbonding",
        lambda chain, commands, proof: stakes.begin_unbonding(
            chain.contract, commands, chain.record.stake_pool, chain.record.cluster, proof
        ),
    )


@app.command("rebond")
def rebond(
    role: RoleOption = Role.REQUESTER,
    enclave: EnclaveOption = None,
    network: NetworkOption = None,
    ca: CaOption = None,
    key: KeyOption = None,
    gas: GasOption = DEFAULT_GAS,
    as_json: JsonFlag = False,
) -> None:
    """Let an unbonding stake count again."""
    from daas_chain.calls import stakes

    _change(
        Asked.of(network, ca, key, gas, as_json),
        role,
        enclave,
        "rebond",
        lambda chain, commands, proof: stakes.rebond(chain.contract, commands, chain.record.stake_pool, proof),
    )


@app.command("withdraw")
def withdraw(
    role: RoleOption = Role.REQUESTER,
    enclave: EnclaveOption = None,
    network: NetworkOption = None,
    ca: CaOption = None,
    key: KeyOption = None,
    gas: GasOption = DEFAULT_GAS,
    as_json: JsonFlag = False,
) -> None:
    """Have a stake paid out whose unbonding time is over: what slashing has left of it."""
    slot = None if enclave is None else object_id(enclave, "--enclave")
    asked = Asked.of(network, ca, key, gas, as_json)
    from daas_chain.calls import stakes

    from . import chain_access

    async def body(chain: Deployed) -> tuple[Sent, int]:
        known = await _existing(chain, role, slot)
        due = None if known.stake is None else known.stake.unbonded_at_ms
        if known.stake is None or due is None:
            raise RefusedError("the stake is not unbonding", f"begin with `{program()} stake unbond`")
        left = due - await chain.now_ms()
        if left > 0:
            raise RefusedError(
                f"the unbonding time runs until {utc_text(due)}, {duration_text(left)} from now",
                f"come back then, or let it count again: `{program()} stake rebond`",
            )
        sent = await chain.send(
            "withdraw the stake",
            lambda commands: stakes.withdraw(
                chain.contract, commands, chain.record.stake_pool, known.proof_id, chain.address
            ),
        )
        return sent, known.stake.balance

    sent, paid = chain_access.run_deployed(asked, body)
    if as_json:
        print_json({"role": role.value, "withdrawn_mist": paid} | sent.to_json())
        return
    stdout().print(f"{sui_text(paid)} paid out")
    chain_access.print_sent((sent,))


@app.command("list")
def list_(
    owner: Annotated[
        str | None, typer.Option("--owner", metavar="ADDRESS", help="Default: the address of your key.")
    ] = None,
    network: NetworkOption = None,
    ca: CaOption = None,
    key: KeyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """List the stakes of an address: what counts, what is unbonding and until when."""
    given = None if owner is None else object_id(owner, "--owner")
    from . import chain_access, chain_reads

    async def body(chain: Deployed) -> tuple[bytes, list[Staked], int]:
        of = given or chain.address
        return of, await chain_reads.stakes(chain, of), await chain.now_ms()

    of, found, now_ms = chain_access.run_deployed(Asked.of(network, ca, key, quiet=as_json), body)
    if as_json:
        print_json({"owner": id_text(of), "stakes": [_row(one) for one in found], "chain_time_ms": now_ms})
        return
    for one in found:
        _print_stake(_row(one), now_ms)
    if not found:
        stdout().print(f"{id_text(of)} has no stake; deposit one with `{program()} stake deposit`")


def _change(
    asked: Asked,
    role: Role,
    enclave: str | None,
    step: str,
    fill: Callable[[Deployed, Builder, bytes], object],
) -> None:
    slot = None if enclave is None else object_id(enclave, "--enclave")
    from . import chain_access

    async def body(chain: Deployed) -> tuple[Sent, Staked]:
        known = await _existing(chain, role, slot)
        sent = await chain.send(step, lambda commands: fill(chain, commands, known.proof_id))
        return sent, await _existing(chain, role, slot)

    sent, after = chain_access.run_deployed(asked, body)
    _report(sent, _row(after), asked)


async def _existing(chain: Deployed, role: Role, enclave: bytes | None) -> Staked:
    from . import chain_reads

    known = await chain_reads.stake_for(chain, _NUMBERS[role], _subject(chain, role, enclave))
    if known is None:
        raise RefusedError(
            f"{id_text(chain.address)} has no stake as {role.value}", f"see `{program()} stake list`; --role, --key"
        )
    return known


def _subject(chain: Deployed, role: Role, enclave: bytes | None) -> bytes:
    return chain.slot(enclave).enclave if role is Role.OPERATOR else b""


def _row(one: Staked) -> dict[str, Any]:
    from . import chain_reads

    key = one.proof.key
    unbonded_at_ms = None if one.stake is None else one.stake.unbonded_at_ms
    balance = 0 if one.stake is None else one.stake.balance
    return {
        "role": chain_reads.ROLES.get(key.role, str(key.role)),
        "subject": key.subject.hex(),
        "proof": id_text(one.proof_id),
        "balance_mist": balance,
        "deposited_mist": one.proof.deposited,
        "counts": unbonded_at_ms is None and balance > 0,
        "unbonded_at_ms": unbonded_at_ms,
    }


def _print_stake(row: dict[str, Any], now_ms: int | None = None) -> None:
    due = row["unbonded_at_ms"]
    if due is None:
        state = "[green]counts[/]"
    elif now_ms is not None and due <= now_ms:
        state = f"[yellow]can be withdrawn[/] since {utc_text(due)}"
    else:
        state = f"[yellow]unbonding[/] until {utc_text(due)}"
    about = f" of slot 0x{row['subject']}" if row["role"] == "operator" else ""
    stdout().print(f"{row['role']:<9} {sui_text(row['balance_mist'])}{about}, {state}")


def _report(sent: Sent, row: dict[str, Any], asked: Asked) -> None:
    from . import chain_access

    if asked.quiet:
        print_json(row | sent.to_json())
        return
    _print_stake(row)
    chain_access.print_sent((sent,))

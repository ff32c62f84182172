"""`daas token`: access tokens given out, taken back and listed.

Invariant: what a token is committed to is a secret that is made here, kept in a file of mode 0600 before anything is
sent, and shown nowhere; only its SHA-256 goes on chain.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.markup import escape

from daas_attestation.moment import utc_text
from daas_protocol.grant import GrantError, parse_grant
from daas_protocol.state_files import write_atomic

from . import context
from .chain_options import (
    DEFAULT_GAS,
    Asked,
    CaOption,
    GasOption,
    KeyOption,
    NetworkOption,
    duration_ms,
    duration_text,
    id_text,
    object_id,
)
from .errors import RefusedError, UnreadableError
from .home import Home
from .output import JsonFlag, print_json, program, stdout

if TYPE_CHECKING:
    from .chain_access import Deployed, Sent
    from .chain_reads import Token

MAX_GRANTS: Final = 32
MAX_LIFE_MS: Final = 63_072_000_000
"""Two years; both are the contract's limits."""
SECRET_BYTES: Final = 32

app = typer.Typer(
    help="Access tokens: who may ask the cluster for what. A token acts for the address that it was given to and cannot "
    "be passed on; revoking it needs nothing from its owner.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
OwnerOption = Annotated[
    str | None, typer.Option("--owner", metavar="ADDRESS", help="Those of one address. Default: all of the cluster.")
]


@app.command("issue")
def issue(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Who gets it: 0x and 64 hex digits.")],
    grants: Annotated[
        list[str],
        typer.Option(
            "--grant",
            metavar="GRANT",
            help="resource\\[.group]\\[/sub]:verb\\[@namespace], for example pods:read, deployments.apps:write@prod, *:*. "
            "May be repeated, up to 32.",
        ),
    ],
    life: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="How long it counts: 30d, 12h; two years at most.")
    ] = "30d",
    network: NetworkOption = None,
    ca: CaOption = None,
    key: KeyOption = None,
    gas: GasOption = DEFAULT_GAS,
    as_json: JsonFlag = False,
) -> None:
    """Give an address a token, as the cluster's admin. Grants are checked before anything is sent."""
    owner = object_id(address, "ADDRESS")
    texts = parse_grants(grants)
    life_ms = duration_ms(life, "--for")
    if not 0 < life_ms <= MAX_LIFE_MS:
        raise UnreadableError(f"--for {life}: a token counts for at most two years", "give a shorter time, such as 30d")
    asked = Asked.of(network, ca, key, gas, as_json)
    from daas_chain.calls import clusters

    from . import chain_access
    from .chain_setup import created

    home = context.home()

    async def body(chain: Deployed) -> tuple[Sent, bytes, int, bytes]:
        by = await chain.admin()
        expires_at_ms = await chain.now_ms() + life_ms
        commitment, path = new_secret(home, owner)
        try:
            sent = await chain.send(
                "issue a token",
                lambda commands: clusters.issue_token(
                    chain.contract, commands, by, owner, texts, commitment, expires_at_ms
                ),
            )
        except BaseException as problem:
            if certainly_not_done(problem):
                path.unlink(missing_ok=True)
            raise
        ids = await created(chain.network, sent.executed)
        return sent, ids["AccessToken"], expires_at_ms, commitment

    sent, token, expires_at_ms, commitment = chain_access.run_deployed(asked, body)
    if as_json:
        print_json(
            {
                "token": id_text(token),
                "owner": id_text(owner),
                "grants": texts,
                "expires_at_ms": expires_at_ms,
                "commitment": commitment.hex(),
            }
            | sent.to_json()
        )
        return
    out = stdout()
    out.print(f"token   {id_text(token)}")
    out.print(f"owner   {id_text(owner)}")
    out.print(f"grants  {escape(', '.join(texts))}")
    out.print(f"expires {utc_text(expires_at_ms)}")
    out.print(f"[dim]what it is committed to is kept in {escape(str(home.token_secrets))} (mode 0600)[/]")
    chain_access.print_sent((sent,))


def certainly_not_done(problem: BaseException) -> bool:
    """Whether a transaction that ended so has changed nothing, now and later."""
    from daas_chain.network.errors import OutcomeUnknownError
    from daas_chain.network.failure import TransactionFailedError

    return isinstance(problem, TransactionFailedError) or (
        isinstance(problem, Exception) and not isinstance(problem, OutcomeUnknownError)
    )


@app.command("revoke")
def revoke(
    token: Annotated[str, typer.Argument(metavar="TOKEN", help="Its id, as `daas token list` shows it.")],
    network: NetworkOption = None,
    ca: CaOption = None,
    key: KeyOption = None,
    gas: GasOption = DEFAULT_GAS,
    as_json: JsonFlag = False,
) -> None:
    """Take a token back, as the cluster's admin: it counts no longer from this transaction on."""
    wanted = object_id(token, "TOKEN")
    asked = Asked.of(network, ca, key, gas, as_json)
    from daas_chain.calls import clusters

    from . import chain_access

    async def body(chain: Deployed) -> Sent:
        by = await chain.admin()
        return await chain.send(
            "revoke a token", lambda commands: clusters.revoke_token(chain.contract, commands, by, wanted)
        )

    sent = chain_access.run_deployed(asked, body)
    if as_json:
        print_json({"token": id_text(wanted), "revoked": True} | sent.to_json())
        return
    stdout().print(f"token {id_text(wanted)} is revoked")
    chain_access.print_sent((sent,))


@app.command("list")
def list_(
    owner: OwnerOption = None, network: NetworkOption = None, ca: CaOption = None, as_json: JsonFlag = False
) -> None:
    """List tokens with their grants, and whether they count."""
    wanted = None if owner is None else object_id(owner, "--owner")
    from . import chain_access, chain_reads

    async def body(chain: Deployed) -> tuple[list[Token], int]:
        found = [one async for one in chain_reads.tokens(chain)]
        kept = [one for one in found if wanted is None or (one.token is not None and one.token.owner == wanted)]
        return sorted(kept, key=lambda one: one.id), await chain.now_ms()

    found, now_ms = chain_access.run_deployed(Asked.of(network, ca, quiet=as_json), body)
    if as_json:
        print_json({"tokens": [_row(one, now_ms) for one in found], "chain_time_ms": now_ms})
        return
    out = stdout()
    for one in found:
        row = _row(one, now_ms)
        colour = "green" if row["state"] == "valid" else "red"
        out.print(f"{row['token']} [{colour}]{row['state']}[/]")
        if one.token is not None:
            left = one.token.expires_at_ms - now_ms
            until = f"{duration_text(left)} left" if left > 0 else "over"
            out.print(f"  owner {row['owner']}")
            out.print(f"  {escape(', '.join(row['grants']))}; until {utc_text(one.token.expires_at_ms)} ({until})")
    if not found:
        out.print(f"no tokens; give one out with `{program()} token issue`")


def _row(one: Token, now_ms: int) -> dict[str, Any]:
    if one.token is None:
        state = "surrendered"
    elif one.revoked:
        state = "revoked"
    else:
        state = "valid" if one.token.expires_at_ms > now_ms else "expired"
    return {
        "token": id_text(one.id),
        "state": state,
        "owner": None if one.token is None else id_text(one.token.owner),
        "grants": [] if one.token is None else [_grant_text(grant) for grant in one.token.grants],
        "commitment": None if one.token is None else one.token.commitment.hex(),
        "expires_at_ms": None if one.token is None else one.token.expires_at_ms,
    }


def _grant_text(grant: Any) -> str:
    try:
        return str(grant.grant())
    except ValueError:
        return "?"


def parse_grants(texts: list[str]) -> list[str]:
    """Raises UnreadableError for one that the contract would not take."""
    if not 1 <= len(texts) <= MAX_GRANTS:
        raise UnreadableError(f"a token has 1 to {MAX_GRANTS} grants, not {len(texts)}", "make a second token")
    try:
        return [str(parse_grant(text)) for text in texts]
    except GrantError as problem:
        raise UnreadableError(str(problem), "for example pods:read, or deployments.apps:write@prod") from None


def new_secret(home: Home, owner: bytes, random: Callable[[int], bytes] = os.urandom) -> tuple[bytes, Path]:
    """A commitment, and the file that now holds what it commits to."""
    secret = random(SECRET_BYTES)
    commitment = hashlib.sha256(secret).digest()
    home.token_secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.token_secrets.chmod(0o700)
    path = home.token_secrets / f"{commitment.hex()}.json"
    if path.exists():
        raise RefusedError("this machine's random numbers repeat themselves", "find out why before you make secrets")
    document = {"version": 1, "owner": id_text(owner), "commitment": commitment.hex(), "secret": secret.hex()}
    write_atomic(path, json.dumps(document, indent=1).encode() + b"\n", 0o600)
    return commitment, path

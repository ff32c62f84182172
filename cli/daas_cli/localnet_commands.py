"""`daas localnet`: the embedded development network, and coins from its faucet."""

from __future__ import annotations

import errno
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from daas_attestation.anchor import MAX_ROOT_PEM_BYTES, AnchorError, AwsAnchor, DevelopmentAnchor, TrustAnchor
from daas_chain import artifacts
from daas_chain.sui import base58
from daas_protocol.sui import SuiAddressError, format_address, parse_address

from . import faucet_client
from .errors import RefusedError, UnreadableError
from .output import JsonFlag, print_json, program, stdout

if TYPE_CHECKING:
    from daas_localnet.service import Ready, Service

RPC_PORT, FAUCET_PORT = 9000, 9123
MIST = 10**9
ADDRESS_CHARACTERS = 66
_NO_ADDRESS = (errno.EADDRNOTAVAIL, socket.EAI_NONAME, socket.EAI_AGAIN, socket.EAI_FAIL, socket.EAI_NODATA)

app = typer.Typer(
    help="An embedded Sui network for development: it runs the real compiled contract behind Sui's own gRPC API.\n\n"
    "One operator, who is every validator: its checkpoints are really signed and can be verified, and they prove "
    "nothing about anybody but whoever runs it. Its SUI is worth nothing.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


@app.command("run")
def run(
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="Keep the network in this folder. Without it all is in memory."),
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65_535, help="gRPC (sui.rpc.v2); 0: a free one.")
    ] = RPC_PORT,
    faucet_port: Annotated[
        int, typer.Option("--faucet-port", min=0, max=65_535, help="HTTP: faucet, health, metrics; 0: a free one.")
    ] = FAUCET_PORT,
    checkpoint_ms: Annotated[
        int, typer.Option("--checkpoint-ms", min=10, max=60_000, help="Between checkpoints when something happens.")
    ] = 200,
    idle_ms: Annotated[
        int, typer.Option("--idle-ms", min=10, max=3_600_000, help="Between checkpoints when nothing happens.")
    ] = 1_000,
    epoch_ms: Annotated[
        int | None, typer.Option("--epoch-ms", min=1_000, help="Length of an epoch. Without it there is one epoch.")
    ] = None,
    validators: Annotated[
        int, typer.Option("--validators", min=1, max=100, help="Members of the committee; fixed at the first start.")
    ] = 4,
    nitro_root: Annotated[
        Path | None,
        typer.Option(
            "--nitro-root",
            metavar="FILE",
            help="PEM file: the root that attestation documents must chain to, for example a development CA's. Fixed "
            "at the first start. Without it the root of AWS Nitro Enclaves, as on every public network.",
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Run a network in the foreground until Ctrl-C; its log goes to standard error.

    Prints, once both ports are open, where it is and the anchor that a light client of it begins with (with --json as
    one document). Point pysui at the gRPC port; get coins with [bold]daas localnet faucet[/].
    """
    anchor = _anchor(nitro_root)
    # Here, because gRPC and the virtual machine take half a second that no other command should wait for.
    import uvloop

    from daas_localnet import service
    from daas_localnet.node.errors import NodeError
    from daas_localnet.opening import FolderError, Options
    from daas_localnet.rpc.server import Pace

    wanted = service.Service(
        Options(data, validators, anchor, epoch_ms),
        host,
        port,
        faucet_port,
        Pace(checkpoint_ms / 1_000, idle_ms / 1_000),
    )
    service.configure_logs()
    try:
        compiled = artifacts.load()
        uvloop.run(service.run(wanted, compiled, lambda ready: _announce(wanted, ready, as_json=as_json)))
    except artifacts.ArtifactsError as problem:
        raise UnreadableError(str(problem), "run `make setup` in the checkout, or `daas move build`") from None
    except FolderError as problem:
        raise UnreadableError(str(problem)) from None
    except NodeError as problem:
        raise RefusedError(str(problem), "give the settings that it was made with, or another --data folder") from None
    except OSError as problem:
        if problem.filename is not None:
            raise
        advice = "choose an address of this machine (--host)" if problem.errno in _NO_ADDRESS else "choose other ports"
        raise UnreadableError(f"cannot listen at {host}: {problem.strerror}", advice) from None


def _anchor(path: Path | None) -> TrustAnchor:
    if path is None:
        return AwsAnchor()
    try:
        with path.open("rb") as file:
            data = file.read(MAX_ROOT_PEM_BYTES + 1)
        return DevelopmentAnchor.from_pem(data)
    except OSError as problem:
        raise UnreadableError(
            f"cannot read {path}: {problem.strerror}", "name a PEM file with one certificate"
        ) from None
    except AnchorError as problem:
        raise UnreadableError(f"{path}: {problem}", "name a PEM file with one self-signed certificate") from None


def _announce(wanted: Service, ready: Ready, *, as_json: bool) -> None:
    from daas_chain.light.committee import Committee

    network = ready.opened.network
    epoch = network.epoch()
    assert epoch is not None
    known = {
        "rpc": f"http://{_in_url(wanted.host)}:{ready.port}",
        "faucet": None if ready.faucet_port is None else f"http://{_in_url(wanted.host)}:{ready.faucet_port}",
        "chain_id": base58.encode(network.chain_id),
        "epoch": epoch.number,
        "checkpoint": network.latest.number,
        "validators": len(epoch.committee.members),
        "committee_anchor": Committee.from_record(epoch.committee).anchor.hex(),
        "nitro_anchor": wanted.options.nitro_anchor.kind,
        "nitro_root_sha256": wanted.options.nitro_anchor.root_sha256.hex(),
        "data": None if wanted.options.folder is None else str(wanted.options.folder.absolute()),
    }
    if as_json:
        print_json(known)
        sys.stdout.flush()
        return
    out = stdout()
    out.print("[bold]local network[/], for development: one operator is all its validators, its SUI is worth nothing")
    out.print(f"gRPC        {known['rpc']}")
    out.print(f"faucet      {known['faucet']}")
    out.print(f"chain       {known['chain_id']}, epoch {epoch.number}, checkpoint {network.latest.number}")
    out.print(f"committee   {known['validators']} validators, anchor {known['committee_anchor']}")
    out.print(f"attestation {known['nitro_anchor']}, root {known['nitro_root_sha256']}")
    out.print(f"data        {escape(str(known['data'])) if known['data'] else 'in memory: gone when this ends'}")
    out.print(f"[dim]coins: {escape(program())} localnet faucet ADDRESS; Ctrl-C stops the network[/]")
    sys.stdout.flush()


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


@app.command("faucet")
def faucet(
    address: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="0x and 64 hex digits; `daas key list` shows yours.")
    ],
    url: Annotated[
        str, typer.Option("--url", metavar="URL", help="Where the network has its faucet.")
    ] = f"http://127.0.0.1:{FAUCET_PORT}",
    as_json: JsonFlag = False,
) -> None:
    """Get coins for an address from the faucet of a running local network (or of another one of the same format)."""
    try:
        recipient = parse_address(address)
    except SuiAddressError as problem:
        raise UnreadableError(f"{address}: {problem}", "an address is 0x and 64 hex digits") from None
    if len(address) != ADDRESS_CHARACTERS:
        # Sui fills short ones up with zeros; a digit that was lost in copying would make another address.
        raise UnreadableError(f"{address} is short", "an address is 0x and 64 hex digits")
    given = faucet_client.ask_coins(url, recipient)
    if as_json:
        print_json(
            {
                "address": format_address(recipient),
                "transaction": given.transaction,
                "coins": [{"id": object_id, "mist": amount} for object_id, amount in given.coins],
            }
        )
        return
    total = sum(amount for _, amount in given.coins)
    stdout().print(f"{total / MIST:,.9g} SUI in {len(given.coins)} coins for {format_address(recipient)}")
    stdout().print(f"[dim]transaction {escape(given.transaction)}[/]")

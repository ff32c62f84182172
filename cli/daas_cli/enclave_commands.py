"""`daas enclave create | register | status`: an operator's slot on chain, and the boot that serves in it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from daas_attestation.anchor import AwsAnchor, TrustAnchor
from daas_attestation.errors import AttestationError, RootError
from daas_attestation.expectation import BindingExpectation
from daas_attestation.moment import utc_text

from . import context
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
    sui_text,
)
from .errors import RefusedError
from .output import JsonFlag, print_json, program, stdout
from .receipt_inputs import load_document
from .trust import AWS, anchor_text, load_anchor, read_file

if TYPE_CHECKING:
    from daas_chain.objects import Enclave
    from daas_chain.values import Boot

    from .chain_access import Deployed, Sent

REQUEST_KEY_BYTES: Final = 1_216
EnclaveOption = Annotated[
    str | None, typer.Option("--enclave", metavar="ID", help="The slot. Default: the deployment's.")
]


def add_to(app: typer.Typer) -> None:
    """Adds the commands to the group `enclave`."""
    app.command("create")(create)
    app.command("register")(register)
    app.command("status")(status)


def create(
    replace: Annotated[
        bool, typer.Option("--replace", help="Make another slot though the deployment record names one.")
    ] = False,
    network: NetworkOption = None,
    ca: CaOption = None,
    key: KeyOption = None,
    gas: GasOption = DEFAULT_GAS,
    as_json: JsonFlag = False,
) -> None:
    """Make an empty slot, as an operator whom the cluster's admin has admitted; it goes into the deployment record.

    A slot outlives its enclaves: each boot registers into it, and takes over its mailbox. It needs a stake:
    [bold]daas stake deposit AMOUNT --role operator[/].
    """
    asked = Asked.of(network, ca, key, gas, as_json)
    from daas_chain.calls import slots

    from . import chain_access
    from .chain_setup import created

    async def body(chain: Deployed) -> tuple[Sent, bytes]:
        if chain.record.enclave is not None and not replace:
            raise RefusedError(
                f"the deployment record has slot {id_text(chain.record.enclave)}", "give --replace for another one"
            )
        sent = await chain.send(
            "create a slot", lambda commands: slots.create(chain.contract, commands, chain.record.cluster)
        )
        enclave = (await created(chain.network, sent.executed))["Enclave"]
        chain.record.with_enclave(enclave).store(chain.home.deployment)
        return sent, enclave

    sent, enclave = chain_access.run_deployed(asked, body)
    if as_json:
        print_json({"enclave": id_text(enclave)} | sent.to_json())
        return
    stdout().print(f"slot {id_text(enclave)}")
    stdout().print(f"[dim]next: {program()} stake deposit AMOUNT --role operator[/]")
    chain_access.print_sent((sent,))


def register(
    document: Annotated[
        Path, typer.Option("--document", metavar="FILE", help="Attestation document of the boot: raw, hex or base64.")
    ],
    request_key: Annotated[
        Path, typer.Option("--request-key", metavar="FILE", help="Its public request key: 1,216 raw bytes.")
    ],
    root: Annotated[
        str | None,
        typer.Option("--root", help="'aws', or a PEM file. Default: this instance's development root, else aws."),
    ] = None,
    enclave: EnclaveOption = None,
    network: NetworkOption = None,
    ca: CaOption = None,
    key: KeyOption = None,
    gas: GasOption = DEFAULT_GAS,
    as_json: JsonFlag = False,
) -> None:
    """Register a boot from its attestation document, as the slot's operator; the boot before it ends.

    The host of a running enclave does this by itself; here it is done by hand. The document must be fresh, and made for
    this package, cluster, slot and the slot's generation. A simulated anchor is refused for any node that is not on
    this machine, before anything is signed.
    """
    data = load_document(document)
    public = read_file(request_key)
    if len(public) != REQUEST_KEY_BYTES:
        raise RefusedError(f"a request key has {REQUEST_KEY_BYTES} bytes, not {len(public)}", "check --request-key")
    slot_id = None if enclave is None else object_id(enclave, "--enclave")
    home = context.home()
    anchor = load_anchor(home, root) or AwsAnchor()
    asked = Asked.of(network, ca, key, gas, as_json)
    from daas_chain.calls import slots

    from . import chain_access, chain_reads

    async def body(chain: Deployed) -> tuple[Sent, Enclave]:
        slot = chain.slot(slot_id)
        before = await chain_reads.enclave(chain, slot.enclave)
        expected = BindingExpectation(chain.record.original, chain.record.cluster, slot.enclave)
        _judge(data, public, anchor, before.generation, expected, chain.network.endpoint.host)
        sent = await chain.send(
            "register the boot", lambda commands: slots.register(chain.contract, commands, slot, data, public)
        )
        return sent, await chain_reads.enclave(chain, slot.enclave)

    sent, after = chain_access.run_deployed(asked, body)
    if as_json:
        print_json(_json(after) | {"anchor": anchor.kind} | sent.to_json())
        return
    _print(after, None)
    stdout().print(f"trust anchor: {anchor_text(anchor.kind)}")
    chain_access.print_sent((sent,))


def _judge(
    document: bytes, public: bytes, anchor: TrustAnchor, generation: int, expected: BindingExpectation, host: str
) -> None:
    """Raises RefusedError for a document that this slot would not take, or that only pretends to be of hardware."""
    from daas_gateway import receipts

    nonce = bytes(24) + generation.to_bytes(8, "big")
    try:
        found = receipts.verify_at_its_time(document, anchor, None, nonce, expected)
    except RootError as problem:
        raise RefusedError(
            f"the document's trust anchor is not {anchor.kind}: {problem}",
            "a simulated enclave registers on a local network alone, with --root and its development root",
        ) from None
    except AttestationError as problem:
        raise RefusedError(f"the document is refused: {problem}", "get a new one from the enclave") from None
    assert found.binding is not None
    if found.binding.request_key_sha256 != hashlib.sha256(public).digest():
        raise RefusedError("the document is bound to another request key", "give the key of the same boot")
    if anchor.kind != AwsAnchor.kind and host not in ("127.0.0.1", "::1", "localhost"):
        raise RefusedError(
            f"the trust anchor is {anchor_text(anchor.kind)}; a network elsewhere knows only {AWS}",
            "register an enclave on Nitro hardware, or use a local network",
        )


def status(
    enclave: EnclaveOption = None, network: NetworkOption = None, ca: CaOption = None, as_json: JsonFlag = False
) -> None:
    """Show the slot as the chain has it: its boot, mailbox, earnings. `daas status` shows the running instance."""
    slot_id = None if enclave is None else object_id(enclave, "--enclave")
    from . import chain_access, chain_reads

    async def body(chain: Deployed) -> tuple[Enclave, int]:
        return await chain_reads.enclave(chain, chain.slot(slot_id).enclave), await chain.now_ms()

    found, now_ms = chain_access.run_deployed(Asked.of(network, ca, quiet=as_json), body)
    if as_json:
        print_json(_json(found) | {"chain_time_ms": now_ms})
        return
    _print(found, now_ms)


def _boot_json(boot: Boot) -> dict[str, Any]:
    return {
        "boot_id": boot.boot_id.hex(),
        "generation": boot.generation,
        "receipt_key": boot.public_key.hex(),
        "policy_version": boot.policy_version,
        "attested_at_ms": boot.attested_at_ms,
        "expires_at_ms": boot.expires_at_ms,
        "log_size": boot.log_size,
        "log_root": boot.log_root.hex(),
    }


def _json(found: Enclave) -> dict[str, Any]:
    return {
        "enclave": id_text(found.id),
        "operator": id_text(found.operator),
        "generation": found.generation,
        "boot": None if found.current is None else _boot_json(found.current),
        "request_key_id": found.request_key_id,
        "pending": found.mailbox.pending.size,
        "ended": found.mailbox.ended.size,
        "next_seq": found.mailbox.next_seq,
        "revision": found.revision,
        "earnings_mist": found.earnings,
    }


def _print(found: Enclave, now_ms: int | None) -> None:
    out = stdout()
    out.print(f"slot      {id_text(found.id)}, generation {found.generation}")
    out.print(f"operator  {id_text(found.operator)}, earned {sui_text(found.earnings)}")
    boot = found.current
    if boot is None:
        out.print("boot      [red]none[/]: the slot takes no requests")
    else:
        left = "" if now_ms is None else f", {duration_text(max(0, boot.expires_at_ms - now_ms))} left"
        out.print(f"boot      {boot.boot_id.hex()}, policy {boot.policy_version}")
        out.print(f"          attested {utc_text(boot.attested_at_ms)}, until {utc_text(boot.expires_at_ms)}{left}")
        out.print(f"          receipt key {boot.public_key.hex()}")
    pending, ended = found.mailbox.pending.size, found.mailbox.ended.size
    out.print(f"mailbox   {pending} pending, {ended} ended, next number {found.mailbox.next_seq}")

"""`daas key`: the user's Sui Ed25519 keys. Secrets are read from a file or standard input, never from the arguments."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from daas_gateway import user_keys
from daas_gateway.user_keys import KeyInfo, UserKeyError
from daas_protocol.private_files import PrivateFileExposed

from . import context
from .errors import RefusedError, UnreadableError
from .output import JsonFlag, print_json, program, stdout

MAX_TEXT = 4096

app = typer.Typer(help="Sui Ed25519 keys of yours that sign sessions (files of mode 0600).", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Name of the key; letters, digits, '.', '_' and '-'.")]


def _show(info: KeyInfo, *, as_json: bool) -> None:
    if as_json:
        print_json({"name": info.name, "address": info.address, "path": str(info.path)})
        return
    stdout().print(f"key     {escape(info.name)}\naddress {info.address}\nfile    {escape(str(info.path))} (mode 0600)")
    if info.name != "default":
        stdout().print(
            f"[dim]To sign with it: `key: {escape(info.name)}` in daas.yaml, a token for its address in policy.yaml.[/]"
        )


@app.command("new")
def new(name: Name = "default", as_json: JsonFlag = False) -> None:
    """Make a new key. Its private half stays in the file and is never shown."""
    try:
        info = user_keys.new_key(context.home().keys, name)
    except UserKeyError as problem:
        raise RefusedError(str(problem), f"see `{program()} key list`") from None
    _show(info, as_json=as_json)


@app.command("import")
def import_(
    name: Name,
    source: Annotated[
        Path | None, typer.Option("--file", help="File with the private key; without it standard input is read.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Import a key: suiprivkey1..., 64 hex digits, or an Ed25519 entry of sui.keystore.

    The key is read from --file or standard input, never from the command line, where others could see it:
    [bold]sui keytool export --key-identity NAME --json | jq -r .exportedPrivateKey | daas key import NAME[/]
    """
    try:
        if source is not None:
            with source.open() as file:
                text = file.read(MAX_TEXT)
        else:
            if sys.stdin.isatty():
                text = typer.prompt("Private key (not shown)", hide_input=True)
            else:
                text = sys.stdin.read(MAX_TEXT)
    except (OSError, UnicodeDecodeError) as problem:
        raise UnreadableError(
            f"the key cannot be read: {type(problem).__name__}", "name a text file with --file"
        ) from None
    try:
        info = user_keys.import_key(context.home().keys, name, text)
    except user_keys.KeyTextInvalid as problem:
        raise UnreadableError(str(problem), "paste the key as `sui keytool export` prints it") from None
    except UserKeyError as problem:
        raise RefusedError(str(problem), f"see `{program()} key list`") from None
    _show(info, as_json=as_json)


@app.command("list")
def list_(as_json: JsonFlag = False) -> None:
    """List the keys with their addresses; private halves are not shown."""
    folder = context.home().keys
    try:
        keys = user_keys.list_keys(folder)
    except (UserKeyError, PrivateFileExposed) as problem:
        raise UnreadableError(str(problem), "correct the file that is named") from None
    if as_json:
        print_json({"keys": [{"name": key.name, "address": key.address, "path": str(key.path)} for key in keys]})
        return
    if not keys:
        stdout().print(f"no keys in {escape(str(folder))}; make one with `{program()} key new`")
        return
    table = Table("NAME", "ADDRESS", box=None, pad_edge=False)
    for key in keys:
        table.add_row(escape(key.name), key.address)
    stdout().print(table)

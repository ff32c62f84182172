"""Commands that become another program: single components in the foreground, and kubectl with the right kubeconfig."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from . import binaries, context, doctor
from .errors import UnreachableError, UnreadableError

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="Configuration file (JSON); default: the instance's own, written by `daas up`."),
]


def become(argv: list[str], environment: dict[str, str] | None = None) -> None:
    """Replaces this process, so that signals and exit codes are the program's own."""
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execvpe(argv[0], argv, environment or dict(os.environ))  # noqa: S606  (no shell is the point)
    except OSError as problem:
        raise UnreadableError(f"cannot run {argv[0]}: {problem.strerror}", "see what `daas doctor` says") from None


def _component(name: str, config: Path | None) -> None:
    chosen = config if config is not None else context.home().component_config(name)
    if not chosen.is_file():
        raise UnreadableError(
            f"there is no configuration {chosen}", "run `daas up` once, which writes it, or name one with --config"
        )
    become([sys.executable, "-P", "-m", f"daas_{name}", str(chosen.absolute())])


gateway = typer.Typer(help="The endpoint that kubectl talks to.", no_args_is_help=True)
host = typer.Typer(help="The untrusted machine around the enclave.", no_args_is_help=True)
enclave = typer.Typer(
    help="What runs inside the TEE, and its slot on chain.", no_args_is_help=True, rich_markup_mode="rich"
)


@gateway.command("run")
def gateway_run(config: ConfigOption = None) -> None:
    """Run a gateway in the foreground; its log goes to standard error. Ctrl-C stops it."""
    _component("gateway", config)


@host.command("run")
def host_run(config: ConfigOption = None) -> None:
    """Run a host in the foreground; it launches the enclave and carries its bytes. Ctrl-C stops both."""
    _component("host", config)


@enclave.command("run")
def enclave_run(config: ConfigOption = None) -> None:
    """Run an enclave in the foreground (process mode: an ordinary process with a simulated NSM)."""
    _component("enclave", config)


def kubectl(context_: typer.Context) -> None:
    """Run kubectl against this instance: [bold]daas kubectl get namespaces[/].

    Your own kubectl is used where there is one, else the one inside the control-plane binary. The same without this
    wrapper: run the line that `daas kubeconfig` prints, then kubectl.
    """
    home = context.home()
    if not home.kubeconfig.is_file():
        raise UnreachableError(f"there is no kubeconfig in {home.root}", "start the instance: `daas up`")
    own = doctor.own_kubectl()
    if own is not None:
        argv = [own, *context_.args]
    else:
        server, _ = binaries.control_plane(context.load_settings(home).control_plane)
        argv = [str(server.path), "kubectl", *context_.args]
    become(argv, {**os.environ, "KUBECONFIG": str(home.kubeconfig)})


def add_to(app: typer.Typer) -> None:
    """Puts the commands of this module into `app`."""
    app.command(
        "kubectl",
        add_help_option=False,
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    )(kubectl)
    app.add_typer(gateway, name="gateway")
    app.add_typer(host, name="host")
    app.add_typer(enclave, name="enclave")

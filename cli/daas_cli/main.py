"""The `daas` command: assembles the commands, and turns every expected failure into a message and an exit code."""

from __future__ import annotations

import sys

import typer

from . import (
    apply_command,
    attestation_commands,
    bench_commands,
    checkpoint_commands,
    cluster_commands,
    enclave_commands,
    instance_commands,
    key_commands,
    localnet_commands,
    move_commands,
    publish_command,
    receipt_commands,
    request_commands,
    run_commands,
    session_commands,
    slash_commands,
    stake_commands,
    token_commands,
)
from .errors import CliError, ExitCode, UnreadableError
from .output import print_error

HELP = """A Kubernetes control plane inside an attested enclave, used with an ordinary kubectl.

Every answer carries a receipt that the gateway on this machine verifies against the enclave's attestation before
kubectl sees it. Start with [bold]daas up[/], then run the line that it prints, then use kubectl as always.

State is in $DAAS_HOME (default ~/.local/state/daas); two instances with two folders run side by side.
Exit codes: 0 done or accepted, 1 refused or failed, 2 a file or an option is wrong, 3 unreachable.
"""

app = typer.Typer(
    name="daas",
    help=HELP,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
instance_commands.add_to(app)
run_commands.add_to(app)
app.command("apply")(apply_command.apply)
app.add_typer(key_commands.app, name="key")
app.add_typer(receipt_commands.app, name="receipt")
app.add_typer(attestation_commands.app, name="attestation")
app.add_typer(checkpoint_commands.app, name="checkpoint")
app.add_typer(move_commands.app, name="move")
app.add_typer(localnet_commands.app, name="localnet")
app.add_typer(cluster_commands.app, name="cluster")
app.add_typer(token_commands.app, name="token")
app.add_typer(stake_commands.app, name="stake")
app.add_typer(request_commands.app, name="request")
app.add_typer(session_commands.app, name="session")
app.add_typer(slash_commands.app, name="slash")
app.add_typer(bench_commands.app, name="bench")
publish_command.add_to(move_commands.app)
enclave_commands.add_to(run_commands.enclave)


def main() -> None:
    """The console script."""
    as_json = "--json" in sys.argv[1:]
    try:
        app()
    except CliError as problem:
        print_error(problem, as_json=as_json)
        sys.exit(int(problem.code))
    except BrokenPipeError:
        # The reader (head, less) has gone; nothing is wrong. Python would complain once more while it ends.
        sys.stderr.close()
        sys.exit(int(ExitCode.DONE))
    except OSError as problem:
        where = f"{problem.filename}: " if problem.filename else ""
        failed = UnreadableError(
            f"{where}{problem.strerror or problem}",
            "check the path, its owner and the disk, then try again",
        )
        print_error(failed, as_json=as_json)
        sys.exit(int(failed.code))


if __name__ == "__main__":
    main()

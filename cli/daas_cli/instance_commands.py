"""Commands about the instance as a whole: up, down, status, logs, kubeconfig, doctor."""

from __future__ import annotations

import itertools
import os
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from . import context, doctor, lifecycle, report, up
from . import status as status_module
from .errors import ExitCode, RefusedError, UnreachableError
from .home import Home
from .output import JsonFlag, Progress, print_json, program, stdout
from .tail import follow, last_lines, readable


def up_command(
    timeout: Annotated[
        float, typer.Option(help="Seconds to wait until the instance is attested and serving.", min=1)
    ] = up.READY_SECONDS,
    as_json: JsonFlag = False,
) -> None:
    """Start a control plane in an enclave on this machine, with host and gateway, in the background.

    Makes what is missing (key, policy, development CA, measurements, configuration), starts everything, waits until
    the enclave has been attested and serves, and makes a first real request. When it runs already, says so. If any
    step fails, everything that was started is stopped again.
    """
    home = context.home()
    result = up.up(home, context.load_settings(home), Progress(quiet=as_json), ready_seconds=timeout)
    if as_json:
        print_json(report.up_json(result))
    else:
        report.print_up(result)


def down_command(
    purge: Annotated[
        bool, typer.Option("--purge", help="Also remove the instance's state, your keys included.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before --purge removes anything.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Stop the instance: its processes and sockets go, its state stays until --purge."""
    home = context.home()
    if purge and not yes:
        question = f"Remove {home.root} with everything in it: cluster state, receipts, policy and keys?"
        if as_json or not typer.confirm(question, default=False):
            raise RefusedError("nothing was stopped or removed", "answer yes, or give --yes")
    was_running, killed = up.stop(home, purging=purge)
    left = up.purge(home) if purge else []
    if as_json:
        print_json({"stopped": was_running, "killed": killed, "purged": purge, "left": left})
        return
    console = stdout()
    console.print("stopped" if was_running else "nothing was running")
    if killed:
        console.print(f"[yellow]{killed} processes did not stop in time and were killed[/]")
    if purge:
        console.print(f"removed the instance's state in {escape(str(home.root))}")
        if left:
            console.print(f"[yellow]left there, because daas did not make it: {escape(', '.join(left))}[/]")
    elif home.root.is_dir():
        console.print(
            f"[dim]its state is kept in {escape(str(home.root))}: `{program()} up` goes on with it, "
            f"`{program()} down --purge` removes it[/]"
        )


def status_command(as_json: JsonFlag = False) -> None:
    """Show phase, trust anchor, measurements, receipt key, receipts, log and components.

    What the enclave says is read through the gateway, with a verified receipt. Exit code 3 when the instance cannot be
    reached; what is known of it is shown all the same.
    """
    home = context.home()
    seen = status_module.read(home)
    if as_json:
        print_json(status_module.as_json(seen))
    else:
        report.print_status(seen)
    if not seen.reachable:
        raise typer.Exit(int(ExitCode.UNREACHABLE))


class LogName(str, Enum):
    """The logs of an instance."""

    ENCLAVE = "enclave"
    HOST = "host"
    GATEWAY = "gateway"
    ETCD = "etcd"
    SERVER = "server"


def log_file(home: Home, name: LogName) -> Path:
    """etcd's and the server's logs are kept by the enclave's supervisor, the others by host and `daas up`."""
    if name in (LogName.ETCD, LogName.SERVER):
        return home.enclave / "logs" / f"{name.value}.log"
    return lifecycle.log_path(home, name.value)


def logs_command(
    name: Annotated[LogName, typer.Argument(help="Whose log.")],
    following: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is written from now on.")] = False,
    count: Annotated[int, typer.Option("--lines", "-n", help="How many of the last lines.", min=0)] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="The lines as they are in the file (JSON lines).")] = False,
) -> None:
    """Show the end of a component's log, and with -f what follows, across rotation."""
    home = context.home()
    path = log_file(home, name)
    if not path.exists() and not following:
        raise UnreachableError(f"there is no log {path}", f"start the instance: `{program()} up`")
    # Opened before the end is shown, so that nothing between the two is lost.
    stream = follow(path)
    shown = iter(last_lines(path, count))
    try:
        for line in itertools.chain(shown, stream if following else ()):
            print(line if as_json else readable(line), flush=following)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def kubeconfig_command(
    only_path: Annotated[bool, typer.Option("--path", help="Print only the path of the file.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Write the kubeconfig (mode 0600) and print the line that makes kubectl use it.

    It holds a credential for this instance's gateway: whoever can read the file acts as you there.
    """
    home = context.home()
    known = context.existing(home)
    up.write_own_kubeconfig(home, known)
    if as_json:
        print_json({"path": str(home.kubeconfig), "server": known.gateway_url})
    elif only_path:
        print(home.kubeconfig)
    else:
        print(report.export_line(home))


def doctor_command(as_json: JsonFlag = False) -> None:
    """Say what this machine lacks to build and run an instance, each with one line that mends it."""
    found = doctor.examine(context.home(), os.environ)
    missing = [finding for finding in found if finding.level is doctor.Level.MISSING]
    if as_json:
        print_json(
            {
                "ok": not missing,
                "findings": [
                    {"level": item.level.value, "name": item.name, "detail": item.detail, "fix": item.fix}
                    for item in found
                ],
            }
        )
    else:
        report.print_findings(found)
    if missing:
        raise typer.Exit(int(ExitCode.REFUSED))


def add_to(app: typer.Typer) -> None:
    """Puts the commands of this module into `app`."""
    app.command("up")(up_command)
    app.command("down")(down_command)
    app.command("status")(status_command)
    app.command("logs")(logs_command)
    app.command("kubeconfig")(kubeconfig_command)
    app.command("doctor")(doctor_command)

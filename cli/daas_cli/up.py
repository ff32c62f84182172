"""`daas up`: from an empty folder to a control plane that has answered a first request with a verified receipt."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import FrameType
from typing import TYPE_CHECKING

from daas_attestation import measurements
from daas_attestation.development_ca import DevelopmentCa, DevelopmentCaError
from daas_gateway import user_keys
from daas_gateway.credential import ensure_credential
from daas_gateway.kubeconfig import kubeconfig_text, write_kubeconfig
from daas_gateway.local_tls import ensure_local_tls
from daas_protocol.binding import policy_file_anchor
from daas_protocol.state_files import write_atomic
from daas_protocol.sui import format_address

from . import binaries, instance, launch_files, lifecycle, measuring, processes
from .errors import CliError, RefusedError, UnreachableError, UnreadableError
from .gateway_client import GatewayClient, GatewayView, explain, mapping
from .home import Home
from .instance import Instance
from .launch_files import ChainInputs, LaunchInputs, Program
from .output import Progress
from .tail import last_lines, readable

if TYPE_CHECKING:
    from .settings import Settings

READY_SECONDS = 180.0
"""A control plane is up in about 10 s on two cores; the rest is for machines that are busy."""
POLL_SECONDS = 0.2
FIRST_REQUEST = "/api/v1/namespaces"
MAX_CRASHES = 3
"""An enclave that crashed this often in a row does not come up."""


@dataclass(frozen=True, slots=True)
class UpResult:
    """What `daas up` reports."""

    home: Home
    instance: Instance
    already_running: bool
    namespaces: int
    view: GatewayView
    seconds: float


def require_linux() -> None:
    """Raises RefusedError where the control plane cannot run."""
    if not sys.platform.startswith("linux"):
        raise RefusedError(
            f"the control plane needs Linux, this is {sys.platform}",
            "use a gateway here (`daas gateway run`) against a host elsewhere, or run `daas up` on Linux",
        )


def up(home: Home, settings: Settings, progress: Progress, *, ready_seconds: float = READY_SECONDS) -> UpResult:
    """Starts what is not running. On any failure everything that was started is stopped again.

    Raises CliError.
    """
    require_linux()
    began = time.monotonic()
    home.create()
    with instance.locked(home), _interruptible():
        known = instance.load(home)
        now = lifecycle.running(home)
        if known is not None and now.all:
            client = GatewayClient(home, known)
            _wait_ready(home, client, lambda: None, progress, ready_seconds)
            namespaces, view = first_request(client)
            return UpResult(home, known, True, namespaces, view, time.monotonic() - began)
        if known is not None:
            # A gateway left from an instance whose host has died, or the reverse: both start anew, measured anew.
            lifecycle.stop(home, known)
            home.create()
        return _start(home, settings, progress, known, began, ready_seconds)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """A start that is told to end, or whose terminal closes, must undo itself as it does for Ctrl-C."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _start(
    home: Home, settings: Settings, progress: Progress, known: Instance | None, began: float, ready_seconds: float
) -> UpResult:
    with progress.step("Control-plane binary (compiled when the cache lacks it)"):
        server, etcd = binaries.control_plane(settings.control_plane)
    with progress.step("Keys, policy and measurements"):
        ground = prepare(home, settings, known, server, etcd)
    starter = lifecycle.Starter(home, ground.instance)
    sizes = {name: lifecycle.log_size(home, name) for name in ("localnet", "gateway", "host", "enclave")}
    inputs = ground
    try:
        if settings.chain.kind == "localnet":
            inputs = _on_localnet(ground, starter, progress)
        write_configs(inputs)
        with progress.step("Starting enclave (etcd, API server, controllers), host and gateway"):
            lifecycle.forget_host_state(home)
            starter.start("host")
            starter.start("gateway")
            client = GatewayClient(home, inputs.instance)
            _wait_ready(home, client, starter.check, progress, ready_seconds)
        with progress.step("First request through gateway, host and enclave, receipt verified"):
            namespaces, view = first_request(client)
    except BaseException as failure:
        details = _last_words(home, sizes) if isinstance(failure, CliError) else ()
        lifecycle.stop(home, ground.instance)
        if isinstance(failure, CliError):
            failure.details = failure.details or details
            failure.next_step = (
                failure.next_step or "everything was stopped again; the logs are kept: `daas logs enclave`"
            )
        raise
    return UpResult(home, inputs.instance, False, namespaces, view, time.monotonic() - began)


def prepare(
    home: Home, settings: Settings, known: Instance | None, server: Program, etcd: Program | None
) -> LaunchInputs:
    """What must exist before a process starts; what exists already is kept. Raises CliError."""
    chosen = known or instance.create(home, time.time_ns() // 1_000_000)
    chosen = instance.with_run_dir(instance.with_ports(chosen, settings.gateway.port), home)
    instance.save(home, chosen)
    try:
        owner = _key_address(home, settings.key)
        if not home.policy.exists():
            write_atomic(home.policy, launch_files.policy_text(chosen.token_id, owner).encode(), 0o600)
        if (home.development_ca / "root.pem").exists():
            # Said here and not in the enclave's log: an older checkout kept other files.
            DevelopmentCa.load(home.development_ca)
        else:
            DevelopmentCa.create(home.development_ca)
        write_own_kubeconfig(home, chosen)
        measured = measuring.measured_paths(server, etcd)
        measuring.write(home.measurements, measured, time.time_ns() // 1_000_000)
        inputs = LaunchInputs(
            home, chosen, settings, server, etcd, measured, policy_file_anchor(home.policy.read_bytes())
        )
    except (ValueError, DevelopmentCaError, OSError) as problem:
        raise UnreadableError(
            str(problem), "correct the file that is named, or start anew with `daas down --purge`"
        ) from None
    return inputs


def _on_localnet(ground: LaunchInputs, starter: lifecycle.Starter, progress: Progress) -> LaunchInputs:
    """Starts the local network and makes there what this instance needs. Raises CliError."""
    from daas_chain.light.committee import Committee

    from . import up_chain

    home, known = ground.home, ground.instance
    taken = frozenset((known.gateway_port, known.host_port))
    config = up_chain.write_localnet(home, taken)
    with progress.step("Starting the local network"):
        starter.start("localnet")
        up_chain.wait_for_network(config, starter.check, progress)
    newest = measurements.load(home.measurements)[-1]
    url = f"http://127.0.0.1:{config['port']}"
    made = up_chain.set_up(home, ground.settings.key, url, newest, config, progress)
    record = json.loads(made.record.to_json())
    chain = ChainInputs(record, made.committee, home.keys / f"{up_chain.OPERATOR}.json")
    return replace(
        ground,
        instance=up_chain.adopt(home, known, made),
        policy_anchor=Committee.from_bytes(made.committee).anchor,
        chain=chain,
    )


def write_configs(inputs: LaunchInputs) -> None:
    for name, config in (
        ("enclave", launch_files.enclave_config(inputs)),
        ("host", launch_files.host_config(inputs)),
        ("gateway", launch_files.gateway_config(inputs)),
    ):
        write_atomic(inputs.home.component_config(name), json.dumps(config, indent=1).encode() + b"\n", 0o600)


def write_own_kubeconfig(home: Home, known: Instance) -> None:
    """The kubeconfig for the instance's gateway, with CA and credential as they are now, mode 0600.

    Raises UnreadableError.
    """
    try:
        tls = ensure_local_tls(home.tls)
        token = ensure_credential(home.credential)
        write_kubeconfig(home.kubeconfig, kubeconfig_text(known.gateway_url, tls.ca_pem, token))
    except (ValueError, OSError) as problem:
        raise UnreadableError(str(problem), "correct the file that is named") from None


def _key_address(home: Home, name: str) -> str:
    path = home.keys / f"{name}.json"
    if not path.exists():
        if name != "default":
            raise UnreadableError(
                f"there is no key {name!r}", f"make it with `daas key new {name}`, or list them: `daas key list`"
            )
        return user_keys.new_key(home.keys, name).address
    return format_address(user_keys.load_key(path).address)


def _wait_ready(
    home: Home, client: GatewayClient, check: Callable[[], None], progress: Progress, seconds: float
) -> None:
    deadline = time.monotonic() + seconds
    reason = "the gateway does not listen yet"
    while time.monotonic() < deadline:
        check()
        crashed = lifecycle.host_state(home).get("enclave", {})
        if crashed.get("consecutive_crashes", 0) >= MAX_CRASHES:
            end = crashed.get("last_exit") or {}
            how = f"exit {end.get('code')}" if end.get("signal") is None else f"signal {end.get('signal')}"
            raise RefusedError(
                f"the enclave ended {MAX_CRASHES} times in a row ({how})",
                details=tuple(readable(line) for line in end.get("lines", ())[-lifecycle.LAST_LINES :]),
            )
        try:
            view = client.view()
            if view.serving:
                return
            reason = waiting_for(view)
        except UnreachableError:
            reason = "the gateway does not listen yet"
        except RefusedError as problem:
            reason = problem.message
        progress.detail(reason)
        time.sleep(POLL_SECONDS)
    raise RefusedError(f"not ready after {seconds:.0f} s: {reason}")


def waiting_for(view: GatewayView) -> str:
    """What stands between now and Serving, in words."""
    if not view.enclave:
        return view.problem
    parts = mapping(view.enclave.get("components"))
    states = [f"{name} {mapping(part).get('state')}" for name, part in parts.items()]
    return f"{view.phase}: {', '.join(states)}" if states else f"{view.phase}: {view.phase_reason}"


def first_request(client: GatewayClient) -> tuple[int, GatewayView]:
    """A real LIST through the signed path, and the view after it. Raises RefusedError."""
    answer = client.get(FIRST_REQUEST)
    if answer.status != 200:
        raise RefusedError(
            f"the first request (GET {FIRST_REQUEST}) was answered with {answer.status}: {explain(answer)}"
        )
    return len(answer.json().get("items", [])), client.view()


def _last_words(home: Home, sizes: Mapping[str, int]) -> tuple[str, ...]:
    """The end of what the logs gained since they had `sizes`, the likeliest culprit last."""
    shown: list[str] = []
    for name, size in sizes.items():
        lines = last_lines(lifecycle.log_path(home, name), 5, since=size)
        shown += [f"{name}: {readable(line)[:400]}" for line in lines]
    return tuple(shown)


def stop(home: Home, *, purging: bool = False) -> tuple[bool, int]:
    """`daas down`: whether anything was running, and how many processes had to be killed.

    Raises UnreadableError for a damaged instance.json; when `purging` the records of the processes have to do.
    """
    if not home.root.is_dir():
        return False, 0
    with instance.locked(home):
        try:
            known = instance.load(home)
        except UnreadableError:
            if not purging:
                raise
            known = None
        was = not lifecycle.running(home).none or bool(known and processes.of_instance(known.instance))
        return was, len(lifecycle.stop(home, known))


def purge(home: Home) -> list[str]:
    """Removes the state of a stopped instance: only what `daas` puts there, so a wrong DAAS_HOME costs nothing else.

    Where no instance was ever made (no instance.json) folders named as ours may be anybody's: then only what shows that
    it is ours goes. Returns what was left because it is not ours. Raises RefusedError while something runs.
    """
    if not lifecycle.running(home).none:
        raise RefusedError("the instance is running", "stop it first: `daas down`")
    if home.instance.exists():
        _remove_instance(home)
    else:
        _remove_traces(home)
    left = sorted(os.listdir(home.root)) if home.root.is_dir() else []
    if not left and home.root.is_dir():
        home.root.rmdir()
    return left


def _remove_instance(home: Home) -> None:
    for path in (
        *(home.keys, home.enclave, home.host, home.gateway, home.run, home.logs, home.development_ca),
        *(home.config, home.policy, home.measurements, home.kubeconfig, home.instance, home.lock),
        *(home.localnet, home.deployment, home.published, home.committee, home.token_secrets),
        *(home.component_config(name) for name in ("enclave", "host", "gateway", "localnet")),
    ):
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.is_dir():
            shutil.rmtree(path)


def _remove_traces(home: Home) -> None:
    """Keys that are ours by their content, and empty folders."""
    if not home.keys.is_symlink():
        for path in home.keys.glob("*.json"):
            with contextlib.suppress(ValueError, OSError):
                user_keys.load_key(path)
                path.unlink()
    home.lock.unlink(missing_ok=True)
    for folder in home.folders()[1:]:
        with contextlib.suppress(OSError):
            folder.rmdir()

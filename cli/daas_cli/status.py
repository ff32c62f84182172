"""What is known of an instance now: the processes as this machine sees them, and what the enclave says of itself.

The enclave's words come through the gateway, which has verified their receipt; everything else is marked as local.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from daas_gateway import receipts
from daas_protocol.receipt import SignedMessage

from . import instance, lifecycle, processes
from .errors import CliError
from .gateway_client import GatewayClient, GatewayView, mapping
from .home import Home
from .instance import Instance
from .processes import ProcessId


@dataclass(frozen=True, slots=True)
class Component:
    """One process of the instance. `state` is its supervisor's word; `restarts` None where nobody counts them."""

    name: str
    state: str
    pid: int | None = None
    restarts: int | None = None
    detail: str = ""
    resident: int | None = None


@dataclass(frozen=True, slots=True)
class LogHead:
    """The enclave's log before the newest receipt that this boot signed for this gateway: `root` 32 bytes in hex."""

    size: int
    root: str


@dataclass(frozen=True, slots=True)
class Seen:
    """The whole; mappings are empty when that side says nothing."""

    home: Home
    known: Instance | None
    view: GatewayView = field(default_factory=GatewayView)
    components: tuple[Component, ...] = ()
    log: LogHead | None = None
    problem: str = ""
    advice: str = ""

    @property
    def reachable(self) -> bool:
        """Whether the enclave's own status was read and verified."""
        return bool(self.view.enclave)

    @property
    def notes(self) -> list[str]:
        """What holds and what does not, said plainly."""
        notes = []
        sealing = mapping(self.view.enclave.get("sealing"))
        if sealing:
            notes.append(f"sealing: {sealing.get('description', sealing.get('provider'))}")
        state = mapping(self.view.enclave.get("state"))
        if state:
            kept = "survives a restart" if state.get("survives_restart") else "is lost on restart"
            safe = "" if state.get("protected_from_this_machine") else ", not protected from this machine"
            notes.append(f"cluster state: etcd on its {state.get('etcd')}; it {kept}{safe}")
        return notes


def read(home: Home) -> Seen:
    """Looks at everything that can be seen; what is down is a component's state, never an exception."""
    try:
        known = instance.load(home)
    except CliError as problem:
        return Seen(home, None, problem=problem.message, advice=problem.next_step)
    if known is None:
        return Seen(home, None, problem=f"there is no instance in {home.root}", advice="start one with `daas up`")
    view, why, advice = _ask_gateway(home, known)
    return Seen(home, known, view, _components(home, view.enclave), newest_head(home, view), why, advice)


def _ask_gateway(home: Home, known: Instance) -> tuple[GatewayView, str, str]:
    try:
        view = GatewayClient(home, known).view()
    except CliError as failure:
        return GatewayView(), failure.message, failure.next_step
    if not view.enclave:
        why = view.problem or "it has sent no status"
        return view, f"the enclave cannot be reached: {why}", "see `daas logs enclave` and `daas logs host`"
    return view, "", ""


def newest_head(home: Home, view: GatewayView) -> LogHead | None:
    """Size and root as signed in the newest kept receipt, if that is of the boot which the gateway talks to now."""
    try:
        newest = receipts.list_receipts(home.receipts, limit=1)
        if not newest or newest[0].receipt.boot_id.hex() != view.attestation.get("boot_id"):
            return None
        message = SignedMessage.decode(newest[0].receipt.message)
        signed = message.receipt() if newest[0].receipt.frame is None else message.stream_receipt()
    except (OSError, ValueError):
        return None
    return LogHead(signed.sequence, signed.log_root.hex())


def _components(home: Home, enclave: Mapping[str, Any]) -> tuple[Component, ...]:
    now = lifecycle.running(home)
    below = mapping(lifecycle.host_state(home).get("enclave")) if now.host is not None else {}
    found = [_started("gateway", now.gateway), _started("host", now.host)]
    pid = below.get("pid")
    last = mapping(below.get("last_exit"))
    ended = f"last end: {last.get('signal') or 'exit ' + str(last.get('code'))}" if last else ""
    found.append(
        Component(
            "enclave",
            str(below.get("state", "down")),
            pid if isinstance(pid, int) else None,
            _integer(below.get("restarts")),
            ended,
            _resident(pid),
        )
    )
    for name, value in sorted(mapping(enclave.get("components")).items()):
        said = mapping(value)
        child = said.get("pid")
        detail = str(said.get("detail") or "") or (f"last end: {said['last_exit']}" if said.get("last_exit") else "")
        found.append(
            Component(
                str(name),
                str(said.get("state", "unknown")),
                _integer(child),
                _integer(said.get("restarts")),
                detail,
                _resident(child),
            )
        )
    return tuple(found)


def _started(name: str, process: ProcessId | None) -> Component:
    if process is None:
        return Component(name, "down")
    return Component(name, "running", process.pid, resident=_resident(process.pid))


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _resident(pid: object) -> int | None:
    stat = processes.read_stat(pid) if isinstance(pid, int) else None
    return stat.resident if stat is not None else None


def as_json(seen: Seen) -> dict[str, Any]:
    """The document of `daas status --json`."""
    known = seen.known
    return {
        "home": str(seen.home.root),
        "reachable": seen.reachable,
        "problem": seen.problem or None,
        "next": seen.advice or None,
        "phase": seen.view.phase,
        "instance": None
        if known is None
        else {
            "gateway": known.gateway_url,
            "cluster_id": known.cluster_id,
            "enclave_id": known.enclave_id,
            "token_id": known.token_id,
        },
        "attestation": dict(seen.view.attestation),
        "receipts": seen.view.gateway.get("receipts"),
        "log": None if seen.log is None else asdict(seen.log),
        "components": {
            part.name: {
                "state": part.state,
                "pid": part.pid,
                "restarts": part.restarts,
                "detail": part.detail,
                "resident_bytes": part.resident,
            }
            for part in seen.components
        },
        "notes": seen.notes,
        "enclave": dict(seen.view.enclave),
        "gateway": dict(seen.view.gateway),
    }

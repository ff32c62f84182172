"""One request as people and programs see it, from its record and from the events of its transactions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.markup import escape

from daas_attestation.moment import utc_text

from .chain_options import duration_text, id_text, sui_text
from .output import stdout

if TYPE_CHECKING:
    from daas_chain.layout import MoveStruct

    from .chain_access import Deployed
    from .chain_reads import Request
    from .request_compare import Comparison


def events(events: Any, original: bytes) -> list[MoveStruct]:
    """Bodies of the package's own events."""
    from daas_chain.heads import Event
    from daas_chain.type_tags import UnknownEventType, decode_event

    found: list[MoveStruct] = []
    for one in events:
        try:
            event = decode_event(str(one.type), one.contents, {original})
        except UnknownEventType:
            continue
        found.append(event.body if isinstance(event, Event) else event)
    return found


async def told(chain: Deployed, found: Request) -> dict[str, Any]:
    """What the record does not keep, from the events of the transaction that made it; nothing once that is pruned."""
    from daas_chain.events_mailbox import K8sAPIRequest, K8sResponseStored, RequestExpired
    from daas_chain.network.errors import NotFoundError
    from daas_chain.sui import base58

    try:
        executed = await chain.network.transaction(base58.decode(found.transaction))
    except NotFoundError:
        return {}
    for body in events(executed.events, chain.record.original):
        if not isinstance(body, K8sAPIRequest | K8sResponseStored | RequestExpired):
            continue
        if (body.requester, body.request_id) != (found.key.requester, found.key.request_id):
            continue
        match body:
            case K8sAPIRequest():
                return {
                    "verb": body.verb,
                    "group": body.group,
                    "resource": body.resource,
                    "subresource": body.subresource,
                    "namespace": body.namespace,
                    "token": id_text(body.token),
                    "priority": body.priority,
                    "deadline_ms": body.deadline_ms,
                }
            case K8sResponseStored():
                return {
                    "fee_mist": body.fee,
                    "refunded_mist": body.refunded,
                    "delivered_bytes": len(body.delivery),
                }
            case RequestExpired():
                return {"refunded_mist": body.refunded, "slashed_mist": body.slashed}
    return {}


def row(one: Request, now_ms: int) -> dict[str, Any]:
    from daas_chain.records import Pending
    from daas_chain.values import OutcomeSettled

    row: dict[str, Any] = {
        "request_id": one.key.request_id.hex(),
        "requester": id_text(one.key.requester),
        "transaction": one.transaction,
    }
    match one.state:
        case Pending() as pending:
            return row | {
                "seq": pending.seq,
                "state": "overdue" if now_ms >= pending.closes_at_ms else "pending",
                "request_digest": pending.request_digest.hex(),
                "fee_mist": pending.fee,
                "closes_at_ms": pending.closes_at_ms,
                "off_chain": pending.off_chain,
                "deliver": pending.deliver,
            }
        case OutcomeSettled(settled):
            return row | {
                "seq": settled.seq,
                "state": "settled",
                "request_digest": settled.request_digest.hex(),
                "status": settled.status,
                "body_digest": settled.body_digest.hex(),
                "body_length": settled.body_length,
                "revision": settled.revision,
                "boot_id": settled.boot_id.hex(),
                "sequence": settled.sequence,
                "settled_at_ms": settled.settled_at_ms,
            }
        case expired:
            return row | {
                "seq": expired.pos0.seq,
                "state": "expired",
                "request_digest": expired.pos0.request_digest.hex(),
                "expired_at_ms": expired.pos0.expired_at_ms,
            }


def state_text(row: dict[str, Any], now_ms: int) -> str:
    match row["state"]:
        case "pending":
            return f"[yellow]pending[/], {duration_text(row['closes_at_ms'] - now_ms)} left"
        case "overdue":
            return f"[red]overdue[/] since {utc_text(row['closes_at_ms'])}: anyone may expire it"
        case "settled":
            return f"[green]settled[/] with {row['status']} at {utc_text(row['settled_at_ms'])}"
        case _:
            return f"[red]expired[/] at {utc_text(row['expired_at_ms'])}, its fee went back"


def print_request(row: dict[str, Any], now_ms: int) -> None:
    out = stdout()
    out.print(f"request   {row['request_id']} (number {row['seq']} of the mailbox)")
    out.print(f"requester {row['requester']}")
    if "verb" in row:
        group = f".{row['group']}" if row["group"] else ""
        sub = f"/{row['subresource']}" if row["subresource"] else ""
        where = f" in {row['namespace']}" if row["namespace"] else ""
        out.print(f"asked     {escape(row['verb'])} {escape(row['resource'] + group + sub + where)}")
    out.print(f"state     {state_text(row, now_ms)}")
    if "fee_mist" in row:
        out.print(f"fee       {sui_text(row['fee_mist'])}")
    if row.get("refunded_mist"):
        out.print(f"refunded  {sui_text(row['refunded_mist'])}")
    if row["state"] == "settled":
        out.print(f"answer    {row['body_length']} B, SHA-256 {row['body_digest']}")
        out.print(
            f"signed by boot {row['boot_id']}, leaf {row['sequence']} of its log, state revision {row['revision']}"
        )
    out.print(f"digest    {row['request_digest']}")
    out.print(f"[dim]transaction {row['transaction']}[/]")


def comparison_json(one: Comparison) -> dict[str, Any]:
    return {
        "receipt": one.receipt,
        "boot_id": one.boot_id.hex(),
        "sequence": one.sequence,
        "method": one.method,
        "target": one.target,
        "agrees": not one.differences,
        "differences": [{"field": name, "kept": own, "chain": theirs} for name, own, theirs in one.differences],
    }


def print_comparison(one: Comparison) -> None:
    out = stdout()
    verdict = "[red]differs from the chain[/]" if one.differences else "[green]agrees with the chain[/]"
    out.print(f"receipt   {one.receipt} kept here, {escape(one.method)} {escape(one.target)}: {verdict}")
    for name, own, theirs in one.differences:
        out.print(f"          {name}: kept {escape(own)}, chain {escape(theirs)}")

"""Local endpoints of the way through the contract, for `daas request get` and `daas apply -f DIR`. Strict JSON.

    GET  /daas/local/requests/<32 hex digits>
    POST /daas/local/batch    {"version": 1, "requests": [{"method", "path", "accept", "content_type", "body": base64}],
                               "priority": 1..10 | null, "deliver": bool | null, "wait": "signed" | "settled" | null}

Invariant: they are behind the gateway's credential as everything else, and run what the proxied path would run.
"""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from typing import Any, Final

from daas_chain.records import Pending
from daas_chain.values import OutcomeExpired, OutcomeSettled
from daas_gateway import errors, l1_errors
from daas_gateway.ask import Ask, ask
from daas_gateway.exchange import json_body
from daas_gateway.filters import RequestFilter
from daas_gateway.l1_get import Found
from daas_gateway.l1_join import MAX_JOINED
from daas_gateway.l1_way import BatchResult, ChainWay, Reply
from daas_protocol import jsonstrict
from daas_protocol.transport.http1 import Header, Request

PREFIX: Final = b"/daas/local/requests/"
BATCH: Final = b"/daas/local/batch"
MAX_BATCH_BYTES: Final = 64 * 1024 * 1024
_ID: Final = re.compile(rb"[0-9a-f]{32}")
_FIELDS: Final = {"version", "requests", "priority", "deliver", "wait"}
_REQUEST: Final = {"method", "path", "accept", "content_type", "body"}


class ContractEndpoints:
    """`serve` answers None for what is not its own."""

    def __init__(self, way: ChainWay, request_filter: RequestFilter) -> None:
        self._way, self._filter = way, request_filter

    async def serve(self, request: Request) -> tuple[int, bytes] | None:
        """Raises GatewayError."""
        if request.method == "GET" and request.target.startswith(PREFIX):
            text = request.target.removeprefix(PREFIX)
            if not _ID.fullmatch(text):
                raise errors.RequestMalformed("a request id has 32 lower-case hex digits")
            return 200, json_body(_found(await self._way.getter.get(bytes.fromhex(text.decode("ascii")))))
        if request.method == "POST" and request.target == BATCH:
            results = await self._way.apply_batch(self._asks(request.body))
            return 200, json_body({"version": 1, "results": [_result(one) for one in results]})
        return None

    def _asks(self, body: bytes) -> list[Ask]:
        try:
            document = jsonstrict.loads_object(body, MAX_BATCH_BYTES)
        except ValueError as problem:
            raise errors.RequestMalformed(f"the batch is not strict JSON: {problem}") from None
        listed = document.get("requests")
        if set(document) != _FIELDS or document["version"] != 1 or not isinstance(listed, list):
            raise errors.RequestMalformed(f"a batch has exactly the fields {', '.join(sorted(_FIELDS))}, version 1")
        if len(listed) > MAX_JOINED:
            raise l1_errors.BatchTooLarge(f"{len(listed)} requests, one transaction takes {MAX_JOINED}")
        wishes = _wishes(document)
        return [self._ask(one, wishes) for one in listed]

    def _ask(self, value: object, wishes: tuple[Header, ...]) -> Ask:
        if (
            not isinstance(value, dict)
            or set(value) != _REQUEST
            or not all(isinstance(one, str) for one in value.values())
        ):
            raise errors.RequestMalformed(f"a request of a batch has the texts {', '.join(sorted(_REQUEST))}")
        try:
            body = base64.b64decode(value["body"], validate=True)
        except ValueError:
            raise errors.RequestMalformed("the body of a request of a batch is not base64") from None
        if not value["path"].startswith("/") or not value["path"].isascii():
            raise errors.RequestMalformed("the path of a request of a batch must begin with '/' and be ASCII")
        refusal = self._filter.check(value["method"], value["path"].partition("?")[0], "127.0.0.1")
        if refusal is not None:
            raise refusal
        made = ask(value["method"], value["path"], value["accept"], value["content_type"], body)
        return replace(made, wishes=wishes)


def _wishes(document: dict[str, Any]) -> tuple[Header, ...]:
    made: list[Header] = []
    if (priority := document["priority"]) is not None:
        made.append((b"daas-priority", str(priority).encode("ascii", "replace")))
    if (deliver := document["deliver"]) is not None:
        made.append((b"daas-deliver", b"chain" if deliver is True else b"none"))
    if (wait := document["wait"]) is not None:
        made.append((b"daas-wait", str(wait).encode("ascii", "replace")))
    return tuple(made)


def _problem(problem: errors.GatewayError | None) -> dict[str, object] | None:
    if problem is None:
        return None
    return {"reason": problem.reason, "code": problem.code, "message": str(problem)}


def _result(one: BatchResult) -> dict[str, object]:
    reply = one.reply
    return {
        "request_id": one.request_id.hex(),
        "status": None if reply is None else reply.status,
        "body": None if reply is None else base64.b64encode(reply.body).decode("ascii"),
        "receipt": None if reply is None else _receipt(reply),
        "problem": _problem(one.problem),
    }


def _receipt(reply: Reply) -> str | None:
    return next((value.decode("ascii") for name, value in reply.headers if name == b"daas-receipt"), None)


def _found(found: Found) -> dict[str, object]:
    row, answer = found.row, found.answer
    return {
        "version": 1,
        "request_id": found.request_id.hex(),
        "state": found.state,
        "method": None if row is None else row.method,
        "path": None if row is None else row.target,
        "created_ms": None if row is None else row.created_at_ms,
        "deadline_ms": None if row is None else row.deadline_ms,
        "priority": None if row is None else row.priority,
        "fee": None if row is None else row.fee,
        "transaction": None if row is None else row.transaction_digest.hex(),
        "mailbox_seq": _seq(found),
        "note": "" if row is None else row.note,
        "chain": _record(found),
        "status": None if answer is None else answer.status,
        "body": None if answer is None or answer.body is None else base64.b64encode(answer.body).decode("ascii"),
        "receipt": None if answer is None else answer.receipt_header.decode("ascii"),
        "problem": _problem(found.problem),
    }


def _seq(found: Found) -> int | None:
    match found.record:
        case Pending(seq=seq):
            return seq
        case OutcomeSettled(one):
            return one.seq
        case OutcomeExpired(other):
            return other.seq
        case _:
            return None if found.row is None else found.row.mailbox_seq


def _record(found: Found) -> dict[str, object] | None:
    match found.record:
        case Pending() as pending:
            return {"record": "pending", "closes_at_ms": pending.closes_at_ms, "fee": pending.fee}
        case OutcomeSettled(one):
            return {
                "record": "settled",
                "status": one.status,
                "body_digest": one.body_digest.hex(),
                "body_length": one.body_length,
                "revision": one.revision,
                "boot_id": one.boot_id.hex(),
                "sequence": one.sequence,
                "settled_at_ms": one.settled_at_ms,
            }
        case OutcomeExpired(other):
            return {"record": "expired", "expired_at_ms": other.expired_at_ms}
        case _:
            return None

"""Coins from a faucet of sui-faucet's format, for the command and for `daas up`.

Invariant: an answer counts only if it names a transaction and at least one coin; its length is bounded.
"""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from daas_protocol.sui import format_address

from .errors import RefusedError, UnreachableError, UnreadableError
from .output import program

MAX_ANSWER_BYTES: Final = 65_536
FAUCET_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Coins:
    """`coins`: ids and MIST; `transaction`: base58."""

    transaction: str
    coins: tuple[tuple[str, int], ...]


def ask_coins(url: str, recipient: bytes) -> Coins:
    """Raises CliError."""
    status, answer = _ask(url, json.dumps({"FixedAmountRequest": {"recipient": format_address(recipient)}}).encode())
    coins = answer.get("coins_sent")
    if status not in (200, 201) or not isinstance(coins, list) or not coins:
        raise RefusedError(f"the faucet gave nothing (HTTP {status}): {_reason(answer)}", "wait a moment and try again")
    try:
        given = tuple((str(one["id"]), int(one["amount"])) for one in coins)
        return Coins(str(coins[0]["transferTxDigest"]), given)
    except (KeyError, TypeError, ValueError):
        raise RefusedError(f"{url} answers in another format than a faucet's", "check --url") from None


def _reason(answer: dict[str, Any]) -> str:
    status = answer.get("status")
    failure = status.get("Failure") if isinstance(status, dict) else None
    if isinstance(failure, dict) and failure:
        return str(next(iter(failure.values())))[:200]
    return "no reason given"


def _ask(url: str, body: bytes) -> tuple[int, dict[str, Any]]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as problem:
        raise UnreadableError(f"{url}: {problem}", "give --url as http://HOST:PORT") from None
    if parts.scheme not in ("http", "https") or parts.hostname is None or parts.query or parts.fragment:
        raise UnreadableError(f"{url} is no http address", "give --url as http://HOST:PORT")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, port, timeout=FAUCET_SECONDS)
    try:
        connection.request("POST", parts.path.rstrip("/") + "/v2/gas", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        data = answer.read(MAX_ANSWER_BYTES)
    except http.client.HTTPException:
        raise RefusedError(
            f"{url} does not speak HTTP", "give the faucet's address as --url, not the gRPC one"
        ) from None
    except OSError as problem:
        raise UnreachableError(
            f"no faucet answers at {url}: {problem}",
            f"start a network with `{program()} localnet run`, or give its --url",
        ) from None
    finally:
        connection.close()
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise RefusedError(f"{url} answers in another format than a faucet's (HTTP {answer.status})", "check --url")
    return answer.status, found

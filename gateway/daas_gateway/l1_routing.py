"""Which way a request goes: through the contract (L1) or straight to the enclave (L2). Pure.

Invariant: a request that may change something is on L1 or refused by name, never on L2; what a transaction cannot
carry (streams, questions in the form of a POST, dry runs) is on L2. The enclave holds to the same rule by the same
reading of the request line, so a gateway that erred would be refused there.
"""

from __future__ import annotations

from enum import Enum

from daas_gateway import errors
from daas_gateway.ask import SAFE_METHODS, Ask
from daas_gateway.l1_errors import NotOnChain
from daas_protocol.command_words import CommandWords, NotACommand, command_words, is_write
from daas_protocol.request_info import RequestRefused, parse


class Route(Enum):
    """What the configuration puts on L1."""

    WRITES = "writes"
    UNARY = "unary"
    """Whatever on resources has one answer, reads included."""


def words_for_chain(asked: Ask, route: Route) -> CommandWords | None:
    """The contract's words for a request that goes L1, None for one that goes L2. Raises `NotOnChain`."""
    try:
        info = parse(asked.method, asked.target)
    except RequestRefused as problem:
        if asked.method in SAFE_METHODS:
            # The enclave reads it by the same code and signs its refusal.
            return None
        raise NotOnChain(f"{asked.method} {errors.shown(asked.target)}: {problem}") from None
    if not info.is_resource:
        if asked.method in SAFE_METHODS:
            return None
        raise NotOnChain(f"{asked.method} {errors.shown(asked.target)}: only requests on resources can be authorised")
    write = is_write(info)
    if write and asked.upgrade:
        raise NotOnChain(f"{asked.method} {errors.shown(asked.target)}: an upgraded connection has no end to settle")
    if not write and (route is Route.WRITES or asked.upgrade or info.is_connect or info.streams):
        return None
    if not write and asked.method not in SAFE_METHODS:
        # A dry run or a review: nothing stays, so nothing is to be settled.
        return None
    try:
        return command_words(info)
    except NotACommand as problem:
        if not write:
            return None
        raise NotOnChain(f"{asked.method} {errors.shown(asked.target)}: {problem}") from None

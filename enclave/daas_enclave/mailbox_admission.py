"""Whether one L1 request is executed: what the contract cannot see, and what may have changed since it looked.

Invariant: what is admitted is exactly what the contract checked: it was encrypted for this very request, hashes to its
digest, and its request line has the five words of the event; and token, grants and doors allow it now. A refusal is an
answer that settles, so it is decided by verified state and by the request alone, never by what the host says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from daas_chain.events_mailbox import K8sAPIRequest
from daas_enclave import doors
from daas_enclave.authority import Snapshot, Token
from daas_enclave.authorize import grants_allow
from daas_enclave.incoming import Incoming
from daas_enclave.refusal import Refused
from daas_enclave.sessions import user_name
from daas_protocol.bcs import BcsError
from daas_protocol.command_words import CommandWords, command_words
from daas_protocol.hpke import HpkeError
from daas_protocol.request_envelope import EnvelopeInfo, L1Plaintext, PlaintextError
from daas_protocol.request_info import RequestInfo, RequestRefused, parse

TOO_LATE: Final = 504
"""The contract pays the fee back for it, so it says one thing only: nothing has begun."""


class Opener(Protocol):
    """Holds the private request keys."""

    def open(self, info: EnvelopeInfo, ciphertext: bytes) -> L1Plaintext: ...


@dataclass(frozen=True, slots=True)
class Slot:
    """Whose mailbox it is; ids of 32 bytes."""

    package: bytes
    cluster: bytes
    enclave: bytes


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request to execute in its requester's name."""

    envelope: EnvelopeInfo
    plaintext: L1Plaintext
    info: RequestInfo

    @property
    def incoming(self) -> Incoming:
        """As the request path has a request: what the digest binds and nothing else."""
        asked = self.plaintext
        return Incoming(
            method=asked.method,
            target=asked.path,
            accept=asked.accept,
            content_type=asked.content_type,
            upgrade="",
            offered=(),
            websocket_key="",
            auth=None,
            body=asked.body,
        )


def envelope_info(slot: Slot, request: K8sAPIRequest) -> EnvelopeInfo:
    return EnvelopeInfo(
        package=slot.package,
        cluster=slot.cluster,
        enclave=slot.enclave,
        key_id=request.request_key_id,
        requester=request.requester,
        token=request.token,
        request_id=request.request_id,
        verb=request.verb,
        group=request.group,
        resource=request.resource,
        subresource=request.subresource,
        namespace=request.namespace,
        request_digest=request.request_digest,
        deadline_ms=request.deadline_ms,
    )


def check_time(request: K8sAPIRequest, now_ms: int, staleness_ms: int) -> None:
    """Raises Refused (504) where the deadline is too near to begin."""
    if now_ms + staleness_ms >= request.deadline_ms:
        raise Refused(
            TOO_LATE,
            "DeadlineTooNear",
            "the request was not executed: its deadline could have passed meanwhile; the fee is paid back",
        )


def missing_payload() -> Refused:
    return Refused(
        400,
        "PayloadMissing",
        "the encrypted request is not on chain, and nobody brought it: give it to the host, or send a smaller one",
    )


def admit(
    request: K8sAPIRequest, ciphertext: bytes, slot: Slot, keys: Opener, snapshot: Snapshot, now_ms: int
) -> Admitted:
    """Raises Refused. The time is `check_time`'s."""
    if request.placement is not None:
        raise Refused(
            400, "PlacementNotServed", "this enclave pins nothing to a worker yet: submit without a placement"
        )
    token = _token(request, snapshot, now_ms)
    envelope = envelope_info(slot, request)
    try:
        plaintext = keys.open(envelope, ciphertext)
    except (HpkeError, BcsError) as error:
        # BcsError: words that have no envelope, which the contract does not take either.
        message = f"the encrypted request does not open for this request of this requester: {error}"
        raise Refused(400, "EnvelopeNotOpened", message) from error
    except PlaintextError as error:
        raise Refused(400, "EnvelopeMalformed", f"what was encrypted is no request: {error}") from error
    if plaintext.digest_of(slot.package, slot.cluster, slot.enclave) != request.request_digest:
        raise Refused(400, "RequestDigestMismatch", "what was encrypted is not what the request digest on chain says")
    info = _info(plaintext, request)
    _check_grants(request, token, info)
    return Admitted(envelope, plaintext, info)


def _token(request: K8sAPIRequest, snapshot: Snapshot, now_ms: int) -> Token:
    name = f"token 0x{request.token.hex()}"
    token = snapshot.tokens.get(request.token)
    if token is None or token.owner != request.requester:
        raise Refused(403, "TokenUnknown", f"{user_name(request.requester)} has no {name}")
    if token.revoked:
        raise Refused(403, "TokenRevoked", f"{name} was revoked before the request was executed")
    if not token.live(now_ms):
        raise Refused(403, "TokenExpired", f"{name} expired before the request was executed")
    return token


def _info(plaintext: L1Plaintext, request: K8sAPIRequest) -> RequestInfo:
    checked = CommandWords(request.verb, request.group, request.resource, request.subresource, request.namespace)
    try:
        info = parse(plaintext.method, plaintext.path)
        words = command_words(info)
    except RequestRefused as refused:
        raise Refused(refused.code, refused.cause, str(refused)) from refused
    if words != checked:
        raise Refused(403, "CommandMismatch", f"the contract checked {_text(checked)}, what was encrypted is another")
    try:
        doors.check(info, upgrade=False)
    except doors.DoorClosed as closed:
        raise Refused(403, closed.cause, closed.door.value) from closed
    return info


def _check_grants(request: K8sAPIRequest, token: Token, info: RequestInfo) -> None:
    if not grants_allow(token.grants, info, info.grant_verb):
        raise Refused(
            403, "GrantDenied", f"token 0x{request.token.hex()} of {user_name(token.owner)} grants no {_text(request)}"
        )


def _text(words: CommandWords | K8sAPIRequest) -> str:
    resource = words.resource + (f".{words.group}" if words.group else "")
    resource += f"/{words.subresource}" if words.subresource else ""
    return f"{words.verb} of {resource}" + (f" in namespace {words.namespace!r}" if words.namespace else "")

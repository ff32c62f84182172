"""An answer that was delivered on chain, where the enclave no longer has it.

Invariant: what is returned opened under this request's own response key and hashes to what the contract has accepted
from the enclave's receipt.
"""

from __future__ import annotations

import hashlib

from daas_chain.events_mailbox import K8sResponseStored
from daas_chain.heads import Event
from daas_chain.network.errors import NotFoundError
from daas_chain.type_tags import UnknownEventType, decode_event
from daas_chain.values import RequestKey, Settled
from daas_gateway.l1_chain import Chain
from daas_gateway.l1_journal import Submitted
from daas_protocol.bcs import BcsError
from daas_protocol.delivery import Delivery, DeliveryError, ResponseKey, open_delivery
from daas_protocol.hpke import HpkeError


async def delivered(chain: Chain, submitted: Submitted, settled: Settled) -> Delivery | None:
    """None where nothing was delivered, or it does not open. Raises ChainUnreachable, ChainInconsistent."""
    made = submitted.prepared
    if made.response_seed is None:
        return None
    ciphertext = await _ciphertext(chain, made.who.address, made.request_id)
    if not ciphertext:
        return None
    try:
        found = open_delivery(made.info(submitted.key_id), ciphertext, ResponseKey(made.response_seed))
    except (HpkeError, DeliveryError):
        return None
    if found.status != settled.status or hashlib.sha256(found.body).digest() != settled.body_digest:
        return None
    return found


async def _ciphertext(chain: Chain, requester: bytes, request_id: bytes) -> bytes:
    """From the events of the transaction that has settled the request."""
    view = await chain.slot_view()
    tag = chain.contract.struct("queue::RequestKey")
    async with chain.asked() as network:
        try:
            key = RequestKey(requester, request_id).encode()
            held = await network.field(view.enclave.mailbox.ended.id, tag, key)
            outcome = await network.transaction(held.field.object.previous_transaction)
        except NotFoundError:
            return b""
    for one in outcome.events:
        try:
            event = decode_event(str(one.type), one.contents, {chain.deployment.original})
        except (UnknownEventType, BcsError):
            continue
        body = event.body if isinstance(event, Event) else None
        if isinstance(body, K8sResponseStored) and (body.requester, body.request_id) == (requester, request_id):
            return body.delivery
    return b""

"""The chain in one boot: feed, follower, authority and watch as one thing.

Invariant: what the rest of the enclave sees of the contract is a verified view or nothing. The host's messages change
that view only through the follower; whatever it does not send makes the view old, and the standing says so.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import structlog

from daas_attestation.nsm import Nsm, NsmError
from daas_chain.follow.errors import EventStructureError, UnknownChainEventError
from daas_chain.follow.follower import Changes, Follower, Verified
from daas_chain.light.certificate import read_summary
from daas_chain.light.errors import LightClientError
from daas_chain.values import Boot
from daas_enclave.chain_authority import ChainAuthority
from daas_enclave.chain_port import ChainPort
from daas_enclave.chain_position import PositionStore
from daas_enclave.chain_watch import ChainWatch, Due, Standing
from daas_enclave.phases import Phase
from daas_enclave.runtime import Clock
from daas_protocol.binding import EnclaveBinding
from daas_protocol.chain_feed import Attest, Checkpoint, Drained, History, Payload, Position, Refused, ToEnclave, ToHost
from daas_protocol.receipt import SignedMessage

TICK_SECONDS: Final = 0.25
"""How late the watch may see that time has passed; messages wake it at once."""
GOODBYE_SECONDS: Final = 1.0
_log = structlog.get_logger(__name__)


class RequestKeys(Protocol):
    """The key that requests are encrypted to."""

    @property
    def public_bytes(self) -> bytes:
        """Of the newest key, 1,216 bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose chain it is. `binding` and `receipt_public` (32 bytes) are what documents carry."""

    binding: EnclaveBinding
    receipt_public: bytes
    request_keys: RequestKeys


ChangesListener = Callable[[Changes, Verified], None]
StandingListener = Callable[[Standing], None]


class ChainService:
    """`serve` on a socket, then `run` until cancelled, at the end `stop`.

    Listeners are called in the event loop and must not raise.
    """

    def __init__(
        self, follower: Follower, identity: Identity, nsm: Nsm, clock: Clock, store: PositionStore | None = None
    ) -> None:
        self.authority = ChainAuthority(follower.anchor.anchor)
        self._follower = follower
        self._identity = identity
        self._nsm = nsm
        self._clock = clock
        self._store = store
        self._watch = ChainWatch(identity.binding.enclave_id, identity.binding.boot_id)
        self._port = ChainPort(self._verify, self.position, self._on_attached)
        self._wake = asyncio.Event()
        self._blocked = ""
        self._refused = 0
        self._last_refusal: Refused | None = None
        self._accepted = 0
        self.standing = Standing(Phase.UNREGISTERED, "no verified beacon yet")
        self._changes: list[ChangesListener] = []
        self._payloads: list[Callable[[Payload], None]] = []
        self._attached: list[Callable[[], None]] = []
        self._standings: list[StandingListener] = []

    @property
    def binding(self) -> EnclaveBinding:
        """What a document for a client carries: once registered with the request key that the contract has."""
        boot = None if self.verified is None else self._own(self.verified)
        key = self._identity.binding.request_key_sha256 if boot is None else boot.request_key_sha256
        return replace(self._identity.binding, request_key_sha256=key)

    @property
    def request_keys(self) -> RequestKeys:
        return self._identity.request_keys

    @property
    def verified(self) -> Verified | None:
        """The newest view, whatever its age."""
        return self._follower.verified

    def position(self) -> Position:
        follower = self._follower
        newest = follower.newest
        return Position(
            boot_id=self._identity.binding.boot_id,
            epoch=follower.epoch,
            checkpoint=None if newest is None else newest.sequence_number,
            state_seq=follower.state_seq,
            mailbox_seq=follower.mailbox_seq,
        )

    def on_changes(self, listener: ChangesListener) -> None:
        """Called after each checkpoint that has changed or confirmed the view."""
        self._changes.append(listener)

    def on_payload(self, listener: Callable[[Payload], None]) -> None:
        """Called with each ciphertext that the host brings; nothing about it has been checked."""
        self._payloads.append(listener)

    def on_attached(self, listener: Callable[[], None]) -> None:
        """Called when a host has connected: what was sent before may have reached nobody."""
        self._attached.append(listener)

    def on_standing(self, listener: StandingListener) -> None:
        """Called when the standing has changed."""
        self._standings.append(listener)

    def send(self, message: ToHost) -> bool:
        """Whether a host is there to take it."""
        return self._port.send(message)

    async def serve(self, sock: socket.socket) -> None:
        await self._port.serve(sock)

    async def run(self) -> None:
        """Looks at the standing, asks for what is due, saves the position; until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            # Apart: neither the NSM nor the disk may keep it from seeing that its time is over.
            tasks.create_task(self._watch_time())
            tasks.create_task(self._do_chores())

    async def _watch_time(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(TICK_SECONDS)

    async def _do_chores(self) -> None:
        while True:
            await self._attest()
            await self._save()
            try:
                async with asyncio.timeout(TICK_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()

    async def stop(self) -> None:
        """Saves where it is and hangs up."""
        self._port.stop()
        await self._save(at_last=True)

    async def say_goodbye(self, sign: Callable[[], SignedMessage]) -> None:
        """Hands out the signed Drain of a boot that is current: the next one then need not wait."""
        if self.verified is None or self._own(self.verified) is None or not self._port.is_attached:
            return
        message = sign()
        self._port.send(Drained(message.signing_bytes(), message.signature))
        await self._port.flush(GOODBYE_SECONDS)

    def _own(self, verified: Verified) -> Boot | None:
        """This boot as the contract has it, while it is current."""
        slot = verified.state.slots.get(self._identity.binding.enclave_id)
        boot = None if slot is None else slot.boot
        return boot if boot is not None and boot.boot_id == self._identity.binding.boot_id else None

    def look(self) -> Standing:
        """The standing by now; tells the listeners when it is another phase or reason."""
        standing = self._watch.look(self.verified, self._clock.now_ms(), self._blocked)
        changed = standing.phase is not self.standing.phase
        self.standing = standing
        if changed:
            _log.info("chain_standing", phase=standing.phase.value, reason=standing.reason)
            for listener in self._standings:
                listener(standing)
        return standing

    # --- what the host brings ---

    def _verify(self, message: ToEnclave) -> Callable[[], Sequence[ToHost]]:
        match message:
            case Checkpoint():
                try:
                    changes = self._follower.checkpoint(message, self._clock.now_ms())
                except LightClientError as error:
                    refusal, why = Refused.of(_number(message), error), error
                    return lambda: self._refusal(refusal, why)
                return lambda: self._changed(changes)
            case History():
                try:
                    self._follower.history(message.events)
                except LightClientError as error:
                    refusal, why = Refused.of(None, error), error
                    return lambda: self._refusal(refusal, why)
                return lambda: ()
            case Payload():
                return lambda: self._brought(message)

    def _changed(self, changes: Changes) -> Sequence[ToHost]:
        self._accepted += 1
        self._blocked = ""
        verified = self.verified
        if verified is None or not (changes.state or changes.mailbox or changes.beacon):
            return ()
        self.authority.update(verified)
        self.look()
        for listener in self._changes:
            listener(changes, verified)
        self._wake.set()
        return ()

    def _brought(self, payload: Payload) -> Sequence[ToHost]:
        for listener in self._payloads:
            listener(payload)
        return ()

    def _refusal(self, refusal: Refused, why: LightClientError) -> Sequence[ToHost]:
        self._refused += 1
        self._last_refusal = refusal
        if isinstance(why, UnknownChainEventError | EventStructureError) and refusal.checkpoint is not None:
            # Certified, and not for this image to read: what the contract says now, nobody here knows.
            self._blocked = f"{refusal.check}: {refusal.detail}"
            self.look()
        _log.warning("chain_message_refused", check=why.check, detail=str(why), checkpoint=refusal.checkpoint)
        return (refusal,)

    def _on_attached(self) -> None:
        self._watch.ask_again()
        for listener in self._attached:
            listener()
        self._wake.set()

    # --- what this boot has to do ---

    async def _attest(self) -> None:
        if not self._port.is_attached:
            return
        key = self._identity.request_keys.public_bytes
        key_sha256 = hashlib.sha256(key).digest()
        due = self._watch.due(self.verified, self._clock.now_ms(), key_sha256)
        if due is None:
            return
        try:
            document = await asyncio.to_thread(self._document, due, key_sha256)
        except NsmError as error:
            _log.warning("chain_attestation_failed", purpose=due.purpose.value, error=str(error))
            return
        _log.info("chain_attestation_due", purpose=due.purpose.value, generation=due.generation, key=due.with_key)
        if not self._port.send(Attest(document, key if due.with_key else b"")):
            self._watch.ask_again()

    def _document(self, due: Due, key_sha256: bytes) -> bytes:
        binding = replace(self._identity.binding, request_key_sha256=key_sha256)
        return self._nsm.attestation(
            nonce=due.nonce, user_data=binding.to_bcs(), public_key=self._identity.receipt_public
        )

    async def _save(self, at_last: bool = False) -> None:
        position = self._follower.export()
        if self._store is None or position is None or not (at_last or self._store.due(position)):
            return
        try:
            await asyncio.to_thread(self._store.save, position)
        except OSError as error:
            _log.warning("chain_position_not_saved", error=error.strerror)

    # --- status ---

    def status(self) -> dict[str, Any]:
        """JSON-ready; nothing in it is secret."""
        follower, verified, now_ms = self._follower, self.verified, self._clock.now_ms()
        newest, last = follower.newest, self._last_refusal
        return {
            "standing": self.standing.phase.value,
            "reason": self.standing.reason,
            "host_attached": self._port.is_attached,
            "anchor": self.authority.anchor.hex(),
            "epoch": follower.epoch,
            "checkpoint": None if newest is None else newest.sequence_number,
            "state_seq": None if verified is None else verified.state.head.seq,
            "mailbox_seq": None if verified is None else verified.mailbox.head.seq,
            "unproven_bytes": follower.unproven,
            "beacon_age_ms": None if verified is None else verified.age_ms(now_ms),
            "pending_requests": None if verified is None else len(verified.mailbox.requests),
            "checkpoints_accepted": self._accepted,
            "messages_refused": self._refused,
            "last_refusal": None if last is None else {"checkpoint": last.checkpoint, "check": last.check},
            "position_kept": self._store is not None,
        }


def _number(message: Checkpoint) -> int | None:
    """Of a checkpoint as it says itself."""
    try:
        return read_summary(message.summary).sequence_number
    except LightClientError:
        return None

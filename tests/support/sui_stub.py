"""A node for tests: sui.rpc.v2 over grpclib with a small world of objects and checkpoints, and faults on demand.

It executes nothing: a transaction makes new versions of its gas coins and of its mutable owned inputs, and that is all.
`faults` maps a call's name to functions that are tried in turn before the answer is made: each gets the request, may
raise, wait, or give the answer itself.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import h2.config
import h2.connection
import h2.events
import pysui.sui.sui_grpc.suimsgs.google.rpc as google_rpc
import pysui.sui.sui_grpc.suimsgs.sui.rpc.v2 as v2
from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError
from grpclib.server import Server

from daas_chain.network.transport import Rpc
from daas_chain.sui import base58
from daas_chain.sui import transaction as tx
from daas_chain.sui.checkpoint import QUORUM_SIGNATURE
from daas_chain.sui.digests import Hashed, digest
from daas_chain.sui.effects import EFFECTS, EffectsV2, Existed, IdOperation, ObjectChange, ObjectWrite
from daas_chain.sui.objects import OBJECT, GasCoinType, MoveObject, Object
from daas_chain.sui.status import ExecutionStatus, Success
from daas_chain.sui.types import AddressOwner, GasCost, ObjectRef, Owner
from support import light_world

Fault = Callable[[Any], Awaitable[Any]]
GENESIS = bytes(range(32))
GAS = GasCost(1_000_000, 2_000_000, 1_500_000, 15_000)


def coin_object(object_id: bytes, owner: Owner, balance: int, version: int = 5) -> Object:
    contents = object_id + balance.to_bytes(8, "little")
    return Object(MoveObject(GasCoinType(), True, version, contents), owner, bytes(32), 988_000)


def reference_of(held: Object) -> ObjectRef:
    return ObjectRef(held.object_id, held.data.version, digest(Hashed.OBJECT, OBJECT.encode(held)))


def object_message(held: Object) -> v2.Object:
    data = OBJECT.encode(held)
    return v2.Object(
        bcs=v2.Bcs(name="Object", value=data),
        object_id=f"0x{held.object_id.hex()}",
        version=held.data.version,
        digest=base58.encode(digest(Hashed.OBJECT, data)),
    )


def checkpoint_message(found: light_world.Checkpoint, sequence: int) -> v2.Checkpoint:
    signature = QUORUM_SIGNATURE.decode(found.signature)
    return v2.Checkpoint(
        sequence_number=sequence,
        digest=base58.encode(digest(Hashed.SUMMARY, found.summary)),
        summary=v2.CheckpointSummary(bcs=v2.Bcs(name="CheckpointSummary", value=found.summary)),
        signature=v2.ValidatorAggregatedSignature(
            epoch=signature.epoch, signature=signature.signature, bitmap=signature.signers
        ),
        contents=v2.CheckpointContents(bcs=v2.Bcs(name="CheckpointContents", value=found.contents)),
        transactions=[
            v2.ExecutedTransaction(
                digest=base58.encode(made),
                effects=v2.TransactionEffects(bcs=v2.Bcs(name="TransactionEffects", value=effects)),
                events=None if events is None else v2.TransactionEvents(bcs=v2.Bcs(name="Events", value=events)),
            )
            for made, effects, events in found.parts
        ],
    )


class _Server(Server):
    """Keeps its connections, to cut them as the end of a process would."""

    def __init__(self, handlers: Any) -> None:
        super().__init__(handlers)
        self.protocols: list[Any] = []

    def _protocol_factory(self) -> Any:
        self.protocols.append(super()._protocol_factory())
        return self.protocols[-1]

    def cut(self) -> None:
        for protocol in self.protocols:
            # A protocol without a connection never got past TLS.
            connection = getattr(protocol, "connection", None)
            if connection is not None and not connection.is_closing():
                connection._transport.abort()


class StubNode:
    """`calls` counts them by name."""

    def __init__(self) -> None:
        self.objects: dict[bytes, Object] = {}
        self.checkpoints: list[light_world.Checkpoint] = []
        self.executed: dict[bytes, tuple[bytes, int | None]] = {}
        self.spent: set[tuple[bytes, int]] = set()
        self.double_spent: list[tuple[bytes, int]] = []
        self.faults: dict[str, list[Fault]] = defaultdict(list)
        self.calls: dict[str, int] = defaultdict(int)
        self.status: ExecutionStatus = Success()
        self.epoch = light_world.EPOCH
        self.subscribers: list[asyncio.Queue[Any]] = []
        self._server: _Server | None = None

    # The world

    def add_coin(self, name: str, owner: bytes, balance: int, version: int = 5) -> Object:
        held = coin_object(
            hashlib.blake2b(name.encode(), digest_size=32).digest(), AddressOwner(owner), balance, version
        )
        self.objects[held.object_id] = held
        return held

    def add_checkpoint(self) -> light_world.Checkpoint:
        number = len(self.checkpoints)
        before = self.checkpoints[-1] if self.checkpoints else None
        made = light_world.checkpoint(
            [light_world.transaction(f"tx {number}", [light_world.event(number % 250)])],
            sequence_number=number,
            previous_digest=None if before is None else digest(Hashed.SUMMARY, before.summary),
            network_total_transactions=number + 1,
        )
        self.checkpoints.append(made)
        for queue in self.subscribers:
            queue.put_nowait(checkpoint_message(made, number))
        return made

    # Serving

    async def start(self, port: int = 0, context: ssl.SSLContext | None = None) -> int:
        self._server = _Server([self])
        await self._server.start("127.0.0.1", port, ssl=context)
        return int(self._server._server.sockets[0].getsockname()[1])  # type: ignore[union-attr]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self._server.cut()
        await self._server.wait_closed()
        self.subscribers.clear()

    def cut(self) -> None:
        """Every connection at once; new ones are served."""
        assert self._server is not None
        self._server.cut()

    def __mapping__(self) -> dict[str, Handler]:
        return {
            rpc.route: Handler(
                self._handler(rpc),
                Cardinality.UNARY_STREAM if rpc is Rpc.SUBSCRIBE else Cardinality.UNARY_UNARY,
                getattr(v2, f"{rpc.value[1]}Request"),
                getattr(v2, f"{rpc.value[1]}Response"),
            )
            for rpc in Rpc
        }

    def _handler(self, rpc: Rpc) -> Callable[[Any], Awaitable[None]]:
        name = rpc.value[1]

        async def answer(stream: Any) -> None:
            request = await stream.recv_message()
            self.calls[name] += 1
            if self.faults[name]:
                given = await self.faults[name].pop(0)(request)
                if given is not None:
                    await stream.send_message(given)
                    return
            if rpc is Rpc.SUBSCRIBE:
                async for message in self._subscribe():
                    await stream.send_message(message)
            else:
                await stream.send_message(getattr(self, f"_{rpc.name.lower()}")(request))

        return answer

    async def _subscribe(self) -> AsyncIterator[Any]:
        queue: asyncio.Queue[Any] = asyncio.Queue()
        self.subscribers.append(queue)
        try:
            while True:
                item = await queue.get()
                if item is None:
                    return
                if isinstance(item, Exception):
                    raise item
                yield v2.SubscribeCheckpointsResponse(cursor=item.sequence_number, checkpoint=item)
        finally:
            if queue in self.subscribers:
                self.subscribers.remove(queue)

    # Answers

    def _service_info(self, _: Any) -> Any:
        return v2.GetServiceInfoResponse(
            chain_id=base58.encode(GENESIS), epoch=self.epoch, checkpoint_height=len(self.checkpoints) - 1
        )

    def _epoch(self, _: Any) -> Any:
        members = [
            v2.ValidatorCommitteeMember(public_key=one.public_key, weight=one.power)
            for one in light_world.members(self.epoch)
        ]
        committee = v2.ValidatorCommittee(epoch=self.epoch, members=members)
        return v2.GetEpochResponse(
            epoch=v2.Epoch(epoch=self.epoch, reference_gas_price=1_000, committee=committee, first_checkpoint=0)
        )

    def _find(self, text: str, version: int | None = None) -> Object:
        held = self.objects.get(bytes.fromhex(text.removeprefix("0x")))
        if held is None or version not in (None, held.data.version):
            raise GRPCError(Status.NOT_FOUND, f"Object {text} not found")
        return held

    def _object(self, request: Any) -> Any:
        return v2.GetObjectResponse(object=object_message(self._find(request.object_id, request.version)))

    def _objects(self, request: Any) -> Any:
        results = []
        for one in request.requests:
            try:
                results.append(v2.GetObjectResult(object=object_message(self._find(one.object_id))))
            except GRPCError as problem:
                results.append(v2.GetObjectResult(error=google_rpc.Status(code=5, message=problem.message or "")))
        return v2.BatchGetObjectsResponse(objects=results)

    def _owned_objects(self, request: Any) -> Any:
        owner = AddressOwner(bytes.fromhex(request.owner.removeprefix("0x")))
        found = sorted((held for held in self.objects.values() if held.owner == owner), key=lambda one: one.object_id)
        start = int.from_bytes(request.page_token or b"", "big")
        page = found[start : start + 2]
        more = (start + 2).to_bytes(4, "big") if start + 2 < len(found) else None
        return v2.ListOwnedObjectsResponse(objects=[object_message(one) for one in page], next_page_token=more)

    def _dynamic_fields(self, _: Any) -> Any:
        return v2.ListDynamicFieldsResponse()

    def _balance(self, _: Any) -> Any:
        return v2.GetBalanceResponse(balance=v2.Balance(balance=7, coin_balance=5, address_balance=2))

    def _checkpoint(self, request: Any) -> Any:
        number = request.sequence_number
        if request.digest is not None:
            numbers = [
                index
                for index, one in enumerate(self.checkpoints)
                if base58.encode(digest(Hashed.SUMMARY, one.summary)) == request.digest
            ]
            number = numbers[0] if numbers else len(self.checkpoints)
        if number is None:
            number = len(self.checkpoints) - 1
        if not 0 <= number < len(self.checkpoints):
            raise GRPCError(Status.NOT_FOUND, f"Checkpoint {number} not found")
        return v2.GetCheckpointResponse(checkpoint=checkpoint_message(self.checkpoints[number], number))

    def _message(self, transaction: bytes, effects: bytes, checkpoint: int | None) -> Any:
        return v2.ExecutedTransaction(
            digest=base58.encode(transaction),
            effects=v2.TransactionEffects(bcs=v2.Bcs(name="TransactionEffects", value=effects)),
            checkpoint=checkpoint,
        )

    def _transaction(self, request: Any) -> Any:
        asked = base58.decode(request.digest)
        if asked not in self.executed:
            raise GRPCError(Status.NOT_FOUND, f"Transaction {request.digest} not found")
        return v2.GetTransactionResponse(transaction=self._message(asked, *self.executed[asked]))

    def effects(self, data: bytes) -> tuple[EffectsV2, list[Object]]:
        decoded = tx.TRANSACTION_DATA.decode(data)
        assert isinstance(decoded.kind, tx.Programmable)
        used = list(decoded.gas.payment)
        for item in decoded.kind.inputs:
            match item:
                case tx.ObjectInput(tx.OwnedInput(reference)):
                    used.append(reference)
        for reference in used:
            held = self.objects.get(reference.object_id)
            if held is None or reference_of(held) != reference:
                raise GRPCError(Status.INVALID_ARGUMENT, f"object 0x{reference.object_id.hex()} is not available")
        lamport = 1 + max(reference.version for reference in used)
        changes, written = [], []
        charge = GAS.computation + GAS.storage - GAS.storage_rebate
        for place, reference in enumerate(used):
            before = self.objects[reference.object_id]
            existed = Existed(reference.version, reference.digest, before.owner)
            if 0 < place < len(decoded.gas.payment):
                changes.append((reference.object_id, ObjectChange(existed, tx_deleted(), IdOperation.DELETED)))
                continue
            assert isinstance(before.data, MoveObject)
            contents = before.data.contents
            if place == 0:
                total = sum(balance_of(self.objects[one.object_id]) for one in decoded.gas.payment)
                contents = contents[:32] + (total - charge).to_bytes(8, "little")
            after = replace(before, data=replace(before.data, version=lamport, contents=contents))
            written.append(after)
            made = ObjectWrite(reference_of(after).digest, after.owner)
            changes.append((reference.object_id, ObjectChange(existed, made, IdOperation.NONE)))
        effects = EffectsV2(
            self.status, self.epoch, GAS, digest(Hashed.TRANSACTION, data), 0, None, (bytes(32),), lamport,
            tuple(sorted(changes, key=lambda one: one[0])), (), None,
        )  # fmt: skip
        return effects, written

    def _execute(self, request: Any) -> Any:
        data = request.transaction.bcs.value
        made = digest(Hashed.TRANSACTION, data)
        if made not in self.executed:
            effects, written = self.effects(data)
            for reference in tx.TRANSACTION_DATA.decode(data).gas.payment:
                if (reference.object_id, reference.version) in self.spent:
                    self.double_spent.append((reference.object_id, reference.version))
                self.spent.add((reference.object_id, reference.version))
                del self.objects[reference.object_id]
            self.objects |= {held.object_id: held for held in written}
            self.executed[made] = (EFFECTS.encode(effects), None)
        return v2.ExecuteTransactionResponse(transaction=self._message(made, *self.executed[made]))

    def _simulate(self, request: Any) -> Any:
        data = request.transaction.bcs.value
        effects, _ = self.effects(data)
        message = self._message(digest(Hashed.TRANSACTION, data), EFFECTS.encode(effects), None)
        return v2.SimulateTransactionResponse(transaction=message)


def tx_deleted() -> Any:
    from daas_chain.sui.effects import NotExist

    return NotExist()


def balance_of(held: Object) -> int:
    assert isinstance(held.data, MoveObject)
    return int.from_bytes(held.data.contents[32:40], "little")


def failing(status: Status, text: str = "no") -> Fault:
    async def fault(_: Any) -> None:
        raise GRPCError(status, text)

    return fault


def waiting(seconds: float) -> Fault:
    async def fault(_: Any) -> None:
        await asyncio.sleep(seconds)

    return fault


def giving(answer: Any) -> Fault:
    async def fault(_: Any) -> Any:
        return answer

    return fault


HEADERS = [(":status", "200"), ("content-type", "application/grpc")]
Behaviour = Callable[[h2.connection.H2Connection, int, asyncio.StreamWriter], Awaitable[None]]


class RawNode:
    """HTTP/2 by hand: `behave` is called for every request that has arrived whole."""

    def __init__(self, behave: Behaviour) -> None:
        self._behave = behave
        self.requests = 0
        self.connections = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    async def start(self, port: int = 0) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        for writer in self._writers:
            writer.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        connection.initiate_connection()
        writer.write(connection.data_to_send())
        while data := await reader.read(65_536):
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.StreamEnded):
                    self.requests += 1
                    task = asyncio.create_task(self._run(connection, event.stream_id, writer))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
            if not writer.is_closing():
                writer.write(connection.data_to_send())

    async def _run(self, connection: h2.connection.H2Connection, stream: int, writer: asyncio.StreamWriter) -> None:
        await self._behave(connection, stream, writer)
        if not writer.is_closing():
            writer.write(connection.data_to_send())

"""A served network in a test, a client of bare messages, and unchanged pysui over a plain-text channel."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pysui.sui.sui_grpc.suimsgs.google.protobuf as pb
import pysui.sui.sui_grpc.suimsgs.google.rpc as google_rpc
import pysui.sui.sui_grpc.suimsgs.sui.rpc.v2 as v2
from grpclib.client import Channel
from grpclib.const import Cardinality, Status
from grpclib.encoding.base import CodecBase, StatusDetailsCodecBase
from grpclib.exceptions import GRPCError
from pysui import GroupProtocol, GrpcProtocolClient, NetworkType, PysuiConfiguration
from pysui.sui.sui_common.config.confmodel import _CURRENT_CONFIG_VERSION, PysuiConfigModel
from pysui.sui.sui_grpc.pgrpc_clients import _clean_url

from daas_localnet.rpc.server import Pace, Running, serve

from .ledger_world import START_MS
from .localnet_world import ALICE, BOB, FAUCET, Account, NodeWorld

ON_DEMAND = Pace(interval_s=None)
_ROUTE = "/sui.rpc.v2."


class RawCodec(CodecBase):
    __content_subtype__ = "proto"

    def encode(self, message: Any, message_type: Any) -> bytes:
        return message if isinstance(message, bytes) else bytes(message)

    def decode(self, data: bytes, message_type: Any) -> Any:
        return message_type.parse(data)


class Details(StatusDetailsCodecBase):
    def encode(self, status: Status, message: str | None, details: Any) -> bytes:
        return bytes(details)

    def decode(self, status: Status, message: str | None, data: bytes) -> google_rpc.Status:
        return google_rpc.Status.parse(data)


class RawClient:
    """Calls by name with messages, or with bytes that are none."""

    def __init__(self, port: int) -> None:
        self.channel = Channel("127.0.0.1", port, codec=RawCodec(), status_details_codec=Details())

    async def call(self, name: str, request: Any, timeout: float = 10) -> Any:
        response = getattr(v2, f"{name.partition('/')[2]}Response")
        async with self.channel.request(
            _ROUTE + name, Cardinality.UNARY_UNARY, type(request), response, timeout=timeout
        ) as stream:
            await stream.send_message(request, end=True)
            return await stream.recv_message()

    async def fails(self, name: str, request: Any, timeout: float = 10) -> GRPCError:
        try:
            found = await self.call(name, request, timeout)
        except GRPCError as problem:
            return problem
        raise AssertionError(f"{name} has not failed: {found}")

    async def subscribe(self, request: v2.SubscribeCheckpointsRequest) -> AsyncIterator[Any]:
        name = f"{_ROUTE}SubscriptionService/SubscribeCheckpoints"
        async with self.channel.request(
            name, Cardinality.UNARY_STREAM, type(request), v2.SubscribeCheckpointsResponse
        ) as stream:
            await stream.send_message(request, end=True)
            async for one in stream:
                yield one

    def close(self) -> None:
        self.channel.close()


def mask(*paths: str) -> pb.FieldMask:
    return pb.FieldMask(paths=list(paths))


class Clock:
    """Milliseconds, set by the test."""

    def __init__(self) -> None:
        self.now = START_MS

    def __call__(self) -> int:
        return self.now


class Served:
    """A network of a test with its server and a client of bare messages."""

    def __init__(self, world: NodeWorld, running: Running, clock: Clock) -> None:
        self.world = world
        self.running = running
        self.clock = clock
        self.raw = RawClient(running.port)

    def client(self, *accounts: Account) -> Any:
        keys = [base64.b64encode(b"\0" + one.private_bytes_raw()).decode() for one in accounts or (FAUCET, ALICE, BOB)]
        return PlainGrpcClient(pysui_config=configuration(f"http://127.0.0.1:{self.running.port}", keys))


@asynccontextmanager
async def served(pace: Pace = ON_DEMAND, world: NodeWorld | None = None) -> AsyncIterator[Served]:
    clock = Clock()
    world = world or NodeWorld()
    running = await serve(world.network, pace=pace, now_ms=clock)
    found = Served(world, running, clock)
    try:
        yield found
    finally:
        found.raw.close()
        await running.close()


def configuration(url: str, keys: list[str]) -> Any:
    """pysui's configuration without a file."""
    found: Any = PysuiConfiguration.__new__(PysuiConfiguration)
    found._model = PysuiConfigModel(_CURRENT_CONFIG_VERSION, "")
    found._config_root = Path("/nonexistent")
    found._config_file = found._config_root / "PysuiConfig.json"
    profile = {"profile_name": "local", "url": url, "network_type": NetworkType.LOCAL, "make_active": True}
    found.new_group(
        group_name="localnet",
        profile_block=[profile],
        key_block=[{"key_string": key, "alias": f"key{index}xx"} for index, key in enumerate(keys)],
        active_address_index=0,
        group_protocol=GroupProtocol.GRPC,
        make_group_active=True,
        persist=False,
    )
    return found


class PlainGrpcClient(GrpcProtocolClient):  # type: ignore[misc]
    """pysui always takes TLS; the channel is lazy, so it can be another one."""

    def __init__(self, *, pysui_config: Any) -> None:
        super().__init__(pysui_config=pysui_config)
        host, port = _clean_url(pysui_config.url)
        self._channel = Channel(host=host, port=port, ssl=None)

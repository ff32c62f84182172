"""A slot on the stage of `chain_home`, used as an enclave, a gateway and a relay would use it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from daas_chain.calls.clusters import Administered
from daas_chain.calls.requests import Command
from daas_chain.calls.slots import Slot
from daas_chain.contract import Contract
from daas_chain.deployment import Deployment
from daas_chain.network.client import Network
from daas_chain.network.endpoint import Endpoint
from daas_chain.network.failure import AbortBook
from daas_chain.network.gas import GasCoins
from daas_chain.network.submit import Submitter
from daas_gateway.user_keys import load_key

from .chain_home import Person, Stage
from .move_world import built
from .served_contract import BOOT, REQUEST_KEY, Party, ServedContract

T = TypeVar("T")


@dataclass(slots=True)
class SlotStage:
    """`operator` owns the slot of the admin's deployment record."""

    stage: Stage
    operator: Person

    @property
    def record(self) -> Deployment:
        return Deployment.load(self.operator.home / "deployment.json")

    def with_world(self, body: Callable[[ServedContract], Awaitable[T]]) -> T:
        """`body` with the contract as tests of the network client have it; parties are added by `party`."""

        async def main() -> T:
            assert self.stage.ca is not None
            async with await Network.open(Endpoint.parse(self.stage.network.known["rpc"])) as network:
                operator = self.party(network, self.operator)
                world = ServedContract(network, self.stage.ca, self.party(network, self.stage.admin), operator)
                record = self.record
                world.contract = Contract.of(built(), record.package, record.original)
                world.by = Administered(record.cluster, bytes(32))
                world.slot = Slot(record.enclave or bytes(32), record.cluster, record.stake_pool)
                return await body(world)

        return asyncio.run(main())

    @staticmethod
    def party(network: Network, person: Person, token: str = "") -> Party:
        key = load_key(person.home / "keys" / "default.json")
        submitter = Submitter(network, key, GasCoins(network, key.address), book=AbortBook())
        return Party(submitter, bytes.fromhex(token.removeprefix("0x")))

    def document(self, boot: bytes = BOOT, generation: int = 0) -> tuple[str, str]:
        """Files: an attestation document of a boot of this slot, and its request key."""

        async def body(world: ServedContract) -> bytes:
            return world.document(boot, generation)

        folder = self.operator.home
        (folder / "document").write_bytes(self.with_world(body))
        (folder / "request-key").write_bytes(REQUEST_KEY)
        return str(folder / "document"), str(folder / "request-key")

    def ask(self, person: Person, token: str, request_id: bytes, seconds: float = 30.0) -> tuple[int, Command]:
        """A request that the contract has accepted, with its number in the mailbox."""

        async def body(world: ServedContract) -> tuple[int, Command]:
            command = world.command(request_id, seconds=seconds)
            one = self.party(world.network, person, token)
            outcome = await one.submitter.submit(world.asking(one, [command]))
            return world.number_of(outcome), command

        return self.with_world(body)

    def settle(self, person: Person, asked: tuple[int, Command]) -> None:
        """With the answer that `ServedContract.settling` signs: 201, four bytes."""

        async def body(world: ServedContract) -> None:
            one = self.party(world.network, person)
            await world.operator.submitter.submit(world.settling(one, [asked]))

        self.with_world(body)

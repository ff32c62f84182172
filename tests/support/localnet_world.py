"""A whole network in a test: keys that sign, transactions as a client builds them, a light client that follows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daas_chain.light import inclusion, ratchet
from daas_chain.light.committee import Committee
from daas_chain.light.inclusion import VerifiedTransaction
from daas_chain.light.transactions import open_transaction
from daas_chain.sui import transaction as tx
from daas_chain.sui.digests import Hashed, digest
from daas_chain.sui.objects import SUI as SUI_TYPE
from daas_chain.sui.transaction import TRANSACTION_DATA
from daas_chain.sui.types import AddressOwner, StructTag
from daas_localnet.ledger.objects import Stored
from daas_localnet.ledger.signatures import signing_digest
from daas_localnet.ledger.sqlite import SqliteStore
from daas_localnet.ledger.store import Batch, MemoryStore
from daas_localnet.node.archive import Executed
from daas_localnet.node.checkpoints import Certified
from daas_localnet.node.founding import found_network
from daas_localnet.node.network import Network
from daas_localnet.node.settings import Settings
from daas_protocol.sui import address_of

from .ledger_world import START_MS, SUI, Block, LedgerWorld, u64
from .move_world import built

SEED = bytes(range(32))
COIN = StructTag(SUI, "coin", "Coin", (SUI_TYPE,))
Account = Ed25519PrivateKey


def account(number: int) -> Account:
    return Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


def address(of: Account) -> bytes:
    return address_of(of.public_key().public_bytes_raw())


def sign(data: tx.TransactionData, by: Account) -> bytes:
    return b"\0" + by.sign(signing_digest(data)) + by.public_key().public_bytes_raw()


FAUCET, ALICE, BOB = account(1), account(2), account(3)


def settings(seed: bytes | None = SEED, validators: int = 4, epoch_ms: int | None = None) -> Settings:
    return Settings(address(FAUCET), seed=seed, validators=validators, epoch_ms=epoch_ms)


@cache
def founded() -> Batch:
    """What a new network writes, once for all tests."""
    return found_network(built(), settings(), START_MS)


class NodeWorld(LedgerWorld):
    """Builds transactions over a network's objects; executes nothing by itself."""

    def __init__(
        self, store: MemoryStore | SqliteStore | None = None, given: Settings | None = None, now_ms: int = START_MS
    ) -> None:
        self.store = MemoryStore() if store is None else store  # type: ignore[assignment]
        if given is None and not Network.stored_in(self.store):
            self.store.commit(founded())
        self.network = Network.open(self.store, built(), given or settings(), now_ms)
        self.ledger = self.network.ledger

    def coins(self, owner: bytes) -> list[Stored]:
        found = [one for one in self.store.owned(AddressOwner(owner)) if one.type == COIN]
        return sorted(found, key=lambda one: one.object_id)

    def signed(self, block: Block, by: Account = FAUCET, **gas: object) -> tuple[tx.TransactionData, tuple[bytes, ...]]:
        data = self.data(block, address(by), **gas)
        return data, (sign(data, by),)

    def send(self, block: Block, now_ms: int = START_MS, by: Account = FAUCET, **gas: object) -> Executed:
        return self.network.execute(*self.signed(block, by, **gas), now_ms)

    def transfer(self, amount: int, to: Account = ALICE) -> Block:
        block = self.block()
        block.transfer(address(to), *block.split(tx.GasCoin(), amount))
        return block

    def listing(self) -> Block:
        """A kiosk with a coin for sale: emits one event."""
        block = self.block()
        made = block.call(SUI, "kiosk::new")
        kiosk, cap = tx.NestedResult(made.command, 0), tx.NestedResult(made.command, 1)
        item = block.split(tx.GasCoin(), 1)[0]
        block.call(SUI, "kiosk::place_and_list", kiosk, cap, item, block.pure(u64(5)), types=(COIN,))
        block.call(SUI, "transfer::public_share_object", kiosk, types=(StructTag(SUI, "kiosk", "Kiosk"),))
        block.transfer(address(FAUCET), cap)
        return block


@dataclass(slots=True)
class Follower:
    """A light client with nothing but the first committee: verifies every checkpoint whole, from genesis on."""

    network: Network
    state: ratchet.TrustedState = field(init=False)
    transactions: list[VerifiedTransaction] = field(default_factory=list)

    def __post_init__(self) -> None:
        first = self.network.epoch(0)
        assert first is not None
        self.state = ratchet.TrustedState(Committee.from_record(first.committee))

    @property
    def next(self) -> int:
        return 0 if self.state.position is None else self.state.position.sequence_number + 1

    def follow(self, one: Certified) -> tuple[VerifiedTransaction, ...]:
        """Verifies it and everything in it, and moves on."""
        before = 0 if self.state.position is None else self.state.position.total_transactions
        state, verified = ratchet.follow(self.state, one.summary_bytes, one.signature_bytes)
        contents = inclusion.open_contents(verified, one.contents_bytes, before)
        opened = inclusion.open_all(contents, list(parts(self.network, one)))
        for each in executed(self.network, one):
            data = TRANSACTION_DATA.encode(each.signed.data)
            assert open_transaction(contents, data) == (each.digest, each.signed.data)
        self.state = state
        self.transactions += opened
        return opened

    def catch_up(self) -> int:
        """How many checkpoints there were."""
        count = 0
        while self.next <= self.network.latest.number:
            one = self.network.checkpoint(self.next)
            assert one is not None
            assert self.network.checkpoint_by_digest(one.digest) == one
            self.follow(one)
            count += 1
        return count


def executed(network: Network, one: Certified) -> Iterator[Executed]:
    for entry in one.contents.digests:
        found = network.transaction(entry.transaction)
        assert found is not None
        assert (found.checkpoint, found.timestamp_ms) == (one.number, one.summary.timestamp_ms)
        assert digest(Hashed.EFFECTS, found.effects_bytes) == entry.effects
        yield found


def parts(network: Network, one: Certified) -> Iterator[tuple[bytes, bytes | None]]:
    """(effects, events) of each transaction of a checkpoint."""
    for each in executed(network, one):
        yield each.effects_bytes, each.events_bytes

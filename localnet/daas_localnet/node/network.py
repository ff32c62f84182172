"""The network: takes transactions, executes them, and certifies what it has executed.

Invariant: what `execute` and `seal` have returned survives the process (as far as the store does), and each step
changes the store by one batch: a transaction with everything it has written, a checkpoint with everything that names
it. A network that is opened again has executed what it had, and first certifies what was not certified yet.

Time comes from the caller. A commit begins with the transaction that sets the clock (0x6), and its checkpoint has that
time; there is one commit for each checkpoint. Transactions are executed one after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from daas_chain.artifacts import Artifacts
from daas_chain.sui.digests import Hashed, digest
from daas_chain.sui.transaction import INTENT, TRANSACTION_DATA, SignedTransaction, TransactionData
from daas_localnet.ledger.execute import Epoch, Ledger
from daas_localnet.ledger.objects import Stored
from daas_localnet.ledger.settle import Outcome
from daas_localnet.ledger.signatures import check_signatures
from daas_localnet.ledger.store import Store

from . import archive, commits
from .ahead import AheadStore
from .archive import Archive, EpochInfo, Executed
from .checkpoints import TRANSACTIONS_MAX, Certified
from .committee import KeySource
from .errors import ArchiveError, CommitFullError
from .founding import found_network
from .sealing import Commit, entry
from .settings import Settings, check_same

Listener = Callable[[Certified], None]
_OWN_MAX = 2
"""Of a checkpoint's transactions: its prologue, and the end of its epoch."""


class Network:
    """Made by `open`. For one thread."""

    store: Store
    ledger: Ledger
    chain_id: bytes

    def __init__(self, store: Store, settings: Settings) -> None:
        """Raises SettingsError, ArchiveError."""
        self.store = store
        self._archive = Archive(store)
        self._epoch_ms = settings.epoch_ms
        self._listeners: dict[object, Listener] = {}
        kept = self._archive.settings()
        count = self._archive.checkpoints()
        first, latest = self._archive.checkpoint(0), self._archive.checkpoint(max(count, 1) - 1)
        if kept is None or first is None or latest is None:
            raise ArchiveError("settings, a first checkpoint and a newest one", "an unfinished network")
        check_same(kept, settings)
        self._source = KeySource(kept.seed, kept.validators)
        self.chain_id, self._latest = first.digest, latest
        number = latest.summary.epoch + (latest.summary.end_of_epoch is not None)
        self._keys = self._source.keys(number)
        info = self._archive.epoch(number)
        if info is None or info.committee != self._keys.record:
            raise ArchiveError(f"epoch {number} with its committee", "none" if info is None else "another committee")
        self.ledger = Ledger(store, _epoch(info), settings.nitro_anchor, self.chain_id)
        self._pending = [entry(one) for one in self._archive.waiting(latest)]

    @staticmethod
    def stored_in(store: Store) -> bool:
        """Whether there is a network in the store."""
        return Archive(store).settings() is not None

    @classmethod
    def open(cls, store: Store, artifacts: Artifacts, settings: Settings, now_ms: int) -> Network:
        """The network that is in the store, or a new one (then `artifacts` has its framework, and `settings` a seed).

        Raises SettingsError, ArchiveError.
        """
        if not cls.stored_in(store):
            store.commit(found_network(artifacts, settings, now_ms))
        network = cls(store, settings)
        if network.pending:
            network.seal(now_ms)
        return network

    # Reading.

    def object(self, object_id: bytes, version: int | None = None) -> Stored | None:
        """At present; or one version of it, also when the object is no more."""
        return self.store.get(object_id) if version is None else self.store.at(object_id, version)

    def transaction(self, digest_: bytes) -> Executed | None:
        return self._archive.transaction(digest_)

    def checkpoint(self, sequence_number: int) -> Certified | None:
        latest = self._latest
        return latest if sequence_number == latest.number else self._archive.checkpoint(sequence_number)

    def checkpoint_by_digest(self, digest_: bytes) -> Certified | None:
        number = self._archive.number_of(digest_)
        return None if number is None else self.checkpoint(number)

    @property
    def latest(self) -> Certified:
        return self._latest

    def epoch(self, number: int | None = None) -> EpochInfo | None:
        """The present one by default."""
        return self._archive.epoch(self.ledger.epoch.number if number is None else number)

    @property
    def time_ms(self) -> int:
        """Of the clock."""
        return commits.time_in(self.store)

    @property
    def pending(self) -> int:
        """Executed transactions that are in no checkpoint yet, the network's own among them."""
        return len(self._pending)

    def epoch_is_over(self, now_ms: int) -> bool:
        """Whether the next checkpoint should end the epoch, by its length in the settings."""
        if self._epoch_ms is None:
            return False
        return max(now_ms, self.time_ms) - self.ledger.epoch.timestamp_ms >= self._epoch_ms

    # Writing.

    def execute(self, data: TransactionData, signatures: tuple[bytes, ...], now_ms: int) -> Executed:
        """Durable when it returns. The same transaction again, with good signatures, gives what it gave.

        Raises SignatureError, InputError, CommitFullError; then the transaction has done nothing.
        """
        check_signatures(data, signatures)
        before = self.transaction(digest(Hashed.TRANSACTION, TRANSACTION_DATA.encode(data)))
        if before is not None:
            return before
        if len(self._pending) + _OWN_MAX > TRANSACTIONS_MAX:
            raise CommitFullError(f"at most {TRANSACTIONS_MAX} transactions in a checkpoint", "one more")
        if not self._pending:
            # A transaction that is refused begins no commit.
            self.ledger.check(data)
            own = self._prologue(now_ms)
            self._keep(own.signed, own.outcome)
        return self._keep(SignedTransaction(INTENT, data, signatures), self.ledger.attempt(data))

    def simulate(self, data: TransactionData, now_ms: int, checks: bool = True) -> Outcome:
        """What `execute` would give now, without signatures; see `Ledger.simulate`. Raises InputError."""
        if self._pending:
            return self.ledger.simulate(data, checks=checks)
        ahead = AheadStore(self.store, self._prologue(now_ms).outcome.batch.written)
        ledger = replace(self.ledger, store=ahead)
        ledger.packages = self.ledger.packages
        return ledger.simulate(data, checks=checks)

    def seal(self, now_ms: int, end_epoch: bool = False) -> Certified:
        """The next checkpoint: of what waits, or of a commit without transactions. Durable when it returns.

        `end_epoch`: its last transaction ends the epoch, and its summary has the next committee. Listeners are called
        when everything is done; what the first of them raises comes out of here after all were called.
        """
        commit = Commit(self._latest, tuple(self._pending), self.time_ms)
        if not self._pending:
            commit = commit.after(self._prologue(now_ms))
        following = None
        if end_epoch:
            number = self.ledger.epoch.number
            following = self._source.keys(number + 1)
            commit = commit.after(commits.end(number, commit.gas(number), commit.time_ms))
        made, batch, info = commit.seal(self._keys, following, self.ledger.epoch.reference_gas_price)
        self.store.commit(batch)
        self._latest, self._pending = made, []
        if following is not None and info is not None:
            self._keys, self.ledger.epoch = following, _epoch(info)
        self._tell(made)
        return made

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Calls `listener` with every checkpoint from now on, in order; the result ends that. It must not write."""
        name = object()
        self._listeners[name] = listener

        def undo() -> None:
            self._listeners.pop(name, None)

        return undo

    def _tell(self, made: Certified) -> None:
        problem: Exception | None = None
        for listener in tuple(self._listeners.values()):
            try:
                listener(made)
            except Exception as raised:
                problem = problem or raised
        if problem is not None:
            raise problem

    def _prologue(self, now_ms: int) -> commits.Own:
        return commits.begin(self.store, self.ledger.epoch.number, self._latest.number + 1, now_ms)

    def _keep(self, signed: SignedTransaction, outcome: Outcome) -> Executed:
        made = archive.executed(signed, outcome)
        number = self._latest.summary.network_total_transactions + len(self._pending)
        records = (*outcome.batch.records, *archive.transaction_records(number, made))
        self.store.commit(replace(outcome.batch, records=records))
        self._pending.append(entry(made))
        return made


def _epoch(info: EpochInfo) -> Epoch:
    return Epoch(info.number, info.start_ms, info.reference_gas_price)

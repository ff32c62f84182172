"""A command's connection to a network: the node, the deployment, the key that signs; and its failures as messages.

Invariant: nothing is sent that a simulation shows to fail or that could cost more than the ceiling; a transaction whose
outcome is unknown is sent again with the very same bytes, and said to be unknown if that does not help; every digest
that left this process is shown. The network is the one whose chain the deployment record names, or nothing is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from daas_chain import artifacts
from daas_chain.artifacts import Artifacts
from daas_chain.calls.clusters import Administered
from daas_chain.calls.slots import Slot
from daas_chain.contract import Contract
from daas_chain.deployment import Deployment, DeploymentError
from daas_chain.network import errors as net
from daas_chain.network.client import Network
from daas_chain.network.endpoint import Endpoint
from daas_chain.network.failure import AbortBook, TransactionFailedError
from daas_chain.network.gas import GasCoins
from daas_chain.network.records import Executed
from daas_chain.network.submit import Payment, Submitter
from daas_chain.sui import base58
from daas_chain.sui.builder import Builder, BuilderError
from daas_chain.sui.signing import SignerError
from daas_gateway import user_keys
from daas_gateway.user_keys import PrivateFileExposed, UserKey, UserKeyError
from daas_protocol.bcs import BcsError

from . import context
from .chain_options import Asked, id_text, sui_text
from .errors import CliError, RefusedError, UnreachableError, UnreadableError
from .home import Home
from .output import Progress, program, stdout

CLOCK = (6).to_bytes(32, "big")
T = TypeVar("T")
_UNREACHABLE = (net.UnreachableError, net.TimedOutError, net.ExhaustedError, net.TlsError, net.DeniedError)
_HINTS = {
    "cluster::ETimelockRunning": "wait until the time that `{daas} cluster policy list` shows",
    "cluster::EPolicyVersion": "give the measurement a higher version",
    "cluster::ENotAdmitted": "the admin admits you: `{daas} cluster operator admit ADDRESS`",
    "enclave::ENotAdmitted": "the admin admits you: `{daas} cluster operator admit ADDRESS`",
    "enclave::EInsufficientStake": "deposit the operator's stake: `{daas} stake deposit AMOUNT --role operator`",
    "stake::EInsufficientStake": "deposit at least the minimum that `{daas} cluster show` names",
    "stake::EUnbondingRunning": "wait until the time that `{daas} stake list` shows",
    "stake::ENotUnbonding": "begin with `{daas} stake unbond`",
    "mailbox::ENotOverdue": "wait until the time that `{daas} request get` shows",
    "queue::ENotPending": "see how it ended: `{daas} request get ID`",
    "governance::ECapPresent": "nothing is left to do: Governance has the UpgradeCap",
}


@dataclass(frozen=True, slots=True)
class Sent:
    """A transaction that was executed with success. `gas`: what it has cost, MIST, less what storage gave back."""

    executed: Executed
    gas: int

    @property
    def digest(self) -> str:
        return base58.encode(self.executed.digest)

    def to_json(self) -> dict[str, object]:
        return {"transaction": self.digest, "gas_mist": self.gas}


def print_sent(sent: Sequence[Sent]) -> None:
    """The transactions of a command, the last thing that it says."""
    for one in sent:
        stdout().print(f"[dim]transaction {one.digest}, gas {sui_text(max(one.gas, 0))}[/]")


@dataclass
class Chain:
    """One node, and whoever asks."""

    home: Home
    asked: Asked
    url: str
    network: Network
    progress: Progress
    packages: list[bytes] = field(default_factory=list)
    """Ids of our package, for the names of errors."""

    @cached_property
    def artifacts(self) -> Artifacts:
        return artifacts.load()

    @cached_property
    def key(self) -> UserKey:
        """Raises UserKeyError, PrivateFileExposed."""
        name = self.asked.key or context.load_settings(self.home).key
        return user_keys.load_key(self.home.keys / f"{name}.json")

    @cached_property
    def submitter(self) -> Submitter:
        return Submitter(self.network, self.key, GasCoins(self.network, self.key.address))

    @property
    def address(self) -> bytes:
        return self.key.address

    async def send(
        self, step: str, fill: Callable[[Builder], object], *, spent: int = 0, ceiling: int | None = None
    ) -> Sent:
        """What was done, once it is done. `spent`: MIST that functions take from the gas coin."""
        commands = Builder()
        fill(commands)
        self.submitter.book = AbortBook.of(self.artifacts, self.packages)
        with self.progress.step(step):
            payment = Payment(ceiling=ceiling or self.asked.ceiling, spent=spent)
            try:
                executed = await self.submitter.submit(commands, payment)
            except net.OutcomeUnknownError as unknown:
                self.progress.detail(f"no answer; transaction {base58.encode(unknown.digest)} is sent again")
                executed = await self.submitter.again(unknown)
        cost = executed.effects.gas_used
        return Sent(executed, cost.computation + cost.storage - cost.storage_rebate)

    async def now_ms(self) -> int:
        """The chain's clock, as the node says it."""
        held = await self.network.object(CLOCK)
        return int.from_bytes(held.contents[32:40], "little")


@dataclass
class Deployed(Chain):
    """With the contract of the deployment record."""

    record: Deployment = field(kw_only=True)

    @cached_property
    def contract(self) -> Contract:
        return Contract.of(self.artifacts, self.record.package, self.record.original)

    def slot(self, enclave: bytes | None = None) -> Slot:
        """Raises UnreadableError where none is known."""
        chosen = enclave or self.record.enclave
        if chosen is None:
            raise UnreadableError(
                "no enclave slot is known here", f"name one with --enclave, or make one: `{program()} enclave create`"
            )
        return Slot(chosen, self.record.cluster, self.record.stake_pool)

    async def admin(self) -> Administered:
        """The key's AdminCap of this cluster. Raises RefusedError."""
        return Administered(self.record.cluster, await self.cap("AdminCap", "admin"))

    async def cap(self, name: str, who: str) -> bytes:
        """Of this cluster, held by the key. Raises RefusedError."""
        async for held in self.network.owned(self.address, self.contract.struct(f"cluster::{name}")):
            if held.contents[32:64] == self.record.cluster:
                return held.reference.object_id
        raise RefusedError(
            f"{id_text(self.address)} does not hold the {name} of cluster {id_text(self.record.cluster)}",
            f"sign as its {who}: --key NAME (`{program()} key list`)",
        )


def run(asked: Asked, url: str, chain: bytes | None, body: Callable[[Chain], Awaitable[T]]) -> T:
    """`body` with a connection to `url`, and to no other `chain` than that one if it is given. Raises CliError."""

    async def main() -> T:
        async with _open(asked, url, chain) as network:
            return await body(Chain(context.home(), asked, url, network, Progress(quiet=asked.quiet)))

    return _run(main)


def run_deployed(asked: Asked, body: Callable[[Deployed], Awaitable[T]]) -> T:
    """As `run`, with the deployment record; `--network` is then another node of the same chain."""

    async def main() -> T:
        home = context.home()
        record = load_record(home)
        url = asked.network or record.network
        async with _open(asked, url, record.chain_id) as network:
            packages = [record.package, record.original]
            return await body(Deployed(home, asked, url, network, Progress(quiet=asked.quiet), packages, record=record))

    return _run(main)


def load_record(home: Home) -> Deployment:
    """Raises UnreadableError."""
    try:
        return Deployment.load(home.deployment)
    except FileNotFoundError:
        raise UnreadableError(
            f"there is no deployment record {home.deployment}",
            f"`{program()} cluster create` makes a cluster and writes it, `{program()} cluster use` writes it for a "
            "cluster that exists",
        ) from None
    except DeploymentError as problem:
        raise UnreadableError(f"{home.deployment}: {problem}", "correct the file, or write it anew") from None


@asynccontextmanager
async def _open(asked: Asked, url: str, chain: bytes | None) -> AsyncIterator[Network]:
    ca: Path | None = asked.ca
    async with await Network.open(Endpoint.parse(url, ca), chain) as network:
        yield network


def _run(main: Callable[[], Awaitable[T]]) -> T:
    async def awaited() -> T:
        return await main()

    try:
        return asyncio.run(awaited())
    except CliError:
        raise
    except artifacts.ArtifactsError as problem:
        raise UnreadableError(str(problem), f"run `{program()} move build`") from None
    except (UserKeyError, PrivateFileExposed) as problem:
        raise UnreadableError(
            str(problem), f"see `{program()} key list`; make one with `{program()} key new`"
        ) from None
    except (BuilderError, SignerError) as problem:
        raise RefusedError(str(problem), "check the ids: another deployment, or what is named is gone") from None
    except BcsError as problem:
        raise RefusedError(
            f"an object of the contract cannot be read: {problem}", "use a release of DaaS that knows this package"
        ) from None
    except net.NetworkError as problem:
        raise failure(problem) from None


def failure(problem: net.NetworkError) -> CliError:
    """A network's refusal in the words of the command line."""
    match problem:
        case TransactionFailedError():
            advice = problem.advice if problem.executed is not None else problem.advice_unsent
            hint = _HINTS.get(problem.name or "", "").format(daas=program())
            return RefusedError(_without(str(problem), advice), hint or advice)
        case net.InsufficientGasError():
            needed = f"it needs {sui_text(problem.needed)} and has {sui_text(problem.available)}"
            return RefusedError(
                f"{problem.what} ({needed})",
                f"send SUI to the address; on a local network: `{program()} localnet faucet ADDRESS`",
            )
        case net.BudgetCeilingError():
            return RefusedError(problem.what, "nothing was sent; raise --max-gas if that is what you want to pay")
        case net.EndpointError():
            return UnreadableError(problem.what, problem.advice)
        case net.ChainError():
            return RefusedError(
                problem.what,
                "the deployment record is of another network; check --network, or DAAS_HOME. A local network without "
                "--data is a new one at each start",
            )
        case net.OutcomeUnknownError():
            return RefusedError(problem.what, "ask any node for this transaction before you do it again")
        case _:
            kind = UnreachableError if isinstance(problem, _UNREACHABLE) else RefusedError
            return kind(problem.what, problem.advice)


def _without(text: str, advice: str) -> str:
    return text.removesuffix(f": {advice}")

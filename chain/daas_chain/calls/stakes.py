"""What somebody with a stake does. Coins come from the gas coin; what is taken out goes to `owner`."""

from __future__ import annotations

from daas_chain.contract import Contract
from daas_chain.sui.builder import GAS, Builder, Use


def deposit_requester(contract: Contract, commands: Builder, pool: bytes, cluster: bytes, mist: int) -> None:
    """Gives the sender a StakeProof."""
    contract.call(commands, "stake::deposit_requester", Use(pool), Use(cluster), commands.split(GAS, (mist,))[0])


def deposit_operator(
    contract: Contract, commands: Builder, pool: bytes, cluster: bytes, slot: bytes, mist: int
) -> None:
    """Gives the sender a StakeProof."""
    coin = commands.split(GAS, (mist,))[0]
    contract.call(commands, "stake::deposit_operator", Use(pool), Use(cluster), slot, coin)


def top_up(contract: Contract, commands: Builder, pool: bytes, proof: bytes, mist: int) -> None:
    contract.call(commands, "stake::top_up", Use(pool), Use(proof), commands.split(GAS, (mist,))[0])


def begin_unbonding(contract: Contract, commands: Builder, pool: bytes, cluster: bytes, proof: bytes) -> None:
    contract.call(commands, "stake::begin_unbonding", Use(pool), Use(cluster), Use(proof), commands.clock())


def rebond(contract: Contract, commands: Builder, pool: bytes, proof: bytes) -> None:
    contract.call(commands, "stake::rebond", Use(pool), Use(proof))


def withdraw(contract: Contract, commands: Builder, pool: bytes, proof: bytes, owner: bytes) -> None:
    coin = contract.call(commands, "stake::withdraw", Use(pool), Use(proof), commands.clock())
    commands.transfer((coin,), owner)

"""What `daas up` does on a chain before an enclave starts: a network, the contract, a cluster, a slot, stakes, a token.

Invariant: each step is done once and written down (deployment.json, instance.json) before the next; a start that was
interrupted goes on where it stopped, and a second start does nothing but propose what has changed: the measurements.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from daas_attestation.development_ca import ROOT_FILE
from daas_attestation.measurements import Measurement
from daas_gateway import user_keys
from daas_protocol.state_files import write_atomic
from daas_protocol.sui import format_address

from . import faucet_client, instance
from .chain_options import Asked
from .errors import RefusedError, UnreachableError
from .home import Home
from .instance import Instance
from .output import Progress

if TYPE_CHECKING:
    from daas_chain.deployment import Deployment

    from .chain_access import Deployed

OPERATOR: Final = "operator"
"""The key that owns the slot and pays for the host's transactions."""
LOCALNET: Final = "localnet"
READY_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.1
HEALTH_SECONDS: Final = 5.0
REQUESTER_MIST: Final = 10 * 10**9
OPERATOR_MIST: Final = 100 * 10**9
PUBLISH_CEILING: Final = 10 * 10**9
DAY_MS: Final = 86_400_000
TOKEN_MS: Final = 365 * DAY_MS
GRANTS: Final = ("*:*",)
EVERY_MS: Final = 200
IDLE_MS: Final = 1_000
_REQUESTER, _OPERATOR = 0, 1


@dataclass(frozen=True, slots=True)
class OnChain:
    """`committee`: bcs of the anchor that enclaves of this instance begin with."""

    record: Deployment
    committee: bytes
    token: bytes


def write_localnet(home: Home, taken: frozenset[int]) -> dict[str, Any]:
    """The network's configuration; its ports are chosen once."""
    path = home.component_config(LOCALNET)
    if path.exists():
        found: dict[str, Any] = json.loads(path.read_bytes())
        return found
    port = instance.free_port(taken)
    made = {
        "version": 1,
        "data_dir": str(home.localnet),
        "host": "127.0.0.1",
        "port": port,
        "faucet_port": instance.free_port(taken | {port}),
        "checkpoint_ms": EVERY_MS,
        "idle_ms": IDLE_MS,
        "epoch_ms": None,
        "validators": 4,
        "nitro_root": str(home.development_ca / ROOT_FILE),
    }
    write_atomic(path, json.dumps(made, indent=1).encode() + b"\n", 0o600)
    return made


def wait_for_network(config: dict[str, Any], check: Callable[[], None], progress: Progress) -> None:
    """Until the network says that it is well. Raises CliError."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        check()
        if _healthy(config):
            return
        progress.detail("the local network does not answer yet")
        time.sleep(POLL_SECONDS)
    raise UnreachableError("the local network does not answer", "see `daas logs localnet`")


def _healthy(config: dict[str, Any]) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", config["faucet_port"], timeout=HEALTH_SECONDS)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def ensure_key(home: Home, name: str) -> bytes:
    """The address of a key, made when there is none."""
    path = home.keys / f"{name}.json"
    if not path.exists():
        user_keys.new_key(home.keys, name)
    return user_keys.load_key(path).address


def set_up(
    home: Home, key: str, url: str, measured: Measurement, config: dict[str, Any], progress: Progress
) -> OnChain:
    """Everything that must be on the chain before the enclave starts. `measured`: what it will attest.

    Raises CliError.
    """
    from . import chain_access, chain_setup
    from .published import Published

    user, operator = ensure_key(home, key), ensure_key(home, OPERATOR)
    asked = Asked(network=url, key=key, ceiling=PUBLISH_CEILING, quiet=True)
    if not home.deployment.exists():
        for address in (user, operator):
            faucet_client.ask_coins(f"http://127.0.0.1:{config['faucet_port']}", address)

        async def found(chain: chain_access.Chain) -> None:
            published = Published.load(home.published)
            if published is None or published.chain_id != chain.network.chain_id:
                published = (await chain_setup.publish(chain, PUBLISH_CEILING)).published
            wanted = chain_setup.Making("daas", (measured,), (), (operator,), dict(chain_setup.FAST))
            await chain_setup.make_cluster(chain, published, wanted)

        with progress.step("Contract published, cluster created"):
            chain_access.run(asked, url, None, found)
    deployed = replace(asked, network=None)
    with progress.step("Slot, stakes, token and policy on the chain"):
        chain_access.run_deployed(replace(deployed, key=OPERATOR), _slot)
        token = chain_access.run_deployed(deployed, lambda chain: _user(chain, user))
        chain_access.run_deployed(deployed, lambda chain: _policy(chain, measured, progress))
        committee = chain_access.run_deployed(deployed, lambda chain: _committee(chain, home.committee))
    return OnChain(chain_access.load_record(home), committee, token)


async def _slot(chain: Deployed) -> None:
    from daas_chain.calls import slots, stakes

    from . import chain_reads
    from .chain_setup import created

    enclave = chain.record.enclave
    if enclave is None:
        sent = await chain.send("create a slot", lambda c: slots.create(chain.contract, c, chain.record.cluster))
        enclave = (await created(chain.network, sent.executed))["Enclave"]
        chain.record = chain.record.with_enclave(enclave)
        chain.record.store(chain.home.deployment)
    slot = enclave
    if await chain_reads.stake_for(chain, _OPERATOR, slot) is None:
        await chain.send(
            "deposit the operator's stake",
            lambda c: stakes.deposit_operator(
                chain.contract, c, chain.record.stake_pool, chain.record.cluster, slot, OPERATOR_MIST
            ),
            spent=OPERATOR_MIST,
        )


async def _user(chain: Deployed, user: bytes) -> bytes:
    """A stake and a token for everything; the token's id."""
    from daas_chain.calls import clusters, stakes

    from . import chain_reads
    from .chain_setup import created
    from .token_commands import new_secret

    if await chain_reads.stake_for(chain, _REQUESTER, b"") is None:
        await chain.send(
            "deposit the requester's stake",
            lambda c: stakes.deposit_requester(
                chain.contract, c, chain.record.stake_pool, chain.record.cluster, REQUESTER_MIST
            ),
            spent=REQUESTER_MIST,
        )
    now_ms = await chain.now_ms()
    async for one in chain_reads.tokens(chain):
        held = one.token
        if held is not None and not one.revoked and held.owner == user and held.expires_at_ms > now_ms + DAY_MS:
            return one.id
    by = await chain.admin()
    commitment, _ = new_secret(chain.home, user)
    sent = await chain.send(
        "issue a token",
        lambda c: clusters.issue_token(chain.contract, c, by, user, GRANTS, commitment, now_ms + TOKEN_MS),
    )
    return (await created(chain.network, sent.executed))["AccessToken"]


async def _policy(chain: Deployed, measured: Measurement, progress: Progress) -> None:
    """The measurements of this start are the newest policy: proposed, and activated when the timelock is over."""
    from daas_chain.calls import clusters

    from . import chain_reads

    found = await chain_reads.cluster(chain)
    wanted = {index: value for index, value in measured.pcrs.items() if index in (0, 1, 2)}
    for _, policy in found.policies:
        if not policy.revoked and {one.index: one.value for one in policy.pcrs} == wanted:
            return
    by = await chain.admin()
    version = max(found.newest_version, max((number for number, _ in found.policies), default=0)) + 1
    await chain.send(
        f"propose policy {version}",
        lambda c: clusters.propose_policy(chain.contract, c, by, version, wanted),
    )
    after = await chain_reads.cluster(chain)
    number, proposal = after.proposals[-1]
    while await chain.now_ms() <= proposal.activates_at_ms:
        progress.detail("the policy's timelock runs")
        await asyncio.sleep(1.0)
    await chain.send(f"activate policy {version}", lambda c: clusters.activate(chain.contract, c, by.cluster, number))


async def _committee(chain: Deployed, path: Path) -> bytes:
    """The anchor that the cluster accepts, kept from its creation on."""
    from daas_chain.sui.checkpoint import COMMITTEE

    if path.exists():
        return path.read_bytes()
    epoch = await chain.network.epoch(committee=True)
    if epoch.committee is None:
        raise RefusedError("the node does not say who its validators are", "use another node")
    data = COMMITTEE.encode(epoch.committee)
    write_atomic(path, data, 0o600)
    return data


def adopt(home: Home, known: Instance, on_chain: OnChain) -> Instance:
    """The instance with the ids of the chain, written down."""
    record = on_chain.record
    assert record.enclave is not None
    chosen = replace(
        known,
        cluster_id=format_address(record.cluster),
        enclave_id=format_address(record.enclave),
        token_id=format_address(on_chain.token),
    )
    instance.save(home, chosen)
    return chosen

"""Promise: whoever has a key and coins makes a cluster on any network, and what widens trust waits for the timelock."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daas_chain.deployment import Deployment
from daas_chain.sui import base58
from support.chain_home import QUICK, Person, Stage, stage

pytestmark = pytest.mark.e2e
STRANGER = "0x" + "99" * 32


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("cluster")) as one:
        yield one


@pytest.fixture(scope="module")
def published(made: Stage) -> Any:
    return made.publish()


@pytest.fixture(scope="module")
def cluster(made: Stage, published: Any) -> Any:
    return made.create()


@pytest.fixture(scope="module")
def admin(made: Stage, cluster: Any) -> Person:
    return made.admin


def test_a_package_is_published_once_and_governance_has_its_upgrade_cap(made: Stage, published: Any) -> None:
    assert published["package"] == published["original"]
    assert len(published["transactions"]) == 2
    assert published["transactions"][0]["gas_mist"] > 10**8, "the second gives storage back and may cost nothing"
    assert published["chain_id"] == made.network.known["chain_id"]
    message, hint = made.admin.refused("move", "publish", "--network", made.network.known["rpc"])
    assert published["package"] in message
    assert "cluster create" in hint


def test_a_publication_that_was_cut_off_is_finished_and_not_begun_anew(made: Stage, tmp_path: Path) -> None:
    """As if the coins had ended between the two transactions."""
    one = Person.on(made.network, tmp_path / "home")
    rpc = made.network.known["rpc"]
    message, hint = one.refused("move", "publish", "--network", rpc, "--timelock", "500ms")
    assert "ETimelockBounds" in message
    assert "publish" not in hint
    begun = json.loads((one.home / "published.json").read_text())
    done = one.json("move", "publish", "--network", rpc, "--timelock", "2s")
    assert done["package"] == begun["package"]
    assert len(done["transactions"]) == 1


def test_the_record_is_that_of_the_chain(made: Stage, cluster: Any, published: Any, admin: Person) -> None:
    path = admin.home / "deployment.json"
    record = Deployment.load(path)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert cluster["record"] == str(path)
    assert f"0x{record.cluster.hex()}" == cluster["cluster"]
    assert f"0x{record.package.hex()}" == published["package"]
    assert f"0x{record.governance.hex()}" == published["governance"]
    assert base58.encode(record.chain_id) == made.network.known["chain_id"]
    assert record.enclave is None
    shown = admin.json("cluster", "show")
    assert shown["anchors"] == [made.network.known["committee_anchor"]]
    assert shown["operators"] == [admin.address]
    assert {name: shown["parameters"][name] for name in QUICK} == QUICK
    assert shown["parameters"]["fee_base"] == 1_000_000, "what the file does not name is the package's default"
    assert [one["version"] for one in shown["policies"]] == [1]
    for name in ("stake_pool", "worker_registry", "cluster"):
        assert shown[name] == cluster[name]
    text = admin("cluster", "show").stdout
    for word in (cluster["cluster"], "policy 1", "staleness_ms", "1 s", "min_stake_requester", "1 SUI"):
        assert word in text


def test_a_second_cluster_never_overwrites_the_record_unasked(made: Stage, cluster: Any, admin: Person) -> None:
    before = (admin.home / "deployment.json").read_bytes()
    message, hint = admin.refused("cluster", "create", "--policy", made.policy(1))
    assert "is the record of a cluster already" in message
    assert "--replace" in hint
    assert (admin.home / "deployment.json").read_bytes() == before


def test_somebody_else_takes_the_cluster_up_and_makes_one_of_the_same_package(
    made: Stage, cluster: Any, published: Any
) -> None:
    other = Person.on(made.network, made.folder / "other")
    rpc = made.network.known["rpc"]
    used = other.json("cluster", "use", cluster["cluster"], "--network", rpc)
    assert used["stake_pool"] == cluster["stake_pool"]
    assert Deployment.load(other.home / "deployment.json") == Deployment.load(made.admin.home / "deployment.json")
    message, _ = other.refused("cluster", "use", published["governance"], "--network", rpc, "--replace")
    assert "is no cluster" in message
    message, _ = other.refused("cluster", "use", STRANGER, "--network", rpc, "--replace")
    assert STRANGER in message
    own = other.json(
        "cluster",
        *("create", "--package", published["package"], "--network", rpc, "--fast", "--replace"),
        *("--policy", made.policy(1), "--policy", made.policy(2, 3), "--operator", STRANGER, "--anchor", "ab" * 32),
    )
    assert own["cluster"] != cluster["cluster"]
    assert (own["operators"], own["anchors"]) == ([STRANGER], ["ab" * 32])
    assert own["parameters"]["staleness_ms"] == own["parameters"]["settlement_grace_ms"] == 10_000
    assert [one["version"] for one in own["policies"]] == [1], "one policy is active at once"
    assert [one["change"].split(",")[0] for one in own["proposals"]] == ["policy 2", "policy 3"]
    message, hint = other.refused("cluster", "operator", "admit", other.address, "--key", "nobody", code=2)
    assert "no key file" in message
    assert "key list" in hint


def test_a_strangers_package_is_not_taken_for_ours(made: Stage, admin: Person) -> None:
    rpc = made.network.known["rpc"]
    framework = "0x" + "00" * 31 + "02"
    message, _ = admin.refused(
        "cluster", "create", "--package", framework, "--network", rpc, "--policy", made.policy(1), "--replace"
    )
    assert "is another one than this installation's" in message


def test_a_policy_is_proposed_waits_and_is_activated(made: Stage, admin: Person) -> None:
    message, _ = admin.refused("cluster", "policy", "propose", made.policy(1))
    assert "no measurement has a version above 1" in message
    proposed = admin.json("cluster", "policy", "propose", made.policy(1, 2, 3))
    numbers = [one["proposal"] for one in proposed["proposals"]]
    assert len(numbers) == 2, "version 1 is active already"
    done = admin.json("cluster", "policy", "veto", str(numbers[1]))
    assert done["vetoed"] == numbers[1]
    assert admin.json("cluster", "policy", "activate", str(numbers[0]), "--wait")["activated"] == [numbers[0]]
    listed = admin.json("cluster", "policy", "list")
    assert [(one["version"], one["valid"]) for one in listed["policies"]] == [(1, True), (2, True)]
    assert listed["policies"][1]["pcrs"]["0"] == "02" * 48
    assert not listed["proposals"]
    message, hint = admin.refused("cluster", "policy", "activate", str(numbers[1]))
    assert "no open proposal" in message
    assert "policy list" in hint
    assert "policy 2" in admin("cluster", "policy", "list").stdout
    admin.json("cluster", "policy", "revoke", "1")
    message, _ = admin.refused("cluster", "policy", "revoke", "1")
    assert "cluster::EAlreadyRevoked" in message
    admin.json("cluster", "policy", "min-version", "2")
    message, _ = admin.refused("cluster", "policy", "min-version", "9")
    assert "cluster::EMinVersionOrder" in message
    assert [one["version"] for one in admin.json("cluster", "policy", "list")["policies"]] == [2]


def test_what_waits_for_a_timelock_says_for_how_long(made: Stage, admin: Person) -> None:
    parameters = made.folder / "longer.json"
    parameters.write_text(json.dumps({"version": 1, "timelock_ms": 86_400_000}))
    first = admin.json("cluster", "parameters", "propose", str(parameters))
    admin.json("cluster", "policy", "activate", str(first["proposal"]), "--wait")
    shown = admin.json("cluster", "show")
    assert shown["parameters"]["timelock_ms"] == 86_400_000
    assert {name: shown["parameters"][name] for name in QUICK if name != "timelock_ms"} == {
        name: value for name, value in QUICK.items() if name != "timelock_ms"
    }
    proposal = admin.json("cluster", "anchor", "propose", "cd" * 32)["proposal"]
    message, hint = admin.refused("cluster", "policy", "activate", str(proposal))
    assert "the timelock runs until" in message
    assert "23 h 59 m" in message or "1 d from now" in message
    assert "--wait" in hint
    message, _ = admin.refused("cluster", "policy", "activate", str(proposal), "--wait")
    assert "the timelock runs until" in message
    assert "timelock runs for" in admin("cluster", "policy", "list").stdout
    message, _ = admin.refused("cluster", "anchor", "retire", made.network.known["committee_anchor"])
    assert "cluster::EAnchorCount" in message
    message, _ = admin.refused("cluster", "anchor", "retire", "ef" * 32)
    assert "cluster::EAnchorUnknown" in message


def test_operators_are_admitted_and_withdrawn(admin: Person) -> None:
    assert admin.json("cluster", "operator", "admit", STRANGER)["admitted"] is True
    assert STRANGER in admin.json("cluster", "show")["operators"]
    message, _ = admin.refused("cluster", "operator", "admit", STRANGER)
    assert "cluster::EOperatorAdmission" in message
    assert admin.json("cluster", "operator", "withdraw", STRANGER)["admitted"] is False
    assert STRANGER not in admin.json("cluster", "show")["operators"]


def test_who_holds_no_cap_changes_nothing(made: Stage, admin: Person) -> None:
    other = made.person("capless")
    state = admin.json("cluster", "show")["state"]
    for command in (
        ("cluster", "policy", "propose", made.policy(7)),
        ("cluster", "policy", "revoke", "2"),
        ("cluster", "operator", "admit", STRANGER),
        ("token", "issue", STRANGER, "--grant", "*:*"),
    ):
        message, hint = other.refused(*command)
        assert f"{other.address} does not hold the AdminCap" in message
        assert "--key" in hint
    message, _ = other.refused("cluster", "policy", "revoke", "2", "--by-veto")
    assert "VetoCap" in message
    message, _ = other.refused("cluster", "policy", "veto", "0")
    assert "VetoCap" in message
    assert admin.json("cluster", "show")["state"] == state


def test_who_has_the_veto_revokes_and_stops_and_can_do_nothing_more(made: Stage, admin: Person) -> None:
    rpc = made.network.known["rpc"]
    keeper, maker = made.person("keeper"), made.person("maker")
    package = json.loads((admin.home / "published.json").read_text())["package"]
    maker.json(
        *("cluster", "create", "--package", package, "--network", rpc, "--policy", made.policy(1), "--fast"),
        *("--veto", keeper.address, "--replace"),
    )
    keeper.take(maker)
    proposal = maker.json("cluster", "policy", "propose", made.policy(2))["proposals"][0]["proposal"]
    message, _ = maker.refused("cluster", "policy", "veto", str(proposal))
    assert "VetoCap" in message
    assert keeper.json("cluster", "policy", "veto", str(proposal))["vetoed"] == proposal
    message, _ = keeper.refused("cluster", "policy", "revoke", "1")
    assert "AdminCap" in message
    keeper.json("cluster", "policy", "revoke", "1", "--by-veto")
    assert maker.json("cluster", "policy", "list")["policies"][0]["revoked"] is True


def test_freezing_has_to_be_meant(made: Stage, admin: Person) -> None:
    message, hint = admin.refused("cluster", "policy", "freeze", code=2)
    assert "never be undone" in message
    assert "--yes" in hint
    done = admin("cluster", "policy", "freeze", stdin="n\n")
    assert done.returncode == 1
    assert admin.json("cluster", "policy", "list")["frozen"] is False
    assert admin.json("cluster", "policy", "freeze", "--yes")["frozen"] is True
    message, _ = admin.refused("cluster", "policy", "propose", made.policy(8))
    assert "cluster::EPolicyFrozen" in message
    assert "frozen for ever" in admin("cluster", "policy", "list").stdout


def test_coins_and_ceilings_are_asked_before_anything_is_sent(made: Stage, admin: Person) -> None:
    poor = made.person("poor", funded=False)
    rpc = made.network.known["rpc"]
    message, hint = poor.refused("move", "publish", "--network", rpc)
    assert poor.address in message
    assert "faucet" in hint
    message, hint = admin.refused("cluster", "operator", "admit", STRANGER, "--max-gas", "0.0001")
    assert "above the ceiling" in message
    assert "nothing was sent" in hint
    assert STRANGER not in admin.json("cluster", "show")["operators"]


def test_another_network_is_refused_and_none_is_unreachable(made: Stage, admin: Person) -> None:
    message, hint = admin.refused("cluster", "show", "--network", "http://127.0.0.1:9", code=3)
    assert "127.0.0.1:9" in message
    assert "check that the node runs" in hint
    message, _ = admin.refused("cluster", "show", "--network", "ftp://127.0.0.1", code=2)
    assert "is no address of a node" in message
    record = Deployment.load(admin.home / "deployment.json")
    lost = made.person("lost", funded=False)
    altered = json.loads(record.to_json()) | {"chain_id": base58.encode(bytes([7]) * 32)}
    (lost.home / "deployment.json").write_text(json.dumps(altered))
    message, hint = lost.refused("cluster", "show")
    assert "expected" in message
    assert "another network" in hint
    (lost.home / "deployment.json").write_text("{}")
    message, _ = lost.refused("cluster", "show", code=2)
    assert "deployment record" in message
    (lost.home / "deployment.json").unlink()
    message, hint = lost.refused("cluster", "show", code=2)
    assert "there is no deployment record" in message
    assert "cluster create" in hint


BAD_FILES = {
    "no version": {"staleness_ms": 1},
    "unknown": {"version": 1, "stalenes_ms": 1},
    "negative": {"version": 1, "staleness_ms": -1},
    "text": {"version": 1, "staleness_ms": "1"},
    "truth": {"version": 1, "staleness_ms": True},
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_of_parameters_is_refused_before_the_network_is_asked(
    made: Stage, admin: Person, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "parameters.json"
    path.write_text(json.dumps(BAD_FILES[name]))
    admin.refused("cluster", "parameters", "propose", str(path), "--network", "http://127.0.0.1:9", code=2)
    out_of_range = tmp_path / "range.json"
    out_of_range.write_text(json.dumps({"version": 1, "staleness_ms": 1}))
    message, _ = admin.refused("cluster", "parameters", "propose", str(out_of_range))
    assert "params::EParameterOutOfRange" in message

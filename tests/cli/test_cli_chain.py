"""Promise: on a network that serves the contract a few commands lead from nothing to a token that counts, and every
group of commands explains itself. (The whole of them: test_cli_cluster, _people, _requests, _chain_faults.)"""

from __future__ import annotations

from pathlib import Path

import pytest

from daas_chain.deployment import Deployment
from support.chain_home import Person, Stage
from support.clocked_network import clocked
from support.daas_command import Daas

GROUPS = {
    "cluster": ("create", "use", "show", "policy", "operator", "anchor", "parameters"),
    "token": ("issue", "revoke", "list"),
    "stake": ("deposit", "unbond", "rebond", "withdraw", "list"),
    "request": ("list", "get", "expire"),
    "session": ("end",),
    "slash": ("submit",),
    "enclave": ("run", "create", "register", "status"),
    "move": ("build", "test", "publish"),
}


def test_from_nothing_to_a_token_that_counts(tmp_path: Path) -> None:
    with clocked() as network:
        made = Stage(tmp_path, network, None, Person.on(network, tmp_path / "admin"))
        published, cluster = made.publish(), made.create()
        record = Deployment.load(made.admin.home / "deployment.json")
        assert (f"0x{record.package.hex()}", f"0x{record.cluster.hex()}") == (published["package"], cluster["cluster"])
        token = made.admin.json("token", "issue", made.admin.address, "--grant", "*:*")["token"]
        assert made.admin.json("stake", "deposit", "1")["counts"] is True
        assert [one["token"] for one in made.admin.json("token", "list")["tokens"]] == [token]
        message, _ = made.admin.refused("token", "revoke", cluster["cluster"])
        assert "ETokenUnknown" in message
        # A name is the admin's choice, and a terminal is not.
        made.create("--replace", "--name", "\x1b[31m[bold]red\x07")
        for done in (made.admin("cluster", "show"), made.admin("cluster", "show", "--json")):
            assert not {"\x1b", "\x07"} & set(done.stdout)
            assert "[bold]red" in done.stdout


@pytest.mark.parametrize("group", GROUPS)
def test_every_command_explains_itself(tmp_path: Path, group: str) -> None:
    daas = Daas(tmp_path)
    listed = daas(group, "--help").stdout
    for name in GROUPS[group]:
        assert f" {name} " in listed
        text = daas(group, name, "--help").stdout
        assert "--help" in text
        assert "Usage" in text


def test_without_a_deployment_every_command_says_how_to_get_one(tmp_path: Path) -> None:
    person = Person(Daas(tmp_path), network=None)  # type: ignore[arg-type]
    for command in (
        ("cluster", "show"),
        ("cluster", "policy", "list"),
        ("token", "list"),
        ("stake", "list"),
        ("request", "list"),
        ("session", "end"),
        ("enclave", "status"),
    ):
        message, hint = person.refused(*command, code=2)
        assert "there is no deployment record" in message
        assert "cluster create" in hint
    message, hint = person.refused("move", "publish", code=2)
    assert "which network" in message
    assert "--network" in hint

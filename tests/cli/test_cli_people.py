"""Promise: tokens, stakes and sessions are given and taken from the command line, secrets stay in files of mode 0600,
and whatever the contract refuses is said in its own words with what to do next."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator

import pytest

from daas_cli.chain_options import MIST_PER_SUI
from support.chain_home import Person, Stage, stage

pytestmark = pytest.mark.e2e
SUI = MIST_PER_SUI


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("people")) as one:
        one.publish()
        one.create()
        yield one


def issued(made: Stage, one: Person, *grants: str) -> str:
    given = [part for grant in grants for part in ("--grant", grant)]
    return str(made.admin.json("token", "issue", one.address, *given)["token"])


def test_a_token_is_issued_listed_and_revoked(made: Stage) -> None:
    one = made.person("token")
    done = made.admin("token", "issue", one.address, "--grant", "pods:read", "--grant", "deployments.apps:write@prod")
    assert done.returncode == 0, done.stderr
    assert "pods:read, deployments.apps:write@prod" in done.stdout
    assert "transaction " in done.stdout
    (row,) = made.admin.json("token", "list", "--owner", one.address)["tokens"]
    assert row["grants"] == ["pods:read", "deployments.apps:write@prod"]
    assert row["state"] == "valid"
    assert 29 < (row["expires_at_ms"] - made.admin.json("token", "list")["chain_time_ms"]) / 86_400_000 <= 30
    assert made.admin.json("token", "revoke", row["token"])["revoked"] is True
    (row,) = one.json("token", "list", "--owner", one.address)["tokens"]
    assert row["state"] == "revoked"
    assert "revoked" in one("token", "list").stdout
    message, _ = made.admin.refused("token", "revoke", row["token"])
    assert "access::ETokenRevoked" in message or "cluster::ETokenRevoked" in message
    message, _ = made.admin.refused("token", "revoke", "0x" + "77" * 32)
    assert "ETokenUnknown" in message


def test_the_secret_behind_a_token_is_in_a_private_file_and_nowhere_else(made: Stage) -> None:
    one = made.person("secret")
    before = set((made.admin.home / "token-secrets").glob("*"))
    done = made.admin("token", "issue", one.address, "--grant", "*:*", "--for", "1h", "--json")
    (path,) = set((made.admin.home / "token-secrets").glob("*")) - before
    kept = json.loads(path.read_text())
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(path.parent).st_mode) == 0o700
    commitment = hashlib.sha256(bytes.fromhex(kept["secret"])).hexdigest()
    assert commitment == kept["commitment"] == json.loads(done.stdout)["commitment"] == path.stem
    assert kept["secret"] not in done.stdout + done.stderr
    (row,) = made.admin.json("token", "list", "--owner", one.address)["tokens"]
    assert row["commitment"] == commitment


def test_a_token_that_was_not_issued_leaves_no_secret(made: Stage) -> None:
    one = made.person("refused")
    before = set((made.admin.home / "token-secrets").glob("*"))
    for bad in ("pods", "pods:eat", "Pods:read", "pods:read@", "pods:read,nodes:read", "*" * 600):
        message, hint = made.admin.refused("token", "issue", one.address, "--grant", bad, code=2)
        assert "not a grant" in message
        assert "pods:read" in hint
    for life in ("forever", "0s", "3000d", "-1d", ""):
        made.admin.refused("token", "issue", one.address, "--grant", "*:*", "--for", life, code=2)
    many = [part for number in range(33) for part in ("--grant", f"r{number}:read")]
    made.admin.refused("token", "issue", one.address, *many, code=2)
    message, _ = made.admin.refused("token", "issue", one.address, "--grant", "*:*", "--max-gas", "0.0001")
    assert "ceiling" in message
    assert set((made.admin.home / "token-secrets").glob("*")) == before
    assert made.admin.json("token", "list", "--owner", one.address)["tokens"] == []


def test_a_requesters_stake_grows_unbonds_and_counts_again(made: Stage) -> None:
    one = made.person("staker")
    message, hint = one.refused("stake", "unbond")
    assert "has no stake as requester" in message
    assert "stake list" in hint
    message, hint = one.refused("stake", "deposit", "0.5")
    assert "stake::EInsufficientStake" in message
    assert "cluster show" in hint
    assert one.json("stake", "deposit", "1.5")["balance_mist"] == 3 * SUI // 2
    assert one.json("stake", "deposit", "500000000mist")["balance_mist"] == 2 * SUI
    (row,) = one.json("stake", "list")["stakes"]
    assert (row["role"], row["counts"], row["deposited_mist"]) == ("requester", True, 2 * SUI)
    message, hint = one.refused("stake", "withdraw")
    assert "is not unbonding" in message
    assert "stake unbond" in hint
    message, _ = one.refused("stake", "rebond")
    assert "stake::ENotUnbonding" in message
    begun = one.json("stake", "unbond")
    listed = one.json("stake", "list")
    assert not begun["counts"]
    assert 690_000 < begun["unbonded_at_ms"] - listed["chain_time_ms"] <= 700_000
    assert "unbonding" in one("stake", "list").stdout
    message, hint = one.refused("stake", "withdraw")
    assert "the unbonding time runs until" in message
    assert "stake rebond" in hint
    message, _ = one.refused("stake", "deposit", "1")
    assert "stake::EUnbonding" in message
    assert one.json("stake", "rebond")["counts"] is True
    assert made.admin.json("stake", "list", "--owner", one.address)["stakes"][0]["balance_mist"] == 2 * SUI


def test_an_operators_stake_is_of_a_slot(made: Stage) -> None:
    message, hint = made.admin.refused("stake", "deposit", "10", "--role", "operator", code=2)
    assert "no enclave slot is known" in message
    assert "enclave create" in hint
    slot = "0x" + "5a" * 32
    row = made.admin.json("stake", "deposit", "10", "--role", "operator", "--enclave", slot)
    assert (row["role"], row["subject"]) == ("operator", slot[2:])
    assert f"of slot {slot}" in made.admin("stake", "list").stdout


def test_what_is_no_amount_is_refused_before_the_network_is_asked(made: Stage) -> None:
    for amount in ("1e9", "1.0000000001", "ten"):
        message, hint = made.admin.refused("stake", "deposit", amount, "--network", "http://127.0.0.1:9", code=2)
        assert "no amount of SUI" in message
        assert "1500mist" in hint


def test_sessions_end_for_the_one_who_asks(made: Stage) -> None:
    one, other = made.person("session"), made.person("tokenless")
    issued(made, one, "pods:read")
    assert one.json("session", "end")["session_epoch"] == 1
    assert one.json("session", "end")["session_epoch"] == 2
    assert f"all sessions of {one.address} have ended" in one("session", "end").stdout
    message, hint = other.refused("session", "end")
    assert f"{other.address} has no token" in message
    assert "--key" in hint


def test_no_secret_of_a_key_is_ever_printed(made: Stage) -> None:
    one = made.person("quiet")
    key = json.loads((one.home / "keys" / "default.json").read_text())["private_key"]
    for command in (("stake", "deposit", "1"), ("stake", "list"), ("session", "end"), ("stake", "withdraw")):
        for done in (one(*command), one(*command, "--json")):
            assert key not in done.stdout + done.stderr

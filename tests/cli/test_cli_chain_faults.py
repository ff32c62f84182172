"""Promise: what is due is paid out and what has run out is gone; a transaction whose answer is lost is done once and
found again, or said to be unknown with its digest."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from daas_cli.chain_options import MIST_PER_SUI
from support.chain_home import Person, Stage
from support.clocked_network import ClockedNetwork, clocked

pytestmark = pytest.mark.e2e
SUI = MIST_PER_SUI
START_SECONDS = 60.0
DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def network() -> Iterator[ClockedNetwork]:
    with clocked() as one:
        yield one


@pytest.fixture(scope="module")
def made(network: ClockedNetwork, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    folder = tmp_path_factory.mktemp("faults")
    one = Stage(folder, network, None, Person.on(network, folder / "admin"))
    one.publish()
    one.create()
    return one


def test_a_stake_is_paid_out_when_its_time_has_come(network: ClockedNetwork, made: Stage) -> None:
    one = made.person("leaving")
    one.json("stake", "deposit", "3")
    due = one.json("stake", "unbond")["unbonded_at_ms"]
    left = due - one.json("stake", "list")["chain_time_ms"]
    network.move(left - 20_000)
    message, _ = one.refused("stake", "withdraw")
    assert re.search(r"1\d s from now|20 s from now", message)
    network.move(21_000)
    assert "can be withdrawn" in one("stake", "list").stdout
    assert one.json("stake", "withdraw")["withdrawn_mist"] == 3 * SUI
    assert one.json("stake", "list")["stakes"] == []
    message, _ = one.refused("stake", "withdraw")
    assert "has no stake" in message
    assert one.json("stake", "deposit", "1")["balance_mist"] == SUI


def test_a_token_expires_by_the_chains_clock(network: ClockedNetwork, made: Stage) -> None:
    one = made.person("guest")
    made.admin.json("token", "issue", one.address, "--grant", "pods:read", "--for", "1d")
    (row,) = made.admin.json("token", "list", "--owner", one.address)["tokens"]
    assert row["state"] == "valid"
    network.move(DAY_MS)
    (row,) = made.admin.json("token", "list", "--owner", one.address)["tokens"]
    assert row["state"] == "expired"
    assert "expired" in made.admin("token", "list").stdout


def test_proposals_that_nobody_activates_in_time_are_gone(network: ClockedNetwork, made: Stage) -> None:
    proposal = made.admin.json("cluster", "policy", "propose", made.policy(2))["proposals"][0]["proposal"]
    network.move(31 * DAY_MS)
    message, _ = made.admin.refused("cluster", "policy", "activate", str(proposal))
    assert "cluster::EProposalExpired" in message
    message, hint = made.admin.refused("cluster", "policy", "activate")
    assert "expired" in message
    assert "propose" in hint
    assert "expired" in made.admin("cluster", "policy", "list").stdout
    made.admin.json("cluster", "policy", "propose", made.policy(3))
    network.move(2_000)
    assert made.admin.json("cluster", "policy", "activate")["activated"] == [proposal + 1], "the old one is left alone"


def test_a_lost_answer_is_asked_for_again_and_nothing_is_done_twice(network: ClockedNetwork, made: Stage) -> None:
    one = made.person("unlucky")
    one.json("stake", "deposit", "1")
    network.lost = 1
    assert one.json("stake", "deposit", "1")["balance_mist"] == 2 * SUI
    assert network.lost == 0


def test_an_outcome_that_stays_unknown_is_said_with_its_digest(network: ClockedNetwork, made: Stage) -> None:
    one = made.person("unknown")
    one.json("stake", "deposit", "1")
    network.lost = 100
    try:
        message, hint = one.refused("stake", "deposit", "1")
    finally:
        network.lost = 0
    assert re.search(r"the outcome of transaction [1-9A-HJ-NP-Za-km-z]{40,} is unknown", message)
    assert "ask any node for this transaction" in hint
    assert one.json("stake", "list")["stakes"][0]["balance_mist"] == 2 * SUI, "it was executed, once"


def test_what_a_token_is_committed_to_survives_an_unknown_outcome(network: ClockedNetwork, made: Stage) -> None:
    one = made.person("kept")
    before = set((made.admin.home / "token-secrets").glob("*"))
    network.lost = 100
    try:
        made.admin.refused("token", "issue", one.address, "--grant", "*:*")
    finally:
        network.lost = 0
    (path,) = set((made.admin.home / "token-secrets").glob("*")) - before
    (row,) = made.admin.json("token", "list", "--owner", one.address)["tokens"]
    assert row["commitment"] == path.stem


def started(one: Person, *argv: str) -> subprocess.Popen[str]:
    """The command as a process of its own."""
    environment = os.environ | one.daas.environment
    command = [sys.executable, "-m", "daas_cli.main", *argv]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_commands_at_once_with_one_key_wait_for_each_other(network: ClockedNetwork, made: Stage) -> None:
    one = made.person("busy")
    one.json("stake", "deposit", "1")
    network.slow_s, network.at_once = 1.0, 0
    try:
        children = [started(one, "stake", "deposit", "1") for _ in range(3)]
        for child in children:
            _, err = child.communicate(timeout=START_SECONDS)
            assert child.returncode == 0, err
    finally:
        network.slow_s = 0.0
    assert one.json("stake", "list")["stakes"][0]["balance_mist"] == 4 * SUI
    assert network.at_once == 1


def test_whoever_interrupts_is_told_what_was_sent(network: ClockedNetwork, made: Stage) -> None:
    one = made.person("hasty")
    one.json("stake", "deposit", "1")
    network.slow_s = 5.0
    try:
        child = started(one, "stake", "deposit", "1")
        seen, deadline = network.executed, time.monotonic() + START_SECONDS
        while network.executed == seen and time.monotonic() < deadline:
            time.sleep(0.02)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=START_SECONDS)
    finally:
        network.slow_s = 0.0
    assert child.returncode not in (0, None), out
    assert re.search(r"interrupted: transaction [1-9A-HJ-NP-Za-km-z]{40,} may be executed", err), err
    assert "Traceback" not in err

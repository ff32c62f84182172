"""Promise: a folder is one network for ever, one process has it at a time, and its keys are nobody else's to read."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from daas_attestation.anchor import DevelopmentAnchor
from daas_localnet.ledger.sqlite import SqliteStore
from daas_localnet.node.errors import SettingsError
from daas_localnet.opening import LEDGER, FolderError, Opened, Options, faucet_key, open_network
from daas_localnet.rpc.server import Pace
from daas_localnet.service import Ready, Service, run
from daas_protocol.sui import address_of
from support.move_world import built

NOW_MS = 1_800_000_000_000


def opened(options: Options, now_ms: int = NOW_MS) -> Opened:
    return open_network(options, built(), now_ms)


def secret_of(one: Opened) -> bytes:
    return one.faucet.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())


def test_a_folder_opened_again_is_the_same_network_with_the_same_faucet(tmp_path: Path) -> None:
    first = opened(Options(tmp_path / "a" / "net"))
    first.network.seal(NOW_MS + 1)
    chain, secret, latest = first.network.chain_id, secret_of(first), first.network.latest
    first.close()
    again = opened(Options(tmp_path / "a" / "net"), NOW_MS + 2)
    assert (again.network.chain_id, secret_of(again), again.network.latest) == (chain, secret, latest)
    again.close()
    assert [path.name for path in (tmp_path / "a" / "net").iterdir()] == [LEDGER]


def test_two_networks_have_nothing_in_common() -> None:
    one, other = opened(Options()), opened(Options())
    assert one.network.chain_id != other.network.chain_id
    assert secret_of(one) != secret_of(other)


def test_the_faucet_has_all_sui() -> None:
    one = opened(Options())
    address = address_of(one.faucet.public_key().public_bytes_raw())
    owned = [found for found in one.store if getattr(found.owner, "address", None) == address]
    assert sum(int.from_bytes(found.move.contents[32:40], "little") for found in owned if found.move) == 10**10 * 10**9


def test_only_the_owner_reads_the_folder_and_nothing_shows_a_key(tmp_path: Path) -> None:
    one = opened(Options(tmp_path / "net"))
    assert (tmp_path / "net").stat().st_mode & 0o777 == 0o700
    for path in (tmp_path / "net").iterdir():
        assert path.stat().st_mode & 0o077 == 0, path
    assert secret_of(one).hex() not in repr(one)
    assert "faucet=" not in repr(one)
    one.close()


def test_the_faucets_key_is_not_the_seed_and_no_key_of_the_committee() -> None:
    assert faucet_key(bytes(32)).private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()) != bytes(32)
    assert faucet_key(bytes(32)).public_key() != faucet_key(bytes(31) + b"\x01").public_key()


def test_a_folder_in_use_a_damaged_one_and_other_settings_are_refused_and_left_as_they_are(tmp_path: Path) -> None:
    options = Options(tmp_path)
    first = opened(options)
    with pytest.raises(FolderError, match=r"nobody uses.*stop that one"):
        opened(options)
    first.close()
    for other in (replace(options, validators=5), replace(options, nitro_anchor=DevelopmentAnchor(b"a root"))):
        with pytest.raises(SettingsError):
            opened(other)
    opened(options).close()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / LEDGER).write_bytes(b"no database at all, and longer than a header" * 100)
    with pytest.raises(FolderError, match="a ledger in"):
        opened(Options(tmp_path / "bad"))
    assert (tmp_path / "bad" / LEDGER).read_bytes().startswith(b"no database")


def test_every_line_of_the_log_is_json_those_of_libraries_too() -> None:
    code = """if True:
        import logging
        from daas_localnet import service
        service.configure_logs()
        service.log.info("ours", port=1)
        try:
            1 / 0
        except ZeroDivisionError:
            logging.getLogger("theirs").exception("%s failed", "a call")
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ours, theirs = [json.loads(line) for line in done.stderr.splitlines()]
    assert (ours["event"], ours["port"], ours["level"]) == ("ours", 1, "info")
    assert (theirs["event"], theirs["level"]) == ("a call failed", "error")
    assert "ZeroDivisionError" in theirs["exception"]


@pytest.mark.e2e
async def test_a_full_disk_ends_the_network_with_the_next_step_and_it_goes_on_when_there_is_room(
    tmp_path: Path,
) -> None:
    service = Service(Options(tmp_path), port=0, faucet_port=None, pace=Pace(0.01, 0.01))
    known: list[Ready] = []

    def ready(one: Ready) -> None:
        known.append(one)
        assert isinstance(one.opened.store, SqliteStore)
        one.opened.store._database.execute("PRAGMA max_page_count = 100")

    with pytest.raises(FolderError, match="full; make room"):
        await run(service, built(), ready)
    latest = known[0].opened.network.latest
    again = opened(Options(tmp_path), latest.summary.timestamp_ms)
    assert again.network.checkpoint(latest.number) == latest
    again.close()


def test_without_entropy_there_is_no_network_and_the_folder_can_be_used_afterwards(tmp_path: Path) -> None:
    def failing(_: int) -> bytes:
        raise OSError("no entropy")

    with pytest.raises(OSError, match="no entropy"):
        open_network(Options(tmp_path), built(), NOW_MS, failing)
    SqliteStore(tmp_path / LEDGER).close()
    opened(Options(tmp_path)).close()

"""The relay's part of the host's configuration is taken whole or refused by field; the key is read and never shown."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from daas_chain.sui import base58
from daas_host.config import ConfigError, parse
from daas_host.relay_attest import PUBLIC_NETWORKS, SimulatedAnchorRefused, check_anchor
from daas_host.relay_config import Anchor, RelayConfig, RelayLimits
from daas_host.relay_key import OperatorKeyError, load_operator
from daas_protocol.private_files import PrivateFileExposed
from daas_protocol.sui import encode_suiprivkey

ID = "0x" + "ab" * 32
RECORD = {
    "version": 1,
    "network": "http://127.0.0.1:9000",
    "chain_id": base58.encode(bytes(range(32))),
    **dict.fromkeys(("package", "original", "governance", "cluster", "stake_pool", "worker_registry", "enclave"), ID),
}
RELAY: dict[str, Any] = {
    "deployment": RECORD,
    "operator_key": "/k/operator.json",
    "chain": "unix:/r/chain",
    "journal_dir": "/j",
    "anchor": "simulated",
}
HOST: dict[str, Any] = {
    "version": 1,
    "listen": "tcp:127.0.0.1:7000",
    "enclave": {"kind": "process", "argv": ["x"], "api": "unix:/r/api", "log": "unix:/r/log"},
    "log_dir": "/l",
    "tiles_dir": "/t",
    "state_dir": "/s",
    "relay": RELAY,
}


def relay(config: dict[str, Any]) -> RelayConfig | None:
    return parse(json.dumps(config).encode()).relay


def changed(path: str, value: object) -> dict[str, Any]:
    config = copy.deepcopy(HOST)
    *parents, last = f"relay.{path}".split(".")
    inner = config
    for name in parents:
        inner = inner.setdefault(name, {})
    inner[last] = value
    return config


def test_without_it_there_is_no_chain_and_with_it_nothing_is_done_unasked() -> None:
    assert relay({name: value for name, value in HOST.items() if name != "relay"}) is None
    found = relay(HOST)
    assert found is not None
    assert (found.register, found.expire, found.beacon, found.payloads) == (False, False, True, None)
    assert (found.anchor, found.limits) == (Anchor.SIMULATED, RelayLimits())
    assert found.deployment.cluster == bytes.fromhex("ab" * 32)
    assert found.deployment.chain_id == bytes(range(32))
    assert str(found.chain) == "unix:/r/chain"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("surprise", 1),
        ("anchor", "real"),
        ("anchor", None),
        ("register", 1),
        ("expire", "yes"),
        ("chain", "/r/chain"),
        ("operator_key", ""),
        ("operator_key", 5),
        ("journal_dir", "a\0b"),
        ("payloads", "0.0.0.0:80"),
        ("first_checkpoint", -1),
        ("first_checkpoint", True),
        ("limits", []),
        ("limits.parallel", 0),
        ("limits.parallel", 65),
        ("limits.ceiling_mist", 1.5),
        ("limits.surprise", 1),
        ("deployment", "/d.json"),
        ("deployment.version", 2),
        ("deployment.version", True),
        ("deployment.network", "ftp://x"),
        ("deployment.network", "http://user:word@host:1"),
        ("deployment.chain_id", "0"),
        ("deployment.chain_id", base58.encode(bytes(31))),
        ("deployment.cluster", "0x" + "AB" * 32),
        ("deployment.cluster", "0x" + "00" * 32),
        ("deployment.cluster", "ab" * 32),
        ("deployment.enclave", None),
        ("deployment.surprise", 1),
    ],
)
def test_a_mistake_is_told_by_its_field(path: str, value: object) -> None:
    with pytest.raises(ConfigError) as raised:
        relay(changed(path, value))
    assert raised.value.field == f"relay.{path}"


@pytest.mark.parametrize("name", ["deployment", "operator_key", "chain", "journal_dir", "anchor"])
def test_what_is_needed_is_asked_for(name: str) -> None:
    config = copy.deepcopy(HOST)
    del config["relay"][name]
    with pytest.raises(ConfigError) as raised:
        relay(config)
    assert raised.value.field == f"relay.{name}"


def test_a_password_in_an_address_is_not_repeated() -> None:
    with pytest.raises(ConfigError) as raised:
        relay(changed("deployment.network", "http://user:word@host:1"))
    assert "word" not in str(raised.value)


def test_a_simulated_anchor_is_refused_on_public_networks_by_name() -> None:
    assert sorted(PUBLIC_NETWORKS.values()) == ["mainnet", "testnet"]
    for digest, name in PUBLIC_NETWORKS.items():
        with pytest.raises(SimulatedAnchorRefused, match=name):
            check_anchor(Anchor.SIMULATED, base58.decode(digest))
        check_anchor(Anchor.NITRO, base58.decode(digest))
    check_anchor(Anchor.SIMULATED, bytes(32))


SEED = bytes(range(32))


def key_file(folder: Path, **changes: object) -> Path:
    path = folder / "key.json"
    path.touch(mode=0o600)
    address = load_or_make(folder) if "address" not in changes else ""
    document = {"version": 1, "scheme": "ed25519", "address": address, "private_key": encode_suiprivkey(SEED)}
    path.write_text(json.dumps(document | changes))
    return path


def load_or_make(folder: Path) -> str:
    from daas_gateway.user_keys import import_key

    made = folder / "made"
    if not made.exists():
        import_key(made, "me", SEED.hex())
    return str(json.loads((made / "me.json").read_text())["address"])


def test_the_key_of_daas_key_new_is_read(tmp_path: Path) -> None:
    address = load_or_make(tmp_path)
    signer = load_operator(tmp_path / "made" / "me.json")
    assert f"0x{signer.address.hex()}" == address
    assert SEED.hex() not in repr(signer)


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"scheme": "secp256k1"},
        {"private_key": encode_suiprivkey(SEED)[:-1]},
        {"private_key": 5},
        {"address": "0x" + "00" * 32},
        {"surprise": 1},
    ],
)
def test_another_file_is_refused_without_a_word_of_the_key(tmp_path: Path, changes: dict[str, object]) -> None:
    path = key_file(tmp_path, **changes)
    with pytest.raises(OperatorKeyError) as raised:
        load_operator(path)
    assert encode_suiprivkey(SEED)[10:30] not in str(raised.value)


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    load_operator(path)
    path.chmod(0o640)
    with pytest.raises(PrivateFileExposed):
        load_operator(path)

"""Keys, configuration, secrets, and machines without Linux's modules."""

from __future__ import annotations

import base64
import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from daas_gateway import user_keys
from daas_gateway.cache import MAX_ENTRIES, AnswerCache, cacheable
from daas_gateway.config import ConfigInvalid, parse_config
from daas_gateway.session import Session, Sessions, SessionTerms
from daas_protocol import session as session_text
from daas_protocol import sui
from daas_protocol.grant import parse_grant
from daas_protocol.private_files import PrivateFileExposed
from support.enclave_double import World

SEED = bytes(range(32))

# ---- keys


def test_a_new_key_is_private_and_lists_by_address_only(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    info = user_keys.new_key(folder, "me", lambda n: SEED[:n])
    assert folder.stat().st_mode & 0o777 == 0o700
    assert info.path.stat().st_mode & 0o777 == 0o600
    assert user_keys.list_keys(folder) == [info]
    secret = sui.encode_suiprivkey(SEED)
    key = user_keys.load_key(info.path)
    assert sui.format_address(key.address) == info.address
    for shown in (repr(key), repr(info), str(info)):
        assert secret not in shown
        assert SEED.hex() not in shown
    with pytest.raises(TypeError):
        pickle.dumps(key)
    assert sui.verify_personal_message(b"hello", key.sign_personal_message(b"hello")) == key.address


@pytest.mark.parametrize(
    "text",
    [
        sui.encode_suiprivkey(SEED),
        SEED.hex(),
        "0x" + SEED.hex(),
        f"  {SEED.hex()}\n",
        base64.b64encode(b"\0" + SEED).decode(),
        f'"{base64.b64encode(bytes(1) + SEED).decode()}"',
    ],
)
def test_a_key_is_imported_from_any_of_its_forms(tmp_path: Path, text: str) -> None:
    made = user_keys.new_key(tmp_path / "a", "me", lambda n: SEED[:n])
    assert user_keys.import_key(tmp_path / "b", "me", text).address == made.address


@pytest.mark.parametrize(
    "text",
    ["", "suiprivkey1qqq", SEED.hex()[:-1], SEED.hex() + "00", base64.b64encode(b"\1" + SEED).decode(), "x" * 5000],
)
def test_other_text_is_refused_and_never_repeated(tmp_path: Path, text: str) -> None:
    with pytest.raises(user_keys.KeyTextInvalid) as refused:
        user_keys.import_key(tmp_path, "me", text)
    assert not text or text not in str(refused.value)
    assert list(tmp_path.glob("*.json")) == []


@pytest.mark.parametrize("name", ["", ".", "..", "../me", "a/b", "a" * 64, "-a", "a b", "é"])
def test_names_that_are_no_file_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(user_keys.KeyNameInvalid):
        user_keys.new_key(tmp_path, name)


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    first = user_keys.new_key(tmp_path, "me")
    with pytest.raises(user_keys.KeyExists):
        user_keys.new_key(tmp_path, "me")
    assert user_keys.list_keys(tmp_path) == [first]


@pytest.mark.parametrize(
    "change",
    [
        {"address": "0x" + "0" * 64},
        {"scheme": "secp256k1"},
        {"version": 2},
        {"private_key": "suiprivkey1qq"},
        {"extra": 1},
        {"address": 5},
    ],
)
def test_a_key_file_that_was_changed_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    info = user_keys.new_key(tmp_path, "me")
    info.path.write_text(json.dumps({**json.loads(info.path.read_text()), **change}))
    with pytest.raises(user_keys.KeyFileInvalid) as refused:
        user_keys.load_key(info.path)
    assert "suiprivkey1" not in str(refused.value)


def test_a_key_file_others_may_read_is_refused(tmp_path: Path) -> None:
    info = user_keys.new_key(tmp_path, "me")
    info.path.chmod(0o644)
    with pytest.raises(PrivateFileExposed):
        user_keys.load_key(info.path)
    with pytest.raises(user_keys.KeyMissing, match="daas key new"):
        user_keys.load_key(tmp_path / "other.json")


# ---- sessions

TERMS = SessionTerms(bytes(32), b"c" * 32, b"t" * 32, (parse_grant("pods:read@dev"),), 3_600_000, 0)


def test_a_session_text_is_what_the_user_signed(tmp_path: Path) -> None:
    key = user_keys.load_key(user_keys.new_key(tmp_path, "me").path)
    session = Session(key, TERMS, 10**12)
    posted = json.loads(session.post_body)
    said = session_text.parse(posted["text"])
    assert said.session_key == session.public_key
    assert said.scope == TERMS.scope
    assert said.expires_at_ms == session.expires_at_ms
    signature = base64.b64decode(posted["signature"])
    assert sui.verify_personal_message(posted["text"].encode(), signature) == key.address


def test_a_session_is_renewed_before_its_end_and_known_per_boot(tmp_path: Path) -> None:
    sessions = Sessions(user_keys.load_key(user_keys.new_key(tmp_path, "me").path), TERMS, lambda: 0)
    first = sessions.current(10**12)
    assert sessions.ready(b"boot", 10**12) is None
    sessions.posted(b"boot", first)
    assert sessions.ready(b"boot", 10**12) is first
    assert sessions.ready(b"other", 10**12) is None
    late = first.renew_at_ms
    assert late < first.expires_at_ms
    assert sessions.ready(b"boot", late) is None
    assert sessions.current(late) is not first
    sessions.unknown(b"boot", first)
    assert sessions.ready(b"boot", 10**12) is None


# ---- secrets


async def test_no_secret_is_in_answers_logs_or_representations(
    world: World, start, config, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    gateway, client = await start()
    replies = [await client.get(target) for target in ("/api", "/daas/local/status", "/daas/nothing")]
    await world.double.stop()
    replies.append(await client.get("/api"))
    token = config.credential_file.read_text().strip()
    secret = json.loads(config.key_file.read_text())["private_key"]
    shown = capsys.readouterr()
    text = "".join(
        [shown.out, shown.err, caplog.text, repr(vars(gateway)), *(reply.body.decode() for reply in replies)]
    )
    for hidden in (token, secret, sui.decode_suiprivkey(secret).hex()):
        assert hidden not in text
    assert token.encode() not in config.receipts_db.read_bytes()
    assert b"Authorization" not in b"".join(k for seen in world.double.seen for k, _ in seen.headers)


# ---- configuration

MINIMAL = {
    "version": 1,
    "listen": "tcp:127.0.0.1:0",
    "host": "tcp:127.0.0.1:9",
    "tls_dir": "tls",
    "credential_file": "credential",
    "key_file": "keys/me.json",
    "token": "0x70",
    "scope": ["*:*"],
    "package_id": "0x0",
    "cluster_id": "0xc1",
    "enclave_id": "0xe1",
    "policy_anchor": None,
    "measurements": "measurements.json",
    "root": "aws",
    "receipts_db": "receipts.db",
}


def parsed(**changes: object) -> object:
    return parse_config(json.dumps({**MINIMAL, **changes}).encode(), Path("/base"))


def test_the_smallest_configuration_has_the_safe_defaults() -> None:
    config = parse_config(json.dumps(MINIMAL).encode(), Path("/base"))
    assert config.filters.reject_paths == ("^/api/.*/pods/.*/exec", "^/api/.*/pods/.*/attach")
    assert config.filters.accept_hosts == ("^localhost$", r"^127\.0\.0\.1$", r"^\[::1\]$")
    assert (config.cache_ttl_ms, config.keep_bodies, config.root) == (0, False, None)
    assert config.tls_dir == Path("/base/tls")


@pytest.mark.parametrize("field", sorted(MINIMAL))
def test_a_field_that_is_missing_is_named(field: str) -> None:
    with pytest.raises(ConfigInvalid, match=field):
        parse_config(json.dumps({k: v for k, v in MINIMAL.items() if k != field}).encode())


@pytest.mark.parametrize(
    "change",
    [
        {"unknown": 1},
        {"version": 2},
        {"version": True},
        {"listen": "tcp:127.0.0.1"},
        {"token": "70"},
        {"scope": []},
        {"scope": ["pods"]},
        {"policy_anchor": "abc"},
        {"policy_anchor": 5},
        {"cache_ttl_ms": -1},
        {"cache_ttl_ms": "0"},
        {"keep_bodies": 1},
        {"retention": {"days": -1}},
        {"retention": {"weeks": 1}},
        {"accept_paths": ["("]},
        {"accept_hosts": [1]},
        {"session_seconds": 86_401},
        {"reattest_seconds": 3601},
        {"tls_dir": ""},
    ],
)
def test_a_field_that_is_wrong_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ConfigInvalid):
        parsed(**change)


def test_configuration_that_is_no_strict_json_is_refused() -> None:
    for data in (b"", b"[]", b"{", b'{"version":1,"version":1}', b"\xff", json.dumps(MINIMAL).encode() + b" x"):
        with pytest.raises(ConfigInvalid):
            parse_config(data)


# ---- cache


@pytest.mark.parametrize(
    ("target", "allowed"),
    [
        (b"/api/v1/pods", True),
        (b"/api/v1/pods?limit=500&labelSelector=a%3Db", True),
        (b"/api/v1/pods?watch=1", False),
        (b"/api/v1/pods?limit=1&watch=true", False),
        (b"/api/v1/pods?%77atch=1", False),
        (b"/api/v1/watch/pods", False),
        (b"/api/v1/namespaces/a/pods/b/log?follow=true", False),
        (b"/api/v1/namespaces/a/pods/b/log", False),
    ],
)
def test_streams_are_never_cached(target: bytes, allowed: bool) -> None:
    assert cacheable("GET", target) is allowed
    assert not cacheable("POST", target)


def test_the_cache_is_bounded_and_forgets_in_time() -> None:
    cache = AnswerCache(1000)
    for number in range(MAX_ENTRIES + 10):
        cache.put(b"%d" % number, b"", 200, (), b"x", 0.0)
    assert cache.get(b"0", b"", 0.5) is None
    assert cache.get(b"20", b"", 0.5) is not None
    assert cache.get(b"20", b"", 1.0) is None
    for number in range(64):
        cache.put(b"%d" % number, b"", 200, (), bytes(1_000_000), 0.0)
    assert cache.get(b"0", b"", 0.5) is None
    assert cache.get(b"63", b"", 0.5) is not None
    cache.clear()
    assert cache.get(b"63", b"", 0.5) is None


# ---- other systems

_BLOCKED = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("fcntl", "uvloop", "pwd", "grp", "resource", "termios"):
            raise ImportError(name)
sys.meta_path.insert(0, Block())
import socket
if hasattr(socket, "AF_UNIX"):
    del socket.AF_UNIX
import pkgutil, importlib, daas_gateway
for module in pkgutil.iter_modules(daas_gateway.__path__):
    if module.name != "__main__":
        importlib.import_module("daas_gateway." + module.name)
import daas_gateway.__main__
# Keys, receipts and their verification are reached through the command.
import daas_cli.main
assert not [name for name in sys.modules if name.split(".")[0] in ("fcntl", "uvloop")]
print("imported")
"""


def test_everything_imports_without_fcntl_uvloop_or_unix_sockets() -> None:
    done = subprocess.run([sys.executable, "-c", _BLOCKED], capture_output=True, text=True, check=False)
    assert done.stdout == "imported\n", done.stderr


def test_the_program_says_what_is_wrong_with_its_arguments(tmp_path: Path) -> None:
    run = [sys.executable, "-m", "daas_gateway"]
    assert subprocess.run(run, capture_output=True, check=False).returncode == 2
    assert subprocess.run([*run, str(tmp_path / "none")], capture_output=True, check=False).returncode == 2
    (tmp_path / "c.json").write_text("{}")
    refused = subprocess.run([*run, str(tmp_path / "c.json")], capture_output=True, check=False)
    assert refused.returncode == 1
    assert json.loads(refused.stderr.splitlines()[-1])["error"] == "ConfigInvalid"


_LIMITED = """
import resource, sys
from types import SimpleNamespace
resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
import daas_gateway.__main__ as program
async def run(config):
    print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
program.run = run
program.load_config = lambda path: SimpleNamespace(root=path)
sys.exit(program.main(["unused"]))
"""


def test_the_program_allows_itself_as_many_files_as_it_has_connections() -> None:
    import resource

    from daas_gateway.channel import MAX_TOTAL
    from daas_gateway.server import MAX_CONNECTIONS

    done = subprocess.run([sys.executable, "-c", _LIMITED], capture_output=True, text=True, check=True)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    needed = MAX_CONNECTIONS + MAX_TOTAL
    assert int(done.stdout) >= (needed if hard == resource.RLIM_INFINITY else min(needed, hard))


async def test_metrics_have_their_stable_names(world: World, start) -> None:
    from prometheus_client import generate_latest

    gateway, client = await start()
    await client.get("/api")
    text = generate_latest(gateway.metrics.registry).decode()
    for name in (
        "daas_gateway_requests_total",
        "daas_gateway_request_seconds_bucket",
        "daas_gateway_receipts_total",
        "daas_gateway_attestations_total",
        "daas_gateway_sessions_total",
        "daas_gateway_channels_busy",
    ):
        assert name in text

"""Keys of the gateway: in no core file, repr, pickle, traceback or log; on real hardware out of reach of ptrace."""

from __future__ import annotations

import base64
import copy
import json
import os
import pickle
import secrets
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daas_gateway import user_keys
from daas_gateway.credential import CredentialCheck, ensure_credential
from daas_gateway.session import Session, Sessions, SessionTerms
from daas_protocol import sui
from daas_protocol.grant import parse_grant
from support.hardened_process import folder_for_anybody, paused_at, user_of_test
from support.secret_search import forms_of

NOW_MS = 1_790_000_000_000
TERMS = SessionTerms(bytes(32), bytes(32), bytes(32), (parse_grant("*:*"),), 3_600_000, 0)
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def shown(seed: bytes) -> set[bytes]:
    return forms_of(seed) | {repr(seed)[2:-1].encode(), sui.encode_suiprivkey(seed)[12:].encode()}


def configuration(folder: Path, root: str) -> Path:
    (folder / "measurements.json").write_text('{"version": 1, "measurements": []}')
    config = {
        "version": 1,
        "listen": "tcp:127.0.0.1:0",
        "host": "unix:/nowhere",
        "tls_dir": "tls",
        "credential_file": "credential",
        "key_file": "key.json",
        "token": "0x1",
        "scope": ["*:*"],
        "package_id": "0x0",
        "cluster_id": "0x1",
        "enclave_id": "0x2",
        "policy_anchor": None,
        "measurements": "measurements.json",
        "root": root,
        "receipts_db": "receipts.sqlite",
    }
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    path.chmod(0o644)
    return path


@linux
@pytest.mark.parametrize(("root", "owner"), [("aws", 0), ("root.pem", None)], ids=["real hardware", "simulated"])
def test_no_core_file_and_on_real_hardware_nothing_for_ptrace(root: str, owner: int | None) -> None:
    """The process stops where it opens the user's key, before any of it is in memory."""
    with folder_for_anybody() as folder:
        found = paused_at(folder / "key.json", ["-m", "daas_gateway", str(configuration(folder, root))])
    assert found.core_limits == ("0", "0")
    assert found.core_filter in (0, None)
    assert found.owner == (user_of_test() if owner is None else owner)


def test_no_holder_of_a_key_shows_it_or_lets_it_be_copied(tmp_path: Path) -> None:
    seed = secrets.token_bytes(32)
    user = user_keys.UserKey(Ed25519PrivateKey.from_private_bytes(seed))
    session = Session(user, TERMS, NOW_MS)
    token = ensure_credential(tmp_path / "credential")
    for holder in (user, session, Sessions(user, TERMS, lambda: NOW_MS), CredentialCheck(token)):
        seen = f"{holder!r} {holder} {[holder]}".encode()
        assert not [form for form in shown(seed) if form in seen]
        assert token.encode() not in seen
    for holder in (user, session):
        for take in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="not serialised"):
                take(holder)


def broken_files(seed: bytes) -> dict[str, str]:
    """Key files with one thing wrong, each with the whole key in it."""
    text = sui.encode_suiprivkey(seed)
    address = sui.format_address(bytes(32))
    good = {"version": 1, "scheme": "ed25519", "address": address, "private_key": text}
    return {
        "address of another": json.dumps(good),
        "other version": json.dumps(good | {"version": 2}),
        "other scheme": json.dumps(good | {"scheme": "secp256k1"}),
        "extra field": json.dumps(good | {text: 1}),
        "mistyped": json.dumps(good | {"private_key": text[:-1] + ("q" if text[-1] != "q" else "p")}),
        "upper case": json.dumps(good | {"private_key": text.upper()}),
        "a number": json.dumps(good | {"private_key": int.from_bytes(seed)}),
        "no JSON": f"{{{text}",
        "the key alone": text,
        "twice": json.dumps(good)[:-1] + f', "private_key": "{text}"}}',
    }


@pytest.mark.parametrize("wrong", broken_files(bytes(range(32))))
def test_no_error_about_a_key_file_says_the_key(tmp_path: Path, wrong: str) -> None:
    seed = secrets.token_bytes(32)
    path = tmp_path / "me.json"
    path.write_text(broken_files(seed)[wrong])
    path.chmod(0o600)
    with pytest.raises(user_keys.UserKeyError) as caught:
        user_keys.load_key(path)
    assert_silent(caught.value, seed)


@pytest.mark.parametrize("change", ["{}x", "x{}", "{}{}", "0X{}", '"{}'], ids=ascii)
@pytest.mark.parametrize("form", ["suiprivkey", "hex", "base64"])
def test_no_error_about_an_imported_text_says_the_key(tmp_path: Path, form: str, change: str) -> None:
    seed = secrets.token_bytes(32)
    text = {
        "suiprivkey": sui.encode_suiprivkey(seed),
        "hex": seed.hex(),
        "base64": base64.b64encode(b"\0" + seed).decode(),
    }[form]
    with pytest.raises(user_keys.UserKeyError) as caught:
        user_keys.import_key(tmp_path / "keys", "bad name!", change.format(text, text))
    assert_silent(caught.value, seed)


def assert_silent(error: BaseException, seed: bytes) -> None:
    seen = "".join(traceback.format_exception(error)).encode() + repr(vars(error)).encode()
    assert not [form for form in shown(seed) if form in seen], type(error).__name__


@linux
@pytest.mark.parametrize("wrong", ["address of another", "extra field", "no JSON"])
def test_the_log_of_a_gateway_that_cannot_use_its_key_does_not_say_it(tmp_path: Path, wrong: str) -> None:
    seed = secrets.token_bytes(32)
    config = configuration(tmp_path, "aws")
    (tmp_path / "key.json").write_text(broken_files(seed)[wrong])
    (tmp_path / "key.json").chmod(0o600)
    done = subprocess.run(
        [sys.executable, "-m", "daas_gateway", str(config)],
        capture_output=True,
        timeout=120,
        env={**os.environ, "PYTHONFAULTHANDLER": "1"},
    )
    assert done.returncode == 1
    assert b"gateway_refused" in done.stderr
    assert not [form for form in shown(seed) if form in done.stdout + done.stderr]

"""Keys of the enclave: in no core file, repr, pickle, traceback or log, and in production out of reach of ptrace."""

from __future__ import annotations

import copy
import json
import pickle
import secrets
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daas_attestation.development_ca import DevelopmentCa
from daas_enclave import keys, pki, sealing
from support.hardened_process import folder_for_anybody, paused_at, user_of_test
from support.secret_search import forms_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
NOW_MS = 1_790_000_000_000
CONTEXT = sealing.SealContext(b"\x01" * 32, b"\x02" * 32, b"\x03" * 32, b"\x04" * 32)
# The real entry point in production mode; /dev/nsm is only in an enclave, so a FIFO is opened in its place.
PRODUCTION = """
import sys, daas_enclave.__main__ as program
program.NsmDevice = lambda: open(sys.argv[2], "rb").read()
sys.exit(program.main(sys.argv[:2]))
"""


def configuration(folder: Path, mode: str, nsm: dict[str, Any]) -> Path:
    config = {
        "version": 1,
        "mode": mode,
        "package_id": "0x0",
        "cluster_id": "0x1",
        "enclave_id": "0x2",
        "policy_file": f"{folder}/policy.yaml",
        "data_dir": f"{folder}/data",
        "listen": f"unix:{folder}/a",
        "log_listen": f"unix:{folder}/l",
        "control_plane": {"kind": "daas-k3s", "path": "/bin/true", "sha256": "00" * 32},
        "nsm": nsm,
        "kubelet_egress": "none",
    }
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    path.chmod(0o644)
    return path


def test_in_production_there_is_no_core_and_nothing_for_ptrace() -> None:
    with folder_for_anybody() as folder:
        config, fifo = configuration(folder, "production", {"kind": "device"}), folder / "fifo"
        found = paused_at(fifo, ["-c", PRODUCTION, str(config), str(fifo)])
    assert found.core_limits == ("0", "0")
    assert (found.owner, found.user) == (0, user_of_test())


def test_in_process_mode_there_is_no_core_with_memory_in_it_and_debuggers_still_work() -> None:
    with folder_for_anybody() as folder:
        fifo = folder / "measured"
        nsm = {"kind": "simulated", "development_ca": f"{folder}/ca", "measured": [str(fifo)]}
        found = paused_at(fifo, ["-m", "daas_enclave", str(configuration(folder, "process", nsm))])
    assert found.core_limits == ("0", "0")
    assert found.core_filter == 0
    assert found.owner == found.user


# --- never shown ---


class Entropy:
    """Random, and keeps what it gave as secrets to look for."""

    def __init__(self) -> None:
        self.given: list[bytes] = []

    def __call__(self, size: int) -> bytes:
        data = secrets.token_bytes(size)
        # Copies, so that what is looked for is not overwritten with the original.
        self.given.append(bytes(bytearray(data)))
        return data


def shown(secret: bytes) -> set[bytes]:
    return forms_of(secret) | {repr(secret)[2:-1].encode(), str(int.from_bytes(secret, "big")).encode()}


def texts_of(value: object) -> list[str]:
    """All that anybody gets to see of a value without asking it for its key."""
    texts = [repr(value), str(value), f"{value}", ascii(value), repr([value]), repr({"key": value})]
    for take in (pickle.dumps, copy.copy, copy.deepcopy):
        try:
            taken = take(value)
        except Exception as error:
            texts.append("".join(traceback.format_exception(error)))
        else:
            texts.append(repr(taken))
    return texts


def pem_body(key: Any) -> bytes:
    """The middle of the key's PEM, which no other key has."""
    with keys.private_pem(key) as secret:
        return b"".join(bytes(secret.view).split(b"\n")[1:3])


def holders(entropy: Entropy) -> list[tuple[object, bytes]]:
    """Every object of the enclave that holds a key, with what must never be seen of it."""
    receipt = keys.ReceiptKey(entropy)
    receipt_seed = entropy.given[-1]
    boot = keys.BootKeys(entropy, NOW_MS)
    boot_seed = next(data for data in entropy.given if len(data) == 32 and data != receipt_seed)
    cluster = pki.make_cluster_pki(bytes(32), entropy, NOW_MS)
    authority = cluster.authorities[pki.Ca.SERVER]
    leaf = pki.issue(authority, common_name="x", client=True, entropy=entropy, now_ms=NOW_MS)
    sealing_key = secrets.token_bytes(32)
    ca = DevelopmentCa.generate(NOW_MS)
    return [
        (receipt, receipt_seed),
        (boot, boot_seed),
        (boot.receipt, boot_seed),
        (boot.tls, boot_seed),
        (cluster, pem_body(cluster.service_key)),
        (cluster, bytes.fromhex(cluster.token)),
        (authority, pem_body(authority.key)),
        (leaf, pem_body(leaf.key)),
        (sealing.DevelopmentSealer(sealing_key, CONTEXT, entropy), sealing_key),
        (keys.private_pem(leaf.key), pem_body(leaf.key)),
        (ca, pem_body(ca.root_key)),
    ]


def test_no_holder_of_a_key_shows_it() -> None:
    for holder, secret in holders(Entropy()):
        seen = "\n".join(texts_of(holder)).encode()
        assert not [form for form in shown(secret) if form in seen], type(holder).__name__


def test_what_can_be_serialised_at_all_has_no_key_in_it() -> None:
    for holder, _ in holders(Entropy()):
        with pytest.raises((TypeError, AttributeError)):
            pickle.dumps(holder)


def _failures(entropy: Entropy, folder: Path) -> list[tuple[Callable[[], object], list[bytes]]]:
    """Ways to go wrong with a key in hand, and the secrets at stake."""
    sealer = sealing.DevelopmentSealer(b"k" * 32, CONTEXT, entropy)
    token = secrets.token_bytes(48)
    plaintext = pki.encode_pki(pki.make_cluster_pki(bytes(32), entropy, NOW_MS))
    pem = plaintext[plaintext.index(b"BEGIN EC PRIVATE KEY-----\n") + 26 :][:64]
    short = secrets.token_bytes(31)
    bad_key = folder / "key"
    bad_key.write_bytes(token)
    bad_key.chmod(0o600)
    return [
        (lambda: keys.ReceiptKey(lambda _: bytes(bytearray(short))), [short]),
        (lambda: keys.p256_key(lambda _: bytes(bytearray(short))), [short]),
        (lambda: keys.ReceiptKey(entropy).sign("text"), []),  # type: ignore[arg-type]
        (lambda: sealing.DevelopmentSealer(token, CONTEXT, entropy), [token]),
        (lambda: sealing.DevelopmentSealer(sealing.load_or_create_key(bad_key, entropy), CONTEXT, entropy), [token]),
        (lambda: sealer.open("pki", sealer.seal("other", token)), [token]),
        (lambda: sealer.open("pki", sealer.seal("pki", token)[:-1]), [token]),
        (lambda: pki.decode_pki(plaintext[:-1]), [pem]),
        (lambda: pki.decode_pki(plaintext.replace(b"EC PRIVATE KEY", b"XX PRIVATE KEY")), [pem]),
    ]


def test_no_error_around_a_key_says_it(tmp_path: Path) -> None:
    entropy = Entropy()
    for number, (fail, at_stake) in enumerate(_failures(entropy, tmp_path)):
        with pytest.raises(Exception) as caught:
            fail()
        seen = "".join(traceback.format_exception(caught.value)).encode() + repr(caught.value.__dict__).encode()
        for secret in (*at_stake, *entropy.given):
            assert not [form for form in shown(secret) if form in seen], f"failure {number}: {caught.value!r}"


def test_even_a_traceback_with_local_variables_has_no_seed_of_a_key_that_was_made() -> None:
    """No program of ours captures locals; a debugging tool may. The seed is overwritten by then."""
    entropy = Entropy()

    def fails(size: int) -> bytes:
        if entropy.given:
            raise OSError("the second draw fails")
        return entropy(size)

    class Both:
        def __init__(self) -> None:
            self.first = keys.ReceiptKey(fails)
            self.second = keys.ReceiptKey(fails)

    try:
        Both()
    except OSError as error:
        seen = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format()).encode()
    (seed,) = [data for data in entropy.given if len(data) == 32]
    # The recorder of this test holds the seed itself: its own repr is an object's, not a list's.
    assert not [form for form in shown(seed) if form in seen]

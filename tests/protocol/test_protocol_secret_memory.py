"""Promise: what was wiped is nowhere in the process's memory, and nothing that somebody else holds is ever touched."""

from __future__ import annotations

import copy
import pickle
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from daas_protocol.secret_memory import Secret, scrub, wipe
from support.secret_search import copies_in_memory

SECRET = b"sixteen bytes or more of a secret"


def test_a_buffer_is_overwritten_in_place() -> None:
    data = bytearray(SECRET)
    view = memoryview(data)
    wipe(data)
    assert bytes(view) == bytes(len(SECRET))
    wipe(bytearray())


def test_bytes_that_one_variable_holds_are_overwritten() -> None:
    data = bytes(bytearray(SECRET))
    assert scrub(data)
    assert data == bytes(len(SECRET))


def test_bytes_that_others_hold_are_not_touched() -> None:
    data = bytes(bytearray(SECRET))
    also = [data]
    assert not scrub(data)
    assert also == [SECRET]
    constant = SECRET
    assert not scrub(constant)
    assert SECRET.startswith(b"sixteen")


@pytest.mark.parametrize("shared", [b"", b"\x07"])
def test_the_interpreters_own_bytes_are_not_touched(shared: bytes) -> None:
    copied = bytes(bytearray(shared))
    scrub(copied)
    assert copied == shared
    assert bytes([7]) == b"\x07"


def test_a_secret_ends_with_its_block_also_by_an_error() -> None:
    with pytest.raises(RuntimeError), Secret(SECRET) as secret:
        view = secret.view
        raise RuntimeError
    assert bytes(view) == bytes(len(SECRET))


def test_what_makes_a_secret_keeps_no_copy_that_was_its_own() -> None:
    made = Secret.made_by(lambda: bytes(bytearray(SECRET)))
    assert bytes(made.view) == SECRET
    # A maker that holds on to its bytes keeps them: nothing of somebody else's is ever changed.
    assert bytes(Secret.made_by(lambda: SECRET).view) == SECRET
    assert SECRET.startswith(b"sixteen")


def test_a_secret_is_never_shown_copied_or_serialised() -> None:
    secret = Secret(SECRET)
    assert repr(secret) == str(secret) == "<Secret>"
    for take in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            take(secret)


CHILD = """
import gc, sys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from daas_enclave.keys import ReceiptKey
shares = [bytes.fromhex(line) for line in (sys.stdin.readline(), sys.stdin.readline())]
def entropy(n):
    return bytes(a ^ b for a, b in zip(*shares))
def plain():
    seed = entropy(32)
    return Ed25519PrivateKey.from_private_bytes(seed), [bytes(bytearray(seed)) for _ in range(256)]
key = ReceiptKey(entropy) if sys.argv[1] == "ours" else plain()
print("made", flush=True)
sys.stdin.readline()
del key
gc.collect()
print("gone", flush=True)
sys.stdin.readline()
"""


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="reads /proc/PID/mem")
@pytest.mark.parametrize(("maker", "alive", "afterwards"), [("ours", 1, 0), ("plain", 2, 1)])
def test_a_seed_stands_in_memory_once_while_its_key_lives_and_never_after(
    maker: str, alive: int, afterwards: int
) -> None:
    """The child gets two halves that make the seed only together. Once: inside OpenSSL, which needs it and clears it.

    The other maker is what everybody writes, and shows that this search finds what is left lying about: of so many
    copies some stay, wherever the allocator puts what comes next.
    """
    seed, pad = secrets.token_bytes(32), secrets.token_bytes(32)
    other = bytes(a ^ b for a, b in zip(seed, pad, strict=True))
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, maker], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            child.stdin.write(f"{pad.hex()}\n{other.hex()}\n")
            child.stdin.flush()
            assert child.stdout.readline() == "made\n"
            assert copies_in_memory(child.pid, pad) >= 1
            found = copies_in_memory(child.pid, seed)
            assert found == alive if afterwards == 0 else found >= alive
            child.stdin.write("\n")
            child.stdin.flush()
            assert child.stdout.readline() == "gone\n"
            left = copies_in_memory(child.pid, seed)
            assert left == 0 if afterwards == 0 else left >= afterwards
        finally:
            child.kill()

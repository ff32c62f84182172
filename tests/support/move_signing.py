"""Messages that Python signs for the objects of Move's tests (move/daas/tests/world.move).

Move's test VM verifies Ed25519 but cannot sign, so the signatures are made here and written into Move modules that are
committed: `python -m support.move_signing` (in tests/, with the repository's environment) writes them anew, and
tests/chain/test_move_signed.py fails when they have drifted. The ids of the world's objects follow from the
transactions that make them: Blake2b-256(0xf1 || transaction digest || u64 LE counter).
"""

import hashlib
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daas_protocol.receipt import Intent, MailboxRef, Receipt, SignedMessage, sign

TOP = Path(__file__).parents[2]
MOVE_TESTS = TOP / "move" / "daas" / "tests"
GROUPS = ("enclave", "settlement", "workers", "slashing", "audit")
"""Each is a module support.move_cases_<group> with `CASES`, and becomes move/daas/tests/signed_<group>.move."""

CLUSTER_HINT = 1
SLOT_HINT = 2
START_MS = 1_000_000_000_000
USER = bytes(31) + b"\x5e"


def object_id(hint: int, counter: int = 0) -> bytes:
    """Id of the object that the test transaction `hint` makes as its `counter`th, 32 bytes."""
    transaction = hint.to_bytes(8, "little") + bytes(24)
    return hashlib.blake2b(b"\xf1" + transaction + counter.to_bytes(8, "little"), digest_size=32).digest()


CLUSTER = object_id(CLUSTER_HINT)
ENCLAVE = object_id(SLOT_HINT)


def boot_id(number: int) -> bytes:
    return bytes([number]) * 16


def request_id(number: int) -> bytes:
    return bytes([number]) * 16


def request_digest(number: int) -> bytes:
    return hashlib.sha256(bytes([number])).digest()


def signed(intent: Intent, payload: bytes, *, seed: int = 1, timestamp_ms: int = START_MS) -> SignedMessage:
    """Signed by the receipt key of boot `seed` (or by whatever key has that number, 32 times, as its seed)."""
    return sign(intent, timestamp_ms, payload, Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32).sign)


def receipt(number: int, *, boot: int = 1, sequence: int | None = None, **changes: object) -> Receipt:
    """Of `world::command(number)` as request `number - 1` of the mailbox; `changes` replace fields."""
    fields: dict[str, object] = {
        "enclave_id": ENCLAVE,
        "boot_id": boot_id(boot),
        "sequence": number if sequence is None else sequence,
        "request_digest": request_digest(number),
        "requester": USER,
        "mailbox": MailboxRef(seq=number - 1, round_checkpoint=100, revision=1_000 + number, delivery_digest=None),
        "status": 201,
        "body_digest": hashlib.sha256(b"body").digest(),
        "body_length": 4,
        "log_root": hashlib.sha256(b"root").digest(),
    }
    return Receipt(**(fields | changes))  # type: ignore[arg-type]


def move_module(
    group: str, cases: Mapping[str, SignedMessage], hashes: Mapping[str, Sequence[bytes]] | None = None
) -> str:
    """The Move source: a function for each case that returns (bcs(IntentMessage), signature), and for each of `hashes`.

    `hashes`: lists of 32-byte hashes, such as proofs, from a cases module's `HASHES`.
    """
    lines = [
        "/// Made by tests/support/move_signing.py: change the cases there, not here.",
        "#[test_only]",
        f"module daas::signed_{group};",
        "",
        "public fun cluster_id(): address {",
        f"    @0x{CLUSTER.hex()}",
        "}",
        "",
        "public fun enclave_id(): address {",
        f"    @0x{ENCLAVE.hex()}",
        "}",
    ]
    for name, message in cases.items():
        lines += [
            "",
            f"public fun {name}(): (vector<u8>, vector<u8>) {{",
            "    (",
            f'        x"{message.signing_bytes().hex()}",',
            f'        x"{message.signature.hex()}",',
            "    )",
            "}",
        ]
    for name, values in (hashes or {}).items():
        lines += ["", f"public fun {name}(): vector<vector<u8>> {{", "    vector["]
        lines += [f'        x"{value.hex()}",' for value in values]
        lines += ["    ]", "}"]
    return "\n".join(lines) + "\n"


def modules() -> dict[Path, str]:
    """Path and source of every generated module whose cases exist."""
    found: dict[Path, str] = {}
    for group in GROUPS:
        if not (Path(__file__).parent / f"move_cases_{group}.py").exists():
            continue
        module = import_module(f"support.move_cases_{group}")
        found[MOVE_TESTS / f"signed_{group}.move"] = move_module(group, module.CASES, getattr(module, "HASHES", None))
    return found


if __name__ == "__main__":
    for path, source in modules().items():
        path.write_text(source)

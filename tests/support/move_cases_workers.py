"""Join tokens, worker reports and receipts for the tests of `daas::worker_registry` and `daas::k8s_scheduler`."""

from daas_protocol.intents import JoinToken, WorkerStatus, WorkerStatusEntry
from daas_protocol.receipt import Intent, MailboxRef, SignedMessage
from support.move_signing import CLUSTER, ENCLAVE, START_MS, boot_id, receipt, signed

OTHER = b"\x99" * 32
WORKER_KEY = b"\x77" * 32
SKEW_MS = 30_000
PENDING, ACTIVE, BUSY, OFFLINE, SLASHED, UNKNOWN = range(6)


def token(
    node_id: str = "worker-1",
    *,
    boot: int = 1,
    enclave: bytes = ENCLAVE,
    cluster: bytes = CLUSTER,
    worker_key: bytes = WORKER_KEY,
    seed: int = 1,
    after_ms: int = 0,
    ciphertext: bytes = b"ciphertext",
) -> SignedMessage:
    value = JoinToken(enclave, boot_id(boot), cluster, node_id, worker_key, ciphertext)
    return signed(Intent.JOIN_TOKEN, value.to_bcs(), seed=seed, timestamp_ms=START_MS + after_ms)


def report(
    after_ms: int,
    *entries: tuple[str, int, int],
    boot: int = 1,
    enclave: bytes = ENCLAVE,
    cluster: bytes = CLUSTER,
    seed: int = 1,
) -> SignedMessage:
    """Of `entries` (node id, status, pods served), `after_ms` after the world's beginning."""
    value = WorkerStatus(enclave, boot_id(boot), cluster, tuple(WorkerStatusEntry(*entry) for entry in entries))
    return signed(Intent.WORKER_STATUS, value.to_bcs(), seed=seed, timestamp_ms=START_MS + after_ms)


def says(status: int, after_ms: int, **changes: object) -> SignedMessage:
    return report(after_ms, ("worker-1", status, 0), **changes)  # type: ignore[arg-type]


CASES = {
    "token": token(),
    "token_again": token(after_ms=1, ciphertext=b"a newer one"),
    "token_at_skew": token(after_ms=SKEW_MS),
    "token_beyond_skew": token(after_ms=SKEW_MS + 1),
    "token_unknown_worker": token("ghost"),
    "token_other_worker_key": token(worker_key=OTHER),
    "token_other_cluster": token(cluster=OTHER),
    "token_other_slot": token(enclave=OTHER),
    "token_other_key": token(seed=2),
    "token_boot_2": token(boot=2, seed=2),
    "active_1": says(ACTIVE, 1),
    "busy_2": says(BUSY, 2),
    "offline_3": says(OFFLINE, 3),
    "pending_10": says(PENDING, 10),
    "active_10": says(ACTIVE, 10),
    "busy_10": says(BUSY, 10),
    "offline_10": says(OFFLINE, 10),
    "slashed_10": says(SLASHED, 10),
    "unknown_10": says(UNKNOWN, 10),
    "active_at_skew": says(ACTIVE, SKEW_MS),
    "active_beyond_skew": says(ACTIVE, SKEW_MS + 1),
    "active_other_cluster": says(ACTIVE, 1, cluster=OTHER),
    "active_other_slot": says(ACTIVE, 1, enclave=OTHER),
    "active_other_key": says(ACTIVE, 1, seed=2),
    "active_boot_2": says(ACTIVE, 1, boot=2, seed=2),
    **{f"try_{status}": report(10, ("worker-1", status, 0), ("ghost", ACTIVE, 0)) for status in range(UNKNOWN + 1)},
    "active_before": says(ACTIVE, 0),
    "ghost_active": report(1, ("ghost", ACTIVE, 0)),
    "pods_7": report(1, ("worker-1", ACTIVE, 7)),
    "pods_3": report(2, ("worker-1", ACTIVE, 3)),
    "several": report(
        1, ("worker-1", ACTIVE, 4), ("ghost", ACTIVE, 0), ("worker-2", SLASHED, 0), ("worker-3", ACTIVE, 0)
    ),
    "twice_the_same": report(1, ("worker-1", ACTIVE, 1), ("worker-1", BUSY, 2)),
    "three_active": report(1, ("worker-1", ACTIVE, 0), ("worker-2", ACTIVE, 0), ("worker-3", ACTIVE, 0)),
    **{
        f"answer_{status}": signed(Intent.RECEIPT, receipt(1, status=status).to_bcs())
        for status in (200, 399, 400, 499, 500, 504)
    },
    "second_answer_500": signed(
        Intent.RECEIPT,
        receipt(1, sequence=2, status=500, mailbox=MailboxRef(1, 100, 1_002, None)).to_bcs(),
    ),
}

"""What the contract puts on chain, in bytes and MIST, and how much fits into a transaction.

    cd tests && ../.venv/bin/python -m support.move_sizes

Storage costs 7,600 MIST a byte on Sui, 99 % of it given back when the object goes; events are not stored. Sizes of
objects and transactions follow Sui's rules (sui-types `object_size_for_gas_metering`, `TransactionData`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from daas_chain import artifacts
from daas_chain.events_mailbox import K8sAPIRequest, K8sResponseStored, RequestExpired
from daas_chain.heads import ChainHead, Event, Heads
from daas_chain.layout import MoveStruct
from daas_chain.records import Pending
from daas_chain.values import OnChain, RequestKey, Settled
from daas_protocol.bcs import Writer, encode_bytes, encode_uleb
from daas_protocol.intents import ReceiptBatch
from daas_protocol.receipt import Intent, MailboxRef, Receipt, signing_bytes

MIST_PER_BYTE = 7_600
MAX_PURE_BYTES = 16_384
MAX_TRANSACTION_BYTES = 131_072
MAX_PAYLOAD_BYTES = 122_880
MAX_PACKAGE_BYTES = 102_400
ANSWER_BYTES = 10_240
CIPHERTEXT_BYTES = 2_560
"""A manifest of about 1 KiB, HPKE with the hybrid key (1,136 B) and padding to 256 B."""
ID = bytes(32)
HASH = bytes(32)
REQUEST_ID = bytes(16)
HEADS = Heads(ID, ChainHead(1, HASH), ID, ChainHead(1, HASH))


def request(payload: bytes) -> K8sAPIRequest:
    """`kubectl apply` of a Deployment."""
    return K8sAPIRequest(
        mailbox_seq=1,
        requester=ID,
        token=ID,
        request_id=REQUEST_ID,
        request_digest=HASH,
        verb="patch",
        group="apps",
        resource="deployments",
        subresource="",
        namespace="production",
        deadline_ms=1,
        priority=5,
        deliver=False,
        fee=1,
        request_key_id=1,
        placement=None,
        payload=OnChain(payload),
    )


def stored() -> K8sResponseStored:
    return K8sResponseStored(
        mailbox_seq=1,
        requester=ID,
        request_id=REQUEST_ID,
        request_digest=HASH,
        boot_id=REQUEST_ID,
        sequence=1,
        status=200,
        body_digest=HASH,
        body_length=ANSWER_BYTES,
        revision=1,
        fee=1,
        refunded=0,
        settled_at_ms=1,
        delivery=b"",
    )


def expired() -> RequestExpired:
    return RequestExpired(mailbox_seq=1, requester=ID, request_id=REQUEST_ID, refunded=1, slashed=0, expired_at_ms=1)


def pending() -> Pending:
    return Pending(seq=1, request_digest=HASH, closes_at_ms=1, deliver=False, off_chain=False, policy_version=1, fee=1)


def settled() -> Settled:
    return Settled(
        seq=1,
        request_digest=HASH,
        status=200,
        body_digest=HASH,
        body_length=1,
        revision=1,
        boot_id=REQUEST_ID,
        sequence=1,
        settled_at_ms=1,
    )


def event_bytes(body: MoveStruct) -> int:
    return len(Event(body, HEADS).encode())


def _struct_tag(module: str, name: str, parameters: Sequence[bytes] = ()) -> bytes:
    return (
        ID
        + encode_bytes(module.encode())
        + encode_bytes(name.encode())
        + encode_uleb(len(parameters))
        + b"".join(b"\x07" + tag for tag in parameters)
    )


def record_bytes(value: bytes, name: str) -> int:
    """Metered size of the dynamic field that holds a record of this type."""
    key = RequestKey(ID, REQUEST_ID).encode()
    contents = ID + key + value
    types = (_struct_tag("queue", "RequestKey"), _struct_tag("queue", name))
    return len(contents) + 1 + len(_struct_tag("dynamic_field", "Field", types)) + 1 + 8 + 80


@dataclass(frozen=True, slots=True)
class Comparison:
    """Bytes and MIST that stay for one settled request, here and with bodies in objects."""

    here_bytes: int
    bodies_bytes: int

    @property
    def here_mist(self) -> int:
        return self.here_bytes * MIST_PER_BYTE

    @property
    def bodies_mist(self) -> int:
        return self.bodies_bytes * MIST_PER_BYTE

    @property
    def ratio(self) -> float:
        return self.bodies_mist / self.here_mist


def comparison(answer_bytes: int = ANSWER_BYTES, request_bytes: int = CIPHERTEXT_BYTES) -> Comparison:
    """Against the bodies alone: what the objects around them would cost is left out, in the other design's favour."""
    return Comparison(record_bytes(b"\x00" + settled().encode(), "Outcome"), request_bytes + answer_bytes)


def receipts_in_a_batch() -> int:
    """How many receipts one pure argument of `store_k8s_response` carries."""
    receipt = Receipt(
        enclave_id=ID,
        boot_id=REQUEST_ID,
        sequence=1,
        request_digest=HASH,
        requester=ID,
        mailbox=MailboxRef(1, 1, 1, None),
        status=200,
        body_digest=HASH,
        body_length=1,
        log_root=HASH,
    )
    count = 1
    while (
        len(_pure(signing_bytes(Intent.RECEIPT_BATCH, 1, ReceiptBatch((receipt,) * (count + 1)).to_bcs())))
        <= MAX_PURE_BYTES
    ):
        count += 1
    return count


def _pure(value: bytes) -> bytes:
    return encode_bytes(value)


def transaction_bytes(payload_bytes: int) -> int:
    """bcs(TransactionData) of one `execute_kubectl_command` with its payload in as few pure arguments as fit, and one
    gas coin, plus intent and one Ed25519 signature as in bcs(SenderSignedData)."""
    chunk = MAX_PURE_BYTES - 3
    chunks = [min(chunk, payload_bytes - start) for start in range(0, payload_bytes, chunk)]
    body = request(b"")
    pures = [_pure(bytes(length)) for length in chunks]
    pures += [_pure(text.encode()) for text in (body.verb, body.group, body.resource, body.subresource, body.namespace)]
    pures += [_pure(REQUEST_ID), _pure(HASH), bytes(8), bytes(1), bytes(1), bytes(8), bytes(8)]
    writer = Writer()
    # TransactionData::V1, TransactionKind::ProgrammableTransaction.
    writer.fixed(b"\x00\x00")
    shared = [b"\x01\x01" + ID + bytes(8) + b"\x00"] * 4  # slot, cluster, pool, clock
    owned = [b"\x01\x00" + ID + bytes(8) + encode_bytes(HASH)]  # token
    inputs = shared + owned + [b"\x00" + encode_bytes(pure) for pure in pures]
    writer.vector(inputs, writer.fixed)
    calls = [("command", "on_chain", 1)] + [("command", "append", 2)] * (len(chunks) - 1)
    calls += [("command", "new", 13), ("mailbox", "execute_kubectl_command", 7)]
    writer.uleb(len(calls))
    for module, function, arguments in calls:
        writer.fixed(b"\x00" + ID)
        writer.string(module)
        writer.string(function)
        writer.uleb(0)
        writer.vector([b"\x01\x00\x00"] * arguments, writer.fixed)
    writer.fixed(ID)  # sender
    writer.vector([ID + bytes(8) + encode_bytes(HASH)], writer.fixed)
    writer.fixed(ID + bytes(16) + b"\x00")  # gas owner, price, budget; expiration
    return len(writer.finish()) + 3 + 1 + 1 + 97 + 1


def main() -> None:
    rows = [
        ("event K8sAPIRequest, 2,560 B of ciphertext", event_bytes(request(bytes(CIPHERTEXT_BYTES))), 0),
        ("event K8sAPIRequest without its ciphertext", event_bytes(request(b"")), 0),
        ("event K8sResponseStored", event_bytes(stored()), 0),
        ("event RequestExpired", event_bytes(expired()), 0),
        ("record while pending", record_bytes(pending().encode(), "Pending"), 1),
        ("record once settled", record_bytes(b"\x00" + settled().encode(), "Outcome"), 1),
    ]
    for name, size, kept in rows:
        print(f"{name:45} {size:7,} B  {size * MIST_PER_BYTE * kept:12,} MIST")
    print(f"{'after close or prune':45} {0:7,} B  {0:12,} MIST")
    for what, found in (("both bodies", comparison()), ("its answer alone", comparison(request_bytes=0))):
        print(
            f"one settled request with a {ANSWER_BYTES:,} B answer: {found.here_mist:,} MIST here, "
            f"{found.bodies_mist:,} with {what} in objects: {found.ratio:.1f} times"
        )
    largest = transaction_bytes(MAX_PAYLOAD_BYTES)
    print(
        f"largest request transaction: {largest:,} of {MAX_TRANSACTION_BYTES:,} B, "
        f"{MAX_PAYLOAD_BYTES:,} B of it payload"
    )
    print(f"receipts in one batch (one pure argument of {MAX_PURE_BYTES:,} B): {receipts_in_a_batch()}")
    size = artifacts.load().package.size
    print(f"package: {size:,} of {MAX_PACKAGE_BYTES:,} B")


if __name__ == "__main__":
    main()

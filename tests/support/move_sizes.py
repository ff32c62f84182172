"""What the contract puts on chain, in bytes and MIST, and how much fits into a transaction.

    cd tests && ../.venv/bin/python -m support.move_sizes

Storage costs 7,600 MIST a byte on Sui, 99 % of it given back when the object goes; events are not stored. Sizes of
objects and transactions are those of `daas_chain.sui`, which is held against real checkpoints.
"""

from dataclasses import dataclass

from daas_chain import artifacts
from daas_chain.events_mailbox import K8sAPIRequest, K8sResponseStored, RequestExpired
from daas_chain.heads import ChainHead, Event, Heads
from daas_chain.layout import MoveStruct
from daas_chain.records import Pending
from daas_chain.sui import transaction as tx
from daas_chain.sui.objects import MoveObject, Object, OtherType
from daas_chain.sui.storage import metered_size
from daas_chain.sui.types import ObjectOwner, StructTag
from daas_chain.values import OnChain, RequestKey, Settled
from daas_protocol.bcs import encode_bytes
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


def record_bytes(value: bytes, name: str) -> int:
    """Metered size of the dynamic field that holds a record of this type."""
    contents = ID + RequestKey(ID, REQUEST_ID).encode() + value
    types = (StructTag(ID, "queue", "RequestKey"), StructTag(ID, "queue", name))
    field = OtherType(StructTag(ID, "dynamic_field", "Field", types))
    return metered_size(Object(MoveObject(field, False, 1, contents), ObjectOwner(ID), HASH, 0))


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
        len(encode_bytes(signing_bytes(Intent.RECEIPT_BATCH, 1, ReceiptBatch((receipt,) * (count + 1)).to_bcs())))
        <= MAX_PURE_BYTES
    ):
        count += 1
    return count


def transaction_bytes(payload_bytes: int) -> int:
    """bcs(SenderSignedData) of one `execute_kubectl_command` with its payload in as few pure arguments as fit, one gas
    coin and one Ed25519 signature."""
    chunk = MAX_PURE_BYTES - 3
    chunks = [bytes(min(chunk, payload_bytes - start)) for start in range(0, payload_bytes, chunk)]
    body = request(b"")
    texts = (body.verb, body.group, body.resource, body.subresource, body.namespace)
    pures = [encode_bytes(part) for part in (*chunks, *(text.encode() for text in texts), REQUEST_ID, HASH)]
    # Deadline, priority, delivery, request key id, fee.
    pures += [bytes(length) for length in (8, 1, 1, 8, 8)]
    reference = tx.ObjectRef(ID, 1, HASH)
    slot_cluster_pool_clock = [tx.ObjectInput(tx.SharedInput(ID, 1, tx.Mutability.MUTABLE))] * 4
    inputs = (*slot_cluster_pool_clock, tx.ObjectInput(tx.OwnedInput(reference)), *map(tx.Pure, pures))
    calls = [("command", "on_chain", 1), *[("command", "append", 2)] * (len(chunks) - 1)]
    calls += [("command", "new", 13), ("mailbox", "execute_kubectl_command", 7)]
    commands = tuple(
        tx.MoveCall(ID, module, function, (), (tx.InputArgument(0),) * arguments)
        for module, function, arguments in calls
    )
    gas = tx.GasData((reference,), ID, 1, 1)
    data = tx.TransactionData(tx.Programmable(inputs, commands), ID, gas, tx.NeverExpires())
    return len(tx.SENDER_SIGNED_DATA.encode((tx.SignedTransaction(tx.INTENT, data, (bytes(97),)),)))


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

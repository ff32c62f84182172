"""One scenario in which every chained event of the package occurs, with its bytes and heads as Python computes them.

Invariant: there is one source. `python -m support.move_golden_events` (in tests/) writes tests/vectors/move_events.json
and move/daas/tests/golden_events_tests.move, which runs the scenario in `daas::world` and compares every byte;
tests/chain/test_golden_events.py refuses any edit of either.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from daas_chain.catalog import MAILBOX_BODIES, STATE_BODIES
from daas_chain.events_access import SessionsEnded, TokenIssued, TokenRevoked
from daas_chain.events_cluster import (
    AnchorRetired,
    ChangeActivated,
    ChangeProposed,
    ChangeVetoed,
    ClusterCreated,
    MinVersionRaised,
    OperatorAdmitted,
    PolicyFrozen,
    PolicyRevoked,
)
from daas_chain.events_enclave import BootAttested, BootEnded, BootRegistered, HandoffRecorded, SlotCreated
from daas_chain.events_mailbox import K8sAPIRequest, K8sResponseStored, RequestExpired
from daas_chain.events_workers import (
    JoinTokenPublished,
    WorkerDeregistered,
    WorkerRegisteredEvent,
    WorkerStatusChangedEvent,
)
from daas_chain.heads import Beacon, ChainHead, Event, Heads
from daas_chain.layout import MoveStruct
from daas_chain.state import OF_SLOTS
from daas_chain.values import (
    AnchorChange,
    Boot,
    MoveGrant,
    OffChain,
    OnChain,
    Parameters,
    ParametersChange,
    Pcr,
    PolicyChange,
)
from daas_protocol.grant import parse_grant
from daas_protocol.intents import Handoff, JoinToken
from daas_protocol.receipt import Intent, SignedMessage
from support import move_golden_test
from support.move_golden_objects import TOKEN, Objects, objects
from support.move_signing import (
    CLUSTER,
    ENCLAVE,
    MOVE_TESTS,
    START_MS,
    TOP,
    USER,
    boot_id,
    receipt,
    request_digest,
    request_id,
    signed,
)

VECTORS = TOP / "tests" / "vectors" / "move_events.json"
MOVE = MOVE_TESTS / "golden_events_tests.move"
OPERATOR = bytes(31) + b"\x0b"
DAY, FEE, WORKER_STAKE = 86_400_000, 10_000_000, 1_000_000_000
EXPIRY_MS = START_MS + 210_000
PROPOSED_MS = EXPIRY_MS + 300_000
LATER_MS = PROPOSED_MS + DAY
PUBLIC_KEYS = {
    1: bytes.fromhex("8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"),
    2: bytes.fromhex("8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394"),
}
PARAMS = Parameters(
    *(30_000, 90_000, 3_600_000, 30_000, 300_000, 30_000, DAY, DAY, 14 * DAY, 7 * DAY, DAY),
    *(256, 1_000_000, 100_000, 10, 10**10, 10**9, 10**9, 10**10, 5_000, 3_000, 3_000),
)
NODE = "worker-1"
CIPHERTEXT = b"join"


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


ANCHOR, SECOND_ANCHOR = sha(b"anchor"), sha(b"second")
HANDOFF = Handoff(ENCLAVE, boot_id(1), CLUSTER, boot_id(9), 77, sha(b"state"))
JOIN_TOKEN = JoinToken(ENCLAVE, boot_id(1), CLUSTER, NODE, sha(b"worker"), CIPHERTEXT)


def pcrs(fill: int) -> tuple[Pcr, ...]:
    return tuple(Pcr(index, bytes([fill + index]) * 48) for index in range(3))


def boot(number: int, at_ms: int) -> Boot:
    return Boot(
        boot_id=boot_id(number),
        generation=number,
        public_key=PUBLIC_KEYS[number],
        tls_spki_sha256=sha(bytes([number])),
        request_key_sha256=sha(bytes([number]) * 1_216),
        policy_version=1,
        attested_at_ms=at_ms,
        expires_at_ms=at_ms + DAY,
        end_reason=0,
        log_size=0,
        log_root=sha(b""),
        slashed=0,
    )


def request(number: int, payload: OnChain | OffChain, priority: int = 5, deliver: bool = False) -> K8sAPIRequest:
    return K8sAPIRequest(
        mailbox_seq=number - 1,
        requester=USER,
        token=TOKEN,
        request_id=request_id(number),
        request_digest=request_digest(number),
        verb="create",
        group="",
        resource="configmaps",
        subresource="",
        namespace="default",
        deadline_ms=START_MS + 180_000,
        priority=priority,
        deliver=deliver,
        fee=FEE,
        request_key_id=1,
        placement=None,
        payload=payload,
    )


def expired(number: int, slashed: int) -> RequestExpired:
    return RequestExpired(number - 1, USER, request_id(number), FEE, slashed, EXPIRY_MS)


def stored() -> K8sResponseStored:
    answer = receipt(1)
    return K8sResponseStored(
        mailbox_seq=0,
        requester=USER,
        request_id=request_id(1),
        request_digest=request_digest(1),
        boot_id=boot_id(1),
        sequence=1,
        status=answer.status,
        body_digest=answer.body_digest,
        body_length=answer.body_length,
        revision=1_001,
        fee=FEE,
        refunded=0,
        settled_at_ms=START_MS,
        delivery=b"",
    )


def bodies() -> tuple[MoveStruct, ...]:
    """In the order in which the Move test makes them happen."""
    policy, params = PolicyChange(2, pcrs(2)), ParametersChange(PARAMS)
    later = PROPOSED_MS + DAY
    return (
        ClusterCreated(CLUSTER, "test", PARAMS, 1, pcrs(1), (ANCHOR,)),
        OperatorAdmitted(OPERATOR, True),
        SlotCreated(ENCLAVE, OPERATOR),
        TokenIssued(TOKEN, USER, (MoveGrant.of(parse_grant("*:*")),), sha(b"commitment"), START_MS + DAY),
        BootRegistered(ENCLAVE, boot(1, START_MS), 1, b"\x01" * 1_216),
        request(1, OnChain(b"\x07" * 100)),
        request(2, OffChain(sha(b"payload"), 1_000_000), priority=7, deliver=True),
        request(3, OnChain(b"\x07" * 100)),
        stored(),
        expired(2, 0),
        expired(3, 10 * FEE),
        Beacon(EXPIRY_MS),
        SessionsEnded(USER, 1),
        SessionsEnded(USER, 2),
        TokenRevoked(TOKEN),
        WorkerRegisteredEvent(NODE, USER, sha(b"join"), sha(b"worker"), sha(b"status"), WORKER_STAKE),
        JoinTokenPublished(NODE, ENCLAVE, CIPHERTEXT),
        WorkerStatusChangedEvent(NODE, 0, 3),
        WorkerDeregistered(NODE, USER),
        HandoffRecorded(ENCLAVE, boot_id(1), CLUSTER, boot_id(9), 77, sha(b"state")),
        ChangeProposed(0, AnchorChange(SECOND_ANCHOR), later),
        ChangeProposed(1, policy, later),
        ChangeProposed(2, params, later),
        ChangeProposed(3, params, later),
        ChangeVetoed(2),
        ChangeActivated(0, AnchorChange(SECOND_ANCHOR)),
        ChangeActivated(1, policy),
        ChangeActivated(3, params),
        BootEnded(ENCLAVE, boot_id(1), 1),
        BootRegistered(ENCLAVE, boot(2, LATER_MS), 2, b"\x02" * 1_216),
        BootAttested(ENCLAVE, boot_id(2), 1, LATER_MS + 1, LATER_MS + 1 + DAY, 2, b""),
        MinVersionRaised(2),
        PolicyRevoked(2),
        PolicyFrozen(),
        AnchorRetired(ANCHOR),
        OperatorAdmitted(OPERATOR, False),
    )


def events() -> Iterator[Event[MoveStruct]]:
    """With the heads that stand in each."""
    state, mailbox = ChainHead.of_state(CLUSTER), ChainHead.of_mailbox(ENCLAVE)
    for body in bodies():
        if type(body) in STATE_BODIES:
            state = state.advance(body)
        elif type(body) in MAILBOX_BODIES:
            mailbox = mailbox.advance(body)
        with_mailbox = type(body) not in STATE_BODIES or isinstance(body, OF_SLOTS)
        shown = (ENCLAVE, mailbox) if with_mailbox else (None, None)
        yield Event(body, Heads(CLUSTER, state, *shown))


def serving() -> Objects:
    """The objects when boot 1 has registered."""
    at_boot = next(event for event in events() if isinstance(event.body, BootRegistered))
    created, _, _, issued, *_ = bodies()
    assert at_boot.heads.state is not None
    assert isinstance(created, ClusterCreated)
    assert isinstance(issued, TokenIssued)
    return objects(at_boot.heads.state, created, boot(1, START_MS), issued, OPERATOR)


def messages() -> dict[str, SignedMessage]:
    """What the scenario's enclave says, signed by the key of boot 1."""
    return {
        "receipt_1": signed(Intent.RECEIPT, receipt(1).to_bcs()),
        "join_token": signed(Intent.JOIN_TOKEN, JOIN_TOKEN.to_bcs()),
        "handoff": signed(Intent.HANDOFF, HANDOFF.to_bcs()),
    }


def vectors() -> str:
    """The text of tests/vectors/move_events.json."""
    rows = [
        {
            "type": event.body.MOVE,
            "body": event.body.encode().hex(),
            "event": event.encode().hex(),
            "state_seq": event.heads.state.seq if event.heads.state else None,
            "state_head": event.heads.state.head.hex() if event.heads.state else None,
            "mailbox_seq": event.heads.mailbox.seq if event.heads.mailbox else None,
            "mailbox_head": event.heads.mailbox.head.hex() if event.heads.mailbox else None,
        }
        for event in events()
    ]
    about = "Events of the Move package in the order of one scenario: BCS of body and of heads::Event, heads after it."
    made: dict[str, object] = {"description": about, "cluster": CLUSTER.hex(), "enclave": ENCLAVE.hex(), "events": rows}
    made |= {"objects": {name: {"type": each.MOVE, "bytes": each.encode().hex()} for name, each in serving().items()}}
    return json.dumps(made, indent=2) + "\n"


def files() -> dict[Path, str]:
    """Path and text of both generated files."""
    return {VECTORS: vectors(), MOVE: move_golden_test.source(list(events()), messages(), serving())}


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")

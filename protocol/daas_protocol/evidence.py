"""Evidence that an enclave contradicted itself: two signed messages of one boot, and a proof where one is needed.

Invariant: `Evidence` that was made or read says nothing yet; `judge` alone decides, from the bytes in it and the
receipt key, which the caller has from an attestation document or from the boot's record on chain.

File format: standard base64 (RFC 4648 section 4, with padding, canonical) of the BCS below, and one LF.

    version u8 (1) || kind u8 (`Contradiction`) || public_key vector<u8> 32 ||
    first vector<u8> || second vector<u8> || proof Option<vector<u8>>

`first` and `second` are signed messages as in RECEIPT files, the one with the smaller sequence or size first, and of
equals the one whose bytes sort first: so the same case has the same bytes, whoever found it. `proof` is that of
`log_proof`.
"""

import base64
from dataclasses import dataclass

from daas_protocol.bcs import BcsError, Reader, Writer, require_length
from daas_protocol.ed25519 import KEY_BYTES, FastVerifyKey
from daas_protocol.log_proof import MAX_PROOF_BYTES, LogProof, proof_from_bcs
from daas_protocol.receipt import MAX_SIGNED_MESSAGE_BYTES, SignedMessage, decode_base64
from daas_protocol.statement import Contradiction, Relation, Statement, compare, read_statement

EVIDENCE_VERSION = 1
MAX_EVIDENCE_BYTES = 2 + 33 + 2 * (2 + MAX_SIGNED_MESSAGE_BYTES) + 3 + MAX_PROOF_BYTES
MAX_EVIDENCE_CHARACTERS = 4 * ((MAX_EVIDENCE_BYTES + 2) // 3)


class EvidenceOrderError(ValueError):
    """The two messages are not in the one order that evidence has."""

    def __init__(self, expected: str, actual: str) -> None:
        self.expected = expected
        self.actual = actual
        super().__init__(f"evidence names the earlier statement first: expected {expected}, got {actual}")


class EvidenceRefuted(ValueError):
    """The messages do not contradict each other in the way that the evidence says."""

    def __init__(self, expected: Contradiction, actual: Contradiction | Relation) -> None:
        self.expected = expected
        self.actual = actual
        found = actual.name if isinstance(actual, Contradiction) else actual.value
        super().__init__(f"the evidence shows no {expected.name}: {found}")


@dataclass(frozen=True, slots=True)
class Evidence:
    """One case, not yet judged. `public_key`: the receipt key, 32 B."""

    kind: Contradiction
    public_key: bytes
    first: SignedMessage
    second: SignedMessage
    proof: LogProof | None

    def judge(self, public_key: bytes) -> Contradiction:
        """The contradiction, proven under `public_key` (32 B), whatever key the evidence itself names.

        Raises `ReceiptSignatureError`, `EvidenceOrderError`, `EvidenceRefuted`, `BcsError`, and for the proof
        `ProofUnfit`, `InclusionProofError`, `ConsistencyProofError`.
        """
        first, second = read_statement(self.first), read_statement(self.second)
        if _order(first) > _order(second):
            raise EvidenceOrderError(second.name, first.name)
        found = compare(first, second, FastVerifyKey(public_key), self.proof)
        if found is not self.kind:
            raise EvidenceRefuted(self.kind, found)
        return self.kind

    def to_bcs(self) -> bytes:
        """At most `MAX_EVIDENCE_BYTES`."""
        require_length("public_key", self.public_key, KEY_BYTES)
        writer = Writer()
        writer.u8(EVIDENCE_VERSION)
        writer.u8(self.kind)
        writer.bytes(self.public_key)
        writer.bytes(self.first.encode())
        writer.bytes(self.second.encode())
        writer.option(None if self.proof is None else self.proof.to_bcs(), writer.bytes)
        return writer.finish()

    @classmethod
    def from_bcs(cls, data: bytes) -> "Evidence":
        """Raises `BcsError`, and for the proof as `proof_from_bcs`."""
        reader = Reader(data)
        version = reader.u8()
        if version != EVIDENCE_VERSION:
            raise BcsError(f"only evidence of version {EVIDENCE_VERSION} is known, not {version}")
        number = reader.u8()
        try:
            kind = Contradiction(number)
        except ValueError:
            raise BcsError(f"unknown kind of evidence {number}") from None
        public_key = reader.bytes(exact=KEY_BYTES)
        first = SignedMessage.decode(reader.bytes(MAX_SIGNED_MESSAGE_BYTES))
        second = SignedMessage.decode(reader.bytes(MAX_SIGNED_MESSAGE_BYTES))
        proof = reader.option(lambda: reader.bytes(MAX_PROOF_BYTES))
        reader.end()
        return cls(kind, public_key, first, second, None if proof is None else proof_from_bcs(proof))

    def to_text(self) -> str:
        """The file format."""
        return base64.b64encode(self.to_bcs()).decode("ascii") + "\n"

    @classmethod
    def from_text(cls, text: str) -> "Evidence":
        """Strict inverse of `to_text`, but that the last LF may be missing. Raises as `from_bcs`."""
        return cls.from_bcs(decode_base64(text.removesuffix("\n"), MAX_EVIDENCE_CHARACTERS))


def make_evidence(
    one: Statement, other: Statement, public_key: bytes, proof: LogProof | None = None
) -> Evidence | Relation:
    """The evidence when the two contradict each other, else how they relate. Raises as `compare`."""
    found = compare(one, other, FastVerifyKey(public_key), proof)
    if isinstance(found, Relation):
        return found
    first, second = sorted((one, other), key=_order)
    # A proof that nobody needs would give one case several forms.
    needed = proof if found is not Contradiction.EQUIVOCATION and one.size != other.size else None
    return Evidence(found, public_key, first.message, second.message, needed)


def _order(statement: Statement) -> tuple[int, bytes]:
    return statement.size, statement.message.encode()

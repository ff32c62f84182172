"""Everything that can go wrong on the way through the contract, each by its own name and with the next step.

Invariant: an error says whether the request was accepted: before that nothing was executed and no fee is held; after
it the message names the request id, by which its end can be asked for.
"""

from __future__ import annotations

from daas_gateway.errors import CheckFailed, GatewayError


class ChainRefusal(GatewayError):
    """Refused before it was accepted: nothing was executed, no fee is held."""

    code = 403


# ---- what cannot go through the contract


class NotOnChain(GatewayError):
    """A request that changes something and that no transaction can carry: it is never sent beside the chain."""

    code = 400
    advice = "With a chain configured, what changes something goes through the contract or not at all"


class WishInvalid(GatewayError):
    """Daas-Priority, Daas-Deliver or Daas-Wait with a value that is none."""

    code = 400


class PayloadNotCarried(GatewayError):
    """Too large for a transaction, and no host is configured that takes ciphertexts beside the chain."""

    code = 413
    advice = (
        "Make the object smaller, or set 'payloads' in the gateway's chain configuration to the host's port for them"
    )


class PayloadNotTaken(GatewayError):
    """The host does not take a ciphertext beside the chain."""

    code = 503
    advice = "Nothing was submitted; see 'daas logs host'"


class BatchTooLarge(GatewayError):
    """More requests or bytes than one transaction takes."""

    code = 413
    advice = "Nothing was submitted; split the folder"


# ---- who asks


class TokenMissing(ChainRefusal):
    """The chain has no such token, or it was surrendered."""

    advice = "Ask the cluster's admin for one ('daas token issue'), and set 'token' in the gateway's configuration"


class TokenNotYours(ChainRefusal):
    advice = "Use the key of the token's owner, or ask the admin for a token of your own"


class TokenRevoked(ChainRefusal):
    advice = "Ask the cluster's admin for a new token ('daas token issue')"


class TokenExpired(ChainRefusal):
    advice = "Ask the cluster's admin for a new token ('daas token issue')"


class PermissionMissing(ChainRefusal):
    """No grant of the token covers the request."""

    advice = "Ask the cluster's admin for a token with such a grant ('daas token issue --grant ...')"


class StakeTooLow(ChainRefusal):
    advice = "Deposit with 'daas stake deposit', or stop an unbonding that runs"


class FeeTooLow(ChainRefusal):
    code = 402
    advice = "The gateway has read the cluster's parameters again: the node is behind, or lies about them"


class FeeAboveCeiling(ChainRefusal):
    code = 402
    advice = "Raise 'max_fee_mist' in the gateway's chain configuration, or lower the priority"


class NotEnoughGas(ChainRefusal):
    """The user's address has not enough SUI for fee and gas."""

    code = 402
    advice = "Send SUI to the address of your key ('daas key list' shows it)"


class GasAboveCeiling(ChainRefusal):
    code = 402
    advice = "Raise 'max_gas_mist' in the gateway's chain configuration"


class KeyBusy(GatewayError):
    """Another process of this home sends with the same key."""

    code = 503
    advice = "Nothing was submitted; wait for it to end and try again"


# ---- the slot


class MailboxFull(ChainRefusal):
    code = 429
    advice = "Nothing was submitted; try again in a moment"


class EnclaveNotRegistered(ChainRefusal):
    """The slot has no current boot: never registered, drained, or its registration ran out."""

    code = 503
    advice = "Its operator registers it with 'daas enclave register'"


class EnclaveSuperseded(ChainRefusal):
    """The enclave that answers is not the boot that the chain says is current."""

    code = 503
    advice = "Nothing was submitted; it should end in a minute, else ask the operator which enclave runs"


class VersionRevoked(ChainRefusal):
    """The enclave runs a version that the cluster's governance has revoked."""

    code = 503
    advice = "Nothing is sent to it; its operator must start a version of the present policy"


class OperatorStakeTooLow(ChainRefusal):
    code = 503
    advice = "The slot's operator must deposit; see 'daas enclave status'"


class ChainMismatch(CheckFailed):
    """What the node says of the slot is not what the enclave has proved."""

    advice = "Nothing was submitted: either the node or the enclave is not the one you mean"


class RequestKeyMismatch(ChainMismatch):
    check = "SHA-256 of the request key on chain against the attested one"


class BootKeyMismatch(ChainMismatch):
    check = "receipt key of the boot on chain against the attested one"


class BootTlsMismatch(ChainMismatch):
    check = "TLS key of the boot on chain against the attested one"


class PolicyMismatch(ChainMismatch):
    check = "PCRs of the policy on chain against the attested ones"


class RequestKeyUnknown(ChainRefusal):
    """Encrypted to a key that was rotated away, twice over while the request was prepared."""

    code = 503
    advice = "Nothing was submitted; try again"


class DeadlineRefused(ChainRefusal):
    """The contract finds the deadline too near or too far."""

    code = 400
    advice = "Is this machine's clock right? Otherwise correct 'deadline_seconds' in the gateway's chain configuration"


# ---- the network


class ChainUnreachable(GatewayError):
    """The node does not answer; nothing was submitted."""

    code = 503
    advice = "Nothing was submitted; is the node running? See 'daas status'"


class ChainInconsistent(GatewayError):
    """The node's answers contradict themselves."""

    advice = "Nothing was submitted; do not trust this node, use another one"


class TransactionRefused(ChainRefusal):
    """Refused for a reason that has no name of its own here."""

    code = 500
    advice = "Nothing was executed by the enclave"


class OutcomeOpen(GatewayError):
    """The request may have been accepted or executed; its end is not known here yet."""

    code = 504

    def __init__(self, request_id: bytes, what: str) -> None:
        self.request_id = request_id
        super().__init__(
            f"{what}. The outcome of request {request_id.hex()} is not known yet: "
            f"ask with 'daas request get {request_id.hex()}' before you send it again"
        )


class DeadlinePassed(GatewayError):
    """Nobody answered in time; nothing may have been executed after it."""

    code = 504

    def __init__(self, request_id: bytes, refunded: int | None, how: str = "") -> None:
        self.request_id, self.refunded = request_id, refunded
        money = (
            f"the fee of {refunded} MIST was refunded"
            if refunded is not None
            else f"'daas request expire {request_id.hex()}' refunds the fee"
        )
        super().__init__(f"the deadline of request {request_id.hex()} has passed without an answer; {money}{how}")


class AnswerLost(GatewayError):
    """Executed and settled, but nobody has the body any more."""

    code = 504

    def __init__(self, request_id: bytes, status: int, body_digest: bytes) -> None:
        self.request_id, self.answered = request_id, status
        super().__init__(
            f"request {request_id.hex()} was executed and answered with status {status} (body SHA-256 "
            f"{body_digest.hex()}, as the chain has it), but the enclave no longer has the answer; read the object"
        )


class RequestUnknown(GatewayError):
    """Neither this gateway nor the chain knows the request id."""

    code = 404


class JournalUnusable(GatewayError):
    """The request could not be kept on disk before sending."""

    code = 500
    advice = "Nothing was submitted; free some space or check the rights of the folder"


# ---- the receipt of a request on chain


class StoredAnswerMalformed(CheckFailed):
    check = "encoding of the answer to a request on chain"


class ReceiptMailboxMissing(CheckFailed):
    check = "mailbox entry in the receipt of a request on chain"


class ReceiptMailboxWrong(CheckFailed):
    check = "mailbox sequence in the receipt"


class DeliveryDigestWrong(CheckFailed):
    check = "delivery digest in the receipt"


class SettlementWrong(CheckFailed):
    check = "settlement on chain against the receipt"
    advice = "The enclave has signed two different answers: both are kept; 'daas receipt compare' shows them"


REFUSALS: dict[str, tuple[type[ChainRefusal], str]] = {
    "mailbox::EUnauthorizedRequest": (PermissionMissing, "no grant of your token covers this request"),
    "mailbox::EInsufficientStake": (StakeTooLow, "writing needs a stake of at least the cluster's minimum"),
    "mailbox::ENoCurrentBoot": (EnclaveNotRegistered, "the slot has no valid current boot and takes no requests"),
    "mailbox::EOperatorStake": (OperatorStakeTooLow, "the operator's stake is below the cluster's minimum"),
    "mailbox::EUnknownRequestKey": (RequestKeyUnknown, "the slot no longer has the request key it was encrypted to"),
    "mailbox::EMailboxFull": (MailboxFull, "too many requests are pending in the slot's mailbox"),
    "mailbox::EDeadlineTooSoon": (DeadlineRefused, "the deadline leaves less time than the cluster's minimum"),
    "mailbox::EDeadlineTooLate": (DeadlineRefused, "the deadline is further away than the cluster's maximum"),
    "mailbox::EFeeTooLow": (FeeTooLow, "the fee is below the least for this priority and size"),
    "mailbox::EPaymentTooSmall": (NotEnoughGas, "the coin that pays holds less than the fees"),
}
"""By the contract's own names, without those that need a second look (`EInvalidSealToken`: l1_view says which)."""

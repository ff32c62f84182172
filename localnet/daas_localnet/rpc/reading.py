"""Transactions and signatures out of messages.

Invariant: what comes out is one of the chain's own structures, or the call fails and says which field is wrong. Nothing
is looked up here; `resolve` fills in what a client has left out.
"""

from __future__ import annotations

from daas_chain.sui import transaction as tx
from daas_chain.sui.types import TypeTag
from daas_protocol.bcs import BcsError
from daas_protocol.sui import ED25519_FLAG, PUBLIC_KEY_BYTES, SIGNATURE_BYTES

from . import texts
from .errors import invalid, missing
from .proto import v2

_ARGUMENT = v2.ArgumentArgumentKind
_EXPIRATION = v2.TransactionExpirationTransactionExpirationKind
_U16 = 65_535


def data_from_bcs(message: v2.Bcs) -> tx.TransactionData:
    """Raises RpcError."""
    if message.value is None:
        raise missing("transaction.bcs.value")
    if len(message.value) > tx.MAX_TRANSACTION_BYTES:
        most = tx.MAX_TRANSACTION_BYTES
        raise invalid("transaction", f"invalid transaction: at most {most} bytes, not {len(message.value)}")
    try:
        return tx.TRANSACTION_DATA.decode(message.value)
    except BcsError as problem:
        raise invalid("transaction", f"invalid transaction: {problem}") from None


def signature(message: v2.UserSignature, field: str) -> bytes:
    """As on the chain: flag, signature, public key. Raises RpcError."""
    if message.bcs is not None:
        return message.bcs.value or b""
    simple = message.simple
    if simple is None or simple.scheme not in (None, v2.SignatureScheme.ED25519):
        raise invalid(field, "invalid signature: neither `bcs` nor a simple signature of Ed25519")
    found = bytes((ED25519_FLAG,)) + (simple.signature or b"") + (simple.public_key or b"")
    if len(found) != SIGNATURE_BYTES or len(simple.public_key or b"") != PUBLIC_KEY_BYTES:
        raise invalid(field, f"invalid signature: {SIGNATURE_BYTES} bytes with flag and key, not {len(found)}")
    return found


def expiration(message: v2.TransactionExpiration | None) -> tx.Expiration:
    """Raises RpcError."""
    kind = None if message is None else message.kind
    if message is None or kind in (None, _EXPIRATION.TRANSACTION_EXPIRATION_KIND_UNKNOWN, _EXPIRATION.NONE):
        return tx.NeverExpires()
    if kind == _EXPIRATION.EPOCH and message.epoch is not None:
        return tx.ExpiresAfterEpoch(message.epoch)
    if kind in (_EXPIRATION.VALID_DURING, _EXPIRATION.VALIDITY):
        return _validity(message, kind == _EXPIRATION.VALIDITY)
    raise invalid("transaction.expiration", "invalid expiration: none, an epoch, or two of one chain")


def _validity(message: v2.TransactionExpiration, newer: bool) -> tx.ValidDuring | tx.Validity:
    if message.min_timestamp is not None or message.max_timestamp is not None or message.allowed_proposers is not None:
        raise invalid("transaction.expiration", "invalid expiration: times and proposers are not supported")
    chain = texts.digest(message.chain, "transaction.expiration.chain")
    nonce = message.nonce or 0
    if newer:
        return tx.Validity(message.min_epoch, message.epoch, None, None, chain, nonce, None)
    return tx.ValidDuring(message.min_epoch, message.epoch, None, None, chain, nonce)


def type_tag(text: str, field: str) -> TypeTag:
    """Raises RpcError."""
    try:
        return texts.type_tag(text)
    except texts.TypeTextError as problem:
        raise invalid(field, f"invalid type: {problem}") from None


def command(message: v2.Command, index: int) -> tx.Command:
    """Raises RpcError."""
    field = f"transaction.kind.programmable_transaction.commands[{index}]"
    if (call := message.move_call) is not None:
        return tx.MoveCall(
            texts.address(call.package, f"{field}.move_call.package"),
            call.module or "",
            call.function or "",
            tuple(type_tag(one, f"{field}.move_call.type_arguments") for one in call.type_arguments),
            _arguments(call.arguments, field),
        )
    if (transfer := message.transfer_objects) is not None:
        return tx.TransferObjects(_arguments(transfer.objects, field), _argument(transfer.address, field))
    if (split := message.split_coins) is not None:
        return tx.SplitCoins(_argument(split.coin, field), _arguments(split.amounts, field))
    if (merge := message.merge_coins) is not None:
        return tx.MergeCoins(_argument(merge.coin, field), _arguments(merge.coins_to_merge, field))
    if (made := message.make_move_vector) is not None:
        element = None if made.element_type is None else type_tag(made.element_type, f"{field}.element_type")
        return tx.MakeMoveVec(element, _arguments(made.elements, field))
    if (publish := message.publish) is not None:
        return tx.Publish(tuple(publish.modules), _addresses(publish.dependencies, field))
    if (upgrade := message.upgrade) is not None:
        return tx.Upgrade(
            tuple(upgrade.modules),
            _addresses(upgrade.dependencies, field),
            texts.address(upgrade.package, f"{field}.upgrade.package"),
            _argument(upgrade.ticket, field),
        )
    raise invalid(field, "invalid command: of no kind that there is")


def _addresses(found: list[str], field: str) -> tuple[bytes, ...]:
    return tuple(texts.address(one, f"{field}.dependencies") for one in found)


def _arguments(found: list[v2.Argument], field: str) -> tuple[tx.Argument, ...]:
    return tuple(_argument(one, field) for one in found)


def _argument(message: v2.Argument | None, field: str) -> tx.Argument:
    match message:
        case v2.Argument(kind=_ARGUMENT.GAS):
            return tx.GasCoin()
        case v2.Argument(kind=_ARGUMENT.INPUT, input=int() as index) if index <= _U16:
            return tx.InputArgument(index)
        case v2.Argument(kind=_ARGUMENT.RESULT, result=int() as result, subresult=None) if result <= _U16:
            return tx.Result(result)
        case v2.Argument(kind=_ARGUMENT.RESULT, result=int() as result, subresult=int() as index) if (
            result <= _U16 and index <= _U16
        ):
            return tx.NestedResult(result, index)
    raise invalid(field, "invalid argument: the gas coin, an input or a result")


def complete(data: tx.TransactionData) -> tx.TransactionData:
    """Made of parts, it must be one that has bytes. Raises RpcError."""
    try:
        tx.TRANSACTION_DATA.encode(data)
    except BcsError as problem:
        raise invalid("transaction", f"invalid transaction: {problem}") from None
    return data

"""Transactions and their signatures as messages.

Invariant: what is rendered of a programmable transaction is all of it; of the network's own transactions, kind, epoch
and time.
"""

from __future__ import annotations

from daas_chain.sui import system_transaction as system
from daas_chain.sui import transaction as tx
from daas_chain.sui.digests import Hashed, digest
from daas_protocol.sui import ED25519_FLAG, PUBLIC_KEY_BYTES, SIGNATURE_BYTES

from . import parts
from .mask import Mask
from .proto import v2
from .texts import digest_text, hexadecimal, type_text

_KIND = v2.TransactionKindKind
_INPUT = v2.InputInputKind
_ARGUMENT = v2.ArgumentArgumentKind
_EXPIRATION = v2.TransactionExpirationTransactionExpirationKind
_MUTABILITY = {
    tx.Mutability.IMMUTABLE: v2.InputMutability.IMMUTABLE,
    tx.Mutability.MUTABLE: v2.InputMutability.MUTABLE,
    tx.Mutability.NON_EXCLUSIVE_WRITE: v2.InputMutability.NON_EXCLUSIVE_WRITE,
}


def render(data: tx.TransactionData, mask: Mask) -> v2.Transaction:
    message = v2.Transaction()
    if mask.any("bcs", "digest"):
        encoded = tx.TRANSACTION_DATA.encode(data)
        if (submask := mask.get("bcs")) is not None:
            message.bcs = parts.bcs("TransactionData", encoded, submask)
        if "digest" in mask:
            message.digest = digest_text(digest(Hashed.TRANSACTION, encoded))
    if "version" in mask:
        message.version = 1
    if "kind" in mask:
        message.kind = _kind(data.kind)
    if "sender" in mask:
        message.sender = hexadecimal(data.sender)
    if "gas_payment" in mask:
        message.gas_payment = v2.GasPayment(
            objects=[parts.reference(one) for one in data.gas.payment],
            owner=hexadecimal(data.gas.owner),
            price=data.gas.price,
            budget=data.gas.budget,
        )
    if "expiration" in mask:
        message.expiration = _expiration(data.expiration)
    return message


def signature(value: bytes, mask: Mask) -> v2.UserSignature:
    message = v2.UserSignature()
    if (submask := mask.get("bcs")) is not None:
        message.bcs = parts.bcs("UserSignature", value, submask)
    if len(value) == SIGNATURE_BYTES and value[0] == ED25519_FLAG:
        scheme = v2.SignatureScheme.ED25519
        if "scheme" in mask:
            message.scheme = scheme
        if "simple" in mask:
            message.simple = v2.SimpleSignature(
                scheme=scheme, signature=value[1:-PUBLIC_KEY_BYTES], public_key=value[-PUBLIC_KEY_BYTES:]
            )
    return message


def _kind(kind: tx.TransactionKind) -> v2.TransactionKind:
    match kind:
        case tx.Programmable():
            return v2.TransactionKind(kind=_KIND.PROGRAMMABLE_TRANSACTION, programmable_transaction=_block(kind))
        case tx.ProgrammableSystem():
            block = _block(tx.Programmable(kind.inputs, kind.commands))
            return v2.TransactionKind(kind=_KIND.PROGRAMMABLE_SYSTEM_TRANSACTION, programmable_transaction=block)
        case system.CommitPrologueV1():
            prologue = v2.ConsensusCommitPrologue(
                epoch=kind.epoch, round=kind.round, commit_timestamp=parts.time(kind.timestamp_ms)
            )
            return v2.TransactionKind(kind=_KIND.CONSENSUS_COMMIT_PROLOGUE_V1, consensus_commit_prologue=prologue)
        case system.ChangeEpoch():
            return v2.TransactionKind(kind=_KIND.CHANGE_EPOCH, change_epoch=_change_epoch(kind))
        case system.Genesis():
            return v2.TransactionKind(kind=_KIND.GENESIS, genesis=v2.GenesisTransaction())
        case system.EndOfEpochTransaction(steps):
            end = v2.EndOfEpochTransaction(transactions=[_step(one) for one in steps])
            return v2.TransactionKind(kind=_KIND.END_OF_EPOCH, end_of_epoch=end)
        case _:
            return v2.TransactionKind(kind=_KIND.KIND_UNKNOWN)


def _step(step: object) -> v2.EndOfEpochTransactionKind:
    """Of the end of an epoch; this network makes one kind."""
    kinds = v2.EndOfEpochTransactionKindKind
    if isinstance(step, system.ChangeEpoch):
        return v2.EndOfEpochTransactionKind(kind=kinds.CHANGE_EPOCH, change_epoch=_change_epoch(step))
    return v2.EndOfEpochTransactionKind(kind=kinds.KIND_UNKNOWN)


def _change_epoch(kind: system.ChangeEpoch) -> v2.ChangeEpoch:
    return v2.ChangeEpoch(
        epoch=kind.epoch,
        protocol_version=kind.protocol_version,
        storage_charge=kind.storage_charge,
        computation_charge=kind.computation_charge,
        storage_rebate=kind.storage_rebate,
        non_refundable_storage_fee=kind.non_refundable,
        epoch_start_timestamp=parts.time(kind.epoch_start_timestamp_ms),
    )


def _block(kind: tx.Programmable) -> v2.ProgrammableTransaction:
    return v2.ProgrammableTransaction(
        inputs=[_input(one) for one in kind.inputs], commands=[_command(one) for one in kind.commands]
    )


def _input(one: tx.Input) -> v2.Input:
    match one:
        case tx.Pure(value):
            return v2.Input(kind=_INPUT.PURE, pure=value)
        case tx.ObjectInput(tx.OwnedInput(found)):
            kind = _INPUT.IMMUTABLE_OR_OWNED
        case tx.ObjectInput(tx.ReceivingInput(found)):
            kind = _INPUT.RECEIVING
        case tx.ObjectInput(tx.SharedInput(object_id, version, mutability)):
            return v2.Input(
                kind=_INPUT.SHARED,
                object_id=hexadecimal(object_id),
                version=version,
                mutable=mutability is tx.Mutability.MUTABLE,
                mutability=_MUTABILITY[mutability],
            )
        case _:
            return v2.Input(kind=_INPUT.FUNDS_WITHDRAWAL)
    return v2.Input(
        kind=kind, object_id=hexadecimal(found.object_id), version=found.version, digest=digest_text(found.digest)
    )


def argument(one: tx.Argument) -> v2.Argument:
    match one:
        case tx.GasCoin():
            return v2.Argument(kind=_ARGUMENT.GAS)
        case tx.InputArgument(index):
            return v2.Argument(kind=_ARGUMENT.INPUT, input=index)
        case tx.Result(command):
            return v2.Argument(kind=_ARGUMENT.RESULT, result=command)
        case tx.NestedResult(command, index):
            return v2.Argument(kind=_ARGUMENT.RESULT, result=command, subresult=index)


def _command(one: tx.Command) -> v2.Command:
    match one:
        case tx.MoveCall():
            call = v2.MoveCall(
                package=hexadecimal(one.package),
                module=one.module,
                function=one.function,
                type_arguments=[type_text(each) for each in one.type_arguments],
                arguments=[argument(each) for each in one.arguments],
            )
            return v2.Command(move_call=call)
        case tx.TransferObjects(objects, address):
            transfer = v2.TransferObjects(objects=[argument(each) for each in objects], address=argument(address))
            return v2.Command(transfer_objects=transfer)
        case tx.SplitCoins(coin, amounts):
            split = v2.SplitCoins(coin=argument(coin), amounts=[argument(each) for each in amounts])
            return v2.Command(split_coins=split)
        case tx.MergeCoins(coin, others):
            merge = v2.MergeCoins(coin=argument(coin), coins_to_merge=[argument(each) for each in others])
            return v2.Command(merge_coins=merge)
        case tx.MakeMoveVec(element, elements):
            made = v2.MakeMoveVector(
                element_type=None if element is None else type_text(element),
                elements=[argument(each) for each in elements],
            )
            return v2.Command(make_move_vector=made)
        case tx.Publish(modules, dependencies):
            publish = v2.Publish(modules=list(modules), dependencies=[hexadecimal(each) for each in dependencies])
            return v2.Command(publish=publish)
        case tx.Upgrade():
            upgrade = v2.Upgrade(
                modules=list(one.modules),
                dependencies=[hexadecimal(each) for each in one.dependencies],
                package=hexadecimal(one.package),
                ticket=argument(one.ticket),
            )
            return v2.Command(upgrade=upgrade)


def _expiration(one: tx.Expiration) -> v2.TransactionExpiration:
    match one:
        case tx.NeverExpires():
            return v2.TransactionExpiration(kind=_EXPIRATION.NONE)
        case tx.ExpiresAfterEpoch(epoch):
            return v2.TransactionExpiration(kind=_EXPIRATION.EPOCH, epoch=epoch)
        case tx.ValidDuring() | tx.Validity():
            # Times and proposers are not shown: the ledger refuses transactions that name them.
            return v2.TransactionExpiration(
                kind=_EXPIRATION.VALID_DURING if isinstance(one, tx.ValidDuring) else _EXPIRATION.VALIDITY,
                min_epoch=one.min_epoch,
                epoch=one.max_epoch,
                chain=digest_text(one.chain),
                nonce=one.nonce,
            )

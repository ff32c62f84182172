"""LedgerService: objects, transactions, checkpoints and epochs.

Invariant: an item of a batch that is not there has a status of its own; a batch as a whole fails only when the request
itself is wrong. Long answers give other calls their turn.
"""

from __future__ import annotations

import asyncio
import warnings

from daas_localnet.ledger import limits as ledger_limits
from daas_localnet.node.archive import EpochInfo
from daas_localnet.node.checkpoints import Certified

from . import checkpoints, executed, objects, parts, texts
from .errors import RpcError, invalid, not_found
from .limits import BATCH_MAX
from .mask import Mask, mask_for
from .node import Node
from .proto import pb, v2

OBJECT_DEFAULT = "object_id,version,digest"
TRANSACTION_DEFAULT = "digest"
CHECKPOINT_DEFAULT = "sequence_number,digest"
EPOCH_DEFAULT = "epoch,first_checkpoint,last_checkpoint,start,end,reference_gas_price,protocol_config.protocol_version"
SERVER = "daas-localnet/1"
_TURN = 4
"""Transactions that are rendered before another call has its turn."""
_ATTRIBUTES = {
    "max_arguments": ledger_limits.ARGUMENTS_MAX,
    "max_input_objects": ledger_limits.INPUT_OBJECTS_MAX,
    "max_num_transferred_move_object_ids": 2_048,
    "max_programmable_tx_commands": ledger_limits.COMMANDS_MAX,
    "max_pure_argument_size": ledger_limits.PURE_BYTES_MAX,
    "max_tx_size_bytes": ledger_limits.TRANSACTION_BYTES_MAX,
    "max_type_argument_depth": ledger_limits.TYPE_ARGUMENT_DEPTH_MAX,
    "max_type_arguments": ledger_limits.TYPE_ARGUMENTS_MAX,
    "max_tx_gas": ledger_limits.BUDGET_MAX,
    "max_publish_or_upgrade_per_ptb": 5,
    "max_gas_payment_objects": ledger_limits.GAS_COINS_MAX,
    "max_move_object_size": ledger_limits.OBJECT_BYTES_MAX,
    "max_move_package_size": ledger_limits.PACKAGE_BYTES_MAX,
}
"""What clients ask of the protocol's configuration, as this network has it."""


class LedgerService:
    def __init__(self, node: Node) -> None:
        self._node = node

    async def get_service_info(self, request: v2.GetServiceInfoRequest) -> v2.GetServiceInfoResponse:
        latest = self._node.network.latest
        return v2.GetServiceInfoResponse(
            chain_id=texts.digest_text(self._node.network.chain_id),
            chain="unknown",
            epoch=latest.summary.epoch,
            checkpoint_height=latest.number,
            timestamp=parts.time(latest.summary.timestamp_ms),
            lowest_available_checkpoint=0,
            lowest_available_checkpoint_objects=0,
            server=SERVER,
        )

    async def get_object(self, request: v2.GetObjectRequest) -> v2.GetObjectResponse:
        mask, _ = mask_for(v2.Object, request.read_mask, OBJECT_DEFAULT)
        object_id = texts.address(request.object_id, "object_id")
        return v2.GetObjectResponse(object=self._object(object_id, request.version, mask))

    async def batch_get_objects(self, request: v2.BatchGetObjectsRequest) -> v2.BatchGetObjectsResponse:
        mask, _ = mask_for(v2.Object, request.read_mask, OBJECT_DEFAULT)
        _batch("requests", len(request.requests))
        wanted = [
            (texts.address(one.object_id, f"requests[{index}].object_id"), one.version)
            for index, one in enumerate(request.requests)
        ]
        results = []
        for object_id, version in wanted:
            try:
                results.append(v2.GetObjectResult(object=self._object(object_id, version, mask)))
            except RpcError as problem:
                results.append(v2.GetObjectResult(error=problem.proto()))
        return v2.BatchGetObjectsResponse(objects=results)

    def _object(self, object_id: bytes, version: int | None, mask: Mask) -> v2.Object:
        found = self._node.network.object(object_id, _stored_number(version))
        if found is None:
            which = "" if version is None else f" with version {version}"
            raise not_found(f"Object {texts.hexadecimal(object_id)}{which} not found")
        return objects.render(found, mask, self._node.packages)

    async def get_transaction(self, request: v2.GetTransactionRequest) -> v2.GetTransactionResponse:
        digest = texts.digest(request.digest, "digest")
        mask, _ = mask_for(v2.ExecutedTransaction, request.read_mask, TRANSACTION_DEFAULT)
        return v2.GetTransactionResponse(transaction=self._transaction(digest, mask))

    async def batch_get_transactions(self, request: v2.BatchGetTransactionsRequest) -> v2.BatchGetTransactionsResponse:
        mask, _ = mask_for(v2.ExecutedTransaction, request.read_mask, TRANSACTION_DEFAULT)
        _batch("digests", len(request.digests))
        results = []
        for index, text in enumerate(request.digests):
            try:
                digest = texts.digest(text, f"digests[{index}]")
                results.append(v2.GetTransactionResult(transaction=self._transaction(digest, mask)))
            except RpcError as problem:
                results.append(v2.GetTransactionResult(error=problem.proto()))
            await asyncio.sleep(0)
        return v2.BatchGetTransactionsResponse(transactions=results)

    def _transaction(self, digest: bytes, mask: Mask) -> v2.ExecutedTransaction:
        source = self._node.source(digest)
        if source is None:
            raise not_found(f"Transaction {texts.digest_text(digest)} not found")
        return executed.render(source, mask, self._node.packages, self._node.network.store)

    async def get_checkpoint(self, request: v2.GetCheckpointRequest) -> v2.GetCheckpointResponse:
        mask, _ = mask_for(v2.Checkpoint, request.read_mask, CHECKPOINT_DEFAULT)
        network = self._node.network
        found: Certified | None = network.latest
        name = ""
        if request.digest is not None:
            found, name = network.checkpoint_by_digest(texts.digest(request.digest, "digest")), request.digest
        elif request.sequence_number is not None:
            number = _stored_number(request.sequence_number)
            found, name = network.checkpoint(number or 0), str(request.sequence_number)
        if found is None:
            raise not_found(f"Checkpoint {name} not found")
        return v2.GetCheckpointResponse(checkpoint=await render_checkpoint(self._node, found, mask))

    async def get_epoch(self, request: v2.GetEpochRequest) -> v2.GetEpochResponse:
        mask, _ = mask_for(v2.Epoch, request.read_mask, EPOCH_DEFAULT)
        found = self._node.network.epoch(_stored_number(request.epoch))
        if found is None:
            raise not_found(f"Epoch {request.epoch} not found")
        return v2.GetEpochResponse(epoch=_epoch(found, mask))


def _batch(field: str, length: int) -> None:
    if length > BATCH_MAX:
        raise invalid(field, f"number of batch requests exceed limit of {BATCH_MAX}")


def _stored_number(value: int | None) -> int | None:
    # SQLite's integers are signed; nothing that exists has a number beyond them.
    return value if value is None else min(value, 2**63 - 1)


async def render_checkpoint(node: Node, found: Certified, mask: Mask) -> v2.Checkpoint:
    message = v2.Checkpoint()
    if "sequence_number" in mask:
        message.sequence_number = found.number
    if "digest" in mask:
        message.digest = texts.digest_text(found.digest)
    if (submask := mask.get("summary")) is not None:
        message.summary = checkpoints.summary(found.summary, found.summary_bytes, found.digest, submask)
    if (submask := mask.get("signature")) is not None:
        message.signature = checkpoints.signature(found.signature, submask)
    if (submask := mask.get("contents")) is not None:
        message.contents = checkpoints.contents(found.contents, found.contents_bytes, submask)
    if mask.any("transactions", "objects"):
        sources = []
        transactions = mask.get("transactions")
        for index, entry in enumerate(found.contents.digests):
            source = node.source_in(entry.transaction, found)
            sources.append(source)
            if transactions is not None:
                message.transactions.append(executed.render(source, transactions, node.packages, node.network.store))
            if index % _TURN == _TURN - 1:
                await asyncio.sleep(0)
        if (submask := mask.get("objects")) is not None:
            message.objects = checkpoints.objects(sources, node.find, submask, node.packages)
    return message


def _epoch(found: EpochInfo, mask: Mask) -> v2.Epoch:
    message = v2.Epoch()
    if "epoch" in mask:
        message.epoch = found.number
    if "committee" in mask:
        message.committee = checkpoints.committee(found.committee)
    if "first_checkpoint" in mask:
        message.first_checkpoint = found.first_checkpoint
    if "last_checkpoint" in mask:
        message.last_checkpoint = found.last_checkpoint
    if "start" in mask:
        message.start = parts.time(found.start_ms)
    if "end" in mask and found.end_ms is not None:
        message.end = parts.time(found.end_ms)
    if "reference_gas_price" in mask:
        message.reference_gas_price = found.reference_gas_price
    if (submask := mask.get("protocol_config")) is not None:
        message.protocol_config = _protocol(found.protocol_version, submask)
    return message


def _protocol(version: int, mask: Mask) -> v2.ProtocolConfig:
    with warnings.catch_warnings():
        # Clients still read the two fields that `configs` replaces.
        warnings.simplefilter("ignore", DeprecationWarning)
        message = v2.ProtocolConfig()
        if "protocol_version" in mask:
            message.protocol_version = version
        if "attributes" in mask:
            message.attributes = {name: str(value) for name, value in _ATTRIBUTES.items()}
        if "feature_flags" in mask:
            message.feature_flags = {"enable_nitro_attestation": True}
        if "configs" in mask:
            message.configs = {name: pb.Value(string_value=str(value)) for name, value in _ATTRIBUTES.items()}
            message.configs["enable_nitro_attestation"] = pb.Value(bool_value=True)
        return message

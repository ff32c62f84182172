"""TransactionExecutionService: executing for good, and trying out.

Invariant: an executed transaction is durable before its answer is rendered, and an answer that cannot be rendered never
undoes it; so the mask is checked first.
"""

from __future__ import annotations

from grpclib.const import Status

from daas_chain.sui.transaction import TransactionData
from daas_localnet.ledger.errors import InputError
from daas_localnet.ledger.settle import Outcome
from daas_localnet.ledger.signatures import SignatureError
from daas_localnet.node.errors import CommitFullError

from . import executed, gas, reading, transactions
from .errors import RpcError, invalid, missing
from .executed import Source
from .limits import BATCH_MAX
from .mask import mask_for
from .move_json import to_json
from .node import Node, source_of
from .proto import v2
from .resolve import Resolver
from .texts import type_text

EXECUTE_DEFAULT = "effects.status,checkpoint"
_CHECKS = v2.SimulateTransactionRequestTransactionChecks


class ExecutionService:
    def __init__(self, node: Node) -> None:
        self._node = node

    async def execute_transaction(self, request: v2.ExecuteTransactionRequest) -> v2.ExecuteTransactionResponse:
        node = self._node
        if request.transaction is None:
            raise missing("transaction")
        if len(request.signatures) > BATCH_MAX:
            raise invalid("signatures", f"at most {BATCH_MAX} signatures, not {len(request.signatures)}")
        signatures = tuple(
            reading.signature(one, f"signatures[{index}]") for index, one in enumerate(request.signatures)
        )
        mask, _ = mask_for(v2.ExecutedTransaction, request.read_mask, EXECUTE_DEFAULT)
        data = self._resolver(exact=True).transaction(request.transaction).data
        try:
            done = node.network.execute(data, signatures, node.now_ms())
        except SignatureError as problem:
            raise RpcError(Status.INVALID_ARGUMENT, f"Invalid user signature: {problem}") from None
        except InputError as problem:
            raise _bad_inputs(problem) from None
        except CommitFullError as problem:
            raise RpcError(Status.UNAVAILABLE, f"system is overloaded: {problem}") from None
        node.keep(done)
        message = executed.render(source_of(done), mask, node.packages, node.network.store)
        return v2.ExecuteTransactionResponse(transaction=message)

    async def simulate_transaction(self, request: v2.SimulateTransactionRequest) -> v2.SimulateTransactionResponse:
        node = self._node
        if request.transaction is None:
            raise missing("transaction")
        mask, _ = mask_for(v2.SimulateTransactionResponse, request.read_mask, "*")
        checks = request.checks != _CHECKS.DISABLED
        resolved = self._resolver().transaction(request.transaction)
        data = resolved.data
        if request.do_gas_selection and checks:
            data = gas.select(data, resolved.budget_given, node.network.store, self._simulate)
        outcome = self._simulate(data, checks)
        message = v2.SimulateTransactionResponse()
        if (submask := mask.get("transaction")) is not None:
            message.transaction = executed.render(_tried(outcome, data), submask, node.packages, node.network.store)
        if "command_outputs" in mask:
            message.command_outputs = self._outputs(outcome)
        return message

    def _resolver(self, *, exact: bool = False) -> Resolver:
        ledger = self._node.network.ledger
        return Resolver(self._node.network.store, ledger.packages, ledger.epoch.reference_gas_price, exact=exact)

    def _simulate(self, data: TransactionData, checks: bool = True) -> Outcome:
        try:
            return self._node.network.simulate(data, self._node.now_ms(), checks)
        except InputError as problem:
            raise _bad_inputs(problem) from None

    def _outputs(self, outcome: Outcome) -> list[v2.CommandResult]:
        packages = self._node.packages
        return [
            v2.CommandResult(
                return_values=[
                    v2.CommandOutput(value=v2.Bcs(name=type_text(tag), value=data), json=to_json(packages, tag, data))
                    for tag, data in one.returned
                ],
                mutated_by_ref=[
                    v2.CommandOutput(
                        argument=transactions.argument(argument),
                        value=v2.Bcs(name=type_text(tag), value=data),
                        json=to_json(packages, tag, data),
                    )
                    for argument, tag, data in one.mutated
                ],
            )
            for one in getattr(outcome, "outputs", ())
        ]


def _bad_inputs(problem: InputError) -> RpcError:
    text = (
        "Transaction execution failed due to issues with transaction inputs, please review the errors and try again: "
        f"{problem}."
    )
    return RpcError(Status.INVALID_ARGUMENT, text)


def _tried(outcome: Outcome, data: TransactionData) -> Source:
    written = {(one.object_id, one.version): one for one in outcome.batch.written}
    return Source(outcome.transaction, data, (), outcome.effects, outcome.events, outcome.reason, written=written)

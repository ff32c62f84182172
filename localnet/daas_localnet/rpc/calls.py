"""Which calls there are, and who answers them.

Invariant: every call of sui.rpc.v2 is in one of the two tables; what this network does not have is refused by its name.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .execution_service import ExecutionService
from .ledger_service import LedgerService
from .limits import REQUEST_BYTES_MAX, TRANSACTION_REQUEST_BYTES_MAX
from .node import Node
from .package_service import PackageService
from .proto import v2
from .state_service import StateService
from .subscription_service import SubscriptionService

_PREFIX = "/sui.rpc.v2."
MISSING = (
    "LedgerService/ListCheckpoints",
    "LedgerService/ListTransactions",
    "LedgerService/ListEvents",
    "SubscriptionService/SubscribeTransactions",
    "SubscriptionService/SubscribeEvents",
    "SignatureVerificationService/VerifySignature",
    "NameService/LookupName",
    "NameService/ReverseLookupName",
)


@dataclass(frozen=True, slots=True)
class Call:
    """`answer` gives one message, `stream` several, already encoded."""

    name: str
    request: type[Any]
    response: type[Any]
    answer: Callable[[Any], Awaitable[Any]] | None = None
    stream: Callable[[Any], AsyncGenerator[bytes, None]] | None = None
    request_bytes_max: int = REQUEST_BYTES_MAX


@dataclass(frozen=True, slots=True)
class Services:
    ledger: LedgerService
    state: StateService
    execution: ExecutionService
    packages: PackageService
    subscriptions: SubscriptionService

    @classmethod
    def of(cls, node: Node) -> Services:
        return cls(
            LedgerService(node),
            StateService(node),
            ExecutionService(node),
            PackageService(node),
            SubscriptionService(node),
        )


def calls(services: Services) -> Mapping[str, Call]:
    """By route."""
    ledger, state, execution, packages = services.ledger, services.state, services.execution, services.packages
    large = TRANSACTION_REQUEST_BYTES_MAX
    found = [
        _call("LedgerService/GetServiceInfo", ledger.get_service_info),
        _call("LedgerService/GetObject", ledger.get_object),
        _call("LedgerService/BatchGetObjects", ledger.batch_get_objects),
        _call("LedgerService/GetTransaction", ledger.get_transaction),
        _call("LedgerService/BatchGetTransactions", ledger.batch_get_transactions),
        _call("LedgerService/GetCheckpoint", ledger.get_checkpoint),
        _call("LedgerService/GetEpoch", ledger.get_epoch),
        _call("StateService/ListOwnedObjects", state.list_owned_objects),
        _call("StateService/ListDynamicFields", state.list_dynamic_fields),
        _call("StateService/GetBalance", state.get_balance),
        _call("StateService/ListBalances", state.list_balances),
        _call("StateService/GetCoinInfo", state.get_coin_info),
        _call("TransactionExecutionService/ExecuteTransaction", execution.execute_transaction, large),
        _call("TransactionExecutionService/SimulateTransaction", execution.simulate_transaction, large),
        _call("MovePackageService/GetPackage", packages.get_package),
        _call("MovePackageService/GetDatatype", packages.get_datatype),
        _call("MovePackageService/GetFunction", packages.get_function),
        _call("MovePackageService/ListPackageVersions", packages.list_package_versions),
        Call(
            "SubscriptionService/SubscribeCheckpoints",
            v2.SubscribeCheckpointsRequest,
            v2.SubscribeCheckpointsResponse,
            stream=services.subscriptions.subscribe_checkpoints,
        ),
        *(Call(name, *_messages(name)) for name in MISSING),
    ]
    return {_PREFIX + one.name: one for one in found}


def _messages(name: str) -> tuple[type[Any], type[Any]]:
    method = name.partition("/")[2]
    return getattr(v2, f"{method}Request"), getattr(v2, f"{method}Response")


def _call(name: str, answer: Callable[[Any], Awaitable[Any]], most: int = REQUEST_BYTES_MAX) -> Call:
    return Call(name, *_messages(name), answer=answer, request_bytes_max=most)

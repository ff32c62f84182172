"""One value of every variant of every kind of transaction, command, input, step and object."""

from __future__ import annotations

from typing import Any

from daas_chain.sui import system_transaction as system
from daas_chain.sui import transaction
from daas_chain.sui.objects import SUI, GasCoinType, MoveObject, MovePackage, TypeOrigin, UpgradeInfo
from daas_chain.sui.types import (
    AddressOwner,
    ConsensusAddressOwner,
    GasCost,
    ImmutableOwner,
    ObjectOwner,
    ObjectRef,
    Primitive,
    SharedOwner,
)

A, B = b"\xa1" * 32, b"\xb2" * 32
REF = ObjectRef(A, 5, B)
GAS = GasCost(1, 2, 3, 4)
OWNERS = (AddressOwner(A), ObjectOwner(B), SharedOwner(9), ImmutableOwner(), ConsensusAddressOwner(7, A))
G, IN = transaction.GasCoin(), transaction.InputArgument(1)
INPUTS = (
    transaction.Pure(b"value"),
    transaction.ObjectInput(transaction.OwnedInput(REF)),
    *(transaction.ObjectInput(transaction.SharedInput(A, 3, kind)) for kind in transaction.Mutability),
    transaction.ObjectInput(transaction.ReceivingInput(REF)),
    *(
        transaction.FundsWithdrawal(transaction.Reservation(5), transaction.BalanceWithdrawal(SUI), source)
        for source in (transaction.FromSender(), transaction.FromSponsor(), transaction.FromAllowance(A, B))
    ),
)
COMMANDS = (
    transaction.MoveCall(A, "any text", "at all", (SUI, Primitive.U64), (G, IN)),
    transaction.TransferObjects((transaction.Result(0),), transaction.NestedResult(1, 2)),
    transaction.SplitCoins(G, (IN,)),
    transaction.MergeCoins(G, (IN, IN)),
    transaction.Publish((b"module",), (A,)),
    transaction.MakeMoveVec(None, ()),
    transaction.MakeMoveVec(SUI, (IN,)),
    transaction.Upgrade((b"module",), (A,), B, IN),
)
JWK = system.ActiveJwk("iss", "kid", "RSA", "AQAB", "n", "RS256", 3)
CHANGE_EPOCH = system.ChangeEpoch(1, 2, 3, 4, 5, 6, 7, (system.SystemPackage(1, (b"m",), (A,)),))
STEPS = (
    CHANGE_EPOCH, system.AuthenticatorStateCreate(), system.AuthenticatorStateExpire(1, 2),
    system.RandomnessStateCreate(), system.DenyListStateCreate(), system.BridgeStateCreate(A),
    system.BridgeCommitteeInit(3),
    system.StoreExecutionTimes(system.ExecutionTimes((
        (system.ObservedCall(A, "m", "f", (SUI,)), ((bytes(96), (1, 2)),)), (system.ObservedUpgrade(), ()),
    ))),
    system.AccumulatorRootCreate(), system.CoinRegistryCreate(), system.DisplayRegistryCreate(),
    system.AddressAliasStateCreate(), system.WriteAccumulatorStorageCost(9), system.ForwardingAddressRegistryCreate(),
)  # fmt: skip
MOVE = MoveObject(GasCoinType(), True, 4, A + (5).to_bytes(8, "little"))
PACKAGE = MovePackage(
    A, 1, (("one", b"code"), ("two", b"more")), (TypeOrigin("one", "T", A),), ((B, UpgradeInfo(A, 2)),)
)
KINDS: tuple[Any, ...] = (
    transaction.Programmable(INPUTS, COMMANDS), CHANGE_EPOCH,
    system.Genesis((system.GenesisObject(MOVE, OWNERS[0]), system.GenesisObject(PACKAGE, OWNERS[3]))),
    system.CommitPrologueV1(1, 2, 3), system.AuthenticatorStateUpdate(1, 2, (JWK,), 3),
    system.EndOfEpochTransaction(STEPS), system.RandomnessStateUpdate(1, 2, b"random", 3),
    system.CommitPrologueV2(1, 2, 3, A),
    system.CommitPrologueV3(1, 2, None, 3, A, system.CancelledV1(((A, ((B, 2),)),))),
    system.CommitPrologueV4(1, 2, 5, 3, A, system.CancelledV2(((A, (((B, 2), 3),)),)), B),
    transaction.ProgrammableSystem(INPUTS[:1], ()),
)  # fmt: skip

"""Bodies of the events of `cluster`: creation, proposals, policies, anchors, operators.

Invariant: field for field the structs of `cluster.move`;
`tests/chain/test_layouts.py` compares them with the package.
"""

from dataclasses import dataclass
from typing import ClassVar

from .layout import U64, Address, Bool, Hash, Id, MoveStruct, String
from .values import Change, Parameters, Pcr


@dataclass(frozen=True, slots=True)
class ClusterCreated(MoveStruct):
    MOVE: ClassVar[str] = "cluster::ClusterCreated"
    KIND: ClassVar[int | None] = 1
    cluster: Id
    name: String
    params: Parameters
    policy_version: U64
    pcrs: tuple[Pcr, ...]
    anchors: tuple[Hash, ...]


@dataclass(frozen=True, slots=True)
class ChangeProposed(MoveStruct):
    MOVE: ClassVar[str] = "cluster::ChangeProposed"
    KIND: ClassVar[int | None] = 2
    proposal: U64
    change: Change
    activates_at_ms: U64


@dataclass(frozen=True, slots=True)
class ChangeVetoed(MoveStruct):
    MOVE: ClassVar[str] = "cluster::ChangeVetoed"
    KIND: ClassVar[int | None] = 3
    proposal: U64


@dataclass(frozen=True, slots=True)
class ChangeActivated(MoveStruct):
    MOVE: ClassVar[str] = "cluster::ChangeActivated"
    KIND: ClassVar[int | None] = 4
    proposal: U64
    change: Change


@dataclass(frozen=True, slots=True)
class PolicyRevoked(MoveStruct):
    MOVE: ClassVar[str] = "cluster::PolicyRevoked"
    KIND: ClassVar[int | None] = 5
    policy_version: U64


@dataclass(frozen=True, slots=True)
class MinVersionRaised(MoveStruct):
    MOVE: ClassVar[str] = "cluster::MinVersionRaised"
    KIND: ClassVar[int | None] = 6
    min_version: U64


@dataclass(frozen=True, slots=True)
class PolicyFrozen(MoveStruct):
    MOVE: ClassVar[str] = "cluster::PolicyFrozen"
    KIND: ClassVar[int | None] = 7


@dataclass(frozen=True, slots=True)
class OperatorAdmitted(MoveStruct):
    MOVE: ClassVar[str] = "cluster::OperatorAdmitted"
    KIND: ClassVar[int | None] = 8
    operator: Address
    admitted: Bool


@dataclass(frozen=True, slots=True)
class AnchorRetired(MoveStruct):
    MOVE: ClassVar[str] = "cluster::AnchorRetired"
    KIND: ClassVar[int | None] = 9
    anchor: Hash

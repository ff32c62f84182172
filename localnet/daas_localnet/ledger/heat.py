"""Which values of a transaction have been used together, and what they owe.

Invariant: values that were arguments or results of one command are in one group from then on. A group owes something
while it holds a result that can neither be dropped nor stored, and for ever once a shared object was consumed in it:
none of its values is for a private entry function.
Source: typing/verify/private_entry_arguments.rs in MystenLabs/sui.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from daas_chain.bytecode_types import Ability
from daas_localnet.vm.types import Type, abilities


@dataclass(slots=True, eq=False)
class Group:
    """`into`: the group that it has become a part of; then only that one counts."""

    debts: int = 0
    forever: bool = False
    into: Group | None = None

    def now(self) -> Group:
        found = self
        while found.into is not None:
            found = found.into
        if found is not self:
            self.into = found
        return found

    @property
    def owes(self) -> bool:
        found = self.now()
        return found.forever or found.debts > 0

    def owe(self, more: int) -> None:
        self.now().debts += more


def joined(groups: Iterable[Group]) -> Group:
    """One group of all of them; a new one of none."""
    roots = list(dict.fromkeys(one.now() for one in groups))
    if len(roots) == 1:
        return roots[0]
    made = Group(sum(one.debts for one in roots), any(one.forever for one in roots))
    for one in roots:
        one.into = made
    return made


def is_debt(type_: Type) -> bool:
    """Whether a result of this type has to be given to a function."""
    return not abilities(type_) & (Ability.DROP | Ability.STORE)

"""Whether a new version of a package can stand in for the old one.

Invariant: under every policy, what other packages and stored values know of the old version is true of the new one:
datatypes with their fields and variants, abilities and type parameters, and the signatures of public functions. The two
stricter policies are stricter here than on Sui: a module that exists already stays as it is.
"""

from __future__ import annotations

from enum import IntEnum

from daas_chain.bytecode_types import Ability, Visibility
from daas_localnet.vm.types import Datatype
from daas_localnet.vm.world import LinkedFunction, LinkedModule, Package, World


class Policy(IntEnum):
    """Of an UpgradeCap, as sui::package has them."""

    COMPATIBLE = 0
    ADDITIVE = 128
    DEPENDENCIES = 192


def incompatible(policy: Policy, old: World, new: World, package: Package) -> str | None:
    """Why not; None when it can. Raises LinkError where the old version itself is gone."""
    original = package.original_id
    present = new.packages[original].modules
    if policy is Policy.DEPENDENCIES and set(present) != set(package.modules):
        return "modules have been added or taken away"
    for name, module in package.modules.items():
        if name not in present:
            return f"module {name} is gone"
        if policy is not Policy.COMPATIBLE and present[name] != module:
            return f"module {name} is another"
        reason = _module(old.module(original, name), new.module(original, name))
        if reason is not None:
            return reason
    return None


def _module(old: LinkedModule, new: LinkedModule) -> str | None:
    names = [old.module.identifiers[old.module.datatype_handles[one.handle].name] for one in old.module.datatypes]
    for name in names:
        if not _same_datatype(old.own_datatype(name), new.own_datatype(name)):
            return f"{old.place}::{name} is another datatype"
    for name in old.function_names:
        function = old.function(name)
        if function.definition.visibility is not Visibility.PUBLIC:
            continue
        if name not in new.function_names or not _same_function(function, new.function(name)):
            return f"{function.place} is another function"
    return None


def _relaxed(old: tuple[Ability, ...], new: tuple[Ability, ...]) -> bool:
    """Constraints may be taken away, never added."""
    return len(old) == len(new) and not any(theirs & ~mine for mine, theirs in zip(old, new, strict=True))


def _same_datatype(old: Datatype, new: Datatype) -> bool:
    return (
        old.is_enum == new.is_enum
        and not old.abilities & ~new.abilities
        and _relaxed(old.constraints, new.constraints)
        and all(after or not before for before, after in zip(old.phantom, new.phantom, strict=True))
        and old.field_names == new.field_names
        and old.variant_names == new.variant_names
        and old.fields() == new.fields()
    )


def _same_function(old: LinkedFunction, new: LinkedFunction) -> bool:
    return (
        new.definition.visibility is Visibility.PUBLIC
        and _relaxed(old.constraints, new.constraints)
        and old.parameters == new.parameters
        and old.returns == new.returns
    )

"""What is asked of a module's declarations before any of its code is looked at.

Invariant: after `check` no datatype has an ability that one of its fields does not support, phantom parameters stay
phantom, type parameters exist and type arguments have the abilities that are asked of them, objects begin with their
UID and nothing but the framework has native functions.
"""

from __future__ import annotations

from collections.abc import Sequence

from daas_chain.bytecode_types import Ability, Kind

from .errors import AbilityError, MissingError, OperandTypeError
from .meter import Meter
from .types import ALL, Datatype, Type, abilities
from .world import LinkedModule

SYSTEM = frozenset(number.to_bytes(32, "big") for number in (1, 2, 3))
"""The packages that may have native functions."""
_UID = ((2).to_bytes(32, "big"), "object", "UID")
_NEEDS = {
    Ability.COPY: Ability.COPY,
    Ability.DROP: Ability.DROP,
    Ability.STORE: Ability.STORE,
    Ability.KEY: Ability.STORE,
}


def check(module: LinkedModule, meter: Meter) -> None:
    """Raises LinkError."""
    for definition in module.module.datatypes:
        handle = module.module.datatype_handles[definition.handle]
        datatype = module.own_datatype(module.module.identifiers[handle.name])
        datatype.formula()
        _datatype(datatype)
    for index in range(len(module.module.functions)):
        function = module.function_at(index)
        meter.take_types((*function.parameters, *function.returns), function.place)
        for one in (*function.parameters, *function.returns):
            check_type(one, function.constraints, function.place)
        if function.definition.code is None and module.address not in SYSTEM:
            raise MissingError(function.place, "code: only the framework has native functions", "none")
    for handle_index in range(len(module.module.function_handles)):
        target = module.target(handle_index)
        meter.take_types((*target.parameters, *target.returns), target.place)


def _datatype(datatype: Datatype) -> None:
    everything = (ALL,) * len(datatype.constraints)
    for fields in datatype.fields():
        for one in fields:
            check_type(one, datatype.constraints, str(datatype))
            _phantom(one, datatype)
            have = abilities(one, everything)
            for ability, needed in _NEEDS.items():
                if ability in datatype.abilities and needed not in have:
                    raise AbilityError(str(datatype), f"fields that allow {ability!r}", str(one))
    if Ability.KEY in datatype.abilities:
        fields, names = datatype.fields()[0] if not datatype.is_enum else (), datatype.field_names
        first = fields[0].datatype if fields else None
        if first is None or first.key != _UID or names[0][0] != "id":
            raise OperandTypeError(str(datatype), "an object with `id: UID` first", "none")


def _phantom(type_: Type, datatype: Datatype) -> None:
    if type_.kind is Kind.TYPE_PARAMETER and datatype.phantom[type_.index]:
        raise OperandTypeError(str(datatype), "a phantom parameter that no field has", str(type_))
    phantom = type_.datatype.phantom if type_.datatype else (False,) * len(type_.arguments)
    for one, skipped in zip(type_.arguments, phantom, strict=True):
        if not (skipped and one.kind is Kind.TYPE_PARAMETER):
            _phantom(one, datatype)


def check_type(type_: Type, constraints: Sequence[Ability], place: str) -> None:
    """Raises OperandTypeError, AbilityError unless the type makes sense where its parameters have `constraints`."""
    if type_.kind is Kind.TYPE_PARAMETER:
        if type_.index >= len(constraints):
            raise OperandTypeError(place, f"one of {len(constraints)} type parameters", str(type_))
        return
    for one in type_.arguments:
        check_type(one, constraints, place)
    if type_.datatype is not None:
        for one, wanted in zip(type_.arguments, type_.datatype.constraints, strict=True):
            if wanted & ~abilities(one, constraints):
                raise AbilityError(place, f"{type_.datatype} of types with {wanted!r}", str(one))

"""Types that depend on the type parameters of a running function.

Invariant: what is made from the same parameters is made once and kept, for at most `_KEPT` of them; no type over the
limits is made.
"""

from __future__ import annotations

from .errors import TypeSizeError, ValueDepthSignal
from .limits import VALUE_DEPTH_MAX
from .types import Formula, Type, formula, substitute

_KEPT = 1_000


class Instantiation:
    """Called with a function's own type arguments, gives those of a call that it makes."""

    __slots__ = ("_made", "_types")

    def __init__(self, types: tuple[Type, ...]) -> None:
        self._types = types
        self._made: dict[tuple[Type, ...], tuple[Type, ...]] = {}

    def __call__(self, arguments: tuple[Type, ...]) -> tuple[Type, ...]:
        found = self._made.get(arguments)
        if found is None:
            if len(self._made) >= _KEPT:
                self._made.clear()
            found = self._made[arguments] = tuple(substitute(one, arguments) for one in self._types)
        return found


class DepthCheck:
    """Called with a function's own type arguments, raises ValueDepthSignal when values would be too deep."""

    __slots__ = ("_formula", "_passed", "_type")

    def __init__(self, type_: Type, deep: Formula) -> None:
        self._type = type_
        self._formula = deep
        self._passed: set[tuple[Type, ...]] = set()

    def __call__(self, arguments: tuple[Type, ...]) -> None:
        if arguments in self._passed:
            return
        found = self._formula.apply([formula(one) for one in arguments]).constant
        if found > VALUE_DEPTH_MAX:
            raise ValueDepthSignal(detail=f"{substitute(self._type, arguments)} has {found} levels")
        if len(self._passed) >= _KEPT:
            self._passed.clear()
        self._passed.add(arguments)


def depth_check(type_: Type) -> DepthCheck | None:
    """What is left to check when the code runs. Raises TypeSizeError when values are too deep in any case."""
    deep = formula(type_)
    if deep.constant > VALUE_DEPTH_MAX:
        raise TypeSizeError(str(type_)[:200], f"values of at most {VALUE_DEPTH_MAX} levels", str(deep.constant))
    return DepthCheck(type_, deep) if deep.parameters else None

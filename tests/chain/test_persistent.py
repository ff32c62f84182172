"""Promises: a persistent map answers as a dict, and no map changes when another one is made from it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daas_chain.persistent import PersistentMap


class Colliding:
    """Every two have the same hash."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __hash__(self) -> int:
        return 5

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Colliding) and other.value == self.value


@pytest.mark.parametrize("key", [int, lambda n: n << 62, lambda n: bytes([n]), Colliding])
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 60), st.integers()), max_size=120))
def test_it_answers_as_a_dict_and_older_ones_stay(key: type[int], steps: list[tuple[bool, int, int]]) -> None:
    found, model = PersistentMap[object, int](), dict[object, int]()
    older: list[tuple[PersistentMap[object, int], dict[object, int]]] = []
    for put, number, value in steps:
        older.append((found, dict(model)))
        each = key(number)
        if put:
            found = found.put(each, value)
            model[each] = value
        elif each in model:
            found = found.without(each)
            del model[each]
        else:
            with pytest.raises(KeyError):
                found.without(each)
    for one, expected in [*older, (found, model)]:
        assert one == expected
        assert len(one) == len(expected)
        assert all(one.get(known) == value for known, value in expected.items())


def test_what_is_not_there_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        PersistentMap[int, int]()[1]
    assert repr(PersistentMap[int, int]().put(1, 2)) == "PersistentMap({1: 2})"

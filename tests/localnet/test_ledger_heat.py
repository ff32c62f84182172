"""Promises: what was used together stays together, and owes what any of it owes, until that is given back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daas_localnet.ledger.heat import Group, joined

VALUES = 8
STEPS = st.lists(
    st.tuples(
        st.lists(st.integers(0, VALUES - 1), max_size=4),
        st.sampled_from(("debt", "repay", "consume", "nothing")),
    ),
    max_size=20,
)


@given(STEPS)
def test_groups_are_those_of_a_graph_searched_anew(steps: list[tuple[list[int], str]]) -> None:
    groups = [Group() for _ in range(VALUES)]
    edges: list[set[int]] = []
    debts = [0] * VALUES
    forever: set[int] = set()

    def reached(start: int) -> set[int]:
        found = {start}
        while True:
            more = set().union(found, *(edge for edge in edges if edge & found))
            if more == found:
                return found
            found = more

    for used, what in steps:
        group = joined(groups[one] for one in used)
        edges.append(set(used))
        if used and what == "debt":
            group.owe(1)
            debts[used[0]] += 1
        elif used and what == "repay" and debts[used[0]]:
            groups[used[0]].owe(-1)
            debts[used[0]] -= 1
        elif used and what == "consume":
            group.forever = True
            forever.add(used[0])
        for one, own in enumerate(groups):
            together = reached(one)
            assert own.owes is any(debts[other] > 0 or other in forever for other in together)
            assert {other for other in range(VALUES) if groups[other].now() is own.now()} == together

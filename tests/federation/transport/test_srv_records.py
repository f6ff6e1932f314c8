"""The order in which services are tried."""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from federation.transport.name_lookups import ServiceRecord
from federation.transport.srv_records import in_order_of_trial


def record(target: str, priority: int = 0, weight: int = 0) -> ServiceRecord:
    return ServiceRecord(priority, weight, 8448, target)


def test_a_lower_priority_comes_first() -> None:
    records = [record("c", 30), record("a", 10), record("b", 20)]
    ordered = in_order_of_trial(records, lambda: 0.99)
    assert [each.target for each in ordered] == ["a", "b", "c"]


def test_equals_are_chosen_in_proportion_to_their_weights() -> None:
    random = Random(1)
    records = [record("heavy", weight=90), record("light", weight=10), record("none", weight=0)]
    first = Counter(in_order_of_trial(records, random.random)[0].target for _ in range(2_000))
    assert 1_650 < first["heavy"] < 1_900
    assert 120 < first["light"] < 300
    assert first["none"] > 0


@given(
    st.lists(st.builds(record, st.text(max_size=3), st.integers(0, 3), st.integers(0, 65_535))),
    st.randoms(use_true_random=False),
)
def test_every_record_is_tried_once_in_order_of_priority(
    records: list[ServiceRecord], random: Random
) -> None:
    ordered = in_order_of_trial(records, random.random)
    assert Counter(ordered) == Counter(records)
    assert [each.priority for each in ordered] == sorted(each.priority for each in records)

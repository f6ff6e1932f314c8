from __future__ import annotations

from synctest.measure_encryption import Sizes, measure
from synctest.measuring import table
from synctest.runner import OUR_LAUNCHER


def test_the_table_compares_with_the_first_server() -> None:
    figures = {"query": {"first": [8.0, 10.0, 9.0], "second": [2.0, 2.0, 3.0]}}
    assert table(figures).splitlines() == [
        "| CPU ms per operation | first | second | second / first |",
        "|---|---|---|---|",
        "| query | 9.00 | 2.00 | 1/4.0 |",
    ]


def test_as_many_keys_are_uploaded_as_are_claimed() -> None:
    sizes = Sizes(users=20, devices=10, rounds=2, repeats=3)
    one_at_a_time = 2 * (5 * 3 + 1)
    many = 2 * (3 + 1)
    assert sizes.keys_claimed >= -(-one_at_a_time // 10) + many


async def test_every_operation_is_measured() -> None:
    sizes = Sizes(users=4, devices=2, rounds=1, repeats=1)
    figures = await measure({"ours": OUR_LAUNCHER}, "sqlite", sizes, rest=0.0)
    assert len(figures) == 4
    assert all(len(rows["ours"]) == 1 for rows in figures.values())

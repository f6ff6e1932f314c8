from __future__ import annotations

from synctest.measure_sliding import measure
from synctest.runner import OUR_LAUNCHER


async def test_updates_and_syncs_without_news_are_measured() -> None:
    figures = await measure({"ours": OUR_LAUNCHER}, "sqlite", rooms=3, rounds=1, repeats=2)
    assert [len(rows["ours"]) for rows in figures.values()] == [1, 1]

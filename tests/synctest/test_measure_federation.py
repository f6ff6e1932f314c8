from __future__ import annotations

from click.testing import CliRunner

from synctest.federation.measured import Sizes
from synctest.measure_federation import main, measure, table


async def test_every_operation_is_measured_on_both_sides() -> None:
    sizes = Sizes(members=5, messages=4, missed=6, state_events=20)
    figures = await measure(["myelin", "myelin"], "sqlite", sizes)
    assert len(figures) == 14
    assert all(value >= 0 for value in figures.values())
    assert figures["message: CPU ms, host"] > 0
    assert figures["state event: bytes, guest"] > 0


def test_the_table_has_a_column_for_each_pair() -> None:
    figures = {"a → b": {"join: s": 1.5, "state event: bytes": 812.6}}
    assert table({**figures, "b → b": figures["a → b"]}).splitlines() == [
        "| host → guest | a → b | b → b |",
        "|---|---|---|",
        "| join: s | 1.50 | 1.50 |",
        "| state event: bytes | 813 | 813 |",
    ]


def test_a_pair_is_two_known_servers() -> None:
    for pair in ("myelin", "myelin,myelin,myelin", "myelin,other"):
        outcome = CliRunner().invoke(main, ["--pair", pair])
        assert outcome.exit_code == 2
        assert "--pair" in outcome.output

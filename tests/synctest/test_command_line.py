from __future__ import annotations

from click.testing import CliRunner

from synctest.__main__ import main


def test_a_scenario_that_stops_the_server_needs_a_server_of_its_own() -> None:
    result = CliRunner().invoke(main, ["--target", "http://127.0.0.1:1", "kill9"])
    assert result.exit_code == 2
    assert "kill9 stops the server" in result.output


def test_a_homeserver_that_does_not_answer_fails_its_scenarios() -> None:
    result = CliRunner().invoke(main, ["--target", "http://127.0.0.1:1"])
    assert result.exit_code == 1
    assert "chat" in result.output
    assert "FAILED" in result.output
    assert "left out" in result.output

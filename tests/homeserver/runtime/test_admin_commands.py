"""`myelin admin` against a real server process."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from click.testing import CliRunner, Result

from homeserver.cli import main
from synctest.accounts import register_openly
from synctest.client import Client
from synctest.connection import Homeserver, RequestFailed
from tests.homeserver.runtime.server_process import ServerProcess

STRANGER = "stranger.example"


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    """A server that runs."""
    async with ServerProcess(tmp_path) as made:
        yield made


@pytest_asyncio.fixture
async def homeserver(server: ServerProcess) -> AsyncIterator[Homeserver]:
    """What its clients connect to."""
    async with Homeserver(server.url) as made:
        yield made


async def run(server: ServerProcess, *arguments: str) -> Result:
    """Run a command of `myelin admin` with the configuration of a server."""
    config = str(server.directory / "myelin.toml")
    whole = ["admin", "--config", config, *arguments]
    return await asyncio.to_thread(CliRunner().invoke, main, whole)


async def read(server: ServerProcess, *arguments: str) -> Any:
    """What a command prints as JSON."""
    return json.loads((await run(server, *arguments, "--json")).output)


async def room_with_a_wrong_topic(server: ServerProcess, alice: Client) -> tuple[str, str]:
    """A room, and the event of the topic that it should have."""
    room_id = await alice.create_room()
    old = await alice.send_state(room_id, "m.room.topic", {"topic": "old"})
    new = await alice.send_state(room_id, "m.room.topic", {"topic": "new"})
    with sqlite3.connect(server.directory / "data" / "myelin.db") as connection:
        nids = "SELECT event_nid FROM events WHERE event_id = ?"
        connection.execute(
            f"UPDATE state_intervals SET event_nid = ({nids}) WHERE event_nid = ({nids})",
            (old, new),
        )
    return room_id, new


async def test_the_token_of_the_operator_is_private_and_made_once(server: ServerProcess) -> None:
    path = server.directory / "data" / "operator.token"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    token = path.read_text(encoding="utf-8")
    assert len(token.strip()) > 30
    await server.ends()
    async with ServerProcess(server.directory):
        assert path.read_text(encoding="utf-8") == token


async def test_the_token_of_the_operator_opens_nothing_else(
    server: ServerProcess, homeserver: Homeserver
) -> None:
    token = (server.directory / "data" / "operator.token").read_text(encoding="utf-8").strip()
    with pytest.raises(RequestFailed) as refused:
        await homeserver.call("GET", "/_matrix/client/v3/account/whoami", token=token)
    assert refused.value.errcode == "M_UNKNOWN_TOKEN"


async def test_an_access_token_must_be_that_of_an_administrator(
    server: ServerProcess, homeserver: Homeserver, tmp_path: Path
) -> None:
    alice = await register_openly(homeserver, "alice")
    file = tmp_path / "token"
    for token, errcode in ((alice.token, "M_FORBIDDEN"), ("guessed", "M_UNKNOWN_TOKEN")):
        file.write_text(f"{token}\n")
        result = await run(server, "--token-file", str(file), "federation", "destinations")
        assert result.exit_code == 1
        assert errcode in result.output


async def test_servers_are_blocked_listed_and_unblocked(server: ServerProcess) -> None:
    result = await run(server, "federation", "destinations")
    assert result.output == "No other server is known.\n"
    assert (await run(server, "federation", "block", STRANGER)).output == f"Blocked {STRANGER}.\n"
    result = await run(server, "federation", "destinations")
    lines = [line.split() for line in result.output.splitlines()]
    assert lines[0][:4] == ["server", "state", "behind", "failures"]
    assert lines[1][:4] == [STRANGER, "blocked", "0", "0"]
    (blocked,) = (await read(server, "federation", "blocked"))["blocked"]
    assert blocked["server_name"] == STRANGER
    result = await run(server, "federation", "unblock", STRANGER)
    assert result.output == f"Unblocked {STRANGER}.\n"
    result = await run(server, "federation", "blocked")
    assert result.output == "No server was blocked here.\n"


async def test_a_blocked_server_stays_blocked(server: ServerProcess) -> None:
    await run(server, "federation", "block", STRANGER)
    await server.ends()
    async with ServerProcess(server.directory) as restarted:
        (blocked,) = (await read(restarted, "federation", "blocked"))["blocked"]
        assert blocked["server_name"] == STRANGER


async def test_an_unknown_server_is_not_reset(server: ServerProcess) -> None:
    result = await run(server, "federation", "reset", STRANGER)
    assert result.exit_code == 1
    assert result.output == f"Error: Nothing is known of {STRANGER} (M_NOT_FOUND)\n"


async def test_a_room_is_inspected(server: ServerProcess, homeserver: Homeserver) -> None:
    alice = await register_openly(homeserver, "alice")
    room_id = await alice.create_room()
    event_id = await alice.say(room_id, "hello")
    output = (await run(server, "room", "inspect", room_id)).output
    assert room_id in output
    assert f"\n{event_id}  m.room.message  {alice.user_id}" in output
    assert "Forward extremities: 1" in output
    output = (await run(server, "room", "inspect", room_id, "--event", event_id)).output
    assert "standing   accepted" in output
    assert "m.room.power_levels" in output
    report = await read(server, "room", "inspect", room_id, "--event", event_id)
    assert report["event_id"] == event_id
    result = await run(server, "room", "inspect", "!nowhere:localhost")
    assert (result.exit_code, result.output) == (1, "Error: Unknown room (M_NOT_FOUND)\n")


async def test_a_room_that_was_corrupted_is_found_and_mended(
    server: ServerProcess, homeserver: Homeserver
) -> None:
    alice = await register_openly(homeserver, "alice")
    room_id, topic = await room_with_a_wrong_topic(server, alice)
    since = (await alice.sync())["next_batch"]
    result = await run(server, "room", "check", room_id)
    assert result.exit_code == 2
    assert topic in result.output
    result = await run(server, "room", "rebuild", room_id)
    assert result.exit_code == 0
    assert result.output.endswith("Nothing was changed; see --apply.\n")
    assert (await run(server, "room", "check", room_id)).exit_code == 2
    result = await run(server, "room", "rebuild", room_id, "--apply")
    assert result.exit_code == 0, result.output
    assert "Mended by $" in result.output
    told = (await alice.sync(since))["rooms"]["join"][room_id]
    events = [*told["state"]["events"], *told["timeline"]["events"]]
    assert topic in {event["event_id"] for event in events}
    result = await run(server, "room", "check", room_id)
    assert result.exit_code == 0
    assert "The state is what the events make of it." in result.output
    result = await run(server, "room", "rebuild", room_id, "--apply")
    assert result.exit_code == 1
    assert "there is nothing to rebuild" in result.output


async def test_a_server_that_does_not_run_is_named(server: ServerProcess) -> None:
    await server.ends()
    result = await run(server, "federation", "destinations")
    assert result.exit_code == 1
    assert "cannot be reached" in result.output


def test_without_a_token_it_says_where_it_looked(tmp_path: Path) -> None:
    path = tmp_path / "myelin.toml"
    path.write_text("", encoding="utf-8")
    result = CliRunner().invoke(
        main, ["admin", "--config", str(path), "federation", "destinations"]
    )
    assert result.exit_code == 1
    assert f"{tmp_path}/data/operator.token: cannot be read" in result.output
    assert "it is made when the server first starts" in result.output

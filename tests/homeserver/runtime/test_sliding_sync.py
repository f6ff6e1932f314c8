"""Sliding sync on a server that is killed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from synctest.accounts import register_openly
from synctest.client import Client
from synctest.connection import Homeserver
from tests.homeserver.runtime.server_process import ServerProcess

PATH = "/_matrix/client/v4/sync"


async def slides(client: Client, pos: str | None) -> Any:
    """One sync; the answer."""
    wanted = {"timeline_limit": 5, "required_state": {"include": [{}]}}
    body = {"lists": {"all": wanted}, **({"pos": pos} if pos is not None else {})}
    answer = await client.homeserver.request(
        "POST", PATH, token=client.token, body=json.dumps(body).encode()
    )
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


@pytest.mark.parametrize("pause", [0.0, 0.3])
async def test_a_connection_goes_on_however_often_the_server_is_killed(
    tmp_path: Path, pause: float
) -> None:
    async with ServerProcess(tmp_path) as server, Homeserver(server.url) as homeserver:
        alice = await register_openly(homeserver, "alice")
        rooms = {await alice.create_room() for _ in range(3)}
        first = await slides(alice, None)
        assert set(first["rooms"]) == rooms
        pos, room_id = first["pos"], rooms.pop()
        for n in range(3):
            await asyncio.sleep(pause)
            server.process.kill()
            server.process.communicate()
            await server.__aenter__()
            event_id = await alice.say(room_id, f"{n}")
            answer = await slides(alice, pos)
            assert answer["rooms"][room_id]["timeline"][-1]["event_id"] == event_id
            if pause:
                assert set(answer["rooms"]) == {room_id}
                assert not answer["rooms"][room_id].get("initial", False)
            pos = answer["pos"]
        assert (await slides(alice, pos))["rooms"] == {}

"""Delayed events of a server that is killed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from synctest.accounts import register_openly
from synctest.client import Client
from synctest.connection import Homeserver
from tests.homeserver.runtime.server_process import ServerProcess


async def says_later(client: Client, room_id: str, body: str, delay_ms: int) -> None:
    answer = await client.homeserver.request(
        "PUT",
        f"/_matrix/client/v3/rooms/{quote(room_id)}/send/m.room.message/{body}",
        query={"org.matrix.msc4140.delay": delay_ms},
        token=client.token,
        body=json.dumps({"msgtype": "m.text", "body": body}).encode(),
    )
    assert answer.status == 200


async def until_said(client: Client, room_id: str, body: str) -> list[str]:
    """What was said, in order, once ``body`` was."""
    for _ in range(1000):
        chunk = (await client.messages(room_id, direction="f"))["chunk"]
        said = [event["content"]["body"] for event in chunk if event["type"] == "m.room.message"]
        if body in said:
            return said
        await asyncio.sleep(0.02)
    raise AssertionError(f"{body} was never said")


@pytest.mark.parametrize("pause", [0.0, 0.5])
async def test_a_delayed_event_is_sent_once_however_often_the_server_is_killed(
    tmp_path: Path, pause: float
) -> None:
    async with ServerProcess(tmp_path) as server, Homeserver(server.url) as homeserver:
        alice = await register_openly(homeserver, "alice")
        room_id = await alice.create_room()
        await says_later(alice, room_id, "bye", 500)
        for _ in range(2):
            await asyncio.sleep(pause)
            server.process.kill()
            server.process.communicate()
            await server.__aenter__()

        await until_said(alice, room_id, "bye")
        await says_later(alice, room_id, "end", 1)

        assert await until_said(alice, room_id, "end") == ["bye", "end"]


async def test_the_sender_alone_recognises_what_was_sent_for_them(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path) as server, Homeserver(server.url) as homeserver:
        alice = await register_openly(homeserver, "alice")
        bob = await register_openly(homeserver, "bob")
        room_id = await alice.create_room(preset="public_chat")
        await bob.join(room_id)
        await says_later(alice, room_id, "later", 1)
        await until_said(alice, room_id, "later")

        def delay_ids(timeline: list[dict[str, Any]]) -> list[str | None]:
            return [
                event["unsigned"].get("org.matrix.msc4140.delay_id")
                for event in timeline
                if event["type"] == "m.room.message"
            ]

        of_alice = (await alice.messages(room_id))["chunk"]
        synced = (await alice.sync())["rooms"]["join"][room_id]["timeline"]["events"]
        assert delay_ids(of_alice) != [None]
        assert delay_ids(of_alice) == delay_ids(synced)
        assert delay_ids((await bob.messages(room_id))["chunk"]) == [None]

"""Typing notifications over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.homeserver.personal_server import ALICE, BOB, PersonalServer


async def test_typing_starts_and_stops() -> None:
    server = PersonalServer()
    room = await server.room(ALICE)
    path = f"/_matrix/client/v3/rooms/{room.view.room_id}/typing/{ALICE}"
    for body in ({"typing": True, "timeout": 1000}, {"typing": True}):
        response = await server.client.request("PUT", path, body, token=ALICE)
        assert (response.status, response.json) == (200, {})
        assert room.view.typing == (ALICE,)
    assert (await server.client.request("PUT", path, {"typing": False}, token=ALICE)).json == {}
    assert room.view.typing == ()


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({}, "M_MISSING_PARAM"),
        ({"typing": "yes"}, "M_BAD_JSON"),
        ({"typing": True, "timeout": "long"}, "M_BAD_JSON"),
        ({"typing": True, "timeout": -1}, "M_BAD_JSON"),
        ([], "M_BAD_JSON"),
    ],
)
async def test_notices_that_make_no_sense_are_refused(body: Any, errcode: str) -> None:
    server = PersonalServer()
    room = await server.room(ALICE)
    path = f"/_matrix/client/v3/rooms/{room.view.room_id}/typing/{ALICE}"
    response = await server.client.request("PUT", path, body, token=ALICE)
    assert (response.status, response.json["errcode"]) == (400, errcode)


async def test_one_types_for_oneself_and_in_ones_rooms() -> None:
    server = PersonalServer()
    room = await server.room(ALICE)
    for user_id, room_id in ((ALICE, room.view.room_id), (BOB, room.view.room_id), (BOB, "!no")):
        path = f"/_matrix/client/v3/rooms/{room_id}/typing/{user_id}"
        response = await server.client.request("PUT", path, {"typing": True}, token=BOB)
        assert (response.status, response.json["errcode"]) == (403, "M_FORBIDDEN")

"""Presence over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.homeserver.personal_server import ALICE, BOB, CAROL, PersonalServer

STATUS = f"/_matrix/client/v3/presence/{ALICE}/status"


async def test_presence_is_set_and_read() -> None:
    server = PersonalServer()
    await server.room(ALICE, BOB)
    body = {"presence": "online", "status_msg": "at work"}
    assert (await server.client.request("PUT", STATUS, body, token=ALICE)).json == {}
    server.clock.advance(2)
    for user_id in (ALICE, BOB):
        response = await server.client.request("GET", STATUS, token=user_id)
        assert response.json == {
            "presence": "online",
            "status_msg": "at work",
            "last_active_ago": 2000,
            "currently_active": True,
        }
    refused = await server.client.request("GET", STATUS, token=CAROL)
    assert (refused.status, refused.json["errcode"]) == (403, "M_FORBIDDEN")


async def test_nobody_sets_the_presence_of_others() -> None:
    server = PersonalServer()
    response = await server.client.request("PUT", STATUS, {"presence": "online"}, token=BOB)
    assert (response.status, response.json["errcode"]) == (403, "M_FORBIDDEN")


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({}, "M_MISSING_PARAM"),
        ({"presence": "busy"}, "M_BAD_JSON"),
        ({"presence": None}, "M_BAD_JSON"),
        ({"presence": "online", "status_msg": 7}, "M_BAD_JSON"),
        ({"presence": "online", "status_msg": "x" * 1025}, "M_BAD_JSON"),
    ],
)
async def test_presence_that_makes_no_sense_is_refused(body: Any, errcode: str) -> None:
    server = PersonalServer()
    response = await server.client.request("PUT", STATUS, body, token=ALICE)
    assert (response.status, response.json["errcode"]) == (400, errcode)
    assert server.presence.current(ALICE) is None

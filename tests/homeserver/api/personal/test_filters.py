"""Filters over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.homeserver.personal_server import ALICE, BOB, PersonalServer

FILTER = f"/_matrix/client/v3/user/{ALICE}/filter"


async def test_a_filter_is_read_as_it_was_uploaded() -> None:
    client = PersonalServer().client
    definition = {"room": {"timeline": {"limit": 10}}, "org.example.more": 1.5}
    uploaded = await client.request("POST", FILTER, definition, token=ALICE)
    path = f"{FILTER}/{uploaded.json['filter_id']}"
    assert (await client.request("GET", path, token=ALICE)).json == definition


@pytest.mark.parametrize("filter_id", ["0", "%00", "a%2Fb"])
async def test_an_unknown_filter_is_not_found(filter_id: str) -> None:
    client = PersonalServer().client
    response = await client.request("GET", f"{FILTER}/{filter_id}", token=ALICE)
    assert (response.status, response.json["errcode"]) == (404, "M_NOT_FOUND")


@pytest.mark.parametrize(
    ("definition", "status", "errcode"),
    [
        ([], 400, "M_BAD_JSON"),
        ({"room": 7}, 400, "M_BAD_JSON"),
        ({"room": {"timeline": {"types": "m.room.message"}}}, 400, "M_BAD_JSON"),
        ({"room": {"timeline": {"limit": -1}}}, 400, "M_INVALID_PARAM"),
        ({"room": {"rooms": ["room"]}}, 400, "M_INVALID_PARAM"),
        ({"presence": {"senders": ["alice"]}}, 400, "M_INVALID_PARAM"),
        ({"x": "x" * 65_536}, 413, "M_TOO_LARGE"),
    ],
)
async def test_what_is_no_filter_is_refused(definition: Any, status: int, errcode: str) -> None:
    client = PersonalServer().client
    response = await client.request("POST", FILTER, definition, token=ALICE)
    assert (response.status, response.json["errcode"]) == (status, errcode)


async def test_filters_are_for_oneself() -> None:
    client = PersonalServer().client
    assert (await client.request("POST", FILTER, {}, token=BOB)).status == 403
    assert (await client.request("GET", f"{FILTER}/x", token=BOB)).status == 403

"""Receipts and read markers over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from homeserver.rooms.actor import RoomActor
from homeserver.services.messages.receipts import READ, READ_PRIVATE
from tests.homeserver.personal_server import ALICE, BOB, PersonalServer


def receipt(room: RoomActor, event_id: str, receipt_type: str = READ) -> str:
    return f"/_matrix/client/v3/rooms/{room.view.room_id}/receipt/{receipt_type}/{event_id}"


def read_markers(room: RoomActor) -> str:
    return f"/_matrix/client/v3/rooms/{room.view.room_id}/read_markers"


def fully_read(room: RoomActor) -> str:
    room_id = room.view.room_id
    return f"/_matrix/client/v3/user/{ALICE}/rooms/{room_id}/account_data/m.fully_read"


@pytest.mark.parametrize("receipt_type", [READ, READ_PRIVATE])
async def test_a_receipt_is_sent(receipt_type: str) -> None:
    server = PersonalServer()
    room = await server.room(ALICE)
    event_id = (await server.say(ALICE, room)).event.event_id
    path = receipt(room, event_id, receipt_type)
    assert (await server.client.request("POST", path, token=ALICE)).json == {}
    assert list(room.view.receipts) == [(ALICE, receipt_type, "")]


async def test_a_receipt_may_be_threaded() -> None:
    server = PersonalServer()
    room = await server.room(ALICE)
    event_id = (await server.say(ALICE, room)).event.event_id
    body = {"thread_id": "main"}
    response = await server.client.request("POST", receipt(room, event_id), body, token=ALICE)
    assert response.json == {}
    assert list(room.view.receipts) == [(ALICE, READ, "main")]


@pytest.mark.parametrize("thread_id", ["", None, 7, ["main"], "elsewhere", "$other", "$a\0b"])
async def test_a_thread_that_does_not_fit_is_refused(thread_id: Any) -> None:
    server = PersonalServer()
    room = await server.room(ALICE)
    event_id = (await server.say(ALICE, room)).event.event_id
    body = {"thread_id": thread_id}
    response = await server.client.request("POST", receipt(room, event_id), body, token=ALICE)
    assert (response.status, response.json["errcode"]) == (400, "M_INVALID_PARAM")
    assert not room.view.receipts


async def test_the_fully_read_marker_moves_as_a_receipt_but_has_no_threads() -> None:
    server = PersonalServer()
    room = await server.room(ALICE)
    event_id = (await server.say(ALICE, room)).event.event_id
    path = receipt(room, event_id, "m.fully_read")
    refused = await server.client.request("POST", path, {"thread_id": "main"}, token=ALICE)
    assert (refused.status, refused.json["errcode"]) == (400, "M_INVALID_PARAM")
    assert (await server.client.request("POST", path, {}, token=ALICE)).json == {}
    marker = await server.client.request("GET", fully_read(room), token=ALICE)
    assert marker.json == {"event_id": event_id}


@pytest.mark.parametrize(
    ("receipt_type", "event_id", "status", "errcode"),
    [
        ("m.seen", "$event", 400, "M_INVALID_PARAM"),
        (READ, "event", 400, "M_INVALID_PARAM"),
        (READ, "~local:1", 400, "M_INVALID_PARAM"),
        (READ, "$event", 404, "M_NOT_FOUND"),
    ],
)
async def test_a_receipt_that_makes_no_sense_is_refused(
    receipt_type: str, event_id: str, status: int, errcode: str
) -> None:
    server = PersonalServer()
    room = await server.room(ALICE)
    path = receipt(room, event_id, receipt_type)
    response = await server.client.request("POST", path, {}, token=ALICE)
    assert (response.status, response.json["errcode"]) == (status, errcode)


async def test_receipts_are_for_members() -> None:
    server = PersonalServer()
    room = await server.room(ALICE)
    event_id = (await server.say(ALICE, room)).event.event_id
    for path, body in (
        (receipt(room, event_id), {}),
        (read_markers(room), {"m.fully_read": event_id}),
        (read_markers(room), {"m.read": event_id}),
    ):
        response = await server.client.request("POST", path, body, token=BOB)
        assert (response.status, response.json["errcode"]) == (403, "M_FORBIDDEN")


async def test_markers_and_receipts_move_together() -> None:
    server = PersonalServer()
    room = await server.room(ALICE)
    first, second, third = [(await server.say(ALICE, room)).event.event_id for _ in range(3)]
    body = {"m.fully_read": first, "m.read": second, "m.read.private": third}
    response = await server.client.request("POST", read_markers(room), body, token=ALICE)
    assert response.json == {}
    read = {type: row.event_id for (_, type, _), row in room.view.receipts.items()}
    assert read == {READ: second, READ_PRIVATE: third}
    marker = await server.client.request("GET", fully_read(room), token=ALICE)
    assert marker.json == {"event_id": first}


async def test_markers_may_be_left_out() -> None:
    server = PersonalServer()
    room = await server.room(ALICE)
    for body in ({}, {"m.read": None}):
        response = await server.client.request("POST", read_markers(room), body, token=ALICE)
        assert (response.status, response.json) == (200, {})


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({"m.read": 7}, "M_BAD_JSON"),
        ({"m.fully_read": "event"}, "M_INVALID_PARAM"),
        ({"m.read.private": ""}, "M_INVALID_PARAM"),
    ],
)
async def test_markers_that_make_no_sense_move_nothing(body: Any, errcode: str) -> None:
    server = PersonalServer()
    room = await server.room(ALICE)
    event_id = (await server.say(ALICE, room)).event.event_id
    asked = {"m.fully_read": event_id, "m.read": event_id, "m.read.private": event_id, **body}
    server.entries.clear()
    response = await server.client.request("POST", read_markers(room), asked, token=ALICE)
    assert (response.status, response.json["errcode"]) == (400, errcode)
    assert server.entries == []

"""Reporting content to the server's administrators."""

from __future__ import annotations

import pytest

from tests.rooms_fixture import RoomsServer, quoted, refused

NOT_FOUND = (404, "M_NOT_FOUND")


async def test_events_rooms_and_users_are_reported(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    room_id = await alice.creates_room(preset="public_chat")
    await bob.joins(room_id)
    said = await alice.sends(room_id, "rude")
    room = f"/rooms/{quoted(room_id)}/report"

    for path, body in (
        (f"{room}/{quoted(said)}", {"reason": "rude", "score": -100}),
        (f"{room}/{quoted(said)}", {}),
        (room, {"reason": "all of it"}),
        (f"/users/{quoted(alice.user_id)}/report", {"reason": ""}),
    ):
        rooms.clock.advance(1)
        response = await bob.post(path, body)
        assert (response.status, response.json) == (200, {})

    reports = await rooms.report_store.newest(10)
    assert [(r.reason, r.room_id, r.event_id, r.user_id) for r in reversed(reports)] == [
        ("rude", room_id, said, None),
        ("", room_id, said, None),
        ("all of it", room_id, None, None),
        ("", None, None, alice.user_id),
    ]
    assert {r.reporter for r in reports} == {bob.user_id}
    assert reports[0].received_ts == rooms.clock.now_ms()


async def test_who_is_not_in_a_room_reports_the_room_but_no_event(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    room_id = await alice.creates_room()
    said = await alice.sends(room_id, "rude")
    room = f"/rooms/{quoted(room_id)}/report"

    assert (await bob.post(room, {"reason": "x"})).status == 200
    assert refused(await bob.post(f"{room}/{quoted(said)}")) == NOT_FOUND


async def test_what_is_not_there_cannot_be_reported(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id, other = [await alice.creates_room() for _ in range(2)]
    elsewhere = await alice.sends(other, "x")
    room = f"/rooms/{quoted(room_id)}/report"
    nowhere = f"/rooms/{quoted('!nowhere:hs')}/report"

    assert refused(await alice.post(f"{room}/$unknown")) == NOT_FOUND
    assert refused(await alice.post(f"{room}/{quoted(elsewhere)}")) == NOT_FOUND
    assert refused(await alice.post(nowhere, {"reason": "x"})) == NOT_FOUND
    assert refused(await alice.post(f"{nowhere}/$unknown")) == NOT_FOUND


async def test_nobody_learns_by_reporting_whether_a_user_exists(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")

    response = await alice.post(f"/users/{quoted('@nobody:hs')}/report", {"reason": "x"})

    assert response.status == 200


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/rooms/ROOM/report", {}, (400, "M_MISSING_PARAM")),
        ("/rooms/ROOM/report", {"reason": 5}, (400, "M_BAD_JSON")),
        ("/rooms/ROOM/report", {"reason": "x" * 5001}, (400, "M_INVALID_PARAM")),
        ("/rooms/ROOM/report", {"reason": "a\0b"}, (400, "M_INVALID_PARAM")),
        ("/rooms/room/report", {"reason": "x"}, (400, "M_INVALID_PARAM")),
        ("/users/bob/report", {"reason": "x"}, (400, "M_INVALID_PARAM")),
        ("/users/@bob:hs/report", {}, (400, "M_MISSING_PARAM")),
    ],
)
async def test_a_report_says_what_and_why(
    rooms: RoomsServer, path: str, body: dict[str, object], expected: tuple[int, str]
) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()

    assert refused(await alice.post(path.replace("ROOM", quoted(room_id)), body)) == expected

"""Redacting events."""

from __future__ import annotations

from typing import Any

import pytest

from homeserver.domain.room_versions import ROOM_VERSIONS
from tests.rooms_fixture import Person, RoomsServer, quoted, refused

OK = (200, "no error")
FORBIDDEN = (403, "M_FORBIDDEN")
NOT_FOUND = (404, "M_NOT_FOUND")


async def chat(rooms: RoomsServer, **body: Any) -> tuple[str, Person, Person]:
    """A room with its maker and somebody else in it."""
    alice, bob = rooms.person("alice"), rooms.person("bob")
    room_id = await alice.creates_room(preset="public_chat", **body)
    await bob.joins(room_id)
    return room_id, alice, bob


async def content_of(rooms: RoomsServer, event_id: str) -> dict[str, Any]:
    found = await rooms.events.store.by_id([event_id])  # type: ignore[list-item]
    return found[0].event.content


@pytest.mark.parametrize("version", ROOM_VERSIONS)
async def test_one_redacts_what_one_said(rooms: RoomsServer, version: str) -> None:
    room_id, _, bob = await chat(rooms, room_version=version)
    said = await bob.sends(room_id, "oops")

    response = await bob.put(
        f"/rooms/{quoted(room_id)}/redact/{quoted(said)}/t", {"reason": "a slip"}
    )

    assert refused(response) == OK
    assert await content_of(rooms, said) == {}
    redaction = (await rooms.timeline(room_id))[-1].event
    assert redaction.event_id == response.json["event_id"]
    assert redaction.redacts == said
    assert redaction.content["reason"] == "a slip"
    assert ("redacts" in redaction.content) == (int(version) >= 11)


@pytest.mark.parametrize("version", ["1", "9", "12"])
async def test_a_redaction_can_be_sent_like_any_event(rooms: RoomsServer, version: str) -> None:
    room_id, _, bob = await chat(rooms, room_version=version)
    said = await bob.sends(room_id, "oops")

    response = await bob.send(room_id, {"redacts": said, "reason": "x"}, type="m.room.redaction")

    assert refused(response) == OK
    assert await content_of(rooms, said) == {}
    redaction = (await rooms.timeline(room_id))[-1].event
    assert redaction.redacts == said
    assert ("redacts" in redaction.pdu_object()) == (version != "12")


async def test_others_are_redacted_by_who_has_the_power(rooms: RoomsServer) -> None:
    room_id, alice, bob = await chat(rooms)
    by_alice = await alice.sends(room_id, "mine")
    by_bob = await bob.sends(room_id, "rude")

    assert refused(await bob.redact(room_id, by_alice)) == FORBIDDEN
    assert refused(await alice.redact(room_id, by_bob)) == OK
    assert (await content_of(rooms, by_alice))["body"] == "mine"
    assert await content_of(rooms, by_bob) == {}


async def test_the_level_of_redaction_events_holds_for_own_events_too(rooms: RoomsServer) -> None:
    room_id, _, bob = await chat(
        rooms, power_level_content_override={"events": {"m.room.redaction": 10}}
    )
    said = await bob.sends(room_id, "oops")

    assert refused(await bob.redact(room_id, said)) == FORBIDDEN


async def test_administrators_of_the_server_redact_what_its_users_said(rooms: RoomsServer) -> None:
    room_id, _, bob = await chat(rooms)
    root = rooms.person("root", is_admin=True)
    await root.joins(room_id)
    said = await bob.sends(room_id, "illegal")

    assert refused(await root.redact(room_id, said)) == OK


async def test_only_members_redact(rooms: RoomsServer) -> None:
    room_id, _, bob = await chat(rooms)
    said = await bob.sends(room_id, "oops")
    await bob.leaves(room_id)

    assert refused(await bob.redact(room_id, said)) == FORBIDDEN
    assert refused(await bob.redact("!nowhere:hs", said)) == FORBIDDEN


async def test_what_is_not_in_the_room_is_not_redacted(rooms: RoomsServer) -> None:
    room_id, alice, _ = await chat(rooms)
    elsewhere = await alice.creates_room()
    said = await alice.sends(elsewhere, "hello")

    assert refused(await alice.redact(room_id, said)) == NOT_FOUND
    assert refused(await alice.redact(room_id, "$unknown")) == NOT_FOUND
    assert refused(await alice.redact(room_id, "unknown")) == (400, "M_INVALID_PARAM")
    assert (await content_of(rooms, said))["body"] == "hello"


async def test_the_event_that_made_the_room_stays(rooms: RoomsServer) -> None:
    room_id, alice, _ = await chat(rooms)
    create = (await rooms.timeline(room_id))[0].event.event_id

    assert refused(await alice.redact(room_id, create)) == FORBIDDEN


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({}, (400, "M_MISSING_PARAM")),
        ({"redacts": 5}, (400, "M_INVALID_PARAM")),
        ({"redacts": "x"}, (400, "M_INVALID_PARAM")),
        ({"redacts": "$unknown"}, NOT_FOUND),
    ],
)
async def test_a_redaction_names_an_event(
    rooms: RoomsServer, content: dict[str, Any], expected: tuple[int, str]
) -> None:
    room_id, alice, _ = await chat(rooms)

    response = await alice.send(room_id, content, type="m.room.redaction")

    assert refused(response) == expected


async def test_a_second_redaction_does_no_harm(rooms: RoomsServer) -> None:
    room_id, alice, bob = await chat(rooms)
    said = await bob.sends(room_id, "oops")
    first = await bob.redact(room_id, said)

    assert refused(await alice.redact(room_id, said)) == OK
    rows = rooms.rows("SELECT redacted_by FROM events WHERE event_id = ?", said)
    assert rows == [(first.json["event_id"],)]


async def test_suspended_users_redact_only_what_they_said(rooms: RoomsServer) -> None:
    room_id, alice, bob = await chat(rooms)
    by_alice, by_bob = await alice.sends(room_id, "a"), await bob.sends(room_id, "b")
    rooms.person("alice", is_suspended=True)

    assert refused(await alice.redact(room_id, by_bob)) == (403, "M_USER_SUSPENDED")
    assert refused(await alice.redact(room_id, by_alice)) == OK

"""Other servers read what happened before."""

from __future__ import annotations

import json
from typing import Any

import pytest

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import EventId, RoomId
from tests.federation.resident import BOB, EVE, STRANGER, Resident, Said
from tests.federation.resources.test_events import FORBIDDEN, NOT_FOUND, UNKNOWN, id_of
from tests.rooms_fixture import Person, quoted

INVALID = (400, "M_INVALID_PARAM")


async def backfill(here: Resident, room_id: str, *event_ids: str, limit: int = 10) -> Said:
    named = "".join(f"&v={quoted(event_id)}" for event_id in event_ids)
    return await here.asked(f"/backfill/{quoted(room_id)}?limit={limit}{named}")


async def missing(here: Resident, room_id: str, latest: list[EventId], **more: Any) -> Said:
    body: JsonObject = {"earliest_events": [], "latest_events": latest, **more}
    return await here.asked(f"/get_missing_events/{quoted(room_id)}", method="POST", body=body)


async def nearest(here: Resident, room_id: str, ts: object, direction: str = "f") -> Said:
    return await here.asked(f"/timestamp_to_event/{quoted(room_id)}?ts={ts}&dir={direction}")


async def says(here: Resident, alice: Person, room_id: RoomId, count: int) -> list[EventId]:
    said = []
    for number in range(count):
        here.clock.advance(1)
        said.append(await alice.sends(room_id, str(number)))
    return said


async def test_backfill_gives_the_named_event_and_those_before_it(
    here: Resident, alice: Person
) -> None:
    room_id = await here.shared_room(alice)
    said = await says(here, alice, room_id, 6)
    answer = await backfill(here, room_id, said[4], limit=3)
    assert [id_of(pdu) for pdu in answer.json["pdus"]] == [said[4], said[3], said[2]]


async def test_backfill_goes_back_to_the_beginning_past_what_is_in_memory(
    here: Resident, alice: Person
) -> None:
    room_id = await here.shared_room(alice)
    said = await says(here, alice, room_id, 60)
    whole = [stored.event.event_id for stored in await here.timeline(room_id)]
    answer = await backfill(here, room_id, said[-1], limit=500)
    assert [id_of(pdu) for pdu in answer.json["pdus"]] == whole[::-1][:100]
    answer = await backfill(here, room_id, said[2], limit=500)
    assert [id_of(pdu) for pdu in answer.json["pdus"]] == whole[: whole.index(said[2]) + 1][::-1]


async def test_missing_events_are_those_between_what_is_known(
    here: Resident, alice: Person
) -> None:
    room_id = await here.shared_room(alice)
    said = await says(here, alice, room_id, 8)
    answer = await missing(here, room_id, [said[6]], earliest_events=[said[2]])
    assert [id_of(pdu) for pdu in answer.json["events"]] == said[3:6]
    answer = await missing(here, room_id, [said[6]], limit=2)
    assert [id_of(pdu) for pdu in answer.json["events"]] == said[4:6]


async def test_missing_events_are_twenty_at_most_and_not_less_deep_than_asked(
    here: Resident, alice: Person
) -> None:
    room_id = await here.shared_room(alice)
    said = await says(here, alice, room_id, 30)
    answer = await missing(here, room_id, [said[-1]], limit=1000)
    assert [id_of(pdu) for pdu in answer.json["events"]] == said[9:29]
    depth = (await here.timeline(room_id))[-3].event.depth
    answer = await missing(here, room_id, [said[-1]], min_depth=depth)
    assert [id_of(pdu) for pdu in answer.json["events"]] == said[-3:-1]


async def test_what_a_server_may_not_see_it_gets_redacted(here: Resident, alice: Person) -> None:
    room_id = await alice.creates_room(preset="public_chat")
    await alice.sets(room_id, "m.room.history_visibility", {"history_visibility": "joined"})
    secret = await alice.sends(room_id, "among us")
    await here.lets_in(room_id, BOB)
    open_ = await alice.sends(room_id, "hello Bob")
    answer = await backfill(here, room_id, open_, limit=3)
    contents = {id_of(pdu): pdu["content"] for pdu in answer.json["pdus"]}
    assert contents[open_]["body"] == "hello Bob"
    assert contents[secret] == {}
    answer = await missing(here, room_id, [open_])
    assert {id_of(pdu): pdu["content"] for pdu in answer.json["events"]}[secret] == {}
    (pdu,) = (await here.asked(f"/event/{quoted(secret)}")).json["pdus"]
    assert id_of(pdu) == secret
    assert pdu["content"] == {}


async def test_invited_users_see_what_invited_users_may(here: Resident, alice: Person) -> None:
    room_id = await alice.creates_room(preset="private_chat")
    await alice.sets(room_id, "m.room.history_visibility", {"history_visibility": "invited"})
    unseen = await alice.sends(room_id, "before the invite")
    await here.appends(room_id, alice.user_id, "m.room.member", {"membership": "invite"}, BOB)
    seen = await alice.sends(room_id, "after the invite")
    await here.lets_in(room_id, BOB)
    answer = await backfill(here, room_id, (await here.timeline(room_id))[-1].event.event_id)
    contents = {id_of(pdu): pdu["content"] for pdu in answer.json["pdus"]}
    assert contents[seen]["body"] == "after the invite"
    assert contents[unseen] == {}


async def test_one_user_of_a_server_is_enough_to_see(here: Resident, alice: Person) -> None:
    room_id = await alice.creates_room(preset="public_chat")
    await alice.sets(room_id, "m.room.history_visibility", {"history_visibility": "joined"})
    await here.lets_in(room_id, BOB)
    seen = await alice.sends(room_id, "Bob is here")
    carol = type(BOB)("@carol:other.example")
    await here.lets_in(room_id, carol)
    await here.appends(room_id, BOB, "m.room.member", {"membership": "leave"}, BOB)
    last = await alice.sends(room_id, "Carol is here")
    answer = await backfill(here, room_id, last)
    contents = {id_of(pdu): pdu["content"] for pdu in answer.json["pdus"]}
    assert contents[seen]["body"] == "Bob is here"


async def test_the_event_nearest_to_a_time_is_found(here: Resident, alice: Person) -> None:
    room_id = await here.shared_room(alice)
    first, second = await says(here, alice, room_id, 2)
    times = {s.event.event_id: s.event.origin_server_ts for s in await here.timeline(room_id)}
    answer = await nearest(here, room_id, times[first] + 1)
    assert answer.json == {"event_id": second, "origin_server_ts": times[second]}
    assert (await nearest(here, room_id, times[second] - 1, "b")).json["event_id"] == first
    assert (await nearest(here, room_id, times[second] + 1)).refusal == NOT_FOUND


async def test_the_event_nearest_to_a_time_is_one_that_may_be_seen(
    here: Resident, alice: Person
) -> None:
    room_id = await alice.creates_room(preset="public_chat")
    await alice.sets(room_id, "m.room.history_visibility", {"history_visibility": "joined"})
    here.clock.advance(100)
    secret_ms = here.clock.now_ms()
    await alice.sends(room_id, "among us")
    await here.lets_in(room_id, BOB)
    hello = await alice.sends(room_id, "hello")
    found = await nearest(here, room_id, secret_ms)
    # The join is about one of the asking server's own users.
    seen = [s.event.event_id for s in await here.timeline(room_id)][-2:]
    assert found.json["event_id"] in seen
    assert seen[-1] == hello


async def test_servers_that_may_not_know_are_told_nothing(here: Resident, alice: Person) -> None:
    room_id = await alice.creates_room(preset="public_chat")
    (event_id,) = await says(here, alice, room_id, 1)
    for room in (room_id, "!nowhere:hs"):
        assert (await backfill(here, room, event_id)).refusal == FORBIDDEN
        assert (await missing(here, room, [event_id])).refusal == FORBIDDEN
        assert (await nearest(here, room, 0)).refusal == FORBIDDEN
    await here.lets_in(room_id, BOB)
    await alice.sets(room_id, "m.room.server_acl", {"allow": ["hs"]})
    assert (await backfill(here, room_id, event_id)).refusal == FORBIDDEN
    assert (await missing(here, room_id, [event_id])).refusal == FORBIDDEN
    assert (await nearest(here, room_id, 0)).refusal == FORBIDDEN


async def test_events_that_are_not_in_the_room_lead_nowhere(here: Resident, alice: Person) -> None:
    room_id = await here.shared_room(alice)
    other_room = await here.shared_room(alice)
    (elsewhere,) = await says(here, alice, other_room, 1)
    for event_id in (UNKNOWN, elsewhere):
        assert (await backfill(here, room_id, event_id)).refusal == NOT_FOUND
        assert (await missing(here, room_id, [event_id])).json == {"events": []}


async def test_malformed_requests_are_refused(here: Resident, alice: Person) -> None:
    room_id = await here.shared_room(alice)
    (event_id,) = await says(here, alice, room_id, 1)
    path = f"/backfill/{quoted(room_id)}"
    assert (await here.asked(f"{path}?limit=5")).refusal == (400, "M_MISSING_PARAM")
    assert (await here.asked(f"{path}?v={quoted(event_id)}")).refusal == (400, "M_MISSING_PARAM")
    assert (await backfill(here, room_id, event_id, limit=0)).refusal == INVALID
    assert (await backfill(here, room_id, "nonsense")).refusal == INVALID
    assert (await backfill(here, "nonsense", event_id)).refusal == INVALID
    assert (await nearest(here, room_id, "soon")).refusal == INVALID
    assert (await nearest(here, room_id, -1)).refusal == INVALID
    assert (await nearest(here, room_id, 0, "x")).refusal == INVALID


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({"latest_events": []}, "M_MISSING_PARAM"),
        ({"earliest_events": []}, "M_MISSING_PARAM"),
        ({"earliest_events": [], "latest_events": "all"}, "M_BAD_JSON"),
        ({"earliest_events": [], "latest_events": [], "limit": -1}, "M_BAD_JSON"),
        ({"earliest_events": [], "latest_events": ["nonsense"]}, "M_INVALID_PARAM"),
        ({"earliest_events": [], "latest_events": [UNKNOWN] * 1001}, "M_BAD_JSON"),
    ],
)
async def test_malformed_questions_for_missing_events_are_refused(
    here: Resident, alice: Person, body: JsonObject, errcode: str
) -> None:
    room_id = await here.shared_room(alice)
    path = f"/get_missing_events/{quoted(room_id)}"
    assert (await here.asked(path, method="POST", body=body)).refusal == (400, errcode)


async def test_a_stranger_who_joins_sees_what_is_shared(here: Resident, alice: Person) -> None:
    room_id = await alice.creates_room(preset="public_chat")
    (event_id,) = await says(here, alice, room_id, 1)
    await here.lets_in(room_id, EVE)
    path = f"/backfill/{quoted(room_id)}?limit=1&v={quoted(event_id)}"
    answer = await here.asked(path, by=STRANGER)
    assert json.loads(answer.body)["pdus"][0]["content"]["body"] == "0"

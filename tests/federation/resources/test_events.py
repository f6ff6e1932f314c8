"""Other servers read events and states."""

from __future__ import annotations

import json
from typing import Any

import pytest

from homeserver.domain.event_hashes import reference_hash
from homeserver.domain.events import Event
from homeserver.domain.identifiers import EventId, RoomId
from homeserver.domain.room_versions import room_version
from homeserver.ports.rooms.events import Standing
from homeserver.rooms.incoming import outside
from tests.federation.resident import BOB, STRANGER, Resident
from tests.rooms_fixture import SERVER, Person, quoted

FORBIDDEN = (403, "M_FORBIDDEN")
NOT_FOUND = (404, "M_NOT_FOUND")
UNKNOWN = EventId("$" + "x" * 43)


def id_of(pdu: dict[str, Any], version: str = "12") -> str:
    encoded = reference_hash(pdu, room_version(version))
    return "$" + encoded.replace("+", "-").replace("/", "_")


async def last_event(here: Resident, room_id: RoomId) -> EventId:
    return (await here.timeline(room_id))[-1].event.event_id


def about_a_room(room_id: str, event_id: str) -> list[str]:
    room, event = quoted(room_id), quoted(event_id)
    return [
        f"/state/{room}?event_id={event}",
        f"/state_ids/{room}?event_id={event}",
        f"/event_auth/{room}/{event}",
    ]


async def test_an_event_is_served_as_it_was_signed(here: Resident, alice: Person) -> None:
    room_id = await here.shared_room(alice)
    event_id = await alice.sends(room_id, "hello")
    said = await here.asked(f"/event/{quoted(event_id)}")
    assert said.status == 200
    assert said.json["origin"] == SERVER
    assert said.json["origin_server_ts"] == here.clock.now_ms()
    (pdu,) = said.json["pdus"]
    assert id_of(pdu) == event_id
    assert pdu["content"]["body"] == "hello"
    stored = (await here.timeline(room_id))[-1]
    assert stored.event.pdu in said.body


async def test_an_event_of_a_room_that_a_server_is_not_in_is_refused(
    here: Resident, alice: Person
) -> None:
    room_id = await alice.creates_room(preset="private_chat")
    await alice.sets(room_id, "m.room.history_visibility", {"history_visibility": "joined"})
    event_id = await alice.sends(room_id, "hello")
    assert (await here.asked(f"/event/{quoted(event_id)}")).refusal == FORBIDDEN


async def test_an_event_that_everybody_may_read_is_served_to_everybody(
    here: Resident, alice: Person
) -> None:
    room_id = await alice.creates_room(preset="public_chat")
    before = await alice.sends(room_id, "before")
    await alice.sets(room_id, "m.room.history_visibility", {"history_visibility": "world_readable"})
    after = await alice.sends(room_id, "after")
    assert (await here.asked(f"/event/{quoted(before)}", by=STRANGER)).refusal == FORBIDDEN
    assert (await here.asked(f"/event/{quoted(after)}", by=STRANGER)).status == 200


async def test_a_server_that_left_still_reads_what_it_saw(here: Resident, alice: Person) -> None:
    room_id = await here.shared_room(alice)
    seen = await alice.sends(room_id, "you are here")
    await here.appends(room_id, BOB, "m.room.member", {"membership": "leave"}, BOB)
    unseen = await alice.sends(room_id, "you are gone")
    assert (await here.asked(f"/event/{quoted(seen)}")).status == 200
    assert (await here.asked(f"/event/{quoted(unseen)}")).refusal == FORBIDDEN


async def test_unknown_and_malformed_events_are_refused(here: Resident, alice: Person) -> None:
    await here.shared_room(alice)
    assert (await here.asked(f"/event/{quoted(UNKNOWN)}")).refusal == NOT_FOUND
    assert (await here.asked("/event/nonsense")).refusal == (400, "M_INVALID_PARAM")


async def test_requests_must_be_signed(here: Resident, alice: Person) -> None:
    room_id = await here.shared_room(alice)
    event_id = await last_event(here, room_id)
    for path in [f"/event/{quoted(event_id)}", *about_a_room(room_id, event_id)]:
        assert (await here.asked(path, by=None)).refusal == (401, "M_UNAUTHORIZED")


async def test_the_state_before_an_event_comes_with_its_auth_chain(
    here: Resident, alice: Person
) -> None:
    room_id = await here.shared_room(alice)
    first = await alice.sets(room_id, "m.room.topic", {"topic": "first"})
    second = await alice.sets(room_id, "m.room.topic", {"topic": "second"})
    await alice.sends(room_id, "hello")
    said = await here.asked(f"/state/{quoted(room_id)}?event_id={quoted(second)}")
    assert said.status == 200
    state = {(pdu["type"], pdu["state_key"]): id_of(pdu) for pdu in said.json["pdus"]}
    assert state["m.room.topic", ""] == first
    assert {("m.room.create", ""), ("m.room.member", BOB)} <= state.keys()
    chain = {id_of(pdu): pdu for pdu in said.json["auth_chain"]}
    for pdu in said.json["pdus"] + said.json["auth_chain"]:
        assert set(pdu["auth_events"]) <= chain.keys()
    ids = await here.asked(f"/state_ids/{quoted(room_id)}?event_id={quoted(second)}")
    assert set(ids.json["pdu_ids"]) == set(state.values())
    assert set(ids.json["auth_chain_ids"]) == chain.keys()


async def test_the_state_before_the_first_event_is_empty(here: Resident, alice: Person) -> None:
    room_id = await here.shared_room(alice)
    create = (await here.timeline(room_id))[0].event.event_id
    said = await here.asked(f"/state/{quoted(room_id)}?event_id={quoted(create)}")
    assert said.json == {"pdus": [], "auth_chain": []}


async def test_the_auth_chain_of_an_event_goes_back_to_the_beginning(
    here: Resident, alice: Person
) -> None:
    room_id = await here.shared_room(alice, room_version="11")
    event_id = await alice.sends(room_id, "hello")
    said = await here.asked(f"/event_auth/{quoted(room_id)}/{quoted(event_id)}")
    chain = {id_of(pdu, "11"): pdu for pdu in said.json["auth_chain"]}
    assert event_id not in chain
    assert {"m.room.create", "m.room.member", "m.room.power_levels"} <= {
        pdu["type"] for pdu in chain.values()
    }
    for pdu in chain.values():
        assert set(pdu["auth_events"]) <= chain.keys()


async def test_a_large_state_is_complete(here: Resident, alice: Person) -> None:
    room_id = await here.shared_room(alice)
    actor = await here.actor(room_id)
    for number in range(12):
        content = {"text": f"{number}" * 30_000}
        await here.appends(room_id, alice.user_id, "org.example.large", content, f"key{number}")
    event_id = await alice.sends(room_id, "hello")
    said = await here.asked(f"/state/{quoted(room_id)}?event_id={quoted(event_id)}")
    keys = {pdu["state_key"] for pdu in said.json["pdus"] if pdu["type"] == "org.example.large"}
    assert len(keys) == 12
    assert len(said.json["pdus"]) == len(actor.view.state) + len(actor.view.members)


async def test_servers_that_are_not_in_the_room_are_told_nothing(
    here: Resident, alice: Person
) -> None:
    room_id = await here.shared_room(alice)
    event_id = await last_event(here, room_id)
    for path in about_a_room(room_id, event_id) + about_a_room("!nowhere:hs", event_id):
        assert (await here.asked(path, by=STRANGER)).refusal == FORBIDDEN


async def test_servers_that_left_are_told_nothing_of_the_state(
    here: Resident, alice: Person
) -> None:
    room_id = await here.shared_room(alice)
    event_id = await last_event(here, room_id)
    await here.appends(room_id, BOB, "m.room.member", {"membership": "leave"}, BOB)
    for path in about_a_room(room_id, event_id):
        assert (await here.asked(path)).refusal == FORBIDDEN


async def test_servers_that_the_acl_denies_are_told_nothing(here: Resident, alice: Person) -> None:
    room_id = await here.shared_room(alice)
    event_id = await last_event(here, room_id)
    acl = {"allow": ["*"], "deny": ["*.example"]}
    await alice.sets(room_id, "m.room.server_acl", acl)
    for path in [f"/event/{quoted(event_id)}", *about_a_room(room_id, event_id)]:
        assert (await here.asked(path)).refusal == FORBIDDEN


async def test_events_that_are_not_in_the_room_are_not_found(here: Resident, alice: Person) -> None:
    room_id = await here.shared_room(alice)
    elsewhere = await last_event(here, await here.shared_room(alice))
    for event_id in (UNKNOWN, elsewhere):
        for path in about_a_room(room_id, event_id):
            assert (await here.asked(path)).refusal == NOT_FOUND


async def test_malformed_requests_are_refused(here: Resident, alice: Person) -> None:
    room_id = await here.shared_room(alice)
    invalid = (400, "M_INVALID_PARAM")
    for path in about_a_room(room_id, "nonsense") + about_a_room("nonsense", UNKNOWN):
        assert (await here.asked(path)).refusal == invalid
    assert (await here.asked(f"/state/{quoted(room_id)}")).refusal == (400, "M_MISSING_PARAM")
    assert (await here.asked(f"/state_ids/{quoted(room_id)}")).refusal == (400, "M_MISSING_PARAM")


@pytest.mark.parametrize("standing", [Standing.REJECTED, Standing.OUTLIER])
async def test_there_is_no_state_at_events_without_a_place(
    here: Resident, alice: Person, standing: Standing
) -> None:
    room_id = await here.shared_room(alice)
    stored = (await here.timeline(room_id))[-1]
    pdu = json.loads(stored.event.pdu)
    forged = Event.from_pdu(json.dumps({**pdu, "depth": 99}).encode(), stored.event.version)
    actor = await here.actor(room_id)
    ((_, nid),) = here.directory.numbered(actor.view.shard, [forged])
    await here.states.store.store_outside([outside(forged, actor.view.nid, nid, standing)])
    event_id = quoted(forged.event_id)
    assert (await here.asked(f"/event/{event_id}")).status == 200
    state, state_ids, auth = about_a_room(room_id, forged.event_id)
    assert (await here.asked(state)).refusal == NOT_FOUND
    assert (await here.asked(state_ids)).refusal == NOT_FOUND
    assert (await here.asked(auth)).status == 200
    assert (await here.asked(f"/event/{event_id}", by=STRANGER)).refusal == FORBIDDEN

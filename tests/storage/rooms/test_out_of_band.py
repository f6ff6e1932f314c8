"""Memberships in rooms that the server is not in."""

from __future__ import annotations

import json

import pytest

from homeserver.domain.errors import InvalidParam
from homeserver.domain.events import Event, EventDraft, build_event
from homeserver.domain.identifiers import RoomId, ServerName, UserId
from homeserver.domain.room_versions import room_version
from homeserver.rooms.out_of_band import OutOfBandMemberships, Told
from storage.rooms.out_of_band import SqlOutOfBandStore
from storage.rooms.room_imports import SqlRoomImportStore
from tests.rooms_fixture import KEY, SERVER, RoomsServer

ROOM = RoomId("!elsewhere:other.test")
OTHER = ServerName("other.test")
ALICE = UserId(f"@alice:{SERVER}")
NAME = {
    "type": "m.room.name",
    "state_key": "",
    "sender": "@bob:other.test",
    "content": {"name": "D\0n"},
}


def member(membership: str, room_id: RoomId = ROOM, sender: str = "@bob:other.test") -> Event:
    draft = EventDraft(
        room_id, "m.room.member", UserId(sender), ALICE, {"membership": membership}, 1
    )
    return build_event(
        draft,
        room_version("11"),
        prev_events=[],
        auth_events=[],
        depth=1,
        server_name=OTHER,
        signing_key=KEY,
    )


def memberships_of(rooms: RoomsServer) -> OutOfBandMemberships:
    return OutOfBandMemberships(
        rooms.directory, rooms.log, SqlOutOfBandStore(rooms.log), rooms.clock
    )


async def test_an_invite_is_kept_with_what_was_told_of_the_room(rooms: RoomsServer) -> None:
    kept = memberships_of(rooms)
    invite = member("invite")
    await kept.record(invite, Told([NAME], [OTHER]))

    known = await kept.of(ALICE, ROOM)
    assert known is not None
    assert known.event.event == invite
    assert known.servers == [OTHER]
    assert known.room.version == "11"
    (room,) = await rooms.room_store.rooms_of_user(ALICE)
    assert (room.membership, room.sender, room.room_id) == ("invite", "@bob:other.test", ROOM)
    view = (await rooms.directory.by_nid(room.room_nid)).view
    assert not view.is_known
    assert [json.loads(event) for event in view.told[ALICE]] == [NAME]


async def test_the_same_invite_may_come_again(rooms: RoomsServer) -> None:
    kept = memberships_of(rooms)
    for _ in range(2):
        await kept.record(member("invite"), Told([NAME], [OTHER]))
    assert len(await rooms.room_store.rooms_of_user(ALICE)) == 1


async def test_the_end_of_an_invite_removes_what_was_told(rooms: RoomsServer) -> None:
    kept = memberships_of(rooms)
    await kept.record(member("invite"), Told([NAME], [OTHER]))
    await kept.record(member("leave", sender=ALICE))
    assert await kept.of(ALICE, ROOM) is None
    (room,) = await rooms.room_store.rooms_of_user(ALICE)
    assert room.membership == "leave"
    assert rooms.rows("SELECT * FROM out_of_band_memberships") == []


async def test_an_event_of_another_room_is_not_taken_for_one_of_this(rooms: RoomsServer) -> None:
    kept = memberships_of(rooms)
    invite = member("invite")
    await kept.record(invite, Told([], [OTHER]))
    elsewhere = member("invite", RoomId("!other:other.test"))
    twin = Event.from_pdu(elsewhere.pdu, elsewhere.version, invite.event_id)
    with pytest.raises(InvalidParam):
        await kept.record(twin, Told([], [OTHER]))
    assert len(rooms.rows("SELECT room_id FROM rooms")) == 1


async def test_discarding_a_room_keeps_who_is_invited_to_it(rooms: RoomsServer) -> None:
    kept = memberships_of(rooms)
    await kept.record(member("invite"), Told([NAME], [OTHER]))
    (room,) = await rooms.room_store.rooms_of_user(ALICE)
    await SqlRoomImportStore(rooms.log).discard(room.room_nid, SERVER)
    assert await kept.of(ALICE, ROOM) is not None


async def test_a_room_with_a_timeline_is_not_discarded(rooms: RoomsServer) -> None:
    room_id = await rooms.person("bob").creates_room(preset="public_chat")
    nid = (await rooms.actor(room_id)).view.nid
    before = rooms.rows("SELECT event_nid FROM state_intervals ORDER BY event_nid")
    await SqlRoomImportStore(rooms.log).discard(nid, SERVER)
    after = rooms.rows("SELECT event_nid FROM state_intervals ORDER BY event_nid")
    assert before == after


async def test_a_room_nobody_here_has_to_do_with_is_discarded(rooms: RoomsServer) -> None:
    kept = memberships_of(rooms)
    await kept.record(member("invite"), Told([NAME], [OTHER]))
    nid = rooms.rows("SELECT room_nid FROM rooms")[0][0]
    await SqlRoomImportStore(rooms.log).discard(nid, OTHER)
    assert rooms.rows("SELECT room_nid FROM rooms") == []
    assert rooms.rows("SELECT event_id FROM events") == []

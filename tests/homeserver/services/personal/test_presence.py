"""Who is there, as others are told."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from homeserver.domain.errors import Forbidden
from homeserver.domain.identifiers import UserId
from homeserver.domain.presence import IDLE_AFTER_MS, PresenceState
from homeserver.log.entries import PresenceEntry
from homeserver.ports.personal.profiles import Profile
from homeserver.services.messages.receipts import READ
from homeserver.services.personal.presence import GRACE_MS, Presence
from storage.rooms.memberships import SqlMembershipStore
from tests.homeserver.personal_server import ALICE, BOB, CAROL, PersonalServer

ONLINE, UNAVAILABLE, OFFLINE = PresenceState


def told(server: PersonalServer) -> list[tuple[UserId, object]]:
    """Who was said to be what, since it was asked last."""
    found: list[tuple[UserId, object]] = [
        (entry.user_id, entry.content["presence"])
        for entry in server.entries
        if isinstance(entry, PresenceEntry)
    ]
    server.entries.clear()
    return found


def presence(server: PersonalServer, user_id: UserId) -> Any:
    current = server.presence.current(user_id)
    return current and current["presence"]


async def test_who_syncs_is_online_until_they_are_gone() -> None:
    server = PersonalServer()
    server.presence.note_sync(ALICE, "online", lasting_ms=30_000)
    assert told(server) == [(ALICE, ONLINE)]
    server.clock.advance(29)
    server.presence.note_sync(ALICE, "online", lasting_ms=30_000)
    server.clock.advance(30)
    assert told(server) == []
    server.clock.advance(GRACE_MS / 1000)
    assert told(server) == [(ALICE, OFFLINE)]


async def test_who_syncs_and_does_nothing_is_unavailable_after_a_while() -> None:
    server = PersonalServer()
    room = await server.room(ALICE)
    event = await server.say(ALICE, room)
    server.entries.clear()

    def sync_for(milliseconds: int) -> None:
        for _ in range(0, milliseconds, 10_000):
            server.presence.note_sync(ALICE, "online")
            server.clock.advance(10)

    sync_for(IDLE_AFTER_MS + 10_000)
    assert told(server) == [(ALICE, ONLINE), (ALICE, UNAVAILABLE)]
    await server.say(ALICE, room)
    assert told(server) == [(ALICE, ONLINE)]
    sync_for(IDLE_AFTER_MS + 10_000)
    await server.receipts.move(ALICE, room.view.room_id, READ, event.event.event_id)
    assert told(server) == [(ALICE, UNAVAILABLE), (ALICE, ONLINE)]


async def test_rooms_that_hear_of_a_new_name_do_not_make_its_user_active() -> None:
    server = PersonalServer()
    await server.room(ALICE)
    server.presence.note_sync(ALICE, "unavailable")
    await server.profiles.set_field(ALICE, "displayname", "Alice")
    await server.settle(1)
    assert presence(server, ALICE) == "unavailable"


async def test_a_client_can_sync_without_showing_its_user() -> None:
    server = PersonalServer()
    server.presence.note_sync(ALICE, "offline")
    assert server.presence.current(ALICE) is None
    server.presence.note_sync(ALICE, "unavailable", "laptop")
    server.presence.note_sync(ALICE, "offline", "phone")
    assert told(server) == [(ALICE, UNAVAILABLE)]


async def test_a_state_set_by_hand_is_told_with_its_message() -> None:
    server = PersonalServer()
    server.presence.set(ALICE, ONLINE, "at work")
    (entry,) = server.entries
    assert isinstance(entry, PresenceEntry)
    assert entry.content == {
        "presence": "online",
        "last_active_ago": 0,
        "currently_active": True,
        "status_msg": "at work",
    }
    server.clock.advance(10)
    server.presence.set(ALICE, UNAVAILABLE, None)
    assert server.presence.current(ALICE) == {"presence": "unavailable", "last_active_ago": 0}


async def test_a_user_is_told_of_at_most_once_a_second() -> None:
    server = PersonalServer()
    for number in range(10):
        server.presence.set(ALICE, ONLINE, f"message {number}")
        server.clock.advance(0.05)
    server.presence.set(BOB, ONLINE, None)
    assert told(server) == [(ALICE, ONLINE), (BOB, ONLINE)]
    server.clock.advance(1)
    (entry,) = server.entries
    assert isinstance(entry, PresenceEntry)
    assert entry.content["status_msg"] == "message 9"


async def test_what_is_taken_back_within_a_second_is_not_told() -> None:
    server = PersonalServer()
    server.presence.set(ALICE, ONLINE, None)
    server.presence.set(ALICE, UNAVAILABLE, None)
    server.presence.set(ALICE, ONLINE, None)
    server.clock.advance(2)
    assert told(server) == [(ALICE, ONLINE)]


async def test_the_time_since_the_last_activity_is_up_to_date() -> None:
    server = PersonalServer()
    server.presence.set(ALICE, ONLINE, None)
    server.clock.advance(7)
    event = server.presence.event(ALICE)
    assert event is not None
    assert msgspec.json.decode(event) == {
        "content": {"presence": "online", "last_active_ago": 7000, "currently_active": True},
        "sender": ALICE,
        "type": "m.presence",
    }
    assert server.presence.event(BOB) is None


async def test_a_new_name_is_told_of_who_is_there() -> None:
    server = PersonalServer()
    server.presence.note_profile(BOB, Profile("Bob"))
    server.presence.set(ALICE, ONLINE, None)
    server.clock.advance(2)
    server.entries.clear()
    server.presence.note_profile(ALICE, Profile("Alice", "mxc://hs/a"))
    (entry,) = server.entries
    assert isinstance(entry, PresenceEntry)
    assert entry.content["displayname"] == "Alice"
    assert entry.content["avatar_url"] == "mxc://hs/a"


async def test_presence_is_for_those_who_share_a_room() -> None:
    server = PersonalServer()
    await server.room(ALICE, BOB)
    server.presence.set(ALICE, ONLINE, None)
    assert (await server.presence.seen_by(BOB, ALICE))["presence"] == "online"
    assert await server.presence.seen_by(ALICE, BOB) == {"presence": "offline"}
    assert await server.presence.seen_by(CAROL, CAROL) == {"presence": "offline"}
    with pytest.raises(Forbidden):
        await server.presence.seen_by(CAROL, ALICE)


async def test_those_seen_longest_ago_are_forgotten() -> None:
    server = PersonalServer()
    presence = Presence(server.log, SqlMembershipStore(server.log), server.clock, capacity=2)
    for user_id in (ALICE, BOB, ALICE, CAROL):
        presence.note_sync(user_id, "online")
    assert presence.current(BOB) is None
    assert presence.current(ALICE) is not None


async def test_nothing_happens_when_presence_is_switched_off() -> None:
    server = PersonalServer(presence_enabled=False)
    server.presence.note_sync(ALICE, "online")
    server.presence.set(ALICE, ONLINE, "at work")
    assert server.entries == []
    assert await server.presence.seen_by(ALICE, ALICE) == {"presence": "offline"}


async def test_presence_is_never_written() -> None:
    server = PersonalServer()
    await server.room(ALICE)
    server.database.writes = 0
    server.presence.set(ALICE, ONLINE, None)
    server.clock.advance(600)
    assert presence(server, ALICE) == "offline"
    assert server.database.writes == 0

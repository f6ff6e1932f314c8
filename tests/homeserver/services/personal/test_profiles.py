"""What users say of themselves, and how their rooms hear of it."""

from __future__ import annotations

from typing import Any

import pytest

from homeserver.domain.errors import InvalidParam, NotFound, ProfileTooLarge
from homeserver.domain.identifiers import UserId
from homeserver.domain.presence import PresenceState
from homeserver.log.entries import EventEntry
from homeserver.ports.personal.profiles import Profile
from homeserver.rooms.actor import NewEvent, RoomActor
from homeserver.services.personal.profile_propagation import AT_ONCE
from tests.homeserver.personal_server import ALICE, BOB, CAROL, PersonalServer

PICTURE = "mxc://hs/picture"


async def shown(room: RoomActor, user_id: UserId = ALICE) -> dict[str, Any]:
    """The content of a user's member event."""
    await room.prepare([NewEvent("m.room.member", user_id, {"membership": "join"}, user_id)])
    member = room.head_event(("m.room.member", user_id))
    assert member is not None
    return member.event.content


async def joined_with(server: PersonalServer, **content: Any) -> RoomActor:
    """A room of Bob's that Alice has joined, as the server lets her."""
    room = await server.room(BOB)
    await server.join(ALICE, room, **content)
    return room


async def test_fields_are_read_as_they_were_set() -> None:
    server = PersonalServer()
    await server.register(ALICE)
    await server.profiles.set_field(ALICE, "displayname", "Alice")
    await server.profiles.set_field(ALICE, "org.example.pets", ["cat", None])
    for reading in (server, server.restarted()):
        assert await reading.profiles.of(ALICE) == Profile("Alice", None)
        assert await reading.profiles.field(ALICE, "org.example.pets") == ["cat", None]
        assert await reading.profiles.fields(ALICE) == {
            "displayname": "Alice",
            "org.example.pets": ["cat", None],
        }
    await server.profiles.delete_field(ALICE, "displayname")
    assert await server.profiles.of(ALICE) == Profile()
    with pytest.raises(NotFound):
        await server.profiles.field(ALICE, "displayname")


async def test_a_user_without_a_profile_exists_all_the_same() -> None:
    server = PersonalServer()
    await server.register(ALICE)
    assert await server.profiles.fields(ALICE) == {}
    assert await server.profiles.of(BOB) == Profile()
    with pytest.raises(NotFound):
        await server.profiles.fields(BOB)


async def test_many_profiles_are_read_in_one_query() -> None:
    server = PersonalServer()
    await server.profiles.set_field(ALICE, "displayname", "Alice")
    again = server.restarted()
    again.database.reads = 0
    for _ in range(2):
        assert await again.profiles.of_all([ALICE, BOB, CAROL]) == {
            ALICE: Profile("Alice"),
            BOB: Profile(),
            CAROL: Profile(),
        }
    assert again.database.reads == 1


async def test_what_does_not_belong_in_a_profile_changes_nothing() -> None:
    server = PersonalServer()
    await server.register(ALICE)
    with pytest.raises(InvalidParam):
        await server.profiles.set_field(ALICE, "nickname", "Al")
    with pytest.raises(InvalidParam):
        await server.profiles.delete_field(ALICE, "nickname")
    with pytest.raises(ProfileTooLarge):
        await server.profiles.set_field(ALICE, "a.b", "x" * 65_536)
    assert await server.profiles.fields(ALICE) == {}


async def test_a_name_given_at_registration_is_kept_within_limits() -> None:
    server = PersonalServer()
    await server.profiles.begin(ALICE, "A\0" + "b" * 300)
    await server.profiles.begin(BOB, None)
    assert await server.profiles.of(ALICE) == Profile("A" + "b" * 255)
    assert await server.profiles.of(BOB) == Profile()


async def test_an_erased_profile_is_gone() -> None:
    server = PersonalServer()
    await server.register(ALICE)
    await server.profiles.set_field(ALICE, "displayname", "Alice")
    await server.profiles.erase(ALICE)
    assert await server.profiles.fields(ALICE) == {}
    assert await server.profile_store.updates() == []


async def test_rooms_are_told_of_a_name_and_a_picture() -> None:
    server = PersonalServer()
    room = await joined_with(server, reason="hello", **{"org.example.mood": "good"})
    await server.profiles.set_field(ALICE, "displayname", "Alice")
    await server.profiles.set_field(ALICE, "avatar_url", PICTURE)
    await server.settle()
    expected = {
        "membership": "join",
        "displayname": "Alice",
        "avatar_url": PICTURE,
        "org.example.mood": "good",
    }
    assert await shown(room) == expected
    assert await server.profile_store.updates() == []
    await server.profiles.delete_field(ALICE, "avatar_url")
    await server.settle()
    del expected["avatar_url"]
    assert await shown(room) == expected


async def test_who_shows_themselves_is_told_of_under_the_new_name() -> None:
    server = PersonalServer()
    server.presence.set(ALICE, PresenceState.ONLINE, None)
    server.clock.advance(2)
    await server.profiles.set_field(ALICE, "displayname", "Alice")
    current = server.presence.current(ALICE)
    assert current is not None
    assert current["displayname"] == "Alice"


async def test_other_fields_concern_no_room() -> None:
    server = PersonalServer()
    await joined_with(server)
    server.entries.clear()
    await server.profiles.set_field(ALICE, "m.tz", "Europe/Paris")
    await server.settle()
    assert server.entries == []


async def test_setting_the_same_again_concerns_nobody() -> None:
    server = PersonalServer()
    await joined_with(server)
    await server.profiles.set_field(ALICE, "displayname", "Alice")
    await server.settle()
    server.entries.clear()
    server.database.writes = 0
    await server.profiles.set_field(ALICE, "displayname", "Alice")
    await server.settle()
    assert server.entries == []
    assert server.database.writes == 0


async def test_a_name_that_was_set_in_one_room_stays() -> None:
    server = PersonalServer()
    await server.profiles.set_field(ALICE, "displayname", "Alice")
    await server.profiles.set_field(ALICE, "avatar_url", PICTURE)
    await server.settle()
    ordinary = await joined_with(server, displayname="Alice", avatar_url=PICTURE)
    nickname = await joined_with(server, displayname="Queen", avatar_url=PICTURE)
    disguise = await joined_with(server, displayname="Alice", avatar_url="mxc://hs/mask")
    await server.profiles.set_field(ALICE, "displayname", "Alicia")
    await server.profiles.set_field(ALICE, "avatar_url", "mxc://hs/new")
    await server.settle()
    names = [(await shown(room)).get("displayname") for room in (ordinary, nickname, disguise)]
    pictures = [(await shown(room)).get("avatar_url") for room in (ordinary, nickname, disguise)]
    assert names == ["Alicia", "Queen", "Alicia"]
    assert pictures == ["mxc://hs/new", "mxc://hs/new", "mxc://hs/mask"]


async def test_only_rooms_that_the_user_is_in_are_told() -> None:
    server = PersonalServer()
    left = await joined_with(server)
    await server.leave(ALICE, left)
    invited = await server.room(BOB)
    await invited.append(NewEvent("m.room.member", BOB, {"membership": "invite"}, ALICE))
    server.entries.clear()
    await server.profiles.set_field(ALICE, "displayname", "Alice")
    await server.settle()
    assert server.entries == []


async def test_the_change_answers_before_the_rooms_are_told_in_batches() -> None:
    server = PersonalServer()
    rooms = [await joined_with(server) for _ in range(AT_ONCE + 5)]
    server.entries.clear()
    await server.profiles.set_field(ALICE, "displayname", "Alice")
    told = [entry for entry in server.entries if isinstance(entry, EventEntry)]
    assert len(told) <= AT_ONCE
    await server.settle()
    assert [(await shown(room))["displayname"] for room in rooms] == ["Alice"] * len(rooms)
    assert len(server.entries) == len(rooms)


async def test_the_latest_of_several_changes_wins_everywhere() -> None:
    server = PersonalServer()
    rooms = [await joined_with(server) for _ in range(AT_ONCE + 5)]
    for name in ("Al", "Ali", "Alice"):
        await server.profiles.set_field(ALICE, "displayname", name)
    await server.settle()
    assert {(await shown(room))["displayname"] for room in rooms} == {"Alice"}
    assert await server.profile_store.updates() == []


async def test_a_change_that_is_taken_back_reaches_the_rooms_as_well() -> None:
    server = PersonalServer()
    rooms = [await joined_with(server) for _ in range(AT_ONCE + 5)]
    await server.profiles.set_field(ALICE, "displayname", "Alice")
    await server.profiles.delete_field(ALICE, "displayname")
    await server.settle()
    assert {(await shown(room)).get("displayname") for room in rooms} == {None}


async def test_an_interrupted_update_goes_on_after_a_restart() -> None:
    server = PersonalServer()
    rooms = [await joined_with(server) for _ in range(AT_ONCE + 5)]
    await server.profiles.set_field(ALICE, "displayname", "Alice")
    server.propagation.stop()
    await server.settle()
    again = server.restarted()
    assert len(await again.profile_store.updates()) == 1
    await again.propagation.resume()
    await again.settle()
    loaded = [await again.directory.by_nid(room.view.nid) for room in rooms]
    assert {(await shown(room))["displayname"] for room in loaded} == {"Alice"}
    told = [entry for entry in again.entries if isinstance(entry, EventEntry)]
    assert 0 < len(told) < len(rooms)
    assert await again.profile_store.updates() == []


async def test_an_update_waits_while_the_database_is_away() -> None:
    server = PersonalServer()
    room = await joined_with(server)
    server.database.hold_commits = True
    stored = server.profile_store.set_fields(ALICE, b'{"displayname":"A"}', Profile(), Profile("A"))
    server.database.release()
    update = await stored
    assert update is not None
    server.database.broken = True
    server.propagation.add(update)
    await server.settle()
    server.database.broken = False
    await server.settle()
    loaded = await server.directory.by_nid(room.view.nid)
    assert (await shown(loaded))["displayname"] == "A"
    assert await server.profile_store.updates() == []

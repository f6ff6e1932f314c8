"""Replacing a room by one of another version."""

from __future__ import annotations

from typing import Any

import pytest

from homeserver.domain.identifiers import RoomId
from homeserver.domain.room_versions import ROOM_VERSIONS
from homeserver.rooms.actor import NewEvent
from tests.bare_rooms import first_events, state
from tests.rooms_fixture import Person, RoomsServer, quoted, refused

FORBIDDEN = (403, "M_FORBIDDEN")


async def upgrade(person: Person, room_id: str, version: str, **body: Any) -> RoomId:
    response = await person.post(
        f"/rooms/{quoted(room_id)}/upgrade", {"new_version": version, **body}
    )
    assert response.status == 200, response.json
    return RoomId(response.json["replacement_room"])


async def refusal(person: Person, room_id: str, body: dict[str, Any]) -> tuple[int, str]:
    return refused(await person.post(f"/rooms/{quoted(room_id)}/upgrade", body))


async def test_the_old_room_points_to_the_new_one_and_back(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    old = await alice.creates_room(room_version="10")
    last = await alice.sends(old, "the last word")

    new = await upgrade(alice, old, "12")

    tombstone = await rooms.content(old, "m.room.tombstone")
    assert tombstone["replacement_room"] == new
    assert isinstance(tombstone["body"], str)
    create = await rooms.content(new, "m.room.create")
    assert create["predecessor"] == {"room_id": old, "event_id": last}
    assert create["room_version"] == "12"
    assert await rooms.membership(new, alice) == "join"


@pytest.mark.parametrize("new_version", ROOM_VERSIONS)
@pytest.mark.parametrize("old_version", ["1", "9", "11", "12"])
async def test_any_version_can_follow_any_other(
    rooms: RoomsServer, old_version: str, new_version: str
) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    old = await alice.creates_room(room_version=old_version, preset="public_chat", name="Pub")

    new = await upgrade(alice, old, new_version)
    await bob.joins(new)
    await bob.sends(new, "here we are")
    await alice.sets(new, "m.room.name", {"name": "New pub"})

    assert (await rooms.actor(new)).view.version.identifier == new_version


async def test_the_state_is_handed_on(rooms: RoomsServer) -> None:
    alice, bob, eve = (rooms.person(name) for name in ("alice", "bob", "eve"))
    handed_on: dict[str, dict[str, Any]] = {
        "m.room.server_acl": {"allow": ["*"], "deny": ["evil.example"]},
        "m.room.encryption": {"algorithm": "m.megolm.v1.aes-sha2"},
        "m.room.avatar": {"url": "mxc://hs/a"},
        "m.room.guest_access": {"guest_access": "forbidden"},
        "m.room.history_visibility": {"history_visibility": "invited"},
        "m.room.join_rules": {"join_rule": "knock"},
    }
    old = await alice.creates_room(
        room_version="10",
        name="Pub",
        topic="Ale",
        creation_content={"type": "org.example", "m.federate": False, "org.example": 1},
        initial_state=[{"type": t, "content": content} for t, content in handed_on.items()]
        + [{"type": "org.example.secret", "content": {"a": 1}}],
        power_level_content_override={"users": {alice.user_id: 100, bob.user_id: 50}, "invite": 7},
    )
    await alice.invites(old, bob)
    await alice.bans(old, eve)
    levels = await rooms.content(old, "m.room.power_levels")

    new = await upgrade(alice, old, "11")

    for type, content in handed_on.items():
        assert await rooms.content(new, type) == content
    assert await rooms.content(new, "m.room.name") == {"name": "Pub"}
    assert (await rooms.content(new, "m.room.topic"))["topic"] == "Ale"
    assert await rooms.content(new, "m.room.power_levels") == levels
    create = await rooms.content(new, "m.room.create")
    assert (create["type"], create["m.federate"]) == ("org.example", False)
    assert "org.example" not in create
    actor = await rooms.actor(new)
    assert actor.head_event(("org.example.secret", "")) is None
    assert await rooms.membership(new, eve) == "ban"
    assert bob.user_id not in actor.view.members


async def test_a_name_set_in_the_room_alone_is_kept(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    old = await alice.creates_room()
    member = {"membership": "join", "displayname": "Al", "reason": "x"}
    await alice.sets(old, "m.room.member", member, alice.user_id)

    new = await upgrade(alice, old, "12")

    assert await rooms.content(new, "m.room.member", alice.user_id) == {
        "membership": "join",
        "displayname": "Al",
    }


async def test_nobody_says_anything_in_the_old_room(rooms: RoomsServer) -> None:
    alice, bob, carol = (rooms.person(name) for name in ("alice", "bob", "carol"))
    old = await alice.creates_room(preset="public_chat")
    await bob.joins(old)

    await upgrade(alice, old, "12")

    levels = await rooms.content(old, "m.room.power_levels")
    assert (levels["events_default"], levels["invite"]) == (50, 50)
    assert refused(await bob.send(old, {})) == FORBIDDEN
    invite = await bob.post(f"/rooms/{quoted(old)}/invite", {"user_id": carol.user_id})
    assert refused(invite) == FORBIDDEN


async def test_the_old_room_is_locked_above_what_everybody_has(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    old = await alice.creates_room(
        power_level_content_override={"users_default": 60, "events_default": 70}
    )

    await upgrade(alice, old, "12")

    levels = await rooms.content(old, "m.room.power_levels")
    assert (levels["events_default"], levels["invite"]) == (70, 61)


async def test_aliases_and_the_place_in_the_directory_move(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    old = await alice.creates_room(visibility="public", name="Pub", room_alias_name="pub")
    await alice.put(f"/directory/room/{quoted('#bar:hs')}", {"room_id": old})
    aliases = {"alias": "#pub:hs", "alt_aliases": ["#bar:hs"]}
    await alice.sets(old, "m.room.canonical_alias", aliases)

    new = await upgrade(alice, old, "12")

    for alias in ("#pub:hs", "#bar:hs"):
        assert await rooms.aliases.room_of(alias) == new
    assert await rooms.content(new, "m.room.canonical_alias") == aliases
    assert await rooms.content(old, "m.room.canonical_alias") == {}
    (listed,) = (await alice.get("/publicRooms")).json["chunk"]
    assert (listed["room_id"], listed["name"]) == (new, "Pub")


async def test_a_space_keeps_its_rooms(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    old = await alice.creates_room(creation_content={"type": "m.space"})
    await alice.sets(old, "m.space.child", {"via": ["hs"]}, "!child:hs")
    await alice.sets(old, "m.space.child", {}, "!gone:hs")

    new = await upgrade(alice, old, "12")

    actor = await rooms.actor(new)
    children = [key for type, key in actor.view.state if type == "m.space.child"]
    assert children == ["!child:hs"]


async def test_in_version_12_creators_are_named_by_who_upgrades(rooms: RoomsServer) -> None:
    alice, bob, carol = (rooms.person(name) for name in ("alice", "bob", "carol"))
    old = await alice.creates_room(
        room_version="12", creation_content={"additional_creators": [bob.user_id]}
    )
    levels = await rooms.content(old, "m.room.power_levels")
    await alice.sets(old, "m.room.power_levels", {**levels, "users": {carol.user_id: 100}})

    plain = await upgrade(alice, old, "12")
    named = await upgrade(alice, old, "12", additional_creators=[carol.user_id, alice.user_id])

    assert "additional_creators" not in await rooms.content(plain, "m.room.create")
    assert (await rooms.content(named, "m.room.create"))["additional_creators"] == [carol.user_id]
    assert (await rooms.content(plain, "m.room.power_levels"))["users"] == {carol.user_id: 100}
    assert (await rooms.content(named, "m.room.power_levels"))["users"] == {}


async def test_creators_become_administrators_where_they_are_not_privileged(
    rooms: RoomsServer,
) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    old = await alice.creates_room(
        room_version="12", creation_content={"additional_creators": [bob.user_id]}
    )

    new = await upgrade(alice, old, "11", additional_creators=[bob.user_id])

    assert (await rooms.content(new, "m.room.power_levels"))["users"] == {
        alice.user_id: 100,
        bob.user_id: 100,
    }
    assert "additional_creators" not in await rooms.content(new, "m.room.create")


async def test_only_creators_replace_a_room_of_version_12_at_first(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    old = await alice.creates_room(room_version="11")

    levels = await rooms.content(await upgrade(alice, old, "12"), "m.room.power_levels")

    assert levels["users"] == {}
    assert levels["events"]["m.room.tombstone"] == 150


async def test_who_may_upgrade_needs_no_more_power_than_that(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    old = await alice.creates_room(
        room_version="10",
        name="Pub",
        preset="public_chat",
        power_level_content_override={
            "users": {alice.user_id: 100, bob.user_id: 50},
            "events": {"m.room.tombstone": 50, "m.room.name": 90},
        },
    )
    await bob.joins(old)
    levels = await rooms.content(old, "m.room.power_levels")

    new = await upgrade(bob, old, "11")

    assert await rooms.content(new, "m.room.name") == {"name": "Pub"}
    assert await rooms.content(new, "m.room.power_levels") == levels
    assert refused(await bob.set_state(new, "m.room.name", {"name": "x"})) == FORBIDDEN


async def test_text_levels_of_old_rooms_become_numbers(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    old = await alice.creates_room(room_version="5")
    actor = await rooms.actor(old)
    levels = {"users": {alice.user_id: "100", bob.user_id: " 50 "}, "ban": "60", "junk": "kept"}
    await actor.append(NewEvent("m.room.power_levels", alice.user_id, levels, ""))

    new = await rooms.content(await upgrade(alice, old, "11"), "m.room.power_levels")

    assert new == {"users": {alice.user_id: 100, bob.user_id: 50}, "ban": 60, "junk": "kept"}


@pytest.mark.parametrize("version", ["3", "11", "12"])
async def test_a_room_without_power_levels_can_be_upgraded(
    rooms: RoomsServer, version: str
) -> None:
    alice = rooms.person("alice")
    content = {"room_version": version, "creator": alice.user_id}
    actor, _, committed = rooms.directory.create(
        version,
        state("m.room.create", content),
        first_events,
        room_id=None if version == "12" else RoomId("!bare:hs"),
        published=False,
    )
    await committed

    new = await upgrade(alice, actor.view.room_id, "11")

    assert (await rooms.content(new, "m.room.power_levels"))["users"] == {alice.user_id: 100}
    await alice.sets(actor.view.room_id, "m.room.name", {"name": "still mine"})


async def test_the_settings_of_who_upgrades_are_carried_over(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    old = await alice.creates_room(preset="public_chat")
    await bob.joins(old)

    new = await upgrade(alice, old, "12")
    await bob.joins(new)

    assert rooms.settings.carried_over == [(alice.user_id, old, new), (bob.user_id, old, new)]


async def test_not_everybody_upgrades_a_room(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    old = await alice.creates_room(preset="public_chat")
    body = {"new_version": "12"}

    assert await refusal(bob, old, body) == FORBIDDEN
    await bob.joins(old)
    assert await refusal(bob, old, body) == FORBIDDEN
    assert await refusal(alice, "!nowhere:hs", body) == FORBIDDEN
    await alice.leaves(old)
    assert await refusal(alice, old, body) == FORBIDDEN
    assert rooms.rows("SELECT count(*) FROM rooms") == [(1,)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"new_version": "0"}, (400, "M_UNSUPPORTED_ROOM_VERSION")),
        ({"new_version": 12}, (400, "M_BAD_JSON")),
        ({}, (400, "M_MISSING_PARAM")),
        ({"new_version": "12", "additional_creators": ["bob"]}, (400, "M_INVALID_PARAM")),
        ({"new_version": "12", "additional_creators": "@bob:hs"}, (400, "M_BAD_JSON")),
    ],
)
async def test_what_cannot_be_upgraded_to_is_refused(
    rooms: RoomsServer, body: dict[str, Any], expected: tuple[int, str]
) -> None:
    alice = rooms.person("alice")
    old = await alice.creates_room()

    assert await refusal(alice, old, body) == expected
    assert "m.room.tombstone" not in {t for t, _ in (await rooms.actor(old)).view.state}

"""Creating rooms."""

from __future__ import annotations

from typing import Any

import pytest

from homeserver.domain.errors import RoomInUse
from homeserver.domain.identifiers import RoomAlias
from homeserver.domain.room_versions import ROOM_VERSIONS
from homeserver.ports.personal.profiles import Profile
from tests.deferreds import together
from tests.rooms_fixture import RoomsServer, refused

BEFORE_12 = [version for version in ROOM_VERSIONS if version != "12"]


async def types_of(rooms: RoomsServer, room_id: str) -> list[str]:
    return [e.event.type for e in await rooms.timeline(room_id)]


async def test_the_events_come_in_the_order_of_the_specification(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")

    room_id = await alice.creates_room(
        room_alias_name="pub",
        name="The Pub",
        topic="Ale",
        invite=[bob.user_id],
        initial_state=[
            {"type": "m.room.encryption", "content": {"algorithm": "m.megolm.v1.aes-sha2"}},
            {"type": "org.example", "state_key": "key", "content": {"a": 1}},
        ],
    )

    assert await types_of(rooms, room_id) == [
        "m.room.create",
        "m.room.member",
        "m.room.power_levels",
        "m.room.canonical_alias",
        "m.room.join_rules",
        "m.room.history_visibility",
        "m.room.guest_access",
        "m.room.encryption",
        "org.example",
        "m.room.name",
        "m.room.topic",
        "m.room.member",
    ]


@pytest.mark.parametrize(
    ("preset", "join_rule", "guest_access"),
    [
        ("private_chat", "invite", "can_join"),
        ("trusted_private_chat", "invite", "can_join"),
        ("public_chat", "public", "forbidden"),
    ],
)
async def test_a_preset_sets_who_may_come_in(
    rooms: RoomsServer, preset: str, join_rule: str, guest_access: str
) -> None:
    room_id = await rooms.person("alice").creates_room(preset=preset)

    assert await rooms.content(room_id, "m.room.join_rules") == {"join_rule": join_rule}
    assert await rooms.content(room_id, "m.room.history_visibility") == {
        "history_visibility": "shared"
    }
    assert await rooms.content(room_id, "m.room.guest_access") == {"guest_access": guest_access}


@pytest.mark.parametrize(("visibility", "join_rule"), [("public", "public"), ("private", "invite")])
async def test_without_a_preset_the_visibility_chooses_one(
    rooms: RoomsServer, visibility: str, join_rule: str
) -> None:
    room_id = await rooms.person("alice").creates_room(visibility=visibility)

    assert await rooms.content(room_id, "m.room.join_rules") == {"join_rule": join_rule}
    assert (await rooms.actor(room_id)).view.published == (visibility == "public")


async def test_initial_state_wins_over_the_preset_and_name_over_initial_state(
    rooms: RoomsServer,
) -> None:
    room_id = await rooms.person("alice").creates_room(
        preset="private_chat",
        name="Wins",
        initial_state=[
            {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}},
            {"type": "m.room.name", "content": {"name": "Loses"}},
        ],
    )

    assert await rooms.content(room_id, "m.room.join_rules") == {"join_rule": "knock"}
    assert await rooms.content(room_id, "m.room.name") == {"name": "Wins"}
    types = await types_of(rooms, room_id)
    assert types.count("m.room.join_rules") == types.count("m.room.name") == 1


async def test_a_topic_is_set_in_plain_text_and_as_a_text_block(rooms: RoomsServer) -> None:
    room_id = await rooms.person("alice").creates_room(topic="Grüße 你好")

    assert await rooms.content(room_id, "m.room.topic") == {
        "topic": "Grüße 你好",
        "m.topic": {"m.text": [{"body": "Grüße 你好", "mimetype": "text/plain"}]},
    }


@pytest.mark.parametrize("version", ROOM_VERSIONS)
async def test_a_room_of_every_version_can_be_used(rooms: RoomsServer, version: str) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")

    room_id = await alice.creates_room(room_version=version, preset="public_chat", name="x")
    await bob.joins(room_id)
    await bob.sends(room_id, "hello")

    create = await rooms.content(room_id, "m.room.create")
    assert create["room_version"] == version
    assert create.get("creator") == (alice.user_id if int(version) < 11 else None)
    assert (":" in room_id) == (version != "12")


@pytest.mark.parametrize("version", BEFORE_12)
async def test_the_creator_is_an_administrator(rooms: RoomsServer, version: str) -> None:
    alice = rooms.person("alice")

    levels = await rooms.content(
        await alice.creates_room(room_version=version), "m.room.power_levels"
    )

    assert levels["users"] == {alice.user_id: 100}
    assert levels["events"]["m.room.tombstone"] == 100


async def test_in_version_12_the_creator_is_not_among_the_users_of_the_power_levels(
    rooms: RoomsServer,
) -> None:
    levels = await rooms.content(
        await rooms.person("alice").creates_room(room_version="12"), "m.room.power_levels"
    )

    assert levels["users"] == {}
    assert levels["events"]["m.room.tombstone"] > levels["state_default"]


async def test_those_invited_to_a_trusted_chat_have_the_power_of_the_creator(
    rooms: RoomsServer,
) -> None:
    alice, bob, carol = (rooms.person(name) for name in ("alice", "bob", "carol"))
    wanted = {"preset": "trusted_private_chat", "invite": [bob.user_id, bob.user_id]}

    old = await alice.creates_room(room_version="11", **wanted)
    new = await alice.creates_room(
        room_version="12", creation_content={"additional_creators": [carol.user_id]}, **wanted
    )

    levels = await rooms.content(old, "m.room.power_levels")
    assert levels["users"] == {alice.user_id: 100, bob.user_id: 100}
    assert "additional_creators" not in await rooms.content(old, "m.room.create")
    create = await rooms.content(new, "m.room.create")
    assert create["additional_creators"] == [carol.user_id, bob.user_id]
    assert (await rooms.content(new, "m.room.power_levels"))["users"] == {}


async def test_power_levels_can_be_overridden(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")

    levels = await rooms.content(
        await alice.creates_room(
            power_level_content_override={
                "invite": 40,
                "users": {bob.user_id: 50},
                "events": {"m.room.name": 0},
            }
        ),
        "m.room.power_levels",
    )

    assert (levels["invite"], levels["kick"]) == (40, 50)
    assert levels["users"] == {bob.user_id: 50}
    assert levels["events"] == {"m.room.name": 0, "m.room.tombstone": 150}


async def test_nobody_is_expected_to_chat_in_a_space(rooms: RoomsServer) -> None:
    room_id = await rooms.person("alice").creates_room(creation_content={"type": "m.space"})

    assert (await rooms.content(room_id, "m.room.create"))["type"] == "m.space"
    assert (await rooms.content(room_id, "m.room.power_levels"))["events_default"] == 100


async def test_the_server_decides_about_creator_and_version(rooms: RoomsServer) -> None:
    room_id = await rooms.person("alice").creates_room(
        room_version="10",
        creation_content={"creator": "@eve:hs", "room_version": "1", "m.federate": False},
    )

    assert await rooms.content(room_id, "m.room.create") == {
        "creator": "@alice:hs",
        "room_version": "10",
        "m.federate": False,
    }


async def test_profiles_go_into_the_member_events(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    rooms.profiles.profiles = {
        alice.user_id: Profile("Alice", "mxc://hs/a"),
        bob.user_id: Profile("Bob", None),
    }

    room_id = await alice.creates_room(invite=[bob.user_id], is_direct=True)

    assert await rooms.content(room_id, "m.room.member", alice.user_id) == {
        "membership": "join",
        "displayname": "Alice",
        "avatar_url": "mxc://hs/a",
    }
    assert await rooms.content(room_id, "m.room.member", bob.user_id) == {
        "membership": "invite",
        "displayname": "Bob",
        "is_direct": True,
    }


async def test_a_room_with_many_invites_is_one_batch(rooms: RoomsServer) -> None:
    rooms.batches.clear()

    room_id = await rooms.person("alice").creates_room(invite=[f"@u{n}:hs" for n in range(200)])

    assert (await rooms.actor(room_id)).view.invited_count == 200
    assert len(rooms.batches) <= 2


async def test_the_alias_of_a_new_room_points_to_it(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")

    room_id = await alice.creates_room(room_alias_name="garten_ü")

    assert await rooms.aliases.resolve(RoomAlias("#garten_ü:hs")) == room_id
    assert await rooms.content(room_id, "m.room.canonical_alias") == {"alias": "#garten_ü:hs"}


async def test_an_alias_is_given_once(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    await alice.creates_room(room_alias_name="pub")

    again = await alice.post("/createRoom", {"room_alias_name": "pub"})

    assert refused(again) == (400, "M_ROOM_IN_USE")
    assert rooms.rows("SELECT count(*) FROM rooms") == [(1,)]


async def test_of_rooms_that_want_an_alias_at_once_one_is_made(rooms: RoomsServer) -> None:
    people = [rooms.person(f"user{n}") for n in range(5)]

    answers = await together(
        *(person.post("/createRoom", {"room_alias_name": "pub"}) for person in people)
    )

    assert sorted(answer.status for answer in answers) == [200, 400, 400, 400, 400]
    assert rooms.rows("SELECT count(*) FROM rooms") == [(1,)]


async def test_an_alias_that_is_claimed_is_taken(rooms: RoomsServer) -> None:
    alias = RoomAlias("#pub:hs")
    with rooms.aliases.claim(alias), pytest.raises(RoomInUse), rooms.aliases.claim(alias):
        pass
    with rooms.aliases.claim(alias):
        pass


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"room_version": "0"}, (400, "M_UNSUPPORTED_ROOM_VERSION")),
        ({"room_version": "org.example.99"}, (400, "M_UNSUPPORTED_ROOM_VERSION")),
        ({"room_version": 11}, (400, "M_BAD_JSON")),
        ({"preset": "wide_open"}, (400, "M_BAD_JSON")),
        ({"visibility": "secret"}, (400, "M_BAD_JSON")),
        ({"invite": "@bob:hs"}, (400, "M_BAD_JSON")),
        ({"invite": ["bob"]}, (400, "M_INVALID_PARAM")),
        ({"invite": ["@alice:hs"]}, (400, "M_INVALID_ROOM_STATE")),
        ({"name": ["x"]}, (400, "M_BAD_JSON")),
        ({"name": "x" * 70_000}, (413, "M_TOO_LARGE")),
        ({"room_alias_name": "a b"}, (400, "M_INVALID_PARAM")),
        ({"room_alias_name": "#a:hs"}, (400, "M_INVALID_PARAM")),
        ({"room_alias_name": ""}, (400, "M_INVALID_PARAM")),
        ({"room_alias_name": "a" * 300}, (400, "M_INVALID_PARAM")),
        ({"invite_3pid": [{"medium": "email"}]}, (403, "M_FORBIDDEN")),
        ({"creation_content": {"additional_creators": "@a:hs"}}, (400, "M_INVALID_PARAM")),
        ({"creation_content": {"additional_creators": ["a"]}}, (400, "M_INVALID_PARAM")),
        ({"creation_content": {"level": 1.5}}, (400, "M_BAD_JSON")),
        ({"power_level_content_override": {"ban": "50"}}, (400, "M_BAD_JSON")),
        ({"power_level_content_override": {"users": []}}, (400, "M_BAD_JSON")),
        (
            {"power_level_content_override": {"users": {"@alice:hs": 100}}},
            (400, "M_INVALID_ROOM_STATE"),
        ),
        (
            {
                "room_version": "11",
                "power_level_content_override": {"users": {"@alice:hs": 10}},
                "name": "not allowed",
            },
            (400, "M_INVALID_ROOM_STATE"),
        ),
        (
            {"initial_state": [{"type": "m.room.create", "content": {}}]},
            (400, "M_INVALID_ROOM_STATE"),
        ),
        ({"initial_state": [{"type": "m.room.name"}]}, (400, "M_MISSING_PARAM")),
        (
            {
                "initial_state": [
                    {"type": "m.room.canonical_alias", "content": {"alias": "#other:hs"}}
                ]
            },
            (400, "M_BAD_ALIAS"),
        ),
    ],
)
async def test_what_cannot_be_made_is_refused_and_leaves_nothing(
    rooms: RoomsServer, body: dict[str, Any], expected: tuple[int, str]
) -> None:
    response = await rooms.person("alice").post("/createRoom", body)

    assert refused(response) == expected
    assert rooms.rows("SELECT count(*) FROM rooms") == [(0,)]


async def test_who_blocks_invites_is_not_invited_to_new_rooms(rooms: RoomsServer) -> None:
    bob = rooms.person("bob")
    rooms.invite_permissions.blocked = {bob.user_id}

    response = await rooms.person("alice").post("/createRoom", {"invite": [bob.user_id]})

    assert refused(response) == (403, "M_INVITE_BLOCKED")


async def test_suspended_users_and_guests_make_no_rooms(rooms: RoomsServer) -> None:
    suspended = rooms.person("eve", is_suspended=True)
    guest = rooms.person("guest", is_guest=True)

    assert refused(await suspended.post("/createRoom")) == (403, "M_USER_SUSPENDED")
    assert refused(await guest.post("/createRoom")) == (403, "M_GUEST_ACCESS_FORBIDDEN")

"""Joining rooms whose rules let in the members of other rooms."""

from __future__ import annotations

from typing import Any

import pytest

from homeserver.domain.identifiers import RoomId
from tests.rooms_fixture import Person, RoomsServer, quoted, refused

FORBIDDEN = (403, "M_FORBIDDEN")


async def a_restricted_room(
    alice: Person, *lobbies: str, rule: str = "restricted", **body: Any
) -> RoomId:
    """A room that lets in the members of some lobbies."""
    allow = [{"type": "m.room_membership", "room_id": lobby} for lobby in lobbies]
    join_rules = {"type": "m.room.join_rules", "content": {"join_rule": rule, "allow": allow}}
    return await alice.creates_room(initial_state=[join_rules], **body)


async def join(person: Person, room_id: str) -> tuple[int, str]:
    return refused(await person.post(f"/rooms/{quoted(room_id)}/join"))


@pytest.mark.parametrize(
    ("version", "rule"),
    [
        ("8", "restricted"),
        ("9", "restricted"),
        ("10", "knock_restricted"),
        ("11", "restricted"),
        ("12", "restricted"),
        ("12", "knock_restricted"),
    ],
)
async def test_a_member_of_an_allowed_room_joins(
    rooms: RoomsServer, version: str, rule: str
) -> None:
    alice, bob, carol = (rooms.person(name) for name in ("alice", "bob", "carol"))
    lobby = await alice.creates_room(preset="public_chat")
    room_id = await a_restricted_room(alice, lobby, rule=rule, room_version=version)
    await bob.joins(lobby)

    await bob.joins(room_id)

    assert await rooms.content(room_id, "m.room.member", bob.user_id) == {
        "membership": "join",
        "join_authorised_via_users_server": alice.user_id,
    }
    assert await join(carol, room_id) == FORBIDDEN


async def test_who_left_the_allowed_room_does_not_join(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    lobby = await alice.creates_room(preset="public_chat")
    room_id = await a_restricted_room(alice, lobby)
    await bob.joins(lobby)
    await bob.leaves(lobby)

    assert await join(bob, room_id) == FORBIDDEN


async def test_an_invite_is_enough(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    room_id = await a_restricted_room(alice)
    await alice.invites(room_id, bob)

    await bob.joins(room_id)

    content = await rooms.content(room_id, "m.room.member", bob.user_id)
    assert "join_authorised_via_users_server" not in content


async def test_somebody_in_the_room_must_be_able_to_invite(rooms: RoomsServer) -> None:
    alice, bob, carol = (rooms.person(name) for name in ("alice", "bob", "carol"))
    lobby = await alice.creates_room(preset="public_chat")
    room_id = await a_restricted_room(
        alice, lobby, room_version="11", power_level_content_override={"invite": 50}
    )
    for person in (bob, carol):
        await person.joins(lobby)
    await bob.joins(room_id)
    await alice.leaves(room_id)

    assert await join(carol, room_id) == FORBIDDEN


async def test_anybody_vouches_where_anybody_may_invite(rooms: RoomsServer) -> None:
    alice, bob, carol = (rooms.person(name) for name in ("alice", "bob", "carol"))
    lobby = await alice.creates_room(preset="public_chat")
    room_id = await a_restricted_room(alice, lobby)
    for person in (bob, carol):
        await person.joins(lobby)
    await bob.joins(room_id)
    await alice.leaves(room_id)

    await carol.joins(room_id)

    content = await rooms.content(room_id, "m.room.member", carol.user_id)
    assert content["join_authorised_via_users_server"] == bob.user_id


async def test_the_banned_do_not_join(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    lobby = await alice.creates_room(preset="public_chat")
    room_id = await a_restricted_room(alice, lobby)
    await bob.joins(lobby)
    await alice.bans(room_id, bob)

    assert await join(bob, room_id) == FORBIDDEN


@pytest.mark.parametrize(
    "content",
    [
        {"join_rule": "restricted"},
        {"join_rule": "restricted", "allow": "everybody"},
        {"join_rule": "restricted", "allow": [5, {"type": "m.room_membership"}]},
        {"join_rule": "restricted", "allow": [{"type": "org.example", "room_id": "LOBBY"}]},
        {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": "!no:hs"}]},
        {"join_rule": ["restricted"], "allow": []},
    ],
)
async def test_conditions_that_make_no_sense_let_nobody_in(
    rooms: RoomsServer, content: dict[str, Any]
) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    lobby = await alice.creates_room(preset="public_chat")
    await bob.joins(lobby)
    for condition in content.get("allow", []):
        if isinstance(condition, dict) and condition.get("room_id") == "LOBBY":
            condition["room_id"] = lobby
    room_id = await alice.creates_room(
        initial_state=[{"type": "m.room.join_rules", "content": content}]
    )

    assert await join(bob, room_id) == FORBIDDEN


async def test_a_rule_that_the_version_does_not_know_lets_nobody_in(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    lobby = await alice.creates_room(preset="public_chat")
    await bob.joins(lobby)
    room_id = await a_restricted_room(alice, lobby, room_version="7")

    assert await join(bob, room_id) == FORBIDDEN


async def test_joining_through_the_state_is_vouched_for_too(rooms: RoomsServer) -> None:
    alice, bob, eve = (rooms.person(name) for name in ("alice", "bob", "eve"))
    lobby = await alice.creates_room(preset="public_chat")
    room_id = await a_restricted_room(alice, lobby)
    await bob.joins(lobby)
    join = {"membership": "join", "join_authorised_via_users_server": alice.user_id}

    await bob.sets(room_id, "m.room.member", {"membership": "join"}, bob.user_id)
    forged = await eve.set_state(room_id, "m.room.member", join, eve.user_id)

    assert await rooms.membership(room_id, bob) == "join"
    assert refused(forged) == FORBIDDEN


async def test_a_later_member_event_is_not_vouched_for(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    lobby = await alice.creates_room(preset="public_chat")
    room_id = await a_restricted_room(alice, lobby)
    await bob.joins(lobby)
    await bob.joins(room_id)
    content = await rooms.content(room_id, "m.room.member", bob.user_id)

    await bob.sets(room_id, "m.room.member", {**content, "displayname": "B"}, bob.user_id)

    assert await rooms.content(room_id, "m.room.member", bob.user_id) == {
        "membership": "join",
        "displayname": "B",
    }

"""Summaries of rooms for whoever might want to join them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rooms_fixture import V1, RoomsServer, quoted, refused

NOT_FOUND = (404, "M_NOT_FOUND")


def path(room: str) -> str:
    return f"{V1}/room_summary/{quoted(room)}"


async def test_a_public_room_is_described_to_everybody(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    room_id = await alice.creates_room(
        preset="public_chat",
        name="Pub",
        room_alias_name="pub",
        initial_state=[
            {"type": "m.room.encryption", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
        ],
    )
    described = {
        "room_id": room_id,
        "name": "Pub",
        "canonical_alias": "#pub:hs",
        "num_joined_members": 1,
        "world_readable": False,
        "guest_can_join": False,
        "join_rule": "public",
        "encryption": "m.megolm.v1.aes-sha2",
        "room_version": "12",
    }

    without_token = await rooms.client.request("GET", path("#pub:hs"))

    assert without_token.json == described
    assert (await bob.get(path(room_id))).json == {**described, "membership": "leave"}
    assert (await alice.get(path(room_id))).json == {**described, "membership": "join"}


@pytest.mark.parametrize("membership", ["leave", "invite", "ban"])
async def test_a_private_room_is_described_to_who_may_join(
    rooms: RoomsServer, membership: str
) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    room_id = await alice.creates_room()
    if membership == "invite":
        await alice.invites(room_id, bob)
    if membership == "ban":
        await alice.bans(room_id, bob)

    response = await bob.get(path(room_id))

    if membership == "invite":
        assert response.json["membership"] == "invite"
    else:
        assert refused(response) == NOT_FOUND


async def test_a_restricted_room_is_described_to_who_meets_a_condition(
    rooms: RoomsServer,
) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    lobby = await alice.creates_room(preset="public_chat")
    rules: dict[str, Any] = {
        "join_rule": "restricted",
        "allow": [{"type": "m.room_membership", "room_id": lobby}],
    }
    room_id = await alice.creates_room(
        initial_state=[{"type": "m.room.join_rules", "content": rules}]
    )

    assert refused(await bob.get(path(room_id))) == NOT_FOUND
    await bob.joins(lobby)
    assert (await bob.get(path(room_id))).json["allowed_room_ids"] == [lobby]


async def test_rooms_that_are_not_here_have_no_summary(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")

    for room in ("!nowhere:hs", "#nowhere:hs", "#a:elsewhere.example"):
        assert refused(await alice.get(path(room))) == NOT_FOUND
    assert refused(await alice.get(path("nowhere"))) == (400, "M_INVALID_PARAM")


async def test_the_older_paths_serve_the_same(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id = quoted(await alice.creates_room())
    unstable = "/_matrix/client/unstable/im.nheko.summary"

    for old in (f"{unstable}/summary/{room_id}", f"{unstable}/rooms/{room_id}/summary"):
        assert (await alice.get(old)).status == 200

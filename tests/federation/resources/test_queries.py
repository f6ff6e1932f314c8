"""Other servers ask about users, aliases, the directory and spaces."""

from __future__ import annotations

from typing import Any

import pytest

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import RoomId, UserId
from homeserver.ports.accounts.accounts import NewAccount
from tests.federation.resident import BOB, EVE, OTHER, STRANGER, Resident
from tests.federation.resources.test_events import NOT_FOUND
from tests.rooms_fixture import SERVER, Person, quoted

INVALID = (400, "M_INVALID_PARAM")
MISSING = (400, "M_MISSING_PARAM")


async def registered(here: Resident, name: str) -> UserId:
    user_id = UserId(f"@{name}:{SERVER}")
    await here.accounts.register(NewAccount(user_id, 1), None)
    return user_id


# --- profiles


async def test_a_profile_is_told(here: Resident) -> None:
    user_id = await registered(here, "carol")
    await here.real_profiles.set_field(user_id, "displayname", "Carol")
    await here.real_profiles.set_field(user_id, "m.tz", "Europe/Paris")
    path = f"/query/profile?user_id={quoted(user_id)}"
    assert (await here.asked(path)).json == {"displayname": "Carol", "m.tz": "Europe/Paris"}
    assert (await here.asked(f"{path}&field=displayname")).json == {"displayname": "Carol"}
    assert (await here.asked(f"{path}&field=avatar_url")).json == {}


async def test_profiles_of_nobody_and_of_others_are_not_told(here: Resident) -> None:
    path = "/query/profile?user_id="
    assert (await here.asked(path + quoted(f"@nobody:{SERVER}"))).refusal == NOT_FOUND
    assert (await here.asked(path + quoted(BOB))).refusal == NOT_FOUND
    assert (await here.asked(path + "nonsense")).refusal == INVALID
    assert (await here.asked("/query/profile")).refusal == MISSING
    assert (await here.asked(path, by=None)).status == 401


# --- aliases


async def test_an_alias_is_told_with_the_servers_in_the_room(here: Resident, alice: Person) -> None:
    room_id = await here.shared_room(alice, room_alias_name="garden")
    path = f"/query/directory?room_alias={quoted('#garden:hs')}"
    said = await here.asked(path, by=STRANGER)
    assert said.json == {"room_id": room_id, "servers": [SERVER, OTHER]}


async def test_aliases_that_lead_nowhere_are_not_found(here: Resident) -> None:
    path = "/query/directory?room_alias="
    for alias in ("#nowhere:hs", "#garden:other.example"):
        assert (await here.asked(path + quoted(alias))).refusal == NOT_FOUND
    assert (await here.asked(path + "nonsense")).refusal == INVALID
    assert (await here.asked("/query/directory")).refusal == MISSING


async def test_there_are_no_other_queries(here: Resident) -> None:
    assert (await here.asked("/query/weather")).refusal == (404, "M_UNRECOGNIZED")


# --- the directory of published rooms


async def test_published_rooms_are_listed_in_pages(here: Resident, alice: Person) -> None:
    rooms = [await alice.creates_room(name=f"Room {n}", visibility="public") for n in range(3)]
    await alice.creates_room(name="Hidden")
    first = (await here.asked("/publicRooms?limit=2")).json
    second = (await here.asked(f"/publicRooms?limit=2&since={first['next_batch']}")).json
    listed = [room["room_id"] for room in first["chunk"] + second["chunk"]]
    assert sorted(listed) == sorted(rooms)
    assert first["total_room_count_estimate"] == 3
    assert len((await here.asked("/publicRooms?limit=0")).json["chunk"]) == 3
    assert len((await here.asked("/publicRooms")).json["chunk"]) == 3


async def test_published_rooms_are_searched(here: Resident, alice: Person) -> None:
    await alice.creates_room(name="Chess", visibility="public")
    await alice.creates_room(name="Go", visibility="public")
    body: JsonObject = {"filter": {"generic_search_term": "che", "room_types": [None]}}
    said = await here.asked("/publicRooms", method="POST", body=body)
    assert [room["name"] for room in said.json["chunk"]] == ["Chess"]
    body = {"third_party_instance_id": "irc"}
    said = await here.asked("/publicRooms", method="POST", body=body)
    assert said.json == {"chunk": [], "total_room_count_estimate": 0}


async def test_malformed_questions_for_the_directory_are_refused(here: Resident) -> None:
    assert (await here.asked("/publicRooms?since=nonsense")).refusal == INVALID
    assert (await here.asked("/publicRooms?limit=-1")).refusal == INVALID
    assert (await here.asked("/publicRooms", by=None)).status == 401
    body: JsonObject = {"filter": {"room_types": "all"}}
    said = await here.asked("/publicRooms", method="POST", body=body)
    assert said.refusal == (400, "M_BAD_JSON")
    body = {"third_party_instance_id": "irc", "include_all_networks": True}
    assert (await here.asked("/publicRooms", method="POST", body=body)).refusal == INVALID


# --- spaces


async def space_of(alice: Person, children: dict[RoomId, JsonObject], **more: Any) -> RoomId:
    space = await alice.creates_room(creation_content={"type": "m.space"}, **more)
    for room_id, content in children.items():
        await alice.sets(space, "m.space.child", {"via": ["hs"], **content}, room_id)
    return space


async def hierarchy(here: Resident, room_id: str, query: str = "") -> Any:
    return await here.asked(f"/hierarchy/{quoted(room_id)}{query}")


async def test_a_space_is_described_with_the_children_one_could_get_into(
    here: Resident, alice: Person
) -> None:
    public = await alice.creates_room(name="Public", preset="public_chat")
    private = await alice.creates_room(name="Private", preset="private_chat")
    invited = await alice.creates_room(name="Invited", preset="private_chat")
    await here.appends(invited, alice.user_id, "m.room.member", {"membership": "invite"}, BOB)
    elsewhere = RoomId("!elsewhere:other.example")
    children = {public: {"suggested": True}, private: {}, invited: {}, elsewhere: {}}
    space = await space_of(alice, children, preset="public_chat", name="Space")
    said = (await hierarchy(here, space)).json
    assert said["room"]["name"] == "Space"
    assert said["room"]["room_type"] == "m.space"
    assert {c["state_key"] for c in said["room"]["children_state"]} == set(children)
    assert {"type", "content", "sender", "origin_server_ts"} < said["room"]["children_state"][
        0
    ].keys()
    assert {c["room_id"] for c in said["children"]} == {public, invited}
    assert said["inaccessible_children"] == [private]
    said = (await hierarchy(here, space, "?suggested_only=true")).json
    assert [c["room_id"] for c in said["children"]] == [public]


async def test_a_restricted_room_is_described_to_servers_of_those_who_may_join(
    here: Resident, alice: Person
) -> None:
    club = await here.shared_room(alice)
    room = await alice.creates_room(
        initial_state=[
            {
                "type": "m.room.join_rules",
                "state_key": "",
                "content": {
                    "join_rule": "restricted",
                    "allow": [{"type": "m.room_membership", "room_id": club}],
                },
            }
        ]
    )
    assert (await hierarchy(here, room)).json["room"]["allowed_room_ids"] == [club]
    assert (await here.asked(f"/hierarchy/{quoted(room)}", by=STRANGER)).refusal == NOT_FOUND


async def test_rooms_that_a_server_could_not_get_into_are_not_described(
    here: Resident, alice: Person
) -> None:
    private = await alice.creates_room(preset="private_chat")
    assert (await hierarchy(here, private)).refusal == NOT_FOUND
    assert (await hierarchy(here, "!nowhere:hs")).refusal == NOT_FOUND
    assert (await hierarchy(here, "nonsense")).refusal == INVALID
    assert (await hierarchy(here, private, "?suggested_only=perhaps")).refusal == INVALID


async def test_rooms_that_this_server_left_are_not_described(here: Resident, alice: Person) -> None:
    room = await here.shared_room(alice)
    await here.lets_in(room, EVE)
    await alice.leaves(room)
    assert (await hierarchy(here, room)).refusal == NOT_FOUND


# --- OpenID


async def test_third_parties_learn_whose_a_token_is(here: Resident) -> None:
    user_id = await registered(here, "carol")
    issued = await here.openid.issue(user_id)
    path = f"/openid/userinfo?access_token={issued.token}"
    assert (await here.asked(path, by=None)).json == {"sub": user_id}
    here.clock.advance(issued.expires_in_seconds)
    assert (await here.asked(path, by=None)).refusal == (401, "M_UNKNOWN_TOKEN")


@pytest.mark.parametrize(
    ("query", "refusal"),
    [("?access_token=nonsense", (401, "M_UNKNOWN_TOKEN")), ("", MISSING)],
)
async def test_unknown_tokens_are_refused(
    here: Resident, query: str, refusal: tuple[int, str]
) -> None:
    assert (await here.asked(f"/openid/userinfo{query}", by=None)).refusal == refusal


async def test_tokens_of_closed_accounts_are_refused(here: Resident) -> None:
    user_id = await registered(here, "carol")
    issued = await here.openid.issue(user_id)
    here.execute("UPDATE users SET is_deactivated = TRUE WHERE user_id = ?", user_id)
    said = await here.asked(f"/openid/userinfo?access_token={issued.token}", by=None)
    assert said.refusal == (401, "M_UNKNOWN_TOKEN")

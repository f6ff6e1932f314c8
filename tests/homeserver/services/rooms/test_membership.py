"""Joining and leaving rooms, and letting others in and out."""

from __future__ import annotations

import pytest

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.signing import SigningKey, sign_json
from homeserver.ports.personal.profiles import Profile
from tests.deferreds import together
from tests.rooms_fixture import Person, RoomsServer, quoted, refused

ACTIONS = ["invite", "kick", "ban", "unban"]


@pytest.fixture
def alice(rooms: RoomsServer) -> Person:
    return rooms.person("alice")


@pytest.fixture
def bob(rooms: RoomsServer) -> Person:
    return rooms.person("bob")


@pytest.fixture
def carol(rooms: RoomsServer) -> Person:
    return rooms.person("carol")


async def act(
    person: Person, room_id: str, action: str, other: Person, **more: str
) -> tuple[int, str]:
    """Do something to another user; the status and the error code."""
    body = {"user_id": other.user_id, **more}
    return refused(await person.post(f"/rooms/{quoted(room_id)}/{action}", body))


async def go(person: Person, room_id: str, action: str, **body: object) -> tuple[int, str]:
    """Join or leave; the status and the error code."""
    return refused(await person.post(f"/rooms/{quoted(room_id)}/{action}", body))


DONE = (200, "no error")
FORBIDDEN = (403, "M_FORBIDDEN")


# --- joining


async def test_anybody_joins_a_public_room(rooms: RoomsServer, alice: Person, bob: Person) -> None:
    rooms.profiles.profiles[bob.user_id] = Profile("Bob", "mxc://hs/b")
    room_id = await alice.creates_room(preset="public_chat")

    response = await bob.post(f"/join/{quoted(room_id)}", {"reason": "curious"})

    assert (response.status, response.json) == (200, {"room_id": room_id})
    assert await rooms.content(room_id, "m.room.member", bob.user_id) == {
        "membership": "join",
        "displayname": "Bob",
        "avatar_url": "mxc://hs/b",
        "reason": "curious",
    }


async def test_a_room_is_joined_by_its_alias(
    rooms: RoomsServer, alice: Person, bob: Person
) -> None:
    room_id = await alice.creates_room(preset="public_chat", room_alias_name="pub")

    response = await bob.post(f"/join/{quoted('#pub:hs')}")

    assert (response.status, response.json) == (200, {"room_id": room_id})
    assert await rooms.membership(room_id, bob) == "join"


async def test_only_who_is_invited_joins_a_private_room(
    rooms: RoomsServer, alice: Person, bob: Person
) -> None:
    room_id = await alice.creates_room()

    assert await go(bob, room_id, "join") == FORBIDDEN
    await alice.invites(room_id, bob)
    assert await go(bob, room_id, "join") == DONE


async def test_joining_again_changes_nothing(
    rooms: RoomsServer, alice: Person, bob: Person
) -> None:
    room_id = await alice.creates_room(preset="public_chat")
    await together(*(bob.joins(room_id) for _ in range(4)))
    events = len(await rooms.timeline(room_id))

    await bob.joins(room_id)

    assert len(await rooms.timeline(room_id)) == events
    joins = [e for e in await rooms.timeline(room_id) if e.event.state_key == bob.user_id]
    assert len(joins) == 1


@pytest.mark.parametrize("target", ["!nowhere:hs", "#nowhere:hs", "#pub:elsewhere.example"])
async def test_what_is_not_there_cannot_be_joined(bob: Person, target: str) -> None:
    assert refused(await bob.post(f"/join/{quoted(target)}")) == (404, "M_NOT_FOUND")


@pytest.mark.parametrize("target", ["nowhere", "!", "#nowhere", "#a:b:c:d", "@alice:hs"])
async def test_what_names_no_room_cannot_be_joined(bob: Person, target: str) -> None:
    assert refused(await bob.post(f"/join/{quoted(target)}")) == (400, "M_INVALID_PARAM")


async def test_the_banned_do_not_join(alice: Person, bob: Person) -> None:
    room_id = await alice.creates_room(preset="public_chat")
    await alice.bans(room_id, bob)

    assert await go(bob, room_id, "join") == FORBIDDEN


async def test_guests_join_where_they_may(rooms: RoomsServer, alice: Person) -> None:
    guest = rooms.person("guest", is_guest=True)
    closed = await alice.creates_room(preset="public_chat")
    open_to_all = await alice.creates_room(
        preset="public_chat",
        initial_state=[{"type": "m.room.guest_access", "content": {"guest_access": "can_join"}}],
    )

    assert await go(guest, closed, "join") == (403, "M_GUEST_ACCESS_FORBIDDEN")
    assert await go(guest, open_to_all, "join") == DONE


async def test_guests_leave_when_they_are_not_wanted_any_more(
    rooms: RoomsServer, alice: Person, bob: Person
) -> None:
    guest = rooms.person("guest", is_guest=True)
    rooms.guests.guests = {guest.user_id}
    room_id = await alice.creates_room(
        preset="public_chat",
        initial_state=[{"type": "m.room.guest_access", "content": {"guest_access": "can_join"}}],
    )
    await guest.joins(room_id)
    await bob.joins(room_id)

    await alice.sets(room_id, "m.room.guest_access", {"guest_access": "forbidden"})

    assert await rooms.membership(room_id, guest) == "leave"
    assert await rooms.membership(room_id, bob) == "join"


async def test_suspended_users_only_leave(rooms: RoomsServer, alice: Person) -> None:
    eve = rooms.person("eve")
    room_id, other = [await alice.creates_room(preset="public_chat") for _ in range(2)]
    await eve.joins(room_id)
    await alice.sets(other, "m.room.join_rules", {"join_rule": "knock"})
    suspended = (403, "M_USER_SUSPENDED")
    rooms.person("eve", is_suspended=True)

    assert await go(eve, other, "join") == suspended
    assert refused(await eve.post(f"/knock/{quoted(other)}")) == suspended
    assert await act(eve, room_id, "invite", alice) == suspended
    rejoining = await eve.set_state(other, "m.room.member", {"membership": "join"}, eve.user_id)
    assert refused(rejoining) == suspended
    assert await go(eve, room_id, "leave") == DONE


# --- leaving


async def test_leaving_a_room(rooms: RoomsServer, alice: Person, bob: Person) -> None:
    room_id = await alice.creates_room(preset="public_chat")
    await bob.joins(room_id)

    assert await go(bob, room_id, "leave", reason="bye") == DONE

    assert await rooms.content(room_id, "m.room.member", bob.user_id) == {
        "membership": "leave",
        "reason": "bye",
    }
    assert refused(await bob.send(room_id, {"body": "x"})) == FORBIDDEN


async def test_leaving_twice_does_no_harm(rooms: RoomsServer, alice: Person, bob: Person) -> None:
    room_id = await alice.creates_room(preset="public_chat")
    await bob.joins(room_id)
    await bob.leaves(room_id)
    events = len(await rooms.timeline(room_id))

    assert await go(bob, room_id, "leave") == DONE
    assert len(await rooms.timeline(room_id)) == events


async def test_an_invite_is_rejected_by_leaving(
    rooms: RoomsServer, alice: Person, bob: Person
) -> None:
    room_id = await alice.creates_room(invite=[bob.user_id])

    assert await go(bob, room_id, "leave") == DONE
    assert await rooms.membership(room_id, bob) == "leave"
    assert await go(bob, room_id, "join") == FORBIDDEN


async def test_who_never_was_in_a_room_cannot_leave_it(alice: Person, bob: Person) -> None:
    room_id = await alice.creates_room()

    assert await go(bob, room_id, "leave") == FORBIDDEN
    assert await go(bob, "!nowhere:hs", "leave") == FORBIDDEN


# --- inviting


async def test_an_invite_carries_the_reason_and_the_profile(
    rooms: RoomsServer, alice: Person, bob: Person
) -> None:
    rooms.profiles.profiles[bob.user_id] = Profile("Bob")
    room_id = await alice.creates_room()

    assert await act(alice, room_id, "invite", bob, reason="come") == DONE

    assert await rooms.content(room_id, "m.room.member", bob.user_id) == {
        "membership": "invite",
        "displayname": "Bob",
        "reason": "come",
    }


async def test_inviting_the_invited_again_changes_nothing(
    rooms: RoomsServer, alice: Person, bob: Person
) -> None:
    room_id = await alice.creates_room()
    await alice.invites(room_id, bob)
    events = len(await rooms.timeline(room_id))

    await alice.invites(room_id, bob)

    assert len(await rooms.timeline(room_id)) == events


async def test_who_is_in_the_room_or_banned_is_not_invited(
    alice: Person, bob: Person, carol: Person
) -> None:
    room_id = await alice.creates_room(preset="public_chat")
    await bob.joins(room_id)
    await alice.bans(room_id, carol)

    assert await act(alice, room_id, "invite", bob) == FORBIDDEN
    assert await act(alice, room_id, "invite", carol) == FORBIDDEN


async def test_only_members_with_the_power_invite(
    alice: Person, bob: Person, carol: Person
) -> None:
    room_id = await alice.creates_room(
        preset="public_chat", power_level_content_override={"invite": 50}
    )

    assert await act(bob, room_id, "invite", carol) == FORBIDDEN
    await bob.joins(room_id)
    assert await act(bob, room_id, "invite", carol) == FORBIDDEN
    assert await act(bob, "!nowhere:hs", "invite", carol) == FORBIDDEN


async def test_who_blocks_invites_is_not_invited(
    rooms: RoomsServer, alice: Person, bob: Person
) -> None:
    rooms.invite_permissions.blocked = {bob.user_id}
    room_id = await alice.creates_room()
    invite = {"membership": "invite"}

    assert await act(alice, room_id, "invite", bob) == (403, "M_INVITE_BLOCKED")
    by_state = await alice.set_state(room_id, "m.room.member", invite, bob.user_id)
    assert refused(by_state) == (403, "M_INVITE_BLOCKED")


async def test_an_address_cannot_be_invited(alice: Person) -> None:
    room_id = await alice.creates_room()
    body = {"id_server": "is", "id_access_token": "t", "medium": "email", "address": "a@b.c"}

    response = await alice.post(f"/rooms/{quoted(room_id)}/invite", body)

    assert refused(response) == FORBIDDEN


# --- kicking and banning


async def test_a_kicked_user_may_come_back(rooms: RoomsServer, alice: Person, bob: Person) -> None:
    room_id = await alice.creates_room(preset="public_chat")
    await bob.joins(room_id)

    assert await act(alice, room_id, "kick", bob, reason="jokes") == DONE

    assert await rooms.content(room_id, "m.room.member", bob.user_id) == {
        "membership": "leave",
        "reason": "jokes",
    }
    await bob.joins(room_id)


async def test_an_invite_is_withdrawn_by_kicking(
    rooms: RoomsServer, alice: Person, bob: Person
) -> None:
    room_id = await alice.creates_room(invite=[bob.user_id])

    assert await act(alice, room_id, "kick", bob) == DONE
    assert await go(bob, room_id, "join") == FORBIDDEN


async def test_who_is_not_in_the_room_cannot_be_kicked(alice: Person, bob: Person) -> None:
    room_id = await alice.creates_room(preset="public_chat")

    assert await act(alice, room_id, "kick", bob) == FORBIDDEN
    await alice.bans(room_id, bob)
    assert await act(alice, room_id, "kick", bob) == FORBIDDEN


async def test_a_banned_user_can_come_back_once_unbanned(
    rooms: RoomsServer, alice: Person, bob: Person
) -> None:
    room_id = await alice.creates_room(preset="public_chat")
    await bob.joins(room_id)

    assert await act(alice, room_id, "ban", bob, reason="spam") == DONE
    assert await rooms.content(room_id, "m.room.member", bob.user_id) == {
        "membership": "ban",
        "reason": "spam",
    }
    assert await act(alice, room_id, "unban", bob) == DONE
    assert await rooms.membership(room_id, bob) == "leave"
    await bob.joins(room_id)


async def test_who_is_not_banned_cannot_be_unbanned(alice: Person, bob: Person) -> None:
    room_id = await alice.creates_room(preset="public_chat")
    await bob.joins(room_id)

    assert await act(alice, room_id, "unban", bob) == FORBIDDEN


@pytest.mark.parametrize("action", ["kick", "ban", "unban"])
async def test_without_power_nobody_is_put_out_or_let_in(
    alice: Person, bob: Person, carol: Person, action: str
) -> None:
    room_id = await alice.creates_room(preset="public_chat")
    await bob.joins(room_id)
    if action == "unban":
        await alice.bans(room_id, carol)
    else:
        await carol.joins(room_id)

    assert await act(bob, room_id, action, carol) == FORBIDDEN


@pytest.mark.parametrize("action", ACTIONS)
async def test_an_action_names_a_user(alice: Person, action: str) -> None:
    room_id = await alice.creates_room()
    path = f"/rooms/{quoted(room_id)}/{action}"

    assert refused(await alice.post(path)) == (400, "M_MISSING_PARAM")
    assert refused(await alice.post(path, {"user_id": "bob"})) == (400, "M_INVALID_PARAM")
    assert refused(await alice.post(path, {"user_id": 5})) == (400, "M_BAD_JSON")


@pytest.mark.parametrize("action", ACTIONS)
async def test_an_action_is_in_a_room(alice: Person, bob: Person, action: str) -> None:
    body = {"user_id": bob.user_id}

    unknown = await alice.post(f"/rooms/{quoted('!nowhere:hs')}/{action}", body)
    malformed = await alice.post(f"/rooms/nowhere/{action}", body)

    assert refused(unknown) == FORBIDDEN
    assert refused(malformed) == (400, "M_INVALID_PARAM")


# --- knocking


async def a_room_to_knock_at(alice: Person) -> str:
    return await alice.creates_room(
        room_alias_name="door",
        initial_state=[{"type": "m.room.join_rules", "content": {"join_rule": "knock"}}],
    )


async def test_who_knocks_may_be_let_in(rooms: RoomsServer, alice: Person, bob: Person) -> None:
    rooms.profiles.profiles[bob.user_id] = Profile("Bob")
    room_id = await a_room_to_knock_at(alice)

    response = await bob.post(f"/knock/{quoted('#door:hs')}", {"reason": "let me in"})

    assert (response.status, response.json) == (200, {"room_id": room_id})
    assert await rooms.content(room_id, "m.room.member", bob.user_id) == {
        "membership": "knock",
        "displayname": "Bob",
        "reason": "let me in",
    }
    assert await go(bob, room_id, "join") == FORBIDDEN
    await alice.invites(room_id, bob)
    await bob.joins(room_id)


async def test_a_knock_is_retracted_or_denied(
    rooms: RoomsServer, alice: Person, bob: Person, carol: Person
) -> None:
    room_id = await a_room_to_knock_at(alice)
    for person in (bob, carol):
        assert (await person.post(f"/knock/{quoted(room_id)}")).status == 200

    assert await go(bob, room_id, "leave") == DONE
    assert await act(alice, room_id, "kick", carol) == DONE

    assert await rooms.membership(room_id, bob) == "leave"
    assert await rooms.membership(room_id, carol) == "leave"


async def test_not_everybody_may_knock_everywhere(
    alice: Person, bob: Person, carol: Person
) -> None:
    door = await a_room_to_knock_at(alice)
    private = await alice.creates_room()
    await alice.invites(door, bob)
    await alice.bans(door, carol)

    assert refused(await bob.post(f"/knock/{quoted(private)}")) == FORBIDDEN
    assert refused(await alice.post(f"/knock/{quoted(door)}")) == FORBIDDEN
    assert refused(await bob.post(f"/knock/{quoted(door)}")) == FORBIDDEN
    assert refused(await carol.post(f"/knock/{quoted(door)}")) == FORBIDDEN
    nowhere = await bob.post(f"/knock/{quoted('!nowhere:hs')}")
    assert refused(nowhere) == (404, "M_NOT_FOUND")


# --- as state


async def test_membership_can_be_set_as_state(
    rooms: RoomsServer, alice: Person, bob: Person
) -> None:
    room_id = await alice.creates_room(preset="public_chat")
    join = {"membership": "join", "displayname": "Bobby"}

    joined = await bob.sets(room_id, "m.room.member", join, bob.user_id)
    again = await bob.sets(room_id, "m.room.member", join, bob.user_id)
    renamed = await bob.sets(
        room_id, "m.room.member", {**join, "displayname": "Robert"}, bob.user_id
    )
    await alice.sets(room_id, "m.room.member", {"membership": "ban"}, bob.user_id)

    assert joined == again != renamed
    assert await rooms.membership(room_id, bob) == "ban"


@pytest.mark.parametrize(
    ("state_key", "content", "expected"),
    [
        ("@bob:hs", {}, (400, "M_BAD_JSON")),
        ("@bob:hs", {"membership": "sleep"}, (400, "M_BAD_JSON")),
        ("@bob:hs", {"membership": ["join"]}, (400, "M_BAD_JSON")),
        ("bob", {"membership": "invite"}, (400, "M_INVALID_PARAM")),
        ("", {"membership": "invite"}, (400, "M_INVALID_PARAM")),
        ("@bob:hs", {"membership": "join"}, FORBIDDEN),
        ("@bob:hs", {"membership": "knock"}, FORBIDDEN),
    ],
)
async def test_a_member_event_that_makes_no_sense_is_refused(
    alice: Person, state_key: str, content: JsonObject, expected: tuple[int, str]
) -> None:
    room_id = await alice.creates_room()

    response = await alice.set_state(room_id, "m.room.member", content, state_key)

    assert refused(response) == expected


async def test_who_joins_a_successor_keeps_their_settings(
    rooms: RoomsServer, alice: Person, bob: Person, carol: Person
) -> None:
    old = await alice.creates_room(preset="public_chat")
    await bob.joins(old)
    new = await alice.creates_room(
        preset="public_chat", creation_content={"predecessor": {"room_id": old}}
    )

    await bob.joins(new)
    await carol.joins(new)

    assert rooms.settings.carried_over == [(bob.user_id, old, new)]


# --- by an invite of an address


async def test_the_owner_of_an_invited_address_joins(
    rooms: RoomsServer, alice: Person, bob: Person, carol: Person
) -> None:
    identity_server = SigningKey.generate("0")
    room_id = await alice.creates_room()
    await alice.sets(
        room_id,
        "m.room.third_party_invite",
        {
            "display_name": "b...@e...",
            "key_validity_url": "https://is/valid",
            "public_key": identity_server.verify_key_base64,
        },
        "token",
    )
    signed = sign_json(
        {"mxid": bob.user_id, "sender": alice.user_id, "token": "token"}, "is", identity_server
    )

    assert await go(carol, room_id, "join", third_party_signed=signed) == FORBIDDEN
    assert await go(bob, room_id, "join", third_party_signed=signed) == DONE
    assert await rooms.membership(room_id, bob) == "join"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"token": "another"}, FORBIDDEN),
        ({"sender": "@alice:elsewhere.example"}, FORBIDDEN),
        ({"signatures": {}}, FORBIDDEN),
        ({"sender": 5}, (400, "M_INVALID_PARAM")),
        ({"token": None}, (400, "M_INVALID_PARAM")),
    ],
)
async def test_a_proof_that_proves_nothing_is_refused(
    alice: Person, bob: Person, changes: JsonObject, expected: tuple[int, str]
) -> None:
    identity_server = SigningKey.generate("0")
    room_id = await alice.creates_room()
    await alice.sets(
        room_id,
        "m.room.third_party_invite",
        {"display_name": "b", "public_key": identity_server.verify_key_base64},
        "token",
    )
    signed = sign_json(
        {"mxid": bob.user_id, "sender": alice.user_id, "token": "token"}, "is", identity_server
    )

    assert await go(bob, room_id, "join", third_party_signed={**signed, **changes}) == expected

"""Joining rooms of other servers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from federation.transport.errors import RemoteError
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import Unrecognized
from homeserver.domain.identifiers import UserId
from homeserver.domain.room_versions import ROOM_VERSIONS
from homeserver.http.answers import Answer, error_answer, ok
from homeserver.http.request import Request
from homeserver.log.log import all_committed
from homeserver.ports.rooms.events import Standing
from homeserver.rooms.actor import NewEvent
from tests.deferreds import together
from tests.federation.membership.servers import (
    Disturbance,
    FederatedServer,
    World,
    invite,
    join,
    leave,
)
from tests.rooms_fixture import postgres_at, quoted, refused
from tests.sync_fixture import device


@pytest.mark.parametrize("version", list(ROOM_VERSIONS))
async def test_a_room_of_any_version_is_joined_and_talked_in(
    here: FederatedServer, there: FederatedServer, version: str
) -> None:
    alice, bob = here.person("alice"), there.person("bob")
    room = await bob.creates_room(preset="public_chat", room_version=version, name="Den")
    phone = await device(alice)
    response = await join(alice, room, there)
    assert response.status == 200, response.json
    assert await here.current_state(room) == await there.current_state(room)
    synced = await phone.sync()
    assert [e["type"] for e in synced.timeline(room)] == ["m.room.member"]
    assert {e["type"] for e in synced.state(room)} >= {"m.room.create", "m.room.name"}
    said = await alice.sends(room, "hello")
    assert await there.hears(room, await here.newest(room)) is Standing.ACCEPTED
    assert (await there.newest(room)).event_id == said
    assert here.watched.outcomes == ["joined"]


async def test_a_room_is_joined_left_and_joined_again_on_postgresql(
    world: World, there: FederatedServer, postgres_dsn: str
) -> None:
    here = world.server("stored.test", postgres_at(postgres_dsn))
    alice, bob = here.person("alice"), there.person("bob")
    room = await bob.creates_room(preset="private_chat")
    for _ in range(2):
        await invite(bob, room, alice)
        assert (await join(alice, room)).status == 200
        assert await here.current_state(room) == await there.current_state(room)
        await alice.leaves(room)
        assert await there.hears(room, await here.newest(room)) is Standing.ACCEPTED


async def test_an_unknown_room_is_not_found(here: FederatedServer, there: FederatedServer) -> None:
    alice = here.person("alice")
    response = await join(alice, "!nowhere:there.test:8448", there)
    assert refused(response) == (404, "M_NOT_FOUND")


async def test_without_servers_to_ask_a_room_is_not_found(here: FederatedServer) -> None:
    response = await join(here.person("alice"), "!nowhere:here.test:8448")
    assert refused(response) == (404, "M_NOT_FOUND")


async def test_a_banned_user_is_refused_and_nothing_is_kept(
    here: FederatedServer, there: FederatedServer
) -> None:
    alice, bob = here.person("alice"), there.person("bob")
    room = await bob.creates_room(preset="public_chat")
    await bob.bans(room, alice)
    assert refused(await join(alice, room, there)) == (403, "M_FORBIDDEN")
    assert here.rows("SELECT room_id FROM rooms") == []


async def test_a_private_room_is_closed_to_who_is_not_invited(
    here: FederatedServer, there: FederatedServer
) -> None:
    room = await there.person("bob").creates_room(preset="private_chat")
    assert refused(await join(here.person("alice"), room, there)) == (403, "M_FORBIDDEN")


async def test_a_server_that_the_acl_denies_is_refused(
    here: FederatedServer, there: FederatedServer
) -> None:
    bob = there.person("bob")
    room = await bob.creates_room(preset="public_chat")
    await bob.sets(room, "m.room.server_acl", {"allow": ["*"], "deny": ["here.test"]})
    assert refused(await join(here.person("alice"), room, there)) == (403, "M_FORBIDDEN")


async def test_a_room_that_does_not_federate_lets_nobody_in(
    here: FederatedServer, there: FederatedServer
) -> None:
    room = await there.person("bob").creates_room(
        preset="public_chat", creation_content={"m.federate": False}
    )
    assert refused(await join(here.person("alice"), room, there)) == (403, "M_FORBIDDEN")


async def test_a_server_that_has_left_is_not_resident(
    here: FederatedServer, there: FederatedServer
) -> None:
    bob = there.person("bob")
    room = await bob.creates_room(preset="public_chat")
    await bob.leaves(room)
    assert refused(await join(here.person("alice"), room, there)) == (404, "M_NOT_FOUND")


async def test_the_next_server_helps_where_the_first_fails_after_its_template(
    here: FederatedServer, there: FederatedServer, world: World
) -> None:
    other = world.server("other.test")
    alice, bob, carol = here.person("alice"), there.person("bob"), other.person("carol")
    room = await bob.creates_room(preset="public_chat")
    assert (await join(carol, room, there)).status == 200
    other.surface.disturb = _fails("send_join")
    assert (await join(alice, room, other, there)).status == 200
    assert other.surface.asked[-2:] == ["make_join", "send_join"]
    assert here.watched.outcomes == ["failed", "joined"]
    assert await here.current_state(room) == await there.current_state(room)


async def test_when_nobody_answers_the_client_is_told_so(
    here: FederatedServer, there: FederatedServer
) -> None:
    room = await there.person("bob").creates_room(preset="public_chat")
    there.vanish()
    assert refused(await join(here.person("alice"), room, there)) == (502, "M_UNKNOWN")


async def test_an_unknown_version_of_the_server_is_told_to_the_client(
    here: FederatedServer, there: FederatedServer
) -> None:
    room = await there.person("bob").creates_room(preset="public_chat")
    body = {"errcode": "M_INCOMPATIBLE_ROOM_VERSION", "error": "no", "room_version": "99"}
    there.surface.disturb = _answers("make_join", body, 400)
    response = await join(here.person("alice"), room, there)
    assert refused(response) == (400, "M_INCOMPATIBLE_ROOM_VERSION")
    assert response.json["room_version"] == "99"


async def test_a_server_names_its_versions(here: FederatedServer, there: FederatedServer) -> None:
    alice = here.person("alice")
    room = await there.person("bob").creates_room(preset="public_chat")
    with pytest.raises(RemoteError) as raised:
        await here.asks(there, "GET", "make_join", room, alice.user_id, ver=["1", "11"])
    assert (raised.value.remote_status, raised.value.remote_errcode) == (
        400,
        "M_INCOMPATIBLE_ROOM_VERSION",
    )
    assert raised.value.remote_fields["room_version"] == "12"


@pytest.mark.parametrize(
    "change",
    [
        {"room_id": "!other:there.test:8448"},
        {"sender": "@eve:there.test:8448"},
        {"state_key": "@eve:there.test:8448"},
        {"type": "m.room.message"},
        {"content": {"membership": "invite"}},
        {"depth": "deep"},
        {"prev_events": [{}]},
        {"auth_events": ["no event ID"]},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_a_template_of_something_else_is_not_signed(
    here: FederatedServer, there: FederatedServer, change: dict[str, Any]
) -> None:
    alice = here.person("alice")
    room = await there.person("bob").creates_room(preset="public_chat")
    template = await here.asks(
        there, "GET", "make_join", room, alice.user_id, ver=list(ROOM_VERSIONS)
    )
    template["event"].update(change)
    there.surface.disturb = _answers("make_join", template)
    assert refused(await join(alice, room, there)) == (502, "M_UNKNOWN")
    assert "send_join" not in there.surface.asked


async def test_forged_events_in_the_state_are_left_out(
    here: FederatedServer, there: FederatedServer
) -> None:
    alice, bob = here.person("alice"), there.person("bob")
    room = await bob.creates_room(preset="public_chat", name="Den")
    there.surface.disturb = _changes_state(there, lambda event: _forged(event, "m.room.name"))
    assert (await join(alice, room, there)).status == 200
    state = await here.current_state(room)
    assert ("m.room.name", "") not in state
    assert ("m.room.join_rules", "") in state


@pytest.mark.parametrize("missing", ["m.room.create", "m.room.join_rules"])
async def test_a_state_that_does_not_allow_the_join_leaves_nothing_behind(
    here: FederatedServer, there: FederatedServer, missing: str
) -> None:
    alice, bob = here.person("alice"), there.person("bob")
    room = await bob.creates_room(preset="public_chat")
    there.surface.disturb = _changes_state(
        there, lambda event: None if event["type"] == missing else event
    )
    assert refused(await join(alice, room, there)) == (502, "M_UNKNOWN")
    assert here.rows("SELECT room_id FROM rooms") == []
    assert here.rows("SELECT event_id FROM events") == []
    there.surface.disturb = lambda request: None
    assert (await join(alice, room, there)).status == 200


async def test_an_import_that_fails_half_way_is_undone_and_can_be_repeated(
    here: FederatedServer, there: FederatedServer
) -> None:
    alice = here.person("alice")
    room = await there.person("bob").creates_room(preset="public_chat")
    here.execute(
        "CREATE TRIGGER broken BEFORE INSERT ON state_intervals BEGIN"
        " SELECT RAISE(ABORT, 'the disk is full of holes'); END"
    )
    assert (await join(alice, room, there)).status == 500
    assert here.rows("SELECT room_id FROM rooms") == []
    assert here.rows("SELECT event_id FROM events") == []
    here.execute("DROP TRIGGER broken")
    response = await join(alice, room, there)
    assert response.status == 200, response.json
    assert await here.current_state(room) == await there.current_state(room)


async def test_two_who_join_at_once_share_the_way(
    here: FederatedServer, there: FederatedServer
) -> None:
    alice, carol = here.person("alice"), here.person("carol")
    room = await there.person("bob").creates_room(preset="public_chat")
    for response in await together(join(alice, room, there), join(carol, room, there)):
        assert response.status == 200, response.json
    assert there.surface.asked.count("send_join") == 1
    view = (await here.actor(room)).view
    assert view.is_joined(alice.user_id)
    assert view.is_joined(carol.user_id)


async def test_after_everybody_has_left_the_room_is_joined_anew_over_federation(
    here: FederatedServer, there: FederatedServer
) -> None:
    alice, bob = here.person("alice"), there.person("bob")
    room = await bob.creates_room(preset="public_chat", name="Den")
    await join(alice, room, there)
    await alice.leaves(room)
    assert await there.hears(room, await here.newest(room)) is Standing.ACCEPTED
    await bob.sets(room, "m.room.name", {"name": "Lair"})
    assert (await here.content(room, "m.room.name"))["name"] == "Den"
    assert refused(await alice.send(room, {"body": "still here?"})) == (403, "M_FORBIDDEN")
    assert (await join(alice, room, there)).status == 200
    assert (await here.content(room, "m.room.name"))["name"] == "Lair"
    assert await here.current_state(room) == await there.current_state(room)
    await alice.sends(room, "back")
    newest = await here.newest(room)
    assert len(newest.prev_event_ids) == 1
    assert await there.hears(room, newest) is Standing.ACCEPTED


async def test_a_room_is_joined_again_without_saying_where_it_is(
    here: FederatedServer, there: FederatedServer
) -> None:
    alice, bob = here.person("alice"), there.person("bob")
    room = await bob.creates_room(preset="public_chat")
    await join(alice, room, there)
    await alice.leaves(room)
    await there.hears(room, await here.newest(room))
    response = await alice.post(f"/rooms/{quoted(room)}/join")
    assert response.status == 200, response.json


async def test_who_was_invited_before_the_server_left_may_still_answer(
    here: FederatedServer, there: FederatedServer
) -> None:
    alice, bob = here.person("alice"), there.person("bob")
    carol, dora = here.person("carol"), here.person("dora")
    room = await bob.creates_room(preset="private_chat")
    await invite(bob, room, alice)
    await join(alice, room)
    for person in (carol, dora):
        await alice.invites(room, person)
        await there.hears(room, await here.newest(room))
    await alice.leaves(room)
    await there.hears(room, await here.newest(room))
    phone = await device(dora)
    assert (await leave(dora, room)).status == 200
    assert await there.membership(room, dora) == "leave"
    assert room in (await phone.sync()).rooms("leave")
    assert (await join(carol, room)).status == 200
    assert await here.current_state(room) == await there.current_state(room)


async def test_a_large_room_comes_in_pieces(here: FederatedServer, there: FederatedServer) -> None:
    alice, bob = here.person("alice"), there.person("bob")
    room = await bob.creates_room(preset="public_chat")
    actor = await there.actor(room)
    users = [UserId(f"@user{number}:there.test:8448") for number in range(800)]
    joined = {"membership": "join", "displayname": "somebody"}
    joins = [NewEvent("m.room.member", user, joined, user) for user in users]
    await all_committed([actor.append_now(new)[1] for new in joins])
    assert (await join(alice, room, there)).status == 200
    assert here.watched.events >= len(users)
    assert (await here.actor(room)).view.joined_count == len(users) + 2
    assert await here.current_state(room) == await there.current_state(room)


async def test_guests_do_not_join_rooms_of_other_servers(
    here: FederatedServer, there: FederatedServer
) -> None:
    room = await there.person("bob").creates_room(preset="public_chat")
    guest = here.person("guest", is_guest=True)
    assert refused(await join(guest, room, there)) == (403, "M_GUEST_ACCESS_FORBIDDEN")


async def test_the_join_is_relayed_by_the_server_that_took_it(
    here: FederatedServer, there: FederatedServer
) -> None:
    room = await there.person("bob").creates_room(preset="public_chat")
    await join(here.person("alice"), room, there)
    joined = await there.newest(room)
    assert there.relays.relayed == [joined.event_id]
    assert here.relays.withheld == [joined.event_id]
    assert set(joined.pdu_object()["signatures"]) == {here.server_name, there.server_name}


async def test_the_first_form_of_the_operation_is_used_with_old_servers(
    here: FederatedServer, there: FederatedServer
) -> None:
    room = await there.person("bob").creates_room(preset="public_chat", room_version="2")

    def lacks_v2(request: Request) -> Answer | None:
        if "/federation/v2/" in request.path:
            return error_answer(Unrecognized())
        return None

    there.surface.disturb = lacks_v2
    assert (await join(here.person("alice"), room, there)).status == 200


def _fails(operation: str) -> Disturbance:
    return lambda request: Answer(b"{}", 500) if f"/{operation}/" in request.path else None


def _answers(operation: str, body: Any, status: int = 200) -> Disturbance:
    return lambda request: ok(body, status) if f"/{operation}/" in request.path else None


def _changes_state(
    server: FederatedServer, change: Callable[[JsonObject], JsonObject | None]
) -> Disturbance:
    """The answer to /send_join as the server gives it, but for the events of the state."""

    def answer(request: Request) -> Answer | None:
        if "/send_join/" not in request.path:
            return None
        actor = server.directory.loaded(next(iter(server.directory._actors)))
        assert actor is not None
        view = actor.view
        events = [stored.event.pdu_object() for stored in view.state.values()]
        events += [
            stored.event.pdu_object()
            for member in view.members.values()
            if (stored := server.events.get(member.nid)) is not None
        ]
        state = [changed for event in events if (changed := change(event)) is not None]
        return ok({"state": state, "auth_chain": events})

    return answer


def _forged(event: JsonObject, type: str) -> JsonObject:
    if event["type"] == type:
        return {**event, "content": {"name": "forged"}, "depth": event["depth"] + 1}
    return event

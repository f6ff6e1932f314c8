"""Inviting users of other servers, and being invited by them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from federation.inbound.own_events import OwnEvents
from federation.transport.errors import RemoteError
from federation.transport.request_paths import federation_path
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import Unrecognized
from homeserver.domain.events import Event, EventDraft, build_event
from homeserver.domain.identifiers import EventId, RoomId, ServerName
from homeserver.domain.policy_servers import is_recommended
from homeserver.domain.room_versions import ROOM_VERSIONS, EventFormat, room_version
from homeserver.domain.signing import SigningKey
from homeserver.http.answers import Answer, error_answer, ok
from homeserver.http.request import Request
from homeserver.ports.rooms.events import Standing
from tests.federation.inbound.receiving_server import PolicyAdvice
from tests.federation.membership.servers import FederatedServer, invite, join, leave
from tests.rooms_fixture import Person, quoted, refused
from tests.sliding_fixture import Phone, a_list
from tests.sync_fixture import device


@pytest.mark.parametrize("version", list(ROOM_VERSIONS))
async def test_an_invite_is_signed_by_both_and_leads_into_the_room(
    here: FederatedServer, there: FederatedServer, version: str
) -> None:
    alice, bob = here.person("alice"), there.person("bob")
    phone = await device(alice)
    room = await bob.creates_room(preset="private_chat", room_version=version, name="Den")
    response = await invite(bob, room, alice)
    assert response.status == 200, response.json
    signatures = (await there.newest(room)).pdu_object()["signatures"]
    assert set(signatures) == {here.server_name, there.server_name}
    synced = await phone.sync()
    told = {e["type"]: e for e in synced.room(room, "invite")["invite_state"]["events"]}
    assert told["m.room.name"]["content"] == {"name": "Den"}
    assert told["m.room.member"]["state_key"] == alice.user_id
    assert (await join(alice, room)).status == 200
    assert (await phone.sync()).timeline(room)[-1]["content"]["membership"] == "join"
    assert here.rows("SELECT * FROM out_of_band_memberships") == []
    assert await here.current_state(room) == await there.current_state(room)


async def test_rooms_are_made_with_invites_of_others(
    here: FederatedServer, there: FederatedServer
) -> None:
    alice, bob = here.person("alice"), there.person("bob")
    phone = await device(alice)
    room = await bob.creates_room(
        preset="trusted_private_chat", invite=[alice.user_id], is_direct=True
    )
    invited = (await phone.sync()).room(room, "invite")["invite_state"]["events"]
    own = [e for e in invited if e.get("state_key") == alice.user_id]
    assert own[0]["content"]["is_direct"] is True


async def test_a_room_is_made_even_if_an_invite_fails(
    here: FederatedServer, there: FederatedServer
) -> None:
    here.vanish()
    room = await there.person("bob").creates_room(invite=["@alice:here.test:8448"])
    assert "@alice:here.test:8448" not in (await there.actor(room)).view.members


async def test_an_invite_is_rejected_with_the_help_of_the_inviting_server(
    here: FederatedServer, there: FederatedServer
) -> None:
    alice, bob = here.person("alice"), there.person("bob")
    phone = await device(alice)
    room = await bob.creates_room(preset="private_chat")
    await invite(bob, room, alice)
    await phone.sync()
    assert (await leave(alice, room)).status == 200
    assert await there.membership(room, alice) == "leave"
    left = await phone.sync()
    assert left.timeline(room, "leave")[-1]["content"]["membership"] == "leave"
    assert refused(await join(alice, room, there)) == (403, "M_FORBIDDEN")
    assert (await alice.post(f"/rooms/{quoted(room)}/forget")).status == 200


async def test_an_invite_is_rejected_here_when_nobody_answers(
    here: FederatedServer, there: FederatedServer
) -> None:
    alice, bob = here.person("alice"), there.person("bob")
    phone = await device(alice)
    room = await bob.creates_room(preset="private_chat")
    await invite(bob, room, alice)
    await phone.sync()
    there.vanish()
    assert (await leave(alice, room)).status == 200
    assert "leave" in (await phone.sync()).json["rooms"]
    assert refused(await leave(alice, room)) == (403, "M_FORBIDDEN")


async def test_who_was_invited_sees_the_room_after_a_restart(
    here: FederatedServer, there: FederatedServer
) -> None:
    alice, bob = here.person("alice"), there.person("bob")
    room = await bob.creates_room(preset="private_chat", name="Den")
    await invite(bob, room, alice)
    for nid in list(here.directory._actors):
        here.directory.forget(nid)
    phone = await device(alice)
    phone.since = None
    invited = (await phone.sync()).room(room, "invite")["invite_state"]["events"]
    assert "m.room.name" in {e["type"] for e in invited}
    joined = await alice.get("/joined_rooms")
    assert joined.json == {"joined_rooms": []}


async def test_an_invited_user_does_nothing_else_in_the_room(
    here: FederatedServer, there: FederatedServer
) -> None:
    alice, bob = here.person("alice"), there.person("bob")
    room = await bob.creates_room(preset="private_chat")
    await invite(bob, room, alice)
    assert refused(await alice.send(room, {"body": "hi"})) == (403, "M_FORBIDDEN")
    assert refused(await alice.set_state(room, "m.room.topic", {"topic": "x"})) == (
        403,
        "M_FORBIDDEN",
    )
    for path in ("/members", "/joined_members", "/state", "/messages?dir=b", "/aliases"):
        answer = await alice.get(f"/rooms/{quoted(room)}{path}")
        assert refused(answer) == (403, "M_FORBIDDEN"), path
    assert refused(await alice.get(f"/directory/list/room/{quoted(room)}")) == (404, "M_NOT_FOUND")
    hierarchy = await alice.get(f"/_matrix/client/v1/rooms/{quoted(room)}/hierarchy")
    assert hierarchy.status in (403, 404)
    summary = await alice.get(f"/_matrix/client/v1/room_summary/{quoted(room)}")
    assert refused(summary) == (404, "M_NOT_FOUND")


async def test_who_blocks_invites_gets_none(here: FederatedServer, there: FederatedServer) -> None:
    alice, bob = here.person("alice"), there.person("bob")
    here.invite_permissions.blocked.add(alice.user_id)
    room = await bob.creates_room(preset="private_chat")
    assert refused(await invite(bob, room, alice)) == (403, "M_INVITE_BLOCKED")
    assert alice.user_id not in (await there.actor(room)).view.members
    assert here.rows("SELECT room_id FROM rooms") == []


async def test_an_unknown_user_is_not_invited(
    here: FederatedServer, there: FederatedServer
) -> None:
    room = await there.person("bob").creates_room(preset="private_chat")
    response = await invite(there.person("bob"), room, here.person("nobody"))
    assert refused(response) == (403, "M_FORBIDDEN")


async def test_an_invite_to_a_server_that_is_away_fails(
    here: FederatedServer, there: FederatedServer
) -> None:
    room = await there.person("bob").creates_room(preset="private_chat")
    here.vanish()
    response = await invite(there.person("bob"), room, here.person("alice"))
    assert refused(response) == (502, "M_UNKNOWN")
    assert "@alice:here.test:8448" not in (await there.actor(room)).view.members


async def test_an_invite_that_comes_back_unsigned_does_not_count(
    here: FederatedServer, there: FederatedServer
) -> None:
    room = await there.person("bob").creates_room(preset="private_chat")

    def returns_it_unsigned(request: Request) -> Answer | None:
        return ok({"event": request.body_object()["event"]}) if "/invite/" in request.path else None

    here.surface.disturb = returns_it_unsigned
    response = await invite(there.person("bob"), room, here.person("alice"))
    assert refused(response) == (502, "M_UNKNOWN")
    assert "@alice:here.test:8448" not in (await there.actor(room)).view.members


async def test_the_first_form_is_used_with_old_servers(
    here: FederatedServer, there: FederatedServer
) -> None:
    alice, bob = here.person("alice"), there.person("bob")
    here.surface.disturb = lambda request: (
        error_answer(Unrecognized()) if "/federation/v2/" in request.path else None
    )
    room = await bob.creates_room(preset="private_chat", room_version="2")
    assert (await invite(bob, room, alice)).status == 200
    assert (await join(alice, room)).status == 200


async def test_who_is_in_the_room_already_hears_of_invites_as_of_any_event(
    here: FederatedServer, there: FederatedServer
) -> None:
    alice, bob, carol = here.person("alice"), there.person("bob"), here.person("carol")
    room = await bob.creates_room(preset="public_chat")
    await join(alice, room, there)
    assert (await invite(bob, room, carol)).status == 200
    assert here.rows("SELECT * FROM out_of_band_memberships") == []
    assert await here.hears(room, await there.newest(room)) is Standing.ACCEPTED
    assert (await device(carol)).since is not None
    assert await here.membership(room, carol) == "invite"


async def test_who_has_left_is_invited_back(here: FederatedServer, there: FederatedServer) -> None:
    alice, bob = here.person("alice"), there.person("bob")
    room = await bob.creates_room(preset="private_chat", name="Den")
    await invite(bob, room, alice)
    await join(alice, room)
    await alice.leaves(room)
    await there.hears(room, await here.newest(room))
    phone = await device(alice)
    assert (await invite(bob, room, alice)).status == 200
    assert room in (await phone.sync()).rooms("invite")
    assert (await join(alice, room)).status == 200
    assert await here.current_state(room) == await there.current_state(room)


async def test_an_invite_that_is_withdrawn_is_gone(
    here: FederatedServer, there: FederatedServer
) -> None:
    alice, bob = here.person("alice"), there.person("bob")
    phone = await device(alice)
    room = await bob.creates_room(preset="private_chat")
    await invite(bob, room, alice)
    await phone.sync()
    kick = f"/rooms/{quoted(room)}/kick"
    assert (await bob.post(kick, {"user_id": alice.user_id})).status == 200
    event = await there.newest(room)
    pdu = event.pdu_object()
    unsigned = {**pdu, "signatures": {there.server_name: {"ed25519:a_1": "forged"}}}
    stranger = ServerName("stranger.test")
    assert not await here.withdrawals.take(stranger, room, pdu)
    assert not await here.withdrawals.take(there.server_name, room, unsigned)
    assert not await here.withdrawals.take(there.server_name, room, {})
    assert await here.withdrawals.take(there.server_name, room, pdu)
    assert room in (await phone.sync()).rooms("leave")
    assert not await here.withdrawals.take(there.server_name, room, pdu)


async def test_sliding_sync_tells_of_an_invite_and_of_its_end(
    here: FederatedServer, there: FederatedServer
) -> None:
    alice, bob = here.person("alice"), there.person("bob")
    phone = Phone(alice, lists={"all": a_list()})
    await phone.sync()
    room = await bob.creates_room(preset="private_chat", name="Den")
    await invite(bob, room, alice)
    told = (await phone.sync()).rooms[room]
    events = told.get("stripped_state") or told["invite_state"]
    assert "m.room.name" in {event["type"] for event in events}
    there.vanish()
    await leave(alice, room)
    ended = (await phone.sync()).rooms[room]
    assert ended.get("membership", "leave") == "leave"


async def test_an_account_that_ends_rejects_its_invites(
    here: FederatedServer, there: FederatedServer
) -> None:
    alice, bob = here.person("alice"), there.person("bob")
    invited = await bob.creates_room(preset="private_chat")
    joined = await bob.creates_room(preset="public_chat")
    await invite(bob, invited, alice)
    await join(alice, joined, there)
    await here.departures.leave_all(alice.user_id)
    assert await there.membership(invited, alice) == "leave"
    assert await here.membership(joined, alice) == "leave"


async def test_what_was_told_of_a_room_is_taken_for_its_stripped_state_alone(
    here: FederatedServer, there: FederatedServer
) -> None:
    alice, bob = here.person("alice"), there.person("bob")
    room = await bob.creates_room(preset="private_chat", room_version="11")
    await invite(bob, room, alice)
    row = await here.directory.find(room)
    assert row is not None
    view = (await here.directory.by_nid(row.room_nid)).view
    assert not view.is_known
    assert view.membership(alice.user_id) == "invite"


# --- invites that are none


@pytest.mark.parametrize(
    "change",
    [
        {"type": "m.room.topic"},
        {"content": {"membership": "join"}},
        {"sender": "@eve:elsewhere.test"},
        {"state_key": "@alice:elsewhere.test"},
        {"room_id": "!another:there.test:8448"},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_what_is_no_invite_of_a_user_here_is_not_signed(
    here: FederatedServer, there: FederatedServer, change: JsonObject
) -> None:
    bob = there.person("bob")
    event = _invite(there, bob, "@alice:here.test:8448", change)
    await _refused_as(here, there, event, "M_INVALID_PARAM")


async def test_a_forged_invite_is_not_signed(here: FederatedServer, there: FederatedServer) -> None:
    bob = there.person("bob")
    event = _invite(there, bob, "@alice:here.test:8448", {}, SigningKey.generate("a_1"))
    await _refused_as(here, there, event, "M_INVALID_PARAM")


async def test_an_invite_to_a_room_of_an_unknown_version_is_refused(
    here: FederatedServer, there: FederatedServer
) -> None:
    event = _invite(there, there.person("bob"), "@alice:here.test:8448", {})
    await _refused_as(here, there, event, "M_INCOMPATIBLE_ROOM_VERSION", version="99")


async def test_an_invite_under_another_id_is_refused(
    here: FederatedServer, there: FederatedServer
) -> None:
    event = _invite(there, there.person("bob"), "@alice:here.test:8448", {})
    await _refused_as(here, there, event, "M_INVALID_PARAM", event_id="$other")


async def test_a_room_whose_id_is_a_hash_must_be_described_by_its_creation(
    here: FederatedServer, there: FederatedServer
) -> None:
    bob = there.person("bob")
    room = await bob.creates_room(preset="private_chat")
    actor = await there.actor(room)
    event = _invite(there, bob, "@alice:here.test:8448", {"room_id": room}, version="12")
    name = actor.view.state["m.room.join_rules", ""].event.pdu_object()
    create = actor.view.create.event.pdu_object()
    await _refused_as(here, there, event, "M_MISSING_PARAM", version="12")
    await _refused_as(here, there, event, "M_INVALID_PARAM", version="12", state=[name])
    other = await bob.creates_room(preset="private_chat")
    foreign = (await there.actor(other)).view.create.event.pdu_object()
    await _refused_as(here, there, event, "M_INVALID_PARAM", version="12", state=[foreign])
    stripped = {key: create[key] for key in ("type", "content", "sender", "state_key")}
    await _refused_as(here, there, event, "M_INVALID_PARAM", version="12", state=[stripped])
    assert here.rows("SELECT room_id FROM rooms") == []


async def test_stripped_state_is_believed_of_older_rooms(
    here: FederatedServer, there: FederatedServer
) -> None:
    alice, bob = here.person("alice"), there.person("bob")
    event = _invite(there, bob, alice.user_id, {})
    name = {
        "type": "m.room.name",
        "state_key": "",
        "sender": bob.user_id,
        "content": {"name": "Den"},
    }
    forged = {**name, "type": "m.room.topic", "signatures": {}}
    await _send(here, there, event, "11", [name, forged, "nonsense"])
    await _send(here, there, event, "11", [name])
    phone = await device(alice)
    phone.since = None
    told = (await phone.sync()).room(event.room_id, "invite")["invite_state"]["events"]
    assert [e["type"] for e in told] == ["m.room.name", "m.room.member"]


async def test_an_invite_is_recommended_before_it_is_sent(
    here: FederatedServer, there: FederatedServer
) -> None:
    alice, bob = here.person("alice"), there.person("bob")
    advice = PolicyAdvice()
    there.directory.recommend_by(OwnEvents(advice, there.judging, there.events))
    keys = {"ed25519": advice.key.verify_key_base64}
    content = {"via": there.server_name, "public_keys": keys}
    policy = {"type": "m.room.policy", "state_key": "", "content": content}
    room = await bob.creates_room(preset="private_chat", initial_state=[policy])
    response = await bob.post(
        f"/rooms/{quoted(room)}/invite", {"user_id": alice.user_id, "reason": "spam"}
    )
    assert refused(response) == (403, "M_FORBIDDEN")
    assert here.rows("SELECT room_id FROM rooms") == []
    assert (await invite(bob, room, alice)).status == 200
    invited = await there.newest(room)
    assert set(invited.pdu_object()["signatures"]) == {here.server_name, there.server_name}
    assert is_recommended(invited, (await there.actor(room)).view.policy_server)


async def test_the_first_form_of_an_invite_describes_the_room_in_what_is_not_signed(
    here: FederatedServer, there: FederatedServer
) -> None:
    alice, bob = here.person("alice"), there.person("bob")
    event = _invite(there, bob, alice.user_id, {}, version="1")
    name = {
        "type": "m.room.name",
        "state_key": "",
        "sender": bob.user_id,
        "content": {"name": "Den"},
    }
    unsigned = {"age": 5, "invite_room_state": [name]}
    content = {**event.pdu_object(), "unsigned": unsigned}
    answer: Any = bytearray()
    await there.federation_client.stream(
        "PUT",
        here.server_name,
        federation_path("invite", event.room_id, event.event_id),
        lambda _: answer.extend,
        content=content,
    )
    status, told = json.loads(answer)
    assert status == 200
    assert told["event"]["unsigned"] == unsigned
    phone = await device(alice)
    phone.since = None
    shown = (await phone.sync()).room(event.room_id, "invite")["invite_state"]["events"]
    assert [e["type"] for e in shown] == ["m.room.name", "m.room.member"]
    (kept,) = (await here.events.fetch_ids([event.event_id])).values()
    assert "unsigned" not in kept.event.pdu_object()


def _invite(
    server: FederatedServer,
    sender: Person,
    user_id: str,
    change: JsonObject,
    key: SigningKey | None = None,
    version: str = "11",
) -> Event:
    """An invite to a room that only the server claims to have."""
    rules = room_version(version)
    draft: dict[str, Any] = {
        "room_id": RoomId("!claimed:there.test:8448"),
        "type": "m.room.member",
        "sender": sender.user_id,
        "state_key": user_id,
        "content": {"membership": "invite"},
        **change,
    }
    return build_event(
        EventDraft(**draft, origin_server_ts=server.clock.now_ms()),
        rules,
        prev_events=[],
        auth_events=[],
        depth=5,
        server_name=server.server_name,
        signing_key=key or server.signing_key,
        event_id=EventId("$i:there.test:8448") if rules.event_format is EventFormat.V1 else None,
    )


async def _send(
    here: FederatedServer,
    there: FederatedServer,
    event: Event,
    version: str,
    state: list[Any] | None,
    event_id: str | None = None,
) -> Any:
    content: JsonObject = {"event": event.pdu_object(), "room_version": version}
    if state is not None:
        content["invite_room_state"] = state
    room_id = "!claimed:there.test:8448" if event.version.identifier != "12" else event.room_id
    return await there.asks(
        here, "PUT", "invite", room_id, event_id or event.event_id, content=content, version="v2"
    )


async def _refused_as(
    here: FederatedServer,
    there: FederatedServer,
    event: Event,
    errcode: str,
    *,
    version: str = "11",
    state: list[Any] | None = None,
    event_id: str | None = None,
) -> None:
    with pytest.raises(RemoteError) as raised:
        await _send(here, there, event, version, state, event_id)
    assert (raised.value.remote_status, raised.value.remote_errcode) == (400, errcode)
    assert here.rows("SELECT room_id FROM rooms") == []

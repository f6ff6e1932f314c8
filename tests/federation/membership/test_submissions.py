"""What a resident server makes of member events that others hand in."""

from __future__ import annotations

from typing import Any

import pytest

from federation.membership.handshake import Made, Wish
from federation.transport.errors import RemoteError
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.events import Event, EventDraft, EventReference
from homeserver.domain.identifiers import RoomId, UserId
from homeserver.domain.membership import Membership
from homeserver.domain.signing import SigningKey
from tests.federation.membership.servers import FederatedServer, World, join
from tests.sync_fixture import a_room

ALICE = UserId("@alice:here.test:8448")


@pytest.mark.parametrize("operation", ["make_join", "make_leave", "make_knock"])
async def test_templates_are_for_users_of_the_server_that_asks(
    here: FederatedServer, there: FederatedServer, operation: str
) -> None:
    room = await a_room(there.person("bob"))
    user = "@bob:there.test:8448"
    assert await refusal(here, there, "GET", operation, room, user) == (403, "M_FORBIDDEN")


@pytest.mark.parametrize("operation", ["make_join", "make_leave", "make_knock"])
async def test_there_are_no_templates_for_unknown_rooms(
    here: FederatedServer, there: FederatedServer, operation: str
) -> None:
    assert await refusal(here, there, "GET", operation, "!x:there.test", ALICE) == (
        404,
        "M_NOT_FOUND",
    )


async def test_nobody_leaves_who_is_not_there(
    here: FederatedServer, there: FederatedServer
) -> None:
    room = await a_room(there.person("bob"))
    assert await refusal(here, there, "GET", "make_leave", room, ALICE) == (403, "M_FORBIDDEN")


async def test_a_template_has_neither_id_nor_hashes_nor_signatures(
    here: FederatedServer, there: FederatedServer
) -> None:
    room = await a_room(there.person("bob"), room_version="1")
    template = await here.asks(there, "GET", "make_join", room, ALICE)
    assert template["room_version"] == "1"
    assert not {"event_id", "hashes", "signatures"} & template["event"].keys()
    assert template["event"]["sender"] == template["event"]["state_key"] == ALICE


@pytest.mark.parametrize(
    ("operation", "membership"),
    [("send_join", Membership.LEAVE), ("send_leave", Membership.JOIN)],
)
async def test_another_membership_is_refused(
    here: FederatedServer, there: FederatedServer, operation: str, membership: Membership
) -> None:
    room = await a_room(there.person("bob"))
    event = (await made(here, there, room)).event
    changed = rewritten(here, event, content={"membership": membership.value})
    assert await handed_in(here, there, changed, operation) == (400, "M_INVALID_PARAM")


@pytest.mark.parametrize(
    "change",
    [
        {"type": "m.room.topic"},
        {"sender": "@bob:there.test:8448"},
        {"state_key": "@carol:here.test:8448"},
        {"state_key": None},
    ],
    ids=["type", "sender", "state_key", "no state_key"],
)
async def test_another_event_is_refused(
    here: FederatedServer, there: FederatedServer, change: dict[str, Any]
) -> None:
    room = await a_room(there.person("bob"))
    event = rewritten(here, (await made(here, there, room)).event, **change)
    before = len(await there.timeline(room))
    assert await handed_in(here, there, event) == (400, "M_INVALID_PARAM")
    assert len(await there.timeline(room)) == before


async def test_an_event_of_another_room_is_refused(
    here: FederatedServer, there: FederatedServer
) -> None:
    bob = there.person("bob")
    room, other = await a_room(bob), await a_room(bob)
    event = (await made(here, there, room)).event
    answer = await refusal(
        here, there, "PUT", "send_join", other, event.event_id, content=event.pdu_object()
    )
    assert answer == (400, "M_INVALID_PARAM")


async def test_an_event_under_another_id_is_refused(
    here: FederatedServer, there: FederatedServer
) -> None:
    room = await a_room(there.person("bob"))
    event = (await made(here, there, room)).event
    answer = await refusal(
        here, there, "PUT", "send_join", room, "$another", content=event.pdu_object()
    )
    assert answer == (400, "M_INVALID_PARAM")


async def test_a_forged_signature_is_refused(here: FederatedServer, there: FederatedServer) -> None:
    room = await a_room(there.person("bob"))
    event = (await made(here, there, room)).event
    forged = rewritten(here, event, key=SigningKey.generate("a_1"))
    assert await handed_in(here, there, forged) == (400, "M_INVALID_PARAM")


async def test_a_wrong_hash_is_refused(here: FederatedServer, there: FederatedServer) -> None:
    room = await a_room(there.person("bob"))
    event = (await made(here, there, room)).event
    pdu = event.pdu_object()
    pdu["content"]["displayname"] = "Not Alice"
    answer = await refusal(here, there, "PUT", "send_join", room, event.event_id, content=pdu)
    assert answer == (400, "M_INVALID_PARAM")


async def test_a_user_who_was_banned_meanwhile_is_refused(
    here: FederatedServer, there: FederatedServer
) -> None:
    bob = there.person("bob")
    room = await a_room(bob)
    event = (await made(here, there, room)).event
    await bob.bans(room, here.person("alice"))
    assert await handed_in(here, there, event) == (403, "M_FORBIDDEN")
    assert await there.membership(room, here.person("alice")) == "ban"


async def test_a_server_that_the_acl_denies_hands_nothing_in(
    here: FederatedServer, there: FederatedServer
) -> None:
    bob = there.person("bob")
    room = await a_room(bob)
    event = (await made(here, there, room)).event
    await bob.sets(room, "m.room.server_acl", {"allow": ["*"], "deny": ["here.test"]})
    assert await handed_in(here, there, event) == (403, "M_FORBIDDEN")


async def test_an_event_may_be_handed_in_twice(
    here: FederatedServer, there: FederatedServer
) -> None:
    room = await a_room(there.person("bob"))
    event = (await made(here, there, room)).event
    answers = [await send_join(here, there, event) for _ in range(2)]
    assert answers[0]["event"] == answers[1]["event"]
    ids = [stored.event.event_id for stored in await there.timeline(room)]
    assert ids.count(event.event_id) == 1


async def test_the_answer_is_the_state_before_the_join(
    here: FederatedServer, there: FederatedServer
) -> None:
    room = await a_room(there.person("bob"))
    before = await there.current_state(room)
    answer = await send_join(here, there, (await made(here, there, room)).event)
    state = {(e["type"], e["state_key"]) for e in answer["state"]}
    assert state == set(before)
    assert answer["members_omitted"] is False
    assert answer["servers_in_room"] == [there.server_name]


async def test_members_are_omitted_but_for_those_who_name_the_room(
    here: FederatedServer, there: FederatedServer
) -> None:
    bob = there.person("bob")
    room = await a_room(bob, *(there.person(f"user{n}") for n in range(8)))
    event = (await made(here, there, room)).event
    answer = await send_join(here, there, event, omit_members="true")
    members = [e for e in answer["state"] if e["type"] == "m.room.member"]
    assert answer["members_omitted"] is True
    assert len(members) == 5
    told = {tuple(sorted(e["hashes"].items())) for e in answer["state"]}
    assert not told & {tuple(sorted(e["hashes"].items())) for e in answer["auth_chain"]}


async def test_a_named_room_is_told_without_members(
    here: FederatedServer, there: FederatedServer
) -> None:
    others = [there.person(f"user{n}") for n in range(2)]
    room = await a_room(there.person("bob"), *others, name="Den")
    event = (await made(here, there, room)).event
    answer = await send_join(here, there, event, omit_members="true")
    assert "m.room.member" not in {e["type"] for e in answer["state"]}


async def test_a_small_room_is_told_whole(here: FederatedServer, there: FederatedServer) -> None:
    room = await a_room(there.person("bob"), there.person("carol"), name="Den")
    event = (await made(here, there, room)).event
    answer = await send_join(here, there, event, omit_members="true")
    members = [e for e in answer["state"] if e["type"] == "m.room.member"]
    assert answer["members_omitted"] is False
    assert len(members) == 2


async def test_a_leave_in_the_first_form_is_answered_by_a_pair(
    here: FederatedServer, there: FederatedServer
) -> None:
    room = await a_room(there.person("bob"))
    assert (await join(here.person("alice"), room, there)).status == 200
    wish = Wish(ALICE, room, Membership.LEAVE, {"membership": "leave"})
    leave = (await here.handshake.make(there.server_name, wish)).event
    answer = await here.asks(
        there, "PUT", "send_leave", room, leave.event_id, content=leave.pdu_object(), version="v2"
    )
    assert answer == {}
    assert await there.membership(room, here.person("alice")) == "leave"


async def test_a_third_server_hears_of_the_join(
    here: FederatedServer, there: FederatedServer, world: World
) -> None:
    other = world.server("other.test")
    room = await a_room(there.person("bob"))
    await join(other.person("carol"), room, there)
    await join(here.person("alice"), room, there)
    joined = await there.newest(room)
    await other.hears(room, joined)
    assert await other.membership(room, here.person("alice")) == "join"


# ---


async def made(here: FederatedServer, there: FederatedServer, room: str) -> Made:
    """A join of Alice that is not handed in yet."""
    wish = Wish(ALICE, RoomId(room), Membership.JOIN, {"membership": "join"})
    return await here.handshake.make(there.server_name, wish)


def rewritten(
    here: FederatedServer, event: Event, key: SigningKey | None = None, **change: Any
) -> Event:
    """An event with other fields, rightly hashed and signed by the same server."""
    pdu = event.pdu_object()
    draft: dict[str, Any] = {
        "room_id": event.room_id,
        "type": event.type,
        "sender": event.sender,
        "state_key": event.state_key,
        "content": pdu["content"],
        "origin_server_ts": event.origin_server_ts,
        **change,
    }
    pen = here.pen
    if key is not None:
        pen = type(pen)(pen.server_name, key, pen.clock, pen.new_event_id)
    return pen.write(
        EventDraft(**draft),
        event.version,
        [EventReference(i, "") for i in event.prev_event_ids],
        [EventReference(i, "") for i in event.auth_event_ids],
        event.depth,
    )


async def send_join(
    here: FederatedServer, there: FederatedServer, event: Event, **query: str
) -> Any:
    return await here.asks(
        there,
        "PUT",
        "send_join",
        event.room_id,
        event.event_id,
        content=event.pdu_object(),
        version="v2",
        **query,
    )


async def handed_in(
    here: FederatedServer, there: FederatedServer, event: Event, operation: str = "send_join"
) -> tuple[int, str]:
    """How an event is refused."""
    return await refusal(
        here, there, "PUT", operation, event.room_id, event.event_id, content=event.pdu_object()
    )


async def refusal(
    here: FederatedServer,
    there: FederatedServer,
    method: str,
    *segments: str,
    content: JsonObject | None = None,
) -> tuple[int, str]:
    versions = {} if method == "PUT" else {"ver": ["11", "12"]}
    api = "v2" if method == "PUT" else "v1"
    with pytest.raises(RemoteError) as raised:
        await here.asks(there, method, *segments, content=content, version=api, **versions)
    return raised.value.remote_status, raised.value.remote_errcode

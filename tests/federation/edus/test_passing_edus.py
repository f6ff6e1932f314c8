"""Typing, receipts, presence and messages of users of other servers."""

from __future__ import annotations

from typing import Any

import pytest

from homeserver.domain.identifiers import UserId
from homeserver.rooms.actor import NewEvent, RoomActor
from tests.federation.edus.receiving_server import BOB, THERE, ReceivingServer
from tests.homeserver.encryption import ClientDevice


async def meet(server: ReceivingServer) -> tuple[ClientDevice, RoomActor]:
    """Alice, and a room in which Bob is too."""
    alice = await server.device("alice")
    room = await server.room(alice)
    await server.joins(room, BOB)
    return alice, room


# --- typing


async def test_who_types_elsewhere_is_seen_here(server: ReceivingServer) -> None:
    _, room = await meet(server)
    edu = {"room_id": room.view.room_id, "user_id": BOB, "typing": True}
    await server.hears("m.typing", edu)
    assert room.view.typing == (BOB,)
    await server.hears("m.typing", {**edu, "typing": False})
    assert not room.view.typing


async def test_who_is_never_said_to_have_stopped_has_stopped_after_a_while(
    server: ReceivingServer,
) -> None:
    _, room = await meet(server)
    await server.hears("m.typing", {"room_id": room.view.room_id, "user_id": BOB, "typing": True})
    server.clock.advance(61)
    await server.log.drained()
    assert not room.view.typing


@pytest.mark.parametrize(
    "changed",
    [
        {"user_id": "@alice:hs"},
        {"user_id": "@carol:there.example"},
        {"user_id": "bob"},
        {"user_id": 7},
        {"room_id": "!unknown:hs"},
        {"room_id": None},
        {"typing": "yes"},
    ],
)
async def test_typing_that_cannot_be_is_ignored(
    server: ReceivingServer, changed: dict[str, Any]
) -> None:
    _, room = await meet(server)
    edu = {"room_id": room.view.room_id, "user_id": BOB, "typing": True, **changed}
    await server.hears("m.typing", edu)
    assert not room.view.typing


async def test_types_that_nobody_knows_are_ignored(server: ReceivingServer) -> None:
    await server.hears("org.example.unknown", {"anything": 1})


# --- receipts


async def said(room: RoomActor, user_id: UserId) -> str:
    new = NewEvent("m.room.message", user_id, {"msgtype": "m.text", "body": "hi"})
    return (await room.append(new)).event.event_id


def receipt_edu(room: RoomActor, event_id: str, user_id: str = BOB, **data: Any) -> dict[str, Any]:
    receipt = {"event_ids": [event_id], "data": {"ts": 123, **data}}
    return {room.view.room_id: {"m.read": {user_id: receipt}}}


async def test_what_was_read_elsewhere_is_seen_here(server: ReceivingServer) -> None:
    alice, room = await meet(server)
    event_id = await said(room, alice.user_id)
    await server.hears("m.receipt", receipt_edu(room, event_id))
    await server.hears("m.receipt", receipt_edu(room, event_id, thread_id="main"))
    assert room.view.receipts[BOB, "m.read", ""].ts == 123
    assert room.view.receipts[BOB, "m.read", "main"].event_id == event_id


async def test_receipts_that_cannot_be_are_ignored_and_others_count(
    server: ReceivingServer,
) -> None:
    alice, room = await meet(server)
    event_id = await said(room, alice.user_id)
    await server.hears("m.receipt", receipt_edu(room, event_id, user_id="@alice:hs"))
    await server.hears("m.receipt", {room.view.room_id: {"m.read": {BOB: {"event_ids": []}}}})
    await server.hears("m.receipt", {room.view.room_id: {"m.read.private": {BOB: {}}}})
    await server.hears("m.receipt", {"!elsewhere:hs": "nonsense"})
    assert not room.view.receipts
    edu = receipt_edu(room, event_id)
    edu[room.view.room_id]["m.read"] = {
        "@carol:there.example": {"event_ids": ["$unknown"], "data": {"ts": 1}},
        **edu[room.view.room_id]["m.read"],
    }
    await server.hears("m.receipt", edu)
    assert set(room.view.receipts) == {(BOB, "m.read", "")}


# --- presence


async def test_presence_reaches_who_shares_a_room(server: ReceivingServer) -> None:
    alice, _ = await meet(server)
    session = await server.sessions.of(alice.user_id)
    update = {
        "user_id": BOB,
        "presence": "online",
        "last_active_ago": 5000,
        "currently_active": True,
        "status_msg": "here",
    }
    await server.hears("m.presence", {"push": [{"user_id": 7}, update]})
    await server.log.drained()
    assert BOB in session.presence
    content = server.presence.current(BOB)
    assert content is not None
    assert (content["presence"], content["status_msg"]) == ("online", "here")
    assert content["last_active_ago"] == 5000
    await server.hears("m.presence", {"push": [{**update, "presence": "offline"}]})
    assert (server.presence.current(BOB) or {})["presence"] == "offline"


@pytest.mark.parametrize(
    "push",
    [
        None,
        [{"user_id": "@alice:hs", "presence": "offline"}],
        [{"user_id": "@stranger:there.example", "presence": "online"}],
        [{"user_id": BOB, "presence": "asleep"}],
        [{"user_id": BOB}],
    ],
)
async def test_presence_that_cannot_be_is_ignored(server: ReceivingServer, push: Any) -> None:
    await meet(server)
    await server.hears("m.presence", {"push": push})
    for user in (BOB, "@alice:hs", "@stranger:there.example"):
        assert server.presence.current(UserId(user)) is None


# --- messages to devices


def message_edu(message_id: str = "m1", **messages: Any) -> dict[str, Any]:
    return {
        "sender": BOB,
        "type": "m.test",
        "message_id": message_id,
        "messages": {f"@{name}:hs": of_user for name, of_user in messages.items()},
    }


async def test_messages_are_delivered_once(server: ReceivingServer) -> None:
    phone = await server.device("alice", "PHONE")
    tablet = await server.device("alice", "TABLET")
    edu = message_edu(alice={"PHONE": {"n": 1}})
    await server.hears("m.direct_to_device", edu)
    await server.hears("m.direct_to_device", edu)
    await server.hears("m.direct_to_device", message_edu("m2", alice={"*": {"n": 2}}))
    assert (await phone.sync()).messages == [
        {"content": {"n": n}, "sender": BOB, "type": "m.test"} for n in (1, 2)
    ]
    assert [event["content"] for event in (await tablet.sync()).messages] == [{"n": 2}]


@pytest.mark.parametrize(
    "changed",
    [
        {"sender": "@alice:hs"},
        {"sender": "@bob:elsewhere.example"},
        {"type": None},
        {"type": "x" * 300},
        {"message_id": ""},
        {"message_id": 7},
        {"messages": []},
        {"messages": {"@alice:hs": {"PHONE": "text"}}},
        {"messages": {"@alice:hs": {"PHONE": {"x": "y" * 70_000}}}},
        {"messages": {"@alice:elsewhere.example": {"PHONE": {}}}},
    ],
)
async def test_messages_that_cannot_be_are_ignored(
    server: ReceivingServer, changed: dict[str, Any]
) -> None:
    phone = await server.device("alice", "PHONE")
    edu = {**message_edu(alice={"PHONE": {"n": 1}}), **changed}
    await server.hears("m.direct_to_device", edu)
    assert (await phone.sync()).messages == []


async def test_an_edu_speaks_for_its_origin_alone(server: ReceivingServer) -> None:
    phone = await server.device("alice", "PHONE")
    edu = message_edu(alice={"PHONE": {"n": 1}})
    await server.edus.receive(THERE, "m.direct_to_device", edu)
    await server.hears("m.direct_to_device", {**edu, "message_id": "m9"}, UserId("x"))  # type: ignore[arg-type]
    assert len((await phone.sync()).messages) == 1

"""What is told beside events: merged, dropped or kept until it has arrived."""

from __future__ import annotations

import json

import pytest

from federation.outbound.ephemeral import MOST_KEPT, Ephemeral, merged_receipts
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import EventId, RoomId, ServerName, UserId
from homeserver.log.entries import PresenceEntry, ReceiptEntry, TypingEntry
from homeserver.ports.federation.outbound import PublicReceipt
from homeserver.ports.rooms.receipts import ReceiptRow
from homeserver.rooms.actor import RoomActor
from storage.rooms.receipts import SqlReceiptStore
from tests.federation.outbound.sending_server import (
    ALICE,
    BOB,
    THERE,
    SendingServer,
    user_at,
)
from tests.rooms_fixture import SERVER, OpenEngine

ROOM = RoomId("!room")
ELSEWHERE = ServerName("elsewhere.example")


def receipt(user: str, event: str, thread: str = "", position: int = 1) -> PublicReceipt:
    return PublicReceipt(ROOM, UserId(user), thread, EventId(event), 7, 0, position)


async def types(server: SendingServer, room: RoomActor, *users: UserId) -> None:
    """These users type in a room now, and no others."""
    view = room.view
    position = server.log.next_position(view.shard)
    await server.log.append(TypingEntry(view.shard, position, view.nid, users))


async def reads(
    server: SendingServer,
    room: RoomActor,
    user: UserId,
    event_id: EventId,
    *,
    type: str = "m.read",
    thread_id: str = "",
) -> None:
    """A user reads up to an event."""
    view = room.view
    position = server.log.next_position(view.shard)
    row = ReceiptRow(view.nid, user, type, thread_id, event_id, 7, position, position, 0, 0, 0)
    store = SqlReceiptStore()
    await server.log.append(
        ReceiptEntry(view.shard, position, view.nid, (row,)), lambda tx: store.put(tx, [row])
    )


async def appears(server: SendingServer, user: UserId, **content: object) -> None:
    """The presence of a user changes."""
    position = server.log.next_position(0)
    await server.log.append(PresenceEntry(0, position, user, content))


# --- merging


@pytest.mark.parametrize(
    ("receipts", "contents"),
    [
        ([], []),
        (
            [receipt("@a:hs", "$1"), receipt("@b:hs", "$2")],
            [
                {
                    "@a:hs": {"data": {"ts": 7}, "event_ids": ["$1"]},
                    "@b:hs": {"data": {"ts": 7}, "event_ids": ["$2"]},
                }
            ],
        ),
        (
            [receipt("@a:hs", "$1"), receipt("@a:hs", "$2", "main"), receipt("@b:hs", "$3")],
            [
                {
                    "@a:hs": {"data": {"ts": 7}, "event_ids": ["$1"]},
                    "@b:hs": {"data": {"ts": 7}, "event_ids": ["$3"]},
                },
                {"@a:hs": {"data": {"thread_id": "main", "ts": 7}, "event_ids": ["$2"]}},
            ],
        ),
    ],
)
def test_receipts_are_merged(receipts: list[PublicReceipt], contents: list[JsonObject]) -> None:
    edus, taken = merged_receipts(receipts, 10)
    assert [edu["content"][ROOM]["m.read"] for edu in edus] == contents
    assert taken == receipts


def test_receipts_that_do_not_fit_wait() -> None:
    receipts = [receipt("@a:hs", "$1"), receipt("@a:hs", "$2", "main"), receipt("@b:hs", "$3")]
    edus, taken = merged_receipts(receipts, 1)
    assert len(edus) == 1
    assert taken == [receipts[0], receipts[2]]


def test_only_the_newest_of_each_user_waits() -> None:
    waiting = Ephemeral()
    waiting.add_typing(ROOM, ALICE, True)
    waiting.add_typing(ROOM, ALICE, False)
    waiting.add_presence(ALICE, {"presence": "online"})
    waiting.add_presence(ALICE, {"presence": "offline"})
    waiting.add_receipt(receipt("@a:hs", "$2", position=2))
    waiting.add_receipt(receipt("@a:hs", "$1", position=1))
    edus, receipts = waiting.take(100)
    assert [edu["edu_type"] for edu in edus] == ["m.presence", "m.typing", "m.receipt"]
    assert [user["presence"] for user in edus[0]["content"]["push"]] == ["offline"]
    assert edus[1]["content"]["typing"] is False
    assert [each.event_id for each in receipts] == ["$2"]
    assert not waiting


def test_what_waits_is_bounded() -> None:
    waiting = Ephemeral()
    for number in range(MOST_KEPT + 10):
        waiting.add_typing(ROOM, UserId(f"@u{number}:hs"), True)
    assert len(waiting.typing) == MOST_KEPT
    assert len(waiting.take(30)[0]) == 30
    assert len(waiting.typing) == MOST_KEPT - 30


# --- typing, presence and receipts


async def test_who_begins_and_ends_to_type_is_told(server: SendingServer) -> None:
    room = await server.room(BOB)
    await server.passes()
    await types(server, room, ALICE, BOB)
    await server.passes()
    await types(server, room, BOB)
    await server.passes()
    room_id = room.view.room_id
    assert server.network.edus(THERE, "m.typing") == [
        {"room_id": room_id, "user_id": ALICE, "typing": True},
        {"room_id": room_id, "user_id": ALICE, "typing": False},
    ]


async def test_the_same_that_comes_to_pass_again_is_another_transaction(
    server: SendingServer,
) -> None:
    room = await server.room(BOB)
    for typists in ([ALICE], [], [ALICE]):
        await types(server, room, *typists)
        await server.passes(1)
    sent = server.network.to(THERE)
    assert len({each.txn_id for each in sent}) == len(sent) == 3


async def test_typing_and_presence_are_not_told_to_who_was_away(server: SendingServer) -> None:
    room = await server.room(BOB)
    server.network.down.add(THERE)
    await server.says(room, "hello")
    await server.passes()
    await types(server, room, ALICE)
    await appears(server, ALICE, presence="online")
    await server.passes()
    server.network.down.clear()
    await server.passes(60)
    assert server.network.bodies(THERE) == ["hello"]
    assert server.network.edus(THERE, "m.typing") == []
    assert server.network.edus(THERE, "m.presence") == []


async def test_a_server_that_only_missed_typing_is_not_behind(server: SendingServer) -> None:
    room = await server.room(BOB)
    server.network.down.add(THERE)
    await server.says(room, "hello")
    await server.passes()
    server.network.down.clear()
    await server.passes(60)
    attempt = server.health.admit(THERE)
    server.health.note_failure(attempt, "it is down again")
    await types(server, room, ALICE)
    await server.passes()
    assert server.destinations.get(THERE) is None


async def test_public_receipts_of_our_users_are_told(server: SendingServer) -> None:
    room = await server.room(BOB)
    event_id = await server.says(room, "hello")
    await server.passes()
    await reads(server, room, ALICE, event_id, thread_id="main")
    await reads(server, room, ALICE, event_id, type="m.read.private")
    await reads(server, room, BOB, event_id)
    await server.passes()
    data = {"ts": 7, "thread_id": "main"}
    assert server.network.edus(THERE, "m.receipt") == [
        {room.view.room_id: {"m.read": {ALICE: {"data": data, "event_ids": [event_id]}}}}
    ]


async def test_receipts_that_were_missed_come_as_the_last_of_each_user(
    server: SendingServer,
) -> None:
    room = await server.room(BOB)
    first = await server.says(room, "hello")
    await server.passes()
    server.network.down.add(THERE)
    last = await server.says(room, "again")
    await server.passes()
    await reads(server, room, ALICE, first)
    await reads(server, room, ALICE, last)
    server.network.down.clear()
    await server.passes(60)
    told = server.network.edus(THERE, "m.receipt")
    assert [edu[room.view.room_id]["m.read"][ALICE]["event_ids"] for edu in told] == [[last]]


async def test_presence_goes_to_the_servers_that_share_a_room(server: SendingServer) -> None:
    await server.room(BOB)
    await server.room(user_at(ELSEWHERE))
    await server.passes()
    await appears(server, ALICE, presence="online", currently_active=True, displayname="Alice")
    await appears(server, BOB, presence="online")
    await server.passes()
    for name in (THERE, ELSEWHERE):
        assert server.network.edus(name, "m.presence") == [
            {
                "push": [
                    {
                        "user_id": ALICE,
                        "presence": "online",
                        "currently_active": True,
                        "last_active_ago": 0,
                    }
                ]
            }
        ]


# --- messages to devices


async def test_messages_are_kept_until_they_are_acknowledged(server: SendingServer) -> None:
    server.network.down.add(THERE)
    for number in range(3):
        await server.mail.send(ALICE, "m.test", f"txn{number}", {BOB: {"PHONE": {"n": number}}})
    await server.passes(1)
    assert len(server.rows("SELECT 1 FROM outbound_messages")) == 3
    server.network.down.clear()
    await server.passes(60)
    told = server.network.edus(THERE, "m.direct_to_device")
    assert [edu["messages"][BOB]["PHONE"]["n"] for edu in told] == [0, 1, 2]
    assert {(edu["sender"], edu["type"]) for edu in told} == {(ALICE, "m.test")}
    assert len({edu["message_id"] for edu in told}) == 3
    assert all(len(edu["message_id"]) <= 32 for edu in told)
    assert server.rows("SELECT 1 FROM outbound_messages") == []


async def test_messages_outlast_a_crash(engine: OpenEngine) -> None:
    server = await SendingServer(engine).start()
    server.network.slow[THERE] = []
    await server.mail.send(ALICE, "m.test", "txn", {BOB: {"*": {"text": "hi"}}})
    await server.passes()
    await server.close()
    restarted = await SendingServer(engine).start()
    await restarted.passes(1)
    assert [edu["messages"] for edu in restarted.network.edus(THERE, "m.direct_to_device")] == [
        {BOB: {"*": {"text": "hi"}}}
    ]
    await restarted.close()


async def test_a_request_that_is_repeated_has_the_same_message_ids(server: SendingServer) -> None:
    server.network.slow[THERE] = []
    for _ in range(2):
        await server.mail.send(ALICE, "m.test", "txn", {BOB: {"PHONE": {"n": 1}}})
        await server.passes()
    server.network.release(THERE)
    await server.passes(1)
    assert len(server.network.edus(THERE, "m.direct_to_device")) == 1
    await server.mail.send(ALICE, "m.test", "txn", {BOB: {"PHONE": {"n": 1}}})
    await server.passes(1)
    first, again = server.network.edus(THERE, "m.direct_to_device")
    assert first["message_id"] == again["message_id"]


async def test_messages_for_very_many_devices_are_parted(server: SendingServer) -> None:
    content = {"text": "x" * 10_000}
    devices = {f"D{number}": content for number in range(100)}
    await server.mail.send(ALICE, "m.test", "txn", {BOB: devices})
    await server.passes(1)
    told = server.network.edus(THERE, "m.direct_to_device")
    assert {name for edu in told for name in edu["messages"][BOB]} == set(devices)
    assert all(len(json.dumps(edu)) < 70_000 for edu in told)
    assert server.rows("SELECT 1 FROM outbound_messages") == []


async def test_hundreds_of_messages_take_several_transactions(server: SendingServer) -> None:
    for number in range(120):
        await server.mail.send(ALICE, "m.test", f"txn{number}", {BOB: {"PHONE": {"n": number}}})
    await server.passes(2)
    told = server.network.edus(THERE, "m.direct_to_device")
    assert [edu["messages"][BOB]["PHONE"]["n"] for edu in told] == list(range(120))


async def test_messages_to_our_own_users_do_not_leave(server: SendingServer) -> None:
    await server.mail.send(ALICE, "m.test", "txn", {user_at(SERVER): {"PHONE": {}}})
    await server.passes(1)
    assert server.network.attempts == []

"""/sync: receipts, typing, presence, account data, and whom one ignores."""

from __future__ import annotations

import attrs
import pytest

from homeserver.log.entries import ReceiptEntry
from storage.rooms.receipts import SqlReceiptStore
from tests.rooms_fixture import Person, quoted
from tests.sync_fixture import (
    Device,
    SyncServer,
    a_room,
    bodies,
    device,
    ids,
    ignores,
    keeps,
    reads,
    relates,
    renames,
    said,
    types,
)

MSC3391 = "/_matrix/client/unstable/org.matrix.msc3391"

# --- receipts


async def test_receipts_of_others_are_told(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    event = await alice.sends(room, "hello")
    phone = await device(alice)
    await reads(bob, room, event)
    ts = alice.server.clock.now_ms()
    assert (await phone.sync()).ephemeral(room, "m.receipt") == {
        event: {"m.read": {bob.user_id: {"ts": ts}}}
    }
    assert (await phone.sync()).is_empty
    from_scratch = await Device(alice).sync()
    assert from_scratch.ephemeral(room, "m.receipt") == {
        event: {"m.read": {bob.user_id: {"ts": ts}}}
    }


async def test_threaded_receipts_say_so(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    root = await alice.sends(room, "root")
    reply = await said(alice, room, relates("m.thread", root))
    phone = await device(alice)
    await reads(bob, room, reply, thread=root)
    await reads(bob, room, root, thread="main")
    content = (await phone.sync()).ephemeral(room, "m.receipt")
    assert content is not None
    assert content[reply]["m.read"][bob.user_id]["thread_id"] == root
    assert content[root]["m.read"][bob.user_id]["thread_id"] == "main"


async def test_who_is_further_behind_is_told_of_more_receipts(
    alice: Person, bob: Person, carol: Person
) -> None:
    room = await a_room(alice, bob, carol)
    event = await alice.sends(room, "hello")
    behind = await device(alice)
    await reads(bob, room, event)
    phone = await device(carol)
    await reads(carol, room, event)
    for client, readers in ((phone, {carol.user_id}), (behind, {bob.user_id, carol.user_id})):
        told = (await client.sync()).ephemeral(room, "m.receipt")
        assert told is not None
        assert set(told[event]["m.read"]) == readers


@pytest.mark.parametrize("thread", [None, "main"])
async def test_private_receipts_are_for_ones_own_devices_alone(
    server: SyncServer, alice: Person, bob: Person, carol: Person, thread: str | None
) -> None:
    room = await a_room(alice, bob, carol)
    event = await alice.sends(room, "hello")
    laptop = await device(server.person("bob", "LAPTOP"))
    others = [await device(alice), await device(carol)]
    waiting = [phone.waits() for phone in others]
    await reads(bob, room, event, private=True, thread=thread)
    server.clock.advance(0)
    assert not any(w.called for w in waiting)
    # The owner's part must not be shared with those who ask for the same.
    await alice.sends(room, "more")
    await laptop.peek()
    server.clock.advance(0)
    told = [*[await w for w in waiting], await Device(carol).sync()]
    assert [answer.ephemeral(room, "m.receipt") for answer in told] == [None, None, None]
    own = (await laptop.sync()).ephemeral(room, "m.receipt")
    assert own is not None
    assert list(own[event]) == ["m.read.private"]


async def test_a_receipt_that_moves_while_its_room_is_loaded_is_not_lost(
    server: SyncServer, alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    event = await alice.sends(room, "hello")
    await reads(bob, room, event)
    (receipt,) = (await server.actor(room)).view.receipts.values()
    again = server.restarted()

    async def move() -> None:
        position = again.log.next_position(0)
        moved = attrs.evolve(receipt, ts=99, position=position)
        entry = ReceiptEntry(0, position, receipt.room_nid, (moved,))
        await again.log.append(entry, lambda tx: SqlReceiptStore().put(tx, [moved]))

    again.database.between(1, move)
    loaded = (await again.directory.load([receipt.room_nid]))[receipt.room_nid]
    assert [r.ts for r in loaded.view.receipts.values()] == [99]


# --- typing


async def test_who_types_is_told_and_when_they_stop(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    phone = await device(alice)
    await types(bob, room)
    assert (await phone.sync()).ephemeral(room, "m.typing") == {"user_ids": [bob.user_id]}
    from_scratch = await Device(alice).sync()
    assert from_scratch.ephemeral(room, "m.typing") == {"user_ids": [bob.user_id]}
    await types(bob, room, False)
    assert (await phone.sync()).ephemeral(room, "m.typing") == {"user_ids": []}
    assert (await Device(alice).sync()).ephemeral(room, "m.typing") is None


# --- presence


async def test_presence_of_those_one_shares_a_room_with(
    server: SyncServer, alice: Person, bob: Person, carol: Person
) -> None:
    await a_room(alice, bob)
    await device(carol)
    await device(bob)
    phone = await device(alice)
    await server.becomes(bob, "online")
    await server.becomes(carol, "online")
    assert (await phone.sync()).presence() == {bob.user_id: "online"}
    assert (await phone.sync()).is_empty
    assert (await Device(alice).sync()).presence() == {bob.user_id: "online"}
    await server.becomes(bob, "offline")
    assert (await phone.sync()).presence() == {bob.user_id: "offline"}


async def test_newcomers_and_those_in_the_room_are_told_each_others_presence(
    server: SyncServer, alice: Person, bob: Person, carol: Person
) -> None:
    room = await a_room(alice, carol)
    phones = {person: await device(person) for person in (alice, bob, carol)}
    await server.becomes(alice, "online")
    await server.becomes(bob, "unavailable")
    for phone in phones.values():
        await phone.sync()
    await bob.joins(room)
    assert (await phones[bob].sync()).presence() == {alice.user_id: "online"}
    for person in (alice, carol):
        assert (await phones[person].sync()).presence() == {bob.user_id: "unavailable"}
    for phone in phones.values():
        assert (await phone.sync()).is_empty


async def test_another_name_is_no_reason_to_tell_presence(
    server: SyncServer, alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    phones = [await device(alice), await device(bob)]
    await server.becomes(bob, "online")
    for phone in phones:
        await phone.sync()
    await renames(bob, room, "Robert")
    for phone in phones:
        assert (await phone.sync()).presence() == {}


async def test_a_sync_tells_what_the_client_wants_to_be(server: SyncServer, alice: Person) -> None:
    phone = await device(alice)
    await phone.sync(set_presence="unavailable")
    await phone.sync(set_presence="offline")
    assert [state for _, state in server.presence.noted] == ["online", "unavailable", "offline"]


# --- account data


async def test_account_data_reaches_all_devices(
    server: SyncServer, alice: Person, bob: Person
) -> None:
    room = await a_room(alice)
    phones = [await device(alice), await device(server.person("alice", "LAPTOP"))]
    stranger = await device(bob)
    await keeps(alice, "org.example.note", {"a": 1})
    await keeps(alice, "org.example.note", {"a": 2}, room)
    for phone in phones:
        answer = await phone.sync()
        assert answer.account_data() == {"org.example.note": {"a": 1}}
        assert answer.account_data(room) == {"org.example.note": {"a": 2}}
        assert answer.timeline(room) == []
        assert (await phone.sync()).is_empty
    assert (await stranger.sync()).is_empty
    from_scratch = await Device(alice).sync()
    assert set(from_scratch.account_data()) == {"org.example.note", "m.push_rules"}
    assert from_scratch.account_data(room) == {"org.example.note": {"a": 2}}


async def test_removed_account_data_is_told_once_and_then_gone(alice: Person) -> None:
    room = await a_room(alice)
    await keeps(alice, "org.example.note", {"a": 1})
    await keeps(alice, "org.example.note", {"a": 1}, room)
    phone = await device(alice)
    await keeps(alice, "org.example.note", {})
    await keeps(alice, "org.example.note", {}, room)
    answer = await phone.sync()
    assert answer.account_data() == {"org.example.note": {}}
    assert answer.account_data(room) == {"org.example.note": {}}
    from_scratch = await Device(alice).sync()
    assert set(from_scratch.account_data()) == {"m.push_rules"}
    assert from_scratch.account_data(room) == {}


@pytest.mark.parametrize("put", [True, False])
async def test_deleted_account_data_is_told_to_all_devices_once(
    server: SyncServer, alice: Person, put: bool
) -> None:
    room = await a_room(alice)
    for where in (None, room):
        await keeps(alice, "org.example.note", {"a": 1}, where)
    phones = [await device(alice), await device(server.person("alice", "LAPTOP"))]
    for where in (None, room):
        place = f"/rooms/{quoted(where)}" if where is not None else ""
        path = f"/user/{quoted(alice.user_id)}{place}/account_data/org.example.note"
        if put:
            await keeps(alice, "org.example.note", {}, where)
        else:
            for _ in range(2):
                assert (await alice.delete(f"{MSC3391}{path}")).status == 200
        assert (await alice.get(path)).status == 404
    for phone in phones:
        answer = await phone.sync()
        assert answer.account_data() == answer.account_data(room) == {"org.example.note": {}}
        assert (await phone.sync()).is_empty
    await alice.leaves(room)
    await alice.joins(room)
    assert (await phones[0].sync()).account_data(room) == {}


async def test_deleting_what_is_not_there_is_no_news(alice: Person) -> None:
    phone = await device(alice)
    path = f"{MSC3391}/user/{quoted(alice.user_id)}/account_data/org.example.note"
    assert (await alice.delete(path)).status == 200
    assert (await phone.sync()).is_empty


async def test_tags_and_read_markers_are_account_data_of_the_room(alice: Person) -> None:
    room = await a_room(alice)
    event = await alice.sends(room, "hello")
    phone = await device(alice)
    path = f"/user/{quoted(alice.user_id)}/rooms/{quoted(room)}/tags/m.favourite"
    assert (await alice.put(path, {"order": 0.5})).status == 200
    body = {"m.fully_read": event}
    assert (await alice.post(f"/rooms/{quoted(room)}/read_markers", body)).status == 200
    assert (await phone.sync()).account_data(room) == {
        "m.tag": {"tags": {"m.favourite": {"order": 0.5}}},
        "m.fully_read": {"event_id": event},
    }


async def test_changed_push_rules_are_told_whole(alice: Person) -> None:
    phone = await device(alice)
    rule = {"actions": ["notify"]}
    assert (await alice.put("/pushrules/global/room/!a:hs", rule)).status == 200
    rules = (await phone.sync()).account_data()["m.push_rules"]["global"]
    assert [r["rule_id"] for r in rules["room"]] == ["!a:hs"]
    assert rules["override"]
    from_scratch = (await Device(alice).sync()).account_data()["m.push_rules"]["global"]
    assert from_scratch == rules


# --- ignored users


async def test_messages_of_ignored_users_are_not_sent_but_their_state_is(
    alice: Person, bob: Person, carol: Person
) -> None:
    room = await a_room(alice, bob, carol)
    await ignores(bob, carol)
    phone = await device(bob)
    shown = [await alice.sends(room, "1")]
    await carol.sends(room, "unheard")
    content = {"membership": "join", "displayname": "Caro"}
    shown.append(await carol.sets(room, "m.room.member", content, carol.user_id))
    assert ids((await phone.sync()).timeline(room)) == shown
    assert bodies((await Device(bob).sync()).timeline(room)) == ["1"]
    await carol.sends(room, "unheard")
    assert (await phone.sync()).rooms() == {}


async def test_ignoring_begins_and_ends_at_once(alice: Person, bob: Person, carol: Person) -> None:
    room = await a_room(alice, bob, carol)
    phone = await device(bob)
    await ignores(bob, carol)
    await carol.sends(room, "unheard")
    answer = await phone.sync()
    assert list(answer.account_data()) == ["m.ignored_user_list"]
    assert answer.rooms() == {}
    await ignores(bob)
    await carol.sends(room, "heard")
    assert bodies((await phone.sync()).timeline(room)) == ["heard"]


async def test_others_hear_whom_one_ignores(alice: Person, bob: Person, carol: Person) -> None:
    room = await a_room(alice, bob, carol)
    await ignores(bob, carol)
    phones = [await device(bob), await device(alice)]
    await carol.sends(room, "hello")
    answers = [await phone.sync() for phone in phones]
    assert [room in answer.rooms() for answer in answers] == [False, True]


async def test_ignored_users_neither_invite_nor_read_nor_type(
    server: SyncServer, alice: Person, bob: Person, carol: Person
) -> None:
    room = await a_room(alice, bob, carol)
    event = await alice.sends(room, "hello")
    await ignores(bob, carol)
    phone = await device(bob)
    await device(carol)
    await types(carol, room)
    await reads(carol, room, event)
    await server.becomes(carol, "online")
    invite = await carol.creates_room(preset="private_chat")
    await carol.invites(invite, bob)
    answer = await phone.sync()
    assert answer.rooms("invite") == {}
    assert answer.presence() == {}
    if room in answer.rooms():
        assert answer.ephemeral(room, "m.receipt") is None
        assert answer.ephemeral(room, "m.typing") in (None, {"user_ids": []})
    assert (await Device(bob).sync()).rooms("invite") == {}


async def test_threads_are_summarised_without_ignored_users(
    alice: Person, bob: Person, carol: Person
) -> None:
    room = await a_room(alice, bob, carol)
    await ignores(bob, carol)
    root = await alice.sends(room, "root")
    shown = await said(alice, room, relates("m.thread", root))
    await said(carol, room, relates("m.thread", root))
    answer = await Device(bob).sync()
    event = next(e for e in answer.timeline(room) if e["event_id"] == root)
    thread = event["unsigned"]["m.relations"]["m.thread"]
    assert (thread["count"], thread["latest_event"]["event_id"]) == (1, shown)

"""The extension account_data."""

from __future__ import annotations

import pytest

from homeserver.domain.canonical_json import JsonObject
from homeserver.sync.sliding.extensions.account_data import AccountDataExtension
from tests.homeserver.sync.sliding.extension_rounds import LIST, Asking
from tests.rooms_fixture import Person
from tests.sync_fixture import SyncServer, a_room, keeps

NOTE = "org.example.note"


def kept(answer: JsonObject | None, room: str | None = None) -> dict[str, JsonObject]:
    """Account data by type."""
    found = answer or {}
    events = found.get("global", []) if room is None else found.get("rooms", {}).get(room, [])
    return {event["type"]: event["content"] for event in events}


@pytest.fixture
def asking(server: SyncServer, alice: Person) -> Asking:
    return Asking(AccountDataExtension(server.personal), alice)


async def test_all_of_it_comes_at_first_and_then_what_changes(
    asking: Asking, alice: Person
) -> None:
    room = await a_room(alice)
    await keeps(alice, NOTE, {"a": 1})
    await keeps(alice, NOTE, {"b": 1}, room)
    answer = await asking.turn(initial=[room])
    assert kept(answer).keys() == {NOTE, "m.push_rules"}
    assert kept(answer, room) == {NOTE: {"b": 1}}
    assert not await asking.has_news()
    assert await asking.turn() is None
    await keeps(alice, NOTE, {"a": 2})
    await keeps(alice, NOTE, {"b": 2}, room)
    assert await asking.has_news()
    answer = await asking.turn()
    assert (kept(answer), kept(answer, room)) == ({NOTE: {"a": 2}}, {NOTE: {"b": 2}})


async def test_what_is_removed_is_told_once(asking: Asking, alice: Person) -> None:
    room = await a_room(alice)
    await keeps(alice, NOTE, {"b": 1}, room)
    await asking.turn(initial=[room])
    await keeps(alice, NOTE, {}, room)
    assert kept(await asking.turn(), room) == {NOTE: {}}
    fresh = await Asking(asking.extension, alice).turn(initial=[room])
    assert kept(fresh, room) == {}


async def test_rooms_that_were_not_sent_are_not_told_of(asking: Asking, alice: Person) -> None:
    room = await a_room(alice)
    await keeps(alice, NOTE, {"b": 1}, room)
    assert kept(await asking.turn(), room) == {}
    await keeps(alice, NOTE, {"b": 2}, room)
    assert await asking.turn() is None
    assert kept(await asking.turn(initial=[room]), room) == {NOTE: {"b": 2}}


async def test_rooms_outside_of_the_window_are_kept_current(asking: Asking, alice: Person) -> None:
    room = await a_room(alice)
    await keeps(alice, NOTE, {"b": 1}, room)
    await asking.turn(initial=[room])
    await asking.leaves_window(room)
    await keeps(alice, NOTE, {}, room)
    assert kept(await asking.turn(), room) == {NOTE: {}}
    await asking.returns(room)
    assert await asking.turn() is None


async def test_what_changed_out_of_a_restricted_scope_is_told_when_the_room_is_back(
    asking: Asking, alice: Person
) -> None:
    room = await a_room(alice)
    await keeps(alice, NOTE, {"b": 1}, room)
    await asking.turn(initial=[room], lists=[LIST], rooms=[])
    await asking.leaves_window(room)
    await keeps(alice, NOTE, {"b": 2}, room)
    assert await asking.turn(lists=[LIST], rooms=[]) is None
    await asking.returns(room)
    lost, _ = await asking.look(lists=[LIST], rooms=[])
    answer = await asking.turn(lists=[LIST], rooms=[])
    assert kept(answer, room) == kept(lost, room) == {NOTE: {"b": 2}}
    assert await asking.turn(lists=[LIST], rooms=[]) is None


async def test_restrictions_concern_rooms_alone(asking: Asking, alice: Person) -> None:
    room = await a_room(alice)
    await keeps(alice, NOTE, {"a": 1})
    await keeps(alice, NOTE, {"b": 1}, room)
    answer = await asking.turn(initial=[room], lists=[], rooms=[])
    assert kept(answer)[NOTE] == {"a": 1}
    assert kept(answer, room) == {}
    assert kept(await asking.turn(lists=[LIST], rooms=[]), room) == {NOTE: {"b": 1}}


async def test_changed_push_rules_are_told_whole(asking: Asking, alice: Person) -> None:
    await asking.turn()
    rule = {"actions": ["notify"]}
    assert (await alice.put("/pushrules/global/room/!a:hs", rule)).status == 200
    rules = kept(await asking.turn())["m.push_rules"]["global"]
    assert [r["rule_id"] for r in rules["room"]] == ["!a:hs"]
    fresh = await Asking(asking.extension, alice).turn()
    assert fresh is not None
    assert [e["type"] for e in fresh["global"]].count("m.push_rules") == 1

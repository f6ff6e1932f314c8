"""Invites and knocks: which are told, and what becomes of them."""

from __future__ import annotations

import pytest

from homeserver.domain.canonical_json import JsonObject
from tests.rooms_fixture import Person, quoted
from tests.sync_fixture import Device, SyncServer, device, ids, ignores, keeps, members, places

PERMISSION = "m.invite_permission_config"
KNOCKING = {
    "preset": "private_chat",
    "name": "Garden",
    "initial_state": [
        {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}
    ],
}


async def blocks_invites(person: Person) -> None:
    await keeps(person, PERMISSION, {"default_action": "block"})


async def knocks(person: Person, room: str) -> None:
    assert (await person.post(f"/knock/{quoted(room)}")).status == 200


# --- unwanted invites


@pytest.mark.parametrize("is_blocked_first", [False, True])
async def test_who_blocks_invites_is_told_of_none(
    alice: Person, bob: Person, is_blocked_first: bool
) -> None:
    # The fixture lets invites through, as those do that came from elsewhere.
    room = await alice.creates_room(preset="private_chat")
    phone = await device(bob)
    if is_blocked_first:
        await blocks_invites(bob)
        await phone.sync()
    await alice.invites(room, bob)
    await blocks_invites(bob)
    for answer in (await phone.peek(), await phone.sync(full_state=True), await Device(bob).sync()):
        assert answer.rooms("invite") == {}


async def test_who_waits_is_not_woken_by_an_invite_that_they_block(
    server: SyncServer, alice: Person, bob: Person
) -> None:
    room = await alice.creates_room(preset="private_chat")
    await blocks_invites(bob)
    phone = await device(bob)
    waiting = phone.waits()
    await alice.invites(room, bob)
    server.clock.advance(0)
    assert not waiting.called
    await bob.joins(room)
    server.clock.advance(0)
    assert list((await waiting).rooms()) == [room]


async def test_blocked_invites_stay_so_over_a_restart_and_come_when_allowed(
    server: SyncServer, alice: Person, bob: Person
) -> None:
    room = await alice.creates_room(preset="private_chat")
    await alice.invites(room, bob)
    await blocks_invites(bob)
    bob = server.restarted().person("bob")
    assert (await Device(bob).sync()).rooms("invite") == {}
    await keeps(bob, PERMISSION, {})
    assert list((await Device(bob).sync()).rooms("invite")) == [room]


@pytest.mark.parametrize(
    "content", [{}, {"default_action": "allow"}, {"default_action": ["block"]}]
)
async def test_other_settings_block_nothing(
    alice: Person, bob: Person, content: JsonObject
) -> None:
    room = await alice.creates_room(preset="private_chat")
    await alice.invites(room, bob)
    await keeps(bob, PERMISSION, content)
    await keeps(bob, PERMISSION, {"default_action": "block"}, room)
    assert list((await Device(bob).sync()).rooms("invite")) == [room]


async def test_invites_of_ignored_users_come_again_when_they_are_not_ignored(
    alice: Person, bob: Person
) -> None:
    room = await alice.creates_room(preset="private_chat")
    phone = await device(bob)
    await ignores(bob, alice)
    await alice.invites(room, bob)
    assert (await phone.sync()).rooms("invite") == {}
    await ignores(bob)
    assert list((await Device(bob).sync()).rooms("invite")) == [room]


# --- what becomes of invites and knocks


@pytest.mark.parametrize("by_themselves", [True, False])
async def test_an_invite_that_is_rejected_or_withdrawn_is_gone(
    alice: Person, bob: Person, by_themselves: bool
) -> None:
    room = await alice.creates_room(preset="private_chat")
    await alice.invites(room, bob)
    phone = await device(bob)
    if by_themselves:
        await bob.leaves(room)
    else:
        kick = await alice.post(f"/rooms/{quoted(room)}/kick", {"user_id": bob.user_id})
        assert kick.status == 200
    answer = await phone.sync()
    assert answer.rooms("invite") == {}
    assert members(answer.timeline(room, "leave")) == {bob.user_id: "leave"}
    assert (await phone.sync()).is_empty
    assert (await Device(bob).sync()).rooms("invite") == {}


async def test_a_knock_that_is_withdrawn_is_gone(alice: Person, bob: Person) -> None:
    room = await alice.creates_room(**KNOCKING)
    await knocks(bob, room)
    phone = await device(bob)
    await bob.leaves(room)
    answer = await phone.sync()
    assert answer.rooms("knock") == {}
    assert members(answer.timeline(room, "leave")) == {bob.user_id: "leave"}
    assert answer.state(room, "leave") == []


@pytest.mark.parametrize(("action", "membership"), [("kick", "leave"), ("ban", "ban")])
async def test_a_knock_that_is_rejected_is_gone(
    alice: Person, bob: Person, action: str, membership: str
) -> None:
    room = await alice.creates_room(**KNOCKING)
    await knocks(bob, room)
    phone = await device(bob)
    done = await alice.post(f"/rooms/{quoted(room)}/{action}", {"user_id": bob.user_id})
    assert done.status == 200
    answer = await phone.sync()
    assert answer.rooms("knock") == {}
    (event,) = answer.timeline(room, "leave")
    assert (event["content"]["membership"], event["sender"]) == (membership, alice.user_id)
    assert (await Device(bob).sync()).rooms("knock") == {}


async def test_a_knock_that_is_answered_and_accepted_brings_the_room(
    alice: Person, bob: Person
) -> None:
    room = await alice.creates_room(**KNOCKING)
    await knocks(bob, room)
    phone = await device(bob)
    await alice.invites(room, bob)
    await bob.joins(room)
    answer = await phone.sync()
    assert list(answer.json["rooms"]) == ["join"]
    told = [*answer.timeline(room), *answer.state(room)]
    assert ("m.room.name", "") in places([e for e in told if "state_key" in e])


@pytest.mark.parametrize("after", [False, True])
async def test_where_the_timeline_leaves_it_out_state_tells_that_one_is_out(
    alice: Person, bob: Person, after: bool
) -> None:
    room = await alice.creates_room(preset="private_chat")
    await alice.invites(room, bob)
    phone = await device(bob, {"room": {"timeline": {"types": ["m.room.message"]}}})
    await bob.leaves(room)
    answer = await phone.sync(use_state_after=after)
    assert answer.timeline(room, "leave") == []
    assert members(answer.state(room, "leave")) == {bob.user_id: "leave"}


async def test_state_after_tells_that_one_is_out(alice: Person, bob: Person) -> None:
    room = await alice.creates_room(preset="private_chat")
    await alice.invites(room, bob)
    phone = await device(bob)
    await bob.leaves(room)
    answer = await phone.sync(use_state_after=True)
    assert ids(answer.timeline(room, "leave")) == ids(answer.state(room, "leave"))


async def test_state_after_tells_of_a_ban_that_came_after_one_had_left(
    alice: Person, bob: Person
) -> None:
    room = await alice.creates_room(preset="public_chat")
    await bob.joins(room)
    phone = await device(bob)
    await bob.leaves(room)
    await alice.bans(room, bob)
    answer = await phone.sync(use_state_after=True)
    assert members(answer.state(room, "leave")) == {bob.user_id: "ban"}


async def test_many_invites_take_as_many_queries_as_a_few(
    server: SyncServer, alice: Person, bob: Person, carol: Person
) -> None:
    for person, count in ((bob, 2), (carol, 12)):
        for _ in range(count):
            await alice.invites(await alice.creates_room(preset="private_chat"), person)
    again = server.restarted()
    reads = []
    for name in ("bob", "carol"):
        before = again.database.reads
        await Device(again.person(name)).sync()
        reads.append(again.database.reads - before)
    assert reads[0] == reads[1]

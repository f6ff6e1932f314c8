"""Sliding sync: what is told of rooms."""

from __future__ import annotations

from tests.rooms_fixture import Person, quoted
from tests.sliding_fixture import Phone, SlidingServer, a_list, a_subscription
from tests.sync_fixture import a_room, keeps, reads


async def test_a_room_is_told_from_scratch_once(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob, name="Garden")
    said = await alice.sends(room, "hello")
    phone = Phone(bob, lists={"all": a_list(timeline=1, state=[["m.room.create", ""]])})
    answer = await phone.sync()
    assert answer.count() == 1
    told = answer.rooms[room]
    assert told["initial"] is True
    assert told["name"] == "Garden"
    assert (told["joined_count"], told["invited_count"]) == (2, 0)
    assert told["limited"] is True
    assert told["num_live"] == 0
    assert answer.timeline(room) == [said]
    assert set(answer.state(room)) == {("m.room.create", "")}
    assert "heroes" not in told
    assert (await phone.sync()).is_empty


async def test_an_update_tells_what_is_new_and_nothing_else(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob, name="Garden")
    await a_room(alice, bob)
    phone = Phone(bob)
    first = await phone.sync()
    said = await alice.sends(room, "hello")
    answer = await phone.sync()
    assert list(answer.rooms) == [room]
    told = answer.rooms[room]
    assert answer.timeline(room) == [said]
    assert told["num_live"] == 1
    assert told["limited"] is False
    assert told["bump_stamp"] > first.rooms[room]["bump_stamp"]
    assert told["notification_count"] == 1
    assert not {"initial", "name", "joined_count", "heroes", "is_dm"} & set(told)


async def test_names_and_avatars_are_told_when_they_change(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob, name="Garden")
    phone = Phone(bob)
    await phone.sync()
    await alice.sets(room, "m.room.name", {"name": "Meadow"})
    await alice.sets(room, "m.room.avatar", {"url": "mxc://here/there"})
    told = (await phone.sync()).rooms[room]
    assert (told["name"], told["avatar"]) == ("Meadow", "mxc://here/there")
    await alice.sets(room, "m.room.name", {})
    told = (await phone.sync()).rooms[room]
    assert told["name"] is None
    assert [hero["user_id"] for hero in told["heroes"]] == [alice.user_id]
    assert "avatar" not in told


async def test_a_waiting_sync_answers_when_something_comes(
    server: SlidingServer, alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    phone = Phone(bob)
    await phone.sync()
    waiting = phone.waits()
    server.clock.advance(10)
    assert not waiting.called
    said = await alice.sends(room, "hello")
    server.clock.advance(0)
    assert (await waiting).timeline(room) == [said]
    waiting = phone.waits(timeout_ms=5000)
    server.clock.advance(5.1)
    assert (await waiting).is_empty


async def test_invites_come_with_stripped_state(alice: Person, bob: Person) -> None:
    room = await alice.creates_room(preset="private_chat", name="Garden")
    await alice.invites(room, bob)
    phone = Phone(bob)
    told = (await phone.sync()).rooms[room]
    assert {e["type"] for e in told["invite_state"]} >= {"m.room.create", "m.room.member"}
    assert "timeline" not in told
    await alice.sends(room, "not for bob yet")
    assert (await phone.sync()).is_empty
    await bob.joins(room)
    told = (await phone.sync()).rooms[room]
    assert told["initial"] is True
    assert "invite_state" not in told


async def test_a_rejected_invite_is_told_once(alice: Person, bob: Person) -> None:
    room = await alice.creates_room(preset="private_chat")
    await alice.invites(room, bob)
    phone = Phone(bob)
    await phone.sync()
    await bob.leaves(room)
    told = (await phone.sync()).rooms[room]
    assert "invite_state" not in told
    assert told["timeline"][0]["content"]["membership"] == "leave"
    assert (await phone.sync()).is_empty
    assert (await Phone(bob).sync()).rooms == {}


async def test_rooms_that_are_left_are_told_until_then(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    phone = Phone(bob)
    await phone.sync()
    said = await alice.sends(room, "goodbye")
    await bob.leaves(room)
    await alice.sends(room, "bob is gone")
    answer = await phone.sync()
    assert answer.timeline(room)[0] == said
    assert len(answer.timeline(room)) == 2
    assert (await phone.sync()).is_empty
    assert (await Phone(bob).sync()).rooms == {}


async def test_whoever_was_banned_is_told_so_from_scratch(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    await alice.bans(room, bob)
    never = await a_room(alice)
    await alice.bans(never, bob)
    answer = await Phone(bob).sync()
    assert list(answer.rooms) == [room]
    assert answer.rooms[room]["initial"] is True


async def test_a_room_that_one_comes_back_to_is_told_from_scratch(
    alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    phone = Phone(bob)
    await phone.sync()
    await bob.leaves(room)
    await phone.sync()
    await bob.joins(room)
    assert (await phone.sync()).rooms[room]["initial"] is True


async def test_members_are_sent_with_what_they_say(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    lazy = [["m.room.member", "$LAZY"], ["m.room.member", "$ME"]]
    phone = Phone(bob, lists={"all": a_list(timeline=1, state=lazy)})
    assert (await phone.sync()).members(room) == {bob.user_id}
    await alice.sends(room, "hello")
    assert (await phone.sync()).members(room) == {alice.user_id}
    await alice.sends(room, "hello again")
    assert (await phone.sync()).members(room) == set()


async def test_wildcards_require_all_state(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob, topic="Roses")
    everything = Phone(bob, lists={"all": a_list(timeline=0, state=[["*", "*"]])})
    answer = await everything.sync()
    assert answer.members(room) == {alice.user_id, bob.user_id}
    assert ("m.room.topic", "") in answer.state(room)
    lazily = Phone(
        bob, lists={"all": a_list(timeline=0, state=[["*", "*"], ["m.room.member", "$LAZY"]])}
    )
    answer = await lazily.sync()
    assert answer.members(room) == set()
    assert ("m.room.topic", "") in answer.state(room)


async def test_more_of_a_timeline_is_told_when_more_is_wanted(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    said = [await alice.sends(room, f"{n}") for n in range(5)]
    phone = Phone(bob, lists={"all": a_list(timeline=1)})
    assert (await phone.sync()).timeline(room) == said[-1:]
    phone.subscriptions = {room: a_subscription(timeline=3)}
    answer = await phone.sync()
    assert answer.timeline(room) == said[-3:]
    assert answer.rooms[room]["unstable_expanded_timeline"] is True
    assert answer.rooms[room]["num_live"] == 0
    phone.subscriptions = {}
    assert (await phone.sync()).is_empty
    phone.subscriptions = {room: a_subscription(timeline=3)}
    assert (await phone.sync()).is_empty


async def test_no_more_is_told_of_a_timeline_than_is_missing(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    await alice.sends(room, "before")
    phone = Phone(bob, lists={"all": a_list(timeline=1)})
    await phone.sync()
    for n in range(2):
        await alice.sends(room, f"{n}")
        await phone.sync()
    phone.lists = {"all": a_list(timeline=3)}
    assert (await phone.sync()).is_empty
    phone.lists = {"all": a_list(timeline=4)}
    assert len((await phone.sync()).timeline(room)) == 4


async def test_state_that_is_newly_required_is_told(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob, topic="Roses")
    phone = Phone(bob, lists={"all": a_list(state=[["m.room.create", ""]])})
    await phone.sync()
    phone.lists = {"all": a_list(state=[["m.room.create", ""], ["m.room.topic", ""]])}
    assert set((await phone.sync()).state(room)) == {("m.room.topic", "")}
    phone.lists = {"all": a_list(state=[["m.room.create", ""]])}
    assert (await phone.sync()).is_empty
    await alice.sets(room, "m.room.topic", {"topic": "Tulips"})
    await phone.sync()
    phone.lists = {"all": a_list(state=[["m.room.create", ""], ["m.room.topic", ""]])}
    assert (await phone.sync()).state(room) == {("m.room.topic", ""): {"topic": "Tulips"}}


async def test_a_gap_is_limited_and_tells_the_state_that_changed(
    alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    phone = Phone(bob, lists={"all": a_list(timeline=2, state=[["m.room.topic", ""]])})
    await phone.sync()
    await alice.sets(room, "m.room.topic", {"topic": "Tulips"})
    said = [await alice.sends(room, f"{n}") for n in range(60)]
    answer = await phone.sync()
    assert answer.timeline(room) == said[-2:]
    told = answer.rooms[room]
    assert told["limited"] is True
    assert set(answer.state(room)) == {("m.room.topic", "")}
    path = f"/rooms/{quoted(room)}/messages?dir=b&limit=1&from={told['prev_batch']}"
    before = (await bob.get(path)).json["chunk"]
    assert [e["event_id"] for e in before] == [said[-3]]


async def test_reading_a_room_changes_its_counts(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    said = await alice.sends(room, "hello")
    phone = Phone(bob)
    assert (await phone.sync()).rooms[room]["notification_count"] == 1
    await reads(bob, room, said)
    assert (await phone.sync()).rooms[room] == {"notification_count": 0, "highlight_count": 0}
    await reads(alice, room, said)
    assert (await phone.sync()).is_empty


async def test_that_a_room_is_direct_is_told_when_it_changes(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    other = await a_room(alice, bob)
    await keeps(bob, "m.direct", {alice.user_id: [other]})
    phone = Phone(bob)
    answer = await phone.sync()
    assert "is_dm" not in answer.rooms[room]
    assert answer.rooms[other]["is_dm"] is True
    await keeps(bob, "m.direct", {alice.user_id: [room]})
    answer = await phone.sync()
    assert {r: told["is_dm"] for r, told in answer.rooms.items()} == {room: True, other: False}
    assert (await phone.sync()).is_empty


async def test_the_stable_shape(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob, name="Garden", topic="Roses")
    wanted = {
        "timeline_limit": 1,
        "required_state": {
            "include": [{}],
            "exclude": [{"type": "m.room.create"}],
            "lazy_members": True,
        },
    }
    phone = Phone(bob, lists={"all": wanted}, is_stable=True)
    answer = await phone.sync()
    told = answer.rooms[room]
    assert (told["membership"], told["lists"]) == ("join", ["all"])
    assert "notification_count" not in told
    assert ("m.room.topic", "") in answer.state(room)
    assert ("m.room.create", "") not in answer.state(room)
    assert answer.members(room) == {bob.user_id}
    private = await alice.creates_room(preset="private_chat")
    await alice.invites(private, bob)
    told = (await phone.sync()).rooms[private]
    assert told["membership"] == "invite"
    assert told["stripped_state"]
    await bob.leaves(private)
    told = (await phone.sync()).rooms[private]
    assert told["membership"] == "leave"
    assert [e["type"] for e in told["stripped_state"]] == ["m.room.member"]
    await alice.sends(room, "hello")
    phone.lists = {"all": {**wanted, "timeline_limit": 5}}
    assert (await phone.sync()).rooms[room]["expanded_timeline"] is True

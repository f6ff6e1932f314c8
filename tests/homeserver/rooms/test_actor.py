"""The room actor: building on what is not yet committed, and starting over when that fails."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from homeserver.domain.errors import BadJson, DatabaseUnavailable, Forbidden, TooLarge
from homeserver.domain.identifiers import RoomId
from homeserver.log.log import all_committed
from homeserver.ports.database import DatabaseDown, UniqueViolation
from homeserver.rooms.actor import NewEvent
from tests.deferreds import together
from tests.interruptible import Interruptible
from tests.rooms_fixture import Engine, Person, RoomsServer, sqlite_at


def message(sender: Person, body: str = "hello", txn_id: str | None = None) -> NewEvent:
    return NewEvent(
        type="m.room.message",
        sender=sender.user_id,
        content={"msgtype": "m.text", "body": body},
        device_id="DEVICE",
        txn_id=txn_id,
    )


def banning(sender: Person, target: Person) -> NewEvent:
    return NewEvent("m.room.member", sender.user_id, {"membership": "ban"}, target.user_id)


async def a_room_of(rooms: RoomsServer, *names: str) -> tuple[RoomId, list[Person]]:
    """A public room that the first of some people made and the others joined."""
    people = [rooms.person(name) for name in names]
    room_id = await people[0].creates_room(preset="public_chat")
    for person in people[1:]:
        await person.joins(room_id)
    return room_id, people


async def results(deferreds: list[Deferred[Any]]) -> list[str]:
    found = []
    for deferred in deferreds:
        try:
            await deferred
            found.append("committed")
        except Exception as error:
            found.append(type(error).__name__)
    return found


async def test_events_appended_at_once_form_a_line(rooms: RoomsServer) -> None:
    room_id, (alice,) = await a_room_of(rooms, "alice")
    actor = await rooms.actor(room_id)

    appended = [actor.append_now(message(alice, str(n))) for n in range(10)]
    await all_committed([committed for _, committed in appended])

    line = await rooms.timeline(room_id)
    for earlier, later in pairwise(line):
        assert later.event.prev_event_ids == (earlier.event.event_id,)
        assert later.event.depth == earlier.event.depth + 1
        assert later.position > earlier.position
    bodies = [e.event.content["body"] for e in line[-10:]]
    assert bodies == [str(n) for n in range(10)]
    assert rooms.batches[-2:] == [1, 9]


async def test_readers_see_an_event_after_its_commit_only(rooms: RoomsServer) -> None:
    room_id, (alice,) = await a_room_of(rooms, "alice")
    actor = await rooms.actor(room_id)
    newest = actor.view.tail[-1]

    stored, committed = actor.append_now(message(alice))
    before = (actor.busy, actor.view.tail[-1])
    await committed

    assert before == (True, newest)
    assert (actor.busy, actor.view.tail[-1]) == (False, stored)


async def test_the_next_event_is_checked_against_what_is_not_committed_yet(
    rooms: RoomsServer,
) -> None:
    room_id, (alice, bob) = await a_room_of(rooms, "alice", "bob")
    actor = await rooms.actor(room_id)
    await actor.prepare([banning(alice, bob), message(bob)])

    _, committed = actor.append_now(banning(alice, bob))
    assert actor.view.is_joined(bob.user_id)
    assert actor.head_membership(bob.user_id) == "ban"
    with pytest.raises(Forbidden):
        actor.append_now(message(bob))

    await committed
    assert actor.view.membership(bob.user_id) == "ban"


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ({"body": "x" * 70_000}, TooLarge),
        ({"level": 1.5}, BadJson),
        ({"level": 2**53}, BadJson),
    ],
)
async def test_what_cannot_be_an_event_leaves_the_room_as_it_was(
    rooms: RoomsServer, content: dict[str, Any], error: type[Exception]
) -> None:
    room_id, (alice,) = await a_room_of(rooms, "alice")
    actor = await rooms.actor(room_id)

    with pytest.raises(error):
        await actor.append(NewEvent("m.room.message", alice.user_id, content))

    assert not actor.busy
    await alice.sends(room_id, "still here")


async def test_a_member_event_that_is_not_in_memory_is_read(rooms: RoomsServer) -> None:
    room_id, (_, bob) = await a_room_of(rooms, "alice", "bob")

    restarted = await rooms.restart()
    actor = await restarted.actor(room_id)
    await actor.append(message(bob))
    assert actor.view.tail[-1].event.sender == bob.user_id
    await restarted.close()


async def test_a_poisoned_event_fails_alone_and_what_was_built_on_it_fails_cleanly(
    rooms: RoomsServer,
) -> None:
    room_id, (alice,) = await a_room_of(rooms, "alice")
    other_room, _ = await a_room_of(rooms, "alice")
    await alice.sends(other_room, "a room that has nothing to do with it")
    sent = await alice.send(room_id, {"body": "x"}, txn_id="used")
    actor = await rooms.actor(room_id)
    other = await rooms.actor(other_room)

    # The actor alone does not know that the transaction ID was used: the database does.
    appended = [
        actor.append_now(message(alice, "before")),
        other.append_now(message(alice, "elsewhere")),
        actor.append_now(message(alice, "poisoned", txn_id="used")),
        actor.append_now(message(alice, "after")),
        other.append_now(message(alice, "elsewhere again")),
    ]
    outcome = await results([committed for _, committed in appended])

    assert outcome == [
        "committed",
        "committed",
        UniqueViolation.__name__,
        DatabaseUnavailable.__name__,
        "committed",
    ]
    assert actor.is_broken
    assert not other.is_broken
    bodies = [e.event.content.get("body") for e in await rooms.timeline(room_id)]
    assert bodies[-2:] == ["x", "before"]
    assert sent.status == 200


async def test_after_a_failed_commit_the_room_is_loaded_again(rooms: RoomsServer) -> None:
    room_id, (alice, bob) = await a_room_of(rooms, "alice", "bob")
    await alice.send(room_id, {"body": "x"}, txn_id="used")
    broken = await rooms.actor(room_id)
    poisoned = broken.append_now(message(alice, "poisoned", txn_id="used"))[1]
    lost = broken.append_now(banning(alice, bob))[1]
    await results([poisoned, lost])

    with pytest.raises(DatabaseUnavailable):
        await broken.append(message(alice))
    actor = await rooms.actor(room_id)

    assert actor is not broken
    assert actor.head_membership(bob.user_id) == "join"
    last = (await rooms.timeline(room_id))[-1]
    await bob.sends(room_id, "I was never banned")
    assert (await rooms.timeline(room_id))[-1].event.prev_event_ids == (last.event.event_id,)


async def test_nothing_is_kept_of_events_that_the_database_did_not_take(tmp_path: Path) -> None:
    databases: list[Interruptible] = []

    def through(engine: Engine) -> Interruptible:
        databases.append(Interruptible(engine))
        return databases[0]

    rooms = RoomsServer(sqlite_at(tmp_path / "myelin.db"), through)
    room_id, (alice,) = await a_room_of(rooms, "alice")
    events = len(await rooms.timeline(room_id))

    databases[0].is_down = True
    response = await alice.send(room_id, {"body": "lost"}, txn_id="t")
    assert response.status == 503
    assert response.json["errcode"] == "M_LIMIT_EXCEEDED"
    assert "Retry-After" in response.headers
    actor = await rooms.actor(room_id)
    with pytest.raises(DatabaseDown):
        await actor.append(message(alice))

    databases[0].is_down = False
    again = await alice.send(room_id, {"body": "lost"}, txn_id="t")
    assert again.status == 200
    assert len(await rooms.timeline(room_id)) == events + 1
    await rooms.close()


async def test_settled_waits_for_what_was_appended(rooms: RoomsServer) -> None:
    room_id, (alice,) = await a_room_of(rooms, "alice")
    actor = await rooms.actor(room_id)
    stored, committed = actor.append_now(message(alice))

    await actor.settled()

    assert actor.view.tail[-1] is stored
    await committed


async def test_settled_tells_when_something_was_not_stored(rooms: RoomsServer) -> None:
    room_id, (alice,) = await a_room_of(rooms, "alice")
    await alice.send(room_id, {"body": "x"}, txn_id="used")
    actor = await rooms.actor(room_id)
    committed = actor.append_now(message(alice, txn_id="used"))[1]

    with pytest.raises(DatabaseUnavailable):
        await actor.settled()
    assert await results([committed]) == [UniqueViolation.__name__]


async def test_a_redaction_replaces_the_event_wherever_it_is_held(rooms: RoomsServer) -> None:
    room_id, (alice,) = await a_room_of(rooms, "alice")
    name = await alice.sets(room_id, "m.room.name", {"name": "rude"})
    said = await alice.sends(room_id, "rude, too")

    await alice.redact(room_id, name)
    await alice.redact(room_id, said)

    actor = await rooms.actor(room_id)
    assert actor.view.content("m.room.name") == {}
    by_id = {e.event.event_id: e for e in actor.view.tail}
    assert by_id[said].event.content == {}
    assert by_id[said].redacted_by is not None
    restarted = await rooms.restart()
    assert (await restarted.actor(room_id)).view.content("m.room.name") == {}
    await restarted.close()


async def test_many_people_sending_at_once_share_transactions(rooms: RoomsServer) -> None:
    names = [f"user{n}" for n in range(20)]
    room_id, people = await a_room_of(rooms, *names)
    rooms.batches.clear()

    answers = await together(*(person.send(room_id, {"body": "hi"}) for person in people))

    assert [answer.status for answer in answers] == [200] * 20
    assert len({answer.json["event_id"] for answer in answers}) == 20
    assert len(rooms.batches) < 10

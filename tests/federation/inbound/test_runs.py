"""Events that a server sent together: those that follow each other are taken in together."""

from __future__ import annotations

from collections.abc import Sequence

from homeserver.domain.events import Event
from homeserver.log.entries import Entry, EventEntry
from homeserver.ports.rooms.events import Standing
from homeserver.rooms.actor import NewEvent
from tests.federation.inbound.receiving_server import ANNA, A, ReceivingServer
from tests.homeserver.domain.event_factory import ALICE, BOB, CAROL, Branch

MESSAGE = "m.room.message"
TOPIC = "m.room.topic"


def messages(branch: Branch, count: int) -> list[Event]:
    return [branch.send(MESSAGE, ALICE, {"n": n}) for n in range(count)]


def ids(events: Sequence[Event]) -> list[str]:
    return [event.event_id for event in events]


async def test_messages_that_came_together_are_committed_together(
    here: ReceivingServer, branch: Branch
) -> None:
    await here.joins(branch)
    commits: list[int] = []

    def count(entries: Sequence[Entry]) -> None:
        commits.append(sum(isinstance(entry, EventEntry) for entry in entries))

    here.core.log.subscribe(count)
    events = messages(branch, 30)
    await here.receives(A, events)
    assert (await here.shown(branch))[-30:] == ids(events)
    assert sum(commits) == 30
    # The first is judged before the second is in the queue.
    assert sum(each > 0 for each in commits) < 10
    assert [each.event.event_id for each in (await here.room(branch)).heads] == ids(events[-1:])


async def test_what_is_not_allowed_is_rejected_and_what_was_sent_with_it_is_shown(
    here: ReceivingServer, branch: Branch
) -> None:
    await here.joins(branch)
    before = messages(branch, 4)
    forged = branch.draft(MESSAGE, CAROL, {"body": "I was never here"})
    after = messages(branch, 4)
    await here.receives(A, [*before, forged, *after])
    assert (await here.shown(branch))[-8:] == ids([*before, *after])
    assert await here.standing(forged) is Standing.REJECTED


async def test_state_is_set_in_between(here: ReceivingServer, branch: Branch) -> None:
    await here.joins(branch)
    events = []
    for number in range(5):
        events += messages(branch, 2)
        events.append(branch.send(TOPIC, ALICE, {"topic": f"the {number}th"}, ""))
    await here.receives(A, events)
    assert (await here.shown(branch))[-15:] == ids(events)
    assert await here.state(branch) == branch.state_map
    ban = branch.send("m.room.member", ALICE, {"membership": "ban"}, BOB)
    late = branch.draft(MESSAGE, BOB, {"body": "still here?"})
    await here.receives(A, [*messages(branch, 2), ban, late])
    assert await here.standing(late) is Standing.REJECTED


async def test_messages_beside_one_of_this_server_are_taken_in_together_too(
    here: ReceivingServer, branch: Branch
) -> None:
    actor = await here.joins(branch)
    mine = await actor.append(NewEvent(MESSAGE, ANNA, {"body": "hello?"}))
    theirs = messages(branch, 12)
    await here.receives(A, theirs)
    heads = {each.event.event_id for each in (await here.room(branch)).heads}
    assert heads == {mine.event.event_id, theirs[-1].event_id}
    assert (await here.shown(branch))[-13:] == ids([mine.event, *theirs])


async def test_state_that_was_set_on_both_sides_is_resolved(
    here: ReceivingServer, branch: Branch
) -> None:
    await here.joins(branch)
    other = branch.fork()
    await here.receives(A, [*messages(other, 2), other.send(TOPIC, BOB, {"topic": "that"}, "")])
    beside = [
        *messages(branch, 3),
        branch.send(TOPIC, ALICE, {"topic": "this"}, ""),
        *messages(branch, 3),
    ]
    await here.receives(A, beside)
    assert (await here.shown(branch))[-7:] == ids(beside)
    topics = {each.state[TOPIC, ""].event_id for each in (branch, other)}
    state = await here.state(branch)
    assert state["m.room.topic", ""] in topics
    merged = messages(branch, 1)
    await here.receives(A, merged)
    assert await here.state(branch) == state


async def test_a_redaction_that_came_with_what_it_redacts_counts(
    here: ReceivingServer, branch: Branch
) -> None:
    await here.joins(branch)
    gone, kept = messages(branch, 2)
    redaction = branch.send("m.room.redaction", ALICE, {"redacts": gone.event_id})
    await here.receives(A, [gone, kept, redaction, *messages(branch, 2)])
    found = {stored.event.event_id: stored for stored in await here.timeline(branch)}
    assert found[gone.event_id].redacted_by == redaction.event_id
    assert found[kept.event_id].redacted_by is None

"""Gaps of timelines, which are filled when somebody reads up to them."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from federation.inbound.history import FORGET_SECONDS, PATIENCE_SECONDS
from homeserver.domain.errors import NotFound
from homeserver.domain.events import Event
from homeserver.domain.filters import Filter, compile_filter
from homeserver.domain.identifiers import EventId, UserId
from homeserver.log.tokens import TimelineToken
from homeserver.ports.rooms.events import Standing
from homeserver.services.messages.history import Page
from tests.deferreds import together
from tests.federation.inbound.receiving_server import ANNA, A, B, ReceivingServer, knows
from tests.federation.inbound.remote_servers import RemoteServer
from tests.homeserver.domain.event_factory import ALICE, BOB, CAROL, Branch
from tests.rooms_fixture import SERVER

MESSAGE = "m.room.message"
ADAM = UserId(f"@adam:{SERVER}")
EVERYTHING = compile_filter(Filter()).room.timeline


async def page(
    here: ReceivingServer,
    branch: Branch,
    start: TimelineToken | None = None,
    *,
    limit: int = 200,
    user: UserId = ANNA,
    backwards: bool = True,
) -> Page:
    view = (await here.room(branch)).view
    return await here.reading.page(
        view,
        user,
        None,
        start=start,
        stop=None,
        backwards=backwards,
        limit=limit,
        definition=EVERYTHING,
    )


def names(branch: Branch, found: Page) -> list[EventId]:
    """The events of a page, in the order of the page."""
    return [
        event_id
        for each in found.events
        for event_id in branch.room.events
        if f'"event_id":"{event_id}"'.encode() in each
    ]


def oldest_first(branch: Branch) -> list[EventId]:
    """What the room has, in the order in which it was made."""
    found: list[Event] = []
    ahead = list(branch.tips)
    while ahead:
        event = ahead.pop()
        found.append(event)
        ahead += [branch.room.events[prev] for prev in event.prev_event_ids]
    return [event.event_id for event in found[::-1]]


async def test_who_pages_back_sees_what_was_before_the_join(
    here: ReceivingServer, branch: Branch, alices: RemoteServer
) -> None:
    for number in range(10):
        branch.send(MESSAGE, ALICE, {"n": number})
    await here.joins(branch)
    found = await page(here, branch)
    assert names(branch, found)[::-1] == oldest_first(branch)
    assert found.end is None
    assert await here.gaps(branch) == []
    assert await here.shown(branch) == oldest_first(branch)
    assert await here.state(branch) == branch.state_map
    again = await page(here, branch)
    assert again.events == found.events
    assert here.remote.questions("backfill") == 1


async def test_pages_go_on_where_the_one_before_ended(
    here: ReceivingServer, branch: Branch, alices: RemoteServer
) -> None:
    for number in range(230):
        branch.send(MESSAGE, ALICE, {"n": number})
    await here.joins(branch)
    for number in range(5):
        await here.receives(A, [branch.send(MESSAGE, ALICE, {"late": number})])
    seen: list[EventId] = []
    start: TimelineToken | None = None
    while True:
        found = await page(here, branch, start, limit=17)
        seen += names(branch, found)
        if found.end is None:
            break
        start = found.end
    assert seen[::-1] == oldest_first(branch)
    assert here.remote.questions("backfill") == 3
    forward = await page(here, branch, TimelineToken(0), limit=500, backwards=False)
    assert names(branch, forward) == oldest_first(branch)
    restarted = await here.restarted()
    assert names(branch, await page(restarted, branch, limit=500)) == seen
    await restarted.close()
    here.core.engine = here.core.open_engine()


async def test_a_gap_that_nobody_fills_ends_the_page_and_is_tried_again(
    here: ReceivingServer, branch: Branch, alices: RemoteServer
) -> None:
    branch.send(MESSAGE, ALICE, {"body": "before"})
    await here.joins(branch)
    alices.is_down = True
    first = await page(here, branch)
    assert len(first.events) == 1
    assert first.end is not None
    nothing = await page(here, branch, first.end)
    assert (nothing.events, nothing.end) == ([], None)
    alices.is_down = False
    here.clock.advance(FORGET_SECONDS)
    found = await page(here, branch, first.end)
    assert names(branch, found)[::-1] == oldest_first(branch)[:-1]


async def test_who_reads_does_not_wait_long_and_finds_it_the_next_time(
    here: ReceivingServer, branch: Branch, alices: RemoteServer
) -> None:
    branch.send(MESSAGE, ALICE, {"body": "before"})
    actor = await here.joins(branch)
    here.remote.held[A] = Deferred()
    (gap,) = await here.gaps(branch)
    reading = Deferred.fromCoroutine(here.history.fill(actor.view.nid, gap))
    while not here.remote.asked:
        await here.gaps(branch)
    here.clock.advance(PATIENCE_SECONDS)
    assert await reading is False
    other = Deferred.fromCoroutine(here.history.fill(actor.view.nid, gap))
    here.remote.held.pop(A).callback(None)
    assert await other is True
    assert here.remote.questions("backfill") == 1
    assert await here.shown(branch) == oldest_first(branch)


async def test_those_who_read_at_once_have_a_gap_filled_once(
    here: ReceivingServer, branch: Branch, alices: RemoteServer
) -> None:
    branch.send(MESSAGE, ALICE, {"body": "before"})
    await here.joins(branch)
    pages = await together(*(page(here, branch) for _ in range(3)))
    assert all(each.events == pages[0].events for each in pages)
    assert here.remote.questions("backfill") == 1


async def test_another_server_is_asked_when_one_gives_nothing(
    here: ReceivingServer, branch: Branch, alices: RemoteServer
) -> None:
    branch.send(MESSAGE, ALICE, {"body": "before"})
    knows(here.remote, B, branch.room)
    alices.told_instead["backfill"] = lambda _: {"pdus": []}
    await here.joins(branch)
    assert names(branch, await page(here, branch))[::-1] == oldest_first(branch)


async def test_forged_events_and_those_of_no_right_are_not_shown(
    here: ReceivingServer, branch: Branch, alices: RemoteServer
) -> None:
    before = branch.tips[0]
    good = branch.send(MESSAGE, ALICE, {"body": "good"})
    # Carol is not in the room.
    bad = branch.send(MESSAGE, CAROL, {"body": "bad"})
    last = branch.send(MESSAGE, ALICE, {"body": "last"})
    await here.joins(branch)
    forged = {**good.pdu_object(), "content": {"body": "forged"}}
    stranger = branch.room.make(MESSAGE, ALICE, {"body": "not of this past"}, prev_events=[before])
    alices.told_instead["backfill"] = lambda _: {
        "pdus": [
            last.pdu_object(),
            bad.pdu_object(),
            forged,
            stranger.pdu_object(),
            {"type": "junk"},
            before.pdu_object(),
        ]
    }
    await page(here, branch)
    shown = await here.timeline(branch)
    assert [each.event.event_id for each in shown][-4:-1] == [
        before.event_id,
        good.event_id,
        last.event_id,
    ]
    assert shown[-3].event.content == {}
    assert await here.standing(bad) is Standing.REJECTED
    assert await here.standing(stranger) is None


async def test_the_state_before_old_events_is_that_of_their_time(
    here: ReceivingServer, branch: Branch, alices: RemoteServer
) -> None:
    branch.set_topic(ALICE, "first")
    early = branch.send(MESSAGE, ALICE, {"body": "early"})
    branch.join(CAROL)
    branch.set_topic(ALICE, "second")
    late = branch.send(MESSAGE, CAROL, {"body": "late"})
    branch.ban(ALICE, CAROL)
    actor = await here.joins(branch)
    await page(here, branch)
    for event in (early, late):
        found = await here.core.events.fetch_ids([event.event_id])
        before = found[event.event_id].state_before
        held = await here.states.events(actor.view, before)
        assert {key: each.event.event_id for key, each in held.items()} == {
            key: each.event_id for key, each in alices.state_before(event).items()
        }


async def test_old_events_are_seen_by_what_held_at_their_time(
    here: ReceivingServer, branch: Branch, alices: RemoteServer
) -> None:
    hidden = {"history_visibility": "joined"}
    branch.send("m.room.history_visibility", ALICE, hidden, "")
    branch.join(ADAM)
    seen_by_adam = branch.send(MESSAGE, ALICE, {"body": "Adam is here"})
    branch.leave(ADAM)
    secret = branch.send(MESSAGE, ALICE, {"body": "nobody of yours is here"})
    branch.send("m.room.history_visibility", ALICE, {"history_visibility": "shared"}, "")
    shared = branch.send(MESSAGE, ALICE, {"body": "for all who join"})
    await here.joins(branch)
    here_again = branch.join(ADAM)
    await here.receives(A, [here_again])
    annas = names(branch, await page(here, branch))
    adams = names(branch, await page(here, branch, user=ADAM))
    assert shared.event_id in annas
    assert shared.event_id in adams
    assert secret.event_id not in annas
    assert secret.event_id not in adams
    assert seen_by_adam.event_id in adams
    assert seen_by_adam.event_id not in annas


async def test_relations_and_redactions_of_old_events_count(
    here: ReceivingServer, branch: Branch, alices: RemoteServer
) -> None:
    root = branch.send(MESSAGE, ALICE, {"body": "root"})
    relation = {"rel_type": "m.reference", "event_id": root.event_id}
    related = branch.send(MESSAGE, BOB, {"body": "about it", "m.relates_to": relation})
    gone = branch.send(MESSAGE, BOB, {"body": "gone"})
    redaction = {"redacts": gone.event_id}
    branch.send("m.room.redaction", BOB, redaction)
    kept = branch.send(MESSAGE, ALICE, {"body": "kept"})
    branch.send("m.room.redaction", BOB, {"redacts": kept.event_id})
    actor = await here.joins(branch)
    await page(here, branch)
    found = await here.core.events.fetch_ids([gone.event_id, kept.event_id, related.event_id])
    assert found[gone.event_id].event.content == {}
    assert found[gone.event_id].redacted_by is not None
    assert found[kept.event_id].event.content == {"body": "kept"}
    assert await here.core.relation_store.having_related(
        actor.view.nid, [root.event_id], rel_types=None, senders=None
    ) == [root.event_id]


async def test_a_redaction_that_came_before_what_it_redacts_counts_once_that_is_filled_in(
    here: ReceivingServer, branch: Branch, alices: RemoteServer
) -> None:
    gone = branch.send(MESSAGE, BOB, {"body": "gone"})
    await here.joins(branch)
    await here.receives(A, [branch.send("m.room.redaction", BOB, {"redacts": gone.event_id})])
    await page(here, branch)
    stored = next(e for e in await here.timeline(branch) if e.event.event_id == gone.event_id)
    assert stored.event.content == {}


async def test_what_a_server_adds_to_history_without_signing_it_is_not_kept(
    here: ReceivingServer, branch: Branch, alices: RemoteServer
) -> None:
    old = branch.send(MESSAGE, BOB, {"body": "old"})
    await here.joins(branch)
    added = {"age": 5, "redacted_because": {"type": "m.room.redaction"}}
    alices.told_instead["backfill"] = lambda _: {
        "pdus": [
            {**branch.room.events[event_id].pdu_object(), "unsigned": added}
            for event_id in oldest_first(branch)[-2::-1]
        ]
    }
    await page(here, branch)
    stored = next(e for e in await here.timeline(branch) if e.event.event_id == old.event_id)
    assert stored.event.pdu == old.pdu
    assert stored.redacted_by is None


async def test_what_was_missed_is_filled_in_between(
    here: ReceivingServer, branch: Branch, alices: RemoteServer
) -> None:
    await here.joins(branch)
    await page(here, branch)
    lost = [branch.send(MESSAGE, ALICE, {"lost": n}) for n in range(5)]
    alices.told_instead["get_missing_events"] = lambda _: {"events": []}
    await here.receives(A, [branch.send(MESSAGE, ALICE, {"body": "seen"})])
    assert lost[0].event_id not in await here.shown(branch)
    found = await page(here, branch)
    assert names(branch, found)[::-1] == oldest_first(branch)
    assert await here.shown(branch) == oldest_first(branch)
    assert await here.gaps(branch) == []


async def test_the_context_of_an_event_has_what_was_missing_before_it(
    here: ReceivingServer, branch: Branch, alices: RemoteServer
) -> None:
    before = branch.send(MESSAGE, ALICE, {"body": "before"})
    actor = await here.joins(branch)
    join = branch.tips[0]
    context = await here.reading.context(
        actor.view, ANNA, None, join.event_id, limit=4, definition=EVERYTHING
    )
    assert f'"event_id":"{before.event_id}"'.encode() in context.before[0]
    assert len(context.before) == 2


async def test_rejected_events_and_outliers_cannot_be_asked_for(
    here: ReceivingServer, branch: Branch, alices: RemoteServer
) -> None:
    actor = await here.joins(branch)
    bad = branch.draft(MESSAGE, CAROL, {"body": "bad"})
    await here.receives(A, [bad])
    assert await here.standing(bad) is Standing.REJECTED
    for event_id in (bad.event_id, branch.room.create.event_id):
        with pytest.raises(NotFound):
            await here.reading.event(actor.view, ANNA, event_id)

"""Events whose past is not here: it is fetched, or the timeline has a gap."""

from __future__ import annotations

import random

import pytest
from twisted.internet.defer import Deferred

from federation.inbound.missing_events import AT_ONCE, ROUNDS
from federation.inbound.outcomes import Outcome
from federation.inbound.room_inbox import FIRST_PAUSE_MS, MOST_ATTEMPTS, Arrived
from homeserver.domain.canonical_json import JsonObject, encode_lenient_json
from homeserver.domain.event_hashes import content_hash
from homeserver.domain.event_signatures import sign_event
from homeserver.domain.events import Event
from homeserver.ports.rooms.events import Standing
from tests.federation.inbound.receiving_server import ANNA, A, B, ReceivingServer, knows
from tests.federation.inbound.remote_servers import RemoteServer
from tests.homeserver.domain.event_factory import ALICE, BOB, CAROL, Branch, a_room
from tests.homeserver.domain.pdus import KEY

MESSAGE = "m.room.message"
PAUSE = FIRST_PAUSE_MS / 1000


def messages(branch: Branch, count: int) -> list[Event]:
    return [branch.send(MESSAGE, ALICE, {"n": n}) for n in range(count)]


def ids(events: list[Event]) -> list[str]:
    return [event.event_id for event in events]


async def test_missing_events_are_fetched_and_shown_in_their_order(
    here: ReceivingServer, branch: Branch, alices: RemoteServer
) -> None:
    joined = await here.joins(branch)
    events = messages(branch, AT_ONCE * ROUNDS)
    await here.receives(A, [events[-1]])
    assert (await here.shown(branch))[-len(events) :] == ids(events)
    assert here.remote.asked == [(A, "get_missing_events")] * ROUNDS
    assert len(await here.gaps(branch)) == 1, "only that of the join"
    assert len(joined.heads) == 1


async def test_a_past_that_is_too_long_leaves_a_gap(
    here: ReceivingServer, branch: Branch, alices: RemoteServer
) -> None:
    await here.joins(branch)
    branch.set_topic(ALICE, "not seen")
    branch.join(CAROL)
    events = messages(branch, AT_ONCE * ROUNDS + 10)
    await here.receives(A, [events[-1]])
    shown = await here.shown(branch)
    fetched = AT_ONCE * ROUNDS + 1
    assert shown[-fetched:] == ids(events[-fetched:])
    assert events[-fetched - 1].event_id not in shown
    (_, gap) = await here.gaps(branch)
    assert gap.event_ids == (events[-fetched - 1].event_id,)
    assert await here.state(branch) == branch.state_map


async def test_a_past_that_its_server_does_not_give_leaves_a_gap(
    here: ReceivingServer, branch: Branch, alices: RemoteServer
) -> None:
    await here.joins(branch)
    branch.set_topic(ALICE, "not seen")
    lost = messages(branch, 3)
    alices.hidden.update(event.event_id for event in lost)
    seen = branch.send(MESSAGE, ALICE, {"body": "seen"})
    await here.receives(A, [seen])
    assert (await here.shown(branch))[-1] == seen.event_id
    assert await here.state(branch) == branch.state_map
    (_, gap) = await here.gaps(branch)
    assert gap.event_ids == (lost[-1].event_id,)


async def test_a_state_of_which_much_is_missing_is_fetched_as_a_whole(
    here: ReceivingServer, branch: Branch, alices: RemoteServer
) -> None:
    await here.joins(branch)
    for number in range(60):
        branch.send("org.example.state", ALICE, {"n": number}, str(number))
    lost = messages(branch, 1)
    alices.told_instead["get_missing_events"] = lambda _: {"events": []}
    alices.hidden.update(event.event_id for event in lost)
    seen = branch.send(MESSAGE, ALICE, {"body": "seen"})
    await here.receives(A, [seen])
    assert here.remote.questions("state") == 1
    assert here.remote.questions("event") == 0
    assert await here.state(branch) == branch.state_map


async def test_what_the_origin_does_not_say_others_are_asked(
    here: ReceivingServer, branch: Branch, alices: RemoteServer
) -> None:
    await here.joins(branch)
    branch.set_topic(ALICE, "not seen")
    messages(branch, 1)
    seen = branch.send(MESSAGE, ALICE, {"body": "seen"})
    await here.receives(B, [seen])
    assert (await here.shown(branch))[-1] == seen.event_id
    assert {host for host, _ in here.remote.asked} == {A, B}


async def test_while_nobody_answers_an_event_waits(
    here: ReceivingServer, branch: Branch, alices: RemoteServer
) -> None:
    await here.joins(branch)
    fork = branch.fork()
    alices.is_down = True
    messages(branch, 1)
    waiting = branch.send(MESSAGE, ALICE, {"body": "waiting"})
    other = fork.send(MESSAGE, ALICE, {"body": "other"})
    assert await here.receives(A, [waiting, other]) == {waiting.event_id: {}, other.event_id: {}}
    assert (await here.shown(branch))[-1] == other.event_id
    assert here.staged() == [waiting.event_id]
    alices.is_down = False
    here.clock.advance(PAUSE)
    await here.judged()
    assert (await here.shown(branch))[-1] == waiting.event_id
    assert here.staged() == []


async def test_an_event_waits_through_a_restart(
    here: ReceivingServer, branch: Branch, alices: RemoteServer
) -> None:
    await here.joins(branch)
    alices.is_down = True
    messages(branch, 1)
    waiting = branch.send(MESSAGE, ALICE, {"body": "waiting"})
    await here.receives(A, [waiting])
    restarted = await here.restarted()
    restarted.clock.advance(here.clock.monotonic())
    alices.is_down = False
    await restarted.inbox.start()
    await restarted.judged()
    assert restarted.staged() == [waiting.event_id]
    restarted.clock.advance(PAUSE)
    await restarted.judged()
    assert (await restarted.shown(branch))[-1] == waiting.event_id
    await restarted.close()
    here.core.engine = here.core.open_engine()


async def test_an_event_does_not_wait_when_its_server_is_back(
    here: ReceivingServer, branch: Branch, alices: RemoteServer
) -> None:
    await here.joins(branch)
    alices.is_down = True
    messages(branch, 1)
    waiting = branch.send(MESSAGE, ALICE, {"body": "waiting"})
    await here.receives(A, [waiting])
    alices.is_down = False
    here.inbox.recovered(B)
    here.inbox.recovered(A)
    await here.judged()
    assert (await here.shown(branch))[-1] == waiting.event_id


async def test_an_event_whose_past_nobody_has_is_given_up_at_last(
    here: ReceivingServer, branch: Branch, alices: RemoteServer
) -> None:
    await here.joins(branch)
    alices.is_down = True
    messages(branch, 1)
    await here.receives(A, [branch.send(MESSAGE, ALICE, {"body": "waiting"})])
    for attempt in range(MOST_ATTEMPTS):
        here.clock.advance(PAUSE * 4**attempt)
        await here.judged()
    assert here.staged() == []
    assert here.outcomes.counted[Outcome.GIVEN_UP] == 1
    assert here.inbox.load.events == here.inbox.load.bytes == 0


async def test_auth_events_that_are_missing_are_fetched(
    here: ReceivingServer, branch: Branch, alices: RemoteServer
) -> None:
    await here.joins(branch)
    fork = branch.fork()
    # Carol's join is on a branch that nobody tells us of.
    join = fork.join(CAROL)
    branch.state[join.state_map_key()] = join
    event = branch.draft(MESSAGE, CAROL, {"body": "hello"})
    await here.receives(A, [event])
    assert await here.standing(join) is Standing.OUTLIER
    # By what it names itself she is in the room, by the state before it she is not.
    assert await here.standing(event) is Standing.REJECTED
    assert here.remote.asked == [(A, "event_auth")]


async def test_auth_events_that_the_origin_hides_are_asked_of_others_once(
    here: ReceivingServer, branch: Branch, alices: RemoteServer
) -> None:
    bobs = knows(here.remote, B, branch.room)
    await here.joins(branch)
    join = branch.fork().join(CAROL)
    alices.hidden.add(join.event_id)
    bobs.hidden.add(join.event_id)
    branch.state[join.state_map_key()] = join
    event = branch.draft(MESSAGE, CAROL, {"body": "hello"})
    await here.receives(A, [event])
    assert await here.standing(event) is None
    assert here.staged() == [event.event_id]
    asked = len(here.remote.asked)
    assert {host for host, _ in here.remote.asked} >= {A, B}
    here.clock.advance(PAUSE)
    await here.judged()
    assert len(here.remote.asked) == asked, "it was asked in vain a moment ago"


@pytest.mark.parametrize("length", [3, 400])
async def test_chains_of_auth_events_without_end_are_not_followed(
    here: ReceivingServer, branch: Branch, alices: RemoteServer, length: int
) -> None:
    await here.joins(branch)
    join = branch.state[("m.room.member", BOB)]
    chain = [join]
    for number in range(length):
        content: JsonObject = {"membership": "join", "n": number}
        chain.append(
            branch.room.make(
                "m.room.member",
                BOB,
                content,
                state_key=BOB,
                prev_events=[join],
                auth_events=[branch.room.create, chain[-1]],
            )
        )
    branch.state[("m.room.member", BOB)] = chain[-1]
    event = branch.draft(MESSAGE, BOB, {"body": "hello"})
    alices.told_instead["event_auth"] = lambda _: {"auth_chain": []}
    await here.receives(A, [event])
    assert here.remote.questions("event") <= 25
    assert (await here.standing(chain[1]) is None) is (length > 20)


async def test_events_that_follow_each_other_in_circles_are_dropped(
    here: ReceivingServer,
) -> None:
    branch = a_room("1")
    alices = knows(here.remote, A, branch.room)
    await here.joins(branch)
    first = branch.draft(MESSAGE, ALICE, {"n": 1})
    second = branch.room.make(
        MESSAGE, ALICE, {"n": 2}, prev_events=[first], auth_events=branch.state.values()
    )
    circle = under_the_id_of(
        first,
        branch.room.make(
            MESSAGE, ALICE, {"n": 1}, prev_events=[second], auth_events=branch.state.values()
        ),
    )
    alices.told_instead["get_missing_events"] = lambda _: {
        "events": [circle.pdu_object(), second.pdu_object()]
    }
    alices.told_instead["state_ids"] = lambda _: {"pdu_ids": [], "auth_chain_ids": []}
    await here.receives(A, [second])
    assert await here.standing(second) is None
    assert here.remote.questions("get_missing_events") == 1


async def test_events_that_follow_a_rejected_one_are_judged_as_if_it_were_not_there(
    here: ReceivingServer, branch: Branch, alices: RemoteServer
) -> None:
    await here.joins(branch)
    carols = branch.send("m.room.topic", CAROL, {"topic": "not in the room"}, "")
    del branch.state[("m.room.topic", "")]
    first = branch.send(MESSAGE, ALICE, {"n": 1})
    topic = branch.set_topic(BOB, "not enough power")
    del branch.state[("m.room.topic", "")]
    second = branch.send(MESSAGE, ALICE, {"n": 2})
    await here.receives(A, [carols, first, topic, second])
    standings = [await here.standing(event) for event in (carols, first, topic, second)]
    assert standings == [
        Standing.REJECTED,
        Standing.ACCEPTED,
        Standing.REJECTED,
        Standing.ACCEPTED,
    ]
    assert await here.state(branch) == branch.state_map


async def test_what_was_rejected_as_an_outlier_is_judged_again_in_its_place(
    here: ReceivingServer, branch: Branch, alices: RemoteServer
) -> None:
    actor = await here.joins(branch)
    fork = branch.fork()
    first = fork.send("m.room.topic", CAROL, {"topic": "not in the room"}, "")
    del fork.state[("m.room.topic", "")]
    second = fork.send(MESSAGE, ALICE, {"n": 2})
    known = {e.event.event_id: e for e in [*actor.view.state.values(), *actor.heads]}
    await here.judging.outliers(actor.view.nid, [first], known)
    assert await here.standing(first) is Standing.REJECTED
    await here.receives(A, [first, second])
    assert await here.standing(first) is Standing.REJECTED
    assert await here.standing(second) is Standing.ACCEPTED


async def test_a_slow_server_holds_up_no_other_room(
    here: ReceivingServer, branch: Branch, alices: RemoteServer
) -> None:
    await here.joins(branch)
    other = a_room("12")
    await here.joins(other)
    here.remote.held[A] = Deferred()
    messages(branch, 1)
    slow = [branch.send(MESSAGE, ALICE, {"n": n}) for n in range(5)]
    await here.sent(A, slow[-1:])
    quick = messages(other, 5)
    await here.sent(A, quick)
    await here.shows(quick[-1])
    assert (await here.shown(branch))[-1] == branch.state[("m.room.member", ANNA)].event_id
    here.remote.held.pop(A).callback(None)
    await here.judged()
    assert (await here.shown(branch))[-1] == slow[-1].event_id


async def test_what_was_staged_is_judged_after_a_restart(
    here: ReceivingServer, branch: Branch, alices: RemoteServer
) -> None:
    await here.joins(branch)
    here.inbox.stop()
    events = messages(branch, 10)
    response = await here.sent(A, events)
    assert response.json == {"pdus": {event.event_id: {} for event in events}}
    assert here.staged() == ids(events)
    restarted = await here.restarted()
    await restarted.inbox.start()
    await restarted.judged()
    assert (await restarted.shown(branch))[-10:] == ids(events)
    assert restarted.staged() == []
    await restarted.close()
    here.core.engine = here.core.open_engine()


async def test_what_was_judged_and_is_still_staged_is_judged_alike(
    here: ReceivingServer, branch: Branch, alices: RemoteServer
) -> None:
    await here.joins(branch)
    (event,) = messages(branch, 1)
    await here.receives(A, [event])
    shown = await here.shown(branch)
    here.core.execute(
        "INSERT INTO staged_pdus (arrival, origin, room_nid, event_id, pdu, attempts,"
        " retry_after_ts) SELECT 99, 'a.example', room_nid, event_id, pdu, 0, 0 FROM events"
        " WHERE event_id = ?",
        event.event_id,
    )
    restarted = await here.restarted()
    await restarted.inbox.start()
    await restarted.judged()
    assert await restarted.shown(branch) == shown
    assert restarted.staged() == []
    await restarted.close()
    here.core.engine = here.core.open_engine()


async def test_a_flood_in_one_room_leaves_the_turns_of_another(
    here: ReceivingServer, branch: Branch
) -> None:
    await here.joins(branch)
    other = a_room("12")
    await here.joins(other)
    flood = messages(branch, 400)
    quick = messages(other, 3)
    nid = (await here.room(branch)).view.nid
    await here.inbox.stage(A, [Arrived(nid, event) for event in flood])
    await here.sent(B, quick)
    await here.shows(quick[-1])
    assert (await here.shown(branch))[-1] != flood[-1].event_id
    await here.judged()
    assert (await here.shown(branch))[-1] == flood[-1].event_id


async def test_a_server_with_too_much_staged_has_to_wait(
    here: ReceivingServer, branch: Branch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("federation.inbound.staging_load.MOST_OF_ORIGIN", 5)
    monkeypatch.setattr("federation.inbound.staging_load.MOST_IN_ROOM", 7)
    await here.joins(branch)
    here.inbox.stop()
    events = messages(branch, 8)
    assert (await here.sent(A, events[:5])).status == 200
    refused = await here.sent(A, events[5:6])
    assert (refused.status, refused.json["errcode"]) == (429, "M_LIMIT_EXCEEDED")
    assert (await here.sent(B, events[5:7])).json["pdus"][events[6].event_id] == {}
    crowded = await here.sent(B, events[7:])
    assert set(crowded.json["pdus"][events[7].event_id]) == {"error"}


def under_the_id_of(named: Event, event: Event) -> Event:
    """An event of room version 1 under the ID of another one, and signed anew."""
    pdu = {
        key: value
        for key, value in event.pdu_object().items()
        if key not in ("signatures", "hashes")
    }
    pdu["event_id"] = named.event_id
    pdu["hashes"] = {"sha256": content_hash(pdu)}
    pdu["signatures"] = {}
    unsigned = Event.from_pdu(encode_lenient_json(pdu), event.version, named.event_id)
    return sign_event(unsigned, A, KEY)


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_order_events_arrive_in_the_room_is_the_same_in_the_end(
    here: ReceivingServer, branch: Branch, alices: RemoteServer, seed: int
) -> None:
    chance = random.Random(seed)
    await here.joins(branch)
    events = [
        branch.set_topic(ALICE, str(number))
        if chance.random() < 0.2
        else branch.send(MESSAGE, chance.choice([ALICE, BOB]), {"n": number})
        for number in range(40)
    ]
    sent = [event for event in events if chance.random() < 0.7] + [events[-1]]
    sent += chance.choices(sent, k=10)
    chance.shuffle(sent)
    for start in range(0, len(sent), 7):
        chunk = sent[start : start + 7]
        results = await here.receives(chance.choice([A, B]), chunk)
        assert results == {event.event_id: {} for event in chunk}
    assert here.staged() == []
    assert set(ids(events)) <= set(await here.shown(branch))
    assert await here.state(branch) == branch.state_map
    assert len((await here.room(branch)).heads) == 1

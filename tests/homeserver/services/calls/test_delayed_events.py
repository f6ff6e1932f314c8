"""Events that are sent later: when, by whom, and how often."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from homeserver.http.routes import RateClass
from homeserver.ports.calls.delayed_events import Finalisation, Status
from tests.deferreds import together
from tests.homeserver.calls import CallsServer, acts, delays, delays_state, says_later
from tests.interruptible import Interruptible
from tests.rooms_fixture import Engine, Person, RoomsServer, quoted, refused, sqlite_at

CALL_MEMBER = "org.matrix.msc3401.call.member"
NOBODY_NEEDS_POWER = {"events": {CALL_MEMBER: 0}}


async def alice_at_home(calls: CallsServer, **body: Any) -> tuple[Person, str]:
    alice = await calls.resident("alice")
    return alice, await alice.creates_room(**body)


async def error_of(calls: CallsServer, delay_id: str) -> str:
    end = (await calls.finalised(delay_id)).finalised
    assert end is not None
    assert end.error is not None
    return str(json.loads(end.error)["errcode"])


# --- when


async def test_an_event_is_sent_when_its_delay_is_over_and_not_before(calls: CallsServer) -> None:
    alice, room_id = await alice_at_home(calls)
    delay_id = await says_later(alice, room_id, "later", 8000)
    assert await calls.bodies(room_id) == []

    calls.clock.advance(7.999)
    assert (await calls.delayed_event(delay_id)).finalised is None
    calls.clock.advance(0.001)

    ended = await calls.finalised(delay_id)
    sent = (await calls.timeline(room_id))[-1].event
    assert ended.finalised == Finalisation(calls.clock.now_ms(), event_id=sent.event_id)
    assert (sent.content["body"], sent.sender) == ("later", alice.user_id)
    assert sent.origin_server_ts == calls.clock.now_ms()


async def test_events_are_sent_in_the_order_in_which_they_are_due(calls: CallsServer) -> None:
    alice, room_id = await alice_at_home(calls)
    last = await says_later(alice, room_id, "c", 3000)
    for body, delay_ms in (("a", 1000), ("b", 2000)):
        await says_later(alice, room_id, body, delay_ms)

    calls.clock.advance(4)

    await calls.finalised(last)
    assert await calls.bodies(room_id) == ["a", "b", "c"]


async def test_an_event_is_put_off_as_long_as_it_is_restarted(calls: CallsServer) -> None:
    alice, room_id = await alice_at_home(calls)
    delay_id = await says_later(alice, room_id, "gone", 8000)
    for _ in range(5):
        calls.clock.advance(5)
        assert refused(await acts(calls, delay_id, "restart")) == (200, "no error")
    assert await calls.bodies(room_id) == []

    # The alarm for the first time finds nothing; it must be set anew.
    for _ in range(4):
        calls.clock.advance(2)
        await calls.store.next_due()
    await calls.finalised(delay_id)
    assert await calls.bodies(room_id) == ["gone"]


async def test_a_cancelled_event_is_never_sent(calls: CallsServer) -> None:
    alice, room_id = await alice_at_home(calls)
    cancelled = await says_later(alice, room_id, "never")
    other = await says_later(alice, room_id, "but this")
    assert refused(await acts(calls, cancelled, "cancel")) == (200, "no error")

    calls.clock.advance(60)

    await calls.finalised(other)
    assert await calls.bodies(room_id) == ["but this"]
    assert (await calls.delayed_event(cancelled)).status is Status.CANCELLED


async def test_an_event_can_be_sent_at_once(calls: CallsServer) -> None:
    alice, room_id = await alice_at_home(calls)
    delay_id = await says_later(alice, room_id, "now")

    answers = await together(*(acts(calls, delay_id, "send") for _ in range(3)))

    assert [refused(answer) for answer in answers] == [(200, "no error")] * 3
    calls.clock.advance(60)
    await calls.store.next_due()
    assert await calls.bodies(room_id) == ["now"]


@pytest.mark.parametrize(
    ("ending", "action", "answer"),
    [
        ("send", "send", (200, "no error")),
        ("send", "cancel", (409, "M_UNKNOWN")),
        ("send", "restart", (409, "M_UNKNOWN")),
        ("cancel", "cancel", (200, "no error")),
        ("cancel", "send", (409, "M_UNKNOWN")),
        ("cancel", "restart", (409, "M_UNKNOWN")),
    ],
)
async def test_what_has_ended_can_only_be_ended_in_the_same_way(
    calls: CallsServer, ending: str, action: str, answer: tuple[int, str]
) -> None:
    alice, room_id = await alice_at_home(calls)
    delay_id = await says_later(alice, room_id, "x")
    await acts(calls, delay_id, ending)
    before = await calls.delayed_event(delay_id)

    assert refused(await acts(calls, delay_id, action)) == answer
    assert await calls.delayed_event(delay_id) == before


@pytest.mark.parametrize("action", ["send", "cancel", "restart"])
async def test_unknown_events_are_not_found(calls: CallsServer, action: str) -> None:
    assert refused(await acts(calls, "nothing", action)) == (404, "M_NOT_FOUND")


# --- what is sent


async def test_a_call_is_left_by_whose_device_is_gone(calls: CallsServer) -> None:
    _, room_id = await alice_at_home(
        calls, preset="public_chat", power_level_content_override=NOBODY_NEEDS_POWER
    )
    bob = await calls.resident("bob")
    await bob.joins(room_id)
    state_key = f"_{bob.user_id}_DEVICE_m.call"
    response = await delays_state(bob, room_id, CALL_MEMBER, state_key, {}, 8000)
    await bob.sets(room_id, CALL_MEMBER, {"application": "m.call"}, state_key)

    calls.clock.advance(8)

    await calls.finalised(response.json["delay_id"])
    assert await calls.content(room_id, CALL_MEMBER, state_key) == {}


async def test_state_with_rules_of_its_own_is_set_by_them(calls: CallsServer) -> None:
    alice, room_id = await alice_at_home(calls)
    bob = await calls.resident("bob")
    levels = {**await calls.content(room_id, "m.room.power_levels"), "users": "nonsense"}
    wrong = await delays_state(alice, room_id, "m.room.power_levels", "", levels, 1000)
    invite = await delays_state(
        alice, room_id, "m.room.member", bob.user_id, {"membership": "invite"}, 1000
    )

    calls.clock.advance(1)

    assert (await calls.finalised(invite.json["delay_id"])).status is Status.SENT
    assert await calls.membership(room_id, bob) == "invite"
    assert await error_of(calls, wrong.json["delay_id"]) == "M_BAD_JSON"


@pytest.mark.parametrize("how", ["send", "redact"])
async def test_a_message_can_vanish_by_itself(calls: CallsServer, how: str) -> None:
    alice, room_id = await alice_at_home(calls)
    event_id = await alice.sends(room_id, "secret")
    if how == "send":
        response = await delays(
            alice, room_id, {"redacts": event_id}, 1000, type="m.room.redaction"
        )
    else:
        path = f"/rooms/{quoted(room_id)}/redact/{quoted(event_id)}/t"
        response = await alice.put(f"{path}?org.matrix.msc4140.delay=1000", {"reason": "old"})
    assert await calls.bodies(room_id) == ["secret"]

    calls.clock.advance(1)

    assert (await calls.finalised(response.json["delay_id"])).status is Status.SENT
    assert await calls.bodies(room_id) == [None]


async def test_whether_somebody_may_send_it_is_decided_when_it_is_sent(calls: CallsServer) -> None:
    alice, room_id = await alice_at_home(calls, preset="public_chat")
    bob, carol = await calls.resident("bob"), await calls.resident("carol")
    await bob.joins(room_id)
    banned = await says_later(bob, room_id, "I was here")
    joined = await says_later(carol, room_id, "I came later")
    await alice.bans(room_id, bob)
    await carol.joins(room_id)

    calls.clock.advance(8)

    assert await error_of(calls, banned) == "M_FORBIDDEN"
    assert (await calls.finalised(joined)).status is Status.SENT
    assert await calls.bodies(room_id) == ["I came later"]


async def test_nobody_sends_state_under_the_name_of_another(calls: CallsServer) -> None:
    alice, room_id = await alice_at_home(
        calls, preset="public_chat", power_level_content_override=NOBODY_NEEDS_POWER
    )
    bob = await calls.resident("bob")
    await bob.joins(room_id)

    response = await delays_state(bob, room_id, CALL_MEMBER, alice.user_id, {}, 1000)
    calls.clock.advance(1)

    assert await error_of(calls, response.json["delay_id"]) == "M_FORBIDDEN"


@pytest.mark.parametrize(
    ("standing", "errcode"),
    [("locked", "M_FORBIDDEN"), ("suspended", "M_USER_SUSPENDED"), ("deactivated", "M_FORBIDDEN")],
)
async def test_what_accounts_may_not_do_any_more_is_not_done_later(
    calls: CallsServer, standing: str, errcode: str
) -> None:
    alice, room_id = await alice_at_home(calls)
    message = await says_later(alice, room_id, "x")
    state = await delays_state(alice, room_id, "m.room.name", "", {"name": "x"}, 8000)
    match standing:
        case "locked":
            await calls.accounts.set_locked(alice.user_id, True)
        case "suspended":
            await calls.accounts.set_suspended(alice.user_id, True)
        case _:
            await calls.accounts.deactivate(alice.user_id, erase=False)

    calls.clock.advance(8)

    assert await error_of(calls, message) == errcode
    assert await error_of(calls, state.json["delay_id"]) == errcode


async def test_sending_at_once_tells_what_refuses_it_and_leaves_it_scheduled(
    calls: CallsServer,
) -> None:
    _, room_id = await alice_at_home(calls, preset="public_chat")
    bob = await calls.resident("bob")
    delay_id = await says_later(bob, room_id, "hello")

    assert refused(await acts(calls, delay_id, "send")) == (403, "M_FORBIDDEN")
    assert (await calls.delayed_event(delay_id)).status is Status.SCHEDULED
    await bob.joins(room_id)
    assert refused(await acts(calls, delay_id, "send")) == (200, "no error")


async def test_events_that_are_due_together_are_limited_as_if_sent_together(
    calls: CallsServer,
) -> None:
    alice, room_id = await alice_at_home(calls)
    first, second = [await says_later(alice, room_id, body) for body in "ab"]
    calls.clock.advance(7.85)
    calls.rates.spend(RateClass.MESSAGE, alice.user_id, 50)

    assert refused(await acts(calls, first, "send")) == (429, "M_LIMIT_EXCEEDED")
    assert (await calls.delayed_event(first)).status is Status.SCHEDULED
    calls.clock.advance(0.15)

    await calls.finalised(first)
    assert await error_of(calls, second) == "M_LIMIT_EXCEEDED"
    assert await calls.bodies(room_id) == ["a"]


# --- restarts and failures


async def test_what_was_scheduled_is_sent_after_a_restart(calls: CallsServer) -> None:
    alice, room_id = await alice_at_home(calls)
    overdue = await says_later(alice, room_id, "overdue", 1000)
    ahead = await says_later(alice, room_id, "ahead", 10_000)
    await calls.due_events.stop()

    again = await calls.restart()
    again.clock.advance(5)
    await again.due_events.resume()
    again.clock.advance(0)
    await again.finalised(overdue)
    assert await again.bodies(room_id) == ["overdue"]
    again.clock.advance(5)
    await again.finalised(ahead)
    assert await again.bodies(room_id) == ["overdue", "ahead"]
    await again.close()


async def test_what_is_due_while_the_server_stops_is_left_for_the_next_start(
    calls: CallsServer,
) -> None:
    alice, room_id = await alice_at_home(calls)
    delay_id = await says_later(alice, room_id, "in time")
    calls.clock.advance(8)
    await calls.due_events.stop()
    assert (await calls.delayed_event(delay_id)).status is Status.SCHEDULED

    again = await calls.restart()
    again.clock.advance(8)
    await again.due_events.resume()
    again.clock.advance(0)
    await again.finalised(delay_id)
    assert await again.bodies(room_id) == ["in time"]
    await again.close()


@pytest.mark.parametrize("kind", ["message", "state"])
async def test_a_crash_between_the_event_and_its_note_repeats_nothing(
    calls: CallsServer, kind: str
) -> None:
    alice, room_id = await alice_at_home(calls)
    if kind == "message":
        delay_id = await says_later(alice, room_id, "once")
    else:
        key = f"_{alice.user_id}_DEVICE"
        left = await delays_state(alice, room_id, CALL_MEMBER, key, {"left": True}, 8000)
        delay_id = left.json["delay_id"]
    calls.clock.advance(8)
    event_id = (await calls.finalised(delay_id)).finalised
    assert event_id is not None
    if kind == "state":
        await alice.sets(room_id, CALL_MEMBER, {"left": False}, key)
    events = len(await calls.timeline(room_id))
    # The note was lost.
    calls.execute(
        "UPDATE delayed_events SET finalised_ts = NULL, event_id = NULL WHERE delay_id = ?",
        delay_id,
    )

    again = await calls.restart()
    again.clock.advance(9)
    await again.due_events.resume()
    again.clock.advance(0)

    ended = (await again.finalised(delay_id)).finalised
    assert ended is not None
    assert ended.event_id == event_id.event_id
    assert len(await again.timeline(room_id)) == events
    await again.close()


async def test_a_database_that_is_away_delays_an_event_and_loses_none(tmp_path: Path) -> None:
    databases: list[Interruptible] = []

    def through(engine: Engine) -> Interruptible:
        databases.append(Interruptible(engine))
        return databases[0]

    calls = CallsServer(sqlite_at(tmp_path / "away.db"), through)
    alice, room_id = await alice_at_home(calls)
    delay_id = await says_later(alice, room_id, "after all")
    actor = await calls.actor(room_id)
    databases[0].is_down = True
    calls.clock.advance(8)
    for _ in range(1000):
        if actor.is_broken:
            break
        await asyncio.sleep(0.002)
    assert actor.is_broken
    assert (await calls.delayed_event(delay_id)).finalised is None

    databases[0].is_down = False
    while (await calls.delayed_event(delay_id)).finalised is None:
        calls.clock.advance(1)
    assert (await calls.delayed_event(delay_id)).status is Status.SENT
    assert await calls.bodies(room_id) == ["after all"]
    await calls.close()


async def test_servers_without_delayed_events_send_nothing_at_once_instead(
    rooms: RoomsServer,
) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()
    events = len(await rooms.timeline(room_id))

    assert refused(await delays(alice, room_id, {"body": "x"}, 1000)) == (403, "M_FORBIDDEN")
    state = await delays_state(alice, room_id, "m.room.name", "", {"name": "x"}, 1000)
    assert refused(state) == (403, "M_FORBIDDEN")
    assert len(await rooms.timeline(room_id)) == events

"""Scheduling and listing delayed events over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from homeserver.domain.canonical_json import JsonObject
from homeserver.http.routes import Access, RateClass
from tests.homeserver.calls import (
    LIMITS,
    MSC4140,
    MSC4486,
    CallsServer,
    acts,
    delays,
    delays_state,
    says_later,
)
from tests.http_requests import Response
from tests.rooms_fixture import Person, quoted, refused

MESSAGE = {"msgtype": "m.text", "body": "later"}


async def alice_at_home(calls: CallsServer) -> tuple[Person, str]:
    alice = await calls.resident("alice")
    return alice, await alice.creates_room()


async def listed(person: Person, query: str = "") -> list[str]:
    response = await person.get(f"{MSC4486}/delayed_events{query}")
    assert response.status == 200, response.json
    return [each["delay_id"] for each in response.json["delayed_events"]]


async def schedules(person: Person, room_id: str, body: JsonObject) -> Response:
    """Through the operation of its own that the proposal has now."""
    path = f"{MSC4140}/rooms/{quoted(room_id)}/delayed_event/m.room.topic/t1"
    return await person.put(path, body)


# --- scheduling


async def test_a_scheduled_event_is_shown_to_whose_it_is(calls: CallsServer) -> None:
    alice, room_id = await alice_at_home(calls)
    now_ms = calls.clock.now_ms()
    message = await says_later(alice, room_id, "later")
    state = (await delays_state(alice, room_id, "m.room.name", "", {"name": "x"}, 9000)).json

    shown = await alice.get(f"{MSC4140}/delayed_events/{message}")
    assert shown.json == {
        "delay_id": message,
        "room_id": room_id,
        "type": "m.room.message",
        "content": MESSAGE,
        "delay_ms": 8000,
        "delayed_since_ts": now_ms,
    }
    shown = await alice.get(f"{MSC4140}/delayed_events/{state['delay_id']}")
    assert (shown.json["state_key"], shown.json["content"]) == ("", {"name": "x"})
    bob = await calls.resident("bob")
    assert refused(await bob.get(f"{MSC4140}/delayed_events/{message}")) == (404, "M_NOT_FOUND")
    assert await listed(bob) == []


@pytest.mark.parametrize("name", ["delay_ms", "delay"])
@pytest.mark.parametrize("state_key", [None, "", "key"])
async def test_the_operation_of_its_own_schedules_messages_and_state(
    calls: CallsServer, name: str, state_key: str | None
) -> None:
    alice, room_id = await alice_at_home(calls)
    body: JsonObject = {name: 1000, "content": {"topic": "tea"}}
    if state_key is not None:
        body["state_key"] = state_key

    response = await schedules(alice, room_id, body)
    again = await schedules(alice, room_id, body)

    assert again.json == response.json
    delayed = await calls.delayed_event(response.json["delay_id"])
    assert (delayed.type, delayed.state_key, delayed.delay_ms) == ("m.room.topic", state_key, 1000)


async def test_a_repeated_request_schedules_once(calls: CallsServer) -> None:
    alice, room_id = await alice_at_home(calls)
    first = await delays(alice, room_id, MESSAGE, 1000, txn_id="t1")
    again = await delays(alice, room_id, MESSAGE, 1000, txn_id="t1")
    other = await delays(alice, room_id, MESSAGE, 1000, txn_id="t2")

    assert first.json == again.json != other.json
    assert len(await listed(alice)) == 2


@pytest.mark.parametrize("delay", ["0", "-1", "1.5", "soon", "", "9" * 16])
async def test_a_delay_is_a_positive_number_of_milliseconds(calls: CallsServer, delay: str) -> None:
    alice, room_id = await alice_at_home(calls)
    for response in (
        await delays(alice, room_id, MESSAGE, delay),
        await delays_state(alice, room_id, "m.room.name", "", {}, delay),
    ):
        assert refused(response) == (400, "M_INVALID_PARAM")
    assert await listed(alice) == []
    assert await calls.bodies(room_id) == []


async def test_events_that_depend_on_others_are_refused_and_not_sent(calls: CallsServer) -> None:
    alice, room_id = await alice_at_home(calls)
    path = f"/rooms/{quoted(room_id)}/send/m.room.message/t"
    response = await alice.put(f"{path}?org.matrix.msc4140.parent_delay_id=x", MESSAGE)
    assert refused(response) == (400, "M_INVALID_PARAM")
    assert await calls.bodies(room_id) == []


async def test_a_delay_that_is_too_long_is_refused_with_the_longest(calls: CallsServer) -> None:
    alice, room_id = await alice_at_home(calls)
    response = await delays(alice, room_id, MESSAGE, LIMITS.max_delay_ms + 1)
    assert response.status == 400
    assert response.json == {
        "errcode": "M_UNKNOWN",
        "error": "The requested delay exceeds the allowed maximum",
        "org.matrix.msc4140.errcode": "M_MAX_DELAY_EXCEEDED",
        "org.matrix.msc4140.max_delay": LIMITS.max_delay_ms,
    }
    assert await listed(alice) == []
    longest = await delays(alice, room_id, MESSAGE, LIMITS.max_delay_ms)
    assert longest.status == 200


async def test_who_has_too_many_is_told_when_there_will_be_room(calls: CallsServer) -> None:
    alice, room_id = await alice_at_home(calls)
    first, *_ = [
        await says_later(alice, room_id, "x", 8000 + n) for n in range(LIMITS.max_scheduled)
    ]
    calls.clock.advance(0.5)

    response = await delays(alice, room_id, MESSAGE, 1000)

    assert refused(response) == (429, "M_LIMIT_EXCEEDED")
    assert response.json["retry_after_ms"] == 7500
    assert response.headers["Retry-After"] == "8"
    await acts(calls, first, "cancel")
    assert (await delays(alice, room_id, MESSAGE, 1000)).status == 200


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"content": {}}, (400, "M_MISSING_PARAM")),
        ({"delay_ms": 1000}, (400, "M_MISSING_PARAM")),
        ({"delay_ms": "1000", "content": {}}, (400, "M_BAD_JSON")),
        ({"delay_ms": 1000, "content": []}, (400, "M_BAD_JSON")),
        ({"delay_ms": 0, "content": {}}, (400, "M_INVALID_PARAM")),
        ({"delay_ms": 1000, "content": {"n": 1.5}}, (400, "M_BAD_JSON")),
        ({"delay_ms": 1000, "content": {}, "state_key": "\0"}, (400, "M_INVALID_PARAM")),
        ({"delay_ms": 1000, "content": {"x": "y" * 65_536}}, (413, "M_TOO_LARGE")),
    ],
)
async def test_what_could_never_be_sent_is_refused_at_once(
    calls: CallsServer, body: JsonObject, answer: tuple[int, str]
) -> None:
    alice, room_id = await alice_at_home(calls)
    assert refused(await schedules(alice, room_id, body)) == answer
    assert await listed(alice) == []


async def test_who_is_suspended_schedules_nothing(calls: CallsServer) -> None:
    alice, room_id = await alice_at_home(calls)
    suspended = await calls.resident("alice", is_suspended=True)
    response = await delays(suspended, room_id, MESSAGE, 1000)
    assert refused(response) == (403, "M_USER_SUSPENDED")
    assert await listed(alice) == []


# --- deciding


@pytest.mark.parametrize("action", ["restart", "send", "cancel"])
async def test_the_earlier_form_of_an_action_works_with_a_token_and_without(
    calls: CallsServer, action: str
) -> None:
    alice, room_id = await alice_at_home(calls)
    for token in (alice.token, None):
        delay_id = await says_later(alice, room_id, "x")
        response = await calls.client.request(
            "POST", f"{MSC4140}/delayed_events/{delay_id}", {"action": action}, token=token
        )
        assert refused(response) == (200, "no error")


async def test_unknown_actions_are_refused(calls: CallsServer) -> None:
    alice, room_id = await alice_at_home(calls)
    delay_id = await says_later(alice, room_id, "x")
    assert refused(await acts(calls, delay_id, "delete")) == (404, "M_UNRECOGNIZED")
    path = f"{MSC4140}/delayed_events/{delay_id}"
    assert refused(await alice.post(path, {"action": "delete"})) == (400, "M_BAD_JSON")
    assert refused(await alice.post(path)) == (400, "M_MISSING_PARAM")
    assert (await calls.delayed_event(delay_id)).finalised is None


async def test_guests_may_take_part(calls: CallsServer) -> None:
    routes = calls.client.dispatcher.router.routes
    delayed = [route for route in routes if route.section in ("MSC4140", "MSC4486")]
    assert {route.access for route in delayed} == {Access.GUEST, Access.OPTIONAL}
    assert {route.rate for route in delayed if route.method == "PUT"} == {RateClass.MESSAGE}


# --- listing


async def test_what_became_of_an_event_is_shown(calls: CallsServer) -> None:
    alice, room_id = await alice_at_home(calls)
    sent, cancelled = [await says_later(alice, room_id, body) for body in "ab"]
    failed = (await delays_state(alice, room_id, "m.room.member", "nobody", {}, 8000)).json
    await acts(calls, sent, "send")
    await acts(calls, cancelled, "cancel")
    calls.clock.advance(8)
    await calls.finalised(failed["delay_id"])

    async def end(delay_id: str) -> Any:
        return (await alice.get(f"{MSC4140}/delayed_events/{delay_id}")).json["finalised"]

    event_id = (await end(sent))["event_id"]
    assert event_id in [stored.event.event_id for stored in await calls.timeline(room_id)]
    assert await end(cancelled) == {"finalised_ts": calls.clock.now_ms() - 8000}
    failure = await end(failed["delay_id"])
    assert failure["finalised_ts"] == calls.clock.now_ms()
    assert failure["error"]["errcode"] == "M_INVALID_PARAM"

    for status, delay_id in (
        ("sent", sent),
        ("cancelled", cancelled),
        ("failed", failed["delay_id"]),
    ):
        assert await listed(alice, f"?status={status}") == [delay_id]
    assert await listed(alice, "?status=scheduled") == []


async def test_the_list_is_selected_and_turned_around(calls: CallsServer) -> None:
    alice, room_id = await alice_at_home(calls)
    other_room = await alice.creates_room()
    late = await says_later(alice, room_id, "x", 9000)
    soon = await says_later(alice, other_room, "x", 1000)
    state = (await delays_state(alice, room_id, "m.room.name", "", {}, 5000)).json["delay_id"]
    now_ms = calls.clock.now_ms()

    assert await listed(alice) == [soon, state, late]
    assert await listed(alice, "?dir=b") == [late, state, soon]
    assert await listed(alice, f"?room_id={quoted(room_id)}") == [state, late]
    assert await listed(alice, "?type=m.room.name") == [state]
    assert await listed(alice, f"?from_ts={now_ms + 5000}&to_ts={now_ms + 8999}") == [state]


async def test_long_lists_come_in_pages(
    calls: CallsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("homeserver.api.calls.delayed_events.PAGE", 2)
    alice, room_id = await alice_at_home(calls)
    ids = [await says_later(alice, room_id, "x", 1000) for _ in range(5)]

    found, query = [], ""
    while True:
        page = (await alice.get(f"{MSC4486}/delayed_events{query}")).json
        found += [each["delay_id"] for each in page["delayed_events"]]
        if "next_batch" not in page:
            break
        query = f"?from={page['next_batch']}"

    assert sorted(found) == sorted(ids)
    assert len(page["delayed_events"]) == 1


@pytest.mark.parametrize("query", ["status=x", "dir=up", "from=x", "from=d1", "from_ts=x"])
async def test_what_cannot_be_selected_is_refused(calls: CallsServer, query: str) -> None:
    alice = await calls.resident("alice")
    response = await alice.get(f"{MSC4486}/delayed_events?{query}")
    assert refused(response) == (400, "M_INVALID_PARAM")


async def test_the_earlier_list_has_two_parts(calls: CallsServer) -> None:
    alice, room_id = await alice_at_home(calls)
    waiting, sent, cancelled = [await says_later(alice, room_id, body) for body in "abc"]
    await acts(calls, sent, "send")
    await acts(calls, cancelled, "cancel")
    path = f"{MSC4140}/delayed_events"

    both = (await alice.get(path)).json
    assert [each["delay_id"] for each in both["scheduled"]] == [waiting]
    assert both["scheduled"][0]["running_since"] == calls.clock.now_ms()
    assert both["scheduled"][0]["delay"] == 8000
    ends = {each["delayed_event"]["delay_id"]: each for each in both["finalised"]}
    assert {(e["outcome"], e["reason"]) for e in ends.values()} == {
        ("send", "action"),
        ("cancel", "action"),
    }
    assert ends[sent]["event_id"].startswith("$")
    assert list((await alice.get(f"{path}?status=scheduled")).json) == ["scheduled"]
    one = (await alice.get(f"{path}?status=finalised&delay_id={sent}&delay_id={waiting}")).json
    assert [each["delayed_event"]["delay_id"] for each in one["finalised"]] == [sent]
    assert refused(await alice.get(f"{path}?status=x")) == (400, "M_INVALID_PARAM")

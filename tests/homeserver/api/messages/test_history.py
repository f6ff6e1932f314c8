"""/messages, /context, /event, /members, /initialSync and /timestamp_to_event."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from homeserver.domain.canonical_json import JsonObject
from tests.clock import START_MS
from tests.rooms_fixture import Person, quoted, refused
from tests.sync_fixture import (
    Device,
    SyncServer,
    a_room,
    bodies,
    device,
    ids,
    ignores,
    members,
    places,
    redacts,
    relates,
    renames,
    said,
)


def path(room: str, operation: str, **query: Any) -> str:
    asked = {
        name.rstrip("_"): json.dumps(value) if isinstance(value, dict) else value
        for name, value in query.items()
        if value is not None
    }
    return f"/rooms/{quoted(room)}/{operation}" + (f"?{urlencode(asked)}" if asked else "")


async def got(person: Person, room: str, operation: str, **query: Any) -> JsonObject:
    response = await person.get(path(room, operation, **query))
    assert response.status == 200, response.json
    answer: JsonObject = response.json
    return answer


async def walk(person: Person, room: str, direction: str, **query: Any) -> list[JsonObject]:
    """Every event, page by page."""
    events: list[JsonObject] = []
    token = None
    for _ in range(100):
        page = await got(person, room, "messages", dir=direction, from_=token, **query)
        events += page["chunk"]
        token = page.get("end")
        if token is None:
            return events
    raise AssertionError("there is no end")


async def a_room_with(alice: Person, visibility: str) -> str:
    event = {
        "type": "m.room.history_visibility",
        "state_key": "",
        "content": {"history_visibility": visibility},
    }
    return await alice.creates_room(preset="public_chat", initial_state=[event])


# --- /messages


@pytest.mark.parametrize("limit", [1, 3, 7, 50, 1000])
@pytest.mark.parametrize("restart", [False, True])
async def test_pages_lead_through_all_events_in_both_directions(
    reading: SyncServer, alice: Person, limit: int, restart: bool
) -> None:
    room = await a_room(alice)
    for number in range(55):
        await alice.sends(room, str(number))
    everything = [e.event.event_id for e in await reading.timeline(room)]
    if restart:
        alice = reading.restarted().person("alice")
    assert ids(await walk(alice, room, "f", limit=limit)) == everything
    assert ids(await walk(alice, room, "b", limit=limit)) == everything[::-1]


async def test_a_page_tells_where_it_begins_and_ends(alice: Person) -> None:
    room = await a_room(alice)
    said = [await alice.sends(room, str(n)) for n in range(4)]
    newest = await got(alice, room, "messages", dir="b", limit=2)
    assert ids(newest["chunk"]) == [said[3], said[2]]
    older = await got(alice, room, "messages", dir="b", limit=2, from_=newest["end"])
    assert ids(older["chunk"]) == [said[1], said[0]]
    assert older["start"] == newest["end"]
    back = await got(alice, room, "messages", dir="f", limit=9, from_=newest["end"])
    assert ids(back["chunk"]) == said[2:]
    assert "end" not in back


async def test_pages_end_where_they_are_asked_to(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    since = (await device(bob)).since
    said = [await alice.sends(room, str(n)) for n in range(5)]
    until = (await device(bob)).since
    backwards = await got(bob, room, "messages", dir="b", from_=until, to=since, limit=10)
    assert ids(backwards["chunk"]) == said[::-1]
    assert "end" not in backwards
    forwards = await got(bob, room, "messages", dir="f", from_=since, to=until, limit=10)
    assert ids(forwards["chunk"]) == said


async def test_without_a_limit_there_are_ten(alice: Person) -> None:
    room = await a_room(alice)
    for number in range(12):
        await alice.sends(room, str(number))
    assert len((await got(alice, room, "messages", dir="b"))["chunk"]) == 10
    assert len((await got(alice, room, "messages", dir="b", limit=0))["chunk"]) == 1
    smaller = await got(alice, room, "messages", dir="b", limit=5, filter={"limit": 3})
    assert len(smaller["chunk"]) == 3
    assert len((await got(alice, room, "messages", dir="b", filter={"limit": 3}))["chunk"]) == 3


async def test_events_come_with_their_room_and_ones_own_transactions(
    alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    await alice.send(room, {"msgtype": "m.text", "body": "hi"}, txn_id="mine")
    for person, transaction in ((alice, "mine"), (bob, None)):
        (event,) = (await got(person, room, "messages", dir="b", limit=1))["chunk"]
        assert event["room_id"] == room
        assert event["unsigned"].get("transaction_id") == transaction
        assert event["unsigned"]["membership"] == "join"


@pytest.mark.parametrize(
    ("definition", "passed"),
    [
        ({"types": ["m.room.message"]}, ["text", "picture", "of bob"]),
        ({"not_types": ["m.room.*"]}, ["custom"]),
        ({"senders": ["@bob:hs"]}, ["of bob"]),
        ({"not_senders": ["@alice:hs"]}, ["of bob"]),
        ({"contains_url": True}, ["picture"]),
        ({"types": []}, []),
        ({"rooms": []}, []),
        ({"not_rooms": ["!elsewhere:hs"]}, ["text", "picture", "custom", "of bob"]),
        ({"related_by_rel_types": ["m.thread"]}, ["text"]),
        ({"related_by_senders": ["@bob:hs"]}, ["text", "picture"]),
        ({"related_by_rel_types": ["m.thread"], "related_by_senders": ["@alice:hs"]}, []),
    ],
)
async def test_filters(
    alice: Person, bob: Person, definition: JsonObject, passed: list[str]
) -> None:
    room = await a_room(alice, bob)
    sent = {
        "text": await alice.sends(room, "hello"),
        "picture": await said(alice, room, {"msgtype": "m.image", "url": "mxc://hs/1"}),
        "custom": await said(alice, room, {}, "org.example.ping"),
        "of bob": await bob.sends(room, "hello"),
    }
    await said(bob, room, relates("m.thread", sent["text"]), "org.example.other")
    await said(bob, room, relates("m.annotation", sent["picture"], key="👍"), "m.reaction")
    events = await walk(alice, room, "f", limit=2, filter=definition)
    assert [e for e in ids(events) if e in sent.values()] == [sent[name] for name in passed]


async def test_a_filter_that_passes_little_gives_pages_that_go_on(alice: Person) -> None:
    room = await a_room(alice)
    first = await said(alice, room, {}, "org.example.ping")
    for number in range(60):
        await alice.sends(room, str(number))
    definition = {"types": ["org.example.ping"]}
    page = await got(alice, room, "messages", dir="b", limit=1, filter=definition)
    assert ids(page["chunk"]) == [first]


async def test_lazily_loaded_members_are_those_who_speak(
    alice: Person, bob: Person, carol: Person
) -> None:
    room = await a_room(alice, bob, carol)
    await renames(bob, room, "Bob")
    await bob.sends(room, "hello")
    lazy = {"lazy_load_members": True}
    page = await got(carol, room, "messages", dir="b", limit=1, filter=lazy)
    assert [(e["state_key"], e["content"]["displayname"]) for e in page["state"]] == [
        (bob.user_id, "Bob")
    ]
    assert "state" not in await got(carol, room, "messages", dir="b", limit=1)


async def test_relations_and_redactions_are_told(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    root = await alice.sends(room, "root")
    await said(bob, room, relates("m.thread", root))
    secret = await alice.sends(room, "secret")
    redaction = await redacts(alice, room, secret)
    events = {e["event_id"]: e for e in await walk(bob, room, "b", limit=50)}
    thread = events[root]["unsigned"]["m.relations"]["m.thread"]
    assert (thread["count"], thread["latest_event"]["room_id"]) == (1, room)
    assert events[secret]["content"] == {}
    assert events[secret]["unsigned"]["redacted_because"]["event_id"] == redaction


SEEN = {
    "world_readable": ["before", "invited", "joined"],
    "shared": ["before", "invited", "joined"],
    "invited": ["invited", "joined"],
    "joined": ["joined"],
}


@pytest.mark.parametrize("visibility", SEEN)
@pytest.mark.parametrize("direction", ["f", "b"])
async def test_who_comes_in_reads_what_the_visibility_allows(
    alice: Person, bob: Person, visibility: str, direction: str
) -> None:
    room = await a_room_with(alice, visibility)
    await alice.sends(room, "before")
    await alice.invites(room, bob)
    await alice.sends(room, "invited")
    await bob.joins(room)
    await alice.sends(room, "joined")
    events = await walk(bob, room, direction, limit=2)
    expected = SEEN[visibility]
    assert bodies(events) == (expected if direction == "f" else expected[::-1])


async def test_who_left_reads_what_came_until_then(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    root = await alice.sends(room, "seen")
    await bob.leaves(room)
    await said(alice, room, {**relates("m.thread", root), "body": "unseen"})
    await said(alice, room, {**relates("m.replace", root), "m.new_content": {"body": "unseen"}})
    for _ in range(50):
        await alice.sends(room, "unseen")
    for direction in ("f", "b"):
        events = await walk(bob, room, direction, limit=3)
        assert bodies(events) == ["seen"]
        assert "unseen" not in json.dumps(events)
    first = (await got(bob, room, "messages", dir="b", limit=2))["chunk"]
    assert first[0]["unsigned"]["membership"] == "leave"


@pytest.mark.parametrize("operation", ["messages?dir=b", "members", "initialSync", "threads"])
async def test_who_has_no_part_in_a_room_reads_nothing(
    alice: Person, bob: Person, carol: Person, operation: str
) -> None:
    room = await alice.creates_room(preset="private_chat")
    await alice.invites(room, bob)
    await alice.bans(room, carol)
    for person, where in ((bob, room), (carol, room), (alice, "!nowhere:hs")):
        base = f"/rooms/{quoted(where)}/{operation}"
        version = "/_matrix/client/v1" if operation == "threads" else ""
        assert refused(await person.get(version + base)) == (403, "M_FORBIDDEN")


async def test_who_forgot_a_room_reads_nothing_any_more(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    await bob.leaves(room)
    assert (await bob.post(f"/rooms/{quoted(room)}/forget")).status == 200
    assert refused(await bob.get(path(room, "messages", dir="b"))) == (403, "M_FORBIDDEN")


async def test_everyone_may_look_into_a_room_that_the_world_may_read(
    alice: Person, bob: Person
) -> None:
    room = await a_room_with(alice, "world_readable")
    event = await alice.sends(room, "hello")
    events = await walk(bob, room, "b", limit=50)
    assert bodies(events) == ["hello"]
    assert {e["unsigned"]["membership"] for e in events} == {"leave"}
    assert (await got(bob, room, f"event/{quoted(event)}"))["event_id"] == event
    assert members((await got(bob, room, "members"))["chunk"]) == {alice.user_id: "join"}


async def test_ignored_users_are_read_in_history(alice: Person, bob: Person) -> None:
    # Clients hide them; only /sync leaves them out.
    room = await a_room(alice, bob)
    await alice.sends(room, "hello")
    await ignores(bob, alice)
    assert bodies(await walk(bob, room, "b", limit=50)) == ["hello"]


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("", (400, "M_MISSING_PARAM")),
        ("dir=x", (400, "M_INVALID_PARAM")),
        ("dir=b&from=x", (400, "M_INVALID_PARAM")),
        ("dir=b&from=t--5", (400, "M_INVALID_PARAM")),
        ("dir=b&from=t" + "9" * 30, (400, "M_INVALID_PARAM")),
        ("dir=b&to=s1_2", (400, "M_INVALID_PARAM")),
        ("dir=b&limit=-1", (400, "M_INVALID_PARAM")),
        ("dir=b&limit=many", (400, "M_INVALID_PARAM")),
        ("dir=b&filter=[]", (400, "M_INVALID_PARAM")),
        ("dir=b&filter={", (400, "M_INVALID_PARAM")),
        ('dir=b&filter={"types":1}', (400, "M_BAD_JSON")),
    ],
)
async def test_pages_that_cannot_be_asked_for(
    alice: Person, query: str, error: tuple[int, str]
) -> None:
    room = await a_room(alice)
    assert refused(await alice.get(f"/rooms/{quoted(room)}/messages?{query}")) == error


# --- /event and /context


async def test_one_event(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    event = await alice.sends(room, "hello")
    one = await got(bob, room, f"event/{quoted(event)}")
    assert (one["event_id"], one["room_id"], one["content"]["body"]) == (event, room, "hello")


async def test_an_event_that_one_may_not_see_is_not_found(
    alice: Person, bob: Person, carol: Person
) -> None:
    room, other = await a_room_with(alice, "joined"), await a_room(alice, bob)
    hidden = await alice.sends(room, "hidden")
    await bob.joins(room)
    elsewhere = await alice.sends(other, "elsewhere")
    private = await alice.creates_room(preset="private_chat")
    secret = await alice.sends(private, "secret")
    for person, where, event in (
        (bob, room, hidden),
        (bob, room, elsewhere),
        (bob, room, "$nothing"),
        (carol, private, secret),
        (carol, "!nowhere:hs", secret),
    ):
        for operation in ("event", "context"):
            asked = path(where, f"{operation}/{quoted(event)}")
            assert refused(await person.get(asked)) == (404, "M_NOT_FOUND")


async def test_the_context_of_an_event(alice: Person) -> None:
    room = await a_room(alice)
    said = [await alice.sends(room, str(n)) for n in range(9)]
    context = await got(alice, room, f"context/{quoted(said[4])}", limit=4)
    assert context["event"]["event_id"] == said[4]
    assert ids(context["events_before"]) == [said[3], said[2]]
    assert ids(context["events_after"]) == [said[5], said[6]]
    before = await got(alice, room, "messages", dir="b", limit=1, from_=context["start"])
    after = await got(alice, room, "messages", dir="f", limit=1, from_=context["end"])
    assert (ids(before["chunk"]), ids(after["chunk"])) == ([said[1]], [said[7]])


async def test_a_context_of_nothing_but_the_event(alice: Person) -> None:
    room = await a_room(alice)
    said = [await alice.sends(room, str(n)) for n in range(3)]
    context = await got(alice, room, f"context/{quoted(said[1])}", limit=0)
    assert (context["events_before"], context["events_after"]) == ([], [])
    assert context["event"]["event_id"] == said[1]
    before = await got(alice, room, "messages", dir="b", limit=1, from_=context["start"])
    assert ids(before["chunk"]) == [said[0]]


async def test_the_state_of_a_context_is_that_at_its_last_event(alice: Person) -> None:
    room = await a_room(alice)
    await alice.sets(room, "m.room.topic", {"topic": "then"})
    event = await alice.sends(room, "hello")
    await alice.sets(room, "m.room.topic", {"topic": "later"})
    context = await got(alice, room, f"context/{quoted(event)}", limit=1)
    topics = [e["content"]["topic"] for e in context["state"] if e["type"] == "m.room.topic"]
    assert topics == ["later"]
    context = await got(alice, room, f"context/{quoted(event)}", limit=0)
    topics = [e["content"]["topic"] for e in context["state"] if e["type"] == "m.room.topic"]
    assert topics == ["then"]


async def test_filters_of_a_context(alice: Person, bob: Person, carol: Person) -> None:
    room = await a_room(alice, bob, carol)
    await bob.sends(room, "before")
    event = await alice.sends(room, "here")
    await said(bob, room, {}, "org.example.ping")
    asked = f"context/{quoted(event)}"
    context = await got(alice, room, asked, filter={"types": ["m.room.message"]})
    assert bodies(context["events_before"]) == ["before"]
    assert context["events_after"] == []
    assert context["state"] == []
    lazy = await got(alice, room, asked, limit=2, filter={"lazy_load_members": True})
    assert set(members(lazy["state"])) == {alice.user_id, bob.user_id}
    assert ("m.room.create", "") in places(lazy["state"])


async def test_a_context_ends_where_one_left(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    event = await alice.sends(room, "seen")
    await bob.leaves(room)
    await alice.sets(room, "m.room.topic", {"topic": "unseen"})
    await alice.sends(room, "unseen")
    context = await got(bob, room, f"context/{quoted(event)}", limit=20)
    assert members(context["events_after"]) == {bob.user_id: "leave"}
    assert "unseen" not in json.dumps(context)


# --- /members


async def test_members_now_and_at_an_earlier_time(
    alice: Person, bob: Person, carol: Person
) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob, {"room": {"timeline": {"limit": 1}}})
    await carol.joins(room)
    await bob.leaves(room)
    await alice.sends(room, "hello")
    now = {alice.user_id: "join", bob.user_id: "leave", carol.user_id: "join"}
    assert members((await got(alice, room, "members"))["chunk"]) == now
    then = (await got(alice, room, "members", at=phone.since))["chunk"]
    assert members(then) == {alice.user_id: "join", bob.user_id: "join"}
    assert all(e["room_id"] == room for e in then)


async def test_members_at_the_beginning_of_a_timeline(alice: Person, bob: Person) -> None:
    room = await a_room(alice)
    await bob.joins(room)
    answer = await Device(alice, {"room": {"timeline": {"limit": 1}}}).sync()
    before = answer.room(room)["timeline"]["prev_batch"]
    assert members((await got(alice, room, "members", at=before))["chunk"]) == {
        alice.user_id: "join"
    }


async def test_members_by_membership(alice: Person, bob: Person, carol: Person) -> None:
    room = await a_room(alice, bob)
    await alice.invites(room, carol)
    await bob.leaves(room)

    async def asked(**query: str) -> set[str]:
        return set(members((await got(alice, room, "members", **query))["chunk"]))

    assert await asked(membership="join") == {alice.user_id}
    assert await asked(not_membership="join") == {bob.user_id, carol.user_id}
    assert await asked(membership="join", not_membership="invite") == {alice.user_id, bob.user_id}
    assert await asked(membership="knock") == set()


async def test_who_left_sees_the_members_of_that_time(
    alice: Person, bob: Person, carol: Person
) -> None:
    room = await a_room(alice, bob)
    await bob.leaves(room)
    await carol.joins(room)
    expected = {alice.user_id: "join", bob.user_id: "leave"}
    assert members((await got(bob, room, "members"))["chunk"]) == expected
    # To be invited again shows nothing of what came since.
    await alice.invites(room, bob)
    assert members((await got(bob, room, "members"))["chunk"]) == expected
    await bob.leaves(room)
    await alice.bans(room, bob)
    assert members((await got(bob, room, "members"))["chunk"]) == expected


async def test_members_that_cannot_be_asked_for(alice: Person) -> None:
    room = await a_room(alice)
    for query in ("membership=friend", "not_membership=1", "at=yesterday"):
        response = await alice.get(f"/rooms/{quoted(room)}/members?{query}")
        assert refused(response) == (400, "M_INVALID_PARAM")


# --- /initialSync


async def test_a_room_at_a_glance(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    said = [await alice.sends(room, str(n)) for n in range(4)]
    answer = await got(bob, room, "initialSync", limit=2)
    assert (answer["room_id"], answer["membership"], answer["visibility"]) == (
        room,
        "join",
        "private",
    )
    assert ids(answer["messages"]["chunk"]) == said[2:]
    before = await got(bob, room, "messages", dir="b", limit=1, from_=answer["messages"]["start"])
    assert ids(before["chunk"]) == [said[1]]
    assert {("m.room.create", ""), ("m.room.member", bob.user_id)} <= places(answer["state"])


async def test_a_room_that_was_left_at_a_glance(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    await alice.sends(room, "seen")
    await bob.leaves(room)
    await alice.sends(room, "unseen")
    await alice.sets(room, "m.room.topic", {"topic": "unseen"})
    answer = await got(bob, room, "initialSync")
    assert answer["membership"] == "leave"
    assert bodies(answer["messages"]["chunk"]) == ["seen"]
    assert "unseen" not in json.dumps(answer)


# --- /timestamp_to_event

V1 = "/_matrix/client/v1"


async def test_the_event_nearest_to_a_time(reading: SyncServer, alice: Person) -> None:
    room = await a_room(alice)
    said = []
    for _ in range(3):
        reading.clock.advance(60)
        said.append(await alice.sends(room, "hello"))

    async def nearest(seconds: int, direction: str) -> tuple[int, JsonObject]:
        ts = START_MS + seconds * 1000
        response = await alice.get(V1 + path(room, "timestamp_to_event", ts=ts, dir=direction))
        return response.status, response.json

    status, answer = await nearest(90, "f")
    assert (status, answer["event_id"]) == (200, said[1])
    assert answer["origin_server_ts"] == START_MS + 120_000
    assert (await nearest(119, "b"))[1]["event_id"] == said[0]
    assert (await nearest(120, "b"))[1]["event_id"] == said[1]
    status, answer = await nearest(10_000, "f")
    assert (status, answer["errcode"]) == (404, "M_NOT_FOUND")


async def test_the_nearest_event_is_one_that_can_be_seen(
    reading: SyncServer, alice: Person, bob: Person
) -> None:
    room = await a_room_with(alice, "joined")
    for _ in range(20):
        reading.clock.advance(1)
        await alice.sends(room, "hidden")
    reading.clock.advance(60)
    await bob.joins(room)
    seen = await alice.sends(room, "seen")
    asked = path(room, "timestamp_to_event", ts=START_MS + 5000, dir="f")
    found = (await bob.get(V1 + asked)).json["event_id"]
    assert found in ids(await walk(bob, room, "f", limit=50))
    asked = path(room, "timestamp_to_event", ts=START_MS + 10**9, dir="b")
    assert (await bob.get(V1 + asked)).json["event_id"] == seen


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("dir=f", (400, "M_MISSING_PARAM")),
        ("ts=1", (400, "M_MISSING_PARAM")),
        ("ts=now&dir=f", (400, "M_INVALID_PARAM")),
        ("ts=-1&dir=f", (400, "M_INVALID_PARAM")),
        ("ts=99999999999999999999999&dir=f", (400, "M_INVALID_PARAM")),
    ],
)
async def test_times_that_cannot_be_asked_for(
    alice: Person, query: str, error: tuple[int, str]
) -> None:
    room = await a_room(alice)
    asked = f"{V1}/rooms/{quoted(room)}/timestamp_to_event?{query}"
    assert refused(await alice.get(asked)) == error

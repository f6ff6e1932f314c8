"""Transactions: what is staged of them, what they are answered."""

from __future__ import annotations

import json
from typing import Any

import pytest

from federation.inbound.outcomes import Outcome
from homeserver.domain.canonical_json import JsonObject
from homeserver.ports.rooms.events import Standing
from tests.federation.inbound.receiving_server import ANNA, A, B, C, ReceivingServer
from tests.homeserver.domain.event_factory import ALICE, BOB, CAROL, Branch, a_room

MESSAGE = "m.room.message"


async def test_an_event_is_shown_after_it_was_received(
    here: ReceivingServer, branch: Branch
) -> None:
    await here.joins(branch)
    hello = branch.send(MESSAGE, ALICE, {"body": "hello"})
    assert await here.receives(A, [hello]) == {hello.event_id: {}}
    assert (await here.shown(branch))[-1] == hello.event_id
    assert here.staged() == []
    assert here.outcomes.counted == {Outcome.ACCEPTED: 1}


async def test_what_arrives_in_reverse_is_taken_in_without_asking_anybody(
    here: ReceivingServer, branch: Branch
) -> None:
    await here.joins(branch)
    events = [branch.send(MESSAGE, ALICE, {"n": n}) for n in range(20)]
    await here.receives(A, events[::-1])
    assert (await here.shown(branch))[-20:] == [event.event_id for event in events]
    assert here.remote.asked == []


async def test_an_event_that_comes_twice_is_shown_once(
    here: ReceivingServer, branch: Branch
) -> None:
    await here.joins(branch)
    hello = branch.send(MESSAGE, ALICE, {"body": "hello"})
    assert await here.receives(A, [hello, hello]) == {hello.event_id: {}}
    assert await here.receives(B, [hello]) == {hello.event_id: {}}
    assert (await here.shown(branch)).count(hello.event_id) == 1


async def test_a_repeated_transaction_gets_the_same_answer_and_is_not_looked_at(
    here: ReceivingServer, branch: Branch
) -> None:
    await here.joins(branch)
    hello = branch.send(MESSAGE, ALICE, {"body": "hello"})
    first = await here.sent(A, [hello], [_typing()], txn_id="same")
    again = await here.sent(A, [], [_typing()], txn_id="same")
    assert first.json == again.json == {"pdus": {hello.event_id: {}}}
    assert len(here.edus.received) == 1
    await here.judged()
    restarted = await here.restarted()
    after = await restarted.sent(A, [], [_typing()], txn_id="same")
    assert after.json == first.json
    assert restarted.edus.received == []
    other = await restarted.sent(B, [], [], txn_id="same")
    assert other.json == {"pdus": {}}
    await restarted.close()
    here.core.engine = here.core.open_engine()


async def test_a_forged_event_is_dropped_and_the_others_are_not(
    here: ReceivingServer, branch: Branch
) -> None:
    await here.joins(branch)
    forged = branch.draft(MESSAGE, ALICE, {"body": "forged"})
    pdu = {**forged.pdu_object(), "signatures": {A: {"ed25519:1": "AAAA"}}}
    hello = branch.send(MESSAGE, ALICE, {"body": "hello"})
    results = await here.receives(A, [pdu, hello])
    assert set(results[forged.event_id]) == {"error"}
    assert results[hello.event_id] == {}
    assert await here.standing(forged) is None
    assert await here.standing(hello) is Standing.ACCEPTED


async def test_an_event_whose_key_cannot_be_had_is_dropped(
    here: ReceivingServer, branch: Branch
) -> None:
    await here.joins(branch)
    here.keys.unknown.add(B)
    event = branch.send(MESSAGE, BOB, {"body": "hello"})
    results = await here.receives(A, [event])
    assert set(results[event.event_id]) == {"error"}
    assert here.outcomes.counted == {Outcome.KEY_UNAVAILABLE: 1}


async def test_an_event_whose_hash_is_wrong_is_taken_in_redacted(
    here: ReceivingServer, branch: Branch
) -> None:
    await here.joins(branch)
    event = branch.send(MESSAGE, ALICE, {"body": "hello"})
    pdu = {**event.pdu_object(), "content": {"body": "something else"}}
    assert await here.receives(A, [pdu]) == {event.event_id: {}}
    newest = (await here.timeline(branch))[-1].event
    assert (newest.event_id, newest.content) == (event.event_id, {})


async def test_events_that_are_no_events_fail_alone(here: ReceivingServer, branch: Branch) -> None:
    await here.joins(branch)
    hello = branch.send(MESSAGE, ALICE, {"body": "hello"})
    good = hello.pdu_object()
    junk: list[Any] = [
        7,
        {},
        {"room_id": []},
        {"room_id": "junk"},
        {**good, "depth": -1},
        {**good, "type": "with\0nul"},
        {**good, "content": []},
        {**good, "prev_events": ["$x"] * 21},
        {**good, "state_key": "x" * 300},
        {**good, "content": {"body": "x" * 70_000}},
    ]
    results = await here.receives(A, [*junk, good])
    assert results.pop(hello.event_id) == {}
    assert results
    assert all(set(result) == {"error"} for result in results.values())
    assert await here.standing(hello) is Standing.ACCEPTED


async def test_what_a_server_adds_without_signing_it_is_not_kept(
    here: ReceivingServer, branch: Branch
) -> None:
    await here.joins(branch)
    hello = branch.send(MESSAGE, ALICE, {"body": "hello"})
    invite = branch.invite(ALICE, CAROL)
    added = {"age": 5, "age_ts": 1, "redacted_because": {}, "invite_room_state": []}
    pdus = [{**event.pdu_object(), "unsigned": added} for event in (hello, invite)]
    assert await here.receives(A, pdus) == {hello.event_id: {}, invite.event_id: {}}
    assert [stored.event.pdu for stored in (await here.timeline(branch))[-2:]] == [
        hello.pdu,
        invite.pdu,
    ]


DEEP = b'{"x":' * 150 + b"1" + b"}" * 150


@pytest.mark.parametrize("odd", [DEEP, b'{"n":1e999}', b'"\xff"', b'{"content":' + DEEP + b"}"])
async def test_what_cannot_be_read_fails_alone(
    here: ReceivingServer, branch: Branch, odd: bytes
) -> None:
    await here.joins(branch)
    hello = branch.send(MESSAGE, ALICE, {"body": "hello"})
    pdus, edus = [odd, hello.pdu, odd], [odd, json.dumps(_typing()).encode()]
    body = b'{"pdus":[%s],"edus":[%s]}' % (b",".join(pdus), b",".join(edus))
    response = await here.sent_body(A, body)
    assert (response.status, response.json) == (200, {"pdus": {hello.event_id: {}}})
    await here.judged()
    assert await here.standing(hello) is Standing.ACCEPTED
    assert here.outcomes.counted == {Outcome.ACCEPTED: 1, Outcome.MALFORMED: 2}
    assert [edu_type for _, edu_type, _ in here.edus.received] == ["m.typing"]


@pytest.mark.parametrize(
    "body", [b"[]", b"{", b'{"pdus":{}}', b'{"edus":1}', b'{"pdus":null}', b'{"pdus":[1}']
)
async def test_what_is_no_transaction_is_refused(here: ReceivingServer, body: bytes) -> None:
    response = await here.sent_body(A, body)
    assert response.status == 400
    assert response.json["errcode"] in ("M_BAD_JSON", "M_NOT_JSON")


async def test_an_event_of_a_server_that_the_room_denies_is_refused(
    here: ReceivingServer, branch: Branch
) -> None:
    acl: JsonObject = {"allow": ["*"], "deny": ["b.example"]}
    branch.send("m.room.server_acl", ALICE, acl, "")
    await here.joins(branch)
    event = branch.send(MESSAGE, BOB, {"body": "hello"})
    assert set((await here.receives(B, [event]))[event.event_id]) == {"error"}
    assert await here.standing(event) is None
    # It is the sender of the transaction who is denied.
    assert await here.receives(A, [event]) == {event.event_id: {}}


async def test_events_of_rooms_in_which_nobody_is_are_refused(
    here: ReceivingServer, branch: Branch
) -> None:
    await here.joins(branch)
    elsewhere = a_room("11")
    unknown = elsewhere.send(MESSAGE, ALICE, {"body": "hello"})
    pdu = {**unknown.pdu_object(), "room_id": "!unknown:a.example"}
    (result,) = (await here.receives(A, [pdu])).values()
    assert set(result) == {"error"}
    left = branch.leave(ANNA)
    assert await here.receives(A, [left]) == {left.event_id: {}}
    late = branch.send(MESSAGE, ALICE, {"body": "late"})
    assert set((await here.receives(A, [late]))[late.event_id]) == {"error"}
    assert here.staged() == []


async def test_a_transaction_that_is_too_large_is_refused_as_a_whole(
    here: ReceivingServer, branch: Branch
) -> None:
    await here.joins(branch)
    events = [branch.send(MESSAGE, ALICE, {"n": n}) for n in range(51)]
    for response in (
        await here.sent(A, events),
        await here.sent(A, events[:1], [_typing()] * 101),
    ):
        assert (response.status, response.json["errcode"]) == (400, "M_BAD_JSON")
    assert await here.standing(events[0]) is None
    assert here.edus.received == []
    assert (await here.sent(A, events[:50], [_typing()] * 100)).status == 200


async def test_edus_are_passed_on_whatever_becomes_of_the_others(here: ReceivingServer) -> None:
    here.edus.failing.add("m.broken")
    edus = [
        {"edu_type": "m.broken", "content": {}},
        {"edu_type": "m.typing"},
        "junk",
        _typing(),
    ]
    response = await here.sent(C, [], edus)
    assert (response.status, response.json) == (200, {"pdus": {}})
    assert here.edus.received == [(C, "m.typing", {"room_id": "!room:a.example"})]


async def test_all_signatures_of_a_transaction_are_checked_together(
    here: ReceivingServer, branch: Branch
) -> None:
    await here.joins(branch)
    events = [branch.send(MESSAGE, ALICE, {"n": n}) for n in range(50)]
    here.keys.asked = 0
    await here.receives(A, events)
    assert here.keys.asked == 1


def _typing() -> JsonObject:
    return {"edu_type": "m.typing", "content": {"room_id": "!room:a.example"}}

"""Whether events and other objects are signed by those who must have signed them."""

from __future__ import annotations

from typing import Any

import attrs
import msgspec
import pytest

from federation.keys.signature_checker import BATCH, Outcome, SignedObject
from homeserver.domain.event_signatures import sign_event
from homeserver.domain.events import Event, EventDraft, build_event
from homeserver.domain.identifiers import EventId, RoomId, ServerName, UserId
from homeserver.domain.room_versions import ROOM_VERSIONS, RoomVersion
from homeserver.domain.signing import SigningKey, sign_json
from tests.clock import START_MS
from tests.federation.key_servers import DAY_MS, THERE, KeyServer, Says, Setting, key_response

V10 = ROOM_VERSIONS["10"]
SENDER = UserId(f"@alice:{THERE}")
ELSEWHERE = ServerName("elsewhere.example")


def an_event(
    key: SigningKey, version: RoomVersion = V10, event_id: str | None = None, **changes: Any
) -> Event:
    draft = EventDraft(
        RoomId("!room:here.example"), "m.room.message", SENDER, None, {"body": "hi"}, START_MS
    )
    return build_event(
        attrs.evolve(draft, **changes),
        version,
        prev_events=[],
        auth_events=[],
        depth=3,
        server_name=THERE,
        signing_key=key,
        event_id=None if event_id is None else EventId(event_id),
    )


def changed(event: Event, **changes: Any) -> Event:
    pdu = msgspec.json.encode({**event.pdu_object(), **changes}, order="sorted")
    return Event.from_pdu(pdu, event.version, event.event_id)


async def test_each_event_has_its_own_outcome(here: KeyServer, there: KeyServer) -> None:
    good = an_event(there.key)
    events = {
        "good": good,
        "of another author": changed(good, sender=f"@mallory:{THERE}"),
        "unsigned": changed(good, signatures={}),
        "strangely signed": changed(good, signatures=[1]),
        "very strangely signed": changed(good, signatures={THERE: "x"}),
        "signed with nonsense": changed(good, signatures={THERE: {there.key.key_id: "!"}}),
        "signed by another": changed(good, signatures={ELSEWHERE: good.pdu_object()}),
        "of an unknown kind of key": changed(good, signatures={THERE: {"rsa:1": "AAAA"}}),
        "of an unknown key": an_event(SigningKey.generate("unknown")),
        "redacted": changed(good, content={}),
    }
    outcomes = await here.checker.check_events(list(events.values()))
    found = {name: outcome.name for name, outcome in zip(events, outcomes, strict=True)}
    assert found == dict.fromkeys(events, "INVALID") | {
        "good": "VALID",
        "redacted": "VALID",
        "of an unknown key": "UNKNOWN_KEY",
    }


async def test_thousands_of_events_need_one_fetch(here: KeyServer, there: KeyServer) -> None:
    events = [an_event(there.key, origin_server_ts=START_MS - n) for n in range(5 * BATCH + 1)]
    events[77] = changed(events[77], sender=f"@mallory:{THERE}")
    outcomes = await here.checker.check_events(events)
    assert [n for n, outcome in enumerate(outcomes) if outcome is not Outcome.VALID] == [77]
    assert len(here.network.asked) == 1


async def test_no_events_have_no_outcomes(here: KeyServer) -> None:
    assert await here.checker.check_events([]) == []


@pytest.mark.parametrize(("version", "outcome"), [("4", "VALID"), ("5", "UNKNOWN_KEY")])
async def test_since_version_5_keys_must_be_good_when_the_event_was_made(
    here: KeyServer, setting: Setting, version: str, outcome: str
) -> None:
    key = SigningKey.generate("k")
    said = key_response(THERE, key, valid_until_ms=START_MS - DAY_MS)
    setting.network.servers[THERE] = Says(said).dispatcher
    event = an_event(key, ROOM_VERSIONS[version])
    assert [each.name for each in await here.checker.check_events([event])] == [outcome]


async def test_an_old_event_may_be_signed_with_an_old_key(
    here: KeyServer, setting: Setting
) -> None:
    key, old = SigningKey.generate("k"), SigningKey.generate("old")
    said = key_response(
        THERE,
        key,
        valid_until_ms=START_MS + DAY_MS,
        old={old.key_id: (old, START_MS - DAY_MS)},
    )
    setting.network.servers[THERE] = Says(said).dispatcher
    times = (START_MS - DAY_MS, START_MS - DAY_MS + 1)
    events = [an_event(old, origin_server_ts=at_ms) for at_ms in times]
    assert await here.checker.check_events(events) == [Outcome.VALID, Outcome.UNKNOWN_KEY]


async def test_both_servers_of_a_restricted_join_must_have_signed(
    here: KeyServer, there: KeyServer, setting: Setting
) -> None:
    voucher = KeyServer(setting, ELSEWHERE)
    join = an_event(
        there.key,
        type="m.room.member",
        state_key=SENDER,
        content={
            "membership": "join",
            "join_authorised_via_users_server": f"@bob:{ELSEWHERE}",
        },
    )
    both = sign_event(join, ELSEWHERE, voucher.key)
    forged = sign_event(join, ELSEWHERE, SigningKey.generate("a_1"))
    assert await here.checker.check_events([join, both, forged]) == [
        Outcome.INVALID,
        Outcome.VALID,
        Outcome.INVALID,
    ]


async def test_the_server_in_the_id_of_an_old_event_must_have_signed(
    here: KeyServer, there: KeyServer
) -> None:
    own = an_event(there.key, ROOM_VERSIONS["1"], f"$own:{THERE}")
    stolen = an_event(there.key, ROOM_VERSIONS["1"], f"$stolen:{ELSEWHERE}")
    assert await here.checker.check_events([own, stolen]) == [Outcome.VALID, Outcome.INVALID]


async def test_one_good_signature_of_a_server_is_enough(here: KeyServer, there: KeyServer) -> None:
    event = an_event(there.key)
    signatures = event.pdu_object()["signatures"]
    signatures[THERE]["ed25519:gone"] = "AAAA"
    more = changed(event, signatures=signatures)
    assert await here.checker.check_events([more]) == [Outcome.VALID]


async def test_objects_are_checked_at_the_time_they_are_for(
    here: KeyServer, there: KeyServer
) -> None:
    content = sign_json({"a": 1}, THERE, there.key)
    signers = frozenset({THERE})
    outcomes = await here.checker.check_objects(
        [
            SignedObject(content, signers, START_MS),
            SignedObject(content | {"a": 2}, signers, START_MS),
            SignedObject(content, signers, START_MS + 3 * DAY_MS),
            SignedObject({"a": 1}, signers, START_MS),
            SignedObject({"a": 1}, frozenset(), START_MS),
        ]
    )
    assert [each.name for each in outcomes] == [
        "VALID",
        "INVALID",
        "UNKNOWN_KEY",
        "INVALID",
        "VALID",
    ]
